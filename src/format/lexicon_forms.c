// The forms of an English word: what "cure~" in a lexicon stands for. Spelling rules only, so an irregular form has a line of its own
// in the file; a form that is no word ("stoped") does no harm.
#include <stdbool.h>
#include <string.h>
#include "format/lexicon_internal.h"

static bool is_vowel(uint32_t c) {
  return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

static bool ends_in(const uint32_t *word, size_t n, const char *end) {
  const size_t m = strlen(end);
  if (n <= m) return false;
  for (size_t i = 0; i < m; i++)
    if (word[n - m + i] != (uint32_t)end[i]) return false;
  return true;
}

typedef struct forms {
  uint32_t (*to)[LEXICON_FORM_LETTERS];
  size_t *lengths, n;
} forms;

// The first `kept` letters, the last of them once more if `doubled`, and an ending.
static void add(forms *f, const uint32_t *word, size_t kept, bool doubled, const char *end) {
  uint32_t *to = f->to[f->n];
  memcpy(to, word, kept * sizeof *word);
  size_t n = kept;
  if (doubled) to[n++] = word[kept - 1];
  for (; *end != '\0'; end++) to[n++] = (uint32_t)*end;
  f->lengths[f->n++] = n;
}

// stop, plan: the last letter is doubled.
static bool doubles(const uint32_t *word, size_t n) {
  if (n < 3) return false;
  const uint32_t c = word[n - 1];
  return !is_vowel(c) && c != 'w' && c != 'x' && c != 'y' && is_vowel(word[n - 2]) && !is_vowel(word[n - 3]);
}

size_t lexicon_forms(const uint32_t *word, size_t n, uint32_t to[LEXICON_FORMS][LEXICON_FORM_LETTERS],
                     size_t lengths[LEXICON_FORMS]) {
  forms f = {.to = to, .lengths = lengths};
  const bool y = n >= 2 && word[n - 1] == 'y' && !is_vowel(word[n - 2]);
  const bool hisses = ends_in(word, n, "s") || ends_in(word, n, "x") || ends_in(word, n, "z") ||
                      ends_in(word, n, "ch") || ends_in(word, n, "sh");
  add(&f, word, n, false, "");
  if (y) { // remedy
    add(&f, word, n - 1, false, "ies");
    add(&f, word, n - 1, false, "ied");
    add(&f, word, n, false, "ing");
  } else if (ends_in(word, n, "e")) { // cure
    add(&f, word, n, false, "s");
    add(&f, word, n, false, "d");
    add(&f, word, n - 1, false, "ing");
  } else {
    add(&f, word, n, false, hisses ? "es" : "s");
    add(&f, word, n, false, "ed");
    add(&f, word, n, false, "ing");
    if (doubles(word, n)) {
      add(&f, word, n, true, "ed");
      add(&f, word, n, true, "ing");
    }
  }
  return f.n;
}
