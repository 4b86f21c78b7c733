// souk-infer users, items and info: vectors as .npy, and what a bundle is.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/printable.h"
#include "infer_cli/cli.h"

enum { AT_ONCE = 4096 };

// ---- rows of .npy --------------------------------------------------------------------------------------------

int rows_open(cli_rows *r, const char *path, const char *names, size_t width) {
  *r = (cli_rows){.width = width};
  return cli_npy_open(&r->vectors, &r->names, path, names);
}

int rows_put(cli_rows *r, const float *row) {
  r->rows++;
  return output_write(r->vectors, row, r->width * sizeof *row);
}

int rows_put_bad(cli_rows *r, const cli_query *q) {
  const float nan = __builtin_nanf("");
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < r->width; i++) rc = output_write(r->vectors, &nan, sizeof nan);
  r->rows++;
  return rc != 0 || r->names == NULL ? rc : output_error(r->names, q);
}

int rows_commit(int rc, cli_rows *r) {
  if (rc == 0) return npy_commit(r->vectors, r->names, r->rows, (int64_t)r->width);
  output_abort(r->vectors);
  output_abort(r->names);
  return rc;
}

// ---- users ---------------------------------------------------------------------------------------------------

typedef struct encoder {
  const souk_bundle *b;
  cli_input in;
  cli_rows rows;
  int32_t threads;
  souk_query *queries;
  float *u;
  int32_t *unknown;
} encoder;

static souk_status ask_user(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  encoder *x = arg;
  for (size_t i = 0; i < n; i++)
    x->queries[i] = (souk_query){.history = query_history(lines[i]), .adapter = lines[i]->adapter};
  return souk_query_vectors(x->b, x->queries, n, x->threads, x->u, x->unknown, e);
}

static int write_user(void *arg, cli_query *q, size_t i) {
  encoder *x = arg;
  cli_output *names = x->rows.names;
  int rc = rows_put(&x->rows, x->u + i * x->rows.width);
  if (rc != 0 || names == NULL) return rc;
  rc = output_user(names, q);
  if (rc == 0) rc = output_text(names, ",\"unknown\":");
  if (rc == 0) rc = output_int(names, x->unknown[i]);
  return rc != 0 ? rc : output_text(names, "}\n");
}

static int write_no_user(void *arg, const cli_query *q) {
  encoder *x = arg;
  return rows_put_bad(&x->rows, q);
}

int command_users(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  souk_get_info(b, &info, NULL);
  const size_t lines = (size_t)o->batch;
  int64_t bad = 0;
  const size_t width = (size_t)info.dimension;
  encoder x = {.b = b, .threads = o->threads};
  x.queries = malloc(lines * sizeof *x.queries);
  x.u = malloc(lines * width * sizeof *x.u);
  x.unknown = malloc(lines * sizeof *x.unknown);
  int rc = 0;
  if (x.queries == NULL || x.u == NULL || x.unknown == NULL)
    rc = cli_fail(EXIT_FAILED, "out of memory: %zu user vectors", lines);
  if (rc == 0) rc = input_open(&x.in, o->input);
  x.in.plain = o->text;
  if (rc == 0) rc = find_adapter(b, o->adapter, &x.in.adapter);
  if (rc == 0) rc = rows_open(&x.rows, o->output, o->names, width);
  const cli_answerer a = {.arg = &x,
                          .most = lines,
                          .threads = o->threads,
                          .out = x.rows.vectors,
                          .ask = ask_user,
                          .write = write_user,
                          .write_error = write_no_user};
  if (rc == 0) rc = answer_lines(&x.in, b, &a, &bad);
  rc = rows_commit(rc, &x.rows);
  if (rc == 0 && bad > 0) rc = EXIT_FAILED;
  input_close(&x.in);
  free(x.queries);
  free(x.u);
  free(x.unknown);
  return rc;
}

// ---- items ---------------------------------------------------------------------------------------------------

static int write_item(cli_output *names, const souk_bundle *b, int32_t item) {
  const char *name = souk_item_name(b, item);
  int rc = output_text(names, "{\"item\":");
  if (rc == 0) rc = output_string(names, name, strlen(name));
  if (rc == 0) rc = output_text(names, ",\"count\":");
  if (rc == 0) rc = output_int(names, souk_item_count(b, item));
  return rc != 0 ? rc : output_text(names, "}\n");
}

