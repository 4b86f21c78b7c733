// y = dropout(layernorm(word[ids] + type[types] + position[positions])), and the backward pass. Rows on warps
// and the norm: rows.cuh. Sums into tables: scatter.cuh.
//
// Forward: a warp a row, four rows a block, no barrier: three rows are added in registers, stored as `sum`,
// their statistics made by shuffles, and y written. Bytes an element in fp32: reads 4 of the word table (12
// in all, but rows of types, positions and popular words stay in L2), writes sum and y, 8. The floor is the
// same.
//
// Backward: one kernel makes d sum (to scratch: the tables want it in another order than it is made in), the
// partial sums of dgamma and dbeta, and `touched`; then each table's rows are sorted and added to. Reads dy
// and sum, writes d sum, 12 bytes an element; each table reads d sum (4), and its own rows that occur once or
// more (8 for each row). The floor, if nothing had to be sorted: 8 + 8 for each row of a table that occurs.
// With tables frozen d sum is not made. Sorting costs launches rather than bytes: six for up to a million
// words, of a few microseconds each, where the bytes of 32,768 tokens of 1,024 channels take an H100 some
// 250.
//
// Scratch at 32,768 tokens of 1,024 channels: d sum 128 MB, sums over rows 4 MB, 3 x 9 MB for the tables.
//
// Registers: forward 48 to 96; backward as in norm.cu; the sort 40, the sums into tables 40 to 54. Shared
// memory: 32 KB in the sort (8 warps x 1,024 counts), 8 KB and less elsewhere.
#include "rows.cuh"
#include "scatter.cuh"

namespace {

template <class T> struct embed_args {
  rows n;
  int hidden;
  const step_state *state;
  row_dropout drop;
  const int32_t *ids, *types, *positions;
  const T *word, *type, *position, *gamma, *beta;
  float eps;
  T *sum;
  float *mean, *rstd;
  T *y;
};

template <bool VEC, int QUADS, class T>
__global__ void __launch_bounds__(ROW_WARPS * 32) embed_forward(embed_args<T> a) {
  constexpr int TILE = QUADS * STEP;
  const int lane = gpu::lane_id(), H = a.hidden;
  const int row = static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id();
  if (row >= gpu::live_rows(a.n, a.state)) return;
  const size_t width = static_cast<size_t>(H), at = static_cast<size_t>(row) * width;
  const T *word = a.word + static_cast<size_t>(a.ids[row]) * width;
  const T *type = a.type + static_cast<size_t>(a.types[row]) * width;
  const T *position = a.position + static_cast<size_t>(a.positions[row]) * width;
  row_stats s = {};
  float x[QUADS][4];
  for (int tile = 0; tile < H; tile += TILE) {
    load_tile<VEC>(x, word, tile, H);
#pragma unroll
    for (int k = 0; k < QUADS; k++) {
      const int channel = tile + k * STEP + 4 * lane;
      if (tile + k * STEP >= H) break;
      float u[4], v[4];
      load_quad<VEC>(u, type, channel, H);
      load_quad<VEC>(v, position, channel, H);
#pragma unroll
      for (int i = 0; i < 4; i++) x[k][i] = x[k][i] + u[i] + v[i];
      store_quad<VEC>(a.sum + at, x[k], channel, H);
    }
    stats_add(s, x, tile, H);
  }
  const float rstd = rstd_of(s, a.eps);
  if (lane == 0) {
    a.mean[row] = s.mean;
    a.rstd[row] = rstd;
  }
  for (int tile = 0; tile < H; tile += TILE) {
    uint32_t keep[QUADS] = {};
    if (H > TILE) load_tile<VEC>(x, a.sum + at, tile, H); // reads what this lane has stored
    if (a.drop.threshold > 0) keep_words(keep, a.drop, a.state, name_of(a.drop, row), tile, H);
#pragma unroll
    for (int k = 0; k < QUADS; k++) {
      const int channel = tile + k * STEP + 4 * lane;
      if (tile + k * STEP >= H) break;
      normalize<VEC>(x[k], s.mean, rstd, a.gamma, a.beta, channel, H);
      if (a.drop.threshold > 0) drop_quad(x[k], keep[k], a.drop);
      store_quad<VEC>(a.y + at, x[k], channel, H);
    }
  }
}

// `touched` where nothing else of the backward pass is wanted.
__global__ void __launch_bounds__(256)
    touch(rows n, const step_state *state, const int32_t *ids, uint8_t *touched) {
  const int row = static_cast<int>(blockIdx.x * 256 + threadIdx.x);
  if (row < gpu::live_rows(n, state)) gpu::set_flag(touched + ids[row]);
}

template <class T> cudaError_t forward(const launch *l, const embed_params *p) {
  const embed_args<T> a = {p->n,
                           p->hidden,
                           l->state,
                           dropout_of(p->batch, p->drop),
                           p->batch->ids,
                           p->batch->types,
                           p->batch->positions,
                           static_cast<const T *>(p->word),
                           static_cast<const T *>(p->type),
                           static_cast<const T *>(p->position),
                           static_cast<const T *>(p->gamma),
                           static_cast<const T *>(p->beta),
                           p->eps,
                           static_cast<T *>(p->sum),
                           p->mean,
                           p->rstd,
                           static_cast<T *>(p->y)};
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(p->word) && on_16_bytes(p->type) &&
                   on_16_bytes(p->position) && on_16_bytes(p->gamma) && on_16_bytes(p->beta) &&
                   on_16_bytes(p->sum) && on_16_bytes(p->y);
  const cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(p->n.cap)), ROW_WARPS * 32, 0);
