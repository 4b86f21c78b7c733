// BERT's tokeniser; see word_tokenizer.h. word_text.c makes clean characters of a text, a window at a time; here the window is
// cut into words and these into pieces. A word that the window's end cuts is moved to the beginning of the next one.
#include "format/word_tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include "format/byte_trie.h"
#include "format/utf8.h"
#include "format/word_text.h"

const char *const word_rules_names[] = {"fast", "python"};

enum { MOST_BYTES = 4 }; // of a character

// Added tokens of one kind: those found in the text as it is, or those found in what word_text.c makes of it.
typedef struct added_set {
  byte_trie trie;     // values are numbers in `tokens`
  word_added *tokens; // [n], without their texts
  size_t n, longest;
  bool begins[256]; // does a token begin with this byte?
} added_set;

struct word_tokenizer {
  word_text_rules rules;
  byte_trie words;     // pieces inside words with their prefix
  int32_t inside;      // the state behind the prefix; -1: the vocabulary has no such pieces
  size_t longest_word; // characters
  added_set raw, normalized;
};

typedef struct encoder { // one call
  const word_tokenizer *t;
  int32_t *ids;
  size_t cap, n;
  word_visitor each; // gets the words instead of their pieces; NULL: nobody
  void *self;
  bool too_long;   // the word that goes on at the window's beginning has lost its own, and is unknown
  bool after_word; // the window begins behind a letter or digit, for single_word
  size_t searched; // up to here there is no "normalized" token
  word_window window;
} encoder;

// ---- pieces --------------------------------------------------------------------------------------------------

static void put_id(encoder *c, int32_t id) {
  if (c->n < c->cap) c->ids[c->n] = id;
  c->n++;
}

static bool is_too_long(const word_tokenizer *t, const char *word, size_t bytes) {
  if (bytes <= t->longest_word) return false;
  size_t characters = 0;
  for (size_t i = 0; i < bytes; i++) characters += ((unsigned char)word[i] & 0xC0) != 0x80;
  return characters > t->longest_word;
}

static void put_word(encoder *c, const char *word, size_t bytes) {
  const word_tokenizer *t = c->t;
  const size_t begin = c->n;
  int32_t state = TRIE_ROOT;
  bool known = !c->too_long && !is_too_long(t, word, bytes);
  if (c->each != NULL) {
    c->each(c->self, word, known ? bytes : 0);
    c->too_long = false;
    return;
  }
  for (size_t at = 0, length = 0; known && at < bytes; at += length, state = t->inside) {
    const int32_t id = state < 0 ? -1 : byte_trie_longest(&t->words, state, word + at, bytes - at, &length);
    known = id >= 0;
    if (known) put_id(c, id);
  }
  if (!known) {
    c->n = begin;
    put_id(c, TOKEN_UNK);
  }
  c->too_long = false;
}

// ---- added tokens --------------------------------------------------------------------------------------------

static bool word_ends_at(const char *text, size_t at) {
  size_t n, begin = at;
  while (begin > 0 && at - begin < MOST_BYTES) {
    begin--;
    if (((unsigned char)text[begin] & 0xC0) != 0x80) break;
  }
  return at > 0 && (unicode_of(utf8_next(text + begin, at - begin, &n))->flags & UNI_WORD) != 0;
}

static bool word_begins_at(const char *text, size_t at, size_t bytes) {
  size_t n;
  return at < bytes && (unicode_of(utf8_next(text + at, bytes - at, &n))->flags & UNI_WORD) != 0;
}

typedef struct found {
  size_t from, to;
  int32_t id; // -1: nothing was found
} found;

// The first token at `at` or behind it that begins before `before`. A text that looks like a token but stands inside a word is
// passed over as a whole, as Hugging Face does it.
static found find_added(const added_set *set, const char *text, size_t at, size_t before, size_t bytes,
                        bool after_word) {
  while (at < before) {
    size_t length = 0;
    while (at < before && !set->begins[(unsigned char)text[at]]) at++;
    if (at == before) break;
    const int32_t k = byte_trie_longest(&set->trie, TRIE_ROOT, text + at, bytes - at, &length);
    if (k < 0) {
      at++;
      continue;
    }
    const bool inside = at > 0 ? word_ends_at(text, at) : after_word;
    const bool single = !inside && !word_begins_at(text, at + length, bytes);
    if (!set->tokens[k].single_word || single) return (found){at, at + length, set->tokens[k].id};
    at += length;
  }
  return (found){at, at, -1};
}

