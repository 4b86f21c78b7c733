// Cases of the classification loss, each in another slot. The forward pass is the loss alone, the backward pass the loss
// with gradients.
#include <math.h>
#include <stdio.h>
#include "ops/check/harness.h"

enum { LOGITS = 1, DLOGITS, WEIGHTS };

typedef struct classify_case {
  int32_t n, slack, classes;
  bool in_place, weighted;
  double spread;
  bool several; // labels that each hold or not
} classify_case;

static const classify_case cases[] = {
    {1, 0, 2, false, false, 1, false},
    {0, 3, 2, true, true, 1, false},
    {3, 2, 2, true, false, 1, false},
    {97, 7, 2, false, true, 4, false},
    {1025, 3, 3, true, true, 1, false},
    {33, 0, 97, false, false, 10, false},
    {1, 0, 1, false, false, 1, true},
    {0, 3, 2, true, true, 1, true},
    {3, 2, 3, true, false, 1, true},
    {97, 7, 3, false, true, 4, true},
    {1025, 3, 1, true, true, 1, true},
    {33, 2, 97, false, true, 60, true}, // exponentials far beyond float
    // Real sizes, when repeated.
    {97, 0, 2, true, false, 4, false},
    {97, 0, 3, true, true, 4, true},
};
static const int32_t repeated[] = {85, 85};

static void label(int32_t i, char text[LABEL]) {
  const classify_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d sequences, %d %s, spread %g%s%s", k->n, k->n + k->slack, k->classes,
           k->several ? "labels" : "classes", k->spread, k->in_place ? ", in place" : "",
           k->weighted ? ", weighted" : "");
}

static void setup(int32_t i, fixture *f) {
  const classify_case *k = &cases[i];
  fixture_batch(f, LENGTHS_ONES, k->n, k->slack);
  f->batch.small_classes = k->classes;
  f->batch.targets = k->several ? k->classes : 0;
  const rows n = {ROWS_SEQS, f->batch.seqs_cap};
  fixture_put(f, LOGITS,
              (tensor){ACTS("logits", k->in_place ? CONSUMED : GIVEN, n, k->classes), .spread = k->spread,
                       .derivative = DLOGITS});
  fixture_put(f, DLOGITS, (tensor){ACTS("dlogits", MADE, n, k->classes), .alias = k->in_place ? LOGITS : 0});
  fixture_put(f, WEIGHTS,
              (tensor){FLOATS("weights", GIVEN, n, k->several ? k->classes : 1), .absent = !k->weighted});
  tensor *w = &f->t[WEIGHTS]; // weights are not negative
  for (int32_t j = 0; f->rc == OK && k->weighted && j < w->n.cap * w->width; j++)
    w->values[j] = fabs(w->values[j]);
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  p->classify = (classify_params){.n = {ROWS_SEQS, f->batch.seqs_cap},
                                  .slot = (i + 1) % MAX_SLOTS,
                                  .classes = cases[i].classes,
                                  .kind = cases[i].several ? CLASSIFY_SEVERAL : CLASSIFY_ONE,
                                  .labels = cases[i].several ? c->batch.targets : c->batch.nsp_labels,
                                  .weights = c->at[WEIGHTS],
                                  .logits = c->at[LOGITS],
                                  .dlogits = pass == BACKWARD ? c->at[DLOGITS] : NULL};
}

const suite suite_classify = {.name = "classify",
                              .kind = OP_CLASSIFY,
                              .cases = sizeof cases / sizeof *cases,
                              .real = sizeof repeated / sizeof *repeated,
                              .repeats = repeated,
                              .label = label,
                              .setup = setup,
                              .bind = bind};
