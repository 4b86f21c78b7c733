// Signals that ask a run for a checkpoint and an end.
#ifndef SOUK_TRAIN_SIGNALS_H
#define SOUK_TRAIN_SIGNALS_H

#include <signal.h>

enum { SIGNALS = 5 };

// From here on they only ask; a second one ends the process at once. `before` keeps what was set.
void signals_catch(struct sigaction before[SIGNALS]);
void signals_release(const struct sigaction before[SIGNALS]);
// The signal that has asked; 0: none.
int signals_asked(void);

#endif
