// The labels of labelled rows: as cells say them, and as a set; see labelled_internal.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/memory.h"
#include "format/printable.h"
#include "prepare/input_files.h"
#include "prepare/labelled_internal.h"

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

// ---- labels --------------------------------------------------------------------------------------------------

// 1, 0, or LABEL_REJECTED.
static int32_t truth_of(const char *text) {
  static const char *const yes[] = {"1", "1.0", "true", "yes"}, *const no[] = {"0", "0.0", "false", "no"};
  for (size_t i = 0; i < 4; i++) {
    if (strcasecmp(text, yes[i]) == 0) return 1;
    if (strcasecmp(text, no[i]) == 0) return 0;
  }
  return LABEL_REJECTED;
}

status reading_keep_first(char **to, const char *text) {
  char shown[160];
  return *to != NULL ? OK : mem_strdup(to, printable(shown, sizeof shown, text, ""));
}

// The number of a label by its name; LABEL_UNSEEN: training has none of this name.
static status number_of(label_reading *r, const char *name, int32_t *number) {
  if (r->find_labels) return intern_add(r->found, name, number);
  *number = label_find(r->l, name);
  if (*number >= 0) return OK;
  *number = LABEL_UNSEEN;
  return reading_keep_first(&r->report->first_unseen, name);
}

static status take_names(label_reading *r, char *cell, int32_t *labels, bool *unseen) {
  const char *separator = r->how->c->list;
  for (char *at = cell, *next; at != NULL; at = next) {
    next = strstr(at, separator);
    if (next != NULL) {
      *next = '\0';
      next += strlen(separator);
    }
    int32_t k;
    if (at[0] == '\0') continue;
    TRY(number_of(r, at, &k));
    *unseen |= k == LABEL_UNSEEN;
    if (k >= 0 && labels != NULL) labels[k] = 1;
  }
  return OK;
}

// The labels of a list in a cell: those that it names hold, the others do not. labels NULL: they are only being found.
status reading_take_list(label_reading *r, const char *cell, int32_t *labels, bool *unseen) {
  char *copy;
  TRY(mem_strdup(&copy, cell));
  const status rc = take_names(r, copy, labels, unseen);
  free(copy);
  return rc;
}

// A column a label.
static bool take_columns(label_reading *r, const char *const *cells, const char **why) {
  bool any = false;
  for (int k = 0; k < r->n_labels; k++) {
    if (cells[k] == NULL) continue;
    r->labels[r->label_of[k]] = truth_of(cells[k]);
    if (r->labels[r->label_of[k]] == LABEL_REJECTED) *why = "a label that is neither 1 nor 0";
    any = true;
  }
  return any;
}

// The row's labels into r->labels, and what there is to count. *why: it cannot be used; "": it is left out, which is counted.
status reading_take_labels(label_reading *r, const log_row *row, const char **why) {
  const char *const *cells = row->text + COL_LABELS;
  bool any = false, unseen = false;
  for (int32_t k = 0; k < r->rows->targets; k++) r->labels[k] = LABEL_UNKNOWN;
  if (r->how->unlabelled) return OK;
  if (r->by_columns) {
    any = take_columns(r, cells, why);
  } else if (cells[0] != NULL && r->by_list) {
    for (int32_t k = 0; k < r->rows->targets; k++) r->labels[k] = 0;
    TRY(reading_take_list(r, cells[0], r->labels, &unseen));
    any = true;
  } else if (cells[0] != NULL) {
    TRY(number_of(r, cells[0], &r->labels[0]));
    unseen = r->labels[0] == LABEL_UNSEEN;
    any = !unseen;
  }
  if (*why != NULL) return OK;
  r->report->unseen += unseen;
  r->report->no_label += !any && !unseen;
  if (!any) *why = "";
  return OK;
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
status reading_name_found(label_reading *r, const char *source) {
  const int32_t n = intern_count(r->found), least = r->by_list ? 1 : 2;
  if (n < least)
    return fail(ERR_ARGUMENT, "%s has %d label%s, and at least %d %s wanted", source, n, n == 1 ? "" : "s",
                least, least == 1 ? "is" : "are");
  if (n > MOST_LABELS)
    return fail(ERR_ARGUMENT, "%s has %d labels, and at most %d are possible: is it the right column?",
                source, n, MOST_LABELS);
  named sorted[MOST_LABELS] = {{.name = NULL}};
  const char *names[MOST_LABELS];
  int32_t now[MOST_LABELS];
  for (int32_t i = 0; i < n; i++) sorted[i] = (named){intern_text(r->found, i), i};
  qsort(sorted, (size_t)n, sizeof *sorted, by_name);
  for (int32_t i = 0; i < n; i++) names[i] = sorted[i].name;
  for (int32_t i = 0; i < n; i++) now[sorted[i].was] = i;
  if (!r->by_list) renumber_single(r->rows, now);
  return label_set_new(r->l, "classify", !r->by_list, names, n);
}
