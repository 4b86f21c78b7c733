// Bytes and operations that an op cannot do without: each argument read or written once (twice where it is accumulated
// into), each matmul of its formulas once. From the arguments' shapes and types; live rows count, not capacities. What
// a backend does on top, such as recomputing or reading twice, shows as distance from the floor.
#ifndef SOUK_OPS_BENCH_OP_COST_H
#define SOUK_OPS_BENCH_OP_COST_H

#include "ops/ops.h"

// What depends on the batch's content.
typedef struct batch_facts {
  int32_t tokens, seqs, masked;
  int32_t work;             // items of the attention's work list
  double squares;           // sum over sequences of length^2
  int32_t words;            // different token ids
  int32_t types, positions; // different ones
  int32_t classes;          // different labels and negatives
  int32_t touched;          // different words and classes: rows of the word table with a gradient
} batch_facts;

typedef struct op_cost {
  double bytes, flops;
} op_cost;

op_cost op_cost_of(op_index op, const op_params *p, const batch_facts *f, size_t act_size);

#endif
