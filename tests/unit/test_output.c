// Where outputs go and how they come there: what a path stands for, names nobody can foresee, directories exchanged, and
// a process killed before any of its renames and creations, whose work the next one mends.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "data/array_file.h"
#include "format/target.h"
#include "format/temporary.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256], path[PATH_MAX];

static const char *at(const char *name) {
  static char buffers[4][PATH_MAX];
  static int next;
  char *buffer = buffers[next++ % 4];
  check_ok(path_join(buffer, PATH_MAX, dir, name));
  return buffer;
}

static int begin(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  log_set_level(LOG_ERROR);
  return 0;
}

static int end(void **unused) {
  (void)unused;
  unsetenv("SOUK_FAULT");
  tiny_remove(dir);
  return 0;
}

static void put(const char *name, const char *text) {
  FILE *f = fopen(at(name), "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

// What is in a file; "" where there is none.
static const char *get(const char *name) {
  static char text[256];
  FILE *f = fopen(at(name), "r");
  const size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
  text[n] = '\0';
  if (f != NULL) fclose(f);
  return text;
}

// Names in the directory that hold `text`.
static int count(const char *text) {
  int n = 0;
  DIR *d = opendir(dir);
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += strstr(e->d_name, text) != NULL;
  closedir(d);
  return n;
}

static void faults(const char *what) {
  if (what != NULL)
    setenv("SOUK_FAULT", what, 1);
  else
    unsetenv("SOUK_FAULT");
  check_ok(fault_init());
}

// Does `action` in a process of its own that is killed at a fault. False: it came to its end.
static bool is_killed(const char *fault, void (*action)(void)) {
  fflush(NULL);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    setenv("SOUK_FAULT", fault, 1);
    if (fault_init() == OK) action();
    _exit(0);
  }
  int how;
  assert_int_equal(waitpid(pid, &how, 0), pid);
  return WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
}

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
  put("file", "x");
  assert_int_equal(mkdir(at("d"), 0777), 0);
  assert_int_equal(mkfifo(at("fifo"), 0666), 0);
  assert_int_equal(symlink("file", at("link")), 0);
  assert_int_equal(symlink("d/../link", at("far")), 0);
  assert_int_equal(symlink("d/new", at("dangling")), 0);
  assert_int_equal(symlink("loop", at("loop")), 0);
  assert_true(found(at("file")).kind == TARGET_FILE && found(at("file")).exists);
  assert_true(found(at("new")).kind == TARGET_FILE && !found(at("new")).exists);
  t = found(at("far"));
  assert_true(t.kind == TARGET_FILE && t.exists && strstr(t.path, "d/../file") != NULL);
  t = found(at("dangling"));
  assert_true(t.kind == TARGET_FILE && !t.exists && strstr(t.path, "d/new") != NULL);
  t = found(at("fifo"));
  assert_true(t.kind == TARGET_STREAM && t.fifo && t.descriptor == -1);
  assert_int_equal(found(at("d")).kind, TARGET_DIRECTORY);
  assert_int_equal(found(at("d/..")).kind, TARGET_DIRECTORY);
  assert_null(strstr(found(at("d/..")).path, "..")); // nothing can be written beside that
  assert_int_equal(target_find(&t, at("loop")), ELOOP);
  assert_int_equal(target_find(&t, at("file/x")), ENOTDIR);
  assert_int_equal(target_find(&t, at("new/")), EISDIR);
  assert_int_equal(target_find(&t, ""), ENOENT);
  const target a = found(at("link")), b = found(at("file")), c = found(at("d/../file")), d = found(at("new"));
  assert_true(target_same(&a, &b) && target_same(&a, &c) && !target_same(&a, &d));
  // Own descriptors are taken as they are, even of regular files.
  const int fd = open(at("file"), O_WRONLY | O_APPEND);
  snprintf(own, sizeof own, "/dev/fd/%d", fd);
  t = found(own);
  assert_true(t.kind == TARGET_STREAM && t.descriptor == fd);
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  assert_int_equal(symlink(own, at("to-descriptor")), 0);
  assert_int_equal(found(at("to-descriptor")).descriptor, fd);
  check_ok(file_write_atomic(at("to-descriptor"), "yz", 2));
  assert_string_equal(get("file"), "xyz");
  close(fd);
  assert_true(found(own).kind == TARGET_FILE && !found(own).exists); // there is no such descriptor
}

