// Reading checkpoints; see checkpoint.h. Everything but the tensors is checked when one is opened: the manifest field by
// field, the parts by size and checksum.
#include "model/checkpoint.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/dataset_manifest.h"
#include "data/label_set.h"
#include "data/tokenizer.h"
#include "hdf5/h5_reader.h"
#include "model/checkpoint_base.h"
#include "model/checkpoint_folded.h"
#include "model/item_vectors.h"

enum { MAX_MANIFEST = 64 << 20 };

// ---- the manifest --------------------------------------------------------------------------------------------

static status bad_field(const char *path, const char *field) {
  return fail(ERR_FORMAT, "%s: field \"%s\" is missing, of the wrong type or out of range", path, field);
}

static status load_json(const char *path, json_t **j) {
  char *text;
  size_t bytes;
  json_error_t error;
  TRY(file_read(path, MAX_MANIFEST, &text, &bytes));
  mem_json_failed(); // resets the flag
  *j = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  free(text);
  if (*j != NULL) return OK;
  return mem_json_failed() ? fail(ERR_MEMORY, "out of memory: cannot read %s", path)
                           : fail(ERR_FORMAT, "%s line %d: %s", path, error.line, error.text);
}

// Is it a manifest of Souk, of a version that this build reads? Sets c->created_by, which from->writer then points
// to.
static status read_head(checkpoint *c, const json_t *j, record_source *from) {
  const char *schema = json_string_value(json_object_get(j, "schema")),
             *writer = json_string_value(json_object_get(j, "created_by"));
  if (schema == NULL || strcmp(schema, "souk.checkpoint") != 0)
    return fail(ERR_FORMAT, "%s is not a checkpoint's manifest", from->path);
  snprintf(c->created_by, sizeof c->created_by, "%s", writer != NULL ? writer : "");
  if (writer != NULL) from->writer = c->created_by;
  if (json_integer_value(json_object_get(j, "version")) == 1) return OK;
  return fail(ERR_UNSUPPORTED,
              "%s: its version is not the one that souk " SOUK_VERSION " reads (1); %s wrote it", from->path,
              writer != NULL ? c->created_by : "an unknown version");
}

static status read_data(dataset_info *d, const json_t *j, const record_source *from) {
  static const char *const names[] = {"name", "checksum", "range_end", "event_types", "split", NULL};
  const char *path = from->path;
  const char *name = json_string_value(json_object_get(j, "name")),
             *sum = json_string_value(json_object_get(j, "checksum"));
  const json_t *ranges = json_object_get(j, "range_end"), *events = json_object_get(j, "event_types");
  if (name == NULL || strlen(name) >= sizeof d->name) return bad_field(path, "data.name");
  if (sum == NULL || strlen(sum) != 64) return bad_field(path, "data.checksum");
  strcpy(d->name, name);
  strcpy(d->checksum, sum);
  int32_t last = TOKEN_SPECIALS;
  if (json_array_size(ranges) != RANGE_COUNT) return bad_field(path, "data.range_end");
  for (int r = 0; r < RANGE_COUNT; r++) {
    const json_int_t end = json_integer_value(json_array_get(ranges, (size_t)r));
    if (end < last || end > INT32_MAX || (r == RANGE_SPECIAL && end != TOKEN_SPECIALS))
      return bad_field(path, "data.range_end");
    d->range_end[r] = last = (int32_t)end;
  }
  d->vocab_size = last;
  if (!event_types_from_json(d, events)) return bad_field(path, "data.event_types");
  TRY(split_from_json(&d->split, json_object_get(j, "split"), from));
  return record_check_names(j, "data", names, from);
}

static status verify_parts(const char *dir, const json_t *files, const char *manifest) {
  if (json_object_get(files, "model.h5") == NULL || json_object_get(files, "vocab.tsv") == NULL)
    return bad_field(manifest, "files");
  return file_list_verify(files, &(file_list_check){.dir = dir, .manifest = manifest, .contents = true});
}

// The largest matrices alone must fit model.h5: a configuration must not make us allocate a model that the file
// cannot hold.
static status check_size(const model_config *c, int64_t bytes, const char *manifest) {
  const double H = (double)c->hidden, tables = (double)c->vocab_size + (double)c->max_positions,
               layers = (double)c->layers * (4 * H * H + 2 * H * (double)c->intermediate);
  if ((tables * H + layers) * sizeof(float) <= (double)bytes) return OK;
  return fail(ERR_FORMAT, "%s: the model of field \"model\" is larger than what model.h5 holds", manifest);
}

