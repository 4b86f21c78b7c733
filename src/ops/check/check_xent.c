// Cases of linear + cross-entropy. The forward pass is the loss alone, the backward pass the loss with gradients.
#include <math.h>
#include <stdio.h>
#include "ops/check/harness.h"

enum { X = 1, TABLE, BIAS, ROW_LOSS, DX, DTABLE, DBIAS, TOUCHED, X_LOW, TABLE_LOW, DX_LOW, DTABLE_LOW };

typedef struct xent_case {
  int32_t n, slack, hidden, classes, class_base, negatives;
  score_kind score;
  float temperature;
  // TINY: rows of length 0 and below the divisor's floor among x and the table.
  enum {
    ALL = 0,
    NO_BIAS = 1,
    BIAS_FROZEN = 2,
    TABLE_FROZEN = 4,
    NO_FLAGS = 8,
    NO_ROW_LOSS = 16,
    TINY = 32,
    FACTORS = 64, // the table has factors, with gradients of their own
    A_FROZEN = 128,
    B_FROZEN = 256
  } how;
  loss_kind loss;
  logq_kind logq;
  float parameter; // of softmax the smoothing, of gBCE beta
} xent_case;

#define SOFTMAX LOSS_SOFTMAX, LOGQ_STANDARD, 0 // without smoothing
static const xent_case cases[] = {
    {1, 0, 1, 1, 0, 0, SCORE_DOT, 1, ALL, SOFTMAX},
    {0, 4, 20, 33, 5, 0, SCORE_COSINE, 1, NO_FLAGS, SOFTMAX},
    {1, 2, 3, 2, 5, 0, SCORE_COSINE, 0.5f, ALL, SOFTMAX},
    {3, 0, 20, 97, 5, 0, SCORE_DOT, 1, NO_BIAS, SOFTMAX},
    {97, 7, 36, 97, 0, 0, SCORE_DOT, 2, ALL, SOFTMAX},
    {97, 7, 36, 97, 3, 0, SCORE_COSINE, 0.1f, ALL, SOFTMAX},
    {64, 0, 20, 1025, 5, 0, SCORE_DOT, 1, BIAS_FROZEN, SOFTMAX},
    {65, 1, 20, 1025, 5, 0, SCORE_COSINE, 0.07f, NO_BIAS + NO_FLAGS, SOFTMAX},
    {66, 9, 3, 2100, 7, 0, SCORE_DOT, 1, NO_ROW_LOSS, SOFTMAX},
    {33, 9, 100, 300, 7, 0, SCORE_COSINE, 1, TABLE_FROZEN, SOFTMAX},
    {33, 9, 100, 300, 7, 0, SCORE_DOT, 1, TABLE_FROZEN + BIAS_FROZEN, SOFTMAX},
    {20, 3, 768, 17, 0, 0, SCORE_DOT, 4, ALL, SOFTMAX},
    {9, 3, 17, 60, 2, 0, SCORE_COSINE, 0.2f, TINY, SOFTMAX},
    {1, 0, 1, 1, 0, 1, SCORE_DOT, 1, ALL, SOFTMAX}, // the only negative is the label
    {0, 4, 20, 33, 5, 9, SCORE_DOT, 1, ALL, SOFTMAX},
    {3, 4, 20, 50, 5, 7, SCORE_DOT, 1, ALL, SOFTMAX},
    {0, 6, 8, 4000, 5, 1, SCORE_DOT, 1, ALL, SOFTMAX}, // the label of a dead row marks no class
    {97, 7, 36, 500, 5, 33, SCORE_DOT, 2, ALL, SOFTMAX},
    {97, 7, 36, 500, 3, 50, SCORE_COSINE, 0.1f, ALL, SOFTMAX},
    {64, 0, 20, 3000, 0, 1030, SCORE_DOT, 1, NO_BIAS, SOFTMAX},
    {65, 1, 64, 200, 5, 31, SCORE_COSINE, 0.07f, NO_BIAS + NO_FLAGS, SOFTMAX},
    {130, 9, 20, 100, 7, 17, SCORE_DOT, 1, BIAS_FROZEN + NO_ROW_LOSS, SOFTMAX},
    {33, 9, 100, 300, 7, 64, SCORE_COSINE, 1, TABLE_FROZEN, SOFTMAX},
    {33, 9, 100, 300, 7, 64, SCORE_DOT, 1, TABLE_FROZEN + BIAS_FROZEN, SOFTMAX},
    {9, 3, 17, 20, 2, 20, SCORE_COSINE, 0.2f, TINY, SOFTMAX},
    {40, 3, 17, 5, 2, 20, SCORE_COSINE, 0.2f, TINY, SOFTMAX},
    // Rows of 256 bytes, and a capacity that is no multiple of a block's rows: reading one row too many would read
    // the next array.
    {65, 1, 64, 200, 5, 31, SCORE_DOT, 1, ALL, SOFTMAX},
    {29, 1, 64, 90, 5, 64, SCORE_COSINE, 0.5f, ALL, SOFTMAX},
    // A table of factors: narrower than rows, and wider; one of them frozen.
    {1, 0, 1, 1, 0, 0, SCORE_DOT, 1, TABLE_FROZEN + FACTORS, SOFTMAX},
    {0, 4, 20, 33, 5, 0, SCORE_DOT, 1, TABLE_FROZEN + FACTORS, SOFTMAX},
    {97, 7, 36, 497, 3, 0, SCORE_DOT, 2, TABLE_FROZEN + FACTORS, SOFTMAX},
    {65, 1, 3, 1025, 5, 0, SCORE_DOT, 0.3f, NO_BIAS + TABLE_FROZEN + FACTORS, SOFTMAX},
    {33, 9, 150, 300, 7, 0, SCORE_DOT, 1, TABLE_FROZEN + FACTORS + A_FROZEN, SOFTMAX},
    {33, 9, 64, 300, 7, 0, SCORE_DOT, 1, TABLE_FROZEN + FACTORS + B_FROZEN, SOFTMAX},
    {66, 9, 20, 2100, 7, 0, SCORE_DOT, 1, TABLE_FROZEN + FACTORS, LOSS_SOFTMAX, LOGQ_STANDARD, 0.2f},
    // Label smoothing, over the classes and over the sample; with one candidate gradients are 0, and a half rounds nothing.
    {1, 0, 1, 1, 0, 0, SCORE_DOT, 1, ALL, LOSS_SOFTMAX, LOGQ_STANDARD, 0.5f},
    {0, 4, 20, 33, 5, 0, SCORE_DOT, 1, ALL, LOSS_SOFTMAX, LOGQ_STANDARD, 0.1f},
    {97, 7, 36, 97, 0, 0, SCORE_DOT, 2, ALL, LOSS_SOFTMAX, LOGQ_STANDARD, 0.1f},
    {65, 1, 20, 1025, 5, 0, SCORE_COSINE, 0.07f, NO_BIAS + NO_FLAGS, LOSS_SOFTMAX, LOGQ_STANDARD, 0.3f},
    {66, 9, 3, 2100, 7, 0, SCORE_DOT, 1, NO_ROW_LOSS, LOSS_SOFTMAX, LOGQ_STANDARD, 0.9f},
    {1, 0, 1, 1, 0, 1, SCORE_DOT, 1, ALL, LOSS_SOFTMAX, LOGQ_STANDARD, 0.5f},
    {97, 7, 36, 500, 5, 33, SCORE_DOT, 2, ALL, LOSS_SOFTMAX, LOGQ_STANDARD, 0.1f},
    {97, 7, 36, 500, 3, 50, SCORE_COSINE, 0.1f, ALL, LOSS_SOFTMAX, LOGQ_NONE, 0.2f},
    {64, 0, 20, 3000, 0, 1030, SCORE_DOT, 1, NO_BIAS, LOSS_SOFTMAX, LOGQ_CORRECTED, 0.1f},
    {40, 3, 17, 5, 2, 20, SCORE_COSINE, 0.2f, TINY, LOSS_SOFTMAX, LOGQ_CORRECTED, 0.3f},
    // The sampled softmax without logQ (with cosine scores: InfoNCE), and with the corrected one.
    {97, 7, 36, 500, 5, 33, SCORE_DOT, 2, ALL, LOSS_SOFTMAX, LOGQ_NONE, 0},
    {65, 1, 64, 200, 5, 31, SCORE_COSINE, 0.07f, NO_BIAS, LOSS_SOFTMAX, LOGQ_NONE, 0},
    {1, 0, 1, 1, 0, 1, SCORE_DOT, 1, ALL, LOSS_SOFTMAX, LOGQ_CORRECTED, 0},
    {0, 4, 20, 33, 5, 9, SCORE_DOT, 1, ALL, LOSS_SOFTMAX, LOGQ_CORRECTED, 0},
    {3, 4, 20, 50, 5, 7, SCORE_DOT, 1, ALL, LOSS_SOFTMAX, LOGQ_CORRECTED, 0},
    {97, 7, 36, 500, 3, 50, SCORE_COSINE, 0.1f, ALL, LOSS_SOFTMAX, LOGQ_CORRECTED, 0},
    {64, 0, 20, 3000, 0, 1030, SCORE_DOT, 1, NO_BIAS, LOSS_SOFTMAX, LOGQ_CORRECTED, 0},
    {130, 9, 20, 100, 7, 17, SCORE_DOT, 1, BIAS_FROZEN + NO_ROW_LOSS, LOSS_SOFTMAX, LOGQ_CORRECTED, 0},
    {40, 3, 17, 5, 2, 20, SCORE_COSINE, 0.2f, TINY, LOSS_SOFTMAX, LOGQ_CORRECTED, 0},
    // gBCE, plain binary cross-entropy (beta 1), and beta 0, which learns nothing of labels.
    {1, 0, 1, 1, 0, 1, SCORE_DOT, 1, ALL, LOSS_GBCE, LOGQ_STANDARD, 0.4f},
    {0, 4, 20, 33, 5, 9, SCORE_DOT, 1, ALL, LOSS_GBCE, LOGQ_STANDARD, 0.4f},
    {3, 4, 20, 50, 5, 7, SCORE_DOT, 1, ALL, LOSS_GBCE, LOGQ_STANDARD, 1},
    {97, 7, 36, 500, 5, 33, SCORE_DOT, 2, ALL, LOSS_GBCE, LOGQ_STANDARD, 0.27f},
    {97, 7, 36, 500, 3, 50, SCORE_COSINE, 0.1f, ALL, LOSS_GBCE, LOGQ_CORRECTED, 0.01f},
    {64, 0, 20, 3000, 0, 1030, SCORE_DOT, 1, NO_BIAS, LOSS_GBCE, LOGQ_NONE, 1},
    {65, 1, 64, 200, 5, 31, SCORE_COSINE, 0.07f, NO_BIAS + NO_FLAGS, LOSS_GBCE, LOGQ_STANDARD, 0},
    {33, 9, 100, 300, 7, 64, SCORE_DOT, 1, TABLE_FROZEN + BIAS_FROZEN, LOSS_GBCE, LOGQ_STANDARD, 0.5f},
    {9, 3, 17, 20, 2, 20, SCORE_COSINE, 0.2f, TINY, LOSS_GBCE, LOGQ_STANDARD, 0.5f},
    // BPR.
    {1, 0, 1, 1, 0, 1, SCORE_DOT, 1, ALL, LOSS_BPR, LOGQ_STANDARD, 0}, // no negative is left
    {0, 4, 20, 33, 5, 9, SCORE_DOT, 1, ALL, LOSS_BPR, LOGQ_STANDARD, 0},
    {3, 4, 20, 50, 5, 7, SCORE_DOT, 1, ALL, LOSS_BPR, LOGQ_STANDARD, 0},
    {97, 7, 36, 500, 5, 33, SCORE_DOT, 2, ALL, LOSS_BPR, LOGQ_STANDARD, 0},
    {97, 7, 36, 500, 3, 50, SCORE_COSINE, 0.1f, ALL, LOSS_BPR, LOGQ_CORRECTED, 0},
    {64, 0, 20, 3000, 0, 1030, SCORE_DOT, 1, NO_BIAS, LOSS_BPR, LOGQ_STANDARD, 0},
    {130, 9, 20, 100, 7, 17, SCORE_DOT, 1, BIAS_FROZEN + NO_ROW_LOSS, LOSS_BPR, LOGQ_STANDARD, 0},
    {33, 9, 100, 300, 7, 64, SCORE_COSINE, 1, TABLE_FROZEN, LOSS_BPR, LOGQ_STANDARD, 0},
    {40, 3, 17, 5, 2, 20, SCORE_COSINE, 0.2f, TINY, LOSS_BPR, LOGQ_STANDARD, 0},
    // Real sizes, when repeated.
    {13, 0, 768, 30011, 5, 0, SCORE_DOT, 1, ALL, SOFTMAX},
    {13, 0, 128, 30011, 5, 0, SCORE_COSINE, 0.1f, ALL, SOFTMAX},
    {61, 0, 128, 30011, 5, 4096, SCORE_DOT, 1, ALL, SOFTMAX},
    {61, 0, 128, 12101, 5, 1024, SCORE_COSINE, 0.2f, ALL, SOFTMAX},
    {61, 0, 128, 30011, 5, 4096, SCORE_DOT, 1, ALL, LOSS_SOFTMAX, LOGQ_CORRECTED, 0.1f},
    {61, 0, 128, 30011, 5, 256, SCORE_DOT, 1, ALL, LOSS_GBCE, LOGQ_STANDARD, 0.27f},
    {61, 0, 128, 12101, 5, 1024, SCORE_COSINE, 0.2f, ALL, LOSS_BPR, LOGQ_STANDARD, 0},
};
static const int32_t repeated[] = {158, 79, 135, 135, 135, 135, 135};

