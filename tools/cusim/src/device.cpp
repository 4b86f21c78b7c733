// The pretended device: its limits, properties and attributes, checks of launches, and the runtime's errors.
#include "cusim.h"
#include <algorithm>
#include <map>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string_view>
#include <unistd.h>
#include <unordered_map>

namespace cusim {

// ---- devices -----------------------------------------------------------------------------------------------------
struct device_limits { // CUDA C++ programming guide, "technical specifications per compute capability"
  const char *name, *model;
  int major, minor, sms;
  size_t shared_sm, shared_block; // bytes: of a multiprocessor, of a block that opts in
  int threads_sm, blocks_sm, l2_bytes, bus_bits;
};
static const device_limits devices[] = {
    {"sm_80", "A100", 8, 0, 108, 164 << 10, 163 << 10, 2048, 32, 40 << 20, 5120},
    {"sm_86", "A10", 8, 6, 72, 100 << 10, 99 << 10, 1536, 16, 6 << 20, 384},
    {"sm_89", "L4", 8, 9, 58, 100 << 10, 99 << 10, 1536, 24, 48 << 20, 192},
    {"sm_90", "H100", 9, 0, 132, 228 << 10, 227 << 10, 2048, 32, 50 << 20, 5120},
    {"sm_100", "B200", 10, 0, 148, 228 << 10, 227 << 10, 2048, 32, 126 << 20, 8192},
    {"sm_120", "RTX 5090", 12, 0, 170, 100 << 10, 99 << 10, 1536, 24, 96 << 20, 512},
};
constexpr size_t SHARED_DEFAULT = 48 << 10, SHARED_RESERVED = 1 << 10, ARGUMENTS_MAX = 32764;

static const device_limits *device() { // null: CUSIM_DEVICE=none
  static const device_limits *const found = [] {
    std::string names = "none";
    if (config().device == names) return static_cast<const device_limits *>(nullptr);
    for (const device_limits &d : devices) {
      if (config().device == d.name) return &d;
      names += std::string(", ") + d.name;
    }
    fprintf(stderr, "cusim: CUSIM_DEVICE=%s: want one of %s\n", config().device.c_str(), names.c_str());
    _exit(2);
  }();
  return found;
}

// ---- errors ------------------------------------------------------------------------------------------------------
static std::recursive_mutex api_lock;
static cudaError_t last, sticky;
struct pending { // a failed call whose error nobody has taken with cudaGetLastError
  const char *call;
  const void *caller;
} static pending_error;
static bool in_exit;
bool host_function_runs;

const char *error_name(cudaError_t e) {
  switch (e) {
#define CUSIM_CASE(name, value, text) \
  case name:                          \
    return #name;
    CUSIM_CUDA_ERRORS(CUSIM_CASE)
#undef CUSIM_CASE
  }
  return "unrecognized error code";
}
cudaError_t sticky_error() {
  return sticky;
}
void set_sticky(cudaError_t e) {
  if (sticky == cudaSuccess) sticky = last = e;
}

static void leaks_report() {
  if (in_exit) return;
  in_exit = true;
  if (last != cudaSuccess && pending_error.call && sticky == cudaSuccess)
    note("the program ends with %s from %s at %s not taken by cudaGetLastError", error_name(last),
         pending_error.call, place(pending_error.caller).c_str());
  if (!config().leaks || sticky != cudaSuccess) return;
  std::string list;
  int count = 0;
  memory_leaks(list, count);
  pinned_leaks(list, count);
  stream_leaks(list, count);
  if (!count) return;
  fprintf(stderr, "cusim: ERROR: %d leaks at the end of the program (CUSIM_LEAKS=0 is silent):%s\n", count,
          list.c_str());
  fflush(nullptr);
  if (!config().return_errors) _exit(66);
}
static std::map<std::string_view, unsigned long long> &calls() { // the names are __func__ of their functions
  static std::map<std::string_view, unsigned long long> of_function;
  return of_function;
}
api::api(const char *n, api_kind kind, const void *c) : name(n), caller(c) {
  api_lock.lock();
  calls()[n]++;
  signals_install();
  static const bool registered = atexit(leaks_report) == 0;
  (void)registered;
  if (t_current || host_function_runs) {
    cusim::report("%s called from %s at %s", n, t_current ? "device code" : "a host function of a stream",
                  place(c).c_str());
    abort();
  }
  if (kind != API_WORK || last == cudaSuccess || sticky != cudaSuccess || !pending_error.call ||
      !config().unchecked)
    return;
  const pending p = pending_error;
  pending_error.call = nullptr; // reported once
  cusim::report("unchecked error: %s at %s returned %s; the program goes on to %s at %s without having taken "
                "the error with cudaGetLastError",
                p.call, place(p.caller).c_str(), error_name(last), n, place(c).c_str());
}
api::~api() {
  api_lock.unlock();
}
cudaError_t api::fail(cudaError_t e, const char *format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  note("%s at %s returns %s: %s", name, place(caller).c_str(), error_name(e), text);
  last = e;
  pending_error = {name, caller};
  return e;
}
cudaError_t api::ok() {
  if (CUSIM_UNLIKELY(config().driver < CUDART_VERSION))
    return fail(cudaErrorInsufficientDriver, "the driver is for CUDA %d (CUSIM_DRIVER)", config().driver);
  if (CUSIM_UNLIKELY(!device())) return fail(cudaErrorNoDevice, "there is no device (CUSIM_DEVICE=none)");
  return sticky;
}

// ---- launches ----------------------------------------------------------------------------------------------------
static std::unordered_map<const void *, int> dynamic_limit; // cudaFuncAttributeMaxDynamicSharedMemorySize

cudaError_t enqueue_kernel(const cudaLaunchConfig_t *config, const kernel_call &call) {
  api api("cudaLaunchKernelEx", API_WORK, __builtin_return_address(0));
  auto l = std::make_shared<launch_state>();
  l->call = call;
  l->config = *config;
  l->range = nvtx_current();
  if (cudaError_t e = api.ok()) return e;
  const dim3 g = config->gridDim, b = config->blockDim;
  const uint64_t blocks = static_cast<uint64_t>(g.x) * g.y * g.z,
                 threads = static_cast<uint64_t>(b.x) * b.y * b.z;
  const std::string name = "kernel " + std::string(call.text), at = " launched at " + place(call.at);
  const char *k = name.c_str(), *where = at.c_str();
  if (!blocks || g.x > 2147483647u || g.y > 65535 || g.z > 65535)
    return api.fail(cudaErrorInvalidConfiguration,
                    "%s%s: grid (%u,%u,%u); x is 1..2147483647, y and z are 1..65535", k, where, g.x, g.y,
                    g.z);
  if (!threads || threads > MAX_THREADS || b.x > 1024 || b.y > 1024 || b.z > 64)
    return api.fail(cudaErrorInvalidConfiguration, "%s%s: block (%u,%u,%u); at most 1024 threads, 64 in z", k,
                    where, b.x, b.y, b.z);
  if (blocks > 0xffffffffu)
    return api.fail(cudaErrorNotSupported, "%s%s: more than 2^32 blocks are not emulated", k, where);
  const auto found = dynamic_limit.find(call.function);
  const size_t limit = found == dynamic_limit.end() ? SHARED_DEFAULT : static_cast<size_t>(found->second);
  if (config->dynamicSmemBytes > std::max(limit, SHARED_DEFAULT))
    return api.fail(cudaErrorInvalidValue,
                    "%s%s: %zu bytes of dynamic shared memory, allowed are %zu on %s (cudaFuncSetAttribute "
                    "raises it up to %zu)",
                    k, where, config->dynamicSmemBytes, std::max(limit, SHARED_DEFAULT), device()->name,
                    device()->shared_block);
  if (call.argument_bytes > ARGUMENTS_MAX)
    return api.fail(cudaErrorInvalidValue, "%s%s: %zu bytes of arguments, at most %zu", k, where,
                    call.argument_bytes, ARGUMENTS_MAX);
  for (unsigned i = 0; i < config->numAttrs; i++)
    if (config->attrs[i].id == cudaLaunchAttributeClusterDimension)
      return api.fail(cudaErrorNotSupported, "%s%s: clusters are not emulated", k, where);
  l->config.attrs = nullptr;
  l->blocks = static_cast<unsigned>(blocks);
  return stream_submit(
      api, config->stream, [l] { launch_run(*l); }, call.text);
}

} // namespace cusim
using namespace cusim;

