// to[index[i],:] += from[i,:] with indices that repeat: the tables' gradients, and the gather's.
//
// The same bits in every run, so no float atomics; and no time lost on popular rows, of which Zipf's law has
// a few (a table of types has nothing else). So the rows are sorted by index first, and the sorted order is
// cut into chunks of 32, whatever rows they hold:
//   1. A stable radix sort (Merrill, Grimshaw: High performance and scalable radix sorting, 2011) of
//      (index, row) by up to 10 bits a pass: counts of each block's keys, their scan over blocks and digits,
//      the scatter. Tables of up to 1,024 rows take one pass, of up to 1,048,576 two.
//   2. A warp a chunk and 128 columns goes over the chunk in order. A run of equal indices that begins and ends in
//      the chunk is added to its row directly. The sum of a run that comes from the previous chunk, or goes on in the
//      next one, is kept in scratch.
//   3. For each run that leaves its chunk, a warp adds up the kept sums and adds the total to the row; for a run of
//      many chunks, the eight warps of a block do. The longest run costs step 2 nothing, and step 3 a 256th of its
//      length in dependent additions.
//
// The order of additions follows from the indices alone: rows of an index ascending inside a chunk, then the
// chunks, one by one, or chunks w, w + 8, ... by warp w and then the warps. Accuracy is better than row by
// row: no sum has more than 32 terms, and of these 13, or length / 256 and 8.
//
// Several tables that are added to from the same rows (words, types, positions) go through each step
// together: blockIdx.y.
//
// Memory: `from` once a table, the rows of `to` read and written once each if a run does not leave its chunk,
// the kept sums, at most 2/32 of `from`, written and read once. Keys: 16 bytes a row and pass. Launches: 3 a pass,
// and 2.
//
// Considered: the CPU's way, columns split among threads, each over all rows in order: 32,768 dependent
// additions, with H / 32 warps at work. Sorting only within blocks, then atomics: not deterministic.
#pragma once
#include "rows.cuh"

