// Recognises files by their first bytes; shows arrays, tensors and event files. See inspect.h.
#include "inspect/inspect.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/memory.h"
#include "format/safetensors.h"

enum { HEAD = 64, MAX_HEADER = 100 << 20, MAX_JSON = 64 << 20 };

static uint64_t little_endian(const unsigned char *p, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) value = value << 8 | p[i];
  return value;
}

static int64_t file_size(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

status inspect_begin(json_t *out, const char *kind, const char *path) {
  json_object_set_new(out, "kind", json_string(kind));
  if (!dir_exists(path)) json_object_set_new(out, "bytes", json_integer(file_size(path)));
  return OK;
}

status read_json(const char *path, json_t **out) {
  char *text;
  size_t bytes;
  json_error_t error;
  *out = NULL;
  TRY(file_read(path, MAX_JSON, &text, &bytes));
  *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  free(text);
  return *out != NULL ? OK : fail(ERR_FORMAT, "%s line %d: %s", path, error.line, error.text);
}

// Reads the first `bytes` of a file; *got is how many there were.
static status read_head(const char *path, unsigned char *buf, size_t bytes, size_t *got) {
  FILE *f = fopen(path, "rbe");
  if (f == NULL)
    return fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path, strerror(errno));
  *got = fread(buf, 1, bytes, f);
  const bool bad = ferror(f) != 0;
  fclose(f);
  return bad ? fail(ERR_IO, "cannot read %s: %s", path, strerror(errno)) : OK;
}

// ---- .npy ----------------------------------------------------------------------------------------------------

// The header's text after "KEY":, or NULL.
static const char *npy_value(const char *header, const char *key) {
  const char *at = strstr(header, key);
  if (at == NULL) return NULL;
  at += strlen(key);
  return at + strspn(at, " :");
}

static double npy_number(const unsigned char *p, char kind, int size) {
  const uint64_t raw = little_endian(p, size);
  if (kind == 'f' && size == 4) {
    const uint32_t bits = (uint32_t)raw;
    float v;
    memcpy(&v, &bits, sizeof v);
    return (double)v;
  }
  if (kind == 'f') {
    double v;
    memcpy(&v, &raw, sizeof v);
    return v;
  }
  if (kind == 'i' && size < 8 && (raw >> (8 * size - 1)) != 0)
    return (double)(int64_t)(raw | ~UINT64_C(0) << (8 * size));
  return kind == 'i' ? (double)(int64_t)raw : (double)raw;
}

