// A small bundle with a mix and a catalogue, and the place of a hostile copy of it (hostile.h).
#ifndef SOUK_TESTS_MIXED_BUNDLE_H
#define SOUK_TESTS_MIXED_BUNDLE_H

#include <limits.h>
#include <stdint.h>

enum { MIXED_ITEMS = 12, MIXED_H = 8, MIXED_W = MIXED_H + 1 };

typedef struct mixed_bundle {
  char root[PATH_MAX], good[PATH_MAX], evil[PATH_MAX];
  int32_t mix_others,
      mix_weights; // where the neighbours and their weights begin in the data of mix.safetensors
} mixed_bundle;

// Makes the good one in a fresh directory, of a model of one layer, and tells hostile.h of both; mixed_bundle_remove().
void mixed_bundle_make(mixed_bundle *b);
void mixed_bundle_remove(const mixed_bundle *b);

#endif
