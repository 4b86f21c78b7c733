// Evaluations as a whole; see evaluation.h.
#include "eval/evaluation.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/batch_bounds.h"
#include "eval/report_internal.h"

// Capacities of evaluation batches: large enough to keep all cores busy, small enough for BERT-base's width.
enum { BATCH_TOKENS = 8192, BATCH_SEQUENCES = 2048 };

// ---- models of checkpoints -------------------------------------------------------------------------------------

status checkpoint_model(model **out, const checkpoint *c, const dataset *d, int device, int32_t threads) {
  *out = NULL;
  const int32_t positions = (int32_t)c->model.max_positions;
  const seq_layout layout = model_layout(&c->model);
  model_run run = {.caps = {.tokens = positions > BATCH_TOKENS ? positions : BATCH_TOKENS,
                            .seqs = BATCH_SEQUENCES,
                            .masked = positions > BATCH_SEQUENCES ? positions : BATCH_SEQUENCES},
                   .threads = threads};
  if (d != NULL && dataset_premasked(d) == NULL)
    TRY(bounds_of_queries(&run.caps, d, &layout, run.caps.tokens, run.caps.seqs));
  model *m;
  TRY(model_create(&m, device_names[device], &c->model, &run));
  const status rc = checkpoint_load(c, m, false);
  if (rc == OK)
    *out = m;
  else
    model_free(m);
  return rc;
}

// ---- running ---------------------------------------------------------------------------------------------------

static contender *add_contender(evaluation *e, const char *name) {
  contender *c = &e->contenders[e->n++];
  c->name = name;
  return c;
}

static status run_vectors(evaluation *e) {
  char time[32];
  contender *c = add_contender(e, "vectors");
  e->judged++;
  log_doing("ranking by the given vectors");
  TRY(ranking_run_rows(e->questions, given_vectors_score, e->c.vectors, &c->result));
  log_info("%-22s %s", c->name, human_seconds(time, c->result.seconds));
  return e->detail != NULL ? detail_row_lists(e, 0, given_vectors_score, e->c.vectors) : OK;
}

static status run_baselines(evaluation *e) {
  baselines *b;
  const double started = now_seconds();
  log_doing("counting for the baselines");
  TRY(baselines_build(&b, e->d, e->c.ranking.query.part, &e->c.baselines));
  e->count_seconds = now_seconds() - started;
  char time[32];
  status rc = OK;
  for (int kind = 0; rc == OK && kind < BASELINES; kind++) {
    contender *c = add_contender(e, baseline_names[kind]);
    log_doing("ranking by %s", c->name);
    rc = ranking_run_rows(e->questions, baseline_scorer((baseline_kind)kind), b, &c->result);
    if (rc == OK) log_info("%-22s %s", c->name, human_seconds(time, c->result.seconds));
    if (rc == OK && e->detail != NULL)
      rc = detail_row_lists(e, e->n - 1, baseline_scorer((baseline_kind)kind), b);
  }
  baselines_free(b);
  return rc;
}

static int32_t best_baseline(const evaluation *e, int32_t protocol, int32_t metric) {
  int32_t best = e->judged;
  for (int32_t i = best + 1; i < e->n; i++)
    if (e->contenders[i].result.metrics[protocol].value[metric] >
        e->contenders[best].result.metrics[protocol].value[metric])
      best = i;
  return best;
}

// The best baseline of every metric, and the differences of the model's rows from it.
static void compare(evaluation *e) {
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++) {
    for (int32_t m = 0; m < e->metrics; m++) {
      const int32_t best = e->best[k][m] = best_baseline(e, k, m);
      for (int32_t i = 0; i < MODEL_ROWS; i++) {
        paired_difference *p = &e->difference[i][k][m];
        *p = (paired_difference){.best = -1};
        if (i < e->judged && e->c.ranking.query.protocols[k])
          *p = (paired_difference){.best = best,
                                   .value = e->contenders[i].result.metrics[k].value[m] -
                                            e->contenders[best].result.metrics[k].value[m]};
      }
    }
  }
}

