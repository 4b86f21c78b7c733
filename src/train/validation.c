// Validation while training; see validation.h.
#include "train/validation.h"

#include <string.h>

static status run(validator *self, model *m, const char *name, double *metric, json_t **values) {
  rank_validator *v = (rank_validator *)self;
  ranking_result result;
  *values = NULL;
  status rc = ranking_run(v->questions, m, &result);
  if (rc == OK) rc = ranking_value(&result, name, metric);
  if (rc == OK) {
    *values = json_object();
    for (int32_t i = 0; i < RANK_METRICS; i++)
      json_object_set_new(*values, rank_metric_name(i), json_real(result.metrics[RANK_FULL].value[i]));
    if (result.has_loss) json_object_set_new(*values, "loss", json_real(result.loss));
    if (result.has_loss) json_object_set_new(*values, "accuracy", json_real(result.accuracy));
    json_object_set_new(*values, "users", json_integer(result.users));
  }
  ranking_result_free(&result);
  return rc;
}

status rank_validator_open(rank_validator *v, dataset *d, int64_t users, int64_t seed, const char *metric) {
  memset(v, 0, sizeof *v);
  v->base.run = run;
  v->base.smaller_is_better = strcmp(metric, "loss") == 0;
  const bool loss = v->base.smaller_is_better || strcmp(metric, "accuracy") == 0;
  if (!loss && rank_metric_find(metric) < 0)
    return fail(ERR_ARGUMENT,
                "train.metric: there is no metric \"%s\"; known are hr@1, ndcg@10, mrr@20, mrr, loss, "
                "accuracy and the like",
                metric);
  ranking_config c = ranking_defaults();
  c.query.part = EVAL_VALID;
  c.query.users = users;
  c.query.seed = seed;
  c.loss = loss;
  return ranking_open(&v->questions, d, &c);
}

void rank_validator_close(rank_validator *v) {
  ranking_close(v->questions);
}
