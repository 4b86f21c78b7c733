// Masks of a lexicon over a vocabulary; see lexicon_mask.h and lexicon_words.h.
//
// The pieces are asked in three groups, each with a state of its own: those that a space comes in front of, those that go on with a word, and
// the others. For each the sheet says what a piece alone does. Then every phrase that the text has begun is followed through the trie
// of the pieces, which are few that way: where it is complete, all pieces below are banned, and where it is not so simple, because an
// exception may excuse the phrase or a number stands there, each piece below is stepped through as it is.
#include "format/lexicon_mask.h"

#include <string.h>
#include "format/lexicon_words.h"

typedef enum group { SPACED, INSIDE, OTHERS } group;

typedef struct groups {
  bool spaced[COPY_KINDS]; // pieces of this kind have a space in front
  bool inside;             // the text ends with a letter: without a space letters go on with its word
} groups;

typedef struct pass {
  const lexicon_words *w;
  const groups *g;
  group group;
  lexicon_state s; // what its pieces go on from
  bool exceptions; // one is begun, or what is not a phrase of its own: a phrase that ends need not ban
  bool all;        // no sheet fits: each piece has to be looked at
  uint64_t *bits;
} pass;

static bool is_mine(const pass *p, int32_t piece) {
  if (p->g->spaced[p->w->kinds[piece]]) return p->group == SPACED;
  const bool inside = p->g->inside && (p->w->letters[piece / 64] >> (piece % 64) & 1) != 0;
  return p->group == (inside ? INSIDE : OTHERS);
}

// ---- single pieces -------------------------------------------------------------------------------------------

static bool is_admissible(const lexicon_words *w, const lexicon_state *from, int32_t piece) {
  lexicon_state s = *from;
  for (uint32_t i = w->begins[piece]; i < w->begins[piece + 1]; i++)
    if (!lexicon_take(w->l, &s, lexicon_event(w->events[i]))) return false;
  return !lexicon_cornered(w->l, &s);
}

// Pieces order[begin, end), one by one.
static void look_at(pass *p, uint32_t begin, uint32_t end) {
  for (uint32_t i = begin; i < end; i++) {
    const int32_t piece = p->w->order[i];
    if (!is_mine(p, piece)) continue;
    if (is_admissible(p->w, &p->s, piece))
      set_bit(p->bits, piece);
    else
      clear_bit(p->bits, piece);
  }
}

static void ban(pass *p, uint32_t begin, uint32_t end) {
  if (p->exceptions) {
    look_at(p, begin, end);
    return;
  }
  for (uint32_t i = begin; i < end; i++) {
    const int32_t piece = p->w->order[i];
    if (is_mine(p, piece)) clear_bit(p->bits, piece);
  }
}

// ---- phrases that are begun ----------------------------------------------------------------------------------

static const words_node *child_of(const lexicon_words *w, const words_node *node, uint32_t event) {
  const words_node *children = w->nodes + node->children;
  uint32_t low = 0, high = node->n;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (children[middle].event < event)
      low = middle + 1;
    else
      high = middle;
  }
  return low < node->n && children[low].event == event ? &children[low] : NULL;
}

static void follow(pass *p, bool exception, uint32_t phrase, const words_node *node);

// What ends at a node of phrases is complete below children of another kind, where its word ends.
static void word_ends(pass *p, bool banned, uint32_t kind, const words_node *node) {
  if (banned)
    ban(p, node->begin, node->own);
  else
    look_at(p, node->begin, node->own);
  for (uint32_t i = 0; i < node->n; i++) {
    const words_node *child = p->w->nodes + node->children + i;
    if (lexicon_event(child->event).kind == kind) continue;
    if (banned)
      ban(p, child->begin, child->end);
    else
      look_at(p, child->begin, child->end);
  }
}

enum { COUNTS = NODE_NUMERAL | NODE_UNIT | NODE_KEEPS | NODE_LEAD | NODE_SIGN | NODE_WHOLE };

// The phrase has come to node `to` with pieces that begin as `node` says.
static void arrive(pass *p, bool exception, uint32_t to, const words_node *node) {
  const uint32_t flags = p->w->l->nodes[to].flags, kind = lexicon_event(node->event).kind;
  const bool chinese = kind == LEXICON_CHINESE;
  if (exception) {
    if ((flags & NODE_ALLOWED) != 0) {
      look_at(p, node->begin, node->end);
      return;
    }
    look_at(p, node->begin, node->own);
  } else if ((flags & NODE_BANNED) != 0) {
    if (chinese) {
      ban(p, node->begin, node->end);
      return;
    }
    word_ends(p, true, kind, node);
  } else if ((flags & COUNTS) != 0) {
    if (chinese) {
      look_at(p, node->begin, node->end);
      return;
    }
    if ((flags & NODE_NUMERAL) != 0) { // another number or a unit may be written in the same word
      look_at(p, node->begin, node->end);
      return;
    }
    word_ends(p, false, kind, node);
  }
  follow(p, exception, to, node);
}

// Signs in front of a piece, or inside one: a phrase goes on behind them, an exception behind its space.
static void follow_signs(pass *p, bool exception, uint32_t phrase, const words_node *node) {
  for (uint32_t i = node->n; i > 0; i--) { // they are the last children
    const words_node *child = p->w->nodes + node->children + i - 1;
    if (child->event < EVENT_SIGN) return;
    if (!exception) {
      follow(p, false, phrase, child);
      continue;
    }
    const uint32_t to =
        child->event == EVENT_SIGN + LEXICON_SPACE ? lexicon_child(p->w->l, phrase, LEXICON_GAP) : 0;
    if (to != 0) arrive(p, true, to, child);
  }
}