static bool is_list_of_names(const json_t *list) {
  size_t i = 0;
  while (json_is_string(json_array_get(list, i))) i++;
  return json_is_array(list) && i == json_array_size(list);
}

static status open_at(checkpoint **out, const char *dir, int depth);

// Is there a checkpoint with this model.h5, by what its manifest says? What cannot be read is none.
static status is_base_at(const char *dir, const char *sum, bool *is) {
  char path[PATH_MAX + 64];
  json_t *j;
  *is = false;
  TRY(path_join(path, sizeof path, dir, "manifest.json"));
  const status rc = load_json(path, &j);
  if (rc != OK) return rc == ERR_MEMORY ? rc : OK;
  const json_t *part = json_object_get(json_object_get(j, "files"), "model.h5");
  const char *found = json_string_value(json_object_get(part, "sha256"));
  *is = found != NULL && strcmp(found, sum) == 0;
  json_decref(j);
  return OK;
}

typedef struct base_places {
  char beside[PATH_MAX];         // where it is if both were moved together
  const char *dir;               // where it is read from: that, or the absolute path
  char words[2 * PATH_MAX + 32]; // all places, for messages
} base_places;

// Beside first: the absolute path may have another copy of it, or one that has been trained on.
static status find_base(base_places *at, const checkpoint *c, const json_t *j, const record_source *from) {
  const char *dir = json_string_value(json_object_get(j, "path")),
             *sum = json_string_value(json_object_get(j, "sha256"));
  const json_t *relative = json_object_get(j, "relative"); // absent: in no common folder
  bool is_beside;
  if (dir == NULL || dir[0] != '/') return bad_field(from->path, "base.path");
  if (sum == NULL || strlen(sum) != 64) return bad_field(from->path, "base.sha256");
  if (relative != NULL && !json_is_string(relative)) return bad_field(from->path, "base.relative");
  at->dir = dir;
  snprintf(at->words, sizeof at->words, "%s", dir);
  if (relative == NULL || !base_from(at->beside, c->dir, json_string_value(relative))) return OK;
  if (strcmp(at->beside, dir) == 0) return OK;
  TRY(is_base_at(at->beside, sum, &is_beside));
  if (is_beside) at->dir = at->beside;
  snprintf(at->words, sizeof at->words, "%s (or %s)", dir, at->beside);
  return OK;
}

// The checkpoint that keeps what is frozen must be there and the same as it was. This one is not damaged if it is not
// (ERR_UNSUPPORTED): both can be brought together again.
static status open_base(checkpoint *c, json_t *j, const record_source *from, int depth) {
  static const char *const names[] = {"path", "relative", "sha256", "parameters", NULL};
  base_places at;
  json_t *parameters = json_object_get(j, "parameters");
  TRY(find_base(&at, c, j, from));
  if (!is_list_of_names(parameters)) return bad_field(from->path, "base.parameters");
  TRY(record_check_names(j, "base", names, from));
  if (depth == CHECKPOINT_MOST_BASES)
    return fail(ERR_FORMAT, "%s: more than %d checkpoints build on one another", from->path,
                CHECKPOINT_MOST_BASES);
  c->from_base = json_incref(parameters);
  const status rc = open_at(&c->base, at.dir, depth + 1);
  if (rc == ERR_MEMORY) return rc;
  if (rc != OK)
    return fail_prefix(ERR_UNSUPPORTED, "%s: its frozen parameters are those of %s, which cannot be read",
                       from->path, at.words);
  c->model_bytes += c->base->model_bytes;
  if (strcmp(c->base->model_sha256, json_string_value(json_object_get(j, "sha256"))) == 0) return OK;
  return fail(
      ERR_UNSUPPORTED,
      "%s: its frozen parameters are those of %s, whose model.h5 is not the one that it was trained on",
      from->path, at.words);
}

// The averages that there are, and the scale of what is in average.h5.
static status read_average(checkpoint *c, json_t *j, const record_source *from) {
  static const char *const names[] = {"scale", "parameters", NULL};
  const json_t *scale = json_object_get(j, "scale");
  json_t *parameters = json_object_get(j, "parameters");
  if (j == NULL) return OK;
  if (!json_is_number(scale) || !(json_number_value(scale) > 0 && json_number_value(scale) <= 1))
    return bad_field(from->path, "average.scale");
  if (!is_list_of_names(parameters)) return bad_field(from->path, "average.parameters");
  if (json_object_get(c->files, "average.h5") == NULL) return bad_field(from->path, "files");
  c->state.average_scale = json_number_value(scale);
  c->averaged = json_incref(parameters);
  return record_check_names(j, "average", names, from);
}

