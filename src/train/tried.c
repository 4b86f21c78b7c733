// Configurations that were tried; see tried.h.
#include "train/tried.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"

// The number in RUN/tried, RUN being where the checkpoint lies.
static status read_file(int64_t *n, const checkpoint *c) {
  char path[PATH_MAX], *text, *end;
  size_t bytes;
  bool there;
  TRY(path_join(path, sizeof path, c->dir, "../tried"));
  TRY(file_look(path, &there));
  if (!there) return OK;
  TRY(file_read(path, 64, &text, &bytes));
  const long long v = strtoll(text, &end, 10);
  const bool good = end != text && (*end == '\0' || *end == '\n') && v >= 0;
  free(text);
  if (!good) return fail(ERR_FORMAT, "%s does not hold a number", path);
  *n = v;
  return OK;
}

status tried_before(int64_t *n, const checkpoint *c) {
  *n = c->state.tried;
  return read_file(n, c);
}

status tried_write(const char *run_dir, int64_t n) {
  char path[PATH_MAX], text[32];
  TRY(path_join(path, sizeof path, run_dir, "tried"));
  snprintf(text, sizeof text, "%lld\n", (long long)n);
  return file_write_atomic(path, text, strlen(text));
}
