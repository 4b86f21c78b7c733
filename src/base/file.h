// Files that exist whole or not at all, and checksums.
#ifndef SOUK_BASE_FILE_H
#define SOUK_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

// Writes beside the target (PATH.tmp.PID), fsyncs and renames over it on commit.
typedef struct out_file out_file;
status out_open(out_file **out, const char *path);
// The temporary path, for libraries that write by name (HDF5, gzip): they write there, then out_commit().
const char *out_path(const out_file *f);
status out_write(out_file *f, const void *data, size_t bytes);
__attribute__((format(printf, 2, 3))) status out_printf(out_file *f, const char *format, ...);
status out_commit(out_file *f); // frees f in every case; on failure the temporary file is gone
void out_abort(out_file *f);    // removes the temporary file; f may be NULL

status file_write_atomic(const char *path, const void *data, size_t bytes);
status file_copy(const char *from, const char *to); // atomic like the above, in bounded memory
status file_sync(const char *path);                 // fsync of a file that a library has written by name
status path_rename(const char *from, const char *to);

// A file of lines that grows: each line is written at once, whole or not at all (a line that the disk has no room
// for is taken back), so that a killed process leaves at most its last line cut short.
typedef struct append_file append_file;
status append_open(append_file **out, const char *path, bool truncate);
status append_write(append_file *f, const void *data, size_t bytes);
status append_sync(append_file *f);
status append_close(append_file *f); // NULL is safe

// Reads a whole file of at most max_bytes; *data is NUL-terminated beyond its *bytes; freed with free().
status file_read(const char *path, size_t max_bytes, char **data, size_t *bytes);
bool file_exists(const char *path);
bool dir_exists(const char *path);
status dir_make(const char *path);   // with parents; fine if it exists
status dir_sync(const char *path);   // fsync of the directory, after renames
status dir_remove(const char *path); // a directory and all in it
// SHA-256 of a whole file as lower-case hex; *bytes (may be NULL) gets its size.
status file_sha256(const char *path, char hex[65], uint64_t *bytes);
// DIR "/" NAME into buf; ERR_ARGUMENT if it does not fit.
status path_join(char *buf, size_t size, const char *dir, const char *name);

// Lines of a plain or gzip file (told apart by content), of any length up to max_line bytes.
typedef struct line_reader line_reader;
status lines_open(line_reader **out, const char *path, size_t max_line);
// *line is without its newline (and without a CR before it), NUL-terminated, valid until the next call; *end
// is set instead at the end of the file. A NUL byte inside, an overlong line or a broken gzip stream is
// ERR_FORMAT and names file and line.
status lines_next(line_reader *r, char **line, size_t *bytes, bool *end);
int64_t lines_number(const line_reader *r);  // of the last line, from 1
double lines_progress(const line_reader *r); // share of the (compressed) file read
void lines_close(line_reader *r);

#endif
