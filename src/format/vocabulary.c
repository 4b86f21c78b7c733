// The vocabulary: token texts in one block of memory, ids by range, and an open-addressing index from text to id.
#include "format/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST_SLOTS = 64, PREFIX_BYTES = 16 }; // of "category=" and the like

const char *const special_tokens[TOKEN_SPECIALS] = {
#define TOKEN(name, id, text) [id] = text,
    SPECIAL_TOKENS(TOKEN)
#undef TOKEN
};

const char *const vocab_range_names[RANGE_COUNT] = {"special", "words", "attributes", "items"};
static const char *const one_of[RANGE_COUNT] = {"special token", "word", "attribute", "item"};

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
  uint64_t seed;
};

// ---- the index -----------------------------------------------------------------------------------------------

// FNV-1a over range and text (the same text may be a word and an item), from a start that nobody can know in advance: a
// hostile vocabulary cannot make every name collide.
static uint64_t hash(const vocab *v, vocab_range range, const char *text, size_t bytes) {
  uint64_t h = v->seed ^ (uint64_t)range;
  for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)text[i]) * 1099511628211u;
  return h ^ h >> 29;
}

static uint64_t make_seed(const vocab *v) {
  uint64_t seed = 14695981039346656037u;
#ifndef SOUK_SMALL_BUFFERS // builds for fuzzing repeat themselves
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  seed ^= (uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec ^ (uintptr_t)v;
#else
  (void)v;
#endif
  return seed;
}

static const char *text_of(const vocab *v, int32_t id) {
  return v->texts + v->entries[id].text;
}

static vocab_range range_of(const vocab *v, int32_t id) {
  int r = 0;
  while (r < RANGE_ITEMS && id >= v->end[r]) r++;
  return (vocab_range)r;
}

static void insert(vocab *v, int32_t id, vocab_range range) {
  const char *text = text_of(v, id);
  size_t i = hash(v, range, text, strlen(text)) & (v->n_slots - 1);
  while (v->slots[i] != 0) i = (i + 1) & (v->n_slots - 1);
  v->slots[i] = id + 1;
}

// An index with room for n tokens.
static bool grow_index(vocab *v, size_t n, format_error *e) {
  size_t wanted = v->n_slots > 0 ? v->n_slots : FIRST_SLOTS;
  while (wanted < 2 * n) wanted *= 2;
  if (wanted == v->n_slots) return true;
  int32_t *slots;
  if (!format_alloc(&slots, wanted, sizeof *slots, "the vocabulary's index", e)) return false;
  free(v->slots);
  v->slots = slots;
  v->n_slots = wanted;
  for (int32_t id = 0; id < v->n; id++) insert(v, id, range_of(v, id));
  return true;
}

int32_t vocab_find_bytes(const vocab *v, vocab_range range, const char *text, size_t bytes) {
  for (size_t i = hash(v, range, text, bytes) & (v->n_slots - 1); v->slots[i] != 0;
       i = (i + 1) & (v->n_slots - 1)) {
    const int32_t id = v->slots[i] - 1;
    if (id < vocab_begin(v, range) || id >= v->end[range]) continue;
    const char *there = text_of(v, id);
    if (strncmp(there, text, bytes) == 0 && there[bytes] == '\0') return id;
  }
  return -1;
}

int32_t vocab_find(const vocab *v, vocab_range range, const char *token) {
  return vocab_find_bytes(v, range, token, strlen(token));
}

// ---- building ------------------------------------------------------------------------------------------------

static bool make_room(vocab *v, size_t tokens, size_t text_bytes, format_error *e) {
  return format_grow(&v->entries, &v->entries_cap, tokens, sizeof *v->entries, "a vocabulary", e) &&
         format_grow(&v->texts, &v->texts_cap, text_bytes, 1, "a vocabulary", e) && grow_index(v, tokens, e);
}

// Takes the text that lies behind the others in v->texts, for which there is room. False: the range has it already.
static bool take(vocab *v, vocab_range range, size_t bytes, int64_t count) {
  const char *text = v->texts + v->texts_used;
  for (int r = (int)v->filling; r <= RANGE_ITEMS; r++) v->end[r] = v->n;
  v->filling = range;
  if (vocab_find_bytes(v, range, text, bytes) >= 0) return false;
  v->entries[v->n] = (entry){v->texts_used, count};
  v->texts_used += bytes + 1;
  v->n++;
  for (int r = (int)range; r <= RANGE_ITEMS; r++) v->end[r] = v->n;
  insert(v, v->n - 1, range);
  return true;
}

bool vocabulary_add(vocab *v, vocab_range range, const char *token, int64_t count, int32_t *id,
                    format_error *e) {
  const size_t bytes = strlen(token);
  if (range < v->filling)
    return format_fail(e, FORMAT_INTERNAL, "the vocabulary's ranges must be filled in order");
  if (v->n == INT32_MAX) return format_fail(e, FORMAT_INTERNAL, "the vocabulary has more than 2^31 tokens");
  if (!make_room(v, (size_t)v->n + 1, v->texts_used + bytes + 1, e)) return false;
  memcpy(v->texts + v->texts_used, token, bytes + 1);
  if (!take(v, range, bytes, count))
    return format_fail(e, FORMAT_MALFORMED, "the %s \"%.100s\" appears twice", one_of[range], token);
  if (id != NULL) *id = v->n - 1;
  return true;
}

static bool make_empty(vocab **out, size_t tokens, size_t text_bytes, format_error *e) {
  *out = NULL;
  vocab *v;
  if (!format_alloc(&v, 1, sizeof *v, "a vocabulary", e)) return false;
  v->seed = make_seed(v);
  if (!make_room(v, tokens, text_bytes, e)) {
    vocab_free(v);
    return false;
  }
  *out = v;
  return true;
}

bool vocabulary_new(vocab **out, format_error *e) {
  bool good = make_empty(out, TOKEN_SPECIALS, 64, e);
  for (int i = 0; good && i < TOKEN_SPECIALS; i++)
    good = vocabulary_add(*out, RANGE_SPECIAL, special_tokens[i], 0, NULL, e);
  if (!good) vocab_free(*out);
  if (!good) *out = NULL;
  return good;
}

void vocab_free(vocab *v) {
  if (v == NULL) return;
  free(v->entries);
  free(v->texts);
  free(v->slots);
  free(v);
}

// ---- vocab.tsv -----------------------------------------------------------------------------------------------

// Undoes the escapes of text [bytes] into `to`, which may be text itself; returns the end, NULL for an unknown escape or a NUL.
static char *unescape(const char *text, size_t bytes, char *to) {
  static const char from[] = "tnr\\", means[] = "\t\n\r\\";
  for (size_t i = 0; i < bytes; i++) {
    char c = text[i];
    if (c == '\0') return NULL;
    if (c == '\\') {
      const char *place = ++i < bytes && text[i] != '\0' ? strchr(from, text[i]) : NULL;
      if (place == NULL) return NULL;
      c = means[place - from];
    }
    *to++ = c;
  }
  *to = '\0';
  return to;
}

bool vocab_unescape(char *text) {
  return unescape(text, strlen(text), text) != NULL;
}

static bool read_count(const char *text, size_t bytes, int64_t *count) {
  *count = 0;
  for (size_t i = 0; i < bytes; i++) {
    if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*count, 10, count) ||
        __builtin_add_overflow(*count, text[i] - '0', count))
      return false;
  }
  return bytes > 0;
}

