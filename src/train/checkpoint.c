// Checkpoints: a directory with a manifest and HDF5 parts; see checkpoint.h.
//
// The directory is written beside its place and renamed when whole. Tensors keep their logical shape and name, so
// another number of ranks, or another backend, reads the same files.
#include "train/checkpoint.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/hdf5_glue.h"

enum { MAX_MANIFEST = 64 << 20 };

// ---- writing -------------------------------------------------------------------------------------------------

// All parameters of one arena as datasets GROUP/NAME.
static status write_tensors(model *m, hid_t file, const char *path, const char *group, const float *arena) {
  const param_set *s = model_params(m);
  const backend *be = model_backend(m);
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < s->count; i++) {
    const param *p = &s->items[i];
    const hsize_t dims[2] = {(hsize_t)p->shape[0], (hsize_t)p->shape[1]};
    char name[PARAM_NAME + 16];
    snprintf(name, sizeof name, "%s%s%s", group, group[0] != '\0' ? "/" : "", p->name);
    const float *data = arena + p->offset;
    float *copy = NULL;
    if (!be->host_memory) {
      TRY(mem_new(&copy, (size_t)p->size, sizeof *copy, "a tensor"));
      rc = be->download(model_ctx(m), copy, data, (size_t)p->size * sizeof *copy);
      data = copy;
    }
    if (rc == OK) rc = h5_write(file, path, name, H5T_IEEE_F32LE, p->ndim, dims, data, 0);
    free(copy);
  }
  return rc;
}

static status write_part(model *m, const char *dir, const char *name, bool moments, json_t *files) {
  char path[PATH_MAX + 64], hex[65];
  uint64_t bytes;
  TRY(path_join(path, sizeof path, dir, name));
  const param_set *s = model_params(m);
  h5_lock();
  hid_t file;
  status rc = h5_create(&file, path, moments ? "souk.optimizer" : "souk.parameters", 1);
  if (rc == OK) {
    if (!moments) rc = write_tensors(m, file, path, "", s->master);
    if (moments) rc = write_tensors(m, file, path, "m", s->m);
    if (moments && rc == OK) rc = write_tensors(m, file, path, "v", s->v);
    const status closed = h5_close(file, path);
    if (rc == OK) rc = closed;
  }
  h5_unlock();
  TRY(rc);
  TRY(file_sha256(path, hex, &bytes));
  json_object_set_new(files, name, json_pack("{s:I,s:s}", "bytes", (json_int_t)bytes, "sha256", hex));
  return OK;
}

static json_t *data_to_json(const dataset_info *d) {
  json_t *ranges = json_array(), *events = json_array();
  for (int r = 0; r < RANGE_COUNT; r++) json_array_append_new(ranges, json_integer(d->range_end[r]));
  for (int32_t e = 0; e < d->n_event_types; e++)
    json_array_append_new(events, json_string(d->event_types[e]));
  return json_pack("{s:s,s:s,s:o,s:o}", "name", d->name, "checksum", d->checksum, "range_end", ranges,
                   "event_types", events);
}

static json_t *state_to_json(const train_state *t) {
  return json_pack("{s:I,s:I,s:I,s:I,s:f,s:f,s:I,s:I,s:s}", "step", (json_int_t)t->step, "epoch",
                   (json_int_t)t->epoch, "index", (json_int_t)t->index, "tokens", (json_int_t)t->tokens,
                   "seconds", t->seconds, "best_metric", t->best_metric, "best_step",
                   (json_int_t)t->best_step, "bad_evals", (json_int_t)t->bad_evals, "best_name",
                   t->best_name);
}

static status copy_file(const char *from_dir, const char *to_dir, const char *name, json_t *files) {
  char from[PATH_MAX + 64], to[PATH_MAX + 64], hex[65], *data;
  size_t bytes;
  TRY(path_join(from, sizeof from, from_dir, name));
  TRY(path_join(to, sizeof to, to_dir, name));
  TRY(file_read(from, (size_t)1 << 40, &data, &bytes));
  const status rc = file_write_atomic(to, data, bytes);
  free(data);
  TRY(rc);
  TRY(file_sha256(to, hex, NULL));
  json_object_set_new(files, name, json_pack("{s:I,s:s}", "bytes", (json_int_t)bytes, "sha256", hex));
  return OK;
}

