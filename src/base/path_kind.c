// Kinds of paths; see path_kind.h.
#include "base/path_kind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

static const struct {
  path_kind kind;
  const char *name, *use, *maker; // maker NULL: no command of Souk makes one
} kinds[] = {
    {PATH_DATASET, "a data set", "--data.dir and --data take it", "souk prepare makes one"},
    {PATH_SHARDS, "a directory of HDF5 files", "--data.dir takes NVIDIA's shards", NULL},
    {PATH_CONFIG, "a configuration (a yaml file)", NULL, NULL},
    {PATH_RUN, "a run", "souk eval, export, vectors, plot and replay take it", "souk pretrain makes one"},
    {PATH_CHECKPOINT, "a checkpoint", "souk eval, export, vectors and --train.init take it",
     "souk pretrain or souk import makes one"},
    {PATH_SWEEP, "a sweep", "souk sweep takes it", "souk sweep makes one"},
    {PATH_STEP, "a non-finite step", "souk replay takes it", NULL},
    {PATH_BUNDLE, "a bundle", "souk-infer answers from it", "souk export makes one"},
    {PATH_MARKETPLACE, "a generated marketplace", "souk prepare --log takes its events.csv.gz",
     "souk synth makes one"},
    {PATH_HUGGING_FACE, "a Hugging Face model", "souk import takes it", NULL},
    {PATH_EMPTY, "an empty directory", NULL, NULL},
    {PATH_DIRECTORY, "a directory of another kind", NULL, NULL},
    {PATH_LOG, "a log", "souk prepare --log takes it", NULL},
    {PATH_METRICS, "a metrics file of a run", "souk plot takes it", NULL},
    {PATH_BINARY, "a binary file", NULL, NULL},
    {PATH_FILE, "a file", NULL, NULL},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool holds(const char *dir, const char *name) {
  char path[PATH_MAX];
  return path_join(path, sizeof path, dir, name) == OK && access(path, F_OK) == 0;
}

// Does a file such as DIR/manifest.json name this schema? Its beginning is enough, because Souk writes that field
// first.
static bool has_schema(const char *dir, const char *marker, const char *schema) {
  char path[PATH_MAX], head[512];
  if (path_join(path, sizeof path, dir, marker) != OK) return false;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  const ssize_t n = read(fd, head, sizeof head - 1);
  close(fd);
  head[n > 0 ? n : 0] = '\0';
  return strstr(head, schema) != NULL;
}

// A run that was killed early has only a configuration, or an unfinished checkpoint.
bool path_holds_run(const char *dir) {
  return holds(dir, "config.yaml") || holds(dir, "metrics.jsonl") || holds(dir, "last") || holds(dir, "best");
}

status path_read_pointer(char name[POINTER_BYTES], const char *run, const char *pointer) {
  char path[PATH_MAX + 64], *text;
  size_t n;
  TRY(path_join(path, sizeof path, run, pointer));
  TRY(file_read(path, POINTER_BYTES - 1, &text, &n));
  while (n > 0 && text[n - 1] == '\n') text[--n] = '\0';
  const bool good = n > 0 && strlen(text) == n && strchr(text, '/') == NULL && text[0] != '.';
  if (good) strcpy(name, text);
  free(text);
  return good ? OK : fail(ERR_FORMAT, "%s does not name a checkpoint", path);
}

static bool is_hugging_face(const char *dir) {
  return holds(dir, "config.json") || holds(dir, "model.safetensors");
}

static path_kind look_through(const char *dir) {
  DIR *d = opendir(dir);
  if (d == NULL) return PATH_DIRECTORY;
  path_kind kind = PATH_EMPTY;
  for (struct dirent *e; kind != PATH_SHARDS && (e = readdir(d)) != NULL;) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    const char *dot = strrchr(e->d_name, '.');
    const bool hdf5 = dot != NULL && (strcmp(dot, ".h5") == 0 || strcmp(dot, ".hdf5") == 0);
    kind = hdf5 ? PATH_SHARDS : PATH_DIRECTORY;
  }
  closedir(d);
  return kind;
}

