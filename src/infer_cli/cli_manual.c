// souk-infer's --help, man page and completion for bash, all from the tables in cli_options.c.
#include <string.h>
#include "infer_cli/cli_options.h"

enum { COLUMNS = 80, OPTION_COLUMN = 20 };

// ---- help ----------------------------------------------------------------------------------------------------

// Words of a text from column `at` on, wrapped before COLUMNS; further lines begin at `indent`.
static void print_wrapped(FILE *to, const char *text, size_t at, size_t indent) {
  for (bool first = true; *text != '\0'; first = false) {
    const size_t bytes = strcspn(text, " ");
    if (!first && at + 1 + bytes >= COLUMNS) {
      fprintf(to, "\n%*s", (int)indent, "");
      at = indent;
    } else if (!first) {
      fputc(' ', to);
      at++;
    }
    fwrite(text, 1, bytes, to);
    at += bytes;
    text += bytes + (text[bytes] == ' ');
  }
  fputc('\n', to);
}

static bool is_preformatted(const char *paragraph) {
  return strncmp(paragraph, "  ", 2) == 0;
}

static void print_paragraphs(FILE *to, const char *const *paragraphs) {
  for (; *paragraphs != NULL; paragraphs++) {
    if (is_preformatted(*paragraphs))
      fprintf(to, "%s\n", *paragraphs);
    else
      print_wrapped(to, *paragraphs, 0, 0);
  }
}

static void print_option(FILE *to, const cli_option *option) {
  char name[64], help[512], buf[16];
  const char *usual = option_default(option, buf);
  snprintf(name, sizeof name, "--%s%s%s", option->name, option->argument != NULL ? " " : "",
           option->argument != NULL ? option->argument : "");
  if (option->kind == OPTION_NUMBER || option_is_real(option))
    snprintf(help, sizeof help, "%s; %d to %d (%s)", option->help, option->least, option->most, usual);
  else
    snprintf(help, sizeof help, "%s%s%s%s", option->help, usual[0] != '\0' ? " (" : "", usual,
             usual[0] != '\0' ? ")" : "");
  if (strlen(name) > OPTION_COLUMN - 3)
    fprintf(to, "  %s\n%*s", name, OPTION_COLUMN, "");
  else
    fprintf(to, "  %-*s ", OPTION_COLUMN - 3, name);
  print_wrapped(to, help, OPTION_COLUMN, OPTION_COLUMN);
}

void print_help(FILE *to) {
  print_wrapped(to, cli_about, 0, 0);
  fputs("\nusage: souk-infer COMMAND BUNDLE [options]\n\n", to);
  for (size_t i = 0; i < cli_command_count; i++)
    fprintf(to, "  %-8s %s\n", cli_command_table[i].name, cli_command_table[i].summary);
  fputs("\nsouk-infer COMMAND --help says what it reads and writes, and lists its options.\n"
        "souk-infer --version, --man (a man page), --completion bash (for the shell).\n"
        "\nfor example:\n"
        "  echo '{\"user\": 1, \"history\": [\"i1\"]}' | souk-infer rank BUNDLE --k 5\n",
        to);
}

void print_command_help(FILE *to, const cli_command *c) {
  fprintf(to, "souk-infer %s: %s\n\nusage: souk-infer %s BUNDLE [options]\n\n", c->name, c->summary, c->name);
  if ((c->bit & FOR_HISTORIES) != 0) print_paragraphs(to, cli_questions_about);
  if ((c->bit & FOR_TEXTS) != 0) print_paragraphs(to, cli_texts_about);
  if ((c->bit & FOR_PROMO) != 0) print_paragraphs(to, cli_requests_about);
  print_paragraphs(to, c->about);
  if ((c->bit & FOR_ANSWERS) != 0) print_paragraphs(to, cli_answers_about);
  fputs("\noptions (and their defaults):\n", to);
  for (size_t i = 0; i < cli_option_count; i++)
    if ((cli_option_table[i].commands & c->bit) != 0) print_option(to, &cli_option_table[i]);
}

