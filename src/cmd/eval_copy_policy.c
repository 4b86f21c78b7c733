// A model of copy as a policy; see eval_copy_policy.h.
#include "cmd/eval_copy_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "eval/copy_policy.h"
#include "model/checkpoint_find.h"
#include "model/objective.h"
#include "train/config.h"
#include "train/init.h"

#define PF(name) offsetof(eval_policy_flags, name)
const option eval_policy_options[] = {
    {"copy_policy", OPT_STRING, PF(data), "", 0, 0, "DIR",
     "data set of impressions with every candidate (souk prepare --copy): what the model would earn that "
     "draws among "
     "them, or takes the most probable one"},
    {"policy_clip", OPT_FLOAT, PF(clip), "0", 0, 1e6, NULL,
     "largest weight of an impression in these estimates; 0: as large as they are"},
    {"policy_truth", OPT_STRING, PF(truth), "", 0, 0, "FILE",
     "csv with the true probability of a click for each impression and style, of a generated marketplace: "
     "the true "
     "values too"},
};
const size_t n_eval_policy_options = sizeof eval_policy_options / sizeof *eval_policy_options;

typedef struct policy_run {
  const eval_copy_run_how *how;
  checkpoint *c;
  dataset *d;
  copy_examples *e;
  model *m;
} policy_run;

// One row at a time is asked about.
static status make_model(policy_run *r) {
  const int32_t positions = (int32_t)r->c->model.max_positions;
  const model_run run = {.caps = {.tokens = positions, .seqs = 1, .masked = positions},
                         .threads = r->how->threads};
  TRY(model_create(&r->m, device_names[r->how->device], &r->c->model, &run));
  return checkpoint_load(r->c, r->m, false);
}

static status open_rows(policy_run *r) {
  run_config *run;
  copy_layout layout;
  const seq_layout of_model = model_layout(&r->c->model);
  TRY(mem_new(&run, 1, sizeof *run, "a run's configuration"));
  status rc = run_config_read(run, r->c);
  if (rc == OK) rc = copy_layout_of(&layout, r->d, &run->data, &of_model);
  if (rc == OK) rc = copy_examples_open(&r->e, r->d, &layout);
  if (rc == OK && !run->data.copy.history) copy_examples_forget_users(r->e);
  free(run);
  return rc;
}

static status open_all(policy_run *r) {
  objective_list l;
  TRY(checkpoint_open_chosen(&r->c, r->how->where, r->how->which));
  r->c->raw = r->how->raw;
  TRY(objectives_of(&l, &r->c->model));
  if (objectives_slot(&l, &objective_copy) < 0)
    return fail(ERR_ARGUMENT, "%s was not trained to write copy; souk finetune --task promo does that",
                r->c->dir);
  log_doing("reading %s", r->how->data);
  TRY(dataset_open(&r->d, r->how->data, true));
  TRY(init_check_vocab(r->c, r->d, "--copy_policy"));
  TRY(open_rows(r));
  return make_model(r);
}

static status tell(const policy_run *r, const copy_policy *p, const eval_copy_how *how) {
  json_t *j = copy_policy_json(p);
  if (j != NULL) json_object_set_new(j, "checkpoint", json_string(r->c->dir));
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: the evaluation as json");
  if (how->json)
    puts(text);
  else
    copy_policy_print(stdout, p);
  status rc = fflush(stdout) == 0 ? OK : fail(ERR_IO, "cannot write the evaluation: %s", strerror(errno));
  if (rc == OK && how->figures[0] != '\0') rc = file_write_atomic(how->figures, text, strlen(text));
  free(text);
  return rc;
}

status eval_copy_policy(const eval_copy_run_how *run, const eval_policy_flags *f, const eval_copy_how *how) {
  policy_run r = {.how = run};
  copy_policy p;
  if (how->replicates < 1)
    return fail(ERR_ARGUMENT,
                "--copy_policy tells no estimate without its interval: --bootstrap is at least 1");
  const copy_policy_config config = {
      .part = run->part == 0 ? COPY_VALID : COPY_TEST,
      .how = {.clip = f->clip, .replicates = how->replicates, .level = 0.95, .seed = (uint64_t)how->seed},
      .truth = f->truth[0] != '\0' ? f->truth : NULL};
  status rc = open_all(&r);
  if (rc == OK) rc = copy_policy_run(&p, r.m, r.e, r.d, &config);
  log_status_end();
  if (rc == OK) rc = tell(&r, &p, how);
  model_free(r.m);
  copy_examples_close(r.e);
  dataset_close(r.d);
  checkpoint_close(r.c);
  return rc;
}
