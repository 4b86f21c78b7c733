// Merging of pairs; see pair_merges.h.
//
// A pair knows its count and the words that it has been seen in, which may hold it no longer. The pairs stand in a heap by
// count; a count that sank is noticed when the pair comes out, and it goes back in. A merge walks through the pair's words and
// moves the counts of the neighbours in these.
#include "vocab/pair_merges.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "format/order.h"

enum { FIRST_SLOTS = 1 << 12, MOST_BYTES = 4096 };

typedef struct word {
  size_t begin; // of its pieces
  int32_t n;
  int64_t count;
} word;

typedef struct pair {
  int32_t a, b;
  int64_t count;
  int32_t *words; // [n_words], a word may be there twice
  size_t n_words, cap;
} pair;

typedef struct waiting { // in the heap
  int64_t count;
  int32_t pair;
} waiting;

struct pair_merges {
  int32_t *pieces; // of all words, one behind the other
  size_t n_pieces, pieces_cap;
  word *words;
  size_t n_words, words_cap;
  pair *pairs;
  size_t n_pairs, pairs_cap;
  int32_t *slots; // pair + 1, 0 empty; power of two
  size_t n_slots;
  waiting *heap;
  size_t n_heap, heap_cap;
  int32_t *touched; // pairs that this merge made or made more frequent
  size_t n_touched, touched_cap;
};

status pair_merges_new(pair_merges **out) {
  return mem_new(out, 1, sizeof **out, "the pieces of words");
}

void pair_merges_free(pair_merges *m) {
  if (m == NULL) return;
  for (size_t i = 0; i < m->n_pairs; i++) free(m->pairs[i].words);
  free(m->pieces);
  free(m->words);
  free(m->pairs);
  free(m->slots);
  free(m->heap);
  free(m->touched);
  free(m);
}

status pair_merges_add(pair_merges *m, const int32_t *pieces, size_t n, int64_t count) {
  TRY(mem_grow(&m->pieces, &m->pieces_cap, m->n_pieces + n, sizeof *m->pieces, "the pieces of words"));
  TRY(mem_grow(&m->words, &m->words_cap, m->n_words + 1, sizeof *m->words, "the pieces of words"));
  if (n > 0) memcpy(m->pieces + m->n_pieces, pieces, n * sizeof *pieces);
  m->words[m->n_words++] = (word){m->n_pieces, (int32_t)n, count};
  m->n_pieces += n;
  return OK;
}

// ---- pairs ---------------------------------------------------------------------------------------------------

static size_t slot_of(const pair_merges *m, int32_t a, int32_t b) {
  uint64_t h = ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) * UINT64_C(0x9E3779B97F4A7C15);
  size_t i = (size_t)(h >> 20) & (m->n_slots - 1);
  while (m->slots[i] != 0 && (m->pairs[m->slots[i] - 1].a != a || m->pairs[m->slots[i] - 1].b != b))
    i = (i + 1) & (m->n_slots - 1);
  return i;
}

static status grow_slots(pair_merges *m) {
  const size_t wanted = m->n_slots > 0 ? 2 * m->n_slots : FIRST_SLOTS;
  if (2 * (m->n_pairs + 1) <= m->n_slots) return OK;
  int32_t *slots;
  TRY(mem_new(&slots, wanted, sizeof *slots, "pairs of pieces"));
  free(m->slots);
  m->slots = slots;
  m->n_slots = wanted;
  for (size_t i = 0; i < m->n_pairs; i++) m->slots[slot_of(m, m->pairs[i].a, m->pairs[i].b)] = (int32_t)i + 1;
  return OK;
}

static status find_pair(pair_merges *m, int32_t a, int32_t b, int32_t *number) {
  TRY(grow_slots(m));
  const size_t i = slot_of(m, a, b);
  if (m->slots[i] == 0) {
    if (m->n_pairs == INT32_MAX - 1)
      return fail(ERR_ARGUMENT, "the words have more than 2^31 pairs of pieces");
    TRY(mem_grow(&m->pairs, &m->pairs_cap, m->n_pairs + 1, sizeof *m->pairs, "pairs of pieces"));
    m->pairs[m->n_pairs] = (pair){.a = a, .b = b};
    m->slots[i] = (int32_t)++m->n_pairs;
  }
  *number = m->slots[i] - 1;
  return OK;
}

// The pair occurs in this word: `more` times the word's count, which may be negative.
static status count_pair(pair_merges *m, int32_t a, int32_t b, size_t in, int64_t more) {
  int32_t number = 0;
  TRY(find_pair(m, a, b, &number));
  pair *p = &m->pairs[number];
  p->count += more;
  if (more <= 0) return OK;
  if (p->n_words == 0 || p->words[p->n_words - 1] != (int32_t)in) {
    TRY(mem_grow(&p->words, &p->cap, p->n_words + 1, sizeof *p->words, "pairs of pieces"));
    p->words[p->n_words++] = (int32_t)in;
  }
  TRY(mem_grow(&m->touched, &m->touched_cap, m->n_touched + 1, sizeof *m->touched, "pairs of pieces"));
  m->touched[m->n_touched++] = number;
  return OK;
}

// ---- the heap ------------------------------------------------------------------------------------------------

