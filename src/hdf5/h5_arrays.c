// Files of whole arrays; see h5_arrays.h.
#include "hdf5/h5_arrays.h"

#include "base/file.h"
#include "hdf5/hdf5_glue.h"

// Only with the lock: the names of types are calls of the library.
static hid_t type_of(h5_kind kind) {
  return kind == H5_KIND_U8    ? H5T_STD_U8LE
         : kind == H5_KIND_I32 ? H5T_STD_I32LE
         : kind == H5_KIND_I64 ? H5T_STD_I64LE
                               : H5T_IEEE_F32LE;
}

status h5_write_arrays(const char *path, const char *schema, const h5_array *arrays, int n, int deflate) {
  hid_t file;
  h5_lock();
  status rc = h5_create(&file, path, schema, 1);
  if (rc == OK) {
    for (int i = 0; rc == OK && i < n; i++) {
      const h5_array *a = &arrays[i];
      const hsize_t dims[2] = {(hsize_t)a->rows, (hsize_t)a->columns};
      rc = h5_write(file, path, a->name, type_of(a->kind), a->columns > 0 ? 2 : 1, dims, a->data, deflate);
    }
    rc = h5_finish(file, path, rc);
  }
  h5_unlock();
  return rc == OK ? file_sync(path) : rc;
}

// From 0 on and rising, so that no difference overflows.
status h5_check_offsets(const char *path, const char *name, const int64_t *offsets, int64_t n, int64_t end) {
  if (offsets[0] != 0 || offsets[n] != end)
    return fail(ERR_FORMAT, "%s: \"%s\" goes from %lld to %lld, not from 0 to %lld", path, name,
                (long long)offsets[0], (long long)offsets[n], (long long)end);
  for (int64_t i = 0; i < n; i++)
    if (offsets[i + 1] < offsets[i] || offsets[i + 1] - offsets[i] > INT32_MAX)
      return fail(ERR_FORMAT, "%s: \"%s\" at %lld is %lld, and behind it %lld", path, name, (long long)i,
                  (long long)offsets[i], (long long)offsets[i + 1]);
  return OK;
}
