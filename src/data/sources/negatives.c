// Negatives of sampled losses; see negatives.h.
//
// Of the S negatives of a batch the first round(S mix) are drawn uniformly, the others by the kind's probability p, all with
// replacement but for those from the batch:
//
//   uniform      p = 1 / n, n items
//   popularity   p ~ count^alpha, an item that is never trained on as if it came half a time
//   log_uniform  p = log((r + 2) / (r + 1)) / log(n + 1), r the rank by count from 0: Zipf's law, as in TensorFlow's
//                log_uniform_candidate_sampler (there without counts: tokens are numbered by rank)
//   in_batch     labels of the batch's rows: every row once before one comes again. p ~ count, as a label is an event of
//                training
//
// With hard negatives (data.hard_negatives h) S is what is left of the negatives without them, and h more are drawn: a history of the
// batch, and an item of its list, both evenly; of a history without a list any item, evenly. Their probability q is that of all
// histories.
//
// So the expected count of an item is round(S mix) / n + (S - round(S mix)) p + h q. That of in_batch is one over all batches; in a
// batch that is known it is how often the item is a label, which would take the popular ones' correction back (Yi et
// al.: Sampling-bias-corrected neural modeling for large corpus item recommendations, RecSys 2019; mixed negatives: Yang et
// al.: Mixed negative sampling for learning two-tower neural networks in recommendations, WWW 2020).
#include "data/sources/negatives.h"

#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "base/philox.h"

typedef struct alias_slot { // Walker's alias method
  float keep;
  int32_t other;
} alias_slot;

struct negative_sampler {
  int32_t base, items;         // token id of the first item; how many
  int32_t draws, uniform;      // of a batch; of these, how many uniformly
  bool in_batch;               // the others are labels
  int32_t hard;                // draws from lists, beside these
  const hard_negatives *lists; // NULL: none
  uint64_t seed;
  alias_slot *alias; // [items]; NULL: uniform or in_batch
  float *logq;       // [items]
  int32_t *rows;     // [most_rows] room to draw labels in; NULL: not in_batch
  size_t most_rows;
};

// ---- probabilities -------------------------------------------------------------------------------------------

static double popularity(const vocab *v, int32_t token, double alpha) {
  const double count = (double)vocab_token_count(v, token);
  return pow(count > 0.5 ? count : 0.5, alpha);
}

typedef struct ranked {
  int64_t count;
  int32_t item;
} ranked;

static int by_count(const void *a, const void *b) { // ties by number
  const ranked *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  return (x->item > y->item) - (x->item < y->item);
}

static status log_uniform(const negative_sampler *s, const vocab *v, double *p) {
  ranked *order;
  TRY(mem_new(&order, (size_t)s->items, sizeof *order, "the ranks of items"));
  for (int32_t i = 0; i < s->items; i++) order[i] = (ranked){vocab_token_count(v, s->base + i), i};
  qsort(order, (size_t)s->items, sizeof *order, by_count);
  for (int32_t r = 0; r < s->items; r++) p[order[r].item] = log1p(1.0 / (r + 1));
  free(order);
  return OK;
}

// Weights of the items and their sum; probabilities are their quotients.
static status weigh(const negative_sampler *s, const data_config *c, const vocab *v, double *p, double *sum) {
  const double alpha = c->negative_kind == NEGATIVES_POPULARITY ? c->negative_alpha : 1;
  if (c->negative_kind == NEGATIVES_LOG_UNIFORM) TRY(log_uniform(s, v, p));
  *sum = 0;
  for (int32_t i = 0; i < s->items; i++) {
    if (c->negative_kind != NEGATIVES_LOG_UNIFORM) p[i] = popularity(v, s->base + i, alpha);
    *sum += p[i];
  }
  return OK;
}

// Vose's alias table of weights p, which become something else.
static status make_alias(negative_sampler *s, double *p, double sum) {
  const int32_t n = s->items;
  int32_t *stack;
  TRY(mem_new(&s->alias, (size_t)n, sizeof *s->alias, "the alias table"));
  TRY(mem_new(&stack, (size_t)n, sizeof *stack, "the alias table"));
  int32_t small = 0, large = n; // two stacks in one array: small from the front, large from the back
  for (int32_t i = 0; i < n; i++) {
    p[i] *= n / sum;
    if (p[i] < 1.0)
      stack[small++] = i;
    else
      stack[--large] = i;
  }
  while (small > 0 && large < n) {
    const int32_t of = stack[--small], to = stack[large];
    s->alias[of] = (alias_slot){(float)p[of], to};
    p[to] -= 1.0 - p[of];
    if (p[to] < 1.0) {
      large++;
      stack[small++] = to;
    }
  }
  while (large < n) s->alias[stack[large]] = (alias_slot){1.0f, stack[large]}, large++;
  while (small > 0) small--, s->alias[stack[small]] = (alias_slot){1.0f, stack[small]};
  free(stack);
  return OK;
}

// q of every item.
static status weigh_hard(const negative_sampler *s, double **out) {
  const hard_negatives *l = s->lists;
  double *q, nobodys = 0;
  TRY(mem_new(out, (size_t)s->items, sizeof **out, "sampling probabilities"));
  q = *out;
  const double all = l != NULL ? (double)l->sequences : 1;
  for (int64_t i = 0; l != NULL && i < l->sequences; i++) {
    const int32_t n = hard_negatives_count(l, i);
    nobodys += n == 0;
    for (int32_t k = 0; k < n; k++) q[l->items[i * l->each + k] - s->base] += 1 / (all * n);
  }
  if (l == NULL) nobodys = 1;
  for (int32_t i = 0; i < s->items; i++) q[i] += nobodys / (all * s->items);
  return OK;
}

