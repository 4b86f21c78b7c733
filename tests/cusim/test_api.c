/* The runtime's host interface from C: memory, copies, streams, events, graphs, errors, the device's limits.
 * Runs with CUSIM_ON_ERROR=return, so that device errors can be looked at. */
#include "faults.h"
#include "samples.h"
#include "tap.h"
#include <cuda_runtime.h>
#include <nvtx3/nvToolsExt.h>
#include <string.h>

enum { N = 1000 };
static float host[N], *x, *y, *pinned;
static unsigned *counter;

static int all_are(const float *p, float v) {
  for (int i = 0; i < N; i++)
    if (p[i] != v) return 0;
  return 1;
}
static void fill(float *device, float v) {
  for (int i = 0; i < N; i++) host[i] = v;
  MUST(cudaMemcpy(device, host, sizeof host, cudaMemcpyHostToDevice));
}
static const float *download(const float *device) {
  MUST(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
  return host;
}

static void test_memory(void) {
  size_t before, after, total;
  void *p, *q;
  MUST(cudaMemGetInfo(&before, &total));
  MUST(cudaMalloc(&p, 1000));
  MUST(cudaMemGetInfo(&after, &total));
  tap_ok(before - after == 1000 && (uintptr_t)p % 256 == 0, "an allocation is counted and aligned");
  float ones;
  MUST(cudaMemcpy(&ones, p, sizeof ones, cudaMemcpyDeviceToHost));
  tap_ok(ones != ones, "new memory is NaN");
  struct cudaPointerAttributes a;
  MUST(cudaPointerGetAttributes(&a, p));
  const int device = a.type == cudaMemoryTypeDevice;
  MUST(cudaPointerGetAttributes(&a, pinned));
  const int host_pinned = a.type == cudaMemoryTypeHost;
  MUST(cudaPointerGetAttributes(&a, host));
  tap_ok(device && host_pinned && a.type == cudaMemoryTypeUnregistered, "pointers are told apart");
  tap_ok(cudaMalloc(&q, (size_t)1 << 60) == cudaErrorMemoryAllocation && q == NULL,
         "too much memory is refused");
  tap_ok(cudaPeekAtLastError() == cudaErrorMemoryAllocation &&
             cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess,
         "the error is kept until it is taken");
  cusimFailMalloc(2);
  MUST(cudaMalloc(&q, 1));
  void *r;
  tap_ok(cudaMalloc(&r, 1) == cudaErrorMemoryAllocation && cudaGetLastError() == cudaErrorMemoryAllocation,
         "the second allocation can be told to fail");
  cusimFailMalloc(0);
  tap_ok(cudaFree(q) == cudaSuccess && cudaFree(q) == cudaErrorInvalidValue &&
             cudaFree(host) == cudaErrorInvalidValue && cudaFree(NULL) == cudaSuccess,
         "freeing twice, or what is not device memory, is refused");
  (void)cudaGetLastError();
  cudaStream_t s;
  MUST(cudaStreamCreate(&s));
  MUST(cudaMallocAsync(&q, 64, s));
  MUST(cudaMemsetAsync(q, 0, 64, s));
  tap_ok(cudaFreeAsync(q, s) == cudaSuccess && cudaStreamSynchronize(s) == cudaSuccess &&
             cudaFree(q) == cudaErrorInvalidValue,
         "memory in stream order");
  (void)cudaGetLastError();
  MUST(cudaStreamDestroy(s));
  MUST(cudaFree(p));
}

static void test_copies(void) {
  fill(x, 3);
  tap_ok(all_are(download(x), 3), "copies up and down");
  MUST(cudaMemcpy(y, x, sizeof host, cudaMemcpyDefault));
  tap_ok(all_are(download(y), 3), "copies on the device");
  MUST(cudaMemset(y, 0, sizeof host));
  tap_ok(all_are(download(y), 0), "memset");
  tap_ok(cudaMemcpy(x, host, sizeof host, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue &&
             cudaGetLastError() == cudaErrorInvalidValue,
         "a wrong kind is refused");
  tap_ok(cudaMemcpy(x + 1, host, sizeof host, cudaMemcpyHostToDevice) == cudaErrorInvalidValue &&
             cudaGetLastError() == cudaErrorInvalidValue,
         "a copy past the end is refused");
  float small[6] = {1, 2, 3, 4, 5, 6}, back[6] = {0};
  MUST(cudaMemcpy2DAsync(x, 16, small, 8, 8, 3, cudaMemcpyHostToDevice, NULL));
  MUST(cudaMemcpy2DAsync(back, 8, x, 16, 8, 3, cudaMemcpyDeviceToHost, NULL));
  MUST(cudaDeviceSynchronize());
  tap_ok(memcmp(small, back, sizeof small) == 0, "copies with pitches");
  MUST(cudaHostRegister(host, sizeof host, cudaHostRegisterDefault));
  tap_ok(cudaHostRegister(host, 4, 0) == cudaErrorHostMemoryAlreadyRegistered &&
             cudaHostUnregister(host) == cudaSuccess,
         "host memory is registered once");
  (void)cudaGetLastError();
}

static void test_streams(void) {
  cudaStream_t a, b;
  cudaEvent_t e1, e2;
  MUST(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
  MUST(cudaStreamCreateWithPriority(&b, cudaStreamNonBlocking, -1));
  MUST(cudaEventCreate(&e1));
  MUST(cudaEventCreate(&e2));
  for (int i = 0; i < N; i++) pinned[i] = 2;
  fill(y, 1);
  MUST(cudaMemcpyAsync(x, pinned, sizeof host, cudaMemcpyHostToDevice, a));
  MUST(cudaEventRecord(e1, a));
  MUST(cudaStreamWaitEvent(b, e1, 0));
  MUST(sample_saxpy(b, N, 3, x, y));
  MUST(cudaMemcpyAsync(pinned, y, sizeof host, cudaMemcpyDeviceToHost, b));
  MUST(cudaEventRecord(e2, b));
  cudaError_t q;
  int polls = 0;
  while ((q = cudaEventQuery(e2)) == cudaErrorNotReady && polls < 100) polls++;
  tap_ok(q == cudaSuccess && all_are(pinned, 7), "two streams ordered by an event; polling gets to the end");
  float ms = -1;
  tap_ok(cudaEventElapsedTime(&ms, e1, e2) == cudaSuccess && ms >= 0 && ms < 10000,
         "the time between two events");
  /* The legacy stream waits for blocking streams, and they for it. */
  cudaStream_t blocking;
  MUST(cudaStreamCreate(&blocking));
  MUST(cudaMemsetAsync(x, 0, sizeof host, blocking));
  fill(y, 5);
  MUST(sample_saxpy(NULL, N, 1, y, x));
  MUST(sample_saxpy(blocking, N, 1, x, x));
  MUST(cudaStreamSynchronize(blocking));
  tap_ok(all_are(download(x), 10), "the legacy stream and blocking streams wait for each other");
  MUST(cudaStreamDestroy(blocking));
  tap_ok(cudaStreamSynchronize(blocking) == cudaErrorInvalidResourceHandle &&
             cudaGetLastError() == cudaErrorInvalidResourceHandle,
         "a destroyed stream is refused");
  MUST(cudaStreamDestroy(a));
  MUST(cudaStreamDestroy(b));
  MUST(cudaEventDestroy(e1));
  MUST(cudaEventDestroy(e2));
}

static void count_up(void *p) {
  ++*(int *)p;
}
static void test_graphs(void) {
  cudaStream_t s, side;
  cudaEvent_t fork, joined;
  cudaGraph_t g;
  cudaGraphExec_t x2;
  static int calls;
  MUST(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  MUST(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking));
  MUST(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  MUST(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));
  fill(x, 1);
  fill(y, 0);
  MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  enum cudaStreamCaptureStatus status;
  MUST(cudaStreamIsCapturing(s, &status));
  MUST(sample_saxpy(s, N, 1, x, y)); /* y += x */
  MUST(cudaEventRecord(fork, s));
  MUST(cudaStreamWaitEvent(side, fork, 0));
  MUST(sample_saxpy(side, N, 10, x, y)); /* y += 10 x, on the side */
  MUST(cudaLaunchHostFunc(side, count_up, &calls));
  MUST(cudaEventRecord(joined, side));
  MUST(cudaStreamWaitEvent(s, joined, 0));
  MUST(sample_saxpy(s, N, 100, x, y));
  MUST(cudaStreamEndCapture(s, &g));
  tap_ok(status == cudaStreamCaptureStatusActive && all_are(download(y), 0), "capture runs nothing");
  size_t nodes = 0;
  MUST(cudaGraphGetNodes(g, NULL, &nodes));
  MUST(cudaGraphInstantiate(&x2, g, 0));
  MUST(cudaGraphDestroy(g));
  MUST(cudaGraphUpload(x2, s));
  for (int i = 0; i < 3; i++) MUST(cudaGraphLaunch(x2, s));
  MUST(cudaStreamSynchronize(s));
  tap_ok(nodes == 4 && all_are(download(y), 333) && calls == 3,
         "a graph with a fork and a join, three times");
  MUST(cudaGraphExecDestroy(x2));

  /* What is not allowed in a capture. */
  void *p;
  MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  const int refused = cudaMalloc(&p, 4) == cudaErrorStreamCaptureUnsupported;
  tap_ok(refused && cudaStreamEndCapture(s, &g) == cudaErrorStreamCaptureInvalidated && g == NULL,
         "an allocation loses the capture");
  (void)cudaGetLastError();
  MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
  MUST(cudaEventRecord(fork, s));
  MUST(cudaStreamWaitEvent(side, fork, 0));
  MUST(sample_saxpy(side, N, 1, x, y));
  tap_ok(cudaStreamEndCapture(s, &g) == cudaErrorStreamCaptureUnjoined &&
             cudaGetLastError() == cudaErrorStreamCaptureUnjoined,
         "work that is not joined loses the capture");
  cudaEvent_t outside;
  MUST(cudaEventCreate(&outside));
  MUST(cudaEventRecord(outside, side));
  MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  tap_ok(cudaStreamWaitEvent(s, outside, 0) == cudaErrorStreamCaptureIsolation,
         "a capture does not wait for what is outside");
  tap_ok(cudaStreamEndCapture(s, &g) == cudaErrorStreamCaptureInvalidated, "and is lost");
  (void)cudaGetLastError();
  MUST(cudaEventDestroy(outside));
  MUST(cudaEventDestroy(fork));
  MUST(cudaEventDestroy(joined));
  MUST(cudaStreamDestroy(s));
  MUST(cudaStreamDestroy(side));
}

static void test_errors(void) {
  MUST(cudaMemset(counter, 0, sizeof *counter));
  static const int faults[] = {FAULT_barrier_in_branch, FAULT_shfl_lanes_missing, FAULT_trap};
  static const cudaError_t codes[] = {cudaErrorLaunchFailure, cudaErrorLaunchFailure, cudaErrorAssert};
  static const char *const names[] = {"a divergent barrier is described, and stays",
                                      "missing lanes of a shuffle are described, and stay",
                                      "a trap is described, and stays"};
  fill(x, 1);
  for (int i = 0; i < 3; i++) {
    nvtxRangePushA("outer");
    nvtxRangePushA("inner");
    const cudaError_t launched = fault_launch(NULL, faults[i], 0, y, x, counter);
    nvtxRangePop();
    nvtxRangePop();
    const cudaError_t e = cudaDeviceSynchronize();
    const int sticky =
        cudaMemset(y, 0, 4) == codes[i] && cudaGetLastError() == codes[i] && cudaGetLastError() == codes[i];
    tap_ok((launched == cudaSuccess || launched == codes[i]) && e == codes[i] && sticky &&
               strstr(cusimLastReport(), "thread (") && strstr(cusimLastReport(), "in range outer / inner"),
           names[i]);
    cusimClearError();
  }
  MUST(fault_launch(NULL, FAULT_good, 0, y, x, counter));
  MUST(cudaMemcpy(host, y, 256 * sizeof(float), cudaMemcpyDeviceToHost));
  tap_ok(host[0] == 1 && host[255] == 1 && cudaGetLastError() == cudaSuccess,
         "kernels run again once it is cleared");
  tap_ok(fault_launch(NULL, FAULT_good, 2048, y, x, counter) == cudaErrorInvalidConfiguration &&
             cudaGetLastError() == cudaErrorInvalidConfiguration,
         "2048 threads are too many");
  tap_ok(strcmp(cudaGetErrorName(cudaErrorNotReady), "cudaErrorNotReady") == 0 &&
             strcmp(cudaGetErrorString(cudaErrorInvalidValue), "invalid argument") == 0,
         "errors have names");
}

static void test_device(void) {
  int count = 0, driver = 0, runtime = 0, value = 0, blocks = 0;
  struct cudaDeviceProp p;
  struct cudaFuncAttributes f;
  MUST(cudaGetDeviceCount(&count));
  MUST(cudaDriverGetVersion(&driver));
  MUST(cudaRuntimeGetVersion(&runtime));
  MUST(cudaGetDeviceProperties(&p, 0));
  MUST(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  const char *name = getenv("CUSIM_DEVICE");
  const size_t wanted = !name || !strcmp(name, "sm_80")                     ? 163 << 10
                        : !strcmp(name, "sm_90") || !strcmp(name, "sm_100") ? 227 << 10
                                                                            : 99 << 10;
  tap_ok(count == 1 && driver >= runtime && p.sharedMemPerBlockOptin == wanted && (size_t)value == wanted,
         "the limits of the chosen device");
  tap_ok(sample_smem(NULL, wanted, x) == cudaSuccess && download(x)[0] == 1,
         "a block gets all the shared memory of the device");
  tap_ok(sample_smem(NULL, wanted + 4, x) == cudaErrorInvalidValue &&
             cudaGetLastError() == cudaErrorInvalidValue,
         "and not four bytes more");
  MUST(cudaFuncGetAttributes(&f, (const void *)&sample_smem));
  MUST(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, (const void *)&sample_smem, 256, 40 << 10));
  tap_ok(f.maxThreadsPerBlock == 1024 && blocks >= 1 && blocks <= p.maxThreadsPerMultiProcessor / 256,
         "occupancy");
  tap_ok(cudaSetDevice(1) == cudaErrorInvalidDevice && cudaGetLastError() == cudaErrorInvalidDevice &&
             cudaSetDevice(0) == cudaSuccess,
         "there is device 0 only");
}

int main(void) {
  setenv("CUSIM_ON_ERROR", "return", 1);
  MUST(cudaMalloc((void **)&x, sizeof host));
  MUST(cudaMalloc((void **)&y, sizeof host));
  MUST(cudaMalloc((void **)&counter, sizeof *counter));
  MUST(cudaMallocHost((void **)&pinned, sizeof host));
  test_memory();
  test_copies();
  test_streams();
  test_graphs();
  test_device();
  test_errors();
  MUST(cudaFree(x));
  MUST(cudaFree(y));
  MUST(cudaFree(counter));
  MUST(cudaFreeHost(pinned));
  return tap_end();
}
