// Attributes of users; see prepare_users.h.
#include "prepare/prepare_users.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/user_context.h"
#include "format/jtree.h"
#include "format/user_attributes.h"
#include "prepare/input_files.h"
#include "prepare/intern.h"
#include "prepare/log_reader.h"
#include "prepare/names.h"
#include "prepare/quantile_buckets.h"

enum { MOST_USER_COLUMNS = 32 };

typedef struct user_column {
  char name[OPTION_STRING];
  bool number;
  intern *values;  // of names
  int64_t *counts; // [values] of users
  size_t counts_cap;
  quantile_buckets buckets; // of numbers
  int32_t *token;           // of each value, or bucket from 1; 0: none
} user_column;

struct user_table {
  user_column columns[MOST_USER_COLUMNS];
  int n;
  uint64_t *hashes; // [users] by the file's rows, sorted together with `rows` when all are read
  double *values;   // [users, n] number of the name, or the number itself; NaN: none
  size_t users, hashes_cap, values_cap;
  int64_t *order; // [users] rows by hash
  // taken so far
  int64_t *offsets;
  int32_t *tokens;
  int64_t taken;
  size_t offsets_cap, tokens_cap;
};

// ---- options -------------------------------------------------------------------------------------------------

static bool is_listed(const char *list, const char *name) {
  char one[OPTION_STRING];
  while (*list != '\0') {
    list = list_name(list, one);
    if (strcmp(one, name) == 0) return true;
  }
  return false;
}

static status add_column(user_table *t, const char *name, bool number) {
  user_column *c = &t->columns[t->n];
  if (t->n == MOST_USER_COLUMNS)
    return fail(ERR_ARGUMENT, "input.users_columns names more than %d columns", MOST_USER_COLUMNS);
  if (!user_attribute_name(name))
    return fail(ERR_ARGUMENT, "input.users_columns: \"%.60s\" has '=' in it or more than %d bytes", name,
                USER_ATTRIBUTE_NAME);
  for (int i = 0; i < t->n; i++)
    if (strcmp(t->columns[i].name, name) == 0)
      return fail(ERR_ARGUMENT, "input.users_columns names \"%s\" twice", name);
  snprintf(c->name, sizeof c->name, "%s", name);
  c->number = number;
  t->n++;
  return number ? OK : intern_new(&c->values);
}

static status name_columns(user_table *t, const prepare_input *in) {
  char name[OPTION_STRING];
  for (const char *rest = in->users_columns; *rest != '\0';) {
    rest = list_name(rest, name);
    if (name[0] != '\0') TRY(add_column(t, name, is_listed(in->users_numbers, name)));
  }
  for (const char *rest = in->users_numbers; *rest != '\0';) {
    rest = list_name(rest, name);
    if (name[0] != '\0' && !is_listed(in->users_columns, name))
      return fail(ERR_ARGUMENT, "input.users_numbers: \"%s\" is not in input.users_columns", name);
  }
  return t->n > 0
             ? OK
             : fail(ERR_ARGUMENT, "input.users needs input.users_columns, the columns that are attributes");
}

// ---- reading -------------------------------------------------------------------------------------------------

static status take_value(user_column *c, const char *text, double *value, user_table_counts *counts) {
  *value = NAN;
  if (text == NULL) return OK;
  if (c->number) { // as the inference module reads them (format/user_attributes.c)
    if (jtree_decimal(text, strlen(text), value)) return OK;
    counts->unknown++;
    *value = NAN;
    return OK;
  }
  int32_t id;
  if (strlen(text) > USER_VALUE_BYTES) {
    counts->too_long++;
    return OK;
  }
  TRY(intern_add(c->values, text, &id));
  *value = id;
  return OK;
}

static status take_row(user_table *t, const log_reader *r, const char *const *row,
                       user_table_counts *counts) {
  const size_t n = (size_t)t->n;
  if (row[0] == NULL) {
    reject_row(&counts->rows, "no user", r);
    return OK;
  }
  TRY(mem_grow(&t->hashes, &t->hashes_cap, t->users + 1, sizeof *t->hashes, "attributes of users"));
  TRY(mem_grow(&t->values, &t->values_cap, (t->users + 1) * n, sizeof *t->values, "attributes of users"));
  t->hashes[t->users] = name_hash(row[0], strlen(row[0]));
  for (size_t i = 0; i < n; i++)
    TRY(take_value(&t->columns[i], row[i + 1], &t->values[t->users * n + i], counts));
  t->users++;
  return OK;
}

