// cuBLASLt: column-major matmuls in fp32 and bf16 with the epilogues of training.
//
// D = epilogue(alpha op(A) op(B) + beta C), all sums in fp32. Arguments are checked as the library's documentation
// demands; CUSIM_EPILOGUES=none|bias makes the heuristic refuse fused epilogues, so that fallbacks can be tested.
// An algorithm is bound to the problem and the alignments that the heuristic was asked about, and its workspace is
// overwritten with NaN.
#include "cusim.h"
#include "cublasLt.h"
#include "cuda_bf16.h"
#include <algorithm>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

using namespace cusim;

struct cublasLtContext {
  int open;
};
struct cusim_matmul_desc {
  cublasComputeType_t compute;
  cudaDataType scale;
  int pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  cublasOperation_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void *bias = nullptr, *aux = nullptr;
  int64_t bias_stride = 0, aux_ld = 0, aux_stride = 0;
  int32_t bias_type = -1, aux_type = -1; // -1: that of D
};
struct cusim_matrix_layout {
  cudaDataType type;
  uint64_t rows, cols;
  int64_t ld;
  int32_t order = CUBLASLT_ORDER_COL, batch = 1;
  int64_t stride = 0;
};
struct cusim_matmul_preference {
  uint64_t workspace = 0;
  uint32_t align[4] = {256, 256, 256, 256}; // of A, B, C, D, in bytes
};

