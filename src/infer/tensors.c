// The safetensors reader; see tensors.h.
#include "infer/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/jtree.h"

static const struct {
  const char *name;
  uint64_t bytes;
} dtypes[] = {{"F32", 4}, {"I64", 8}, {"F16", 2},     {"BF16", 2},    {"F64", 8},
              {"I32", 4}, {"I16", 2}, {"I8", 1},      {"U8", 1},      {"U16", 2},
              {"U32", 4}, {"U64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"BOOL", 1}};

static souk_status bad(const char *path, const char *name, const char *what, souk_error *e) {
  return infer_fail(e, SOUK_ERR_FORMAT, "%s: tensor \"%.100s\": %s", path, name, what);
}

static souk_status read_shape(tensor *t, const jtree *j, const jnode *shape, uint64_t element_bytes,
                              const char *path, souk_error *e) {
  uint64_t size = element_bytes;
  if (shape == NULL || shape->kind != J_ARRAY) return bad(path, t->name, "\"shape\" must be an array", e);
  if (shape->count > TENSOR_DIMS) return bad(path, t->name, "it has more than 8 dimensions", e);
  for (const jnode *n = jtree_first(j, shape); n != NULL; n = jtree_next(j, n)) {
    if (n->kind != J_NUMBER || !n->is_integer || n->integer < 0)
      return bad(path, t->name, "\"shape\" must hold integers from 0 to 2^63 - 1", e);
    t->shape[t->ndim++] = (uint64_t)n->integer;
    if (__builtin_mul_overflow(size, (uint64_t)n->integer, &size))
      return bad(path, t->name, "the product of its \"shape\" does not fit 64 bits", e);
  }
  if (t->end - t->begin != size)
    return bad(path, t->name, "\"data_offsets\" do not span as many bytes as \"dtype\" and \"shape\" say", e);
  return SOUK_OK;
}

static souk_status read_tensor(tensor *t, const jtree *j, const jnode *n, uint64_t data_bytes,
                               const char *path, souk_error *e) {
  const jnode *dtype = jtree_get(j, n, "dtype"), *offsets = jtree_get(j, n, "data_offsets");
  if (n->kind != J_OBJECT) return bad(path, t->name, "it must be described by an object", e);
  uint64_t element_bytes = 0;
  for (size_t i = 0; dtype != NULL && dtype->kind == J_STRING && i < sizeof dtypes / sizeof *dtypes; i++)
    if (strcmp(dtypes[i].name, dtype->text) == 0) element_bytes = dtypes[i].bytes;
  if (element_bytes == 0) return bad(path, t->name, "\"dtype\" is missing or unknown", e);
  memcpy(t->dtype, dtype->text, dtype->bytes + 1);
  const jnode *first = jtree_first(j, offsets), *second = jtree_next(j, first);
  if (offsets == NULL || offsets->kind != J_ARRAY || offsets->count != 2 || !first->is_integer ||
      !second->is_integer || first->integer < 0 || second->integer < first->integer)
    return bad(path, t->name, "\"data_offsets\" must be two integers, 0 <= begin <= end < 2^63", e);
  t->begin = (uint64_t)first->integer;
  t->end = (uint64_t)second->integer;
  if (t->end > data_bytes) return bad(path, t->name, "\"data_offsets\" point beyond the file's end", e);
  return read_shape(t, j, jtree_get(j, n, "shape"), element_bytes, path, e);
}

static int by_offset(const void *a, const void *b) {
  const tensor *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const tensor *)a)->name, ((const tensor *)b)->name);
}

// Every byte of the data belongs to one tensor.
static souk_status check_cover(tensor_file *f, uint64_t data_bytes, const char *path, souk_error *e) {
  uint64_t at = 0;
  qsort(f->items, f->count, sizeof *f->items, by_offset);
  for (size_t i = 0; i < f->count; i++) {
    const tensor *t = &f->items[i];
    if (t->begin < at)
      return infer_fail(e, SOUK_ERR_FORMAT, "%s: tensors \"%.80s\" and \"%.80s\" overlap", path,
                        f->items[i - 1].name, t->name);
    if (t->begin > at) return bad(path, t->name, "bytes before it belong to no tensor", e);
    at = t->end;
  }
  if (at != data_bytes)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s: %llu bytes at its end belong to no tensor", path,
                      (unsigned long long)(data_bytes - at));
  qsort(f->items, f->count, sizeof *f->items, by_name);
  return SOUK_OK;
}

