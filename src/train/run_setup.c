// Setting up a run; see run_setup.h.
#include "train/run_setup.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "model/checkpoint_find.h"
#include "model/item_vectors.h"
#include "model/objective.h"
#include "train/batch_file.h"
#include "train/changes.h"
#include "train/init.h"
#include "train/leash_base.h"
#include "train/mining.h"
#include "train/place.h"
#include "train/run_objectives.h"
#include "train/step_queue.h"

// ---- its directory -------------------------------------------------------------------------------------------

// How many characters of a path that is not there name a directory that is.
static int64_t existing_part(const char *path) {
  char part[PATH_MAX];
  snprintf(part, sizeof part, "%s", path);
  for (size_t n = strlen(part); n > 0; n--) {
    if (part[n] != '/') continue;
    part[n] = '\0';
    if (dir_exists(part)) return (int64_t)n;
  }
  return 0;
}

// Two processes in one directory would destroy each other's checkpoints.
static status lock_run(run_setup *r) {
  const char *dir = r->c->train.out;
  if (!dir_exists(dir)) r->made = existing_part(dir);
  TRY(dir_make(dir));
  return dir_lock(&r->lock, dir, "another process trains there");
}

// Of a run that was refused: the directory, which holds nothing of anyone else's, and empty folders above it.
static void remove_made(const run_setup *r) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", r->c->train.out);
  if (r->made < 0 || dir_remove(path) != OK) return;
  for (int64_t n = (int64_t)strlen(path); n > r->made; n--) {
    if (path[n] != '/') continue;
    path[n] = '\0';
    if (rmdir(path) != 0 && errno != ENOENT) return; // another run may have come into it; DIR/ is DIR
  }
}

// A run that ended before its first checkpoint has left only metrics.
static status check_metrics(const char *out, bool resume) {
  bool found;
  TRY(metrics_found(out, &found));
  if (!found || resume) return OK;
  return fail(ERR_ARGUMENT,
              "%s holds the metrics of a run without a checkpoint; --resume starts the run again and keeps "
              "them, or "
              "choose another train.out",
              out);
}

// Such metrics are kept under another name.
static status begin_again(const char *out, bool resume) {
  char kept[32];
  bool found;
  TRY(metrics_found(out, &found));
  if (!found) {
    if (resume) log_info("%s has no checkpoint yet: starting from the beginning", out);
    return OK;
  }
  TRY(metrics_keep(out, kept));
  log_info("%s has no checkpoint yet: starting from the beginning; its metrics so far are now %s", out, kept);
  return OK;
}

// Prepares the directory: locks it, and makes sure that it either has a checkpoint to resume from (r->resumed) or no
// files of a run.
static status take_directory(run_setup *r, bool resume) {
  const char *out = r->c->train.out;
  if (!resume || !path_holds_run(out)) // a run may live in the directory of its data set
    TRY(path_check_place(out, PATH_RUN | PATH_DIRECTORY | PATH_SHARDS));
  TRY(lock_run(r));
  TRY(run_has_checkpoints(out, &r->resumed));
  if (r->resumed && !resume)
    return fail(ERR_ARGUMENT, "%s holds a run already; --resume continues it, or choose another train.out",
                out);
  return OK;
}

static status share_directory(run_setup *r, bool resume) {
  if (r->leads) TRY(take_directory(r, resume));
  uint32_t resumed = r->resumed;
  TRY(dist_any(r->world, &resumed));
  r->resumed = resumed != 0;
  return OK;
}

static status write_config(const run_setup *r) {
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, r->c->train.out, "config.yaml"));
  return file_write_atomic(path, r->yaml, strlen(r->yaml));
}

// ---- where it starts -----------------------------------------------------------------------------------------

static status check_frozen(const run_setup *r, const param *p) {
  const checkpoint *c = r->from;
  const bool left_out = checkpoint_takes_from_base(c, p->name);
  bool was_frozen;
  TRY(params_freezes(&was_frozen, r->then->train.freeze, p->name));
  if (p->trainable && (left_out || was_frozen))
    return fail(
        ERR_ARGUMENT,
        "train.freeze: %s was frozen before, so it cannot be trained on --resume: %s has no moments of "
        "it (train.init starts a new run from there)",
        p->name, c->dir);
  if (!p->trainable && !left_out && !(p->tuned && was_frozen) && c->base != NULL && run_leaves_out(r->c))
    return fail(ERR_ARGUMENT,
                "train.freeze: %s was trained before; --resume freezes it only with train.save_frozen = true",
                p->name);
  return OK;
}

