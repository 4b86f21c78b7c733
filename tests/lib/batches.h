// What the tests of batches share: a small data set, options and layouts, what every batch promises, and a batch as a number.
#ifndef SOUK_TESTS_BATCHES_H
#define SOUK_TESTS_BATCHES_H

#include "data/batcher.h"

static const seq_layout items_only = {.positions_from_end = true, .max_positions = 20, .n_event_types = 3};
static const seq_layout bert = {.cls_sep = true, .max_positions = 20, .n_event_types = 3, .segments = 2};

// The data set, of 150 users and 40 items in the fresh directory batches_dir; a group's set-up and tear-down.
extern char batches_dir[256];
extern dataset *batches_data;
int batches_set_up(void **unused);
int batches_tear_down(void **unused);

data_config batches_config(void); // the options' defaults, with batches of 64 tokens
seq_layout batches_asking(const seq_layout *layout, seq_asks asks);
batcher *batches_of_training(const data_config *c, const seq_layout *layout);
void batches_check(const batch *b, const seq_layout *layout, batch_caps caps); // what every batch promises
uint64_t batches_hash(const batch *b);       // of tokens, types, masks, labels, sequences and negatives
uint64_t batches_hash_whole(const batch *b); // of all that a batch is to the model

#endif
