// What there is to count in a data set: its sums, which the manifest has too, targets, and windows.
#include "data/dataset_internal.h"

static status check_sum(const dataset *d, const char *what, int64_t found, int64_t said) {
  if (found == said) return OK;
  return fail(ERR_FORMAT, "%s: the shards hold %lld %s, the manifest says %lld", dataset_dir(d),
              (long long)found, what, (long long)said);
}

// Batches, plans and reports go by the manifest's numbers.
status dataset_check_sums(const dataset *d, int64_t sequences) {
  const dataset_info *info = dataset_get_info(d);
  const vocab *v = dataset_vocab(d);
  const int32_t *lengths = dataset_lengths(d), *train_lengths = dataset_train_lengths(d),
                *test_from = dataset_test_from(d);
  int64_t tokens = 0, train_tokens = 0, known_tokens = 0; // known: all but the test parts
  int32_t longest = 0;
  TRY(check_sum(d, "sequences", sequences, info->sequences));
  for (int64_t i = 0; i < sequences; i++) {
    tokens += lengths[i];
    train_tokens += train_lengths[i];
    known_tokens += test_from[i];
    if (lengths[i] > longest) longest = lengths[i];
  }
  TRY(check_sum(d, "tokens", tokens, info->tokens));
  TRY(check_sum(d, "training tokens", train_tokens, info->train_tokens));
  TRY(check_sum(d, "tokens of validation parts", known_tokens - train_tokens, info->valid_targets));
  TRY(check_sum(d, "tokens of test parts", tokens - known_tokens, info->test_targets));
  int64_t counted = 0; // of items in train parts, by the vocabulary
  for (int32_t id = vocab_begin(v, RANGE_ITEMS); id < vocab_size(v); id++)
    if (__builtin_add_overflow(counted, vocab_token_count(v, id), &counted)) counted = INT64_MAX;
  if (counted > train_tokens)
    return fail(ERR_FORMAT,
                "%s/vocab.tsv: its items occur %lld times, but the train parts have only %lld events",
                dataset_dir(d), (long long)counted, (long long)train_tokens);
  return check_sum(d, "tokens at most in a sequence", longest, info->longest);
}

// ---- targets -------------------------------------------------------------------------------------------------

void dataset_targets(const dataset *d, int64_t index, bool test, int32_t *from, int32_t *to) {
  split_targets(&dataset_get_info(d)->split, dataset_lengths(d)[index], dataset_train_lengths(d)[index],
                dataset_test_from(d)[index], test, from, to);
}

int64_t dataset_count_targets(const dataset *d, bool test) {
  int64_t count = 0;
  for (int64_t i = 0; i < dataset_get_info(d)->sequences; i++) {
    int32_t from, to;
    dataset_targets(d, i, test, &from, &to);
    count += from < to ? to - from : 0;
  }
  return count;
}

int64_t dataset_count_users(const dataset *d, bool test) {
  int64_t count = 0;
  for (int64_t i = 0; i < dataset_get_info(d)->sequences; i++) {
    int32_t from, to;
    dataset_targets(d, i, test, &from, &to);
    count += from < to;
  }
  return count;
}

// ---- windows -------------------------------------------------------------------------------------------------

int32_t window_count(int32_t n, int32_t window, int32_t stride) {
  if (n < 1) return 0;
  return n <= window ? 1 : 1 + (n - window + stride - 1) / stride;
}

void window_at(int32_t n, int32_t window, int32_t stride, int32_t i, int32_t *begin, int32_t *end) {
  const int32_t from_end = window_count(n, window, stride) - 1 - i; // the last one covers the newest tokens
  *end = n - from_end * stride;
  if (*end < window) *end = n < window ? n : window; // the oldest window keeps its length
  *begin = *end > window ? *end - window : 0;
}
