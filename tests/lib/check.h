// What all C tests share: cmocka with its headers, and a check of a status that shows the message.
#ifndef SOUK_TESTS_CHECK_H
#define SOUK_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#undef fail // cmocka has a macro of this name; tests use fail_msg
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))
#include <stdbool.h>
#include <sys/stat.h>
#include "base/status.h"

// In some containers /dev/full is missing, or is not that device.
static inline bool full_device(void) {
  struct stat s;
  FILE *const f = stat("/dev/full", &s) == 0 && S_ISCHR(s.st_mode) ? fopen("/dev/full", "w") : NULL;
  if (f == NULL) return false;
  fputc('x', f);
  return fclose(f) != 0;
}

#define check_ok(expr)                                              \
  do {                                                              \
    const status check_rc_ = (expr);                                \
    if (check_rc_ != OK) fail_msg("%s: %s", #expr, fail_message()); \
  } while (0)

// The call must fail with this code and say `text`.
#define check_fails(expr, code, text)                                                                       \
  do {                                                                                                      \
    assert_int_equal(expr, code);                                                                           \
    if (strstr(fail_message(), text) == NULL) fail_msg("\"%s\" does not say \"%s\"", fail_message(), text); \
  } while (0)

// Doubles within `tolerance` of each other; NaN never is.
#define check_near(value, wanted, tolerance)                                                           \
  do {                                                                                                 \
    const double check_v_ = (value), check_w_ = (wanted), check_d_ = check_v_ - check_w_;              \
    if (!(check_d_ <= (tolerance) && -check_d_ <= (tolerance)))                                        \
      fail_msg("%s is %.17g, %s is %.17g: %.3g apart", #value, check_v_, #wanted, check_w_, check_d_); \
  } while (0)

#endif
