// Dependency-free vector kernels, shared by the CPU backend and the inference module.
//
// One body (simd_body.h) is compiled twice: for the baseline of the machine and for AVX2 + FMA. The table is
// chosen once, at first use, by what the processor has; SOUK_SIMD=c forces the baseline. Loops are written so that
// the compiler vectorises them (omp simd reductions, branch-free polynomials), which keeps one source for both.
//
// All vectors are float, contiguous, of any length and alignment; n may be 0. In-place use (y == x) is fine
// where an output follows its input in the argument list.
#ifndef SOUK_SIMD_SIMD_H
#define SOUK_SIMD_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PANEL = 16 }; // columns of a packed matrix that lie together

// C = A B + bias or C += A B. Each element of C is the sum of its products in ascending order of k, whatever m, n and its
// place: a row has the same bits alone and in a batch.
typedef struct simd_gemm {
  size_t m, n, k;
  const float *a;       // element (i, p) of A [m,k] is a[i a_row + p a_step]; a_step is 1, or a_row is
  size_t a_row, a_step; // (A transposed: rows of A^T are a_step floats apart)
  const float *b;       // rows of B [k,n], b_row floats apart, or
  bool packed;          // panels of it, as gemm_pack and gemm_pack_rows make them (simd.h, below)
  size_t b_row;
  const float *bias; // [n] added to each row; NULL: none; not with `add`
  bool add;          // C is added to
  float *c;          // [m,n], rows c_row floats apart
  size_t c_row;
} simd_gemm;

typedef struct simd_table {
  const char *name; // "c" or "avx2"
  float (*dot)(const float *a, const float *b, size_t n);
  double (*sum_squares)(const float *x, size_t n);           // in double
  float (*max)(const float *x, size_t n);                    // -infinity for n == 0
  void (*axpy)(float a, const float *x, float *y, size_t n); // y += a x
  void (*scale)(float a, float *x, size_t n);
  void (*add)(const float *x, float *y, size_t n); // y += x
  // y += x; returns the largest of y, -infinity for n == 0.
  float (*add_max)(const float *x, float *y, size_t n);
  void (*scale_add)(float a, float *x, float *y, size_t n); // x *= a; y += x
  // y += each of the rows of x in turn, which are `stride` floats apart.
  void (*add_rows)(const float *x, size_t stride, size_t rows, float *y, size_t n);
  // x[i] = exp(x[i] - shift), differences outside of [-87, 88] taken as these; returns the sum. Relative error below
  // 1.2e-7.
  float (*exp_sum)(float *x, float shift, size_t n);
  // With d = x[i] - shift: x[i] = 1 / (1 + exp(-d)), which is the slope of log(1 + exp(d)); returns the sum of these
  // logarithms, and adds the slopes up in *slopes. |d| above 87 is taken as 87 in the exponential; relative errors below
  // 3e-7. -infinity gives about 0.
  float (*logistic)(float *x, float shift, float *slopes, size_t n);
  // y = gelu(x) in the tanh form ("gelu_new") or the erf form ("gelu"); absolute error below 1e-6.
  void (*gelu_tanh)(const float *x, float *y, size_t n);
  void (*gelu_erf)(const float *x, float *y, size_t n);
  // dy *= gelu'(x); absolute error of the slope below 1e-6.
  void (*gelu_tanh_back)(const float *x, float *dy, size_t n);
  void (*gelu_erf_back)(const float *x, float *dy, size_t n);
  void (*tanh_row)(const float *x, float *y, size_t n);
  // y = (x - mean) * rstd * gamma + beta over one row; two passes; *mean and *rstd may be NULL.
  void (*norm_row)(const float *x, const float *gamma, const float *beta, float eps, float *y, float *mean,
                   float *rstd, size_t n);
  // One row backward: dx = rstd (dy gamma - mean(dy gamma) - xhat mean(dy gamma xhat)); dgamma += dy xhat; dbeta += dy.
  void (*norm_row_back)(const float *dy, const float *x, const float *gamma, float mean, float rstd,
                        float *dx, float *dgamma, float *dbeta, size_t n);
  // Philox4x32-10 at n counters (c0[i], c1, c2[i], c3[i]); 16 bytes each into out, words little-endian.
  void (*philox)(uint64_t seed, uint32_t stream, const uint32_t *c0, uint32_t c1, const uint32_t *c2,
                 const uint32_t *c3, uint8_t *out, size_t n);
  // x[i] = bytes[i] < threshold ? 0 : x[i] * scale.
  void (*dropout)(const uint8_t *bytes, uint32_t threshold, float scale, float *x, size_t n);
  // A row of attention's scores in place: x = softmax(scale x), scale > 0; returns the logarithm of the sum of
  // exp(scale x). x has room for n rounded up to 16; what is past n becomes 0.
  float (*softmax_row)(float *x, float scale, size_t n);
  // Backward, in place, with the same room: p = exp(scale s - lse), keep = bytes < threshold ? 0 : factor (1 where bytes
  // is NULL); d becomes scale p (d keep - delta), s becomes p keep; what is past n becomes 0. bytes has the room, too.
  void (*softmax_row_back)(float *s, float *d, const uint8_t *bytes, uint32_t threshold, float factor,
                           float scale, float lse, float delta, size_t n);
  // Copies columns [16 of them, `ldb` floats apart, k long] to a panel [k][16]; gemm_pack is made of it.
  void (*pack_panel)(const float *b, size_t ldb, size_t k, float *panel);
  // Products where BLAS is slow: its calls copy both operands, which costs most where n or k is below about 100.
  void (*gemm)(const simd_gemm *g);
  // C[m,n] = A[m,k] B[n,k]^T + bias[n] (bias may be NULL): for inference, where there is no BLAS. Row strides lda, ldc;
  // b is packed by gemm_pack: ((n + 15) / 16) * 16 * k floats, panels [k][16] of 16 columns. Sums as in simd_gemm.
  void (*gemm_packed)(const float *a, size_t lda, const float *packed, const float *bias, float *c,
                      size_t ldc, size_t m, size_t n, size_t k);
} simd_table;

// The table for this machine. Thread-safe.
const simd_table *simd(void);
// By name ("c", "avx2"); NULL when this machine or build lacks it. For tests.
const simd_table *simd_named(const char *name);

// Packs b [n,k] (row stride ldb) for gemm_packed; columns past n are zero.
size_t gemm_packed_size(size_t n, size_t k); // floats
void gemm_pack(const float *b, size_t ldb, size_t n, size_t k, float *packed);
// The same from b^T, given as rows bt [k,n] (row stride ldb).
void gemm_pack_rows(const float *bt, size_t ldb, size_t n, size_t k, float *packed);

#endif
