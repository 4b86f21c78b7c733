// The optimiser: gradient norm, AdamW and LAMB over one span of parameters (the formulas are in ops/ops.h).
//
// AdamW. Loshchilov, Hutter: Decoupled weight decay regularization, 2019. An element is read (p, g, m, v) and written
// (p, m, v, and g as zero) once: 32 bytes, and act_size more where there is a compute copy. That is the floor, and with
// some 20 operations to 32 bytes nothing but memory counts. LAMB. You et al., 2020. Its step length needs the norm of
// the whole update, so the update goes into g's place and is applied by another kernel: 44 bytes. Keeping the update on
// the chip instead would need a grid that waits for itself. Gradient norm: 4 bytes an element.
//
// Layout. Dense: a block of 256 threads takes CHUNK elements, in 16-byte accesses where the span's pointers allow it,
// else one by one. Row-sparse (an embedding table of which a step touches a few rows): a block takes ROWS rows, every
// warp reads all of their marks and so holds the same 64-bit set, and the n-th marked row is done by warp n % 8. A block
// without a mark leaves at once, having read 64 bytes. A thread a row would not read whole lines, a block a row would
// leave most threads idle at H = 64.
//
// Step, learning rate, clip and the gradient norm are read on the device, since one captured graph serves all steps.
// Powers of beta are taken in double, as on the CPU, by one thread of each block while the loads of other blocks of the
// multiprocessor are under way; a kernel of its own for them would cost every span another launch.
//
// Determinism. Which element is added where depends on n and row alone, not on the device: partial sums are double, one
// a block, and the last kernel adds them up in order. Squares are taken in double, so that gradients of 1e20 are as
// finite as they are on the CPU; on devices with few double units (sm_86, 89, 120) the norm is then bound by these, at
// about 1.4 times the time of its reads.
//
// Resources expected: at most 64 registers, and so four blocks or more on a multiprocessor, each thread with up to four
// 16-byte loads under way; shared memory for the sums of eight warps and the step's constants.
#include "gpu.cuh"
#include "launch.h"

