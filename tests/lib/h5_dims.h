// The shape of a dataset that a test reads.
#ifndef SOUK_TESTS_H5_DIMS_H
#define SOUK_TESTS_H5_DIMS_H

#include "hdf5/hdf5_glue.h"

// Its dimensions; ERR_FORMAT unless it exists with `ndim` dimensions and a type of the same class and size.
status h5_dims(hid_t file, const char *path, const char *name, hid_t type, int ndim, hsize_t *dims);

#endif
