// Outputs that appear whole or not at all; see file.h. How they are published is in src/format; here are the errors
// and messages.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/output_internal.h"
#include "format/target.h"
#include "format/temporary.h"

enum { BUFFER_BYTES = 1 << 16 };

struct out_file {
  int fd;
  bool is_stream;
  size_t used;
  temporary t;         // unless it is a stream
  char path[PATH_MAX]; // as the user gave it
  char buffer[BUFFER_BYTES];
};

static status cannot(const char *what, const char *path, int error) {
  return fail(ERR_IO, "cannot %s %s: %s", what, path, strerror(error));
}

// The error of a publication that failed, or that may not survive a crash of the system.
static status cannot_publish(const temporary *t, const char *path, int error) {
  if (!t->in_place) return cannot("write", path, error);
  return fail(ERR_IO, "%s is in place, but may not be on disk yet: %s", path, strerror(error));
}

static void tell_leftovers(const leftovers *found, const char *path) {
  char text[PATH_MAX + 256];
  if (leftovers_text(found, path, text, sizeof text)) log_info("%s", text);
}

// ---- files ---------------------------------------------------------------------------------------------------

status open_stream(const target *to, const char *path, int *fd) {
  int error = target_open_stream(to, false, fd);
  if (error == ENXIO && to->fifo) {
    log_info("waiting for somebody to read %s", path);
    error = target_open_stream(to, true, fd);
  }
  return error == 0 ? OK : cannot("open", path, error);
}

static status open_temporary(out_file *f, const target *to, const temporary *like) {
  const int error = temporary_make(&f->t, to->path, false, like);
  f->fd = f->t.fd;
  return error == 0 ? OK : cannot("create", f->path, error);
}

status find_target(target *to, const char *path) {
  const int error = target_find(to, path);
  if (error == ENAMETOOLONG && strlen(path) >= PATH_MAX)
    return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  return error == 0 ? OK : cannot("write", path, error);
}

static status open_target(out_file **out, const char *path, const target *to, const temporary *like) {
  out_file *f;
  TRY(mem_new(&f, 1, sizeof *f, "an output file"));
  strcpy(f->path, path);
  f->is_stream = to->kind == TARGET_STREAM;
  const status rc = to->kind == TARGET_DIRECTORY ? cannot("write", path, EISDIR)
                    : to->kind == TARGET_STREAM  ? open_stream(to, path, &f->fd)
                                                 : open_temporary(f, to, like);
  if (rc == OK)
    *out = f;
  else
    free(f);
  return rc;
}

status out_open(out_file **out, const char *path) {
  target to;
  leftovers found = {0};
  *out = NULL;
  TRY(find_target(&to, path));
  if (to.kind == TARGET_FILE) leftovers_recover(to.path, &found);
  tell_leftovers(&found, path);
  return open_target(out, path, &to, NULL);
}

int out_descriptor(const out_file *f) {
  return f->fd;
}

bool path_is_stream(const char *path) {
  target to;
  return target_find(&to, path) == 0 && to.kind == TARGET_STREAM;
}

bool path_same(const char *a, const char *b) {
  target x, y;
  return target_find(&x, a) == 0 && target_find(&y, b) == 0 && target_same(&x, &y);
}

status paths_check_distinct(const named_path *paths, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < i; j++)
      if (paths[i].path[0] != '\0' && paths[j].path[0] != '\0' && path_same(paths[i].path, paths[j].path))
        return fail(ERR_ARGUMENT, "%s and %s are the same file, %s; each needs one of its own",
                    paths[j].option, paths[i].option, paths[i].path);
  return OK;
}

static status write_all(out_file *f, const char *data, size_t bytes) {
  return write_fully(f->fd, data, bytes) ? OK : cannot("write", f->path, errno);
}

static status flush(out_file *f) {
  const size_t used = f->used;
  f->used = 0;
  return write_all(f, f->buffer, used);
}