static status write_manifest(const char *dir, model *m, const train_state *state, const char *yaml,
                             const dataset_info *data, json_t *files) {
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, dir, "manifest.json"));
  json_t *j =
      json_pack("{s:s,s:i,s:s,s:o,s:o,s:o,s:s,s:O}", "schema", "souk.checkpoint", "version", 1, "created_by",
                "souk " SOUK_VERSION, "model", model_config_to_json(model_get_config(m)), "state",
                state_to_json(state), "data", data_to_json(data), "config", yaml, "files", files);
  if (j == NULL) return fail(ERR_INTERNAL, "cannot compose %s (a name that is not valid UTF-8?)", path);
  char *text = json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: cannot write %s", path);
  const status rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

static status write_all(const char *dir, model *m, const train_state *state, const char *yaml,
                        const dataset *data, bool with_optimizer, json_t *files) {
  TRY(dir_make(dir));
  TRY(write_part(m, dir, "model.h5", false, files));
  if (with_optimizer && model_params(m)->m != NULL) TRY(write_part(m, dir, "optimizer.h5", true, files));
  TRY(copy_file(dataset_dir(data), dir, "vocab.tsv", files));
  char catalogue[PATH_MAX + 64];
  TRY(path_join(catalogue, sizeof catalogue, dataset_dir(data), "catalogue.jsonl"));
  if (file_exists(catalogue)) TRY(copy_file(dataset_dir(data), dir, "catalogue.jsonl", files));
  TRY(write_manifest(dir, m, state, yaml, dataset_get_info(data), files));
  return dir_sync(dir);
}

status checkpoint_write(const char *dir, model *m, const train_state *state, const char *config_yaml,
                        const dataset *data, bool with_optimizer) {
  char temporary[PATH_MAX];
  if (snprintf(temporary, sizeof temporary, "%s.tmp.%ld", dir, (long)getpid()) >= (int)sizeof temporary)
    return fail(ERR_ARGUMENT, "path too long: %.60s...", dir);
  json_t *files = json_object();
  status rc = write_all(temporary, m, state, config_yaml, data, with_optimizer, files);
  json_decref(files);
  if (rc == OK && dir_exists(dir)) rc = dir_remove(dir); // the same step, written again after a resume
  if (rc == OK && rename(temporary, dir) != 0)
    rc = fail(ERR_IO, "cannot rename %s to %s: %s", temporary, dir, strerror(errno));
  if (rc != OK && dir_exists(temporary)) {
    char message[2048];
    snprintf(message, sizeof message, "%s", fail_message()); // cleaning up must not hide the first error
    dir_remove(temporary);
    return fail(rc, "%s", message);
  }
  return rc;
}

// ---- reading -------------------------------------------------------------------------------------------------

static status bad_field(const char *path, const char *field) {
  return fail(ERR_FORMAT, "%s: field \"%s\" is missing, of the wrong type or out of range", path, field);
}

static status read_state(train_state *t, const json_t *j, const char *path) {
  const struct {
    const char *name;
    int64_t *value;
  } ints[] = {{"step", &t->step},     {"epoch", &t->epoch},         {"index", &t->index},
              {"tokens", &t->tokens}, {"best_step", &t->best_step}, {"bad_evals", &t->bad_evals}};
  for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
    const json_t *f = json_object_get(j, ints[i].name);
    if (!json_is_integer(f) || json_integer_value(f) < 0) return bad_field(path, ints[i].name);
    *ints[i].value = json_integer_value(f);
  }
  t->seconds = json_number_value(json_object_get(j, "seconds"));
  t->best_metric = json_number_value(json_object_get(j, "best_metric"));
  const char *name = json_string_value(json_object_get(j, "best_name"));
  if (name == NULL || strlen(name) >= sizeof t->best_name) return bad_field(path, "best_name");
  strcpy(t->best_name, name);
  return OK;
}

