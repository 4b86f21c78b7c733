// CHECKPOINT/mix; see mix_file.h.
#include "eval/mix_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/memory.h"
#include "base/tensor_file.h"

enum { SETTINGS_MAX = 1 << 20 };
#define TABLE_MAX ((size_t)1 << 40)

static const char *const table_names[] = {"train.safetensors", "final.safetensors"};

// ---- writing -------------------------------------------------------------------------------------------------

static json_t *sum_json(const mix_sum *s) {
  json_t *terms = json_array();
  for (int32_t i = 0; i < s->n; i++)
    json_array_append_new(terms, json_pack("[f,f]", s->terms[i].gain, s->terms[i].weight));
  return json_pack("{s:s,s:i,s:f,s:f,s:f,s:f,s:o}", "channel", mix_channel_names[s->channel], "span", s->span,
                   "decay", s->decay, "row_power", s->row_power, "row_shrink", s->row_shrink, "column_power",
                   s->column_power, "terms", terms);
}

status mix_settings_json(const mix *x, json_t **out) {
  const mix_config *c = mix_get_config(x);
  json_t *sums = json_array();
  for (int32_t i = 0; i < c->n; i++) json_array_append_new(sums, sum_json(&c->sums[i]));
  *out = json_pack("{s:f,s:f,s:f,s:f,s:f,s:i,s:i,s:f,s:s,s:o}", "scale", c->scale, "popularity",
                   c->popularity, "unseen", c->unseen, "reached", c->reached, "reached_popularity",
                   c->reached_popularity, "neighbours", c->neighbours, "window", c->window, "distance_power",
                   c->distance_power, "counted", c->counted, "sums", sums);
  return *out != NULL ? OK : fail(ERR_MEMORY, "out of memory: the settings of a mix");
}

static status write_table(const char *dir, const char *name, const mix_table *t) {
  const int64_t entries = t->offsets[t->items];
  const size_t items = (size_t)t->items, n = (size_t)entries;
  tensor list[] = {{.name = "counts", .dtype = "I64", .ndim = 1, .shape = {t->items}},
                   {.name = "offsets", .dtype = "I64", .ndim = 1, .shape = {(int64_t)t->items + 1}},
                   {.name = "others", .dtype = "I32", .ndim = 1, .shape = {entries}},
                   {.name = "weights", .dtype = "F32", .ndim = 2, .shape = {MIX_CHANNELS, entries}}};
  char path[PATH_MAX];
  out_file *f = NULL;
  TRY(path_join(path, sizeof path, dir, name));
  status rc = tensor_file_begin(&f, path, list, 4, "\"format\":\"pt\",\"channels\":\"next, later, earlier\"");
  if (rc == OK) rc = out_write(f, t->counts, items * sizeof *t->counts);
  if (rc == OK) rc = out_write(f, t->offsets, (items + 1) * sizeof *t->offsets);
  if (rc == OK) rc = out_write(f, t->others, n * sizeof *t->others);
  for (int k = 0; rc == OK && k < MIX_CHANNELS; k++)
    rc = out_write(f, t->weights[k], n * sizeof **t->weights);
  return out_finish(f, rc);
}

