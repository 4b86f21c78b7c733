// The runner of the op benchmark; see bench.h.
#include "ops/bench/bench.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/philox.h"
#include "format/order.h"
#include "ops/bench/bench_internal.h"
#include "ops/shapes.h"

enum { MOST_SAMPLES = 1001, LEAST_SAMPLES = 3, MOST_CALLS = 1000 };
static const double SAMPLE_SECONDS = 2e-3;
// Peak and bandwidth are measured with calls that take this long, or with the largest size.
static const double CEILING_SECONDS = 0.02, CEILING_SPENT = 0.2;
enum {
  LEAST_SIDE = 64,
  MOST_SIDE = 8192,
  GOOD_SIDE = 512,
  LEAST_COPY = 1 << 20,
  MOST_COPY = 1 << 28,
  COPY_WIDTH = 1024
};
enum { CEILING_SAMPLES = 20 };

struct bench {
  const backend *be;
  op_ctx *ctx;
  bench_config config;
  float *tile; // [TILE] normal values
  double peak, bandwidth;
};

static status call_op(const bench *b, op_index op, const op_params *p) {
  switch (op) {
#define CALL(name, params, kind) \
  case INDEX_##name:             \
    return b->be->name(b->ctx, &p->params);
    OP_LIST(CALL)
#undef CALL
  case N_OPS:
    break;
  }
  return fail(ERR_INTERNAL, "the benchmark knows no op %d", (int)op);
}

operand_use op_operands(op_index op) {
  const char *name = op_names[op];
  if (op_kinds[op] == OP_OPTIM && op != INDEX_grad_norm) return BOTH | UPDATE;
  if (strstr(name, "_forward") != NULL) return FORWARD;
  return strstr(name, "_backward") != NULL ? BACKWARD : BOTH;
}

// ---- timing --------------------------------------------------------------------------------------------------

// Seconds of n calls, which take the sets in turn from *next on.
static status time_calls(const bench *b, op_index op, const op_params *sets, int32_t n_sets, int32_t *next,
                         int32_t n, double *seconds) {
  TRY(b->be->sync(b->ctx));
  const double start = now_seconds();
  for (int32_t i = 0; i < n; i++, *next = (*next + 1) % n_sets) TRY(call_op(b, op, &sets[*next]));
  TRY(b->be->sync(b->ctx));
  *seconds = now_seconds() - start;
  return OK;
}

// How many calls a sample may have, so that no call gets operands that another has consumed.
static int32_t calls_of(double seconds, int32_t n_sets, bool consuming) {
  const double wanted = seconds > 0 ? SAMPLE_SECONDS / seconds : MOST_CALLS;
  const int32_t most = consuming ? n_sets : MOST_CALLS;
  return wanted < 1 ? 1 : wanted > most ? most : (int32_t)wanted;
}

// Restores the operands that the next sample will use.
static status restore(const maker *k, int32_t next, int32_t calls, int32_t n_sets) {
  for (int32_t i = 0; i < calls && i < n_sets; i++) TRY(maker_restore(k, (next + i) % n_sets));
  return OK;
}

static status time_row(const bench *b, const maker *k, const op_params *sets, int32_t n_sets,
                       bench_row *row) {
  double samples[MOST_SAMPLES], spent = 0, seconds;
  int32_t next = 0, n = 0, calls = 1;
  for (int32_t i = 0; i < 2; i++) { // warm-up: code, caches of plans, pages
    TRY(restore(k, next, 1, n_sets));
    TRY(time_calls(b, row->op, sets, n_sets, &next, 1, &seconds));
  }
  calls = calls_of(seconds, n_sets, k->n_taken > 0);
  while (n < MOST_SAMPLES && (spent < b->config.seconds || n < LEAST_SAMPLES)) {
    TRY(restore(k, next, calls, n_sets));
    TRY(time_calls(b, row->op, sets, n_sets, &next, calls, &seconds));
    spent += seconds;
    samples[n++] = seconds / calls;
  }
  qsort(samples, (size_t)n, sizeof *samples, order_double);
  row->median = samples[n / 2];
  row->min = samples[0];
  row->calls = (int64_t)n * calls;
  return OK;
}

static maker new_maker(const bench *b, const bench_model *m, const bench_batch *batch, operand_use use) {
  return (maker){.be = b->be, .ctx = b->ctx, .model = m, .batch = batch, .tile = b->tile, .use = use};
}

// ---- what the hardware could do -------------------------------------------------------------------------------

