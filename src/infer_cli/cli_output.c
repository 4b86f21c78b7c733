// Output of souk-infer; see cli.h.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "format/printable.h"
#include "format/target.h"
#include "format/temporary.h"
#include "format/utf8.h"
#include "infer_cli/cli.h"

enum { BUFFER = 1 << 16, NPY_HEADER = 128, OPEN_MAX_FILES = 4 };

struct cli_output {
  int fd;      // where bytes go
  int through; // the stream that gets the bytes at the end if they are collected in an unnamed file; else -1
  bool is_stdout, is_file; // neither: a stream
  size_t used;
  temporary t;         // of a file
  char path[PATH_MAX]; // as the user gave it
  char buffer[BUFFER];
};

int cli_fail(int code, const char *format, ...) {
  char raw[3 * PATH_MAX], text[sizeof raw]; // two paths and an error
  va_list args;
  va_start(args, format);
  vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  printable(text, sizeof text, raw, "");
  fprintf(stderr, "souk-infer: %s\n", text);
  return code;
}

int cli_grow(void *array, size_t *cap, size_t need, size_t size) {
  if (need <= *cap) return 0;
  void *before, *after = NULL;
  memcpy(&before, array, sizeof before);
  const size_t wanted = need > *cap + *cap / 2 ? need : *cap + *cap / 2;
  if (wanted <= SIZE_MAX / 2 / size) after = realloc(before, wanted * size);
  if (after == NULL) return cli_fail(EXIT_FAILED, "out of memory: %zu x %zu bytes", wanted, size);
  memcpy(array, &after, sizeof after);
  *cap = wanted;
  return 0;
}

// ---- interruption --------------------------------------------------------------------------------------------

// Temporary files that are open now, for the signal handler: a slot is filled before its flag is set. SIGPIPE is
// handled too: if the reader of a pipe (given as --names, say) leaves, the other file of the pair is removed before
// the program ends.
static char pending[OPEN_MAX_FILES][PATH_MAX];
static volatile sig_atomic_t is_pending[OPEN_MAX_FILES];
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
enum { SIGNALS = sizeof signals / sizeof *signals };

static void on_signal(int number) {
  for (int i = 0; i < OPEN_MAX_FILES; i++)
    if (is_pending[i]) unlink(pending[i]);
  signal(number, SIG_DFL);
  raise(number);
}

// Signals are blocked while a file is made or renamed, because the handler could not tell then what to remove.
static void hold_signals(sigset_t *before) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < SIGNALS; i++) sigaddset(&set, signals[i]);
  pthread_sigmask(SIG_BLOCK, &set, before);
}

static void release_signals(const sigset_t *before) {
  pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void set_pending(const char *path, bool open) {
  for (int i = 0; i < OPEN_MAX_FILES; i++) {
    if (open && !is_pending[i]) {
      strcpy(pending[i], path);
      is_pending[i] = 1;
      break;
    }
    if (!open && is_pending[i] && strcmp(pending[i], path) == 0) is_pending[i] = 0;
  }
  for (int i = 0; open && i < SIGNALS; i++) {
    struct sigaction now;
    if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN)
      continue; // ignored before we started, by nohup for example
    signal(signals[i], on_signal);
  }
}

// ---- files ---------------------------------------------------------------------------------------------------

static int cannot(const char *what, const char *path, int error) {
  return cli_fail(EXIT_FAILED, "cannot %s %s: %s", what, path, strerror(error));
}

// Prints why a file could not be published, or may not survive a crash of the system.
static int cannot_publish(const cli_output *o, int error) {
  if (!o->t.in_place) return cannot("write", o->path, error);
  return cli_fail(EXIT_FAILED, "%s is in place, but may not be on disk yet: %s", o->path, strerror(error));
}

static void tell_leftovers(const leftovers *found, const char *path) {
  char text[2 * PATH_MAX + 256];
  if (leftovers_text(found, path, text, sizeof text)) cli_fail(0, "%s", text);
}

static int open_stream(cli_output *o, const target *to) {
  int error = target_open_stream(to, false, &o->fd);
  if (error == ENXIO && to->fifo) {
    cli_fail(0, "waiting for somebody to read %s", o->path);
    error = target_open_stream(to, true, &o->fd);
  }
  return error == 0 ? 0 : cannot("open", o->path, error);
}

static int open_file(cli_output *o, const target *to, const temporary *like) {
  sigset_t before;
  hold_signals(&before);
  const int error = temporary_make(&o->t, to->path, false, like);
  if (error == 0) set_pending(o->t.name, true);
  release_signals(&before);
  o->is_file = error == 0;
  o->fd = o->t.fd;
  return error == 0 ? 0 : cannot("create", o->path, error);
}