static status write_settings(const char *dir, const checkpoint *c, const mix *x, json_t *files) {
  char path[PATH_MAX];
  json_t *settings;
  TRY(path_join(path, sizeof path, dir, "mix.json"));
  TRY(mix_settings_json(x, &settings));
  json_t *j =
      json_pack("{s:s,s:i,s:s,s:s,s:o,s:O}", "schema", "souk.mix", "version", 1, "created_by",
                "souk " SOUK_VERSION, "model_sha256", c->model_sha256, "mix", settings, "files", files);
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: the settings of a mix");
  const status rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

status mix_save(const checkpoint *c, const mix *x, const mix_table *last) {
  const mix_table *const tables[] = {mix_get_table(x), last};
  char place[PATH_MAX];
  out_dir *dir;
  json_t *files = json_object();
  TRY(path_join(place, sizeof place, c->dir, "mix"));
  status rc = out_dir_open(&dir, place, PATH_NOTHING, true);
  if (rc == OK) {
    for (int i = 0; rc == OK && i < 2; i++) {
      if (tables[i] == NULL) continue;
      rc = write_table(out_dir_path(dir), table_names[i], tables[i]);
      if (rc == OK) rc = file_list_add(files, out_dir_path(dir), table_names[i], NULL);
    }
    if (rc == OK) rc = write_settings(out_dir_path(dir), c, x, files);
    rc = out_dir_finish(dir, rc);
  }
  json_decref(files);
  return rc;
}

// ---- reading -------------------------------------------------------------------------------------------------

static status path_of(char path[PATH_MAX], const checkpoint *c, const char *name) {
  char dir[PATH_MAX];
  TRY(path_join(dir, sizeof dir, c->dir, "mix"));
  return path_join(path, PATH_MAX, dir, name);
}

status mix_table_path(const checkpoint *c, bool final, char path[PATH_MAX]) {
  return path_of(path, c, table_names[final]);
}

bool mix_is_there(const checkpoint *c, bool final) {
  char path[PATH_MAX];
  return path_of(path, c, "mix.json") == OK && file_exists(path) && mix_table_path(c, final, path) == OK &&
         file_exists(path);
}

// mix.json as a tree, for the reader that the inference module has too, after its files have been verified.
static status read_settings(mix_config *out, const checkpoint *c, const char *path, const char *text,
                            size_t bytes) {
  jtree tree = {0};
  format_error e;
  status rc = OK;
  if (!jtree_parse(&tree, text, bytes))
    rc =
        fail(tree.memory ? ERR_MEMORY : ERR_FORMAT, "%s line %lld: %s", path, (long long)tree.line, tree.why);
  const jnode *schema = rc == OK ? jtree_get(&tree, tree.nodes, "schema") : NULL,
              *version = rc == OK ? jtree_get(&tree, tree.nodes, "version") : NULL,
              *sha = rc == OK ? jtree_get(&tree, tree.nodes, "model_sha256") : NULL;
  if (rc == OK && (schema == NULL || schema->kind != J_STRING || strcmp(schema->text, "souk.mix") != 0))
    rc = fail(ERR_FORMAT, "%s: field \"schema\" must be \"souk.mix\"", path);
  if (rc == OK && (version == NULL || !version->is_integer || version->integer != 1))
    rc = fail(ERR_FORMAT,
              "%s: field \"version\" must be 1, which is the one that souk " SOUK_VERSION " reads", path);
  if (rc == OK && (sha == NULL || sha->kind != J_STRING || strcmp(sha->text, c->model_sha256) != 0))
    rc = fail(ERR_FORMAT, "%s: the mix was learned for another model than that of the checkpoint beside it",
              path);
  if (rc == OK && !mix_config_read(out, &tree, jtree_get(&tree, tree.nodes, "mix"), path, &e))
    rc = fail_format(&e);
  jtree_free(&tree);
  return rc;
}

static status verify_files(const checkpoint *c, const char *manifest, const char *text) {
  char dir[PATH_MAX];
  TRY(path_join(dir, sizeof dir, c->dir, "mix"));
  json_t *j = json_loads(text, 0, NULL);
  const file_list_check check = {.dir = dir, .manifest = manifest, .contents = true};
  const status rc = file_list_verify(json_object_get(j, "files"), &check);
  json_decref(j);
  return rc;
}

static status read_table(mix_table *t, const checkpoint *c, bool final) {
  char path[PATH_MAX], *data;
  size_t bytes;
  format_error e;
  const int32_t items = c->data.range_end[RANGE_ITEMS] - c->data.range_end[RANGE_ATTRIBUTES];
  TRY(mix_table_path(c, final, path));
  TRY(file_read(path, TABLE_MAX, &data, &bytes));
  const bool good = mix_table_read(t, items, data, bytes, path, &e);
  free(data);
  return good ? OK : fail_format(&e);
}

status mix_open(mix **out, const checkpoint *c, bool final) {
  char path[PATH_MAX], *text;
  size_t bytes;
  mix_config config;
  mix_table table;
  format_error e;
  *out = NULL;
  if (!mix_is_there(c, final))
    return fail(ERR_NOT_FOUND, "%s has no mix%s", c->dir, final ? " with final counts" : "");
  TRY(path_of(path, c, "mix.json"));
  TRY(file_read(path, SETTINGS_MAX, &text, &bytes));
  status rc = read_settings(&config, c, path, text, bytes);
  if (rc == OK) rc = verify_files(c, path, text);
  free(text);
  TRY(rc);
  if (final) snprintf(config.counted, sizeof config.counted, "train and validation");
  TRY(read_table(&table, c, final));
  return mix_new(out, &config, &table, &e) ? OK : fail_format(&e);
}
