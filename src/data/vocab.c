// Vocabularies in files; see vocab.h.
#include "data/vocab.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"

static const size_t MAX_VOCABULARY = (size_t)1 << 40;

status vocab_new(vocab **out) {
  format_error e;
  return vocabulary_new(out, &e) ? OK : fail_format(&e);
}

status vocab_add(vocab *v, vocab_range range, const char *token, int64_t count, int32_t *id) {
  format_error e;
  return vocabulary_add(v, range, token, count, id, &e) ? OK : fail_format(&e);
}

status vocab_read(vocab **out, const char *path, const int32_t range_end[RANGE_COUNT]) {
  char *text;
  size_t bytes;
  format_error e;
  struct stat st;
  *out = NULL;
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) // a pipe may have no end
    return fail(ERR_FORMAT, "%s is not a regular file", path);
  TRY(file_read(path, MAX_VOCABULARY, &text, &bytes));
  const status rc = vocabulary_parse(out, text, bytes, range_end, path, &e) ? OK : fail_format(&e);
  free(text);
  return rc;
}

status vocab_write(const vocab *v, const char *path) {
  out_file *f;
  TRY(out_open(&f, path));
  status rc = OK;
  for (int32_t id = 0; rc == OK && id < vocab_size(v); id++) {
    rc = vocab_escape(f, vocab_token(v, id));
    if (rc == OK) rc = out_printf(f, "\t%lld\n", (long long)vocab_token_count(v, id));
  }
  return out_finish(f, rc);
}

status vocab_escape(out_file *f, const char *text) {
  for (;;) {
    const size_t n = strcspn(text, "\\\t\n\r");
    if (n > 0) TRY(out_write(f, text, n));
    if (text[n] == '\0') return OK;
    const char c = text[n];
    TRY(out_write(f, c == '\\' ? "\\\\" : c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\r", 2));
    text += n + 1;
  }
}
