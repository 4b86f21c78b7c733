// Safetensors files from elsewhere, as souk import reads them. What is accepted lies in the file, does not
// overlap or leave gaps, and is read whole: finite numbers, or a sentence. Input that begins with '{' is the index of a model
// in two files, a.safetensors (tensor "x") and b.safetensors ("y"): what it takes has tensors of those files only, each once.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
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

static void write_part(const char *name, const char *tensor_name) {
  char file[128];
  const int n = snprintf(file + 8, sizeof file - 8,
                         "{\"%s\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}%c%c%c%c",
                         tensor_name, 0, 0x3c, 0, 0x40);
  const uint64_t header = (uint64_t)n - 4;
  memcpy(file, &header, 8);
  fuzz_write(fuzz_directory(), name, file, (size_t)n + 8);
}

static int check_index(const uint8_t *data, size_t bytes) {
  static bool made;
  static char index[4096];
  const char *dir = fuzz_directory();
  if (!made) {
    write_part("a.safetensors", "x");
    write_part("b.safetensors", "y");
    require_ok(path_join(index, sizeof index, dir, "index.json"));
    made = true;
  }
  fuzz_write(dir, "index.json", data, bytes);
  hf_tensors *t;
  if (hf_tensors_open_index(&t, dir, index) != OK) {
    require(t == NULL);
    require_sentence(dir);
    return 0;
  }
  fuzz_accepted();
  const safetensors *table = hf_tensors_table(t);
  require(table->count >= 1 && table->count <= 2);
  for (size_t i = 0; i < table->count; i++) {
    float values[2];
    require_ok(hf_tensor_read(t, &table->items[i], values));
    require(values[0] == 1.0f && values[1] == 2.0f);
  }
  hf_tensors_close(t);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes > 0 && data[0] == '{') return check_index(data, bytes);
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
