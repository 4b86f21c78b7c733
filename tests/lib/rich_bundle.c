// Small bundles of all kinds; see rich_bundle.h.
#include "lib/rich_bundle.h"

#include <jansson.h>
#include <limits.h>
#include <string.h>
#include "base/file.h"
#include "convert/export.h"
#include "data/item_texts.h"
#include "data/label_set.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_texts.h"
#include "model/item_vectors.h"

static model_config config_of(rich_kind kind) {
  model_config c = tiny_config();
  c.max_positions = RICH_POSITIONS;
  c.cls_sep = true;
  c.segments = 2;
  c.item_classes = false;
  if (kind == RICH_RANKS) {
    c.items = ITEMS_CONTENT;
    c.item_features = RICH_FEATURES;
    return c;
  }
  strcpy(c.objectives, kind == RICH_PAIRS ? "pair" : "classify");
  c.labels = RICH_LABELS;
  c.label_kind = kind == RICH_PAIRS ? LABELS_SEVERAL : LABELS_SINGLE;
  return c;
}

static void add_labels(dataset *d, rich_kind kind) {
  static const char *const names[RICH_LABELS] = {"click", "cart", "buy"};
  const item_texts *texts;
  label_set l;
  if (kind == RICH_RANKS) return;
  check_ok(
      label_set_new(&l, kind == RICH_PAIRS ? "pair" : "classify", kind != RICH_PAIRS, names, RICH_LABELS));
  json_t *j = label_set_to_json(&l);
  dataset_set_labels(d, j);
  json_decref(j);
  label_set_free(&l);
  check_ok(dataset_item_texts(d, &texts)); // which checkpoints of pairs then hold
}

static void add_adapters(const char *dir) {
  static const peft_config tunings[] = {
      {.kind = PEFT_LORA, .rank = 2, .alpha = 4, .targets = "query,value"},
      {.kind = PEFT_ADAPTER, .rank = 1, .alpha = 1, .adapter_width = 3, .targets = "query"}};
  char list[2 * PATH_MAX + 32], base[PATH_MAX], bundle[PATH_MAX];
  tiny_tuned(dir, "tuned-de", &tunings[0], 31);
  tiny_tuned(dir, "tuned-sale", &tunings[1], 32);
  snprintf(list, sizeof list, "de=%s/tuned-de,sale=%s/tuned-sale", dir, dir);
  check_ok(path_join(base, sizeof base, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  check_ok(export_bundle(base, bundle, &(export_config){.force = true, .adapters = list}, NULL));
}

void rich_bundle(const char *dir, rich_kind kind) {
  char data[PATH_MAX];
  dataset *d;
  model_config c = config_of(kind);
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_texts(data, 20, RICH_ITEMS);
  check_ok(dataset_open(&d, data, false));
  add_labels(d, kind);
  model *m = tiny_model(d, &c);
  tiny_export(dir, m, d);
  model_free(m);
  dataset_close(d);
  add_adapters(dir);
}

char rich_dirs[RICH_KINDS][256];
souk_bundle *rich_ranks, *rich_classifies, *rich_pairs;

int rich_open(void **state) {
  (void)state;
  souk_bundle **const to[RICH_KINDS] = {&rich_ranks, &rich_classifies, &rich_pairs};
  for (int k = 0; k < RICH_KINDS; k++) {
    tiny_directory(rich_dirs[k], sizeof rich_dirs[k]);
    rich_bundle(rich_dirs[k], (rich_kind)k);
    *to[k] = tiny_open(rich_dirs[k]);
  }
  return 0;
}

int rich_close(void **state) {
  (void)state;
  souk_close(rich_ranks);
  souk_close(rich_classifies);
  souk_close(rich_pairs);
  for (int k = 0; k < RICH_KINDS; k++) tiny_remove(rich_dirs[k]);
  return 0;
}
