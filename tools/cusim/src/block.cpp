// A block's threads: schedule, barriers, warp collectives, launches.
//
// Fibers are lazy. A stack runs threads one after another as plain function calls; a thread keeps the stack only
// when it must wait at a barrier or a collective, and the next thread then starts on another stack. A kernel
// without barriers never switches. A thread that arrives last works out the result for all and goes on without a
// switch.
#include "cusim.h"
#include <condition_variable>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thread>

__thread uint3 threadIdx, blockIdx;
__thread dim3 blockDim, gridDim;

namespace cusim {

__thread scheduler *S;
__thread thread_state *t_current;
#if defined(CUSIM_RACE)
race_hooks *race;
#endif
const char *const op_names[] = {
#define CUSIM_NAME(name, text) text,
    CUSIM_OPS(CUSIM_NAME)
#undef CUSIM_NAME
};

#if defined(CUSIM_MT)
static thread_local unsigned char *dynamic_memory;
#else
static unsigned char *dynamic_memory;
#endif
static order_kind order; // a copy of the setting, because it is read at every switch of threads

unsigned char *dynamic_shared() {
  return dynamic_memory;
}

bool in_shared(const void *p, size_t bytes) {
  const char *c = static_cast<const char *>(p), *d = reinterpret_cast<const char *>(dynamic_memory);
  if (c >= d && c + bytes <= d + S->block.dynamic_bytes) return true;
#if defined(CUSIM_MT)
  return !device_pointer(p); // where the compiler puts thread-local arrays is not known
#else
  return __start_cusim_shared && c >= __start_cusim_shared && c + bytes <= __stop_cusim_shared;
#endif
}

// ---- the schedule ------------------------------------------------------------------------------------------------
static inline int pick_lane(scheduler &s, unsigned lanes) {
  if (order == ORDER_FORWARD) return __builtin_ctz(lanes);
  if (order == ORDER_REVERSE) return 31 - __builtin_clz(lanes);
  unsigned skip =
      static_cast<unsigned>(random_next(s.chance) >> 32) % static_cast<unsigned>(__builtin_popcount(lanes));
  for (; skip; skip--) lanes &= lanes - 1;
  return __builtin_ctz(lanes);
}

// The next thread that can run, or null. It stays with a warp while it can; shuffled order leaves it now and then.
static inline thread_state *pick(scheduler &s, bool &is_new) {
  block_state &b = s.block;
  warp_state *w = &b.warp[b.current_warp];
  unsigned lanes = w->ready | w->fresh;
  if (CUSIM_UNLIKELY(!lanes || (order == ORDER_SHUFFLED && (random_next(s.chance) >> 40 & 7) == 0))) {
    const int n = b.warps, step = order == ORDER_REVERSE ? n - 1 : 1;
    int i = order == ORDER_SHUFFLED
                ? static_cast<int>((random_next(s.chance) >> 33) % static_cast<unsigned>(n))
                : b.current_warp;
    int tried = 0;
    for (; tried < n && !(b.warp[i].ready | b.warp[i].fresh); tried++) i = (i + step) % n;
    if (tried == n) return nullptr;
    b.current_warp = i;
    w = &b.warp[i];
    lanes = w->ready | w->fresh;
  }
  const int lane = pick_lane(s, lanes);
  const unsigned bit = 1u << lane;
  is_new = (w->fresh & bit) != 0;
  w->fresh &= ~bit;
  w->ready &= ~bit;
  return &w->threads[lane];
}

static inline void make_current(thread_state *t) {
  t_current = t;
  threadIdx = t->index;
}

// Who waits where, for reports.
static std::string waiting_list(const block_state &b) {
  std::string list;
  int shown = 0;
  for (int w = 0; w < b.warps && shown < 12; w++) {
    const warp_state &W = b.warp[w];
    for (unsigned left = W.collective | W.barrier; left; shown++) { // group the lanes that wait at one place
      const request *first = W.threads[__builtin_ctz(left)].waiting;
      unsigned group = 0;
      for (int l = 0; l < WARP; l++)
        if ((left >> l & 1) && W.threads[l].waiting->op == first->op &&
            W.threads[l].waiting->at.line == first->at.line)
          group |= 1u << l;
      char line[256], mask[32] = "";
      if (first->op > OP_BARRIER_COUNT) snprintf(mask, sizeof mask, " with mask %08x", first->mask);
      snprintf(line, sizeof line, "\n    warp %d lanes %08x wait in %s%s at %s", w, group,
               op_names[first->op], mask, place(first->at).c_str());
      list += line;
      left &= ~group;
    }
    if (W.exited) {
      char line[80];
      snprintf(line, sizeof line, "\n    warp %d lanes %08x have exited", w, W.exited);
      list += line;
      shown++;
    }
  }
  return list;
}
[[noreturn]] static void deadlock() {
  const block_state &b = S->block;
  bool collective = false;
  for (int w = 0; w < b.warps; w++) collective = collective || b.warp[w].collective;
  fail(cudaErrorLaunchFailure, "%s: no thread of the block can go on%s",
       collective ? "lanes missing from a collective" : "divergent barrier", waiting_list(b).c_str());
}

void block_abandon() {
  S->failed = true;
  S->block.launch->failed = true;
  S->in_runtime = 0;
  fiber_leave(&S->home);
}

// ---- the barrier of the block ------------------------------------------------------------------------------------
static void barrier_release(block_state &b) {
  if (b.kind != OP_BARRIER) {
    const int result = b.kind == OP_BARRIER_OR ? b.any : b.kind == OP_BARRIER_AND ? b.all : b.count;
    for (int i = 0; i < b.threads; i++)
      if (b.thread[i].warp->barrier >> b.thread[i].lane & 1)
        static_cast<barrier_request *>(b.thread[i].waiting)->result = result;
  }
  b.waiting = 0;
  for (int w = 0; w < b.warps; w++) b.warp[w].ready |= b.warp[w].barrier, b.warp[w].barrier = 0;
  if (race) {
    b.epoch++;
    for (int i = 0; i < b.threads; i++) b.thread[i].clock = 1;
    for (int w = 0; w < b.warps; w++) memset(b.warp[w].known, 0, sizeof b.warp[w].known);
  }
}
static inline bool barrier_arrive(thread_state *t, barrier_request *r) { // true: it was the last to arrive
  block_state &b = S->block;
  if (CUSIM_UNLIKELY(b.alive != b.threads))
    fail(cudaErrorLaunchFailure, "divergent barrier: %s at %s after %d threads of the block have exited%s",
         op_names[r->op], place(r->at).c_str(), b.threads - b.alive, waiting_list(b).c_str());
  if (b.waiting == 0) {
    b.barrier_site = r->at;
    b.kind = r->op;
    b.any = b.count = 0;
    b.all = 1;
  } else if (CUSIM_UNLIKELY(r->at.line != b.barrier_site.line || r->op != b.kind)) {
    fail(cudaErrorLaunchFailure,
         "divergent barrier: this thread is in %s at %s while others wait in %s at %s", op_names[r->op],
         place(r->at).c_str(), op_names[b.kind], place(b.barrier_site).c_str());
  }
  const int p = r->predicate != 0;
  b.any |= p, b.all &= p, b.count += p;
  b.waiting++;
  t->warp->barrier |= 1u << t->lane;
  if (b.waiting != b.alive) return false;
  barrier_release(b);
  return true;
}

// ---- warp collectives --------------------------------------------------------------------------------------------
template <class R, class F> static inline void each(warp_state *w, unsigned mask, F f) {
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    f(lane, static_cast<R *>(w->arguments[lane]));
  }
}
static void complete_syncwarp(warp_state *w,
                              unsigned mask) { // each lane now knows the latest clock that any of them knew
  uint16_t joined[WARP] = {};
  for (int i = 0; i < WARP; i++) {
    if (!(mask >> i & 1)) continue;
    w->known[i][i] = w->threads[i].clock++;
    for (int k = 0; k < WARP; k++)
      if (w->known[i][k] > joined[k]) joined[k] = w->known[i][k];
  }
  for (int i = 0; i < WARP; i++)
    if (mask >> i & 1) memcpy(w->known[i], joined, sizeof joined);
}
static void complete_shfl(warp_state *w, unsigned mask) {
  uint64_t v[WARP];
  each<shfl_request>(w, mask, [&](int lane, shfl_request *r) { v[lane] = r->value; });
  each<shfl_request>(w, mask, [&](int lane, shfl_request *r) {
    if (CUSIM_UNLIKELY(!(mask >> r->source & 1)))
      fail(cudaErrorLaunchFailure, "%s at %s: lane %d reads lane %d, which is not in mask %08x",
           op_names[OP_SHFL], place(r->at).c_str(), lane, r->source, mask);
    r->value = v[r->source];
  });
}
static void complete_butterfly(warp_state *w, int op) {
  float v[WARP], u[WARP];
  for (int i = 0; i < WARP; i++)
    v[i] = __uint_as_float(static_cast<unsigned>(static_cast<reduce_request *>(w->arguments[i])->value));
  for (int o = WARP / 2; o; o >>= 1) {
    for (int i = 0; i < WARP; i++) u[i] = op == OP_WARP_SUM ? v[i] + v[i ^ o] : fmaxf(v[i], v[i ^ o]);
    memcpy(v, u, sizeof v);
  }
  for (int i = 0; i < WARP; i++)
    static_cast<reduce_request *>(w->arguments[i])->result = __float_as_uint(v[i]);
}
static void complete_reduce(warp_state *w, unsigned mask, int op) {
  const int first = __builtin_ctz(mask);
  const uint64_t v0 = static_cast<reduce_request *>(w->arguments[first])->value;
  unsigned votes = 0, same = 0, acc = static_cast<unsigned>(v0);
  each<reduce_request>(w, mask, [&](int lane, reduce_request *r) {
    const unsigned v = static_cast<unsigned>(r->value);
    votes |= (r->value != 0 ? 1u : 0u) << lane;
    same |= (r->value == v0 ? 1u : 0u) << lane;
    if (lane == first) return;
    switch (op) {
    case OP_REDUCE_ADD:
      acc += v;
      break;
    case OP_REDUCE_MIN:
      acc = v < acc ? v : acc;
      break;
    case OP_REDUCE_MAX:
      acc = v > acc ? v : acc;
      break;
    case OP_REDUCE_MIN_S:
      acc = static_cast<int>(v) < static_cast<int>(acc) ? v : acc;
      break;
    case OP_REDUCE_MAX_S:
      acc = static_cast<int>(v) > static_cast<int>(acc) ? v : acc;
      break;
    case OP_REDUCE_AND:
      acc &= v;
      break;
    case OP_REDUCE_OR:
      acc |= v;
      break;
    case OP_REDUCE_XOR:
      acc ^= v;
      break;
    default:
      break;
    }
  });
  each<reduce_request>(w, mask, [&](int, reduce_request *r) {
    switch (op) {
    case OP_BALLOT:
      r->result = votes;
      break;
    case OP_ANY:
      r->result = votes != 0;
      break;
    case OP_ALL:
      r->result = votes == mask;
      break;
    case OP_MATCH_ALL:
      r->result = same == mask ? mask : 0;
      break;
    case OP_MATCH_ANY:
      r->result = 0;
      each<reduce_request>(w, mask, [&](int lane, reduce_request *o) {
        r->result |= (o->value == r->value ? 1u : 0u) << lane;
      });
      break;
    default:
      r->result = acc;
    }
  });
}
static inline void complete(warp_state *w, unsigned mask, int op) {
  switch (op) {
  case OP_SYNCWARP:
    if (race) complete_syncwarp(w, mask);
    break;
  case OP_SHFL:
    complete_shfl(w, mask);
    break;
  case OP_WARP_SUM:
  case OP_WARP_MAX:
    complete_butterfly(w, op);
    break;
  case OP_MMA_BF16:
  case OP_MMA_TF32:
  case OP_LDMATRIX:
    complete_tensor(w, op);
    break;
  default:
    complete_reduce(w, mask, op);
  }
}
[[noreturn]] static void diverged(const request *r, int other, const request *q) {
  fail(cudaErrorLaunchFailure,
       "divergent warp collective: this lane is in %s with mask %08x at %s, lane %d waits in %s with mask "
       "%08x at %s",
       op_names[r->op], r->mask, place(r->at).c_str(), other, op_names[q->op], q->mask, place(q->at).c_str());
}
static inline bool same_call(const request *a, const request *b) {
  return a->op == b->op && (a->at.line == b->at.line || a->op == OP_SYNCWARP);
}
// Is every lane of the mask waiting in this collective? One that waits in another, whose mask does not include us,
// will come later: parts of a warp may go their own ways.
static inline bool all_here(warp_state *w, const request *r) {
  if ((w->collective & r->mask) != r->mask) return false;
  for (unsigned left = r->mask; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const request *q = w->arguments[lane];
    if (q->mask != r->mask) return false;
    if (CUSIM_UNLIKELY(!same_call(q, r))) diverged(r, lane, q);
  }
  return true;
}
static inline bool warp_arrive(thread_state *t, request *r) { // true: everyone is here and has the result
  warp_state *w = t->warp;
  const unsigned bit = 1u << t->lane, mask = r->mask;
  if (CUSIM_UNLIKELY(!(mask & bit)))
    fail(cudaErrorLaunchFailure, "%s at %s: the calling lane is not in its own mask %08x", op_names[r->op],
         place(r->at).c_str(), mask);
  if (CUSIM_UNLIKELY(mask & (w->exited | ~w->exist)))
    fail(cudaErrorLaunchFailure,
         "lanes missing from a collective: %s at %s: mask %08x names lanes %08x that have exited or do not "
         "exist",
         op_names[r->op], place(r->at).c_str(), mask, mask & (w->exited | ~w->exist));
  if (const unsigned others =
          w->collective &
          mask) { // they wait in a collective: in vain, if that one includes this lane and is another
    const int other = __builtin_ctz(others);
    const request *q = w->arguments[other];
    if ((q->mask & bit) && (q->mask != mask || !same_call(q, r))) diverged(r, other, q);
  }
  w->arguments[t->lane] = r;
  w->collective |= bit;
  if (!all_here(w, r)) return false;
  complete(w, mask, r->op);
  w->collective &= ~mask;
  w->ready |= mask;
  return true;
}
unsigned activemask() {
  return t_current->warp->exist & ~t_current->warp->exited;
}