// logq; and the alias table, where it is drawn from and not there yet.
static status make_tables(negative_sampler *s, const data_config *c, const vocab *v) {
  const double even = (double)s->uniform / s->items, others = s->draws - s->uniform;
  double *p, *hard = NULL, sum = 1;
  TRY(mem_new(&p, (size_t)s->items, sizeof *p, "sampling probabilities"));
  status rc = OK;
  if (s->hard > 0) TRY_GOTO(weigh_hard(s, &hard), done);
  if (others > 0) TRY_GOTO(weigh(s, c, v, p, &sum), done);
  for (int32_t i = 0; i < s->items; i++)
    s->logq[i] = (float)log(even + others * p[i] / sum + (hard != NULL ? s->hard * hard[i] : 0));
  if (s->uniform == s->draws || s->alias != NULL) goto done;
  if (!s->in_batch) TRY_GOTO(make_alias(s, p, sum), done);
done:
  free(p);
  free(hard);
  return rc;
}

// ---- drawing -------------------------------------------------------------------------------------------------

// Labels of n rows in random order (Fisher and Yates), which begins anew when every row has come.
static void draw_labels(const negative_sampler *s, batch *to, int32_t n, rng *r) {
  const int32_t rows = to->n_masked;
  for (int32_t i = 0; i < n; i++) {
    const int32_t at = i % rows;
    for (int32_t k = 0; at == 0 && k < rows; k++) s->rows[k] = k;
    const int32_t other = at + (int32_t)rng_below(r, (uint64_t)(rows - at)), row = s->rows[other];
    s->rows[other] = s->rows[at];
    batch_add_negative(to, to->labels[row], negatives_logq(s, to->labels[row]));
  }
}

static void draw_hard(const negative_sampler *s, batch *to, const batch_histories *of, rng *r) {
  for (int32_t i = 0; i < s->hard; i++) {
    const int64_t at = of->n > 0 ? of->of[rng_below(r, (uint64_t)of->n)] : 0;
    const int32_t n = s->lists != NULL && of->n > 0 ? hard_negatives_count(s->lists, at) : 0;
    const int32_t token = n > 0 ? s->lists->items[at * s->lists->each + (int64_t)rng_below(r, (uint64_t)n)]
                                : s->base + (int32_t)rng_below(r, (uint64_t)s->items);
    batch_add_negative(to, token, s->logq[token - s->base]);
  }
}

void negatives_draw(const negative_sampler *s, batch *to, const batch_histories *histories, int64_t epoch,
                    int64_t index) {
  rng r = rng_at(s->seed, STREAM_NEGATIVE, (uint32_t)index, (uint32_t)epoch);
  const bool labels = s->in_batch && to->n_masked > 0; // without a row nobody reads them
  const int32_t drawn = labels ? s->uniform : s->draws;
  for (int32_t i = 0; i < drawn; i++) {
    int32_t item = (int32_t)rng_below(&r, (uint64_t)s->items);
    if (i >= s->uniform && s->alias != NULL && rng_unit(&r) >= s->alias[item].keep)
      item = s->alias[item].other;
    batch_add_negative(to, s->base + item, s->logq[item]);
  }
  if (labels) draw_labels(s, to, s->draws - drawn, &r);
  draw_hard(s, to, histories, &r);
}

float negatives_logq(const negative_sampler *s, int32_t token) {
  return s->logq[token - s->base];
}

// ---- life ----------------------------------------------------------------------------------------------------

size_t negatives_bytes(const negative_sampler *s) {
  return (size_t)s->items * ((s->alias != NULL ? sizeof *s->alias : 0) + sizeof *s->logq) +
         s->most_rows * sizeof *s->rows;
}

void negatives_close(negative_sampler *s) {
  if (s == NULL) return;
  free(s->alias);
  free(s->logq);
  free(s->rows);
  free(s);
}

status negatives_make_room(negative_sampler *s, int32_t most_rows) {
  return s->in_batch
             ? mem_grow(&s->rows, &s->most_rows, (size_t)most_rows, sizeof *s->rows, "the rows of a batch")
             : OK;
}

status negatives_renew(negative_sampler *s, const data_config *c, const vocab *v,
                       const hard_negatives *lists) {
  s->lists = lists;
  return make_tables(s, c, v);
}

status negatives_open(negative_sampler **out, const data_config *c, const vocab *v, int32_t most_rows,
                      const hard_negatives *lists) {
  *out = NULL;
  if (c->hard_negatives > c->negatives)
    return fail(ERR_ARGUMENT, "data.hard_negatives = %lld are more than all of data.negatives = %lld",
                (long long)c->hard_negatives, (long long)c->negatives);
  const int32_t base = vocab_begin(v, RANGE_ITEMS), n = vocab_end(v, RANGE_ITEMS) - base;
  if (n < 1) return fail(ERR_ARGUMENT, "data.negatives needs items in the vocabulary");
  negative_sampler *s;
  TRY(mem_new(&s, 1, sizeof *s, "the sampler of negatives"));
  s->base = base;
  s->items = n;
  s->hard = (int32_t)c->hard_negatives;
  s->lists = lists;
  s->draws = (int32_t)c->negatives - s->hard;
  s->uniform =
      c->negative_kind == NEGATIVES_UNIFORM ? s->draws : (int32_t)lround((double)s->draws * c->negative_mix);
  s->in_batch = c->negative_kind == NEGATIVES_IN_BATCH;
  s->seed = (uint64_t)c->seed;
  status rc = mem_new(&s->logq, (size_t)n, sizeof *s->logq, "sampling probabilities");
  if (rc == OK) rc = make_tables(s, c, v);
  if (rc == OK) rc = negatives_make_room(s, most_rows);
  if (rc == OK)
    *out = s;
  else
    negatives_close(s);
  return rc;
}