static int open_target(cli_output **out, const char *path, const target *to, const temporary *like) {
  *out = NULL;
  cli_output *o = calloc(1, sizeof *o);
  if (o == NULL) return cli_fail(EXIT_FAILED, "out of memory: an output file");
  o->through = -1;
  strcpy(o->path, path); // target_find has checked the length
  const int rc = to->kind == TARGET_DIRECTORY ? cannot("write", path, EISDIR)
                 : to->kind == TARGET_STREAM  ? open_stream(o, to)
                                              : open_file(o, to, like);
  if (rc == 0)
    *out = o;
  else
    free(o);
  return rc;
}

static int find(target *to, const char *path) {
  const int error = target_find(to, path);
  return error == 0 ? 0 : cannot("write", path, error);
}

static int open_stdout(cli_output **out) {
  cli_output *o = calloc(1, sizeof *o);
  *out = o;
  if (o == NULL) return cli_fail(EXIT_FAILED, "out of memory: an output file");
  o->fd = STDOUT_FILENO;
  o->through = -1;
  o->is_stdout = true;
  strcpy(o->path, "standard output");
  return 0;
}

static bool is_dash(const char *path) {
  return path == NULL || strcmp(path, "-") == 0;
}

int output_open(cli_output **out, const char *path) {
  target to;
  leftovers found = {0};
  *out = NULL;
  if (is_dash(path)) return open_stdout(out);
  const int rc = find(&to, path);
  if (rc != 0) return rc;
  if (to.kind == TARGET_FILE) leftovers_recover(to.path, &found);
  tell_leftovers(&found, path);
  return open_target(out, path, &to, NULL);
}

static int write_all(cli_output *o, const char *data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = write(o->fd, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) { // another process that shares the descriptor made it non-blocking
      struct pollfd p = {.fd = o->fd, .events = POLLOUT};
      poll(&p, 1, -1);
      continue;
    }
    if (n < 0) return cli_fail(EXIT_FAILED, "cannot write %s: %s", o->path, strerror(errno));
    data += n;
    bytes -= (size_t)n;
  }
  return 0;
}

static int flush(cli_output *o) {
  const size_t used = o->used;
  o->used = 0;
  return write_all(o, o->buffer, used);
}

int output_write(cli_output *o, const void *data, size_t bytes) {
  if (bytes > BUFFER - o->used) {
    const int rc = flush(o);
    if (rc != 0) return rc;
  }
  if (bytes > BUFFER) return write_all(o, data, bytes);
  memcpy(o->buffer + o->used, data, bytes);
  o->used += bytes;
  return 0;
}

int output_flush(cli_output *o) {
  return flush(o);
}

static void release(cli_output *o) {
  if (o->is_file) set_pending(o->t.name, false);
  if (o->through >= 0) close(o->through);
  if (!o->is_file && !o->is_stdout && o->fd >= 0) close(o->fd);
  free(o);
}

void output_abort(cli_output *o) {
  if (o == NULL) return;
  if (o->is_file) temporary_drop(&o->t);
  release(o);
}

int output_commit(cli_output *o) {
  int rc = flush(o);
  if (rc == 0 && o->is_file) {
    sigset_t before;
    hold_signals(&before);
    const int error = temporary_publish(&o->t);
    if (error != 0) rc = cannot_publish(o, error);
    set_pending(o->t.name, false);
    release_signals(&before);
  } else if (rc == 0 && !o->is_stdout) {
    const int fd = o->fd;
    o->fd = -1;
    if (close(fd) != 0) rc = cannot("write", o->path, errno);
  }
  if (rc != 0)
    output_abort(o);
  else
    release(o);
  return rc;
}

// ---- text ----------------------------------------------------------------------------------------------------

int output_text(cli_output *o, const char *text) {
  return output_write(o, text, strlen(text));
}

int output_string(cli_output *o, const char *text, size_t bytes) {
  int rc = output_text(o, "\"");
  for (size_t i = 0; rc == 0 && i < bytes;) {
    const unsigned char c = (unsigned char)text[i];
    const size_t n = utf8_length(text + i, bytes - i);
    uint32_t code;
    char escape[16];
    if (n == 0) {
      rc = output_text(o, "\\ufffd");
    } else if (c == '"' || c == '\\') {
      escape[0] = '\\';
      escape[1] = (char)c;
      rc = output_write(o, escape, 2);
    } else if (is_control(text + i, n, &code)) {
      snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
      rc = output_text(o, escape);
    } else {
      rc = output_write(o, text + i, n);
    }
    i += n > 0 ? n : 1;
  }
  return rc != 0 ? rc : output_text(o, "\"");
}

int output_float(cli_output *o, float x) {
  char text[32] = "null";
  for (int digits = 6; __builtin_isfinite(x) && digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)x);
    const float back = strtof(text, NULL);
    if (memcmp(&back, &x, sizeof x) == 0) break;
  }
  return output_text(o, text);
}

