// The commands and options of souk-infer: parsing, each command's --help, the man page and the shell completion all
// come from the two tables in cli_options.c.
#ifndef SOUK_INFER_CLI_CLI_OPTIONS_H
#define SOUK_INFER_CLI_CLI_OPTIONS_H

#include "infer_cli/cli.h"

enum {
  FOR_RANK = 1,
  FOR_SCORE = 2,
  FOR_USERS = 4,
  FOR_ITEMS = 8,
  FOR_INFO = 16,
  FOR_BENCH = 32,
  FOR_EMBED = 64,
  FOR_CLASSIFY = 128,
  FOR_PAIRS = 256,
  FOR_PROMO = 512,
  FOR_COPY = FOR_PROMO | FOR_RANK, // rank: with --promote
  FOR_TEXTS = FOR_EMBED | FOR_CLASSIFY,
  FOR_ANSWERS = FOR_RANK | FOR_SCORE | FOR_TEXTS | FOR_PAIRS | FOR_PROMO,
  FOR_HISTORIES = FOR_RANK | FOR_SCORE | FOR_USERS,
  FOR_LINES = FOR_HISTORIES | FOR_TEXTS | FOR_PAIRS | FOR_PROMO,
  FOR_ALL = 1023
};

typedef enum option_kind {
  OPTION_SWITCH,
  OPTION_NUMBER,
  OPTION_REAL,     // a number with a fraction
  OPTION_POSITIVE, // the same, and `least`, which is 0, is out of range
  OPTION_FILE,
  OPTION_FILES, // may be given several times
  OPTION_WORD,
  OPTION_NAME
} option_kind;

typedef struct cli_option {
  const char *name; // without the dashes
  option_kind kind;
  const char
      *argument; // what its value is called, of a word those there are: "mean|cls|max"; NULL for a switch
  size_t offset; // of its field in cli_options: a bool, an int32_t, a double, a cli_files or a const char *
  unsigned commands; // those that take it, of FOR_...
  int32_t least, most, usual;
  const char *usual_text; // the default in words; NULL: the number `usual`, or no default
  const char *help;       // a clause without a full stop
} cli_option;
extern const cli_option cli_option_table[];
extern const size_t cli_option_count;

typedef struct cli_command {
  const char *name;
  unsigned bit;        // FOR_...
  const char *summary; // a clause
  // Paragraphs, closed by NULL; one that begins with two spaces stays as it is.
  const char *const *about;
  int (*run)(const cli_options *o, const souk_bundle *b);
} cli_command;
extern const cli_command cli_command_table[];
extern const size_t cli_command_count;

extern const char cli_about[];                    // what the program is, a sentence
extern const char *const cli_questions_about[];   // paragraphs about lines with histories
extern const char *const cli_texts_about[];       // about lines with texts
extern const char *const cli_requests_about[];    // about lines with requests for copy
extern const char *const cli_answers_about[];     // about what is written, a line for a line
extern const char *const cli_environment_about[]; // about environment variables

const cli_command *cli_find_command(const char *name); // NULL: there is none
bool option_is_real(const cli_option *option);
// The default of an option in words: "10", "all processors"; "" for a switch or if there is none.
const char *option_default(const cli_option *option, char buf[16]);

// Options and the bundle of a command from its arguments; *wants_help when one of them is --help or -h.
int cli_parse(cli_options *o, const cli_command *c, int argc, char **argv, bool *wants_help);

// ---- cli_manual.c --------------------------------------------------------------------------------------------

void print_help(FILE *to); // of the program
void print_command_help(FILE *to, const cli_command *c);
void print_man_page(FILE *to);                     // roff, section 1
int print_completion(FILE *to, const char *shell); // fails for shells that it does not know

#endif
