// Which arguments make no sense on any backend; a backend's supports() asks this first.
#ifndef SOUK_OPS_SHAPES_H
#define SOUK_OPS_SHAPES_H

#include "ops/ops.h"

// OK, or ERR_UNSUPPORTED with a sentence that names the backend (`name`, as in "the CPU backend's"), the op and the field.
status shapes_check(const char *name, op_kind kind, const void *params);

#endif
