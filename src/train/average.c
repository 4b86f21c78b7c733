// The scale of averaged weights; see average.h.
#include "train/average.h"

// Lags are differences of weights over S, so they stay below 2^32 times those, and as exact as floats are.
static const double LEAST_SCALE = 0x1p-32;

double average_decay(double ema, int64_t t) {
  const double warm = (1.0 + (double)t) / (10.0 + (double)t);
  return ema < warm ? ema : warm;
}

double average_scale(const train_state *s) {
  return s->average_scale > 0 ? s->average_scale : 1.0;
}

void average_count(train_state *s, double ema, int64_t t) {
  if (ema > 0) s->average_scale = average_scale(s) * average_decay(ema, t);
}

bool average_is_due(const train_state *s) {
  return average_scale(s) < LEAST_SCALE;
}