// ---- man page ------------------------------------------------------------------------------------------------

// Prints a line of text for roff, with hyphens, backslashes and dots escaped so that they are printed as they are.
static void print_roff(FILE *to, const char *text) {
  if (*text == '.' || *text == '\'') fputs("\\&", to);
  for (; *text != '\0'; text++) {
    if (*text == '\\')
      fputs("\\e", to);
    else if (*text == '-')
      fputs("\\-", to);
    else
      fputc(*text, to);
  }
  fputc('\n', to);
}

static void man_paragraphs(FILE *to, const char *const *paragraphs) {
  for (bool first = true; *paragraphs != NULL; paragraphs++, first = false) {
    const bool as_is = is_preformatted(*paragraphs);
    if (!first) fputs(".PP\n", to);
    if (as_is) fputs(".nf\n", to);
    print_roff(to, *paragraphs);
    if (as_is) fputs(".fi\n", to);
  }
}

static void man_command(FILE *to, const cli_command *c) {
  fprintf(to, ".SS \"souk\\-infer %s BUNDLE\"\n", c->name);
  const char *const summary[] = {c->summary, NULL};
  man_paragraphs(to, summary);
  fputs(".PP\n", to);
  man_paragraphs(to, c->about);
  char names[512];
  size_t at = (size_t)snprintf(names, sizeof names, "Options:");
  for (size_t i = 0; i < cli_option_count && at < sizeof names; i++)
    if ((cli_option_table[i].commands & c->bit) != 0)
      at += (size_t)snprintf(names + at, sizeof names - at, "%s --%s", names[at - 1] == ':' ? "" : ",",
                             cli_option_table[i].name);
  fputs(".PP\n", to);
  print_roff(to, names);
}

static void man_option(FILE *to, const cli_option *option) {
  char name[64], buf[16], range[64];
  const char *usual = option_default(option, buf);
  fputs(".TP\n.B ", to);
  snprintf(name, sizeof name, "--%s%s%s", option->name, option->argument != NULL ? " " : "",
           option->argument != NULL ? option->argument : "");
  print_roff(to, name);
  print_roff(to, option->help);
  if (option->kind == OPTION_NUMBER || option_is_real(option)) {
    snprintf(range, sizeof range, "(from %d to %d)", option->least, option->most);
    print_roff(to, range);
  }
  if (usual[0] != '\0') {
    fputs(".br\nDefault: ", to);
    print_roff(to, usual);
  }
}

void print_man_page(FILE *to) {
  static const char *const exits[] = {"0: all is well. 1: a bundle or file cannot be used, or a line could "
                                      "not be answered. 2: the command line "
                                      "is wrong.",
                                      NULL};
  fprintf(to,
          ".\\\" Made by souk-infer --man.\n.TH SOUK\\-INFER 1 2026-11-27 \"Souk %s\" \"User Commands\"\n",
          souk_infer_version());
  fputs(".SH NAME\nsouk\\-infer \\- answers from an exported bundle\n.SH SYNOPSIS\n", to);
  for (size_t i = 0; i < cli_command_count; i++)
    fprintf(to, "%s.B souk\\-infer %s\n.I BUNDLE\n[options]\n", i > 0 ? ".br\n" : "",
            cli_command_table[i].name);
  fputs(".SH DESCRIPTION\n", to);
  print_roff(to, cli_about);
  fputs(".SH \"QUESTIONS AND ANSWERS\"\n", to);
  man_paragraphs(to, cli_questions_about);
  fputs(".PP\n", to);
  man_paragraphs(to, cli_texts_about);
  fputs(".PP\n", to);
  man_paragraphs(to, cli_requests_about);
  fputs(".PP\n", to);
  man_paragraphs(to, cli_answers_about);
  fputs(".SH COMMANDS\n", to);
  for (size_t i = 0; i < cli_command_count; i++) man_command(to, &cli_command_table[i]);
  fputs(".SH OPTIONS\n", to);
  for (size_t i = 0; i < cli_option_count; i++) man_option(to, &cli_option_table[i]);
  fputs(".SH EXIT STATUS\n", to);
  man_paragraphs(to, exits);
  fputs(".SH ENVIRONMENT\n", to);
  man_paragraphs(to, cli_environment_about);
  fputs(".SH SEE ALSO\n.BR souk (1)\n", to);
}

