// TensorBoard event files: CRC-32C against published values, messages against bytes made by hand, and whole files read
// back record by record.
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "base/file.h"
#include "train/events.h"
#include "train/metrics.h"

static void test_crc(void **unused) {
  (void)unused;
  uint8_t b[32] = {0};
  assert_int_equal(crc32c("123456789", 9), 0xE3069283u);
  assert_int_equal(crc32c("", 0), 0);
  assert_int_equal(crc32c(b, 32), 0x8A9136AAu); // RFC 3720, B.4
  memset(b, 0xFF, sizeof b);
  assert_int_equal(crc32c(b, 32), 0x62A8AB43u);
  for (int i = 0; i < 32; i++) b[i] = (uint8_t)i;
  assert_int_equal(crc32c(b, 32), 0x46DD794Eu);
  for (int i = 0; i < 32; i++) b[i] = (uint8_t)(31 - i);
  assert_int_equal(crc32c(b, 32), 0x113FDB5Cu);
  // Of LevelDB, whose masking TensorFlow took over: masking changes the value, and unmasking brings it back.
  const uint32_t masked = crc32c_masked("foo", 3), rotated = masked - 0xA282EAD8u;
  assert_int_not_equal(masked, crc32c("foo", 3));
  assert_int_equal(rotated >> 17 | rotated << 15, crc32c("foo", 3));
}

static void test_message(void **unused) {
  (void)unused;
  static const uint8_t wanted[] = {
      0x09, 0,    0,    0, 0,   0,   0,   0xF8, 0x3F,                              // wall_time = 1.5
      0x10, 0xAC, 0x02,                                                            // step = 300
      0x2A, 27,                                                                    // summary, 27 bytes
      0x0A, 10,   0x0A, 3, 'a', '/', 'b', 0x15, 0,    0,   0x80, 0x3F,             // value {"a/b", 1.0}
      0x0A, 13,   0x0A, 6, 'v', '/', 'n', '@',  '1',  '0', 0x15, 0,    0, 0, 0xC0, // value {"v/n@10", -2.0}
  };
  const event_scalar scalars[] = {{"a/b", 1.0}, {"v/n@10", -2.0}};
  uint8_t got[EVENT_BYTES];
  const size_t n = event_encode(got, 1.5, 300, scalars, 2);
  assert_int_equal(n, sizeof wanted);
  assert_memory_equal(got, wanted, n);
  // As much as fits: more scalars than a record holds, and tags longer than it takes.
  char tag[2 * EVENT_TAG];
  memset(tag, 'x', sizeof tag);
  tag[sizeof tag - 1] = '\0';
  event_scalar many[EVENT_SCALARS + 5];
  for (int i = 0; i < EVENT_SCALARS + 5; i++) many[i] = (event_scalar){tag, 1.0};
  assert_true(event_encode(got, 1.5, 1, many, EVENT_SCALARS + 5) <= EVENT_BYTES);
}

// ---- whole files ---------------------------------------------------------------------------------------------

typedef struct event {
  int64_t step;
  bool version, start;
  int n; // scalars
  char tags[16][64];
  float values[16];
} event;

static uint64_t little(const uint8_t *p, int bytes) {
  uint64_t v = 0;
  for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
  return v;
}

static uint64_t varint(const uint8_t **p) {
  uint64_t v = 0;
  for (int shift = 0;; shift += 7) {
    const uint8_t b = *(*p)++;
    v |= (uint64_t)(b & 127) << shift;
    if (b < 128) return v;
  }
}

static void read_value(event *e, const uint8_t *p, const uint8_t *end) {
  while (p < end) {
    const uint64_t key = varint(&p);
    if (key == (1 << 3 | 2)) {
      const uint64_t n = varint(&p);
      memcpy(e->tags[e->n], p, n);
      e->tags[e->n][n] = '\0';
      p += n;
    } else {
      assert_int_equal(key, 2 << 3 | 5);
      const uint32_t bits = (uint32_t)little(p, 4);
      memcpy(&e->values[e->n], &bits, 4);
      p += 4;
    }
  }
  e->n++;
}

static void read_event(event *e, const uint8_t *p, const uint8_t *end) {
  memset(e, 0, sizeof *e);
  while (p < end) {
    const uint64_t key = varint(&p);
    if (key == (1 << 3 | 1)) {
      p += 8;
      continue;
    }
    if (key == (2 << 3 | 0)) {
      e->step = (int64_t)varint(&p);
      continue;
    }
    assert_int_equal(key & 7, 2);
    const uint64_t n = varint(&p);
    const uint8_t *inner = p;
    p += n;
    if (key >> 3 == 3) e->version = n == 13 && memcmp(inner, "brain.Event:2", 13) == 0;
    if (key >> 3 == 7) e->start = n == 2 && inner[0] == 8 && inner[1] == 1;
    while (key >> 3 == 5 && inner < p) {
      assert_int_equal(varint(&inner), 1 << 3 | 2);
      const uint64_t m = varint(&inner);
      read_value(e, inner, inner + m);
      inner += m;
    }
  }
  assert_true(p == end);
}

