// A run's configuration: sections data, model, train, optim, peft, labels and copy in one yaml file.
#ifndef SOUK_TRAIN_CONFIG_H
#define SOUK_TRAIN_CONFIG_H

#include "base/options.h"
#include "data/batcher.h"
#include "data/labelled_rows.h"
#include "model/checkpoint.h"

typedef struct train_config { // section "train"
  char out[OPTION_STRING];
  char init[OPTION_STRING];      // checkpoint or run whose parameters are the start; "": none (init.h)
  char init_from[OPTION_STRING]; // likewise, of another vocabulary (init_from.h)
  char peft_from
      [OPTION_STRING]; // adapter that tunes it already, and whose factors are trained on (peft_from.h); "": none
  char objectives[OPTION_STRING]; // what is trained; "": what model.pooler says (model/objective.h)
  char freeze[OPTION_STRING];     // patterns of parameters that are not trained; "": none (model/params.h)
  int loss;                       // item_loss_kind
  double gbce_t, label_smoothing;
  int64_t steps, epochs; // 0: no limit of this kind
  double minutes;
  bool save_frozen;   // false: checkpoints leave out what is frozen (checkpoint_base)
  int64_t accumulate; // micro-batches of a step
  int64_t eval_every, eval_users;
  char metric[OPTION_STRING]; // of the best checkpoint
  int64_t patience;           // validations without improvement that stop the run; 0: never
  int64_t save_every, keep;
  bool keep_best;
  bool background; // checkpoints are written by a thread, from a snapshot
  int64_t log_every;
  bool tensorboard;
  int64_t write_batches;  // of so many steps, for other programs (batch_file.h)
  int64_t skip_nonfinite; // steps that may be skipped because a gradient is not finite
  double peak_gflops;     // reported shares of peak refer to this; 0: measured
  int device;             // "auto|cpu|cuda"
  int matmul;             // matmul_kind
  int64_t ordinal;        // which CUDA device
  int64_t threads, seed;
  int64_t tried; // configurations that were compared on validation to find this one; 0: not said (tried.h)
} train_config;

typedef enum optim_kind { OPTIM_ADAMW, OPTIM_LAMB } optim_kind;
typedef enum lr_schedule { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_CONSTANT, SCHEDULE_POLY } lr_schedule;

typedef struct optim_config { // section "optim"
  int kind;                   // "adamw|lamb"
  double lr;
  int schedule; // "linear|cosine|constant|poly"
  double poly_power;
  int64_t warmup_steps;
  int64_t decay_steps; // 0: train.steps
  double min_lr;       // share of lr that decay ends at
  double weight_decay, beta1, beta2, eps, clip_norm;
  double
      layer_decay; // learning rates fall by this from layer to layer, downwards (params_decay_rates); 1: they do not
  double ema;     // decay of the averaged weights (train/average.h); 0: none
  bool trust_all; // LAMB: trust ratio also for what has no weight decay
  bool lazy_rows; // row-sparse updates of the word table (with sampled losses; not with LAMB)
} optim_config;

// Where a process leaves a run for a later one to go on with (--resume), before the run's own end; each 0: it does not. The
// run stays what it would be without: schedule and validations are those of the whole.
typedef struct run_pause {
  int64_t steps, epochs; // since the run's beginning
  double minutes;        // likewise
} run_pause;
extern const option pause_options[];
extern const size_t n_pause_options;

typedef struct run_config {
  data_config data;
  model_config model;
  train_config train;
  optim_config optim;
  labelled_config labels;
  // No parts of what config.yaml and checkpoints hold:
  run_pause pause;
  char base_objectives
      [OPTION_STRING]; // what the checkpoint that the run begins from was trained for (init_adopt_model; model_run); "": there is none
  char imported
      [OPTION_STRING]; // the checkpoint that train.init_from, a Hugging Face BERT, became; "": it is one itself
  char adapter
      [OPTION_STRING]; // the one that train.peft_from, a folder of Hugging Face's peft, became; "": likewise
} run_config;

// The sections over *c; sections has room for RUN_SECTIONS.
enum { RUN_SECTIONS = 7 };
size_t run_sections(run_config *c, option_section *sections);
// The configuration that a checkpoint holds, beginning with the defaults; an option that is unknown here names the version
// that wrote it.
status run_config_read(run_config *c, const checkpoint *from);
// The directory of the data set that a checkpoint was trained on, by its configuration; ERR_NOT_FOUND if it is not there.
status run_config_data(const checkpoint *from, char dir[OPTION_STRING]);
// The model of a run on a data set, resolved, with its objectives.
status train_model_config(model_config *out, const run_config *c, dataset *d);
// What the run fixes about its model.
model_run train_model_run(const run_config *c, batch_caps caps);
// Do the run's checkpoints leave out what is frozen (checkpoint_base)? Those of a tuned model always do.
bool run_leaves_out(const run_config *c);
// Does the optimiser update touched rows of the word table only?
bool run_row_sparse(const run_config *c, batch_caps caps);

// Learning rate of optimiser step `step` (from 0): linear warm-up over warmup_steps, then decay to min_lr * lr at
// decay_steps. Linear and cosine decay begin where the warm-up ends. Poly is NVIDIA's: (1 - (step + 1) /
// decay_steps)^power of the whole run, so the rate falls back a little when the warm-up ends.
double learning_rate(const optim_config *o, int64_t step, int64_t decay_steps);

#endif
