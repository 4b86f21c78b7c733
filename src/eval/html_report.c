// An evaluation as one page of HTML (souk eval --report): what was asked, of what, by which command, all tables, and the
// intervals drawn. Nothing is loaded and nothing runs.
#include <math.h>
#include <string.h>
#include "base/log.h"
#include "eval/html.h"
#include "eval/report_internal.h"

typedef struct page {
  const evaluation *e;
  const evaluation_source *s;
  out_file *f;
} page;

static status cell(page *p, const char *format, double value, const char *class) {
  TRY(out_printf(p->f, class[0] != '\0' ? "<td class=\"%s\">" : "<td>", class));
  TRY(out_printf(p->f, format, value));
  return out_printf(p->f, "</td>");
}

static status range_cell(page *p, double value, const interval *r, const char *class) {
  TRY(out_printf(p->f, "<td class=\"%s\">%.4f", class, value));
  if (p->e->c.replicates > 0) TRY(out_printf(p->f, "<small>%.4f to %.4f</small>", r->low, r->high));
  return out_printf(p->f, "</td>");
}

static status first_cell(page *p, const char *text, bool of_model) {
  TRY(out_printf(p->f, of_model ? "<tr class=\"model\"><td>" : "<tr><td>"));
  TRY(html_text(p->f, text));
  return out_printf(p->f, "</td>");
}

static bool is_model(const page *p, int32_t i) {
  return i < p->e->judged;
}

// Of a model, of it with counts, or of the vectors of another program, to the baselines.
enum { DIFFERENCE_NAME = 96 };
static const char *difference_name(const page *p, int32_t row, char name[DIFFERENCE_NAME]) {
  snprintf(name, DIFFERENCE_NAME, "%s - best baseline", report_label(p->e, row));
  return name;
}

// ---- what it is about ------------------------------------------------------------------------------------------

static status number_fact(page *p, const char *name, int64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)value);
  return html_fact(p->f, name, text);
}

// What a reader has to know about figures of such a split.
static const char *caveat_of(split_kind kind) {
  switch (kind) {
  case SPLIT_TIME:
    return "This split is by time: nothing that was trained on is later than any question, as on the day of "
           "use. Users and "
           "items that came later are among the questions, and a user may have several targets; the tables "
           "at the end "
           "show new users and cold items apart. One period is asked about, so a season or a campaign in it "
           "counts in "
           "full.";
  case SPLIT_USER:
    return "This split is by user: the users asked about have never been trained on, but what others did "
           "after a target "
           "has been, so the figures are higher than they would be on the day of use.";
  default:
    return "This split is leave-one-out: of each user the last events are asked about, whenever they were. A "
           "model was "
           "trained on what other users did after a user's target, which nobody could do on the day, so the "
           "figures "
           "are higher than they would be then, and they compare models rather than foretell. A split by "
           "time (souk "
           "prepare --split time) asks what could be asked on the day.";
  }
}

static status write_data(page *p) {
  const dataset_info *info = dataset_get_info(p->e->d);
  const ranking_result *r = &p->e->contenders[0].result;
  char split[SPLIT_TEXT];
  TRY(out_printf(p->f, "<h2>Data</h2>\n<table class=\"facts\">\n"));
  TRY(html_fact(p->f, "data set", info->name));
  TRY(html_fact(p->f, "directory", dataset_dir(p->e->d)));
  TRY(html_fact(p->f, "checksum", info->checksum));
  TRY(html_fact(p->f, "split", split_describe(&info->split, split)));
  TRY(html_fact(p->f, "times", info->has_time ? "yes" : "none: the order of rows is the order of events"));
  TRY(number_fact(p, "users", info->sequences));
  TRY(number_fact(p, "items", p->e->items));
  TRY(number_fact(p, "events", info->tokens));
  TRY(number_fact(p, "events of train parts", info->train_tokens));
  TRY(number_fact(p, "events of validation parts", info->valid_targets));
  TRY(number_fact(p, "events of test parts", info->test_targets));
  TRY(html_fact(p->f, "part asked about", report_part(p->e)));
  TRY(number_fact(p, "questions", r->queries));
  TRY(number_fact(p, "of users", r->users));
  TRY(number_fact(p, "of these new: without an event that was trained on", p->e->detail->new_users));
  TRY(number_fact(p, "targets", r->targets));
  TRY(number_fact(p, "targets that are not in the vocabulary", r->unknown));
  TRY(number_fact(p, "targets of items in no part before", r->unseen));
  TRY(number_fact(p, "targets of cold items, in no train part", r->cold));
  TRY(number_fact(p, "questions without a history", r->no_history));
  TRY(out_printf(p->f, "</table>\n<p class=\"caveat\">"));
  TRY(html_text(p->f, caveat_of(info->split.kind)));
  return out_printf(p->f, "</p>\n");
}

