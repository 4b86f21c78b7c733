// HDF5 calls that report errors by fail(); see hdf5_glue.h.
#include "hdf5/hdf5_glue.h"

#include <pthread.h>
#include <string.h>
#include "hdf5/hdf5_driver.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool held; // by this thread

void h5_lock(void) {
  pthread_mutex_lock(&lock);
  held = true;
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL); // per thread, so set each time
}

void h5_unlock(void) {
  held = false;
  pthread_mutex_unlock(&lock);
}

status h5_check_unlocked(const char *what) {
  return !held ? OK : fail(ERR_INTERNAL, "%s would wait for a thread while HDF5 is locked", what);
}

static status h5_error(const char *path, const char *what, const char *name) {
  return fail(ERR_IO, "%s: cannot %s \"%s\"", path, what, name);
}

static status create(hid_t *file, unsigned how, const char *path, const char *schema, int64_t version) {
  const hid_t access = h5_driver_access();
  *file = H5Fcreate(path, how, H5P_DEFAULT, access);
  if (access >= 0) H5Pclose(access);
  if (*file < 0) return fail(ERR_IO, "cannot create %s: %s", path, strerror(h5_driver_open_error()));
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, strlen(schema) + 1);
  const hid_t a = H5Acreate2(*file, "schema", type, space, H5P_DEFAULT, H5P_DEFAULT);
  const bool good = a >= 0 && H5Awrite(a, type, schema) >= 0;
  if (a >= 0) H5Aclose(a);
  H5Sclose(space);
  H5Tclose(type);
  status rc =
      good ? h5_attribute_int(*file, "version", version) : h5_error(path, "write attribute", "schema");
  if (rc != OK) H5Fclose(*file);
  return rc;
}

status h5_create(hid_t *file, const char *path, const char *schema, int64_t version) {
  return create(file, H5F_ACC_EXCL, path, schema, version);
}

status h5_create_in(hid_t *file, int fd, const char *path, const char *schema, int64_t version) {
  h5_driver_use(fd);
  const status rc = create(file, H5F_ACC_TRUNC, path, schema, version);
  h5_driver_use(-1);
  return rc;
}

status h5_attribute_int(hid_t file, const char *name, int64_t value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t a = H5Acreate2(file, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  const bool good = a >= 0 && H5Awrite(a, H5T_NATIVE_INT64, &value) >= 0;
  if (a >= 0) H5Aclose(a);
  H5Sclose(space);
  return good ? OK : fail(ERR_IO, "cannot write HDF5 attribute \"%s\"", name);
}

static status check_attributes(hid_t file, const char *path, const char *schema, int64_t version) {
  char text[64] = "";
  int64_t found = -1;
  hid_t a = H5Aexists(file, "schema") > 0 ? H5Aopen(file, "schema", H5P_DEFAULT) : -1;
  if (a >= 0) {
    const hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    const size_t n = H5Tget_size(type);
    if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 && n < sizeof text &&
        H5Sget_simple_extent_npoints(space) == 1)
      H5Aread(a, type, text);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(a);
  }
  a = H5Aexists(file, "version") > 0 ? H5Aopen(file, "version", H5P_DEFAULT) : -1;
  if (a >= 0) {
    const hid_t space = H5Aget_space(a);
    if (H5Sget_simple_extent_npoints(space) == 1) H5Aread(a, H5T_NATIVE_INT64, &found);
    H5Sclose(space);
    H5Aclose(a);
  }
  if (strcmp(text, schema) != 0)
    return fail(ERR_FORMAT, "%s: attribute \"schema\" is not \"%s\"", path, schema);
  if (found != version)
    return fail(ERR_FORMAT, "%s: version %lld is not supported; this build reads version %lld", path,
                (long long)found, (long long)version);
  return OK;
}

status h5_open(hid_t *file, const char *path, const char *schema, int64_t version) {
  *file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (*file < 0) return fail(ERR_FORMAT, "cannot open %s as an HDF5 file", path);
  const status rc = schema[0] != '\0' ? check_attributes(*file, path, schema, version) : OK;
  if (rc != OK) H5Fclose(*file);
  return rc;
}

status h5_close(hid_t file, const char *path) {
  const bool flushed = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0;
  const bool closed = H5Fclose(file) >= 0;
  const int error = h5_driver_close_error();
  if (error != 0) return fail(ERR_IO, "cannot write %s: %s", path, strerror(error));
  return flushed && closed ? OK : fail(ERR_IO, "cannot write %s: HDF5 reports an error", path);
}

