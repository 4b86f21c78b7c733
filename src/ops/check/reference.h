// Two plain backends that say what every op means: loops in the order of the formulas of ops.h, no vector code, no
// BLAS, no blocks, the dropout rule of base/philox.h written a second time.
//
// reference_double is the truth: every float of the contract, activations, weights, gradients and the float arrays of
// the params structs alike, is a double there (the struct's `float *` points to doubles). Scalars of the structs, the
// arrays of a batch and the step state keep their types.
// reference_float is the same source compiled for float, as anyone would write it first. Its error against the truth
// is the yardstick of a backend's.
//
// One file computes, reference_body.h; it is included twice. Ops of these backends may allocate.
#ifndef SOUK_OPS_CHECK_REFERENCE_H
#define SOUK_OPS_CHECK_REFERENCE_H

#include "ops/ops.h"

extern const backend reference_double, reference_float;
// To 11 significant bits, ties away from zero (PTX: cvt.rna.tf32.f32); what is not finite stays.
float round_to_tf32(float x);

#endif
