// Small models and the bundles made of them, for tests of export and inference.
#include "lib/tiny_bundle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "model/checkpoint.h"
#include "model/item_vectors.h"
#include "convert/export.h"

model_config tiny_config(void) {
  model_config c = {.objectives = ""};
  const option_section section = {"model", "Model", model_options, n_model_options, &c};
  const option_set set = {.sections = &section, .count = 1};
  check_ok(options_defaults(&set));
  check_ok(peft_from_json(&c.peft, NULL, NULL));
  c.hidden = 16;
  c.layers = 2;
  c.heads = 2;
  c.max_positions = 10;
  return c;
}

enum { TEXT_LENGTHS = 4 };

// Texts of 0 to 3 special tokens, which every vocabulary has, for words; every seventh item was never trained on.
static void give_content(model *m) {
  const model_config *c = model_get_config(m);
  const int32_t items = (int32_t)c->items_n;
  item_content content = {.items = items, .width = (int32_t)c->item_features};
  rng r = rng_at(17, 2, 0, 0);
  content.offsets = calloc((size_t)items + 1, sizeof *content.offsets);
  content.tokens = calloc((size_t)items * TEXT_LENGTHS, sizeof *content.tokens);
  content.features = calloc((size_t)(items * c->item_features) + 1, sizeof *content.features);
  content.known = calloc((size_t)items, 1);
  assert_true(content.offsets != NULL && content.tokens != NULL && content.features != NULL &&
              content.known != NULL);
  for (int32_t i = 0; i < items; i++) {
    content.offsets[i + 1] = content.offsets[i] + i % TEXT_LENGTHS;
    for (int64_t k = content.offsets[i]; k < content.offsets[i + 1]; k++)
      content.tokens[k] = (int32_t)rng_below(&r, TOKEN_SPECIALS);
    content.known[i] = i % 7 != 0;
  }
  for (int64_t k = 0; k < items * c->item_features; k++) content.features[k] = (float)rng_normal(&r);
  check_ok(model_set_items(m, &content));
  free(content.offsets);
  free(content.tokens);
  free(content.features);
  free(content.known);
}

// What item_content_describe would say of such texts.
static void describe_content(model_config *c, const dataset_info *info, int64_t features) {
  if (c->items == ITEMS_ID) return;
  c->item_base = info->range_end[RANGE_ATTRIBUTES];
  c->items_n = info->range_end[RANGE_ITEMS] - c->item_base;
  for (int64_t i = 0; i < c->items_n; i++) c->item_words += i % TEXT_LENGTHS;
  c->item_features = features;
}

model *tiny_model(dataset *d, model_config *c) {
  const dataset_info *info = dataset_get_info(d);
  const int64_t features = c->item_features;
  char objectives[sizeof c->objectives];
  strcpy(objectives, c->objectives); // a run's, which resolving forgets
  check_ok(model_config_resolve(c, info->range_end, info->n_event_types));
  strcpy(c->objectives, objectives);
  if (strcmp(objectives, "copy") == 0) c->copy_classes = info->range_end[RANGE_ATTRIBUTES];
  describe_content(c, info, features);
  const model_run run = {.caps = {.tokens = 512, .seqs = 64, .masked = 64}};
  model *m;
  check_ok(model_create(&m, "cpu", c, &run));
  if (c->items != ITEMS_ID) give_content(m);
  const param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++) {
    float *p = param_master(s, &s->items[i]);
    rng r = rng_at(17, 1, (uint32_t)i, 0);
    const double middle = s->items[i].init == INIT_ONE ? 1.0 : 0.0, spread = 0.3;
    for (int64_t j = 0; j < s->items[i].size; j++)
      p[j] = (float)(middle + spread * (2.0 * rng_unit(&r) - 1.0));
  }
  check_ok(params_refresh(model_params(m)));
  return m;
}

status tiny_checkpoint(const char *dir, model *m, const train_state *state, const char *config_yaml,
                       const dataset *d, bool moments) {
  checkpoint_content c = {.model = model_get_config(m),
                          .params = model_params(m),
                          .state = state,
                          .config_yaml = config_yaml,
                          .data = d,
                          .items = model_items(m)};
  float *copy;
  TRY(params_to_host(c.params, moments, &c.values, &copy));
  const status rc = checkpoint_write(dir, &c);
  free(copy);
  return rc;
}

