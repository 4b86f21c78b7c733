// make_seeds CORPUS: writes the seeds that are made from real files, a small data set with its checkpoint and
// bundle. Sizes and checksums become marks (fuzz_expand), so that the seeds need not change when those files
// do.
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/item_features.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_texts.h"

static char from[PATH_MAX], corpus[PATH_MAX];

static char *read_from(const char *dir, const char *name, size_t *bytes) {
  char path[PATH_MAX], *text;
  snprintf(path, sizeof path, "%.2000s/%s/%s", from, dir, name);
  check_ok(file_read(path, 1 << 24, &text, bytes));
  return text;
}

static void write_seed(const char *target, const char *name, const void *data, size_t bytes) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%.2000s/%s/%s", corpus, target, name);
  check_ok(file_write_atomic(path, data, bytes));
}

// A manifest's text with marks in "files".
static char *with_marks(const char *dir, const char *name) {
  size_t bytes;
  char *text = read_from(dir, name, &bytes);
  json_t *j = json_loadb(text, bytes, 0, NULL), *entry;
  free(text);
  assert_non_null(j);
  const char *file;
  json_object_foreach(json_object_get(j, "files"), file, entry) {
    json_object_set_new(entry, "bytes", json_sprintf("@bytes %s@", file));
    json_object_set_new(entry, "sha256", json_sprintf("@sha256 %s@", file));
  }
  text = json_dumps(j, JSON_INDENT(1));
  json_decref(j);
  return text;
}

static void manifest(const char *dir, const char *file, const char *target, const char *name) {
  char *text = with_marks(dir, file);
  write_seed(target, name, text, strlen(text));
  free(text);
}

static void bundle_settings(void) {
  size_t bytes;
  char *souk = with_marks("bundle", "souk.json"), *config = read_from("bundle", "config.json", &bytes);
  const size_t first = strlen(souk) + 1;
  char *both = malloc(first + bytes);
  assert_non_null(both);
  memcpy(both, souk, first);
  memcpy(both + first, config, bytes);
  write_seed("bundle_json", "both", both, first + bytes);
  write_seed("bundle_json", "souk", souk, first - 1);
  free(souk);
  free(config);
  free(both);
}

// Behind a first byte that says where the ranges end (fuzz_vocab.c); 0: there are no words and no attributes.
static void vocabulary(void) {
  size_t bytes;
  char *text = read_from("bundle", "vocab.tsv", &bytes), *seed = malloc(bytes + 1);
  assert_non_null(seed);
  seed[0] = '\0';
  memcpy(seed + 1, text, bytes);
  write_seed("vocab", "tiny", seed, bytes + 1);
  free(text);
  free(seed);
}

// Behind a byte that says which of the two it is (fuzz_item_data.c).
static void item_data(const char *name, char which) {
  size_t bytes;
  char *text = read_from("texts", name, &bytes), *seed = malloc(bytes + 1);
  assert_non_null(seed);
  seed[0] = which;
  memcpy(seed + 1, text, bytes);
  write_seed("item_data", name, seed, bytes + 1);
  free(text);
  free(seed);
}

static void data_of_items(void) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%.2000s/texts", from);
  tiny_texts(path, 4, 9);
  static const float rows[9 * 2] = {1, 2, 0, 0, 5, 6};
  static const uint8_t present[9] = {1, 0, 1};
  snprintf(path, sizeof path, "%.2000s/texts/features.h5", from);
  check_ok(item_features_write(&(item_features){9, 2, rows, present}, path, 4));
  item_data("texts.h5", 0);
  item_data("features.h5", 1);
}

static void make(void **state) {
  (void)state;
  size_t bytes;
  tiny_bundle(from, 12, 9, NULL);
  manifest("data", "manifest.json", "manifest", "dataset.json");
  manifest("checkpoint", "manifest.json", "manifest", "checkpoint.json");
  bundle_settings();
  vocabulary();
  char *text = read_from("bundle", "items.safetensors", &bytes);
  write_seed("safetensors", "items", text, bytes);
  free(text);
  text = read_from("data", "shard-00000.h5", &bytes);
  write_seed("shard", "shard-00000.h5", text, bytes);
  free(text);
  data_of_items();
}

int main(int argc, char **argv) {
  if (argc != 2 || strlen(argv[1]) > 2000) {
    fputs("usage: make_seeds CORPUS\n", stderr);
    return 2;
  }
  strcpy(corpus, argv[1]);
  tiny_directory(from, sizeof from);
  const struct CMUnitTest tests[] = {cmocka_unit_test(make)};
  const int rc = cmocka_run_group_tests(tests, NULL, NULL);
  tiny_remove(from);
  return rc;
}
