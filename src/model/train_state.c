// The training state as json; see train_state.h.
#include "model/train_state.h"

#include <stdio.h>
#include <string.h>

// Options allow 10^12 steps of 4096 micro-batches, and what is counted from here on must not overflow.
#define MOST_STEPS  4503599627370496.0    // 2^52
#define MOST_TOKENS 4611686018427387904.0 // 2^62
#define MOST_REAL   1e300

#define STATE(name) offsetof(train_state, name)
static const option state_fields[] = {
    {"step", OPT_INT, STATE(step), "0", 0, MOST_STEPS, NULL, "optimiser steps done"},
    {"epoch", OPT_INT, STATE(epoch), "0", 0, MOST_STEPS, NULL, "of the next batch"},
    {"example", OPT_INT, STATE(example), "-1", -1, MOST_TOKENS, NULL,
     "of its epoch where the next batch begins"},
    {"index", OPT_INT, STATE(index), "0", 0, MOST_STEPS, NULL, "of the next batch in its epoch"},
    {"data_window", OPT_INT, STATE(data_window), "0", 0, 32768, NULL, "length of training windows"},
    {"data_stride", OPT_INT, STATE(data_stride), "0", 0, 32768, NULL, "distance of training windows"},
    {"steps_per_epoch", OPT_INT, STATE(steps_per_epoch), "0", 0, MOST_STEPS, NULL, "since paced_step"},
    {"paced_step", OPT_INT, STATE(paced_step), "0", 0, MOST_STEPS, NULL, "when an epoch got that many steps"},
    {"paced_epochs", OPT_FLOAT, STATE(paced_epochs), "0", 0, MOST_STEPS, NULL, "done by then"},
    {"tokens", OPT_INT, STATE(tokens), "0", 0, MOST_TOKENS, NULL, "trained on so far"},
    {"seconds", OPT_FLOAT, STATE(seconds), "0", 0, MOST_REAL, NULL, "of training so far"},
    {"best_metric", OPT_FLOAT, STATE(best_metric), "0", -MOST_REAL, MOST_REAL, NULL,
     "of the best validation"},
    {"best_step", OPT_INT, STATE(best_step), "0", 0, MOST_STEPS, NULL, "of the best validation"},
    {"bad_evals", OPT_INT, STATE(bad_evals), "0", 0, MOST_STEPS, NULL, "validations since the best"},
    {"best_name", OPT_STRING, STATE(best_name), "", 0, 0, NULL, "of the metric; empty: no validation yet"},
    {"tried", OPT_INT, STATE(tried), "0", 0, MOST_STEPS, NULL,
     "configurations compared on validation to find this one"},
    {"skipped", OPT_INT, STATE(skipped), "0", 0, MOST_STEPS, NULL, "non-finite steps"},
};
#define SUM(name) offsetof(slot_result, name)
static const option sum_fields[] = {
    {"loss", OPT_FLOAT, SUM(loss), "0", -MOST_REAL, MOST_REAL, NULL, "of weight * loss"},
    {"weight", OPT_FLOAT, SUM(weight), "0", 0, MOST_REAL, NULL, "of weights"},
    {"hits", OPT_FLOAT, SUM(hits), "0", 0, MOST_REAL, NULL, "of weights where the prediction is right"},
};

// The window as souk 0.1.0 wrote it, which had two losses and names of its own for them.
typedef struct old_window {
  double mlm_loss, mlm_weight, cls_loss, cls_rows, cls_hits;
} old_window;

#define OLD(name) offsetof(old_window, name)
static const option old_fields[] = {
    {"mlm_loss", OPT_FLOAT, OLD(mlm_loss), "0", -MOST_REAL, MOST_REAL, NULL, "masked-LM loss"},
    {"mlm_weight", OPT_FLOAT, OLD(mlm_weight), "0", 0, MOST_REAL, NULL, "and its weight"},
    {"cls_loss", OPT_FLOAT, OLD(cls_loss), "0", -MOST_REAL, MOST_REAL, NULL, "next-session loss"},
    {"cls_rows", OPT_FLOAT, OLD(cls_rows), "0", 0, MOST_REAL, NULL, "pairs"},
    {"cls_hits", OPT_FLOAT, OLD(cls_hits), "0", 0, MOST_REAL, NULL, "pairs predicted correctly"},
};
// A state without one of these is damaged, as there never was a version that did not write them. The others may be missing:
// they are 0, and so is a window that is not there.
static const char *const required_fields[] = {"step",        "epoch",     "index",     "tokens",    "seconds",
                                              "best_metric", "best_step", "bad_evals", "best_name", NULL};

