// What an evaluation looks like: aligned tables for people, json for programs.
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "eval/report_internal.h"
#include "format/printable.h"

enum { LABEL = REPORT_LABEL, COLUMNS = REPORT_COLUMNS, WIDTH = 8 };
// At cutoff 1 HR, NDCG and MRR are the same.
static const table_column one_target[COLUMNS] = {
    {METRIC_HR + 0, 7},   {METRIC_HR + 1, 4},    {METRIC_HR + 2, 11},  {METRIC_HR + 3, 8},
    {METRIC_NDCG + 1, 3}, {METRIC_NDCG + 2, 10}, {METRIC_NDCG + 3, 6}, {METRIC_MRR + 1, 1},
    {METRIC_MRR + 2, 5},  {METRIC_MRR + 3, 2},   {METRIC_MRR_ALL, 9}};
static const table_column several_targets[COLUMNS] = {
    {METRIC_HR + 2, 7},        {METRIC_RECALL + 1, 4},    {METRIC_RECALL + 2, 11}, {METRIC_RECALL + 3, 6},
    {METRIC_PRECISION + 1, 2}, {METRIC_PRECISION + 2, 8}, {METRIC_NDCG + 1, 3},    {METRIC_NDCG + 2, 10},
    {METRIC_NDCG + 3, 5},      {METRIC_MAP + 2, 9},       {METRIC_MRR_ALL, 1}};

bool report_takes_all(const evaluation *e) {
  return e->c.ranking.query.reading == TARGETS_ALL;
}

const table_column *report_columns(const evaluation *e) {
  return report_takes_all(e) ? several_targets : one_target;
}

// How many columns fit on the terminal.
static int32_t columns_shown(FILE *to) {
  if (!isatty(fileno(to))) return COLUMNS;
  const int32_t fit = (terminal_columns(fileno(to)) - LABEL) / WIDTH;
  return fit < 1 ? 1 : fit < COLUMNS ? fit : COLUMNS;
}

static bool shown(const table_column *column, FILE *to) {
  return column->weight > COLUMNS - columns_shown(to);
}

const char *report_part(const evaluation *e) {
  return e->c.ranking.query.part == EVAL_TEST ? "test" : "validation";
}

void report_protocol(const evaluation *e, int32_t protocol, char *buf, size_t bytes) {
  const query_config *q = &e->c.ranking.query;
  const int64_t fewest = (int64_t)e->contenders[0].result.fewest_negatives;
  if (protocol == RANK_FULL)
    snprintf(buf, bytes, "the whole catalogue of %d items%s", e->items,
             q->filter_history ? ", those of the history filtered out" : "");
  else
    snprintf(buf, bytes, "the target among %lld negatives, drawn %s%s", (long long)q->negatives,
             protocol == RANK_UNIFORM ? "uniformly" : "by popularity",
             fewest < q->negatives ? "\n  (fewer where the catalogue has no more)" : "");
}

// ---- tables ----------------------------------------------------------------------------------------------------

void report_heading(int32_t metric, char name[16]) {
  const char *full = rank_metric_name(metric), *at = strchr(full, '@');
  const size_t letters = at != NULL ? (size_t)(at - full) : strlen(full);
  snprintf(name, 16, "%.*s%s",
           (int)(letters <= 4  ? letters
                 : letters < 9 ? 3
                               : 4),
           full, at != NULL ? at : "");
  for (char *p = name; *p != '\0'; p++)
    if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
}

static void print_heading(const evaluation *e, FILE *to) {
  const table_column *columns = report_columns(e);
  fprintf(to, "%-*s", LABEL, "");
  for (int32_t i = 0; i < COLUMNS; i++) {
    char name[16];
    if (!shown(&columns[i], to)) continue;
    report_heading(columns[i].metric, name);
    fprintf(to, "%8s", name);
  }
  fputc('\n', to);
}

