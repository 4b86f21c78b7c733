// Input of souk-infer: lines, and batches of them. What a line holds is read by cli_query.c.
//
// Reading waits only for the first line of a batch: the batch ends when no further complete line has arrived, so that
// a program at the other end of a pipe gets its answers before it writes more.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "infer_cli/cli.h"

enum {
  EVENTS_AT_ONCE = 1 << 20,
  READ_AT_ONCE = 1 << 16,
  BATCH_BYTES = 16 << 20,
  LINE_MAX_BYTES = 128 << 20,
  KEPT_BYTES = 1 << 14 // of a query's lists, for the next batch
};

int input_open(cli_input *in, const char *path) {
  *in = (cli_input){.fd = STDIN_FILENO, .name = "standard input"};
  if (path == NULL || strcmp(path, "-") == 0) return 0;
  in->name = path;
  in->fd = open(path, O_RDONLY | O_CLOEXEC);
  return in->fd >= 0 ? 0 : cli_fail(EXIT_FAILED, "cannot open %s: %s", path, strerror(errno));
}

void input_close(cli_input *in) {
  if (in->fd > STDIN_FILENO) close(in->fd);
  for (size_t i = 0; i < in->cap; i++) query_clear(&in->queries[i], 0);
  jtree_free(&in->tree);
  free(in->queries);
  free(in->buffer);
  *in = (cli_input){0};
}

int find_adapter(const souk_bundle *b, const char *name, int32_t *adapter) {
  *adapter = 0;
  if (name == NULL) return 0;
  *adapter = souk_find_adapter(b, name);
  if (*adapter > 0) return 0;
  return cli_fail(EXIT_USAGE, "the bundle has no adapter \"%s\" (souk-infer info lists them)", name);
}

// ---- lines ---------------------------------------------------------------------------------------------------

static bool is_ready(int fd, int timeout_ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  const int n = poll(&p, 1, timeout_ms);
  return n > 0 || (n < 0 && errno != EINTR); // an error counts as ready: read reports it
}

// Appends to the buffer. *got is false if nothing was read: the input has ended or, without `wait`, nothing has
// arrived.
static int fill(cli_input *in, bool wait, bool *got) {
  *got = false;
  if (in->begin > 0) memmove(in->buffer, in->buffer + in->begin, in->end - in->begin);
  in->end -= in->begin;
  in->begin = 0;
  const int rc = cli_grow(&in->buffer, &in->buffer_cap, in->end + READ_AT_ONCE + 1, 1);
  if (rc != 0) return rc;
  while (wait || is_ready(in->fd, 0)) {
    const ssize_t n = read(in->fd, in->buffer + in->end, in->buffer_cap - in->end - 1);
    if (n >= 0) {
      in->end += (size_t)n;
      in->at_end = n == 0;
      *got = true;
      return 0;
    }
    if (errno != EINTR && errno != EAGAIN)
      return cli_fail(EXIT_FAILED, "cannot read %s: %s", in->name, strerror(errno));
    if (errno == EAGAIN && wait) is_ready(in->fd, -1); // somebody made the descriptor non-blocking
    if (errno == EAGAIN && !wait) break;
  }
  return 0;
}

// Drops what has been read of a line that is too long, up to its newline or the end of the input.
static int skip_line(cli_input *in) {
  bool got = true;
  int rc = 0;
  for (;;) {
    const char *stop = memchr(in->buffer + in->begin, '\n', in->end - in->begin);
    in->begin = stop != NULL ? (size_t)(stop - in->buffer) + 1 : in->end;
    if (stop != NULL || in->at_end || rc != 0) return rc;
    rc = fill(in, true, &got);
  }
}

