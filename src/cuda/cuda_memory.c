// Device memory and copies.
//
// Uploads. The caller's memory may change as soon as upload() returns, copies from pageable memory would wait, and the
// ops before may still read what is about to be overwritten. So bytes go
//   caller -> pinned half -> (copy stream) copy of the half on the device -> (compute stream) destination.
// The first two overlap with whatever the compute stream is busy with, and the last is a copy within the device. The two
// halves are used in turn. A batch is one piece of memory on host and device (data/batch.h), so a step sends two: the batch
// and the step's state. The host waits only before it fills a half that the compute stream has not consumed yet, which is
// at least a step old unless a batch is larger than a half.
#include <string.h>
#include "cuda/cuda.h"

status cuda_stages_open(op_ctx *ctx) {
  for (int i = 0; i < STAGES; i++) {
    stage *s = &ctx->stages[i];
    void *device;
    TRY(cuda_check(cudaHostAlloc((void **)&s->host, STAGE_BYTES, cudaHostAllocDefault),
                   "pin memory for uploads"));
    TRY(cuda_mem_alloc(ctx, STAGE_BYTES, "uploads", &device));
    s->device = device;
    TRY(cuda_check(cudaEventCreateWithFlags(&s->copied, cudaEventDisableTiming), "create an event"));
    TRY(cuda_check(cudaEventCreateWithFlags(&s->consumed, cudaEventDisableTiming), "create an event"));
  }
  // The device copies were zeroed on the compute stream; the copy stream must wait for that.
  return cuda_check(cudaStreamSynchronize(ctx->at.stream), "zero memory");
}

void cuda_stages_close(op_ctx *ctx) {
  cudaError_t ignored = cudaSuccess;
  for (int i = 0; i < STAGES; i++) {
    stage *s = &ctx->stages[i];
    if (s->host != NULL) ignored = cudaFreeHost(s->host);
    ignored = cudaFree(s->device);
    if (s->copied != NULL) ignored = cudaEventDestroy(s->copied);
    if (s->consumed != NULL) ignored = cudaEventDestroy(s->consumed);
  }
  (void)ignored;
}

status cuda_raw_alloc(op_ctx *ctx, size_t bytes, const char *what, void **out) {
  *out = NULL;
  void *p = NULL;
  const size_t room = bytes == 0 ? 256 : bytes;
  const cudaError_t rc = cudaMalloc(&p, room);
  if (rc == cudaErrorMemoryAllocation) {
    const cudaError_t taken = cudaGetLastError();
    (void)taken;
    size_t free_bytes = 0, total = 0;
    TRY(cuda_check(cudaMemGetInfo(&free_bytes, &total), "report its free memory"));
    return fail(ERR_MEMORY,
                "CUDA device %d (%s) is out of memory: cannot get %zu bytes for %s (%zu free, %zu taken "
                "since the run began; by its plan it needs %zu, souk plan shows it): lower data.batch_tokens "
                "and raise train.accumulate, or choose a smaller model",
                ctx->device, ctx->name, bytes, what, free_bytes,
                ctx->free_at_open > free_bytes ? ctx->free_at_open - free_bytes : 0, ctx->planned);
  }
  TRY(cuda_check(rc, "allocate memory"));
  *out = p;
  return OK;
}

status cuda_mem_alloc(op_ctx *ctx, size_t bytes, const char *what, void **out) {
  void *p;
  *out = NULL;
  TRY(cuda_raw_alloc(ctx, bytes, what, &p));
  const status zeroed = cuda_zero(ctx, p, bytes);
  if (zeroed != OK) {
    const cudaError_t ignored = cudaFree(p);
    (void)ignored;
    return zeroed;
  }
  *out = p;
  return OK;
}

void cuda_mem_free(op_ctx *ctx, void *p) {
  if (p == NULL) return;
  cudaError_t ignored = cudaStreamSynchronize(ctx->at.stream);
  ignored = cudaFree(p);
  (void)ignored;
}

// Switches to the next half, and waits until it may be filled.
static status next_stage(op_ctx *ctx) {
  ctx->current = (ctx->current + 1) % STAGES;
  ctx->filled = 0;
  stage *s = &ctx->stages[ctx->current];
  if (!s->pending) return OK;
  s->pending = false;
  return cuda_check(cudaEventSynchronize(s->consumed), "upload to its memory");
}

// Uploads a piece that fits into the rest of the current half.
static status upload_piece(op_ctx *ctx, char *to, const char *from, size_t bytes) {
  stage *s = &ctx->stages[ctx->current];
  char *pinned = s->host + ctx->filled, *staged = s->device + ctx->filled;
  memcpy(pinned, from, bytes);
  TRY(cuda_check(cudaMemcpyAsync(staged, pinned, bytes, cudaMemcpyHostToDevice, ctx->copies),
                 "upload to its memory"));
  TRY(cuda_check(cudaEventRecord(s->copied, ctx->copies), "record an event"));
  TRY(cuda_check(cudaStreamWaitEvent(ctx->at.stream, s->copied, 0), "wait for an event"));
  TRY(cuda_check(cudaMemcpyAsync(to, staged, bytes, cudaMemcpyDeviceToDevice, ctx->at.stream),
                 "upload to its memory"));
  TRY(cuda_check(cudaEventRecord(s->consumed, ctx->at.stream), "record an event"));
  s->pending = true;
  ctx->filled += (bytes + 255) / 256 * 256;
  return OK;
}

status cuda_upload(op_ctx *ctx, void *to, const void *from, size_t bytes) {
  char *at = to;
  const char *source = from;
  // An upload that fits into a half is not split.
  if (bytes <= STAGE_BYTES && ctx->filled + bytes > STAGE_BYTES) TRY(next_stage(ctx));
  while (bytes > 0) {
    if (ctx->filled >= STAGE_BYTES) TRY(next_stage(ctx));
    const size_t room = STAGE_BYTES - ctx->filled, n = bytes < room ? bytes : room;
    TRY(upload_piece(ctx, at, source, n));
    at += n;
    source += n;
    bytes -= n;
  }
  return OK;
}

status cuda_download(op_ctx *ctx, void *to, const void *from, size_t bytes) {
  if (bytes == 0) return OK;
  TRY(cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, ctx->at.stream),
                 "copy to the host"));
  return cuda_check(cudaStreamSynchronize(ctx->at.stream), "copy to the host");
}

status cuda_zero(op_ctx *ctx, void *p, size_t bytes) {
  return bytes == 0 ? OK : cuda_check(cudaMemsetAsync(p, 0, bytes, ctx->at.stream), "zero memory");
}

status cuda_copy(op_ctx *ctx, void *to, const void *from, size_t bytes) {
  if (bytes == 0) return OK;
  return cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, ctx->at.stream),
                    "copy memory");
}

status cuda_cast(op_ctx *ctx, act *to, const float *from, size_t count) {
  return count == 0 ? OK : cuda_check(launch_cast(&ctx->at, to, from, count), "launch a cast");
}