// The fiber that runs next; null: the caller's own.
static inline fiber *arrive(request *r) {
  thread_state *t = t_current;
  scheduler &s = *S;
  if (race) s.in_runtime++;
  t->waiting = r;
  const bool complete =
      r->op <= OP_BARRIER_COUNT ? barrier_arrive(t, static_cast<barrier_request *>(r)) : warp_arrive(t, r);
  if (race) s.in_runtime--;
  warp_state *w = t->warp;
  if (complete && order != ORDER_SHUFFLED) {
    w->ready &= ~(1u << t->lane);
    return nullptr;
  }
  bool is_new = false;
  thread_state *next;
  const unsigned next_bit = t->lane < 31 ? 2u << t->lane : 0;
  if (CUSIM_LIKELY(order == ORDER_FORWARD && (w->ready & next_bit))) { // the usual one: saves the search
    next = t + 1;
    w->ready &= ~next_bit;
  } else {
    next = pick(s, is_new);
  }
  if (CUSIM_UNLIKELY(!next)) deadlock();
  make_current(next);
  if (next == t) return nullptr;
  if (is_new) next->fiber = fiber_get();
  s.switches++;
  fiber_announce(t->fiber, next->fiber);
  return next->fiber;
}
#if CUSIM_ASSEMBLY
extern "C" __attribute__((visibility("hidden"))) void *cusim_arrive(request *r, void *sp) {
  fiber *me = t_current->fiber, *to = arrive(r);
  if (!to) return sp;
  me->sp = sp;
  return to->sp;
}
#else
extern "C" void cusim_call(request *r) {
  fiber *me = t_current->fiber, *to = arrive(r);
  if (to) swapcontext(&me->context, &to->context);
}
#endif