static option_section state_part(train_state *t) {
  return (option_section){"state", "State", state_fields, sizeof state_fields / sizeof *state_fields, t};
}
// ---- the window: sums of each objective by its name ----------------------------------------------------------

typedef struct window_names {
  char prefix[MAX_SLOTS][64]; // of fields, in sentences: "state.window.masked_lm"
  const char *names[MAX_SLOTS + 1];
} window_names;

static void list_names(const objective_list *l, window_names *w) {
  *w = (window_names){.names = {NULL}};
  for (int32_t k = 0; k < l->n; k++) {
    snprintf(w->prefix[k], sizeof w->prefix[k], "state.window.%s", l->of[k]->name);
    w->names[k] = l->of[k]->name;
  }
}

static option_section sums_part(const char *prefix, slot_result *r) {
  return (option_section){prefix, "Sums", sum_fields, sizeof sum_fields / sizeof *sum_fields, r};
}

static json_t *window_to_json(train_state *t, const objective_list *l) {
  json_t *j = json_object();
  for (int32_t k = 0; j != NULL && k < l->n; k++) {
    const option_section part = sums_part("", &t->window[k]);
    if (json_object_set_new(j, l->of[k]->name, record_write(&part, 1)) == 0) continue;
    json_decref(j);
    j = NULL;
  }
  return j;
}

static status old_window_from_json(train_state *t, const objective_list *l, const json_t *j,
                                   const record_source *from) {
  old_window old;
  const option_section part = {"state.window", "Sums", old_fields, sizeof old_fields / sizeof *old_fields,
                               &old};
  TRY(record_read(&part, 1, j, &(record_rules){.from = from}));
  const slot_result mlm = {.loss = old.mlm_loss, .weight = old.mlm_weight};
  const slot_result cls = {.loss = old.cls_loss, .weight = old.cls_rows, .hits = old.cls_hits};
  for (int32_t k = 0; k < l->n; k++) {
    if (l->of[k] == &objective_masked_lm) t->window[k] = mlm;
    if (l->of[k] == &objective_next_session) t->window[k] = cls;
  }
  return OK;
}

static bool is_old(const json_t *j) {
  for (size_t i = 0; i < sizeof old_fields / sizeof *old_fields; i++)
    if (json_object_get(j, old_fields[i].name) != NULL) return true;
  return false;
}

static status window_from_json(train_state *t, const objective_list *l, const json_t *j,
                               const record_source *from) {
  window_names w;
  if (j == NULL) return OK;
  if (is_old(j)) return old_window_from_json(t, l, j, from);
  list_names(l, &w);
  TRY(record_check_names(j, "state.window", w.names, from));
  for (int32_t k = 0; k < l->n; k++) {
    const json_t *sums = json_object_get(j, w.names[k]);
    const option_section part = sums_part(w.prefix[k], &t->window[k]);
    if (sums != NULL) TRY(record_read(&part, 1, sums, &(record_rules){.from = from}));
  }
  return OK;
}

// ---- what was never trained, by name -------------------------------------------------------------------------

static int untrained_to_json(const train_state *t, const objective_list *l, json_t *state) {
  json_t *j = json_array();
  int bad = j == NULL ? -1 : 0;
  for (int32_t k = 0; k < l->n; k++)
    if (t->untrained[k]) bad |= json_array_append_new(j, json_string(l->of[k]->name));
  if (bad == 0 && json_array_size(j) > 0) return json_object_set_new(state, "untrained", j);
  json_decref(j);
  return bad;
}

static status untrained_from_json(train_state *t, const objective_list *l, const json_t *j,
                                  const record_source *from) {
  size_t i;
  json_t *name;
  json_array_foreach(j, i, name) {
    int32_t k = 0;
    while (k < l->n && (!json_is_string(name) || strcmp(json_string_value(name), l->of[k]->name) != 0)) k++;
    if (k == l->n) break;
    t->untrained[k] = true;
  }
  return j == NULL || (json_is_array(j) && i == json_array_size(j))
             ? OK
             : fail(ERR_FORMAT, "%s: field \"state.untrained\" is no list of the model's objectives",
                    from->path);
}

// ---- a final training ----------------------------------------------------------------------------------------

// Only what was trained on the validation part says so: "final": {"users": 0}.
static int final_to_json(const train_state *t, json_t *state) {
  if (!t->trained.final) return 0;
  return json_object_set_new(state, "final", json_pack("{s:I}", "users", (json_int_t)t->trained.final_users));
}

