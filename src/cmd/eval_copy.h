// souk eval --copy_text FILE --reference FILES: figures of copy that is there as text, whoever wrote it; and what souk eval RUN --copy
// shares with it.
#ifndef SOUK_CMD_EVAL_COPY_H
#define SOUK_CMD_EVAL_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/options.h"
#include "eval/copy_metrics.h"

typedef struct eval_copy_flags {
  bool copy; // of a run (eval_copy_run.h)
  char text[OPTION_STRING], reference[OPTION_STRING], generated[OPTION_STRING];
  int64_t rows;
  int language, bleu_words, rouge_words, smoothing;
  double smooth_value;
  bool effective_order;
} eval_copy_flags;
extern const option eval_copy_options[];
extern const size_t n_eval_copy_options;

// What it shares with the other evaluations.
typedef struct eval_copy_how {
  const char *figures, *report, *command; // files for json and a page, "": none; the command as it was typed
  bool json;                              // in place of tables
  int64_t replicates, seed;
} eval_copy_how;

// An option of these was given without the copy that it is about: an error that names it.
status eval_copy_unused(const eval_copy_flags *f);
status eval_copy_text(const eval_copy_flags *f, const eval_copy_how *how);

// The words and smoothing that the options ask for. chinese: where they leave the language open.
copy_how eval_copy_metrics(const eval_copy_flags *f, const eval_copy_how *how, bool chinese);
// Runs the metrics, prints, and then writes the files that are asked for.
status eval_copy_tell(const copy_corpus *c, const copy_how *metrics, copy_origin *o,
                      const eval_copy_how *how);

#endif
