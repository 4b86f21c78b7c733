// --help, from the option table; see options.h.
#include <string.h>
#include "base/options.h"
#include "base/terminal.h"

enum { COLUMNS = 80, INDENT = 30, GLUE = 0x1f }; // GLUE: a space at which lines are not broken

const char *options_placeholder(const option *o) {
  switch (o->type) {
  case OPT_BOOL:
    return "";
  case OPT_INT:
    return "N";
  case OPT_BYTES:
    return "SIZE";
  case OPT_FLOAT:
    return "X";
  case OPT_STRING:
    return o->choices != NULL ? o->choices : "TEXT";
  case OPT_CHOICE:
    return o->choices;
  case OPT_ALIAS:
    break;
  }
  return "";
}

void options_range(char buf[64], const option *o) {
  buf[0] = '\0';
  if (!(o->min < o->max) || o->type == OPT_STRING || o->type == OPT_BOOL || o->type == OPT_CHOICE) return;
  if (o->max >= 1e9 && o->min > 0) // a limit that nobody meets
    snprintf(buf, 64, "at least %.10g", o->min);
  else if (o->max < 1e9)
    snprintf(buf, 64, "%.10g to %.10g", o->min, o->max);
}

// Prints words from column `at` on, wrapped; further lines begin at `indent`. A line feed counts as a space.
static void print_folded(FILE *to, const char *text, int at, int indent) {
  bool first = true;
  for (const char *p = text + strspn(text, " \n"); *p != '\0';) {
    char word[OPTION_STRING];
    const size_t n = strcspn(p, " \n");
    snprintf(word, sizeof word, "%.*s", (int)n, p);
    for (char *q = word; *q != '\0'; q++)
      if (*q == GLUE) *q = ' ';
    const int columns = text_columns(word);
    if (!first && at + 1 + columns > COLUMNS) {
      fprintf(to, "\n%*s", indent, "");
      at = indent;
      first = true;
    }
    at += fprintf(to, "%s", first ? "" : " ") + columns;
    fputs(word, to);
    first = false;
    p += n;
    p += strspn(p, " \n");
  }
  fputc('\n', to);
}

// " [4096; 16 to 16777216]": the default and the range.
static void describe_value(char text[256], const option *o) {
  char range[64];
  const char *usual = o->default_text;
  if (o->type == OPT_BOOL) usual = strcmp(usual, "true") == 0 ? "yes" : "no";
  options_range(range, o);
  text[0] = '\0';
  if (o->type == OPT_ALIAS) return;
  if (usual[0] == '\0' && range[0] == '\0') return;
  snprintf(text, 256, " [%s%s%s]", usual, usual[0] != '\0' && range[0] != '\0' ? "; " : "", range);
  for (char *p = text + 1; *p != '\0'; p++)
    if (*p == ' ') *p = GLUE;
}

// Prints choices, "a|b|c", behind `at` columns; where the line is full it goes on behind a '|'. Returns the columns used.
static int print_choices(FILE *to, const char *choices, int at) {
  while (*choices != '\0') {
    const size_t n = strcspn(choices, "|"), with_bar = n + (choices[n] == '|');
    if (at + (int)with_bar > COLUMNS) at = fprintf(to, "\n%*s", INDENT, "") - 1;
    at += fprintf(to, "%.*s", (int)with_bar, choices);
    choices += with_bar;
  }
  return at;
}

// "--[train.]threads": what may be left out stands in brackets.
static void print_option(const option_set *set, const option_section *s, const option *o, FILE *to) {
  char value[256], right[OPTION_STRING];
  const bool inner = s->prefix[0] != '\0', brief = inner && options_short(set, o);
  const char *placeholder = options_placeholder(options_target(s, o));
  const int name = fprintf(to, "  --%s%s%s%s%s%s", brief ? "[" : "", s->prefix, inner ? "." : "",
                           brief ? "]" : "", o->name, placeholder[0] != '\0' ? " " : "");
  const int used = print_choices(to, placeholder, name);
  describe_value(value, o);
  snprintf(right, sizeof right, "%s%s", o->help, value);
  if (used + 1 >= INDENT)
    fprintf(to, "\n%*s", INDENT, "");
  else
    fprintf(to, "%*s", INDENT - used, "");
  print_folded(to, right, INDENT, INDENT);
}

const char *options_usage(const char **rest, int *bytes) {
  const char *line = *rest + strspn(*rest, " \n");
  if (*line == '\0') return NULL;
  *bytes = (int)strcspn(line, "\n");
  *rest = line + *bytes;
  return line;
}

static void print_usages(const option_set *set, FILE *to) {
  const char *rest = set->usage, *line;
  int bytes;
  for (const char *before = "usage: "; (line = options_usage(&rest, &bytes)) != NULL; before = "       ") {
    char usage[OPTION_STRING];
    snprintf(usage, sizeof usage, "%.*s", bytes, line);
    fputs(before, to);
    print_folded(to, usage, 7, 7);
  }
}

void options_help(const option_set *set, FILE *to) {
  bool brief = false;
  print_usages(set, to);
  fputc('\n', to);
  print_folded(to, set->summary, 0, 0);
  for (size_t s = 0; s < set->count; s++) {
    const option_section *section = &set->sections[s];
    if (section->title[0] != '\0') fprintf(to, "\n%s:\n", section->title);
    for (size_t i = 0; i < section->count; i++) {
      brief = brief || (section->prefix[0] != '\0' && options_short(set, &section->options[i]));
      print_option(set, section, &section->options[i], to);
    }
  }
  fputc('\n', to);
  if (brief)
    print_folded(
        to,
        "What stands in brackets may be left out: --threads is --train.threads where both are the same "
        "option. In a yaml file the part before the dot is the section.",
        0, 0);
  print_folded(to,
               "--NAME turns a switch on, --no-NAME off; - and _ are the same, and so are --NAME VALUE and "
               "--NAME=VALUE.",
               0, 0);
}
