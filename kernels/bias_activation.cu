// y = activation(z + b) behind a matmul z = x w^T, and on the way back dz = dy activation'(z), db = column sums of dz.
//
// Activations (Hendrycks, Gimpel: Gaussian error linear units, 2016):
//   gelu       z Phi(z) = z (1 + erf(z / sqrt 2)) / 2
//   gelu_new   z s(2u), u = sqrt(2/pi) (z + 0.044715 z^3), s the logistic function: (1 + tanh u) / 2 = s(2u)
//   tanh
// Slopes: gelu Phi(z) + z phi(z); gelu_new s + z s (1 - s) 2 u'; tanh 1 - y^2. s and 1 - s are both made from
// exp(-|2u|), since 1 - s would cancel where it is multiplied by u' ~ z^2.
//
// Layout. A block is 32 lanes x 8 rows; a lane owns 4 columns (1 where rows are not 16-byte aligned) and goes down a
// tile of rows, so a warp's access is 512 bytes of a row, and the bias is read once a tile. Forward takes tiles of 32
// rows. Backward takes 128: it leaves one row of column sums a tile in scratch (1/128 of the traffic), which a second
// kernel adds up, again 8 rows of threads a column. Sums are made in an order that depends on shapes only, so
// a repeat gives the same bits; atomics on db would not, and a single block a column would leave most of the device idle.
//
// Bytes an element, which is the floor: forward reads the matmul, writes z (where it is kept and there is a bias) and
// y; backward reads dy and z, writes dz. Without an activation the backward pass reads dy for db and writes nothing but
// zeros in dead rows; forward without bias and activation is no kernel at all. Considered: the bias in cuBLASLt's
// epilogue, which saves the forward pass where there is no activation, at the price of a second path for what the
// library refuses.
//
// Rows past the live count: y stays as it is, dy becomes 0 up to the capacity, since the matmuls of a captured graph
// run over whole capacities and must get nothing from there.
//
// Expected: up to 40 registers, 4 KB of shared memory (backward).
#include "gpu.cuh"
#include "launch.h"
#include "philox.cuh"
#include "tile_sums.cuh"