// Does x come out before y?
static bool before(const pair_merges *m, waiting x, waiting y) {
  if (x.count != y.count) return x.count > y.count;
  const pair *p = &m->pairs[x.pair], *q = &m->pairs[y.pair];
  return p->a != q->a ? p->a < q->a : p->b < q->b;
}

static status push(pair_merges *m, waiting x) {
  TRY(mem_grow(&m->heap, &m->heap_cap, m->n_heap + 1, sizeof *m->heap, "pairs of pieces"));
  size_t i = m->n_heap++;
  for (; i > 0 && before(m, x, m->heap[(i - 1) / 2]); i = (i - 1) / 2) m->heap[i] = m->heap[(i - 1) / 2];
  m->heap[i] = x;
  return OK;
}

static waiting pop(pair_merges *m) {
  const waiting first = m->heap[0], last = m->heap[--m->n_heap];
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < m->n_heap; i = child) {
    if (child + 1 < m->n_heap && before(m, m->heap[child + 1], m->heap[child])) child++;
    if (!before(m, m->heap[child], last)) break;
    m->heap[i] = m->heap[child];
  }
  m->heap[i] = last;
  return first;
}

// What has become more frequent waits anew, each pair once.
static status push_touched(pair_merges *m, int64_t min_count) {
  if (m->n_touched > 1) qsort(m->touched, m->n_touched, sizeof *m->touched, order_int32);
  for (size_t i = 0; i < m->n_touched; i++) {
    const int32_t number = m->touched[i];
    if (i > 0 && m->touched[i - 1] == number) continue;
    if (m->pairs[number].count >= min_count) TRY(push(m, (waiting){m->pairs[number].count, number}));
  }
  m->n_touched = 0;
  return OK;
}

// ---- merges --------------------------------------------------------------------------------------------------

// Puts `both` for a and b wherever they are neighbours in the word, and moves the counts of what stands beside them.
static status merge_in_word(pair_merges *m, size_t number, int32_t a, int32_t b, int32_t both) {
  word *w = &m->words[number];
  int32_t *pieces = m->pieces + w->begin, kept = 0;
  for (int32_t i = 0; i < w->n; i++) {
    if (i + 1 == w->n || pieces[i] != a || pieces[i + 1] != b) {
      pieces[kept++] = pieces[i];
      continue;
    }
    if (kept > 0) {
      TRY(count_pair(m, pieces[kept - 1], a, number, -w->count));
      TRY(count_pair(m, pieces[kept - 1], both, number, w->count));
    }
    if (i + 2 < w->n) {
      TRY(count_pair(m, b, pieces[i + 2], number, -w->count));
      TRY(count_pair(m, both, pieces[i + 2], number, w->count));
    }
    pieces[kept++] = both;
    i++;
  }
  w->n = kept;
  return OK;
}

// The text of two pieces in one: the second is inside a word.
static status join(intern *pieces, int32_t a, int32_t b, int32_t *both) {
  char text[2 * MOST_BYTES];
  const size_t n = intern_length(pieces, a), k = intern_length(pieces, b) - 2;
  if (n + k >= sizeof text)
    return fail(ERR_INTERNAL, "a piece of a word is longer than %d bytes", 2 * MOST_BYTES);
  memcpy(text, intern_text(pieces, a), n);
  memcpy(text + n, intern_text(pieces, b) + 2, k + 1);
  return intern_add(pieces, text, both);
}

static status merge(pair_merges *m, intern *pieces, int32_t number, int64_t min_count) {
  const pair p = m->pairs[number]; // the list may move
  int32_t both = 0;
  TRY(join(pieces, p.a, p.b, &both));
  m->pairs[number].words = NULL;
  m->pairs[number].n_words = m->pairs[number].cap = 0;
  m->pairs[number].count = 0;
  status rc = OK;
  for (size_t i = 0; rc == OK && i < p.n_words; i++)
    rc = merge_in_word(m, (size_t)p.words[i], p.a, p.b, both);
  free(p.words);
  TRY(rc);
  return push_touched(m, min_count);
}

static status count_all(pair_merges *m, int64_t min_count) {
  for (size_t i = 0; i < m->n_words; i++) {
    const word *w = &m->words[i];
    for (int32_t j = 0; j + 1 < w->n; j++)
      TRY(count_pair(m, m->pieces[w->begin + (size_t)j], m->pieces[w->begin + (size_t)j + 1], i, w->count));
  }
  return push_touched(m, min_count);
}

status pair_merges_run(pair_merges *m, intern *pieces, int32_t size, int64_t min_count, int64_t *merges) {
  *merges = 0;
  TRY(count_all(m, min_count));
  while (m->n_heap > 0 && intern_count(pieces) < size) {
    const waiting top = pop(m);
    const pair *p = &m->pairs[top.pair];
    if (p->count != top.count) { // it sank; if it rose it waits with its new count as well
      if (p->count >= min_count && p->count < top.count) TRY(push(m, (waiting){p->count, top.pair}));
      continue;
    }
    if (*merges % 1000 == 0) log_doing("merging pairs, %d pieces", intern_count(pieces));
    TRY(merge(m, pieces, top.pair, min_count));
    ++*merges;
  }
  return OK;
}

int64_t pair_merges_pieces(const pair_merges *m) {
  int64_t sum = 0;
  for (size_t i = 0; i < m->n_words; i++) sum += m->words[i].n * m->words[i].count;
  return sum;
}
