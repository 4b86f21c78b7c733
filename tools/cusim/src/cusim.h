// cusim internals: what the runtime's files share. The tour is docs/cusim.md.
//
//   report.cpp  settings, reports, source lines, signals, watchdog
//   fiber.cpp   stacks and the switch between them
//   block.cpp   a block's threads: schedule, barriers, warp collectives, launches
//   tensor.cpp  mma, ldmatrix, cp.async, atomics, fences
//   memory.cpp  device and pinned memory, copies
//   device.cpp  the pretended device: limits, attributes, launch checks, errors
//   stream.cpp  streams, events, capture, graphs
//   race.cpp    the race build: every access checked
//   blaslt.cpp, nccl.cpp, nvtx.cpp  the libraries
#pragma once
#include "cuda_runtime.h"
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stdint.h>
#include <string>
#include <vector>
#include "fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define CUSIM_ASAN 1
#else
#define CUSIM_ASAN 0
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define CUSIM_PRINTF(f, a) __attribute__((format(gnu_printf, f, a)))
#else
#define CUSIM_PRINTF(f, a) __attribute__((format(printf, f, a)))
#endif
#define CUSIM_LIKELY(c)   __builtin_expect(!!(c), 1)
#define CUSIM_UNLIKELY(c) __builtin_expect(!!(c), 0)