// Bytes of the next line with its newline. 0 if there is none: at the end of the input or, without `wait`, if the
// line has not arrived completely. More than LINE_MAX_BYTES: the line is at least that long.
static int find_line(cli_input *in, bool wait, size_t *bytes) {
  size_t seen = 0; // bytes in which no newline was found
  for (;;) {
    const size_t there = in->end - in->begin;
    const char *stop = there > seen ? memchr(in->buffer + in->begin + seen, '\n', there - seen) : NULL;
    *bytes = stop != NULL                           ? (size_t)(stop - (in->buffer + in->begin)) + 1
             : in->at_end || there > LINE_MAX_BYTES ? there
                                                    : 0;
    if (stop != NULL || in->at_end || *bytes > 0) return 0;
    bool got;
    seen = there;
    const int rc = fill(in, wait, &got);
    if (rc != 0 || !got) return rc;
  }
}

// A line of input, valid until the next one.
typedef struct text_line {
  const char *at; // without its end, NUL-terminated; NULL: there is none (see find_line)
  size_t bytes;
  bool too_long;
} text_line;

// The next line that is not empty.
static int next_line(cli_input *in, bool wait, text_line *line) {
  for (;;) {
    size_t n;
    int rc = find_line(in, wait, &n);
    *line = (text_line){0};
    if (rc != 0 || n == 0) return rc;
    char *from = in->buffer + in->begin;
    in->line++;
    line->too_long = n > LINE_MAX_BYTES;
    line->at = from;
    if (line->too_long) return skip_line(in);
    in->begin += n;
    while (n > 0 && (from[n - 1] == '\n' || from[n - 1] == '\r')) n--;
    if (n == 0) continue;
    from[n] = '\0'; // at its newline, or behind all that was read, where there is room for it
    line->bytes = n;
    return 0;
  }
}

static int next_query(cli_input *in, size_t cap) {
  const int rc = cli_grow(&in->queries, &in->cap, in->n + 1, sizeof *in->queries);
  if (rc == 0 && in->cap > cap) memset(in->queries + cap, 0, (in->cap - cap) * sizeof *in->queries);
  return rc;
}

int input_read(cli_input *in, const souk_bundle *b, size_t most) {
  size_t events = 0, bytes = 0;
  in->n = 0;
  while (in->n < most && events < EVENTS_AT_ONCE && bytes < BATCH_BYTES) {
    text_line line;
    int rc = next_query(in, in->cap);
    if (rc == 0) rc = next_line(in, in->n == 0, &line);
    if (rc != 0 || line.at == NULL) return rc;
    cli_query *q = &in->queries[in->n];
    query_clear(q, KEPT_BYTES);
    q->number = in->line;
    q->key = in->lines == LINES_HISTORIES ? "user" : "id";
    q->adapter = in->adapter;
    rc = line.too_long ? query_fail(q, "the line is longer than %d MiB", LINE_MAX_BYTES >> 20)
                       : query_parse(in, b, q, line.at, line.bytes);
    if (rc != 0 && rc != LINE_BAD) return rc;
    events += q->history.n;
    bytes += line.bytes;
    in->n++;
  }
  return 0;
}

int read_item_file(cli_list *list, const char *path, const souk_bundle *b) {
  cli_input in;
  text_line line = {.at = NULL};
  size_t unknown = 0;
  int rc = input_open(&in, path);
  // An empty list is not NULL: it allows no item, where NULL would allow all.
  if (rc == 0) rc = cli_grow(&list->items, &list->cap, 1, sizeof *list->items);
  while (rc == 0 && (rc = next_line(&in, true, &line)) == 0 && line.at != NULL) {
    if (line.too_long || strlen(line.at) != line.bytes) {
      rc = cli_fail(EXIT_FAILED, "%s line %lld %s: names are expected, one a line, as UTF-8", path,
                    (long long)in.line, line.too_long ? "is too long" : "holds a NUL byte");
      break;
    }
    const int32_t item = souk_find_item(b, line.at);
    unknown += item < 0;
    rc = cli_append(list, item);
  }
  if (rc == 0 && unknown > 0)
    cli_fail(0, "%s: %zu of %zu names are not items of the bundle and are ignored", path, unknown, list->n);
  input_close(&in);
  return rc;
}
