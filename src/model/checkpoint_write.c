// Writing checkpoints; see checkpoint.h.
//
// The directory is written under a temporary name, every part fsynced and the manifest after them, and renamed when it is
// complete. Tensors keep their logical shape and name, so another number of ranks, or another backend, reads the same
// files.
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
#include "data/item_texts.h"
#include "hdf5/hdf5_glue.h"
#include "model/checkpoint_base.h"
#include "model/item_vectors.h"

// ---- parts ---------------------------------------------------------------------------------------------------

typedef const float *(*value_of)(const param_values *v, const param *p);

// Is it left to the base, where there is one? What tunes the base is not in it, even if it is frozen.
static bool is_of_base(const param *p) {
  return !p->trainable && !p->tuned;
}

// Writes the values of all parameters that have them (frozen ones have no moments) as datasets GROUP/NAME. The HDF5
// lock is taken for each tensor separately, so that a batcher that needs HDF5 for its next block does not wait for
// the whole file.
static status write_tensors(const checkpoint_content *c, hid_t file, const char *path, const char *group,
                            value_of value) {
  for (int32_t i = 0; i < c->params->count; i++) {
    const param *p = &c->params->items[i];
    const float *data = value(&c->values, p);
    if (data == NULL || (c->base != NULL && is_of_base(p))) continue;
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

// A part and its groups of tensors; a part without values is not written.
typedef struct part {
  const char *name, *schema;
  struct {
    const char *name;
    value_of value;
  } groups[2];
} part;

static const part parts[] = {{"model.h5", "souk.parameters", {{"", value_master}}},
                             {"optimizer.h5", "souk.optimizer", {{"m", value_m}, {"v", value_v}}},
                             {"average.h5", "souk.average", {{"", value_lag}}},
                             {"importance.h5", "souk.importance", {{"ipt", value_ipt}, {"unc", value_unc}}}};
enum { N_PARTS = sizeof parts / sizeof *parts };

static bool has_values(const checkpoint_content *c, const part *of) {
  for (int32_t i = 0; i < c->params->count; i++)
    if (of->groups[0].value(&c->values, &c->params->items[i]) != NULL) return true;
  return false;
}

static status write_part(const checkpoint_content *c, const char *dir, const part *of, json_t *files) {
  char path[PATH_MAX + 64];
  const char *name = of->name;
  TRY(path_join(path, sizeof path, dir, name));
  hid_t file;
  h5_lock();
  status rc = h5_create(&file, path, of->schema, 1);
  h5_unlock();
  TRY(rc);
  for (int k = 0; rc == OK && k < 2 && of->groups[k].value != NULL; k++)
    rc = write_tensors(c, file, path, of->groups[k].name, of->groups[k].value);
  h5_lock();
  rc = h5_finish(file, path, rc);
  h5_unlock();
  TRY(rc);
  TRY(file_sync(path));
  return file_list_add(files, dir, name, NULL);
}

// Written and not copied, because not every data set has its vocabulary in such a file.
static status write_vocabulary(const checkpoint_content *c, const char *dir, json_t *files) {
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, dir, "vocab.tsv"));
  TRY(vocab_write(dataset_vocab(c->data), path));
  return file_list_add(files, dir, "vocab.tsv", NULL);
}

// A file of the checkpoint that this one is made of, if that has it.
static status inherit(const checkpoint *from, const char *name, const char *dir, json_t *files) {
  char manifest[PATH_MAX + 64];
  if (json_object_get(from->files, name) == NULL) return OK;
  TRY(path_join(manifest, sizeof manifest, from->dir, "manifest.json"));
  TRY(file_list_copy(from->files, &(file_list_check){.dir = from->dir, .manifest = manifest}, name, dir));
  return file_list_add(files, dir, name, NULL);
}

// A catalogue that is no longer the one of the manifest is left out, and told: a run does not end for it.
static status copy_catalogue(const checkpoint_content *c, const char *dir, json_t *files) {
  if (c->heir_of != NULL) return inherit(c->heir_of, "catalogue.jsonl", dir, files);
  if (!dataset_lists(c->data, "catalogue.jsonl")) return OK;
  const status rc = dataset_copy_file(c->data, "catalogue.jsonl", dir);
  if (rc == OK) return file_list_add(files, dir, "catalogue.jsonl", NULL);
  if (rc != ERR_FORMAT && rc != ERR_CHECKSUM && rc != ERR_NOT_FOUND) return rc;
  log_warn("%s; the checkpoint is written without a catalogue", fail_message());
  return OK;
}

static status write_content(const checkpoint_content *c, const char *dir, json_t *files) {
  char path[PATH_MAX + 64];
  if (c->model->items == ITEMS_ID) return OK;
  if (c->items == NULL)
    return fail(ERR_INTERNAL, "%s: a model of items with content is written without it", dir);
  TRY(path_join(path, sizeof path, dir, "content.h5"));
  TRY(item_content_write(c->items, path));
  return file_list_add(files, dir, "content.h5", NULL);
}

// The second segments of a model of pairs: the texts that the items had in training, where their rows had none.
static status write_texts(const checkpoint_content *c, const char *dir, json_t *files) {
  static const char name[] = "texts.safetensors";
  if (c->heir_of != NULL) return inherit(c->heir_of, name, dir, files);
  const item_texts *t = dataset_known_texts(c->data);
  char path[PATH_MAX + 64];
  json_t *labels = dataset_labels(c->data);
  const char *task = json_string_value(json_object_get(labels, "task"));
  const bool pairs = task != NULL && strcmp(task, "pair") == 0;
  json_decref(labels);
  if ((!pairs && c->model->copy_classes == 0) || t == NULL) return OK;
  TRY(path_join(path, sizeof path, dir, name));
  TRY(item_texts_write_tensors(t, path));
  return file_list_add(files, dir, name, NULL);
}