static status read_data(dataset_info *d, const json_t *j, const char *path) {
  const char *name = json_string_value(json_object_get(j, "name")),
             *sum = json_string_value(json_object_get(j, "checksum"));
  const json_t *ranges = json_object_get(j, "range_end"), *events = json_object_get(j, "event_types");
  if (name == NULL || strlen(name) >= sizeof d->name) return bad_field(path, "name");
  if (sum == NULL || strlen(sum) != 64) return bad_field(path, "checksum");
  strcpy(d->name, name);
  strcpy(d->checksum, sum);
  int32_t last = TOKEN_SPECIALS;
  if (json_array_size(ranges) != RANGE_COUNT) return bad_field(path, "range_end");
  for (int r = 0; r < RANGE_COUNT; r++) {
    const json_int_t end = json_integer_value(json_array_get(ranges, (size_t)r));
    if (end < last || end > INT32_MAX) return bad_field(path, "range_end");
    d->range_end[r] = last = (int32_t)end;
  }
  d->vocab_size = last;
  const size_t n = json_array_size(events);
  if (n < 1 || n > MAX_EVENT_TYPES) return bad_field(path, "event_types");
  d->n_event_types = (int32_t)n;
  for (size_t i = 0; i < n; i++) {
    const char *text = json_string_value(json_array_get(events, i));
    if (text == NULL || strlen(text) >= EVENT_NAME) return bad_field(path, "event_types");
    strcpy(d->event_types[i], text);
  }
  return OK;
}

static status verify_parts(const char *dir, const json_t *files, const char *manifest) {
  const char *name;
  json_t *entry;
  if (json_object_get(files, "model.h5") == NULL || json_object_get(files, "vocab.tsv") == NULL)
    return bad_field(manifest, "files");
  json_object_foreach((json_t *)files, name, entry) {
    char path[PATH_MAX + 64], hex[65];
    uint64_t bytes;
    const char *wanted = json_string_value(json_object_get(entry, "sha256"));
    if (strchr(name, '/') != NULL || wanted == NULL) return bad_field(manifest, "files");
    TRY(path_join(path, sizeof path, dir, name));
    TRY(file_sha256(path, hex, &bytes));
    if ((json_int_t)bytes != json_integer_value(json_object_get(entry, "bytes")) || strcmp(hex, wanted) != 0)
      return fail(ERR_CHECKSUM, "%s: its checksum is not the one in %s; the file is damaged", path, manifest);
  }
  return OK;
}

status checkpoint_open(checkpoint **out, const char *dir) {
  *out = NULL;
  checkpoint *c;
  char path[PATH_MAX + 64], *text = NULL;
  size_t bytes;
  json_t *j = NULL;
  TRY(mem_new(&c, 1, sizeof *c, "a checkpoint"));
  status rc;
  if (strlen(dir) >= sizeof c->dir) {
    rc = fail(ERR_ARGUMENT, "path too long: %.60s...", dir);
    goto bad;
  }
  strcpy(c->dir, dir);
  TRY_GOTO(path_join(path, sizeof path, dir, "manifest.json"), bad);
  TRY_GOTO(file_read(path, MAX_MANIFEST, &text, &bytes), bad);
  json_error_t error;
  j = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  if (j == NULL) {
    rc = fail(ERR_FORMAT, "%s line %d: %s", path, error.line, error.text);
    goto bad;
  }
  const char *schema = json_string_value(json_object_get(j, "schema")),
             *yaml = json_string_value(json_object_get(j, "config"));
  if (schema == NULL || strcmp(schema, "souk.checkpoint") != 0) {
    rc = fail(ERR_FORMAT, "%s is not a checkpoint's manifest", path);
    goto bad;
  }
  if (json_integer_value(json_object_get(j, "version")) != 1) {
    rc = fail(ERR_FORMAT, "%s: a version that this build does not read (it reads 1)", path);
    goto bad;
  }
  if (yaml == NULL) {
    rc = bad_field(path, "config");
    goto bad;
  }
  TRY_GOTO(mem_strdup(&c->config_yaml, yaml), bad);
  TRY_GOTO(model_config_from_json(&c->model, json_object_get(j, "model"), path), bad);
  TRY_GOTO(read_state(&c->state, json_object_get(j, "state"), path), bad);
  TRY_GOTO(read_data(&c->data, json_object_get(j, "data"), path), bad);
  if (c->data.vocab_size > c->model.vocab_size) {
    rc = bad_field(path, "range_end");
    goto bad;
  }
  TRY_GOTO(verify_parts(dir, json_object_get(j, "files"), path), bad);
  c->has_optimizer = json_object_get(json_object_get(j, "files"), "optimizer.h5") != NULL;
  c->has_catalogue = json_object_get(json_object_get(j, "files"), "catalogue.jsonl") != NULL;
  free(text);
  json_decref(j);
  *out = c;
  return OK;
bad:
  free(text);
  json_decref(j);
  checkpoint_close(c);
  return rc;
}

