// Reading labelled rows; see labelled_read.h. Labels are in labelled_names.c, pairs in labelled_pairs.c.
#include "prepare/labelled_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "prepare/input_files.h"
#include "prepare/labelled_internal.h"
#include "prepare/times.h"

// ---- tokens --------------------------------------------------------------------------------------------------

// Tokens of a text, at most `room` of them; how many there are in all.
int32_t reading_encode(const label_reading *r, const char *text, size_t bytes, int32_t *ids, int32_t room) {
  if (r->how->words == NULL || text == NULL) return 0;
  const size_t n = word_tokenizer_encode(r->how->words, text, bytes, ids, (size_t)room);
  return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

// What of two segments fits: the longer is shortened first. Neither is longer than the room itself.
void reading_share(int32_t room, int32_t *a, int32_t *b) {
  if (*a > room) *a = room;
  if (*b > room) *b = room;
  sequence_share(room, a, b);
}

static status keep_text(char ***array, size_t *cap, int64_t row, const char *text) {
  TRY(mem_grow(array, cap, (size_t)row + 1, sizeof **array, "texts of rows"));
  (*array)[row] = NULL;
  return text != NULL ? mem_strdup(&(*array)[row], text) : OK;
}

status reading_add_row(label_reading *r, const seq_input *first, const seq_input *second,
                       const int32_t *labels, int64_t line, const char *text, const char *item) {
  if (r->how->keep) {
    TRY(keep_text(&r->rows->texts, &r->rows->texts_cap, r->rows->n, text));
    TRY(keep_text(&r->rows->items, &r->rows->items_cap, r->rows->n, item));
  }
  r->report->used++;
  return labelled_add(r->rows, first, second, labels, line);
}

static status take_texts(label_reading *r, const log_row *row) {
  int32_t a = reading_encode(r, row->text[COL_TEXT], row->bytes[COL_TEXT], r->first, r->room),
          b = reading_encode(r, row->text[COL_TEXT_B], row->bytes[COL_TEXT_B], r->second, r->room);
  const int32_t in_all = a > INT32_MAX - b ? INT32_MAX : a + b;
  if (in_all == 0) {
    r->report->empty++;
    return OK;
  }
  r->report->cut += in_all > r->room;
  reading_share(r->room, &a, &b);
  const seq_input first = {.tokens = r->first, .n = a}, second = {.tokens = r->second, .n = b};
  return reading_add_row(r, &first, &second, r->labels, row->line, row->text[COL_TEXT], row->text[COL_ITEM]);
}
// ---- files ---------------------------------------------------------------------------------------------------

static log_kind kind_of(const labelled_config *c, const char *path) {
  return c->format != LABELLED_AUTO ? (log_kind)(c->format - LABELLED_CSV) : log_kind_of(path);
}

static status reject(label_reading *r, const log_row *row, const char *why) {
  char text[512];
  r->report->rejected++;
  snprintf(text, sizeof text, "%s line %lld: %s", r->path, (long long)row->line, why);
  return reading_keep_first(&r->report->first_reject, text);
}

static status take_row(label_reading *r, const log_row *row) {
  const char *why = row->reject, *cell = row->text[COL_LABELS];
  bool unseen = false;
  if (r->only_labels) return why == NULL && cell != NULL ? reading_take_list(r, cell, NULL, &unseen) : OK;
  r->report->rows++;
  if (why == NULL) TRY(reading_take_labels(r, row, &why));
  if (why == NULL && r->how->pair) TRY(reading_take_pair(r, row, &why));
  if (why == NULL && !r->how->pair) TRY(take_texts(r, row));
  return why != NULL && why[0] != '\0' ? reject(r, row, why) : OK;
}

static status read_rows(label_reading *r, log_reader *in) {
  log_parser *p = NULL;
  log_block b = {.bytes = 0};
  log_row row;
  bool end = false;
  status rc = log_parser_new(&p, in);
  while (rc == OK && (rc = log_read_block(in, &b, &end)) == OK && !end) {
    bool last = false;
    for (log_parse_begin(p, &b); rc == OK && (rc = log_parse_next(p, &row, &last)) == OK && !last;)
      rc = take_row(r, &row);
  }
  log_block_free(&b);
  log_parser_free(p);
  return rc;
}

static status read_file(label_reading *r, const char *path, const char *const *columns, int n) {
  const labelled_config *c = r->how->c;
  const char *list = c->list[0] != '\0' ? c->list : " ";
  log_join join[MAX_COLUMNS];
  for (int i = 0; i < n; i++) join[i] = (log_join){list, list};
  const log_format format = {.kind = kind_of(c, path),
                             .header = c->header,
                             .separator = c->separator,
                             .quotes = (log_quotes)c->quotes,
                             .join = join,
                             .missing = c->missing,
                             .options = "labels.",
                             .encoding = c->encoding,
                             .encoding_option = "labels.encoding"};
  log_reader *in;
  r->path = path;
  TRY(log_open(&in, path, &format, columns, n));
  const status rc = read_rows(r, in);
  log_close(in);
  return rc;
}

// Columns that are not there may be the defaults of options, which not every file has.
static status read_files(label_reading *r, const char *const *names, const char *files, const char *source) {
  const labelled_config *c = r->how->c;
  const bool pair = r->how->pair, needs_labels = !r->how->unlabelled;
  const char *columns[MAX_COLUMNS] = {[COL_TEXT] =
                                          pair ? (strcmp(c->text, "text") != 0 ? c->text : "") : c->text,
                                      [COL_TEXT_B] = pair ? "" : c->text_b,
                                      [COL_USER] = pair ? c->user : "",
                                      [COL_HISTORY] = pair ? c->history : "",
                                      [COL_ITEM] = pair || r->how->keep_items ? c->item : "",
                                      [COL_TIME] = pair ? c->time : ""};
  for (int i = 0; i < r->n_labels; i++) columns[COL_LABELS + i] = needs_labels ? names[i] : "";
  input_files found = {.n = 0};
  status rc = input_files_find(&found, files, source);
  if (rc == OK && found.n == 0) rc = fail(ERR_ARGUMENT, "%s names no file", source);
  for (size_t i = 0; rc == OK && i < found.n; i++)
    rc = read_file(r, found.names[i], columns, COL_LABELS + r->n_labels);
  input_files_free(&found);
  return rc;
}
// Before the rows are read: labels that are columns, or that only another reading of the files tells.
static status find_labels_first(label_reading *r, const char *const *names, const char *files,
                                const char *source) {
  if (!r->find_labels || (!r->by_columns && !r->by_list)) return OK;
  if (r->by_columns) TRY(label_set_new(r->l, r->how->pair ? "pair" : "classify", false, names, r->n_labels));
  r->only_labels = true;
  if (r->by_list) TRY(read_files(r, names, files, source));
  if (r->by_list) TRY(reading_name_found(r, source));
  r->only_labels = r->find_labels = false;
  return OK;
}
// ---- the whole -----------------------------------------------------------------------------------------------

static status check_config(const labelled_how *how) {
  const labelled_config *c = how->c;
  if (!how->pair && how->words == NULL)
    return fail(ERR_ARGUMENT,
                "the vocabulary of this run has no words, so there is nothing to read texts with; begin "
                "from an imported BERT, or prepare the data set with output.words");
  if (!how->pair) return OK;
  if (c->user[0] == '\0' && c->history[0] == '\0')
    return fail(ERR_ARGUMENT,
                "a pair needs labels.user, a user of the data set, or labels.history, a list of items");
  if (c->user[0] != '\0' && c->history[0] != '\0')
    return fail(ERR_ARGUMENT, "labels.user and labels.history are both set, and a history is one of the two");
  if (vocab_begin(dataset_vocab(how->d), RANGE_ITEMS) == vocab_end(dataset_vocab(how->d), RANGE_ITEMS))
    return fail(ERR_ARGUMENT,
                "the vocabulary of this run has no items, and a pair is of a history and an item");
  if (c->user[0] == '\0') return OK;
  if (dataset_get_info(how->d)->sequences == 0)
    return fail(ERR_ARGUMENT,
                "labels.user: the run has no data set with histories; labels.history takes them from "
                "the rows");
  return c->time[0] != '\0' && !dataset_get_info(how->d)->has_time
             ? fail(ERR_ARGUMENT, "labels.time: %s has no times to compare with", dataset_dir(how->d))
             : OK;
}

// What the columns and labels say of the rows.
static status plan_rows(label_reading *r) {
  const labelled_how *how = r->how;
  r->rows->pairs = how->pair || how->c->text_b[0] != '\0';
  r->room = how->layout->max_positions - sequence_specials(how->layout, r->rows->pairs, false);
  r->by_columns = r->n_labels > 1 || how->pair;
  r->by_list = !r->by_columns && how->c->list[0] != '\0';
  r->find_labels = r->l->n == 0;
  if (r->room < 2)
    return fail(ERR_ARGUMENT, "model.max_positions = %d leaves no room for a text",
                how->layout->max_positions);
  return time_parse_zone(how->c->time_zone, &r->zone)
             ? OK
             : fail(ERR_ARGUMENT, "labels.time_zone: \"%.60s\" is neither UTC nor an offset such as +08:00",
                    how->c->time_zone);
}

static status make_room(label_reading *r) {
  const labelled_how *how = r->how;
  const size_t room = (size_t)r->room + 1;
  TRY(mem_new(&r->first, 2 * room, sizeof *r->first, "tokens of a row"));
  TRY(mem_new(&r->second, room, sizeof *r->second, "tokens of a row"));
  TRY(mem_new(&r->events, room, sizeof *r->events, "events of a row"));
  TRY(mem_new(&r->labels, MOST_LABELS, sizeof *r->labels, "labels of a row"));
  TRY(intern_new(&r->found));
  if (how->pair) TRY(dataset_item_texts(how->d, &r->texts));
  if (!how->pair || how->c->user[0] == '\0') return OK;
  TRY(dataset_user_context(how->d, &r->context));
  if (how->c->time[0] != '\0' && r->context != NULL && r->context->searches.offsets != NULL &&
      r->context->searches.times == NULL)
    log_warn(
        "%s: its searches have no times, which an older souk prepare did not write; those behind the last "
        "event before a row are left out",
        dataset_dir(how->d));
  return reading_users(r);
}

static status count_labels(labelled_report *report, const labelled_rows *rows, const label_set *l) {
  report->labels = l->n;
  TRY(mem_new(&report->known, (size_t)l->n, sizeof *report->known, "counts of labels"));
  TRY(mem_new(&report->holds, (size_t)l->n, sizeof *report->holds, "counts of labels"));
  for (int64_t i = 0; i < rows->n * rows->targets; i++) {
    const int32_t label = rows->labels[i];
    if (label < 0) continue;
    const int32_t k = l->single ? label : (int32_t)(i % rows->targets);
    report->known[k]++;
    report->holds[k] += l->single || label == 1;
  }
  return OK;
}

// A given label set must be of the same kind as the columns, which are its labels by name, in whatever order.
static status check_labels(label_reading *r, const char *const *names) {
  for (int k = 0; k < r->n_labels; k++) r->label_of[k] = k;
  if (r->find_labels || r->how->unlabelled) return OK;
  const bool several = r->by_columns || r->by_list;
  if (r->l->single == several || (r->by_columns && r->l->n != r->n_labels))
    return fail(ERR_ARGUMENT, "labels.label: the model has %s of %d labels, and the rows have %s",
                r->l->single ? "one" : "any", r->l->n, several ? "several" : "one");
  for (int k = 0; r->by_columns && k < r->n_labels; k++) {
    r->label_of[k] = label_find(r->l, names[k]);
    if (r->label_of[k] < 0)
      return fail(ERR_ARGUMENT, "labels.label: the model has no label \"%.200s\"", names[k]);
    for (int i = 0; i < k; i++)
      if (r->label_of[i] == r->label_of[k])
        return fail(ERR_ARGUMENT, "labels.label names \"%.200s\" twice", names[k]);
  }
  return OK;
}

static void close_reading(label_reading *r) {
  reading_free_pairs(r);
  free(r->first);
  free(r->second);
  free(r->events);
  free(r->labels);
  intern_free(r->found);
}

status labelled_read(labelled_rows *out, label_set *l, labelled_report *report, const labelled_how *how,
                     const char *files, const char *source) {
  char room[OPTION_STRING + 1];
  const char *names[MOST_LABEL_COLUMNS];
  label_reading r = {.how = how, .rows = out, .report = report, .l = l};
  const bool new_labels = l->n == 0;
  *out = (labelled_rows){.n = 0};
  *report = (labelled_report){.rows = 0};
  status rc;
  TRY_GOTO(check_config(how), done);
  TRY_GOTO(labelled_columns(how->c, how->pair, room, names, &r.n_labels), done);
  TRY_GOTO(plan_rows(&r), done);
  TRY_GOTO(make_room(&r), done);
  TRY_GOTO(check_labels(&r, names), done);
  TRY_GOTO(find_labels_first(&r, names, files, source), done);
  out->targets = l->n > 0 && !l->single ? l->n : 1;
  TRY_GOTO(read_files(&r, names, files, source), done);
  TRY_GOTO(reading_find_histories(&r), done);
  if ((double)report->rejected > how->c->max_rejects * (double)report->rows)
    TRY_GOTO(fail(ERR_FORMAT, "%s: %lld of %lld rows cannot be used, the first: %s", source,
                  (long long)report->rejected, (long long)report->rows, report->first_reject),
             done);
  if (r.find_labels) TRY_GOTO(reading_name_found(&r, source), done);
  rc = count_labels(report, out, l);
done:
  close_reading(&r);
  if (rc != OK) labelled_free(out);
  if (rc != OK) labelled_report_free(report);
  if (rc != OK && new_labels) label_set_free(l);
  return rc;
}
