// How outputs come to their place: directories exchanged and pairs of files replaced while writes fail, others come in between and
// processes are killed before any of their renames and creations, whose work the next one mends.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/file.h"
#include "data/array_file.h"
#include "format/temporary.h"
#include "lib/check.h"
#include "lib/scratch.h"

// ---- directories ---------------------------------------------------------------------------------------------

static status make_directory(const char *text, bool force) {
  out_dir *d;
  char file[PATH_MAX];
  TRY(out_dir_open(&d, scratch("place"), PATH_MARKETPLACE, force));
  status rc = path_join(file, sizeof file, out_dir_path(d), "synth.json");
  if (rc == OK) rc = file_write_atomic(file, text, strlen(text));
  if (rc == OK) return out_dir_commit(d);
  out_dir_abort(d);
  return rc;
}

static void make_new(void) {
  make_directory("\"souk.synth\" new", true);
}

static void make_slowly(void) {
  setenv("SOUK_FAULT", "exchange:1+", 1);
  char fault[64];
  snprintf(fault, sizeof fault, "%s,exchange:1+", getenv("WANTED"));
  setenv("SOUK_FAULT", fault, 1);
  if (fault_init() == OK) make_new();
}

static void directories(void **unused) {
  (void)unused;
  check_ok(make_directory("\"souk.synth\" one", false));
  check_fails(make_directory("x", false), ERR_ARGUMENT,
              "already holds a generated marketplace; --force replaces it");
  for (int slow = 0; slow < 2; slow++) {
    faults_set(slow ? "exchange:1+" : NULL);
    check_ok(make_directory("\"souk.synth\" two", true));
    assert_string_equal(scratch_get("place/synth.json"), "\"souk.synth\" two");
    assert_int_equal(scratch_count("souk-"), 0);
  }
  // A link to it stays, and so does a directory that is nobody's.
  assert_int_equal(rename(scratch("place"), scratch("real")), 0);
  assert_int_equal(symlink("real", scratch("place")), 0);
  check_ok(make_directory("\"souk.synth\" three", true));
  struct stat st;
  assert_true(lstat(scratch("place"), &st) == 0 && S_ISLNK(st.st_mode));
  assert_string_equal(scratch_get("real/synth.json"), "\"souk.synth\" three");
  scratch_put("real/synth.json", "another schema");
  check_fails(make_directory("x", true), ERR_ARGUMENT, "it is left as it is");
  check_ok(dir_remove(scratch("real")));
  check_ok(make_directory("\"souk.synth\" four", false)); // a link into nothing: made where it leads
  assert_string_equal(scratch_get("real/synth.json"), "\"souk.synth\" four");
  assert_int_equal(unlink(scratch("place")), 0);
  assert_int_equal(mkdir(scratch("place"), 0777), 0);
  check_ok(make_directory("\"souk.synth\" five", false)); // an empty one does not count
  check_ok(dir_remove(scratch("place")));
  scratch_put("place", "a file");
  check_fails(make_directory("x", true), ERR_ARGUMENT, "it is left as it is");
  assert_string_equal(scratch_get("place"), "a file");
}

// Somebody puts another one there while we write ours: without force it stays, with force one of the two is there whole.
static void race(void **unused) {
  (void)unused;
  out_dir *d;
  check_ok(out_dir_open(&d, scratch("place"), PATH_MARKETPLACE, false));
  assert_int_equal(mkdir(scratch("place"), 0777), 0);
  scratch_put("place/synth.json", "theirs");
  check_fails(out_dir_commit(d), ERR_ARGUMENT, "it is left as it is");
  assert_string_equal(scratch_get("place/synth.json"), "theirs");
  check_ok(dir_remove(scratch("place")));
  temporary t;
  char aside[PATH_MAX];
  assert_int_equal(temporary_make(&t, scratch("place"), true, NULL), 0);
  assert_int_equal(mkdir(scratch("place"), 0777), 0);
  scratch_put("place/synth.json", "theirs");
  assert_int_equal(temporary_publish_directory(&t, false, aside), ENOTEMPTY);
  assert_string_equal(scratch_get("place/synth.json"), "theirs");
  assert_int_equal(scratch_count("souk-"), 0);
}

