// A trie in a double array; see byte_trie.h.
//
// States are placed depth first. A state's children need cells at the same distances as their bytes, all of them free: the free
// cells are a list, and the first few are tried as the place of the first child. Most states have one child, which fits into any
// free cell, so that the array stays dense without a search that a hostile list of strings could make long.
#include "format/byte_trie.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 64, BYTES = 256 };

typedef struct
    part { // of the keys those that share the bytes up to `depth`, and the state that stands for these
  size_t from, to, depth;
  int32_t state;
} part;

typedef struct builder {
  trie_cell *cells;
  size_t cells_cap;
  int32_t n;
  int32_t *next, *previous; // the list of free cells, in order; -1: none
  size_t next_cap, previous_cap;
  int32_t first, last;
  part *parts; // yet to be done
  size_t parts_cap, n_parts;
  const trie_key *keys;
} builder;

static int by_text(const void *x, const void *y) {
  const trie_key *a = x, *b = y;
  const size_t shorter = a->bytes < b->bytes ? a->bytes : b->bytes;
  const int order = memcmp(a->text, b->text, shorter);
  if (order != 0) return order;
  if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
  return (a->value > b->value) - (a->value < b->value);
}

// Cells up to n, the new ones free.
static bool grow(builder *b, int32_t n, format_error *e) {
  static const char what[] = "the words of a tokenizer";
  if (n <= b->n) return true;
  if (!format_grow(&b->cells, &b->cells_cap, (size_t)n, sizeof *b->cells, what, e) ||
      !format_grow(&b->next, &b->next_cap, (size_t)n, sizeof *b->next, what, e) ||
      !format_grow(&b->previous, &b->previous_cap, (size_t)n, sizeof *b->previous, what, e))
    return false;
  for (int32_t i = b->n; i < n; i++) {
    b->cells[i] = (trie_cell){0, -1, -1};
    b->next[i] = -1;
    b->previous[i] = b->last;
    if (b->last >= 0)
      b->next[b->last] = i;
    else
      b->first = i;
    b->last = i;
  }
  b->n = n;
  return true;
}

static void take(builder *b, int32_t cell, int32_t owner) {
  const int32_t before = b->previous[cell], after = b->next[cell];
  if (before >= 0)
    b->next[before] = after;
  else
    b->first = after;
  if (after >= 0)
    b->previous[after] = before;
  else
    b->last = before;
  b->cells[cell].owner = owner;
}

static bool fits(const builder *b, int64_t base, const unsigned char *bytes, int n) {
  if (base < 1) return false;
  for (int i = 0; i < n; i++)
    if (base + bytes[i] < b->n && b->cells[base + bytes[i]].owner >= 0) return false;
  return true;
}

// Where children with these bytes can lie; the array has room for them then.
static bool place(builder *b, const unsigned char *bytes, int n, int32_t *base, format_error *e) {
  int32_t cell = b->first;
  *base = b->n;
  for (int i = 0; i < TRIES && cell >= 0; i++, cell = b->next[cell])
    if (fits(b, (int64_t)cell - bytes[0], bytes, n)) {
      *base = cell - bytes[0];
      break;
    }
  if (*base > INT32_MAX - 2 * BYTES)
    return format_fail(e, FORMAT_INTERNAL, "the words of a tokenizer are too many");
  return grow(b, *base + BYTES, e);
}

// Gives the state of p its children, which become parts of their own.
static bool divide(builder *b, part p, format_error *e) {
  const trie_key *keys = b->keys;
  unsigned char bytes[BYTES];
  size_t begins[BYTES + 1];
  int n = 0;
  for (; p.from < p.to && keys[p.from].bytes == p.depth; p.from++) // the last of those with one text counts
    if (p.depth > 0) b->cells[p.state].value = keys[p.from].value;
  for (size_t i = p.from; i < p.to; i++) {
    const unsigned char c = (unsigned char)keys[i].text[p.depth];
    if (n > 0 && bytes[n - 1] == c) continue;
    begins[n] = i;
    bytes[n++] = c;
  }
  if (n == 0) return true;
  begins[n] = p.to;
  int32_t base;
  if (!place(b, bytes, n, &base, e) ||
      !format_grow(&b->parts, &b->parts_cap, b->n_parts + (size_t)n, sizeof *b->parts, "a tokenizer", e))
    return false;
  b->cells[p.state].base = base;
  for (int i = 0; i < n; i++) {
    take(b, base + bytes[i], p.state);
    b->parts[b->n_parts++] = (part){begins[i], begins[i + 1], p.depth + 1, base + bytes[i]};
  }
  return true;
}

bool byte_trie_make(byte_trie *t, trie_key *keys, size_t n, format_error *e) {
  builder b = {.first = -1, .last = -1, .keys = keys};
  *t = (byte_trie){0};
  if (n > 1) qsort(keys, n, sizeof *keys, by_text);
  bool good = grow(&b, BYTES, e) && format_grow(&b.parts, &b.parts_cap, 1, sizeof *b.parts, "a tokenizer", e);
  if (good) {
    take(&b, TRIE_ROOT,
         TRIE_ROOT); // its own: a step by a byte of distance 0 does not exist, as bases begin at 1
    b.parts[b.n_parts++] = (part){0, n, 0, TRIE_ROOT};
  }
  while (good && b.n_parts > 0) good = divide(&b, b.parts[--b.n_parts], e);
  free(b.next);
  free(b.previous);
  free(b.parts);
  if (good)
    *t = (byte_trie){b.cells, b.n};
  else
    free(b.cells);
  return good;
}

void byte_trie_free(byte_trie *t) {
  free(t->cells);
  *t = (byte_trie){0};
}