namespace {

constexpr int BLOCK = 256, WARPS = BLOCK / 32;
constexpr int RESIDENT =
    4; // blocks of a multiprocessor at the least; without a number the compiler spills to fit more
constexpr int64_t CHUNK = 8192; // elements of a block; a multiple of 4
constexpr int64_t ROWS = 64;    // rows of a block

struct step_constants {
  float clip, lr, decay, beta1, beta2, correct1, correct2, eps;
};

// What the kernels take of optim_params.
template <class T> struct span {
  int64_t n, row;
  float *p, *g, *m, *v;
  T *copy;          // NULL: none
  uint8_t *touched; // NULL: dense
  float lr_scale, weight_decay, beta1, beta2, eps;
};

// ---- pieces ------------------------------------------------------------------------------------------------------

template <int W> DEVICE void load(float (&x)[W], const float *from) {
  if constexpr (W == 4)
    gpu::load4(x, from);
  else
    x[0] = *from;
}
template <int W, class T> DEVICE void store(T *to, const float (&x)[W]) {
  if constexpr (W == 4)
    gpu::store4(to, x);
  else
    *to = gpu::from_float<T>(x[0]);
}

// Calls f(i, width) for the elements [begin, end), W at a time and those left over one by one: this thread's share when
// `lanes` threads, of which it is number `lane`, do it together. f's second argument is a constant.
template <int N> struct width { static constexpr int value = N; };
template <int W, class F> DEVICE void each(int64_t begin, int64_t end, int lane, int lanes, F f) {
  for (int64_t i = begin + static_cast<int64_t>(lane) * W; i < end; i += static_cast<int64_t>(lanes) * W) {
    if (i + W <= end)
      f(i, width<W>());
    else
      for (int64_t j = i; j < end; j++) f(j, width<1>());
  }
}

// The block's shared memory. (In a function of its own since GCC, for the simulator, would lose what a template has.)
struct block_memory {
  double of_warp[2][WARPS];
  step_constants constants;
};
DEVICE block_memory &shared() {
  __shared__ block_memory m;
  return m;
}

// Sum over the block; thread 0 gets it. Another sum of the kernel takes the other place.
DEVICE double block_sum(double v, int place) {
  double *of_warp = shared().of_warp[place];
  v = gpu::warp_sum(v);
  if (gpu::lane_id() == 0) of_warp[gpu::warp_id()] = v;
  __syncthreads();
  double sum = 0;
  if (threadIdx.x == 0)
    for (int w = 0; w < WARPS; w++) sum += of_warp[w];
  return sum;
}

template <int W> DEVICE void add_squares(double &sum, const float *at) {
  float x[W];
  load<W>(x, at);
#pragma unroll
  for (int k = 0; k < W; k++) sum += static_cast<double>(x[k]) * static_cast<double>(x[k]);
}

template <int W> DEVICE void clear(float *at) {
  const float zero[W] = {};
  store<W>(at, zero);
}

// Bit r: row begin + r is marked. The same in all threads of the block.
DEVICE uint64_t marked_rows(const uint8_t *touched, int64_t begin, int64_t n_rows) {
  const int64_t low = begin + gpu::lane_id(), high = low + 32;
  const unsigned first = __ballot_sync(gpu::FULL_WARP, low < n_rows && touched[low] != 0);
  const unsigned second = __ballot_sync(gpu::FULL_WARP, high < n_rows && touched[high] != 0);
  return static_cast<uint64_t>(second) << 32 | first;
}

// Calls f(row) for those of the marked rows that are this warp's.
template <class F> DEVICE void each_marked(uint64_t marked, int64_t begin, F f) {
  for (int k = 0; marked != 0; k++, marked &= marked - 1)
    if (k % WARPS == gpu::warp_id()) f(begin + __ffsll(static_cast<long long>(marked)) - 1);
}

// b^t by squaring; t >= 1. (pow() is a call, for which registers are put into memory.)
DEVICE double power(double b, int64_t t) {
  double x = 1.0;
  for (; t > 0; t >>= 1, b *= b)
    if ((t & 1) != 0) x *= b;
  return x;
}

template <class T>
DEVICE step_constants constants_of(const span<T> &s, const step_state *state, const step_result *result) {
  const int64_t t = state->step + 1;
  const double norm = sqrt(result->grad_sumsq);
  const double bound = static_cast<double>(state->clip_norm) / (norm + 1e-6);
  step_constants a;
  a.clip = state->clip_norm > 0.0f && bound < 1.0 ? static_cast<float>(bound) : 1.0f;
  a.lr = state->lr * s.lr_scale;
  a.decay = s.weight_decay;
  a.beta1 = s.beta1;
  a.beta2 = s.beta2;
  a.correct1 = static_cast<float>(1.0 / (1.0 - power(static_cast<double>(s.beta1), t)));
  a.correct2 = static_cast<float>(1.0 / (1.0 - power(static_cast<double>(s.beta2), t)));
  a.eps = s.eps;
  return a;
}

// The same for all threads of the block, which all must call.
template <class T>
DEVICE step_constants block_constants(const span<T> &s, const step_state *state, const step_result *result) {
  if (threadIdx.x == 0) shared().constants = constants_of(s, state, result);
  __syncthreads();
  return shared().constants;
}

// The end of the chunk that begins at `begin`.
DEVICE int64_t chunk_end(int64_t begin, int64_t n) {
  return begin + CHUNK < n ? begin + CHUNK : n;
}

// A step that is refused: the block forgets the gradients [begin, end).
template <int W> DEVICE void forget(float *g, int64_t begin, int64_t end) {
  each<W>(begin, end, static_cast<int>(threadIdx.x), BLOCK,
          [&](int64_t i, auto w) { clear<decltype(w)::value>(g + i); });
}

// Moments from the gradient g, which becomes the update: what lr times is subtracted.
template <int W>
DEVICE void moments(const step_constants &a, const float (&p)[W], float (&g)[W], float (&m)[W],
                    float (&v)[W]) {
#pragma unroll
  for (int k = 0; k < W; k++) {
    const float grad = g[k] * a.clip;
    m[k] = a.beta1 * m[k] + (1.0f - a.beta1) * grad;
    v[k] = a.beta2 * v[k] + (1.0f - a.beta2) * grad * grad;
    g[k] = m[k] * a.correct1 / (sqrtf(v[k] * a.correct2) + a.eps) + a.decay * p[k];
  }
}

template <int W, class T> DEVICE void adamw_at(const step_constants &a, const span<T> &s, int64_t i) {
  float p[W], g[W], m[W], v[W];
  load<W>(p, s.p + i);
  load<W>(g, s.g + i);
  load<W>(m, s.m + i);
  load<W>(v, s.v + i);
  moments<W>(a, p, g, m, v);
#pragma unroll
  for (int k = 0; k < W; k++) p[k] -= a.lr * g[k];
  store<W>(s.m + i, m);
  store<W>(s.v + i, v);
  store<W>(s.p + i, p);
  if (s.copy != nullptr) store<W>(s.copy + i, p);
  clear<W>(s.g + i);
}

// ---- gradient norm -------------------------------------------------------------------------------------------------

template <int W>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    norm_dense(const float *__restrict__ g, int64_t n, double *partial) {
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * CHUNK, end = chunk_end(begin, n);
  double sum = 0;
  each<W>(begin, end, static_cast<int>(threadIdx.x), BLOCK,
          [&](int64_t i, auto w) { add_squares<decltype(w)::value>(sum, g + i); });
  sum = block_sum(sum, 0);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

template <int W>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    norm_rows(const float *__restrict__ g, const uint8_t *__restrict__ touched, int64_t n_rows, int64_t row,
              double *partial) {
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * ROWS;
  double sum = 0;
  each_marked(marked_rows(touched, begin, n_rows), begin, [&](int64_t r) {
    each<W>(r * row, (r + 1) * row, gpu::lane_id(), 32,
            [&](int64_t i, auto w) { add_squares<decltype(w)::value>(sum, g + i); });
  });
  sum = block_sum(sum, 0);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// One block.
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    norm_add(const double *__restrict__ partial, int64_t count, bool first, step_result *result) {
  double sum = 0;
  for (int64_t c = threadIdx.x; c < count; c += BLOCK) sum += partial[c];
  sum = block_sum(sum, 0);
  if (threadIdx.x != 0) return;
  if (!first) sum += result->grad_sumsq;
  result->grad_sumsq = sum;
  if (!(sum < static_cast<double>(INFINITY))) result->nonfinite = 1; // infinite, or NaN
}

// ---- AdamW ---------------------------------------------------------------------------------------------------------

template <class T, int W>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    adamw_dense(const span<T> s, const step_state *__restrict__ state,
                const step_result *__restrict__ result) {
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * CHUNK, end = chunk_end(begin, s.n);
  if (result->nonfinite != 0) {
    forget<W>(s.g, begin, end);
    return;
  }
  const step_constants a = block_constants(s, state, result);
  each<W>(begin, end, static_cast<int>(threadIdx.x), BLOCK,
          [&](int64_t i, auto w) { adamw_at<decltype(w)::value>(a, s, i); });
}

template <class T, int W>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    adamw_rows(const span<T> s, const step_state *__restrict__ state,
               const step_result *__restrict__ result) {
  const int64_t n_rows = s.n / s.row, begin = static_cast<int64_t>(blockIdx.x) * ROWS;
  const int64_t end = begin + ROWS < n_rows ? begin + ROWS : n_rows;
  if (result->nonfinite != 0) {
    forget<W>(s.g, begin * s.row, end * s.row);
    if (begin + threadIdx.x < end) s.touched[begin + threadIdx.x] = 0;
    return;
  }
  const uint64_t marked = marked_rows(s.touched, begin, n_rows);
  if (marked == 0) return; // the whole block
  const step_constants a = block_constants(s, state, result); // and every warp has read the marks
  if (begin + threadIdx.x < end) s.touched[begin + threadIdx.x] = 0;
  each_marked(marked, begin, [&](int64_t r) {
    each<W>(r * s.row, (r + 1) * s.row, gpu::lane_id(), 32,
            [&](int64_t i, auto w) { adamw_at<decltype(w)::value>(a, s, i); });
  });
}

// ---- LAMB ----------------------------------------------------------------------------------------------------------

// Squares of the weights and of the update, of one chunk.
struct two_sums {
  double weights, update;
};

// Moments, and the update into g.
template <class T, int W>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    lamb_update(const span<T> s, const step_state *__restrict__ state, const step_result *__restrict__ result,
                two_sums *partial) {
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * CHUNK, end = chunk_end(begin, s.n);
  if (result->nonfinite != 0) {
    forget<W>(s.g, begin, end);
    return;
  }
  const step_constants a = block_constants(s, state, result);
  double weights = 0, update = 0;
  each<W>(begin, end, static_cast<int>(threadIdx.x), BLOCK, [&](int64_t i, auto w) {
    constexpr int N = decltype(w)::value;
    float p[N], g[N], m[N], v[N];
    load<N>(p, s.p + i);
    load<N>(g, s.g + i);
    load<N>(m, s.m + i);
    load<N>(v, s.v + i);
    moments<N>(a, p, g, m, v);
#pragma unroll
    for (int k = 0; k < N; k++) {
      weights += static_cast<double>(p[k]) * static_cast<double>(p[k]);
      update += static_cast<double>(g[k]) * static_cast<double>(g[k]);
    }
    store<N>(s.m + i, m);
    store<N>(s.v + i, v);
    store<N>(s.g + i, g);
  });
  weights = block_sum(weights, 0);
  update = block_sum(update, 1);
  if (threadIdx.x == 0) partial[blockIdx.x] = {weights, update};
}

// One block: the rate at which the update is subtracted. (If the step is refused the sums are not there, and nobody
// reads the rate.)
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    lamb_rate(const two_sums *__restrict__ partial, int64_t count, bool trust, float lr_scale,
              const step_state *__restrict__ state, const step_result *__restrict__ result, float *rate) {
  if (result->nonfinite != 0) return;
  double weights = 0, update = 0;
  for (int64_t c = threadIdx.x; c < count; c += BLOCK) {
    weights += partial[c].weights;
    update += partial[c].update;
  }
  weights = block_sum(weights, 0);
  update = block_sum(update, 1);
  if (threadIdx.x != 0) return;
  const double ratio = trust && weights > 0 && update > 0 ? sqrt(weights / update) : 1.0;
  *rate = static_cast<float>(static_cast<double>(state->lr * lr_scale) * ratio);
}

template <class T, int W>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    lamb_apply(const span<T> s, const float *__restrict__ rate, const step_result *__restrict__ result) {
  if (result->nonfinite != 0) return;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * CHUNK, end = chunk_end(begin, s.n);
  const float r = *rate;
  each<W>(begin, end, static_cast<int>(threadIdx.x), BLOCK, [&](int64_t i, auto w) {
    constexpr int N = decltype(w)::value;
    float p[N], u[N];
    load<N>(p, s.p + i);
    load<N>(u, s.g + i);
#pragma unroll
    for (int k = 0; k < N; k++) p[k] -= r * u[k];
    store<N>(s.p + i, p);
    if (s.copy != nullptr) store<N>(s.copy + i, p);
    clear<N>(s.g + i);
  });
}

// ---- launchers -----------------------------------------------------------------------------------------------------

int64_t chunks_of(int64_t n) {
  return (n + CHUNK - 1) / CHUNK;
}
int64_t blocks_of(const optim_params *p) {
  return p->touched == nullptr ? chunks_of(p->n) : (p->n / p->row + ROWS - 1) / ROWS;
}

// Do 16-byte accesses work everywhere in the span? (Pointers that are NULL do not mind.)
bool in_fours(const optim_params *p, size_t act_size) {
  const uintptr_t floats = reinterpret_cast<uintptr_t>(p->p) | reinterpret_cast<uintptr_t>(p->g) |
                           reinterpret_cast<uintptr_t>(p->m) | reinterpret_cast<uintptr_t>(p->v);
  const bool whole = p->touched == nullptr || p->row % 4 == 0;
  return whole && floats % 16 == 0 && reinterpret_cast<uintptr_t>(p->p_compute) % (4 * act_size) == 0;
}

template <class T> span<T> span_of(const optim_params *p) {
  span<T> s;
  s.n = p->n;
  s.row = p->row;
  s.p = p->p;
  s.g = p->g;
  s.m = p->m;
  s.v = p->v;
  s.copy = p->p_compute == static_cast<act *>(p->p) ? nullptr : static_cast<T *>(p->p_compute);
  s.touched = p->touched;
  s.lr_scale = p->lr_scale;
  s.weight_decay = p->weight_decay;
  s.beta1 = p->beta1;
  s.beta2 = p->beta2;
  s.eps = p->eps;
  return s;
}

cudaLaunchConfig_t grid(const launch *l, int64_t blocks) {
  return launch_shape(l, dim3(static_cast<unsigned>(blocks)), BLOCK, 0);
}

template <int W> cudaError_t norm_partials(const launch *l, const optim_params *p, double *partial) {
  const cudaLaunchConfig_t c = grid(l, blocks_of(p));
  const float *g = p->g;
  const uint8_t *touched = p->touched;
  if (touched == nullptr) return cudaLaunchKernelEx(&c, norm_dense<W>, g, p->n, partial);
  return cudaLaunchKernelEx(&c, norm_rows<W>, g, touched, p->n / p->row, static_cast<int64_t>(p->row),
                            partial);
}

template <class T, int W> cudaError_t adamw(const launch *l, const optim_params *p) {
  const cudaLaunchConfig_t c = grid(l, blocks_of(p));
  const step_result *result = l->result;
  if (p->touched == nullptr)
    return cudaLaunchKernelEx(&c, adamw_dense<T, W>, span_of<T>(p), l->state, result);
  return cudaLaunchKernelEx(&c, adamw_rows<T, W>, span_of<T>(p), l->state, result);
}

template <class T, int W> cudaError_t lamb(const launch *l, const optim_params *p) {
  const int64_t count = chunks_of(p->n);
  float *rate = static_cast<float *>(l->scratch);
  two_sums *partial = reinterpret_cast<two_sums *>(static_cast<char *>(l->scratch) + sizeof(two_sums));
  const two_sums *sums = partial;
  const step_result *result = l->result;
  const cudaLaunchConfig_t all = grid(l, count), one = grid(l, 1);
  cudaError_t rc = cudaLaunchKernelEx(&all, lamb_update<T, W>, span_of<T>(p), l->state, result, partial);
  if (rc != cudaSuccess) return rc;
  rc = cudaLaunchKernelEx(&one, lamb_rate, sums, count, p->trust, p->lr_scale, l->state, result, rate);
  if (rc != cudaSuccess) return rc;
  return cudaLaunchKernelEx(&all, lamb_apply<T, W>, span_of<T>(p), static_cast<const float *>(rate), result);
}

} // namespace

extern "C" size_t launch_optim_scratch(const optim_params *p) {
  const int64_t dense = chunks_of(p->n), sparse = p->row > 0 ? (p->n / p->row + ROWS - 1) / ROWS : 0;
  return static_cast<size_t>((dense > sparse ? dense : sparse) + 1) * sizeof(two_sums);
}

extern "C" cudaError_t launch_grad_norm(const launch *l, const optim_params *p) {
  double *partial = static_cast<double *>(l->scratch);
  const int64_t count = blocks_of(p);
  if (count > 0) {
    const cudaError_t rc =
        in_fours(p, l->act_size) ? norm_partials<4>(l, p, partial) : norm_partials<1>(l, p, partial);
    if (rc != cudaSuccess) return rc;
  }
  const cudaLaunchConfig_t one = grid(l, 1);
  return cudaLaunchKernelEx(&one, norm_add, static_cast<const double *>(partial), count, p->first, l->result);
}

extern "C" cudaError_t launch_adamw(const launch *l, const optim_params *p) {
  if (p->n == 0) return cudaSuccess;
  return in_fours(p, l->act_size) ? adamw<float, 4>(l, p) : adamw<float, 1>(l, p);
}

extern "C" cudaError_t launch_lamb(const launch *l, const optim_params *p) {
  if (p->n == 0) return cudaSuccess;
  return in_fours(p, l->act_size) ? lamb<float, 4>(l, p) : lamb<float, 1>(l, p);
}
