// The op checks: one case table an op, run on any backend against a double-precision reference.
//
// A case goes through four passes: forward, backward, backward again (what is marked `a` in ops.h must hold the
// gradient twice, what is marked `w` the same as before), forward again. After each pass every output is compared, and
// the whole is repeated with other values past the live counts and other threads:
//  - the error against reference_double may be 3 times that of reference_float (a naive implementation, rounded to the
//    backend's precision where results are stored) plus 8 roundings of the tensor's largest element;
//    where matmuls take TF32, the naive one rounds their operands too, and 4 roundings of TF32 come on top;
//  - inputs and the room before and after every buffer must be as they were (SOUK_CHECK_TIGHT=1 leaves
//    out the room after, for sanitizers and the CUDA simulator, which then notice every access past the end);
//  - rows past the live counts are NaN in one run, other finite values in the next; neither may affect a result, and
//    rows that were finite stay finite;
//  - a repeat gives the same bits.
// Where the backend has graphs, forward and backward pass are captured too, and launched with the case's live counts
// after a launch with every row live, which must not affect the result either. Cases of real sizes repeat a small
// case some hundred times: its rows, sequences and masks recur at an odd distance, so that no two blocks of a kernel
// look alike, and each repetition has a sign that multiplies its gradients. Then only the small case needs
// references: results of rows must equal its results, and sums over rows must equal its sums times the sum of the
// signs. Such a sum of n rows may be off by sqrt(n) roundings of the size that it reaches on the way, as if rows were
// added one by one. These cases are not launched as graphs, and of their inputs only the guard zones are checked.
// SOUK_CHECK_FIRST=1 ends an op's table at its first failure, SOUK_CHECK_ELEMENTS=n leaves out cases whose tensors
// have more elements than that altogether.
// Buffers are only touched through the backend's own upload and download, so a new backend is one more column.
#ifndef SOUK_OPS_CHECK_CHECK_H
#define SOUK_OPS_CHECK_CHECK_H

#include "ops/ops.h"

enum { CHECK_FAILURES = 4 };

typedef struct check_config {
  int32_t device;
  int32_t threads[4]; // every case runs at each; CPU backends only need more than one
  int32_t n_threads;
  matmul_kind matmul;
  int32_t cases; // only the first so many of each op; 0: all
  int32_t first; // from this one on
  bool real;     // those of real sizes as well: 32,768 rows, 30,000 classes
} check_config;

typedef struct check_result {
  int32_t cases, failed, unsupported; // unsupported: refused by the backend's supports()
  double worst;                       // largest error / tolerance of any tensor; above 1 fails
  char worst_at[320];                 // case and tensor of it
  char failures[CHECK_FAILURES][640]; // the first ones, one sentence each
} check_result;

// The suites: "embed", "norm", ..., and "backend" for memory, copies, casts, state and results.
extern const char *const check_names[];
extern const int32_t n_checks;

// Runs suite i. Returns an error only if the check itself cannot run (out of memory, for example); failures of the
// backend are in *out.
status check_run(int32_t i, const backend *be, const check_config *config, check_result *out);

#endif
