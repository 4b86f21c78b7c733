// Small tuned models, for tests of adapters.
#ifndef SOUK_TESTS_TINY_TUNED_H
#define SOUK_TESTS_TINY_TUNED_H

#include <stdint.h>
#include "model/peft_config.h"

// A checkpoint DIR/NAME on top of DIR/checkpoint (tiny_bundle), tuned by random values in the way that *peft says (fields that are 0
// have their defaults).
void tiny_tuned(const char *dir, const char *name, const peft_config *peft, uint32_t seed);

// DIR/bundle anew, of DIR/checkpoint, with a LoRA adapter "low" and one of bottlenecks "wide".
void tiny_adapted_bundle(const char *dir);

#endif
