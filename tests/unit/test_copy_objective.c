// The objective copy: its loss by the formula, who sees whom, gradients by differences (whole and tuned), and that it learns.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "format/vocabulary.h"
#include "lib/check.h"
#include "model/objective.h"
#include "model/objectives/leash.h"
#include "model/params.h"
#include "model/train_state.h"
#include "train/optimizer.h"

enum { WORDS = 17, ITEMS = 9, C = TOKEN_SPECIALS + WORDS, V = C + ITEMS, H = 16, TOKENS = 320, SEQS = 16 };
static const batch_caps caps = {.tokens = TOKENS, .seqs = SEQS, .masked = 96};
static const int32_t range_end[RANGE_COUNT] = {TOKEN_SPECIALS, C - 2, C, V};

static bool held; // on a leash

static model *make(const peft_config *peft, const char *freeze, double drop, bool pre_norm, int head) {
  model_config c = {.hidden = H,
                    .layers = 2,
                    .heads = 2,
                    .max_positions = 24,
                    .segments = 2,
                    .dropout = drop,
                    .layer_norm_eps = 1e-12,
                    .init_std = 0.2,
                    .temperature = 2,
                    .item_classes = true,
                    .pre_norm = pre_norm,
                    .head = head,
                    .cls_sep = true};
  check_ok(model_config_resolve(&c, range_end, 3));
  strcpy(c.objectives, held ? "copy, leash 0.7" : "copy");
  c.copy_classes = C;
  if (peft != NULL) c.peft = *peft;
  const model_run run = {.caps = caps,
                         .training = true,
                         .threads = 1,
                         .seed = 3,
                         .freeze = freeze,
                         .base_objectives = peft != NULL ? BASE_WITHOUT_HEADS : NULL};
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  const param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++) { // nothing is zero, so that every gradient is something
    rng draw = rng_at(5, 1, (uint32_t)i, 0);
    const bool head_bias = strcmp(s->items[i].name, "copy.bias") == 0;
    for (int64_t k = 0; (s->items[i].tuned || head_bias) && k < s->items[i].size; k++)
      param_master(s, &s->items[i])[k] += 0.2f * (float)rng_normal(&draw);
  }
  check_ok(params_refresh(model_params(m)));
  return m;
}

static copy_layout layout_of(const model *m) {
  return (copy_layout){.sequence = model_layout(model_get_config(m)), .copy_tokens = 6, .item_tokens = 3};
}

// Copy k says what its source does: its words are the item's, one further.
static void fill(batch *b, const copy_layout *layout, int32_t from, int32_t to) {
  batch_clear(b);
  for (int32_t s = from; s < to; s++) {
    const int32_t context[] = {C - 1 - s % 2}, n = 1 + s % 6;
    int32_t item[3] = {C + s % ITEMS}, copy[6], history[4];
    const uint8_t events[] = {0, 1, 2, 1};
    float weights[7];
    for (int32_t i = 1; i < 3; i++) item[i] = TOKEN_SPECIALS + (7 * s + i) % (WORDS - 2);
    for (int32_t i = 0; i < 4; i++) history[i] = C + (s + 2 * i) % ITEMS;
    for (int32_t i = 0; i < 6; i++) copy[i] = TOKEN_SPECIALS + (item[1] - TOKEN_SPECIALS + i) % (WORDS - 2);
    for (int32_t i = 0; i < 7; i++) weights[i] = i == 2 ? 0 : 1.0f + 0.5f * (float)(s % 3);
    const copy_source source = {.context = context,
                                .n_context = 1,
                                .item = item,
                                .n_item = 3,
                                .history = {history, events, s % 5},
                                .fixed = s % 2};
    assert_true(batch_add_copy(b, layout, &source, copy, n, weights, s));
  }
  batch_finish(b);
}

static step_result pass(model *m, const batch *b, const float scale[MAX_SLOTS]) {
  step_state s = {.step = 1, .seed = 7};
  step_result r;
  memcpy(s.scale, scale, sizeof s.scale);
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, b, &s));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  return r;
}

