// Which trial is better; see sweep_internal.h.
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "format/order.h"
#include "sweep/sweep_internal.h"

int32_t trial_last_rung(const sweep *s, int64_t trial) {
  int32_t rung = s->plan.n_rungs - 1;
  while (rung >= 0 && s->trials[trial - 1].rungs[rung].state == RESULT_NONE) rung--;
  return rung;
}

const trial_result *trial_last_result(const sweep *s, int64_t trial) {
  const int32_t rung = trial_last_rung(s, trial);
  return rung < 0 ? NULL : &s->trials[trial - 1].rungs[rung];
}

bool trial_is_done(const sweep *s, int64_t trial) {
  const trial_result *r = trial_last_result(s, trial);
  return r != NULL && r->state == RESULT_DONE;
}

// ---- order ---------------------------------------------------------------------------------------------------

typedef struct ranked {
  int64_t trial;
  int place;     // 0: has a figure, 1: none, 2: failed, 3: no result
  double figure; // smaller is better
} ranked;

static ranked ranked_of(const sweep *s, int64_t trial, const trial_result *r) {
  ranked k = {.trial = trial, .place = 3};
  if (r == NULL || r->state == RESULT_NONE) return k;
  k.place = r->state == RESULT_FAILED ? 2 : isnan(r->metric) ? 1 : 0;
  if (k.place == 0) k.figure = s->smaller_is_better ? r->metric : -r->metric;
  return k;
}

static int by_rank(const void *x, const void *y) {
  const ranked *a = x, *b = y;
  if (a->place != b->place) return a->place < b->place ? -1 : 1;
  if (a->figure < b->figure) return -1;
  if (a->figure > b->figure) return 1;
  return a->trial < b->trial ? -1 : 1;
}

// rung -1: by the last result of each.
static status rank(const sweep *s, int32_t rung, int64_t *trials, int64_t n) {
  ranked *all;
  TRY(mem_new(&all, (size_t)n, sizeof *all, "the ranking of trials"));
  for (int64_t i = 0; i < n; i++)
    all[i] = ranked_of(s, trials[i],
                       rung < 0 ? trial_last_result(s, trials[i]) : &s->trials[trials[i] - 1].rungs[rung]);
  qsort(all, (size_t)n, sizeof *all, by_rank);
  for (int64_t i = 0; i < n; i++) trials[i] = all[i].trial;
  free(all);
  return OK;
}

status rank_all(const sweep *s, int64_t **trials) {
  TRY(mem_new(trials, (size_t)s->n_trials, sizeof **trials, "the trials in order"));
  for (int64_t i = 0; i < s->n_trials; i++) (*trials)[i] = i + 1;
  const status rc = rank(s, -1, *trials, s->n_trials);
  if (rc == OK) return OK;
  free(*trials);
  *trials = NULL;
  return rc;
}

// ---- halving -------------------------------------------------------------------------------------------------

static bool has_figure(const trial_result *r) {
  return r->state == RESULT_DONE && !isnan(r->metric);
}

// Of the ranked members of a rung, those that go on: no more than its share, and only with a figure.
static int64_t count_going_on(const sweep *s, int32_t rung, const int64_t *members, int64_t n) {
  const int64_t most = sweep_going_on(&s->plan, n);
  int64_t kept = 0;
  while (kept < most && has_figure(&s->trials[members[kept] - 1].rungs[rung])) kept++;
  return kept;
}

static bool all_there(const sweep *s, int32_t rung, const int64_t *members, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (s->trials[members[i] - 1].rungs[rung].state == RESULT_NONE) return false;
  return true;
}

status rung_members(const sweep *s, int32_t rung, int64_t **members, int64_t *n, bool *complete) {
  *n = s->n_trials;
  *complete = true;
  TRY(mem_new(members, (size_t)*n, sizeof **members, "the trials of a rung"));
  for (int64_t i = 0; i < *n; i++) (*members)[i] = i + 1;
  for (int32_t r = 0; r < rung; r++) {
    *complete = *complete && all_there(s, r, *members, *n);
    const status rc = rank(s, r, *members, *n);
    if (rc != OK) {
      free(*members);
      *members = NULL;
      return rc;
    }
    *n = count_going_on(s, r, *members, *n);
  }
  qsort(*members, (size_t)*n, sizeof **members, order_int64); // in which they are run
  return OK;
}

// Those behind the best so many of what is there will not go on, whatever the others come to.
status trial_may_go_on(const sweep *s, int64_t trial, bool *may) {
  const int32_t rung = trial_last_rung(s, trial);
  int64_t *members, n;
  bool complete;
  *may = false;
  if (rung < 0) *may = true;
  if (rung < 0 || rung == s->plan.n_rungs - 1) return OK;
  TRY(rung_members(s, rung, &members, &n, &complete));
  const status rc = rank(s, rung, members, n);
  const int64_t most = rc == OK ? count_going_on(s, rung, members, n) : 0;
  for (int64_t i = 0; i < most; i++) *may = *may || members[i] == trial;
  free(members);
  return rc;
}
