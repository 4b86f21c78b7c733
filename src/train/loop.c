// The training loop: steps, and between them reports, validations and checkpoints until the run ends.
//
// Steps are in step_queue.h, setting up a run in run_setup.h, its reports in reports.h.
//
// All that a resumed run needs is in the checkpoint: parameters, moments, step, the place of the next batch in the
// data, and the sums since the last metrics line. Nothing that a run computes depends on when it was saved or stopped,
// so a resumed run ends with the same bytes as one that was never interrupted.
#include "train/loop.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "data/hard_negatives.h"
#include "train/mining.h"
#include "train/nonfinite.h"
#include "train/place.h"
#include "train/reports.h"
#include "train/run_setup.h"
#include "train/signals.h"
#include "train/step_queue.h"

typedef struct run {
  run_setup with;
  validator *v; // NULL: none
  step_queue *steps;
  reports reports;
  train_state t;
  int64_t saved_step; // the last step that has a checkpoint; -1: none
  double started;     // when, in now_seconds(); moved forward by the time that was not training
  bool patience_over; // validation has not improved for too long
  int signal; // that asked for an end; 0: none. agree() makes this and out_of_time the same on all ranks
  bool out_of_time;   // the minutes are over
  int64_t pause_step; // where this process leaves the run; 0: nowhere
  bool paused;        // it is there
} run;

static const train_config *options_of(const run *r) {
  return &r->with.c->train;
}

// Seconds of training so far.
static double seconds_of(const run *r) {
  return r->t.seconds + now_seconds() - r->started;
}

static status save(run *r) {
  TRY(step_queue_drain(r->steps));
  if (r->saved_step == r->t.step) return OK;
  train_state t = r->t;
  t.seconds = seconds_of(r);
  TRY(step_queue_sum(r->steps, &t));
  if (r->with.leads) TRY(saver_save(r->with.saver, &t));
  r->saved_step = r->t.step;
  return OK;
}

// ---- what the step queue calls -------------------------------------------------------------------------------

// Waits for the checkpoint that is being written.
static status wait_for_save(run *r) {
  return r->with.leads ? saver_wait(r->with.saver) : OK;
}

static void on_micro(void *self, int32_t micro) {
  reports_micro(&((run *)self)->reports, micro);
}

// Saves what is needed to run the refused step again, in a directory whose name goes to `dir`.
static status save_refused(run *r, const step_input *in, char dir[PATH_MAX]) {
  char name[40];
  snprintf(name, sizeof name, "nonfinite-%08lld", (long long)r->t.step + 1);
  TRY(path_join(dir, PATH_MAX, options_of(r)->out, name));
  if (!r->with.leads) return OK;
  train_state state = r->t;
  state.seconds = seconds_of(r);
  return nonfinite_save(dir, r->with.m, in, &state, r->with.yaml, r->with.d);
}

static status tell_refused(run *r, const char *text, const char *dir) {
  const long long step = (long long)r->t.step + 1;
  if (!r->with.leads) return OK;
  log_warn("step %lld is skipped, its gradient is not finite. %s (souk replay %s)", step, text, dir);
  return sink_write(r->with.sink,
                    json_pack("{s:s,s:I,s:s}", "kind", "nonfinite", "step", (json_int_t)step, "where", text));
}

// The optimiser has refused the step: reports where the NaN began, saves what is needed to run the step again, and
// fails unless train.skip_nonfinite allows skipping it.
static status on_refused(void *self, const step_input *in) {
  run *r = self;
  nonfinite_place place;
  char text[512], dir[PATH_MAX];
  TRY(nonfinite_find(r->with.m, in, &place, NULL, NULL));
  nonfinite_sentence(&place, text, sizeof text);
  TRY(save_refused(r, in, dir));
  if (r->t.skipped < options_of(r)->skip_nonfinite) {
    r->t.skipped++;
    return tell_refused(r, text, dir);
  }
  if (!place.in_parameters) TRY(save(r));
  TRY(wait_for_save(r));
  return fail(
      ERR_NONFINITE,
      "step %lld was not applied, its gradient is not finite. %s. souk replay %s runs the step again; a "
      "lower optim.lr, optim.clip_norm or train.skip_nonfinite may help",
      (long long)r->t.step + 1, text, dir);
}

// ---- between steps -------------------------------------------------------------------------------------------

static bool must_pause(const run *r) {
  const double minutes = r->with.c->pause.minutes;
  return (r->pause_step > 0 && r->t.step >= r->pause_step) ||
         (minutes > 0 && seconds_of(r) >= 60.0 * minutes);
}

