// A set of byte strings with a number each, as an automaton: walking a text byte by byte finds the longest string that it begins
// with. A double array (Aoe, 1989): the step from state s by byte c leads to cell base[s] + c if that cell belongs to s.
#ifndef SOUK_FORMAT_BYTE_TRIE_H
#define SOUK_FORMAT_BYTE_TRIE_H

#include <stddef.h>
#include <stdint.h>
#include "format/format_error.h"

typedef struct trie_cell {
  int32_t base;  // of the state that this cell is
  int32_t owner; // the state that leads here; -1: the cell is free
  int32_t value; // of the string that ends here; -1: none does
} trie_cell;

typedef struct byte_trie { // read-only after byte_trie_make
  trie_cell *cells;        // [n], at least 256 more than any base
  int32_t n;
} byte_trie;

typedef struct trie_key {
  const char *text; // [bytes]
  size_t bytes;
  int32_t value; // 0 or more
} trie_key;

// Sorts the keys. Empty ones are left out; of two with the same text the one with the larger value counts. False: out of memory.
bool byte_trie_make(byte_trie *t, trie_key *keys, size_t n, format_error *e);
void byte_trie_free(byte_trie *t);

enum { TRIE_ROOT = 0 };

// The state after byte c; TRIE_ROOT, to which no step leads: there is none.
static inline int32_t byte_trie_step(const byte_trie *t, int32_t state, unsigned char c) {
  const int32_t to = t->cells[state].base + c;
  return t->cells[to].owner == state ? to : TRIE_ROOT;
}

// From `state` (TRIE_ROOT for whole strings): of the longest string that text [bytes] begins with the value, and its length; -1: with
// none.
static inline int32_t byte_trie_longest(const byte_trie *t, int32_t state, const char *text, size_t bytes,
                                        size_t *length) {
  int32_t found = -1;
  for (size_t i = 0; i < bytes; i++) {
    state = byte_trie_step(t, state, (unsigned char)text[i]);
    if (state == TRIE_ROOT) break;
    if (t->cells[state].value < 0) continue;
    found = t->cells[state].value;
    *length = i + 1;
  }
  return found;
}

#endif
