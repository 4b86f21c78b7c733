// The queue of steps; see step_queue.h.
#include "train/step_queue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "model/objective.h"
#include "train/average.h"
#include "train/optimizer.h"
#include "train/rank_budget.h"

enum { MOST_IN_FLIGHT = 2 };

// A composed step. Its batches are copies if the batcher would reuse its own before they are uploaded.
typedef struct queued_step {
  step_input in;
  const batch **batches;  // [accumulate]
  batch **copies;         // [accumulate]; NULL: the batcher's own are used
  double tokens, flops;   // of all ranks
  bool trains[MAX_SLOTS]; // the objectives that have a weight in it
  double example;         // of its epoch, of all ranks, where the next step begins
  train_state before;     // when it was composed
} queued_step;

struct step_queue {
  step_queue_config c;
  queued_step steps[MOST_IN_FLIGHT]; // used in turn
  int32_t slots;                     // used: 2 if results are read a step late, else 1
  int32_t last;                      // launched
  int32_t in_flight;                 // steps launched whose results were not read
  double grad_norm, flops;
  optimizer *optimizer;
  rank_budget *budget; // NULL: none
};

// ---- compose -------------------------------------------------------------------------------------------------

// Takes the micro-batches of a step from the batcher.
static status take_batches(step_queue *q, queued_step *s) {
  for (int64_t i = 0; i < q->c.run->train.accumulate; i++) {
    TRY(batcher_next(q->c.batches, &s->batches[i]));
    if (s->copies == NULL) continue;
    batch_copy(s->copies[i], s->batches[i]);
    s->batches[i] = s->copies[i];
  }
  return OK;
}

static status compose(step_queue *q, queued_step *s) {
  const run_config *c = q->c.run;
  const int32_t n = (int32_t)c->train.accumulate;
  const objective_list *objectives = model_objectives(q->c.m);
  double sums[MAX_SLOTS + 3] = {0};
  double *const tokens = &sums[MAX_SLOTS], *const flops = tokens + 1, *const example = tokens + 2;
  TRY(take_batches(q, s));
  const bool takes_last = dist_rank(q->c.world) == dist_world(q->c.world) - 1; // batches are dealt in turn
  if (takes_last) *example = (double)s->batches[n - 1]->examples;
  for (int32_t i = 0; i < n; i++) {
    const batch *b = s->batches[i];
    objectives_add_weights(objectives, b, sums);
    *tokens += b->tokens;
    *flops += model_train_flops(q->c.m, b);
  }
  TRY(dist_sum(q->c.world, sums,
               sizeof sums / sizeof *sums)); // over ranks: every loss is normalised over the whole step
  s->tokens = *tokens;
  s->flops = *flops;
  s->example = *example;
  s->before = *q->c.state;
  s->in = (step_input){.state = {.step = s->before.step,
                                 .seed = (uint64_t)c->train.seed,
                                 .lr = (float)learning_rate(&c->optim, s->before.step, q->c.decay_steps),
                                 .clip_norm = (float)c->optim.clip_norm,
                                 .lag_rate = (float)(1.0 / average_scale(&s->before))},
                       .n = n,
                       .batches = s->batches};
  for (int32_t k = 0; k < objectives->n; k++) s->trains[k] = sums[k] > 0;
  objectives_scales(objectives, sums, s->in.state.scale);
  return OK;
}

// ---- launch --------------------------------------------------------------------------------------------------

static status launch_micro(step_queue *q, const batch *b, const step_state *s) {
  TRY(model_set_batch(q->c.m, b, s));
  TRY(model_forward(q->c.m, true));
  return model_loss(q->c.m, true);
}

static status launch(step_queue *q, const queued_step *s) {
  const backend *be = model_backend(q->c.m);
  TRY(be->result_next(model_ctx(q->c.m)));
  for (int32_t i = 0; i < s->in.n; i++) {
    q->c.micro_next(q->c.self, i);
    if (i + 1 == s->in.n) model_last_micro(q->c.m);
    TRY(launch_micro(q, s->in.batches[i], &s->in.state));
  }
  q->flops += s->flops;
  TRY(model_wait_gradients(q->c.m));
  TRY(rank_budget_before(q->budget));
  TRY(optimizer_step(q->optimizer));
  TRY(rank_budget_after(q->budget, s->in.state.step));
  TRY(be->result_post(model_ctx(q->c.m)));
  q->in_flight++;
  return OK;
}

static void count_step(const step_queue *q, const queued_step *s) {
  train_state *t = q->c.state;
  const int32_t n = s->in.n;
  t->tokens += (int64_t)s->tokens;
  t->epoch = s->in.batches[n - 1]->epoch;
  t->example = (int64_t)s->example;
  t->index = s->in.batches[n - 1]->index + 1;
  t->step++;
  average_count(t, q->c.run->optim.ema, t->step);
}

// ---- results -------------------------------------------------------------------------------------------------

static void move_counts(train_state *to, const train_state *from) {
  to->step = from->step;
  to->epoch = from->epoch;
  to->example = from->example;
  to->index = from->index;
  to->tokens = from->tokens;
  to->average_scale = from->average_scale;
}

// The oldest step in flight, s, was refused, and so was `behind`, the one after it (NULL: none).
static status rollback(step_queue *q, const queued_step *s, queued_step *behind) {
  step_result refused;
  if (behind != NULL) TRY(model_backend(q->c.m)->result_take(model_ctx(q->c.m), &refused));
  q->in_flight = 0;
  move_counts(q->c.state, &s->before);
  TRY(q->c.refused(q->c.self, &s->in)); // which clears nonfinite
  count_step(q, s);
  if (behind == NULL) return OK;
  behind->before = *q->c.state;
  TRY(launch(q, behind));
  count_step(q, behind);
  return OK;
}

