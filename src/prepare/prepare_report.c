// The report of souk prepare: report.json for programs, lines for people.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/order.h"
#include "prepare/prepare_internal.h"
#include "format/printable.h"

void show_progress(prepare_job *job, const char *what, int64_t count, double share) {
  const double now = now_seconds(), least = log_is_terminal() ? 0.2 : 10.0;
  if (now - job->last_progress < least) return;
  job->last_progress = now;
  if (share >= 0)
    log_status_line("%s: %lld, %.0f%%", what, (long long)count, 100.0 * share);
  else
    log_status_line("%s: %lld", what, (long long)count);
}

// ---- warnings ------------------------------------------------------------------------------------------------

// A sentence that begins with a path, without its folders: the report says the same wherever the log lies.
static const char *without_folders(const char *sentence) {
  const char *end = strstr(sentence, ": "), *from = sentence;
  for (const char *p = sentence; p < end; p++)
    if (*p == '/') from = p + 1;
  return from;
}

void prepare_warn(prepare_job *job, const char *format, ...) {
  char text[2048], shown[4096];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  log_warn("%s", text);
  if (job->warnings == NULL) job->warnings = json_array();
  json_array_append_new(job->warnings,
                        json_string(printable(shown, sizeof shown, without_folders(text), "")));
}

static void tell_user(void *job, const char *sentence) {
  prepare_warn(job, "%s", sentence);
}

// Remarks are kept until all files are read, so that files with the same fault are one warning: by what is said, with the
// first file and line, and counts of files and rows. Memory for them that cannot be had loses them, as it does warnings.
void keep_remark(void *self, const log_remark *remark) {
  prepare_job *job = self;
  char what[1024];
  json_int_t files = 0, rows = 0;
  printable(what, sizeof what, remark->what, "");
  if (job->remarks == NULL) job->remarks = json_object();
  json_t *known = json_object_get(job->remarks, what);
  if (known == NULL)
    json_object_set_new(job->remarks, what,
                        json_pack("{s:o,s:I,s:i,s:i}", "file",
                                  json_stringn_nocheck(remark->path, strlen(remark->path)), "line",
                                  (json_int_t)remark->line, "files", 0, "rows", 0));
  known = json_object_get(job->remarks, what);
  if (json_unpack(known, "{s:I,s:I}", "files", &files, "rows", &rows) != 0) return;
  json_object_set_new(known, "files", json_integer(files + 1));
  json_object_set_new(known, "rows", json_integer(rows + remark->rows));
  if (files == 0) json_object_set_new(known, "first_rows", json_integer(remark->rows));
}

static void warn_of_remark(prepare_job *job, const char *what, const json_t *remark) {
#define NUMBER(name) ((long long)json_integer_value(json_object_get(remark, name)))
  char rows[96] = "", others[96] = "";
  if (NUMBER("rows") > 0)
    snprintf(rows, sizeof rows, ": %lld, the first on line %lld", NUMBER("first_rows"), NUMBER("line"));
  if (NUMBER("files") > 1 && rows[0] != '\0')
    snprintf(others, sizeof others, "; %lld in all, in %lld files", NUMBER("rows"), NUMBER("files"));
  else if (NUMBER("files") > 1)
    snprintf(others, sizeof others, "; the same in %lld files in all", NUMBER("files"));
  prepare_warn(job, "%.1000s: %s%s%s", json_string_value(json_object_get(remark, "file")), what, rows,
               others);
#undef NUMBER
}

void warn_of_remarks(prepare_job *job) {
  const char *what;
  const json_t *remark;
  json_object_foreach(job->remarks, what, remark) warn_of_remark(job, what, remark);
  json_decref(job->remarks);
  job->remarks = NULL;
}

static void warn_only_now(void *unused, const char *sentence) {
  (void)unused;
  log_warn("%s", sentence);
}

void warn_of_times(prepare_job *job) {
  const char *column = job->c->fields.time;
  if (!prepare_has_times(job->c)) return;
  const time_t now = time(NULL);
  int64_t year;
  int month, day;
  survey_judge(&job->times, (time_format)job->c->input.time_format, job->zone, column, tell_user, job);
  date_of_days((int64_t)now / 86400, &year, &month, &day);
  survey_judge_future(&job->times, year, column, warn_only_now,
                      NULL); // not in the report, which knows no clock
}

