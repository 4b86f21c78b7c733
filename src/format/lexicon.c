// How text goes through a lexicon; see lexicon.h and lexicon_internal.h.
//
// A state holds the nodes that the ends of the text have reached, one for each place where a phrase may have begun. A symbol moves
// each to its child, or drops it, and begins a new one. A phrase that ends in Chinese counts at once; one that ends in letters when
// the word does, so `settle` is called there.
//
// A banned phrase from place i to j counts unless an exception from a <= i to b >= j does. So it is owed until an entry that is as old or
// older completes an exception, and the text is lost when none of these can any more. A measure behind a number is owed likewise until a
// longer word begins where it did: 包 counts packs, and 包邮 counts nothing (ZH_NO_MEASURE of promo_quantity.h).
#include "format/lexicon_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/promo_quantity.h"
#include "format/utf8.h"

void lexicon_begin(lexicon_state *s) {
  *s = (lexicon_state){.last = LEXICON_NOTHING};
}

static uint32_t node_of(uint32_t entry) {
  return entry >> LIVE_NODE_SHIFT;
}

static bool is_hit(lexicon_state *s, uint32_t why) {
  s->hit = why;
  return false;
}

// ---- what is complete ----------------------------------------------------------------------------------------

static bool is_said(uint32_t number) {
  return number == NUMBER_SAID || number == NUMBER_LED_ONE;
}

// Does a numeral make a quantity with what stands right in front of it? One that touches a term makes another number of it: 199万.
static bool numeral_is_quantity(const lexicon_state *s, uint32_t flags, uint32_t after) {
  if (after >= NUMBER_TERM) return true;
  if (s->in_slot) return is_said(after) || after == NUMBER_SIGNED;
  return after == NUMBER_SIGNED || after == NUMBER_LED_ONE ||
         (after == NUMBER_LED && (flags & NODE_ONE) == 0);
}

static bool unit_is_quantity(uint32_t flags, uint32_t after) {
  const bool money = (flags & NODE_MONEY) != 0, off = (flags & NODE_OFF) != 0;
  if (after == NUMBER_AMOUNT) return !off;
  if (after == NUMBER_BARE) return !money;
  return is_said(after) || after == NUMBER_TERM;
}

static bool is_quantity(const lexicon_state *s, uint32_t flags, uint32_t entry) {
  const uint32_t after = (entry & LIVE_AFTER) >> LIVE_AFTER_SHIFT;
  if ((entry & LIVE_GLUED) != 0 && (flags & NODE_UNIT) != 0) return true;
  if ((flags & NODE_WHOLE) != 0) return !s->in_slot;
  if ((flags & NODE_KEEPS) != 0 && after == NUMBER_LED_ONE && s->last == LEXICON_CHINESE)
    return true; // 减一多
  return (flags & NODE_NUMERAL) != 0 && numeral_is_quantity(s, flags, after);
}

// Does a unit that is complete make a quantity of what stands in front of it?
static bool is_measured(uint32_t flags, uint32_t entry) {
  return (flags & NODE_UNIT) != 0 && unit_is_quantity(flags, (entry & LIVE_AFTER) >> LIVE_AFTER_SHIFT);
}

// What the text ends with now, as far as numbers go.
static lexicon_number number_behind(const lexicon_state *s, uint32_t flags, uint32_t after) {
  if ((flags & NODE_NUMERAL) != 0) return after == NUMBER_LED ? NUMBER_LED_ONE : NUMBER_SAID;
  if ((flags & NODE_KEEPS) != 0) {
    if (is_said(after)) return NUMBER_SAID;
    // "[percent] and free gifts" is fine, and [price]多件 is not.
    if (after >= NUMBER_TERM && s->last == LEXICON_CHINESE) return (lexicon_number)after;
  }
  if ((flags & NODE_SIGN) != 0) return NUMBER_SIGNED;
  return (flags & NODE_LEAD) != 0 ? NUMBER_LED : NUMBER_NONE;
}

static void owe(lexicon_state *s, int i, uint32_t phrase) {
  s->live[i] |= LIVE_OWED;
  if (s->hit < HIT_PHRASES) s->hit = HIT_PHRASES + phrase;
}

