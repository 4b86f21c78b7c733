// A thread's own part of reading: the rows of a block, split in place; and the accounts of what was met in them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/utf8.h"
#include "prepare/log_internal.h"

// ---- texts that are made -------------------------------------------------------------------------------------

// Chunks are kept for the next block.
struct text_chunk {
  text_chunk *next;
  size_t cap, used;
  char text[];
};

status new_text(log_parser *p, size_t bytes, char **text) {
  enum { LEAST = 1 << 16 };
  while (p->chunk != NULL && p->chunk->cap - p->chunk->used < bytes) p->chunk = p->chunk->next;
  if (p->chunk == NULL) {
    const size_t cap = bytes > LEAST ? bytes : LEAST;
    TRY(mem_new(&p->chunk, sizeof *p->chunk + cap, 1, "texts of a block"));
    p->chunk->cap = cap;
    p->chunk->next = p->chunks;
    p->chunks = p->chunk;
  }
  *text = p->chunk->text + p->chunk->used;
  p->chunk->used += bytes;
  return OK;
}

static void reset_texts(log_parser *p) {
  for (text_chunk *c = p->chunks; c != NULL; c = c->next) c->used = 0;
  p->chunk = p->chunks;
}

// ---- life ----------------------------------------------------------------------------------------------------

void log_parser_free(log_parser *p) {
  if (p == NULL) return;
  while (p->chunks != NULL) {
    text_chunk *next = p->chunks->next;
    free(p->chunks);
    p->chunks = next;
  }
  free(p->values);
  free(p);
}

void log_parse_begin(log_parser *p, log_block *b) {
  p->block = b;
  p->at = 0;
  p->line = b->first_line;
  p->element = p->elements = 0;
  p->ascii = utf8_is_ascii(b->data, b->bytes);
  p->has_nul = memchr(b->data, '\0', b->bytes) != NULL;
  reset_texts(p);
}

// ---- rows ----------------------------------------------------------------------------------------------------

static void keep_raw(log_parser *p, const char *row, size_t bytes) {
  p->raw_bytes = bytes < EXCERPT_BYTES ? bytes : EXCERPT_BYTES;
  memcpy(p->raw, row, p->raw_bytes);
}

static bool is_blank_row(const log_plan *plan, const char *row, size_t bytes) {
  if (plan->kind == LOG_SPACE || plan->kind == LOG_JSONL)
    while (bytes > 0 && (*row == ' ' || *row == '\t')) {
      row++;
      bytes--;
    }
  return bytes == 0;
}

// The next row of the block that is not blank, in *row.
static bool next_span(log_parser *p, char **row, row_span *span, int64_t *line) {
  log_block *const b = p->block;
  if (b->reject != NULL && p->at == 0) { // one row, whatever its beginning looks like
    *span = (row_span){.bytes = b->bytes};
    *row = b->data;
    *line = p->line;
    p->at = b->bytes;
    return true;
  }
  while (p->at < b->bytes) {
    row_scan(p->plan, b->data + p->at, b->bytes - p->at, true, span);
    *row = b->data + p->at + span->begin;
    *line = p->line + span->lines_before;
    p->at += span->next;
    p->line += span->lines;
    if (!is_blank_row(p->plan, *row, span->bytes)) return true;
  }
  return false;
}

// The next row of those that a row of json has become.
static void next_element(log_parser *p, log_row *row) {
  row->line = p->base.line;
  row->reject = NULL;
  for (int i = 0; i < p->plan->n; i++) {
    row->text[i] = p->base.text[i];
    row->bytes[i] = p->base.bytes[i];
    if ((p->listed >> i & 1) == 0) continue;
    const int32_t at = p->first[i];
    if (at < 0 || p->values[at].element != p->element) continue;
    const list_value *v = &p->values[at];
    p->first[i] = v->next;
    if (v->bytes == NO_VALUE || v->bytes == 0) continue;
    row->text[i] = p->row + v->at;
    row->bytes[i] = v->bytes;
    p->row[v->at + v->bytes] = '\0';
  }
  p->element++;
}

