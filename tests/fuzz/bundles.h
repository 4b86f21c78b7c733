// A small real bundle to begin with, and what every answer of an open bundle must be, whatever it holds.
#ifndef SOUK_TESTS_FUZZ_BUNDLES_H
#define SOUK_TESTS_FUZZ_BUNDLES_H

#include "souk/infer.h"

// Makes data set, checkpoint and bundle (with a catalogue and adapters, tiny_bundle.h) in "data", "checkpoint" and "bundle" below
// fuzz_directory(). Returns the bundle's directory.
const char *bundle_make(void);

// Asks for the k best items of each query: numbers of items, each once, scores finite and falling. Returns
// the status, SOUK_OK or, where weights are so large that numbers overflow, SOUK_ERR_NONFINITE.
souk_status check_ranks(const souk_bundle *b, const souk_query *queries, size_t n, int32_t k);

#endif
