// Recognises directories that were given as a bundle by mistake; see mistaken.h. It only looks for the marker files
// of Souk's other directories (docs/formats.md), which is enough for a helpful error.
#include "infer/mistaken.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include "infer/mapping.h"

static bool has(int dir, const char *file) {
  struct stat st;
  return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

// True where the manifest says this schema near its beginning.
static bool has_schema(int dir, const char *name, const char *schema) {
  mapping m;
  if (mapping_open(&m, dir, name, "manifest.json", NULL) != SOUK_OK) return false;
  const size_t most = 4096, bytes = m.bytes < most ? m.bytes : most;
  const bool found = memmem(m.data, bytes, schema, strlen(schema)) != NULL;
  mapping_close(&m);
  return found;
}

souk_status refuse_other_directories(int dir, const char *name, souk_error *e) {
  if (has(dir, "souk.json") || errno == EACCES)
    return SOUK_OK; // it may exist where we may not look; opening it will report that
  if (has(dir, "config.yaml"))
    return infer_fail(e, SOUK_ERR_IO,
                      "%s is a training run, not a bundle: make one with souk export %s BUNDLE", name, name);
  if (has_schema(dir, name, "\"souk.checkpoint\""))
    return infer_fail(e, SOUK_ERR_IO, "%s is a checkpoint, not a bundle: make one with souk export %s BUNDLE",
                      name, name);
  if (has_schema(dir, name, "\"souk.dataset\""))
    return infer_fail(e, SOUK_ERR_IO,
                      "%s is a prepared data set, not a bundle: train on it with souk pretrain, then make a "
                      "bundle with souk export RUN BUNDLE",
                      name);
  if (has(dir, "config.json") &&
      !has(dir, "vocab.tsv")) // with vocab.tsv it is a bundle without its souk.json
    return infer_fail(e, SOUK_ERR_IO,
                      "%s is a model of another program, not a bundle: souk import %s CHECKPOINT, then souk "
                      "export CHECKPOINT BUNDLE",
                      name, name);
  return infer_fail(e, SOUK_ERR_IO,
                    "%s is not a bundle: it has no souk.json; souk export RUN BUNDLE makes one", name);
}
