// See section.h.
#include "format/section.h"

bool section_bad(const section *s, const char *field, const char *wanted) {
  return format_fail(s->e, FORMAT_MALFORMED, "%s: field \"%s.%s\" must be %s", s->path, s->name, field,
                     wanted);
}

bool section_known(const section *s, const jnode *object, const char *const *names, const char *prefix) {
  const jnode *n = jtree_unknown(s->tree, object, names);
  return n == NULL || format_fail(s->e, FORMAT_MALFORMED, "%s: field \"%s.%s%.100s\" is unknown", s->path,
                                  s->name, prefix, n->key);
}
