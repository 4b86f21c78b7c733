// The loss of masked LM by source: of texts of items and of pairs, where data.mix has them.
//
// A validation ranks items, which says nothing of words. So it also fills masks in texts and in pairs, always the same: those of
// the first batches of an epoch whose seed is another than the run's. The texts are those that are trained on, with other words
// masked; the figures tell how well the model has learned to read, and not how it would read what it has never seen.
#ifndef SOUK_TRAIN_MIX_VALIDATION_H
#define SOUK_TRAIN_MIX_VALIDATION_H

#include <jansson.h>
#include "data/data_mix.h"
#include "model/model.h"
#include "train/config.h"

enum { MIX_VALIDATION_TOKENS = 16384 }; // of each source, about

typedef struct mix_validation {
  dataset *d;
  const run_config *c;
  data_mix mix;
  batch **batches[MIX_PARTS]; // [n] copies; NULL: not made yet
  int64_t n[MIX_PARTS];
} mix_validation;

// d and c must outlive it. Nothing is read before the first mix_validation_run.
status mix_validation_open(mix_validation *v, dataset *d, const run_config *c);
void mix_validation_close(mix_validation *v); // of a zeroed one, too
// Adds "texts_loss", "pairs_loss" and "item_pairs_loss", nats a masked token, to *values where the mix has these, and "pairs_next_loss" and
// "item_pairs_next_loss", nats a pair, where next_session is an objective. The model's batch is replaced and
// its results are cleared.
status mix_validation_run(mix_validation *v, model *m, json_t *values);

#endif
