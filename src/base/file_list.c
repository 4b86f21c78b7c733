// Lists of files; see file_list.h.
#include "base/file_list.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "format/manifest.h"

status file_list_add(json_t *files, const char *dir, const char *name, uint64_t *bytes) {
  char path[PATH_MAX + 64], hex[65];
  uint64_t size;
  TRY(path_join(path, sizeof path, dir, name));
  TRY(file_sha256(path, hex, &size));
  if (bytes != NULL) *bytes = size;
  json_t *entry = json_pack("{s:I,s:s}", "bytes", (json_int_t)size, "sha256", hex);
  if (json_object_set_new(files, name, entry) == 0) return OK;
  return fail(ERR_MEMORY, "out of memory: cannot list %s", path);
}

// A link, in the file's place or on the way to it from DIR, must not lead out of DIR. What is not there is for others to
// report.
static status check_place(const char *dir, const char *path) {
  char place[PATH_MAX], real[PATH_MAX];
  if (realpath(dir, place) == NULL || realpath(path, real) == NULL) return OK;
  const size_t n = strcmp(place, "/") == 0 ? 0 : strlen(place);
  if (strncmp(real, place, n) == 0 && real[n] == '/') return OK;
  return fail(ERR_FORMAT, "%s is a symbolic link that leads out of its directory; put the file itself there",
              path);
}

static status verify_contents(const manifest_file *f, const char *path, const char *manifest) {
  char hex[65];
  uint64_t bytes;
  format_error e;
  TRY(file_sha256(path, hex, &bytes));
  return manifest_check_file(f, bytes, hex, path, manifest, &e) ? OK : fail_format(&e);
}

static status verify(const manifest_file *f, const file_list_check *c) {
  char path[PATH_MAX + 64];
  format_error e;
  if (!manifest_check_entry(f, c->subfolders, c->manifest, &e)) return fail_format(&e);
  TRY(path_join(path, sizeof path, c->dir, f->name));
  TRY(check_place(c->dir, path));
  return c->contents ? verify_contents(f, path, c->manifest) : OK;
}

static manifest_file entry_of(const char *name, const json_t *entry) {
  const json_t *bytes = json_object_get(entry, "bytes");
  return (manifest_file){name, json_is_integer(bytes) ? json_integer_value(bytes) : -1,
                         json_string_value(json_object_get(entry, "sha256"))};
}

status file_list_verify(const json_t *files, const file_list_check *c) {
  const char *name;
  json_t *entry;
  if (!json_is_object(files))
    return fail(ERR_FORMAT, "%s: field \"files\" is missing, or no object", c->manifest);
  json_object_foreach((json_t *)(uintptr_t)files, name, entry) {
    const manifest_file f = entry_of(name, entry);
    TRY(verify(&f, c));
  }
  return OK;
}

// The copy is compared, and not the file, which might change in between.
status file_list_copy(const json_t *files, const file_list_check *from, const char *name,
                      const char *to_dir) {
  char path[PATH_MAX + 64], copy[PATH_MAX + 64];
  const json_t *entry = json_object_get(files, name);
  if (entry == NULL) return fail(ERR_NOT_FOUND, "%s does not list %s", from->manifest, name);
  const manifest_file f = entry_of(name, entry);
  const file_list_check place = {
      .dir = from->dir, .manifest = from->manifest, .subfolders = from->subfolders};
  TRY(verify(&f, &place));
  TRY(path_join(path, sizeof path, from->dir, name));
  bool is_file; // a pipe may have no end
  TRY(file_look(path, &is_file));
  if (!is_file) return fail(ERR_NOT_FOUND, "%s is missing, or not a regular file", path);
  TRY(path_join(copy, sizeof copy, to_dir, name));
  TRY(file_copy(path, copy));
  const status rc = verify_contents(&f, copy, from->manifest);
  if (rc != OK) remove(copy);
  return rc == OK ? OK : fail_prefix(rc, "a copy of %s", path);
}
