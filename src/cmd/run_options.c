// Options of runs; see run_options.h.
#include "cmd/run_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/path_kind.h"
#include "cmd/presets.h"
#include "cmd/scratch_dir.h"
#include "convert/import.h"
#include "convert/peft_files.h"
#include "model/checkpoint_find.h"
#include "train/init.h"
#include "train/run_objectives.h"

enum { STEPS_UNSET = -1 }; // train.steps as long as no file or option has set it

// Defaults of runs on labels.
enum { LABEL_EPOCHS = 3 };
static const double LABEL_RATE = 2e-4;

// The configuration file that an argument means: itself or, for a run's directory, the run's config.yaml. In the
// second case the outputs belong to that run.
static status read_config(const option_set *set, run_config *c, const char *given) {
  char path[PATH_MAX];
  TRY(path_check(given, PATH_CONFIG | PATH_RUN));
  if (path_kind_of(given) != PATH_RUN) return options_yaml(set, given);
  TRY(path_join(path, sizeof path, given, "config.yaml"));
  TRY(options_yaml(set, path));
  if (snprintf(c->train.out, sizeof c->train.out, "%s", given) >= (int)sizeof c->train.out)
    return fail(ERR_ARGUMENT, "path too long: %.60s...", given);
  return OK;
}

// The default of train.out for NAME.yaml: checkpoints/NAME.
static void default_place(run_config *c, const char *config) {
  const char *name = path_name(config);
  const char *dot = strrchr(name, '.');
  const int n = dot != NULL && dot > name ? (int)(dot - name) : (int)strlen(name);
  if (n < OPTION_STRING / 2) snprintf(c->train.out, sizeof c->train.out, "checkpoints/%.*s", n, name);
}

// Chooses train.steps if no file or option sets it. A resumed run keeps the value that it started with, so that a
// finished run does not go on. Otherwise epochs or minutes, if given, are the only limit.
static status default_steps(run_config *c, bool resume, int64_t usual) {
  static run_config before;
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(&before, sections)};
  char path[PATH_MAX];
  const bool timed = c->train.epochs > 0 || c->train.minutes > 0;
  c->train.steps = timed ? 0 : usual;
  if (!resume || c->train.out[0] == '\0') return OK;
  TRY(path_join(path, sizeof path, c->train.out, "config.yaml"));
  if (!file_exists(path)) return OK;
  TRY(options_defaults(&set));
  if (options_yaml(&set, path) != OK)
    return fail_prefix(ERR_FORMAT,
                       "train.steps is not given, and the run's own configuration cannot be read");
  if (before.train.steps > 0 || timed) c->train.steps = before.train.steps;
  return OK;
}

enum { RANK_NEGATIVES = 1024, RANK_HARD = 256 };

// Half of the negatives besides the hard ones are of the batch, half are any items: those of the batch alone would leave out what
// nobody buys.
static void take_ranking(run_config *c) {
  c->data.negatives = RANK_NEGATIVES;
  c->data.hard_negatives = RANK_HARD;
  c->data.negative_kind = NEGATIVES_IN_BATCH;
  c->data.negative_mix = 0.5;
  c->data.negative_logq = LOGQ_CORRECTED;
}

static void take_beginning(run_config *c, const run_beginning *p) {
  if (p->ranks) take_ranking(c);
  memcpy(p->grows ? c->train.init_from : c->train.init, p->init, sizeof c->train.init);
  memcpy(c->train.out, p->out, sizeof c->train.out);
  memcpy(c->data.dir, p->data, sizeof c->data.dir);
  memcpy(c->train.objectives, p->objectives, sizeof c->train.objectives);
  if (p->metric[0] == '\0') return;
  memcpy(c->train.metric, p->metric, sizeof c->train.metric);
  c->train.epochs = LABEL_EPOCHS;
  c->optim.lr = LABEL_RATE;
}

