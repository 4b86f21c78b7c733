// Writing the sequences of souk prepare.
#include "base/log.h"
#include "base/memory.h"
#include "prepare/prepare_internal.h"

// Nanoseconds since 1970 reach from 1677 to 2262 in 64 bits: where times lie beyond, the unit is coarser.
static bool fits(event_time t, time_unit unit) {
  int64_t x;
  return !__builtin_mul_overflow(t.seconds, time_unit_per_second(unit), &x) && x < INT64_MAX - 1000000000;
}

void choose_time_unit(prepare_job *job) {
  const time_unit wanted = job->span.finest;
  job->unit = wanted;
  while (job->unit > TIME_UNIT_SECONDS &&
         (!fits(job->span.least, job->unit) || !fits(job->span.greatest, job->unit)))
    job->unit--;
  char from[TIME_TEXT], to[TIME_TEXT];
  if (job->unit < wanted)
    prepare_warn(job, "times from %s to %s do not fit into 64 bits in %s: they are written in %s",
                 time_text(from, job->span.least), time_text(to, job->span.greatest), time_unit_names[wanted],
                 time_unit_names[job->unit]);
}

// How many targets of a part are items of no train part.
static int64_t cold_targets(const prepare_job *job, const sequence *s, const log_event *e, bool test) {
  int64_t cold = 0;
  int32_t from, to;
  split_targets(&job->split, s->n, s->valid_from, s->test_from, test, &from, &to);
  for (int32_t i = from; i < to; i++) cold += job->train_counts[e[i].item] == 0;
  return cold;
}

static status write_user(prepare_job *job, const log_event *e, int32_t n, const char *name) {
  const sequence_room *b = &job->room;
  sequence s = {.user = job->users_written++,
                .n = n,
                .tokens = b->tokens,
                .events = b->events,
                .times = b->times,
                .sessions = b->sessions};
  const int64_t per_second = time_unit_per_second(job->unit), nanos = 1000000000 / per_second;
  cut_user(&job->split, name, e, n, &s.valid_from, &s.test_from);
  for (int32_t i = 0; i < n; i++) {
    b->tokens[i] = job->token_of[e[i].item];
    b->sessions[i] = (int32_t)e[i].session;
    b->domains[i] = job->item_domains.of[e[i].item];
    b->events[i] = (uint8_t)e[i].type;
    b->times[i] = e[i].time * per_second + e[i].nanos / nanos;
  }
  job->cold_valid += cold_targets(job, &s, e, false);
  job->cold_test += cold_targets(job, &s, e, true);
  TRY(user_table_take(job->attributes, name, &job->attribute_counts));
  TRY(copy_table_take(job->copy, name));
  if (job->domains != NULL) TRY(domain_take(job->domains, b->domains, n));
  if (job->searches != NULL) TRY(search_table_take(job->searches, name, e, n));
  return writer_add(job->writer, &s, name);
}

status load_partition(partition_work *w) {
  return store_read(w->job->store, w->index, &w->part);
}

static status write_partition(partition_work *w) {
  const store_partition *part = &w->part;
  if (w->job->searches != NULL) TRY(search_table_load(w->job->searches, w->index));
  for (size_t i = 0; i < part->n;) {
    const size_t end = history_end(part, i);
    const char *name = intern_text(part->users, part->events[i].user);
    TRY(write_user(w->job, part->events + i, (int32_t)(end - i), name));
    i = end;
  }
  show_progress(w->job, "sequences written", w->job->users_written, (double)w->index / STORE_PARTITIONS);
  return OK;
}

status write_sequences(prepare_job *job, dataset_writer *w) {
  const size_t longest = (size_t)job->longest;
  sequence_room *b = &job->room;
  TRY(mem_new(&b->tokens, longest, sizeof *b->tokens, "a sequence"));
  TRY(mem_new(&b->sessions, longest, sizeof *b->sessions, "a sequence"));
  TRY(mem_new(&b->events, longest, sizeof *b->events, "a sequence"));
  TRY(mem_new(&b->times, longest, sizeof *b->times, "a sequence"));
  TRY(mem_new(&b->domains, longest, sizeof *b->domains, "a sequence"));
  job->writer = w;
  return for_partitions(job, load_partition, write_partition);
}