status out_write(out_file *f, const void *data, size_t bytes) {
  if (bytes > BUFFER_BYTES - f->used) TRY(flush(f));
  if (bytes > BUFFER_BYTES) return write_all(f, data, bytes);
  memcpy(f->buffer + f->used, data, bytes);
  f->used += bytes;
  return OK;
}

status out_printf(out_file *f, const char *format, ...) {
  char small[1024], *text = small;
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int n = vsnprintf(small, sizeof small, format, args);
  va_end(args);
  status rc = OK;
  if (n < 0) rc = fail(ERR_INTERNAL, "cannot format text for %s", f->path);
  if (rc == OK && (size_t)n >= sizeof small) {
    rc = mem_new(&text, (size_t)n + 1, 1, "formatted text");
    if (rc == OK) vsnprintf(text, (size_t)n + 1, format, again);
  }
  va_end(again);
  if (rc == OK) rc = out_write(f, text, (size_t)n);
  if (text != small) free(text);
  return rc;
}

static int close_stream(out_file *f) {
  const int fd = f->fd;
  f->fd = -1;
  return close(fd) == 0 ? 0 : errno;
}

status out_commit(out_file *f) {
  status rc = flush(f);
  if (rc == OK) {
    const int error = f->is_stream ? close_stream(f) : temporary_publish(&f->t);
    if (error != 0) rc = cannot_publish(&f->t, f->path, error);
  }
  out_abort(f); // frees; a file that was published stays
  return rc;
}

void out_abort(out_file *f) {
  if (f == NULL) return;
  if (f->is_stream && f->fd >= 0) close(f->fd);
  if (!f->is_stream) temporary_drop(&f->t);
  free(f);
}

status out_finish(out_file *f, status rc) {
  if (rc == OK) return out_commit(f);
  out_abort(f);
  return rc;
}

status file_write_atomic(const char *path, const void *data, size_t bytes) {
  out_file *f;
  TRY(out_open(&f, path));
  return out_finish(f, out_write(f, data, bytes));
}

status file_copy(const char *from, const char *to) {
  FILE *in = fopen(from, "rbe");
  if (in == NULL)
    return fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s: %s", from, strerror(errno));
  out_file *out = NULL;
  char *buf = NULL;
  status rc;
  TRY_GOTO(mem_new(&buf, BUFFER_BYTES, 1, "a copy buffer"), done);
  TRY_GOTO(out_open(&out, to), done);
  for (size_t n; rc == OK && (n = fread(buf, 1, BUFFER_BYTES, in)) > 0;) rc = out_write(out, buf, n);
  if (rc == OK && ferror(in)) rc = fail(ERR_IO, "cannot read %s: %s", from, strerror(errno));
done:
  if (out != NULL) rc = out_finish(out, rc);
  free(buf);
  fclose(in);
  return rc;
}

// ---- pairs ---------------------------------------------------------------------------------------------------

status out_open_data(out_file **out, const char *path, const char *names_path) {
  target to, names_to;
  leftovers found = {0};
  *out = NULL;
  TRY(find_target(&to, path));
  TRY(find_target(&names_to, names_path));
  if (target_same(&to, &names_to)) return fail(ERR_ARGUMENT, "%s and %s are the same file", path, names_path);
  if (to.kind == TARGET_FILE && names_to.kind == TARGET_FILE)
    leftovers_recover_pair(to.path, names_to.path, &found);
  else if (to.kind == TARGET_FILE)
    leftovers_recover(to.path, &found);
  tell_leftovers(&found, path);
  return open_target(out, path, &to, NULL);
}

status out_open_names(out_file **out, const char *names_path, const out_file *data) {
  target to;
  *out = NULL;
  TRY(find_target(&to, names_path));
  return open_target(out, names_path, &to, data->is_stream ? NULL : &data->t);
}

