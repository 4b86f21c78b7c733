// Vocabularies in files; see vocab.h.
#include "data/vocab.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"

enum { MAX_WORDPIECE = 256 << 20 };
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

// ---- wordpiece -----------------------------------------------------------------------------------------------

typedef struct loaded { // the files of a wordpiece vocabulary
  char path[PATH_MAX], specials_path[PATH_MAX], *text, *specials;
  wordpiece_files files;
} loaded;

static status find_vocabulary(loaded *l, const char *dir) {
  bool there;
  TRY(path_join(l->path, sizeof l->path, dir, "vocab.txt"));
  TRY(file_look(l->path, &there));
  if (there) return OK;
  l->files.is_json = true;
  TRY(path_join(l->path, sizeof l->path, dir, "tokenizer.json"));
  TRY(file_look(l->path, &there));
  if (there) return OK;
  return fail(ERR_NOT_FOUND, "%s has neither vocab.txt nor tokenizer.json: the vocabulary is missing", dir);
}

static status load(loaded *l, const char *dir) {
  bool there;
  TRY(find_vocabulary(l, dir));
  TRY(file_read(l->path, MAX_WORDPIECE, &l->text, &l->files.bytes));
  TRY(path_join(l->specials_path, sizeof l->specials_path, dir, "special_tokens_map.json"));
  TRY(file_look(l->specials_path, &there));
  if (there) TRY(file_read(l->specials_path, MAX_WORDPIECE, &l->specials, &l->files.specials_bytes));
  l->files.path = l->path;
  l->files.text = l->text;
  l->files.specials_path = l->specials_path;
  l->files.specials = l->specials;
  return OK;
}

status wordpiece_read(wordpiece **out, const char *dir, char *path_used) {
  loaded l = {.text = NULL};
  format_error e;
  *out = NULL;
  status rc = load(&l, dir);
  if (rc == OK && !wordpiece_parse(out, &l.files, &e)) rc = fail_format(&e);
  if (rc == OK && path_used != NULL) strcpy(path_used, l.path);
  free(l.text);
  free(l.specials);
  return rc;
}
