// souk.json and config.json of a bundle, with a NUL between them (without one: souk.json alone), beside the
// other files of a small real bundle. What passes the checks fits together.
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "fuzz/bundles.h"
#include "fuzz/fuzz.h"
#include "infer/bundle.h"

static char dir[PATH_MAX], *own_config;
static size_t own_config_bytes;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  char path[PATH_MAX];
  strcpy(dir, bundle_make());
  require_ok(path_join(path, sizeof path, dir, "config.json"));
  require_ok(file_read(path, 1 << 20, &own_config, &own_config_bytes));
  return 0;
}

static void check_bundle(const souk_bundle *b) {
  require(b->hidden > 0 && b->heads > 0 && b->hidden == b->heads * b->head_size && b->width == b->hidden + 1);
  require(b->items > 0 && b->first_item >= TOKEN_SPECIALS &&
          (int64_t)b->first_item + b->items <= b->vocab_size);
  require(b->class_base >= 0 && b->class_base <= b->first_item);
  require((int64_t)b->class_base + b->classes >= (int64_t)b->first_item + b->items);
  require((int64_t)b->class_base + b->classes <= b->vocab_size);
  require(b->max_history >= 0 && b->max_history < b->layout.max_positions);
  require(b->event_types >= 1 && b->event_types <= b->layout.n_event_types &&
          b->layout.n_event_types <= EVENT_TYPES_MAX);
  for (int32_t i = 0; i < b->event_types; i++)
    require(b->event_names[i] != NULL && strlen(b->event_names[i]) < 1 << 20);
  require(b->inv_temperature > 0 && b->eps > 0 && b->training_step >= 0 && b->data_name != NULL &&
          b->created_by != NULL);
  for (int i = 0; i < FILE_CATALOGUE; i++) require(b->files[i].bytes > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const uint8_t *stop = memchr(data, '\0', bytes);
  const size_t first = stop != NULL ? (size_t)(stop - data) : bytes;
  if (stop != NULL)
    fuzz_write(dir, "config.json", stop + 1, bytes - first - 1);
  else
    fuzz_write(dir, "config.json", own_config, own_config_bytes);
  size_t n;
  char *text = fuzz_expand(data, first, dir, &n);
  fuzz_write(dir, "souk.json", text, n);
  free(text);
  for (uint32_t flags = 0; flags <= SOUK_SKIP_CHECKSUMS; flags++) {
    souk_bundle *b = calloc(1, sizeof *b), *opened;
    souk_error e = {.message = ""};
    const int fd = open(dir, O_RDONLY | O_DIRECTORY);
    require(b != NULL && fd >= 0);
    b->dir = strdup(dir);
    require(b->dir != NULL);
    mix_config mixed;
    const souk_status rc = settings_read(b, &mixed, fd, flags, &e);
    if (rc == SOUK_OK) {
      fuzz_accepted();
      check_bundle(b);
    } else {
      require(strstr(e.message, dir) != NULL && e.code == rc);
    }
    bundle_free(b);
    close(fd);
    // The whole bundle: never more than its settings allow.
    const souk_status whole = souk_open(&opened, dir, flags, &e);
    require(rc == SOUK_OK || whole == rc);
    require((whole == SOUK_OK) == (opened != NULL));
    souk_close(opened);
  }
  return 0;
}
