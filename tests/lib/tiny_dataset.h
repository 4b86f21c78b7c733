// Small data sets for tests.
#ifndef SOUK_TESTS_TINY_DATASET_H
#define SOUK_TESTS_TINY_DATASET_H

#include "data/batcher.h"
#include "data/writer.h"

// A fresh directory under TMPDIR, removed by tiny_remove().
void tiny_directory(char *buf, size_t bytes);
void tiny_remove(const char *dir);

// Writes DIR with `users` sequences over `items` items, event types none, view and buy, and a session border every third
// event; user u has 3 + (u * 7) % 13 events, or `length` if it is not 0. Items follow a cycle with noise, so that there
// is something to learn. Leave-one-out cuts.
void tiny_dataset(const char *dir, int32_t users, int32_t items, int32_t length);

// Puts a finished file into DIR and lists it in the manifest.
void tiny_list(const char *dir, const char *name, const char *data, size_t bytes);

// The options of batches as their defaults are.
data_config data_defaults(void);

// DIR, whose file NAME was written anew and is listed here, must be refused with `says` by dataset_verify().
void tiny_refuses(const char *dir, const char *name, const char *says);

// Adds user u, called "user<u>", with n events, of which the last two are those of the validation and the test part.
void tiny_add(dataset_writer *w, int32_t u, int32_t n, const int32_t *tokens, const uint8_t *events,
              const int64_t *times, const int32_t *sessions);

#endif
