// What an evaluation tells beside its tables; see evaluation_detail.h.
#include "eval/evaluation_detail.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "format/domains.h"
#include "format/order.h"
#include "format/utf8.h"

const int32_t bucket_metrics[BUCKET_METRICS] = {METRIC_HR + 2, METRIC_NDCG + 2};
const char *const bucket_keys[BUCKET_KINDS] = {"history_events", "target_frequency", "user", "domain"};
const char *const bucket_titles[BUCKET_KINDS] = {"events of the history", "training events of the target",
                                                 "training events of the user", "domain of the target"};

status detail_open(evaluation *e) {
  TRY(mem_new(&e->detail, 1, sizeof *e->detail, "the details of an evaluation"));
  log_doing("counting users of items");
  return item_popularity_make(&e->detail->popularity, e->d, e->c.ranking.query.part);
}

void detail_free(evaluation_detail *d) {
  if (d == NULL) return;
  item_popularity_free(&d->popularity);
  free(d);
}

// ---- lists -----------------------------------------------------------------------------------------------------

static status count_list(void *self, const query *q, const ranked_list *list) {
  (void)q;
  exposure_add(self, list);
  return OK;
}

// score NULL: the model's.
static status count_lists(evaluation *e, int32_t i, row_scorer score, void *self) {
  exposure x;
  const double started = now_seconds();
  status rc = exposure_new(&x, e->items);
  if (rc == OK && score == NULL)
    rc = ranking_lists(e->questions, e->m, LIST_DEEPEST, count_list, &x);
  else if (rc == OK)
    rc = ranking_row_lists(e->questions, score, self, LIST_DEEPEST, count_list, &x);
  if (rc == OK) exposure_figures(&x, &e->detail->popularity, e->detail->lists[i]);
  exposure_free(&x);
  e->detail->seconds += now_seconds() - started;
  return rc;
}

status detail_model_lists(evaluation *e, int32_t i) {
  return count_lists(e, i, NULL, NULL);
}

status detail_row_lists(evaluation *e, int32_t i, row_scorer score, void *self) {
  return count_lists(e, i, score, self);
}

// ---- what is known of each target ------------------------------------------------------------------------------

typedef struct target_facts {
  int64_t n;                   // targets of all questions, in their order
  int64_t *slots;              // [n] the user of each
  int64_t *keys[BUCKET_KINDS]; // [n] what buckets are made by
  int64_t *chosen;             // [n] scratch: slots of a bucket
  int64_t *sorted;             // [n] scratch
  int32_t *ranks;              // [CONTENDERS][n] scratch: ranks of a bucket
  double *values;              // replicates of a bucket, and of a difference
} target_facts;

static status facts_new(target_facts *f, const evaluation *e) {
  const int64_t n = e->contenders[0].result.targets;
  const size_t room = (size_t)n;
  *f = (target_facts){.n = n};
  TRY(mem_new(&f->slots, room, sizeof *f->slots, "figures of buckets"));
  for (int32_t k = 0; k < BUCKET_KINDS; k++)
    TRY(mem_new(&f->keys[k], room, sizeof *f->keys[k], "figures of buckets"));
  TRY(mem_new(&f->chosen, room, sizeof *f->chosen, "figures of buckets"));
  TRY(mem_new(&f->sorted, room, sizeof *f->sorted, "figures of buckets"));
  TRY(mem_new(&f->ranks, room * CONTENDERS, sizeof *f->ranks, "figures of buckets"));
  const size_t replicates = (size_t)e->c.replicates;
  return mem_new(&f->values, ((size_t)e->n * RANK_METRICS + 1) * replicates, sizeof *f->values,
                 "bootstrap replicates");
}

static void facts_free(target_facts *f) {
  free(f->slots);
  for (int32_t k = 0; k < BUCKET_KINDS; k++) free(f->keys[k]);
  free(f->chosen);
  free(f->sorted);
  free(f->ranks);
  free(f->values);
}

