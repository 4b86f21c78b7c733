// The training loop.
//
// A step: `accumulate` micro-batches, whose losses are divided by the weight of all their masked rows, so the
// micro-batches of a step are composed before the first of them runs (the batcher hands out copies for that); then
// gradient norm and optimiser. On a device with a queue of its own the results of a step are read when the next one has
// been queued, so that the device never waits for the host. A step that the optimiser refuses has those queued behind it
// refused too; they are queued anew if the run goes on, so what is computed does not depend on when results are read. All that a resumed run needs is in the checkpoint: parameters, moments, step, the place
// (epoch, index) of the next batch, and the sums since the last metrics line. Nothing that a run computes depends on
// when it was saved or stopped, so a resumed run ends with the same bytes as one that was never interrupted.
#include "train/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "base/path_kind.h"
#include "train/init.h"
#include "train/metrics.h"
#include "train/nonfinite.h"
#include "train/optimizer.h"
#include "train/progress.h"
#include "train/saver.h"
#include "train/signals.h"

// A step whose results were not read yet. Its batches are copies where the batcher's would not last.
typedef struct flight {
  step_input in;
  const batch **batches; // [accumulate]
  batch **copies;        // [accumulate]; NULL: the batcher's own are used
  train_state before;    // when it was queued
  bool saved;            // which has a checkpoint
} flight;

typedef struct run {
  const run_config *c;
  dataset *d;
  batcher *batches;
  model *m;
  validator *v;
  metric_sink *sink;
  saver *saver;
  char *yaml;
  int lock;          // descriptor of the run's directory, locked; -1: none
  flight flights[2]; // steps take turns
  int32_t late;      // 1: results are read a step late
  int32_t in_flight; // steps queued whose results were not read
  int32_t last_flight;
  train_state t; // step, epoch, index, tokens count what was queued; sums, what was read
  int64_t decay_steps, steps_per_epoch, last_step; // last_step 0: no limit
  double peak, started, flops, grad_norm;
  // since the last metrics line; times only
  double last_log;
  int64_t last_log_tokens, last_log_step;
  double valid_seconds; // of the last validation
  progress progress;
  progress_figures shown; // last
  bool saved, stop;       // the current step has a checkpoint; validation has not improved for too long
} run;

// ---- a step --------------------------------------------------------------------------------------------------

static status settle(run *r, int32_t most);

static status save(run *r) {
  TRY(settle(r, 0));
  if (r->saved) return OK;
  train_state t = r->t;
  t.seconds += now_seconds() - r->started;
  TRY(saver_save(r->saver, &t));
  r->saved = true;
  return OK;
}

static status one_batch(run *r, const batch *b, const step_state *s) {
  TRY(model_set_batch(r->m, b, s));
  TRY(model_forward(r->m, true));
  TRY(model_loss(r->m, true));
  r->flops += 3.0 * model_flops(r->m, b);
  return OK;
}

// The optimiser has refused the step, the oldest in flight: says where the NaN began, saves what is needed to run the
// step again, and goes on only if the configuration allows for it.
static status on_nonfinite(run *r, const step_input *in) {
  const train_config *t = &r->c->train;
  const long long step = (long long)r->t.step + 1;
  nonfinite_place place;
  char text[512], name[40], dir[PATH_MAX];
  TRY(nonfinite_find(r->m, in, &place, NULL, NULL));
  nonfinite_sentence(&place, text, sizeof text);
  snprintf(name, sizeof name, "nonfinite-%08lld", step);
  TRY(path_join(dir, sizeof dir, t->out, name));
  train_state state = r->t;
  state.seconds += now_seconds() - r->started;
  TRY(nonfinite_save(dir, r->m, in, &state, r->yaml, r->d));
  if (r->t.skipped >= t->skip_nonfinite) {
    if (!place.in_parameters) TRY(save(r));
    TRY(saver_wait(r->saver));
    return fail(
        ERR_NONFINITE,
        "step %lld was not applied, its gradient is not finite. %s. souk replay %s runs the step again; a "
        "lower optim.lr, optim.clip_norm or train.skip_nonfinite may help",
        step, text, dir);
  }
  r->t.skipped++;
  log_warn("step %lld is left out, its gradient is not finite. %s (souk replay %s)", step, text, dir);
  return sink_write(r->sink,
                    json_pack("{s:s,s:I,s:s}", "kind", "nonfinite", "step", (json_int_t)step, "where", text));
}

