// Tiny trainings; see selftest.h.
//
// Item i is followed by item i + 1, round a circle of 24; any item of a sequence can be told from its neighbours, so a
// model that learns at all gets to a loss near zero. A guess costs log 24 = 3.2 nats.
#include "train/selftest.h"

#include <math.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "train/optimizer.h"
#include "model/objective.h"

enum { ITEMS = 24, LENGTH = 4, SEQUENCES = 24, MEAN_OF = 10 };

typedef struct recipe {
  const char *name;
  bool pre_norm, cosine, pairs, lamb;
  int32_t negatives, steps;
  double lr, wanted;
} recipe;

static const recipe recipes[SELFTEST_RUNS] = {
    {.name = "post-norm, dot, full loss, adamw", .steps = 200, .lr = 0.005, .wanted = 0.5},
    {.name = "pre-norm, cosine, sampled loss, pairs",
     .pre_norm = true,
     .cosine = true,
     .pairs = true,
     .negatives = 16,
     .steps = 400,
     .lr = 0.003,
     .wanted = 1.5},
    {.name = "post-norm, cosine, full loss, lamb",
     .cosine = true,
     .lamb = true,
     .steps = 200,
     .lr = 0.02,
     .wanted = 0.5},
};

static model_config config_of(const recipe *r) {
  return (model_config){.hidden = 32,
                        .layers = 2,
                        .heads = 2,
                        .max_positions = 2 * LENGTH + 3,
                        .segments = 2,
                        .pre_norm = r->pre_norm,
                        .dropout = 0.02,
                        .attention_dropout = 0.02,
                        .layer_norm_eps = 1e-12,
                        .init_std = 0.1,
                        .score = r->cosine ? 1 : 0,
                        .temperature = r->cosine ? 0.1 : 1.0,
                        .item_classes = true,
                        .pooler = r->pairs,
                        .cls_sep = r->pairs};
}

// The batch of a step. In pairs, the second half goes on from the first (label 0) or starts anywhere (label 1).
static status make_batch(batch *b, const recipe *r, const seq_layout *layout, int32_t step) {
  batch_clear(b);
  rng draw = rng_at(11, STREAM_SYNTH, (uint32_t)step, 0);
  for (int32_t s = 0; s < SEQUENCES; s++) {
    int32_t tokens[2 * LENGTH];
    const int32_t start = (int32_t)rng_below(&draw, ITEMS);
    const bool other = rng_below(&draw, 2) == 1;
    const int32_t jump = other ? 1 + (int32_t)rng_below(&draw, ITEMS - 1) : 0;
    for (int32_t i = 0; i < 2 * LENGTH; i++)
      tokens[i] = TOKEN_SPECIALS + (start + i + (i >= LENGTH ? jump : 0)) % ITEMS;
    const batch_input first = {.tokens = tokens, .n = LENGTH},
                      second = {.tokens = tokens + LENGTH, .n = LENGTH};
    int32_t row, kept;
    if (!batch_add(b, layout, &first, r->pairs ? &second : NULL, (int64_t)step * SEQUENCES + s, &row, &kept))
      return fail(ERR_INTERNAL, "a sequence of the self test does not fit into its batch");
    if (r->pairs) b->nsp_labels[s] = other;
    for (int32_t k = 0; k < 2; k++) { // one item in each half of the first segment
      const int32_t at = row + k * LENGTH / 2 + (int32_t)rng_below(&draw, LENGTH / 2);
      if (!batch_add_masked(b, at, b->ids[at], 1.0f))
        return fail(ERR_INTERNAL, "the masked rows of the self test do not fit into their batch");
      b->ids[at] = TOKEN_MASK;
    }
  }
  const float logq = r->negatives > 0 ? logf((float)r->negatives / ITEMS) : 0;
  for (int32_t i = 0; i < r->negatives; i++)
    if (!batch_add_negative(b, TOKEN_SPECIALS + (int32_t)rng_below(&draw, ITEMS), logq))
      return fail(ERR_INTERNAL, "the negatives of the self test do not fit into their batch");
  for (int32_t i = 0; i < b->n_masked; i++) b->label_logq[i] = logq;
  batch_finish(b);
  return OK;
}

static status one_step(model *m, const batch *b, const optim_config *o, optimizer *by, int32_t step,
                       double *loss) {
  step_state state = {.step = step,
                      .seed = 5,
                      .lr = (float)learning_rate(o, step, o->decay_steps),
                      .clip_norm = (float)o->clip_norm};
  objectives_batch_scales(model_objectives(m), b, state.scale);
  TRY(model_set_batch(m, b, &state));
  TRY(model_backend(m)->result_clear(model_ctx(m)));
  TRY(model_forward(m, true));
  TRY(model_loss(m, true));
  TRY(optimizer_step(by));
  step_result r;
  TRY(model_backend(m)->result_read(model_ctx(m), &r));
  if (r.nonfinite) return fail(ERR_NONFINITE, "the gradient of step %d of the self test is not finite", step);
  *loss = r.slot[0].loss / r.slot[0].weight;
  return OK;
}

status selftest_train(int32_t run, const char *device, int32_t ordinal, int32_t threads, matmul_kind matmul,
                      selftest_outcome *out) {
  const recipe *r = &recipes[run];
  *out = (selftest_outcome){.name = r->name, .wanted = r->wanted};
  model_config c = config_of(r);
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + ITEMS};
  TRY(model_config_resolve(&c, range_end, 1));
  const seq_layout layout = model_layout(&c);
  const batch_caps caps = {.tokens = SEQUENCES * (2 * LENGTH + 3),
                           .seqs = SEQUENCES + 1,
                           .masked = 2 * SEQUENCES + 3,
                           .negatives = r->negatives};
  const optim_config o = {.kind = r->lamb ? OPTIM_LAMB : OPTIM_ADAMW,
                          .lr = r->lr,
                          .schedule = SCHEDULE_LINEAR,
                          .warmup_steps = 10,
                          .decay_steps = r->steps,
                          .weight_decay = 0.01,
                          .beta1 = 0.9,
                          .beta2 = 0.98,
                          .eps = 1e-8,
                          .clip_norm = 1};
  const model_run plan = {.caps = caps,
                          .training = true,
                          .row_sparse = r->negatives > 0,
                          .threads = threads,
                          .device = ordinal,
                          .matmul = matmul,
                          .seed = 3};
  model *m;
  TRY(model_create(&m, device, &c, &plan));
  batch *b = NULL;
  optimizer *by = NULL;
  status rc;
  TRY_GOTO(optimizer_open(&by, m, &o), done);
  TRY_GOTO(batch_new(&b, caps), done);
  for (int32_t step = 0; step < r->steps; step++) {
    double loss = 0;
    TRY_GOTO(make_batch(b, r, &layout, step), done);
    TRY_GOTO(one_step(m, b, &o, by, step, &loss), done);
    if (step < MEAN_OF) out->first += loss / MEAN_OF;
    if (step >= r->steps - MEAN_OF) out->last += loss / MEAN_OF;
  }
done:
  batch_free(b);
  optimizer_close(by);
  model_free(m);
  return rc;
}