// Names of items, and of attributes, which are "category=NAME". Words are their tokenizer's.
static bool check_length(vocab_range range, size_t bytes, const char *path, int32_t number, format_error *e) {
  const size_t more = range == RANGE_ATTRIBUTES ? PREFIX_BYTES : 0;
  if ((range != RANGE_ITEMS && range != RANGE_ATTRIBUTES) || bytes <= MAX_NAME_BYTES + more) return true;
  return format_fail(e, FORMAT_MALFORMED,
                     "%s line %d: the name has %zu bytes, and none may have more than %d; souk prepare makes "
                     "the data set again without it",
                     path, number, bytes, MAX_NAME_BYTES);
}

static bool read_line(vocab *v, const char *line, size_t bytes, const int32_t range_end[RANGE_COUNT],
                      const char *path, format_error *e) {
  const int32_t id = v->n, number = id + 1;
  const char *tab = memchr(line, '\t', bytes);
  char *text = v->texts + v->texts_used;
  int64_t count;
  if (tab == NULL || !read_count(tab + 1, (size_t)(line + bytes - tab) - 1, &count))
    return format_fail(e, FORMAT_MALFORMED, "%s line %d: TOKEN <tab> COUNT is expected", path, number);
  const char *end = unescape(line, (size_t)(tab - line), text);
  if (end == NULL)
    return format_fail(e, FORMAT_MALFORMED, "%s line %d: unknown escape or NUL in the token", path, number);
  if (id < TOKEN_SPECIALS && strcmp(text, special_tokens[id]) != 0)
    return format_fail(e, FORMAT_MALFORMED, "%s line %d: the token must be %s", path, number,
                       special_tokens[id]);
  int range = 0;
  while (id >= range_end[range]) range++;
  if (!check_length((vocab_range)range, (size_t)(end - text), path, number, e)) return false;
  return take(v, (vocab_range)range, (size_t)(end - text), count) ||
         format_fail(e, FORMAT_MALFORMED, "%s line %d: the %s \"%.100s\" appears twice", path, number,
                     one_of[range], text);
}

