// The beginning of the head of copy; see copy_begin.h.
#include "train/copy_begin.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/checkpoint_folded.h"
#include "model/tuning_fold.h"

static const char prefix[] = "copy.";

static bool is_wanted(const checkpoint *from, const param *p) {
  return strncmp(p->name, prefix, sizeof prefix - 1) == 0 && !p->tuned && checkpoint_lacks(from, p);
}

// The parameter of the other head that p begins with; NULL: there is none.
static const param *source_of(const param_set *old, const param *p) {
  char name[2 * PARAM_NAME];
  snprintf(name, sizeof name, "cls.predictions.%s", p->name + sizeof prefix - 1);
  return param_find(old, name);
}

// Token t of the new vocabulary in the old one; -1: it is not there.
static int32_t old_of(const vocab *was, const vocab *now, int32_t t) {
  int r = RANGE_SPECIAL;
  while (t >= vocab_end(now, (vocab_range)r)) r++;
  return vocab_find(was, (vocab_range)r, vocab_token(now, t));
}

static status take(const param_set *old, const param *q, const param_set *s, const param *p, const vocab *was,
                   const vocab *now) {
  const bool biases = strcmp(p->name, "copy.bias") == 0;
  float *w;
  if (!biases && p->size != q->size) return OK; // of another width, which is refused elsewhere
  TRY(mem_new(&w, (size_t)p->size, sizeof *w, "a tensor"));
  const float *from = param_master(old, q);
  for (int64_t i = 0; i < p->size; i++) {
    const int32_t at = biases ? old_of(was, now, (int32_t)i) : 0;
    w[i] = biases ? at >= 0 ? from[at] : 0 : from[i];
  }
  status rc = s->be->upload(s->ctx, param_master(s, p), w, (size_t)p->size * sizeof *w);
  if (rc == OK) rc = s->be->sync(s->ctx);
  free(w);
  return rc;
}

static status take_all(const checkpoint *from, model *old, model *m, const vocab *was, const vocab *now) {
  const param_set *s = model_params(m);
  int32_t taken = 0;
  TRY(checkpoint_load(from, old, false));
  if (checkpoint_is_folded(from)) TRY(tuning_fold(old));
  for (int32_t i = 0; i < s->count; i++) {
    const param *q = is_wanted(from, &s->items[i]) ? source_of(model_params(old), &s->items[i]) : NULL;
    if (q == NULL) continue;
    TRY(take(model_params(old), q, s, &s->items[i], was, now));
    taken++;
  }
  if (taken > 0) log_info("its head of copy begins with what %s predicts tokens with", from->name);
  return taken > 0 ? params_refresh(model_params(m)) : OK;
}

status copy_begin(const checkpoint *from, model *m, const dataset *d) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}, .threads = 1};
  const param_set *s = model_params(m);
  char path[PATH_MAX];
  model *old = NULL;
  vocab *was = NULL;
  bool wanted = false;
  status rc;
  for (int32_t i = 0; i < s->count; i++) wanted = wanted || is_wanted(from, &s->items[i]);
  if (!wanted) return OK;
  TRY_GOTO(path_join(path, sizeof path, from->dir, "vocab.tsv"), done);
  TRY_GOTO(vocab_read(&was, path, from->data.range_end), done);
  TRY_GOTO(model_create(&old, "cpu", &from->model, &run), done);
  rc = take_all(from, old, m, was, dataset_vocab(d));
done:
  model_free(old);
  vocab_free(was);
  return rc;
}
