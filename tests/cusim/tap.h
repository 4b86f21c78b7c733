/* TAP output for the simulator's tests, C and C++. */
#ifndef CUSIM_TAP_H
#define CUSIM_TAP_H
#include <stdio.h>
#include <stdlib.h>

static int tap_count, tap_failed;
static inline int tap_ok(int good, const char *name) {
  printf("%sok %d - %s\n", good ? "" : "not ", ++tap_count, name);
  fflush(stdout);
  if (!good) tap_failed = 1;
  return good;
}
static inline int tap_end(void) {
  printf("1..%d\n", tap_count);
  return tap_failed;
}
/* Ends the program: for what must work before anything can be tested. */
#define MUST(e)                                                               \
  do {                                                                        \
    const int must_ = (int)(e);                                               \
    if (must_ != 0) {                                                         \
      printf("Bail out! %s is %d at %s:%d\n", #e, must_, __FILE__, __LINE__); \
      exit(3);                                                                \
    }                                                                         \
  } while (0)
#endif
