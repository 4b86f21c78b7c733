// Damaged and hostile bundles; see hostile.h.
#include "lib/hostile.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "lib/check.h"

enum { FILES_MAX = 32 };

static const char *good, *evil;
static char names[FILES_MAX][128]; // of the files that the good bundle lists
static size_t files;

const char *hostile_path(const char *dir, const char *name) {
  static char paths[4][PATH_MAX + 64];
  static int turn;
  char *path = paths[turn++ % 4];
  check_ok(path_join(path, sizeof paths[0], dir, name));
  return path;
}

// Without fsync, which would make the table slow.
static void write_bytes(const char *path, const char *data, size_t bytes) {
  FILE *f = fopen(path, "we");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, bytes, f), bytes);
  assert_int_equal(fclose(f), 0);
}

static void write_text(const char *path, const char *text) {
  write_bytes(path, text, strlen(text));
}

static void copy_file(const char *from, const char *to) {
  char *data;
  size_t bytes;
  check_ok(file_read(from, 1 << 24, &data, &bytes));
  write_bytes(to, data, bytes);
  free(data);
}

static json_t *value_of(const char *text) {
  json_error_t error;
  json_t *j = json_loads(text, JSON_DECODE_ANY, &error);
  if (j == NULL) fail_msg("%s: %s", text, error.text);
  return j;
}

// Sets or deletes the field at a path with slashes.
static void change_field(json_t *j, const char *path, const char *with) {
  char copy[256], *rest = copy, *part;
  snprintf(copy, sizeof copy, "%s", path);
  while ((part = strsep(&rest, "/")) != NULL && rest != NULL) {
    j = json_object_get(j, part);
    if (j == NULL) fail_msg("there is no \"%s\" of \"%s\"", part, path);
  }
  if (with == NULL)
    assert_int_equal(json_object_del(j, part), 0);
  else
    json_object_set_new(j, part, value_of(with));
}

void hostile_json(const char *path, const char *where, const char *with) {
  json_t *j = json_load_file(path, 0, NULL);
  assert_non_null(j);
  change_field(j, where, with);
  assert_int_equal(json_dump_file(j, path, 0), 0);
  json_decref(j);
}

static void change_header(const char *path, const char *where, const char *with) {
  char *data, *text;
  size_t bytes;
  uint64_t size;
  check_ok(file_read(path, 1 << 24, &data, &bytes));
  memcpy(&size, data, 8);
  json_t *j = json_loadb(data + 8, size, 0, NULL);
  assert_non_null(j);
  change_field(j, where, with);
  text = json_dumps(j, JSON_COMPACT);
  const uint64_t now = strlen(text);
  char *changed = malloc(8 + now + bytes);
  assert_non_null(changed);
  memcpy(changed, &now, 8);
  memcpy(changed + 8, text, now);
  memcpy(changed + 8 + now, data + 8 + size, bytes - 8 - size);
  write_bytes(path, changed, bytes - size + now);
  free(changed);
  json_decref(j);
  free(text);
  free(data);
}

int hostile_first(const char *file, const char *name) {
  char *data;
  size_t bytes;
  uint64_t size;
  check_ok(file_read(hostile_path(good, file), 1 << 24, &data, &bytes));
  memcpy(&size, data, 8);
  json_t *j = json_loadb(data + 8, size, 0, NULL);
  const json_t *offsets = json_object_get(json_object_get(j, name), "data_offsets");
  assert_true(json_is_array(offsets));
  const int first = (int)json_integer_value(json_array_get(offsets, 0)) / 4;
  json_decref(j);
  free(data);
  return first;
}

static size_t element_of(const hostile *h) {
  char tensor[128];
  const char *slash = strrchr(h->where, '/');
  assert_non_null(slash);
  snprintf(tensor, sizeof tensor, "%.*s", (int)(slash - h->where), h->where);
  return (size_t)(hostile_first(h->file, tensor) + atoi(slash + 1));
}

