// Counts of what could not be used; see rejects.h.
#include "prepare/rejects.h"

#include <stdio.h>
#include <string.h>
#include "format/utf8.h"

static const char other[] = "other reasons";

static int place_of(const reject_list *list, const char *text) { // list->n: it is not there
  int i = 0;
  while (i < list->n && list->reasons[i].text != text && strcmp(list->reasons[i].text, text) != 0) i++;
  return i;
}

bool reject_shows(const reject_list *list, const char *reason) {
  const int i = place_of(list, reason);
  return i == list->n ? list->n < MAX_REASONS || list->reasons[MAX_REASONS - 1].count < SAMPLES
                      : list->reasons[i].count < SAMPLES;
}

static reject_reason *find_reason(reject_list *list, const char *text) {
  const int i = place_of(list, text);
  if (i < list->n) return &list->reasons[i];
  if (list->n == MAX_REASONS) return &list->reasons[MAX_REASONS - 1];
  reject_reason *x = &list->reasons[list->n++];
  x->text = list->n == MAX_REASONS ? other : text;
  return x;
}

static void copy_text(char to[SAMPLE_TEXT], const char *text, size_t bytes) {
  const size_t n = utf8_cut(text, bytes, SAMPLE_TEXT - 1);
  memcpy(to, text, n);
  to[n] = '\0';
}

void reject_add(reject_list *list, const char *reason, int64_t line, const char *text, size_t bytes) {
  reject_reason *x = find_reason(list, reason);
  if (x->count < SAMPLES) {
    x->files[x->count] = list->file;
    x->lines[x->count] = line;
    copy_text(x->excerpts[x->count], text, bytes);
  }
  x->count++;
  list->rejected++;
}

void reject_row(reject_list *list, const char *reason, const log_reader *r) {
  reject_add(list, reason, log_line(r), log_row_text(r), strlen(log_row_text(r)));
}

void reject_merge(reject_list *to, const reject_list *more) {
  for (int i = 0; i < more->n; i++) {
    const reject_reason *from = &more->reasons[i];
    reject_reason *x = find_reason(to, from->text);
    for (int k = 0; k < SAMPLES && k < from->count && x->count + k < SAMPLES; k++) {
      x->files[x->count + k] = from->files[k];
      x->lines[x->count + k] = from->lines[k];
      memcpy(x->excerpts[x->count + k], from->excerpts[k], SAMPLE_TEXT);
    }
    x->count += from->count;
  }
  to->rows += more->rows;
  to->rejected += more->rejected;
}

const char *reject_most(const reject_list *list, char text[REJECT_MOST]) {
  int most = 0;
  text[0] = '\0';
  if (list->n == 0) return text;
  for (int i = 1; i < list->n; i++)
    if (list->reasons[i].count > list->reasons[most].count) most = i;
  const reject_reason *x = &list->reasons[most];
  const char *file = x->files[0] != NULL ? x->files[0] : "";
  snprintf(text, REJECT_MOST, " (most: %s, first on %.1000s%sline %lld: %s)", x->text, file,
           *file != '\0' ? " " : "", (long long)x->lines[0], x->excerpts[0]);
  return text;
}

status check_rejects(const reject_list *list, const char *path, double max) {
  char most[REJECT_MOST];
  if ((double)list->rejected <= max * (double)list->rows) return OK;
  return fail(ERR_FORMAT, "%s: %lld of %lld rows cannot be read%s; input.max_rejects allows %.3g%%", path,
              (long long)list->rejected, (long long)list->rows, reject_most(list, most), 100.0 * max);
}