// The interval of the model's difference from the best baseline, whose replicates those are; difference [replicates] is
// scratch.
static interval difference_range(const double *ours, const double *best, int64_t n, double *difference) {
  for (int64_t i = 0; i < n; i++) difference[i] = ours[i] - best[i];
  return central_interval(difference, n, 0.95);
}

// Intervals of one protocol; values has room for n contenders' replicates and one difference.
static status bootstrap_protocol(evaluation *e, int32_t protocol, const int32_t *const *ranks,
                                 double *values) {
  const int64_t n = e->c.replicates;
  const int32_t width = e->metrics;
  const ranking_result *first = &e->contenders[0].result;
  const bootstrap_questions q = {
      .slots = first->slots, .relevant = first->relevant, .queries = first->queries};
  TRY(bootstrap_metrics(&q, ranks, e->n, n, (uint64_t)e->c.ranking.query.seed, values));
  double *difference = values + (int64_t)e->n * width * n;
  for (int32_t i = 0; i < e->judged; i++) // before central_interval sorts the replicates
    for (int32_t m = 0; m < width; m++) {
      paired_difference *p = &e->difference[i][protocol][m];
      p->range = difference_range(values + ((int64_t)i * width + m) * n,
                                  values + ((int64_t)p->best * width + m) * n, n, difference);
    }
  for (int32_t i = 0; i < e->n; i++)
    for (int32_t m = 0; m < width; m++)
      e->contenders[i].range[protocol][m] = central_interval(values + ((int64_t)i * width + m) * n, n, 0.95);
  return OK;
}

// With several targets a question the bootstrap wants the ranks sorted.
static status bootstrap_sorted(evaluation *e, int32_t protocol, double *values) {
  const int32_t *ranks[CONTENDERS] = {NULL};
  int32_t *sorted[CONTENDERS] = {NULL};
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < e->n; i++) {
    const ranking_result *result = &e->contenders[i].result;
    ranks[i] = result->ranks[protocol];
    if (result->relevant == NULL) continue;
    rc = ranking_sorted(result, result->ranks[protocol], &sorted[i]);
    ranks[i] = sorted[i];
  }
  if (rc == OK) rc = bootstrap_protocol(e, protocol, ranks, values);
  for (int32_t i = 0; i < e->n; i++) free(sorted[i]);
  return rc;
}

static status bootstrap_all(evaluation *e) {
  if (e->c.replicates == 0) return OK;
  const double started = now_seconds();
  log_doing("drawing %lld bootstrap replicates", (long long)e->c.replicates);
  double *values;
  TRY(mem_new(&values, ((size_t)e->n * (size_t)e->metrics + 1) * (size_t)e->c.replicates, sizeof *values,
              "bootstrap replicates"));
  status rc = OK;
  for (int32_t k = 0; rc == OK && k < RANK_PROTOCOLS; k++)
    if (e->c.ranking.query.protocols[k]) rc = bootstrap_sorted(e, k, values);
  free(values);
  e->bootstrap_seconds = now_seconds() - started;
  return rc;
}

// A row of the model: alone where x is NULL.
static status run_model(evaluation *e, const char *name, const mix *x) {
  char time[32], encoding[32];
  contender *c = add_contender(e, name);
  e->judged++;
  log_doing("ranking by the %s", name);
  ranking_set_mix(e->questions, x);
  TRY(ranking_run(e->questions, e->m, &c->result));
  log_info("%-22s %s, %s of it encoding%s", c->name, human_seconds(time, c->result.seconds),
           human_seconds(encoding, c->result.encode_seconds),
           x == NULL && e->c.ranking.loss ? " and losses" : "");
  return e->detail != NULL ? detail_model_lists(e, e->judged - 1) : OK;
}

static status run_models(evaluation *e) {
  static const char *const names[] = {"model + counts", "model + final counts"};
  if (e->m == NULL) return OK;
  TRY(run_model(e, "model", NULL));
  for (int i = 0; i < 2; i++)
    if (e->c.mixes[i] != NULL) TRY(run_model(e, names[i], e->c.mixes[i]));
  return OK;
}

