// NVIDIA's shards as people have them: in folders, through filters, with h5py's types and other shapes; lzf.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "data/dataset.h"
#include "hdf5/h5_lzf.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_shards.h"

static char dir[256];

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

static const char *in(char path[400], const char *name) {
  snprintf(path, 400, "%s/%s", dir, name);
  return path;
}

static void folder(const char *name) {
  char path[400];
  assert_int_equal(mkdir(in(path, name), 0777), 0);
}

static void shard_at(const char *name, int32_t first, int32_t n) {
  char path[400];
  shard *s = malloc(sizeof *s);
  assert_non_null(s);
  make_rows(s, first, n);
  tiny_shard(in(path, name), s, NULL, H5T_STD_I32LE);
  free(s);
}

static int64_t examples(const char *where) {
  dataset *d;
  check_ok(dataset_open(&d, where, false));
  const int64_t n = dataset_get_info(d)->sequences;
  dataset_close(d);
  return n;
}

// ---- folders -------------------------------------------------------------------------------------------------

static void shards_in_folders_are_found(void **unused) {
  (void)unused;
  char path[400];
  folder("hdf5");
  folder("hdf5/wiki");
  folder("hdf5/books");
  shard_at("hdf5/wiki/b.hdf5", 0, 5);
  shard_at("hdf5/wiki/a.h5", 5, 7);
  tiny_vocab(in(path, "hdf5/wiki"));
  assert_int_equal(examples(dir), 12); // with the vocabulary that lies beside them
  shard_at("hdf5/books/c.hdf5", 12, 9);
  dataset *d;
  check_fails(dataset_open(&d, dir, false), ERR_NOT_FOUND,
              "not the vocabulary"); // nor is it that of wiki alone
  tiny_vocab(in(path, "hdf5"));
  check_ok(dataset_open(&d, dir, false));
  // In the order of their names: books, then wiki.
  static const int32_t first_rows[] = {12, 5, 0};
  int64_t at = 0;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(dataset_lengths(d)[at], 4 + first_rows[i] % 9);
    at += i == 0 ? 9 : i == 1 ? 7 : 5;
  }
  dataset_close(d);
}

static void folders_called_train_are_the_training_data(void **unused) {
  (void)unused;
  folder("train");
  folder("test");
  tiny_vocab(dir);
  shard_at("train/a.hdf5", 0, 5);
  shard_at("test/a.hdf5", 0, 6);
  assert_int_equal(examples(dir), 5);
}

static void shards_that_lie_in_the_directory_are_all(void **unused) {
  (void)unused;
  char path[400];
  folder("more");
  tiny_vocab(dir);
  shard_at("a.hdf5", 0, 5);
  dataset *d;
  check_ok(dataset_open(&d, dir, false));
  char identity[65];
  strcpy(identity, dataset_get_info(d)->checksum);
  dataset_close(d);
  shard_at("more/b.hdf5", 0, 6);
  check_ok(dataset_open(&d, dir, false));
  assert_int_equal(dataset_get_info(d)->sequences, 5);
  assert_string_equal(dataset_get_info(d)->checksum, identity);
  dataset_close(d);
  assert_int_equal(remove(in(path, "a.hdf5")), 0);
  assert_int_equal(examples(dir), 6);
}

// What Souk has written has HDF5 files of its own.
static void other_directories_are_not_searched(void **unused) {
  (void)unused;
  char path[400];
  static const char *const marks[] = {"config.yaml", "manifest.json", "souk.json"};
  dataset *d;
  folder("x");
  shard_at("x/model.h5", 0, 5);
  tiny_vocab(dir);
  for (int i = 0; i < 3; i++) {
    char name[40];
    snprintf(name, sizeof name, "x/%s", marks[i]);
    check_ok(file_write_atomic(in(path, name), "{}", 2));
    check_fails(dataset_open(&d, dir, false), ERR_ARGUMENT, "a data set is needed");
    assert_int_equal(remove(path), 0);
  }
  folder(".hidden");
  assert_int_equal(rename(in((char[400]){0}, "x/model.h5"), in(path, ".hidden/model.h5")), 0);
  check_fails(dataset_open(&d, dir, false), ERR_ARGUMENT, "a data set is needed");
}

