// Item vectors of content and id, with a gate a channel: e = content + m sigmoid(gate) o id for the rows of items, a copy of
// the row for all others; and the way back: dcontent = de, did += m sigmoid(gate) o de (other rows: += de), dgate += sum over
// items of m sigmoid'(gate) o id o de. m is 0 for items whose id nobody has trained, and where it is dropped out.
//
// Forward: a warp a row, four steps of 128 channels at a time, loads first. Bytes an element: id and content read, e written,
// 12; where m is 0 the id is not read. That is the floor. The gate stays in the cache; its logistic function is computed again
// in every row, four exponentials a lane, far below what the memory takes.
//
// Backward: block (part, strip of 128 columns). A part's warps take rows part, part + parts, ...; each lane keeps the sum
// for its four columns of dgate in registers, the four warps add theirs up in shared memory, and launch_add_partials adds the
// parts, always in the same order. Bytes an element: de and id read, dcontent written, did read and written, 20. Whether an
// id is dropped is one Philox a row and strip, the same in all lanes.
//
// With a list warp k makes row list[k]: the number is one load that all lanes share, and rows lie anywhere, each 256 bytes and more in
// one piece, so the floor is the same a row. The backward pass leaves zeros in de behind it (4 bytes an element more), which a
// memset of the whole table would otherwise have to do.
//
// Registers: 72 or less (sixteen channels of two rows in flight a lane); 2 KB of shared memory in the backward pass.
#include "rows.cuh"

namespace {

template <class T> struct fuse_args {
  int vocab, base, items, hidden;
  const int32_t *list; // NULL: all rows
  rows listed;
  const step_state *state;
  const uint8_t *known;
  uint32_t threshold;
  const T *id, *content, *gate;
  T *e;
  float *de;
  T *dcontent;
  float *did, *partial; // [parts,H] sums for dgate; NULL: not wanted
};

// Rows to make, and of these row k of e and, if that is an item, of content.
template <class T> DEVICE int rows_made(const fuse_args<T> &a) {
  return a.list != NULL ? gpu::live_rows(a.listed, a.state) : a.vocab;
}
template <class T> DEVICE int row_of(const fuse_args<T> &a, int k) {
  return a.list != NULL ? a.list[k] : k;
}
template <class T> DEVICE size_t content_at(const fuse_args<T> &a, int k) {
  return static_cast<size_t>(a.list != NULL ? k : k - a.base) * static_cast<size_t>(a.hidden);
}

template <class T> DEVICE bool has_id(const fuse_args<T> &a, int item) {
  if (a.gate == NULL || (a.known != NULL && a.known[item] == 0)) return false;
  if (a.threshold == 0) return true;
  const uint4 v =
      gpu::philox(a.state->seed, STREAM_ID,
                  make_uint4(static_cast<uint32_t>(item), static_cast<uint32_t>(a.state->step), 0u, 0u));
  return (v.x & 255u) >= a.threshold;
}

template <bool VEC, class T> DEVICE void open_quad(float (&x)[4], const T *gate, int channel, int hidden) {
  load_quad<VEC>(x, gate, channel, hidden);
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] = 1.0f / (1.0f + expf(-x[i]));
}

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) fuse(fuse_args<T> a) {
  const int k = static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id(), H = a.hidden;
  if (k >= rows_made(a)) return;
  const int row = row_of(a, k), item = row - a.base;
  const size_t at = static_cast<size_t>(row) * static_cast<size_t>(H);
  const bool is_item = item >= 0 && item < a.items, both = is_item && has_id(a, item);
  const T *from = is_item ? a.content + content_at(a, k) : a.id + at;
  for (int tile = 0; tile < H; tile += 4 * STEP) {
    float x[4][4], id[4][4];
    load_tile<VEC>(x, from, tile, H);
    if (both) load_tile<VEC>(id, a.id + at, tile, H);
#pragma unroll
    for (int q = 0; q < 4; q++) {
      const int channel = tile + q * STEP + 4 * gpu::lane_id();
      if (tile + q * STEP >= H) break;
      if (both) {
        float open[4];
        open_quad<VEC>(open, a.gate, channel, H);
#pragma unroll
        for (int i = 0; i < 4; i++) x[q][i] += open[i] * id[q][i];
      }
      store_quad<VEC>(a.e + at, x[q], channel, H);
    }
  }
}

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) fuse_back(fuse_args<T> a) {
  DYN_SMEM(float, total); // [ROW_WARPS][STEP]
  const int lane = gpu::lane_id(), warp = gpu::warp_id(), H = a.hidden;
  const int first = static_cast<int>(blockIdx.y) * STEP, channel = first + 4 * lane;
  const int stride = static_cast<int>(gridDim.x) * ROW_WARPS;
  float open[4] = {}, sum[4] = {};
  if (a.gate != NULL) open_quad<VEC>(open, a.gate, channel, H);
  const int n = rows_made(a);
  for (int k = static_cast<int>(blockIdx.x) * ROW_WARPS + warp; k < n; k += stride) {
    const int row = row_of(a, k), item = row - a.base;
    const size_t at = static_cast<size_t>(row) * static_cast<size_t>(H);
    const bool is_item = item >= 0 && item < a.items, both = is_item && has_id(a, item);
    const float none[4] = {};
    float de[4], x[4];
    load_quad<VEC>(de, a.de + at, channel, H);
    if (a.list != NULL) store_quad<VEC>(a.de + at, none, channel, H);
    if (is_item) store_quad<VEC>(a.dcontent + content_at(a, k), de, channel, H);
    if (!is_item && a.list != NULL) store_quad<VEC>(a.dcontent + content_at(a, k), none, channel, H);
    if (is_item && !both) continue;
    if (a.partial != NULL && both) {
      load_quad<VEC>(x, a.id + at, channel, H);
#pragma unroll
      for (int i = 0; i < 4; i++) sum[i] += x[i] * de[i];
    }
    if (a.did == NULL) continue;
    load_quad<VEC>(x, a.did + at, channel, H);
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] += both ? open[i] * de[i] : de[i];
    store_quad<VEC>(a.did + at, x, channel, H);
  }
  if (a.partial == NULL) return; // all threads of the block
