// Attention inside each sequence of a packed batch, forward and backward; probabilities are never kept.
//
//   s = scale q k^T over the keys that a query sees;  p = softmax(s);  out = dropout(p) v;  lse = log sum exp s
//   delta = dout . out;  dp = dropout(dout v^T);  ds = p (dp - delta)
//   dv = dropout(p)^T dout;  dq = scale ds k;  dk = scale ds^T q        with p = exp(s - lse) computed again
//
// The online softmax is Milakov and Gimelshein's (Online normalizer calculation for softmax, 2018); the tiling and
// the backward pass are FlashAttention's (Dao et al. 2022; Dao 2023). A query sees every key of its sequence
// (full), those up to itself (causal), or, where a sequence has a source part (prefix), the source from inside it
// and all up to itself behind it. So a query always sees the keys [0, n_visible), and n_visible never falls from one
// query to the next: one comparison masks, and tiles that no query sees are never visited.
//
// Work. A block has an item of the work list (64 queries of a sequence; for dk and dv the same list names 64 keys)
// and a head. It keeps its 64 rows in shared memory and streams tiles of the other side past them. Blocks past the
// live count leave at once, so a grid of the list's capacity serves every batch. Each output row is computed by one
// block, which sums in a fixed order: no atomics, the same bits in every run. That is why dq has a kernel of its own,
// and s and dp are computed twice: 7 matmuls instead of the 5 that atomic adds would allow.
//
//   kernel    resident   tile         matmuls of a pair of tiles             accumulators of a thread
//   forward   q          32 keys      q k^T, p v                              D / 2
//   dq        q, dout    32 keys      q k^T, dout v^T, ds k                   D / 2
//   dk, dv    k, v       32 queries   q k^T, dout v^T, p^T dout, ds^T q       D
//
// (Backward at D = 128: 16 keys, 16 queries.) The tiles are small because histories are short: 64 keys would waste
// more on a sequence of 20, and fewer blocks would fit a multiprocessor. A warp owns 16 of the resident rows, as it
// will in a form with mma.m16n8, and leaves out tiles of which its rows see nothing, and all work of rows past
// the sequence's end.
//
// Matmuls. A warp is 4 x 8 threads (lane / 8, tx = lane % 8). Scores: a thread has the resident rows lane / 8 + 4 i
// and the rows tx + 8 j of the tile, and reads four elements of each at once: 8 loads of 16 bytes for 64
// multiply-adds. Rows are padded by 16 bytes, so that the addresses of a warp's load lie in different banks. A row
// of scores belongs to 8 lanes, so its maximum takes three shuffles. p and ds go to the second matmuls through
// shared memory that only their warp uses, so backward without a barrier. There a thread has 4 rows and D / 8 columns:
// 12 loads for 128 multiply-adds at D = 64. There are two barriers a tile. Forward, values arrive while scores
// are made, and the next keys while values are added up.
//
// Dropout: a counter of Philox serves the 16 keys of a tile of 64 with the same (key % 8) / 2. Before the threads
// wait for a tile, they turn each counter into 16 bits (keep or drop) in shared memory: no counter is computed twice
// in a kernel, and the arithmetic overlaps with the loads.
//
// Cost of a sequence of n tokens and a head: 4 n^2 D operations forward, 14 n^2 D backward (half of it, causal).
// Floor of memory: 4 n D elements read and written forward, 8 n D backward (delta reads out, and dout once more).
// k and v are read again for each 64 queries, q and dout for each 64 keys, from L2, with 64 to 128 multiply-adds
// for each element: so fp32 arithmetic is the limit from n of about 64 on, and memory for shorter sequences.
//
// Rows of other sequences are masked by selection, not by multiplying with 0, which would let a NaN through: rows
// past the sequence's end are loaded as zeros, and a score that the query does not see gets p = 0.
//
// Registers (sm_80, sm_90; no spills) and KB of shared memory, within the 99 of sm_86, 89 and 120:
//
//   D               16                32                64                128
//   forward         128, 128, 20.5    128, 130, 28.5    158, 168, 44.5    192, 228, 76.5
//   dq              164, 150, 25.5    168, 156, 37.5    168, 168, 61.5    176, 197, 89.0
//   dk, dv          168, 158, 32.2    168, 168, 44.2    224, 220, 68.2    244, 244, 91.1
#include "gpu.cuh"
#include "launch.h"
#include "philox.cuh"

