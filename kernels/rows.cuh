// Rows of channels on warps: what the embedding, the norms and the gather share.
//
// A warp has a row, in steps of 128 channels: lane l holds the quads (4 channels, 16 bytes of float) that
// begin at 128 k + 4 l, so that an access of a warp is 512 consecutive bytes. A tile is QUADS such steps,
// kept in registers; a row of up to QUADS * 128 channels is read once, a longer one tile by tile, and again
// where its statistics must be known first. Why a warp and not a block: statistics then need shuffles and no barrier,
// and a batch has enough rows to fill the device.
//
// VEC: rows are whole quads (hidden % 4 == 0) and tensors lie on 16 bytes, so a quad is one access. Otherwise
// the same lanes hold the same channels, loaded one by one, with zeros past the end.
//
// The backward pass of y = (x - mean) rstd gamma + beta (Ba, Kiros, Hinton: Layer normalization, 2016), with
// g = dy gamma and h = (x - mean) rstd:
//   dx = rstd (g - avg(g) - h avg(g h)),  dgamma = sum dy h,  dbeta = sum dy.
// The sums over rows are made in two stages of a fixed shape: a block keeps those of the rows it has, in
// registers; then a kernel adds the partial sums of all blocks, in an order that depends on nothing but the
// capacity. Rows wider than a tile have no registers left for that: column_sums reads dy and x once more, a
// strip of 128 columns a block.
#pragma once
#include "gpu.cuh"
#include "launch.h"
#include "philox.cuh"

namespace {

constexpr int STEP = 128;          // channels that a warp takes at once
constexpr int ROW_WARPS = 4;       // warps of a block of the kernels over rows
constexpr int MOST_PARTS = 512;    // blocks that keep sums over rows
constexpr int ROWS_OF_A_PART = 16; // with fewer rows the second stage would have more work

// ---- quads ------------------------------------------------------------------------------------------------

template <bool VEC, class T> DEVICE void load_quad(float (&x)[4], const T *row, int channel, int hidden) {
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] = 0;
  if constexpr (VEC) {
    if (channel < hidden) gpu::load4(x, row + channel);
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (channel + i < hidden) x[i] = gpu::to_float(row[channel + i]);
  }
}

template <bool VEC, class T> DEVICE void store_quad(T *row, const float (&x)[4], int channel, int hidden) {
  if constexpr (VEC) {
    if (channel < hidden) gpu::store4(row + channel, x);
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (channel + i < hidden) row[channel + i] = gpu::from_float<T>(x[i]);
  }
}

// The lane's quads of a tile. Only loads, so that all of them are in flight before the first is used.
template <bool VEC, int QUADS, class T>
DEVICE void load_tile(float (&x)[QUADS][4], const T *row, int tile, int hidden) {
#pragma unroll
  for (int k = 0; k < QUADS; k++) load_quad<VEC>(x[k], row, tile + k * STEP + 4 * gpu::lane_id(), hidden);
}

template <class T> inline bool on_16_bytes(const T *p) {
  return (reinterpret_cast<uintptr_t>(p) & 15) == 0;
}

// ---- dropout ----------------------------------------------------------------------------------------------

typedef struct row_dropout {
  const int32_t *seq_of, *cu_seqlens; // NULL without dropout
  const int64_t *seq_ids;
  uint32_t site, threshold;
  float scale;
} row_dropout;

inline row_dropout dropout_of(const batch_view *b, dropout drop) {
  if (drop.threshold == 0) return {};
  return {b->seq_of, b->cu_seqlens, b->seq_ids, drop.site, drop.threshold, dropout_scale(drop.threshold)};
}

// What identifies a row in the dropout counters: its sequence id and its position in the sequence.
typedef struct row_name {
  int64_t sequence;
  int position;
} row_name;

DEVICE row_name name_of(const row_dropout &d, int row) {
  if (d.threshold == 0) return {0, 0};
  const int s = d.seq_of[row];
  return {d.seq_ids[s], row - d.cu_seqlens[s]};
}

