// Frozen parameters on a device. Run by tests/e2e/cuda.sh on the simulator, and by hand on a GPU.
#include "lib/check.h"
#include "lib/frozen_runs.h"

static void test_gradients(void **unused) {
  (void)unused;
  check_frozen_gradients("cuda", false);
}

static void test_steps(void **unused) {
  (void)unused;
  check_frozen_steps("cuda");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients), cmocka_unit_test(test_steps)};
  return cmocka_run_group_tests_name("cuda_frozen", tests, NULL, NULL);
}
