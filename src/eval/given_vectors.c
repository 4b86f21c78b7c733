// Vectors of another program; see given_vectors.h.
#include "eval/given_vectors.h"

#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

struct given_vectors {
  float *users, *items; // [users, width], [items, width]
  int64_t width;
  int32_t n_items;
};

// ---- .npy ----------------------------------------------------------------------------------------------------

enum { MOST_HEADER = 4096, MOST_WIDTH = 65536 };

// The dictionary of a header, with blanks anywhere: the shape of a float32 array of two dimensions in C order.
static bool read_shape(const char *text, int64_t *n_rows, int64_t *columns) {
  const char *order = strstr(text, "'fortran_order':"), *shape = strstr(text, "'shape':");
  long long n, m;
  if (strstr(text, "'<f4'") == NULL || order == NULL || shape == NULL) return false;
  order += strlen("'fortran_order':");
  if (strncmp(order + strspn(order, " "), "False", 5) != 0) return false;
  if (sscanf(shape, "'shape': ( %lld , %lld )", &n, &m) != 2) return false;
  *n_rows = n;
  *columns = m;
  return n >= 0 && m >= 1;
}

// Versions 1 and 2: magic, version, the dictionary's size in 2 or 4 bytes, the dictionary.
static bool read_header(FILE *f, int64_t *n_rows, int64_t *columns) {
  unsigned char head[12];
  char text[MOST_HEADER + 1];
  if (fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 2)
    return false;
  size_t bytes = (size_t)head[8] + 256 * (size_t)head[9];
  if (head[6] == 2) {
    if (fread(head + 10, 1, 2, f) != 2) return false;
    bytes += ((size_t)head[10] << 16) + ((size_t)head[11] << 24);
  }
  if (bytes > MOST_HEADER || fread(text, 1, bytes, f) != bytes) return false;
  text[bytes] = '\0';
  return read_shape(text, n_rows, columns);
}

static status check_finite(const char *path, const float *values, int64_t n_rows, int64_t width) {
  for (int64_t i = 0; i < n_rows * width; i++)
    if (!isfinite(values[i]))
      return fail(ERR_NONFINITE, "%s: row %lld, column %lld is not finite", path, (long long)(i / width),
                  (long long)(i % width));
  return OK;
}

static status read_rows(FILE *f, const char *path, int64_t n_rows, const char *what, float **values,
                        int64_t *width) {
  int64_t n;
  if (!read_header(f, &n, width))
    return fail(ERR_FORMAT, "%s is not a .npy file of float32 with two dimensions in C order", path);
  if (n != n_rows)
    return fail(ERR_FORMAT, "%s has %lld rows, but the data set has %lld %s", path, (long long)n,
                (long long)n_rows, what);
  if (*width > MOST_WIDTH)
    return fail(ERR_FORMAT, "%s: vectors of %lld elements; %d is the most", path, (long long)*width,
                MOST_WIDTH);
  TRY(mem_new(values, (size_t)(n * *width), sizeof **values, "given vectors"));
  if (fread(*values, (size_t)*width * sizeof **values, (size_t)n, f) != (size_t)n || fgetc(f) != EOF)
    return fail(ERR_FORMAT, "%s is shorter or longer than its header says", path);
  return check_finite(path, *values, n, *width);
}

static status read_array(const char *path, int64_t n_rows, const char *what, float **values, int64_t *width) {
  FILE *f = fopen(path, "rbe");
  if (f == NULL) return fail(ERR_IO, "cannot open %s: %s", path, strerror(errno));
  const status rc = read_rows(f, path, n_rows, what, values, width);
  fclose(f);
  return rc;
}

// ---- as a contender ------------------------------------------------------------------------------------------

static status read_both(given_vectors *v, const dataset *d, const char *users_path, const char *items_path) {
  const vocab *words = dataset_vocab(d);
  int64_t width;
  v->n_items = vocab_end(words, RANGE_ITEMS) - vocab_begin(words, RANGE_ITEMS);
  TRY(read_array(users_path, dataset_get_info(d)->sequences, "users", &v->users, &v->width));
  TRY(read_array(items_path, v->n_items, "items", &v->items, &width));
  if (width == v->width) return OK;
  return fail(ERR_FORMAT, "%s has vectors of %lld elements, %s of %lld", users_path, (long long)v->width,
              items_path, (long long)width);
}

status given_vectors_read(given_vectors **out, const dataset *d, target_reading reading,
                          const char *users_path, const char *items_path) {
  *out = NULL;
  const data_split *split = &dataset_get_info(d)->split;
  if (reading == TARGETS_NEXT && (split->kind == SPLIT_TIME || split->targets > 1))
    return fail(ERR_ARGUMENT,
                "--user_vectors: users have one vector each, but %s may have several targets of a user, "
                "one question after the other; --targets all asks one",
                dataset_dir(d));
  given_vectors *v;
  TRY(mem_new(&v, 1, sizeof *v, "given vectors"));
  const status rc = read_both(v, d, users_path, items_path);
  if (rc == OK)
    *out = v;
  else
    given_vectors_free(v);
  return rc;
}

void given_vectors_free(given_vectors *v) {
  if (v == NULL) return;
  free(v->users);
  free(v->items);
  free(v);
}

void given_vectors_score(void *self, int32_t thread, const query *q, float *scores) {
  const given_vectors *v = self;
  const float *u = v->users + q->sequence * v->width;
  (void)thread;
  cblas_sgemv(CblasRowMajor, CblasNoTrans, v->n_items, (int)v->width, 1.0f, v->items, (int)v->width, u, 1,
              0.0f, scores, 1);
}