namespace {

constexpr int BLOCK = 128, DELTA_BLOCK = 256;
constexpr int ROWS = ATTENTION_BLOCK; // resident rows of a block
constexpr int WARP_ROWS = ROWS / (BLOCK / 32);
constexpr int TX = 8, ROW_STEP = 32 / TX;       // a warp is 4 x 8 threads; a thread's rows are 4 apart
constexpr int ROWS_EACH = WARP_ROWS / ROW_STEP; // of a thread
constexpr float LOG2_E = 1.44269504088896340736f, LN_2 = 0.69314718055994530942f;

template <class T> struct arguments {
  const int32_t *cu_seqlens, *prefix_len, *work;
  const int64_t *seq_ids;
  const step_state *state;
  int max_work, heads, cap; // cap: of tokens
  attention_kind kind;
  float scale;
  uint32_t site, threshold;
  float keep_scale;
  const T *qkv;  // [T,3,A,D] r
  T *out;        // [T,A,D] w in forward, r in backward
  float *lse;    // [A,cap] w in forward, r in backward
  const T *dout; // [T,A,D] r
  T *dqkv;       // [T,3,A,D] w
  float *delta;  // [A,cap] scratch
};

// The block's sequence and head.
struct place {
  int sequence, head, first; // first: query or key of the sequence at which the item begins
  int n, prefix;             // tokens of the sequence, of its source part
  size_t row;                // first row of the sequence in the batch
};

template <class T> DEVICE bool find_place(const arguments<T> &g, place &w) {
  const int item = static_cast<int>(blockIdx.x);
  if (item >= min(g.state->work, g.max_work)) return false;
  w.sequence = g.work[2 * item];
  w.first = g.work[2 * item + 1];
  w.head = static_cast<int>(blockIdx.y);
  const int start = g.cu_seqlens[w.sequence];
  w.row = static_cast<size_t>(start);
  w.n = g.cu_seqlens[w.sequence + 1] - start;
  w.prefix = g.kind == ATTENTION_PREFIX ? g.prefix_len[w.sequence] : 0;
  return true;
}

// The query sees keys [0, n_visible); none if it is past the end.
DEVICE int count_visible(attention_kind kind, const place &w, int query) {
  if (query >= w.n) return 0;
  if (kind == ATTENTION_FULL) return w.n;
  return query < w.prefix ? w.prefix : query + 1;
}

// Keys that some query of the warp whose first row is warp_row sees; 0 if all its rows are past the end.
DEVICE int keys_of_warp(attention_kind kind, const place &w, int warp_row) {
  const int first = w.first + warp_row;
  return first < w.n ? count_visible(kind, w, min(first + WARP_ROWS, w.n) - 1) : 0;
}

// ---- tiles in shared memory ----------------------------------------------------------------------------------------

template <class T, int D> struct row_of { // of a tile
  static constexpr int STRIDE = D + 16 / static_cast<int>(sizeof(T));
};

template <class T>
DEVICE const T *part_of(const arguments<T> &g, const place &w, int part, int i, int D) { // 0 q, 1 k, 2 v
  return g.qkv +
         ((w.row + static_cast<size_t>(i)) * 3 + static_cast<size_t>(part)) *
             static_cast<size_t>(g.heads * D) +
         static_cast<size_t>(w.head * D);
}
template <class P> DEVICE P *head_of(P *x, int heads, const place &w, int i, int D) { // of [T,A,D]
  return x + (w.row + static_cast<size_t>(i)) * static_cast<size_t>(heads * D) +
         static_cast<size_t>(w.head * D);
}

template <class T> DEVICE size_t stat_of(const arguments<T> &g, const place &w, int i) { // of [A,cap]
  return static_cast<size_t>(w.head) * static_cast<size_t>(g.cap) + w.row + static_cast<size_t>(i);
}

// Copies rows [0, count) of `from`, whose rows are `pitch` elements apart, and zeros up to N. count is at least 1.
template <class T, int D, int N> DEVICE void load_rows(T *to, const T *from, int pitch, int count) {
  constexpr int EACH = 16 / static_cast<int>(sizeof(T)), PIECES = D / EACH;
  for (int i = static_cast<int>(threadIdx.x); i < N * PIECES; i += BLOCK) {
    const int r = i / PIECES, c = i % PIECES * EACH;
    const bool valid = r < count;
    gpu::cp_async16(to + r * row_of<T, D>::STRIDE + c,
                    from + static_cast<size_t>(valid ? r : 0) * static_cast<size_t>(pitch) +
                        static_cast<size_t>(c),
                    valid);
  }
}

// Bit gpu::attention_byte(key) of keep[r][key % 8 / 2]: whether query + r keeps key, for N queries and the 64 keys from
// `key` on.
template <class T, int N>
DEVICE void draw_keep(uint16_t *keep, const arguments<T> &g, const place &w, int query, int key) {
  const int64_t id = g.seq_ids[w.sequence];
  for (int i = static_cast<int>(threadIdx.x); i < N * 4; i += BLOCK) {
    const uint4 bytes = gpu::attention_bytes(g.state, g.site, id, w.head, query + i / 4, key + i % 4 * 2);
    uint32_t bits = 0;
#pragma unroll
    for (int b = 0; b < 16; b++) bits |= (gpu::byte_of(bytes, b) >= g.threshold ? 1u : 0u) << b;
    keep[i] = static_cast<uint16_t>(bits);
  }
}

// ---- matmuls ------------------------------------------------------------------------------------------------------

// c[i][j] = row i of a . row j of b, over D; the thread's rows are A_STEP and B_STEP apart.
template <class T, int D, int A, int B, int A_STEP, int B_STEP>
DEVICE void dot_rows(float (&c)[A][B], const T *a, const T *b) {
  constexpr int S = row_of<T, D>::STRIDE;
#pragma unroll
  for (int i = 0; i < A; i++)
#pragma unroll
    for (int j = 0; j < B; j++) c[i][j] = 0.0f;
#pragma unroll 2
  for (int d = 0; d < D; d += 4) {
    float x[A][4];
#pragma unroll
    for (int i = 0; i < A; i++) gpu::load4(x[i], a + i * A_STEP * S + d);
#pragma unroll
    for (int j = 0; j < B; j++) {
      float y[4];
      gpu::load4(y, b + j * B_STEP * S + d);
#pragma unroll
      for (int i = 0; i < A; i++)
#pragma unroll
        for (int e = 0; e < 4; e++) c[i][j] = fmaf(x[i][e], y[e], c[i][j]);
    }
  }
}

// The D / 8 columns of a thread in a row of D: groups of WIDTH elements, 8 WIDTH apart.
template <int D> struct columns {
  static constexpr int WIDTH = D >= 32 ? 4 : 2, GROUPS = D / (WIDTH * TX), COUNT = WIDTH * GROUPS;
};
DEVICE void load_group(float (&x)[4], const float *p) {
  gpu::load4(x, p);
}
DEVICE void load_group(float (&x)[2], const float *p) {
  const float2 v = *reinterpret_cast<const float2 *>(p);
  x[0] = v.x, x[1] = v.y;
}
DEVICE void store_group(float *p, const float (&x)[4]) {
  gpu::store4_global(p, x);
}
DEVICE void store_group(float *p, const float (&x)[2]) {
  *reinterpret_cast<float2 *>(p) = make_float2(x[0], x[1]);
}

// Writes factor * acc to the thread's columns of a row of D elements.
template <class T, int D>
DEVICE void store_columns(T *row, const float (&acc)[columns<D>::COUNT], float factor, int tx) {
  constexpr int W = columns<D>::WIDTH;
#pragma unroll
  for (int c = 0; c < columns<D>::GROUPS; c++) {
    float x[W];
#pragma unroll
    for (int e = 0; e < W; e++) x[e] = factor * acc[c * W + e];
    store_group(row + (c * TX + tx) * W, x);
  }
}

// acc += p rows: acc[i] the thread's columns of its row i of p, whose rows are P floats apart, times K rows.
template <class T, int D, int K, int P>
DEVICE void add_rows(float (&acc)[ROWS_EACH][columns<D>::COUNT], const float *p, const T *rows, int tx) {
  constexpr int W = columns<D>::WIDTH;
#pragma unroll 2
  for (int k = 0; k < K; k += 4) {
    float x[ROWS_EACH][4];
#pragma unroll
    for (int i = 0; i < ROWS_EACH; i++) gpu::load4(x[i], p + i * ROW_STEP * P + k);
#pragma unroll
    for (int e = 0; e < 4; e++)
#pragma unroll
      for (int c = 0; c < columns<D>::GROUPS; c++) {
        float y[W];
        load_group(y, rows + (k + e) * row_of<T, D>::STRIDE + (c * TX + tx) * W);
#pragma unroll
        for (int i = 0; i < ROWS_EACH; i++)
#pragma unroll
          for (int f = 0; f < W; f++) acc[i][c * W + f] = fmaf(x[i][e], y[f], acc[i][c * W + f]);
      }
  }
}

// acc += p^T rows: acc[i] the thread's columns of key `own` + i; p [K][P] with 64 keys a row.
template <class T, int D, int K, int P>
DEVICE void add_rows_transposed(float (&acc)[ROWS_EACH][columns<D>::COUNT], const float *p, const T *rows,
                                int own, int tx) {
  constexpr int W = columns<D>::WIDTH;
#pragma unroll 4
  for (int k = 0; k < K; k++) {
    float x[4];
    gpu::load4(x, p + k * P + own);
#pragma unroll
    for (int c = 0; c < columns<D>::GROUPS; c++) {
      float y[W];
      load_group(y, rows + k * row_of<T, D>::STRIDE + (c * TX + tx) * W);
#pragma unroll
      for (int i = 0; i < ROWS_EACH; i++)
#pragma unroll
        for (int f = 0; f < W; f++) acc[i][c * W + f] = fmaf(x[i], y[f], acc[i][c * W + f]);
    }
  }
}

template <int N> DEVICE void clear(float (&acc)[ROWS_EACH][N]) {
#pragma unroll
  for (int i = 0; i < ROWS_EACH; i++)
#pragma unroll
    for (int c = 0; c < N; c++) acc[i][c] = 0.0f;
}

// Over the TX lanes that share rows; each gets the same bits.
DEVICE float tile_max(float v) {
#pragma unroll
  for (int o = TX / 2; o > 0; o >>= 1) v = fmaxf(v, __shfl_xor_sync(gpu::FULL_WARP, v, o));
  return v;
}
DEVICE float row_sum(float v) {
#pragma unroll
  for (int o = TX / 2; o > 0; o >>= 1) v += __shfl_xor_sync(gpu::FULL_WARP, v, o);
  return v;
}

// ---- forward -------------------------------------------------------------------------------------------------------

template <class T, int D> struct forward_shape {
  static constexpr int KEYS = 32, P = KEYS + 8, S = row_of<T, D>::STRIDE;
  static constexpr int BLOCKS = D == 16 ? 4 : D == 128 ? 2 : 3; // of a multiprocessor, at least
  static constexpr size_t BYTES =
      (ROWS + 2 * KEYS) * S * sizeof(T) + ROWS * P * sizeof(float) + ROWS * 4 * sizeof(uint16_t);
};

template <class T, int D>
__global__ void __launch_bounds__(BLOCK, forward_shape<T, D>::BLOCKS) forward(const arguments<T> g) {
  typedef forward_shape<T, D> shape;
  constexpr int KEYS = shape::KEYS, P = shape::P, S = shape::S, EACH = KEYS / TX;
  DYN_SMEM(T, q);
  T *k = q + ROWS * S, *v = k + KEYS * S;
  float *p = reinterpret_cast<float *>(v + KEYS * S);
  uint16_t *keep = reinterpret_cast<uint16_t *>(p + ROWS * P);
  place w;
  if (!find_place(g, w)) return;
  const int tx = gpu::lane_id() % TX, warp_row = gpu::warp_id() * WARP_ROWS;
  const int row = warp_row + gpu::lane_id() / TX;
  const int pitch = 3 * g.heads * D, count = min(w.n - w.first, ROWS);
  const int keys =
      count_visible(g.kind, w, w.first + count - 1); // no query of a block sees more than its last one
  const int warp_keys = keys_of_warp(g.kind, w, warp_row);
  const float to_log2 = g.scale * LOG2_E;

  float acc[ROWS_EACH][columns<D>::COUNT], row_max[ROWS_EACH], sum[ROWS_EACH];
  int n_visible[ROWS_EACH];
  clear(acc);
#pragma unroll
  for (int i = 0; i < ROWS_EACH; i++) {
    row_max[i] = -INFINITY;
    sum[i] = 0.0f;
    n_visible[i] = count_visible(g.kind, w, w.first + row + i * ROW_STEP);
  }

  load_rows<T, D, ROWS>(q, part_of(g, w, 0, w.first, D), pitch, count);
  load_rows<T, D, KEYS>(k, part_of(g, w, 1, 0, D), pitch, keys);
  gpu::cp_async_commit();
  for (int key = 0; key < keys; key += KEYS) {
    if (g.threshold > 0 && key % 64 == 0) draw_keep<T, ROWS>(keep, g, w, w.first, key);
    gpu::cp_async_wait<0>();
    __syncthreads(); // keys and dropout bits are loaded; all warps have finished with the previous tile's values
    load_rows<T, D, KEYS>(v, part_of(g, w, 2, key, D), pitch, keys - key);
    gpu::cp_async_commit();

    if (key < warp_keys) {
      float s[ROWS_EACH][EACH];
      dot_rows<T, D, ROWS_EACH, EACH, ROW_STEP, TX>(s, q + row * S, k + tx * S);
#pragma unroll
      for (int i = 0; i < ROWS_EACH; i++) {
        float high = row_max[i];
#pragma unroll
        for (int j = 0; j < EACH; j++) {
          s[i][j] = key + tx + j * TX < n_visible[i] ? s[i][j] * to_log2 : -INFINITY;
          high = fmaxf(high, s[i][j]);
        }
        high = tile_max(high);
        const float shrink = gpu::exp2_approx(row_max[i] - high); // 0 in the first tile
        const uint32_t bits =
            g.threshold > 0 ? keep[(row + i * ROW_STEP) * 4 + tx / 2] >> (tx % 2 + key % 64 / 8 * 2) : ~0u;
        row_max[i] = high;
        sum[i] *= shrink;
#pragma unroll
        for (int c = 0; c < columns<D>::COUNT; c++) acc[i][c] *= shrink;
#pragma unroll
        for (int j = 0; j < EACH; j++) {
          const float e = gpu::exp2_approx(s[i][j] - high);
          sum[i] += e;
          p[(row + i * ROW_STEP) * P + tx + j * TX] = bits >> (2 * j) & 1u ? e : 0.0f;
        }
      }
    }

    gpu::cp_async_wait<0>();
    __syncthreads(); // values and p are ready; all warps have finished with the keys
    if (key + KEYS < keys)
      load_rows<T, D, KEYS>(k, part_of(g, w, 1, key + KEYS, D), pitch, keys - key - KEYS);
    gpu::cp_async_commit();
    if (key < warp_keys) add_rows<T, D, KEYS, P>(acc, p + row * P, v, tx);
  }

#pragma unroll
  for (int i = 0; i < ROWS_EACH; i++) {
    const int r = row + i * ROW_STEP;
    const float total = row_sum(sum[i]);
    if (r >= count) continue;
    store_columns<T, D>(head_of(g.out, g.heads, w, w.first + r, D), acc[i], g.keep_scale / total, tx);
    if (tx == 0) g.lse[stat_of(g, w, w.first + r)] = (row_max[i] + log2f(total)) * LN_2;
  }
}

// ---- backward ------------------------------------------------------------------------------------------------------

// delta[a,i] = dout . out: D / 4 lanes a row, which are neighbours.
template <class T, int D> __global__ void __launch_bounds__(DELTA_BLOCK) make_delta(const arguments<T> g) {
  constexpr int LANES = D / 4;
  const size_t i = static_cast<size_t>(blockIdx.x) * DELTA_BLOCK + threadIdx.x, pair = i / LANES;
  const size_t token = pair / static_cast<size_t>(g.heads), head = pair % static_cast<size_t>(g.heads);
  const bool live = token < static_cast<size_t>(min(g.state->tokens, g.cap));
  float dot = 0.0f;
  if (live) {
    float x[4], y[4];
    gpu::load4(x, g.dout + 4 * i);
    gpu::load4(y, g.out + 4 * i);
    dot = fmaf(x[0], y[0], fmaf(x[1], y[1], fmaf(x[2], y[2], x[3] * y[3])));
  }
#pragma unroll
  for (int o = LANES / 2; o > 0; o >>= 1) dot += __shfl_xor_sync(gpu::FULL_WARP, dot, o);
  if (live && i % LANES == 0) g.delta[head * static_cast<size_t>(g.cap) + token] = dot;
}

template <class T, int D> struct backward_shape {
  static constexpr int TILE = D == 128 ? 16 : 32, S = row_of<T, D>::STRIDE;
  static constexpr int BLOCKS = D <= 32 ? 3 : 2; // of a multiprocessor, at least
  static constexpr int P_QUERIES = TILE + 8;     // of a row of ds
  static constexpr int P_KEYS = ROWS + 4;        // of p and ds in the other kernel
  static constexpr size_t RESIDENT = 2 * (ROWS + TILE) * S * sizeof(T);
  static constexpr size_t QUERIES_BYTES =
      RESIDENT + ROWS * P_QUERIES * sizeof(float) + ROWS * 4 * sizeof(uint16_t);
  static constexpr size_t KEYS_BYTES =
      RESIDENT + 2 * TILE * P_KEYS * sizeof(float) + TILE * 4 * sizeof(uint16_t);
};

template <class T, int D>
__global__ void __launch_bounds__(BLOCK, backward_shape<T, D>::BLOCKS)
    backward_queries(const arguments<T> g) {
  typedef backward_shape<T, D> shape;
  constexpr int KEYS = shape::TILE, P = shape::P_QUERIES, S = shape::S, EACH = KEYS / TX;
  DYN_SMEM(T, q);
  T *dout = q + ROWS * S, *k = dout + ROWS * S, *v = k + KEYS * S;
  float *p = reinterpret_cast<float *>(v + KEYS * S);
  uint16_t *keep = reinterpret_cast<uint16_t *>(p + ROWS * P);
  place w;
  if (!find_place(g, w)) return;
  const int tx = gpu::lane_id() % TX, warp_row = gpu::warp_id() * WARP_ROWS;
  const int row = warp_row + gpu::lane_id() / TX;
  const int pitch = 3 * g.heads * D, count = min(w.n - w.first, ROWS);
  const int keys = count_visible(g.kind, w, w.first + count - 1);
  const int warp_keys = keys_of_warp(g.kind, w, warp_row);
  const float to_log2 = g.scale * LOG2_E;

  load_rows<T, D, ROWS>(q, part_of(g, w, 0, w.first, D), pitch, count);
  load_rows<T, D, ROWS>(dout, head_of(g.dout, g.heads, w, w.first, D), g.heads * D, count);
  float acc[ROWS_EACH][columns<D>::COUNT], lse[ROWS_EACH], delta[ROWS_EACH];
  int n_visible[ROWS_EACH];
  clear(acc);
#pragma unroll
  for (int i = 0; i < ROWS_EACH; i++) {
    const int r = row + i * ROW_STEP;
    n_visible[i] = count_visible(g.kind, w, w.first + r);
    lse[i] = r < count ? g.lse[stat_of(g, w, w.first + r)] * LOG2_E : 0.0f;
    delta[i] = r < count ? g.delta[stat_of(g, w, w.first + r)] : 0.0f;
  }

  for (int key = 0; key < keys; key += KEYS) {
    __syncthreads(); // everyone is done with the tile before
    load_rows<T, D, KEYS>(k, part_of(g, w, 1, key, D), pitch, keys - key);
    load_rows<T, D, KEYS>(v, part_of(g, w, 2, key, D), pitch, keys - key);
    gpu::cp_async_commit();
    if (g.threshold > 0 && key % 64 == 0) draw_keep<T, ROWS>(keep, g, w, w.first, key);
    gpu::cp_async_wait<0>();
    __syncthreads();

    if (key >= warp_keys) continue;
    float s[ROWS_EACH][EACH], dp[ROWS_EACH][EACH];
    dot_rows<T, D, ROWS_EACH, EACH, ROW_STEP, TX>(s, q + row * S, k + tx * S);
    dot_rows<T, D, ROWS_EACH, EACH, ROW_STEP, TX>(dp, dout + row * S, v + tx * S);
#pragma unroll
    for (int i = 0; i < ROWS_EACH; i++) {
      const uint32_t bits =
          g.threshold > 0 ? keep[(row + i * ROW_STEP) * 4 + tx / 2] >> (tx % 2 + key % 64 / 8 * 2) : ~0u;
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        const float prob = gpu::exp2_approx(s[i][j] * to_log2 - lse[i]);
        const float dprob = bits >> (2 * j) & 1u ? dp[i][j] * g.keep_scale : 0.0f;
        p[(row + i * ROW_STEP) * P + tx + j * TX] =
            key + tx + j * TX < n_visible[i] ? prob * (dprob - delta[i]) : 0.0f;
      }
    }
    __syncwarp(); // rows of p stay in the warp
    add_rows<T, D, KEYS, P>(acc, p + row * P, k, tx);
  }

#pragma unroll
  for (int i = 0; i < ROWS_EACH; i++) {
    const int r = row + i * ROW_STEP;
    if (r >= count) continue;
    const size_t at = (w.row + static_cast<size_t>(w.first + r)) * static_cast<size_t>(pitch);
    store_columns<T, D>(g.dqkv + at + w.head * D, acc[i], g.scale, tx);
  }
}

