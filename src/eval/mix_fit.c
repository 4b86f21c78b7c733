// Newton's method for the weights of a mix; see mix_fit.h. Sums over questions are taken in blocks of questions, which are added up
// in their order: the same weights for any number of threads.
#include "eval/mix_fit.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "simd/simd.h"

enum { BLOCK = 64, MOST_STEPS = 100, ROUNDS = 8, MOST_WEIGHTS = 5 + MIX_SUMS * MIX_TERMS };
enum { AT_ENCODER, AT_POPULARITY, AT_UNSEEN, COMMON, AT_REACHED = COMMON, AT_REACHED_POPULARITY, AT_TERMS };

#define LEAST_GAIN 1e-6 // a step that gains less is the last

void mix_samples_free(mix_samples *s) {
  free(s->end);
  free(s->target);
  free(s->weight);
  free(s->reached_end);
  free(s->candidates);
  free(s->x);
  *s = (mix_samples){0};
}

// One question in the matrices of the fitter: its reached candidates, then the others.
typedef struct span {
  int64_t reached, n_reached; // rows of `reached`
  int64_t rest, n_rest;       // rows of `rest`
  int64_t begin;              // candidates
} span;

typedef struct fitter {
  const mix_samples *s;
  int32_t k;       // weights
  float *reached;  // [reached in all][k] what the weights of reached candidates are multiplied with
  float *rest;     // [others in all][COMMON] the same for those without sums
  int64_t longest; // list of candidates
  double w[MOST_WEIGHTS], penalty[MOST_WEIGHTS];
  double *blocks; // [blocks][1 + k + k k] loss, gradient, Hessian
  int64_t n_blocks;
  double *weight; // [questions]
  double *nats;   // [questions] -ln p of the latest evaluation
  double total;   // weight of all questions
} fitter;

static span span_of(const mix_samples *s, int64_t q) {
  const int64_t begin = q > 0 ? s->end[q - 1] : 0, x = q > 0 ? s->reached_end[q - 1] : 0;
  const int64_t n_reached = s->reached_end[q] - x;
  return (span){x, n_reached, begin - x, s->end[q] - begin - n_reached, begin};
}

// ---- features --------------------------------------------------------------------------------------------------

static void common_features(const mix_fitting *f, const mix_candidate *c, float *out) {
  out[AT_ENCODER] = f->encoder ? c->encoder : 0;
  out[AT_POPULARITY] = f->popularity ? c->log_count : 0;
  out[AT_UNSEEN] = f->popularity && !(c->log_count > 0) ? 1 : 0;
}

static void sum_features(const mix_config *c, const float *x, float *out) {
  for (int32_t s = 0; s < c->n; s++)
    for (int32_t i = 0; i < c->sums[s].n; i++, out++) {
      const double gain = c->sums[s].terms[i].gain;
      *out = gain > 0 ? (float)log1p(gain * (double)x[s]) : x[s];
    }
}

static bool is_reached(const float *x, int32_t n) {
  for (int32_t s = 0; s < n; s++)
    if (x[s] > 0) return true;
  return false;
}

static status make_features(fitter *t, const mix_config *c, const mix_fitting *f) {
  const mix_samples *s = t->s;
  const int64_t n = s->end[s->questions - 1], reached = s->reached_end[s->questions - 1], k = t->k;
  TRY(mem_new(&t->reached, (size_t)(reached * k), sizeof *t->reached, "the features of a mix"));
  TRY(mem_new(&t->rest, (size_t)((n - reached) * COMMON), sizeof *t->rest, "the features of a mix"));
#pragma omp parallel for schedule(dynamic, BLOCK)
  for (int64_t q = 0; q < s->questions; q++) {
    const span of = span_of(s, q);
    for (int64_t i = 0; i < of.n_reached; i++) {
      float *row = t->reached + (of.reached + i) * k;
      common_features(f, &s->candidates[of.begin + i], row);
      const float *x = s->x + (of.reached + i) * s->sums;
      sum_features(c, x, row + AT_TERMS);
      if (f->reached && is_reached(x, c->n)) {
        row[AT_REACHED] = 1;
        row[AT_REACHED_POPULARITY] = s->candidates[of.begin + i].log_count;
      }
    }
    for (int64_t i = 0; i < of.n_rest; i++)
      common_features(f, &s->candidates[of.begin + of.n_reached + i], t->rest + (of.rest + i) * COMMON);
  }
  for (int64_t q = 0; q < s->questions; q++) {
    const span of = span_of(s, q);
    if (of.n_reached + of.n_rest > t->longest) t->longest = of.n_reached + of.n_rest;
  }
  return OK;
}

