// Saving while training goes on; see saver.h.
#include "train/saver.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/hard_negatives.h"
#include "hdf5/hdf5_glue.h"
#include "model/checkpoint_find.h"
#include "model/item_vectors.h"

struct saver {
  saver_config c;
  metric_sink *sink;
  const checkpoint_base *base; // keeps the frozen parameters; NULL: they are saved too
  float *
      snapshot; // [3 to 6][elements]: parameters, m, v, lag, ipt, unc of what is trained; NULL without background
  // Frozen parameters never change: they are read from the model's memory or, if that is on a device, copied once
  // [frozen_elements].
  float *frozen;
  bool has_frozen; // they were copied
  pthread_t thread;
  bool running; // there is a thread to join
  atomic_bool done;
  // the current save
  train_state state;
  json_t *labels; // as they are at that step: a validation fits their temperatures anew. NULL: none
  failure failed;
};

// ---- saving --------------------------------------------------------------------------------------------------

// A step with finite gradients can still overflow a parameter or a moment. Such a state must not be saved, because it
// cannot be resumed and would replace older checkpoints.
static status check_finite(const param_set *s, const param_values *v) {
  static const char *const what[] = {"parameter",      "the first moment of", "the second moment of",
                                     "the average of", "the importance of",   "the uncertainty of"};
  for (int k = 0; k < 6; k++) {
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i];
      const float *const all[] = {value_master(v, p), value_m(v, p),   value_v(v, p),
                                  value_lag(v, p),    value_ipt(v, p), value_unc(v, p)};
      const float *x = all[k];
      bool finite = true; // frozen parameters do not change
      for (int64_t j = 0; x != NULL && p->trainable && j < p->size; j++) finite = finite && isfinite(x[j]);
      if (!finite)
        return fail(ERR_NONFINITE, "%s %s has become NaN or infinite: no checkpoint is written", what[k],
                    p->name);
    }
  }
  return OK;
}

static status write_mined(const void *lists, const char *path) {
  return hard_negatives_write(lists, path);
}

// Those that the run began with are made again.
static bool has_mined(const saver *s) {
  const hard_negatives *h = dataset_hard_negatives(s->c.data);
  return h != NULL && h->step > 0;
}

static status write_values(const saver *s, const char *path, const param_values *values) {
  const checkpoint_content c = {.model = model_get_config(s->c.m),
                                .params = model_params(s->c.m),
                                .values = *values,
                                .state = &s->state,
                                .config_yaml = s->c.config_yaml,
                                .data = s->c.data,
                                .items = model_items(s->c.m),
                                .labels = s->labels,
                                .base = s->base,
                                .extra_name = HARD_NEGATIVES_FILE,
                                .extra = has_mined(s) ? write_mined : NULL,
                                .extra_self = dataset_hard_negatives(s->c.data)};
  TRY(check_finite(c.params, values));
  return checkpoint_write(path, &c);
}

static status write_checkpoint(const saver *s, const char *path) {
  const param_set *p = model_params(s->c.m);
  param_values values = params_values(p);
  if (s->snapshot == NULL) {
    float *copy;
    TRY(params_to_host(p, true, &values, &copy));
    const status rc = write_values(s, path, &values);
    free(copy);
    return rc;
  }
  values.master = s->snapshot;
  values.m = s->snapshot + p->elements;
  values.v = s->snapshot + 2 * p->elements;
  float *at = s->snapshot + 3 * p->elements;
  if (p->lag != NULL) values.lag = at, at += p->elements;
  if (p->ipt != NULL) values.ipt = at, values.unc = at + p->elements;
  if (s->frozen != NULL) values.frozen = s->frozen;
  return write_values(s, path, &values);
}

static status write_everything(const saver *s) {
  char path[PATH_MAX];
  if (s->sink != NULL) TRY(sink_sync(s->sink));
  TRY(checkpoint_path(path, s->c.run_dir, s->state.step));
  TRY(write_checkpoint(s, path));
  TRY(checkpoint_point(s->c.run_dir, WHICH_LAST, s->state.step));
  if (s->state.best_step == s->state.step) TRY(checkpoint_point(s->c.run_dir, WHICH_BEST, s->state.step));
  TRY(run_prune(s->c.run_dir, s->c.keep, s->c.keep_best ? s->state.best_step : -1));
  return s->c.keep_best ? OK : checkpoint_point_to_best(s->c.run_dir, s->state.best_step);
}

static void *work(void *arg) {
  saver *s = arg;
  failure_keep(&s->failed, write_everything(s));
  atomic_store(&s->done, true);
  return NULL;
}

size_t snapshot_bytes(const param_bytes *p, bool host_memory) {
  return p->weights + p->moments + p->averages + p->importance / 3 * 2 + (host_memory ? 0 : p->frozen);
}

static status new_snapshot(saver *s) {
  const param_set *p = model_params(s->c.m);
  static const char what[] = "snapshots of the model (train.background = false needs none)";
  TRY(mem_new(&s->snapshot, (3u + (p->averages ? 1u : 0u) + (p->importance ? 2u : 0u)) * (size_t)p->elements,
              sizeof *s->snapshot, what));
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

void saver_set_base(saver *s, const checkpoint_base *base) {
  const param_set *p = model_params(s->c.m);
  s->base = base;
  for (int32_t i = 0; i < p->count; i++)
    if (p->items[i].tuned && !p->items[i].trainable) return; // which is not in the base
  free(s->frozen);                                           // nobody reads the frozen parameters from now on
  s->frozen = NULL;
}

void saver_attach(saver *s, metric_sink *sink) {
  s->sink = sink;
}

status saver_wait(saver *s) {
  TRY(h5_check_unlocked("saver_wait"));
  if (s->running) pthread_join(s->thread, NULL);
  s->running = false;
  const status rc = failure_raise(&s->failed);
  s->failed.rc = OK; // reported once
  return rc;
}

status saver_poll(saver *s) {
  return s->running && atomic_load(&s->done) ? saver_wait(s) : OK;
}

static status take_snapshot(saver *s) {
  const param_set *p = model_params(s->c.m);
  const float *const arenas[] = {p->master, p->m, p->v, p->lag, p->ipt, p->unc};
  float *at = s->snapshot;
  for (size_t i = 0; i < sizeof arenas / sizeof *arenas; i++) {
    if (arenas[i] == NULL) continue;
    TRY(p->be->download(p->ctx, at, arenas[i], (size_t)p->elements * sizeof(float)));
    at += p->elements;
  }
  if (s->frozen == NULL || s->has_frozen) return OK;
  TRY(p->be->download(p->ctx, s->frozen, p->frozen, (size_t)p->frozen_elements * sizeof(float)));
  s->has_frozen = true;
  return OK;
}

status saver_save(saver *s, const train_state *state) {
  TRY(saver_wait(s));
  s->state = *state;
  json_decref(s->labels);
  s->labels = dataset_labels(s->c.data);
  if (s->snapshot == NULL) return write_everything(s);
  TRY(take_snapshot(s));
  atomic_store(&s->done, false);
  if (pthread_create(&s->thread, NULL, work, s) != 0)
    return write_everything(s); // without a thread, write now
  s->running = true;
  return OK;
}

void saver_close(saver *s) {
  if (s == NULL) return;
  if (s->running) pthread_join(s->thread, NULL);
  json_decref(s->labels);
  free(s->snapshot);
  free(s->frozen);
  free(s);
}
