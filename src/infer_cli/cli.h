// What the commands of souk-infer share. Functions return 0, or print an error on stderr and return the exit status:
// 2 for the command line, 1 for everything else. LINE_BAD is not an exit status: one line of input is wrong, and the
// next may be right.
#ifndef SOUK_INFER_CLI_CLI_H
#define SOUK_INFER_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "format/jtree.h"
#include "format/vocabulary.h"
#include "souk/infer.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, LINE_BAD = -1 };

enum { MOST_FILES = 8 };

// An option that may be given several times.
typedef struct cli_files {
  const char *at[MOST_FILES];
  int32_t n;
} cli_files;

typedef struct cli_options {
  const char *bundle, *input, *output, *names, *allow, *deny; // NULL: not given
  int32_t k, batch, threads, length, seconds;
  bool keep_history, no_mix, skip_checksums, json, copy, why, gradients, text, normalise, npy;
  int32_t tokens;
  const char *pooling, *adapter, *texts;
  bool logits;
  // copy
  const char *decode;
  // The first option given that only --promote, only a beam or only sampling has a use for; NULL: none
  const char *needs_promote, *needs_beam, *needs_sample;
  cli_files lexicons;
  int32_t beam, n_best, beam_groups, top_k, no_repeat, min_tokens, max_tokens, seed;
  double length_penalty, coverage_penalty, diversity, temperature, top_p;
  bool stream;
  // promotions in lists
  const char *promote, *writer;
  int32_t promote_n, promote_m;
  double promote_weight;
} cli_options;

// Prints "souk-infer: MESSAGE" and returns `code`.
__attribute__((format(printf, 2, 3))) int cli_fail(int code, const char *format, ...);
// realloc that fails with a message; *array is unchanged then.
int cli_grow(void *array, size_t *cap, size_t need, size_t size);

// ---- output (cli_output.c) -----------------------------------------------------------------------------------

// An output: a file that appears under its name complete or not at all (even if the program is interrupted), a stream
// such as a pipe that is written directly (src/format/target.h), or stdout.
typedef struct cli_output cli_output;
int output_open(cli_output **out, const char *path); // NULL or "-": stdout
int output_write(cli_output *o, const void *data, size_t bytes);
int output_text(cli_output *o, const char *text);
// Text as a JSON string; bytes that are not UTF-8 become U+FFFD.
int output_string(cli_output *o, const char *text, size_t bytes);
// The shortest decimal that reads back as the same float; null for what JSON has no number for.
int output_float(cli_output *o, float x);
int output_int(cli_output *o, int64_t x);
int output_flush(cli_output *o);  // writes what is buffered
int output_commit(cli_output *o); // frees o in every case
void output_abort(cli_output *o); // NULL is safe
// NumPy's .npy, float32 [rows, columns], and optionally the names of the rows: open, rows in order through
// output_write, commit. Not on stdout: the number of rows goes into the header at the end. names_path NULL: no names.
// Files that belong together never mismatch (docs/formats.md, "Files in pairs").
int cli_npy_open(cli_output **out, cli_output **names, const char *path, const char *names_path);
int npy_commit(cli_output *o, cli_output *names, int64_t rows, int64_t columns); // frees both in every case

// ---- input (cli_input.c) -------------------------------------------------------------------------------------

typedef struct cli_list {
  int32_t *items;
  size_t n, cap;
} cli_list;

// What a line of input holds besides "user" or "id".
typedef enum cli_lines {
  LINES_HISTORIES, // "history", "text" or both
  LINES_TEXTS,     // "text", and a second one, "text_b"
  LINES_PAIRS,     // "history" and "item", and what is known of the item
  LINES_PRODUCTS,  // what is known of an item: "text", "item_attributes", "features"
  LINES_REQUESTS,  // "history" and what copy is asked for
  LINES_CAMPAIGNS  // what copy may be asked for, without a history: a file of rank --promote
} cli_lines;

