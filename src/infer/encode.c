// From histories to user vectors; see encode.h.
#include "infer/encode.h"

#include <stdlib.h>
#include <string.h>
#include "format/processors.h"
#include "infer/encoder.h"
#include "infer/known_user.h"

enum { SHARE_WORK = 1 << 20 }; // multiplications that pay for the start of a thread

// Histories of one call of encode.
typedef struct history_job {
  const souk_bundle *b;
  const souk_history *histories;
  const int32_t *adapters; // NULL: none
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
  if (h->items != NULL) return h->items[i];
  return h->names != NULL && h->names[i] != NULL ? bundle_item(b, h->names[i], strlen(h->names[i])) : -1;
}

static int32_t history_event(const souk_bundle *b, const souk_history *h, int32_t i) {
  if (h->events != NULL) return h->events[i];
  if (h->event_names == NULL || h->event_names[i] == NULL) return 0;
  return souk_find_event(b, h->event_names[i]);
}

souk_status add_query(chunk *c, const seq_input *known, souk_error *e) {
  const seq_layout *layout = &c->b->layout;
  seq_plan plan;
  if (!sequence_plan(&plan, layout, known->n, NO_SECOND, true)) return SOUK_OK; // never: settings.c
  PASS(chunk_room(c, plan.rows, e));
  sequence_write(&plan, layout, known, NULL, c->ids + c->T, c->types + c->T, c->positions + c->T);
  chunk_added(c, plan.rows, plan.asked);
  return SOUK_OK;
}

// Tokens of a text. They may be more than its bytes: a character of three bytes may have nine when its accents stand apart.
static size_t words_in(const souk_bundle *b, const char *text) {
  return word_tokenizer_encode(b->tokenizer, text, strlen(text), NULL, 0);
}

static int32_t longest_history(const void *arg, size_t i) {
  const history_job *j = arg;
  const souk_history *h = &j->histories[i];
  const int32_t most = j->b->max_history;
  size_t n = (size_t)h->n * (j->b->domain_of != NULL ? 2 : 1); // a run may be of one event
  if (h->user != NULL) n += (size_t)h->user->n_attributes;     // of one name only the last counts
  for (int32_t at = 0; h->texts != NULL && at < h->n && n < (size_t)most; at++)
    if (h->texts[at] != NULL) n += words_in(j->b, h->texts[at]);
  const int32_t rows = (n < (size_t)most ? (int32_t)n : most) + sequence_specials(&j->b->layout, false, true);
  return rows > 0 ? rows : 1;
}

// Puts the last tokens of a text, up to `room` of them, before `end`.
static souk_status put_text(const souk_bundle *b, const char *text, int32_t room, int32_t *end, int32_t *put,
                            souk_error *e) {
  const size_t bytes = strlen(text), n = words_in(b, text);
  *put = n < (size_t)room ? (int32_t)n : room;
  if (n == (size_t)*put) {
    word_tokenizer_encode(b->tokenizer, text, bytes, end - n, n);
    return SOUK_OK;
  }
  int32_t *all;
  PASS(infer_alloc(&all, n, sizeof *all, "the words of a text", e));
  word_tokenizer_encode(b->tokenizer, text, bytes, all, n);
  memcpy(end - *put, all + n - (size_t)*put, (size_t)*put * sizeof *end);
  free(all);
  return SOUK_OK;
}

// Marks the tokens before the ends, `put` of them behind `kept` others, as those of event `at`.
static int32_t mark(const window_ends *ends, int32_t kept, int32_t put, uint8_t event, int32_t at) {
  memset(ends->events - kept - put, event, (size_t)put);
  for (int32_t i = 0; ends->sources != NULL && i < put; i++) ends->sources[-kept - put + i] = at;
  return kept + put;
}

// Puts a user's attributes, at most `room` of them, before the `n` tokens that are there; returns how many.
static int32_t put_attributes(const souk_bundle *b, const souk_user *user, int32_t room,
                              const window_ends *ends, int32_t n) {
  const int32_t known = known_attributes(b, user, NULL, 0), kept = known < room ? known : room;
  known_attributes(b, user, ends->tokens - n - kept, kept);
  mark(ends, n, kept, 0, -1);
  return kept;
}