// Every failure of the system leaves what was there; every kill too, or the next one mends it.
static void directories_that_fail(void **unused) {
  (void)unused;
  static const char *const kinds[] = {"create", "rename", "fsync", "write"};
  for (int slow = 0; slow < 2; slow++) {
    for (size_t k = 0; k < 4; k++) {
      bool failed = true;
      for (int i = 1; failed; i++) {
        char fault[64];
        faults_set(NULL);
        check_ok(make_directory("\"souk.synth\" old", true));
        snprintf(fault, sizeof fault, "%s:%d%s", kinds[k], i, slow ? ",exchange:1+" : "");
        faults_set(fault);
        failed = make_directory("\"souk.synth\" new", true) != OK;
        if (!failed) assert_true(i > 1);
        // Only the last fsync comes after the exchange, and then it says so.
        const bool is_new = strstr(scratch_get("place/synth.json"), "new") != NULL;
        assert_int_equal(is_new, !failed || strstr(fail_message(),
                                                   "/place is in place, but may not be on disk yet") != NULL);
        assert_true(!failed || !is_new || strcmp(kinds[k], "fsync") == 0);
        assert_int_equal(scratch_count("souk-"), 0);
      }
    }
  }
  faults_set(NULL);
}

static void directories_killed(void **unused) {
  (void)unused;
  static const char *const kinds[] = {"create", "rename"};
  for (int slow = 0; slow < 2; slow++) {
    for (size_t k = 0; k < 2; k++) {
      bool killed = true;
      for (int i = 1; killed; i++) {
        char fault[64];
        check_ok(make_directory("\"souk.synth\" old", true));
        snprintf(fault, sizeof fault, "%s:%d!", kinds[k], i);
        setenv("WANTED", fault, 1);
        killed = is_killed(fault, slow ? make_slowly : make_new);
        // In one step there is no moment without.
        if (!slow) assert_true(strstr(scratch_get("place/synth.json"), "souk.synth") != NULL);
        leftovers f = {0};
        leftovers_recover(scratch("place"), &f);
        assert_int_equal(f.stuck, 0);
        assert_true(strstr(scratch_get("place/synth.json"), killed ? "souk.synth" : "new") != NULL);
        assert_int_equal(scratch_count("souk-"), 0);
        assert_true(killed || i > 1);
      }
    }
  }
}

// Another writer of the same output comes in just before one of our renames.
static int renames_left;
static bool two_steps;
static void (*intruder)(void);

static bool intrude(temporary_operation operation) {
  if (operation == TEMPORARY_RENAME && --renames_left == 0) {
    intruder();
    renames_left = 0;
  }
  errno = EINVAL;
  return operation == TEMPORARY_EXCHANGE && two_steps;
}

static void make_theirs(void) {
  assert_int_equal(make_directory("\"souk.synth\" theirs", true), OK);
}

static void directories_race(void **unused) {
  (void)unused;
  intruder = make_theirs;
  for (int slow = 0; slow < 2; slow++) {
    bool came = true;
    for (int i = 1; came; i++) {
      two_steps = slow;
      check_ok(make_directory("\"souk.synth\" old", true));
      renames_left = i;
      temporary_fault = intrude;
      check_ok(make_directory("\"souk.synth\" new", true));
      temporary_fault = NULL;
      came = renames_left <= 0;
      const char *text = scratch_get("place/synth.json");
      assert_true(strstr(text, "new") != NULL || strstr(text, "theirs") != NULL);
      assert_int_equal(scratch_count("souk-"), 0);
      assert_true(came || i > 2);
    }
  }
}

// A reader that opens it all the time always finds one, and a whole one.
static void always_there(void **unused) {
  (void)unused;
  check_ok(make_directory("\"souk.synth\" new", true));
  fflush(NULL);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    for (int i = 0; i < 300; i++)
      if (make_directory("\"souk.synth\" new", true) != OK) _exit(1);
    _exit(0);
  }
  int opens = 0, bad = 0, how;
  do {
    const int fd = open(scratch("place/synth.json"), O_RDONLY);
    char text[64];
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    bad += n != (ssize_t)strlen("\"souk.synth\" new");
    opens++;
    if (fd >= 0) close(fd);
  } while (waitpid(pid, &how, WNOHANG) == 0);
  assert_int_equal(how, 0);
  if (bad > 0) fail_msg("%d of %d opens failed", bad, opens);
  assert_int_equal(scratch_count("souk-"), 0);
}

// ---- pairs ---------------------------------------------------------------------------------------------------

static const char *letter; // of the rows and names that are written

static status name_of(void *self, int64_t i, const char **name) {
  (void)self;
  (void)i;
  *name = letter;
  return OK;
}

static status write_pair(bool with_names) {
  array_file *f;
  const float row[1] = {(float)letter[0]};
  TRY(array_open(&f, scratch("v.npy")));
  status rc = array_begin(f, "vectors", 1, 1);
  if (rc == OK) rc = array_rows(f, row, 1);
  if (rc == OK && with_names) rc = array_names(f, "names", 1, name_of, NULL);
  if (rc == OK) return array_commit(f);
  array_abort(f);
  return rc;
}

static void write_new_pair(void) {
  letter = "n";
  write_pair(true);
}

