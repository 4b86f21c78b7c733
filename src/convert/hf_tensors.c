// Reading safetensors; see hf_tensors.h.
#include "convert/hf_tensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/memory.h"

enum { MAX_HEADER = 100 << 20, PIECE = 1 << 16 }; // the format's own limit; elements converted at a time

struct hf_tensors {
  char path[PATH_MAX];
  int fd;
  json_t *header;
  hf_tensor *items;
  int32_t n;
};

static const struct {
  const char *name;
  size_t bytes;
} dtypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"I16", 2},
              {"I8", 1},  {"U64", 8}, {"U32", 4}, {"U16", 2},  {"U8", 1},  {"BOOL", 1}};

static status read_at(const hf_tensors *t, uint64_t offset, void *to, size_t bytes) {
  for (char *p = to; bytes > 0;) {
    const ssize_t n = pread(t->fd, p, bytes, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(ERR_IO, "cannot read %s: %s", t->path, strerror(errno));
    if (n == 0) return fail(ERR_FORMAT, "%s is cut short", t->path);
    p += n;
    bytes -= (size_t)n;
    offset += (uint64_t)n;
  }
  return OK;
}

// ---- the header ----------------------------------------------------------------------------------------------

static status bad_tensor(const hf_tensors *t, const char *name, const char *what) {
  return fail(ERR_FORMAT, "%s: tensor \"%.200s\": %s", t->path, name, what);
}

static status read_shape(const hf_tensors *t, hf_tensor *x, const json_t *shape) {
  const size_t n = json_array_size(shape);
  if (!json_is_array(shape) || n > HF_DIMS) return bad_tensor(t, x->name, "\"shape\" is not a list of sizes");
  x->ndim = (int32_t)n;
  x->size = 1;
  for (size_t i = 0; i < n; i++) {
    const json_t *d = json_array_get(shape, i);
    if (!json_is_integer(d) || json_integer_value(d) < 0)
      return bad_tensor(t, x->name, "\"shape\" is not a list of sizes");
    x->shape[i] = json_integer_value(d);
    if (__builtin_mul_overflow(x->size, x->shape[i], &x->size))
      return bad_tensor(t, x->name, "\"shape\" has more than 2^63 elements");
  }
  return OK;
}

static status read_entry(const hf_tensors *t, hf_tensor *x, const char *name, const json_t *j, uint64_t begin,
                         uint64_t data_bytes) {
  x->name = name;
  x->dtype = json_string_value(json_object_get(j, "dtype"));
  if (x->dtype == NULL) return bad_tensor(t, name, "\"dtype\" is missing");
  TRY(read_shape(t, x, json_object_get(j, "shape")));
  const json_t *offsets = json_object_get(j, "data_offsets");
  const json_t *a = json_array_get(offsets, 0), *b = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(a) || !json_is_integer(b) ||
      json_integer_value(a) < 0 || json_integer_value(b) < json_integer_value(a) ||
      (uint64_t)json_integer_value(b) > data_bytes)
    return bad_tensor(t, name, "\"data_offsets\" do not lie in the file");
  x->offset = begin + (uint64_t)json_integer_value(a);
  x->bytes = (uint64_t)(json_integer_value(b) - json_integer_value(a));
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (strcmp(x->dtype, dtypes[i].name) == 0 &&
        (x->bytes % dtypes[i].bytes != 0 || x->bytes / dtypes[i].bytes != (uint64_t)x->size))
      return bad_tensor(t, name, "\"data_offsets\" do not fit \"shape\" and \"dtype\"");
  return OK;
}