static status read_files(checkpoint *c, json_t *files, const char *path) {
  TRY(verify_parts(c->dir, files, path));
  c->files = json_incref(files);
  const json_t *part = json_object_get(files, "model.h5");
  snprintf(c->model_sha256, sizeof c->model_sha256, "%s", json_string_value(json_object_get(part, "sha256")));
  c->model_bytes = json_integer_value(json_object_get(part, "bytes"));
  c->has_optimizer = json_object_get(files, "optimizer.h5") != NULL;
  if (c->model.items != ITEMS_ID && json_object_get(files, "content.h5") == NULL)
    return bad_field(path, "files");
  c->has_catalogue = json_object_get(files, "catalogue.jsonl") != NULL;
  return OK;
}

// The vocabulary lies in the model's word table, and its items are classes of the head.
static status check_vocabulary(const dataset_info *d, const model_config *m, const char *path) {
  const int64_t items_begin = d->range_end[RANGE_ATTRIBUTES], items_end = d->range_end[RANGE_ITEMS];
  if (d->vocab_size > m->vocab_size) return bad_field(path, "data.range_end");
  if (items_begin < items_end &&
      (items_begin < m->class_base || items_end > (int64_t)m->class_base + m->classes))
    return fail(ERR_FORMAT, "%s: the items of field \"data.range_end\" are not among \"model.classes\"",
                path);
  return OK;
}

// As many as the model has.
static status check_labels(const checkpoint *c, const json_t *j, const char *path) {
  label_set l;
  TRY(label_set_from_json(&l, j, path));
  const bool same = l.n == c->model.labels && l.single == (c->model.label_kind == LABELS_SINGLE);
  label_set_free(&l);
  return same ? OK : fail(ERR_FORMAT, "%s: field \"labels\" has not the labels of \"model.labels\"", path);
}

static status read_manifest(checkpoint *c, const json_t *j, const char *path, int depth) {
  static const char *const names[] = {"schema",  "version", "created_by", "model", "state",
                                      "data",    "config",  "files",      "base",  "tokenizer",
                                      "average", "labels",  NULL};
  record_source from = {.path = path};
  TRY(read_head(c, j, &from));
  json_t *base = json_object_get(j, "base");
  const char *yaml = json_string_value(json_object_get(j, "config"));
  if (yaml == NULL) return bad_field(path, "config");
  TRY(mem_strdup(&c->config_yaml, yaml));
  TRY(model_config_from_json(&c->model, json_object_get(j, "model"), &from));
  objective_list objectives;
  TRY(objectives_of(&objectives, &c->model));
  TRY(train_state_from_json(&c->state, &objectives, json_object_get(j, "state"), &from));
  TRY(read_data(&c->data, json_object_get(j, "data"), &from));
  TRY(record_check_names(j, "", names, &from));
  TRY(check_vocabulary(&c->data, &c->model, path));
  if (json_object_get(j, "tokenizer") != NULL) TRY(tokenizer_check(json_object_get(j, "tokenizer"), path));
  c->tokenizer = json_incref(json_object_get(j, "tokenizer"));
  if (json_object_get(j, "labels") != NULL) TRY(check_labels(c, json_object_get(j, "labels"), path));
  c->labels = json_incref(json_object_get(j, "labels"));
  TRY(read_files(c, json_object_get(j, "files"), path));
  TRY(read_average(c, json_object_get(j, "average"), &from));
  if (base != NULL) TRY(open_base(c, base, &from, depth));
  return check_size(&c->model, c->model_bytes, path);
}

static status open_checked(checkpoint *c, const char *dir, int depth) {
  char path[PATH_MAX + 64];
  json_t *j;
  if (strlen(dir) >= sizeof c->dir) return fail(ERR_ARGUMENT, "path too long: %.60s...", dir);
  strcpy(c->dir, dir);
  c->name = c->dir;
  TRY(path_join(path, sizeof path, dir, "manifest.json"));
  TRY(load_json(path, &j));
  const status rc = read_manifest(c, j, path, depth);
  json_decref(j);
  TRY(rc);
  return reader_start(&c->reader); // started before a model is in memory, because it forks
}

static status open_at(checkpoint **out, const char *dir, int depth) {
  *out = NULL;
  checkpoint *c;
  TRY(mem_new(&c, 1, sizeof *c, "a checkpoint"));
  const status rc = open_checked(c, dir, depth);
  if (rc == OK)
    *out = c;
  else
    checkpoint_close(c);
  return rc;
}

