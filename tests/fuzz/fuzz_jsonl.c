// Logs as jsonl, lists of json and Python dicts. Values that are read, written as strings of a new object, and read again are the same.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/utf8.h"
#include "prepare/log_reader.h"
#include "fuzz/fuzz.h"
#include "fuzz/log_rows.h"

enum { COLUMNS = 5 };
static const log_join join[COLUMNS] = {{" > ", " | "}, {"", ""}, {", ", ""}, {" ", " "}, {" > ", " | "}};
static const char *const columns[COLUMNS] = {"user_id", "item_id", "context.device", "events.aid", "ts"};

static char *compose(const char *const *values) {
  json_t *j = json_object();
  for (int i = 0; i < COLUMNS; i++)
    if (values[i] != NULL) require(json_object_set_new(j, columns[i], json_string(values[i])) == 0);
  char *text = json_dumps(j, JSON_COMPACT);
  require(text != NULL);
  json_decref(j);
  return text;
}

static void check_again(const char *text) {
  log_reader *r;
  const char *values[COLUMNS], *reject;
  bool end;
  require_ok(log_open(&r, fuzz_file(1, text, strlen(text)), &(log_format){.kind = LOG_JSONL, .header = false},
                      columns, COLUMNS));
  require_ok(log_next(r, values, &reject, &end));
  require(!end && reject == NULL);
  char *again = compose(values);
  require(strcmp(text, again) == 0);
  free(again);
  require_ok(log_next(r, values, &reject, &end));
  require(end);
  log_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  log_reader *r;
  const char *values[COLUMNS], *reject, *path = fuzz_file(0, data, bytes);
  bool end;
  int64_t line = 0;
  if (log_open(&r, path, &(log_format){.kind = LOG_JSONL}, columns, COLUMNS) != OK) {
    require_sentence(path);
    return 0;
  }
  for (;;) {
    if (log_next(r, values, &reject, &end) != OK) {
      require_sentence(path);
      break;
    }
    if (end) break;
    require(log_line(r) >= line); // a list gives several rows
    line = log_line(r);
    require(utf8_valid(log_row_text(r)));
    if (reject != NULL) continue;
    fuzz_accepted();
    for (int i = 0; i < COLUMNS; i++)
      require(values[i] == NULL || (values[i][0] != '\0' && utf8_valid(values[i])));
    char *text = compose(values);
    check_again(text);
    free(text);
  }
  log_close(r);
  path = fuzz_file(0, data, bytes);
  fuzz_same_rows(path, (log_format){.kind = LOG_JSONL, .join = bytes % 2 == 0 ? join : NULL}, columns,
                 COLUMNS);
  return 0;
}
