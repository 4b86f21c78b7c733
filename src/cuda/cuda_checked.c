// SOUK_CUDA_SYNC=1: a table that waits for every op, so that an error message has the op's name and shape.
//
// Kernels run after the call that launched them has returned, and an error of one of them is reported by whatever call
// comes next, often ops later. Here every op of OP_LIST is wrapped: it waits for earlier work, then for the op.
// fail() in cuda_backend.c adds the op's name to messages, so errors of launches and matmuls inside an op have it
// too. There is no waiting while a graph is captured, because it would invalidate the capture; a launched graph is
// waited for as a whole.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cuda/cuda.h"
#include "ops/shapes.h"

enum { OP_TEXT = 160 };
static const backend *plain; // the table that is wrapped; NULL: none is
static _Thread_local char doing[OP_TEXT];
static _Thread_local op_index last = N_OPS; // N_OPS: none yet

const char *cuda_doing(void) {
  return doing;
}

const char *cuda_late(cudaError_t rc) {
  if (plain != NULL) return "";
  switch (rc) {
  case cudaErrorECCUncorrectable:
  case cudaErrorIllegalAddress:
  case cudaErrorLaunchTimeout:
  case cudaErrorAssert:
  case cudaErrorHardwareStackError:
  case cudaErrorIllegalInstruction:
  case cudaErrorMisalignedAddress:
  case cudaErrorInvalidAddressSpace:
  case cudaErrorInvalidPc:
  case cudaErrorLaunchFailure:
    return "; an op that was queued earlier may be the cause: with SOUK_CUDA_SYNC=1 each is waited for and "
           "the "
           "error names it";
  default:
    return "";
  }
}

static status finish_queued(op_ctx *ctx, const char *what) {
  return ctx->capturing ? OK : cuda_check(cudaStreamSynchronize(ctx->at.stream), what);
}

static status begin_op(op_ctx *ctx, op_index op, const void *p) {
  snprintf(doing, sizeof doing, "between %s and %s", last < N_OPS ? op_names[last] : "the start",
           op_names[op]);
  TRY(finish_queued(ctx, "finish a copy, an upload or a cast"));
  char shape[SHAPE_TEXT];
  shapes_text(op_kinds[op], p, shape);
  snprintf(doing, sizeof doing, "%s (%s)", op_names[op], shape);
  last = op;
  return OK;
}

static status end_op(op_ctx *ctx, status rc) {
  if (rc == OK) rc = finish_queued(ctx, "run it");
  doing[0] = '\0';
  return rc;
}

#define CHECKED(name, params, kind)                                     \
  static status checked_##name(op_ctx *ctx, const params##_params *p) { \
    const status rc = begin_op(ctx, INDEX_##name, p);                   \
    return end_op(ctx, rc == OK ? plain->name(ctx, p) : rc);            \
  }
OP_LIST(CHECKED)

static status checked_graph_launch(op_ctx *ctx, void *graph) {
  snprintf(doing, sizeof doing, "between %s and a captured graph",
           last < N_OPS ? op_names[last] : "the start");
  status rc = finish_queued(ctx, "finish a copy, an upload or a cast");
  if (rc == OK) {
    snprintf(doing, sizeof doing, "a captured graph");
    rc = plain->graph_launch(ctx, graph);
  }
  return end_op(ctx, rc);
}

// The plain or the wrapped table, depending on SOUK_CUDA_SYNC.
const backend *cuda_table(const backend *table) {
  static backend checked;
  const char *wanted = getenv("SOUK_CUDA_SYNC");
  plain = NULL;
  if (wanted == NULL || wanted[0] == '\0' || strcmp(wanted, "0") == 0) return table;
  checked = *table;
#define WRAPPED(name, params, kind) checked.name = checked_##name;
  OP_LIST(WRAPPED)
  checked.graph_launch = checked_graph_launch;
  plain = table;
  return &checked;
}

bool cuda_waits(void) {
  return plain != NULL;
}
