// The optimiser: gradient norm, AdamW and LAMB over a table of tensors (the formulas are in ops/ops.h).
//
// AdamW. Loshchilov, Hutter: Decoupled weight decay regularization, 2019. An element is read (p, g, m, v) and written
// (p, m, v, and g as zero) once: 32 bytes, and act_size more where there is a compute copy. That is the floor, and with
// some 20 operations to 32 bytes nothing but memory counts. LAMB. You et al., 2020. Its step length needs the norm of
// the whole update, so the update goes into g's place and is applied by another kernel: 44 bytes. Keeping the update on
// the chip instead would need a grid that waits for itself. Gradient norm: 4 bytes an element. With averaged weights 8 bytes
// more, in the same pass over the elements that move; making the average of all is 12 bytes, and happens at validations.
//
// Launches. Whatever the number of tensors: two for the norm, one for AdamW, three for LAMB. (A call a span of neighbours
// that are treated alike, and for LAMB a call a tensor, were 309 launches with AdamW and 824 with LAMB for a BERT-base, 60
// and 166 for two layers of 64, at some two microseconds each.) Every kernel goes over the whole table, cut into items
// beforehand (ops/optim_items.h): a block takes one item, reads which it is (8 bytes) and the tensor's pointers (80 bytes,
// the same for all blocks of the tensor, so out of a cache), and has CHUNK elements to do, 256 KB of AdamW's traffic.
// Items instead of a search by element: a search is eight loads in a row that wait for each other, the list is one.
//
// Layout. Dense: a block of 256 threads takes CHUNK elements, in 16-byte accesses where the tensor's pointers allow it,
// else one by one. Row-sparse (an embedding table of which a step touches a few rows): a block takes ROWS rows, every
// warp reads all of their marks and so holds the same 64-bit set, and the n-th marked row is done by warp n % 8. A block
// without a mark leaves at once, having read 64 bytes. A thread a row would not read whole lines, a block a row would
// leave most threads idle at H = 64. Both kinds are in one kernel: the branch is the block's, and costs no launch.
//
// Step, learning rate, clip and the gradient norm are read on the device, since one captured graph serves all steps.
// Powers of beta are taken in double, as on the CPU, by one thread of each block while the loads of other blocks of the
// multiprocessor are under way; likewise a tensor's trust ratio from its two norms.
//
// Determinism. Which element is added where depends on the table alone, not on the device: partial sums are double, one
// an item, and one block (for LAMB one a tensor) adds them up in order. Squares are taken in double, so that gradients of
// 1e20 are as finite as they are on the CPU; on devices with few double units (sm_86, 89, 120) the norm is then bound by
// these, at about 1.4 times the time of its reads.
//
// Resources expected: at most 64 registers, and so four blocks or more on a multiprocessor (LAMB's update: 80 and three),
// each thread with up to four 16-byte loads under way; shared memory for the sums of the warps and the step's constants.
#include "gpu.cuh"
#include "launch.h"

