// The process that reads HDF5 files. A file that crashes libhdf5 crashes this process only.
//
// It was forked by the thread that held the HDF5 lock, and has no other threads, so it calls the library without
// locking.
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/child.h"
#include "hdf5/h5_internal.h"
#include "hdf5/h5_stored.h"
#include "hdf5/hdf5_glue.h"

enum { SECONDS_A_REQUEST = 600, PIECE_BYTES = 4 << 20 };
#define MEMORY_BYTES (4ull << 30) // beside what came with the fork

typedef struct server {
  int channel;
  struct {
    hid_t file;
    char *path;
  } * files; // [n]
  size_t n;
  char *buffer;
  size_t cap;
} server;

// An open dataset.
typedef struct number_set {
  hid_t set, space;
  hsize_t dims[2], chunk_rows;
} number_set;

static hid_t kind_type(int32_t kind) {
  return kind == H5_KIND_U8    ? H5T_NATIVE_UINT8
         : kind == H5_KIND_I32 ? H5T_NATIVE_INT32
         : kind == H5_KIND_I64 ? H5T_NATIVE_INT64
                               : H5T_NATIVE_FLOAT;
}

// ---- datasets ------------------------------------------------------------------------------------------------

static status check_shape(const char *path, const reader_request *q, number_set *x) {
  const hid_t type = H5Dget_type(x->set), wanted = kind_type(q->kind);
  const bool same = H5Tget_class(type) == H5Tget_class(wanted) && H5Tget_size(type) == H5Tget_size(wanted);
  if (type >= 0) H5Tclose(type);
  x->dims[0] = 0;
  x->dims[1] = 1;
  if (x->space < 0 || H5Sget_simple_extent_ndims(x->space) != q->ndim ||
      H5Sget_simple_extent_dims(x->space, x->dims, NULL) != q->ndim)
    return fail(ERR_FORMAT, "%s: dataset \"%s\" does not have %d dimension(s)", path, q->name, q->ndim);
  return same ? OK : fail(ERR_FORMAT, "%s: dataset \"%s\" has the wrong type", path, q->name);
}

static void close_set(number_set *x) {
  if (x->space >= 0) H5Sclose(x->space);
  if (x->set >= 0) H5Dclose(x->set);
}

static status open_set(const server *s, const reader_request *q, number_set *x) {
  const char *path = s->files[q->file].path;
  *x = (number_set){.set = -1, .space = -1};
  TRY(h5_check_way(s->files[q->file].file, path, q->name));
  // H5Oopen and not H5Dopen, which fails without a reason if a group has that name.
  x->set = H5Oopen(s->files[q->file].file, q->name, H5P_DEFAULT);
  if (x->set < 0 || H5Iget_type(x->set) != H5I_DATASET) {
    if (x->set >= 0) H5Oclose(x->set);
    x->set = -1;
    return fail(ERR_FORMAT, "%s: \"%s\" cannot be opened as a dataset", path, q->name);
  }
  x->space = H5Dget_space(x->set);
  TRY(check_shape(path, q, x));
  return h5_check_stored(x->set, path, q->name, q->ndim, kind_bytes(q->kind), H5_FILTERS_OURS,
                         &x->chunk_rows);
}

// ---- requests ------------------------------------------------------------------------------------------------

static bool send_error(const server *s, status rc) {
  const char *text = fail_message();
  const reader_reply reply = {.rc = (int32_t)rc, .bytes = (uint32_t)strlen(text)};
  return channel_write(s->channel, &reply, sizeof reply) && channel_write(s->channel, text, reply.bytes);
}

static status open_file(server *s, const reader_request *q) {
  void *more = realloc(s->files, (s->n + 1) * sizeof *s->files);
  if (more == NULL) return fail(ERR_MEMORY, "out of memory: cannot open %s", q->path);
  s->files = more;
  s->files[s->n].path = strdup(q->path);
  if (s->files[s->n].path == NULL) return fail(ERR_MEMORY, "out of memory: cannot open %s", q->path);
  TRY(h5_open(&s->files[s->n].file, q->path, q->schema, q->version));
  s->n++;
  return OK;
}

static status read_piece(server *s, const reader_request *q, const number_set *x, hsize_t first,
                         hsize_t rows) {
  const size_t bytes = (size_t)(rows * x->dims[1]) * kind_bytes(q->kind);
  if (bytes > s->cap) {
    free(s->buffer);
    s->cap = 0;
    s->buffer = malloc(bytes);
    if (s->buffer == NULL)
      return fail(ERR_MEMORY, "out of memory: %zu bytes to read %s", bytes, s->files[q->file].path);
    s->cap = bytes;
  }
  const hsize_t start[2] = {first, 0}, count[2] = {rows, x->dims[1]};
  const hid_t memory = H5Screate_simple(q->ndim, count, NULL);
  const bool good = memory >= 0 &&
                    H5Sselect_hyperslab(x->space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                    H5Dread(x->set, kind_type(q->kind), memory, x->space, H5P_DEFAULT, s->buffer) >= 0;
  if (memory >= 0) H5Sclose(memory);
  return good ? OK : fail(ERR_FORMAT, "%s: dataset \"%s\" cannot be read", s->files[q->file].path, q->name);
}

// Pieces end at chunk boundaries, so that no chunk is inflated twice. *sent is false when the parent has gone.
static status send_rows(server *s, const reader_request *q, const number_set *x, bool *sent) {
  const hsize_t first = (hsize_t)q->first, rows = (hsize_t)q->rows, all = x->dims[0];
  const size_t row_bytes = (size_t)x->dims[1] * kind_bytes(q->kind);
  if (x->dims[1] != (hsize_t)q->columns || first > all || rows > all - first ||
      row_bytes > H5_CHUNK_BYTES_MOST)
    return fail(ERR_FORMAT, "%s: dataset \"%s\" does not have the rows asked for", s->files[q->file].path,
                q->name);
  hsize_t step = row_bytes > 0 ? PIECE_BYTES / row_bytes : 0;
  if (step < 1) step = 1;
  for (hsize_t at = first, end; at < first + rows; at = end) {
    end = (at + step + x->chunk_rows - 1) / x->chunk_rows * x->chunk_rows;
    if (end > first + rows) end = first + rows;
    TRY(read_piece(s, q, x, at, end - at));
    const reader_reply reply = {.bytes = (uint32_t)((end - at) * row_bytes)};
    *sent =
        channel_write(s->channel, &reply, sizeof reply) && channel_write(s->channel, s->buffer, reply.bytes);
    if (!*sent) return OK;
  }
  return OK;
}

static bool answer(server *s, const reader_request *q) {
  bool sent = true;
  reader_reply reply = {.rc = OK};
  status rc;
  if (q->what == REQUEST_OPEN) {
    rc = open_file(s, q);
  } else {
    number_set x;
    rc = open_set(s, q, &x);
    reply.dims[0] = x.dims[0];
    reply.dims[1] = x.dims[1];
    if (rc == OK && q->what == REQUEST_ROWS) rc = send_rows(s, q, &x, &sent);
    close_set(&x);
  }
  if (rc != OK) return send_error(s, rc);
  return q->what == REQUEST_ROWS ? sent : channel_write(s->channel, &reply, sizeof reply);
}

void h5_serve(void *self, int channel) {
  (void)self;
  server s = {.channel = channel};
  reader_request q;
  h5_limit_process(MEMORY_BYTES);
  while (channel_read(channel, &q, sizeof q)) {
    child_time_limit(SECONDS_A_REQUEST);
    if (!answer(&s, &q)) return;
  }
}
