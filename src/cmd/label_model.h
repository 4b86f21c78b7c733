// A model with labels and rows for it to judge: what souk eval --labels and souk label share.
#ifndef SOUK_CMD_LABEL_MODEL_H
#define SOUK_CMD_LABEL_MODEL_H

#include "data/labelled_rows.h"
#include "eval/label_scores.h"
#include "format/word_tokenizer.h"
#include "train/config.h"

typedef struct label_model {
  checkpoint *c;
  run_config *run; // its configuration, whose section "labels" says which columns are what
  dataset *d;
  word_tokenizer *words; // NULL: the vocabulary has none
  label_set labels;
  model *m;
} label_model;

// data: directory of the data set, "": the one that the run was trained on, if that is needed and there.
status label_model_open(label_model *l, const char *where, int which, bool raw, const char *data, int device,
                        int32_t threads);
void label_model_close(label_model *l); // safe on a zeroed one

// Reads a file's rows as the run read its own; unlabelled: they need no labels. What there is to tell is told.
typedef enum row_keeping { ROWS_ALONE, ROWS_WITH_TEXTS, ROWS_WITH_ITEMS } row_keeping;
status label_model_read(label_model *l, const char *files, const char *source, bool unlabelled,
                        row_keeping keep, labelled_rows *out);

#endif
