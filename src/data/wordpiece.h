// A WordPiece vocabulary made elsewhere, in Souk's order, and the settings of its tokenizer.
//
// Hugging Face's and NVIDIA's BERT number their tokens by the line of vocab.txt, with [PAD] at 0 and, for
// the usual English vocabulary, [UNK] [CLS] [SEP] [MASK] at 100 to 103. Souk's specials are 0 to 4 in any
// vocabulary, then come the words. So the tokens are renumbered: the five specials first, all others behind
// them in the order they had. Whoever reads ids made with the other numbering (shards, weights) goes
// through `ours`.
//
// Every file that Hugging Face's tokenizer would read counts: vocab.txt, tokenizer.json, added_tokens.json,
// tokenizer_config.json and special_tokens_map.json. A token may be in several of them, with one id. Lines of vocab.txt are
// read as Hugging Face's BertTokenizer reads them: an empty line is a token without text, spaces belong to the token, and of
// two lines with one text the later is the token; the id of the earlier is then the id of none, like one that no file has.
#ifndef SOUK_DATA_WORDPIECE_H
#define SOUK_DATA_WORDPIECE_H

#include <jansson.h>
#include "base/status.h"
#include "format/vocabulary.h"

typedef struct wordpiece {
  vocab *v;  // specials | words
  int32_t n; // their ids are below this; at least vocab_size(v)
  int32_t
      *ours; // [n] by their id; a permutation of 0 .. n - 1. Ids of no token are behind those of all tokens.
  json_t *tokenizer; // settings (tokenizer.h); NULL: only vocab.txt is there
} wordpiece;

// The specials are those that tokenizer_config.json or special_tokens_map.json names, or else [PAD] [UNK] [CLS] [SEP]
// [MASK]; all five must be there. Their names in v are always the latter. What is odd about a file is told in warnings; two
// files that contradict each other about a token are an error. `dir` may also be a file: of the name vocab.txt it stands for its
// directory, of another name for a vocab.txt alone. ERR_NOT_FOUND: neither vocab.txt nor tokenizer.json is in DIR.
status wordpiece_read(wordpiece **out, const char *dir);
void wordpiece_close(wordpiece *w); // NULL is safe

#endif
