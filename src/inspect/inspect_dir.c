// Directories: data sets, checkpoints, runs, bundles, marketplaces; see inspect.h.
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/path_kind.h"
#include "data/dataset.h"
#include "data/dataset_verify.h"
#include "data/sources/nvidia_find.h"
#include "data/user_names.h"
#include "inspect/inspect.h"
#include "format/temporary.h"

enum { TOKENS_SHOWN = 12 };

static bool in_dir(const char *dir, const char *name, char path[PATH_MAX]) {
  return path_join(path, PATH_MAX, dir, name) == OK && file_exists(path);
}

// ---- files with checksums ------------------------------------------------------------------------------------

// The files that a manifest lists: names always, sizes and checksums if asked for.
static status list_files(const inspect_request *q, const json_t *manifest, json_t *out) {
  const json_t *files = json_object_get(manifest, "files");
  json_t *list = json_array(), *entry;
  json_object_set_new(out, "files", list);
  file_list_check check = {.dir = q->path, .manifest = "the manifest", .subfolders = true};
  const status rc = file_list_verify(files, &check);
  if (rc != OK) return fail_prefix(rc, "%s", q->path);
  const char *name;
  json_object_foreach((json_t *)(uintptr_t)files, name, entry) {
    char path[PATH_MAX];
    TRY(path_join(path, sizeof path, q->path, name));
    if (!file_exists(path)) return fail(ERR_FORMAT, "%s is missing", path);
    json_array_append_new(list,
                          json_pack("{s:s,s:O,s:s}", "file", name, "bytes", json_object_get(entry, "bytes"),
                                    "checksum", q->verify ? "good" : "not checked"));
  }
  check.contents = q->verify;
  return file_list_verify(files, &check);
}

static void copy_field(json_t *out, const json_t *from, const char *key) {
  json_t *v = json_object_get(from, key);
  if (v != NULL) json_object_set(out, key, v);
}

// ---- data sets -----------------------------------------------------------------------------------------------

// They may overlap, so that the last event's is not always the highest number.
static int32_t sessions_of(const sequence *s) {
  int32_t most = -1;
  for (int32_t i = 0; i < s->n; i++)
    if (s->sessions[i] > most) most = s->sessions[i];
  return most + 1;
}

static status first_sequences(const inspect_request *q, dataset *d, json_t *list) {
  const dataset_info *info = dataset_get_info(d);
  const vocab *v = dataset_vocab(d);
  const int64_t n = info->sequences < q->rows ? info->sequences : q->rows;
  sequence_block *b = NULL;
  user_names *users = NULL;
  status rc;
  TRY_GOTO(block_read(&b, d, 0, n), done);
  TRY_GOTO(user_names_open(&users, d), done);
  for (int64_t i = 0; i < n; i++) {
    const char *user;
    char text[4096] = "";
    size_t used = 0;
    sequence s;
    TRY_GOTO(user_names_next(users, &user), done);
    block_get(b, i, &s);
    const int32_t from = s.n > TOKENS_SHOWN ? s.n - TOKENS_SHOWN : 0; // the newest
    for (int32_t k = from; k < s.n && used < sizeof text - 256; k++) {
      const int n_text = snprintf(text + used, 200, "%s%.100s",
                                  k > from   ? " "
                                  : from > 0 ? "... "
                                             : "",
                                  vocab_token(v, s.tokens[k]));
      used += n_text < 0 ? 0 : n_text < 200 ? (size_t)n_text : 199;
      if (s.events[k] > 0)
        used += (size_t)snprintf(text + used, 80, "(%.64s)", info->event_types[s.events[k]]);
    }
    json_t *tokens = json_string(text);
    json_array_append_new(list, json_pack("{s:s,s:i,s:i,s:i,s:o}", "user", user, "length", s.n, "train",
                                          s.valid_from, "sessions", sessions_of(&s), "newest",
                                          tokens != NULL ? tokens : json_string("(not text)")));
  }
  rc = OK;
done:
  user_names_close(users);
  block_free(b);
  return rc;
}

