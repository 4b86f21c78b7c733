// Input of souk-infer: one JSON object a line.
//
//   {"user": "u1", "history": ["B001", "B002"]}
//   {"user": 7, "history": [{"item": "B001", "event": "buy"}], "candidates": ["B003", "B004"], "deny": ["B005"]}
//
// Names may be strings or integers (a log with numeric ids). Unknown fields are ignored, and unknown items are
// allowed. Any other mistake is recorded in the line's query, and the next line is read.
//
// Reading waits only for the first line of a batch: the batch ends when no further complete line has arrived, so that
// a program at the other end of a pipe gets its answers before it writes more.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "infer_cli/cli.h"

enum { EVENTS_AT_ONCE = 1 << 20, HISTORY_MAX = 1 << 24, READ_AT_ONCE = 1 << 16 };

int input_open(cli_input *in, const char *path) {
  *in = (cli_input){.fd = STDIN_FILENO, .name = "standard input"};
  if (path == NULL || strcmp(path, "-") == 0) return 0;
  in->name = path;
  in->fd = open(path, O_RDONLY | O_CLOEXEC);
  return in->fd >= 0 ? 0 : cli_fail(EXIT_FAILED, "cannot open %s: %s", path, strerror(errno));
}

void input_close(cli_input *in) {
  if (in->fd > STDIN_FILENO) close(in->fd);
  for (size_t i = 0; i < in->cap; i++) {
    cli_query *q = &in->queries[i];
    free(q->line);
    jtree_free(&q->tree);
    free(q->history.items);
    free(q->events.items);
    free(q->deny.items);
    free(q->candidates.items);
  }
  free(in->queries);
  free(in->buffer);
  *in = (cli_input){0};
}

int query_fail(cli_query *q, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(q->error, sizeof q->error, format, args);
  va_end(args);
  return LINE_BAD;
}

souk_history query_history(const cli_query *q) {
  return (souk_history){.n = (int32_t)q->history.n, .items = q->history.items, .events = q->events.items};
}

bool node_name(const jnode *n, char buf[32], const char **name) {
  if (n == NULL) return false;
  *name = n->text;
  if (n->kind == J_STRING) return true;
  if (n->kind != J_NUMBER || !n->is_integer) return false;
  memcpy(buf, n->text, n->bytes); // at most 20 characters, as it fits 64 bits
  buf[n->bytes] = '\0';
  *name = buf;
  return true;
}

static int append(cli_list *list, int32_t item) {
  const int rc = cli_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items);
  if (rc == 0) list->items[list->n++] = item;
  return rc;
}

// ---- fields --------------------------------------------------------------------------------------------------

static int read_event(const souk_bundle *b, cli_query *q, const jnode *n) {
  char buf[32];
  const jnode *item = n, *event = NULL;
  const char *name;
  int32_t type = 0;
  if (n->kind == J_OBJECT) {
    item = jtree_get(&q->tree, n, "item");
    event = jtree_get(&q->tree, n, "event");
  }
  if (!node_name(item, buf, &name))
    return query_fail(q, "\"history\" must hold item names or objects with an \"item\"");
  int rc = append(&q->history, souk_find_item(b, name));
  if (event != NULL && event->kind != J_NULL) {
    if (event->kind != J_STRING) return query_fail(q, "\"event\" must be a string");
    type = souk_find_event(b, event->text);
    if (type < 0)
      return query_fail(q, "the bundle has no event type \"%.100s\" (souk-infer info lists them)",
                        event->text);
  }
  return rc != 0 ? rc : append(&q->events, type);
}

// Items of an array of names; unknown ones as -1.
static int read_names(const souk_bundle *b, cli_query *q, const jnode *array, const char *field,
                      cli_list *list) {
  char buf[32], what[64];
  const char *name;
  snprintf(what, sizeof what, "\"%s\" must be an array of item names", field);
  if (array->kind != J_ARRAY) return query_fail(q, "%s", what);
  int rc = 0;
  for (const jnode *n = jtree_first(&q->tree, array); rc == 0 && n != NULL; n = jtree_next(&q->tree, n))
    rc = node_name(n, buf, &name) ? append(list, souk_find_item(b, name)) : query_fail(q, "%s", what);
  return rc;
}

