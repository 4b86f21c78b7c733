// Settings, reports, source lines, signals, the watchdog.
#include "cusim.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

namespace cusim {

// ---- settings ----------------------------------------------------------------------------------------------------
static long setting_number(const char *name, long value, long low, long high) {
  const char *s = getenv(name);
  if (!s || !*s) return value;
  char *end;
  const long v = strtol(s, &end, 0);
  if (*end || v < low || v > high) {
    fprintf(stderr, "cusim: %s=%s: want a whole number from %ld to %ld\n", name, s, low, high);
    _exit(2);
  }
  return v;
}
static int setting_choice(const char *name, const char *const *choices) { // the first one is the default
  const char *s = getenv(name);
  if (!s || !*s) return 0;
  std::string list;
  for (int i = 0; choices[i]; i++) {
    if (!strcmp(s, choices[i])) return i;
    list += std::string(i ? ", " : "") + choices[i];
  }
  fprintf(stderr, "cusim: %s=%s: want one of %s\n", name, s, list.c_str());
  _exit(2);
}
const settings &config() {
  static const settings read = [] {
    static const char *const orders[] = {"forward", "reverse", "shuffled", nullptr};
    static const char *const copies[] = {"late", "early", "random", nullptr};
    static const char *const streams[] = {"eager", "lazy", "random", nullptr};
    static const char *const on_error[] = {"abort", "return", nullptr};
    settings k;
    k.order = static_cast<order_kind>(setting_choice("CUSIM_ORDER", orders));
    k.cp_async = static_cast<cp_async_kind>(setting_choice("CUSIM_CPASYNC", copies));
    k.streams = static_cast<streams_kind>(setting_choice("CUSIM_STREAMS", streams));
    k.return_errors = setting_choice("CUSIM_ON_ERROR", on_error) == 1;
    k.seed = static_cast<uint64_t>(setting_number("CUSIM_SEED", 1, 0, 1L << 40));
    k.stack_bytes = static_cast<size_t>(setting_number("CUSIM_STACK_KB", CUSIM_ASAN ? 256 : 64, 16, 1 << 20))
                    << 10;
    k.memory_bytes = static_cast<size_t>(setting_number("CUSIM_MEMORY_MB", 4096, 1, 1 << 16)) << 20;
    k.watchdog_s = static_cast<int>(setting_number("CUSIM_WATCHDOG", 120, 0, 1 << 20));
    k.driver = static_cast<int>(setting_number("CUSIM_DRIVER", CUDART_VERSION, 0, 1 << 20));
    k.host_guard = setting_number("CUSIM_HOSTGUARD", 0, 0, 1) != 0;
    k.leaks = setting_number("CUSIM_LEAKS", 1, 0, 1) != 0;
    k.unchecked = setting_number("CUSIM_UNCHECKED", 1, 0, 1) != 0;
    k.notes = setting_number("CUSIM_NOTES", 1, 0, 1) != 0;
    const char *device = getenv("CUSIM_DEVICE");
    k.device = device && *device ? device : "sm_80";
    k.threads = 1;
#if defined(CUSIM_MT)
    k.threads = static_cast<int>(
        setting_number("CUSIM_THREADS", static_cast<long>(std::thread::hardware_concurrency()), 1, 1024));
#endif
    return k;
  }();
  return read;
}

// ---- from addresses to source lines --------------------------------------------------------------------------------
static const char *base_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : nullptr;
  return slash ? slash + 1 : path ? path : "?";
}
std::string place(site at) {
  return std::string(base_name(at.file)) + ":" + std::to_string(at.line);
}