static status write_vectors(page *p) {
  TRY(out_printf(p->f, "<h2>Vectors of another program</h2>\n<table class=\"facts\">\n"));
  TRY(html_fact(p->f, "of users", p->s->users));
  TRY(html_fact(p->f, "of items", p->s->items));
  return out_printf(p->f, "</table>\n");
}

static status write_model(page *p) {
  const ranking_result *r = &p->e->contenders[0].result;
  const trained_on *t = p->s->trained;
  char text[TRAINED_TEXT], earlier[EARLIER_TEXT];
  if (p->e->c.vectors != NULL) return write_vectors(p);
  if (p->e->m == NULL) return html_element(p->f, "p", "No model: the counting baselines alone.");
  TRY(out_printf(p->f, "<h2>Model</h2>\n<table class=\"facts\">\n"));
  TRY(html_fact(p->f, "checkpoint", p->s->checkpoint));
  TRY(number_fact(p, "step", p->s->step));
  if (p->s->tried > 0) TRY(number_fact(p, "chosen on validation among so many configurations", p->s->tried));
  TRY(html_fact(p->f, "written by", t->c->created_by));
  TRY(html_fact(p->f, "trained", trained_on_describe(t, text)));
  TRY(html_fact(p->f, "kind of training",
                p->e->c.trained.final ? "final: train and validation parts (data.final)" : "train part"));
  if (trained_on_earlier(t, earlier)[0] != '\0') TRY(html_fact(p->f, "began", earlier));
  if (r->has_loss) {
    snprintf(text, sizeof text, "%.4f (perplexity %.5g), accuracy %.4f", r->loss, exp(r->loss), r->accuracy);
    TRY(html_fact(p->f, "loss of held-out items", text));
  }
  TRY(out_printf(p->f, "</table>\n<details><summary>its configuration</summary>\n"));
  TRY(html_element(p->f, "pre", t->c->config_yaml));
  return out_printf(p->f, "</details>\n");
}

static status write_learned_here(page *p) {
  char text[REPORT_TEXT];
  for (int32_t i = 0; i < p->e->judged; i++) {
    if (!evaluation_learned_here(p->e, i)) continue;
    TRY(out_printf(p->f, "<p class=\"caveat\">Seen: "));
    TRY(html_text(p->f, report_learned_here(p->e, i, text)));
    TRY(out_printf(p->f, "</p>\n"));
  }
  return OK;
}

static status write_suspicion(page *p) {
  char text[LEAK_TEXT];
  TRY(out_printf(p->f, "<p class=\"caveat\">Suspicion of a leak: "));
  TRY(html_text(p->f, leaks_describe(&p->e->suspicion, text)));
  return out_printf(p->f, "</p>\n");
}

static status write_head(page *p) {
  const dataset_info *info = dataset_get_info(p->e->d);
  char title[sizeof info->name + 64];
  snprintf(title, sizeof title, "Evaluation on %s, %s part", info->name, report_part(p->e));
  TRY(html_begin(p->f, title));
  TRY(html_element(p->f, "h1", title));
  TRY(html_element(p->f, "pre", p->s->command));
  TRY(html_element(p->f, "p", "Written by souk " SOUK_VERSION ". docs/evaluation.md defines every figure."));
  TRY(write_data(p));
  TRY(write_model(p));
  TRY(write_learned_here(p));
  return p->e->suspicion.suspected ? write_suspicion(p) : OK;
}

