// A vocabulary for a lexicon; see lexicon_words.h.
#include "format/lexicon_words.h"

#include <stdlib.h>
#include <string.h>
#include "format/utf8.h"

typedef struct binder {
  lexicon_words *w;
  const lexicon_piece *pieces;
  format_error *e;
} binder;

// ---- events --------------------------------------------------------------------------------------------------

// The end of text [bytes] without a character that is not complete; -1: it is no text.
static int64_t text_end(const char *text, size_t bytes) {
  size_t at = 0, n;
  while (at < bytes && (n = utf8_length(text + at, bytes - at)) > 0) at += n;
  if (at == bytes) return (int64_t)at;
  utf8_next(text + at, bytes - at, &n);
  const bool cut = at + n == bytes && (unsigned char)text[at] >= 0xC2 && (unsigned char)text[at] <= 0xF4;
  return cut ? (int64_t)at : -1;
}

static size_t read_events(const char *text, size_t bytes, uint32_t *to) {
  size_t count = 0;
  for (size_t at = 0, n; at < bytes; at += n) {
    const lexicon_symbol x = lexicon_read(text + at, bytes - at, &n);
    if (x.kind != LEXICON_NOTHING) to[count++] = x.kind < LEXICON_LETTER ? EVENT_SIGN + x.kind : x.c;
  }
  return count;
}

// NULL: the piece is never admissible.
static const char *text_of(const lexicon_piece *p) {
  if (p->text == NULL || p->text[0] == '\0') return NULL;
  return strnlen(p->text, LEXICON_LONGEST_PIECE + 1) <= LEXICON_LONGEST_PIECE ? p->text : NULL;
}

static bool take_pieces(binder *b) {
  lexicon_words *w = b->w;
  size_t bytes = 0, at = 0, odd = 0;
  for (int32_t i = 0; i < w->n; i++) bytes += text_of(&b->pieces[i]) != NULL ? strlen(b->pieces[i].text) : 0;
  if (bytes > UINT32_MAX)
    return format_fail(b->e, FORMAT_MALFORMED, "the words of a vocabulary have more than 4 GiB");
  const size_t n = (size_t)w->n;
  if (!format_alloc(&w->begins, n + 1, sizeof *w->begins, "lexicon", b->e) ||
      !format_alloc(&w->kinds, n, 1, "lexicon", b->e) ||
      !format_alloc(&w->events, bytes, sizeof *w->events, "lexicon", b->e) ||
      !format_alloc(&w->order, n, sizeof *w->order, "lexicon", b->e) ||
      !format_alloc(&w->odd, n, sizeof *w->odd, "lexicon", b->e) ||
      !format_alloc(&w->odd_begins, n + 1, sizeof *w->odd_begins, "lexicon", b->e) ||
      !format_alloc(&w->odd_bytes, bytes, 1, "lexicon", b->e))
    return false;
  for (int32_t i = 0; i < w->n; i++) {
    const char *text = text_of(&b->pieces[i]);
    const size_t length = text != NULL ? strlen(text) : 0;
    const bool inside = length > 0 && ((unsigned char)text[0] & 0xC0) == 0x80;
    const int64_t end = text == NULL ? -1 : text_end(text, length);
    w->kinds[i] = COPY_KINDS;
    if (inside || end >= 0) w->kinds[i] = (uint8_t)copy_kind_of(text, length, b->pieces[i].continues);
    if (inside) {
      memcpy(w->odd_bytes + odd, text, length);
      w->odd[w->n_odd++] = i;
      w->odd_begins[w->n_odd] = (uint32_t)(odd += length);
    } else if (end >= 0) {
      at += read_events(text, (size_t)end, w->events + at);
      w->order[w->n_order++] = i;
    }
    w->begins[i + 1] = (uint32_t)at;
  }
  return true;
}

// ---- the trie ------------------------------------------------------------------------------------------------

static int order_events(const void *a, const void *b, void *self) {
  const lexicon_words *w = self;
  const int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
  const uint32_t *x = w->events + w->begins[i], *y = w->events + w->begins[j];
  const size_t n = w->begins[i + 1] - w->begins[i], m = w->begins[j + 1] - w->begins[j];
  for (size_t k = 0; k < n && k < m; k++)
    if (x[k] != y[k]) return x[k] < y[k] ? -1 : 1;
  return n != m ? (n < m ? -1 : 1) : i < j ? -1 : i > j;
}

