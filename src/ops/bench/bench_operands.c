// Operands of benchmarked calls: memory of the backend, filled; see bench_internal.h.
#include <stdlib.h>
#include "base/memory.h"
#include "ops/bench/bench_internal.h"

static const char what[] = "an operand of the benchmark";

static void *new_memory(maker *k, size_t bytes) {
  void *p = NULL;
  if (k->rc == OK && k->n_memory == (int32_t)(sizeof k->memory / sizeof *k->memory))
    k->rc = fail(ERR_INTERNAL, "the benchmark has no room for more than %d operands", k->n_memory);
  if (k->rc == OK) k->rc = k->be->mem_alloc(k->ctx, bytes, what, &p);
  if (k->rc == OK) k->memory[k->n_memory++] = p;
  return p;
}

// Repeats what the first `have` bytes hold up to `bytes`.
static status repeat(maker *k, char *p, size_t have, size_t bytes) {
  while (have < bytes) {
    const size_t n = have < bytes - have ? have : bytes - have;
    TRY(k->be->copy(k->ctx, p + have, p, n));
    have += n;
  }
  return OK;
}

// Normal values with this spread: the tile, as often as it takes.
static status fill(maker *k, void *p, size_t elements, size_t size, float spread) {
  const size_t n = elements < TILE ? elements : TILE;
  float *values;
  void *floats;
  TRY(mem_new(&values, n, sizeof *values, what));
  for (size_t i = 0; i < n; i++) values[i] = spread * k->tile[i];
  status rc;
  TRY_GOTO(k->be->mem_alloc(k->ctx, n * sizeof *values, what, &floats), done);
  TRY_GOTO(k->be->upload(k->ctx, floats, values, n * sizeof *values), freed);
  if (size == sizeof(float))
    TRY_GOTO(k->be->copy(k->ctx, p, floats, n * size), freed);
  else
    TRY_GOTO(k->be->cast(k->ctx, p, floats, n), freed);
  rc = repeat(k, p, n * size, elements * size);
freed:
  k->be->mem_free(k->ctx, floats);
done:
  free(values);
  return rc;
}

// Remembers what p holds; every set holds the same, so the first one's copy serves all.
static void keep(maker *k, void *p, size_t bytes) {
  consumed *c = &k->taken[k->n_taken];
  void *kept = k->of_set > 0 ? k->taken[k->n_taken % k->of_set].kept : new_memory(k, bytes);
  if (k->rc == OK && k->of_set == 0) k->rc = k->be->copy(k->ctx, kept, p, bytes);
  if (k->rc != OK) return;
  *c = (consumed){p, kept, bytes};
  k->n_taken++;
}

static void *take(maker *k, operand_use use, operand_role role, int64_t elements, size_t size, float spread) {
  static char nowhere[64]; // stands for memory in a dry run: any address but NULL
  const size_t bytes = (size_t)elements * size;
  if ((use & k->use) == 0) return NULL;
  k->bytes += (double)bytes;
  if (k->dry) return nowhere;
  void *p = new_memory(k, bytes);
  if (k->rc == OK && (role == READ || role == CONSUMED)) k->rc = fill(k, p, (size_t)elements, size, spread);
  if (k->rc == OK && role == CONSUMED) keep(k, p, bytes);
  return p;
}

act *take_acts(maker *k, operand_use use, operand_role role, int64_t rows_n, int64_t width, float spread) {
  return take(k, use, role, rows_n * width, k->be->act_size, spread);
}

float *take_floats(maker *k, operand_use use, operand_role role, int64_t rows_n, int64_t width,
                   float spread) {
  return take(k, use, role, rows_n * width, sizeof(float), spread);
}

uint8_t *take_touched(maker *k) {
  const size_t n = (size_t)k->model->vocab;
  uint8_t *p = take(k, BOTH | UPDATE, MADE, (int64_t)n, 1, 0);
  if (k->dry || k->rc != OK) return p;
  k->rc = k->be->upload(k->ctx, p, k->batch->touched, n);
  if (k->rc == OK) keep(k, p, n);
  return p;
}

void take_table(maker *k, optim_params *p) {
  if (k->dry) return;
  p->table = new_memory(k, k->be->optim_bytes(p));
  p->norms = new_memory(k, 2 * (size_t)p->wholes * sizeof *p->norms);
  if (k->rc == OK) k->rc = k->be->optim_prepare(k->ctx, p);
}

status maker_restore(const maker *k, int32_t set) {
  for (int32_t i = set * k->of_set; i < (set + 1) * k->of_set; i++)
    TRY(k->be->copy(k->ctx, k->taken[i].p, k->taken[i].kept, k->taken[i].bytes));
  return OK;
}

void maker_free(maker *k) {
  for (int32_t i = 0; i < k->n_memory; i++) k->be->mem_free(k->ctx, k->memory[i]);
  k->n_memory = k->n_taken = k->of_set = 0;
}
