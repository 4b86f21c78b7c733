// Small models and the bundles made of them, for tests of export and inference.
#include "lib/tiny_bundle.h"

#include <limits.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "model/checkpoint.h"
#include "convert/export.h"

model_config tiny_config(void) {
  model_config c = {.objectives = ""};
  const option_section section = {"model", "Model", model_options, n_model_options, &c};
  const option_set set = {.sections = &section, .count = 1};
  check_ok(options_defaults(&set));
  c.hidden = 16;
  c.layers = 2;
  c.heads = 2;
  c.max_positions = 10;
  return c;
}

model *tiny_model(dataset *d, model_config *c) {
  const dataset_info *info = dataset_get_info(d);
  char objectives[sizeof c->objectives];
  strcpy(objectives, c->objectives); // a run's, which resolving forgets
  check_ok(model_config_resolve(c, info->range_end, info->n_event_types));
  strcpy(c->objectives, objectives);
  const model_run run = {.caps = {.tokens = 512, .seqs = 64, .masked = 64}};
  model *m;
  check_ok(model_create(&m, "cpu", c, &run));
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

void tiny_export(const char *dir, model *m, dataset *d) {
  char checkpoint_dir[PATH_MAX], bundle[PATH_MAX];
  const train_state state = {
      .step = 7, .tokens = 1234, .best_step = 7, .best_metric = 0.5, .best_name = "ndcgtrue10"};
  check_ok(path_join(checkpoint_dir, sizeof checkpoint_dir, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  check_ok(checkpoint_write_model(checkpoint_dir, m, &state, "train:\n  steps: 7\n", d, false));
  check_ok(export_bundle(checkpoint_dir, bundle, true, true, false, NULL));
}

void tiny_bundle(const char *dir, int32_t users, int32_t items, const model_config *c) {
  char data[PATH_MAX];
  dataset *d;
  model_config own = c != NULL ? *c : tiny_config();
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_dataset(data, users, items, 0);
  check_ok(dataset_open(&d, data, false));
  model *m = tiny_model(d, &own);
  tiny_export(dir, m, d);
  model_free(m);
  dataset_close(d);
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
