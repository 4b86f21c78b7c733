// Which share of the training events an epoch has, as a sentence: for souk pretrain and souk plan.
#ifndef SOUK_TRAIN_COVERAGE_H
#define SOUK_TRAIN_COVERAGE_H

#include "data/batcher.h"
#include "train/config.h"

enum { COVERAGE_TEXT = 1024 };
// The sentence, and whether it is one to warn of: events are left out, and it names the options that are the cause, or examples are cut. Empty for
// examples that were masked elsewhere.
bool coverage_text(char text[COVERAGE_TEXT], const batcher_coverage *c, const run_config *run,
                   const dataset *d);

#endif
