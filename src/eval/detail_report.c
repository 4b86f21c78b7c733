// The details of an evaluation as tables and as json.
#include "eval/report_internal.h"

// ---- tables ----------------------------------------------------------------------------------------------------

static void print_means(const popularity_means *p, FILE *to) {
  fprintf(to, "%8.2f%9.1f%9.2f\n", p->information, p->events, p->percentile);
}

// Of lists: all cutoffs of coverage, the rest at 10.
static void print_lists(const evaluation *e, FILE *to) {
  const evaluation_detail *d = e->detail;
  fprintf(
      to,
      "\nlists: the best 5, 10 and 20 of the whole catalogue, and how popular what they hold is (at 10)\n");
  fprintf(to, "%-*s%8s%8s%8s%8s%8s%9s%9s\n", REPORT_LABEL, "", "COV@5", "COV@10", "COV@20", "GINI@10", "BITS",
          "ARP", "PERCENT");
  for (int32_t i = 0; i < e->n; i++) {
    const list_figures *f = d->lists[i];
    fprintf(to, "%-*s%8.4f%8.4f%8.4f%8.4f", REPORT_LABEL, report_label(e, i), f[0].coverage, f[1].coverage,
            f[2].coverage, f[1].gini);
    print_means(&f[1].popularity, to);
  }
  fprintf(to, "%-*s%32s", REPORT_LABEL, "targets", "");
  print_means(&d->targets, to);
  fprintf(to, "%-*s%32s", REPORT_LABEL, "histories", "");
  print_means(&d->histories, to);
  fprintf(to,
          "COV: share of the catalogue in a list; BITS: novelty, mean self-information; ARP: mean number of\n"
          "events of an item before; PERCENT: its percentile in the catalogue, 100 is the most popular\n");
}

// A figure with half the width of its interval, in a column.
static void print_figure(const evaluation *e, double value, const interval *r, bool sign, FILE *to) {
  char text[48];
  int n = snprintf(text, sizeof text, sign ? "%+.4f" : "%.4f", value);
  if (e->c.replicates > 0) snprintf(text + n, sizeof text - (size_t)n, " +-%.4f", 0.5 * (r->high - r->low));
  fprintf(to, "%18s", text);
}

static void print_row(const evaluation *e, const bucket_list *l, int32_t i, int32_t m, FILE *to) {
  fprintf(to, "%-*s", REPORT_LABEL, report_label(e, i));
  for (int32_t b = 0; b < l->n; b++) print_figure(e, l->of[b].value[i][m], &l->of[b].range[i][m], false, to);
  fputc('\n', to);
}

static void print_differences(const evaluation *e, const bucket_list *l, int32_t m, FILE *to) {
  fprintf(to, "%-*s", REPORT_LABEL, e->c.vectors != NULL ? "vectors - best" : "model - best");
  for (int32_t b = 0; b < l->n; b++) {
    const paired_difference *d = &l->of[b].difference[m];
    print_figure(e, d->value, &d->range, true, to);
  }
  fputc('\n', to);
}

static void print_buckets(const evaluation *e, bucket_kind kind, FILE *to) {
  const bucket_list *l = &e->detail->buckets[kind];
  fprintf(to, "\n%s\n%-*s", bucket_titles[kind], REPORT_LABEL, "");
  for (int32_t b = 0; b < l->n; b++) fprintf(to, "%18s", l->of[b].name);
  fprintf(to, "\n%-*s", REPORT_LABEL, "targets");
  for (int32_t b = 0; b < l->n; b++) fprintf(to, "%18lld", (long long)l->of[b].targets);
  fprintf(to, "\n%-*s", REPORT_LABEL, "users");
  for (int32_t b = 0; b < l->n; b++) fprintf(to, "%18lld", (long long)l->of[b].users);
  fputc('\n', to);
  for (int32_t m = 0; m < BUCKET_METRICS; m++) {
    char name[16];
    report_heading(bucket_metrics[m], name);
    fprintf(to, "%s\n", name);
    for (int32_t i = 0; i < e->n; i++) print_row(e, l, i, m, to);
    if (e->judged > 0) print_differences(e, l, m, to);
  }
}

// Where all users are of one kind the table is the one above.
static bool has_table(bucket_kind kind, int32_t n) {
  return kind == BY_USER ? n > 1 : kind == BY_DOMAIN ? n > 0 : true;
}