// All pieces below `node` that go on with the phrase.
static void follow(pass *p, bool exception, uint32_t phrase, const words_node *node) {
  enum { FEW = 8 };
  const lexicon *l = p->w->l;
  follow_signs(p, exception, phrase, node);
  if (node->n <= FEW) {
    for (uint32_t i = 0; i < node->n; i++) {
      const words_node *child = p->w->nodes + node->children + i;
      const uint32_t to = child->event < EVENT_SIGN ? lexicon_child(l, phrase, child->event) : 0;
      if (to != 0) arrive(p, exception, to, child);
    }
    return;
  }
  for (uint32_t to = l->nodes[phrase].child; to != 0; to = l->nodes[to].next) {
    const words_node *child = child_of(p->w, node, l->nodes[to].symbol);
    if (child != NULL) arrive(p, exception, to, child);
  }
}

// ---- groups --------------------------------------------------------------------------------------------------

// May the pieces of this group come, as far as its state says? False: none may. *sheet: what they do alone; -1: nothing that does not go on
// with an exception may come.
static bool begin_pass(pass *p, int *sheet) {
  const lexicon *l = p->w->l;
  const lexicon_symbol space = {' ', LEXICON_SPACE};
  if (p->group == SPACED && !lexicon_take(l, &p->s, space)) return false;
  if (p->group == OTHERS && !lexicon_close_word(l, &p->s)) return false;
  const int number = p->group == INSIDE ? lexicon_number_in_word(l, &p->s) : -1;
  p->all = number > NUMBER_SAID;
  *sheet = number >= 0 ? SHEET_GLUED : p->group == INSIDE ? SHEET_INSIDE : p->s.number;
  for (int i = 0; i < p->s.n; i++) {
    if ((p->s.live[i] & LIVE_OWES) != 0) *sheet = -1;
    p->exceptions |= (p->s.live[i] & (LIVE_EXCEPTION | LIVE_GLUED)) != 0;
  }
  return true;
}

static void follow_all(pass *p) {
  look_at(p, 0, p->w->nodes[0].own);                       // pieces that are not seen
  if (p->all || p->s.n + p->w->most_live > LEXICON_LIVE) { // a piece may be one too many
    look_at(p, 0, (uint32_t)p->w->n_order);
    return;
  }
  for (int i = 0; i < p->s.n; i++) {
    const uint32_t node = p->s.live[i] >> LIVE_NODE_SHIFT;
    if (node != 0) follow(p, (p->s.live[i] & LIVE_EXCEPTION) != 0, node, &p->w->nodes[0]);
  }
}

// The sheets of the three groups, each for its own pieces; NULL: none of them.
static void lay_sheets(const lexicon_words *w, const groups *g, const uint64_t *const sheets[3],
                       uint64_t *bits) {
  const uint64_t *spaced[COPY_KINDS] = {NULL};
  int n = 0;
  for (int kind = 0; kind < COPY_KINDS; kind++)
    if (g->spaced[kind]) spaced[n++] = w->of_kind[kind];
  for (size_t i = 0; i < w->words; i++) {
    uint64_t behind_space = 0;
    for (int k = 0; k < n; k++) behind_space |= spaced[k][i];
    const uint64_t inside = g->inside ? w->letters[i] & ~behind_space : 0, others = ~(behind_space | inside);
    bits[i] = (sheets[SPACED] != NULL ? sheets[SPACED][i] & behind_space : 0) |
              (sheets[INSIDE] != NULL ? sheets[INSIDE][i] & inside : 0) |
              (sheets[OTHERS] != NULL ? sheets[OTHERS][i] & others : 0);
  }
}

// Inside a character only pieces that begin there may come.
static void finish_character(const lexicon_words *w, const lexicon_state *s, uint64_t *bits) {
  memset(bits, 0, w->words * sizeof *bits);
  for (size_t i = 0; i < w->n_odd; i++) {
    lexicon_state next = *s;
    const uint32_t begin = w->odd_begins[i];
    if (lexicon_step(w->l, &next, w->odd_bytes + begin, w->odd_begins[i + 1] - begin) &&
        !lexicon_cornered(w->l, &next))
      set_bit(bits, w->odd[i]);
  }
}

void lexicon_mask(const lexicon_words *w, const lexicon_state *s, const copy_join *j, uint64_t *bits) {
  if (s->n_partial > 0) {
    finish_character(w, s, bits);
    return;
  }
  groups g = {.inside = s->fresh && s->last == LEXICON_LETTER};
  for (int kind = 0; kind < COPY_KINDS; kind++) g.spaced[kind] = copy_join_space(j, (copy_kind)kind);
  const uint64_t *sheets[3] = {NULL};
  pass passes[3];
  bool open[3];
  for (int i = SPACED; i <= OTHERS; i++) {
    int sheet = -1;
    passes[i] = (pass){.w = w, .g = &g, .group = (group)i, .s = *s, .bits = bits};
    open[i] = (i != INSIDE || g.inside) && begin_pass(&passes[i], &sheet);
    if (open[i] && sheet >= 0) sheets[i] = w->sheets[sheet];
  }
  lay_sheets(w, &g, sheets, bits);
  for (int i = SPACED; i <= OTHERS; i++)
    if (open[i]) follow_all(&passes[i]);
}
