// The double-precision references against themselves: every gradient of every case of the op tables is compared with
// central differences of the forward pass. So the truth of the op checks is not a second opinion but the derivative.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "ops/check/harness.h"
#include "ops/check/reference.h"

static bool is_forward_output(const tensor *t) {
  return (t->role == SAVED || t->role == SUMMED) && t->derivative != 0;
}

// What the forward pass feeds into the loss: the losses of the results, and each output times its given gradient.
static double loss(const fixture *f, const column *c) {
  step_result r;
  check_ok(c->be->result_read(c->ctx, &r));
  double sum = 0;
  for (int32_t k = 0; k < MAX_SLOTS; k++) sum += r.slot[k].loss * (double)f->state.scale[k];
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    const tensor *t = &f->t[k];
    if (!is_forward_output(t) || c->at[k] == NULL || c->at[t->derivative] == NULL) continue;
    const size_t n = (size_t)t->n.cap * (size_t)t->width;
    double *y = calloc(n, sizeof *y);
    assert_non_null(y);
    check_ok(column_read(c, f, k, y));
    for (size_t j = 0; j < n; j++)
      if (tensor_is_live(f, t, j)) sum += y[j] * f->t[t->derivative].values[j];
    free(y);
  }
  return sum;
}

static double loss_at(const suite *s, int32_t i, fixture *f, column *c, int32_t k, size_t at, double x) {
  const double was = f->t[k].values[at];
  f->t[k].values[at] = x;
  check_ok(column_write(c, f, k, FILL_FINITE));
  f->t[k].values[at] = was;
  check_ok(c->be->result_clear(c->ctx));
  for (int32_t y = 1; y < MAX_TENSORS; y++) // what is added to begins anew
    if (f->t[y].role == SUMMED && f->t[y].derivative != 0) check_ok(column_write(c, f, y, FILL_FINITE));
  check_ok(column_pass(c, s, i, f, FORWARD));
  const double sum = loss(f, c);
  check_ok(column_write(c, f, k, FILL_FINITE));
  return sum;
}

// Below the floor of a norm (1e-6) the function is another one: short rows take short steps.
static double step_at(const tensor *t, size_t at) {
  double squares = 0;
  const double *row = t->values + at / (size_t)t->width * (size_t)t->width;
  for (int32_t j = 0; j < t->width; j++) squares += row[j] * row[j];
  return squares < 1e-6 && t->width > 1 ? 1e-8 : 1e-4;
}

// Some elements of tensor k against the gradient the backward pass left in tensor t->derivative.
static int32_t check_tensor(const suite *s, int32_t i, fixture *f, column *c, int32_t k,
                            const double *gradient, int32_t samples) {
  const tensor *t = &f->t[k], *d = &f->t[t->derivative];
  const size_t n = (size_t)t->n.cap * (size_t)t->width;
  double size = 1e-3;
  for (size_t j = 0; j < n; j++)
    if (tensor_is_live(f, t, j))
      size = fmax(size, fabs(gradient[j] - (d->role == SUMMED ? d->values[j] : 0)));
  rng r = rng_at(1, 3, (uint32_t)i, (uint32_t)k);
  int32_t done = 0;
  for (int32_t tries = 0; done < samples && tries < 20 * samples; tries++) {
    const size_t at = rng_below(&r, n);
    if (!tensor_is_live(f, t, at)) continue;
    const double x = t->values[at], h = step_at(t, at);
    const double wide = loss_at(s, i, f, c, k, at, x + 2 * h) - loss_at(s, i, f, c, k, at, x - 2 * h);
    const double near = loss_at(s, i, f, c, k, at, x + h) - loss_at(s, i, f, c, k, at, x - h);
    const double slope = (8 * near - wide) / (12 * h);
    const double got = gradient[at] - (d->role == SUMMED ? d->values[at] : 0);
    char text[LABEL];
    s->label(i, text);
    if (!(fabs(slope - got) <= 1e-6 * size))
      fail_msg("%s, %s: %s[%zu] is %.10g, the slope %.10g", s->name, text, d->name, at, got, slope);
    done++;
  }
  return done;
}

static int32_t check_case(const suite *s, int32_t i) {
  fixture f;
  check_ok(fixture_set_up(s, i, sizeof(double), &f));
  column c;
  check_ok(column_open(&c, s, i, &f, &reference_double, 0, 1));
  check_ok(column_fill(&c, &f, FILL_FINITE));
  check_ok(column_pass(&c, s, i, &f, FORWARD));
  check_ok(column_pass(&c, s, i, &f, BACKWARD));
  snapshot after;
  check_ok(column_snapshot(&c, &f, &after));
  size_t elements = 0;
  for (int32_t k = 1; k < MAX_TENSORS; k++) elements += (size_t)f.t[k].n.cap * (size_t)f.t[k].width;
  const int32_t samples = elements < 3000 ? 24 : elements < 20000 ? 6 : 1;
  int32_t done = 0;
  for (int32_t k = 1; k < MAX_TENSORS; k++)
    if (f.t[k].role == GIVEN || f.t[k].role == CONSUMED)
      if (f.t[k].derivative != 0 && after.v[k] != NULL && after.v[f.t[k].derivative] != NULL)
        done += check_tensor(s, i, &f, &c, k, after.v[f.t[k].derivative], samples);
  snapshot_free(&after);
  column_close(&c);
  fixture_free(&f);
  return done;
}

static void check_suite(void **state) {
  const suite *s = *state;
  int32_t done = 0;
  // Those of real sizes are the same formulas, and dear here.
  for (int32_t i = 0; i < s->cases - s->real; i++) done += check_case(s, i);
  print_message("%s: %d slopes\n", s->name, done);
  assert_true(done > 0);
}

int main(void) {
  struct CMUnitTest tests[16];
  size_t n = 0;
  memset(tests, 0, sizeof tests);
  for (int32_t k = 0; k < n_suites; k++)
    if (suites[k]->kind != OP_OPTIM && suites[k]->kind != OP_IMPORTANCE) // which have no gradients
      tests[n++] = (struct CMUnitTest){
          .name = suites[k]->name, .test_func = check_suite, .initial_state = (void *)(uintptr_t)suites[k]};
  return _cmocka_run_group_tests("gradients", tests, n, NULL, NULL);
}
