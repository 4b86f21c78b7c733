// Checkpoints: a directory with a manifest and HDF5 parts; see checkpoint.h.
//
// The directory is written beside its place, every part fsynced and the manifest last, and moved there when whole. Tensors
// keep their logical shape and name, so another number of ranks, or another backend, reads the same files.
#include "model/checkpoint.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "hdf5/h5_reader.h"
#include "hdf5/hdf5_glue.h"

enum { MAX_MANIFEST = 64 << 20 };

// What a state may hold. Options allow 10^12 steps of 4096 micro-batches, and what is counted from here on must not
// overflow.
static const int64_t MOST_STEPS = (int64_t)1 << 52, MOST_TOKENS = (int64_t)1 << 62;
static const double MOST_REAL = 1e300;

// ---- writing -------------------------------------------------------------------------------------------------

typedef const float *(*value_of)(const param_values *v, const param *p);

// Values of all parameters that have them (a frozen one has no moments) as datasets GROUP/NAME. The lock is taken tensor by
// tensor: a batcher that needs HDF5 for its next block must not wait for the whole file.
static status write_tensors(const checkpoint_content *c, hid_t file, const char *path, const char *group,
                            value_of value) {
  for (int32_t i = 0; i < c->params->count; i++) {
    const param *p = &c->params->items[i];
    const float *data = value(&c->values, p);
    if (data == NULL) continue;
    const hsize_t dims[2] = {(hsize_t)p->shape[0], (hsize_t)p->shape[1]};
    char name[PARAM_NAME + 16];
    snprintf(name, sizeof name, "%s%s%s", group, group[0] != '\0' ? "/" : "", p->name);
    h5_lock();
    const status rc = h5_write(file, path, name, H5T_IEEE_F32LE, p->ndim, dims, data, 0);
    h5_unlock();
    TRY(rc);
  }
  return OK;
}

// Size and SHA-256 of DIR/NAME into the manifest's list.
static status list_file(json_t *files, const char *dir, const char *name) {
  char path[PATH_MAX + 64], hex[65];
  uint64_t bytes;
  TRY(path_join(path, sizeof path, dir, name));
  TRY(file_sha256(path, hex, &bytes));
  json_t *entry = json_pack("{s:I,s:s}", "bytes", (json_int_t)bytes, "sha256", hex);
  if (json_object_set_new(files, name, entry) != 0)
    return fail(ERR_MEMORY, "out of memory: cannot list %s", path);
  return OK;
}

static status write_part(const checkpoint_content *c, const char *dir, bool moments, json_t *files) {
  char path[PATH_MAX + 64];
  const char *name = moments ? "optimizer.h5" : "model.h5";
  TRY(path_join(path, sizeof path, dir, name));
  hid_t file;
  h5_lock();
  status rc = h5_create(&file, path, moments ? "souk.optimizer" : "souk.parameters", 1);
  h5_unlock();
  TRY(rc);
  if (!moments) rc = write_tensors(c, file, path, "", value_master);
  if (moments) rc = write_tensors(c, file, path, "m", value_m);
  if (moments && rc == OK) rc = write_tensors(c, file, path, "v", value_v);
  h5_lock();
  rc = h5_finish(file, path, rc);
  h5_unlock();
  TRY(rc);
  TRY(file_sync(path));
  return list_file(files, dir, name);
}

// Written, not copied: not every data set has its vocabulary in such a file.
static status write_vocabulary(const checkpoint_content *c, const char *dir, json_t *files) {
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, dir, "vocab.tsv"));
  TRY(vocab_write(dataset_vocab(c->data), path));
  return list_file(files, dir, "vocab.tsv");
}

static status copy_catalogue(const checkpoint_content *c, const char *dir, json_t *files) {
  char from[PATH_MAX + 64], to[PATH_MAX + 64];
  if (dataset_dir(c->data)[0] == '\0') return OK;
  TRY(path_join(from, sizeof from, dataset_dir(c->data), "catalogue.jsonl"));
  bool there;
  TRY(file_look(from, &there));
  if (!there) return OK;
  TRY(path_join(to, sizeof to, dir, "catalogue.jsonl"));
  TRY(file_copy(from, to));
  return list_file(files, dir, "catalogue.jsonl");
}

