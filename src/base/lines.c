// Lines of files, over a byte stream.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/byte_stream.h"
#include "base/file.h"
#include "base/memory.h"

#ifdef SOUK_SMALL_BUFFERS // for fuzzing, so that small inputs cross the buffer's end too
enum { CHUNK = 64 };
#else
enum { CHUNK = 1 << 18 };
#endif

static const char too_long[] = "a line that is too long";

struct line_reader {
  byte_stream *stream;
  char *buf;
  size_t cap, begin, end, max_line; // unread bytes are buf[begin, end)
  int64_t number;
  bool eof, skip; // skip: what is unread begins with the rest of a line that was too long
};

static status new_reader(line_reader **out, size_t max_line) {
  TRY(mem_new(out, 1, sizeof **out, "a line reader"));
  (*out)->max_line = max_line;
  return OK;
}

static status opened(line_reader **r, status rc) {
  if (rc == OK) return OK;
  lines_close(*r);
  *r = NULL;
  return rc;
}

status lines_open(line_reader **out, const char *path, size_t max_line) {
  TRY(new_reader(out, max_line));
  return opened(out, byte_stream_open_plain(&(*out)->stream, path));
}

status lines_open_input(line_reader **out, const char *path, size_t max_line, const byte_stream_how *how) {
  TRY(new_reader(out, max_line));
  return opened(out, byte_stream_open(&(*out)->stream, path, how));
}

static status add_line(const line_reader *r, status rc) {
  char old[MESSAGE_BYTES];
  snprintf(old, sizeof old, "%s", fail_message());
  return fail(rc, "%s, behind line %lld", old, (long long)r->number);
}

// A chunk more behind what is unread.
static status refill(line_reader *r) {
  size_t n;
  if (r->begin > 0) memmove(r->buf, r->buf + r->begin, r->end - r->begin);
  r->end -= r->begin;
  r->begin = 0;
  TRY(mem_grow(&r->buf, &r->cap, r->end + CHUNK + 1, 1, "a line"));
  const status rc = byte_stream_read(r->stream, r->buf + r->end, CHUNK, &n);
  if (rc != OK) return add_line(r, rc);
  r->end += n;
  r->eof = n == 0;
  return OK;
}

// Finds the end of the line. Without one within max_line bytes it is too long, and *newline is NULL.
static status find_newline(line_reader *r, char **newline) {
  *newline = NULL;
  for (size_t searched = 0;;) {
    const size_t unread = r->end - r->begin;
    if (unread > searched) *newline = memchr(r->buf + r->begin + searched, '\n', unread - searched);
    if (*newline != NULL || r->eof || unread > r->max_line + 1) return OK; // 1: a CR does not count
    searched = unread;
    TRY(refill(r));
  }
}

// Passes over what is left of a line that was too long, and its newline.
static status skip_line(line_reader *r) {
  while (r->skip) {
    const char *newline = r->end > r->begin ? memchr(r->buf + r->begin, '\n', r->end - r->begin) : NULL;
    r->begin = newline != NULL ? (size_t)(newline + 1 - r->buf) : r->end;
    r->skip = newline == NULL && !r->eof;
    if (r->skip) TRY(refill(r));
  }
  return OK;
}

status lines_next_any(line_reader *r, text_line *line, bool *end) {
  char *newline;
  TRY(skip_line(r));
  TRY(find_newline(r, &newline));
  *line = (text_line){.text = r->buf + r->begin};
  const size_t left = r->end - r->begin;
  *end = newline == NULL && left == 0;
  if (*end) return OK;
  size_t n = newline != NULL ? (size_t)(newline - line->text) : left;
  r->begin += n + (newline != NULL);
  r->skip = newline == NULL && !r->eof;
  r->number++;
  line->crlf = newline != NULL && n > 0 && line->text[n - 1] == '\r';
  if (n > 0 && line->text[n - 1] == '\r') n--; // also at the end of a file without a newline
  if (n > r->max_line)
    line->fault = too_long;
  else if (memchr(line->text, '\0', n) != NULL)
    line->fault = "a NUL byte";
  line->bytes = n < r->max_line ? n : r->max_line;
  line->text[line->bytes] = '\0';
  return OK;
}

status lines_next(line_reader *r, char **line, size_t *bytes, bool *end) {
  text_line l;
  TRY(lines_next_any(r, &l, end));
  if (l.fault == too_long)
    return fail(ERR_FORMAT, "%s line %lld is longer than %zu bytes", byte_stream_name(r->stream),
                (long long)r->number, r->max_line);
  if (l.fault != NULL)
    return fail(ERR_FORMAT, "%s line %lld holds %s", byte_stream_name(r->stream), (long long)r->number,
                l.fault);
  *line = l.text;
  *bytes = l.bytes;
  return OK;
}

int64_t lines_number(const line_reader *r) {
  return r->number;
}

double lines_progress(const line_reader *r) {
  return byte_stream_progress(r->stream);
}

void lines_close(line_reader *r) {
  if (r == NULL) return;
  byte_stream_close(r->stream);
  free(r->buf);
  free(r);
}
