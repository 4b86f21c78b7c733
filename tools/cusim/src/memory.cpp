// Device and pinned memory, and copies.
//
// Device memory is one range of addresses, none of which is given out twice, so using a pointer after cudaFree
// traps. Every allocation is 256-byte aligned (and its end is within 256 bytes of a page that traps); the bytes
// between are a guard zone that is compared after every kernel, or poisoned under AddressSanitizer. New memory is
// all ones: NaN as a float, -1 as an integer.
#include "cusim.h"
#include <algorithm>
#include <deque>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

namespace cusim {

constexpr size_t ARENA = static_cast<size_t>(64) << 30, ALIGN = 256;
constexpr unsigned char GUARD = 0xa5;
char *arena_low, *arena_high;
static char *arena_top;
static uint32_t *page_owner; // for each page of the arena the allocation's number + 1; 0: none
static std::deque<allocation> allocations;
static std::vector<uint32_t> live; // numbers
static size_t used;
static long malloc_count, malloc_fails = -1; // -1: not read from the environment yet

static size_t round_up(size_t n, size_t to) {
  return (n + to - 1) / to * to;
}
static void *reserve(size_t bytes, int protection) {
  void *p = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    perror("cusim: cannot reserve addresses");
    abort();
  }
  return p;
}
static void arena_open() {
  if (arena_low) return;
  page_owner = static_cast<uint32_t *>(reserve(ARENA / PAGE * sizeof(uint32_t), PROT_READ | PROT_WRITE));
  arena_low = arena_top = static_cast<char *>(reserve(ARENA, PROT_NONE));
  arena_high = arena_low + ARENA;
}
static uint32_t owner_of(const char *p) {
  return p >= arena_low && p < arena_high ? page_owner[static_cast<size_t>(p - arena_low) / PAGE] : 0;
}

