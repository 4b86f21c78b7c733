// Lists of files in manifests: which names and entries are taken, and which files are those that are meant.
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/file_list.h"
#include "format/manifest.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static void names(void **state) {
  (void)state;
  static const char *const good[] = {"a", "model.h5", "shard-00000.h5", "A_9.-x"};
  static const char *const bad[] = {"",     ".",  "..",  ".hidden", "-x",     "/etc/passwd", "a/b",
                                    "../a", "a/", "a b", "a\nb",    "a\x1b[", "a\\b",        "\xc3\xa9"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_true(manifest_name_is_plain(good[i], false) && manifest_name_is_plain(good[i], true));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(manifest_name_is_plain(bad[i], false));
  assert_true(manifest_name_is_plain("truth/oracle.json", true));
  static const char *const bad_parts[] = {"/a", "a/", "a//b", "a/../b", "a/.b", "a/-b"};
  for (size_t i = 0; i < sizeof bad_parts / sizeof *bad_parts; i++)
    assert_false(manifest_name_is_plain(bad_parts[i], true));
  char name[202];
  memset(name, 'a', 201);
  name[201] = '\0';
  assert_false(manifest_name_is_plain(name, true));
  assert_true(manifest_name_is_plain(name + 1, true));
}

static void entries(void **state) {
  (void)state;
  static const char digest[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const struct {
    manifest_file f;
    const char *says; // NULL: it is good
  } cases[] = {
      {{"a", 0, digest}, NULL},
      {{"a", -1, digest}, "field \"files.a\" must have \"bytes\""},
      {{"a", 0, NULL}, "\"sha256\", 64 hexadecimal digits"},
      {{"a", 0, digest + 1}, "64 hexadecimal digits"},
      {{"a", 0, "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, "64 hexadecimal"},
      {{"../a", 0, digest}, "\"../a\" is not a plain file name"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    format_error e;
    const bool good = manifest_check_entry(&cases[i].f, false, "m.json", &e);
    assert_true(good == (cases[i].says == NULL));
    if (!good && (strstr(e.message, cases[i].says) == NULL || strstr(e.message, "m.json") == NULL))
      fail_msg("\"%s\" does not say \"%s\"", e.message, cases[i].says);
  }
}

// What is listed is verified; one changed, cut or missing file is found.
static void files(void **state) {
  (void)state;
  char dir[256], path[300];
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "b.txt"));
  json_t *list = json_object();
  uint64_t bytes;
  check_ok(file_write_atomic(path, "hello", 5));
  check_ok(file_list_add(list, dir, "b.txt", &bytes));
  assert_int_equal(bytes, 5);
  const json_t *entry = json_object_get(list, "b.txt");
  assert_int_equal(json_integer_value(json_object_get(entry, "bytes")), 5);
  assert_string_equal(json_string_value(json_object_get(entry, "sha256")),
                      "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  const file_list_check check = {.dir = dir, .manifest = "m.json", .contents = true};
  check_ok(file_list_verify(list, &check));
  check_ok(file_write_atomic(path, "hallo", 5));
  check_fails(file_list_verify(list, &check), ERR_CHECKSUM, "b.txt: its checksum is not the one in m.json");
  check_ok(file_write_atomic(path, "hell", 4));
  check_fails(file_list_verify(list, &check), ERR_FORMAT, "b.txt has 4 bytes, m.json says 5: it is damaged");
  assert_int_equal(unlink(path), 0);
  check_fails(file_list_verify(list, &check), ERR_NOT_FOUND, "b.txt");
  check_ok(file_list_verify(list, &(file_list_check){.dir = dir, .manifest = "m.json"})); // not touched
  json_object_set_new(list, "../c", json_object());
  check_fails(file_list_verify(list, &(file_list_check){.dir = dir, .manifest = "m.json"}), ERR_FORMAT,
              "\"../c\" is not a plain file name");
  json_decref(list);
  check_fails(file_list_verify(NULL, &check), ERR_FORMAT, "m.json: field \"files\" is missing, or no object");
  tiny_remove(dir);
}

// A link may lie where it leads to a file of the directory, and the directory behind links; out of it leads none, not for a
// file's place nor for a folder's, and what is copied is what the manifest means.
static void links(void **state) {
  (void)state;
  char dir[256], inside[300], path[400], other[300], to[300], way[300];
  tiny_directory(dir, sizeof dir);
  snprintf(inside, sizeof inside, "%s/in", dir);
  snprintf(other, sizeof other, "%s/secret", dir);
  snprintf(to, sizeof to, "%s/to", dir);
  assert_true(dir_make(inside) == OK && dir_make(to) == OK);
  check_ok(file_write_atomic(other, "hello", 5));
  snprintf(path, sizeof path, "%s/a", inside);
  check_ok(file_write_atomic(path, "hello", 5));
  json_t *list = json_object();
  check_ok(file_list_add(list, inside, "a", NULL));
  json_object_set(list, "b", json_object_get(list, "a"));
  snprintf(path, sizeof path, "%s/b", inside);
  assert_int_equal(symlink("a", path), 0);
  snprintf(way, sizeof way, "%s/way", dir);
  assert_int_equal(symlink("in", way), 0);
  const file_list_check check = {.dir = way, .manifest = "m.json", .subfolders = true, .contents = true};
  check_ok(file_list_verify(list, &check));
  check_ok(file_list_copy(list, &check, "b", to));
  check_fails(file_list_copy(list, &check, "c", to), ERR_NOT_FOUND, "m.json does not list c");
  snprintf(path, sizeof path, "%s/a", inside);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(symlink("../secret", path), 0);
  for (int contents = 0; contents < 2; contents++)
    check_fails(
        file_list_verify(list, &(file_list_check){.dir = inside, .manifest = "m.json", .contents = contents}),
        ERR_FORMAT, "/in/a is a symbolic link that leads out of its directory");
  snprintf(path, sizeof path, "%s/to/a", dir);
  const file_list_check from = {.dir = inside, .manifest = "m.json"};
  check_fails(file_list_copy(list, &from, "a", to), ERR_FORMAT, "leads out of its directory");
  assert_false(file_exists(path));
  snprintf(path, sizeof path, "%s/sub", inside); // a folder
  assert_int_equal(symlink("..", path), 0);
  json_object_set(list, "sub/secret", json_object_get(list, "a"));
  json_object_del(list, "a");
  json_object_del(list, "b");
  check_fails(file_list_verify(list, &check), ERR_FORMAT, "sub/secret is a symbolic link that leads out");
  json_decref(list);
  tiny_remove(dir);
}

// What a copy holds is compared, and a copy of something else does not stay.
static void copies(void **state) {
  (void)state;
  char dir[256], path[300], to[300];
  tiny_directory(dir, sizeof dir);
  snprintf(to, sizeof to, "%s/to", dir);
  snprintf(path, sizeof path, "%s/a", dir);
  check_ok(dir_make(to));
  check_ok(file_write_atomic(path, "hello", 5));
  json_t *list = json_object();
  check_ok(file_list_add(list, dir, "a", NULL));
  check_ok(file_write_atomic(path, "hallo", 5));
  const file_list_check from = {.dir = dir, .manifest = "m.json"};
  check_fails(file_list_copy(list, &from, "a", to), ERR_CHECKSUM, "its checksum is not the one in m.json");
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0);
  check_fails(file_list_copy(list, &from, "a", to), ERR_NOT_FOUND, "/a is missing, or not a regular file");
  snprintf(path, sizeof path, "%s/to/a", dir);
  assert_false(file_exists(path));
  json_decref(list);
  tiny_remove(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(entries),
                                     cmocka_unit_test(files), cmocka_unit_test(links),
                                     cmocka_unit_test(copies)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