status h5_finish(hid_t file, const char *path, status rc) {
  failure before;
  failure_keep(&before, rc);
  TRY(h5_close(file, path));
  return failure_raise(&before);
}

// Creates a dataset and leaves it open; negative if HDF5 fails.
static hid_t create_set(hid_t file, const char *name, hid_t type, int ndim, const hsize_t *dims, int level) {
  const hid_t space = H5Screate_simple(ndim, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_obj_track_times(plist, false);
  H5Pset_fill_time(plist, H5D_FILL_TIME_ALLOC);
  bool good = true;
  if (dims[0] > 0 && level > 0) {
    hsize_t chunk[2] = {dims[0], ndim > 1 ? dims[1] : 1};
    const hsize_t limit = ndim > 1 ? H5_CHUNK / (dims[1] > 0 ? dims[1] : 1) + 1 : H5_CHUNK;
    if (chunk[0] > limit) chunk[0] = limit;
    const hsize_t size = H5Tget_size(type), wide = size > 16 ? (1 << 22) / size + 1 : limit; // long strings
    if (chunk[0] > wide) chunk[0] = wide;
    good = H5Pset_chunk(plist, ndim, chunk) >= 0 && H5Pset_shuffle(plist) >= 0 &&
           H5Pset_deflate(plist, (unsigned)level) >= 0;
  }
  const hid_t set = good ? H5Dcreate2(file, name, type, space, links, plist, H5P_DEFAULT) : -1;
  H5Pclose(links);
  H5Pclose(plist);
  H5Sclose(space);
  return set;
}

status h5_write(hid_t file, const char *path, const char *name, hid_t type, int ndim, const hsize_t *dims,
                const void *data, int level) {
  const hid_t set = create_set(file, name, type, ndim, dims, level);
  bool good = set >= 0 && (dims[0] == 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  if (set >= 0 && H5Dclose(set) < 0) good = false;
  return good ? OK : h5_error(path, "write dataset", name);
}

status h5_create_rows(hid_t file, const char *path, const char *name, hid_t type, int ndim,
                      const hsize_t *dims, int level) {
  const hid_t set = create_set(file, name, type, ndim, dims, level);
  return set >= 0 && H5Dclose(set) >= 0 ? OK : h5_error(path, "create dataset", name);
}

status h5_write_rows(hid_t file, const char *path, const char *name, hid_t type, hsize_t first, hsize_t count,
                     const void *data) {
  if (count == 0) return OK;
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  if (set < 0) return h5_error(path, "open dataset", name);
  const hid_t space = H5Dget_space(set);
  hsize_t dims[2] = {0, 0}, start[2] = {first, 0};
  const int ndim = H5Sget_simple_extent_ndims(space);
  H5Sget_simple_extent_dims(space, dims, NULL);
  dims[0] = count;
  const hid_t memory = H5Screate_simple(ndim, dims, NULL);
  bool good = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, dims, NULL) >= 0 &&
              H5Dwrite(set, type, memory, space, H5P_DEFAULT, data) >= 0;
  H5Sclose(memory);
  H5Sclose(space);
  if (H5Dclose(set) < 0) good = false;
  return good ? OK : h5_error(path, "write dataset", name);
}

bool h5_exists(hid_t file, const char *name) {
  return H5Lexists(file, name, H5P_DEFAULT) > 0;
}

status h5_read(hid_t file, const char *path, const char *name, hid_t type, hsize_t first, hsize_t count,
               void *data) {
  if (count == 0) return OK;
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  if (set < 0) return fail(ERR_FORMAT, "%s: dataset \"%s\" is missing", path, name);
  const hid_t space = H5Dget_space(set);
  bool good;
  if (H5Sget_simple_extent_ndims(space) == 1) {
    const hid_t memory = H5Screate_simple(1, &count, NULL);
    good = H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &count, NULL) >= 0 &&
           H5Sselect_valid(space) > 0 && H5Dread(set, type, memory, space, H5P_DEFAULT, data) >= 0;
    H5Sclose(memory);
  } else {
    good = H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
  }
  H5Sclose(space);
  H5Dclose(set);
  return good ? OK : fail(ERR_FORMAT, "%s: dataset \"%s\" cannot be read", path, name);
}
