// Figures of labels: by hand where a few rows do, against scikit-learn's on a hundred, and temperatures at their least loss.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval/classification.h"
#include "eval/label_choice.h"
#include "lib/check.h"

enum { ROWS = 120, LABELS = 3 };

// tools/labels/figures.py prints these (scikit-learn 1.9.1).
// clang-format off
#define SINGLE_ACCURACY 0.750000000000
#define SINGLE_F1_MACRO 0.745837231832
#define SINGLE_F1_MICRO 0.750000000000
#define SINGLE_LOG_LOSS 0.890528524944
#define SINGLE_AUC 0.834197530864
#define SINGLE_TEMPERATURE {1.824430322}
#define SEVERAL_AUC {0.974043715847, 0.934000000000, 0.931550802139}
#define SEVERAL_LOG_LOSS {0.257990647895, 0.345628918016, 0.335677603293}
#define SEVERAL_F1 {0.929292929293, 0.851851851852, 0.880733944954}
#define SEVERAL_F1_MICRO 0.886075949367
#define SEVERAL_TEMPERATURES {0.592388661096, 0.838530480334, 0.826521808909}
// clang-format on

// Logits and labels that any program can make again: tools/labels/figures.py does.
static void make_rows(float *logits, int32_t *single, int32_t *several) {
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < LABELS; k++) {
      logits[i * LABELS + k] = (float)(round(3000 * sin(1.7 * i + 2.3 * k + 0.11 * i * k)) / 1000);
      const double chance = sin(12.9898 * (i + 1) + 78.233 * (k + 1)) * 43758.5453;
      const double unit = chance - floor(chance);
      several[i * LABELS + k] =
          unit < 0.1 ? -1 : unit < 0.1 + 0.9 / (1 + exp(-(double)logits[i * LABELS + k]));
    }
  for (int i = 0; i < ROWS; i++) {
    int best = 0;
    for (int k = 1; k < LABELS; k++)
      if (logits[i * LABELS + k] > logits[i * LABELS + best]) best = k;
    single[i] = i % 4 == 0 ? (best + 1 + i / 4 % 2) % LABELS : best;
  }
}

static void check_figure(const classification *c, const char *name, double wanted) {
  double x;
  assert_true(classification_value(c, name, &x));
  if (!(fabs(x - wanted) < 1e-9)) fail_msg("%s is %.12g, wanted is %.12g", name, x, wanted);
}

// Four rows of two labels each.
static void test_by_hand(void **unused) {
  (void)unused;
  const float logits[] = {2, 0, 0, 1, 1, 1, -1, 0};
  const int32_t labels[] = {0, 0, 1, -1};
  const label_scores s = {.n = 4, .labels = 2, .single = true, .logits = logits, .targets = labels};
  classification c;
  check_ok(classification_run(&c, &s, NULL));
  assert_int_equal(c.rows, 3); // one has no label
  // Taken for 0, 1 and, of two equal logits, 0.
  const int64_t confusion[] = {1, 1, 1, 0};
  assert_memory_equal(c.confusion, confusion, sizeof confusion);
  check_figure(&c, "accuracy", 1.0 / 3);
  check_figure(&c, "f1_micro", 1.0 / 3);
  check_figure(&c, "f1_macro", (0.5 + 0) / 2); // of 0: tp 1, fp 1, fn 1; of 1: none
  // p(0) is e^2/(e^2+1), 1/(1+e), 1/2, of which the first two are 0's: one above the other's 1/2, one below.
  check_figure(&c, "auc", 0.5);
  check_figure(&c, "log_loss", (log1p(exp(-2.0)) + log1p(exp(1.0)) + log(2.0)) / 3);
  // Bins of the most probable: .8808 right, .7311 wrong (bins 13 and 10 of 15), .5 wrong (bin 7).
  check_figure(&c, "ece", ((1 - 1 / (1 + exp(-2.0))) + 1 / (1 + exp(-1.0)) + 0.5) / 3);
  classification_free(&c);
}

