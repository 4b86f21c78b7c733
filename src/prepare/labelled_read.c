// Reading labelled rows; see labelled_read.h.
//
// A text goes straight to its row. Of a pair the history is looked up afterwards: pairs are kept by user, sorted, and the data
// set's sequences are read once, in their order.
#include "prepare/labelled_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/memory.h"
#include "data/item_texts.h"
#include "data/user_names.h"
#include "format/printable.h"
#include "prepare/input_files.h"
#include "prepare/intern.h"
#include "prepare/log_reader.h"
#include "prepare/times.h"

enum { COL_TEXT, COL_TEXT_B, COL_USER, COL_HISTORY, COL_ITEM, COL_TIME, COL_LABELS };
enum { UNKNOWN = -1, REJECTED = -2, UNSEEN = -3 };
enum { READ_SEQUENCES = 1024 };

// A pair whose history is that of a user of the data set.
typedef struct waiting {
  int64_t sequence, time, line;
  int64_t order; // in the files
  size_t at;     // its item's tokens, and its labels, in the arrays below
  size_t labels;
  int32_t tokens;
  char *text, *item;
} waiting;

typedef struct reading {
  const labelled_how *how;
  labelled_rows *rows;
  labelled_report *report;
  label_set *l;
  bool find_labels, by_columns,
      by_list;      // labels are found in the rows; are a column each; are lists in one column
  bool only_labels; // a first reading, for the labels of lists
  intern *found;    // labels in the order in which they come, of a label_set that is being found
  intern *users;    // names of the data set's users, by sequence
  const item_texts *texts;
  int n_labels; // columns of labels
  int32_t zone;
  int32_t *first, *second; // tokens of a row [room + 1]
  uint8_t *events;
  int32_t room;    // tokens that the model has room for
  int32_t *labels; // of a row
  size_t labels_cap;
  waiting *waiting;
  size_t n_waiting, waiting_cap;
  int32_t *tokens, *waiting_labels;
  size_t n_tokens, tokens_cap, n_waiting_labels, waiting_labels_cap;
  const char *path; // of the file at hand
} reading;

// ---- columns -------------------------------------------------------------------------------------------------

status labelled_columns(const labelled_config *c, bool pair, char *room,
                        const char *names[MOST_LABEL_COLUMNS], int *n) {
  const char *list = c->label[0] != '\0' ? c->label : pair ? "click,cart,buy" : "label";
  *n = 0;
  for (char *name = room; *list != '\0';) {
    list = list_name(list, name);
    if (name[0] == '\0') continue;
    if (*n == MOST_LABEL_COLUMNS)
      return fail(ERR_ARGUMENT,
                  "labels.label names more than %d columns; labels.list reads a list of labels from one",
                  MOST_LABEL_COLUMNS);
    names[(*n)++] = name;
    name += strlen(name) + 1;
  }
  if (*n == 0) return fail(ERR_ARGUMENT, "labels.label names no column");
  if (*n > 1 && c->list[0] != '\0' && !pair)
    return fail(ERR_ARGUMENT, "labels.list is of one column of labels, and labels.label names %d", *n);
  return OK;
}

static log_kind kind_of(const labelled_config *c, const char *path) {
  static const char *const packed[] = {".gz", ".zst", ".xz", ".bz2"};
  if (c->format != LABELLED_AUTO) return (log_kind)(c->format - LABELLED_CSV);
  size_t n = strlen(path);
  for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
    const size_t k = strlen(packed[i]);
    if (n > k && strcasecmp(path + n - k, packed[i]) == 0) n -= k;
  }
  if (n > 6 && strncasecmp(path + n - 6, ".jsonl", 6) == 0) return LOG_JSONL;
  if (n > 5 && strncasecmp(path + n - 5, ".json", 5) == 0) return LOG_JSONL;
  return n > 4 && strncasecmp(path + n - 4, ".tsv", 4) == 0 ? LOG_TSV : LOG_CSV;
}

// ---- labels --------------------------------------------------------------------------------------------------

// 1, 0, or REJECTED.
static int32_t truth_of(const char *text) {
  static const char *const yes[] = {"1", "1.0", "true", "yes"}, *const no[] = {"0", "0.0", "false", "no"};
  for (size_t i = 0; i < 4; i++) {
    if (strcasecmp(text, yes[i]) == 0) return 1;
    if (strcasecmp(text, no[i]) == 0) return 0;
  }
  return REJECTED;
}

