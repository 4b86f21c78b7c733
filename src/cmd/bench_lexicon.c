// souk bench lexicon; see bench_lexicon.h. The masks are those of every place of every line of --input, as a decoder would ask for them
// if it wrote that line; where the lexicon forbids the line, it begins anew.
#include "cmd/bench_lexicon.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/philox.h"
#include "cmd/bench_texts.h"
#include "data/tokenizer.h"
#include "data/wordpiece.h"
#include "format/lexicon_mask.h"
#include "format/lexicon_symbols.h"
#include "format/order.h"
#include "format/utf8.h"

enum { MOST_TOKENS = 4096, MOST_RUNS = 1000, LEAST_RUNS = 5, STREAM = 77 };

typedef struct lexicon_options {
  char vocab[OPTION_STRING], input[OPTION_STRING], lexicon[OPTION_STRING];
  int64_t phrases, masks;
  double seconds;
} lexicon_options;

#define FIELD(name) offsetof(lexicon_options, name)
static const option options[] = {
    {"vocab", OPT_STRING, FIELD(vocab), "", 0, 0, "DIR",
     "a vocabulary: of souk vocab, or a Hugging Face model"},
    {"input", OPT_STRING, FIELD(input), "", 0, 0, "FILE",
     "texts whose masks are made, one a line, of at most 1 GiB"},
    {"lexicon", OPT_STRING, FIELD(lexicon), "", 0, 0, "FILE",
     "a lexicon; without one, phrases are drawn of the vocabulary"},
    {"phrases", OPT_INT, FIELD(phrases), "10000", 0, 1000000, NULL,
     "how many are drawn, half of them Chinese"},
    {"masks", OPT_INT, FIELD(masks), "20000", 1, 100000000, NULL, "most masks to time"},
    {"seconds", OPT_FLOAT, FIELD(seconds), "2", 0, 3600, NULL,
     "time to compile for, and five times at least"},
};

// ---- phrases -------------------------------------------------------------------------------------------------

typedef struct words { // of a vocabulary: whole words of two letters or more, and Chinese characters
  const char **english, **chinese;
  size_t n_english, n_chinese;
} words;

static bool are_letters(const char *word) {
  size_t n = 0;
  for (; word[n] != '\0'; n++)
    if (word[n] < 'a' || word[n] > 'z') return false;
  return n > 1;
}

static bool is_chinese(const char *word) {
  size_t n;
  const uint32_t c = utf8_next(word, strlen(word), &n);
  return word[n] == '\0' && lexicon_symbol_of(c).kind == LEXICON_CHINESE;
}

static status find_words(words *w, const vocab *v) {
  const size_t n = (size_t)vocab_size(v);
  TRY(mem_new(&w->english, n, sizeof *w->english, "words"));
  TRY(mem_new(&w->chinese, n, sizeof *w->chinese, "words"));
  for (int32_t i = vocab_begin(v, RANGE_WORDS); i < vocab_end(v, RANGE_WORDS); i++) {
    const char *word = vocab_token(v, i);
    if (word[0] == '\0') continue;
    if (are_letters(word))
      w->english[w->n_english++] = word;
    else if (is_chinese(word))
      w->chinese[w->n_chinese++] = word;
  }
  return w->n_english > 0 || w->n_chinese > 0 ? OK
                                              : fail(ERR_ARGUMENT, "--vocab has no words to draw phrases of");
}

// Vocabularies list frequent words first, and of those most phrases are made.
static const char *draw(rng *r, const char *const *list, size_t n) {
  return list[(size_t)(pow((double)n, rng_unit(r)) - 1)];
}

// One to four English words, a quarter of them with their forms, or two to five characters.
static size_t draw_phrase(const words *w, rng *r, char *to, size_t room) {
  const bool chinese = w->n_english == 0 || (w->n_chinese > 0 && rng_below(r, 2) == 0);
  const uint32_t parts = chinese ? 2 + (uint32_t)rng_below(r, 4) : 1 + (uint32_t)rng_below(r, 4);
  size_t n = 0;
  for (uint32_t i = 0; i < parts && n < room; i++)
    n += (size_t)snprintf(to + n, room - n, "%s%s", i > 0 && !chinese ? " " : "",
                          chinese ? draw(r, w->chinese, w->n_chinese) : draw(r, w->english, w->n_english));
  return n < room
             ? n + (size_t)snprintf(to + n, room - n, "%s\n", !chinese && rng_below(r, 4) == 0 ? "~" : "")
             : room;
}

