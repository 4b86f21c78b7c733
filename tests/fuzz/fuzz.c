// What the fuzz targets share; see fuzz.h.
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

static FILE *real_stderr;
static long inputs_accepted;
static char directory[PATH_MAX];
static pid_t owner;

static FILE *messages(void) {
  return real_stderr != NULL ? real_stderr : stderr;
}

void fuzz_broken(const char *file, int line, const char *property) {
  fprintf(messages(), "%s:%d: does not hold: %s\n", file, line, property);
  abort();
}

void require_sentence(const char *what) {
  const char *text = fail_message();
  require(text[0] != '\0');
  if (what != NULL && strstr(text, what) == NULL) {
    fprintf(messages(), "the message does not name %s: %s\n", what, text);
    abort();
  }
}

static void at_end(void) {
  if (getpid() != owner) return;
  if (directory[0] != '\0') dir_remove(directory);
  fprintf(messages(), "accepted: %ld\n", inputs_accepted);
}

static void start(void) {
  if (owner != 0) return;
  owner = getpid();
  atexit(at_end);
}

// Jansson's hash tables take a random seed unless they are given one; with it a run could not be repeated.
__attribute__((constructor)) static void without_chance(void) {
  json_object_seed(1);
}

void fuzz_accepted(void) {
  start();
  inputs_accepted++;
}

const char *fuzz_file(int slot, const void *data, size_t bytes) {
  static int files[4] = {-1, -1, -1, -1};
  static char paths[4][32];
  start();
  if (files[slot] < 0) {
    files[slot] = memfd_create("input", MFD_CLOEXEC);
    require(files[slot] >= 0);
    snprintf(paths[slot], sizeof paths[slot], "/proc/self/fd/%d", files[slot]);
  }
  require(ftruncate(files[slot], 0) == 0);
  require(pwrite(files[slot], data, bytes, 0) == (ssize_t)bytes);
  return paths[slot];
}

const char *fuzz_directory(void) {
  start();
  if (directory[0] == '\0') {
    const char *wanted = getenv("TMPDIR");
    const char *base = wanted != NULL ? wanted : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(directory, sizeof directory, "%s/souk-fuzz-XXXXXX", base);
    require(mkdtemp(directory) != NULL);
  }
  return directory;
}

void fuzz_write(const char *dir, const char *name, const void *data, size_t bytes) {
  char path[PATH_MAX];
  require_ok(path_join(path, sizeof path, dir, name));
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  require(fd >= 0);
  require(write(fd, data, bytes) == (ssize_t)bytes);
  close(fd);
}

// The text that a mark (fuzz_expand) stands for; false: it is not a mark.
static bool mark_value(const char *mark, const char *dir, char value[80]) {
  static struct {
    char path[PATH_MAX], hex[65];
    uint64_t size;
  } known[16];
  static int n;
  const char *name = strchr(mark, ' ');
  char path[PATH_MAX];
  int i = 0;
  if (name == NULL || strchr(name, '/') != NULL || path_join(path, sizeof path, dir, name + 1) != OK)
    return false;
  while (i < n && strcmp(known[i].path, path) != 0) i++;
  if (i == n) { // files whose bytes a target changes must not be asked for
    if (n == 16 || file_sha256(path, known[n].hex, &known[n].size) != OK) return false;
    strcpy(known[n++].path, path);
  }
  if (strncmp(mark, "bytes ", 6) == 0)
    snprintf(value, 80, "%llu", (unsigned long long)known[i].size);
  else if (strncmp(mark, "sha256 ", 7) == 0)
    snprintf(value, 80, "\"%s\"", known[i].hex);
  else
    return false;
  return true;
}

char *fuzz_expand(const uint8_t *data, size_t bytes, const char *dir, size_t *n) {
  const char *from = (const char *)data, *end = from + bytes;
  char *text, mark[64], value[80];
  FILE *to = open_memstream(&text, n);
  require(to != NULL);
  while (from < end) {
    const char *start = memmem(from, (size_t)(end - from), "\"@", 2);
    const char *stop = start != NULL ? memmem(start, (size_t)(end - start), "@\"", 2) : NULL;
    const size_t length = stop != NULL && stop > start + 2 ? (size_t)(stop - start) - 2 : sizeof mark;
    if (start == NULL) start = end;
    fwrite(from, 1, (size_t)(start - from), to);
    from = start;
    if (start == end) break;
    if (length < sizeof mark) {
      memcpy(mark, start + 2, length);
      mark[length] = '\0';
      if (mark_value(mark, dir, value)) {
        fputs(value, to);
        from = stop + 2;
        continue;
      }
    }
    fwrite(from++, 1, 1, to);
  }
  require(fclose(to) == 0);
  return text;
}

void fuzz_silence(void) {
  if (real_stderr != NULL) return;
  real_stderr = stderr;
  stderr =
      fopen("/dev/null", "we"); // glibc's is a variable; sanitizers and libFuzzer write to the descriptor
  require(stderr != NULL);
}
