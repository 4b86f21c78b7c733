// Rows of promotion copy of a data set: what was wanted, for whom and of what, and the copy that was written.
//
// File copy.h5 of a data set (HDF5, schema "souk.copy", version 1), of n rows:
//   part uint8 [n]                                 0 train, 1 validation, 2 test
//   user int64 [n]                                 history of the data set; -1: none
//   time int64 [n]                                 in the data set's unit of time; the least int64: not said
//   item int32 [n]                                 token of the item; -1: not in the vocabulary
//   context_offsets int64 [n + 1], context int32   language, market, type, goal and slots (format/copy_context.h)
//   text_offsets int64 [n + 1], text int32         words of the item that the row has itself; none: the item's text in texts.h5
//   copy_offsets int64 [n + 1], copy int32         tokens of the copy: words, and slots in place of terms; without [SEP]
//   weights uint8 [tokens of copy]                 0: of a quantity that is no term, which nothing is to learn to write; else 1
//   cut uint8 [n]                                  1: the copy went on, so that nothing is to be learned of its end; else 0
//   click uint8 [n]                                0, 1; 255: not known
//   propensity float32 [n]                         with which this copy was shown; 0: not known
//   style int32 [n]                                line of copy_styles.tsv; -1: not said
// copy_styles.tsv has the names of styles, one a line, escaped as in vocab.tsv. copy.jsonl has the same rows, in the same order, as text, with
// the names of fields that requests of souk-infer promo have.
#ifndef SOUK_DATA_COPY_ROWS_H
#define SOUK_DATA_COPY_ROWS_H

#include "data/dataset.h"

typedef enum copy_part { COPY_TRAIN, COPY_VALID, COPY_TEST, COPY_PARTS } copy_part;
extern const char *const copy_part_names[COPY_PARTS]; // "train", "valid", "test"

enum { COPY_NO_CLICK = 255, COPY_LONGEST = 512 }; // tokens of copy, [SEP] included, at most
#define COPY_NO_TIME INT64_MIN

typedef struct copy_lists { // row i: tokens [offsets[i], offsets[i + 1])
  int64_t *offsets;         // [n + 1]
  int32_t *tokens;
} copy_lists;

typedef struct copy_rows {
  int64_t n;
  uint8_t *part;
  int64_t *user, *time;
  int32_t *item;
  copy_lists context, text, copy;
  uint8_t *weights; // [tokens of copy]
  uint8_t *cut, *click;
  float *propensity;
  int32_t *style;
} copy_rows;

// The rows of a data set in the vocabulary that it is read in; *out NULL: it has none. Owned by d, as the texts of items are
// (item_texts.h). Reads and checks the file at the first call, which no other thread may make at the same time. ERR_FORMAT names
// the file and the row.
status dataset_copy(dataset *d, const copy_rows **out);
const copy_rows *dataset_known_copy(const dataset *d); // what that has read; NULL: nothing
// Writes such a file.
status copy_rows_write(const copy_rows *r, const char *path, int deflate);
void copy_rows_free(copy_rows *r); // what it points to; safe on a zeroed one
double copy_rows_bytes(const copy_rows *r);
int64_t copy_rows_count(const copy_rows *r, copy_part part);
// Row i's tokens: of the list, *n of them.
const int32_t *copy_list(const copy_lists *l, int64_t i, int32_t *n);
int32_t copy_longest(const copy_rows *r, const copy_lists *l); // the longest list

#endif