static void label(int32_t i, char text[LABEL]) {
  const xent_case *k = &cases[i];
  static const char *const losses[] = {"smoothing", "gBCE", "BPR"}, *const logq[] = {"", ", corrected logQ",
                                                                                     ", no logQ"};
  char loss[96] = "full";
  int n = 4;
  if (k->negatives > 0)
    n = snprintf(loss, sizeof loss, "%d negatives%s", k->negatives,
                 k->loss == LOSS_SOFTMAX ? logq[k->logq] : "");
  if (k->loss != LOSS_SOFTMAX || k->parameter > 0)
    snprintf(loss + n, sizeof loss - (size_t)n, ", %s %g", losses[k->loss], (double)k->parameter);
  snprintf(text, LABEL,
           "%s, %s, %d of %d rows, hidden %d, %d classes from %d, temperature %g%s%s%s%s%s%s%s%s%s", loss,
           k->score == SCORE_DOT ? "dot" : "cosine", k->n, k->n + k->slack, k->hidden, k->classes,
           k->class_base, (double)k->temperature, k->how & NO_BIAS ? ", no bias" : "",
           k->how & BIAS_FROZEN ? ", bias frozen" : "", k->how & TABLE_FROZEN ? ", table frozen" : "",
           k->how & NO_FLAGS ? ", no touched" : "", k->how & NO_ROW_LOSS ? ", no row_loss" : "",
           k->how & TINY ? ", tiny rows" : "", k->how & FACTORS ? ", factors" : "",
           k->how & A_FROZEN ? ", A frozen" : "", k->how & B_FROZEN ? ", B frozen" : "");
}

