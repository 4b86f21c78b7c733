// Status codes and the error message of the thread.
//
// A function that can fail returns a `status` and, when it fails, has called fail() with one full sentence
// that names the file, field, line or option. The first message is kept while the error travels up. Only
// main() exits.
#ifndef SOUK_BASE_STATUS_H
#define SOUK_BASE_STATUS_H

typedef enum status {
  OK,
  ERR_ARGUMENT, // or an option
  ERR_IO,
  ERR_FORMAT,   // a malformed file
  ERR_CHECKSUM, // a file that is not the one that is listed
  ERR_MEMORY,
  ERR_UNSUPPORTED,
  ERR_NOT_FOUND,
  ERR_INTERRUPTED,
  ERR_NONFINITE, // a NaN or an infinity
  ERR_INTERNAL,
  STATUS_COUNT
} status;

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
