// AdaLoRA's orthogonality, importance and budget; see rank_budget.h.
#include "train/rank_budget.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/order.h"
#include "format/text_end.h"

// The three factors of an adapter, by their place among the parameters.
typedef struct triplet {
  const param *a, *b, *e;
  bool turned; // of the word table, whose A has a row for each token and its ranks in columns, as B has
} triplet;

struct rank_budget {
  param_set *s;
  peft_config c;
  int64_t steps;
  int32_t n, ranks; // adapters, and ranks of each at the beginning
  bool settled;     // the last cut is made
  triplet *of;      // [n]
  void *scores;     // backend memory: float [n x ranks]
  float *host;      // [2 (n + 1) x ranks] scores, and sorted; e and what is kept of it
};

static const param *named(const param_set *s, const param *e, const char *factor) {
  char name[PARAM_NAME];
  const size_t at = strlen(e->name) - 1; // "...lora_E"
  memcpy(name, e->name, at);
  strcpy(name + at, factor);
  return param_find(s, name);
}

static bool is_of_table(const param *p) {
  return p->tuned && text_ends_with(p->name, ".lora_embedding_E");
}

static bool is_singular_values(const param *p) {
  return is_of_table(p) || (p->tuned && text_ends_with(p->name, ".lora_E"));
}

static status find_triplets(rank_budget *b) {
  for (int32_t i = 0; i < b->s->count; i++) b->n += is_singular_values(&b->s->items[i]);
  TRY(mem_new(&b->of, (size_t)b->n, sizeof *b->of, "adapters"));
  int32_t at = 0;
  for (int32_t i = 0; i < b->s->count; i++) {
    const param *e = &b->s->items[i];
    if (!is_singular_values(e)) continue;
    b->of[at++] = (triplet){named(b->s, e, "A"), named(b->s, e, "B"), e, is_of_table(e)};
  }
  return OK;
}

// Importance is that of all three factors by their gradients, which a frozen one has not.
static status check_trained(const rank_budget *b) {
  for (int32_t i = 0; i < b->n; i++) {
    const param *const factors[] = {b->of[i].a, b->of[i].b, b->of[i].e};
    for (int k = 0; k < 3; k++)
      if (!factors[k]->trainable)
        return fail(ERR_ARGUMENT,
                    "train.freeze names %s, but adalora measures the importance of ranks by the gradients of "
                    "all factors; keep adapters out of it, by peft.targets if need be",
                    factors[k]->name);
  }
  return OK;
}

status rank_budget_open(rank_budget **out, model *m, int64_t steps) {
  const peft_config *c = &model_get_config(m)->peft;
  *out = NULL;
  if (c->kind != PEFT_ADALORA) return OK;
  if (c->total_steps > 0) steps = c->total_steps;
  if (steps == 0)
    return fail(ERR_ARGUMENT,
                "adalora needs to know when ranks are to be cut: set peft.total_steps or train.steps");
  if (c->tinit + c->tfinal >= steps)
    return fail(ERR_ARGUMENT, "peft.tinit + peft.tfinal = %lld leave no step of %lld to cut ranks in",
                (long long)(c->tinit + c->tfinal), (long long)steps);
  rank_budget *b;
  TRY(mem_new(&b, 1, sizeof *b, "the budget of ranks"));
  b->s = model_params(m);
  b->c = *c;
  b->steps = steps;
  b->ranks = (int32_t)peft_rank(c);
  status rc = find_triplets(b);
  if (rc == OK) rc = check_trained(b);
  const size_t all = (size_t)b->n * (size_t)b->ranks;
  if (rc == OK)
    rc = mem_new(&b->host, 2 * (all + (size_t)b->ranks), sizeof *b->host, "the importance of ranks");
  if (rc == OK)
    rc = b->s->be->mem_alloc(b->s->ctx, all * sizeof(float), "the importance of ranks", &b->scores);
  if (rc == OK)
    *out = b;
  else
    rank_budget_close(b);
  return rc;
}

