// What kernels need beyond plain CUDA C++: PTX wrappers, dynamic shared memory, vector loads, conversions, warp sums.
//
// This is the only file that knows that there are two compilers: nvcc, and a C++ compiler with the CUDA simulator
// (tools/cusim, which defines CUSIM). The rules that keep kernels acceptable to both are in docs/cusim.md.
// Functions that wait for other threads end in GPU_SITE, so that the simulator can name the line of the call.
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>

#define DEVICE __device__ __forceinline__

// DYN_SMEM(float, s): the block's dynamic shared memory, 128-byte aligned, as `float *s`. Once in a kernel; carve
// several arrays out of it by hand.
#ifdef CUSIM
#define DYN_SMEM(T, name) T *name = reinterpret_cast<T *>(cusim::dynamic_shared())
#define GPU_SITE          , CUSIM_SITE
#else
#define DYN_SMEM(T, name)                                            \
  extern __shared__ __align__(128) unsigned char gpu_dynamic_smem[]; \
  T *name = reinterpret_cast<T *>(gpu_dynamic_smem)
#define GPU_SITE
#endif

typedef __nv_bfloat16 bf16;

namespace gpu {

constexpr unsigned FULL_WARP = 0xffffffffu;

DEVICE int lane_id() {
  return static_cast<int>(threadIdx.x & 31u);
} // for blocks whose x is a multiple of 32
DEVICE int warp_id() {
  return static_cast<int>(threadIdx.x >> 5);
}
__host__ DEVICE constexpr int ceil_div(int a, int b) {
  return (a + b - 1) / b;
}

// ---- element types -----------------------------------------------------------------------------------------------
DEVICE float to_float(float x) {
  return x;
}
DEVICE float to_float(bf16 x) {
  return __bfloat162float(x);
}
template <class T> DEVICE T from_float(float x);
template <> DEVICE float from_float<float>(float x) {
  return x;
}
template <> DEVICE bf16 from_float<bf16>(float x) {
  return __float2bfloat16_rn(x);
}

// Two bf16 in a register, the first one in the low half.
DEVICE uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 v = __floats2bfloat162_rn(low, high);
  return static_cast<uint32_t>(__bfloat16_as_ushort(v.y)) << 16 | __bfloat16_as_ushort(v.x);
}
DEVICE float bf16_low(uint32_t u) {
  return __uint_as_float(u << 16);
}
DEVICE float bf16_high(uint32_t u) {
  return __uint_as_float(u & 0xffff0000u);
}

// ---- four elements at once: p must be aligned to 16 bytes (float) or 8 (bf16) --------------------------------------
DEVICE void load4(float (&x)[4], const float *p) {
  const float4 v = *reinterpret_cast<const float4 *>(p);
  x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
}
DEVICE void load4(float (&x)[4], const bf16 *p) {
  const uint2 v = *reinterpret_cast<const uint2 *>(p);
  x[0] = bf16_low(v.x), x[1] = bf16_high(v.x), x[2] = bf16_low(v.y), x[3] = bf16_high(v.y);
}
DEVICE void store4(float *p, const float (&x)[4]) {
  *reinterpret_cast<float4 *>(p) = make_float4(x[0], x[1], x[2], x[3]);
}
DEVICE void store4(bf16 *p, const float (&x)[4]) {
  *reinterpret_cast<uint2 *>(p) = make_uint2(pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]));
}
// The same, to global memory: written in PTX, because of several groups in a row nvcc splits the first into single
// stores.
DEVICE void store4_global(float *p, const float (&x)[4]) {
#ifdef CUSIM
  store4(p, x);
#else
  asm volatile("st.global.v4.f32 [%0], {%1,%2,%3,%4};\n" ::"l"(__cvta_generic_to_global(p)), "f"(x[0]),
               "f"(x[1]), "f"(x[2]), "f"(x[3])
               : "memory");
#endif
}
// The same pointer, of which the compiler then knows that it is to global memory. Kernel arguments are; pointers that are
// read from memory could be to anything, which costs registers and order among accesses.
template <class T> DEVICE T *global(T *p) {
#ifndef CUSIM
  __builtin_assume(__isGlobal(p));
#endif
  return p;
}
// A flag that several threads may set at the same time, all to the same value; read after the kernel.
DEVICE void set_flag(uint8_t *p) {
  *static_cast<volatile uint8_t *>(p) = 1;
}

