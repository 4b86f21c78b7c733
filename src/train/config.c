// A run's configuration and the learning-rate schedule.
#include "train/config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/path_kind.h"
#include "data/data_mix.h"
#include "train/run_objectives.h"

#define TR(name) offsetof(train_config, name)
static const option train_options[] = {
    {"out", OPT_STRING, TR(out), "", 0, 0, "DIR",
     "directory of the run; none: checkpoints/NAME of NAME.yaml"},
    {"init", OPT_STRING, TR(init), "", 0, 0, "DIR",
     "start from the parameters of this checkpoint or run, and take its model options; what it is tuned by "
     "is "
     "folded into them"},
    {"init_from", OPT_STRING, TR(init_from), "", 0, 0, "DIR",
     "the same from a checkpoint or run with another vocabulary, or from a Hugging Face BERT: rows go by the "
     "names of words and items, and new items begin with what their texts say, or the mean"},
    {"peft_from", OPT_STRING, TR(peft_from), "", 0, 0, "DIR",
     "with train.init: begin with this adapter, a folder of Hugging Face's peft or a run that was tuned on "
     "top "
     "of train.init, and take its section peft (rank, alpha, targets, ...)"},
    {"objectives", OPT_STRING, TR(objectives), "", 0, 0, "LIST",
     "what is trained, with weights: next_item, or next_item 1, masked_lm 0.5; none: masked_lm, with "
     "model.pooler "
     "next_session too"},
    {"loss", OPT_CHOICE, TR(loss), "softmax", 0, 0, "softmax|gbce|bce|bpr|infonce",
     "of predicting items; all but softmax need data.negatives, and infonce model.score cosine"},
    {"gbce_t", OPT_FLOAT, TR(gbce_t), "0.75", 0, 1, NULL,
     "calibration of gbce; 0: bce, 1: as if every item were a negative"},
    {"label_smoothing", OPT_FLOAT, TR(label_smoothing), "0", 0, 0.999, NULL,
     "share of the target that softmax and infonce spread over all items, or over the label and its "
     "negatives"},
    {"freeze", OPT_STRING, TR(freeze), "", 0, 0, "PATTERNS",
     "parameters that are not trained, by name: bert.embeddings.*, *.LayerNorm.*"},
    {"steps", OPT_INT, TR(steps), "1000", 0, 1e12, NULL,
     "optimiser steps; 0 or, where epochs or minutes are given, nothing: no limit of steps"},
    {"epochs", OPT_INT, TR(epochs), "0", 0, 1e9, NULL, "passes over the data; 0: no limit"},
    {"minutes", OPT_FLOAT, TR(minutes), "0", 0, 1e9, NULL, "wall time; 0: no limit"},
    {"save_frozen", OPT_BOOL, TR(save_frozen), "true", 0, 0, NULL,
     "checkpoints hold what is frozen too; false: only what is trained, and the place of train.init's "
     "checkpoint (of train.init_from's, grown: RUN/base)"},
    {"accumulate", OPT_INT, TR(accumulate), "1", 1, 4096, NULL, "micro-batches of an optimiser step"},
    {"eval_every", OPT_INT, TR(eval_every), "500", 0, 1e12, NULL, "steps between validations; 0: never"},
    {"eval_users", OPT_INT, TR(eval_users), "2000", 1, 1e12, NULL,
     "users of a validation, a fixed random subset"},
    {"metric", OPT_STRING, TR(metric), "ndcg@10", 0, 0, NULL,
     "metric that chooses the best checkpoint: hr@10, ndcg@10, mrr, loss, accuracy, ..."},
    {"patience", OPT_INT, TR(patience), "0", 0, 1e9, NULL,
     "validations without improvement that stop; 0: never"},
    {"save_every", OPT_INT, TR(save_every), "0", 0, 1e12, NULL,
     "steps between checkpoints; 0: at validations and the end"},
    {"keep", OPT_INT, TR(keep), "2", 1, 1e6, NULL, "newest checkpoints that are kept"},
    {"keep_best", OPT_BOOL, TR(keep_best), "true", 0, 0, NULL, "keep the best checkpoint beside them"},
    {"background", OPT_BOOL, TR(background), "true", 0, 0, NULL,
     "write checkpoints while training goes on, from a copy in memory"},
    {"log_every", OPT_INT, TR(log_every), "20", 1, 1e9, NULL, "steps between metric lines"},
    {"tensorboard", OPT_BOOL, TR(tensorboard), "true", 0, 0, NULL,
     "event files for TensorBoard beside metrics.jsonl"},
    {"write_batches", OPT_INT, TR(write_batches), "0", 0, 1e6, NULL,
     "write the batches of the first steps to RUN/batches.h5, for other programs; 0: none"},
    {"skip_nonfinite", OPT_INT, TR(skip_nonfinite), "0", 0, 1e9, NULL,
     "steps with a NaN or infinite gradient that may be skipped before the run stops"},
    {"peak_gflops", OPT_FLOAT, TR(peak_gflops), "0", 0, 1e9, NULL,
     "peak that the share of peak refers to; 0: the multiply-adds that the CPU's cores can do, measured at "
     "the start"},
    {"device", OPT_CHOICE, TR(device), "auto", 0, 0, "auto|cpu|cuda", "backend"},
    {"matmul", OPT_CHOICE, TR(matmul), "fp32", 0, 0, "fp32|tf32",
     "precision of matmuls on a device: tf32 is faster, with 11 significant bits instead of 24"},
    {"ordinal", OPT_INT, TR(ordinal), "0", 0, 1023, NULL, "which CUDA device, counted from 0"},
    {"threads", OPT_INT, TR(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
    {"seed", OPT_INT, TR(seed), "1", 0, 9e15, NULL, "seed of initialisation and dropout"},
    {"tried", OPT_INT, TR(tried), "0", 0, 1e12, NULL,
     "configurations that were compared on validation to find this one, which souk eval tells; souk sweep "
     "sets it"},
};

#define OP(name) offsetof(optim_config, name)
static const option optim_options[] = {
    {"kind", OPT_CHOICE, OP(kind), "adamw", 0, 0, "adamw|lamb", "update rule"},
    {"lr", OPT_FLOAT, OP(lr), "1e-3", 0, 100, NULL, "peak learning rate"},
    {"schedule", OPT_CHOICE, OP(schedule), "linear", 0, 0, "linear|cosine|constant|poly",
     "decay after the warm-up"},
    {"poly_power", OPT_FLOAT, OP(poly_power), "0.5", 0, 100, NULL, "exponent of the poly schedule"},
    {"warmup_steps", OPT_INT, OP(warmup_steps), "100", 0, 1e12, NULL, "steps of linear warm-up"},
    {"decay_steps", OPT_INT, OP(decay_steps), "0", 0, 1e12, NULL,
     "step at which decay ends; 0: the last of the run"},
    {"min_lr", OPT_FLOAT, OP(min_lr), "0", 0, 1, NULL, "share of lr at the end of the decay"},
    {"weight_decay", OPT_FLOAT, OP(weight_decay), "0.01", 0, 100, NULL,
     "decoupled; not on biases and layernorms"},
    {"layer_decay", OPT_FLOAT, OP(layer_decay), "1", 0.01, 1, NULL,
     "layer i of L learns at lr x this^(L - i), embeddings at lr x this^(L + 1), heads at lr"},
    {"beta1", OPT_FLOAT, OP(beta1), "0.9", 0, 0.99999, NULL, "decay of the first moment"},
    {"beta2", OPT_FLOAT, OP(beta2), "0.999", 0, 0.999999, NULL, "decay of the second moment"},
    {"eps", OPT_FLOAT, OP(eps), "1e-8", 1e-16, 1, NULL, "added to the root of the second moment"},
    {"ema", OPT_FLOAT, OP(ema), "0", 0, 0.9999999, NULL,
     "decay of an average of the weights, which validation, eval and export then use; 0: none"},
    {"clip_norm", OPT_FLOAT, OP(clip_norm), "1", 0, 1e9, NULL, "bound on the gradient's norm; 0: none"},
    {"trust_all", OPT_BOOL, OP(trust_all), "false", 0, 0, NULL,
     "LAMB: trust ratio also for biases and layernorms"},
    {"lazy_rows", OPT_BOOL, OP(lazy_rows), "true", 0, 0, NULL,
     "AdamW with sampled losses: update touched item rows only"},
};

#define PAUSE(name) offsetof(run_pause, name)
const option pause_options[] = {
    {"pause_steps", OPT_INT, PAUSE(steps), "0", 0, 1e12, NULL,
     "leave the run after so many of its steps, with a checkpoint; --resume goes on; 0: train to its end"},
    {"pause_epochs", OPT_INT, PAUSE(epochs), "0", 0, 1e9, NULL, "the same after so many epochs"},
    {"pause_minutes", OPT_FLOAT, PAUSE(minutes), "0", 0, 1e9, NULL,
     "the same after so many minutes of training"},
};
const size_t n_pause_options = sizeof pause_options / sizeof *pause_options;

#define SECTION(prefix, title, table, n, target) \
  { prefix, title, table, n, target }
#define COUNT(table) (sizeof(table) / sizeof *(table))
size_t run_sections(run_config *c, option_section *sections) {
  const option_section all[] = {
      SECTION("data", "Data and masking", data_options, n_data_options, &c->data),
      SECTION("model", "Model", model_options, n_model_options, &c->model),
      SECTION("train", "Training", train_options, COUNT(train_options), &c->train),
      SECTION("optim", "Optimiser", optim_options, COUNT(optim_options), &c->optim),
      SECTION("peft", "Parameter-efficient tuning", peft_options, n_peft_options, &c->model.peft),
      SECTION("labels", "Labelled rows (classify, pair)", labelled_options, n_labelled_options, &c->labels),
      SECTION("copy", "Copy", copy_options, n_copy_options, &c->data.copy),
  };
  _Static_assert(COUNT(all) == RUN_SECTIONS, "callers have room for them");
  for (size_t i = 0; i < COUNT(all); i++) sections[i] = all[i];
  return COUNT(all);
}

status run_config_read(run_config *c, const checkpoint *from) {
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(c, sections)};
  char name[OPTION_STRING + 128], writer[128] = "";
  if (strcmp(from->created_by, "souk " SOUK_VERSION) != 0 && from->created_by[0] != '\0')
    snprintf(writer, sizeof writer, " (%s wrote it, this is souk " SOUK_VERSION ")", from->created_by);
  snprintf(name, sizeof name, "%.900s/manifest.json: field \"config\"%s", from->dir, writer);
  TRY(options_defaults(&set));
  return options_yaml_text(&set, from->config_yaml, strlen(from->config_yaml), name);
}

status run_config_data(const checkpoint *from, char dir[OPTION_STRING]) {
  run_config *run;
  TRY(mem_new(&run, 1, sizeof *run, "a run's configuration"));
  const status rc = run_config_read(run, from);
  memcpy(dir, run->data.dir, OPTION_STRING);
  free(run);
  TRY(rc);
  if (dir[0] == '\0' || (path_kind_of(dir) == PATH_NOTHING && errno == ENOENT))
    return fail(ERR_NOT_FOUND, "the data set that %s was trained on (%s) is not there; --data DIR names it",
                from->dir, dir);
  return OK;
}

// What train.loss and what belongs to it cannot be together.
static status check_loss(const run_config *c, const model_config *m) {
  static const char *const names[] = {"softmax", "gbce", "bce", "bpr", "infonce"};
  const char *loss = names[c->train.loss];
  const bool softmax = c->train.loss == ITEM_SOFTMAX;
  if (!softmax && c->data.negatives == 0)
    return fail(ERR_ARGUMENT, "train.loss %s needs negatives: set data.negatives", loss);
  if (c->train.loss == ITEM_INFONCE && m->score == 0)
    return fail(ERR_ARGUMENT, "train.loss infonce compares cosine scores: set model.score cosine");
  if (c->train.label_smoothing > 0 && !softmax && c->train.loss != ITEM_INFONCE)
    return fail(ERR_ARGUMENT, "train.label_smoothing is of the losses softmax and infonce, not of %s", loss);
  if (c->train.label_smoothing > 0 && m->items != ITEMS_ID)
    return fail(
        ERR_ARGUMENT,
        "train.label_smoothing gives a share of the answer to items that were never trained on, which "
        "are no candidates with model.items content or both");
  if (c->data.negative_logq == LOGQ_CORRECTED && !(softmax && c->data.negatives > 0))
    return fail(ERR_ARGUMENT, "data.negative_logq corrected is of train.loss softmax with data.negatives");
  return OK;
}

// Where next_session is all that is trained, something has to tell right seconds from wrong ones: pairs of sessions, pairs of a history
// and an item that show others too, or shards that come with labels.
static status check_pairs(const data_config *c, dataset *d) {
  data_mix mix;
  TRY(data_mix_parse(&mix, c->mix, "data.mix"));
  const bool sessions = c->next_session && mix.weight[MIX_HISTORIES] > 0,
             items = mix.weight[MIX_PAIRS] + mix.weight[MIX_ITEM_PAIRS] > 0 && c->pair_false > 0;
  if (sessions || items || dataset_premasked(d) != NULL) return OK;
  return fail(
      ERR_ARGUMENT,
      "train.objectives: next_session has nothing to learn from: it needs data.next_session and histories in "
      "data.mix, or pairs or item_pairs in data.mix and data.pair_false above 0");
}

status train_model_config(model_config *out, const run_config *c, dataset *d) {
  const dataset_info *info = dataset_get_info(d);
  objective_list l;
  *out = c->model;
  TRY(run_objectives_list(c, out, &l));
  const bool writes = objectives_slot(&l, &objective_copy) >= 0;
  if (writes && info->range_end[RANGE_ITEMS] == info->range_end[RANGE_ATTRIBUTES])
    out->item_classes = false; // nothing is ranked
  if (writes && c->data.negatives > 0)
    return fail(ERR_ARGUMENT, "data.negatives are items, and copy is words: set it to 0");
  TRY(model_config_resolve(out, info->range_end, info->n_event_types));
  TRY(item_content_describe(out, d));
  objectives_text(&l, out->objectives);
  if (writes) out->copy_classes = info->range_end[RANGE_ATTRIBUTES];
  TRY(check_loss(c, out));
  return l.n == 1 && l.of[0] == &objective_next_session ? check_pairs(&c->data, d) : OK;
}

model_run train_model_run(const run_config *c, batch_caps caps) {
  return (model_run){.caps = caps,
                     .training = true,
                     .row_sparse = run_row_sparse(c, caps),
                     .averages = c->optim.ema > 0,
                     .threads = (int32_t)c->train.threads,
                     .device = (int32_t)c->train.ordinal,
                     .matmul = (matmul_kind)c->train.matmul,
                     .seed = (uint64_t)c->train.seed,
                     .freeze = c->train.freeze,
                     .base_objectives = c->base_objectives[0] != '\0' ? c->base_objectives : NULL,
                     .listed_rows = true,
                     .loss = {.kind = (item_loss_kind)c->train.loss,
                              .logq = (logq_kind)c->data.negative_logq,
                              .gbce_t = c->train.gbce_t,
                              .smoothing = c->train.label_smoothing}};
}

bool run_leaves_out(const run_config *c) {
  return !c->train.save_frozen || c->model.peft.kind != PEFT_NONE;
}

bool run_row_sparse(const run_config *c, batch_caps caps) {
  return c->model.items == ITEMS_ID && c->optim.lazy_rows && caps.negatives > 0 &&
         c->optim.kind == OPTIM_ADAMW;
}

double learning_rate(const optim_config *o, int64_t step, int64_t decay_steps) {
  if (step < o->warmup_steps) return o->lr * (double)(step + 1) / (double)o->warmup_steps;
  if (o->schedule == SCHEDULE_CONSTANT) return o->lr;
  const bool poly = o->schedule == SCHEDULE_POLY;
  const int64_t begin = poly ? -1 : o->warmup_steps;
  const double span = (double)(decay_steps - (poly ? 0 : begin));
  double t = span > 0 ? (double)(step - begin) / span : 1.0;
  if (t > 1.0) t = 1.0;
  double shape = 1.0 - t;
  if (o->schedule == SCHEDULE_COSINE) shape = 0.5 * (1.0 + cos(M_PI * t));
  if (poly) shape = pow(shape, o->poly_power);
  return o->lr * (o->min_lr + (1.0 - o->min_lr) * shape);
}
