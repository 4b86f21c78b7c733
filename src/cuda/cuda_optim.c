// The optimiser's table on the device: tensors, items of work, first items, and room for sums, one after the other in
// optim_params.table. Made at the host and sent once; the kernels are in kernels/optim.cu.
#include <stdlib.h>
#include <string.h>
#include "cuda/cuda.h"

enum { ALIGNMENT = 256 };
static const optim_grain grain = {.elements = OPTIM_CHUNK, .rows = OPTIM_ROWS};

typedef struct table_layout {
  int64_t n_items;
  size_t items, first, sums, bytes; // where each begins (the tensors at 0), and the end
} table_layout;

static size_t aligned(size_t bytes) {
  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static table_layout layout_of(const optim_params *p) {
  table_layout t = {.n_items = optim_item_count(p, grain)};
  t.items = aligned((size_t)p->n * sizeof(optim_tensor));
  t.first = t.items + aligned((size_t)t.n_items * sizeof(optim_item));
  t.sums = t.first + aligned(((size_t)p->wholes + 1) * sizeof(int32_t));
  t.bytes = t.sums + 2 * (size_t)t.n_items * sizeof(double);
  return t;
}

size_t cuda_optim_bytes(const optim_params *p) {
  return layout_of(p).bytes;
}

status cuda_optim_prepare(op_ctx *ctx, const optim_params *p) {
  const table_layout t = layout_of(p);
  char *image = calloc(1, t.sums);
  if (image == NULL)
    return fail(ERR_MEMORY, "out of memory: cannot get %zu bytes for the optimiser's table", t.sums);
  if (p->n > 0) memcpy(image, p->tensors, (size_t)p->n * sizeof(optim_tensor));
  optim_items_list(p, grain, (optim_item *)(void *)(image + t.items), (int32_t *)(void *)(image + t.first));
  const status rc = cuda_upload(ctx, p->table, image, t.sums);
  free(image);
  return rc;
}

static optim_work work_of(const optim_params *p) {
  const table_layout t = layout_of(p);
  char *at = p->table;
  return (optim_work){.tensors = (const optim_tensor *)(void *)at,
                      .items = (const optim_item *)(void *)(at + t.items),
                      .first = (const int32_t *)(void *)(at + t.first),
                      .sums = (double *)(void *)(at + t.sums),
                      .n_items = t.n_items};
}

status cuda_grad_norm(op_ctx *ctx, const optim_params *p) {
  const optim_work w = work_of(p);
  return cuda_check(launch_grad_norm(&ctx->at, &w), "launch the gradient norm");
}

status cuda_adamw(op_ctx *ctx, const optim_params *p) {
  const optim_work w = work_of(p);
  return cuda_check(launch_adamw(&ctx->at, p, &w), "launch AdamW");
}

status cuda_lamb_update(op_ctx *ctx, const optim_params *p) {
  const optim_work w = work_of(p);
  for (int32_t i = 0; i < p->n; i++)
    if (p->tensors[i].row > 0) return fail(ERR_UNSUPPORTED, "LAMB updates whole tensors, not touched rows");
  return cuda_check(launch_lamb_update(&ctx->at, p, &w), "launch LAMB's update");
}

status cuda_lamb_apply(op_ctx *ctx, const optim_params *p) {
  const optim_work w = work_of(p);
  return cuda_check(launch_lamb_apply(&ctx->at, p, &w), "launch LAMB's step");
}

status cuda_average_weights(op_ctx *ctx, const optim_params *p) {
  const optim_work w = work_of(p);
  return cuda_check(launch_average_weights(&ctx->at, p, &w), "launch the averaged weights");
}

status cuda_average_rescale(op_ctx *ctx, const optim_params *p) {
  const optim_work w = work_of(p);
  return cuda_check(launch_average_rescale(&ctx->at, p, &w), "launch the rescaling of lags");
}
