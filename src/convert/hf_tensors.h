// Tensors of a safetensors file made elsewhere, or of several. The whole table is checked when the file is opened. Data are read
// tensor by tensor and not mapped, so that a file that is truncated while in use gives an error and not a signal.
#ifndef SOUK_CONVERT_HF_TENSORS_H
#define SOUK_CONVERT_HF_TENSORS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "format/safetensors.h"

typedef struct hf_tensors hf_tensors;

status hf_tensors_open(hf_tensors **out, const char *path);
// Of several files: DIR/NAME for each name in the "weight_map" of `index`, as save_pretrained writes it for large models.
status hf_tensors_open_index(hf_tensors **out, const char *dir, const char *index);
// SHA-256 of the file, or of the checksums of several files.
status hf_tensors_identity(const hf_tensors *t, char hex[65]);
void hf_tensors_close(hf_tensors *t); // NULL is safe
const safetensors *hf_tensors_table(const hf_tensors *t);
// All elements as float32, of an F64, F32, F16 or BF16 tensor; ERR_NONFINITE when one is NaN or infinite. to [size] is written.
status hf_tensor_read(const hf_tensors *t, const tensor *x, float *to);

#endif
