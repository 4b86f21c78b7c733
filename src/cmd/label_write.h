// What souk label writes: predictions, predictions by item, rows to label.
#ifndef SOUK_CMD_LABEL_WRITE_H
#define SOUK_CMD_LABEL_WRITE_H

#include "cmd/label_model.h"

// A line of json a row, in the order of the file: "line", "label" (several: "labels", those of a probability above 1/2),
// "probabilities" by label and, where they are asked for, "logits".
status label_write_rows(const char *path, const label_model *l, const labelled_rows *of, const float *logits,
                        bool with_logits);

// A line of json an item that the rows name: its name under `column`, "reviews": how many rows it has, and for each label the mean of
// its probabilities. With a catalogue (csv, tsv or jsonl; NULL: none) a line each of its rows, with the columns that are named, and
// what the rows say of the item, if they name it.
typedef struct item_means_how {
  const char *column;           // of the item, in the rows and the catalogue
  const char *catalogue, *keep; // file and columns, "" without
  const char *prefix;           // of the names of what is added
} item_means_how;
status label_write_items(const char *path, const label_model *l, const labelled_rows *of, const float *logits,
                         const item_means_how *how);

// A line of json a picked row: "line", "entropy", "label" that the model would give, "text".
status label_write_picks(const char *path, const label_model *l, const labelled_rows *of, const float *logits,
                         const double *entropy, const int64_t *picked, int64_t n);

#endif
