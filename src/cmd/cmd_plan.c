// souk plan CONFIG.yaml: what a run will take, before it is started.
#include <string.h>
#include "cmd/cmd.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cmd/labelled_run.h"
#include "cmd/run_options.h"
#include "train/plan.h"

typedef struct plan_flags {
  bool json;
  int64_t time_steps;
} plan_flags;

static const option flag_options[] = {
    {"json", OPT_BOOL, offsetof(plan_flags, json), "false", 0, 0, NULL, "print json, for programs"},
    {"time_steps", OPT_INT, offsetof(plan_flags, time_steps), "0", 0, 1000000, NULL,
     "run that many real steps to time them; 0: estimate"},
};

// d: opened after the machine was measured. labelled: NULL, or what a run on labels holds.
static status tell(const run_config *c, const plan_flags *flags, dataset *d, const labelled_memory *labelled,
                   const machine *m) {
  run_plan p;
  log_doing("planning");
  status rc = plan_make(&p, c, d, labelled, m, flags->time_steps);
  log_status_end();
  if (rc == OK && p.leaves_out) log_warn("%s", p.coverage);
  if (rc == OK && flags->json) rc = plan_print_json(&p, stdout);
  if (rc == OK && !flags->json) plan_print(&p, stdout);
  return rc;
}

static status measure(machine *m, const run_config *c) {
  log_doing("measuring this machine");
  return machine_measure(m, (int32_t)c->train.threads, (int32_t)c->model.hidden);
}

static status plan_events(const run_config *c, const plan_flags *flags) {
  machine m;
  dataset *d;
  TRY(measure(&m, c));
  TRY(dataset_open(&d, c->data.dir, false));
  const status rc = tell(c, flags, d, NULL, &m);
  dataset_close(d);
  return rc;
}

static status plan_labels(run_config *c, const plan_flags *flags) {
  machine m;
  labelled_run *r;
  TRY(measure(&m, c));
  TRY(labelled_open(&r, c, false));
  const labelled_memory held = labelled_held(r);
  const status rc = tell(c, flags, labelled_data(r), &held, &m);
  labelled_close(r);
  return rc;
}

status cmd_plan(int argc, char **argv) {
  static run_config c;
  static plan_flags flags;
  option_section sections[RUN_SECTIONS + 1];
  const size_t n_sections = run_sections(&c, sections);
  sections[n_sections] = (option_section){"", "This plan", flag_options, 2, &flags};
  const option_set set = {
      .usage = "souk plan CONFIG.yaml|PRESET [--data.dir DATA] [--json] [--time_steps N] [options of souk "
               "pretrain]",
      .summary =
          "Tells what `souk pretrain` with these options will take: memory by what it is for, "
          "floating-point\n"
          "operations of a step, and the time, from rates measured on this machine. Nothing is trained. With "
          "labels.train\n"
          "and train.init it is a run of `souk finetune --task classify` or `pair`, whose rows are read.",
      .sections = sections,
      .count = n_sections + 1};
  bool help;
  TRY(run_options_read(&set, &c, NULL, NULL, argc, argv, &help));
  if (help) return OK;
  if (c.labels.train[0] == '\0' && c.data.dir[0] == '\0')
    return fail(ERR_ARGUMENT, "data.dir names no data set (--data.dir DATA)");
  mem_return_large();
  threads_use(c.train.threads);
  return c.labels.train[0] != '\0' ? plan_labels(&c, &flags) : plan_events(&c, &flags);
}
