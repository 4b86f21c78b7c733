// souk-infer embed: vectors of texts, as JSON lines or .npy.
#include <stdlib.h>
#include <string.h>
#include "infer_cli/cli.h"

typedef struct embedder {
  const souk_bundle *b;
  souk_embed_options options;
  cli_input in;
  cli_output *out; // of JSON lines, or
  cli_rows rows;   // of .npy
  size_t width;
  const char **texts;
  size_t *bytes;
  float *vectors;
  int32_t *tokens;
} embedder;

static souk_status ask_texts(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  embedder *x = arg;
  for (size_t i = 0; i < n; i++) {
    x->texts[i] = lines[i]->words;
    x->bytes[i] = lines[i]->text_bytes;
  }
  return souk_embed_texts(x->b, x->texts, x->bytes, n, &x->options, x->vectors, x->tokens, e);
}

static int write_tokens(const embedder *x, cli_output *o, size_t i) {
  int rc = output_text(o, ",\"tokens\":");
  if (rc == 0) rc = output_int(o, x->tokens[i]);
  return rc != 0 ? rc : output_text(o, "}\n");
}

static int write_vector(void *arg, cli_query *q, size_t i) {
  embedder *x = arg;
  int rc = output_user(x->out, q);
  if (rc == 0) rc = output_text(x->out, ",\"vector\":[");
  for (size_t j = 0; rc == 0 && j < x->width; j++) {
    if (j > 0) rc = output_text(x->out, ",");
    if (rc == 0) rc = output_float(x->out, x->vectors[i * x->width + j]);
  }
  if (rc == 0) rc = output_text(x->out, "]");
  return rc != 0 ? rc : write_tokens(x, x->out, i);
}

static int write_row(void *arg, cli_query *q, size_t i) {
  embedder *x = arg;
  int rc = rows_put(&x->rows, x->vectors + i * x->width);
  if (rc != 0 || x->rows.names == NULL) return rc;
  rc = output_user(x->rows.names, q);
  return rc != 0 ? rc : write_tokens(x, x->rows.names, i);
}

static int write_no_row(void *arg, const cli_query *q) {
  embedder *x = arg;
  return rows_put_bad(&x->rows, q);
}

static int32_t pooling_of(const char *word) {
  if (word == NULL || strcmp(word, "mean") == 0) return SOUK_POOL_MEAN;
  return strcmp(word, "cls") == 0 ? SOUK_POOL_CLS : SOUK_POOL_MAX;
}

static int allocate(embedder *x, size_t lines) {
  x->texts = malloc(lines * sizeof *x->texts);
  x->bytes = malloc(lines * sizeof *x->bytes);
  x->vectors = malloc(lines * x->width * sizeof *x->vectors);
  x->tokens = malloc(lines * sizeof *x->tokens);
  if (x->texts == NULL || x->bytes == NULL || x->vectors == NULL || x->tokens == NULL)
    return cli_fail(EXIT_FAILED, "out of memory: vectors of %zu texts", lines);
  return 0;
}

static int embed_rows(int rc, embedder *x, const cli_options *o, cli_answerer a) {
  int64_t bad = 0;
  if (rc == 0) rc = rows_open(&x->rows, o->output, o->names, x->width);
  a.out = x->rows.vectors;
  a.write = write_row;
  a.write_error = write_no_row;
  if (rc == 0) rc = answer_lines(&x->in, x->b, &a, &bad);
  rc = rows_commit(rc, &x->rows);
  return rc == 0 && bad > 0 ? EXIT_FAILED : rc;
}

int command_embed(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  souk_get_info(b, &info, NULL);
  embedder x = {.b = b,
                .width = (size_t)info.hidden,
                .options = {.threads = o->threads,
                            .pooling = pooling_of(o->pooling),
                            .normalise = o->normalise,
                            .most_tokens = o->tokens}};
  cli_answerer a = {
      .arg = &x, .most = (size_t)o->batch, .threads = o->threads, .ask = ask_texts, .write = write_vector};
  int rc = 0;
  if (info.has_words == 0) rc = cli_fail(EXIT_FAILED, "%s has no words, so it reads no texts", o->bundle);
  if (rc == 0 && o->names != NULL && !o->npy) rc = cli_fail(EXIT_USAGE, "--names needs --npy");
  if (rc == 0) rc = allocate(&x, (size_t)o->batch);
  if (rc == 0) rc = input_open(&x.in, o->input);
  x.in.lines = LINES_TEXTS;
  x.in.plain = o->text;
  if (rc == 0) rc = find_adapter(b, o->adapter, &x.options.adapter);
  if (o->npy) {
    rc = embed_rows(rc, &x, o, a);
  } else {
    if (rc == 0) rc = output_open(&x.out, o->output);
    a.out = x.out;
    rc = answer_all(rc, &x.in, b, &a);
  }
  input_close(&x.in);
  free(x.texts);
  free(x.bytes);
  free(x.vectors);
  free(x.tokens);
  return rc;
}