static souk_status check_metadata(const jtree *j, const jnode *n, const char *path, souk_error *e) {
  bool good = n->kind == J_OBJECT;
  for (const jnode *c = jtree_first(j, n); c != NULL; c = jtree_next(j, c)) good &= c->kind == J_STRING;
  return good ? SOUK_OK
              : infer_fail(e, SOUK_ERR_FORMAT, "%s: \"__metadata__\" must be an object of strings", path);
}

// `j` is the parsed header; names move into f, because the tree goes.
static souk_status read_table(tensor_file *f, const jtree *j, size_t header_bytes, const mapping *m,
                              const char *path, souk_error *e) {
  const jnode *root = &j->nodes[0];
  const char *data = m->data + 8 + header_bytes;
  const uint64_t data_bytes = m->bytes - 8 - header_bytes;
  if (root->kind != J_OBJECT) return infer_fail(e, SOUK_ERR_FORMAT, "%s: the header must be an object", path);
  PASS(infer_alloc(&f->items, (size_t)root->count, sizeof *f->items, "a table of tensors", e));
  PASS(infer_alloc(&f->names, header_bytes + 1, 1, "a table of tensors", e));
  char *names = f->names;
  for (const jnode *n = jtree_first(j, root); n != NULL; n = jtree_next(j, n)) {
    if (strcmp(n->key, "__metadata__") == 0) {
      PASS(check_metadata(j, n, path, e));
      continue;
    }
    tensor *t = &f->items[f->count++];
    t->name = names;
    names = stpcpy(names, n->key) + 1;
    PASS(read_tensor(t, j, n, data_bytes, path, e));
    t->data = data + t->begin;
  }
  return check_cover(f, data_bytes, path, e);
}

souk_status tensors_read(tensor_file *f, const mapping *m, const char *path, souk_error *e) {
  *f = (tensor_file){0};
  uint64_t header = 0;
  if (m->bytes < 8) return infer_fail(e, SOUK_ERR_FORMAT, "%s is cut short: it has no header size", path);
  for (size_t i = 0; i < 8; i++) header |= (uint64_t)(unsigned char)m->data[i] << 8 * i;
  if (header > m->bytes - 8)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s: its header of %llu bytes reaches beyond the file's end", path,
                      (unsigned long long)header);
  if (header > TENSOR_HEADER_MAX)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s: its header has %llu bytes, more than the 16 MiB read here",
                      path, (unsigned long long)header);
  jtree j = {0};
  souk_status rc = SOUK_OK;
  if (!jtree_parse(&j, m->data + 8, (size_t)header))
    rc = infer_fail(e, j.memory ? SOUK_ERR_MEMORY : SOUK_ERR_FORMAT, "%s: header line %lld: %s", path,
                    (long long)j.line, j.why);
  else
    rc = read_table(f, &j, (size_t)header, m, path, e);
  jtree_free(&j);
  if (rc != SOUK_OK) tensors_free(f);
  return rc;
}

void tensors_free(tensor_file *f) {
  free(f->items);
  free(f->names);
  *f = (tensor_file){0};
}

souk_status tensors_find(const tensor_file *f, const char *path, const char *name, const char *dtype,
                         int32_t ndim, uint64_t rows, uint64_t columns, const tensor **out, souk_error *e) {
  const tensor key = {.name = name};
  const tensor *t = bsearch(&key, f->items, f->count, sizeof *f->items, by_name);
  *out = t;
  if (t == NULL) return infer_fail(e, SOUK_ERR_FORMAT, "%s has no tensor \"%s\"", path, name);
  if (strcmp(t->dtype, dtype) != 0)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s: tensor \"%s\" has dtype %s, %s is wanted", path, name,
                      t->dtype, dtype);
  if (t->ndim != ndim || t->shape[0] != rows || (ndim == 2 && t->shape[1] != columns)) {
    char is[64] = "a scalar", wanted[64];
    if (t->ndim == 1) snprintf(is, sizeof is, "[%llu]", (unsigned long long)t->shape[0]);
    if (t->ndim >= 2)
      snprintf(is, sizeof is, "[%llu, %llu%s]", (unsigned long long)t->shape[0],
               (unsigned long long)t->shape[1], t->ndim > 2 ? ", ..." : "");
    snprintf(wanted, sizeof wanted, ndim == 1 ? "[%llu]" : "[%llu, %llu]", (unsigned long long)rows,
             (unsigned long long)columns);
    return infer_fail(e, SOUK_ERR_FORMAT, "%s: tensor \"%s\" has shape %s, %s is wanted", path, name, is,
                      wanted);
  }
  return SOUK_OK;
}