status checkpoint_open(checkpoint **out, const char *dir) {
  return open_at(out, dir, 0);
}

void checkpoint_close(checkpoint *c) {
  if (c == NULL) return;
  checkpoint_close(c->base);
  json_decref(c->from_base);
  json_decref(c->files);
  json_decref(c->averaged);
  json_decref(c->tokenizer);
  json_decref(c->labels);
  reader_stop(c->reader);
  free(c->config_yaml);
  free(c);
}

int checkpoint_bases(const checkpoint *c) {
  int n = 0;
  while ((c = c->base) != NULL) n++;
  return n;
}

// ---- tensors -------------------------------------------------------------------------------------------------

typedef struct part_file {
  const checkpoint *c;
  h5_reader *reader;
  int32_t file;
  char path[PATH_MAX + 64];
} part_file;

static status open_part(part_file *f, const checkpoint *c, const char *name, const char *schema) {
  f->c = c;
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
    return fail(ERR_FORMAT, "%s: \"%s\" is %lld x %lld, the model needs %lld x %lld", f->path, name,
                (long long)dims[0], (long long)dims[1], (long long)p->shape[0], (long long)p->shape[1]);
  return reader_rows(f->reader, f->file, name, H5_KIND_F32, p->ndim, 0, dims[0], dims[1], to);
}

static bool is_in_list(json_t *list, const char *name) {
  size_t i;
  json_t *item;
  json_array_foreach(list, i, item) {
    if (strcmp(json_string_value(item), name) == 0) return true;
  }
  return false;
}

bool checkpoint_takes_from_base(const checkpoint *c, const char *name) {
  return is_in_list(c->from_base, name);
}

bool checkpoint_has_copy_head(const checkpoint *c) {
  return c->model.copy_classes > 0 && !checkpoint_takes_from_base(c, "copy.transform.LayerNorm.weight") &&
         !checkpoint_takes_from_base(c, "copy.bias");
}

bool checkpoint_lacks(const checkpoint *c, const param *p) {
  objective_list l;
  if (p->tuned) return c->model.peft.kind == PEFT_NONE || c->model.peft.kind == PEFT_BIAS;
  if (p->objective == NULL || objectives_of(&l, &c->model) != OK) return false;
  return objectives_head_slot(&l, objective_named(p->objective)) < 0;
}

void checkpoint_warn_untrained(const checkpoint *c, const char *only) {
  objective_list l;
  if (objectives_of(&l, &c->model) != OK) return;
  for (int32_t k = 0; k < l.n; k++)
    if (c->state.untrained[k] && (only == NULL || strcmp(only, l.of[k]->name) == 0))
      log_warn(
          "%s: the parameters of %s were never trained; they are random, and so is what comes out of them",
          c->dir, l.of[k]->name);
}

void checkpoint_warn_untrained_ranking(const checkpoint *c) {
  objective_list l;
  const objective *of = objectives_of(&l, &c->model) == OK ? objectives_ranking(&l) : NULL;
  if (of != NULL) checkpoint_warn_untrained(c, of->name);
}

// Is a parameter's value in `c`, one of the checkpoints that `whole` builds on, or `whole` itself?
static bool is_value_in(const checkpoint *c, const checkpoint *whole, const char *name) {
  const checkpoint *holder = whole;
  while (holder->base != NULL && checkpoint_takes_from_base(holder, name)) holder = holder->base;
  return holder == c;
}

typedef float *(*place_of)(const param_set *s, const param *p);

// What is frozen has no moments: it is passed over. whole: reads only the values that f->c has of this checkpoint.
static status read_tensors(model *m, const part_file *f, const char *group, place_of place,
                           const checkpoint *whole) {
  const param_set *s = model_params(m);
  const bool direct = model_backend(m)->host_memory; // read directly into the arena
  float *buffer = NULL;
  size_t cap = 0;
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < s->count; i++) {
    const param *p = &s->items[i];
    float *const to = place(s, p);
    if (to == NULL || checkpoint_lacks(f->c, p) || (whole != NULL && !is_value_in(f->c, whole, p->name)))
      continue;
    if (!direct) rc = mem_grow(&buffer, &cap, (size_t)p->size, sizeof *buffer, "a tensor");
    if (rc == OK) rc = read_tensor(f, group, p, direct ? to : buffer);
    if (rc == OK && !direct)
      rc = model_backend(m)->upload(model_ctx(m), to, buffer, (size_t)p->size * sizeof *buffer);
  }
  free(buffer);
  return rc;
}

