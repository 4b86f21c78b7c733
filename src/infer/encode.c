// From histories to user vectors; see encode.h.
#include "infer/encode.h"

#include <string.h>
#include "infer/encoder.h"

// Histories of one call of encode.
typedef struct history_job {
  const souk_bundle *b;
  const souk_history *histories;
  float *u;
  int32_t *unknown; // NULL: not wanted
} history_job;

souk_history source_history(const history_source *s, size_t i) {
  if (s->list != NULL) return s->list[i];
  const int64_t begin = s->offsets[i], n = s->offsets[i + 1] - begin;
  if (n == 0) return (souk_history){.n = 0}; // the arrays may be NULL
  return (souk_history){
      .n = (int32_t)n, .items = s->items + begin, .events = s->events != NULL ? s->events + begin : NULL};
}

int32_t history_item(const souk_bundle *b, const souk_history *h, int32_t i) {
  return h->items != NULL ? h->items[i] : bundle_item(b, h->names[i], strlen(h->names[i]));
}

static int32_t history_event(const souk_bundle *b, const souk_history *h, int32_t i) {
  if (h->events != NULL) return h->events[i];
  if (h->event_names == NULL || h->event_names[i] == NULL) return 0;
  return souk_find_event(b, h->event_names[i]);
}

void add_query(chunk *c, const seq_input *known) {
  const seq_layout *layout = &c->b->layout;
  seq_plan plan;
  if (!sequence_plan(&plan, layout, known->n, NO_SECOND, true)) return; // never: settings.c
  sequence_write(&plan, layout, known, NULL, c->ids + c->T, c->types + c->T, c->positions + c->T);
  chunk_added(c, plan.rows, plan.asked);
}

static int32_t longest_history(const void *arg, size_t i) {
  const history_job *j = arg;
  const int32_t n = j->histories[i].n, most = j->b->max_history;
  const int32_t rows = (n < most ? n : most) + sequence_specials(&j->b->layout, false, true);
  return rows > 0 ? rows : 1;
}

int32_t history_window(const souk_bundle *b, const souk_history *h, const window_ends *ends,
                       int32_t *unknown) {
  int32_t kept = 0;
  *unknown = 0;
  for (int32_t at = h->n - 1; at >= 0; at--) { // from the newest back, so that they end up in order
    const int32_t item = history_item(b, h, at);
    *unknown += item < 0;
    if (item < 0 || kept == b->max_history) continue;
    kept++;
    ends->tokens[-kept] = b->first_item + item;
    ends->events[-kept] = (uint8_t)history_event(b, h, at);
    if (ends->sources != NULL) ends->sources[-kept] = at;
  }
  return kept;
}

static void add_history(void *arg, chunk *c, size_t i) {
  const history_job *j = arg;
  const souk_bundle *b = c->b;
  const window_ends ends = {.tokens = c->tokens + b->max_history, .events = c->events + b->max_history};
  int32_t unknown;
  const int32_t kept = history_window(b, &j->histories[i], &ends, &unknown);
  add_query(c, &(seq_input){ends.tokens - kept, ends.events - kept, kept});
  if (j->unknown != NULL) j->unknown[i] = unknown;
}

static void take_vectors(void *arg, const chunk *c, size_t first) {
  const history_job *j = arg;
  chunk_user_vectors(c, j->u + first * (size_t)c->b->width);
}

souk_status encode(const souk_bundle *b, area *scratch, const souk_history *histories, size_t n, float *u,
                   int32_t *unknown, souk_error *e) {
  history_job j = {.b = b, .histories = histories, .u = u, .unknown = unknown};
  const chunk_job job = {
      .b = b, .longest = longest_history, .add = add_history, .done = take_vectors, .arg = &j};
  return chunks_run(&job, scratch, n, e);
}
