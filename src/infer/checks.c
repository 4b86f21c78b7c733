// Checks of arguments; see checks.h.
#include "infer/checks.h"

#include <stddef.h>
#include <stdio.h>
#include "infer/known_user.h"

souk_status check_bundle(const souk_bundle *b, souk_error *error) {
  if (!usable(b)) return infer_fail(error, SOUK_ERR_ARGUMENT, "bundle is not an open bundle");
  return SOUK_OK;
}

souk_status check_can_rank(const souk_bundle *b, souk_error *error) {
  if (b->items == 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has words and no items, so that there is nothing to rank",
                      b->dir);
  if (!b->unranked) return SOUK_OK;
  return infer_fail(error, SOUK_ERR_ARGUMENT,
                    "%s ranks no items: %s; souk finetune --task rank makes a model that does", b->dir,
                    b->labels.n == 0 ? "it was never trained to"
                    : b->labels.pairs
                        ? "it was trained on labels of pairs, for souk_score_pairs (souk-infer pairs)"
                        : "it was trained on labels of texts, for souk_classify (souk-infer classify)");
}

souk_status check_count(size_t n, const char *what, souk_error *error) {
  if (n <= INT32_MAX) return SOUK_OK;
  return infer_fail(error, SOUK_ERR_ARGUMENT, "%s = %zu is more than 2^31 - 1", what, n);
}

souk_status check_threads(int32_t threads, souk_error *error) {
  if (threads >= -1 && threads <= THREADS_LIMIT) return SOUK_OK;
  return infer_fail(error, SOUK_ERR_ARGUMENT, "threads = %d is not from -1 to 1024", threads);
}

const char *name_of(place *p) {
  if (p->array == NULL)
    snprintf(p->text, sizeof p->text, "%s", p->field);
  else
    snprintf(p->text, sizeof p->text, "%s[%zu]%s%s", p->array, p->index, p->field[0] != '\0' ? "." : "",
             p->field);
  return p->text;
}

souk_status check_items(const souk_bundle *b, const int32_t *list, size_t n, int32_t least, place where,
                        souk_error *error) {
  CHECK_POINTER(list, int32_t, n, name_of(&where));
  if (n > INT32_MAX)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has %zu elements, more than 2^31 - 1", name_of(&where),
                      n);
  for (size_t i = 0; i < n; i++)
    if (list[i] < least || list[i] >= b->items)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s[%zu] = %d is not an item's number from %d to %d",
                        name_of(&where), i, list[i], least, b->items - 1);
  return SOUK_OK;
}

static souk_status unknown_event(const souk_bundle *b, place where, int32_t i, const char *name,
                                 souk_error *error) {
  char known[256] = "";
  size_t at = 0;
  for (int32_t t = 0; t < b->event_types && at < sizeof known; t++)
    at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", t > 0 ? ", " : "", b->event_names[t]);
  return infer_fail(error, SOUK_ERR_ARGUMENT,
                    "%s.event_names[%d]: there is no event type \"%.60s\"; known: %s", name_of(&where), i,
                    name, known);
}

static souk_status check_events(const souk_bundle *b, const souk_history *h, place where, souk_error *error) {
  for (int32_t i = 0; h->events != NULL && i < h->n; i++)
    if (h->events[i] < 0 || h->events[i] >= b->event_types)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.events[%d] = %d is not an event type from 0 to %d",
                        name_of(&where), i, h->events[i], b->event_types - 1);
  for (int32_t i = 0; h->event_names != NULL && i < h->n; i++)
    if (h->event_names[i] != NULL && souk_find_event(b, h->event_names[i]) < 0)
      return unknown_event(b, where, i, h->event_names[i], error);
  return SOUK_OK;
}

souk_status check_tail(const void *structure, size_t bytes, size_t known, place where, souk_error *error) {
  const unsigned char *p = structure;
  for (size_t i = known; i < bytes; i++)
    if (p[i] != 0)
      return infer_fail(error, SOUK_ERR_ARGUMENT,
                        "%s has a field that this library, version %s, does not know; a newer one is needed",
                        name_of(&where), souk_infer_version());
  return SOUK_OK;
}

static const char *history_problem(const souk_history *h) {
  if (h->items == NULL && h->names == NULL && h->texts == NULL)
    return "items and names must not both be NULL";
  if (h->items != NULL && h->names != NULL) return "items and names must not both be set";
  if (h->events != NULL && h->event_names != NULL) return "events and event_names must not both be set";
  if (!ALIGNED(h->items, int32_t) || !ALIGNED(h->events, int32_t) || !ALIGNED(h->names, char *) ||
      !ALIGNED(h->event_names, char *) || !ALIGNED(h->texts, char *))
    return "a pointer is not aligned for its type";
  return NULL;
}

