// Texts to a lexicon; see lexicon.h. One pass over the bytes: each phrase is read, cleaned and put into the trie symbol by symbol.
#include <stdlib.h>
#include <string.h>
#include "format/lexicon_internal.h"
#include "format/promo_quantity.h"
#include "format/utf8.h"

enum { MOST_WORDS = 32, MOST_MARKS = 3, MOST_NODES = 1 << 25, MOST_PHRASES = 1 << 24 };

// A phrase as it is read: words of symbols, with or without the mark of their forms.
typedef struct reading {
  uint32_t symbols[LEXICON_LONGEST + 1];
  struct {
    uint32_t begin;  // it ends where the next begins
    bool forms, gap; // gap: something stands in front of it
  } words[MOST_WORDS + 1];
  size_t n, n_words, n_marks;
} reading;

typedef struct compiler {
  lexicon *l;
  format_error *e;
  const lexicon_text *text;
  bool valid;          // the text is UTF-8, all of it
  uint32_t line;       // of the text that is read
  uint32_t source, at; // where its name and itself are in l->texts
  uint32_t flags;      // NODE_... of the phrase that is put in
  uint32_t required;
} compiler;

static bool wrong(const compiler *c, const char *what) {
  if (c->line == 0) return format_fail(c->e, FORMAT_MALFORMED, "%s: %s", c->text->name, what);
  return format_fail(c->e, FORMAT_MALFORMED, "%s, line %u: %s", c->text->name, c->line, what);
}

// ---- the trie ------------------------------------------------------------------------------------------------

static void hang_in(lexicon *l, uint32_t node) {
  const size_t mask = l->n_slots - 1;
  const uint32_t h = lexicon_hash(l->nodes[node].parent, l->nodes[node].symbol);
  size_t at = h & mask;
  while (l->slots[at] != 0) at = (at + 1) & mask;
  l->slots[at] = node | (h & SLOT_TAG);
}

// Room for n more nodes, and for one in the hash.
static bool make_room(lexicon *l, size_t n, format_error *e) {
  if (l->n_nodes + n > MOST_NODES)
    return format_fail(e, FORMAT_MALFORMED, "a lexicon has more than %d letters of phrases", MOST_NODES);
  if (!format_grow(&l->nodes, &l->cap_nodes, l->n_nodes + n, sizeof *l->nodes, "lexicon", e)) return false;
  if (2 * (l->n_hung + 1) < l->n_slots) return true;
  free(l->slots);
  l->slots = NULL;
  l->n_slots *= 2;
  if (!format_alloc(&l->slots, l->n_slots, sizeof *l->slots, "lexicon", e)) return false;
  for (size_t i = 1; i < l->n_nodes; i++)
    if (l->nodes[l->nodes[i].parent].child != i) hang_in(l, (uint32_t)i);
  return true;
}

static uint32_t add_child(lexicon *l, uint32_t node, uint32_t symbol) {
  const uint32_t to = (uint32_t)l->n_nodes++, first = l->nodes[node].child;
  l->nodes[to] = (lexicon_node){.parent = node, .symbol = symbol};
  if (first == 0) {
    l->nodes[node].child = to;
    return to;
  }
  l->nodes[to].next = l->nodes[first].next; // behind the first, which stays where it is
  l->nodes[first].next = to;
  l->nodes[node].flags |= NODE_PARTS;
  l->n_hung++;
  hang_in(l, to);
  return to;
}

static void end_at(compiler *c, uint32_t node) {
  lexicon_node *n = &c->l->nodes[node];
  n->flags |= (uint16_t)c->flags;
  if ((c->flags & NODE_REQUIRED) != 0) n->required = (uint16_t)c->required;
  if ((c->flags & (NODE_BANNED | NODE_REQUIRED)) != 0) n->phrase = (uint32_t)c->l->n_phrases - 1;
}

// Goes to the node at the end of the symbols, and makes those that are missing: where one is, all behind it are.
static bool put_symbols(compiler *c, uint32_t *node, const uint32_t *symbols, size_t n) {
  lexicon *l = c->l;
  size_t i = 0;
  uint32_t at = *node;
  for (uint32_t to; i < n && (to = lexicon_child(l, at, symbols[i])) != 0; i++) at = to;
  if (i < n) {
    if (!make_room(l, n - i, c->e)) return false;
    at = add_child(l, at, symbols[i++]);
    for (; i < n; i++, at++) {
      l->nodes[at].child = at + 1;
      l->nodes[l->n_nodes++] = (lexicon_node){.parent = at, .symbol = symbols[i]};
    }
  }
  *node = at;
  return true;
}

