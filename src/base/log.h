// Messages for people, on stderr. One line each. SOUK_LOG=error|warn|info says how many.
#ifndef SOUK_BASE_LOG_H
#define SOUK_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO } log_level;

void log_set_level(log_level level);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warn(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);

// True when stderr is a terminal: then a progress line is redrawn in place, else plain lines are printed.
bool log_is_terminal(void);

// A status line. On a terminal it is cut to the width and drawn over the previous one (other log_* calls end it
// first). Elsewhere it is a plain line, so call it less often there.
enum { STATUS_BYTES = 512, STATUS_FIELDS = 16 };
__attribute__((format(printf, 1, 2))) void log_status_line(const char *format, ...);
// The same from fields. If the terminal is too narrow for all, those with the least weight are left out. Empty fields
// are skipped.
typedef struct status_field {
  int weight;
  char text[64];
} status_field;
void log_status_fields(const status_field *fields, int n); // at most STATUS_FIELDS
// On a terminal, shows what a long silent step does ("reading DATA ..."); the next output replaces it.
__attribute__((format(printf, 1, 2))) void log_doing(const char *format, ...);
void log_status_end(void);

// Seconds of a monotonic clock.
double now_seconds(void);

// "1.2 GiB", "3.42M", "2.96 GFLOP" (of unit "FLOP"), "1 h 02 min", "SIGINT" into buf; returns buf. Three digits are
// enough for people; exact values are in the json outputs.
const char *human_bytes(char buf[32], double bytes);
const char *human_count(char buf[32], double count);
const char *human_unit(char buf[32], double value, const char *unit); // unit: at most 15 bytes
const char *human_seconds(char buf[32], double seconds);
const char *human_signal(char buf[32], int number);

#endif
