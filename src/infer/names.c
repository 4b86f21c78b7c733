// The vocabulary's items by name; see names.h.
#include "infer/names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "format/vocabulary.h"

// FNV-1a from a start that nobody can know in advance: a hostile vocabulary cannot make every name collide.
static uint64_t hash(const names *n, const char *text, size_t bytes) {
  uint64_t h = n->seed;
  for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)text[i]) * 1099511628211u;
  return h ^ h >> 29;
}

int32_t names_find(const names *n, const char *text, size_t bytes) {
  if (n->n_slots == 0) return -1;
  for (uint64_t i = hash(n, text, bytes);; i++) {
    const uint32_t slot = n->slots[i & (n->n_slots - 1)];
    if (slot == 0) return -1;
    const char *there = n->texts[slot - 1];
    if (strncmp(there, text, bytes) == 0 && there[bytes] == '\0') return (int32_t)(slot - 1);
  }
}

// Undoes the escapes of text [bytes] into `to`; returns the end, NULL for an unknown escape or a NUL.
static char *unescape(const char *text, size_t bytes, char *to) {
  static const char from[] = "tnr\\", means[] = "\t\n\r\\";
  for (size_t i = 0; i < bytes; i++) {
    char c = text[i];
    if (c == '\0') return NULL;
    if (c == '\\') {
      const char *place = ++i < bytes && text[i] != '\0' ? strchr(from, text[i]) : NULL;
      if (place == NULL) return NULL;
      c = means[place - from];
    }
    *to++ = c;
  }
  *to++ = '\0';
  return to;
}

static bool read_count(const char *text, size_t bytes, int64_t *count) {
  *count = 0;
  for (size_t i = 0; i < bytes; i++) {
    if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*count, 10, count) ||
        __builtin_add_overflow(*count, text[i] - '0', count))
      return false;
  }
  return bytes > 0;
}

static souk_status add(names *n, char *text, int64_t count, int32_t line, const char *path, souk_error *e) {
  const size_t bytes = strlen(text);
  if (names_find(n, text, bytes) >= 0)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s line %d: the item \"%.100s\" is there twice", path, line, text);
  uint64_t i = hash(n, text, bytes);
  while (n->slots[i & (n->n_slots - 1)] != 0) i++;
  n->texts[n->count] = text;
  n->counts[n->count] = count;
  n->slots[i & (n->n_slots - 1)] = (uint32_t)++n->count;
  return SOUK_OK;
}

static souk_status allocate(names *n, int32_t items, size_t block, souk_error *e) {
  const size_t count = (size_t)items;
  n->n_slots = 64;
  while (n->n_slots < 2 * (uint64_t)items) n->n_slots *= 2;
  PASS(infer_alloc(&n->texts, count, sizeof *n->texts, "item names", e));
  PASS(infer_alloc(&n->counts, count, sizeof *n->counts, "item counts", e));
  PASS(infer_alloc(&n->block, block, 1, "item names", e));
  PASS(infer_alloc(&n->slots, (size_t)n->n_slots, sizeof *n->slots, "the index of item names", e));
  n->bytes = count * (sizeof *n->texts + sizeof *n->counts) + block + (size_t)n->n_slots * sizeof *n->slots;
  n->seed = 14695981039346656037u;
#ifndef SOUK_SMALL_BUFFERS // builds for fuzzing repeat themselves
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  n->seed ^= (uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec ^ (uintptr_t)n->slots;
#endif
  return SOUK_OK;
}

souk_status names_read(names *n, const char *data, size_t bytes, int32_t first, int32_t size,
                       const char *path, souk_error *e) {
  *n = (names){0};
  if (bytes > 0 && data[bytes - 1] != '\n')
    return infer_fail(e, SOUK_ERR_FORMAT, "%s is cut short: its last line has no end", path);
  // Before anything is allocated by a number from another file: a line has at least three bytes.
  if ((size_t)size > bytes / 3)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s is too short for a vocabulary of %d tokens", path, size);
  souk_status rc;
  PASS_GOTO(allocate(n, size - first, bytes + 1, e), bad);
  char *to = n->block;
  int32_t line = 0;
  for (const char *at = data, *end = data + bytes; at < end; line++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    const char *tab = memchr(at, '\t', (size_t)(stop - at));
    int64_t count;
    char *text = to;
    if (line == size) {
      rc = infer_fail(e, SOUK_ERR_FORMAT, "%s has more lines than the vocabulary's %d tokens", path, size);
      goto bad;
    }
    if (tab == NULL || !read_count(tab + 1, (size_t)(stop - tab) - 1, &count)) {
      rc = infer_fail(e, SOUK_ERR_FORMAT, "%s line %d: TOKEN <tab> COUNT is wanted", path, line + 1);
      goto bad;
    }
    to = unescape(at, (size_t)(tab - at), to);
    if (to == NULL) {
      rc = infer_fail(e, SOUK_ERR_FORMAT, "%s line %d: unknown escape or NUL in the token", path, line + 1);
      goto bad;
    }
    if (line < TOKEN_SPECIALS && strcmp(text, special_tokens[line]) != 0) {
      rc = infer_fail(e, SOUK_ERR_FORMAT, "%s line %d: the token must be %s", path, line + 1,
                      special_tokens[line]);
      goto bad;
    }
    if (line >= first)
      PASS_GOTO(add(n, text, count, line + 1, path, e), bad);
    else
      to = text; // only items are asked for by name
    at = stop + 1;
  }
  if (line != size) {
    rc = infer_fail(e, SOUK_ERR_FORMAT, "%s has %d lines, the vocabulary has %d tokens", path, line, size);
    goto bad;
  }
  return SOUK_OK;
bad:
  names_free(n);
  return rc;
}

void names_free(names *n) {
  free(n->texts);
  free(n->counts);
  free(n->block);
  free(n->slots);
  *n = (names){0};
}
