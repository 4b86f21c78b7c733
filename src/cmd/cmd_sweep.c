// souk sweep SWEEP.yaml: many runs with options drawn from ranges, ranked on validation.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cmd/cmd.h"
#include "cmd/presets.h"
#include "cmd/run_options.h"
#include "sweep/sweep.h"

typedef struct sweep_flags {
  char out[OPTION_STRING];
  bool resume, show;
  sweep_how how;
} sweep_flags;

#define FLAG(name) offsetof(sweep_flags, name)
static const option flag_options[] = {
    {"out", OPT_STRING, FLAG(out), "", 0, 0, "DIR",
     "directory of the sweep; none: checkpoints/NAME of NAME.yaml"},
    {"jobs", OPT_INT, FLAG(how.jobs), "1", 1, 1024, NULL,
     "trials at the same time, each a process of its own"},
    {"threads", OPT_INT, FLAG(how.threads), "0", 0, 4096, NULL,
     "CPU threads of a trial; 0: the processors divided among the jobs, or what the sweep began with"},
    {"trials", OPT_INT, FLAG(how.trials), "0", 0, SWEEP_MOST_TRIALS, NULL,
     "configurations that are tried; 0: as SWEEP.yaml says; with --resume a random search may grow"},
    {"keep", OPT_INT, FLAG(how.keep), "1", 0, SWEEP_MOST_TRIALS, NULL,
     "best trials whose checkpoints stay; of the others only what they measured stays; 0: all"},
    {"resume", OPT_BOOL, FLAG(resume), "false", 0, 0, NULL, "go on with what is left of a sweep"},
    {"retry", OPT_BOOL, FLAG(how.retry), "false", 0, 0, NULL, "with --resume: try failed trials again"},
    {"show", OPT_BOOL, FLAG(show), "false", 0, 0, NULL, "print the table of a sweep, and do nothing else"},
};

// The configuration of a sweep: its base with the options that all trials share, read as souk pretrain reads them.
static status read_config(run_config *c, const sweep_plan *plan, const char *base) {
  char **words;
  bool help;
  int n = 0;
  option_section sections[RUN_SECTIONS];
  const option_set set = {.usage = "souk pretrain", .sections = sections, .count = run_sections(c, sections)};
  TRY(sweep_words(plan, base, &words));
  while (words[n] != NULL) n++;
  const status rc = run_options_read(&set, c, NULL, NULL, n, words, &help);
  words_free(words);
  return rc;
}

static status finish(sweep *s, status rc) {
  failure why;
  failure_keep(&why, rc);
  status shown = OK;
  if (s->n_trials > 0) shown = sweep_print(s, stdout);
  if (shown == OK && s->n_trials > 0) shown = sweep_plot(s);
  return why.rc != OK ? failure_raise(&why) : shown;
}

// dir: the sweep's; file: what it begins with, NULL to go on with it.
static status carry_on(const sweep_flags *f, const char *dir, const char *file) {
  static run_config c;
  char base[PATH_MAX], path[PATH_MAX];
  sweep_plan plan;
  sweep s = {.lock = -1};
  TRY(path_join(path, sizeof path, dir, "sweep.yaml"));
  TRY(path_join(base, sizeof base, dir, "base.yaml"));
  status rc = sweep_plan_open(&plan, file != NULL ? file : path);
  if (rc == OK && file != NULL) rc = preset_path(base, plan.settings.base);
  if (rc == OK) rc = read_config(&c, &plan, base);
  sweep_plan_close(&plan);
  TRY(rc);
  rc = file != NULL ? sweep_begin(&s, dir, file, base, &c, &f->how) : sweep_open(&s, dir, &c, &f->how);
  if (rc == OK) rc = finish(&s, sweep_run(&s, &f->how));
  sweep_close(&s);
  return rc;
}

static status show(const char *dir) {
  sweep s;
  status rc = sweep_open(&s, dir, NULL, NULL);
  if (rc == OK) rc = sweep_print(&s, stdout);
  sweep_close(&s);
  return rc;
}

// A sweep keeps to the file that it began with.
static status check_same(const char *file, const char *dir) {
  char path[PATH_MAX], *given, *kept;
  size_t n_given, n_kept;
  TRY(path_join(path, sizeof path, dir, "sweep.yaml"));
  TRY(file_read(file, 1 << 20, &given, &n_given));
  status rc = file_read(path, 1 << 20, &kept, &n_kept);
  if (rc == OK) {
    if (n_given != n_kept || memcmp(given, kept, n_given) != 0)
      rc = fail(ERR_ARGUMENT, "%s is not what %s began with (%s); choose another --out for a new sweep", file,
                dir, path);
    free(kept);
  }
  free(given);
  return rc;
}

// checkpoints/NAME of NAME.yaml.
static status default_place(char out[OPTION_STRING], const char *file) {
  const char *name = path_name(file), *dot = strrchr(name, '.');
  const int n = dot != NULL && dot > name ? (int)(dot - name) : (int)strlen(name);
  if (snprintf(out, OPTION_STRING, "checkpoints/%.*s", n, name) >= OPTION_STRING)
    return fail(ERR_ARGUMENT, "path too long: %.60s...", file);
  return OK;
}

status cmd_sweep(int argc, char **argv) {
  static sweep_flags f;
  const option_section section = {"", "Sweep", flag_options, sizeof flag_options / sizeof *flag_options, &f};
  const option_set set = {
      .usage = "souk sweep SWEEP.yaml|DIR [--out DIR] [--jobs N] [--resume] [--show] [options]",
      .summary =
          "Trains one configuration many times with options drawn from the ranges of SWEEP.yaml, at random "
          "or by\n"
          "successive halving, and ranks the runs on validation. The test part is not touched. Whatever is\n"
          "killed goes on with --resume. docs/sweep.md shows the file.",
      .sections = &section,
      .count = 1};
  const char *given;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &given, 1, &n, &help));
  if (help) return OK;
  if (n == 0) return fail(ERR_ARGUMENT, "usage: %s", set.usage);
  TRY(path_check(given, PATH_CONFIG | PATH_SWEEP));
  const bool is_dir = path_kind_of(given) == PATH_SWEEP;
  if (is_dir && f.out[0] != '\0' && !path_same(f.out, given))
    return fail(ERR_ARGUMENT, "%s is a sweep already, and goes on there; --out is for a new one", given);
  if (is_dir) snprintf(f.out, sizeof f.out, "%s", given);
  if (f.out[0] == '\0') TRY(default_place(f.out, given));
  const bool there = path_kind_of(f.out) == PATH_SWEEP;
  if (f.show) return show(f.out);
  if (is_dir && !f.resume)
    return fail(ERR_ARGUMENT, "%s holds a sweep already; --resume continues it", given);
  if (there && f.resume && !is_dir) TRY(check_same(given, f.out));
  return carry_on(&f, f.out, there && f.resume ? NULL : given);
}
