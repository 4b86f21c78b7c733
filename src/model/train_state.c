// The training state as json; see train_state.h.
#include "model/train_state.h"

#include <string.h>

// Options allow 10^12 steps of 4096 micro-batches, and what is counted from here on must not overflow.
#define MOST_STEPS  4503599627370496.0    // 2^52
#define MOST_TOKENS 4611686018427387904.0 // 2^62
#define MOST_REAL   1e300

#define STATE(name) offsetof(train_state, name)
static const option state_fields[] = {
    {"step", OPT_INT, STATE(step), "0", 0, MOST_STEPS, NULL, "optimiser steps done"},
    {"epoch", OPT_INT, STATE(epoch), "0", 0, MOST_STEPS, NULL, "of the next batch"},
    {"index", OPT_INT, STATE(index), "0", 0, MOST_STEPS, NULL, "of the next batch in its epoch"},
    {"tokens", OPT_INT, STATE(tokens), "0", 0, MOST_TOKENS, NULL, "trained on so far"},
    {"seconds", OPT_FLOAT, STATE(seconds), "0", 0, MOST_REAL, NULL, "of training so far"},
    {"best_metric", OPT_FLOAT, STATE(best_metric), "0", -MOST_REAL, MOST_REAL, NULL,
     "of the best validation"},
    {"best_step", OPT_INT, STATE(best_step), "0", 0, MOST_STEPS, NULL, "of the best validation"},
    {"bad_evals", OPT_INT, STATE(bad_evals), "0", 0, MOST_STEPS, NULL, "validations since the best"},
    {"best_name", OPT_STRING, STATE(best_name), "", 0, 0, NULL, "of the metric; empty: no validation yet"},
    {"skipped", OPT_INT, STATE(skipped), "0", 0, MOST_STEPS, NULL, "non-finite steps"},
};
static const option window_fields[] = {
    {"mlm_loss", OPT_FLOAT, STATE(mlm_loss), "0", -MOST_REAL, MOST_REAL, NULL, "masked-LM loss"},
    {"mlm_weight", OPT_FLOAT, STATE(mlm_weight), "0", 0, MOST_REAL, NULL, "and its weight"},
    {"cls_loss", OPT_FLOAT, STATE(cls_loss), "0", -MOST_REAL, MOST_REAL, NULL, "next-session loss"},
    {"cls_rows", OPT_FLOAT, STATE(cls_rows), "0", 0, MOST_REAL, NULL, "pairs"},
    {"cls_hits", OPT_FLOAT, STATE(cls_hits), "0", 0, MOST_REAL, NULL, "pairs predicted correctly"},
};
// A state without one of these is damaged, as there never was a version that did not write them. The others may be missing:
// they are 0, and so is a window that is not there.
static const char *const required_fields[] = {"step",        "epoch",     "index",     "tokens",    "seconds",
                                              "best_metric", "best_step", "bad_evals", "best_name", NULL};

static option_section state_part(train_state *t) {
  return (option_section){"state", "State", state_fields, sizeof state_fields / sizeof *state_fields, t};
}
static option_section window_part(train_state *t) {
  return (option_section){"state.window", "Sums since the last metrics line", window_fields,
                          sizeof window_fields / sizeof *window_fields, t};
}

json_t *train_state_to_json(const train_state *t) {
  train_state copy = *t;
  const option_section state = state_part(&copy), window = window_part(&copy);
  json_t *j = record_write(&state, 1);
  if (j != NULL && json_object_set_new(j, "window", record_write(&window, 1)) == 0) return j;
  json_decref(j);
  return NULL;
}

status train_state_from_json(train_state *t, const json_t *j, const record_source *from) {
  static const char *const others[] = {"window", NULL};
  const option_section state = state_part(t), window = window_part(t);
  memset(t, 0, sizeof *t);
  TRY(record_read(&state, 1, j, &(record_rules){from, required_fields, others}));
  if (t->best_step > t->step)
    return fail(ERR_FORMAT, "%s: field \"state.best_step\" is beyond \"state.step\"", from->path);
  const json_t *sums = json_object_get(j, "window");
  return sums == NULL ? OK : record_read(&window, 1, sums, &(record_rules){.from = from});
}