// What is judged, when it finds what nobody can know: the first that does.
static status suspect(evaluation *e) {
  char text[LEAK_TEXT];
  for (int32_t i = 0; i < e->judged && !e->suspicion.suspected; i++)
    TRY(leaks_suspect(e->questions, &e->contenders[i].result, &e->suspicion));
  if (e->suspicion.suspected) log_warn("%s", leaks_describe(&e->suspicion, text));
  return OK;
}

bool evaluation_learned_here(const evaluation *e, int32_t i) {
  const bool of_mix = e->m != NULL && i > 0 && i < e->judged;
  return of_mix && e->c.ranking.query.part == EVAL_VALID && !e->c.other_data;
}

static void warn_learned_here(const evaluation *e) {
  char text[REPORT_TEXT];
  for (int32_t i = 0; i < e->judged; i++)
    if (evaluation_learned_here(e, i)) log_warn("%s", report_learned_here(e, i, text));
}

static status run(evaluation *e) {
  const bool test = e->c.ranking.query.part == EVAL_TEST;
  if (dataset_count_targets(e->d, test) == 0)
    return fail(
        ERR_ARGUMENT,
        "%s has no %s targets; souk prepare makes them with output.split = leave_one_out, time or user",
        dataset_dir(e->d), test ? "test" : "validation");
  if (e->c.detail && !e->c.ranking.query.protocols[RANK_FULL])
    return fail(ERR_ARGUMENT,
                "protocols: details and reports are of lists of the whole catalogue, so they need full");
  const double started = now_seconds();
  log_doing("preparing the questions");
  TRY(ranking_open(&e->questions, e->d, &e->c.ranking));
  e->open_seconds = now_seconds() - started;
  if (e->c.detail) TRY(detail_open(e));
  TRY(run_models(e));
  if (e->c.vectors != NULL) TRY(run_vectors(e));
  TRY(suspect(e));
  warn_learned_here(e);
  TRY(run_baselines(e));
  compare(e);
  TRY(bootstrap_all(e));
  return e->detail != NULL ? detail_finish(e) : OK;
}

status evaluation_run(evaluation **out, dataset *d, model *m, const evaluation_config *c) {
  *out = NULL;
  evaluation *e;
  TRY(mem_new(&e, 1, sizeof *e, "an evaluation"));
  e->c = *c;
  e->d = d;
  e->m = m;
  e->metrics = c->ranking.query.reading == TARGETS_ALL ? SET_METRICS : RANK_METRICS;
  e->items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  const status rc = run(e);
  log_status_end();
  if (rc == OK)
    *out = e;
  else
    evaluation_free(e);
  return rc;
}

void evaluation_free(evaluation *e) {
  if (e == NULL) return;
  for (int32_t i = 0; i < e->n; i++) ranking_result_free(&e->contenders[i].result);
  ranking_close(e->questions);
  detail_free(e->detail);
  free(e);
}

// ---- lists -----------------------------------------------------------------------------------------------------

struct list_writer {
  const evaluation *e;
  out_file *f;
  line_reader *users; // users.tsv: one name a sequence
  char users_path[OPTION_STRING + 64];
  char *user;
  int64_t read;   // lines of it
  int64_t target; // of all questions before
};

// A name may be longer than souk prepare allows today: data sets of before have no limit.
enum { LONGEST_NAME = 1 << 30 };

status list_writer_open(list_writer **out, const char *path) {
  *out = NULL;
  list_writer *w;
  TRY(mem_new(&w, 1, sizeof *w, "ranked lists"));
  const status rc = out_open(&w->f, path);
  if (rc == OK)
    *out = w;
  else
    list_writer_abort(w);
  return rc;
}

void list_writer_abort(list_writer *w) {
  if (w == NULL) return;
  out_abort(w->f);
  lines_close(w->users);
  free(w);
}

