// sum = residual + dropout(x), y = layernorm(sum), and the backward pass (Ba, Kiros, Hinton: Layer normalization, 2016;
// formulas and the layout of a row on a warp are in rows.cuh).
//
// Forward: a warp a row, four rows a block, no barrier. Random bytes first, then all loads of the row, then shuffles.
// Memory, bytes an element in fp32: reads x and residual, writes sum and y, 16; which is the floor, since each is an
// argument. gamma and beta stay in L1. Operations: about 10 a channel, and 6 more for Philox with dropout: a tenth of what an
// H100 could do in the time the bytes take.
//
// Backward: the same layout; blocks are as many as there are partial sums of dgamma and dbeta, and each goes over its
// rows in steps. Reads dy, sum (and dsum), writes dx (and dresidual), 16 to 20 bytes an element, the floor again; the
// partial sums are 8 bytes a column and block, 4 MB for 32,768 rows of 1,024, under 1%. Rows of more than
// 1,024 channels: dy and sum are read three times instead of once (the second time from L2, mostly).
//
// Registers: the forward pass keeps a row's quads (32 at 1,024 channels), under 80; the backward pass g, h and the two
// sums (128), under 200, which leaves 10 warps an SM: with 16 loads of 512 bytes each in flight, that is more than
// enough to cover memory. Shared memory: 8 KB for the sums of a block.
//
// Considered: sums over rows by atomics (not deterministic); a second kernel for them always (8 more bytes an element).
#include "rows.cuh"

namespace {

template <class T> struct forward_args {
  rows n;
  int hidden;
  const step_state *state;
  row_dropout drop;
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
#pragma unroll
    for (int k = 0; k < QUADS; k++) {
      if (tile + k * STEP >= H) break;
      if (a.drop.threshold > 0) drop_quad(x[k], word[k], a.drop);
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
    if (H > TILE) load_tile<VEC>(x, a.sum + at, tile, H); // what this lane stored
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
  return forward<float>(l, p);
}

extern "C" cudaError_t launch_norm_backward(const launch *l, const norm_params *p) {
  return backward<float>(l, p);
}

extern "C" size_t launch_norm_scratch(const norm_params *p, size_t act_size) {
  (void)act_size;
  return partial_bytes(p->n.cap, p->hidden);
}
