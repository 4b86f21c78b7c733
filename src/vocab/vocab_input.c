// The texts that a vocabulary is made of: columns of tables and json, and lines of plain text.
#include <stdlib.h>
#include <string.h>
#include "base/byte_stream.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "format/utf8.h"
#include "prepare/input_files.h"
#include "vocab/vocab_internal.h"

enum { BLOCK = 1 << 20, NAMES_BYTES = 2 * OPTION_STRING };

typedef struct columns {
  char text[NAMES_BYTES];
  const char *names[MAX_COLUMNS];
  int n;
} columns;

static void count_word(void *self, const char *word, size_t bytes) {
  vocab_job *job = self;
  job->counts.words++;
  if (bytes == 0)
    job->counts.too_long++;
  else if (job->rc == OK)
    job->rc = word_counts_add(job->words, word, bytes);
}

static status take_text(vocab_job *job, const char *text, size_t bytes) {
  job->counts.bytes += (int64_t)bytes;
  word_tokenizer_words(job->tokenizer, text, bytes, count_word, job);
  return job->rc;
}

// ---- tables and json -----------------------------------------------------------------------------------------

static status split_columns(columns *c, const char *list) {
  char *name = c->text;
  while (*list != '\0') {
    list = list_name(list, name);
    if (name[0] == '\0') continue;
    if (c->n == MAX_COLUMNS) return fail(ERR_ARGUMENT, "--columns names more than %d columns", MAX_COLUMNS);
    c->names[c->n++] = name;
    name += strlen(name) + 1;
  }
  return OK;
}

static log_format format_of(const vocab_config *c, vocab_format kind, const log_join *join) {
  return (log_format){.kind = kind == TEXTS_CSV   ? LOG_CSV
                              : kind == TEXTS_TSV ? LOG_TSV
                                                  : LOG_JSONL,
                      .header = true,
                      .separator = kind == TEXTS_CSV ? c->separator : NULL,
                      .join = kind == TEXTS_JSONL ? join : NULL,
                      .encoding = c->encoding,
                      .encoding_option = "encoding",
                      .options = "--"};
}

// Of the columns that are asked for those that this table has: one at least. What is read but once must have all.
static status columns_there(columns *there, const columns *all, const char *path, const log_format *format) {
  const bool once = strcmp(path, "-") == 0 || path_is_stream(path);
  there->n = 0;
  if (once || format->kind == LOG_JSONL) {
    *there = *all;
    for (int i = 0; i < all->n; i++) there->names[i] = all->names[i];
    return OK;
  }
  status rc = OK;
  for (int i = 0; i < all->n; i++) {
    log_reader *r;
    rc = log_open(&r, path, format, &all->names[i], 1);
    if (rc == OK) there->names[there->n++] = all->names[i];
    if (rc == OK) log_close(r);
    if (rc == ERR_MEMORY || rc == ERR_IO) return rc;
  }
  return there->n > 0 ? OK : rc;
}

static status read_rows(vocab_job *job, log_reader *r, int n) {
  const char *values[MAX_COLUMNS], *reject;
  bool end;
  for (;;) {
    TRY(log_next(r, values, &reject, &end));
    if (end) return OK;
    job->counts.rows++;
    if (reject != NULL && job->counts.rejected++ == 0) {
      job->counts.reject = reject;
      job->counts.first_rejected = log_line(r);
    }
    for (int i = 0; reject == NULL && i < n; i++) {
      if (values[i] == NULL) {
        job->counts.empty++;
        continue;
      }
      job->counts.texts++;
      TRY(take_text(job, values[i], strlen(values[i])));
    }
  }
}

static void tell(void *self, const log_remark *m) {
  (void)self;
  if (m->rows > 0)
    log_warn("%s: %s: %lld, line %lld first", m->path, m->what, (long long)m->rows, (long long)m->line);
  else
    log_warn("%s: %s", m->path, m->what);
}

