// Normalisation of text as BERT does it; see word_text.h.
#include "format/word_text.h"

#include <string.h>
#include "format/utf8.h"

enum { REPLACEMENT = 0xFFFD, CAPITAL_I_DOT = 0x130, DOT_ABOVE = 0x307 };

static bool is_line_space(uint32_t c) {
  return c == '\t' || c == '\n' || c == '\r';
}

// Is the character removed by clean-up?
static bool is_unclean(const word_text_rules *r, uint32_t c, unsigned flags) {
  if (!r->clean) return false;
  return c == 0 || c == REPLACEMENT || ((flags & (r->other | r->unassigned)) != 0 && !is_line_space(c));
}

static uint8_t class_of(const word_text_rules *r, unsigned flags) {
  return (flags & UNI_SPACE) != 0 ? IS_SPACE : (flags & r->punct) != 0 ? IS_ALONE : IS_WORD;
}

void word_text_rules_make(word_text_rules *r, const word_options *o) {
  const bool python = o->rules == WORDS_PYTHON;
  *r = (word_text_rules){.python = python,
                         .lower = o->lower_case,
                         .strip = o->strip_accents < 0 ? o->lower_case : o->strip_accents > 0,
                         .chinese = o->split_chinese,
                         .clean = o->clean_text || python,
                         .other = python ? UNI_OTHER : UNI_OTHER_OLD,
                         .unassigned = python ? UNI_UNASSIGNED : 0,
                         .punct = python ? UNI_PUNCT : UNI_PUNCT_OLD,
                         .mark = python ? UNI_MARK : UNI_MARK_OLD,
                         .chinese_flag = python ? UNI_CHINESE : UNI_CHINESE_OLD};
  r->compose = python && !r->strip;
  for (uint32_t c = 0; c < 128; c++) {
    const unicode_record *u = unicode_of(c);
    const uint32_t low = r->lower ? c + (uint32_t)u->lower : c;
    r->ascii[c] = is_unclean(r, c, u->flags) ? 0 : (char)low;
    r->ascii_class[c] = class_of(r, u->flags);
    if (r->clean && is_line_space(c)) r->ascii[c] = ' ';
  }
}

// ---- characters out ------------------------------------------------------------------------------------------

static void put_class(word_window *w, uint32_t c, uint8_t class) {
  const size_t n = (size_t)(utf8_put(w->text + w->n, c) - (w->text + w->n));
  memset(w->classes + w->n, IN_CHARACTER, n);
  w->classes[w->n] = class;
  w->n += n;
}

static void put(const word_text_rules *r, word_window *w, uint32_t c) {
  const unicode_record *u = unicode_of(c);
  if (!r->python && r->lower && c == CAPITAL_I_DOT) { // the one character whose lower case is two
    put_class(w, 'i', IS_WORD);
    c = DOT_ABOVE;
  } else if (!r->python && r->lower) {
    c += (uint32_t)u->lower;
  }
  put_class(w, c, class_of(r, u->flags));
}

// ---- order and composition -----------------------------------------------------------------------------------

// The canonical composition (Unicode, annex 15) of what is pending: a starter, if it is one, and its marks.
static void compose_pending(word_window *w) {
  if (w->n_pending == 0 || w->pending_ccc[0] != 0) return;
  int kept = 1, last = 0; // last: combining class of the last mark that stayed
  for (int i = 1; i < w->n_pending; i++) {
    const int ccc = w->pending_ccc[i];
    const uint32_t both = last < ccc ? unicode_compose(w->pending[0], w->pending[i]) : 0;
    if (both != 0) {
      w->pending[0] = both;
      continue;
    }
    last = ccc;
    w->pending[kept] = w->pending[i];
    w->pending_ccc[kept++] = (uint8_t)ccc;
  }
  w->n_pending = kept;
}

void word_text_flush(const word_text_rules *r, word_window *w) {
  if (r->compose) compose_pending(w);
  for (int i = 0; i < w->n_pending; i++) put(r, w, w->pending[i]);
  w->n_pending = 0;
}