static status read_rows(user_table *t, log_reader *r, user_table_counts *counts) {
  for (;;) {
    const char *row[MOST_USER_COLUMNS + 1], *reason;
    bool end;
    TRY(log_next(r, row, &reason, &end));
    if (end) return OK;
    counts->rows.rows++;
    if (reason != NULL)
      reject_row(&counts->rows, reason, r);
    else
      TRY(take_row(t, r, row, counts));
  }
}

static status read_file(user_table *t, const prepare_input *in, user_table_counts *counts) {
  const char *columns[MOST_USER_COLUMNS + 1] = {in->users_user};
  const log_format format = {.kind = (log_kind)in->users_format,
                             .header = true,
                             .missing = in->missing,
                             .encoding = in->encoding,
                             .encoding_option = "input.encoding",
                             .options = "input.users_"};
  log_reader *r;
  for (int i = 0; i < t->n; i++) columns[i + 1] = t->columns[i].name;
  TRY(log_open(&r, in->users, &format, columns, t->n + 1));
  const status rc = read_rows(t, r, counts);
  log_close(r);
  TRY(rc);
  TRY(check_rejects(&counts->rows, in->users, in->max_rejects));
  return t->users > 0 ? OK : fail(ERR_FORMAT, "%s: it describes no user (input.users)", in->users);
}

// ---- users by name -------------------------------------------------------------------------------------------

static int by_hash_then_row(const void *a, const void *b, void *self) {
  const user_table *t = self;
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  if (t->hashes[x] != t->hashes[y]) return t->hashes[x] < t->hashes[y] ? -1 : 1;
  return x < y ? -1 : 1;
}

static status sort_users(user_table *t, user_table_counts *counts) {
  TRY(mem_new(&t->order, t->users, sizeof *t->order, "attributes of users"));
  for (size_t i = 0; i < t->users; i++) t->order[i] = (int64_t)i;
  qsort_r(t->order, t->users, sizeof *t->order, by_hash_then_row, t);
  for (size_t i = 1; i < t->users; i++)
    counts->repeated += t->hashes[t->order[i]] == t->hashes[t->order[i - 1]];
  return OK;
}

// The first row of the user of that name; -1: none.
static int64_t find_user(const user_table *t, const char *name) {
  const uint64_t hash = name_hash(name, strlen(name));
  size_t low = 0, high = t->users;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (t->hashes[t->order[middle]] < hash)
      low = middle + 1;
    else
      high = middle;
  }
  return low < t->users && t->hashes[t->order[low]] == hash ? t->order[low] : -1;
}

// ---- tokens --------------------------------------------------------------------------------------------------

// The shortest text that reads as x, without an exponent if one of 16 digits does.
static void number_text(char text[40], double x) {
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, 40, "%.*g", digits, x);
    if (strtod(text, NULL) == x && strchr(text, 'e') == NULL) return;
  }
}

static status add_token(user_column *c, vocab *v, const char *value, int64_t count, int32_t *token) {
  char *text;
  const size_t bytes = strlen(USER_ATTRIBUTE) + strlen(c->name) + strlen(value) + 2;
  TRY(mem_new(&text, bytes, 1, "the name of an attribute"));
  snprintf(text, bytes, USER_ATTRIBUTE "%s=%s", c->name, value);
  const status rc = vocab_add(v, RANGE_ATTRIBUTES, text, count, token);
  free(text);
  return rc;
}

static status add_ranges(user_table *t, int column, vocab *v) {
  user_column *c = &t->columns[column];
  int64_t counts[MAX_BUCKETS + 1] = {0};
  const size_t n = (size_t)t->n;
  TRY(mem_new(&c->token, (size_t)c->buckets.n + 1, sizeof *c->token, "tokens of attributes"));
  for (size_t i = 0; i < t->users; i++)
    counts[quantile_bucket(&c->buckets, t->values[i * n + (size_t)column])]++;
  for (int32_t k = 1; k <= c->buckets.n; k++) {
    char least[40] = "", below[40] = "", range[96];
    if (k > 1) number_text(least, c->buckets.edges[k - 2]);
    if (k < c->buckets.n) number_text(below, c->buckets.edges[k - 1]);
    snprintf(range, sizeof range, "%s..%s", least, below);
    TRY(add_token(c, v, range, counts[k], &c->token[k]));
  }
  return OK;
}

static int by_count_then_name(const void *a, const void *b, void *self) {
  const user_column *c = self;
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  if (c->counts[x] != c->counts[y]) return c->counts[x] > c->counts[y] ? -1 : 1;
  return strcmp(intern_text(c->values, x), intern_text(c->values, y));
}

