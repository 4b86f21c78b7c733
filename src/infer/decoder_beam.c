// Beam search (see decoder.h): of all tokens behind all live hypotheses the best go on.
//
//   score      log P / ((5 + tokens) / 6)^length_penalty + coverage_penalty x sum over the source of log(min(attention, 1)), tokens with
//              the end (Wu et al., 2016, "Google's neural machine translation system", formula 14)
//   groups     beam / groups hypotheses each; a token that earlier groups have just taken costs a group `diversity` for each time
//              (Vijayakumar et al., 2018, diverse beam search with Hamming diversity)
//   required   hypotheses with as many required tokens are a bank, each bank has its share of the beam, and the next token of each requirement is a
//              candidate however improbable it is (Hokamp and Liu, 2017, grid beam search; Post and Vilar, 2018, for the shares)
//
// The search ends when no live hypothesis can come to a better score than the worst of n_best finished ones: its log probability
// only falls, and the longest copy divides it by the most. So with a beam as wide as there are hypotheses it is exhaustive.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "infer/decoder.h"

static double length_factor(const souk_promo_options *o, int32_t tokens) {
  return pow((5.0 + tokens) / 6.0, o->length_penalty);
}

static double coverage_of(const copy_seat *s, const hypothesis *h) {
  double sum = 0;
  for (int32_t i = 0; i < s->rows.plan.source; i++) sum += log(fmin(fmax((double)h->coverage[i], 1e-30), 1));
  return sum;
}

// Of a hypothesis that ends with this log probability.
static double score_of(const decoder *d, const copy_seat *s, const hypothesis *h, double total) {
  const souk_promo_options *o = &d->j->options;
  const double score = total / length_factor(o, h->n + 1);
  return h->coverage != NULL ? score + o->coverage_penalty * coverage_of(s, h) : score;
}

// ---- candidates ----------------------------------------------------------------------------------------------

static int32_t bank_behind(const copy_seat *s, const hypothesis *h, int32_t token) {
  limit_state after = h->state;
  if (s->limits.n_requirements == 0 || token == TOKEN_SEP) return 0;
  limits_after(&s->limits, &after, token);
  return limits_bank(&s->limits, &after);
}

// The best tokens that may come behind a hypothesis, into d->ranked; returns how many.
static int32_t best_tokens(decoder *d, const float *logits, int32_t n) {
  top_k best = top_k_in(d->ranked, n < d->classes ? n : d->classes);
  for (int32_t begin = 0; begin < d->classes; begin += 64) {
    const int32_t many = d->classes - begin < 64 ? d->classes - begin : 64;
    if (d->bits[begin / 64] == 0 || !(d->c.k->max(logits + begin, (size_t)many) > best.threshold)) continue;
    for (int32_t i = begin; i < begin + many; i++)
      if (logits[i] > best.threshold && bit_is_set(d->bits, i)) top_k_keep(&best, (ranked){logits[i], i});
  }
  return best.n;
}

// Adds what requirements want next, where it is not there already.
static int32_t add_required(decoder *d, const copy_seat *s, const hypothesis *h, const float *logits,
                            int32_t n) {
  const int32_t found = n;
  for (int32_t r = 0; r < s->limits.n_requirements; r++) {
    const int32_t token = limits_next(&s->limits, &h->state, r);
    bool there = token < 0 || !bit_is_set(d->bits, token);
    for (int32_t i = 0; i < n && !there; i++) there = d->ranked[i].item == token;
    if (!there && n < found + REQUIREMENTS && n < d->classes) d->ranked[n++] = (ranked){logits[token], token};
  }
  return n;
}

// How often the groups before have taken a token in this step: they are the first n of the next beam.
static int32_t times_taken(const hypothesis *taken, int32_t n, int32_t token) {
  int32_t times = 0;
  for (int32_t i = 0; i < n; i++) times += taken[i].tokens[taken[i].n - 1] == token;
  return times;
}

static int by_order(const void *a, const void *b) {
  const beam_candidate *x = a, *y = b;
  if (x->ordered > y->ordered || x->ordered < y->ordered) return x->ordered > y->ordered ? -1 : 1;
  if (x->parent != y->parent) return x->parent < y->parent ? -1 : 1;
  return (x->token > y->token) - (x->token < y->token);
}