const char *cudaGetErrorName(cudaError_t e) {
  return error_name(e);
}
const char *cudaGetErrorString(cudaError_t e) {
  switch (e) {
#define CUSIM_CASE(name, value, text) \
  case name:                          \
    return text;
    CUSIM_CUDA_ERRORS(CUSIM_CASE)
#undef CUSIM_CASE
  }
  return "unrecognized error code";
}
cudaError_t cudaGetLastError(void) {
  CUSIM_API(API_QUIET);
  const cudaError_t e = last;
  last = sticky;
  pending_error.call = nullptr;
  return e;
}
cudaError_t cudaPeekAtLastError(void) {
  CUSIM_API(API_QUIET);
  pending_error.call = nullptr; // the program has asked for it, so it is not unnoticed
  return last;
}
unsigned long long cusimCalls(const char *function) {
  api_lock.lock();
  const auto found = calls().find(function);
  const unsigned long long n = found == calls().end() ? 0 : found->second;
  api_lock.unlock();
  return n;
}
void cusimClearError(void) {
  std::lock_guard<std::recursive_mutex> hold(api_lock);
  sticky = last = cudaSuccess;
  pending_error.call = nullptr;
}

static cudaError_t device_check(api &api, int ordinal) {
  if (cudaError_t e = api.ok()) return e;
  return ordinal == 0 ? cudaSuccess
                      : api.fail(cudaErrorInvalidDevice, "device %d; there is device 0 only", ordinal);
}
cudaError_t cudaDriverGetVersion(int *version) {
  CUSIM_API(API_QUIET);
  *version = device() ? config().driver : 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  CUSIM_API(API_QUIET);
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count) {
  CUSIM_API(API_QUIET);
  *count = 0;
  if (cudaError_t e = device_check(api, 0)) return e;
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int ordinal) {
  CUSIM_API(API_QUIET);
  return device_check(api, ordinal);
}
cudaError_t cudaGetDevice(int *ordinal) {
  CUSIM_API(API_QUIET);
  *ordinal = 0;
  return device_check(api, 0);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int ordinal) {
  CUSIM_API(API_QUIET);
  if (cudaError_t e = device_check(api, ordinal)) return e;
  const device_limits &d = *device();
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "cusim %s (CPU pretending to be %s)", d.name, d.model);
  p->totalGlobalMem = config().memory_bytes;
  p->sharedMemPerBlock = SHARED_DEFAULT;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = WARP;
  p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = MAX_THREADS;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 2147483647;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->major = d.major;
  p->minor = d.minor;
  p->multiProcessorCount = d.sms;
  p->concurrentKernels = p->unifiedAddressing = p->memoryPoolsSupported = 1;
  p->asyncEngineCount = 2;
  p->memoryBusWidth = d.bus_bits;
  p->l2CacheSize = d.l2_bytes;
  p->maxThreadsPerMultiProcessor = d.threads_sm;
  p->sharedMemPerMultiprocessor = d.shared_sm;
  p->sharedMemPerBlockOptin = d.shared_block;
  p->maxBlocksPerMultiProcessor = d.blocks_sm;
  p->reservedSharedMemPerBlock = SHARED_RESERVED;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int ordinal) {
  CUSIM_API(API_QUIET);
  cudaDeviceProp p;
  if (cudaError_t e = cudaGetDeviceProperties(&p, ordinal)) return e;
  switch (attr) {
  case cudaDevAttrMaxThreadsPerBlock:
    *value = p.maxThreadsPerBlock;
    break;
  case cudaDevAttrMaxBlockDimX:
    *value = p.maxThreadsDim[0];
    break;
  case cudaDevAttrMaxBlockDimY:
    *value = p.maxThreadsDim[1];
    break;
  case cudaDevAttrMaxBlockDimZ:
    *value = p.maxThreadsDim[2];
    break;
  case cudaDevAttrMaxGridDimX:
    *value = p.maxGridSize[0];
    break;
  case cudaDevAttrMaxGridDimY:
    *value = p.maxGridSize[1];
    break;
  case cudaDevAttrMaxGridDimZ:
    *value = p.maxGridSize[2];
    break;
  case cudaDevAttrMaxSharedMemoryPerBlock:
    *value = static_cast<int>(p.sharedMemPerBlock);
    break;
  case cudaDevAttrMaxSharedMemoryPerBlockOptin:
    *value = static_cast<int>(p.sharedMemPerBlockOptin);
    break;
  case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
    *value = static_cast<int>(p.sharedMemPerMultiprocessor);
    break;
  case cudaDevAttrReservedSharedMemoryPerBlock:
    *value = static_cast<int>(p.reservedSharedMemPerBlock);
    break;
  case cudaDevAttrWarpSize:
    *value = p.warpSize;
    break;
  case cudaDevAttrMaxRegistersPerBlock:
    *value = p.regsPerBlock;
    break;
  case cudaDevAttrMaxRegistersPerMultiprocessor:
    *value = p.regsPerMultiprocessor;
    break;
  case cudaDevAttrClockRate:
    *value = 1400000;
    break; // kHz
  case cudaDevAttrMemoryClockRate:
    *value = 1200000;
    break;
  case cudaDevAttrMultiProcessorCount:
    *value = p.multiProcessorCount;
    break;
  case cudaDevAttrConcurrentKernels:
    *value = p.concurrentKernels;
    break;
  case cudaDevAttrEccEnabled:
    *value = p.ECCEnabled;
    break;
  case cudaDevAttrGlobalMemoryBusWidth:
    *value = p.memoryBusWidth;
    break;
  case cudaDevAttrL2CacheSize:
    *value = p.l2CacheSize;
    break;
  case cudaDevAttrMaxThreadsPerMultiProcessor:
    *value = p.maxThreadsPerMultiProcessor;
    break;
  case cudaDevAttrAsyncEngineCount:
    *value = p.asyncEngineCount;
    break;
  case cudaDevAttrUnifiedAddressing:
    *value = p.unifiedAddressing;
    break;
  case cudaDevAttrComputeCapabilityMajor:
    *value = p.major;
    break;
  case cudaDevAttrComputeCapabilityMinor:
    *value = p.minor;
    break;
  case cudaDevAttrManagedMemory:
    *value = p.managedMemory;
    break;
  case cudaDevAttrCooperativeLaunch:
    *value = p.cooperativeLaunch;
    break;
  case cudaDevAttrMaxBlocksPerMultiprocessor:
    *value = p.maxBlocksPerMultiProcessor;
    break;
  case cudaDevAttrMemoryPoolsSupported:
    *value = p.memoryPoolsSupported;
    break;
  default:
    return api.fail(cudaErrorInvalidValue, "attribute %d is not emulated", static_cast<int>(attr));
  }
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize(void) {
  CUSIM_API(API_CLEANUP);
  if (capture_forbids(api)) return cudaErrorStreamCaptureUnsupported;
  device_drain();
  host_joins_device();
  return api.ok();
}
cudaError_t cudaDeviceReset(void) {
  CUSIM_API(API_CLEANUP);
  device_drain();
  return api.ok();
}

cudaError_t cudaFuncSetAttribute(const void *function, cudaFuncAttribute attr, int value) {
  CUSIM_API(API_WORK);
  if (cudaError_t e = device_check(api, 0)) return e;
  if (attr == cudaFuncAttributePreferredSharedMemoryCarveout)
    return value >= -1 && value <= 100 ? cudaSuccess : api.fail(cudaErrorInvalidValue, "carveout %d", value);
  if (attr != cudaFuncAttributeMaxDynamicSharedMemorySize)
    return api.fail(cudaErrorInvalidValue, "attribute %d is not emulated", static_cast<int>(attr));
  if (value < 0 || static_cast<size_t>(value) > device()->shared_block)
    return api.fail(cudaErrorInvalidValue, "%d bytes of dynamic shared memory; a block of %s can have %zu",
                    value, device()->name, device()->shared_block);
  dynamic_limit[function] = value;
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *a, const void *function) {
  CUSIM_API(API_QUIET);
  if (cudaError_t e = device_check(api, 0)) return e;
  const auto found = dynamic_limit.find(function);
  memset(a, 0, sizeof *a);
  a->maxThreadsPerBlock = MAX_THREADS;
  a->numRegs = 32; // unknown here: nvcc reports it
  a->ptxVersion = a->binaryVersion = 10 * device()->major + device()->minor;
  a->maxDynamicSharedSizeBytes =
      found == dynamic_limit.end() ? static_cast<int>(SHARED_DEFAULT) : found->second;
  return cudaSuccess;
}
// By threads, blocks and dynamic shared memory; registers and static shared memory are not known here.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function, int block_size,
                                                          size_t dynamic_bytes) {
  CUSIM_API(API_QUIET);
  *blocks = 0;
  cudaFuncAttributes a;
  if (cudaError_t e = cudaFuncGetAttributes(&a, function)) return e;
  if (block_size < 1) return api.fail(cudaErrorInvalidValue, "a block of %d threads", block_size);
  if (block_size > MAX_THREADS ||
      dynamic_bytes >
          static_cast<size_t>(std::max(a.maxDynamicSharedSizeBytes, static_cast<int>(SHARED_DEFAULT))))
    return cudaSuccess;
  const int rounded = (block_size + WARP - 1) / WARP * WARP;
  const int by_threads = device()->threads_sm / rounded,
            by_shared = static_cast<int>(device()->shared_sm / (dynamic_bytes + SHARED_RESERVED));
  *blocks = std::min({by_threads, by_shared, device()->blocks_sm});
  return cudaSuccess;
}
