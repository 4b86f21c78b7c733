// A run's first batches in a file, for other programs that are to do the same work, and for whoever wants to see what a model is
// trained on.
//
// HDF5, schema "souk.batches", version 1: for micro-batch K of step I, both counted from 0, one dataset a field of the batch
// (ops/batch_fields.h) as step-I/micro-K/NAME, with as many elements as are live.
#ifndef SOUK_TRAIN_BATCH_FILE_H
#define SOUK_TRAIN_BATCH_FILE_H

#include "data/batcher.h"
#include "hdf5/hdf5_glue.h"

// Writes the fields of a batch as GROUP/NAME into an open file. The caller holds HDF5's lock; `path` is for messages.
status batch_fields_write(hid_t file, const char *path, const char *group, const batch *b);
// Writes the next `steps` times `micros` batches of b to PATH. The caller does not hold the lock.
status batch_file_write(const char *path, batcher *b, int64_t steps, int64_t micros);

#endif