// addr2line's answer for a code address: function and place of every frame that was inlined there.
struct frame {
  std::string function, place;
};
static std::vector<frame> frames_of(const void *pc) {
  std::vector<frame> frames;
  Dl_info info;
  if (!pc || !dladdr(pc, &info) || !info.dli_fname) return frames;
  // The offset in the file: executables that are not position independent are linked at their addresses.
  const char *base = static_cast<const char *>(info.dli_fbase);
  const bool fixed = *reinterpret_cast<const uint16_t *>(base + 16) == 2; // ET_EXEC
  const size_t offset = reinterpret_cast<size_t>(pc) - (fixed ? 0 : reinterpret_cast<size_t>(base));
  char exe[4096];
  const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  exe[n > 0 ? n : 0] = 0;
  // dli_fname is argv[0] for the program itself
  const std::string file =
      strchr(info.dli_fname, '/') && access(info.dli_fname, R_OK) == 0 ? info.dli_fname : exe;
  char command[4400];
  snprintf(command, sizeof command, "addr2line -s -i -f -C -e '%s' 0x%zx 2>/dev/null", file.c_str(), offset);
  FILE *f = popen(command, "r");
  if (!f) return frames;
  char line[4096];
  for (bool function = true; fgets(line, sizeof line, f); function = !function) {
    line[strcspn(line, function ? "\n" : " \n")] = 0;
    if (function)
      frames.push_back({line, ""});
    else
      frames.back().place = line;
  }
  pclose(f);
  return frames;
}
// Is a frame the simulator's (its sources, or a wrapper of its headers that was inlined) and not the user's?
static bool ours(const std::string &place) {
  const std::string file = place.substr(0, place.find(':'));
  for (const char *name : {"cusim_device.h", "cuda_bf16.h", "cuda_runtime.h", "vector_types.h", "report.cpp",
                           "fiber.cpp", "block.cpp", "tensor.cpp", "memory.cpp", "stream.cpp", "race.cpp"})
    if (file == name) return true;
  return false;
}
// The innermost frame in the user's code; if it is a function of a header, also the place that it was inlined into. "":
// all frames are the simulator's.
static std::string user_place(const void *pc) {
  std::string first;
  for (const frame &f : frames_of(pc)) {
    if (f.place.empty() || f.place[0] == '?' || ours(f.place)) continue;
    if (first.empty())
      first = f.place;
    else if (first.find(".cuh:") != std::string::npos || first.find(".h:") != std::string::npos)
      return first + " (from " + f.place + ")";
  }
  return first;
}
static std::string raw_place(const char *pc) {
  Dl_info info;
  char text[300];
  if (!pc || !dladdr(pc, &info) || !info.dli_fname) return "an unknown place";
  snprintf(text, sizeof text, "%s+0x%zx", base_name(info.dli_fname),
           static_cast<size_t>(pc - static_cast<char *>(info.dli_fbase)));
  return text;
}
std::string place(const void *return_address) {
  const char *pc = static_cast<const char *>(return_address);
  const std::string found = user_place(pc ? pc - 1 : pc);
  return found.empty() ? raw_place(pc) : found;
}
// Where a signal struck, or, if that is in the simulator, where the user's code called it.
static std::string interrupted_place(const char *pc) {
  std::string found = user_place(pc);
  if (!found.empty()) return found;
  void *stack[64];
  const int n = backtrace(stack, 64);
  bool below = false;
  for (int i = 0; i < n && found.empty(); i++) {
    if (below) found = user_place(static_cast<char *>(stack[i]) - 1);
    if (stack[i] == pc) below = true;
  }
  return found.empty() ? raw_place(pc) : found;
}

// The function's own name if the line table has it ("norm_forward<float, 4>"), else as the launch is written.
std::string kernel_name(const kernel_call &c) {
  const std::vector<frame> frames = frames_of(c.function);
  if (!frames.empty() && frames.back().function[0] != '?') {
    std::string name = frames.back().function;
    const std::string anonymous = "(anonymous namespace)::";
    for (size_t at; (at = name.find(anonymous)) != std::string::npos;) name.erase(at, anonymous.size());
    int depth = 0; // drop the parameter list, and "void " before templates
    for (size_t i = 0; i < name.size(); i++) {
      if (name[i] == '<') depth++;
      if (name[i] == '>') depth--;
      if (name[i] == '(' && depth == 0) name.erase(i);
    }
    return name.compare(0, 5, "void ") == 0 ? name.substr(5) : name;
  }
  return launch_text_name(c.text);
}
std::string launch_text_name(const char *text) {
  int depth = 0;
  const char *start = nullptr;
  for (const char *p = text; *p; p++) {
    if (strchr("(<{[", *p)) depth++;
    if (strchr(")>}]", *p) && !(p > text && p[-1] == '-')) depth--;
    if (*p != ',' || depth) continue;
    if (start) return std::string(start, p);
    start = p + 1 + strspn(p + 1, " ");
  }
  return start ? start : text;
}

