// The items of a data set: the vocabulary and every item's attributes.
//
// Attribute tokens are named "event=view", "category=Phones", "price=3". Price buckets hold about equally
// many items each; the report has their edges.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "hdf5/h5_arrays.h"
#include "prepare/prepare_internal.h"

// ---- buckets -------------------------------------------------------------------------------------------------

// Of the kept items that have a value.
static status make_buckets(const prepare_job *job, const double *values, int64_t wanted,
                           quantile_buckets *to) {
  const int32_t n = intern_count(job->items);
  double *known;
  size_t count = 0;
  TRY(mem_new(&known, (size_t)n, sizeof *known, "values of items"));
  for (int32_t i = 0; i < n; i++)
    if (job->item_counts[i] > 0 && !isnan(values[i])) known[count++] = values[i];
  quantile_buckets_make(to, known, count, wanted);
  free(known);
  return OK;
}

// ---- vocabulary ----------------------------------------------------------------------------------------------

// Numbers by falling count, then by name.
typedef struct named_count {
  const intern *names;
  const int64_t *counts;
} named_count;

static int by_count_then_name(const void *a, const void *b, void *self) {
  const named_count *s = self;
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  if (s->counts[x] != s->counts[y]) return s->counts[x] > s->counts[y] ? -1 : 1;
  return strcmp(intern_text(s->names, x), intern_text(s->names, y));
}

static status add_attribute(vocab *v, const char *kind, const char *value, int64_t count) {
  char *name;
  const size_t bytes = strlen(kind) + strlen(value) + 2;
  TRY(mem_new(&name, bytes, 1, "the name of an attribute"));
  snprintf(name, bytes, "%s=%s", kind, value);
  const status rc = vocab_add(v, RANGE_ATTRIBUTES, name, count, NULL);
  free(name);
  return rc;
}

static status add_labels(prepare_job *job, vocab *v, const char *kind, const item_labels *l) {
  const int32_t n = intern_count(l->names), items = intern_count(job->items);
  int64_t *counts = NULL;
  int32_t *order = NULL;
  status rc;
  TRY_GOTO(mem_new(&counts, (size_t)n, sizeof *counts, "counts of attributes"), done);
  TRY_GOTO(mem_new(&order, (size_t)n, sizeof *order, "the order of attributes"), done);
  for (int32_t i = 0; i < items; i++)
    if (l->of[i] >= 0) counts[l->of[i]] += job->train_counts[i];
  for (int32_t i = 0; i < n; i++) order[i] = i;
  qsort_r(order, (size_t)n, sizeof *order, by_count_then_name, &(named_count){l->names, counts});
  for (int32_t i = 0; i < n; i++)
    TRY_GOTO(add_attribute(v, kind, intern_text(l->names, order[i]), counts[order[i]]), done);
done:
  free(counts);
  free(order);
  return rc;
}

static status add_buckets(prepare_job *job, vocab *v, const char *kind, const quantile_buckets *q,
                          const double *values) {
  int64_t counts[MAX_BUCKETS + 1] = {0};
  for (int32_t i = 0; i < intern_count(job->items); i++)
    counts[quantile_bucket(q, values[i])] += job->train_counts[i];
  for (int32_t k = 1; k <= q->n; k++) {
    char number[16];
    snprintf(number, sizeof number, "%d", k);
    TRY(add_attribute(v, kind, number, counts[k]));
  }
  return OK;
}

static status add_attributes(prepare_job *job, vocab *v) {
  TRY(make_buckets(job, job->price, job->c->output.price_buckets, &job->prices));
  TRY(make_buckets(job, job->rating, job->c->output.rating_buckets, &job->ratings));
  for (int32_t t = 0; t < intern_count(job->types); t++)
    TRY(add_attribute(v, "event", intern_text(job->types, t), job->type_counts[t + 1]));
  TRY(add_labels(job, v, "category", &job->categories));
  TRY(add_buckets(job, v, "price", &job->prices, job->price));
  TRY(add_labels(job, v, "brand", &job->brands));
  TRY(add_buckets(job, v, "rating", &job->ratings, job->rating));
  return add_labels(job, v, "domain", &job->item_domains);
}

// The vocabulary with special tokens and words.
static status begin_vocabulary(prepare_job *job, vocab **v) {
  if (job->words == NULL) return vocab_new(v);
  *v = job->words->v;
  job->words->v = NULL;
  return OK;
}

