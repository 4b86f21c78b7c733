// souk prepare: parse, map fields, filter, sessionise, split, build the vocabulary, write.
//
// Passes over the events, each partition by partition (event_store.h), so that memory holds the items' names
// and counters plus what --memory allows, whatever the log's size:
//   1. read the log into the store (prepare_read.c);
//   2. sort each user by time, number sessions, merge repeats, and count (prepare_filter.c, history.c);
//   3. with a k-core: drop what is rare and count again, until nothing changes;
//   4. the catalogue and the vocabulary: attributes, then items by falling count and name (prepare_items.c);
//   5. write sequences (prepare_write.c).
// prepare_split.c cuts a history. Rows and partitions are worked on by several threads, and taken in order
// (base/tasks.h), so that the data set is the same to the byte for any number of them.
#include "prepare/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "prepare/prepare_internal.h"

static void job_free(prepare_job *job) {
  json_decref(job->warnings);
  json_decref(job->remarks);
  json_decref(job->catalogue_known);
  store_free(job->store);
  partitions_free(job);
  tasks_free(job->pool);
  input_files_free(&job->log_files);
  input_files_free(&job->catalogue_files);
  wordpiece_close(job->words);
  user_table_free(job->attributes);
  copy_table_free(job->copy);
  search_table_free(job->searches);
  domain_table_free(job->domains);
  intern *const names[] = {job->items,        job->types,
                           job->wanted_types, job->categories.names,
                           job->brands.names, job->item_domains.names};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) intern_free(names[i]);
  void *const arrays[] = {job->item_counts,       job->next_counts,    job->train_counts,
                          job->token_of,          job->mean_price.sum, job->mean_price.count,
                          job->categories.of,     job->price,          job->mean_rating.sum,
                          job->mean_rating.count, job->brands.of,      job->item_domains.of,
                          job->room.domains,      job->rating,         job->short_lengths,
                          job->long_lengths,      job->room.tokens,    job->room.sessions,
                          job->room.events,       job->room.times};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(job);
}

// Ends a stage, and with it begins the next one.
static void end_stage(prepare_job *job, prepare_stage stage) {
  const double now = now_seconds();
  job->seconds_of[stage] = now - job->stage_began;
  job->stage_began = now;
}

static status write_copy(prepare_job *job, dataset_writer *w, vocab *v) {
  const copy_writing how = {.w = w,
                            .v = v,
                            .words = job->words != NULL ? job->words->tokenizer : NULL,
                            .unit = job->unit,
                            .catalogue = job->c->input.catalogue[0] != '\0'};
  return copy_table_write(job->copy, &how, &job->copies);
}

// ---- copy without a log --------------------------------------------------------------------------------------

static status write_copy_alone(prepare_job *job, dataset_writer **writer, vocab *v) {
  const prepare_config *c = job->c;
  dataset_info info = {.n_event_types = 1,
                       .event_types = {"none"},
                       .window = (int32_t)c->output.window,
                       .stride = (int32_t)c->output.stride};
  memcpy(info.name, c->output.name, strlen(c->output.name) + 1); // its length was checked
  writer_tokenizer(*writer, job->words->tokenizer);
  TRY(copy_table_add_tokens(job->copy, v));
  TRY(write_copy(job, *writer, v));
  json_t *report = json_pack("{s:o}", "copy", copy_counts_json(&job->copies));
  dataset_writer *w = *writer;
  *writer = NULL;
  const status rc = writer_finish(w, &info, v, report);
  json_decref(report);
  TRY(rc);
  end_stage(job, STAGE_WRITE);
  for (int s = 0; s < STAGES; s++) job->seconds += job->seconds_of[s];
  log_status_end();
  copy_counts_print(&job->copies);
  print_end(job, &info);
  return OK;
}

// A data set of words and attributes, without histories and items.
static status run_copy_alone(prepare_job *job, dataset_writer **writer) {
  const prepare_config *c = job->c;
  job->stage_began = now_seconds();
  if (c->input.catalogue[0] != '\0' || c->input.users[0] != '\0')
    return fail(ERR_ARGUMENT,
                "input.catalogue and input.users describe items and users of input.log, which names no file");
  TRY(open_words(job));
  TRY(writer_open(writer, c->output.out, c->output.shard_tokens, (int)c->output.deflate, c->output.force));
  TRY(copy_table_read(&job->copy, c, job->zone, &job->copies));
  end_stage(job, STAGE_READ);
  vocab *v = job->words->v;
  job->words->v = NULL;
  const status rc = write_copy_alone(job, writer, v);
  vocab_free(v);
  return rc;
}

// ---- a log ---------------------------------------------------------------------------------------------------