enum { LOW = 7 }; // of a table's factors

// Rows 0, 1, 2 become nothing, shorter than 1e-6, and just longer.
static void make_tiny(fixture *f, int32_t at) {
  static const double factors[] = {0, 1.5e-7, 1e-5};
  tensor *t = &f->t[at];
  if (f->rc != OK) return;
  for (int32_t j = 0; j < 3 * t->width; j++)
    t->values[j] = round_to_act(t->values[j] * factors[j / t->width], f->act_size);
}

static void setup(int32_t i, fixture *f) {
  const xent_case *k = &cases[i];
  fixture_masked(f, k->n, k->n + k->slack);
  f->batch.class_base = k->class_base;
  f->batch.classes = k->classes;
  f->batch.negatives = k->negatives;
  const rows n = {ROWS_MASKED, k->n + k->slack}, v = {ROWS_FIXED, k->classes};
  const int32_t H = k->hidden;
  const bool no_bias = (k->how & NO_BIAS) != 0, frozen = (k->how & TABLE_FROZEN) != 0;
  fixture_put(f, X, (tensor){ACTS("x", GIVEN, n, H), .derivative = DX});
  fixture_put(f, TABLE, (tensor){ACTS("table", GIVEN, v, H), .spread = 2 / sqrt(H), .derivative = DTABLE});
  fixture_put(f, BIAS, (tensor){ACTS("bias", GIVEN, v, 1), .derivative = DBIAS, .absent = no_bias});
  fixture_put(f, ROW_LOSS, (tensor){FLOATS("row_loss", SAVED, n, 1), .absent = (k->how & NO_ROW_LOSS) != 0});
  fixture_put(f, DX, (tensor){ACTS("dx", MADE, n, H)});
  fixture_put(f, DTABLE, (tensor){FLOATS("dtable", SUMMED, v, H), .spread = 0.01, .absent = frozen});
  fixture_put(f, DBIAS,
              (tensor){FLOATS("dbias", SUMMED, v, 1), .spread = 0.01,
                       .absent = no_bias || (k->how & BIAS_FROZEN) != 0});
  fixture_put(f, TOUCHED,
              (tensor){BYTES("touched", SUMMED, v, 1), .absent = frozen || (k->how & NO_FLAGS) != 0});
  const bool none = (k->how & FACTORS) == 0;
  fixture_put(f, X_LOW, (tensor){ACTS("x_low", GIVEN, n, LOW), .absent = none});
  fixture_put(f, TABLE_LOW, (tensor){ACTS("table_low", GIVEN, v, LOW), .absent = none});
  fixture_put(f, DX_LOW, (tensor){ACTS("dx_low", MADE, n, LOW), .absent = none || (k->how & B_FROZEN) != 0});
  fixture_put(f, DTABLE_LOW,
              (tensor){FLOATS("dtable_low", SUMMED, v, LOW), .spread = 0.01,
                       .absent = none || (k->how & A_FROZEN) != 0});
  if (k->how & TINY) {
    make_tiny(f, X);
    make_tiny(f, TABLE);
  }
}

