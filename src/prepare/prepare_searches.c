// Searches between events; see prepare_searches.h.
#include "prepare/prepare_searches.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/tokenizer.h"
#include "data/user_context.h"
#include "format/word_tokenizer.h"
#include "prepare/times.h"

struct search_table {
  intern *texts;      // that differ
  event_store *store; // item: the number of the text
  search_counts counts;
  // Words of the texts.
  int64_t *text_offsets; // [texts + 1]
  int32_t *text_words;
  size_t words_cap;
  // The partition at hand, its searches by user and time.
  store_partition part;
  int32_t *order; // [part.n]
  size_t order_cap;
  size_t *user_first; // [users of part + 1] in `order`
  size_t user_cap;
  // Taken so far.
  user_searches out;
  size_t offsets_cap, places_cap, events_cap, word_offsets_cap, out_words_cap, times_cap;
  int64_t per_second; // units of time
  int64_t users, searches, words;
};

status search_table_new(search_table **out, const char *dir, size_t memory_bytes) {
  search_table *t;
  *out = NULL;
  TRY(mem_new(&t, 1, sizeof *t, "searches"));
  status rc = intern_new(&t->texts);
  if (rc == OK) rc = store_new(&t->store, dir, memory_bytes);
  if (rc == OK)
    *out = t;
  else
    search_table_free(t);
  return rc;
}

void search_table_free(search_table *t) {
  if (t == NULL) return;
  intern_free(t->texts);
  store_free(t->store);
  partition_free(&t->part);
  void *const arrays[] = {t->text_offsets, t->text_words, t->order,      t->user_first,
                          t->out.offsets,  t->out.places, t->out.events, t->out.word_offsets,
                          t->out.words,    t->out.times};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(t);
}

const search_counts *search_table_counts(const search_table *t) {
  return &t->counts;
}

status search_table_add(search_table *t, const char *user, size_t user_bytes, uint64_t user_hash,
                        const char *text, size_t text_bytes, const log_event *e) {
  log_event search = *e;
  TRY(intern_add_hashed(t->texts, text, text_bytes, name_hash(text, text_bytes), &search.item));
  t->counts.rows++;
  return store_add(t->store, user, user_bytes, user_hash, &search);
}

void search_table_unit(search_table *t, time_unit unit) {
  t->per_second = time_unit_per_second(unit);
}

void search_table_complete(search_table *t) {
  store_complete(t->store);
}

// ---- words ---------------------------------------------------------------------------------------------------

static status add_words(search_table *t, const word_tokenizer *k, int32_t text, int64_t most) {
  const char *from = intern_text(t->texts, text);
  const size_t bytes = intern_length(t->texts, text);
  const int64_t at = t->text_offsets[text];
  const size_t n = word_tokenizer_encode(k, from, bytes, NULL, 0);
  TRY(mem_grow(&t->text_words, &t->words_cap, (size_t)at + n + 1, sizeof *t->text_words,
               "words of searches"));
  word_tokenizer_encode(k, from, bytes, t->text_words + at, n);
  t->text_offsets[text + 1] = at + ((int64_t)n < most ? (int64_t)n : most);
  return OK;
}

status search_table_tokenize(search_table *t, const vocab *v, const json_t *settings, int64_t most) {
  const int32_t n = intern_count(t->texts);
  word_tokenizer *k;
  TRY(mem_new(&t->text_offsets, (size_t)n + 1, sizeof *t->text_offsets, "words of searches"));
  TRY(tokenizer_open(&k, v, settings));
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < n; i++) rc = add_words(t, k, i, most);
  word_tokenizer_free(k);
  return rc;
}

// ---- a partition ---------------------------------------------------------------------------------------------

static int by_user_and_time(const void *a, const void *b, void *self) {
  const log_event *events = self;
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  const log_event *p = &events[x], *q = &events[y];
  if (p->user != q->user) return p->user < q->user ? -1 : 1;
  if (p->time != q->time) return p->time < q->time ? -1 : 1;
  if (p->nanos != q->nanos) return p->nanos < q->nanos ? -1 : 1;
  return x < y ? -1 : 1; // as they stand in the log
}

