// Moving finished outputs into their places; see temporary.h.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "format/format_internal.h"
#include "format/target.h"

enum { ATTEMPTS = 16 };

static int sync_fd(int fd) {
  if (!faulty(TEMPORARY_FSYNC) && fsync(fd) == 0) return 0;
  return errno == EINVAL ? 0 : errno; // some file systems have no fsync of directories
}

// fsync of the directory that `path` is in.
static int parent_sync(const char *path) {
  char parent[PATH_MAX];
  path_parent(parent, path);
  const int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == EACCES ? 0 : errno; // a directory that we may write to but not read
  const int error = sync_fd(fd);
  close(fd);
  return error;
}

static int move(const char *from, const char *to) {
  return !faulty(TEMPORARY_RENAME) && rename(from, to) == 0 ? 0 : errno;
}

static int move_in(temporary *t) {
  const int error = move(t->name, t->path);
  t->in_place = error == 0;
  return error;
}

static int close_only(temporary *t) {
  const int error = close(t->fd) == 0 ? 0 : errno;
  t->fd = -1;
  return error;
}

int temporary_publish(temporary *t) {
  int error = sync_fd(t->fd);
  if (error == 0) error = move_in(t);
  if (error != 0) {
    temporary_drop(t);
    return error;
  }
  error = parent_sync(t->path);
  const int closed = close_only(t);
  return error != 0 ? error : closed;
}

int tree_discard(const char *path) {
  char name[PATH_MAX], tag[17];
  make_tag(tag);
  int error = marked_name(name, path, MARK_TMP, tag);
  if (error == 0) error = move(path, name);
  return error == 0 ? tree_remove(name) : error;
}

// Locks the file or directory at `path` while it is moved aside, so that no other process removes it as a leftover.
static int lock_path(const char *path) {
  const int fd = open_to_lock(path);
  if (fd >= 0) flock(fd, LOCK_EX | LOCK_NB); // if this fails we go on, as on a file system without locks
  return fd;
}

static void unlock_path(int fd) {
  if (fd >= 0) close(fd);
}

// ---- pairs ---------------------------------------------------------------------------------------------------

static bool is_regular(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

// Is the file at the final path the one that we wrote?
static bool is_ours(const temporary *t) {
  struct stat a, b;
  return fstat(t->fd, &a) == 0 && lstat(t->path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Publishes the new names if the data in place are still ours. If another process has published its pair meanwhile,
// that pair is newer, and our names are dropped.
static int publish_names(const temporary *data, temporary *names) {
  if (!is_ours(data)) return 0;
  const int error = move_in(names);
  if (error == 0 && !is_ours(data) && is_ours(names)) unlink(names->path);
  return error;
}

// The old names are moved away first and the new ones come last, with a sync after each step. Wherever this is
// interrupted, the data have their own names or none.
static int publish_pair(temporary *data, temporary *names, const char *names_path, const char *old) {
  bool had = is_regular(names_path);
  int error = sync_fd(data->fd);
  if (error == 0 && names != NULL) error = sync_fd(names->fd);
  if (error == 0 && had) error = move(names_path, old);
  if (error == ENOENT && had && !is_regular(names_path)) { // another process has moved them aside
    had = false;
    error = 0;
  }
  if (error != 0) return error;
  if (had) error = parent_sync(old);
  if (error == 0) error = move_in(data);
  if (error != 0) {
    if (had && !is_regular(names_path)) move(old, names_path);
    return error;
  }
  error = parent_sync(data->path);
  if (error == 0 && names != NULL) error = publish_names(data, names);
  if (had) unlink(old);
  const int synced = parent_sync(names_path);
  return error != 0 ? error : synced;
}

int temporary_publish_pair(temporary *data, temporary *names, const char *names_path) {
  char old[PATH_MAX];
  int error = marked_name(old, names_path, MARK_OLD, data->tag);
  if (error == 0) {
    const int lock = lock_path(names_path);
    error = publish_pair(data, names, names_path, old);
    unlock_path(lock);
  }
  if (names != NULL) temporary_drop(names); // does nothing if they are in place
  // The old names could not be put back: the new data stay beside them, so that recover_names can find out whether they
  // fit.
  if (error != 0 && !data->in_place && is_regular(old))
    close_only(data);
  else
    temporary_drop(data);
  return error;
}

// ---- directories ---------------------------------------------------------------------------------------------

static bool is_occupied(int error) {
  return error == EEXIST || error == ENOTEMPTY;
}

static bool cannot_exchange(int error) {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

static int exchange(temporary *t) {
  if (faulty(TEMPORARY_EXCHANGE) || faulty(TEMPORARY_RENAME)) return errno;
  if (renameat2(AT_FDCWD, t->name, AT_FDCWD, t->path, RENAME_EXCHANGE) != 0) return errno;
  t->in_place = true;
  return 0;
}

// Replaces in two steps. Between them nothing is at the path, and if we die there, leftovers_recover puts the old
// directory back. EEXIST: another process has put a directory there meanwhile.
static int replace_in_two_steps(temporary *t, char aside[PATH_MAX]) {
  char old[PATH_MAX];
  int error = marked_name(old, t->path, MARK_OLD, t->tag);
  const int lock = lock_path(t->path);
  if (error == 0) error = move(t->path, old);
  if (error == 0) {
    error = move_in(t);
    if (error == 0)
      rename(old, t->name); // as after an exchange, temporary_drop then removes it
    else if (rename(old, t->path) != 0 && is_occupied(errno))
      tree_remove(old);
    else if (access(old, F_OK) == 0)
      strcpy(aside, old);
  }
  unlock_path(lock);
  return error;
}

int temporary_publish_directory(temporary *t, bool replace, char aside[PATH_MAX]) {
  aside[0] = '\0';
  int error = sync_fd(t->fd);
  for (int i = 0; error == 0 && i < ATTEMPTS; i++) {
    error = move_in(t); // over nothing, or an empty directory
    if (!is_occupied(error) || !replace) break;
    error = exchange(t);
    if (cannot_exchange(error)) error = replace_in_two_steps(t, aside);
    if (error == 0) break;
    // The directory at the path has gone, or another has come, since we looked: try again.
    if (aside[0] == '\0' && (error == ENOENT || is_occupied(error))) error = 0;
  }
  if (error == 0) error = parent_sync(t->path);
  temporary_drop(t); // the replaced directory, or ours after an error
  return error;
}