// A Chinese measure may be the beginning of a word that is none: 包 of 包邮. False: this one cannot.
static bool measure(lexicon_state *s, int i) {
  if (s->last != LEXICON_CHINESE) return is_hit(s, HIT_QUANTITY);
  s->live[i] |= LIVE_MEASURED;
  if (s->hit < HIT_PHRASES) s->hit = HIT_QUANTITY;
  return true;
}

// Phrases that end with the last symbol are complete. False: a quantity is.
static bool settle(const lexicon *l, lexicon_state *s) {
  bool saved = false, excused = false;
  for (int i = 0; i < s->n; i++) {
    const uint32_t entry = s->live[i], after = (entry & LIVE_AFTER) >> LIVE_AFTER_SHIFT;
    const lexicon_node *node =
        &l->nodes[node_of(entry)]; // the root, of which nothing ends: a phrase that is only owed
    if (is_quantity(s, node->flags, entry)) return is_hit(s, HIT_QUANTITY);
    if (excused) s->live[i] &= ~(uint32_t)LIVE_MEASURED; // by a longer word that begins where the measure did
    if (is_measured(node->flags, entry) && !measure(s, i)) return false;
    const lexicon_number number = number_behind(s, node->flags, after);
    if (number != NUMBER_NONE && !is_said(s->number)) {
      s->number = (uint8_t)number;
      s->inner = s->in_slot;
    }
    if ((entry & LIVE_GLUED) != 0) continue; // phrases do not begin within a word
    if ((node->flags & NODE_BANNED) != 0) owe(s, i, node->phrase);
    if ((node->flags & NODE_REQUIRED) != 0) s->met |= UINT64_C(1) << node->required;
    if ((node->flags & NODE_ALLOWED) != 0) *((node->flags & NODE_EXCUSES) != 0 ? &excused : &saved) = true;
    if (saved) s->live[i] &= ~(uint32_t)LIVE_OWED; // this entry is as old as the exception or younger
  }
  return true;
}

// Can the entry still complete a word that is no measure?
static bool may_excuse(const lexicon *l, uint32_t entry) {
  const lexicon_node *node = &l->nodes[node_of(entry)];
  return (entry & LIVE_EXCEPTION) != 0 && (node->flags & NODE_EXCUSES) != 0 && node->child != 0;
}

// Can the entry still complete an exception?
static bool may_save(const lexicon *l, const lexicon_state *s, uint32_t entry) {
  if ((entry & LIVE_EXCEPTION) == 0) return false;
  const bool at_word_end = s->fresh && s->last != LEXICON_CHINESE;
  const lexicon_node *node = &l->nodes[node_of(entry)];
  if ((node->flags & NODE_EXCUSES) != 0) return false;
  return node->child != 0 || (at_word_end && (node->flags & NODE_ALLOWED) != 0);
}

// False: something is owed that nothing can pay. Entries that are of no use are dropped.
static bool check(const lexicon *l, lexicon_state *s) {
  bool hope = false, excuse = false, owed = false;
  int n = 0;
  for (int i = 0; i < s->n; i++) {
    const uint32_t entry = s->live[i];
    hope |= may_save(l, s, entry);
    excuse |= may_excuse(l, entry);
    owed |= (entry & LIVE_OWES) != 0;
    if ((entry & LIVE_OWED) != 0 && !hope) return false;
    if ((entry & LIVE_MEASURED) != 0 && !excuse) return is_hit(s, HIT_QUANTITY);
    const bool goes_on = node_of(entry) != 0 && (s->fresh || (entry & LIVE_GLUED) == 0);
    if (goes_on || (entry & LIVE_OWES) != 0) s->live[n++] = entry;
  }
  s->n = (uint8_t)n;
  if (!owed) s->hit = 0;
  return true;
}

// ---- a symbol ------------------------------------------------------------------------------------------------

// Phrases go on behind any sign; an exception only behind the space that it has there.
static void go_on_behind_sign(const lexicon *l, lexicon_state *s, bool space) {
  int n = 0;
  for (int i = 0; i < s->n; i++) {
    uint32_t entry = s->live[i];
    if ((entry & LIVE_EXCEPTION) != 0) {
      const uint32_t to = space ? lexicon_child(l, node_of(entry), LEXICON_GAP) : 0;
      if (to == 0) continue;
      entry = to << LIVE_NODE_SHIFT | LIVE_EXCEPTION;
    }
    s->live[n++] = entry;
  }
  s->n = (uint8_t)n;
}