// Every record of the `which`-th event file of a run, checksums verified; returns how many.
static int read_file(const char *run, int which, event *events, int max) {
  struct dirent **list;
  char names[8][256], path[1024];
  int n_files = 0;
  const int n = scandir(run, &list, NULL, alphasort);
  assert_true(n >= 0);
  for (int i = 0; i < n; i++) {
    if (strncmp(list[i]->d_name, "events.out.tfevents.", 20) == 0) strcpy(names[n_files++], list[i]->d_name);
    free(list[i]);
  }
  free(list);
  assert_true(which < n_files);
  check_ok(path_join(path, sizeof path, run, names[which]));
  char *data;
  size_t bytes;
  check_ok(file_read(path, 1 << 20, &data, &bytes));
  const uint8_t *p = (const uint8_t *)data, *end = p + bytes;
  int count = 0;
  while (p < end) {
    assert_true(end - p >= 16);
    const uint64_t length = little(p, 8);
    assert_int_equal(little(p + 8, 4), crc32c_masked(p, 8));
    assert_true(length <= (uint64_t)(end - p) - 16);
    assert_int_equal(little(p + 12 + length, 4), crc32c_masked(p + 12, length));
    assert_true(count < max);
    read_event(&events[count++], p + 12, p + 12 + length);
    p += 16 + length;
  }
  free(data);
  return count;
}

static void write_line(metric_sink *s, const char *text) {
  json_t *j = json_loads(text, 0, NULL);
  assert_non_null(j);
  check_ok(sink_write(s, j));
}

static void test_files(void **unused) {
  (void)unused;
  char run[512];
  tiny_directory(run, sizeof run);
  metric_sink *s;
  check_ok(sink_open(&s, run, -1, true));
  write_line(s, "{\"kind\":\"train\",\"step\":5,\"loss\":2.5,\"epoch\":0}");
  write_line(s, "{\"kind\":\"valid\",\"step\":5,\"ndcg@10\":0.25}");
  write_line(s, "{\"kind\":\"end\",\"step\":5,\"seconds\":1.0}"); // is not a curve
  check_ok(sink_sync(s));
  check_ok(sink_close(s));
  event e[16];
  assert_int_equal(read_file(run, 0, e, 16), 3);
  assert_true(e[0].version && e[0].step == 0 && e[0].n == 0);
  assert_int_equal(e[1].step, 5);
  assert_int_equal(e[1].n, 2);
  assert_string_equal(e[1].tags[0], "train/loss");
  assert_true(fabsf(e[1].values[0] - 2.5f) < 1e-6f);
  assert_string_equal(e[1].tags[1], "train/epoch");
  assert_string_equal(e[2].tags[0], "valid/ndcg@10");
  // A resumed run opens a file of its own that takes back what comes after its step.
  check_ok(sink_open(&s, run, 3, true));
  write_line(s, "{\"kind\":\"train\",\"step\":4,\"loss\":2.0}");
  check_ok(sink_close(s));
  assert_int_equal(read_file(run, 1, e, 16), 3);
  assert_true(e[0].version);
  assert_true(e[1].start && e[1].step == 4);
  assert_int_equal(e[2].step, 4);
  tiny_remove(run);
}

// metrics.jsonl after a resume: lines up to the step stay, whatever a kill or a power cut has left at the end.
static void test_lines(void **unused) {
  (void)unused;
  static const char before[] =
      "{\"kind\":\"train\",\"step\":1,\"loss\":3}\n{\"kind\":\"valid\",\"step\":2,\"mrr\":0.5}\n"
      "{\"kind\":\"end\",\"step\":2}\n{\"kind\":\"train\",\"step\":3,\"loss\":2}\n";
  static const char *const tails[] = {"", "{\"kind\":\"train\",\"st", "not json\n", "\0\0\0\0\0\0"};
  static const size_t lengths[] = {0, 19, 9, 6};
  char run[512], path[1024];
  tiny_directory(run, sizeof run);
  check_ok(path_join(path, sizeof path, run, "metrics.jsonl"));
  for (int i = 0; i < 4; i++) {
    char text[1024], *data;
    size_t bytes;
    memcpy(text, before, sizeof before - 1);
    memcpy(text + sizeof before - 1, tails[i], lengths[i]);
    check_ok(file_write_atomic(path, text, sizeof before - 1 + lengths[i]));
    metric_sink *s;
    check_ok(sink_open(&s, run, 2, false));
    write_line(s, "{\"kind\":\"train\",\"step\":3,\"loss\":1}");
    check_ok(sink_close(s));
    check_ok(file_read(path, 4096, &data, &bytes));
    assert_string_equal(
        data, "{\"kind\":\"train\",\"step\":1,\"loss\":3}\n{\"kind\":\"valid\",\"step\":2,\"mrr\":0.5}\n"
              "{\"kind\":\"train\",\"step\":3,\"loss\":1}\n");
    free(data);
  }
  tiny_remove(run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_crc), cmocka_unit_test(test_message),
                                     cmocka_unit_test(test_files), cmocka_unit_test(test_lines)};
  return cmocka_run_group_tests_name("train_events", tests, NULL, NULL);
}