static void streams_and_links(void **unused) {
  (void)unused;
  char text[8] = "";
  put("file", "old");
  assert_int_equal(symlink("file", at("link")), 0);
  check_ok(file_write_atomic(at("link"), "new", 3));
  struct stat st;
  assert_true(lstat(at("link"), &st) == 0 && S_ISLNK(st.st_mode));
  assert_string_equal(get("file"), "new");
  assert_int_equal(mkfifo(at("fifo"), 0666), 0);
  const int reader = open(at("fifo"), O_RDONLY | O_NONBLOCK);
  check_ok(file_write_atomic(at("fifo"), "abc", 3));
  assert_int_equal(read(reader, text, sizeof text), 3);
  close(reader);
  assert_true(lstat(at("fifo"), &st) == 0 && S_ISFIFO(st.st_mode));
  assert_int_equal(mkdir(at("d"), 0777), 0);
  check_fails(file_write_atomic(at("d"), "x", 1), ERR_IO, "d: Is a directory");
}

// ---- names ---------------------------------------------------------------------------------------------------

static void names(void **unused) {
  (void)unused;
  char longest[256], first[PATH_MAX];
  temporary t, u;
  const char *mark;
  memset(longest, 'n', 255);
  longest[255] = '\0';
  strcpy(path, at(longest));
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
  assert_true(file_exists(path) && count(".tmp.") == 0);
  // What is at the very name is not taken over, be it a file or a link.
  assert_int_equal(temporary_make(&t, at("x"), false, NULL), 0);
  strcpy(first, t.name);
  temporary_drop(&t);
  assert_int_equal(symlink("victim", first), 0);
  assert_int_equal(temporary_make(&u, at("x"), false, &t), EEXIST);
  assert_int_equal(temporary_make(&u, at("x"), true, &t), EEXIST);
  assert_false(file_exists(at("victim")));
  assert_false(temporary_is_name("x.tmp.souk-0123456789abcdeF", &mark));
  assert_false(temporary_is_name("x.tmp.souk-0123456789abcdef0", &mark));
  assert_false(temporary_is_name(".tmp.souk-0123456789abcdef", &mark));
  assert_false(temporary_is_name("x.tmp.4711", &mark));
}

// Links and other things that bear the name of a leftover are nobody's.
static void foreign_leftovers(void **unused) {
  (void)unused;
  leftovers f = {0};
  put("victim", "v");
  assert_int_equal(mkdir(at("keep"), 0777), 0);
  put("keep/file", "k");
  assert_int_equal(symlink("victim", at("x.tmp.souk-0123456789abcdef")), 0);
  assert_int_equal(symlink("keep", at("x.tmp.souk-1123456789abcdef")), 0);
  assert_int_equal(mkfifo(at("x.tmp.souk-2123456789abcdef"), 0666), 0);
  put("y.tmp.souk-0123456789abcdef", "of another target");
  put("xx.tmp.souk-0123456789abcdef", "of another target");
  assert_int_equal(mkdir(at("x.tmp.souk-3123456789abcdef"), 0777), 0);
  assert_int_equal(symlink(at("keep"), at("x.tmp.souk-3123456789abcdef/link")), 0);
  leftovers_recover(at("x"), &f);
  assert_int_equal(f.removed, 1); // the directory, but not what the link in it leads to
  assert_string_equal(get("victim"), "v");
  assert_string_equal(get("keep/file"), "k");
  assert_int_equal(count("tmp.souk"), 5);
}

// A file whose directory cannot be written to disk is there all the same, and the error says so.
static void files_that_fail(void **unused) {
  (void)unused;
  put("f", "old");
  faults("fsync:1");
  check_fails(file_write_atomic(at("f"), "new", 3), ERR_IO, "cannot write ");
  assert_string_equal(get("f"), "old");
  faults("fsync:2");
  check_fails(file_write_atomic(at("f"), "new", 3), ERR_IO, "/f is in place, but may not be on disk yet");
  assert_string_equal(get("f"), "new");
  faults(NULL);
  assert_int_equal(count("souk-"), 0);
}

// What must be new is not written into a pipe that is there, even if somebody reads it.
static void fresh(void **unused) {
  (void)unused;
  append_file *f;
  assert_int_equal(mkfifo(at("fifo"), 0666), 0);
  assert_int_equal(symlink("fifo", at("link")), 0);
  const int reader = open(at("fifo"), O_RDONLY | O_NONBLOCK);
  assert_true(reader >= 0);
  check_fails(append_open(&f, at("fifo"), APPEND_FRESH), ERR_IO, "fifo: File exists");
  check_fails(append_open(&f, at("link"), APPEND_FRESH), ERR_IO, "link: File exists");
  check_ok(append_open(&f, at("link"), APPEND_TO)); // it is a pipe's turn elsewhere
  check_ok(append_close(f));
  close(reader);
}