static status keep_first(char **to, const char *text) {
  char shown[160];
  return *to != NULL ? OK : mem_strdup(to, printable(shown, sizeof shown, text, ""));
}

// The number of a label by its name; UNSEEN: training has none of this name.
static status number_of(reading *r, const char *name, int32_t *number) {
  if (r->find_labels) return intern_add(r->found, name, number);
  *number = label_find(r->l, name);
  if (*number >= 0) return OK;
  *number = UNSEEN;
  return keep_first(&r->report->first_unseen, name);
}

// The labels of a list in a cell: those that it names hold, the others do not. labels NULL: they are only being found.
static status take_list(reading *r, const char *cell, int32_t *labels, bool *unseen) {
  const char *separator = r->how->c->list;
  char name[OPTION_STRING];
  for (const char *at = cell; at != NULL;) {
    const char *stop = strstr(at, separator);
    const size_t n = stop != NULL ? (size_t)(stop - at) : strlen(at);
    snprintf(name, sizeof name, "%.*s", (int)n, at);
    at = stop != NULL ? stop + strlen(separator) : NULL;
    int32_t k;
    if (name[0] == '\0') continue;
    TRY(number_of(r, name, &k));
    *unseen |= k == UNSEEN;
    if (k >= 0 && labels != NULL) labels[k] = 1;
  }
  return OK;
}

// A column a label.
static bool take_columns(reading *r, const char *const *cells, const char **why) {
  bool any = false;
  for (int k = 0; k < r->n_labels; k++) {
    if (cells[k] == NULL) continue;
    r->labels[k] = truth_of(cells[k]);
    if (r->labels[k] == REJECTED) *why = "a label that is neither 1 nor 0";
    any = true;
  }
  return any;
}

// The row's labels into r->labels, and what there is to count. *why: it cannot be used; "": it is left out, which is counted.
static status take_labels(reading *r, const log_row *row, const char **why) {
  const char *const *cells = row->text + COL_LABELS;
  bool any = false, unseen = false;
  for (int32_t k = 0; k < r->rows->targets; k++) r->labels[k] = UNKNOWN;
  if (r->how->unlabelled) return OK;
  if (r->by_columns) {
    any = take_columns(r, cells, why);
  } else if (cells[0] != NULL && r->by_list) {
    for (int32_t k = 0; k < r->rows->targets; k++) r->labels[k] = 0;
    TRY(take_list(r, cells[0], r->labels, &unseen));
    any = true;
  } else if (cells[0] != NULL) {
    TRY(number_of(r, cells[0], &r->labels[0]));
    unseen = r->labels[0] == UNSEEN;
    any = !unseen;
  }
  if (*why != NULL) return OK;
  r->report->unseen += unseen;
  r->report->no_label += !any && !unseen;
  if (!any) *why = "";
  return OK;
}

// ---- tokens --------------------------------------------------------------------------------------------------