static status write_extra(const checkpoint_content *c, const char *dir, json_t *files) {
  if (c->extra == NULL) return OK;
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, dir, c->extra_name));
  TRY(c->extra(c->extra_self, path));
  TRY(file_sync(path));
  return list_file(files, dir, c->extra_name);
}

static json_t *data_to_json(const dataset_info *d) {
  json_t *ranges = json_array(), *events = json_array();
  int bad = 0;
  for (int r = 0; r < RANGE_COUNT; r++) bad |= json_array_append_new(ranges, json_integer(d->range_end[r]));
  for (int32_t e = 0; e < d->n_event_types; e++)
    bad |= json_array_append_new(events, json_string(d->event_types[e]));
  if (bad == 0)
    return json_pack("{s:s,s:s,s:o,s:o}", "name", d->name, "checksum", d->checksum, "range_end", ranges,
                     "event_types", events);
  json_decref(ranges);
  json_decref(events);
  return NULL;
}

static json_t *state_to_json(const train_state *t) {
  return json_pack("{s:I,s:I,s:I,s:I,s:f,s:f,s:I,s:I,s:s,s:I,s:{s:f,s:f,s:f,s:f,s:f}}", "step",
                   (json_int_t)t->step, "epoch", (json_int_t)t->epoch, "index", (json_int_t)t->index,
                   "tokens", (json_int_t)t->tokens, "seconds", t->seconds, "best_metric", t->best_metric,
                   "best_step", (json_int_t)t->best_step, "bad_evals", (json_int_t)t->bad_evals, "best_name",
                   t->best_name, "skipped", (json_int_t)t->skipped, "window", "mlm_loss", t->mlm_loss,
                   "mlm_weight", t->mlm_weight, "cls_loss", t->cls_loss, "cls_rows", t->cls_rows, "cls_hits",
                   t->cls_hits);
}

static status write_manifest(const checkpoint_content *c, const char *dir, json_t *files) {
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, dir, "manifest.json"));
  json_t *j = json_pack("{s:s,s:i,s:s,s:o,s:o,s:o,s:s,s:O}", "schema", "souk.checkpoint", "version", 1,
                        "created_by", "souk " SOUK_VERSION, "model", model_config_to_json(c->model), "state",
                        state_to_json(c->state), "data", data_to_json(dataset_get_info(c->data)), "config",
                        c->config_yaml, "files", files);
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(j);
  if (text == NULL)
    return fail(ERR_MEMORY, "cannot compose %s: out of memory, or a name that is not UTF-8", path);
  const status rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

static status write_all(const char *dir, const checkpoint_content *c, json_t *files) {
  if (files == NULL) return fail(ERR_MEMORY, "out of memory: cannot write %s", dir);
  TRY(write_part(c, dir, false, files));
  if (c->values.m != NULL) TRY(write_part(c, dir, true, files));
  TRY(write_vocabulary(c, dir, files));
  TRY(copy_catalogue(c, dir, files));
  TRY(write_extra(c, dir, files));
  return write_manifest(c, dir, files);
}

status checkpoint_write(const char *dir, const checkpoint_content *c) {
  out_dir *place;
  TRY(out_dir_open(&place, dir, c->over, c->force));
  json_t *files = json_object();
  const status rc = write_all(out_dir_path(place), c, files);
  json_decref(files);
  return out_dir_finish(place, rc);
}

status checkpoint_write_model(const char *dir, model *m, const train_state *state, const char *config_yaml,
                              const dataset *data, bool with_optimizer) {
  checkpoint_content c = {.model = model_get_config(m),
                          .params = model_params(m),
                          .state = state,
                          .config_yaml = config_yaml,
                          .data = data};
  float *copy;
  TRY(params_to_host(c.params, with_optimizer, &c.values, &copy));
  const status rc = checkpoint_write(dir, &c);
  free(copy);
  return rc;
}

// ---- reading -------------------------------------------------------------------------------------------------

static status bad_field(const char *path, const char *field) {
  return fail(ERR_FORMAT, "%s: field \"%s\" is missing, of the wrong type or out of range", path, field);
}

static status bad_number(const char *path, const char *field) {
  return fail(ERR_FORMAT, "%s: \"state.%s\" is missing, no number or out of range", path, field);
}

