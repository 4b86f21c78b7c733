// How the readers of src/format report: false, and what is wrong in one sentence that names the file and the place in it.
// Trainer and inference module each have their own codes and messages; fail_format (base/status.h) and infer_fail_format
// (infer/errors.h) make them of these.
#ifndef SOUK_FORMAT_FORMAT_ERROR_H
#define SOUK_FORMAT_FORMAT_ERROR_H

#include <stdbool.h>
#include <stddef.h>

typedef enum format_kind {
  FORMAT_MALFORMED, // the file is not as its format says
  FORMAT_CHECKSUM,  // it is not the file that the manifest means
  FORMAT_MEMORY,    // out of memory
  FORMAT_INTERNAL,  // whoever called made a mistake
} format_kind;

typedef struct format_error {
  format_kind kind;
  char message[2000];
} format_error;

// Fills *e (printf format) and returns false.
__attribute__((format(printf, 3, 4))) bool format_fail(format_error *e, format_kind kind, const char *format,
                                                       ...);
// count zeroed elements of `size` bytes, at least one, freed with free(). `what` names them in the error.
bool format_alloc(void *out, size_t count, size_t size, const char *what, format_error *e);

// Makes room for `need` elements in *array, which has *cap: exactly so many for the first time, at least twice as many as
// before later. On failure the array is as it was.
bool format_grow(void *array, size_t *cap, size_t need, size_t size, const char *what, format_error *e);

#endif
