// test_faults NAME: runs one planted fault, of a kernel (faults.cu) or of host code (below). faults.sh runs all of
// them in all builds. Exit status 0: nothing noticed and the right result; 10: a wrong result; 20: a CUDA error that
// the program looked at; otherwise a report ended it.
#include "faults.h"
#include "samples.h"
#include <cublasLt.h>
#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

namespace {
constexpr int N = 256;
constexpr size_t BYTES = N * sizeof(float);
float *in, *out, *middle;
unsigned *counter;
float *values; // pageable host memory
cudaStream_t a, b;
cudaEvent_t event, event2;
float *pinned, *back;

#define CHECK(e)                                                                     \
  do {                                                                               \
    const cudaError_t e_ = (e);                                                      \
    if (e_ != cudaSuccess) {                                                         \
      fprintf(stderr, "CUDA error %s at line %d\n", cudaGetErrorName(e_), __LINE__); \
      _Exit(20);                                                                     \
    }                                                                                \
  } while (0)

float expected(int fault, int i) {
  switch (fault) {
  case FAULT_barrier_missing:
    return values[i ? i - 1 : 0];
  case FAULT_barrier_missing_mirror:
  case FAULT_cp_no_barrier:
    return values[N - 1 - i];
  case FAULT_barrier_missing_loop:
    return 4 * values[(i + 1) % N] + 6;
  case FAULT_syncwarp_missing:
    return values[i ^ 1];
  default:
    return values[i];
  }
}
void compare(const float *got, int fault) {
  for (int i = 0; i < N; i++)
    if (!(got[i] == expected(fault, i))) {
      fprintf(stderr, "wrong result at %d: %g instead of %g\n", i, static_cast<double>(got[i]),
              static_cast<double>(expected(fault, i)));
      _Exit(10);
    }
}
void download_and_compare(int fault) {
  std::vector<float> got(N);
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaMemcpy(got.data(), out, BYTES, cudaMemcpyDeviceToHost));
  // Results of these are not defined; only a report counts.
  for (int f : {FAULT_bounds_shared, FAULT_bounds_global_read, FAULT_bounds_global_write,
                FAULT_bounds_global_far, FAULT_bounds_atomic, FAULT_misaligned_float4,
                FAULT_misaligned_float2, FAULT_race_blocks_add, FAULT_divide_by_zero, FAULT_foreign_local})
    if (fault == f) return;
  compare(got.data(), fault);
}
void setup() {
  values = new float[N];
  for (int i = 0; i < N; i++) values[i] = static_cast<float>(i + 1);
  CHECK(cudaMalloc(&in, BYTES));
  CHECK(cudaMalloc(&out, BYTES));
  CHECK(cudaMalloc(&middle, BYTES));
  CHECK(cudaMalloc(&counter, sizeof(unsigned)));
  CHECK(cudaMemset(counter, 0, sizeof(unsigned)));
  CHECK(cudaMemset(out, 0, BYTES));
  CHECK(cudaMemset(middle, 0, BYTES));
  CHECK(cudaMemcpy(in, values, BYTES, cudaMemcpyHostToDevice));
  CHECK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
  CHECK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
  CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  CHECK(cudaEventCreateWithFlags(&event2, cudaEventDisableTiming));
  CHECK(cudaMallocHost(&pinned, BYTES));
  CHECK(cudaMallocHost(&back, BYTES));
  memcpy(pinned, values, BYTES);
  CHECK(cudaDeviceSynchronize());
}
void teardown() {
  for (void *p : {static_cast<void *>(in), static_cast<void *>(out), static_cast<void *>(middle),
                  static_cast<void *>(counter)})
    CHECK(cudaFree(p));
  CHECK(cudaFreeHost(pinned));
  CHECK(cudaFreeHost(back));
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaEventDestroy(event));
  CHECK(cudaEventDestroy(event2));
  delete[] values;
}
cudaError_t copy_kernel(cudaStream_t s, float *to, const float *from) {
  return fault_launch(s, FAULT_copy, 0, to, from, counter);
}

