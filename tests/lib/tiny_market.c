// See tiny_market.h.
#include "lib/tiny_market.h"
#include "lib/check.h"

synth_config tiny_market(int64_t users, int64_t items) {
  static synth_config c;
  option_section sections[1];
  const option_set set = {.sections = sections, .count = synth_sections(&c, sections)};
  check_ok(options_defaults(&set));
  c.users = users;
  c.items = items;
  return c;
}
