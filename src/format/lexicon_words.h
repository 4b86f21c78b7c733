// What lexicon_bind makes of a vocabulary, and lexicon_mask asks.
//
// A piece is a row of events: its letters and Chinese characters as a lexicon sees them, and the signs in between. Pieces with equal
// events are alike to a lexicon. Sorted by their events they make a trie, in which a beginning is a range of pieces.
//
// Most of a mask does not depend on which phrases the text has begun. A piece by itself can be banned because a phrase lies inside it, and
// that depends only on what number stands in front, or whether the piece goes on with a word: these are the sheets, made once.
#ifndef SOUK_FORMAT_LEXICON_WORDS_H
#define SOUK_FORMAT_LEXICON_WORDS_H

#include "format/lexicon_internal.h"
#include "format/lexicon_mask.h"

enum {
  EVENT_SIGN = 0x110100,          // and the lexicon_class: a sign as an event. Others are symbols
  SHEET_INSIDE = NUMBER_BARE + 1, // of letters that go on with a word; sheets before it are lexicon_numbers
  SHEET_GLUED,                    // of letters that go on with a word that is a number so far
  SHEETS,
};

typedef struct words_node {
  uint32_t event;       // that leads here
  uint32_t children, n; // the first child and how many, side by side, in the order of their events
  uint32_t begin, own,
      end; // pieces that begin so: order[begin, end); those that are complete: order[begin, own)
} words_node;

struct lexicon_words {
  const lexicon *l;
  int32_t n;
  size_t words;              // uint64_t of a sheet
  uint32_t *begins, *events; // events of piece i: events[begins[i]] to begins[i + 1]
  uint8_t *kinds;            // [n] a copy_kind; COPY_KINDS: never admissible
  int32_t *order;            // [n_order] pieces that begin a character and are text, by their events
  size_t n_order;
  words_node *nodes; // [n_nodes]; 0 is the root, whose own pieces have no events
  size_t n_nodes;
  uint64_t *of_kind[COPY_KINDS]; // [words] pieces of each kind
  uint64_t *sheets[SHEETS];      // [words]
  uint64_t *letters;             // [words] pieces whose first event is a letter
  int most_live;                 // entries that a piece alone makes at most
  // Pieces that begin inside a character: their bytes.
  int32_t *odd; // [n_odd]
  uint32_t *odd_begins;
  char *odd_bytes;
  size_t n_odd;
  bool like; // all but the sheets is another's
  uint64_t *kind_memory, *sheet_memory;
};

static inline lexicon_symbol lexicon_event(uint32_t event) {
  return event >= EVENT_SIGN ? (lexicon_symbol){0, event - EVENT_SIGN} : lexicon_symbol_of(event);
}

static inline void set_bit(uint64_t *bits, int32_t i) {
  bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void clear_bit(uint64_t *bits, int32_t i) {
  bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

#endif
