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

// One of each kind in a fresh directory of its own, open; rich_close() closes and removes them.
void rich_open(char dirs[RICH_KINDS][256], souk_bundle *b[RICH_KINDS]);
void rich_close(char dirs[RICH_KINDS][256], souk_bundle *b[RICH_KINDS]);

#endif
