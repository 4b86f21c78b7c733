// Reports of a run; see reports.h.
#include "train/reports.h"

#include <stdio.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "train/coverage.h"
#include "train/peak.h"
#include "model/objective.h"

// ---- begin and end -------------------------------------------------------------------------------------------

// "train.steps = 1000, before train.epochs = 2000": what ends the run at that step, and what else was asked for.
// Whether the minutes end it is only known afterwards.
static void name_end(const run_setup *r, int64_t step, bool ended, bool patience, char text[192]) {
  const train_config *t = &r->c->train;
  const bool counted = r->last_step > 0 && step >= r->last_step;
  const bool by_steps = counted && r->last_step == t->steps, by_epochs = counted && !by_steps;
  const struct {
    bool it, asked;
    const char *name, *joint;
    double value;
  } limits[] = {
      {patience, false, "train.patience", "", (double)t->patience},
      {!patience && by_steps, t->steps > 0, "train.steps", ", before ", (double)t->steps},
      {!patience && by_epochs, t->epochs > 0, "train.epochs", ", before ", (double)t->epochs},
      {!patience && !counted, t->minutes > 0, "train.minutes", ended ? ", before " : " or ", t->minutes}};
  size_t used = 0;
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
      if (pass == 0 ? limits[i].it : !limits[i].it && limits[i].asked)
        used += (size_t)snprintf(text + used, 192 - used, "%s%s = %.10g", used > 0 ? limits[i].joint : "",
                                 limits[i].name, limits[i].value);
}

// The peak of a device is not measured.
static double find_peak(const run_setup *run) {
  const train_config *t = &run->c->train;
  if (t->peak_gflops > 0 || !model_backend(run->m)->host_memory) return t->peak_gflops * 1e9;
  log_doing("measuring the peak of this machine");
  return measure_peak((int32_t)t->threads);
}

static void describe_size(const run_setup *run) {
  char bytes[32], count[32], tokens[32];
  const param_set *params = model_params(run->m);
  int64_t n = 0;
  for (int32_t i = 0; i < params->count; i++) n += params->items[i].size;
  const double step_tokens =
      (double)batcher_caps(run->batches).tokens * (double)run->c->train.accumulate * dist_world(run->world);
  log_info("%s parameters, %s in all; %lld step%s an epoch of at most %s tokens",
           human_count(count, (double)n), human_bytes(bytes, (double)model_bytes(run->m)),
           (long long)run->steps_per_epoch, run->steps_per_epoch == 1 ? "" : "s",
           human_count(tokens, step_tokens));
}

static status describe_data(const run_setup *run) {
  char text[COVERAGE_TEXT];
  batcher_coverage c;
  TRY(batcher_get_coverage(run->batches, &c));
  if (coverage_text(text, &c, run->c, run->d))
    log_warn("%s", text);
  else if (text[0] != '\0')
    log_info("%s", text);
  return OK;
}

status reports_describe(reports *r, const run_setup *run) {
  char device[256], rate[32], end[192] = "";
  const train_config *t = &run->c->train;
  const backend *be = model_backend(run->m);
  *r = (reports){.run = run};
  if (!run->leads) return OK;
  r->peak = find_peak(run);
  TRY(be->describe(model_ctx(run->m), device, sizeof device));
  name_end(run, run->last_step, false, false, end);
  log_info("the run is written to %s and is ended by %s", t->out, end);
  if (t->matmul == MATMUL_TF32 && !be->tf32)
    log_warn("train.matmul: tf32 has no effect on the %s, which multiplies in fp32", be->name);
  if (r->peak > 0)
    log_info("%s; peak %s", device, human_unit(rate, r->peak, "FLOP/s"));
  else
    log_info("%s; its peak is not known (train.peak_gflops)", device);
  describe_size(run);
  return describe_data(run);
}

static void begin_window(reports *r) {
  r->window_start = now_seconds();
  r->window_tokens = r->state->tokens;
  r->window_step = r->state->step;
  r->window_flops = step_queue_flops(r->steps);
}

void reports_begin(reports *r, const step_queue *steps, train_state *state) {
  r->steps = steps;
  r->state = state;
  r->shown = (progress_figures){.step = state->step, .last_step = r->run->last_step, .seconds_left = -1};
  begin_window(r);
  if (r->run->leads) progress_start(&r->progress);
}