// What copy is wanted for. Texts: where each begins in the query's `words`, -1: not given. Numbers: 0: not given.
typedef struct cli_offer {
  int32_t title, goal, type, market, language, name, code, user, item_name;
  bool user_is_string;
  double price, was, percent, amount, threshold, value; // value: 1 if not given
  int32_t year, month, day;
  int64_t seed, cap; // -1: not given
  int64_t shown, min_tokens, max_tokens;
  cli_list required_at, banned_at;
  const char **required, **banned; // [required_at.n], [banned_at.n], once the words move no more
  size_t required_cap, banned_cap;
  uint32_t required_slots; // bits 1 << SOUK_SLOT_...
} cli_offer;

// One line of input: what is left of it. The line itself and its tree are gone.
typedef struct cli_query {
  int64_t number;                // of the line
  char error[320];               // why it cannot be answered; "": it can
  char user[MAX_NAME_BYTES + 1]; // decoded if it is a string, else as it stands in the line: a number or null
  size_t user_bytes;
  bool user_is_string;
  const char *key; // "user" or "id"
  cli_list history, events, deny, allow;
  // Texts, each with its NUL; and where that of each event of the history begins, -1: it has none. Empty: no event has one.
  char *words;
  size_t words_bytes, words_cap;
  cli_list text_at;
  const char **texts; // [history.n], by text_at; NULL: no event has one
  size_t texts_cap;
  // Names and values of the user's attributes, in turns: where each begins in `words`, and pointers to them.
  cli_list attribute_at;
  const char **attributes; // [2][attribute_at.n / 2]: names, then values
  size_t attributes_cap;
  souk_user known;
  size_t text_bytes; // of the only text of a line of texts, which may hold NULs
  int32_t second;    // where the second text begins in `words`, -1: there is none
  int32_t adapter;   // 0: none
  // of pairs and products
  int32_t item;                 // -1: unknown, or not given
  int32_t item_text;            // where its text begins in `words`, -1: it has none
  cli_list item_attribute_at;   // where each of its attributes begins
  const char **item_attributes; // [item_attribute_at.n]
  size_t item_attributes_cap;
  cli_list features;   // bits of floats
  cli_offer offer;     // of requests and campaigns
  cli_list candidates; // once parsed of candidates and allow together; -1: unknown
  char *strangers;     // the names of the unknown ones of "candidates", in order, each with its NUL
  size_t strangers_bytes, strangers_cap;
  bool has_candidates, has_allow; // the fields
} cli_query;

typedef struct cli_input {
  int fd;
  const char *name;
  char *buffer; // bytes that were read and not parsed yet: [begin, end)
  size_t begin, end, buffer_cap;
  bool at_end;
  int64_t line; // of the last query
  cli_lines lines;
  bool plain;       // a line is a text as it stands, not JSON
  int32_t adapter;  // of lines that name none
  int32_t features; // numbers of a product's features
  jtree tree;       // of the line that is being parsed
  cli_query *queries;
  size_t n, cap; // live; allocated, their buffers are reused
} cli_input;

int input_open(cli_input *in,
               const char *path); // NULL or "-": stdin; then `lines` and `plain` may be changed
void input_close(cli_input *in);  // zeroed is fine
// Reads up to `most` queries: waits for the first, and takes further ones only if they have arrived. in->n is 0 at
// the end of the input; after an error it counts the queries before it. Empty lines are skipped. Lines that cannot be
// parsed are queries with an error. A batch ends at BATCH_BYTES of lines, too.
int input_read(cli_input *in, const souk_bundle *b, size_t most);
// The number of the adapter that an option names (NULL: none), in *adapter; fails where the bundle has none of this name.
int find_adapter(const souk_bundle *b, const char *name, int32_t *adapter);
// Items named in a file, one a line; unknown ones are counted on stderr.
int read_item_file(cli_list *list, const char *path, const souk_bundle *b);

// ---- what a line holds (cli_query.c) -------------------------------------------------------------------------

// Forgets a query and, where they have grown beyond `most` bytes, its buffers.
void query_clear(cli_query *q, size_t most);
// One line, which ends with a NUL behind its `bytes`, into a query that was cleared. LINE_BAD: q->error says why it cannot be answered.
int query_parse(cli_input *in, const souk_bundle *b, cli_query *q, const char *line, size_t bytes);
int cli_append(cli_list *list, int32_t item);
// Records why a query cannot be answered; returns LINE_BAD.
__attribute__((format(printf, 2, 3))) int query_fail(cli_query *q, const char *format, ...);
souk_history query_history(const cli_query *q);
souk_product query_product(const cli_query *q);
int query_keep(cli_query *q, const char *text, size_t bytes); // appends it, with a NUL, to the query's words

