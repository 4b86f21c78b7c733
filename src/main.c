// The table of subcommands, and the only place that exits.
#include <stdio.h>
#include <string.h>
#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "cmd/cmd.h"

typedef struct command {
  const char *name;
  status (*run)(int argc, char **argv);
  const char *summary;
} command;

static const command commands[] = {
    {"synth", cmd_synth, "generate a marketplace with known truth"},
    {"prepare", cmd_prepare, "turn a behaviour log into a data set"},
    {"inspect", cmd_inspect, "print what any file of Souk holds"},
    {"pretrain", cmd_pretrain, "pre-train an encoder by masked language modelling"},
    {"eval", cmd_eval, "ranking quality of a model, beside counting baselines"},
    {"import", cmd_import, "make a checkpoint of a Hugging Face BERT"},
    {"export", cmd_export, "write a checkpoint as a bundle for inference"},
    {"vectors", cmd_vectors, "write item and user vectors for numpy, FAISS and others"},
    {"plan", cmd_plan, "what a run will take: memory, operations, time"},
    {"plot", cmd_plot, "draw the curves of runs"},
    {"replay", cmd_replay, "run a step that was not finite once more, with checks on"},
    {"selftest", cmd_selftest, "check every op of a device, and that tiny models learn on it"},
    {"bench", cmd_bench, "time every op of a device against what its hardware could do"},
    {NULL, NULL, NULL},
};

static void usage(FILE *to) {
  fprintf(to,
          "Souk " SOUK_VERSION ": pre-trains behaviour encoders on e-commerce logs and ranks with them.\n\n"
          "usage: souk COMMAND [arguments]; souk COMMAND --help tells more\n\n");
  for (const command *c = commands; c->name != NULL; c++) fprintf(to, "  %-10s %s\n", c->name, c->summary);
  fprintf(to, "\nsouk-infer answers from exported bundles.\n");
}

int main(int argc, char **argv) {
  mem_json_watch();
  if (fault_init() != OK) {
    log_error("%s", fail_message());
    return 2;
  }
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 ||
      strcmp(argv[1], "-h") == 0) {
    usage(argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
  if (strcmp(argv[1], "--version") == 0) {
    puts("souk " SOUK_VERSION);
    return 0;
  }
  for (const command *c = commands; c->name != NULL; c++) {
    if (strcmp(argv[1], c->name) != 0) continue;
    const status rc = c->run(argc - 2, argv + 2);
    log_status_end();
    // Output that could not be written (a full disk behind a pipe, say) is an error like any other.
    if (fflush(stdout) != 0 || ferror(stdout)) {
      log_error("cannot write to standard output");
      return 1;
    }
    if (rc == OK) return 0;
    if (rc == ERR_INTERRUPTED) { // as it was asked to
      log_info("%s", fail_message());
      return 130;
    }
    log_error("%s", fail_message());
    return rc == ERR_ARGUMENT ? 2 : 1;
  }
  log_error("unknown command \"%s\"; souk --help lists them", argv[1]);
  return 2;
}
