// What somebody gave as a bundle that is none.
#ifndef SOUK_INFER_MISTAKEN_H
#define SOUK_INFER_MISTAKEN_H

#include "infer/errors.h"

// Fails with what the directory `name`, open as `dir`, is instead, and what to do; SOUK_OK where it has a
// souk.json.
souk_status refuse_other_directories(int dir, const char *name, souk_error *e);

#endif