namespace {

constexpr int DIGIT_BITS = 10, DIGITS = 1 << DIGIT_BITS;
constexpr int SORT_WARPS = 8, SORT_THREADS = SORT_WARPS * 32;
constexpr int SORT_ROUNDS = 8;                        // keys of a thread
constexpr int SORT_KEYS = SORT_THREADS * SORT_ROUNDS; // of a block
constexpr int SORT_SHARED = SORT_WARPS * DIGITS * static_cast<int>(sizeof(int));
constexpr int MOST_TABLES = 3;
constexpr int CHUNK = 32; // sorted rows of a warp: a row a lane when they are looked up
constexpr int CHUNK_WARPS = 8;
constexpr int JOIN_WARPS = 8, JOIN_ALONE = 12; // chunks after the first that a warp adds up alone
static_assert(JOIN_ALONE >= JOIN_WARPS, "a block has one run at most that is longer");

template <class To> struct scatter_table {
  const int32_t *index;        // [n]
  To *to;                      // [?, hidden] a
  int passes, bits;            // bits of a pass
  int32_t *keys[2], *order[2]; // [n] after an odd and an even number of passes: indices ascending; their rows
  int32_t *counts;             // [blocks of SORT_KEYS keys][DIGITS]
  float *kept; // [chunks][2][hidden]: of the run from the chunk before, of the run into the next
};

template <class From, class To> struct scatter_args {
  rows n;
  int hidden;
  const step_state *state;
  const From *from;      // [n, hidden]; with source: [?, hidden]
  const int32_t *source; // [n] the row of `from` that is added; NULL: i for i
  scatter_table<To> table[MOST_TABLES];
};

// ---- the sort ---------------------------------------------------------------------------------------------

template <class To> DEVICE int key_at(const scatter_table<To> &t, int pass, int i) {
  return pass == 0 ? t.index[i] : t.keys[(pass - 1) & 1][i];
}
template <class To> DEVICE int digit_of(const scatter_table<To> &t, int pass, int key) {
  return key >> (pass * t.bits) & ((1 << t.bits) - 1);
}

template <class From, class To>
__global__ void __launch_bounds__(SORT_THREADS) sort_count(scatter_args<From, To> a, int pass) {
  DYN_SMEM(int, count); // [DIGITS]
  const scatter_table<To> &t = a.table[blockIdx.y];
  const int live = gpu::live_rows(a.n, a.state), first = static_cast<int>(blockIdx.x) * SORT_KEYS;
  if (pass >= t.passes || first >= live) return;
  for (int d = static_cast<int>(threadIdx.x); d < DIGITS; d += SORT_THREADS) count[d] = 0;
  __syncthreads();
  for (int i = first + static_cast<int>(threadIdx.x); i < min(first + SORT_KEYS, live); i += SORT_THREADS)
    atomicAdd(&count[digit_of(t, pass, key_at(t, pass, i))], 1);
  __syncthreads();
  int *to = t.counts + static_cast<size_t>(blockIdx.x) * DIGITS;
  for (int d = static_cast<int>(threadIdx.x); d < DIGITS; d += SORT_THREADS) to[d] = count[d];
}

// Turns counts into positions: where the first key with each digit goes, for every block. A block a table, a thread a
// digit.
template <class From, class To>
__global__ void __launch_bounds__(DIGITS) sort_scan(scatter_args<From, To> a, int pass) {
  DYN_SMEM(int, before); // [32] keys of the warps before
  const scatter_table<To> &t = a.table[blockIdx.y];
  const int blocks = gpu::ceil_div(gpu::live_rows(a.n, a.state), SORT_KEYS);
  if (pass >= t.passes) return;
  int32_t *counts = t.counts + threadIdx.x;
  int total = 0;
  for (int b = 0; b < blocks; b++) total += counts[static_cast<size_t>(b) * DIGITS];
  int sum = total; // of this digit and those before it in the warp
#pragma unroll
  for (int o = 1; o < 32; o *= 2) {
    const int other = __shfl_up_sync(gpu::FULL_WARP, sum, static_cast<unsigned>(o));
    if (gpu::lane_id() >= o) sum += other;
  }
  if (gpu::lane_id() == 31) before[gpu::warp_id()] = sum;
  __syncthreads();
  int place = sum - total;
  for (int w = 0; w < gpu::warp_id(); w++) place += before[w];
  for (int b = 0; b < blocks; b++) {
    const int n = counts[static_cast<size_t>(b) * DIGITS];
    counts[static_cast<size_t>(b) * DIGITS] = place;
    place += n;
  }
}

// A warp has 256 consecutive keys and handles them 32 at a time, so that keys with equal digits keep their order: by
// block, warp, round, lane.
template <class From, class To>
__global__ void __launch_bounds__(SORT_THREADS) sort_scatter(scatter_args<From, To> a, int pass) {
  DYN_SMEM(int, place); // [SORT_WARPS][DIGITS]: keys of the warp, then where its next one goes
  const scatter_table<To> &t = a.table[blockIdx.y];
  const int live = gpu::live_rows(a.n, a.state), first = static_cast<int>(blockIdx.x) * SORT_KEYS;
  if (pass >= t.passes || first >= live) return;
  const int lane = gpu::lane_id();
  const int begin = first + gpu::warp_id() * SORT_ROUNDS * 32 + lane;
  int *mine = place + gpu::warp_id() * DIGITS;
  for (int d = static_cast<int>(threadIdx.x); d < SORT_WARPS * DIGITS; d += SORT_THREADS) place[d] = 0;
  __syncthreads();
  int key[SORT_ROUNDS];
#pragma unroll
  for (int r = 0; r < SORT_ROUNDS; r++) {
    const int i = begin + r * 32;
    key[r] = i < live ? key_at(t, pass, i) : -1;
    if (i < live) atomicAdd(&mine[digit_of(t, pass, key[r])], 1);
  }
  __syncthreads();
  const int32_t *counts = t.counts + static_cast<size_t>(blockIdx.x) * DIGITS;
  for (int d = static_cast<int>(threadIdx.x); d < DIGITS; d += SORT_THREADS) {
    int at = counts[d];
#pragma unroll
    for (int w = 0; w < SORT_WARPS; w++) {
      const int n = place[w * DIGITS + d];
      place[w * DIGITS + d] = at;
      at += n;
    }
  }
  __syncthreads();
  int32_t *keys = t.keys[pass & 1], *order = t.order[pass & 1];
#pragma unroll
  for (int r = 0; r < SORT_ROUNDS; r++) {
    const int i = begin + r * 32;
    const int digit = i < live ? digit_of(t, pass, key[r]) : -1;
    const unsigned same = __match_any_sync(gpu::FULL_WARP, digit);
    const int rank = __popc(same & ((1u << lane) - 1u));
    const int to = i < live ? mine[digit] + rank : 0;
    __syncwarp(); // all lanes have read it
    if (i < live) {
      if (rank == 0) mine[digit] = to + __popc(same);
      keys[to] = key[r];
      order[to] = pass == 0 ? i : t.order[(pass - 1) & 1][i];
    }
    __syncwarp();
  }
}

// ---- the sums ---------------------------------------------------------------------------------------------

template <bool VEC, class T> DEVICE void add_quad(T *row, const float (&x)[4], int channel, int hidden) {
  float old[4];
  load_quad<VEC>(old, row, channel, hidden);
#pragma unroll
  for (int i = 0; i < 4; i++) old[i] += x[i];
  store_quad<VEC>(row, old, channel, hidden);
}

// Warp (chunk, strip of 128 columns).
template <bool VEC, class From, class To>
__global__ void __launch_bounds__(CHUNK_WARPS * 32) add_chunks(scatter_args<From, To> a) {
  constexpr int AHEAD = 4; // rows that are loaded before the first of them is added
  const scatter_table<To> &t = a.table[blockIdx.y];
  const int lane = gpu::lane_id(), H = a.hidden, strips = gpu::ceil_div(H, STEP);
  const int live = gpu::live_rows(a.n, a.state),
            item = static_cast<int>(blockIdx.x) * CHUNK_WARPS + gpu::warp_id();
  const int chunk = item / strips, channel = item % strips * STEP + 4 * lane, first = chunk * CHUNK;
  if (first >= live) return;
  const int last = (t.passes - 1) & 1, n = min(CHUNK, live - first);
  const int32_t *keys = t.keys[last];
  const int key = lane < n ? keys[first + lane] : -1;
  int row = lane < n ? t.order[last][first + lane] : 0;
  if (a.source != NULL && lane < n) row = a.source[row];
  const int next = lane + 1 < n ? keys[first + lane + 1] : -1; // of the next lane, in the chunk
  const unsigned ends = __ballot_sync(gpu::FULL_WARP, lane < n && next != key);
  bool from_before = first > 0 && keys[first - 1] == keys[first];
  const bool goes_on = first + n < live && keys[first + n] == keys[first + n - 1];
  float sum[4] = {}, x[AHEAD][4];
  for (int i = 0; i < n; i += AHEAD) {
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
      const int from = __shfl_sync(gpu::FULL_WARP, row, i + j);
      if (i + j < n)
        load_quad<VEC>(x[j], a.from + static_cast<size_t>(from) * static_cast<size_t>(H), channel, H);
    }
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
      const int to = __shfl_sync(gpu::FULL_WARP, key, i + j);
      if (i + j >= n) break;
#pragma unroll
      for (int c = 0; c < 4; c++) sum[c] += x[j][c];
      if ((ends >> (i + j) & 1u) == 0) continue;
      const bool leaves = i + j == n - 1 && goes_on;
      if (from_before || leaves) {
        const size_t slot = 2 * static_cast<size_t>(chunk) + (from_before ? 0 : 1);
        store_quad<VEC>(t.kept + slot * static_cast<size_t>(H), sum, channel, H);
      } else {
        add_quad<VEC>(t.to + static_cast<size_t>(to) * static_cast<size_t>(H), sum, channel, H);
      }
      from_before = false;
#pragma unroll
      for (int c = 0; c < 4; c++) sum[c] = 0;
    }
  }
}