// The words from `word` on, behind a node: each form of each.
static bool put_words(compiler *c, const reading *r, size_t word, uint32_t node) {
  if (word == r->n_words) {
    end_at(c, node);
    return true;
  }
  const uint32_t gap = LEXICON_GAP;
  if (r->words[word].gap && (c->flags & NODE_ALLOWED) != 0 && !put_symbols(c, &node, &gap, 1)) return false;
  const uint32_t *letters = r->symbols + r->words[word].begin;
  const size_t n = r->words[word + 1].begin - r->words[word].begin;
  if (!r->words[word].forms) return put_symbols(c, &node, letters, n) && put_words(c, r, word + 1, node);
  uint32_t forms[LEXICON_FORMS][LEXICON_FORM_LETTERS];
  size_t lengths[LEXICON_FORMS];
  const size_t n_forms = lexicon_forms(letters, n, forms, lengths);
  for (size_t i = 0; i < n_forms; i++) {
    uint32_t to = node;
    if (!put_symbols(c, &to, forms[i], lengths[i]) || !put_words(c, r, word + 1, to)) return false;
  }
  return true;
}

// ---- phrases -------------------------------------------------------------------------------------------------

typedef enum place { IN_WORD, AT_WORD, BEHIND_GAP } place; // of the character that comes

static bool mark_word(compiler *c, reading *r, place at) {
  const uint32_t last = r->n > 0 ? r->symbols[r->n - 1] : 0;
  if (at != IN_WORD || last < 'a' || last > 'z') return wrong(c, "a ~ that stands behind no English word");
  if (++r->n_marks > MOST_MARKS) return wrong(c, "more than 3 words with ~");
  r->words[r->n_words - 1].forms = true;
  return true;
}

static bool begin_word(compiler *c, reading *r, place at) {
  if (r->n_words == MOST_WORDS) return wrong(c, "a phrase of more than 32 words");
  r->words[r->n_words].begin = (uint32_t)r->n;
  r->words[r->n_words].forms = false;
  r->words[r->n_words++].gap = at == BEHIND_GAP && r->n > 0;
  return true;
}

// text [bytes], which is UTF-8; marks: ~ is one.
static bool read_phrase(compiler *c, const char *text, size_t bytes, bool marks, reading *r) {
  r->n = r->n_words = r->n_marks = 0;
  place next = AT_WORD;
  for (size_t at = 0, n; at < bytes; at += n) {
    const lexicon_symbol x = lexicon_read(text + at, bytes - at, &n);
    if (x.kind >= LEXICON_LETTER) {
      if (next != IN_WORD && !begin_word(c, r, next)) return false;
      if (r->n == LEXICON_LONGEST) return wrong(c, "a phrase of more than 64 letters");
      r->symbols[r->n++] = x.c;
      next = IN_WORD;
    } else if (marks && text[at] == '~') {
      if (!mark_word(c, r, next)) return false;
      next = AT_WORD;
    } else if (x.kind != LEXICON_NOTHING) {
      next = BEHIND_GAP;
    }
  }
  r->words[r->n_words].begin = (uint32_t)r->n;
  return r->n > 0 || wrong(c, "a phrase without a letter");
}

// Is the phrase required already?
static bool is_required(const lexicon *l, const reading *r) {
  uint32_t node = 0;
  for (size_t i = 0; i < r->n; i++) {
    node = lexicon_child(l, node, r->symbols[i]);
    if (node == 0) return false;
  }
  return (l->nodes[node].flags & NODE_REQUIRED) != 0;
}

static bool put_phrase(compiler *c, const char *text, size_t bytes, uint32_t flag, bool marks) {
  lexicon *l = c->l;
  reading r;
  if (!read_phrase(c, text, bytes, marks, &r)) return false;
  if (flag == NODE_REQUIRED && is_required(l, &r)) return true;
  if (l->n_phrases == MOST_PHRASES) return wrong(c, "more phrases than a lexicon can have");
  if (!format_grow(&l->phrases, &l->cap_phrases, l->n_phrases + 1, sizeof *l->phrases, "phrases", c->e))
    return false;
  lexicon_phrase *p = &l->phrases[l->n_phrases];
  *p = (lexicon_phrase){.bytes = (uint32_t)bytes,
                        .line = c->line,
                        .source = c->source,
                        .text = c->at + (uint32_t)(text - c->text->text)};
  if (flag == NODE_REQUIRED) {
    if (l->n_required == LEXICON_MOST_REQUIRED) return wrong(c, "more than 64 required phrases");
    c->required = (uint32_t)l->n_required++;
  }
  l->n_phrases++;
  c->flags = flag;
  if (flag == NODE_ALLOWED) return put_words(c, &r, 0, EXCEPTION_ROOT);
  if (r.n_marks > 0) return put_words(c, &r, 0, 0);
  uint32_t node = 0; // as most are
  if (!put_symbols(c, &node, r.symbols, r.n)) return false;
  end_at(c, node);
  return true;
}

