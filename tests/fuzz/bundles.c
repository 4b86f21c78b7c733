// Bundles and their answers; see bundles.h.
#include "fuzz/bundles.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include "base/file.h"
#include "fuzz/fuzz.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"

static const char catalogue[] = "{\"item\":\"item0\",\"title\":\"First\"}\n"
                                "{\"item\":\"item3\",\"title\":\"\xe6\xaf\x9b\xe8\xa1\xa3\",\"price\":3.5}\n";

const char *bundle_make(void) {
  static char dir[PATH_MAX];
  char data[PATH_MAX];
  dataset *d;
  model_config c = tiny_config();
  tiny_bundle(fuzz_directory(), 12, 9, NULL);
  require_ok(path_join(data, sizeof data, fuzz_directory(), "data"));
  tiny_list(data, "catalogue.jsonl", catalogue, sizeof catalogue - 1); // exported along with the rest
  require_ok(dataset_open(&d, data, false));
  model *m = tiny_model(d, &c);
  tiny_export(fuzz_directory(), m, d);
  tiny_adapted_bundle(fuzz_directory());
  model_free(m);
  dataset_close(d);
  require_ok(path_join(dir, sizeof dir, fuzz_directory(), "bundle"));
  return dir;
}

static void check_list(const souk_info *info, const int32_t *items, const float *scores, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    require(items[i] >= 0 && items[i] < info->items);
    require(isfinite(scores[i]));
    if (i > 0) require(scores[i] < scores[i - 1] || (scores[i] == scores[i - 1] && items[i] > items[i - 1]));
  }
}

souk_status check_ranks(const souk_bundle *b, const souk_query *queries, size_t n, int32_t k) {
  souk_info info;
  souk_error e;
  require(souk_get_info(b, &info, &e) == SOUK_OK);
  const size_t cells = n * (size_t)k + 1;
  int32_t *items = malloc(cells * sizeof *items), *counts = malloc((n + 1) * sizeof *counts);
  float *scores = malloc(cells * sizeof *scores);
  require(items != NULL && counts != NULL && scores != NULL);
  const souk_status rc = souk_rank(b, queries, n, k, NULL, items, scores, counts, NULL, &e);
  require(rc == SOUK_OK || (rc == SOUK_ERR_NONFINITE && e.message[0] != '\0'));
  for (size_t i = 0; rc == SOUK_OK && i < n; i++) {
    require(counts[i] >= 0 && counts[i] <= k && counts[i] <= info.items);
    check_list(&info, items + i * (size_t)k, scores + i * (size_t)k, counts[i]);
  }
  free(items);
  free(counts);
  free(scores);
  return rc;
}
