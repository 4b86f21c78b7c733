// Communication: the world of one process.
#include <string.h>
#include "lib/check.h"
#include "dist/dist.h"

static void test_single(void **unused) {
  (void)unused;
  dist *d = dist_single();
  assert_int_equal(dist_rank(d), 0);
  assert_int_equal(dist_world(d), 1);
  check_ok(dist_barrier(d));
  double sums[2] = {1.5, -2};
  uint32_t flags = 5;
  check_ok(dist_sum(d, sums, 2));
  check_ok(dist_any(d, &flags));
  assert_true(sums[0] == 1.5 && sums[1] == -2 && flags == 5);

  dist_memory at = {.be = &backend_cpu};
  const backend_config config = {.threads = 1};
  check_ok(at.be->open(&at.ctx, &config));
  const float data[] = {1, 2, 3, 4};
  float x[4], slice[4] = {0}, all[4] = {0};
  uint8_t touched[2] = {0, 1};
  memcpy(x, data, sizeof x);
  check_ok(dist_all_reduce(d, at, x, 4));
  check_ok(dist_broadcast(d, at, x, sizeof x, 0));
  check_ok(dist_reduce_scatter(d, at, x, slice, 4));
  check_ok(dist_all_gather(d, at, x, all, sizeof x));
  check_ok(dist_reduce_scatter(d, at, x, x, 4)); // in place
  check_ok(dist_all_gather(d, at, x, x, sizeof x));
  const dist_bucket bucket = {.index = 3, .grad = x, .n = 4, .touched = touched, .rows = 2};
  check_ok(dist_bucket_ready(d, at, &bucket));
  check_ok(dist_bucket_wait(d, at, 3));
  assert_memory_equal(x, data, sizeof data);
  assert_memory_equal(slice, data, sizeof data);
  assert_memory_equal(all, data, sizeof data);
  assert_true(touched[0] == 0 && touched[1] == 1);
  at.be->close(at.ctx);
  dist_close(d); // nobody's, and stays
  assert_int_equal(dist_world(dist_single()), 1);
  dist_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_single)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