static status read_counts(train_state *t, const json_t *j, const char *path) {
  const struct {
    const char *name;
    int64_t *value, most;
    bool optional; // older checkpoints lack it
  } counts[] = {
      {"step", &t->step, MOST_STEPS, false},           {"epoch", &t->epoch, MOST_STEPS, false},
      {"index", &t->index, MOST_STEPS, false},         {"tokens", &t->tokens, MOST_TOKENS, false},
      {"best_step", &t->best_step, MOST_STEPS, false}, {"bad_evals", &t->bad_evals, MOST_STEPS, false},
      {"skipped", &t->skipped, MOST_STEPS, true}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    const json_t *f = json_object_get(j, counts[i].name);
    *counts[i].value = 0;
    if (f == NULL && counts[i].optional) continue;
    const json_int_t value = json_integer_value(f);
    if (!json_is_integer(f) || value < 0 || value > counts[i].most) return bad_number(path, counts[i].name);
    *counts[i].value = value;
  }
  return OK;
}

static status read_reals(train_state *t, const json_t *j, const char *path) {
  const json_t *window = json_object_get(j, "window");
  const struct {
    const json_t *of;
    const char *name, *key;
    double *value, least;
    bool optional;
  } reals[] = {{j, "seconds", "seconds", &t->seconds, 0, false},
               {j, "best_metric", "best_metric", &t->best_metric, -MOST_REAL, false},
               {window, "window.mlm_loss", "mlm_loss", &t->mlm_loss, -MOST_REAL, true},
               {window, "window.mlm_weight", "mlm_weight", &t->mlm_weight, 0, true},
               {window, "window.cls_loss", "cls_loss", &t->cls_loss, -MOST_REAL, true},
               {window, "window.cls_rows", "cls_rows", &t->cls_rows, 0, true},
               {window, "window.cls_hits", "cls_hits", &t->cls_hits, 0, true}};
  for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
    const json_t *f = json_object_get(reals[i].of, reals[i].key);
    *reals[i].value = 0;
    if (f == NULL && reals[i].optional) continue;
    const double value = json_number_value(f);
    if (!json_is_number(f) || !(value >= reals[i].least && value <= MOST_REAL))
      return bad_number(path, reals[i].name);
    *reals[i].value = value;
  }
  return OK;
}