void warn_of_span(prepare_job *job) {
  const double gap = job->c->fields.session[0] == '\0' ? job->c->filter.session_gap : 0;
  if (prepare_has_times(job->c)) span_judge(&job->span, job->c->fields.time, gap, tell_user, job);
}

// Amounts of several currencies are compared as if they were of one.
void warn_of_currencies(prepare_job *job, const char *field, const price_notes *notes) {
  char list[MAX_CURRENCIES * 80] = "", one[80], text[4 * CURRENCY_TEXT];
  if (notes->n_currencies < 2) return;
  for (int i = 0; i < notes->n_currencies; i++) {
    snprintf(one, sizeof one, "%s%s of %lld (the first on line %lld)", i > 0 ? ", " : "",
             printable(text, sizeof text, notes->currencies[i].text, ""),
             (long long)notes->currencies[i].count, (long long)notes->currencies[i].line);
    strcat(list, one);
  }
  prepare_warn(job, "%s: prices in several currencies are compared as they are: %s", field, list);
}

// ---- report.json ----------------------------------------------------------------------------------------------

status count_length(prepare_job *job, int32_t n) {
  if (n < SHORT_LENGTHS) {
    job->short_lengths[n]++;
  } else {
    TRY(mem_grow(&job->long_lengths, &job->long_cap, job->n_long + 1, sizeof *job->long_lengths, "lengths"));
    job->long_lengths[job->n_long++] = n;
  }
  if (n > job->longest) job->longest = n;
  job->users_kept++;
  job->events += n;
  return OK;
}

// The length of the user at place `rank` (from 0) when users are sorted by length.
static int32_t length_at(const prepare_job *job, int64_t rank) {
  for (int32_t n = 0; n < SHORT_LENGTHS; n++) {
    if (rank < job->short_lengths[n]) return n;
    rank -= job->short_lengths[n];
  }
  return job->long_lengths[rank];
}

json_t *rejects_json(const reject_list *list) {
  json_t *reasons = json_array();
  for (int i = 0; i < list->n; i++) {
    const reject_reason *x = &list->reasons[i];
    char name[1024];
    json_t *samples = json_array();
    for (int k = 0; k < SAMPLES && k < x->count; k++) {
      json_t *sample = json_pack("{s:I,s:s}", "line", (json_int_t)x->lines[k], "text", x->excerpts[k]);
      if (x->files[k] != NULL)
        json_object_set_new(sample, "file",
                            json_string(printable(name, sizeof name, path_name(x->files[k]), "")));
      json_array_append_new(samples, sample);
    }
    json_array_append_new(reasons, json_pack("{s:s,s:I,s:o}", "reason", x->text, "rows", (json_int_t)x->count,
                                             "first", samples));
  }
  return reasons;
}

static double days_of_span(const time_span *s) {
  return ((double)(s->greatest.seconds - s->least.seconds) +
          1e-9 * ((double)s->greatest.nanos - (double)s->least.nanos)) /
         86400;
}

// null: there are none, and events are in the order of the file.
static json_t *times_json(const prepare_job *job) {
  const time_span *s = &job->span;
  char from[TIME_TEXT], to[TIME_TEXT];
  if (!prepare_has_times(job->c)) return json_null();
  return json_pack("{s:s,s:s,s:f,s:s}", "from", time_text(from, s->least), "to", time_text(to, s->greatest),
                   "days", days_of_span(s), "precision", time_unit_names[s->finest]);
}

typedef struct named_value {
  const char *name;
  int64_t value;
} named_value;