// ---- threads and blocks, one after another -----------------------------------------------------------------------
static void block_reset(block_state &b) {
  b.alive = b.threads;
  b.current_warp = order == ORDER_REVERSE ? b.warps - 1 : 0;
  b.waiting = 0;
  for (int w = 0; w < b.warps; w++) {
    warp_state &W = b.warp[w];
    W.fresh = W.exist;
    W.ready = W.collective = W.barrier = W.exited = 0;
  }
  // Shared memory starts as NaN. (AddressSanitizer keeps red zones between static arrays.)
#if !defined(CUSIM_MT)
  if (__start_cusim_shared && !CUSIM_ASAN)
    memset(__start_cusim_shared, 0xff, static_cast<size_t>(__stop_cusim_shared - __start_cusim_shared));
#endif
  if (b.dynamic_bytes) memset(dynamic_memory, 0xff, b.dynamic_bytes);
  if (race) {
    b.epoch = 1;
    for (int i = 0; i < b.threads; i++) b.thread[i].clock = 1, b.thread[i].fenced_epoch = 0;
    for (int w = 0; w < b.warps; w++) memset(b.warp[w].known, 0, sizeof b.warp[w].known);
    race->block_begin(b);
  }
}
static uint64_t common_divisor(uint64_t a, uint64_t b) {
  return b ? common_divisor(b, a % b) : a;
}
static bool block_next(scheduler &s) {
  block_state &b = s.block;
  launch_state &l = *b.launch;
  uint64_t i = l.next.fetch_add(1, std::memory_order_relaxed);
  const uint64_t n = l.blocks;
  if (i >= n || l.failed) return false;
  if (order == ORDER_REVERSE) i = n - 1 - i;
  if (order == ORDER_SHUFFLED) { // a permutation of the blocks: i -> (a i + b) mod n, a coprime to n
    uint64_t factor = (config().seed * 2654435761u + l.id) % n | 1;
    while (common_divisor(factor, n) != 1) factor += 2;
    i = (i * factor + config().seed + l.id) % n;
  }
  const dim3 g = l.config.gridDim;
  b.linear = static_cast<unsigned>(i);
  blockIdx = {b.linear % g.x, b.linear / g.x % g.y, b.linear / g.x / g.y};
  block_reset(b);
  return true;
}
static inline void thread_exit(thread_state *t) {
  block_state &b = S->block;
  warp_state *w = t->warp;
  const unsigned bit = 1u << t->lane;
  if (CUSIM_UNLIKELY(t->cp_count)) copies_drop(t, true);
  w->exited |= bit;
  b.alive--;
  if (CUSIM_UNLIKELY(w->collective))
    each<request>(w, w->collective, [&](int lane, request *r) {
      if (r->mask & bit)
        fail(cudaErrorLaunchFailure,
             "lanes missing from a collective: this thread exits while lane %d waits for it in %s with mask "
             "%08x at %s",
             lane, op_names[r->op], r->mask, place(r->at).c_str());
    });
  if (CUSIM_UNLIKELY(b.waiting))
    fail(cudaErrorLaunchFailure, "divergent barrier: this thread exits while others wait in a barrier%s",
         waiting_list(b).c_str());
}

