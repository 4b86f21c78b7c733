// See cuda_libraries.h. dlopen's error names the library that is missing. It is searched for here and loaded by its
// path; when the backend is loaded again, the loader finds it by its soname. So no version is written here: the
// backend asks for the one that it was linked with.
#include "ops/cuda_libraries.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Patterns of glob. A variable in front is the environment's; $PYTHON is the root of the python3 that PATH has first.
static const char *const places[] = {
    "$CUDA_HOME/{lib64,lib,targets/*/lib}",
    "$CUDA_PATH/{lib64,lib,targets/*/lib}",
    "$CONDA_PREFIX/{lib,targets/*/lib,lib/python3*/site-packages/nvidia/*/lib}",
    "$PYTHON/lib/python3*/{site,dist}-packages/nvidia/*/lib",
    "$HOME/.local/lib/python3*/site-packages/nvidia/*/lib",
    "/usr/local/lib/python3*/{site,dist}-packages/nvidia/*/lib",
    "/usr/local/cuda{,-*}/{lib64,lib,targets/*/lib}",
    "/opt/cuda/{lib64,targets/*/lib}",
};
enum {
  N_PLACES = sizeof places / sizeof *places,
  PATTERN_BYTES = 2 * PATH_MAX + 128, // every character of a value may need a backslash
  SENTENCE_BYTES = 1600,
  NAME_BYTES = 64,
  MOST_MISSING = 8 // libraries that one backend may lack
};

// ---- places --------------------------------------------------------------------------------------------------

// The python3 of a virtual environment is often a link to another one: the folder of the link is the right one.
static bool python_root(char root[PATH_MAX]) {
  const char *at = getenv("PATH");
  while (at != NULL && *at != '\0') {
    const int length = (int)strcspn(at, ":");
    char python[PATH_MAX];
    const int n = snprintf(python, sizeof python, "%.*s/python3", length, at);
    if (length > 0 && n < PATH_MAX && access(python, X_OK) == 0)
      return snprintf(root, PATH_MAX, "%.*s/..", length, at) < PATH_MAX;
    at += length + (at[length] == ':');
  }
  return false;
}

static bool variable_value(char value[PATH_MAX], const char *name) {
  if (strcmp(name, "PYTHON") == 0) return python_root(value);
  const char *set = getenv(name);
  return set != NULL && set[0] != '\0' && snprintf(value, PATH_MAX, "%s", set) < PATH_MAX;
}

// Replaces the variable in a pattern by its value, with special characters escaped. False: the variable is not set.
static bool expand_place(char pattern[PATTERN_BYTES], const char *place) {
  size_t n = 0;
  if (place[0] == '$') {
    char name[32], value[PATH_MAX];
    const size_t length = strcspn(++place, "/");
    snprintf(name, sizeof name, "%.*s", (int)length, place);
    if (!variable_value(value, name)) return false;
    for (const char *c = value; *c != '\0'; c++) {
      if (strchr("*?[]{},\\", *c) != NULL) pattern[n++] = '\\';
      pattern[n++] = *c;
    }
    place += length;
  }
  snprintf(pattern + n, PATTERN_BYTES - n, "%s", place);
  return true;
}

// ---- a library -----------------------------------------------------------------------------------------------

// Loads `name` from one of the folders that match. A file of that name that does not load is remembered in why.
static bool load_from(const char *pattern, const char *name, char why[SENTENCE_BYTES]) {
  glob_t found;
  bool loaded = false;
  if (glob(pattern, GLOB_BRACE | GLOB_NOSORT, NULL, &found) != 0) return false;
  for (size_t i = 0; i < found.gl_pathc && !loaded; i++) {
    char file[PATH_MAX];
    if (snprintf(file, sizeof file, "%s/%s", found.gl_pathv[i], name) >= PATH_MAX) continue;
    if (access(file, F_OK) != 0) continue;
    loaded = dlopen(file, RTLD_NOW | RTLD_LOCAL) != NULL;
    if (!loaded && why[0] == '\0') snprintf(why, SENTENCE_BYTES, "%s", dlerror());
  }
  globfree(&found);
  return loaded;
}

static bool load_library(const char *name, char why[SENTENCE_BYTES]) {
  char pattern[PATTERN_BYTES];
  for (size_t i = 0; i < N_PLACES; i++)
    if (expand_place(pattern, places[i]) && load_from(pattern, name, why)) return true;
  return false;
}

static status say_not_found(const char *path, const char *name, const char *why) {
  if (why[0] != '\0') return fail(ERR_UNSUPPORTED, "the CUDA backend %s needs %s: %s", path, name, why);
  char searched[SENTENCE_BYTES], pattern[PATTERN_BYTES];
  size_t n = 0;
  for (size_t i = 0; i < N_PLACES && n < sizeof searched; i++) {
    const bool set = expand_place(pattern, places[i]);
    const int added = snprintf(searched + n, sizeof searched - n, ", %s%s", set ? pattern : places[i],
                               set ? "" : " (not set)");
    n += added > 0 ? (size_t)added : 0;
  }
  return fail(ERR_UNSUPPORTED,
              "the CUDA backend needs %s, which was not found where the loader looks (LD_LIBRARY_PATH, "
              "ldconfig)%s; install it (it belongs to the CUDA toolkit that built %s), name its folder in "
              "LD_LIBRARY_PATH, or use --device cpu",
              name, searched, path);
}

// ---- the backend ---------------------------------------------------------------------------------------------

// The library that dlopen did not find, if it is one of the toolkit's.
static bool name_missing(char name[NAME_BYTES], const char *said) {
  const char *end = strstr(said, ": cannot open shared object file");
  if (end == NULL || strncmp(said, "libcu", 5) != 0 || end - said >= NAME_BYTES) return false;
  snprintf(name, NAME_BYTES, "%.*s", (int)(end - said), said);
  return true;
}

status cuda_library_open(void **out, const char *path) {
  for (int32_t tries = 0;; tries++) {
    *out = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*out != NULL) return OK;
    char name[NAME_BYTES], why[SENTENCE_BYTES] = "";
    const char *said = dlerror();
    if (tries == MOST_MISSING || !name_missing(name, said))
      return fail(ERR_UNSUPPORTED, "the CUDA backend cannot be loaded: %s", said);
    if (!load_library(name, why)) return say_not_found(path, name, why);
  }
}
