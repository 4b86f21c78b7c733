// The sample kernels against plain references; odd sizes; the arithmetic of bf16. Runs in every build and schedule.
#include "samples.h"
#include "tap.h"
#include <string>
#include <cuda_bf16.h>
#include <math.h>
#include <string.h>
#include <vector>

namespace {

uint64_t chance = 88172645463325252ull;
float uniform() { // -1..1
  chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
  return static_cast<float>(static_cast<double>(chance >> 11) / 9007199254740992.0 * 2 - 1);
}
std::vector<float> numbers(size_t n) {
  std::vector<float> v(n);
  for (float &x : v) x = uniform();
  return v;
}
std::vector<uint16_t> to_bf16(const std::vector<float> &v) {
  std::vector<uint16_t> b;
  for (float x : v) b.push_back(__bfloat16_as_ushort(__float2bfloat16(x)));
  return b;
}
float from_bf16(uint16_t b) {
  return __bfloat162float(__ushort_as_bfloat16(b));
}

template <class T> struct device { // an array in device memory
  T *p = nullptr;
  size_t n;
  explicit device(size_t count) : n(count) { MUST(cudaMalloc(&p, n * sizeof(T))); }
  explicit device(const std::vector<T> &v) : n(v.size()) {
    MUST(cudaMalloc(&p, n * sizeof(T)));
    MUST(cudaMemcpy(p, v.data(), n * sizeof(T), cudaMemcpyHostToDevice));
  }
  device(const device &) = delete;
  ~device() { MUST(cudaFree(p)); }
  std::vector<T> get() const {
    std::vector<T> v(n);
    MUST(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
    return v;
  }
};
// The largest error, each one relative to 1 + |wanted|; infinite if anything is NaN.
struct worst {
  double e = 0;
  void see(double got, double wanted) {
    const double x = fabs(got - wanted) / (1 + fabs(wanted));
    if (!(x <= e)) e = x == x ? x : INFINITY;
  }
};

void saxpy(int n) {
  const std::vector<float> x = numbers(static_cast<size_t>(n)), y = numbers(static_cast<size_t>(n));
  device<float> dx(x), dy(y);
  MUST(sample_saxpy(nullptr, n, 0.5f, dx.p, dy.p));
  worst w;
  const std::vector<float> got = dy.get();
  for (size_t i = 0; i < got.size(); i++) w.see(got[i], 0.5 * x[i] + y[i]);
  tap_ok(w.e < 1e-6, ("saxpy of " + std::to_string(n)).c_str());
}
void sum(int n) {
  const std::vector<float> x = numbers(static_cast<size_t>(n));
  device<float> dx(x), total(1), partial(64);
  device<unsigned> counter(std::vector<unsigned>{0});
  double wanted = 0;
  for (float v : x) wanted += v;
  bool same = true;
  float first = 0;
  for (int i = 0; i < 3; i++) { // and the counter is left as it was found
    MUST(sample_sum(nullptr, n, dx.p, total.p, partial.p, counter.p));
    const float got = total.get()[0];
    if (i == 0) first = got;
    same = same && got == first && fabs(got - wanted) < 1e-4 * (1 + fabs(wanted));
  }
  tap_ok(same, ("sum of " + std::to_string(n) + ": a warp's shuffles, shared memory, the last block by fence and atomic").c_str());
}
void transpose(int rows, int cols) {
  const std::vector<float> x = numbers(static_cast<size_t>(rows * cols));
  device<float> dx(x), dy(x.size());
  MUST(sample_transpose(nullptr, rows, cols, dx.p, dy.p));
  const std::vector<float> y = dy.get();
  bool same = true;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j++)
      same = same && y[static_cast<size_t>(j * rows + i)] == x[static_cast<size_t>(i * cols + j)];
  tap_ok(same, "transpose through shared memory");
}
void softmax(int rows, int cols) {
  const std::vector<float> x = numbers(static_cast<size_t>(rows * cols));
  device<float> dx(x), dy(x.size());
  MUST(sample_softmax(nullptr, rows, cols, dx.p, dy.p));
  const std::vector<float> y = dy.get();
  worst w;
  for (int i = 0; i < rows; i++) {
    double total = 0;
    const float *r = &x[static_cast<size_t>(i * cols)];
    for (int j = 0; j < cols; j++) total += exp(static_cast<double>(r[j]));
    for (int j = 0; j < cols; j++)
      w.see(y[static_cast<size_t>(i * cols + j)], exp(static_cast<double>(r[j])) / total);
  }
  tap_ok(w.e < 1e-6, "softmax");
}
void layernorm(int rows, int h, bool bf16) {
  const size_t n = static_cast<size_t>(rows * h);
  std::vector<float> x = numbers(n), gamma = numbers(static_cast<size_t>(h)),
                     beta = numbers(static_cast<size_t>(h)), y;
  const std::vector<uint16_t> narrow = to_bf16(x);
  device<float> dx(x), dg(gamma), db(beta), dy(n), mean(static_cast<size_t>(rows)),
      rstd(static_cast<size_t>(rows));
  device<uint16_t> nx(narrow), ny(n);
  if (bf16) {
    MUST(sample_layernorm_bf16(nullptr, rows, h, nx.p, dg.p, db.p, ny.p, mean.p, rstd.p));
    for (size_t i = 0; i < n; i++) x[i] = from_bf16(narrow[i]);
    for (uint16_t b : ny.get()) y.push_back(from_bf16(b));
  } else {
    MUST(sample_layernorm(nullptr, rows, h, dx.p, dg.p, db.p, dy.p, mean.p, rstd.p));
    y = dy.get();
  }
  worst w;
  for (int i = 0; i < rows; i++) {
    const float *r = &x[static_cast<size_t>(i * h)];
    double mu = 0, var = 0;
    for (int j = 0; j < h; j++) mu += r[j] / static_cast<double>(h);
    for (int j = 0; j < h; j++) var += (r[j] - mu) * (r[j] - mu) / h;
    for (int j = 0; j < h; j++)
      w.see(y[static_cast<size_t>(i * h + j)],
            (r[j] - mu) / sqrt(var + 1e-5) * gamma[static_cast<size_t>(j)] + beta[static_cast<size_t>(j)]);
  }
  tap_ok(w.e < (bf16 ? 0.004 : 2e-6), bf16 ? "layernorm, bf16" : "layernorm, fp32");
}
void histogram(int n, int bins) {
  std::vector<int> x, wanted(static_cast<size_t>(bins));
  for (int i = 0; i < n; i++) {
    x.push_back(static_cast<int>((uniform() + 1) / 2 * static_cast<float>(bins)) % bins);
    wanted[static_cast<size_t>(x.back())]++;
  }
  device<int> dx(x), count(std::vector<int>(static_cast<size_t>(bins)));
  MUST(sample_histogram(nullptr, n, dx.p, bins, count.p));
  tap_ok(count.get() == wanted, "histogram: atomics in shared and device memory");
}
void gemm_bf16(int m, int n, int k) {
  const std::vector<uint16_t> a = to_bf16(numbers(static_cast<size_t>(m * k))),
                              b = to_bf16(numbers(static_cast<size_t>(k * n)));
  device<uint16_t> da(a), db(b);
  device<float> dc(static_cast<size_t>(m * n));
  MUST(sample_gemm_bf16(nullptr, m, n, k, da.p, db.p, dc.p));
  const std::vector<float> c = dc.get();
  worst w;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double s = 0;
      for (int p = 0; p < k; p++)
        s += static_cast<double>(from_bf16(a[static_cast<size_t>(i * k + p)])) *
             from_bf16(b[static_cast<size_t>(p * n + j)]);
      w.see(c[static_cast<size_t>(i * n + j)], s);
    }
  tap_ok(w.e < 1e-5, "matmul: cp.async, ldmatrix, mma in bf16");
#ifdef CUSIM
  tap_ok(cusimBankConflicts() == 0.0, "its swizzle leaves ldmatrix without bank conflicts");
#endif
}
void gemm_tf32(int m, int n, int k) {
  const std::vector<float> a = numbers(static_cast<size_t>(m * k)), b = numbers(static_cast<size_t>(n * k));
  device<float> da(a), db(b), dc(static_cast<size_t>(m * n));
  MUST(sample_gemm_tf32(nullptr, m, n, k, da.p, db.p, dc.p));
  const std::vector<float> c = dc.get();
  worst w;
  double rounding = 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double s = 0;
      for (int p = 0; p < k; p++)
        s += static_cast<double>(a[static_cast<size_t>(i * k + p)]) * b[static_cast<size_t>(j * k + p)];
      w.see(c[static_cast<size_t>(i * n + j)], s);
      rounding = fmax(rounding, fabs(c[static_cast<size_t>(i * n + j)] - s));
    }
  tap_ok(w.e < 2e-3 && rounding > 1e-5, "matmul: mma in tf32, with tf32's rounding");
}