static souk_status check_attribute(const souk_bundle *b, const souk_user *user, int32_t i, place where,
                                   souk_error *error) {
  if (user->names[i] == NULL || user->values[i] == NULL)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.user.%s[%d] must not be NULL", name_of(&where),
                      user->names[i] == NULL ? "names" : "values", i);
  if (known_attribute(b, user->names[i]) >= 0) return SOUK_OK;
  return infer_fail(error, SOUK_ERR_ARGUMENT,
                    "%s.user.names[%d]: the bundle knows no attribute \"%.60s\" of users", name_of(&where), i,
                    user->names[i]);
}

static souk_status check_user(const souk_bundle *b, const souk_user *user, place where, souk_error *error) {
  const int32_t n = ALIGNED(user, souk_user) ? user->n_attributes : 0;
  if (!ALIGNED(user, souk_user))
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.user is not aligned for its type", name_of(&where));
  if (n < 0 || n > ATTRIBUTES_MAX)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.user.n_attributes = %d is not from 0 to %d",
                      name_of(&where), n, ATTRIBUTES_MAX);
  if (user->reserved != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.user.reserved = %d is not 0", name_of(&where),
                      user->reserved);
  PASS(check_tail(user, sizeof *user, offsetof(souk_user, reserved_pointers), where, error));
  if (n > 0 && (user->names == NULL || user->values == NULL))
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.user.%s must not be NULL", name_of(&where),
                      user->names == NULL ? "names" : "values");
  if (!ALIGNED(user->names, char *) || !ALIGNED(user->values, char *))
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.user: a pointer is not aligned for its type",
                      name_of(&where));
  for (int32_t i = 0; i < n; i++) PASS(check_attribute(b, user, i, where, error));
  return SOUK_OK;
}

souk_status check_history(const souk_bundle *b, const souk_history *h, place where, souk_error *error) {
  if (h->n < 0 || h->n > HISTORY_MAX)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.n = %d is not from 0 to 2^24", name_of(&where), h->n);
  if (h->user != NULL) PASS(check_user(b, h->user, where, error));
  if (h->n == 0) return SOUK_OK;
  const char *problem = history_problem(h);
  if (problem != NULL) return infer_fail(error, SOUK_ERR_ARGUMENT, "%s: %s", name_of(&where), problem);
  for (int32_t i = 0; h->names != NULL && i < h->n; i++)
    if (h->names[i] == NULL && (h->texts == NULL || h->texts[i] == NULL))
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.names[%d] must not be NULL", name_of(&where), i);
  for (int32_t i = 0; h->items != NULL && i < h->n; i++)
    if (h->items[i] < -1 || h->items[i] >= b->items)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.items[%d] = %d is not an item's number from -1 to %d",
                        name_of(&where), i, h->items[i], b->items - 1);
  for (int32_t i = 0; h->texts != NULL && i < h->n; i++)
    if (h->texts[i] != NULL && b->tokenizer == NULL)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s.texts[%d]: the bundle has no words", name_of(&where),
                        i);
  return check_events(b, h, where, error);
}

souk_status check_finite(const float *x, size_t n, place where, souk_error *error) {
  for (size_t i = 0; i < n; i++)
    if (!__builtin_isfinite(x[i]))
      return infer_fail(error, SOUK_ERR_NONFINITE, "%s[%zu] is a NaN or an infinity", name_of(&where), i);
  return SOUK_OK;
}

souk_status take_structure(void *own, size_t known, const void *given, size_t bytes, const char *what,
                           souk_error *error) {
  memset(own, 0, known);
  if (given == NULL) return SOUK_OK;
  if (bytes == 0) return infer_fail(error, SOUK_ERR_ARGUMENT, "%s_bytes is 0", what);
  PASS(check_tail(given, bytes, known, (place){.field = what}, error));
  memcpy(own, given, bytes < known ? bytes : known);
  return SOUK_OK;
}

souk_status check_adapter(const souk_bundle *b, int32_t adapter, const char *what, souk_error *error) {
  if (adapter >= 0 && adapter <= b->adapters.n) return SOUK_OK;
  return infer_fail(error, SOUK_ERR_ARGUMENT, "%s = %d is not an adapter's number from 0 to %d", what,
                    adapter, b->adapters.n);
}
