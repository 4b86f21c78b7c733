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
#include "base/file.h"
#include "base/memory.h"
#include "format/manifest.h"
#include "format/sha256.h"

enum { PIECE = 1 << 16, MOST_PARTS = 1024, MAX_INDEX = 64 << 20 }; // PIECE: elements converted at a time

// A file; its table is in the order of its data.
typedef struct part {
  char path[PATH_MAX + 64];
  int fd;
  safetensors table;
} part;

struct hf_tensors {
  part *parts; // [n_parts]
  size_t n_parts, parts_cap;
  safetensors all; // of several parts: the tables one behind the other; of one part it is not used
};

static status read_at(const part *t, uint64_t offset, void *to, size_t bytes) {
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

static status read_table(part *t) {
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

static status add_part(hf_tensors *t, const char *path) {
  TRY(mem_grow(&t->parts, &t->parts_cap, t->n_parts + 1, sizeof *t->parts, "a file of tensors"));
  part *p = &t->parts[t->n_parts++];
  *p = (part){.fd = -1};
  snprintf(p->path, sizeof p->path, "%s", path);
  p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  return p->fd >= 0
             ? read_table(p)
             : fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path, strerror(errno));
}

// Takes the tensors over if rc is OK.
static status finish(hf_tensors **out, hf_tensors *t, status rc) {
  *out = rc == OK ? t : NULL;
  if (rc != OK) hf_tensors_close(t);
  return rc;
}

status hf_tensors_open(hf_tensors **out, const char *path) {
  *out = NULL;
  hf_tensors *t;
  TRY(mem_new(&t, 1, sizeof *t, "a file of tensors"));
  return finish(out, t, add_part(t, path));
}

void hf_tensors_close(hf_tensors *t) {
  if (t == NULL) return;
  for (size_t i = 0; i < t->n_parts; i++) {
    if (t->parts[i].fd >= 0) close(t->parts[i].fd);
    safetensors_free(&t->parts[i].table);
  }
  free(t->parts);
  free(t->all.items);
  free(t->all.by_name);
  free(t);
}

const safetensors *hf_tensors_table(const hf_tensors *t) {
  return t->n_parts == 1 ? &t->parts[0].table : &t->all;
}

// ---- several files -------------------------------------------------------------------------------------------

// The place of a file in the order of its first tensor in the index; a new one is opened.
static status find_part(hf_tensors *t, const char *dir, const char *name, const char *index, size_t *which) {
  char path[PATH_MAX + 64];
  if (!manifest_name_is_plain(name, false))
    return fail(ERR_FORMAT, "%s: \"%.100s\" is not a plain file name", index, name);
  TRY(path_join(path, sizeof path, dir, name));
  for (*which = 0; *which < t->n_parts; (*which)++)
    if (strcmp(t->parts[*which].path, path) == 0) return OK;
  if (t->n_parts == MOST_PARTS) return fail(ERR_FORMAT, "%s names more than %d files", index, MOST_PARTS);
  return add_part(t, path);
}

static status open_parts(hf_tensors *t, const char *dir, const json_t *map, const char *index) {
  const char *name;
  json_t *file;
  size_t which;
  if (json_object_size(map) == 0)
    return fail(ERR_FORMAT, "%s: field \"weight_map\" is missing or empty", index);
  json_object_foreach((json_t *)(uintptr_t)map, name, file) {
    if (!json_is_string(file)) return fail(ERR_FORMAT, "%s: tensor \"%.200s\" has no file", index, name);
    TRY(find_part(t, dir, json_string_value(file), index, &which));
    if (safetensors_find(&t->parts[which].table, name) == NULL)
      return fail(ERR_FORMAT, "%s has no tensor \"%.200s\", but %s says so", t->parts[which].path, name,
                  index);
  }
  return OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(tensor *const *)a)->name, (*(tensor *const *)b)->name);
}

static status join_tables(hf_tensors *t) {
  size_t n = 0;
  for (size_t i = 0; i < t->n_parts; i++) n += t->parts[i].table.count;
  TRY(mem_new(&t->all.items, n, sizeof *t->all.items, "a table of tensors"));
  TRY(mem_new(&t->all.by_name, n, sizeof *t->all.by_name, "a table of tensors"));
  for (size_t i = 0; i < t->n_parts; i++) {
    const safetensors *table = &t->parts[i].table;
    if (table->count > 0)
      memcpy(t->all.items + t->all.count, table->items, table->count * sizeof *table->items);
    t->all.count += table->count;
  }
  for (size_t i = 0; i < n; i++) t->all.by_name[i] = &t->all.items[i];
  qsort(t->all.by_name, n, sizeof *t->all.by_name, by_name);
  for (size_t i = 1; i < n; i++)
    if (by_name(&t->all.by_name[i - 1], &t->all.by_name[i]) == 0)
      return fail(ERR_FORMAT, "%s and others beside it: tensor \"%.200s\" is in two files", t->parts[0].path,
                  t->all.by_name[i]->name);
  return OK;
}

static status read_index(hf_tensors *t, const char *dir, const char *index) {
  char *text;
  size_t bytes;
  json_error_t error;
  TRY(file_read(index, MAX_INDEX, &text, &bytes));
  mem_json_failed(); // resets the flag
  json_t *j = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
  free(text);
  if (j == NULL && mem_json_failed()) return fail(ERR_MEMORY, "out of memory: cannot read %s", index);
  if (j == NULL) return fail(ERR_FORMAT, "%s line %d: %s", index, error.line, error.text);
  status rc = open_parts(t, dir, json_object_get(j, "weight_map"), index);
  json_decref(j);
  if (rc == OK && t->n_parts > 1) rc = join_tables(t);
  return rc;
}

status hf_tensors_open_index(hf_tensors **out, const char *dir, const char *index) {
  *out = NULL;
  hf_tensors *t;
  TRY(mem_new(&t, 1, sizeof *t, "files of tensors"));
  return finish(out, t, read_index(t, dir, index));
}

// The file of a tensor of hf_tensors_table.
static const part *part_of(const hf_tensors *t, const tensor *x) {
  size_t i = 0;
  if (t->n_parts > 1)
    for (size_t at = (size_t)(x - t->all.items); at >= t->parts[i].table.count; i++)
      at -= t->parts[i].table.count;
  return &t->parts[i];
}

status hf_tensors_identity(const hf_tensors *t, char hex[65]) {
  if (t->n_parts == 1) return file_sha256(t->parts[0].path, hex, NULL);
  sha256 all;
  sha256_init(&all);
  for (size_t i = 0; i < t->n_parts; i++) {
    TRY(file_sha256(t->parts[i].path, hex, NULL));
    sha256_update(&all, hex, 64);
  }
  sha256_final(&all, hex);
  return OK;
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

status hf_tensor_read(const hf_tensors *tensors, const tensor *x, float *to) {
  const part *t = part_of(tensors, x);
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
