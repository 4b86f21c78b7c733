// Bundles with adapters of every kind, each of them beside a bundle of its own, for tests of adapters in the inference module.
#ifndef SOUK_TESTS_ADAPTED_WORLDS_H
#define SOUK_TESTS_ADAPTED_WORLDS_H

#include <limits.h>
#include "infer/bundle.h"

enum { WORLDS = 3, USERS = 30, ITEMS = 50, HISTORIES = 23, MOST = 12 };

// Those of the adapters that have bottlenecks, an adapted table of words and items, and biases of its own.
enum { SVD = 2, WIDE = 3, TABLE = 4, BIASES = 5, ADAPTERS };

// A model of one make: DIR/many has all adapters, DIR/own-N one of them, folded into its weights where that can be done.
typedef struct adapted_world {
  char dir[256];
  souk_bundle *b, *own[ADAPTERS];
} adapted_world;

extern const char *const adapted_names[ADAPTERS];
extern adapted_world adapted_worlds[WORLDS];
extern souk_history adapted_histories[HISTORIES]; // of fewer than MOST events

// Set-up and tear-down of a group of tests.
int adapted_worlds_make(void **state);
int adapted_worlds_close(void **state);

// DIR/NAME in `path`, which is returned.
const char *adapted_path(const char *dir, const char *name, char path[PATH_MAX]);

// User vectors [n, width] of histories, by the adapters whose numbers in the bundle are given: -1 for none, NULL none for anybody.
void adapted_vectors(souk_bundle *b, const souk_history *h, size_t n, const int32_t *adapters, float *u);

#endif
