// Errors of the inference module: a code, and a sentence in the caller's souk_error.
#ifndef SOUK_INFER_ERRORS_H
#define SOUK_INFER_ERRORS_H

#include "format/format_error.h"
#include "souk/infer.h"

// Writes code and message (printf format, one sentence) into *e, which may be NULL, and returns the code.
// Control characters become '?', because names come from files and messages go to terminals.
__attribute__((format(printf, 3, 4))) souk_status infer_fail(souk_error *e, souk_status code,
                                                             const char *format, ...);

// The same for what a reader of src/format has found.
souk_status infer_fail_format(souk_error *e, const format_error *found);

// Forward an error; through a cleanup label with `souk_status rc` in scope.
#define PASS(expr)                            \
  do {                                        \
    souk_status pass_rc_ = (expr);            \
    if (pass_rc_ != SOUK_OK) return pass_rc_; \
  } while (0)
#define PASS_GOTO(expr, label)     \
  do {                             \
    rc = (expr);                   \
    if (rc != SOUK_OK) goto label; \
  } while (0)

// Zeroed, 64-byte aligned memory of count x size bytes, overflow-checked; freed with free(). `what` names it
// in the error.
souk_status infer_alloc(void *out, size_t count, size_t size, const char *what, souk_error *e);

#endif