static status write_end(const reports *r, const run_end *end) {
  const char *why = end->signal != 0 ? "signal"
                    : end->paused    ? "paused"
                    : end->patience  ? "patience"
                                     : "complete";
  const int64_t decay = r->run->decay_steps;
  TRY(sink_write(r->run->sink,
                 json_pack("{s:s,s:I,s:s,s:f,s:I,s:I}", "kind", "end", "step", (json_int_t)r->state->step,
                           "reason", why, "seconds", end->seconds, "peak_bytes", (json_int_t)mem_peak_bytes(),
                           "decay_steps", (json_int_t)(decay == INT64_MAX ? 0 : decay))));
  return sink_sync(r->run->sink);
}

status reports_end(const reports *r, const run_end *end) {
  const train_state *t = r->state;
  char time[32], tokens[32], memory[32], best[128] = "", limit[192] = "";
  if (r->run->leads) {
    TRY(write_end(r, end));
    log_status_end();
  }
  if (end->signal != 0)
    return fail(ERR_INTERRUPTED,
                "interrupted by %s after step %lld; the checkpoint is written, --resume continues",
                human_signal(time, end->signal), (long long)t->step);
  if (!r->run->leads) return OK;
  if (end->paused) {
    log_info("left after step %lld, as asked for; the checkpoint is written, --resume continues",
             (long long)t->step);
    return OK;
  }
  if (t->best_name[0] != '\0')
    snprintf(best, sizeof best, "best %.63s %.5f at step %lld; ", t->best_name, t->best_metric,
             (long long)t->best_step);
  name_end(r->run, t->step, true, end->patience, limit);
  log_info("done: %lld steps, %s tokens in %s; ended by %s", (long long)t->step,
           human_count(tokens, (double)t->tokens), human_seconds(time, end->seconds), limit);
  log_info("%smemory at most %s", best, human_bytes(memory, (double)mem_peak_bytes()));
  return OK;
}

// ---- while it trains -----------------------------------------------------------------------------------------

// Seconds that are left, validations included; -1: unknown.
static double seconds_left(const reports *r, double seconds, double step_seconds) {
  const train_config *t = &r->run->c->train;
  double left = -1;
  if (r->run->last_step > 0) {
    const int64_t steps = r->run->last_step - r->state->step;
    // validation_seconds is 0 without validation
    const double validations = t->eval_every > 0 ? (double)(steps / t->eval_every) : 0;
    left = step_seconds * (double)steps + validations * r->validation_seconds;
  }
  const double by_clock = 60.0 * t->minutes - seconds;
  if (t->minutes > 0 && (left < 0 || by_clock < left)) left = by_clock > 0 ? by_clock : 0;
  return left;
}

// Of a sum of the window; 0 where nothing had a weight.
static double mean_of(const slot_result *r, double sum) {
  return r->weight > 0 ? sum / r->weight : 0;
}

// The figures of the window, from the results that have been read.
static progress_figures figures_now(const reports *r, double seconds) {
  const train_state *t = r->state;
  const double window = now_seconds() - r->window_start;
  const int64_t steps = t->step - r->window_step;
  progress_figures f = {
      .step = t->step,
      .last_step = r->run->last_step,
      .epoch = t->epoch,
      .lr = learning_rate(&r->run->c->optim, t->step - 1, r->run->decay_steps),
      .grad_norm = step_queue_grad_norm(r->steps),
      .tokens_per_s = (double)(t->tokens - r->window_tokens) / window,
      .flops = (step_queue_flops(r->steps) - r->window_flops) / window,
      .peak = r->peak,
      .seconds_left = steps > 0 ? seconds_left(r, seconds, window / (double)steps) : -1,
  };
  const objective_list *l = model_objectives(r->run->m);
  for (int32_t k = 0; k < l->n; k++) {
    if (!(t->window[k].weight > 0)) continue;
    f.losses[f.n_losses].label = l->of[k]->label;
    f.losses[f.n_losses++].value = mean_of(&t->window[k], t->window[k].loss);
  }
  return f;
}

