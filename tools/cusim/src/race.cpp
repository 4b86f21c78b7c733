// The race build. Kernels are compiled with -fsanitize=thread, but the __tsan_* entry points are these: every load
// and store of device code is checked for bounds, alignment, reads of unwritten memory, cp.async that nobody
// waited for, and for order.
//
// What comes before what, as CUDA defines it:
//   in a block    __syncthreads: epochs are counted. __syncwarp: lanes have clocks, and know each other's.
//   in a grid     none, but for __threadfence + an atomic in one block and an atomic on the same address in
//                 another ("the last block done adds up").
//   in streams    vector clocks of operations (stream.cpp).
//
// Each two bytes of device and shared memory have a cell: the last write and the last read. One write is enough,
// since an earlier one was ordered before it or has been reported; of several unordered readers the cell keeps
// the latest and that there were more, of one warp or of several.
#include "cusim.h"
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unordered_map>

namespace cusim {

struct stamp {
  uint32_t op;    // number of the operation; 0: never
  uint32_t block; // linear number + 1; 0: a copy or a library call
  uint32_t pc;
  uint16_t thread, epoch, clock;
  uint8_t bytes; // which of the two, as bits
  uint8_t kind;  // of a write: ATOMIC, CP_ISSUE or 0; of a read: its readers (below), and ATOMIC
};
// One thread, or several: of a warp, of a block, of several blocks. READERS is the mask.
enum readers { ONE = 0, OF_WARP = 16, OF_BLOCK = 32, OF_GRID = 64, READERS = 112 };
struct cell {
  stamp write, read;
  uint8_t written; // bytes that have been written at all (shared memory: in this block)
};

static cell *shadow_static, *shadow_dynamic;
struct address_range {
  const char *low, *high;
};
static std::vector<address_range> constants; // read-only memory of the program, which kernels may read

// ---- synchronisation between blocks ----------------------------------------------------------------------------------
struct release { // a thread fenced, then did an atomic
  uint32_t block;
  uint16_t epoch, thread;
};
struct acquisition {
  release from;
  uint16_t epoch, thread; // of the reader
};
static std::unordered_map<const void *, std::vector<release>> releases; // by address, in this launch
static std::unordered_map<uint32_t, std::vector<acquisition>>
    acquisitions; // by block released, in this block

static void on_fence(bool device_wide) {
  if (device_wide) t_current->fenced_epoch = S->block.epoch;
}
static void on_atomic(const void *p, int kind) {
  const block_state &b = S->block;
  const thread_state &me = *t_current;
  if (kind & READ) {
    const auto found = releases.find(p);
    if (found != releases.end())
      for (const release &r : found->second)
        if (r.block != b.linear + 1)
          acquisitions[r.block].push_back({r, b.epoch, static_cast<uint16_t>(me.linear)});
  }
  if (kind & WRITE && me.fenced_epoch)
    releases[p].push_back(
        {b.linear + 1, static_cast<uint16_t>(me.fenced_epoch), static_cast<uint16_t>(me.linear)});
}
static bool block_ordered(const stamp &s) {
  const auto found = acquisitions.find(s.block);
  if (found == acquisitions.end()) return false;
  for (const acquisition &a : found->second)
    if ((s.epoch < a.from.epoch || s.thread == a.from.thread) &&
        (S->block.epoch > a.epoch || t_current->linear == a.thread))
      return true;
  return false;
}
// Does another thread's access in this block come before the current one (by a barrier or __syncwarp)?
static inline bool thread_ordered(const stamp &s) {
  const thread_state &me = *t_current;
  if (s.thread == me.linear || s.epoch != S->block.epoch) return true;
  return s.thread / WARP == me.linear / WARP && me.warp->known[me.lane][s.thread % WARP] >= s.clock;
}

// ---- reports -----------------------------------------------------------------------------------------------------------
struct access_info {
  const void *p;
  size_t bytes;
  uint32_t pc;
  const char *space;
};
static std::string place_of(uint32_t pc) {
  return pc ? place(__ehdr_start + pc) : "an unknown place";
}
[[noreturn]] static void complain(cudaError_t code, const char *what, const access_info &a) {
  fail(code, "%s at %s, %zu bytes of %s memory at %p%s%s", what, place_of(a.pc).c_str(), a.bytes, a.space,
       a.p, device_pointer(a.p) ? ", " : "", device_pointer(a.p) ? describe(a.p).c_str() : "");
}
[[noreturn]] static void complain_order(const char *what, const access_info &a, const stamp &s,
                                        const char *earlier) {
  char by[160] = "";
  if (s.block)
    snprintf(by, sizeof by, " by block %u thread %u (warp %u lane %u)", s.block - 1, s.thread,
             s.thread / WARP, s.thread % WARP);
  const std::string other = s.op == current_op ? "" : " in " + op_describe(s.op);
  fail(cudaErrorLaunchFailure, "%s at %s, %zu bytes of %s memory at %p%s%s; earlier %s%s%s%s%s", what,
       place_of(a.pc).c_str(), a.bytes, a.space, a.p, device_pointer(a.p) ? ", " : "",
       device_pointer(a.p) ? describe(a.p).c_str() : "", earlier, by, other.c_str(), s.pc ? " at " : "",
       s.pc ? place_of(s.pc).c_str() : "");
}

// ---- the check -----------------------------------------------------------------------------------------------------------
static inline bool
is_before(unsigned op) { // op_before_current() with the last answer kept: most questions repeat
  static unsigned asked, in;
  static bool answer;
  if (op == asked && in == current_op) return answer;
  asked = op;
  in = current_op;
  return answer = op_before_current(op);
}
static const char *write_name(const stamp &s) {
  return s.kind & ATOMIC ? "atomic" : s.kind & CP_ISSUE ? "cp.async" : "write";
}

static void check_against_write(const cell &x, unsigned bytes, int kind, const access_info &a) {
  const stamp &w = x.write;
  if (!(w.bytes & bytes) || ((kind & ATOMIC) && (w.kind & ATOMIC))) return;
  if (w.op != current_op) {
    if (!is_before(w.op))
      complain_order(kind & WRITE ? "race between streams: write after write"
                                  : "race between streams: read after write",
                     a, w, write_name(w));
    return;
  }
  const bool here = w.block == S->block.linear + 1;
  if (here && (w.kind & CP_ISSUE)) {
    if (kind & CP_LAND) return;
    complain_order(kind & WRITE ? "write to the destination of a cp.async that was not waited for"
                                : "read of the destination of a cp.async that was not waited for",
                   a, w, "cp.async");
  }
  if (here ? thread_ordered(w) : block_ordered(w)) return;
  if (here)
    complain_order(kind & WRITE ? "race: write after write without a barrier"
                                : "race: read after write without a barrier",
                   a, w, write_name(w));
  complain_order(kind & WRITE ? "race between blocks: write after write"
                              : "race between blocks: read after write",
                 a, w, write_name(w));
}
static void check_against_read(const cell &x, unsigned bytes, int kind, const access_info &a) {
  const stamp &r = x.read;
  if (!(r.bytes & bytes) || !r.op || ((kind & ATOMIC) && (r.kind & ATOMIC))) return;
  if (r.op != current_op) {
    if (!is_before(r.op)) complain_order("race between streams: write after read", a, r, "read");
    return;
  }
  const thread_state &me = *t_current;
  const int readers = r.kind & READERS;
  if (readers == OF_GRID || r.block != S->block.linear + 1) {
    if (!block_ordered(r)) complain_order("race between blocks: write after read", a, r, "read");
    return;
  }
  if (r.epoch != S->block.epoch) return;
  const bool same_warp = r.thread / WARP == me.linear / WARP;
  const bool ordered = readers == OF_BLOCK  ? false
                       : readers == OF_WARP ? same_warp && me.warp->known[me.lane][r.thread % WARP] >= r.clock
                                            : thread_ordered(r);
  if (!ordered) complain_order("race: write after read without a barrier", a, r, "read");
}
static inline void note_read(cell &x, unsigned bytes, int kind, const stamp &now) {
  stamp &r = x.read;
  int readers = ONE;
  if (r.op == now.op && (r.kind & READERS) == OF_GRID) {
    readers = OF_GRID;
  } else if (r.op == now.op && r.block != now.block) {
    readers = OF_GRID;
  } else if (r.op == now.op && r.epoch == now.epoch) {
    const int before = r.kind & READERS;
    if (before == OF_BLOCK || r.thread / WARP != now.thread / WARP)
      readers = OF_BLOCK;
    else if (r.thread != now.thread)
      readers = before == ONE && thread_ordered(r) ? ONE : OF_WARP;
    else
      readers = before;
  }
  const uint8_t seen = readers == ONE ? 0 : r.bytes;
  const bool atomic = (kind & ATOMIC) && (readers == ONE || (r.kind & ATOMIC));
  r = now;
  r.bytes = static_cast<uint8_t>(bytes | seen);
  r.kind = static_cast<uint8_t>(readers | (atomic ? ATOMIC : 0));
}

static void cells_check(cell *cells, bool shared, int kind, const access_info &a) {
  const block_state &b = S->block;
  const thread_state &me = *t_current;
  const stamp now = {current_op, b.linear + 1, a.pc, static_cast<uint16_t>(me.linear),
                     b.epoch,    me.clock,     0,    0};
  const uintptr_t first = reinterpret_cast<uintptr_t>(a.p), end = first + a.bytes;
  for (uintptr_t p = first; p < end; p = (p | 1) + 1) {
    cell &x = cells[(p >> 1) - (first >> 1)];
    const unsigned bytes = p & 1 ? 2 : p + 1 < end ? 3 : 1;
    if (shared && (x.write.op != now.op || x.write.block != now.block)) { // left over from another block
      x.write = {};
      x.written = 0;
      if (x.read.op != now.op || x.read.block != now.block) x.read = {};
    }
    if ((kind & (READ | WRITE)) != WRITE && (x.written & bytes) != bytes)
      complain(cudaErrorLaunchFailure, "read of uninitialised memory", a);
    if (x.write.op) check_against_write(x, bytes, kind, a);
    if (kind & WRITE) {
      check_against_read(x, bytes, kind, a);
      x.write = now;
      x.write.bytes = static_cast<uint8_t>(bytes);
      x.write.kind = static_cast<uint8_t>(kind & (ATOMIC | CP_ISSUE));
      x.written |= static_cast<uint8_t>(bytes);
    } else {
      note_read(x, bytes, kind, now);
    }
  }
}

static void check_elsewhere(int kind,
                            access_info &a) { // neither device nor shared memory nor this thread's stack
  const char *c = static_cast<const char *>(a.p);
  for (const void *v : {static_cast<const void *>(&threadIdx), static_cast<const void *>(&blockIdx),
                        static_cast<const void *>(&blockDim), static_cast<const void *>(&gridDim)})
    if (c >= v && c < static_cast<const char *>(v) + sizeof(dim3)) return;
  const kernel_call &call = S->block.launch->call;
  if (c >= static_cast<char *>(call.arguments) &&
      c < static_cast<char *>(call.arguments) + call.argument_bytes)
    return;
  a.space = "host";
  for (const address_range &r : constants)
    if (c >= r.low && c < r.high && !(kind & WRITE)) return;
  if (pinned(c)) return;
  for (fiber *f = S->all; f; f = f->next_all)
    if (c >= f->low && c < f->low + f->size) {
      a.space = "local";
      complain(cudaErrorIllegalAddress, "access to another thread's local memory", a);
    }
  complain(cudaErrorIllegalAddress,
           kind & WRITE ? "write to host memory from a kernel" : "read of host memory from a kernel", a);
}

static void check(const void *p, size_t bytes, int kind, uint32_t pc, size_t align) {
  const thread_state *me = t_current;
  const char *c = static_cast<const char *>(p);
  if (c >= me->fiber->low && c < me->fiber->low + me->fiber->size) return;
  S->in_runtime++;
  access_info a = {p, bytes, pc, "global"};
  if (reinterpret_cast<uintptr_t>(p) & (align - 1)) {
    a.space = device_pointer(p) ? "global" : "shared";
    complain(cudaErrorMisalignedAddress, "misaligned access", a);
  }
  const char *dynamic = reinterpret_cast<const char *>(dynamic_shared());
  if (c >= arena_low && c < arena_high) {
    if (!device_range(p, bytes))
      complain(cudaErrorIllegalAddress, kind & WRITE ? "out-of-bounds write" : "out-of-bounds read", a);
    const allocation *owner = allocation_of(p);
    if (kind & ATOMIC) on_atomic(p, kind);
    cells_check(owner->shadow + (c - owner->map) / 2, false, kind, a);
  } else if (c >= dynamic && c < dynamic + SHARED_SPAN) {
    a.space = "dynamic shared";
    if (c + bytes > dynamic + S->block.dynamic_bytes)
      complain(cudaErrorIllegalAddress, kind & WRITE ? "out-of-bounds write" : "out-of-bounds read", a);
    cells_check(shadow_dynamic + (c - dynamic) / 2, true, kind, a);
  } else if (__start_cusim_shared && c >= __start_cusim_shared && c < __stop_cusim_shared) {
    a.space = "shared";
    cells_check(shadow_static + (c - __start_cusim_shared) / 2, true, kind, a);
  } else {
    check_elsewhere(kind, a);
  }
  S->in_runtime--;
}
static void on_access(const void *p, size_t bytes, int kind, uint32_t pc) {
  check(p, bytes, kind, pc, 1);
}

// A copy or a library call reads or writes a range.
static void on_range(const void *p, size_t bytes, bool write, bool check_written, const char *who) {
  const allocation *a = allocation_of(p);
  if (!a || a->freed || !bytes) return;
  const char *c = static_cast<const char *>(p);
  cell *x = a->shadow + (c - a->map) / 2, *end = a->shadow + (c + bytes - a->map + 1) / 2;
  auto complain_range = [&](const char *what, const stamp &s) {
    report("race between streams: %s writes or reads %s unordered with %s%s%s",
           op_describe(current_op).c_str(), describe(p).c_str(), what, op_describe(s.op).c_str(),
           s.pc ? (" at " + place_of(s.pc)).c_str() : "");
    set_sticky(cudaErrorLaunchFailure);
  };
  const stamp now = {current_op, 0, 0, 0, 0, 0, 3, 0};
  for (; x < end; x++) {
    if (x->write.op && !is_before(x->write.op)) return complain_range("the write of ", x->write);
    if (write) {
      if (x->read.op && !is_before(x->read.op)) return complain_range("the read of ", x->read);
      x->write = now;
      x->written = 3;
    } else {
      if (check_written && x->written == 0) {
        report("read of uninitialised memory: %s reads %s", who,
               describe(a->map + (x - a->shadow) * 2).c_str());
        return set_sticky(cudaErrorLaunchFailure);
      }
      x->read = now;
    }
  }
}

// Constants lie in segments that are mapped read-only, or become so after relocation.
static int module_find(dl_phdr_info *info, size_t, void *) {
  bool ours = false;
  std::vector<address_range> found;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &h = info->dlpi_phdr[i];
    const char *low = reinterpret_cast<const char *>(info->dlpi_addr + h.p_vaddr);
    if (h.p_type == PT_LOAD && __ehdr_start >= low && __ehdr_start < low + h.p_memsz) ours = true;
    if ((h.p_type == PT_LOAD && !(h.p_flags & PF_W)) || h.p_type == PT_GNU_RELRO)
      found.push_back({low, low + h.p_memsz});
  }
  if (ours) constants = found;
  return ours;
}
static cell *shadow_map(size_t bytes) {
  void *p = mmap(nullptr, (bytes / 2 + 1) * sizeof(cell), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    perror("cusim: no memory for the race checker's shadow (22 times the device memory in use)");
    abort();
  }
  return static_cast<cell *>(p);
}
static void on_launch(const launch_state &) {
  releases.clear();
  if (shadow_dynamic) return;
  shadow_dynamic = shadow_map(SHARED_SPAN);
  if (__start_cusim_shared)
    shadow_static = shadow_map(static_cast<size_t>(__stop_cusim_shared - __start_cusim_shared));
  dl_iterate_phdr(module_find, nullptr);
}
static void on_block(const block_state &) {
  acquisitions.clear();
}
static void on_allocated(allocation *a) {
  a->shadow = shadow_map(a->map_bytes);
}
static void on_freed(allocation *a) {
  munmap(a->shadow, (a->map_bytes / 2 + 1) * sizeof(cell));
  a->shadow = nullptr;
}
static race_hooks hooks = {on_access, on_range, on_block, on_launch, on_fence, on_allocated, on_freed};
__attribute__((constructor)) static void install() {
  race = &hooks;
}

} // namespace cusim