status build_vocabulary(prepare_job *job, vocab **out) {
  const int32_t n = intern_count(job->items);
  int32_t *order, kept = 0;
  TRY(mem_new(&order, (size_t)n, sizeof *order, "the order of items"));
  for (int32_t i = 0; i < n; i++) {
    job->token_of[i] = -1;
    if (job->item_counts[i] > 0) order[kept++] = i;
  }
  qsort_r(order, (size_t)kept, sizeof *order, by_count_then_name,
          &(named_count){job->items, job->train_counts});
  status rc;
  vocab *v = NULL;
  TRY_GOTO(begin_vocabulary(job, &v), done);
  if (job->c->output.attributes) TRY_GOTO(add_attributes(job, v), done);
  TRY_GOTO(user_table_add_tokens(job->attributes, v), done);
  TRY_GOTO(copy_table_add_tokens(job->copy, v), done);
  for (int32_t i = 0; i < kept; i++)
    TRY_GOTO(vocab_add(v, RANGE_ITEMS, intern_text(job->items, order[i]), job->train_counts[order[i]],
                       &job->token_of[order[i]]),
             done);
  job->items_kept = kept;
  *out = v;
  v = NULL;
done:
  vocab_free(v);
  free(order);
  return rc;
}

// ---- attributes of items -------------------------------------------------------------------------------------

// tokens[i of the vocabulary] = of[number of item i].
static void spread(const prepare_job *job, const vocab *v, const int32_t *of, int32_t *tokens) {
  const int32_t first = vocab_begin(v, RANGE_ITEMS);
  for (int32_t i = 0; i < intern_count(job->items); i++)
    if (job->token_of[i] >= 0) tokens[job->token_of[i] - first] = of[i];
}

// The number that a name has in the list, -1: none.
static int32_t number_of(const char *text, const char *kind, const intern *names) {
  const size_t n = strlen(kind);
  return strncmp(text, kind, n) == 0 && text[n] == '=' ? intern_find(names, text + n + 1) : -1;
}

status label_tokens(const prepare_job *job, const vocab *v, const char *kind, const item_labels *l,
                    int32_t *tokens) {
  const int32_t n = intern_count(job->items);
  int32_t *token = NULL, *of = NULL;
  status rc;
  TRY_GOTO(mem_new(&token, (size_t)intern_count(l->names), sizeof *token, "tokens of attributes"), done);
  TRY_GOTO(mem_new(&of, (size_t)n, sizeof *of, "tokens of attributes"), done);
  for (int32_t id = vocab_begin(v, RANGE_ATTRIBUTES); id < vocab_end(v, RANGE_ATTRIBUTES); id++) {
    const int32_t k = number_of(vocab_token(v, id), kind, l->names);
    if (k >= 0) token[k] = id;
  }
  for (int32_t i = 0; i < n; i++) of[i] = l->of[i] >= 0 ? token[l->of[i]] : 0;
  spread(job, v, of, tokens);
done:
  free(token);
  free(of);
  return rc;
}

status bucket_tokens(const prepare_job *job, const vocab *v, const char *kind, const quantile_buckets *q,
                     const double *values, int32_t *tokens) {
  const int32_t n = intern_count(job->items);
  int32_t token[MAX_BUCKETS + 1] = {0}, *of;
  char name[48];
  for (int32_t k = 1; k <= q->n; k++) {
    snprintf(name, sizeof name, "%s=%d", kind, k);
    token[k] = vocab_find(v, RANGE_ATTRIBUTES, name);
  }
  TRY(mem_new(&of, (size_t)n, sizeof *of, "tokens of attributes"));
  for (int32_t i = 0; i < n; i++) of[i] = token[quantile_bucket(q, values[i])];
  spread(job, v, of, tokens);
  free(of);
  return OK;
}

static status write_columns(const prepare_job *job, const char *path, int32_t *const tokens[2]) {
  const h5_array arrays[] = {{"category", H5_KIND_I32, job->items_kept, 0, tokens[0]},
                             {"price", H5_KIND_I32, job->items_kept, 0, tokens[1]}};
  return h5_write_arrays(path, "souk.items", arrays, 2, (int)job->c->output.deflate);
}

status write_item_attributes(prepare_job *job, dataset_writer *w, const vocab *v) {
  if (!job->c->output.attributes || (intern_count(job->categories.names) == 0 && job->prices.n == 0))
    return OK;
  char path[PATH_MAX + 64];
  int32_t *tokens[2] = {NULL, NULL};
  status rc;
  TRY_GOTO(writer_path(w, "items.h5", path, sizeof path), done);
  for (int k = 0; k < 2; k++)
    TRY_GOTO(mem_new(&tokens[k], (size_t)job->items_kept, sizeof *tokens[k], "attributes of items"), done);
  TRY_GOTO(label_tokens(job, v, "category", &job->categories, tokens[0]), done);
  TRY_GOTO(bucket_tokens(job, v, "price", &job->prices, job->price, tokens[1]), done);
  TRY_GOTO(write_columns(job, path, tokens), done);
  rc = writer_list(w, "items.h5");
done:
  free(tokens[0]);
  free(tokens[1]);
  return rc;
}