static allocation *device_allocate(size_t bytes, const void *caller) {
  arena_open();
  allocation a = {};
  a.bytes = bytes;
  a.caller = caller;
  a.map_bytes = round_up(round_up(bytes, ALIGN), PAGE);
  a.map = arena_top + PAGE;
  if (a.map + a.map_bytes + PAGE > arena_high) return nullptr;
  arena_top = a.map + a.map_bytes;
  if (mprotect(a.map, a.map_bytes, PROT_READ | PROT_WRITE)) return nullptr;
  a.base = a.map + a.map_bytes - round_up(bytes, ALIGN);
  char *end = a.map + a.map_bytes;
#if CUSIM_ASAN
  __asan_unpoison_memory_region(a.map, a.map_bytes);
#endif
  memset(a.map, GUARD, static_cast<size_t>(a.base - a.map));
  memset(a.base, 0xff, bytes);
  memset(a.base + bytes, GUARD, static_cast<size_t>(end - a.base) - bytes);
#if CUSIM_ASAN
  __asan_poison_memory_region(a.map - PAGE, PAGE + static_cast<size_t>(a.base - a.map));
  __asan_poison_memory_region(a.base + bytes, static_cast<size_t>(end - a.base) - bytes + PAGE);
#endif
  allocations.push_back(a);
  const uint32_t number = static_cast<uint32_t>(allocations.size());
  for (size_t page = static_cast<size_t>(a.map - arena_low) / PAGE, i = 0; i < a.map_bytes / PAGE; i++)
    page_owner[page + i] = number;
  live.push_back(number - 1);
  used += bytes;
  if (race) race->allocated(&allocations.back());
  return &allocations.back();
}
static void device_release(allocation *a) {
  if (race) race->freed(a);
#if CUSIM_ASAN
  __asan_poison_memory_region(a->map, a->map_bytes);
#endif
  mmap(a->map, a->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  a->freed = true;
  used -= a->bytes;
  live.erase(std::find_if(live.begin(), live.end(), [&](uint32_t n) { return &allocations[n] == a; }));
}

allocation *allocation_of(const void *p) {
  const uint32_t n = owner_of(static_cast<const char *>(p));
  return n ? &allocations[n - 1] : nullptr;
}
bool device_range(const void *p, size_t bytes) {
  const allocation *a = allocation_of(p);
  const char *c = static_cast<const char *>(p);
  return a && !a->freed && c >= a->base && bytes <= a->bytes && c + bytes <= a->base + a->bytes;
}
bool device_pointer(const void *p) {
  return p >= arena_low && p < arena_high && arena_low;
}
size_t memory_used() {
  return used;
}

std::string describe(const void *p) {
  if (!device_pointer(p)) return "not a device address";
  const char *c = static_cast<const char *>(p);
  const allocation *a = allocation_of(p);
  if (!a && c > arena_low + PAGE) a = allocation_of(c - PAGE); // the guard page behind it
  if (!a) a = allocation_of(c + PAGE);
  if (!a) return "outside every device allocation";
  char text[400];
  const long offset = c - a->base, past = offset - static_cast<long>(a->bytes);
  if (offset < 0)
    snprintf(text, sizeof text, "%ld bytes before", -offset);
  else if (past >= 0)
    snprintf(text, sizeof text, "%ld bytes past the end of", past);
  else
    snprintf(text, sizeof text, "at offset %ld of", offset);
  return std::string(text) + " an allocation of " + std::to_string(a->bytes) + " bytes made at " +
         place(a->caller) + (a->freed ? " and freed" : "");
}

void guards_check(const kernel_call *after) {
  if (CUSIM_ASAN) return;
  for (const uint32_t n : live) {
    const allocation &a = allocations[n];
    const char *end = a.map + a.map_bytes, *front = std::max(a.map, a.base - ALIGN);
    const char *bad = nullptr;
    for (const char *p = front; p < a.base && !bad; p++)
      if (static_cast<unsigned char>(*p) != GUARD) bad = p;
    for (const char *p = a.base + a.bytes; p < end && !bad; p++)
      if (static_cast<unsigned char>(*p) != GUARD) bad = p;
    if (!bad) continue;
    memset(const_cast<char *>(bad), GUARD, 1);
    report("out-of-bounds write: the guard zone %s was overwritten, noticed after %s%s",
           describe(bad).c_str(), after ? "kernel " : "a copy or a library call",
           after ? kernel_name(*after).c_str() : "");
    set_sticky(cudaErrorIllegalAddress);
  }
}
void memory_leaks(std::string &list, int &count) {
  for (const uint32_t n : live) {
    if (count++ < 8)
      list += "\n    " + std::to_string(allocations[n].bytes) + " bytes of device memory from " +
              place(allocations[n].caller);
  }
}

// ---- CUSIM_HOSTGUARD=1: device memory is out of reach unless device work runs --------------------------------------
static int access_depth;
static void live_protect(int protection) {
  for (const uint32_t n : live) mprotect(allocations[n].map, allocations[n].map_bytes, protection);
}
device_access::device_access() {
  if (config().host_guard && !CUSIM_ASAN && access_depth++ == 0) live_protect(PROT_READ | PROT_WRITE);
}
device_access::~device_access() {
  if (config().host_guard && !CUSIM_ASAN && --access_depth == 0) live_protect(PROT_NONE);
}

// ---- pinned host memory --------------------------------------------------------------------------------------------
struct pinned_range {
  size_t bytes;
  const void *caller;
  bool registered; // by cudaHostRegister: not ours to free
};
static std::map<const char *, pinned_range> pinned_ranges;
bool pinned(const void *p) {
  auto it = pinned_ranges.upper_bound(static_cast<const char *>(p));
  if (it == pinned_ranges.begin()) return false;
  --it;
  return static_cast<const char *>(p) < it->first + it->second.bytes;
}
void pinned_leaks(std::string &list, int &count) {
  for (const auto &r : pinned_ranges)
    if (count++ < 8)
      list += "\n    " + std::to_string(r.second.bytes) + " bytes of pinned memory from " +
              place(r.second.caller);
}

static cudaError_t host_allocate(api &api, void **out, size_t bytes) {
  *out = nullptr;
  if (bytes == 0) return api.ok();
  char *p = static_cast<char *>(aligned_alloc(PAGE, round_up(bytes, PAGE)));
  if (!p) return api.fail(cudaErrorMemoryAllocation, "no %zu bytes of host memory", bytes);
  memset(p, 0xff, bytes);
  pinned_ranges[p] = {bytes, api.caller, false};
  *out = p;
  return api.ok();
}

// ---- copies --------------------------------------------------------------------------------------------------------
static const char *kind_text(const void *p) {
  return device_pointer(p) ? "device" : pinned(p) ? "pinned host" : "pageable host";
}
static cudaError_t copy_check(api &api, const void *dst, const void *src, size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = kind == cudaMemcpyDefault
                             ? device_pointer(dst)
                             : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDefault
                               ? device_pointer(src)
                               : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault)
    return api.fail(cudaErrorInvalidMemcpyDirection, "kind %d", static_cast<int>(kind));
  if (to_device != device_pointer(dst))
    return api.fail(cudaErrorInvalidValue, "the destination is %s memory", kind_text(dst));
  if (from_device != device_pointer(src))
    return api.fail(cudaErrorInvalidValue, "the source is %s memory", kind_text(src));
  if (to_device && !device_range(dst, bytes))
    return api.fail(cudaErrorInvalidValue, "%zu bytes do not fit at the destination, %s", bytes,
                    describe(dst).c_str());
  if (from_device && !device_range(src, bytes))
    return api.fail(cudaErrorInvalidValue, "%zu bytes cannot be read from the source, %s", bytes,
                    describe(src).c_str());
  return cudaSuccess;
}
static void copy_run(void *dst, const void *src, size_t bytes) {
  if (race && device_pointer(src)) race->range(src, bytes, false, false, "a copy");
  memmove(dst, src, bytes);
  if (race && device_pointer(dst)) race->range(dst, bytes, true, false, "a copy");
}
static bool capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  return cudaStreamIsCapturing(stream, &status) == cudaSuccess && status != cudaStreamCaptureStatusNone;
}
static cudaError_t copy_submit(api &api, void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
                               cudaStream_t stream) {
  if (cudaError_t e = api.ok()) return e;
  if (!bytes) return cudaSuccess;
  if (cudaError_t e = copy_check(api, dst, src, bytes, kind)) return e;
  // Pageable memory is staged: the source is read before the call returns, a destination is waited for.
  if (!device_pointer(src) && !pinned(src) && !capturing(stream)) {
    auto staged = std::make_shared<std::vector<char>>(static_cast<const char *>(src),
                                                      static_cast<const char *>(src) + bytes);
    return stream_submit(
        api, stream, [=] { copy_run(dst, staged->data(), bytes); }, "cudaMemcpyAsync");
  }
  const bool wait = !device_pointer(dst) && !pinned(dst) && !capturing(stream);
  if (cudaError_t e = stream_submit(
          api, stream, [=] { copy_run(dst, src, bytes); }, "cudaMemcpyAsync"))
    return e;
  return wait ? cudaStreamSynchronize(stream) : cudaSuccess;
}

} // namespace cusim
using namespace cusim;

