// Lists of objectives; see objective.h.
#include "model/objective.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const objective *const known[] = {
#define OBJECTIVE(name) &objective_##name,
    OBJECTIVES(OBJECTIVE)
#undef OBJECTIVE
};
enum { KNOWN = sizeof known / sizeof *known };
_Static_assert((int)KNOWN <= (int)MAX_SLOTS, "a list has room for every objective once");

static void append(char *text, size_t bytes, const char *more) {
  const size_t used = strlen(text);
  snprintf(text + used, bytes - used, "%s%s", used > 0 ? ", " : "", more);
}

int32_t objectives_slot(const objective_list *l, const objective *of) {
  for (int32_t k = 0; k < l->n; k++)
    if (l->of[k] == of) return k;
  return -1;
}

int32_t objectives_head_slot(const objective_list *l, const objective *of) {
  for (int32_t k = 0; k < l->n; k++)
    if (strcmp(l->of[k]->head, of->head) == 0) return k;
  return -1;
}

const objective *objective_named(const char *name) {
  for (int32_t i = 0; i < KNOWN; i++)
    if (strcmp(known[i]->name, name) == 0) return known[i];
  return NULL;
}

const objective *objectives_ranking(const objective_list *l) {
  if (objectives_slot(l, &objective_next_item) >= 0) return &objective_next_item;
  return objectives_slot(l, &objective_masked_lm) >= 0 ? &objective_masked_lm : NULL;
}

seq_asks objectives_asks(const objective_list *l) {
  if (objectives_slot(l, &objective_next_item) < 0) return ASKS_MASKED;
  return objectives_slot(l, &objective_masked_lm) < 0 ? ASKS_NEXT : ASKS_BOTH;
}

// ---- options -------------------------------------------------------------------------------------------------

static status unknown_objective(const char *name, const char *where) {
  char all[256] = "";
  for (int32_t i = 0; i < KNOWN; i++) append(all, sizeof all, known[i]->name);
  return fail(ERR_ARGUMENT, "%s: there is no objective \"%.100s\"; known are %s", where, name, all);
}

// One piece between commas: a name and perhaps a weight.
static status parse_one(objective_list *l, char *piece, const char *where) {
  char *rest, *end;
  const char *name = strtok_r(piece, " \t", &rest), *number = strtok_r(NULL, " \t", &rest);
  if (name == NULL || strtok_r(NULL, " \t", &rest) != NULL)
    return fail(ERR_ARGUMENT, "%s: a list like \"masked_lm 1, next_session 0.5\" is wanted", where);
  const objective *of = objective_named(name);
  if (of == NULL) return unknown_objective(name, where);
  for (int32_t k = 0; k < l->n; k++)
    if (l->of[k] == of) return fail(ERR_ARGUMENT, "%s names %s twice", where, name);
  const double weight = number != NULL ? strtod(number, &end) : 1;
  if (number != NULL && (*end != '\0' || end == number || !(weight > 0) || !(weight <= 1e6)))
    return fail(ERR_ARGUMENT, "%s: the weight of %s is \"%.100s\", and a number above 0 up to 1e6 is wanted",
                where, name, number);
  l->weight[l->n] = weight;
  l->of[l->n++] = of;
  return OK;
}

status objectives_parse(objective_list *out, const char *text, const char *where) {
  char copy[OPTION_STRING], *next = copy, *piece;
  snprintf(copy, sizeof copy, "%s", text);
  *out = (objective_list){.n = 0};
  while ((piece = strsep(&next, ",")) != NULL) TRY(parse_one(out, piece, where));
  return OK;
}

// The pooler is there for next session, and for nothing else.
static status check_pooler(const objective_list *l, const model_config *c) {
  const char *name = objective_next_session.name;
  const bool named = objectives_slot(l, &objective_next_session) >= 0;
  if (named && !c->pooler) return fail(ERR_ARGUMENT, "model.objectives: %s needs model.pooler", name);
  return named || !c->pooler
             ? OK
             : fail(ERR_ARGUMENT, "model.pooler is set, and the objectives do not name %s", name);
}

// A model has one classifier.
static status check_labels(const objective_list *l) {
  if (objectives_slot(l, &objective_classify) >= 0 && objectives_slot(l, &objective_pair) >= 0)
    return fail(ERR_ARGUMENT, "model.objectives: classify and pair cannot be trained together");
  return objectives_asks(l) == ASKS_MASKED
             ? OK
             : fail(ERR_ARGUMENT,
                    "model.objectives: [CLS] needs to see whole sequences, and next_item shows each "
                    "event only what came before it; they cannot be trained together");
}

