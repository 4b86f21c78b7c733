// Rows of copy as requests; see copy_requests.h.
#include "cmd/copy_requests.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "format/item_attributes.h"
#include "format/user_attributes.h"

enum { LONGEST_LINE = 16 << 20 };

// What a souk_history borrows.
struct copy_history {
  int32_t *items, *events;
  char **names, **values; // of the user's attributes
  souk_user user;
};

// ---- histories -------------------------------------------------------------------------------------------------

// user:NAME=VALUE as name and value; of a range of numbers, a number in it.
static status take_attribute(struct copy_history *h, const char *token) {
  const char *const name = token + strlen(USER_ATTRIBUTE), *const equals = strchr(name, '=');
  const int32_t k = h->user.n_attributes;
  double least, below;
  char number[64];
  if (equals == NULL) return OK;
  const char *value = equals + 1;
  if (user_attribute_range(value, &least, &below)) {
    snprintf(number, sizeof number, "%.17g", isfinite(least) ? least : below - 1);
    value = number;
  }
  h->user.n_attributes++;
  TRY(mem_strndup(&h->names[k], name, (size_t)(equals - name)));
  return mem_strdup(&h->values[k], value);
}

static status make_history(copy_requests *r, int64_t at, const copy_source *s, const vocab *v) {
  struct copy_history *const h = &r->histories[at];
  souk_promo_request *const q = &r->requests[at];
  const int32_t first = vocab_begin(v, RANGE_ITEMS);
  TRY(mem_new(&h->items, (size_t)s->history.n, sizeof *h->items, "a history"));
  TRY(mem_new(&h->events, (size_t)s->history.n, sizeof *h->events, "a history"));
  TRY(mem_new(&h->names, (size_t)s->fixed, sizeof *h->names, "attributes of a user"));
  TRY(mem_new(&h->values, (size_t)s->fixed, sizeof *h->values, "attributes of a user"));
  for (int32_t k = 0; k < s->fixed; k++) {
    const char *const token = vocab_token(v, s->history.tokens[k]);
    if (strncmp(token, USER_ATTRIBUTE, strlen(USER_ATTRIBUTE)) == 0) TRY(take_attribute(h, token));
  }
  for (int32_t k = s->fixed; k < s->history.n; k++) {
    const int32_t token = s->history.tokens[k];
    const bool item = token >= first || token == TOKEN_UNK;
    r->searches += !item && token < vocab_end(v, RANGE_WORDS);
    if (!item) continue;
    h->items[q->history.n] = token >= first ? token - first : -1;
    h->events[q->history.n++] = s->history.events[k];
  }
  h->user.names = (const char *const *)h->names;
  h->user.values = (const char *const *)h->values;
  q->history.items = h->items;
  q->history.events = h->events;
  q->history.user = h->user.n_attributes > 0 ? &h->user : NULL;
  return OK;
}

// ---- rows ------------------------------------------------------------------------------------------------------

static const char *text_of(const json_t *line, const char *name) {
  return json_string_value(json_object_get(line, name));
}

// What is not given: 0 in a request, not a number in terms.
static double number_of(const json_t *line, const char *name, double none) {
  const json_t *const x = json_object_get(line, name);
  return json_is_number(x) ? json_number_value(x) : none;
}

// "2026-12-31" or "12-31", as souk prepare has checked it.
static void take_date(promo_terms *t, const char *date) {
  int a, b, c;
  if (date == NULL) return;
  const int n = sscanf(date, "%d-%d-%d", &a, &b, &c);
  if (n < 2) return;
  t->year = n == 3 ? a : 0;
  t->month = n == 3 ? b : a;
  t->day = n == 3 ? c : b;
}

static promo_terms terms_of(const json_t *line) {
  promo_terms t = promo_terms_none();
  t.item = text_of(line, "name");
  t.code = text_of(line, "code");
  t.price = number_of(line, "price", NAN);
  t.was = number_of(line, "was", NAN);
  t.percent = number_of(line, "percent", NAN);
  t.amount = number_of(line, "amount", NAN);
  t.threshold = number_of(line, "threshold", NAN);
  take_date(&t, text_of(line, "date"));
  return t;
}

static double or_zero(double x) {
  return isnan(x) ? 0 : x;
}

static souk_terms request_terms(const promo_terms *t) {
  return (souk_terms){.item = t->item,
                      .code = t->code,
                      .price = or_zero(t->price),
                      .was = or_zero(t->was),
                      .percent = or_zero(t->percent),
                      .amount = or_zero(t->amount),
                      .threshold = or_zero(t->threshold),
                      .year = t->year,
                      .month = t->month,
                      .day = t->day};
}

static const char *or_empty(const char *text) {
  return text != NULL ? text : "";
}

// Title and attributes, as souk prepare makes tokens of them.
static status item_text(char **out, const json_t *line) {
  const char *const title = text_of(line, "title"), *const attributes = text_of(line, "attributes");
  *out = NULL;
  if (title == NULL && attributes == NULL) return OK;
  const size_t before = title != NULL ? strlen(title) : 0, room = before + 2 + strlen(or_empty(attributes));
  TRY(mem_new(out, room, 1, "a text"));
  snprintf(*out, room, "%s %s", or_empty(title), or_empty(attributes));
  item_attributes_words(*out + before, strlen(*out + before));
  return OK;
}