// Tokens of a text, at most `room` of them; how many there are in all.
static int32_t encode(const reading *r, const char *text, size_t bytes, int32_t *ids, int32_t room) {
  if (r->how->words == NULL || text == NULL) return 0;
  const size_t n = word_tokenizer_encode(r->how->words, text, bytes, ids, (size_t)room);
  return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

// What of two segments fits: the longer is shortened first. Neither is longer than the room itself.
static void share(int32_t room, int32_t *a, int32_t *b) {
  if (*a > room) *a = room;
  if (*b > room) *b = room;
  if (*a + *b <= room) return;
  const int32_t half = room / 2, short_one = *a < *b ? *a : *b;
  const int32_t kept = short_one < half ? short_one : half;
  if (*a <= *b) {
    *a = kept;
    *b = room - kept;
  } else {
    *b = kept;
    *a = room - kept;
  }
}

static status keep_text(char ***array, size_t *cap, int64_t row, const char *text) {
  TRY(mem_grow(array, cap, (size_t)row + 1, sizeof **array, "texts of rows"));
  (*array)[row] = NULL;
  return text != NULL ? mem_strdup(&(*array)[row], text) : OK;
}

static status add_row(reading *r, const seq_input *first, const seq_input *second, const int32_t *labels,
                      int64_t line, const char *text, const char *item) {
  if (r->how->keep) {
    TRY(keep_text(&r->rows->texts, &r->rows->texts_cap, r->rows->n, text));
    TRY(keep_text(&r->rows->items, &r->rows->items_cap, r->rows->n, item));
  }
  r->report->used++;
  return labelled_add(r->rows, first, second, labels, line);
}

static status take_texts(reading *r, const log_row *row) {
  int32_t a = encode(r, row->text[COL_TEXT], row->bytes[COL_TEXT], r->first, r->room),
          b = encode(r, row->text[COL_TEXT_B], row->bytes[COL_TEXT_B], r->second, r->room);
  const int32_t in_all = a > INT32_MAX - b ? INT32_MAX : a + b;
  if (in_all == 0) {
    r->report->empty++;
    return OK;
  }
  r->report->cut += in_all > r->room;
  share(r->room, &a, &b);
  const seq_input first = {.tokens = r->first, .n = a}, second = {.tokens = r->second, .n = b};
  return add_row(r, &first, &second, r->labels, row->line, row->text[COL_TEXT], row->text[COL_ITEM]);
}

// ---- pairs ---------------------------------------------------------------------------------------------------

// An item as a segment: its token, and its text in the row or in the data set.
static int32_t item_segment(reading *r, const log_row *row, bool *nothing) {
  const vocab *v = dataset_vocab(r->how->d);
  const char *name = row->text[COL_ITEM];
  const int32_t id = name != NULL ? vocab_find(v, RANGE_ITEMS, name) : -1,
                begin = vocab_begin(v, RANGE_ITEMS);
  int32_t n = 0;
  r->report->unknown_items += id < 0;
  r->second[n++] = id >= 0 ? id : TOKEN_UNK;
  int32_t more = encode(r, row->text[COL_TEXT], row->bytes[COL_TEXT], r->second + n, r->room - n);
  if (more == 0 && id >= 0 && r->texts != NULL) {
    const int64_t from = r->texts->offsets[id - begin], all = r->texts->offsets[id - begin + 1] - from;
    more = all > r->room ? r->room : (int32_t)all;
    const int32_t copied = more < r->room - n ? more : r->room - n;
    memcpy(r->second + n, r->texts->tokens + from, (size_t)copied * sizeof *r->second);
  }
  *nothing = id < 0 && more == 0;
  return more > INT32_MAX - n ? INT32_MAX : n + more;
}

// A list of items in a cell; how many there are in all, of which the newest are kept.
static int32_t history_segment(reading *r, const char *cell) {
  const vocab *v = dataset_vocab(r->how->d);
  const char *separator = r->how->c->list[0] != '\0' ? r->how->c->list : " ";
  int32_t n = 0;
  for (const char *at = cell; at != NULL && n < INT32_MAX;) {
    const char *stop = strstr(at, separator);
    const size_t bytes = stop != NULL ? (size_t)(stop - at) : strlen(at);
    const int32_t id = vocab_find_bytes(v, RANGE_ITEMS, at, bytes);
    if (bytes > 0) r->report->unknown_items += id < 0;
    if (id >= 0) r->first[n++ % r->room] = id;
    at = stop != NULL ? stop + strlen(separator) : NULL;
  }
  return n;
}

// The ring's newest `kept` of n in order, in the events' place of a scratch row.
static void unroll(const reading *r, int32_t n, int32_t kept, int32_t *to) {
  for (int32_t i = 0; i < kept; i++) to[i] = r->first[(n - kept + i) % r->room];
}

static status add_pair(reading *r, const seq_input *history, int32_t in_all, const int32_t *item,
                       int32_t item_n, const int32_t *labels, int64_t line, const char *text,
                       const char *name) {
  int32_t a = history->n, b = item_n;
  r->report->cut += in_all > r->room - b;
  share(r->room, &a, &b);
  const seq_input first = {.tokens = history->tokens + history->n - a,
                           .events = history->events != NULL ? history->events + history->n - a : NULL,
                           .n = a},
                  second = {.tokens = item, .n = b};
  return add_row(r, &first, &second, labels, line, text, name);
}

static status wait_for_history(reading *r, const log_row *row, int64_t at, int64_t time, int32_t item_n) {
  const int32_t kept = item_n < r->room ? item_n : r->room, n_labels = r->rows->targets;
  TRY(mem_grow(&r->waiting, &r->waiting_cap, r->n_waiting + 1, sizeof *r->waiting, "pairs"));
  TRY(mem_grow(&r->tokens, &r->tokens_cap, r->n_tokens + (size_t)kept, sizeof *r->tokens, "pairs"));
  TRY(mem_grow(&r->waiting_labels, &r->waiting_labels_cap, r->n_waiting_labels + (size_t)n_labels,
               sizeof *r->waiting_labels, "pairs"));
  waiting *w = &r->waiting[r->n_waiting];
  *w = (waiting){.sequence = at,
                 .time = time,
                 .line = row->line,
                 .order = (int64_t)r->n_waiting,
                 .at = r->n_tokens,
                 .labels = r->n_waiting_labels,
                 .tokens = kept};
  memcpy(r->tokens + w->at, r->second, (size_t)kept * sizeof *r->tokens);
  memcpy(r->waiting_labels + w->labels, r->labels, (size_t)n_labels * sizeof *r->labels);
  r->n_tokens += (size_t)kept;
  r->n_waiting_labels += (size_t)n_labels;
  r->n_waiting++;
  if (r->how->keep && row->text[COL_TEXT] != NULL) TRY(mem_strdup(&w->text, row->text[COL_TEXT]));
  return r->how->keep && row->text[COL_ITEM] != NULL ? mem_strdup(&w->item, row->text[COL_ITEM]) : OK;
}

// The row's time in the data set's unit; INT64_MIN: there is no column, so a history is its training part.
static bool time_of(const reading *r, const log_row *row, int64_t *time, const char **why) {
  event_time t;
  *time = INT64_MIN;
  if (r->how->c->time[0] == '\0') return true;
  const char *text = row->text[COL_TIME];
  if (text == NULL) {
    *why = "no time";
    return false;
  }
  if (!time_parse_local((time_format)r->how->c->time_format, r->zone, text, row->bytes[COL_TIME], &t, why))
    return false;
  const int64_t unit = time_unit_per_second(dataset_get_info(r->how->d)->time_unit);
  *time = t.seconds * unit + (int64_t)t.nanos / (1000000000 / unit);
  return true;
}

static status take_pair(reading *r, const log_row *row, const char **why) {
  bool nothing;
  int64_t time;
  const char *user = row->text[COL_USER], *cell = row->text[COL_HISTORY];
  const int32_t item_n = item_segment(r, row, &nothing);
  if (r->how->c->history[0] != '\0') {
    const int32_t n = cell != NULL ? history_segment(r, cell) : 0, kept = n < r->room ? n : r->room;
    int32_t *ordered = r->first + r->room;
    unroll(r, n, kept, ordered);
    r->report->unknown_users += n == 0;
    if (nothing && n == 0) {
      r->report->empty++;
      return OK;
    }
    const seq_input history = {.tokens = ordered, .n = kept};
    return add_pair(r, &history, n, r->second, item_n, r->labels, row->line, row->text[COL_TEXT],
                    row->text[COL_ITEM]);
  }
  if (!time_of(r, row, &time, why)) return OK;
  const int32_t at = user != NULL ? intern_find(r->users, user) : -1;
  if (at >= 0) return wait_for_history(r, row, at, time, item_n);
  r->report->unknown_users++;
  if (nothing) {
    r->report->empty++;
    return OK;
  }
  const seq_input none = {.tokens = r->first, .n = 0};
  return add_pair(r, &none, 0, r->second, item_n, r->labels, row->line, row->text[COL_TEXT],
                  row->text[COL_ITEM]);
}

// ---- histories of the data set -------------------------------------------------------------------------------

static int by_sequence(const void *a, const void *b) {
  const waiting *x = a, *y = b;
  if (x->sequence != y->sequence) return x->sequence < y->sequence ? -1 : 1;
  return (x->order > y->order) - (x->order < y->order);
}

static status pair_with(reading *r, const waiting *w, const sequence *s) {
  int32_t n = s->valid_from;
  if (w->time != INT64_MIN)
    for (n = 0; n < s->n && s->times[n] < w->time;) n++;
  r->report->unknown_users += n == 0;
  if (n == 0 && w->tokens == 1 && r->tokens[w->at] == TOKEN_UNK) {
    r->report->empty++;
    return OK;
  }
  const int32_t kept = n < r->room ? n : r->room;
  const seq_input history = {.tokens = s->tokens + n - kept, .events = s->events + n - kept, .n = kept};
  return add_pair(r, &history, n, r->tokens + w->at, w->tokens, r->waiting_labels + w->labels, w->line,
                  w->text, w->item);
}

static status find_histories(reading *r) {
  const int64_t all = dataset_get_info(r->how->d)->sequences;
  if (r->n_waiting == 0) return OK;
  qsort(r->waiting, r->n_waiting, sizeof *r->waiting, by_sequence);
  status rc = OK;
  for (size_t i = 0; rc == OK && i < r->n_waiting;) {
    const int64_t first = r->waiting[i].sequence, left = all - first;
    sequence_block *b;
    sequence s;
    TRY(block_read(&b, r->how->d, first, left < READ_SEQUENCES ? left : READ_SEQUENCES));
    for (; rc == OK && i < r->n_waiting && r->waiting[i].sequence - first < block_count(b); i++) {
      block_get(b, r->waiting[i].sequence - first, &s);
      rc = pair_with(r, &r->waiting[i], &s);
    }
    block_free(b);
  }
  return rc;
}

static status read_users(reading *r) {
  user_names *u;
  const char *name;
  int32_t id;
  TRY(intern_new(&r->users));
  TRY(user_names_open(&u, r->how->d));
  status rc = OK;
  for (int64_t i = 0; rc == OK && i < dataset_get_info(r->how->d)->sequences; i++) {
    rc = user_names_next(u, &name);
    if (rc == OK) rc = intern_add(r->users, name, &id);
  }
  user_names_close(u);
  return rc;
}

// ---- files ---------------------------------------------------------------------------------------------------

static status reject(reading *r, const log_row *row, const char *why) {
  char text[512];
  r->report->rejected++;
  snprintf(text, sizeof text, "%s line %lld: %s", r->path, (long long)row->line, why);
  return keep_first(&r->report->first_reject, text);
}

static status take_row(reading *r, const log_row *row) {
  const char *why = row->reject, *cell = row->text[COL_LABELS];
  bool unseen;
  if (r->only_labels) return why == NULL && cell != NULL ? take_list(r, cell, NULL, &unseen) : OK;
  r->report->rows++;
  if (why == NULL) TRY(take_labels(r, row, &why));
  if (why == NULL && r->how->pair) TRY(take_pair(r, row, &why));
  if (why == NULL && !r->how->pair) TRY(take_texts(r, row));
  return why != NULL && why[0] != '\0' ? reject(r, row, why) : OK;
}

static status read_rows(reading *r, log_reader *in) {
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

static status read_file(reading *r, const char *path, const char *const *columns, int n) {
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
static status read_files(reading *r, const char *const *names, const char *files, const char *source) {
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

// ---- labels that were found ----------------------------------------------------------------------------------

typedef struct named {
  const char *name;
  int32_t was;
} named;

static int by_name(const void *a, const void *b) {
  return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static void renumber_single(labelled_rows *rows, const int32_t *now) {
  for (int64_t i = 0; i < rows->n; i++)
    if (rows->labels[i] >= 0) rows->labels[i] = now[rows->labels[i]];
}

// The labels by their names in order, whatever the order of the rows.
static status name_found(reading *r, const char *source) {
  const int32_t n = intern_count(r->found), least = r->by_list ? 1 : 2;
  if (n < least)
    return fail(ERR_ARGUMENT, "%s has %d label%s, and at least %d %s wanted", source, n, n == 1 ? "" : "s",
                least, least == 1 ? "is" : "are");
  if (n > MOST_LABELS)
    return fail(ERR_ARGUMENT, "%s has %d labels, and at most %d are possible: is it the right column?",
                source, n, MOST_LABELS);
  named sorted[MOST_LABELS];
  const char *names[MOST_LABELS];
  int32_t now[MOST_LABELS];
  for (int32_t i = 0; i < n; i++) sorted[i] = (named){intern_text(r->found, i), i};
  qsort(sorted, (size_t)n, sizeof *sorted, by_name);
  for (int32_t i = 0; i < n; i++) names[i] = sorted[i].name;
  for (int32_t i = 0; i < n; i++) now[sorted[i].was] = i;
  if (!r->by_list) renumber_single(r->rows, now);
  return label_set_new(r->l, "classify", !r->by_list, names, n);
}

// Before the rows are read: labels that are columns, or that only another reading of the files tells.
static status find_labels_first(reading *r, const char *const *names, const char *files, const char *source) {
  if (!r->find_labels || (!r->by_columns && !r->by_list)) return OK;
  if (r->by_columns) TRY(label_set_new(r->l, r->how->pair ? "pair" : "classify", false, names, r->n_labels));
  r->only_labels = true;
  if (r->by_list) TRY(read_files(r, names, files, source));
  if (r->by_list) TRY(name_found(r, source));
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
static status plan_rows(reading *r) {
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

static status make_room(reading *r) {
  const labelled_how *how = r->how;
  const size_t room = (size_t)r->room + 1;
  TRY(mem_new(&r->first, 2 * room, sizeof *r->first, "tokens of a row"));
  TRY(mem_new(&r->second, room, sizeof *r->second, "tokens of a row"));
  TRY(mem_new(&r->labels, MOST_LABELS, sizeof *r->labels, "labels of a row"));
  TRY(intern_new(&r->found));
  if (how->pair) TRY(dataset_item_texts(how->d, &r->texts));
  return how->pair && how->c->user[0] != '\0' ? read_users(r) : OK;
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

// A given label set must be of the same kind as the columns.
static status check_labels(const reading *r) {
  if (r->find_labels || r->how->unlabelled) return OK;
  const bool several = r->by_columns || r->by_list;
  if (r->l->single == several || (r->by_columns && r->l->n != r->n_labels))
    return fail(ERR_ARGUMENT, "labels.label: the model has %s of %d labels, and the rows have %s",
                r->l->single ? "one" : "any", r->l->n, several ? "several" : "one");
  return OK;
}

static void close_reading(reading *r) {
  for (size_t i = 0; i < r->n_waiting; i++) {
    free(r->waiting[i].text);
    free(r->waiting[i].item);
  }
  free(r->waiting);
  free(r->tokens);
  free(r->waiting_labels);
  free(r->first);
  free(r->second);
  free(r->labels);
  intern_free(r->found);
  intern_free(r->users);
}

status labelled_read(labelled_rows *out, label_set *l, labelled_report *report, const labelled_how *how,
                     const char *files, const char *source) {
  char room[OPTION_STRING + 1];
  const char *names[MOST_LABEL_COLUMNS];
  reading r = {.how = how, .rows = out, .report = report, .l = l};
  const bool new_labels = l->n == 0;
  *out = (labelled_rows){.n = 0};
  *report = (labelled_report){.rows = 0};
  status rc;
  TRY_GOTO(check_config(how), done);
  TRY_GOTO(labelled_columns(how->c, how->pair, room, names, &r.n_labels), done);
  TRY_GOTO(plan_rows(&r), done);
  TRY_GOTO(make_room(&r), done);
  TRY_GOTO(check_labels(&r), done);
  TRY_GOTO(find_labels_first(&r, names, files, source), done);
  out->targets = l->n > 0 && !l->single ? l->n : 1;
  TRY_GOTO(read_files(&r, names, files, source), done);
  TRY_GOTO(find_histories(&r), done);
  if ((double)report->rejected > how->c->max_rejects * (double)report->rows)
    TRY_GOTO(fail(ERR_FORMAT, "%s: %lld of %lld rows cannot be used, the first: %s", source,
                  (long long)report->rejected, (long long)report->rows, report->first_reject),
             done);
  if (r.find_labels) TRY_GOTO(name_found(&r, source), done);
  rc = count_labels(report, out, l);
done:
  close_reading(&r);
  if (rc != OK) labelled_free(out);
  if (rc != OK) labelled_report_free(report);
  if (rc != OK && new_labels) label_set_free(l);
  return rc;
}