static void folders_that_lead_in_circles_end(void **unused) {
  (void)unused;
  char path[400], target[400];
  dataset *d;
  folder("a");
  for (int i = 0; i < 30; i++) {
    char name[20];
    snprintf(name, sizeof name, "a/l%d", i);
    assert_int_equal(symlink(in(target, "a"), in(path, name)), 0);
  }
  check_fails(dataset_open(&d, dir, false), ERR_ARGUMENT, "a data set is needed");
}

// ---- types, shapes -------------------------------------------------------------------------------------------

typedef struct odd {
  const char *name;
  hid_t type;
  int ndim;
  hsize_t dims[2];
  hid_t plist;
} odd;

// A shard of twenty rows with one dataset made otherwise; data may be NULL.
static void odd_shard(const odd *o, hid_t memory, const void *data) {
  char path[400];
  shard *s = malloc(sizeof *s);
  assert_non_null(s);
  make_rows(s, 0, 20);
  tiny_vocab(dir);
  tiny_shard(in(path, "a.hdf5"), s, o->name, H5T_STD_I32LE);
  free(s);
  h5_lock();
  const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT),
              space = H5Screate_simple(o->ndim, o->dims, NULL);
  const hid_t set = H5Dcreate2(file, o->name, o->type, space, H5P_DEFAULT, o->plist, H5P_DEFAULT);
  assert_true(set >= 0);
  if (data != NULL) assert_true(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  H5Dclose(set);
  H5Sclose(space);
  H5Fclose(file);
  h5_unlock();
}

static void check_lengths(const char *where) {
  dataset *d;
  check_ok(dataset_open(&d, where, false));
  assert_int_equal(dataset_get_info(d)->sequences, 20);
  for (int i = 0; i < 20; i++) assert_int_equal(dataset_lengths(d)[i], 4 + i % 9);
  nvidia_rows *rows;
  check_ok(nvidia_read(&rows, dataset_premasked(d), 0));
  for (int i = 0; i < 20; i++) {
    premasked p;
    nvidia_get(rows, i, &p);
    assert_int_equal(p.next, i % 2);
    assert_int_equal(p.n_masked, i % 4);
    for (int k = 0; k < p.n; k++) assert_int_equal(p.segments[k], k >= p.n / 2);
  }
  nvidia_rows_free(rows);
  dataset_close(d);
}

// Written by h5py 3.7: compression="lzf", shuffle=True, and masks, segments and labels of dtype bool.
static void what_h5py_writes_is_read(void **unused) {
  (void)unused;
  char *bytes, path[400];
  size_t n;
  check_ok(file_read("tests/golden/h5py_lzf.hdf5", 1 << 20, &bytes, &n));
  check_ok(file_write_atomic(in(path, "a.hdf5"), bytes, n));
  tiny_vocab(dir);
  check_lengths(dir);
  // A packed byte that is changed: other numbers, or an error, never a crash of the reading process.
  for (size_t at = 2000; at < n; at += 97) {
    dataset *d;
    bytes[at] ^= 0x55;
    check_ok(file_write_atomic(path, bytes, n));
    if (dataset_open(&d, dir, false) != OK)
      assert_null(strstr(fail_message(), "SIG"));
    else
      dataset_close(d);
    bytes[at] ^= 0x55;
  }
  free(bytes);
}

static void masks_of_any_integers_are_read(void **unused) {
  (void)unused;
  shard *s = malloc(sizeof *s);
  assert_non_null(s);
  make_rows(s, 0, 20);
  const hid_t types[] = {H5T_STD_U8LE, H5T_STD_I16BE, H5T_STD_I64BE, H5T_STD_U64LE};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    odd_shard(&(odd){"input_mask", types[i], 2, {20, S}, H5P_DEFAULT}, H5T_NATIVE_INT8, s->mask);
    check_lengths(dir);
  }
  odd_shard(&(odd){"segment_ids", H5T_STD_B8LE, 2, {20, S}, H5P_DEFAULT}, H5T_NATIVE_B8,
            s->segments); // PyTables
  check_lengths(dir);
  odd_shard(&(odd){"next_sentence_labels", H5T_STD_I64LE, 2, {20, 1}, H5P_DEFAULT}, H5T_NATIVE_INT8, s->next);
  check_lengths(dir);
  // A number that no mask can be stays one that is refused, whatever its width.
  int64_t wide[20 * S];
  dataset *d;
  for (int i = 0; i < 20 * S; i++) wide[i] = s->mask[i] == 1 ? (int64_t)1 << 32 | 1 : 0;
  odd_shard(&(odd){"input_mask", H5T_STD_I64LE, 2, {20, S}, H5P_DEFAULT}, H5T_NATIVE_INT64, wide);
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "is not ones followed by zeros");
  free(s);
}

