// The checkpoints in a run's directory; see run_dir.h.
#include "train/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "format/temporary.h"
#include "model/checkpoint_find.h"

status run_has_checkpoints(const char *run_dir, bool *has) {
  int64_t *steps;
  size_t n;
  TRY(checkpoint_list(run_dir, &steps, &n));
  free(steps);
  *has = n > 0;
  return OK;
}

// ---- cleaning ------------------------------------------------------------------------------------------------

status run_prune(const char *run_dir, int64_t keep, int64_t best_step) {
  int64_t *steps;
  size_t n;
  TRY(checkpoint_list(run_dir, &steps, &n));
  status rc = OK;
  for (size_t i = (size_t)keep; rc == OK && i < n; i++) {
    char path[PATH_MAX];
    if (steps[i] == best_step) continue;
    rc = checkpoint_path(path, run_dir, steps[i]);
    if (rc == OK) rc = dir_discard(path);
  }
  free(steps);
  return rc;
}

// Are the first n bytes of a name the name of something that a run writes? Other files in the directory are not
// touched.
static bool is_of_run(const char *name, size_t n) {
  static const char *const files[] = {"last", "best", "config.yaml", "metrics.jsonl", "tried", RUN_BASE};
  static const char *const numbered[] = {"step-", "nonfinite-"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (n == strlen(files[i]) && strncmp(name, files[i], n) == 0) return true;
  for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++) {
    const size_t m = strlen(numbered[i]);
    if (n > m && strncmp(name, numbered[i], m) == 0 && m + strspn(name + m, "0123456789") == n) return true;
  }
  return false;
}

// NAME.tmp.PID or NAME.old.PID of earlier versions: not in use, since we hold the run's lock.
static bool is_of_old(const char *name) {
  const char *mark = strstr(name, ".tmp.");
  if (mark == NULL) mark = strstr(name, ".old.");
  return mark != NULL && is_of_run(name, (size_t)(mark - name)) && mark[5] != '\0' &&
         strspn(mark + 5, "0123456789") == strlen(mark + 5);
}

// Removes a leftover, or puts it back.
static status clean_name(const char *run_dir, const char *name, leftovers *found) {
  char path[PATH_MAX];
  const char *mark;
  if (temporary_is_name(name, &mark)) {
    if (!is_of_run(name, (size_t)(mark - name))) return OK;
    TRY(path_join(path, sizeof path, run_dir, name));
    path[strlen(path) - strlen(mark)] = '\0';
    leftovers_recover(path, found);
    return OK;
  }
  if (!is_of_old(name)) return OK;
  TRY(path_join(path, sizeof path, run_dir, name));
  found->removed++;
  return dir_remove(path);
}

status run_clean(const char *run_dir) {
  leftovers found = {0};
  char text[PATH_MAX + 256];
  DIR *dir = opendir(run_dir);
  if (dir == NULL) return fail(ERR_IO, "cannot open directory %s: %s", run_dir, strerror(errno));
  status rc = OK;
  for (struct dirent *e; rc == OK && (e = readdir(dir)) != NULL;) rc = clean_name(run_dir, e->d_name, &found);
  closedir(dir);
  if (leftovers_text(&found, run_dir, text, sizeof text)) log_info("%s", text);
  return rc;
}

// ---- resuming ------------------------------------------------------------------------------------------------

// Renames a damaged checkpoint, so that it does not count among the newest but can still be examined.
static status set_aside(const char *run_dir, int64_t step, const char *path) {
  char name[48], aside[PATH_MAX];
  snprintf(name, sizeof name, "damaged-step-%08lld", (long long)step);
  TRY(path_join(aside, sizeof aside, run_dir, name));
  if (dir_exists(aside)) TRY(dir_remove(aside));
  return path_rename(path, aside);
}

// A checkpoint that we may not read is not damaged.
static bool is_denied(const char *checkpoint_dir, char path[PATH_MAX]) {
  static const char *const parts[] = {"",           "manifest.json", "model.h5", "optimizer.h5",
                                      "average.h5", "content.h5",    "mined.h5", "vocab.tsv"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (path_join(path, PATH_MAX, checkpoint_dir, parts[i]) == OK && access(path, R_OK) != 0 &&
        errno == EACCES)
      return true;
  return false;
}

// Opens one of the run's checkpoints; A damaged one is set aside, and *out stays NULL. older: the step that is tried
// next, -1: none.
static status open_or_set_aside(checkpoint **out, const char *run_dir, int64_t step, int64_t older) {
  char path[PATH_MAX], denied[PATH_MAX];
  TRY(checkpoint_path(path, run_dir, step));
  const status rc = checkpoint_open(out, path);
  if (rc == OK) return OK;
  if (is_denied(path, denied)) return fail(ERR_IO, "cannot read %s: %s", denied, strerror(EACCES));
  // A file of another version, or one too large for memory, is not damaged.
  if (rc != ERR_FORMAT && rc != ERR_CHECKSUM && rc != ERR_NOT_FOUND && rc != ERR_IO) return rc;
  log_warn("%s", fail_message());
  if (older >= 0)
    log_warn("step-%08lld is damaged: going back to step-%08lld (it is kept as damaged-step-%08lld)",
             (long long)step, (long long)older, (long long)step);
  return set_aside(run_dir, step, path);
}

static status open_newest(checkpoint **out, const char *run_dir) {
  int64_t *steps;
  size_t n;
  TRY(checkpoint_list(run_dir, &steps, &n));
  status rc = OK;
  for (size_t i = 0; rc == OK && *out == NULL && i < n; i++)
    rc = open_or_set_aside(out, run_dir, steps[i], i + 1 < n ? steps[i + 1] : -1);
  free(steps);
  TRY(rc);
  return *out != NULL ? OK : fail(ERR_NOT_FOUND, "%s holds no checkpoint that is whole", run_dir);
}

status run_resume(checkpoint **out, const char *run_dir, int64_t keep, bool keep_best) {
  *out = NULL;
  TRY(run_clean(run_dir));
  TRY(open_newest(out, run_dir));
  const train_state *t = &(*out)->state;
  status rc = checkpoint_point(run_dir, WHICH_LAST, t->step);
  if (rc == OK) rc = run_prune(run_dir, keep, keep_best ? t->best_step : -1); // a kill may have prevented it
  if (rc == OK) rc = checkpoint_point_to_best(run_dir, t->best_step);
  if (rc == OK) return OK;
  checkpoint_close(*out);
  *out = NULL;
  return rc;
}
