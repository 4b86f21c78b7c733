// Small models and the bundles made of them, for tests of export and inference.
#ifndef SOUK_TESTS_TINY_BUNDLE_H
#define SOUK_TESTS_TINY_BUNDLE_H

#include "data/dataset.h"
#include "model/checkpoint.h"
#include "model/model.h"
#include "souk/infer.h"

// A model configuration as the options' defaults give it, for tiny_dataset's data: H 16, 2 layers, 2 heads,
// 10 positions.
model_config tiny_config(void);

// A model over d whose parameters are all random, biases and norms too, so that a test notices any that is left out.
// c is resolved. Where items are of content they get texts, and features if c->item_features says how many.
model *tiny_model(dataset *d, model_config *c);

// Writes a checkpoint of m, with its moments if `moments`.
status tiny_checkpoint(const char *dir, model *m, const train_state *state, const char *config_yaml,
                       const dataset *d, bool moments);

// Writes a checkpoint of m to DIR/checkpoint and the bundle of it to DIR/bundle; both are replaced.
void tiny_export(const char *dir, model *m, dataset *d);

// All in one, below the fresh directory `dir` (tiny_directory): a data set of users x items in DIR/data, the
// model of *c (NULL: tiny_config) and the bundle.
void tiny_bundle(const char *dir, int32_t users, int32_t items, const model_config *c);

// The model of *c and the bundle of the data set in DIR/data, which is there.
void tiny_bundle_of(const char *dir, const model_config *c);

// DIR/bundle, open, or a failure with what souk_open says; souk_close().
souk_bundle *tiny_open(const char *dir);

// Writes a checkpoint DIR/NAME on top of that in DIR/checkpoint, whose data set is DIR/data, tuned by random values drawn by `seed`. Of
// *peft kind, rank, init_rank, adapter_width, alpha, rslora and targets count.
void tiny_tuned(const char *dir, const char *name, const peft_config *peft, uint32_t seed);

// DIR/bundle anew, of DIR/checkpoint, with an adapter of low rank, "low", one of bottlenecks, "wide", and one of biases, "bias".
void tiny_adapted_bundle(const char *dir);

// The bundle of a random model of words, which v has (and which is freed), and of no items, in DIR/bundle.
void tiny_words_bundle(const char *dir, vocab *v);

// A call of the inference library must fail with this code and say `text`; a NULL error is fine too.
#define refuses(call, wanted, text)                                                                          \
  do {                                                                                                       \
    souk_error e = {.code = SOUK_OK}, *error = &e;                                                           \
    assert_int_equal(call, wanted);                                                                          \
    assert_int_equal(e.code, wanted);                                                                        \
    if (strstr(e.message, text) == NULL) fail_msg("%s: \"%s\" does not say \"%s\"", #call, e.message, text); \
    error = NULL;                                                                                            \
    assert_int_equal(call, wanted);                                                                          \
  } while (0)

#endif
