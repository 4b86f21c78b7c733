// Numbers of logs, and the accounting of rows that cannot be read.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "prepare/prepare_internal.h"

bool parse_number(const char *text, double *value) {
  char *end;
  *value = strtod(text, &end);
  return end != text && *end == '\0' && isfinite(*value);
}

// ---- rejects -------------------------------------------------------------------------------------------------

void reject_row(reject_list *list, const char *reason, const log_reader *r) {
  int i = 0;
  while (i < list->n && strcmp(list->reasons[i].text, reason) != 0) i++;
  if (i == MAX_REASONS) i--;
  reject_reason *x = &list->reasons[i];
  if (i == list->n) {
    x->text = reason;
    list->n++;
  }
  if (x->count < SAMPLES) {
    x->lines[x->count] = log_line(r);
    snprintf(x->excerpts[x->count], sizeof x->excerpts[0], "%s", log_row_text(r)); // at most 120 bytes
  }
  x->count++;
  list->rejected++;
}

status check_rejects(const reject_list *list, const char *path, double max) {
  if ((double)list->rejected <= max * (double)list->rows) return OK;
  int most = 0;
  for (int i = 1; i < list->n; i++)
    if (list->reasons[i].count > list->reasons[most].count) most = i;
  const reject_reason *x = &list->reasons[most];
  return fail(ERR_FORMAT,
              "%s: %lld of %lld rows cannot be read (most: %s, first on line %lld: %s); input.max_rejects "
              "allows %.3g%%",
              path, (long long)list->rejected, (long long)list->rows, x->text, (long long)x->lines[0],
              x->excerpts[0], 100.0 * max);
}

void show_progress(prepare_job *job, const char *what, int64_t count, double share) {
  const double now = now_seconds(), least = log_is_terminal() ? 0.2 : 10.0;
  if (now - job->last_progress < least) return;
  job->last_progress = now;
  if (share >= 0)
    log_status_line("%s: %lld, %.0f%%", what, (long long)count, 100.0 * share);
  else
    log_status_line("%s: %lld", what, (long long)count);
}
