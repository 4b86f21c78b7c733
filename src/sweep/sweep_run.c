// Running the trials of a sweep; see sweep.h.
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/memory.h"
#include "sweep/sweep_internal.h"
#include "train/signals.h"
#include "train/tried.h"

enum { POLL_US = 20000 };

typedef struct pool {
  sweep *s;
  const sweep_how *how;
  sweep_job *jobs; // [how->jobs]
  int64_t running;
  int32_t rung;
  bool told; // the processes have been told to end, and no more are started
} pool;

// ---- words ---------------------------------------------------------------------------------------------------

// "optim.lr 0.002, model.dropout 0.3"
static void say_values(char text[512], const sweep *s, int64_t trial) {
  char value[OPTION_STRING];
  size_t used = 0;
  text[0] = '\0';
  for (size_t i = 0; i < s->plan.n_ranges && used < 400; i++) {
    sweep_value(value, &s->plan, i, trial);
    used += (size_t)snprintf(text + used, 512 - used, "%s%.60s %.60s", i > 0 ? ", " : "",
                             s->plan.ranges[i].name, value);
  }
}

static int64_t count(const sweep *s, result_state state) {
  int64_t n = 0;
  for (int64_t i = 1; i <= s->n_trials; i++) {
    const trial_result *r = trial_last_result(s, i);
    n += r != NULL && r->state == state;
  }
  return n;
}

static status tell_result(const sweep *s, int64_t trial) {
  char values[512], time[32];
  int64_t *order;
  const trial_result *r = trial_last_result(s, trial);
  say_values(values, s, trial);
  if (r->state == RESULT_FAILED) {
    log_warn("trial %lld failed: %s (%s)", (long long)trial, r->message, values);
    return OK;
  }
  TRY(rank_all(s, &order));
  const bool best = order[0] == trial && !isnan(r->metric);
  free(order);
  if (isnan(r->metric))
    log_warn("trial %lld ended after step %lld without a validation (%s)", (long long)trial,
             (long long)r->step, values);
  else
    log_info("trial %lld: %s %.5f at step %lld%s (%s; %s)", (long long)trial, s->metric, r->metric,
             (long long)r->best_step, best ? ", the best so far" : "", values,
             human_seconds(time, r->seconds));
  return OK;
}

// ---- what stays on the disk ----------------------------------------------------------------------------------

// Checkpoints stay of trials that may go on to another rung, and of the best ones.
static status discard_losers(const sweep *s, const sweep_how *how) {
  int64_t *order;
  status rc = OK;
  if (how->keep == 0) return OK;
  TRY(rank_all(s, &order));
  for (int64_t i = 0; rc == OK && i < s->n_trials; i++) {
    const trial_result *r = trial_last_result(s, order[i]);
    bool may = false;
    if (r == NULL || (i < how->keep && r->state == RESULT_DONE)) continue;
    rc = trial_may_go_on(s, order[i], &may);
    if (rc == OK && !may) rc = trial_discard(s, order[i]);
  }
  free(order);
  return rc;
}

// Who evaluates a trial on the test part is told how many there were (train/tried.h).
static status write_tried(const sweep *s, const sweep_how *how) {
  char dir[PATH_MAX];
  int64_t *order;
  const int64_t tried = s->tried_before + count(s, RESULT_DONE) + count(s, RESULT_FAILED);
  status rc = OK;
  TRY(rank_all(s, &order));
  for (int64_t i = 0; rc == OK && i < s->n_trials && (how->keep == 0 || i < how->keep); i++) {
    const trial_result *r = trial_last_result(s, order[i]);
    if (r == NULL || r->state != RESULT_DONE) break;
    rc = trial_dir(s, order[i], dir);
    if (rc == OK) rc = tried_write(dir, tried);
  }
  free(order);
  return rc;
}

// ---- processes -----------------------------------------------------------------------------------------------

static void tell_all_to_end(pool *p) {
  if (!p->told && p->running > 0)
    log_info("waiting for the checkpoint%s of %lld trial%s", p->running == 1 ? "" : "s",
             (long long)p->running, p->running == 1 ? "" : "s");
  for (int64_t i = 0; !p->told && i < p->how->jobs; i++)
    if (p->jobs[i].pid != 0) kill(p->jobs[i].pid, SIGTERM);
  p->told = true;
}

static status start(pool *p, sweep_job *job) {
  TRY(trial_start(p->s, job));
  p->running++;
  return OK;
}

// A process has ended.
static status take(pool *p, sweep_job *job, int how) {
  trial_result r;
  bool again;
  char name[32];
  job->pid = 0;
  p->running--;
  TRY(trial_outcome(p->s, job, how, &r, &again));
  if (again && p->told) return OK; // as it was told
  if (again) {
    log_warn("trial %lld was ended by %s and goes on from its last checkpoint", (long long)job->trial,
             WIFSIGNALED(how) ? human_signal(name, WTERMSIG(how)) : "a signal");
    return start(p, job);
  }
  const int64_t trial = job->trial;
  TRY(record_result(p->s, trial, p->rung, &r));
  TRY(tell_result(p->s, trial));
  return discard_losers(p->s, p->how);
}

