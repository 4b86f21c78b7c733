// The catalogue: what it says of the items that stay.
//
// A row describes an item, and the first one counts. Or a row is one property of an item (catalogue.property): then the
// latest value before the end of the log counts, and memory holds the values of the items that stay.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "format/printable.h"
#include "format/vocabulary.h"
#include "prepare/encoding_hint.h"
#include "prepare/id_match.h"
#include "prepare/names.h"
#include "prepare/prepare_internal.h"
#include "prepare/prepare_rows.h"

enum { CAT_ITEM, CAT_TITLE, CAT_CATEGORY, CAT_BRAND, CAT_PRICE, CAT_RATING, CAT_DESCRIPTION, CAT_KEPT };
enum { ROW_ITEM, ROW_PROPERTY, ROW_VALUE, ROW_TIME, ROW_COLUMNS }; // of a catalogue of properties

typedef struct catalogue_columns {
  const char *names[MAX_COLUMNS];   // in the file: columns, or properties
  const char *written[MAX_COLUMNS]; // in catalogue.jsonl
  log_join join[MAX_COLUMNS];       // how a list becomes a text
  char kept[OPTION_STRING];
  int n;
} catalogue_columns;

// Where a value stands; file is NULL where there is only one.
typedef struct value_place {
  const char *file;
  int64_t line;
} value_place;

typedef struct property_value {
  char *text; // owned; NULL: none yet
  event_time time;
  value_place place;
} property_value;

enum { UNKNOWN_IDS = 1000 };
typedef struct catalogue {
  prepare_job *job;
  const char *domain; // of the file being read; NULL: none
  catalogue_columns columns;
  id_match *match;
  uint8_t *kept;   // [items] stays in the data set
  uint8_t *seen;   // [items] is described
  intern *unknown; // the first ids that match no item that stays
  out_file *out;
  int64_t known[MAX_COLUMNS]; // entries that have a value
  int64_t other_properties, after_end;
  property_value *values; // [n_values]: [kept items][columns.n], of a catalogue of properties
  size_t n_values;
  int32_t *place; // [items] among the kept ones
  int32_t *order; // [n_order] items by first appearance
  size_t n_order;
} catalogue;

// ---- columns -------------------------------------------------------------------------------------------------

// How a list becomes a text: a path of categories, prose, or an enumeration.
static log_join join_of(int column) {
  if (column == CAT_CATEGORY) return (log_join){" > ", " | "};
  if (column == CAT_TITLE || column == CAT_DESCRIPTION) return (log_join){" ", " "};
  return (log_join){", ", ", "};
}

static status name_columns(const prepare_catalogue *f, catalogue_columns *c) {
  const char *const names[CAT_KEPT] = {f->item,  f->title,  f->category,   f->brand,
                                       f->price, f->rating, f->description};
  static const char *const written[CAT_KEPT] = {"item",  "title",  "category",   "brand",
                                                "price", "rating", "description"};
  for (c->n = 0; c->n < CAT_KEPT; c->n++) {
    c->names[c->n] = names[c->n];
    c->written[c->n] = written[c->n];
  }
  char *name = c->kept;
  for (const char *rest = f->keep; *rest != '\0';) {
    rest = list_name(rest, name);
    if (name[0] == '\0') continue;
    for (int i = 0; i < CAT_KEPT; i++)
      if (strcmp(name, written[i]) == 0)
        return fail(ERR_ARGUMENT,
                    "catalogue.keep: \"%s\" is a reserved name in catalogue.jsonl; use catalogue.%s", name,
                    written[i]);
    if (c->n == MAX_COLUMNS)
      return fail(ERR_ARGUMENT, "catalogue.keep names more than %d columns", MAX_COLUMNS - CAT_KEPT);
    c->names[c->n] = c->written[c->n] = name;
    c->n++;
    name += strlen(name) + 1;
  }
  for (int i = 0; i < c->n; i++) c->join[i] = join_of(i);
  return OK;
}

