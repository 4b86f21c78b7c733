// A column of items that looks like lists: a cell "N55189 N42782" that was read as one item. Most names have several parts then,
// each of which has a digit or is an item of its own ("Toy Story 2" is neither), and parts come again.
#include "prepare/list_hint.h"

#include <string.h>
#include "format/printable.h"

enum { MOST_ITEMS = 10000, MOST_PARTS = 1000 }; // that are looked at, the first ones; parts of an item

typedef struct list_survey {
  intern *parts;
  int64_t lists, values; // names that look like lists, and their parts
  int32_t first;         // of them
  bool known;            // a part is an item
} list_survey;

static bool has_digit(const char *text, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (text[i] >= '0' && text[i] <= '9') return true;
  return false;
}

// Adds the parts of an item's name, if there are several that all look like items.
static status survey_item(list_survey *s, const intern *items, int32_t item, char separator) {
  char part[512];
  const char *at = intern_text(items, item);
  int32_t id, n = 0;
  bool known = false;
  if (strchr(at, separator) == NULL) return OK;
  for (int pass = 0; pass < 2; pass++, at = intern_text(items, item))
    for (n = 0; *at != '\0' && n < MOST_PARTS;) {
      const char *end = strchrnul(at, separator);
      const size_t bytes = (size_t)(end - at);
      if (bytes >= sizeof part) return OK;
      memcpy(part, at, bytes);
      part[bytes] = '\0';
      at = *end != '\0' ? end + 1 : end;
      if (bytes == 0) continue;
      n++;
      if (pass == 1) TRY(intern_add(s->parts, part, &id));
      if (intern_find(items, part) >= 0)
        known = true;
      else if (!has_digit(part, bytes))
        return OK;
    }
  if (n < 2) return OK;
  if (s->lists++ == 0) s->first = item;
  s->values += n;
  s->known = s->known || known;
  return OK;
}

static status survey_items(prepare_job *job, char separator, bool *found) {
  list_survey s = {.lists = 0};
  const int32_t all = intern_count(job->items), n = all < MOST_ITEMS ? all : MOST_ITEMS;
  status rc = OK;
  char name[256];
  TRY(intern_new(&s.parts));
  for (int32_t i = 0; rc == OK && i < n; i++) rc = survey_item(&s, job->items, i, separator);
  *found = rc == OK && s.lists >= 2 && 2 * s.lists > n && (s.known || intern_count(s.parts) < s.values);
  if (*found)
    prepare_warn(
        job,
        "fields.item: %lld of the first %d items look like lists (\"%.60s\"); input.list_separator %s "
        "makes an event of each value",
        (long long)s.lists, n, printable(name, sizeof name, intern_text(job->items, s.first), ""),
        separator == ' '   ? "space"
        : separator == '|' ? "pipe"
        : separator == ',' ? "comma"
                           : "semicolon");
  intern_free(s.parts);
  return rc;
}

status warn_of_lists(prepare_job *job) {
  bool found = false;
  for (const char *separator = " |,;"; *separator != '\0' && !found; separator++)
    TRY(survey_items(job, *separator, &found));
  return OK;
}
