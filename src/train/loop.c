// The training loop.
//
// A step: `accumulate` micro-batches, whose losses are divided by the weight of all their masked rows, so the
// micro-batches of a step are composed before the first of them runs (the batcher hands out copies for that); then
// gradient norm, AdamW. The loss is read once a log line, not every step. All that a resumed run needs is in the
// checkpoint: parameters, moments, step, and the place (epoch, index) of the next batch.
#include "train/loop.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "train/metrics.h"
#include "train/optimizer.h"

typedef struct run {
  const run_config *c;
  dataset *d;
  batcher *batches;
  model *m;
  validator *v;
  metric_sink *sink;
  char *yaml;
  batch **micro; // [accumulate], NULL when accumulate is 1
  train_state t;
  int64_t decay_steps, steps_per_epoch;
  double peak, started, last_log, flops, mask_weight;
  int64_t last_log_tokens, last_log_step, rows;
  double last_loss;
  bool saved; // the current step has a checkpoint
} run;

// ---- signals -------------------------------------------------------------------------------------------------

static volatile sig_atomic_t stop_requested;

static void on_signal(int number) {
  if (stop_requested) _exit(128 + number);
  stop_requested = number;
}

static void catch_signals(void) {
  stop_requested = 0;
  const struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

// ---- checkpoints ---------------------------------------------------------------------------------------------

static void step_name(char name[32], int64_t step) {
  snprintf(name, 32, "step-%08lld", (long long)step);
}

static status point_to(const run *r, const char *pointer, int64_t step) {
  char path[PATH_MAX], name[40];
  step_name(name, step);
  strcat(name, "\n");
  TRY(path_join(path, sizeof path, r->c->train.out, pointer));
  return file_write_atomic(path, name, strlen(name));
}

static int descending(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x > y ? -1 : x < y;
}

// Removes checkpoints beyond the newest `keep`, but never the best.
static status prune(const run *r) {
  DIR *dir = opendir(r->c->train.out);
  if (dir == NULL) return fail(ERR_IO, "cannot open directory %s: %s", r->c->train.out, strerror(errno));
  int64_t *steps = NULL;
  size_t n = 0, cap = 0;
  status rc = OK;
  for (struct dirent *e; rc == OK && (e = readdir(dir)) != NULL;) {
    long long step;
    int used = 0;
    if (sscanf(e->d_name, "step-%8lld%n", &step, &used) != 1 || e->d_name[used] != '\0') continue;
    rc = mem_grow(&steps, &cap, n + 1, sizeof *steps, "the list of checkpoints");
    if (rc == OK) steps[n++] = step;
  }
  closedir(dir);
  if (n > 0) qsort(steps, n, sizeof *steps, descending);
  for (size_t i = (size_t)r->c->train.keep; rc == OK && i < n; i++) {
    char name[32], path[PATH_MAX];
    if (steps[i] == r->t.best_step) continue;
    step_name(name, steps[i]);
    rc = path_join(path, sizeof path, r->c->train.out, name);
    if (rc == OK) rc = dir_remove(path);
  }
  free(steps);
  return rc;
}

static status save(run *r) {
  if (r->saved) return OK;
  char name[32], path[PATH_MAX];
  step_name(name, r->t.step);
  TRY(path_join(path, sizeof path, r->c->train.out, name));
  train_state t = r->t;
  t.seconds += now_seconds() - r->started;
  TRY(checkpoint_write(path, r->m, &t, r->yaml, r->d, true));
  TRY(point_to(r, "last", r->t.step));
  if (r->t.best_step == r->t.step) TRY(point_to(r, "best", r->t.step));
  r->saved = true;
  return prune(r);
}

// ---- a step --------------------------------------------------------------------------------------------------

static void copy_batch(batch *to, const batch *from) {
  const struct {
    void *to;
    const void *from;
    size_t bytes;
  } parts[] = {
      {to->ids, from->ids, (size_t)from->tokens * 4},
      {to->types, from->types, (size_t)from->tokens * 4},
      {to->positions, from->positions, (size_t)from->tokens * 4},
      {to->seq_of, from->seq_of, (size_t)from->tokens * 4},
      {to->cu_seqlens, from->cu_seqlens, ((size_t)from->seqs + 1) * 4},
      {to->seq_ids, from->seq_ids, (size_t)from->seqs * 8},
      {to->prefix_len, from->prefix_len, (size_t)from->seqs * 4},
      {to->cls_labels, from->cls_labels, (size_t)from->seqs * 4},
      {to->work, from->work, (size_t)from->n_work * 8},
      {to->masked, from->masked, (size_t)from->n_masked * 4},
      {to->labels, from->labels, (size_t)from->n_masked * 4},
      {to->weights, from->weights, (size_t)from->n_masked * 4},
      {to->label_logq, from->label_logq, (size_t)from->n_masked * 4},
      {to->negatives, from->negatives, (size_t)from->n_negatives * 4},
      {to->negative_logq, from->negative_logq, (size_t)from->n_negatives * 4},
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (parts[i].bytes > 0) memcpy(parts[i].to, parts[i].from, parts[i].bytes);
  to->tokens = from->tokens;
  to->seqs = from->seqs;
  to->n_masked = from->n_masked;
  to->n_negatives = from->n_negatives;
  to->n_work = from->n_work;
  to->epoch = from->epoch;
  to->index = from->index;
  to->mask_weight = from->mask_weight;
  to->cls_count = from->cls_count;
}

static status one_batch(run *r, const batch *b, const step_state *s) {
  TRY(model_set_batch(r->m, b, s));
  TRY(model_forward(r->m, true));
  TRY(model_loss(r->m, true));
  r->flops += 3.0 * model_flops(r->m, b);
  r->t.tokens += b->tokens;
  return OK;
}

static status take_step(run *r) {
  const int64_t n = r->c->train.accumulate;
  const batch *b = NULL;
  double weight = 0, cls = 0;
  for (int64_t i = 0; i < n; i++) {
    TRY(batcher_next(r->batches, &b));
    if (n > 1) {
      copy_batch(r->micro[i], b);
      b = r->micro[i];
    }
    weight += b->mask_weight;
    cls += b->cls_count;
  }
  const step_state s = {.step = r->t.step,
                        .seed = (uint64_t)r->c->train.seed,
                        .lr = (float)learning_rate(&r->c->optim, r->t.step, r->decay_steps),
                        .mlm_scale = (float)(1.0 / (weight > 0 ? weight : 1.0)),
                        .cls_scale = (float)(1.0 / (cls > 0 ? cls : 1.0)),
                        .clip_norm = (float)r->c->optim.clip_norm};
  for (int64_t i = 0; i < n; i++) TRY(one_batch(r, n > 1 ? r->micro[i] : b, &s));
  TRY(optimizer_step(r->m, &r->c->optim));
  r->t.epoch = b->epoch;
  r->t.index = b->index + 1;
  r->t.step++;
  r->saved = false;
  return OK;
}

// ---- reports -------------------------------------------------------------------------------------------------

static status report(run *r, int64_t last_step) {
  step_result result;
  TRY(model_backend(r->m)->result_read(model_ctx(r->m), &result));
  TRY(model_backend(r->m)->result_clear(model_ctx(r->m)));
  if (result.nonfinite)
    return fail(ERR_NONFINITE,
                "the gradient became NaN or infinite by step %lld; lower optim.lr or set optim.clip_norm",
                (long long)r->t.step);
  const double now = now_seconds(), seconds = now - r->last_log;
  const double rate = (double)(r->t.tokens - r->last_log_tokens) / seconds, flops = r->flops / seconds;
  const double loss = result.mlm_weight > 0 ? result.mlm_loss / result.mlm_weight : 0;
  const double cls = result.cls_rows > 0 ? result.cls_loss / result.cls_rows : 0;
  const double lr = learning_rate(&r->c->optim, r->t.step - 1, r->decay_steps),
               norm = sqrt(result.grad_sumsq);
  const double step_seconds = seconds / (double)(r->t.step - r->last_log_step);
  json_t *j = json_pack("{s:s,s:I,s:I,s:f,s:f,s:f,s:I,s:f,s:f,s:f}", "kind", "train", "step",
                        (json_int_t)r->t.step, "epoch", (json_int_t)r->t.epoch, "loss", loss, "lr", lr,
                        "grad_norm", norm, "tokens", (json_int_t)r->t.tokens, "tokens_per_s", rate, "gflops",
                        flops * 1e-9, "share_of_peak", r->peak > 0 ? flops / r->peak : 0);
  if (result.cls_rows > 0) {
    json_object_set_new(j, "cls_loss", json_real(cls));
    json_object_set_new(j, "cls_accuracy", json_real(result.cls_hits / result.cls_rows));
  }
  TRY(sink_write(r->sink, j));
  char count[32], eta[32] = "?";
  if (last_step > 0) human_seconds(eta, step_seconds * (double)(last_step - r->t.step));
  char extra[40] = "";
  if (result.cls_rows > 0) snprintf(extra, sizeof extra, "  next %.4f", cls);
  log_status_line("step %6lld  epoch %3lld  loss %.4f%s  lr %.2e  norm %.3f  %s tokens/s  %.1f GFLOP/s  "
                  "%2.0f%% of peak  eta %s",
                  (long long)r->t.step, (long long)r->t.epoch, loss, extra, lr, norm,
                  human_count(count, rate), flops * 1e-9, r->peak > 0 ? 100.0 * flops / r->peak : 0.0, eta);
  r->last_log = now_seconds();
  r->last_log_tokens = r->t.tokens;
  r->last_log_step = r->t.step;
  r->flops = 0;
  return OK;
}

static status validate(run *r, bool *stop) {
  double metric = 0;
  json_t *values = NULL;
  const double start = now_seconds();
  TRY(r->v->run(r->v, r->m, r->c->train.metric, &metric, &values));
  json_t *j = json_pack("{s:s,s:I}", "kind", "valid", "step", (json_int_t)r->t.step);
  json_object_update(j, values);
  json_decref(values);
  TRY(sink_write(r->sink, j));
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
  log_info("step %6lld  validation %s %.5f%s  (%.1f s)", (long long)r->t.step, r->c->train.metric, metric,
           better ? "  best so far" : "", now_seconds() - start);
  if (better || r->c->train.save_every == 0) TRY(save(r));
  if (r->c->train.patience > 0 && r->t.bad_evals >= r->c->train.patience) {
    log_info("no better %s in %lld validations: stopping early", r->c->train.metric,
             (long long)r->t.bad_evals);
    *stop = true;
  }
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

static bool done(const run *r, int64_t last_step) {
  if (last_step > 0 && r->t.step >= last_step) return true;
  return r->c->train.minutes > 0 && r->t.seconds + now_seconds() - r->started >= 60.0 * r->c->train.minutes;
}

static status train(run *r, int64_t last_step) {
  const train_config *t = &r->c->train;
  r->started = r->last_log = now_seconds();
  r->last_log_tokens = r->t.tokens;
  r->last_log_step = r->t.step;
  TRY(model_backend(r->m)->result_clear(model_ctx(r->m)));
  bool stop = false;
  while (!stop && !done(r, last_step) && !stop_requested) {
    TRY(take_step(r));
    const bool at_end = done(r, last_step);
    if (r->t.step % t->log_every == 0 || at_end) TRY(report(r, last_step));
    if (r->v != NULL && t->eval_every > 0 && (r->t.step % t->eval_every == 0 || at_end))
      TRY(validate(r, &stop));
    if (t->save_every > 0 && r->t.step % t->save_every == 0) TRY(save(r));
  }
  if (r->t.step > r->last_log_step) TRY(report(r, last_step)); // never save what may not be finite
  TRY(save(r));
  log_status_end();
  if (stop_requested)
    return fail(ERR_INTERRUPTED,
                "stopped by signal %d after step %lld; the checkpoint is written, --resume continues",
                (int)stop_requested, (long long)r->t.step);
  return OK;
}

static status resume_from(run *r) {
  char dir[PATH_MAX];
  TRY(checkpoint_find(dir, sizeof dir, r->c->train.out, "last"));
  checkpoint *c;
  TRY(checkpoint_open(&c, dir));
  status rc = OK;
  if (strcmp(c->data.checksum, dataset_get_info(r->d)->checksum) != 0)
    rc = fail(ERR_ARGUMENT, "%s was trained on another data set than %s", dir, dataset_dir(r->d));
  if (rc == OK) rc = checkpoint_load(c, r->m, true);
  if (rc == OK) {
    r->t = c->state;
    log_info("resuming from step %lld", (long long)r->t.step);
  }
  checkpoint_close(c);
  return rc;
}

static status prepare_run_dir(const run *r, bool resume) {
  char path[PATH_MAX];
  TRY(dir_make(r->c->train.out));
  TRY(path_join(path, sizeof path, r->c->train.out, "last"));
  if (!resume && file_exists(path))
    return fail(ERR_ARGUMENT, "%s holds a run already; --resume continues it, or choose another train.out",
                r->c->train.out);
  TRY(path_join(path, sizeof path, r->c->train.out, "config.yaml"));
  return file_write_atomic(path, r->yaml, strlen(r->yaml));
}

static status set_up(run *r, const option_set *options, bool resume) {
  const run_config *c = r->c;
  if (c->train.out[0] == '\0') return fail(ERR_ARGUMENT, "train.out names no directory (--out DIR)");
  if (c->train.steps == 0 && c->train.epochs == 0 && !(c->train.minutes > 0))
    return fail(ERR_ARGUMENT, "one of train.steps, train.epochs and train.minutes must be set");
  TRY(options_dump(options, &r->yaml));
  TRY(prepare_run_dir(r, resume));
  const dataset_info *info = dataset_get_info(r->d);
  model_config mc = c->model;
  TRY(model_config_resolve(&mc, info->range_end, info->n_event_types));
  const seq_layout layout = model_layout(&mc);
  TRY(batcher_open(&r->batches, r->d, &c->data, &layout, PART_TRAIN, 0, 1));
  const batch_caps caps = batcher_caps(r->batches);
  int64_t per_epoch;
  TRY(batcher_epoch_batches(r->batches, 0, &per_epoch));
  r->steps_per_epoch = per_epoch / c->train.accumulate > 0 ? per_epoch / c->train.accumulate : 1;
  const model_run mr = {.caps = caps,
                        .training = true,
                        .row_sparse =
                            c->optim.lazy_rows && caps.negatives > 0 && c->optim.kind == OPTIM_ADAMW,
                        .threads = (int32_t)c->train.threads,
                        .seed = (uint64_t)c->train.seed};
  TRY(model_create(&r->m, device_names[c->train.device], &mc, &mr));
  TRY(params_make_moments(model_params(r->m)));
  if (c->train.accumulate > 1) {
    TRY(mem_new(&r->micro, (size_t)c->train.accumulate, sizeof *r->micro, "micro-batches"));
    for (int64_t i = 0; i < c->train.accumulate; i++) TRY(batch_new(&r->micro[i], caps));
  }
  if (resume) {
    TRY(resume_from(r));
    TRY(batcher_seek(r->batches, r->t.epoch, r->t.index));
    r->saved = true;
  }
  TRY(sink_open(&r->sink, c->train.out, resume ? r->t.step : -1));
  r->peak = measure_peak((int32_t)c->train.threads);
  char text[256], bytes[32], params[32];
  TRY(model_backend(r->m)->describe(model_ctx(r->m), text, sizeof text));
  log_info("%s; peak %.0f GFLOP/s", text, r->peak * 1e-9);
  log_info("%s parameters, %s in all; %lld batches an epoch of about %d tokens",
           human_count(params, (double)model_params(r->m)->elements),
           human_bytes(bytes, (double)model_bytes(r->m)), (long long)per_epoch, caps.tokens);
  return OK;
}

status train_run(const run_config *c, const option_set *options, dataset *d, bool resume, validator *v) {
  run r = {.c = c, .d = d, .v = v};
  catch_signals();
  status rc = set_up(&r, options, resume);
  if (rc == OK) {
    const int64_t last = last_step_of(&r);
    r.decay_steps = c->optim.decay_steps > 0 ? c->optim.decay_steps : last > 0 ? last : INT64_MAX;
    rc = train(&r, last);
  }
  char message[2048];
  snprintf(message, sizeof message, "%s", fail_message());
  const status closed = sink_close(r.sink);
  if (rc == OK)
    rc = closed;
  else
    fail(rc, "%s", message);
  for (int64_t i = 0; r.micro != NULL && i < c->train.accumulate; i++) batch_free(r.micro[i]);
  free(r.micro);
  batcher_close(r.batches);
  model_free(r.m);
  free(r.yaml);
  return rc;
}
