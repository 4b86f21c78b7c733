// souk eval RUN: ranking quality of a model beside counting baselines, with --labels how good its labels are, or with --copy how
// good copy is.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/path_kind.h"
#include "base/shell.h"
#include "base/threads.h"
#include "cmd/cmd.h"
#include "cmd/eval_copy_policy.h"
#include "cmd/eval_copy_run.h"
#include "cmd/eval_labels.h"
#include "eval/evaluation.h"
#include "eval/mix_file.h"
#include "train/config.h"
#include "train/tried.h"
#include "model/checkpoint_find.h"
#include "model/objective.h"

typedef struct eval_flags {
  char data[OPTION_STRING], protocols[OPTION_STRING], lists[OPTION_STRING];
  char user_vectors[OPTION_STRING], item_vectors[OPTION_STRING];
  int part, reading, which, weights, device;
  int64_t users, negatives, seed, bootstrap, k, threads;
  char report[OPTION_STRING], labels[OPTION_STRING], figures[OPTION_STRING], plot[OPTION_STRING];
  bool mix, loss, filter_history, baselines_only, json, other_data, detail;
} eval_flags;

#define FLAG(name) offsetof(eval_flags, name)
static const option flag_options[] = {
    {"data", OPT_STRING, FLAG(data), "", 0, 0, "DIR",
     "prepared data set; empty: the one that the run was trained on"},
    {"other_data", OPT_BOOL, FLAG(other_data), "false", 0, 0, NULL,
     "the data may be others than the model was trained on, whose training may have seen what is held out "
     "here"},
    {"part", OPT_CHOICE, FLAG(part), "test", 0, 0, "valid|test", "held-out part"},
    {"targets", OPT_CHOICE, FLAG(reading), "next", 0, 0, TARGET_READINGS,
     "several targets of a user: one question after the other, each with all that precedes it, or all in one "
     "question"},
    {"which", OPT_CHOICE, FLAG(which), "auto", 0, 0, WHICH_CHOICES, WHICH_HELP},
    {"weights", OPT_CHOICE, FLAG(weights), "averaged", 0, 0, WEIGHTS_CHOICES, WEIGHTS_HELP},
    {"users", OPT_INT, FLAG(users), "0", 0, 1e12, NULL, "a random subset of this many users; 0: all"},
    {"protocols", OPT_STRING, FLAG(protocols), "full,uniform,popularity", 0, 0, NULL,
     "candidates: full (catalogue), uniform, popularity (negatives)"},
    {"negatives", OPT_INT, FLAG(negatives), "100", 1, 1 << 20, NULL,
     "negatives of each question in the sampled protocols"},
    {"filter_history", OPT_BOOL, FLAG(filter_history), "true", 0, 0, NULL,
     "items of the history are not candidates (except the target)"},
    {"mix", OPT_BOOL, FLAG(mix), "true", 0, 0, NULL,
     "the model with its mix with counts too, where souk finetune has made one"},
    {"loss", OPT_BOOL, FLAG(loss), "true", 0, 0, NULL, "loss and accuracy of the model too"},
    {"bootstrap", OPT_INT, FLAG(bootstrap), "1000", 0, 1e6, NULL,
     "replicates for 95% intervals; 0: no intervals"},
    {"seed", OPT_INT, FLAG(seed), "1", 0, 9e15, NULL, "of users, negatives, ties and replicates"},
    {"baselines_only", OPT_BOOL, FLAG(baselines_only), "false", 0, 0, NULL, "without a model; needs --data"},
    {"user_vectors", OPT_STRING, FLAG(user_vectors), "", 0, 0, "FILE",
     "vectors of another program in place of a model: .npy of float32 [users, width], rows as in the data "
     "set's users.tsv; needs --data"},
    {"item_vectors", OPT_STRING, FLAG(item_vectors), "", 0, 0, "FILE",
     "the same of the items, in the order of vocab.tsv; the score of an item is the product of the two"},
    {"json", OPT_BOOL, FLAG(json), "false", 0, 0, NULL, "print json instead of tables"},
    {"detail", OPT_BOOL, FLAG(detail), "false", 0, 0, NULL,
     "coverage, novelty and popularity of ranked lists, and figures by length of the history and frequency "
     "of the "
     "target, too"},
    {"report", OPT_STRING, FLAG(report), "", 0, 0, "FILE",
     "one page of HTML with all of it, the details too, intervals drawn"},
    {"labels", OPT_STRING, FLAG(labels), "", 0, 0, "FILE",
     "of a run on labels: how good they are on these rows, whose columns are called as in the run's"},
    {"figures", OPT_STRING, FLAG(figures), "", 0, 0, "FILE",
     "--labels, --copy_text: file for all figures, as json"},
    {"plot", OPT_STRING, FLAG(plot), "", 0, 0, "FILE", "--labels: picture of the calibration, as svg"},
    {"lists", OPT_STRING, FLAG(lists), "", 0, 0, "FILE", "file for the model's ranked lists, as JSON lines"},
    {"k", OPT_INT, FLAG(k), "20", 1, 1e6, NULL, "items of a ranked list"},
    {"device", OPT_CHOICE, FLAG(device), "auto", 0, 0, "auto|cpu|cuda", "backend of the model"},
    {"threads", OPT_INT, FLAG(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
};
// So that --data.dir, which souk pretrain takes, works here too.
static const option data_option[] = {
    {"dir", OPT_STRING, FLAG(data), "", 0, 0, "DIR", "the same as --data"},
};

// "full,uniform" into protocols[].
static status parse_protocols(const char *text, bool protocols[RANK_PROTOCOLS]) {
  bool any = false;
  for (const char *p = text;; p++) {
    const size_t n = strcspn(p, ",");
    int32_t k = 0;
    while (k < RANK_PROTOCOLS &&
           (strlen(rank_protocol_names[k]) != n || strncmp(rank_protocol_names[k], p, n) != 0))
      k++;
    if (k == RANK_PROTOCOLS)
      return fail(ERR_ARGUMENT, "protocols: \"%.*s\" is not one of full, uniform, popularity", (int)n, p);
    protocols[k] = any = true;
    p += n;
    if (*p == '\0') break;
  }
  return any ? OK : fail(ERR_ARGUMENT, "protocols names none; full, uniform and popularity are known");
}

static status print(const eval_flags *f, const evaluation *e, const evaluation_source *source) {
  if (!f->json) {
    TRY(evaluation_print(e, source, stdout));
  } else {
    json_t *j;
    TRY(evaluation_json(e, source, &j));
    char *text = json_dumps(j, JSON_INDENT(1));
    json_decref(j);
    if (text == NULL) return fail(ERR_MEMORY, "out of memory: the evaluation as json");
    puts(text);
    free(text);
  }
  return fflush(stdout) == 0 ? OK : fail(ERR_IO, "cannot write the evaluation: %s", strerror(errno));
}

// Files beside the figures, opened before any work, so that a path that cannot be written costs no time. NULL: none.
typedef struct outputs {
  list_writer *lists;
  out_file *report;
  char *command; // for the report
} outputs;

static status outputs_open(outputs *o, const eval_flags *f) {
  const named_path paths[] = {{"--lists", f->lists}, {"--report", f->report}};
  TRY(paths_check_distinct(paths, sizeof paths / sizeof *paths));
  if (f->lists[0] != '\0') TRY(list_writer_open(&o->lists, f->lists));
  return f->report[0] != '\0' ? out_open(&o->report, f->report) : OK;
}

// What was not written leaves no file.
static void outputs_close(outputs *o) {
  list_writer_abort(o->lists);
  out_abort(o->report);
  free(o->command);
}

// Prints before it writes files, so that the figures are there whatever becomes of these.
static status tell(const eval_flags *f, evaluation *e, const evaluation_source *source, outputs *to) {
  TRY(print(f, e, source));
  out_file *const report = to->report;
  list_writer *const lists = to->lists;
  to->report = NULL;
  if (report != NULL) TRY(evaluation_html(e, source, report));
  to->lists = NULL;
  return lists != NULL ? evaluation_lists(e, (int32_t)f->k, lists) : OK;
}

static status evaluate(const eval_flags *f, evaluation_config *config, dataset *d, const checkpoint *c,
                       outputs *to) {
  trained_on trained = {.parts = TRAINED_HERE};
  int64_t tried = 0;
  model *m = NULL;
  evaluation *e = NULL;
  status rc = OK;
  TRY(leaks_check_data(d));
  if (c != NULL) TRY(trained_on_compare(&trained, c, d, f->other_data));
  if (c != NULL) TRY(trained_on_settle(&trained, d, config->ranking.query.part));
  if (c != NULL) config->trained = c->state.trained;
  config->other_data = c != NULL && trained.parts != TRAINED_HERE;
  if (c != NULL) TRY(tried_before(&tried, c));
  if (c != NULL) TRY(checkpoint_model(&m, c, d, f->device, (int32_t)f->threads));
  TRY_GOTO(evaluation_run(&e, d, m, config), done);
  const evaluation_source source = {.checkpoint = c != NULL ? c->dir : NULL,
                                    .step = c != NULL ? c->state.step : 0,
                                    .tried = tried,
                                    .trained = c != NULL ? &trained : NULL,
                                    .users = f->user_vectors,
                                    .items = f->item_vectors,
                                    .command = to->command};
  rc = tell(f, e, &source, to);
done:
  evaluation_free(e);
  model_free(m);
  return rc;
}

static bool has_vectors(const eval_flags *f) {
  return f->user_vectors[0] != '\0' || f->item_vectors[0] != '\0';
}

// One of a model, given vectors and --baselines-only, with what it needs.
static status check_subject(const eval_flags *f, const char *where) {
  const bool vectors = has_vectors(f);
  if (where == NULL && !f->baselines_only && !vectors)
    return fail(ERR_ARGUMENT,
                "souk eval needs a run or a checkpoint, or --baselines-only; --help tells more");
  if (where != NULL && (f->baselines_only || vectors))
    return fail(ERR_ARGUMENT, "%s evaluates no model, so %s is one argument too many",
                vectors ? "--user_vectors" : "--baselines-only", where);
  if (vectors && f->baselines_only)
    return fail(ERR_ARGUMENT, "--baselines-only evaluates no vectors; leave it or --user_vectors out");
  if (vectors && (f->user_vectors[0] == '\0' || f->item_vectors[0] == '\0'))
    return fail(ERR_ARGUMENT, "--user_vectors and --item_vectors are needed together");
  if (where == NULL && f->data[0] == '\0')
    return fail(ERR_ARGUMENT, "%s needs --data DIR", vectors ? "--user_vectors" : "--baselines-only");
  if (where == NULL && f->lists[0] != '\0')
    return fail(ERR_ARGUMENT, "--lists writes a model's lists; there is no model");
  return OK;
}

// The mixes of the checkpoint: that with final counts has seen the answers of the validation part.
static status open_mixes(const eval_flags *f, const evaluation_config *config, const checkpoint *c,
                         mix *mixes[2]) {
  for (int final = 0; f->mix && c != NULL && final < 2; final++)
    if (mix_is_there(c, final == 1) && (final == 0 || config->ranking.query.part == EVAL_TEST))
      TRY(mix_open(&mixes[final], c, final == 1));
  return OK;
}

// A run on labels ranks nothing.
static status check_ranks(const checkpoint *c) {
  objective_list l;
  TRY(objectives_of(&l, &c->model));
  return c->labels == NULL || objectives_ranking(&l) != NULL
             ? OK
             : fail(ERR_ARGUMENT,
                    "%s was trained on labels and ranks no items: --labels FILE says how good these are",
                    c->dir);
}

static status open_and_evaluate(eval_flags *f, evaluation_config *config, const char *where, outputs *to) {
  checkpoint *c = NULL;
  dataset *d = NULL;
  mix *mixes[2] = {NULL, NULL};
  status rc = OK;
  TRY_GOTO(outputs_open(to, f), done);
  if (where != NULL) TRY_GOTO(checkpoint_open_chosen(&c, where, f->which), done);
  if (c != NULL) TRY_GOTO(check_ranks(c), done);
  if (f->data[0] == '\0' && c != NULL) TRY_GOTO(run_config_data(c, f->data), done);
  log_doing("reading %s", f->data);
  TRY_GOTO(dataset_open(&d, f->data, true), done);
  if (c != NULL) c->raw = f->weights == WEIGHTS_RAW;
  if (c != NULL) checkpoint_warn_untrained_ranking(c);
  if (has_vectors(f))
    TRY_GOTO(
        given_vectors_read(&config->vectors, d, (target_reading)f->reading, f->user_vectors, f->item_vectors),
        done);
  TRY_GOTO(open_mixes(f, config, c, mixes), done);
  for (int i = 0; i < 2; i++) config->mixes[i] = mixes[i];
  rc = evaluate(f, config, d, c, to);
done:
  for (int i = 0; i < 2; i++) mix_free(mixes[i]);
  given_vectors_free(config->vectors);
  outputs_close(to);
  dataset_close(d);
  checkpoint_close(c);
  return rc;
}

static status judge_labels(const eval_flags *f, const char *where) {
  if (where == NULL) return fail(ERR_ARGUMENT, "souk eval --labels needs a run or a checkpoint");
  const eval_labels_how how = {.where = where,
                               .labels = f->labels,
                               .data = f->data,
                               .figures = f->figures,
                               .plot = f->plot,
                               .which = f->which,
                               .device = f->device,
                               .raw = f->weights == WEIGHTS_RAW,
                               .json = f->json,
                               .threads = (int32_t)f->threads};
  threads_use(f->threads);
  return eval_labels(&how);
}

// The options of copy, and how it is decoded.
typedef struct copy_flags {
  eval_copy_flags of;
  copy_decoding decoding;
} copy_flags;

static status judge_run(const eval_flags *f, const copy_flags *o, const char *where,
                        const eval_copy_how *how) {
  const eval_copy_run_how run = {.where = where,
                                 .data = f->data,
                                 .which = f->which,
                                 .device = f->device,
                                 .part = f->part,
                                 .raw = f->weights == WEIGHTS_RAW,
                                 .other_data = f->other_data,
                                 .threads = (int32_t)f->threads};
  if (where == NULL) return fail(ERR_ARGUMENT, "souk eval --copy needs a run or a checkpoint");
  return eval_copy_run(&run, &o->decoding, &o->of, how);
}

static status judge_copy(const eval_flags *f, const copy_flags *o, const char *where, int argc, char **argv) {
  char *typed;
  if (where != NULL && o->of.text[0] != '\0')
    return fail(ERR_ARGUMENT, "--copy_text evaluates no model, so %s is one argument too many", where);
  if (f->labels[0] != '\0' || f->plot[0] != '\0' || f->lists[0] != '\0')
    return fail(ERR_ARGUMENT, "--labels, --plot and --lists are of other models than those that write copy");
  TRY(eval_copy_unused(&o->of));
  TRY(shell_command(&typed, "souk eval", argc, argv));
  const eval_copy_how how = {.figures = f->figures,
                             .report = f->report,
                             .command = typed,
                             .json = f->json,
                             .replicates = f->bootstrap,
                             .seed = f->seed};
  threads_use(f->threads);
  const status rc = o->of.text[0] != '\0' ? eval_copy_text(&o->of, &how) : judge_run(f, o, where, &how);
  free(typed);
  return rc;
}

static status judge_policy(const eval_flags *f, const eval_policy_flags *o, const char *where) {
  const eval_copy_run_how run = {.where = where,
                                 .data = o->data,
                                 .which = f->which,
                                 .device = f->device,
                                 .part = f->part,
                                 .raw = f->weights == WEIGHTS_RAW,
                                 .threads = (int32_t)f->threads};
  const eval_copy_how how = {
      .figures = f->figures, .json = f->json, .replicates = f->bootstrap, .seed = f->seed};
  if (where == NULL) return fail(ERR_ARGUMENT, "souk eval --copy_policy needs a run or a checkpoint");
  threads_use(f->threads);
  return eval_copy_policy(&run, o, &how);
}

status cmd_eval(int argc, char **argv) {
  static eval_policy_flags policy;
  static eval_flags f;
  static evaluation_config c;
  static copy_flags copy;
  outputs to = {.lists = NULL};
  option_section sections[] = {
      {"", "This evaluation", flag_options, sizeof flag_options / sizeof *flag_options, &f},
      {"data", "Data", data_option, 1, &f},
      {"baselines", "Counting baselines", baseline_options, n_baseline_options, &c.baselines},
      {"", "Copy", eval_copy_options, n_eval_copy_options, &copy.of},
      {"", "Copy as a policy", eval_policy_options, n_eval_policy_options, &policy},
      {"", "How --copy is written", copy_decoding_options, n_copy_decoding_options, &copy.decoding},
  };
  const option_set set = {
      .usage = "souk eval RUN|CHECKPOINT [--data DIR] [--part test|valid] [options]\n"
               "souk eval RUN|CHECKPOINT --labels FILE [--figures FILE] [--plot FILE.svg]\n"
               "souk eval RUN|CHECKPOINT --copy [--generated FILE.jsonl] [--decode beam] [--report FILE]\n"
               "souk eval RUN|CHECKPOINT --copy_policy DIR [--policy_truth FILE] [--figures FILE]\n"
               "souk eval --copy_text FILE --reference FILE [--language zh] [--figures FILE] [--report FILE]",
      .summary =
          "Ranks the held-out items of a data set by a model and, always beside it, by counting baselines:\n"
          "HR, NDCG and MRR over the whole catalogue and among sampled negatives, with bootstrap intervals.\n"
          "With --labels: AUC, log loss, calibration, accuracy, F1 and confusion of a run on labels.\n"
          "With --copy and --copy_text: BLEU, ROUGE-L, distinct-n and repetition of copy beside references.\n"
          "With --copy_policy: the clicks that a model of copy would earn, from a log of impressions: SNIPS "
          "and IPS with\n"
          "intervals by user and the effective sample.",
      .sections = sections,
      .count = sizeof sections / sizeof *sections};
  const char *where = NULL;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &where, 1, &n, &help));
  if (help) return OK;
  TRY(copy_decoding_check(&copy.decoding, copy.of.copy));
  if (policy.data[0] != '\0' && (copy.of.copy || copy.of.text[0] != '\0'))
    return fail(ERR_ARGUMENT, "--copy_policy is asked for alone, without --copy and --copy_text");
  if (policy.data[0] != '\0') TRY(eval_copy_unused(&copy.of));
  if (policy.data[0] != '\0') return judge_policy(&f, &policy, n == 1 ? where : NULL);
  if (policy.truth[0] != '\0') return fail(ERR_ARGUMENT, "--policy_truth is of --copy_policy");
  if (copy.of.copy || copy.of.text[0] != '\0')
    return judge_copy(&f, &copy, n == 1 ? where : NULL, argc, argv);
  TRY(eval_copy_unused(&copy.of));
  if (f.labels[0] != '\0') return judge_labels(&f, n == 1 ? where : NULL);
  if (f.figures[0] != '\0' || f.plot[0] != '\0')
    return fail(ERR_ARGUMENT, "--figures and --plot are of --labels and --copy_text; an evaluation of "
                              "ranking has --json and --report");
  TRY(check_subject(&f, n == 1 ? where : NULL));
  c.ranking = ranking_defaults();
  c.ranking.query.part = f.part == 0 ? EVAL_VALID : EVAL_TEST;
  c.ranking.query.reading = f.reading;
  c.ranking.query.users = f.users;
  c.ranking.query.seed = f.seed;
  c.ranking.query.negatives = f.negatives;
  c.ranking.query.filter_history = f.filter_history;
  c.ranking.query.protocols[RANK_FULL] = false;
  TRY(parse_protocols(f.protocols, c.ranking.query.protocols));
  c.ranking.loss = f.loss;
  c.replicates = f.bootstrap;
  threads_use(f.threads);
  c.detail = f.detail || f.report[0] != '\0';
  c.detail_shown = f.detail;
  TRY(shell_command(&to.command, "souk eval", argc, argv));
  return open_and_evaluate(&f, &c, n == 1 ? where : NULL, &to);
}
