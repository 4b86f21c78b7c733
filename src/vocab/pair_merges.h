// The pieces of a WordPiece vocabulary by merging the most frequent pair of neighbours again and again (byte pair encoding;
// Sennrich et al., 2016), as Hugging Face's trainer of BERT vocabularies does it. The alternative, merging the pair whose parts
// are rarest apart (Schuster and Nakajima, 2012), is what BERT's own vocabularies were made with; its code was never published.
//
// Words begin as their characters, those inside a word with "##" in front. Of two pairs as frequent the one whose left part
// came first into the vocabulary is merged, then whose right part did, so that the result depends on the counts alone.
#ifndef SOUK_VOCAB_PAIR_MERGES_H
#define SOUK_VOCAB_PAIR_MERGES_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "prepare/intern.h"

typedef struct pair_merges pair_merges;

status pair_merges_new(pair_merges **out);
void pair_merges_free(pair_merges *m); // NULL is safe
// A word of n pieces (numbers of the caller's list) that occurs `count` times.
status pair_merges_add(pair_merges *m, const int32_t *pieces, size_t n, int64_t count);

// Merges pairs that occur min_count times or more until `pieces` has `size` texts. `pieces`: the texts of the pieces, to which
// those of merged pairs are added. *merges gets how many pairs were merged.
status pair_merges_run(pair_merges *m, intern *pieces, int32_t size, int64_t min_count, int64_t *merges);
// The pieces that all occurrences of all words have together, after the merges.
int64_t pair_merges_pieces(const pair_merges *m);

#endif
