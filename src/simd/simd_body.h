// The kernels, included by simd_c.c and simd_avx2.c with SIMD_NAME set. See simd.h for what each does.
//
// exp: Cody-Waite reduction to |r| <= ln2/2 and 1 + r + r^2 q(r), q of degree 4 with the least maximal error (3e-9, found
// by Remez' exchange; Taylor's coefficients leave 1.2e-7), scaled by exponent bits.
// erf: 1 - t(a1 + t(...))exp(-x^2) with exp from above (Abramowitz and Stegun 7.1.26 has 1.5e-7 absolute error).
// tanh: 1 - 2 / (exp(2x) + 1).
// log(1 + e), 0 < e <= 1: 2 artanh(z), z = e / (2 + e) <= 1/3, by its series up to z^13; what is left out is below 1e-8.
#include <float.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "simd/simd.h"

enum { LANES = 16 };

static inline float exp_one(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * 1.44269504f + magic, k = shifted - magic;
  float r = x - k * 0.693145752f;
  r = r - k * 1.42860677e-6f;
  float p = 0.00138145405f;
  p = p * r + 0.00836874512f;
  p = p * r + 0.0416683908f;
  p = p * r + 0.166665204f;
  p = p * r + 0.499999934f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  const int32_t exponent = (int32_t)((uint32_t)(bits - 0x4B400000 + 127) << 23);
  float power;
  memcpy(&power, &exponent, sizeof power);
  return p * power;
}

static inline float log1p_one(float e) { // 0 < e <= 1
  const float z = e / (2.0f + e), y = z * z;
  float p = 2.0f / 13.0f;
  p = p * y + 2.0f / 11.0f;
  p = p * y + 2.0f / 9.0f;
  p = p * y + 2.0f / 7.0f;
  p = p * y + 2.0f / 5.0f;
  p = p * y + 2.0f / 3.0f;
  p = p * y + 2.0f;
  return p * z;
}

static inline float tanh_one(float x) {
  return 1.0f - 2.0f / (exp_one(2.0f * x) + 1.0f);
}

// erf(x) given e = exp(-x^2).
static inline float erf_one(float x, float e) {
  const float a = x < 0 ? -x : x, t = 1.0f / (1.0f + 0.3275911f * a);
  const float p =
      t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float y = 1.0f - p * e;
  return x < 0 ? -y : y;
}

static float dot_k(const float *a, const float *b, size_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

static double sum_squares_k(const float *x, size_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}

// lane[j] = the larger of it and x[j], of LANES; compilers make comparisons and selections of the loop.
static inline void max_lanes(const float *x, float *lane) {
#ifdef __AVX2__
  for (size_t j = 0; j < LANES; j += 8)
    _mm256_storeu_ps(lane + j, _mm256_max_ps(_mm256_loadu_ps(x + j), _mm256_loadu_ps(lane + j)));
#else
  for (size_t j = 0; j < LANES; j++) lane[j] = x[j] > lane[j] ? x[j] : lane[j];
#endif
}

static float max_k(const float *x, size_t n) {
  float lane[LANES], best = -INFINITY;
  for (int j = 0; j < LANES; j++) lane[j] = -INFINITY;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) max_lanes(x + i, lane);
  for (; i < n; i++) best = x[i] > best ? x[i] : best;
  for (int j = 0; j < LANES; j++) best = lane[j] > best ? lane[j] : best;
  return best;
}

static float add_max_k(const float *x, float *y, size_t n) {
  float lane[LANES], best = -INFINITY;
  for (int j = 0; j < LANES; j++) lane[j] = -INFINITY;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
#pragma omp simd
    for (size_t j = i; j < i + LANES; j++) y[j] += x[j];
    max_lanes(y + i, lane);
  }
  for (; i < n; i++) {
    y[i] += x[i];
    best = y[i] > best ? y[i] : best;
  }
  for (int j = 0; j < LANES; j++) best = lane[j] > best ? lane[j] : best;
  return best;
}

static void axpy_k(float a, const float *x, float *y, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static void scale_k(float a, float *x, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) x[i] *= a;
}

