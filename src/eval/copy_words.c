// Words of copy; see copy_words.h. A text is a list of characters that passes through the steps of sacrebleu's tokenizers, each
// of which is a regular expression there and a loop here.
#include "eval/copy_words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/unicode.h"
#include "format/utf8.h"
#include "prepare/intern.h"

typedef struct characters {
  uint32_t *at;
  size_t n, cap;
} characters;

struct copy_words {
  words_kind kind;
  characters now, next; // what a step reads, and what it writes
  char *word;           // the word being spelt
  size_t bytes, cap;
  intern *numbers;
};

status copy_words_new(copy_words **out, words_kind kind) {
  TRY(mem_new(out, 1, sizeof **out, "words of copy"));
  (*out)->kind = kind;
  const status rc = intern_new(&(*out)->numbers);
  if (rc == OK) return OK;
  copy_words_free(*out);
  *out = NULL;
  return rc;
}

void copy_words_free(copy_words *w) {
  if (w == NULL) return;
  free(w->now.at);
  free(w->next.at);
  free(w->word);
  intern_free(w->numbers);
  free(w);
}

// ---- characters ------------------------------------------------------------------------------------------------

// What Python takes for white space: Unicode's, and four separators of ASCII.
static bool is_space(uint32_t c) {
  return (c >= 0x1C && c <= 0x1F) || (unicode_of(c)->flags & UNI_SPACE) != 0;
}

static bool is_digit(uint32_t c) {
  return c >= '0' && c <= '9';
}

static bool is_point(uint32_t c) {
  return c == '.' || c == ',';
}