static void other_types_and_shapes_are_refused(void **unused) {
  (void)unused;
  const hid_t list = H5Tvlen_create(H5T_NATIVE_INT), text = H5Tcopy(H5T_C_S1);
  const struct {
    odd o;
    const char *says;
  } cases[] = {
      {{"input_mask", H5T_IEEE_F32LE, 2, {20, S}, H5P_DEFAULT},
       "not hold integers but floating-point numbers"},
      {{"masked_lm_positions", list, 1, {20, 1}, H5P_DEFAULT},
       "not hold integers but lists of different lengths"},
      {{"masked_lm_ids", text, 2, {20, P}, H5P_DEFAULT}, "does not hold integers or booleans"},
      {{"input_ids", H5T_STD_I32LE, 1, {20 * S, 1}, H5P_DEFAULT}, "\"input_ids\" has 1 dimension(s), not 2"},
      {{"masked_lm_positions", H5T_STD_I32LE, 1, {20 * P, 1}, H5P_DEFAULT},
       "\"masked_lm_positions\" has 60 rows"},
      {{"next_sentence_labels", H5T_STD_I32LE, 2, {20, 2}, H5P_DEFAULT},
       "\"next_sentence_labels\" has 2 columns, not 1"},
      {{"next_sentence_labels", H5T_STD_I32LE, 1, {19, 1}, H5P_DEFAULT},
       "\"next_sentence_labels\" has 19 rows"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dataset *d;
    odd_shard(&cases[i].o, H5I_INVALID_HID, NULL);
    check_fails(dataset_open(&d, dir, false), ERR_FORMAT, cases[i].says);
    assert_non_null(strstr(fail_message(), "a.hdf5"));
  }
  H5Tclose(list);
  H5Tclose(text);
}

static void filters_that_cannot_be_undone_are_named(void **unused) {
  (void)unused;
  static const struct {
    int id;
    const char *says;
  } cases[] = {{32015, "zstd (HDF5 filter 32015)"},
               {32001, "blosc (HDF5 filter 32001)"},
               {32008, "bitshuffle (HDF5 filter 32008)"},
               {4000, "an unknown one (HDF5 filter 4000)"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const hsize_t chunk[2] = {20, S};
    dataset *d;
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 2, chunk);
    H5Pset_filter(plist, cases[i].id, H5Z_FLAG_OPTIONAL, 0, NULL);
    odd_shard(&(odd){"segment_ids", H5T_STD_I8LE, 2, {20, S}, plist}, H5I_INVALID_HID, NULL);
    H5Pclose(plist);
    check_fails(dataset_open(&d, dir, false), ERR_UNSUPPORTED, cases[i].says);
    assert_non_null(strstr(fail_message(), "h5repack -f GZIP=1 OLD NEW"));
  }
}

static void files_that_lead_elsewhere_are_refused(void **unused) {
  (void)unused;
  dataset *d;
  const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_external(plist, "/etc/passwd", 0, 20 * S);
  odd_shard(&(odd){"segment_ids", H5T_STD_I8LE, 2, {20, S}, plist}, H5I_INVALID_HID, NULL);
  H5Pclose(plist);
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "\"segment_ids\" is not stored in the file itself");
}

