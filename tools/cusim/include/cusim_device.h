// cusim: what device code calls. Barriers and warp collectives, atomics, fences, cp.async, tensor cores,
// intrinsics. Included by cuda_runtime.h.
//
// A thread that meets a barrier or a collective fills in a request on its own stack and calls cusim_call(),
// which comes back when everyone named in the request has arrived. Call sites travel as two plain default
// arguments: inside a braced default argument GCC would give the line of this header.
#pragma once

#define CUSIM_SITE const char *site_file_ = __builtin_FILE(), int site_line_ = __builtin_LINE()
#define CUSIM_HERE         \
  cusim::site {            \
    site_file_, site_line_ \
  }

namespace cusim {

// X(enumerator, name in reports). Barriers of the block come first.
#define CUSIM_OPS(X)                         \
  X(OP_BARRIER, "__syncthreads")             \
  X(OP_BARRIER_OR, "__syncthreads_or")       \
  X(OP_BARRIER_AND, "__syncthreads_and")     \
  X(OP_BARRIER_COUNT, "__syncthreads_count") \
  X(OP_SYNCWARP, "__syncwarp")               \
  X(OP_SHFL, "__shfl*_sync")                 \
  X(OP_BALLOT, "__ballot_sync")              \
  X(OP_ANY, "__any_sync")                    \
  X(OP_ALL, "__all_sync")                    \
  X(OP_MATCH_ANY, "__match_any_sync")        \
  X(OP_MATCH_ALL, "__match_all_sync")        \
  X(OP_REDUCE_ADD, "__reduce_add_sync")      \
  X(OP_REDUCE_MIN, "__reduce_min_sync")      \
  X(OP_REDUCE_MAX, "__reduce_max_sync")      \
  X(OP_REDUCE_MIN_S, "__reduce_min_sync")    \
  X(OP_REDUCE_MAX_S, "__reduce_max_sync")    \
  X(OP_REDUCE_AND, "__reduce_and_sync")      \
  X(OP_REDUCE_OR, "__reduce_or_sync")        \
  X(OP_REDUCE_XOR, "__reduce_xor_sync")      \
  X(OP_WARP_SUM, "warp_sum")                 \
  X(OP_WARP_MAX, "warp_max")                 \
  X(OP_MMA_BF16, "mma.m16n8k16 (bf16)")      \
  X(OP_MMA_TF32, "mma.m16n8k8 (tf32)")       \
  X(OP_LDMATRIX, "ldmatrix")
enum op {
#define CUSIM_ENUM(name, text) name,
  CUSIM_OPS(CUSIM_ENUM)
#undef CUSIM_ENUM
};

struct request {
  int op;
  unsigned mask; // lanes that take part; not used by barriers of the block
  site at;
};
struct barrier_request : request {
  int predicate, result;
};
struct shfl_request : request {
  uint64_t value;
  int source; // lane
};
struct reduce_request : request {
  uint64_t value;
  unsigned result;
};
struct mma_request : request {
  float *d;
  const uint32_t *a, *b;
};
struct ldmatrix_request : request {
  uint32_t *r;
  const void *row;
  int count;
  bool transposed;
};

extern "C" void cusim_call(request *r);
#if defined(__SANITIZE_ADDRESS__)
void call(request *r); // tells AddressSanitizer of the change of stacks
#else
CUSIM_INLINE void call(request *r) {
  cusim_call(r);
}
#endif

CUSIM_INLINE int barrier(int op, int predicate, site at) {
  barrier_request r;
  r.op = op, r.mask = 0, r.at = at, r.predicate = predicate, r.result = 0;
  call(&r);
  return r.result;
}
CUSIM_INLINE void syncwarp(unsigned mask, site at) {
  request r;
  r.op = OP_SYNCWARP, r.mask = mask, r.at = at;
  call(&r);
}
inline unsigned lane_id() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31u;
}