static status add_names(user_table *t, int column, vocab *v) {
  user_column *c = &t->columns[column];
  const int32_t n = intern_count(c->values);
  int32_t *order;
  TRY(mem_new(&c->counts, (size_t)n, sizeof *c->counts, "values of attributes"));
  TRY(mem_new(&c->token, (size_t)n, sizeof *c->token, "tokens of attributes"));
  TRY(mem_new(&order, (size_t)n, sizeof *order, "values of attributes"));
  for (size_t i = 0; i < t->users; i++) {
    const double value = t->values[i * (size_t)t->n + (size_t)column];
    if (!isnan(value)) c->counts[(int32_t)value]++;
  }
  for (int32_t i = 0; i < n; i++) order[i] = i;
  qsort_r(order, (size_t)n, sizeof *order, by_count_then_name, c);
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < n && i < MOST_USER_VALUES; i++)
    rc = add_token(c, v, intern_text(c->values, order[i]), c->counts[order[i]], &c->token[order[i]]);
  free(order);
  return rc;
}

static status make_buckets(user_table *t, int64_t wanted) {
  double *known;
  TRY(mem_new(&known, t->users, sizeof *known, "values of attributes"));
  for (int k = 0; k < t->n; k++) {
    size_t n = 0;
    for (size_t i = 0; t->columns[k].number && i < t->users; i++) {
      const double x = t->values[i * (size_t)t->n + (size_t)k];
      if (!isnan(x)) known[n++] = x;
    }
    if (t->columns[k].number) quantile_buckets_make(&t->columns[k].buckets, known, n, wanted);
  }
  free(known);
  return OK;
}

status user_table_add_tokens(user_table *t, vocab *v) {
  for (int k = 0; t != NULL && k < t->n; k++)
    TRY(t->columns[k].number ? add_ranges(t, k, v) : add_names(t, k, v));
  return OK;
}

// ---- histories -----------------------------------------------------------------------------------------------

static int32_t token_of(const user_column *c, double value) {
  if (isnan(value)) return 0;
  return c->token[c->number ? quantile_bucket(&c->buckets, value) : (int32_t)value];
}

status user_table_take(user_table *t, const char *name, user_table_counts *counts) {
  if (t == NULL) return OK;
  const size_t n = (size_t)t->n;
  const int64_t row = find_user(t, name);
  TRY(mem_grow(&t->offsets, &t->offsets_cap, (size_t)t->taken + 2, sizeof *t->offsets,
               "attributes of users"));
  if (t->taken == 0) t->offsets[0] = 0;
  int64_t at = t->offsets[t->taken];
  TRY(mem_grow(&t->tokens, &t->tokens_cap, (size_t)at + n, sizeof *t->tokens, "attributes of users"));
  for (size_t k = 0; row >= 0 && k < n; k++) {
    const double value = t->values[(size_t)row * n + k];
    const int32_t token = token_of(&t->columns[k], value);
    counts->rare += token == 0 && !isnan(value);
    if (token != 0) t->tokens[at++] = token;
  }
  counts->described += at > t->offsets[t->taken];
  t->offsets[++t->taken] = at;
  return OK;
}

status user_table_write(const user_table *t, dataset_writer *w, int deflate) {
  char path[PATH_MAX + 64];
  if (t == NULL) return OK;
  TRY(writer_path(w, "users.h5", path, sizeof path));
  TRY(user_attributes_write(&(user_attributes){t->offsets, t->tokens}, t->taken, path, deflate));
  return writer_list(w, "users.h5");
}

// ---- life ----------------------------------------------------------------------------------------------------

static status read_table(user_table *t, const prepare_config *c, user_table_counts *counts) {
  TRY(name_columns(t, &c->input));
  TRY(read_file(t, &c->input, counts));
  TRY(sort_users(t, counts));
  return make_buckets(t, c->input.users_buckets);
}

status user_table_read(user_table **out, const prepare_config *c, user_table_counts *counts) {
  *out = NULL;
  if (c->input.users[0] == '\0') return OK;
  user_table *t;
  TRY(mem_new(&t, 1, sizeof *t, "attributes of users"));
  const status rc = read_table(t, c, counts);
  if (rc == OK)
    *out = t;
  else
    user_table_free(t);
  return rc;
}

void user_table_free(user_table *t) {
  if (t == NULL) return;
  for (int k = 0; k < t->n; k++) {
    intern_free(t->columns[k].values);
    free(t->columns[k].counts);
    free(t->columns[k].token);
  }
  void *const arrays[] = {t->hashes, t->values, t->order, t->offsets, t->tokens};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(t);
}
