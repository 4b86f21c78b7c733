// Beginning with an adapter; see peft_from.h.
#include "train/peft_from.h"

#include <stdio.h>
#include <string.h>
#include "model/checkpoint_find.h"

// A folder of Hugging Face's peft became a checkpoint (run_config).
static const char *place_of(const run_config *c) {
  return c->adapter[0] != '\0' ? c->adapter : c->train.peft_from;
}

static status open_tuned(checkpoint **out, const run_config *c) {
  TRY(checkpoint_open_chosen(out, place_of(c), WHICH_AUTO));
  if ((*out)->model.peft.kind != PEFT_NONE) return OK;
  checkpoint_close(*out);
  *out = NULL;
  return fail(ERR_ARGUMENT, "train.peft_from: %s is not tuned (peft), so it has no adapter to begin with",
              c->train.peft_from);
}

status peft_from_adopt(run_config *c) {
  checkpoint *from;
  if (c->train.peft_from[0] == '\0') return OK;
  TRY(open_tuned(&from, c));
  c->model.peft = from->model.peft;
  checkpoint_close(from);
  return OK;
}

// ---- contradictions ------------------------------------------------------------------------------------------

static status other_number(const run_config *c, const char *name, double now, double was) {
  return fail(ERR_ARGUMENT, "%s is %.9g, and the adapter of %s (train.peft_from) has %.9g", name, now,
              c->train.peft_from, was);
}

static bool is_other(double a, double b) {
  return a < b || a > b;
}

// Do both name the same modules, in whatever words?
static status check_targets(const run_config *c, const peft_config *now, const peft_config *was) {
  static const char *const modules[] = {"attention.self.query", "attention.self.key",
                                        "attention.self.value", "attention.output.dense",
                                        "intermediate.dense",   "output.dense"};
  bool same = peft_targets_table(now) == peft_targets_table(was);
  for (int64_t i = 0; i < c->model.layers; i++)
    for (size_t k = 0; k < sizeof modules / sizeof *modules; k++) {
      char name[PARAM_NAME];
      snprintf(name, sizeof name, "bert.encoder.layer.%lld.%s", (long long)i, modules[k]);
      same = same && peft_targets(now, name) == peft_targets(was, name);
    }
  return same ? OK
              : fail(ERR_ARGUMENT,
                     "peft.targets is \"%.200s\", and the adapter of %s (train.peft_from) has \"%.200s\"",
                     now->targets, c->train.peft_from, was->targets);
}

// What makes its factors another shape, or their product another change.
static status check_form(const run_config *c, const peft_config *now, const peft_config *was) {
  static const char *const kinds[] = {"none", "lora", "adapter", "bias", "adalora"};
  if (now->kind != was->kind)
    return fail(ERR_ARGUMENT, "peft.peft is %s, and the adapter of %s (train.peft_from) is %s",
                kinds[now->kind], c->train.peft_from, kinds[was->kind]);
  if (now->kind == PEFT_ADAPTER && now->adapter_width != was->adapter_width)
    return other_number(c, "peft.adapter_width", (double)now->adapter_width, (double)was->adapter_width);
  if (now->kind == PEFT_LORA && now->rank != was->rank)
    return other_number(c, "peft.rank", (double)now->rank, (double)was->rank);
  if (now->kind == PEFT_ADALORA && now->init_rank != was->init_rank)
    return other_number(c, "peft.init_rank", (double)now->init_rank, (double)was->init_rank);
  if (now->kind != PEFT_LORA && now->kind != PEFT_ADALORA) return OK;
  if (is_other(now->alpha, was->alpha)) return other_number(c, "peft.alpha", now->alpha, was->alpha);
  if (now->rslora != was->rslora)
    return fail(ERR_ARGUMENT, "peft.rslora is %s, and not in the adapter of %s (train.peft_from)",
                now->rslora ? "true" : "false", c->train.peft_from);
  return check_targets(c, now, was);
}

// ---- opening -------------------------------------------------------------------------------------------------

// What the adapter's run trained beside it is in no base of this run's, so it has to be trained here, too.
static status check_beside(const run_config *c, const checkpoint *from, model *m) {
  const param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (p->trainable || p->tuned || checkpoint_lacks(from, p) || checkpoint_takes_from_base(from, p->name))
      continue;
    return fail(ERR_ARGUMENT,
                "train.peft_from: %s trained %s too, which is frozen in this run; --train_also '%s' goes on "
                "training it",
                c->train.peft_from, p->name, p->name);
  }
  return OK;
}

static status check(const run_config *c, const checkpoint *from, const checkpoint *base, model *m) {
  if (from->base == NULL || strcmp(from->base->model_sha256, base->model_sha256) != 0)
    return fail(ERR_ARGUMENT, "train.peft_from: %s is not tuned on top of %s (train.init): its base is %s",
                c->train.peft_from, base->dir, from->base != NULL ? from->base->dir : "none");
  TRY(check_form(c, &model_get_config(m)->peft, &from->model.peft));
  return check_beside(c, from, m);
}

status peft_from_open(checkpoint **out, const run_config *c, const checkpoint *base, model *m) {
  *out = NULL;
  if (c->train.peft_from[0] == '\0') return OK;
  TRY(open_tuned(out, c));
  const status rc = check(c, *out, base, m);
  if (rc == OK) return OK;
  checkpoint_close(*out);
  *out = NULL;
  return rc;
}
