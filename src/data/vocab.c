// The vocabulary: token texts in one block of memory, ids by range, and an open-addressing index from text to id.
#include "data/vocab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/memory.h"

typedef struct entry {
  size_t text; // offset in texts
  int64_t count;
} entry;

struct vocab {
  entry *entries;
  size_t entries_cap;
  char *texts;
  size_t texts_cap, texts_used;
  int32_t n, end[RANGE_COUNT];
  vocab_range filling;
  int32_t *slots; // id + 1, 0 empty; power of two
  size_t n_slots;
};

// FNV-1a over range and text: the same text may be a word and an item.
static uint64_t hash(vocab_range range, const char *text) {
  uint64_t h = 14695981039346656037u ^ (uint64_t)range;
  for (; *text != '\0'; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
  return h ^ h >> 29;
}

static vocab_range range_of(const vocab *v, int32_t id) {
  int r = 0;
  while (r < RANGE_ITEMS && id >= v->end[r]) r++;
  return (vocab_range)r;
}

static void insert(vocab *v, int32_t id, vocab_range range) {
  size_t i = hash(range, v->texts + v->entries[id].text) & (v->n_slots - 1);
  while (v->slots[i] != 0) i = (i + 1) & (v->n_slots - 1);
  v->slots[i] = id + 1;
}

static status grow_index(vocab *v) {
  const size_t wanted = v->n_slots == 0 ? 1024 : 2 * v->n_slots;
  int32_t *slots;
  TRY(mem_new(&slots, wanted, sizeof *slots, "the vocabulary's index"));
  free(v->slots);
  v->slots = slots;
  v->n_slots = wanted;
  for (int32_t id = 0; id < v->n; id++) insert(v, id, range_of(v, id));
  return OK;
}

int32_t vocab_find(const vocab *v, vocab_range range, const char *token) {
  for (size_t i = hash(range, token) & (v->n_slots - 1); v->slots[i] != 0; i = (i + 1) & (v->n_slots - 1)) {
    const int32_t id = v->slots[i] - 1;
    if (id >= vocab_begin(v, range) && id < v->end[range] &&
        strcmp(v->texts + v->entries[id].text, token) == 0)
      return id;
  }
  return -1;
}

status vocab_add(vocab *v, vocab_range range, const char *token, int64_t count, int32_t *id) {
  if (range < v->filling) return fail(ERR_INTERNAL, "the vocabulary's ranges must be filled in order");
  if (v->n == INT32_MAX) return fail(ERR_ARGUMENT, "the vocabulary has more than 2^31 tokens");
  for (int r = (int)v->filling; r <= RANGE_ITEMS; r++) v->end[r] = v->n;
  v->filling = range;
  if (2 * (size_t)(v->n + 1) > v->n_slots) TRY(grow_index(v));
  if (vocab_find(v, range, token) >= 0)
    return fail(ERR_FORMAT, "token \"%s\" appears twice among the %s", token, vocab_range_names[range]);
  const size_t bytes = strlen(token) + 1;
  TRY(mem_grow(&v->entries, &v->entries_cap, (size_t)v->n + 1, sizeof *v->entries, "the vocabulary"));
  TRY(mem_grow(&v->texts, &v->texts_cap, v->texts_used + bytes, 1, "the vocabulary"));
  memcpy(v->texts + v->texts_used, token, bytes);
  v->entries[v->n] = (entry){v->texts_used, count};
  v->texts_used += bytes;
  if (id != NULL) *id = v->n;
  v->n++;
  for (int r = (int)range; r <= RANGE_ITEMS; r++) v->end[r] = v->n;
  insert(v, v->n - 1, range);
  return OK;
}

static status vocab_empty(vocab **out) {
  TRY(mem_new(out, 1, sizeof **out, "a vocabulary"));
  const status rc = grow_index(*out);
  if (rc != OK) {
    vocab_free(*out);
    *out = NULL;
  }
  return rc;
}

status vocab_new(vocab **out) {
  TRY(vocab_empty(out));
  for (int i = 0; i < TOKEN_SPECIALS; i++) {
    const status rc = vocab_add(*out, RANGE_SPECIAL, special_tokens[i], 0, NULL);
    if (rc != OK) {
      vocab_free(*out);
      *out = NULL;
      return rc;
    }
  }
  return OK;
}

void vocab_free(vocab *v) {
  if (v == NULL) return;
  free(v->entries);
  free(v->texts);
  free(v->slots);
  free(v);
}

int32_t vocab_size(const vocab *v) {
  return v->n;
}
int32_t vocab_begin(const vocab *v, vocab_range range) {
  return range == RANGE_SPECIAL ? 0 : v->end[range - 1];
}
int32_t vocab_end(const vocab *v, vocab_range range) {
  return v->end[range];
}
const char *vocab_token(const vocab *v, int32_t id) {
  return v->texts + v->entries[id].text;
}
int64_t vocab_token_count(const vocab *v, int32_t id) {
  return v->entries[id].count;
}

bool vocab_unescape(char *text) {
  char *to = text;
  for (const char *p = text; *p != '\0'; p++) {
    if (*p != '\\') {
      *to++ = *p;
      continue;
    }
    p++;
    if (*p == 't')
      *to++ = '\t';
    else if (*p == 'n')
      *to++ = '\n';
    else if (*p == 'r')
      *to++ = '\r';
    else if (*p == '\\')
      *to++ = '\\';
    else
      return false;
  }
  *to = '\0';
  return true;
}

static status read_line(vocab *v, char *line, const int32_t range_end[RANGE_COUNT], const char *path) {
  char *tab = strchr(line, '\t'), *end = NULL;
  const long long count = tab != NULL ? strtoll(tab + 1, &end, 10) : 0;
  if (tab == NULL || end == tab + 1 || *end != '\0' || count < 0)
    return fail(ERR_FORMAT, "%s line %d: TOKEN <tab> COUNT is expected", path, v->n + 1);
  *tab = '\0';
  if (!vocab_unescape(line))
    return fail(ERR_FORMAT, "%s line %d: unknown escape in the token", path, v->n + 1);
  int range = 0;
  while (range < RANGE_COUNT && v->n >= range_end[range]) range++;
  if (range == RANGE_COUNT)
    return fail(ERR_FORMAT, "%s has more tokens than the manifest's %d", path, range_end[RANGE_ITEMS]);
  const status rc = vocab_add(v, (vocab_range)range, line, count, NULL);
  return rc == OK ? OK : fail_prefix(rc, "%s", path);
}

status vocab_read(vocab **out, const char *path, const int32_t range_end[RANGE_COUNT]) {
  *out = NULL;
  vocab *v;
  line_reader *lines = NULL;
  TRY(vocab_empty(&v));
  status rc;
  struct stat st;
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { // opening a pipe would wait
    rc = fail(ERR_FORMAT, "%s is not a regular file", path);
    goto bad;
  }
  TRY_GOTO(lines_open(&lines, path, 1 << 20), bad);
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    TRY_GOTO(lines_next(lines, &line, &bytes, &end), bad);
    if (end) break;
    TRY_GOTO(read_line(v, line, range_end, path), bad);
  }
  if (v->n != range_end[RANGE_ITEMS] || v->n < TOKEN_SPECIALS) {
    rc = fail(ERR_FORMAT, "%s has %d tokens, the manifest says %d", path, v->n, range_end[RANGE_ITEMS]);
    goto bad;
  }
  for (int r = (int)v->filling; r <= RANGE_ITEMS; r++) v->end[r] = v->n;
  lines_close(lines);
  *out = v;
  return OK;
bad:
  lines_close(lines);
  vocab_free(v);
  return rc;
}

status vocab_write(const vocab *v, const char *path) {
  out_file *f;
  TRY(out_open(&f, path));
  status rc = OK;
  for (int32_t id = 0; rc == OK && id < v->n; id++) {
    rc = vocab_escape(f, vocab_token(v, id));
    if (rc == OK) rc = out_printf(f, "\t%lld\n", (long long)v->entries[id].count);
  }
  return out_finish(f, rc);
}

status vocab_escape(out_file *f, const char *text) {
  for (;;) {
    const size_t n = strcspn(text, "\\\t\n\r");
    if (n > 0) TRY(out_write(f, text, n));
    if (text[n] == '\0') return OK;
    const char c = text[n];
    TRY(out_write(f, c == '\\' ? "\\\\" : c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\r", 2));
    text += n + 1;
  }
}