static status take_row(copy_requests *r, const dataset *d, const copy_examples *e, int64_t row,
                       json_t *line) {
  const int64_t at = r->n;
  souk_promo_request *const q = &r->requests[at];
  const vocab *const v = dataset_vocab(d);
  const copy_source s = copy_examples_source(e, row);
  r->sources[at] = copy_examples_plan(e, row).source;
  r->lines[at] = json_incref(line);
  r->n++;
  const char *const market = text_of(line, "market"), *const language = text_of(line, "language");
  r->references[at] = text_of(line, "copy");
  if (r->references[at] == NULL || language == NULL || !promo_language_named(language, &r->languages[at]))
    return fail(ERR_FORMAT, "%s/copy.jsonl, line %lld: no copy, or no language", dataset_dir(d),
                (long long)row + 1);
  r->markets[at] = market != NULL ? promo_market_named(market) : NULL;
  r->terms[at] = terms_of(line);
  TRY(item_text(&r->texts[at], line));
  const int32_t item = e->rows->item[row];
  *q = (souk_promo_request){.item = item >= 0 ? item - vocab_begin(v, RANGE_ITEMS) : -1,
                            .product = {.text = r->texts[at]},
                            .goal = text_of(line, "goal"),
                            .type = text_of(line, "type"),
                            .market = market,
                            .language = language,
                            .terms = request_terms(&r->terms[at]),
                            .seed = (uint64_t)row};
  return make_history(r, at, &s, v);
}

static status read_lines(copy_requests *r, dataset *d, const copy_examples *e, copy_part part, int64_t most,
                         line_reader *in) {
  const copy_rows *const rows = e->rows;
  for (int64_t i = 0; i < rows->n && r->n < most; i++) {
    char *text;
    size_t bytes;
    bool end;
    TRY(lines_next(in, &text, &bytes, &end));
    if (end) return fail(ERR_FORMAT, "%s/copy.jsonl has fewer rows than copy.h5", dataset_dir(d));
    if (rows->part[i] != (uint8_t)part) continue;
    json_t *const line = json_loadb(text, bytes, 0, NULL);
    if (line == NULL)
      return fail(ERR_FORMAT, "%s/copy.jsonl, line %lld is not an object of json", dataset_dir(d),
                  (long long)i + 1);
    const status rc = take_row(r, d, e, i, line);
    json_decref(line);
    TRY(rc);
  }
  return OK;
}

static status make_room(copy_requests *r, size_t n) {
  TRY(mem_new(&r->lines, n, sizeof *r->lines, "rows of copy"));
  TRY(mem_new(&r->requests, n, sizeof *r->requests, "rows of copy"));
  TRY(mem_new(&r->texts, n, sizeof *r->texts, "rows of copy"));
  TRY(mem_new(&r->terms, n, sizeof *r->terms, "rows of copy"));
  TRY(mem_new(&r->references, n, sizeof *r->references, "rows of copy"));
  TRY(mem_new(&r->markets, n, sizeof *r->markets, "rows of copy"));
  TRY(mem_new(&r->languages, n, sizeof *r->languages, "rows of copy"));
  TRY(mem_new(&r->sources, n, sizeof *r->sources, "rows of copy"));
  return mem_new(&r->histories, n, sizeof *r->histories, "rows of copy");
}

status copy_requests_read(copy_requests *out, dataset *d, const copy_examples *e, copy_part part,
                          int64_t most) {
  char path[PATH_MAX];
  line_reader *in;
  int64_t n = copy_rows_count(e->rows, part);
  *out = (copy_requests){.n = 0};
  if (n == 0)
    return fail(ERR_ARGUMENT,
                "%s has no copy in its %s part; copy.%s_share or input.copy_%s of souk prepare makes one",
                dataset_dir(d), copy_part_names[part], copy_part_names[part], copy_part_names[part]);
  if (most > 0 && most < n) n = most;
  TRY(make_room(out, (size_t)n));
  TRY(path_join(path, sizeof path, dataset_dir(d), "copy.jsonl"));
  TRY(lines_open(&in, path, LONGEST_LINE));
  const status rc = read_lines(out, d, e, part, n, in);
  lines_close(in);
  return rc;
}

static void history_free(struct copy_history *h) {
  for (int32_t k = 0; k < h->user.n_attributes; k++) {
    free(h->names[k]);
    free(h->values[k]);
  }
  free(h->items);
  free(h->events);
  free(h->names);
  free(h->values);
}

void copy_requests_free(copy_requests *r) {
  for (int64_t i = 0; i < r->n; i++) {
    json_decref(r->lines[i]);
    free(r->texts[i]);
    history_free(&r->histories[i]);
  }
  free(r->lines);
  free(r->requests);
  free(r->texts);
  free(r->terms);
  free(r->references);
  free(r->markets);
  free(r->languages);
  free(r->histories);
  free(r->sources);
  *r = (copy_requests){.n = 0};
}
