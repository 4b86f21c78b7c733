// Hard negatives by a model's own ranking (data/hard_negatives.h), before a run begins: the model is the one that the run begins from
// (train.init), so the lists are a function of that checkpoint, the data and the options, and a resumed run makes the same ones.
//
// Of each history that may be trained on the last event is the label, and what comes before it is asked. The items that the model then ranks
// highest are the list, without those that the history holds. An item whose score is above the label's by more than a margin
// (data.hard_margin) is left out too: it is more likely to be liked and not seen than to be wrong (the margin of positive-aware mining:
// Moreira et al.: NV-Retriever, 2024, arXiv 2407.15831).
#ifndef SOUK_TRAIN_MINING_H
#define SOUK_TRAIN_MINING_H

#include "data/hard_negatives.h"
#include "model/model.h"
#include "train/config.h"

// Gives d its lists, if data.hard_negatives asks for them. ERR_ARGUMENT: there is no train.init.
status mining_run(const run_config *c, dataset *d);
// The lists of one model. trains: which events may be trained on.
status mining_lists(hard_negatives **out, const data_config *c, dataset *d, model *m);

// Histories whose scores of `items` items are held at a time; bytes of the lists of so many histories, and of what ranks their items for
// a model `hidden` wide, beside the model.
int32_t mining_rows(int32_t items);
double mining_list_bytes(int64_t histories);
double mining_pass_bytes(int32_t items, int32_t hidden);

#endif