const char *report_label(const evaluation *e, int32_t i) {
  return e->m != NULL && i == 0 && e->c.trained.final ? "model (final)" : e->contenders[i].name;
}

static void print_contender(const evaluation *e, int32_t protocol, int32_t i, FILE *to) {
  const contender *c = &e->contenders[i];
  const table_column *columns = report_columns(e);
  fprintf(to, "%-*s", LABEL, report_label(e, i));
  for (int32_t j = 0; j < COLUMNS; j++) {
    char text[32];
    if (!shown(&columns[j], to)) continue;
    snprintf(text, sizeof text, "%.4f%s", c->result.metrics[protocol].value[columns[j].metric],
             e->n > 1 && e->best[protocol][columns[j].metric] == i ? "*" : " ");
    fprintf(to, "%8s", text);
  }
  fputc('\n', to);
  if (e->c.replicates == 0) return;
  fprintf(to, "%-*s", LABEL, "  95% +-");
  for (int32_t j = 0; j < COLUMNS; j++) {
    const interval *r = &c->range[protocol][columns[j].metric];
    if (shown(&columns[j], to)) fprintf(to, "%7.4f ", 0.5 * (r->high - r->low));
  }
  fputc('\n', to);
}

// The differences of one of the rows that are compared with the baselines.
static void print_difference(const evaluation *e, int32_t protocol, int32_t row, FILE *to) {
  static const char *const labels[MODEL_ROWS] = {"model - best*", "  + counts - best*", "  + final - best*"};
  int32_t better = 0, surely = 0, surely_worse = 0;
  const table_column *columns = report_columns(e);
  const bool given = e->c.vectors != NULL;
  fprintf(to, "%-*s", LABEL, given ? "vectors - best*" : labels[row]);
  for (int32_t j = 0; j < COLUMNS; j++) {
    const paired_difference *p = &e->difference[row][protocol][columns[j].metric];
    if (shown(&columns[j], to)) fprintf(to, "%+7.4f ", p->value);
    better += p->value > 0;
    surely += e->c.replicates > 0 && p->range.low > 0;
    surely_worse += e->c.replicates > 0 && p->range.high < 0;
  }
  fputc('\n', to);
  for (int32_t end = 0; end < 2 && e->c.replicates > 0; end++) {
    fprintf(to, "%-*s", LABEL, end == 0 ? "  95% from" : "       to");
    for (int32_t j = 0; j < COLUMNS; j++) {
      const interval *r = &e->difference[row][protocol][columns[j].metric].range;
      if (shown(&columns[j], to)) fprintf(to, "%+7.4f ", end == 0 ? r->low : r->high);
    }
    fputc('\n', to);
  }
  fprintf(to, "the %s %s above the best baseline in %d of %d figures", e->contenders[row].name,
          given ? "are" : "is", better, COLUMNS);
  if (e->c.replicates > 0)
    fprintf(to, ",\nsurely (the interval is above 0) in %d, and surely below in %d", surely, surely_worse);
  fputc('\n', to);
}

static void print_shares(const evaluation *e, FILE *to) {
  const ranking_result *r = &e->contenders[0].result;
  const double n = (double)r->targets;
  fprintf(to,
          "targets   %.2f%% not in the vocabulary, %.2f%% in no part before (the rest,\n"
          "          %.2f%%, bounds HR of a model that knows items by id),\n",
          100.0 * (double)r->unknown / n, 100.0 * (double)r->unseen / n,
          100.0 * (double)(r->targets - r->unseen) / n);
  fprintf(to, "          %.2f%% cold: in no train part\n", 100.0 * (double)r->cold / n);
  if (r->no_history > 0)
    fprintf(to, "          %lld questions have no history (users whose first event is a target)\n",
            (long long)r->no_history);
}

