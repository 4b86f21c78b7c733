// The few HDF5 calls that Souk needs, with errors reported by fail(). HDF5 itself is silenced, because it prints
// error stacks, and guarded by one lock, because not every build of it is thread-safe.
//
// Files are reproducible: no times, no tracking, zero-filled padding.
#ifndef SOUK_HDF5_HDF5_GLUE_H
#define SOUK_HDF5_HDF5_GLUE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

enum { H5_CHUNK = 1 << 18 }; // elements of a chunk that h5_write makes, at most

void h5_lock(void); // also silences the library, once
void h5_unlock(void);
// Order of locks. A thread that takes several takes them from left to right:
//   the batcher's (batcher.c; it is let go while a batch is made)
//   -> a reader's (h5_reader.c, nvidia_shards.c; held while its process is asked) -> HDF5's.
// HDF5's is the last one: who holds it waits for no other thread, because that one may be waiting for HDF5. The batcher's
// thread is waited for in batcher_next and batcher_close, the saver's (it has no lock, and takes HDF5's tensor by tensor) in
// saver_save, saver_poll, saver_wait and saver_close. Those that return a status call this first: ERR_INTERNAL when the
// calling thread holds HDF5's lock; `what` says who would wait.
status h5_check_unlocked(const char *what);

// The caller of these holds the lock. `path` and `name` are for messages.
// Creates a file, which must not exist yet.
status h5_create(hid_t *file, const char *path, const char *schema, int64_t version);
// Writes into a file that is open for reading and writing; the descriptor is copied.
status h5_create_in(hid_t *file, int fd, const char *path, const char *schema, int64_t version);
// Opens a file and checks its attributes; with the schema "", a file of anybody's, whatever it says of itself. Only for the process that reads (h5_reader.h).
status h5_open(hid_t *file, const char *path, const char *schema, int64_t version);
status h5_close(hid_t file, const char *path); // flushes; after an error the data may be incomplete
// Closes a file whose writing ended with `rc`. Of two errors the one of closing is returned: it is in the system's words
// ("No space left on device"), where a failed write says only that HDF5 could not.
status h5_finish(hid_t file, const char *path, status rc);
status h5_attribute_int(hid_t file, const char *name, int64_t value);
// A dataset of 1 or 2 dimensions, chunked, shuffle + deflate when level > 0; data may be NULL when dims[0] is 0.
status h5_write(hid_t file, const char *path, const char *name, hid_t type, int ndim, const hsize_t *dims,
                const void *data, int level);
// The same in two steps, for data that come in pieces: an empty one, then rows [first, first + count) of it.
status h5_create_rows(hid_t file, const char *path, const char *name, hid_t type, int ndim,
                      const hsize_t *dims, int level);
status h5_write_rows(hid_t file, const char *path, const char *name, hid_t type, hsize_t first, hsize_t count,
                     const void *data);
// Rows [first, first + count) of a 1-d dataset, or all of a 2-d one (first = 0, count = dims[0]).
status h5_read(hid_t file, const char *path, const char *name, hid_t type, hsize_t first, hsize_t count,
               void *data);
bool h5_exists(hid_t file, const char *name);

#endif
