// Rows of promotion copy as tokens; see prepare_copy.h.
//
// A term in the copy becomes the slot that stands for it, and any other quantity keeps its words and gets no weight: a model that
// learned to write numbers would learn to invent them.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/tokenizer.h"
#include "format/item_attributes.h"
#include "format/word_tokenizer.h"
#include "prepare/copy_internal.h"

enum { LONGEST_ENTRY = 16 << 20 };

typedef struct copy_writer {
  copy_table *t;
  const copy_writing *how;
  copy_counts *counts;
  word_tokenizer *words;
  copy_rows out;
  size_t context_cap, text_cap, copy_cap, weights_cap;
  int32_t *ids; // [cap] of one text
  size_t cap;
  promo_span *spans; // [spans_cap] terms and quantities of one copy
  size_t spans_cap;
  out_file *lines; // copy.jsonl
} copy_writer;

// ---- the catalogue's titles ----------------------------------------------------------------------------------

static status take_title(copy_table *t, const char *line, size_t bytes) {
  json_t *entry = json_loadb(line, bytes, 0, NULL);
  if (entry == NULL) return fail(ERR_MEMORY, "out of memory: cannot read a line of catalogue.jsonl");
  const char *item = json_string_value(json_object_get(entry, "item")),
             *title = json_string_value(json_object_get(entry, "title"));
  const int32_t id = item != NULL && title != NULL ? intern_find(t->items, item) : -1;
  const status rc = id >= 0 && t->title_of[id] == NULL ? mem_strdup(&t->title_of[id], title) : OK;
  json_decref(entry);
  return rc;
}

static status read_titles(copy_writer *w) {
  copy_table *t = w->t;
  char path[PATH_MAX + 64];
  line_reader *lines;
  if (!w->how->catalogue || intern_count(t->items) == 0) return OK;
  TRY(mem_new(&t->title_of, (size_t)intern_count(t->items), sizeof *t->title_of, "titles of items"));
  TRY(writer_path(w->how->w, "catalogue.jsonl", path, sizeof path));
  TRY(lines_open(&lines, path, LONGEST_ENTRY));
  status rc = OK;
  for (bool end = false; rc == OK;) {
    char *line;
    size_t bytes;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    rc = take_title(t, line, bytes);
  }
  lines_close(lines);
  return rc;
}

// ---- tokens --------------------------------------------------------------------------------------------------

static status encode(copy_writer *w, const char *text, size_t bytes, size_t *n) {
  *n = word_tokenizer_encode(w->words, text, bytes, w->ids, w->cap);
  if (*n <= w->cap) return OK;
  TRY(mem_grow(&w->ids, &w->cap, *n, sizeof *w->ids, "the words of a text"));
  *n = word_tokenizer_encode(w->words, text, bytes, w->ids, w->cap);
  return OK;
}

static status append(int32_t **tokens, size_t *cap, int64_t at, int32_t token) {
  TRY(mem_grow(tokens, cap, (size_t)at + 1, sizeof **tokens, "rows of copy"));
  (*tokens)[at] = token;
  return OK;
}

static status add_copy_token(copy_writer *w, int32_t token, bool counts, int64_t *at) {
  TRY(append(&w->out.copy.tokens, &w->copy_cap, *at, token));
  TRY(mem_grow(&w->out.weights, &w->weights_cap, (size_t)*at + 1, 1, "rows of copy"));
  w->out.weights[(*at)++] = counts;
  return OK;
}

// Words of a piece of the copy.
static status add_words(copy_writer *w, const char *text, size_t bytes, bool counts, int64_t *at) {
  size_t n;
  TRY(encode(w, text, bytes, &n));
  for (size_t i = 0; i < n; i++) TRY(add_copy_token(w, w->ids[i], counts, at));
  return OK;
}

typedef struct found_terms {
  const promo_span *spans; // [n], the writer's
  size_t n;
  int32_t slots, quantities, articles;
} found_terms;

