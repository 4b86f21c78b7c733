// cusim: bfloat16. Arithmetic rounds once, to nearest even, as on the GPU.
//
// The types are aggregates without constructors: GCC guards static arrays of types that have some, which costs
// time and looks like a race. So there is no implicit conversion; kernels use the intrinsics (which is better
// style with the toolkit's type as well, where a conversion is easily overlooked).
#pragma once
#include "cuda_runtime.h"

struct __nv_bfloat16_raw {
  unsigned short x;
};
struct alignas(2) __nv_bfloat16 {
  unsigned short __x;
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

namespace cusim {
inline unsigned short bf16_bits(float f) { // nearest even; every NaN becomes 0x7fff
  const unsigned u = __float_as_uint(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return static_cast<unsigned short>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
inline float bf16_float(unsigned short b) {
  return __uint_as_float(static_cast<unsigned>(b) << 16);
}
// a * b + c with one rounding. The product of two bf16 is exact in a double; the sum is rounded to odd there,
// so that the final rounding to 8 bits sees on which side of a tie the exact value lies.
inline unsigned short bf16_fma(float a, float b, float c) {
  const double p = static_cast<double>(a) * b, s = p + c;
  const double t = s - p, err = (p - (s - t)) + (c - t);
  long long bits = __double_as_longlong(s);
  if (err != 0.0 && s - s == 0.0 && !(bits & 1))
    bits += (err > 0.0) == (s > 0.0) ? 1 : -1; // inexact and even: to odd
  const double odd = __longlong_as_double(bits);
  // Through float, again to odd: the float keeps 24 bits, more than twice the 8 of the result.
  float f = static_cast<float>(odd);
  unsigned u = __float_as_uint(f);
  if (f - f == 0.0f && static_cast<double>(f) != odd && !(u & 1u)) {
    const bool up = (static_cast<double>(f) < odd) == (f > 0.0f || (f == 0.0f && odd > 0.0));
    u += up ? 1u : ~0u;
  }
  return bf16_bits(__uint_as_float(u));
}
CUSIM_DECLARE(__nv_bfloat16)
CUSIM_DECLARE(__nv_bfloat162)
} // namespace cusim

inline float __bfloat162float(__nv_bfloat16 a) {
  return cusim::bf16_float(a.__x);
}
inline __nv_bfloat16 __float2bfloat16(float f) {
  return {cusim::bf16_bits(f)};
}
inline __nv_bfloat16 __float2bfloat16_rn(float f) {
  return {cusim::bf16_bits(f)};
}
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
  return {__float2bfloat16(a), __float2bfloat16(b)};
}
inline __nv_bfloat162 __float22bfloat162_rn(float2 a) {
  return __floats2bfloat162_rn(a.x, a.y);
}
inline __nv_bfloat162 __float2bfloat162_rn(float a) {
  return __floats2bfloat162_rn(a, a);
}
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) {
  return {a, b};
}
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) {
  return {a, a};
}
inline float2 __bfloat1622float2(__nv_bfloat162 a) {
  return make_float2(__bfloat162float(a.x), __bfloat162float(a.y));
}
inline float __low2float(__nv_bfloat162 a) {
  return __bfloat162float(a.x);
}
inline float __high2float(__nv_bfloat162 a) {
  return __bfloat162float(a.y);
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) {
  return {u};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 b) {
  return b.__x;
}

// A sum, product or quotient rounded to float and then to bf16 is rounded correctly: 24 >= 2 * 8 + 2.
inline __nv_bfloat16 __hadd(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __float2bfloat16(__fadd_rn(__bfloat162float(a), __bfloat162float(b)));
}
inline __nv_bfloat16 __hsub(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __float2bfloat16(__fsub_rn(__bfloat162float(a), __bfloat162float(b)));
}
inline __nv_bfloat16 __hmul(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __float2bfloat16(__fmul_rn(__bfloat162float(a), __bfloat162float(b)));
}
inline __nv_bfloat16 __hdiv(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __float2bfloat16(__fdiv_rn(__bfloat162float(a), __bfloat162float(b)));
}
inline __nv_bfloat16 __hfma(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c) {
  return {cusim::bf16_fma(__bfloat162float(a), __bfloat162float(b), __bfloat162float(c))};
}
inline __nv_bfloat16 __hneg(__nv_bfloat16 a) {
  return {static_cast<unsigned short>(a.__x ^ 0x8000u)};
}
inline __nv_bfloat16 __habs(__nv_bfloat16 a) {
  return {static_cast<unsigned short>(a.__x & 0x7fffu)};
}
inline bool __hisnan(__nv_bfloat16 a) {
  return (a.__x & 0x7fffu) > 0x7f80u;
}
inline bool __hlt(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __bfloat162float(a) < __bfloat162float(b);
}
inline bool __hgt(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __bfloat162float(a) > __bfloat162float(b);
}
inline bool __heq(__nv_bfloat16 a, __nv_bfloat16 b) {
  return __bfloat162float(a) == __bfloat162float(b);
}
#define CUSIM_BF162(name, f)                                       \
  inline __nv_bfloat162 name(__nv_bfloat162 a, __nv_bfloat162 b) { \
    return {f(a.x, b.x), f(a.y, b.y)};                             \
  }
CUSIM_BF162(__hadd2, __hadd)
CUSIM_BF162(__hsub2, __hsub)
CUSIM_BF162(__hmul2, __hmul)
inline __nv_bfloat162 __hfma2(__nv_bfloat162 a, __nv_bfloat162 b, __nv_bfloat162 c) {
  return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};
}
CUSIM_ATOMIC(atomicAdd, ATOMIC_ADD, __nv_bfloat16)
CUSIM_ATOMIC(atomicAdd, ATOMIC_ADD, __nv_bfloat162)