static status inspect_npy(const inspect_request *q, json_t *out) {
  unsigned char head[12];
  size_t got;
  TRY(inspect_begin(out, "numpy array", q->path));
  TRY(read_head(q->path, head, sizeof head, &got));
  const int wide = got >= 10 && head[6] >= 2 ? 4 : 2; // bytes of the header's length
  const size_t at = 8 + (size_t)wide;
  if (got < at) return fail(ERR_FORMAT, "%s: its header is cut short", q->path);
  const size_t bytes = (size_t)little_endian(head + 8, wide);
  const int64_t whole = file_size(q->path);
  if (bytes > MAX_HEADER || (int64_t)(at + bytes) > whole)
    return fail(ERR_FORMAT, "%s: the header's length (%zu) goes beyond the file", q->path, bytes);
  char *text;
  const size_t sample = 8 * 16;
  TRY(mem_new(&text, at + bytes + sample + 1, 1, "a header"));
  status rc;
  TRY_GOTO(read_head(q->path, (unsigned char *)text, at + bytes + sample, &got), done);
  char *header = text + at, type[16] = "";
  unsigned char values[8 * 16] = {0};
  const size_t n_values = got - at - bytes;
  memcpy(values, header + bytes, n_values);
  header[bytes] = '\0';
  const char *descr = npy_value(header, "'descr'"), *order = npy_value(header, "'fortran_order'"),
             *shape = npy_value(header, "'shape'");
  if (descr == NULL || order == NULL || shape == NULL || *descr != '\'' || *shape != '(' ||
      strcspn(descr + 1, "'") >= sizeof type) {
    rc = fail(ERR_FORMAT, "%s: the header lacks descr, fortran_order or shape, or they are not plain",
              q->path);
    goto done;
  }
  snprintf(type, sizeof type, "%.*s", (int)strcspn(descr + 1, "'"), descr + 1);
  const int size = (int)strtol(type + (strlen(type) > 2 ? 2 : strlen(type)), NULL, 10);
  double elements = 1;
  json_t *dims = json_array();
  for (char *p = (char *)(uintptr_t)shape + 1; *p != ')' && *p != '\0';) {
    char *end;
    const long long n = strtoll(p, &end, 10);
    if (end == p || n < 0) break;
    json_array_append_new(dims, json_integer(n));
    elements *= (double)n;
    p = end + strspn(end, ", ");
  }
  json_object_set_new(out, "type", json_string(type));
  json_object_set_new(out, "shape", dims);
  json_object_set_new(out, "fortran_order", json_boolean(strncmp(order, "True", 4) == 0));
  const double wanted = elements * size, there = (double)(whole - (int64_t)(at + bytes));
  if (size < 1 || wanted > there || wanted < there) {
    rc = fail(ERR_FORMAT, "%s: an array of type %s and this shape takes %.0f bytes, but %.0f are there",
              q->path, type, wanted, there);
    goto done;
  }
  if (type[0] != '>' && strchr("fiu", type[1]) != NULL &&
      (size == 1 || size == 2 || size == 4 || size == 8) && !(type[1] == 'f' && size < 4)) {
    json_t *first = json_array();
    for (size_t i = 0; i < 8 && (double)i < elements && (i + 1) * (size_t)size <= n_values; i++) {
      const double v = npy_number(values + i * (size_t)size, type[1], size);
      json_array_append_new(first, type[1] == 'f'
                                       ? (isfinite(v) ? json_real(v) : json_string(isnan(v) ? "nan" : "inf"))
                                       : json_integer((json_int_t)v));
    }
    json_object_set_new(out, "first", first);
  }
done:
  free(text);
  return rc;
}

// ---- safetensors ---------------------------------------------------------------------------------------------

static json_t *tensor_json(const tensor *t) {
  json_t *shape = json_array();
  for (int32_t i = 0; i < t->ndim; i++) json_array_append_new(shape, json_integer(t->shape[i]));
  return json_pack("{s:s,s:o,s:s,s:I}", "tensor", t->name, "shape", shape, "type", t->dtype, "bytes",
                   (json_int_t)(t->end - t->begin));
}

// "__metadata__" as it stands, which the table has not: the header, which is JSON, a second time.
static void copy_metadata(json_t *out, const char *header, uint64_t bytes) {
  json_t *whole = json_loadb(header, (size_t)bytes, 0, NULL),
         *metadata = json_object_get(whole, "__metadata__");
  if (metadata != NULL) json_object_set(out, "metadata", metadata);
  json_decref(whole);
}

static status inspect_header(const inspect_request *q, const char *header, uint64_t bytes,
                             uint64_t data_bytes, json_t *out) {
  safetensors table;
  format_error e;
  if (!safetensors_table(&table, header, bytes, data_bytes, true, q->path, &e)) return fail_format(&e);
  json_t *list = json_array();
  int64_t numbers = 0;
  for (size_t i = 0; i < table.count; i++) {
    const tensor *t = &table.items[i];
    json_array_append_new(list, tensor_json(t));
    if (__builtin_add_overflow(numbers, t->size, &numbers)) numbers = INT64_MAX; // of a dtype without a size
  }
  safetensors_free(&table);
  copy_metadata(out, header, bytes);
  json_object_set_new(out, "numbers", json_integer(numbers));
  json_object_set_new(out, "tensors", list);
  return OK;
}