namespace {

constexpr int BLOCK = 256, WARPS = BLOCK / 32;
constexpr int SUM_BLOCK =
    1024; // of the one block that adds up the sums of all items: 13,000 of them for a BERT-base
constexpr int RESIDENT =
    4; // blocks of a multiprocessor at the least; without a number the compiler spills to fit more
constexpr int RESIDENT_SUMMING = 3;    // likewise of LAMB's update, which has two sums more to hold
constexpr int64_t CHUNK = OPTIM_CHUNK; // elements of a block; a multiple of 4
constexpr int64_t ROWS = OPTIM_ROWS;   // rows of a block
static_assert(CHUNK % 4 == 0 && ROWS == 64, "whole groups of four, and a set of 64 bits");

struct rule {
  float beta1, beta2, eps;
};

struct step_constants {
  float clip, lr, decay, beta1, beta2, correct1, correct2, eps, lag_rate;
};

// A block's item. Pointers are those of its first element or row, so that indices are small.
template <class T> struct span {
  float *p, *g, *m, *v;
  float *lag;       // NULL: no averaged weights
  T *copy;          // NULL: none
  uint8_t *touched; // [n] if row is not 0
  int n;            // elements, or rows of so many
  int row;          // 0: dense
  bool fours;       // 16-byte accesses work everywhere
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
template <int W, class F> DEVICE void each(int begin, int end, int lane, int lanes, F f) {
  for (int i = begin + lane * W; i < end; i += lanes * W) {
    if (i + W <= end)
      f(i, width<W>());
    else
      for (int j = i; j < end; j++) f(j, width<1>());
  }
}

// The block's shared memory. (In a function of its own, because the simulator does not see shared arrays that GCC
// puts into templates.)
struct block_memory {
  double of_warp[2][SUM_BLOCK / 32];
  step_constants constants;
  float rate;
};
DEVICE block_memory &shared() {
  __shared__ block_memory m;
  return m;
}

// Sum over a block of so many warps; thread 0 gets it. A second sum in a kernel uses the other array.
template <int N> DEVICE double block_sum(double v, int place) {
  double *of_warp = shared().of_warp[place];
  v = gpu::warp_sum(v);
  if (gpu::lane_id() == 0) of_warp[gpu::warp_id()] = v;
  __syncthreads();
  double sum = 0;
  if (threadIdx.x == 0)
    for (int w = 0; w < N; w++) sum += of_warp[w];
  return sum;
}

template <int W> DEVICE void add_squares(double &sum, const float (&x)[W]) {
#pragma unroll
  for (int k = 0; k < W; k++) sum += static_cast<double>(x[k]) * static_cast<double>(x[k]);
}

template <int W> DEVICE void clear(float *at) {
  const float zero[W] = {};
  store<W>(at, zero);
}

DEVICE uintptr_t address(const void *p) {
  return reinterpret_cast<uintptr_t>(p);
}

// The item of this block. (Pointers that are NULL do not mind 16-byte accesses.)
template <class T> DEVICE span<T> span_of(const optim_work &w) {
  const optim_item item = w.items[blockIdx.x];
  const optim_tensor &t = w.tensors[item.tensor];
  span<T> s;
  s.row = t.row;
  const int64_t unit = s.row > 0 ? ROWS : CHUNK, n = s.row > 0 ? t.n / s.row : t.n, begin = item.part * unit;
  const int64_t at = s.row > 0 ? begin * s.row : begin;
  s.n = static_cast<int>(n - begin < unit ? n - begin : unit);
  s.p = gpu::global(t.p + at);
  s.g = gpu::global(t.g + at);
  s.m = gpu::global(t.m + at);
  s.v = gpu::global(t.v + at);
  s.lag = t.lag == nullptr ? nullptr : gpu::global(t.lag + at);
  s.copy = t.p_compute == nullptr || t.p_compute == static_cast<act *>(t.p)
               ? nullptr
               : gpu::global(static_cast<T *>(t.p_compute) + at);
  s.touched = gpu::global(t.touched + begin);
  const uintptr_t floats = address(s.p) | address(s.g) | address(s.m) | address(s.v) | address(s.lag);
  s.fours = floats % 16 == 0 && s.row % 4 == 0 && address(s.copy) % (4 * sizeof(T)) == 0;
  return s;
}

// Bit r: row r of the item is marked. The same in all threads of the block.
template <class T> DEVICE uint64_t marked_rows(const span<T> &s) {
  const int low = gpu::lane_id(), high = low + 32;
  const unsigned first = __ballot_sync(gpu::FULL_WARP, low < s.n && s.touched[low] != 0);
  const unsigned second = __ballot_sync(gpu::FULL_WARP, high < s.n && s.touched[high] != 0);
  return static_cast<uint64_t>(second) << 32 | first;
}

// Calls f(i, width) for this thread's share of the block's elements: all of them, or those of the marked rows.
template <int W, class T, class F> DEVICE void each_of(const span<T> &s, uint64_t marked, F f) {
  if (s.row == 0) {
    each<W>(0, s.n, static_cast<int>(threadIdx.x), BLOCK, f);
    return;
  }
  for (int k = 0; marked != 0; k++, marked &= marked - 1) {
    if (k % WARPS != gpu::warp_id()) continue;
    const int at = (__ffsll(static_cast<long long>(marked)) - 1) * s.row;
    each<W>(at, at + s.row, gpu::lane_id(), 32, f);
  }
}

// b^t by squaring; t >= 1. (pow() is a call, for which registers are put into memory.)
DEVICE double power(double b, int64_t t) {
  double x = 1.0;
  for (; t > 0; t >>= 1, b *= b)
    if ((t & 1) != 0) x *= b;
  return x;
}

DEVICE step_constants constants_of(const optim_tensor &t, const rule &r, const step_state *state,
                                   const step_result *result) {
  const int64_t step = state->step + 1;
  const double norm = sqrt(result->grad_sumsq);
  const double bound = static_cast<double>(state->clip_norm) / (norm + 1e-6);
  step_constants a;
  a.clip = state->clip_norm > 0.0f && bound < 1.0 ? static_cast<float>(bound) : 1.0f;
  a.lr = state->lr * t.lr_scale;
  a.decay = t.weight_decay;
  a.beta1 = r.beta1;
  a.beta2 = r.beta2;
  a.correct1 = static_cast<float>(1.0 / (1.0 - power(static_cast<double>(r.beta1), step)));
  a.correct2 = static_cast<float>(1.0 / (1.0 - power(static_cast<double>(r.beta2), step)));
  a.eps = r.eps;
  a.lag_rate = state->lag_rate;
  return a;
}

// The same for all threads of the block, which all must call.
DEVICE step_constants block_constants(const optim_work &w, const rule &r, const step_state *state,
                                      const step_result *result) {
  if (threadIdx.x == 0)
    shared().constants = constants_of(w.tensors[w.items[blockIdx.x].tensor], r, state, result);
  __syncthreads();
  return shared().constants;
}

// A step that is refused: the block forgets its gradients and marks.
template <int W, class T> DEVICE void forget(const span<T> &s) {
  const int thread = static_cast<int>(threadIdx.x);
  each<W>(0, s.row > 0 ? s.n * s.row : s.n, thread, BLOCK,
          [&](int i, auto w) { clear<decltype(w)::value>(s.g + i); });
  if (s.row > 0 && thread < s.n) s.touched[thread] = 0;
}

// Moments from the gradient g, which becomes the update: lr times it is subtracted.
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

// Moments of the elements at i are written; p and the update u stay in registers.
template <int W, class T>
DEVICE void update_at(const step_constants &a, const span<T> &s, int i, float (&p)[W], float (&u)[W]) {
  float m[W], v[W];
  load<W>(p, s.p + i);
  load<W>(u, s.g + i);
  load<W>(m, s.m + i);
  load<W>(v, s.v + i);
  moments<W>(a, p, u, m, v);
  store<W>(s.m + i, m);
  store<W>(s.v + i, v);
}

// lag += what the weights have moved by, backwards, times its rate.
template <int W>
DEVICE void lag_at(float *lag, float lag_rate, const float (&before)[W], const float (&after)[W]) {
  float x[W];
  load<W>(x, lag);
#pragma unroll
  for (int k = 0; k < W; k++) x[k] += (before[k] - after[k]) * lag_rate;
  store<W>(lag, x);
}

// p -= rate u, and the gradient is spent.
template <int W, class T>
DEVICE void move_at(const span<T> &s, int i, float rate, float lag_rate, float (&p)[W], const float (&u)[W]) {
  float before[W];
#pragma unroll
  for (int k = 0; k < W; k++) {
    before[k] = p[k];
    p[k] -= rate * u[k];
  }
  if (s.lag != nullptr) lag_at<W>(s.lag + i, lag_rate, before, p);
  store<W>(s.p + i, p);
  if (s.copy != nullptr) store<W>(s.copy + i, p);
  clear<W>(s.g + i);
}

// ---- gradient norm -------------------------------------------------------------------------------------------------

template <int W> DEVICE double squares(const span<float> &s) {
  double sum = 0;
  each_of<W>(s, s.row > 0 ? marked_rows(s) : 0, [&](int i, auto w) {
    float g[decltype(w)::value];
    load<decltype(w)::value>(g, s.g + i);
    add_squares<decltype(w)::value>(sum, g);
  });
  return sum;
}

__global__ void __launch_bounds__(BLOCK, RESIDENT) norm_items(const optim_work w) {
  const span<float> s = span_of<float>(w);
  double sum = s.fours ? squares<4>(s) : squares<1>(s);
  sum = block_sum<WARPS>(sum, 0);
  if (threadIdx.x == 0) w.sums[blockIdx.x] = sum;
}

// One block.
__global__ void __launch_bounds__(SUM_BLOCK, 1)
    norm_sum(const double *__restrict__ sums, int64_t count, step_result *result) {
  double sum = 0;
  for (int64_t c = threadIdx.x; c < count; c += SUM_BLOCK) sum += sums[c];
  sum = block_sum<SUM_BLOCK / 32>(sum, 0);
  if (threadIdx.x != 0) return;
  result->grad_sumsq = sum;
  if (!(sum < static_cast<double>(INFINITY))) result->nonfinite = 1; // infinite, or NaN
}

// ---- AdamW ---------------------------------------------------------------------------------------------------------

template <int W, class T> DEVICE void adamw_span(const step_constants &a, const span<T> &s, uint64_t marked) {
  each_of<W>(s, marked, [&](int i, auto w) {
    constexpr int N = decltype(w)::value;
    float p[N], u[N];
    update_at<N>(a, s, i, p, u);
    move_at<N>(s, i, a.lr, a.lag_rate, p, u);
  });
}

template <class T>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    adamw(const optim_work w, const rule r, const step_state *__restrict__ state,
          const step_result *__restrict__ result) {
  const span<T> s = span_of<T>(w);
  if (result->nonfinite != 0) {
    s.fours ? forget<4>(s) : forget<1>(s);
    return;
  }
  const uint64_t marked = s.row > 0 ? marked_rows(s) : 0;
  if (s.row > 0 && marked == 0) return;                          // the whole block
  const step_constants a = block_constants(w, r, state, result); // and every warp has read the marks
  const int thread = static_cast<int>(threadIdx.x);
  if (s.row > 0 && thread < s.n) s.touched[thread] = 0;
  s.fours ? adamw_span<4>(a, s, marked) : adamw_span<1>(a, s, marked);
}

// ---- LAMB ----------------------------------------------------------------------------------------------------------

// Squares of the weights and of the update.
struct two_sums {
  double weights, update;
};

template <int W, class T> DEVICE two_sums lamb_span(const step_constants &a, const span<T> &s) {
  two_sums sums = {0, 0};
  each<W>(0, s.n, static_cast<int>(threadIdx.x), BLOCK, [&](int i, auto w) {
    constexpr int N = decltype(w)::value;
    float p[N], u[N];
    update_at<N>(a, s, i, p, u);
    store<N>(s.g + i, u);
    add_squares<N>(sums.weights, p);
    add_squares<N>(sums.update, u);
  });
  return sums;
}

// Moments, and the update into g.
template <class T>
__global__ void __launch_bounds__(BLOCK, RESIDENT_SUMMING)
    lamb_update(const optim_work w, const rule r, const step_state *__restrict__ state,
                const step_result *__restrict__ result) {
  const span<T> s = span_of<T>(w);
  if (result->nonfinite != 0) {
    s.fours ? forget<4>(s) : forget<1>(s);
    return;
  }
  const step_constants a = block_constants(w, r, state, result);
  two_sums sums = s.fours ? lamb_span<4>(a, s) : lamb_span<1>(a, s);
  sums.weights = block_sum<WARPS>(sums.weights, 0);
  sums.update = block_sum<WARPS>(sums.update, 1);
  if (threadIdx.x == 0) {
    w.sums[2 * static_cast<int64_t>(blockIdx.x)] = sums.weights;
    w.sums[2 * static_cast<int64_t>(blockIdx.x) + 1] = sums.update;
  }
}

// A block a tensor: both sums over its items. (If the step is refused they are not there, and nobody reads the norms.)
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    lamb_norms(const double *__restrict__ sums, const int32_t *__restrict__ first,
               const step_result *__restrict__ result, double *norms) {
  if (result->nonfinite != 0) return;
  const int whole = static_cast<int>(blockIdx.x), end = first[whole + 1];
  double weights = 0, update = 0;
  for (int c = first[whole] + static_cast<int>(threadIdx.x); c < end; c += BLOCK) {
    weights += sums[2 * static_cast<int64_t>(c)];
    update += sums[2 * static_cast<int64_t>(c) + 1];
  }
  weights = block_sum<WARPS>(weights, 0);
  update = block_sum<WARPS>(update, 1);
  if (threadIdx.x != 0) return;
  norms[2 * whole] = weights;
  norms[2 * whole + 1] = update;
}

// The rate at which a tensor's update is subtracted.
DEVICE float rate_of(const optim_tensor &t, const double *norms, const step_state *state) {
  const double weights = norms[2 * t.whole], update = norms[2 * t.whole + 1];
  const double ratio = t.trust && weights > 0 && update > 0 ? sqrt(weights / update) : 1.0;
  return static_cast<float>(static_cast<double>(state->lr * t.lr_scale) * ratio);
}

template <int W, class T> DEVICE void apply_span(const span<T> &s, float rate, float lag_rate) {
  each<W>(0, s.n, static_cast<int>(threadIdx.x), BLOCK, [&](int i, auto w) {
    constexpr int N = decltype(w)::value;
    float p[N], u[N];
    load<N>(p, s.p + i);
    load<N>(u, s.g + i);
    move_at<N>(s, i, rate, lag_rate, p, u);
  });
}

template <class T>
__global__ void __launch_bounds__(BLOCK, RESIDENT)
    lamb_apply(const optim_work w, const double *__restrict__ norms, const step_state *__restrict__ state,
               const step_result *__restrict__ result) {
  if (result->nonfinite != 0) return;
  const span<T> s = span_of<T>(w);
  if (threadIdx.x == 0) shared().rate = rate_of(w.tensors[w.items[blockIdx.x].tensor], norms, state);
  __syncthreads();
  const float rate = shared().rate, lag_rate = state->lag_rate;
  s.fours ? apply_span<4>(s, rate, lag_rate) : apply_span<1>(s, rate, lag_rate);
}

// ---- averaged weights ----------------------------------------------------------------------------------------------

// All elements of the item, whether rows are marked or not.
template <int W, class T, class F> DEVICE void each_element(const span<T> &s, F f) {
  each<W>(0, s.row > 0 ? s.n * s.row : s.n, static_cast<int>(threadIdx.x), BLOCK, f);
}

template <int W, class T> DEVICE void average_span(const span<T> &s, float scale) {
  each_element<W>(s, [&](int i, auto w) {
    constexpr int N = decltype(w)::value;
    float p[N], lag[N];
    load<N>(p, s.p + i);
    if (s.lag != nullptr) {
      load<N>(lag, s.lag + i);
#pragma unroll
      for (int k = 0; k < N; k++) p[k] += scale * lag[k];
    }
    store<N>(s.g + i, p);
  });
}

template <class T>
__global__ void __launch_bounds__(BLOCK, RESIDENT) average_weights(const optim_work w, float scale) {
  const span<T> s = span_of<T>(w);
  s.fours ? average_span<4>(s, scale) : average_span<1>(s, scale);
}

template <int W, class T> DEVICE void rescale_span(const span<T> &s, float scale) {
  each_element<W>(s, [&](int i, auto w) {
    constexpr int N = decltype(w)::value;
    float lag[N];
    load<N>(lag, s.lag + i);
#pragma unroll
    for (int k = 0; k < N; k++) lag[k] *= scale;
    store<N>(s.lag + i, lag);
  });
}

template <class T>
__global__ void __launch_bounds__(BLOCK, RESIDENT) average_rescale(const optim_work w, float scale) {
  const span<T> s = span_of<T>(w);
  if (s.lag == nullptr) return;
  s.fours ? rescale_span<4>(s, scale) : rescale_span<1>(s, scale);
}

// ---- launchers -----------------------------------------------------------------------------------------------------

cudaLaunchConfig_t grid(const launch *l, int64_t blocks, int threads) {
  return launch_shape(l, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), 0);
}

rule rule_of(const optim_params *p) {
  return {p->beta1, p->beta2, p->eps};
}

} // namespace

