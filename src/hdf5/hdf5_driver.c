// The HDF5 file driver with which Souk writes files.
//
// libhdf5 does not survive a failing write well: a file whose close failed stays half open, and the library's exit
// handler runs into it again. So this driver never tells HDF5 of a failure. It keeps the first error, drops what is
// written after it, and lets HDF5 close normally; h5_close() then asks for the error and reports it with the system's
// message ("No space left on device"). It is also the place where faults are injected into HDF5's writes.
//
// Apart from that it does what HDF5's default driver does, with the same feature flags, so the files are the same bytes.
// Only writers come here; files are read through the default driver.
#include "hdf5/hdf5_driver.h"

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fault.h"

typedef struct driver_file {
  H5FD_t pub; // first
  int fd, error;
  haddr_t eoa, eof;
  dev_t device;
  ino_t inode;
} driver_file;

static int open_error, close_error; // guarded by the HDF5 lock, like everything here
static int given = -1;

void h5_driver_use(int fd) {
  given = fd;
}

int h5_driver_open_error(void) {
  return open_error;
}
int h5_driver_close_error(void) {
  const int error = close_error;
  close_error = 0;
  return error;
}

// A name is only opened to create a new file (O_EXCL), so that a link that somebody put there is not followed.
static int open_by_name(const char *name, unsigned flags) {
  int mode = O_CLOEXEC | O_NOFOLLOW | ((flags & H5F_ACC_RDWR) != 0 ? O_RDWR : O_RDONLY);
  if ((flags & H5F_ACC_CREAT) == 0) return open(name, mode);
  return fault_at(FAULT_CREATE) ? -1 : open(name, mode | O_CREAT | O_EXCL, 0666);
}

static int open_given(unsigned flags) {
  const int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
  if (fd < 0 || (flags & H5F_ACC_TRUNC) == 0 || ftruncate(fd, 0) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr) {
  (void)fapl;
  (void)maxaddr;
  const int fd = given >= 0 ? open_given(flags) : open_by_name(name, flags);
  if (fd < 0) { // not an error yet: HDF5 first tries without creating
    open_error = errno;
    return NULL;
  }
  struct stat st;
  driver_file *f = calloc(1, sizeof *f);
  if (f == NULL || fstat(fd, &st) != 0) {
    open_error = f == NULL ? ENOMEM : errno;
    free(f);
    close(fd);
    return NULL;
  }
  f->fd = fd;
  f->eof = (haddr_t)st.st_size;
  f->device = st.st_dev;
  f->inode = st.st_ino;
  return &f->pub;
}

static void keep_error(driver_file *f) {
  if (f->error == 0) f->error = errno != 0 ? errno : EIO;
}

static herr_t driver_close(H5FD_t *file) {
  driver_file *f = (driver_file *)file;
  if (close(f->fd) != 0) keep_error(f);
  close_error = f->error;
  free(f);
  return 0;
}

static int driver_compare(const H5FD_t *a, const H5FD_t *b) {
  const driver_file *x = (const driver_file *)a, *y = (const driver_file *)b;
  if (x->device != y->device) return x->device < y->device ? -1 : 1;
  return (x->inode > y->inode) - (x->inode < y->inode);
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags) {
  (void)file;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const driver_file *)file)->eoa;
}

static herr_t driver_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t addr) {
  (void)type;
  ((driver_file *)file)->eoa = addr;
  return 0;
}

static haddr_t driver_get_eof(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const driver_file *)file)->eof;
}

// Reads give zeros past the end and where writes were dropped.
static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, void *buf) {
  (void)type;
  (void)dxpl;
  driver_file *f = (driver_file *)file;
  char *at = buf;
  while (size > 0) {
    const ssize_t n = pread(f->fd, at, size, (off_t)addr);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      keep_error(f);
      return -1;
    }
    if (n == 0) break;
    at += n;
    addr += (haddr_t)n;
    size -= (size_t)n;
  }
  memset(at, 0, size);
  return 0;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size,
                           const void *buf) {
  (void)type;
  (void)dxpl;
  driver_file *f = (driver_file *)file;
  const char *at = buf;
  if (addr + size > f->eof) f->eof = addr + size;
  while (size > 0 && f->error == 0) {
    const ssize_t n = fault_at(FAULT_WRITE) ? -1 : pwrite(f->fd, at, size, (off_t)addr);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      keep_error(f);
      break;
    }
    at += n;
    addr += (haddr_t)n;
    size -= (size_t)n;
  }
  return 0;
}

static herr_t driver_truncate(H5FD_t *file, hid_t dxpl, hbool_t closing) {
  (void)dxpl;
  (void)closing;
  driver_file *f = (driver_file *)file;
  if (f->eof == f->eoa) return 0;
  if (f->error == 0 && ftruncate(f->fd, (off_t)f->eoa) != 0) keep_error(f);
  f->eof = f->eoa;
  return 0;
}

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)513, // from the range of numbers for applications' drivers
#endif
    .name = "souk",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .open = driver_open,
    .close = driver_close,
    .cmp = driver_compare,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t h5_driver_access(void) {
  static hid_t driver = -1;
  if (driver < 0) driver = H5FDregister(&driver_class);
  const hid_t access = driver < 0 ? -1 : H5Pcreate(H5P_FILE_ACCESS);
  if (access >= 0 && H5Pset_driver(access, driver, NULL) >= 0) return access;
  if (access >= 0) H5Pclose(access);
  return -1;
}