static void add_k(const float *x, float *y, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale_add_k(float a, float *x, float *y, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) {
    x[i] *= a;
    y[i] += x[i];
  }
}

// 32 columns at a time stay in registers. Each element has its additions in the order of the rows.
static void add_rows_k(const float *x, size_t stride, size_t rows, float *y, size_t n) {
  enum { WIDTH = 2 * LANES };
  size_t j = 0;
  for (; j + WIDTH <= n; j += WIDTH) {
    float sum[WIDTH];
    memcpy(sum, y + j, sizeof sum);
    for (size_t i = 0; i < rows; i++)
      for (size_t l = 0; l < WIDTH; l++) sum[l] += x[i * stride + j + l];
    memcpy(y + j, sum, sizeof sum);
  }
  for (size_t i = 0; i < rows && j < n; i++) add_k(x + i * stride + j, y + j, n - j);
}

static float exp_sum_k(float *x, float shift, size_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < n; i++) {
    x[i] = exp_one(x[i] - shift);
    sum += x[i];
  }
  return sum;
}

static float logistic_k(float *x, float shift, float *slopes, size_t n) {
  float sum = 0, all = 0;
#pragma omp simd reduction(+ : sum, all)
  for (size_t i = 0; i < n; i++) {
    const float d = x[i] - shift, e = exp_one(d < 0 ? d : -d), w = 1.0f / (1.0f + e);
    x[i] = d < 0 ? e * w : w;
    all += x[i];
    sum += log1p_one(e) + (d < 0 ? 0.0f : d);
  }
  *slopes += all;
  return sum;
}

static const float GELU_A = 0.7978845608f, GELU_B = 0.044715f; // sqrt(2/pi)

static void gelu_tanh_k(const float *x, float *y, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) {
    const float v = x[i];
    y[i] = 0.5f * v * (1.0f + tanh_one(GELU_A * (v + GELU_B * v * v * v)));
  }
}

// With e = exp(2u): (1 + tanh u) / 2 = e / (e + 1) and 1 - tanh^2 u = 4 e / (e + 1)^2, neither of which cancels in the
// tails, where 1 - tanh^2 is multiplied by u' ~ x^2.
static void gelu_tanh_back_k(const float *x, float *dy, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) {
    const float v = x[i], e = exp_one(2.0f * GELU_A * (v + GELU_B * v * v * v));
    const float s = 1.0f / (e + 1.0f), w = e * s;
    dy[i] *= w + 2.0f * GELU_A * v * w * s * (1.0f + 3.0f * GELU_B * v * v);
  }
}

static void gelu_erf_k(const float *x, float *y, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) {
    const float v = x[i];
    y[i] = 0.5f * v * (1.0f + erf_one(v * 0.70710678f, exp_one(-0.5f * v * v)));
  }
}

static void gelu_erf_back_k(const float *x, float *dy, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) {
    const float v = x[i], e = exp_one(-0.5f * v * v);
    dy[i] *= 0.5f * (1.0f + erf_one(v * 0.70710678f, e)) + v * 0.3989422804f * e;
  }
}

static void tanh_row_k(const float *x, float *y, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) y[i] = tanh_one(x[i]);
}

static void norm_row_k(const float *x, const float *gamma, const float *beta, float eps, float *y,
                       float *mean, float *rstd, size_t n) {
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < n; i++) sum += x[i];
  const float mu = sum / (float)n;
#pragma omp simd reduction(+ : squares)
  for (size_t i = 0; i < n; i++) squares += (x[i] - mu) * (x[i] - mu);
  const float r = 1.0f / sqrtf(squares / (float)n + eps);
#pragma omp simd
  for (size_t i = 0; i < n; i++) y[i] = (x[i] - mu) * r * gamma[i] + beta[i];
  if (mean != NULL) *mean = mu;
  if (rstd != NULL) *rstd = r;
}