// A step of many micro-batches may take minutes.
static void glance_within(run *r, int64_t micro) {
  if (!progress_due(&r->progress)) return;
  progress_figures f = r->shown;
  f.micro = micro;
  f.micros = r->c->train.accumulate;
  progress_show(&r->progress, &f, false);
}

// Puts a step into the device's queue.
static status launch(run *r, flight *f) {
  const backend *be = model_backend(r->m);
  TRY(be->result_next(model_ctx(r->m)));
  for (int32_t i = 0; i < f->in.n; i++) {
    TRY(one_batch(r, f->in.batches[i], &f->in.state));
    if (i + 1 < f->in.n) glance_within(r, i + 1);
  }
  TRY(optimizer_step(r->m, &r->c->optim));
  TRY(be->result_post(model_ctx(r->m)));
  r->in_flight++;
  return OK;
}

static void count_step(run *r, const flight *f) {
  const int32_t n = f->in.n;
  for (int32_t i = 0; i < n; i++) r->t.tokens += f->in.batches[i]->tokens;
  r->t.epoch = f->in.batches[n - 1]->epoch;
  r->t.index = f->in.batches[n - 1]->index + 1;
  r->t.step++;
  r->saved = false;
}

static void move_counts(train_state *to, const train_state *from) {
  to->step = from->step;
  to->epoch = from->epoch;
  to->index = from->index;
  to->tokens = from->tokens;
}

// The oldest step in flight, f, was refused, and so was `behind`, the one after it (NULL: none).
static status go_back(run *r, flight *f, flight *behind) {
  step_result refused;
  if (behind != NULL) TRY(model_backend(r->m)->result_take(model_ctx(r->m), &refused));
  r->in_flight = 0;
  move_counts(&r->t, &f->before);
  r->saved = f->saved;
  TRY(on_nonfinite(r, &f->in)); // which clears the refusal
  count_step(r, f);
  if (behind == NULL) return OK;
  behind->before = r->t;
  behind->saved = false;
  TRY(launch(r, behind));
  count_step(r, behind);
  return OK;
}

// Reads results until at most `most` steps are in flight.
static status settle(run *r, int32_t most) {
  while (r->in_flight > most) {
    const int32_t n = 1 + r->late;
    flight *f = &r->flights[(r->last_flight + n - (r->in_flight - 1)) % n];
    step_result result;
    TRY(model_backend(r->m)->result_take(model_ctx(r->m), &result));
    r->in_flight--;
    if (result.nonfinite) {
      TRY(go_back(r, f, r->in_flight > 0 ? &r->flights[r->last_flight] : NULL));
      continue;
    }
    r->t.mlm_loss += result.mlm_loss;
    r->t.mlm_weight += result.mlm_weight;
    r->t.cls_loss += result.cls_loss;
    r->t.cls_rows += result.cls_rows;
    r->t.cls_hits += result.cls_hits;
    r->grad_norm = sqrt(result.grad_sumsq);
  }
  return OK;
}

// The next step: its batches and what else it reads.
static status compose(run *r, flight *f) {
  const int64_t n = r->c->train.accumulate;
  double weight = 0, cls = 0;
  for (int64_t i = 0; i < n; i++) {
    TRY(batcher_next(r->batches, &f->batches[i]));
    if (f->copies != NULL) {
      batch_copy(f->copies[i], f->batches[i]);
      f->batches[i] = f->copies[i];
    }
    weight += f->batches[i]->mask_weight;
    cls += f->batches[i]->cls_count;
  }
  f->before = r->t;
  f->saved = r->saved;
  f->in = (step_input){.state = {.step = r->t.step,
                                 .seed = (uint64_t)r->c->train.seed,
                                 .lr = (float)learning_rate(&r->c->optim, r->t.step, r->decay_steps),
                                 .mlm_scale = (float)(1.0 / (weight > 0 ? weight : 1.0)),
                                 .cls_scale = (float)(1.0 / (cls > 0 ? cls : 1.0)),
                                 .clip_norm = (float)r->c->optim.clip_norm},
                       .n = (int32_t)n,
                       .batches = f->batches};
  return OK;
}