static int by_offset(const void *a, const void *b) {
  const hf_tensor *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static status read_entries(hf_tensors *t, uint64_t begin, uint64_t data_bytes) {
  TRY(mem_new(&t->items, json_object_size(t->header), sizeof *t->items, "a list of tensors"));
  const char *name;
  json_t *j;
  json_object_foreach(t->header, name, j) {
    if (strcmp(name, "__metadata__") == 0) continue;
    TRY(read_entry(t, &t->items[t->n], name, j, begin, data_bytes));
    t->n++;
  }
  if (t->n > 0) qsort(t->items, (size_t)t->n, sizeof *t->items, by_offset);
  for (int32_t i = 1; i < t->n; i++)
    if (t->items[i].offset < t->items[i - 1].offset + t->items[i - 1].bytes)
      return bad_tensor(t, t->items[i].name, "it overlaps another");
  return OK;
}

static status read_header(hf_tensors *t) {
  struct stat s;
  uint8_t size[8];
  if (fstat(t->fd, &s) != 0 || !S_ISREG(s.st_mode))
    return fail(ERR_FORMAT, "%s is not a regular file", t->path);
  const uint64_t file_bytes = (uint64_t)s.st_size;
  if (file_bytes < 8) return fail(ERR_FORMAT, "%s is too short for a safetensors file", t->path);
  TRY(read_at(t, 0, size, 8));
  uint64_t n = 0;
  for (int i = 0; i < 8; i++) n |= (uint64_t)size[i] << 8 * i;
  if (n > MAX_HEADER || n > file_bytes - 8)
    return fail(ERR_FORMAT, "%s: a header of %llu bytes does not fit the file", t->path,
                (unsigned long long)n);
  char *text;
  json_error_t error;
  TRY(mem_new(&text, (size_t)n + 1, 1, "a header of tensors"));
  const status rc = read_at(t, 8, text, (size_t)n);
  if (rc == OK) t->header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
  free(text);
  TRY(rc);
  if (t->header == NULL) return fail(ERR_FORMAT, "%s: its header is not JSON: %s", t->path, error.text);
  if (!json_is_object(t->header)) return fail(ERR_FORMAT, "%s: its header is not a JSON object", t->path);
  return read_entries(t, 8 + n, file_bytes - 8 - n);
}

status hf_tensors_open(hf_tensors **out, const char *path) {
  *out = NULL;
  hf_tensors *t;
  TRY(mem_new(&t, 1, sizeof *t, "a file of tensors"));
  snprintf(t->path, sizeof t->path, "%s", path);
  t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const status rc = t->fd >= 0 ? read_header(t)
                               : fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path,
                                      strerror(errno));
  if (rc != OK) {
    hf_tensors_close(t);
    return rc;
  }
  *out = t;
  return OK;
}

void hf_tensors_close(hf_tensors *t) {
  if (t == NULL) return;
  if (t->fd >= 0) close(t->fd);
  json_decref(t->header);
  free(t->items);
  free(t);
}

int32_t hf_tensors_count(const hf_tensors *t) {
  return t->n;
}
hf_tensor *hf_tensors_at(const hf_tensors *t, int32_t i) {
  return &t->items[i];
}

hf_tensor *hf_tensors_find(const hf_tensors *t, const char *name) {
  for (int32_t i = 0; i < t->n; i++)
    if (strcmp(t->items[i].name, name) == 0) return &t->items[i];
  return NULL;
}

// ---- data ----------------------------------------------------------------------------------------------------

static float from_half(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31u, fraction = h & 1023u;
  if (exponent == 0) { // zero and subnormal: fraction x 2^-24
    const float value = (float)fraction * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112u) << 23 | fraction << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// from and to are apart; values as the machine, which is little-endian like the format, has them.
static void convert(const char *dtype, const void *from, float *to, size_t n) {
  if (strcmp(dtype, "F32") == 0) memcpy(to, from, n * sizeof *to);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(dtype, "F64") == 0) {
      double v;
      memcpy(&v, (const char *)from + 8 * i, sizeof v);
      to[i] = (float)v;
    } else if (dtype[0] != 'F' || dtype[1] == '1') {
      uint16_t v;
      memcpy(&v, (const char *)from + 2 * i, sizeof v);
      const uint32_t bits = (uint32_t)v << 16;
      if (dtype[0] == 'B')
        memcpy(&to[i], &bits, sizeof bits);
      else
        to[i] = from_half(v);
    }
  }
}

status hf_tensor_read(const hf_tensors *t, const hf_tensor *x, float *to) {
  const bool f64 = strcmp(x->dtype, "F64") == 0, f32 = strcmp(x->dtype, "F32") == 0;
  if (!f64 && !f32 && strcmp(x->dtype, "F16") != 0 && strcmp(x->dtype, "BF16") != 0)
    return fail(ERR_FORMAT, "%s: tensor \"%.200s\" is %.20s; F64, F32, F16 and BF16 are read", t->path,
                x->name, x->dtype);
  const size_t width = f64 ? 8 : f32 ? 4 : 2;
  void *piece;
  TRY(mem_new(&piece, PIECE, width, "a piece of a tensor"));
  status rc = OK;
  for (int64_t at = 0; rc == OK && at < x->size; at += PIECE) {
    const size_t n = x->size - at < PIECE ? (size_t)(x->size - at) : PIECE;
    rc = read_at(t, x->offset + (uint64_t)at * width, piece, n * width);
    if (rc == OK) convert(x->dtype, piece, to + at, n);
    for (size_t i = 0; rc == OK && i < n; i++)
      if (!isfinite(to[at + (int64_t)i]))
        rc = fail(ERR_NONFINITE, "%s: tensor \"%.200s\" element %lld is not a finite number", t->path,
                  x->name, (long long)(at + (int64_t)i));
  }
  free(piece);
  return rc;
}
