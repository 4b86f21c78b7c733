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

struct line_reader {
  byte_stream *stream;
  char *buf;
  size_t cap, begin, end, max_line; // unread bytes are buf[begin, end)
  int64_t number;
  bool eof;
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

static status too_long(const line_reader *r) {
  return fail(ERR_FORMAT, "%s line %lld is longer than %zu bytes", byte_stream_name(r->stream),
              (long long)r->number + 1, r->max_line);
}

// Finds the end of the line; *newline is NULL if the file ends instead.
static status find_newline(line_reader *r, char **newline) {
  *newline = NULL;
  for (size_t searched = 0;;) {
    const size_t unread = r->end - r->begin;
    if (unread > searched) *newline = memchr(r->buf + r->begin + searched, '\n', unread - searched);
    if (*newline != NULL || r->eof) return OK;
    if (unread > r->max_line + 1) return too_long(r); // 1: a CR does not count
    searched = unread;
    TRY(refill(r));
  }
}

status lines_next(line_reader *r, char **line, size_t *bytes, bool *end) {
  char *newline;
  TRY(find_newline(r, &newline));
  char *start = r->buf + r->begin;
  size_t n = newline != NULL ? (size_t)(newline - start) : r->end - r->begin;
  *end = newline == NULL && n == 0;
  if (*end) return OK;
  r->begin += n + (newline != NULL);
  if (n > 0 && start[n - 1] == '\r') n--;
  if (n > r->max_line) return too_long(r);
  r->number++;
  start[n] = '\0';
  if (memchr(start, '\0', n) != NULL)
    return fail(ERR_FORMAT, "%s line %lld holds a NUL byte", byte_stream_name(r->stream),
                (long long)r->number);
  *line = start;
  *bytes = n;
  return OK;
}

int64_t lines_number(const line_reader *r) {
  return r->number;
}

void lines_close(line_reader *r) {
  if (r == NULL) return;
  byte_stream_close(r->stream);
  free(r->buf);
  free(r);
}
