// The option table; see options.h.
//
// Values come as text from three places (defaults, yaml scalars, the command line) and are parsed in one, so that a
// number means the same everywhere. Yaml is read through libyaml's event stream: a config is a map of maps of
// scalars, and anything else is an error that names the line.
#include "base/options.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/options_internal.h"
#include "base/yaml_file.h"

void options_name(char buf[OPTION_NAME], const option_section *s, const option *o) {
  snprintf(buf, OPTION_NAME, "%s%s%s", s->prefix, s->prefix[0] != '\0' ? "." : "", o->name);
}

// ---- values --------------------------------------------------------------------------------------------------

static const char *type_text(const option *o) {
  switch (o->type) {
  case OPT_BOOL:
    return "true or false";
  case OPT_INT:
    return "a whole number";
  case OPT_BYTES:
    return "a size such as 512M or 2G";
  case OPT_FLOAT:
    return "a number";
  case OPT_STRING:
    return o->choices != NULL ? "a path" : "text";
  case OPT_CHOICE:
    return o->choices;
  case OPT_ALIAS:
    break;
  }
  return "";
}

static bool parse_bool(const char *text, bool *value) {
  static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
  for (int i = 0; i < 4; i++) {
    if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
      *value = strcasecmp(text, yes[i]) == 0;
      return true;
    }
  }
  return false;
}

static bool parse_int(const char *text, bool binary, int64_t *value) {
  char *end;
  errno = 0;
  const long long n = strtoll(text, &end, 10);
  if (end == text || errno != 0) return false;
  int64_t unit = 1;
  const int64_t base = binary ? 1024 : 1000;
  if (*end != '\0') {
    static const char letters[] = "kmgt";
    const char *p = strchr(letters, *end | 0x20);
    if (p == NULL) return false;
    for (const char *q = letters; q <= p; q++) unit *= base;
    end++;
    if (binary && strcasecmp(end, "ib") == 0)
      end += 2;
    else if (binary && strcasecmp(end, "b") == 0)
      end++;
  }
  return *end == '\0' && !__builtin_mul_overflow((int64_t)n, unit, value);
}

bool parse_choice(const char *choices, const char *text, int *value) {
  const size_t n = strlen(text);
  int index = 0;
  for (const char *p = choices;; p = strchr(p, '|') + 1, index++) {
    const size_t m = strcspn(p, "|");
    if (m == n && strncasecmp(p, text, n) == 0) {
      *value = index;
      return true;
    }
    if (p[m] == '\0') return false;
  }
}

int choice_count(const char *choices) {
  int n = 1;
  for (const char *p = choices; (p = strchr(p, '|')) != NULL; p++) n++;
  return n;
}

void choice_name(const char *choices, int value, char *buf, size_t bytes) {
  const char *p = choices;
  for (; value > 0 && strchr(p, '|') != NULL; value--) p = strchr(p, '|') + 1;
  snprintf(buf, bytes, "%.*s", (int)strcspn(p, "|"), p);
}

bool next_character(const char **text, int32_t *c) {
  const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)*text, -1, c);
  if (n <= 0) return false;
  *text += n;
  return true;
}

// Only texts that yaml can hold are accepted, because a run writes its options to config.yaml.
static status set_string(char *field, const char *name, const char *text, const char *where) {
  if (strlen(text) >= OPTION_STRING)
    return fail(ERR_ARGUMENT, "%s: %s is longer than %d bytes", where, name, OPTION_STRING - 1);
  int32_t c;
  for (const char *p = text; *p != '\0';)
    if (!next_character(&p, &c)) return fail(ERR_ARGUMENT, "%s: %s is not UTF-8", where, name);
  memset(field, 0, OPTION_STRING);
  strcpy(field, text);
  return OK;
}

static status set_value(const option_section *s, const option *o, const char *text, const char *where) {
  char name[OPTION_NAME];
  options_name(name, s, o);
  char *field = (char *)s->target + o->offset;
  bool good = false;
  double number = 0;
  switch (o->type) {
  case OPT_BOOL: {
    bool v = false;
    good = parse_bool(text, &v);
    if (good) memcpy(field, &v, sizeof v);
    break;
  }
  case OPT_INT:
  case OPT_BYTES: {
    int64_t v = 0;
    good = parse_int(text, o->type == OPT_BYTES, &v);
    number = (double)v;
    if (good) memcpy(field, &v, sizeof v);
    break;
  }
  case OPT_FLOAT: {
    char *end;
    number = strtod(text, &end);
    good = end != text && *end == '\0' && isfinite(number);
    if (good) memcpy(field, &number, sizeof number);
    break;
  }
  case OPT_STRING:
    return set_string(field, name, text, where);
  case OPT_CHOICE: {
    int v = 0;
    good = parse_choice(o->choices, text, &v);
    if (good) memcpy(field, &v, sizeof v);
    break;
  }
  case OPT_ALIAS:
    break;
  }
  if (!good) return fail(ERR_ARGUMENT, "%s: %s must be %s, not \"%s\"", where, name, type_text(o), text);
  const bool limited =
      o->min < o->max && (o->type == OPT_INT || o->type == OPT_BYTES || o->type == OPT_FLOAT);
  if (limited && (number < o->min || number > o->max))
    return fail(ERR_ARGUMENT, "%s: %s = %s is out of range (%.10g to %.10g)", where, name, text, o->min,
                o->max);
  return OK;
}

