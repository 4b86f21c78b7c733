/* Matmuls of the CUDA backend (src/cuda/cuda_matmul.c) against plain sums: shapes, transpositions, leading dimensions,
 * alignments, what is added to, sums over nothing, and the cache of algorithms. The file is included, so that what it
 * asks of cuBLASLt's heuristic can be counted. */
#include <math.h>
#include <stdarg.h>
#include "tap.h"
#include <cublasLt.h>

static int asked;
static cublasStatus_t counted(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t o,
                              cublasLtMatmulPreference_t p, int wanted,
                              cublasLtMatmulHeuristicResult_t *results, int *count) {
  asked++;
  return cublasLtMatmulAlgoGetHeuristic(h, d, a, b, c, o, p, wanted, results, count);
}
#define cublasLtMatmulAlgoGetHeuristic counted
#include "cuda/cuda_matmul.c"

enum { LARGEST = 48, SLACK = 8, ROOM = (LARGEST + SLACK) * (LARGEST + SLACK) + SLACK, SCRATCH_AT = 512 };
static char message[1024];
static op_ctx ctx;
static float *device[3];    /* A, B, C */
static float host[3][ROOM]; /* what is put there */
static uint64_t seed = 1;

/* Of what the backend's other files bring along. */
const char *const matmul_names[] = {"fp32", "tf32"};
const char *cuda_late(cudaError_t rc) {
  (void)rc;
  return "";
}

status fail(status code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return code;
}
status cuda_zero(op_ctx *c, void *p, size_t bytes) {
  return cudaMemsetAsync(p, 0, bytes, c->at.stream) == cudaSuccess ? OK : ERR_INTERNAL;
}

static int32_t below(int32_t n) { /* 0 .. n - 1 */
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int32_t)((seed >> 33) % (uint64_t)n);
}

/* Row-major matrices with some room after every row, at any multiple of 4 bytes. */
static matmul_call random_matmul(int at[3]) {
  matmul_call p = {.m = 1 + below(LARGEST), .n = 1 + below(LARGEST), .k = 1 + below(LARGEST)};
  p.a_transposed = below(2) != 0;
  p.b_transposed = below(2) != 0;
  p.lda = (p.a_transposed ? p.m : p.k) + below(SLACK);
  p.ldb = (p.b_transposed ? p.k : p.n) + below(SLACK);
  p.ldc = p.n + below(SLACK);
  p.alpha = below(2) ? 1.0f : 0.25f;
  p.beta = below(2) ? 1.0f : 0.0f;
  for (int i = 0; i < 3; i++) at[i] = below(SLACK);
  p.a = device[0] + at[0];
  p.b = device[1] + at[1];
  p.c = device[2] + at[2];
  return p;
}

static void fill(void) {
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < ROOM; j++) host[i][j] = (float)below(2001) / 1000.0f - 1.0f;
    MUST(cudaMemcpyAsync(device[i], host[i], sizeof host[i], cudaMemcpyHostToDevice, ctx.at.stream));
  }
  MUST(cudaStreamSynchronize(ctx.at.stream));
}

static const float *result(void) {
  static float c[ROOM];
  MUST(cudaMemcpyAsync(c, device[2], sizeof c, cudaMemcpyDeviceToHost, ctx.at.stream));
  MUST(cudaStreamSynchronize(ctx.at.stream));
  return c;
}

/* Runs p on fresh matrices: 1 if C is what it should be, and all around it as it was. */
static int is_right(const matmul_call *p, const int at[3]) {
  fill();
  if (cuda_matmul(&ctx, p, SCRATCH_AT) != OK) return 0;
  const float *c = result(), *a = host[0] + at[0], *b = host[1] + at[1];
  for (int j = 0; j < ROOM; j++) {
    const int place = j - at[2], row = place >= 0 ? place / p->ldc : -1,
              column = place >= 0 ? place % p->ldc : -1;
    if (row < 0 || row >= p->m || column >= p->n) {
      if (memcmp(&c[j], &host[2][j], sizeof c[j]) != 0) return 0;
      continue;
    }
    double sum = 0;
    for (int i = 0; i < p->k; i++)
      sum += (double)a[p->a_transposed ? i * p->lda + row : row * p->lda + i] *
             (double)b[p->b_transposed ? column * p->ldb + i : i * p->ldb + column];
    const double want = (double)p->alpha * sum + (double)p->beta * (double)host[2][j];
    if (!(fabs((double)c[j] - want) <= 1e-5 * (1 + fabs(want)))) return 0;
  }
  return 1;
}