// What is asked, of whom, and which parts the counts come from, where that is not obvious.
static void print_questions(const evaluation *e, FILE *to) {
  const dataset_info *info = dataset_get_info(e->d);
  const ranking_result *first = &e->contenders[0].result;
  const query_config *q = &e->c.ranking.query;
  char split[SPLIT_TEXT], text[4 * sizeof info->name + 1];
  fprintf(to, "data      %s, %s part: %lld questions of %lld users%s\n",
          printable(text, sizeof text, info->name, ""), report_part(e), (long long)first->queries,
          (long long)first->users, q->users > 0 ? " (a random subset)" : "");
  if (info->split.said) fprintf(to, "split     %s\n", split_describe(&info->split, split));
  if (report_takes_all(e))
    fprintf(to, "asked     for all %lld targets at once, one question a user\n", (long long)first->targets);
  else if (first->queries > first->users)
    fprintf(to, "asked     for one target after the other, each with all that precedes it\n");
  if (q->part == EVAL_TEST)
    fprintf(to, "counted   in %s (for baselines)\n",
            e->c.baselines.learn == 1 ? "the train part" : "the train and validation parts");
}

const char *report_learned_here(const evaluation *e, int32_t i, char buf[REPORT_TEXT]) {
  snprintf(buf, REPORT_TEXT,
           "the weights of \"%s\" were learned from targets of this part, so its figures here are too good; "
           "the test part has none of them",
           e->contenders[i].name);
  return buf;
}

static void print_mixes(const evaluation *e, FILE *to) {
  char text[REPORT_TEXT];
  for (int32_t i = 0, row = 1; i < 2; i++)
    if (e->c.mixes[i] != NULL)
      fprintf(to, "mix       %s: counts of %s, weights learned on validation%s\n", e->contenders[row++].name,
              mix_get_config(e->c.mixes[i])->counted,
              e->c.other_data ? " of the data that the model was trained on" : "");
  for (int32_t i = 0; i < e->judged; i++)
    if (evaluation_learned_here(e, i)) fprintf(to, "seen      %s\n", report_learned_here(e, i, text));
}

static void print_earlier(const trained_on *t, FILE *to) {
  char earlier[EARLIER_TEXT], text[4 * EARLIER_TEXT];
  if (trained_on_earlier(t, earlier)[0] != '\0')
    fprintf(to, "began     %s\n", printable(text, sizeof text, earlier, ""));
}

