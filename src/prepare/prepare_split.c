// How souk prepare divides a user's history into train, validation and test.
#include "prepare/prepare_internal.h"

void cut_user(const prepare_config *c, const log_event *e, int32_t n, int32_t *valid_from,
              int32_t *test_from) {
  (void)e;
  const bool split = c->output.split == 0 && n >= 3;
  *valid_from = split ? n - 2 : n;
  *test_from = split ? n - 1 : n;
}
