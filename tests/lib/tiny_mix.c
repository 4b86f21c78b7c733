// See tiny_mix.h.
#include "lib/tiny_mix.h"

#include <limits.h>
#include "base/file.h"
#include "eval/mix_file.h"
#include "lib/check.h"

const mix_config tiny_mix_config = {
    .scale = 0.7,
    .popularity = 0.3,
    .unseen = -2,
    .reached = 0.75,
    .reached_popularity = -0.2,
    .neighbours = 1000,
    .window = 20,
    .distance_power = 0.5,
    .counted = "train",
    .n = 3,
    .sums = {{.channel = MIX_NEXT,
              .span = 1,
              .decay = 1,
              .row_power = 1,
              .row_shrink = 2,
              .n = 2,
              .terms = {{0, 1.5}, {30, -0.25}}},
             {.channel = MIX_LATER,
              .span = 3,
              .decay = 0.6,
              .row_power = 0.5,
              .column_power = 0.5,
              .n = 1,
              .terms = {{3, 2}}},
             {.channel = MIX_EARLIER, .span = 50, .decay = 1, .row_power = 0, .n = 1, .terms = {{0, 0.1}}}}};

mix *tiny_mix(dataset *d, eval_part before, const mix_config *c, const mix_count_config *count) {
  mix_table t;
  mix *x;
  format_error e;
  check_ok(mix_count(&t, d, before, count));
  assert_true(mix_new(&x, c, &t, &e));
  return x;
}

mix *tiny_mix_saved(const char *dir, dataset *d, eval_part before, const mix_config *c) {
  const mix_count_config count = {.neighbours = c->neighbours,
                                  .window = c->window,
                                  .distance_power = c->distance_power,
                                  .memory = 1 << 20};
  char place[PATH_MAX];
  checkpoint *saved;
  mix *x = tiny_mix(d, before, c, &count);
  check_ok(path_join(place, sizeof place, dir, "checkpoint"));
  check_ok(checkpoint_open(&saved, place));
  check_ok(mix_save(saved, x, NULL));
  checkpoint_close(saved);
  return x;
}
