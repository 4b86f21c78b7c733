// Weights of rows of copy; see copy_weights.h.
#include "data/copy_weights.h"

#define CO(name) offsetof(copy_config, name)
const option copy_options[] = {
    {"feedback", OPT_CHOICE, CO(feedback), "none", 0, 0, "none|ips",
     "ips: copy that was clicked counts by the inverse of its propensity, other copy does not; none: all of "
     "it counts alike"},
    {"clip", OPT_FLOAT, CO(clip), "10", 1, 1e6, NULL,
     "feedback ips: the inverse of a propensity is at most this"},
    {"history", OPT_BOOL, CO(history), "true", 0, 0, NULL,
     "copy is written for a user: attributes and events are part of the source"},
    {"leash", OPT_FLOAT, CO(leash), "0", 0, 1e6, NULL,
     "weight of KL(base || model) at the tokens of copy, which keeps the model near its base; 0: none"},
    {"base", OPT_STRING, CO(base), "", 0, 0, "DIR",
     "leash: run or checkpoint of a model of copy; none: the one that the run begins from"},
};
const size_t n_copy_options = sizeof copy_options / sizeof *copy_options;

static float weight_of(const copy_rows *r, int64_t i, double clip) {
  if (r->click[i] != 1 || !(r->propensity[i] > 0)) return 0;
  const double w = 1 / (double)r->propensity[i];
  return (float)(w < clip ? w : clip);
}

static status check_row(const copy_rows *r, int64_t i) {
  if (r->part[i] != COPY_TRAIN) return OK;
  const bool click = r->click[i] == COPY_NO_CLICK;
  if (!click && r->propensity[i] > 0) return OK;
  return fail(ERR_ARGUMENT, "copy.feedback = ips: row %lld of the data set's copy.jsonl says no %s",
              (long long)i + 1, click ? "click" : "propensity");
}

status copy_weights_set(const copy_rows *r, const copy_config *c, float *weights) {
  double sum[COPY_PARTS] = {0}, n[COPY_PARTS] = {0};
  if (c->feedback == COPY_FEEDBACK_NONE) {
    for (int64_t i = 0; i < r->n; i++) weights[i] = 1;
    return OK;
  }
  for (int64_t i = 0; i < r->n; i++) {
    TRY(check_row(r, i));
    weights[i] = weight_of(r, i, c->clip);
    sum[r->part[i]] += (double)weights[i];
    n[r->part[i]] += weights[i] > 0;
  }
  if (!(n[COPY_TRAIN] > 0))
    return fail(ERR_ARGUMENT, "copy.feedback = ips: no copy of the training part was clicked");
  for (int64_t i = 0; i < r->n; i++)
    if (weights[i] > 0) weights[i] = (float)((double)weights[i] * n[r->part[i]] / sum[r->part[i]]);
  return OK;
}
