// The truth of the op checks; see reference.h.
#define REAL           double
#define MATH(name)     name
#define REFERENCE      reference_double
#define REFERENCE_NAME "reference (double)"
#include "ops/check/reference_body.h"