static size_t length_of(const lexicon_words *w, uint32_t place) {
  const int32_t i = w->order[place];
  return w->begins[i + 1] - w->begins[i];
}

static uint32_t event_of(const lexicon_words *w, uint32_t place, size_t depth) {
  return w->events[w->begins[w->order[place]] + depth];
}

// The children of node `at`, `depth` events deep.
static void split(lexicon_words *w, uint32_t at, size_t depth) {
  words_node *node = &w->nodes[at];
  node->own = node->begin;
  while (node->own < node->end && length_of(w, node->own) == depth) node->own++;
  node->children = (uint32_t)w->n_nodes;
  for (uint32_t i = node->own; i < node->end;) {
    const uint32_t event = event_of(w, i, depth), first = i;
    while (i < node->end && event_of(w, i, depth) == event) i++;
    w->nodes[w->n_nodes++] = (words_node){.event = event, .begin = first, .end = i};
    node->n++;
  }
}

static bool make_trie(binder *b) {
  lexicon_words *w = b->w;
  if (!format_alloc(&w->nodes, w->begins[w->n] + 1, sizeof *w->nodes, "lexicon", b->e)) return false;
  qsort_r(w->order, w->n_order, sizeof *w->order, order_events, w);
  w->nodes[0].end = (uint32_t)w->n_order;
  w->n_nodes = 1;
  size_t depth = 0;
  for (size_t from = 0, to = 1; from < to; depth++) { // one layer after the other
    for (size_t i = from; i < to; i++) split(w, (uint32_t)i, depth);
    from = to;
    to = w->n_nodes;
  }
  return true;
}

// ---- sheets --------------------------------------------------------------------------------------------------

// A state whose pieces are known: what they do is on a sheet.
typedef struct known {
  lexicon_state s;
  const uint64_t *sheet;
} known;

static bool are_same(const lexicon_state *a, const lexicon_state *b) {
  return a->n == b->n && memcmp(a->live, b->live, a->n * sizeof *a->live) == 0 && a->last == b->last &&
         a->fresh == b->fresh && a->number == b->number && a->point == b->point;
}

static void copy_bits(const lexicon_words *w, const words_node *node, const uint64_t *from, uint64_t *sheet) {
  for (uint32_t i = node->begin; i < node->end; i++) {
    const int32_t piece = w->order[i];
    sheet[piece / 64] |= from[piece / 64] & UINT64_C(1) << (piece % 64);
  }
}

// Sets the bits of all pieces below a node that the state before it lets through. k: what another state does before the same node, or NULL:
// where both are the same, so are their pieces, and most states are soon.
static void fill(lexicon_words *w, const lexicon_state *s, const known *k, uint32_t at, uint64_t *sheet) {
  const words_node *node = &w->nodes[at];
  if (k != NULL && are_same(s, &k->s)) {
    copy_bits(w, node, k->sheet, sheet);
    return;
  }
  if (node->own > node->begin && !lexicon_cornered(w->l, s))
    for (uint32_t i = node->begin; i < node->own; i++) set_bit(sheet, w->order[i]);
  for (uint32_t i = 0; i < node->n; i++) {
    const lexicon_symbol event = lexicon_event(w->nodes[node->children + i].event);
    lexicon_state next = *s;
    known other;
    const bool good = lexicon_take(w->l, &next, event);
    if (next.n > w->most_live) w->most_live = next.n;
    if (k != NULL) other = *k;
    const bool goes_on = k != NULL && good && lexicon_take(w->l, &other.s, event);
    if (good) fill(w, &next, goes_on ? &other : NULL, node->children + i, sheet);
  }
}

// A number, to stand for all: what it is plays no part where the word does not go on to be a longer number.
static uint32_t some_number(const lexicon *l) {
  for (uint32_t i = 1; i < l->n_nodes; i++)
    if ((l->nodes[i].flags & NODE_NUMERAL) != 0 && l->nodes[i].child == 0 &&
        lexicon_symbol_of(l->nodes[i].symbol).kind == LEXICON_LETTER)
      return i;
  return 0;
}

