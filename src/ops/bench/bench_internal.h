// What the files of the op benchmark share.
#ifndef SOUK_OPS_BENCH_BENCH_INTERNAL_H
#define SOUK_OPS_BENCH_BENCH_INTERNAL_H

#include "ops/bench/bench.h"
#include "ops/bench/op_cost.h"

// ---- a model's batch (bench_batch.c) -------------------------------------------------------------------------

typedef struct bench_batch {
  batch_view view;
  batch_facts facts;
  uint8_t *touched; // host: [V] words of the batch, its labels and negatives
  void *memory;     // backend memory of the view
} bench_batch;

// What m's batch of so many tokens holds, in backend memory.
status bench_batch_make(bench_batch *out, const bench_model *m, int32_t tokens, const backend *be,
                        op_ctx *ctx);
void bench_batch_free(bench_batch *b, const backend *be, op_ctx *ctx); // safe on a zeroed one

// ---- operands (bench_operands.c) -----------------------------------------------------------------------------

typedef enum operand_role {
  READ,     // normal values
  MADE,     // written before it is read: whatever is there
  ADDED,    // accumulated into: zeros at first
  CONSUMED, // read and written: restored before each sample
} operand_role;

// Which passes use an operand; for the others it is NULL and takes no memory.
typedef enum operand_use { FORWARD = 1, BACKWARD = 2, BOTH = 3, UPDATE = 4 } operand_use;

// An operand that calls consume, and what it held.
typedef struct consumed {
  void *p, *kept;
  size_t bytes;
} consumed;

enum { BENCH_TARGETS = 3 }; // labels of a sequence
enum { MOST_SETS = 64, SET_OPERANDS = 24, SET_CONSUMED = 2, SET_TENSORS = 16, TILE = 1 << 16 };

// Makes the operands of one call after another, a set for each. In a dry run it only counts their bytes.
typedef struct maker {
  const backend *be;
  op_ctx *ctx;
  const bench_model *model;
  const bench_batch *batch;
  const float *tile; // host: [TILE] normal values
  optim_tensor
      *tensors;    // host: [SET_TENSORS] room for the optimiser's table of the set at hand, the caller's
  operand_use use; // of the op at hand
  bool dry;
  double bytes; // of the operands so far
  status rc;    // of the first that failed
  void *memory[(MOST_SETS + 1) * SET_OPERANDS];
  consumed taken[MOST_SETS * SET_CONSUMED];
  int32_t n_memory, n_taken, of_set; // of_set: how many of `taken` the first set has; 0 while that is made
} maker;

act *take_acts(maker *k, operand_use use, operand_role role, int64_t rows_n, int64_t width, float spread);
float *take_floats(maker *k, operand_use use, operand_role role, int64_t rows_n, int64_t width, float spread);
uint8_t *take_touched(maker *k);                   // [V] marks of the batch's words, consumed
void take_table(maker *k, optim_params *p);        // table and norms of p, whose tensors are described
status maker_restore(const maker *k, int32_t set); // restores what a call with this set has consumed
void maker_free(maker *k);

// ---- rows (bench_rows.c) -------------------------------------------------------------------------------------

typedef enum frequency { NEVER, ONCE, A_LAYER, TWICE_A_LAYER } frequency;
typedef struct bench_case {
  const char *what;
  op_index op;
  void (*bind)(maker *k, op_params *p);
  frequency often; // in a training step with AdamW
  enum { ANY, PAIRS } wants;
} bench_case;
operand_use op_operands(op_index op); // those of a pass, both passes' (losses make both), or an optimiser's
extern const bench_case bench_cases[];
extern const int32_t n_bench_cases;

#endif