// Labels that each hold or not, with unknown ones and ties.
static void test_several_by_hand(void **unused) {
  (void)unused;
  const float logits[] = {1, 0, 1, -2, -1, 3, 0, 0};
  const int32_t labels[] = {1, -1, 0, 0, 0, 1, 1, -1};
  const label_scores s = {.n = 4, .labels = 2, .logits = logits, .targets = labels};
  classification c;
  check_ok(classification_run(&c, &s, NULL));
  assert_int_equal(c.rows, 4);
  assert_int_equal(c.known, 6);
  assert_true(c.of[0].known == 4 && c.of[0].positives == 2 && c.of[1].known == 2 && c.of[1].positives == 1);
  // Label 0: positives at 1 and 0, negatives at 1 and -1: of four pairs one is a tie, two are right, one is wrong.
  check_near(c.of[0].auc, 2.5 / 4, 1e-12);
  check_near(c.of[1].auc, 1, 1e-12);
  assert_true(c.of[0].tp == 1 && c.of[0].fp == 1 && c.of[0].fn == 1); // a logit of 0 does not hold
  check_figure(&c, "accuracy", 4.0 / 6);
  check_figure(&c, "f1_micro", 2.0 * 2 / (2 * 2 + 1 + 1));
  check_figure(&c, "f1_macro", (0.5 + 1) / 2);
  check_figure(&c, "auc", (0.625 + 1) / 2);
  check_near(c.of[1].log_loss, (log1p(exp(-2.0)) + log1p(exp(-3.0))) / 2, 1e-12);
  classification_free(&c);
}

// Probabilities that round to 1 are no ties: the area is that of the logits, at every temperature.
static void test_areas_of_sure_rows(void **unused) {
  (void)unused;
  static const double temperatures[] = {0.01, 0.01};
  const float several[] = {60, 1, 50, 2, 40, 3, 45, 4}, single[] = {60, 0, 50, 0, 40, 0, 45, 0};
  const int32_t holds[] = {1, 1, 1, 0, 0, 1, 0, 0}, is[] = {0, 0, 1, 1};
  const label_scores all[] = {{.n = 4, .labels = 2, .logits = several, .targets = holds},
                              {.n = 4, .labels = 2, .single = true, .logits = single, .targets = is}};
  for (int i = 0; i < 2; i++)
    for (int scaled = 0; scaled < 2; scaled++) {
      classification c;
      check_ok(classification_run(&c, &all[i], scaled == 1 ? temperatures : NULL));
      check_near(c.of[0].auc, 1, 1e-12);
      check_near(c.of[1].auc, i == 0 ? 0.25 : 1, 1e-12);
      classification_free(&c);
    }
}

static void test_against_scikit_learn(void **unused) {
  (void)unused;
  float logits[ROWS * LABELS];
  int32_t single[ROWS], several[ROWS * LABELS];
  make_rows(logits, single, several);
  const label_scores one = {.n = ROWS, .labels = LABELS, .single = true, .logits = logits, .targets = single},
                     more = {.n = ROWS, .labels = LABELS, .logits = logits, .targets = several};
  classification c;
  check_ok(classification_run(&c, &one, NULL));
  check_figure(&c, "accuracy", SINGLE_ACCURACY);
  check_figure(&c, "f1_macro", SINGLE_F1_MACRO);
  check_figure(&c, "f1_micro", SINGLE_F1_MICRO);
  check_figure(&c, "log_loss", SINGLE_LOG_LOSS);
  check_figure(&c, "auc", SINGLE_AUC);
  classification_free(&c);
  check_ok(classification_run(&c, &more, NULL));
  static const double auc[] = SEVERAL_AUC, loss[] = SEVERAL_LOG_LOSS, f1[] = SEVERAL_F1;
  for (int k = 0; k < LABELS; k++) {
    check_near(c.of[k].auc, auc[k], 1e-9);
    check_near(c.of[k].log_loss, loss[k], 1e-9);
    check_near(c.of[k].f1, f1[k], 1e-9);
  }
  check_figure(&c, "f1_micro", SEVERAL_F1_MICRO);
  classification_free(&c);
}

