// Safetensors files from elsewhere, as souk import reads them. What is accepted lies in the file, does not
// overlap or leave gaps, and is read whole: finite numbers, or a sentence.
#include <math.h>
#include <stdlib.h>
#include "fuzz/fuzz.h"
#include "convert/hf_tensors.h"

enum { LARGEST = 1 << 20 }; // elements of a tensor that is read

static void read_one(const hf_tensors *t, const tensor *x) {
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
  const safetensors *table = hf_tensors_table(t);
  for (size_t i = 0; i < table->count; i++) {
    const tensor *x = &table->items[i], *next = i + 1 < table->count ? x + 1 : NULL;
    require(table->data_at + x->end <= bytes && x->size >= 0 && x->ndim <= TENSOR_DIMS);
    require(next == NULL || next->begin == x->end);
    require(safetensors_find(table, x->name) == x);
    read_one(t, x);
  }
  hf_tensors_close(t);
  return 0;
}