// ---- one question ----------------------------------------------------------------------------------------------

// Scratch of a thread.
typedef struct scratch {
  float *p;    // [longest] scores, then shares
  float *rows; // [longest][k] features times the roots of the shares
  float *sums; // [k + k k]
} scratch;

static bool scratch_new(scratch *r, const fitter *t) {
  const size_t n = (size_t)t->longest, k = (size_t)t->k;
  *r = (scratch){malloc(n * sizeof(float)), malloc(n * k * sizeof(float)),
                 malloc((k + k * k) * sizeof(float))};
  return r->p != NULL && r->rows != NULL && r->sums != NULL;
}

static void scratch_free(scratch *r) {
  free(r->p);
  free(r->rows);
  free(r->sums);
}

// Scores, then shares of the softmax; returns -ln p(answer).
static double shares(const fitter *t, const float *w, int64_t q, const span *of, float *p) {
  const int64_t n = of->n_reached + of->n_rest;
  double total = 0;
  if (of->n_reached > 0)
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)of->n_reached, t->k, 1, t->reached + of->reached * t->k,
                t->k, w, 1, 0, p, 1);
  for (int64_t i = 0; i < of->n_rest; i++) {
    const float *x = t->rest + (of->rest + i) * COMMON;
    p[of->n_reached + i] = w[0] * x[0] + w[1] * x[1] + w[2] * x[2];
  }
  const float most = simd()->max(p, (size_t)n), target = p[t->s->target[q] - of->begin];
  simd()->exp_sum(p, most, (size_t)n);
  for (int64_t i = 0; i < n; i++) {
    p[i] *= t->s->candidates[of->begin + i].weight;
    total += (double)p[i];
  }
  simd()->scale((float)(1 / total), p, (size_t)n);
  return log(total) + (double)most - (double)target;
}

// Adds a question's gradient and the upper half of its Hessian, the covariance of the features under the shares.
static void add_derivatives(const fitter *t, int64_t q, const span *of, scratch *r, double *sums) {
  const int32_t k = t->k;
  const float *x = t->reached + of->reached * k, *rest = t->rest + of->rest * COMMON, *p = r->p;
  float *mean = r->sums, *product = r->sums + k;
  memset(r->sums, 0, ((size_t)k + (size_t)k * (size_t)k) * sizeof *r->sums);
  if (of->n_reached > 0) {
    for (int64_t i = 0; i < of->n_reached; i++) {
      const float root = sqrtf(p[i]);
#pragma omp simd
      for (int32_t a = 0; a < k; a++) r->rows[i * k + a] = root * x[i * k + a];
    }
    cblas_sgemv(CblasRowMajor, CblasTrans, (int)of->n_reached, k, 1, x, k, p, 1, 0, mean, 1);
    cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, k, (int)of->n_reached, 1, r->rows, k, 0, product, k);
  }
  for (int64_t i = 0; i < of->n_rest; i++)
    for (int32_t a = 0; a < COMMON; a++) {
      const float v = p[of->n_reached + i] * rest[i * COMMON + a];
      mean[a] += v;
      for (int32_t b = a; b < COMMON; b++) product[a * k + b] += v * rest[i * COMMON + b];
    }
  const int64_t answer = t->s->target[q] - of->begin;
  double *gradient = sums, *hessian = sums + k;
  const double weight = t->weight[q];
  for (int32_t a = 0; a < k; a++) {
    const float of_answer = answer < of->n_reached ? x[answer * k + a]
                            : a < COMMON           ? rest[(answer - of->n_reached) * COMMON + a]
                                                   : 0;
    gradient[a] += weight * ((double)mean[a] - (double)of_answer);
    for (int32_t b = a; b < k; b++)
      hessian[a * k + b] += weight * ((double)product[a * k + b] - (double)mean[a] * (double)mean[b]);
  }
}

// ---- all questions -----------------------------------------------------------------------------------------------

