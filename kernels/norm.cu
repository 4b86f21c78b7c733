// sum = residual + path(dropout(x)), y = layernorm(sum), and the backward pass (Ba, Kiros, Hinton: Layer
// normalization, 2016; formulas and the layout of a row on a warp are in rows.cuh).
//
// Forward: a warp a row, four rows a block, no barrier. All loads of the row are issued first; while they are in
// flight, the row's sequence, position and dropout bytes are computed; then come the shuffles. Memory, bytes an
// element in fp32: reads x and residual, writes sum and y, 16; which is the floor, since each is an argument. gamma
// and beta stay in L1. Operations: about 12 a channel, and 6 more with dropout (Philox is 100 for 16 channels): at
// 3.35 TB/s an H100 moves 210 G elements a second, and would have time for some 300 operations each.
//
// Backward: the same layout; there are as many blocks as partial sums of dgamma and dbeta, and each goes over
// its rows in steps. Reads dy, sum (and dsum), writes dx (and dresidual): 12 to 20 bytes an element, the
// floor again. The partial sums are 8 bytes a column and block, written and read: 8 MB for 32,768 rows of
// 1,024, 2%. Rows of more than 1,024 channels are read three times instead of once (the last time from L2,
// mostly).
//
// Registers: forward, a row's quads and its residual's (64 at 1,024 channels), 105 to 150 in all, which leaves an SM
// 12 to 16 warps with 8 KB each in flight: more than the 20 KB or so that hide the latency of its share of memory.
// Backward, g, h and the two sums over rows (128): 166 to 224, so 8 to 12 warps of 8 KB. Rows of up to 512 channels
// take half. Shared memory: 8 KB for the sums of a block.
//
// Considered: sums over rows by atomics (not deterministic); always by a second kernel (8 more bytes an
// element); a block a row (two barriers a row, and nothing gained while there are more rows than warps).
#include "rows.cuh"

namespace {

template <class T> struct forward_args {
  rows n;
  int hidden;
  const step_state *state;
  row_dropout drop;
  row_path path;
  const T *x, *residual, *gamma, *beta; // residual NULL: none
  float eps;
  T *sum;
  float *mean, *rstd;
  T *y;
};

template <bool VEC, int QUADS, class T>
__global__ void __launch_bounds__(ROW_WARPS * 32) norm_forward(forward_args<T> a) {
  constexpr int TILE = QUADS * STEP;
  const int lane = gpu::lane_id(), H = a.hidden;
  const int row = static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id();
  if (row >= gpu::live_rows(a.n, a.state)) return;
  const size_t at = static_cast<size_t>(row) * static_cast<size_t>(H);
  row_stats s = {};
  float x[QUADS][4], residual[QUADS][4] = {};
  uint32_t word[QUADS] = {};
  for (int tile = 0; tile < H; tile += TILE) {
    load_tile<VEC>(x, a.x + at, tile, H);
    if (a.residual != NULL) load_tile<VEC>(residual, a.residual + at, tile, H);
    if (a.drop.threshold > 0) keep_words(word, a.drop, a.state, name_of(a.drop, row), tile, H);
    const float path = path_factor(a.path, a.state, row); // here, or it takes a register too many
#pragma unroll
    for (int k = 0; k < QUADS; k++) {
      if (tile + k * STEP >= H) break;
      if (a.drop.threshold > 0) drop_quad(x[k], word[k], a.drop);
      if (a.path.threshold > 0) path_quad(x[k], path);
#pragma unroll
      for (int i = 0; i < 4; i++) x[k][i] += residual[k][i];
      store_quad<VEC>(a.sum + at, x[k], tile + k * STEP + 4 * lane, H);
    }
    stats_add(s, x, tile, H);
  }
  const float rstd = rstd_of(s, a.eps);
  if (lane == 0) {
    a.mean[row] = s.mean;
    a.rstd[row] = rstd;
  }
  for (int tile = 0; tile < H; tile += TILE) {
    if (H > TILE) load_tile<VEC>(x, a.sum + at, tile, H); // reads what this lane has stored
#pragma unroll
    for (int k = 0; k < QUADS; k++) {
      const int channel = tile + k * STEP + 4 * lane;
      if (tile + k * STEP >= H) break;
      normalize<VEC>(x[k], s.mean, rstd, a.gamma, a.beta, channel, H);
      store_quad<VEC>(a.y + at, x[k], channel, H);
    }
  }
}

template <class T> cudaError_t forward(const launch *l, const norm_params *p) {
  const forward_args<T> a = {p->n,
                             p->hidden,
                             l->state,
                             dropout_of(p->batch, p->drop),
                             path_of(p->batch, p->path),
                             static_cast<const T *>(p->x),
                             static_cast<const T *>(p->residual),
                             static_cast<const T *>(p->gamma),
                             static_cast<const T *>(p->beta),
                             p->eps,
                             static_cast<T *>(p->sum),
                             p->mean,
                             p->rstd,
                             static_cast<T *>(p->y)};
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(p->x) && on_16_bytes(p->residual) &&
                   on_16_bytes(p->gamma) && on_16_bytes(p->beta) && on_16_bytes(p->sum) && on_16_bytes(p->y);
  const cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(p->n.cap)), ROW_WARPS * 32, 0);
#define CALL(VEC, QUADS) cudaLaunchKernelEx(&c, norm_forward<VEC, QUADS, T>, a)
  return WITH_ROW_SHAPE(vec, p->hidden, CALL);
#undef CALL
}

template <class T> cudaError_t backward(const launch *l, const norm_params *p) {
  back_args<T, T> a = {};
  a.n = p->n;
  a.hidden = p->hidden;
  a.state = l->state;
  a.drop = dropout_of(p->batch, p->drop);
  a.path = path_of(p->batch, p->path);
  a.dy = static_cast<const T *>(p->dy);
  a.x = static_cast<const T *>(p->sum);
  a.gamma = static_cast<const T *>(p->gamma);
  a.mean = p->mean;
  a.rstd = p->rstd;
  a.dsum = static_cast<const T *>(p->dsum);
  a.dresidual = static_cast<T *>(p->dresidual);
  a.dx = static_cast<T *>(p->dx);
  a.partial = static_cast<float *>(l->scratch);
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(p->dy) && on_16_bytes(p->sum) && on_16_bytes(p->gamma) &&
                   on_16_bytes(p->dsum) && on_16_bytes(p->dresidual) && on_16_bytes(p->dx);
  return launch_norm_back<false>(l, a, vec, p->dgamma, p->dbeta);
}

} // namespace

extern "C" cudaError_t launch_norm_forward(const launch *l, const norm_params *p) {
  return l->act_size == sizeof(float) ? forward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" cudaError_t launch_norm_backward(const launch *l, const norm_params *p) {
  return l->act_size == sizeof(float) ? backward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" size_t launch_norm_scratch(const norm_params *p, size_t act_size) {
  (void)act_size;
  return partial_bytes(p->n.cap, p->hidden);
}
