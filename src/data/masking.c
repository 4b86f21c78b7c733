// Spans, rates, and how many they mask; see masking.h.
#include "data/masking.h"

#include <math.h>
#include <stddef.h>

void masking_rates(double *counts, int32_t n, double p, double popularity) {
  for (int32_t i = 0; i < n; i++) counts[i] = pow(fmax(counts[i], 0.5), popularity);
  double c = 0;
  for (;;) { // c grows as long as it brings further rates to 1
    double sum = 0, wanted = p * n;
    for (int32_t i = 0; i < n; i++) {
      if (c * counts[i] >= 1)
        wanted -= 1;
      else
        sum += counts[i];
    }
    if (!(sum > 0) || !(wanted / sum > c)) break;
    c = wanted / sum;
  }
  for (int32_t i = 0; i < n; i++) counts[i] = fmin(1, c * counts[i]);
}

mask_walk masking_walk(const masking *how, const double *rates, int32_t items) {
  return (mask_walk){.how = *how, .rates = rates, .items = items};
}

// P(length > k) = (1 - 1/mean)^k, by inversion, cut off at `most`.
static int32_t span_length(double mean, int32_t most, rng *r) {
  if (!(mean > 1)) return 1;
  const double length = 1 + floor(log1p(-rng_unit(r)) / log1p(-1 / mean));
  return length < most ? (int32_t)length : most;
}

bool masking_next(mask_walk *w, rng *r) {
  if (w->left == 0) {
    w->left = span_length(w->how.spans, w->items - w->next, r);
    double rate = w->how.probability;
    if (w->rates != NULL) {
      double sum = 0;
      for (int32_t i = 0; i < w->left; i++) sum += w->rates[w->next + i];
      rate = sum / w->left;
    }
    w->masked = rng_unit(r) < rate;
  }
  w->left--;
  w->next++;
  return w->masked;
}

// Where all items are alike, masked and not is a chain of two states that keeps its state with probability k = 1 - 1/spans,
// and else draws it anew: masked with p. With x = e^theta the mean of x^W is the sum of T^n (p, 1 - p) for
//   T = (x (k + (1 - k) p)    x (1 - k) p            )
//       ((1 - k) (1 - p)      k + (1 - k) (1 - p)    ),   det T = k x,
// hence a sum of two powers, A^n u + B^n (1 - u), with the eigenvalues A >= B, and u from n = 1, where it is 1 - p + p x.
static double log_moment_of_spans(double p, double spans, int32_t n, double theta) {
  const double k = 1 - 1 / spans, x = exp(theta), masked = x * (k + (1 - k) * p);
  const double unmasked = k + (1 - k) * (1 - p);
  const double root = hypot(masked - unmasked, 2 * (1 - k) * sqrt(x * p * (1 - p)));
  const double large = (masked + unmasked + root) / 2, small = k * x / large;
  const double share = large - small > 1e-9 * large ? (1 + p * expm1(theta) - small) / (large - small) : 1;
  return n * log(large) + log(share + (1 - share) * pow(small / large, n));
}

// Rates that differ: of single items they make the mean of exp(theta W) smaller, since log(1 - r + r e^theta) is concave in r.
// With spans, W lies in 0 .. n and has the mean p n, and exp is convex, so all or nothing is the worst (and what holds where the
// closed form rounds to more, for p close to 0).
double masking_log_moment(const masking *how, int32_t n, double theta) {
  const double p = how->probability;
  if (!(how->spans > 1)) return n * log1p(p * expm1(theta));
  const double all_or_nothing = theta * n + log(p + (1 - p) * exp(-theta * n));
  const double most = how->popularity != 0 ? INFINITY : log_moment_of_spans(p, how->spans, n, theta);
  return fmax(0, fmin(most, all_or_nothing));
}

double masking_log_none(const masking *how, int32_t n) {
  const double p = how->probability;
  if (!(how->spans > 1)) return n * log1p(-p);
  return log1p(-p) + (how->popularity != 0 ? 0 : (n - 1) * log1p(-p / how->spans));
}