static void change_bytes(const char *path, const hostile *h) {
  char *data;
  size_t bytes;
  check_ok(file_read(path, 1 << 24, &data, &bytes));
  const size_t with = h->with != NULL ? strlen(h->with) : 0;
  char *changed = malloc(bytes + with + 1);
  assert_non_null(changed);
  memcpy(changed, data, bytes);
  if (h->change == REPLACE) {
    const char *at = memmem(data, bytes, h->where, strlen(h->where));
    if (at == NULL) fail_msg("%s does not hold \"%s\"", path, h->where);
    const size_t before = (size_t)(at - data), rest = bytes - before - strlen(h->where);
    memcpy(changed + before, h->with, with);
    memcpy(changed + before + with, at + strlen(h->where), rest);
    bytes = before + with + rest;
  } else if (h->change == CUT) {
    assert_true((size_t)atoi(h->with) < bytes);
    bytes = (size_t)atoi(h->with);
  } else if (h->change == APPEND) {
    memcpy(changed + bytes, h->with, with);
    bytes += with;
  } else if (h->change == NUMBER) {
    const uint64_t number = strtoull(h->with, NULL, 0);
    memcpy(changed, &number, 8);
  } else if (h->change == FLOAT || h->change == ELEMENT) {
    const uint32_t bits = (uint32_t)strtoul(h->with, NULL, 0);
    uint64_t header;
    memcpy(&header, data, 8);
    const size_t at = h->change == FLOAT ? (size_t)atoi(h->where) : element_of(h);
    assert_true(8 + header + 4 * at + 4 <= bytes);
    memcpy(changed + 8 + header + 4 * at, &bits, 4);
  }
  write_bytes(path, changed, bytes);
  free(changed);
  free(data);
}

void hostile_apply(const hostile *h) {
  const char *path = hostile_path(evil, h->file);
  switch (h->change) {
  case SET:
  case DELETE:
    hostile_json(path, h->where, h->with);
    break;
  case HEADER:
  case UNHEADER:
    change_header(path, h->where, h->with);
    break;
  case WHOLE:
    write_text(path, h->with);
    break;
  case LINK:
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(hostile_path(good, h->file), path), 0);
    break;
  case DIRECTORY:
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    break;
  case PIPE:
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0666), 0);
    break;
  case ABSENT:
    assert_int_equal(unlink(path), 0);
    break;
  default:
    change_bytes(path, h);
  }
}

// Makes souk.json agree with the files, where it still can be read.
void hostile_agree(void) {
  json_t *j = json_load_file(hostile_path(evil, "souk.json"), 0, NULL);
  if (j == NULL) return;
  for (size_t i = 0; i < files; i++) {
    struct stat st;
    uint64_t bytes;
    char hex[65];
    json_t *entry = json_object_get(json_object_get(j, "files"), names[i]);
    if (entry == NULL || lstat(hostile_path(evil, names[i]), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    check_ok(file_sha256(hostile_path(evil, names[i]), hex, &bytes));
    json_object_set_new(entry, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(entry, "sha256", json_string(hex));
  }
  assert_int_equal(json_dump_file(j, hostile_path(evil, "souk.json"), 0), 0);
  json_decref(j);
}

// The folders that a name lies in.
static void make_folders(const char *name) {
  char folder[128];
  for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
    if (!dir_exists(hostile_path(evil, folder))) check_ok(dir_make(hostile_path(evil, folder)));
  }
}

void hostile_copy(void) {
  if (dir_exists(evil)) check_ok(dir_remove(evil));
  check_ok(dir_make(evil));
  for (size_t i = 0; i < files; i++) {
    make_folders(names[i]);
    copy_file(hostile_path(good, names[i]), hostile_path(evil, names[i]));
  }
  copy_file(hostile_path(good, "souk.json"), hostile_path(evil, "souk.json"));
}

void hostile_of(const char *from, const char *to) {
  const char *name;
  json_t *entry, *j;
  good = from;
  evil = to;
  files = 0;
  j = json_load_file(hostile_path(good, "souk.json"), 0, NULL);
  assert_non_null(j);
  json_object_foreach(json_object_get(j, "files"), name, entry) {
    assert_true(files < FILES_MAX);
    snprintf(names[files++], sizeof *names, "%s", name);
  }
  json_decref(j);
}

void hostile_all(const hostile *cases, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const hostile *h = &cases[i];
    souk_bundle *b = (souk_bundle *)(uintptr_t)h;
    souk_error e = {.code = SOUK_OK};
    hostile_copy();
    hostile_apply(h);
    if (!h->keep_checksums) hostile_agree();
    const souk_status rc = souk_open(&b, evil, 0, &e);
    if (rc != h->code || strstr(e.message, h->says) == NULL)
      fail_msg("case %zu, %s %s: code %d, \"%s\" does not say \"%s\"", i, h->file,
               h->where != NULL ? h->where : "", rc, e.message, h->says);
    assert_null(b);
    assert_true(e.code == rc && strncmp(e.message, "", 1) != 0);
    for (const char *p = e.message; *p != '\0'; p++) assert_true((unsigned char)*p >= 0x20);
    // Without the checksums everything else is still checked.
    const souk_status without = souk_open(&b, evil, SOUK_SKIP_CHECKSUMS, &e);
    if (rc != SOUK_ERR_CHECKSUM) assert_int_equal(without, rc);
    souk_close(b);
  }
}