// ---- reports -----------------------------------------------------------------------------------------------------
static std::string last_report;
static std::mutex report_lock;

std::string where() {
  if (!S || !t_current) return "host code";
  const launch_state &l = *S->block.launch;
  const dim3 g = l.config.gridDim, b = l.config.blockDim;
  const thread_state &t = *t_current;
  char text[1024];
  snprintf(text, sizeof text,
           "kernel %s block (%u,%u,%u) thread (%u,%u,%u) warp %u lane %u, launched at %s with grid "
           "(%u,%u,%u) block (%u,%u,%u)%s%s",
           kernel_name(l.call).c_str(), blockIdx.x, blockIdx.y, blockIdx.z, t.index.x, t.index.y, t.index.z,
           t.linear / WARP, t.lane, place(l.call.at).c_str(), g.x, g.y, g.z, b.x, b.y, b.z,
           l.range.empty() ? "" : " in range ", l.range.c_str());
  return text;
}
void report(const char *format, ...) {
  char text[4096];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  std::lock_guard<std::mutex> hold(report_lock);
  last_report = text;
  fprintf(stderr, "cusim: ERROR: %s\n", text);
  if (config().return_errors) return;
  fflush(nullptr);
  signal(SIGABRT, SIG_DFL);
  abort();
}
void note(const char *format, ...) {
  if (!config().notes) return;
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fprintf(stderr, "cusim: note: %s\n", text);
}
void fail(cudaError_t code, const char *format, ...) {
  if (S) S->in_runtime++;
  char text[3000];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (S && t_current && S->block.launch->failed) block_abandon(); // in another OS thread
  report("%s\n    %s", text, where().c_str());
  set_sticky(code);
  if (!S || !t_current) abort();
  block_abandon();
}
void device_trap(const char *what, site at) {
  fail(cudaErrorAssert, "%s at %s", what, place(at).c_str());
}