template <class T, int D>
__global__ void __launch_bounds__(BLOCK, backward_shape<T, D>::BLOCKS) backward_keys(const arguments<T> g) {
  typedef backward_shape<T, D> shape;
  constexpr int QUERIES = shape::TILE, P = shape::P_KEYS, S = shape::S, EACH = QUERIES / TX;
  DYN_SMEM(T, k);
  T *v = k + ROWS * S, *q = v + ROWS * S, *dout = q + QUERIES * S;
  float *p = reinterpret_cast<float *>(dout + QUERIES * S), *ds = p + QUERIES * P;
  uint16_t *keep = reinterpret_cast<uint16_t *>(ds + QUERIES * P);
  place w;
  if (!find_place(g, w)) return;
  const int tx = gpu::lane_id() % TX, warp_row = gpu::warp_id() * WARP_ROWS;
  const int row = warp_row + gpu::lane_id() / TX;
  const int pitch = 3 * g.heads * D, count = min(w.n - w.first, ROWS);
  const int own = warp_row + gpu::lane_id() / TX * ROWS_EACH; // dk and dv: keys own .. own + 3
  // The first query that sees a key of the block; all later ones do, too.
  const int start = g.kind == ATTENTION_FULL || w.first < w.prefix ? 0 : w.first;
  const float to_log2 = g.scale * LOG2_E;

  load_rows<T, D, ROWS>(k, part_of(g, w, 1, w.first, D), pitch, count);
  load_rows<T, D, ROWS>(v, part_of(g, w, 2, w.first, D), pitch, count);
  float dk[ROWS_EACH][columns<D>::COUNT], dv[ROWS_EACH][columns<D>::COUNT];
  clear(dk);
  clear(dv);
  for (int query = start; query < w.n; query += QUERIES) {
    __syncthreads(); // everyone is done with the tile before
    load_rows<T, D, QUERIES>(q, part_of(g, w, 0, query, D), pitch, w.n - query);
    load_rows<T, D, QUERIES>(dout, head_of(g.dout, g.heads, w, query, D), g.heads * D, w.n - query);
    gpu::cp_async_commit();
    float lse[EACH], delta[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int at = query + tx + i * TX;
      lse[i] = at < w.n ? g.lse[stat_of(g, w, at)] * LOG2_E : 0.0f;
      delta[i] = at < w.n ? g.delta[stat_of(g, w, at)] : 0.0f;
    }
    if (g.threshold > 0) draw_keep<T, QUERIES>(keep, g, w, query, w.first);
    gpu::cp_async_wait<0>();
    __syncthreads();

    if (w.first + warp_row >= count_visible(g.kind, w, min(query + QUERIES, w.n) - 1)) continue;
    float s[EACH][ROWS_EACH], dp[EACH][ROWS_EACH];
    dot_rows<T, D, EACH, ROWS_EACH, TX, ROW_STEP>(s, q + tx * S, k + row * S);
    dot_rows<T, D, EACH, ROWS_EACH, TX, ROW_STEP>(dp, dout + tx * S, v + row * S);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int r = tx + i * TX, n_visible = count_visible(g.kind, w, query + r);
#pragma unroll
      for (int j = 0; j < ROWS_EACH; j++) {
        const int key = row + j * ROW_STEP;
        const bool sees = w.first + key < n_visible;
        const bool kept = g.threshold == 0 || keep[r * 4 + key % 8 / 2] >> gpu::attention_byte(key) & 1;
        const float prob = gpu::exp2_approx(s[i][j] * to_log2 - lse[i]);
        p[r * P + key] = sees && kept ? prob * g.keep_scale : 0.0f;
        ds[r * P + key] = sees ? prob * ((kept ? dp[i][j] * g.keep_scale : 0.0f) - delta[i]) : 0.0f;
      }
    }
    __syncwarp(); // columns of p and ds stay in the warp
    add_rows_transposed<T, D, QUERIES, P>(dv, p, dout, own, tx);
    add_rows_transposed<T, D, QUERIES, P>(dk, ds, q, own, tx);
  }

