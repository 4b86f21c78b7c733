// souk-infer: the command line of the inference library, and the only place of it that exits.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "infer/cli.h"

static const char help_text[] =
    "souk-infer: user vectors, item vectors, scores and ranked lists from a bundle of souk export.\n"
    "\n"
    "usage: souk-infer COMMAND BUNDLE [options]\n"
    "\n"
    "  rank    ranked lists: a question a line in, a list a line out\n"
    "  score   scores of given candidates, likewise\n"
    "  users   user vectors as .npy, one row a line of input\n"
    "  items   item vectors as .npy, in the order of the vocabulary; score = user vector . item vector\n"
    "  info    what the bundle is\n"
    "  bench   how fast it answers on this machine\n"
    "\n"
    "A question is a JSON object on a line of its own:\n"
    "  {\"user\": \"u1\", \"history\": [\"item\", {\"item\": \"other\", \"event\": \"buy\"}]}\n"
    "history, oldest first, may be empty (a new user) and may hold items that the bundle does not know; the "
    "answer\n"
    "counts them as \"unknown\". Optional fields: \"candidates\" (rank or score these only), \"allow\" (list "
    "these\n"
    "only), \"deny\" (never list these). Names may be strings or integers. Answers come in the order of the "
    "input:\n"
    "  {\"user\":\"u1\",\"items\":[\"a\",\"b\"],\"scores\":[9.1,8.7],\"unknown\":0}\n"
    "and with \"titles\" where the bundle has a catalogue.\n"
    "\n"
    "  --k N               items of a list (10)\n"
    "  --input FILE        read from FILE instead of standard input\n"
    "  --output FILE       write to FILE, which appears whole or not at all, instead of standard output\n"
    "  --names FILE        users, items: write who each row is, a JSON object a line\n"
    "  --allow FILE        rank: list only the items in FILE, a name a line\n"
    "  --deny FILE         rank: never list the items in FILE\n"
    "  --keep-history      rank: items of the history may be listed again\n"
    "  --threads N         threads (all processors)\n"
    "  --length N          bench: events of a history (as many as the model reads)\n"
    "  --json              info: as JSON\n"
    "  --skip-checksums    open without comparing the files with their checksums\n"
    "  --help, --version\n";

typedef struct command {
  const char *name;
  int (*run)(const cli_options *o, const souk_bundle *b);
} command;

static const command commands[] = {{"rank", command_rank},   {"score", command_score},
                                   {"users", command_users}, {"items", command_items},
                                   {"info", command_info},   {"bench", command_bench}};

typedef struct flag {
  const char *name;
  const char **text; // where the value goes: one of these
  int32_t *number;
  bool *set; // takes no value
  int32_t min, max;
} flag;

static int parse_number(const flag *f, const char *value) {
  char *end;
  errno = 0;
  const long n = strtol(value, &end, 10);
  if (end == value || *end != '\0' || errno != 0 || n < f->min || n > f->max)
    return cli_fail(EXIT_USAGE, "--%s wants a whole number from %d to %d, not \"%s\"", f->name, f->min,
                    f->max, value);
  *f->number = (int32_t)n;
  return 0;
}

// One option, "--name VALUE", "--name=VALUE" or "--name"; *i moves past what is used.
static int parse_flag(const flag *flags, size_t n, int argc, char **argv, int *i) {
  const char *text = argv[*i] + 2, *equals = strchr(text, '=');
  const size_t bytes = equals != NULL ? (size_t)(equals - text) : strlen(text);
  for (const flag *f = flags; f < flags + n; f++) {
    if (strlen(f->name) != bytes || strncmp(f->name, text, bytes) != 0) continue;
    if (f->set != NULL) {
      if (equals != NULL) return cli_fail(EXIT_USAGE, "--%s takes no value", f->name);
      *f->set = true;
      return 0;
    }
    const char *value = equals != NULL ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (value == NULL || value[0] == '\0') return cli_fail(EXIT_USAGE, "--%s wants a value", f->name);
    if (f->number != NULL) return parse_number(f, value);
    *f->text = value;
    return 0;
  }
  return cli_fail(EXIT_USAGE, "unknown option \"%s\"; souk-infer --help lists them", argv[*i]);
}

static int parse_arguments(cli_options *o, int argc, char **argv) {
  *o = (cli_options){.k = 10, .threads = -1};
  const flag flags[] = {{"k", NULL, &o->k, NULL, 1, 1000000},
                        {"input", &o->input, NULL, NULL, 0, 0},
                        {"output", &o->output, NULL, NULL, 0, 0},
                        {"names", &o->names, NULL, NULL, 0, 0},
                        {"allow", &o->allow, NULL, NULL, 0, 0},
                        {"deny", &o->deny, NULL, NULL, 0, 0},
                        {"keep-history", NULL, NULL, &o->keep_history, 0, 0},
                        {"threads", NULL, &o->threads, NULL, 1, 1024},
                        {"length", NULL, &o->length, NULL, 1, 1 << 16},
                        {"json", NULL, NULL, &o->json, 0, 0},
                        {"skip-checksums", NULL, NULL, &o->skip_checksums, 0, 0}};
  for (int i = 0; i < argc; i++) {
    if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
      const int rc = parse_flag(flags, sizeof flags / sizeof *flags, argc, argv, &i);
      if (rc != 0) return rc;
    } else if (o->bundle == NULL) {
      o->bundle = argv[i];
    } else {
      return cli_fail(EXIT_USAGE, "one bundle is wanted, not \"%s\" too", argv[i]);
    }
  }
  return o->bundle != NULL ? 0 : cli_fail(EXIT_USAGE, "a bundle is wanted: souk-infer COMMAND BUNDLE");
}

static int run(const command *c, int argc, char **argv) {
  cli_options o;
  souk_bundle *b;
  souk_error e = {.code = SOUK_OK};
  const int bad = parse_arguments(&o, argc, argv);
  if (bad != 0) return bad;
  if (souk_open(&b, o.bundle, o.skip_checksums ? SOUK_SKIP_CHECKSUMS : 0, &e) != SOUK_OK)
    return cli_fail(EXIT_FAILED, "%s", e.message);
  const int rc = c->run(&o, b);
  souk_close(b);
  return rc;
}

static bool is_one_of(const char *text, const char *a, const char *b) {
  return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (is_one_of(argv[i], "--help", "-h") || (i == 1 && strcmp(argv[1], "help") == 0)) {
      fputs(help_text, stdout);
      return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
    }
  }
  if (argc < 2) {
    fputs(help_text, stderr);
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("souk-infer %s\n", souk_infer_version());
    return 0;
  }
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(argv[1], commands[i].name) != 0) continue;
    const int rc = run(&commands[i], argc - 2, argv + 2);
    if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)))
      return cli_fail(EXIT_FAILED, "cannot write standard output: %s", strerror(errno));
    return rc;
  }
  return cli_fail(EXIT_USAGE, "unknown command \"%s\"; souk-infer --help lists them", argv[1]);
}