namespace {

typedef cusim_matrix_layout layout;
enum : uint32_t {
  F_RELU = 2,
  F_BIAS = 4,
  F_BGRAD = 16,
  F_GELU = 32,
  F_DGELU = 64,
  F_AUX = 128,
  F_BGRADA = 256,
  F_BGRADB = 512
};
constexpr uint32_t BIAS_ALIGN = 16;

// ---- reading and writing elements ----------------------------------------------------------------------------------
size_t size_of(int type) {
  return type == CUDA_R_32F ? 4 : 2;
}
inline float get(const void *p, size_t i, int type) {
  return type == CUDA_R_32F ? static_cast<const float *>(p)[i]
                            : bf16_float(static_cast<const uint16_t *>(p)[i]);
}
inline void put(void *p, size_t i, int type, float v) {
  if (type == CUDA_R_32F)
    static_cast<float *>(p)[i] = v;
  else
    static_cast<uint16_t *>(p)[i] = bf16_bits(v);
}
inline float rounded(float v, cublasComputeType_t compute) { // what the fast modes do to fp32 operands
  if (compute == CUBLAS_COMPUTE_32F_FAST_TF32)
    return v - v == 0.0f ? __uint_as_float((__float_as_uint(v) + 0x1000u) & 0xffffe000u) : v;
  if (compute == CUBLAS_COMPUTE_32F_FAST_16BF) return bf16_float(bf16_bits(v));
  return v;
}

// ---- the matmul: panels of A and B are packed, a register tile of 16 x 6 runs over them ---------------------------
constexpr size_t MR = 16, NR = 6, KC = 256;
typedef float v8 __attribute__((vector_size(32)));

struct operand { // element (i, k) of op(X) lies at i * step + k * step_k
  const void *p;
  int type;
  size_t step, step_k;
  cublasComputeType_t compute;
};
// Packs n elements of k0..k0+kc into panels of R, the k-th elements of a panel side by side.
void pack(float *to, const operand &x, size_t n, size_t k0, size_t kc, size_t R) {
  for (size_t i0 = 0; i0 < n; i0 += R, to += kc * R) {
    const size_t r = std::min(R, n - i0);
    if (r < R) memset(to, 0, kc * R * sizeof(float));
    if (x.step_k == 1) {
      for (size_t i = 0; i < r; i++)
        for (size_t k = 0; k < kc; k++) to[k * R + i] = get(x.p, (i0 + i) * x.step + k0 + k, x.type);
    } else {
      for (size_t k = 0; k < kc; k++)
        for (size_t i = 0; i < r; i++)
          to[k * R + i] = get(x.p, (i0 + i) * x.step + (k0 + k) * x.step_k, x.type);
    }
    if (x.compute != CUBLAS_COMPUTE_32F)
      for (size_t i = 0; i < kc * R; i++) to[i] = rounded(to[i], x.compute);
  }
}
void tile(const float *a, const float *b, size_t kc, float *c, size_t ldc, size_t rows, size_t cols) {
  v8 sum[NR][2] = {};
  for (size_t k = 0; k < kc; k++, a += MR, b += NR) {
    v8 a0, a1;
    memcpy(&a0, a, 32);
    memcpy(&a1, a + 8, 32);
#pragma GCC unroll 6 // unrolled, the sums stay in registers
    for (size_t j = 0; j < NR; j++) {
      sum[j][0] += a0 * b[j];
      sum[j][1] += a1 * b[j];
    }
  }
  for (size_t j = 0; j < cols; j++) {
    float t[MR];
    memcpy(t, sum[j], sizeof t);
    for (size_t i = 0; i < rows; i++) c[j * ldc + i] += t[i];
  }
}
void multiply(size_t m, size_t n, size_t k, const operand &A, const operand &B, float *C) {
  static thread_local std::vector<float> pa, pb;
  const size_t mp = (m + MR - 1) / MR, np = (n + NR - 1) / NR;
  pa.resize(mp * MR * KC);
  pb.resize(np * NR * KC);
  memset(C, 0, m * n * sizeof(float));
  for (size_t k0 = 0; k0 < k; k0 += KC) {
    const size_t kc = std::min(KC, k - k0);
    pack(pa.data(), A, m, k0, kc, MR);
    pack(pb.data(), B, n, k0, kc, NR);
    for (size_t j = 0; j < np; j++)
      for (size_t i = 0; i < mp; i++)
        tile(&pa[i * MR * kc], &pb[j * NR * kc], kc, C + j * NR * m + i * MR, m, std::min(MR, m - i * MR),
             std::min(NR, n - j * NR));
  }
}

// cuBLASLt's GELU is the tanh form.
constexpr float K0 = 0.7978845608028654f, K1 = 0.044715f;
float gelu(float x) {
  return 0.5f * x * (1 + tanhf(K0 * (x + K1 * x * x * x)));
}
float dgelu(float x) {
  const float t = tanhf(K0 * (x + K1 * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * K0 * (1 + 3 * K1 * x * x);
}

// ---- a matmul as it will run --------------------------------------------------------------------------------------
struct matmul {
  cusim_matmul_desc d;
  layout a, b, c, o; // o: of D
  float alpha = 1, beta = 0;
  const void *A = nullptr, *B = nullptr, *C = nullptr;
  void *D = nullptr, *workspace = nullptr;
  size_t workspace_bytes = 0;
  bool flipped_a() const { return d.op_a != CUBLAS_OP_N; }
  bool flipped_b() const { return d.op_b != CUBLAS_OP_N; }
  size_t m() const { return o.rows; }
  size_t n() const { return o.cols; }
  size_t k() const { return flipped_a() ? a.rows : a.cols; }
  int bias_type() const { return d.bias_type < 0 ? static_cast<int>(o.type) : d.bias_type; }
  int aux_type() const { return d.aux_type < 0 ? static_cast<int>(o.type) : d.aux_type; }
  bool writes_bias() const { return d.epilogue & (F_BGRAD | F_BGRADA | F_BGRADB); }
  size_t bias_count() const {
    if (d.epilogue & F_BGRADB) return n();
    return d.epilogue & (F_BIAS | F_BGRAD | F_BGRADA) ? m() : 0;
  }
  size_t aux_elements() const {
    return d.epilogue & F_AUX ? (n() - 1) * static_cast<size_t>(d.aux_ld) + m() : 0;
  }
};
size_t bytes_of(const layout &l) { // from the first to the last element
  return ((l.cols - 1) * static_cast<size_t>(l.ld) + l.rows +
          static_cast<size_t>(l.batch - 1) * static_cast<size_t>(l.stride)) *
         size_of(l.type);
}
const char *at_batch(const void *p, const layout &l, int batch) {
  return static_cast<const char *>(p) +
         static_cast<size_t>(batch) * static_cast<size_t>(l.stride) * size_of(l.type);
}

void epilogue(const matmul &x, int batch, const float *acc) {
  const uint32_t e = x.d.epilogue;
  const size_t m = x.m(), n = x.n();
  char *D = const_cast<char *>(at_batch(x.D, x.o, batch));
  const char *C = at_batch(x.C, x.c, batch);
  const char *bias = static_cast<char *>(x.d.bias) + static_cast<size_t>(batch) *
                                                         static_cast<size_t>(x.d.bias_stride) *
                                                         size_of(x.bias_type());
  std::vector<float> gradient(e & F_BGRAD ? m : 0);
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < m; i++) {
      float v = x.alpha * acc[j * m + i];
      if (x.beta != 0) v += x.beta * get(C, j * static_cast<size_t>(x.c.ld) + i, x.c.type);
      if (e & F_BIAS) v += get(bias, i, x.bias_type());
      if (e & F_RELU) v = v > 0 ? v : 0;
      const size_t at = j * static_cast<size_t>(x.d.aux_ld) + i;
      if (e & F_GELU) {
        if (e & F_AUX) put(x.d.aux, at, x.aux_type(), v);
        v = gelu(v);
      }
      if (e & F_DGELU) v *= dgelu(get(x.d.aux, at, x.aux_type()));
      if (e & F_BGRAD) gradient[i] += v;
      put(D, j * static_cast<size_t>(x.o.ld) + i, x.o.type, v);
    }
  for (size_t i = 0; i < gradient.size(); i++) put(x.d.bias, i, x.bias_type(), gradient[i]);
}
void sum_over_k(const matmul &x, const operand &X, size_t count) { // BGRADA and BGRADB
  for (size_t i = 0; i < count; i++) {
    float s = 0;
    for (size_t k = 0; k < x.k(); k++) s += get(X.p, i * X.step + k * X.step_k, X.type);
    put(x.d.bias, i, x.bias_type(), s);
  }
}
void race_note(const matmul &x, bool before) {
  const char *who = "cublasLtMatmul";
  const uint32_t e = x.d.epilogue;
  auto matrix = [&](const void *p, const layout &l, bool write) {
    for (int q = 0; q < l.batch; q++)
      for (size_t j = 0; j < l.cols; j++)
        race->range(at_batch(p, l, q) + j * static_cast<size_t>(l.ld) * size_of(l.type),
                    l.rows * size_of(l.type), write, !write, who);
  };
  auto aux = [&](bool write) {
    for (size_t j = 0; j < x.n(); j++)
      race->range(static_cast<char *>(x.d.aux) + j * static_cast<size_t>(x.d.aux_ld) * size_of(x.aux_type()),
                  x.m() * size_of(x.aux_type()), write, !write, who);
  };
  if (before) {
    matrix(x.A, x.a, false);
    matrix(x.B, x.b, false);
    if (x.beta != 0) matrix(x.C, x.c, false);
    if (e & F_BIAS) race->range(x.d.bias, x.m() * size_of(x.bias_type()), false, true, who);
    if (e & F_DGELU) aux(false);
    if (x.workspace_bytes) race->range(x.workspace, x.workspace_bytes, true, false, who);
    return;
  }
  matrix(x.D, x.o, true);
  if (x.writes_bias()) race->range(x.d.bias, x.bias_count() * size_of(x.bias_type()), true, false, who);
  if ((e & F_AUX) && (e & F_GELU)) aux(true);
}
void matmul_run(const matmul &x) {
  static thread_local std::vector<float> acc;
  if (race) race_note(x, true);
  if (x.workspace_bytes) memset(x.workspace, 0xff, x.workspace_bytes);
  acc.resize(x.m() * x.n());
  const size_t lda = static_cast<size_t>(x.a.ld), ldb = static_cast<size_t>(x.b.ld);
  for (int q = 0; q < x.o.batch; q++) {
    const operand A = {at_batch(x.A, x.a, q), x.a.type, x.flipped_a() ? lda : 1, x.flipped_a() ? 1 : lda,
                       x.d.compute};
    const operand B = {at_batch(x.B, x.b, q), x.b.type, x.flipped_b() ? 1 : ldb, x.flipped_b() ? ldb : 1,
                       x.d.compute};
    multiply(x.m(), x.n(), x.k(), A, B, acc.data());
    epilogue(x, q, acc.data());
    if (x.d.epilogue & F_BGRADA) sum_over_k(x, A, x.m());
    if (x.d.epilogue & F_BGRADB) sum_over_k(x, B, x.n());
  }
  if (race) race_note(x, false);
}

// ---- checks --------------------------------------------------------------------------------------------------------
cublasStatus_t refuse(cublasStatus_t s, const void *caller, const char *format, ...) CUSIM_PRINTF(3, 4);
cublasStatus_t refuse(cublasStatus_t s, const void *caller, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  note("cuBLASLt at %s returns %s: %s", place(caller).c_str(), cublasLtGetStatusName(s), text);
  return s;
}
bool epilogue_allowed(uint32_t e) {
  static const char *const setting = getenv("CUSIM_EPILOGUES");
  if (setting && !strcmp(setting, "none")) return e == CUBLASLT_EPILOGUE_DEFAULT;
  if (setting && !strcmp(setting, "bias"))
    return e == CUBLASLT_EPILOGUE_DEFAULT || e == CUBLASLT_EPILOGUE_BIAS;
  for (uint32_t known : {1u, 2u, 4u, 6u, 32u, 36u, 160u, 164u, 192u, 208u, 256u, 512u})
    if (e == known) return true;
  return false;
}
cublasStatus_t shapes_check(const matmul &x, const void *caller) {
  const layout &a = x.a, &b = x.b, &c = x.c, &o = x.o;
  const uint64_t m = x.flipped_a() ? a.cols : a.rows, k = x.k(), kb = x.flipped_b() ? b.cols : b.rows,
                 n = x.flipped_b() ? b.rows : b.cols;
  const char *names[] = {"A", "B", "C", "D"};
  const layout *all[] = {&a, &b, &c, &o};
  for (int i = 0; i < 4; i++) {
    const layout &l = *all[i];
    if (!l.rows || !l.cols)
      return refuse(CUBLAS_STATUS_INVALID_VALUE, caller, "%s is %llux%llu", names[i],
                    static_cast<unsigned long long>(l.rows), static_cast<unsigned long long>(l.cols));
    if (l.ld < static_cast<int64_t>(l.rows))
      return refuse(CUBLAS_STATUS_INVALID_VALUE, caller, "%s has %lld rows but a leading dimension of %lld",
                    names[i], static_cast<long long>(l.rows), static_cast<long long>(l.ld));
    if (l.order != CUBLASLT_ORDER_COL)
      return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "%s is not column-major, which is not emulated",
                    names[i]);
    if (l.type != CUDA_R_32F && l.type != CUDA_R_16BF)
      return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "the type of %s is not emulated", names[i]);
    if (l.batch != o.batch || l.batch < 1)
      return refuse(CUBLAS_STATUS_INVALID_VALUE, caller, "%s is a batch of %d, D of %d", names[i], l.batch,
                    o.batch);
  }
  if (m != o.rows || n != o.cols || k != kb || c.rows != m || c.cols != n)
    return refuse(CUBLAS_STATUS_INVALID_VALUE, caller,
                  "op(A) is %llux%llu, op(B) %llux%llu, C %llux%llu, D %llux%llu",
                  static_cast<unsigned long long>(m), static_cast<unsigned long long>(k),
                  static_cast<unsigned long long>(kb), static_cast<unsigned long long>(n),
                  static_cast<unsigned long long>(c.rows), static_cast<unsigned long long>(c.cols),
                  static_cast<unsigned long long>(o.rows), static_cast<unsigned long long>(o.cols));
  const bool fast =
      x.d.compute == CUBLAS_COMPUTE_32F_FAST_TF32 || x.d.compute == CUBLAS_COMPUTE_32F_FAST_16BF;
  if (a.type != b.type || c.type != o.type || (a.type == CUDA_R_32F && o.type != CUDA_R_32F) ||
      (fast && a.type != CUDA_R_32F))
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "types A %d, B %d, C %d, D %d with compute type %d",
                  a.type, b.type, c.type, o.type, x.d.compute);
  const uint32_t e = x.d.epilogue;
  if (!epilogue_allowed(e)) return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "epilogue %u", e);
  if (x.bias_count() && x.bias_type() != o.type)
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "a bias of type %d with D of type %d", x.bias_type(),
                  o.type);
  if (x.writes_bias() && o.batch != 1)
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "bias gradients of a batch");
  if (e & F_AUX) {
    if (x.aux_type() != o.type)
      return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "an auxiliary matrix of type %d with D of type %d",
                    x.aux_type(), o.type);
    if (o.batch != 1)
      return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller, "auxiliary matrices of a batch are not emulated");
    if (x.d.aux_ld < static_cast<int64_t>(m) || x.d.aux_ld % 8)
      return refuse(CUBLAS_STATUS_INVALID_VALUE, caller,
                    "leading dimension %lld of the auxiliary matrix; want a multiple of 8, at least %llu",
                    static_cast<long long>(x.d.aux_ld), static_cast<unsigned long long>(m));
  }
  return CUBLAS_STATUS_SUCCESS;
}

