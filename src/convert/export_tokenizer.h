// The tokenizer of a bundle, for Hugging Face's AutoTokenizer: tokenizer.json and tokenizer_config.json, whose ids are the
// bundle's. docs/bundle.md says how they are used.
#ifndef SOUK_CONVERT_EXPORT_TOKENIZER_H
#define SOUK_CONVERT_EXPORT_TOKENIZER_H

#include <jansson.h>
#include "data/vocab.h"
#include "model/config.h"

// For a model of items. A text is a history, an item a line; a token's text is its line in vocab.tsv up to the tab, but
//   - the text of a special token inside a name has a backslash behind its bracket, [\MASK]: Hugging Face's library
//     would find the special token in it;
//   - a word or attribute with the name of an item is written \words:NAME, \attributes:NAME.
// Neither can be another name, because a backslash in a name is doubled. The ids that the tokenizer gives a history
// of known items are those that souk-infer encodes, [MASK] included.
status export_item_tokenizer(const char *dir, const vocab *v, const model_config *c);

// For a model of words: with `settings` (tokenizer.h; NULL: BERT's defaults), and with vocab.txt, which the tokenizers
// in Python read; *has_vocab_txt false: a token has a line end in it, which vocab.txt cannot hold.
status export_word_tokenizer(const char *dir, const vocab *v, const model_config *c, const json_t *settings,
                             bool *has_vocab_txt);

#endif
