// Answers as lines come: batches of questions in, answers or errors out in the same order.
//
// A batch ends when no more lines have arrived (see cli_input.c). Its size doubles while full batches are quick and
// halves after a slow one, so that a batch takes about a quarter of a second, but it has at least a line for each
// thread. So a program at the other end of a pipe gets each answer before it writes the next line, a file is answered
// in batches large enough for all threads, and a slow encoder still answers the first lines soon. Answers have the
// same bits in batches of any size.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "infer_cli/cli.h"
#include "format/processors.h"

enum { FIRST_BATCH = 16, MAX_PRINTED = 10, QUICK_MS = 125, SLOW_MS = 250 };

int output_user(cli_output *o, const cli_query *q) {
  int rc = output_text(o, "{\"");
  if (rc == 0) rc = output_text(o, q->key);
  if (rc == 0) rc = output_text(o, "\":");
  if (rc != 0) return rc;
  return q->user_is_string ? output_string(o, q->user, q->user_bytes)
                           : output_write(o, q->user, q->user_bytes);
}

int output_error(cli_output *o, const cli_query *q) {
  int rc = output_user(o, q);
  if (rc == 0) rc = output_text(o, ",\"error\":");
  if (rc == 0) rc = output_string(o, q->error, strlen(q->error));
  if (rc == 0) rc = output_text(o, ",\"line\":");
  if (rc == 0) rc = output_int(o, q->number);
  return rc != 0 ? rc : output_text(o, "}\n");
}

typedef struct answers {
  const cli_answerer *a;
  cli_input *in;
  cli_query **good; // [most] of a batch
  size_t good_cap;
  int64_t bad;
} answers;

// Writes an error instead of an answer. The first errors are printed on stderr too, after the answers before them
// have been flushed.
static int refuse(answers *x, const cli_query *q) {
  const int rc = x->a->write_error != NULL ? x->a->write_error(x->a->arg, q) : output_error(x->a->out, q);
  if (rc != 0 || x->bad++ >= MAX_PRINTED) return rc;
  cli_fail(0, "%s line %lld: %s", x->in->name, (long long)q->number, q->error);
  return output_flush(x->a->out);
}

// The library's messages begin with "queries[0]: ", which means nothing to the user for a single line.
static const char *without_place(const char *message) {
  static const char *const arrays[] = {"queries", "histories", "texts",   "seconds",
                                       "pairs",   "products",  "requests"};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    const size_t bytes = strlen(arrays[i]);
    if (strncmp(message, arrays[i], bytes) != 0 || strncmp(message + bytes, "[0]", 3) != 0) continue;
    const char *rest = message + bytes + 3;
    if (rest[0] == ':' && rest[1] == ' ') return rest + 2;
    if (rest[0] == '.') return rest + 1;
  }
  return message;
}

static int write_batch(answers *x, cli_query *queries, size_t n) {
  int rc = 0;
  for (size_t i = 0, at = 0; rc == 0 && i < n; i++) {
    if (queries[i].error[0] == '\0') rc = x->a->write(x->a->arg, &queries[i], at++);
    if (rc == LINE_BAD) rc = 0;
    if (rc == 0 && queries[i].error[0] != '\0') rc = refuse(x, &queries[i]);
  }
  return rc;
}

// Answers n lines. If the library refuses the batch, each line is asked alone, so that one bad line does not spoil
// the others.
static int answer(answers *x, cli_query *queries, size_t n) {
  souk_error e = {.code = SOUK_OK};
  size_t good = 0;
  for (size_t i = 0; i < n; i++)
    if (queries[i].error[0] == '\0') x->good[good++] = &queries[i];
  if (good > 0 && x->a->ask(x->a->arg, x->good, good, &e) != SOUK_OK) {
    int rc = 0;
    if (n > 1) {
      for (size_t i = 0; rc == 0 && i < n; i++) rc = answer(x, &queries[i], 1);
      return rc;
    }
    if (e.code == SOUK_ERR_MEMORY)
      return cli_fail(EXIT_FAILED, "%s line %lld: %s", x->in->name, (long long)queries->number, e.message);
    query_fail(queries, "%s", without_place(e.message));
  }
  return write_batch(x, queries, n);
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t within(size_t n, size_t least, size_t most) {
  n = n < least ? least : n;
  return n < most ? n : most;
}

// The next batch size, after a batch of n lines out of at most `size`.
static size_t next_size(size_t size, size_t n, int64_t ms) {
  if (ms > SLOW_MS) return n / 2;
  return ms < QUICK_MS && n == size ? 2 * size : size;
}

int answer_lines(cli_input *in, const souk_bundle *b, const cli_answerer *a, int64_t *bad) {
  answers x = {.a = a, .in = in};
  const size_t least = (size_t)threads_wanted(a->threads);
  size_t size = within(FIRST_BATCH, least, a->most);
  int64_t lines = 0;
  int rc = 0;
  do {
    // Lines before a read error are answered before the program ends with it.
    const int read_rc = input_read(in, b, size);
    const int64_t start = now_ms();
    rc = cli_grow(&x.good, &x.good_cap, in->n, sizeof(cli_query *));
    if (rc == 0) rc = answer(&x, in->queries, in->n);
    if (rc == 0) rc = output_flush(a->out);
    if (rc == 0) rc = read_rc;
    lines += (int64_t)in->n;
    size = within(next_size(size, in->n, now_ms() - start), least, a->most);
  } while (rc == 0 && in->n > 0);
  free(x.good);
  *bad = x.bad;
  if (x.bad > 0)
    cli_fail(0, "%lld of %lld lines of %s could not be answered", (long long)x.bad, (long long)lines,
             in->name);
  return rc;
}

int answer_all(int rc, cli_input *in, const souk_bundle *b, const cli_answerer *a) {
  int64_t bad = 0;
  if (rc == 0) rc = answer_lines(in, b, a, &bad);
  if (rc == 0)
    rc = output_commit(a->out);
  else
    output_abort(a->out);
  return rc == 0 && bad > 0 ? EXIT_FAILED : rc;
}
