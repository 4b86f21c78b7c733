// One typed option table serves yaml configs, the command line, --help and the docs.
//
// A section is a table over one struct. Its options have full names "PREFIX.name" (or just "name" if the
// prefix is ""). In yaml a section is a map; on the command line it is --PREFIX.name VALUE or
// --PREFIX.name=VALUE, or --name if only one section has that name; booleans take --name, --no-name or a value.
// Unknown keys, wrong types and values out of range are errors that name the key and the nearest valid one.
// An option that was renamed keeps its old name as a row of type OPT_ALIAS: yaml files and command lines of before go on
// working, what is written has the new name, and giving both names in one place is an error.
#ifndef SOUK_BASE_OPTIONS_H
#define SOUK_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/status.h"

typedef enum option_type {
  OPT_BOOL,   // bool
  OPT_INT,    // int64_t; accepts 4096, 4k, 64M, 2G (binary multiples only for OPT_BYTES)
  OPT_BYTES,  // int64_t; accepts 512M, 2G, 2GiB
  OPT_FLOAT,  // double
  OPT_STRING, // char[OPTION_STRING]
  OPT_CHOICE, // int; choices is "a|b|c", the value is the index
  OPT_ALIAS,  // an old name; default_text is the name now, of an option in the same section
} option_type;

enum { OPTION_STRING = 1024, OPTION_NAME = 256 };

typedef struct option {
  const char *name;
  option_type type;
  size_t offset;            // in the section's struct
  const char *default_text; // parsed like a value from the command line
  double min, max;          // inclusive, for numbers; min == max means no limit
  const char *choices; // OPT_CHOICE: "a|b|c"; OPT_STRING: "FILE" or "DIR" for a path, NULL for another text
  const char *help;    // one line; for strings it may say what is expected
} option;

typedef struct option_section {
  const char *prefix, *title; // title "": these go on under the heading before
  const option *options;
  size_t count;
  void *target;
} option_section;

typedef struct option_set {
  const char *usage;   // "souk prepare CONFIG.yaml --out DIR [options]"; several ways: a line each
  const char *summary; // a few sentences for --help
  const option_section *sections;
  size_t count;
} option_set;

// Fills every target with its defaults. Must be called first.
status options_defaults(const option_set *set);
// Reads a yaml file (one map of maps; scalars only at the leaves). path names the file in errors.
status options_yaml(const option_set *set, const char *path);
// The same from text.
status options_yaml_text(const option_set *set, const char *text, size_t bytes, const char *name);
// Parses argv[0..argc): options are set, the rest are positionals (pointers into argv). "--" ends options.
// --help prints help to stdout and sets *help.
status options_args(const option_set *set, int argc, char **argv, const char **positionals,
                    size_t max_positionals, size_t *n_positionals, bool *help);
// Sets one option from text, e.g. "train.steps", "100"; where names the source in errors.
status options_set(const option_set *set, const char *name, const char *value, const char *where);
// The option that a name stands for, by its full name or, if only one section has it, its bare one; never an alias. An unknown
// name is an error that names the nearest one.
status options_find(const option_set *set, const char *name, const char *where,
                    const option_section **section, const option **found);
// The full name of an option, "PREFIX.name".
void options_name(char buf[OPTION_NAME], const option_section *s, const option *o);
// The option that a row stands for: of an alias the option it names, of another row itself.
const option *options_target(const option_section *s, const option *row);
// Is its name alone enough on the command line?
bool options_short(const option_set *set, const option *o);
// What stands for its value in a help text: N, SIZE, FILE, a|b|c.
const char *options_placeholder(const option *o);
// "at least 1", "1 to 4096", or "" where nothing limits the value.
void options_range(char buf[64], const option *o);
// The next line of a usage, *bytes long, without the spaces in front of it; NULL behind the last one. *rest begins as the usage.
const char *options_usage(const char **rest, int *bytes);
void options_help(const option_set *set, FILE *to); // in lines of at most 80 columns
// What --help prints from here on: options_help, or another description of the same table (cmd/manual.c).
typedef void (*option_printer)(const option_set *set, FILE *to);
void options_print_help_with(option_printer print);
// One value as yaml text (freed with free()).
status options_value(const option_section *s, const option *o, char **text);
// All values as yaml text, in table order (freed with free()); reading it back gives the same values.
status options_dump(const option_set *set, char **text);

#endif
