// Folding a tuned checkpoint; see merge.h.
#include "convert/merge.h"

#include <limits.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/memory.h"
#include "eval/mix_file.h"
#include "model/checkpoint.h"
#include "model/item_vectors.h"
#include "model/tuning_fold.h"
#include "train/config.h"

typedef struct merger {
  checkpoint *c;
  model *m;
  dataset *d;      // its vocabulary
  run_config *run; // as it was trained, but not tuned
  param_set plain; // m's parameters without those that tuned it
  model_config mc;
} merger;

static status load(merger *x) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}};
  char path[PATH_MAX];
  vocab *v;
  dataset_info info = x->c->data;
  TRY(model_create(&x->m, "cpu", &x->c->model, &run));
  TRY(checkpoint_load(x->c, x->m, false));
  TRY(path_join(path, sizeof path, x->c->dir, "vocab.tsv"));
  TRY(vocab_read(&v, path, x->c->data.range_end));
  return dataset_of_vocab(&x->d, &info, v);
}

static status leave_out_tuning(merger *x, int64_t *folded) {
  const param_set *s = model_params(x->m);
  x->plain = *s;
  x->plain.count = 0;
  TRY(mem_new(&x->plain.items, (size_t)s->count, sizeof *s->items, "parameter descriptors"));
  for (int32_t i = 0; i < s->count; i++) {
    if (s->items[i].tuned)
      *folded += s->items[i].size;
    else
      x->plain.items[x->plain.count++] = s->items[i];
  }
  return OK;
}

// The mix was learned for these scores, which have not changed; the file names the weights that they come from, which have.
static status take_mix(const void *self, const char *dir) {
  const merger *x = self;
  mix *counted = NULL, *last = NULL;
  checkpoint *merged = NULL;
  if (!mix_is_there(x->c, false)) return OK;
  status rc = mix_open(&counted, x->c, false);
  if (rc == OK && mix_is_there(x->c, true)) rc = mix_open(&last, x->c, true);
  if (rc == OK) rc = checkpoint_open(&merged, dir);
  if (rc == OK) rc = mix_save(merged, counted, last != NULL ? mix_get_table(last) : NULL);
  checkpoint_close(merged);
  mix_free(counted);
  mix_free(last);
  return rc;
}

static status write_merged(merger *x, const char *out, bool force) {
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(x->run, sections)};
  char *yaml = NULL;
  TRY(run_config_read(x->run, x->c));
  TRY(peft_from_json(&x->run->model.peft, NULL, NULL));
  TRY(options_dump(&set, &yaml));
  x->mc = x->c->model;
  x->mc.peft = x->run->model.peft;
  checkpoint_content content = {.model = &x->mc,
                                .params = &x->plain,
                                .values = params_values(&x->plain), // of the CPU
                                .state = &x->c->state,
                                .config_yaml = yaml,
                                .data = x->d,
                                .items = model_items(x->m),
                                .heir_of = x->c,
                                .beside = take_mix,
                                .beside_self = x,
                                .over = PATH_CHECKPOINT,
                                .force = force};
  const status rc = checkpoint_write(out, &content);
  free(yaml);
  return rc;
}

static status merge(merger *x, const char *out, bool force, merge_result *result) {
  int64_t folded = 0;
  if (x->c->model.peft.kind == PEFT_NONE)
    return fail(ERR_ARGUMENT, "%s is not tuned (peft): there is nothing to merge", x->c->dir);
  TRY(mem_new(&x->run, 1, sizeof *x->run, "a run's configuration"));
  TRY(load(x));
  TRY(tuning_fold(x->m));
  TRY(leave_out_tuning(x, &folded));
  TRY(write_merged(x, out, force));
  if (result != NULL) *result = (merge_result){.step = x->c->state.step, .folded = folded};
  return OK;
}

status merge_checkpoint(const char *from, const char *out, bool force, merge_result *result) {
  merger *x;
  TRY(mem_new(&x, 1, sizeof *x, "a merge"));
  status rc = out_dir_check(out, PATH_CHECKPOINT, force);
  if (rc == OK) rc = checkpoint_open(&x->c, from);
  if (rc == OK) rc = merge(x, out, force, result);
  free(x->plain.items);
  dataset_close(x->d);
  model_free(x->m);
  checkpoint_close(x->c);
  free(x->run);
  free(x);
  return rc;
}