// ---- names ---------------------------------------------------------------------------------------------------

// Edit distance with adjacent swaps counted as one, for "did you mean".
static int distance(const char *a, const char *b) {
  enum { MAX = 64 };
  const int n = (int)strnlen(a, MAX - 1), m = (int)strnlen(b, MAX - 1);
  int d[MAX][MAX];
  for (int i = 0; i <= n; i++) d[i][0] = i;
  for (int j = 0; j <= m; j++) d[0][j] = j;
  for (int i = 1; i <= n; i++) {
    for (int j = 1; j <= m; j++) {
      int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
      if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
        best = d[i - 2][j - 2] + 1;
      d[i][j] = best;
    }
  }
  return d[n][m];
}

const option *options_target(const option_section *s, const option *row) {
  if (row->type != OPT_ALIAS) return row;
  for (size_t i = 0; i < s->count; i++)
    if (strcmp(s->options[i].name, row->default_text) == 0) return &s->options[i];
  return row; // a mistake in the table
}

static status unknown_name(const option_set *set, const char *name, const char *where) {
  char best[OPTION_NAME] = "", candidate[OPTION_NAME];
  int best_distance = 1 + (int)strlen(name) / 2;
  const bool dotted = strchr(name, '.') != NULL;
  for (size_t s = 0; s < set->count; s++) {
    for (size_t i = 0; i < set->sections[s].count; i++) {
      if (set->sections[s].options[i].type == OPT_ALIAS) continue;
      options_name(candidate, &set->sections[s], &set->sections[s].options[i]);
      int d = distance(name, candidate);
      const int bare = distance(name, set->sections[s].options[i].name);
      if (!dotted && bare < d) d = bare;
      if (d < best_distance) {
        best_distance = d;
        strcpy(best, candidate);
      }
    }
  }
  if (best[0] == '\0') return fail(ERR_ARGUMENT, "%s: unknown option \"%s\"; --help lists them", where, name);
  return fail(ERR_ARGUMENT, "%s: unknown option \"%s\"; did you mean \"%s\"?", where, name, best);
}

// Finds by full name, or by bare name when only one section has it. *twice is set when several have.
static const option *find_option(const option_set *set, const char *name, const option_section **section,
                                 bool *twice) {
  const option *found = NULL;
  char full[OPTION_NAME];
  *twice = false;
  for (size_t s = 0; s < set->count; s++) {
    for (size_t i = 0; i < set->sections[s].count; i++) {
      const option *o = &set->sections[s].options[i];
      options_name(full, &set->sections[s], o);
      if (strcmp(full, name) == 0) {
        *section = &set->sections[s];
        *twice = false;
        return o;
      }
      if (strcmp(o->name, name) == 0) {
        *twice = found != NULL;
        found = o;
        *section = &set->sections[s];
      }
    }
  }
  return *twice ? NULL : found;
}

static status lookup(const option_set *set, const char *name, const char *where,
                     const option_section **section, const option **found) {
  bool twice;
  *found = find_option(set, name, section, &twice);
  if (*found != NULL) return OK;
  if (twice)
    return fail(ERR_ARGUMENT, "%s: several sections have an option \"%s\"; write SECTION.%s", where, name,
                name);
  return unknown_name(set, name, where);
}

status options_find(const option_set *set, const char *name, const char *where,
                    const option_section **section, const option **found) {
  TRY(lookup(set, name, where, section, found));
  *found = options_target(*section, *found);
  return OK;
}

bool options_short(const option_set *set, const option *o) {
  const option_section *section;
  bool twice;
  return find_option(set, o->name, &section, &twice) == o;
}

// The rows that one place (a yaml file, a command line) has named so far.
typedef struct named_rows {
  const option *row[512]; // more than any set has
  size_t n;
} named_rows;