static status write_extra(const checkpoint_content *c, const char *dir, json_t *files) {
  if (c->extra == NULL) return OK;
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, dir, c->extra_name));
  TRY(c->extra(c->extra_self, path));
  TRY(file_sync(path));
  return file_list_add(files, dir, c->extra_name, NULL);
}

static json_t *data_to_json(const dataset_info *d) {
  json_t *ranges = json_array(), *events = json_array();
  int bad = 0;
  for (int r = 0; r < RANGE_COUNT; r++) bad |= json_array_append_new(ranges, json_integer(d->range_end[r]));
  for (int32_t e = 0; e < d->n_event_types; e++)
    bad |= json_array_append_new(events, json_string(d->event_types[e]));
  json_t *j = bad == 0 ? json_pack("{s:s,s:s,s:O,s:O}", "name", d->name, "checksum", d->checksum, "range_end",
                                   ranges, "event_types", events)
                       : NULL;
  json_decref(ranges);
  json_decref(events);
  if (j == NULL || split_into_json(&d->split, j)) return j;
  json_decref(j);
  return NULL;
}

// dir: being written, beside the place where it will be, so that the way to the base is the same from both.
static json_t *base_to_json(const checkpoint_content *c, const char *dir) {
  json_t *j = json_pack("{s:s,s:s}", "path", c->base->dir, "sha256", c->base->sha256), *names = json_array();
  char real[PATH_MAX], relative[PATH_MAX];
  int bad = j == NULL;
  if (realpath(dir, real) != NULL && base_relative(relative, real, c->base->dir))
    bad |= json_object_set_new(j, "relative", json_string(relative));
  for (int32_t i = 0; i < c->params->count; i++)
    if (is_of_base(&c->params->items[i]))
      bad |= json_array_append_new(names, json_string(c->params->items[i].name));
  bad |= json_object_set_new(j, "parameters", names);
  if (bad == 0) return j;
  json_decref(j);
  return NULL;
}

static json_t *average_to_json(const checkpoint_content *c) {
  const double scale = c->state->average_scale;
  json_t *names = json_array(), *j = json_pack("{s:f}", "scale", scale > 0 ? scale : 1.0);
  int bad = j == NULL;
  for (int32_t i = 0; i < c->params->count; i++)
    if (value_lag(&c->values, &c->params->items[i]) != NULL)
      bad |= json_array_append_new(names, json_string(c->params->items[i].name));
  bad |= json_object_set_new(j, "parameters", names);
  if (bad == 0) return j;
  json_decref(j);
  return NULL;
}

// Those that only some checkpoints have.
static int add_optional_fields(json_t *j, const checkpoint_content *c, const char *dir) {
  json_t *tokenizer = c->heir_of != NULL ? c->heir_of->tokenizer : dataset_tokenizer(c->data);
  int bad = j == NULL;
  if (c->base != NULL) bad |= json_object_set_new(j, "base", base_to_json(c, dir));
  if (c->values.lag != NULL) bad |= json_object_set_new(j, "average", average_to_json(c));
  if (tokenizer != NULL) bad |= json_object_set(j, "tokenizer", tokenizer);
  json_t *labels = c->labels != NULL    ? json_incref(c->labels)
                   : c->heir_of != NULL ? json_incref(c->heir_of->labels)
                                        : dataset_labels(c->data);
  if (labels != NULL) bad |= json_object_set(j, "labels", labels);
  json_decref(labels);
  return bad;
}

static status write_manifest(const checkpoint_content *c, const char *dir, json_t *files) {
  char path[PATH_MAX + 64];
  TRY(path_join(path, sizeof path, dir, "manifest.json"));
  objective_list objectives;
  TRY(objectives_of(&objectives, c->model));
  json_t *j = json_pack("{s:s,s:i,s:s,s:o,s:o,s:o,s:s,s:O}", "schema", "souk.checkpoint", "version", 1,
                        "created_by", "souk " SOUK_VERSION, "model", model_config_to_json(c->model), "state",
                        train_state_to_json(c->state, &objectives), "data",
                        data_to_json(dataset_get_info(c->data)), "config", c->config_yaml, "files", files);
  if (add_optional_fields(j, c, dir) != 0) {
    json_decref(j);
    j = NULL;
  }
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(j);
  if (text == NULL)
    return fail(ERR_MEMORY, "cannot compose %s: out of memory, or a name that is not UTF-8", path);
  const status rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status write_all(const char *dir, const checkpoint_content *c, json_t *files) {
  if (files == NULL) return fail(ERR_MEMORY, "out of memory: cannot write %s", dir);
  for (int k = 0; k < N_PARTS; k++)
    if (k == 0 || has_values(c, &parts[k])) TRY(write_part(c, dir, &parts[k], files));
  TRY(write_vocabulary(c, dir, files));
  TRY(copy_catalogue(c, dir, files));
  TRY(write_content(c, dir, files));
  TRY(write_texts(c, dir, files));
  TRY(write_extra(c, dir, files));
  TRY(write_manifest(c, dir, files));
  return c->beside != NULL ? c->beside(c->beside_self, dir) : OK;
}

status checkpoint_write(const char *dir, const checkpoint_content *c) {
  out_dir *place;
  TRY(out_dir_open(&place, dir, c->over, c->force));
  json_t *files = json_object();
  const status rc = write_all(out_dir_path(place), c, files);
  json_decref(files);
  return out_dir_finish(place, rc);
}