static void norm_row_back_k(const float *dy, const float *x, const float *gamma, float mean, float rstd,
                            float *dx, float *dgamma, float *dbeta, size_t n) {
  float a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
  for (size_t i = 0; i < n; i++) {
    const float g = dy[i] * gamma[i], h = (x[i] - mean) * rstd;
    a += g;
    b += g * h;
    dgamma[i] += dy[i] * h;
    dbeta[i] += dy[i];
  }
  a /= (float)n;
  b /= (float)n;
#pragma omp simd
  for (size_t i = 0; i < n; i++) dx[i] = rstd * (dy[i] * gamma[i] - a - (x[i] - mean) * rstd * b);
}

static void philox_k(uint64_t seed, uint32_t stream, const uint32_t *c0, uint32_t c1, const uint32_t *c2,
                     const uint32_t *c3, uint8_t *out, size_t n) {
  for (size_t at = 0; at < n; at += LANES) {
    const size_t m = n - at < LANES ? n - at : LANES;
    uint32_t x0[LANES] = {0}, x1[LANES], x2[LANES] = {0}, x3[LANES] = {0};
    for (size_t i = 0; i < m; i++) {
      x0[i] = c0[at + i];
      x2[i] = c2[at + i];
      x3[i] = c3[at + i];
    }
    for (size_t i = 0; i < LANES; i++) x1[i] = c1;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32) ^ stream;
    for (int round = 0; round < 10; round++) {
#pragma omp simd
      for (size_t i = 0; i < LANES; i++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * x0[i], p1 = (uint64_t)0xCD9E8D57u * x2[i];
        x0[i] = (uint32_t)(p1 >> 32) ^ x1[i] ^ k0;
        x2[i] = (uint32_t)(p0 >> 32) ^ x3[i] ^ k1;
        x1[i] = (uint32_t)p1;
        x3[i] = (uint32_t)p0;
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    for (size_t i = 0; i < m; i++) {
      const uint32_t word[4] = {x0[i], x1[i], x2[i], x3[i]};
      memcpy(out + 16 * (at + i), word, 16);
    }
  }
}

static void dropout_k(const uint8_t *bytes, uint32_t threshold, float scale, float *x, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) x[i] = bytes[i] < threshold ? 0.0f : x[i] * scale;
}

// ---- softmax of attention ------------------------------------------------------------------------------------

static float softmax_row_k(float *x, float scale, size_t n) {
  const size_t room = (n + LANES - 1) / LANES * LANES;
  float lane[LANES], sums[LANES] = {0}, best = -INFINITY, sum = 0;
  for (size_t j = n; j < room; j++) x[j] = -INFINITY;
  for (size_t j = 0; j < LANES; j++) lane[j] = -INFINITY;
  for (size_t i = 0; i < room; i += LANES) max_lanes(x + i, lane);
  for (size_t j = 0; j < LANES; j++) best = lane[j] > best ? lane[j] : best;
  const float shift = best * scale;
  for (size_t i = 0; i < room; i += LANES) {
#pragma omp simd
    for (size_t j = 0; j < LANES; j++) {
      x[i + j] = exp_one(x[i + j] * scale - shift);
      sums[j] += x[i + j];
    }
  }
  for (size_t j = n; j < room; j++) { // exp_one has no zero
    sums[j % LANES] -= x[j];
    x[j] = 0.0f;
  }
  for (size_t j = 0; j < LANES; j++) sum += sums[j];
  const float over = 1.0f / sum;
  for (size_t i = 0; i < room; i += LANES)
    for (size_t j = 0; j < LANES; j++) x[i + j] *= over;
  return shift + logf(sum);
}

// keep: 0 or the factor of what dropout leaves.
static inline void softmax_back_one(float *s, float *d, float keep, float scale, float lse, float delta) {
  const float log_p = *s * scale - lse; // above 0 only by rounding, which is large where scores are
  const float p = exp_one(log_p > 1.0f ? 1.0f : log_p), slope = p * (*d * keep - delta);
  *s = p * keep;
  *d = slope * scale;
}

