// souk synth: a generated marketplace with known truth.
#include "cmd/cmd.h"
#include "synth/synth.h"

status cmd_synth(int argc, char **argv) {
  static synth_config c;
  option_section sections[1];
  const option_set set = {
      .usage = "souk synth --out DIR [--users N] [--items N] [--seed N] [options]",
      .summary =
          "Generates a marketplace with known truth: behaviour logs, a catalogue in English and Chinese,\n"
          "promotions, and apart from them what a shop would never know. The same seed gives the same bytes.",
      .sections = sections,
      .count = synth_sections(&c, sections)};
  const char *positionals[1];
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, positionals, 0, &n, &help));
  return help ? OK : synth_run(&c);
}
