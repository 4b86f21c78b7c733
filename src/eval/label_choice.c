// Learning from fewer labels; see label_choice.h.
#include "eval/label_choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"

enum { MOST = 4096 };

int64_t pseudo_labels(const label_scores *s, const double *temperatures, double threshold, int32_t *labels) {
  double p[MOST];
  int64_t taken = 0;
  for (int64_t i = 0; i < s->n; i++) {
    int32_t *to = labels + (s->single ? i : i * s->labels), best = 0;
    bool any = false;
    label_probabilities(s->logits + i * s->labels, s->labels, s->single, temperatures, p);
    for (int32_t k = 1; k < s->labels; k++)
      if (p[k] > p[best]) best = k;
    if (s->single) to[0] = p[best] >= threshold ? best : -1;
    if (s->single) any = to[0] >= 0;
    for (int32_t k = 0; !s->single && k < s->labels; k++) {
      to[k] = p[k] >= threshold ? 1 : p[k] <= 1 - threshold ? 0 : -1;
      any = any || to[k] >= 0;
    }
    taken += any;
  }
  return taken;
}

double pseudo_precision(const label_scores *truth, const int32_t *labels, int64_t *judged) {
  const int64_t n = truth->single ? truth->n : truth->n * truth->labels;
  int64_t right = 0;
  *judged = 0;
  for (int64_t i = 0; i < n; i++) {
    if (labels[i] < 0 || truth->targets[i] < 0) continue;
    right += labels[i] == truth->targets[i];
    (*judged)++;
  }
  return *judged > 0 ? (double)right / (double)*judged : (double)NAN;
}

static double part(double p) {
  return p > 0 ? -p * log(p) : 0;
}

void label_entropies(const label_scores *s, const double *temperatures, double *entropy) {
  double p[MOST];
  for (int64_t i = 0; i < s->n; i++) {
    label_probabilities(s->logits + i * s->labels, s->labels, s->single, temperatures, p);
    entropy[i] = 0;
    for (int32_t k = 0; k < s->labels; k++) entropy[i] += part(p[k]) + (s->single ? 0 : part(1 - p[k]));
  }
}

// ---- picking -------------------------------------------------------------------------------------------------

typedef struct uncertain {
  double entropy;
  int64_t row;
} uncertain;

static int by_entropy(const void *a, const void *b) {
  const uncertain *x = a, *y = b;
  if (x->entropy > y->entropy || x->entropy < y->entropy) return x->entropy > y->entropy ? -1 : 1;
  return (x->row > y->row) - (x->row < y->row);
}

// 2 - 2 cos of two directions.
static double distance(const float *a, const float *b, int32_t width) {
  double aa = 1e-12, bb = 1e-12, ab = 0;
  for (int32_t k = 0; k < width; k++) {
    aa += (double)a[k] * (double)a[k];
    bb += (double)b[k] * (double)b[k];
    ab += (double)a[k] * (double)b[k];
  }
  const double d = 2 - 2 * ab / sqrt(aa * bb);
  return d > 0 ? d : 0;
}

// Of `pool`, sorted by entropy: the next is far from those that were picked. nearest [n_pool] scratch.
static void pick_far(const uncertain *pool, int64_t n_pool, const float *vectors, int32_t width, int64_t n,
                     double *nearest, int64_t *picked) {
  for (int64_t i = 0; i < n_pool; i++) nearest[i] = INFINITY;
  int64_t last = 0;
  picked[0] = pool[0].row;
  nearest[0] = -1; // picked
  for (int64_t k = 1; k < n; k++) {
    int64_t best = -1;
    for (int64_t i = 0; i < n_pool; i++) {
      if (nearest[i] < 0) continue;
      const double d = distance(vectors + pool[i].row * width, vectors + pool[last].row * width, width);
      if (d < nearest[i]) nearest[i] = d;
      if (best < 0 || pool[i].entropy * nearest[i] > pool[best].entropy * nearest[best]) best = i;
    }
    picked[k] = pool[best].row;
    nearest[best] = -1;
    last = best;
  }
}

static void pick_random(int64_t rows_n, int64_t n, uint64_t seed, int64_t *picked) {
  rng r = rng_at(seed, STREAM_SPLIT, 1, 0);
  int64_t left = n;
  for (int64_t i = 0; left > 0; i++) // Knuth's selection sampling
    if ((int64_t)rng_below(&r, (uint64_t)(rows_n - i)) < left) picked[n - left--] = i;
}

status label_pick(pick_rule rule, const double *entropy, const float *vectors, int64_t rows_n, int32_t width,
                  int64_t n, uint64_t seed, int64_t *picked, int64_t *count) {
  uncertain *pool;
  double *nearest = NULL;
  *count = n < rows_n ? n : rows_n;
  if (*count == 0) return OK;
  if (rule == PICK_RANDOM) {
    pick_random(rows_n, *count, seed, picked);
    return OK;
  }
  TRY(mem_new(&pool, (size_t)rows_n, sizeof *pool, "rows to pick from"));
  const status rc = mem_new(&nearest, (size_t)rows_n, sizeof *nearest, "rows to pick from");
  for (int64_t i = 0; i < rows_n; i++) pool[i] = (uncertain){entropy[i], i};
  qsort(pool, (size_t)rows_n, sizeof *pool, by_entropy);
  for (int64_t i = 0; rule == PICK_ENTROPY && i < *count; i++) picked[i] = pool[i].row;
  const int64_t most = PICK_FROM * *count, n_pool = most < rows_n ? most : rows_n;
  if (rc == OK && rule == PICK_DIVERSE) pick_far(pool, n_pool, vectors, width, *count, nearest, picked);
  free(pool);
  free(nearest);
  return rc;
}
