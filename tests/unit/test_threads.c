// How many processors a process may use, from files of control groups as machines and containers have them; and that
// threads of clang's OpenMP wait briefly.
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_no_groups, begin, end),
      cmocka_unit_test_setup_teardown(test_version_2, begin, end),
      cmocka_unit_test_setup_teardown(test_version_1, begin, end),
      cmocka_unit_test(test_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
