// How many configurations were compared on validation to find the one that made a checkpoint: who reads its figures on the test
// part should know.
//
// souk sweep gives the number to its trials as an option (train.tried), from where it comes into the state of the run and so into
// every checkpoint, whatever a resumed run is told. A run that begins from another's checkpoint (train.init, train.peft_from)
// adds its own number to that one's. A sweep may grow, or end early, after a trial has ended: it writes what is true then into the run's directory,
// as RUN/tried, and that is what counts.
#ifndef SOUK_TRAIN_TRIED_H
#define SOUK_TRAIN_TRIED_H

#include "model/checkpoint.h"

// 0: nobody has said.
status tried_before(int64_t *n, const checkpoint *c);
status tried_write(const char *run_dir, int64_t n);

#endif
