// Makes unfinished outputs, and finds those whose process has died; see temporary.h.
#include "format/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "format/format_internal.h"
#include "format/target.h"

enum { MARK_BYTES = 10, TRIES = 64, DEEPEST = 64 };

bool (*temporary_fault)(temporary_operation operation);

bool faulty(temporary_operation operation) {
  return temporary_fault != NULL && temporary_fault(operation);
}

// ---- names ---------------------------------------------------------------------------------------------------

static const char *base_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

// Cuts the name before the mark so that all fits into 255 bytes, the limit of file systems.
static size_t kept_bytes(const char *base) {
  const size_t n = strlen(base), most = NAME_MAX - MARK_BYTES - TAG_DIGITS;
  return n < most ? n : most;
}

int marked_name(char name[PATH_MAX], const char *path, const char *mark, const char *tag) {
  const char *base = base_of(path);
  const int n = snprintf(name, PATH_MAX, "%.*s%.*s%s%s", (int)(base - path), path, (int)kept_bytes(base),
                         base, mark, tag);
  return n > 0 && n < PATH_MAX ? 0 : ENAMETOOLONG;
}

// Without random numbers tags may collide, and O_EXCL notices.
void make_tag(char tag[TAG_DIGITS + 1]) {
  uint64_t bits;
  if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != sizeof bits) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    bits = ((uint64_t)t.tv_nsec << 32 ^ (uint64_t)t.tv_sec ^ (uint64_t)getpid() << 16) * 0x9E3779B97F4A7C15u;
  }
  snprintf(tag, TAG_DIGITS + 1, "%016llx", (unsigned long long)bits);
}

bool temporary_is_name(const char *name, const char **mark) {
  const size_t n = strlen(name);
  if (n <= MARK_BYTES + TAG_DIGITS) return false;
  const char *at = name + n - MARK_BYTES - TAG_DIGITS;
  if (strncmp(at, MARK_TMP, MARK_BYTES) != 0 && strncmp(at, MARK_OLD, MARK_BYTES) != 0) return false;
  *mark = at;
  return strspn(at + MARK_BYTES, "0123456789abcdef") == TAG_DIGITS;
}

// ---- locks ---------------------------------------------------------------------------------------------------

typedef enum lock_state { LOCKED, IN_USE, NO_LOCKS } lock_state;

static lock_state lock(int fd) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return LOCKED;
  return errno == EWOULDBLOCK ? IN_USE : NO_LOCKS;
}

int open_to_lock(const char *path) {
  const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, fd = open(path, O_RDWR | flags);
  return fd >= 0 ? fd : open(path, O_RDONLY | flags);
}

