// Small bundles of all kinds: with words, texts, attributes, content, adapters and labels, so that they have every file there is.
#ifndef SOUK_TESTS_RICH_BUNDLE_H
#define SOUK_TESTS_RICH_BUNDLE_H

#include <stdint.h>
#include "souk/infer.h"

// What a bundle's model does. All have the adapters "de" (lora) and "sale" (adapter). One that ranks has vectors of new items (texts and
// RICH_FEATURES features); the others have the labels "click", "cart" and "buy", of texts one of them, of pairs each by itself, and pairs
// the texts of their items.
typedef enum rich_kind { RICH_RANKS, RICH_CLASSIFIES, RICH_PAIRS, RICH_KINDS } rich_kind;
enum {
  RICH_ITEMS = 40,
  RICH_H = 16,
  RICH_W = RICH_H + 1,
  RICH_FEATURES = 3,
  RICH_LABELS = 3,
  RICH_POSITIONS = 16
};

// Makes DIR/bundle, and what it is made of beside it; dir is fresh (tiny_directory). Its data set is tiny_texts'.
void rich_bundle(const char *dir, rich_kind kind);

// One of each kind, open, and the fresh directory that each is in: a group's set-up and tear-down.
extern char rich_dirs[RICH_KINDS][256];
extern souk_bundle *rich_ranks, *rich_classifies, *rich_pairs;
int rich_open(void **state);
int rich_close(void **state);

#endif
