// Rows with labels, as a model reads them: one or two segments of tokens, and labels with weights. prepare/labelled_read.h makes
// them of files; a source deals them into batches (sources/labelled_source.c), eval scores them.
#ifndef SOUK_DATA_LABELLED_ROWS_H
#define SOUK_DATA_LABELLED_ROWS_H

#include "base/options.h"
#include "data/batch.h"
#include "data/label_set.h"

// Section "labels" of a run's configuration: which files have labelled rows, and which of their columns are what. A run with
// labels.train set trains on them.
typedef struct labelled_config {
  char train[OPTION_STRING], valid[OPTION_STRING];
  double valid_share; // without `valid`: share of the training rows that is held out
  char unlabelled[OPTION_STRING], teacher[OPTION_STRING];
  double pseudo, pseudo_precision;
  int format; // labelled_format
  bool header;
  char separator[OPTION_STRING], encoding[OPTION_STRING], missing[OPTION_STRING];
  int quotes; // "auto|double|backslash|none"
  char text[OPTION_STRING], text_b[OPTION_STRING], label[OPTION_STRING], list[OPTION_STRING];
  char user[OPTION_STRING], history[OPTION_STRING], item[OPTION_STRING], time[OPTION_STRING];
  int time_format; // as input.time_format
  char time_zone[OPTION_STRING];
  int weights; // label_weights
  double max_rejects;
} labelled_config;

typedef enum labelled_format {
  LABELLED_AUTO,
  LABELLED_CSV,
  LABELLED_TSV,
  LABELLED_SPACE,
  LABELLED_JSONL
} labelled_format;
typedef enum label_weights {
  LABEL_WEIGHTS_NONE,
  LABEL_WEIGHTS_AUTO,
  LABEL_WEIGHTS_EVEN
} label_weights; // "none|auto|even"

extern const option labelled_options[];
extern const size_t n_labelled_options;

typedef struct labelled_rows {
  int64_t n;
  int32_t targets; // labels of a row
  bool pairs;      // every row has a second segment
  int64_t *ends;   // [2n] of row i: one past its first segment, and past its second
  int32_t *tokens; // [ends of the last]
  uint8_t *events; // of each token; 0: none
  int32_t *labels; // [n, targets] as batch.targets
  float *weights;  // [n, targets]
  int64_t *lines;  // [n] of the file, from 1
  // Where they were asked for, the row's text and the name of its item; NULL, as each of them may be.
  char **texts, **items; // [n]
  size_t ends_cap, tokens_cap, events_cap, labels_cap, weights_cap, lines_cap, texts_cap, items_cap;
} labelled_rows;

// Appends a row; events may be NULL, second is NULL in rows without one. Weights are 1.
status labelled_add(labelled_rows *r, const seq_input *first, const seq_input *second, const int32_t *labels,
                    int64_t line);
void labelled_free(labelled_rows *r);          // safe on a zeroed one
double labelled_bytes(const labelled_rows *r); // in memory, without texts and names
void labelled_get(const labelled_rows *r, int64_t i, seq_input *first, seq_input *second);
// Moves a share of the rows to *held, by what Philox draws for a row's number.
status labelled_hold_out(labelled_rows *r, double share, uint64_t seed, labelled_rows *held);
// Rows of a batch that row i takes, by the layout; 0: it has no room for a token.
int32_t labelled_length(const labelled_rows *r, int64_t i, const seq_layout *layout);
// Appends row i to a batch, with its labels or (to be scored) without. False: it does not fit.
bool labelled_put(const labelled_rows *r, int64_t i, const seq_layout *layout, int64_t seq_id, bool labels,
                  batch *b);

// Class weights, by inverse frequency: of rows N and labels C, a row of label c gets N / (C n_c), as scikit-learn's "balanced" does;
// of several labels, of which K rows know label c and P have it, K / (2 P) where it holds and K / (2 (K - P)) where it does not. Their
// mean over rows is 1. Labels that never occur get no weight.
void labelled_balance(labelled_rows *r, const label_set *l);
// Of several labels each weighs the same in all: where N labels of all rows are known and K of them are of label k, of C labels that any row
// knows, N / (C K). Their mean over known labels is 1. A label that follows from another (a purchase from a click) is known for few
// rows, and would otherwise have as small a part in the loss. Weights that are there (labelled_weigh_taught) count in N and K, and are multiplied.
void labelled_even(labelled_rows *r);

// Rows from `first` on are a teacher's: of each class (single), and of each side of a label (several), they weigh together no more than the
// rows before them, so that what a teacher is sure of, which is mostly the frequent class, does not shift the others' share.
status labelled_weigh_taught(labelled_rows *r, const label_set *l, int64_t first);

// SHA-256 of all that training sees of them, as text: what tells other rows apart.
void labelled_checksum(const labelled_rows *r, char hex[65]);

#endif
