// souk import HF_DIR CHECKPOINT: a Hugging Face BERT becomes a checkpoint.
#include <limits.h>
#include <stddef.h>
#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "cmd/cmd.h"
#include "convert/import.h"
#include "convert/peft_files.h"
#include "model/checkpoint_find.h"

typedef struct import_flags {
  import_config c; // first
  char base[OPTION_STRING];
} import_flags;

static const option import_options[] = {
    {"base", OPT_STRING, offsetof(import_flags, base), "", 0, 0, "RUN",
     "HF_DIR holds an adapter of Hugging Face's peft (LoRA, AdaLoRA), which tunes this run or checkpoint"},
    {"pooler", OPT_BOOL, offsetof(import_config, pooler), "false", 0, 0, NULL,
     "make a pooler and next-sentence head even if the model has none"},
    {"seed", OPT_INT, offsetof(import_config, seed), "1", 0, 9e15, NULL,
     "seed of what has to be initialised"},
    {"typed_specials", OPT_BOOL, offsetof(import_config, typed_specials), "false", 0, 0, NULL,
     "\"[MASK]\" or \"[SEP]\" in a text is that token, as Hugging Face's tokenizers have it; else it is "
     "text"},
    {"force", OPT_BOOL, offsetof(import_config, force), "false", 0, 0, NULL,
     "replace an existing checkpoint"},
};

status cmd_import(int argc, char **argv) {
  static import_flags f;
  const option_section section = {"", "Import", import_options,
                                  sizeof import_options / sizeof *import_options, &f};
  const option_set set = {
      .usage = "souk import HF_DIR CHECKPOINT [--base RUN] [options]",
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
  char base[PATH_MAX], adapter[PATH_MAX];
  TRY(path_join(adapter, sizeof adapter, paths[0], peft_config_file));
  if (f.base[0] == '\0' && file_exists(adapter))
    return fail(ERR_ARGUMENT,
                "%s is an adapter of Hugging Face's peft: --base RUN says which run or checkpoint it tunes",
                paths[0]);
  if (f.base[0] == '\0') return import_hugging_face(paths[0], paths[1], &f.c);
  TRY(checkpoint_choose(base, sizeof base, f.base, WHICH_AUTO));
  TRY(peft_import(paths[0], base, paths[1], f.c.force));
  log_info("%s: %s on top of %s", paths[1], paths[0], base);
  return OK;
}
