// A column of items that looks like lists: a cell "N55189 N42782" that was read as one item. Most names have several parts then,
// each of which has a digit or is an item of its own ("Toy Story 2" is neither), and parts come again.
#include "prepare/list_hint.h"

#include <string.h>
#include "format/printable.h"

enum {
  MOST_ITEMS = 10000,
  MOST_PARTS = 1000,
  PART = 512
}; // items and parts of one that are looked at; bytes

typedef struct list_survey {
  intern *parts;
  int64_t lists, values; // names that look like lists, and their parts
  int32_t first;         // of them
  bool known;            // a part is an item
} list_survey;

// The next part of a name without brackets, quotes and spaces around it; *at moves behind it. "": it is too long, or nothing.
static void next_part(const char **at, char separator, char part[PART]) {
  static const char around[] = " []{}()'\"";
  const char *begin = *at, *stop = strchrnul(begin, separator), *end = stop;
  *at = *stop != '\0' ? stop + 1 : stop;
  while (begin < end && strchr(around, *begin) != NULL) begin++;
  while (end > begin && strchr(around, end[-1]) != NULL) end--;
  const size_t bytes = end - begin < PART ? (size_t)(end - begin) : 0;
  memcpy(part, begin, bytes);
  part[bytes] = '\0';
}

// How many parts a name has; 0 if one of them does not look like an item. *known: one is an item.
static int32_t count_parts(const intern *items, const char *name, char separator, bool *known) {
  char part[PART];
  int32_t n = 0;
  *known = false;
  while (*name != '\0' && n < MOST_PARTS) {
    next_part(&name, separator, part);
    if (part[0] == '\0') continue;
    const bool item = intern_find(items, part) >= 0;
    if (!item && strpbrk(part, "0123456789") == NULL) return 0;
    *known = *known || item;
    n++;
  }
  return n;
}

static status survey_item(list_survey *s, const intern *items, int32_t item, char separator) {
  char part[PART];
  bool known;
  const char *name = intern_text(items, item);
  const int32_t n = count_parts(items, name, separator, &known);
  if (n < 2) return OK;
  for (int32_t i = 0, id; i < n;) {
    next_part(&name, separator, part);
    if (part[0] == '\0') continue;
    TRY(intern_add(s->parts, part, &id));
    i++;
  }
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
  for (const char *separator = ",|; "; *separator != '\0' && !found; separator++)
    TRY(survey_items(job, *separator, &found));
  return OK;
}
