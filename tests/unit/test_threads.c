// How many processors a process may use, from files of control groups as machines and containers have them; and that
// threads of clang's OpenMP wait briefly.
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/blas_kernels.h"
#include "base/file.h"
#include "base/threads.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char root[256];

static void put(const char *path, const char *text) {
  char full[512];
  snprintf(full, sizeof full, "%s%s", root, path);
  for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
    *p = '\0';
    mkdir(full, 0755);
    *p = '/';
  }
  check_ok(file_write_atomic(full, text, strlen(text)));
}

static int begin(void **unused) {
  (void)unused;
  tiny_directory(root, sizeof root);
  return 0;
}

static int end(void **unused) {
  (void)unused;
  tiny_remove(root);
  return 0;
}

static void test_no_groups(void **unused) {
  (void)unused;
  assert_int_equal(processors_allowed(root, 7), 7);
  put("/proc/self/cgroup", "0::/user.slice\n");
  assert_int_equal(processors_allowed(root, 7), 7);
  put("/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
  assert_int_equal(processors_allowed(root, 7), 7);
  put("/proc/self/cgroup", "nonsense\n1:cpuset:/\n\n");
  assert_int_equal(processors_allowed(root, 7), 7);
}

static void test_version_2(void **unused) {
  (void)unused;
  put("/proc/self/cgroup", "0::/a/b\n");
  put("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
  assert_int_equal(processors_allowed(root, 7), 3);
  assert_int_equal(processors_allowed(root, 2), 2);
  put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n"); // what is above counts too
  assert_int_equal(processors_allowed(root, 7), 2);
  put("/sys/fs/cgroup/a/b/cpu.max", "20000 100000\n");
  assert_int_equal(processors_allowed(root, 7), 1);
  put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  assert_int_equal(processors_allowed(root, 7), 2);
  // A container that sees only its own group, at the root, whatever it is called outside.
  put("/proc/self/cgroup", "0::/../kubepods/pod1\n");
  put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  assert_int_equal(processors_allowed(root, 7), 4);
}

static void test_version_1(void **unused) {
  (void)unused;
  put("/proc/self/cgroup", "5:cpuset:/x\n4:cpuacct,cpu:/docker/1\n0::/\n");
  put("/sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us", "100000\n");
  assert_int_equal(processors_allowed(root, 7), 7);
  put("/sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "250000\n");
  assert_int_equal(processors_allowed(root, 7), 3);
  put("/proc/self/cgroup", "4:cpu:/elsewhere/2\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "25000\n");
  assert_int_equal(processors_allowed(root, 7), 2);
}

// Hyperthreads of a core count once, whichever of them the process may use; a processor of which nothing is known is a core.
static void test_cores(void **unused) {
  (void)unused;
  const char *const siblings[] = {"0,4\n", "1,5\n", "2-3\n", "2-3\n", "0,4\n", "1,5\n"};
  const bool all[8] = {1, 1, 1, 1, 1, 1, 1, 1}, some[8] = {[1] = 1, [4] = 1, [5] = 1}, one[8] = {[3] = 1};
  assert_int_equal(cores_among(root, all, 8), 8);
  for (int i = 0; i < 6; i++) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i);
    put(path, siblings[i]);
  }
  assert_int_equal(cores_among(root, all, 8), 5);
  assert_int_equal(cores_among(root, some, 8), 2);
  assert_int_equal(cores_among(root, one, 8), 1);
  assert_int_equal(cores_among(root, all, 0), 0);
  assert_in_range(cores_usable(), 1, processors_usable());
}

extern int kmp_get_blocktime(void) __attribute__((weak));

static void test_use(void **unused) {
  (void)unused;
  const int before = omp_get_max_threads();
  threads_use(3);
  assert_int_equal(threads_or_all(0), 3);
  assert_int_equal(threads_or_all(5), 5);
  omp_set_num_threads(before);
  if (kmp_get_blocktime != NULL && getenv("OMP_WAIT_POLICY") == NULL && getenv("KMP_BLOCKTIME") == NULL)
    assert_int_equal(kmp_get_blocktime(), 1);
  unsetenv("OMP_NUM_THREADS");
  threads_use(0);
  assert_int_equal(threads_or_all(0), processors_usable());
  setenv("OMP_NUM_THREADS", "2", 1); // read by the library when the program was loaded
  omp_set_num_threads(2);
  threads_use(0);
  assert_int_equal(threads_or_all(0), 2);
  omp_set_num_threads(before);
}

// OpenBLAS is told which kernels to use only on Intel models that it may be too old to know: those for the instructions
// that the model has.
static void test_blas_kernels(void **unused) {
  (void)unused;
  const struct {
    bool intel;
    uint32_t signature;
    bool avx2, avx512;
    const char *wanted;
  } all[] = {{true, 0xc06f2, true, true, "SkylakeX"},  // Emerald Rapids
             {true, 0xa06d1, true, true, "SkylakeX"},  // Granite Rapids
             {true, 0xb0671, true, false, "Haswell"},  // Raptor Lake
             {true, 0xb0671, false, false, NULL},      // under a hypervisor that hides it
             {true, 0x806f8, true, true, NULL},        // Sapphire Rapids
             {true, 0x50657, true, true, NULL},        // Cascade Lake
             {true, 0x306c3, true, false, NULL},       // Haswell
             {true, 0x00f43, false, false, NULL},      // Pentium 4, of family 15
             {true, 0x400f01, true, true, "SkylakeX"}, // family 19
             {false, 0xb40f40, true, true, NULL}};     // Zen 5
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    const char *got = blas_kernels_of(all[i].intel, all[i].signature, all[i].avx2, all[i].avx512);
    if ((got == NULL) != (all[i].wanted == NULL) || (got != NULL && strcmp(got, all[i].wanted) != 0))
      fail_msg("%#x: %s instead of %s", all[i].signature, got, all[i].wanted);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_no_groups, begin, end),
      cmocka_unit_test_setup_teardown(test_version_2, begin, end),
      cmocka_unit_test_setup_teardown(test_version_1, begin, end),
      cmocka_unit_test_setup_teardown(test_cores, begin, end),
      cmocka_unit_test(test_use),
      cmocka_unit_test(test_blas_kernels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