// word[k]: the four random bytes of the lane's quad k of the tile that begins at channel `tile`. A counter serves 16
// channels, the quads of four lanes: lane 4 q + j computes the 16 bytes that lanes 4 q .. 4 q + 3 need in step j of
// four, and the lanes exchange them like a 4 x 4 transpose, in two rounds. All 32 lanes must call.
template <int QUADS>
DEVICE void keep_words(uint32_t (&word)[QUADS], const row_dropout &d, const step_state *s, row_name name,
                       int tile, int hidden) {
  static_assert(QUADS % 4 == 0, "four steps share their counters");
  const int lane = gpu::lane_id(), j = lane & 3;
#pragma unroll
  for (int k = 0; k < QUADS; k += 4) {
    const int first = tile + k * STEP;
    if (first >= hidden) break;
    const uint4 v = gpu::hidden_bytes(s, d.site, name.sequence, name.position, first / 16 + 8 * j + lane / 4);
    uint32_t a[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const uint32_t got = __shfl_xor_sync(gpu::FULL_WARP, j & 1 ? a[i] : a[i + 1], 1);
      if (j & 1)
        a[i] = got;
      else
        a[i + 1] = got;
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const uint32_t got = __shfl_xor_sync(gpu::FULL_WARP, j & 2 ? a[i] : a[i + 2], 2);
      if (j & 2)
        a[i] = got;
      else
        a[i + 2] = got;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) word[k + i] = a[i];
  }
}

DEVICE void drop_quad(float (&x)[4], uint32_t word, const row_dropout &d) {
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] = (word >> (8 * i) & 255u) < d.threshold ? 0.0f : x[i] * d.scale;
}

// ---- stochastic depth --------------------------------------------------------------------------------------

typedef struct row_path {
  const int32_t *seq_of; // NULL without
  const int64_t *seq_ids;
  uint32_t site, threshold;
  float scale;
} row_path;

inline row_path path_of(const batch_view *b, dropout path) {
  if (path.threshold == 0) return {};
  return {b->seq_of, b->seq_ids, path.site, path.threshold, dropout_scale(path.threshold)};
}

// The row's factor, 0 if it goes without the branch: the same in all lanes, each of which computes it, since that is one
// Philox for the warp.
DEVICE float path_factor(const row_path &p, const step_state *s, int row) {
  if (p.threshold == 0) return 1.0f;
  return gpu::keeps_path(s, p.site, p.seq_ids[p.seq_of[row]], p.threshold) ? p.scale : 0.0f;
}

// (A product with 0 would keep infinities.)
DEVICE void path_quad(float (&x)[4], float factor) {
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] = factor > 0 ? x[i] * factor : 0.0f;
}

// ---- statistics of a row ----------------------------------------------------------------------------------

typedef struct row_stats {
  float mean, squares; // squares: sum of squared distances from the mean
  int channels;
} row_stats;

// Adds the tile that begins at channel `tile` to the statistics. The tile's mean is computed first and then the
// distances from it, because the difference of two large sums of squares loses its digits if the mean is far from 0.
// Tiles are combined as in Chan, Golub, LeVeque (Updating formulae and a pairwise algorithm for computing sample
// variances, 1979).
template <int QUADS> DEVICE void stats_add(row_stats &s, const float (&x)[QUADS][4], int tile, int hidden) {
  const int lane = gpu::lane_id(), n = min(QUADS * STEP, hidden - tile);
  float sum = 0;
#pragma unroll
  for (int k = 0; k < QUADS; k++)
    if (tile + k * STEP < hidden) sum += (x[k][0] + x[k][1]) + (x[k][2] + x[k][3]); // zeros past the end
  const float mean = gpu::warp_sum(sum) / static_cast<float>(n);
  float squares = 0;
#pragma unroll
  for (int k = 0; k < QUADS; k++)
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float distance = x[k][i] - mean;
      if (tile + k * STEP + 4 * lane + i < hidden) squares += distance * distance;
    }
  squares = gpu::warp_sum(squares);
  const float before = static_cast<float>(s.channels), now = static_cast<float>(n), all = before + now;
  const float apart = mean - s.mean;
  s.mean += apart * (now / all);
  s.squares += squares + apart * apart * (before * now / all);
  s.channels += n;
}

DEVICE float rstd_of(const row_stats &s, float eps) {
  return 1.0f / sqrtf(s.squares / static_cast<float>(s.channels) + eps);
}

// x becomes the lane's quad of the norm's output.
template <bool VEC, class T>
DEVICE void normalize(float (&x)[4], float mean, float rstd, const T *gamma, const T *beta, int channel,
                      int hidden) {
  float g[4], b[4];
  load_quad<VEC>(g, gamma, channel, hidden);
  load_quad<VEC>(b, beta, channel, hidden);
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] = (x[i] - mean) * rstd * g[i] + b[i];
}

// ---- backward ---------------------------------------------------------------------------------------------

