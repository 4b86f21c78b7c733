// Matmuls in TF32 (backend_config.matmul): operands are rounded to 11 significant bits, and only where it was asked for.
// Run by tests/e2e/cuda.sh, as test_cuda is.
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "base/philox.h"
#include "ops/check/reference.h"

enum { N = 48, IN = 64, OUT = 32 };

typedef struct matmul_case {
  float x[N * IN], w[OUT * IN], y[N * OUT];
} matmul_case;

static void make(matmul_case *p) {
  rng r = rng_at(3, STREAM_SYNTH, 0, 0);
  for (int32_t i = 0; i < N * IN; i++) p->x[i] = (float)rng_normal(&r);
  for (int32_t i = 0; i < OUT * IN; i++) p->w[i] = (float)rng_normal(&r);
}

static void *sent(const backend *be, op_ctx *ctx, const float *values, size_t n) {
  void *p;
  check_ok(be->mem_alloc(ctx, n * sizeof *values, "a test", &p));
  if (values != NULL) check_ok(be->upload(ctx, p, values, n * sizeof *values));
  return p;
}

static void multiply(matmul_case *p, matmul_kind matmul) {
  const backend *be;
  op_ctx *ctx;
  check_ok(backend_find(&be, "cuda"));
  linear_params q = {.n = {ROWS_FIXED, N}, .in = IN, .out = OUT};
  const backend_config c = {.scratch_bytes = be->scratch_bytes(OP_LINEAR, &q, 1), .matmul = matmul};
  check_ok(be->open(&ctx, &c));
  char text[256];
  check_ok(be->describe(ctx, text, sizeof text));
  assert_true((strstr(text, "fp32 with matmuls in tf32") != NULL) == (matmul == MATMUL_TF32));
  void *x = sent(be, ctx, p->x, N * IN), *w = sent(be, ctx, p->w, OUT * IN),
       *y = sent(be, ctx, NULL, N * OUT);
  q.x = x;
  q.w = w;
  q.y = y;
  check_ok(be->linear_forward(ctx, &q));
  check_ok(be->download(ctx, p->y, y, sizeof p->y));
  be->mem_free(ctx, x);
  be->mem_free(ctx, w);
  be->mem_free(ctx, y);
  be->close(ctx);
}

// The largest distance from the matmul of operands as they are, or rounded.
static double distance_from(const matmul_case *p, bool rounded) {
  double most = 0;
  for (int32_t i = 0; i < N; i++)
    for (int32_t o = 0; o < OUT; o++) {
      double sum = 0;
      for (int32_t k = 0; k < IN; k++) {
        const float x = p->x[i * IN + k], w = p->w[o * IN + k];
        sum += rounded ? (double)round_to_tf32(x) * (double)round_to_tf32(w) : (double)x * (double)w;
      }
      most = fmax(most, fabs((double)p->y[i * OUT + o] - sum));
    }
  return most;
}

static bool simulated(void) {
  void *library = dlopen(getenv("SOUK_CUDA_BACKEND"), RTLD_NOW | RTLD_NOLOAD);
  const bool is = library != NULL && dlsym(library, "cusimCalls") != NULL;
  if (library != NULL) dlclose(library);
  return is;
}

static void test_matmuls(void **unused) {
  (void)unused;
  static matmul_case p;
  make(&p);
  multiply(&p, MATMUL_FP32);
  assert_true(distance_from(&p, false) < 2e-5); // sums of 64 terms about 1
  multiply(&p, MATMUL_TF32);
  const double off = distance_from(&p, false);
  if (!(off > 1e-3 && off < 4e-2)) fail_msg("tf32 is off by %.3g: not by the rounding of its operands", off);
  // A GPU may cut off where the simulator rounds.
  if (simulated()) assert_true(distance_from(&p, true) < 2e-5);
}

static void test_rounding(void **unused) {
  (void)unused;
  const struct {
    float x, wanted;
  } all[] = {{1, 1},
             {1 + 0x1p-10f, 1 + 0x1p-10f},
             {1 + 0x1p-11f, 1 + 0x1p-10f}, // a tie: away from zero
             {-1 - 0x1p-11f, -1 - 0x1p-10f},
             {1 + 0x1p-11f - 0x1p-23f, 1},
             {0x1.ffffp0f, 2},
             {0, 0},
             {INFINITY, INFINITY}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    assert_true(memcmp(&(float){round_to_tf32(all[i].x)}, &all[i].wanted, sizeof(float)) == 0);
  assert_true(isnan(round_to_tf32(NAN)));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_matmuls), cmocka_unit_test(test_rounding)};
  return cmocka_run_group_tests_name("cuda_tf32", tests, NULL, NULL);
}
