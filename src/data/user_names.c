// Names of users; see user_names.h.
#include "data/user_names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/order.h"
#include "format/utf8.h"

enum {
  LONGEST_LINE = 1 << 20, // far beyond a name with everything escaped, to say what is wrong with longer ones
  LONGEST_OF_ALL = 1 << 30
};

struct user_names {
  char path[PATH_MAX];
  line_reader *lines;
  bool any; // names need not keep to the rules
};

static status open_names(user_names **out, const dataset *d, bool any) {
  user_names *u;
  *out = NULL;
  TRY(mem_new(&u, 1, sizeof *u, "names of users"));
  u->any = any;
  status rc = path_join(u->path, sizeof u->path, dataset_dir(d), "users.tsv");
  if (rc == OK) rc = lines_open(&u->lines, u->path, any ? LONGEST_OF_ALL : LONGEST_LINE);
  if (rc != OK) {
    user_names_close(u);
    return rc;
  }
  *out = u;
  return OK;
}

status user_names_open(user_names **out, const dataset *d) {
  return open_names(out, d, false);
}

void user_names_close(user_names *u) {
  if (u == NULL) return;
  lines_close(u->lines);
  free(u);
}

static status bad_name(const user_names *u, const char *why) {
  return fail(ERR_FORMAT, "%s line %lld: the name %s", u->path, (long long)lines_number(u->lines), why);
}

_Static_assert(MAX_NAME_BYTES == 1024, "the sentence below has the number");

status user_names_next(user_names *u, const char **name) {
  static const char too_long[] =
      "is longer than 1024 bytes, which no name may be; souk prepare makes the data set again without it";
  char *line;
  size_t bytes;
  bool end;
  TRY(lines_next(u->lines, &line, &bytes, &end));
  if (end)
    return fail(ERR_FORMAT, "%s has %lld lines, fewer than there are histories", u->path,
                (long long)lines_number(u->lines));
  if (!vocab_unescape(line)) return bad_name(u, "has an unknown escape");
  *name = line;
  if (u->any) return OK;
  if (line[0] == '\0') return bad_name(u, "is empty");
  if (strlen(line) > MAX_NAME_BYTES) return bad_name(u, too_long);
  return utf8_valid(line) ? OK : bad_name(u, "is not UTF-8");
}

// Fails if the file has another line.
static status user_names_end(user_names *u) {
  char *line;
  size_t bytes;
  bool end;
  TRY(lines_next(u->lines, &line, &bytes, &end));
  return end ? OK : fail(ERR_FORMAT, "%s has more lines than there are histories", u->path);
}

// ---- names that two users have -------------------------------------------------------------------------------

// Eight bytes a user: the hashes of all names, sorted. Names are only compared where hashes are the same, in a second pass.
enum { SUSPECTS = 1000 };

typedef struct suspect {
  uint64_t hash;
  char *name; // the first one; NULL: not met yet
} suspect;

static uint64_t hash_of(const char *name) {
  uint64_t h = 0xcbf29ce484222325u; // FNV-1a, mixed at the end
  for (; *name != '\0'; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
  h = (h ^ h >> 32) * 0x9E3779B97F4A7C15u;
  return h ^ h >> 29;
}

static status read_hashes(const dataset *d, bool any, uint64_t *hashes, int64_t n) {
  user_names *u;
  TRY(open_names(&u, d, any));
  status rc = OK;
  const char *name;
  for (int64_t i = 0; rc == OK && i < n; i++) {
    rc = user_names_next(u, &name);
    if (rc == OK) hashes[i] = hash_of(name);
  }
  if (rc == OK) rc = user_names_end(u);
  user_names_close(u);
  return rc;
}

static int32_t find_suspects(uint64_t *hashes, int64_t n, suspect *list) {
  int32_t found = 0;
  qsort(hashes, (size_t)n, sizeof *hashes, order_uint64);
  for (int64_t i = 1; i < n && found < SUSPECTS; i++)
    if (hashes[i] == hashes[i - 1] && (found == 0 || list[found - 1].hash != hashes[i]))
      list[found++] = (suspect){hashes[i], NULL};
  return found;
}

static status compare(const user_names *u, suspect *s, const char *name) {
  if (s->name == NULL) return mem_strdup(&s->name, name);
  if (strcmp(s->name, name) != 0) return OK; // two names with the same hash
  return fail(ERR_FORMAT, "%s line %lld: the name \"%.100s\" is that of another user, too", u->path,
              (long long)lines_number(u->lines), name);
}

static status compare_names(const dataset *d, bool any, suspect *list, int32_t suspects, int64_t n) {
  user_names *u;
  TRY(open_names(&u, d, any));
  status rc = OK;
  for (int64_t i = 0; rc == OK && i < n; i++) {
    const char *name;
    rc = user_names_next(u, &name);
    if (rc != OK) break;
    const uint64_t hash = hash_of(name);
    suspect *s = bsearch(&hash, list, (size_t)suspects, sizeof *list, order_uint64);
    if (s != NULL) rc = compare(u, s, name);
  }
  user_names_close(u);
  return rc;
}

static status check_names(const dataset *d, bool any) {
  const int64_t n = dataset_get_info(d)->sequences;
  uint64_t *hashes = NULL;
  suspect *list = NULL;
  status rc = mem_new(&hashes, (size_t)n, sizeof *hashes, "hashes of names");
  if (rc == OK) rc = mem_new(&list, SUSPECTS, sizeof *list, "hashes of names");
  if (rc == OK) rc = read_hashes(d, any, hashes, n);
  const int32_t suspects = rc == OK ? find_suspects(hashes, n, list) : 0;
  if (suspects > 0) rc = compare_names(d, any, list, suspects, n);
  for (int32_t i = 0; i < suspects; i++) free(list[i].name);
  free(list);
  free(hashes);
  return rc;
}

status user_names_check(const dataset *d) {
  return check_names(d, false);
}

status user_names_check_twice(const dataset *d) {
  return check_names(d, true);
}