// What was frozen has no moments, so it stays frozen. A run that leaves out what is frozen goes on with the same base, so
// that it cannot freeze more either.
static status check_all_frozen(const run_setup *r) {
  const param_set *s = model_params(r->m);
  for (int32_t i = 0; i < s->count; i++) TRY(check_frozen(r, &s->items[i]));
  return OK;
}

static void keep_base(run_setup *r, const checkpoint *c) {
  if (!run_leaves_out(r->c)) return;
  if (c->base == NULL && r->leads && model_params(r->m)->frozen_elements > 0)
    log_warn("train.save_frozen: the checkpoints of this run hold what is frozen, and go on to do so");
  if (c->base == NULL) return;
  strcpy(r->base.dir, c->base->dir);
  strcpy(r->base.sha256, c->base->model_sha256);
}

// Parameters, moments and the sums of the metrics line at hand.
static status load_last(run_setup *r) {
  const checkpoint *c = r->from;
  objective_list were;
  TRY(check_all_frozen(r));
  keep_base(r, c);
  // A sweep that has grown says a larger number; a resumed run that says none keeps what it had.
  if (r->c->train.tried > r->then->train.tried) r->start.tried += r->c->train.tried - r->then->train.tried;
  TRY(checkpoint_load(c, r->m, true));
  TRY(objectives_of(&were, &c->model));
  train_state_move_slots(&r->start, &were, model_objectives(r->m)); // which may be other ones now
  if (!r->leads)
    loss_sums_clear(&r->start); // the leader keeps the checkpoint's sums, which are those of all ranks
  return OK;
}

// A run has seen what it was told to train on: which events these are cannot change on its way.
static status check_training_part(const run_setup *r) {
  const training_choice *then = &r->then->data.trains, *now = &r->c->data.trains;
  if (then->final == now->final && then->final_users == now->final_users) return OK;
  return fail(
      ERR_ARGUMENT,
      "data.final was %s with data.final_users = %lld, and is now %s with %lld: --resume goes on with the "
      "events that the run began with; train.init starts a new run from its parameters",
      then->final ? "true" : "false", (long long)then->final_users, now->final ? "true" : "false",
      (long long)now->final_users);
}

static status check_last(run_setup *r, const model_config *mc) {
  const checkpoint *c = r->from;
  if (strcmp(c->data.checksum, dataset_get_info(r->d)->checksum) != 0)
    return fail(ERR_ARGUMENT,
                "%s was trained on another data set than %s, so its place in the data means nothing there; "
                "train.init starts a new run from its parameters",
                c->dir, dataset_dir(r->d));
  TRY(run_objectives_check_resumed(c, mc));
  if (!peft_same(&c->model.peft, &mc->peft))
    return fail(ERR_ARGUMENT,
                "section peft is not that of %s: --resume goes on with the tuning that the run began with",
                c->dir);
  TRY(mem_new(&r->then, 1, sizeof *r->then, "the configuration of before"));
  TRY(run_config_read(r->then, c));
  TRY(check_training_part(r));
  r->start = c->state;
  if (dataset_tokenizer(r->d) == NULL) dataset_set_tokenizer(r->d, c->tokenizer);
  if (!r->leads) return OK;
  log_info("resuming from step %lld", (long long)r->start.step);
  return changes_tell(r->then, r->c);
}

// The leader cleans the directory up; then all ranks open the checkpoint that it calls the last.
static status open_last(run_setup *r, const model_config *mc) {
  const train_config *t = &r->c->train;
  if (r->leads) TRY(run_resume(&r->from, t->out, t->keep, t->keep_best));
  TRY(dist_barrier(r->world));
  if (!r->leads) TRY(checkpoint_open_chosen(&r->from, t->out, WHICH_LAST));
  return check_last(r, mc);
}

