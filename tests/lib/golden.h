// Reads the array files of tools/golden_bert.py.
#ifndef SOUK_TESTS_GOLDEN_H
#define SOUK_TESTS_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

typedef struct golden golden;
golden *golden_open(const char *path); // fails the test if it cannot be read
void golden_close(golden *g);
// The array of this name (float or int32 as made) and its number of elements; fails the test if it is not there.
const float *golden_floats(const golden *g, const char *name, size_t *n);
const int32_t *golden_ints(const golden *g, const char *name, size_t *n);

#endif
