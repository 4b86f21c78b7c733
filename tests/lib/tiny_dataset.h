// Small data sets for tests.
#ifndef SOUK_TESTS_TINY_DATASET_H
#define SOUK_TESTS_TINY_DATASET_H

#include "data/dataset.h"

// A fresh directory under TMPDIR, removed by tiny_remove().
void tiny_directory(char *buf, size_t bytes);
void tiny_remove(const char *dir);

// Writes DIR with `users` sequences over `items` items, event types none, view and buy, and a session border every third
// event; user u has 3 + (u * 7) % 13 events, or `length` if it is not 0. Items follow a cycle with noise, so that there
// is something to learn. Leave-one-out cuts.
void tiny_dataset(const char *dir, int32_t users, int32_t items, int32_t length);

// Puts a finished file into DIR and lists it in the manifest.
void tiny_list(const char *dir, const char *name, const char *data, size_t bytes);

#endif
