// Data sets whose manifest, shards or other files are not what docs/formats.md says: each is refused with a sentence that
// names the file and the place. The checksums are left out (souk pretrain does that), or agree with what was changed.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/file_list.h"
#include "data/dataset.h"
#include "data/dataset_verify.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

enum { USERS = 50, ITEMS = 20 }; // history 3 has eleven events, of sessions 0 0 0 1 1 1 2 2 2 3 3

static char dir[256];

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, USERS, ITEMS, 0);
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

static void expect(status rc, const char *text) {
  assert_int_equal(rc, ERR_FORMAT);
  if (strstr(fail_message(), text) == NULL || strstr(fail_message(), dir) == NULL)
    fail_msg("\"%s\" does not say \"%s\"", fail_message(), text);
}

static status open_and_verify(void) {
  dataset *d;
  TRY(dataset_open(&d, dir, false));
  const status rc = dataset_verify(d);
  dataset_close(d);
  return rc;
}

// ---- shards --------------------------------------------------------------------------------------------------

// Reads or writes the whole of a dataset of the first shard.
static void move(const char *name, hid_t type, void *data, bool write) {
  char path[400];
  h5_lock();
  const hid_t file = H5Fopen(in(path, "shard-00000.h5"), write ? H5F_ACC_RDWR : H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  assert_true(set >= 0);
  assert_true((write ? H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data)
                     : H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data)) >= 0);
  H5Dclose(set);
  H5Fclose(file);
  h5_unlock();
}

static int64_t values[4096];

static void change(const char *name, int64_t at, int64_t value) {
  move(name, H5T_NATIVE_INT64, values, false);
  values[at] = value;
  move(name, H5T_NATIVE_INT64, values, true);
}

static void fields_of_shards_are_checked(void **unused) {
  (void)unused;
  int64_t offsets[USERS + 1];
  move("offsets", H5T_NATIVE_INT64, offsets, false);
  const int64_t at = offsets[3];
  const struct {
    const char *name;
    int64_t place, value;
    const char *says;
  } cases[] = {
      {"users", 3, -1, "history 3 is of user -1"},
      {"users", 3, 1000000000000, "history 3 is of user 1000000000000"},
      {"users", 3, 2, "history 3 is of user 2"}, // who has another one
      {"valid_from", 3, -1, "history 3 has 11 events and bad cuts: valid_from -1"},
      {"valid_from", 3, 11, "bad cuts: valid_from 11, test_from 10"},
      {"test_from", 3, 12, "bad cuts: valid_from 9, test_from 12"},
      {"test_from", 3, 8, "bad cuts: valid_from 9, test_from 8"},
      {"test_from", 3, 11, "tokens of validation parts, the manifest says"},
      {"valid_from", 3, 8, "training tokens, the manifest says"},
      {"offsets", 3, 1, "history 2 has bad offsets"},
      {"offsets", 3, (int64_t)1 << 62, "history 2 has bad offsets"},
      {"offsets", 0, 1, "does not cover the tokens"},
      {"sessions", at, -1, "history 3 event 0: \"sessions\" is -1"},
      {"sessions", at, 1, "history 3 event 0: \"sessions\" is 1"},
      {"sessions", at + 6, 3, "history 3 event 6: \"sessions\" is 3"},
      {"sessions", at + 10, INT32_MAX, "history 3 event 10: \"sessions\" is 2147483647"},
      {"times", at + 5, 0, "history 3 event 5: \"times\" is 0, which is before the event in front of it"},
      {"times", at, INT64_MAX, "history 3 event 1: \"times\""},
      {"events", at + 2, 3, "history 3 event 2: \"events\" is 3, which is no event type"},
      {"events", at + 2, 255, "\"events\" is 255"},
      {"tokens", at + 1, -1, "history 3 event 1: \"tokens\" is -1"},
      {"tokens", at + 1, TOKEN_MASK, "\"tokens\" is 4, which is no item"},
      {"tokens", at + 1, TOKEN_SPECIALS + ITEMS, "\"tokens\" is 25"},
  };
  check_ok(open_and_verify());
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    move(cases[i].name, H5T_NATIVE_INT64, values, false);
    const int64_t before = values[cases[i].place];
    change(cases[i].name, cases[i].place, cases[i].value);
    expect(open_and_verify(), cases[i].says);
    assert_non_null(strstr(fail_message(), i == 7 || i == 8 ? dir : "shard-00000.h5"));
    change(cases[i].name, cases[i].place, before);
  }
  check_ok(open_and_verify());
}

