// Safetensors files from elsewhere, as souk import reads them. What is accepted lies in the file, does not
// overlap, and is read whole: finite numbers, or a sentence.
#include <math.h>
#include <stdlib.h>
#include "fuzz/fuzz.h"
#include "convert/hf_tensors.h"

enum { LARGEST = 1 << 20 }; // elements of a tensor that is read

static void read_one(const hf_tensors *t, const hf_tensor *x) {
  if (x->size > LARGEST) return;
  float *values = malloc((size_t)x->size * sizeof *values + 1);
  require(values != NULL);
  if (hf_tensor_read(t, x, values) == OK)
    for (int64_t i = 0; i < x->size; i++) require(isfinite(values[i]));
  else
    require_sentence(x->name[0] != '\0' ? x->name : NULL);
  free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const char *path = fuzz_file(0, data, bytes);
  hf_tensors *t;
  if (hf_tensors_open(&t, path) != OK) {
    require(t == NULL);
    require_sentence(path);
    return 0;
  }
  fuzz_accepted();
  for (int32_t i = 0; i < hf_tensors_count(t); i++) {
    const hf_tensor *x = hf_tensors_at(t, i), *next = i + 1 < hf_tensors_count(t) ? x + 1 : NULL;
    require(x->offset + x->bytes <= bytes && x->size >= 0 && x->ndim <= HF_DIMS);
    require(next == NULL || next->offset >= x->offset + x->bytes);
    require(hf_tensors_find(t, x->name) == x);
    read_one(t, x);
  }
  hf_tensors_close(t);
  return 0;
}
