// Where outputs go: what a path stands for, names nobody can foresee, and what is left of others who wrote there.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "format/target.h"
#include "format/temporary.h"
#include "lib/check.h"
#include "lib/scratch.h"

// ---- what a path stands for ----------------------------------------------------------------------------------

static target found(const char *name) {
  target t;
  assert_int_equal(target_find(&t, name), 0);
  return t;
}

static void targets(void **unused) {
  (void)unused;
  target t;
  char own[64];
  scratch_put("file", "x");
  assert_int_equal(mkdir(scratch("d"), 0777), 0);
  assert_int_equal(mkfifo(scratch("fifo"), 0666), 0);
  assert_int_equal(symlink("file", scratch("link")), 0);
  assert_int_equal(symlink("d/../link", scratch("far")), 0);
  assert_int_equal(symlink("d/new", scratch("dangling")), 0);
  assert_int_equal(symlink("loop", scratch("loop")), 0);
  assert_true(found(scratch("file")).kind == TARGET_FILE && found(scratch("file")).exists);
  assert_true(found(scratch("new")).kind == TARGET_FILE && !found(scratch("new")).exists);
  t = found(scratch("far"));
  assert_true(t.kind == TARGET_FILE && t.exists && strstr(t.path, "d/../file") != NULL);
  t = found(scratch("dangling"));
  assert_true(t.kind == TARGET_FILE && !t.exists && strstr(t.path, "d/new") != NULL);
  t = found(scratch("fifo"));
  assert_true(t.kind == TARGET_STREAM && t.fifo && t.descriptor == -1);
  assert_int_equal(found(scratch("d")).kind, TARGET_DIRECTORY);
  assert_int_equal(found(scratch("d/..")).kind, TARGET_DIRECTORY);
  assert_null(strstr(found(scratch("d/..")).path, "..")); // nothing can be written beside that
  assert_int_equal(target_find(&t, scratch("loop")), ELOOP);
  assert_int_equal(target_find(&t, scratch("file/x")), ENOTDIR);
  assert_int_equal(target_find(&t, scratch("new/")), EISDIR);
  assert_int_equal(target_find(&t, ""), ENOENT);
  const target a = found(scratch("link")), b = found(scratch("file")), c = found(scratch("d/../file")),
               d = found(scratch("new"));
  assert_true(target_same(&a, &b) && target_same(&a, &c) && !target_same(&a, &d));
  // Own descriptors are taken as they are, even of regular files.
  const int fd = open(scratch("file"), O_WRONLY | O_APPEND);
  snprintf(own, sizeof own, "/dev/fd/%d", fd);
  t = found(own);
  assert_true(t.kind == TARGET_STREAM && t.descriptor == fd);
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  assert_int_equal(symlink(own, scratch("to-descriptor")), 0);
  assert_int_equal(found(scratch("to-descriptor")).descriptor, fd);
  check_ok(file_write_atomic(scratch("to-descriptor"), "yz", 2));
  assert_string_equal(scratch_get("file"), "xyz");
  close(fd);
  assert_true(found(own).kind == TARGET_FILE && !found(own).exists); // there is no such descriptor
}

static void streams_and_links(void **unused) {
  (void)unused;
  char text[8] = "";
  scratch_put("file", "old");
  assert_int_equal(symlink("file", scratch("link")), 0);
  check_ok(file_write_atomic(scratch("link"), "new", 3));
  struct stat st;
  assert_true(lstat(scratch("link"), &st) == 0 && S_ISLNK(st.st_mode));
  assert_string_equal(scratch_get("file"), "new");
  assert_int_equal(mkfifo(scratch("fifo"), 0666), 0);
  const int reader = open(scratch("fifo"), O_RDONLY | O_NONBLOCK);
  check_ok(file_write_atomic(scratch("fifo"), "abc", 3));
  assert_int_equal(read(reader, text, sizeof text), 3);
  close(reader);
  assert_true(lstat(scratch("fifo"), &st) == 0 && S_ISFIFO(st.st_mode));
  assert_int_equal(mkdir(scratch("d"), 0777), 0);
  check_fails(file_write_atomic(scratch("d"), "x", 1), ERR_IO, "d: Is a directory");
}

// ---- names ---------------------------------------------------------------------------------------------------

static void names(void **unused) {
  (void)unused;
  char longest[256], first[PATH_MAX], path[PATH_MAX];
  temporary t, u;
  const char *mark;
  memset(longest, 'n', 255);
  longest[255] = '\0';
  strcpy(path, scratch(longest));
  assert_int_equal(temporary_make(&t, path, false, NULL), 0); // a name as long as names can be
  assert_int_equal(temporary_make(&u, path, false, NULL), 0);
  assert_string_not_equal(t.name, u.name);
  strcpy(first, t.name);
  assert_true(temporary_is_name(strrchr(first, '/') + 1, &mark) && strncmp(mark, ".tmp.souk-", 10) == 0);
  leftovers f = {0};
  leftovers_recover(path, &f); // both are ours, and locked
  assert_int_equal(f.removed + f.restored + f.stuck, 0);
  assert_int_equal(temporary_publish(&t), 0);
  close(u.fd); // as if its process had died
  leftovers_recover(path, &f);
  assert_int_equal(f.removed, 1);
  assert_true(file_exists(path) && scratch_count(".tmp.") == 0);
  // What is at the very name is not taken over, be it a file or a link.
  assert_int_equal(temporary_make(&t, scratch("x"), false, NULL), 0);
  strcpy(first, t.name);
  temporary_drop(&t);
  assert_int_equal(symlink("victim", first), 0);
  assert_int_equal(temporary_make(&u, scratch("x"), false, &t), EEXIST);
  assert_int_equal(temporary_make(&u, scratch("x"), true, &t), EEXIST);
  assert_false(file_exists(scratch("victim")));
  assert_false(temporary_is_name("x.tmp.souk-0123456789abcdeF", &mark));
  assert_false(temporary_is_name("x.tmp.souk-0123456789abcdef0", &mark));
  assert_false(temporary_is_name(".tmp.souk-0123456789abcdef", &mark));
  assert_false(temporary_is_name("x.tmp.4711", &mark));
}

