// The account of a column of prices; see price_notes.h.
#include "prepare/price_notes.h"

#include <stdio.h>
#include <string.h>

static void count_currency(price_notes *notes, const char *text, int64_t count, int64_t line) {
  int i = 0;
  while (i < notes->n_currencies && strcmp(notes->currencies[i].text, text) != 0) i++;
  if (i == MAX_CURRENCIES) return;
  if (i == notes->n_currencies) {
    snprintf(notes->currencies[i].text, CURRENCY_TEXT, "%s", text);
    notes->currencies[i].line = line;
    notes->n_currencies++;
  }
  notes->currencies[i].count += count;
}

bool price_take(price_notes *notes, const char *text, size_t bytes, int64_t line, double *price) {
  money m;
  const char *why;
  char currency[CURRENCY_TEXT];
  if (!money_parse(text, bytes, &m, &why)) {
    reject_add(&notes->unknown, why, line, text, bytes);
    return false;
  }
  for (unsigned flag = 1; flag <= m.guesses; flag *= 2) {
    if ((m.guesses & flag) != 0)
      reject_add(&notes->guessed, money_guess_text((money_guess)flag), line, text, bytes);
  }
  if (m.currency_bytes > 0 && m.currency_bytes < CURRENCY_TEXT) {
    snprintf(currency, sizeof currency, "%.*s", (int)m.currency_bytes, m.currency);
    count_currency(notes, currency, 1, line);
  }
  notes->known++;
  *price = m.value;
  return true;
}

void price_notes_merge(price_notes *to, const price_notes *more) {
  reject_merge(&to->unknown, &more->unknown);
  reject_merge(&to->guessed, &more->guessed);
  for (int i = 0; i < more->n_currencies; i++)
    count_currency(to, more->currencies[i].text, more->currencies[i].count, more->currencies[i].line);
  to->known += more->known;
}

static int find_guess(const reject_list *list, money_guess guess) {
  int i = 0;
  while (i < list->n && list->reasons[i].text != money_guess_text(guess)) i++;
  return i < list->n ? i : -1;
}

void price_notes_finish(price_notes *notes) {
  reject_list *list = &notes->guessed;
  const int point = find_guess(list, MONEY_POINT);
  if (point < 0 || find_guess(list, MONEY_DECIMAL_COMMA) >= 0) return;
  list->rejected -= list->reasons[point].count;
  list->n--;
  memmove(list->reasons + point, list->reasons + point + 1,
          (size_t)(list->n - point) * sizeof *list->reasons);
}