void tiny_export(const char *dir, model *m, dataset *d) {
  char checkpoint_dir[PATH_MAX], bundle[PATH_MAX];
  const train_state state = {
      .step = 7, .tokens = 1234, .best_step = 7, .best_metric = 0.5, .best_name = "ndcgtrue10"};
  check_ok(path_join(checkpoint_dir, sizeof checkpoint_dir, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  check_ok(tiny_checkpoint(checkpoint_dir, m, &state, "train:\n  steps: 7\n", d, false));
  check_ok(export_bundle(checkpoint_dir, bundle, &(export_config){.force = true, .with_mix = true}, NULL));
}

void tiny_bundle_of(const char *dir, const model_config *c) {
  char data[PATH_MAX];
  dataset *d;
  model_config own = *c;
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(dataset_open(&d, data, false));
  model *m = tiny_model(d, &own);
  tiny_export(dir, m, d);
  model_free(m);
  dataset_close(d);
}

void tiny_bundle(const char *dir, int32_t users, int32_t items, const model_config *c) {
  char data[PATH_MAX];
  const model_config usual = tiny_config();
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_dataset(data, users, items, 0);
  tiny_bundle_of(dir, c != NULL ? c : &usual);
}

souk_bundle *tiny_open(const char *dir) {
  char path[PATH_MAX];
  souk_bundle *b;
  souk_error e;
  check_ok(path_join(path, sizeof path, dir, "bundle"));
  if (souk_open(&b, path, 0, &e) != SOUK_OK) fail_msg("%s", e.message);
  return b;
}

void tiny_tuned(const char *dir, const char *name, const peft_config *peft, uint32_t seed) {
  char path[PATH_MAX], data[PATH_MAX], to[PATH_MAX];
  checkpoint *base;
  dataset *d;
  model *m;
  check_ok(path_join(path, sizeof path, dir, "checkpoint"));
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(path_join(to, sizeof to, dir, name));
  check_ok(checkpoint_open(&base, path));
  check_ok(dataset_open(&d, data, false));
  model_config c = base->model;
  check_ok(peft_from_json(&c.peft, NULL, NULL)); // the defaults
  c.peft.kind = peft->kind;
  c.peft.rank = peft->rank;
  c.peft.alpha = peft->alpha;
  c.peft.rslora = peft->rslora;
  if (peft->init_rank > 0) c.peft.init_rank = peft->init_rank;
  if (peft->adapter_width > 0) c.peft.adapter_width = peft->adapter_width;
  strcpy(c.peft.targets, peft->targets);
  const model_run run = {.caps = {.tokens = 16, .seqs = 2, .masked = 2}, .training = true};
  check_ok(model_create(&m, "cpu", &c, &run));
  check_ok(checkpoint_load(base, m, false));
  const param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    rng r = rng_at(seed, 3, (uint32_t)i, 0);
    assert_true(p->tuned == p->trainable || c.peft.kind == PEFT_BIAS);
    for (int64_t j = 0; p->trainable && j < p->size; j++)
      param_master(s, p)[j] = 0.5f * (float)rng_normal(&r);
  }
  checkpoint_base b;
  train_state state = {.step = 3};
  strcpy(b.dir, path);
  strcpy(b.sha256, base->model_sha256);
  const checkpoint_content content = {.model = model_get_config(m),
                                      .params = s,
                                      .values = params_values(s),
                                      .state = &state,
                                      .config_yaml = "train:\n  steps: 3\n",
                                      .data = d,
                                      .labels = base->labels,
                                      .items = model_items(m),
                                      .base = &b};
  check_ok(checkpoint_write(to, &content));
  model_free(m);
  dataset_close(d);
  checkpoint_close(base);
}

void tiny_adapted_bundle(const char *dir) {
  static const peft_config tunings[] = {
      {.kind = PEFT_LORA, .rank = 3, .alpha = 6, .targets = "query,output.dense,word_embeddings"},
      {.kind = PEFT_ADAPTER, .rank = 8, .adapter_width = 5},
      {.kind = PEFT_BIAS, .rank = 8}};
  static const char *const names[] = {"low", "wide", "bias"};
  char from[PATH_MAX], bundle[PATH_MAX], list[4 * PATH_MAX] = "";
  for (uint32_t k = 0; k < 3; k++) {
    tiny_tuned(dir, names[k], &tunings[k], 71 + k);
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%.3000s/%s", k > 0 ? "," : "", dir,
             names[k]);
  }
  const export_config c = {.force = true, .with_mix = true, .adapters = list};
  check_ok(path_join(from, sizeof from, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  check_ok(export_bundle(from, bundle, &c, NULL));
}

void tiny_words_bundle(const char *dir, vocab *v) {
  dataset *d;
  dataset_info info = {.name = "words", .n_event_types = 1, .event_types = {"none"}};
  model_config c = tiny_config();
  memset(info.checksum, '0', 64);
  check_ok(dataset_of_vocab(&d, &info, v));
  c.cls_sep = c.pooler = true;
  c.item_classes = false;
  model *m = tiny_model(d, &c);
  tiny_export(dir, m, d);
  model_free(m);
  dataset_close(d);
}
