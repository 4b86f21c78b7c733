// Lines of plain and gzip files. zlib's gzread also reads plain files, so one piece of code serves both. gzerror
// tells a truncated stream from the end of the file.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "base/file.h"
#include "base/memory.h"

#ifdef SOUK_SMALL_BUFFERS // for fuzzing, so that small inputs cross the buffer's end too
enum { CHUNK = 64 };
#else
enum { CHUNK = 1 << 18 };
#endif

struct line_reader {
  gzFile gz;
  char *path, *buf;
  size_t cap, begin, end, max_line; // unread bytes are buf[begin, end)
  int64_t number;
  double file_bytes;
  bool eof;
};

status lines_open(line_reader **out, const char *path, size_t max_line) {
  *out = NULL;
  status rc = OK;
  line_reader *r;
  TRY(mem_new(&r, 1, sizeof *r, "a line reader"));
  r->max_line = max_line;
  TRY_GOTO(mem_strdup(&r->path, path), bad);
  struct stat st;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
    rc = fail(fd < 0 && errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path,
              fd >= 0 ? "it is a directory" : strerror(errno));
    if (fd >= 0) close(fd);
    goto bad;
  }
  r->file_bytes = (double)st.st_size;
  r->gz = gzdopen(fd, "rb");
  if (r->gz == NULL) {
    close(fd);
    rc = fail(ERR_MEMORY, "out of memory: cannot open %s", path);
    goto bad;
  }
  gzbuffer(r->gz, CHUNK);
  *out = r;
  return OK;
bad:
  lines_close(r);
  return rc;
}

static status refill(line_reader *r) {
  if (r->begin > 0) {
    memmove(r->buf, r->buf + r->begin, r->end - r->begin);
    r->end -= r->begin;
    r->begin = 0;
  }
  if (r->end > r->max_line)
    return fail(ERR_FORMAT, "%s line %lld is longer than %zu bytes", r->path, (long long)r->number + 1,
                r->max_line);
  TRY(mem_grow(&r->buf, &r->cap, r->end + CHUNK + 1, 1, "a line"));
  const int n = gzread(r->gz, r->buf + r->end, CHUNK);
  int code = Z_OK;
  const char *text = gzerror(r->gz, &code);
  if (n < 0 || (n == 0 && code != Z_OK && code != Z_STREAM_END))
    return fail(code == Z_ERRNO ? ERR_IO : ERR_FORMAT, "cannot read %s after line %lld: %s", r->path,
                (long long)r->number,
                code == Z_ERRNO       ? strerror(errno)
                : code == Z_BUF_ERROR ? "the gzip stream is cut short"
                                      : text);
  r->end += (size_t)n;
  r->eof = n == 0;
  return OK;
}

status lines_next(line_reader *r, char **line, size_t *bytes, bool *end) {
  *end = false;
  size_t searched = 0;
  char *newline = NULL;
  for (;;) {
    const size_t unread = r->end - r->begin;
    if (unread > searched) newline = memchr(r->buf + r->begin + searched, '\n', unread - searched);
    if (newline != NULL || r->eof) break;
    searched = unread;
    TRY(refill(r));
  }
  if (newline == NULL && r->begin == r->end) {
    *end = true;
    return OK;
  }
  char *start = r->buf + r->begin;
  size_t n = newline != NULL ? (size_t)(newline - start) : r->end - r->begin;
  r->begin += n + (newline != NULL);
  r->number++;
  if (n > r->max_line)
    return fail(ERR_FORMAT, "%s line %lld is longer than %zu bytes", r->path, (long long)r->number,
                r->max_line);
  if (n > 0 && start[n - 1] == '\r') n--;
  start[n] = '\0';
  if (memchr(start, '\0', n) != NULL)
    return fail(ERR_FORMAT, "%s line %lld holds a NUL byte", r->path, (long long)r->number);
  *line = start;
  *bytes = n;
  return OK;
}

int64_t lines_number(const line_reader *r) {
  return r->number;
}

double lines_progress(const line_reader *r) {
  return r->file_bytes > 0 ? (double)gzoffset(r->gz) / r->file_bytes : 1.0;
}

void lines_close(line_reader *r) {
  if (r == NULL) return;
  if (r->gz != NULL) gzclose(r->gz);
  free(r->path);
  free(r->buf);
  free(r);
}
