// Checked allocation; see memory.h.
#include "base/memory.h"

#include <jansson.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fault.h"

static status too_much(size_t count, size_t size, const char *what) {
  return fail(ERR_MEMORY, "out of memory: cannot get %zu x %zu bytes for %s", count, size, what);
}

status mem_new(void *out, size_t count, size_t size, const char *what) {
  void *p = NULL;
  memcpy(out, &p, sizeof p);
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) return too_much(count, size, what);
  bytes = bytes < 64 ? 64 : (bytes + 63) / 64 * 64;
  p = fault_at(FAULT_ALLOC) ? NULL : aligned_alloc(64, bytes);
  if (p == NULL) return too_much(count, size, what);
  memset(p, 0, bytes);
  memcpy(out, &p, sizeof p);
  return OK; // cppcheck-suppress memleak
}

status mem_grow(void *array, size_t *cap, size_t need, size_t size, const char *what) {
  if (need <= *cap) return OK;
  size_t wanted = *cap + *cap / 2, bytes;
  if (wanted < need) wanted = need;
  if (wanted < 16) wanted = 16;
  if (__builtin_mul_overflow(wanted, size, &bytes)) return too_much(wanted, size, what);
  void *p;
  memcpy(&p, array, sizeof p);
  p = fault_at(FAULT_ALLOC) ? NULL : realloc(p, bytes);
  if (p == NULL) return too_much(wanted, size, what);
  memcpy(array, &p, sizeof p);
  *cap = wanted;
  return OK;
}

status mem_strdup(char **out, const char *text) {
  return mem_strndup(out, text, strlen(text));
}

status mem_strndup(char **out, const char *text, size_t bytes) {
  *out = fault_at(FAULT_ALLOC) ? NULL : malloc(bytes + 1);
  if (*out == NULL) return too_much(bytes + 1, 1, "a string");
  memcpy(*out, text, bytes);
  (*out)[bytes] = '\0';
  return OK;
}

// The reserve consists of ordinary heap blocks, so that free() accepts them.
enum { RESERVE_BLOCKS = 40, RESERVE_SMALL = 4 << 10, RESERVE_LARGE = 64 << 10, RESERVE_LARGES = 2 };
static _Thread_local bool json_failed;
static void *json_reserve[RESERVE_BLOCKS]; // the large ones first
static atomic_int json_reserve_used[2];    // of the large, of the small

static void *json_memory(size_t bytes) {
  void *p = fault_at(FAULT_ALLOC) ? NULL : malloc(bytes);
  if (p != NULL) return p;
  const bool small = bytes <= RESERVE_SMALL;
  const int at = atomic_fetch_add(&json_reserve_used[small], 1) + (small ? RESERVE_LARGES : 0);
  if (bytes <= RESERVE_LARGE && at < (small ? RESERVE_BLOCKS : RESERVE_LARGES)) p = json_reserve[at];
  json_failed = json_failed || p == NULL;
  return p;
}

void mem_json_watch(void) {
  for (int i = 0; i < RESERVE_BLOCKS; i++)
    json_reserve[i] = malloc(i < RESERVE_LARGES ? RESERVE_LARGE : RESERVE_SMALL);
  json_set_alloc_funcs(json_memory, free);
}

bool mem_json_failed(void) {
  const bool failed = json_failed;
  json_failed = false;
  return failed;
}

// A line "NAME: N kB" of /proc/self/status, in bytes.
static size_t process_bytes(const char *name) {
  FILE *f = fopen("/proc/self/status", "r");
  if (f == NULL) return 0;
  char line[256];
  size_t kib = 0;
  const size_t n = strlen(name);
  while (fgets(line, sizeof line, f) != NULL)
    if (strncmp(line, name, n) == 0 && sscanf(line + n, ": %zu kB", &kib) == 1) break;
  fclose(f);
  return kib * 1024;
}

size_t mem_peak_bytes(void) {
  return process_bytes("VmHWM");
}

size_t mem_now_bytes(void) {
  return process_bytes("VmRSS");
}

void mem_return_large(void) {
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
}
