// souk-infer classify and pairs: the labels of texts, and of histories with an item.
#include <stdlib.h>
#include <string.h>
#include "infer_cli/cli.h"

typedef struct labeller {
  const souk_bundle *b;
  souk_info info;
  souk_label_options options;
  cli_input in;
  cli_output *out;
  const char **texts, **seconds;
  souk_pair *pairs;
  float *values; // [lines][labels]
} labeller;

// Texts with a second one and without are asked about apart, since a call has either.
static souk_status ask_texts(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  labeller *x = arg;
  const size_t labels = (size_t)x->info.labels;
  souk_status rc = SOUK_OK;
  for (size_t i = 0, stop; rc == SOUK_OK && i < n; i = stop) {
    const bool two = lines[i]->second >= 0;
    for (stop = i; stop < n && (lines[stop]->second >= 0) == two; stop++) {
      x->texts[stop] = lines[stop]->words;
      x->seconds[stop] = two ? lines[stop]->words + lines[stop]->second : NULL;
    }
    rc = souk_classify(x->b, x->texts + i, two ? x->seconds + i : NULL, stop - i, &x->options,
                       x->values + i * labels, e);
  }
  return rc;
}

static souk_status ask_pairs(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  labeller *x = arg;
  for (size_t i = 0; i < n; i++)
    x->pairs[i] = (souk_pair){
        .history = query_history(lines[i]), .item = lines[i]->item, .product = query_product(lines[i])};
  return souk_score_pairs(x->b, x->pairs, n, &x->options, x->values, e);
}

static int write_labels(void *arg, cli_query *q, size_t i) {
  labeller *x = arg;
  int rc = 0;
  if (x->info.labels_pairs == 0 && strlen(q->words) != q->text_bytes)
    return query_fail(q, "a text holds a NUL character");
  rc = output_user(x->out, q);
  if (rc == 0) rc = output_text(x->out, x->options.logits != 0 ? ",\"logits\":{" : ",\"labels\":{");
  for (int32_t k = 0; rc == 0 && k < x->info.labels; k++) {
    const char *name = souk_label_name(x->b, k);
    if (k > 0) rc = output_text(x->out, ",");
    if (rc == 0) rc = output_string(x->out, name, strlen(name));
    if (rc == 0) rc = output_text(x->out, ":");
    if (rc == 0) rc = output_float(x->out, x->values[i * (size_t)x->info.labels + (size_t)k]);
  }
  if (rc == 0) rc = output_text(x->out, "}");
  if (rc == 0 && x->info.labels_pairs != 0 && q->item < 0) rc = output_text(x->out, ",\"known\":false");
  return rc != 0 ? rc : output_text(x->out, "}\n");
}

static int check_bundle(const cli_options *o, const souk_info *info, bool pairs) {
  if (info->labels == 0)
    return cli_fail(EXIT_FAILED, "%s has no labels: souk finetune --task %s makes them", o->bundle,
                    pairs ? "pair" : "classify");
  if ((info->labels_pairs != 0) == pairs) return 0;
  return cli_fail(EXIT_FAILED, "%s has labels of %s, for souk-infer %s", o->bundle, pairs ? "texts" : "pairs",
                  pairs ? "classify" : "pairs");
}

static int command(const cli_options *o, const souk_bundle *b, bool pairs) {
  const size_t lines = (size_t)o->batch;
  labeller x = {.b = b, .options = {.threads = o->threads, .logits = o->logits}};
  cli_answerer a = {.arg = &x,
                    .most = lines,
                    .threads = o->threads,
                    .ask = pairs ? ask_pairs : ask_texts,
                    .write = write_labels};
  souk_get_info(b, &x.info, NULL);
  int rc = check_bundle(o, &x.info, pairs);
  if (rc == 0) rc = find_adapter(b, o->adapter, &x.options.adapter);
  x.texts = malloc(lines * sizeof *x.texts);
  x.seconds = malloc(lines * sizeof *x.seconds);
  x.pairs = malloc(lines * sizeof *x.pairs);
  x.values = malloc(lines * (size_t)(x.info.labels + 1) * sizeof *x.values);
  if (rc == 0 && (x.texts == NULL || x.seconds == NULL || x.pairs == NULL || x.values == NULL))
    rc = cli_fail(EXIT_FAILED, "out of memory: labels of %zu lines", lines);
  if (rc == 0) rc = input_open(&x.in, o->input);
  x.in.lines = pairs ? LINES_PAIRS : LINES_TEXTS;
  x.in.plain = o->text;
  if (rc == 0) rc = output_open(&x.out, o->output);
  a.out = x.out;
  rc = answer_all(rc, &x.in, b, &a);
  input_close(&x.in);
  free(x.texts);
  free(x.seconds);
  free(x.pairs);
  free(x.values);
  return rc;
}

int command_classify(const cli_options *o, const souk_bundle *b) {
  return command(o, b, false);
}

int command_pairs(const cli_options *o, const souk_bundle *b) {
  return command(o, b, true);
}