void collectives() {
  device<uint32_t> out(32 * 16);
  MUST(sample_collectives(nullptr, out.p));
  const std::vector<uint32_t> got = out.get();
  bool good = true;
  auto is = [&](unsigned lane, int what, uint32_t wanted) {
    if (got[lane * 16 + static_cast<unsigned>(what)] == wanted) return;
    printf("# lane %u, %d: %x instead of %x\n", lane, what, got[lane * 16 + static_cast<unsigned>(what)],
           wanted);
    good = false;
  };
  uint32_t thirds = 0, add = 0, all_xor = 0;
  for (unsigned l = 0; l < 32; l++) thirds |= (l % 3 == 0 ? 1u : 0u) << l, add += l, all_xor ^= l * l;
  for (unsigned l = 0; l < 32; l++) {
    uint32_t fives = 0;
    for (unsigned k = 0; k < 32; k++) fives |= (k / 5 == l / 5 ? 1u : 0u) << k;
    const uint32_t half = l < 16 ? 0x0000ffffu : 0xffff0000u;
    is(l, 0, (l + 5) % 32 * 3);
    is(l, 1, l % 16 < 3 ? l : l - 3);
    is(l, 2, l % 8 >= 6 ? l : l + 2);
    is(l, 3, l ^ 7);
    is(l, 4, thirds);
    is(l, 5, l >= 16);
    is(l, 6, l >= 16);
    is(l, 7, fives);
    is(l, 8, add);
    is(l, 9, static_cast<uint32_t>(-10));
    is(l, 10, l < 16 ? 15 : 31);
    is(l, 11, all_xor);
    is(l, 12, half + 1);
    is(l, 13, 8);
    is(l, 14, 1);
    is(l, 15, 1);
  }
  tap_ok(good, "every warp collective and every form of the barrier");
}