static status read_table(vocab_job *job, const char *path, vocab_format kind, const columns *all) {
  columns there;
  log_join join[MAX_COLUMNS];
  log_reader *r;
  if (all->n == 0)
    return fail(ERR_ARGUMENT,
                "%s has columns: --columns says which of them are texts, or --format text takes it as "
                "it is",
                path);
  for (int i = 0; i < MAX_COLUMNS; i++) join[i] = (log_join){" ", " "};
  const log_format format = format_of(job->c, kind, join);
  TRY(columns_there(&there, all, path, &format));
  TRY(log_open(&r, path, &format, there.names, there.n));
  const status rc = read_rows(job, r, there.n);
  if (rc == OK) log_tell(r, log_reader_counts(r), tell, NULL);
  log_close(r);
  return rc;
}

// ---- plain text ----------------------------------------------------------------------------------------------

// Where text [bytes] can be cut so that no word is: behind the last line, or else the last space. 0: nowhere.
static size_t last_break(const char *text, size_t bytes) {
  const char *line = memrchr(text, '\n', bytes), *space = line == NULL ? memrchr(text, ' ', bytes) : line;
  return space != NULL ? (size_t)(space - text) + 1 : 0;
}

// Where its last character begins.
static size_t last_character(const char *text, size_t bytes) {
  size_t at = bytes - 1;
  while (at > 1 && bytes - at < 4 && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
  return at;
}

static void count_lines(vocab_job *job, const char *text, size_t bytes) {
  for (const char *at = text, *end = text + bytes; at < end;) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    const size_t n = (size_t)((stop != NULL ? stop : end) - at);
    job->counts.rows++;
    job->counts.texts += n > 0;
    job->counts.bad_bytes += !utf8_valid_bytes(at, n);
    at += n + 1;
  }
}

static status read_blocks(vocab_job *job, byte_stream *s, char *buffer) {
  size_t kept = 0, n;
  for (;;) {
    TRY(byte_stream_read(s, buffer + kept, BLOCK, &n));
    const size_t have = kept + n;
    size_t cut = n == 0 ? have : last_break(buffer, have);
    if (n > 0 &&
        have - cut >= BLOCK) // no space in so many bytes, of Chinese for one: what is kept must leave
      cut = last_character(buffer, have); // room for a block more
    count_lines(job, buffer, cut);
    TRY(take_text(job, buffer, cut));
    if (n == 0) return OK;
    kept = have - cut;
    memmove(buffer, buffer + cut, kept);
  }
}

static status read_plain(vocab_job *job, const char *path) {
  const byte_stream_how how = {job->c->encoding, "encoding"};
  byte_stream *s;
  char *buffer;
  TRY(mem_new(&buffer, 2 * BLOCK, 1, "a block of text"));
  status rc = byte_stream_open(&s, path, &how);
  if (rc == OK) {
    rc = read_blocks(job, s, buffer);
    const char *note;
    for (int i = 0; rc == OK && (note = byte_stream_note(s, i)) != NULL; i++) log_warn("%s: %s", path, note);
    byte_stream_close(s);
  }
  free(buffer);
  return rc;
}

// ---- files ---------------------------------------------------------------------------------------------------

static vocab_format kind_of(const char *path) {
  static const vocab_format kinds[] = {
      [FORM_OTHER] = TEXTS_PLAIN, [FORM_CSV] = TEXTS_CSV, [FORM_TSV] = TEXTS_TSV, [FORM_JSONL] = TEXTS_JSONL};
  return kinds[path_form_of(path)];
}

status vocab_read_files(vocab_job *job) {
  columns all = {.n = 0};
  input_files files = {0};
  TRY(split_columns(&all, job->c->columns));
  status rc = input_files_find(&files, job->c->input, "input");
  for (size_t i = 0; rc == OK && i < files.n; i++) {
    const char *path = files.names[i];
    const vocab_format kind = job->c->format == TEXTS_AUTO ? kind_of(path) : (vocab_format)job->c->format;
    log_doing("reading %s", path);
    rc = kind == TEXTS_PLAIN ? read_plain(job, path) : read_table(job, path, kind, &all);
    if (rc != OK && rc != ERR_MEMORY && strcmp(path, "-") != 0 && strstr(fail_message(), path) == NULL)
      fail_prefix(rc, "%s", path);
    job->counts.files++;
  }
  input_files_free(&files);
  return rc;
}
