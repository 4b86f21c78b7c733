// Rows of promotion copy (input.copy) on their way into a data set: read and checked, cut into train, validation and test, terms
// in the copy exchanged for slots, and written as tokens and as text (data/copy_rows.h).
//
// They are kept in memory, as text, until the vocabulary and the histories are known.
#ifndef SOUK_PREPARE_PREPARE_COPY_H
#define SOUK_PREPARE_PREPARE_COPY_H

#include "data/vocab.h"
#include "data/writer.h"
#include "prepare/prepare.h"
#include "prepare/rejects.h"

typedef struct copy_table copy_table;

typedef struct copy_counts {
  reject_list rows; // of the files; those that cannot be read
  reject_list
      dropped; // of the others: empty copy, terms that contradict each other, quantities (copy.quantities drop)
  int64_t used[3];                      // by part
  int64_t cut;                          // copy of more than copy.tokens tokens
  int64_t unknown_users, unknown_items; // named, but not in the data set
  int64_t without_slot;                 // rows whose copy says no term
  int64_t slots, quantities,
      articles; // in all copy: terms; other quantities, of which `articles` are 一 before a measure
  int64_t tokens, unknown_words; // of copy; of them [UNK]
  int64_t clicks, impressions;   // rows with a known click
  int32_t styles;
} copy_counts;

// Reads the files of input.copy, copy_valid and copy_test. *out NULL: there are none. zone: of times that name none.
status copy_table_read(copy_table **out, const prepare_config *c, int32_t zone, copy_counts *counts);
void copy_table_free(copy_table *t); // NULL is safe
// Adds the tokens of languages, markets, types and goals, with how many rows have each, and of all slots.
status copy_table_add_tokens(copy_table *t, vocab *v);
// The next history is that of the user of this name.
status copy_table_take(copy_table *t, const char *name);
// Writes copy.h5, copy.jsonl and copy_styles.tsv; counts words in v. catalogue: catalogue.jsonl is there. words: settings of their
// tokenizer (data/tokenizer.h).
typedef struct copy_writing {
  dataset_writer *w;
  vocab *v;
  json_t *words;
  time_unit unit;
  bool catalogue;
} copy_writing;
status copy_table_write(copy_table *t, const copy_writing *how, copy_counts *counts);

json_t *copy_counts_json(const copy_counts *n); // of report.json [new]
void copy_counts_print(const copy_counts *n);

#endif
