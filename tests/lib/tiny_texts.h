// Small data sets whose items have texts.
#ifndef SOUK_TESTS_TINY_TEXTS_H
#define SOUK_TESTS_TINY_TEXTS_H

#include "data/dataset.h"

// Words w0 to w9 and the pieces ##a and ##b, attributes brand=x and brand=y, `items` items in histories of `users` users (view and
// buy in turns, 3 to 9 events, leave-one-out). The text of item i: of i % 7 words, from w(i % 10) on, each third one with the pieces
// ##a ##b behind it; then brand=x or brand=y in turns. So every seventh item has no word.
enum { TINY_WORDS = 12, TINY_FIRST = TOKEN_SPECIALS + TINY_WORDS + 2 }; // of the items
void tiny_texts(const char *dir, int32_t users, int32_t items);

#endif