static status look(pool *p) {
  for (int64_t i = 0; i < p->how->jobs; i++) {
    int how = 0;
    sweep_job *job = &p->jobs[i];
    if (job->pid == 0) continue;
    const pid_t pid = waitpid(job->pid, &how, WNOHANG);
    if (pid == job->pid) TRY(take(p, job, how));
    if (pid >= 0 || errno == EINTR) continue;
    job->pid = 0;
    p->running--;
    return fail(ERR_IO, "cannot wait for trial %lld: %s", (long long)job->trial, strerror(errno));
  }
  return OK;
}

static bool is_left(const sweep *s, int64_t trial, int32_t rung) {
  return s->trials[trial - 1].rungs[rung].state == RESULT_NONE;
}

// Starts trials as long as there are free places; *next: where to look for the next one.
static status fill(pool *p, const int64_t *members, int64_t n, int64_t *next) {
  for (int64_t i = 0; i < p->how->jobs && !p->told; i++) {
    if (p->jobs[i].pid != 0) continue;
    while (*next < n && !is_left(p->s, members[*next], p->rung)) ++*next;
    if (*next == n) return OK;
    p->jobs[i] = (sweep_job){.trial = members[(*next)++], .rung = p->rung};
    TRY(start(p, &p->jobs[i]));
  }
  return OK;
}

static void show_progress(const pool *p, int64_t left) {
  log_doing("%lld of %lld trials have ended, %lld failed, %lld running, %lld to come",
            (long long)(count(p->s, RESULT_DONE) + count(p->s, RESULT_FAILED)), (long long)p->s->n_trials,
            (long long)count(p->s, RESULT_FAILED), (long long)p->running, (long long)left);
}

// Until all have ended. After an error, or a signal, the processes are told to end and waited for.
static status run_all(pool *p, const int64_t *members, int64_t n) {
  int64_t next = 0, shown = -1;
  failure first = {.rc = OK};
  for (;;) {
    status rc = p->told ? OK : fill(p, members, n, &next);
    if (rc == OK) rc = look(p);
    if (rc != OK && first.rc == OK) failure_keep(&first, rc);
    if (rc != OK || signals_asked() != 0) tell_all_to_end(p);
    if (p->running == 0 && (p->told || next == n)) break;
    if (shown != p->running + n * next) show_progress(p, n - next);
    shown = p->running + n * next;
    usleep(POLL_US);
  }
  return failure_raise(&first);
}

// ---- rungs ---------------------------------------------------------------------------------------------------

static void tell_rung(const sweep *s, int32_t rung, int64_t n) {
  static const char *const units[] = {"steps", "epochs", "minutes"};
  if (s->plan.halving)
    log_info("rung %d of %d: %lld trial%s up to %.10g %s", rung + 1, s->plan.n_rungs, (long long)n,
             n == 1 ? "" : "s", s->plan.rungs[rung], units[s->plan.settings.by]);
}

static status run_rung(pool *p, int32_t rung) {
  int64_t *members, n;
  bool complete, left = false;
  p->rung = rung;
  TRY(rung_members(p->s, rung, &members, &n, &complete));
  for (int64_t i = 0; i < n; i++) left = left || is_left(p->s, members[i], rung);
  if (left) tell_rung(p->s, rung, n);
  const status rc = left ? run_all(p, members, n) : OK;
  free(members);
  return rc;
}

static status interrupted(const sweep *s) {
  char name[32];
  return fail(ERR_INTERRUPTED,
              "interrupted by %s; the trials at hand have their checkpoints, souk sweep %s --resume "
              "goes on",
              human_signal(name, signals_asked()), s->dir);
}

static status run_rungs(pool *p) {
  for (int32_t rung = 0; rung < p->s->plan.n_rungs; rung++) {
    TRY(run_rung(p, rung));
    if (signals_asked() != 0) return interrupted(p->s);
  }
  return OK;
}

static void forget_failures(sweep *s) {
  for (int64_t i = 0; i < s->n_trials; i++)
    for (int r = 0; r < SWEEP_RUNGS; r++)
      if (s->trials[i].rungs[r].state == RESULT_FAILED) result_free(&s->trials[i].rungs[r]);
}

status sweep_run(sweep *s, const sweep_how *how) {
  pool p = {.s = s, .how = how};
  struct sigaction before[SIGNALS];
  if (how->retry) forget_failures(s);
  TRY(mem_new(&p.jobs, (size_t)how->jobs, sizeof *p.jobs, "the jobs of a sweep"));
  signals_catch(before);
  status rc = discard_losers(s, how); // a kill may have prevented it
  if (rc == OK) rc = run_rungs(&p);
  log_status_end();
  signals_release(before);
  free(p.jobs);
  if (rc != OK && rc != ERR_INTERRUPTED) return rc;
  failure why;
  failure_keep(&why, rc);
  TRY(write_tried(s, how));
  if (rc == OK && count(s, RESULT_DONE) == 0)
    return fail(ERR_NOT_FOUND, "all %lld trials failed; the first: %s", (long long)s->n_trials,
                trial_last_result(s, 1)->message);
  return failure_raise(&why);
}