// Does event `at`, of this item, begin a run of events of a domain? What lies before it and is not known is passed over.
static bool begins_run(const souk_bundle *b, const souk_history *h, int32_t at, int32_t item,
                       int32_t without) {
  if (b->domain_of == NULL) return false;
  for (int32_t i = at - 1; i >= 0; i--) {
    const int32_t older = i != without - 1 ? history_item(b, h, i) : -1;
    if (older >= 0) return b->domain_of[older] != b->domain_of[item];
  }
  return true;
}

souk_status history_window(const souk_bundle *b, const souk_history *h, const window_ends *ends,
                           int32_t *kept, int32_t *unknown, souk_error *e) {
  const int32_t known = known_attributes(b, h->user, NULL, 0);
  const int32_t most = known < b->max_history ? b->max_history - known : b->max_history > 0; // of the others
  int32_t n = 0;
  *unknown = 0;
  for (int32_t at = h->n - 1; at >= ends->first; at--) { // from the newest back, so that they end up in order
    if (at == ends->without - 1) continue;
    const char *text = h->texts != NULL ? h->texts[at] : NULL;
    const int32_t item = history_item(b, h, at);
    *unknown += item < 0 && text == NULL;
    if (n >= most || (item < 0 && text == NULL)) continue;
    const uint8_t event = (uint8_t)history_event(b, h, at);
    if (item >= 0) {
      ends->tokens[-n - 1] = b->first_item + item;
      n = mark(ends, n, 1, event, at);
      if (n < most && begins_run(b, h, at, item, ends->without)) {
        ends->tokens[-n - 1] = b->domain_of[item] >= 0 ? b->domain_of[item] : TOKEN_UNK;
        n = mark(ends, n, 1, 0, at);
      }
    }
    if (text == NULL) continue;
    int32_t put;
    PASS(put_text(b, text, most - n, ends->tokens - n, &put, e));
    n = mark(ends, n, put, event, at);
  }
  *kept = n + put_attributes(b, h->user, b->max_history - n, ends, n);
  return SOUK_OK;
}

static souk_status add_history(void *arg, chunk *c, size_t i, souk_error *e) {
  const history_job *j = arg;
  const souk_bundle *b = c->b;
  const window_ends ends = {.tokens = c->tokens + b->max_history, .events = c->events + b->max_history};
  int32_t kept, unknown;
  PASS(history_window(b, &j->histories[i], &ends, &kept, &unknown, e));
  PASS(add_query(c, &(seq_input){ends.tokens - kept, ends.events - kept, kept}, e));
  if (j->adapters != NULL) c->adapter[c->S - 1] = j->adapters[i];
  if (j->unknown != NULL) j->unknown[i] = unknown;
  return SOUK_OK;
}

static void take_vectors(void *arg, const chunk *c, size_t first) {
  const history_job *j = arg;
  chunk_user_vectors(c, j->u + first * (size_t)c->b->width);
}

souk_status encode(const souk_bundle *b, area *scratch, const souk_history *histories, size_t n,
                   const int32_t *adapters, float *u, int32_t *unknown, souk_error *e) {
  history_job j = {.b = b, .histories = histories, .adapters = adapters, .u = u, .unknown = unknown};
  const chunk_job job = {
      .b = b, .longest = longest_history, .add = add_history, .done = take_vectors, .arg = &j};
  return chunks_run(&job, scratch, n, e);
}

size_t threads_worth(const souk_bundle *b, double rows, size_t n, int32_t threads) {
  const double H = b->hidden, multiplications = rows * b->layers * (4 * H * H + 2 * H * b->intermediate);
  const double shares = multiplications / SHARE_WORK;
  const size_t wanted = (size_t)threads_wanted(threads), most = wanted < n ? wanted : n;
  return shares < 1 ? 1 : shares < (double)most ? (size_t)shares : most;
}
