// Chunks that are compressed outside of HDF5 are read by HDF5, also those that deflate makes no smaller.
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "hdf5/h5_pack.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256];
static int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  return 0;
}
static int teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

enum { MOST = 3 * H5_CHUNK };

// Packs values [n], whole chunks padded with zeros. Returns how many chunks deflate has made smaller.
static size_t pack(const int64_t *values, size_t n, int level, h5_chunk *chunks, size_t *count) {
  static int64_t whole[H5_CHUNK];
  size_t smaller = 0;
  for (*count = 0; *count * H5_CHUNK < n; ++*count) {
    const size_t at = *count * H5_CHUNK, here = n - at < H5_CHUNK ? n - at : H5_CHUNK;
    memset(whole, 0, sizeof whole);
    memcpy(whole, values + at, here * sizeof *whole);
    check_ok(h5_pack(whole, n > H5_CHUNK ? H5_CHUNK : n, sizeof *whole, level, &chunks[*count]));
    smaller += chunks[*count].deflated;
  }
  return smaller;
}

static void write_and_read(const char *name, const int64_t *values, size_t n, int level, bool smaller) {
  static int64_t back[MOST];
  char path[300];
  h5_chunk chunks[4];
  size_t count;
  hid_t file;
  const size_t packed = pack(values, n, level, chunks, &count);
  assert_int_equal(packed == count, smaller);
  snprintf(path, sizeof path, "%s/%s-%zu-%d.h5", dir, name, n, level);
  h5_lock();
  check_ok(h5_create(&file, path, "test", 1));
  check_ok(h5_write_chunks(file, path, "x", H5T_STD_I64LE, n, chunks, count, level));
  check_ok(h5_close(file, path));
  check_ok(h5_open(&file, path, "test", 1));
  check_ok(h5_read(file, path, "x", H5T_NATIVE_INT64, 0, n, back));
  H5Fclose(file);
  h5_unlock();
  assert_memory_equal(back, values, n * sizeof *values);
  for (size_t i = 0; i < count; i++) free(chunks[i].data);
}

static void test_chunks(void **unused) {
  (void)unused;
  static const size_t sizes[] = {1000, H5_CHUNK, H5_CHUNK + 1, MOST};
  int64_t *random, *rising;
  check_ok(mem_new(&random, MOST, sizeof *random, "values"));
  check_ok(mem_new(&rising, MOST, sizeof *rising, "values"));
  rng r = rng_at(1, 2, 3, 4);
  for (int64_t i = 0; i < MOST; i++) {
    random[i] = (int64_t)(rng_below(&r, 1u << 31) << 33 ^ rng_below(&r, 1u << 31) << 8 ^ rng_below(&r, 256));
    rising[i] = 1650000000 + i;
  }
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (int level = 1; level <= 9; level += 4) {
      write_and_read("rising", rising, sizes[i], level, true);
      if (sizes[i] != H5_CHUNK + 1) write_and_read("random", random, sizes[i], level, false);
    }
  }
  write_and_read("one", random, 1, 4, false);
  free(random);
  free(rising);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_chunks, setup, teardown)};
  return cmocka_run_group_tests_name("packed chunks", tests, NULL, NULL);
}
