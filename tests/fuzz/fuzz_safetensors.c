// The safetensors reader: no tensor lies outside the file, every byte belongs to one, and the table written
// anew reads as the same table.
#include <stdlib.h>
#include <string.h>
#include "format/safetensors.h"
#include "fuzz/fuzz.h"

// Header and data of the same tensors, as export writes them.
static char *compose(const safetensors *f, const char *data, size_t data_bytes, size_t *bytes) {
  tensor *copies = calloc(f->count + 1, sizeof *copies);
  require(copies != NULL);
  for (size_t i = 0; i < f->count; i++) copies[i] = f->items[i];
  char *header = safetensors_header(copies, f->count, "", bytes);
  require(header != NULL && *bytes % 64 == 0);
  for (size_t i = 0; i < f->count; i++)
    require(copies[i].begin == f->items[i].begin && copies[i].end == f->items[i].end &&
            copies[i].size == f->items[i].size);
  char *text = realloc(header, *bytes + data_bytes);
  require(text != NULL);
  memcpy(text + *bytes, data, data_bytes);
  *bytes += data_bytes;
  free(copies);
  return text;
}

// Each byte of the data belongs to exactly one tensor.
static size_t check_tensors(const safetensors *f, const char *file, size_t bytes) {
  size_t sum = 0;
  for (size_t i = 0; i < f->count; i++) {
    const tensor *t = &f->items[i];
    require(t->ndim >= 0 && t->ndim <= TENSOR_DIMS && t->begin <= t->end && t->begin == sum);
    require(t->data == file + f->data_at + t->begin && f->data_at + t->end <= bytes);
    sum += (size_t)(t->end - t->begin);
    volatile char touched = 0;
    for (uint64_t k = t->begin; k < t->end; k++) touched = (char)(touched ^ t->data[k - t->begin]);
    require(safetensors_find(f, t->name) == t);
    require(i == 0 || strcmp(f->by_name[i - 1]->name, f->by_name[i]->name) < 0);
  }
  require(f->data_at + sum == bytes);
  return sum;
}

static void check_same(const safetensors *a, const safetensors *b) {
  require(a->count == b->count);
  for (size_t i = 0; i < a->count; i++) {
    const tensor *x = a->by_name[i], *y = b->by_name[i];
    require(strcmp(x->name, y->name) == 0 && strcmp(x->dtype, y->dtype) == 0);
    require(x->ndim == y->ndim && memcmp(x->shape, y->shape, sizeof x->shape) == 0);
    require(x->begin == y->begin && x->end == y->end);
    require(memcmp(x->data, y->data, (size_t)(x->end - x->begin)) == 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  char *copy = malloc(bytes > 0 ? bytes : 1); // exactly as large, so that a byte read beyond it is seen
  require(copy != NULL);
  memcpy(copy, data, bytes);
  safetensors f, again;
  format_error e;
  if (!safetensors_read(&f, copy, bytes, "file", &e)) {
    require(e.kind == FORMAT_MALFORMED && strstr(e.message, "file") != NULL);
    require(f.items == NULL && f.count == 0);
  } else {
    fuzz_accepted();
    const size_t data_bytes = check_tensors(&f, copy, bytes);
    size_t written;
    char *text = compose(&f, copy + bytes - data_bytes, data_bytes, &written);
    require(safetensors_read(&again, text, written, "again", &e));
    check_same(&f, &again);
    safetensors_free(&again);
    free(text);
  }
  safetensors_free(&f);
  free(copy);
  return 0;
}
