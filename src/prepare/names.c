// The bound on names; see names.h.
#include "prepare/names.h"

#include "data/dataset.h"
#include "format/vocabulary.h"

_Static_assert(MAX_NAME_BYTES == 1024 && EVENT_NAME == 64, "the sentences below name the bounds");

const char *name_too_long(name_kind kind, size_t bytes) {
  static const char *const reasons[] = {
      "a user name of more than 1024 bytes",    "an item name of more than 1024 bytes",
      "a session name of more than 1024 bytes", "an event type of more than 63 bytes",
      "a category of more than 1024 bytes",     "a brand of more than 1024 bytes"};
  const size_t most = kind == NAME_EVENT ? EVENT_NAME - 1 : MAX_NAME_BYTES;
  return bytes > most ? reasons[kind] : NULL;
}
