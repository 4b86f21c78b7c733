// The safetensors format: u64 header size, JSON header, data. https://huggingface.co/docs/safetensors
//
// The whole table is checked at once: dtypes, shapes whose product is the size, offsets inside the data, no
// two tensors that overlap and no bytes that belong to none.
#ifndef SOUK_INFER_TENSORS_H
#define SOUK_INFER_TENSORS_H

#include <stdint.h>
#include "infer/errors.h"
#include "infer/mapping.h"

enum { TENSOR_DIMS = 8, TENSOR_HEADER_MAX = 16 << 20 };

typedef struct tensor {
  const char *name;
  char dtype[8]; // "F32", "I64", ...
  int32_t ndim;
  uint64_t shape[TENSOR_DIMS];
  uint64_t begin, end; // bytes in the data section
  const char *data;    // not aligned
} tensor;

typedef struct tensor_file {
  tensor *items; // [count] in ascending order of names
  size_t count;
  char *names;
} tensor_file;

// Reads the table of a mapped file; `path` is for messages. The mapping must outlive *f.
souk_status tensors_read(tensor_file *f, const mapping *m, const char *path, souk_error *e);
void tensors_free(tensor_file *f); // zeroed is fine
// The tensor with this name, dtype and shape; ERR_FORMAT otherwise.
souk_status tensors_find(const tensor_file *f, const char *path, const char *name, const char *dtype,
                         int32_t ndim, uint64_t rows, uint64_t columns, const tensor **out, souk_error *e);

#endif