static void set_counts(json_t *j, const prepare_job *job) {
  const named_value counts[] = {{"rows", job->log.rows},
                                {"rejected", job->log.rejected},
                                {"skipped_events", job->skipped_events},
                                {"without_item", job->without_item.rejected},
                                {"dropped_by_core", job->dropped_by_core},
                                {"core_rounds", job->core_rounds},
                                {"dropped_repeats", job->repeats},
                                {"events", job->events},
                                {"users", job->users_kept},
                                {"items", job->items_kept},
                                {"sessions", job->sessions},
                                {"event_types", intern_count(job->types)},
                                {"windows", job->windows},
                                {"cold_valid_targets", job->cold_valid},
                                {"cold_test_targets", job->cold_test},
                                {"catalogue_rows", job->catalogue.rows},
                                {"catalogue_rejected", job->catalogue.rejected},
                                {"catalogue_repeated", job->catalogue_repeated},
                                {"catalogue_matched", job->catalogue_matched}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    json_object_set_new(j, counts[i].name, json_integer(counts[i].value));
}

// What older versions did not know of is written only where there is any: one file is nothing to tell.
static void set_rare_counts(json_t *j, const prepare_job *job) {
  const input_files *log = &job->log_files, *catalogue = &job->catalogue_files;
  const named_value counts[] = {
      {"files", log->n > 1 ? (int64_t)log->n : 0},
      {"files_passed_over", log->passed_over + log->subfolders},
      {"catalogue_files", catalogue->n > 1 ? (int64_t)catalogue->n : 0},
      {"catalogue_files_passed_over", catalogue->passed_over + catalogue->subfolders},
      {"other_properties", job->other_properties},
      {"properties_after_end", job->properties_after_end}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    if (counts[i].value > 0) json_object_set_new(j, counts[i].name, json_integer(counts[i].value));
}

static void set_lists(json_t *j, const prepare_job *job) {
  const struct {
    const char *name;
    const reject_list *list;
    bool always;
  } lists[] = {{"rejects", &job->log, true},
               {"without_item_rows", &job->without_item, false},
               {"unknown", &job->log_prices.unknown, false},
               {"guessed", &job->log_prices.guessed, false},
               {"unknown_ratings", &job->log_ratings, false},
               {"catalogue_rejects", &job->catalogue, true},
               {"catalogue_unknown", &job->catalogue_prices.unknown, false},
               {"catalogue_guessed", &job->catalogue_prices.guessed, false},
               {"catalogue_unknown_ratings", &job->catalogue_ratings, false}};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (lists[i].always || lists[i].list->n > 0)
      json_object_set_new(j, lists[i].name, rejects_json(lists[i].list));
  if (job->warnings != NULL) json_object_set(j, "warnings", job->warnings);
  if (job->catalogue_known != NULL) json_object_set(j, "catalogue_known", job->catalogue_known);
}

static json_t *length_json(const prepare_job *job) {
  const int64_t n = job->users_kept;
  return json_pack("{s:i,s:i,s:f,s:i,s:i}", "min", length_at(job, 0), "median", length_at(job, n / 2), "mean",
                   (double)job->events / (double)n, "p95", length_at(job, (19 * n + 19) / 20 - 1), "max",
                   job->longest);
}

static json_t *edges_json(const quantile_buckets *q) {
  json_t *edges = json_array();
  for (int32_t k = 0; k + 1 < q->n; k++) json_array_append_new(edges, json_real(q->edges[k]));
  return edges;
}

// Of what there is only where it was asked for.
static void set_texts(json_t *j, const prepare_job *job) {
  const text_counts *t = &job->texts;
  const feature_counts *f = &job->features;
  const user_table_counts *u = &job->attribute_counts;
  if (job->ratings.n > 0) json_object_set_new(j, "rating_edges", edges_json(&job->ratings));
  if (job->words != NULL)
    json_object_set_new(j, "texts",
                        json_pack("{s:I,s:I,s:I,s:I}", "items", (json_int_t)t->items, "words",
                                  (json_int_t)t->tokens, "unknown", (json_int_t)t->unknown, "cut",
                                  (json_int_t)t->cut));
  if (job->domains != NULL) {
    const domain_counts *k = domain_get_counts(job->domains);
    json_object_set_new(
        j, "domains",
        json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I}", "domains", intern_count(job->item_domains.names),
                  "shared_users", (json_int_t)k->shared, "runs", (json_int_t)k->runs, "map_rows",
                  (json_int_t)k->map_rows, "map_repeated", (json_int_t)k->map_repeated, "map_unused",
                  (json_int_t)k->map_unused, "joined_rows", (json_int_t)k->joined));
  }
  if (job->searches != NULL) {
    const search_counts *s = search_table_counts(job->searches);
    json_object_set_new(j, "searches",
                        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "rows", (json_int_t)s->rows, "searches",
                                  (json_int_t)s->searches, "users", (json_int_t)s->users, "words",
                                  (json_int_t)s->words, "unknown", (json_int_t)s->unknown, "without_words",
                                  (json_int_t)s->without_words));
  }
  if (job->attributes != NULL)
    json_object_set_new(j, "user_attributes",
                        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "rows", (json_int_t)u->rows.rows,
                                  "rejected", (json_int_t)u->rows.rejected, "described",
                                  (json_int_t)u->described, "repeated", (json_int_t)u->repeated, "unknown",
                                  (json_int_t)u->unknown, "rare", (json_int_t)u->rare, "too_long",
                                  (json_int_t)u->too_long));
  if (job->copy != NULL) json_object_set_new(j, "copy", copy_counts_json(&job->copies));
  if (f->width > 0)
    json_object_set_new(j, "features",
                        json_pack("{s:I,s:I,s:I,s:I,s:I}", "rows", (json_int_t)f->rows, "width",
                                  (json_int_t)f->width, "missing", (json_int_t)f->missing, "unknown",
                                  (json_int_t)f->unknown, "repeated", (json_int_t)f->repeated));
}

