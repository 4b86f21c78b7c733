// Matmuls by cuBLASLt: in fp32 (CUBLAS_COMPUTE_32F, which does not use tf32 by itself) or, if the run asks for it, with
// operands in tf32 (CUBLAS_COMPUTE_32F_FAST_TF32). A context has one of the two, so the cache of plans is one kind's.
//
// cuBLASLt's matrices are column-major, ours row-major. A row-major matrix read by columns is its transpose, so what is
// asked for is C^T = op(B)^T op(A)^T: the operands trade places and keep their transpositions. (The library has a
// row-major order too, but with fewer algorithms behind it.)
//
// A matmul needs a description, three layouts and an algorithm. Live row counts change from step to step, so most
// steps bring new shapes, and a cache of plans with descriptions of their own would allocate and free in every step.
// Here the descriptions are made once, one for each pair of transpositions, and get the shape before every call (the
// library reads them only during the call); what is cached is the algorithm that the heuristic chose, a plain value.
// The cache is a table of SETS x WAYS that forgets the least recently used: a hit costs a hash and a comparison, a
// miss asks the heuristic, some tens of microseconds on the host, and nothing is allocated.
//
// The same problem with the same alignments always gets the same algorithm, and cuBLASLt's results repeat bit for bit
// then: with several parts along k it adds them up in a fixed order. beta only counts as zero or not.
#include <stdlib.h>
#include <string.h>
#include "cuda/cuda.h"

enum { SETS = 64, WAYS = 4, KEYS = 8, WIDEST_ALIGNMENT = 256 };

typedef struct plan {
  int32_t key[KEYS];
  uint64_t used; // when; 0: never
  cublasLtMatmulAlgo_t algorithm;
} plan;

struct matmul_cache {
  cublasLtMatmulDesc_t kinds[2][2];  // [op of the first operand is T][of the second]
  cublasLtMatrixLayout_t layouts[3]; // of the first operand, the second, and the result
  cublasLtMatmulPreference_t preference;
  uint64_t clock;
  plan plans[SETS][WAYS];
};

static status lt_check(cublasStatus_t rc, const char *what) {
  return rc == CUBLAS_STATUS_SUCCESS ? OK
                                     : fail(rc == CUBLAS_STATUS_ALLOC_FAILED ? ERR_MEMORY : ERR_INTERNAL,
                                            "cuBLASLt failed to %s: %s", what, cublasLtGetStatusString(rc));
}

// ---- open and close ------------------------------------------------------------------------------------------

static status open_kind(cublasLtMatmulDesc_t *kind, cublasComputeType_t compute, bool first_t,
                        bool second_t) {
  const cublasOperation_t first = first_t ? CUBLAS_OP_T : CUBLAS_OP_N,
                          second = second_t ? CUBLAS_OP_T : CUBLAS_OP_N;
  TRY(lt_check(cublasLtMatmulDescCreate(kind, compute, CUDA_R_32F), "describe a matmul"));
  TRY(lt_check(cublasLtMatmulDescSetAttribute(*kind, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first),
               "describe a matmul"));
  return lt_check(cublasLtMatmulDescSetAttribute(*kind, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second),
                  "describe a matmul");
}

status cuda_matmul_open(op_ctx *ctx) {
  ctx->matmuls = calloc(1, sizeof *ctx->matmuls);
  if (ctx->matmuls == NULL) return fail(ERR_MEMORY, "out of memory: cannot make the table of matmuls");
  struct matmul_cache *c = ctx->matmuls;
  TRY(lt_check(cublasLtCreate(&ctx->blas), "start"));
  const cublasComputeType_t compute =
      ctx->matmul == MATMUL_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  for (int i = 0; i < 4; i++) TRY(open_kind(&c->kinds[i / 2][i % 2], compute, i / 2 != 0, i % 2 != 0));
  for (int i = 0; i < 3; i++)
    TRY(lt_check(cublasLtMatrixLayoutCreate(&c->layouts[i], CUDA_R_32F, 1, 1, 1), "describe a matrix"));
  TRY(lt_check(cublasLtMatmulPreferenceCreate(&c->preference), "create preferences"));
  const uint64_t workspace = WORKSPACE_BYTES;
  return lt_check(cublasLtMatmulPreferenceSetAttribute(
                      c->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace),
                  "set the limit of its workspace");
}

