// The case tables of src/ops/check on every backend of this build.
#include <string.h>
#include "lib/check.h"
#include "ops/check/check.h"

static void run(int32_t i) {
  static const char *const names[] = {"cpu", "cuda"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    const backend *be;
    const status rc = backend_find(&be, names[k]);
    if (rc == ERR_UNSUPPORTED || (rc == OK && be->probe(0) == ERR_UNSUPPORTED)) continue;
    if (rc != OK) fail_msg("%s: %s", names[k], fail_message());
    const bool cpu = strcmp(be->name, "cpu") == 0;
    const check_config config = {.threads = {2, 1, 3}, .n_threads = cpu ? 3 : 1};
    check_result r;
    check_ok(check_run(i, be, &config, &r));
    for (int32_t j = 0; j < r.failed && j < 4; j++) print_error("%s: %s\n", be->name, r.failures[j]);
    if (r.failed > 0) fail_msg("%d of %d cases failed on %s", r.failed, r.cases, be->name);
    assert_true(r.cases > 0);
    if (cpu) assert_int_equal(r.unsupported, 0);
    print_message("%s: %d cases, largest error %.2f of tolerance (%s)\n", be->name, r.cases, r.worst,
                  r.worst_at);
  }
}

#define SUITE(name, i)                          \
  static void test_##name(void **unused) {      \
    (void)unused;                               \
    assert_string_equal(check_names[i], #name); \
    run(i);                                     \
  }
SUITE(embed, 0)
SUITE(norm, 1)
SUITE(linear, 2)
SUITE(attention, 3)
SUITE(gather, 4)
SUITE(bag, 5)
SUITE(fuse, 6)
SUITE(xent, 7)
SUITE(leash, 8)
SUITE(classify, 9)
SUITE(drop, 10)
SUITE(scale, 11)
SUITE(orthogonal, 12)
SUITE(importance, 13)
SUITE(optim, 14)
SUITE(backend, 15)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_embed),      cmocka_unit_test(test_norm),       cmocka_unit_test(test_linear),
      cmocka_unit_test(test_attention),  cmocka_unit_test(test_gather),     cmocka_unit_test(test_bag),
      cmocka_unit_test(test_fuse),       cmocka_unit_test(test_xent),       cmocka_unit_test(test_leash),
      cmocka_unit_test(test_classify),   cmocka_unit_test(test_drop),       cmocka_unit_test(test_scale),
      cmocka_unit_test(test_orthogonal), cmocka_unit_test(test_importance), cmocka_unit_test(test_optim),
      cmocka_unit_test(test_backend)};
  return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
