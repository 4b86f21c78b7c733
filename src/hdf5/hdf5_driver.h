// The virtual file driver through which Souk creates HDF5 files; used by hdf5_glue.c alone.
#ifndef SOUK_HDF5_HDF5_DRIVER_H
#define SOUK_HDF5_HDF5_DRIVER_H

#include <hdf5.h>

// A file access property list with the driver; closed with H5Pclose. Negative when HDF5 refuses. Takes the lock held.
hid_t h5_driver_access(void);
// The next files are not opened by name but are copies of this descriptor; -1: by name again.
void h5_driver_use(int fd);
// errno of the last file that could not be opened, and of the first write that failed in the file closed last (0: none;
// told once).
int h5_driver_open_error(void);
int h5_driver_close_error(void);

#endif
