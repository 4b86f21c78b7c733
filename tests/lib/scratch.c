// See scratch.h.
#include "lib/scratch.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256];

const char *scratch(const char *name) {
  static char buffers[4][PATH_MAX];
  static int next;
  char *buffer = buffers[next++ % 4];
  check_ok(path_join(buffer, PATH_MAX, dir, name));
  return buffer;
}

int scratch_begin(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  log_set_level(LOG_ERROR);
  return 0;
}

int scratch_end(void **unused) {
  (void)unused;
  unsetenv("SOUK_FAULT");
  tiny_remove(dir);
  return 0;
}

void scratch_put(const char *name, const char *text) {
  FILE *f = fopen(scratch(name), "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

const char *scratch_get(const char *name) {
  static char text[256];
  FILE *f = fopen(scratch(name), "r");
  const size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
  text[n] = '\0';
  if (f != NULL) fclose(f);
  return text;
}

int scratch_count(const char *text) {
  int n = 0;
  DIR *d = opendir(dir);
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += strstr(e->d_name, text) != NULL;
  closedir(d);
  return n;
}

void faults_set(const char *what) {
  if (what != NULL)
    setenv("SOUK_FAULT", what, 1);
  else
    unsetenv("SOUK_FAULT");
  check_ok(fault_init());
}

bool is_killed(const char *fault, void (*action)(void)) {
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