struct algorithm { // what cublasLtMatmulAlgo_t holds
  uint64_t magic, problem, workspace;
  uint32_t align[4], bias_align, aux_align;
};
static_assert(sizeof(algorithm) <= sizeof(cublasLtMatmulAlgo_t), "");
constexpr uint64_t MAGIC = 0x6375736d2d6c7401ull;
uint64_t problem_of(const matmul &x) {
  uint64_t h = 1469598103934665603ull;
  auto mix = [&](uint64_t v) { h = (h ^ v) * 1099511628211ull; };
  for (const layout *l : {&x.a, &x.b, &x.c, &x.o})
    for (uint64_t v : {static_cast<uint64_t>(l->type), l->rows, l->cols, static_cast<uint64_t>(l->ld),
                       static_cast<uint64_t>(l->batch), static_cast<uint64_t>(l->stride)})
      mix(v);
  for (uint64_t v : {static_cast<uint64_t>(x.d.op_a), static_cast<uint64_t>(x.d.op_b),
                     static_cast<uint64_t>(x.d.epilogue), static_cast<uint64_t>(x.d.compute)})
    mix(v);
  return h;
}
uint32_t alignment_of(const void *p) { // null: assumed to be the best
  const uintptr_t u = reinterpret_cast<uintptr_t>(p);
  return u ? static_cast<uint32_t>(std::min<uintptr_t>(u & (~u + 1), 256)) : 256;
}
// Long sums of small results are split along k and need room for the parts, if they are given it.
size_t workspace_wanted(const matmul &x, size_t available) {
  const size_t bytes = 2 * x.m() * x.n() * sizeof(float);
  return x.k() >= 2 * std::max(x.m(), x.n()) && bytes <= available ? bytes : 0;
}
algorithm algorithm_make(const matmul &x, const cusim_matmul_preference &p) {
  algorithm g = {MAGIC, problem_of(x),          workspace_wanted(x, p.workspace),
                 {},    alignment_of(x.d.bias), alignment_of(x.d.aux)};
  memcpy(g.align, p.align, sizeof g.align);
  return g;
}

