// What the reports of an evaluation share: tables for people (evaluation_report.c, detail_report.c), json (the same), and a
// page (html_report.c).
#ifndef SOUK_EVAL_REPORT_INTERNAL_H
#define SOUK_EVAL_REPORT_INTERNAL_H

#include "eval/evaluation_detail.h"

enum { REPORT_LABEL = 22 };

// Columns of the tables, where a question has one target and where it has several. If the terminal is too narrow for all
// columns, those with the most weight are kept; the weights are 1 to REPORT_COLUMNS.
enum { REPORT_COLUMNS = 11 };
typedef struct table_column {
  int32_t metric, weight;
} table_column;
const table_column *report_columns(const evaluation *e);

bool report_takes_all(const evaluation *e); // several targets in one question
const char *report_part(const evaluation *e);
// A contender's name; models of a final training are told apart from those that have not seen the validation part.
const char *report_label(const evaluation *e, int32_t i);
// "the whole catalogue of 9 items, those of the history filtered out" and the like.
void report_protocol(const evaluation *e, int32_t protocol, char *buf, size_t bytes);
// "NDCG@10"; the long names are cut to three or four letters, so that the columns hold them.
void report_heading(int32_t metric, char name[16]);

// What a reader has to know about a row for which evaluation_learned_here is true. Returns buf.
enum { REPORT_TEXT = 256 };
const char *report_learned_here(const evaluation *e, int32_t i, char buf[REPORT_TEXT]);

void detail_print(const evaluation *e, FILE *to);

// Remembers that something could not be added because memory ran out, so that incomplete json is never printed.
typedef struct json_writer {
  const evaluation *e;
  bool failed;
} json_writer;
void report_put(json_writer *w, json_t *object, const char *name,
                json_t *value); // also fails for a value that is NULL
json_t *report_ranged(json_writer *w, double value, const interval *r);
json_t *detail_json(json_writer *w);

#endif
