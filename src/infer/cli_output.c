// Output of souk-infer; see cli.h.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "infer/cli.h"

enum { BUFFER = 1 << 16, NPY_HEADER = 128, OPEN_MAX_FILES = 4 };

struct cli_output {
  int fd;
  bool is_file;
  size_t used;
  char path[PATH_MAX], temporary[PATH_MAX + 32];
  char buffer[BUFFER];
};

int cli_fail(int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("souk-infer: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
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

// Temporary files that are open now, for the signal handler: a slot is filled before its flag is set.
static char pending[OPEN_MAX_FILES][PATH_MAX + 32];
static volatile sig_atomic_t is_pending[OPEN_MAX_FILES];

static void on_signal(int number) {
  for (int i = 0; i < OPEN_MAX_FILES; i++)
    if (is_pending[i]) unlink(pending[i]);
  signal(number, SIG_DFL);
  raise(number);
}

static void set_pending(const char *path, bool open) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  for (int i = 0; i < OPEN_MAX_FILES; i++) {
    if (open && !is_pending[i]) {
      strcpy(pending[i], path);
      is_pending[i] = 1;
      break;
    }
    if (!open && is_pending[i] && strcmp(pending[i], path) == 0) is_pending[i] = 0;
  }
  for (size_t i = 0; open && i < sizeof signals / sizeof *signals; i++) signal(signals[i], on_signal);
}

// ---- files ---------------------------------------------------------------------------------------------------

int output_open(cli_output **out, const char *path) {
  cli_output *o = calloc(1, sizeof *o);
  *out = NULL;
  if (o == NULL) return cli_fail(EXIT_FAILED, "out of memory: an output file");
  if (path == NULL || strcmp(path, "-") == 0) {
    o->fd = STDOUT_FILENO;
    strcpy(o->path, "standard output");
  } else {
    if (strlen(path) >= PATH_MAX) {
      free(o);
      return cli_fail(EXIT_USAGE, "path too long: %.60s...", path);
    }
    o->is_file = true;
    strcpy(o->path, path);
    snprintf(o->temporary, sizeof o->temporary, "%s.tmp.%ld", path, (long)getpid());
    set_pending(o->temporary, true);
    o->fd = open(o->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (o->fd < 0) {
      const int rc = cli_fail(EXIT_FAILED, "cannot create %s: %s", o->temporary, strerror(errno));
      set_pending(o->temporary, false);
      free(o);
      return rc;
    }
  }
  *out = o;
  return 0;
}

static int write_all(cli_output *o, const char *data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = write(o->fd, data, bytes);
    if (n < 0 && errno == EINTR) continue;
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

void output_abort(cli_output *o) {
  if (o == NULL) return;
  if (o->is_file) {
    close(o->fd);
    unlink(o->temporary);
    set_pending(o->temporary, false);
  }
  free(o);
}

int output_commit(cli_output *o) {
  int rc = flush(o);
  if (rc == 0 && o->is_file && (fsync(o->fd) != 0 || rename(o->temporary, o->path) != 0))
    rc = cli_fail(EXIT_FAILED, "cannot write %s: %s", o->path, strerror(errno));
  if (rc != 0) {
    output_abort(o);
    return rc;
  }
  if (o->is_file) {
    close(o->fd);
    set_pending(o->temporary, false);
  }
  free(o);
  return 0;
}

// ---- text ----------------------------------------------------------------------------------------------------

int output_text(cli_output *o, const char *text) {
  return output_write(o, text, strlen(text));
}

// Bytes of the UTF-8 sequence at s, 0 if it is not one.
static size_t utf8_length(const unsigned char *s, size_t left) {
  if (s[0] < 0x80) return 1;
  const size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  if (s[0] < 0xC2 || s[0] > 0xF4 || left < n) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  const bool bad = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] >= 0xA0) ||
                   (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] >= 0x90);
  return bad ? 0 : n;
}

int output_string(cli_output *o, const char *text, size_t bytes) {
  int rc = output_text(o, "\"");
  for (size_t i = 0; rc == 0 && i < bytes;) {
    const unsigned char c = (unsigned char)text[i];
    const size_t n = utf8_length((const unsigned char *)text + i, bytes - i);
    char escape[8];
    if (n == 0) {
      rc = output_text(o, "\\ufffd");
    } else if (c == '"' || c == '\\') {
      escape[0] = '\\';
      escape[1] = (char)c;
      rc = output_write(o, escape, 2);
    } else if (c < 0x20 || c == 0x7f) {
      snprintf(escape, sizeof escape, "\\u%04x", c);
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

// Version 1.0: magic, version, header length, a Python dictionary filled with spaces and closed by a newline.
// The header has a fixed size, so it is written once as zeros and again when the rows have been counted.
int npy_open(cli_output **out, const char *path) {
  static const char room[NPY_HEADER];
  if (path == NULL || strcmp(path, "-") == 0)
    return cli_fail(EXIT_USAGE, "--output FILE is wanted: a .npy file cannot go to standard output");
  int rc = output_open(out, path);
  if (rc == 0) rc = output_write(*out, room, sizeof room);
  return rc;
}

int npy_commit(cli_output *o, int64_t rows, int64_t columns) {
  char header[NPY_HEADER + 1];
  int rc = flush(o);
  memset(header, ' ', sizeof header);
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = NPY_HEADER - 10;
  header[9] = 0;
  const int n = snprintf(header + 10, sizeof header - 10,
                         "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }", (long long)rows,
                         (long long)columns);
  header[10 + n] = ' ';
  header[NPY_HEADER - 1] = '\n';
  if (rc == 0 && pwrite(o->fd, header, NPY_HEADER, 0) != NPY_HEADER)
    rc = cli_fail(EXIT_FAILED, "cannot write %s: %s", o->path, strerror(errno));
  if (rc == 0) return output_commit(o);
  output_abort(o);
  return rc;
}
