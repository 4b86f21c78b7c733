// The naive implementation whose error is the yardstick of the op checks; see reference.h.
#define REAL           float
#define MATH(name)     name##f
#define REFERENCE      reference_float
#define REFERENCE_NAME "reference (float)"
#include "ops/check/reference_body.h"