static double loss_at(const label_scores *s, const double *temperatures, int32_t label) {
  classification c;
  check_ok(classification_run(&c, s, temperatures));
  const double loss = s->single ? c.log_loss : c.of[label].log_loss;
  classification_free(&c);
  return loss;
}

// Of labels that were drawn from the softmax at another temperature, that is found; and nothing near it has a smaller loss.
static void test_temperatures(void **unused) {
  (void)unused;
  float logits[ROWS * LABELS];
  int32_t single[ROWS], several[ROWS * LABELS];
  make_rows(logits, single, several);
  const label_scores all[] = {
      {.n = ROWS, .labels = LABELS, .single = true, .logits = logits, .targets = single},
      {.n = ROWS, .labels = LABELS, .logits = logits, .targets = several}};
  static const double wanted[2][LABELS] = {SINGLE_TEMPERATURE, SEVERAL_TEMPERATURES};
  for (int i = 0; i < 2; i++) {
    double t[LABELS], other[LABELS];
    temperatures_fit(t, &all[i]);
    for (int32_t k = 0; k < (i == 0 ? 1 : LABELS); k++) {
      check_near(t[k], wanted[i][k], 1e-5);
      const double least = loss_at(&all[i], t, k);
      memcpy(other, t, sizeof t);
      for (int side = -1; side <= 1; side += 2) {
        other[k] = t[k] * (1 + 0.05 * side);
        assert_true(loss_at(&all[i], other, k) > least);
      }
    }
  }
}

// Without rows that tell, nothing is guessed; rows that one temperature separates go to the end of the range.
static void test_nothing_to_tell(void **unused) {
  (void)unused;
  const float logits[] = {1, -1, 2, -2};
  const int32_t none[] = {-1, -1, -1, -1}, right[] = {1, 0, 1, 0};
  double t[2];
  const label_scores unknown = {.n = 2, .labels = 2, .logits = logits, .targets = none};
  temperatures_fit(t, &unknown);
  assert_true(t[0] == 1 && t[1] == 1);
  classification c;
  check_ok(classification_run(&c, &unknown, NULL));
  assert_true(isnan(c.auc) && isnan(c.log_loss) && isnan(c.f1_macro) && isnan(c.ece) && c.rows == 0);
  const classification_report r = {
      .before = &c, .after = &c, .names = (const char *const[]){"a", "b"}, .temperatures = t};
  json_t *j = classification_json(&r);
  assert_true(json_is_null(json_object_get(j, "auc")) && json_is_null(json_object_get(j, "ece")));
  json_decref(j);
  classification_free(&c);
  const label_scores sure = {.n = 2, .labels = 2, .logits = logits, .targets = right};
  temperatures_fit(t, &sure);
  check_near(t[0], TEMPERATURE_LEAST, 1e-6);
  check_near(t[1], TEMPERATURE_LEAST, 1e-6);
  const label_scores empty = {.n = 0, .labels = 2, .single = true, .logits = logits, .targets = none};
  check_ok(classification_run(&c, &empty, NULL));
  assert_true(isnan(c.accuracy));
  classification_free(&c);
}

// ---- learning from fewer labels -------------------------------------------------------------------------------

