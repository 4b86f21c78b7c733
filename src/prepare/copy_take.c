// A row of a file of promotion copy; see copy_internal.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "format/jtree.h"
#include "prepare/copy_internal.h"

// ---- what a row has ------------------------------------------------------------------------------------------

const char *copy_row_text(const copy_table *t, const copy_row *r, copy_field field) {
  return r->text[field] >= 0 ? t->texts + r->text[field] : NULL;
}

const char *copy_row_name(const copy_table *t, const copy_row *r) {
  const char *name = copy_row_text(t, r, FIELD_name), *title = copy_row_text(t, r, FIELD_title);
  if (name != NULL) return name;
  if (title != NULL) return title;
  return r->item >= 0 && t->title_of != NULL ? t->title_of[r->item] : NULL;
}

promo_terms copy_row_terms(const copy_table *t, const copy_row *r) {
  promo_terms terms = promo_terms_none();
  terms.item = copy_row_name(t, r);
  terms.code = copy_row_text(t, r, FIELD_code);
  terms.price = r->price;
  terms.was = r->was;
  terms.percent = r->percent;
  terms.amount = r->amount;
  terms.threshold = r->threshold;
  terms.year = r->year;
  terms.month = r->month;
  terms.day = r->day;
  return terms;
}

static status keep_text(copy_table *t, copy_row *r, copy_field field, const char *text) {
  r->text[field] = -1;
  if (text == NULL || text[0] == '\0') return OK;
  const size_t bytes = strlen(text) + 1;
  TRY(mem_grow(&t->texts, &t->texts_cap, t->texts_used + bytes, 1, "rows of copy"));
  memcpy(t->texts + t->texts_used, text, bytes);
  r->text[field] = (int64_t)t->texts_used;
  t->texts_used += bytes;
  return OK;
}

// ---- numbers and dates ---------------------------------------------------------------------------------------

static bool take_number(const log_row *row, copy_field field, double *x) {
  *x = NAN;
  return row->text[field] == NULL || jtree_decimal(row->text[field], row->bytes[field], x);
}

// Two or four digits that end where `to` says, or with the text.
static bool take_digits(const char **at, int n, int32_t *x) {
  *x = 0;
  for (int i = 0; i < n; i++, ++*at) {
    if (**at < '0' || **at > '9') return false;
    *x = 10 * *x + **at - '0';
  }
  return true;
}

// 2026-12-31, or 12-31.
static bool take_date(const char *text, copy_row *r) {
  const char *at = text;
  r->year = r->month = r->day = 0;
  if (text == NULL) return true;
  if (strlen(text) == 10 && !(take_digits(&at, 4, &r->year) && *at++ == '-')) return false;
  return take_digits(&at, 2, &r->month) && *at++ == '-' && take_digits(&at, 2, &r->day) && *at == '\0' &&
         r->month > 0 && r->day > 0;
}

static const char *take_numbers(const log_row *row, copy_row *r) {
  double click;
  if (!take_number(row, FIELD_price, &r->price)) return "a price that is no number";
  if (!take_number(row, FIELD_was, &r->was)) return "a price before that is no number";
  if (!take_number(row, FIELD_percent, &r->percent)) return "a percentage that is no number";
  if (!take_number(row, FIELD_amount, &r->amount)) return "an amount that is no number";
  if (!take_number(row, FIELD_threshold, &r->threshold)) return "a threshold that is no number";
  if (!take_number(row, FIELD_click, &click)) return "a click that is neither 0 nor 1";
  if (!take_number(row, FIELD_propensity, &r->propensity)) return "a propensity that is no number";
  if (!isnan(click) && click != 0 && click != 1) return "a click that is neither 0 nor 1";
  r->click = isnan(click) ? COPY_NO_CLICK : (uint8_t)click;
  if (!isnan(r->propensity) && !(r->propensity > 0 && r->propensity <= 1))
    return "a propensity that is not above 0 and at most 1";
  if (isnan(r->propensity)) r->propensity = 0;
  return take_date(row->text[FIELD_date], r) ? NULL : "a date that is not like 2026-12-31 or 12-31";
}

static const char *take_time(const copy_table *t, const log_row *row, copy_row *r) {
  const char *why = NULL;
  r->has_time = row->text[FIELD_time] != NULL;
  if (!r->has_time) return NULL;
  return time_parse((time_format)t->c->input.copy_time_format, t->zone, row->text[FIELD_time],
                    row->bytes[FIELD_time], &r->time, &why)
             ? NULL
             : why;
}

// ---- names ---------------------------------------------------------------------------------------------------

static const char *or_else(const char *text, const char *other) {
  if (text != NULL && text[0] != '\0') return text;
  return other[0] != '\0' ? other : NULL;
}

