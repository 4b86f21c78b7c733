// The safetensors reader and writer; see safetensors.h.
#include "format/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/jtree.h"

enum { DATA_ALIGNMENT = 64 };

static const struct {
  const char *name;
  uint64_t bytes;
} dtypes[] = {{"F32", 4}, {"I64", 8}, {"F16", 2},     {"BF16", 2},    {"F64", 8},
              {"I32", 4}, {"I16", 2}, {"I8", 1},      {"U8", 1},      {"U16", 2},
              {"U32", 4}, {"U64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"BOOL", 1}};

// What a table is read from.
typedef struct source {
  const jtree *tree;
  uint64_t data_bytes;
  bool any_dtype;
  const char *path;
  format_error *e;
} source;

// 0: unknown.
static uint64_t bytes_of(const char *dtype) {
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (strcmp(dtypes[i].name, dtype) == 0) return dtypes[i].bytes;
  return 0;
}

static bool bad(const source *s, const char *name, const char *what) {
  return format_fail(s->e, FORMAT_MALFORMED, "%s: tensor \"%.100s\": %s", s->path, name, what);
}

// ---- reading -------------------------------------------------------------------------------------------------

static bool read_shape(const source *s, tensor *t, const jnode *shape, uint64_t element_bytes) {
  uint64_t bytes;
  t->size = 1;
  if (shape == NULL || shape->kind != J_ARRAY) return bad(s, t->name, "\"shape\" must be an array");
  if (shape->count > TENSOR_DIMS) return bad(s, t->name, "it has more than 8 dimensions");
  for (const jnode *n = jtree_first(s->tree, shape); n != NULL; n = jtree_next(s->tree, n)) {
    if (n->kind != J_NUMBER || !n->is_integer || n->integer < 0)
      return bad(s, t->name, "\"shape\" must hold integers from 0 to 2^63 - 1");
    t->shape[t->ndim++] = n->integer;
    if (__builtin_mul_overflow(t->size, n->integer, &t->size))
      return bad(s, t->name, "the product of its \"shape\" does not fit 64 bits");
  }
  if (element_bytes == 0) return true;
  if (__builtin_mul_overflow((uint64_t)t->size, element_bytes, &bytes))
    return bad(s, t->name, "the product of its \"shape\" does not fit 64 bits");
  return t->end - t->begin == bytes ||
         bad(s, t->name, "\"data_offsets\" do not span as many bytes as \"dtype\" and \"shape\" say");
}

static bool read_tensor(const source *s, tensor *t, const jnode *n) {
  if (n->kind != J_OBJECT) return bad(s, t->name, "it must be described by an object");
  const jnode *dtype = jtree_get(s->tree, n, "dtype"), *offsets = jtree_get(s->tree, n, "data_offsets");
  const bool named = dtype != NULL && dtype->kind == J_STRING && dtype->bytes > 0;
  const uint64_t element_bytes = named ? bytes_of(dtype->text) : 0;
  if (element_bytes == 0 && !(named && s->any_dtype))
    return bad(s, t->name, "\"dtype\" is missing or unknown");
  snprintf(t->dtype, sizeof t->dtype, "%s", dtype->text);
  const jnode *first = jtree_first(s->tree, offsets), *second = jtree_next(s->tree, first);
  if (offsets == NULL || offsets->kind != J_ARRAY || offsets->count != 2 || !first->is_integer ||
      !second->is_integer || first->integer < 0 || second->integer < first->integer)
    return bad(s, t->name, "\"data_offsets\" must be two integers, 0 <= begin <= end < 2^63");
  t->begin = (uint64_t)first->integer;
  t->end = (uint64_t)second->integer;
  if (t->end > s->data_bytes) return bad(s, t->name, "\"data_offsets\" point beyond the file's end");
  return read_shape(s, t, jtree_get(s->tree, n, "shape"), element_bytes);
}

static int by_offset(const void *a, const void *b) {
  const tensor *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b) {
  const tensor *const *x = a, *const *y = b;
  return strcmp((*x)->name, (*y)->name);
}

// Every byte of the data belongs to one tensor.
static bool check_cover(const source *s, const safetensors *f) {
  uint64_t at = 0;
  for (size_t i = 0; i < f->count; i++) {
    const tensor *t = &f->items[i];
    if (t->begin < at)
      return format_fail(s->e, FORMAT_MALFORMED, "%s: tensors \"%.80s\" and \"%.80s\" overlap", s->path,
                         f->items[i - 1].name, t->name);
    if (t->begin > at) return bad(s, t->name, "bytes before it belong to no tensor");
    at = t->end;
  }
  return at == s->data_bytes ||
         format_fail(s->e, FORMAT_MALFORMED, "%s: %" PRIu64 " bytes at its end belong to no tensor", s->path,
                     s->data_bytes - at);
}

static bool check_metadata(const source *s, const jnode *n) {
  bool good = n->kind == J_OBJECT;
  for (const jnode *c = jtree_first(s->tree, n); c != NULL; c = jtree_next(s->tree, c))
    good &= c->kind == J_STRING;
  return good ||
         format_fail(s->e, FORMAT_MALFORMED, "%s: \"__metadata__\" must be an object of strings", s->path);
}

// Copies names into f, because the tree is freed.
static bool read_table(safetensors *f, const source *s, uint64_t header_bytes) {
  const jnode *root = s->tree->nodes;
  if (root->kind != J_OBJECT)
    return format_fail(s->e, FORMAT_MALFORMED, "%s: the header must be an object", s->path);
  const size_t most = (size_t)root->count;
  if (!format_alloc(&f->items, most, sizeof *f->items, "a table of tensors", s->e) ||
      !format_alloc(&f->by_name, most, sizeof *f->by_name, "a table of tensors", s->e) ||
      !format_alloc(&f->names, (size_t)header_bytes + 1, 1, "a table of tensors", s->e))
    return false;
  char *names = f->names;
  for (const jnode *n = jtree_first(s->tree, root); n != NULL; n = jtree_next(s->tree, n)) {
    if (strcmp(n->key, "__metadata__") == 0) {
      if (!check_metadata(s, n)) return false;
      continue;
    }
    tensor *t = &f->items[f->count++];
    t->name = names;
    names = stpcpy(names, n->key) + 1;
    if (!read_tensor(s, t, n)) return false;
  }
  qsort(f->items, f->count, sizeof *f->items, by_offset);
  for (size_t i = 0; i < f->count; i++) f->by_name[i] = &f->items[i];
  qsort(f->by_name, f->count, sizeof *f->by_name, by_name);
  return check_cover(s, f);
}

bool safetensors_header_size(const void *first, uint64_t file_bytes, uint64_t *header_bytes, const char *path,
                             format_error *e) {
  uint64_t n = 0;
  if (file_bytes < 8) return format_fail(e, FORMAT_MALFORMED, "%s is cut short: it has no header size", path);
  for (size_t i = 0; i < 8; i++) n |= (uint64_t)((const unsigned char *)first)[i] << 8 * i;
  *header_bytes = n;
  if (n > file_bytes - 8)
    return format_fail(e, FORMAT_MALFORMED,
                       "%s: its header of %" PRIu64 " bytes reaches beyond the file's end", path, n);
  return n <= TENSOR_HEADER_MAX ||
         format_fail(e, FORMAT_MALFORMED,
                     "%s: its header has %" PRIu64 " bytes, more than the 16 MiB read here", path, n);
}

bool safetensors_table(safetensors *f, const char *header, uint64_t header_bytes, uint64_t data_bytes,
                       bool any_dtype, const char *path, format_error *e) {
  *f = (safetensors){.data_at = 8 + header_bytes};
  jtree tree = {0};
  const source s = {&tree, data_bytes, any_dtype, path, e};
  const bool good = jtree_parse(&tree, header, (size_t)header_bytes)
                        ? read_table(f, &s, header_bytes)
                        : format_fail(e, tree.memory ? FORMAT_MEMORY : FORMAT_MALFORMED,
                                      "%s: header line %lld: %s", path, (long long)tree.line, tree.why);
  jtree_free(&tree);
  if (!good) safetensors_free(f);
  return good;
}

bool safetensors_read(safetensors *f, const char *file, size_t bytes, const char *path, format_error *e) {
  uint64_t header;
  *f = (safetensors){0};
  if (!safetensors_header_size(file, bytes, &header, path, e) ||
      !safetensors_table(f, file + 8, header, bytes - 8 - header, false, path, e))
    return false;
  for (size_t i = 0; i < f->count; i++) f->items[i].data = file + f->data_at + f->items[i].begin;
  return true;
}

void safetensors_free(safetensors *f) {
  free(f->items);
  free(f->by_name);
  free(f->names);
  *f = (safetensors){0};
}

tensor *safetensors_find(const safetensors *f, const char *name) {
  const tensor key = {.name = name}, *wanted = &key;
  tensor **found = f->count > 0 ? bsearch(&wanted, f->by_name, f->count, sizeof *f->by_name, by_name) : NULL;
  return found != NULL ? *found : NULL;
}

static void shape_text(char text[64], int32_t ndim, const int64_t *shape) {
  if (ndim == 0)
    strcpy(text, "a scalar");
  else if (ndim == 1)
    snprintf(text, 64, "[%lld]", (long long)shape[0]);
  else
    snprintf(text, 64, "[%lld, %lld%s]", (long long)shape[0], (long long)shape[1], ndim > 2 ? ", ..." : "");
}

bool safetensors_expect(const safetensors *f, const char *path, const char *name, const char *dtype,
                        int32_t ndim, int64_t rows, int64_t columns, const tensor **out, format_error *e) {
  tensor *t = safetensors_find(f, name);
  *out = t;
  if (t != NULL) t->used = true;
  if (t == NULL) return format_fail(e, FORMAT_MALFORMED, "%s has no tensor \"%s\"", path, name);
  if (strcmp(t->dtype, dtype) != 0)
    return format_fail(e, FORMAT_MALFORMED, "%s: tensor \"%s\" has dtype %s, %s is expected", path, name,
                       t->dtype, dtype);
  if (t->ndim == ndim && t->shape[0] == rows && (ndim == 1 || t->shape[1] == columns)) return true;
  char is[64], wanted[64];
  shape_text(is, t->ndim, t->shape);
  shape_text(wanted, ndim, (const int64_t[]){rows, columns});
  return format_fail(e, FORMAT_MALFORMED, "%s: tensor \"%s\" has shape %s, %s is expected", path, name, is,
                     wanted);
}

// ---- writing -------------------------------------------------------------------------------------------------

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

static void put_entry(FILE *to, tensor *t, uint64_t at) {
  put_string(to, t->name);
  fprintf(to, ":{\"dtype\":\"%s\",\"shape\":[", t->dtype);
  t->size = 1;
  for (int32_t i = 0; i < t->ndim; i++) {
    fprintf(to, "%s%" PRId64, i > 0 ? "," : "", t->shape[i]);
    t->size *= t->shape[i];
  }
  t->begin = at;
  t->end = at + (uint64_t)t->size * bytes_of(t->dtype);
  fprintf(to, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", t->begin, t->end);
}

char *safetensors_header(tensor *items, size_t count, const char *metadata, size_t *bytes) {
  char *text = NULL;
  uint64_t at = 0;
  FILE *to = open_memstream(&text, bytes);
  if (to == NULL) return NULL;
  fprintf(to, "        {\"__metadata__\":{%s}", metadata); // eight bytes for the size
  for (size_t i = 0; i < count; i++) {
    fputc(',', to);
    put_entry(to, &items[i], at);
    at = items[i].end;
  }
  fputc('}', to);
  const long written = ftell(to);
  if (written > 0)
    fprintf(to, "%*s", (int)((DATA_ALIGNMENT - written % DATA_ALIGNMENT) % DATA_ALIGNMENT), "");
  if (fclose(to) != 0 || written <= 0) {
    free(text);
    return NULL;
  }
  for (size_t i = 0; i < 8; i++) text[i] = (char)((uint64_t)(*bytes - 8) >> 8 * i);
  return text;
}
