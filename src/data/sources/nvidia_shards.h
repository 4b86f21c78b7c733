// Pre-training shards in the layout of NVIDIA's BERT example, made elsewhere: a directory of HDF5 files (nvidia_find.h says
// where they may lie) with
//   input_ids [N,S], input_mask [N,S] (ones, then zeros), segment_ids [N,S] (0 or 1),
//   masked_lm_positions [N,P] (0-padded: the first 0 ends the list), masked_lm_ids [N,P],
//   next_sentence_labels [N] or [N,1]
// of any integer type or booleans, stored plainly, through the library's filters or lzf, and the vocabulary that they were made
// with, vocab.txt or tokenizer.json (wordpiece.h), beside them or above. Where names contain "training", only those count, as
// with NVIDIA.
//
// Examples come with their masks. Token ids are renumbered to Souk's. The files are read by a child process
// (child.h), a whole shard at a time, since their chunks split the columns; every number is checked.
#ifndef SOUK_DATA_SOURCES_NVIDIA_SHARDS_H
#define SOUK_DATA_SOURCES_NVIDIA_SHARDS_H

#include <jansson.h>
#include "data/vocab.h"

typedef struct nvidia_shards nvidia_shards;

bool nvidia_found(const char *dir); // are there files of such names?
// Reads the vocabulary and the length of every example.
status nvidia_open(nvidia_shards **out, const char *dir);
void nvidia_close(nvidia_shards *s); // NULL is safe

const vocab *nvidia_vocab(const nvidia_shards *s);
json_t *nvidia_tokenizer(const nvidia_shards *s); // settings (tokenizer.h), owned by s; NULL: none
int32_t nvidia_count(const nvidia_shards *s);     // shards
int64_t nvidia_first(const nvidia_shards *s,
                     int32_t shard); // first row of a shard; of shard nvidia_count: all rows
const int32_t *nvidia_lengths(const nvidia_shards *s); // [rows] tokens of each, owned by s
int32_t nvidia_most_masked(const nvidia_shards *s);    // largest P
double nvidia_rows_bytes(
    const nvidia_shards *s); // of memory, with all rows read and each masked as often as one may be
const char *nvidia_identity(const nvidia_shards *s); // SHA-256 over names, sizes, lengths and vocabulary

// A shard in memory. Several threads may read.
typedef struct nvidia_rows nvidia_rows;
status nvidia_read(nvidia_rows **out, nvidia_shards *s, int32_t shard);
void nvidia_rows_free(nvidia_rows *r); // NULL is safe

typedef struct premasked {
  int32_t n, n_masked;
  const int32_t *tokens;             // [n] as the model sees them, masks applied
  const uint8_t *segments;           // [n]
  const int32_t *positions, *labels; // [n_masked] places in the example, from 0; token ids that belong there
  int32_t next;                      // 0: the second segment follows the first, 1: it is a random one
} premasked;
void nvidia_get(const nvidia_rows *r, int64_t row,
                premasked *p); // row of the data set; pointers live as long as r

#endif