#pragma unroll
  for (int i = 0; i < ROWS_EACH; i++) {
    const int r = own + i;
    if (r >= count) continue;
    T *to = g.dqkv + (w.row + static_cast<size_t>(w.first + r)) * static_cast<size_t>(pitch) + w.head * D;
    store_columns<T, D>(to + g.heads * D, dk[i], g.scale, tx);
    store_columns<T, D>(to + 2 * g.heads * D, dv[i], 1.0f, tx);
  }
}

// ---- launchers -----------------------------------------------------------------------------------------------------

template <class T> arguments<T> arguments_of(const launch *l, const attention_params *p) {
  const batch_view *b = p->batch;
  arguments<T> g = {};
  g.cu_seqlens = b->cu_seqlens;
  g.prefix_len = b->prefix_len;
  g.work = b->work;
  g.seq_ids = b->seq_ids;
  g.state = l->state;
  g.max_work = p->max_work;
  g.heads = p->heads;
  g.cap = p->n.cap;
  g.kind = p->kind;
  g.scale = p->scale;
  g.site = p->drop.site;
  g.threshold = p->drop.threshold;
  g.keep_scale = dropout_scale(p->drop.threshold);
  g.qkv = static_cast<const T *>(p->qkv);
  g.out = static_cast<T *>(p->out);
  g.lse = p->lse;
  g.dout = static_cast<const T *>(p->dout);
  g.dqkv = static_cast<T *>(p->dqkv);
  g.delta = static_cast<float *>(l->scratch);
  return g;
}

