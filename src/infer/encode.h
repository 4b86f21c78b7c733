// From histories to user vectors.
#ifndef SOUK_INFER_ENCODE_H
#define SOUK_INFER_ENCODE_H

#include "infer/encoder.h"

// The histories of a call, one by one or in flat arrays.
typedef struct history_source {
  const souk_history *list; // NULL: flat
  const int64_t *offsets;   // [n + 1]
  const int32_t *items, *events;
} history_source;

souk_history source_history(const history_source *s, size_t i);

// The item number of event i of a history, -1 if it is unknown or there is none beside a text.
int32_t history_item(const souk_bundle *b, const souk_history *h, int32_t i);

// Where the window of a history ends up: behind the last element of arrays with room for max_history. And what it leaves out.
typedef struct window_ends {
  int32_t *tokens;
  uint8_t *events;
  int32_t *
      sources; // which event of the history each token comes from, -1: from none, as attributes of the user; NULL: not wanted
  int32_t first;   // events before this one are not read
  int32_t without; // nor is event without - 1; 0: all others are
} window_ends;

// The part of a history that the model reads, the user's attributes and its newest known events and words: *kept tokens, which lie
// before the ends.
// *unknown counts the unknown items of the whole history.
souk_status history_window(const souk_bundle *b, const souk_history *h, const window_ends *ends,
                           int32_t *kept, int32_t *unknown, souk_error *e);

// Appends the query that asks what comes behind these events.
souk_status add_query(chunk *c, const seq_input *known, souk_error *e);

// User vectors of n histories, whose arguments have been checked, into u [n][W]; unknown [n] may be NULL. adapters [n]: numbers
// of adapters (adapters.h), -1 none; NULL: none at all.
// Finite weights may be so large that a vector is not finite. The caller checks its length, because only the caller
// can name the history.
souk_status encode(const souk_bundle *b, area *scratch, const souk_history *histories, size_t n,
                   const int32_t *adapters, float *u, int32_t *unknown, souk_error *e);

// As many threads, of those that a caller allows for n things, as have enough of `rows` rows to encode to pay for their start.
size_t threads_worth(const souk_bundle *b, double rows, size_t n, int32_t threads);

// The length of a vector u [n]: finite when every element is, since the squares are added up in double.
double length_of(const float *u, size_t n);

#endif
