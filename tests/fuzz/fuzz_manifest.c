// Manifests of data sets and of checkpoints, each beside the files of a small real one, so that what passes
// goes on to the shards. Marks in the input stand for what the files of this build have (see fuzz_expand).
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "fuzz/fuzz.h"
#include "lib/tiny_bundle.h"
#include "model/checkpoint.h"

static char data_dir[PATH_MAX], checkpoint_dir[PATH_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  tiny_bundle(fuzz_directory(), 12, 9, NULL);
  require_ok(path_join(data_dir, sizeof data_dir, fuzz_directory(), "data"));
  require_ok(path_join(checkpoint_dir, sizeof checkpoint_dir, fuzz_directory(), "checkpoint"));
  return 0;
}

static void check_block(dataset *d, const dataset_info *info) {
  sequence_block *b;
  if (block_read(&b, d, 0, info->sequences) !=
      OK) { // the shards may hold tokens that a smaller vocabulary does not have
    require_sentence(data_dir);
    return;
  }
  require(block_count(b) == info->sequences);
  for (int64_t i = 0; i < info->sequences; i++) {
    sequence s;
    block_get(b, i, &s);
    require(s.n == dataset_lengths(d)[i] && s.valid_from == dataset_train_lengths(d)[i]);
    require(s.valid_from <= s.test_from && s.test_from <= s.n);
    for (int test = 0; test < 2; test++) {
      int32_t from, to;
      dataset_targets(d, i, test == 1, &from, &to);
      require(from >= to ||
              (from >= s.valid_from && to <= s.n && (info->split.kind != SPLIT_USER || from >= 1)));
    }
    for (int32_t k = 0; k < s.n; k++)
      require(s.tokens[k] >= 0 && s.tokens[k] < info->vocab_size && s.events[k] < info->n_event_types);
  }
  block_free(b);
}

// The memory for batches and plans is computed from these numbers, so they must be those of the shards.
static void check_dataset(dataset *d) {
  const dataset_info *info = dataset_get_info(d);
  int64_t tokens = 0, train = 0;
  int32_t longest = 0;
  for (int64_t i = 0; i < info->sequences; i++) {
    tokens += dataset_lengths(d)[i];
    train += dataset_train_lengths(d)[i];
    if (dataset_lengths(d)[i] > longest) longest = dataset_lengths(d)[i];
  }
  require(tokens == info->tokens && train == info->train_tokens && longest == info->longest);
  require(strlen(info->checksum) == 64);
  require(info->n_event_types >= 1 && info->n_event_types <= MAX_EVENT_TYPES);
  require(info->vocab_size == vocab_size(dataset_vocab(d)));
  for (int r = 0; r < RANGE_COUNT; r++)
    require(info->range_end[r] == vocab_end(dataset_vocab(d), (vocab_range)r));
  require(info->window >= 1 && info->stride >= 1);
  check_block(d, info);
}

static void try_dataset(const char *text, size_t bytes) {
  dataset *d;
  fuzz_write(data_dir, "manifest.json", text, bytes);
  if (dataset_open(&d, data_dir, false) != OK) {
    require(d == NULL);
    require_sentence(data_dir);
    return;
  }
  fuzz_accepted();
  check_dataset(d);
  dataset_close(d);
  if (dataset_open(&d, data_dir, true) != OK) require_sentence(data_dir);
  dataset_close(d);
}

static void try_checkpoint(const char *text, size_t bytes) {
  checkpoint *c;
  fuzz_write(checkpoint_dir, "manifest.json", text, bytes);
  if (checkpoint_open(&c, checkpoint_dir) != OK) {
    require(c == NULL);
    require_sentence(checkpoint_dir);
    return;
  }
  fuzz_accepted();
  model_config again;
  json_t *j = model_config_to_json(&c->model);
  memset(&again, 0, sizeof again);
  require_ok(model_config_from_json(&again, j, &(record_source){.path = "again"}));
  json_t *second = model_config_to_json(&again);
  require(json_equal(j, second));
  json_decref(j);
  json_decref(second);
  require(c->model.hidden % c->model.heads == 0 && c->data.vocab_size <= c->model.vocab_size);
  require((int64_t)c->model.class_base + c->model.classes <= c->model.vocab_size);
  require(strlen(c->data.checksum) == 64 && c->state.step >= 0);
  checkpoint_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  size_t n;
  char *text = fuzz_expand(data, bytes, data_dir, &n);
  try_dataset(text, n);
  free(text);
  text = fuzz_expand(data, bytes, checkpoint_dir, &n);
  try_checkpoint(text, n);
  free(text);
  return 0;
}
