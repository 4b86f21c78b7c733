// Finding checkpoints by name; see checkpoint_find.h.
#include "model/checkpoint_find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/path_kind.h"

// ---- steps ---------------------------------------------------------------------------------------------------

static void step_name(char name[32], int64_t step) {
  snprintf(name, 32, "step-%08lld", (long long)step);
}

// "step-00000012" and nothing else; -1 for other names.
static int64_t step_of(const char *name) {
  long long step;
  int used = 0;
  if (sscanf(name, "step-%lld%n", &step, &used) != 1 || name[used] != '\0' || used < 13 || step < 0)
    return -1;
  return step;
}

static int descending(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x > y ? -1 : x < y;
}

status checkpoint_path(char path[PATH_MAX], const char *run_dir, int64_t step) {
  char name[32];
  step_name(name, step);
  return path_join(path, PATH_MAX, run_dir, name);
}

status checkpoint_list(const char *run_dir, int64_t **steps, size_t *n) {
  size_t cap = 0;
  *steps = NULL;
  *n = 0;
  DIR *dir = opendir(run_dir);
  if (dir == NULL) return fail(ERR_IO, "cannot open directory %s: %s", run_dir, strerror(errno));
  status rc = OK;
  for (struct dirent *e; rc == OK && (e = readdir(dir)) != NULL;) {
    const int64_t step = step_of(e->d_name);
    if (step < 0) continue;
    rc = mem_grow(steps, &cap, *n + 1, sizeof **steps, "the list of checkpoints");
    if (rc == OK) (*steps)[(*n)++] = step;
  }
  closedir(dir);
  if (rc != OK) {
    free(*steps);
    *steps = NULL;
    return rc;
  }
  if (*n > 0) qsort(*steps, *n, sizeof **steps, descending);
  return OK;
}

// ---- best and last -------------------------------------------------------------------------------------------

static const char *pointer_of(int which) {
  return which == WHICH_LAST ? "last" : "best";
}

status checkpoint_point(const char *run_dir, int which, int64_t step) {
  char path[PATH_MAX], name[40];
  step_name(name, step);
  strcat(name, "\n");
  TRY(path_join(path, sizeof path, run_dir, pointer_of(which)));
  return file_write_atomic(path, name, strlen(name));
}

status checkpoint_point_to_best(const char *run_dir, int64_t step) {
  char path[PATH_MAX];
  TRY(checkpoint_path(path, run_dir, step));
  if (step > 0 && dir_exists(path)) return checkpoint_point(run_dir, WHICH_BEST, step);
  TRY(path_join(path, sizeof path, run_dir, pointer_of(WHICH_BEST)));
  if (file_exists(path) && unlink(path) != 0)
    return fail(ERR_IO, "cannot remove %s: %s", path, strerror(errno));
  return OK;
}

static status follow(char *buf, size_t bytes, const char *run_dir, int which) {
  char name[POINTER_BYTES];
  const status rc = path_read_pointer(name, run_dir, pointer_of(which));
  if (rc == ERR_NOT_FOUND && which == WHICH_BEST)
    return fail(ERR_NOT_FOUND, "the run %s has no best checkpoint: no validation has chosen one", run_dir);
  if (rc == ERR_NOT_FOUND) return fail(ERR_NOT_FOUND, "the run %s has no checkpoint yet", run_dir);
  TRY(rc);
  return path_join(buf, bytes, run_dir, name);
}

// A checkpoint as it was named, without a '/' behind it.
static status named(char *buf, size_t bytes, const char *where) {
  size_t n = strlen(where);
  while (n > 1 && where[n - 1] == '/') n--;
  if (n >= bytes) return fail(ERR_ARGUMENT, "path too long: %.60s...", where);
  memcpy(buf, where, n);
  buf[n] = '\0';
  return OK;
}

status checkpoint_choose(char *buf, size_t bytes, const char *where, int which) {
  char path[PATH_MAX + 64];
  bool is_checkpoint;
  TRY(path_check(where, PATH_RUN | PATH_CHECKPOINT | PATH_STEP));
  TRY(path_join(path, sizeof path, where, "manifest.json"));
  TRY(file_look(path, &is_checkpoint));
  if (is_checkpoint) return named(buf, bytes, where);
  if (which != WHICH_AUTO) return follow(buf, bytes, where, which);
  const status rc = follow(buf, bytes, where, WHICH_BEST);
  return rc == ERR_NOT_FOUND ? follow(buf, bytes, where, WHICH_LAST) : rc;
}

status checkpoint_open_chosen(checkpoint **out, const char *where, int which) {
  char dir[PATH_MAX];
  *out = NULL;
  TRY(checkpoint_choose(dir, sizeof dir, where, which));
  return checkpoint_open(out, dir);
}