// Grid and shared memory of a kernel with a block for each item of the work list and head.
template <class T> cudaLaunchConfig_t items_config(const launch *l, const arguments<T> &g, size_t bytes) {
  return launch_shape(l, dim3(static_cast<unsigned>(g.max_work), static_cast<unsigned>(g.heads)), BLOCK,
                      bytes);
}

template <class T> cudaError_t allow_bytes(void (*kernel)(arguments<T>), size_t bytes) {
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
}

template <class T, int D> cudaError_t launch_forward(const launch *l, const arguments<T> &g) {
  constexpr size_t BYTES = forward_shape<T, D>::BYTES;
  const cudaError_t rc = allow_bytes<T>(forward<T, D>, BYTES);
  if (rc != cudaSuccess) return rc;
  const cudaLaunchConfig_t c = items_config(l, g, BYTES);
  return cudaLaunchKernelEx(&c, forward<T, D>, g);
}

template <class T, int D> cudaError_t launch_backward(const launch *l, const arguments<T> &g) {
  constexpr size_t QUERIES_BYTES = backward_shape<T, D>::QUERIES_BYTES,
                   KEYS_BYTES = backward_shape<T, D>::KEYS_BYTES;
  cudaError_t rc = allow_bytes<T>(backward_queries<T, D>, QUERIES_BYTES);
  if (rc == cudaSuccess) rc = allow_bytes<T>(backward_keys<T, D>, KEYS_BYTES);
  if (rc != cudaSuccess) return rc;
  const size_t lanes = static_cast<size_t>(g.cap) * static_cast<size_t>(g.heads) * (D / 4);
  cudaLaunchConfig_t c =
      launch_shape(l, dim3(static_cast<unsigned>((lanes + DELTA_BLOCK - 1) / DELTA_BLOCK)), DELTA_BLOCK, 0);
  rc = cudaLaunchKernelEx(&c, make_delta<T, D>, g);
  if (rc != cudaSuccess) return rc;
  c = items_config(l, g, QUERIES_BYTES);
  rc = cudaLaunchKernelEx(&c, backward_queries<T, D>, g);
  if (rc != cudaSuccess) return rc;
  c = items_config(l, g, KEYS_BYTES);
  return cudaLaunchKernelEx(&c, backward_keys<T, D>, g);
}

} // namespace

