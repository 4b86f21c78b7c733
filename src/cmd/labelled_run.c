// Runs on labelled rows; see labelled_run.h.
#include "cmd/labelled_run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cmd/labelled_pseudo.h"
#include "data/item_texts.h"
#include "data/tokenizer.h"
#include "model/checkpoint_find.h"
#include "model/objectives/label_head.h"
#include "prepare/labelled_read.h"
#include "train/label_validation.h"

// Everything that is open while such a run is set up and trained.
struct labelled_run {
  run_config *c;
  bool pair;
  dataset *d;
  checkpoint *from; // that it begins from, or goes on from
  bool goes_on;
  word_tokenizer *words;
  label_set labels;
  labelled_rows train, valid;
  json_t *about; // counts of the rows, for the checkpoints
  char plot[PATH_MAX];
};

// ---- the data set --------------------------------------------------------------------------------------------

static status vocabulary_of(dataset **out, const checkpoint *c) {
  char path[PATH_MAX];
  vocab *v;
  dataset_info info = c->data;
  TRY(path_join(path, sizeof path, c->dir, "vocab.tsv"));
  TRY(vocab_read(&v, path, info.range_end));
  info.sequences = 0;
  return dataset_of_vocab(out, &info, v);
}

status labelled_dataset(dataset **out, const checkpoint *c, const char *dir, bool needs_histories) {
  char found[OPTION_STRING];
  snprintf(found, sizeof found, "%s", dir);
  if (found[0] == '\0' && run_config_data(c, found) != OK) found[0] = '\0';
  if (found[0] == '\0' && needs_histories)
    return fail(ERR_NOT_FOUND,
                "the data set that %s was trained on is not there, and labels.user needs its histories; "
                "--data.dir DIR names it",
                c->dir);
  if (found[0] == '\0') {
    TRY(vocabulary_of(out, c));
  } else {
    log_doing("reading %s", found);
    TRY(dataset_open(out, found, false));
  }
  if (dataset_tokenizer(*out) == NULL) dataset_set_tokenizer(*out, c->tokenizer);
  return OK;
}

// ---- what it begins from -------------------------------------------------------------------------------------

static status open_beginning(labelled_run *r, bool resume) {
  const train_config *t = &r->c->train;
  char dir[PATH_MAX];
  r->goes_on = resume && checkpoint_choose(dir, sizeof dir, t->out, WHICH_LAST) == OK;
  if (r->goes_on) return checkpoint_open(&r->from, dir);
  if (t->init[0] == '\0')
    return fail(ERR_ARGUMENT,
                "labels.train: labels are learned on top of a run; souk finetune --task classify|pair RUN "
                "begins from its parameters (train.init)");
  return checkpoint_open_chosen(&r->from, t->init, WHICH_AUTO);
}

// A run that has labels of this kind goes on with them. One of the other task has a classifier that means something else.
static status take_labels(labelled_run *r) {
  const char *task = r->pair ? "pair" : "classify";
  if (r->from->labels == NULL) return OK;
  TRY(checkpoint_label_set(&r->labels, r->from));
  return strcmp(r->labels.task, task) == 0
             ? OK
             : fail(ERR_ARGUMENT,
                    "%s was trained for %s, and its labels are not those of %s; begin from the run that it "
                    "began from",
                    r->from->dir, r->labels.task, task);
}

// ---- rows ----------------------------------------------------------------------------------------------------

static status note(labelled_run *r, const char *what, const labelled_report *report) {
  json_t *j = labelled_report_json(report, &r->labels);
  return j != NULL && json_object_set_new(r->about, what, j) == 0
             ? OK
             : fail(ERR_MEMORY, "out of memory: the report on labelled rows");
}

static status read_labelled(labelled_run *r, const seq_layout *layout, labelled_rows *to, const char *files,
                            const char *source, const char *what) {
  labelled_report report;
  const labelled_how how = {
      .c = &r->c->labels, .pair = r->pair, .layout = layout, .d = r->d, .words = r->words};
  log_doing("reading %s", files);
  TRY(labelled_read(to, &r->labels, &report, &how, files, source));
  labelled_tell(&report, &r->labels, source);
  const status rc = note(r, what, &report);
  labelled_report_free(&report);
  return rc;
}

