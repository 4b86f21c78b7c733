// souk bench ops: every op of a backend at the shapes of real models, timed and compared with the limits of the
// hardware.
//
// A row is an op with the arguments that the model gives it (model/encoder.c, model/objectives): the batch is packed, token
// ids and negatives follow Zipf's law, masked rows are distinct and ascending. The floor of a row is the larger of
//   bytes / bandwidth   every argument read or written once, whatever the backend does (op_cost.h)
//   operations / peak   multiply-adds count as two
// where bandwidth and peak are the best that the backend's own copies and matmuls reach, unless they are given.
//
// Timing. Operands are rotated through as many copies as make up `rotate_bytes`, so that they come from memory and not
// from a cache, as they do in a step. What an op consumes (gradients that the optimiser zeroes, dy that becomes dz) is
// restored before each sample, outside of the measured time. A sample is as many calls in a row as last two
// milliseconds, and one wait; samples are taken until `seconds` are over, three at least.
#ifndef SOUK_OPS_BENCH_BENCH_H
#define SOUK_OPS_BENCH_BENCH_H

#include "ops/ops.h"

typedef struct bench_config {
  int32_t device, threads;
  matmul_kind matmul;
  int32_t tokens;      // of a batch; 0: the model's own
  double seconds;      // measured time of a row, at the least
  size_t rotate_bytes; // 0: the same operands in every call
  const char
      *pattern; // only ops whose name has this in it, or matches it as a shell pattern; NULL or "": all
  double peak, bandwidth; // operations and bytes a second; 0: measured
} bench_config;

typedef struct bench_model {
  const char *name, *what; // "bert-base", "12 x 768, sequences of 128"
  int32_t layers, hidden, heads, intermediate, vocab, types, positions;
  int32_t length, shortest;    // of sequences; shortest < length: histories, most of them short
  int32_t tokens, host_tokens; // of a batch: what it trains with, and what a CPU does in seconds
  double masked;               // share of the tokens
  int32_t negatives;           // 0: full softmax
  bool pairs;                  // pooler and next-sentence loss
  float dropout, attention_dropout;
} bench_model;
extern const bench_model bench_models[];
extern const int32_t n_bench_models;

typedef struct bench_row {
  const bench_model *model;
  op_index op;
  const char *what;    // "ffn1"
  const char *shape;   // "1024 x 768 to 3072, gelu"
  double median, min;  // seconds of a call
  int64_t calls;       // measured ones
  double bytes, flops; // of a call (op_cost.h)
  double floor;        // seconds
  bool by_memory;      // the floor is memory's
  int32_t in_step;     // calls in a training step with AdamW
} bench_row;

typedef struct bench bench;
status bench_open(bench **out, const backend *be, const bench_config *config);
void bench_close(bench *b); // NULL is safe
// Peak and bandwidth that shares refer to, measured by bench_open unless given.
double bench_peak(const bench *b);
double bench_bandwidth(const bench *b);
status bench_describe(bench *b, char *text, size_t bytes);
// Tokens, sequences and masked rows of a model's batch.
typedef struct bench_counts {
  int32_t tokens, seqs, masked;
} bench_counts;
status bench_counts_of(bench *b, const bench_model *m, bench_counts *out);
typedef status bench_report(void *user, const bench_row *row);
// Times the rows of a model and gives each to `report` as it is done, until that fails. *n is their number: 0 if no op
// matches the pattern.
status bench_run(bench *b, const bench_model *m, bench_report *report, void *user, int32_t *n);

#endif
