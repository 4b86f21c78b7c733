// souk selftest: does this device compute what it should? The op tables and tiny trainings, on the user's machine.
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/threads.h"
#include "cmd/cmd.h"
#include "ops/check/check.h"
#include "train/config.h"
#include "train/selftest.h"

enum { SIZES_AUTO, SIZES_SMALL, SIZES_REAL };

typedef struct selftest_options {
  int device, matmul, sizes;
  int64_t ordinal, threads;
} selftest_options;

#define FIELD(name) offsetof(selftest_options, name)
static const option options[] = {
    {"device", OPT_CHOICE, FIELD(device), "auto", 0, 0, "auto|cpu|cuda", "backend to test"},
    {"ordinal", OPT_INT, FIELD(ordinal), "0", 0, 1023, NULL, "which device of this kind"},
    {"threads", OPT_INT, FIELD(threads), "0", 0, 4096, NULL, "CPU threads; 0: all"},
    {"matmul", OPT_CHOICE, FIELD(matmul), "fp32", 0, 0, "fp32|tf32", "how a device makes matmuls"},
    {"sizes", OPT_CHOICE, FIELD(sizes), "auto", 0, 0, "auto|small|real",
     "real: also batches of 32,768 rows and 30,000 classes; auto: on a GPU only"},
};

static bool wanted(const char *name, const char *const *only, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(name, only[i]) == 0) return true;
  return n == 0;
}

static status check_names_known(const char *const *only, size_t n) {
  for (size_t k = 0; k < n; k++) {
    bool known = strcmp(only[k], "training") == 0;
    for (int32_t i = 0; i < n_checks; i++) known = known || strcmp(only[k], check_names[i]) == 0;
    if (!known)
      return fail(
          ERR_ARGUMENT,
          "there is no check \"%s\"; there are embed, norm, linear, attention, gather, bag, fuse, xent, "
          "classify, drop, scale, orthogonal, importance, optim, backend and training",
          only[k]);
  }
  return OK;
}

// Prints what is tested, and decides whether to run cases of real sizes, which take minutes on the simulator and the
// CPU.
static status describe(const backend *be, selftest_options *o) {
  op_ctx *ctx;
  const backend_config config = {.device = (int32_t)o->ordinal,
                                 .threads = (int32_t)o->threads,
                                 .scratch_bytes = 256,
                                 .matmul = (matmul_kind)o->matmul};
  TRY(be->open(&ctx, &config));
  char text[512] = "";
  const status rc = be->describe(ctx, text, sizeof text);
  be->close(ctx);
  if (rc == OK) printf("%s\n\n", text);
  const bool gpu = !be->host_memory && strstr(text, "cusim") == NULL;
  if (o->sizes == SIZES_AUTO) o->sizes = gpu ? SIZES_REAL : SIZES_SMALL;
  return rc;
}

static status run_checks(const backend *be, const selftest_options *o, const char *const *only, size_t n_only,
                         int32_t *done, int32_t *failed) {
  const check_config config = {.device = (int32_t)o->ordinal,
                               .threads = {(int32_t)o->threads},
                               .n_threads = 1,
                               .matmul = (matmul_kind)o->matmul,
                               .real = o->sizes == SIZES_REAL};
  printf("%-10s %6s %7s %12s  %-18s %s\n", "op", "cases", "failed", "unsupported", "error / tolerance",
         "largest at");
  for (int32_t i = 0; i < n_checks; i++) {
    if (!wanted(check_names[i], only, n_only)) continue;
    check_result r;
    TRY(check_run(i, be, &config, &r));
    printf("%-10s %6d %7d %12d  %-18.3f %s\n", check_names[i], r.cases, r.failed, r.unsupported, r.worst,
           r.worst_at);
    for (int32_t k = 0; k < r.failed && k < CHECK_FAILURES; k++) printf("    %s\n", r.failures[k]);
    fflush(stdout);
    (*done)++;
    *failed += r.failed > 0 || r.cases == 0;
  }
  return OK;
}

static status run_trainings(const backend *be, const selftest_options *o, int32_t *done, int32_t *failed) {
  printf("\n%-40s %10s %10s %10s\n", "tiny training", "first loss", "last loss", "at most");
  for (int32_t i = 0; i < SELFTEST_RUNS; i++) {
    selftest_outcome t;
    TRY(selftest_train(i, be->name, (int32_t)o->ordinal, (int32_t)o->threads, (matmul_kind)o->matmul, &t));
    const bool good = t.last <= t.wanted && t.last < t.first; // NaN is not good
    printf("%-40s %10.3f %10.3f %10.3f  %s\n", t.name, t.first, t.last, t.wanted,
           good ? "learned" : "DID NOT LEARN");
    (*done)++;
    *failed += !good;
  }
  return OK;
}

status cmd_selftest(int argc, char **argv) {
  static selftest_options o;
  const option_section section = {"", "Self test", options, sizeof options / sizeof *options, &o};
  const option_set set = {
      .usage = "souk selftest [CHECK...] [--device auto|cpu|cuda] [options]",
      .summary =
          "Runs every op of a device on its case table against a double-precision reference, and trains "
          "tiny\n"
          "models on it. CHECK picks some of embed, norm, linear, attention, gather, bag, fuse, xent,\n"
          "classify, drop, scale, orthogonal, importance, optim, backend, training. An error is given as a "
          "share of its tolerance; above 1 is a "
          "failure.",
      .sections = &section,
      .count = 1};
  const char *only[16];
  size_t n_only;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, only, sizeof only / sizeof *only, &n_only, &help));
  if (help) return OK;
  threads_use(o.threads);
  o.threads = threads_or_all(o.threads); // failures name the number of threads
  TRY(check_names_known(only, n_only));
  const backend *be;
  TRY(backend_find(&be, device_names[o.device]));
  TRY(backend_makes(be, (matmul_kind)o.matmul));
  TRY(describe(be, &o));
  const double start = now_seconds();
  int32_t done = 0, failed = 0;
  TRY(run_checks(be, &o, only, n_only, &done, &failed));
  if (wanted("training", only, n_only)) TRY(run_trainings(be, &o, &done, &failed));
  char time[32];
  printf("\n%d of %d checks passed, %s\n", done - failed, done, human_seconds(time, now_seconds() - start));
  return failed == 0 ? OK
                     : fail(ERR_INTERNAL, "%d of %d checks of the %s device failed", failed, done, be->name);
}
