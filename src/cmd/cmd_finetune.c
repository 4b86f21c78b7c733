// souk finetune --task next|rank|classify|pair|promo|mix RUN: what is trained on top of a pre-trained run.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/path_kind.h"
#include "base/threads.h"
#include "cmd/cmd.h"
#include "cmd/copy_run.h"
#include "cmd/run_options.h"
#include "cmd/run_training.h"
#include "eval/evaluation.h"
#include "eval/mix_file.h"
#include "eval/mix_learn.h"
#include "model/checkpoint_find.h"

enum { FINAL_AUTO, FINAL_NO, FINAL_YES };

enum { TASK_NEXT, TASK_MIX, TASK_CLASSIFY, TASK_PAIR, TASK_RANK, TASK_PROMO };
static int task;
static bool resume;
static const option task_options[] = {
    {"task", OPT_CHOICE, 0, "next", 0, 0, "next|mix|classify|pair|rank|promo",
     "next: go on training, to predict the next item; mix: learn how the model's scores and counts are added "
     "up; classify: labels of texts; pair: what becomes of an item that a user is shown; "
     "rank: like next, against negatives of the batch, drawn ones and those that RUN itself ranks highest; "
     "promo: to write promotion copy"},
};
static const option resume_options[] = {
    {"resume", OPT_BOOL, 0, "false", 0, 0, NULL, "continue from the new run's last checkpoint"},
};

typedef struct mix_flags {
  char data[OPTION_STRING], weights[OPTION_STRING];
  int which, device, final;
  int64_t threads;
} mix_flags;