void cuda_matmul_close(op_ctx *ctx) {
  struct matmul_cache *c = ctx->matmuls;
  if (c == NULL) return;
  // Errors of freeing are ignored: the run is over.
  cublasStatus_t ignored = CUBLAS_STATUS_SUCCESS;
  if (c->preference != NULL) ignored = cublasLtMatmulPreferenceDestroy(c->preference);
  for (int i = 0; i < 3; i++)
    if (c->layouts[i] != NULL) ignored = cublasLtMatrixLayoutDestroy(c->layouts[i]);
  for (int i = 0; i < 4; i++)
    if (c->kinds[i / 2][i % 2] != NULL) ignored = cublasLtMatmulDescDestroy(c->kinds[i / 2][i % 2]);
  if (ctx->blas != NULL) ignored = cublasLtDestroy(ctx->blas);
  (void)ignored;
  free(c);
  ctx->matmuls = NULL;
  ctx->blas = NULL;
}

// ---- plans ---------------------------------------------------------------------------------------------------

// The alignment of an address, up to the largest that cuBLASLt distinguishes.
static uint32_t alignment_of(const void *p) {
  const uintptr_t u = (uintptr_t)p | WIDEST_ALIGNMENT;
  return (uint32_t)(u & (~u + 1));
}

static void key_of(const matmul_call *p, int32_t key[KEYS]) {
  const int32_t flags =
      (int32_t)p->a_transposed | (int32_t)p->b_transposed << 1 | (int32_t)(p->beta != 0) << 2;
  // Powers of two up to 256, so their sum in base 512 tells them apart.
  const uint32_t aligned = alignment_of(p->a) | alignment_of(p->b) << 9 | alignment_of(p->c) << 18;
  const int32_t all[KEYS] = {p->m, p->n, p->k, p->lda, p->ldb, p->ldc, flags, (int32_t)aligned};
  memcpy(key, all, sizeof all);
}

static uint32_t set_of(const int32_t key[KEYS]) {
  uint64_t h = 14695981039346656037u; // FNV-1a, a word at a time
  for (int i = 0; i < KEYS; i++) h = (h ^ (uint32_t)key[i]) * 1099511628211u;
  return (uint32_t)(h >> 32) % SETS;
}

static status describe_matrix(cublasLtMatrixLayout_t layout, int32_t height, int32_t width, int32_t ld) {
  const uint64_t r = (uint64_t)height, c = (uint64_t)width;
  const int64_t l = ld;
  TRY(lt_check(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ROWS, &r, sizeof r),
               "describe a matrix"));
  TRY(lt_check(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &c, sizeof c),
               "describe a matrix"));
  return lt_check(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_LD, &l, sizeof l),
                  "describe a matrix");
}

// Layouts as stored, by columns: a row-major [m,k] is k x m.
static status describe_matrices(const struct matmul_cache *c, const matmul_call *p) {
  const bool ta = p->a_transposed, tb = p->b_transposed;
  TRY(describe_matrix(c->layouts[0], tb ? p->k : p->n, tb ? p->n : p->k, p->ldb));
  TRY(describe_matrix(c->layouts[1], ta ? p->m : p->k, ta ? p->k : p->m, p->lda));
  return describe_matrix(c->layouts[2], p->n, p->m, p->ldc);
}

