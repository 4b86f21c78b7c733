// Signals that ask a run for a checkpoint and an end.
#ifndef SOUK_TRAIN_SIGNALS_H
#define SOUK_TRAIN_SIGNALS_H

#include <signal.h>

enum { SIGNALS = 5 };

// Installs the handlers: the first signal only asks, a second one ends the process at once. `before` keeps the old
// handlers.
void signals_catch(struct sigaction before[SIGNALS]);
void signals_release(const struct sigaction before[SIGNALS]);
// The signal that has come; 0: none.
int signals_asked(void);

#endif