// dx = path(dropout(d sum)), where d sum = back(dy) + dsum; or, with drop_dy, d sum = back(dropout(dy)) and dx = d
// sum.
template <class T, class To> struct back_args {
  rows n;
  int hidden;
  const step_state *state;
  row_dropout drop;
  row_path path;           // not with drop_dy
  const T *dy, *x, *gamma; // dy may be dresidual
  const float *mean, *rstd;
  const T *dsum;    // NULL: none; may be dresidual
  T *dresidual;     // NULL: not wanted
  To *dx;           // NULL: not wanted
  float *partial;   // [parts][2 hidden]: dgamma, dbeta of the rows of a block
  const int *ids;   // with touched: [n]
  uint8_t *touched; // NULL: not wanted
};

// Transforms a lane's quad: g from dy to dy gamma, h from x to (x - mean) rstd; with SUMS also adds to the lane's
// sums for dgamma and dbeta.
template <bool VEC, bool SUMS, bool DROP_DY, class T, class To>
DEVICE void back_quad(const back_args<T, To> &a, int channel, float mean, float rstd, uint32_t word,
                      float (&g)[4], float (&h)[4], float (&dgamma)[4], float (&dbeta)[4]) {
  float gamma[4];
  load_quad<VEC>(gamma, a.gamma, channel, a.hidden);
  if (DROP_DY && a.drop.threshold > 0) drop_quad(g, word, a.drop);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    h[i] = (h[i] - mean) * rstd;
    if (SUMS) {
      dgamma[i] += g[i] * h[i];
      dbeta[i] += g[i];
    }
    g[i] *= gamma[i]; // 0 past the end, where h is not
  }
}

// With SUMS all channels fit the tile, and the block's sums over its rows go to partial. Dynamic shared
// memory with SUMS: 2 QUADS STEP floats.
template <bool VEC, int QUADS, bool SUMS, bool DROP_DY, class T, class To>
__global__ void __launch_bounds__(ROW_WARPS * 32, 2) norm_back(back_args<T, To> a) {
  constexpr int TILE = QUADS * STEP, KEPT = SUMS ? QUADS : 1;
  DYN_SMEM(float, total); // [2][TILE]
  const int lane = gpu::lane_id(), warp = gpu::warp_id(), H = a.hidden;
  const int live = gpu::live_rows(a.n, a.state), stride = static_cast<int>(gridDim.x) * ROW_WARPS;
  float dgamma[KEPT][4] = {}, dbeta[KEPT][4] = {};
  float g[QUADS][4], h[QUADS][4];
  const bool again = !SUMS && H > TILE; // tiles are read a second time
  uint32_t word[QUADS] = {};
  for (int row = static_cast<int>(blockIdx.x) * ROW_WARPS + warp; row < live; row += stride) {
    const size_t at = static_cast<size_t>(row) * static_cast<size_t>(H);
    float along_one = 0, along_x = 0;
    for (int tile = 0; tile < H; tile += TILE) {
      load_tile<VEC>(g, a.dy + at, tile, H);
      load_tile<VEC>(h, a.x + at, tile, H);
      const float mean = a.mean[row], rstd = a.rstd[row];
      if (a.drop.threshold > 0) keep_words(word, a.drop, a.state, name_of(a.drop, row), tile, H);
#pragma unroll
      for (int k = 0; k < QUADS; k++) {
        if (tile + k * STEP >= H) break;
        const int kept = SUMS ? k : 0;
        back_quad<VEC, SUMS, DROP_DY>(a, tile + k * STEP + 4 * lane, mean, rstd, word[k], g[k], h[k],
                                      dgamma[kept], dbeta[kept]);
#pragma unroll
        for (int i = 0; i < 4; i++) {
          along_one += g[k][i];
          along_x += g[k][i] * h[k][i];
        }
      }
    }
    if (lane == 0 && a.touched != NULL) gpu::set_flag(a.touched + a.ids[row]);
    if (a.dx == NULL && a.dresidual == NULL) continue;
    along_one = gpu::warp_sum(along_one) / static_cast<float>(H);
    along_x = gpu::warp_sum(along_x) / static_cast<float>(H);
    const float mean = a.mean[row], rstd = a.rstd[row];
    const float path = DROP_DY ? 1.0f : path_factor(a.path, a.state, row);
    for (int tile = 0; tile < H; tile += TILE) {
      if (again) {
        load_tile<VEC>(g, a.dy + at, tile, H);
        load_tile<VEC>(h, a.x + at, tile, H);
        if (a.drop.threshold > 0) keep_words(word, a.drop, a.state, name_of(a.drop, row), tile, H);
#pragma unroll
        for (int k = 0; k < QUADS; k++)
          back_quad<VEC, false, DROP_DY>(a, tile + k * STEP + 4 * lane, mean, rstd, word[k], g[k], h[k],
                                         dgamma[0], dbeta[0]);
      }
#pragma unroll
      for (int k = 0; k < QUADS; k++)
#pragma unroll
        for (int i = 0; i < 4; i++) g[k][i] = rstd * (g[k][i] - along_one - h[k][i] * along_x);
      if (a.dsum != NULL) {
        load_tile<VEC>(h, a.dsum + at, tile, H);
#pragma unroll
        for (int k = 0; k < QUADS; k++)
#pragma unroll
          for (int i = 0; i < 4; i++) g[k][i] += h[k][i];
      }
#pragma unroll
      for (int k = 0; k < QUADS; k++) {
        const int channel = tile + k * STEP + 4 * lane;
        if (tile + k * STEP >= H) break;
        // Each lane has read its channels of dy and dsum, so dresidual may alias either.
        if (a.dresidual != NULL) store_quad<VEC>(a.dresidual + at, g[k], channel, H);
        if (!DROP_DY && a.drop.threshold > 0) drop_quad(g[k], word[k], a.drop);
        if (!DROP_DY && a.path.threshold > 0) path_quad(g[k], path);
        if (a.dx != NULL) store_quad<VEC>(a.dx + at, g[k], channel, H);
      }
    }
  }
  if constexpr (SUMS) {
    for (int turn = 0; turn < ROW_WARPS; turn++) { // warps add their sums one after another
      if (warp == turn) {
#pragma unroll
        for (int k = 0; k < QUADS; k++) {
          float *to = total + k * STEP + 4 * lane;
          if (k * STEP >= H) break;
          float x[4] = {}, y[4] = {};
          if (turn > 0) gpu::load4(x, to), gpu::load4(y, to + TILE);
#pragma unroll
          for (int i = 0; i < 4; i++) x[i] += dgamma[k][i], y[i] += dbeta[k][i];
          gpu::store4(to, x), gpu::store4(to + TILE, y);
        }
      }
      __syncthreads();
    }
    float *part = a.partial + static_cast<size_t>(blockIdx.x) * 2 * static_cast<size_t>(H);
    for (int i = static_cast<int>(threadIdx.x); i < 2 * H; i += ROW_WARPS * 32)
      part[i] = i < H ? total[i] : total[TILE + i - H];
  }
}