enum shfl_mode { SHFL_IDX, SHFL_UP, SHFL_DOWN, SHFL_XOR };
// The lane that `lane` reads from, in segments of `width` lanes.
CUSIM_INLINE int shfl_source(int mode, int lane, int x, int width) {
  const int first = lane & ~(width - 1), end = first + width;
  int s = lane;
  if (mode == SHFL_IDX)
    s = first + (x & (width - 1));
  else if (mode == SHFL_UP)
    s = lane - x < first ? lane : lane - x;
  else if (mode == SHFL_DOWN)
    s = lane + x >= end ? lane : lane + x;
  else
    s = (lane ^ x) >= end ? lane : lane ^ x;
  return s;
}
template <class T> CUSIM_INLINE T shfl(int mode, unsigned mask, T v, int x, int width, site at) {
  static_assert(std::is_trivially_copyable<T>::value && sizeof(T) <= 8, "shuffles move up to 8 bytes");
  shfl_request r;
  r.op = OP_SHFL, r.mask = mask, r.at = at, r.value = 0;
  r.source = shfl_source(mode, static_cast<int>(lane_id()), x, width);
  memcpy(&r.value, &v, sizeof v);
  call(&r);
  memcpy(&v, &r.value, sizeof v);
  return v;
}
CUSIM_INLINE unsigned reduce(int op, unsigned mask, uint64_t value, site at) {
  reduce_request r;
  r.op = op, r.mask = mask, r.at = at, r.value = value, r.result = 0;
  call(&r);
  return r.result;
}
unsigned activemask();

// A whole warp's sum or maximum in one meeting instead of five; the bits are those of the shuffle tree
// 16, 8, 4, 2, 1.
inline float warp_butterfly(int op, float v, site at) {
  unsigned u;
  memcpy(&u, &v, 4);
  u = reduce(op, ~0u, u, at);
  memcpy(&v, &u, 4);
  return v;
}

CUSIM_INLINE void mma(int op, float *d, const uint32_t *a, const uint32_t *b, site at) {
  mma_request r;
  r.op = op, r.mask = ~0u, r.at = at, r.d = d, r.a = a, r.b = b;
  call(&r);
}
void ldmatrix_check(const void *row, int count, site at);
CUSIM_INLINE void ldmatrix(uint32_t *out, const void *row, int count, bool transposed, site at) {
  ldmatrix_check(row, count, at);
  ldmatrix_request r;
  r.op = OP_LDMATRIX, r.mask = ~0u, r.at = at, r.r = out, r.row = row, r.count = count,
  r.transposed = transposed;
  call(&r);
}
// Copies src_bytes and zeroes the rest of `bytes`.
void cp_async(void *dst, const void *src, int bytes, int src_bytes, site at);
void cp_async_commit();
void cp_async_wait(int groups); // leaves that many of the latest groups in flight; -1: waits for all copies

unsigned char *dynamic_shared();
void fence(bool device_wide);
[[noreturn]] void device_trap(const char *what, site at);

enum atomic_op {
  ATOMIC_ADD,
  ATOMIC_MIN,
  ATOMIC_MAX,
  ATOMIC_EXCH,
  ATOMIC_AND,
  ATOMIC_OR,
  ATOMIC_XOR,
  ATOMIC_INC,
  ATOMIC_DEC
};
#define CUSIM_ATOMIC_TYPES(X) X(int) X(unsigned) X(long long) X(unsigned long long) X(float) X(double)
#define CUSIM_DECLARE(T)      T atomic(atomic_op op, T *p, T v, site at);
CUSIM_ATOMIC_TYPES(CUSIM_DECLARE)
int atomic_cas(int *p, int compare, int v, site at);
unsigned atomic_cas(unsigned *p, unsigned compare, unsigned v, site at);
unsigned long long atomic_cas(unsigned long long *p, unsigned long long compare, unsigned long long v,
                              site at);

} // namespace cusim

