// Checks of shapes that hold for every backend (a backend's supports() begins with them), and texts for shapes.
#ifndef SOUK_OPS_SHAPES_H
#define SOUK_OPS_SHAPES_H

#include "ops/ops.h"

// OK, or ERR_UNSUPPORTED with a sentence that names the backend (`name`, as in "the CPU backend's"), the op and the field.
status shapes_check(const char *name, op_kind kind, const void *params);

// The shape of an op's arguments for people: "1024 x 768 to 3072, gelu". Rows are capacities.
enum { SHAPE_TEXT = 96 };
void shapes_text(op_kind kind, const void *params, char text[SHAPE_TEXT]);

#endif
