// Writing a data set; see writer.h. While a shard is collected, the one before is compressed and written.
#include "data/writer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/memory.h"
#include "data/shard_writer.h"

struct dataset_writer {
  out_dir *place;
  const char *dir; // where its files are written
  int level;
  int64_t shard_tokens;
  out_file *users;
  json_t *files;       // manifest's list
  json_t *tokenizer;   // NULL: none
  task_pool *pool;     // NULL: none
  shard *now, *before; // being collected, being written
  dataset_info info;   // counts so far
};

status writer_list(dataset_writer *w, const char *name) {
  return file_list_add(w->files, w->dir, name, NULL);
}

status writer_path(const dataset_writer *w, const char *name, char *buf, size_t bytes) {
  return path_join(buf, bytes, w->dir, name);
}

status writer_open(dataset_writer **out, const char *dir, int64_t shard_tokens, int deflate_level,
                   bool replace) {
  *out = NULL;
  dataset_writer *w;
  TRY(mem_new(&w, 1, sizeof *w, "a data set writer"));
  status rc;
  TRY_GOTO(out_dir_open(&w->place, dir, PATH_DATASET, replace), bad);
  w->dir = out_dir_path(w->place);
  w->level = deflate_level;
  w->shard_tokens = shard_tokens;
  w->files = json_object();
  char users[PATH_MAX + 64];
  TRY_GOTO(path_join(users, sizeof users, w->dir, "users.tsv"), bad);
  TRY_GOTO(out_open(&w->users, users), bad);
  *out = w;
  return OK;
bad:
  writer_abort(w);
  return rc;
}

void writer_use(dataset_writer *w, task_pool *pool) {
  w->pool = pool;
}

// Waits for the shard that is being written.
static status finish_shard(dataset_writer *w) {
  if (w->before == NULL) return OK;
  char name[32];
  const status rc = shard_finish(w->before);
  shard_free(w->before);
  w->before = NULL;
  TRY(rc);
  snprintf(name, sizeof name, "shard-%05d.h5", w->info.shards++);
  return writer_list(w, name);
}

static status end_shard(dataset_writer *w) {
  if (w->now == NULL) return OK;
  TRY(finish_shard(w));
  char name[32], path[PATH_MAX + 64];
  snprintf(name, sizeof name, "shard-%05d.h5", w->info.shards);
  TRY(path_join(path, sizeof path, w->dir, name));
  w->before = w->now;
  w->now = NULL;
  return shard_store(w->before, path);
}

void writer_split(dataset_writer *w, const data_split *s, time_unit unit) {
  w->info.split = *s;
  w->info.time_unit = unit;
}

status writer_add(dataset_writer *w, const sequence *s, const char *user_name) {
  if (s->n < 1 || s->valid_from < 0 || s->test_from < s->valid_from || s->n < s->test_from)
    return fail(ERR_INTERNAL, "a sequence of %d tokens with cuts %d and %d", s->n, s->valid_from,
                s->test_from);
  const char *why = split_breach(&w->info.split, s->n, s->valid_from, s->test_from, s->times,
                                 time_unit_per_second(w->info.time_unit));
  if (why != NULL) return fail(ERR_INTERNAL, "a history breaks the split of its data set: %s", why);
  if (w->now == NULL) TRY(shard_new(&w->now, w->pool, w->level));
  TRY(shard_add(w->now, s));
  w->info.sequences++;
  w->info.tokens += s->n;
  w->info.train_tokens += s->valid_from;
  w->info.valid_targets += s->test_from - s->valid_from;
  w->info.test_targets += s->n - s->test_from;
  if (s->n > w->info.longest) w->info.longest = s->n;
  TRY(vocab_escape(w->users, user_name));
  TRY(out_write(w->users, "\n", 1));
  return shard_tokens(w->now) >= w->shard_tokens ? end_shard(w) : OK;
}

void writer_tokenizer(dataset_writer *w, json_t *settings) {
  json_decref(w->tokenizer);
  w->tokenizer = json_incref(settings);
}

static status write_json(const dataset_writer *w, const char *name, const json_t *j) {
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, w->dir, name));
  char *text = json_dumps(j, JSON_INDENT(1));
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: cannot write %s", path);
  const status rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

static status finish(dataset_writer *w, dataset_info *info, const vocab *v, const json_t *report) {
  char path[PATH_MAX + 64];
  TRY(end_shard(w));
  TRY(finish_shard(w));
  out_file *users = w->users;
  w->users = NULL;
  TRY(out_commit(users));
  TRY(writer_list(w, "users.tsv"));
  TRY(path_join(path, sizeof path, w->dir, "vocab.tsv"));
  TRY(vocab_write(v, path));
  TRY(writer_list(w, "vocab.tsv"));
  if (report != NULL) {
    TRY(write_json(w, "report.json", report));
    TRY(writer_list(w, "report.json"));
  }
  json_t *ranges = json_object(), *events = json_array();
  for (int r = 0; r < RANGE_COUNT; r++)
    json_object_set_new(ranges, vocab_range_names[r],
                        json_pack("[i,i]", vocab_begin(v, (vocab_range)r), vocab_end(v, (vocab_range)r)));
  for (int32_t e = 0; e < info->n_event_types; e++)
    json_array_append_new(events, json_string(info->event_types[e]));
  const dataset_info *c = &w->info;
  json_t *j =
      json_pack("{s:s,s:i,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:i,s:i,s:o,s:o,s:i,s:i,s:b,s:i,s:O}", "schema",
                "souk.dataset", "version", 1, "created_by", "souk " SOUK_VERSION, "name", info->name,
                "sequences", (json_int_t)c->sequences, "tokens", (json_int_t)c->tokens, "train_tokens",
                (json_int_t)c->train_tokens, "valid_targets", (json_int_t)c->valid_targets, "test_targets",
                (json_int_t)c->test_targets, "longest", c->longest, "vocab_size", vocab_size(v), "ranges",
                ranges, "event_types", events, "window", info->window, "stride", info->stride, "has_time",
                info->has_time, "shards", c->shards, "files", w->files);
  if (j == NULL || !split_into_json(&c->split, j))
    return fail(ERR_INTERNAL, "cannot compose the manifest of %s (is the name valid UTF-8?)", info->name);
  if (info->time_unit != TIME_UNIT_SECONDS) // the default is not written
    json_object_set_new(j, "time_unit", json_string(time_unit_names[info->time_unit]));
  if (w->tokenizer != NULL) json_object_set(j, "tokenizer", w->tokenizer);
  const status rc = write_json(w, "manifest.json", j);
  json_decref(j);
  TRY(rc);
  info->sequences = c->sequences;
  info->tokens = c->tokens;
  info->train_tokens = c->train_tokens;
  info->valid_targets = c->valid_targets;
  info->test_targets = c->test_targets;
  info->longest = c->longest;
  info->split = c->split;
  info->shards = c->shards;
  info->vocab_size = vocab_size(v);
  for (int r = 0; r < RANGE_COUNT; r++) info->range_end[r] = vocab_end(v, (vocab_range)r);
  out_dir *place = w->place;
  w->place = NULL;
  return out_dir_commit(place);
}

status writer_finish(dataset_writer *w, dataset_info *info, const vocab *v, const json_t *report) {
  const status rc = finish(w, info, v, report);
  writer_abort(w);
  return rc;
}

void writer_abort(dataset_writer *w) {
  if (w == NULL) return;
  shard_free(w->now); // waits for the threads that write into the directory
  shard_free(w->before);
  out_abort(w->users);
  out_dir_abort(w->place);
  json_decref(w->files);
  json_decref(w->tokenizer);
  free(w);
}