static bool ends_with(const char *path, size_t n, const char *end) {
  const size_t m = strlen(end);
  return n >= m && strncasecmp(path + n - m, end, m) == 0;
}

// Reads the beginning of a regular file; 0 bytes of anything else.
static size_t read_head(const char *path, unsigned char *head, size_t bytes) {
  struct stat st;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const ssize_t n = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, head, bytes) : 0;
  if (fd >= 0) close(fd);
  return n > 0 ? (size_t)n : 0;
}

// Is there a control character that text does not have? Compressed files have one early. UTF-16 text is recognised by
// its mark.
static bool is_binary(const char *path) {
  unsigned char head[512];
  const size_t n = read_head(path, head, sizeof head);
  if (n >= 2 && (head[0] ^ head[1]) == 1 && (head[0] & head[1]) == 0xFE) return false; // FF FE or FE FF
  for (size_t i = 0; i < n; i++)
    if (head[i] < 0x20 && head[i] != '\t' && head[i] != '\n' && head[i] != '\r') return true;
  return false;
}

static bool has_one_of(const unsigned char *text, size_t n, const char *characters) {
  for (; *characters != '\0'; characters++)
    if (memchr(text, *characters, n) != NULL) return true;
  return false;
}

// Does it look like a log, a table or one JSON object a line, rather than like the sections of a configuration?
static bool looks_like_log(const char *path) {
  unsigned char head[4096];
  const size_t n = read_head(path, head, sizeof head);
  const unsigned char *end = n > 0 ? memchr(head, '\n', n) : NULL;
  const size_t line = end != NULL ? (size_t)(end - head) : n;
  if (line + 1 < n && head[0] == '{' && head[line + 1] == '{') return true;
  return has_one_of(head, line, ",;\t") && !has_one_of(head, line, ":#{[");
}

// The name alone does not make it a log: a configuration may have any name.
static bool may_be_config(const char *path, path_kind kind) {
  if (kind == PATH_FILE) return true;
  return (kind == PATH_LOG || kind == PATH_METRICS) && !is_binary(path) && !looks_like_log(path);
}