static status read_unlabelled(labelled_run *r, const seq_layout *layout) {
  labelled_rows rest = {.n = 0};
  labelled_report report;
  const labelled_how how = {.c = &r->c->labels,
                            .pair = r->pair,
                            .layout = layout,
                            .d = r->d,
                            .words = r->words,
                            .unlabelled = true};
  TRY(labelled_read(&rest, &r->labels, &report, &how, r->c->labels.unlabelled, "labels.unlabelled"));
  status rc = note(r, "unlabelled", &report);
  labelled_report_free(&report);
  if (rc == OK) rc = labelled_add_pseudo(&r->train, &rest, &r->labels, r->c, r->about);
  labelled_free(&rest);
  return rc;
}

static status note_number(labelled_run *r, const char *name, int64_t n) {
  return json_object_set_new(r->about, name, json_integer((json_int_t)n)) == 0
             ? OK
             : fail(ERR_MEMORY, "out of memory: the report on labelled rows");
}

// Labels that no training row has: their few rows are held out, or a column has no value at all.
static status note_untrained(labelled_run *r) {
  int64_t untrained = 0, first = -1, counts[MOST_LABELS] = {0};
  for (int64_t i = 0; i < r->train.n * r->train.targets; i++) {
    const int32_t label = r->train.labels[i];
    if (label >= 0) counts[r->labels.single ? label : (int32_t)(i % r->train.targets)]++;
  }
  for (int32_t k = r->labels.n - 1; k >= 0; k--) {
    if (counts[k] > 0) continue;
    untrained++;
    first = k;
  }
  if (untrained > 0)
    log_warn("labels.train: %lld of %d labels have no row to train on (the first: %s); nothing is learned of "
             "them",
             (long long)untrained, r->labels.n, r->labels.names[first]);
  return note_number(r, "untrained", untrained);
}

static status hold_out(labelled_run *r) {
  const labelled_config *l = &r->c->labels;
  TRY(labelled_hold_out(&r->train, l->valid_share, (uint64_t)r->c->data.seed, &r->valid));
  log_info("labels.valid_share %g: %lld of %lld rows are held out to validate on", l->valid_share,
           (long long)r->valid.n, (long long)(r->train.n + r->valid.n));
  return note_number(r, "held_out", r->valid.n);
}

static status read_all(labelled_run *r, const seq_layout *layout) {
  const labelled_config *l = &r->c->labels;
  TRY(read_labelled(r, layout, &r->train, l->train, "labels.train", "train"));
  if (l->valid[0] != '\0')
    TRY(read_labelled(r, layout, &r->valid, l->valid, "labels.valid", "valid"));
  else if (l->valid_share > 0)
    TRY(hold_out(r));
  if (r->train.n == 0) return fail(ERR_ARGUMENT, "labels.train: there is no row to train on");
  TRY(note_untrained(r));
  if (l->unlabelled[0] != '\0') TRY(read_unlabelled(r, layout));
  if (l->weights == LABEL_WEIGHTS_EVEN && r->labels.single)
    return fail(ERR_ARGUMENT,
                "labels.weights = even weighs several labels, and there is one; auto weighs its classes");
  if (l->weights == LABEL_WEIGHTS_AUTO) labelled_balance(&r->train, &r->labels);
  if (l->weights == LABEL_WEIGHTS_EVEN) labelled_even(&r->train);
  return OK;
}

