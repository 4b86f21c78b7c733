// Input of souk-infer: one JSON object a line.
//
//   {"user": "u1", "history": ["B001", "B002"]}
//   {"user": 7, "history": [{"item": "B001", "event": "buy"}], "candidates": ["B003", "B004"], "deny": ["B005"]}
//
// Names may be strings or integers (a log with numeric ids). Unknown fields are ignored, unknown items pass;
// everything else that is wrong is an error that names the line.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "infer/cli.h"

enum { EVENTS_AT_ONCE = 1 << 20, HISTORY_MAX = 1 << 24 };

int input_open(cli_input *in, const char *path) {
  *in = (cli_input){.file = stdin, .name = "standard input"};
  if (path == NULL || strcmp(path, "-") == 0) return 0;
  in->name = path;
  in->file = fopen(path, "re");
  return in->file != NULL ? 0 : cli_fail(EXIT_FAILED, "cannot open %s: %s", path, strerror(errno));
}

void input_close(cli_input *in) {
  if (in->file != NULL && in->file != stdin) fclose(in->file);
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
  *in = (cli_input){0};
}

int input_fail(const cli_input *in, size_t first, size_t n, const char *message) {
  const long long from = in->queries[first].number, to = in->queries[first + n - 1].number;
  if (from == to) return cli_fail(EXIT_FAILED, "%s line %lld: %s", in->name, from, message);
  return cli_fail(EXIT_FAILED, "%s lines %lld to %lld: %s", in->name, from, to, message);
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

static int bad_line(const cli_input *in, const char *what) {
  return cli_fail(EXIT_FAILED, "%s line %lld: %s", in->name, (long long)in->line, what);
}

// ---- fields --------------------------------------------------------------------------------------------------

static int read_event(cli_input *in, const souk_bundle *b, cli_query *q, const jnode *n) {
  char buf[32];
  const jnode *item = n, *event = NULL;
  const char *name;
  int32_t type = 0;
  if (n->kind == J_OBJECT) {
    item = jtree_get(&q->tree, n, "item");
    event = jtree_get(&q->tree, n, "event");
  }
  if (!node_name(item, buf, &name))
    return bad_line(in, "\"history\" must hold item names or objects with an \"item\"");
  int rc = append(&q->history, souk_find_item(b, name));
  if (event != NULL && event->kind != J_NULL) {
    if (event->kind != J_STRING) return bad_line(in, "\"event\" must be a string");
    type = souk_find_event(b, event->text);
    if (type < 0)
      return cli_fail(EXIT_FAILED,
                      "%s line %lld: the bundle has no event type \"%.100s\" (souk-infer info lists them)",
                      in->name, (long long)in->line, event->text);
  }
  return rc != 0 ? rc : append(&q->events, type);
}

// Items of an array of names; unknown ones as -1.
static int read_names(cli_input *in, const souk_bundle *b, cli_query *q, const jnode *array,
                      const char *field, cli_list *list) {
  char buf[32], what[64];
  const char *name;
  snprintf(what, sizeof what, "\"%s\" must be an array of item names", field);
  if (array->kind != J_ARRAY) return bad_line(in, what);
  int rc = 0;
  for (const jnode *n = jtree_first(&q->tree, array); rc == 0 && n != NULL; n = jtree_next(&q->tree, n))
    rc = node_name(n, buf, &name) ? append(list, souk_find_item(b, name)) : bad_line(in, what);
  return rc;
}

static int by_number(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

// Keeps the candidates that are allowed too.
static void intersect(cli_list *candidates, cli_list *allow) {
  size_t n = 0;
  if (allow->n > 0) qsort(allow->items, allow->n, sizeof *allow->items, by_number);
  for (size_t i = 0; i < candidates->n; i++)
    if (allow->n > 0 &&
        bsearch(&candidates->items[i], allow->items, allow->n, sizeof *allow->items, by_number) != NULL)
      candidates->items[n++] = candidates->items[i];
  candidates->n = n;
}

static int read_candidates(cli_input *in, const souk_bundle *b, cli_query *q) {
  const jnode *root = q->tree.nodes, *allow = jtree_get(&q->tree, root, "allow");
  q->candidate_names = jtree_get(&q->tree, root, "candidates");
  q->has_candidates = q->candidate_names != NULL || allow != NULL;
  int rc = 0;
  if (q->candidate_names != NULL) rc = read_names(in, b, q, q->candidate_names, "candidates", &q->candidates);
  if (rc != 0 || allow == NULL) return rc;
  if (q->candidate_names == NULL) return read_names(in, b, q, allow, "allow", &q->candidates);
  cli_list allowed = {0};
  rc = read_names(in, b, q, allow, "allow", &allowed);
  if (rc == 0) intersect(&q->candidates, &allowed);
  free(allowed.items);
  return rc;
}

static int parse(cli_input *in, const souk_bundle *b, cli_query *q, size_t bytes) {
  if (!jtree_parse(&q->tree, q->line, bytes)) return bad_line(in, q->tree.why);
  const jnode *root = q->tree.nodes;
  if (root->kind != J_OBJECT) return bad_line(in, "an object is wanted");
  const jnode *user = jtree_get(&q->tree, root, "user"), *history = jtree_get(&q->tree, root, "history"),
              *deny = jtree_get(&q->tree, root, "deny");
  if (user != NULL && user->kind != J_STRING && user->kind != J_NUMBER && user->kind != J_NULL)
    return bad_line(in, "\"user\" must be a string or a number");
  q->user = user != NULL ? user->text : "null";
  q->user_bytes = user != NULL ? user->bytes : 4;
  q->user_is_string = user != NULL && user->kind == J_STRING;
  if (history == NULL)
    return bad_line(in, "field \"history\" is missing (an empty array asks for a new user)");
  if (history->kind != J_ARRAY || history->count > HISTORY_MAX)
    return bad_line(in, "\"history\" must be an array of at most 2^24 events");
  int rc = 0;
  for (const jnode *n = jtree_first(&q->tree, history); rc == 0 && n != NULL; n = jtree_next(&q->tree, n))
    rc = read_event(in, b, q, n);
  if (rc == 0) rc = read_candidates(in, b, q);
  if (rc == 0 && deny != NULL) rc = read_names(in, b, q, deny, "deny", &q->deny);
  return rc;
}

// ---- lines ---------------------------------------------------------------------------------------------------

// The next line that is not empty into *line, without its end; *bytes is -1 at the end of the input.
static int next_line(cli_input *in, char **line, size_t *cap, ssize_t *bytes) {
  for (;;) {
    errno = 0;
    *bytes = getline(line, cap, in->file);
    if (*bytes < 0) {
      if (ferror(in->file) || errno == ENOMEM)
        return cli_fail(EXIT_FAILED, "cannot read %s: %s", in->name, strerror(errno));
      return 0;
    }
    in->line++;
    while (*bytes > 0 && ((*line)[*bytes - 1] == '\n' || (*line)[*bytes - 1] == '\r')) --*bytes;
    if (*bytes > 0) return 0;
  }
}

int input_read(cli_input *in, const souk_bundle *b, size_t most) {
  size_t events = 0, cap = in->cap;
  in->n = 0;
  int rc = cli_grow(&in->queries, &in->cap, most, sizeof *in->queries);
  if (rc != 0) return rc;
  if (in->cap > cap) memset(in->queries + cap, 0, (in->cap - cap) * sizeof *in->queries);
  while (in->n < most && events < EVENTS_AT_ONCE) {
    cli_query *q = &in->queries[in->n];
    ssize_t bytes;
    rc = next_line(in, &q->line, &q->cap, &bytes);
    if (rc != 0 || bytes < 0) return rc;
    q->number = in->line;
    q->history.n = q->events.n = q->deny.n = q->candidates.n = 0;
    rc = parse(in, b, q, (size_t)bytes);
    if (rc != 0) return rc;
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
  // Even without a single name the list exists: nothing is allowed then.
  if (rc == 0) rc = cli_grow(&list->items, &list->cap, 1, sizeof *list->items);
  while (rc == 0 && (rc = next_line(&in, &line, &cap, &bytes)) == 0 && bytes >= 0) {
    line[bytes] = '\0';
    const int32_t item = souk_find_item(b, line);
    unknown += item < 0;
    rc = append(list, item);
  }
  if (rc == 0 && unknown > 0)
    cli_fail(0, "%s: %zu of %zu names are no items of the bundle and are passed over", path, unknown,
             list->n);
  free(line);
  input_close(&in);
  return rc;
}