static lexicon_state state_of(const lexicon_words *w, int sheet) {
  lexicon_state s;
  const bool inside = sheet == SHEET_INSIDE || sheet == SHEET_GLUED;
  lexicon_begin(&s);
  s.number = inside ? NUMBER_NONE : (uint8_t)sheet;
  s.fresh = inside;
  s.last = inside ? LEXICON_LETTER : LEXICON_NOTHING;
  if (sheet == SHEET_GLUED) s.live[s.n++] = some_number(w->l) << LIVE_NODE_SHIFT;
  return s;
}

static bool make_sheets(binder *b) {
  lexicon_words *w = b->w;
  uint64_t *at;
  if (!format_alloc(&at, SHEETS * w->words, sizeof *at, "lexicon", b->e)) return false;
  w->sheet_memory = at;
  for (int i = 0; i < SHEETS; i++, at += w->words) w->sheets[i] = at;
  for (int i = 0; i < SHEETS; i++) {
    const lexicon_state s = state_of(w, i);
    const known first = {state_of(w, 0), w->sheets[0]};
    fill(w, &s, i > 0 ? &first : NULL, 0, w->sheets[i]);
  }
  return true;
}

static bool make_kinds(binder *b) {
  lexicon_words *w = b->w;
  w->words = ((size_t)w->n + 63) / 64;
  uint64_t *at;
  if (!format_alloc(&at, (COPY_KINDS + 1) * w->words, sizeof *at, "lexicon", b->e)) return false;
  w->kind_memory = at;
  for (int i = 0; i < COPY_KINDS; i++, at += w->words) w->of_kind[i] = at;
  w->letters = at;
  for (int32_t i = 0; i < w->n; i++)
    if (w->kinds[i] < COPY_KINDS) set_bit(w->of_kind[w->kinds[i]], i);
  const words_node *root = &w->nodes[0];
  for (uint32_t i = 0; i < root->n; i++) {
    const words_node *child = &w->nodes[root->children + i];
    if (lexicon_event(child->event).kind != LEXICON_LETTER) continue;
    for (uint32_t k = child->begin; k < child->end; k++) set_bit(w->letters, w->order[k]);
  }
  return true;
}

bool lexicon_bind(lexicon_words **out, const lexicon *l, const lexicon_piece *pieces, int32_t n,
                  format_error *e) {
  *out = NULL;
  lexicon_words *w;
  if (!format_alloc(&w, 1, sizeof *w, "lexicon", e)) return false;
  w->l = l;
  w->n = n;
  binder b = {w, pieces, e};
  if (!take_pieces(&b) || !make_trie(&b) || !make_kinds(&b) || !make_sheets(&b)) {
    lexicon_words_free(w);
    return false;
  }
  *out = w;
  return true;
}

bool lexicon_bind_like(lexicon_words **out, const lexicon *l, const lexicon_words *other, format_error *e) {
  *out = NULL;
  lexicon_words *w;
  if (!format_alloc(&w, 1, sizeof *w, "lexicon", e)) return false;
  *w = *other;
  w->l = l;
  w->like = true;
  w->sheet_memory = NULL;
  w->most_live = 0;
  binder b = {w, NULL, e};
  if (!make_sheets(&b)) {
    lexicon_words_free(w);
    return false;
  }
  *out = w;
  return true;
}

void lexicon_words_free(lexicon_words *w) {
  if (w == NULL) return;
  free(w->sheet_memory);
  if (w->like) {
    free(w);
    return;
  }
  free(w->begins);
  free(w->events);
  free(w->kinds);
  free(w->order);
  free(w->nodes);
  free(w->odd);
  free(w->odd_begins);
  free(w->odd_bytes);
  free(w->kind_memory);
  free(w);
}

size_t lexicon_words_bytes(const lexicon_words *w) {
  const size_t n = (size_t)w->n, sheets = sizeof *w + SHEETS * w->words * sizeof *w->sheet_memory;
  if (w->like) return sheets;
  return sheets + n * (4 * sizeof *w->begins + 1) + w->begins[n] * (sizeof *w->events + sizeof *w->nodes) +
         (COPY_KINDS + 1) * w->words * sizeof *w->kind_memory;
}
