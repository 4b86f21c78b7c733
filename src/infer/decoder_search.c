// Which tokens are taken, where each hypothesis goes its own way: the best one, or a draw; see decoder.h.
//
// A draw is a function of names: the seed of the call, that of the request, the number of the copy, the position, and how often it went back
// (so that a draw in place of another is independent of it, and follows the distribution of what is left). So the same copy comes
// in any batch and with any number of threads.
#include <math.h>
#include <string.h>
#include "infer/decoder.h"
#include "infer/top_k.h"

enum { DRAW_STREAM = 0xC000 }; // of those that base/philox.h lists

static double log_sum(decoder *d, const float *logits) {
  const size_t C = (size_t)d->classes;
  memcpy(d->scaled, logits, C * sizeof *logits);
  const float most = d->c.k->max(d->scaled, C);
  return (double)most + log((double)d->c.k->exp_sum(d->scaled, most, C));
}

void search_finish(decoder *d, copy_seat *s, const hypothesis *h, double score, bool cut) {
  const bool draws = d->j->options.decode == SOUK_DECODE_SAMPLE;
  const int32_t most = d->j->options.n_best;
  int32_t at = s->n_finished;
  while (at > 0 && (draws ? s->finished[at - 1].number > h->number : s->finished[at - 1].score < score)) at--;
  if (at == most) return;
  if (s->n_finished < most) s->n_finished++;
  finished_copy own = s->finished[s->n_finished - 1]; // the last one's room for tokens goes to the new one
  memmove(&s->finished[at + 1], &s->finished[at], (size_t)(s->n_finished - 1 - at) * sizeof own);
  own.n = h->n;
  own.number = h->number;
  own.told = h->told;
  own.log_probability = h->log_probability;
  own.score = score;
  own.flags = cut ? SOUK_COPY_CUT : 0;
  memcpy(own.tokens, h->tokens, (size_t)h->n * sizeof *own.tokens);
  s->finished[at] = own;
}

// ---- greedy --------------------------------------------------------------------------------------------------

// The most probable token that may come; the first of equals.
static int32_t best_token(const decoder *d, const float *logits) {
  int32_t best = -1;
  float most = -INFINITY;
  for (int32_t begin = 0; begin < d->classes; begin += 64) {
    const int32_t n = d->classes - begin < 64 ? d->classes - begin : 64;
    if (d->bits[begin / 64] == 0 || !(d->c.k->max(logits + begin, (size_t)n) > most)) continue;
    for (int32_t i = begin; i < begin + n; i++)
      if (logits[i] > most && bit_is_set(d->bits, i)) {
        best = i;
        most = logits[i];
      }
  }
  return best;
}

// ---- sampling ------------------------------------------------------------------------------------------------

// Uniform in [0, 1), 53 bits.
static double draw(const decoder *d, const copy_seat *s, const hypothesis *h) {
  const uint32_t position = (uint32_t)h->n | (uint32_t)h->n_dead << 16, low = (uint32_t)s->seed,
                 high = (uint32_t)(s->seed >> 32);
  uint32_t words[4];
  uint8_t bytes[16];
  d->c.k->philox(d->j->options.seed, DRAW_STREAM, &position, (uint32_t)h->number, &low, &high, bytes, 1);
  for (int i = 0; i < 4; i++)
    words[i] = (uint32_t)bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 | (uint32_t)bytes[4 * i + 2] << 16 |
               (uint32_t)bytes[4 * i + 3] << 24;
  return (double)(((uint64_t)words[0] << 32 | words[1]) >> 11) * 0x1p-53;
}

// Leaves of the weights d->scaled only those of the top_k largest and, of these, of the fewest that have top_p of their sum.
static void narrow(decoder *d, size_t allowed, double sum) {
  const souk_promo_options *o = &d->j->options;
  const int32_t most = o->top_k > 0 && o->top_k < d->classes ? o->top_k : d->classes;
  // What is below this makes less than 1 - top_p of the sum, all together, so none of it is among the fewest.
  const double least = most < d->classes ? 0 : (1 - o->top_p) * sum / (double)allowed;
  top_k best = top_k_in(d->ranked, most);
  double kept = 0, taken = 0;
  for (int32_t i = 0; i < d->classes; i++)
    if (d->scaled[i] > 0 && (double)d->scaled[i] >= least)
      if (d->scaled[i] > best.threshold) top_k_keep(&best, (ranked){d->scaled[i], i});
  top_k_sort(&best);
  for (int32_t i = 0; i < best.n; i++) kept += (double)best.at[i].score;
  if (most == d->classes) kept = sum;
  memset(d->scaled, 0, (size_t)d->classes * sizeof *d->scaled);
  for (int32_t i = 0; i < best.n && (i == 0 || taken < o->top_p * kept); i++) {
    taken += (double)best.at[i].score;
    d->scaled[best.at[i].item] = best.at[i].score;
  }
}

static int32_t drawn_token(decoder *d, const copy_seat *s, const hypothesis *h, const float *logits) {
  const souk_promo_options *o = &d->j->options;
  const float factor = (float)fmin(1 / o->temperature, 1e30); // finite: what is 0 stays 0
  size_t allowed = 0;
  double sum = 0, at = 0;
  int32_t last = -1;
  for (int32_t i = 0; i < d->classes; i++) d->scaled[i] = bit_is_set(d->bits, i) ? logits[i] : -INFINITY;
  const float most = d->c.k->max(d->scaled, (size_t)d->classes);
  for (int32_t i = 0; i < d->classes;
       i++) // where nothing is allowed these are no numbers, and become 0 below
    d->scaled[i] = (d->scaled[i] - most) * factor;
  d->c.k->exp_sum(d->scaled, 0, (size_t)d->classes);
  for (int32_t i = 0; i < d->classes; i++) {
    if (!bit_is_set(d->bits, i)) d->scaled[i] = 0; // exp_sum has made a small number of it
    allowed += bit_is_set(d->bits, i);
    sum += (double)d->scaled[i];
  }
  if (o->top_k > 0 || o->top_p < 1) narrow(d, allowed, sum);
  sum = 0;
  for (int32_t i = 0; i < d->classes; i++) sum += (double)d->scaled[i];
  const double wanted = draw(d, s, h) * sum;
  for (int32_t i = 0; i < d->classes && (last < 0 || at <= wanted); i++) {
    at += (double)d->scaled[i];
    if (d->scaled[i] > 0) last = i;
  }
  return last;
}

