// y[:, at : at + width] = or += scale factor o x, and on the way back dx = scale factor o dy and dfactor += scale times the
// sum over rows of x o dy: the inner columns of low-rank adapters (width: their rank), and their outputs where these are a
// part of a fused layer's.
//
// Layout: a block is 32 lanes x 8 rows of threads (tile_sums.cuh), a lane owns a column and goes down a tile of 128 rows.
// Ranks are 4 to 64, rows of 16 to 256 bytes, so a warp's access is a row or a piece of one; the slices of wide rows are read
// 128 bytes at a time. Bytes: forward reads x (and y where it is added to) and writes y; backward reads dy, and x for the
// factors, and writes dx: the floor. A vector of four columns a lane was considered; the ops are a hundredth of the step that they
// belong to, and odd ranks and offsets would need a second kernel.
//
// Sums for the factors: one row of column sums a tile in scratch, added up in order by launch_add_partials, so that a repeat
// gives the same bits. Rows past the live count are not touched. dx may be dy: each thread reads and writes the same elements.
//
// Expected: below 32 registers, 4 KB of shared memory (backward).
#include "gpu.cuh"
#include "launch.h"
#include "philox.cuh"
#include "tile_sums.cuh"

namespace {

constexpr int ROWS = 128, GRID_Y = 65535;

template <class T> struct scale_args {
  rows n;
  int width, y_width, at;
  const step_state *state;
  const T *x, *factor;
  float scale;
  T *y;
  const T *dy;
  T *dx;
  float *partials; // [tiles,width]; NULL: not wanted
};

template <class T> DEVICE float factor_of(const scale_args<T> &a, int column) {
  return a.factor != nullptr ? a.scale * gpu::to_float(a.factor[column]) : a.scale;
}

template <bool ADD, class T> __global__ void __launch_bounds__(TILE_THREADS) scale_rows(scale_args<T> a) {
  const int column = static_cast<int>(blockIdx.x) * LANES + static_cast<int>(threadIdx.x);
  if (column >= a.width) return; // no barrier follows
  const float f = factor_of(a, column);
  const int live = gpu::live_rows(a.n, a.state), step = static_cast<int>(gridDim.y) * ROWS;
  for (int tile = static_cast<int>(blockIdx.y) * ROWS; tile < live; tile += step)
    for (int r = static_cast<int>(threadIdx.y); r < ROWS && tile + r < live; r += TALL) {
      const size_t row = static_cast<size_t>(tile + r);
      T *y = a.y + row * static_cast<size_t>(a.y_width) + static_cast<size_t>(a.at + column);
      float v = f * gpu::to_float(a.x[row * static_cast<size_t>(a.width) + static_cast<size_t>(column)]);
      if (ADD) v += gpu::to_float(*y);
      *y = gpu::from_float<T>(v);
    }
}

// Tile blockIdx.y.
template <class T> __global__ void __launch_bounds__(TILE_THREADS) scale_back(scale_args<T> a) {
  const int column = static_cast<int>(blockIdx.x) * LANES + static_cast<int>(threadIdx.x);
  const bool mine = column < a.width;
  const float f = mine ? factor_of(a, column) : 0.0f;
  const int live = gpu::live_rows(a.n, a.state), tile = static_cast<int>(blockIdx.y) * ROWS;
  float sum = 0.0f;
  for (int r = static_cast<int>(threadIdx.y); mine && r < ROWS && tile + r < live; r += TALL) {
    const size_t row = static_cast<size_t>(tile + r);
    const size_t at = row * static_cast<size_t>(a.width) + static_cast<size_t>(column);
    const float g =
        gpu::to_float(a.dy[row * static_cast<size_t>(a.y_width) + static_cast<size_t>(a.at + column)]);
    if (a.partials != nullptr) sum += gpu::to_float(a.x[at]) * g;
    a.dx[at] = gpu::from_float<T>(f * g);
  }
  sum *= a.scale;
  if (a.partials != nullptr) keep_sums(a.partials, &sum, 1, a.width);
}

int tiles_of(const scale_params *p) {
  return gpu::ceil_div(p->n.cap, ROWS);
}

template <class T> scale_args<T> arguments(const launch *l, const scale_params *p) {
  scale_args<T> a = {};
  a.n = p->n;
  a.width = p->width;
  a.y_width = p->y_width > 0 ? p->y_width : p->width;
  a.at = p->at;
  a.state = l->state;
  a.x = static_cast<const T *>(p->x);
  a.factor = static_cast<const T *>(p->factor);
  a.scale = p->scale;
  a.y = static_cast<T *>(p->y);
  a.dy = static_cast<const T *>(p->dy);
  a.dx = static_cast<T *>(p->dx);
  a.partials = p->dfactor != nullptr ? static_cast<float *>(l->scratch) : nullptr;
  return a;
}

cudaLaunchConfig_t configure(const launch *l, const scale_params *p, int tiles) {
  const dim3 grid(static_cast<unsigned>(gpu::ceil_div(p->width, LANES)), static_cast<unsigned>(tiles));
  return launch_shape(l, grid, dim3(LANES, TALL), 0);
}

} // namespace

extern "C" cudaError_t launch_scale_forward(const launch *l, const scale_params *p) {
  if (p->n.cap < 1) return cudaSuccess;
  const cudaLaunchConfig_t c = configure(l, p, tiles_of(p) < GRID_Y ? tiles_of(p) : GRID_Y);
  const scale_args<float> a = arguments<float>(l, p);
  return p->y_add ? cudaLaunchKernelEx(&c, scale_rows<true, float>, a)
                  : cudaLaunchKernelEx(&c, scale_rows<false, float>, a);
}

extern "C" cudaError_t launch_scale_backward(const launch *l, const scale_params *p) {
  if (p->n.cap < 1) return cudaSuccess;
  const cudaLaunchConfig_t c = configure(l, p, tiles_of(p));
  const cudaError_t rc = cudaLaunchKernelEx(&c, scale_back<float>, arguments<float>(l, p));
  if (rc != cudaSuccess || p->dfactor == nullptr) return rc;
  return launch_add_partials(l, p->dfactor, static_cast<const float *>(l->scratch), tiles_of(p), p->width);
}

extern "C" size_t launch_scale_scratch(const scale_params *p) {
  return static_cast<size_t>(tiles_of(p)) * static_cast<size_t>(p->width) * sizeof(float);
}