// The number of chunks after `chunk` that a run of `key` reaches, if it goes on in the next chunk. All 32 lanes must
// call.
DEVICE int chunks_after(const int32_t *keys, int key, int chunk, int live) {
  for (int more = 1;; more += 32) {
    const int at = (chunk + 1 + more + gpu::lane_id()) * CHUNK;
    const unsigned other = __ballot_sync(gpu::FULL_WARP, at >= live || keys[at] != key);
    if (other != 0) return more + __ffs(static_cast<int>(other)) - 1;
  }
}

// Adds the kept sums of chunks chunk + from, + step, ... up to chunk + more, of a run that begins in `chunk`.
template <bool VEC>
DEVICE void add_kept(float (&sum)[4], const float *kept, int chunk, int more, int from, int step, int channel,
                     int hidden) {
#pragma unroll 4
  for (int i = from; i <= more; i += step) {
    float x[4];
    const size_t slot = 2 * static_cast<size_t>(chunk + i) + (i == 0 ? 1 : 0);
    load_quad<VEC>(x, kept + slot * static_cast<size_t>(hidden), channel, hidden);
#pragma unroll
    for (int c = 0; c < 4; c++) sum[c] += x[c];
  }
}

// Block (JOIN_WARPS chunks, strip): the runs that begin in a chunk and go on in the next one. Each warp handles one
// chunk, and adds up a run of a few chunks alone; longer runs are left to the whole block.
template <bool VEC, class From, class To>
__global__ void __launch_bounds__(JOIN_WARPS * 32) join_chunks(scatter_args<From, To> a) {
  DYN_SMEM(float, sums);                                          // [JOIN_WARPS][STEP]
  int *after = reinterpret_cast<int *>(sums + JOIN_WARPS * STEP); // [JOIN_WARPS] 0: no such run
  const scatter_table<To> &t = a.table[blockIdx.y];
  const int lane = gpu::lane_id(), warp = gpu::warp_id(), H = a.hidden, strips = gpu::ceil_div(H, STEP);
  const int live = gpu::live_rows(a.n, a.state), first = static_cast<int>(blockIdx.x) / strips * JOIN_WARPS;
  const int channel = static_cast<int>(blockIdx.x) % strips * STEP + 4 * lane;
  if ((first + 1) * CHUNK >= live) return;
  const int32_t *keys = t.keys[(t.passes - 1) & 1];
  const int chunk = first + warp, next = (chunk + 1) * CHUNK;
  int more = 0;
  if (next < live) {
    const int key = keys[next - 1];
    const bool began_here = chunk == 0 || keys[next - CHUNK - 1] != key;
    if (began_here && keys[next] == key) more = chunks_after(keys, key, chunk, live);
    if (more > 0 && more <= JOIN_ALONE) {
      float sum[4] = {};
      add_kept<VEC>(sum, t.kept, chunk, more, 0, 1, channel, H);
      add_quad<VEC>(t.to + static_cast<size_t>(key) * static_cast<size_t>(H), sum, channel, H);
    }
  }
  if (lane == 0) after[warp] = more;
  __syncthreads();
  for (int w = 0; w < JOIN_WARPS; w++) {
    if (after[w] <= JOIN_ALONE) continue;
    float sum[4] = {};
    add_kept<VEC>(sum, t.kept, first + w, after[w], warp, JOIN_WARPS, channel, H);
    gpu::store4(sums + warp * STEP + 4 * lane, sum);
    __syncthreads();
    if (warp == 0) {
#pragma unroll
      for (int v = 1; v < JOIN_WARPS; v++) {
        float x[4];
        gpu::load4(x, sums + v * STEP + 4 * lane);
#pragma unroll
        for (int i = 0; i < 4; i++) sum[i] += x[i];
      }
      const size_t row = static_cast<size_t>(keys[(first + w + 1) * CHUNK]);
      add_quad<VEC>(t.to + row * static_cast<size_t>(H), sum, channel, H);
    }
    return; // no other run of this block's chunks can be that long
  }
}

