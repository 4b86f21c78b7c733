// The message of the thread; see status.h.
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "format/format_error.h"

static _Thread_local char message[MESSAGE_BYTES];

status fail(status code, const char *format, ...) {
  char text[MESSAGE_BYTES]; // a copy, because the arguments may point into the old message
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(message, text, strlen(text) + 1);
  return code;
}

status fail_prefix(status code, const char *format, ...) {
  char old[MESSAGE_BYTES], text[2 * MESSAGE_BYTES];
  memcpy(old, message, sizeof old);
  va_list args;
  va_start(args, format);
  const int used = vsnprintf(text, MESSAGE_BYTES, format, args);
  va_end(args);
  const size_t at = used < 0 ? 0 : used < MESSAGE_BYTES ? (size_t)used : MESSAGE_BYTES - 1;
  snprintf(text + at, sizeof text - at, ": %s", old);
  text[MESSAGE_BYTES - 1] = '\0';
  memcpy(message, text, MESSAGE_BYTES);
  return code;
}

status fail_format(const format_error *e) {
  static const status codes[] = {[FORMAT_MALFORMED] = ERR_FORMAT,
                                 [FORMAT_CHECKSUM] = ERR_CHECKSUM,
                                 [FORMAT_MEMORY] = ERR_MEMORY,
                                 [FORMAT_INTERNAL] = ERR_INTERNAL};
  return fail(codes[e->kind], "%s", e->message);
}

const char *fail_message(void) {
  return message;
}

void failure_keep(failure *f, status rc) {
  f->rc = rc;
  if (rc != OK) memcpy(f->message, message, sizeof f->message);
}

status failure_raise(const failure *f) {
  if (f->rc != OK) memcpy(message, f->message, sizeof message);
  return f->rc;
}
