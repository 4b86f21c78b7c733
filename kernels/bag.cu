// Means of rows of a table: y[i,:] = mean over k in [offsets[i], offsets[i+1]) of table[index[k],:]; and on the way back
// dtable[index[k],:] += dy[i,:] / (offsets[i+1] - offsets[i]).
//
// Forward: a warp a bag, 128 channels at a time, four rows loaded before the first is added. A bag is the text of an item,
// some ten to thirty words, so there are thousands of warps of even length. Bytes: the index and each row of the table that
// is named (16 bytes a lane; popular words come from L2), y once; with every row from memory that is the floor. One long bag
// among short ones would be a warp's serial loop; texts are cut at a length (catalogue.text) so none is.
//
// Backward: the scatter-add of scatter.cuh, sorted by word, so that "the", or the token of a category, costs no more than
// other words and no float is added atomically. Its entries do not lie in memory as rows (they would be N x H): bag_spread makes
// dy / count, [n,H] in scratch, bag_owners finds by bisection which bag each entry is of, and the chunks read the rows through
// that. (A warp that writes the numbers of its own bag would leave entries that no bag has unwritten.)
// Bytes: dy read and its copy written, 8 an element; 16 a key and pass of the sort; a row of the copy read for each entry, most
// of them from L2; the rows of dtable that occur read and written.
//
// Considered: keeping the entries sorted by word beside the bags, since texts do not change from step to step; it saves the
// sort (a fifth of the bytes at 64 channels, less at more) and makes of one list two that have to agree.
//
// Registers: 32 or less in its own kernels, 54 in scatter.cuh's, which has all the shared memory.
#include "rows.cuh"
#include "scatter.cuh"

namespace {

template <class T> struct bag_args {
  rows n;
  int hidden;
  const step_state *state;
  const int32_t *offsets, *index;
  const T *table;
  T *y;
  const T *dy;
  float *shares;  // [n,H] dy / count
  int32_t *owner; // [entries] the bag of each
};

constexpr int BAG_AHEAD = 4;

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) bag_mean(bag_args<T> a) {
  const int row = static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id(), H = a.hidden;
  if (row >= gpu::live_rows(a.n, a.state)) return;
  const int first = a.offsets[row], end = a.offsets[row + 1];
  const float share = end > first ? 1.0f / static_cast<float>(end - first) : 0.0f;
  T *to = a.y + static_cast<size_t>(row) * static_cast<size_t>(H);
  for (int tile = 0; tile < H; tile += STEP) {
    const int channel = tile + 4 * gpu::lane_id();
    float sum[4] = {}, x[BAG_AHEAD][4];
    for (int k = first; k < end; k += BAG_AHEAD) {
#pragma unroll
      for (int j = 0; j < BAG_AHEAD; j++)
        if (k + j < end)
          load_quad<VEC>(x[j], a.table + static_cast<size_t>(a.index[k + j]) * static_cast<size_t>(H),
                         channel, H);
#pragma unroll
      for (int j = 0; j < BAG_AHEAD; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
          if (k + j < end) sum[i] += x[j][i];
    }
#pragma unroll
    for (int i = 0; i < 4; i++) sum[i] *= share;
    store_quad<VEC>(to, sum, channel, H);
  }
}

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) bag_spread(bag_args<T> a) {
  const int row = static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id(), H = a.hidden;
  if (row >= gpu::live_rows(a.n, a.state)) return;
  const int first = a.offsets[row], end = a.offsets[row + 1];
  const float share = end > first ? 1.0f / static_cast<float>(end - first) : 0.0f; // written, if nobody's
  const size_t at = static_cast<size_t>(row) * static_cast<size_t>(H);
  for (int tile = 0; tile < H; tile += 4 * STEP) {
    float x[4][4];
    load_tile<VEC>(x, a.dy + at, tile, H);
#pragma unroll
    for (int k = 0; k < 4; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) x[k][i] *= share;
      store_quad<VEC>(a.shares + at, x[k], tile + k * STEP + 4 * gpu::lane_id(), H);
    }
  }
}