// All of them, however many: a quantity that is missed would be learned.
static status find_terms(copy_writer *w, const copy_row *r, found_terms *f) {
  const char *text = copy_row_text(w->t, r, FIELD_copy), *market = copy_row_text(w->t, r, FIELD_market);
  const promo_terms terms = copy_row_terms(w->t, r);
  const promo_market *m = market != NULL ? promo_market_named(market) : NULL;
  const size_t bytes = strlen(text);
  promo_language language = LANGUAGE_EN;
  promo_language_named(copy_row_text(w->t, r, FIELD_language), &language);
  *f = (found_terms){.n = promo_find(text, bytes, &terms, m, language, w->spans, w->spans_cap)};
  if (f->n > w->spans_cap) {
    TRY(mem_grow(&w->spans, &w->spans_cap, f->n, sizeof *w->spans, "the terms of a copy"));
    promo_find(text, bytes, &terms, m, language, w->spans, w->spans_cap);
  }
  f->spans = w->spans;
  for (size_t i = 0; i < f->n; i++) {
    f->slots += f->spans[i].slot >= 0;
    f->quantities += f->spans[i].slot < 0;
    f->articles += f->spans[i].slot == PROMO_ARTICLE;
  }
  return OK;
}

static status add_copy(copy_writer *w, const copy_row *r, const found_terms *f) {
  const char *text = copy_row_text(w->t, r, FIELD_copy);
  const int64_t begin = w->out.copy.offsets[w->out.n];
  int64_t at = begin;
  size_t from = 0;
  for (size_t i = 0; i < f->n; i++) {
    const promo_span *s = &f->spans[i];
    TRY(add_words(w, text + from, s->begin - from, true, &at));
    if (s->slot >= 0)
      TRY(add_copy_token(w, copy_slot_token(w->how->v, (promo_slot)s->slot), true, &at));
    else
      TRY(add_words(w, text + s->begin, s->end - s->begin, false, &at));
    from = s->end;
  }
  TRY(add_words(w, text + from, strlen(text) - from, true, &at));
  const int64_t most = begin + w->t->c->copy.tokens;
  w->out.cut[w->out.n] = at > most;
  w->out.copy.offsets[w->out.n + 1] = at < most ? at : most;
  return OK;
}

static status add_text(copy_writer *w, const char *text, int64_t begin, int64_t *at) {
  const int64_t most = begin + w->t->c->output.text_tokens;
  size_t n = 0;
  if (text != NULL) TRY(encode(w, text, strlen(text), &n));
  for (size_t i = 0; i < n && *at < most; i++)
    TRY(append(&w->out.text.tokens, &w->text_cap, (*at)++, w->ids[i]));
  return OK;
}

// Title and attributes, without the marks between the latter.
static status add_item(copy_writer *w, const copy_row *r) {
  const char *attributes = copy_row_text(w->t, r, FIELD_attributes);
  const int64_t begin = w->out.text.offsets[w->out.n];
  int64_t at = begin;
  char *plain = NULL;
  status rc = add_text(w, copy_row_text(w->t, r, FIELD_title), begin, &at);
  if (rc == OK && attributes != NULL) rc = mem_strdup(&plain, attributes);
  if (plain != NULL) item_attributes_words(plain, strlen(plain));
  if (rc == OK) rc = add_text(w, plain, begin, &at);
  free(plain);
  w->out.text.offsets[w->out.n + 1] = at;
  return rc;
}