// Mean loss at w, prior included; with the gradient and Hessian of it in out [1 + k + k k] where `whole`.
static status evaluate(fitter *t, const double *w, bool whole, double *out) {
  const int32_t k = t->k;
  float weights[MOST_WEIGHTS];
  for (int32_t a = 0; a < k; a++) weights[a] = (float)w[a];
  const size_t width = 1 + (size_t)k + (size_t)k * (size_t)k;
  bool failed = false;
  memset(t->blocks, 0, (size_t)t->n_blocks * width * sizeof *t->blocks);
#pragma omp parallel reduction(|| : failed)
  {
    scratch r;
    const bool good = scratch_new(&r, t);
    failed = !good;
#pragma omp for schedule(dynamic, 1)
    for (int64_t b = 0; b < t->n_blocks; b++) {
      double *sums = t->blocks + (size_t)b * width;
      for (int64_t q = b * BLOCK; good && q < (b + 1) * BLOCK && q < t->s->questions; q++) {
        const span of = span_of(t->s, q);
        t->nats[q] = shares(t, weights, q, &of, r.p);
        sums[0] += t->weight[q] * t->nats[q];
        if (whole) add_derivatives(t, q, &of, &r, sums + 1);
      }
    }
    scratch_free(&r);
  }
  if (failed) return fail(ERR_MEMORY, "out of memory: learning the weights of a mix");
  memset(out, 0, width * sizeof *out);
  for (int64_t b = 0; b < t->n_blocks; b++)
    for (size_t i = 0; i < width; i++) out[i] += t->blocks[(size_t)b * width + i];
  for (size_t i = 0; i < width; i++) out[i] /= t->total;
  for (int32_t a = 0; a < k; a++) {
    out[0] += 0.5 * t->penalty[a] * w[a] * w[a];
    out[1 + a] += t->penalty[a] * w[a];
    out[1 + k + a * k + a] += t->penalty[a];
  }
  return OK;
}

// Solves h x = g for a symmetric positive definite h [k][k], of which the upper half is given, by Cholesky's method; h and g are
// overwritten, g with x. false: h is not positive definite.
static bool solve(double *h, double *g, int32_t k) {
  for (int32_t i = 0; i < k; i++) {
    for (int32_t a = 0; a < i; a++)
      for (int32_t j = i; j < k; j++) h[i * k + j] -= h[a * k + i] * h[a * k + j];
    if (!(h[i * k + i] > 0)) return false;
    const double root = sqrt(h[i * k + i]);
    for (int32_t j = i; j < k; j++) h[i * k + j] /= root;
  }
  for (int32_t i = 0; i < k; i++) {
    for (int32_t a = 0; a < i; a++) g[i] -= h[a * k + i] * g[a];
    g[i] /= h[i * k + i];
  }
  for (int32_t i = k - 1; i >= 0; i--) {
    for (int32_t j = i + 1; j < k; j++) g[i] -= h[i * k + j] * g[j];
    g[i] /= h[i * k + i];
  }
  return true;
}

static void add_moments(const float *x, int32_t n, double *sums, double *squares) {
  for (int32_t a = 0; a < n; a++) {
    sums[a] += (double)x[a];
    squares[a] += (double)x[a] * (double)x[a];
  }
}

// The prior is about weights of features with standard deviation 1. What varies not at all, or is not weighted, stays 0.
static void set_penalties(fitter *t, double prior) {
  const mix_samples *s = t->s;
  const int64_t all = s->end[s->questions - 1], reached = s->reached_end[s->questions - 1];
  double sums[MOST_WEIGHTS] = {0}, squares[MOST_WEIGHTS] = {0};
  for (int64_t i = 0; i < reached; i++) add_moments(t->reached + i * t->k, t->k, sums, squares);
  for (int64_t i = 0; i < all - reached; i++) add_moments(t->rest + i * COMMON, COMMON, sums, squares);
  for (int32_t a = 0; a < t->k; a++) {
    const double mean = sums[a] / (double)all, variance = squares[a] / (double)all - mean * mean;
    t->penalty[a] = variance > 1e-30 ? prior * variance : 1;
  }
}

