// Values of trials; see sweep_plan.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "sweep/sweep_plan.h"

static double between(double v, double low, double high) {
  return v < low ? low : v > high ? high : v;
}

// u is uniform in [0, 1).
static double draw_number(const sweep_range *r, double u) {
  switch (r->kind) {
  case RANGE_UNIFORM:
    return r->low + u * (r->high - r->low);
  case RANGE_LOG_UNIFORM:
    return exp(log(r->low) + u * (log(r->high) - log(r->low)));
  case RANGE_INTEGERS:
    return r->low + r->step * floor(u * (floor((r->high - r->low) / r->step) + 1));
  case RANGE_LOG_INTEGERS: // the integer n stands for [n, n + 1)
    return floor(exp(log(r->low) + u * (log(r->high + 1) - log(r->low))));
  case RANGE_CHOICES:
    break;
  }
  return 0;
}

void sweep_value(char text[OPTION_STRING], const sweep_plan *p, size_t range, int64_t trial) {
  const sweep_range *r = &p->ranges[range];
  rng draws =
      rng_at((uint64_t)p->settings.seed, STREAM_SWEEP, (uint32_t)trial, (uint32_t)philox_name(r->name));
  if (r->kind == RANGE_CHOICES) {
    snprintf(text, OPTION_STRING, "%s", r->choices[rng_below(&draws, r->n_choices)]);
    return;
  }
  const double v = between(draw_number(r, rng_unit(&draws)), r->low, r->high);
  if (r->kind == RANGE_INTEGERS || r->kind == RANGE_LOG_INTEGERS) {
    snprintf(text, OPTION_STRING, "%.0f", v);
    return;
  }
  // Six digits are what a person types again. Rounding must not leave the range.
  snprintf(text, OPTION_STRING, "%.6g", v);
  const double rounded = strtod(text, NULL);
  if (rounded < r->low || rounded > r->high) snprintf(text, OPTION_STRING, "%.17g", v);
}

int64_t sweep_going_on(const sweep_plan *p, int64_t n) {
  return (int64_t)ceil((double)n / p->settings.factor - 1e-9);
}