// The last bag that begins at or before an entry, and is not empty where offsets are in order.
__global__ void __launch_bounds__(256)
    bag_owners(rows n, rows entries, const step_state *state, const int32_t *offsets, int32_t *owner) {
  const int k = static_cast<int>(blockIdx.x * 256 + threadIdx.x);
  if (k >= gpu::live_rows(entries, state)) return;
  int low = 0, high = gpu::live_rows(n, state);
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (offsets[middle] <= k)
      low = middle;
    else
      high = middle;
  }
  owner[k] = low;
}

template <class T> bag_args<T> args_of(const launch *l, const bag_params *p) {
  bag_args<T> a = {};
  a.n = p->n;
  a.hidden = p->hidden;
  a.state = l->state;
  a.offsets = p->offsets;
  a.index = p->index;
  return a;
}

template <class T> cudaError_t forward(const launch *l, const bag_params *p) {
  bag_args<T> a = args_of<T>(l, p);
  a.table = static_cast<const T *>(p->table);
  a.y = static_cast<T *>(p->y);
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(p->table) && on_16_bytes(p->y);
  const cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(p->n.cap)), ROW_WARPS * 32, 0);
  return vec ? cudaLaunchKernelEx(&c, bag_mean<true, T>, a) : cudaLaunchKernelEx(&c, bag_mean<false, T>, a);
}

// Scratch: the shares, the owners, and the scatter's.
size_t shares_bytes(const bag_params *p) {
  return whole_256(static_cast<size_t>(p->n.cap) * static_cast<size_t>(p->hidden) * sizeof(float));
}

size_t owner_bytes(const bag_params *p) {
  return whole_256(static_cast<size_t>(p->entries.cap) * sizeof(int32_t));
}

template <class T> cudaError_t backward(const launch *l, const bag_params *p) {
  char *scratch = static_cast<char *>(l->scratch);
  bag_args<T> a = args_of<T>(l, p);
  a.dy = static_cast<const T *>(p->dy);
  a.shares = reinterpret_cast<float *>(scratch);
  scratch += shares_bytes(p);
  a.owner = reinterpret_cast<int32_t *>(scratch);
  scratch += owner_bytes(p);
  const bool whole = p->hidden % 4 == 0;
  cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(p->n.cap)), ROW_WARPS * 32, 0);
  cudaError_t rc = whole && on_16_bytes(p->dy) ? cudaLaunchKernelEx(&c, bag_spread<true, T>, a)
                                               : cudaLaunchKernelEx(&c, bag_spread<false, T>, a);
  if (rc != cudaSuccess) return rc;
  c = launch_shape(l, dim3(static_cast<unsigned>(max(1, gpu::ceil_div(p->entries.cap, 256)))), 256, 0);
  rc = cudaLaunchKernelEx(&c, bag_owners, p->n, p->entries, l->state, p->offsets, a.owner);
  if (rc != cudaSuccess) return rc;
  scatter_args<float, float> s = {};
  s.n = p->entries;
  s.hidden = p->hidden;
  s.state = l->state;
  s.from = a.shares;
  s.source = a.owner;
  scatter_table_make(&s.table[0], p->index, p->dtable, p->vocab, p->entries.cap, p->hidden, &scratch);
  return launch_scatter(l, s, 1, whole && on_16_bytes(p->dtable));
}

} // namespace

extern "C" cudaError_t launch_bag_forward(const launch *l, const bag_params *p) {
  return l->act_size == sizeof(float) ? forward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" cudaError_t launch_bag_backward(const launch *l, const bag_params *p) {
  return l->act_size == sizeof(float) ? backward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" size_t launch_bag_scratch(const bag_params *p, size_t act_size) {
  (void)act_size;
  return shares_bytes(p) + owner_bytes(p) + scatter_table_bytes(p->entries.cap, p->hidden);
}
