// souk bench: times the ops of a device and compares them with the limits of its hardware; bench_words.c the tokeniser, bench_lexicon.c
// lexicons.
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include "base/file.h"
#include "base/log.h"
#include "base/threads.h"
#include "cmd/bench_lexicon.h"
#include "cmd/bench_words.h"
#include "cmd/cmd.h"
#include "ops/bench/bench.h"
#include "train/config.h"

typedef struct bench_options {
  int device, shapes, matmul;
  int64_t ordinal, threads, tokens, rotate;
  double seconds, peak_gflops, bandwidth_gb;
  char ops[OPTION_STRING], csv[OPTION_STRING];
} bench_options;

enum { SHAPES_ALL }; // the others are bench_models, counted from 1

#define FIELD(name) offsetof(bench_options, name)
static const option options[] = {
    {"device", OPT_CHOICE, FIELD(device), "auto", 0, 0, "auto|cpu|cuda", "backend to time"},
    {"ordinal", OPT_INT, FIELD(ordinal), "0", 0, 1023, NULL, "which device of this kind"},
    {"threads", OPT_INT, FIELD(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
    {"matmul", OPT_CHOICE, FIELD(matmul), "fp32", 0, 0, "fp32|tf32", "how a device makes matmuls"},
    {"shapes", OPT_CHOICE, FIELD(shapes), "all", 0, 0, "all|bert-base|bert-large|beauty|tiny",
     "the model whose shapes are timed; all: every one but tiny, which is for tests"},
    {"ops", OPT_STRING, FIELD(ops), "", 0, 0, NULL, "only ops with this in their name, or 'linear_*'"},
    {"tokens", OPT_INT, FIELD(tokens), "0", 0, 1 << 20, NULL,
     "tokens of a batch; 0: 32,768 of BERT on a device and 1,024 on the CPU, 4,096 of beauty"},
    {"seconds", OPT_FLOAT, FIELD(seconds), "0.2", 0, 3600, NULL,
     "time to measure each row for, and three samples at least"},
    {"rotate", OPT_BYTES, FIELD(rotate), "256M", 0, 1e12, NULL,
     "copies of operands that calls take in turn, so that they come from memory and not from a cache; 0: one "
     "copy"},
    {"peak_gflops", OPT_FLOAT, FIELD(peak_gflops), "0", 0, 1e9, NULL,
     "peak of the device; 0: the best rate of a square matmul"},
    {"bandwidth_gb", OPT_FLOAT, FIELD(bandwidth_gb), "0", 0, 1e9, NULL,
     "bandwidth of the device's memory; 0: the best rate of a copy"},
    {"csv", OPT_STRING, FIELD(csv), "", 0, 0, "FILE",
     "file that also gets each row as soon as it is measured"},
};

// What the rows of a table share.
typedef struct table {
  append_file *csv; // NULL: none
  char date[32], machine[128], device[256];
  bench_counts counts;
  double seconds, floor; // of the ops of a step
} table;

// The processor's name, or else its kind.
static void name_machine(char *text, size_t size) {
  char line[256];
  struct utsname u;
  snprintf(text, size, "%s", uname(&u) == 0 ? u.machine : "unknown");
  FILE *f = fopen("/proc/cpuinfo", "re");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    const char *value = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || value == NULL) continue;
    line[strcspn(line, "\n")] = '\0';
    snprintf(text, size, "%s", value + 1 + strspn(value + 1, " "));
    break;
  }
  if (f != NULL) fclose(f);
}