// ---- requests for copy (cli_request.c) -----------------------------------------------------------------------

void offer_clear(cli_offer *o, size_t most); // as query_clear does it
int offer_element(cli_query *q, const char *field, const jnode *n);
int offer_fields(cli_query *q, const jtree *t, bool campaign);
int offer_finish(cli_query *q);                       // once the words move no more
souk_promo_request query_request(const cli_query *q); // without a lexicon
// What sampling is seeded by besides --seed: the request's own seed, or its id and its user.
uint64_t request_seed(const cli_query *q);

// ---- answers as lines come (cli_answers.c) -------------------------------------------------------------------

// The part of answering that differs between commands.
typedef struct cli_answerer {
  void *arg;
  size_t most;     // lines at a time
  int32_t threads; // as the library takes them: each should have a line
  cli_output *out; // flushed after every batch
  // Asks the library about n lines; answer i belongs to lines[i].
  souk_status (*ask)(void *arg, cli_query *const *lines, size_t n, souk_error *e);
  // Writes answer i, of query q. It may still refuse: then it calls query_fail and writes nothing.
  int (*write)(void *arg, cli_query *q, size_t i);
  int (*write_error)(void *arg,
                     const cli_query *q); // writes an error instead of an answer; NULL: output_error
} cli_answerer;

// Answers every line of the input in order; those that cannot be answered get an error in their place, which is
// printed on stderr too. 0: all were written; *bad counts the errors.
int answer_lines(cli_input *in, const souk_bundle *b, const cli_answerer *a, int64_t *bad);
// Where nothing has failed yet, answers all lines; then commits the output, or not. The exit status.
int answer_all(int rc, cli_input *in, const souk_bundle *b, const cli_answerer *a);
int output_user(cli_output *o, const cli_query *q);  // {"user":... or {"id":...
int output_error(cli_output *o, const cli_query *q); // a whole line

// ---- rows of .npy, with names (cli_vectors.c) ----------------------------------------------------------------

typedef struct cli_rows {
  cli_output *vectors, *names; // names: NULL when not wanted
  size_t width;
  int64_t rows;
} cli_rows;
int rows_open(cli_rows *r, const char *path, const char *names, size_t width);
int rows_put(cli_rows *r, const float *row); // [width]
// Row i must stay that of question i, and must not look like an answer: it is NaN, and its name an error.
int rows_put_bad(cli_rows *r, const cli_query *q);
// Both files or none: where rc is not 0, none; frees them in every case.
int rows_commit(int rc, cli_rows *r);

// ---- explanations (cli_why.c) --------------------------------------------------------------------------------

typedef struct cli_why cli_why;
int why_new(cli_why **out, const cli_options *o, const souk_bundle *b);
void why_free(cli_why *w); // NULL is safe
// Asks which events of the query's history carry the scores of n items; LINE_BAD where the library refuses.
int why_ask(cli_why *w, cli_query *q, const int32_t *items, int32_t n);
// Writes the answer: ,"why":{...}
int why_write(const cli_why *w, cli_output *o);

// ---- commands ------------------------------------------------------------------------------------------------

int command_embed(const cli_options *o, const souk_bundle *b);
int command_classify(const cli_options *o, const souk_bundle *b);
int command_pairs(const cli_options *o, const souk_bundle *b);
int product_rows(const cli_options *o, const souk_bundle *b); // of items --texts
int command_promo(const cli_options *o, const souk_bundle *b);
int command_info(const cli_options *o, const souk_bundle *b);
// Does the bundle rank items? Else it says why not.
int must_rank(const souk_bundle *b);
int command_rank(const cli_options *o, const souk_bundle *b);
int command_score(const cli_options *o, const souk_bundle *b);
int command_users(const cli_options *o, const souk_bundle *b);
int command_items(const cli_options *o, const souk_bundle *b);
int command_bench(const cli_options *o, const souk_bundle *b);
int bench_copies(const cli_options *o, const souk_bundle *b); // with --copy

#endif
