// Files that come with the program; see program.h.
#include "base/program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool program_file(char path[PATH_MAX], const char *const *places) {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  self[n > 0 ? n : 0] = '\0';
  char *slash = strrchr(self, '/');
  if (slash == NULL) return false;
  *slash = '\0';
  for (; *places != NULL; places++) {
    const int length = snprintf(path, PATH_MAX, "%s/%s", self, *places);
    if (length < PATH_MAX && access(path, R_OK) == 0) return true;
  }
  return false;
}