static status inspect_dataset(const inspect_request *q, const json_t *manifest, json_t *out) {
  static const char *const fields[] = {
      "name",        "sequences", "tokens", "train_tokens", "valid_targets", "test_targets", "longest",
      "event_types", "window",    "stride", "has_time",     "shards",        "created_by",   "split"};
  dataset *d;
  char path[PATH_MAX];
  TRY(inspect_begin(out, "data set", q->path));
  TRY(dataset_open(&d, q->path, false)); // reports what is wrong with the data set, if anything is
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) copy_field(out, manifest, fields[i]);
  json_object_set_new(out, "identity", json_string(dataset_get_info(d)->checksum));
  json_object_set(out, "vocabulary", json_object_get(manifest, "ranges"));
  json_t *report = NULL, *list = json_array();
  status rc = OK;
  if (in_dir(q->path, "report.json", path)) rc = read_json(path, &report);
  if (rc == OK && report != NULL) {
    json_object_del(report, "price_edges");
    json_object_set(out, "report", report);
  }
  json_decref(report);
  if (rc == OK) rc = list_files(q, manifest, out);
  if (rc == OK && q->verify) rc = dataset_verify(d);
  if (rc == OK) rc = first_sequences(q, d, list);
  json_object_set_new(out, "sequences_shown", list);
  dataset_close(d);
  return rc;
}

// ---- checkpoints, runs, bundles ------------------------------------------------------------------------------

static status inspect_checkpoint(const inspect_request *q, const json_t *manifest, json_t *out) {
  char path[PATH_MAX];
  TRY(inspect_begin(out, "checkpoint", q->path));
  copy_field(out, manifest, "created_by");
  copy_field(out, manifest, "state");
  copy_field(out, manifest, "model");
  copy_field(out, manifest, "data");
  copy_field(out, manifest, "base");
  copy_field(out, manifest, "tokenizer");
  TRY(list_files(q, manifest, out));
  if (!in_dir(q->path, "model.h5", path)) return fail(ERR_FORMAT, "%s is missing", path);
  json_t *part = json_object(), *set;
  size_t i;
  const status rc = inspect_hdf5(&(inspect_request){.path = path, .rows = q->rows}, part);
  json_array_foreach(json_object_get(part, "datasets"), i, set) {
    json_object_del(set, "first");
    json_object_del(set, "stored_bytes");
  }
  copy_field(out, part, "numbers");
  json_object_set(out, "parameters", json_object_get(part, "datasets"));
  json_decref(part);
  return rc;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static status inspect_run(const inspect_request *q, json_t *out) {
  static const char *const pointers[] = {"best", "last"};
  char path[PATH_MAX], inner[PATH_MAX], *text;
  size_t bytes;
  TRY(inspect_begin(out, "run", q->path));
  for (size_t i = 0; i < 2; i++) {
    char name[POINTER_BYTES];
    const status rc = path_read_pointer(name, q->path, pointers[i]);
    if (rc == ERR_NOT_FOUND) continue;
    TRY(rc);
    if (json_object_set_new(out, pointers[i], json_string(name)) != 0)
      return fail(ERR_FORMAT, "%s/%s does not name a checkpoint", q->path, pointers[i]); // no UTF-8
  }
  struct dirent **entries;
  json_t *list = json_array();
  json_object_set_new(out, "checkpoints", list);
  const int n = scandir(q->path, &entries, NULL, by_name);
  for (int i = 0; i < n; i++) {
    const char *mark; // of a directory that is being written
    const bool good = !temporary_is_name(entries[i]->d_name, &mark) &&
                      path_join(path, sizeof path, q->path, entries[i]->d_name) == OK &&
                      entries[i]->d_name[0] != '.' && dir_exists(path) &&
                      in_dir(path, "manifest.json", inner);
    json_t *name = good ? json_string(entries[i]->d_name) : NULL;
    if (name != NULL) json_array_append_new(list, name);
    free(entries[i]);
  }
  if (n >= 0) free(entries);
  if (in_dir(q->path, "metrics.jsonl", path)) {
    json_t *metrics = json_object();
    json_object_set_new(out, "metrics", metrics);
    TRY(inspect_text(&(inspect_request){.path = path, .rows = q->rows}, metrics));
    json_object_del(metrics, "kind");
  }
  if (in_dir(q->path, "config.yaml", path)) {
    TRY(file_read(path, 1 << 20, &text, &bytes));
    json_t *config = json_string(text);
    free(text);
    if (config == NULL) return fail(ERR_FORMAT, "%s is not text", path);
    json_object_set_new(out, "config", config);
  }
  return OK;
}

static status inspect_bundle(const inspect_request *q, const json_t *souk, json_t *out) {
  static const char *const fields[] = {"created_by", "layout", "encoder", "vocabulary", "head", "training"};
  static const char *const parts[] = {"model.safetensors", "items.safetensors"};
  char path[PATH_MAX];
  TRY(inspect_begin(out, "bundle", q->path));
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) copy_field(out, souk, fields[i]);
  TRY(list_files(q, souk, out));
  for (size_t i = 0; i < 2; i++) { // a model of words has no items
    if (json_object_get(json_object_get(souk, "files"), parts[i]) == NULL) continue;
    TRY(path_join(path, sizeof path, q->path, parts[i]));
    json_t *part = json_object();
    const status rc = inspect_safetensors(&(inspect_request){.path = path}, part);
    if (rc == OK) json_object_set(out, parts[i], json_object_get(part, "tensors"));
    json_decref(part);
    TRY(rc);
  }
  return OK;
}

