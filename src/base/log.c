// Messages for people; see log.h.
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static log_level threshold = LOG_INFO;
static bool terminal, line_open;

static void start(void) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  const char *wanted = getenv("SOUK_LOG");
  for (int i = 0; wanted != NULL && i < 4; i++)
    if (strcasecmp(wanted, names[i]) == 0) threshold = (log_level)i;
  terminal = isatty(STDERR_FILENO) != 0;
}

void log_set_level(log_level level) {
  pthread_once(&once, start);
  threshold = level;
}

bool log_is_terminal(void) {
  pthread_once(&once, start);
  return terminal;
}

static void emit(log_level level, const char *mark, const char *format, va_list args) {
  pthread_once(&once, start);
  if (level > threshold) return;
  pthread_mutex_lock(&lock);
  if (line_open) fputc('\n', stderr);
  line_open = false;
  fputs(mark, stderr);
  vfprintf(stderr, format, args);
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
LOG_FUNCTION(log_debug, LOG_DEBUG, "debug: ")

void log_status_line(const char *format, ...) {
  pthread_once(&once, start);
  if (threshold < LOG_INFO) return;
  va_list args;
  va_start(args, format);
  pthread_mutex_lock(&lock);
  if (terminal) fputs("\r\033[K", stderr);
  vfprintf(stderr, format, args);
  if (terminal) {
    line_open = true;
    fflush(stderr);
  } else {
    fputc('\n', stderr);
  }
  pthread_mutex_unlock(&lock);
  va_end(args);
}

void log_status_end(void) {
  pthread_mutex_lock(&lock);
  if (line_open) fputc('\n', stderr);
  line_open = false;
  pthread_mutex_unlock(&lock);
}

double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *human_bytes(char buf[32], double bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int u = 0;
  while (bytes >= 1024.0 && u < 5) {
    bytes /= 1024.0;
    u++;
  }
  snprintf(buf, 32, u == 0 ? "%.0f %s" : "%.1f %s", bytes, units[u]);
  return buf;
}

const char *human_count(char buf[32], double count) {
  static const char *const units[] = {"", "k", "M", "G", "T", "P"};
  int u = 0;
  while (count >= 9999.5 && u < 5) {
    count /= 1000.0;
    u++;
  }
  snprintf(buf, 32, u == 0 ? "%.0f%s" : "%.1f%s", count, units[u]);
  return buf;
}

const char *human_seconds(char buf[32], double s) {
  if (s < 0.0995)
    snprintf(buf, 32, "%.1f ms", s * 1e3);
  else if (s < 59.95)
    snprintf(buf, 32, "%.1f s", s);
  else if (s < 3599.5)
    snprintf(buf, 32, "%d min %02d s", (int)(s + 0.5) / 60, (int)(s + 0.5) % 60);
  else if (s < 1e9)
    snprintf(buf, 32, "%lld h %02d min", (long long)(s / 3600), (int)(s / 60) % 60);
  else
    snprintf(buf, 32, "forever");
  return buf;
}
