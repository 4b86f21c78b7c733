// What could not be used of a file, by reason: how much, and the first of each with the line where it stands.
#ifndef SOUK_PREPARE_REJECTS_H
#define SOUK_PREPARE_REJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "prepare/log_reader.h"

enum { MAX_REASONS = 64, SAMPLES = 3, SAMPLE_TEXT = 128 };

typedef struct reject_reason {
  const char *text; // a constant; owned by the program
  int64_t count;
  const char *files[SAMPLES]; // where the first were; not owned; NULL: in the only file
  int64_t lines[SAMPLES];
  char excerpts[SAMPLES][SAMPLE_TEXT];
} reject_reason;

// Rows that are left out, values that are not known, or values that were guessed. A list full of zeros is empty. Further
// reasons than fit are counted together, as "other reasons".
typedef struct reject_list {
  const char *file; // that is being read; NULL: the only one. It must live as long as the list
  reject_reason reasons[MAX_REASONS];
  int n;
  int64_t rows, rejected; // looked at, of which in this list
} reject_list;

// Counts one for `reason`. text[0, bytes), in UTF-8, is what to show of it; what fits is copied.
void reject_add(reject_list *list, const char *reason, int64_t line, const char *text, size_t bytes);
// Is the next of this reason among the first, which are shown?
bool reject_shows(const reject_list *list, const char *reason);
// The same for the reader's last row.
void reject_row(reject_list *list, const char *reason, const log_reader *r);
// Adds a list of what comes after all that is in *to.
void reject_merge(reject_list *to, const reject_list *more);
// " (most: REASON, first on line 7: ROW)" of the most frequent reason, into text[REJECT_MOST]; "" of an empty list.
enum { REJECT_MOST = 1536 };
const char *reject_most(const reject_list *list, char text[REJECT_MOST]);
// ERR_FORMAT when more rows are rejected than the share `max` of all, which input.max_rejects allows.
status check_rejects(const reject_list *list, const char *path, double max);

#endif
