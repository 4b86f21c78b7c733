// Data sets from a few letters, for tests that check by hand.
#ifndef SOUK_TESTS_SMALL_LOG_H
#define SOUK_TESTS_SMALL_LOG_H

#include "data/dataset.h"

// Writes DIR: one sequence a string, "ABC|D|E" for a train part, a validation part and a test part. A letter is an item
// ('A' is item 0 of `items`, at most 26), '?' is [UNK], '.' is a word: neither of the last two is an item. Counts in the
// vocabulary are those of the train parts.
void small_log(const char *dir, int32_t items, const char *const *sequences, int32_t n);

// The same in a fresh directory, whose name is put into `dir`, open; small_close() removes it too.
dataset *small_open(char dir[256], int32_t items, const char *const *sequences, int32_t n);
void small_close(dataset *d, const char *dir);

#endif
