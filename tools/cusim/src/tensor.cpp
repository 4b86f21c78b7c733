// What goes beyond plain C++ in device code: tensor cores, ldmatrix, cp.async, atomics, fences.
#include "cusim.h"
#include "cuda_bf16.h"
#include <stdlib.h>
#include <string.h>

namespace cusim {

// ---- tensor cores ------------------------------------------------------------------------------------------------
// Fragment layouts of PTX, lane = 4 * g + t. Element (row, column) of each matrix:
//   m16n8k16, bf16, two elements a register:
//     A a0: (g, 2t..2t+1)  a1: (g+8, 2t..)  a2: (g, 2t+8..)  a3: (g+8, 2t+8..)
//     B b0: (2t..2t+1, g)  b1: (2t+8.., g)
//   m16n8k8, tf32, one element a register:
//     A a0: (g, t)  a1: (g+8, t)  a2: (g, t+4)  a3: (g+8, t+4)
//     B b0: (t, g)  b1: (t+4, g)
//   C and D of both, fp32: c0, c1: (g, 2t..2t+1)  c2, c3: (g+8, 2t..2t+1)
// Matmuls are exact and summed in fp32, k ascending in two chains; the hardware's order is not documented.
typedef float v8 __attribute__((vector_size(32)));

template <int K> static inline void multiply(const float (*A)[K], const float (*B)[8], float (*D)[8]) {
  v8 b[K];
  memcpy(b, B, sizeof b);
  for (int i = 0; i < 16; i += 2) {
    v8 c0, c1, e0 = {}, e1 = {};
    memcpy(&c0, D[i], 32);
    memcpy(&c1, D[i + 1], 32);
    for (int k = 0; k < K; k += 2) {
      c0 += A[i][k] * b[k], c1 += A[i + 1][k] * b[k];
      e0 += A[i][k + 1] * b[k + 1], e1 += A[i + 1][k + 1] * b[k + 1];
    }
    c0 += e0, c1 += e1;
    memcpy(D[i], &c0, 32);
    memcpy(D[i + 1], &c1, 32);
  }
}
static inline float low_half(uint32_t u) {
  return __uint_as_float(u << 16);
}
static inline float high_half(uint32_t u) {
  return __uint_as_float(u & 0xffff0000u);
}
static inline float tf32(uint32_t u) {
  return __uint_as_float(u & 0xffffe000u);
} // the tensor core does not look at the lower 13 bits

static inline mma_request *fragment(warp_state *w, int g, int t) {
  return static_cast<mma_request *>(w->arguments[4 * g + t]);
}
static inline void load_c(warp_state *w, float (*D)[8]) {
  for (int g = 0; g < 8; g++)
    for (int t = 0; t < 4; t++) {
      memcpy(&D[g][2 * t], fragment(w, g, t)->d, 8);
      memcpy(&D[g + 8][2 * t], fragment(w, g, t)->d + 2, 8);
    }
}
static inline void store_d(warp_state *w, float (*D)[8]) {
  for (int g = 0; g < 8; g++)
    for (int t = 0; t < 4; t++) {
      memcpy(fragment(w, g, t)->d, &D[g][2 * t], 8);
      memcpy(fragment(w, g, t)->d + 2, &D[g + 8][2 * t], 8);
    }
}
static void complete_mma_bf16(warp_state *w) {
  alignas(32) float A[16][16], B[16][8], D[16][8];
  for (int g = 0; g < 8; g++)
    for (int t = 0; t < 4; t++) {
      const mma_request *f = fragment(w, g, t);
      for (int i = 0; i < 4; i++) {
        float *a = &A[g + (i & 1) * 8][2 * t + (i >> 1) * 8];
        a[0] = low_half(f->a[i]), a[1] = high_half(f->a[i]);
      }
      for (int i = 0; i < 2; i++)
        B[2 * t + 8 * i][g] = low_half(f->b[i]), B[2 * t + 8 * i + 1][g] = high_half(f->b[i]);
    }
  load_c(w, D);
  multiply<16>(A, B, D);
  store_d(w, D);
}
static void complete_mma_tf32(warp_state *w) {
  alignas(32) float A[16][8], B[8][8], D[16][8];
  for (int g = 0; g < 8; g++)
    for (int t = 0; t < 4; t++) {
      const mma_request *f = fragment(w, g, t);
      for (int i = 0; i < 4; i++) A[g + (i & 1) * 8][t + (i >> 1) * 4] = tf32(f->a[i]);
      for (int i = 0; i < 2; i++) B[t + 4 * i][g] = tf32(f->b[i]);
    }
  load_c(w, D);
  multiply<8>(A, B, D);
  store_d(w, D);
}

// Lanes 8i..8i+7 hold the addresses of the rows of matrix i; register i of lane l gets elements (l / 4, 2 (l % 4))
// and the next one of matrix i, or of its transpose.
static void complete_ldmatrix(warp_state *w) {
  const int count = static_cast<ldmatrix_request *>(w->arguments[0])->count;
  const bool transposed = static_cast<ldmatrix_request *>(w->arguments[0])->transposed;
  for (int i = 0; i < count; i++) {
    alignas(16) uint16_t m[8][8], x[8][8];
    unsigned banks = 0; // the eight rows are read at once if they lie in different groups of four banks
    for (int k = 0; k < 8; k++) {
      const void *row = static_cast<ldmatrix_request *>(w->arguments[8 * i + k])->row;
      memcpy(m[k], row, 16);
      banks |= 1u << (reinterpret_cast<uintptr_t>(row) >> 4 & 7);
    }
    S->matrices++;
    S->bank_conflicts += 8u - static_cast<unsigned>(__builtin_popcount(banks));
    if (transposed)
      for (int a = 0; a < 8; a++)
        for (int b = 0; b < 8; b++) x[b][a] = m[a][b];
    const uint16_t(*from)[8] = transposed ? x : m;
    for (int l = 0; l < WARP; l++)
      memcpy(&static_cast<ldmatrix_request *>(w->arguments[l])->r[i], &from[l >> 2][(l & 3) * 2], 4);
  }
}
void complete_tensor(warp_state *w, int op) {
  if (op == OP_MMA_BF16)
    complete_mma_bf16(w);
  else if (op == OP_MMA_TF32)
    complete_mma_tf32(w);
  else
    complete_ldmatrix(w);
}

void ldmatrix_check(const void *row, int count, site at) {
  if (static_cast<int>(t_current->lane) >= 8 * count) return; // this lane's address is not used
  const runtime_scope scope;
  if (reinterpret_cast<uintptr_t>(row) & 15)
    fail(cudaErrorMisalignedAddress, "ldmatrix at %s: row address %p is not 16-byte aligned",
         place(at).c_str(), row);
  if (!in_shared(row, 16))
    fail(cudaErrorIllegalAddress, "ldmatrix at %s: row address %p is not in this block's shared memory",
         place(at).c_str(), row);
  if (race) race->access(row, 16, READ, pc_offset(__builtin_return_address(0)));
#if CUSIM_ASAN
  if (__asan_region_is_poisoned(const_cast<void *>(row), 16))
    fail(cudaErrorIllegalAddress, "ldmatrix at %s: row address %p is outside its array", place(at).c_str(),
         row);
#endif
}

// ---- cp.async ----------------------------------------------------------------------------------------------------
static void copy_land(const cp_copy &c) {
  memcpy(c.dst, c.src, static_cast<size_t>(c.src_bytes));
  memset(static_cast<char *>(c.dst) + c.src_bytes, 0, static_cast<size_t>(c.bytes - c.src_bytes));
}
void cp_async(void *dst, const void *src, int bytes, int src_bytes, site at) {
  thread_state *t = t_current;
  const runtime_scope scope;
  const uint32_t pc = pc_offset(__builtin_return_address(0));
  const size_t n = static_cast<size_t>(bytes), m = static_cast<size_t>(src_bytes);
  if ((reinterpret_cast<uintptr_t>(dst) | (m ? reinterpret_cast<uintptr_t>(src) : 0)) & (n - 1))
    fail(cudaErrorMisalignedAddress, "cp.async at %s: addresses %p <- %p are not %d-byte aligned",
         place(at).c_str(), dst, src, bytes);
  if (!in_shared(dst, n))
    fail(cudaErrorIllegalAddress, "cp.async at %s: destination %p is not in this block's shared memory",
         place(at).c_str(), dst);
  if (m && !device_range(src, m))
    fail(cudaErrorIllegalAddress, "cp.async at %s: out-of-bounds read of %d bytes at %p, %s",
         place(at).c_str(), src_bytes, src, describe(src).c_str());
#if CUSIM_ASAN
  if (__asan_region_is_poisoned(dst, n))
    fail(cudaErrorIllegalAddress, "cp.async at %s: destination %p is outside its array", place(at).c_str(),
         dst);
#endif
  if (race) {
    if (m) race->access(src, m, READ, pc);
    race->access(dst, n, WRITE | CP_ISSUE, pc);
  }
  cp_copy c = {dst, src, bytes, src_bytes, t->cp_group, false, pc};
  const cp_async_kind kind = config().cp_async;
  c.done = kind == CP_EARLY || (kind == CP_RANDOM && (random_next(S->chance) >> 40 & 1));
  if (c.done)
    copy_land(c);
  else
    memset(dst, 0xff, n); // NaN until the wait
  if (t->cp_count == t->cp_capacity) {
    t->cp_capacity = t->cp_capacity ? 2 * t->cp_capacity : 32;
    t->copies = static_cast<cp_copy *>(
        realloc(static_cast<void *>(t->copies), static_cast<size_t>(t->cp_capacity) * sizeof *t->copies));
    if (!t->copies) abort();
  }
  t->copies[t->cp_count++] = c;
}
void cp_async_commit() {
  t_current->cp_group++;
}
void cp_async_wait(int groups) {
  thread_state *t = t_current;
  const runtime_scope scope;
  int kept = 0;
  for (int i = 0; i < t->cp_count; i++) {
    const cp_copy c = t->copies[i];
    if (groups >= 0 && c.group >= t->cp_group - groups) {
      t->copies[kept++] = c;
      continue;
    }
    if (!c.done) copy_land(c);
    if (race) race->access(c.dst, static_cast<size_t>(c.bytes), WRITE | CP_LAND, c.pc);
  }
  t->cp_count = kept;
}
// At a thread's end copies that nobody waited for still land; those of an abandoned block do not.
void copies_drop(thread_state *t, bool land) {
  for (int i = 0; land && i < t->cp_count; i++)
    if (!t->copies[i].done) copy_land(t->copies[i]);
  t->cp_count = 0;
}

// ---- atomics and fences --------------------------------------------------------------------------------------------
template <class T> static T combine(atomic_op op, T old, T v) {
  switch (op) {
  case ATOMIC_ADD:
    return old + v;
  case ATOMIC_MIN:
    return v < old ? v : old;
  case ATOMIC_MAX:
    return old < v ? v : old;
  default:
    return v;
  }
}
template <class T> static T combine_bits(atomic_op op, T old, T v) {
  switch (op) {
  case ATOMIC_ADD: { // wraps
    unsigned long long r = static_cast<unsigned long long>(old) + static_cast<unsigned long long>(v);
    return static_cast<T>(r);
  }
  case ATOMIC_AND:
    return old & v;
  case ATOMIC_OR:
    return old | v;
  case ATOMIC_XOR:
    return old ^ v;
  case ATOMIC_INC:
    return old >= v ? T(0) : static_cast<T>(old + 1);
  case ATOMIC_DEC:
    return old == 0 || old > v ? v : static_cast<T>(old - 1);
  default:
    return combine(op, old, v);
  }
}
static __nv_bfloat16 combine_bits(atomic_op, __nv_bfloat16 old, __nv_bfloat16 v) {
  return __hadd(old, v);
}
static __nv_bfloat162 combine_bits(atomic_op, __nv_bfloat162 old, __nv_bfloat162 v) {
  return __hadd2(old, v);
}
static float combine_bits(atomic_op op, float old, float v) {
  return combine(op, old, v);
}
static double combine_bits(atomic_op op, double old, double v) {
  return combine(op, old, v);
}

static void atomic_check(const void *p, size_t bytes, site at, uint32_t pc) {
  if (reinterpret_cast<uintptr_t>(p) & (bytes - 1))
    fail(cudaErrorMisalignedAddress, "atomic at %s: address %p is not %zu-byte aligned", place(at).c_str(), p,
         bytes);
#if CUSIM_ASAN
  if (__asan_region_is_poisoned(const_cast<void *>(p), bytes))
    fail(cudaErrorIllegalAddress, "atomic at %s: out-of-bounds access at %p, %s", place(at).c_str(), p,
         describe(p).c_str());
#endif
  if (race) race->access(p, bytes, READ | WRITE | ATOMIC, pc);
}
template <class T, class U, class F> static inline T update(T *p, F f) { // U: an integer of the same size
  U *q = reinterpret_cast<U *>(p), old = __atomic_load_n(q, __ATOMIC_RELAXED), wanted;
  T value;
  do {
    memcpy(&value, &old, sizeof value);
    const T next = f(value);
    memcpy(&wanted, &next, sizeof wanted);
  } while (!__atomic_compare_exchange_n(q, &old, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  return value;
}
#define CUSIM_DEFINE_ATOMIC(T, U)                                            \
  T atomic(atomic_op op, T *p, T v, site at) {                               \
    const runtime_scope scope;                                               \
    atomic_check(p, sizeof(T), at, pc_offset(__builtin_return_address(0)));  \
    return update<T, U>(p, [&](T old) { return combine_bits(op, old, v); }); \
  }
CUSIM_DEFINE_ATOMIC(int, uint32_t)
CUSIM_DEFINE_ATOMIC(unsigned, uint32_t)
CUSIM_DEFINE_ATOMIC(unsigned long long, uint64_t)
CUSIM_DEFINE_ATOMIC(long long, uint64_t)
CUSIM_DEFINE_ATOMIC(float, uint32_t)
CUSIM_DEFINE_ATOMIC(double, uint64_t)
CUSIM_DEFINE_ATOMIC(__nv_bfloat16, uint16_t)
CUSIM_DEFINE_ATOMIC(__nv_bfloat162, uint32_t)
#define CUSIM_DEFINE_CAS(T)                                                                 \
  T atomic_cas(T *p, T compare, T v, site at) {                                             \
    const runtime_scope scope;                                                              \
    atomic_check(p, sizeof(T), at, pc_offset(__builtin_return_address(0)));                 \
    __atomic_compare_exchange_n(p, &compare, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    return compare;                                                                         \
  }
CUSIM_DEFINE_CAS(int)
CUSIM_DEFINE_CAS(unsigned)
CUSIM_DEFINE_CAS(unsigned long long)

void fence(bool device_wide) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (race) {
    const runtime_scope scope;
    race->fence(device_wide);
  }
}

} // namespace cusim