// The length of the name without ".gz" and the like.
static size_t without_compression(const char *path, size_t n) {
  static const char *const ends[] = {".gz", ".zst", ".xz", ".bz2"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (ends_with(path, n, ends[i])) return n - strlen(ends[i]);
  return n;
}

path_form path_form_of(const char *path) {
  static const struct {
    const char *end;
    path_form form;
  } ends[] = {{".csv", FORM_CSV},
              {".tsv", FORM_TSV},
              {".jsonl", FORM_JSONL},
              {".ndjson", FORM_JSONL},
              {".json", FORM_JSONL}};
  const size_t n = without_compression(path, strlen(path));
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (ends_with(path, n, ends[i].end)) return ends[i].form;
  return FORM_OTHER;
}

// Nothing is read from a pipe: the bytes would be lost to its real reader.
static path_kind kind_of_file(const char *path, bool regular) {
  static const char *const logs[] = {".csv", ".tsv", ".jsonl"};
  size_t n = strlen(path);
  if (ends_with(path, n, "metrics.jsonl")) return PATH_METRICS;
  n = without_compression(path, n);
  for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
    if (ends_with(path, n, logs[i])) return PATH_LOG;
  return regular && is_binary(path) ? PATH_BINARY : PATH_FILE;
}

static bool is_file(path_kind kind) {
  return ((unsigned)kind & (PATH_FILE | PATH_LOG | PATH_METRICS | PATH_BINARY)) != 0;
}

path_kind path_kind_of(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return PATH_NOTHING;
  if (!S_ISDIR(st.st_mode)) return kind_of_file(path, S_ISREG(st.st_mode));
  if (has_schema(path, "manifest.json", "souk.dataset")) return PATH_DATASET;
  if (has_schema(path, "manifest.json", "souk.checkpoint"))
    return holds(path, "batch.h5") ? PATH_STEP : PATH_CHECKPOINT;
  if (has_schema(path, "souk.json", "souk.bundle")) return PATH_BUNDLE;
  if (has_schema(path, "synth.json", "souk.synth")) return PATH_MARKETPLACE;
  if (holds(path, "manifest.json") || holds(path, "souk.json") || holds(path, "synth.json"))
    return PATH_DAMAGED;
  if (holds(path, "sweep.yaml") && holds(path, "base.yaml")) return PATH_SWEEP;
  if (path_holds_run(path)) return PATH_RUN; // even if it holds other files too
  if (is_hugging_face(path)) return PATH_HUGGING_FACE;
  return look_through(path);
}

static int index_of(path_kind kind) {
  int i = 0;
  while (i + 1 < KINDS && kinds[i].kind != kind) i++;
  return i;
}

const char *path_kind_name(path_kind kind) {
  return kinds[index_of(kind)].name;
}

// Writes "a run or a checkpoint", and which command makes the first of them.
static void name_wanted(char text[256], unsigned wanted) {
  const unsigned usual = wanted & ~(unsigned)(PATH_STEP | PATH_SHARDS | PATH_BUNDLE | PATH_FILE);
  if (usual != 0) wanted = usual; // kinds that are rarely meant are not listed
  bool first = true;
  size_t used = 0;
  const char *maker = NULL;
  for (int i = 0; i < KINDS; i++) {
    if ((wanted & (unsigned)kinds[i].kind) == 0) continue;
    used += (size_t)snprintf(text + used, 256 - used, "%s%s", used > 0 ? " or " : "", kinds[i].name);
    if (first) maker = kinds[i].maker;
    first = false;
  }
  snprintf(text + used, 256 - used, " is needed%s%s", maker != NULL ? "; " : "", maker != NULL ? maker : "");
}

status path_check(const char *path, unsigned wanted) {
  char text[256];
  if (path[0] == '\0') return fail(ERR_ARGUMENT, "a path is empty");
  const path_kind kind = path_kind_of(path);
  if ((wanted & PATH_CONFIG) != 0 && may_be_config(path, kind)) return OK;
  if ((wanted & PATH_HUGGING_FACE) != 0 && kind == PATH_RUN && is_hugging_face(path)) return OK;
  if ((wanted & PATH_FILE) != 0 && is_file(kind)) return OK;
  if (kind == PATH_DAMAGED || (wanted & (unsigned)kind) != 0) return OK;
  name_wanted(text, wanted);
  if (kind == PATH_NOTHING && errno == ENOENT)
    return fail(ERR_NOT_FOUND, "%s does not exist, and %s", path, text);
  if (kind == PATH_NOTHING) return fail(ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (!is_file(kind) && access(path, R_OK | X_OK) != 0)
    return fail(ERR_IO, "cannot open directory %s: %s", path, strerror(errno));
  const int i = index_of(kind);
  if (kinds[i].use == NULL) return fail(ERR_ARGUMENT, "%s is %s, but %s", path, kinds[i].name, text);
  return fail(ERR_ARGUMENT, "%s is %s (%s), but %s", path, kinds[i].name, kinds[i].use, text);
}

status path_check_place(const char *path, unsigned allowed) {
  const path_kind kind = path_kind_of(path);
  if (kind == PATH_NOTHING || kind == PATH_EMPTY || (allowed & (unsigned)kind) != 0) return OK;
  if (!is_file(kind) && access(path, R_OK | X_OK) != 0)
    return fail(ERR_IO, "cannot open directory %s: %s", path, strerror(errno));
  if (kind == PATH_DAMAGED)
    return fail(ERR_ARGUMENT, "%s holds a manifest that is not Souk's; it is left as it is", path);
  return fail(ERR_ARGUMENT, "%s exists and is %s; it is left as it is, choose another place", path,
              kinds[index_of(kind)].name);
}
