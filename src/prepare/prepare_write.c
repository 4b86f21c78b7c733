// Writing the sequences of souk prepare.
#include <stdlib.h>
#include "base/memory.h"
#include "prepare/prepare_internal.h"

typedef struct sequence_buffers {
  int32_t *tokens, *sessions;
  uint8_t *events;
  int64_t *times;
} sequence_buffers;

static status write_user(prepare_job *job, dataset_writer *w, const log_event *e, int32_t n, int64_t user,
                         const sequence_buffers *b) {
  sequence s = {.user = user,
                .n = n,
                .tokens = b->tokens,
                .events = b->events,
                .times = b->times,
                .sessions = b->sessions};
  cut_user(job->c, e, n, &s.valid_from, &s.test_from);
  for (int32_t i = 0; i < n; i++) {
    b->tokens[i] = job->token_of[e[i].item];
    b->sessions[i] = (int32_t)e[i].session;
    b->events[i] = (uint8_t)e[i].type;
    b->times[i] = e[i].time;
    const bool cold = job->train_counts[e[i].item] == 0;
    if (i >= s.test_from)
      job->cold_test += cold;
    else if (i >= s.valid_from)
      job->cold_valid += cold;
  }
  return writer_add(w, &s, intern_text(job->part.users, e->user));
}

status write_sequences(prepare_job *job, dataset_writer *w) {
  const size_t longest = (size_t)job->longest;
  sequence_buffers b = {.tokens = NULL};
  status rc;
  int64_t user = 0;
  TRY_GOTO(mem_new(&b.tokens, longest, sizeof *b.tokens, "a sequence"), done);
  TRY_GOTO(mem_new(&b.sessions, longest, sizeof *b.sessions, "a sequence"), done);
  TRY_GOTO(mem_new(&b.events, longest, sizeof *b.events, "a sequence"), done);
  TRY_GOTO(mem_new(&b.times, longest, sizeof *b.times, "a sequence"), done);
  for (int32_t p = 0; p < STORE_PARTITIONS; p++) {
    TRY_GOTO(store_read(job->store, p, &job->part), done);
    const log_event *e = job->part.events;
    for (size_t i = 0; i < job->part.n; user++) {
      size_t stop = i;
      while (stop < job->part.n && e[stop].user == e[i].user) stop++;
      TRY_GOTO(write_user(job, w, e + i, (int32_t)(stop - i), user, &b), done);
      i = stop;
    }
    show_progress(job, "sequences written", user, (double)p / STORE_PARTITIONS);
  }
done:
  free(b.tokens);
  free(b.sessions);
  free(b.events);
  free(b.times);
  return rc;
}