// The shortest of many samples: other jobs on the machine can only make samples longer.
static status shortest_call(const bench *b, op_index op, const op_params *p, double *shortest) {
  int32_t next = 0;
  double spent = 0, seconds;
  for (int32_t i = 0; i < 2; i++) TRY(time_calls(b, op, p, 1, &next, 1, &seconds)); // warm-up
  const int32_t calls = calls_of(seconds, 1, false);
  *shortest = seconds;
  for (int32_t i = 0; i < LEAST_SAMPLES || (i < CEILING_SAMPLES && spent < CEILING_SPENT); i++) {
    TRY(time_calls(b, op, p, 1, &next, calls, &seconds));
    spent += seconds;
    *shortest = fmin(*shortest, seconds / calls);
  }
  return OK;
}

static linear_params square_matmul(maker *k, int32_t side) {
  return (linear_params){.n = {ROWS_FIXED, side},
                         .in = side,
                         .out = side,
                         .x = take_acts(k, BOTH, READ, side, side, 1),
                         .w = take_acts(k, BOTH, READ, side, side, 1),
                         .y = take_acts(k, BOTH, MADE, side, side, 1)};
}

// Operations a second of a square matmul, as large as it takes. (Small ones tell little, unless the backend is slow.)
static status measure_peak(bench *b, maker *k) {
  double seconds = 0;
  for (int32_t side = LEAST_SIDE; side <= MOST_SIDE; side *= 2) {
    if (seconds > (side > GOOD_SIDE ? CEILING_SECONDS : CEILING_SPENT)) break;
    const op_params p = {.linear = square_matmul(k, side)};
    TRY(k->rc);
    TRY(shortest_call(b, INDEX_linear_forward, &p, &seconds));
    b->peak = fmax(b->peak, 2.0 * side * side * side / seconds);
    maker_free(k);
  }
  return OK;
}

static status time_copies(const bench *b, void *to, const void *from, size_t bytes, int32_t n,
                          double *seconds) {
  TRY(b->be->sync(b->ctx));
  const double start = now_seconds();
  for (int32_t i = 0; i < n; i++) TRY(b->be->copy(b->ctx, to, from, bytes));
  TRY(b->be->sync(b->ctx));
  *seconds = now_seconds() - start;
  return OK;
}

static status shortest_copy(const bench *b, void *to, const void *from, size_t bytes, double *shortest) {
  double spent = 0, seconds;
  for (int32_t i = 0; i < 2; i++) TRY(time_copies(b, to, from, bytes, 1, &seconds)); // warm-up
  const int32_t calls = calls_of(seconds, 1, false);
  *shortest = seconds;
  for (int32_t i = 0; i < LEAST_SAMPLES || (i < CEILING_SAMPLES && spent < CEILING_SPENT); i++) {
    TRY(time_copies(b, to, from, bytes, calls, &seconds));
    spent += seconds;
    *shortest = fmin(*shortest, seconds / calls);
  }
  return OK;
}

// Copies rows in order with the gather op, which uses all threads where the backend's copy uses one.
static status copy_rates(bench *b, maker *k, size_t bytes, const int32_t *index, double *seconds) {
  const int64_t width = COPY_WIDTH, n = (int64_t)(bytes / (COPY_WIDTH * b->be->act_size));
  double plain;
  const op_params p = {.gather = {.n = {ROWS_FIXED, (int32_t)n},
                                  .hidden = COPY_WIDTH,
                                  .source = {ROWS_FIXED, (int32_t)n},
                                  .index = index,
                                  .x = take_acts(k, BOTH, READ, n, width, 1),
                                  .y = take_acts(k, BOTH, MADE, n, width, 1)}};
  TRY(k->rc);
  TRY(shortest_call(b, INDEX_gather_forward, &p, seconds));
  TRY(shortest_copy(b, p.gather.y, p.gather.x, bytes, &plain));
  *seconds = fmin(*seconds, plain);
  b->bandwidth = 2 * (double)bytes / *seconds; // of the largest copy: smaller ones may not leave the caches
  return OK;
}

