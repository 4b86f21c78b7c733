// Texts and features of items, as bytes: the first byte says of which the rest is a file. As of shards (fuzz_shard.c), what the
// reading process lets pass is read without harm, and is within the ranges that the rest relies on.
#include <limits.h>
#include <math.h>
#include <string.h>
#include "base/file.h"
#include "data/item_features.h"
#include "data/item_texts.h"
#include "fuzz/fuzz.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_texts.h"

static char dir[PATH_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  require_ok(path_join(dir, sizeof dir, fuzz_directory(), "data"));
  tiny_texts(dir, 4, 9);
  tiny_list(dir, "features.h5", "", 0);
  return 0;
}

static void check_texts(dataset *d) {
  const item_texts *t;
  if (dataset_item_texts(d, &t) != OK) {
    require_sentence("texts.h5");
    return;
  }
  fuzz_accepted();
  require(t->offsets[0] == 0);
  for (int32_t i = 0; i < t->items; i++)
    for (int64_t k = t->offsets[i]; k < t->offsets[i + 1]; k++)
      require(t->tokens[k] == TOKEN_UNK || (t->tokens[k] >= TOKEN_SPECIALS && t->tokens[k] < TINY_FIRST));
}

static void check_features(dataset *d) {
  const item_features *f;
  if (dataset_item_features(d, &f) != OK) {
    require_sentence("features.h5");
    return;
  }
  fuzz_accepted();
  require(f->width >= 1 && f->width <= MOST_FEATURES);
  for (int64_t i = 0; i < (int64_t)f->items * f->width; i++) require(isfinite(f->rows[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  dataset *d;
  if (bytes == 0) return 0;
  const bool texts = data[0] % 2 == 0;
  fuzz_write(dir, texts ? "texts.h5" : "features.h5", data + 1, bytes - 1);
  if (dataset_open(&d, dir, false) != OK) { // sizes are looked at
    require_sentence(dir);
    return 0;
  }
  if (texts)
    check_texts(d);
  else
    check_features(d);
  dataset_close(d);
  return 0;
}