extern "C" size_t launch_attention_scratch(const attention_params *p, size_t act_size) {
  (void)act_size;
  return static_cast<size_t>(p->heads) * static_cast<size_t>(p->n.cap) * sizeof(float);
}

extern "C" cudaError_t launch_attention_forward(const launch *l, const attention_params *p) {
  if (p->max_work == 0 || p->n.cap == 0) return cudaSuccess;
  const arguments<float> g = arguments_of<float>(l, p);
  switch (p->head_size) {
  case 16:
    return launch_forward<float, 16>(l, g);
  case 32:
    return launch_forward<float, 32>(l, g);
  case 64:
    return launch_forward<float, 64>(l, g);
  case 128:
    return launch_forward<float, 128>(l, g);
  default:
    return cudaErrorInvalidValue; // refused by supports() before
  }
}

extern "C" cudaError_t launch_attention_backward(const launch *l, const attention_params *p) {
  if (p->max_work == 0 || p->n.cap == 0) return cudaSuccess;
  const arguments<float> g = arguments_of<float>(l, p);
  switch (p->head_size) {
  case 16:
    return launch_backward<float, 16>(l, g);
  case 32:
    return launch_backward<float, 32>(l, g);
  case 64:
    return launch_backward<float, 64>(l, g);
  case 128:
    return launch_backward<float, 128>(l, g);
  default:
    return cudaErrorInvalidValue;
  }
}
