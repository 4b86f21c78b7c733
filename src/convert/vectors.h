// A model's vectors in files for other programs: item vectors, user vectors of a data set, hidden states of
// any sequences.
#ifndef SOUK_CONVERT_VECTORS_H
#define SOUK_CONVERT_VECTORS_H

#include "model/checkpoint.h"

typedef enum vector_part { VECTORS_ALL, VECTORS_TEST, VECTORS_VALID } vector_part;

// v of every item, [items, H + 1], bias last, in the order of the vocabulary: "item_vectors" and
// "item_names".
status vectors_of_items(const checkpoint *c, model *m, const char *path);
// u of every user of a data set, [sequences, H + 1]: "user_vectors" and "user_names". The history is the
// whole one (for serving), or what comes before the test or validation target (the whole one where there is
// none).
status vectors_of_users(const checkpoint *c, model *m, dataset *d, vector_part part, const char *path);
// Hidden states of sequences, [tokens of all, H]: "hidden_states"; in HDF5 files the first row of each
// sequence, "offsets", with the number of rows as the last, and with a pooler "pooled" [n, H] and
// "next_sentence_scores" [n, 2] too. In a .npy file's FILE.names.tsv a row is its sequence and its place there, from 0. The sequences are the lines of `input`, {"tokens": ["[CLS]", ...]} or
// {"ids": [2, ...]}, complete with specials, optionally with "types" (token types). Names are looked up
// among specials, words, attributes, items.
status vectors_of_tokens(const checkpoint *c, model *m, const char *input, const char *path);

#endif