// ---- signals: what the processor catches ---------------------------------------------------------------------------
static struct sigaction previous[NSIG];
static const void *interrupted_pc(const void *context) {
#if defined(__x86_64__)
  return reinterpret_cast<const void *>(static_cast<const ucontext_t *>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<const void *>(static_cast<const ucontext_t *>(context)->uc_mcontext.pc);
#else
  (void)context;
  return nullptr;
#endif
}
[[maybe_unused]] static void on_fault(int number, siginfo_t *info, void *context) {
  const char *address = static_cast<char *>(info->si_addr);
  const char *pc = static_cast<const char *>(interrupted_pc(context));
  const std::string at = interrupted_place(pc);
  const bool in_arena = address >= arena_low && address < arena_high;
  if (S && t_current) {
    for (fiber *f = S->all; f; f = f->next_all)
      if (address >= f->low - PAGE && address < f->low)
        fail(cudaErrorLaunchFailure, "stack overflow of a CUDA thread at %s (CUSIM_STACK_KB is %zu)",
             at.c_str(), config().stack_bytes >> 10);
    if (number == SIGFPE) fail(cudaErrorLaunchFailure, "integer division by zero at %s", at.c_str());
    if (in_arena)
      fail(cudaErrorIllegalAddress, "out-of-bounds access at %s, address %p, %s", at.c_str(),
           static_cast<const void *>(address), describe(address).c_str());
    if (number == SIGBUS || info->si_code == SI_KERNEL)
      fail(cudaErrorMisalignedAddress, "misaligned access (or a wild address) at %s", at.c_str());
    fail(cudaErrorIllegalAddress, "access to invalid address %p at %s", static_cast<const void *>(address),
         at.c_str());
  }
  if (in_arena)
    report("host code touches device memory at %s, address %p, %s", at.c_str(),
           static_cast<const void *>(address), describe(address).c_str());
  sigaction(number, &previous[number], nullptr); // not ours: happens again under the previous handler
}

// ---- the watchdog --------------------------------------------------------------------------------------------------
static int watchdog_signal() {
  return SIGRTMIN + 7;
}
static __thread timer_t watchdog_timer;
static __thread bool watchdog_made;
static std::mutex workers_lock;
static std::vector<pthread_t> workers; // every OS thread that runs CUDA threads
static void on_watchdog(int, siginfo_t *, void *context) {
  if (S && t_current) {
    const char *pc = static_cast<const char *>(interrupted_pc(context));
    fail(cudaErrorLaunchTimeout, "endless kernel: no end after %d s (CUSIM_WATCHDOG), now at %s",
         config().watchdog_s, interrupted_place(pc).c_str());
  }
  if (!watchdog_made) return;
  for (pthread_t w :
       workers) // the signal reached a thread that only waits; the block that hangs is in another
    if (!pthread_equal(w, pthread_self())) pthread_kill(w, watchdog_signal());
}
void watchdog_arm(bool on) {
  if (config().watchdog_s == 0) return;
  if (!watchdog_made) {
    signals_install();
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = watchdog_signal();
#if defined(sigev_notify_thread_id)
    event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
#else
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
#endif
    if (timer_create(CLOCK_MONOTONIC, &event, &watchdog_timer)) return;
    watchdog_made = true;
  }
  itimerspec time = {};
  time.it_value.tv_sec = on ? config().watchdog_s : 0;
  timer_settime(watchdog_timer, 0, &time, nullptr);
}

static void install(int number, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {}, old;
  action.sa_sigaction = handler;
  // SA_NODEFER: with CUSIM_ON_ERROR=return the handler leaves by a change of stacks.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  sigaction(number, &action, &old);
  if (!(old.sa_flags & SA_SIGINFO) || old.sa_sigaction != handler) previous[number] = old;
}
struct worker_end { // of an OS thread
  ~worker_end() {
    if (watchdog_made) timer_delete(watchdog_timer);
    watchdog_made = false;
    std::lock_guard<std::mutex> hold(workers_lock);
    for (size_t i = 0; i < workers.size(); i++)
      if (pthread_equal(workers[i], pthread_self())) workers.erase(workers.begin() + static_cast<long>(i--));
  }
};
void signals_install() {
  static __thread bool done;
  if (done) return;
  done = true;
  static thread_local worker_end at_thread_end;
  (void)at_thread_end;
  stack_t stack = {}, old;
  stack.ss_size = 256 << 10;
  if (sigaltstack(nullptr, &old) == 0 && (old.ss_flags & SS_DISABLE || old.ss_size < stack.ss_size)) {
    stack.ss_sp = mmap(nullptr, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp != MAP_FAILED) sigaltstack(&stack, nullptr);
  }
#if !CUSIM_ASAN // it has a handler of its own, which calls __asan_on_error below
  for (int number : {SIGSEGV, SIGBUS, SIGFPE}) install(number, on_fault);
#endif
  install(watchdog_signal(), on_watchdog);
  std::lock_guard<std::mutex> hold(workers_lock);
  workers.push_back(pthread_self());
}

} // namespace cusim

#if CUSIM_ASAN
// The sanitizers' reports say file and line; these add kernel, block and thread.
extern "C" __attribute__((visibility("default"))) void __asan_on_error() {
  fprintf(stderr, "cusim: ERROR: AddressSanitizer: %s\n    %s\n",
          cusim::describe(__asan_get_report_address()).c_str(), cusim::where().c_str());
}
extern "C" __attribute__((visibility("default"))) void __ubsan_on_report() {
  fprintf(stderr, "cusim: ERROR: UndefinedBehaviorSanitizer, in\n    %s\n", cusim::where().c_str());
}
#endif

const char *cusimLastReport(void) {
  return cusim::last_report.c_str();
}
