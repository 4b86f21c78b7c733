// Strings to dense ids: texts in one block, an open-addressing table of (hash, id).
#include "prepare/intern.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

struct intern {
  char *texts;
  size_t texts_cap, used;
  size_t *offsets; // [n + 1]
  size_t offsets_cap;
  uint64_t *slots; // high 32 bits of the hash | id + 1
  size_t n_slots;
  int32_t n;
};

uint64_t name_hash(const char *text, size_t bytes) {
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)text[i]) * 1099511628211u;
  h ^= h >> 32;
  return h * 0x9E3779B97F4A7C15u;
}

static status grow(intern *t) {
  const size_t wanted = t->n_slots == 0 ? 4096 : 2 * t->n_slots;
  uint64_t *slots;
  TRY(mem_new(&slots, wanted, sizeof *slots, "an index of names"));
  for (int32_t id = 0; id < t->n; id++) {
    const uint64_t h = name_hash(intern_text(t, id), intern_length(t, id));
    size_t i = h & (wanted - 1);
    while (slots[i] != 0) i = (i + 1) & (wanted - 1);
    slots[i] = (h & 0xFFFFFFFF00000000u) | ((uint64_t)id + 1);
  }
  free(t->slots);
  t->slots = slots;
  t->n_slots = wanted;
  return OK;
}

status intern_new(intern **out) {
  TRY(mem_new(out, 1, sizeof **out, "an index of names"));
  const status rc = grow(*out);
  if (rc != OK) {
    intern_free(*out);
    *out = NULL;
  }
  return rc;
}

void intern_free(intern *t) {
  if (t == NULL) return;
  free(t->texts);
  free(t->offsets);
  free(t->slots);
  free(t);
}

void intern_clear(intern *t) {
  memset(t->slots, 0, t->n_slots * sizeof *t->slots);
  t->used = 0;
  t->n = 0;
}

// The slot of a text, or the empty slot where it would be inserted.
static size_t slot_of(const intern *t, const char *text, size_t bytes, uint64_t h) {
  size_t i = h & (t->n_slots - 1);
  for (; t->slots[i] != 0; i = (i + 1) & (t->n_slots - 1)) {
    if (((t->slots[i] ^ h) & 0xFFFFFFFF00000000u) != 0) continue;
    const size_t id = (uint32_t)t->slots[i] - 1;
    if (t->offsets[id + 1] - t->offsets[id] == bytes + 1 &&
        memcmp(t->texts + t->offsets[id], text, bytes) == 0)
      break;
  }
  return i;
}

int32_t intern_find(const intern *t, const char *text) {
  const size_t bytes = strlen(text);
  const uint64_t slot = t->slots[slot_of(t, text, bytes, name_hash(text, bytes))];
  return slot == 0 ? -1 : (int32_t)((uint32_t)slot - 1);
}

status intern_add(intern *t, const char *text, int32_t *id) {
  const size_t bytes = strlen(text);
  return intern_add_hashed(t, text, bytes, name_hash(text, bytes), id);
}

status intern_add_hashed(intern *t, const char *text, size_t bytes, uint64_t hash, int32_t *id) {
  if (2 * ((size_t)t->n + 1) > t->n_slots) TRY(grow(t));
  const size_t i = slot_of(t, text, bytes, hash);
  if (t->slots[i] != 0) {
    *id = (int32_t)((uint32_t)t->slots[i] - 1);
    return OK;
  }
  if (t->n == INT32_MAX - 1) return fail(ERR_ARGUMENT, "more than 2^31 distinct names");
  TRY(mem_grow(&t->texts, &t->texts_cap, t->used + bytes + 1, 1, "names"));
  TRY(mem_grow(&t->offsets, &t->offsets_cap, (size_t)t->n + 2, sizeof *t->offsets, "names"));
  memcpy(t->texts + t->used, text, bytes);
  t->texts[t->used + bytes] = '\0';
  t->offsets[t->n] = t->used;
  t->used += bytes + 1;
  t->offsets[t->n + 1] = t->used;
  t->slots[i] = (hash & 0xFFFFFFFF00000000u) | ((uint64_t)t->n + 1);
  *id = t->n++;
  return OK;
}

const char *intern_text(const intern *t, int32_t id) {
  return t->texts + t->offsets[id];
}
size_t intern_length(const intern *t, int32_t id) {
  return t->offsets[id + 1] - t->offsets[id] - 1;
}
int32_t intern_count(const intern *t) {
  return t->n;
}
size_t intern_bytes(const intern *t) {
  return t->texts_cap + t->offsets_cap * sizeof *t->offsets + t->n_slots * sizeof *t->slots;
}

void intern_prefetch(const intern *t, uint64_t hash) {
  __builtin_prefetch(&t->slots[hash & (t->n_slots - 1)]);
}

void intern_prefetch_text(const intern *t, uint64_t hash) {
  const uint64_t slot = t->slots[hash & (t->n_slots - 1)];
  if (slot != 0) __builtin_prefetch(t->texts + t->offsets[(uint32_t)slot - 1]);
}
