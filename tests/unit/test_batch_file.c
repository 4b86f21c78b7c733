// RUN/batches.h5: every field of the batches of a run's first steps, as the batcher makes them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "hdf5/h5_reader.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "train/batch_file.h"

static char dir[256];
static dataset *data_set;

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 150, 40, 0);
  return dataset_open(&data_set, dir, false) == OK ? 0 : 1;
}

static int tear_down(void **unused) {
  (void)unused;
  dataset_close(data_set);
  tiny_remove(dir);
  return 0;
}

static batcher *open_batcher(void) {
  data_config c = data_defaults();
  const seq_layout layout = {.max_positions = 20, .n_event_types = 3};
  batcher *b;
  c.batch_tokens = 64;
  c.negatives = 7;
  check_ok(batcher_open(&b, data_set, &c, &layout, PART_TRAIN, 0, 1));
  return b;
}

static void check_field(h5_reader *r, int32_t file, const char *group, const batch_field *f, const batch *b) {
  const h5_kind kind = f->real ? H5_KIND_F32 : f->size == sizeof(int64_t) ? H5_KIND_I64 : H5_KIND_I32;
  const size_t expected = batch_elements(f, b->live);
  char name[96];
  int64_t n;
  snprintf(name, sizeof name, "%s/%s", group, f->name);
  check_ok(reader_dims(r, file, name, kind, 1, &n));
  assert_int_equal(n, expected);
  if (n == 0) return;
  void *got = calloc(expected, f->size);
  assert_non_null(got);
  check_ok(reader_rows(r, file, name, kind, 1, 0, n, 1, got));
  if (memcmp(got, batch_array(&b->arrays, f), expected * f->size) != 0) fail_msg("%s differs", name);
  free(got);
}

static void test_fields(void **unused) {
  (void)unused;
  enum { STEPS = 3, MICROS = 2 };
  char path[300], group[64];
  h5_reader *r;
  int32_t file;
  snprintf(path, sizeof path, "%s/batches.h5", dir);
  batcher *b = open_batcher();
  check_ok(batch_file_write(path, b, STEPS, MICROS));
  batcher_close(b);
  check_ok(reader_start(&r));
  check_ok(reader_open(r, path, "souk.batches", 1, &file));
  b = open_batcher();
  for (int i = 0; i < STEPS * MICROS; i++) {
    const batch *one;
    check_ok(batcher_next(b, &one));
    snprintf(group, sizeof group, "step-%d/micro-%d", i / MICROS, i % MICROS);
    for (int k = 0; k < N_BATCH_FIELDS; k++) check_field(r, file, group, &batch_fields[k], one);
  }
  batcher_close(b);
  reader_stop(r);
}

static void test_place(void **unused) {
  (void)unused;
  char path[300];
  snprintf(path, sizeof path, "%s/none/batches.h5", dir);
  batcher *b = open_batcher();
  assert_int_equal(batch_file_write(path, b, 1, 1), ERR_IO);
  assert_non_null(strstr(fail_message(), path));
  batcher_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_fields, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_place, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
