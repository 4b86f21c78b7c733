// Two plain backends that define every op: loops in the order of the formulas of ops.h, without vector code, BLAS or
// blocks, and with an independent implementation of base/philox.h's dropout.
//
// reference_double is the truth: every float of the contract, activations, weights, gradients and the float arrays of
// the params structs alike, is a double there (the struct's `float *` points to doubles). Scalars of the structs, the
// arrays of a batch and the step state keep their types.
// reference_float is the same source compiled for float, as anyone would write it first. Its error against
// reference_double sets the tolerance for backends.
//
// One source computes: reference_body.h, with a file for each family of ops. It is included twice. Ops of these backends may allocate.
#ifndef SOUK_OPS_CHECK_REFERENCE_H
#define SOUK_OPS_CHECK_REFERENCE_H

#include "ops/ops.h"

extern const backend reference_double, reference_float;
// To 11 significant bits, ties away from zero (PTX: cvt.rna.tf32.f32); what is not finite stays.
float round_to_tf32(float x);

#endif