static bool has_properties(const prepare_catalogue *f) {
  return f->property[0] != '\0';
}

static status check_columns(const prepare_catalogue *f) {
  if (has_properties(f) && f->value[0] == '\0')
    return fail(ERR_ARGUMENT, "catalogue.property needs catalogue.value, the column of the property's value");
  if (!has_properties(f) && f->value[0] != '\0')
    return fail(ERR_ARGUMENT, "catalogue.value needs catalogue.property, the column of the property's name");
  if (!has_properties(f) && f->snapshot[0] != '\0')
    return fail(ERR_ARGUMENT,
                "catalogue.snapshot needs catalogue.property and catalogue.value: without them the first "
                "entry of an item counts");
  return OK;
}

// ---- entries -------------------------------------------------------------------------------------------------

static status write_entry(catalogue *c, const char *const *values) {
  json_t *j = json_object();
  for (int i = 0; i < c->columns.n; i++) {
    if (values[i] == NULL) continue;
    json_object_set_new(j, c->columns.written[i], json_string(values[i]));
    c->known[i]++;
  }
  char *text = json_dumps(j, JSON_COMPACT);
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: cannot compose a line of catalogue.jsonl");
  const status rc = out_printf(c->out, "%s\n", text);
  free(text);
  return rc;
}

static bool usable_name(catalogue *c, name_kind kind, const char *text, const value_place *place) {
  const char *why = text != NULL ? name_too_long(kind, strlen(text)) : NULL;
  c->job->catalogue_prices.unknown.file = place->file;
  if (why != NULL) reject_add(&c->job->catalogue_prices.unknown, why, place->line, text, strlen(text));
  return text != NULL && why == NULL;
}

// An item's values; what cannot be read of them is set to NULL.
static status take_values(catalogue *c, int32_t item, const char **values, const value_place *places) {
  prepare_job *job = c->job;
  job->catalogue_matched++;
  values[CAT_ITEM] = intern_text(job->items, item);
  if (!usable_name(c, NAME_CATEGORY, values[CAT_CATEGORY], &places[CAT_CATEGORY]))
    values[CAT_CATEGORY] = NULL;
  if (values[CAT_CATEGORY] != NULL)
    TRY(intern_add(job->categories.names, values[CAT_CATEGORY], &job->categories.of[item]));
  if (job->words != NULL && usable_name(c, NAME_BRAND, values[CAT_BRAND], &places[CAT_BRAND]))
    TRY(intern_add(job->brands.names, values[CAT_BRAND], &job->brands.of[item]));
  const char *price = values[CAT_PRICE];
  job->catalogue_prices.unknown.file = job->catalogue_prices.guessed.file = places[CAT_PRICE].file;
  if (price != NULL &&
      !price_take(&job->catalogue_prices, price, strlen(price), places[CAT_PRICE].line, &job->price[item]))
    values[CAT_PRICE] = NULL;
  const char *rating = values[CAT_RATING];
  job->catalogue_ratings.file = places[CAT_RATING].file;
  if (rating != NULL && !rating_take(&job->catalogue_ratings, rating, strlen(rating), places[CAT_RATING].line,
                                     &job->rating[item])) {
    values[CAT_RATING] = NULL;
    job->rating[item] = NAN;
  }
  return write_entry(c, values);
}

static status note_unknown(catalogue *c, const char *id) {
  int32_t unused;
  if (intern_count(c->unknown) == UNKNOWN_IDS || strlen(id) > MAX_NAME_BYTES ||
      intern_find(c->job->items, id) >= 0)
    return OK; // of an item that was filtered out, perhaps
  return intern_add(c->unknown, id, &unused);
}

