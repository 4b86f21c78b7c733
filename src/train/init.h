// Runs that start from the parameters of a checkpoint (train.init): an imported model, or one trained on
// other data. With train.init_from they are grown into the run's vocabulary first (init_from.h). A run that leaves out what is frozen
// needs them as a checkpoint then, which it writes into its own directory and begins from: RUN/base.
#ifndef SOUK_TRAIN_INIT_H
#define SOUK_TRAIN_INIT_H

#include "model/model.h"
#include "model/checkpoint.h"
#include "train/config.h"

// Does the run begin from a checkpoint (train.init or train.init_from)?
bool init_is_wanted(const run_config *c);

// Sets the model section of c and train.objectives to those of the checkpoint c->train.init (with resume: to those of the
// run's own last checkpoint, if there is one). Called after the defaults and before the user's options are read, which
// take precedence.
status init_adopt_model(run_config *c, bool resume);

// Of a run with train.init_from that leaves out what is frozen: writes RUN/base, an untuned checkpoint of the grown model for what its
// beginning was trained for, or writes it anew if a process that died left one. yaml: the run's configuration. m: the run's model, of
// which only the shape and what it freezes are read. Only for the holder of the run's lock.
status init_write_base(const run_config *c, const char *yaml, model *m, dataset *d);

// Has the data set the checkpoint's vocabulary? ERR_ARGUMENT names the option and what differs.
status init_check_vocab(const checkpoint *from, const dataset *d, const char *where);
// The checkpoint or run that train.init or train.init_from names, or what the latter became.
const char *init_place(const run_config *c);

// Loads the parameters. With train.init the data set must have the checkpoint's vocabulary, the model its shape: errors
// name what differs. Parameters of objectives that it was not trained for keep their values, which is told.
// A data set without settings of a tokenizer gets the checkpoint's.
// train.peft_from names an adapter whose values come on top (peft_from.h). What tunes the checkpoint itself is folded into its
// weights (checkpoint_folded.h); only adapters behind its layers stay, and need --peft adapter.
// *base names the checkpoint, for others that leave out what is frozen (NULL: there are none): with train.init_from RUN/base, which
// is there then. ERR_ARGUMENT where it builds on as many others as a checkpoint can.
// Of *start what the parameters bring with them is set: untrained, by slot, to what the checkpoint says of the objective's
// parameters (those it lacks were never trained); tried (tried.h); and the other data sets that they were trained on.
status init_load(const run_config *c, model *m, dataset *d, checkpoint_base *base, train_state *start);

#endif