static status add_context(copy_writer *w, const copy_row *r) {
  const promo_terms terms = copy_row_terms(w->t, r);
  const copy_wanted wanted = {.name = {[COPY_LANGUAGE] = copy_row_text(w->t, r, FIELD_language),
                                       [COPY_MARKET] = copy_row_text(w->t, r, FIELD_market),
                                       [COPY_TYPE] = copy_row_text(w->t, r, FIELD_type),
                                       [COPY_GOAL] = copy_row_text(w->t, r, FIELD_goal)},
                              .given = promo_terms_given(&terms)};
  int32_t tokens[COPY_CONTEXT];
  const int32_t n = copy_context(w->how->v, &wanted, tokens, NULL);
  const int64_t begin = w->out.context.offsets[w->out.n];
  for (int32_t i = 0; i < n; i++) TRY(append(&w->out.context.tokens, &w->context_cap, begin + i, tokens[i]));
  w->out.context.offsets[w->out.n + 1] = begin + n;
  return OK;
}

static void count_row(copy_writer *w, const copy_row *r, const found_terms *f) {
  copy_counts *c = w->counts;
  const int64_t i = w->out.n;
  c->used[r->part]++;
  c->slots += f->slots;
  c->quantities += f->quantities;
  c->articles += f->articles;
  c->without_slot += f->slots == 0;
  c->cut += w->out.cut[i];
  c->unknown_users += r->user >= 0 && w->out.user[i] < 0;
  c->unknown_items += r->item >= 0 && w->out.item[i] < 0;
  c->impressions += r->click != COPY_NO_CLICK;
  c->clicks += r->click == 1;
  for (int64_t k = w->out.copy.offsets[i]; k < w->out.copy.offsets[i + 1]; k++) {
    const int32_t token = w->out.copy.tokens[k];
    c->tokens++;
    c->unknown_words += token == TOKEN_UNK;
    if (r->part == COPY_TRAIN && token != TOKEN_UNK)
      vocab_set_count(w->how->v, token, vocab_token_count(w->how->v, token) + 1);
  }
}

// ---- rows ----------------------------------------------------------------------------------------------------

static void set_text(json_t *j, const char *name, const char *text) {
  if (text != NULL) json_object_set_new(j, name, json_string(text));
}

static void set_number(json_t *j, const char *name, double x) {
  if (!isnan(x)) json_object_set_new(j, name, json_real(x));
}

// The row as a line of copy.jsonl, with its date and its names as requests have them.
static status write_line(copy_writer *w, const copy_row *r) {
  json_t *j = json_pack("{s:s}", "part", copy_part_names[r->part]);
  char time[TIME_TEXT];
  for (int f = 0; f < COPY_TEXTS; f++)
    set_text(j, copy_field_names[f], copy_row_text(w->t, r, (copy_field)f));
  set_text(j, "name", copy_row_name(w->t, r));
  set_number(j, "price", r->price);
  set_number(j, "was", r->was);
  set_number(j, "percent", r->percent);
  set_number(j, "amount", r->amount);
  set_number(j, "threshold", r->threshold);
  if (r->has_time) set_text(j, "time", time_text(time, r->time));
  if (r->click != COPY_NO_CLICK) json_object_set_new(j, "click", json_integer(r->click));
  if (r->propensity > 0) set_number(j, "propensity", r->propensity);
  char *text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(15));
  json_decref(j);
  if (text == NULL) return fail(ERR_MEMORY, "out of memory: cannot compose a line of copy.jsonl");
  const status rc = out_printf(w->lines, "%s\n", text);
  free(text);
  return rc;
}

static status add_row(copy_writer *w, const copy_row *r) {
  copy_rows *o = &w->out;
  found_terms f;
  TRY(find_terms(w, r, &f));
  if (f.quantities > 0 && w->t->c->copy.quantities == QUANTITIES_DROP) {
    const char *text = copy_row_text(w->t, r, FIELD_copy);
    w->counts->dropped.file = NULL;
    reject_add(&w->counts->dropped, "a quantity that is no term", 0, text, strlen(text));
    return OK;
  }
  TRY(add_context(w, r));
  TRY(add_item(w, r));
  TRY(add_copy(w, r, &f));
  if (o->copy.offsets[o->n + 1] == o->copy.offsets[o->n]) {
    reject_add(&w->counts->dropped, "copy without a word", 0, "", 0);
    return OK;
  }
  const int64_t i = o->n;
  const char *item = copy_row_text(w->t, r, FIELD_item);
  o->part[i] = r->part;
  o->user[i] = r->user >= 0 ? w->t->history_of[r->user] : -1;
  o->time[i] = r->has_time ? time_in_units(r->time, time_unit_per_second(w->how->unit)) : COPY_NO_TIME;
  o->item[i] = item != NULL ? vocab_find(w->how->v, RANGE_ITEMS, item) : -1;
  o->click[i] = r->click;
  o->propensity[i] = (float)r->propensity;
  o->style[i] = r->style;
  count_row(w, r, &f);
  o->n++;
  return write_line(w, r);
}

