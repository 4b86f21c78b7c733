// What the files that read labelled rows share (labelled_read.h).
#ifndef SOUK_PREPARE_LABELLED_INTERNAL_H
#define SOUK_PREPARE_LABELLED_INTERNAL_H

#include "data/item_texts.h"
#include "data/user_context.h"
#include "prepare/intern.h"
#include "prepare/labelled_read.h"
#include "prepare/log_reader.h"

enum { COL_TEXT, COL_TEXT_B, COL_USER, COL_HISTORY, COL_ITEM, COL_TIME, COL_LABELS };
enum { LABEL_UNKNOWN = -1, LABEL_REJECTED = -2, LABEL_UNSEEN = -3 };

// A pair whose history is that of a user of the data set.
typedef struct waiting_pair {
  int64_t sequence, time, line;
  int64_t order; // in the files
  size_t at;     // its item's tokens, and its labels, in the arrays of label_reading
  size_t labels;
  int32_t tokens;
  char *text, *item;
} waiting_pair;

typedef struct label_reading {
  const labelled_how *how;
  labelled_rows *rows;
  labelled_report *report;
  label_set *l;
  // Labels are to be found in the rows; are a column each; are lists in one column.
  bool find_labels, by_columns, by_list;
  bool only_labels; // a first reading, for the labels of lists
  intern *found;    // labels in the order in which they come, of a label_set that is being found
  intern *users;    // names of the data set's users, by sequence
  const item_texts *texts;
  const user_context *context;          // NULL: histories are events alone
  int n_labels;                         // columns of labels
  int32_t label_of[MOST_LABEL_COLUMNS]; // by_columns: which label each is
  int32_t zone;
  int32_t room;            // tokens that the model has room for
  int32_t *first, *second; // tokens of a row [2 room + 2], [room + 1]
  uint8_t *events;         // of the first segment [room + 1]
  int32_t *labels;         // of a row
  waiting_pair *waiting;
  size_t n_waiting, waiting_cap;
  int32_t *tokens, *waiting_labels;
  size_t n_tokens, tokens_cap, n_waiting_labels, waiting_labels_cap;
  const char *path; // of the file at hand
} label_reading;

// labelled_names.c: the labels of a row into r->labels, with what there is to count. *why: the row cannot be used; "": it is left out, which
// is counted.
status reading_take_labels(label_reading *r, const log_row *row, const char **why);
// A cell that is a list of labels: those that it names hold. labels NULL: they are only being found.
status reading_take_list(label_reading *r, const char *cell, int32_t *labels, bool *unseen);
// The labels that were found, sorted by name.
status reading_name_found(label_reading *r, const char *source);
status reading_keep_first(char **to, const char *text); // a copy, unless there is one

// Tokens of a text, at most `room` of them; how many there are in all.
int32_t reading_encode(const label_reading *r, const char *text, size_t bytes, int32_t *ids, int32_t room);
// What of two segments fits: the longer is shortened first.
void reading_share(int32_t room, int32_t *a, int32_t *b);
status reading_add_row(label_reading *r, const seq_input *first, const seq_input *second,
                       const int32_t *labels, int64_t line, const char *text, const char *item);

// labelled_pairs.c: a row that is a pair, whose history may have to wait; and then the histories of the data set.
status reading_take_pair(label_reading *r, const log_row *row, const char **why);
status reading_find_histories(label_reading *r);
status reading_users(label_reading *r);
void reading_free_pairs(label_reading *r);

#endif