// A character that begins anew: what is pending is complete, unless the two compose (Hangul, and some Indic vowels).
static void add_starter(const word_text_rules *r, word_window *w, uint32_t c) {
  if (r->compose) {
    compose_pending(w);
    if (w->n_pending == 1 && w->pending_ccc[0] == 0) {
      const uint32_t both = unicode_compose(w->pending[0], c);
      if (both != 0) {
        w->pending[0] = both;
        return;
      }
    }
  }
  word_text_flush(r, w);
  if (!r->compose) {
    put(r, w, c);
    return;
  }
  w->pending[0] = c;
  w->pending_ccc[0] = 0;
  w->n_pending = 1;
}

static void add(const word_text_rules *r, word_window *w, uint32_t c) {
  const unicode_record *u = unicode_of(c);
  if (r->strip && (u->flags & r->mark) != 0) return;
  if (u->ccc == 0) {
    add_starter(r, w, c);
    return;
  }
  if (w->n_pending == PENDING) word_text_flush(r, w);
  int i = w->n_pending++;
  for (; i > 0 && w->pending_ccc[i - 1] > u->ccc; i--) {
    w->pending[i] = w->pending[i - 1];
    w->pending_ccc[i] = w->pending_ccc[i - 1];
  }
  w->pending[i] = c;
  w->pending_ccc[i] = u->ccc;
}

// ---- characters in -------------------------------------------------------------------------------------------

static void put_space(const word_text_rules *r, word_window *w) {
  word_text_flush(r, w);
  w->text[w->n] = ' ';
  w->classes[w->n++] = IS_SPACE;
}

static void add_character(const word_text_rules *r, word_window *w, uint32_t c) {
  const unicode_record *u = unicode_of(c);
  if (is_unclean(r, c, u->flags)) return;
  if ((u->flags & UNI_SPACE) != 0) { // of one kind from here on, unless nothing is cleaned
    if (r->clean)
      put_space(r, w);
    else
      add(r, w, c);
    return;
  }
  const bool apart = r->chinese && (u->flags & r->chinese_flag) != 0;
  if (apart) put_space(r, w);
  uint32_t parts[MOST_DECOMPOSED] = {c};
  const bool decompose = (r->strip || r->compose) && (u->flags & UNI_CHANGES) != 0 &&
                         (r->python || (u->flags & UNI_WHOLE_OLD) == 0);
  const int n = decompose ? unicode_decompose(c, parts) : 1;
  for (int i = 0; i < n; i++) {
    if (r->strip || r->compose)
      add(r, w, parts[i]);
    else
      put(r, w, parts[i]); // as it is written, in whatever order
  }
  if (apart) put_space(r, w);
}

// Python lowers the case before anything else.
static void take_character(const word_text_rules *r, word_window *w, uint32_t c) {
  if (r->python && r->lower) {
    if (c == CAPITAL_I_DOT) {
      add_character(r, w, 'i');
      c = DOT_ABOVE;
    } else {
      c += (uint32_t)unicode_of(c)->lower;
    }
  }
  add_character(r, w, c);
}

static size_t ascii_run(const char *text, size_t bytes) {
  size_t n = 0;
  while (n < bytes && (unsigned char)text[n] < 0x80) n++;
  return n;
}

// ASCII as far as the window has room.
static size_t take_ascii(const word_text_rules *r, word_window *w, const char *text, size_t bytes) {
  const size_t end = WINDOW - WINDOW_MARGIN, room = w->n < end ? end - w->n : 0,
               most = bytes < room ? bytes : room;
  char *to = w->text + w->n;
  uint8_t *classes = w->classes + w->n;
  size_t n = 0;
  for (size_t i = 0; i < most; i++) {
    to[n] = r->ascii[(unsigned char)text[i]];
    classes[n] = r->ascii_class[(unsigned char)text[i]];
    n += to[n] != 0 || !r->clean;
  }
  w->n += n;
  return most;
}

size_t word_text_fill(const word_text_rules *r, word_window *w, const char *text, size_t bytes) {
  size_t at = 0;
  while (at < bytes && w->n < WINDOW - WINDOW_MARGIN) {
    size_t n = ascii_run(text + at, bytes - at);
    if (r->compose && n > 0 && at + n < bytes) n--; // a mark may follow
    if (n > 0) {
      word_text_flush(r, w);
      at += take_ascii(r, w, text + at, n);
      continue;
    }
    take_character(r, w, utf8_next(text + at, bytes - at, &n));
    at += n;
  }
  return at;
}