static status measure_bandwidth(bench *b, maker *k) {
  const size_t most = MOST_COPY / (COPY_WIDTH * b->be->act_size);
  int32_t *order;
  TRY(mem_new(&order, most, sizeof *order, "the bandwidth measurement"));
  for (size_t i = 0; i < most; i++) order[i] = (int32_t)i;
  void *index = NULL;
  status rc;
  TRY_GOTO(b->be->mem_alloc(b->ctx, most * sizeof *order, "the bandwidth measurement", &index), done);
  TRY_GOTO(b->be->upload(b->ctx, index, order, most * sizeof *order), done);
  double seconds = 0;
  for (size_t bytes = LEAST_COPY; bytes <= MOST_COPY && seconds < CEILING_SECONDS; bytes *= 2) {
    TRY_GOTO(copy_rates(b, k, bytes, index, &seconds), done);
    maker_free(k);
  }
done:
  b->be->mem_free(b->ctx, index);
  free(order);
  return rc;
}

static size_t scratch_of(const bench *b, op_kind kind, const void *params) {
  const size_t n = b->be->scratch_bytes(kind, params, b->config.threads);
  return n > 256 ? n : 256;
}

static status open_context(bench *b, size_t scratch) {
  b->be->close(b->ctx);
  b->ctx = NULL;
  const backend_config c = {.device = b->config.device,
                            .threads = b->config.threads,
                            .scratch_bytes = scratch,
                            .matmul = b->config.matmul};
  return b->be->open(&b->ctx, &c);
}

static status measure_ceilings(bench *b) {
  maker k = new_maker(b, NULL, NULL, BOTH);
  k.dry = true;
  size_t scratch = 0; // narrow products may need more of it than wide ones
  for (int32_t side = LEAST_SIDE; side <= MOST_SIDE; side *= 2) {
    const linear_params matmul = square_matmul(&k, side);
    const size_t needed = scratch_of(b, OP_LINEAR, &matmul);
    scratch = needed > scratch ? needed : scratch;
  }
  TRY(open_context(b, scratch));
  k = new_maker(b, NULL, NULL, BOTH);
  status rc = b->peak > 0 ? OK : measure_peak(b, &k);
  if (rc == OK && !(b->bandwidth > 0)) rc = measure_bandwidth(b, &k);
  maker_free(&k);
  return rc;
}

status bench_open(bench **out, const backend *be, const bench_config *config) {
  bench *b;
  *out = NULL;
  TRY(mem_new(&b, 1, sizeof *b, "the benchmark"));
  *b = (bench){.be = be, .config = *config, .peak = config->peak, .bandwidth = config->bandwidth};
  status rc;
  TRY_GOTO(mem_new(&b->tile, TILE, sizeof *b->tile, "the benchmark"), failed);
  rng r = rng_at(9, STREAM_SYNTH, 1, 0);
  for (int32_t i = 0; i < TILE; i++) b->tile[i] = (float)rng_normal(&r);
  TRY_GOTO(measure_ceilings(b), failed);
  *out = b;
  return OK;
failed:
  bench_close(b);
  return rc;
}

void bench_close(bench *b) {
  if (b == NULL) return;
  b->be->close(b->ctx);
  free(b->tile);
  free(b);
}

double bench_peak(const bench *b) {
  return b->peak;
}

double bench_bandwidth(const bench *b) {
  return b->bandwidth;
}

status bench_describe(bench *b, char *text, size_t bytes) {
  return b->be->describe(b->ctx, text, bytes);
}

// ---- rows ----------------------------------------------------------------------------------------------------

static bool wanted(const bench *b, const bench_model *m, const bench_case *c) {
  const char *pattern = b->config.pattern, *name = op_names[c->op];
  if (c->wants == PAIRS && !m->pairs) return false;
  if (pattern == NULL || pattern[0] == '\0') return true;
  return strstr(name, pattern) != NULL || fnmatch(pattern, name, 0) == 0;
}

// Arguments with shapes but without memory.
static maker dry_bind(const bench *b, const bench_model *m, const bench_batch *batch, const bench_case *c,
                      op_params *p, optim_tensor tensors[SET_TENSORS]) {
  maker k = new_maker(b, m, batch, op_operands(c->op));
  k.dry = true;
  k.tensors = tensors;
  memset(p, 0, sizeof *p);
  c->bind(&k, p);
  return k;
}

static int32_t times_in_step(const bench_model *m, frequency often) {
  const int32_t times[] = {[NEVER] = 0, [ONCE] = 1, [A_LAYER] = m->layers, [TWICE_A_LAYER] = 2 * m->layers};
  return times[often];
}

static int32_t sets_of(const bench *b, double bytes) {
  const double n = bytes > 0 ? (double)b->config.rotate_bytes / bytes : 1;
  return n < 1 ? 1 : n > MOST_SETS ? MOST_SETS : (int32_t)n;
}