bool overlap(const void *a, size_t na, const void *b, size_t nb) {
  const char *p = static_cast<const char *>(a), *q = static_cast<const char *>(b);
  return p < q + nb && q < p + na;
}
cublasStatus_t pointers_check(const matmul &x, const algorithm &g, size_t workspace_given,
                              const void *caller) {
  struct {
    const char *name;
    const void *p;
    size_t bytes;
    uint32_t align;
  } all[] = {{"A", x.A, bytes_of(x.a), std::max<uint32_t>(g.align[0], 2)},
             {"B", x.B, bytes_of(x.b), std::max<uint32_t>(g.align[1], 2)},
             {"D", x.D, bytes_of(x.o), std::max<uint32_t>(g.align[3], 2)},
             {"C", x.C, x.beta != 0 ? bytes_of(x.c) : 0, std::max<uint32_t>(g.align[2], 2)},
             {"the bias vector", x.d.bias,
              (x.bias_count() + static_cast<size_t>(x.d.bias_stride) * static_cast<size_t>(x.o.batch - 1)) *
                  size_of(x.bias_type()),
              std::min(g.bias_align, BIAS_ALIGN)},
             {"the auxiliary matrix", x.d.aux, x.aux_elements() * size_of(x.aux_type()),
              std::min(g.aux_align, BIAS_ALIGN)},
             {"the workspace", x.workspace, g.workspace, 16}};
  if (!x.C) return refuse(CUBLAS_STATUS_INVALID_VALUE, caller, "C is null (pass D where beta is 0)");
  for (const auto &o : all) {
    if (!o.bytes) continue;
    if (!device_range(o.p, o.bytes)) {
      report("cublasLtMatmul at %s: %s, %zu bytes at %p, %s", place(caller).c_str(), o.name, o.bytes, o.p,
             describe(o.p).c_str());
      return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    if (reinterpret_cast<uintptr_t>(o.p) % o.align)
      return refuse(CUBLAS_STATUS_NOT_SUPPORTED, caller,
                    "%s at %p is not %u-byte aligned, as the algorithm was told", o.name, o.p, o.align);
  }
  if (g.workspace > workspace_given)
    return refuse(CUBLAS_STATUS_INVALID_VALUE, caller, "a workspace of %zu bytes, the algorithm wants %zu",
                  workspace_given, static_cast<size_t>(g.workspace));
  for (const auto &o : all) {
    const bool itself = &o == &all[2],
               in_place = &o == &all[3] && x.C == x.D && x.c.ld == x.o.ld && x.c.stride == x.o.stride;
    if (!o.bytes || itself || in_place || !overlap(x.D, all[2].bytes, o.p, o.bytes)) continue;
    report("cublasLtMatmul at %s: D overlaps %s", place(caller).c_str(), o.name);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

template <class T> cublasStatus_t set(T &field, const void *buffer, size_t bytes) {
  if (!buffer || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(&field, buffer, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

} // namespace

// ---- the interface ---------------------------------------------------------------------------------------------------
#define CALLER __builtin_return_address(0)
const char *cublasLtGetStatusName(cublasStatus_t s) {
  switch (s) {
  case CUBLAS_STATUS_SUCCESS:
    return "CUBLAS_STATUS_SUCCESS";
  case CUBLAS_STATUS_NOT_INITIALIZED:
    return "CUBLAS_STATUS_NOT_INITIALIZED";
  case CUBLAS_STATUS_ALLOC_FAILED:
    return "CUBLAS_STATUS_ALLOC_FAILED";
  case CUBLAS_STATUS_INVALID_VALUE:
    return "CUBLAS_STATUS_INVALID_VALUE";
  case CUBLAS_STATUS_ARCH_MISMATCH:
    return "CUBLAS_STATUS_ARCH_MISMATCH";
  case CUBLAS_STATUS_MAPPING_ERROR:
    return "CUBLAS_STATUS_MAPPING_ERROR";
  case CUBLAS_STATUS_EXECUTION_FAILED:
    return "CUBLAS_STATUS_EXECUTION_FAILED";
  case CUBLAS_STATUS_INTERNAL_ERROR:
    return "CUBLAS_STATUS_INTERNAL_ERROR";
  case CUBLAS_STATUS_NOT_SUPPORTED:
    return "CUBLAS_STATUS_NOT_SUPPORTED";
  case CUBLAS_STATUS_LICENSE_ERROR:
    return "CUBLAS_STATUS_LICENSE_ERROR";
  }
  return "unknown cuBLAS status";
}
const char *cublasLtGetStatusString(cublasStatus_t s) {
  return cublasLtGetStatusName(s);
}
size_t cublasLtGetVersion(void) {
  return 130000;
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *h = new cublasLtContext{1};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) {
  delete h;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  const bool known = compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_PEDANTIC ||
                     compute == CUBLAS_COMPUTE_32F_FAST_16BF || compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (!known || scale != CUDA_R_32F)
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED, CALLER, "compute type %d with scale type %d", compute, scale);
  *d = new cusim_matmul_desc;
  (*d)->compute = compute == CUBLAS_COMPUTE_32F_PEDANTIC ? CUBLAS_COMPUTE_32F : compute;
  (*d)->scale = scale;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
  delete d;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attr,
                                              const void *buffer, size_t bytes) {
  switch (attr) {
  case CUBLASLT_MATMUL_DESC_POINTER_MODE:
    return set(d->pointer_mode, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_TRANSA:
    return set(d->op_a, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_TRANSB:
    return set(d->op_b, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE:
    return set(d->epilogue, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
    return set(d->bias, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
    return set(d->bias_stride, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
    return set(d->bias_type, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
    return set(d->aux, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
    return set(d->aux_ld, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE:
    return set(d->aux_stride, buffer, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE:
    return set(d->aux_type, buffer, bytes);
  default:
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED, CALLER, "matmul attribute %d is not emulated", attr);
  }
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
  *l = new cusim_matrix_layout{type, rows, cols, ld};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
  delete l;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l,
                                                cublasLtMatrixLayoutAttribute_t attr, const void *buffer,
                                                size_t bytes) {
  switch (attr) {
  case CUBLASLT_MATRIX_LAYOUT_TYPE:
    return set(l->type, buffer, bytes);
  case CUBLASLT_MATRIX_LAYOUT_ORDER:
    return set(l->order, buffer, bytes);
  case CUBLASLT_MATRIX_LAYOUT_ROWS:
    return set(l->rows, buffer, bytes);
  case CUBLASLT_MATRIX_LAYOUT_COLS:
    return set(l->cols, buffer, bytes);
  case CUBLASLT_MATRIX_LAYOUT_LD:
    return set(l->ld, buffer, bytes);
  case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
    return set(l->batch, buffer, bytes);
  case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
    return set(l->stride, buffer, bytes);
  }
  return refuse(CUBLAS_STATUS_NOT_SUPPORTED, CALLER, "layout attribute %d is not emulated", attr);
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p) {
  *p = new cusim_matmul_preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
  delete p;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t attr,
                                                    const void *buffer, size_t bytes) {
  uint32_t ignored;
  switch (attr) {
  case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
    return set(p->workspace, buffer, bytes);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    return set(p->align[0], buffer, bytes);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    return set(p->align[1], buffer, bytes);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    return set(p->align[2], buffer, bytes);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
    return set(p->align[3], buffer, bytes);
  case CUBLASLT_MATMUL_PREF_SEARCH_MODE:
  case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
    return set(ignored, buffer, bytes);
  }
  return refuse(CUBLAS_STATUS_NOT_SUPPORTED, CALLER, "preference %d is not emulated", attr);
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t o,
                                              cublasLtMatmulPreference_t p, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *count) {
  *count = 0;
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (wanted < 1 || !d || !a || !b || !c || !o || !p)
    return refuse(CUBLAS_STATUS_INVALID_VALUE, CALLER, "a null argument, or no results wanted");
  matmul x;
  x.d = *d, x.a = *a, x.b = *b, x.c = *c, x.o = *o;
  if (cublasStatus_t s = shapes_check(x, CALLER)) return s;
  const algorithm g = algorithm_make(x, *p);
  memset(results, 0, sizeof *results);
  memcpy(&results->algo, &g, sizeof g);
  results->workspaceSize = g.workspace;
  results->wavesCount = 1;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha, const void *A,
                              cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b,
                              const void *beta, const void *C, cublasLtMatrixLayout_t c, void *D,
                              cublasLtMatrixLayout_t o, const cublasLtMatmulAlgo_t *chosen, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!d || !a || !b || !c || !o || !alpha || !beta)
    return refuse(CUBLAS_STATUS_INVALID_VALUE, CALLER, "a null argument");
  if (d->pointer_mode != CUBLASLT_POINTER_MODE_HOST)
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED, CALLER, "alpha and beta in device memory are not emulated");
  matmul x;
  x.d = *d, x.a = *a, x.b = *b, x.c = *c, x.o = *o;
  memcpy(&x.alpha, alpha, sizeof x.alpha);
  memcpy(&x.beta, beta, sizeof x.beta);
  x.A = A, x.B = B, x.C = C, x.D = D, x.workspace = workspace;
  if (cublasStatus_t s = shapes_check(x, CALLER)) return s;
  algorithm g;
  if (chosen) {
    memcpy(&g, chosen, sizeof g);
    if (g.magic != MAGIC || g.problem != problem_of(x))
      return refuse(CUBLAS_STATUS_NOT_SUPPORTED, CALLER, "the algorithm was chosen for another problem");
  } else { // chosen now, for these pointers
    cusim_matmul_preference p;
    p.workspace = workspace ? workspace_bytes : 0;
    const void *const pointers[] = {A, B, C, D};
    for (int i = 0; i < 4; i++) p.align[i] = alignment_of(pointers[i]);
    g = algorithm_make(x, p);
  }
  x.workspace_bytes = g.workspace;
  if (cublasStatus_t s = pointers_check(x, g, workspace_bytes, CALLER)) return s;
  return stream_submit(
             api, stream, [x] { matmul_run(x); }, "cublasLtMatmul") == cudaSuccess
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}