static void add_question(evaluation *e, const query *q, int64_t trained, target_facts *f, int64_t *at) {
  evaluation_detail *d = e->detail;
  const vocab *v = dataset_vocab(e->d);
  const int32_t first = vocab_begin(v, RANGE_ITEMS);
  popularity_means history = {0};
  for (int32_t i = 0; i < q->n; i++)
    if (q->tokens[i] >= first && q->tokens[i] < first + e->items)
      popularity_add(&history, &d->popularity, q->tokens[i] - first, 1.0);
  popularity_divide(&history);
  if (history.weight > 0) {
    d->histories.weight++;
    d->histories.information += history.information;
    d->histories.events += history.events;
    d->histories.percentile += history.percentile;
    d->histories.nobodys += history.nobodys;
  }
  for (int32_t t = 0; t < q->n_targets; t++, (*at)++) {
    const int32_t item = q->targets[t];
    if (item >= 0) popularity_add(&d->targets, &d->popularity, item, 1.0);
    d->new_users += (*at == 0 || f->slots[*at - 1] != q->slot) && trained == 0;
    f->slots[*at] = q->slot;
    f->keys[BY_HISTORY][*at] = q->n;
    f->keys[BY_FREQUENCY][*at] = item >= 0 ? vocab_token_count(v, first + item) : 0;
    f->keys[BY_USER][*at] = trained > 0;
    f->keys[BY_DOMAIN][*at] = item >= 0 ? domain_of_item(v, first + item) : -1;
  }
}

static status find_facts(evaluation *e, target_facts *f) {
  const query_source *source = ranking_queries(e->questions);
  training_part trained;
  int64_t at = 0;
  const training_choice train_only = {.final = false};
  status rc = training_part_make(&trained, e->d, e->c.other_data ? &train_only : &e->c.trained);
  for (int64_t i = 0; rc == OK && i < queries_chunks(source); i++) {
    query_chunk c;
    rc = queries_chunk((query_source *)source, i, &c);
    for (int64_t k = 0; rc == OK && k < c.count; k++)
      add_question(e, &c.queries[k], trained.lengths[c.queries[k].sequence], f, &at);
  }
  training_part_free(&trained);
  popularity_divide(&e->detail->targets);
  popularity_divide(&e->detail->histories);
  return rc;
}

// ---- which buckets there are -----------------------------------------------------------------------------------

static bucket *add_bucket(bucket_list *l, int64_t low, int64_t high, const char *name) {
  bucket *b = &l->of[l->n++];
  *b = (bucket){.low = low, .high = high};
  snprintf(b->name, sizeof b->name, "%s", name);
  return b;
}

// Quarters of the n targets whose keys these are, sorted: what is equal is never divided, so there may be fewer.
static void add_quarters(bucket_list *l, const int64_t *sorted, int64_t n) {
  for (int64_t from = 0, k = 1; k <= BUCKETS && from < n; k++) {
    int64_t to = n * k / BUCKETS;
    if (to <= from) continue;
    const int64_t low = sorted[from], high = sorted[to - 1];
    while (to < n && sorted[to] == high) to++;
    char name[BUCKET_NAME];
    if (low == high)
      snprintf(name, sizeof name, "%lld", (long long)low);
    else if (to == n)
      snprintf(name, sizeof name, "%lld or more", (long long)low);
    else
      snprintf(name, sizeof name, "%lld to %lld", (long long)low, (long long)high);
    add_bucket(l, low, high, name);
    from = to;
  }
}

static void add_domains(const evaluation *e, bucket_list *l) {
  const vocab *v = dataset_vocab(e->d);
  const size_t prefix = sizeof DOMAIN_ATTRIBUTE - 1;
  char name[BUCKET_NAME];
  for (int32_t id = vocab_begin(v, RANGE_ATTRIBUTES);
       id < vocab_end(v, RANGE_ATTRIBUTES) && l->n < MOST_BUCKETS; id++) {
    const char *text = vocab_token(v, id);
    if (strncmp(text, DOMAIN_ATTRIBUTE, prefix) != 0) continue;
    const size_t n = utf8_cut(text + prefix, strlen(text + prefix), sizeof name - 1);
    memcpy(name, text + prefix, n);
    name[n] = '\0';
    add_bucket(l, id, id, name);
  }
}

static void list_buckets(const evaluation *e, bucket_list *l, bucket_kind kind, target_facts *f) {
  l->n = 0;
  if (kind == BY_DOMAIN) {
    add_domains(e, l);
    return;
  }
  if (kind == BY_USER) {
    add_bucket(l, 0, 0, "none (new users)");
    add_bucket(l, 1, 1, "some");
    return;
  }
  memcpy(f->sorted, f->keys[kind], (size_t)f->n * sizeof *f->sorted);
  qsort(f->sorted, (size_t)f->n, sizeof *f->sorted, order_int64);
  int64_t cold = 0;
  while (kind == BY_FREQUENCY && cold < f->n && f->sorted[cold] == 0) cold++;
  if (cold > 0) add_bucket(l, 0, 0, "none (cold)");
  add_quarters(l, f->sorted + cold, f->n - cold);
}