void checkpoint_close(checkpoint *c) {
  if (c == NULL) return;
  free(c->config_yaml);
  free(c);
}

static status read_tensors(model *m, hid_t file, const char *path, const char *group, float *arena) {
  const param_set *s = model_params(m);
  float *buffer = NULL;
  size_t cap = 0;
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < s->count; i++) {
    const param *p = &s->items[i];
    hsize_t dims[2] = {0, 1};
    char name[PARAM_NAME + 16];
    snprintf(name, sizeof name, "%s%s%s", group, group[0] != '\0' ? "/" : "", p->name);
    rc = h5_dims(file, path, name, H5T_IEEE_F32LE, p->ndim, dims);
    if (rc == OK && (dims[0] != (hsize_t)p->shape[0] || dims[1] != (hsize_t)p->shape[1]))
      rc = fail(ERR_FORMAT, "%s: \"%s\" is %llu x %llu, the model wants %lld x %lld", path, name,
                (unsigned long long)dims[0], (unsigned long long)dims[1], (long long)p->shape[0],
                (long long)p->shape[1]);
    if (rc == OK) rc = mem_grow(&buffer, &cap, (size_t)p->size, sizeof *buffer, "a tensor");
    if (rc == OK) rc = h5_read(file, path, name, H5T_NATIVE_FLOAT, 0, dims[0], buffer);
    if (rc == OK)
      rc =
          model_backend(m)->upload(model_ctx(m), arena + p->offset, buffer, (size_t)p->size * sizeof *buffer);
  }
  free(buffer);
  return rc;
}

status checkpoint_load(const checkpoint *c, model *m, bool with_optimizer) {
  char path[PATH_MAX + 64];
  hid_t file;
  TRY(path_join(path, sizeof path, c->dir, "model.h5"));
  h5_lock();
  status rc = h5_open(&file, path, "souk.parameters", 1);
  if (rc == OK) {
    rc = read_tensors(m, file, path, "", model_params(m)->master);
    H5Fclose(file);
  }
  if (rc == OK && with_optimizer) {
    rc = path_join(path, sizeof path, c->dir, "optimizer.h5");
    if (rc == OK && !c->has_optimizer)
      rc = fail(ERR_FORMAT, "%s holds no optimiser state to resume from", c->dir);
    if (rc == OK) rc = h5_open(&file, path, "souk.optimizer", 1);
    if (rc == OK) {
      rc = read_tensors(m, file, path, "m", model_params(m)->m);
      if (rc == OK) rc = read_tensors(m, file, path, "v", model_params(m)->v);
      H5Fclose(file);
    }
  }
  h5_unlock();
  return rc == OK ? params_refresh(model_params(m)) : rc;
}

status checkpoint_find(char *buf, size_t bytes, const char *run_dir, const char *which) {
  char path[PATH_MAX + 64], *text;
  size_t n;
  TRY(path_join(path, sizeof path, run_dir, "manifest.json"));
  if (file_exists(path)) return path_join(buf, bytes, run_dir, ".");
  TRY(path_join(path, sizeof path, run_dir, which));
  const status rc = file_read(path, 256, &text, &n);
  if (rc == ERR_NOT_FOUND)
    return fail(ERR_NOT_FOUND, "%s is neither a checkpoint nor a run with a \"%s\" one", run_dir, which);
  TRY(rc);
  while (n > 0 && text[n - 1] == '\n') text[--n] = '\0';
  const bool good = n > 0 && strchr(text, '/') == NULL && text[0] != '.';
  const status joined =
      good ? path_join(buf, bytes, run_dir, text) : fail(ERR_FORMAT, "%s does not name a checkpoint", path);
  free(text);
  return joined;
}