// ---- words ---------------------------------------------------------------------------------------------------

static size_t end_of_word(const word_window *w, size_t at, size_t to) {
  do at++;
  while (at < to && (w->classes[at] == IN_CHARACTER || w->classes[at] == IS_WORD));
  return at;
}

static size_t end_of_character(const word_window *w, size_t at, size_t to) {
  do at++;
  while (at < to && w->classes[at] == IN_CHARACTER);
  return at;
}

// The words of the window from `at` to `to`. If the last one may go on behind `to` (ends: it does not), it is left; returns
// where it begins.
static size_t put_words(encoder *c, size_t at, size_t to, bool ends) {
  const word_window *w = &c->window;
  const bool goes_on = at < to ? w->classes[at] == IS_WORD : !ends;
  if (c->too_long && !goes_on) put_word(c, w->text, 0);
  for (size_t stop; at < to; at = stop) {
    stop = end_of_character(w, at, to);
    if (w->classes[at] == IS_SPACE) continue;
    if (w->classes[at] == IS_WORD) {
      stop = end_of_word(w, at, to);
      if (stop == to && !ends) return at;
    }
    put_word(c, w->text + at, stop - at);
  }
  return to;
}

// Drops the window's bytes up to `at`, where a word begins that reaches `to`. If it is too long already, nothing of it has to stay.
static void shift(encoder *c, size_t at, size_t to) {
  word_window *w = &c->window;
  if (to - at > c->t->longest_word * MOST_BYTES) {
    c->too_long = true;
    at = to;
  }
  if (at > 0 && c->t->normalized.n > 0) c->after_word = word_ends_at(w->text, at);
  c->searched = c->searched > at ? c->searched - at : 0;
  memmove(w->text, w->text + at, w->n - at);
  memmove(w->classes, w->classes + at, w->n - at);
  w->n -= at;
}

// How far the window can be cut into words: what could begin a "normalized" token that goes on behind the window has to wait.
static size_t safe_end(const encoder *c, bool ends) {
  const word_window *w = &c->window;
  const size_t waits = c->t->normalized.longest;
  if (ends || waits == 0) return w->n;
  size_t to = w->n > waits + MOST_BYTES ? w->n - waits - MOST_BYTES : 0;
  while (to > 0 && w->classes[to] == IN_CHARACTER) to--;
  return to;
}

// Takes from the window what is complete; ends: the text ends with it.
static void take_window(encoder *c, bool ends) {
  const size_t to = safe_end(c, ends);
  size_t at = 0;
  while (c->t->normalized.n > 0) {
    const found f =
        find_added(&c->t->normalized, c->window.text, c->searched, to, c->window.n, c->after_word);
    c->searched = f.to;
    if (f.id < 0) break;
    put_words(c, at, f.from, true);
    if (c->each == NULL) put_id(c, f.id);
    at = f.to;
  }
  const size_t end = at > to ? at : to; // a token may reach beyond
  shift(c, put_words(c, at, end, ends), end);
}

// ---- texts ---------------------------------------------------------------------------------------------------

// A text, or what lies between two added tokens of it.
static void put_text(encoder *c, const char *text, size_t bytes) {
  c->too_long = c->after_word = false;
  c->searched = c->window.n = 0;
  c->window.n_pending = 0;
  for (size_t at = 0; at < bytes;) {
    at += word_text_fill(&c->t->rules, &c->window, text + at, bytes - at);
    if (at == bytes) word_text_flush(&c->t->rules, &c->window);
    take_window(c, at == bytes);
  }
}

// A whole text; c: its tokenizer, and what becomes of the words.
static void put_whole(encoder *c, const char *text, size_t bytes) {
  for (size_t at = 0, searched = 0;;) {
    const found f = find_added(&c->t->raw, text, searched, bytes, bytes, false);
    put_text(c, text + at, f.from - at);
    if (f.id < 0) return;
    if (c->each == NULL) put_id(c, f.id);
    at = searched = f.to;
  }
}

size_t word_tokenizer_encode(const word_tokenizer *t, const char *text, size_t bytes, int32_t *ids,
                             size_t cap) {
  encoder c; // its window is not cleared
  c.t = t;
  c.ids = ids;
  c.cap = cap;
  c.n = 0;
  c.each = NULL;
  put_whole(&c, text, bytes);
  return c.n;
}

