// The checkpoints of a run; see saver.h.
#include "train/saver.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/temporary.h"

struct saver {
  saver_config c;
  metric_sink *sink;
  float *snapshot; // [3][elements]: parameters, m, v of what is trained; NULL without background
  // The frozen parameters never change: they are read from where they are, or, on a device, copied [frozen_elements] once.
  float *frozen;
  bool has_frozen; // they were copied
  pthread_t thread;
  bool running; // there is a thread to join
  atomic_bool done;
  // of the save at hand
  train_state state;
  failure failed;
};

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

// Steps of the checkpoints of a run, newest first; freed with free().
static status list_steps(const char *run_dir, int64_t **steps, size_t *n) {
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

static status checkpoint_path(char path[PATH_MAX], const char *run_dir, int64_t step) {
  char name[32];
  step_name(name, step);
  return path_join(path, PATH_MAX, run_dir, name);
}

static status point_to(const char *run_dir, const char *pointer, int64_t step) {
  char path[PATH_MAX], name[40];
  step_name(name, step);
  strcat(name, "\n");
  TRY(path_join(path, sizeof path, run_dir, pointer));
  return file_write_atomic(path, name, strlen(name));
}

// RUN/best names the best checkpoint if there is one; a name that leads nowhere goes.
static status point_to_best(const char *run_dir, int64_t best_step) {
  char path[PATH_MAX];
  TRY(checkpoint_path(path, run_dir, best_step));
  if (best_step > 0 && dir_exists(path)) return point_to(run_dir, "best", best_step);
  TRY(path_join(path, sizeof path, run_dir, "best"));
  if (file_exists(path) && unlink(path) != 0)
    return fail(ERR_IO, "cannot remove %s: %s", path, strerror(errno));
  return OK;
}

// ---- saving --------------------------------------------------------------------------------------------------

// Removes checkpoints of a run beyond the newest `keep`, but never the best. Each gets another name first, so that one
// whose removal is cut short is no checkpoint any more.
static status prune(const char *run_dir, int64_t keep, int64_t best_step) {
  int64_t *steps;
  size_t n;
  TRY(list_steps(run_dir, &steps, &n));
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

// A step with finite gradients can still overflow a parameter or a moment. Such a state is no place to resume from, and
// must not push older ones out.
static status check_finite(const param_set *s, const param_values *v) {
  static const char *const what[] = {"parameter", "the first moment of", "the second moment of"};
  for (int k = 0; k < 3; k++) {
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i];
      const float *x = k == 0 ? value_master(v, p) : k == 1 ? value_m(v, p) : value_v(v, p);
      bool finite = true; // what is frozen stays as it was loaded
      for (int64_t j = 0; p->trainable && j < p->size; j++) finite = finite && isfinite(x[j]);
      if (!finite)
        return fail(ERR_NONFINITE, "%s %s has become NaN or infinite: no checkpoint is written of that",
                    what[k], p->name);
    }
  }
  return OK;
}

static status write_checkpoint(const saver *s, const char *path) {
  const param_set *p = model_params(s->c.m);
  param_values values = params_values(p);
  if (s->snapshot == NULL) {
    if (p->be->host_memory) TRY(check_finite(p, &values));
    return checkpoint_write_model(path, s->c.m, &s->state, s->c.config_yaml, s->c.data, true);
  }
  values.master = s->snapshot;
  values.m = s->snapshot + p->elements;
  values.v = s->snapshot + 2 * p->elements;
  if (s->frozen != NULL) values.frozen = s->frozen;
  const checkpoint_content c = {.model = model_get_config(s->c.m),
                                .params = p,
                                .values = values,
                                .state = &s->state,
                                .config_yaml = s->c.config_yaml,
                                .data = s->c.data};
  TRY(check_finite(p, &values));
  return checkpoint_write(path, &c);
}