// The labels are the copy's tokens and [SEP]; a copy that is too long is cut and has none.
static void batches(void **unused) {
  (void)unused;
  model *m = make(NULL, NULL, 0, false, HEAD_TRANSFORM);
  const copy_layout layout = layout_of(m);
  batch *b;
  check_ok(batch_new(&b, caps));
  fill(b, &layout, 0, 6);
  int32_t row = 0;
  for (int32_t s = 0; s < 6; s++) {
    const int32_t source = b->prefix_len[s], first = b->cu_seqlens[s], n = 1 + s % 6 < 6 ? 2 + s % 6 : 6;
    assert_int_equal(b->ids[first + source - 1], TOKEN_SEP);
    assert_int_equal(b->cu_seqlens[s + 1] - first, source + n - 1);
    for (int32_t i = 0; i < n; i++, row++) {
      const int32_t at = first + source - 1 + i;
      assert_int_equal(b->masked[row], at);
      assert_int_equal(b->labels[row], i == 1 + s % 6                  ? TOKEN_SEP
                                       : at + 1 < b->cu_seqlens[s + 1] ? b->ids[at + 1]
                                                                       : b->labels[row]);
      assert_true(b->copy_weights[row] == (i == 2 ? 0 : 1.0f + 0.5f * (float)(s % 3)));
      assert_true(b->weights[row] == 0 && b->next_weights[row] == 0);
      if (i > 0) assert_int_equal(b->types[at], 3);
    }
  }
  assert_int_equal(row, b->n_masked);
  double sum = 0;
  for (int32_t i = 0; i < row; i++) sum += (double)b->copy_weights[i];
  check_near(objective_copy.weight(b), sum, 1e-9);
  // One that does not fit changes nothing.
  const int32_t tokens = b->tokens, masked = b->n_masked;
  b->stage = BATCH_OPEN;
  b->caps.masked = masked + 1;
  const int32_t context[] = {C - 1}, copy[] = {6, 7};
  const copy_source source = {.context = context, .n_context = 1};
  assert_false(batch_add_copy(b, &layout, &source, copy, 2, NULL, 9));
  assert_true(b->tokens == tokens && b->n_masked == masked && b->seqs == 6);
  batch_free(b);
  model_free(m);
}

// Softmax cross-entropy over the tokens before the first item, of the rows after the transform; computed here from the model's own rows.
static double loss_by_hand(model *m, const batch *b, double *hits) {
  const param_set *s = model_params(m);
  const float *bias = param_master(s, param_find(s, "copy.bias")),
              *table = param_master(s, param_find(s, "bert.embeddings.word_embeddings.weight"));
  float *h = malloc((size_t)b->tokens * H * sizeof *h);
  double sum = 0;
  assert_non_null(h);
  check_ok(model_hidden(m, h));
  for (int32_t i = 0; i < b->n_masked; i++) {
    double all = 0, of = 0, best = -INFINITY;
    int32_t at = -1;
    for (int32_t c = 0; c < C; c++) {
      double score = 0;
      for (int32_t j = 0; j < H; j++)
        score += (double)h[(size_t)b->masked[i] * H + (size_t)j] * (double)table[c * H + j];
      score = score / model_get_config(m)->temperature + (double)bias[c];
      all += exp(score);
      if (c == b->labels[i]) of = score;
      if (score > best) best = score, at = c;
    }
    sum += (double)b->copy_weights[i] * (log(all) - of);
    *hits += (double)b->copy_weights[i] * (at == b->labels[i]);
  }
  free(h);
  return sum;
}

static void loss_is_the_formula(void **unused) {
  (void)unused;
  model *m = make(NULL, NULL, 0, false, HEAD_PLAIN);
  const copy_layout layout = layout_of(m);
  batch *b;
  check_ok(batch_new(&b, caps));
  fill(b, &layout, 0, 9);
  float scale[MAX_SLOTS];
  objectives_batch_scales(model_objectives(m), b, scale);
  const step_result r = pass(m, b, scale);
  double hits = 0;
  const double want = loss_by_hand(m, b, &hits);
  check_near(r.slot[0].loss, want, 1e-4);
  check_near(r.slot[0].hits, hits, 1e-9);
  check_near(r.slot[0].weight, objective_copy.weight(b), 1e-9);
  batch_free(b);
  model_free(m);
}

// The loss at a row does not change with later tokens, and does with earlier ones and with any of the source.
static void who_sees_whom(void **unused) {
  (void)unused;
  model *m = make(NULL, NULL, 0, false, HEAD_PLAIN);
  const copy_layout layout = layout_of(m);
  batch *b;
  check_ok(batch_new(&b, caps));
  fill(b, &layout, 4, 5);
  const int32_t source = b->prefix_len[0], n = b->tokens;
  float *before = malloc((size_t)n * H * sizeof *before), *after = malloc((size_t)n * H * sizeof *after);
  assert_non_null(before);
  assert_non_null(after);
  const step_state state = {.seed = 7};
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, false));
  check_ok(model_hidden(m, before));
  for (int32_t changed = 1; changed < n; changed++) {
    if (changed == source - 1) continue; // [SEP]
    const int32_t was = b->ids[changed];
    b->ids[changed] = was == TOKEN_SPECIALS ? TOKEN_SPECIALS + 1 : TOKEN_SPECIALS;
    check_ok(model_set_batch(m, b, &state));
    check_ok(model_forward(m, false));
    check_ok(model_hidden(m, after));
    b->ids[changed] = was;
    for (int32_t row = 0; row < n; row++) {
      const bool sees = changed < source || (row >= source && row >= changed),
                 same = memcmp(before + row * H, after + row * H, H * sizeof *after) == 0;
      if (same == sees) fail_msg("row %d of %d, source %d, with another token %d", row, n, source, changed);
    }
  }
  free(before);
  free(after);
  batch_free(b);
  model_free(m);
}