static status take_entry(catalogue *c, const log_reader *r, const char **values) {
  if (values[CAT_ITEM] == NULL) {
    reject_row(&c->job->catalogue, "no item", r);
    return OK;
  }
  value_place places[MAX_COLUMNS];
  for (int i = 0; i < c->columns.n; i++) places[i] = (value_place){c->job->catalogue.file, log_line(r)};
  int32_t item = id_match_find(c->match, values[CAT_ITEM]);
  if (item < 0) return note_unknown(c, values[CAT_ITEM]);
  if (c->seen[item] != 0) c->job->catalogue_repeated++; // the first entry counts
  for (; item >= 0; item = id_match_next(c->match, item)) {
    if (c->seen[item] != 0) continue;
    c->seen[item] = 1;
    const char *own[MAX_COLUMNS];
    memcpy(own, values, sizeof own);
    TRY(take_values(c, item, own, places));
  }
  return OK;
}

// ---- properties ----------------------------------------------------------------------------------------------

static status properties_new(catalogue *c) {
  const int32_t n = intern_count(c->job->items);
  int32_t kept = 0;
  TRY(mem_new(&c->place, (size_t)n, sizeof *c->place, "places of items"));
  for (int32_t i = 0; i < n; i++) c->place[i] = c->kept[i] != 0 ? kept++ : -1;
  TRY(mem_new(&c->order, (size_t)kept, sizeof *c->order, "the order of items"));
  c->n_values = (size_t)kept * (size_t)c->columns.n;
  return mem_new(&c->values, c->n_values, sizeof *c->values, "properties of items");
}

static bool earlier(event_time a, event_time b) {
  return a.seconds != b.seconds ? a.seconds < b.seconds : a.nanos < b.nanos;
}

// A value replaces one that is not later.
static status keep_value(catalogue *c, int32_t item, int column, event_time time, const char *text,
                         int64_t line) {
  property_value *v = &c->values[(size_t)c->place[item] * (size_t)c->columns.n + (size_t)column];
  if (v->text != NULL && earlier(time, v->time)) return OK;
  char *copy;
  TRY(mem_strdup(&copy, text));
  free(v->text);
  *v = (property_value){.text = copy, .time = time, .place = {c->job->catalogue.file, line}};
  if (c->seen[item] != 0) return OK;
  c->seen[item] = 1;
  c->order[c->n_order++] = item;
  return OK;
}

static int find_property(const catalogue *c, const char *name) {
  for (int i = CAT_TITLE; i < c->columns.n; i++)
    if (c->columns.names[i][0] != '\0' && strcmp(c->columns.names[i], name) == 0) return i;
  return -1;
}

// The time of a row, in the format of catalogue.snapshot_format, or of the log where that is not set.
static bool take_time(catalogue *c, const char *text, event_time *t, const char **why) {
  const prepare_config *p = c->job->c;
  const int format =
      p->catalogue.snapshot_format == 0 ? p->input.time_format : p->catalogue.snapshot_format - 1;
  *t = (event_time){.seconds = 0};
  if (p->catalogue.snapshot[0] == '\0') return true;
  *why = "no time";
  return text != NULL && time_parse((time_format)format, c->job->zone, text, strlen(text), t, why);
}

static status take_property(catalogue *c, const log_reader *r, const char **row) {
  const prepare_config *p = c->job->c;
  const char *why = row[ROW_ITEM] == NULL       ? "no item"
                    : row[ROW_PROPERTY] == NULL ? "no name of a property"
                                                : NULL;
  event_time time;
  if (why != NULL || !take_time(c, row[ROW_TIME], &time, &why)) {
    reject_row(&c->job->catalogue, why, r);
    return OK;
  }
  int32_t item = id_match_find(c->match, row[ROW_ITEM]);
  if (item < 0) return note_unknown(c, row[ROW_ITEM]);
  const int column = find_property(c, row[ROW_PROPERTY]);
  c->other_properties += column < 0;
  if (column < 0 || row[ROW_VALUE] == NULL) return OK;
  if (p->catalogue.snapshot[0] != '\0' && prepare_has_times(p) && earlier(c->job->span.greatest, time)) {
    c->after_end++;
    return OK;
  }
  for (; item >= 0; item = id_match_next(c->match, item))
    TRY(keep_value(c, item, column, time, row[ROW_VALUE], log_line(r)));
  return OK;
}

