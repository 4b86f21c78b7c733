// What souk label writes; see label_write.h.
#include "cmd/label_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "prepare/input_files.h"
#include "prepare/intern.h"
#include "prepare/log_reader.h"

static status write_line(out_file *f, json_t *j) {
  char *text = j != NULL ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: cannot compose a line of json");
  const status rc = out_printf(f, "%s\n", text);
  free(text);
  return rc;
}

// ---- rows ----------------------------------------------------------------------------------------------------

static void add_labels(json_t *j, const label_set *l, const double *p) {
  json_t *all = json_object(), *hold = json_array();
  int32_t best = 0;
  for (int32_t k = 0; k < l->n; k++) {
    json_object_set_new(all, l->names[k], json_real(p[k]));
    if (p[k] > p[best]) best = k;
    if (p[k] > 0.5) json_array_append_new(hold, json_string(l->names[k]));
  }
  if (l->single) {
    json_object_set_new(j, "label", json_string(l->names[best]));
    json_object_set_new(j, "probability", json_real(p[best]));
  } else {
    json_object_set(j, "labels", hold);
  }
  json_object_set_new(j, "probabilities", all);
  json_decref(hold);
}

static json_t *logits_json(const float *z, int32_t n) {
  json_t *all = json_array();
  for (int32_t k = 0; k < n; k++) json_array_append_new(all, json_real((double)z[k]));
  return all;
}

typedef struct ordered {
  int64_t line, row;
} ordered;

static int by_line(const void *a, const void *b) {
  const ordered *x = a, *y = b;
  if (x->line != y->line) return x->line < y->line ? -1 : 1;
  return (x->row > y->row) - (x->row < y->row);
}

static status write_rows(out_file *f, const label_model *l, const labelled_rows *of, const float *logits,
                         bool with_logits, const ordered *order) {
  const label_set *s = &l->labels;
  double p[MOST_LABELS];
  status rc = OK;
  for (int64_t i = 0; rc == OK && i < of->n; i++) {
    const float *z = logits + order[i].row * s->n;
    json_t *j = json_pack("{s:I}", "line", (json_int_t)order[i].line);
    label_probabilities(z, s->n, s->single, s->temperatures, p);
    add_labels(j, s, p);
    if (with_logits) json_object_set_new(j, "logits", logits_json(z, s->n));
    rc = write_line(f, j);
  }
  return rc;
}

// Rows of pairs come by user; in the file they come as the lines do.
status label_write_rows(const char *path, const label_model *l, const labelled_rows *of, const float *logits,
                        bool with_logits) {
  ordered *order;
  out_file *f;
  TRY(mem_new(&order, (size_t)of->n, sizeof *order, "the order of rows"));
  for (int64_t i = 0; i < of->n; i++) order[i] = (ordered){of->lines[i], i};
  qsort(order, (size_t)of->n, sizeof *order, by_line);
  status rc = out_open(&f, path);
  if (rc == OK) rc = out_finish(f, write_rows(f, l, of, logits, with_logits, order));
  free(order);
  return rc;
}

// ---- picks ---------------------------------------------------------------------------------------------------

static status write_pick(out_file *f, const label_model *l, const labelled_rows *of, const float *logits,
                         double entropy, int64_t row) {
  const label_set *s = &l->labels;
  double p[MOST_LABELS];
  json_t *j = json_pack("{s:I,s:f}", "line", (json_int_t)of->lines[row], "entropy", entropy);
  label_probabilities(logits + row * s->n, s->n, s->single, s->temperatures, p);
  add_labels(j, s, p);
  if (of->texts != NULL && of->texts[row] != NULL)
    json_object_set_new(j, "text", json_string(of->texts[row]));
  return write_line(f, j);
}

status label_write_picks(const char *path, const label_model *l, const labelled_rows *of, const float *logits,
                         const double *entropy, const int64_t *picked, int64_t n) {
  out_file *f;
  TRY(out_open(&f, path));
  status rc = OK;
  for (int64_t i = 0; rc == OK && i < n; i++)
    rc = write_pick(f, l, of, logits, entropy[picked[i]], picked[i]);
  return out_finish(f, rc);
}

// ---- items ---------------------------------------------------------------------------------------------------

typedef struct item_means {
  intern *names;
  int64_t *rows; // [names]
  double *sums;  // [names, labels]
  size_t rows_cap, sums_cap;
  int64_t unnamed; // rows without an item
} item_means;

static void means_free(item_means *m) {
  intern_free(m->names);
  free(m->rows);
  free(m->sums);
}

static status means_add(item_means *m, const char *name, const double *p, int32_t n) {
  const int32_t before = intern_count(m->names);
  int32_t id;
  TRY(intern_add(m->names, name, &id));
  const size_t all = (size_t)intern_count(m->names), L = (size_t)n;
  TRY(mem_grow(&m->rows, &m->rows_cap, all, sizeof *m->rows, "items"));
  TRY(mem_grow(&m->sums, &m->sums_cap, all * L, sizeof *m->sums, "items"));
  if (id == before) m->rows[id] = 0;
  if (id == before) memset(m->sums + (size_t)id * L, 0, L * sizeof *m->sums);
  m->rows[id]++;
  for (int32_t k = 0; k < n; k++) m->sums[(size_t)id * L + (size_t)k] += p[k];
  return OK;
}

static status means_of(item_means *m, const label_model *l, const labelled_rows *of, const float *logits) {
  double p[MOST_LABELS];
  const label_set *s = &l->labels;
  TRY(intern_new(&m->names));
  for (int64_t i = 0; i < of->n; i++) {
    if (of->items == NULL || of->items[i] == NULL) {
      m->unnamed++;
      continue;
    }
    label_probabilities(logits + i * s->n, s->n, s->single, s->temperatures, p);
    TRY(means_add(m, of->items[i], p, s->n));
  }
  return OK;
}