// The gradient of every parameter that trains against differences of the loss, dropout included.
static void check_gradients(const peft_config *peft, const char *freeze, bool pre_norm, int32_t least) {
  model *m = make(peft, freeze, 0.3, pre_norm, HEAD_TRANSFORM);
  const copy_layout layout = layout_of(m);
  batch *b;
  check_ok(batch_new(&b, caps));
  fill(b, &layout, 0, 9);
  float scale[MAX_SLOTS];
  objectives_batch_scales(model_objectives(m), b, scale);
  model *base = NULL; // another one, which stays as it is
  if (held) {
    base = make(NULL, NULL, 0, pre_norm, HEAD_TRANSFORM);
    const param_set *of = model_params(base);
    rng draw = rng_at(9, 1, 0, 0);
    for (int64_t k = 0; k < C; k++)
      param_master(of, param_find(of, "copy.bias"))[k] += (float)rng_normal(&draw);
    check_ok(params_refresh(model_params(base)));
    check_ok(leash_tie(m, base));
  }
  pass(m, b, scale);
  const param_set *set = model_params(m);
  const size_t bytes = (size_t)set->elements * sizeof(float);
  float *g = malloc(bytes);
  assert_non_null(g);
  memcpy(g, set->grad, bytes);
  int32_t compared = 0, nonzero = 0;
  for (int32_t i = 0; i < set->count; i++) {
    const param *p = &set->items[i];
    const int64_t step_of = p->size / 4;
    for (int64_t k = step_of; p->trainable && k < p->size; k += step_of + 1, compared++) {
      float *w = param_master(set, p) + k;
      const float was = *w, step = 4e-3f;
      double loss[2];
      for (int side = 0; side < 2; side++) {
        *w = side == 0 ? was - step : was + step;
        const step_result r = pass(m, b, scale);
        loss[side] = r.slot[0].loss * (double)scale[0] + r.slot[1].loss * (double)scale[1];
      }
      *w = was;
      const double slope = (loss[1] - loss[0]) / (2 * (double)step), ours = (double)g[p->offset + k];
      nonzero += ours > 1e-4 || ours < -1e-4;
      if (fabs(slope - ours) > 2e-3 + 0.02 * fabs(slope))
        fail_msg("%s[%lld]: the gradient is %g, the loss says %g", p->name, (long long)k, ours, slope);
    }
  }
  if (compared < least || 2 * nonzero < compared)
    fail_msg("%d gradients were compared, of which %d are something", compared, nonzero);
  free(g);
  batch_free(b);
  model_free(m);
  model_free(base);
}

static void gradients(void **unused) {
  (void)unused;
  check_gradients(NULL, NULL, false, 60);
  check_gradients(NULL, NULL, true, 60);
  check_gradients(NULL, "bert.*", false, 10);
  check_gradients(NULL, "bert.embeddings.*,*.layer.0.*", false, 20);
}

static void gradients_tuned(void **unused) {
  (void)unused;
  check_gradients(
      &(peft_config){.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "query,value,word_embeddings"},
      NULL, false, 25);
  check_gradients(&(peft_config){.kind = PEFT_ADALORA, .rank = 2, .init_rank = 3, .targets = "*"}, NULL,
                  false, 25);
  check_gradients(&(peft_config){.kind = PEFT_ADAPTER, .adapter_width = 4}, NULL, false, 25);
  check_gradients(&(peft_config){.kind = PEFT_BIAS}, NULL, false, 25);
}

// On a leash to another model; to itself nothing is added.
static void gradients_held(void **unused) {
  (void)unused;
  held = true;
  check_gradients(NULL, NULL, false, 60);
  check_gradients(NULL, "bert.*", true, 10);
  check_gradients(&(peft_config){.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "query,value"}, NULL,
                  false, 15);
  model *m = make(NULL, NULL, 0, false, HEAD_TRANSFORM), *base = make(NULL, NULL, 0, false, HEAD_TRANSFORM);
  const copy_layout layout = layout_of(m);
  batch *b;
  float scale[MAX_SLOTS];
  check_ok(leash_tie(m, base));
  check_ok(batch_new(&b, caps));
  fill(b, &layout, 0, 9);
  objectives_batch_scales(model_objectives(m), b, scale);
  const step_result r = pass(m, b, scale);
  check_near(r.slot[1].loss, 0, 1e-9);
  check_near(r.slot[1].weight, b->n_masked, 0);
  batch_free(b);
  model_free(m);
  model_free(base);
  held = false;
}

