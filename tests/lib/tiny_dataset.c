// Small data sets for tests.
#include "lib/tiny_dataset.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/philox.h"
#include "data/dataset_verify.h"
#include "lib/check.h"

void tiny_directory(char *buf, size_t bytes) {
  const char *base = getenv("TMPDIR");
  snprintf(buf, bytes, "%s/souk-test-XXXXXX", base != NULL ? base : "/tmp");
  assert_non_null(mkdtemp(buf));
}

void tiny_remove(const char *dir) {
  check_ok(dir_remove(dir));
}

static int32_t length_of(int32_t u, int32_t length) {
  return length > 0 ? length : 3 + u * 7 % 13;
}

void tiny_dataset(const char *dir, int32_t users, int32_t items, int32_t length) {
  vocab *v;
  check_ok(vocab_new(&v));
  char name[32];
  int64_t left = 0; // events of train parts: items occur no more often
  for (int32_t u = 0; u < users; u++) left += length_of(u, length) - 2;
  for (int32_t i = 0; i < items; i++) {
    const int64_t falling = 1 + (items - i) / 2, count = falling < left ? falling : left;
    snprintf(name, sizeof name, "item%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, count, NULL));
    left -= count;
  }
  dataset_writer *w;
  check_ok(writer_open(&w, dir, 500, 4, true));
  int32_t tokens[1024], sessions[1024];
  uint8_t events[1024];
  int64_t times[1024];
  for (int32_t u = 0; u < users; u++) {
    const int32_t n = length_of(u, length);
    rng r = rng_at(5, 1, (uint32_t)u, 0);
    int32_t item = (int32_t)rng_below(&r, (uint64_t)items);
    for (int32_t i = 0; i < n; i++) {
      tokens[i] = TOKEN_SPECIALS + item;
      events[i] = (uint8_t)(1 + (i + u) % 2);
      times[i] = 1000 * u + 10 * i;
      sessions[i] = i / 3;
      item = rng_unit(&r) < 0.8 ? (item + 3) % items : (int32_t)rng_below(&r, (uint64_t)items);
    }
    tiny_add(w, u, n, tokens, events, times, sessions);
  }
  dataset_info info = {.name = "tiny",
                       .n_event_types = 3,
                       .event_types = {"none", "view", "buy"},
                       .window = 8,
                       .stride = 4,
                       .has_time = true};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
}

void tiny_list(const char *dir, const char *name, const char *data, size_t bytes) {
  char path[PATH_MAX], manifest[PATH_MAX];
  check_ok(path_join(path, sizeof path, dir, name));
  check_ok(path_join(manifest, sizeof manifest, dir, "manifest.json"));
  check_ok(file_write_atomic(path, data, bytes));
  json_t *j = json_load_file(manifest, 0, NULL);
  assert_non_null(j);
  check_ok(file_list_add(json_object_get(j, "files"), dir, name, NULL));
  assert_int_equal(json_dump_file(j, manifest, JSON_INDENT(1)), 0);
  json_decref(j);
}

void tiny_add(dataset_writer *w, int32_t u, int32_t n, const int32_t *tokens, const uint8_t *events,
              const int64_t *times, const int32_t *sessions) {
  char name[32];
  const sequence s = {.user = u,
                      .n = n,
                      .valid_from = n - 2,
                      .test_from = n - 1,
                      .tokens = tokens,
                      .events = events,
                      .times = times,
                      .sessions = sessions};
  snprintf(name, sizeof name, "user%d", u);
  check_ok(writer_add(w, &s, name));
}

data_config data_defaults(void) {
  static data_config c;
  const option_section s = {"data", "Data", data_options, n_data_options, &c};
  check_ok(options_defaults(&(option_set){.sections = &s, .count = 1}));
  return c;
}

void tiny_refuses(const char *dir, const char *name, const char *says) {
  char path[400], *bytes;
  size_t n;
  dataset *d;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  check_ok(file_read(path, 1 << 20, &bytes, &n));
  tiny_list(dir, name, bytes, n);
  free(bytes);
  check_ok(dataset_open(&d, dir, false));
  const status rc = dataset_verify(d);
  dataset_close(d);
  if (rc != ERR_FORMAT || strstr(fail_message(), says) == NULL || strstr(fail_message(), name) == NULL)
    fail_msg("%d, \"%s\" does not say \"%s\"", rc, fail_message(), says);
}
