// Changed options; see changes.h.
#include "train/changes.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"

static status tell_option(const option_section *before, const option_section *now, const option *o) {
  char *was, *is = NULL, name[OPTION_NAME];
  TRY(options_value(before, o, &was));
  const status rc = options_value(now, o, &is);
  options_name(name, now, o);
  if (rc == OK && strcmp(was, is) != 0) log_warn("%s was %s, and is now %s", name, was, is);
  free(was);
  free(is);
  return rc;
}

static bool is_place(const option_section *s, const option *o) {
  return strcmp(s->prefix, "train") == 0 && strcmp(o->name, "out") == 0;
}

status changes_tell(const run_config *before, const run_config *now) {
  option_section old[RUN_SECTIONS], new[RUN_SECTIONS];
  const size_t n = run_sections((run_config *)before, old);
  run_sections((run_config *)now, new);
  for (size_t s = 0; s < n; s++)
    for (size_t i = 0; i < new[s].count; i++)
      if (new[s].options[i].type != OPT_ALIAS && !is_place(&new[s], &new[s].options[i]))
        TRY(tell_option(&old[s], &new[s], &new[s].options[i]));
  return OK;
}
