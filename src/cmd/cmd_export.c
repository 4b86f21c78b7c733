// souk export CHECKPOINT|RUN BUNDLE: a bundle for inference and for Hugging Face libraries.
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "cmd/cmd.h"
#include "cmd/presets.h"
#include "format/printable.h"
#include "model/checkpoint_find.h"
#include "convert/export.h"
#include "convert/peft_files.h"

typedef struct export_flags {
  int which, weights;
  bool force, mix, peft;
  char adapters[OPTION_STRING], lexicons[OPTION_STRING];
} export_flags;

static const option flag_options[] = {
    {"which", OPT_CHOICE, offsetof(export_flags, which), "auto", 0, 0, WHICH_CHOICES, WHICH_HELP},
    {"weights", OPT_CHOICE, offsetof(export_flags, weights), "averaged", 0, 0, WEIGHTS_CHOICES, WEIGHTS_HELP},
    {"force", OPT_BOOL, offsetof(export_flags, force), "false", 0, 0, NULL, "replace an existing bundle"},
    {"mix", OPT_BOOL, offsetof(export_flags, mix), "true", 0, 0, NULL,
     "with the checkpoint's mix with counts, where souk finetune has made one"},
    {"adapters", OPT_STRING, offsetof(export_flags, adapters), "", 0, 0, NULL,
     "runs tuned on top of this one (peft): RUN,NAME=RUN; the bundle serves each by its name"},
    {"lexicons", OPT_STRING, offsetof(export_flags, lexicons), "", 0, 0, "DIR",
     "folder of lexicon-en.txt and lexicon-zh.txt, by which the bundle writes promotion copy; empty: those "
     "that come "
     "with Souk; off: none"},
    {"peft", OPT_BOOL, offsetof(export_flags, peft), "false", 0, 0, NULL,
     "write a tuned run's adapter alone, as Hugging Face's peft reads it, and no bundle"},
};

static status export_peft(const char *checkpoint_dir, const char *out, bool force) {
  char shown[4 * PATH_MAX], text[32];
  uint64_t bytes;
  TRY(peft_export(checkpoint_dir, out, force, &bytes));
  log_status_end();
  printf("%s: an adapter for Hugging Face's peft, %s\n", printable(shown, sizeof shown, out, ""),
         human_bytes(text, (double)bytes));
  return OK;
}

// The folder that --lexicons means; NULL: none. Where Souk's own are not found that is said when they are needed.
static const char *lexicons_of(const export_flags *flags, char path[PATH_MAX]) {
  if (strcmp(flags->lexicons, "off") == 0) return NULL;
  if (flags->lexicons[0] != '\0') return flags->lexicons;
  return preset_folder(path) ? path : "the folder of configurations";
}

status cmd_export(int argc, char **argv) {
  static export_flags flags;
  const option_section section = {"", "Export", flag_options, sizeof flag_options / sizeof *flag_options,
                                  &flags};
  const option_set set = {
      .usage = "souk export CHECKPOINT|RUN BUNDLE [--which best|last] [--force] [--no-mix] [--adapters "
               "RUN,...] [--lexicons DIR|off] [--peft]",
      .summary = "Writes a bundle: weights with Hugging Face names (model.safetensors, config.json), the\n"
                 "vocabulary, item vectors, and souk.json with checksums. souk-infer answers from it.",
      .sections = &section,
      .count = 1};
  const char *paths[2];
  char checkpoint_dir[PATH_MAX], lexicons[PATH_MAX], bytes[32];
  size_t n;
  bool help;
  export_result result;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, paths, 2, &n, &help));
  if (help) return OK;
  if (n != 2) return fail(ERR_ARGUMENT, "a checkpoint (or run) and a bundle are needed: %s", set.usage);
  TRY(checkpoint_choose(checkpoint_dir, sizeof checkpoint_dir, paths[0], flags.which));
  log_doing("exporting %s", checkpoint_dir);
  if (flags.peft) return export_peft(checkpoint_dir, paths[1], flags.force);
  const export_config config = {.force = flags.force,
                                .with_mix = flags.mix,
                                .raw = flags.weights == WEIGHTS_RAW,
                                .adapters = flags.adapters,
                                .lexicons = lexicons_of(&flags, lexicons)};
  TRY(export_bundle(checkpoint_dir, paths[1], &config, &result));
  log_status_end();
  char shown[4 * PATH_MAX];
  printf("%s: step %lld, %d items x %d, %s\n", printable(shown, sizeof shown, paths[1], ""),
         (long long)result.step, result.items, result.dimension, human_bytes(bytes, (double)result.bytes));
  return OK;
}
