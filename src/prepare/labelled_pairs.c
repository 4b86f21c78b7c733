// Pairs of a history and an item; see labelled_internal.h. A history of the data set is looked up afterwards: pairs are kept by user,
// sorted, and the sequences are read once, in their order.
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/user_names.h"
#include "prepare/labelled_internal.h"
#include "prepare/times.h"

enum { READ_SEQUENCES = 1024 };

// ---- rows ----------------------------------------------------------------------------------------------------

// An item as a segment: its token, and its text in the row or in the data set.
static int32_t item_segment(label_reading *r, const log_row *row, bool *nothing) {
  const vocab *v = dataset_vocab(r->how->d);
  const char *name = row->text[COL_ITEM];
  const int32_t id = name != NULL ? vocab_find(v, RANGE_ITEMS, name) : -1,
                begin = vocab_begin(v, RANGE_ITEMS);
  int32_t n = 0;
  r->report->unknown_items += id < 0;
  r->second[n++] = id >= 0 ? id : TOKEN_UNK;
  int32_t more = reading_encode(r, row->text[COL_TEXT], row->bytes[COL_TEXT], r->second + n, r->room - n);
  if (more == 0 && id >= 0 && r->texts != NULL) {
    const int64_t from = r->texts->offsets[id - begin], all = r->texts->offsets[id - begin + 1] - from;
    more = all > r->room ? r->room : (int32_t)all;
    const int32_t copied = more < r->room - n ? more : r->room - n;
    memcpy(r->second + n, r->texts->tokens + from, (size_t)copied * sizeof *r->second);
  }
  *nothing = id < 0 && more == 0;
  return more > INT32_MAX - n ? INT32_MAX : n + more;
}

// A list of items in a cell; how many there are in all, of which the newest are kept.
static int32_t history_segment(label_reading *r, const char *cell) {
  const vocab *v = dataset_vocab(r->how->d);
  const char *separator = r->how->c->list[0] != '\0' ? r->how->c->list : " ";
  int32_t n = 0;
  for (const char *at = cell; at != NULL && n < INT32_MAX;) {
    const char *stop = strstr(at, separator);
    const size_t bytes = stop != NULL ? (size_t)(stop - at) : strlen(at);
    const int32_t id = vocab_find_bytes(v, RANGE_ITEMS, at, bytes);
    if (bytes > 0) r->report->unknown_items += id < 0;
    if (id >= 0) r->first[n++ % r->room] = id;
    at = stop != NULL ? stop + strlen(separator) : NULL;
  }
  return n;
}

// The ring's newest `kept` of n in order, in the events' place of a scratch row.
static void unroll(const label_reading *r, int32_t n, int32_t kept, int32_t *to) {
  for (int32_t i = 0; i < kept; i++) to[i] = r->first[(n - kept + i) % r->room];
}

typedef struct pair_history {
  int32_t *tokens;
  uint8_t *events;  // NULL: none
  int32_t n, fixed; // tokens; how many of the first are attributes of the user
  int32_t in_all;   // tokens before it was cut to the model's room
} pair_history;

// Where a pair is too long its history loses the oldest events, from behind the attributes.
static void cut_history(pair_history *h, int32_t kept) {
  const int32_t front = sequence_fixed(h->fixed, h->n, kept), back = kept - front;
  memmove(h->tokens + front, h->tokens + h->n - back, (size_t)back * sizeof *h->tokens);
  if (h->events != NULL) memmove(h->events + front, h->events + h->n - back, (size_t)back);
  h->n = kept;
}

static status add_pair(label_reading *r, pair_history *history, const int32_t *item, int32_t item_n,
                       const int32_t *labels, int64_t line, const char *text, const char *name) {
  int32_t a = history->n, b = item_n;
  r->report->cut += history->in_all > r->room - b;
  reading_share(r->room, &a, &b);
  cut_history(history, a);
  const seq_input first = {.tokens = history->tokens, .events = history->events, .n = a},
                  second = {.tokens = item, .n = b};
  return reading_add_row(r, &first, &second, labels, line, text, name);
}

static status wait_for_history(label_reading *r, const log_row *row, int64_t at, int64_t time,
                               int32_t item_n) {
  const int32_t kept = item_n < r->room ? item_n : r->room, n_labels = r->rows->targets;
  TRY(mem_grow(&r->waiting, &r->waiting_cap, r->n_waiting + 1, sizeof *r->waiting, "pairs"));
  TRY(mem_grow(&r->tokens, &r->tokens_cap, r->n_tokens + (size_t)kept, sizeof *r->tokens, "pairs"));
  TRY(mem_grow(&r->waiting_labels, &r->waiting_labels_cap, r->n_waiting_labels + (size_t)n_labels,
               sizeof *r->waiting_labels, "pairs"));
  waiting_pair *w = &r->waiting[r->n_waiting];
  *w = (waiting_pair){.sequence = at,
                      .time = time,
                      .line = row->line,
                      .order = (int64_t)r->n_waiting,
                      .at = r->n_tokens,
                      .labels = r->n_waiting_labels,
                      .tokens = kept};
  memcpy(r->tokens + w->at, r->second, (size_t)kept * sizeof *r->tokens);
  memcpy(r->waiting_labels + w->labels, r->labels, (size_t)n_labels * sizeof *r->labels);
  r->n_tokens += (size_t)kept;
  r->n_waiting_labels += (size_t)n_labels;
  r->n_waiting++;
  if (r->how->keep && row->text[COL_TEXT] != NULL) TRY(mem_strdup(&w->text, row->text[COL_TEXT]));
  return r->how->keep && row->text[COL_ITEM] != NULL ? mem_strdup(&w->item, row->text[COL_ITEM]) : OK;
}