static status choose(op_ctx *ctx, const matmul_call *p, cublasLtMatmulDesc_t kind, plan *out) {
  struct matmul_cache *c = ctx->matmuls;
  static const cublasLtMatmulPreferenceAttributes_t attributes[4] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  const void *const pointers[4] = {p->b, p->a, p->c, p->c};
  for (int i = 0; i < 4; i++) {
    const uint32_t bytes = alignment_of(pointers[i]);
    TRY(lt_check(cublasLtMatmulPreferenceSetAttribute(c->preference, attributes[i], &bytes, sizeof bytes),
                 "set an alignment"));
  }
  cublasLtMatmulHeuristicResult_t found;
  int count = 0;
  const cublasStatus_t rc =
      cublasLtMatmulAlgoGetHeuristic(ctx->blas, kind, c->layouts[0], c->layouts[1], c->layouts[2],
                                     c->layouts[2], c->preference, 1, &found, &count);
  if (rc != CUBLAS_STATUS_SUCCESS || count < 1)
    return fail(ERR_INTERNAL, "cuBLASLt has no algorithm for a matmul of %d x %d x %d in %s: %s", p->m, p->n,
                p->k, matmul_names[ctx->matmul],
                cublasLtGetStatusString(rc != CUBLAS_STATUS_SUCCESS ? rc : CUBLAS_STATUS_NOT_SUPPORTED));
  out->algorithm = found.algo;
  return OK;
}

// The plan of a matmul whose layouts have been described.
static status find_plan(op_ctx *ctx, const matmul_call *p, cublasLtMatmulDesc_t kind, const plan **out) {
  struct matmul_cache *c = ctx->matmuls;
  int32_t key[KEYS];
  key_of(p, key);
  plan *set = c->plans[set_of(key)], *oldest = set;
  for (int i = 0; i < WAYS; i++) {
    if (set[i].used > 0 && memcmp(set[i].key, key, sizeof key) == 0) {
      set[i].used = ++c->clock;
      *out = &set[i];
      return OK;
    }
    if (set[i].used < oldest->used) oldest = &set[i];
  }
  oldest->used = 0; // invalid if choosing an algorithm fails
  TRY(choose(ctx, p, kind, oldest));
  memcpy(oldest->key, key, sizeof key);
  oldest->used = ++c->clock;
  *out = oldest;
  return OK;
}

// ---- the matmul ---------------------------------------------------------------------------------------------

// k == 0: C becomes beta C.
static status empty_sum(op_ctx *ctx, const matmul_call *p) {
  if (p->beta != 0) return OK;
  char *c = p->c;
  const size_t row = (size_t)p->n * sizeof(float), pitch = (size_t)p->ldc * sizeof(float);
  if (row == pitch) return cuda_zero(ctx, c, (size_t)p->m * row);
  for (int32_t i = 0; i < p->m; i++) TRY(cuda_zero(ctx, c + (size_t)i * pitch, row));
  return OK;
}

status cuda_matmul(op_ctx *ctx, const matmul_call *p, size_t scratch_at) {
  if (p->m <= 0 || p->n <= 0) return OK;
  if (p->k <= 0) return empty_sum(ctx, p);
  struct matmul_cache *c = ctx->matmuls;
  const cublasLtMatmulDesc_t kind = c->kinds[p->b_transposed][p->a_transposed];
  TRY(describe_matrices(c, p));
  const plan *chosen;
  TRY(find_plan(ctx, p, kind, &chosen));
  const cublasStatus_t rc =
      cublasLtMatmul(ctx->blas, kind, &p->alpha, p->b, c->layouts[0], p->a, c->layouts[1], &p->beta, p->c,
                     c->layouts[2], p->c, c->layouts[2], &chosen->algorithm,
                     (char *)ctx->at.scratch + scratch_at, WORKSPACE_BYTES, ctx->at.stream);
  if (rc == CUBLAS_STATUS_SUCCESS) return OK;
  const cudaError_t taken = cudaGetLastError(); // or the next launch would report it again
  return fail(ERR_INTERNAL, "cuBLASLt failed to multiply %d x %d x %d in %s: %s%s", p->m, p->n, p->k,
              matmul_names[ctx->matmul], cublasLtGetStatusString(rc), cuda_late(taken));
}