// RetailRocket writes numbers as n12.500.
static const char *without_mark(const char *text) {
  return text != NULL && text[0] == 'n' && text[1 + (text[1] == '-')] >= '0' &&
                 text[1 + (text[1] == '-')] <= '9'
             ? text + 1
             : text;
}

static status write_properties(catalogue *c) {
  for (size_t k = 0; k < c->n_order; k++) {
    const int32_t item = c->order[k];
    const property_value *v = c->values + (size_t)c->place[item] * (size_t)c->columns.n;
    const char *values[MAX_COLUMNS];
    value_place places[MAX_COLUMNS];
    for (int i = 0; i < c->columns.n; i++) {
      values[i] = i == CAT_PRICE || i == CAT_RATING ? without_mark(v[i].text) : v[i].text;
      places[i] = v[i].place;
    }
    TRY(take_values(c, item, values, places));
  }
  return OK;
}

// ---- reading -------------------------------------------------------------------------------------------------

// The first column of both kinds of catalogues is the item.
_Static_assert((int)CAT_ITEM == (int)ROW_ITEM, "the item's name is taken from there");
static status name_by_domain(catalogue *c, const char **item) {
  size_t bytes;
  return domain_item(c->job->domains, c->domain, strlen(c->domain), *item, strlen(*item), item, &bytes);
}

static status read_rows(catalogue *c, log_reader *r) {
  prepare_job *job = c->job;
  for (;;) {
    const char *values[MAX_COLUMNS], *reason;
    bool end;
    TRY(log_next(r, values, &reason, &end));
    if (end) return OK;
    job->catalogue.rows++;
    if (reason == NULL && c->domain != NULL && values[CAT_ITEM] != NULL)
      TRY(name_by_domain(c, &values[CAT_ITEM]));
    if (reason != NULL)
      reject_row(&job->catalogue, reason, r);
    else
      TRY(c->values != NULL ? take_property(c, r, values) : take_entry(c, r, values));
    if (job->catalogue.rows % 65536 == 0)
      show_progress(job, "catalogue rows", job->catalogue.rows, log_progress(r));
  }
}

static const char *catalogue_encoding(const prepare_input *in) {
  return in->catalogue_encoding[0] != '\0' ? in->catalogue_encoding : in->encoding;
}

static status read_file(catalogue *c, const char *path) {
  const prepare_input *in = &c->job->c->input;
  const prepare_catalogue *f = &c->job->c->catalogue;
  const char *const row[ROW_COLUMNS] = {f->item, f->property, f->value, f->snapshot};
  const log_format format = {.kind = (log_kind)in->catalogue_format,
                             .header = in->catalogue_header,
                             .separator = in->catalogue_separator,
                             .quotes = (log_quotes)in->catalogue_quotes,
                             .missing = in->missing,
                             .join = c->columns.join,
                             .encoding = catalogue_encoding(in),
                             .encoding_option = "input.catalogue_encoding",
                             .options = "input.catalogue_"};
  log_reader *r;
  status rc = c->values != NULL ? log_open(&r, path, &format, row, ROW_COLUMNS)
                                : log_open(&r, path, &format, c->columns.names, c->columns.n);
  if (rc != OK) return hint_in_error(rc, path, &format);
  rc = read_rows(c, r);
  if (rc == OK) log_tell(r, log_reader_counts(r), keep_remark, c->job);
  log_close(r);
  return rc;
}

