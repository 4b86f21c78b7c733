// Validation while training; see validation.h.
#include "train/validation.h"

#include <string.h>

// The unsampled metrics by their plain names, others as "popularity/hr@10".
static int add_metrics(json_t *values, const ranking_result *r, int32_t protocol) {
  int bad = 0;
  for (int32_t i = 0; i < RANK_METRICS; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", protocol == RANK_FULL ? "" : rank_protocol_names[protocol],
             protocol == RANK_FULL ? "" : "/", rank_metric_name(i));
    bad |= json_object_set_new(values, name, json_real(r->metrics[protocol].value[i]));
  }
  return bad;
}

static status figures(const ranking_result *r, json_t **values) {
  json_t *j = json_object();
  int bad = json_object_set_new(j, "users", json_integer(r->users));
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++)
    if (r->ranks[k] != NULL) bad |= add_metrics(j, r, k);
  if (r->has_loss) bad |= json_object_set_new(j, "loss", json_real(r->loss));
  if (r->has_loss) bad |= json_object_set_new(j, "accuracy", json_real(r->accuracy));
  *values = bad == 0 ? j : NULL;
  if (bad == 0) return OK;
  json_decref(j);
  return fail(ERR_MEMORY, "out of memory: the figures of a validation");
}

static status run(validator *self, model *m, const char *name, double *metric, json_t **values) {
  rank_validator *v = (rank_validator *)self;
  ranking_result result;
  *values = NULL;
  status rc = ranking_run(v->questions, m, &result);
  if (rc == OK) rc = ranking_value(&result, name, metric);
  if (rc == OK) rc = figures(&result, values);
  ranking_result_free(&result);
  if (rc == OK) rc = mix_validation_run(&v->mix, m, *values);
  if (rc == OK) return OK;
  json_decref(*values);
  *values = NULL;
  return rc;
}

bool run_validates(const run_config *c, const dataset *d, const char **why) {
  *why = NULL;
  if (c->train.eval_every == 0) return false;
  if (dataset_count_targets(d, false) == 0)
    *why = "has no validation targets, so the run goes without validation and has no best checkpoint";
  else if (c->data.trains.final && c->data.trains.final_users == 0)
    *why =
        "is trained on with its validation part (data.final), so the run goes without validation and has no "
        "best checkpoint; data.final_users holds users out of it";
  return *why == NULL;
}

status rank_validator_config(ranking_config *out, const objective_metric **metric, const run_config *c,
                             dataset *d) {
  const train_config *t = &c->train;
  int32_t protocol, index;
  model_config mc;
  objective_list l;
  const objective *of;
  TRY(train_model_config(&mc, c, d));
  TRY(objectives_of(&l, &mc));
  TRY(objectives_find_metric(&l, t->metric, "train.metric", &of, metric));
  if (strcmp(of->validation, "ranking") != 0 || !ranking_metric_find(t->metric, &protocol, &index))
    return fail(ERR_INTERNAL, "%s has the metric %s, and nothing evaluates it", of->name, t->metric);
  *out = ranking_defaults();
  // With only a sampled metric the catalogue is not ranked, which makes validation cheap.
  out->loss = protocol == RANK_PROTOCOLS;
  if (!out->loss) out->query.protocols[RANK_FULL] = false;
  if (!out->loss) out->query.protocols[protocol] = true;
  out->query.part = EVAL_VALID;
  out->query.users = t->eval_users;
  out->query.seed = t->seed;
  out->query.trained = c->data.trains;
  return OK;
}

status rank_validator_open(rank_validator *v, dataset *d, const run_config *c) {
  memset(v, 0, sizeof *v);
  v->base.run = run;
  ranking_config rc;
  const objective_metric *metric;
  TRY(rank_validator_config(&rc, &metric, c, d));
  v->base.smaller_is_better = metric->smaller_is_better;
  TRY(mix_validation_open(&v->mix, d, c));
  return ranking_open(&v->questions, d, &rc);
}

void rank_validator_close(rank_validator *v) {
  ranking_close(v->questions);
  mix_validation_close(&v->mix);
}