// ---- figures of a bucket ---------------------------------------------------------------------------------------

// Which targets are in it: their users into f->chosen, their ranks into f->ranks.
static void choose(const evaluation *e, bucket *b, const int64_t *keys, target_facts *f) {
  int64_t n = 0;
  for (int64_t i = 0; i < f->n; i++) {
    if (keys[i] < b->low || keys[i] > b->high) continue;
    b->users += n == 0 || f->chosen[n - 1] != f->slots[i];
    f->chosen[n] = f->slots[i];
    for (int32_t k = 0; k < e->n; k++) f->ranks[k * f->n + n] = e->contenders[k].result.ranks[RANK_FULL][i];
    n++;
  }
  b->targets = n;
}

static void find_best(const evaluation *e, bucket *b) {
  const int32_t first = e->judged;
  for (int32_t m = 0; m < BUCKET_METRICS; m++) {
    int32_t best = first;
    for (int32_t i = first + 1; i < e->n; i++)
      if (b->value[i][m] > b->value[best][m]) best = i;
    b->difference[m] = (paired_difference){.best = -1};
    if (e->judged == 0) continue;
    b->difference[m] = (paired_difference){.best = best, .value = b->value[0][m] - b->value[best][m]};
  }
}

static status find_ranges(const evaluation *e, bucket *b, const int32_t *const *ranks, target_facts *f) {
  const int64_t n = e->c.replicates;
  const bootstrap_questions q = {.slots = f->chosen, .queries = b->targets};
  if (n == 0) return OK;
  TRY(bootstrap_metrics(&q, ranks, e->n, n, (uint64_t)e->c.ranking.query.seed, f->values));
  double *difference = f->values + (int64_t)e->n * RANK_METRICS * n;
  for (int32_t m = 0; m < BUCKET_METRICS; m++) {
    paired_difference *p = &b->difference[m];
    const double *ours = f->values + (int64_t)bucket_metrics[m] * n,
                 *best = f->values + ((int64_t)p->best * RANK_METRICS + bucket_metrics[m]) * n;
    if (p->best < 0) continue; // differences first, as central_interval sorts
    for (int64_t i = 0; i < n; i++) difference[i] = ours[i] - best[i];
    p->range = central_interval(difference, n, 0.95);
  }
  for (int32_t i = 0; i < e->n; i++)
    for (int32_t m = 0; m < BUCKET_METRICS; m++)
      b->range[i][m] =
          central_interval(f->values + ((int64_t)i * RANK_METRICS + bucket_metrics[m]) * n, n, 0.95);
  return OK;
}

static status measure(const evaluation *e, bucket *b, const int64_t *keys, target_facts *f) {
  const int32_t *ranks[CONTENDERS] = {NULL};
  choose(e, b, keys, f);
  if (b->targets == 0) return OK;
  for (int32_t i = 0; i < e->n; i++) {
    rank_metrics metrics;
    ranks[i] = f->ranks + i * f->n;
    rank_metrics_of(ranks[i], b->targets, &metrics);
    for (int32_t m = 0; m < BUCKET_METRICS; m++) b->value[i][m] = metrics.value[bucket_metrics[m]];
  }
  find_best(e, b);
  return find_ranges(e, b, ranks, f);
}

// Buckets that nothing falls into are left out.
static status measure_list(const evaluation *e, bucket_kind kind, target_facts *f) {
  bucket_list *l = &e->detail->buckets[kind];
  int32_t kept = 0;
  list_buckets(e, l, kind, f);
  for (int32_t i = 0; i < l->n; i++) {
    TRY(measure(e, &l->of[i], f->keys[kind], f));
    if (l->of[i].targets > 0) l->of[kept++] = l->of[i];
  }
  l->n = kept;
  return OK;
}

status detail_finish(evaluation *e) {
  target_facts f;
  const double started = now_seconds();
  log_doing("figures by user and item");
  status rc = facts_new(&f, e);
  if (rc == OK) rc = find_facts(e, &f);
  for (int kind = 0; rc == OK && kind < BUCKET_KINDS; kind++) rc = measure_list(e, (bucket_kind)kind, &f);
  facts_free(&f);
  e->detail->seconds += now_seconds() - started;
  return rc;
}