// Names of labels may be long; cut, two could be one.
static status add_prefixed(json_t *j, const char *prefix, const char *name, json_t *value) {
  const size_t n = strlen(prefix), bytes = n + strlen(name) + 1;
  char *key = malloc(bytes);
  if (key != NULL) snprintf(key, bytes, "%s%s", prefix, name);
  const bool bad = key == NULL || value == NULL || json_object_set(j, key, value) != 0;
  json_decref(value);
  free(key);
  return bad ? fail(ERR_MEMORY, "out of memory: cannot compose a line of json") : OK;
}

static status add_means(json_t *j, const item_means *m, int32_t id, const label_set *l, const char *prefix) {
  TRY(add_prefixed(j, prefix, "reviews", json_integer((json_int_t)m->rows[id])));
  for (int32_t k = 0; k < l->n; k++) {
    const double mean = m->sums[(int64_t)id * l->n + k] / (double)m->rows[id];
    TRY(add_prefixed(j, prefix, l->names[k], json_real(mean)));
  }
  return OK;
}

static status write_items(out_file *f, const item_means *m, const label_set *l, const item_means_how *how) {
  status rc = OK;
  for (int32_t id = 0; rc == OK && id < intern_count(m->names); id++) {
    json_t *j = json_pack("{s:s}", how->column, intern_text(m->names, id));
    rc = add_means(j, m, id, l, how->prefix);
    if (rc == OK)
      rc = write_line(f, j);
    else
      json_decref(j);
  }
  return rc;
}

// ---- a catalogue with them -----------------------------------------------------------------------------------

typedef struct catalogue_columns {
  char room[OPTION_STRING + 1];
  const char *names[MAX_COLUMNS];
  int n;
} catalogue_columns;

static status name_columns(catalogue_columns *c, const item_means_how *how) {
  char *name = c->room;
  c->names[0] = how->column;
  c->n = 1;
  for (const char *rest = how->keep; *rest != '\0';) {
    rest = list_name(rest, name);
    if (name[0] == '\0') continue;
    if (c->n == MAX_COLUMNS) return fail(ERR_ARGUMENT, "--keep names more than %d columns", MAX_COLUMNS - 1);
    c->names[c->n++] = name;
    name += strlen(name) + 1;
  }
  return c->n > 1 ? OK : fail(ERR_ARGUMENT, "--catalogue needs --keep, the columns of it that are written");
}

static status write_catalogue(out_file *f, log_reader *in, const catalogue_columns *c, const item_means *m,
                              const label_set *l, const item_means_how *how) {
  const char *values[MAX_COLUMNS], *reject;
  bool end = false;
  char first[256] = "no name of an item"; // of those that are left out
  int64_t n = 0, with = 0, left_out = 0;
  status rc = OK;
  while (rc == OK && (rc = log_next(in, values, &reject, &end)) == OK && !end) {
    if (reject != NULL || values[0] == NULL) {
      if (left_out++ == 0 && reject != NULL) snprintf(first, sizeof first, "%s", reject);
      continue;
    }
    json_t *j = json_object();
    for (int i = 0; i < c->n; i++)
      if (values[i] != NULL) json_object_set_new(j, c->names[i], json_string(values[i]));
    const int32_t id = intern_find(m->names, values[0]);
    n++;
    with += id >= 0;
    if (id >= 0) rc = add_means(j, m, id, l, how->prefix);
    if (rc == OK)
      rc = write_line(f, j);
    else
      json_decref(j);
  }
  if (rc == OK)
    log_info("catalogue: %lld items, %lld of them with predictions", (long long)n, (long long)with);
  if (rc == OK && left_out > 0)
    log_warn("%s: %lld rows cannot be used and are left out, the first: %s", how->catalogue,
             (long long)left_out, first);
  return rc;
}

static status join_catalogue(out_file *f, const item_means *m, const label_set *l,
                             const item_means_how *how) {
  log_join join[MAX_COLUMNS];
  catalogue_columns c;
  log_reader *in;
  TRY(name_columns(&c, how));
  for (int i = 0; i < c.n; i++) join[i] = (log_join){" > ", " | "};
  const log_format format = {.kind = log_kind_of(how->catalogue),
                             .header = true,
                             .quotes = QUOTES_AUTO,
                             .join = join,
                             .options = "catalogue_"};
  TRY(log_open(&in, how->catalogue, &format, c.names, c.n));
  const status rc = write_catalogue(f, in, &c, m, l, how);
  log_close(in);
  return rc;
}

status label_write_items(const char *path, const label_model *l, const labelled_rows *of, const float *logits,
                         const item_means_how *how) {
  item_means m = {.names = NULL};
  out_file *f;
  status rc = means_of(&m, l, of, logits);
  if (rc == OK && intern_count(m.names) == 0)
    rc = fail(ERR_ARGUMENT, "no row names an item in its column %s (--item)", how->column);
  if (rc == OK && m.unnamed > 0)
    log_warn("%lld of %lld rows name no item, and count for none", (long long)m.unnamed, (long long)of->n);
  if (rc == OK) rc = out_open(&f, path);
  if (rc == OK)
    rc = out_finish(f, how->catalogue[0] == '\0' ? write_items(f, &m, &l->labels, how)
                                                 : join_catalogue(f, &m, &l->labels, how));
  means_free(&m);
  return rc;
}
