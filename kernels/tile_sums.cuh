// Column sums of tiles: what the kernels that go over a matrix in blocks of 32 lanes x 8 rows of threads share.
//
// A lane owns V neighbouring columns (4 or 1) and a row of threads every eighth row of a tile. The eight partial sums of
// a column meet in shared memory and are added in order; launch_add_partials then adds up the tiles, in order too.
#pragma once
#include "gpu.cuh"

namespace {

constexpr int LANES = 32, TALL = 8, TILE_THREADS = LANES * TALL;

// All threads of the block: sums of columns [LANES V blockIdx.x, ...) to row blockIdx.y of `to` [tiles,columns]. May be
// called again. (No template: GCC puts the shared arrays of templates where the simulator does not look for them.)
DEVICE void keep_sums(float *to, const float *sum, int V, int columns) {
  __shared__ float part[TALL][LANES * 4];
  const int lane = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  for (int e = 0; e < V; e++) part[y][lane * V + e] = sum[e];
  __syncthreads();
  const int own = y * LANES + lane, column = static_cast<int>(blockIdx.x) * LANES * V + own;
  if (own < LANES * V && column < columns) {
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < TALL; i++) total += part[i][own];
    to[static_cast<size_t>(blockIdx.y) * static_cast<size_t>(columns) + static_cast<size_t>(column)] = total;
  }
  __syncthreads();
}

} // namespace