// Tells all ranks what only some know (a signal has come, the minutes are over), so that they end after the same
// step.
static status agree(run *r) {
  const double minutes = options_of(r)->minutes;
  uint32_t flags = signals_asked() != 0 ? 1u << signals_asked() : 0; // one bit for each signal
  if (minutes > 0 && seconds_of(r) >= 60.0 * minutes) flags |= 1u;
  if (must_pause(r)) flags |= 1u << 31;
  TRY(dist_any(r->with.world, &flags));
  r->out_of_time = (flags & 1u) != 0;
  r->paused = (flags & 1u << 31) != 0;
  r->signal = ffs((int)(flags & ~(1u | 1u << 31))) - 1;
  if (r->signal < 0) r->signal = 0;
  return OK;
}

static bool done(const run *r) {
  return r->out_of_time || (r->with.last_step > 0 && r->t.step >= r->with.last_step);
}

// Are best_metric and bad_evals about the metric of now? A resumed run may have chosen another one, and what was measured
// by the one before says nothing about it.
static bool same_name(const run *r) {
  return strcmp(r->t.best_name, options_of(r)->metric) == 0;
}

static bool has_stalled(const run *r) {
  return options_of(r)->patience > 0 && same_name(r) && r->t.bad_evals >= options_of(r)->patience;
}

// Returns whether this is the best metric so far, and remembers it.
static bool note_metric(run *r, double metric) {
  train_state *t = &r->t;
  const bool first = !same_name(r);
  const bool better = first || (r->v->smaller_is_better ? metric < t->best_metric : metric > t->best_metric);
  if (!better) {
    t->bad_evals++;
    return false;
  }
  t->best_metric = metric;
  t->best_step = t->step;
  t->bad_evals = 0;
  snprintf(t->best_name, sizeof t->best_name, "%s", options_of(r)->metric);
  return true;
}

// Every rank validates its copy of the model. The leader's figure is used, because devices may differ in the last
// digits.
static status same_metric(run *r, double *metric) {
  if (!r->with.leads) *metric = 0;
  return dist_sum(r->with.world, metric, 1);
}

static status report(run *r, bool at_end) {
  TRY(step_queue_drain(r->steps));
  TRY(step_queue_sum(r->steps, &r->t));
  return reports_window(&r->reports, seconds_of(r), at_end);
}

static bool has_sums(const train_state *t) {
  for (int32_t k = 0; k < MAX_SLOTS; k++)
    if (t->window[k].weight > 0) return true;
  return false;
}

// The line of a window that ends with the run, if anything is in it.
static status report_rest(run *r) {
  TRY(step_queue_drain(r->steps));
  train_state all = r->t;
  TRY(step_queue_sum(r->steps, &all));
  return has_sums(&all) ? report(r, true) : OK;
}

static status validate(run *r) {
  TRY(step_queue_drain(r->steps));
  double metric = 0;
  json_t *values = NULL;
  const double start = now_seconds();
  if (r->with.leads) log_doing("validating");
  mem_json_failed(); // resets the flag
  TRY(step_queue_show_average(r->steps));
  TRY(r->v->run(r->v, r->with.m, options_of(r)->metric, &metric, &values));
  TRY(step_queue_hide_average(r->steps));
  TRY(same_metric(r, &metric));
  const bool better = note_metric(r, metric);
  TRY(reports_validation(&r->reports, values, metric, better, now_seconds() - start));
  r->patience_over = has_stalled(r);
  if (r->patience_over)
    TRY(report_rest(r)); // before the checkpoint, or who resumes from it would write the line again
  if (better || options_of(r)->save_every == 0) TRY(save(r));
  const double paused = now_seconds() - start; // validation is not training time
  reports_pause(&r->reports, paused);
  r->started += paused;
  if (r->patience_over && r->with.leads)
    log_info("no better %s in %lld validations: stopping early", options_of(r)->metric,
             (long long)r->t.bad_evals);
  return OK;
}

// Reports, validates and saves if they are due after a step.
static status look_after(run *r) {
  const train_config *t = options_of(r);
  TRY(agree(r));
  const bool at_end = done(r);
  reports_step(&r->reports);
  if (r->t.step % t->log_every == 0 || at_end)
    TRY(report(r, at_end));
  else
    reports_glance(&r->reports, seconds_of(r));
  if (r->v != NULL && t->eval_every > 0 && (r->t.step % t->eval_every == 0 || at_end)) TRY(validate(r));
  if (t->save_every > 0 && r->t.step % t->save_every == 0) TRY(save(r));
  return OK;
}

