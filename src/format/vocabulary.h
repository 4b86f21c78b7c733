// What every reader and writer of a vocabulary agrees on: the special tokens, which have the same ids in each of Souk's
// vocabularies, the ranges of ids, and how a token is written in a tab-separated file.
#ifndef SOUK_FORMAT_VOCABULARY_H
#define SOUK_FORMAT_VOCABULARY_H

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

#endif
