// Paths of checkpoints that keep what others leave out; see checkpoint_base.h.
#include "model/checkpoint_base.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"

static bool ends_name(char c) {
  return c == '/' || c == '\0';
}

// The length of the folder that both lie in; 0: the root.
static size_t common_folder(const char *a, const char *b) {
  size_t common = 0;
  for (size_t i = 0;; i++) {
    if (ends_name(a[i]) && ends_name(b[i])) common = i;
    if (a[i] != b[i] || a[i] == '\0') return common;
  }
}

bool base_relative(char relative[PATH_MAX], const char *dir, const char *base) {
  const size_t common = common_folder(dir, base);
  if (common == 0 || dir[common] == '\0' || base[common] == '\0') return false;
  size_t used = 0;
  for (const char *c = dir + common; *c != '\0'; c++) {
    if (*c != '/') continue;
    if (used + 4 > PATH_MAX) return false;
    memcpy(relative + used, "../", 4);
    used += 3;
  }
  const char *rest = base + common + 1;
  if (used + strlen(rest) >= PATH_MAX) return false;
  strcpy(relative + used, rest);
  return true;
}

// Each leading ".." takes a name off the real path, so that the result is one that a person would write.
bool base_from(char place[PATH_MAX], const char *dir, const char *relative) {
  char real[PATH_MAX];
  if (realpath(dir, real) == NULL) return false;
  while (strncmp(relative, "../", 3) == 0) {
    *strrchr(real, '/') = '\0';
    if (real[0] == '\0') return false;
    relative += 3;
  }
  return strlen(real) + strlen(relative) + 2 <= PATH_MAX && path_join(place, PATH_MAX, real, relative) == OK;
}
