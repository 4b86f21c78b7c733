// Files that grow, reading, directories and checksums; see file.h. Outputs that appear whole or not at all are in
// output.c.
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/memory.h"
#include "base/output_internal.h"
#include "format/sha256.h"
#include "format/temporary.h"

enum { BUFFER_BYTES = 1 << 16 };

bool write_fully(int fd, const char *data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = fault_at(FAULT_WRITE) ? -1 : write(fd, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data += n;
    bytes -= (size_t)n;
  }
  return true;
}

status file_sync(const char *path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const bool good = fd >= 0 && !fault_at(FAULT_FSYNC) && fsync(fd) == 0;
  const status rc = good ? OK : fail(ERR_IO, "cannot write %s to disk: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return rc;
}

status path_rename(const char *from, const char *to) {
  if (!fault_at(FAULT_RENAME) && rename(from, to) == 0) return OK;
  return fail(ERR_IO, "cannot rename %s to %s: %s", from, to, strerror(errno));
}

// ---- files that grow -----------------------------------------------------------------------------------------

struct append_file {
  int fd;
  char path[PATH_MAX];
};

status append_open(append_file **out, const char *path, append_how how) {
  *out = NULL;
  append_file *f;
  target to;
  TRY(find_target(&to, path));
  TRY(mem_new(&f, 1, sizeof *f, "an output file"));
  strcpy(f->path, path);
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (how == APPEND_ANEW ? O_TRUNC : 0) |
                    (how == APPEND_FRESH ? O_EXCL | O_NOFOLLOW : 0);
  status rc = OK;
  if (to.kind == TARGET_STREAM && how == APPEND_FRESH)
    rc = fail(ERR_IO, "cannot open %s: %s", path, strerror(EEXIST));
  else if (to.kind == TARGET_STREAM)
    rc = open_stream(&to, path, &f->fd);
  else
    f->fd = fault_at(FAULT_CREATE) ? -1 : open(path, flags, 0666);
  if (rc == OK && f->fd < 0) rc = fail(ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (rc != OK) {
    free(f);
    return rc;
  }
  *out = f;
  return OK;
}

status append_write(append_file *f, const void *data, size_t bytes) {
  const off_t before = lseek(f->fd, 0, SEEK_END);
  if (write_fully(f->fd, data, bytes)) return OK;
  const int error = errno;
  const bool restored = before >= 0 && ftruncate(f->fd, before) == 0;
  return fail(ERR_IO, "cannot write %s: %s%s", f->path, strerror(error),
              restored ? "" : " (and its last line is cut short)");
}

status append_sync(append_file *f) {
  if (!fault_at(FAULT_FSYNC) && fsync(f->fd) == 0) return OK;
  return errno == EINVAL ? OK : fail(ERR_IO, "cannot write %s to disk: %s", f->path, strerror(errno));
}

status append_close(append_file *f) {
  if (f == NULL) return OK;
  const status rc = close(f->fd) == 0 ? OK : fail(ERR_IO, "cannot close %s: %s", f->path, strerror(errno));
  free(f);
  return rc;
}

// ---- reading, directories, checksums -------------------------------------------------------------------------

// Opens a file to read. Opening never waits, not even for the writer of a pipe; reads wait as usual.
static status open_to_read(const char *path, FILE **f, struct stat *st) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  *f = fd >= 0 && fstat(fd, st) == 0 && fcntl(fd, F_SETFL, O_RDONLY) == 0 ? fdopen(fd, "rb") : NULL;
  if (*f != NULL) return OK;
  const int error = errno;
  if (fd >= 0) close(fd);
  return fail(error == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path, strerror(error));
}

status file_read(const char *path, size_t max_bytes, char **data, size_t *bytes) {
  *data = NULL;
  *bytes = 0;
  status rc = OK;
  char *buf = NULL;
  FILE *f;
  struct stat st;
  TRY(open_to_read(path, &f, &st));
  if (S_ISDIR(st.st_mode)) {
    rc = fail(ERR_IO, "cannot read %s: it is a directory", path);
    goto done;
  }
  if (st.st_size < 0 || (uint64_t)st.st_size > max_bytes) {
    rc = fail(ERR_FORMAT, "%s has %lld bytes, more than the %zu allowed", path, (long long)st.st_size,
              max_bytes);
    goto done;
  }
  size_t cap = 0, used = 0;
  do { // also reads pipes, whose size is not known
    TRY_GOTO(mem_grow(&buf, &cap, used + (size_t)st.st_size + 4096, 1, path), done);
    used += fread(buf + used, 1, cap - 1 - used, f);
    if (used > max_bytes) {
      rc = fail(ERR_FORMAT, "%s has more than the %zu bytes allowed", path, max_bytes);
      goto done;
    }
  } while (!feof(f) && !ferror(f));
  if (ferror(f)) {
    rc = fail(ERR_IO, "cannot read %s: %s", path, strerror(errno));
    goto done;
  }
  buf[used] = '\0';
  *data = buf;
  *bytes = used;
  buf = NULL;
done:
  free(buf);
  fclose(f);
  return rc;
}

status file_look(const char *path, bool *there) {
  struct stat st;
  const bool seen = stat(path, &st) == 0;
  *there = seen && S_ISREG(st.st_mode);
  if (seen || errno == ENOENT || errno == ENOTDIR) return OK;
  return fail(ERR_IO, "cannot look at %s: %s", path, strerror(errno));
}

bool file_exists(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool dir_exists(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

status dir_make(const char *path) {
  char part[PATH_MAX];
  if (strlen(path) >= sizeof part) return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  strcpy(part, path);
  for (char *p = part + 1;; p++) {
    if (*p != '/' && *p != '\0') continue;
    const char old = *p;
    *p = '\0';
    if (!dir_exists(part) && (fault_at(FAULT_CREATE) || mkdir(part, 0777) != 0)) {
      const int error = errno;
      if (!dir_exists(part)) // another process may have made it first
        return fail(ERR_IO, "cannot make directory %s: %s", part, strerror(error));
    }
    *p = old;
    if (old == '\0') return OK;
  }
}

status dir_lock(int *lock, const char *path, const char *use) {
  *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*lock < 0) return fail(ERR_IO, "cannot open directory %s: %s", path, strerror(errno));
  if (flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return OK;
  close(*lock);
  *lock = -1;
  return fail(ERR_ARGUMENT, "%s is in use: %s", path, use);
}

status dir_sync(const char *path) {
  const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(ERR_IO, "cannot open directory %s: %s", path, strerror(errno));
  // EINVAL: some file systems have no fsync of directories.
  const bool bad = (fault_at(FAULT_FSYNC) || fsync(fd) != 0) && errno != EINVAL;
  close(fd);
  return bad ? fail(ERR_IO, "cannot write directory %s to disk: %s", path, strerror(errno)) : OK;
}

status dir_remove(const char *path) {
  const int error = tree_remove(path);
  return error == 0 ? OK : fail(ERR_IO, "cannot remove %s: %s", path, strerror(error));
}

status dir_discard(const char *path) {
  const int error = tree_discard(path);
  return error == 0 ? OK : fail(ERR_IO, "cannot remove %s: %s", path, strerror(error));
}

const char *path_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

status path_join(char *buf, size_t size, const char *dir, const char *name) {
  const size_t n = strlen(dir);
  const char *slash = n > 0 && dir[n - 1] == '/' ? "" : "/";
  const int written = snprintf(buf, size, "%s%s%s", dir, slash, name);
  if (written < 0 || (size_t)written >= size)
    return fail(ERR_ARGUMENT, "path too long: %.60s.../%s", dir, name);
  return OK;
}

status file_sha256(const char *path, char hex[65], uint64_t *bytes) {
  FILE *f;
  struct stat st;
  TRY(open_to_read(path, &f, &st));
  if (!S_ISREG(st.st_mode)) { // a device may have no end
    fclose(f);
    return fail(ERR_FORMAT, "%s is not a regular file", path);
  }
  status rc = OK;
  unsigned char *buf;
  sha256 state;
  sha256_init(&state);
  uint64_t total = 0;
  TRY_GOTO(mem_new(&buf, BUFFER_BYTES, 1, "a read buffer"), done);
  for (size_t n; (n = fread(buf, 1, BUFFER_BYTES, f)) > 0; total += n) sha256_update(&state, buf, n);
  if (ferror(f)) rc = fail(ERR_IO, "cannot read %s: %s", path, strerror(errno));
  sha256_final(&state, hex);
  if (bytes != NULL) *bytes = total;
  free(buf);
done:
  fclose(f);
  return rc;
}