// ---- launching --------------------------------------------------------------------------------------------

inline size_t scatter_table_bytes(int capacity, int hidden) {
  const size_t n = static_cast<size_t>(capacity),
               chunks = static_cast<size_t>(gpu::ceil_div(capacity, CHUNK));
  return 4 * whole_256(n * sizeof(int32_t)) +
         whole_256(static_cast<size_t>(gpu::ceil_div(capacity, SORT_KEYS)) * DIGITS * sizeof(int32_t)) +
         whole_256(chunks * 2 * static_cast<size_t>(hidden) * sizeof(float));
}

// Describes table `t`, of table_rows rows; takes scatter_table_bytes() of scratch.
template <class To>
void scatter_table_make(scatter_table<To> *t, const int32_t *index, To *to, int table_rows, int capacity,
                        int hidden, char **scratch) {
  int bits = 1;
  while (bits < 31 && table_rows > 1 << bits) bits++;
  t->index = index;
  t->to = to;
  t->passes = gpu::ceil_div(bits, DIGIT_BITS);
  t->bits = gpu::ceil_div(bits, t->passes);
  const size_t bytes = whole_256(static_cast<size_t>(capacity) * sizeof(int32_t));
  for (int i = 0; i < 2; i++) {
    t->keys[i] = reinterpret_cast<int32_t *>(*scratch);
    t->order[i] = reinterpret_cast<int32_t *>(*scratch + bytes);
    *scratch += 2 * bytes;
  }
  t->counts = reinterpret_cast<int32_t *>(*scratch);
  *scratch += whole_256(static_cast<size_t>(gpu::ceil_div(capacity, SORT_KEYS)) * DIGITS * sizeof(int32_t));
  t->kept = reinterpret_cast<float *>(*scratch);
  *scratch += whole_256(static_cast<size_t>(gpu::ceil_div(capacity, CHUNK)) * 2 *
                        static_cast<size_t>(hidden) * sizeof(float));
}