// Somebody who cleans up comes between the making of a directory and its lock.
static int creates;

static bool cleaned(temporary_operation operation) {
  leftovers f = {0};
  if (operation == TEMPORARY_CREATE && ++creates == 2) leftovers_recover(at("d"), &f);
  return false;
}

static void directory_cleaned(void **unused) {
  (void)unused;
  temporary t;
  creates = 0;
  temporary_fault = cleaned;
  const int error = temporary_make(&t, at("d"), true, NULL);
  temporary_fault = NULL;
  assert_int_equal(error, 0);
  assert_int_equal(creates, 4);
  assert_true(dir_exists(t.name) && count("d.tmp") == 1);
  temporary_drop(&t);
  assert_int_equal(count("d.tmp"), 0);
}

// Two who remove the same tree at once: what the other one was quicker with is no error.
static void removed_at_once(void **unused) {
  (void)unused;
  for (int round = 0; round < 40; round++) {
    char name[64];
    assert_int_equal(mkdir(at("tree"), 0777), 0);
    for (int i = 0; i < 50; i++) {
      snprintf(name, sizeof name, "tree/%d", i);
      assert_int_equal(mkdir(at(name), 0777), 0);
    }
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    const int error = tree_remove(at("tree"));
    if (pid == 0) _exit(error);
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(error, 0);
    assert_int_equal(how, 0);
    assert_false(dir_exists(at("tree")));
  }
}

// ---- directories ---------------------------------------------------------------------------------------------

static status make_directory(const char *text, bool force) {
  out_dir *d;
  char file[PATH_MAX];
  TRY(out_dir_open(&d, at("place"), PATH_MARKETPLACE, force));
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
    faults(slow ? "exchange:1+" : NULL);
    check_ok(make_directory("\"souk.synth\" two", true));
    assert_string_equal(get("place/synth.json"), "\"souk.synth\" two");
    assert_int_equal(count("souk-"), 0);
  }
  // A link to it stays, and so does a directory that is nobody's.
  assert_int_equal(rename(at("place"), at("real")), 0);
  assert_int_equal(symlink("real", at("place")), 0);
  check_ok(make_directory("\"souk.synth\" three", true));
  struct stat st;
  assert_true(lstat(at("place"), &st) == 0 && S_ISLNK(st.st_mode));
  assert_string_equal(get("real/synth.json"), "\"souk.synth\" three");
  put("real/synth.json", "another schema");
  check_fails(make_directory("x", true), ERR_ARGUMENT, "it is left as it is");
  check_ok(dir_remove(at("real")));
  check_ok(make_directory("\"souk.synth\" four", false)); // a link into nothing: made where it leads
  assert_string_equal(get("real/synth.json"), "\"souk.synth\" four");
  assert_int_equal(unlink(at("place")), 0);
  assert_int_equal(mkdir(at("place"), 0777), 0);
  check_ok(make_directory("\"souk.synth\" five", false)); // an empty one does not count
  check_ok(dir_remove(at("place")));
  put("place", "a file");
  check_fails(make_directory("x", true), ERR_ARGUMENT, "it is left as it is");
  assert_string_equal(get("place"), "a file");
}