// A sign of the model's own must not stand beside a number, and one of a slot must not touch a number or sign in front of it.
static bool take_money(lexicon_state *s) {
  const bool counted = is_said(s->number) || (s->number >= NUMBER_TERM && !s->in_slot);
  if (!(s->in_slot && s->inner) && (counted || (s->in_slot && s->number == NUMBER_SIGNED))) return false;
  s->number = NUMBER_SIGNED;
  s->inner = s->in_slot;
  return true;
}

static bool take_separator(const lexicon *l, lexicon_state *s, lexicon_symbol x) {
  const uint32_t kind = x.kind;
  s->point = (x.c == '.' || x.c == ',') && s->fresh && s->last == LEXICON_DIGIT;
  if (s->fresh && s->last != LEXICON_CHINESE && !settle(l, s)) return false;
  s->fresh = false;
  const bool counted = is_said(s->number) || s->number >= NUMBER_TERM;
  if (kind == LEXICON_PERCENT && !s->in_slot && counted) return is_hit(s, HIT_QUANTITY);
  if (kind == LEXICON_MONEY && !take_money(s)) return is_hit(s, HIT_QUANTITY);
  go_on_behind_sign(l, s, kind == LEXICON_SPACE);
  if (kind == LEXICON_STOP) s->number = NUMBER_NONE;
  return check(l, s);
}

bool lexicon_close_word(const lexicon *l, lexicon_state *s) {
  if (!s->fresh || s->last == LEXICON_CHINESE) return true;
  if (!settle(l, s)) return false;
  s->fresh = false;
  return check(l, s);
}

// A digit of the model's own is a quantity, whatever follows. One of a slot must not touch a number in front of it.
static bool take_digit(lexicon_state *s, uint32_t before, bool adjacent) {
  if (!s->in_slot) return false;
  const bool counted = is_said(before) || before == NUMBER_SIGNED || (before >= NUMBER_TERM && adjacent);
  if (!s->inner && (counted || s->point)) return false;
  s->number = NUMBER_SAID;
  s->inner = true;
  return true;
}

// What stands in front is forgotten where it plays no part any more, so that states that do the same are equal.
static uint32_t with_number(const lexicon *l, uint32_t entry) {
  return (l->nodes[node_of(entry)].flags & NODE_COUNTS) != 0 ? entry : entry & ~(uint32_t)LIVE_AFTER;
}

// An exception that begins here comes in front of a phrase that does, since it may excuse it. Behind no number nothing is measured.
static bool begin_phrases(const lexicon *l, lexicon_state *s, uint32_t symbol, uint32_t before) {
  const bool counted = is_said(before) || before >= NUMBER_TERM;
  const uint32_t exception = lexicon_child(l, EXCEPTION_ROOT, symbol), phrase = lexicon_child(l, 0, symbol),
                 other = counted ? lexicon_child(l, NO_MEASURE_ROOT, symbol) : 0;
  if (s->n + (exception != 0) + (phrase != 0) + (other != 0) > LEXICON_LIVE) return false;
  if (exception != 0) s->live[s->n++] = exception << LIVE_NODE_SHIFT | LIVE_EXCEPTION;
  if (other != 0) s->live[s->n++] = other << LIVE_NODE_SHIFT | LIVE_EXCEPTION;
  if (phrase != 0) s->live[s->n++] = with_number(l, phrase << LIVE_NODE_SHIFT | before << LIVE_AFTER_SHIFT);
  return true;
}

int lexicon_number_in_word(const lexicon *l, const lexicon_state *s) {
  if (!s->fresh || s->last != LEXICON_LETTER || s->in_slot) return -1;
  for (int i = 0; i < s->n; i++) {
    const uint32_t entry = s->live[i];
    if ((entry & LIVE_EXCEPTION) == 0 && (l->nodes[node_of(entry)].flags & NODE_NUMERAL) != 0)
      return (int)((entry & LIVE_AFTER) >> LIVE_AFTER_SHIFT);
  }
  return -1;
}

