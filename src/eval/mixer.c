#include "eval/mixer.h"

#include <stdlib.h>
#include "base/memory.h"

typedef struct mixer_thread {
  mix_batch batch;
  int32_t *history;
  size_t history_cap;
  bool failed;
} mixer_thread;

struct mixer {
  const mix *m;
  int32_t first_item, threads;
  mixer_thread *of; // [threads]
};

status mixer_open(mixer **out, const mix *m, int32_t first_item, int32_t threads) {
  *out = NULL;
  mixer *x;
  TRY(mem_new(&x, 1, sizeof *x, "a mix"));
  *x = (mixer){.m = m, .first_item = first_item, .threads = threads};
  status rc = mem_new(&x->of, (size_t)threads, sizeof *x->of, "a mix");
  for (int32_t t = 0; rc == OK && t < threads; t++) {
    format_error e;
    if (!mix_batch_new(&x->of[t].batch, m, &e)) rc = fail_format(&e);
  }
  if (rc == OK)
    *out = x;
  else
    mixer_close(x);
  return rc;
}

void mixer_close(mixer *x) {
  if (x == NULL) return;
  for (int32_t t = 0; x->of != NULL && t < x->threads; t++) {
    mix_batch_free(&x->of[t].batch);
    free(x->of[t].history);
  }
  free(x->of);
  free(x);
}

const mix *mixer_mix(const mixer *x) {
  return x->m;
}

// The items of a question's history; *n of them.
static bool read_history(const mixer *x, mixer_thread *t, const query *q, int32_t *n) {
  format_error e;
  *n = 0;
  if (!format_grow(&t->history, &t->history_cap, (size_t)q->n + 1, sizeof *t->history, "a history", &e))
    return false;
  for (int32_t i = 0; i < q->n; i++)
    if (q->tokens[i] >= x->first_item) t->history[(*n)++] = q->tokens[i] - x->first_item;
  return true;
}

bool mixer_ask(mixer *x, int32_t thread, const query *q, int64_t n) {
  mixer_thread *t = &x->of[thread];
  format_error e;
  mix_batch_clear(&t->batch);
  bool good = true;
  for (int64_t i = 0; good && i < n; i++) {
    int32_t events;
    good = read_history(x, t, &q[i], &events) && mix_batch_add(&t->batch, x->m, t->history, events, &e);
  }
  if (!good) t->failed = true;
  return good;
}

mix_added mixer_get(const mixer *x, int32_t thread, int64_t i) {
  return mix_batch_get(&x->of[thread].batch, (size_t)i);
}

const mix_room *mixer_sums(mixer *x, int32_t thread, const query *q) {
  mixer_thread *t = &x->of[thread];
  format_error e;
  int32_t n;
  if (read_history(x, t, q, &n) && mix_history(x->m, &t->batch.room, t->history, n, &e))
    return &t->batch.room;
  t->failed = true;
  return NULL;
}

status mixer_check(const mixer *x) {
  for (int32_t t = 0; t < x->threads; t++)
    if (x->of[t].failed) return fail(ERR_MEMORY, "out of memory: a mix");
  return OK;
}
