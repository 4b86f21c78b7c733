// Banned phrases however they are spelt: with other characters than letters between the letters, full-width, in capitals.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "promo_scan_parts.h"

// Letters of the text by their place among its characters.
typedef struct letters {
  const scan_text *t;
  size_t *at, n;
} letters;

static bool is_word(uint32_t p) {
  return scan_is_latin(p) || (p >= '0' && p <= '9');
}

static uint32_t letter(const letters *l, size_t i) {
  return l->t->c[l->at[i]].p;
}

// The phrase begins and ends where words do, if it begins or ends with a letter of a word.
static bool bounded(const letters *l, size_t i, size_t n) {
  const size_t first = l->at[i], last = l->at[i + n - 1];
  if (first > 0 && is_word(letter(l, i)) && is_word(l->t->c[first - 1].p)) return false;
  return !(last + 1 < l->t->n && is_word(letter(l, i + n - 1)) && is_word(l->t->c[last + 1].p));
}

static void find_phrase(const letters *l, const char *phrase, scan_spans *to) {
  scan_text f = scan_text_of(phrase, strlen(phrase));
  size_t n = 0;
  for (size_t i = 0; i < f.n; i++)
    if (scan_is_letter(f.c[i].p)) f.c[n++] = f.c[i];
  for (size_t i = 0; n > 0 && i + n <= l->n; i++) {
    size_t k = 0;
    while (k < n && letter(l, i + k) == f.c[k].p) k++;
    if (k == n && bounded(l, i, n))
      scan_spans_add(to, l->t->c[l->at[i]].begin, l->t->c[l->at[i + n - 1]].end);
  }
  scan_text_free(&f);
}

static bool is_in(char c, const char *letters_) {
  return c != '\0' && strchr(letters_, c) != NULL;
}

static void find_form(const letters *l, const char *stem, size_t kept, const char *ending, scan_spans *to) {
  char form[256];
  snprintf(form, sizeof form, "%.*s%s", (int)kept, stem, ending);
  find_phrase(l, form, to);
}

// Forms of the last word: cure, cures, cured, curing; fix, fixes; remedy, remedies; stop, stopped.
static void find_forms(const letters *l, const char *stem, scan_spans *to) {
  static const char *const after_e[] = {"", "s", "d", NULL},
                           *const after_hiss[] = {"", "es", "ed", "ing", NULL},
                           *const after_y[] = {"", "ing", NULL},
                           *const after_others[] = {"", "s", "ed", "ing", NULL};
  const size_t n = strlen(stem);
  const char last = stem[n - 1], before = n > 1 ? stem[n - 2] : '\0', third = n > 2 ? stem[n - 3] : '\0';
  const bool hiss = is_in(last, "sxz") || (last == 'h' && is_in(before, "cs"));
  const bool y = last == 'y' && !is_in(before, "aeiou");
  const char *const *endings = last == 'e' ? after_e : hiss ? after_hiss : y ? after_y : after_others;
  for (size_t i = 0; endings[i] != NULL; i++) find_form(l, stem, n, endings[i], to);
  if (last == 'e') find_form(l, stem, n - 1, "ing", to);
  if (y) find_form(l, stem, n - 1, "ies", to), find_form(l, stem, n - 1, "ied", to);
  if (n != 4 || !is_in(last, "bdgmnpt") || !is_in(before, "aeiou") || is_in(third, "aeiou")) return;
  const char doubled[2][5] = {{last, 'e', 'd'}, {last, 'i', 'n', 'g'}};
  find_form(l, stem, n, doubled[0], to), find_form(l, stem, n, doubled[1], to);
}

void scan_phrases(const scan_text *t, const char *const *phrases, size_t n, scan_spans *to) {
  if (n == 0) return;
  letters l = {.t = t, .at = malloc((t->n + 1) * sizeof *l.at)};
  for (size_t i = 0; i < t->n; i++)
    if (scan_is_letter(t->c[i].p)) l.at[l.n++] = i;
  for (size_t i = 0; i < n; i++) {
    const size_t bytes = strlen(phrases[i]);
    if (bytes > 1 && bytes < 200 && phrases[i][bytes - 1] == '~') {
      char stem[200];
      snprintf(stem, sizeof stem, "%.*s", (int)bytes - 1, phrases[i]);
      find_forms(&l, stem, to);
    } else {
      find_phrase(&l, phrases[i], to);
    }
  }
  free(l.at);
}
