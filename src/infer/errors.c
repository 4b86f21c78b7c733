// Messages and memory of the inference module; see errors.h.
#include "infer/errors.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/printable.h"

souk_status infer_fail(souk_error *e, souk_status code, const char *format, ...) {
  if (e == NULL) return code;
  char raw[sizeof e->message]; // arguments may point into the old message
  va_list args;
  va_start(args, format);
  vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  e->code = code;
  printable(e->message, sizeof e->message, raw, "");
  return code;
}

souk_status infer_fail_format(souk_error *e, const format_error *found) {
  static const souk_status codes[] = {[FORMAT_MALFORMED] = SOUK_ERR_FORMAT,
                                      [FORMAT_CHECKSUM] = SOUK_ERR_CHECKSUM,
                                      [FORMAT_MEMORY] = SOUK_ERR_MEMORY,
                                      [FORMAT_INTERNAL] = SOUK_ERR_ARGUMENT};
  return infer_fail(e, codes[found->kind], "%s", found->message);
}

souk_status infer_alloc(void *out, size_t count, size_t size, const char *what, souk_error *e) {
  void *p = NULL;
  const size_t limit = SIZE_MAX / 4;
  if (size == 0 || count <= limit / size) {
    const size_t bytes = (count * size + 63) / 64 * 64;
    p = aligned_alloc(64, bytes > 0 ? bytes : 64);
    if (p != NULL) memset(p, 0, bytes > 0 ? bytes : 64);
  }
  memcpy(out, &p, sizeof p);
  if (p != NULL) return SOUK_OK;
  return infer_fail(e, SOUK_ERR_MEMORY, "out of memory: %zu x %zu bytes for %s", count, size, what);
}

const char *souk_infer_version(void) {
  return SOUK_VERSION;
}

const char *souk_status_text(souk_status code) {
#define TEXT(name, text) text,
  static const char *const texts[] = {SOUK_STATUS_LIST(TEXT)};
#undef TEXT
  return (unsigned)code < (unsigned)SOUK_STATUS_COUNT ? texts[code] : "unknown status";
}
