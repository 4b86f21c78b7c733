// Objectives: lists of them as options say it, how losses are normalised, which metrics they have, and a model that is
// trained without masked LM.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "base/options.h"
#include "base/philox.h"
#include "eval/label_scores.h"
#include "eval/ranking.h"
#include "model/objectives/item_head.h"
#include "model/objectives/label_head.h"
#include "model/objectives/next_session.h"
#include "model/train_state.h"
#include "train/optimizer.h"

// ---- lists ---------------------------------------------------------------------------------------------------

static void test_lists(void **unused) {
  (void)unused;
  objective_list l;
  char text[OPTION_STRING];
  check_ok(objectives_parse(&l, " next_session 0.25 ,masked_lm", "train.objectives"));
  assert_int_equal(l.n, 2);
  assert_ptr_equal(l.of[0], &objective_next_session);
  assert_ptr_equal(l.of[1], &objective_masked_lm);
  assert_true(l.weight[0] == 0.25 && l.weight[1] == 1);
  assert_int_equal(objectives_slot(&l, &objective_masked_lm), 1);
  objectives_text(&l, text);
  assert_string_equal(text, "next_session 0.25, masked_lm");
  check_ok(objectives_parse(&l, text, "train.objectives"));
  assert_true(l.n == 2 && l.weight[0] == 0.25);
  check_ok(objectives_parse(&l, "masked_lm", "train.objectives"));
  assert_int_equal(objectives_slot(&l, &objective_next_session), -1);
  static const struct {
    const char *text, *sentence;
  } bad[] = {{"masked_lm, rank", "train.objectives: there is no objective \"rank\"; known are masked_lm, "
                                 "next_item, next_session, classify, "
                                 "pair, copy, leash"},
             {"masked_lm, masked_lm 2", "train.objectives names masked_lm twice"},
             {"masked_lm 0", "the weight of masked_lm is \"0\""},
             {"masked_lm -1", "a number above 0"},
             {"masked_lm nan", "a number above 0"},
             {"masked_lm 2x", "the weight of masked_lm is \"2x\""},
             {"masked_lm 1 2", "a list like"},
             {"masked_lm,", "a list like"},
             {" , masked_lm", "a list like"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    check_fails(objectives_parse(&l, bad[i].text, "train.objectives"), ERR_ARGUMENT, bad[i].sentence);
}

// The sums of a window follow their objectives to other slots; those of an objective that is no longer trained go.
static void test_other_slots(void **unused) {
  (void)unused;
  objective_list both, turned, one;
  check_ok(objectives_parse(&both, "masked_lm, next_session", "train.objectives"));
  check_ok(objectives_parse(&turned, "next_session, masked_lm", "train.objectives"));
  check_ok(objectives_parse(&one, "next_session", "train.objectives"));
  const slot_result mlm = {1, 2, 3}, next = {4, 5, 6};
  train_state t = {.window = {mlm, next}};
  train_state_move_slots(&t, &both, &both);
  assert_true(t.window[0].loss == 1 && t.window[1].hits == 6);
  train_state_move_slots(&t, &both, &turned);
  assert_true(t.window[0].loss == 4 && t.window[0].weight == 5 && t.window[0].hits == 6);
  assert_true(t.window[1].loss == 1 && t.window[1].weight == 2 && t.window[1].hits == 3);
  train_state_move_slots(&t, &turned, &one);
  assert_true(t.window[0].loss == 4 && t.window[1].weight == 0);
  train_state_move_slots(&t, &one, &both);
  assert_true(t.window[0].weight == 0 && t.window[1].loss == 4);
}

// What a model has where nothing is said, and that the pooler belongs to next session.
static void test_of_a_model(void **unused) {
  (void)unused;
  objective_list l;
  model_config c = {.pooler = false};
  check_ok(objectives_of(&l, &c));
  assert_true(l.n == 1 && l.of[0] == &objective_masked_lm && l.weight[0] == 1);
  c.pooler = true;
  check_ok(objectives_of(&l, &c));
  assert_true(l.n == 2 && l.of[1] == &objective_next_session && l.weight[1] == 1);
  strcpy(c.objectives, "masked_lm");
  check_fails(objectives_of(&l, &c), ERR_ARGUMENT,
              "model.pooler is set, and the objectives do not name next_session");
  c.pooler = false;
  strcpy(c.objectives, "next_session");
  check_fails(objectives_of(&l, &c), ERR_ARGUMENT, "next_session needs model.pooler");
}

// ---- metrics -------------------------------------------------------------------------------------------------

// What masked LM promises is what ranking computes, and the other way round.
static void test_metrics(void **unused) {
  (void)unused;
  objective_list l;
  const objective *of;
  const objective_metric *metric;
  int32_t protocol, index;
  check_ok(objectives_parse(&l, "next_session, masked_lm", "train.objectives"));
  for (const objective_metric *m = objective_masked_lm.metrics; m->name != NULL; m++) {
    assert_true(ranking_metric_find(m->name, &protocol, &index));
    check_ok(objectives_find_metric(&l, m->name, "train.metric", &of, &metric));
    assert_ptr_equal(of, &objective_masked_lm);
    assert_int_equal(metric->smaller_is_better, strcmp(m->name, "loss") == 0);
  }
  for (int32_t p = 0; p < RANK_PROTOCOLS; p++)
    for (int32_t i = 0; i < RANK_METRICS; i++) {
      char name[96];
      snprintf(name, sizeof name, "%s%s%s", p == RANK_FULL ? "" : rank_protocol_names[p],
               p == RANK_FULL ? "" : "/", rank_metric_name(i));
      check_ok(objectives_find_metric(&l, name, "train.metric", &of, &metric));
    }
  check_fails(objectives_find_metric(&l, "popularity/loss", "train.metric", &of, &metric), ERR_ARGUMENT,
              "train.metric: this run has no metric \"popularity/loss\"; it has ndcg@10, ");
  check_fails(objectives_find_metric(&l, "hr@3", "train.metric", &of, &metric), ERR_ARGUMENT,
              "mrr, loss, accuracy");
  check_ok(objectives_parse(&l, "next_session", "train.objectives"));
  check_fails(objectives_find_metric(&l, "loss", "train.metric", &of, &metric), ERR_ARGUMENT,
              "no validation of what this run is trained for (next_session)");
}

// ---- models --------------------------------------------------------------------------------------------------

enum { VOCAB = 40, H = 16, TOKENS = 256, SEQS = 16 };

// Pairs of four and four items. Where b follows a, its items are even like a's, else they are odd: easily learned.
static void fill(batch *b, const seq_layout *layout, int32_t from, int32_t to) {
  batch_clear(b);
  for (int32_t s = from; s < to; s++) {
    int32_t first[4], second[4], row = 0, kept = 0;
    const int32_t label = s % 3 == 0;
    for (int32_t i = 0; i < 4; i++) {
      first[i] = TOKEN_SPECIALS + 2 * ((5 * s + i) % 16);
      second[i] = TOKEN_SPECIALS + 2 * ((3 * s + 2 * i) % 16) + label;
    }
    const batch_input a = {.tokens = first, .n = 4}, c = {.tokens = second, .n = 4};
    assert_true(batch_add(b, layout, &a, &c, s, &row, &kept));
    b->nsp_labels[b->seqs - 1] = s % 5 == 4 ? -1 : label;
    for (int32_t i = 0; i <= s % 2; i++) {
      assert_true(batch_add_masked(b, row + 2 * i, first[2 * i], 1.0f + 0.5f * (float)(s % 3)));
      b->ids[row + 2 * i] = TOKEN_MASK;
    }
  }
  batch_finish(b);
}

static model *make(const char *objectives, batch_caps caps, seq_layout *layout) {
  static const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, VOCAB};
  model_config c = {.hidden = H,
                    .layers = 2,
                    .heads = 2,
                    .max_positions = 16,
                    .segments = 2,
                    .layer_norm_eps = 1e-12,
                    .init_std = 0.1,
                    .temperature = 1,
                    .item_classes = true,
                    .pooler = strstr(objectives, "next_session") != NULL,
                    .cls_sep = true};
  check_ok(model_config_resolve(&c, range_end, 1));
  snprintf(c.objectives, sizeof c.objectives, "%s", objectives);
  const model_run run = {.caps = caps, .training = true, .threads = 1, .seed = 3};
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  *layout = model_layout(&c);
  return m;
}

static const batch_caps caps = {.tokens = TOKENS, .seqs = SEQS, .masked = 64};

static step_result pass(model *m, const batch *b, const float scale[MAX_SLOTS]) {
  step_state s = {.step = 1, .seed = 7};
  step_result r;
  memcpy(s.scale, scale, sizeof s.scale);
  check_ok(model_set_batch(m, b, &s));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  return r;
}

// The gradient of the mean over the step is the same whether its rows come in one batch or in two unlike ones; the weights of
// objectives count.
static void test_normalised_over_the_step(void **unused) {
  (void)unused;
  seq_layout layout;
  model *m = make("masked_lm 0.5, next_session 3", caps, &layout);
  const objective_list *l = model_objectives(m);
  batch *whole, *parts[2];
  check_ok(batch_new(&whole, caps));
  fill(whole, &layout, 0, 10);
  double sums[MAX_SLOTS] = {0};
  for (int k = 0; k < 2; k++) {
    check_ok(batch_new(&parts[k], caps));
    fill(parts[k], &layout, k == 0 ? 0 : 3, k == 0 ? 3 : 10);
    objectives_add_weights(l, parts[k], sums);
  }
  float scale[MAX_SLOTS], of_whole[MAX_SLOTS];
  objectives_scales(l, sums, scale);
  objectives_batch_scales(l, whole, of_whole);
  assert_memory_equal(scale, of_whole, sizeof scale);
  check_near(scale[0], 0.5 / objective_masked_lm.weight(whole), 1e-8);
  check_near(scale[1], 3.0 / 8, 1e-8); // ten sequences, of which two have no label
  assert_true(scale[2] == 0);
  const param_set *p = model_params(m);
  const size_t bytes = (size_t)p->elements * sizeof(float);
  float *wanted = malloc(bytes);
  assert_non_null(wanted);
  const step_result once = pass(m, whole, scale);
  memcpy(wanted, p->grad, bytes);
  check_ok(model_forget(m));
  pass(m, parts[0], scale);
  const step_result twice = pass(m, parts[1], scale);
  for (int32_t k = 0; k < 2; k++) {
    check_near(twice.slot[k].loss, once.slot[k].loss, 1e-5 * once.slot[k].loss);
    check_near(twice.slot[k].weight, sums[k], 1e-9);
    assert_true(once.slot[k].loss > 0);
  }
  for (int64_t i = 0; i < p->elements; i++) check_near((double)p->grad[i], (double)wanted[i], 2e-6);
  free(wanted);
  batch_free(whole);
  for (int k = 0; k < 2; k++) batch_free(parts[k]);
  model_free(m);
}

// A model without masked LM has none of its parameters, learns what it is trained for, and says what it cannot do.
static void test_without_masked_lm(void **unused) {
  (void)unused;
  seq_layout layout;
  model *m = make("next_session", caps, &layout);
  const param_set *p = model_params(m);
  for (int32_t i = 0; i < p->count; i++) assert_null(strstr(p->items[i].name, "cls.predictions"));
  assert_non_null(param_find(p, "cls.seq_relationship.weight"));
  assert_non_null(param_find(p, "bert.pooler.dense.weight"));
  batch *b;
  check_ok(batch_new(&b, caps));
  const optim_config o = {
      .lr = 5e-3, .schedule = SCHEDULE_CONSTANT, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip_norm = 1};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  double first = 0, last = 0, hits = 0;
  for (int32_t step = 0; step < 60; step++) {
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
    assert_true(r.nonfinite == 0 && r.slot[0].weight == 8 && r.slot[1].weight == 0);
    last = r.slot[0].loss / 8;
    hits = r.slot[0].hits / 8;
    if (step == 0) first = last;
  }
  if (!(first > 0.5 && last < 0.2 * first && hits == 1))
    fail_msg("the loss went from %g to %g, with a share of %g right", first, last, hits);
  float u[64 * (H + 1)], pooled[SEQS * H], scores[SEQS * 2];
  check_fails(model_user_vectors(m, u), ERR_ARGUMENT, "trained neither for masked_lm nor for next_item");
  check_fails(model_item_vectors(m, 0, 1, u), ERR_ARGUMENT,
              "trained neither for masked_lm nor for next_item");
  check_ok(model_forward(m, false));
  check_ok(model_next_sentence(m, pooled, scores));
  optimizer_close(by);
  batch_free(b);
  model_free(m);
}

// ---- labels --------------------------------------------------------------------------------------------------

enum { LABELS = 3 };
static const batch_caps labelled_caps = {
    .tokens = TOKENS, .seqs = SEQS, .masked = 1, .targets = SEQS * LABELS};

// Pairs of four and three items. Label k of several holds if the pair's first item is a multiple of k + 2, and every fourth is
// not known; the one of a single is which of three parts of the items it is of.
static void fill_labelled(batch *b, const seq_layout *layout, bool several, int32_t from, int32_t to) {
  batch_clear(b);
  for (int32_t s = from; s < to; s++) {
    int32_t tokens[7], labels[LABELS], row = 0, kept = 0;
    float weights[LABELS];
    for (int32_t i = 0; i < 7; i++) tokens[i] = TOKEN_SPECIALS + (11 * s + 5 * i) % (VOCAB - TOKEN_SPECIALS);
    const int32_t item = tokens[0] - TOKEN_SPECIALS;
    const batch_input a = {.tokens = tokens, .n = 4}, c = {.tokens = tokens + 4, .n = 3};
    assert_true(batch_add(b, layout, &a, &c, s, &row, &kept));
    for (int32_t k = 0; k < LABELS; k++) {
      labels[k] = (s + k) % 4 == 3 ? -1 : item % (k + 2) == 0;
      weights[k] = 1.0f + 0.5f * (float)k;
    }
    if (!several) labels[0] = s % 5 == 4 ? -1 : item * LABELS / (VOCAB - TOKEN_SPECIALS);
    assert_true(batch_add_targets(b, several ? LABELS : 1, labels, weights));
  }
  batch_finish(b);
}

// tuned: by a low-rank change of the word table alone, which is not zero.
static model *make_labelled(const char *objectives, label_kind kind, double drop, bool tuned,
                            seq_layout *layout) {
  static const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, VOCAB};
  model_config c = {.hidden = H,
                    .layers = 2,
                    .heads = 2,
                    .max_positions = 16,
                    .segments = 2,
                    .dropout = drop,
                    .layer_norm_eps = 1e-12,
                    .init_std = 0.2,
                    .temperature = 1,
                    .item_classes = true,
                    .labels = LABELS,
                    .label_kind = (int)kind,
                    .cls_sep = true};
  check_ok(model_config_resolve(&c, range_end, 1));
  snprintf(c.objectives, sizeof c.objectives, "%s", objectives);
  if (tuned) c.peft = (peft_config){.kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings"};
  const model_run run = {.caps = labelled_caps, .training = true, .threads = 1, .seed = 3};
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  *layout = model_layout(&c);
  const param_set *s = model_params(m);
  for (int32_t i = 0; tuned && i < s->count; i++) {
    rng draw = rng_at(5, 1, (uint32_t)i, 0);
    for (int64_t k = 0; s->items[i].tuned && k < s->items[i].size; k++)
      param_master(s, &s->items[i])[k] += 0.2f * (float)rng_normal(&draw);
  }
  return m;
}

// The gradient of every parameter against differences of the loss, dropout included: the same step drops the same elements.
static void check_gradients(const char *objectives, label_kind kind, bool tuned) {
  seq_layout layout;
  model *m = make_labelled(objectives, kind, 0.3, tuned, &layout);
  batch *b;
  check_ok(batch_new(&b, labelled_caps));
  fill_labelled(b, &layout, kind == LABELS_SEVERAL, 0, 9);
  float scale[MAX_SLOTS];
  objectives_batch_scales(model_objectives(m), b, scale);
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  const step_result r = pass(m, b, scale);
  check_near(r.slot[0].weight, model_objectives(m)->of[0]->weight(b), 1e-9);
  const param_set *set = model_params(m);
  const size_t bytes = (size_t)set->elements * sizeof(float);
  float *g = malloc(bytes);
  assert_non_null(g);
  memcpy(g, set->grad, bytes);
  int32_t compared = 0;
  for (int32_t i = 0; i < set->count; i++) {
    const param *p = &set->items[i];
    float *w = param_master(set, p);
    const int64_t step_of = p->size / (tuned ? 30 : 3);
    for (int64_t k = step_of; p->trainable && k < p->size; k += step_of + 1, compared++) {
      const float was = w[k], step = 4e-3f;
      double loss[2];
      for (int side = 0; side < 2; side++) {
        w[k] = side == 0 ? was - step : was + step;
        check_ok(model_backend(m)->result_clear(model_ctx(m)));
        loss[side] = pass(m, b, scale).slot[0].loss * (double)scale[0];
      }
      w[k] = was;
      const double slope = (loss[1] - loss[0]) / (2 * (double)step), ours = (double)g[p->offset + k];
      if (fabs(slope - ours) > 2e-3 + 0.02 * fabs(slope))
        fail_msg("%s[%lld]: the gradient is %g, the loss says %g", p->name, (long long)k, ours, slope);
    }
  }
  assert_true(compared > (tuned ? 30 : 60));
  free(g);
  batch_free(b);
  model_free(m);
}

static void test_label_gradients(void **unused) {
  (void)unused;
  for (int tuned = 0; tuned < 2; tuned++) {
    check_gradients("classify", LABELS_SINGLE, tuned);
    check_gradients("classify", LABELS_SEVERAL, tuned);
    check_gradients("pair", LABELS_SEVERAL, tuned);
  }
}

static void learn_labels(const char *objectives, label_kind kind) {
  seq_layout layout;
  model *m = make_labelled(objectives, kind, 0.02, false, &layout);
  batch *b;
  check_ok(batch_new(&b, labelled_caps));
  const optim_config o = {
      .lr = 5e-3, .schedule = SCHEDULE_CONSTANT, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip_norm = 1};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  double hits = 0;
  for (int32_t step = 0; step < 200; step++) {
    fill_labelled(b, &layout, kind == LABELS_SEVERAL, 10 * step, 10 * step + 10);
    step_state s = {.step = step, .seed = 7, .lr = 5e-3f, .clip_norm = 1};
    objectives_batch_scales(model_objectives(m), b, s.scale);
    step_result r;
    check_ok(model_backend(m)->result_clear(model_ctx(m)));
    check_ok(model_set_batch(m, b, &s));
    check_ok(model_forward(m, true));
    check_ok(model_loss(m, true));
    check_ok(optimizer_step(by));
    check_ok(model_backend(m)->result_read(model_ctx(m), &r));
    if (step >= 190) hits += r.slot[0].hits / r.slot[0].weight / 10;
  }
  if (!(hits > 0.95)) fail_msg("%s: a share of %g is right in the end", objectives, hits);
  float logits[SEQS * LABELS], pooled[SEQS * H];
  check_ok(model_forward(m, false));
  check_ok(model_label_logits(m, logits, pooled));
  int32_t right = 0;
  for (int32_t i = 0; kind == LABELS_SEVERAL && i < 10 * LABELS; i++)
    right += b->targets[i] < 0 || (logits[i] > 0) == (b->targets[i] == 1);
  assert_true(kind != LABELS_SEVERAL || right >= 27);
  fill(b, &layout, 0, 0);
  assert_int_equal(b->n_targets, 0);
  optimizer_close(by);
  batch_free(b);
  model_free(m);
}

static void test_labels_are_learned(void **unused) {
  (void)unused;
  learn_labels("classify", LABELS_SINGLE);
  learn_labels("pair", LABELS_SEVERAL);
}

// What does not go together is said; a batch without its labels is refused.
static void test_wrong_labels(void **unused) {
  (void)unused;
  seq_layout layout;
  model_config c = {.labels = 3, .label_kind = LABELS_SEVERAL};
  check_fails(objective_classify.check_config(&c), ERR_ARGUMENT, "they need model.cls_sep = true");
  c.cls_sep = true;
  check_ok(objective_classify.check_config(&c));
  check_fails(objective_pair.check_config(&c), ERR_ARGUMENT, "pair needs model.segments = 2");
  c.segments = 2;
  check_ok(objective_pair.check_config(&c));
  c.label_kind = LABELS_SINGLE;
  check_fails(objective_pair.check_config(&c), ERR_ARGUMENT, "pair needs model.label_kind = several");
  c.labels = 1;
  check_fails(objective_classify.check_config(&c), ERR_ARGUMENT,
              "model.labels = 1: one of two labels at least");
  objective_list l;
  snprintf(c.objectives, sizeof c.objectives, "classify, pair");
  check_fails(objectives_of(&l, &c), ERR_ARGUMENT, "classify and pair cannot be trained together");
  snprintf(c.objectives, sizeof c.objectives, "classify, next_item");
  check_fails(objectives_of(&l, &c), ERR_ARGUMENT, "[CLS] needs to see whole sequences");
  model *m = make_labelled("pair", LABELS_SEVERAL, 0, false, &layout);
  batch *b;
  check_ok(batch_new(&b, labelled_caps));
  fill_labelled(b, &layout, false, 0, 4); // one label a sequence
  check_ok(model_set_batch(m, b, &(step_state){.seed = 1}));
  check_ok(model_forward(m, true));
  check_fails(model_loss(m, true), ERR_INTERNAL, "4 labels of 4 sequences, and each needs 3");
  model_free(m);
  m = make("masked_lm", caps, &layout);
  float logits[1];
  check_fails(model_label_logits(m, logits, NULL), ERR_ARGUMENT, "this model has no labels");
  model_free(m);
  batch_free(b);
}

// What a model that has diverged says of a row is told with its line, and nothing is counted.
static void test_logits_are_finite(void **unused) {
  (void)unused;
  seq_layout layout;
  model *m = make_labelled("classify", LABELS_SINGLE, 0, false, &layout);
  labelled_rows two = {.targets = 1};
  float logits[2 * LABELS];
  const int32_t tokens[] = {TOKEN_SPECIALS, TOKEN_SPECIALS + 1}, label = 1;
  for (int64_t i = 0; i < 2; i++)
    check_ok(labelled_add(&two, &(seq_input){.tokens = tokens, .n = 2}, NULL, &label, 7 + i));
  check_ok(label_logits(m, &two, logits, NULL));
  const param_set *set = model_params(m);
  for (int64_t i = 0; i < set->elements; i++) set->master[i] = NAN;
  check_fails(label_logits(m, &two, logits, NULL), ERR_NONFINITE, "the row in line 7 is not finite");
  labelled_free(&two);
  model_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists),
                                     cmocka_unit_test(test_other_slots),
                                     cmocka_unit_test(test_of_a_model),
                                     cmocka_unit_test(test_metrics),
                                     cmocka_unit_test(test_normalised_over_the_step),
                                     cmocka_unit_test(test_without_masked_lm),
                                     cmocka_unit_test(test_label_gradients),
                                     cmocka_unit_test(test_labels_are_learned),
                                     cmocka_unit_test(test_wrong_labels),
                                     cmocka_unit_test(test_logits_are_finite)};
  return cmocka_run_group_tests_name("objectives", tests, NULL, NULL);
}