status evaluation_print(const evaluation *e, const evaluation_source *s, FILE *to) {
  const ranking_result *first = &e->contenders[0].result;
  const query_config *q = &e->c.ranking.query;
  char text[4 * PATH_MAX];
  print_questions(e, to);
  print_shares(e, to);
  if (e->m != NULL) {
    fprintf(to, "model     %s, step %lld\n", printable(text, sizeof text, s->checkpoint, ""),
            (long long)s->step);
    if (s->tried > 0)
      fprintf(to, "chosen    among %lld configuration%s on validation\n", (long long)s->tried,
              s->tried == 1 ? "" : "s");
    if (s->trained->parts != TRAINED_HERE || e->c.trained.final) {
      char trained[TRAINED_TEXT];
      trained_on_describe(s->trained, trained);
      fprintf(to, "trained   %s\n", printable(text, sizeof text, trained, ""));
    }
    print_mixes(e, to);
    print_earlier(s->trained, to);
    if (first->has_loss)
      fprintf(to, "loss      %.4f (perplexity %.5g), accuracy %.4f, on held-out items\n", first->loss,
              exp(first->loss), first->accuracy);
  }
  if (e->c.vectors != NULL) {
    fprintf(to, "vectors   %s", printable(text, sizeof text, s->users, ""));
    fprintf(to, ", %s\n", printable(text, sizeof text, s->items, ""));
  }
  if (e->suspicion.suspected) {
    char why[LEAK_TEXT];
    fprintf(to, "suspect   %s\n", leaks_describe(&e->suspicion, why));
  }
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++) {
    char title[160];
    if (!q->protocols[k]) continue;
    report_protocol(e, k, title, sizeof title);
    fprintf(to, "\n%s: %s\n", rank_protocol_names[k], title);
    print_heading(e, to);
    for (int32_t i = 0; i < e->n; i++) print_contender(e, k, i, to);
    for (int32_t i = 0; i < e->judged; i++) print_difference(e, k, i, to);
  }
  if (e->detail != NULL && e->c.detail_shown) detail_print(e, to);
  char bytes[32], all[32], parts[5][32];
  double seconds = e->open_seconds + e->count_seconds + e->bootstrap_seconds;
  for (int32_t i = 0; i < e->n; i++) seconds += e->contenders[i].result.seconds;
  fprintf(to, "\n* the best baseline; %s+- is half the width of\nthe bootstrap interval\n",
          report_takes_all(e) ? "" : "at cutoff 1, NDCG and MRR are HR; ");
  if (columns_shown(to) < COLUMNS)
    fprintf(to, "%d more columns do not fit here; --json has them, and a pipe or a wider window\n",
            COLUMNS - columns_shown(to));
  double of_model = 0;
  for (int32_t i = 0; i < e->judged; i++) of_model += e->contenders[i].result.seconds;
  const double of_baselines = seconds - e->open_seconds - e->count_seconds - e->bootstrap_seconds - of_model;
  fprintf(to,
          "time      %s: questions %s, %s %s, counting %s,\n"
          "          baselines %s, bootstrap %s; memory %s\n",
          human_seconds(all, seconds), human_seconds(parts[0], e->open_seconds),
          e->c.vectors != NULL ? "vectors" : "model", human_seconds(parts[1], of_model),
          human_seconds(parts[2], e->count_seconds), human_seconds(parts[3], of_baselines),
          human_seconds(parts[4], e->bootstrap_seconds), human_bytes(bytes, (double)mem_peak_bytes()));
  return ferror(to) ? fail(ERR_IO, "cannot write the evaluation") : OK;
}

// ---- json ------------------------------------------------------------------------------------------------------

void report_put(json_writer *w, json_t *object, const char *name, json_t *value) {
  if (json_object_set_new(object, name, value) != 0) w->failed = true; // also for a value that is NULL
}

json_t *report_ranged(json_writer *w, double value, const interval *r) {
  json_t *j = json_object();
  report_put(w, j, "value", json_real(value));
  if (w->e->c.replicates > 0) {
    report_put(w, j, "low", json_real(r->low));
    report_put(w, j, "high", json_real(r->high));
  }
  return j;
}

// Of one of the rows that are compared with the baselines.
static json_t *difference_json(json_writer *w, int32_t k, int32_t row) {
  const evaluation *e = w->e;
  json_t *difference = json_object();
  for (int32_t m = 0; m < e->metrics; m++) {
    const paired_difference *p = &e->difference[row][k][m];
    json_t *one = report_ranged(w, p->value, &p->range);
    report_put(w, one, "baseline", json_string(e->contenders[p->best].name));
    report_put(w, difference, rank_metric_name(m), one);
  }
  return difference;
}

static json_t *results_json(json_writer *w, int32_t k) {
  const evaluation *e = w->e;
  json_t *results = json_array();
  for (int32_t i = 0; i < e->n; i++) {
    const contender *c = &e->contenders[i];
    json_t *metrics = json_object(), *one = json_object();
    for (int32_t m = 0; m < e->metrics; m++)
      report_put(w, metrics, rank_metric_name(m),
                 report_ranged(w, c->result.metrics[k].value[m], &c->range[k][m]));
    report_put(w, one, "name", json_string(c->name));
    report_put(w, one, "baseline", json_boolean(i >= e->judged));
    report_put(w, one, "metrics", metrics);
    if (i > 0 && i < e->judged) report_put(w, one, "difference", difference_json(w, k, i));
    if (i > 0 && i < e->judged)
      report_put(w, one, "learned_here", json_boolean(evaluation_learned_here(e, i)));
    if (json_array_append_new(results, one) != 0) w->failed = true;
  }
  return results;
}