void detail_print(const evaluation *e, FILE *to) {
  print_lists(e, to);
  for (int kind = 0; kind < BUCKET_KINDS; kind++)
    if (has_table((bucket_kind)kind, e->detail->buckets[kind].n)) print_buckets(e, (bucket_kind)kind, to);
}

// ---- json ------------------------------------------------------------------------------------------------------

static void put_means(json_writer *w, json_t *j, const popularity_means *p) {
  report_put(w, j, "self_information_bits", json_real(p->information));
  report_put(w, j, "mean_events", json_real(p->events));
  report_put(w, j, "mean_percentile", json_real(p->percentile));
  report_put(w, j, "share_that_nobody_has", json_real(p->nobodys));
}

static json_t *means_json(json_writer *w, const popularity_means *p) {
  json_t *j = json_object();
  put_means(w, j, p);
  return j;
}

static json_t *lists_json(json_writer *w) {
  json_t *all = json_array();
  for (int32_t i = 0; i < w->e->n; i++) {
    json_t *one = json_object();
    report_put(w, one, "name", json_string(w->e->contenders[i].name));
    for (int32_t c = 0; c < LIST_CUTOFFS; c++) {
      const list_figures *f = &w->e->detail->lists[i][c];
      char name[16];
      json_t *at = json_object();
      report_put(w, at, "items", json_integer(f->items));
      report_put(w, at, "coverage", json_real(f->coverage));
      report_put(w, at, "gini", json_real(f->gini));
      put_means(w, at, &f->popularity);
      snprintf(name, sizeof name, "@%d", list_cutoffs[c]);
      report_put(w, one, name, at);
    }
    if (json_array_append_new(all, one) != 0) w->failed = true;
  }
  return all;
}

static json_t *bucket_results(json_writer *w, const bucket *b) {
  json_t *all = json_array();
  for (int32_t i = 0; i < w->e->n; i++) {
    json_t *one = json_object();
    report_put(w, one, "name", json_string(w->e->contenders[i].name));
    for (int32_t m = 0; m < BUCKET_METRICS; m++)
      report_put(w, one, rank_metric_name(bucket_metrics[m]),
                 report_ranged(w, b->value[i][m], &b->range[i][m]));
    if (json_array_append_new(all, one) != 0) w->failed = true;
  }
  return all;
}

static json_t *bucket_json(json_writer *w, const bucket *b) {
  json_t *j = json_object();
  report_put(w, j, "name", json_string(b->name));
  report_put(w, j, "low", json_integer(b->low));
  report_put(w, j, "high", json_integer(b->high));
  report_put(w, j, "targets", json_integer(b->targets));
  report_put(w, j, "users", json_integer(b->users));
  report_put(w, j, "results", bucket_results(w, b));
  if (w->e->judged == 0) return j;
  json_t *difference = json_object();
  for (int32_t m = 0; m < BUCKET_METRICS; m++) {
    const paired_difference *p = &b->difference[m];
    json_t *one = report_ranged(w, p->value, &p->range);
    report_put(w, one, "baseline", json_string(w->e->contenders[p->best].name));
    report_put(w, difference, rank_metric_name(bucket_metrics[m]), one);
  }
  report_put(w, j, "difference", difference);
  return j;
}

json_t *detail_json(json_writer *w) {
  const evaluation_detail *d = w->e->detail;
  json_t *j = json_object(), *buckets = json_object();
  report_put(w, j, "lists", lists_json(w));
  report_put(w, j, "targets", means_json(w, &d->targets));
  report_put(w, j, "histories", means_json(w, &d->histories));
  report_put(w, j, "new_users", json_integer(d->new_users));
  for (int kind = 0; kind < BUCKET_KINDS; kind++) {
    const bucket_list *l = &d->buckets[kind];
    if (kind == BY_DOMAIN && l->n == 0) continue;
    json_t *list = json_array();
    for (int32_t b = 0; b < l->n; b++)
      if (json_array_append_new(list, bucket_json(w, &l->of[b])) != 0) w->failed = true;
    report_put(w, buckets, bucket_keys[kind], list);
  }
  report_put(w, j, "buckets", buckets);
  return j;
}