int command_items(const cli_options *o, const souk_bundle *b) {
  int32_t adapter;
  const int known = find_adapter(b, o->adapter, &adapter);
  if (known != 0) return known;
  if (o->texts != NULL) return product_rows(o, b);
  souk_info info;
  souk_error e = {.code = SOUK_OK};
  cli_rows rows = {.width = 0};
  souk_get_info(b, &info, NULL);
  const size_t width = (size_t)info.dimension;
  float *v = malloc(AT_ONCE * width * sizeof *v);
  int rc = v != NULL ? 0 : cli_fail(EXIT_FAILED, "out of memory: %d item vectors", AT_ONCE);
  if (rc == 0) rc = rows_open(&rows, o->output, o->names, width);
  for (int32_t i = 0; rc == 0 && i < info.items; i += AT_ONCE) {
    const int32_t n = info.items - i < AT_ONCE ? info.items - i : AT_ONCE;
    if (souk_adapted_item_vectors(b, adapter, i, n, v, &e) != SOUK_OK)
      rc = cli_fail(EXIT_FAILED, "%s", e.message);
    for (int32_t j = 0; rc == 0 && j < n; j++) {
      rc = rows_put(&rows, v + (size_t)j * width);
      if (rc == 0 && rows.names != NULL) rc = write_item(rows.names, b, i + j);
    }
  }
  rc = rows_commit(rc, &rows);
  free(v);
  return rc;
}

// ---- info ----------------------------------------------------------------------------------------------------

// ,"FIELD":[ and the names of n things, numbered from `first`.
static int info_names(cli_output *o, const char *field, const souk_bundle *b,
                      const char *(*name_of)(const souk_bundle *, int32_t), int32_t first, int32_t n) {
  int rc = output_text(o, field);
  for (int32_t i = 0; rc == 0 && i < n; i++) {
    const char *name = name_of(b, first + i);
    if (i > 0) rc = output_text(o, ",");
    if (rc == 0) rc = output_string(o, name, strlen(name));
  }
  return rc != 0 ? rc : output_text(o, "]");
}

static int info_json(cli_output *o, const souk_bundle *b, const souk_info *i) {
  const struct {
    const char *name;
    int64_t value;
  } numbers[] = {{"items", i->items},
                 {"dimension", i->dimension},
                 {"hidden", i->hidden},
                 {"layers", i->layers},
                 {"heads", i->heads},
                 {"intermediate", i->intermediate},
                 {"max_history", i->max_history},
                 {"training_step", i->training_step},
                 {"memory_bytes", (int64_t)i->memory_bytes},
                 {"mapped_bytes", (int64_t)i->mapped_bytes},
                 {"features", i->features}};
  int rc = output_text(o, i->cosine ? "{\"score\":\"cosine\"" : "{\"score\":\"dot\"");
  for (size_t n = 0; rc == 0 && n < sizeof numbers / sizeof *numbers; n++) {
    char text[64];
    snprintf(text, sizeof text, ",\"%s\":%lld", numbers[n].name, (long long)numbers[n].value);
    rc = output_text(o, text);
  }
  if (rc == 0) rc = output_text(o, i->has_catalogue ? ",\"catalogue\":true" : ",\"catalogue\":false");
  if (rc == 0) rc = output_text(o, i->has_mix ? ",\"mix\":true" : ",\"mix\":false");
  if (rc == 0) rc = output_text(o, i->has_words ? ",\"words\":true" : ",\"words\":false");
  if (rc == 0) rc = output_text(o, i->items > 0 && i->unranked == 0 ? ",\"ranks\":true" : ",\"ranks\":false");
  if (rc == 0) rc = output_text(o, i->has_copy ? ",\"copy\":true" : ",\"copy\":false");
  if (rc == 0) rc = output_text(o, i->makes_items ? ",\"new_items\":true" : ",\"new_items\":false");
  if (rc == 0 && i->labels > 0)
    rc = output_text(o, i->labels_pairs ? ",\"labels_of\":\"pairs\"" : ",\"labels_of\":\"texts\"");
  if (rc == 0) rc = info_names(o, ",\"labels\":[", b, souk_label_name, 0, i->labels);
  if (rc == 0) rc = info_names(o, ",\"adapters\":[", b, souk_adapter_name, 1, i->adapters);
  if (rc == 0) rc = output_text(o, ",\"inv_temperature\":");
  if (rc == 0) rc = output_float(o, (float)i->inv_temperature);
  if (rc == 0) rc = output_text(o, ",\"data\":");
  if (rc == 0) rc = output_string(o, i->data_name, strlen(i->data_name));
  if (rc == 0) rc = output_text(o, ",\"created_by\":");
  if (rc == 0) rc = output_string(o, i->created_by, strlen(i->created_by));
  if (rc == 0) rc = output_text(o, ",\"event_types\":[");
  for (int32_t t = 0; rc == 0 && t < i->event_types; t++) {
    const char *name = souk_event_name(b, t);
    if (t > 0) rc = output_text(o, ",");
    if (rc == 0) rc = output_string(o, name, strlen(name));
  }
  if (rc == 0) rc = output_text(o, "],\"user_attributes\":[");
  const char *name;
  for (int32_t k = 0; rc == 0 && (name = souk_user_attribute(b, k)) != NULL; k++) {
    if (k > 0) rc = output_text(o, ",");
    if (rc == 0) rc = output_string(o, name, strlen(name));
  }
  return rc != 0 ? rc : output_text(o, "]}\n");
}