// Defaults, then the file (NULL: none), then the command line, which wins. start: defaults of the model's options and of the
// objectives, NULL for the table's.
static status read_once(const option_set *set, run_config *c, const char *config, const run_config *start,
                        const bool *resume, const run_beginning *begin, int argc, char **argv, bool *help) {
  const char *same[2];
  size_t n;
  TRY(options_defaults(set));
  if (begin != NULL) take_beginning(c, begin);
  if (start != NULL) c->model = start->model;
  if (start != NULL) memcpy(c->base_objectives, start->base_objectives, sizeof c->base_objectives);
  if (start != NULL) memcpy(c->train.objectives, start->train.objectives, sizeof c->train.objectives);
  const int64_t usual = c->train.steps;
  c->train.steps = STEPS_UNSET;
  if (config != NULL) TRY(read_config(set, c, config));
  TRY(options_args(set, argc, argv, same, begin != NULL ? 2 : 1, &n, help));
  if (config != NULL && c->train.out[0] == '\0') default_place(c, config);
  return c->train.steps == STEPS_UNSET ? default_steps(c, resume != NULL && *resume, usual) : OK;
}

// A run that goes on has its own parameters. One that ended before its first checkpoint begins again.
static bool goes_on(const run_config *c, bool resume) {
  char dir[PATH_MAX];
  return resume && path_holds_run(c->train.out) &&
         checkpoint_choose(dir, sizeof dir, c->train.out, WHICH_LAST) == OK;
}

// A Hugging Face BERT becomes a checkpoint that lives as long as the process, which begins one run.
static status import_beginning(run_config *c, bool resume) {
  const import_config how = {.force = true, .passing = true, .seed = c->train.seed};
  if (path_kind_of(c->train.init_from) != PATH_HUGGING_FACE &&
      path_kind_of(c->train.init_from) != PATH_BUNDLE)
    return OK;
  if (goes_on(c, resume)) return OK;
  const char *imports;
  TRY(scratch_dir(&imports));
  char made[PATH_MAX + 64];
  TRY(path_join(made, sizeof made, imports, "checkpoint"));
  if (strlen(made) >= sizeof c->imported) return fail(ERR_ARGUMENT, "path too long: %.60s...", made);
  strcpy(c->imported, made);
  return import_hugging_face(c->train.init_from, made, &how);
}

// So does an adapter of Hugging Face's peft.
static status import_adapter(run_config *c, bool resume) {
  char path[PATH_MAX], made[PATH_MAX + 64], base[PATH_MAX];
  const char *imports;
  if (c->train.peft_from[0] == '\0' || goes_on(c, resume)) return OK;
  if (c->train.init[0] == '\0') return OK; // which the run refuses
  TRY(path_join(path, sizeof path, c->train.peft_from, peft_config_file));
  if (!file_exists(path)) return OK;
  TRY(checkpoint_choose(base, sizeof base, c->train.init, WHICH_AUTO));
  TRY(scratch_dir(&imports));
  TRY(path_join(made, sizeof made, imports, "adapter"));
  if (strlen(made) >= sizeof c->adapter) return fail(ERR_ARGUMENT, "path too long: %.60s...", made);
  strcpy(c->adapter, made);
  return peft_import(c->train.peft_from, base, made, true);
}

status run_options_read(const option_set *set, run_config *c, const bool *resume, const run_beginning *begin,
                        int argc, char **argv, bool *help) {
  const char *given[2];
  size_t n;
  const size_t before = begin != NULL ? 1 : 0; // arguments before the configuration
  TRY(options_defaults(set));
  TRY(options_args(set, argc, argv, given, before + 1, &n, help));
  if (*help) return OK;
  char path[PATH_MAX];
  if (n > before) TRY(preset_path(path, given[before]));
  const char *const config = n > before ? path : NULL;
  TRY(read_once(set, c, config, NULL, resume, begin, argc, argv, help));
  if (!init_is_wanted(c)) return OK;
  if (c->train.init_from[0] != '\0') TRY(import_beginning(c, resume != NULL && *resume));
  TRY(import_adapter(c, resume != NULL && *resume));
  run_config found =
      *c; // the first reading gives train.init, whose model options are the defaults of the second
  TRY(init_adopt_model(&found, resume != NULL && *resume));
  run_config start = found;
  if (begin != NULL) memcpy(start.train.objectives, begin->objectives, sizeof start.train.objectives);
  if (begin != NULL && begin->metric[0] != '\0') start.model.cls_sep = true;
  if (begin != NULL && begin->positions > start.model.max_positions)
    start.model.max_positions = begin->positions;
  if (begin != NULL && begin->segments > start.model.segments) start.model.segments = begin->segments;
  TRY(read_once(set, c, config, &start, resume, begin, argc, argv, help));
  return run_objectives_settle(c, &found);
}
