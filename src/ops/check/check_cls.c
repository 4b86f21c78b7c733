// Cases of the classification loss. The forward pass is the loss alone, the backward pass the loss with gradients.
#include <stdio.h>
#include "ops/check/harness.h"

enum { LOGITS = 1, DLOGITS };

typedef struct cls_case {
  int32_t n, slack, classes;
  bool in_place;
  double spread;
} cls_case;

static const cls_case cases[] = {
    {1, 0, 2, false, 1},
    {0, 3, 2, true, 1},
    {3, 2, 2, true, 1},
    {97, 7, 2, false, 4},
    {1025, 3, 3, true, 1},
    {33, 0, 97, false, 10},
    // Real sizes, when repeated.
    {97, 0, 2, true, 4},
};
static const int32_t repeated[] = {85};

static void label(int32_t i, char text[LABEL]) {
  const cls_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d sequences, %d classes, spread %g%s", k->n, k->n + k->slack, k->classes,
           k->spread, k->in_place ? ", in place" : "");
}

static void setup(int32_t i, fixture *f) {
  const cls_case *k = &cases[i];
  fixture_batch(f, LENGTHS_ONES, k->n, k->slack);
  f->batch.cls_classes = k->classes;
  const rows n = {ROWS_SEQS, f->batch.seqs_cap};
  fixture_put(f, LOGITS,
              (tensor){ACTS("logits", k->in_place ? CONSUMED : GIVEN, n, k->classes), .spread = k->spread,
                       .derivative = DLOGITS});
  fixture_put(f, DLOGITS, (tensor){ACTS("dlogits", MADE, n, k->classes), .alias = k->in_place ? LOGITS : 0});
}

static void bind(int32_t i, const fixture *f, const column *c, direction pass, op_params *p) {
  p->cls = (cls_params){.batch = &c->batch,
                        .n = {ROWS_SEQS, f->batch.seqs_cap},
                        .classes = cases[i].classes,
                        .logits = c->at[LOGITS],
                        .dlogits = pass == BACKWARD ? c->at[DLOGITS] : NULL};
}

const suite suite_cls = {.name = "cls",
                         .kind = OP_CLS,
                         .cases = sizeof cases / sizeof *cases,
                         .real = sizeof repeated / sizeof *repeated,
                         .repeats = repeated,
                         .label = label,
                         .setup = setup,
                         .bind = bind};