status inspect_safetensors(const inspect_request *q, json_t *out) {
  unsigned char head[8];
  size_t got;
  uint64_t bytes;
  char *text;
  format_error e;
  TRY(inspect_begin(out, "safetensors", q->path));
  TRY(read_head(q->path, head, sizeof head, &got));
  const int64_t whole = got < 8 ? 0 : file_size(q->path);
  if (!safetensors_header_size(head, (uint64_t)whole, &bytes, q->path, &e)) return fail_format(&e);
  TRY(mem_new(&text, (size_t)bytes + 9, 1, "a header"));
  status rc = read_head(q->path, (unsigned char *)text, (size_t)bytes + 8, &got);
  if (rc == OK && got < bytes + 8) rc = fail(ERR_FORMAT, "%s is cut short", q->path);
  if (rc == OK) rc = inspect_header(q, text + 8, bytes, (uint64_t)whole - 8 - bytes, out);
  free(text);
  return rc;
}

// ---- TensorBoard ---------------------------------------------------------------------------------------------

static status inspect_events(const inspect_request *q, json_t *out) {
  TRY(inspect_begin(out, "TensorBoard events", q->path));
  FILE *f = fopen(q->path, "rbe");
  if (f == NULL) return fail(ERR_IO, "cannot open %s: %s", q->path, strerror(errno));
  const int64_t whole = file_size(q->path);
  int64_t records = 0, at = 0;
  bool cut = false;
  while (at < whole) { // records are length, checksum, bytes, checksum
    unsigned char head[12];
    if (fread(head, 1, sizeof head, f) != sizeof head) break;
    const uint64_t bytes = little_endian(head, 8);
    if (bytes > MAX_JSON || at + 16 + (int64_t)bytes > whole || fseek(f, (long)bytes + 4, SEEK_CUR) != 0)
      break;
    at += 16 + (int64_t)bytes;
    records++;
  }
  cut = at < whole;
  fclose(f);
  json_object_set_new(out, "records", json_integer(records));
  json_object_set_new(
      out, "cut_short",
      json_boolean(cut)); // a killed process leaves an incomplete record at the end; readers ignore it
  return OK;
}

// ---- choice --------------------------------------------------------------------------------------------------

// Is it a safetensors file? The length of the header, then a json object.
static bool safetensors_found(const unsigned char *head, size_t n, int64_t whole) {
  if (n < 9 || head[8] != '{') return false;
  const uint64_t bytes = little_endian(head, 8);
  return bytes >= 2 && bytes < MAX_HEADER && (int64_t)bytes < whole + (1 << 20);
}

// A pipe's bytes would be lost to its next reader, and it, or a device, may have no end.
static status check_regular(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0)
    return fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) return OK;
  return fail(ERR_FORMAT, "%s is a pipe or a device; souk inspect needs a file, which is read more than once",
              path);
}

status inspect(const inspect_request *q, json_t **out) {
  unsigned char head[HEAD] = {0};
  size_t n = 0;
  *out = NULL;
  TRY(check_regular(q->path));
  *out = json_object();
  if (*out == NULL) return fail(ERR_MEMORY, "out of memory: inspecting %s", q->path);
  status rc;
  if (dir_exists(q->path)) {
    rc = inspect_directory(q, *out);
  } else {
    rc = read_head(q->path, head, sizeof head, &n);
    if (rc == OK && n == 0) rc = fail(ERR_FORMAT, "%s is empty", q->path);
    if (rc == OK) {
      if (n >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0)
        rc = inspect_hdf5(q, *out);
      else if (n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0)
        rc = inspect_npy(q, *out);
      else if (n >= 37 && memcmp(head + 23, "brain.Event:", 12) == 0)
        rc = inspect_events(q, *out);
      else if (safetensors_found(head, n, file_size(q->path)))
        rc = inspect_safetensors(q, *out);
      else
        rc = inspect_text(q, *out);
    }
  }
  if (rc != OK) {
    json_decref(*out);
    *out = NULL;
  }
  return rc;
}