// Goes from w along -step, half as far as often as it must to gain. false: there is nothing to gain any more.
static status line_search(fitter *t, const double *step, double *now, bool *gained) {
  double next[MOST_WEIGHTS] = {0}, *at = now + 1 + t->k + t->k * t->k; // the second half of `now`
  *gained = false;
  for (double length = 1; length > 1e-6; length /= 2) {
    for (int32_t a = 0; a < t->k; a++) next[a] = t->w[a] - length * step[a];
    TRY(evaluate(t, next, false, at));
    if (!(at[0] < now[0])) continue;
    *gained = now[0] - at[0] > LEAST_GAIN;
    memcpy(t->w, next, sizeof next);
    return OK;
  }
  return OK;
}

static status minimise(fitter *t, double *now, int32_t *steps) {
  const int32_t k = t->k;
  bool gained = true;
  for (int32_t i = 0; gained && i < MOST_STEPS; i++, ++*steps) {
    double step[MOST_WEIGHTS] = {0};
    TRY(evaluate(t, t->w, true, now));
    if (!isfinite(now[0]))
      return fail(ERR_NONFINITE, "the likelihood of a mix is not finite; the model's scores are too large");
    if (!solve(now + 1 + k, now + 1, k))
      return fail(ERR_NONFINITE,
                  "the weights of a mix cannot be told apart; a larger prior (mix.prior) helps");
    memcpy(step, now + 1, (size_t)k * sizeof *step);
    TRY(line_search(t, step, now, &gained));
  }
  return OK;
}

// Weights the questions by p^focus, of the latest evaluation.
static void weight_questions(fitter *t, double focus) {
  t->total = 0;
  for (int64_t q = 0; q < t->s->questions; q++) {
    t->weight[q] = (double)t->s->weight[q] * (focus > 0 ? exp(-focus * t->nats[q]) : 1);
    t->total += t->weight[q];
  }
}

// now: scratch for two evaluations.
static status learn(fitter *t, double focus, double *now, mix_fitted *out) {
  weight_questions(t, 0);
  TRY(minimise(t, now, &out->steps));
  for (int round = 0; focus > 0 && round < ROUNDS; round++) {
    TRY(evaluate(t, t->w, false, now));
    weight_questions(t, focus);
    TRY(minimise(t, now, &out->steps));
  }
  weight_questions(t, 0);
  TRY(evaluate(t, t->w, false, now));
  for (int64_t q = 0; q < t->s->questions; q++)
    out->loss += t->weight[q] / t->total * (focus > 0 ? -expm1(-focus * t->nats[q]) / focus : t->nats[q]);
  return OK;
}

static status fit(fitter *t, const mix_config *c, const mix_fitting *f, mix_fitted *out) {
  const size_t k = (size_t)t->k, width = 1 + k + k * k, questions = (size_t)t->s->questions;
  double *now;
  TRY(mem_new(&t->blocks, (size_t)t->n_blocks * width, sizeof *t->blocks, "the weights of a mix"));
  TRY(mem_new(&t->weight, questions, sizeof *t->weight, "the weights of a mix"));
  TRY(mem_new(&t->nats, questions, sizeof *t->nats, "the weights of a mix"));
  TRY(make_features(t, c, f));
  set_penalties(t, f->prior);
  TRY(mem_new(&now, 2 * width, sizeof *now, "the weights of a mix"));
  const status rc = learn(t, f->focus, now, out);
  free(now);
  return rc;
}

status mix_fit(mix_config *c, const mix_samples *s, const mix_fitting *f, mix_fitted *out) {
  fitter t = {.s = s, .k = AT_TERMS, .n_blocks = (s->questions + BLOCK - 1) / BLOCK};
  *out = (mix_fitted){0};
  for (int32_t i = 0; i < c->n; i++) t.k += c->sums[i].n;
  if (s->questions < 1)
    return fail(ERR_ARGUMENT, "the weights of a mix are learned from questions; there are none");
  const status rc = fit(&t, c, f, out);
  free(t.blocks);
  free(t.weight);
  free(t.nats);
  free(t.reached);
  free(t.rest);
  TRY(rc);
  c->scale = t.w[AT_ENCODER];
  c->popularity = t.w[AT_POPULARITY];
  c->unseen = t.w[AT_UNSEEN];
  c->reached = t.w[AT_REACHED];
  c->reached_popularity = t.w[AT_REACHED_POPULARITY];
  for (int32_t i = 0, at = AT_TERMS; i < c->n; i++)
    for (int32_t j = 0; j < c->sums[i].n; j++) c->sums[i].terms[j].weight = t.w[at++];
  return OK;
}