// Is anything of an objective's own trained?
static bool learns(const step_queue *q, const objective *of) {
  const param_set *s = model_params(q->c.m);
  for (int32_t i = 0; i < s->count; i++)
    if (s->items[i].trainable && s->items[i].objective == of->name) return true;
  return false;
}

static void note_trained(step_queue *q, const queued_step *s) {
  const objective_list *l = model_objectives(q->c.m);
  for (int32_t k = 0; k < l->n; k++)
    if (s->trains[k] && q->c.state->untrained[k] && learns(q, l->of[k])) q->c.state->untrained[k] = false;
}

static void add_result(step_queue *q, const step_result *r) {
  train_state *t = q->c.state;
  for (int32_t k = 0; k < MAX_SLOTS; k++) {
    t->window[k].loss += r->slot[k].loss;
    t->window[k].weight += r->slot[k].weight;
    t->window[k].hits += r->slot[k].hits;
  }
  q->grad_norm = sqrt(r->grad_sumsq);
}

// Reads results until at most `most` steps are in flight.
static status drain_to(step_queue *q, int32_t most) {
  while (q->in_flight > most) {
    queued_step *oldest = &q->steps[(q->last + q->slots - (q->in_flight - 1)) % q->slots];
    step_result result;
    TRY(model_backend(q->c.m)->result_take(model_ctx(q->c.m), &result));
    q->in_flight--;
    uint32_t refused = result.nonfinite != 0;
    TRY(dist_any(q->c.world, &refused));
    if (refused)
      TRY(rollback(q, oldest, q->in_flight > 0 ? &q->steps[q->last] : NULL));
    else {
      add_result(q, &result);
      note_trained(q, oldest);
    }
  }
  return OK;
}

// ---- calls ---------------------------------------------------------------------------------------------------

// No step may be in flight, since one that is refused is done again.
static status rescale_average(step_queue *q) {
  TRY(step_queue_drain(q));
  TRY(optimizer_rescale_average(q->optimizer, average_scale(q->c.state)));
  q->c.state->average_scale = 1;
  return OK;
}

status step_queue_step(step_queue *q) {
  if (average_is_due(q->c.state)) TRY(rescale_average(q));
  q->last = (q->last + 1) % q->slots;
  queued_step *s = &q->steps[q->last];
  TRY(compose(q, s));
  TRY(launch(q, s));
  count_step(q, s);
  return drain_to(q, q->slots - 1);
}

status step_queue_drain(step_queue *q) {
  return drain_to(q, 0);
}

status step_queue_show_average(step_queue *q) {
  TRY(step_queue_drain(q));
  return optimizer_show_average(q->optimizer, average_scale(q->c.state));
}

status step_queue_hide_average(step_queue *q) {
  return optimizer_hide_average(q->optimizer);
}

status step_queue_sum(const step_queue *q, train_state *t) {
  double x[MAX_SLOTS][3];
  for (int32_t k = 0; k < MAX_SLOTS; k++) {
    x[k][0] = t->window[k].loss;
    x[k][1] = t->window[k].weight;
    x[k][2] = t->window[k].hits;
  }
  TRY(dist_sum(q->c.world, x[0], sizeof x / sizeof x[0][0]));
  for (int32_t k = 0; k < MAX_SLOTS; k++) t->window[k] = (slot_result){x[k][0], x[k][1], x[k][2]};
  return OK;
}

void loss_sums_clear(train_state *t) {
  memset(t->window, 0, sizeof t->window);
}

double step_queue_grad_norm(const step_queue *q) {
  return q->grad_norm;
}

double step_queue_flops(const step_queue *q) {
  return q->flops;
}

static int32_t most_steps(bool host_memory) {
  return host_memory ? 1 : MOST_IN_FLIGHT;
}

// A step of one micro-batch that is over before the next is composed can use the batcher's own.
int64_t step_queue_copies(int64_t accumulate, bool host_memory) {
  const int32_t steps = most_steps(host_memory);
  return accumulate == 1 && steps == 1 ? 0 : accumulate * steps;
}

static status make_slots(step_queue *q) {
  const size_t n = (size_t)q->c.run->train.accumulate;
  for (int32_t k = 0; k < q->slots; k++) {
    queued_step *s = &q->steps[k];
    TRY(mem_new(&s->batches, n, sizeof *s->batches, "micro-batches"));
    if (step_queue_copies((int64_t)n, q->slots == 1) == 0) continue;
    TRY(mem_new(&s->copies, n, sizeof *s->copies, "micro-batches"));
    for (size_t i = 0; i < n; i++) TRY(batch_new(&s->copies[i], batcher_caps(q->c.batches)));
  }
  return OK;
}

status step_queue_open(step_queue **out, const step_queue_config *c) {
  *out = NULL;
  step_queue *q;
  TRY(mem_new(&q, 1, sizeof *q, "the queue of steps"));
  q->c = *c;
  q->slots = most_steps(model_backend(c->m)->host_memory);
  status rc = make_slots(q);
  if (rc == OK) rc = optimizer_open(&q->optimizer, c->m, &c->run->optim);
  if (rc == OK) rc = rank_budget_open(&q->budget, c->m, c->steps);
  if (rc != OK) {
    step_queue_close(q);
    return rc;
  }
  *out = q;
  return OK;
}

void step_queue_close(step_queue *q) {
  if (q == NULL) return;
  optimizer_close(q->optimizer);
  rank_budget_close(q->budget);
  for (int32_t k = 0; k < q->slots; k++) {
    queued_step *s = &q->steps[k];
    for (int64_t i = 0; s->copies != NULL && i < q->c.run->train.accumulate; i++) batch_free(s->copies[i]);
    free(s->copies);
    free(s->batches);
  }
  free(q);
}