// What a bundle says of itself, for people.
static int output_printable(cli_output *o, const char *name) {
  char text[256];
  return output_text(o, printable(text, sizeof text, name, ""));
}

static int info_new_items(cli_output *o, const souk_info *i) {
  char text[128] = "new items    get vectors from texts and attributes\n";
  if (i->features > 0)
    snprintf(text, sizeof text, "new items    get vectors from texts, attributes and %d features\n",
             i->features);
  return output_text(o, text);
}

static int info_copy(cli_output *o, const souk_bundle *b) {
  size_t bytes;
  const bool rules = souk_carried_lexicon(b, 0, &bytes, NULL) != NULL;
  return output_text(o, rules ? "copy         is written, by the bundle's lexicons\n"
                              : "copy         is written, and there is no lexicon\n");
}

static int info_text(cli_output *o, const souk_bundle *b, const souk_info *i) {
  char text[512];
  snprintf(text, sizeof text,
           "items        %d, vectors of %d floats\n"
           "encoder      %d layers x %d, %d heads, feed-forward %d\n"
           "history      the newest %d events\n"
           "scores       %s x %.6g + bias%s\n"
           "catalogue    %s\n"
           "texts        %s\n"
           "memory       %.1f MiB own, %.1f MiB mapped\n",
           i->items, i->dimension, i->layers, i->hidden, i->heads, i->intermediate, i->max_history,
           i->cosine ? "cosine" : "dot product", i->inv_temperature,
           i->unranked ? "; never trained to rank" : "", i->has_catalogue ? "yes" : "none",
           i->has_words ? "are read" : "are not read", (double)i->memory_bytes / 1048576.0,
           (double)i->mapped_bytes / 1048576.0);
  int rc = output_text(o, text);
  if (rc == 0 && i->has_copy) rc = info_copy(o, b);
  if (rc == 0 && i->makes_items) rc = info_new_items(o, i);
  if (rc == 0) rc = output_text(o, "event types ");
  for (int32_t t = 0; rc == 0 && t < i->event_types; t++) {
    rc = output_text(o, " ");
    if (rc == 0) rc = output_printable(o, souk_event_name(b, t));
  }
  if (rc == 0 && souk_user_attribute(b, 0) != NULL) rc = output_text(o, "\nuser attributes");
  const char *name;
  for (int32_t k = 0; rc == 0 && (name = souk_user_attribute(b, k)) != NULL; k++) {
    rc = output_text(o, " ");
    if (rc == 0) rc = output_printable(o, name);
  }
  if (rc == 0 && i->labels > 0)
    rc = output_text(o, i->labels_pairs ? "\nlabels       of pairs:" : "\nlabels       of texts:");
  for (int32_t k = 0; rc == 0 && k < i->labels; k++) {
    rc = output_text(o, " ");
    if (rc == 0) rc = output_printable(o, souk_label_name(b, k));
  }
  if (rc == 0 && i->adapters > 0) rc = output_text(o, "\nadapters    ");
  for (int32_t k = 1; rc == 0 && k <= i->adapters; k++) {
    rc = output_text(o, " ");
    if (rc == 0) rc = output_printable(o, souk_adapter_name(b, k));
  }
  if (rc == 0) rc = output_text(o, "\ntrained on   ");
  if (rc == 0) rc = output_printable(o, i->data_name);
  snprintf(text, sizeof text, ", %lld steps, by ", (long long)i->training_step);
  if (rc == 0) rc = output_text(o, text);
  if (rc == 0) rc = output_printable(o, i->created_by);
  return rc != 0 ? rc : output_text(o, "\n");
}

int command_info(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  cli_output *out;
  souk_get_info(b, &info, NULL);
  int rc = output_open(&out, o->output);
  if (rc != 0) return rc;
  rc = o->json ? info_json(out, b, &info) : info_text(out, b, &info);
  if (rc == 0) return output_commit(out);
  output_abort(out);
  return rc;
}
