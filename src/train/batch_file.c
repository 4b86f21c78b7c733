// Batches in a file; see batch_file.h.
#include "train/batch_file.h"

#include <stdio.h>
#include "base/file.h"

static hid_t type_of(const batch_field *f) {
  return f->real ? H5T_IEEE_F32LE : f->size == sizeof(int64_t) ? H5T_STD_I64LE : H5T_STD_I32LE;
}

status batch_fields_write(hid_t file, const char *path, const char *group, const batch *b) {
  for (int i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const hsize_t n = batch_elements(f, b->live);
    char name[96];
    snprintf(name, sizeof name, "%s/%s", group, f->name);
    TRY(h5_write(file, path, name, type_of(f), 1, &n, batch_array(&b->arrays, f), 0));
  }
  return OK;
}

// The batcher is asked without the lock, because its thread takes it to read.
static status write_next(hid_t file, const char *path, batcher *from, int64_t step, int64_t micro) {
  const batch *b;
  char group[64];
  TRY(batcher_next(from, &b));
  snprintf(group, sizeof group, "step-%lld/micro-%lld", (long long)step, (long long)micro);
  h5_lock();
  const status rc = batch_fields_write(file, path, group, b);
  h5_unlock();
  return rc;
}

static status write_all(out_file *f, const char *path, batcher *b, int64_t steps, int64_t micros) {
  hid_t file;
  h5_lock();
  status rc = h5_create_in(&file, out_descriptor(f), path, "souk.batches", 1);
  h5_unlock();
  if (rc != OK) return rc;
  for (int64_t i = 0; rc == OK && i < steps; i++)
    for (int64_t k = 0; rc == OK && k < micros; k++) rc = write_next(file, path, b, i, k);
  h5_lock();
  rc = h5_finish(file, path, rc);
  h5_unlock();
  return rc;
}

status batch_file_write(const char *path, batcher *b, int64_t steps, int64_t micros) {
  out_file *f;
  TRY(out_open(&f, path));
  return out_finish(f, write_all(f, path, b, steps, micros));
}
