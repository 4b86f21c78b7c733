// Mapped files; see mapping.h.
#include "infer/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static souk_status map_file(mapping *m, int fd, const char *where, const char *name, souk_error *e) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return infer_fail(e, SOUK_ERR_IO, "cannot read %s/%s: %s", where, name, strerror(errno));
  if (!S_ISREG(st.st_mode)) return infer_fail(e, SOUK_ERR_FORMAT, "%s/%s is not a regular file", where, name);
  m->data = "";
  m->bytes = (size_t)st.st_size;
  if (m->bytes == 0) return SOUK_OK;
  void *p = mmap(NULL, m->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED)
    return infer_fail(e, SOUK_ERR_IO, "cannot map %s/%s: %s", where, name, strerror(errno));
  m->data = m->address = p;
  return SOUK_OK;
}

// Opens DIR/NAME; a folder in the name must be a directory of its own, no link.
static int open_inside(int dir, const char *name) {
  char part[256];
  const char *slash = strchr(name, '/');
  // O_NONBLOCK: opening a pipe would wait for its other end.
  if (slash == NULL) return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  const size_t n = (size_t)(slash - name);
  if (n >= sizeof part) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(part, name, n);
  part[n] = '\0';
  const int inner = openat(dir, part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY);
  if (inner < 0) return -1;
  const int fd = open_inside(inner, slash + 1), why = errno;
  close(inner);
  errno = why;
  return fd;
}

souk_status mapping_open(mapping *m, int dir, const char *where, const char *name, souk_error *e) {
  *m = (mapping){.data = ""};
  const int fd = open_inside(dir, name);
  if (fd < 0 && errno == ELOOP)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s/%s is a symbolic link, which a bundle's files must not be",
                      where, name);
  if (fd < 0) return infer_fail(e, SOUK_ERR_IO, "cannot open %s/%s: %s", where, name, strerror(errno));
  const souk_status rc = map_file(m, fd, where, name, e);
  close(fd);
  return rc;
}

void mapping_close(mapping *m) {
  if (m->address != NULL) munmap(m->address, m->bytes);
  *m = (mapping){.data = ""};
}