// ---- synchronisation and warp collectives ----------------------------------------------------------------------
inline void __syncthreads(CUSIM_SITE) {
  cusim::barrier(cusim::OP_BARRIER, 0, CUSIM_HERE);
}
inline int __syncthreads_or(int p, CUSIM_SITE) {
  return cusim::barrier(cusim::OP_BARRIER_OR, p, CUSIM_HERE);
}
inline int __syncthreads_and(int p, CUSIM_SITE) {
  return cusim::barrier(cusim::OP_BARRIER_AND, p, CUSIM_HERE);
}
inline int __syncthreads_count(int p, CUSIM_SITE) {
  return cusim::barrier(cusim::OP_BARRIER_COUNT, p, CUSIM_HERE);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, CUSIM_SITE) {
  cusim::syncwarp(mask, CUSIM_HERE);
}
inline void __threadfence() {
  cusim::fence(true);
}
inline void __threadfence_system() {
  cusim::fence(true);
}
inline void __threadfence_block() {
  cusim::fence(false);
}

template <class T> inline T __shfl_sync(unsigned mask, T v, int lane, int width = 32, CUSIM_SITE) {
  return cusim::shfl(cusim::SHFL_IDX, mask, v, lane, width, CUSIM_HERE);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, CUSIM_SITE) {
  return cusim::shfl(cusim::SHFL_UP, mask, v, static_cast<int>(delta), width, CUSIM_HERE);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, CUSIM_SITE) {
  return cusim::shfl(cusim::SHFL_DOWN, mask, v, static_cast<int>(delta), width, CUSIM_HERE);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T v, int lane_mask, int width = 32, CUSIM_SITE) {
  return cusim::shfl(cusim::SHFL_XOR, mask, v, lane_mask, width, CUSIM_HERE);
}
inline unsigned __activemask() {
  return cusim::activemask();
}
inline unsigned __ballot_sync(unsigned mask, int p, CUSIM_SITE) {
  return cusim::reduce(cusim::OP_BALLOT, mask, p != 0, CUSIM_HERE);
}
inline int __any_sync(unsigned mask, int p, CUSIM_SITE) {
  return static_cast<int>(cusim::reduce(cusim::OP_ANY, mask, p != 0, CUSIM_HERE));
}
inline int __all_sync(unsigned mask, int p, CUSIM_SITE) {
  return static_cast<int>(cusim::reduce(cusim::OP_ALL, mask, p != 0, CUSIM_HERE));
}
template <class T> inline unsigned __match_any_sync(unsigned mask, T v, CUSIM_SITE) {
  uint64_t u = 0;
  memcpy(&u, &v, sizeof v);
  return cusim::reduce(cusim::OP_MATCH_ANY, mask, u, CUSIM_HERE);
}
template <class T> inline unsigned __match_all_sync(unsigned mask, T v, int *predicate, CUSIM_SITE) {
  uint64_t u = 0;
  memcpy(&u, &v, sizeof v);
  const unsigned all = cusim::reduce(cusim::OP_MATCH_ALL, mask, u, CUSIM_HERE);
  *predicate = all != 0;
  return all;
}
#define CUSIM_REDUCE(name, op, type)                                                                \
  inline type name(unsigned mask, type v, CUSIM_SITE) {                                             \
    return static_cast<type>(cusim::reduce(cusim::op, mask, static_cast<unsigned>(v), CUSIM_HERE)); \
  }
CUSIM_REDUCE(__reduce_add_sync, OP_REDUCE_ADD, unsigned)
CUSIM_REDUCE(__reduce_add_sync, OP_REDUCE_ADD, int)
CUSIM_REDUCE(__reduce_min_sync, OP_REDUCE_MIN, unsigned)
CUSIM_REDUCE(__reduce_min_sync, OP_REDUCE_MIN_S, int)
CUSIM_REDUCE(__reduce_max_sync, OP_REDUCE_MAX, unsigned)
CUSIM_REDUCE(__reduce_max_sync, OP_REDUCE_MAX_S, int)
CUSIM_REDUCE(__reduce_and_sync, OP_REDUCE_AND, unsigned)
CUSIM_REDUCE(__reduce_or_sync, OP_REDUCE_OR, unsigned)
CUSIM_REDUCE(__reduce_xor_sync, OP_REDUCE_XOR, unsigned)

// ---- atomics: the overloads that CUDA has, so that what compiles here compiles there ------------------------------
#define CUSIM_ATOMIC(name, op, T)                      \
  inline T name(T *p, T v, CUSIM_SITE) {               \
    return cusim::atomic(cusim::op, p, v, CUSIM_HERE); \
  }