// sacrebleu's Chinese characters (copy_words.h), its ranges put together where they touch.
static bool is_chinese(uint32_t c) {
  static const uint32_t ranges[][2] = {{0x2001, 0x2A6D}, {0x2E80, 0x2FDF}, {0x2FF0, 0x303F}, {0x3100, 0x312F},
                                       {0x31A0, 0x31BF}, {0x31C0, 0x31EF}, {0x3200, 0x33FF}, {0x3400, 0x4DB5},
                                       {0x4E00, 0x9FBB}, {0xF900, 0xFA2D}, {0xFA30, 0xFA6A}, {0xFA70, 0xFAD9},
                                       {0xFE10, 0xFE1F}, {0xFE30, 0xFE4F}, {0xFF00, 0xFFEF}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
  return false;
}

// All of ASCII that is neither a letter, a digit, a control character, an apostrophe, a comma, a hyphen nor a full stop.
static bool is_symbol(uint32_t c) {
  return c >= ' ' && c < 0x7F && !is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !is_point(c) &&
         c != '\'' && c != '-';
}

static void put(characters *to, uint32_t c) {
  to->at[to->n++] = c;
}

// Room for what a step makes of w->now: at most `times` as many characters, and two more. The step then writes to w->next.
static status step_begin(copy_words *w, size_t times) {
  w->next.n = 0;
  return mem_grow(&w->next.at, &w->next.cap, w->now.n * times + 2, sizeof *w->next.at, "a copy");
}

static void step_end(copy_words *w) {
  const characters done = w->next;
  w->next = w->now;
  w->now = done;
}

static status decode(copy_words *w, const char *text, size_t bytes) {
  w->now.n = 0;
  TRY(mem_grow(&w->now.at, &w->now.cap, bytes + 1, sizeof *w->now.at, "a copy"));
  for (size_t i = 0, length; i < bytes; i += length) put(&w->now, utf8_next(text + i, bytes - i, &length));
  return OK;
}

// ---- the steps -------------------------------------------------------------------------------------------------

static void strip_end(characters *c) {
  while (c->n > 0 && is_space(c->at[c->n - 1])) c->n--;
}

// `to`, which is not longer, in place of each `from`, both ASCII.
static void replace(characters *c, const char *from, const char *to) {
  const size_t n = strlen(from);
  size_t kept = 0;
  for (size_t i = 0; i < c->n;) {
    size_t same = 0;
    while (same < n && i + same < c->n && c->at[i + same] == (uint32_t)from[same]) same++;
    if (same == n) {
      for (const char *p = to; *p != '\0'; p++) c->at[kept++] = (uint32_t)*p;
      i += n;
    } else {
      c->at[kept++] = c->at[i++];
    }
  }
  c->n = kept;
}

// Spaces on both sides of every character that `apart` holds of.
static status set_apart(copy_words *w, bool (*apart)(uint32_t)) {
  TRY(step_begin(w, 3));
  for (size_t i = 0; i < w->now.n; i++) {
    const uint32_t c = w->now.at[i];
    if (apart(c)) put(&w->next, ' ');
    put(&w->next, c);
    if (apart(c)) put(&w->next, ' ');
  }
  step_end(w);
  return OK;
}

// Pairs of a first and a second character, from left to right without overlaps, become `spaced`: s in it stands for a space, 1 and
// 2 for the characters.
static status space_pairs(copy_words *w, bool (*first)(uint32_t), bool (*second)(uint32_t),
                          const char *spaced) {
  TRY(step_begin(w, 2));
  const characters *const now = &w->now;
  for (size_t i = 0; i < now->n; i++) {
    if (i + 1 == now->n || !first(now->at[i]) || !second(now->at[i + 1])) {
      put(&w->next, now->at[i]);
      continue;
    }
    for (const char *p = spaced; *p != '\0'; p++) put(&w->next, *p == 's' ? ' ' : now->at[i + (*p == '2')]);
    i++;
  }
  step_end(w);
  return OK;
}

static bool no_digit(uint32_t c) {
  return !is_digit(c);
}

static bool is_hyphen(uint32_t c) {
  return c == '-';
}

// The part that sacrebleu's 13a and zh share.
static status western(copy_words *w) {
  TRY(set_apart(w, is_symbol));
  TRY(space_pairs(w, no_digit, is_point, "1s2s"));
  TRY(space_pairs(w, is_point, no_digit, "s1s2"));
  return space_pairs(w, is_digit, is_hyphen, "1s2s");
}

static status prepare_13a(copy_words *w) {
  replace(&w->now, "<skipped>", "");
  replace(&w->now, "-\n", "");
  replace(&w->now, "\n", " ");
  replace(&w->now, "&quot;", "\"");
  replace(&w->now, "&amp;", "&");
  replace(&w->now, "&lt;", "<");
  replace(&w->now, "&gt;", ">");
  TRY(step_begin(w, 1));
  put(&w->next, ' ');
  for (size_t i = 0; i < w->now.n; i++) put(&w->next, w->now.at[i]);
  put(&w->next, ' ');
  step_end(w);
  return western(w);
}

static status prepare_zh(copy_words *w) {
  size_t front = 0;
  while (front < w->now.n && is_space(w->now.at[front])) front++;
  memmove(w->now.at, w->now.at + front, (w->now.n - front) * sizeof *w->now.at);
  w->now.n -= front;
  TRY(set_apart(w, is_chinese));
  return western(w);
}

// Lower case, as far as it makes letters of ASCII, and a space for all that ROUGE takes for no part of a word. Python's lower case of
// U+0130 is an i and a dot above it, and that of the sign of kelvin a k.
static status prepare_rouge(copy_words *w, bool chinese) {
  TRY(step_begin(w, 3));
  for (size_t i = 0; i < w->now.n; i++) {
    const uint32_t c = w->now.at[i], lower = c >= 'A' && c <= 'Z' ? c + 32 : c == 0x212A ? 'k' : c;
    const bool ideograph = chinese && (unicode_of(c)->flags & UNI_CHINESE) != 0;
    if (c == 0x130) put(&w->next, 'i');
    if (ideograph) put(&w->next, ' ');
    put(&w->next, is_digit(c) || (lower >= 'a' && lower <= 'z') || ideograph ? lower : ' ');
    if (ideograph) put(&w->next, ' ');
  }
  step_end(w);
  return OK;
}

// ---- words -----------------------------------------------------------------------------------------------------

static status end_word(copy_words *w, word_list *to) {
  if (w->bytes == 0) return OK;
  w->word[w->bytes] = '\0';
  w->bytes = 0;
  TRY(mem_grow(&to->words, &to->cap, to->n + 1, sizeof *to->words, "words of a copy"));
  return intern_add(w->numbers, w->word, &to->words[to->n++]);
}

static status split(copy_words *w, word_list *to) {
  to->n = w->bytes = 0;
  for (size_t i = 0; i < w->now.n; i++) {
    const uint32_t c = w->now.at[i];
    if (is_space(c)) {
      TRY(end_word(w, to));
      continue;
    }
    TRY(mem_grow(&w->word, &w->cap, w->bytes + 5, 1, "a word"));
    w->bytes = (size_t)(utf8_put(w->word + w->bytes, c) - w->word);
    if (w->kind == WORDS_CHAR) TRY(end_word(w, to));
  }
  return end_word(w, to);
}

status copy_words_of(copy_words *w, const char *text, size_t bytes, word_list *to) {
  TRY(decode(w, text, bytes));
  strip_end(&w->now);
  switch (w->kind) {
  case WORDS_13A:
    TRY(prepare_13a(w));
    break;
  case WORDS_ZH:
    TRY(prepare_zh(w));
    break;
  case WORDS_ROUGE:
  case WORDS_ROUGE_ZH:
    TRY(prepare_rouge(w, w->kind == WORDS_ROUGE_ZH));
    break;
  case WORDS_CHAR:
  case WORDS_NONE:
    break;
  }
  return split(w, to);
}

const char *copy_word(const copy_words *w, int32_t word) {
  return intern_text(w->numbers, word);
}