// Both are regular files, or the names do not exist yet.
static status publish_pair(out_file *data, out_file *names, const char *names_path) {
  status rc = flush(data);
  if (rc == OK && names != NULL) rc = flush(names);
  if (rc == OK) {
    const int error = temporary_publish_pair(&data->t, names != NULL ? &names->t : NULL, names_path);
    if (error != 0 && data->t.in_place)
      rc = fail(ERR_IO, "%s is in place, but %s%s: %s", data->path,
                names != NULL && !names->t.in_place ? names->path : "",
                names != NULL && !names->t.in_place ? " is not" : "may not be on disk yet", strerror(error));
    else if (error != 0)
      rc = fail(ERR_IO, "cannot write %s and what belongs to it, %s: %s", data->path, names_path,
                strerror(error));
  }
  out_abort(names);
  out_abort(data);
  return rc;
}

status out_commit_pair(out_file *data, out_file *names, const char *names_path) {
  target to;
  status rc = find_target(&to, names_path);
  if (rc == OK && !data->is_stream && to.kind == TARGET_FILE && (names == NULL || !names->is_stream))
    return publish_pair(data, names, to.path);
  if (rc == OK && names != NULL)
    rc = out_commit(names);
  else
    out_abort(names);
  return out_finish(data, rc);
}

// ---- directories ---------------------------------------------------------------------------------------------

struct out_dir {
  temporary t;
  path_kind kind; // PATH_NOTHING: any may be there
  bool force;
  char path[PATH_MAX]; // as the user gave it, without slashes at the end
};

status out_dir_check(const char *path, path_kind kind, bool force) {
  if (kind == PATH_NOTHING) return OK;
  TRY(path_check_place(path, kind));
  if (force || path_kind_of(path) != kind) return OK;
  return fail(ERR_ARGUMENT, "%s already holds %s; --force replaces it", path, path_kind_name(kind));
}

static status check_place(const out_dir *d) {
  return out_dir_check(d->path, d->kind, d->force);
}

static status make_directory(out_dir *d) {
  target to;
  leftovers found = {0};
  char parent[PATH_MAX];
  TRY(find_target(&to, d->path));
  path_parent(parent, to.path);
  TRY(dir_make(parent));
  leftovers_recover(to.path, &found);
  tell_leftovers(&found, d->path);
  TRY(check_place(d));
  if (to.exists && to.kind != TARGET_DIRECTORY)
    return fail(ERR_ARGUMENT, "%s exists and is not a directory; it is left as it is", d->path);
  const int error = temporary_make(&d->t, to.path, true, NULL);
  return error == 0 ? OK : cannot("make directory", d->path, error);
}

status out_dir_open(out_dir **out, const char *path, path_kind kind, bool force) {
  *out = NULL;
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  if (n == 0) return fail(ERR_ARGUMENT, "the path of an output directory is empty");
  if (n >= PATH_MAX - 64) return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  out_dir *d;
  TRY(mem_new(&d, 1, sizeof *d, "an output directory"));
  memcpy(d->path, path, n);
  d->t.fd = -1;
  d->kind = kind;
  d->force = force || kind == PATH_NOTHING;
  const status rc = make_directory(d);
  if (rc == OK)
    *out = d;
  else
    free(d);
  return rc;
}

const char *out_dir_path(const out_dir *d) {
  return d->t.name;
}

static status publish_directory(out_dir *d) {
  char aside[PATH_MAX];
  TRY(check_place(d)); // it may have changed since out_dir_open
  const int error = temporary_publish_directory(&d->t, d->force, aside);
  if (error == 0) return OK;
  if (d->t.in_place) return cannot_publish(&d->t, d->path, error);
  if (aside[0] != '\0')
    return fail(ERR_IO, "cannot move the finished directory to %s: %s; the previous one is now %s", d->path,
                strerror(error), aside);
  return fail(ERR_IO, "cannot move the finished directory to %s: %s", d->path, strerror(error));
}

status out_dir_commit(out_dir *d) {
  const status rc = publish_directory(d);
  out_dir_abort(d); // frees; a directory that was published stays
  return rc;
}

void out_dir_abort(out_dir *d) {
  if (d == NULL) return;
  temporary_drop(&d->t);
  free(d);
}

status out_dir_finish(out_dir *d, status rc) {
  if (rc == OK) return out_dir_commit(d);
  out_dir_abort(d);
  return rc;
}