#define CUSIM_ATOMIC_INTS(name, op) \
  CUSIM_ATOMIC(name, op, int)       \
  CUSIM_ATOMIC(name, op, unsigned)  \
  CUSIM_ATOMIC(name, op, unsigned long long)
CUSIM_ATOMIC_INTS(atomicAdd, ATOMIC_ADD)
CUSIM_ATOMIC(atomicAdd, ATOMIC_ADD, float)
CUSIM_ATOMIC(atomicAdd, ATOMIC_ADD, double)
CUSIM_ATOMIC_INTS(atomicExch, ATOMIC_EXCH)
CUSIM_ATOMIC(atomicExch, ATOMIC_EXCH, float)
CUSIM_ATOMIC_INTS(atomicAnd, ATOMIC_AND)
CUSIM_ATOMIC_INTS(atomicOr, ATOMIC_OR)
CUSIM_ATOMIC_INTS(atomicXor, ATOMIC_XOR)
CUSIM_ATOMIC_INTS(atomicMin, ATOMIC_MIN)
CUSIM_ATOMIC(atomicMin, ATOMIC_MIN, long long)
CUSIM_ATOMIC_INTS(atomicMax, ATOMIC_MAX)
CUSIM_ATOMIC(atomicMax, ATOMIC_MAX, long long)
CUSIM_ATOMIC(atomicInc, ATOMIC_INC, unsigned)
CUSIM_ATOMIC(atomicDec, ATOMIC_DEC, unsigned)
inline int atomicSub(int *p, int v, CUSIM_SITE) {
  return cusim::atomic(cusim::ATOMIC_ADD, p, -v, CUSIM_HERE);
}
inline unsigned atomicSub(unsigned *p, unsigned v, CUSIM_SITE) {
  return cusim::atomic(cusim::ATOMIC_ADD, p, 0u - v, CUSIM_HERE);
}
#define CUSIM_CAS(T)                                     \
  inline T atomicCAS(T *p, T compare, T v, CUSIM_SITE) { \
    return cusim::atomic_cas(p, compare, v, CUSIM_HERE); \
  }
CUSIM_CAS(int)
CUSIM_CAS(unsigned)
CUSIM_CAS(unsigned long long)

// ---- scalar functions ----------------------------------------------------------------------------------------------
#define CUSIM_MINMAX(T)    \
  inline T min(T a, T b) { \
    return b < a ? b : a;  \
  }                        \
  inline T max(T a, T b) { \
    return a < b ? b : a;  \
  }
CUSIM_MINMAX(int)
CUSIM_MINMAX(unsigned)
CUSIM_MINMAX(long)
CUSIM_MINMAX(unsigned long)
CUSIM_MINMAX(long long)
CUSIM_MINMAX(unsigned long long)
inline float min(float a, float b) {
  return fminf(a, b);
}
inline float max(float a, float b) {
  return fmaxf(a, b);
}
inline double min(double a, double b) {
  return fmin(a, b);
}
inline double max(double a, double b) {
  return fmax(a, b);
}

#define CUSIM_BITCAST(name, to, from) \
  inline to name(from v) {            \
    to u;                             \
    memcpy(&u, &v, sizeof u);         \
    return u;                         \
  }
CUSIM_BITCAST(__float_as_uint, unsigned, float)
CUSIM_BITCAST(__uint_as_float, float, unsigned)
CUSIM_BITCAST(__float_as_int, int, float)
CUSIM_BITCAST(__int_as_float, float, int)
CUSIM_BITCAST(__double_as_longlong, long long, double)
CUSIM_BITCAST(__longlong_as_double, double, long long)

template <class T> inline T __ldg(const T *p) {
  return *p;
}
template <class T> inline T __ldca(const T *p) {
  return *p;
}
template <class T> inline T __ldcg(const T *p) {
  return *p;
}
template <class T> inline T __ldcs(const T *p) {
  return *p;
}
template <class T> inline void __stcg(T *p, T v) {
  *p = v;
}
template <class T> inline void __stcs(T *p, T v) {
  *p = v;
}