static void close_last(run_setup *r) {
  checkpoint_close(r->from);
  free(r->then);
  r->from = NULL;
  r->then = NULL;
}

// Makes the initial parameters of all ranks those of rank 0.
static status share_parameters(run_setup *r) {
  const param_set *s = model_params(r->m);
  const dist_memory at = {.be = s->be, .ctx = s->ctx};
  TRY(dist_broadcast(r->world, at, s->master, (size_t)s->elements * sizeof *s->master, 0));
  if (s->frozen != NULL)
    TRY(dist_broadcast(r->world, at, s->frozen, (size_t)s->frozen_elements * sizeof *s->frozen, 0));
  return dist_world(r->world) > 1 ? params_refresh(model_params(r->m)) : OK;
}

// A run's first parameters, and whether its checkpoints leave out the frozen ones.
static status begin(run_setup *r) {
  const train_config *t = &r->c->train;
  const bool leaves_out = run_leaves_out(r->c) && model_params(r->m)->frozen_elements > 0;
  if (t->init[0] != '\0' && t->init_from[0] != '\0')
    return fail(ERR_ARGUMENT, "train.init and train.init_from are both set: a run begins from one of them");
  if (r->c->model.peft.kind != PEFT_NONE && !init_is_wanted(r->c))
    return fail(ERR_ARGUMENT,
                "peft tunes a model that is there already: train.init names its checkpoint or run, or "
                "train.init_from one of another vocabulary or a directory of Hugging Face's with a BERT");
  if (t->peft_from[0] != '\0' && t->init[0] == '\0')
    return fail(ERR_ARGUMENT,
                "train.peft_from: an adapter tunes a model that is there already: train.init names it");
  if (leaves_out && !init_is_wanted(r->c))
    return fail(ERR_ARGUMENT,
                "train.save_frozen = false needs train.init, the checkpoint that keeps what is frozen");
  if (leaves_out && t->init_from[0] != '\0') {
    if (r->leads) TRY(init_write_base(r->c, r->yaml, r->m, r->d));
    TRY(dist_barrier(r->world));
  }
  for (int32_t k = 0; k < model_objectives(r->m)->n; k++) r->start.untrained[k] = true;
  r->start.trained = r->c->data.trains;
  if (init_is_wanted(r->c)) TRY(init_load(r->c, r->m, r->d, leaves_out ? &r->base : NULL, &r->start));
  r->start.tried += t->tried;
  return OK;
}

static status find_start(run_setup *r) {
  const train_config *t = &r->c->train;
  if (r->resumed) TRY(load_last(r));
  if (!r->resumed) TRY(begin(r));
  TRY(items_hide_unknown(r->m));
  if (!r->resumed && r->leads) TRY(run_clean(t->out));
  return share_parameters(r);
}

// ---- what it works with --------------------------------------------------------------------------------------

// The data set's counts become those of what the run trains on.
static status count_items(run_setup *r) {
  training_part part;
  const training_choice *c = &r->c->data.trains;
  status rc = training_part_make(&part, r->d, c);
  if (rc == OK) rc = training_part_count(&part, r->d, c);
  training_part_free(&part);
  return rc;
}

static status make_batches(run_setup *r, const model_config *mc) {
  const seq_layout layout = model_layout(mc);
  const data_config data = r->resumed ? place_data(r) : r->c->data;
  TRY(batcher_open(&r->batches, r->d, &data, &layout, PART_TRAIN, dist_rank(r->world), dist_world(r->world)));
  TRY(place_steps_per_epoch(r->batches, &r->c->train, &r->steps_per_epoch));
  return place_find(r, mc);
}

static void find_end(run_setup *r) {
  const train_config *t = &r->c->train;
  r->last_step = t->steps;
  if (t->epochs > 0) {
    const int64_t by_epochs = place_step_after(&r->start, t->epochs);
    if (r->last_step == 0 || by_epochs < r->last_step) r->last_step = by_epochs;
  }
  r->decay_steps = r->c->optim.decay_steps;
  if (r->decay_steps == 0) r->decay_steps = r->last_step > 0 ? r->last_step : INT64_MAX;
}

