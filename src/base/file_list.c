// Lists of files; see file_list.h.
#include "base/file_list.h"

#include <limits.h>
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

static status verify(const manifest_file *f, const file_list_check *c) {
  char path[PATH_MAX + 64], hex[65];
  uint64_t bytes;
  format_error e;
  if (!manifest_check_entry(f, c->subfolders, c->manifest, &e)) return fail_format(&e);
  if (!c->contents) return OK;
  TRY(path_join(path, sizeof path, c->dir, f->name));
  TRY(file_sha256(path, hex, &bytes));
  return manifest_check_file(f, bytes, hex, path, c->manifest, &e) ? OK : fail_format(&e);
}

status file_list_verify(const json_t *files, const file_list_check *c) {
  const char *name;
  json_t *entry;
  if (!json_is_object(files))
    return fail(ERR_FORMAT, "%s: field \"files\" is missing, or no object", c->manifest);
  json_object_foreach((json_t *)(uintptr_t)files, name, entry) {
    const json_t *bytes = json_object_get(entry, "bytes");
    const manifest_file f = {name, json_is_integer(bytes) ? json_integer_value(bytes) : -1,
                             json_string_value(json_object_get(entry, "sha256"))};
    TRY(verify(&f, c));
  }
  return OK;
}