static status read_files(catalogue *c) {
  prepare_job *job = c->job;
  const input_files *f = &job->catalogue_files;
  status rc = OK;
  for (size_t i = 0; rc == OK && i < f->n; i++) {
    job->catalogue.file = f->n > 1 ? f->names[i] : NULL;
    c->domain = job->domains != NULL ? domain_of_catalogue(job->domains, i) : NULL;
    rc = read_file(c, f->names[i]);
  }
  warn_of_remarks(job);
  return rc;
}

// ---- doubts --------------------------------------------------------------------------------------------------

static const char *first_unmatched(const catalogue *c) {
  for (int32_t i = 0; i < intern_count(c->job->items); i++)
    if (c->kept[i] != 0 && c->seen[i] == 0) return intern_text(c->job->items, i);
  return "";
}

// Ids that would match if they were spelled alike; `kept` becomes the items that none has matched.
static status warn_of_ids(catalogue *c) {
  prepare_job *job = c->job;
  int64_t unmatched = 0, hits;
  const int64_t ids = intern_count(c->unknown);
  char id[MAX_NAME_BYTES + 1], name[MAX_NAME_BYTES + 1], a[2 * MAX_NAME_BYTES], b[2 * MAX_NAME_BYTES];
  id_rule rule;
  for (int32_t i = 0; i < intern_count(job->items); i++) {
    c->kept[i] &= c->seen[i] == 0;
    unmatched += c->kept[i] != 0;
  }
  if (ids == 0 || unmatched == 0) return OK;
  TRY(id_match_suggest(c->unknown, job->items, c->kept, &rule, &hits, id, name));
  if (rule != ID_EXACT && hits * 20 >= (ids < unmatched ? ids : unmatched))
    prepare_warn(
        job,
        "catalogue: item \"%.100s\" there and \"%.100s\" in the log are not the same; %s, %lld of %lld "
        "ids that match no item would match (--catalogue.match %s)",
        printable(a, sizeof a, id, ""), printable(b, sizeof b, name, ""), id_rule_texts[rule],
        (long long)hits, (long long)ids, id_rule_names[rule]);
  else if (job->catalogue_matched * 100 < ids)
    prepare_warn(job,
                 "catalogue: %s of its items are in the log: ids there are like \"%.100s\", in the log like "
                 "\"%.100s\"; is it this log's catalogue, and catalogue.item the right column?",
                 job->catalogue_matched == 0 ? "none" : "few",
                 printable(a, sizeof a, intern_text(c->unknown, 0), ""),
                 printable(b, sizeof b, first_unmatched(c), ""));
  return OK;
}

static void warn_of_columns(const catalogue *c) {
  char name[512];
  int asked = 0;
  for (int i = CAT_TITLE; i < c->columns.n; i++) {
    asked += c->columns.names[i][0] != '\0';
    if (c->columns.names[i][0] == '\0' || c->known[i] > 0 || c->job->catalogue_matched == 0) continue;
    prepare_warn(c->job, "catalogue: no item of the log has a value in \"%.100s\" (%s%s)",
                 printable(name, sizeof name, c->columns.names[i], ""),
                 i < CAT_KEPT ? "catalogue." : "catalogue.keep", i < CAT_KEPT ? c->columns.written[i] : "");
  }
  if (asked == 0)
    prepare_warn(c->job, "catalogue: nothing but the items' names is read of it; set catalogue.title, "
                         "catalogue.category and so on to its columns");
}

static status warn_of_catalogue(catalogue *c) {
  const prepare_job *job = c->job;
  if (job->catalogue.rows == 0) {
    prepare_warn(c->job, "catalogue: it has no rows");
    return OK;
  }
  warn_of_columns(c);
  warn_of_currencies(c->job, "catalogue.price", &job->catalogue_prices);
  return warn_of_ids(c);
}

// ---- the whole -----------------------------------------------------------------------------------------------

