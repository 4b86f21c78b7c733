// Configurations by name; see presets.h.
#include "cmd/presets.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/program.h"

// build/gcc/souk stands two folders below the tree's configs. Where souk is installed, that would be a folder of others.
static const char *const places[] = {"../share/souk/configs", "../../configs", NULL};

static const char yaml[] = ".yaml";

// The length of a preset's name in a file's; 0: it is no configuration.
static int name_length(const char *file) {
  const size_t n = strlen(file), end = strlen(yaml);
  return n > end && file[0] != '.' && strcmp(file + n - end, yaml) == 0 ? (int)(n - end) : 0;
}

static int is_preset(const struct dirent *e) {
  return name_length(e->d_name) > 0;
}

// path without the .. of `places`, for messages; as it is where there is nothing.
static void plain_path(char path[PATH_MAX]) {
  char *plain = realpath(path, NULL);
  if (plain != NULL && strlen(plain) < PATH_MAX) strcpy(path, plain);
  free(plain);
}

static status unknown(const char *given, char dir[PATH_MAX]) {
  char names[1024] = "";
  struct dirent **files;
  const int n = scandir(dir, &files, is_preset, alphasort);
  size_t used = 0;
  for (int i = 0; i < n; i++) {
    const int length = name_length(files[i]->d_name);
    if (used + (size_t)length + 3 < sizeof names)
      used += (size_t)sprintf(names + used, "%s%.*s", used > 0 ? ", " : "", length, files[i]->d_name);
    free(files[i]);
  }
  if (n >= 0) free(files);
  plain_path(dir);
  return fail(ERR_NOT_FOUND, "%s is neither a file nor the name of a configuration; %s has %s", given, dir,
              names);
}

bool preset_folder(char path[PATH_MAX]) {
  if (!program_file(path, places)) return false;
  plain_path(path);
  return true;
}

status preset_path(char path[PATH_MAX], const char *given) {
  char dir[PATH_MAX], name[256];
  const bool named = strchr(given, '/') == NULL && strchr(given, '.') == NULL && given[0] != '\0';
  if (named && path_kind_of(given) == PATH_NOTHING && program_file(dir, places)) {
    if (snprintf(name, sizeof name, "%s%s", given, yaml) >= (int)sizeof name ||
        path_join(path, PATH_MAX, dir, name) != OK || !file_exists(path))
      return unknown(given, dir);
    plain_path(path);
    return OK;
  }
  if (strlen(given) >= PATH_MAX) return fail(ERR_ARGUMENT, "path too long: %.60s...", given);
  strcpy(path, given);
  return OK;
}
