// The longer functions of philox.h, which has the short ones inline.
#include "base/philox.h"

#include <math.h>

double rng_normal(rng *r) {
  const double u = 1.0 - rng_unit(r), v = rng_unit(r); // u in (0, 1]
  return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}