static json_t *protocol_json(json_writer *w, int32_t k) {
  const evaluation *e = w->e;
  json_t *j = json_object();
  report_put(w, j, "name", json_string(rank_protocol_names[k]));
  report_put(w, j, "results", results_json(w, k));
  if (k != RANK_FULL) {
    report_put(w, j, "negatives", json_integer(e->c.ranking.query.negatives));
    report_put(w, j, "fewest_negatives", json_integer((json_int_t)e->contenders[0].result.fewest_negatives));
  }
  if (e->judged > 0) report_put(w, j, "difference", difference_json(w, k, 0));
  return j;
}

// The baselines' options by name: what a reader needs to get the same numbers.
static json_t *baselines_json(json_writer *w) {
  const baseline_config *c = &w->e->c.baselines;
  json_t *j = json_object();
  for (size_t i = 0; i < n_baseline_options; i++) {
    const option *o = &baseline_options[i];
    const char *field = (const char *)c + o->offset;
    double number;
    int64_t whole;
    if (o->type == OPT_FLOAT) {
      memcpy(&number, field, sizeof number);
      report_put(w, j, o->name, json_real(number));
    } else if (o->type == OPT_CHOICE) {
      report_put(w, j, o->name, json_string(c->learn == 1 ? "train" : "before"));
    } else {
      memcpy(&whole, field, sizeof whole);
      report_put(w, j, o->name, json_integer(whole));
    }
  }
  return j;
}

static json_t *trained_json(json_writer *w, const trained_on *t) {
  json_t *j = json_object();
  report_put(w, j, "name", json_string(t->c->data.name));
  report_put(w, j, "checksum", json_string(t->c->data.checksum));
  report_put(w, j, "counts_like", json_string(trained_parts_names[t->parts]));
  report_put(w, j, "events", json_integer(t->events));
  report_put(w, j, "items_counted_more_often", json_integer(t->more_often));
  report_put(w, j, "unknown_items", json_integer(t->unknown_items));
  return j;
}

// What the parameters that the run began from were trained on, if it is other data than its own.
static json_t *earlier_json(json_writer *w, const checkpoint *c) {
  json_t *all = json_array();
  for (int32_t i = 0; i < c->state.n_earlier; i++) {
    json_t *one = json_object();
    report_put(w, one, "name", json_string(c->state.earlier[i].name));
    report_put(w, one, "checksum", json_string(c->state.earlier[i].checksum));
    if (json_array_append_new(all, one) != 0) w->failed = true;
  }
  return all;
}

static json_t *model_json(json_writer *w, const evaluation_source *s) {
  const ranking_result *r = &w->e->contenders[0].result;
  json_t *j = json_object();
  report_put(w, j, "checkpoint", json_string(s->checkpoint));
  report_put(w, j, "step", json_integer(s->step));
  report_put(w, j, "final", json_boolean(w->e->c.trained.final));
  if (w->e->c.trained.final) report_put(w, j, "final_users", json_integer(w->e->c.trained.final_users));
  if (s->tried > 0) report_put(w, j, "chosen_among", json_integer(s->tried));
  if (s->trained->parts != TRAINED_HERE) report_put(w, j, "trained_on", trained_json(w, s->trained));
  report_put(w, j, "earlier_data", earlier_json(w, s->trained->c));
  if (!r->has_loss) return j;
  report_put(w, j, "loss", json_real(r->loss));
  report_put(w, j, "perplexity", json_real(exp(r->loss)));
  report_put(w, j, "accuracy", json_real(r->accuracy));
  return j;
}

