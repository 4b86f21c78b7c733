// A sweep's directory: beginning, opening, closing; see sweep.h.
#include "sweep/sweep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/checkpoint_find.h"
#include "sweep/sweep_internal.h"
#include "train/run_objectives.h"
#include "train/tried.h"

static bool has_range(const sweep_plan *p, const char *name) {
  for (size_t i = 0; i < p->n_ranges; i++)
    if (strcmp(p->ranges[i].name, name) == 0) return true;
  return false;
}

// ---- what it rests on ----------------------------------------------------------------------------------------

static status check_rungs(const sweep_plan *p, const run_config *c) {
  const bool by_steps = p->halving && p->settings.by == SWEEP_STEPS && !has_range(p, "train.eval_every");
  if (!by_steps || p->rungs[0] >= (double)c->train.eval_every) return OK;
  return fail(
      ERR_ARGUMENT,
      "halving.rungs: the first rung, %.0f steps, ends before the first validation (train.eval_every %lld)",
      p->rungs[0], (long long)c->train.eval_every);
}

// Trials on labels are ranked on the same rows: those of labels.valid, or those that a draw holds out, which the seed decides.
static status check_labelled(const sweep_plan *p, const run_config *c) {
  static const char *const draws[] = {"data.seed", "labels.train"};
  if (c->train.init[0] == '\0' && !has_range(p, "train.init"))
    return fail(ERR_ARGUMENT, "labels.train: labels are learned on top of a run, which train.init names");
  if (c->labels.valid[0] != '\0') return OK;
  if (!(c->labels.valid_share > 0))
    return fail(
        ERR_ARGUMENT,
        "labels.valid names no rows and labels.valid_share is 0, and without validations trials cannot be "
        "ranked");
  for (size_t i = 0; i < sizeof draws / sizeof *draws; i++)
    if (has_range(p, draws[i]))
      return fail(ERR_ARGUMENT,
                  "%s decides which rows are validated on, so that trials with different ones cannot be "
                  "ranked; labels.valid names the same rows for all",
                  draws[i]);
  return OK;
}

// A schedule that ends with the run needs to know where that is.
static void tell_schedule(const sweep_plan *p, const run_config *c) {
  const bool known = p->halving ? p->settings.by != SWEEP_MINUTES : c->train.steps > 0 || c->train.epochs > 0;
  if (known || c->optim.decay_steps > 0 || c->optim.schedule == SCHEDULE_CONSTANT) return;
  if (has_range(p, "train.steps") || has_range(p, "train.epochs") || has_range(p, "optim.decay_steps"))
    return;
  log_warn("only the clock ends these trials, so their last step is not known and the learning rate does not "
           "decay "
           "(optim.decay_steps says where it should)");
}

// What ranks the trials, and the configurations that were tried before for the checkpoint they begin from.
static status take_config(sweep *s, const run_config *c) {
  model_config shape = c->model;
  objective_list l;
  const objective *of;
  const objective_metric *metric;
  checkpoint *from;
  if (c->labels.train[0] != '\0') TRY(check_labelled(&s->plan, c));
  if (c->labels.train[0] == '\0' && c->data.dir[0] == '\0')
    return fail(ERR_ARGUMENT, "data.dir names no data set; fixed: or the base may");
  if (c->data.dir[0] != '\0') TRY(path_check(c->data.dir, PATH_DATASET | PATH_SHARDS));
  if (c->train.eval_every == 0)
    return fail(ERR_ARGUMENT, "train.eval_every is 0, and without validations trials cannot be ranked");
  if (c->data.trains.final && c->data.trains.final_users == 0)
    return fail(ERR_ARGUMENT,
                "data.final trains on the validation part, by which trials are ranked; train the winner "
                "with it, or let data.final_users leave users out");
  TRY(check_rungs(&s->plan, c));
  TRY(run_objectives_list(c, &shape, &l));
  TRY(objectives_find_metric(&l, c->train.metric, "train.metric", &of, &metric));
  snprintf(s->metric, sizeof s->metric, "%s", c->train.metric);
  s->smaller_is_better = metric->smaller_is_better;
  s->timed = s->plan.halving ? s->plan.settings.by == SWEEP_MINUTES
                             : c->train.minutes > 0 || has_range(&s->plan, "train.minutes");
  tell_schedule(&s->plan, c);
  if (c->train.init[0] == '\0') return OK;
  TRY(checkpoint_open_chosen(&from, c->train.init, WHICH_AUTO));
  const status rc = tried_before(&s->tried_before, from);
  checkpoint_close(from);
  return rc;
}

// Trials that run beside each other share the processors.
static int64_t threads_of(const sweep_how *how) {
  const int64_t share = processors_usable() / how->jobs;
  return how->threads > 0 ? how->threads : share > 0 ? share : 1;
}

// ---- its directory -------------------------------------------------------------------------------------------

