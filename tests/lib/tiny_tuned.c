// Small tuned models; see tiny_tuned.h.
#include "lib/tiny_tuned.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "convert/export.h"
#include "lib/check.h"
#include "model/checkpoint.h"

static const char *in(const char *dir, const char *name, char path[PATH_MAX]) {
  check_ok(path_join(path, PATH_MAX, dir, name));
  return path;
}

void tiny_tuned(const char *dir, const char *name, const peft_config *peft, uint32_t seed) {
  char path[PATH_MAX], data[PATH_MAX];
  checkpoint *base;
  dataset *d;
  model *m;
  check_ok(checkpoint_open(&base, in(dir, "checkpoint", path)));
  check_ok(dataset_open(&d, in(dir, "data", data), false));
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
    assert_int_equal(p->tuned, p->trainable);
    for (int64_t j = 0; p->tuned && j < p->size; j++) param_master(s, p)[j] = 0.5f * (float)rng_normal(&r);
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
                                      .base = &b};
  check_ok(checkpoint_write(in(dir, name, data), &content));
  model_free(m);
  dataset_close(d);
  checkpoint_close(base);
}

void tiny_adapted_bundle(const char *dir) {
  static const peft_config low = {.kind = PEFT_LORA, .rank = 3, .alpha = 6, .targets = "query,output.dense"},
                           wide = {.kind = PEFT_ADAPTER, .rank = 8, .adapter_width = 5};
  char from[PATH_MAX], bundle[PATH_MAX], list[2 * PATH_MAX + 32], a[PATH_MAX], b[PATH_MAX];
  tiny_tuned(dir, "low", &low, 71);
  tiny_tuned(dir, "wide", &wide, 72);
  snprintf(list, sizeof list, "%s,%s", in(dir, "low", a), in(dir, "wide", b));
  const export_config c = {.force = true, .with_mix = true, .adapters = list};
  check_ok(export_bundle_as(in(dir, "checkpoint", from), in(dir, "bundle", bundle), &c, NULL));
}
