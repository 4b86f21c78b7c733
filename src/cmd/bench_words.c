// souk bench words; see bench_words.h. The lines are read before any is timed, and each is a text of its own.
#include "cmd/bench_words.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "cmd/bench_texts.h"
#include "data/tokenizer.h"
#include "data/wordpiece.h"
#include "format/order.h"

enum { MOST_PASSES = 1000, LEAST_PASSES = 3 };

typedef struct words_options {
  char vocab[OPTION_STRING], input[OPTION_STRING], ids[OPTION_STRING];
  double seconds;
  bool typed_specials;
} words_options;

#define FIELD(name) offsetof(words_options, name)
static const option options[] = {
    {"vocab", OPT_STRING, FIELD(vocab), "", 0, 0, "DIR",
     "a vocabulary: of souk vocab, or a Hugging Face model"},
    {"input", OPT_STRING, FIELD(input), "", 0, 0, "FILE", "texts, one a line, of at most 1 GiB"},
    {"ids", OPT_STRING, FIELD(ids), "", 0, 0, "FILE",
     "also write the ids of each text, as numbers with spaces in a line"},
    {"typed_specials", OPT_BOOL, FIELD(typed_specials), "false", 0, 0, NULL,
     "special tokens in a text are these tokens, as Hugging Face's tokenizers have it; else they are text"},
    {"seconds", OPT_FLOAT, FIELD(seconds), "3", 0, 3600, NULL,
     "time to measure for, and three passes at least"},
};

static size_t encode(const word_tokenizer *t, const bench_texts *x, size_t i, int32_t *ids, size_t cap) {
  return word_tokenizer_encode(t, x->data + x->begins[i], x->begins[i + 1] - x->begins[i] - 1, ids, cap);
}

static status write_ids(const word_tokenizer *t, const bench_texts *x, int32_t *ids, const char *path) {
  out_file *f;
  TRY(out_open(&f, path));
  status rc = OK;
  for (size_t i = 0; rc == OK && i < x->n; i++) {
    const size_t n = encode(t, x, i, ids, x->bytes + 1);
    for (size_t j = 0; rc == OK && j < n; j++) rc = out_printf(f, j > 0 ? " %d" : "%d", ids[j]);
    if (rc == OK) rc = out_printf(f, "\n");
  }
  return out_finish(f, rc);
}

static void measure(const word_tokenizer *t, const bench_texts *x, int32_t *ids, double seconds) {
  double taken[MOST_PASSES], sum = 0;
  size_t tokens = 0;
  int n = 0;
  while (n < MOST_PASSES && (n < LEAST_PASSES || sum < seconds)) {
    const double start = bench_seconds();
    tokens = 0;
    for (size_t i = 0; i < x->n; i++) tokens += encode(t, x, i, ids, x->bytes + 1);
    taken[n] = bench_seconds() - start;
    sum += taken[n++];
  }
  qsort(taken, (size_t)n, sizeof *taken, order_double);
  printf("%zu texts, %zu bytes, %zu tokens, %d passes: %.1f MB/s (median), %.1f MB/s (best)\n", x->n,
         x->bytes, tokens, n, 1e-6 * (double)x->bytes / taken[n / 2], 1e-6 * (double)x->bytes / taken[0]);
}

static status run(const words_options *o, wordpiece *w) {
  bench_texts x = {0};
  int32_t *ids = NULL;
  word_tokenizer *t = NULL;
  status rc = o->typed_specials ? tokenizer_allow_specials(&w->tokenizer) : OK;
  if (rc == OK) rc = tokenizer_open(&t, w->v, w->tokenizer);
  if (rc == OK) rc = bench_texts_read(&x, o->input);
  if (rc == OK) rc = mem_new(&ids, x.bytes + 1, sizeof *ids, "ids");
  if (rc == OK && o->ids[0] != '\0') rc = write_ids(t, &x, ids, o->ids);
  if (rc == OK) measure(t, &x, ids, o->seconds);
  word_tokenizer_free(t);
  free(ids);
  bench_texts_free(&x);
  return rc;
}

status bench_words(int argc, char **argv) {
  static words_options o;
  const option_section section = {"", "Benchmark", options, sizeof options / sizeof *options, &o};
  const option_set set = {
      .usage = "souk bench words --vocab DIR --input FILE [--ids FILE] [--seconds N] [--typed_specials]",
      .summary = "Times how the lines of a file become tokens, on one thread, in processor time.",
      .sections = &section,
      .count = 1};
  const char *positionals[1];
  size_t n;
  bool help;
  wordpiece *w;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, positionals, 0, &n, &help));
  if (help) return OK;
  if (o.vocab[0] == '\0' || o.input[0] == '\0') return fail(ERR_ARGUMENT, "usage: %s", set.usage);
  TRY(wordpiece_read(&w, o.vocab));
  const status rc = run(&o, w);
  wordpiece_close(w);
  return rc;
}
