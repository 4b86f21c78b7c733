// A hash table by user and promotion, and a list of what was added since the last mark; see cli_shown.h.
#include "infer_cli/cli_shown.h"

#include <stdlib.h>
#include <string.h>
#include "infer_cli/cli.h"

enum { FIRST_SLOTS = 64 };

typedef struct shown_entry {
  char *user; // NULL: the slot is free
  int32_t promotion;
  int64_t times;
} shown_entry;

struct cli_shown {
  shown_entry *entries; // [slots], a power of 2 of which at most half is taken
  size_t slots, taken;
  struct added {
    char *user; // of the entry, which keeps it
    int32_t promotion;
  } * added;
  size_t n_added, added_cap;
};

static size_t first_slot(const cli_shown *s, const char *user, int32_t promotion) {
  uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint32_t)promotion;
  for (; *user != '\0'; user++) h = (h ^ (unsigned char)*user) * UINT64_C(0x100000001b3);
  return (size_t)(h ^ h >> 32) & (s->slots - 1);
}

// The entry, or the free slot where it would be.
static shown_entry *find(const cli_shown *s, const char *user, int32_t promotion) {
  for (size_t i = first_slot(s, user, promotion);; i = (i + 1) & (s->slots - 1)) {
    shown_entry *e = &s->entries[i];
    if (e->user == NULL || (e->promotion == promotion && strcmp(e->user, user) == 0)) return e;
  }
}

static int out_of_memory(void) {
  return cli_fail(EXIT_FAILED, "out of memory: what users were shown");
}

int shown_new(cli_shown **out) {
  cli_shown *s = calloc(1, sizeof *s);
  *out = s;
  if (s == NULL) return out_of_memory();
  s->slots = FIRST_SLOTS;
  s->entries = calloc(s->slots, sizeof *s->entries);
  return s->entries != NULL ? 0 : out_of_memory();
}

void shown_free(cli_shown *s) {
  if (s == NULL) return;
  for (size_t i = 0; s->entries != NULL && i < s->slots; i++) free(s->entries[i].user);
  free(s->entries);
  free(s->added);
  free(s);
}

static int grow(cli_shown *s) {
  cli_shown larger = {.slots = 2 * s->slots};
  larger.entries = calloc(larger.slots, sizeof *larger.entries);
  if (larger.entries == NULL) return out_of_memory();
  for (size_t i = 0; i < s->slots; i++)
    if (s->entries[i].user != NULL)
      *find(&larger, s->entries[i].user, s->entries[i].promotion) = s->entries[i];
  free(s->entries);
  s->entries = larger.entries;
  s->slots = larger.slots;
  return 0;
}

int64_t shown_times(const cli_shown *s, const char *user, int32_t promotion) {
  const shown_entry *e = find(s, user, promotion);
  return e->user != NULL ? e->times : 0;
}

int shown_add(cli_shown *s, const char *user, int32_t promotion) {
  int rc = 2 * (s->taken + 1) > s->slots ? grow(s) : 0;
  if (rc == 0) rc = cli_grow(&s->added, &s->added_cap, s->n_added + 1, sizeof *s->added);
  if (rc != 0) return rc;
  shown_entry *e = find(s, user, promotion);
  if (e->user == NULL) {
    *e = (shown_entry){.user = strdup(user), .promotion = promotion};
    if (e->user == NULL) return out_of_memory();
    s->taken++;
  }
  e->times++;
  s->added[s->n_added].user = e->user;
  s->added[s->n_added++].promotion = promotion;
  return 0;
}

void shown_mark(cli_shown *s) {
  s->n_added = 0;
}

void shown_undo(cli_shown *s) {
  while (s->n_added > 0) {
    const struct added *a = &s->added[--s->n_added];
    find(s, a->user, a->promotion)->times--;
  }
}