// The bottom frame of every fiber: runs threads to their end, one after another, until one of them is due that
// sleeps on another stack.
void fiber_main() {
  fiber_arrived(nullptr, &S->home);
  for (;;) {
    fiber *me = t_current->fiber;
    for (;;) {
      t_current->cp_group = 0;
      kernel_call &call = S->block.launch->call;
      call.run(call.arguments);
      thread_exit(t_current);
      bool is_new = false;
      thread_state *next = pick(*S, is_new);
      if (!next) {
        if (S->block.alive) deadlock();
        if (!block_next(*S)) break;
        next = pick(*S, is_new);
      }
      make_current(next);
      if (is_new) {
        next->fiber = me;
        continue;
      }
      fiber_put(me);
      fiber_switch(me, next->fiber);
      me = t_current->fiber; // woken to run a new thread on this stack
    }
    S->idle = me;
    fiber_switch(me, &S->home);
  }
}

static void fibers_reset(scheduler &s) {
  s.free = s.idle = nullptr;
  for (fiber *f = s.all; f; f = f->next_all) {
    fiber_reset(f);
    f->next_free = s.free;
    s.free = f;
  }
}

// Schedulers outlive the OS threads that use them, for others to take over.
static std::mutex spare_lock;
static std::vector<scheduler *> *const spare = new std::vector<scheduler *>;
struct scheduler_return {
  ~scheduler_return() {
    std::lock_guard<std::mutex> hold(spare_lock);
    if (S) spare->push_back(S);
    S = nullptr;
  }
};
static scheduler *scheduler_get() {
  static thread_local scheduler_return at_thread_end;
  (void)at_thread_end;
  signals_install();
  std::lock_guard<std::mutex> hold(spare_lock);
  if (!spare->empty()) {
    scheduler *s = spare->back();
    spare->pop_back();
    s->home.low = nullptr; // another stack now
    fibers_reset(*s);      // their frames may hold addresses of the other thread's variables
    return s;
  }
  scheduler *s = new scheduler();
  s->chance = config().seed * 0x9e3779b97f4a7c15ull + 88172645463325252ull;
  for (int i = 0; i < MAX_THREADS; i++) {
    thread_state &t = s->block.thread[i];
    t.warp = &s->block.warp[i / WARP];
    t.lane = static_cast<unsigned>(i % WARP);
    t.linear = static_cast<unsigned>(i);
  }
  for (int w = 0; w < MAX_WARPS; w++) s->block.warp[w].threads = &s->block.thread[w * WARP];
  s->dynamic = static_cast<unsigned char *>(aligned_alloc(PAGE, SHARED_SPAN));
  if (!s->dynamic) abort();
  return s;
}