static status draw_phrases(const vocab *v, int64_t n, char **text, size_t *bytes) {
  enum { LINE = 256 };
  words w = {0};
  status rc = find_words(&w, v);
  if (rc == OK) rc = mem_new(text, (size_t)n + 1, LINE, "phrases");
  for (int64_t i = 0; rc == OK && i < n; i++) {
    rng r = rng_at((uint64_t)i, STREAM, 0, 0);
    char line[LINE];
    const size_t length = draw_phrase(&w, &r, line, sizeof line);
    if (length >= sizeof line || length > LEXICON_LONGEST) continue; // hardly ever
    memcpy(*text + *bytes, line, length);
    *bytes += length;
  }
  free(w.english);
  free(w.chinese);
  return rc;
}

// ---- times ---------------------------------------------------------------------------------------------------

static void print_times(const char *what, double *taken, size_t n, double unit, const char *name) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += taken[i];
  qsort(taken, n, sizeof *taken, order_double);
  printf("%-8s %8zu times: least %.3f, mean %.3f, median %.3f, p99 %.3f, most %.3f %s\n", what, n,
         unit * taken[0], unit * sum / (double)n, unit * taken[n / 2], unit * taken[n - 1 - n / 100],
         unit * taken[n - 1], name);
}

static status time_compile(const lexicon_text *text, double seconds, lexicon **out) {
  double taken[MOST_RUNS], sum = 0;
  size_t n = 0;
  format_error e;
  while (n < MOST_RUNS && (n < LEAST_RUNS || sum < seconds)) {
    lexicon_free(*out);
    const double start = bench_seconds();
    if (!lexicon_compile(out, text, 1, &e)) return fail_format(&e);
    taken[n] = bench_seconds() - start;
    sum += taken[n++];
  }
  printf("%zu phrases, %zu bytes of text, %.1f MiB\n", lexicon_phrases(*out), text->bytes,
         (double)lexicon_bytes(*out) / (1 << 20));
  print_times("compile", taken, n, 1e3, "ms");
  return OK;
}

static bool continues(const char *piece) {
  return piece[0] == '#' && piece[1] == '#' && piece[2] != '\0';
}

static status time_bind(const lexicon *l, const vocab *v, lexicon_words **out) {
  enum { TIMES = 5 };
  double taken[TIMES];
  lexicon_piece *pieces;
  format_error e;
  const int32_t n = vocab_size(v);
  TRY(mem_new(&pieces, (size_t)n, sizeof *pieces, "pieces"));
  for (int32_t i = vocab_begin(v, RANGE_WORDS); i < vocab_end(v, RANGE_WORDS); i++) {
    const char *piece = vocab_token(v, i);
    pieces[i] = (lexicon_piece){piece + (continues(piece) ? 2 : 0), continues(piece)};
  }
  status rc = OK;
  for (int i = 0; rc == OK && i < TIMES; i++) {
    lexicon_words_free(*out);
    const double start = bench_seconds();
    if (!lexicon_bind(out, l, pieces, n, &e)) rc = fail_format(&e);
    taken[i] = bench_seconds() - start;
  }
  free(pieces);
  if (rc != OK) return rc;
  double again[TIMES];
  for (int i = 0; i < TIMES; i++) {
    lexicon_words *like;
    const double start = bench_seconds();
    if (!lexicon_bind_like(&like, l, *out, &e)) return fail_format(&e);
    again[i] = bench_seconds() - start;
    lexicon_words_free(like);
  }
  printf("vocabulary of %d, %.1f MiB with it\n", n, (double)lexicon_words_bytes(*out) / (1 << 20));
  print_times("bind", taken, TIMES, 1e3, "ms");
  print_times("like", again, TIMES, 1e3, "ms (to the same vocabulary as another lexicon)");
  return OK;
}

// ---- masks ---------------------------------------------------------------------------------------------------

typedef struct timing {
  const lexicon *l;
  const lexicon_words *w;
  const vocab *v;
  uint64_t *bits;
  double *taken;
  size_t n, most, admissible;
} timing;

