// souk --man and souk --completion bash; see manual.h.
//
// The option tables live in the commands, so each command is run with --help and another printer than the usual one.
// The script for bash consists of data (each command's options, and the values that may follow) and one function that
// reads them.
#include "cmd/manual.h"

#include <stdbool.h>
#include <string.h>
#include "base/options.h"

static const command *current; // whose table is being printed

static status ask_all(const command *commands, option_printer print) {
  char help[] = "--help", *argv[] = {help, NULL};
  options_print_help_with(print);
  status rc = OK;
  for (current = commands; rc == OK && current->name != NULL; current++) rc = current->run(1, argv);
  options_print_help_with(options_help);
  return rc;
}

// ---- the page ------------------------------------------------------------------------------------------------

// Prints text for roff: backslashes and dots at the beginning of a line are escaped, and hyphens are minus signs, so
// that options can be copied. Sentences begin on new lines and lines are short, except `within` a macro's arguments.
static void roff(FILE *to, const char *text, bool within) {
  int column = 0;
  for (const char *p = text; *p != '\0'; p++) {
    const bool ends = *p == '\n' || (*p == ' ' && p > text && (p[-1] == '.' || column > 60));
    if (ends && !within) {
      fputc('\n', to);
      column = 0;
      continue;
    }
    if (column++ == 0 && (*p == '.' || *p == '\'')) fputs("\\&", to);
    if (*p == '\\')
      fputs("\\e", to);
    else if (*p == '-')
      fputs("\\-", to);
    else
      fputc(*p, to);
  }
}

static void page_option(const option_set *set, const option_section *s, const option *o, FILE *to) {
  const bool inner = s->prefix[0] != '\0', brief = inner && options_short(set, o);
  const char *placeholder = options_placeholder(options_target(s, o));
  char range[64];
  fputs(".TP\n.B ", to);
  roff(to, "--", true);
  fprintf(to, "%s%s%s%s%s%s", brief ? "[" : "", s->prefix, inner ? "." : "", brief ? "]" : "", o->name,
          placeholder[0] != '\0' ? " " : "");
  roff(to, placeholder, true);
  fputc('\n', to);
  roff(to, o->help, false);
  options_range(range, o);
  if (range[0] != '\0') {
    fputs(";\n", to);
    roff(to, range, false);
  }
  const size_t n = strlen(o->help);
  fputs(range[0] == '\0' && n > 0 && o->help[n - 1] == '.' ? "\n" : ".\n", to);
  if (o->default_text[0] == '\0' || o->type == OPT_ALIAS) return;
  fputs("Default: ", to);
  roff(to, o->default_text, false);
  fputs(".\n", to);
}

static void page_command(const option_set *set, FILE *to) {
  const char *rest = set->usage, *line;
  int bytes;
  fprintf(to, ".SS souk %s\n", current->name);
  for (const char *before = ".B "; (line = options_usage(&rest, &bytes)) != NULL; before = ".br\n.B ") {
    char usage[OPTION_STRING];
    snprintf(usage, sizeof usage, "%.*s", bytes, line);
    fputs(before, to);
    roff(to, usage, true);
    fputc('\n', to);
  }
  fputs(".PP\n", to);
  roff(to, set->summary, false);
  fputc('\n', to);
  for (size_t s = 0; s < set->count; s++) {
    const option_section *section = &set->sections[s];
    if (section->title[0] != '\0') {
      fputs(".PP\n.I ", to);
      roff(to, section->title, true);
      fputc('\n', to);
    }
    for (size_t i = 0; i < section->count; i++) page_option(set, section, &section->options[i], to);
  }
}

static const char page_head[] =
    ".TH SOUK 1 2026-11-27 \"Souk " SOUK_VERSION "\" \"User Commands\"\n"
    ".SH NAME\nsouk \\- pre\\-train behaviour encoders on e\\-commerce logs, and rank with them\n"
    ".SH SYNOPSIS\n.B souk\n.I COMMAND\n[arguments]\n.br\n"
    ".B souk \\-\\-help\n|\n.B \\-\\-version\n|\n.B \\-\\-man\n|\n.B \\-\\-completion bash\n"
    ".SH DESCRIPTION\n"
    "A behaviour log becomes a data set (souk prepare), a data set becomes\n"
    "a run with checkpoints (souk pretrain), a checkpoint becomes a bundle\n"
    "(souk export), and souk\\-infer answers from a bundle: user vectors,\n"
    "item vectors and ranked lists.\n"
    "souk eval says how good a model is, beside counting baselines.\n"
    ".SH OPTIONS OF ALL COMMANDS\n"
    "Options are written \\-\\-NAME VALUE or \\-\\-NAME=VALUE;\n"
    "\\- and _ in a name are the same.\n"
    "What stands in brackets may be left out.\n"
    "A switch is turned on by \\-\\-NAME and off by \\-\\-no\\-NAME.\n"
    "In a configuration file, the part of a name before its dot is the\n"
    "section; the command line wins over the file.\n"
    ".SH COMMANDS\n";

