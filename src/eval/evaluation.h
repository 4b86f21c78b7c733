// One evaluation: a model and the counting baselines over the same questions, with intervals and paired differences.
#ifndef SOUK_EVAL_EVALUATION_H
#define SOUK_EVAL_EVALUATION_H

#include <jansson.h>
#include <stdio.h>
#include "base/file.h"
#include "eval/baselines.h"
#include "eval/bootstrap.h"
#include "eval/given_vectors.h"
#include "eval/leaks.h"
#include "eval/ranking.h"
#include "eval/trained_on.h"
#include "model/checkpoint.h"

typedef struct evaluation_config {
  ranking_config ranking;
  baseline_config baselines;
  given_vectors *vectors;  // of another program, which are judged in place of a model; NULL: none
  int64_t replicates;      // of the bootstrap; 0: no intervals
  training_choice trained; // what the model was trained on: rows of a final training are named so
  bool other_data;         // it was trained on other data than these
  bool detail;             // figures of evaluation_detail.h, too; needs the protocol of the whole catalogue
  bool detail_shown;       // in tables and json; a page of HTML always has them
  // The model's mixes with counts of train, and of train and validation (mix_file.h); NULL: there is none.
  const mix *mixes[2];
} evaluation_config;

// A contender: a row of the model, given vectors or a baseline.
typedef struct contender {
  const char *name;
  ranking_result result;
  interval range[RANK_PROTOCOLS][SET_METRICS]; // 95%; only with replicates
} contender;

// A row of the model minus the baseline that is best in this metric.
typedef struct paired_difference {
  int32_t best; // contender; -1: nothing to compare
  double value;
  interval range; // 95%; only with replicates
} paired_difference;

// The model's rows (alone, with counts, and with those of the validation part too) or the given vectors, if there are any,
// and the baselines.
enum { MODEL_ROWS = 3, CONTENDERS = MODEL_ROWS + BASELINES };

typedef struct evaluation_detail evaluation_detail; // evaluation_detail.h

typedef struct evaluation {
  evaluation_config c;
  dataset *d;
  ranking *questions;
  model *m; // NULL: there is none
  int32_t
      judged; // rows that are compared with the baselines: the model's or the given vectors; they come first
  int32_t items;
  int32_t metrics; // RANK_METRICS, or SET_METRICS where a question has all targets of a user
  int32_t n;       // contenders
  contender contenders[CONTENDERS];
  int32_t best[RANK_PROTOCOLS][SET_METRICS]; // contender: the best baseline
  paired_difference difference[MODEL_ROWS][RANK_PROTOCOLS][SET_METRICS];
  evaluation_detail *detail; // NULL: not asked for
  leak_suspicion suspicion;  // of the contender that is judged
  double open_seconds, count_seconds, bootstrap_seconds;
} evaluation;

// m may be NULL: baselines only, or given vectors. d, m and the vectors must outlive the evaluation.
status evaluation_run(evaluation **out, dataset *d, model *m, const evaluation_config *c);
void evaluation_free(evaluation *e); // NULL is safe

// Is row i one of a mix whose weights were learned from targets that are asked about here? Mixes are learned on the validation
// part of the data that the model was trained on.
bool evaluation_learned_here(const evaluation *e, int32_t i);

// The file for ranked lists, opened before an evaluation's work begins, so that a path that cannot be written costs no
// time.
typedef struct list_writer list_writer;
status list_writer_open(list_writer **out, const char *path);
void list_writer_abort(list_writer *w); // leaves no file; NULL is safe

// The model's ranked lists of every question as JSON lines. Frees w in every case; after an error there is no file.
//   {"user": "u1", "items": ["i7", ...], "scores": [1.25, ...], "target": "i9", "rank": 3}
// items are best first, those of the history left out; target is null where the vocabulary does not have it, and rank is
// the unsampled one, null without it. With TARGETS_ALL there are "targets" and "ranks" instead, which are lists.
status evaluation_lists(evaluation *e, int32_t k, list_writer *w);

// Where the model, or the given vectors, come from, NULL or 0 without one, and the command.
typedef struct evaluation_source {
  const char *checkpoint;
  int64_t step;
  int64_t
      tried; // configurations that were compared on validation to find this one (train/tried.h); 0: not known
  const trained_on *trained;
  const char *users, *items; // files of given vectors
  const char *command;       // that made the evaluation, for people to repeat
} evaluation_source;

status evaluation_print(const evaluation *e, const evaluation_source *s, FILE *to); // aligned tables
status evaluation_json(const evaluation *e, const evaluation_source *s,
                       json_t **out); // schema "souk.evaluation"

// The evaluation, which has details, as one page of HTML: tables, charts as inline SVG, the data set's facts and the model's
// configuration. Finishes f in every case.
status evaluation_html(const evaluation *e, const evaluation_source *s, out_file *f);

// ---- models of checkpoints ------------------------------------------------------------------------------------

// A model for evaluation with the checkpoint's parameters. d: the data set whose histories it will see; NULL: any
// sequences. device as in the options.
status checkpoint_model(model **out, const checkpoint *c, const dataset *d, int device, int32_t threads);

#endif