static json_t *data_json(json_writer *w) {
  const dataset_info *info = dataset_get_info(w->e->d);
  json_t *j = json_object();
  report_put(w, j, "dir", json_string(dataset_dir(w->e->d)));
  report_put(w, j, "name", json_string(info->name));
  report_put(w, j, "checksum", json_string(info->checksum));
  report_put(w, j, "items", json_integer(w->e->items));
  char split[SPLIT_TEXT];
  if (info->split.said) report_put(w, j, "split", json_string(split_describe(&info->split, split)));
  return j;
}

static json_t *seconds_json(json_writer *w) {
  const evaluation *e = w->e;
  json_t *j = json_object();
  report_put(w, j, "questions", json_real(e->open_seconds));
  report_put(w, j, "counting", json_real(e->count_seconds));
  report_put(w, j, "bootstrap", json_real(e->bootstrap_seconds));
  if (e->detail != NULL) report_put(w, j, "detail", json_real(e->detail->seconds));
  for (int32_t i = 0; i < e->n; i++)
    report_put(w, j, e->contenders[i].name, json_real(e->contenders[i].result.seconds));
  return j;
}

static json_t *suspicion_json(json_writer *w) {
  const leak_suspicion *s = &w->e->suspicion;
  json_t *j = json_object();
  report_put(w, j, "never", json_integer(s->never));
  report_put(w, j, "targets", json_integer(s->targets));
  report_put(w, j, "hits", json_integer(s->hits));
  report_put(w, j, "expected", json_real(s->expected));
  report_put(w, j, "suspected", json_boolean(s->suspected));
  return j;
}

status evaluation_json(const evaluation *e, const evaluation_source *s, json_t **out) {
  const ranking_result *first = &e->contenders[0].result;
  const query_config *q = &e->c.ranking.query;
  json_writer w = {.e = e};
  json_t *j = json_object(), *protocols = json_array();
  report_put(&w, j, "schema", json_string("souk.evaluation"));
  report_put(&w, j, "version", json_integer(1));
  report_put(&w, j, "created_by", json_string("souk " SOUK_VERSION));
  report_put(&w, j, "data", data_json(&w));
  report_put(&w, j, "part", json_string(report_part(e)));
  report_put(&w, j, "users", json_integer(first->users));
  report_put(&w, j, "questions", json_integer(first->queries));
  report_put(&w, j, "reading", json_string(report_takes_all(e) ? "all" : "next"));
  report_put(&w, j, "targets", json_integer(first->targets));
  report_put(&w, j, "no_history", json_integer(first->no_history));
  report_put(&w, j, "unknown_targets", json_integer(first->unknown));
  report_put(&w, j, "unseen_targets", json_integer(first->unseen));
  report_put(&w, j, "cold_targets", json_integer(first->cold));
  report_put(&w, j, "seed", json_integer(q->seed));
  report_put(&w, j, "filter_history", json_boolean(q->filter_history));
  report_put(&w, j, "bootstrap", json_integer(e->c.replicates));
  report_put(&w, j, "baselines", baselines_json(&w));
  if (e->m != NULL) report_put(&w, j, "model", model_json(&w, s));
  if (e->c.vectors != NULL)
    report_put(&w, j, "vectors", json_pack("{s:s,s:s}", "users", s->users, "items", s->items));
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++)
    if (q->protocols[k] && json_array_append_new(protocols, protocol_json(&w, k)) != 0) w.failed = true;
  report_put(&w, j, "protocols", protocols);
  if (e->judged > 0) report_put(&w, j, "unseen", suspicion_json(&w));
  if (e->detail != NULL && e->c.detail_shown) report_put(&w, j, "detail", detail_json(&w));
  report_put(&w, j, "seconds", seconds_json(&w));
  report_put(&w, j, "peak_bytes", json_integer((json_int_t)mem_peak_bytes()));
  *out = w.failed ? NULL : j;
  if (!w.failed) return OK;
  json_decref(j);
  return fail(ERR_FORMAT,
              "the evaluation cannot be written as json: out of memory, or a name is not valid UTF-8");
}
