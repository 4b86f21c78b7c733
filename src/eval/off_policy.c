// Estimates of a policy's value from another one's log; see off_policy.h.
//
// All that a replicate needs of a user is five sums over the user's rows, so the cost is one pass over rows and then replicates x users.
#include "eval/off_policy.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "eval/queries.h"

typedef struct user_sums {
  double n, r, w, wr;
} user_sums;

typedef struct row_user {
  int64_t user, row;
} row_user;

static int by_user(const void *a, const void *b) {
  const row_user *x = a, *y = b;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  return x->row < y->row ? -1 : x->row > y->row;
}

static status check_row(const off_policy_log *l, int64_t i) {
  const double q = l->target[i], b = l->propensity[i];
  if (!(q >= 0 && q <= 1 + 1e-9))
    return fail(ERR_ARGUMENT, "row %lld of the log: the policy's probability is %g", (long long)i + 1, q);
  if (!(b > 0 && b <= 1))
    return fail(ERR_ARGUMENT,
                "row %lld of the log: its propensity is %g, which must be above 0 and at most 1",
                (long long)i + 1, b);
  return isfinite(l->reward[i])
             ? OK
             : fail(ERR_ARGUMENT, "row %lld of the log: its reward is no number", (long long)i + 1);
}

// One user after the other, each with the sums over its rows.
static status sum_users(const off_policy_log *l, double clip, user_sums **sums, off_policy_estimate *out) {
  row_user *order;
  double squares = 0, all = 0, clipped = 0;
  *sums = NULL;
  TRY(mem_new(&order, (size_t)l->n, sizeof *order, "the log's rows"));
  for (int64_t i = 0; i < l->n; i++) order[i] = (row_user){l->users[i], i};
  qsort(order, (size_t)l->n, sizeof *order, by_user);
  status rc = mem_new(sums, (size_t)l->n, sizeof **sums, "the log's users");
  for (int64_t k = 0; k < l->n && rc == OK; k++) {
    const int64_t i = order[k].row;
    rc = check_row(l, i);
    if (rc != OK) break;
    if (k == 0 || order[k].user != order[k - 1].user) out->users++;
    double w = l->target[i] / l->propensity[i];
    clipped += clip > 0 && w > clip;
    if (clip > 0 && w > clip) w = clip;
    user_sums *u = *sums + out->users - 1;
    u->n++;
    u->r += l->reward[i];
    u->w += w;
    u->wr += w * l->reward[i];
    squares += w * w;
    all += w;
    out->largest_weight = fmax(out->largest_weight, w);
  }
  free(order);
  if (rc == OK && !(all > 0))
    rc = fail(ERR_ARGUMENT, "the policy would have done nothing that is in the log");
  out->mean_weight = all / (double)l->n;
  out->effective_sample = all * all / squares;
  out->clipped = clipped / (double)l->n;
  return rc;
}

enum { LOGGED, IPS, SNIPS, GAIN, VALUES };

// weight: how often each user was drawn; NULL: once each. A draw without any weight has no SNIPS of its own: that of the log counts.
static void values_of(const user_sums *u, const uint32_t *weight, int64_t users, double fallback,
                      double to[VALUES]) {
  user_sums t = {0};
  for (int64_t k = 0; k < users; k++) {
    const double times = weight != NULL ? weight[k] : 1;
    t.n += times * u[k].n;
    t.r += times * u[k].r;
    t.w += times * u[k].w;
    t.wr += times * u[k].wr;
  }
  to[LOGGED] = t.r / t.n;
  to[IPS] = t.wr / t.n;
  to[SNIPS] = t.w > 0 ? t.wr / t.w : fallback;
  to[GAIN] = to[SNIPS] - to[LOGGED];
}

static status intervals(const user_sums *u, const off_policy_options *o, off_policy_value *const of[VALUES],
                        int64_t users) {
  uint32_t *weights = NULL;
  double *drawn = NULL;
  const int32_t threads = omp_get_max_threads();
  status rc;
  TRY_GOTO(mem_new(&weights, (size_t)threads * (size_t)users, sizeof *weights, "bootstrap replicates"), done);
  TRY_GOTO(mem_new(&drawn, VALUES * (size_t)o->replicates, sizeof *drawn, "bootstrap replicates"), done);
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t b = 0; b < o->replicates; b++) {
    uint32_t *weight = weights + (size_t)omp_get_thread_num() * (size_t)users;
    double v[VALUES];
    bootstrap_draw(o->seed, b, (int32_t)users, weight);
    values_of(u, weight, users, of[SNIPS]->value, v);
    for (int32_t k = 0; k < VALUES; k++) drawn[k * o->replicates + b] = v[k];
  }
  for (int32_t k = 0; k < VALUES; k++)
    of[k]->interval = central_interval(drawn + k * o->replicates, o->replicates, o->level);
done:
  free(weights);
  free(drawn);
  return rc;
}

status off_policy_estimate_of(const off_policy_log *log, const off_policy_options *o,
                              off_policy_estimate *out) {
  user_sums *u;
  double v[VALUES];
  *out = (off_policy_estimate){.rows = log->n};
  if (log->n < 1 || log->n > INT32_MAX || o->replicates < 1)
    return fail(ERR_ARGUMENT,
                "an estimate of a policy's value needs a log of 1 to %d rows and at least one replicate",
                INT32_MAX);
  status rc = sum_users(log, o->clip, &u, out);
  if (rc == OK) {
    off_policy_value *const of[VALUES] = {&out->logged, &out->ips, &out->snips, &out->gain};
    values_of(u, NULL, out->users, 0, v);
    for (int32_t k = 0; k < VALUES; k++) of[k]->value = v[k];
    rc = intervals(u, o, of, out->users);
  }
  free(u);
  return rc;
}

static json_t *value_json(const off_policy_value *v) {
  return json_pack("{s:f,s:f,s:f}", "value", v->value, "low", v->interval.low, "high", v->interval.high);
}

json_t *off_policy_json(const off_policy_estimate *e) {
  return json_pack("{s:I,s:I,s:o,s:o,s:o,s:o,s:f,s:f,s:f,s:f}", "rows", (json_int_t)e->rows, "users",
                   (json_int_t)e->users, "logged", value_json(&e->logged), "snips", value_json(&e->snips),
                   "ips", value_json(&e->ips), "gain", value_json(&e->gain), "effective_sample",
                   e->effective_sample, "mean_weight", e->mean_weight, "largest_weight", e->largest_weight,
                   "clipped", e->clipped);
}

static void print_value(FILE *to, const char *what, const off_policy_value *v) {
  fprintf(to, "%-16s %.4f [%.4f, %.4f]", what, v->value, v->interval.low, v->interval.high);
}

void off_policy_print(FILE *to, const char *policy, const off_policy_estimate *e) {
  fprintf(to, "policy           %s, on %lld rows of %lld users\n", policy, (long long)e->rows,
          (long long)e->users);
  print_value(to, "logged", &e->logged);
  fprintf(to, "\n");
  print_value(to, "SNIPS", &e->snips);
  fprintf(to, ", effective sample %.0f of %lld\n", e->effective_sample, (long long)e->rows);
  print_value(to, "IPS", &e->ips);
  fprintf(to, ", mean weight %.3f, largest %.2f, clipped %.2f%%\n", e->mean_weight, e->largest_weight,
          100 * e->clipped);
  print_value(to, "gain", &e->gain);
  fprintf(to, " (SNIPS less logged, over the same users)\n");
}
