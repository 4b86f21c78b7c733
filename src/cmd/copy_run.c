// Runs that write copy; see copy_run.h.
#include "cmd/copy_run.h"

#include <limits.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "train/copy_validation.h"
#include "train/loop.h"

// ---- what it begins from -------------------------------------------------------------------------------------

// Has the checkpoint the data set's vocabulary, token by token?
static status same_vocabulary(const checkpoint *c, const dataset *d, bool *same) {
  char path[PATH_MAX];
  vocab *was;
  const vocab *now = dataset_vocab(d);
  TRY(path_join(path, sizeof path, c->dir, "vocab.tsv"));
  TRY(vocab_read(&was, path, c->data.range_end));
  *same = true;
  for (int r = 0; r < RANGE_COUNT; r++)
    *same = *same && vocab_end(was, (vocab_range)r) == vocab_end(now, (vocab_range)r);
  for (int32_t i = 0; *same && i < vocab_size(was); i++)
    *same = strcmp(vocab_token(was, i), vocab_token(now, i)) == 0;
  vocab_free(was);
  return OK;
}

static status look_at(run_beginning *p, const checkpoint *c, dataset *d) {
  const data_config usual = {.copy_tokens = 0};
  int32_t needed;
  bool same;
  TRY(copy_positions(&needed, d, &usual));
  TRY(same_vocabulary(c, d, &same));
  p->positions = needed > c->model.max_positions ? needed : c->model.max_positions;
  p->segments = c->model.segments < 2 ? 2 : c->model.segments;
  p->grows = !same || p->positions > c->model.max_positions || p->segments > c->model.segments;
  return OK;
}

status copy_beginning(run_beginning *p, const checkpoint *c) {
  dataset *d;
  if (p->data[0] == '\0') return OK; // which the run tells
  TRY(dataset_open(&d, p->data, false));
  const status rc = look_at(p, c, d);
  dataset_close(d);
  return rc;
}

// ---- training ------------------------------------------------------------------------------------------------

// What the data set decides becomes part of the configuration, which checkpoints and bundles have it from.
static status settle(run_config *c, dataset *d) {
  model_config mc;
  copy_layout l;
  TRY(train_model_config(&mc, c, d));
  const seq_layout layout = model_layout(&mc);
  TRY(copy_layout_of(&l, d, &c->data, &layout));
  c->data.copy_tokens = l.copy_tokens;
  c->data.text_tokens = l.item_tokens;
  return OK;
}

static bool validates(const run_config *c, dataset *d) {
  const copy_rows *r = dataset_known_copy(d);
  if (c->train.eval_every == 0) return false;
  if (copy_rows_count(r, COPY_VALID) > 0) return true;
  log_info("%s has no copy to validate with, so the run goes without validation and has no best checkpoint",
           c->data.dir);
  return false;
}

static status train(run_config *c, const option_set *options, dataset *d, bool resume) {
  copy_validator v = {.examples = NULL};
  TRY(settle(c, d));
  const bool validate = validates(c, d);
  status rc = validate ? copy_validator_open(&v, d, c) : OK;
  if (rc == OK) rc = train_run(c, options, d, dist_single(), resume, validate ? &v.base : NULL);
  copy_validator_close(&v);
  return rc;
}

status copy_training(run_config *c, const option_set *options, bool resume) {
  dataset *d;
  if (c->data.dir[0] == '\0') return fail(ERR_ARGUMENT, "data.dir names no data set (--data.dir DATA)");
  mem_return_large();
  threads_use(c->train.threads);
  log_doing("reading %s", c->data.dir);
  TRY(dataset_open(&d, c->data.dir, false));
  const status rc = train(c, options, d, resume);
  dataset_close(d);
  return rc;
}