namespace {

constexpr int FORWARD_ROWS = 32, BACKWARD_ROWS = 128;
constexpr int GRID_Y = 65535;

constexpr float GELU_A = 0.7978845608028654f, GELU_B = 0.044715f; // sqrt(2/pi)
constexpr float ROOT_HALF = 0.7071067811865476f, PHI_0 = 0.3989422804014327f;

// The logistic function of x, and of -x.
DEVICE void logistic(float x, float *s, float *rest) {
  const float e = expf(-fabsf(x)), large = 1.0f / (1.0f + e), small = e * large;
  *s = x < 0.0f ? small : large;
  *rest = x < 0.0f ? large : small;
}

template <activation K> DEVICE float activate(float z) {
  if (K == ACT_GELU_ERF) return 0.5f * z * (1.0f + erff(z * ROOT_HALF));
  if (K == ACT_TANH) return tanhf(z);
  if (K == ACT_GELU_TANH) {
    float s, rest;
    logistic(2.0f * GELU_A * (z + GELU_B * z * z * z), &s, &rest);
    return z * s;
  }
  return z;
}

// By z (GELU) or by y (tanh).
template <activation K> DEVICE float slope(float v) {
  if (K == ACT_GELU_ERF) return 0.5f * (1.0f + erff(v * ROOT_HALF)) + v * PHI_0 * expf(-0.5f * v * v);
  if (K == ACT_TANH) return 1.0f - v * v;
  if (K == ACT_GELU_TANH) {
    float s, rest;
    logistic(2.0f * GELU_A * (v + GELU_B * v * v * v), &s, &rest);
    return s + v * s * rest * 2.0f * GELU_A * (1.0f + 3.0f * GELU_B * v * v);
  }
  return 1.0f;
}

template <class T, int V> DEVICE void load(float (&x)[V], const T *p) {
  if constexpr (V == 4)
    gpu::load4(x, p);
  else
    x[0] = gpu::to_float(*p);
}
template <class T, int V> DEVICE void store(T *p, const float (&x)[V]) {
  if constexpr (V == 4)
    gpu::store4(p, x);
  else
    *p = gpu::from_float<T>(x[0]);
}

// y = activation(z + b), and z += b where z is another array than y.
template <class T, int V, activation K>
__global__ void __launch_bounds__(TILE_THREADS)
    bias_activation(T *y, T *z, const T *bias, int out, rows n, const step_state *state) {
  const int column = (static_cast<int>(blockIdx.x) * LANES + static_cast<int>(threadIdx.x)) * V;
  if (column >= out) return; // no barrier follows
  const int live = gpu::live_rows(n, state);
  float b[V] = {};
  if (bias != nullptr) load<T, V>(b, bias + column);
  const bool keep = z != y && bias != nullptr;
  const int step = static_cast<int>(gridDim.y) * FORWARD_ROWS;
  for (int tile = static_cast<int>(blockIdx.y) * FORWARD_ROWS; tile < live; tile += step) {
#pragma unroll
    for (int r = 0; r < FORWARD_ROWS; r += TALL) {
      const int row = tile + r + static_cast<int>(threadIdx.y);
      if (row >= live) break;
      const size_t at = static_cast<size_t>(row) * static_cast<size_t>(out) + static_cast<size_t>(column);
      float v[V];
      load<T, V>(v, z + at);
#pragma unroll
      for (int e = 0; e < V; e++) v[e] += b[e];
      if (keep) store<T, V>(z + at, v);
#pragma unroll
      for (int e = 0; e < V; e++) v[e] = activate<K>(v[e]);
      store<T, V>(y + at, v);
    }
  }
}

// Tile blockIdx.y; its column sums become row blockIdx.y of partials [tiles,out] unless that is NULL.
template <class T, int V, activation K>
__global__ void __launch_bounds__(TILE_THREADS)
    bias_activation_back(T *dy, const T *saved, float *partials, int out, rows n, const step_state *state) {
  const int column = (static_cast<int>(blockIdx.x) * LANES + static_cast<int>(threadIdx.x)) * V;
  const int tile = static_cast<int>(blockIdx.y) * BACKWARD_ROWS;
  const int live = gpu::live_rows(n, state);
  float sum[V] = {};
  for (int r = static_cast<int>(threadIdx.y); r < BACKWARD_ROWS && column < out; r += TALL) {
    const int row = tile + r;
    if (row >= n.cap) break;
    const size_t at = static_cast<size_t>(row) * static_cast<size_t>(out) + static_cast<size_t>(column);
    float g[V] = {};
    if (row < live) {
      load<T, V>(g, dy + at);
      if (K != ACT_NONE) {
        float v[V];
        load<T, V>(v, saved + at);
#pragma unroll
        for (int e = 0; e < V; e++) g[e] *= slope<K>(v[e]);
      }
    }
    if (K != ACT_NONE || row >= live) store<T, V>(dy + at, g);
#pragma unroll
    for (int e = 0; e < V; e++) sum[e] += g[e];
  }
  if (partials != nullptr) keep_sums(partials, sum, V, out);
}

// to[j] += the sum of partials[:,j].
__global__ void __launch_bounds__(TILE_THREADS)
    add_partials(float *to, const float *partials, int parts, int columns) {
  __shared__ float part[TALL][LANES];
  const int lane = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int column = static_cast<int>(blockIdx.x) * LANES + lane;
  float sum = 0.0f;
  for (int r = y; r < parts && column < columns; r += TALL)
    sum += partials[static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(column)];
  part[y][lane] = sum;
  __syncthreads();
  if (y > 0 || column >= columns) return;
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < TALL; i++) total += part[i][lane];
  to[column] += total;
}

// ---- launchers ---------------------------------------------------------------------------------------------------

bool aligned(const void *p, size_t bytes) {
  return reinterpret_cast<uintptr_t>(p) % bytes == 0; // NULL is
}

cudaLaunchConfig_t configure(const launch *l, int columns, int tiles) {
  const dim3 grid(static_cast<unsigned>(gpu::ceil_div(columns, LANES)), static_cast<unsigned>(tiles));
  return launch_shape(l, grid, dim3(LANES, TALL), 0);
}