void rank_budget_close(rank_budget *b) {
  if (b == NULL) return;
  if (b->scores != NULL) b->s->be->mem_free(b->s->ctx, b->scores);
  free(b->host);
  free(b->of);
  free(b);
}

// ---- before the optimiser ------------------------------------------------------------------------------------

static status add_orthogonality(const rank_budget *b, const param *p, bool columns) {
  const orthogonal_params op = {.ranks = b->ranks,
                                .width = (int32_t)(p->size / b->ranks),
                                .columns = columns,
                                .p = param_master(b->s, p),
                                .scale = (float)(b->c.orthogonality / (2.0 * b->n)),
                                .dp = param_grad(b->s, p)};
  return b->s->be->orthogonal_backward(b->s->ctx, &op);
}

status rank_budget_before(rank_budget *b) {
  if (b == NULL) return OK;
  for (int32_t i = 0; b->c.orthogonality > 0 && i < b->n; i++) {
    TRY(add_orthogonality(b, b->of[i].a, b->of[i].turned));
    TRY(add_orthogonality(b, b->of[i].b, true));
  }
  return b->s->be->copy(b->s->ctx, b->s->last_grad, b->s->grad, (size_t)b->s->elements * sizeof(float));
}

// ---- after it ------------------------------------------------------------------------------------------------

// How many ranks step `step` leaves, of `begin` at the beginning and `end` at the end; false: it cuts none.
static bool rank_budget_at(const peft_config *c, int64_t steps, int64_t step, int64_t begin, int64_t end,
                           int64_t *budget) {
  const int64_t last = steps - c->tfinal;
  *budget = begin;
  if (step <= c->tinit || step > last) return false;
  const double rest = 1.0 - (double)(step - c->tinit) / (double)(last - c->tinit);
  *budget = (int64_t)((double)(begin - end) * rest * rest * rest + (double)end);
  return step == last || step % c->deltat == 0;
}

// now: with this step's gradients. Otherwise the averages stay as they are, to the bit (their decays are 1), and are added up.
static status add_importance(const rank_budget *b, const param *p, bool columns, bool now, float *score) {
  const param_set *s = b->s;
  const importance_params op = {.ranks = b->ranks,
                                .width = (int32_t)(p->size / b->ranks),
                                .columns = columns,
                                .p = param_master(s, p),
                                .g = s->last_grad + p->offset,
                                .ipt = param_ipt(s, p),
                                .unc = param_unc(s, p),
                                .beta1 = now ? (float)b->c.importance_beta : 1,
                                .beta2 = now ? (float)b->c.uncertainty_beta : 1,
                                .score = score};
  return s->be->importance(s->ctx, &op);
}

static status measure(const rank_budget *b, bool now) {
  float *score = b->scores;
  TRY(b->s->be->zero(b->s->ctx, score, (size_t)b->n * (size_t)b->ranks * sizeof *score));
  for (int32_t i = 0; i < b->n; i++, score += b->ranks) {
    TRY(add_importance(b, b->of[i].e, false, now, score));
    TRY(add_importance(b, b->of[i].a, b->of[i].turned, now, score));
    TRY(add_importance(b, b->of[i].b, true, now, score));
  }
  return OK;
}

// What the importance of a rank must exceed for it to stay, so that at most `budget` do.
static float threshold_of(const rank_budget *b, int64_t budget) {
  const int64_t all = (int64_t)b->n * b->ranks;
  float *sorted = b->host + all;
  if (budget >= all) return -INFINITY;
  memcpy(sorted, b->host, (size_t)all * sizeof *sorted);
  qsort(sorted, (size_t)all, sizeof *sorted, order_float);
  return sorted[all - budget - 1];
}

// x o kept, values of e or of its lag.
static status clear_cut(const rank_budget *b, float *x, const float *kept, float *host) {
  const size_t bytes = (size_t)b->ranks * sizeof *host;
  TRY(b->s->be->download(b->s->ctx, host, x, bytes));
  for (int32_t k = 0; k < b->ranks; k++)
    if (!(kept[k] > 0)) host[k] = 0;
  return b->s->be->upload(b->s->ctx, x, host, bytes);
}

