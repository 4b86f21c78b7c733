// The safetensors format: u64 header size, JSON header {name: {dtype, shape, data_offsets}}, data.
// https://huggingface.co/docs/safetensors
//
// The whole table is checked when it is read: dtypes, shapes whose product is the size, offsets inside the data, no two
// tensors that overlap and no bytes that belong to none.
#ifndef SOUK_FORMAT_SAFETENSORS_H
#define SOUK_FORMAT_SAFETENSORS_H

#include <stdint.h>
#include "format/format_error.h"

enum { TENSOR_DIMS = 8, TENSOR_HEADER_MAX = 16 << 20 };

typedef struct tensor {
  const char *name;
  char dtype[16]; // "F32", "I64", ...; an unknown one may be cut short
  int32_t ndim;
  int64_t shape[TENSOR_DIMS];
  int64_t size;        // elements
  uint64_t begin, end; // bytes in the data section
  const char *data;    // not aligned; NULL: the data are not in memory
  bool used;           // for the caller
} tensor;

typedef struct safetensors {
  tensor *items; // [count] in the order of their data
  size_t count;
  uint64_t data_at; // where the data section begins in the file
  tensor **by_name; // [count]
  char *names;
} safetensors;

// Of a whole file in memory, which must outlive *f. `path` is for messages.
bool safetensors_read(safetensors *f, const char *file, size_t bytes, const char *path, format_error *e);
// For files that are not in memory: *header_bytes from the first eight bytes of a file of file_bytes; then the table
// from the header. any_dtype: tensors of an unknown dtype are accepted, with their size unchecked.
bool safetensors_header_size(const void *first, uint64_t file_bytes, uint64_t *header_bytes, const char *path,
                             format_error *e);
bool safetensors_table(safetensors *f, const char *header, uint64_t header_bytes, uint64_t data_bytes,
                       bool any_dtype, const char *path, format_error *e);
void safetensors_free(safetensors *f);                            // zeroed is fine
tensor *safetensors_find(const safetensors *f, const char *name); // NULL: not there
// The tensor with this name, dtype and shape, [rows] or [rows, columns], which is marked as used; an error names what it is
// instead.
bool safetensors_expect(const safetensors *f, const char *path, const char *name, const char *dtype,
                        int32_t ndim, int64_t rows, int64_t columns, const tensor **out, format_error *e);

// The bytes before the data of these tensors, which follow in this order: the header's size and the header, filled
// with spaces so that the data begin at a multiple of 64. The caller sets name, dtype (a known one), ndim and shape
// of `items`; the other fields are filled in. metadata: JSON members of "__metadata__", such as "\"format\":\"pt\"".
// Freed with free(); NULL: out of memory.
char *safetensors_header(tensor *items, size_t count, const char *metadata, size_t *bytes);

#endif
