// What an output's path stands for; see target.h.
#include "format/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MOST_LINKS = 40 }; // the kernel's limit

void path_parent(char parent[PATH_MAX], const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL)
    strcpy(parent, ".");
  else
    snprintf(parent, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

// N for /dev/fd/N, /proc/self/fd/N and the like; -1 for other paths. Such a path must not be opened again: that would
// write from the start of a file which the shell or a parent has already written to, and a socket cannot be opened at
// all.
static int own_descriptor(const char *path) {
  char parent[PATH_MAX], real[PATH_MAX], process[32];
  path_parent(parent, path);
  const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
  if (name[0] == '\0' || strlen(name) > 6 || strspn(name, "0123456789") != strlen(name)) return -1;
  if (realpath(parent, real) == NULL) return -1;
  snprintf(process, sizeof process, "/proc/%ld/", (long)getpid());
  const size_t n = strlen(real);
  if (strncmp(real, process, strlen(process)) != 0 || strcmp(real + n - 3, "/fd") != 0) return -1;
  const int fd = atoi(name);
  return fcntl(fd, F_GETFD) >= 0 ? fd : -1;
}

// The links in /proc lead to open files, which their text need not name.
static bool is_on_proc(const char *path) {
  char parent[PATH_MAX];
  struct statfs fs;
  path_parent(parent, path);
  return statfs(parent, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

// Replaces `path` by the path that the link there leads to.
static int follow(char path[PATH_MAX]) {
  char text[PATH_MAX], next[2 * PATH_MAX];
  const ssize_t n = readlink(path, text, sizeof text - 1);
  if (n < 0) return errno;
  text[n] = '\0';
  const char *slash = strrchr(path, '/');
  const int dir = slash != NULL && text[0] != '/' ? (int)(slash + 1 - path) : 0;
  snprintf(next, sizeof next, "%.*s%s", dir, path, text);
  if (strlen(next) >= PATH_MAX) return ENAMETOOLONG;
  strcpy(path, next);
  return 0;
}

// A directory may be named "." or end in "..", and a temporary cannot be made beside such a name.
static void name_directory(char path[PATH_MAX]) {
  char real[PATH_MAX];
  const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
  if ((name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) && realpath(path, real) != NULL)
    strcpy(path, real);
}

static void classify(target *t, const struct stat *st, bool as_stream) {
  t->exists = true;
  if (S_ISDIR(st->st_mode)) name_directory(t->path);
  t->fifo = S_ISFIFO(st->st_mode);
  t->kind = S_ISDIR(st->st_mode)                 ? TARGET_DIRECTORY
            : S_ISREG(st->st_mode) && !as_stream ? TARGET_FILE
                                                 : TARGET_STREAM;
}

int target_find(target *t, const char *path) {
  struct stat st;
  *t = (target){.kind = TARGET_FILE, .descriptor = -1};
  if (path[0] == '\0') return ENOENT;
  if (strlen(path) >= PATH_MAX) return ENAMETOOLONG;
  strcpy(t->path, path);
  for (int links = 0; links <= MOST_LINKS; links++) {
    t->descriptor = own_descriptor(t->path);
    if (t->descriptor >= 0 && fstat(t->descriptor, &st) == 0) {
      classify(t, &st, true);
      return 0;
    }
    if (lstat(t->path, &st) != 0) {
      const char last = t->path[strlen(t->path) - 1];
      return errno != ENOENT ? errno : last == '/' ? EISDIR : 0; // a place for a new file
    }
    if (!S_ISLNK(st.st_mode)) {
      classify(t, &st, false);
      return 0;
    }
    // stat makes the system follow the link too: in shared directories such as /tmp it refuses links of other users.
    const bool leads_somewhere = stat(t->path, &st) == 0;
    if (!leads_somewhere && errno != ENOENT) return errno;
    if (leads_somewhere && is_on_proc(t->path)) {
      classify(t, &st, true);
      return 0;
    }
    const int error = follow(t->path);
    if (error != 0) return error;
  }
  return ELOOP;
}

int target_open_stream(const target *t, bool wait, int *fd) {
  if (t->descriptor >= 0) {
    *fd = fcntl(t->descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return *fd >= 0 ? 0 : errno;
  }
  *fd = open(t->path, O_WRONLY | O_NOCTTY | O_CLOEXEC | (wait ? 0 : O_NONBLOCK));
  if (*fd < 0) return errno;
  if (wait || fcntl(*fd, F_SETFL, O_WRONLY) == 0) return 0; // only opening must not wait; writes may
  const int error = errno;
  close(*fd);
  return error;
}

bool target_same(const target *a, const target *b) {
  char x[PATH_MAX], y[PATH_MAX];
  struct stat p, q;
  if (a->kind == TARGET_STREAM || b->kind == TARGET_STREAM) // a terminal or /dev/null may have both
    return a->fifo && b->fifo && stat(a->path, &p) == 0 && stat(b->path, &q) == 0 && p.st_dev == q.st_dev &&
           p.st_ino == q.st_ino;
  path_parent(x, a->path);
  path_parent(y, b->path);
  const char *name = strrchr(a->path, '/'), *other = strrchr(b->path, '/');
  return strcmp(name != NULL ? name + 1 : a->path, other != NULL ? other + 1 : b->path) == 0 &&
         stat(x, &p) == 0 && stat(y, &q) == 0 && p.st_dev == q.st_dev && p.st_ino == q.st_ino;
}