// Adds to `tables` tables. vec: hidden is whole quads; `from` and the tables lie on 16 bytes.
template <class From, class To>
cudaError_t launch_scatter(const launch *l, const scatter_args<From, To> &a, int tables, bool vec) {
  const int n = max(1, a.n.cap), strips = gpu::ceil_div(a.hidden, STEP), chunks = gpu::ceil_div(n, CHUNK);
  const unsigned y = static_cast<unsigned>(tables),
                 blocks = static_cast<unsigned>(gpu::ceil_div(n, SORT_KEYS));
  int passes = 0;
  for (int i = 0; i < tables; i++) passes = max(passes, a.table[i].passes);
  cudaError_t rc = cudaSuccess;
  for (int pass = 0; rc == cudaSuccess && pass < passes; pass++) {
    cudaLaunchConfig_t c = launch_shape(l, dim3(blocks, y), SORT_THREADS, DIGITS * sizeof(int));
    rc = cudaLaunchKernelEx(&c, sort_count<From, To>, a, pass);
    if (rc != cudaSuccess) return rc;
    c = launch_shape(l, dim3(1, y), DIGITS, 32 * sizeof(int));
    rc = cudaLaunchKernelEx(&c, sort_scan<From, To>, a, pass);
    if (rc != cudaSuccess) return rc;
    c = launch_shape(l, dim3(blocks, y), SORT_THREADS, SORT_SHARED);
    rc = cudaLaunchKernelEx(&c, sort_scatter<From, To>, a, pass);
  }
  if (rc != cudaSuccess) return rc;
  const unsigned items = static_cast<unsigned>(chunks) * static_cast<unsigned>(strips);
  cudaLaunchConfig_t c =
      launch_shape(l, dim3((items + CHUNK_WARPS - 1) / CHUNK_WARPS, y), CHUNK_WARPS * 32, 0);
  rc = vec ? cudaLaunchKernelEx(&c, add_chunks<true, From, To>, a)
           : cudaLaunchKernelEx(&c, add_chunks<false, From, To>, a);
  if (rc != cudaSuccess) return rc;
  const unsigned groups = static_cast<unsigned>(gpu::ceil_div(chunks, JOIN_WARPS) * strips);
  c = launch_shape(l, dim3(groups, y), JOIN_WARPS * 32, JOIN_WARPS * (STEP * sizeof(float) + sizeof(int)));
  return vec ? cudaLaunchKernelEx(&c, join_chunks<true, From, To>, a)
             : cudaLaunchKernelEx(&c, join_chunks<false, From, To>, a);
}

} // namespace
