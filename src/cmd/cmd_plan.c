// souk plan CONFIG.yaml: what a run will take, before it is started.
#include <string.h>
#include "cmd/cmd.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
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
          "operations of a step, and the time, from rates measured on this machine. Nothing is trained.",
      .sections = sections,
      .count = n_sections + 1};
  bool help;
  TRY(run_options_read(&set, &c, NULL, NULL, argc, argv, &help));
  if (help) return OK;
  TRY(run_config_refuse_labels(&c, "souk plan"));
  if (c.data.dir[0] == '\0') return fail(ERR_ARGUMENT, "data.dir names no data set (--data.dir DATA)");
  mem_return_large();
  threads_use(c.train.threads);
  machine m;
  log_doing("measuring this machine");
  TRY(machine_measure(&m, (int32_t)c.train.threads, (int32_t)c.model.hidden));
  dataset *d;
  TRY(dataset_open(&d, c.data.dir, false));
  run_plan p;
  log_doing("planning");
  status rc = plan_make(&p, &c, d, &m, flags.time_steps);
  dataset_close(d);
  log_status_end();
  if (rc == OK && p.leaves_out) log_warn("%s", p.coverage);
  if (rc == OK && flags.json) rc = plan_print_json(&p, stdout);
  if (rc == OK && !flags.json) plan_print(&p, stdout);
  return rc;
}
