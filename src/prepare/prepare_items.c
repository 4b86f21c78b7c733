// The items of a data set: the vocabulary and every item's attributes.
//
// Attribute tokens are named "event=view", "category=Phones", "price=3". Price buckets hold about equally
// many items each; the report has their edges.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "hdf5/hdf5_glue.h"
#include "prepare/prepare_internal.h"

// ---- price buckets -------------------------------------------------------------------------------------------

static int by_double(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

// Edges at equal shares of the kept items' prices; equal edges become one, so there may be fewer buckets than
// asked for.
static status make_buckets(prepare_job *job) {
  const int32_t n = intern_count(job->items);
  const int64_t wanted = job->c->output.price_buckets;
  double *prices;
  size_t known = 0;
  TRY(mem_new(&prices, (size_t)n, sizeof *prices, "prices of items"));
  for (int32_t i = 0; i < n; i++)
    if (job->item_counts[i] > 0 && !isnan(job->price[i])) prices[known++] = job->price[i];
  if (known > 0 && wanted > 0) {
    qsort(prices, known, sizeof *prices, by_double);
    job->buckets = 1;
    for (int64_t k = 1; k < wanted; k++) {
      const double edge = prices[known * (size_t)k / (size_t)wanted];
      if (edge > (job->buckets > 1 ? job->edges[job->buckets - 2] : prices[0]))
        job->edges[job->buckets++ - 1] = edge;
    }
  }
  free(prices);
  return OK;
}

// From 1; 0: the price is not known.
static int32_t bucket_of(const prepare_job *job, double price) {
  if (job->buckets == 0 || isnan(price)) return 0;
  int32_t k = 1;
  while (k < job->buckets && price >= job->edges[k - 1]) k++;
  return k;
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

static status add_attributes(prepare_job *job, vocab *v) {
  for (int32_t t = 0; t < intern_count(job->types); t++)
    TRY(add_attribute(v, "event", intern_text(job->types, t), job->type_counts[t + 1]));
  const int32_t n = intern_count(job->categories), items = intern_count(job->items);
  int64_t *counts = NULL, per_bucket[MAX_PRICE_BUCKETS + 1] = {0};
  int32_t *order = NULL;
  status rc;
  TRY_GOTO(mem_new(&counts, (size_t)n, sizeof *counts, "counts of categories"), done);
  TRY_GOTO(mem_new(&order, (size_t)n, sizeof *order, "the order of categories"), done);
  for (int32_t i = 0; i < items; i++) {
    if (job->category[i] >= 0) counts[job->category[i]] += job->train_counts[i];
    per_bucket[bucket_of(job, job->price[i])] += job->train_counts[i];
  }
  for (int32_t i = 0; i < n; i++) order[i] = i;
  qsort_r(order, (size_t)n, sizeof *order, by_count_then_name, &(named_count){job->categories, counts});
  for (int32_t i = 0; i < n; i++)
    TRY_GOTO(add_attribute(v, "category", intern_text(job->categories, order[i]), counts[order[i]]), done);
  for (int32_t k = 1; k <= job->buckets; k++) {
    char number[16];
    snprintf(number, sizeof number, "%d", k);
    TRY_GOTO(add_attribute(v, "price", number, per_bucket[k]), done);
  }
done:
  free(counts);
  free(order);
  return rc;
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
  TRY_GOTO(vocab_new(&v), done);
  if (job->c->output.attributes) {
    TRY_GOTO(make_buckets(job), done);
    TRY_GOTO(add_attributes(job, v), done);
  }
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

status write_item_attributes(prepare_job *job, dataset_writer *w, const vocab *v) {
  if (!job->c->output.attributes || (intern_count(job->categories) == 0 && job->buckets == 0)) return OK;
  const int32_t n = intern_count(job->items), first = vocab_begin(v, RANGE_ITEMS);
  char path[PATH_MAX + 64], name[32];
  int32_t *tokens[2] = {NULL, NULL}, *category_token = NULL, price_token[MAX_PRICE_BUCKETS + 1] = {0};
  status rc;
  TRY_GOTO(writer_path(w, "items.h5", path, sizeof path), done);
  for (int k = 0; k < 2; k++)
    TRY_GOTO(mem_new(&tokens[k], (size_t)job->items_kept, sizeof *tokens[k], "attributes of items"), done);
  const int32_t categories = intern_count(job->categories);
  TRY_GOTO(mem_new(&category_token, (size_t)categories, sizeof *category_token, "tokens of categories"),
           done);
  for (int32_t id = vocab_begin(v, RANGE_ATTRIBUTES); id < vocab_end(v, RANGE_ATTRIBUTES); id++) {
    const char *text = vocab_token(v, id);
    if (strncmp(text, "category=", 9) == 0) category_token[intern_find(job->categories, text + 9)] = id;
  }
  for (int32_t k = 1; k <= job->buckets; k++) {
    snprintf(name, sizeof name, "price=%d", k);
    price_token[k] = vocab_find(v, RANGE_ATTRIBUTES, name);
  }
  for (int32_t i = 0; i < n; i++) {
    if (job->token_of[i] < 0) continue;
    const int32_t row = job->token_of[i] - first;
    if (job->category[i] >= 0) tokens[0][row] = category_token[job->category[i]];
    tokens[1][row] = price_token[bucket_of(job, job->price[i])];
  }
  const hsize_t rows = (hsize_t)job->items_kept;
  h5_lock();
  hid_t file;
  rc = h5_create(&file, path, "souk.items", 1);
  if (rc == OK) {
    rc = h5_write(file, path, "category", H5T_STD_I32LE, 1, &rows, tokens[0], (int)job->c->output.deflate);
    if (rc == OK)
      rc = h5_write(file, path, "price", H5T_STD_I32LE, 1, &rows, tokens[1], (int)job->c->output.deflate);
    rc = h5_finish(file, path, rc);
  }
  h5_unlock();
  if (rc == OK) rc = file_sync(path);
  if (rc == OK) rc = writer_list(w, "items.h5");
done:
  free(tokens[0]);
  free(tokens[1]);
  free(category_token);
  return rc;
}
