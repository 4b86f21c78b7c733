// Checks of the public functions' arguments, which are made once; the functions below rely on them.
#ifndef SOUK_INFER_CHECKS_H
#define SOUK_INFER_CHECKS_H

#include <string.h>
#include "infer/bundle.h"

enum { HISTORY_MAX = 1 << 24, THREADS_LIMIT = 1024, ATTRIBUTES_MAX = 1024 };

#define ALIGNED(p, type) ((uintptr_t)(p) % _Alignof(type) == 0)

// A pointer to `count` elements: not NULL where there are any, aligned.
#define CHECK_POINTER(p, type, count, what)                                                \
  do {                                                                                     \
    if ((p) == NULL && (count) > 0)                                                        \
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s must not be NULL", what);            \
    if (!ALIGNED(p, type))                                                                 \
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s is not aligned for its type", what); \
  } while (0)

static inline bool usable(const souk_bundle *b) {
  return b != NULL && ALIGNED(b, souk_bundle) && b->magic == BUNDLE_MAGIC;
}

// What every function does with the caller's error structure at its beginning and end.
#define BEGIN_CALL(error)                                          \
  do {                                                             \
    if (!ALIGNED(error, souk_error)) return SOUK_ERR_ARGUMENT;     \
    if ((error) != NULL) *(error) = (souk_error){.code = SOUK_OK}; \
  } while (0)

// The name of an argument, such as queries[7].history, made into text only for an error.
typedef struct place {
  const char *array; // NULL: only the field
  size_t index;
  const char *field; // "": the element itself
  char text[96];
} place;

souk_status check_bundle(const souk_bundle *b, souk_error *error);
// Are there items, and a head that ranks them? A bundle of words alone has none, and one of labels ranks nothing.
souk_status check_can_rank(const souk_bundle *b, souk_error *error);
souk_status check_count(size_t n, const char *what, souk_error *error);
souk_status check_adapter(const souk_bundle *b, int32_t adapter, const char *what, souk_error *error);
souk_status check_threads(int32_t threads, souk_error *error);
const char *name_of(place *p);
// Numbers of items in a list: from `least` (-1 or 0) to items - 1.
souk_status check_items(const souk_bundle *b, const int32_t *list, size_t n, int32_t least, place where,
                        souk_error *error);
// The caller's structure has `bytes` bytes, of which this version knows the first `known`; the others must be zero.
souk_status check_tail(const void *structure, size_t bytes, size_t known, place where, souk_error *error);
souk_status check_history(const souk_bundle *b, const souk_history *h, place where, souk_error *error);
// A product of a request; `features`: they play a part.
souk_status check_product(const souk_bundle *b, const souk_product *p, const char *array, size_t index,
                          bool features, souk_error *error);
// Structures of an array whose element has `bytes` in the caller's version and `known` in this one, `least` in the oldest.
souk_status check_elements(const void *array, size_t n, size_t bytes, size_t known, size_t least,
                           const char *what, souk_error *error);
souk_status check_finite(const float *x, size_t n, place where, souk_error *error);
// *own [known] is what the caller has given, `bytes` of it, in the structure of this version; NULL: all zero. `what` names the
// argument.
souk_status take_structure(void *own, size_t known, const void *given, size_t bytes, const char *what,
                           souk_error *error);

#endif