#ifdef CUSIM // device functions called from the host
// ---- bf16 against exact arithmetic -----------------------------------------------------------------------------------
// The nearest bf16 to an exact value, ties to even, found by search among the neighbours.
uint16_t nearest(__float128 exact) {
  if (exact != exact) return 0x7fff;
  uint16_t best = __bfloat16_as_ushort(__float2bfloat16(static_cast<float>(exact)));
  auto distance = [&](uint16_t b) {
    __float128 d = static_cast<__float128>(from_bf16(b)) - exact;
    return d < 0 ? -d : d;
  };
  if ((best & 0x7f80) == 0x7f80) return best;
  for (int step : {-1, 1}) {
    const uint16_t other = static_cast<uint16_t>(best + step);
    if ((best & 0x7fff) == 0 && step < 0) continue;
    if ((other & 0x7f80) == 0x7f80) continue;
    if (distance(other) < distance(best) || (distance(other) == distance(best) && !(other & 1))) best = other;
  }
  return best;
}
uint16_t any_bf16() {
  uniform();
  return static_cast<uint16_t>(chance >> 20);
}
bool same_bits(uint16_t a, uint16_t b) { // any NaN is as good as another; the sign of a zero is not compared
  const bool nan_a = (a & 0x7fff) > 0x7f80, nan_b = (b & 0x7fff) > 0x7f80;
  return nan_a || nan_b ? nan_a == nan_b : a == b || ((a | b) & 0x7fff) == 0;
}
void bf16_arithmetic() {
  bool add = true, mul = true, fma = true;
  for (int i = 0; i < 300000; i++) {
    uint16_t x = any_bf16(), y = any_bf16(), z = any_bf16();
    if (i & 1) { // of similar size, where ties and cancellation are
      y = static_cast<uint16_t>((x & 0x7f80) + (y & 0x807f));
      z = static_cast<uint16_t>((x & 0x7f80) + (z & 0x83ff));
    }
    const __nv_bfloat16 a = __ushort_as_bfloat16(x), b = __ushort_as_bfloat16(y), c = __ushort_as_bfloat16(z);
    const __float128 fa = from_bf16(x), fb = from_bf16(y), fc = from_bf16(z);
    const bool finite = (x & 0x7f80) != 0x7f80 && (y & 0x7f80) != 0x7f80 && (z & 0x7f80) != 0x7f80;
    if (!finite) continue;
    add = add && same_bits(__bfloat16_as_ushort(__hadd(a, b)), nearest(fa + fb));
    mul = mul && same_bits(__bfloat16_as_ushort(__hmul(a, b)), nearest(fa * fb));
    const double p = fabs(static_cast<double>(from_bf16(x)) * from_bf16(y)),
                 q = fabs(static_cast<double>(from_bf16(z)));
    if (p != 0 && q != 0 && (p > q * 1e28 || q > p * 1e28)) continue; // more than the reference can hold
    const uint16_t f = __bfloat16_as_ushort(__hfma(a, b, c));
    if (!same_bits(f, nearest(fa * fb + fc)) && fma) printf("# fma %04x %04x %04x gives %04x\n", x, y, z, f);
    fma = fma && same_bits(f, nearest(fa * fb + fc));
  }
  // A tie, but for an addend too small for any floating-point type to hold the sum.
  fma = fma && __bfloat16_as_ushort(__hfma(__ushort_as_bfloat16(0x5804), __ushort_as_bfloat16(0x29d0),
                                           __ushort_as_bfloat16(0x05e6))) == 0x4257;
  fma = fma && __bfloat16_as_ushort(__hfma(__ushort_as_bfloat16(0x5804), __ushort_as_bfloat16(0x29d0),
                                           __ushort_as_bfloat16(0x85e6))) == 0x4256;
  tap_ok(add && mul, "bf16 sums and products are rounded correctly");
  tap_ok(fma, "bf16 fused multiply-add is rounded once");
  bool round = true;
  for (uint32_t u = 0; u < 0x7f800000u; u += 977) { // halfway cases too
    const float f = __uint_as_float(u), half = __uint_as_float((u & 0xffff0000u) | 0x8000u);
    round = round && __bfloat16_as_ushort(__float2bfloat16(f)) == nearest(f);
    if ((u & 0x7fff0000u) < 0x7f7f0000u)
      round = round && __bfloat16_as_ushort(__float2bfloat16(half)) == nearest(half);
  }
  round = round && __bfloat16_as_ushort(__float2bfloat16(-NAN)) == 0x7fff &&
          __bfloat16_as_ushort(__float2bfloat16(3.4e38f)) == 0x7f80;
  tap_ok(round, "float to bf16 rounds to nearest even");
}
void integer_functions() {
  bool good = __brev(1) == 0x80000000u && __brev(0x12345678u) == 0x1e6a2c48u &&
              __byte_perm(0x33221100u, 0x77665544u, 0x7250) == 0x77225500u;
  good = good && __funnelshift_l(0x80000000u, 1u, 1) == 3u && __funnelshift_r(1u, 2u, 1) == 0u &&
         __umulhi(0xffffffffu, 0xffffffffu) == 0xfffffffeu;
  good = good && __clz(1) == 31 && __clz(0) == 32 && __ffs(8) == 4 && __popcll(~0ull) == 64 &&
         __float2int_rn(2.5f) == 2 && __umul64hi(1ull << 63, 4) == 2;
  tap_ok(good, "integer intrinsics");
}
#endif

} // namespace

int main() {
  saxpy(1);
  saxpy(1000);
  sum(37);
  sum(20000);
  transpose(33, 70);
  softmax(5, 77);
  layernorm(6, 64, false);
  layernorm(3, 260, true);
  histogram(1000, 37);
  gemm_bf16(64, 128, 96);
  gemm_tf32(32, 24, 40);
  collectives();
#ifdef CUSIM
  bf16_arithmetic();
  integer_functions();
#endif
  return tap_end();
}
