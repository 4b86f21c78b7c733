// The safetensors reader: no tensor lies outside the file, every byte belongs to one, and the table written
// anew reads as the same table.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz/fuzz.h"
#include "infer/tensors.h"

// A JSON string; names hold no control characters but escaped ones.
static void put_string(FILE *to, const char *text) {
  fputc('"', to);
  for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
    if (*p < 0x20 || *p == '"' || *p == '\\')
      fprintf(to, "\\u%04x", *p);
    else
      fputc(*p, to);
  }
  fputc('"', to);
}

// Header and data of the same tensors.
static char *compose(const tensor_file *f, const char *data, size_t data_bytes, size_t *bytes) {
  char *text, *header;
  size_t header_bytes;
  FILE *to = open_memstream(&header, &header_bytes);
  require(to != NULL);
  fputc('{', to);
  for (size_t i = 0; i < f->count; i++) {
    const tensor *t = &f->items[f->count - 1 - i]; // in another order
    if (i > 0) fputc(',', to);
    put_string(to, t->name);
    fprintf(to, ":{\"data_offsets\":[%" PRIu64 ",%" PRIu64 "],\"shape\":[", t->begin, t->end);
    for (int32_t k = 0; k < t->ndim; k++) fprintf(to, "%s%" PRIu64, k > 0 ? "," : "", t->shape[k]);
    fprintf(to, "],\"dtype\":\"%s\"}", t->dtype);
  }
  fputc('}', to);
  fclose(to);
  *bytes = 8 + header_bytes + data_bytes;
  text = malloc(*bytes);
  require(text != NULL);
  for (int i = 0; i < 8; i++) text[i] = (char)(header_bytes >> 8 * i);
  memcpy(text + 8, header, header_bytes);
  memcpy(text + 8 + header_bytes, data, data_bytes);
  free(header);
  return text;
}

// Every byte of the data once.
static size_t check_tensors(const tensor_file *f, const mapping *m) {
  size_t sum = 0;
  for (size_t i = 0; i < f->count; i++) {
    const tensor *t = &f->items[i];
    require(i == 0 || strcmp(f->items[i - 1].name, t->name) < 0);
    require(t->ndim >= 0 && t->ndim <= TENSOR_DIMS && t->begin <= t->end);
    require(t->data >= m->data + 8 && t->data + (t->end - t->begin) <= m->data + m->bytes);
    sum += (size_t)(t->end - t->begin);
    volatile char touched = 0;
    for (uint64_t k = t->begin; k < t->end; k++) touched = (char)(touched ^ t->data[k - t->begin]);
    const tensor *found;
    const bool wanted = t->ndim == 1 || t->ndim == 2;
    if (wanted)
      require(tensors_find(f, "file", t->name, t->dtype, t->ndim, t->shape[0], t->ndim == 2 ? t->shape[1] : 0,
                           &found, NULL) == SOUK_OK &&
              found == t);
  }
  return sum;
}

static void check_same(const tensor_file *a, const tensor_file *b) {
  require(a->count == b->count);
  for (size_t i = 0; i < a->count; i++) {
    const tensor *x = &a->items[i], *y = &b->items[i];
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
  const mapping m = {.data = copy, .bytes = bytes};
  tensor_file f, again;
  souk_error e;
  const souk_status rc = tensors_read(&f, &m, "file", &e);
  if (rc != SOUK_OK) {
    require(rc == SOUK_ERR_FORMAT && strstr(e.message, "file") != NULL);
    require(f.items == NULL && f.count == 0);
  } else {
    fuzz_accepted();
    const size_t data_bytes = check_tensors(&f, &m);
    mapping other = {.data = NULL};
    char *text = compose(&f, copy + bytes - data_bytes, data_bytes, &other.bytes);
    other.data = text;
    require(tensors_read(&again, &other, "again", &e) == SOUK_OK);
    check_same(&f, &again);
    tensors_free(&again);
    free(text);
  }
  tensors_free(&f);
  free(copy);
  return 0;
}
