// A whole bundle with some of its bytes changed. The input is a list of patches to a small real bundle: a
// byte for the file, two for the place, one for the number of bytes, and the bytes. Checksums are left out,
// as an attacker would mend them. A bundle that opens answers, and its answers are sound.
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "fuzz/bundles.h"
#include "fuzz/fuzz.h"

static const char *const names[] = {"vocab.tsv",
                                    "items.safetensors",
                                    "model.safetensors",
                                    "catalogue.jsonl",
                                    "config.json",
                                    "adapters/low/adapter_config.json",
                                    "adapters/low/adapter_model.safetensors",
                                    "adapters/wide/adapter_config.json",
                                    "adapters/wide/adapter_model.safetensors",
                                    "adapters/bias/adapter_config.json",
                                    "adapters/bias/adapter_model.safetensors"};
enum { FILES = sizeof names / sizeof *names };

static const char *dir;
static struct {
  int fd;
  char *data;
  size_t bytes;
  bool changed;
} files[FILES];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  dir = bundle_make();
  for (int i = 0; i < FILES; i++) {
    char path[PATH_MAX];
    require_ok(path_join(path, sizeof path, dir, names[i]));
    require_ok(file_read(path, 1 << 24, &files[i].data, &files[i].bytes));
    files[i].fd = open(path, O_RDWR | O_CLOEXEC);
    require(files[i].fd >= 0);
  }
  return 0;
}

static void apply(const uint8_t *data, size_t bytes) {
  while (bytes > 4) {
    const int i = data[0] % FILES;
    const size_t at = (size_t)data[1] | (size_t)data[2] << 8;
    size_t n = data[3];
    data += 4;
    bytes -= 4;
    if (n > bytes) n = bytes;
    if (at + n <= files[i].bytes) {
      require(pwrite(files[i].fd, data, n, (off_t)at) == (ssize_t)n);
      files[i].changed = true;
    }
    data += n;
    bytes -= n;
  }
}

static void restore(void) {
  for (int i = 0; i < FILES; i++)
    if (files[i].changed)
      require(pwrite(files[i].fd, files[i].data, files[i].bytes, 0) == (ssize_t)files[i].bytes);
  for (int i = 0; i < FILES; i++) files[i].changed = false;
}

// Both ways of an explanation, by an adapter.
static void check_why(const souk_bundle *b, const souk_history *h, int32_t adapter) {
  for (int32_t way = SOUK_WHY_LEAVE_ONE_OUT; way <= SOUK_WHY_INTEGRATED_GRADIENTS; way++) {
    const souk_explain_options o = {.method = way, .adapter = adapter};
    const int32_t item = 0;
    float shares[5];
    souk_explanation out;
    souk_error e;
    const souk_status rc = souk_explain(b, h, &item, 1, &o, &out, shares, &e);
    require(rc == SOUK_OK || (rc == SOUK_ERR_NONFINITE && e.message[0] != '\0') ||
            souk_find_item(b, "item0") < 0);
    if (rc == SOUK_OK) require(isfinite(out.score) && isfinite(out.rest));
  }
}

static void ask(const souk_bundle *b) {
  static const char *const history[] = {"item1", "item0", "item0", "item8", "nothing"};
  souk_query queries[] = {{.history = {.n = 0}}, {.history = {.n = 5, .names = history}}};
  char title[16];
  check_ranks(b, queries, 2, 4);
  for (int32_t k = 1; souk_adapter_name(b, k) != NULL; k++) {
    queries[0].adapter = queries[1].adapter = k;
    check_ranks(b, queries, 2, 4);
    check_why(b, &queries[1].history, k);
  }
  for (int32_t i = -1; i < 10; i++) {
    size_t bytes;
    const char *name = souk_item_name(b, i), *record = souk_item_record(b, i, &bytes);
    require(name == NULL || souk_find_item(b, name) == i);
    require((record != NULL) == (bytes > 0));
    souk_item_title(b, i, title, sizeof title);
    require(memchr(title, '\0', sizeof title) != NULL);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  souk_bundle *b;
  souk_error e;
  apply(data, bytes);
  const souk_status rc = souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, &e);
  require((rc == SOUK_OK) == (b != NULL));
  if (rc == SOUK_OK) {
    fuzz_accepted();
    ask(b);
  } else {
    require(strstr(e.message, dir) != NULL && strchr(e.message, '\n') == NULL);
  }
  souk_close(b);
  restore();
  return 0;
}
