// A vocabulary in ranges, special | words | attributes | items, and its file. Token ids are int32 and dense; the special tokens
// have the same ids in each of Souk's vocabularies, whoever reads them.
//
// On disk: vocab.tsv, one token a line in id order: TOKEN <tab> COUNT <newline>; in TOKEN a backslash, tab, newline and CR are
// written \\ \t \n \r. The ranges are in the manifest beside it. COUNT of an item is its number of occurrences in what is
// trained on: the training parts, without the validation and test targets; in the checkpoints of a final training with the former.
#ifndef SOUK_FORMAT_VOCABULARY_H
#define SOUK_FORMAT_VOCABULARY_H

#include <stdint.h>
#include "format/format_error.h"

// The one list of them: name, id, text.
#define SPECIAL_TOKENS(TOKEN) \
  TOKEN(PAD, 0, "[PAD]")      \
  TOKEN(UNK, 1, "[UNK]")      \
  TOKEN(CLS, 2, "[CLS]")      \
  TOKEN(SEP, 3, "[SEP]")      \
  TOKEN(MASK, 4, "[MASK]")

enum {
#define TOKEN(name, id, text) TOKEN_##name = id,
  SPECIAL_TOKENS(TOKEN)
#undef TOKEN
#define TOKEN(name, id, text) +1
      TOKEN_SPECIALS = SPECIAL_TOKENS(TOKEN) // how many; the other tokens begin here
#undef TOKEN
};

extern const char *const special_tokens[TOKEN_SPECIALS]; // their texts, by id

// Ids are dense; ranges lie one behind the other, in this order.
typedef enum vocab_range {
  RANGE_SPECIAL,
  RANGE_WORDS,
  RANGE_ATTRIBUTES,
  RANGE_ITEMS,
  RANGE_COUNT
} vocab_range;
extern const char *const vocab_range_names[RANGE_COUNT]; // "special", "words", "attributes", "items"

// A name of an item, user, session or category has at most this many bytes; souk prepare rejects rows with longer ones.
enum { MAX_NAME_BYTES = 1024 };

typedef struct vocab vocab;

// A vocabulary being built: ranges are filled in order, texts are copied. A new one holds the special tokens already.
bool vocabulary_new(vocab **out, format_error *e);
// *id (may be NULL) gets the token's id. A token may be in several ranges, but in each only once.
bool vocabulary_add(vocab *v, vocab_range range, const char *token, int64_t count, int32_t *id,
                    format_error *e);
// A vocab.tsv in memory; `path` is for messages.
bool vocabulary_parse(vocab **out, const char *data, size_t bytes, const int32_t range_end[RANGE_COUNT],
                      const char *path, format_error *e);
void vocab_free(vocab *v); // NULL is safe

int32_t vocab_size(const vocab *v);
int32_t vocab_begin(const vocab *v, vocab_range range); // first id of a range
int32_t vocab_end(const vocab *v, vocab_range range);   // one past its last
const char *vocab_token(const vocab *v, int32_t id);    // owned by v
int64_t vocab_token_count(const vocab *v, int32_t id);
void vocab_set_count(vocab *v, int32_t id, int64_t count);
int32_t vocab_find(const vocab *v, vocab_range range, const char *token); // -1: not there
int32_t vocab_find_bytes(const vocab *v, vocab_range range, const char *text, size_t bytes);
size_t vocab_bytes(const vocab *v);      // allocated
size_t vocab_used_bytes(const vocab *v); // of them, without room to grow

// Undoes the escapes of a name from a tab-separated file, in place; false: an unknown one.
bool vocab_unescape(char *text);

#endif