// ---- warps -------------------------------------------------------------------------------------------------------
// All 32 lanes must call; every lane gets the result, with the same bits in each.
DEVICE float warp_sum(float v GPU_SITE) {
#ifdef CUSIM
  return cusim::warp_butterfly(cusim::OP_WARP_SUM, v, CUSIM_HERE);
#else
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(FULL_WARP, v, o);
  return v;
#endif
}
DEVICE double warp_sum(double v GPU_SITE) {
#pragma unroll
#ifdef CUSIM
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(FULL_WARP, v, o, 32, site_file_, site_line_);
#else
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(FULL_WARP, v, o);
#endif
  return v;
}
DEVICE float warp_max(float v GPU_SITE) {
#ifdef CUSIM
  return cusim::warp_butterfly(cusim::OP_WARP_MAX, v, CUSIM_HERE);
#else
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) v = fmaxf(v, __shfl_xor_sync(FULL_WARP, v, o));
  return v;
#endif
}

// ---- approximate functions -----------------------------------------------------------------------------------------
DEVICE float exp2_approx(float x) { // 2^x, within 2 ulp; subnormal results are 0
#ifdef CUSIM
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}
DEVICE float tanh_approx(float x) { // within 2^-11, relative
#ifdef CUSIM
  return tanhf(x);
#else
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// ---- asynchronous copies, global to shared -------------------------------------------------------------------------
// 16 bytes, both addresses 16-byte aligned. With `valid` false the destination is filled with zeros and src is not
// read (but must be a device pointer). Then: commit, wait, and a barrier before other threads read.
DEVICE void cp_async16(void *dst, const void *src, bool valid GPU_SITE) {
#ifdef CUSIM
  cusim::cp_async(dst, src, 16, valid ? 16 : 0, CUSIM_HERE);
#else
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(dst));
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(src), "r"(bytes) : "memory");
#endif
}
DEVICE void cp_async4(void *dst, const void *src, bool valid GPU_SITE) { // 4 bytes, 4-byte aligned
#ifdef CUSIM
  cusim::cp_async(dst, src, 4, valid ? 4 : 0, CUSIM_HERE);
#else
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(dst));
  const int bytes = valid ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(to), "l"(src), "r"(bytes) : "memory");
#endif
}
DEVICE void cp_async_commit() {
#ifdef CUSIM
  cusim::cp_async_commit();
#else
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}
template <int N>
DEVICE void cp_async_wait() { // waits until at most the N latest groups of this thread are in flight
#ifdef CUSIM
  cusim::cp_async_wait(N);
#else
  asm volatile("cp.async.wait_group %0;\n" ::"n"(N) : "memory");
#endif
}

// ---- tensor cores --------------------------------------------------------------------------------------------------
// All 32 lanes must call. Fragment layouts, lane = 4 * g + t: see tools/cusim/src/tensor.cpp.

// r[i] is the lane's part of the i-th 8x8 matrix of b16; lanes 8i..8i+7 give the addresses of its rows in shared
// memory, each 16-byte aligned.
DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void *row GPU_SITE) {
#ifdef CUSIM
  cusim::ldmatrix(r, row, 4, false, CUSIM_HERE);
#else
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
#endif
}
DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void *row GPU_SITE) {
#ifdef CUSIM
  cusim::ldmatrix(r, row, 4, true, CUSIM_HERE);
#else
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
#endif
}
DEVICE void ldmatrix_x2(uint32_t (&r)[2], const void *row GPU_SITE) {
#ifdef CUSIM
  cusim::ldmatrix(r, row, 2, false, CUSIM_HERE);
#else
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(at)
               : "memory");
#endif
}
DEVICE void ldmatrix_x2_trans(uint32_t (&r)[2], const void *row GPU_SITE) {
#ifdef CUSIM
  cusim::ldmatrix(r, row, 2, true, CUSIM_HERE);
#else
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(at)
               : "memory");
#endif
}
// d += a b: a 16x16 row-major, b 16x8 column-major, bf16; d 16x8 fp32.
DEVICE void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1 GPU_SITE) {
#ifdef CUSIM
  const uint32_t b[2] = {b0, b1};
  cusim::mma(cusim::OP_MMA_BF16, d, a, b, CUSIM_HERE);
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
               "{%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}
// d += a b: a 16x8 row-major, b 8x8 column-major, tf32 (of which the unit ignores the low 13 bits); d 16x8 fp32.
DEVICE void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1 GPU_SITE) {
#ifdef CUSIM
  const uint32_t b[2] = {b0, b1};
  cusim::mma(cusim::OP_MMA_TF32, d, a, b, CUSIM_HERE);
#else
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
               "{%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}
DEVICE uint32_t to_tf32(float x) { // rounded to nearest, ties away from zero
#ifdef CUSIM
  const uint32_t u = __float_as_uint(x);
  return (u & 0x7f800000u) == 0x7f800000u ? u & 0xffffe000u : (u + 0x1000u) & 0xffffe000u;
#else
  uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#endif
}

} // namespace gpu