static void catalogue_free(catalogue *c) {
  out_abort(c->out);
  id_match_free(c->match);
  intern_free(c->unknown);
  for (size_t i = 0; c->values != NULL && i < c->n_values; i++) free(c->values[i].text);
  void *const arrays[] = {c->kept, c->seen, c->values, c->place, c->order};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

static status catalogue_begin(catalogue *c, const char *path) {
  const prepare_job *job = c->job;
  const size_t n = (size_t)intern_count(job->items);
  TRY(check_columns(&job->c->catalogue));
  TRY(name_columns(&job->c->catalogue, &c->columns));
  TRY(mem_new(&c->kept, n, 1, "items that stay"));
  TRY(mem_new(&c->seen, n, 1, "items seen"));
  for (size_t i = 0; i < n; i++) c->kept[i] = job->item_counts[i] > 0;
  TRY(intern_new(&c->unknown));
  TRY(id_match_new(&c->match, (id_rule)job->c->catalogue.match, job->items, c->kept));
  if (has_properties(&job->c->catalogue)) TRY(properties_new(c));
  return out_open(&c->out, path);
}

static status catalogue_end(catalogue *c) {
  prepare_job *job = c->job;
  hint_encoding(job, &job->catalogue, &job->catalogue_files, catalogue_encoding(&job->c->input),
                "input.catalogue_encoding");
  TRY(check_rejects(&job->catalogue, list_title(job->c->input.catalogue), job->c->input.max_rejects));
  if (c->values != NULL) TRY(write_properties(c));
  out_file *out = c->out;
  c->out = NULL;
  return out_commit(out);
}

static void report_catalogue(catalogue *c) {
  prepare_job *job = c->job;
  job->catalogue_known = json_object();
  for (int i = CAT_TITLE; i < c->columns.n; i++)
    if (c->columns.names[i][0] != '\0')
      json_object_set_new(job->catalogue_known, c->columns.written[i], json_integer(c->known[i]));
  job->other_properties = c->other_properties;
  job->properties_after_end = c->after_end;
}

static status read_described(prepare_job *job, dataset_writer *w) {
  char path[PATH_MAX + 64];
  catalogue c = {.job = job};
  TRY(writer_path(w, "catalogue.jsonl", path, sizeof path));
  status rc;
  TRY_GOTO(catalogue_begin(&c, path), done);
  TRY_GOTO(read_files(&c), done);
  TRY_GOTO(catalogue_end(&c), done);
  report_catalogue(&c);
  TRY_GOTO(warn_of_catalogue(&c), done);
  rc = writer_list(w, "catalogue.jsonl");
done:
  catalogue_free(&c);
  return rc;
}

static status labels_new(item_labels *l, size_t n) {
  TRY(intern_new(&l->names));
  TRY(mem_new(&l->of, n, sizeof *l->of, "attributes of items"));
  for (size_t i = 0; i < n; i++) l->of[i] = -1;
  return OK;
}

static status values_new(double **values, size_t n) {
  TRY(mem_new(values, n, sizeof **values, "values of items"));
  for (size_t i = 0; i < n; i++) (*values)[i] = NAN;
  return OK;
}

// The mean of the log, where the catalogue says nothing.
static void take_means(double *values, const item_means *m, size_t n) {
  for (size_t i = 0; i < n && i < m->count_cap; i++)
    if (isnan(values[i]) && m->count[i] > 0) values[i] = m->sum[i] / (double)m->count[i];
}

status read_catalogue(prepare_job *job, dataset_writer *w) {
  const size_t n = (size_t)intern_count(job->items);
  TRY(labels_new(&job->categories, n));
  TRY(labels_new(&job->brands, n));
  TRY(labels_new(&job->item_domains, n));
  if (job->domains != NULL)
    TRY(domain_label_items(job->domains, job->items, job->item_domains.names, job->item_domains.of));
  TRY(values_new(&job->price, n));
  TRY(values_new(&job->rating, n));
  if (job->c->input.catalogue[0] != '\0') TRY(read_described(job, w));
  take_means(job->price, &job->mean_price, n);
  take_means(job->rating, &job->mean_rating, n);
  return OK;
}