// All but the `budget` most important ranks get e = 0, in its average too, and those as important as the first of these; last:
// for good, and the mask is written even where it keeps all.
static status cut(const rank_budget *b, int64_t budget, bool last) {
  const param_set *s = b->s;
  const int64_t all = (int64_t)b->n * b->ranks;
  float *e = b->host + 2 * all, *kept = e + b->ranks;
  if (budget >= all && !last) return OK;
  const float threshold = threshold_of(b, budget);
  for (int32_t i = 0; i < b->n; i++) {
    const param *p = b->of[i].e;
    const float *score = b->host + (size_t)i * (size_t)b->ranks;
    for (int32_t k = 0; k < b->ranks; k++) kept[k] = score[k] > threshold;
    TRY(clear_cut(b, param_master(s, p), kept, e));
    if (param_lag(s, p) != NULL) TRY(clear_cut(b, param_lag(s, p), kept, e));
    if (last) TRY(s->be->upload(s->ctx, param_ipt(s, p), kept, (size_t)b->ranks * sizeof *kept));
  }
  return OK;
}

// Of a step that was not refused. Waits for the device, at steps that cut only.
static status cut_to(rank_budget *b, int64_t budget, bool last) {
  const param_set *s = b->s;
  const size_t bytes = (size_t)b->n * (size_t)b->ranks * sizeof *b->host;
  step_result r;
  TRY(s->be->result_read(s->ctx, &r));
  if (r.nonfinite != 0) return OK;
  TRY(s->be->download(s->ctx, b->host, b->scores, bytes));
  TRY(cut(b, budget, last));
  b->settled = last;
  return params_refresh(b->s);
}

// Was the last cut made before this run was resumed? Then ipt of e is a mask, which importance, that of no rank 0 or 1 exactly,
// is not.
static status find_settled(rank_budget *b) {
  bool mask = true;
  for (int32_t i = 0; mask && i < b->n; i++) {
    const size_t bytes = (size_t)b->ranks * sizeof *b->host;
    TRY(b->s->be->download(b->s->ctx, b->host, param_ipt(b->s, b->of[i].e), bytes));
    for (int32_t k = 0; k < b->ranks; k++)
      mask = mask && (fpclassify(b->host[k]) == FP_ZERO || fpclassify(b->host[k] - 1) == FP_ZERO);
  }
  b->settled = mask;
  return OK;
}

// x o kept: what was cut for good stays 0.
static status keep_cut(const rank_budget *b, const param *e, float *x) {
  const scale_params op = {
      .n = {ROWS_FIXED, 1}, .width = b->ranks, .x = x, .factor = param_ipt(b->s, e), .scale = 1, .y = x};
  return b->s->be->scale_forward(b->s->ctx, &op);
}

static status keep_cuts(const rank_budget *b) {
  for (int32_t i = 0; i < b->n; i++) {
    const param *e = b->of[i].e;
    TRY(keep_cut(b, e, param_master(b->s, e)));
    if (param_lag(b->s, e) != NULL) TRY(keep_cut(b, e, param_lag(b->s, e)));
  }
  return params_refresh(b->s);
}

status rank_budget_after(rank_budget *b, int64_t step) {
  if (b == NULL) return OK;
  const int64_t last = b->steps - b->c.tfinal, begin = (int64_t)b->n * b->ranks, end = b->n * b->c.rank;
  int64_t budget;
  if (step > last && !b->settled) TRY(find_settled(b));
  if (step > last && b->settled) return keep_cuts(b);
  TRY(measure(b, step < last));
  if (step > last) return cut_to(b, end, true); // the step in which it was due was refused
  return rank_budget_at(&b->c, b->steps, step, begin, end, &budget) ? cut_to(b, budget, step == last) : OK;
}