static void test_pseudo_labels(void **unused) {
  (void)unused;
  const float logits[] = {3, 0, 0, 0.5f, -2, 0}; // .953, .378 of 1, .881 of 1
  const int32_t truth[] = {0, -1, 0};
  const label_scores single = {.n = 3, .labels = 2, .single = true, .logits = logits, .targets = truth};
  int32_t got[6];
  int64_t judged;
  assert_int_equal(pseudo_labels(&single, NULL, 0.8, got), 2);
  assert_true(got[0] == 0 && got[1] == -1 && got[2] == 1);
  check_near(pseudo_precision(&single, got, &judged), 0.5, 1e-12); // one right, one wrong, one not known
  assert_int_equal(judged, 2);
  const double hot = 4; // temperatures count
  assert_int_equal(pseudo_labels(&single, &hot, 0.8, got), 0);
  assert_true(isnan(pseudo_precision(&single, got, &judged)) && judged == 0);
  const label_scores several = {
      .n = 3, .labels = 2, .logits = logits, .targets = (int32_t[]){1, 1, 0, -1, 1, 0}};
  assert_int_equal(pseudo_labels(&several, NULL, 0.8, got), 2);
  assert_true(got[0] == 1 && got[1] == -1 && got[2] == -1 && got[3] == -1 && got[4] == 0 && got[5] == -1);
  check_near(pseudo_precision(&several, got, &judged), 0.5, 1e-12);
}

static void test_entropies(void **unused) {
  (void)unused;
  const float logits[] = {0, 0, 50, -50};
  const int32_t none[] = {-1, -1, -1, -1};
  double e[2];
  label_entropies(&(label_scores){.n = 2, .labels = 2, .single = true, .logits = logits, .targets = none},
                  NULL, e);
  check_near(e[0], log(2.0), 1e-12);
  check_near(e[1], 0, 1e-12);
  label_entropies(&(label_scores){.n = 2, .labels = 2, .logits = logits, .targets = none}, NULL, e);
  check_near(e[0], 2 * log(2.0), 1e-12);
  check_near(e[1], 0, 1e-12);
}

// Three bundles of directions: the most uncertain rows are all of the first, and diverse picks are of each.
static void test_picks(void **unused) {
  (void)unused;
  enum { N = 60 };
  float vectors[N * 3];
  double entropy[N];
  int64_t picked[N], n;
  for (int i = 0; i < N; i++) {
    for (int k = 0; k < 3; k++) vectors[3 * i + k] = (i / 20 == k ? 5.0f : 0.1f) + 0.01f * (float)(i % 7);
    entropy[i] = i < 20 ? 1 + 0.001 * i : 0.9;
  }
  check_ok(label_pick(PICK_ENTROPY, entropy, vectors, N, 3, 3, 1, picked, &n));
  assert_true(n == 3 && picked[0] == 19 && picked[1] == 18 && picked[2] == 17);
  check_ok(label_pick(PICK_DIVERSE, entropy, vectors, N, 3, 20, 1, picked, &n));
  assert_true(n == 20 && picked[0] == 19);
  bool bundle[3] = {false};
  for (int i = 0; i < 3; i++) bundle[picked[i] / 20] = true;
  assert_true(bundle[0] && bundle[1] && bundle[2]);
  check_ok(label_pick(PICK_RANDOM, entropy, vectors, N, 3, 10, 5, picked, &n));
  for (int i = 1; i < 10; i++) assert_true(picked[i] > picked[i - 1] && picked[i] < N);
  check_ok(label_pick(PICK_DIVERSE, entropy, vectors, N, 3, 1000, 1, picked, &n)); // more than there are
  bool seen[N] = {false};
  assert_int_equal(n, N);
  for (int i = 0; i < N; i++) {
    assert_false(seen[picked[i]]);
    seen[picked[i]] = true;
  }
  check_ok(label_pick(PICK_DIVERSE, entropy, vectors, N, 3, 0, 1, picked, &n));
  assert_int_equal(n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand),
                                     cmocka_unit_test(test_several_by_hand),
                                     cmocka_unit_test(test_areas_of_sure_rows),
                                     cmocka_unit_test(test_against_scikit_learn),
                                     cmocka_unit_test(test_temperatures),
                                     cmocka_unit_test(test_nothing_to_tell),
                                     cmocka_unit_test(test_pseudo_labels),
                                     cmocka_unit_test(test_entropies),
                                     cmocka_unit_test(test_picks)};
  return cmocka_run_group_tests_name("classification", tests, NULL, NULL);
}
