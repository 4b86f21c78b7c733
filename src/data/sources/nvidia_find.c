// Finding NVIDIA's shards; see nvidia_find.h.
#include "data/sources/nvidia_find.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path_kind.h"

enum { DEEPEST = 4, MOST_NAMES = 100000, FOLDERS_TOLD = 5 };

typedef struct search {
  const char *dir;
  shard_files *out;
  int32_t names; // seen so far
} search;

static bool has_suffix(const char *name, const char *suffix) {
  const size_t n = strlen(name), m = strlen(suffix);
  return n > m && strcmp(name + n - m, suffix) == 0;
}

static bool is_shard(const char *name) {
  return has_suffix(name, ".hdf5") || has_suffix(name, ".h5");
}

static status add(shard_files *f, const char *name) {
  TRY(mem_grow(&f->names, &f->cap, (size_t)f->n + 1, sizeof *f->names, "names of shards"));
  TRY(mem_strdup(&f->names[f->n], name));
  f->n++;
  return OK;
}

// May there be shards of somebody's in it? Not in what Souk has written.
static bool may_hold_shards(const char *path) {
  const path_kind kind = path_kind_of(path);
  return kind == PATH_SHARDS || kind == PATH_DIRECTORY || kind == PATH_HUGGING_FACE;
}

// Takes the shards of the folder `inner` of the directory ("": itself), and those of its folders `levels` below it.
static status look(search *s, const char *inner, int levels) {
  char path[PATH_MAX], name[PATH_MAX];
  TRY(path_join(path, sizeof path, s->dir, inner));
  DIR *d = opendir(path);
  if (d == NULL)
    return inner[0] != '\0' ? OK : fail(ERR_IO, "cannot open directory %s: %s", path, strerror(errno));
  status rc = OK;
  for (struct dirent *e; rc == OK && s->names < MOST_NAMES && (e = readdir(d)) != NULL;) {
    s->names++;
    if (e->d_name[0] == '.') continue;
    const int n = snprintf(name, sizeof name, "%s%s%s", inner, inner[0] != '\0' ? "/" : "", e->d_name);
    if (n >= (int)sizeof name || path_join(path, sizeof path, s->dir, name) != OK) continue;
    if (is_shard(e->d_name) && file_exists(path))
      rc = add(s->out, name);
    else if (levels > 0 && dir_exists(path) && may_hold_shards(path))
      rc = look(s, name, levels - 1);
  }
  closedir(d);
  return rc;
}

// ---- for training or not -------------------------------------------------------------------------------------

static bool is_training(const char *name) {
  return strstr(name, "training") != NULL || strncmp(name, "train/", 6) == 0 ||
         strstr(name, "/train/") != NULL;
}

static void keep_training(shard_files *f) {
  int32_t kept = 0;
  for (int32_t i = 0; i < f->n; i++) kept += is_training(f->names[i]);
  if (kept == 0 || kept == f->n) return;
  f->left_out = f->n - kept;
  kept = 0;
  for (int32_t i = 0; i < f->n; i++) {
    if (is_training(f->names[i]))
      f->names[kept++] = f->names[i];
    else
      free(f->names[i]);
  }
  f->n = kept;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

status shard_files_find(shard_files *out, const char *dir) {
  *out = (shard_files){.names = NULL};
  search s = {.dir = dir, .out = out};
  status rc = look(&s, "", 0);
  if (rc == OK && out->n == 0 && may_hold_shards(dir)) {
    rc = look(&s, "", DEEPEST);
    out->in_folders = true;
  }
  if (rc != OK) {
    shard_files_free(out);
    return rc;
  }
  keep_training(out);
  if (out->n > 0) qsort(out->names, (size_t)out->n, sizeof *out->names, by_name);
  return OK;
}

void shard_files_free(shard_files *f) {
  for (int32_t i = 0; i < f->n; i++) free(f->names[i]);
  free(f->names);
  *f = (shard_files){.names = NULL};
}

// ---- folders -------------------------------------------------------------------------------------------------

static size_t folder_bytes(const char *name) {
  const char *slash = strrchr(name, '/');
  return slash != NULL ? (size_t)(slash - name) : 0;
}

static bool is_same_folder(const char *a, const char *b) {
  return folder_bytes(a) == folder_bytes(b) && strncmp(a, b, folder_bytes(a)) == 0;
}

// "wiki (12), books (3)", the first few.
static void list_folders(const shard_files *f, char *text, size_t bytes) {
  size_t used = 0;
  int32_t folders = 0;
  for (int32_t i = 0, end; i < f->n; i = end) {
    for (end = i + 1; end < f->n && is_same_folder(f->names[i], f->names[end]);) end++;
    if (++folders > FOLDERS_TOLD || used >= bytes) continue;
    used += (size_t)snprintf(text + used, bytes - used, "%s%.*s (%d)", folders > 1 ? ", " : "",
                             (int)folder_bytes(f->names[i]), f->names[i], end - i);
  }
  if (folders > FOLDERS_TOLD && used < bytes)
    snprintf(text + used, bytes - used, " and %d more folders", folders - FOLDERS_TOLD);
}

void shard_files_tell(const shard_files *f, const char *dir) {
  char text[1024] = "";
  list_folders(f, text, sizeof text);
  if (f->in_folders) log_info("%s: shards are in %s", dir, text);
  if (f->left_out > 0)
    log_info(
        "%s: not called \"training\", nor in a folder \"train\", as others are, and left out: %d HDF5 files",
        dir, f->left_out);
}

size_t shard_files_common(const shard_files *f) {
  size_t n = f->n > 0 ? folder_bytes(f->names[0]) : 0;
  for (int32_t i = 1; i < f->n && n > 0;) {
    const bool inside = strncmp(f->names[0], f->names[i], n) == 0 && f->names[i][n] == '/';
    if (inside) {
      i++;
      continue;
    }
    while (n > 0 && f->names[0][--n] != '/') {
    }
  }
  return n;
}
