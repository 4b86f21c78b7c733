// souk import HF_DIR CHECKPOINT: a Hugging Face BERT becomes a checkpoint.
#include <stddef.h>
#include "base/log.h"
#include "base/options.h"
#include "cmd/cmd.h"
#include "convert/import.h"

static const option import_options[] = {
    {"pooler", OPT_BOOL, offsetof(import_config, pooler), "false", 0, 0, NULL,
     "make a pooler and next-sentence head even if the model has none"},
    {"seed", OPT_INT, offsetof(import_config, seed), "1", 0, 9e15, NULL,
     "seed of what has to be initialised"},
    {"force", OPT_BOOL, offsetof(import_config, force), "false", 0, 0, NULL,
     "replace an existing checkpoint"},
};

status cmd_import(int argc, char **argv) {
  import_config c;
  const option_section section = {"", "Import", import_options,
                                  sizeof import_options / sizeof *import_options, &c};
  const option_set set = {
      .usage = "souk import HF_DIR CHECKPOINT [options]",
      .summary =
          "Makes a checkpoint of a Hugging Face BERT: config.json, model.safetensors and its tokenizer\n"
          "(vocab.txt or tokenizer.json, and what is beside them). souk pretrain --train.init CHECKPOINT "
          "goes on\n"
          "from it.",
      .sections = &section,
      .count = 1};
  const char *paths[2];
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, paths, 2, &n, &help));
  if (help) return OK;
  if (n != 2) return fail(ERR_ARGUMENT, "two directories are needed: %s", set.usage);
  log_doing("reading %s", paths[0]);
  return import_hugging_face(paths[0], paths[1], &c);
}