// A new head on a base without one is trained whole, and nothing else but what tunes.
static void what_a_tuned_model_trains(void **unused) {
  (void)unused;
  const peft_config lora = {.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "query"};
  model *m = make(&lora, NULL, 0, false, HEAD_TRANSFORM);
  const param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++)
    assert_true(s->items[i].trainable == (s->items[i].tuned || strncmp(s->items[i].name, "copy.", 5) == 0));
  assert_int_equal(param_find(s, "copy.bias")->size, C);
  assert_null(param_find(s, "cls.predictions.bias"));
  model_free(m);
}

static double flops_of(const char *freeze, const batch *b) {
  model *m = make(NULL, freeze, 0, false, HEAD_TRANSFORM);
  const double x = model_train_flops(m, b);
  model_free(m);
  return x;
}

static void flops(void **unused) {
  (void)unused;
  const double F = 4.0 * H;
  model *m = make(NULL, NULL, 0, false, HEAD_TRANSFORM);
  const copy_layout layout = layout_of(m);
  batch *b;
  check_ok(batch_new(&b, caps));
  fill(b, &layout, 0, 9);
  const double T = b->tokens, M = b->n_masked, forward = model_config_flops(model_get_config(m), b);
  double squares = 0;
  for (int32_t i = 0; i < b->seqs; i++) squares += pow(b->cu_seqlens[i + 1] - b->cu_seqlens[i], 2);
  check_near(forward,
             2 * (T * (8.0 * H * H + 4.0 * H * F) + 4.0 * H * squares) + M * (2.0 * H * H + 2.0 * H * C),
             1e-6);
  check_near(flops_of(NULL, b), 3 * forward, 1e-6);
  // The head alone: forward, and backward the transform's dw and the scores' gradient for their rows.
  check_near(flops_of("bert.*", b), forward + M * 2.0 * H * H + M * 2.0 * H * C, 1e-6);
  batch_free(b);
  model_free(m);
}

static void it_learns(void **unused) {
  (void)unused;
  model *m = make(NULL, NULL, 0, false, HEAD_TRANSFORM);
  const copy_layout layout = layout_of(m);
  batch *b;
  check_ok(batch_new(&b, caps));
  const optim_config o = {
      .lr = 5e-3, .schedule = SCHEDULE_CONSTANT, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip_norm = 1};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  double share = 0;
  for (int32_t step = 0; step < 250; step++) {
    fill(b, &layout, 10 * step, 10 * step + 10);
    step_state s = {.step = step, .seed = 7, .lr = 5e-3f, .clip_norm = 1};
    objectives_batch_scales(model_objectives(m), b, s.scale);
    step_result r;
    check_ok(model_backend(m)->result_clear(model_ctx(m)));
    check_ok(model_set_batch(m, b, &s));
    check_ok(model_forward(m, true));
    check_ok(model_loss(m, true));
    check_ok(optimizer_step(by));
    check_ok(model_backend(m)->result_read(model_ctx(m), &r));
    assert_true(r.nonfinite == 0);
    if (step >= 240) share += r.slot[0].hits / r.slot[0].weight / 10;
  }
  if (!(share > 0.8))
    fail_msg("a share of %g of the tokens is right in the end", share); // where copy ends is chance
  optimizer_close(by);
  batch_free(b);
  model_free(m);
}

// What does not go together is said.
static void refused(void **unused) {
  (void)unused;
  model_config c = {.copy_classes = C};
  objective_list l;
  check_fails(objective_copy.check_config(&c), ERR_ARGUMENT, "copy needs model.cls_sep = true");
  c.cls_sep = true;
  c.segments = 1;
  check_fails(objective_copy.check_config(&c), ERR_ARGUMENT, "model.segments = 2");
  c.segments = 2;
  check_ok(objective_copy.check_config(&c));
  c.copy_classes = 0;
  check_fails(objective_copy.check_config(&c), ERR_ARGUMENT, "needs a vocabulary with words");
  strcpy(c.objectives, "masked_lm, copy");
  check_fails(objectives_of(&l, &c), ERR_ARGUMENT, "copy is trained alone");
  strcpy(c.objectives, "leash, copy");
  check_fails(objectives_of(&l, &c), ERR_ARGUMENT, "leash comes behind copy");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(batches),
                                     cmocka_unit_test(loss_is_the_formula),
                                     cmocka_unit_test(who_sees_whom),
                                     cmocka_unit_test(gradients),
                                     cmocka_unit_test(gradients_tuned),
                                     cmocka_unit_test(gradients_held),
                                     cmocka_unit_test(what_a_tuned_model_trains),
                                     cmocka_unit_test(flops),
                                     cmocka_unit_test(it_learns),
                                     cmocka_unit_test(refused)};
  return cmocka_run_group_tests_name("copy_objective", tests, NULL, NULL);
}
