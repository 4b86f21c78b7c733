// Errors for directories that were given as a bundle by mistake.
#ifndef SOUK_INFER_MISTAKEN_H
#define SOUK_INFER_MISTAKEN_H

#include "infer/errors.h"

// SOUK_OK if the directory has a souk.json. Otherwise an error that says what the directory `name`, open as `dir`, is
// instead, and how to make a bundle from it.
souk_status refuse_other_directories(int dir, const char *name, souk_error *e);

#endif
