// A process that parses files which nobody vouches for. libhdf5 is not proof against malice: a file from elsewhere
// can crash it, or worse. So such files are read by a child process that holds nothing of value; the parent takes
// bytes from it, never pointers, and checks them like any other input. If the child dies, the parent says so in a
// sentence and goes on.
//
// The child is a fork without exec: it must not start threads, take locks that another thread of the parent
// may hold at the time of the fork, or use OpenMP. It has no open files of the parent's but standard output
// and error, does not see the terminal's signals, leaves no core, and dies with its channel.
#ifndef SOUK_BASE_CHILD_H
#define SOUK_BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

typedef struct child child;

// Runs serve(self, channel) in a new process, which ends when it returns. `what` names the work in
// error messages: "the process that reads DIR".
status child_start(child **out, const char *what, void (*serve)(void *self, int channel), void *self);
void child_stop(child *c); // kills the child, even in the middle of a request; NULL is safe

// For the parent: whole messages. ERR_FORMAT when the child has died, because then the file that it was reading is to
// blame.
status child_send(child *c, const void *data, size_t bytes);
status child_receive(child *c, void *data, size_t bytes);

// For serve: false when the parent is gone. Each request gets `seconds` of processor time; a parser that
// loops is killed.
bool channel_read(int channel, void *data, size_t bytes);
bool channel_write(int channel, const void *data, size_t bytes);
void child_time_limit(int seconds);

#endif