// Behind a number another one or a unit may be written in the same word: twentyfive, fiftypercent. after: what stands in front of the first.
static bool begin_glued(const lexicon *l, lexicon_state *s, uint32_t symbol, uint32_t after) {
  const uint32_t to = lexicon_child(l, 0, symbol);
  if (to == 0) return true;
  if (s->n == LEXICON_LIVE) return false;
  const uint32_t in_front = after == NUMBER_NONE ? NUMBER_SAID : after;
  s->live[s->n++] = to << LIVE_NODE_SHIFT | LIVE_GLUED | in_front << LIVE_AFTER_SHIFT;
  return true;
}

static void move_on(const lexicon *l, lexicon_state *s, uint32_t symbol) {
  int n = 0;
  for (int i = 0; i < s->n; i++) {
    const uint32_t entry = s->live[i], node = node_of(entry);
    const uint32_t to = node != 0 ? lexicon_child(l, node, symbol) : 0;
    const uint32_t bits = entry & ((1u << LIVE_NODE_SHIFT) - 1);
    const bool counts = (l->nodes[to].flags & NODE_COUNTS) != 0;
    if ((to != 0 && (counts || (bits & LIVE_GLUED) == 0)) || (bits & LIVE_OWES) != 0)
      s->live[n++] = with_number(l, to << LIVE_NODE_SHIFT | bits);
  }
  s->n = (uint8_t)n;
}

static bool take_symbol(const lexicon *l, lexicon_state *s, lexicon_symbol x) {
  const bool adjacent = s->fresh, touches = adjacent && s->last == x.kind,
             inside = touches && x.kind != LEXICON_CHINESE;
  if (!touches && !lexicon_close_word(l, s)) return false;
  const uint32_t before = s->number;
  const bool outer = !(s->in_slot && s->inner); // what stands in front is not of the same slot
  s->number = NUMBER_NONE;
  if (x.kind == LEXICON_DIGIT) {
    s->number = (uint8_t)before;
    if (!take_digit(s, before, adjacent)) return is_hit(s, HIT_QUANTITY);
  }
  const int glued = inside ? lexicon_number_in_word(l, s) : -1;
  s->point = false;
  move_on(l, s, x.c);
  if (glued >= 0 && !begin_glued(l, s, x.c, (uint32_t)glued)) return is_hit(s, HIT_TOO_MANY);
  if (!inside && !begin_phrases(l, s, x.c, outer ? before : NUMBER_NONE)) return is_hit(s, HIT_TOO_MANY);
  if (s->in_slot && x.kind != LEXICON_DIGIT) s->inner = true;
  s->last = (uint8_t)x.kind;
  s->fresh = true;
  if (x.kind == LEXICON_CHINESE && !settle(l, s)) return false;
  return check(l, s);
}

bool lexicon_take(const lexicon *l, lexicon_state *s, lexicon_symbol x) {
  switch (x.kind) {
  case LEXICON_NOTHING:
    return true;
  case LEXICON_SPACE:
  case LEXICON_SIGN:
  case LEXICON_STOP:
  case LEXICON_MONEY:
  case LEXICON_PERCENT:
    return take_separator(l, s, x);
  default:
    return take_symbol(l, s, x);
  }
}

// ---- bytes ---------------------------------------------------------------------------------------------------