// ---- protocols -------------------------------------------------------------------------------------------------

static status write_headings(page *p) {
  const table_column *columns = report_columns(p->e);
  TRY(out_printf(p->f, "<div class=\"wide\"><table>\n<tr><th></th>"));
  for (int32_t j = 0; j < REPORT_COLUMNS; j++) {
    char name[16];
    report_heading(columns[j].metric, name);
    TRY(out_printf(p->f, "<th>%s</th>", name));
  }
  return out_printf(p->f, "</tr>\n");
}

static status write_contender(page *p, int32_t k, int32_t i) {
  const contender *c = &p->e->contenders[i];
  TRY(first_cell(p, report_label(p->e, i), is_model(p, i)));
  for (int32_t j = 0; j < REPORT_COLUMNS; j++) {
    const int32_t m = report_columns(p->e)[j].metric;
    TRY(range_cell(p, c->result.metrics[k].value[m], &c->range[k][m], p->e->best[k][m] == i ? "best" : ""));
  }
  return out_printf(p->f, "</tr>\n");
}

static status write_difference(page *p, int32_t k, int32_t row) {
  char name[DIFFERENCE_NAME];
  TRY(first_cell(p, difference_name(p, row, name), true));
  for (int32_t j = 0; j < REPORT_COLUMNS; j++) {
    const paired_difference *d = &p->e->difference[row][k][report_columns(p->e)[j].metric];
    TRY(range_cell(p, d->value, &d->range, ""));
  }
  return out_printf(p->f, "</tr>\n");
}

// All contenders in one figure.
static status draw_metric(page *p, int32_t k, int32_t m) {
  html_mark marks[CONTENDERS];
  char title[160];
  snprintf(title, sizeof title, "%s, %s%s", rank_metric_name(m), rank_protocol_names[k],
           p->e->c.replicates > 0 ? ", with 95% intervals" : "");
  for (int32_t i = 0; i < p->e->n; i++) {
    const contender *c = &p->e->contenders[i];
    marks[i] = (html_mark){.label = report_label(p->e, i),
                           .value = c->result.metrics[k].value[m],
                           .low = c->range[k][m].low,
                           .high = c->range[k][m].high,
                           .ranged = p->e->c.replicates > 0,
                           .emphasised = is_model(p, i)};
  }
  return html_marks(p->f, title, marks, p->e->n);
}

static status draw_differences(page *p, int32_t k, int32_t row) {
  html_mark marks[REPORT_COLUMNS];
  char title[DIFFERENCE_NAME + 64], name[DIFFERENCE_NAME];
  char names[REPORT_COLUMNS][16];
  for (int32_t j = 0; j < REPORT_COLUMNS; j++) {
    const int32_t m = report_columns(p->e)[j].metric;
    const paired_difference *d = &p->e->difference[row][k][m];
    report_heading(m, names[j]);
    marks[j] = (html_mark){.label = names[j],
                           .value = d->value,
                           .low = d->range.low,
                           .high = d->range.high,
                           .ranged = p->e->c.replicates > 0,
                           .emphasised = true};
  }
  snprintf(title, sizeof title, "%s that is best in each figure, over the same users",
           difference_name(p, row, name));
  return html_marks(p->f, title, marks, REPORT_COLUMNS);
}

static status write_protocol(page *p, int32_t k) {
  const bool all = report_takes_all(p->e);
  char title[160];
  report_protocol(p->e, k, title, sizeof title);
  TRY(out_printf(p->f, "<h2>%s</h2>\n", rank_protocol_names[k]));
  TRY(html_element(p->f, "p", title));
  TRY(write_headings(p));
  for (int32_t i = 0; i < p->e->n; i++) TRY(write_contender(p, k, i));
  for (int32_t i = 0; i < p->e->judged; i++) TRY(write_difference(p, k, i));
  TRY(out_printf(p->f, "</table></div>\n"));
  TRY(draw_metric(p, k, all ? METRIC_RECALL + 2 : METRIC_HR + 2));
  TRY(draw_metric(p, k, METRIC_NDCG + 2));
  for (int32_t i = 0; i < p->e->judged; i++) TRY(draw_differences(p, k, i));
  return OK;
}