// Copy has data of its own, so it is trained alone, on a leash or not. The leash is on the rows that copy's head has scored before.
static status check_copy(const objective_list *l) {
  const int32_t copy = objectives_slot(l, &objective_copy), held = objectives_slot(l, &objective_leash);
  if (copy >= 0 && l->n > 1 + (held >= 0))
    return fail(ERR_ARGUMENT, "model.objectives: copy is trained alone, on data of its own");
  return held >= 0 && (copy < 0 || copy > held)
             ? fail(ERR_ARGUMENT, "model.objectives: leash comes behind copy, which it holds")
             : OK;
}

status objectives_of(objective_list *out, const model_config *c) {
  const char *text = c->objectives[0] != '\0' ? c->objectives
                     : c->pooler              ? "masked_lm, next_session"
                                              : "masked_lm";
  TRY(objectives_parse(out, text, "model.objectives"));
  if (objectives_asks(out) != ASKS_MASKED && objectives_slot(out, &objective_next_session) >= 0)
    return fail(ERR_ARGUMENT,
                "model.objectives: next_session needs to see whole sessions, and next_item shows each "
                "event only what came before it; they cannot be trained together");
  TRY(check_copy(out));
  if (objectives_slot(out, &objective_classify) >= 0 || objectives_slot(out, &objective_pair) >= 0)
    TRY(check_labels(out));
  return check_pooler(out, c);
}

void objectives_text(const objective_list *l, char text[OPTION_STRING]) {
  text[0] = '\0';
  for (int32_t k = 0; k < l->n; k++) {
    char one[96];
    const bool plain = !(l->weight[k] < 1 || l->weight[k] > 1);
    snprintf(one, sizeof one, "%s", l->of[k]->name);
    if (!plain) snprintf(one, sizeof one, "%s %.17g", l->of[k]->name, l->weight[k]);
    append(text, OPTION_STRING, one);
  }
}

// ---- weights -------------------------------------------------------------------------------------------------

void objectives_add_weights(const objective_list *l, const batch *b, double sums[MAX_SLOTS]) {
  for (int32_t k = 0; k < l->n; k++) sums[k] += l->of[k]->weight(b);
}

void objectives_scales(const objective_list *l, const double sums[MAX_SLOTS], float scale[MAX_SLOTS]) {
  for (int32_t k = 0; k < MAX_SLOTS; k++)
    scale[k] = k < l->n ? (float)(l->weight[k] / (sums[k] > 0 ? sums[k] : 1.0)) : 0.0f;
}

void objectives_batch_scales(const objective_list *l, const batch *b, float scale[MAX_SLOTS]) {
  double sums[MAX_SLOTS] = {0};
  objectives_add_weights(l, b, sums);
  objectives_scales(l, sums, scale);
}

// ---- metrics -------------------------------------------------------------------------------------------------

// The part of a name behind one of the objective's variants; the whole name where there is none.
static const char *without_variant(const objective *of, const char *name) {
  const char *slash = strchr(name, '/');
  for (int32_t i = 0; slash != NULL && of->variants[i] != NULL; i++)
    if (strlen(of->variants[i]) == (size_t)(slash - name) &&
        strncmp(of->variants[i], name, strlen(of->variants[i])) == 0)
      return slash + 1;
  return name;
}

static const objective_metric *find_metric(const objective *of, const char *name) {
  const char *plain = without_variant(of, name);
  for (const objective_metric *m = of->metrics; m->name != NULL; m++)
    if (strcmp(m->name, plain) == 0 && (plain == name || m->with_variants)) return m;
  return NULL;
}

status objectives_find_metric(const objective_list *l, const char *name, const char *where,
                              const objective **of, const objective_metric **metric) {
  char all[OPTION_STRING] = "", example[96];
  for (int32_t k = 0; k < l->n; k++) {
    *of = l->of[k];
    *metric = find_metric(*of, name);
    if (*metric != NULL) return OK;
    for (const objective_metric *m = l->of[k]->metrics; m->name != NULL; m++)
      append(all, sizeof all, m->name);
    for (int32_t i = 0; l->of[k]->variants[i] != NULL; i++) {
      snprintf(example, sizeof example, "%s/%s and so on", l->of[k]->variants[i], l->of[k]->metrics->name);
      append(all, sizeof all, example);
    }
  }
  if (all[0] == '\0') {
    objectives_text(l, all);
    return fail(ERR_ARGUMENT,
                "%s: there is no validation of what this run is trained for (%s); set train.eval_every = 0",
                where, all);
  }
  return fail(ERR_ARGUMENT, "%s: this run has no metric \"%.100s\"; it has %s", where, name, all);
}
