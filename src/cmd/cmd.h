// The subcommands. Each takes its own arguments (argv[0] is the first argument after the command's name).
#ifndef SOUK_CMD_CMD_H
#define SOUK_CMD_CMD_H

#include "base/status.h"

typedef struct command {
  const char *name; // NULL ends a list
  status (*run)(int argc, char **argv);
  const char *summary;
} command;

status cmd_bench(int argc, char **argv);
status cmd_prepare(int argc, char **argv);
status cmd_pretrain(int argc, char **argv);
status cmd_finetune(int argc, char **argv);
status cmd_eval(int argc, char **argv);
status cmd_export(int argc, char **argv);
status cmd_import(int argc, char **argv);
status cmd_label(int argc, char **argv);
status cmd_merge(int argc, char **argv);
status cmd_plan(int argc, char **argv);
status cmd_plot(int argc, char **argv);
status cmd_replay(int argc, char **argv);
status cmd_selftest(int argc, char **argv);
status cmd_sweep(int argc, char **argv);
status cmd_synth(int argc, char **argv);
status cmd_vectors(int argc, char **argv);
status cmd_vocab(int argc, char **argv);
status cmd_inspect(int argc, char **argv);

#endif