static void worker(launch_state &l) {
  if (!S) S = scheduler_get();
  scheduler &s = *S;
  dynamic_memory = s.dynamic;
  block_state &b = s.block;
  const dim3 d = l.config.blockDim;
  blockDim = d;
  gridDim = l.config.gridDim;
  b.launch = &l;
  b.dynamic_bytes = l.config.dynamicSmemBytes;
  b.threads = static_cast<int>(d.x * d.y * d.z);
  b.warps = (b.threads + WARP - 1) / WARP;
  for (unsigned i = 0; i < d.x * d.y * d.z; i++) b.thread[i].index = {i % d.x, i / d.x % d.y, i / d.x / d.y};
  for (int w = 0; w < b.warps; w++) {
    const int lanes = b.threads - WARP * w;
    b.warp[w].exist = lanes >= WARP ? ~0u : (1u << lanes) - 1;
  }
#if CUSIM_ASAN
  __asan_unpoison_memory_region(dynamic_memory, SHARED_SPAN);
  __asan_poison_memory_region(dynamic_memory + b.dynamic_bytes, SHARED_SPAN - b.dynamic_bytes);
#endif
  s.failed = false;
  if (block_next(s)) {
    bool is_new;
    if (!s.idle) s.idle = fiber_get();
    thread_state *first = pick(s, is_new);
    first->fiber = s.idle;
    make_current(first);
    fiber_switch(&s.home, s.idle);
  }
  t_current = nullptr;
  if (s.failed) { // sleeping threads were abandoned: every stack starts anew
    fibers_reset(s);
    for (thread_state &t : b.thread) copies_drop(&t, false);
  }
}

