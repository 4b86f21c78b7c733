// What the tests of batches share; see batches.h.
#include "lib/batches.h"

#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "ops/ops.h"

data_config batches_config(void) {
  data_config c = data_defaults();
  c.batch_tokens = 64;
  return c;
}

char batches_dir[256];
dataset *batches_data;

int batches_set_up(void **unused) {
  (void)unused;
  tiny_directory(batches_dir, sizeof batches_dir);
  tiny_dataset(batches_dir, 150, 40, 0);
  return dataset_open(&batches_data, batches_dir, false) == OK ? 0 : 1;
}

int batches_tear_down(void **unused) {
  (void)unused;
  dataset_close(batches_data);
  tiny_remove(batches_dir);
  return 0;
}

// What every batch promises.
void batches_check(const batch *b, const seq_layout *layout, batch_caps caps) {
  assert_true(b->tokens <= caps.tokens && b->seqs <= caps.seqs && b->n_masked <= caps.masked);
  assert_true(b->seqs > 0 && b->n_masked > 0);
  assert_int_equal(b->cu_seqlens[0], 0);
  assert_int_equal(b->cu_seqlens[b->seqs], b->tokens);
  int32_t work = 0;
  for (int32_t s = 0; s < b->seqs; s++) {
    const int32_t n = b->cu_seqlens[s + 1] - b->cu_seqlens[s];
    assert_true(n >= 1 && n <= layout->max_positions);
    for (int32_t i = 0; i < n; i++) {
      const int32_t row = b->cu_seqlens[s] + i;
      assert_int_equal(b->seq_of[row], s);
      assert_int_equal(b->positions[row], layout->positions_from_end ? n - 1 - i : i);
      assert_true(b->ids[row] >= 0 && b->ids[row] < 45 && b->types[row] >= 0 && b->types[row] < 6);
    }
    for (int32_t first = 0; first < n; first += ATTENTION_BLOCK, work++) {
      assert_int_equal(b->work[2 * work], s);
      assert_int_equal(b->work[2 * work + 1], first);
    }
  }
  assert_int_equal(work, b->n_work);
  for (int32_t i = 0; i < b->n_masked; i++) {
    assert_true(b->masked[i] >= 0 && b->masked[i] < b->tokens);
    assert_true(b->labels[i] >= TOKEN_SPECIALS && b->labels[i] < 45);
    if (i > 0) assert_true(b->masked[i] > b->masked[i - 1]);
    assert_true(b->weights[i] + b->next_weights[i] == 1.0f);
  }
}

uint64_t batches_hash(const batch *b) {
  uint64_t h = 1469598103934665603u;
#define MIX(array, n)                                        \
  for (size_t k = 0; k < (size_t)(n) * sizeof *(array); k++) \
  h = (h ^ ((const unsigned char *)(array))[k]) * 1099511628211u
  MIX(b->ids, b->tokens);
  MIX(b->types, b->tokens);
  MIX(b->masked, b->n_masked);
  MIX(b->labels, b->n_masked);
  MIX(b->seq_ids, b->seqs);
  MIX(b->negatives, b->n_negatives);
#undef MIX
  return h;
}

// What a batch is to the model, all of it.
uint64_t batches_hash_whole(const batch *b) {
  uint64_t h = batches_hash(b);
#define MIX(array, n)                                        \
  for (size_t k = 0; k < (size_t)(n) * sizeof *(array); k++) \
  h = (h ^ ((const unsigned char *)(array))[k]) * 1099511628211u
  MIX(b->positions, b->tokens);
  MIX(b->seq_of, b->tokens);
  MIX(b->cu_seqlens, b->seqs + 1);
  MIX(b->prefix_len, b->seqs);
  MIX(b->nsp_labels, b->seqs);
  MIX(b->work, 2 * b->n_work);
  MIX(b->weights, b->n_masked);
  MIX(b->label_logq, b->n_masked);
  MIX(b->negative_logq, b->n_negatives);
  bool any = false;
  for (int32_t i = 0; i < b->n_masked; i++) any = any || b->next_weights[i] > 0;
  if (any) MIX(b->next_weights, b->n_masked); // batches of before had none
  any = false;
  for (int32_t i = 0; i < b->n_masked; i++) any = any || b->copy_weights[i] > 0;
  if (any) MIX(b->copy_weights, b->n_masked);
#undef MIX
  return h;
}

seq_layout batches_asking(const seq_layout *layout, seq_asks asks) {
  seq_layout l = *layout;
  l.asks = asks;
  return l;
}

batcher *batches_of_training(const data_config *c, const seq_layout *layout) {
  batcher *b;
  check_ok(batcher_open(&b, batches_data, c, layout, PART_TRAIN, 0, 1));
  return b;
}