// The fast forms are computed exactly; on a GPU they err by a few units in the last place.
inline float rsqrtf(float x) {
  return 1.0f / sqrtf(x);
}
inline double rsqrt(double x) {
  return 1.0 / sqrt(x);
}
inline float __expf(float x) {
  return expf(x);
}
inline float __exp10f(float x) {
  return powf(10.0f, x);
}
inline float __logf(float x) {
  return logf(x);
}
inline float __log2f(float x) {
  return log2f(x);
}
inline float __powf(float x, float y) {
  return powf(x, y);
}
inline float __sinf(float x) {
  return sinf(x);
}
inline float __cosf(float x) {
  return cosf(x);
}
inline float __tanhf(float x) {
  return tanhf(x);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __saturatef(float x) {
  return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
} // NaN becomes 0
inline float __frcp_rn(float a) {
  return 1.0f / a;
}
inline float __frsqrt_rn(float a) {
  return static_cast<float>(1.0 / sqrt(static_cast<double>(a)));
}
inline float __fsqrt_rn(float a) {
  return sqrtf(a);
}
inline float __fmaf_rn(float a, float b, float c) {
  return fmaf(a, b, c);
}
// The volatile keeps the compiler from contracting these into a multiply-add.
#define CUSIM_EXACT(name, op)           \
  inline float name(float a, float b) { \
    volatile float r = a op b;          \
    return r;                           \
  }
CUSIM_EXACT(__fadd_rn, +)
CUSIM_EXACT(__fsub_rn, -)
CUSIM_EXACT(__fmul_rn, *)
CUSIM_EXACT(__fdiv_rn, /)
inline int __float2int_rn(float x) {
  return static_cast<int>(rintf(x));
}
inline int __float2int_rd(float x) {
  return static_cast<int>(floorf(x));
}
inline int __float2int_rz(float x) {
  return static_cast<int>(x);
}
inline unsigned __float2uint_rn(float x) {
  return static_cast<unsigned>(rintf(x));
}
inline float __int2float_rn(int x) {
  return static_cast<float>(x);
}
inline float __uint2float_rn(unsigned x) {
  return static_cast<float>(x);
}

inline int __popc(unsigned u) {
  return __builtin_popcount(u);
}
inline int __popcll(unsigned long long u) {
  return __builtin_popcountll(u);
}
inline int __clz(int u) {
  return u ? __builtin_clz(static_cast<unsigned>(u)) : 32;
}
inline int __clzll(long long u) {
  return u ? __builtin_clzll(static_cast<unsigned long long>(u)) : 64;
}
inline int __ffs(int u) {
  return __builtin_ffs(u);
}
inline int __ffsll(long long u) {
  return __builtin_ffsll(u);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
inline unsigned __brev(unsigned u) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (u >> i & 1u) << (31 - i);
  return r;
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned s) {
  const uint64_t bytes = static_cast<uint64_t>(y) << 32 | x;
  unsigned r = 0;
  for (unsigned i = 0; i < 4; i++) {
    const unsigned selector = s >> (4 * i),
                   byte = static_cast<unsigned>(bytes >> (8 * (selector & 7))) & 0xffu;
    r |= ((selector & 8) ? (byte & 0x80u ? 0xffu : 0u) : byte) << (8 * i);
  }
  return r;
}
inline unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned shift) {
  return static_cast<unsigned>(((static_cast<uint64_t>(hi) << 32 | lo) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(hi) << 32 | lo) >> (shift & 31));
}
[[noreturn]] inline void __trap(CUSIM_SITE) {
  cusim::device_trap("__trap()", CUSIM_HERE);
}
inline size_t __cvta_generic_to_shared(const void *p) {
  return reinterpret_cast<size_t>(p);
}

// assert() in a kernel stops with the kernel's place rather than the host's abort.
#undef assert
#ifdef NDEBUG
#define assert(e) static_cast<void>(0)
#else
#define assert(e) \
  ((e) ? static_cast<void>(0) : cusim::device_trap("assertion failed: " #e, cusim::site{__FILE__, __LINE__}))
#endif