static status split_row(log_parser *p, char *text, const row_span *span, log_row *row) {
  const log_plan *const plan = p->plan;
  if (p->block->reject != NULL)
    row->reject = p->block->reject;
  else if (span->bytes > MAX_LINE)
    row->reject = LONG_LINE;
  else if (p->has_nul && memchr(text, '\0', span->bytes) != NULL)
    row->reject = "a NUL byte";
  else
    row->reject = span->reject;
  if (row->reject != NULL) return OK;
  if (plan->kind == LOG_JSONL)
    TRY(split_json(p, text, span->bytes, row));
  else
    TRY(split_fields(p, text, span, row));
  return split_lists(p, text, row);
}

status log_parse_next(log_parser *p, log_row *row, bool *end) {
  row_span span;
  char *text;
  *end = false;
  for (;;) {
    if (p->element < p->elements) {
      next_element(p, row);
      return OK;
    }
    memset(row->text, 0, (size_t)p->plan->n * sizeof *row->text);
    row->reject = NULL;
    if (!next_span(p, &text, &span, &row->line)) break;
    keep_raw(p, text, span.bytes);
    p->base.line = row->line; // for count_finding
    p->element = p->elements = 0;
    p->listed = 0;
    p->n_values = 0;
    TRY(split_row(p, text, &span, row));
    if (row->reject != NULL) {
      memset(row->text, 0, (size_t)p->plan->n * sizeof *row->text);
      p->elements = 0;
    }
    p->counts.rows += row->reject == NULL;
    if (row->reject != NULL || p->listed == 0) return OK;
    p->base = *row;
    p->row = text;
  }
  *end = true;
  return OK;
}

void log_parse_excerpt(const log_parser *p, char excerpt[LOG_EXCERPT]) {
  size_t at = 0;
  for (size_t i = 0; i < p->raw_bytes;) {
    const size_t n = utf8_length(p->raw + i, p->raw_bytes - i);
    if (n == 0 && p->raw_bytes == EXCERPT_BYTES && p->raw_bytes - i < 4) break; // cut inside a character
    const bool good = n > 0 && p->raw[i] != '\0';
    if (good)
      memcpy(excerpt + at, p->raw + i, n);
    else
      excerpt[at] = '?';
    at += n > 0 ? n : 1;
    i += n > 0 ? n : 1;
  }
  excerpt[at] = '\0';
}

// ---- accounts ------------------------------------------------------------------------------------------------

void count_finding(log_parser *p, int finding) {
  if (p->counts.of[finding].rows++ == 0) p->counts.of[finding].line = p->base.line;
}

// What pandas, R, SQL and Hive write where there is no value. A user or an item of this name is a crowd of others.
static bool is_placeholder(const char *text, size_t bytes) {
  static const char *const placeholders[] = {"NA",   "\\N",  "N/A",  "nan",  "NaN", "NULL",
                                             "null", "Null", "None", "<NA>", "#N/A"};
  for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
    if (strlen(placeholders[i]) == bytes && memcmp(text, placeholders[i], bytes) == 0) return true;
  return false;
}

bool means_no_value(log_parser *p, int column, const char *text, size_t bytes) {
  const log_plan *const plan = p->plan;
  for (int i = 0; i < plan->n_missing; i++) {
    if (plan->missing_texts[i].bytes != bytes || memcmp(text, plan->missing_texts[i].text, bytes) != 0)
      continue;
    count_finding(p, FOUND_MISSING);
    return true;
  }
  if (strchr("N\\n<#", text[0]) != NULL && is_placeholder(text, bytes))
    count_finding(p, FOUND_PLACEHOLDER + column);
  return false;
}

const log_counts *log_parser_counts(const log_parser *p) {
  return &p->counts;
}

void log_counts_add(log_counts *to, const log_counts *more) {
  for (int i = 0; i < LOG_FINDINGS; i++) {
    if (more->of[i].rows == 0) continue;
    if (to->of[i].rows == 0 || more->of[i].line < to->of[i].line) to->of[i].line = more->of[i].line;
    to->of[i].rows += more->of[i].rows;
  }
  to->seen |= more->seen;
  to->rows += more->rows;
}