#define MF(name) offsetof(mix_flags, name)
static const option mix_flag_options[] = {
    {"data", OPT_STRING, MF(data), "", 0, 0, "DIR",
     "prepared data set; empty: the one that the run was trained on"},
    {"weights", OPT_STRING, MF(weights), "", 0, 0, "RUN",
     "take the weights of this run's mix instead of learning them: for a run of a final training"},
    {"final", OPT_CHOICE, MF(final), "auto", 0, 0, "auto|no|yes",
     "yes: besides, counts of the train and validation parts for the same weights, for the test part and for "
     "use; "
     "auto: for a run of a final training (data.final)"},
    {"which", OPT_CHOICE, MF(which), "auto", 0, 0, WHICH_CHOICES, WHICH_HELP},
    {"device", OPT_CHOICE, MF(device), "auto", 0, 0, "auto|cpu|cuda", "backend of the model"},
    {"threads", OPT_INT, MF(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
};

static const char usage[] = "souk finetune --task next|rank RUN [CONFIG.yaml] [options of souk pretrain]\n"
                            "souk finetune --task classify|pair RUN --train FILE [--valid FILE] [options]\n"
                            "souk finetune --task promo RUN [--data.dir DATA] [options]\n"
                            "souk finetune --task mix RUN [--final yes] [options]";
static const char summary[] =
    "Trains more on top of a run (or checkpoint).\n"
    "next: goes on from its parameters to predict the next item, as souk pretrain does, in a new\n"
    "run, by default RUN-next. rank: the same with the loss of a two-tower model, p = u.v, over\n"
    "negatives that are hard (data.negatives, negative_kind, hard_negatives, hard_margin,\n"
    "hard_every and next_rows, model.temperature), by default RUN-rank. mix: learns on the validation part "
    "how the model's "
    "scores and\n"
    "sparse counts of what follows what are best added up; the mix becomes part of the\n"
    "checkpoint, souk eval reports it beside the model, and souk export takes it along.\n"
    "classify and pair: learn labels of the rows of csv, tsv or jsonl files, by default for three\n"
    "epochs at a rate of 2e-4, in RUN-classify or RUN-pair; souk eval RUN --labels FILE judges them.\n"
    "promo: learns to write the promotion copy of the data set (souk prepare --copy), by default in\n"
    "RUN-promo; where DATA has another vocabulary or longer rows the model grows into them, as with\n"
    "train.init_from.";

// ---- mix ---------------------------------------------------------------------------------------------------------

static void tell(const mix *x, const mix_learned *l, double focus) {
  const mix_config *c = mix_get_config(x);
  const mix_table *t = mix_get_table(x);
  char time[32], loss[64] = "-ln p";
  if (focus > 0) snprintf(loss, sizeof loss, "(1 - p^%.3g) / %.3g", focus, focus);
  printf("learned   from %lld validation targets and %lld candidates of theirs, in %s\n",
         (long long)l->questions, (long long)l->candidates, human_seconds(time, l->seconds));
  printf("loss      %s of the answers, mean: ", loss);
  if (l->encoder.steps > 0) printf("%.4f by the encoder alone, ", l->encoder.loss);
  printf("%.4f by counts alone, %.4f together\n", l->counts.loss, l->both.loss);
  printf("scale     %.4g x the encoder's score; popularity %+.4g ln(1 + count), %+.4g if the count is 0\n",
         c->scale, c->popularity, c->unseen);
  printf("counts    %lld pairs of %d items, at most %d weights\n", (long long)t->offsets[t->items], t->items,
         3 * c->n);
}

static status save(const checkpoint *c, dataset *d, const mix *x, int64_t memory, bool final) {
  const mix_config *as = mix_get_config(x);
  const mix_count_config count = {as->neighbours, as->window, as->distance_power, memory};
  mix_table last = {0};
  status rc = OK;
  if (final) log_doing("counting pairs of items, those of the validation part too");
  if (final) rc = mix_count(&last, d, EVAL_TEST, &count);
  if (rc == OK) rc = mix_save(c, x, final ? &last : NULL);
  mix_table_free(&last);
  return rc;
}

// Learns the mix, or takes the weights of another.
static status make_mix(mix **x, const mix_flags *f, const mix_options *o, const checkpoint *c, dataset *d) {
  model *m;
  mix_learned learned;
  if (f->weights[0] != '\0') {
    checkpoint *from;
    mix *other = NULL;
    TRY(checkpoint_open_chosen(&from, f->weights, WHICH_AUTO));
    status rc = mix_open(&other, from, false);
    if (rc == OK) rc = mix_from(x, d, mix_get_config(other), o->count.memory);
    mix_free(other);
    checkpoint_close(from);
    return rc;
  }
  if (c->state.trained.final)
    return fail(ERR_ARGUMENT,
                "%s is of a final training, which has seen the answers that a mix is learned from; --weights "
                "RUN takes "
                "the weights of the run that the options were chosen by",
                c->dir);
  TRY(checkpoint_model(&m, c, d, f->device, (int32_t)f->threads));
  const status rc = mix_learn(x, d, m, o, &learned);
  model_free(m);
  log_status_end();
  if (rc == OK) tell(*x, &learned, o->focus);
  return rc;
}

static status learn_mix(mix_flags *f, const mix_options *o, const char *where) {
  checkpoint *c = NULL;
  dataset *d = NULL;
  mix *x = NULL;
  status rc;
  TRY_GOTO(checkpoint_open_chosen(&c, where, f->which), done);
  if (f->data[0] == '\0') TRY_GOTO(run_config_data(c, f->data), done);
  log_doing("reading %s", f->data);
  TRY_GOTO(dataset_open(&d, f->data, true), done);
  TRY_GOTO(checkpoint_check_data(c, d), done);
  TRY_GOTO(make_mix(&x, f, o, c, d), done);
  const bool final = f->final == FINAL_YES || (f->final == FINAL_AUTO && c->state.trained.final);
  TRY_GOTO(save(c, d, x, o->count.memory, final), done);
  log_status_end();
  printf("written   %s/mix, counts of train%s\n", c->dir, final ? ", and of train and validation" : "");
done:
  log_status_end();
  mix_free(x);
  dataset_close(d);
  checkpoint_close(c);
  return rc;
}

static status finetune_mix(int argc, char **argv) {
  static mix_flags f;
  static mix_options o;
  const option_section sections[] = {
      {"", "Task", task_options, 1, &task},
      {"", "The mix", mix_flag_options, sizeof mix_flag_options / sizeof *mix_flag_options, &f},
      {"mix", "Counts and learning", mix_option_table, n_mix_options, &o}};
  const option_set set = {.usage = usage, .summary = summary, .sections = sections, .count = 3};
  const char *where;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &where, 1, &n, &help));
  if (help) return OK;
  if (n == 0) return fail(ERR_ARGUMENT, "souk finetune needs a run or a checkpoint; --help tells more");
  threads_use(f.threads);
  return learn_mix(&f, &o, where);
}