static status write_everything(const saver *s) {
  char path[PATH_MAX];
  if (s->sink != NULL) TRY(sink_sync(s->sink));
  TRY(checkpoint_path(path, s->c.run_dir, s->state.step));
  TRY(write_checkpoint(s, path));
  TRY(point_to(s->c.run_dir, "last", s->state.step));
  if (s->state.best_step == s->state.step) TRY(point_to(s->c.run_dir, "best", s->state.step));
  TRY(prune(s->c.run_dir, s->c.keep, s->c.keep_best ? s->state.best_step : -1));
  return s->c.keep_best ? OK : point_to_best(s->c.run_dir, s->state.best_step);
}

static void *work(void *arg) {
  saver *s = arg;
  failure_keep(&s->failed, write_everything(s));
  atomic_store(&s->done, true);
  return NULL;
}

size_t snapshot_bytes(const param_bytes *p, bool host_memory) {
  return p->weights + p->moments + (host_memory ? 0 : p->frozen);
}

static status new_snapshot(saver *s) {
  const param_set *p = model_params(s->c.m);
  static const char what[] = "snapshots of the model (train.background = false needs none)";
  TRY(mem_new(&s->snapshot, 3 * (size_t)p->elements, sizeof *s->snapshot, what));
  if (p->be->host_memory || p->frozen_elements == 0) return OK;
  return mem_new(&s->frozen, (size_t)p->frozen_elements, sizeof *s->frozen, what);
}

status saver_open(saver **out, const saver_config *c) {
  *out = NULL;
  saver *s;
  TRY(mem_new(&s, 1, sizeof *s, "the checkpoint writer"));
  s->c = *c;
  const status rc = c->background ? new_snapshot(s) : OK;
  if (rc != OK) {
    saver_close(s);
    return rc;
  }
  *out = s;
  return OK;
}

void saver_attach(saver *s, metric_sink *sink) {
  s->sink = sink;
}

status saver_wait(saver *s) {
  if (s->running) pthread_join(s->thread, NULL);
  s->running = false;
  const status rc = failure_raise(&s->failed);
  s->failed.rc = OK; // told once
  return rc;
}

status saver_poll(saver *s) {
  return s->running && atomic_load(&s->done) ? saver_wait(s) : OK;
}

static status take_snapshot(saver *s) {
  const param_set *p = model_params(s->c.m);
  const float *const arenas[] = {p->master, p->m, p->v};
  for (int i = 0; i < 3; i++)
    TRY(p->be->download(p->ctx, s->snapshot + i * p->elements, arenas[i],
                        (size_t)p->elements * sizeof(float)));
  if (s->frozen == NULL || s->has_frozen) return OK;
  TRY(p->be->download(p->ctx, s->frozen, p->frozen, (size_t)p->frozen_elements * sizeof(float)));
  s->has_frozen = true;
  return OK;
}

status saver_save(saver *s, const train_state *state) {
  TRY(saver_wait(s));
  s->state = *state;
  if (s->snapshot == NULL) return write_everything(s);
  TRY(take_snapshot(s));
  atomic_store(&s->done, false);
  if (pthread_create(&s->thread, NULL, work, s) != 0) return write_everything(s); // no thread to be had: wait
  s->running = true;
  return OK;
}

void saver_close(saver *s) {
  if (s == NULL) return;
  if (s->running) pthread_join(s->thread, NULL);
  free(s->snapshot);
  free(s->frozen);
  free(s);
}

// ---- resuming ------------------------------------------------------------------------------------------------

status run_has_checkpoints(const char *run_dir, bool *has) {
  int64_t *steps;
  size_t n;
  TRY(list_steps(run_dir, &steps, &n));
  free(steps);
  *has = n > 0;
  return OK;
}

// Are the first n bytes of a name those of something that a run writes? Whatever else lies in its directory is others'.
static bool is_of_run(const char *name, size_t n) {
  static const char *const files[] = {"last", "best", "config.yaml", "metrics.jsonl"};
  static const char *const numbered[] = {"step-", "nonfinite-"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (n == strlen(files[i]) && strncmp(name, files[i], n) == 0) return true;
  for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++) {
    const size_t m = strlen(numbered[i]);
    if (n > m && strncmp(name, numbered[i], m) == 0 && m + strspn(name + m, "0123456789") == n) return true;
  }
  return false;
}

