// Status codes and the error message of the thread.
//
// A function that can fail returns a `status` and, when it fails, has called fail() with one full sentence
// that names the file, field, line or option. The first message is kept while the error travels up. Only
// main() exits.
#ifndef SOUK_BASE_STATUS_H
#define SOUK_BASE_STATUS_H

#define STATUS_LIST(X)                          \
  X(OK, "ok")                                   \
  X(ERR_ARGUMENT, "invalid argument or option") \
  X(ERR_IO, "input/output error")               \
  X(ERR_FORMAT, "malformed file")               \
  X(ERR_CHECKSUM, "checksum mismatch")          \
  X(ERR_MEMORY, "out of memory")                \
  X(ERR_UNSUPPORTED, "not supported")           \
  X(ERR_NOT_FOUND, "not found")                 \
  X(ERR_INTERRUPTED, "interrupted")             \
  X(ERR_NONFINITE, "NaN or infinity")           \
  X(ERR_INTERNAL, "internal error")

#define STATUS_ENUM(name, text) name,
typedef enum status { STATUS_LIST(STATUS_ENUM) STATUS_COUNT } status;
#undef STATUS_ENUM

// The generic text of a code, e.g. "checksum mismatch".
const char *status_text(status code);

// Records a message (printf format, one sentence without newline) for the calling thread and returns `code`.
__attribute__((format(printf, 2, 3))) status fail(status code, const char *format, ...);

// Puts "PREFIX: " before the message of the thread (to add the file's name, say) and returns `code`.
__attribute__((format(printf, 2, 3))) status fail_prefix(status code, const char *format, ...);

// The same for what a reader of src/format has found.
struct format_error;
status fail_format(const struct format_error *e);

// The message of the last fail() on this thread; "" if there was none. Valid until the next fail().
const char *fail_message(void);

// An error as a value: for one that a clean-up with errors of its own must not hide, or that another thread reports.
enum { MESSAGE_BYTES = 2048 };
typedef struct failure {
  status rc; // zeroed, it is none
  char message[MESSAGE_BYTES];
} failure;
// Keeps `rc` and, unless it is OK, the message of the thread.
void failure_keep(failure *f, status rc);
// Makes what was kept the error of the calling thread; returns its code, OK if there was none.
status failure_raise(const failure *f);

// Forward an error.
#define TRY(expr)                      \
  do {                                 \
    status try_rc_ = (expr);           \
    if (try_rc_ != OK) return try_rc_; \
  } while (0)

// Forward an error through a cleanup label; needs `status rc` in scope.
#define TRY_GOTO(expr, label) \
  do {                        \
    rc = (expr);              \
    if (rc != OK) goto label; \
  } while (0)

#endif