void word_tokenizer_words(const word_tokenizer *t, const char *text, size_t bytes, word_visitor each,
                          void *self) {
  encoder c;
  c.t = t;
  c.cap = c.n = 0;
  c.ids = NULL;
  c.each = each;
  c.self = self;
  put_whole(&c, text, bytes);
}

// ---- creation ------------------------------------------------------------------------------------------------

word_options word_options_default(void) {
  return (word_options){.rules = WORDS_FAST,
                        .lower_case = true,
                        .strip_accents = -1,
                        .split_chinese = true,
                        .clean_text = true,
                        .longest_word = 100,
                        .prefix = "##"};
}

static bool check_options(const vocab *v, const word_options *o, format_error *e) {
  if (o->longest_word < 1 || o->longest_word > LONGEST_WORD)
    return format_fail(e, FORMAT_MALFORMED,
                       "a tokenizer's longest word must be of 1 to %d characters, and not of %d",
                       LONGEST_WORD, o->longest_word);
  if (strlen(o->prefix) > LONGEST_ADDED)
    return format_fail(e, FORMAT_MALFORMED, "the prefix of pieces inside words is longer than %d bytes",
                       LONGEST_ADDED);
  for (size_t i = 0; i < o->n_added; i++) {
    if (strlen(o->added[i].text) > LONGEST_ADDED)
      return format_fail(e, FORMAT_MALFORMED, "the added token \"%.60s...\" is longer than %d bytes",
                         o->added[i].text, LONGEST_ADDED);
    if (o->added[i].id < 0 || o->added[i].id >= vocab_size(v))
      return format_fail(e, FORMAT_MALFORMED,
                         "the added token \"%s\" has id %d, which the vocabulary does not have",
                         o->added[i].text, o->added[i].id);
  }
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (o->specials[i] != NULL && strlen(o->specials[i]) > LONGEST_ADDED)
      return format_fail(e, FORMAT_MALFORMED, "the special token \"%.60s...\" is longer than %d bytes",
                         o->specials[i], LONGEST_ADDED);
  return true;
}

static trie_key key_of(const char *text, int32_t value) {
  return (trie_key){text, strlen(text), value};
}

static const char *special_of(const word_options *o, int i) {
  return o->specials[i] != NULL ? o->specials[i] : special_tokens[i];
}

// Tokens that a text must not give, whatever is typed.
static bool is_left_out(const word_options *o, const word_added *a) {
  return !o->typed_specials && (a->special || a->id < TOKEN_SPECIALS);
}

// Pieces that are longer than any word are left out, and so are added tokens that WordPiece must not give.
static bool make_words(word_tokenizer *t, const vocab *v, const word_options *o, format_error *e) {
  const int32_t begin = vocab_begin(v, RANGE_WORDS), end = vocab_end(v, RANGE_WORDS);
  const size_t most = t->longest_word * MOST_BYTES + strlen(o->prefix);
  trie_key *keys;
  size_t n = 0;
  if (!format_alloc(&keys, (size_t)(TOKEN_SPECIALS + end - begin), sizeof *keys, "a tokenizer", e))
    return false;
  for (int i = 0; i < TOKEN_SPECIALS; i++, n++) {
    keys[n] = key_of(special_of(o, i), i);
    if (!o->typed_specials) keys[n].bytes = 0; // which no text has
  }
  for (int32_t id = begin; id < end; id++) {
    if (!utf8_valid(vocab_token(v, id))) {
      free(keys);
      return format_fail(e, FORMAT_MALFORMED, "word %d of the vocabulary is not UTF-8", id - begin + 1);
    }
    keys[n++] = key_of(vocab_token(v, id), id);
  }
  for (size_t i = 0; i < o->n_added; i++) {
    const int32_t id = o->added[i].id;
    const bool apart = !o->added[i].in_model || is_left_out(o, &o->added[i]);
    if (apart && id >= begin && id < end) keys[TOKEN_SPECIALS + id - begin].bytes = 0;
  }
  for (size_t i = 0; i < n; i++)
    if (keys[i].bytes > most) keys[i].bytes = 0;
  const bool good = byte_trie_make(&t->words, keys, n, e);
  free(keys);
  t->inside = TRIE_ROOT;
  for (const char *p = o->prefix; good && *p != '\0' && t->inside >= 0; p++) {
    t->inside = byte_trie_step(&t->words, t->inside, (unsigned char)*p);
    if (t->inside == TRIE_ROOT) t->inside = -1;
  }
  return good;
}