static status read_state(train_state *t, const json_t *j, const char *path) {
  TRY(read_counts(t, j, path));
  TRY(read_reals(t, j, path));
  if (t->best_step > t->step) return bad_number(path, "best_step");
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

// The largest matrices alone must fit model.h5: no model is made, and no memory asked for, by a configuration that only says so.
static status check_size(const model_config *c, const json_t *files, const char *manifest) {
  const double H = (double)c->hidden, tables = (double)c->vocab_size + (double)c->max_positions,
               layers = (double)c->layers * (4 * H * H + 2 * H * (double)c->intermediate);
  const json_t *bytes = json_object_get(json_object_get(files, "model.h5"), "bytes");
  if ((tables * H + layers) * sizeof(float) <= (double)json_integer_value(bytes)) return OK;
  return fail(ERR_FORMAT, "%s: the model of field \"model\" is larger than what model.h5 holds", manifest);
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
  mem_json_failed(); // of before
  j = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  if (j == NULL) {
    rc = mem_json_failed() ? fail(ERR_MEMORY, "out of memory: cannot read %s", path)
                           : fail(ERR_FORMAT, "%s line %d: %s", path, error.line, error.text);
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
  TRY_GOTO(check_size(&c->model, json_object_get(j, "files"), path), bad);
  c->has_optimizer = json_object_get(json_object_get(j, "files"), "optimizer.h5") != NULL;
  c->has_catalogue = json_object_get(json_object_get(j, "files"), "catalogue.jsonl") != NULL;
  TRY_GOTO(reader_start(&c->reader), bad); // now, while there is no model in memory yet
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
  reader_stop(c->reader);
  free(c->config_yaml);
  free(c);
}

typedef struct part_file {
  h5_reader *reader;
  int32_t file;
  char path[PATH_MAX + 64];
} part_file;

static status open_part(part_file *f, const checkpoint *c, const char *name, const char *schema) {
  f->reader = c->reader;
  TRY(path_join(f->path, sizeof f->path, c->dir, name));
  return reader_open(f->reader, f->path, schema, 1, &f->file);
}

static status read_tensor(const part_file *f, const char *group, const param *p, float *to) {
  int64_t dims[2] = {0, 1};
  char name[PARAM_NAME + 16];
  snprintf(name, sizeof name, "%s%s%s", group, group[0] != '\0' ? "/" : "", p->name);
  TRY(reader_dims(f->reader, f->file, name, H5_KIND_F32, p->ndim, dims));
  if (dims[0] != p->shape[0] || dims[1] != p->shape[1])
    return fail(ERR_FORMAT, "%s: \"%s\" is %lld x %lld, the model wants %lld x %lld", f->path, name,
                (long long)dims[0], (long long)dims[1], (long long)p->shape[0], (long long)p->shape[1]);
  return reader_rows(f->reader, f->file, name, H5_KIND_F32, p->ndim, 0, dims[0], dims[1], to);
}

// What is frozen has no moments: it is passed over.
static status read_tensors(model *m, const part_file *f, const char *group,
                           float *(*place)(const param_set *s, const param *p)) {
  const param_set *s = model_params(m);
  const bool direct = model_backend(m)->host_memory; // straight into its place
  float *buffer = NULL;
  size_t cap = 0;
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < s->count; i++) {
    const param *p = &s->items[i];
    float *const to = place(s, p);
    if (to == NULL) continue;
    if (!direct) rc = mem_grow(&buffer, &cap, (size_t)p->size, sizeof *buffer, "a tensor");
    if (rc == OK) rc = read_tensor(f, group, p, direct ? to : buffer);
    if (rc == OK && !direct)
      rc = model_backend(m)->upload(model_ctx(m), to, buffer, (size_t)p->size * sizeof *buffer);
  }
  free(buffer);
  return rc;
}

status checkpoint_load(const checkpoint *c, model *m, bool with_optimizer) {
  part_file f;
  TRY(open_part(&f, c, "model.h5", "souk.parameters"));
  TRY(read_tensors(m, &f, "", param_master));
  if (with_optimizer) {
    if (!c->has_optimizer) return fail(ERR_FORMAT, "%s holds no optimiser state to resume from", c->dir);
    TRY(open_part(&f, c, "optimizer.h5", "souk.optimizer"));
    TRY(read_tensors(m, &f, "m", param_m));
    TRY(read_tensors(m, &f, "v", param_v));
  }
  return params_refresh(model_params(m));
}

status checkpoint_find(char *buf, size_t bytes, const char *run_dir, const char *which) {
  char path[PATH_MAX + 64], *text;
  size_t n;
  bool is_checkpoint;
  TRY(path_check(run_dir, PATH_RUN | PATH_CHECKPOINT | PATH_STEP));
  TRY(path_join(path, sizeof path, run_dir, "manifest.json"));
  TRY(file_look(path, &is_checkpoint));
  if (is_checkpoint) return path_join(buf, bytes, run_dir, ".");
  TRY(path_join(path, sizeof path, run_dir, which));
  const status rc = file_read(path, 256, &text, &n);
  if (rc == ERR_NOT_FOUND && strcmp(which, "best") == 0)
    return fail(ERR_NOT_FOUND, "the run %s has no best checkpoint: no validation has chosen one", run_dir);
  if (rc == ERR_NOT_FOUND) return fail(ERR_NOT_FOUND, "the run %s has no checkpoint yet", run_dir);
  TRY(rc);
  while (n > 0 && text[n - 1] == '\n') text[--n] = '\0';
  const bool good = n > 0 && strchr(text, '/') == NULL && text[0] != '.';
  const status joined =
      good ? path_join(buf, bytes, run_dir, text) : fail(ERR_FORMAT, "%s does not name a checkpoint", path);
  free(text);
  return joined;
}

status checkpoint_choose(char *buf, size_t bytes, const char *where, int which) {
  const status rc = checkpoint_find(buf, bytes, where, which == WHICH_LAST ? "last" : "best");
  return which == WHICH_AUTO && rc == ERR_NOT_FOUND ? checkpoint_find(buf, bytes, where, "last") : rc;
}

status checkpoint_open_chosen(checkpoint **out, const char *where, int which) {
  char dir[PATH_MAX];
  *out = NULL;
  TRY(checkpoint_choose(dir, sizeof dir, where, which));
  return checkpoint_open(out, dir);
}
