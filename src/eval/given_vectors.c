// Vectors of another program; see given_vectors.h.
#include "eval/given_vectors.h"

#include <cblas.h>
#include <stdlib.h>
#include "base/memory.h"
#include "data/npy_reader.h"

struct given_vectors {
  float *users, *items; // [users, width], [items, width]
  int64_t width;
  int32_t n_items;
};

enum { MOST_WIDTH = 65536 };

static status read_rows(npy_file *npy, int64_t n_rows, const char *what, float **values) {
  if (npy->rows != n_rows)
    return fail(ERR_FORMAT, "%s has %lld rows, but the data set has %lld %s", npy->path, (long long)npy->rows,
                (long long)n_rows, what);
  if (npy->columns > MOST_WIDTH)
    return fail(ERR_FORMAT, "%s: vectors of %lld elements; %d is the most", npy->path,
                (long long)npy->columns, MOST_WIDTH);
  TRY(mem_new(values, (size_t)(n_rows * npy->columns), sizeof **values, "given vectors"));
  return npy_values(npy, *values);
}

static status read_array(const char *path, int64_t n_rows, const char *what, float **values, int64_t *width) {
  npy_file npy;
  status rc = npy_open(&npy, path);
  *width = npy.columns;
  if (rc == OK) rc = read_rows(&npy, n_rows, what, values);
  npy_close(&npy);
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