// The row's time in the data set's unit; INT64_MIN: there is no column, so a history is its training part.
static bool time_of(const label_reading *r, const log_row *row, int64_t *time, const char **why) {
  event_time t;
  *time = INT64_MIN;
  if (r->how->c->time[0] == '\0') return true;
  const char *text = row->text[COL_TIME];
  if (text == NULL) {
    *why = "no time";
    return false;
  }
  if (!time_parse((time_format)r->how->c->time_format, r->zone, text, row->bytes[COL_TIME], &t, why))
    return false;
  *time = time_in_units(t, time_unit_per_second(dataset_get_info(r->how->d)->time_unit));
  return true;
}

status reading_take_pair(label_reading *r, const log_row *row, const char **why) {
  bool nothing;
  int64_t time;
  const char *user = row->text[COL_USER], *cell = row->text[COL_HISTORY];
  const int32_t item_n = item_segment(r, row, &nothing);
  if (r->how->c->history[0] != '\0') {
    const int32_t n = cell != NULL ? history_segment(r, cell) : 0, kept = n < r->room ? n : r->room;
    int32_t *ordered = r->first + r->room;
    unroll(r, n, kept, ordered);
    r->report->unknown_users += n == 0;
    if (nothing && n == 0) {
      r->report->empty++;
      return OK;
    }
    pair_history history = {.tokens = ordered, .n = kept, .in_all = n};
    return add_pair(r, &history, r->second, item_n, r->labels, row->line, row->text[COL_TEXT],
                    row->text[COL_ITEM]);
  }
  if (!time_of(r, row, &time, why)) return OK;
  const int32_t at = user != NULL ? intern_find(r->users, user) : -1;
  if (at >= 0) return wait_for_history(r, row, at, time, item_n);
  r->report->unknown_users++;
  if (nothing) {
    r->report->empty++;
    return OK;
  }
  pair_history none = {.tokens = r->first, .n = 0};
  return add_pair(r, &none, r->second, item_n, r->labels, row->line, row->text[COL_TEXT],
                  row->text[COL_ITEM]);
}

// ---- histories of the data set -------------------------------------------------------------------------------

static int by_sequence(const void *a, const void *b) {
  const waiting_pair *x = a, *y = b;
  if (x->sequence != y->sequence) return x->sequence < y->sequence ? -1 : 1;
  return (x->order > y->order) - (x->order < y->order);
}

// The first n events as the model reads them everywhere: with attributes of the user, searches and domains. Searches behind the last
// event belong to it as far as they came before the row, as in serving, where whoever asks has made them.
static pair_history history_of(const label_reading *r, const waiting_pair *w, const sequence *s, int32_t n) {
  pair_history h = {.tokens = r->first, .events = r->events, .n = n < r->room ? n : r->room, .in_all = n};
  if (r->context == NULL) {
    memcpy(h.tokens, s->tokens + n - h.n, (size_t)h.n * sizeof *h.tokens);
    memcpy(h.events, s->events + n - h.n, (size_t)h.n);
    return h;
  }
  const context_span span = {
      .sequence = w->sequence, .end = n, .query = true, .timed = w->time != INT64_MIN, .before = w->time};
  h.in_all = context_rows(r->context, &span);
  h.n = context_fill(r->context, &span, s->tokens, s->events, r->room, h.tokens, h.events);
  h.fixed = sequence_fixed(context_attributes(r->context, w->sequence), h.in_all, h.n);
  return h;
}

static status pair_with(label_reading *r, const waiting_pair *w, const sequence *s) {
  int32_t n = s->valid_from;
  if (w->time != INT64_MIN)
    for (n = 0; n < s->n && s->times[n] < w->time;) n++;
  pair_history history = history_of(r, w, s, n);
  const bool nothing = history.in_all <= context_attributes(r->context, w->sequence);
  r->report->unknown_users += nothing;
  if (nothing && w->tokens == 1 && r->tokens[w->at] == TOKEN_UNK) {
    r->report->empty++;
    return OK;
  }
  return add_pair(r, &history, r->tokens + w->at, w->tokens, r->waiting_labels + w->labels, w->line, w->text,
                  w->item);
}

status reading_find_histories(label_reading *r) {
  const int64_t all = dataset_get_info(r->how->d)->sequences;
  if (r->n_waiting == 0) return OK;
  qsort(r->waiting, r->n_waiting, sizeof *r->waiting, by_sequence);
  status rc = OK;
  for (size_t i = 0; rc == OK && i < r->n_waiting;) {
    const int64_t first = r->waiting[i].sequence, left = all - first;
    sequence_block *b;
    sequence s;
    TRY(block_read(&b, r->how->d, first, left < READ_SEQUENCES ? left : READ_SEQUENCES));
    for (; rc == OK && i < r->n_waiting && r->waiting[i].sequence - first < block_count(b); i++) {
      block_get(b, r->waiting[i].sequence - first, &s);
      rc = pair_with(r, &r->waiting[i], &s);
    }
    block_free(b);
  }
  return rc;
}

status reading_users(label_reading *r) {
  user_names *u;
  const char *name;
  int32_t id;
  TRY(intern_new(&r->users));
  TRY(user_names_open(&u, r->how->d));
  status rc = OK;
  for (int64_t i = 0; rc == OK && i < dataset_get_info(r->how->d)->sequences; i++) {
    rc = user_names_next(u, &name);
    if (rc == OK) rc = intern_add(r->users, name, &id);
  }
  user_names_close(u);
  return rc;
}

void reading_free_pairs(label_reading *r) {
  for (size_t i = 0; i < r->n_waiting; i++) {
    free(r->waiting[i].text);
    free(r->waiting[i].item);
  }
  free(r->waiting);
  free(r->tokens);
  free(r->waiting_labels);
  intern_free(r->users);
}
