// Shards in NVIDIA's layout for tests, and their vocabulary.
#ifndef SOUK_TESTS_TINY_SHARDS_H
#define SOUK_TESTS_TINY_SHARDS_H

#include <hdf5.h>
#include <stdint.h>

enum { S = 12, P = 3, WORDS = 60 }; // tokens 0 .. 59 of vocab.txt

typedef struct shard {
  int32_t n;
  int32_t ids[200 * S], positions[200 * P], labels[200 * P];
  int8_t mask[200 * S], segments[200 * S], next[200];
} shard;

// WHERE/vocab.txt: [PAD] w1 .. w9 [UNK] [CLS] [SEP] [MASK] w14 ...: as in BERT's vocabulary, specials are not at the front.
void tiny_vocab(const char *where);
// Rows first to first + n - 1 of the data set. Row r: length 4 + r % 9, second segment from the middle, r % 4 masks.
void make_rows(shard *s, int32_t first, int32_t n);
// leave_out: a dataset that is not written; NULL: none.
void tiny_shard(const char *path, const shard *s, const char *leave_out, hid_t id_type);

#endif