static status run_job(prepare_job *job, dataset_writer **writer) {
  const prepare_config *c = job->c;
  const double start = job->stage_began = now_seconds();
  TRY(open_words(job));
  TRY(tasks_new(&job->pool, threads_or_all(c->output.threads)));
  TRY(writer_open(writer, c->output.out, c->output.shard_tokens, (int)c->output.deflate, c->output.force));
  writer_use(*writer, job->pool);
  TRY(read_logs(job, *writer));
  end_stage(job, STAGE_READ);
  TRY(partitions_new(job));
  TRY(split_find_dates(job));
  TRY(filter_and_count(job));
  end_stage(job, STAGE_FILTER);
  warn_of_span(job);
  TRY(check_split(job));
  TRY(read_catalogue(job, *writer));
  TRY(user_table_read(&job->attributes, c, &job->attribute_counts));
  TRY(copy_table_read(&job->copy, c, job->zone, &job->copies));
  if (c->fields.time[0] != '\0') choose_time_unit(job);
  writer_split(*writer, &job->split, job->unit);
  vocab *v = NULL;
  TRY(build_vocabulary(job, &v));
  status rc;
  dataset_info info = {.n_event_types = 1 + intern_count(job->types),
                       .event_types = {"none"},
                       .window = (int32_t)c->output.window,
                       .stride = (int32_t)c->output.stride,
                       .has_time = prepare_has_times(c),
                       .time_unit = job->unit};
  memcpy(info.name, c->output.name, strlen(c->output.name) + 1); // its length was checked
  for (int32_t i = 1; i < info.n_event_types; i++)
    snprintf(info.event_types[i], EVENT_NAME, "%s", intern_text(job->types, i - 1));
  json_t *report = NULL;
  TRY_GOTO(write_item_attributes(job, *writer, v), done);
  TRY_GOTO(write_item_texts(job, *writer, v), done);
  TRY_GOTO(write_item_features(job, *writer, v), done);
  if (job->searches != NULL)
    TRY_GOTO(search_table_tokenize(job->searches, v, job->words->tokenizer, c->output.text_tokens), done);
  if (job->searches != NULL) search_table_unit(job->searches, job->unit);
  end_stage(job, STAGE_ITEMS);
  TRY_GOTO(write_sequences(job, *writer), done);
  TRY_GOTO(user_table_write(job->attributes, *writer, (int)c->output.deflate), done);
  if (job->domains != NULL) TRY_GOTO(domain_write(job->domains, *writer, (int)c->output.deflate), done);
  if (job->searches != NULL)
    TRY_GOTO(search_table_write(job->searches, *writer, info.has_time, (int)c->output.deflate), done);
  TRY_GOTO(write_copy(job, *writer, v), done);
  store_free(job->store); // closes its file in the directory that is renamed next
  job->store = NULL;
  report = make_report(job);
  dataset_writer *w = *writer;
  *writer = NULL;
  TRY_GOTO(writer_finish(w, &info, v, report), done);
  end_stage(job, STAGE_WRITE);
  job->seconds = now_seconds() - start;
  log_status_end();
  print_report(job, report, &info);
done:
  json_decref(report);
  vocab_free(v);
  return rc;
}

status prepare_run(const prepare_config *c) {
  const bool alone = c->input.log[0] == '\0' && c->input.copy[0] != '\0';
  if (c->input.log[0] == '\0' && !alone) return fail(ERR_ARGUMENT, "input.log names no file (--log FILE)");
  if (c->output.out[0] == '\0') return fail(ERR_ARGUMENT, "output.out names no directory (--out DIR)");
  if (strcmp(c->fields.user, c->fields.item) == 0)
    return fail(ERR_ARGUMENT, "fields.user and fields.item are the same column, \"%s\"", c->fields.user);
  if (c->output.stride > c->output.window)
    return fail(ERR_ARGUMENT, "output.stride must not exceed output.window");
  if (strlen(c->output.name) >= sizeof((dataset_info *)NULL)->name)
    return fail(ERR_ARGUMENT, "output.name has %zu bytes; a data set's name has at most %zu",
                strlen(c->output.name), sizeof((dataset_info *)NULL)->name - 1);
  int32_t zone;
  if (!time_parse_zone(c->input.time_zone, &zone))
    return fail(ERR_ARGUMENT, "input.time_zone is \"%s\"; it must be UTC, or an offset such as +08:00",
                c->input.time_zone);
  prepare_job *job;
  TRY(mem_new(&job, 1, sizeof *job, "the job"));
  job->c = c;
  job->zone = zone;
  job->last_progress = now_seconds();
  dataset_writer *w = NULL;
  status rc = split_of(job);
  if (rc == OK) rc = alone ? run_copy_alone(job, &w) : run_job(job, &w);
  store_free(job->store);
  job->store = NULL;
  writer_abort(w);
  job_free(job);
  return rc;
}