static int by_number(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

// Keeps only the candidates that are also allowed.
static void intersect(cli_list *candidates, cli_list *allow) {
  size_t n = 0;
  if (allow->n > 0) qsort(allow->items, allow->n, sizeof *allow->items, by_number);
  for (size_t i = 0; i < candidates->n; i++)
    if (allow->n > 0 &&
        bsearch(&candidates->items[i], allow->items, allow->n, sizeof *allow->items, by_number) != NULL)
      candidates->items[n++] = candidates->items[i];
  candidates->n = n;
}

static int read_candidates(const souk_bundle *b, cli_query *q) {
  const jnode *root = q->tree.nodes, *allow = jtree_get(&q->tree, root, "allow");
  q->candidate_names = jtree_get(&q->tree, root, "candidates");
  q->has_candidates = q->candidate_names != NULL || allow != NULL;
  int rc = 0;
  if (q->candidate_names != NULL) rc = read_names(b, q, q->candidate_names, "candidates", &q->candidates);
  if (rc != 0 || allow == NULL) return rc;
  if (q->candidate_names == NULL) return read_names(b, q, allow, "allow", &q->candidates);
  cli_list allowed = {0};
  rc = read_names(b, q, allow, "allow", &allowed);
  if (rc == 0) intersect(&q->candidates, &allowed);
  free(allowed.items);
  return rc;
}

static int parse(const souk_bundle *b, cli_query *q, size_t bytes) {
  if (!jtree_parse(&q->tree, q->line, bytes))
    return q->tree.memory ? cli_fail(EXIT_FAILED, "out of memory: a line of %zu bytes", bytes)
                          : query_fail(q, "%s", q->tree.why);
  const jnode *root = q->tree.nodes;
  if (root->kind != J_OBJECT) return query_fail(q, "an object is expected");
  const jnode *user = jtree_get(&q->tree, root, "user"), *history = jtree_get(&q->tree, root, "history"),
              *deny = jtree_get(&q->tree, root, "deny");
  if (user != NULL && user->kind != J_STRING && user->kind != J_NUMBER && user->kind != J_NULL)
    return query_fail(q, "\"user\" must be a string or a number");
  if (user != NULL) {
    q->user = user->text;
    q->user_bytes = user->bytes;
    q->user_is_string = user->kind == J_STRING;
  }
  if (history == NULL)
    return query_fail(q, "field \"history\" is missing (an empty array asks for a new user)");
  if (history->kind != J_ARRAY || history->count > HISTORY_MAX)
    return query_fail(q, "\"history\" must be an array of at most 2^24 events");
  int rc = 0;
  for (const jnode *n = jtree_first(&q->tree, history); rc == 0 && n != NULL; n = jtree_next(&q->tree, n))
    rc = read_event(b, q, n);
  if (rc == 0) rc = read_candidates(b, q);
  if (rc == 0 && deny != NULL) rc = read_names(b, q, deny, "deny", &q->deny);
  return rc;
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
  const int rc = cli_grow(&in->buffer, &in->buffer_cap, in->end + READ_AT_ONCE, 1);
  if (rc != 0) return rc;
  while (wait || is_ready(in->fd, 0)) {
    const ssize_t n = read(in->fd, in->buffer + in->end, in->buffer_cap - in->end);
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

// Bytes of the next line with its newline. 0 if there is none: at the end of the input or, without `wait`, if the
// line has not arrived completely.
static int find_line(cli_input *in, bool wait, size_t *bytes) {
  size_t seen = 0; // bytes in which no newline was found
  for (;;) {
    const size_t there = in->end - in->begin;
    const char *stop = there > seen ? memchr(in->buffer + in->begin + seen, '\n', there - seen) : NULL;
    *bytes = stop != NULL ? (size_t)(stop - (in->buffer + in->begin)) + 1 : in->at_end ? there : 0;
    if (stop != NULL || in->at_end) return 0;
    bool got;
    seen = there;
    const int rc = fill(in, wait, &got);
    if (rc != 0 || !got) return rc;
  }
}

// The next line that is not empty into *line, without its end but with a NUL; *bytes is -1 when there is none
// (see find_line).
static int next_line(cli_input *in, bool wait, char **line, size_t *cap, ssize_t *bytes) {
  for (;;) {
    size_t n;
    int rc = find_line(in, wait, &n);
    *bytes = -1;
    if (rc != 0 || n == 0) return rc;
    const char *from = in->buffer + in->begin;
    in->begin += n;
    in->line++;
    while (n > 0 && (from[n - 1] == '\n' || from[n - 1] == '\r')) n--;
    if (n == 0) continue;
    rc = cli_grow(line, cap, n + 1, 1);
    if (rc != 0) return rc;
    memcpy(*line, from, n);
    (*line)[n] = '\0';
    *bytes = (ssize_t)n;
    return 0;
  }
}

static int next_query(cli_input *in, size_t cap) {
  const int rc = cli_grow(&in->queries, &in->cap, in->n + 1, sizeof *in->queries);
  if (rc == 0 && in->cap > cap) memset(in->queries + cap, 0, (in->cap - cap) * sizeof *in->queries);
  return rc;
}

int input_read(cli_input *in, const souk_bundle *b, size_t most) {
  size_t events = 0;
  in->n = 0;
  while (in->n < most && events < EVENTS_AT_ONCE) {
    ssize_t bytes;
    int rc = next_query(in, in->cap);
    if (rc != 0) return rc;
    cli_query *q = &in->queries[in->n];
    rc = next_line(in, in->n == 0, &q->line, &q->cap, &bytes);
    if (rc != 0 || bytes < 0) return rc;
    q->number = in->line;
    q->error[0] = '\0';
    q->user = "null";
    q->user_bytes = 4;
    q->user_is_string = false;
    q->history.n = q->events.n = q->deny.n = q->candidates.n = 0;
    rc = parse(b, q, (size_t)bytes);
    if (rc != 0 && rc != LINE_BAD) return rc;
    events += q->history.n;
    in->n++;
  }
  return 0;
}

int read_item_file(cli_list *list, const char *path, const souk_bundle *b) {
  cli_input in;
  char *line = NULL;
  size_t cap = 0, unknown = 0;
  ssize_t bytes = 0;
  int rc = input_open(&in, path);
  // An empty list is not NULL: it allows no item, where NULL would allow all.
  if (rc == 0) rc = cli_grow(&list->items, &list->cap, 1, sizeof *list->items);
  while (rc == 0 && (rc = next_line(&in, true, &line, &cap, &bytes)) == 0 && bytes >= 0) {
    const int32_t item = souk_find_item(b, line);
    unknown += item < 0;
    rc =
        strlen(line) == (size_t)bytes
            ? append(list, item)
            : cli_fail(EXIT_FAILED, "%s line %lld holds a NUL byte: names are expected, one a line, as UTF-8",
                       path, (long long)in.line);
  }
  if (rc == 0 && unknown > 0)
    cli_fail(0, "%s: %zu of %zu names are not items of the bundle and are ignored", path, unknown, list->n);
  free(line);
  input_close(&in);
  return rc;
}