// The same partial sums for rows wider than a tile: block (part, strip of 128 columns).
template <bool VEC, bool DROP_DY, class T, class To>
__global__ void __launch_bounds__(ROW_WARPS * 32) column_sums(back_args<T, To> a) {
  DYN_SMEM(float, total); // [ROW_WARPS][2][STEP]
  const int lane = gpu::lane_id(), warp = gpu::warp_id(), H = a.hidden;
  const int first = static_cast<int>(blockIdx.y) * STEP, channel = first + 4 * lane;
  const int live = gpu::live_rows(a.n, a.state), stride = static_cast<int>(gridDim.x) * ROW_WARPS;
  float dgamma[4] = {}, dbeta[4] = {}, g[4], h[4];
  for (int row = static_cast<int>(blockIdx.x) * ROW_WARPS + warp; row < live; row += stride) {
    uint32_t word = 0;
    if (DROP_DY && a.drop.threshold > 0) {
      const row_name name = name_of(a.drop, row);
      const uint4 bytes = gpu::hidden_bytes(a.state, a.drop.site, name.sequence, name.position, channel / 16);
      word = gpu::word_of(bytes, lane & 3);
    }
    const size_t at = static_cast<size_t>(row) * static_cast<size_t>(H);
    load_quad<VEC>(g, a.dy + at, channel, H);
    load_quad<VEC>(h, a.x + at, channel, H);
    back_quad<VEC, true, DROP_DY>(a, channel, a.mean[row], a.rstd[row], word, g, h, dgamma, dbeta);
  }
  gpu::store4(total + warp * 2 * STEP + 4 * lane, dgamma);
  gpu::store4(total + warp * 2 * STEP + STEP + 4 * lane, dbeta);
  __syncthreads();
  float *part = a.partial + static_cast<size_t>(blockIdx.x) * 2 * static_cast<size_t>(H);
  for (int i = static_cast<int>(threadIdx.x); i < 2 * STEP; i += ROW_WARPS * 32) {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < ROW_WARPS; w++) sum += total[w * 2 * STEP + i];
    const int column = first + i % STEP;
    if (column < H) part[(i < STEP ? 0 : H) + column] = sum;
  }
}

constexpr int ADD_WARPS = 8;