// The text of a "normalized" token as it is in a normalised text; a copy that the caller frees.
static bool normalize(const word_tokenizer *t, const char *text, char **out, size_t *bytes, format_error *e) {
  word_window *w;
  if (!format_alloc(&w, 1, sizeof *w, "a tokenizer", e)) return false;
  word_text_fill(&t->rules, w, text,
                 strlen(text)); // of at most LONGEST_ADDED bytes: the window has room for what they become
  word_text_flush(&t->rules, w);
  const bool good = format_alloc(out, w->n, 1, "a tokenizer", e);
  if (good) memcpy(*out, w->text, *bytes = w->n);
  free(w);
  return good;
}

static bool is_normalized(const word_tokenizer *t, const word_added *a) {
  return a->normalized && !t->rules.python;
}

// Fills a set with those of `all` [n] that are found in normalised text, or with the others.
static bool make_set(const word_tokenizer *t, added_set *set, const word_added *all, size_t n,
                     bool normalized, format_error *e) {
  trie_key *keys = NULL;
  char **texts = NULL;
  bool good = format_alloc(&set->tokens, n, sizeof *set->tokens, "a tokenizer", e) &&
              format_alloc(&keys, n, sizeof *keys, "a tokenizer", e) &&
              format_alloc(&texts, n, sizeof *texts, "a tokenizer", e);
  for (size_t i = 0; good && i < n; i++) {
    if (is_normalized(t, &all[i]) != normalized) continue;
    trie_key *k = &keys[set->n];
    *k = key_of(all[i].text, (int32_t)set->n);
    if (normalized) good = normalize(t, all[i].text, &texts[set->n], &k->bytes, e);
    if (normalized) k->text = texts[set->n];
    if (!good) break;
    set->tokens[set->n] = all[i];
    set->tokens[set->n++].text = NULL; // the caller's
    if (k->bytes > set->longest) set->longest = k->bytes;
    if (k->bytes > 0) set->begins[(unsigned char)k->text[0]] = true;
  }
  const size_t n_texts = set->n;
  good = good && byte_trie_make(&set->trie, keys, set->n, e);
  for (size_t i = 0; texts != NULL && i <= n_texts && i < n; i++) free(texts[i]);
  free(texts);
  free(keys);
  return good;
}

// The specials, and then the others: of two with the same text the later one counts. Without typed_specials those that are not special.
static bool make_added(word_tokenizer *t, const word_options *o, format_error *e) {
  word_added *all;
  if (!format_alloc(&all, TOKEN_SPECIALS + o->n_added, sizeof *all, "a tokenizer", e)) return false;
  size_t n = 0;
  for (int i = 0; i < TOKEN_SPECIALS && o->typed_specials; i++)
    all[n++] = (word_added){.text = special_of(o, i), .id = i, .in_model = true};
  for (size_t i = 0; i < o->n_added; i++)
    if (!is_left_out(o, &o->added[i])) all[n++] = o->added[i];
  const bool good = make_set(t, &t->raw, all, n, false, e) && make_set(t, &t->normalized, all, n, true, e);
  free(all);
  return good;
}

bool word_tokenizer_new(word_tokenizer **out, const vocab *v, const word_options *o, format_error *e) {
  *out = NULL;
  word_tokenizer *t;
  if (!check_options(v, o, e) || !format_alloc(&t, 1, sizeof *t, "a tokenizer", e)) return false;
  word_text_rules_make(&t->rules, o);
  t->longest_word = (size_t)o->longest_word;
  if (!make_words(t, v, o, e) || !make_added(t, o, e)) {
    word_tokenizer_free(t);
    return false;
  }
  *out = t;
  return true;
}

void word_tokenizer_free(word_tokenizer *t) {
  if (t == NULL) return;
  byte_trie_free(&t->words);
  byte_trie_free(&t->raw.trie);
  byte_trie_free(&t->normalized.trie);
  free(t->raw.tokens);
  free(t->normalized.tokens);
  free(t);
}

size_t word_tokenizer_bytes(const word_tokenizer *t) {
  const size_t cells = (size_t)t->words.n + (size_t)t->raw.trie.n + (size_t)t->normalized.trie.n;
  return sizeof *t + cells * sizeof(trie_cell) + (t->raw.n + t->normalized.n) * sizeof(word_added);
}