static status run_row(const bench *b, const bench_model *m, const bench_batch *batch, const bench_case *c,
                      bench_row *row) {
  op_params sets[MOST_SETS];
  optim_tensor tensors[MOST_SETS][SET_TENSORS];
  maker k = dry_bind(b, m, batch, c, &sets[0], tensors[0]);
  const int32_t n = sets_of(b, k.bytes);
  const op_cost cost = op_cost_of(c->op, &sets[0], &batch->facts, b->be->act_size);
  k = new_maker(b, m, batch, op_operands(c->op));
  memset(sets, 0, sizeof sets);
  for (int32_t i = 0; i < n; i++) {
    k.tensors = tensors[i];
    c->bind(&k, &sets[i]);
    if (i == 0) k.of_set = k.n_taken;
  }
  row->bytes = cost.bytes;
  row->flops = cost.flops;
  row->by_memory = cost.bytes / b->bandwidth >= cost.flops / b->peak;
  row->floor = row->by_memory ? cost.bytes / b->bandwidth : cost.flops / b->peak;
  row->in_step = times_in_step(m, c->often);
  const status rc = k.rc == OK ? time_row(b, &k, sets, n, row) : k.rc;
  maker_free(&k);
  return rc;
}

// Scratch of all wanted rows, which the backend must support.
static status check_rows(const bench *b, const bench_model *m, const bench_batch *batch, size_t *scratch) {
  for (int32_t i = 0; i < n_bench_cases; i++) {
    const bench_case *c = &bench_cases[i];
    op_params p;
    optim_tensor tensors[SET_TENSORS];
    if (!wanted(b, m, c)) continue;
    dry_bind(b, m, batch, c, &p, tensors);
    TRY(b->be->supports(op_kinds[c->op], &p));
    const size_t n = scratch_of(b, op_kinds[c->op], &p);
    if (n > *scratch) *scratch = n;
  }
  return OK;
}

// A context with room for the rows, and the batch in it.
static status prepare(bench *b, const bench_model *m, int32_t tokens, bench_batch *batch) {
  size_t scratch = 256;
  TRY(bench_batch_make(batch, m, tokens, b->be, b->ctx));
  const status rc = check_rows(b, m, batch, &scratch);
  const batch_facts f = batch->facts;
  bench_batch_free(batch, b->be, b->ctx);
  TRY(rc);
  TRY(open_context(b, scratch));
  const step_state state = {.tokens = f.tokens,
                            .seqs = f.seqs,
                            .masked = f.masked,
                            .work = f.work,
                            .seed = 1,
                            .lr = 1e-4f,
                            .scale = {1.0f / (float)f.masked, 1.0f / (float)f.seqs},
                            .clip_norm = 1};
  TRY(bench_batch_make(batch, m, tokens, b->be, b->ctx));
  TRY(b->be->state_write(b->ctx, &state));
  return b->be->result_clear(b->ctx);
}

static int32_t bench_tokens(const bench *b, const bench_model *m) {
  if (b->config.tokens > 0) return b->config.tokens;
  return b->be->host_memory ? m->host_tokens : m->tokens;
}

status bench_counts_of(bench *b, const bench_model *m, bench_counts *out) {
  bench_batch batch;
  TRY(bench_batch_make(&batch, m, bench_tokens(b, m), b->be, b->ctx));
  *out = (bench_counts){batch.facts.tokens, batch.facts.seqs, batch.facts.masked};
  bench_batch_free(&batch, b->be, b->ctx);
  return OK;
}

status bench_run(bench *b, const bench_model *m, bench_report *report, void *user, int32_t *n) {
  bench_batch batch = {0};
  status rc;
  *n = 0;
  TRY_GOTO(prepare(b, m, bench_tokens(b, m), &batch), done);
  for (int32_t i = 0; i < n_bench_cases; i++) {
    const bench_case *c = &bench_cases[i];
    op_params p;
    optim_tensor tensors[SET_TENSORS];
    char shape[SHAPE_TEXT];
    if (!wanted(b, m, c)) continue;
    dry_bind(b, m, &batch, c, &p, tensors);
    shapes_text(op_kinds[c->op], &p, shape);
    bench_row row = {.model = m, .op = c->op, .what = c->what, .shape = shape};
    TRY_GOTO(run_row(b, m, &batch, c, &row), done);
    TRY_GOTO(report(user, &row), done);
    (*n)++;
  }
done:
  bench_batch_free(&batch, b->be, b->ctx);
  return rc;
}
