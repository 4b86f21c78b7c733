// Whole bundles that have all there is, with some of their bytes changed: texts of items, content, labels, words and adapters. The input
// is a byte for the kind of bundle and then patches as in fuzz_bundle.c: a byte for the file, two for the place, one for the number of
// bytes, and the bytes. What opens answers every call that it has, soundly or with a sentence.
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "fuzz/bundles.h"
#include "fuzz/fuzz.h"
#include "lib/rich_bundle.h"

enum { MOST_FILES = 8, K = 4 };
static const char *const names[RICH_KINDS][MOST_FILES] = {
    [RICH_RANKS] = {"souk.json", "content.safetensors", "model.safetensors",
                    "adapters/de/adapter_config.json", "adapters/de/adapter_model.safetensors",
                    "adapters/sale/adapter_config.json", "adapters/sale/adapter_model.safetensors",
                    "vocab.tsv"},
    [RICH_CLASSIFIES] = {"souk.json", "model.safetensors", "config.json", "vocab.tsv",
                         "adapters/de/labels.json"},
    [RICH_PAIRS] = {"souk.json", "texts.safetensors", "model.safetensors", "vocab.tsv",
                    "adapters/sale/labels.json"}};

typedef struct patched {
  int fd;
  char *data;
  size_t bytes;
  bool changed;
} patched;

static char dirs[RICH_KINDS][PATH_MAX];
static patched files[RICH_KINDS][MOST_FILES];
static int counts[RICH_KINDS];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  fuzz_silence();
  for (int k = 0; k < RICH_KINDS; k++) {
    char made[PATH_MAX], path[PATH_MAX], name[16];
    snprintf(name, sizeof name, "kind%d", k);
    require_ok(path_join(made, sizeof made, fuzz_directory(), name));
    require_ok(dir_make(made));
    rich_bundle(made, (rich_kind)k);
    require_ok(path_join(dirs[k], sizeof dirs[k], made, "bundle"));
    for (int i = 0; i < MOST_FILES && names[k][i] != NULL; i++) {
      patched *f = &files[k][i];
      require_ok(path_join(path, sizeof path, dirs[k], names[k][i]));
      require_ok(file_read(path, 1 << 24, &f->data, &f->bytes));
      f->fd = open(path, O_RDWR | O_CLOEXEC);
      require(f->fd >= 0);
      counts[k]++;
    }
  }
  return 0;
}

static void apply(int kind, const uint8_t *data, size_t bytes) {
  while (bytes > 4) {
    patched *f = &files[kind][data[0] % counts[kind]];
    const size_t at = (size_t)data[1] | (size_t)data[2] << 8;
    size_t n = data[3];
    data += 4;
    bytes -= 4;
    if (n > bytes) n = bytes;
    if (at + n <= f->bytes) {
      require(pwrite(f->fd, data, n, (off_t)at) == (ssize_t)n);
      f->changed = true;
    }
    data += n;
    bytes -= n;
  }
}

static void restore(int kind) {
  for (int i = 0; i < counts[kind]; i++) {
    patched *f = &files[kind][i];
    if (f->changed) require(pwrite(f->fd, f->data, f->bytes, 0) == (ssize_t)f->bytes);
    f->changed = false;
  }
}

// ---- what is asked -------------------------------------------------------------------------------------------

static const char *const texts[] = {"w0 w3a", "", "stranger w9 [MASK]"};
static const char *const history[] = {"item1", "item0", "item39", "nothing"};

// Good, or refused in a sentence: weights may be so large that numbers overflow, and words may have gone.
static bool answered(souk_status rc, const souk_error *e) {
  require(rc == SOUK_OK || ((rc == SOUK_ERR_NONFINITE || rc == SOUK_ERR_ARGUMENT) && e->message[0] != '\0'));
  return rc == SOUK_OK;
}

static void check_numbers(const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) require(isfinite(x[i]));
}

static void ask_ranks(const souk_bundle *b, const souk_info *info) {
  static const souk_product products[] = {{.text = "w1 w2"}, {.text = NULL}};
  const char *const beside[] = {NULL, "w3 w4", NULL, NULL};
  const int32_t items[] = {0, 1};
  souk_error e;
  float *v = malloc(4 * (size_t)info->dimension * sizeof *v);
  souk_explanation why[2];
  float shares[8];
  require(v != NULL);
  for (int32_t adapter = 0; adapter <= info->adapters; adapter++) {
    const souk_query q[] = {{.history = {.n = 0}, .adapter = adapter},
                            {.history = {.n = 4, .names = history}, .adapter = adapter}};
    const souk_embed_options o = {.adapter = adapter};
    if (info->unranked == 0) check_ranks(b, q, 2, K);
    if (answered(souk_query_vectors(b, q, 2, 1, v, NULL, &e), &e))
      check_numbers(v, 2 * (size_t)info->dimension);
    if (answered(souk_embed_texts(b, texts, NULL, 3, &o, v, NULL, &e), &e))
      check_numbers(v, 3 * (size_t)info->hidden);
  }
  if (answered(souk_item_vectors_of_products(b, products, 2, v, NULL, &e), &e))
    check_numbers(v, 2 * (size_t)info->dimension);
  for (int32_t method = SOUK_WHY_LEAVE_ONE_OUT; method <= SOUK_WHY_INTEGRATED_GRADIENTS; method++) {
    const souk_explain_options o = {.method = method, .tolerance = 1};
    const souk_history h = {.n = 4, .names = history, .texts = info->has_words ? beside : NULL};
    if (answered(souk_explain(b, &h, items, 2, &o, why, shares, &e), &e)) check_numbers(shares, 8);
  }
  free(v);
}

static void ask_labels(const souk_bundle *b, const souk_info *info) {
  const souk_pair pairs[] = {{.history = {.n = 4, .names = history}, .item = 5},
                             {.item = 0},
                             {.item = -1, .product = {.text = "w1"}}};
  souk_error e;
  float *out = malloc(3 * (size_t)info->labels * sizeof *out);
  require(out != NULL);
  for (int32_t adapter = 0; adapter <= info->adapters; adapter++) {
    const souk_label_options o = {.adapter = adapter};
    const souk_status rc = info->labels_pairs
                               ? souk_score_pairs(b, pairs, info->has_words ? 3 : 2, &o, out, &e)
                               : souk_classify(b, texts, NULL, 3, &o, out, &e);
    if (answered(rc, &e))
      for (int32_t i = 0; i < 2 * info->labels; i++) require(out[i] >= 0 && out[i] <= 1);
  }
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  souk_bundle *b;
  souk_info info;
  souk_error e;
  if (bytes == 0) return 0;
  const int kind = data[0] % RICH_KINDS;
  apply(kind, data + 1, bytes - 1);
  const souk_status rc = souk_open(&b, dirs[kind], SOUK_SKIP_CHECKSUMS, &e);
  require((rc == SOUK_OK) == (b != NULL));
  if (rc == SOUK_OK) {
    fuzz_accepted();
    require(souk_get_info(b, &info, &e) == SOUK_OK);
    if (info.items > 0) ask_ranks(b, &info);
    if (info.labels > 0) ask_labels(b, &info);
  } else {
    require(strstr(e.message, dirs[kind]) != NULL && strchr(e.message, '\n') == NULL);
  }
  souk_close(b);
  restore(kind);
  return 0;
}
