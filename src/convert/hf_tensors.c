// Reading safetensors; see hf_tensors.h.
#include "convert/hf_tensors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/memory.h"

enum { PIECE = 1 << 16 }; // elements converted at a time

struct hf_tensors {
  char path[PATH_MAX];
  int fd;
  safetensors table;
};

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

static status read_table(hf_tensors *t) {
  struct stat s;
  unsigned char first[8];
  uint64_t header;
  format_error e;
  if (fstat(t->fd, &s) != 0 || !S_ISREG(s.st_mode))
    return fail(ERR_FORMAT, "%s is not a regular file", t->path);
  const uint64_t file_bytes = (uint64_t)s.st_size;
  if (file_bytes >= sizeof first) TRY(read_at(t, 0, first, sizeof first));
  if (!safetensors_header_size(first, file_bytes, &header, t->path, &e)) return fail_format(&e);
  char *text;
  TRY(mem_new(&text, (size_t)header + 1, 1, "a header of tensors"));
  status rc = read_at(t, 8, text, (size_t)header);
  if (rc == OK && !safetensors_table(&t->table, text, header, file_bytes - 8 - header, true, t->path, &e))
    rc = fail_format(&e);
  free(text);
  return rc;
}

status hf_tensors_open(hf_tensors **out, const char *path) {
  *out = NULL;
  hf_tensors *t;
  TRY(mem_new(&t, 1, sizeof *t, "a file of tensors"));
  snprintf(t->path, sizeof t->path, "%s", path);
  t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const status rc = t->fd >= 0 ? read_table(t)
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
  safetensors_free(&t->table);
  free(t);
}

const safetensors *hf_tensors_table(const hf_tensors *t) {
  return &t->table;
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

status hf_tensor_read(const hf_tensors *t, const tensor *x, float *to) {
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
    rc = read_at(t, t->table.data_at + x->begin + (uint64_t)at * width, piece, n * width);
    if (rc == OK) convert(x->dtype, piece, to + at, n);
    for (size_t i = 0; rc == OK && i < n; i++)
      if (!isfinite(to[at + (int64_t)i]))
        rc = fail(ERR_NONFINITE, "%s: tensor \"%.200s\" element %lld is not a finite number", t->path,
                  x->name, (long long)(at + (int64_t)i));
  }
  free(piece);
  return rc;
}