json_t *make_report(prepare_job *job) {
  json_t *j = json_object();
  const double pairs = (double)job->users_kept * (double)job->items_kept;
  price_notes_finish(&job->log_prices);
  price_notes_finish(&job->catalogue_prices);
  if (job->n_long > 0) qsort(job->long_lengths, job->n_long, sizeof *job->long_lengths, order_int32);
  set_counts(j, job);
  set_rare_counts(j, job);
  set_lists(j, job);
  json_object_set_new(j, "length", length_json(job));
  json_object_set_new(j, "times", times_json(job));
  json_object_set_new(j, "sparsity", json_real(1.0 - (double)job->cells / pairs));
  if (job->split.said || job->divided.tied.users > 0)
    json_object_set_new(j, "split", split_report(&job->divided, &job->split));
  json_object_set_new(j, "price_edges", edges_json(&job->prices));
  set_texts(j, job);
  return j;
}

// ---- lines for people -----------------------------------------------------------------------------------------

void print_reasons(const reject_list *list, const char *unit) {
  char text[4 * SAMPLE_TEXT], file[512];
  for (int i = 0; i < list->n; i++) {
    const reject_reason *x = &list->reasons[i];
    printf("  %s: %lld %s\n", x->text, (long long)x->count, unit);
    for (int k = 0; k < SAMPLES && k < x->count; k++) {
      if (x->files[k] != NULL) printf("    %s", printable(file, sizeof file, x->files[k], ""));
      printf("%sline %lld: %s\n", x->files[k] != NULL ? " " : "    ", (long long)x->lines[k],
             printable(text, sizeof text, x->excerpts[k], "\t"));
    }
  }
}

static void print_values(const price_notes *notes) {
  if (notes->unknown.n + notes->guessed.n == 0) return;
  printf("values          %lld not known, %lld guessed\n", (long long)notes->unknown.rejected,
         (long long)notes->guessed.rejected);
  print_reasons(&notes->unknown, "values");
  print_reasons(&notes->guessed, "values");
}

static void print_ratings(const reject_list *unknown) {
  if (unknown->n == 0) return;
  printf("ratings         %lld not known\n", (long long)unknown->rejected);
  print_reasons(unknown, "values");
}