// ---- files ---------------------------------------------------------------------------------------------------

// The line without spaces around it and without its comment.
static void trim(const char **line, size_t *bytes) {
  const char *s = *line;
  size_t n = *bytes;
  for (const char *hash = memchr(s, '#', n); hash != NULL;
       hash = memchr(hash + 1, '#', (size_t)(s + n - hash - 1)))
    if (hash == s || hash[-1] == ' ' || hash[-1] == '\t') {
      n = (size_t)(hash - s);
      break;
    }
  while (n > 0 && (unsigned char)s[n - 1] <= ' ') n--;
  while (n > 0 && (unsigned char)*s <= ' ') s++, n--;
  *line = s;
  *bytes = n;
}

static bool is_text(const char *line, size_t bytes, const char *text) {
  return strlen(text) == bytes && memcmp(line, text, bytes) == 0;
}

static bool take_line(compiler *c, const char *line, size_t bytes, uint32_t *section) {
  if (!c->valid && !utf8_valid_bytes(line, bytes)) return wrong(c, "not UTF-8");
  trim(&line, &bytes);
  if (bytes == 0) return true;
  if (line[0] == '[') {
    *section = is_text(line, bytes, "[banned]")     ? NODE_BANNED
               : is_text(line, bytes, "[required]") ? NODE_REQUIRED
                                                    : 0;
    return *section != 0 || wrong(c, "a section that is neither [banned] nor [required]");
  }
  if (line[0] != '!') return put_phrase(c, line, bytes, *section, true);
  if (*section != NODE_BANNED) return wrong(c, "an exception outside of [banned]");
  return put_phrase(c, line + 1, bytes - 1, NODE_ALLOWED, true);
}

