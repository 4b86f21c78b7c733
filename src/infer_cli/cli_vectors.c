// souk-infer users, items and info: vectors as .npy, and what a bundle is.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/printable.h"
#include "infer_cli/cli.h"

enum { AT_ONCE = 4096 };

// ---- users ---------------------------------------------------------------------------------------------------

typedef struct encoder {
  const souk_bundle *b;
  cli_input in;
  cli_output *vectors, *names; // names: NULL when not wanted
  size_t width;
  int32_t threads;
  int64_t rows;
  souk_history *histories;
  float *u;
  int32_t *unknown;
} encoder;

static souk_status ask_user(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  encoder *x = arg;
  for (size_t i = 0; i < n; i++) x->histories[i] = query_history(lines[i]);
  return souk_user_vectors(x->b, x->histories, n, x->threads, x->u, x->unknown, e);
}

static int write_user(void *arg, cli_query *q, size_t i) {
  encoder *x = arg;
  int rc = output_write(x->vectors, x->u + i * x->width, x->width * sizeof *x->u);
  x->rows++;
  if (rc != 0 || x->names == NULL) return rc;
  rc = output_user(x->names, q);
  if (rc == 0) rc = output_text(x->names, ",\"unknown\":");
  if (rc == 0) rc = output_int(x->names, x->unknown[i]);
  return rc != 0 ? rc : output_text(x->names, "}\n");
}

// Row i must stay that of question i, and must not look like an answer.
static int write_no_user(void *arg, const cli_query *q) {
  encoder *x = arg;
  const float nan = __builtin_nanf("");
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < x->width; i++) rc = output_write(x->vectors, &nan, sizeof nan);
  x->rows++;
  return rc != 0 || x->names == NULL ? rc : output_error(x->names, q);
}

// Both files or none.
static int commit(int rc, cli_output *vectors, cli_output *names, int64_t rows, size_t width) {
  if (rc == 0) return npy_commit(vectors, names, rows, (int64_t)width);
  output_abort(vectors);
  output_abort(names);
  return rc;
}

int command_users(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  souk_get_info(b, &info, NULL);
  const size_t lines = (size_t)o->batch;
  int64_t bad = 0;
  encoder x = {.b = b, .width = (size_t)info.dimension, .threads = o->threads};
  x.histories = malloc(lines * sizeof *x.histories);
  x.u = malloc(lines * x.width * sizeof *x.u);
  x.unknown = malloc(lines * sizeof *x.unknown);
  int rc = 0;
  if (x.histories == NULL || x.u == NULL || x.unknown == NULL)
    rc = cli_fail(EXIT_FAILED, "out of memory: %zu user vectors", lines);
  if (rc == 0) rc = input_open(&x.in, o->input);
  if (rc == 0) rc = npy_open(&x.vectors, &x.names, o->output, o->names);
  const cli_answerer a = {.arg = &x,
                          .most = lines,
                          .threads = o->threads,
                          .out = x.vectors,
                          .ask = ask_user,
                          .write = write_user,
                          .write_error = write_no_user};
  if (rc == 0) rc = answer_lines(&x.in, b, &a, &bad);
  rc = commit(rc, x.vectors, x.names, x.rows, x.width);
  if (rc == 0 && bad > 0) rc = EXIT_FAILED;
  input_close(&x.in);
  free(x.histories);
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
  souk_info info;
  souk_error e = {.code = SOUK_OK};
  cli_output *vectors = NULL, *names = NULL;
  souk_get_info(b, &info, NULL);
  const size_t width = (size_t)info.dimension;
  float *v = malloc(AT_ONCE * width * sizeof *v);
  int rc = v != NULL ? 0 : cli_fail(EXIT_FAILED, "out of memory: %d item vectors", AT_ONCE);
  if (rc == 0) rc = npy_open(&vectors, &names, o->output, o->names);
  for (int32_t i = 0; rc == 0 && i < info.items; i += AT_ONCE) {
    const int32_t n = info.items - i < AT_ONCE ? info.items - i : AT_ONCE;
    if (souk_item_vectors(b, i, n, v, &e) != SOUK_OK)
      rc = cli_fail(EXIT_FAILED, "%s", e.message);
    else
      rc = output_write(vectors, v, (size_t)n * width * sizeof *v);
    for (int32_t j = 0; rc == 0 && names != NULL && j < n; j++) rc = write_item(names, b, i + j);
  }
  rc = commit(rc, vectors, names, info.items, width);
  free(v);
  return rc;
}

// ---- info ----------------------------------------------------------------------------------------------------

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
                 {"mapped_bytes", (int64_t)i->mapped_bytes}};
  int rc = output_text(o, i->cosine ? "{\"score\":\"cosine\"" : "{\"score\":\"dot\"");
  for (size_t n = 0; rc == 0 && n < sizeof numbers / sizeof *numbers; n++) {
    char text[64];
    snprintf(text, sizeof text, ",\"%s\":%lld", numbers[n].name, (long long)numbers[n].value);
    rc = output_text(o, text);
  }
  if (rc == 0) rc = output_text(o, i->has_catalogue ? ",\"catalogue\":true" : ",\"catalogue\":false");
  if (rc == 0) rc = output_text(o, i->has_mix ? ",\"mix\":true" : ",\"mix\":false");
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
  return rc != 0 ? rc : output_text(o, "]}\n");
}

// What a bundle says of itself, for people.
static int output_printable(cli_output *o, const char *name) {
  char text[256];
  return output_text(o, printable(text, sizeof text, name, ""));
}

static int info_text(cli_output *o, const souk_bundle *b, const souk_info *i) {
  char text[512];
  snprintf(text, sizeof text,
           "items        %d, vectors of %d floats\n"
           "encoder      %d layers x %d, %d heads, feed-forward %d\n"
           "history      the newest %d events\n"
           "scores       %s x %.6g + bias\n"
           "catalogue    %s\n"
           "memory       %.1f MiB own, %.1f MiB mapped\n",
           i->items, i->dimension, i->layers, i->hidden, i->heads, i->intermediate, i->max_history,
           i->cosine ? "cosine" : "dot product", i->inv_temperature, i->has_catalogue ? "yes" : "none",
           (double)i->memory_bytes / 1048576.0, (double)i->mapped_bytes / 1048576.0);
  int rc = output_text(o, text);
  if (rc == 0) rc = output_text(o, "event types ");
  for (int32_t t = 0; rc == 0 && t < i->event_types; t++) {
    rc = output_text(o, " ");
    if (rc == 0) rc = output_printable(o, souk_event_name(b, t));
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