// A process that cleans up may have removed it between its creation and the lock.
static bool is_still(int fd, const char *name) {
  struct stat a, b;
  return fstat(fd, &a) == 0 && lstat(name, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// ---- making and dropping -------------------------------------------------------------------------------------

static int create(temporary *t) {
  if (faulty(TEMPORARY_CREATE)) return errno;
  if (!t->is_directory) {
    t->fd = open(t->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    return t->fd >= 0 ? 0 : errno;
  }
  if (mkdir(t->name, 0777) != 0) return errno;
  t->fd = faulty(TEMPORARY_CREATE) ? -1 : open(t->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (t->fd >= 0) return 0;
  const int error = errno;
  rmdir(t->name);
  return error == ENOENT ? EEXIST : error; // removed by a process that cleans up: try another tag
}

int temporary_make(temporary *t, const char *path, bool directory, const temporary *like) {
  *t = (temporary){.fd = -1, .is_directory = directory};
  if (strlen(path) >= PATH_MAX) return ENAMETOOLONG;
  strcpy(t->path, path);
  for (int tries = 0; tries < TRIES; tries++) {
    if (like != NULL)
      strcpy(t->tag, like->tag);
    else
      make_tag(t->tag);
    int error = marked_name(t->name, path, MARK_TMP, t->tag);
    if (error == 0) error = create(t);
    if (error == 0 && lock(t->fd) != IN_USE && is_still(t->fd, t->name)) return 0;
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
    if (error != 0 && (error != EEXIST || like != NULL)) return error;
  }
  return EEXIST;
}

void temporary_drop(temporary *t) {
  if (t->fd < 0) return;
  tree_remove(t->name);
  close(t->fd); // releases the lock, so after the removal
  t->fd = -1;
}

// Empties a directory by its descriptor, which it closes. Names that are gone already are no error: two processes may
// clean up at once.
static int empty(int fd, int depth) {
  DIR *dir = fdopendir(fd);
  if (dir == NULL || depth > DEEPEST) {
    const int error = dir == NULL ? errno : ELOOP;
    dir == NULL ? close(fd) : closedir(dir);
    return error;
  }
  int error = 0;
  for (struct dirent *e; error == 0 && (e = readdir(dir)) != NULL;) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (unlinkat(fd, e->d_name, 0) == 0 || errno == ENOENT) continue;
    const int first = errno; // for a directory EISDIR, or EPERM by POSIX
    const int inner = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    error = inner >= 0 ? empty(inner, depth + 1) : errno == ENOENT ? 0 : first == EISDIR ? errno : first;
    if (error == 0 && unlinkat(fd, e->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT) error = errno;
  }
  closedir(dir);
  return error;
}

int tree_remove(const char *path) {
  if (unlink(path) == 0 || errno == ENOENT) return 0;
  const int first = errno;
  const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : first == EISDIR ? errno : first;
  const int error = empty(fd, 0);
  return error != 0 ? error : rmdir(path) == 0 || errno == ENOENT ? 0 : errno;
}

// ---- leftovers -----------------------------------------------------------------------------------------------

// Opens and locks an unfinished output. False: it is in use or gone, or that cannot be found out (*stuck).
static bool take_over(const char *name, int *fd, bool *is_directory, bool *stuck) {
  struct stat st;
  *stuck = false;
  *fd = open_to_lock(name);
  if (*fd < 0) {
    *stuck = errno == EACCES;
    return false;
  }
  const bool ours = fstat(*fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
  const lock_state state = ours ? lock(*fd) : IN_USE;
  *is_directory = S_ISDIR(st.st_mode);
  *stuck = state == NO_LOCKS;
  if (state == LOCKED && is_still(*fd, name)) return true;
  close(*fd);
  return false;
}

// Where to look for leftovers, and for which file of a pair.
typedef struct place {
  const char *path, *data_path; // data_path: the data that the names at `path` belong to; NULL: not a pair
} place;

typedef void (*leftover_action)(const place *p, const char *name, const char *tag, bool is_old,
                                leftovers *found);

static void each_leftover(const place *p, leftover_action action, leftovers *found) {
  char parent[PATH_MAX], name[PATH_MAX];
  const char *base = base_of(p->path), *mark;
  const size_t kept = kept_bytes(base);
  path_parent(parent, p->path);
  DIR *dir = opendir(parent);
  if (dir == NULL) return; // a directory that cannot be listed cannot be cleaned
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    if (strncmp(e->d_name, base, kept) != 0 || !temporary_is_name(e->d_name, &mark) ||
        mark != e->d_name + kept)
      continue;
    const bool is_old = strncmp(mark, MARK_OLD, MARK_BYTES) == 0;
    const char *tag = mark + MARK_BYTES;
    if (marked_name(name, p->path, is_old ? MARK_OLD : MARK_TMP, tag) == 0)
      action(p, name, tag, is_old, found);
  }
  closedir(dir);
}

static bool is_absent(const char *path) {
  struct stat st;
  return lstat(path, &st) != 0 && errno == ENOENT;
}

// Did the writer with this tag move something aside here that has not been put back?
static bool has_old(const char *name, const char *tag) {
  char parent[PATH_MAX];
  const char *mark;
  path_parent(parent, name);
  DIR *dir = opendir(parent);
  bool has = false;
  for (struct dirent *e; dir != NULL && !has && (e = readdir(dir)) != NULL;)
    has = temporary_is_name(e->d_name, &mark) && strncmp(mark, MARK_OLD, MARK_BYTES) == 0 &&
          strcmp(mark + MARK_BYTES, tag) == 0;
  if (dir != NULL) closedir(dir);
  return has;
}

static void recover(const place *p, const char *name, const char *tag, bool is_old, leftovers *found) {
  int fd;
  bool is_directory, stuck;
  if (!take_over(name, &fd, &is_directory, &stuck)) {
    found->stuck += stuck;
    return;
  }
  // A file that was moved aside holds the names of a pair, whose data may still be in place. Whether they fit can be
  // told from the new data beside them (recover_names), so both are kept until a command comes that knows both paths.
  if (!is_directory && (is_old || has_old(name, tag))) {
    close(fd);
    return;
  }
  // A directory that was moved aside is complete, and nothing is in its place. Should a directory appear just now,
  // rename only replaces it if it is empty.
  if (is_old && is_directory && is_absent(p->path) && rename(name, p->path) == 0)
    found->restored++;
  else if (tree_remove(name) == 0)
    found->removed++;
  else
    found->stuck++;
  close(fd);
}

void leftovers_recover(const char *path, leftovers *found) {
  each_leftover(&(place){.path = path}, recover, found);
}

// Is the file at `path` older than the temporary with the new data?
static bool is_older(const char *path, int fd) {
  struct stat a, b;
  if (lstat(path, &a) != 0 || fstat(fd, &b) != 0) return false;
  return a.st_mtim.tv_sec < b.st_mtim.tv_sec ||
         (a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec <= b.st_mtim.tv_nsec);
}

// Names that the writer of a pair moved aside (publish.c) are put back if their data are still in place, that is, if
// the new data still have their temporary name. Otherwise their data have been replaced, and they are removed.
static void recover_names(const place *p, const char *name, const char *tag, bool is_old, leftovers *found) {
  char data_name[PATH_MAX];
  int fd, data_fd;
  bool is_directory, stuck, other;
  if (!is_old) return;
  if (!take_over(name, &fd, &is_directory, &stuck)) {
    found->stuck += stuck;
    return;
  }
  if (is_directory) { // not names of a pair; recover has handled it
    close(fd);
    return;
  }
  const bool unpublished = marked_name(data_name, p->data_path, MARK_TMP, tag) == 0 &&
                           take_over(data_name, &data_fd, &other, &stuck);
  if (unpublished && is_older(p->data_path, data_fd) && is_absent(p->path) && rename(name, p->path) == 0)
    found->restored++;
  else if (tree_remove(name) == 0)
    found->removed++;
  else
    found->stuck++;
  if (unpublished) close(data_fd);
  close(fd);
}

void leftovers_recover_pair(const char *data_path, const char *names_path, leftovers *found) {
  each_leftover(&(place){.path = names_path, .data_path = data_path}, recover_names, found);
  leftovers_recover(data_path, found);
  leftovers_recover(names_path, found);
}

bool leftovers_text(const leftovers *found, const char *path, char *buf, size_t bytes) {
  char removed[64] = "", stuck[96] = "";
  if (found->removed + found->restored + found->stuck == 0) return false;
  if (found->removed > 0)
    snprintf(removed, sizeof removed, "; %d unfinished output%s removed", found->removed,
             found->removed == 1 ? " is" : "s are");
  if (found->stuck > 0)
    snprintf(stuck, sizeof stuck, "; %d cannot be removed or may be in use, and stay%s", found->stuck,
             found->stuck == 1 ? "s" : "");
  snprintf(buf, bytes, "a killed process left unfinished work at %s%s%s%s", path, removed,
           found->restored > 0 ? "; what it had moved aside has been put back" : "", stuck);
  return true;
}
