// Weights of copy from clicks and propensities: by hand, clipped, divided by their mean, and what a weighted log is an estimate of.
#include <math.h>
#include <string.h>
#include "base/philox.h"
#include "data/copy_weights.h"
#include "lib/check.h"

enum { N = 6 };
static uint8_t part[N] = {COPY_TRAIN, COPY_TRAIN, COPY_TRAIN, COPY_TRAIN, COPY_VALID, COPY_TEST}, click[N];
static float propensity[N], weights[N];
static copy_rows rows = {.n = N, .part = part, .click = click, .propensity = propensity};

static void begin(void) {
  static const uint8_t clicks[N] = {1, 0, 1, 1, 1, 0};
  static const float shown[N] = {0.5f, 0.25f, 0.1f, 0.02f, 0.5f, 0.5f};
  memcpy(click, clicks, sizeof click);
  memcpy(propensity, shown, sizeof propensity);
}

static void test_none(void **unused) {
  (void)unused;
  begin();
  check_ok(copy_weights_set(&rows, &(copy_config){.feedback = COPY_FEEDBACK_NONE, .clip = 10}, weights));
  for (int i = 0; i < N; i++) check_near((double)weights[i], 1, 0);
}

static void test_ips(void **unused) {
  (void)unused;
  begin();
  const copy_config c = {.feedback = COPY_FEEDBACK_IPS, .clip = 20};
  check_ok(copy_weights_set(&rows, &c, weights));
  const double mean = (2 + 10 + 20) / 3.0, wanted[N] = {2 / mean, 0, 10 / mean, 20 / mean, 1, 0};
  for (int i = 0; i < N; i++) check_near((double)weights[i], wanted[i], 1e-6);
}

static void test_refused(void **unused) {
  (void)unused;
  const copy_config c = {.feedback = COPY_FEEDBACK_IPS, .clip = 20};
  begin();
  click[2] = COPY_NO_CLICK;
  check_fails(copy_weights_set(&rows, &c, weights), ERR_ARGUMENT,
              "row 3 of the data set's copy.jsonl says no click");
  begin();
  propensity[0] = 0;
  check_fails(copy_weights_set(&rows, &c, weights), ERR_ARGUMENT,
              "row 1 of the data set's copy.jsonl says no propensity");
  begin();
  propensity[5] = 0; // of another part
  check_ok(copy_weights_set(&rows, &c, weights));
  for (int i = 0; i < 4; i++) click[i] = 0;
  check_fails(copy_weights_set(&rows, &c, weights), ERR_ARGUMENT, "no copy of the training part was clicked");
}

// Two kinds of copy, the better one shown rarely: the weights of a kind's rows are to each other as its clicks would be.
static void test_undoes_logging(void **unused) {
  (void)unused;
  enum { ROWS = 200000 };
  static uint8_t parts[ROWS], clicks[ROWS];
  static float shown[ROWS], w[ROWS];
  static const double p_click[2] = {0.1, 0.3}, logging[2] = {0.9, 0.1};
  const copy_rows log = {.n = ROWS, .part = parts, .click = clicks, .propensity = shown};
  rng r = rng_at(3, STREAM_EVAL, 9, 0);
  double sum[2] = {0};
  static int kind[ROWS];
  for (int i = 0; i < ROWS; i++) {
    kind[i] = rng_unit(&r) < logging[1];
    clicks[i] = rng_unit(&r) < p_click[kind[i]];
    shown[i] = (float)logging[kind[i]];
  }
  check_ok(copy_weights_set(&log, &(copy_config){.feedback = COPY_FEEDBACK_IPS, .clip = 100}, w));
  for (int i = 0; i < ROWS; i++) sum[kind[i]] += (double)w[i];
  check_near(sum[1] / (sum[0] + sum[1]), 0.75, 0.015);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_none), cmocka_unit_test(test_ips),
                                     cmocka_unit_test(test_refused), cmocka_unit_test(test_undoes_logging)};
  return cmocka_run_group_tests_name("copy_weights", tests, NULL, NULL);
}
