// Messages for people; see log.h.
#include "base/log.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include "base/terminal.h"
#include "format/printable.h"

// Room for a message: two paths and the message of a status (status.c).
enum { MESSAGE_BYTES = 12 << 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static log_level threshold = LOG_INFO;
static bool terminal, line_open;
static bool passing;      // the open line is of log_doing: it is erased, not ended
static int drawn_columns; // of the open line

static void start(void) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  const char *wanted = getenv("SOUK_LOG");
  for (int i = 0; wanted != NULL && i < 4; i++)
    if (strcasecmp(wanted, names[i]) == 0) threshold = (log_level)i;
  const char *kind = getenv("TERM");
  terminal = isatty(STDERR_FILENO) != 0 && (kind == NULL || strcmp(kind, "dumb") != 0);
}

void log_set_level(log_level level) {
  pthread_once(&once, start);
  threshold = level;
}

bool log_is_terminal(void) {
  pthread_once(&once, start);
  return terminal;
}

// Ends the open line, so that what follows begins on a new one.
static void end_line(void) {
  if (line_open)
    fputs(passing && drawn_columns < terminal_columns(STDERR_FILENO) ? "\r\033[K" : "\n", stderr);
  line_open = false;
}

static void emit(log_level level, const char *mark, const char *format, va_list args) {
  pthread_once(&once, start);
  if (level > threshold) return;
  char raw[MESSAGE_BYTES], text[MESSAGE_BYTES];
  vsnprintf(raw, sizeof raw, format, args);
  printable(text, sizeof text, raw, "\t");
  pthread_mutex_lock(&lock);
  end_line();
  fputs(mark, stderr);
  fputs(text, stderr);
  fputc('\n', stderr);
  pthread_mutex_unlock(&lock);
}

#define LOG_FUNCTION(name, level, mark) \
  void name(const char *format, ...) {  \
    va_list args;                       \
    va_start(args, format);             \
    emit(level, mark, format, args);    \
    va_end(args);                       \
  }
LOG_FUNCTION(log_error, LOG_ERROR, "souk: error: ")
LOG_FUNCTION(log_warn, LOG_WARN, "souk: warning: ")
LOG_FUNCTION(log_info, LOG_INFO, "")

// ---- the status line -----------------------------------------------------------------------------------------

// Draws the line over the previous one, in one write. The last column stays free, because some terminals wrap as soon
// as it is filled. If the window has become narrower than the old line, the terminal has wrapped it, and drawing over
// it would leave a piece above; then the new line begins below.
static void draw(char *text, bool passes) {
  const int columns = terminal_columns(STDERR_FILENO);
  char line[STATUS_BYTES + 16];
  text_fit(text, columns - 1);
  const bool below = line_open && (drawn_columns >= columns || (passes && !passing));
  snprintf(line, sizeof line, "%s\r%s\033[K", below ? "\n" : "", text);
  fputs(line, stderr);
  fflush(stderr);
  drawn_columns = text_columns(text);
  line_open = true;
  passing = passes;
}

static void show_status(const char *raw, bool passes) {
  char text[STATUS_BYTES];
  if (threshold < LOG_INFO) return;
  printable(text, sizeof text, raw, "");
  pthread_mutex_lock(&lock);
  if (terminal)
    draw(text, passes);
  else
    fprintf(stderr, "%s\n", text);
  pthread_mutex_unlock(&lock);
}

void log_status_line(const char *format, ...) {
  pthread_once(&once, start);
  char text[STATUS_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  show_status(text, false);
}

// Joins the fields that are in the set `shown`, with two spaces between them.
static void join(char text[STATUS_BYTES], const status_field *fields, int n, const bool *shown) {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < n; i++) {
    if (!shown[i] || used >= STATUS_BYTES) continue;
    used += (size_t)snprintf(text + used, STATUS_BYTES - used, "%s%s", used > 0 ? "  " : "", fields[i].text);
  }
}

// The text of the fields that fit into this many columns; at least one is kept.
static void status_fit(char text[STATUS_BYTES], const status_field *fields, int n, int columns) {
  bool shown[STATUS_FIELDS];
  if (n > STATUS_FIELDS) n = STATUS_FIELDS;
  for (int i = 0; i < n; i++) shown[i] = fields[i].text[0] != '\0';
  for (;;) {
    int least = -1, left = 0;
    for (int i = 0; i < n; i++) {
      left += shown[i];
      if (shown[i] && (least < 0 || fields[i].weight < fields[least].weight)) least = i;
    }
    join(text, fields, n, shown);
    if (left <= 1 || text_columns(text) <= columns) return;
    shown[least] = false;
  }
}

void log_status_fields(const status_field *fields, int n) {
  char text[STATUS_BYTES];
  status_fit(text, fields, n, log_is_terminal() ? terminal_columns(STDERR_FILENO) - 1 : STATUS_BYTES);
  show_status(text, false);
}

void log_doing(const char *format, ...) {
  if (!log_is_terminal()) return;
  char text[STATUS_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text - 4, format, args);
  va_end(args);
  strcat(text, " ...");
  show_status(text, true);
}

void log_status_end(void) {
  pthread_mutex_lock(&lock);
  end_line();
  pthread_mutex_unlock(&lock);
}

double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- figures for people --------------------------------------------------------------------------------------

// Writes the value in the first unit in which it is below `most`.
static double scale(double value, double base, double most, int units, int *unit) {
  *unit = 0;
  while (fabs(value) >= most && *unit + 1 < units) {
    value /= base;
    ++*unit;
  }
  return value;
}

const char *human_bytes(char buf[32], double bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int u;
  const double value = scale(bytes, 1024, 1023.95, 6, &u);
  snprintf(buf, 32, u == 0 ? "%.0f %s" : "%.1f %s", value, units[u]);
  return buf;
}

const char *human_count(char buf[32], double count) {
  static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
  int u = 0;
  if (!isfinite(count)) return strcpy(buf, "unknown");
  const double scaled = fabs(count) < 9999.5 ? count : scale(count, 1000, 999.5, 7, &u);
  snprintf(buf, 32, u == 0 ? "%.0f%s" : "%.3g%s", scaled, units[u]);
  return buf;
}

const char *human_unit(char buf[32], double value, const char *unit) {
  static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
  int u;
  if (!isfinite(value)) return strcpy(buf, "unknown");
  const double scaled = scale(value, 1000, 999.5, 7, &u);
  snprintf(buf, 32, "%.3g %s%s", scaled, units[u], unit);
  return buf;
}

const char *human_seconds(char buf[32], double s) {
  if (!(s > 5e-7)) // also negative times, from a clock that went backwards
    snprintf(buf, 32, "%s", isnan(s) ? "unknown" : "0 s");
  else if (s < 0.9995e-3)
    snprintf(buf, 32, "%.0f us", s * 1e6);
  else if (s < 0.09995)
    snprintf(buf, 32, "%.1f ms", s * 1e3);
  else if (s < 59.95)
    snprintf(buf, 32, "%.1f s", s);
  else if (s < 3599.5)
    snprintf(buf, 32, "%d min %02d s", (int)(s + 0.5) / 60, (int)(s + 0.5) % 60);
  else if (s < 1e9)
    snprintf(buf, 32, "%lld h %02d min", (long long)(s + 30) / 3600, (int)((long long)(s + 30) / 60 % 60));
  else
    snprintf(buf, 32, "forever");
  return buf;
}

const char *human_signal(char buf[32], int number) {
  const char *name = sigabbrev_np(number);
  if (name != NULL)
    snprintf(buf, 32, "SIG%s", name);
  else
    snprintf(buf, 32, "signal %d", number);
  return buf;
}