// Remembers that `row` was named. An error where the same option was named by its other name before.
static status name_row(named_rows *seen, const option_section *s, const option *row, bool once,
                       const char *where) {
  char name[OPTION_NAME], other[OPTION_NAME];
  options_name(name, s, row);
  for (size_t i = 0; i < seen->n; i++) {
    if (seen->row[i] == row) return once ? fail(ERR_FORMAT, "%s: %s is given twice", where, name) : OK;
    if (options_target(s, seen->row[i]) != options_target(s, row)) continue;
    options_name(other, s, seen->row[i]);
    return fail(ERR_ARGUMENT, "%s: %s and %s are two names of one option; give one of them", where, other,
                name);
  }
  if (seen->n < sizeof seen->row / sizeof *seen->row) seen->row[seen->n++] = row;
  return OK;
}

status options_set(const option_set *set, const char *name, const char *value, const char *where) {
  const option_section *section;
  const option *o;
  TRY(lookup(set, name, where, &section, &o));
  return set_value(section, options_target(section, o), value, where);
}

status options_defaults(const option_set *set) {
  for (size_t s = 0; s < set->count; s++) {
    const option_section *section = &set->sections[s];
    for (const option *o = section->options; o < section->options + section->count; o++)
      if (o->type != OPT_ALIAS) TRY(set_value(section, o, o->default_text, "default"));
  }
  return OK;
}

// ---- yaml ----------------------------------------------------------------------------------------------------

typedef struct yaml_reader {
  yaml_parser_t parser;
  yaml_event_t event;
  const char *name, *text; // [bytes]
  size_t bytes;
  const option_set *set;
  named_rows seen; // a key given twice is an error
} yaml_reader;

static status yaml_next(yaml_reader *y) {
  yaml_event_delete(&y->event);
  if (!yaml_parser_parse(&y->parser, &y->event)) return yaml_failed(&y->parser, y->name, y->text, y->bytes);
  const bool scalar = y->event.type == YAML_SCALAR_EVENT;
  if (scalar && strlen((const char *)y->event.data.scalar.value) != y->event.data.scalar.length)
    return fail(ERR_FORMAT, "%s line %zu: a value contains a NUL byte", y->name,
                y->event.start_mark.line + 1);
  return OK;
}

static size_t yaml_line(const yaml_reader *y) {
  return y->event.start_mark.line + 1;
}

static status yaml_map(yaml_reader *y, const char *prefix, int depth) {
  for (;;) {
    TRY(yaml_next(y));
    if (y->event.type == YAML_MAPPING_END_EVENT) return OK;
    const size_t line = yaml_line(y);
    if (y->event.type != YAML_SCALAR_EVENT)
      return fail(ERR_FORMAT, "%s line %zu: a key is expected here", y->name, line);
    char key[OPTION_NAME], where[OPTION_STRING + 64];
    const int n = snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "",
                           (const char *)y->event.data.scalar.value);
    snprintf(where, sizeof where, "%s line %zu", y->name, line);
    if (n < 0 || (size_t)n >= sizeof key) return fail(ERR_FORMAT, "%s: the key is too long", where);
    TRY(yaml_next(y));
    if (y->event.type == YAML_MAPPING_START_EVENT) {
      bool known = depth == 0;
      for (size_t s = 0; known && s < y->set->count; s++)
        if (strcmp(y->set->sections[s].prefix, key) == 0)
          break;
        else if (s + 1 == y->set->count)
          known = false;
      if (!known) {
        char best[OPTION_NAME] = "";
        int d = 1 + (int)strlen(key) / 2;
        for (size_t s = 0; s < y->set->count; s++) {
          const int e = distance(key, y->set->sections[s].prefix);
          if (e < d && y->set->sections[s].prefix[0] != '\0') {
            d = e;
            snprintf(best, sizeof best, "; did you mean \"%s\"?", y->set->sections[s].prefix);
          }
        }
        return fail(ERR_ARGUMENT, "%s: unknown section \"%s\"%s", where, key, best);
      }
      TRY(yaml_map(y, key, depth + 1));
      continue;
    }
    if (y->event.type != YAML_SCALAR_EVENT)
      return fail(ERR_FORMAT, "%s: %s must be one value, not a list", where, key);
    if (prefix[0] == '\0') { // top level: only sections without a prefix
      const option_section *section;
      bool twice;
      const option *o = find_option(y->set, key, &section, &twice);
      if (o == NULL || section->prefix[0] != '\0') {
        if (o != NULL)
          return fail(ERR_ARGUMENT, "%s: \"%s\" belongs in section \"%s\"", where, key, section->prefix);
        return unknown_name(y->set, key, where);
      }
    }
    const option_section *section;
    const option *o;
    TRY(lookup(y->set, key, where, &section, &o));
    TRY(name_row(&y->seen, section, o, true, where));
    TRY(set_value(section, options_target(section, o), (const char *)y->event.data.scalar.value, where));
  }
}

