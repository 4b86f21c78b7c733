// What became of labelled rows, in sentences and as json; see labelled_read.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "format/printable.h"
#include "prepare/labelled_read.h"

void labelled_report_free(labelled_report *r) {
  free(r->known);
  free(r->holds);
  free(r->first_unseen);
  free(r->first_reject);
  *r = (labelled_report){.rows = 0};
}

enum { FEW = 20, SHOWN_LABELS = 8 }; // so many times rarer than the most frequent one

static double percent(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void tell_count(int64_t n, int64_t rows, const char *source, const char *what) {
  if (n > 0) log_warn("%s: %lld of %lld rows %s", source, (long long)n, (long long)rows, what);
}

static void tell_labels(const labelled_report *r, const label_set *l, const char *source) {
  char text[512], name[96];
  size_t used = 0;
  int64_t sum = 0;
  text[0] = '\0';
  for (int32_t k = 0; k < l->n; k++) sum += r->holds[k];
  for (int32_t k = 0; k < l->n && k < SHOWN_LABELS && used < sizeof text; k++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %lld (%.1f%%%s)", k > 0 ? ", " : "",
                             printable(name, sizeof name, l->names[k], ""), (long long)r->holds[k],
                             percent(r->holds[k], l->single ? sum : r->known[k]),
                             l->single ? "" : " of those known");
  log_info("%s: %lld rows; %s%s", source, (long long)r->used, text,
           l->n > SHOWN_LABELS ? ", and more labels" : "");
}

// Is one of these so rare beside the other? Tells it, where there is somebody to tell (source).
static bool imbalance(const char *source, const char *what, int64_t least, int64_t most) {
  if (least * FEW >= most) return false;
  if (source != NULL)
    log_warn("%s: class imbalance: %s, %lld rows beside %lld; labels.weights auto weighs them", source, what,
             (long long)least, (long long)most);
  return true;
}

// Of one of several labels: do all rows that know it say the same? Tells it.
static bool one_sided(const char *source, const char *what, int64_t rows) {
  if (source != NULL)
    log_warn("%s: class imbalance: %s in all %lld rows that know it, which teach nothing of the contrary",
             source, what, (long long)rows);
  return true;
}

// single: each label beside the most frequent one, of which the rarest is told; several: of each label, where it holds and where not.
static int32_t judge_balance(const labelled_report *r, const label_set *l, const char *source) {
  char what[192], name[96];
  int32_t rare = 0, frequent = 0, found = 0;
  for (int32_t k = 0; k < l->n; k++) {
    const int64_t holds = r->holds[k], not = r->known[k] - holds;
    if (holds < r->holds[rare]) rare = k;
    if (holds > r->holds[frequent]) frequent = k;
    const int64_t least = holds < not ? holds : not, most = holds < not ? not : holds;
    printable(name, sizeof name, l->names[k], "");
    if (l->single || most == 0) continue;
    if (least == 0)
      snprintf(what, sizeof what, "%s %s", name, holds > 0 ? "holds" : "does not hold");
    else
      snprintf(what, sizeof what, "%s %s", name, holds < not ? "seldom holds" : "seldom does not hold");
    found += least == 0 ? one_sided(source, what, most) : imbalance(source, what, least, most);
  }
  if (!l->single) return found;
  for (int32_t k = 0; k < l->n; k++) found += imbalance(NULL, "", r->holds[k], r->holds[frequent]);
  snprintf(what, sizeof what, "%s is rare", printable(name, sizeof name, l->names[rare], ""));
  imbalance(source, what, r->holds[rare], r->holds[frequent]);
  return found;
}

int32_t labelled_imbalanced(const labelled_report *r, const label_set *l) {
  return r->labels > 0 ? judge_balance(r, l, NULL) : 0;
}

void labelled_tell(const labelled_report *r, const label_set *l, const char *source) {
  char text[512];
  if (r->labels > 0) tell_labels(r, l, source);
  if (r->labels > 0) judge_balance(r, l, source);
  snprintf(text, sizeof text, "cannot be used and are left out, the first: %s",
           r->first_reject != NULL ? r->first_reject : "");
  tell_count(r->rejected, r->rows, source, text);
  tell_count(r->empty, r->rows, source, "have no text that the vocabulary can read and are left out");
  tell_count(r->cut, r->rows, source, "are longer than model.max_positions has room for, and are cut");
  if (r->labels > 0) tell_count(r->no_label, r->rows, source, "have no label and are left out");
  snprintf(text, sizeof text,
           "have a label that training does not have (the first: %s), which counts as not known",
           r->first_unseen != NULL ? r->first_unseen : "");
  tell_count(r->unseen, r->rows, source, text);
  if (r->unknown_items > 0)
    log_warn("%s: %lld times an item is not in the vocabulary; it is [UNK], or left out of a history", source,
             (long long)r->unknown_items);
  tell_count(r->unknown_users, r->rows, source, "have no history");
}

json_t *labelled_report_json(const labelled_report *r, const label_set *l) {
  json_t *known = json_array(), *holds = json_array();
  int bad = 0;
  for (int32_t k = 0; k < r->labels; k++) bad |= json_array_append_new(known, json_integer(r->known[k]));
  for (int32_t k = 0; k < r->labels; k++) bad |= json_array_append_new(holds, json_integer(r->holds[k]));
  json_t *j =
      bad != 0 ? NULL
               : json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:O,s:O}", "rows", (json_int_t)r->rows,
                           "used", (json_int_t)r->used, "rejected", (json_int_t)r->rejected, "empty",
                           (json_int_t)r->empty, "cut", (json_int_t)r->cut, "no_label",
                           (json_int_t)r->no_label, "unseen", (json_int_t)r->unseen, "unknown_items",
                           (json_int_t)r->unknown_items, "unknown_users", (json_int_t)r->unknown_users,
                           "imbalanced", labelled_imbalanced(r, l), "known", known, "holds", holds);
  json_decref(known);
  json_decref(holds);
  return j;
}
