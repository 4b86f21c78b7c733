// Writing a data set; see writer.h. A shard is collected in memory (shard_tokens bounds it) and written at once.
#include "data/writer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/memory.h"
#include "hdf5/hdf5_glue.h"

struct dataset_writer {
  out_dir *place;
  const char *dir; // where its files are written
  int level;
  int64_t shard_tokens;
  out_file *users;
  json_t *files; // manifest's list
  // the shard being collected
  int32_t *tokens, *sessions, *valid_from, *test_from;
  uint8_t *events;
  int64_t *times, *offsets, *user;
  size_t tokens_cap, sessions_cap, valid_cap, test_cap, events_cap, times_cap, offsets_cap, user_cap;
  size_t n_tokens, n_sequences;
  dataset_info info; // counts so far
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

static status flush_shard(dataset_writer *w) {
  if (w->n_sequences == 0) return OK;
  char name[32], path[PATH_MAX + 64];
  snprintf(name, sizeof name, "shard-%05d.h5", w->info.shards);
  TRY(path_join(path, sizeof path, w->dir, name));
  TRY(mem_grow(&w->offsets, &w->offsets_cap, w->n_sequences + 1, sizeof *w->offsets, "a shard"));
  w->offsets[w->n_sequences] = (int64_t)w->n_tokens;
  const hsize_t N = w->n_tokens, S = w->n_sequences, S1 = S + 1;
  const struct {
    const char *name;
    hid_t type;
    const hsize_t *n;
    const void *data;
  } sets[] = {
      {"tokens", H5T_STD_I32LE, &N, w->tokens},       {"events", H5T_STD_U8LE, &N, w->events},
      {"times", H5T_STD_I64LE, &N, w->times},         {"sessions", H5T_STD_I32LE, &N, w->sessions},
      {"offsets", H5T_STD_I64LE, &S1, w->offsets},    {"valid_from", H5T_STD_I32LE, &S, w->valid_from},
      {"test_from", H5T_STD_I32LE, &S, w->test_from}, {"users", H5T_STD_I64LE, &S, w->user},
  };
  h5_lock();
  hid_t file;
  status rc = h5_create(&file, path, "souk.shard", 1);
  if (rc == OK) {
    for (size_t i = 0; rc == OK && i < sizeof sets / sizeof *sets; i++)
      rc = h5_write(file, path, sets[i].name, sets[i].type, 1, sets[i].n, sets[i].data, w->level);
    rc = h5_finish(file, path, rc);
  }
  h5_unlock();
  TRY(rc);
  TRY(file_sync(path));
  w->info.shards++;
  w->n_tokens = w->n_sequences = 0;
  return writer_list(w, name);
}

status writer_add(dataset_writer *w, const sequence *s, const char *user_name) {
  if (s->n < 1 || s->valid_from < 0 || s->test_from < s->valid_from || s->n < s->test_from)
    return fail(ERR_INTERNAL, "a sequence of %d tokens with cuts %d and %d", s->n, s->valid_from,
                s->test_from);
  const size_t n = (size_t)s->n, N = w->n_tokens, S = w->n_sequences;
  const char *what = "a shard";
  TRY(mem_grow(&w->tokens, &w->tokens_cap, N + n, sizeof *w->tokens, what));
  TRY(mem_grow(&w->events, &w->events_cap, N + n, sizeof *w->events, what));
  TRY(mem_grow(&w->times, &w->times_cap, N + n, sizeof *w->times, what));
  TRY(mem_grow(&w->sessions, &w->sessions_cap, N + n, sizeof *w->sessions, what));
  TRY(mem_grow(&w->offsets, &w->offsets_cap, S + 2, sizeof *w->offsets, what));
  TRY(mem_grow(&w->valid_from, &w->valid_cap, S + 1, sizeof *w->valid_from, what));
  TRY(mem_grow(&w->test_from, &w->test_cap, S + 1, sizeof *w->test_from, what));
  TRY(mem_grow(&w->user, &w->user_cap, S + 1, sizeof *w->user, what));
  memcpy(w->tokens + N, s->tokens, n * sizeof *w->tokens);
  memcpy(w->events + N, s->events, n * sizeof *w->events);
  memcpy(w->times + N, s->times, n * sizeof *w->times);
  memcpy(w->sessions + N, s->sessions, n * sizeof *w->sessions);
  w->offsets[S] = (int64_t)N;
  w->valid_from[S] = s->valid_from;
  w->test_from[S] = s->test_from;
  w->user[S] = s->user;
  w->n_tokens += n;
  w->n_sequences++;
  w->info.sequences++;
  w->info.tokens += s->n;
  w->info.train_tokens += s->valid_from;
  w->info.valid_targets += s->test_from - s->valid_from;
  w->info.test_targets += s->n - s->test_from;
  if (s->n > w->info.longest) w->info.longest = s->n;
  TRY(vocab_escape(w->users, user_name));
  TRY(out_write(w->users, "\n", 1));
  return (int64_t)w->n_tokens >= w->shard_tokens ? flush_shard(w) : OK;
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
  TRY(flush_shard(w));
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
  if (j == NULL)
    return fail(ERR_INTERNAL, "cannot compose the manifest of %s (is the name valid UTF-8?)", info->name);
  const status rc = write_json(w, "manifest.json", j);
  json_decref(j);
  TRY(rc);
  info->sequences = c->sequences;
  info->tokens = c->tokens;
  info->train_tokens = c->train_tokens;
  info->valid_targets = c->valid_targets;
  info->test_targets = c->test_targets;
  info->longest = c->longest;
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
  out_abort(w->users);
  out_dir_abort(w->place);
  json_decref(w->files);
  void *const arrays[] = {w->tokens, w->sessions, w->valid_from, w->test_from,
                          w->events, w->times,    w->offsets,    w->user};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(w);
}