static void time_mask(timing *t, const lexicon_state *s, const copy_join *j) {
  const double start = bench_seconds();
  lexicon_mask(t->w, s, j, t->bits);
  t->taken[t->n++] = bench_seconds() - start;
  for (int32_t i = 0; i < (vocab_size(t->v) + 63) / 64; i++)
    t->admissible += (size_t)__builtin_popcountll(t->bits[i]);
}

// False: the lexicon forbids the piece.
static bool write_piece(const timing *t, int32_t token, lexicon_state *s, copy_join *j) {
  const char *piece = vocab_token(t->v, token);
  const bool inside = continues(piece);
  piece += inside ? 2 : 0;
  const size_t bytes = strlen(piece);
  const copy_kind kind = copy_kind_of(piece, bytes, inside);
  if (copy_join_space(j, kind) && !lexicon_step(t->l, s, " ", 1)) return false;
  copy_join_after(j, piece, bytes, kind);
  return lexicon_step(t->l, s, piece, bytes);
}

static void time_line(timing *t, const int32_t *ids, size_t n) {
  lexicon_state s;
  copy_join j = {0};
  lexicon_begin(&s);
  for (size_t i = 0; i < n && t->n < t->most; i++) {
    time_mask(t, &s, &j);
    if (ids[i] < TOKEN_SPECIALS || write_piece(t, ids[i], &s, &j)) continue;
    lexicon_begin(&s);
    j = (copy_join){0};
  }
}

static status time_masks(timing *t, const word_tokenizer *tokenizer, const bench_texts *x) {
  static int32_t ids[MOST_TOKENS];
  TRY(mem_new(&t->taken, t->most, sizeof *t->taken, "times"));
  TRY(mem_new(&t->bits, (size_t)vocab_size(t->v) / 64 + 1, sizeof *t->bits, "mask"));
  for (size_t i = 0; i < x->n && t->n < t->most; i++) {
    const size_t n = word_tokenizer_encode(tokenizer, x->data + x->begins[i],
                                           x->begins[i + 1] - x->begins[i] - 1, ids, MOST_TOKENS);
    time_line(t, ids, n < MOST_TOKENS ? n : MOST_TOKENS);
  }
  if (t->n == 0) return fail(ERR_ARGUMENT, "--input has no word");
  print_times("mask", t->taken, t->n, 1e6, "us");
  printf("%.1f%% of the vocabulary may come, on average\n",
         100 * (double)t->admissible / (double)t->n / (double)vocab_size(t->v));
  return OK;
}

static status run(const lexicon_options *o, const wordpiece *p) {
  bench_texts x = {0};
  char *text = NULL;
  lexicon_text file = {.name = o->lexicon[0] != '\0' ? o->lexicon : "drawn phrases"};
  lexicon *l = NULL;
  lexicon_words *w = NULL;
  word_tokenizer *tokenizer = NULL;
  timing t = {.v = p->v, .most = (size_t)o->masks};
  status rc = tokenizer_open(&tokenizer, p->v, p->tokenizer);
  if (rc == OK) rc = bench_texts_read(&x, o->input);
  if (rc == OK && o->lexicon[0] != '\0')
    rc = file_read(o->lexicon, LEXICON_MOST_BYTES, &text, &file.bytes);
  else if (rc == OK)
    rc = draw_phrases(p->v, o->phrases, &text, &file.bytes);
  file.text = text;
  if (rc == OK) rc = time_compile(&file, o->seconds, &l);
  if (rc == OK) rc = time_bind(l, p->v, &w);
  t.l = l;
  t.w = w;
  if (rc == OK) rc = time_masks(&t, tokenizer, &x);
  free(t.taken);
  free(t.bits);
  lexicon_words_free(w);
  lexicon_free(l);
  word_tokenizer_free(tokenizer);
  bench_texts_free(&x);
  free(text);
  return rc;
}

status bench_lexicon(int argc, char **argv) {
  static lexicon_options o;
  const option_section section = {"", "Benchmark", options, sizeof options / sizeof *options, &o};
  const option_set set = {.usage = "souk bench lexicon --vocab DIR --input FILE [--lexicon FILE | --phrases "
                                   "N] [--masks N] [--seconds N]",
                          .summary = "Times how a lexicon is compiled and which tokens it lets come next, on "
                                     "one thread, in processor time.",
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
