// The virtual file driver through which Souk creates HDF5 files; used by hdf5_glue.c alone.
#ifndef SOUK_HDF5_HDF5_DRIVER_H
#define SOUK_HDF5_HDF5_DRIVER_H

#include <hdf5.h>

// A file access property list with the driver; closed with H5Pclose. Negative if HDF5 fails. The caller holds the
// lock.
hid_t h5_driver_access(void);
// Files that are opened from now on use a copy of this descriptor and not their name; -1: their name again.
void h5_driver_use(int fd);
// errno of the last failed open, and of the first failed write in the file that was closed last (0: none). Reading it
// resets it.
int h5_driver_open_error(void);
int h5_driver_close_error(void);

#endif
