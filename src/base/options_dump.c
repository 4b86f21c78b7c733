// Values of options as yaml text; see options.h.
#include <stdlib.h>
#include <string.h>
#include "base/options.h"
#include "base/options_internal.h"

// Writes the text in double quotes, with escapes for what yaml does not accept as it is or would take for a line
// break.
static void dump_string(FILE *f, const char *text) {
  int32_t c;
  fputc('"', f);
  for (const char *p = text; *p != '\0';) {
    const char *const start = p;
    if (!next_character(&p, &c)) break; // not UTF-8, which set_string refuses
    if (c == '"' || c == '\\')
      fprintf(f, "\\%c", (char)c);
    else if (c == '\n')
      fputs("\\n", f);
    else if (c == '\t')
      fputs("\\t", f);
    else if (c < 0x20 || (c >= 0x7f && c <= 0xa0))
      fprintf(f, "\\x%02x", (unsigned)c);
    else if (c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff)
      fprintf(f, "\\u%04x", (unsigned)c);
    else
      fwrite(start, 1, (size_t)(p - start), f);
  }
  fputc('"', f);
}

static void dump_value(FILE *f, const option_section *s, const option *o) {
  const char *field = (const char *)s->target + o->offset;
  switch (o->type) {
  case OPT_BOOL: {
    bool v;
    memcpy(&v, field, sizeof v);
    fputs(v ? "true" : "false", f);
    break;
  }
  case OPT_INT:
  case OPT_BYTES: {
    int64_t v;
    memcpy(&v, field, sizeof v);
    fprintf(f, "%lld", (long long)v);
    break;
  }
  case OPT_FLOAT: {
    double v, back;
    memcpy(&v, field, sizeof v);
    char text[40];
    for (int digits = 6; digits <= 17; digits++) { // the shortest that reads back the same
      snprintf(text, sizeof text, "%.*g", digits, v);
      back = strtod(text, NULL);
      if (memcmp(&back, &v, sizeof v) == 0) break;
    }
    fputs(text, f);
    break;
  }
  case OPT_STRING:
    dump_string(f, field);
    break;
  case OPT_CHOICE: {
    int v;
    char text[128];
    memcpy(&v, field, sizeof v);
    choice_name(o->choices, v, text, sizeof text);
    fputs(text, f);
    break;
  }
  case OPT_ALIAS:
    break;
  }
}

status options_value(const option_section *s, const option *o, char **text) {
  size_t bytes;
  *text = NULL;
  FILE *f = open_memstream(text, &bytes);
  if (f == NULL) return fail(ERR_MEMORY, "out of memory: the value of %s", o->name);
  dump_value(f, s, o);
  if (fclose(f) == 0) return OK;
  free(*text);
  *text = NULL;
  return fail(ERR_MEMORY, "out of memory: the value of %s", o->name);
}

status options_dump(const option_set *set, char **text) {
  size_t bytes;
  *text = NULL;
  FILE *f = open_memstream(text, &bytes);
  if (f == NULL) return fail(ERR_MEMORY, "out of memory: cannot write the configuration");
  for (size_t s = 0; s < set->count; s++) {
    const option_section *section = &set->sections[s];
    const bool inner = section->prefix[0] != '\0';
    if (inner) fprintf(f, "%s:\n", section->prefix);
    for (size_t i = 0; i < section->count; i++) {
      if (section->options[i].type == OPT_ALIAS) continue;
      fprintf(f, "%s%s: ", inner ? "  " : "", section->options[i].name);
      dump_value(f, section, &section->options[i]);
      fputc('\n', f);
    }
  }
  if (fclose(f) != 0) {
    free(*text);
    *text = NULL;
    return fail(ERR_MEMORY, "out of memory: cannot write the configuration");
  }
  return OK;
}