static bool read_lines(vocab *v, const char *data, size_t bytes, const int32_t range_end[RANGE_COUNT],
                       const char *path, format_error *e) {
  const int32_t size = range_end[RANGE_ITEMS];
  for (const char *at = data, *end = data + bytes, *stop; at < end; at = stop + 1) {
    stop = memchr(at, '\n', (size_t)(end - at));
    if (v->n == size)
      return format_fail(e, FORMAT_MALFORMED, "%s has more lines than the vocabulary's %d tokens", path,
                         size);
    const size_t cr =
        stop > at && stop[-1] == '\r'; // of a file that an editor has changed; a token's is escaped
    if (!read_line(v, at, (size_t)(stop - at) - cr, range_end, path, e)) return false;
  }
  return v->n == size ||
         format_fail(e, FORMAT_MALFORMED, "%s has %d lines, the vocabulary has %d tokens", path, v->n, size);
}

bool vocabulary_parse(vocab **out, const char *data, size_t bytes, const int32_t range_end[RANGE_COUNT],
                      const char *path, format_error *e) {
  const int32_t size = range_end[RANGE_ITEMS];
  *out = NULL;
  if (bytes > 0 && data[bytes - 1] != '\n')
    return format_fail(e, FORMAT_MALFORMED, "%s is cut short: its last line is incomplete", path);
  // Before anything is allocated by a number from another file: a line has at least three bytes.
  if (size < TOKEN_SPECIALS || (size_t)size > bytes / 3)
    return format_fail(e, FORMAT_MALFORMED, "%s is too short for a vocabulary of %d tokens", path, size);
  vocab *v;
  if (!make_empty(&v, (size_t)size, bytes + 1, e)) return false; // a text and its NUL: at most a line
  if (!read_lines(v, data, bytes, range_end, path, e)) {
    vocab_free(v);
    return false;
  }
  for (int r = (int)v->filling; r <= RANGE_ITEMS; r++) v->end[r] = v->n;
  *out = v;
  return true;
}

// ---- what is in it -------------------------------------------------------------------------------------------

size_t vocab_used_bytes(const vocab *v) {
  return v->texts_used + (size_t)v->n * sizeof *v->entries + v->n_slots * sizeof *v->slots;
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
  return text_of(v, id);
}
int64_t vocab_token_count(const vocab *v, int32_t id) {
  return v->entries[id].count;
}
void vocab_set_count(vocab *v, int32_t id, int64_t count) {
  v->entries[id].count = count;
}
size_t vocab_bytes(const vocab *v) {
  return sizeof *v + v->entries_cap * sizeof *v->entries + v->texts_cap + v->n_slots * sizeof *v->slots;
}
