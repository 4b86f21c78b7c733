// Small bundles that write copy.
#ifndef SOUK_TESTS_COPY_BUNDLE_H
#define SOUK_TESTS_COPY_BUNDLE_H

#include "data/dataset.h"
#include "model/config.h"
#include "souk/infer.h"

enum { COPY_ITEMS = 6 };

// Of `words` words: a few English and Chinese ones, punctuation, pieces ##s and ##er, then made-up ones without a digit; attributes of
// languages en and zh, markets cn and us, types discount and gift, goal sales, all slots, brand=x and user:age=30; COPY_ITEMS items.
vocab *copy_vocab(int32_t words);

// A model's configuration for it: tiny_config's, with what copy needs.
model_config copy_bundle_config(void);

// The bundle of a random model over v (which is freed) in DIR/bundle, whose copy has at most copy_tokens tokens with its end. `spread` is that of
// the head's biases: how sure the model is of its words.
void copy_bundle(const char *dir, vocab *v, const model_config *c, int32_t copy_tokens, double spread);

// Writes souk.json of DIR/bundle anew: the sizes and checksums that its files have now.
void copy_bundle_relist(const char *dir);

// A request in English for market us, with a price and a percentage; all else is not given.
souk_promo_request copy_request(void);

#endif
