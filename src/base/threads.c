// Threads of OpenMP; see threads.h.
//
// A thread that waits at a barrier spins before it sleeps. gcc's library does so for about 3 ms, clang's for 200 ms:
// longer than any of our operations. On an idle machine that costs nothing; where another job wants a core, the
// spinning threads take the processor that the last thread needs to reach the barrier, and a step takes ten times as
// long. Spinning a thousand turns, about ten microseconds, is as fast on an idle machine and far faster on a busy one
// (SPEED.md).
//
// The two libraries are configured in different ways. gcc's reads GOMP_SPINCOUNT while the program is loaded, before
// any code of ours runs, and has no function to change it later. But it calls getenv, and a getenv in the main
// program takes precedence over the C library's. (Re-executing the program with another environment would lose
// debuggers, valgrind and the program's name.) clang's library has a function.
#include "base/threads.h"

#include <limits.h>
#include <omp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/blas_kernels.h"
#include "base/log.h"
#include "format/processors.h"

// ---- waiting -------------------------------------------------------------------------------------------------

enum { CLANG_SPIN_MS = 1 }; // the shortest that it accepts

static char *environment(const char *name) {
  const size_t n = strlen(name);
  for (char **e = environ; e != NULL && *e != NULL; e++) // NULL while the program is loaded
    if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') return *e + n + 1;
  return NULL;
}

// Replaces the C library's getenv. OpenBLAS calls it while the program is loaded, too.
__attribute__((visibility("default"))) char *getenv(const char *name) {
  static char spins[] = "1000";
  char *value = environment(name);
  if (value != NULL) return value;
  if (strcmp(name, "OPENBLAS_CORETYPE") == 0) return blas_kernels();
  if (strcmp(name, "GOMP_SPINCOUNT") != 0) return NULL;
  return environment("OMP_WAIT_POLICY") != NULL ? NULL : spins;
}

extern void kmp_set_blocktime(int ms) __attribute__((weak)); // NULL unless clang's library is linked

static void wait_briefly(void) {
  if (kmp_set_blocktime == NULL || environment("KMP_BLOCKTIME") != NULL ||
      environment("OMP_WAIT_POLICY") != NULL)
    return;
  kmp_set_blocktime(CLANG_SPIN_MS);
}

// ---- processors ----------------------------------------------------------------------------------------------

// Processors that a control group may use by one of its files: "MICROSECONDS PERIOD" or "max PERIOD" (v2), or by two
// (v1, where -1 is no limit); 0: no limit, or no such file.
static double quota_of(const char *quota_path, const char *period_path) {
  double quota = 0, period = 0;
  FILE *f = fopen(quota_path, "re");
  if (f == NULL) return 0;
  const int n = fscanf(f, "%lf %lf", &quota, &period);
  fclose(f);
  if (n == 1 && period_path != NULL && (f = fopen(period_path, "re")) != NULL) {
    if (fscanf(f, "%lf", &period) != 1) period = 0;
    fclose(f);
  }
  return n >= 1 && quota > 0 && period > 0 ? quota / period : 0;
}

// The smallest limit of a group and its ancestors. Inside a container the path may be the host's, and then only the
// root exists here.
static double tightest(const char *root, const char *mount, char *group, bool v2) {
  char quota[PATH_MAX], period[PATH_MAX];
  double least = 0;
  for (;;) {
    const char *const name = v2 ? "cpu.max" : "cpu.cfs_quota_us";
    snprintf(quota, sizeof quota, "%s/sys/fs/cgroup%s%s/%s", root, mount, group, name);
    snprintf(period, sizeof period, "%s/sys/fs/cgroup%s%s/cpu.cfs_period_us", root, mount, group);
    const double limit = quota_of(quota, v2 ? NULL : period);
    if (limit > 0 && (least <= 0 || limit < least)) least = limit;
    char *slash = strrchr(group, '/');
    if (slash == NULL) return least;
    *slash = '\0';
  }
}

// Does a list like "cpu,cpuacct" name cpu?
static bool names_cpu(const char *list) {
  for (const char *p = list; p != NULL; p = strchr(p, ','), p = p != NULL ? p + 1 : NULL)
    if (strcspn(p, ",") == 3 && strncmp(p, "cpu", 3) == 0) return true;
  return false;
}

int32_t processors_allowed(const char *root, int32_t processors) {
  char path[PATH_MAX], line[PATH_MAX];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *f = fopen(path, "re");
  if (f == NULL) return processors;
  double least = processors;
  while (fgets(line, sizeof line, f) != NULL) { // "HIERARCHY:CONTROLLERS:GROUP", v2 without controllers
    char *controllers = strchr(line, ':'), *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL) continue;
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';
    const bool v2 = *controllers == '\0';
    if (!v2 && !names_cpu(controllers)) continue;
    const double limit = tightest(root, v2 ? "" : "/cpu", group, v2);
    if (limit > 0 && limit < least) least = limit;
  }
  fclose(f);
  const int32_t whole = (int32_t)least;
  return whole < least || whole < 1 ? whole + 1 : whole;
}

int32_t processors_usable(void) {
  const int n = processors_in_mask() > 0 ? processors_in_mask() : omp_get_num_procs();
  return processors_allowed("", n);
}

// The lowest hyperthread of a processor's core; the processor itself if the kernel does not tell.
static int32_t core_of(const char *root, int32_t processor) {
  char path[PATH_MAX];
  int first = processor;
  snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root,
           processor);
  FILE *f = fopen(path, "re");
  if (f == NULL) return processor;
  if (fscanf(f, "%d", &first) != 1 || first < 0) first = processor; // "0,32" or "0-1"
  fclose(f);
  return first;
}

int32_t cores_among(const char *root, const bool *may, int32_t n) {
  bool seen[CPU_SETSIZE] = {false};
  int32_t cores = 0;
  for (int32_t i = 0; i < n && i < CPU_SETSIZE; i++) {
    if (!may[i]) continue;
    const int32_t core = core_of(root, i);
    if (core < CPU_SETSIZE && seen[core]) continue;
    if (core < CPU_SETSIZE) seen[core] = true;
    cores++;
  }
  return cores;
}

int32_t cores_usable(void) {
  const int32_t processors = processors_usable();
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return processors; // more than CPU_SETSIZE
  bool may[CPU_SETSIZE];
  for (size_t i = 0; i < CPU_SETSIZE; i++) may[i] = CPU_ISSET(i, &set);
  const int32_t cores = cores_among("", may, CPU_SETSIZE);
  return cores < 1 || cores > processors ? processors : cores;
}

// ---- threads -------------------------------------------------------------------------------------------------

void threads_use(int64_t wanted) {
  wait_briefly();
  const int32_t processors = processors_usable();
  if (wanted > 0)
    omp_set_num_threads((int)wanted);
  else if (environment("OMP_NUM_THREADS") == NULL)
    omp_set_num_threads(processors);
  const int threads = omp_get_max_threads();
  if (threads > processors)
    log_warn("%d threads share the %d processor%s that this process may use, and will wait for each other; "
             "--threads %d is likely to be faster",
             threads, processors, processors == 1 ? "" : "s", processors);
}

int32_t threads_or_all(int64_t wanted) {
  return wanted > 0 ? (int32_t)wanted : omp_get_max_threads();
}