// All candidates of a group, the best first; taken: n hypotheses of the groups before.
static souk_status list_candidates(decoder *d, const copy_seat *s, int32_t group, int32_t taken, size_t *n,
                                   souk_error *e) {
  const souk_promo_options *o = &d->j->options;
  const int32_t per = o->beam / o->beam_groups;
  *n = 0;
  for (int32_t i = 0; i < s->n_live; i++) {
    const hypothesis *h = &s->live[i];
    const float *logits = d->logits + (size_t)h->row * (size_t)d->classes;
    double sum;
    bool any;
    if (h->number != group) continue;
    PASS(search_row(d, s, h, &sum, &any, e));
    const int32_t best = any ? best_tokens(d, logits, 2 * per + taken) : 0,
                  all = add_required(d, s, h, logits, best);
    for (int32_t k = 0; k < all; k++) {
      const int32_t token = d->ranked[k].item;
      const double total = h->log_probability + (double)logits[token] - sum;
      d->candidates[(*n)++] =
          (beam_candidate){.total = total,
                           .ordered = total - o->diversity * times_taken(s->spare, taken, token),
                           .parent = i,
                           .token = token,
                           .bank = bank_behind(s, h, token)};
    }
  }
  qsort(d->candidates, *n, sizeof *d->candidates, by_order);
  return SOUK_OK;
}

// ---- the next beam -------------------------------------------------------------------------------------------

static void take(const decoder *d, copy_seat *s, const beam_candidate *c, int32_t at) {
  const hypothesis *from = &s->live[c->parent];
  hypothesis *to = &s->spare[at];
  memcpy(to->tokens, from->tokens, (size_t)from->n * sizeof *to->tokens);
  memcpy(to->places, from->places, (size_t)from->n);
  if (to->coverage != NULL)
    memcpy(to->coverage, from->coverage, (size_t)s->rows.plan.source * sizeof *to->coverage);
  to->number = from->number;
  to->place = at;
  to->n = from->n + 1;
  to->tokens[from->n] = c->token;
  to->places[from->n] = (uint8_t)at;
  to->log_probability = c->total;
  to->state = from->state;
  limits_after(&s->limits, &to->state, c->token);
  (void)d;
}

// Ends the hypotheses whose end is among the best `per` candidates; a candidate that is dealt with gets token -1.
static void finish_ended(decoder *d, copy_seat *s, size_t n, int32_t per) {
  for (size_t k = 0; k < n; k++) {
    beam_candidate *c = &d->candidates[k];
    if (c->token != TOKEN_SEP) continue;
    c->token = -1;
    if (k >= (size_t)per) continue;
    hypothesis h = s->live[c->parent];
    h.log_probability = c->total;
    search_finish(d, s, &h, score_of(d, s, &h, c->total), h.n == s->limits.most);
  }
}

// Takes up to `most` of a bank (-1: of any), and returns how many hypotheses the next beam has then.
static int32_t take_bank(decoder *d, copy_seat *s, size_t n, int32_t bank, int32_t most, int32_t at) {
  for (size_t k = 0; k < n && most > 0; k++) {
    beam_candidate *c = &d->candidates[k];
    if (c->token < 0 || (bank >= 0 && c->bank != bank)) continue;
    take(d, s, c, at++);
    c->token = -1;
    most--;
  }
  return at;
}

static int32_t take_group(decoder *d, copy_seat *s, size_t n, int32_t per, int32_t at) {
  const int32_t banks = s->limits.n_required + 1, share = per / banks > 0 ? per / banks : 1, end = at + per;
  finish_ended(d, s, n, per);
  for (int32_t bank = banks - 1; banks > 1 && bank >= 0;
       bank--) // what is furthest first, if the shares are not enough
    at = take_bank(d, s, n, bank, share < end - at ? share : end - at, at);
  return take_bank(d, s, n, -1, end - at, at);
}

// Can none that is live become better than what is finished?
static bool is_over(const decoder *d, const copy_seat *s) {
  const souk_promo_options *o = &d->j->options;
  if (s->n_finished < o->n_best) return false;
  const double worst = s->finished[s->n_finished - 1].score;
  for (int32_t i = 0; i < s->n_live; i++)
    if (s->live[i].log_probability / length_factor(o, s->limits.most + 1) > worst) return false;
  return true;
}

souk_status beam_step(decoder *d, copy_seat *s, souk_error *e) {
  const souk_promo_options *o = &d->j->options;
  int32_t at = 0;
  for (int32_t group = 0; group < o->beam_groups; group++) {
    size_t n;
    PASS(list_candidates(d, s, group, at, &n, e));
    at = take_group(d, s, n, o->beam / o->beam_groups, at);
  }
  hypothesis *const before = s->live;
  s->live = s->spare;
  s->spare = before;
  s->n_live = at;
  if (is_over(d, s)) s->n_live = 0;
  return SOUK_OK;
}