// Upload on one stream, two kernels and a download on the other, as it should be; and with one step left out.
enum { STREAMS_GOOD, STREAMS_NO_EVENT, STREAMS_PINNED_REUSED, STREAMS_NO_SYNC };
void streams(int wrong) {
  CHECK(cudaMemsetAsync(in, 0, BYTES, a));
  CHECK(cudaMemcpyAsync(in, pinned, BYTES, cudaMemcpyHostToDevice, a));
  if (wrong == STREAMS_PINNED_REUSED) memset(pinned, 0, BYTES);
  CHECK(copy_kernel(a, middle, in));
  CHECK(cudaEventRecord(event, a));
  if (wrong != STREAMS_NO_EVENT) CHECK(cudaStreamWaitEvent(b, event, 0));
  CHECK(copy_kernel(b, out, middle));
  CHECK(cudaMemcpyAsync(back, out, BYTES, cudaMemcpyDeviceToHost, b));
  if (wrong != STREAMS_NO_SYNC) CHECK(cudaStreamSynchronize(b));
  compare(back, FAULT_copy);
}
// The same in a graph, replayed twice; with `early` the fork's event is recorded before the producer.
void graph(bool early) {
  cudaGraph_t g;
  cudaGraphExec_t x;
  CHECK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
  CHECK(cudaMemsetAsync(middle, 0, BYTES, a));
  if (early) CHECK(cudaEventRecord(event, a));
  CHECK(copy_kernel(a, middle, in));
  if (!early) CHECK(cudaEventRecord(event, a));
  CHECK(cudaStreamWaitEvent(b, event, 0));
  CHECK(copy_kernel(b, out, middle));
  CHECK(cudaEventRecord(event2, b));
  CHECK(cudaStreamWaitEvent(a, event2, 0));
  CHECK(cudaStreamEndCapture(a, &g));
  CHECK(cudaGraphInstantiate(&x, g, 0));
  for (int i = 0; i < 2; i++) CHECK(cudaGraphLaunch(x, a));
  CHECK(cudaStreamSynchronize(a));
  CHECK(cudaGraphExecDestroy(x));
  CHECK(cudaGraphDestroy(g));
  download_and_compare(FAULT_copy);
}
// 16x16 fp32 matmuls through cuBLASLt.
enum { LT_GOOD, LT_OVERLAP, LT_UNWRITTEN, LT_BOUNDS, LT_WORKSPACE };
void matmul(int wrong) {
  float *m[4], one = 1, zero = 0;
  cublasLtHandle_t h;
  cublasLtMatmulDesc_t d;
  cublasLtMatrixLayout_t l;
  cublasLtMatmulPreference_t p;
  cublasLtMatmulHeuristicResult_t r;
  int count = 0;
  size_t workspace = wrong == LT_WORKSPACE ? 1 << 20 : 0;
  std::vector<float> zeros(1024);
  for (float *&q : m) {
    CHECK(cudaMalloc(&q, 1024 * sizeof(float)));
    if (wrong != LT_UNWRITTEN || &q == &m[0])
      CHECK(cudaMemcpy(q, zeros.data(), 1024 * sizeof(float), cudaMemcpyHostToDevice));
  }
  const int k = wrong == LT_WORKSPACE ? 64 : 16;
  cublasLtMatrixLayout_t la, lb;
  bool fine = cublasLtCreate(&h) == CUBLAS_STATUS_SUCCESS &&
              cublasLtMatmulDescCreate(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS;
  fine = fine && cublasLtMatrixLayoutCreate(&l, CUDA_R_32F, 16, 16, 16) == CUBLAS_STATUS_SUCCESS;
  fine = fine && cublasLtMatrixLayoutCreate(&la, CUDA_R_32F, 16, static_cast<uint64_t>(k),
                                            wrong == LT_BOUNDS ? 80 : 16) == CUBLAS_STATUS_SUCCESS;
  fine = fine && cublasLtMatrixLayoutCreate(&lb, CUDA_R_32F, static_cast<uint64_t>(k), 16, k) ==
                     CUBLAS_STATUS_SUCCESS;
  fine = fine && cublasLtMatmulPreferenceCreate(&p) == CUBLAS_STATUS_SUCCESS;
  fine = fine && cublasLtMatmulPreferenceSetAttribute(p, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                                      sizeof workspace) == CUBLAS_STATUS_SUCCESS;
  fine = fine &&
         cublasLtMatmulAlgoGetHeuristic(h, d, la, lb, l, l, p, 1, &r, &count) == CUBLAS_STATUS_SUCCESS &&
         count == 1;
  if (!fine) _Exit(21);
  float *D = wrong == LT_OVERLAP ? m[0] + 64 : m[2];
  if (cublasLtMatmul(h, d, &one, m[0], la, m[1], lb, &zero, D, l, D, l, &r.algo, nullptr, 0, a) !=
      CUBLAS_STATUS_SUCCESS)
    _Exit(20);
  CHECK(cudaStreamSynchronize(a));
  cublasLtMatmulPreferenceDestroy(p);
  for (cublasLtMatrixLayout_t q : {l, la, lb}) cublasLtMatrixLayoutDestroy(q);
  cublasLtMatmulDescDestroy(d);
  cublasLtDestroy(h);
  for (float *q : m) CHECK(cudaFree(q));
}

void host_callback(void *p) {
  *static_cast<cudaError_t *>(p) = cudaStreamQuery(nullptr);
}

bool host_fault(const char *name) {
  auto is = [&](const char *n) { return !strcmp(name, n); };
  if (is("streams_good"))
    streams(STREAMS_GOOD);
  else if (is("event_missing"))
    streams(STREAMS_NO_EVENT);
  else if (is("pinned_reused"))
    streams(STREAMS_PINNED_REUSED);
  else if (is("sync_missing"))
    streams(STREAMS_NO_SYNC);
  else if (is("graph_good"))
    graph(false);
  else if (is("graph_event_early"))
    graph(true);
  else if (is("host_reads_device")) {
    volatile float x = out[3];
    (void)x;
  } else if (is("copy_bounds"))
    CHECK(cudaMemcpy(out, values, BYTES + 4, cudaMemcpyHostToDevice));
  else if (is("copy_kind"))
    CHECK(cudaMemcpy(values, values, BYTES, cudaMemcpyDeviceToHost));
  else if (is("too_many_threads"))
    CHECK(fault_launch(nullptr, FAULT_copy, 2048, out, in, counter));
  else if (is("too_much_shared"))
    CHECK(sample_smem(nullptr, 160 << 10, out)); // fine on sm_80, too much on sm_86
  else if (is("grid_too_large"))
    CHECK(sample_transpose(nullptr, 32 * 70000, 1, in, out));
  else if (is("error_unchecked")) {
    void *p;
    if (cudaMalloc(&p, static_cast<size_t>(1) << 40) == cudaSuccess) _Exit(21); // noticed, but not taken
    CHECK(cudaMemset(out, 0, 4));
  } else if (is("error_taken")) {
    void *p;
    if (cudaMalloc(&p, static_cast<size_t>(1) << 40) == cudaSuccess ||
        cudaGetLastError() != cudaErrorMemoryAllocation)
      _Exit(21);
    CHECK(cudaMemset(out, 0, 4));
  } else if (is("leak_memory"))
    CHECK(cudaMalloc(&in, 4));
  else if (is("leak_stream"))
    CHECK(cudaStreamCreate(&a));
  else if (is("double_free")) {
    void *p;
    CHECK(cudaMalloc(&p, 4));
    CHECK(cudaFree(p));
    CHECK(cudaFree(p));
  } else if (is("capture_sync")) {
    CHECK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    CHECK(cudaStreamSynchronize(a));
  } else if (is("capture_malloc")) {
    void *p;
    CHECK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    CHECK(cudaMalloc(&p, 4));
  } else if (is("capture_unjoined")) {
    cudaGraph_t g;
    CHECK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    CHECK(copy_kernel(a, middle, in));
    CHECK(cudaEventRecord(event, a));
    CHECK(cudaStreamWaitEvent(b, event, 0));
    CHECK(copy_kernel(b, out, middle));
    CHECK(cudaStreamEndCapture(a, &g));
  } else if (is("callback_calls_cuda")) {
    static cudaError_t result;
    CHECK(cudaLaunchHostFunc(a, host_callback, &result));
    CHECK(cudaStreamSynchronize(a));
  } else if (is("nvtx_pop"))
    nvtxRangePop();
  else if (is("matmul_good"))
    matmul(LT_GOOD);
  else if (is("matmul_overlap"))
    matmul(LT_OVERLAP);
  else if (is("matmul_unwritten"))
    matmul(LT_UNWRITTEN);
  else if (is("matmul_bounds"))
    matmul(LT_BOUNDS);
  else if (is("matmul_workspace"))
    matmul(LT_WORKSPACE);
  else
    return false;
  return true;
}
bool kernel_fault(const char *name) {
  static const char *const names[] = {
#define FAULT_NAME(n, blocks, threads, smem) #n,
      FAULT_KERNELS(FAULT_NAME)
#undef FAULT_NAME
  };
  float *from = in;
  int fault = -1;
  for (int i = 0; i < FAULT_COUNT; i++)
    if (!strcmp(name, names[i])) fault = i;
  if (!strcmp(name, "unwritten_global")) from = middle;
  if (!strcmp(name, "host_pointer")) from = values;
  if (!strcmp(name, "use_after_free")) CHECK(cudaMalloc(&from, BYTES));
  if (from != in) fault = FAULT_copy;
  if (fault < 0) return false;
  if (from == middle) { // memory as it comes
    CHECK(cudaFree(middle));
    CHECK(cudaMalloc(&middle, BYTES));
    from = middle;
  }
  if (!strcmp(name, "use_after_free")) CHECK(cudaFree(from));
  nvtxRangePushA("faults");
  CHECK(fault_launch(nullptr, fault, 0, out, from, counter));
  nvtxRangePop();
  download_and_compare(fault);
  return true;
}
} // namespace

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  setup();
  if (!kernel_fault(argv[1]) && !host_fault(argv[1])) {
    fprintf(stderr, "no fault is called %s\n", argv[1]);
    return 2;
  }
  teardown();
  return 0;
}