static status make_room(copy_writer *w) {
  copy_rows *o = &w->out;
  const size_t n = w->t->n;
  TRY(mem_new(&o->part, n, sizeof *o->part, "rows of copy"));
  TRY(mem_new(&o->user, n, sizeof *o->user, "rows of copy"));
  TRY(mem_new(&o->time, n, sizeof *o->time, "rows of copy"));
  TRY(mem_new(&o->item, n, sizeof *o->item, "rows of copy"));
  TRY(mem_new(&o->cut, n, sizeof *o->cut, "rows of copy"));
  TRY(mem_new(&o->click, n, sizeof *o->click, "rows of copy"));
  TRY(mem_new(&o->propensity, n, sizeof *o->propensity, "rows of copy"));
  TRY(mem_new(&o->style, n, sizeof *o->style, "rows of copy"));
  TRY(mem_new(&o->context.offsets, n + 1, sizeof *o->context.offsets, "rows of copy"));
  TRY(mem_new(&o->text.offsets, n + 1, sizeof *o->text.offsets, "rows of copy"));
  return mem_new(&o->copy.offsets, n + 1, sizeof *o->copy.offsets, "rows of copy");
}

static status write_styles(const copy_writer *w) {
  char path[PATH_MAX + 64];
  out_file *f;
  TRY(writer_path(w->how->w, "copy_styles.tsv", path, sizeof path));
  TRY(out_open(&f, path));
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < intern_count(w->t->styles); i++) {
    rc = vocab_escape(f, intern_text(w->t->styles, i));
    if (rc == OK) rc = out_write(f, "\n", 1);
  }
  TRY(out_finish(f, rc));
  return writer_list(w->how->w, "copy_styles.tsv");
}

static status write_rows(copy_writer *w) {
  char path[PATH_MAX + 64];
  TRY(make_room(w));
  TRY(writer_path(w->how->w, "copy.jsonl", path, sizeof path));
  TRY(out_open(&w->lines, path));
  status rc = OK;
  for (size_t i = 0; rc == OK && i < w->t->n; i++) rc = add_row(w, &w->t->rows[i]);
  TRY(out_finish(w->lines, rc));
  TRY(writer_list(w->how->w, "copy.jsonl"));
  if (w->counts->used[COPY_TRAIN] == 0)
    return fail(ERR_FORMAT, "input.copy: no row of copy is left to train on");
  TRY(writer_path(w->how->w, "copy.h5", path, sizeof path));
  TRY(copy_rows_write(&w->out, path, (int)w->t->c->output.deflate));
  TRY(writer_list(w->how->w, "copy.h5"));
  return write_styles(w);
}

status copy_table_write(copy_table *t, const copy_writing *how, copy_counts *counts) {
  if (t == NULL) return OK;
  copy_writer w = {.t = t, .how = how, .counts = counts};
  status rc;
  TRY_GOTO(tokenizer_open(&w.words, how->v, how->words), done);
  TRY_GOTO(read_titles(&w), done);
  rc = write_rows(&w);
done:
  word_tokenizer_free(w.words);
  copy_rows_free(&w.out);
  free(w.ids);
  free(w.spans);
  return rc;
}
