// Tensors of a safetensors file made elsewhere: u64 header size, a JSON header {name: {dtype, shape,
// data_offsets}}, data. The header is checked whole when the file is opened; data are read tensor by
// tensor, not mapped, so a file that is cut short while in use is an error and not a signal.
#ifndef SOUK_CONVERT_HF_TENSORS_H
#define SOUK_CONVERT_HF_TENSORS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct hf_tensors hf_tensors;

enum { HF_DIMS = 8 };

typedef struct hf_tensor {
  const char *name;  // owned by the file
  const char *dtype; // "F32"; only F64, F32, F16 and BF16 can be read
  int32_t ndim;
  int64_t shape[HF_DIMS];
  int64_t size;           // elements
  uint64_t offset, bytes; // in the file
  bool used;              // for the caller
} hf_tensor;

status hf_tensors_open(hf_tensors **out, const char *path);
void hf_tensors_close(hf_tensors *t); // NULL is safe
int32_t hf_tensors_count(const hf_tensors *t);
hf_tensor *hf_tensors_at(const hf_tensors *t, int32_t i);
hf_tensor *hf_tensors_find(const hf_tensors *t, const char *name); // NULL: not there
// All elements as float32; ERR_NONFINITE when one is NaN or infinite. to [size] is written.
status hf_tensor_read(const hf_tensors *t, const hf_tensor *x, float *to);

#endif
