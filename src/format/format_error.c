// Errors and memory of the readers; see format_error.h.
#include "format/format_error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool format_fail(format_error *e, format_kind kind, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(e->message, sizeof e->message, format, args);
  va_end(args);
  e->kind = kind;
  return false;
}

bool format_alloc(void *out, size_t count, size_t size, const char *what, format_error *e) {
  void *p = calloc(count > 0 ? count : 1, size);
  memcpy(out, &p, sizeof p);
  if (p == NULL)
    return format_fail(e, FORMAT_MEMORY, "out of memory: %zu x %zu bytes for %s", count, size, what);
  return true; // cppcheck-suppress memleak ; the caller has it, by *out
}

bool format_grow(void *array, size_t *cap, size_t need, size_t size, const char *what, format_error *e) {
  void *p;
  if (need <= *cap) return true;
  const size_t wanted = need < 2 * *cap ? 2 * *cap : need;
  memcpy(&p, array, sizeof p);
  p = wanted > SIZE_MAX / 4 / size ? NULL : realloc(p, wanted * size);
  if (p == NULL)
    return format_fail(e, FORMAT_MEMORY, "out of memory: %zu x %zu bytes for %s", wanted, size, what);
  memcpy(array, &p, sizeof p);
  *cap = wanted;
  return true;
}
