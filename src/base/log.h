// Messages for people, on stderr. One line each. Quiet with --quiet, or SOUK_LOG=error|warn|info|debug.
#ifndef SOUK_BASE_LOG_H
#define SOUK_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG } log_level;

void log_set_level(log_level level);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warn(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);

// True when stderr is a terminal: then a progress line is redrawn in place, else plain lines are printed.
bool log_is_terminal(void);

// A status line. On a terminal it overwrites the one before (log_* calls end it first); elsewhere it is a
// plain line, so call it less often there.
__attribute__((format(printf, 1, 2))) void log_status_line(const char *format, ...);
void log_status_end(void);

// Seconds of a monotonic clock.
double now_seconds(void);

// "1.2 GiB", "3.4M", "1 h 02 min" into buf; returns buf.
const char *human_bytes(char buf[32], double bytes);
const char *human_count(char buf[32], double count);
const char *human_seconds(char buf[32], double seconds);

#endif