status search_table_load(search_table *t, int32_t partition) {
  store_partition *p = &t->part;
  TRY(store_read(t->store, partition, p));
  const size_t users = p->users != NULL ? (size_t)intern_count(p->users) : 0;
  TRY(mem_grow(&t->order, &t->order_cap, p->n + 1, sizeof *t->order, "searches"));
  TRY(mem_grow(&t->user_first, &t->user_cap, users + 1, sizeof *t->user_first, "searches"));
  for (size_t i = 0; i < p->n; i++) t->order[i] = (int32_t)i;
  qsort_r(t->order, p->n, sizeof *t->order, by_user_and_time, p->events);
  size_t at = 0;
  for (size_t u = 0; u <= users; u++) {
    while (at < p->n && p->events[t->order[at]].user < (int32_t)u) at++;
    t->user_first[u] = at;
  }
  return OK;
}

// ---- histories -----------------------------------------------------------------------------------------------

static bool before(const log_event *a, const log_event *b) {
  return a->time != b->time ? a->time < b->time : a->nanos < b->nanos;
}

static status add_search(search_table *t, const log_event *search, int32_t place) {
  const int64_t from = t->text_offsets[search->item], n = t->text_offsets[search->item + 1] - from,
                k = t->searches;
  t->counts.without_words += n == 0;
  if (n == 0) return OK;
  TRY(mem_grow(&t->out.places, &t->places_cap, (size_t)k + 1, sizeof *t->out.places, "searches"));
  TRY(mem_grow(&t->out.events, &t->events_cap, (size_t)k + 1, sizeof *t->out.events, "searches"));
  TRY(mem_grow(&t->out.word_offsets, &t->word_offsets_cap, (size_t)k + 2, sizeof *t->out.word_offsets,
               "searches"));
  TRY(mem_grow(&t->out.words, &t->out_words_cap, (size_t)(t->words + n), sizeof *t->out.words, "searches"));
  TRY(mem_grow(&t->out.times, &t->times_cap, (size_t)k + 1, sizeof *t->out.times, "searches"));
  t->out.places[k] = place;
  t->out.times[k] = time_in_units((event_time){search->time, search->nanos}, t->per_second);
  t->out.events[k] = (uint8_t)search->type;
  memcpy(t->out.words + t->words, t->text_words + from, (size_t)n * sizeof *t->out.words);
  for (int64_t i = 0; i < n; i++) t->counts.unknown += t->text_words[from + i] == TOKEN_UNK;
  t->words += n;
  t->out.word_offsets[k] = t->words - n;
  t->out.word_offsets[k + 1] = t->words;
  t->searches++;
  return OK;
}

status search_table_take(search_table *t, const char *user, const log_event *e, int32_t n) {
  const int32_t number = t->part.n > 0 ? intern_find(t->part.users, user) : -1;
  const int64_t first = t->searches;
  int32_t place = 0;
  TRY(mem_grow(&t->out.offsets, &t->offsets_cap, (size_t)t->users + 2, sizeof *t->out.offsets, "searches"));
  for (size_t i = number >= 0 ? t->user_first[number] : 0; number >= 0 && i < t->user_first[number + 1];
       i++) {
    const log_event *search = &t->part.events[t->order[i]];
    while (place < n && before(&e[place], search)) place++;
    TRY(add_search(t, search, place));
  }
  t->out.offsets[t->users++] = first;
  t->out.offsets[t->users] = t->searches;
  t->counts.users += t->searches > first;
  return OK;
}

status search_table_write(search_table *t, dataset_writer *w, bool timed, int deflate) {
  char path[PATH_MAX + 64];
  store_free(t->store);
  t->store = NULL;
  t->counts.searches = t->searches;
  t->counts.words = t->words;
  if (t->searches == 0) return OK;
  TRY(writer_path(w, "searches.h5", path, sizeof path));
  TRY(user_searches_write(&t->out, t->users, path, deflate));
  TRY(writer_list(w, "searches.h5"));
  if (!timed) return OK;
  TRY(writer_path(w, "search_times.h5", path, sizeof path));
  TRY(user_search_times_write(&t->out, t->users, path, deflate));
  return writer_list(w, "search_times.h5");
}