static void sessions_may_overlap_and_times_may_be_the_same(void **unused) {
  (void)unused;
  int64_t offsets[USERS + 1];
  move("offsets", H5T_NATIVE_INT64, offsets, false);
  change("sessions", offsets[3] + 4, 0); // 0 0 0 1 0 1 2 ...
  move("times", H5T_NATIVE_INT64, values, false);
  change("times", offsets[3] + 5, values[offsets[3] + 4]);
  check_ok(open_and_verify());
}

static void a_shard_that_claims_more_than_it_holds_is_refused(void **unused) {
  (void)unused;
  char path[400];
  dataset *d;
  const hsize_t huge = (hsize_t)1 << 40, chunk = 1 << 18;
  h5_lock();
  const hid_t file = H5Fopen(in(path, "shard-00000.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(1, &huge, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 1, &chunk);
  H5Ldelete(file, "users", H5P_DEFAULT);
  H5Dclose(H5Dcreate2(file, "users", H5T_STD_I64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
  H5Pclose(plist);
  H5Sclose(space);
  H5Fclose(file);
  h5_unlock();
  expect(dataset_open(&d, dir, false), "\"users\" is larger than this file can hold");
}

// ---- manifest.json -------------------------------------------------------------------------------------------

// Writes the manifest with every `from` replaced by `to`, opens the data set, and puts the manifest back.
static status with_manifest(const char *from, const char *to) {
  char path[400], *text, *changed = NULL;
  size_t n, bytes;
  check_ok(file_read(in(path, "manifest.json"), 1 << 20, &text, &n));
  const char *at = strstr(text, from);
  if (at == NULL) fail_msg("the manifest does not hold %s", from);
  FILE *f = open_memstream(&changed, &bytes);
  fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  fclose(f);
  check_ok(file_write_atomic(path, changed, bytes));
  dataset *d;
  const status rc = dataset_open(&d, dir, false);
  if (rc == OK) dataset_close(d);
  check_ok(file_write_atomic(path, text, n));
  free(changed);
  free(text);
  return rc;
}

static void manifests_are_checked_without_checksums_too(void **unused) {
  (void)unused;
  static const struct {
    const char *from, *to, *says;
  } cases[] = {
      {"\"files\": {", "\"files\": {\"../../../../etc/passwd\": {\"bytes\": 1, \"sha256\": \"\"},",
       "\"../../../../etc/passwd\" is not a plain file name"},
      {"\"vocab.tsv\": {", "\"vocab.tsv\": {\"x\": 1, \"bytes\": 1}, \"other.tsv\": {", "files.vocab.tsv"},
      {"\"vocab.tsv\"", "\"other.tsv\"", "does not list vocab.tsv"},
      {"\"users.tsv\"", "\"other.tsv\"", "does not list users.tsv"},
      {"\"shard-00000.h5\"", "\"other.h5\"", "does not list shard-00000.h5"},
      {"\"shard-00000.h5\"", "\"shard-00099.h5\"", "does not list shard-00000.h5"},
      {"\"shards\": ", "\"shards\": 1, \"window\": 1, \"stride\": ", "manifest.json line"},
      {"\"none\"", "\"view\"", "field \"event_types\""},
      {"\"view\"", "\"buy\"", "field \"event_types\""},
      {"\"view\"", "\"\"", "field \"event_types\""},
      {"\"valid_targets\": 50", "\"valid_targets\": 49", "do not sum to \"tokens\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect(with_manifest(cases[i].from, cases[i].to), cases[i].says);
}

static void a_manifest_without_files_is_refused(void **unused) {
  (void)unused;
  char path[400];
  dataset *d;
  json_t *j = json_load_file(in(path, "manifest.json"), 0, NULL);
  assert_non_null(j);
  json_object_clear(json_object_get(j, "files"));
  assert_int_equal(json_dump_file(j, path, 0), 0);
  expect(dataset_open(&d, dir, true), "field \"files\" does not list vocab.tsv");
  json_object_set_new(j, "files", json_array());
  assert_int_equal(json_dump_file(j, path, 0), 0);
  expect(dataset_open(&d, dir, false), "\"files\"");
  json_decref(j);
}

// ---- vocab.tsv -----------------------------------------------------------------------------------------------

static void vocabularies_are_checked(void **unused) {
  (void)unused;
  char path[400], *text;
  size_t n;
  dataset *d;
  char *line = malloc(2 << 20);
  assert_non_null(line);
  memset(line, 'x', 2 << 20);
  static const struct {
    const char *name; // of the last item; NULL: so many x
    size_t bytes;
    const char *count, *says;
  } cases[] = {{"item18", 0, "1", "the item \"item18\" appears twice"},
               {"a\\q", 0, "1", "unknown escape"},
               {"item19", 0, "9223372036854775807", "but the train parts have only"},
               {"item19", 0, "-1", "TOKEN <tab> COUNT is expected"},
               {NULL, 1025, "0", "line 25: the name has 1025 bytes, and none may have more than 1024"},
               {NULL, 2 << 20, "0", "the name has 2097152 bytes"}};
  check_ok(file_read(in(path, "vocab.tsv"), 1 << 20, &text, &n));
  const int kept = (int)(strstr(text, "item19") - text);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const int bytes = cases[i].name != NULL ? (int)strlen(cases[i].name) : (int)cases[i].bytes;
    FILE *f = fopen(path, "w");
    fprintf(f, "%.*s%.*s\t%s\n", kept, text, bytes, cases[i].name != NULL ? cases[i].name : line,
            cases[i].count);
    fclose(f);
    expect(dataset_open(&d, dir, false), cases[i].says);
  }
  FILE *f = fopen(path, "w"); // as long as it may be
  fprintf(f, "%.*s%.1024s\t0\n", kept, text, line);
  fclose(f);
  check_ok(open_and_verify());
  free(text);
  free(line);
}

// ---- users.tsv -----------------------------------------------------------------------------------------------

// The file with line `number` (from 1) replaced by text [bytes], which may be several or none.
static status with_users(int number, const char *with, size_t bytes) {
  char path[400], *text;
  size_t n;
  check_ok(file_read(in(path, "users.tsv"), 1 << 20, &text, &n));
  const char *at = text, *end = text + n;
  for (int i = 1; i < number; i++) at = strchr(at, '\n') + 1;
  FILE *f = fopen(path, "w");
  fwrite(text, 1, (size_t)(at - text), f);
  fwrite(with, 1, bytes, f);
  at = at < end ? strchr(at, '\n') + 1 : end;
  fwrite(at, 1, (size_t)(end - at), f);
  fclose(f);
  const status rc = open_and_verify();
  check_ok(file_write_atomic(path, text, n));
  free(text);
  return rc;
}

static void names_of_users_are_checked(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *says;
  } cases[] = {{"", "users.tsv has 49 lines, fewer than there are histories"},
               {"a\nb\n", "users.tsv has more lines than there are histories"},
               {"\n", "users.tsv line 7: the name is empty"},
               {"user30\n", "users.tsv line 31: the name \"user30\" is that of another user, too"},
               {"a\\x\n", "users.tsv line 7: the name has an unknown escape"},
               {"\xff\n", "users.tsv line 7: the name is not UTF-8"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect(with_users(7, cases[i].text, strlen(cases[i].text)), cases[i].says);
  expect(with_users(7, "a\0b\n", 4), "users.tsv line 7 holds a NUL byte");
  char *longest = malloc(3 << 20);
  assert_non_null(longest);
  memset(longest, 'y', 3 << 20);
  longest[1025] = longest[(3 << 20) - 1] = '\n';
  expect(with_users(7, longest, 1026), "users.tsv line 7: the name is longer than 1024 bytes");
  longest[1025] = 'y';
  expect(with_users(7, longest, 3 << 20), "users.tsv line 7 is longer than 1048576 bytes");
  longest[1024] = '\n';
  check_ok(with_users(7, longest, 1025));
  for (int i = 0; i < 2048; i += 2) memcpy(longest + i, "\\\\", 2); // 1,024 backslashes
  longest[2048] = '\n';
  check_ok(with_users(7, longest, 2049));
  free(longest);
}

// ---- items.h5, catalogue.jsonl -------------------------------------------------------------------------------

static status with_catalogue(const char *text) {
  char path[400], before[400];
  char *manifest;
  size_t n;
  check_ok(file_read(in(before, "manifest.json"), 1 << 20, &manifest, &n));
  tiny_list(dir, "catalogue.jsonl", text, strlen(text));
  const status rc = open_and_verify();
  check_ok(file_write_atomic(before, manifest, n));
  unlink(in(path, "catalogue.jsonl"));
  free(manifest);
  return rc;
}

static void catalogues_are_checked(void **unused) {
  (void)unused;
  check_ok(with_catalogue("{\"item\": \"item3\", \"title\": \"a\"}\n{\"item\": \"item4\"}\n"));
  static const struct {
    const char *text, *says;
  } cases[] = {{"{\"item\": \"item3\"\n", "catalogue.jsonl line 1: "},
               {"[1]\n", "line 1: an object with a text \"item\" is expected"},
               {"{\"item\": 3}\n", "line 1: an object with a text \"item\" is expected"},
               {"{\"item\": \"item3\"}\n{\"item\": \"no\"}\n", "line 2: its item is not in the vocabulary"},
               {"{\"item\": \"item3\"}\n{\"item\": \"item3\"}\n", "line 2: its item has an entry already"},
               {"{\"item\": \"item3\", \"price\": 5}\n", "line 1: a value is no text"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect(with_catalogue(cases[i].text), cases[i].says);
}

static void attributes_of_items_are_checked(void **unused) {
  (void)unused;
  static const struct {
    hsize_t n;
    int32_t first;
    const char *says;
  } cases[] = {{ITEMS, 0, NULL},
               {ITEMS - 1, 0, "items.h5: \"category\" has 19 items, the vocabulary 20"},
               {ITEMS, 7, "items.h5: \"category\" of item 0 is 7, which is no token of that name"},
               {ITEMS, -1, "items.h5: \"category\" of item 0 is -1"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[400], *bytes;
    size_t size;
    hid_t file;
    int32_t tokens[ITEMS] = {cases[i].first};
    unlink(in(path, "items.h5"));
    h5_lock();
    check_ok(h5_create(&file, path, "souk.items", 1));
    check_ok(h5_write(file, path, "category", H5T_STD_I32LE, 1, &cases[i].n, tokens, 4));
    check_ok(h5_write(file, path, "price", H5T_STD_I32LE, 1, &cases[i].n, tokens, 4));
    check_ok(h5_close(file, path));
    h5_unlock();
    check_ok(file_read(path, 1 << 20, &bytes, &size));
    tiny_list(dir, "items.h5", bytes, size);
    free(bytes);
    if (cases[i].says == NULL)
      check_ok(open_and_verify());
    else
      expect(open_and_verify(), cases[i].says);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(fields_of_shards_are_checked),
      TEST(sessions_may_overlap_and_times_may_be_the_same),
      TEST(a_shard_that_claims_more_than_it_holds_is_refused),
      TEST(manifests_are_checked_without_checksums_too),
      TEST(a_manifest_without_files_is_refused),
      TEST(vocabularies_are_checked),
      TEST(names_of_users_are_checked),
      TEST(catalogues_are_checked),
      TEST(attributes_of_items_are_checked),
  };
  return cmocka_run_group_tests_name("dataset_hostile", tests, NULL, NULL);
}
