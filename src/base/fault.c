// Faults on request; see fault.h.
#include "base/fault.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/temporary.h"

static const struct {
  const char *name;
  int error;
} kinds[FAULT_KINDS] = {{"alloc", ENOMEM}, {"write", ENOSPC},  {"fsync", EIO},
                        {"rename", EIO},   {"create", EACCES}, {"exchange", EINVAL}};

static bool active;
static long first[FAULT_KINDS], last[FAULT_KINDS]; // numbers of the operations that fail; 0: none
static bool deadly[FAULT_KINDS];
static atomic_long seen[FAULT_KINDS];

static void print_counts(void) {
  fputs("faults:", stderr);
  for (int k = 0; k < FAULT_KINDS; k++) fprintf(stderr, " %s %ld", kinds[k].name, atomic_load(&seen[k]));
  fputc('\n', stderr);
}

// One KIND:N, KIND:N+ or KIND:N!.
static status parse(const char *text) {
  const char *colon = strchr(text, ':');
  char *end = NULL;
  const long n = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
  int k = 0;
  while (colon != NULL && k < FAULT_KINDS &&
         (strlen(kinds[k].name) != (size_t)(colon - text) ||
          strncmp(text, kinds[k].name, (size_t)(colon - text)) != 0))
    k++;
  if (colon == NULL || k == FAULT_KINDS || n < 1 ||
      (strcmp(end, "") != 0 && strcmp(end, "+") != 0 && strcmp(end, "!") != 0))
    return fail(ERR_ARGUMENT, "SOUK_FAULT: \"%s\" is not KIND:N, KIND:N+, KIND:N! or count", text);
  first[k] = n;
  last[k] = *end == '+' ? LONG_MAX : n;
  deadly[k] = *end == '!';
  return OK;
}

bool fault_at(fault_kind kind) {
  if (!active) return false;
  const long n = atomic_fetch_add(&seen[kind], 1) + 1;
  if (n < first[kind] || n > last[kind]) return false;
  if (deadly[kind]) raise(SIGKILL);
  errno = kinds[kind].error;
  return true;
}

// src/format publishes outputs and may not include this file, so it gets these as callbacks.
static bool at_temporary(temporary_operation operation) {
  static const fault_kind kind[] = {[TEMPORARY_CREATE] = FAULT_CREATE,
                                    [TEMPORARY_RENAME] = FAULT_RENAME,
                                    [TEMPORARY_EXCHANGE] = FAULT_EXCHANGE,
                                    [TEMPORARY_FSYNC] = FAULT_FSYNC};
  return fault_at(kind[operation]);
}

status fault_init(void) {
  const char *wanted = getenv("SOUK_FAULT");
  active = false;
  temporary_fault = NULL;
  for (int k = 0; k < FAULT_KINDS; k++) {
    first[k] = last[k] = 0;
    deadly[k] = false;
    atomic_store(&seen[k], 0);
  }
  if (wanted == NULL || *wanted == '\0') return OK;
  if (strcmp(wanted, "count") == 0) {
    atexit(print_counts);
  } else {
    char copy[256], *rest = copy;
    if (strlen(wanted) >= sizeof copy) return fail(ERR_ARGUMENT, "SOUK_FAULT is longer than 255 bytes");
    strcpy(copy, wanted);
    for (char *part; (part = strsep(&rest, ",")) != NULL;) TRY(parse(part));
  }
  active = true;
  temporary_fault = at_temporary;
  return OK;
}
