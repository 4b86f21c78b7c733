// Answers that must not have been seen before a model is asked: what is an error, and what is told (docs/evaluation.md, "Leaks").
#ifndef SOUK_EVAL_LEAKS_H
#define SOUK_EVAL_LEAKS_H

#include "data/dataset.h"
#include "eval/ranking.h"
#include "model/checkpoint.h"

// Of the data, in the vocabulary that they came with. ERR_FORMAT: a user is there twice, so that one history may train and the
// other be asked about; or the vocabulary counts an item otherwise than the train parts have it, so that its counts, by which
// negatives are drawn, tell of what is held out.
status leaks_check_data(dataset *d);

// Of a model of these data. ERR_ARGUMENT: its own counts of items are not those of d, which are of what it says that it was
// trained on; so it was trained on something else.
status leaks_check_counts(const checkpoint *c, const dataset *d);

// Items that no part before has are unlike each other only by chance to whoever knows items by their id alone. So of the
// distinct ones that are targets about a share 10 / never, at most, stands among the best 10 of a question about it.
typedef struct leak_suspicion {
  int64_t never;   // items of the catalogue in no part before
  int64_t targets; // distinct ones of them that are targets
  int64_t hits;    // of these, among the best 10 in the first question about each
  double expected; // hits by chance, at most
  double chance;   // of so many hits or more
  bool suspected;  // chance below 1e-9
} leak_suspicion;
// result: of a contender, with ranks in the whole catalogue; without them there is no suspicion.
status leaks_suspect(const ranking *r, const ranking_result *result, leak_suspicion *out);

enum { LEAK_TEXT = 320 };
const char *leaks_describe(const leak_suspicion *s, char buf[LEAK_TEXT]); // returns buf

#endif