static void print_texts(const prepare_job *job) {
  const text_counts *t = &job->texts;
  const feature_counts *f = &job->features;
  const user_table_counts *u = &job->attribute_counts;
  if (job->domains != NULL) {
    const domain_counts *k = domain_get_counts(job->domains);
    printf("domains         %d; %lld users of more than one; events in %lld runs",
           intern_count(job->item_domains.names), (long long)k->shared, (long long)k->runs);
    if (k->map_rows > 0)
      printf("; user map %lld rows, %lld of them repeated, %lld of users of whom the log has no row; %lld "
             "rows of the log joined",
             (long long)k->map_rows, (long long)k->map_repeated, (long long)k->map_unused,
             (long long)k->joined);
    printf("\n");
  }
  if (job->searches != NULL) {
    const search_counts *s = search_table_counts(job->searches);
    printf("searches        %lld rows; %lld stay, of %lld users; %lld words, of them %lld [UNK]; %lld "
           "without a word\n",
           (long long)s->rows, (long long)s->searches, (long long)s->users, (long long)s->words,
           (long long)s->unknown, (long long)s->without_words);
  }
  if (job->attributes != NULL)
    printf("user attributes %lld rows, rejected %lld; %lld of %lld users described; %lld rows of a user who "
           "had one, %lld "
           "numbers that cannot be read, %lld values that are too rare for a token, %lld of more than %d "
           "bytes\n",
           (long long)u->rows.rows, (long long)u->rows.rejected, (long long)u->described,
           (long long)job->users_kept, (long long)u->repeated, (long long)u->unknown, (long long)u->rare,
           (long long)u->too_long, USER_VALUE_BYTES);
  if (job->attributes != NULL) print_reasons(&u->rows, "rows");
  if (job->words != NULL)
    printf(
        "texts           %lld of %lld items; %lld words, of them %lld [UNK]; %lld texts cut to %lld words\n",
        (long long)t->items, (long long)job->items_kept, (long long)t->tokens, (long long)t->unknown,
        (long long)t->cut, (long long)job->c->output.text_tokens);
  if (f->width > 0)
    printf("features        %lld rows of %lld; %lld of %lld items have none; %lld rows of no item that "
           "stays, %lld "
           "of an item that had one\n",
           (long long)f->rows, (long long)f->width, (long long)f->missing, (long long)job->items_kept,
           (long long)f->unknown, (long long)f->repeated);
}

static void print_times(const prepare_job *job) {
  const time_span *s = &job->span;
  char from[TIME_TEXT], to[TIME_TEXT], days[32];
  if (job->c->fields.time[0] == '\0')
    printf("times           none (fields.time is not set): events are in the order of the file\n");
  else if (!prepare_has_times(job->c))
    printf("times           none (input.time_format is order): events are in the order of %s\n",
           printable(days, sizeof days, job->c->fields.time, ""));
  else if (days_of_span(s) < 1)
    printf("times           from %s to %s, %s, in %s\n", time_text(from, s->least),
           time_text(to, s->greatest), human_seconds(days, 86400 * days_of_span(s)),
           time_unit_names[s->finest]);
  else
    printf("times           from %s to %s, %.1f days, in %s\n", time_text(from, s->least),
           time_text(to, s->greatest), days_of_span(s), time_unit_names[s->finest]);
}

static void print_name(const char *name) {
  char text[4 * EVENT_NAME];
  printf(" %s", printable(text, sizeof text, name, ""));
}

static void print_files(const char *what, const input_files *f) {
  if (f->n < 2 && f->passed_over + f->subfolders == 0) return;
  printf("%-15s %zu", what, f->n);
  if (f->passed_over > 0)
    printf("; %lld passed over (hidden, or beginning with _ or ending in .crc)", (long long)f->passed_over);
  if (f->subfolders > 0) printf("; %lld folders in folders not read", (long long)f->subfolders);
  printf("\n");
}

static void print_catalogue(const prepare_job *job) {
  const char *column;
  const json_t *known;
  char name[512];
  print_files("catalogues", &job->catalogue_files);
  printf("catalogue       %lld rows, rejected %lld; %lld of %lld items described\n",
         (long long)job->catalogue.rows, (long long)job->catalogue.rejected,
         (long long)job->catalogue_matched, (long long)job->items_kept);
  if (job->catalogue_repeated > 0)
    printf("  %lld rows of items that were described before: the first counts\n",
           (long long)job->catalogue_repeated);
  if (job->other_properties > 0)
    printf("  %lld rows of properties that were not asked for\n", (long long)job->other_properties);
  if (job->properties_after_end > 0)
    printf("  %lld rows of values after the end of the log\n", (long long)job->properties_after_end);
  json_object_foreach(job->catalogue_known, column, known)
      printf("  %s: of %lld items\n", printable(name, sizeof name, column, ""),
             (long long)json_integer_value(known));
  print_reasons(&job->catalogue, "rows");
  print_values(&job->catalogue_prices);
  print_ratings(&job->catalogue_ratings);
}

