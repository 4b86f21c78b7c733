// Typed rows of a block; see prepare_rows.h.
#include "prepare/prepare_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/domains.h"
#include "prepare/money.h"
#include "prepare/names.h"

void row_block_free(row_block *b) {
  log_block_free(&b->block);
  log_parser_free(b->parser);
  free(b->rows);
}

// Counts the parser's last row in one of the block's lists.
static void add_row(const row_block *b, reject_list *list, const char *reason, int64_t line) {
  char excerpt[LOG_EXCERPT] = "";
  if (reject_shows(list, reason)) log_parse_excerpt(b->parser, excerpt);
  reject_add(list, reason, line, excerpt, strlen(excerpt));
}

// The first of the row's names that is too long, as the reason to reject it.
static const char *long_name(const log_row *row) {
  static const struct {
    int column;
    name_kind kind;
  } names[] = {
      {COL_USER, NAME_USER}, {COL_ITEM, NAME_ITEM}, {COL_EVENT, NAME_EVENT}, {COL_SESSION, NAME_SESSION}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const int k = names[i].column;
    const char *reason = row->text[k] != NULL ? name_too_long(names[i].kind, row->bytes[k]) : NULL;
    if (reason != NULL) return reason;
  }
  return NULL;
}

static status take_type(row_block *b, const log_row *row, event_row *e) {
  const char *text = row->text[COL_EVENT];
  const uint32_t bytes = row->bytes[COL_EVENT];
  int32_t i = 0;
  while (i < b->n_types && (b->types[i].bytes != bytes || memcmp(b->types[i].text, text, bytes) != 0)) i++;
  if (i == MAX_EVENT_TYPES - 1)
    return fail(ERR_FORMAT, "line %lld: more than %d event types; set input.events", (long long)row->line,
                MAX_EVENT_TYPES - 1);
  if (i == b->n_types) {
    b->types[i].text = text;
    b->types[i].bytes = bytes;
    b->types[i].hash = name_hash(text, bytes);
    b->types[i].line = row->line;
    b->n_types++;
  }
  e->type = i + 1;
  return OK;
}

// Is the row of a type that was not asked for, or a row without an item that is no error (a search, say, in a log with event
// types: it gets no token)?
static bool passed_over(row_block *b, const log_row *row) {
  const intern *const wanted_types = b->how->wanted_types;
  if (intern_count(wanted_types) > 0 &&
      (row->text[COL_EVENT] == NULL || intern_find(wanted_types, row->text[COL_EVENT]) < 0)) {
    b->skipped_events++;
    return true;
  }
  const bool without =
      row->text[COL_ITEM] == NULL && row->text[COL_QUERY] == NULL && b->how->c->fields.event[0] != '\0';
  if (without) add_row(b, &b->without_item, "no item, as searches have none", row->line);
  return without;
}

// The reason why it has no usable time, or NULL.
static const char *take_time(row_block *b, const log_row *row, event_time *t) {
  const char *text = row->text[COL_TIME], *why = "no time";
  const uint32_t bytes = row->bytes[COL_TIME];
  if (text == NULL ||
      !time_parse((time_format)b->how->c->input.time_format, b->how->zone, text, bytes, t, &why))
    return why;
  survey_add(&b->times, *t, row->line, text, bytes);
  return NULL;
}

bool is_one_value(const void *self, int column, const char *text, size_t bytes, bool fits) {
  const row_block_how *how = self;
  event_time t;
  money m;
  const char *why;
  if (column == COL_TIME)
    return time_parse((time_format)how->c->input.time_format, how->zone, text, bytes, &t, &why);
  if (column == COL_PRICE) return !fits && money_parse(text, bytes, &m, &why);
  return column == COL_EVENT && intern_find(how->wanted_types, text) >= 0;
}