status options_yaml_text(const option_set *set, const char *text, size_t bytes, const char *name) {
  yaml_reader *y;
  TRY(mem_new(&y, 1, sizeof *y, "the yaml reader"));
  y->name = name;
  y->text = text;
  y->bytes = bytes;
  y->set = set;
  status rc = OK;
  if (!yaml_parser_initialize(&y->parser)) {
    free(y);
    return fail(ERR_MEMORY, "out of memory: yaml parser");
  }
  yaml_parser_set_input_string(&y->parser, (const unsigned char *)text, bytes);
  TRY_GOTO(yaml_next(y), done); // stream start
  TRY_GOTO(yaml_next(y), done); // document start, or the end of an empty file
  if (y->event.type == YAML_STREAM_END_EVENT) goto done;
  TRY_GOTO(yaml_next(y), done);
  if (y->event.type == YAML_SCALAR_EVENT && y->event.data.scalar.length == 0) goto done; // only comments
  if (y->event.type != YAML_MAPPING_START_EVENT) {
    rc = fail(ERR_FORMAT, "%s line %zu: a map of options is expected", name, yaml_line(y));
    goto done;
  }
  rc = yaml_map(y, "", 0);
done:
  yaml_event_delete(&y->event);
  yaml_parser_delete(&y->parser);
  free(y);
  return rc;
}

status options_yaml(const option_set *set, const char *path) {
  char *text;
  size_t bytes;
  TRY(file_read(path, YAML_FILE_BYTES, &text, &bytes));
  const status rc = options_yaml_text(set, text, bytes, path);
  free(text);
  return rc;
}

static option_printer print_help = options_help;

void options_print_help_with(option_printer print) {
  print_help = print;
}

// ---- command line --------------------------------------------------------------------------------------------

status options_args(const option_set *set, int argc, char **argv, const char **positionals,
                    size_t max_positionals, size_t *n_positionals, bool *help) {
  static const char where[] = "command line";
  *n_positionals = 0;
  *help = false;
  named_rows seen = {.n = 0};
  bool only_positionals = false;
  for (int i = 0; i < argc; i++) {
    const char *arg = argv[i];
    if (!only_positionals && strcmp(arg, "--") == 0) {
      only_positionals = true;
      continue;
    }
    if (only_positionals || arg[0] != '-' || arg[1] == '\0') {
      if (*n_positionals == max_positionals)
        return fail(ERR_ARGUMENT, "%s: unexpected argument \"%s\"; usage: %s", where, arg, set->usage);
      positionals[(*n_positionals)++] = arg;
      continue;
    }
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
      print_help(set, stdout);
      *help = true;
      return OK;
    }
    if (arg[1] != '-')
      return fail(ERR_ARGUMENT, "%s: unknown option \"%s\"; options begin with --", where, arg);
    char name[OPTION_NAME];
    const size_t n = strcspn(arg + 2, "=");
    if (n >= sizeof name) return fail(ERR_ARGUMENT, "%s: unknown option \"%.60s...\"", where, arg);
    memcpy(name, arg + 2, n);
    name[n] = '\0';
    for (char *p = name; *p != '\0'; p++)
      if (*p == '-') *p = '_'; // --batch-tokens is --batch_tokens
    const char *value = arg[2 + n] == '=' ? arg + 3 + n : NULL;
    const option_section *section;
    const option *o;
    bool twice;
    bool off = false; // --no-NAME
    if (value == NULL && strncmp(name, "no_", 3) == 0) {
      o = find_option(set, name + 3, &section, &twice);
      off = o != NULL && options_target(section, o)->type == OPT_BOOL;
    }
    if (!off) TRY(lookup(set, name, where, &section, &o));
    TRY(name_row(&seen, section, o, false, where));
    o = options_target(section, o);
    if (off) value = "false";
    bool ignored;
    if (value == NULL && o->type == OPT_BOOL)
      value = i + 1 < argc && parse_bool(argv[i + 1], &ignored) ? argv[++i] : "true";
    if (value == NULL && i + 1 >= argc)
      return fail(ERR_ARGUMENT, "%s: --%s needs %s", where, name, type_text(o));
    if (value == NULL) value = argv[++i];
    TRY(set_value(section, o, value, where));
  }
  return OK;
}