// 'o', 'n': whose data; 0: none.
static char data_of(void) {
  FILE *f = fopen(scratch("v.npy"), "rb");
  float x = 0;
  if (f == NULL) return 0;
  fseek(f, -4, SEEK_END);
  assert_int_equal(fread(&x, sizeof x, 1, f), 1);
  fclose(f);
  return (char)x;
}

static char names_of(void) {
  return scratch_get("v.npy.names.tsv")[0];
}

static void check_pair(void) {
  assert_int_equal(scratch_count("souk-"), 0);
  assert_true(data_of() == 'o' || data_of() == 'n' || data_of() == 'x');
  assert_true(names_of() == 0 || names_of() == data_of());
}

static void pairs_that_fail(void **unused) {
  (void)unused;
  static const char *const kinds[] = {"create", "rename", "fsync", "write"};
  for (size_t k = 0; k < 4; k++) {
    bool failed = true;
    for (int i = 1; failed; i++) {
      char fault[64];
      faults_set(NULL);
      letter = "o";
      check_ok(write_pair(true));
      letter = "n";
      snprintf(fault, sizeof fault, "%s:%d", kinds[k], i);
      faults_set(fault);
      failed = write_pair(true) != OK;
      assert_true(failed || i > 1);
      check_pair();
      if (data_of() == 'o') assert_int_equal(names_of(), 'o'); // nothing is lost
      if (!failed) continue;
      const char *wanted = data_of() == 'o'    ? "cannot "
                           : names_of() == 'n' ? "v.npy is in place, but may not be on disk yet"
                                               : "v.npy.names.tsv is not: ";
      if (strstr(fail_message(), wanted) == NULL) fail_msg("%s:%d: %s", kinds[k], i, fail_message());
    }
  }
  faults_set(NULL);
}

// A disk that fails from some rename on: then not even the old names can come back, but the next one brings them.
static void pairs_that_go_on_failing(void **unused) {
  (void)unused;
  bool failed = true;
  for (int i = 1; failed; i++) {
    char fault[64];
    letter = "o";
    check_ok(write_pair(true));
    letter = "n";
    snprintf(fault, sizeof fault, "rename:%d+", i);
    faults_set(fault);
    failed = write_pair(true) != OK;
    faults_set(NULL);
    leftovers f = {0};
    leftovers_recover_pair(scratch("v.npy"), scratch("v.npy.names.tsv"), &f);
    check_pair();
    if (data_of() == 'o') assert_int_equal(names_of(), 'o');
    assert_true(failed || i > 2);
  }
}

// alone: one who knows of only one of the two files comes by first.
static void kill_pairs(bool alone) {
  static const char *const kinds[] = {"create", "rename", "fsync"};
  for (size_t k = 0; k < 3; k++) {
    bool killed = true;
    for (int i = 1; killed; i++) {
      char fault[64];
      letter = "o";
      check_ok(write_pair(true));
      snprintf(fault, sizeof fault, "%s:%d!", kinds[k], i);
      killed = is_killed(fault, write_new_pair);
      assert_true(killed || i > 1);
      assert_true(names_of() == 0 || names_of() == data_of());
      leftovers f = {0};
      if (alone) leftovers_recover(scratch("v.npy"), &f);
      if (alone) leftovers_recover(scratch("v.npy.names.tsv"), &f);
      leftovers_recover_pair(scratch("v.npy"), scratch("v.npy.names.tsv"), &f);
      check_pair();
      if (data_of() == 'o') assert_int_equal(names_of(), 'o');
      if (!killed) assert_true(data_of() == 'n' && names_of() == 'n');
    }
  }
}

static void pairs_killed(void **unused) {
  (void)unused;
  kill_pairs(false);
  kill_pairs(true);
  // New data without names: the old names would not fit.
  letter = "x";
  check_ok(write_pair(false));
  assert_true(data_of() == 'x' && names_of() == 0);
}

static void write_their_pair(void) {
  const char *ours = letter;
  letter = "x";
  assert_int_equal(write_pair(true), OK);
  letter = ours;
}

static void pairs_race(void **unused) {
  (void)unused;
  intruder = write_their_pair;
  two_steps = false;
  bool came = true;
  for (int i = 1; came; i++) {
    letter = "o";
    check_ok(write_pair(true));
    letter = "n";
    renames_left = i;
    temporary_fault = intrude;
    const status rc = write_pair(true);
    temporary_fault = NULL;
    came = renames_left <= 0;
    check_pair();
    assert_true(rc == OK || data_of() == 'x'); // theirs came later
    assert_true(came || i > 2);
  }
}
int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(directories, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(race, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(directories_that_fail, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(directories_killed, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(directories_race, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(always_there, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(pairs_that_fail, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(pairs_that_go_on_failing, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(pairs_killed, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(pairs_race, scratch_begin, scratch_end)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