// Only here: report.json is part of the data set, which is the same however long it took.
static void print_stages(const prepare_job *job) {
  static const char *const names[STAGES] = {"reading", "sorting and filtering", "vocabulary", "writing"};
  printf("stages          ");
  for (int i = 0; i < STAGES; i++) printf("%s%s %.2f s", i > 0 ? ", " : "", names[i], job->seconds_of[i]);
  putchar('\n');
}

void print_end(const prepare_job *job, const dataset_info *info) {
  char buf[32], rate[32], memory[32];
  const double rows = (double)(job->log.rows + job->copies.rows.rows);
  printf("vocabulary      %d special, ", info->range_end[RANGE_SPECIAL]);
  if (job->words != NULL) printf("%d words, ", info->range_end[RANGE_WORDS] - info->range_end[RANGE_SPECIAL]);
  printf("%d attributes, %d items\n", info->range_end[RANGE_ATTRIBUTES] - info->range_end[RANGE_WORDS],
         info->range_end[RANGE_ITEMS] - info->range_end[RANGE_ATTRIBUTES]);
  print_stages(job);
  printf("time            %s, %s rows/s; memory %s at most\n", human_seconds(buf, job->seconds),
         human_count(rate, rows / job->seconds), human_bytes(memory, (double)mem_peak_bytes()));
}

void print_report(const prepare_job *job, const json_t *j, const dataset_info *info) {
  const json_t *l = json_object_get(j, "length");
#define LEN(name) ((long long)json_integer_value(json_object_get(l, name)))
  print_files("files", &job->log_files);
  printf("rows            %lld, rejected %lld\n", (long long)job->log.rows, (long long)job->log.rejected);
  print_reasons(&job->log, "rows");
  print_values(&job->log_prices);
  print_ratings(&job->log_ratings);
  if (job->skipped_events > 0)
    printf("other events    %lld rows of event types that were not asked for\n",
           (long long)job->skipped_events);
  if (job->without_item.rejected > 0)
    printf("without item    %lld rows\n", (long long)job->without_item.rejected);
  print_reasons(&job->without_item, "rows");
  if (job->dropped_by_core > 0)
    printf("k-core          %lld events dropped in %lld rounds\n", (long long)job->dropped_by_core,
           (long long)job->core_rounds);
  if (job->repeats > 0) printf("repeats         %lld events merged or dropped\n", (long long)job->repeats);
  printf("users           %lld\nitems           %lld\nevents          %lld in %lld sessions\n",
         (long long)job->users_kept, (long long)job->items_kept, (long long)job->events,
         (long long)job->sessions);
  print_times(job);
  printf("event types    ");
  for (int32_t i = 1; i < info->n_event_types; i++) print_name(info->event_types[i]);
  printf("%s\n", info->n_event_types == 1 ? " none" : "");
  printf("length          min %lld, median %lld, mean %.2f, p95 %lld, max %lld\n", LEN("min"), LEN("median"),
         json_real_value(json_object_get(l, "mean")), LEN("p95"), LEN("max"));
  printf("sparsity        %.4f%%\n", 100.0 * json_real_value(json_object_get(j, "sparsity")));
  printf("windows         %lld of at most %d, stride %d\n", (long long)job->windows, info->window,
         info->stride);
  print_split(&job->divided, &job->split, info->has_time);
  const double valid = (double)job->divided.targets[0], test = (double)job->divided.targets[1];
  if (valid > 0 || test > 0)
    printf("cold targets    validation %.1f%%, test %.1f%% (items in no train part)\n",
           valid > 0 ? 100.0 * (double)job->cold_valid / valid : 0,
           test > 0 ? 100.0 * (double)job->cold_test / test : 0);
  if (job->c->input.catalogue[0] != '\0') print_catalogue(job);
  print_texts(job);
  if (job->copy != NULL) copy_counts_print(&job->copies);
  print_end(job, info);
#undef LEN
}
