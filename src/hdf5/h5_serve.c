// The process that reads HDF5 files. A file that crashes libhdf5 crashes this process only.
//
// It was forked by the thread that held the HDF5 lock, and has no other threads, so it calls the library without
// locking.
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/child.h"
#include "hdf5/h5_internal.h"
#include "hdf5/hdf5_glue.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { SECONDS_A_REQUEST = 600, PIECE_BYTES = 4 << 20, CHUNK_BYTES_MOST = 256 << 20, MAX_DEPTH = 8 };
#define MEMORY_BYTES ((rlim_t)4 << 30)

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

// ---- limits
// --------------------------------------------------------------------------------------------------

static void limit(int what, rlim_t most) {
  const struct rlimit l = {most, most};
  setrlimit((__rlimit_resource_t)what, &l);
}

// Limits: the memory that came with the fork and 4 GiB more; no written files. Not with sanitizers, which reserve
// more address space than any limit.
static void set_limits(void) {
  signal(SIGXFSZ, SIG_IGN);
#ifndef SOUK_COVERAGE // coverage writes its counters to files
  limit(RLIMIT_FSIZE, 0);
#endif
#ifndef SANITIZED
  unsigned long pages = 0;
  FILE *f = fopen("/proc/self/statm", "re");
  if (f == NULL) return;
  if (fscanf(f, "%lu", &pages) == 1) limit(RLIMIT_AS, (rlim_t)pages * 4096 + MEMORY_BYTES);
  fclose(f);
#endif
}

// ---- datasets
// ------------------------------------------------------------------------------------------------

// Is every link on the path a hard link? Soft links may lead nowhere, external links into other files.
static status check_way(const server *s, const reader_request *q) {
  const hid_t file = s->files[q->file].file;
  const char *path = s->files[q->file].path;
  char part[READER_NAME];
  int depth = 0;
  for (const char *p = q->name, *stop; p != NULL; p = *stop != '\0' ? stop + 1 : NULL) {
    stop = strchrnul(p, '/');
    H5L_info_t link;
    snprintf(part, sizeof part, "%.*s", (int)(stop - q->name), q->name);
    if (++depth > MAX_DEPTH || H5Lexists(file, part, H5P_DEFAULT) <= 0)
      return fail(ERR_FORMAT, "%s: dataset \"%s\" is missing", path, q->name);
    if (H5Lget_info(file, part, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
      return fail(ERR_FORMAT, "%s: \"%s\" is a link, which Souk does not write", path, part);
  }
  return OK;
}

static status check_filters(const char *path, const char *name, hid_t plist) {
  const int n = H5Pget_nfilters(plist);
  for (int i = 0; i < n; i++) {
    unsigned flags, config;
    size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
      return fail(ERR_FORMAT, "%s: dataset \"%s\" is stored through a filter that Souk does not use", path,
                  name);
  }
  return n >= 0 ? OK : fail(ERR_FORMAT, "%s: dataset \"%s\" cannot be opened", path, name);
}

static status check_storage(const char *path, const reader_request *q, hid_t plist, number_set *x) {
  const H5D_layout_t layout = H5Pget_layout(plist);
  hsize_t chunk[2] = {1, 1};
  if ((layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) ||
      H5Pget_external_count(plist) > 0)
    return fail(ERR_FORMAT, "%s: dataset \"%s\" is not stored in the file itself", path, q->name);
  if (layout == H5D_CHUNKED) {
    const uint64_t most = CHUNK_BYTES_MOST / kind_bytes(q->kind);
    if (H5Pget_chunk(plist, 2, chunk) != q->ndim || chunk[0] < 1 || chunk[1] < 1 || chunk[0] > most ||
        chunk[1] > most / chunk[0])
      return fail(ERR_FORMAT, "%s: dataset \"%s\" has chunks that Souk does not write", path, q->name);
    TRY(check_filters(path, q->name, plist));
  }
  x->chunk_rows = chunk[0];
  return OK;
}

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
  TRY(check_way(s, q));
  // H5Oopen and not H5Dopen, which fails without a reason if a group has that name.
  x->set = H5Oopen(s->files[q->file].file, q->name, H5P_DEFAULT);
  if (x->set < 0 || H5Iget_type(x->set) != H5I_DATASET) {
    if (x->set >= 0) H5Oclose(x->set);
    x->set = -1;
    return fail(ERR_FORMAT, "%s: \"%s\" cannot be opened as a dataset", path, q->name);
  }
  x->space = H5Dget_space(x->set);
  status rc = check_shape(path, q, x);
  const hid_t plist = rc == OK ? H5Dget_create_plist(x->set) : -1;
  if (rc == OK) rc = check_storage(path, q, plist, x);
  if (plist >= 0) H5Pclose(plist);
  return rc;
}

// ---- requests
// ------------------------------------------------------------------------------------------------

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
  if (x->dims[1] != (hsize_t)q->columns || first > all || rows > all - first || row_bytes > CHUNK_BYTES_MOST)
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
  set_limits();
  while (channel_read(channel, &q, sizeof q)) {
    child_time_limit(SECONDS_A_REQUEST);
    if (!answer(&s, &q)) return;
  }
}