static status copy_into(const out_dir *d, const char *from, const char *name) {
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, out_dir_path(d), name));
  return file_copy(from, path);
}

// With both files at once, so that a directory that is there can be gone on with.
static status make_dir(const char *dir, const char *file, const char *base_path) {
  out_dir *d;
  TRY(out_dir_open(&d, dir, PATH_SWEEP, false));
  status rc = copy_into(d, base_path, "base.yaml");
  if (rc == OK) rc = copy_into(d, file, "sweep.yaml");
  return out_dir_finish(d, rc);
}

static status set_dir(sweep *s, const char *dir) {
  *s = (sweep){.lock = -1};
  if (strlen(dir) >= sizeof s->dir - 32) return fail(ERR_ARGUMENT, "path too long: %.60s...", dir);
  strcpy(s->dir, dir);
  for (size_t n = strlen(s->dir); n > 1 && s->dir[n - 1] == '/';) s->dir[--n] = '\0';
  return OK;
}

static status make_trials(sweep *s) {
  TRY(mem_new(&s->trials, (size_t)s->n_trials, sizeof *s->trials, "the trials of a sweep"));
  return OK;
}

// The threads of trials are those of the command line, or of the options where these say, or a share of the processors.
static status begin_record(sweep *s, const run_config *c, const sweep_how *how) {
  s->threads_given = how->threads == 0 && (c->train.threads > 0 || has_range(&s->plan, "train.threads"));
  s->n_trials = how->trials > 0 ? how->trials : s->plan.settings.trials;
  s->threads = threads_of(how);
  TRY(make_trials(s));
  TRY(record_open(s));
  return record_head(s);
}

status sweep_begin(sweep *s, const char *dir, const char *file, const char *base_path, const run_config *c,
                   const sweep_how *how) {
  TRY(set_dir(s, dir));
  TRY(sweep_plan_open(&s->plan, file));
  if (path_kind_of(dir) == PATH_SWEEP)
    return fail(ERR_ARGUMENT, "%s holds a sweep already; --resume continues it, or choose another --out",
                dir);
  TRY(path_check_place(dir, PATH_NOTHING));
  TRY(take_config(s, c));
  TRY(make_dir(dir, file, base_path));
  TRY(dir_lock(&s->lock, dir, "another process sweeps there"));
  return begin_record(s, c, how);
}

// More trials may be asked for than a random search began with. With halving that would change who goes on to rungs that
// have been trained already.
static status grow(sweep *s, const sweep_how *how) {
  const int64_t before = s->n_trials;
  if (how->trials == 0 || how->trials == before) return OK;
  if (how->trials < before)
    return fail(ERR_ARGUMENT, "--trials %lld: %s has %lld trials already", (long long)how->trials, s->dir,
                (long long)before);
  if (s->plan.halving)
    return fail(ERR_ARGUMENT,
                "--trials: a sweep with halving cannot grow, since its first rung decides the others");
  sweep_trial *old = s->trials;
  s->n_trials = how->trials;
  s->trials = NULL;
  const status rc = make_trials(s);
  if (rc == OK) memcpy(s->trials, old, (size_t)before * sizeof *old);
  if (rc != OK) s->n_trials = 0;
  free(old);
  return rc;
}

// An option that has another value than the record is a new head.
static status go_on(sweep *s, const run_config *c, const sweep_how *how) {
  const int64_t trials = s->n_trials, threads = s->threads;
  TRY(dir_lock(&s->lock, s->dir, "another process sweeps there"));
  TRY(take_config(s, c));
  if (trials == 0) return begin_record(s, c, how); // it was killed before it began
  TRY(grow(s, how));
  if (how->threads > 0) s->threads = how->threads;
  if (how->threads > 0) s->threads_given = false;
  TRY(record_open(s));
  return s->n_trials != trials || s->threads != threads ? record_head(s) : OK;
}

status sweep_open(sweep *s, const char *dir, const run_config *c, const sweep_how *how) {
  char path[PATH_MAX];
  TRY(set_dir(s, dir));
  TRY(path_check(dir, PATH_SWEEP));
  TRY(path_join(path, sizeof path, s->dir, "sweep.yaml"));
  TRY(sweep_plan_open(&s->plan, path));
  TRY(record_load(s));
  if (c != NULL) return go_on(s, c, how);
  return s->n_trials > 0 ? OK : fail(ERR_NOT_FOUND, "%s has no trial yet; --resume begins them", dir);
}

void sweep_close(sweep *s) {
  for (int64_t i = 0; i < s->n_trials && s->trials != NULL; i++)
    for (int r = 0; r < SWEEP_RUNGS; r++) result_free(&s->trials[i].rungs[r]);
  free(s->trials);
  append_close(s->record);
  sweep_plan_close(&s->plan);
  if (s->lock >= 0) close(s->lock);
  *s = (sweep){.lock = -1};
}