#pragma unroll
  for (int i = 0; i < 4; i++) sum[i] *= open[i] * (1.0f - open[i]);
  gpu::store4(total + warp * STEP + 4 * lane, sum);
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < STEP; i += ROW_WARPS * 32) {
    float all = 0;
#pragma unroll
    for (int w = 0; w < ROW_WARPS; w++) all += total[w * STEP + i];
    if (first + i < H)
      a.partial[static_cast<size_t>(blockIdx.x) * static_cast<size_t>(H) + static_cast<size_t>(first + i)] =
          all;
  }
}

int most_rows(const fuse_params *p) {
  return p->list != NULL ? p->listed.cap : p->vocab;
}

template <class T> fuse_args<T> args_of(const launch *l, const fuse_params *p) {
  fuse_args<T> a = {};
  a.vocab = p->vocab;
  a.base = p->base;
  a.items = p->items;
  a.list = p->list;
  a.listed = p->listed;
  a.hidden = p->hidden;
  a.state = l->state;
  a.known = p->known;
  a.threshold = p->id_threshold;
  a.id = static_cast<const T *>(p->id);
  a.gate = static_cast<const T *>(p->gate);
  return a;
}

template <class T> cudaError_t forward(const launch *l, const fuse_params *p) {
  fuse_args<T> a = args_of<T>(l, p);
  a.content = static_cast<const T *>(p->content);
  a.e = static_cast<T *>(p->e);
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(a.id) && on_16_bytes(a.gate) && on_16_bytes(a.content) &&
                   on_16_bytes(a.e);
  const cudaLaunchConfig_t c = launch_shape(l, dim3(row_blocks(most_rows(p))), ROW_WARPS * 32, 0);
  return vec ? cudaLaunchKernelEx(&c, fuse<true, T>, a) : cudaLaunchKernelEx(&c, fuse<false, T>, a);
}

template <class T> cudaError_t backward(const launch *l, const fuse_params *p) {
  fuse_args<T> a = args_of<T>(l, p);
  a.de = p->de;
  a.dcontent = static_cast<T *>(p->dcontent);
  a.did = p->did;
  a.partial = p->dgate != NULL ? static_cast<float *>(l->scratch) : NULL;
  const bool vec = p->hidden % 4 == 0 && on_16_bytes(a.id) && on_16_bytes(a.gate) && on_16_bytes(a.de) &&
                   on_16_bytes(a.dcontent) && on_16_bytes(a.did);
  const int parts = parts_of(most_rows(p));
  const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(gpu::ceil_div(p->hidden, STEP)));
  const cudaLaunchConfig_t c = launch_shape(l, grid, ROW_WARPS * 32, ROW_WARPS * STEP * sizeof(float));
  const cudaError_t rc =
      vec ? cudaLaunchKernelEx(&c, fuse_back<true, T>, a) : cudaLaunchKernelEx(&c, fuse_back<false, T>, a);
  if (rc != cudaSuccess || p->dgate == NULL) return rc;
  return launch_add_partials(l, p->dgate, a.partial, parts, p->hidden);
}

} // namespace

extern "C" cudaError_t launch_fuse_forward(const launch *l, const fuse_params *p) {
  return l->act_size == sizeof(float) ? forward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" cudaError_t launch_fuse_backward(const launch *l, const fuse_params *p) {
  return l->act_size == sizeof(float) ? backward<float>(l, p) : cudaErrorNotSupported;
}

extern "C" size_t launch_fuse_scratch(const fuse_params *p, size_t act_size) {
  (void)act_size;
  return static_cast<size_t>(parts_of(most_rows(p))) * static_cast<size_t>(p->hidden) * sizeof(float);
}
