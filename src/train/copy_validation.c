// Validation of copy; see copy_validation.h.
#include "train/copy_validation.h"

#include <string.h>
#include "eval/copy_scores.h"
#include "model/objective.h"

bool run_writes_copy(const run_config *c) {
  objective_list l;
  return c->train.objectives[0] != '\0' &&
         objectives_parse(&l, c->train.objectives, "train.objectives") == OK &&
         objectives_slot(&l, &objective_copy) >= 0;
}

static bool value_of(const copy_score *s, const char *name, double *x) {
  if (strcmp(name, "loss") == 0) *x = copy_loss(s);
  if (strcmp(name, "perplexity") == 0) *x = copy_perplexity(s);
  if (strcmp(name, "accuracy") == 0) *x = copy_accuracy(s);
  return strcmp(name, "loss") == 0 || strcmp(name, "perplexity") == 0 || strcmp(name, "accuracy") == 0;
}

static status run(validator *self, model *m, const char *name, double *metric, json_t **values) {
  const copy_validator *v = (const copy_validator *)self;
  copy_score s;
  *values = NULL;
  TRY(copy_score_part(&s, m, v->examples, COPY_VALID));
  if (!value_of(&s, name, metric)) return fail(ERR_INTERNAL, "nothing evaluates the metric %s of copy", name);
  *values = json_pack("{s:I,s:f,s:f,s:f,s:f}", "rows", (json_int_t)s.rows, "tokens", s.weight, "loss",
                      copy_loss(&s), "perplexity", copy_perplexity(&s), "accuracy", copy_accuracy(&s));
  return *values != NULL ? OK : fail(ERR_MEMORY, "out of memory: the figures of a validation");
}

status copy_validator_open(copy_validator *v, dataset *d, const run_config *c) {
  objective_list l;
  const objective *of;
  const objective_metric *metric;
  model_config mc;
  copy_layout layout;
  *v = (copy_validator){.base = {.run = run}};
  TRY(train_model_config(&mc, c, d));
  TRY(objectives_of(&l, &mc));
  TRY(objectives_find_metric(&l, c->train.metric, "train.metric", &of, &metric));
  v->base.smaller_is_better = metric->smaller_is_better;
  const seq_layout of_model = model_layout(&mc);
  TRY(copy_layout_of(&layout, d, &c->data, &of_model));
  TRY(copy_examples_open(&v->examples, d, &layout));
  if (!c->data.copy.history) copy_examples_forget_users(v->examples);
  return OK;
}

void copy_validator_close(copy_validator *v) {
  copy_examples_close(v->examples);
  v->examples = NULL;
}