void cusimFailMalloc(long nth) {
  malloc_fails = nth;
  malloc_count = 0;
}
static cudaError_t device_malloc(api &api, void **out, size_t bytes) {
  if (cudaError_t e = api.ok()) return e;
  if (!out) return api.fail(cudaErrorInvalidValue, "the result pointer is null");
  *out = nullptr;
  if (malloc_fails < 0) {
    const char *s = getenv("CUSIM_FAIL_MALLOC");
    malloc_fails = s ? atol(s) : 0;
  }
  if (bytes == 0) return cudaSuccess;
  if (++malloc_count == malloc_fails)
    return api.fail(cudaErrorMemoryAllocation, "allocation %ld was told to fail", malloc_count);
  if (used + bytes > config().memory_bytes)
    return api.fail(cudaErrorMemoryAllocation, "%zu bytes wanted, %zu of %zu are free (CUSIM_MEMORY_MB)",
                    bytes, config().memory_bytes - used, config().memory_bytes);
  const device_access access;
  allocation *a = device_allocate(bytes, api.caller);
  if (!a) return api.fail(cudaErrorMemoryAllocation, "no addresses are left for %zu bytes", bytes);
  *out = a->base;
  return cudaSuccess;
}
static cudaError_t device_free_check(api &api, const void *p) {
  const allocation *a = allocation_of(p);
  if (!a || a->base != p)
    return api.fail(cudaErrorInvalidValue, "%p is no device allocation: %s", p, describe(p).c_str());
  if (a->freed) return api.fail(cudaErrorInvalidValue, "freed twice: %s", describe(p).c_str());
  return cudaSuccess;
}
cudaError_t cudaMalloc(void **p, size_t bytes) {
  CUSIM_API(API_WORK);
  if (capture_forbids(api)) return cudaErrorStreamCaptureUnsupported;
  return device_malloc(api, p, bytes);
}
cudaError_t cudaFree(void *p) {
  CUSIM_API(API_CLEANUP);
  if (!p) return api.ok();
  if (capture_forbids(api)) return cudaErrorStreamCaptureUnsupported;
  device_drain(); // cudaFree waits for the device
  host_joins_device();
  if (cudaError_t e = device_free_check(api, p)) return e;
  const device_access access;
  guards_check(nullptr);
  device_release(allocation_of(p));
  return api.ok();
}
cudaError_t cudaMallocAsync(void **p, size_t bytes, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  if (capturing(stream)) return api.fail(cudaErrorNotSupported, "allocation inside a graph is not emulated");
  return device_malloc(api, p, bytes);
}
cudaError_t cudaFreeAsync(void *p, cudaStream_t stream) {
  CUSIM_API(API_CLEANUP);
  if (!p) return api.ok();
  if (capturing(stream)) return api.fail(cudaErrorNotSupported, "freeing inside a graph is not emulated");
  if (cudaError_t e = device_free_check(api, p)) return e;
  return stream_submit(
      api, stream, [=] { device_release(allocation_of(p)); }, "cudaFreeAsync");
}
cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
  CUSIM_API(API_QUIET);
  *total = config().memory_bytes;
  *free = *total - used;
  return api.ok();
}
cudaError_t cudaMallocHost(void **p, size_t bytes) {
  CUSIM_API(API_WORK);
  return host_allocate(api, p, bytes);
}
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned int) {
  CUSIM_API(API_WORK);
  return host_allocate(api, p, bytes);
}
cudaError_t cudaFreeHost(void *p) {
  CUSIM_API(API_CLEANUP);
  if (!p) return api.ok();
  auto it = pinned_ranges.find(static_cast<char *>(p));
  if (it == pinned_ranges.end() || it->second.registered)
    return api.fail(cudaErrorInvalidValue, "%p was not given by cudaMallocHost", p);
  device_drain();
  pinned_ranges.erase(it);
  free(p);
  return api.ok();
}
cudaError_t cudaHostRegister(void *p, size_t bytes, unsigned int) {
  CUSIM_API(API_WORK);
  if (!p || !bytes) return api.fail(cudaErrorInvalidValue, "an empty range");
  if (pinned(p)) return api.fail(cudaErrorHostMemoryAlreadyRegistered, "%p is pinned already", p);
  pinned_ranges[static_cast<char *>(p)] = {bytes, api.caller, true};
  return api.ok();
}
cudaError_t cudaHostUnregister(void *p) {
  CUSIM_API(API_CLEANUP);
  auto it = pinned_ranges.find(static_cast<char *>(p));
  if (it == pinned_ranges.end() || !it->second.registered)
    return api.fail(cudaErrorHostMemoryNotRegistered, "%p is not registered", p);
  device_drain();
  pinned_ranges.erase(it);
  return api.ok();
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *a, const void *p) {
  CUSIM_API(API_QUIET);
  const bool device = device_pointer(p) && device_range(p, 1), host = pinned(p);
  void *q = const_cast<void *>(p);
  *a = {device ? cudaMemoryTypeDevice
        : host ? cudaMemoryTypeHost
               : cudaMemoryTypeUnregistered,
        device || host ? 0 : -1, device || host ? q : nullptr, device ? nullptr : q};
  return api.ok();
}
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  CUSIM_API(API_WORK);
  return copy_submit(api, dst, src, bytes, kind, stream);
}
cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind) {
  CUSIM_API(API_WORK);
  if (legacy_stream_capture_conflict(nullptr))
    return api.fail(cudaErrorStreamCaptureImplicit, "the legacy stream cannot be used during a capture");
  if (cudaError_t e = copy_submit(api, dst, src, bytes, kind, nullptr)) return e;
  return cudaStreamSynchronize(nullptr);
}
cudaError_t cudaMemcpy2DAsync(void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  if (width > dst_pitch || width > src_pitch)
    return api.fail(cudaErrorInvalidPitchValue, "rows of %zu bytes, pitches %zu and %zu", width, dst_pitch,
                    src_pitch);
  if (!width || !height) return api.ok();
  for (size_t y = 0; y < height; y++)
    if (cudaError_t e = copy_submit(api, static_cast<char *>(dst) + y * dst_pitch,
                                    static_cast<const char *>(src) + y * src_pitch, width, kind, stream))
      return e;
  return cudaSuccess;
}
static cudaError_t memset_submit(api &api, void *p, int value, size_t bytes, cudaStream_t stream) {
  if (cudaError_t e = api.ok()) return e;
  if (!bytes) return cudaSuccess;
  if (!device_range(p, bytes))
    return api.fail(cudaErrorInvalidValue, "%zu bytes do not fit, %s", bytes, describe(p).c_str());
  auto run = [=] {
    memset(p, value, bytes);
    if (race) race->range(p, bytes, true, false, "cudaMemset");
  };
  return stream_submit(api, stream, run, "cudaMemsetAsync");
}
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream) {
  CUSIM_API(API_WORK);
  return memset_submit(api, p, value, bytes, stream);
}
cudaError_t cudaMemset(void *p, int value, size_t bytes) {
  CUSIM_API(API_WORK);
  return memset_submit(api, p, value, bytes, nullptr);
}