static void name_date(char text[32]) {
  const time_t now = time(NULL);
  struct tm utc;
  text[0] = '\0';
  if (gmtime_r(&now, &utc) != NULL) strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

// ---- a row ---------------------------------------------------------------------------------------------------

static void print_row(const bench_row *r) {
  printf("%-18s  %-13s  %-44s  %9.3f  %9.3f  %7.1f  %8.1f  %5.1f%% %-6s  %6lld\n", op_names[r->op], r->what,
         r->shape, 1e3 * r->median, 1e3 * r->min, 1e-9 * r->bytes / r->median, 1e-9 * r->flops / r->median,
         100 * r->floor / r->median, r->by_memory ? "memory" : "peak", (long long)r->calls);
  fflush(stdout);
}

static void print_titles(void) {
  printf("%-18s  %-13s  %-44s  %9s  %9s  %7s  %8s  %-13s  %6s\n", "op", "of", "shape", "median ms", "min ms",
         "GB/s", "GF/s", "share of floor", "calls");
}

static const char csv_titles[] =
    "commit,version,date,machine,device,shapes,op,of,shape,tokens,in_step,calls,median_ms,min_ms,bytes,"
    "operations,gb_s,gf_s,floor_ms,floor_by,share\n";

// A CSV field in quotes, with quotes doubled; only a processor's name could contain one.
static void unquote(char *text) {
  for (; *text != '\0'; text++)
    if (*text == '"') *text = '\'';
}

static status write_csv(const table *t, const bench_row *r) {
  char line[1024];
  const int n = snprintf(
      line, sizeof line,
      "%s,%s,%s,\"%s\",\"%s\",%s,%s,\"%s\",\"%s\",%d,%d,%lld,%.6g,%.6g,%.0f,%.0f,%.4g,%.4g,%.6g,%s,%.4f\n",
      SOUK_COMMIT, SOUK_VERSION, t->date, t->machine, t->device, r->model->name, op_names[r->op], r->what,
      r->shape, t->counts.tokens, r->in_step, (long long)r->calls, 1e3 * r->median, 1e3 * r->min, r->bytes,
      r->flops, 1e-9 * r->bytes / r->median, 1e-9 * r->flops / r->median, 1e3 * r->floor,
      r->by_memory ? "memory" : "peak", r->floor / r->median);
  if (n < 0 || (size_t)n >= sizeof line) return fail(ERR_INTERNAL, "a line of the table is too long");
  return append_write(t->csv, line, (size_t)n);
}

static status take_row(void *user, const bench_row *r) {
  table *t = user;
  print_row(r);
  t->seconds += r->in_step * r->median;
  t->floor += r->in_step * r->floor;
  return t->csv == NULL ? OK : write_csv(t, r);
}

// ---- tables --------------------------------------------------------------------------------------------------

static status run_model(bench *b, const bench_model *m, const bench_options *o, table *t, int32_t *done) {
  int32_t n;
  char seconds[32], floor[32];
  t->seconds = t->floor = 0;
  TRY(bench_counts_of(b, m, &t->counts));
  printf("\n%s: %s\n%d tokens in %d sequences, %d masked rows", m->name, m->what, t->counts.tokens,
         t->counts.seqs, t->counts.masked);
  if (t->counts.tokens < m->tokens) printf(" (it trains with %d: --tokens)", m->tokens);
  printf("\n\n");
  print_titles();
  TRY(bench_run(b, m, take_row, t, &n));
  *done += n;
  if (o->ops[0] == '\0')
    printf("\na training step of these ops: %s; its floor: %s, %.1f%% of it\n",
           human_seconds(seconds, t->seconds), human_seconds(floor, t->floor), 100 * t->floor / t->seconds);
  return OK;
}

static status run_models(bench *b, const bench_options *o, table *t) {
  int32_t done = 0;
  for (int32_t i = 0; i < n_bench_models; i++) {
    const bench_model *m = &bench_models[i];
    if (o->shapes == SHAPES_ALL ? strcmp(m->name, "tiny") == 0 : o->shapes != i + 1) continue;
    TRY(run_model(b, m, o, t, &done));
  }
  return done > 0 ? OK : fail(ERR_ARGUMENT, "--ops %s: no op of these shapes has such a name", o->ops);
}

static status bench_ops(const bench_options *o) {
  static table t;
  const backend *be;
  bench *b;
  TRY(backend_find(&be, device_names[o->device]));
  const bench_config config = {.device = (int32_t)o->ordinal,
                               .threads = (int32_t)o->threads,
                               .matmul = (matmul_kind)o->matmul,
                               .tokens = (int32_t)o->tokens,
                               .seconds = o->seconds,
                               .rotate_bytes = (size_t)o->rotate,
                               .pattern = o->ops,
                               .peak = o->peak_gflops * 1e9,
                               .bandwidth = o->bandwidth_gb * 1e9};
  TRY(backend_makes(be, config.matmul));
  TRY(bench_open(&b, be, &config));
  status rc;
  name_date(t.date);
  name_machine(t.machine, sizeof t.machine);
  unquote(t.machine);
  TRY_GOTO(bench_describe(b, t.device, sizeof t.device), done);
  unquote(t.device);
  printf("%s\n%s, souk " SOUK_VERSION " (" SOUK_COMMIT "), %s\n", t.device, t.machine, t.date);
  printf("%s %.1f GF/s, %s %.1f GB/s\n", o->peak_gflops > 0 ? "given peak" : "peak of a square matmul",
         1e-9 * bench_peak(b), o->bandwidth_gb > 0 ? "given bandwidth" : "bandwidth of a copy",
         1e-9 * bench_bandwidth(b));
  if (o->matmul == MATMUL_TF32)
    printf("the peak is that of matmuls in TF32; attention works in fp32, so its share looks smaller than "
           "it is\n");
  if (o->csv[0] != '\0') {
    TRY_GOTO(append_open(&t.csv, o->csv, APPEND_ANEW), done);
    TRY_GOTO(append_write(t.csv, csv_titles, sizeof csv_titles - 1), done);
  }
  rc = run_models(b, o, &t);
done:
  bench_close(b);
  const status closed = append_close(t.csv);
  return rc != OK ? rc : closed;
}

status cmd_bench(int argc, char **argv) {
  static bench_options o;
  if (argc > 0 && strcmp(argv[0], "words") == 0) return bench_words(argc - 1, argv + 1);
  if (argc > 0 && strcmp(argv[0], "lexicon") == 0) return bench_lexicon(argc - 1, argv + 1);
  const option_section section = {"", "Benchmark", options, sizeof options / sizeof *options, &o};
  const option_set set = {
      .usage =
          "souk bench ops [--device auto|cpu|cuda] [--shapes NAME] [--ops PATTERN] [--csv FILE] [options]",
      .summary =
          "Times every op of a device with the arguments that BERT-base (sequences of 128), "
          "BERT-large (512) and\n"
          "a model of Amazon Beauty give it. The floor of an op is what its bytes take at the "
          "memory's bandwidth,\n"
          "or its operations at the peak, whichever is longer; at 100% of it nothing is left to gain.\n"
          "souk bench words times the tokeniser and souk bench lexicon lexicons; they have options of their "
          "own (souk bench words --help).",
      .sections = &section,
      .count = 1};
  const char *what;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &what, 1, &n, &help));
  if (help) return OK;
  if (n == 0) return fail(ERR_ARGUMENT, "usage: %s", set.usage);
  if (strcmp(what, "ops") != 0)
    return fail(ERR_ARGUMENT, "there is no benchmark \"%s\"; there are ops, words and lexicon", what);
  threads_use(o.threads);
  return bench_ops(&o);
}
