// Prices of a column, with the account of those that are not known, of what was guessed, and of the currencies.
#ifndef SOUK_PREPARE_PRICE_NOTES_H
#define SOUK_PREPARE_PRICE_NOTES_H

#include "prepare/money.h"
#include "prepare/rejects.h"

enum { MAX_CURRENCIES = 8, CURRENCY_TEXT = 12 };

// Full of zeros: empty.
typedef struct price_notes {
  reject_list unknown, guessed; // values
  struct {
    char text[CURRENCY_TEXT];
    int64_t count, line;
  } currencies[MAX_CURRENCIES]; // by first appearance; further ones are not told apart
  int n_currencies;
  int64_t known;
} price_notes;

// Reads the price of a row; false: it is not known, which is counted.
bool price_take(price_notes *notes, const char *text, size_t bytes, int64_t line, double *price);
// Adds notes of rows that come after all that are in *to.
void price_notes_merge(price_notes *to, const price_notes *more);
// At the end: forgets guesses that the rest of the column does not make doubtful.
void price_notes_finish(price_notes *notes);

#endif
