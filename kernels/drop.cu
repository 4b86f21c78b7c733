// y = or += dropout(x), of rows that are tokens, listed tokens or sequences. The backward pass is the same, of gradients.
//
//   y(i,c) = byte(i,c) < threshold ? 0 : x(i,c) 256 / (256 - threshold)
//
// A thread takes the 16 channels of a counter: Philox is 100 operations, and its 16 bytes serve them all. The threads of a warp
// take counters that follow each other, so that what they read together lies together: 32 x 64 bytes, of which each load
// instruction takes a channel of every thread. Lines are fetched once and served from L1 for the other 15 loads. The op
// stands where rows are few (one a sequence, in front of a classifier), and is then a microsecond and its launch, and where a
// low-rank adapter reads a layer's input; norms and embeddings have dropout of their own (rows.cuh). Bytes: 4 H a row read, 4 H
// written (and read, where it is added to), which is the floor.
//
// x and y may be the same memory: a thread writes what it alone has read. Rows past the live count are left alone.
//
// Expected: below 40 registers, no shared memory.
#include "gpu.cuh"
#include "launch.h"
#include "philox.cuh"
#include "rows.cuh"

namespace {

constexpr int BLOCK = 256, CHANNELS = 16;

template <class T>
__global__ void __launch_bounds__(BLOCK)
    drop_rows(const T *x, T *y, row_dropout d, rows n, const int32_t *__restrict__ index, bool add,
              int hidden, const step_state *__restrict__ state) {
  const int counters = gpu::ceil_div(hidden, CHANNELS);
  const int64_t at = static_cast<int64_t>(blockIdx.x) * BLOCK + static_cast<int>(threadIdx.x);
  const int64_t row = at / counters;
  if (row >= gpu::live_rows(n, state)) return;
  const int block = static_cast<int>(at % counters), first = block * CHANNELS;
  const int stop = first + CHANNELS < hidden ? first + CHANNELS : hidden;
  const int i = static_cast<int>(row);
  uint4 bytes = make_uint4(0, 0, 0, 0);
  if (d.threshold > 0) {
    const row_name name =
        n.kind == ROWS_SEQS ? row_name{d.seq_ids[i], 0} : name_of(d, n.kind == ROWS_MASKED ? index[i] : i);
    bytes = gpu::hidden_bytes(state, d.site, name.sequence, name.position, block);
  }
  for (int c = first; c < stop; c++) {
    const float value = gpu::to_float(x[row * hidden + c]);
    const bool dropped = gpu::byte_of(bytes, c - first) < d.threshold;
    float kept = d.threshold == 0 ? value : dropped ? 0.0f : value * d.scale;
    if (add) kept += gpu::to_float(y[row * hidden + c]);
    y[row * hidden + c] = gpu::from_float<T>(kept);
  }
}

template <class T> cudaError_t run(const launch *l, const drop_params *p) {
  const int64_t threads = static_cast<int64_t>(p->n.cap) * gpu::ceil_div(p->hidden, CHANNELS);
  cudaLaunchConfig_t c =
      launch_shape(l, dim3(static_cast<unsigned>((threads + BLOCK - 1) / BLOCK)), BLOCK, 0);
  return cudaLaunchKernelEx(&c, drop_rows<T>, static_cast<const T *>(p->x), static_cast<T *>(p->y),
                            dropout_of(p->batch, p->drop), p->n, p->index, p->y_add, p->hidden, l->state);
}

} // namespace

extern "C" cudaError_t launch_drop(const launch *l, const drop_params *p) {
  return p->n.cap == 0 ? cudaSuccess : run<float>(l, p);
}