// Questions come in the order of sequences, so the file of names is read once.
static status read_user(list_writer *w, int64_t line) {
  while (w->read <= line) {
    size_t bytes;
    bool end;
    TRY(lines_next(w->users, &w->user, &bytes, &end));
    if (end) return fail(ERR_FORMAT, "%s has fewer lines than the data set has sequences", w->users_path);
    w->read++;
    if (w->read > line && !vocab_unescape(w->user))
      return fail(ERR_FORMAT, "%s line %lld: unknown escape in the name", w->users_path, (long long)w->read);
  }
  return OK;
}

static json_t *target_json(const vocab *v, int32_t target) {
  return target >= 0 ? json_string(vocab_token(v, vocab_begin(v, RANGE_ITEMS) + target)) : json_null();
}

// "target" and "rank", or lists of them. Not 0: no memory, or a name that is not UTF-8.
static int put_targets(const list_writer *w, const query *q, json_t *j) {
  const vocab *v = dataset_vocab(w->e->d);
  const ranking_result *result = &w->e->contenders[w->e->judged - 1].result;
  const int32_t *all = result->ranks[RANK_FULL], *ranks = all != NULL ? all + w->target : NULL;
  const bool lists = result->relevant != NULL;
  json_t *targets = json_array(), *places = json_array();
  int bad = 0;
  for (int32_t t = 0; t < q->n_targets; t++) {
    bad |= json_array_append_new(targets, target_json(v, q->targets[t]));
    bad |=
        json_array_append_new(places, ranks != NULL && ranks[t] > 0 ? json_integer(ranks[t]) : json_null());
  }
  bad |= json_object_set(j, lists ? "targets" : "target", lists ? targets : json_array_get(targets, 0));
  bad |= json_object_set(j, lists ? "ranks" : "rank", lists ? places : json_array_get(places, 0));
  json_decref(targets);
  json_decref(places);
  return bad;
}

static status write_list(void *self, const query *q, const ranked_list *list) {
  list_writer *w = self;
  const vocab *v = dataset_vocab(w->e->d);
  TRY(read_user(w, q->sequence));
  json_t *j = json_object(), *items = json_array(), *scores = json_array();
  int bad = json_object_set_new(j, "user", json_string(w->user)); // NULL for text that is not UTF-8
  for (int32_t i = 0; i < list->n; i++) {
    bad |= json_array_append_new(items, target_json(v, list->items[i]));
    bad |= json_array_append_new(scores, json_real((double)list->scores[i]));
  }
  bad |= json_object_set_new(j, "items", items);
  bad |= json_object_set_new(j, "scores", scores);
  bad |= put_targets(w, q, j);
  char *text = bad == 0 ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(j);
  w->target += q->n_targets;
  if (text == NULL)
    return fail(
        ERR_FORMAT,
        "%s line %lld: this user's list cannot be written, because its name, or that of an item in it, "
        "is not valid UTF-8",
        w->users_path, (long long)w->read);
  const status rc = out_printf(w->f, "%s\n", text);
  free(text);
  return rc;
}

static status write_lists(list_writer *w, evaluation *e, int32_t k) {
  if (e->m == NULL) return fail(ERR_ARGUMENT, "ranked lists need a model");
  w->e = e;
  TRY(path_join(w->users_path, sizeof w->users_path, dataset_dir(e->d), "users.tsv"));
  TRY(lines_open(&w->users, w->users_path, LONGEST_NAME));
  log_doing("writing ranked lists");
  // By the last of the model's rows, the one with all it has.
  ranking_set_mix(e->questions, e->c.mixes[1] != NULL ? e->c.mixes[1] : e->c.mixes[0]);
  return ranking_lists(e->questions, e->m, k, write_list, w);
}

status evaluation_lists(evaluation *e, int32_t k, list_writer *w) {
  const status rc = write_lists(w, e, k);
  out_file *const f = w->f;
  w->f = NULL;
  const status all = out_finish(f, rc);
  list_writer_abort(w);
  log_status_end();
  return all;
}
