/* Planted faults: kernels that are wrong on purpose. */
#ifndef CUSIM_FAULTS_H
#define CUSIM_FAULTS_H
#include <cuda_runtime.h>

/* X(kernel, blocks, threads, dynamic shared memory in floats). The comment beside a kernel in faults.cu says what
 * is wrong; out[i] should become what test_faults.cpp's expected() says. */
#define FAULT_KERNELS(X)               \
  X(good, 1, 256, 0)                   \
  X(good_last_block, 4, 64, 0)         \
  X(good_flag, 4, 64, 0)               \
  X(barrier_missing, 1, 256, 0)        \
  X(barrier_missing_mirror, 1, 256, 0) \
  X(barrier_missing_loop, 1, 256, 0)   \
  X(syncwarp_missing, 1, 256, 0)       \
  X(barrier_in_branch, 1, 256, 0)      \
  X(barrier_two_places, 1, 256, 0)     \
  X(barrier_after_return, 1, 256, 0)   \
  X(barrier_exit_late, 1, 256, 0)      \
  X(shfl_not_in_mask, 1, 256, 0)       \
  X(shfl_lanes_missing, 1, 256, 0)     \
  X(shfl_lane_exits, 1, 256, 0)        \
  X(shfl_source_missing, 1, 256, 0)    \
  X(shfl_two_places, 1, 256, 0)        \
  X(bounds_shared, 1, 256, 0)          \
  X(bounds_dynamic, 1, 256, 256)       \
  X(bounds_global_read, 1, 256, 0)     \
  X(bounds_global_write, 1, 256, 0)    \
  X(bounds_global_far, 1, 256, 0)      \
  X(bounds_atomic, 1, 256, 0)          \
  X(misaligned_float4, 1, 256, 0)      \
  X(misaligned_float2, 1, 256, 0)      \
  X(unwritten_shared, 1, 256, 0)       \
  X(copy, 1, 256, 0)                   \
  X(cp_no_wait, 1, 256, 0)             \
  X(cp_no_barrier, 1, 256, 0)          \
  X(cp_too_few, 1, 256, 0)             \
  X(cp_misaligned, 1, 256, 0)          \
  X(cp_bounds, 1, 256, 0)              \
  X(ldmatrix_global, 1, 256, 0)        \
  X(race_blocks_add, 4, 64, 0)         \
  X(race_blocks_read, 4, 64, 0)        \
  X(race_no_fence, 4, 64, 0)           \
  X(race_shared_add, 1, 256, 0)        \
  X(endless, 1, 256, 0)                \
  X(stack_overflow, 1, 256, 0)         \
  X(divide_by_zero, 1, 256, 0)         \
  X(trap, 1, 256, 0)                   \
  X(foreign_local, 1, 256, 0)

#ifdef __cplusplus
extern "C" {
#endif
enum fault {
#define FAULT_ENUM(name, blocks, threads, smem) FAULT_##name,
  FAULT_KERNELS(FAULT_ENUM)
#undef FAULT_ENUM
      FAULT_COUNT
};
/* out and in: [256]; counter: [1]. threads: 0 for the kernel's own. */
cudaError_t fault_launch(cudaStream_t s, int fault, unsigned threads, float *out, const float *in,
                         unsigned *counter);
#ifdef __cplusplus
}
#endif
#endif