bool rating_take(reject_list *unknown, const char *text, size_t bytes, int64_t line, double *rating) {
  char *end;
  *rating = strtod(text, &end);
  while (*end == ' ' || *end == '\t') end++;
  if (end > text && *end == '\0' && isfinite(*rating)) return true;
  reject_add(unknown, "rating: text that is not a number", line, text, bytes);
  return false;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static void note_padding(padded_names *p, const log_row *row, int column) {
  const char *name = row->text[column];
  if (!is_blank(name[0]) && !is_blank(name[row->bytes[column] - 1])) return;
  if (p->rows++ == 0) p->line = row->line;
}

// Of the file, or the column's; a reason to reject the row, or NULL.
static const char *take_domain(const row_block *b, const log_row *row, event_row *e) {
  e->domain = b->how->domain;
  e->domain_bytes = e->domain != NULL ? (uint32_t)strlen(e->domain) : 0;
  if (e->domain == NULL && b->how->c->fields.domain[0] != '\0') {
    e->domain = row->text[COL_DOMAIN];
    e->domain_bytes = row->bytes[COL_DOMAIN];
    if (e->domain == NULL) return "no domain";
    if (!domain_name(e->domain, e->domain_bytes)) return "a domain with a '/' or more than 128 bytes";
  }
  if (e->domain == NULL || row->text[COL_ITEM] == NULL) return NULL;
  return name_too_long(NAME_ITEM, (size_t)e->domain_bytes + 1 + row->bytes[COL_ITEM]);
}

static status take_row(row_block *b, const log_row *row) {
  event_row e = {.time = {.seconds = b->rejects.rows}};
  const char *reason = row->reject;
  if (reason == NULL && row->text[COL_USER] == NULL) reason = "no user";
  if (reason == NULL && passed_over(b, row)) return OK;
  if (reason == NULL && row->text[COL_ITEM] == NULL && row->text[COL_QUERY] == NULL) reason = "no item";
  if (reason == NULL) reason = long_name(row);
  if (reason == NULL) reason = take_domain(b, row, &e);
  if (reason == NULL && b->how->c->fields.time[0] != '\0') reason = take_time(b, row, &e.time);
  if (reason != NULL) {
    add_row(b, &b->rejects, reason, row->line);
    return OK;
  }
  e.user = row->text[COL_USER];
  e.user_bytes = row->bytes[COL_USER];
  e.user_hash = name_hash(e.user, e.user_bytes);
  e.query = row->text[COL_QUERY];
  e.query_bytes = row->bytes[COL_QUERY];
  if (row->text[COL_ITEM] != NULL) {
    e.item = row->text[COL_ITEM];
    e.item_bytes = row->bytes[COL_ITEM];
    e.item_hash = name_hash(e.item, e.item_bytes);
    note_padding(&b->padded[1], row, COL_ITEM);
  }
  note_padding(&b->padded[0], row, COL_USER);
  b->events_with += row->text[COL_EVENT] != NULL;
  b->sessions_with += row->text[COL_SESSION] != NULL;
  b->prices_with += row->text[COL_PRICE] != NULL;
  b->ratings_with += row->text[COL_RATING] != NULL;
  if (row->text[COL_EVENT] != NULL) TRY(take_type(b, row, &e));
  if (row->text[COL_SESSION] != NULL)
    e.session = name_hash(row->text[COL_SESSION], row->bytes[COL_SESSION]) | 1; // 0 is none
  if (row->text[COL_PRICE] != NULL)
    e.has_price = price_take(&b->prices, row->text[COL_PRICE], row->bytes[COL_PRICE], row->line, &e.price);
  if (row->text[COL_RATING] != NULL)
    e.has_rating =
        rating_take(&b->ratings, row->text[COL_RATING], row->bytes[COL_RATING], row->line, &e.rating);
  TRY(mem_grow(&b->rows, &b->cap, b->n + 1, sizeof *b->rows, "a block of rows"));
  b->rows[b->n++] = e;
  return OK;
}

status row_block_parse(row_block *b) {
  b->n = 0;
  b->n_types = 0;
  b->skipped_events = 0;
  b->events_with = b->sessions_with = b->prices_with = b->ratings_with = 0;
  memset(b->padded, 0, sizeof b->padded);
  memset(&b->rejects, 0, sizeof b->rejects);
  memset(&b->without_item, 0, sizeof b->without_item);
  memset(&b->prices, 0, sizeof b->prices);
  memset(&b->ratings, 0, sizeof b->ratings);
  memset(&b->times, 0, sizeof b->times);
  b->rejects.file = b->without_item.file = b->prices.unknown.file = b->prices.guessed.file = b->times.file =
      b->ratings.file = b->how->file;
  log_parse_begin(b->parser, &b->block);
  for (;;) {
    log_row row;
    bool end;
    TRY(log_parse_next(b->parser, &row, &end));
    if (end) return OK;
    b->rejects.rows++;
    TRY(take_row(b, &row));
  }
}
