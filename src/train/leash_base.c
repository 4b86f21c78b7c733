// The base of a leash; see leash_base.h.
#include "train/leash_base.h"

#include "base/log.h"
#include "model/checkpoint_find.h"
#include "model/checkpoint_folded.h"
#include "model/objective.h"
#include "model/objectives/leash.h"
#include "train/init.h"

static status check_base(const checkpoint *from, const model_config *m, const dataset *d) {
  const model_config *b = &from->model;
  objective_list l;
  TRY(objectives_of(&l, b));
  if (objectives_slot(&l, &objective_copy) < 0)
    return fail(
        ERR_ARGUMENT,
        "copy.leash: %s was not trained for copy, so it cannot hold a model that writes it; copy.base "
        "names one that was",
        from->dir);
  TRY(init_check_vocab(from, d, "copy.base"));
  if (b->max_positions < m->max_positions || b->segments * b->event_types != m->segments * m->event_types)
    return fail(ERR_ARGUMENT,
                "copy.leash: %s has %lld positions and %lld token types, the model %lld and %lld", from->dir,
                (long long)b->max_positions, (long long)(b->segments * b->event_types),
                (long long)m->max_positions, (long long)(m->segments * m->event_types));
  return OK;
}

// For batches of m, which it reads.
static status create(model **out, const checkpoint *from, const model *m, int device) {
  model_config config = from->model;
  model_run run = *model_get_run(m);
  run.training = run.averages = run.row_sparse = false;
  run.base_objectives = run.freeze = NULL;
  run.dist = NULL;
  const bool folded = checkpoint_is_folded(from);
  if (folded) TRY(peft_from_json(&config.peft, NULL, NULL));
  TRY(model_create(out, device_names[device], &config, &run));
  return folded ? checkpoint_load_folded(from, *out) : checkpoint_load(from, *out, false);
}

status leash_base_open(model **out, const run_config *c, model *m, const dataset *d) {
  const copy_config *copy = &c->data.copy;
  const char *where = copy->base[0] != '\0' ? copy->base : init_place(c);
  checkpoint *from;
  *out = NULL;
  if (!(copy->leash > 0)) return OK;
  if (where[0] == '\0')
    return fail(ERR_ARGUMENT,
                "copy.leash needs a base: copy.base names a run, or train.init one that the run begins from");
  TRY(checkpoint_open_chosen(&from, where, WHICH_AUTO));
  status rc = check_base(from, model_get_config(m), d);
  if (rc == OK) rc = create(out, from, m, c->train.device);
  if (rc == OK) rc = leash_tie(m, *out);
  if (rc == OK) log_info("leash: KL(base || model) weighs %g; the base is %s", copy->leash, from->dir);
  checkpoint_close(from);
  return rc;
}