// ---- what is recommended ---------------------------------------------------------------------------------------

static status write_means(page *p, const popularity_means *m) {
  TRY(cell(p, "%.2f", m->information, ""));
  TRY(cell(p, "%.1f", m->events, ""));
  TRY(cell(p, "%.2f", m->percentile, ""));
  TRY(cell(p, "%.2f%%", 100 * m->nobodys, ""));
  return out_printf(p->f, "</tr>\n");
}

static status write_reference(page *p, const char *name, const popularity_means *m) {
  TRY(first_cell(p, name, false));
  TRY(out_printf(p->f, "<td></td><td></td>"));
  return write_means(p, m);
}

static status write_lists_at(page *p, int32_t c) {
  const evaluation_detail *d = p->e->detail;
  TRY(out_printf(
      p->f,
      "<h3>the best %d</h3>\n<div class=\"wide\"><table>\n<tr><th></th><th>coverage</th><th>Gini</th>"
      "<th>self-information, bits</th><th>ARP, events</th><th>percentile</th><th>items that nobody "
      "has</th></tr>\n",
      list_cutoffs[c]));
  for (int32_t i = 0; i < p->e->n; i++) {
    const list_figures *f = &d->lists[i][c];
    TRY(first_cell(p, report_label(p->e, i), is_model(p, i)));
    TRY(cell(p, "%.4f", f->coverage, ""));
    TRY(cell(p, "%.4f", f->gini, ""));
    TRY(write_means(p, &f->popularity));
  }
  TRY(write_reference(p, "targets", &d->targets));
  TRY(write_reference(p, "histories", &d->histories));
  return out_printf(p->f, "</table></div>\n");
}

static status draw_percentiles(page *p) {
  const evaluation_detail *d = p->e->detail;
  html_mark marks[CONTENDERS + 2];
  for (int32_t i = 0; i < p->e->n; i++)
    marks[i] = (html_mark){.label = report_label(p->e, i),
                           .value = d->lists[i][1].popularity.percentile,
                           .emphasised = is_model(p, i)};
  marks[p->e->n] = (html_mark){.label = "targets", .value = d->targets.percentile};
  marks[p->e->n + 1] = (html_mark){.label = "histories", .value = d->histories.percentile};
  return html_marks(p->f, "mean popularity percentile of the best 10, beside targets and histories", marks,
                    p->e->n + 2);
}

static status write_lists(page *p) {
  TRY(out_printf(p->f, "<h2>What is recommended</h2>\n"));
  TRY(html_element(
      p->f, "p",
      "Lists of the whole catalogue as they would be served, for every question. Coverage is the share of "
      "the "
      "catalogue in at least one list, Gini how unevenly the catalogue appears (0: evenly). Popularity is by "
      "the parts before the one asked about: self-information is novelty, ARP the mean number of events of "
      "an item, the percentile its place in the catalogue (100: the most popular)."));
  for (int32_t c = 0; c < LIST_CUTOFFS; c++) TRY(write_lists_at(p, c));
  return draw_percentiles(p);
}

// ---- for whom, and of what -------------------------------------------------------------------------------------

static status write_bucket_rows(page *p, const bucket_list *l, int32_t m) {
  for (int32_t i = 0; i < p->e->n; i++) {
    TRY(first_cell(p, report_label(p->e, i), is_model(p, i)));
    for (int32_t b = 0; b < l->n; b++) TRY(range_cell(p, l->of[b].value[i][m], &l->of[b].range[i][m], ""));
    TRY(out_printf(p->f, "</tr>\n"));
  }
  if (p->e->judged == 0) return OK;
  char name[DIFFERENCE_NAME];
  TRY(first_cell(p, difference_name(p, 0, name), true));
  for (int32_t b = 0; b < l->n; b++)
    TRY(range_cell(p, l->of[b].difference[m].value, &l->of[b].difference[m].range, ""));
  return out_printf(p->f, "</tr>\n");
}