static status final_from_json(train_state *t, const json_t *j, const record_source *from) {
  static const char *const names[] = {"users", NULL};
  const json_t *users = json_object_get(j, "users");
  if (j == NULL) return OK;
  if (!json_is_integer(users) || json_integer_value(users) < 0)
    return fail(ERR_FORMAT, "%s: field \"state.final.users\" is missing, of the wrong type or out of range",
                from->path);
  t->trained = (training_choice){.final = true, .final_users = json_integer_value(users)};
  return record_check_names(j, "state.final", names, from);
}

// ---- earlier data --------------------------------------------------------------------------------------------

void train_state_add_earlier(train_state *t, const char *name, const char *checksum) {
  for (int32_t i = 0; i < t->n_earlier; i++)
    if (strcmp(t->earlier[i].checksum, checksum) == 0) return;
  if (t->n_earlier == MOST_EARLIER)
    memmove(t->earlier, t->earlier + 1, (size_t)--t->n_earlier * sizeof *t->earlier);
  earlier_data *e = &t->earlier[t->n_earlier++];
  snprintf(e->name, sizeof e->name, "%s", name);
  snprintf(e->checksum, sizeof e->checksum, "%s", checksum);
}

static int earlier_to_json(const train_state *t, json_t *state) {
  json_t *all = json_array();
  int bad = 0;
  for (int32_t i = 0; i < t->n_earlier; i++)
    bad |= json_array_append_new(
        all, json_pack("{s:s,s:s}", "name", t->earlier[i].name, "checksum", t->earlier[i].checksum));
  if (bad == 0 && t->n_earlier > 0) return json_object_set_new(state, "earlier", all);
  json_decref(all);
  return bad;
}

static status earlier_from_json(train_state *t, const json_t *j, const record_source *from) {
  static const char *const names[] = {"name", "checksum", NULL};
  size_t i;
  json_t *one;
  if (j != NULL && (!json_is_array(j) || json_array_size(j) > MOST_EARLIER))
    return fail(ERR_FORMAT, "%s: field \"state.earlier\" is no list of at most %d data sets", from->path,
                MOST_EARLIER);
  json_array_foreach(j, i, one) {
    const char *name = json_string_value(json_object_get(one, "name")),
               *sum = json_string_value(json_object_get(one, "checksum"));
    if (name == NULL || strlen(name) >= sizeof t->earlier[0].name || sum == NULL || strlen(sum) != 64)
      return fail(ERR_FORMAT, "%s: field \"state.earlier\" has no name or no checksum of a data set",
                  from->path);
    TRY(record_check_names(one, "state.earlier", names, from));
    train_state_add_earlier(t, name, sum);
  }
  return OK;
}

void train_state_move_slots(train_state *t, const objective_list *from, const objective_list *to) {
  slot_result moved[MAX_SLOTS] = {{0}};
  bool untrained[MAX_SLOTS] = {false};
  for (int32_t k = 0; k < to->n; k++) {
    const int32_t slot = objectives_slot(from, to->of[k]);
    if (slot >= 0) moved[k] = t->window[slot];
    const int32_t head = objectives_head_slot(from, to->of[k]);
    untrained[k] = head < 0 || t->untrained[head];
  }
  memcpy(t->window, moved, sizeof moved);
  memcpy(t->untrained, untrained, sizeof untrained);
}

// ---- the whole -----------------------------------------------------------------------------------------------

json_t *train_state_to_json(const train_state *t, const objective_list *l) {
  train_state copy = *t;
  const option_section state = state_part(&copy);
  json_t *j = record_write(&state, 1);
  if (j != NULL && json_object_set_new(j, "window", window_to_json(&copy, l)) == 0 &&
      untrained_to_json(t, l, j) == 0 && final_to_json(t, j) == 0 && earlier_to_json(t, j) == 0)
    return j;
  json_decref(j);
  return NULL;
}

status train_state_from_json(train_state *t, const objective_list *l, const json_t *j,
                             const record_source *from) {
  static const char *const others[] = {"window", "untrained", "final", "earlier", NULL};
  const option_section state = state_part(t);
  memset(t, 0, sizeof *t);
  TRY(record_read(&state, 1, j, &(record_rules){from, required_fields, others}));
  if (t->paced_step > t->step)
    return fail(ERR_FORMAT, "%s: field \"state.paced_step\" is beyond \"state.step\"", from->path);
  if (t->best_step > t->step)
    return fail(ERR_FORMAT, "%s: field \"state.best_step\" is beyond \"state.step\"", from->path);
  TRY(untrained_from_json(t, l, json_object_get(j, "untrained"), from));
  TRY(final_from_json(t, json_object_get(j, "final"), from));
  TRY(earlier_from_json(t, json_object_get(j, "earlier"), from));
  return window_from_json(t, l, json_object_get(j, "window"), from);
}