// A resumed run goes on in the middle of an epoch of the same rows.
static status check_same_rows(labelled_run *r) {
  char hex[65];
  labelled_checksum(&r->train, hex);
  const char *was = r->goes_on ? json_string_value(json_object_get(r->from->labels, "rows")) : NULL;
  if (json_object_set_new(r->about, "rows", json_string(hex)) != 0)
    return fail(ERR_MEMORY, "out of memory: the report on labelled rows");
  return was == NULL || strcmp(was, hex) == 0
             ? OK
             : fail(ERR_ARGUMENT,
                    "labels.train: these are not the rows that %s was trained on; --resume goes on with the "
                    "same ones, train.init starts a new run from its parameters",
                    r->from->dir);
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status open_all(labelled_run *r, bool resume) {
  run_config *c = r->c;
  objective_list l;
  model_config mc;
  TRY(objectives_parse(&l, c->train.objectives, "train.objectives"));
  const objective *of = objectives_labels(&l);
  if (of == NULL || l.n != 1)
    return fail(ERR_ARGUMENT,
                "labels.train: train.objectives must be classify or pair, which labelled rows are for, and "
                "nothing else");
  r->pair = of == &objective_pair;
  TRY(open_beginning(r, resume));
  TRY(take_labels(r));
  TRY(labelled_dataset(&r->d, r->from, c->data.dir, r->pair && c->labels.user[0] != '\0'));
  TRY(train_model_config(&mc, c, r->d));
  if (!mc.cls_sep) return fail(ERR_ARGUMENT, "labels are read at [CLS]: they need model.cls_sep = true");
  const seq_layout layout = model_layout(&mc);
  if (vocab_end(dataset_vocab(r->d), RANGE_WORDS) > vocab_begin(dataset_vocab(r->d), RANGE_WORDS))
    TRY(tokenizer_open(&r->words, dataset_vocab(r->d), dataset_tokenizer(r->d)));
  TRY(read_all(r, &layout));
  TRY(check_same_rows(r));
  c->model.labels = r->labels.n;
  c->model.label_kind = r->labels.single ? LABELS_SINGLE : LABELS_SEVERAL;
  dataset_set_labelled(r->d, &r->train);
  return labels_publish(r->d, &r->labels, r->about);
}

static status train(labelled_run *r, const option_set *options, bool resume) {
  label_validator v = {
      .d = r->d, .rows = &r->valid, .labels = &r->labels, .about = r->about, .plot = r->plot};
  const bool validates = r->c->train.eval_every > 0 && r->valid.n > 0;
  if (validates) TRY(label_validator_open(&v, r->c));
  if (validates) TRY(path_join(r->plot, sizeof r->plot, r->c->train.out, "calibration.svg"));
  if (r->c->train.eval_every > 0 && r->valid.n == 0)
    log_info("there are no validation rows (labels.valid), so the run goes without validation and has no "
             "best checkpoint");
  return train_run(r->c, options, r->d, dist_single(), resume, validates ? &v.base : NULL);
}

status labelled_open(labelled_run **out, run_config *c, bool resume) {
  labelled_run *r;
  *out = NULL;
  TRY(mem_new(&r, 1, sizeof *r, "a run"));
  r->c = c;
  r->about = json_object();
  const status rc = open_all(r, resume);
  if (rc == OK)
    *out = r;
  else
    labelled_close(r);
  return rc;
}

dataset *labelled_data(const labelled_run *r) {
  return r->d;
}

// What a validation takes: logits, probabilities of both kinds, and a label's rows by probability.
static double validation_bytes(const labelled_run *r) {
  const double n = (double)r->valid.n;
  return n * r->labels.n * (sizeof(float) + sizeof(double)) + n * 2 * sizeof(double);
}

// The rows twice, while some are held out; of pairs of users also what finds a user's history by name. A teacher's
// model is gone before the run's own is there, which is as large.
static double reading_bytes(const labelled_run *r, bool users) {
  enum { BYTES_A_NAME = 48, BLOCKS = 4 << 20 };
  const double kept = labelled_bytes(&r->train) + labelled_bytes(&r->valid);
  return 2 * kept + BLOCKS + (users ? (double)dataset_get_info(r->d)->sequences * BYTES_A_NAME : 0);
}

labelled_memory labelled_held(const labelled_run *r) {
  const bool users = r->pair && r->c->labels.user[0] != '\0';
  const item_texts *t = NULL;
  labelled_memory m = {.users = users, .valid_rows = labelled_bytes(&r->valid)};
  if (r->words != NULL) m.words = (double)word_tokenizer_bytes(r->words);
  if (r->pair && r->c->model.items == ITEMS_ID && dataset_item_texts(r->d, &t) == OK)
    m.texts = item_texts_bytes(t);
  if (r->c->train.eval_every > 0) m.valid_pass = validation_bytes(r);
  m.reading = reading_bytes(r, users);
  return m;
}

void labelled_close(labelled_run *r) {
  if (r == NULL) return;
  labelled_free(&r->train);
  labelled_free(&r->valid);
  label_set_free(&r->labels);
  word_tokenizer_free(r->words);
  json_decref(r->about);
  dataset_close(r->d);
  checkpoint_close(r->from);
  free(r);
}

status labelled_training(run_config *c, const option_set *options, bool resume) {
  labelled_run *r;
  mem_return_large();
  threads_use(c->train.threads);
  TRY(labelled_open(&r, c, resume));
  const status rc = train(r, options, resume);
  labelled_close(r);
  return rc;
}
