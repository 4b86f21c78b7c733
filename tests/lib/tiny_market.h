// Small generated marketplaces for tests.
#ifndef SOUK_TESTS_TINY_MARKET_H
#define SOUK_TESTS_TINY_MARKET_H

#include "synth/synth.h"

// A marketplace of this size, all else as the options' defaults give it.
synth_config tiny_market(int64_t users, int64_t items);

#endif