namespace cusim {

constexpr int WARP = 32, MAX_THREADS = 1024, MAX_WARPS = MAX_THREADS / WARP;
constexpr size_t SHARED_MAX = 227 * 1024; // bytes of shared memory a block can have on any device
constexpr size_t PAGE = 4096, SHARED_SPAN = (SHARED_MAX / PAGE + 2) * PAGE; // of addresses reserved for it

// ---- settings (report.cpp) -----------------------------------------------------------------------------------
enum order_kind { ORDER_FORWARD, ORDER_REVERSE, ORDER_SHUFFLED };
enum cp_async_kind { CP_LATE, CP_EARLY, CP_RANDOM };
enum streams_kind { STREAMS_EAGER, STREAMS_LAZY, STREAMS_RANDOM };
struct settings { // from the environment, read once
  order_kind order;
  cp_async_kind cp_async;
  streams_kind streams;
  uint64_t seed;
  size_t stack_bytes, memory_bytes;
  int threads, watchdog_s, driver;
  std::string device;
  bool host_guard, return_errors, leaks, unchecked, notes;
};
const settings &config();
// xorshift64*: every random choice comes from here, so that a seed repeats a run.
inline uint64_t random_next(uint64_t &state) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

// ---- a block under way (block.cpp) -----------------------------------------------------------------------------
struct warp_state;
struct cp_copy { // one cp.async that has not been waited for
  void *dst;
  const void *src;
  int bytes, src_bytes, group;
  bool done; // its bytes were written before the wait
  uint32_t pc;
};
struct thread_state {
  uint3 index;
  unsigned lane, linear; // linear: number in the block
  warp_state *warp;
  cusim::fiber *fiber;
  request *waiting; // at a barrier or collective
  int cp_group;     // groups committed so far
  int cp_count, cp_capacity;
  cp_copy *copies;
  uint16_t clock;        // counts __syncwarp since the last barrier (race build)
  uint32_t fenced_epoch; // barriers passed at the last __threadfence, + 1; 0: none in this block (race build)
};
struct warp_state {
  unsigned exist, fresh, ready, collective, barrier, exited; // sets of lanes
  thread_state *threads;
  request *arguments[WARP];
  uint16_t known[WARP][WARP]; // known[i][j]: lane j's clock as lane i last saw it (race build)
};
struct launch_state {
  cudaLaunchConfig_t config;
  kernel_call call;
  std::string range; // NVTX range of the launch
  unsigned blocks, id;
  std::atomic<unsigned> next{0};
  std::atomic<bool> failed{false};
  ~launch_state() {
    if (call.destroy) call.destroy(call.arguments);
  }
};
struct block_state {
  launch_state *launch;
  size_t dynamic_bytes;
  int threads, warps, alive, current_warp;
  unsigned linear;
  int waiting, kind, any, all, count; // at the barrier
  site barrier_site;
  uint16_t epoch; // barriers passed, from 1 (race build)
  warp_state warp[MAX_WARPS];
  thread_state thread[MAX_THREADS];
};
// One OS thread's work: it runs blocks one after another.
struct scheduler {
  block_state block;
  fiber home;               // the OS thread's own stack
  fiber *free, *all, *idle; // idle: waits between launches
  uint64_t chance;
  unsigned char *dynamic; // shared memory for kernels that ask for it at their launch
  bool failed;
  int in_runtime; // > 0: accesses are the runtime's own (race build)
  unsigned long long switches, matrices, bank_conflicts;
};
extern __thread scheduler *S CUSIM_TLS;
extern __thread thread_state *t_current CUSIM_TLS; // the CUDA thread that runs, or null
extern const char *const op_names[];
struct runtime_scope { // around runtime code that device code calls
  runtime_scope() { S->in_runtime++; }
  ~runtime_scope() { S->in_runtime--; }
};
void launch_run(launch_state &l);
void complete_tensor(warp_state *w, int op); // mma, ldmatrix (tensor.cpp)
void copies_drop(thread_state *t, bool land);
bool in_shared(const void *p, size_t bytes);

// ---- reports (report.cpp) ----------------------------------------------------------------------------------------
// An error that a checker found. Ends the program unless CUSIM_ON_ERROR=return.
void report(const char *format, ...) CUSIM_PRINTF(1, 2);
// A note on stderr: why a call returns an error.
void note(const char *format, ...) CUSIM_PRINTF(1, 2);
// An error of the current CUDA thread: reports it with kernel, block and thread, makes `code` the sticky error
// and leaves the block.
[[noreturn]] void fail(cudaError_t code, const char *format, ...) CUSIM_PRINTF(2, 3) __attribute__((cold));
[[noreturn]] void block_abandon();
std::string where(); // "kernel k block (0,0,0) thread (1,0,0) ..."
std::string kernel_name(const kernel_call &c);
std::string launch_text_name(const char *text); // the kernel in "&cfg, name<8>, a, b"; other text as it is
std::string place(site at);                     // "file.cu:12"
std::string place(const void *return_address);  // the same from the code that called
void signals_install();                         // for this OS thread
void watchdog_arm(bool on);

// ---- memory (memory.cpp) ------------------------------------------------------------------------------------------
struct cell; // race build: the shadow of two bytes
struct allocation {
  char *base, *map; // map: first page
  size_t bytes, map_bytes;
  const void *caller;
  bool freed;
  cell *shadow;
};
extern char *arena_low, *arena_high;
allocation *
allocation_of(const void *p); // the allocation whose pages hold p; null. p may lie in its guard zones.
bool device_range(const void *p, size_t bytes);
bool device_pointer(const void *p);
std::string describe(const void *p); // "offset 12 of a 400-byte allocation made at x.c:12"
void guards_check(
    const kernel_call *after); // has anyone written outside an allocation? null: not after a kernel
size_t memory_used();
bool pinned(const void *p);
void memory_leaks(std::string &list, int &count);
void pinned_leaks(std::string &list, int &count);
struct device_access { // device memory is accessible to the CPU while one of these lives (CUSIM_HOSTGUARD=1)
  device_access();
  ~device_access();
};

// ---- host interface (device.cpp, stream.cpp) --------------------------------------------------------------------
// Every entry point begins with one of these: lock, name and caller, errors nobody looked at.
enum api_kind { API_QUIET, API_WORK, API_CLEANUP };
struct api {
  api(const char *name, api_kind kind, const void *caller);
  ~api();
  cudaError_t fail(cudaError_t e, const char *format, ...)
      CUSIM_PRINTF(3, 4); // remembered for cudaGetLastError
  cudaError_t ok();       // success, or why no call works
  const char *name;
  const void *caller;
};
#define CUSIM_API(kind) cusim::api api(__func__, cusim::kind, __builtin_return_address(0))
cudaError_t sticky_error();
void set_sticky(cudaError_t e);
const char *error_name(cudaError_t e);

typedef std::vector<uint32_t> vector_clock; // by stream: the latest operation that is known to be over
struct work {                               // one operation of a stream
  std::function<void()> run;                // may be empty (events, waits)
  const char *what;
};
// Queues an operation, or adds it to the graph that the stream is being captured into.
cudaError_t stream_submit(api &a, cudaStream_t s, std::function<void()> run, const char *what);
void device_drain(); // runs everything that is queued
void host_joins_device();
bool legacy_stream_capture_conflict(cudaStream_t s);
bool capture_forbids(api &a); // a capture in global mode is under way: invalidates it
void stream_leaks(std::string &list, int &count);
extern unsigned current_op;          // number of the operation that runs
bool op_before_current(unsigned op); // does it happen before the one that runs?
std::string op_describe(unsigned op);
extern bool host_function_runs; // inside cudaLaunchHostFunc: no calls of the runtime
std::string nvtx_current();

// ---- race build (race.cpp, and -DCUSIM_RACE) ---------------------------------------------------
struct race_hooks {
  void (*access)(const void *p, size_t bytes, int kind, uint32_t pc); // by the current thread
  void (*range)(const void *p, size_t bytes, bool write, bool check,
                const char *who); // by a copy or a library
  void (*block_begin)(const block_state &b);
  void (*launch_begin)(const launch_state &l);
  void (*fence)(bool device_wide);
  void (*allocated)(allocation *a);
  void (*freed)(allocation *a);
};
enum access_kind { READ = 1, WRITE = 2, ATOMIC = 4, CP_ISSUE = 8, CP_LAND = 128 }; // flags
#if defined(CUSIM_RACE)
extern race_hooks *race;
#else
constexpr race_hooks *race = nullptr; // a constant, so that `if (race)` costs nothing in the other builds
#endif
extern "C" char __ehdr_start[] __attribute__((visibility("hidden")));
inline uint32_t pc_offset(const void *return_address) {
  return static_cast<uint32_t>(static_cast<const char *>(return_address) - __ehdr_start);
}

} // namespace cusim

// The static shared arrays of all kernels; absent if there are none.
extern "C" char __start_cusim_shared[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_cusim_shared[] __attribute__((weak, visibility("hidden")));