#define CALL(VEC, QUADS) cudaLaunchKernelEx(&c, embed_forward<VEC, QUADS, T>, a)
  return WITH_ROW_SHAPE(vec, p->hidden, CALL);
#undef CALL
}

// Scratch: d sum, the partial sums of dgamma and dbeta, and what the sums into each table need.
size_t dsum_bytes(const embed_params *p) {
  return whole_256(static_cast<size_t>(p->n.cap) * static_cast<size_t>(p->hidden) * sizeof(float));
}

template <class T> cudaError_t backward(const launch *l, const embed_params *p) {
  const bool tables = p->dword != NULL || p->dtype != NULL || p->dposition != NULL;
  const bool norm = p->dgamma != NULL || p->dbeta != NULL;
  const bool whole = p->hidden % 4 == 0;
  char *scratch = static_cast<char *>(l->scratch);
  float *dsum = reinterpret_cast<float *>(scratch);
  scratch += dsum_bytes(p);
  if (p->touched != NULL && !tables && !norm) {
    const cudaLaunchConfig_t c =
        launch_shape(l, dim3(static_cast<unsigned>(max(1, gpu::ceil_div(p->n.cap, 256)))), 256, 0);
    return cudaLaunchKernelEx(&c, touch, p->n, l->state, p->batch->ids, p->touched);
  }
  if (!tables && !norm) return cudaSuccess;
  back_args<T, float> a = {};
  a.n = p->n;
  a.hidden = p->hidden;
  a.state = l->state;
  a.drop = dropout_of(p->batch, p->drop);
  a.dy = static_cast<const T *>(p->dy);
  a.x = static_cast<const T *>(p->sum);
  a.gamma = static_cast<const T *>(p->gamma);
  a.mean = p->mean;
  a.rstd = p->rstd;
  a.dx = tables ? dsum : NULL;
  a.partial = reinterpret_cast<float *>(scratch);
  scratch += partial_bytes(p->n.cap, p->hidden);
  a.ids = p->batch->ids;
  a.touched = p->touched;
  const bool vec = whole && on_16_bytes(p->dy) && on_16_bytes(p->sum) && on_16_bytes(p->gamma);
  const cudaError_t rc = launch_norm_back<true>(l, a, vec, p->dgamma, p->dbeta);
  if (rc != cudaSuccess || !tables) return rc;
  scatter_args<float, float> s = {};
  s.n = p->n;
  s.hidden = p->hidden;
  s.state = l->state;
  s.from = dsum;
  int n = 0;
  const int cap = p->n.cap;
  const batch_view *b = p->batch;
  if (p->dword != NULL)
    scatter_table_make(&s.table[n++], b->ids, p->dword, p->vocab, cap, p->hidden, &scratch);
  if (p->dtype != NULL)
    scatter_table_make(&s.table[n++], b->types, p->dtype, p->n_types, cap, p->hidden, &scratch);
  if (p->dposition != NULL)
    scatter_table_make(&s.table[n++], b->positions, p->dposition, p->n_positions, cap, p->hidden, &scratch);
  return launch_scatter(l, s, n,
                        whole && on_16_bytes(p->dword) && on_16_bytes(p->dtype) && on_16_bytes(p->dposition));
}

} // namespace

extern "C" cudaError_t launch_embed_forward(const launch *l, const embed_params *p) {
  return l->act_size == sizeof(float) ? forward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" cudaError_t launch_embed_backward(const launch *l, const embed_params *p) {
  return l->act_size == sizeof(float) ? backward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" size_t launch_embed_scratch(const embed_params *p, size_t act_size) {
  (void)act_size;
  return dsum_bytes(p) + partial_bytes(p->n.cap, p->hidden) +
         MOST_TABLES * scatter_table_bytes(p->n.cap, p->hidden);
}
