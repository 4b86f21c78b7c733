// Files that exist whole or not at all, and checksums.
#ifndef SOUK_BASE_FILE_H
#define SOUK_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/path_kind.h"
#include "base/status.h"

// A file that is written under a temporary name and renamed on commit, after fsync. If the path is a pipe, a device
// or a descriptor, the bytes go straight to it (src/format/target.h).
typedef struct out_file out_file;
status out_open(out_file **out, const char *path);
// The descriptor, for libraries that write by themselves (HDF5, gzip): they may dup it, and must not close it.
int out_descriptor(const out_file *f);
// Is the path something that can only be written from beginning to end, such as a pipe?
bool path_is_stream(const char *path);
status out_write(out_file *f, const void *data, size_t bytes);
__attribute__((format(printf, 2, 3))) status out_printf(out_file *f, const char *format, ...);
status out_commit(out_file *f); // frees f in every case; on failure the temporary file is gone
void out_abort(out_file *f);    // removes the temporary file; f may be NULL
// Commits if all went well until now (rc OK), else aborts and returns rc, whose sentence stays.
status out_finish(out_file *f, status rc);

// Do two paths stand for the same file?
bool path_same(const char *a, const char *b);
// For a command with several outputs, before its work: ERR_ARGUMENT names the first two that are one file. What it reads may be
// among them, as an output would replace it. Empty paths are passed over.
typedef struct named_path {
  const char *option, *path; // "--items"
} named_path;
status paths_check_distinct(const named_path *paths, size_t n);

// Two files that belong together and must never mismatch: the data, and the names of its rows if there are any (or another two of
// which the second means nothing without the first). A
// commit without names removes the file at names_path, because its names would not be those of the new data.
status out_open_data(out_file **out, const char *path, const char *names_path);
status out_open_names(out_file **out, const char *names_path, const out_file *data);
status out_commit_pair(out_file *data, out_file *names, const char *names_path); // frees both in every case

// A directory that is written under a temporary name and renamed when it is complete; one that it replaces is swapped
// with it in one step if the file system can. What a killed process left there is cleaned up first. Parents are made.
typedef struct out_dir out_dir;
// Whatever is at `path` is replaced only if it is empty or, with force, of the same kind (path_kind.h); with kind
// PATH_NOTHING always.
status out_dir_open(out_dir **out, const char *path, path_kind kind, bool force);
// Would it be? For commands that work for minutes before they open it.
status out_dir_check(const char *path, path_kind kind, bool force);
const char *out_dir_path(const out_dir *d); // where its files are written
status out_dir_commit(out_dir *d); // frees d in every case; after an error the old directory is unchanged
void out_dir_abort(out_dir *d); // removes the temporary and keeps the thread's error message; d may be NULL
status out_dir_finish(out_dir *d, status rc); // as out_finish

status file_write_atomic(const char *path, const void *data, size_t bytes);
status file_copy(const char *from, const char *to); // atomic like the above, in bounded memory
status file_sync(const char *path);                 // fsync of a file that a library has written by name
status path_rename(const char *from, const char *to);

// A file that grows line by line. Each line is one write, and a line that does not fit on the disk is removed again,
// so only a kill can leave an incomplete last line.
typedef struct append_file append_file;
typedef enum append_how {
  APPEND_TO,    // append to the file, or make it
  APPEND_ANEW,  // empty the file first
  APPEND_FRESH, // an error if it exists
} append_how;
status append_open(append_file **out, const char *path, append_how how);
status append_write(append_file *f, const void *data, size_t bytes);
status append_sync(append_file *f);
status append_close(append_file *f); // NULL is safe

// Reads a whole file of at most max_bytes; *data is NUL-terminated beyond its *bytes; freed with free().
status file_read(const char *path, size_t max_bytes, char **data, size_t *bytes);
// Is a regular file there? An error if it cannot be told, because a directory may not be entered, for example: that
// is not the same as absent.
status file_look(const char *path, bool *there);
bool file_exists(const char *path);
bool dir_exists(const char *path);
status dir_make(const char *path); // with parents; fine if it exists
// Locks a directory until *lock is closed or the process ends, however it ends. On a file system without locks there is none. ERR_ARGUMENT
// where another process has it: "PATH is in use: USE".
status dir_lock(int *lock, const char *path, const char *use);
status dir_sync(const char *path);   // fsync of the directory, after renames
status dir_remove(const char *path); // a directory and all in it
// The same, but renamed first, so that a removal that is cut short leaves nothing under the old name.
status dir_discard(const char *path);
// SHA-256 of a whole file as lower-case hex; *bytes (may be NULL) gets its size.
status file_sha256(const char *path, char hex[65], uint64_t *bytes);
// A path without its folders: what stands behind its last '/', in the path itself.
const char *path_name(const char *path);
// DIR "/" NAME into buf; ERR_ARGUMENT if it does not fit.
status path_join(char *buf, size_t size, const char *dir, const char *name);

// Lines of a file, of any length up to max_line bytes.
typedef struct line_reader line_reader;
// One of our own files: its bytes as they are.
status lines_open(line_reader **out, const char *path, size_t max_line);
// A file of somebody else, perhaps compressed or in another encoding, or a pipe; see byte_stream.h. how may be NULL.
struct byte_stream_how;
status lines_open_input(line_reader **out, const char *path, size_t max_line,
                        const struct byte_stream_how *how);
// *line is without its newline (and without a CR before it), NUL-terminated, valid until the next call; *end
// is set instead at the end of the file. A NUL byte inside, an overlong line or a broken stream is
// ERR_FORMAT and names file and line.
status lines_next(line_reader *r, char **line, size_t *bytes, bool *end);
int64_t lines_number(const line_reader *r); // of the last line, from 1
void lines_close(line_reader *r);

#endif