// ---- hard negatives ------------------------------------------------------------------------------------------

static double mean_length(const hard_negatives *h) {
  int64_t n = 0;
  for (int64_t i = 0; i < h->sequences; i++) n += hard_negatives_count(h, i);
  return (double)n / (double)h->sequences;
}

// Gives the batches that come the lists of the model as it is now, where it is time for that (mining.h). It is a part of training.
static status mine_anew(run *r) {
  hard_negatives *lists;
  char time[32];
  TRY(step_queue_drain(r->steps));
  const train_state *t = &r->t;
  if (!mining_is_due(r->with.c, r->with.d, t->step)) return OK;
  const double start = now_seconds();
  if (r->with.leads) log_doing("ranking for hard negatives");
  TRY(step_queue_show_average(r->steps));
  TRY(mining_lists(&lists, &r->with.c->data, r->with.d, r->with.m));
  lists->step = t->step;
  status rc = step_queue_hide_average(r->steps);
  if (rc == OK) rc = wait_for_save(r); // which may be writing those of before
  if (rc != OK) {
    hard_negatives_free(lists);
    return rc;
  }
  const data_place place = {.epoch = t->epoch, .example = t->example, .index = t->index};
  TRY(batcher_renew_hard_negatives(r->with.batches, lists, &place));
  if (r->with.leads)
    log_info("step %6lld  hard negatives ranked anew, %.1f a history  (%s)", (long long)t->step,
             mean_length(lists), human_seconds(time, now_seconds() - start));
  return OK;
}

// ---- the whole -----------------------------------------------------------------------------------------------

// interrupted: a later process goes on with the run.
static status finish(run *r, bool interrupted) {
  // It does not write the line of its unfinished window then: the resumed run will.
  if (!interrupted) TRY(report_rest(r));
  TRY(save(r));
  TRY(wait_for_save(r));
  const run_end end = {.patience = r->patience_over,
                       .paused = interrupted && r->signal == 0,
                       .signal = interrupted ? r->signal : 0,
                       .seconds = seconds_of(r)};
  return reports_end(&r->reports, &end);
}

static status train(run *r) {
  r->started = now_seconds();
  reports_begin(&r->reports, r->steps, &r->t);
  r->patience_over = has_stalled(r);
  TRY(agree(r));
  while (!r->patience_over && !done(r) && r->signal == 0 && !r->paused) {
    if (r->with.leads) TRY(saver_poll(r->with.saver));
    if (mining_is_due(r->with.c, r->with.d, r->t.step)) TRY(mine_anew(r));
    TRY(step_queue_step(r->steps));
    TRY(look_after(r));
    TRY(agree(r));
  }
  return finish(r, (r->signal != 0 || r->paused) && !r->patience_over && !done(r));
}

// The step that comes first of those that were asked for; 0: none.
static int64_t find_pause(const run_pause *p, const train_state *t) {
  const int64_t by_epochs = p->epochs > 0 ? place_step_after(t, p->epochs) : 0;
  if (p->steps == 0 || by_epochs == 0) return p->steps + by_epochs;
  return p->steps < by_epochs ? p->steps : by_epochs;
}

static status begin(run *r, bool resume) {
  const run_setup *with = &r->with;
  const step_queue_config queue = {.run = with->c,
                                   .m = with->m,
                                   .batches = with->batches,
                                   .world = with->world,
                                   .decay_steps = with->decay_steps,
                                   .steps = with->last_step,
                                   .state = &r->t,
                                   .self = r,
                                   .refused = on_refused,
                                   .micro_next = on_micro};
  r->t = with->start;
  r->saved_step = with->resumed ? r->t.step : -1;
  r->pause_step = find_pause(&with->c->pause, &r->t);
  TRY(step_queue_open(&r->steps, &queue));
  TRY(run_begin(&r->with, resume));
  return reports_describe(&r->reports, with);
}

status train_run(const run_config *c, const option_set *options, dataset *d, dist *world, bool resume,
                 validator *v) {
  run r = {.v = v};
  struct sigaction before[SIGNALS];
  signals_catch(before);
  status rc = run_open(&r.with, c, options, d, world, resume);
  if (rc == OK) rc = begin(&r, resume);
  if (rc == OK) rc = train(&r);
  step_queue_close(r.steps);
  rc = run_close(&r.with, rc);
  signals_release(before);
  return rc;
}
