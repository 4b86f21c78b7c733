// Configurations that come with the program, by name: "sasrec" is configs/sasrec.yaml of the tree that souk was built in, or
// share/souk/configs/sasrec.yaml where it is installed.
#ifndef SOUK_CMD_PRESETS_H
#define SOUK_CMD_PRESETS_H

#include <limits.h>
#include <stdbool.h>
#include "base/status.h"

// The path that a command's CONFIG means: itself where something is there, or where it can be no name; else the preset of that
// name. ERR_NOT_FOUND lists the names there are.
status preset_path(char path[PATH_MAX], const char *given);
// The folder that they are in; false: there is none.
bool preset_folder(char path[PATH_MAX]);

#endif
