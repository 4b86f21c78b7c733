// The settings of a Hugging Face tokenizer: kept from import to export, so that the exported tokenizer is the model's.
//
// An object, which a checkpoint's manifest has as "tokenizer" (docs/formats.md):
//   config        the fields of tokenizer_config.json, special tokens as texts; without added_tokens_decoder, and without what
//                 names files or programs of the machine that wrote it
//   added_tokens  [{content, in_model, lstrip, normalized, rstrip, single_word, special}]: tokens that are found in a text
//                 before anything else is done to it; in_model: the WordPiece model knows the token as well
//   backend       what tokenizer.json has beside its vocabulary, as it is there, but with Souk's token ids: normalizer,
//                 pre_tokenizer, post_processor, decoder, truncation, padding, and of the model all but "vocab"
//   typed_specials  true: the text of a special token is that token, as Hugging Face has it (souk import --typed_specials); else it is
//                 text (format/word_tokenizer.h)
// Absent parts mean what Hugging Face's BertTokenizer does by default.
#ifndef SOUK_DATA_TOKENIZER_H
#define SOUK_DATA_TOKENIZER_H

#include <jansson.h>
#include "base/status.h"
#include "format/word_tokenizer.h"

// The files of a directory, as json; NULL: not there. The paths are for messages.
typedef struct tokenizer_files {
  const json_t *config, *special_map, *added, *backend;
  const char *config_path, *special_map_path, *added_path, *backend_path;
} tokenizer_files;

// Who has which role, "[MASK]" unless the files say otherwise.
typedef struct special_names {
  char name[TOKEN_SPECIALS][256];
} special_names;
extern const char *const special_roles[TOKEN_SPECIALS]; // "pad_token" ...

// The roles that tokenizer_config.json and special_tokens_map.json give; where they differ, the one that Hugging Face's
// library goes by counts, and a warning names both. Two roles of one token are an error.
status tokenizer_special_names(special_names *names, const tokenizer_files *f);

// Settings [new reference] of the files but for added_tokens; NULL when there are no files. Warns where tokenizer.json and
// tokenizer_config.json contradict each other. ours [n]: Souk's ids by theirs, -1: no token has it.
status tokenizer_settings(json_t **out, const tokenizer_files *f, const special_names *names,
                          const int32_t *ours, int32_t n);

// The text of special token `special` in these settings (NULL: none).
const char *tokenizer_special(const json_t *settings, int special);

// Lets texts have special tokens: settings [*settings, made where it is NULL] with typed_specials.
status tokenizer_allow_specials(json_t **settings);

// Are these settings, out of a manifest, what this header says?
status tokenizer_check(const json_t *settings, const char *path);

// The tokeniser of these settings (NULL: BERT's defaults) for the words of v: the ids are Souk's, and the tokens those of Hugging
// Face's fast tokenizer, or of the one in Python where the config has "use_fast": false. ERR_UNSUPPORTED: tokenizer.json has a
// normalizer, pre-tokenizer or model that is not BERT's.
status tokenizer_open(word_tokenizer **out, const vocab *v, const json_t *settings);

// The options that tokenizer_open goes by. They point into `settings` and into *added, which the caller frees, also after a failure.
status tokenizer_options(word_options *o, word_added **added, const vocab *v, const json_t *settings);

// Is its class one that takes what tokenizer.json says, and not one that goes by tokenizer_config.json?
bool tokenizer_goes_by_backend(const json_t *config);

// The text of a token where Hugging Face's files have a text, or an object with "content"; NULL: neither.
const char *tokenizer_content(const json_t *value);

#endif
