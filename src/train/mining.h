// Hard negatives by a model's own ranking (data/hard_negatives.h), before a run begins: the model is the one that the run begins from
// (train.init), so the lists are a function of that checkpoint, the data and the options, and a resumed run makes the same ones.
//
// With data.hard_every N they are made anew by the model that is being trained, whenever N more steps are done, before the next one
// (Xiong et al.: Approximate nearest neighbor negative contrastive learning for dense text retrieval, ICLR 2021, arXiv 2007.00808,
// which refreshes an index beside the training; here the run waits, so that what it learns does not depend on how long that takes). A
// checkpoint has the lists of its run from then on (mined.h5), and a run that is resumed where they are due makes them.
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

// Gives d the lists that a run goes on with, if data.hard_negatives asks for them: those of `from`, the checkpoint that it is resumed
// from (NULL: none), if it has any, else those of train.init. Without train.init, which is allowed where data.hard_every will make them,
// there are none at first. ERR_ARGUMENT: the options do not go together.
status mining_run(const run_config *c, dataset *d, const checkpoint *from);
// Must the lists be made anew before the next step, when `step` are done?
bool mining_is_due(const run_config *c, const dataset *d, int64_t step);
// The lists of one model. trains: which events may be trained on.
status mining_lists(hard_negatives **out, const data_config *c, dataset *d, model *m);

// Histories whose scores of `items` items are held at a time; bytes of the lists of so many histories, and of what ranks their items for
// a model `hidden` wide, beside the model.
int32_t mining_rows(int32_t items);
double mining_list_bytes(int64_t histories);
double mining_pass_bytes(int32_t items, int32_t hidden);

#endif