static status take_step(run *r) {
  r->last_flight = (r->last_flight + 1) % (1 + r->late);
  flight *f = &r->flights[r->last_flight];
  TRY(compose(r, f));
  if (!(r->progress.first_step_seconds > 0)) log_doing("running the first step");
  TRY(launch(r, f));
  count_step(r, f);
  return settle(r, r->late);
}

// ---- reports -------------------------------------------------------------------------------------------------

static void clear_window(run *r) {
  r->t.mlm_loss = r->t.mlm_weight = r->t.cls_loss = r->t.cls_rows = r->t.cls_hits = 0;
  r->last_log = now_seconds();
  r->last_log_tokens = r->t.tokens;
  r->last_log_step = r->t.step;
  r->flops = 0;
}

// Seconds that are left, validations included; -1: unknown.
static double seconds_left(const run *r, double step_seconds) {
  const train_config *t = &r->c->train;
  double left = -1;
  if (r->last_step > 0) {
    const int64_t steps = r->last_step - r->t.step;
    const double validations = r->v != NULL && t->eval_every > 0 ? (double)(steps / t->eval_every) : 0;
    left = step_seconds * (double)steps + validations * r->valid_seconds;
  }
  const double by_clock = 60.0 * t->minutes - (r->t.seconds + now_seconds() - r->started);
  if (t->minutes > 0 && (left < 0 || by_clock < left)) left = by_clock > 0 ? by_clock : 0;
  return left;
}

// The figures of the window since the last metrics line, as far as results were read.
static progress_figures figures_now(const run *r) {
  const train_state *t = &r->t;
  const double seconds = now_seconds() - r->last_log;
  const int64_t steps = t->step - r->last_log_step;
  return (progress_figures){
      .step = t->step,
      .last_step = r->last_step,
      .epoch = t->epoch,
      .has_loss = t->mlm_weight > 0,
      .has_cls = t->cls_rows > 0,
      .loss = t->mlm_weight > 0 ? t->mlm_loss / t->mlm_weight : 0,
      .cls_loss = t->cls_rows > 0 ? t->cls_loss / t->cls_rows : 0,
      .lr = learning_rate(&r->c->optim, t->step - 1, r->decay_steps),
      .grad_norm = r->grad_norm,
      .tokens_per_s = (double)(t->tokens - r->last_log_tokens) / seconds,
      .flops = r->flops / seconds,
      .peak = r->peak,
      .seconds_left = steps > 0 ? seconds_left(r, seconds / (double)steps) : -1,
  };
}

// Between the lines that are due by log_every: a first one soon after the start, then as time goes by.
static void glance(run *r) {
  r->shown = figures_now(r);
  if (!progress_due(&r->progress)) return;
  progress_show(&r->progress, &r->shown, false);
}

static status report(run *r, bool at_end) {
  TRY(settle(r, 0));
  const progress_figures f = figures_now(r);
  json_t *j =
      json_pack("{s:s,s:I,s:I,s:f,s:f,s:f,s:I,s:f,s:f,s:f}", "kind", "train", "step", (json_int_t)f.step,
                "epoch", (json_int_t)f.epoch, "loss", f.loss, "lr", f.lr, "grad_norm", f.grad_norm, "tokens",
                (json_int_t)r->t.tokens, "tokens_per_s", f.tokens_per_s, "gflops", f.flops * 1e-9,
                "share_of_peak", f.peak > 0 ? f.flops / f.peak : 0);
  if (f.has_cls && (json_object_set_new(j, "cls_loss", json_real(f.cls_loss)) != 0 ||
                    json_object_set_new(j, "cls_accuracy", json_real(r->t.cls_hits / r->t.cls_rows)) != 0)) {
    json_decref(j);
    return fail(ERR_MEMORY, "out of memory: cannot compose a line of metrics");
  }
  TRY(sink_write(r->sink, j));
  r->shown = f;
  progress_show(&r->progress, &f, at_end);
  if (model_backend(r->m)->host_memory)
    progress_judge(&r->progress, &f, now_seconds() - r->last_log, r->c->model.hidden,
                   threads_or_all(r->c->train.threads));
  clear_window(r);
  return OK;
}

