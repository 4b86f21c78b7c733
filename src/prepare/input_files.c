// Lists of files; see input_files.h.
#include "prepare/input_files.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/path_kind.h"

static const char blanks[] = " \t\r\n";

static bool exists(const char *path) {
  struct stat st;
  return strcmp(path, "-") == 0 || stat(path, &st) == 0;
}

static bool is_pattern(const char *name) {
  return name[strcspn(name, "*?[")] != '\0';
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static status add_name(input_files *f, const char *path) {
  TRY(mem_grow(&f->names, &f->cap, f->n + 1, sizeof *f->names, "names of files"));
  TRY(mem_strdup(&f->names[f->n], path));
  f->n++;
  return OK;
}

// ---- folders -------------------------------------------------------------------------------------------------

// What programs leave beside the data: .part-0.csv.crc, _SUCCESS, .DS_Store.
static bool is_mark(const char *name) {
  const size_t n = strlen(name);
  return name[0] == '.' || name[0] == '_' || (n > 4 && strcmp(name + n - 4, ".crc") == 0);
}

static status add_entry(input_files *f, const char *folder, const char *name, int64_t *subfolders) {
  char path[PATH_MAX + 64];
  struct stat st;
  TRY(path_join(path, sizeof path, folder, name));
  if (stat(path, &st) != 0) return fail(ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (is_mark(name) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
    f->passed_over++;
    return OK;
  }
  if (S_ISREG(st.st_mode)) return add_name(f, path);
  ++*subfolders;
  return OK;
}

static status list_folder(input_files *f, const char *folder, int64_t *subfolders) {
  DIR *d = opendir(folder);
  if (d == NULL) return fail(ERR_IO, "cannot open the folder %s: %s", folder, strerror(errno));
  status rc = OK;
  for (;;) {
    errno = 0;
    const struct dirent *e = readdir(d);
    if (e == NULL) break;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    rc = add_entry(f, folder, e->d_name, subfolders);
    if (rc != OK) break;
  }
  if (rc == OK && errno != 0) rc = fail(ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  closedir(d);
  return rc;
}

static status add_folder(input_files *f, const char *folder, const char *source) {
  const size_t before = f->n;
  int64_t subfolders = 0;
  if (path_kind_of(folder) != PATH_DIRECTORY) return path_check(folder, PATH_FILE); // a run, say, or empty
  TRY(list_folder(f, folder, &subfolders));
  f->subfolders += subfolders;
  if (f->n == before && subfolders > 0)
    return fail(ERR_NOT_FOUND,
                "%s: the folder %s holds no files but %lld folders; \"%s/*\" reads what is in those", source,
                folder, (long long)subfolders, folder);
  if (f->n == before) return fail(ERR_NOT_FOUND, "%s: the folder %s holds no files", source, folder);
  if (subfolders > 0)
    log_warn("%s: %lld folders in the folder %s are not read; \"%s/*\" reads what is in them as well", source,
             (long long)subfolders, folder, folder);
  qsort(f->names + before, f->n - before, sizeof *f->names, by_name);
  return OK;
}

// ---- names ---------------------------------------------------------------------------------------------------

static status add_path(input_files *f, const char *path, const char *source) {
  return strcmp(path, "-") != 0 && dir_exists(path) ? add_folder(f, path, source) : add_name(f, path);
}

static status add_matches(input_files *f, char **paths, size_t n, const char *pattern, const char *source) {
  const size_t before = f->n;
  qsort(paths, n, sizeof *paths, by_name);
  for (size_t i = 0; i < n; i++) {
    if (is_mark(path_name(paths[i])))
      f->passed_over++;
    else
      TRY(add_path(f, paths[i], source));
  }
  if (f->n > before) return OK;
  return fail(ERR_NOT_FOUND,
              "%s: no file matches \"%s\" but %zu that are passed over, hidden ones and marks of Spark",
              source, pattern, n);
}

static status add_pattern(input_files *f, const char *pattern, const char *source) {
  glob_t found;
  const int code = glob(pattern, GLOB_ERR | GLOB_NOSORT, NULL, &found);
  status rc = OK;
  if (code == GLOB_NOMATCH || (code == GLOB_ABORTED && errno == ENOENT)) // no folder to look into
    rc = fail(ERR_NOT_FOUND, "%s: no file matches \"%s\"", source, pattern);
  else if (code == GLOB_NOSPACE)
    rc = fail(ERR_MEMORY, "out of memory: cannot list the files of \"%s\"", pattern);
  else if (code != 0)
    rc = fail(ERR_IO, "%s: cannot list the files of \"%s\": %s", source, pattern, strerror(errno));
  else
    rc = add_matches(f, found.gl_pathv, found.gl_pathc, pattern, source);
  if (code == 0) globfree(&found);
  return rc;
}

// Without the blanks around it, and without slashes at its end.
static void copy_name(char *name, const char *from, const char *end) {
  while (from < end && strchr(blanks, *from) != NULL) from++;
  while (end > from && strchr(blanks, end[-1]) != NULL) end--;
  while (end > from + 1 && end[-1] == '/') end--;
  memcpy(name, from, (size_t)(end - from));
  name[end - from] = '\0';
}

const char *list_title(const char *list) {
  return strcmp(list, "-") == 0 ? "the standard input" : list;
}

const char *list_name(const char *list, char *name) {
  const char *comma = list + strcspn(list, ",");
  copy_name(name, list, comma);
  return comma + (*comma == ',');
}

// The same for names of files. One that exists may have commas: the longest one that exists is taken, and if none does what
// stands before the first comma.
static const char *list_file(const char *list, char *name) {
  const char *first = list + strcspn(list, ","), *end = list + strlen(list);
  for (; end > first; end--) {
    if (*end != '\0' && *end != ',') continue;
    copy_name(name, list, end);
    if (exists(name)) return end + (*end == ',');
  }
  return list_name(list, name);
}

static status add_named(input_files *f, const char *name, const char *source) {
  if (exists(name)) return add_path(f, name, source);
  if (is_pattern(name)) return add_pattern(f, name, source);
  const status rc = path_check(name, PATH_FILE);
  return rc != OK ? rc : fail(ERR_IO, "cannot open %s", name);
}

// ---- the same file twice -------------------------------------------------------------------------------------

typedef struct identity {
  bool known;
  dev_t device;
  ino_t inode;
  size_t at; // in the list
} identity;

static int by_identity(const void *a, const void *b) {
  const identity *x = a, *y = b;
  if (x->device != y->device) return x->device < y->device ? -1 : 1;
  if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static void identify(identity *id, const char *name, size_t at) {
  struct stat st;
  const bool standard = strcmp(name, "-") == 0;
  *id = (identity){.at = at};
  id->known = standard ? fstat(0, &st) == 0 : stat(name, &st) == 0;
  if (!id->known) return;
  id->device = st.st_dev;
  id->inode = st.st_ino;
}

static status check_repeats(const input_files *f, const char *source) {
  identity *ids;
  TRY(mem_new(&ids, f->n, sizeof *ids, "names of files"));
  for (size_t i = 0; i < f->n; i++) identify(&ids[i], f->names[i], i);
  qsort(ids, f->n, sizeof *ids, by_identity);
  status rc = OK;
  for (size_t i = 1; rc == OK && i < f->n; i++) {
    if (!ids[i].known || ids[i].device != ids[i - 1].device || ids[i].inode != ids[i - 1].inode) continue;
    const char *a = f->names[ids[i - 1].at], *b = f->names[ids[i].at];
    rc = strcmp(a, b) == 0 ? fail(ERR_ARGUMENT, "%s names %s twice", source, a)
                           : fail(ERR_ARGUMENT, "%s names one file twice, as %s and as %s", source, a, b);
  }
  free(ids);
  return rc;
}

status input_files_find(input_files *f, const char *list, const char *source) {
  char name[OPTION_STRING];
  if (strlen(list) >= sizeof name)
    return fail(ERR_ARGUMENT, "%s has more than %zu bytes; a pattern or a folder is shorter", source,
                sizeof name - 1);
  while (*list != '\0') {
    list = list_file(list, name);
    if (name[0] != '\0') TRY(add_named(f, name, source));
  }
  return check_repeats(f, source);
}

bool input_files_have(const input_files *f, const char *name) {
  for (size_t i = 0; i < f->n; i++)
    if (strcmp(f->names[i], name) == 0) return true;
  return false;
}

void input_files_free(input_files *f) {
  for (size_t i = 0; i < f->n; i++) free(f->names[i]);
  free(f->names);
  *f = (input_files){.names = NULL};
}
