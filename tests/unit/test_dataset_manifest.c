// The manifest of a data set between versions of Souk: who wrote it, what it may lack, what is not known, and the
// identity, by which a checkpoint knows its data set.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/dataset.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "prepare/prepare.h"

typedef struct fixture {
  char dir[256], path[330];
  char *text; // the manifest as it was written
} fixture;

static void set_up(fixture *f) {
  size_t bytes;
  tiny_directory(f->dir, sizeof f->dir);
  tiny_dataset(f->dir, 12, 9, 0);
  check_ok(path_join(f->path, sizeof f->path, f->dir, "manifest.json"));
  check_ok(file_read(f->path, 1 << 20, &f->text, &bytes));
}

static void tear_down(fixture *f) {
  free(f->text);
  tiny_remove(f->dir);
}

// Writes `text` with the first FROM replaced by TO as the manifest.
static void edit(const fixture *f, const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  if (at == NULL) fail_msg("the manifest has no %s", from);
  char *changed = malloc(strlen(text) + strlen(to) + 1);
  assert_non_null(changed);
  const int n = sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  check_ok(file_write_atomic(f->path, changed, (size_t)n));
  free(changed);
}

static void without(const fixture *f, const char *field) {
  json_t *j = json_loads(f->text, 0, NULL);
  assert_int_equal(json_object_del(j, field), 0);
  assert_int_equal(json_dump_file(j, f->path, JSON_INDENT(1)), 0);
  json_decref(j);
}

static void identity_of(const fixture *f, char sum[65]) {
  dataset *d;
  check_ok(dataset_open(&d, f->dir, true));
  strcpy(sum, dataset_get_info(d)->checksum);
  dataset_close(d);
}

#define WRITER "\"created_by\": \"souk " SOUK_VERSION "\""

static void test_identity(void **unused) {
  (void)unused;
  static const char *const writers[] = {"\"created_by\": \"souk 0.9.0\"", "\"created_by\": null"};
  fixture f;
  char wanted[65], sum[65];
  set_up(&f);
  // What souk 0.1.0 wrote of the same data, byte for byte: the field is absent, and the identity is the file's SHA-256.
  without(&f, "created_by");
  check_ok(file_sha256(f.path, wanted, NULL));
  identity_of(&f, sum);
  assert_string_equal(sum, wanted);
  check_ok(file_write_atomic(f.path, f.text, strlen(f.text)));
  identity_of(&f, sum);
  assert_string_equal(sum, wanted);
  for (size_t i = 0; i < 2; i++) {
    edit(&f, f.text, WRITER, writers[i]);
    identity_of(&f, sum);
    assert_string_equal(sum, wanted);
  }
  // Everything else counts, even a name that looks like the field.
  edit(&f, f.text, "\"name\": \"tiny\"", "\"name\": \"\\n \\\"created_by\\\": tiny\"");
  identity_of(&f, sum);
  assert_string_not_equal(sum, wanted);
  edit(&f, f.text, "\"window\": ", "\"window\": 1");
  identity_of(&f, sum);
  assert_string_not_equal(sum, wanted);
  tear_down(&f);
}

static void test_unknown_fields(void **unused) {
  (void)unused;
  static const struct {
    const char *before, *field;
  } cases[] = {{"\"shards\"", "rotary"}, {"\"words\"", "ranges.rotary"}};
  fixture f;
  dataset *d;
  set_up(&f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char inserted[64], sentence[256];
    snprintf(inserted, sizeof inserted, "\"rotary\": [1, 2], %s", cases[i].before);
    edit(&f, f.text, WRITER, "\"created_by\": \"souk 0.9.0\"");
    char *text;
    size_t bytes;
    check_ok(file_read(f.path, 1 << 20, &text, &bytes));
    edit(&f, text, cases[i].before, inserted);
    free(text);
    snprintf(sentence, sizeof sentence,
             "manifest.json: field \"%s\" is unknown; souk 0.9.0 wrote it, this is souk " SOUK_VERSION,
             cases[i].field);
    check_fails(dataset_open(&d, f.dir, false), ERR_UNSUPPORTED, sentence);
  }
  edit(&f, f.text, WRITER, "\"rotary\": 1");
  check_fails(dataset_open(&d, f.dir, false), ERR_UNSUPPORTED,
              "field \"rotary\" is unknown to souk " SOUK_VERSION
              ", and the file does not say which version wrote it");
  edit(&f, f.text, "\"version\": 1", "\"version\": 2");
  check_fails(dataset_open(&d, f.dir, false), ERR_UNSUPPORTED,
              "its version is not the one that souk " SOUK_VERSION " reads (1); souk " SOUK_VERSION
              " wrote it");
  edit(&f, f.text, "\"version\": 1,\n " WRITER, "\"version\": 2");
  check_fails(dataset_open(&d, f.dir, false), ERR_UNSUPPORTED, "reads (1); an unknown version wrote it");
  tear_down(&f);
}

// A manifest that lacks a setting has what souk prepare has when it is not told; what was counted has no default.
static void test_missing_fields(void **unused) {
  (void)unused;
  static const char *const counted[] = {"sequences",    "tokens",     "train_tokens", "valid_targets",
                                        "test_targets", "longest",    "shards",       "vocab_size",
                                        "ranges",       "event_types"};
  prepare_config defaults;
  option_section sections[PREPARE_SECTIONS];
  fixture f;
  dataset *d;
  set_up(&f);
  const size_t n = prepare_sections(&defaults, sections);
  check_ok(options_defaults(&(option_set){.sections = sections, .count = n}));
  for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
    char sentence[64];
    without(&f, counted[i]);
    snprintf(sentence, sizeof sentence, "manifest.json: field \"%s\" is missing", counted[i]);
    check_fails(dataset_open(&d, f.dir, false), ERR_FORMAT, sentence);
  }
  json_t *j = json_loads(f.text, 0, NULL);
  static const char *const settings[] = {"name", "window", "stride", "has_time"};
  for (size_t i = 0; i < 4; i++) assert_int_equal(json_object_del(j, settings[i]), 0);
  assert_int_equal(json_dump_file(j, f.path, JSON_INDENT(1)), 0);
  json_decref(j);
  check_ok(dataset_open(&d, f.dir, true));
  const dataset_info *info = dataset_get_info(d);
  assert_string_equal(info->name, defaults.output.name);
  assert_int_equal(info->window, defaults.output.window);
  assert_int_equal(info->stride, defaults.output.stride);
  assert_int_equal(info->has_time, defaults.fields.time[0] != '\0');
  dataset_close(d);
  // A stride that is not there follows the window that is.
  without(&f, "stride");
  check_ok(dataset_open(&d, f.dir, true));
  assert_int_equal(dataset_get_info(d)->stride, (dataset_get_info(d)->window + 1) / 2);
  dataset_close(d);
  static const char *const wrong[][2] = {{"\"has_time\": true", "\"has_time\": 1"},
                                         {"\"name\": \"tiny\"", "\"name\": null"}};
  for (size_t i = 0; i < 2; i++) {
    edit(&f, f.text, wrong[i][0], wrong[i][1]);
    check_fails(dataset_open(&d, f.dir, false), ERR_FORMAT, "of the wrong type");
  }
  tear_down(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_identity), cmocka_unit_test(test_unknown_fields),
                                     cmocka_unit_test(test_missing_fields)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