template <class T, int V, activation K> cudaError_t forward(const launch *l, const linear_params *p) {
  const int tiles = gpu::ceil_div(p->n.cap, FORWARD_ROWS);
  const cudaLaunchConfig_t c = configure(l, gpu::ceil_div(p->out, V), tiles < GRID_Y ? tiles : GRID_Y);
  T *y = static_cast<T *>(p->y);
  T *z = p->pre != nullptr ? static_cast<T *>(p->pre) : y;
  return cudaLaunchKernelEx(&c, bias_activation<T, V, K>, y, z, static_cast<const T *>(p->b), p->out, p->n,
                            l->state);
}

template <class T, int V, activation K> cudaError_t backward(const launch *l, const linear_params *p) {
  const int tiles = gpu::ceil_div(p->n.cap, BACKWARD_ROWS);
  const cudaLaunchConfig_t c = configure(l, gpu::ceil_div(p->out, V), tiles);
  const T *saved = static_cast<const T *>(K == ACT_TANH ? p->y : p->pre);
  float *partials = p->db != nullptr ? static_cast<float *>(l->scratch) : nullptr;
  return cudaLaunchKernelEx(&c, bias_activation_back<T, V, K>, static_cast<T *>(p->dy), saved, partials,
                            p->out, p->n, l->state);
}

template <class T, int V> cudaError_t forward_kind(const launch *l, const linear_params *p) {
  switch (p->kind) {
  case ACT_GELU_TANH:
    return forward<T, V, ACT_GELU_TANH>(l, p);
  case ACT_GELU_ERF:
    return forward<T, V, ACT_GELU_ERF>(l, p);
  case ACT_TANH:
    return forward<T, V, ACT_TANH>(l, p);
  case ACT_NONE:
    break;
  }
  return forward<T, V, ACT_NONE>(l, p);
}

template <class T, int V> cudaError_t backward_kind(const launch *l, const linear_params *p) {
  switch (p->kind) {
  case ACT_GELU_TANH:
    return backward<T, V, ACT_GELU_TANH>(l, p);
  case ACT_GELU_ERF:
    return backward<T, V, ACT_GELU_ERF>(l, p);
  case ACT_TANH:
    return backward<T, V, ACT_TANH>(l, p);
  case ACT_NONE:
    break;
  }
  return backward<T, V, ACT_NONE>(l, p);
}

template <class T> cudaError_t forward_type(const launch *l, const linear_params *p) {
  const size_t bytes = 4 * sizeof(T);
  const bool wide = p->out % 4 == 0 && aligned(p->y, bytes) && aligned(p->pre, bytes) && aligned(p->b, bytes);
  return wide ? forward_kind<T, 4>(l, p) : forward_kind<T, 1>(l, p);
}

template <class T> cudaError_t backward_type(const launch *l, const linear_params *p) {
  const size_t bytes = 4 * sizeof(T);
  const bool wide =
      p->out % 4 == 0 && aligned(p->dy, bytes) && aligned(p->kind == ACT_TANH ? p->y : p->pre, bytes);
  return wide ? backward_kind<T, 4>(l, p) : backward_kind<T, 1>(l, p);
}

} // namespace

extern "C" cudaError_t launch_bias_activation(const launch *l, const linear_params *p) {
  if (p->n.cap < 1 || (p->kind == ACT_NONE && p->b == nullptr)) return cudaSuccess;
  return forward_type<float>(l, p);
}

extern "C" cudaError_t launch_bias_activation_backward(const launch *l, const linear_params *p) {
  if (p->n.cap < 1) return cudaSuccess;
  const cudaError_t rc = backward_type<float>(l, p);
  if (rc != cudaSuccess || p->db == nullptr) return rc;
  return launch_add_partials(l, p->db, static_cast<const float *>(l->scratch),
                             gpu::ceil_div(p->n.cap, BACKWARD_ROWS), p->out);
}

extern "C" size_t launch_bias_activation_scratch(const linear_params *p, size_t) {
  return static_cast<size_t>(gpu::ceil_div(p->n.cap, BACKWARD_ROWS)) * static_cast<size_t>(p->out) *
         sizeof(float);
}

extern "C" cudaError_t launch_add_partials(const launch *l, float *to, const float *partials, int32_t parts,
                                           int32_t columns) {
  if (columns < 1) return cudaSuccess;
  const cudaLaunchConfig_t c = configure(l, columns, 1);
  return cudaLaunchKernelEx(&c, add_partials, to, partials, parts, columns);
}
