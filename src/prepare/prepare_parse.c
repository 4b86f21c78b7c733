// Times and numbers of logs, and the accounting of rows that cannot be read.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "prepare/prepare_internal.h"

// ---- times ---------------------------------------------------------------------------------------------------

// The number in the `n` digits at *p, which moves past them; -1 if there are fewer digits.
static int digits(const char **p, int n) {
  int value = 0;
  for (int i = 0; i < n; i++) {
    if ((*p)[i] < '0' || (*p)[i] > '9') return -1;
    value = 10 * value + ((*p)[i] - '0');
  }
  *p += n;
  return value;
}

// Days since 1970-01-01 in the Gregorian calendar (H. Hinnant, chrono-compatible low-level date algorithms).
static int64_t days_of(int y, int m, int d) {
  y -= m <= 2;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int of_era = y - era * 400, of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in(int y, int m) {
  static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : days[m - 1];
}

// 2024-03-01, with a time behind T or a space (seconds and their fraction may be missing), with a zone or
// UTC.
static bool parse_iso(const char *p, int64_t *seconds) {
  const int y = digits(&p, 4);
  if (y < 0 || *p++ != '-') return false;
  const int mo = digits(&p, 2);
  if (mo < 1 || mo > 12 || *p++ != '-') return false;
  const int d = digits(&p, 2);
  if (d < 1 || d > days_in(y, mo)) return false;
  int64_t t = days_of(y, mo, d) * 86400;
  if (*p == 'T' || *p == ' ') {
    p++;
    const int h = digits(&p, 2);
    if (h < 0 || h > 24 || *p++ != ':') return false;
    const int mi = digits(&p, 2);
    if (mi < 0 || mi > 59) return false;
    int s = 0;
    if (*p == ':') {
      p++;
      s = digits(&p, 2);
      if (s < 0 || s > 60) return false; // 60: a leap second
      if (*p == '.' || *p == ',') p += 1 + strspn(p + 1, "0123456789");
    }
    t += h * 3600 + mi * 60 + s;
    if (*p == 'Z') {
      p++;
    } else if (*p == '+' || *p == '-') {
      const int sign = *p++ == '+' ? 1 : -1;
      const int zone_h = digits(&p, 2);
      if (*p == ':') p++;
      const int zone_m = *p == '\0' ? 0 : digits(&p, 2);
      if (zone_h < 0 || zone_m < 0) return false;
      t -= sign * (zone_h * 3600 + zone_m * 60);
    }
  }
  *seconds = t;
  return *p == '\0';
}

bool parse_number(const char *text, double *value) {
  char *end;
  *value = strtod(text, &end);
  return end != text && *end == '\0' && isfinite(*value);
}

bool parse_time(int format, const char *text, int64_t *seconds) {
  if (format == 2) return parse_iso(text, seconds);
  double value;
  if (!parse_number(text, &value) || fabs(value) >= 1e17) return false;
  *seconds = (int64_t)floor(format == 1 ? value / 1000.0 : value);
  return true;
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
