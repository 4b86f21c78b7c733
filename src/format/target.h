// What kind of thing an output's path is. A regular file, existing or new, is written under a temporary name and
// renamed (temporary.h). Anything else (a pipe, a device, a terminal, one of this process's own descriptors) is a
// stream: bytes go straight through it, and it stays what it is. Symbolic links are followed, so the link stays and
// its file is replaced.
//
// Functions of src/format return 0 or an errno, as the trainer and the inference module word their errors differently.
#ifndef SOUK_FORMAT_TARGET_H
#define SOUK_FORMAT_TARGET_H

#include <limits.h>
#include <stdbool.h>

typedef enum target_kind { TARGET_FILE, TARGET_STREAM, TARGET_DIRECTORY } target_kind;

typedef struct target {
  target_kind kind;
  bool exists;
  bool fifo;           // of a stream: opening it waits for a reader
  int descriptor;      // of a stream: this process's descriptor that the path names; -1: the path is opened
  char path[PATH_MAX]; // with the last component's links followed
} target;

// A link to a missing file stands for the file that would be made there. ELOOP: links in a circle. EACCES: also a
// link that the system does not let us follow (another user's, in a directory like /tmp).
int target_find(target *t, const char *path);

// Opens a stream for writing. ENXIO for a fifo without a reader, unless `wait`.
int target_open_stream(const target *t, bool wait, int *fd);

// Do both stand for the same place? (Two outputs of one command must not.) Of streams only pipes count.
bool target_same(const target *a, const target *b);

// The directory that a path lies in: "." for a plain name.
void path_parent(char parent[PATH_MAX], const char *path);

#endif
