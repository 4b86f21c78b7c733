// Forward: y[i,:] = x[index[i],:]. Backward: dx[index[i],:] += dy[i,:], where indices may repeat
// (scatter.cuh), or are known to be distinct.
//
// Forward: a warp a row, four steps of 128 channels at a time, loads first. Reads and writes an element once,
// 8 bytes in fp32, which is the floor; no arithmetic. Registers: 28 (40 where rows are not whole quads). No
// shared memory.
//
// Backward with distinct indices: the same, and nothing is sorted or kept: two reads and a write an element, 12 bytes,
// one launch instead of five to eight and no scratch. No two warps have the same row of dx.
#include "rows.cuh"
#include "scatter.cuh"

namespace {

template <class T> struct gather_args {
  rows n;
  int hidden;
  const step_state *state;
  const int32_t *index;
  const T *x;
  T *y;
};

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) gather(gather_args<T> a) {
  const int row = static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id(), H = a.hidden;
  if (row >= gpu::live_rows(a.n, a.state)) return;
  const T *from = a.x + static_cast<size_t>(a.index[row]) * static_cast<size_t>(H);
  T *to = a.y + static_cast<size_t>(row) * static_cast<size_t>(H);
  for (int tile = 0; tile < H; tile += 4 * STEP) {
    float x[4][4];
    load_tile<VEC>(x, from, tile, H);
#pragma unroll
    for (int k = 0; k < 4; k++) store_quad<VEC>(to, x[k], tile + k * STEP + 4 * gpu::lane_id(), H);
  }
}

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) gather_add(gather_args<T> a) {
  const int row = static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id(), H = a.hidden;
  if (row >= gpu::live_rows(a.n, a.state)) return;
  const T *from = a.x + static_cast<size_t>(row) * static_cast<size_t>(H);
  T *to = a.y + static_cast<size_t>(a.index[row]) * static_cast<size_t>(H);
  for (int tile = 0; tile < H; tile += 4 * STEP) {
    float x[4][4], sum[4][4];
    load_tile<VEC>(x, from, tile, H);
    load_tile<VEC>(sum, to, tile, H);
#pragma unroll
    for (int k = 0; k < 4; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) sum[k][i] += x[k][i];
      store_quad<VEC>(to, sum[k], tile + k * STEP + 4 * gpu::lane_id(), H);
    }
  }
}

template <class T> cudaError_t forward(const launch *l, const gather_params *p) {
  const gather_args<T> a = {
      p->n, p->hidden, l->state, p->index, static_cast<const T *>(p->x), static_cast<T *>(p->y)};
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(p->x) && on_16_bytes(p->y);
  const cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(p->n.cap)), ROW_WARPS * 32, 0);
  return vec ? cudaLaunchKernelEx(&c, gather<true, T>, a) : cudaLaunchKernelEx(&c, gather<false, T>, a);
}

template <class T> cudaError_t backward_distinct(const launch *l, const gather_params *p) {
  const gather_args<T> a = {
      p->n, p->hidden, l->state, p->index, static_cast<const T *>(p->dy), static_cast<T *>(p->dx)};
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(p->dy) && on_16_bytes(p->dx);
  const cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(p->n.cap)), ROW_WARPS * 32, 0);
  return vec ? cudaLaunchKernelEx(&c, gather_add<true, T>, a)
             : cudaLaunchKernelEx(&c, gather_add<false, T>, a);
}

template <class T> cudaError_t backward(const launch *l, const gather_params *p) {
  if (p->distinct) return backward_distinct<T>(l, p);
  scatter_args<T, T> a = {};
  a.n = p->n;
  a.hidden = p->hidden;
  a.state = l->state;
  a.from = static_cast<const T *>(p->dy);
  char *scratch = static_cast<char *>(l->scratch);
  scatter_table_make(&a.table[0], p->index, static_cast<T *>(p->dx), p->source.cap, p->n.cap, p->hidden,
                     &scratch);
  return launch_scatter(l, a, 1, p->hidden % 4 == 0 && on_16_bytes(p->dy) && on_16_bytes(p->dx));
}

} // namespace

extern "C" cudaError_t launch_gather_forward(const launch *l, const gather_params *p) {
  return l->act_size == sizeof(float) ? forward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" cudaError_t launch_gather_backward(const launch *l, const gather_params *p) {
  return l->act_size == sizeof(float) ? backward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" size_t launch_gather_scratch(const gather_params *p, size_t act_size) {
  (void)act_size;
  return p->distinct ? 0 : scatter_table_bytes(p->n.cap, p->hidden);
}