// How many bytes the character has that begins so; 0: none does. With two bytes or more, whether these can begin one.
static size_t bytes_of(const uint8_t *p, size_t n) {
  if (p[0] < 0xC2 || p[0] > 0xF4) return 0;
  const size_t all = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
  // Overlong forms, surrogates, and what lies beyond U+10FFFF show in the second byte.
  const uint8_t low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
  if (n > 1 && (p[1] < low || p[1] > high)) return 0;
  for (size_t i = 2; i < n; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  return all;
}

static bool take_byte(const lexicon *l, lexicon_state *s, uint8_t byte) {
  if (s->n_partial == 0 && byte < 0x80) return lexicon_take(l, s, lexicon_symbol_of(byte));
  s->partial[s->n_partial++] = byte;
  const size_t all = bytes_of(s->partial, s->n_partial);
  if (all == 0) return is_hit(s, HIT_NOT_TEXT);
  if (s->n_partial < all) return true;
  size_t n;
  const uint32_t c = utf8_next((const char *)s->partial, all, &n);
  s->n_partial = 0;
  memset(s->partial, 0, sizeof s->partial); // equal states have equal bytes
  return lexicon_take(l, s, lexicon_symbol_of(c));
}

bool lexicon_step(const lexicon *l, lexicon_state *s, const char *text, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (!take_byte(l, s, (uint8_t)text[i])) return false;
  return true;
}

bool lexicon_step_slot(const lexicon *l, lexicon_state *s, promo_slot slot, const char *text, size_t bytes) {
  if (s->n_partial > 0) return is_hit(s, HIT_NOT_TEXT);
  if (s->last == LEXICON_LETTER && !lexicon_close_word(l, s)) return false; // its word is none of the slot's
  const uint8_t before = s->number;
  s->in_slot = true;
  s->inner = false;
  const bool good = lexicon_step(l, s, text, bytes) && s->n_partial == 0;
  s->in_slot = false;
  const bool name = slot == SLOT_ITEM || slot == SLOT_CODE;
  const bool bare = (slot == SLOT_AMOUNT || slot == SLOT_THRESHOLD) && bytes > 0 &&
                    quantity_is_digit((uint8_t)text[0]) && quantity_is_digit((uint8_t)text[bytes - 1]);
  if (!name)
    s->number = bare ? NUMBER_BARE : slot == SLOT_AMOUNT ? NUMBER_AMOUNT : NUMBER_TERM;
  else if (s->inner)
    s->number = is_said(s->number) ? NUMBER_TERM : s->number;
  else
    s->number = before; // nothing of it can be read
  s->inner = false;
  return good;
}

// ---- questions -----------------------------------------------------------------------------------------------

// The state where the text ends. False: something is owed.
static bool end(const lexicon *l, lexicon_state *s) {
  if (s->n_partial > 0) return false;
  if (s->fresh && s->last != LEXICON_CHINESE && !settle(l, s)) return false;
  for (int i = 0; i < s->n; i++)
    if ((s->live[i] & LIVE_OWES) != 0) return false;
  return true;
}

bool lexicon_may_end(const lexicon *l, const lexicon_state *s) {
  lexicon_state copy = *s;
  return end(l, &copy);
}

uint64_t lexicon_met(const lexicon *l, const lexicon_state *s) {
  lexicon_state copy = *s;
  (void)end(l, &copy);
  return copy.met;
}

bool lexicon_cornered(const lexicon *l, const lexicon_state *s) {
  if (!s->fresh || s->last == LEXICON_CHINESE) return false;
  lexicon_state copy = *s;
  return !lexicon_close_word(l, &copy);
}

size_t lexicon_reason(const lexicon *l, const lexicon_state *s, char *to, size_t room) {
  int n;
  if (s->hit == HIT_QUANTITY)
    n = snprintf(to, room, "it states a quantity that is not one of the terms");
  else if (s->hit == HIT_TOO_MANY)
    n = snprintf(to, room, "it repeats itself like a banned phrase");
  else if (s->hit < HIT_PHRASES || s->hit - HIT_PHRASES >= l->n_phrases)
    n = snprintf(to, room, "it is not text of whole characters");
  else {
    const lexicon_phrase *p = &l->phrases[s->hit - HIT_PHRASES];
    const char *name = l->texts + p->source;
    if (p->line > 0)
      n = snprintf(to, room, "the phrase \"%.*s\" (line %u of %s) is banned", (int)p->bytes,
                   l->texts + p->text, p->line, name);
    else
      n = snprintf(to, room, "the phrase \"%.*s\" is banned", (int)p->bytes, l->texts + p->text);
  }
  return n > 0 ? (size_t)n : 0;
}

size_t lexicon_phrases(const lexicon *l) {
  return l->n_phrases;
}

int32_t lexicon_required(const lexicon *l) {
  return l->n_required;
}

const char *lexicon_required_phrase(const lexicon *l, int32_t i, size_t *bytes) {
  *bytes = 0;
  for (size_t k = 0; k < l->n_nodes; k++) {
    const lexicon_node *n = &l->nodes[k];
    if ((n->flags & NODE_REQUIRED) == 0 || n->required != i) continue;
    *bytes = l->phrases[n->phrase].bytes;
    return l->texts + l->phrases[n->phrase].text;
  }
  return "";
}