static void softmax_row_back_k(float *s, float *d, const uint8_t *bytes, uint32_t threshold, float factor,
                               float scale, float lse, float delta, size_t n) {
  const size_t room = (n + LANES - 1) / LANES * LANES;
  for (size_t i = 0; i < room; i += LANES) {
    if (bytes == NULL) {
#pragma omp simd
      for (size_t j = i; j < i + LANES; j++) softmax_back_one(s + j, d + j, 1.0f, scale, lse, delta);
      continue;
    }
    float keep[LANES]; // in a loop of its own the bytes become few wide comparisons
#pragma omp simd
    for (size_t j = 0; j < LANES; j++) keep[j] = bytes[i + j] < threshold ? 0.0f : factor;
#pragma omp simd
    for (size_t j = 0; j < LANES; j++) softmax_back_one(s + i + j, d + i + j, keep[j], scale, lse, delta);
  }
  for (size_t j = n; j < room; j++) s[j] = d[j] = 0.0f;
}

// ---- matrix products -----------------------------------------------------------------------------------------
//
// A tile is R rows by one panel of 16 columns whose sums stay in registers while k runs. Every element of C is what it
// starts from plus the products in ascending k, whatever the tile, so that a row's result does not depend on its
// neighbours. k is split into blocks of DEPTH: a panel's block (16 KB) stays in the L1 cache while all rows use it. Sums
// start from `from` (row stride ldf) and are stored to c. Element (i, p) of A is a[i row + p step], where one of row and
// step is the constant 1; rows of the panel are `wide` floats apart.
enum { DEPTH = 256 };

#ifdef __AVX2__
typedef float vec8 __attribute__((vector_size(32), aligned(4), may_alias));
#define LOAD8(p)     (*(const vec8 *)(p))
#define STORE8(p, v) (*(vec8 *)(p) = (v))

