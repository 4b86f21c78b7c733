// Vectors that another program made, as a contender of an evaluation: the score of item i for user u is u . v_i.
//
// Two .npy files of float32, C order: the users' [users, width], a row for each line of the data set's users.tsv, and the items'
// [items, width], a row for each item in the order of the vocabulary. A bias is one more column, which is 1 for the users.
#ifndef SOUK_EVAL_GIVEN_VECTORS_H
#define SOUK_EVAL_GIVEN_VECTORS_H

#include "eval/ranking.h"

typedef struct given_vectors given_vectors;

// ERR_FORMAT names a file that is no such array, or that has another number of rows than d has users or items; ERR_NONFINITE
// one with a NaN or an infinity. ERR_ARGUMENT: `reading` has several questions of a user, for which there is one vector.
status given_vectors_read(given_vectors **out, const dataset *d, target_reading reading,
                          const char *users_path, const char *items_path);
void given_vectors_free(given_vectors *v); // NULL is safe
// A row_scorer; self is a given_vectors.
void given_vectors_score(void *self, int32_t thread, const query *q, float *scores);

#endif