// ---- what the compiler calls ---------------------------------------------------------------------------------------------
// Accesses of host code, and of the simulator on a thread's behalf, pass unchecked.
#define CUSIM_CHECK(p, bytes, kind, align)                                                \
  do {                                                                                    \
    if (cusim::t_current && !cusim::S->in_runtime)                                        \
      cusim::check(p, bytes, kind, cusim::pc_offset(__builtin_return_address(0)), align); \
  } while (0)
#define CUSIM_TSAN(n)                                           \
  extern "C" void __tsan_read##n(void *p) {                     \
    CUSIM_CHECK(p, n, cusim::READ, n);                          \
  }                                                             \
  extern "C" void __tsan_write##n(void *p) {                    \
    CUSIM_CHECK(p, n, cusim::WRITE, n);                         \
  }                                                             \
  extern "C" void __tsan_unaligned_read##n(void *p) {           \
    CUSIM_CHECK(p, n, cusim::READ, 1);                          \
  }                                                             \
  extern "C" void __tsan_unaligned_write##n(void *p) {          \
    CUSIM_CHECK(p, n, cusim::WRITE, 1);                         \
  }                                                             \
  extern "C" void __tsan_volatile_read##n(void *p) {            \
    CUSIM_CHECK(p, n, cusim::READ | cusim::ATOMIC, n);          \
  }                                                             \
  extern "C" void __tsan_volatile_write##n(void *p) {           \
    CUSIM_CHECK(p, n, cusim::WRITE | cusim::ATOMIC, n);         \
  }                                                             \
  extern "C" void __tsan_unaligned_volatile_read##n(void *p) {  \
    CUSIM_CHECK(p, n, cusim::READ | cusim::ATOMIC, 1);          \
  }                                                             \
  extern "C" void __tsan_unaligned_volatile_write##n(void *p) { \
    CUSIM_CHECK(p, n, cusim::WRITE | cusim::ATOMIC, 1);         \
  }
CUSIM_TSAN(1)
CUSIM_TSAN(2)
CUSIM_TSAN(4)
CUSIM_TSAN(8)
CUSIM_TSAN(16)
extern "C" void __tsan_init() {}
extern "C" void __tsan_read_range(void *p, size_t bytes) {
  CUSIM_CHECK(p, bytes, cusim::READ, 1);
}
extern "C" void __tsan_write_range(void *p, size_t bytes) {
  CUSIM_CHECK(p, bytes, cusim::WRITE, 1);
}
extern "C" void __tsan_vptr_update(void **, void *) {}
extern "C" void __tsan_vptr_read(void **) {}
extern "C" void __tsan_func_entry(void *) {}
extern "C" void __tsan_func_exit() {}
