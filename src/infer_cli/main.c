// souk-infer: the command line of the inference library, and the only place of it that exits.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "format/target.h"
#include "infer_cli/cli_options.h"

// What is read and what is written must be files of their own: an output replaces what is there.
static int check_files(const cli_options *o) {
  const struct {
    const char *option, *path;
    bool written;
  } files[] = {{"--output", o->output, true},   {"--names", o->names, true},  {"--input", o->input, false},
               {"--texts", o->texts, false},    {"--allow", o->allow, false}, {"--deny", o->deny, false},
               {"--promote", o->promote, false}};
  const size_t n = sizeof files / sizeof *files;
  for (size_t i = 0; i < n; i++)
    for (size_t j = i + 1; j < n; j++) {
      target a, b;
      if (!files[i].written || files[i].path == NULL || files[j].path == NULL) continue;
      if (strcmp(files[i].path, "-") == 0 || strcmp(files[j].path, "-") == 0) continue; // standard streams
      if (target_find(&a, files[i].path) == 0 && target_find(&b, files[j].path) == 0 && target_same(&a, &b))
        return cli_fail(EXIT_USAGE, "%s and %s are the same file, %s; each needs one of its own",
                        files[i].option, files[j].option, files[i].path);
    }
  return 0;
}

static int run(const cli_command *c, int argc, char **argv) {
  cli_options o;
  souk_bundle *b;
  souk_error e = {.code = SOUK_OK};
  bool wants_help;
  int rc = cli_parse(&o, c, argc, argv, &wants_help);
  if (rc != 0) return rc;
  if (wants_help) {
    print_command_help(stdout, c);
    return 0;
  }
  rc = check_files(&o);
  if (rc != 0) return rc;
  if (souk_open(&b, o.bundle, o.skip_checksums ? SOUK_SKIP_CHECKSUMS : 0, &e) != SOUK_OK)
    return cli_fail(EXIT_FAILED, "%s", e.message);
  rc = c->run(&o, b);
  souk_close(b);
  return rc;
}

static bool is_one_of(const char *text, const char *a, const char *b) {
  return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

static int dispatch(int argc, char **argv) {
  const char *first = argc > 1 ? argv[1] : "";
  if (argc < 2) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  if (strcmp(first, "help") == 0 && argc > 2 && cli_find_command(argv[2]) != NULL)
    print_command_help(stdout, cli_find_command(argv[2]));
  else if (is_one_of(first, "--help", "-h") || strcmp(first, "help") == 0)
    print_help(stdout);
  else if (strcmp(first, "--version") == 0)
    printf("souk-infer %s\n", souk_infer_version());
  else if (strcmp(first, "--man") == 0)
    print_man_page(stdout);
  else if (strcmp(first, "--completion") == 0)
    return print_completion(stdout, argc > 2 ? argv[2] : "");
  else if (cli_find_command(first) != NULL)
    return run(cli_find_command(first), argc - 2, argv + 2);
  else
    return cli_fail(EXIT_USAGE, "unknown %s \"%s\"; souk-infer --help lists them",
                    first[0] == '-' ? "option" : "command", first);
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); // a file that must not grow is an error of the write, with a sentence
  const int rc = dispatch(argc, argv);
  if (fflush(stdout) == 0 && !ferror(stdout)) return rc;
  cli_fail(0, "cannot write standard output: %s", strerror(errno));
  return rc != 0 ? rc : EXIT_FAILED;
}