static void shards_larger_than_their_file_are_refused(void **unused) {
  (void)unused;
  char path[400];
  tiny_vocab(dir);
  h5_lock();
  const hid_t file = H5Fcreate(in(path, "a.hdf5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  static const char *const names[] = {"input_ids",     "input_mask",          "segment_ids",
                                      "masked_lm_ids", "masked_lm_positions", "next_sentence_labels"};
  for (int k = 0; k < 6; k++) {
    const hsize_t dims[2] = {1 << 20, k < 3 ? 512 : k < 5 ? 20 : 1}, chunk[2] = {64, dims[1]};
    const hid_t space = H5Screate_simple(2, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 2, chunk);
    H5Dclose(H5Dcreate2(file, names[k], H5T_STD_I32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Pclose(plist);
    H5Sclose(space);
  }
  H5Fclose(file);
  h5_unlock();
  dataset *d;
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT,
              "1048576 examples of 512 tokens are larger than this file can hold");
}

static void folders_of_two_lengths_are_two_trainings(void **unused) {
  (void)unused;
  char path[400];
  folder("len12");
  folder("len16");
  shard_at("len12/a.hdf5", 0, 5);
  tiny_vocab(dir);
  h5_lock();
  const hid_t file = H5Fcreate(in(path, "len16/b.hdf5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  static const char *const names[] = {"input_ids",     "input_mask",          "segment_ids",
                                      "masked_lm_ids", "masked_lm_positions", "next_sentence_labels"};
  static const int8_t ones[2 * 16] = {1, [16] = 1};
  for (int k = 0; k < 6; k++) {
    const hsize_t dims[2] = {2, k < 3 ? 16 : k < 5 ? 2 : 1};
    const hid_t space = H5Screate_simple(2, dims, NULL);
    const hid_t set = H5Dcreate2(file, names[k], H5T_STD_I8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_INT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, ones) >= 0);
    H5Dclose(set);
    H5Sclose(space);
  }
  H5Fclose(file);
  h5_unlock();
  dataset *d;
  check_fails(dataset_open(&d, dir, false), ERR_ARGUMENT,
              "examples in len12/a.hdf5 have 12 places, in len16/b.hdf5 16; name the folder of one");
  tiny_vocab(in(path, "len16"));
  assert_int_equal(examples(path), 2);
}

// ---- lzf -----------------------------------------------------------------------------------------------------

static void check_unpacked(const char *packed, size_t n, const char *wanted, size_t room) {
  uint8_t to[400];
  memset(to, 'z', sizeof to);
  const size_t got = lzf_unpack((const uint8_t *)packed, n, to, room);
  assert_int_equal(got, wanted != NULL ? strlen(wanted) : 0);
  if (wanted != NULL) assert_memory_equal(to, wanted, got);
  for (size_t i = room; i < sizeof to; i++) assert_int_equal(to[i], 'z');
}

static void lzf_is_undone(void **unused) {
  (void)unused;
  check_unpacked("\x02"
                 "abc",
                 4, "abc", 3);
  check_unpacked("\x02"
                 "abc"
                 "\x20\x02",
                 6, "abcabc", 6); // three bytes from three before
  check_unpacked("\x00"
                 "a"
                 "\xe0\x01\x00",
                 5, "aaaaaaaaaaa", 11); // ten that reach into themselves
  check_unpacked("\x02"
                 "abc"
                 "\x20\x02\x00!",
                 8, "abcabc!", 7);
  check_unpacked("\x02"
                 "abc",
                 4, NULL, 2); // no room
  check_unpacked("\x02"
                 "abc"
                 "\x20\x02",
                 6, NULL, 5);
  check_unpacked("\x03"
                 "abc",
                 4, NULL, 300); // cut short
  check_unpacked("\x02"
                 "abc"
                 "\x20",
                 5, NULL, 300);
  check_unpacked("\x02"
                 "abc"
                 "\xe0\x01",
                 6, NULL, 300);
  check_unpacked("\x02"
                 "abc"
                 "\x20\x03",
                 6, NULL, 300); // from before the beginning
  check_unpacked("\x20\x00", 2, NULL, 300);
  check_unpacked("", 0, NULL, 300);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(shards_in_folders_are_found),
      TEST(folders_called_train_are_the_training_data),
      TEST(shards_that_lie_in_the_directory_are_all),
      TEST(other_directories_are_not_searched),
      TEST(folders_that_lead_in_circles_end),
      TEST(folders_of_two_lengths_are_two_trainings),
      TEST(what_h5py_writes_is_read),
      TEST(masks_of_any_integers_are_read),
      TEST(other_types_and_shapes_are_refused),
      TEST(filters_that_cannot_be_undone_are_named),
      TEST(files_that_lead_elsewhere_are_refused),
      TEST(shards_larger_than_their_file_are_refused),
      cmocka_unit_test(lzf_is_undone),
  };
  return cmocka_run_group_tests_name("nvidia_layouts", tests, NULL, NULL);
}