// NAME.tmp.PID or NAME.old.PID of earlier builds: nobody works on it while we hold the lock.
static bool is_of_old(const char *name) {
  const char *mark = strstr(name, ".tmp.");
  if (mark == NULL) mark = strstr(name, ".old.");
  return mark != NULL && is_of_run(name, (size_t)(mark - name)) && mark[5] != '\0' &&
         strspn(mark + 5, "0123456789") == strlen(mark + 5);
}

// A leftover goes, or goes back to its place.
static status clean_name(const char *run_dir, const char *name, leftovers *found) {
  char path[PATH_MAX];
  const char *mark;
  if (temporary_is_name(name, &mark)) {
    if (!is_of_run(name, (size_t)(mark - name))) return OK;
    TRY(path_join(path, sizeof path, run_dir, name));
    path[strlen(path) - strlen(mark)] = '\0';
    leftovers_mend(path, found);
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

// A damaged checkpoint must not count among the newest, but what is in it may still be of use to somebody.
static status set_aside(const char *run_dir, int64_t step, const char *path) {
  char name[48], aside[PATH_MAX];
  snprintf(name, sizeof name, "damaged-step-%08lld", (long long)step);
  TRY(path_join(aside, sizeof aside, run_dir, name));
  if (dir_exists(aside)) TRY(dir_remove(aside));
  return path_rename(path, aside);
}

// Not ours to read is not damaged.
static bool is_denied(const char *checkpoint_dir, char path[PATH_MAX]) {
  static const char *const parts[] = {"", "manifest.json", "model.h5", "optimizer.h5", "vocab.tsv"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (path_join(path, PATH_MAX, checkpoint_dir, parts[i]) == OK && access(path, R_OK) != 0 &&
        errno == EACCES)
      return true;
  return false;
}

status run_resume(checkpoint **out, const char *run_dir, int64_t keep, bool keep_best) {
  *out = NULL;
  TRY(run_clean(run_dir));
  int64_t *steps;
  size_t n;
  TRY(list_steps(run_dir, &steps, &n));
  status rc = OK;
  for (size_t i = 0; rc == OK && *out == NULL && i < n; i++) {
    char path[PATH_MAX];
    rc = checkpoint_path(path, run_dir, steps[i]);
    if (rc != OK) break;
    const status opened = checkpoint_open(out, path);
    if (opened == OK) break;
    char denied[PATH_MAX];
    if (is_denied(path, denied)) {
      rc = fail(ERR_IO, "cannot read %s: %s", denied, strerror(EACCES));
      break;
    }
    const bool damaged =
        opened == ERR_FORMAT || opened == ERR_CHECKSUM || opened == ERR_NOT_FOUND || opened == ERR_IO;
    if (!damaged) {
      rc = opened;
      break;
    }
    log_warn("%s", fail_message());
    if (i + 1 < n)
      log_warn("step-%08lld is damaged: going back to step-%08lld (it is kept as damaged-step-%08lld)",
               (long long)steps[i], (long long)steps[i + 1], (long long)steps[i]);
    rc = set_aside(run_dir, steps[i], path);
  }
  free(steps);
  if (rc == OK && *out == NULL) rc = fail(ERR_NOT_FOUND, "%s holds no checkpoint that is whole", run_dir);
  const train_state *t = *out != NULL ? &(*out)->state : NULL;
  if (rc == OK) rc = point_to(run_dir, "last", t->step);
  if (rc == OK) rc = prune(run_dir, keep, keep_best ? t->best_step : -1); // a kill may have come before it
  if (rc == OK) rc = point_to_best(run_dir, t->best_step);
  if (rc != OK) {
    checkpoint_close(*out);
    *out = NULL;
  }
  return rc;
}
