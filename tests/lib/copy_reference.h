// A prefix language model in double precision, written from its formulas: a loop over everything, without a cache. For comparison with
// the decoder of the inference module.
#ifndef SOUK_TESTS_COPY_REFERENCE_H
#define SOUK_TESTS_COPY_REFERENCE_H

#include "infer/bundle.h"

typedef struct copy_reference copy_reference;

// Of an open bundle with copy and without adapters.
copy_reference *copy_reference_open(const souk_bundle *b);
void copy_reference_close(copy_reference *r);
// Logits [classes] of what follows the last of n rows, of which the first `prefix` see each other and the others what is before them.
void copy_reference_logits(const copy_reference *r, const int32_t *ids, const int32_t *types,
                           const int32_t *positions, int32_t n, int32_t prefix, double *logits);
// The same behind tokens [n] of a copy whose source rows are given: logits of the next token.
void copy_reference_next(const copy_reference *r, const int32_t *ids, const int32_t *types,
                         const int32_t *positions, int32_t source, const int32_t *tokens, int32_t n,
                         double *logits);

#endif
