// See mixed_bundle.h.
#include "lib/mixed_bundle.h"

#include "base/file.h"
#include "convert/export.h"
#include "lib/check.h"
#include "lib/hostile.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_mix.h"

// A mix for the checkpoint, and the bundle again with it.
static void add_mix(mixed_bundle *b, dataset *d) {
  static const mix_config settings = {
      .scale = 1,
      .popularity = 0.1,
      .neighbours = 3,
      .window = 2,
      .counted = "train",
      .n = 1,
      .sums = {{.channel = MIX_NEXT, .span = 2, .decay = 0.5, .n = 1, .terms = {{1, 0.5}}}}};
  char place[PATH_MAX];
  mix *x = tiny_mix_saved(b->root, d, EVAL_VALID, &settings);
  b->mix_others = 2 * (MIXED_ITEMS + MIXED_ITEMS + 1);
  b->mix_weights = b->mix_others + (int32_t)mix_get_table(x)->offsets[MIXED_ITEMS];
  mix_free(x);
  check_ok(path_join(place, sizeof place, b->root, "checkpoint"));
  check_ok(export_bundle(place, b->good, &(export_config){.force = true, .with_mix = true}, NULL));
}

void mixed_bundle_make(mixed_bundle *b) {
  char data[PATH_MAX];
  dataset *d;
  tiny_directory(b->root, sizeof b->root);
  check_ok(path_join(b->good, sizeof b->good, b->root, "bundle"));
  check_ok(path_join(b->evil, sizeof b->evil, b->root, "evil"));
  check_ok(path_join(data, sizeof data, b->root, "data"));
  tiny_dataset(data, 6, MIXED_ITEMS, 0);
  static const char catalogue[] =
      "{\"item\":\"item1\",\"title\":\"Tea \\u2013 gr\xc3\xbcn\",\"price\":\"3.5\"}\n"
      "{\"item\":\"item2\"}\n{\"item\":\"of another shop\",\"title\":\"x\"}\n"
      "{\"item\":\"item3\",\"title\":\"old\"}\n{\"item\":\"item3\",\"title\":\"new\"}\n";
  tiny_list(data, "catalogue.jsonl", catalogue, sizeof catalogue - 1);
  check_ok(dataset_open(&d, data, false));
  model_config c = tiny_config();
  c.hidden = MIXED_H;
  c.layers = 1;
  model *m = tiny_model(d, &c);
  tiny_export(b->root, m, d);
  add_mix(b, d);
  hostile_of(b->good, b->evil);
  model_free(m);
  dataset_close(d);
}

void mixed_bundle_remove(const mixed_bundle *b) {
  tiny_remove(b->root);
}
