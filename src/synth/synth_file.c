// Text files of the generator; see synth_file.h.
#include "synth/synth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "base/file.h"
#include "base/memory.h"

enum { TEXT_BUFFER = 1 << 16 };

// A text file, gzip if its name says so.
struct text_file {
  out_file *f;
  gzFile gz; // NULL: plain
  char name[64];
  char buf[TEXT_BUFFER];
  size_t used;
};

status text_open(text_file **out, const char *dir, const char *name, int64_t level) {
  *out = NULL;
  text_file *t;
  char path[PATH_MAX + 64], mode[8];
  TRY(path_join(path, sizeof path, dir, name));
  TRY(mem_new(&t, 1, sizeof *t, "an output file"));
  snprintf(t->name, sizeof t->name, "%s", name);
  status rc = out_open(&t->f, path);
  if (rc == OK && strstr(name, ".gz") != NULL) {
    snprintf(mode, sizeof mode, "wb%d", (int)level);
    const int fd = fcntl(out_descriptor(t->f), F_DUPFD_CLOEXEC, 0);
    t->gz = fd >= 0 ? gzdopen(fd, mode) : NULL;
    if (t->gz == NULL && fd >= 0) close(fd);
    if (t->gz == NULL) rc = fail(ERR_IO, "cannot create %s: %s", path, strerror(errno));
  }
  if (rc != OK) {
    out_abort(t->f);
    free(t);
    return rc;
  }
  *out = t;
  return OK;
}

static status text_flush(text_file *t) {
  const size_t n = t->used;
  t->used = 0;
  if (n == 0) return OK;
  if (t->gz == NULL) return out_write(t->f, t->buf, n);
  return gzwrite(t->gz, t->buf, (unsigned)n) == (int)n ? OK : fail(ERR_IO, "cannot write %s", t->name);
}

status text_printf(text_file *t, const char *format, ...) {
  for (int tries = 0; tries < 2; tries++) {
    va_list args;
    va_start(args, format);
    const size_t room = TEXT_BUFFER - t->used;
    const int n = vsnprintf(t->buf + t->used, room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < room) {
      t->used += (size_t)n;
      return OK;
    }
    TRY(text_flush(t));
  }
  return fail(ERR_INTERNAL, "a row of %s is too long", t->name);
}

status text_commit(text_file *t) {
  status rc = text_flush(t);
  if (t->gz != NULL && gzclose(t->gz) != Z_OK && rc == OK) rc = fail(ERR_IO, "cannot write %s", t->name);
  if (rc == OK)
    rc = out_commit(t->f);
  else
    out_abort(t->f);
  free(t);
  return rc;
}

void text_abort(text_file *t) {
  if (t == NULL) return;
  if (t->gz != NULL) gzclose(t->gz);
  out_abort(t->f);
  free(t);
}