static bool take_file(compiler *c) {
  const char *at = c->text->text, *stop = at + c->text->bytes;
  uint32_t section = NODE_BANNED;
  if (stop - at >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3; // a byte order mark
  for (c->line = 1; at < stop; c->line++) {
    const char *end = memchr(at, '\n', (size_t)(stop - at));
    if (end == NULL) end = stop;
    if (!take_line(c, at, (size_t)(end - at), &section)) return false;
    at = end < stop ? end + 1 : stop;
  }
  return true;
}

static bool keep_text(compiler *c, const char *text, size_t bytes, uint32_t *at) {
  lexicon *l = c->l;
  if (!format_grow(&l->texts, &l->cap_texts, l->n_texts + bytes + 1, 1, "phrases", c->e)) return false;
  *at = (uint32_t)l->n_texts;
  if (bytes > 0) memcpy(l->texts + l->n_texts, text, bytes);
  l->texts[l->n_texts + bytes] = '\0';
  l->n_texts += bytes + 1;
  return true;
}

static bool take_text(compiler *c) {
  const char *name = c->text->name != NULL ? c->text->name : "the lexicon";
  if (!keep_text(c, name, strlen(name), &c->source) || !keep_text(c, c->text->text, c->text->bytes, &c->at))
    return false;
  c->valid = utf8_valid_bytes(c->text->text, c->text->bytes);
  if (c->text->kind == LEXICON_FILE) return take_file(c);
  c->line = 0;
  if (!c->valid) return format_fail(c->e, FORMAT_MALFORMED, "%s is not UTF-8", name);
  return put_phrase(c, c->text->text, c->text->bytes,
                    c->text->kind == LEXICON_BANNED ? NODE_BANNED : NODE_REQUIRED, false);
}

// ---- quantities ----------------------------------------------------------------------------------------------

static uint32_t unit_flags(const quantity_word *w) {
  switch (w->unit) {
  case UNIT_OFF:
    return NODE_UNIT | NODE_OFF;
  case UNIT_CNY:
    return NODE_UNIT | NODE_MONEY; // sums stand without their currency in zh of cn alone
  default:
    return NODE_UNIT;
  }
}

// What stands in front of these words matters as far as they go.
static void mark_path(lexicon *l, const reading *r) {
  uint32_t node = 0;
  for (size_t i = 0; i < r->n; i++) {
    node = lexicon_child(l, node, r->symbols[i]);
    l->nodes[node].flags |= NODE_COUNTS;
  }
}

static bool put_quantities(compiler *c, quantity_class class, uint32_t flags) {
  size_t n;
  const quantity_word *words = quantity_words(class, &n);
  for (size_t i = 0; i < n; i++) {
    reading r;
    const bool sign =
        class == SIGN && strspn(words[i].text, "abcdefghijklmnopqrstuvwxyz") < strlen(words[i].text);
    if (sign) continue; // the automaton sees them as such, and "us" is a word without its $
    if (!read_phrase(c, words[i].text, strlen(words[i].text), false, &r)) return false;
    c->flags = (flags & NODE_UNIT) != 0 ? unit_flags(&words[i]) : flags;
    if (class == ZH_NUMERAL && words[i].value == 1) c->flags |= NODE_ONE;
    if (!put_words(c, &r, 0, 0)) return false;
    mark_path(c->l, &r);
  }
  return true;
}

// Words that are no measure. Those with digits are left out, for no copy may have these.
static bool put_no_measures(compiler *c) {
  size_t n;
  const quantity_word *words = quantity_words(ZH_NO_MEASURE, &n);
  c->flags = NODE_ALLOWED;
  for (size_t i = 0; i < n; i++) {
    reading r;
    uint32_t node = NO_MEASURE_ROOT;
    if (strpbrk(words[i].text, "0123456789") != NULL) continue;
    if (!read_phrase(c, words[i].text, strlen(words[i].text), false, &r) || !put_words(c, &r, 0, node))
      return false;
    for (size_t k = 0; k < r.n; k++) {
      node = lexicon_child(c->l, node, r.symbols[k]);
      c->l->nodes[node].flags |= NODE_EXCUSES;
    }
  }
  return true;
}

static bool put_all_quantities(compiler *c) {
  return put_no_measures(c) && put_quantities(c, ZH_NUMERAL, NODE_NUMERAL) &&
         put_quantities(c, ZH_INNER, NODE_KEEPS) && put_quantities(c, ZH_MEASURE, NODE_UNIT) &&
         put_quantities(c, ZH_LEAD, NODE_LEAD) && put_quantities(c, ZH_WHOLE, NODE_WHOLE) &&
         put_quantities(c, SIGN, NODE_SIGN) && put_quantities(c, EN_NUMBER, NODE_NUMERAL) &&
         put_quantities(c, EN_JOIN, NODE_KEEPS) && put_quantities(c, EN_FILLER, NODE_KEEPS) &&
         put_quantities(c, EN_UNIT, NODE_UNIT) && put_quantities(c, EN_WHOLE, NODE_WHOLE);
}

// A guess of how many nodes there will be, so that little is moved later.
static bool begin(lexicon *l, size_t bytes, format_error *e) {
  l->n_slots = 4096;
  while (l->n_slots < bytes / 4) l->n_slots *= 2;
  if (!format_alloc(&l->slots, l->n_slots, sizeof *l->slots, "lexicon", e)) return false;
  if (!format_grow(&l->nodes, &l->cap_nodes, bytes / 2 + 4096, sizeof *l->nodes, "lexicon", e)) return false;
  l->nodes[0] = (lexicon_node){.child = EXCEPTION_ROOT};
  l->nodes[EXCEPTION_ROOT] = (lexicon_node){.child = NO_MEASURE_ROOT, .symbol = LEXICON_EXCEPTIONS};
  l->nodes[NO_MEASURE_ROOT] = (lexicon_node){.parent = EXCEPTION_ROOT, .symbol = LEXICON_NO_MEASURES};
  l->n_nodes = 3;
  return true;
}

bool lexicon_compile(lexicon **out, const lexicon_text *texts, size_t n, format_error *e) {
  *out = NULL;
  size_t bytes = 0;
  for (size_t i = 0; i < n; i++) {
    if (texts[i].bytes > LEXICON_MOST_BYTES - bytes)
      return format_fail(e, FORMAT_MALFORMED, "the texts of a lexicon have more than %d bytes",
                         LEXICON_MOST_BYTES);
    bytes += texts[i].bytes;
  }
  lexicon *l;
  if (!format_alloc(&l, 1, sizeof *l, "lexicon", e)) return false;
  compiler c = {.l = l, .e = e};
  static const lexicon_text own = {.name = "quantities"};
  c.text = &own;
  bool good = begin(l, bytes, e) && put_all_quantities(&c);
  for (size_t i = 0; good && i < n; i++) {
    c.text = &texts[i];
    good = take_text(&c);
  }
  if (good)
    *out = l;
  else
    lexicon_free(l);
  return good;
}

void lexicon_free(lexicon *l) {
  if (l == NULL) return;
  free(l->nodes);
  free(l->slots);
  free(l->phrases);
  free(l->texts);
  free(l);
}

size_t lexicon_bytes(const lexicon *l) {
  return sizeof *l + l->cap_nodes * sizeof *l->nodes + l->n_slots * sizeof *l->slots +
         l->cap_phrases * sizeof *l->phrases + l->cap_texts;
}
