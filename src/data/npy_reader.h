// .npy files of others: float32 of two dimensions in C order, which is what numpy.save writes of a float32 matrix.
#ifndef SOUK_DATA_NPY_READER_H
#define SOUK_DATA_NPY_READER_H

#include <stdint.h>
#include <stdio.h>
#include "base/status.h"

typedef struct npy_file {
  FILE *f;
  const char *path; // for messages; it must live as long
  int64_t rows, columns;
} npy_file;

// Reads the header. ERR_FORMAT unless it is such an array with at least one column. Close it after an error, too; a zeroed
// one is safe to close.
status npy_open(npy_file *npy, const char *path);
// All values, [rows, columns]. ERR_FORMAT where the file is shorter or longer than its header says, ERR_NONFINITE for a NaN or an
// infinity.
status npy_values(npy_file *npy, float *values);
void npy_close(npy_file *npy);

#endif