// The names that every row may have by an option.
static const char *check_names(const copy_table *t, const log_row *row, const char *named[COPY_NAMES]) {
  const prepare_copy *c = &t->c->copy;
  promo_language language;
  named[COPY_LANGUAGE] = or_else(row->text[FIELD_language], c->language);
  named[COPY_MARKET] = or_else(row->text[FIELD_market], c->market);
  named[COPY_TYPE] = or_else(row->text[FIELD_type], c->type);
  named[COPY_GOAL] = or_else(row->text[FIELD_goal], c->goal);
  if (named[COPY_LANGUAGE] == NULL) return "no language (copy.language is that of rows without one)";
  if (!promo_language_named(named[COPY_LANGUAGE], &language)) return "a language that is neither zh nor en";
  if (named[COPY_MARKET] != NULL && promo_market_named(named[COPY_MARKET]) == NULL)
    return "a market that is none of cn, us, gb, eu and jp";
  static const copy_field bounded[] = {FIELD_user, FIELD_item, FIELD_type, FIELD_goal, FIELD_style};
  for (size_t i = 0; i < sizeof bounded / sizeof *bounded; i++)
    if (row->text[bounded[i]] != NULL && row->bytes[bounded[i]] > MAX_NAME_BYTES)
      return "a name of more than 1024 bytes";
  return NULL;
}

static status keep_texts(copy_table *t, const log_row *row, const char *const named[COPY_NAMES],
                         copy_row *r) {
  int32_t id;
  for (int f = 0; f < COPY_TEXTS; f++) TRY(keep_text(t, r, (copy_field)f, row->text[f]));
  TRY(keep_text(t, r, FIELD_language, named[COPY_LANGUAGE]));
  TRY(keep_text(t, r, FIELD_market, named[COPY_MARKET]));
  TRY(keep_text(t, r, FIELD_type, named[COPY_TYPE]));
  TRY(keep_text(t, r, FIELD_goal, named[COPY_GOAL]));
  for (int k = 0; k < COPY_NAMES; k++)
    if (named[k] != NULL) TRY(intern_add(t->names[k], named[k], &id));
  r->user = r->item = r->style = -1;
  if (row->text[FIELD_user] != NULL) TRY(intern_add(t->users, row->text[FIELD_user], &r->user));
  if (row->text[FIELD_item] != NULL) TRY(intern_add(t->items, row->text[FIELD_item], &r->item));
  return row->text[FIELD_style] != NULL ? intern_add(t->styles, row->text[FIELD_style], &r->style) : OK;
}

// ---- parts ---------------------------------------------------------------------------------------------------

// Rows of one user are of one part; a row without one is by itself.
static uint8_t part_of(const copy_table *t, const log_row *row) {
  if (t->part != COPY_TRAIN || !(t->out[0] + t->out[1] > 0)) return t->part;
  const char *user = row->text[FIELD_user];
  const uint64_t h = user != NULL ? name_hash(user, strlen(user)) : (uint64_t)t->n;
  rng r = rng_at((uint64_t)t->c->copy.seed, STREAM_SPLIT, (uint32_t)h, (uint32_t)(h >> 32));
  const double draw = rng_unit(&r);
  if (draw < t->out[0]) return COPY_VALID;
  return draw < t->out[0] + t->out[1] ? COPY_TEST : COPY_TRAIN;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static bool is_blank(const char *text) {
  return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

static status reject(reject_list *list, const char *why, const log_row *row, const char *text) {
  reject_add(list, why, row->line, text, strlen(text));
  return OK;
}

// A title in the place of a name may be anything, and is no name then (promo_terms_given).
static bool terms_hold(const copy_table *t, const copy_row *r, format_error *e) {
  promo_terms terms = copy_row_terms(t, r);
  terms.item = copy_row_text(t, r, FIELD_name);
  return promo_terms_check(&terms, e);
}

status copy_take_row(copy_table *t, const log_row *row, copy_counts *counts) {
  copy_row r = {.user = -1};
  const char *named[COPY_NAMES], *why = row->reject;
  format_error e;
  counts->rows.rows++;
  if (why == NULL) why = take_numbers(row, &r);
  if (why == NULL) why = take_time(t, row, &r);
  if (why == NULL) why = check_names(t, row, named);
  if (why != NULL)
    return reject(&counts->rows, why, row, row->text[FIELD_copy] != NULL ? row->text[FIELD_copy] : "");
  counts->dropped.rows++;
  if (is_blank(row->text[FIELD_copy])) return reject(&counts->dropped, "empty copy", row, "");
  const size_t texts = t->texts_used;
  TRY(keep_texts(t, row, named, &r));
  if (!terms_hold(t, &r, &e)) {
    t->texts_used = texts;
    return reject(&counts->dropped, "terms that contradict each other or cannot be said", row, e.message);
  }
  r.part = part_of(t, row);
  TRY(mem_grow(&t->rows, &t->cap, t->n + 1, sizeof *t->rows, "rows of copy"));
  t->rows[t->n++] = r;
  return OK;
}