static status inspect_marketplace(const inspect_request *q, const json_t *synth, json_t *out) {
  static const char *const fields[] = {"created_by", "options",     "steps",  "sessions",
                                       "events",     "impressions", "clicks", "purchases"};
  char path[PATH_MAX];
  TRY(inspect_begin(out, "generated marketplace", q->path));
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) copy_field(out, synth, fields[i]);
  TRY(list_files(q, synth, out));
  TRY(path_join(path, sizeof path, q->path, "truth/oracle.json"));
  if (!file_exists(path)) return OK;
  json_t *oracle;
  TRY(read_json(path, &oracle));
  json_object_set_new(out, "oracle", oracle);
  return OK;
}

// ---- choice --------------------------------------------------------------------------------------------------

static status add_loose(const inspect_request *q, const char *name, json_t *list) {
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, q->path, name));
  json_t *part = json_object();
  const status rc = inspect_hdf5(&(inspect_request){.path = path}, part);
  json_t *first = json_array_get(json_object_get(part, "datasets"), 0);
  json_array_append_new(
      list, json_pack("{s:s,s:O,s:O,s:O?}", "file", name, "kind", json_object_get(part, "kind"), "bytes",
                      json_object_get(part, "bytes"), "shape", json_object_get(first, "shape")));
  json_decref(part);
  return rc;
}

// Says what a directory is that Souk did not write.
static status unknown_directory(const char *path) {
  const path_kind kind = path_kind_of(path);
  if (kind == PATH_EMPTY) return fail(ERR_FORMAT, "%s is an empty directory", path);
  if (kind == PATH_HUGGING_FACE)
    return fail(ERR_FORMAT,
                "%s is a Hugging Face model: souk import takes it, and souk inspect shows its "
                "model.safetensors",
                path);
  return fail(ERR_FORMAT,
              "%s is not a directory that Souk wrote: it has none of manifest.json, souk.json, synth.json, "
              "config.yaml or HDF5 files",
              path);
}

// A directory of HDF5 files without a manifest, such as NVIDIA's shards: shows each file that souk pretrain would read.
static status inspect_loose(const inspect_request *q, json_t *out) {
  shard_files found;
  TRY(inspect_begin(out, "directory of HDF5 files", q->path));
  TRY(shard_files_find(&found, q->path));
  json_t *list = json_array();
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < found.n; i++) rc = add_loose(q, found.names[i], list);
  if (found.left_out > 0) json_object_set_new(out, "left_out", json_integer(found.left_out));
  json_object_set_new(out, "files", list);
  if (rc == OK && found.n == 0) rc = unknown_directory(q->path);
  shard_files_free(&found);
  return rc;
}

status inspect_directory(const inspect_request *q, json_t *out) {
  static const struct {
    const char *file, *schema;
    status (*look)(const inspect_request *q, const json_t *manifest, json_t *out);
  } kinds[] = {{"manifest.json", "souk.dataset", inspect_dataset},
               {"manifest.json", "souk.checkpoint", inspect_checkpoint},
               {"souk.json", "souk.bundle", inspect_bundle},
               {"synth.json", "souk.synth", inspect_marketplace}};
  char path[PATH_MAX];
  if (access(q->path, R_OK | X_OK) != 0) // without the right to look inside, files would seem to be absent
    return fail(ERR_IO, "cannot open directory %s: %s", q->path, strerror(errno));
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!in_dir(q->path, kinds[i].file, path)) continue;
    json_t *j;
    TRY(read_json(path, &j));
    const char *schema = json_string_value(json_object_get(j, "schema"));
    const bool is = schema != NULL && strcmp(schema, kinds[i].schema) == 0;
    const status rc = is ? kinds[i].look(q, j, out) : OK;
    const bool last = i + 1 == sizeof kinds / sizeof *kinds || strcmp(kinds[i + 1].file, kinds[i].file) != 0;
    char name[64];
    snprintf(name, sizeof name, "%s", schema != NULL ? schema : "none");
    json_decref(j);
    if (is || rc != OK) return rc;
    if (last) return fail(ERR_FORMAT, "%s: schema \"%s\" is not one that this build knows", path, name);
  }
  if (in_dir(q->path, "config.yaml", path)) return inspect_run(q, out);
  return inspect_loose(q, out);
}
