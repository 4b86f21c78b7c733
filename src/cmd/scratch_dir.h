// A directory for files that live as long as the process: what is converted on the way and nobody keeps.
#ifndef SOUK_CMD_SCRATCH_DIR_H
#define SOUK_CMD_SCRATCH_DIR_H

#include "base/status.h"

// Made in $TMPDIR or /tmp at the first call, always the same, and removed with all in it when the process ends.
status scratch_dir(const char **path);

#endif