// dgamma and dbeta += sum of partial[parts][2 hidden]. A warp reads 32 columns of a part; eight share the
// parts.
template <int WARPS>
__global__ void __launch_bounds__(32 * WARPS)
    add_columns(const float *partial, int parts, int hidden, float *dgamma, float *dbeta) {
  DYN_SMEM(float, sums); // [WARPS][32]
  const int lane = gpu::lane_id(), warp = gpu::warp_id();
  const size_t width = 2 * static_cast<size_t>(hidden), column = static_cast<size_t>(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (column < width)
    for (int part = warp; part < parts; part += WARPS)
      sum += partial[static_cast<size_t>(part) * width + column];
  sums[warp * 32 + lane] = sum;
  __syncthreads();
  if (warp > 0 || column >= width) return;
  sum = 0;
#pragma unroll
  for (int w = 0; w < WARPS; w++) sum += sums[w * 32 + lane];
  const bool second = column >= static_cast<size_t>(hidden);
  float *to = second ? dbeta : dgamma;
  if (to != NULL) to[second ? column - static_cast<size_t>(hidden) : column] += sum;
}

// ---- launching --------------------------------------------------------------------------------------------

inline unsigned row_blocks(int capacity) {
  return static_cast<unsigned>(max(1, gpu::ceil_div(capacity, ROW_WARPS)));
}

inline int parts_of(int capacity) {
  return max(1, min(MOST_PARTS, gpu::ceil_div(capacity, ROWS_OF_A_PART)));
}

inline size_t whole_256(size_t bytes) {
  return (bytes + 255) / 256 * 256;
}

inline size_t partial_bytes(int capacity, int hidden) {
  return whole_256(static_cast<size_t>(parts_of(capacity)) * 2 * static_cast<size_t>(hidden) * sizeof(float));
}

// Calls f<VEC, QUADS>(): tiles of 4 quads where a row is not longer.
#define WITH_ROW_SHAPE(vec, hidden, CALL) \
  ((hidden) <= 4 * STEP ? ((vec) ? CALL(true, 4) : CALL(false, 4)) : ((vec) ? CALL(true, 8) : CALL(false, 8)))

// The whole backward pass through the norm: a.partial must hold partial_bytes() if dgamma or dbeta is wanted.
template <bool DROP_DY, class T, class To>
cudaError_t launch_norm_back(const launch *l, const back_args<T, To> &a, bool vec, float *dgamma,
                             float *dbeta) {
  const bool sums = dgamma != NULL || dbeta != NULL, wide = a.hidden > 8 * STEP;
  const int parts = parts_of(a.n.cap);
  cudaError_t rc = cudaSuccess;
  if (sums && wide) { // before dy is overwritten: dresidual may alias it
    const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(gpu::ceil_div(a.hidden, STEP)));
    const cudaLaunchConfig_t c = launch_shape(l, grid, ROW_WARPS * 32, ROW_WARPS * 2 * STEP * sizeof(float));
    rc = vec ? cudaLaunchKernelEx(&c, column_sums<true, DROP_DY, T, To>, a)
             : cudaLaunchKernelEx(&c, column_sums<false, DROP_DY, T, To>, a);
    if (rc != cudaSuccess) return rc;
  }
  if (sums && !wide) {
    const size_t tile = (a.hidden <= 4 * STEP ? 4 : 8) * STEP;
    const cudaLaunchConfig_t c =
        launch_shape(l, dim3(static_cast<unsigned>(parts)), ROW_WARPS * 32, 2 * tile * sizeof(float));
#define CALL(VEC, QUADS) cudaLaunchKernelEx(&c, norm_back<VEC, QUADS, true, DROP_DY, T, To>, a)
    rc = WITH_ROW_SHAPE(vec, a.hidden, CALL);
#undef CALL
  } else {
    const cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(a.n.cap)), ROW_WARPS * 32, 0);
#define CALL(VEC, QUADS) cudaLaunchKernelEx(&c, norm_back<VEC, QUADS, false, DROP_DY, T, To>, a)
    rc = WITH_ROW_SHAPE(vec, a.hidden, CALL);
#undef CALL
  }
  if (rc != cudaSuccess || !sums) return rc;
  const int columns = gpu::ceil_div(2 * a.hidden, 32);
  const cudaLaunchConfig_t c =
      launch_shape(l, dim3(static_cast<unsigned>(columns)), 32 * ADD_WARPS, ADD_WARPS * 32 * sizeof(float));
  return cudaLaunchKernelEx(&c, add_columns<ADD_WARPS>, static_cast<const float *>(a.partial), parts,
                            a.hidden, dgamma, dbeta);
}

} // namespace