static const char page_tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n0\nall went well\n"
    ".TP\n1\nsomething failed; one sentence on standard error says what\n"
    ".TP\n2\nthe command line was wrong\n"
    ".TP\n130\na signal has interrupted a run, and its checkpoint is written\n"
    ".SH ENVIRONMENT\n"
    ".TP\nSOUK_LOG\nerror, warn or info: which messages appear\n"
    ".TP\nOMP_NUM_THREADS\nthreads where no option says how many\n"
    ".TP\nSOUK_CUDA_BACKEND\nthe library with the CUDA backend, where it is not in its usual place\n"
    ".TP\nCOLUMNS\nthe line of progress is no wider\n"
    ".SH SEE ALSO\n.BR souk\\-infer (1)\n";

status manual_page(const command *commands, FILE *to) {
  fputs(page_head, to);
  TRY(ask_all(commands, page_command));
  fputs(page_tail, to);
  return OK;
}

// ---- completion ----------------------------------------------------------------------------------------------

// One line for each way to write an option: "pretrain --train.device auto|cpu|cuda".
static void spell(FILE *to, const char *name, const char *value) {
  fprintf(to, "%s --%s %s\n", current->name, name, value);
}

static void completion_option(const option_set *set, const option_section *s, const option *row, FILE *to) {
  char full[OPTION_NAME], off[OPTION_NAME + 8];
  const option *o = options_target(s, row);
  const bool is_switch = o->type == OPT_BOOL;
  const char *value = is_switch                                     ? "-"
                      : o->type == OPT_CHOICE || o->choices != NULL ? o->choices
                                                                    : options_placeholder(o);
  options_name(full, s, row);
  const char *const names[] = {full,
                               options_short(set, row) && strcmp(full, row->name) != 0 ? row->name : NULL};
  for (int i = 0; i < 2 && names[i] != NULL; i++) {
    spell(to, names[i], value);
    if (!is_switch) continue;
    snprintf(off, sizeof off, "no-%s", names[i]);
    spell(to, off, "-");
  }
}

static void completion_command(const option_set *set, FILE *to) {
  for (size_t s = 0; s < set->count; s++)
    for (size_t i = 0; i < set->sections[s].count; i++)
      completion_option(set, &set->sections[s], &set->sections[s].options[i], to);
  fprintf(to, "%s --help -\n", current->name);
}

static const char completion_head[] = "# Completion of souk for bash, by souk --completion bash. Source it, "
                                      "or put it where bash-completion looks:\n"
                                      "# ~/.local/share/bash-completion/completions/souk\n";

// A value is one of a list, a FILE, a DIR, or nothing that could be listed. COMP_WORDS has --NAME=VALUE as three words.
static const char completion_function[] =
    "_souk() {\n"
    "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} value "
    "command=${COMP_WORDS[1]}\n"
    "  COMPREPLY=()\n"
    "  if [[ $current == = ]]; then current=; fi\n"
    "  if [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
    "  if ((COMP_CWORD == 1)); then\n"
    "    COMPREPLY=($(compgen -W \"$_souk_commands --help --version --man --completion\" -- \"$current\"))\n"
    "    return\n"
    "  fi\n"
    "  if [[ $command == --completion ]]; then\n"
    "    COMPREPLY=($(compgen -W bash -- \"$current\"))\n"
    "    return\n"
    "  fi\n"
    "  value=-\n"
    "  if [[ $before == --* ]]; then\n"
    "    before=${before:2}\n"
    "    value=$'\\n'$_souk_options\n"
    "    value=${value#*$'\\n'\"$command --${before//-/_} \"}\n"
    "    if [[ $value == $'\\n'* ]]; then value=-; else value=${value%%$'\\n'*}; fi\n"
    "  fi\n"
    "  case $value in\n"
    "  -) if [[ $current == -* ]]; then\n"
    "       COMPREPLY=($(compgen -W \"$(sed -n \"s/^$command \\(--[^ ]*\\) .*/\\1/p\" "
    "<<<\"$_souk_options\")\" -- \"$current\"))\n"
    "     else\n"
    "       compopt -o filenames 2>/dev/null\n"
    "       mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
    "     fi ;;\n"
    "  FILE) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n"
    "  DIR) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$current\") ;;\n"
    "  *\\|*) COMPREPLY=($(compgen -W \"${value//|/ }\" -- \"$current\")) ;;\n"
    "  esac\n"
    "}\n"
    "complete -F _souk souk\n";

status manual_completion(const command *commands, FILE *to) {
  fputs(completion_head, to);
  fputs("_souk_commands='", to);
  for (const command *c = commands; c->name != NULL; c++) fprintf(to, "%s ", c->name);
  fputs("help'\n_souk_options='\n", to);
  TRY(ask_all(commands, completion_command));
  fputs("'\n", to);
  fputs(completion_function, to);
  return OK;
}
