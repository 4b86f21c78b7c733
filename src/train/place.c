// Where a resumed run goes on; see place.h.
#include "train/place.h"

#include <math.h>
#include <string.h>
#include "base/log.h"
#include "train/copy_validation.h"

// Are examples no windows of histories?
static bool made_elsewhere(const run_setup *r) {
  return dataset_premasked(r->d) != NULL || dataset_labelled(r->d) != NULL || run_writes_copy(r->c);
}

// The data section of the checkpoint, with the windows that it had. souk 0.2 and those before, which did not write them, took
// the data set's.
static data_config data_then(const run_setup *r) {
  const train_state *t = &r->from->state;
  const dataset_info *info = dataset_get_info(r->d);
  data_config then = r->then->data;
  if (made_elsewhere(r)) return then;
  const int64_t usual = then.window > 0 ? (then.window + 1) / 2 : info->stride;
  if (then.window == 0) then.window = info->window;
  if (then.stride == 0) then.stride = usual;
  if (t->data_window > 0) then.window = t->data_window;
  if (t->data_stride > 0) then.stride = t->data_stride;
  return then;
}

data_config place_data(const run_setup *r) {
  const data_config then = data_then(r);
  data_config now = r->c->data;
  if (now.window != r->then->data.window) return now;
  now.window = then.window;
  if (now.stride == r->then->data.stride) now.stride = then.stride;
  return now;
}

status place_steps_per_epoch(batcher *b, const train_config *t, int64_t *steps) {
  int64_t batches;
  TRY(batcher_epoch_batches(b, 0, &batches));
  *steps = batches / t->accumulate > 0 ? batches / t->accumulate : 1;
  return OK;
}

// What the state of an older checkpoint does not say, from batches made as they were made then.
static status complete_old(const run_setup *r, train_state *t) {
  const data_config then = data_then(r);
  const seq_layout layout = model_layout(&r->from->model);
  data_place place;
  batcher *b;
  if (t->example >= 0 && t->steps_per_epoch > 0) return OK;
  TRY(batcher_open(&b, r->d, &then, &layout, PART_TRAIN, dist_rank(r->world), dist_world(r->world)));
  status rc = place_steps_per_epoch(b, &r->then->train, &t->steps_per_epoch);
  if (rc == OK && t->example < 0) {
    rc = batcher_find_batch(b, t->epoch, t->index, &place);
    if (rc == OK) t->example = place.example;
    if (rc == ERR_ARGUMENT)
      rc = fail_prefix(rc, "%s/manifest.json: \"state.index\" is out of range", r->from->dir);
  }
  batcher_close(b);
  return rc;
}

static void start_epoch_anew(const run_setup *r, train_state *t, const char *changed) {
  if (r->leads && t->example > 0)
    log_warn(
        "epoch %lld starts anew, of which %lld examples were trained on: %s has changed, so they come in "
        "another order",
        (long long)t->epoch, (long long)t->example, changed);
  t->example = t->index = 0;
}

static status seek(run_setup *r, train_state *t) {
  const data_place place = {.epoch = t->epoch, .example = t->example, .index = t->index};
  const status rc = batcher_seek(r->batches, &place);
  return rc != ERR_ARGUMENT
             ? rc
             : fail_prefix(rc, "%s/manifest.json: \"state.example\" is out of range", r->from->dir);
}

// An epoch has another number of steps from here on.
static void change_pace(const run_setup *r, train_state *t) {
  if (t->steps_per_epoch == r->steps_per_epoch) return;
  const int64_t were = t->steps_per_epoch, epochs = r->c->train.epochs;
  t->paced_epochs += (double)(t->step - t->paced_step) / (double)were;
  t->paced_step = t->step;
  t->steps_per_epoch = r->steps_per_epoch;
  if (r->leads && epochs > 0)
    log_info("an epoch had %lld steps and has %lld now: train.epochs = %lld ends with step %lld, after %.4g "
             "epochs "
             "so far",
             (long long)were, (long long)t->steps_per_epoch, (long long)epochs,
             (long long)place_step_after(t, epochs), t->paced_epochs);
}

status place_find(run_setup *r, const model_config *now_model) {
  train_state *t = &r->start;
  batcher_coverage now;
  TRY(batcher_get_coverage(r->batches, &now));
  if (r->from != NULL) {
    const data_config then = data_then(r);
    data_config made = r->c->data;
    made.window = now.window.length;
    made.stride = now.window.stride;
    TRY(complete_old(r, t));
    const char *changed = data_order_changed(&then, &made, made_elsewhere(r));
    if (changed != NULL)
      start_epoch_anew(r, t, changed);
    else if (model_layout(&r->from->model).asks != model_layout(now_model).asks)
      start_epoch_anew(r, t, "train.objectives");
    TRY(seek(r, t));
    change_pace(r, t);
  }
  t->data_window = now.window.length;
  t->data_stride = now.window.stride;
  t->steps_per_epoch = r->steps_per_epoch;
  return OK;
}

int64_t place_step_after(const train_state *t, int64_t epochs) {
  const double left = fmax(0, (double)epochs - t->paced_epochs) * (double)t->steps_per_epoch;
  return t->paced_step +
         (int64_t)llround(fmin(left, 4503599627370496.0)); // 2^52, as many as are ever counted
}
