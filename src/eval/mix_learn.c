// Learning a mix; see mix_learn.h.
#include "eval/mix_learn.h"

#include <math.h>
#include <stdio.h>
#include "base/log.h"

// Gains of the logarithmic terms in the inverse of the sum's mean, where it is not 0: one that bends at the mean and one
// that tells small sums apart.
static const double gains[] = {3, 100};

static void set_gains(mix_config *c, const mix_samples *s) {
  const int64_t reached = s->questions > 0 ? s->reached_end[s->questions - 1] : 0;
  for (int32_t k = 0; k < c->n; k++) {
    double sum = 0, n = 0;
    for (int64_t i = 0; i < reached; i++) {
      const double x = (double)s->x[i * c->n + k];
      sum += x;
      n += x > 0;
    }
    const double mean = sum > 0 ? sum / n : 1;
    for (int32_t i = 1; i < c->sums[k].n; i++) c->sums[k].terms[i].gain = fmin(gains[i - 1] / mean, 1e9);
  }
}

// The three fits that are compared; the last is the mix.
static status fit(mix_config *c, const mix_samples *s, const mix_fitting *f, mix_learned *out) {
  mix_config other = {0};
  mix_fitting alone = *f;
  alone.popularity = alone.reached = false;
  if (f->encoder) TRY(mix_fit(&other, s, &alone, &out->encoder));
  alone = *f;
  alone.encoder = false;
  other = *c;
  TRY(mix_fit(&other, s, &alone, &out->counts));
  return mix_fit(c, s, f, &out->both);
}

static status new_mix(mix **out, const mix_config *c, mix_table *t) {
  format_error e;
  return mix_new(out, c, t, &e) ? OK : fail_format(&e);
}

static void note_counting(mix_config *c, const mix_count_config *count) {
  c->neighbours = (int32_t)count->neighbours;
  c->window = (int32_t)count->window;
  c->distance_power = count->distance_power;
  snprintf(c->counted, sizeof c->counted, "train");
}

status mix_from(mix **out, dataset *d, const mix_config *weights, int64_t memory) {
  mix_config c = *weights;
  mix_table t;
  *out = NULL;
  const mix_count_config count = {.neighbours = weights->neighbours,
                                  .window = weights->window,
                                  .distance_power = weights->distance_power,
                                  .memory = memory};
  note_counting(&c, &count);
  log_doing("counting pairs of items");
  const status rc = mix_count(&t, d, EVAL_VALID, &count);
  if (rc == OK) return new_mix(out, &c, &t);
  mix_table_free(&t);
  return rc;
}

status mix_learn(mix **out, dataset *d, model *m, const mix_options *o, mix_learned *learned) {
  const double started = now_seconds();
  mix_config c;
  mix_fitting f = {.prior = o->prior, .focus = o->focus};
  mix_table t;
  mix_samples s = {0};
  mix *x = NULL;
  *out = NULL;
  *learned = (mix_learned){0};
  TRY(mix_features_parse(&c, &f, o->features));
  note_counting(&c, &o->count);
  log_doing("counting pairs of items");
  status rc = mix_count(&t, d, EVAL_VALID, &o->count);
  if (rc == OK)
    rc = new_mix(&x, &c, &t);
  else
    mix_table_free(&t);
  if (rc == OK) log_doing("asking the model");
  if (rc == OK) rc = mix_sample(&s, d, m, x, o);
  if (rc == OK) {
    learned->questions = o->popular > 0 ? s.questions / 2 : s.questions; // each is asked in two ways
    learned->candidates = s.questions > 0 ? s.end[s.questions - 1] : 0;
    set_gains(&c, &s);
    log_doing("learning %d weights from %lld questions", 3 * c.n + 3, (long long)s.questions);
    rc = fit(&c, &s, &f, learned);
  }
  mix_samples_free(&s);
  if (rc == OK) mix_set_config(x, &c);
  learned->seconds = now_seconds() - started;
  if (rc == OK)
    *out = x;
  else
    mix_free(x);
  return rc;
}