extern "C" cudaError_t launch_grad_norm(const launch *l, const optim_work *w) {
  const cudaLaunchConfig_t all = grid(l, w->n_items, BLOCK), one = grid(l, 1, SUM_BLOCK);
  const cudaError_t rc = w->n_items > 0 ? cudaLaunchKernelEx(&all, norm_items, *w) : cudaSuccess;
  if (rc != cudaSuccess) return rc;
  return cudaLaunchKernelEx(&one, norm_sum, static_cast<const double *>(w->sums), w->n_items, l->result);
}

extern "C" cudaError_t launch_adamw(const launch *l, const optim_params *p, const optim_work *w) {
  if (w->n_items == 0) return cudaSuccess;
  const cudaLaunchConfig_t all = grid(l, w->n_items, BLOCK);
  const step_result *result = l->result;
  return cudaLaunchKernelEx(&all, adamw<float>, *w, rule_of(p), l->state, result);
}

extern "C" cudaError_t launch_lamb_update(const launch *l, const optim_params *p, const optim_work *w) {
  if (p->wholes == 0) return cudaSuccess;
  const cudaLaunchConfig_t all = grid(l, w->n_items, BLOCK), tensors = grid(l, p->wholes, BLOCK);
  const step_result *result = l->result;
  const cudaError_t rc = w->n_items > 0
                             ? cudaLaunchKernelEx(&all, lamb_update<float>, *w, rule_of(p), l->state, result)
                             : cudaSuccess;
  if (rc != cudaSuccess) return rc;
  return cudaLaunchKernelEx(&tensors, lamb_norms, static_cast<const double *>(w->sums), w->first, result,
                            p->norms);
}

extern "C" cudaError_t launch_lamb_apply(const launch *l, const optim_params *p, const optim_work *w) {
  if (w->n_items == 0) return cudaSuccess;
  const cudaLaunchConfig_t all = grid(l, w->n_items, BLOCK);
  const step_result *result = l->result;
  return cudaLaunchKernelEx(&all, lamb_apply<float>, *w, static_cast<const double *>(p->norms), l->state,
                            result);
}

extern "C" cudaError_t launch_average_weights(const launch *l, const optim_params *p, const optim_work *w) {
  if (w->n_items == 0) return cudaSuccess;
  const cudaLaunchConfig_t all = grid(l, w->n_items, BLOCK);
  return cudaLaunchKernelEx(&all, average_weights<float>, *w, p->scale);
}

extern "C" cudaError_t launch_average_rescale(const launch *l, const optim_params *p, const optim_work *w) {
  if (w->n_items == 0) return cudaSuccess;
  const cudaLaunchConfig_t all = grid(l, w->n_items, BLOCK);
  return cudaLaunchKernelEx(&all, average_rescale<float>, *w, p->scale);
}