#if defined(CUSIM_MT)
// Helpers that wait for launches. They are never joined: they sleep until the process ends.
struct pool {
  std::mutex lock;
  std::condition_variable start, end;
  launch_state *current = nullptr;
  uint64_t generation = 0;
  int helpers, busy = 0;
  explicit pool(int n) : helpers(n) {
    for (int i = 0; i < n; i++) std::thread([this] { serve(); }).detach();
  }
  void serve() {
    for (uint64_t seen = 0;;) {
      launch_state *l;
      {
        std::unique_lock<std::mutex> hold(lock);
        start.wait(hold, [&] { return generation != seen; });
        seen = generation;
        l = current;
      }
      worker(*l);
      std::lock_guard<std::mutex> hold(lock);
      if (--busy == 0) end.notify_one();
    }
  }
  void run(launch_state &l) {
    {
      std::lock_guard<std::mutex> hold(lock);
      current = &l;
      generation++;
      busy = helpers;
    }
    start.notify_all();
    worker(l);
    std::unique_lock<std::mutex> hold(lock);
    end.wait(hold, [&] { return busy == 0; });
  }
};
#endif

void launch_run(launch_state &l) {
  order = config().order;
  static unsigned launches;
  l.id = ++launches;
  l.next = 0;
  l.failed = false;
  if (race) race->launch_begin(l);
  watchdog_arm(true);
#if defined(CUSIM_MT)
  const size_t threads =
      static_cast<size_t>(l.blocks) * l.config.blockDim.x * l.config.blockDim.y * l.config.blockDim.z;
  if (config().threads > 1 && l.blocks > 1 && threads >= 2048) {
    static pool *helpers = new pool(config().threads - 1);
    helpers->run(l);
  } else {
    worker(l);
  }
#else
  worker(l);
#endif
  watchdog_arm(false);
  if (!l.failed) guards_check(&l.call);
}

} // namespace cusim

unsigned long long cusimSwitches(void) {
  return cusim::S ? cusim::S->switches : 0;
}
double cusimBankConflicts(void) {
  using cusim::S;
  return S && S->matrices ? static_cast<double>(S->bank_conflicts) / static_cast<double>(S->matrices) : 0;
}