int output_int(cli_output *o, int64_t x) {
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)x);
  return output_text(o, text);
}

// ---- npy -----------------------------------------------------------------------------------------------------

// The header needs the number of rows, so the bytes for a stream are first collected in an unnamed file.
static int collect(cli_output *o) {
  FILE *f = tmpfile();
  if (f == NULL) return cannot("collect vectors for", o->path, errno);
  o->through = o->fd;
  o->fd = dup(fileno(f));
  fclose(f);
  return o->fd >= 0 ? 0 : cannot("collect vectors for", o->path, errno);
}

static int pour(cli_output *o) {
  const int from = o->fd;
  off_t at = 0;
  ssize_t n;
  int rc = 0;
  o->fd = o->through;
  o->through = from; // closed with the rest
  while (rc == 0 && (n = pread(from, o->buffer, BUFFER, at)) != 0) {
    rc = n > 0 ? write_all(o, o->buffer, (size_t)n) : cannot("read back vectors for", o->path, errno);
    at += n;
  }
  return rc;
}

static int open_both(cli_output **out, cli_output **names, const target *to, const char *path,
                     const target *names_to, const char *names_path) {
  leftovers found = {0};
  char both[2 * PATH_MAX];
  snprintf(both, sizeof both, "%s and %s", path, names_path);
  if (to->kind == TARGET_FILE && names_to->kind == TARGET_FILE)
    leftovers_recover_pair(to->path, names_to->path, &found);
  else if (to->kind == TARGET_FILE || names_to->kind == TARGET_FILE)
    leftovers_recover(to->kind == TARGET_FILE ? to->path : names_to->path, &found);
  tell_leftovers(&found, both);
  int rc = open_target(out, path, to, NULL);
  if (rc == 0) rc = open_target(names, names_path, names_to, (*out)->is_file ? &(*out)->t : NULL);
  return rc;
}

// Version 1.0: magic, version, header length, a Python dictionary filled with spaces and closed by a newline.
// The header has a fixed size, so it is written once as zeros and again when the rows have been counted.
int cli_npy_open(cli_output **out, cli_output **names, const char *path, const char *names_path) {
  static const char room[NPY_HEADER];
  target to, names_to;
  *out = *names = NULL;
  if (is_dash(path))
    return cli_fail(EXIT_USAGE, "--output FILE is needed: a .npy file cannot go to standard output");
  int rc = 0;
  if (names_path == NULL) {
    rc = output_open(out, path);
  } else if (is_dash(names_path)) {
    rc = output_open(out, path);
    if (rc == 0) rc = open_stdout(names);
  } else {
    rc = find(&to, path);
    if (rc == 0) rc = find(&names_to, names_path);
    if (rc == 0) rc = open_both(out, names, &to, path, &names_to, names_path);
  }
  if (rc == 0 && !(*out)->is_file) rc = collect(*out);
  if (rc == 0) rc = output_write(*out, room, sizeof room);
  return rc;
}

static int write_header(cli_output *o, int64_t rows, int64_t columns) {
  char header[NPY_HEADER + 1];
  memset(header, ' ', sizeof header);
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = NPY_HEADER - 10;
  header[9] = 0;
  const int n = snprintf(header + 10, sizeof header - 10,
                         "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }", (long long)rows,
                         (long long)columns);
  header[10 + n] = ' ';
  header[NPY_HEADER - 1] = '\n';
  return pwrite(o->fd, header, NPY_HEADER, 0) == NPY_HEADER ? 0 : cannot("write", o->path, errno);
}

static int commit_pair(cli_output *o, cli_output *names) {
  sigset_t before;
  hold_signals(&before);
  const int error = temporary_publish_pair(&o->t, &names->t, names->t.path);
  int rc = 0;
  if (error != 0 && names->t.in_place)
    rc = cannot_publish(o, error);
  else if (error != 0 && o->t.in_place)
    rc = cli_fail(EXIT_FAILED, "%s is in place, but has no names in %s: %s", o->path, names->path,
                  strerror(error));
  else if (error != 0)
    rc = cli_fail(EXIT_FAILED, "cannot write %s and %s: %s", o->path, names->path, strerror(error));
  release(o);
  release(names);
  release_signals(&before);
  return rc;
}

int npy_commit(cli_output *o, cli_output *names, int64_t rows, int64_t columns) {
  int rc = flush(o);
  if (rc == 0) rc = write_header(o, rows, columns);
  if (rc == 0 && !o->is_file) rc = pour(o);
  if (rc == 0 && names != NULL) rc = flush(names);
  if (rc == 0 && names != NULL && o->is_file && names->is_file) return commit_pair(o, names);
  if (rc == 0)
    rc = output_commit(o);
  else
    output_abort(o);
  if (rc == 0 && names != NULL) return output_commit(names);
  output_abort(names);
  return rc;
}
