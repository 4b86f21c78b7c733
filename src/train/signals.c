// Signals of a run; see signals.h.
#include "train/signals.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int stop_requested; // any thread may get the signal, and any may ask for it

static void on_signal(int number) {
  if (atomic_exchange(&stop_requested, number) != 0) _exit(128 + number);
}

// INT and TERM ask for a checkpoint and the end, HUP too unless it is ignored (nohup). PIPE and XFSZ are ignored, so
// that a pipe without a reader and a file at its size limit are write errors.
static const struct {
  int number;
  bool asks;
} signals[] = {{SIGINT, true}, {SIGTERM, true}, {SIGHUP, true}, {SIGPIPE, false}, {SIGXFSZ, false}};
_Static_assert(sizeof signals / sizeof *signals == SIGNALS, "signals.h says how many");

void signals_catch(struct sigaction before[SIGNALS]) {
  atomic_store(&stop_requested, 0);
  for (int i = 0; i < SIGNALS; i++) {
    const struct sigaction action = {.sa_handler = signals[i].asks ? on_signal : SIG_IGN,
                                     .sa_flags = SA_RESTART};
    sigaction(signals[i].number, NULL, &before[i]);
    if (signals[i].number != SIGHUP || before[i].sa_handler != SIG_IGN)
      sigaction(signals[i].number, &action, NULL);
  }
}

void signals_release(const struct sigaction before[SIGNALS]) {
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i].number, &before[i], NULL);
}

int signals_asked(void) {
  return atomic_load(&stop_requested);
}