// ---- next, rank, classify, pair, promo --------------------------------------------------------------------------------------------------------

static const char *const objectives_of_tasks[] = {[TASK_NEXT] = "next_item",
                                                  [TASK_RANK] = "next_item",
                                                  [TASK_CLASSIFY] = "classify",
                                                  [TASK_PAIR] = "pair",
                                                  [TASK_PROMO] = "copy"};
static const char *const metrics_of_tasks[] = {[TASK_NEXT] = "",
                                               [TASK_RANK] = "",
                                               [TASK_CLASSIFY] = "f1_macro",
                                               [TASK_PAIR] = "auc",
                                               [TASK_PROMO] = "loss"};
static const char *const places_of_tasks[] = {[TASK_NEXT] = "next",
                                              [TASK_RANK] = "rank",
                                              [TASK_CLASSIFY] = "classify",
                                              [TASK_PAIR] = "pair",
                                              [TASK_PROMO] = "promo"};

// RUN-next, from RUN's best checkpoint, on its data set.
// data: the data set that the command line names, "": the run's.
static status beginning_of(run_beginning *p, const char *where, const char *data) {
  checkpoint *c;
  size_t n = strlen(where);
  while (n > 1 && where[n - 1] == '/') n--;
  if (n + sizeof "-classify" > sizeof p->out) return fail(ERR_ARGUMENT, "path too long: %.60s...", where);
  snprintf(p->init, sizeof p->init, "%s", where);
  snprintf(p->out, sizeof p->out, "%.*s-%s", (int)n, where, places_of_tasks[task]);
  snprintf(p->objectives, sizeof p->objectives, "%s", objectives_of_tasks[task]);
  snprintf(p->metric, sizeof p->metric, "%s", metrics_of_tasks[task]);
  p->ranks = task == TASK_RANK;
  TRY(checkpoint_open_chosen(&c, where, WHICH_AUTO));
  if (data[0] != '\0')
    snprintf(p->data, sizeof p->data, "%s", data);
  else if (run_config_data(c, p->data) != OK)
    p->data[0] = '\0'; // a configuration file may name one
  const status rc = task == TASK_PROMO ? copy_beginning(p, c) : OK;
  checkpoint_close(c);
  return rc;
}

static status finetune_next(int argc, char **argv) {
  static run_config c;
  static run_beginning begin;
  option_section sections[RUN_SECTIONS + 3];
  const size_t n_sections = run_sections(&c, sections);
  const option_set run_options = {.sections = sections, .count = n_sections};
  sections[n_sections] = (option_section){"", "Task", task_options, 1, &task};
  sections[n_sections + 1] = (option_section){"", "This run", resume_options, 1, &resume};
  sections[n_sections + 2] = (option_section){"", "", pause_options, n_pause_options, &c.pause};
  const option_set set = {.usage = usage, .summary = summary, .sections = sections, .count = n_sections + 3};
  const char *given[2];
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, given, 2, &n, &help));
  if (help) return OK;
  if (n == 0) return fail(ERR_ARGUMENT, "souk finetune needs a run or a checkpoint; --help tells more");
  TRY(beginning_of(&begin, given[0], c.data.dir));
  TRY(run_options_read(&set, &c, &resume, &begin, argc, argv, &help));
  if ((task == TASK_CLASSIFY || task == TASK_PAIR) && c.labels.train[0] == '\0')
    return fail(ERR_ARGUMENT, "--task %s needs labels.train, the labelled rows (--train FILE)",
                objectives_of_tasks[task]);
  return run_training(&c, &run_options, resume);
}

// ---- the command -------------------------------------------------------------------------------------------------

// The task decides which options there are, so it is looked for before they are read.
static bool asks_for_mix(int argc, char **argv) {
  bool is_mix = false;
  for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--task") == 0 && i + 1 < argc) is_mix = strcmp(argv[i + 1], "mix") == 0;
    if (strncmp(argv[i], "--task=", 7) == 0) is_mix = strcmp(argv[i] + 7, "mix") == 0;
  }
  return is_mix;
}

status cmd_finetune(int argc, char **argv) {
  return asks_for_mix(argc, argv) ? finetune_mix(argc, argv) : finetune_next(argc, argv);
}
