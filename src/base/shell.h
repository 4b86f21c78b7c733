// Command lines as people repeat them.
#ifndef SOUK_BASE_SHELL_H
#define SOUK_BASE_SHELL_H

#include "base/status.h"

// "souk eval 'my run' --k 5": the program and its arguments, those in single quotes that a POSIX shell would not take as they are.
// *out is freed by the caller.
status shell_command(char **out, const char *program, int argc, char *const *argv);

#endif