// ---- beginning -----------------------------------------------------------------------------------------------

static void begin_hypothesis(const decoder *d, const copy_seat *s, hypothesis *h, int32_t number,
                             int32_t row) {
  h->n = 0;
  h->place = h->number = number;
  h->row = row;
  h->log_probability = 0;
  h->told = 0;
  h->furthest = 0;
  h->n_dead = 0;
  if (h->coverage != NULL) memset(h->coverage, 0, (size_t)s->rows.plan.source * sizeof *h->coverage);
  limits_begin(&s->limits, &h->state);
  (void)d;
}

void search_begin(decoder *d, copy_seat *s, int32_t row) {
  s->n_finished = 0;
  s->n_live = d->j->options.decode == SOUK_DECODE_SAMPLE ? d->j->options.n_best : 1;
  if (d->j->options.decode == SOUK_DECODE_BEAM) s->n_live = d->j->options.beam_groups;
  for (int32_t i = 0; i < s->n_live; i++) begin_hypothesis(d, s, &s->live[i], i, row);
}

souk_status search_row(decoder *d, const copy_seat *s, const hypothesis *h, double *sum, bool *any,
                       souk_error *e) {
  *sum = log_sum(d, d->logits + (size_t)h->row * (size_t)d->classes);
  if (!isfinite(*sum))
    return infer_fail(e, SOUK_ERR_NONFINITE,
                      "requests[%zu]: a logit is not finite; the weights of %s are too large", s->request,
                      d->b->dir);
  *any = limits_mask(&s->limits, &h->state, h->tokens, h->n, d->bits);
  return SOUK_OK;
}

// ---- dead ends -----------------------------------------------------------------------------------------------

static void forbid_dead_ends(decoder *d, const hypothesis *h) {
  for (int32_t i = 0; i < h->n_dead; i++)
    if (h->dead[i].at == h->n) d->bits[h->dead[i].token / 64] &= ~(UINT64_C(1) << (h->dead[i].token % 64));
}

// Goes back by a token behind which nothing may come, whose place another one takes in the next step. False: it cannot, because that was
// the first one, or a stream may have it already, or it has gone back too often.
static bool go_back(const copy_seat *s, hypothesis *h) {
  int32_t kept = 0;
  if (h->n < 2 || h->n_dead == DEAD_MOST || h->n <= h->furthest - BACK_MOST) return false;
  const dead_end last = {h->n - 1, h->tokens[h->n - 1]};
  h->n--;
  h->log_probability -= h->gained[h->n];
  for (int32_t i = 0; i < h->n_dead; i++)
    if (h->dead[i].at <= h->n) h->dead[kept++] = h->dead[i]; // the others were behind another beginning
  h->dead[kept] = last;
  h->n_dead = kept + 1;
  limits_begin(&s->limits, &h->state);
  for (int32_t i = 0; i < h->n; i++) limits_after(&s->limits, &h->state, h->tokens[i]);
  return true;
}

// ---- a step --------------------------------------------------------------------------------------------------

// Takes a token. False: the hypothesis lives no longer.
static souk_status take_token(decoder *d, copy_seat *s, hypothesis *h, bool *lives, souk_error *e) {
  const float *logits = d->logits + (size_t)h->row * (size_t)d->classes;
  double sum;
  bool any;
  PASS(search_row(d, s, h, &sum, &any, e));
  forbid_dead_ends(d, h);
  const bool draws = d->j->options.decode == SOUK_DECODE_SAMPLE;
  const int32_t token = !any ? -1 : draws ? drawn_token(d, s, h, logits) : best_token(d, logits);
  *lives = token >= 0 && token != TOKEN_SEP;
  if (token < 0) {
    *lives = go_back(s, h);
    return SOUK_OK;
  }
  const double gain = (double)logits[token] - sum;
  h->log_probability += gain;
  if (token == TOKEN_SEP) {
    search_finish(d, s, h, h->log_probability, h->n == s->limits.most);
    return SOUK_OK;
  }
  h->gained[h->n] = gain;
  h->tokens[h->n] = token;
  h->places[h->n++] = (uint8_t)h->place;
  if (h->n > h->furthest) h->furthest = h->n;
  limits_after(&s->limits, &h->state, token);
  return SOUK_OK;
}

// Every hypothesis takes a token; those that live go to the front.
static souk_status step_alone(decoder *d, copy_seat *s, souk_error *e) {
  int32_t live = 0;
  for (int32_t i = 0; i < s->n_live; i++) {
    bool lives;
    PASS(take_token(d, s, &s->live[i], &lives, e));
    if (!lives) continue;
    const hypothesis moved = s->live[live]; // its room goes where this one was
    s->live[live] = s->live[i];
    if (live != i) s->live[i] = moved;
    live++;
  }
  s->n_live = live;
  return SOUK_OK;
}

souk_status search_step(decoder *d, copy_seat *s, souk_error *e) {
  return d->j->options.decode == SOUK_DECODE_BEAM ? beam_step(d, s, e) : step_alone(d, s, e);
}
