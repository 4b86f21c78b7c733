// Entries of manifests; see manifest.h.
#include "format/manifest.h"

#include <string.h>

enum { NAME_BYTES = 200, DIGEST = 64 };

static bool part_is_plain(const char *part, size_t n) {
  static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return n > 0 && part[0] != '.' && part[0] != '-' && strspn(part, good) >= n;
}

bool manifest_name_is_plain(const char *name, bool subfolders) {
  if (strlen(name) > NAME_BYTES) return false;
  for (const char *part = name;; part += strcspn(part, "/") + 1) {
    const size_t n = strcspn(part, "/");
    if (!part_is_plain(part, n)) return false;
    if (part[n] == '\0') return true;
    if (!subfolders) return false;
  }
}

static bool is_digest(const char *text) {
  return text != NULL && strlen(text) == DIGEST && strspn(text, "0123456789abcdef") == DIGEST;
}

bool manifest_check_entry(const manifest_file *f, bool subfolders, const char *manifest, format_error *e) {
  if (!manifest_name_is_plain(f->name, subfolders))
    return format_fail(e, FORMAT_MALFORMED, "%s: field \"files\": \"%.100s\" is not a plain file name",
                       manifest, f->name);
  return (f->bytes >= 0 && is_digest(f->sha256)) ||
         format_fail(e, FORMAT_MALFORMED,
                     "%s: field \"files.%.100s\" must have \"bytes\", an integer from 0, and \"sha256\", 64 "
                     "hexadecimal digits",
                     manifest, f->name);
}

bool manifest_check_file(const manifest_file *f, uint64_t bytes, const char *hex, const char *path,
                         const char *manifest, format_error *e) {
  if ((uint64_t)f->bytes != bytes)
    return format_fail(e, FORMAT_MALFORMED, "%s has %llu bytes, %s says %lld: it is damaged or cut short",
                       path, (unsigned long long)bytes, manifest, (long long)f->bytes);
  return hex == NULL || strcmp(hex, f->sha256) == 0 ||
         format_fail(e, FORMAT_CHECKSUM, "%s: its checksum is not the one in %s; the file is damaged", path,
                     manifest);
}