// value += scale * lag, as the op average_weights does it.
static status add_lag(model *m, const part_file *f, const param *p, float *value, float *lag) {
  const backend *be = model_backend(m);
  float *const at = param_master(model_params(m), p);
  const float scale = (float)f->c->state.average_scale;
  const size_t bytes = (size_t)p->size * sizeof *value;
  TRY(read_tensor(f, "", p, lag));
  TRY(be->download(model_ctx(m), value, at, bytes));
  for (int64_t j = 0; j < p->size; j++) value[j] += scale * lag[j];
  return be->upload(model_ctx(m), at, value, bytes);
}

// Makes averages of the weights that were read from `part`, one of the checkpoints that `whole` builds on, or `whole`
// itself.
static status take_averages(model *m, const checkpoint *part, const checkpoint *whole) {
  const param_set *s = model_params(m);
  part_file f;
  float *buffer = NULL;
  size_t cap = 0;
  TRY(open_part(&f, part, "average.h5", "souk.average"));
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < s->count; i++) {
    const param *p = &s->items[i];
    if (checkpoint_lacks(part, p) || !is_value_in(part, whole, p->name) ||
        !is_in_list(part->averaged, p->name))
      continue;
    rc = mem_grow(&buffer, &cap, 2 * (size_t)p->size, sizeof *buffer, "a tensor");
    if (rc == OK) rc = add_lag(m, &f, p, buffer, buffer + p->size);
  }
  free(buffer);
  return rc;
}

static status load_lags(const checkpoint *c, model *m) {
  part_file f;
  if (c->averaged == NULL || model_params(m)->lag == NULL) return OK;
  TRY(open_part(&f, c, "average.h5", "souk.average"));
  return read_tensors(m, &f, "", param_lag, NULL);
}

static status load_moments(const checkpoint *c, model *m) {
  part_file f;
  if (!c->has_optimizer) return fail(ERR_FORMAT, "%s holds no optimiser state to resume from", c->dir);
  TRY(open_part(&f, c, "optimizer.h5", "souk.optimizer"));
  TRY(read_tensors(m, &f, "m", param_m, NULL));
  return read_tensors(m, &f, "v", param_v, NULL);
}

// A model that has content keeps it, and learns which items were trained on before.
static status load_content(const checkpoint *c, model *m) {
  char path[PATH_MAX + 64];
  item_content *read;
  if (model_get_config(m)->items == ITEMS_ID || c->model.items == ITEMS_ID) return OK;
  TRY(path_join(path, sizeof path, c->dir, "content.h5"));
  TRY(item_content_read(&read, path, &c->model));
  const status rc = model_add_items(m, read);
  item_content_free(read);
  return rc;
}

static status load_importance(const checkpoint *c, model *m) {
  part_file f;
  if (model_params(m)->ipt == NULL) return OK;
  if (json_object_get(c->files, "importance.h5") == NULL)
    return fail(ERR_FORMAT, "%s holds no importance of ranks to resume from (adalora)", c->dir);
  TRY(open_part(&f, c, "importance.h5", "souk.importance"));
  TRY(read_tensors(m, &f, "ipt", param_ipt, NULL));
  return read_tensors(m, &f, "unc", param_unc, NULL);
}

// The first of those that c builds on whose weights have to be folded; NULL: there is none.
static const checkpoint *folded_base(const checkpoint *c) {
  const checkpoint *part = c->base;
  while (part != NULL && !checkpoint_is_folded(part)) part = part->base;
  return part;
}

status checkpoint_load(const checkpoint *c, model *m, bool with_optimizer) {
  part_file f;
  const checkpoint *folded = folded_base(c);
  TRY(load_content(c, m));
  if (folded != NULL) TRY(checkpoint_read_folded(folded, m, c));
  for (const checkpoint *part = c; part != folded; part = part->base) {
    TRY(open_part(&f, part, "model.h5", "souk.parameters"));
    TRY(read_tensors(m, &f, "", param_master, c));
    const bool as_they_are = part == c && (with_optimizer || c->raw);
    if (part->averaged != NULL && !as_they_are) TRY(take_averages(m, part, c));
  }
  if (with_optimizer) TRY(load_moments(c, m));
  if (with_optimizer) TRY(load_lags(c, m));
  if (with_optimizer) TRY(load_importance(c, m));
  return params_refresh(model_params(m));
}

status checkpoint_load_folded(const checkpoint *c, model *m) {
  if (!checkpoint_is_folded(c)) return checkpoint_load(c, m, false);
  TRY(load_content(c, m));
  TRY(checkpoint_read_folded(c, m, NULL));
  return params_refresh(model_params(m));
}
