// See h5_dims.h.
#include "lib/h5_dims.h"

status h5_dims(hid_t file, const char *path, const char *name, hid_t type, int ndim, hsize_t *dims) {
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  if (set < 0) return fail(ERR_FORMAT, "%s: dataset \"%s\" is missing", path, name);
  const hid_t space = H5Dget_space(set), found = H5Dget_type(set);
  const bool shape = H5Sget_simple_extent_ndims(space) == ndim;
  const bool kind = H5Tget_class(found) == H5Tget_class(type) && H5Tget_size(found) == H5Tget_size(type);
  if (shape) H5Sget_simple_extent_dims(space, dims, NULL);
  H5Tclose(found);
  H5Sclose(space);
  H5Dclose(set);
  if (!shape) return fail(ERR_FORMAT, "%s: dataset \"%s\" does not have %d dimension(s)", path, name, ndim);
  return kind ? OK : fail(ERR_FORMAT, "%s: dataset \"%s\" has the wrong type", path, name);
}