static status write_validation(run *r, json_t *values) {
  json_t *j = json_pack("{s:s,s:I}", "kind", "valid", "step", (json_int_t)r->t.step);
  const int bad = json_object_update(j, values);
  json_decref(values);
  if (bad == 0 && !mem_json_failed()) return sink_write(r->sink, j);
  json_decref(j);
  return fail(ERR_MEMORY, "out of memory: cannot compose a line of metrics");
}

static status validate(run *r) {
  TRY(settle(r, 0));
  double metric = 0;
  json_t *values = NULL;
  const double start = now_seconds();
  log_doing("validating");
  mem_json_failed(); // of before
  TRY(r->v->run(r->v, r->m, r->c->train.metric, &metric, &values));
  TRY(write_validation(r, values));
  const bool first = r->t.best_name[0] == '\0';
  const bool better =
      first || (r->v->smaller_is_better ? metric < r->t.best_metric : metric > r->t.best_metric);
  if (better) {
    r->t.best_metric = metric;
    r->t.best_step = r->t.step;
    r->t.bad_evals = 0;
    snprintf(r->t.best_name, sizeof r->t.best_name, "%.63s", r->c->train.metric);
  } else {
    r->t.bad_evals++;
  }
  r->valid_seconds = now_seconds() - start;
  char time[32];
  log_info("step %6lld  validation %s %.5f%s  (%s)", (long long)r->t.step, r->c->train.metric, metric,
           better ? "  best so far" : "", human_seconds(time, r->valid_seconds));
  if (better || r->c->train.save_every == 0) TRY(save(r));
  const double paused = now_seconds() - start; // validation is not training time
  r->last_log += paused;
  r->started += paused;
  return OK;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static int64_t last_step_of(const run *r) {
  const train_config *t = &r->c->train;
  int64_t last = t->steps;
  const int64_t by_epochs = t->epochs * r->steps_per_epoch;
  if (by_epochs > 0 && (last == 0 || by_epochs < last)) last = by_epochs;
  return last;
}

// "train.steps = 1000, before train.epochs = 2000": what ends the run at that step, and what else was asked for. Before it has
// ended nobody knows of the minutes.
static void name_end(const run *r, int64_t step, bool ended, char text[192]) {
  const train_config *t = &r->c->train;
  const bool counted = r->last_step > 0 && step >= r->last_step;
  const bool by_steps = counted && r->last_step == t->steps, by_epochs = counted && !by_steps;
  const struct {
    bool it, asked;
    const char *name, *joint;
    double value;
  } limits[] = {
      {r->stop, false, "train.patience", "", (double)t->patience},
      {!r->stop && by_steps, t->steps > 0, "train.steps", ", before ", (double)t->steps},
      {!r->stop && by_epochs, t->epochs > 0, "train.epochs", ", before ", (double)t->epochs},
      {!r->stop && !counted, t->minutes > 0, "train.minutes", ended ? ", before " : " or ", t->minutes}};
  size_t used = 0;
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
      if (pass == 0 ? limits[i].it : !limits[i].it && limits[i].asked)
        used += (size_t)snprintf(text + used, 192 - used, "%s%s = %.10g", used > 0 ? limits[i].joint : "",
                                 limits[i].name, limits[i].value);
}

static bool done(const run *r) {
  if (r->last_step > 0 && r->t.step >= r->last_step) return true;
  return r->c->train.minutes > 0 && r->t.seconds + now_seconds() - r->started >= 60.0 * r->c->train.minutes;
}

static bool has_stalled(const run *r) {
  return r->c->train.patience > 0 && r->t.bad_evals >= r->c->train.patience;
}

static status finish(run *r, bool interrupted) {
  TRY(settle(r, 0));
  // The line of an unfinished window belongs to an end, not to an interruption: the resumed run will write it.
  if (!interrupted && r->t.mlm_weight > 0) TRY(report(r, true));
  TRY(save(r));
  TRY(saver_wait(r->saver));
  const double seconds = r->t.seconds + now_seconds() - r->started;
  const char *why = interrupted ? "signal" : r->stop ? "patience" : "complete";
  TRY(sink_write(r->sink,
                 json_pack("{s:s,s:I,s:s,s:f,s:I}", "kind", "end", "step", (json_int_t)r->t.step, "reason",
                           why, "seconds", seconds, "peak_bytes", (json_int_t)mem_peak_bytes())));
  TRY(sink_sync(r->sink));
  log_status_end();
  char time[32], tokens[32], memory[32], best[128] = "";
  if (interrupted)
    return fail(ERR_INTERRUPTED,
                "interrupted by %s after step %lld; the checkpoint is written, --resume continues",
                human_signal(time, signals_asked()), (long long)r->t.step);
  if (r->t.best_name[0] != '\0')
    snprintf(best, sizeof best, "best %s %.5f at step %lld; ", r->t.best_name, r->t.best_metric,
             (long long)r->t.best_step);
  char end[192] = "";
  name_end(r, r->t.step, true, end);
  log_info("done: %lld steps, %s tokens in %s; ended by %s", (long long)r->t.step,
           human_count(tokens, (double)r->t.tokens), human_seconds(time, seconds), end);
  log_info("%smemory at most %s", best, human_bytes(memory, (double)mem_peak_bytes()));
  return OK;
}

static status train(run *r) {
  const train_config *t = &r->c->train;
  r->started = r->last_log = now_seconds();
  r->last_log_tokens = r->t.tokens;
  r->last_log_step = r->t.step;
  r->shown = (progress_figures){.step = r->t.step, .last_step = r->last_step, .seconds_left = -1};
  progress_start(&r->progress);
  r->stop = has_stalled(r);
  while (!r->stop && !done(r) && signals_asked() == 0) {
    TRY(saver_poll(r->saver));
    TRY(take_step(r));
    if (!(r->progress.first_step_seconds > 0)) progress_first_step(&r->progress);
    const bool at_end = done(r);
    if (r->t.step % t->log_every == 0 || at_end)
      TRY(report(r, at_end));
    else
      glance(r);
    if (r->v != NULL && t->eval_every > 0 && (r->t.step % t->eval_every == 0 || at_end)) {
      TRY(validate(r));
      r->stop = has_stalled(r);
      if (r->stop)
        log_info("no better %s in %lld validations: stopping early", t->metric, (long long)r->t.bad_evals);
    }
    if (t->save_every > 0 && r->t.step % t->save_every == 0) TRY(save(r));
  }
  return finish(r, signals_asked() != 0 && !r->stop && !done(r));
}

// ---- setting up ----------------------------------------------------------------------------------------------

// Options that are not what they were when the checkpoint was written are allowed, but never go unsaid.
static void tell_changes(const char *before, const char *now) {
  char section[64] = "";
  while (*before != '\0' && *now != '\0') {
    const size_t n = strcspn(before, "\n"), m = strcspn(now, "\n");
    if (before[0] != ' ') snprintf(section, sizeof section, "%.*s.", (int)strcspn(before, ":\n"), before);
    const size_t key = strcspn(before, ":\n") + 2, other = strcspn(now, ":\n") + 2;
    if (key != other || strncmp(before, now, key < n ? key : n) != 0)
      return; // another version's list of options
    if ((n != m || strncmp(before, now, n) != 0) && strncmp(before, "  out:", 6) != 0)
      log_warn("%s%.*s was %.*s, and is now %.*s", section, (int)key - 4, before + 2, (int)(n - key),
               before + key, (int)(m - other), now + other);
    before += n + (before[n] == '\n');
    now += m + (now[m] == '\n');
  }
}

static status resume_from(run *r) {
  checkpoint *c;
  TRY(run_resume(&c, r->c->train.out, r->c->train.keep, r->c->train.keep_best));
  status rc = OK;
  if (strcmp(c->data.checksum, dataset_get_info(r->d)->checksum) != 0)
    rc = fail(ERR_ARGUMENT, "%s was trained on another data set than %s", c->dir, dataset_dir(r->d));
  if (rc == OK) rc = checkpoint_load(c, r->m, true);
  if (rc == OK) {
    r->t = c->state;
    log_info("resuming from step %lld", (long long)r->t.step);
    tell_changes(c->config_yaml, r->yaml);
    rc = batcher_seek(r->batches, r->t.epoch, r->t.index);
    if (rc == ERR_ARGUMENT) rc = fail_prefix(rc, "%s/manifest.json: \"state.index\" is out of range", c->dir);
    r->saved = true;
  }
  checkpoint_close(c);
  return rc;
}

// Two processes in one directory would destroy each other's checkpoints. The lock goes with the process, whatever way
// it ends; a file system without locks is used without.
static status lock_run(run *r) {
  const char *dir = r->c->train.out;
  TRY(dir_make(dir));
  r->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (r->lock < 0) return fail(ERR_IO, "cannot open directory %s: %s", dir, strerror(errno));
  if (flock(r->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return fail(ERR_ARGUMENT, "%s is in use: another process trains there", dir);
  return OK;
}

static status make_batches(run *r, const model_config *mc) {
  const seq_layout layout = model_layout(mc);
  const int64_t n = r->c->train.accumulate;
  int64_t per_epoch;
  TRY(batcher_open(&r->batches, r->d, &r->c->data, &layout, PART_TRAIN, 0, 1));
  TRY(batcher_epoch_batches(r->batches, 0, &per_epoch));
  r->steps_per_epoch = per_epoch / n > 0 ? per_epoch / n : 1;
  return OK;
}

static status make_flights(run *r) {
  const size_t n = (size_t)r->c->train.accumulate;
  r->late = model_backend(r->m)->host_memory ? 0 : 1;
  for (int32_t k = 0; k <= r->late; k++) {
    flight *f = &r->flights[k];
    TRY(mem_new(&f->batches, n, sizeof *f->batches, "micro-batches"));
    if (n == 1 && r->late == 0) continue;
    TRY(mem_new(&f->copies, n, sizeof *f->copies, "micro-batches"));
    for (size_t i = 0; i < n; i++) TRY(batch_new(&f->copies[i], batcher_caps(r->batches)));
  }
  return OK;
}

static void free_flights(run *r) {
  for (int32_t k = 0; k < 2; k++) {
    flight *f = &r->flights[k];
    for (int64_t i = 0; f->copies != NULL && i < r->c->train.accumulate; i++) batch_free(f->copies[i]);
    free(f->copies);
    free(f->batches);
  }
}

static status make_model(run *r, const model_config *mc) {
  const run_config *c = r->c;
  const batch_caps caps = batcher_caps(r->batches);
  const model_run mr = train_model_run(c, caps);
  TRY(model_create(&r->m, device_names[c->train.device], mc, &mr));
  TRY(params_make_moments(model_params(r->m)));
  TRY(make_flights(r));
  const saver_config sc = {.run_dir = c->train.out,
                           .config_yaml = r->yaml,
                           .m = r->m,
                           .data = r->d,
                           .keep = c->train.keep,
                           .keep_best = c->train.keep_best,
                           .background = c->train.background};
  return saver_open(&r->saver, &sc);
}

static status write_config(const run *r) {
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, r->c->train.out, "config.yaml"));
  return file_write_atomic(path, r->yaml, strlen(r->yaml));
}

static status describe(run *r) {
  char text[256], bytes[32], params[32], tokens[32], end[192] = "";
  int64_t count = 0;
  for (int32_t i = 0; i < model_params(r->m)->count; i++) count += model_params(r->m)->items[i].size;
  const train_config *t = &r->c->train;
  r->peak = t->peak_gflops * 1e9; // of a device with memory of its own nobody measures it
  if (!(r->peak > 0) && model_backend(r->m)->host_memory) {
    log_doing("measuring the peak of this machine");
    r->peak = measure_peak((int32_t)t->threads);
  }
  TRY(model_backend(r->m)->describe(model_ctx(r->m), text, sizeof text));
  name_end(r, r->last_step, false, end);
  log_info("the run goes to %s and is ended by %s", t->out, end);
  if (t->matmul == MATMUL_TF32 && !model_backend(r->m)->tf32)
    log_warn("train.matmul: tf32 has no effect on the %s, which multiplies in fp32",
             model_backend(r->m)->name);
  if (r->peak > 0)
    log_info("%s; peak %s", text, human_unit(bytes, r->peak, "FLOP/s"));
  else
    log_info("%s; its peak is not known (train.peak_gflops)", text);
  log_info("%s parameters, %s in all; %lld step%s an epoch of at most %s tokens",
           human_count(params, (double)count), human_bytes(bytes, (double)model_bytes(r->m)),
           (long long)r->steps_per_epoch, r->steps_per_epoch == 1 ? "" : "s",
           human_count(tokens, (double)batcher_caps(r->batches).tokens * (double)t->accumulate));
  return OK;
}

// A run that ended before its first checkpoint has left its metrics. They are all there is of it, and are kept.
static status begin_again(const char *out, bool resume) {
  char kept[32];
  bool found;
  TRY(metrics_found(out, &found));
  if (!found) {
    if (resume) log_info("%s has no checkpoint yet: starting from the beginning", out);
    return OK;
  }
  if (!resume)
    return fail(
        ERR_ARGUMENT,
        "%s holds the metrics of a run without a checkpoint; --resume starts it again and keeps them, or "
        "choose another train.out",
        out);
  TRY(metrics_keep(out, kept));
  log_info("%s has no checkpoint yet: starting from the beginning; its metrics so far are now %s", out, kept);
  return OK;
}

static status set_up(run *r, const option_set *options, bool resume) {
  const run_config *c = r->c;
  const char *out = c->train.out;
  if (out[0] == '\0') return fail(ERR_ARGUMENT, "train.out names no directory (--out DIR)");
  if (c->train.steps == 0 && c->train.epochs == 0 && !(c->train.minutes > 0))
    return fail(ERR_ARGUMENT, "one of train.steps, train.epochs and train.minutes must be set");
  TRY(options_dump(options, &r->yaml));
  const dataset_info *info = dataset_get_info(r->d);
  model_config mc = c->model;
  TRY(model_config_resolve(&mc, info->range_end, info->n_event_types));
  TRY(make_batches(r, &mc));
  r->last_step = last_step_of(r);
  if (!resume || !path_holds_run(out)) // it may be in the directory of its data set
    TRY(path_check_place(out, PATH_RUN | PATH_DIRECTORY | PATH_SHARDS));
  TRY(lock_run(r));
  bool exists;
  TRY(run_has_checkpoints(out, &exists));
  if (exists && !resume)
    return fail(ERR_ARGUMENT, "%s holds a run already; --resume continues it, or choose another train.out",
                out);
  if (!exists) TRY(begin_again(out, resume));
  TRY(make_model(r, &mc));
  if (exists) {
    TRY(resume_from(r));
  } else {
    if (c->train.init[0] != '\0') TRY(init_load(c, r->m, r->d));
    TRY(run_clean(out));
  }
  TRY(write_config(r));
  TRY(sink_open(&r->sink, out, exists ? r->t.step : -1, c->train.tensorboard));
  saver_attach(r->saver, r->sink);
  return describe(r);
}

status train_run(const run_config *c, const option_set *options, dataset *d, bool resume, validator *v) {
  run r = {.c = c, .d = d, .v = v, .lock = -1};
  struct sigaction before[SIGNALS];
  signals_catch(before);
  status rc = set_up(&r, options, resume);
  if (rc == OK) {
    r.decay_steps = c->optim.decay_steps > 0 ? c->optim.decay_steps
                    : r.last_step > 0        ? r.last_step
                                             : INT64_MAX;
    rc = train(&r);
  }
  char message[2048];
  snprintf(message, sizeof message, "%s", fail_message());
  saver_close(r.saver); // waits for a checkpoint that is being written
  const status closed = sink_close(r.sink);
  if (rc == OK)
    rc = closed;
  else
    fail(rc, "%s", message);
  free_flights(&r);
  batcher_close(r.batches);
  model_free(r.m);
  free(r.yaml);
  if (r.lock >= 0) close(r.lock);
  signals_release(before);
  return rc;
}