static int asks(const matmul_call *p) { /* how often the heuristic is asked for it */
  asked = 0;
  return cuda_matmul(&ctx, p, SCRATCH_AT) == OK ? asked : -1;
}

static void test_cache(void) {
  int at[3];
  matmul_call p = random_matmul(at);
  p.m = p.n = p.k = 24;
  p.lda = p.ldb = p.ldc = 32;
  p.a = device[0], p.b = device[1], p.c = device[2];
  p.beta = 0;
  tap_ok(asks(&p) == 1 && asks(&p) == 0, "the heuristic is asked once for a matmul");
  p.alpha = 3;
  tap_ok(asks(&p) == 0, "whatever the factor");
  matmul_call q = p;
  q.beta = 1;
  tap_ok(asks(&q) == 1, "but again if C is read");
  q = p;
  q.b = device[1] + 1;
  tap_ok(asks(&q) == 1 && asks(&p) == 0, "and for another alignment");
  q = p;
  q.b = device[1] + 512;
  tap_ok(asks(&q) == 0, "not for another place of the same");
  q = p;
  q.ldc = 33;
  tap_ok(asks(&q) == 1, "and for other rows");
  q = p;
  q.a_transposed = !p.a_transposed;
  tap_ok(asks(&q) == 1, "and for another transposition");
  int again = 0;
  for (int i = 0; i < 2 * SETS * WAYS; i++) { /* p is used all the time, so it stays */
    q = p;
    q.m = 1 + i % 24, q.n = 1 + i / 24 % 24, q.lda = 25 + i % 7;
    MUST(asks(&q) < 0);
    again += asks(&p) != 0;
  }
  tap_ok(again == 0, "what is in use is not forgotten");
  int forgotten = 0;
  for (int i = 0; i < 2 * SETS * WAYS; i++) {
    q = p;
    q.m = 1 + i % 24, q.n = 1 + i / 24 % 24, q.lda = 25 + i % 7;
    forgotten += asks(&q) == 1;
  }
  tap_ok(forgotten > SETS * WAYS, "what is not, is");
}

int main(void) {
  ctx.at.multiprocessors = 1;
  MUST(cudaStreamCreateWithFlags(&ctx.at.stream, cudaStreamNonBlocking));
  MUST(cudaMalloc(&ctx.at.scratch, SCRATCH_AT + WORKSPACE_BYTES));
  for (int i = 0; i < 3; i++) {
    void *p;
    MUST(cudaMalloc(&p, sizeof host[i]));
    device[i] = p;
  }
  fill();
  tap_ok(cuda_matmul_open(&ctx) == OK, "cuBLASLt starts");
  int right = 1, at[3];
  for (int i = 0; i < 600; i++) { /* more than the cache holds */
    const matmul_call p = random_matmul(at);
    right &= is_right(&p, at) && (i % 4 > 0 || is_right(&p, at));
  }
  tap_ok(right, "600 matmuls of all kinds are right, and nothing around them changes");
  for (int i = 0; i < 24; i++) {
    matmul_call p = random_matmul(at);
    if (i % 3 == 0) p.m = 0;
    if (i % 3 == 1) p.n = 0, p.ldc = p.ldc > 0 ? p.ldc : 1;
    if (i % 3 == 2) p.k = 0;
    right &= is_right(&p, at);
  }
  tap_ok(right, "so are empty ones, and sums over nothing");
  matmul_call p = random_matmul(at);
  p.m = p.n = 8, p.k = 2000, p.a_transposed = false, p.b_transposed = true;
  p.lda = p.ldb = 0; /* refused */
  p.ldc = 8;
  tap_ok(cuda_matmul(&ctx, &p, SCRATCH_AT) == ERR_INTERNAL &&
             strstr(message,
                    "cuBLASLt has no algorithm for a matmul of 8 x 8 x 2000 in fp32: CUBLAS_STATUS") != NULL,
         "what the library refuses becomes a sentence");
  test_cache();
  cuda_matmul_close(&ctx);
  tap_ok(ctx.matmuls == NULL && ctx.blas == NULL, "closed");
  for (int i = 0; i < 3; i++) MUST(cudaFree(device[i]));
  MUST(cudaFree(ctx.at.scratch));
  MUST(cudaStreamDestroy(ctx.at.stream));
  return tap_end();
}