void reports_micro(reports *r, int32_t micro) {
  if (!r->run->leads) return;
  if (micro == 0) {
    if (!(r->progress.first_step_seconds > 0)) log_doing("running the first step");
    return;
  }
  if (!progress_due(&r->progress)) return; // a step of many micro-batches may take minutes
  progress_figures f = r->shown;
  f.micro = micro;
  f.micros = r->run->c->train.accumulate;
  progress_show(&r->progress, &f, false);
}

void reports_step(reports *r) {
  if (!(r->progress.first_step_seconds > 0)) progress_first_step(&r->progress);
}

void reports_glance(reports *r, double seconds) {
  if (!r->run->leads) return;
  r->shown = figures_now(r, seconds);
  if (!progress_due(&r->progress)) return;
  progress_show(&r->progress, &r->shown, false);
}

// An objective's figures: its mean loss, and the share of hits where it has one.
static int add_objective(json_t *j, const objective *of, const slot_result *r) {
  int bad = json_object_set_new(j, of->loss_key, json_real(mean_of(r, r->loss)));
  if (of->accuracy_key != NULL)
    bad |= json_object_set_new(j, of->accuracy_key, json_real(mean_of(r, r->hits)));
  return bad;
}

// The first objective's figures come first, those of others at the end, and only if the window has any.
static int add_figures(json_t *j, const reports *r, const progress_figures *f) {
  const train_state *t = r->state;
  const objective_list *l = model_objectives(r->run->m);
  json_t *rest = json_pack("{s:f,s:f,s:I,s:f,s:f,s:f}", "lr", f->lr, "grad_norm", f->grad_norm, "tokens",
                           (json_int_t)t->tokens, "tokens_per_s", f->tokens_per_s, "gflops", f->flops * 1e-9,
                           "share_of_peak", f->peak > 0 ? f->flops / f->peak : 0);
  int bad = add_objective(j, l->of[0], &t->window[0]);
  bad |= json_object_update(j, rest);
  json_decref(rest);
  for (int32_t k = 1; k < l->n; k++)
    if (t->window[k].weight > 0) bad |= add_objective(j, l->of[k], &t->window[k]);
  return bad;
}

static status write_window(const reports *r, const progress_figures *f) {
  json_t *j =
      json_pack("{s:s,s:I,s:I}", "kind", "train", "step", (json_int_t)f->step, "epoch", (json_int_t)f->epoch);
  if (j != NULL && add_figures(j, r, f) == 0) return sink_write(r->run->sink, j);
  json_decref(j);
  return fail(ERR_MEMORY, "out of memory: cannot compose a line of metrics");
}

static status tell_window(reports *r, double seconds, bool at_end) {
  const progress_figures f = figures_now(r, seconds);
  const run_config *c = r->run->c;
  TRY(write_window(r, &f));
  r->shown = f;
  progress_show(&r->progress, &f, at_end);
  if (model_backend(r->run->m)->host_memory)
    progress_judge(&r->progress, &f, now_seconds() - r->window_start, c->model.hidden,
                   threads_or_all(c->train.threads));
  return OK;
}

status reports_window(reports *r, double seconds, bool at_end) {
  if (r->run->leads) TRY(tell_window(r, seconds, at_end));
  loss_sums_clear(r->state);
  begin_window(r);
  return OK;
}

void reports_pause(reports *r, double seconds) {
  r->window_start += seconds;
}

// ---- validation ----------------------------------------------------------------------------------------------

static status write_validation(const reports *r, json_t *values) {
  json_t *j = json_pack("{s:s,s:I}", "kind", "valid", "step", (json_int_t)r->state->step);
  const int bad = json_object_update(j, values);
  json_decref(values);
  if (bad == 0 && !mem_json_failed()) return sink_write(r->run->sink, j);
  json_decref(j);
  return fail(ERR_MEMORY, "out of memory: cannot compose a line of metrics");
}

status reports_validation(reports *r, json_t *values, double metric, bool better, double seconds) {
  char time[32];
  if (!r->run->leads) {
    json_decref(values);
    return OK;
  }
  TRY(write_validation(r, values));
  r->validation_seconds = seconds;
  log_info("step %6lld  validation %s %.5f%s  (%s)", (long long)r->state->step, r->run->c->train.metric,
           metric, better ? "  best so far" : "", human_seconds(time, seconds));
  return OK;
}