// The first batches of a new run, from a batcher of their own, since batches are a function of the options and the data.
static status write_batches(const run_setup *r) {
  const train_config *t = &r->c->train;
  const seq_layout layout = model_layout(model_get_config(r->m));
  char path[PATH_MAX];
  batcher *b;
  if (t->write_batches == 0 || r->resumed) return OK;
  TRY(path_join(path, sizeof path, t->out, "batches.h5"));
  TRY(batcher_open(&b, r->d, &r->c->data, &layout, PART_TRAIN, 0, dist_world(r->world)));
  const status rc = batch_file_write(path, b, t->write_batches, t->accumulate);
  batcher_close(b);
  return rc;
}

static status make_model(run_setup *r, const model_config *mc) {
  const run_config *c = r->c;
  model_run mr = train_model_run(c, batcher_caps(r->batches));
  mr.dist = r->world;
  TRY(model_create(&r->m, device_names[c->train.device], mc, &mr));
  TRY(model_take_items(r->m, r->d));
  TRY(params_make_moments(model_params(r->m)));
  if (!r->leads) return OK;
  const saver_config sc = {.run_dir = c->train.out,
                           .config_yaml = r->yaml,
                           .m = r->m,
                           .data = r->d,
                           .keep = c->train.keep,
                           .keep_best = c->train.keep_best,
                           .background = c->train.background};
  return saver_open(&r->saver, &sc);
}

static status check_options(const train_config *t) {
  if (t->out[0] == '\0') return fail(ERR_ARGUMENT, "train.out names no directory (--out DIR)");
  if (t->steps == 0 && t->epochs == 0 && !(t->minutes > 0))
    return fail(ERR_ARGUMENT, "one of train.steps, train.epochs and train.minutes must be set");
  return OK;
}

static status open_sinks(run_setup *r) {
  const train_config *t = &r->c->train;
  TRY(write_config(r));
  TRY(sink_open(&r->sink, t->out, r->resumed ? r->start.step : -1, t->tensorboard));
  saver_attach(r->saver, r->sink);
  if (r->base.dir[0] != '\0') saver_set_base(r->saver, &r->base);
  return OK;
}

status run_open(run_setup *r, const run_config *c, const option_set *options, dataset *d, dist *world,
                bool resume) {
  *r = (run_setup){.c = c, .d = d, .world = world, .leads = dist_rank(world) == 0, .lock = -1, .made = -1};
  TRY(check_options(&c->train));
  TRY(options_dump(options, &r->yaml));
  model_config mc;
  TRY(train_model_config(&mc, c, d));
  const bool goes_on = resume && path_holds_run(c->train.out);
  if (goes_on)
    TRY(share_directory(r, resume)); // a directory that is new is made when the rest has been checked
  if (r->resumed) TRY(open_last(r, &mc));
  TRY(mining_run(c, d, r->from));
  TRY(count_items(r));
  TRY(make_batches(r, &mc));
  find_end(r);
  if (!goes_on) TRY(share_directory(r, resume));
  if (r->leads && !r->resumed) TRY(check_metrics(c->train.out, resume));
  TRY(make_model(r, &mc));
  TRY(find_start(r));
  TRY(leash_base_open(&r->held_by, c, r->m, d));
  close_last(r);
  return OK;
}

status run_begin(run_setup *r, bool resume) {
  if (!r->leads) return OK;
  if (!r->resumed) TRY(begin_again(r->c->train.out, resume));
  TRY(write_batches(r));
  TRY(open_sinks(r));
  r->begun = true;
  return OK;
}

status run_close(run_setup *r, status rc) {
  failure first;
  failure_keep(&first, rc);
  saver_close(r->saver);
  const status closed = sink_close(r->sink);
  rc = rc == OK ? closed : failure_raise(&first);
  batcher_close(r->batches);
  model_free(r->m);
  model_free(r->held_by);
  close_last(r);
  free(r->yaml);
  failure_keep(&first, rc);
  if (rc != OK && r->lock >= 0 && !r->begun) remove_made(r);
  if (rc != OK) rc = failure_raise(&first);
  if (r->lock >= 0) close(r->lock);
  return rc;
}