static status write_bucket_table(page *p, const bucket_list *l, int32_t m) {
  char name[16];
  report_heading(bucket_metrics[m], name);
  TRY(out_printf(p->f, "<div class=\"wide\"><table>\n<tr><th>%s</th>", name));
  for (int32_t b = 0; b < l->n; b++) TRY(html_element(p->f, "th", l->of[b].name));
  TRY(out_printf(p->f, "</tr>\n<tr><td>targets (users)</td>"));
  for (int32_t b = 0; b < l->n; b++)
    TRY(out_printf(p->f, "<td>%lld (%lld)</td>", (long long)l->of[b].targets, (long long)l->of[b].users));
  TRY(out_printf(p->f, "</tr>\n"));
  TRY(write_bucket_rows(p, l, m));
  return out_printf(p->f, "</table></div>\n");
}

// The model, or the first baseline, in each bucket.
static status draw_buckets(page *p, bucket_kind kind, int32_t m) {
  const bucket_list *l = &p->e->detail->buckets[kind];
  html_mark marks[MOST_BUCKETS];
  char title[160];
  snprintf(title, sizeof title, "%s of %s by %s", rank_metric_name(bucket_metrics[m]), report_label(p->e, 0),
           bucket_titles[kind]);
  for (int32_t b = 0; b < l->n; b++)
    marks[b] = (html_mark){.label = l->of[b].name,
                           .value = l->of[b].value[0][m],
                           .low = l->of[b].range[0][m].low,
                           .high = l->of[b].range[0][m].high,
                           .ranged = p->e->c.replicates > 0,
                           .emphasised = is_model(p, 0)};
  return l->n > 0 ? html_marks(p->f, title, marks, l->n) : OK;
}

static status write_buckets(page *p) {
  TRY(out_printf(p->f, "<h2>For whom, and of what</h2>\n"));
  TRY(html_element(
      p->f, "p",
      "Targets in groups, each target by itself, ranked in the whole catalogue. Groups are quarters of the "
      "targets, as far as equal ones allow; cold items and new users are apart."));
  for (int kind = 0; kind < BUCKET_KINDS; kind++) {
    if (kind == BY_DOMAIN && p->e->detail->buckets[kind].n == 0) continue;
    TRY(html_element(p->f, "h3", bucket_titles[kind]));
    for (int32_t m = 0; m < BUCKET_METRICS; m++) TRY(write_bucket_table(p, &p->e->detail->buckets[kind], m));
    TRY(draw_buckets(p, (bucket_kind)kind, BUCKET_METRICS - 1));
  }
  return OK;
}

static status write_settings(page *p) {
  const evaluation *e = p->e;
  char text[64];
  TRY(out_printf(p->f, "<h2>Settings</h2>\n<table class=\"facts\">\n"));
  TRY(number_fact(p, "seed", e->c.ranking.query.seed));
  TRY(number_fact(p, "bootstrap replicates, drawn by user", e->c.replicates));
  TRY(html_fact(p->f, "several targets of a user",
                report_takes_all(e) ? "in one question" : "one after the other"));
  TRY(html_fact(p->f, "items of the history",
                e->c.ranking.query.filter_history ? "no candidates" : "candidates"));
  TRY(html_fact(p->f, "baselines learn from",
                e->c.baselines.learn == 1 ? "the train part" : "all parts before the one asked about"));
  for (size_t i = 0; i < n_baseline_options; i++) {
    const option *o = &baseline_options[i];
    double value = 0;
    if (o->type != OPT_FLOAT) continue;
    memcpy(&value, (const char *)&e->c.baselines + o->offset, sizeof value);
    snprintf(text, sizeof text, "%g", value);
    TRY(html_fact(p->f, o->name, text));
  }
  return out_printf(p->f, "</table>\n");
}

static status write_page(page *p) {
  TRY(write_head(p));
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++)
    if (p->e->c.ranking.query.protocols[k]) TRY(write_protocol(p, k));
  TRY(write_lists(p));
  TRY(write_buckets(p));
  TRY(write_settings(p));
  return html_end(p->f);
}

status evaluation_html(const evaluation *e, const evaluation_source *s, out_file *f) {
  page p = {.e = e, .s = s, .f = f};
  return out_finish(f, write_page(&p));
}
