// What a run is trained for; see run_objectives.h.
#include "train/run_objectives.h"

#include <string.h>
#include "base/log.h"

static void leave_out(objective_list *l, int32_t slot) {
  l->n--;
  for (int32_t k = slot; k < l->n; k++) {
    l->of[k] = l->of[k + 1];
    l->weight[k] = l->weight[k + 1];
  }
}

// A leash is no part of a model: a run has the one that copy.leash says.
static status without_leash(const char *text, char was[OPTION_STRING]) {
  objective_list l;
  was[0] = '\0';
  if (text[0] == '\0') return OK;
  TRY(objectives_parse(&l, text, "model.objectives"));
  const int32_t slot = objectives_slot(&l, &objective_leash);
  if (slot >= 0) leave_out(&l, slot);
  objectives_text(&l, was);
  return OK;
}

status run_objectives_adopt(run_config *c) {
  objective_list l;
  char was[OPTION_STRING], usual[OPTION_STRING];
  TRY(without_leash(c->model.objectives, was));
  c->model.objectives[0] = '\0';
  TRY(objectives_of(&l, &c->model));
  objectives_text(&l, usual);
  c->train.objectives[0] = '\0';
  if (was[0] != '\0' && strcmp(was, usual) != 0) memcpy(c->train.objectives, was, sizeof was);
  return OK;
}

// The list of the checkpoint, with next session or without it, as the user's model.pooler says.
static status follow_pooler(run_config *c) {
  objective_list l;
  TRY(objectives_parse(&l, c->train.objectives, "train.objectives"));
  const int32_t slot = objectives_slot(&l, &objective_next_session);
  if (c->model.pooler == (slot >= 0)) return OK;
  if (slot >= 0 && l.n == 1)
    return fail(
        ERR_ARGUMENT,
        "model.pooler = false leaves nothing to train: %s was trained for %s alone; set train.objectives",
        c->train.init, objective_next_session.name);
  if (slot >= 0)
    leave_out(&l, slot);
  else
    l.of[l.n] = &objective_next_session, l.weight[l.n++] = 1;
  char was[OPTION_STRING];
  memcpy(was, c->train.objectives, sizeof was);
  objectives_text(&l, c->train.objectives);
  log_info("model.pooler = %s: train.objectives was %s, and is now %s", c->model.pooler ? "true" : "false",
           was, c->train.objectives);
  return OK;
}

// The user's list decides over the pooler that came with the checkpoint.
static status follow_list(run_config *c) {
  objective_list l;
  TRY(objectives_parse(&l, c->train.objectives, "train.objectives"));
  const bool named = objectives_slot(&l, &objective_next_session) >= 0;
  if (c->model.pooler && !named)
    log_info("train.objectives names no %s: the pooler is left out", objective_next_session.name);
  c->model.pooler = named;
  return OK;
}

status run_objectives_settle(run_config *c, const run_config *adopted) {
  const bool list = strcmp(c->train.objectives, adopted->train.objectives) != 0,
             pooler = c->model.pooler != adopted->model.pooler;
  if (c->train.objectives[0] == '\0' || list == pooler) return OK;
  return list ? follow_list(c) : follow_pooler(c);
}

static status add_leash(const run_config *c, objective_list *l) {
  if (objectives_slot(l, &objective_leash) >= 0)
    return fail(ERR_ARGUMENT, "train.objectives: copy.leash says how much a leash weighs");
  if (!(c->data.copy.leash > 0)) return OK;
  if (objectives_slot(l, &objective_copy) < 0)
    return fail(
        ERR_ARGUMENT,
        "copy.leash holds a model that learns to write copy, and train.objectives does not name copy");
  l->of[l->n] = &objective_leash;
  l->weight[l->n++] = c->data.copy.leash;
  return OK;
}

status run_objectives_list(const run_config *c, model_config *m, objective_list *l) {
  m->objectives[0] = '\0';
  if (c->train.objectives[0] == '\0') {
    TRY(objectives_of(l, m));
    return add_leash(c, l);
  }
  TRY(objectives_parse(l, c->train.objectives, "train.objectives"));
  TRY(add_leash(c, l));
  const bool named = objectives_slot(l, &objective_next_session) >= 0;
  if (m->pooler && !named)
    return fail(ERR_ARGUMENT, "model.pooler is set, and train.objectives does not name next_session");
  m->pooler = named;
  return OK;
}

status run_objectives_check_resumed(const checkpoint *from, const model_config *now) {
  objective_list were, are;
  TRY(objectives_of(&were, &from->model));
  TRY(objectives_of(&are, now));
  for (int32_t k = 0; k < are.n; k++)
    if (objectives_slot(&were, are.of[k]) < 0)
      return fail(ERR_ARGUMENT,
                  "%s was not trained for %s, so --resume cannot add it; --init %s starts a new run from its "
                  "parameters that can",
                  from->dir, are.of[k]->name, from->dir);
  return OK;
}
