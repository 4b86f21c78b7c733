// Options from yaml, and from the command line when the input begins with "--" (an argument a line).
//
// What is accepted survives options_dump and reading that again, to the last bit: a run's config.yaml is
// written so, and a resumed run must be the same run.
#include <stdlib.h>
#include <string.h>
#include "base/options.h"
#include "prepare/prepare.h"
#include "synth/synth.h"
#include "fuzz/fuzz.h"
#include "train/config.h"

enum { MAX_ARGS = 64 };

typedef union any_config {
  run_config run;
  prepare_config prepare;
  synth_config synth;
} any_config;

static any_config config, before;
static option_section sections[8];

static void check_dump(const option_set *set) {
  char *first, *second;
  require_ok(options_dump(set, &first));
  before = config;
  memset(&config, 0, sizeof config);
  require_ok(options_defaults(set));
  require_ok(options_yaml_text(set, first, strlen(first), "the dump"));
  require_ok(options_dump(set, &second));
  require(strcmp(first, second) == 0);
  require(memcmp(&config, &before, sizeof config) == 0);
  free(first);
  free(second);
}

static bool parse_args(const option_set *set, const uint8_t *data, size_t bytes) {
  char *args[MAX_ARGS], *text = malloc(bytes + 1);
  const char *positionals[2];
  size_t n_positionals;
  int n = 0;
  bool help = false;
  require(text != NULL);
  memcpy(text, data, bytes);
  text[bytes] = '\0';
  for (char *rest = text; n < MAX_ARGS && rest != NULL;) args[n++] = strsep(&rest, "\n");
  for (int i = 0; i < n; i++) help |= strcmp(args[i], "--help") == 0 || strcmp(args[i], "-h") == 0;
  bool good = false;
  if (!help) { // it would be printed
    good = options_args(set, n, args, positionals, 2, &n_positionals, &help) == OK;
    require(!good || n_positionals <= 2);
    if (!good) require_sentence("command line");
  }
  free(text);
  return good;
}

static void try_set(size_t count, const uint8_t *data, size_t bytes) {
  const option_set set = {.usage = "usage", .summary = "summary", .sections = sections, .count = count};
  memset(&config, 0, sizeof config);
  require_ok(options_defaults(&set));
  bool good;
  if (bytes > 2 && memcmp(data, "--", 2) == 0 && data[2] != '-') {
    good = parse_args(&set, data, bytes);
  } else {
    good = options_yaml_text(&set, (const char *)data, bytes, "input.yaml") == OK;
    if (!good) require_sentence("input.yaml");
  }
  if (!good) return;
  fuzz_accepted();
  check_dump(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  try_set(run_sections(&config.run, sections), data, bytes);
  try_set(prepare_sections(&config.prepare, sections), data, bytes);
  try_set(synth_sections(&config.synth, sections), data, bytes);
  return 0;
}
