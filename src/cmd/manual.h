// The manual page and shell completion, made from the same option tables as --help.
#ifndef SOUK_CMD_MANUAL_H
#define SOUK_CMD_MANUAL_H

#include <stdio.h>
#include "cmd/cmd.h"

status manual_page(const command *commands, FILE *to);       // souk.1, for man
status manual_completion(const command *commands, FILE *to); // a script for bash

#endif
