// Files of labelled rows (csv, tsv, jsonl, as logs are read) as rows of tokens: texts, or a user's history and an item.
#ifndef SOUK_PREPARE_LABELLED_READ_H
#define SOUK_PREPARE_LABELLED_READ_H

#include "data/dataset.h"
#include "data/labelled_rows.h"
#include "format/word_tokenizer.h"

// What became of the rows of the files. Rows that are left out: `rejected`, `empty`, and those without any label that is known
// (`no_label`, `unseen`), unless rows need none.
typedef struct labelled_report {
  int64_t rows, rejected, used;
  int64_t empty;            // texts without a token; pair: neither a history nor a known item nor a text
  int64_t cut;              // longer than the model has room for
  int64_t no_label, unseen; // no value; a label that training does not have
  int64_t unknown_items, unknown_users; // pair: not in the vocabulary; without a history in the data set
  int32_t labels;
  int64_t *known,
      *holds; // [labels] rows that know the label, and of which it holds; single: `known` is 0 but for `holds`
  char *first_unseen; // label; NULL: none
  char *first_reject; // where, and why; NULL: none
} labelled_report;

typedef struct labelled_how {
  const labelled_config *c;
  bool pair;
  const seq_layout *layout;
  dataset *d;                  // vocabulary; of a pair also histories and texts of items
  const word_tokenizer *words; // NULL: the vocabulary has none
  bool unlabelled;             // rows need no labels
  bool keep, keep_items;       // the rows keep their texts and, with both, names of items
} labelled_how;

// Reads the files of an option, `source` ("labels.train"). Labels: l with n = 0 becomes those of these rows, sorted by name, or the
// columns'; others are looked for in it. Texts lose their end, histories their oldest events, where the model has no room, the longer
// of two segments first. Rows of a pair come in the order of the data set's users, others as in the files.
status labelled_read(labelled_rows *out, label_set *l, labelled_report *report, const labelled_how *how,
                     const char *files, const char *source);
void labelled_report_free(labelled_report *r); // safe on a zeroed one
// A sentence for each thing that there is to tell, with its count; and the same as json [new; NULL: no memory].
void labelled_tell(const labelled_report *r, const label_set *l, const char *source);
json_t *labelled_report_json(const labelled_report *r, const label_set *l);
// How many labels are rare: of one of several, one with a twentieth of the rows of the most frequent; of several, one that holds, or
// does not, twenty times as seldom as the other.
int32_t labelled_imbalanced(const labelled_report *r, const label_set *l);

// Which names of label columns the configuration means, of a pair or not: [*n] into names, texts in `room` [OPTION_STRING].
enum { MOST_LABEL_COLUMNS = 48 };
status labelled_columns(const labelled_config *c, bool pair, char *room,
                        const char *names[MOST_LABEL_COLUMNS], int *n);

#endif
