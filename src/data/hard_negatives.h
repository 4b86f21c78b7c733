// Hard negatives: for each history of a data set a few items that a model ranks highest behind it and that are not in it. Made by
// train/mining.h, drawn by sources/negatives.c.
#ifndef SOUK_DATA_HARD_NEGATIVES_H
#define SOUK_DATA_HARD_NEGATIVES_H

#include "data/dataset.h"

typedef struct hard_negatives {
  int64_t sequences; // of the data set
  int32_t each;      // room of a list
  int32_t *items;    // [sequences, each] token ids, the best first; -1 behind the last one
  int64_t step;      // of a run whose parameters ranked them; 0: those that it began from
} hard_negatives;

status hard_negatives_new(hard_negatives **out, int64_t sequences, int32_t each); // lists are empty
void hard_negatives_free(hard_negatives *h);                                      // NULL is safe
int32_t hard_negatives_count(const hard_negatives *h, int64_t history);           // items of a list

#define HARD_NEGATIVES_FILE "mined.h5"
// HARD_NEGATIVES_FILE (HDF5, schema "souk.mined", version 1), which a checkpoint has whose run has made them anew: items int32 [N, each], as above,
// and step int64 [1]. A file must be of this data set: ERR_FORMAT names what is not.
status hard_negatives_write(const hard_negatives *h, const char *path);
status hard_negatives_read(hard_negatives **out, const char *path, dataset *d);

// The data set takes *h over, in place of what it had; its batches draw from it from now on.
void dataset_set_hard_negatives(dataset *d, hard_negatives *h);
const hard_negatives *dataset_hard_negatives(const dataset *d); // NULL: none were set

#endif
