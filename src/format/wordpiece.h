// A WordPiece vocabulary made elsewhere, in Souk's order.
//
// Hugging Face's and NVIDIA's BERT number their tokens by the line of vocab.txt, with [PAD] at 0 and, for
// the usual English vocabulary, [UNK] [CLS] [SEP] [MASK] at 100 to 103. Souk's specials are 0 to 4 in any
// vocabulary, then come the words. So the tokens are renumbered: the five specials first, all others behind
// them in the order they had. Whoever reads ids made with the other numbering (shards, weights) goes
// through `ours`.
#ifndef SOUK_FORMAT_WORDPIECE_H
#define SOUK_FORMAT_WORDPIECE_H

#include "format/vocabulary.h"

typedef struct wordpiece {
  vocab *v;      // specials | words
  int32_t n;     // tokens
  int32_t *ours; // [n] by their id; a permutation of 0 .. n - 1
} wordpiece;

// The files, in memory; paths are for messages.
typedef struct wordpiece_files {
  const char *path,
      *text; // vocab.txt (a token a line), or tokenizer.json (a WordPiece model of the tokenizers library)
  size_t bytes;
  bool is_json;
  const char *specials_path, *specials; // special_tokens_map.json; specials NULL: there is none
  size_t specials_bytes;
} wordpiece_files;

// The specials are those named in special_tokens_map.json, or else [PAD] [UNK] [CLS] [SEP] [MASK]; all five must be there.
// Their names in v are always the latter.
bool wordpiece_parse(wordpiece **out, const wordpiece_files *files, format_error *e);
void wordpiece_free(wordpiece *w); // NULL is safe

#endif
