// A WordPiece vocabulary made elsewhere, in Souk's order.
//
// Hugging Face's and NVIDIA's BERT number their tokens by the line of vocab.txt, with [PAD] at 0 and, for
// the usual English vocabulary, [UNK] [CLS] [SEP] [MASK] at 100 to 103. Souk's specials are 0 to 4 in any
// vocabulary, then come the words. So the tokens are renumbered: the five specials first, all others behind
// them in the order they had. Whoever reads ids made with the other numbering (shards, weights) goes
// through `ours`.
#ifndef SOUK_DATA_WORDPIECE_H
#define SOUK_DATA_WORDPIECE_H

#include "data/vocab.h"

typedef struct wordpiece {
  vocab *v;      // specials | words
  int32_t n;     // tokens
  int32_t *ours; // [n] by their id; a permutation of 0 .. n - 1
} wordpiece;

// Reads DIR/vocab.txt (a token a line), or else DIR/tokenizer.json (a WordPiece model of the tokenizers
// library). The specials are those named in DIR/special_tokens_map.json, or else [PAD] [UNK] [CLS] [SEP]
// [MASK]; all five must be there. Their names in v are always the latter. *path_used (may be NULL;
// [PATH_MAX]) gets the file's path.
status wordpiece_read(wordpiece **out, const char *dir, char *path_used);
void wordpiece_free(wordpiece *w); // NULL is safe

#endif
