// The side of the parent; see h5_reader.h. Everything that the reading process sends is checked.
#include "hdf5/h5_reader.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/child.h"
#include "base/memory.h"
#include "hdf5/h5_internal.h"
#include "hdf5/h5_stored.h"
#include "hdf5/hdf5_glue.h"

typedef struct open_file {
  char *path;
  uint64_t bytes;
} open_file;

struct h5_reader {
  child *process;
  pthread_mutex_t lock;
  open_file *files; // [n]
  size_t cap;
  int32_t n;
  bool lost; // it sent an invalid answer, and where the next one begins is not known
};

status reader_start(h5_reader **out) {
  *out = NULL;
  h5_reader *r;
  TRY(mem_new(&r, 1, sizeof *r, "a reader of HDF5 files"));
  pthread_mutex_init(&r->lock, NULL);
  h5_lock(); // so that no other thread is inside the library during the fork
  const status rc = child_start(&r->process, "the process that reads it", h5_serve, NULL);
  h5_unlock();
  if (rc != OK) {
    reader_stop(r);
    return rc;
  }
  *out = r;
  return OK;
}

void reader_stop(h5_reader *r) {
  if (r == NULL) return;
  child_stop(r->process);
  for (int32_t i = 0; i < r->n; i++) free(r->files[i].path);
  free(r->files);
  pthread_mutex_destroy(&r->lock);
  free(r);
}

static status not_credible(h5_reader *r, const char *path) {
  r->lost = true;
  return fail(ERR_FORMAT, "%s: the process that reads it sent an invalid answer", path);
}

static status dead(const char *path) {
  return fail_prefix(ERR_FORMAT, "%s cannot be read", path);
}

// Receives a reply; an error of the reading process becomes ours.
static status receive_reply(h5_reader *r, const char *path, reader_reply *reply) {
  char text[2048];
  if (child_receive(r->process, reply, sizeof *reply) != OK) return dead(path);
  if (reply->rc == OK) return OK;
  if (reply->rc < 0 || reply->rc >= STATUS_COUNT || reply->bytes >= sizeof text) return not_credible(r, path);
  if (child_receive(r->process, text, reply->bytes) != OK) return dead(path);
  text[reply->bytes] = '\0';
  return fail((status)reply->rc, "%s", text);
}

static status send_request(h5_reader *r, const reader_request *q, const char *path) {
  if (r->lost) return not_credible(r, path);
  return child_send(r->process, q, sizeof *q) == OK ? OK : dead(path);
}

static status ask(h5_reader *r, const reader_request *q, const char *path, reader_reply *reply) {
  TRY(send_request(r, q, path));
  return receive_reply(r, path, reply);
}

static status open_locked(h5_reader *r, const char *path, const char *schema, int64_t version) {
  struct stat st;
  reader_reply reply;
  reader_request *q = NULL;
  char *copy = NULL;
  status rc = OK;
  if (stat(path, &st) != 0)
    return fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode)) return fail(ERR_FORMAT, "%s is not a regular file", path);
  if (strlen(path) >= sizeof q->path) return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  TRY(mem_grow(&r->files, &r->cap, (size_t)r->n + 1, sizeof *r->files, "a list of files"));
  TRY_GOTO(mem_strdup(&copy, path), done);
  TRY_GOTO(mem_new(&q, 1, sizeof *q, "a request"), done);
  q->what = REQUEST_OPEN;
  q->version = version;
  strcpy(q->path, path);
  snprintf(q->schema, sizeof q->schema, "%s", schema);
  TRY_GOTO(ask(r, q, path, &reply), done);
  r->files[r->n++] = (open_file){copy, (uint64_t)st.st_size};
  copy = NULL;
done:
  free(q);
  free(copy);
  return rc;
}

// A chunk at a time: packed, unpacked, unshuffled.
double reader_memory(double rows, size_t bytes_each) {
  return 3.0 * (double)bytes_each * (rows < H5_CHUNK ? rows : H5_CHUNK);
}

status reader_open(h5_reader *r, const char *path, const char *schema, int64_t version, int32_t *file) {
  pthread_mutex_lock(&r->lock);
  *file = r->n;
  const status rc = open_locked(r, path, schema, version);
  pthread_mutex_unlock(&r->lock);
  return rc;
}

static void compose(reader_request *q, int32_t what, int32_t file, const char *name, h5_kind kind, int ndim) {
  memset(q, 0, sizeof *q);
  q->what = what;
  q->file = file;
  q->kind = (int32_t)kind;
  q->ndim = ndim;
  snprintf(q->name, sizeof q->name, "%s", name);
}

status reader_dims(h5_reader *r, int32_t file, const char *name, h5_kind kind, int ndim, int64_t dims[]) {
  reader_request q;
  reader_reply reply;
  compose(&q, REQUEST_DIMS, file, name, kind, ndim);
  pthread_mutex_lock(&r->lock);
  const open_file f = r->files[file];
  const status rc = ask(r, &q, f.path, &reply);
  pthread_mutex_unlock(&r->lock);
  TRY(rc);
  uint64_t bytes = kind_bytes(q.kind);
  const bool fits = !__builtin_mul_overflow(bytes, reply.dims[0], &bytes) &&
                    !__builtin_mul_overflow(bytes, reply.dims[1], &bytes) &&
                    reply.dims[0] <= INT64_MAX / KIND_BYTES_MOST &&
                    reply.dims[1] <= INT64_MAX / KIND_BYTES_MOST;
  if (!fits || bytes / DEFLATE_RATIO > f.bytes)
    return fail(ERR_FORMAT, "%s: dataset \"%s\" is larger than this file can hold", f.path, name);
  for (int i = 0; i < ndim; i++) dims[i] = (int64_t)reply.dims[i];
  return OK;
}

// Receives pieces until all rows are there.
static status receive_rows(h5_reader *r, const char *path, char *to, size_t bytes) {
  while (bytes > 0) {
    reader_reply reply;
    TRY(receive_reply(r, path, &reply));
    if (reply.bytes == 0 || reply.bytes > bytes) return not_credible(r, path);
    if (child_receive(r->process, to, reply.bytes) != OK) return dead(path);
    to += reply.bytes;
    bytes -= reply.bytes;
  }
  return OK;
}

status reader_rows(h5_reader *r, int32_t file, const char *name, h5_kind kind, int ndim, int64_t first,
                   int64_t rows, int64_t columns, void *data) {
  reader_request q;
  if (rows == 0 || columns == 0) return OK;
  compose(&q, REQUEST_ROWS, file, name, kind, ndim);
  q.first = first;
  q.rows = rows;
  q.columns = columns;
  pthread_mutex_lock(&r->lock);
  const char *path = r->files[file].path;
  status rc = send_request(r, &q, path);
  if (rc == OK) rc = receive_rows(r, path, data, (size_t)rows * (size_t)columns * kind_bytes(q.kind));
  pthread_mutex_unlock(&r->lock);
  return rc;
}