// Eight rows of eight become columns: pairs, quadruples, halves.
static inline void transpose8(const float *b, size_t ldb, float *to) {
  __m256 r[8], t[8];
  for (size_t i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(b + i * ldb);
  for (size_t i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (size_t i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (size_t i = 0; i < 4; i++) {
    _mm256_storeu_ps(to + i * PANEL, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * PANEL, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}
#endif

static void pack_panel_k(const float *b, size_t ldb, size_t k, float *panel) {
  size_t p = 0;
#ifdef __AVX2__
  for (; p + 8 <= k; p += 8) {
    transpose8(b + p, ldb, panel + p * PANEL);
    transpose8(b + 8 * ldb + p, ldb, panel + p * PANEL + 8);
  }
#endif
  // One cache line of every column at a time, so that both reads and writes touch few lines.
  for (; p < k; p += LANES)
    for (size_t j = 0; j < PANEL; j++)
      for (size_t q = p; q < k && q < p + LANES; q++) panel[q * PANEL + j] = b[j * ldb + q];
}

#ifdef __AVX2__
enum { TILE_ROWS = 6 }; // 12 sums hide the latency of two multiply-adds a cycle
#define GEMM_TILE(R)                                                                                         \
  static inline __attribute__((always_inline)) void tile_##R(                                                \
      const float *a, size_t row, size_t step, const float *panel, size_t wide, size_t k, const float *from, \
      size_t ldf, float *c, size_t ldc) {                                                                    \
    vec8 s[R][2];                                                                                            \
    for (size_t r = 0; r < R; r++) {                                                                         \
      s[r][0] = LOAD8(from + r * ldf);                                                                       \
      s[r][1] = LOAD8(from + r * ldf + 8);                                                                   \
    }                                                                                                        \
    for (size_t p = 0; p < k; p++) {                                                                         \
      const vec8 b0 = LOAD8(panel + p * wide), b1 = LOAD8(panel + p * wide + 8);                             \
      for (size_t r = 0; r < R; r++) {                                                                       \
        s[r][0] += a[r * row + p * step] * b0;                                                               \
        s[r][1] += a[r * row + p * step] * b1;                                                               \
      }                                                                                                      \
    }                                                                                                        \
    for (size_t r = 0; r < R; r++) {                                                                         \
      STORE8(c + r * ldc, s[r][0]);                                                                          \
      STORE8(c + r * ldc + 8, s[r][1]);                                                                      \
    }                                                                                                        \
  }
GEMM_TILE(6)
GEMM_TILE(5)

// One row by four panels: eight independent sums, because two would leave the multiply-add units waiting.
static void tile_wide(const float *a, const float *panels, size_t k, const float *bias, float *c) {
  vec8 s[4][2];
  for (size_t j = 0; j < 4; j++) {
    s[j][0] = bias != NULL ? LOAD8(bias + j * PANEL) : (vec8){0};
    s[j][1] = bias != NULL ? LOAD8(bias + j * PANEL + 8) : (vec8){0};
  }
  for (size_t p = 0; p < k; p++) {
    for (size_t j = 0; j < 4; j++) {
      s[j][0] += a[p] * LOAD8(panels + (j * k + p) * PANEL);
      s[j][1] += a[p] * LOAD8(panels + (j * k + p) * PANEL + 8);
    }
  }
  for (size_t j = 0; j < 4; j++) {
    STORE8(c + j * PANEL, s[j][0]);
    STORE8(c + j * PANEL + 8, s[j][1]);
  }
}
#else
enum { TILE_ROWS = 4 };
#define GEMM_TILE(R)                                                                                       \
  static void tile_##R(const float *a, size_t row, size_t step, const float *panel, size_t wide, size_t k, \
                       const float *from, size_t ldf, float *c, size_t ldc) {                              \
    float s[R][PANEL];                                                                                     \
    for (size_t r = 0; r < R; r++) memcpy(s[r], from + r * ldf, sizeof s[r]);                              \
    for (size_t p = 0; p < k; p++) {                                                                       \
      const float *b = panel + p * wide;                                                                   \
      for (size_t r = 0; r < R; r++) {                                                                     \
        const float v = a[r * row + p * step];                                                             \
        _Pragma("omp simd") for (size_t j = 0; j < PANEL; j++) s[r][j] += v * b[j];                        \
      }                                                                                                    \
    }                                                                                                      \
    for (size_t r = 0; r < R; r++) memcpy(c + r * ldc, s[r], sizeof s[r]);                                 \
  }
#endif
GEMM_TILE(4)
GEMM_TILE(3)
GEMM_TILE(2)
GEMM_TILE(1)

static inline __attribute__((always_inline)) void tile_rows(size_t rows, const float *a, size_t row,
                                                            size_t step, const float *panel, size_t wide,
                                                            size_t k, const float *from, size_t ldf, float *c,
                                                            size_t ldc) {
  switch (rows) {
#ifdef __AVX2__
  case 6:
    tile_6(a, row, step, panel, wide, k, from, ldf, c, ldc);
    break;
  case 5:
    tile_5(a, row, step, panel, wide, k, from, ldf, c, ldc);
    break;
#endif
  case 4:
    tile_4(a, row, step, panel, wide, k, from, ldf, c, ldc);
    break;
  case 3:
    tile_3(a, row, step, panel, wide, k, from, ldf, c, ldc);
    break;
  case 2:
    tile_2(a, row, step, panel, wide, k, from, ldf, c, ldc);
    break;
  default:
    tile_1(a, row, step, panel, wide, k, from, ldf, c, ldc);
    break;
  }
}

// All rows against one block of one panel. fresh: sums start from `start` [16], else from C.
static inline __attribute__((always_inline)) void gemm_panel(const float *a, size_t row, size_t step,
                                                             const float *panel, size_t wide, size_t k,
                                                             const float *start, bool fresh, float *c,
                                                             size_t ldc, size_t m, size_t width) {
  float edge[TILE_ROWS * PANEL] = {0};
  for (size_t i = 0; i < m; i += TILE_ROWS) {
    const size_t rows = m - i < TILE_ROWS ? m - i : TILE_ROWS;
    float *to = c + i * ldc;
    if (width == PANEL) {
      tile_rows(rows, a + i * row, row, step, panel, wide, k, fresh ? start : to, fresh ? 0 : ldc, to, ldc);
      continue;
    }
    for (size_t r = 0; r < rows && !fresh; r++) memcpy(edge + r * PANEL, to + r * ldc, width * sizeof *to);
    tile_rows(rows, a + i * row, row, step, panel, wide, k, fresh ? start : edge, fresh ? 0 : PANEL, edge,
              PANEL);
    for (size_t r = 0; r < rows; r++) memcpy(to + r * ldc, edge + r * PANEL, width * sizeof *to);
  }
}

// The columns of B past its last whole panel, from rows of B, with zeros after them.
static void pack_edge(const float *b, size_t ldb, size_t width, size_t depth, float *panel) {
  memset(panel, 0, depth * PANEL * sizeof *panel);
  for (size_t p = 0; p < depth; p++) memcpy(panel + p * PANEL, b + p * ldb, width * sizeof *panel);
}

static inline __attribute__((always_inline)) void gemm_blocks(const simd_gemm *g, size_t row, size_t step,
                                                              size_t begin) {
  const size_t n = g->n, k = g->k;
  float edge[DEPTH * PANEL];
  for (size_t p0 = 0; p0 == 0 || p0 < k; p0 += DEPTH) {
    const size_t depth = k - p0 < DEPTH ? k - p0 : DEPTH;
    for (size_t j0 = begin; j0 < n; j0 += PANEL) {
      const size_t width = n - j0 < PANEL ? n - j0 : PANEL;
      float start[PANEL] = {0};
      if (g->bias != NULL) memcpy(start, g->bias + j0, width * sizeof *start);
      const float *panel = g->packed ? g->b + j0 * k + p0 * PANEL : g->b + p0 * g->b_row + j0;
      size_t wide = g->packed ? PANEL : g->b_row;
      if (!g->packed && width < PANEL) {
        pack_edge(panel, g->b_row, width, depth, edge);
        panel = edge;
        wide = PANEL;
      }
      gemm_panel(g->a + p0 * step, row, step, panel, wide, depth, start, p0 == 0 && !g->add, g->c + j0,
                 g->c_row, g->m, width);
    }
  }
}

static void gemm_k(const simd_gemm *g) {
  if (g->a_step == 1)
    gemm_blocks(g, g->a_row, 1, 0);
  else
    gemm_blocks(g, 1, g->a_step, 0);
}

static void gemm_packed_k(const float *a, size_t lda, const float *packed, const float *bias, float *c,
                          size_t ldc, size_t m, size_t n, size_t k) {
  const simd_gemm g = {
      .m = m, .n = n, .k = k, .a = a, .b = packed, .packed = true, .bias = bias, .c = c, .c_row = ldc};
  size_t begin = 0;
#ifdef __AVX2__
  for (; m == 1 && begin + 4 * PANEL <= n; begin += 4 * PANEL)
    tile_wide(a, packed + begin * k, k, bias != NULL ? bias + begin : NULL, c + begin);
#endif
  gemm_blocks(&g, lda, 1, begin);
}

#define SIMD_TABLE(label)                                                                                   \
  {                                                                                                         \
    .name = label, .dot = dot_k, .sum_squares = sum_squares_k, .max = max_k, .axpy = axpy_k,                \
    .scale = scale_k, .add = add_k, .add_max = add_max_k, .scale_add = scale_add_k, .add_rows = add_rows_k, \
    .exp_sum = exp_sum_k, .logistic = logistic_k, .gelu_tanh = gelu_tanh_k, .gelu_erf = gelu_erf_k,         \
    .gelu_tanh_back = gelu_tanh_back_k, .gelu_erf_back = gelu_erf_back_k, .tanh_row = tanh_row_k,           \
    .norm_row = norm_row_k, .norm_row_back = norm_row_back_k, .philox = philox_k, .dropout = dropout_k,     \
    .softmax_row = softmax_row_k, .softmax_row_back = softmax_row_back_k, .pack_panel = pack_panel_k,       \
    .gemm = gemm_k, .gemm_packed = gemm_packed_k,                                                           \
  }