// ---- completion ----------------------------------------------------------------------------------------------

// A pattern of the options of some kinds: --k | --batch.
static void print_pattern(FILE *to, unsigned kinds) {
  const char *before = "  ";
  for (size_t i = 0; i < cli_option_count; i++) {
    if ((kinds >> cli_option_table[i].kind & 1) == 0) continue;
    fprintf(to, "%s--%s", before, cli_option_table[i].name);
    before = " | ";
  }
}

// A case for each option that takes one of a few words.
static void print_words(FILE *to) {
  for (size_t i = 0; i < cli_option_count; i++) {
    const cli_option *option = &cli_option_table[i];
    if (option->kind != OPTION_WORD) continue;
    fprintf(to, "  --%s) mapfile -t COMPREPLY < <(compgen -W \"", option->name);
    for (const char *at = option->argument; *at != '\0'; at++) fputc(*at == '|' ? ' ' : *at, to);
    fputs("\" -- \"$word\"); return ;;\n", to);
  }
}

static void print_case(FILE *to, const cli_command *c) {
  fprintf(to, "  %s) options=\"--help", c->name);
  for (size_t i = 0; i < cli_option_count; i++)
    if ((cli_option_table[i].commands & c->bit) != 0) fprintf(to, " --%s", cli_option_table[i].name);
  fputs("\" ;;\n", to);
}

int print_completion(FILE *to, const char *shell) {
  if (strcmp(shell, "bash") != 0)
    return cli_fail(EXIT_USAGE, "--completion needs \"bash\", not \"%s\"", shell);
  fputs(
      "# Completion of souk-infer for bash, made by souk-infer --completion bash.\n"
      "_souk_infer() {\n"
      "  local at=$COMP_CWORD word before options=\n"
      "  word=${COMP_WORDS[at]} before=${COMP_WORDS[at - 1]}\n"
      "  if [ \"$word\" = = ]; then word=; elif [ \"$before\" = = ]; then before=${COMP_WORDS[at - 2]}; fi\n"
      "  COMPREPLY=()\n"
      "  case $before in\n",
      to);
  print_pattern(to, 1U << OPTION_FILE | 1U << OPTION_FILES);
  fputs(") mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n", to);
  print_pattern(to, 1U << OPTION_NUMBER | 1U << OPTION_REAL | 1U << OPTION_POSITIVE);
  fputs(") return ;;\n", to);
  print_pattern(to, 1U << OPTION_NAME);
  fputs(") return ;;\n", to);
  print_words(to);
  fputs("  --completion) mapfile -t COMPREPLY < <(compgen -W bash -- \"$word\"); return ;;\n"
        "  esac\n"
        "  case ${COMP_WORDS[1]} in\n",
        to);
  for (size_t i = 0; i < cli_command_count; i++) print_case(to, &cli_command_table[i]);
  fputs("  esac\n"
        "  if [ \"$at\" = 1 ]; then\n"
        "    options=\"",
        to);
  for (size_t i = 0; i < cli_command_count; i++) fprintf(to, "%s ", cli_command_table[i].name);
  fputs("--help --version --man --completion\"\n"
        "  elif [[ $word != -* ]]; then\n"
        "    mapfile -t COMPREPLY < <(compgen -d -- \"$word\")\n"
        "    return\n"
        "  fi\n"
        "  mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
        "}\n"
        "complete -o filenames -F _souk_infer souk-infer\n",
        to);
  return 0;
}