// Links and other things that bear the name of a leftover are nobody's.
static void foreign_leftovers(void **unused) {
  (void)unused;
  leftovers f = {0};
  scratch_put("victim", "v");
  assert_int_equal(mkdir(scratch("keep"), 0777), 0);
  scratch_put("keep/file", "k");
  assert_int_equal(symlink("victim", scratch("x.tmp.souk-0123456789abcdef")), 0);
  assert_int_equal(symlink("keep", scratch("x.tmp.souk-1123456789abcdef")), 0);
  assert_int_equal(mkfifo(scratch("x.tmp.souk-2123456789abcdef"), 0666), 0);
  scratch_put("y.tmp.souk-0123456789abcdef", "of another target");
  scratch_put("xx.tmp.souk-0123456789abcdef", "of another target");
  assert_int_equal(mkdir(scratch("x.tmp.souk-3123456789abcdef"), 0777), 0);
  assert_int_equal(symlink(scratch("keep"), scratch("x.tmp.souk-3123456789abcdef/link")), 0);
  leftovers_recover(scratch("x"), &f);
  assert_int_equal(f.removed, 1); // the directory, but not what the link in it leads to
  assert_string_equal(scratch_get("victim"), "v");
  assert_string_equal(scratch_get("keep/file"), "k");
  assert_int_equal(scratch_count("tmp.souk"), 5);
}

// A file whose directory cannot be written to disk is there all the same, and the error says so.
static void files_that_fail(void **unused) {
  (void)unused;
  scratch_put("f", "old");
  faults_set("fsync:1");
  check_fails(file_write_atomic(scratch("f"), "new", 3), ERR_IO, "cannot write ");
  assert_string_equal(scratch_get("f"), "old");
  faults_set("fsync:2");
  check_fails(file_write_atomic(scratch("f"), "new", 3), ERR_IO,
              "/f is in place, but may not be on disk yet");
  assert_string_equal(scratch_get("f"), "new");
  faults_set(NULL);
  assert_int_equal(scratch_count("souk-"), 0);
}

// What must be new is not written into a pipe that is there, even if somebody reads it.
static void fresh(void **unused) {
  (void)unused;
  append_file *f;
  assert_int_equal(mkfifo(scratch("fifo"), 0666), 0);
  assert_int_equal(symlink("fifo", scratch("link")), 0);
  const int reader = open(scratch("fifo"), O_RDONLY | O_NONBLOCK);
  assert_true(reader >= 0);
  check_fails(append_open(&f, scratch("fifo"), APPEND_FRESH), ERR_IO, "fifo: File exists");
  check_fails(append_open(&f, scratch("link"), APPEND_FRESH), ERR_IO, "link: File exists");
  check_ok(append_open(&f, scratch("link"), APPEND_TO)); // it is a pipe's turn elsewhere
  check_ok(append_close(f));
  close(reader);
}

// Somebody who cleans up comes between the making of a directory and its lock.
static int creates;

static bool cleaned(temporary_operation operation) {
  leftovers f = {0};
  if (operation == TEMPORARY_CREATE && ++creates == 2) leftovers_recover(scratch("d"), &f);
  return false;
}

static void directory_cleaned(void **unused) {
  (void)unused;
  temporary t;
  creates = 0;
  temporary_fault = cleaned;
  const int error = temporary_make(&t, scratch("d"), true, NULL);
  temporary_fault = NULL;
  assert_int_equal(error, 0);
  assert_int_equal(creates, 4);
  assert_true(dir_exists(t.name) && scratch_count("d.tmp") == 1);
  temporary_drop(&t);
  assert_int_equal(scratch_count("d.tmp"), 0);
}

// Two who remove the same tree at once: what the other one was quicker with is no error.
static void removed_at_once(void **unused) {
  (void)unused;
  for (int round = 0; round < 40; round++) {
    char name[64];
    assert_int_equal(mkdir(scratch("tree"), 0777), 0);
    for (int i = 0; i < 50; i++) {
      snprintf(name, sizeof name, "tree/%d", i);
      assert_int_equal(mkdir(scratch(name), 0777), 0);
    }
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    const int error = tree_remove(scratch("tree"));
    if (pid == 0) _exit(error);
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(error, 0);
    assert_int_equal(how, 0);
    assert_false(dir_exists(scratch("tree")));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(targets, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(streams_and_links, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(names, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(foreign_leftovers, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(files_that_fail, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(fresh, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(directory_cleaned, scratch_begin, scratch_end),
      cmocka_unit_test_setup_teardown(removed_at_once, scratch_begin, scratch_end)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
