// The table of subcommands, and the only place that exits.
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "cmd/cmd.h"
#include "cmd/manual.h"

static const command commands[] = {
    {"synth", cmd_synth, "generate a marketplace with known truth"},
    {"prepare", cmd_prepare, "turn a behaviour log into a data set"},
    {"vocab", cmd_vocab, "make a WordPiece vocabulary of texts"},
    {"inspect", cmd_inspect, "print what any file of Souk holds"},
    {"pretrain", cmd_pretrain, "pre-train an encoder on behaviour and texts"},
    {"sweep", cmd_sweep, "many runs with options drawn from ranges, ranked on validation"},
    {"finetune", cmd_finetune, "train more on top of a run: next item, labels, a mix with counts"},
    {"eval", cmd_eval, "ranking quality of a model, beside counting baselines"},
    {"label", cmd_label, "predict labels of rows, or pick the rows to label next"},
    {"import", cmd_import, "make a checkpoint of a Hugging Face BERT"},
    {"merge", cmd_merge, "fold what tuned a model (peft) into its weights"},
    {"export", cmd_export, "write a checkpoint as a bundle for inference"},
    {"vectors", cmd_vectors, "write item and user vectors for numpy, FAISS and others"},
    {"plan", cmd_plan, "what a run will take: memory, operations, time"},
    {"plot", cmd_plot, "draw the curves of runs"},
    {"replay", cmd_replay, "run a non-finite step again, with checks on"},
    {"selftest", cmd_selftest, "check every op of a device, and that tiny models learn on it"},
    {"bench", cmd_bench, "time every op of a device against what its hardware could do"},
    {NULL, NULL, NULL},
};

// Handles the options of the program itself, such as --version. *done: there was one.
static status whole(int argc, char **argv, bool *done) {
  *done = true;
  if (strcmp(argv[1], "--version") == 0) {
    puts("souk " SOUK_VERSION);
    return OK;
  }
  if (strcmp(argv[1], "--man") == 0) return manual_page(commands, stdout);
  if (strcmp(argv[1], "--completion") == 0) {
    if (argc == 3 && strcmp(argv[2], "bash") == 0) return manual_completion(commands, stdout);
    return fail(ERR_ARGUMENT, "souk --completion knows one shell: souk --completion bash");
  }
  *done = false;
  return OK;
}

static void usage(FILE *to) {
  fprintf(to,
          "Souk " SOUK_VERSION " pre-trains behaviour encoders on e-commerce logs and ranks with them.\n\n"
          "usage: souk COMMAND [arguments]; souk COMMAND --help tells more\n\n");
  for (const command *c = commands; c->name != NULL; c++) fprintf(to, "  %-10s %s\n", c->name, c->summary);
  fprintf(to, "\nsouk --version, souk --man (a manual page), souk --completion bash\n"
              "souk-infer answers from exported bundles.\n");
}

// The exit status of a command.
static int leave(status rc) {
  log_status_end();
  // Output that could not be written (a full disk behind a pipe, say) is an error like any other.
  if (fflush(stdout) != 0 || ferror(stdout)) {
    log_error("cannot write to standard output");
    return 1;
  }
  if (rc == OK) return 0;
  if (rc == ERR_INTERRUPTED) { // a signal was handled, which is not an error
    log_info("%s", fail_message());
    return 130;
  }
  log_error("%s", fail_message());
  return rc == ERR_ARGUMENT ? 2 : 1;
}

// A standard descriptor that the caller has closed would be given to the next file that is opened, and be read or written as
// such. What takes its place fails instead, whichever is done with it.
static void hold_descriptors(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); // a file at its size limit (ulimit -f) is an error of the write, with a sentence
  hold_descriptors();
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
  bool done;
  const status rc = whole(argc, argv, &done);
  if (done) return leave(rc);
  for (const command *c = commands; c->name != NULL; c++)
    if (strcmp(argv[1], c->name) == 0) return leave(c->run(argc - 2, argv + 2));
  log_error("unknown command \"%s\"; souk --help lists them", argv[1]);
  return 2;
}