// Small score_bytes, so that even small cases have several blocks of scores.
enum { FEW_BYTES = 65536, CASES = sizeof cases / sizeof *cases, REAL = sizeof repeated / sizeof *repeated };

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)f;
  const xent_case *k = &cases[i];
  const batch_view *b = &c->batch;
  p->xent = (xent_params){.n = {ROWS_MASKED, k->n + k->slack},
                          .slot = i % MAX_SLOTS,
                          .hidden = k->hidden,
                          .classes = k->classes,
                          .class_base = k->class_base,
                          .n_negatives = k->negatives,
                          .labels = b->labels,
                          .weights = b->weights,
                          .negatives = b->negatives,
                          .negative_logq = b->negative_logq,
                          .label_logq = b->label_logq,
                          .score_bytes = i < CASES - REAL ? FEW_BYTES : 0,
                          .loss = k->loss,
                          .logq = k->logq,
                          .smoothing = k->loss == LOSS_SOFTMAX ? k->parameter : 0,
                          .beta = k->loss == LOSS_GBCE ? k->parameter : 0,
                          .score = k->score,
                          .inv_temperature = 1 / k->temperature,
                          .x = c->at[X],
                          .table = c->at[TABLE],
                          .bias = c->at[BIAS],
                          .row_loss = c->at[ROW_LOSS],
                          .forward_only = pass == FORWARD && i % 2 == 0,
                          .dx = pass == BACKWARD ? c->at[DX] : NULL,
                          .dtable = c->at[DTABLE],
                          .dbias = c->at[DBIAS],
                          .touched = c->at[TOUCHED],
                          .low = k->how & FACTORS ? LOW : 0,
                          .x_low = c->at[X_LOW],
                          .table_low = c->at[TABLE_LOW],
                          .dx_low = pass == BACKWARD ? c->at[DX_LOW] : NULL,
                          .dtable_low = c->at[DTABLE_LOW]};
}

const suite suite_xent = {.name = "xent",
                          .kind = OP_XENT,
                          .cases = sizeof cases / sizeof *cases,
                          .real = sizeof repeated / sizeof *repeated,
                          .repeats = repeated,
                          .label = label,
                          .setup = setup,
                          .bind = bind};