// Somebody puts another one there while we write ours: without force it stays, with force one of the two is there whole.
static void race(void **unused) {
  (void)unused;
  out_dir *d;
  check_ok(out_dir_open(&d, at("place"), PATH_MARKETPLACE, false));
  assert_int_equal(mkdir(at("place"), 0777), 0);
  put("place/synth.json", "theirs");
  check_fails(out_dir_commit(d), ERR_ARGUMENT, "it is left as it is");
  assert_string_equal(get("place/synth.json"), "theirs");
  check_ok(dir_remove(at("place")));
  temporary t;
  char aside[PATH_MAX];
  assert_int_equal(temporary_make(&t, at("place"), true, NULL), 0);
  assert_int_equal(mkdir(at("place"), 0777), 0);
  put("place/synth.json", "theirs");
  assert_int_equal(temporary_publish_directory(&t, false, aside), ENOTEMPTY);
  assert_string_equal(get("place/synth.json"), "theirs");
  assert_int_equal(count("souk-"), 0);
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
        faults(NULL);
        check_ok(make_directory("\"souk.synth\" old", true));
        snprintf(fault, sizeof fault, "%s:%d%s", kinds[k], i, slow ? ",exchange:1+" : "");
        faults(fault);
        failed = make_directory("\"souk.synth\" new", true) != OK;
        if (!failed) assert_true(i > 1);
        // Only the last fsync comes after the exchange, and then it says so.
        const bool is_new = strstr(get("place/synth.json"), "new") != NULL;
        assert_int_equal(is_new, !failed || strstr(fail_message(),
                                                   "/place is in place, but may not be on disk yet") != NULL);
        assert_true(!failed || !is_new || strcmp(kinds[k], "fsync") == 0);
        assert_int_equal(count("souk-"), 0);
      }
    }
  }
  faults(NULL);
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
        if (!slow) assert_true(strstr(get("place/synth.json"), "souk.synth") != NULL);
        leftovers f = {0};
        leftovers_recover(at("place"), &f);
        assert_int_equal(f.stuck, 0);
        assert_true(strstr(get("place/synth.json"), killed ? "souk.synth" : "new") != NULL);
        assert_int_equal(count("souk-"), 0);
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
      const char *text = get("place/synth.json");
      assert_true(strstr(text, "new") != NULL || strstr(text, "theirs") != NULL);
      assert_int_equal(count("souk-"), 0);
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
    const int fd = open(at("place/synth.json"), O_RDONLY);
    char text[64];
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    bad += n != (ssize_t)strlen("\"souk.synth\" new");
    opens++;
    if (fd >= 0) close(fd);
  } while (waitpid(pid, &how, WNOHANG) == 0);
  assert_int_equal(how, 0);
  if (bad > 0) fail_msg("%d of %d opens failed", bad, opens);
  assert_int_equal(count("souk-"), 0);
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
  TRY(array_open(&f, at("v.npy")));
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
  FILE *f = fopen(at("v.npy"), "rb");
  float x = 0;
  if (f == NULL) return 0;
  fseek(f, -4, SEEK_END);
  assert_int_equal(fread(&x, sizeof x, 1, f), 1);
  fclose(f);
  return (char)x;
}

static char names_of(void) {
  return get("v.npy.names.tsv")[0];
}

static void check_pair(void) {
  assert_int_equal(count("souk-"), 0);
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
      faults(NULL);
      letter = "o";
      check_ok(write_pair(true));
      letter = "n";
      snprintf(fault, sizeof fault, "%s:%d", kinds[k], i);
      faults(fault);
      failed = write_pair(true) != OK;
      assert_true(failed || i > 1);
      check_pair();
      if (data_of() == 'o') assert_int_equal(names_of(), 'o'); // nothing is lost
      if (!failed) continue;
      const char *wanted = data_of() == 'o'    ? "cannot "
                           : names_of() == 'n' ? "v.npy is in place, but may not be on disk yet"
                                               : "v.npy is in place, but has no names";
      if (strstr(fail_message(), wanted) == NULL) fail_msg("%s:%d: %s", kinds[k], i, fail_message());
    }
  }
  faults(NULL);
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
    faults(fault);
    failed = write_pair(true) != OK;
    faults(NULL);
    leftovers f = {0};
    leftovers_recover_pair(at("v.npy"), at("v.npy.names.tsv"), &f);
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
      if (alone) leftovers_recover(at("v.npy"), &f);
      if (alone) leftovers_recover(at("v.npy.names.tsv"), &f);
      leftovers_recover_pair(at("v.npy"), at("v.npy.names.tsv"), &f);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(targets, begin, end),
                                     cmocka_unit_test_setup_teardown(streams_and_links, begin, end),
                                     cmocka_unit_test_setup_teardown(names, begin, end),
                                     cmocka_unit_test_setup_teardown(foreign_leftovers, begin, end),
                                     cmocka_unit_test_setup_teardown(files_that_fail, begin, end),
                                     cmocka_unit_test_setup_teardown(fresh, begin, end),
                                     cmocka_unit_test_setup_teardown(directory_cleaned, begin, end),
                                     cmocka_unit_test_setup_teardown(removed_at_once, begin, end),
                                     cmocka_unit_test_setup_teardown(directories, begin, end),
                                     cmocka_unit_test_setup_teardown(race, begin, end),
                                     cmocka_unit_test_setup_teardown(directories_that_fail, begin, end),
                                     cmocka_unit_test_setup_teardown(directories_killed, begin, end),
                                     cmocka_unit_test_setup_teardown(directories_race, begin, end),
                                     cmocka_unit_test_setup_teardown(always_there, begin, end),
                                     cmocka_unit_test_setup_teardown(pairs_that_fail, begin, end),
                                     cmocka_unit_test_setup_teardown(pairs_that_go_on_failing, begin, end),
                                     cmocka_unit_test_setup_teardown(pairs_killed, begin, end),
                                     cmocka_unit_test_setup_teardown(pairs_race, begin, end)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
