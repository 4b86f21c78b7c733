// Vocabularies of BERT models from elsewhere; see wordpiece.h.
#include "format/wordpiece.h"

#include <stdlib.h>
#include <string.h>
#include "format/jtree.h"

enum { MAX_TOKENS = 1 << 24, MAX_TOKEN_BYTES = 4096 };

// Texts by their id, as the file has them.
typedef struct token_list {
  const char **texts; // [cap]; NULL: no such id yet
  size_t cap;
  int32_t n; // one beyond the largest id
  const char *path;
  format_error *e;
} token_list;

static bool put(token_list *l, int64_t id, const char *text) {
  if (id < 0 || id >= MAX_TOKENS)
    return format_fail(l->e, FORMAT_MALFORMED, "%s: the id of token \"%s\" is out of range", l->path, text);
  if (id >= l->n) {
    if (!format_grow(&l->texts, &l->cap, (size_t)id + 1, sizeof *l->texts, "a vocabulary", l->e))
      return false;
    for (int32_t i = l->n; i <= (int32_t)id; i++) l->texts[i] = NULL;
    l->n = (int32_t)id + 1;
  }
  if (l->texts[id] != NULL && strcmp(l->texts[id], text) != 0)
    return format_fail(l->e, FORMAT_MALFORMED, "%s: tokens \"%s\" and \"%s\" have the same id", l->path,
                       l->texts[id], text);
  l->texts[id] = text;
  return true;
}

// ---- files ---------------------------------------------------------------------------------------------------

// text [bytes] and a NUL; cut into its lines.
static bool read_lines(token_list *l, char *text, size_t bytes) {
  long long line = 0;
  for (char *at = text, *end = text + bytes, *stop; at < end; at = stop + 1) {
    stop = memchr(at, '\n', (size_t)(end - at));
    if (stop == NULL) stop = end;
    line++;
    size_t n = (size_t)(stop - at);
    if (n > MAX_TOKEN_BYTES)
      return format_fail(l->e, FORMAT_MALFORMED, "%s line %lld is longer than %d bytes", l->path, line,
                         MAX_TOKEN_BYTES);
    if (n > 0 && at[n - 1] == '\r') n--;
    at[n] = '\0';
    if (n == 0)
      return format_fail(l->e, FORMAT_MALFORMED, "%s line %lld: the line is empty, a token is expected",
                         l->path, line);
    if (strlen(at) != n)
      return format_fail(l->e, FORMAT_MALFORMED, "%s line %lld holds a NUL byte", l->path, line);
    if (!put(l, l->n, at)) return false;
  }
  return true;
}

static bool parse(jtree *j, const char *text, size_t bytes, const char *path, format_error *e) {
  return jtree_parse(j, text, bytes) || format_fail(e, j->memory ? FORMAT_MEMORY : FORMAT_MALFORMED,
                                                    "%s line %lld: %s", path, (long long)j->line, j->why);
}

static bool put_json(token_list *l, const jnode *id, const char *text) {
  if (id == NULL || !id->is_integer || text == NULL || text[0] == '\0' || strlen(text) > MAX_TOKEN_BYTES)
    return format_fail(l->e, FORMAT_MALFORMED, "%s: a token of the vocabulary lacks its text or its id",
                       l->path);
  return put(l, id->integer, text);
}

static const char *string_of(const jnode *n) {
  return n != NULL && n->kind == J_STRING ? n->text : NULL;
}

static bool read_tokenizer(token_list *l, const jtree *j) {
  const jnode *model = jtree_get(j, j->nodes, "model"), *words = jtree_get(j, model, "vocab"),
              *added = jtree_get(j, j->nodes, "added_tokens");
  const char *type = string_of(jtree_get(j, model, "type"));
  if (type == NULL || strcmp(type, "WordPiece") != 0)
    return format_fail(l->e, FORMAT_MALFORMED,
                       "%s: field \"model.type\" is \"%.100s\"; a BERT vocabulary is WordPiece", l->path,
                       type != NULL ? type : "");
  if (words == NULL || words->kind != J_OBJECT)
    return format_fail(l->e, FORMAT_MALFORMED, "%s: field \"model.vocab\" is missing or not an object",
                       l->path);
  for (const jnode *n = jtree_first(j, words); n != NULL; n = jtree_next(j, n))
    if (!put_json(l, n, n->key)) return false;
  if (added == NULL || added->kind != J_ARRAY) return true;
  for (const jnode *n = jtree_first(j, added); n != NULL; n = jtree_next(j, n))
    if (!put_json(l, jtree_get(j, n, "id"), string_of(jtree_get(j, n, "content")))) return false;
  return true;
}

// ---- specials ------------------------------------------------------------------------------------------------

typedef struct special_names {
  char name[TOKEN_SPECIALS][256];
} special_names;

// A value of special_tokens_map.json is a text, or an object with its text as "content".
static bool read_special_names(special_names *s, const jtree *j, const char *path, format_error *e) {
  static const char *const keys[TOKEN_SPECIALS] = {"pad_token", "unk_token", "cls_token", "sep_token",
                                                   "mask_token"};
  for (int i = 0; i < TOKEN_SPECIALS; i++) {
    const jnode *value = jtree_get(j, j->nodes, keys[i]);
    if (value == NULL) continue;
    const char *text = string_of(value->kind == J_OBJECT ? jtree_get(j, value, "content") : value);
    if (text == NULL || strlen(text) >= sizeof s->name[i])
      return format_fail(e, FORMAT_MALFORMED, "%s: field \"%s\" is not a token", path, keys[i]);
    strcpy(s->name[i], text);
  }
  return true;
}

static bool find_special_names(special_names *s, const wordpiece_files *f, format_error *e) {
  for (int i = 0; i < TOKEN_SPECIALS; i++) strcpy(s->name[i], special_tokens[i]);
  if (f->specials == NULL) return true;
  jtree j = {0};
  const bool good = parse(&j, f->specials, f->specials_bytes, f->specials_path, e) &&
                    read_special_names(s, &j, f->specials_path, e);
  jtree_free(&j);
  return good;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static int special_of(const special_names *s, const char *text) {
  for (int i = TOKEN_SPECIALS - 1; i >= 0; i--)
    if (strcmp(text, s->name[i]) == 0) return i;
  return TOKEN_SPECIALS;
}

static bool renumber(wordpiece *w, const token_list *l, const special_names *s) {
  bool found[TOKEN_SPECIALS] = {false};
  w->n = l->n;
  if (!vocabulary_new(&w->v, l->e) ||
      !format_alloc(&w->ours, (size_t)l->n, sizeof *w->ours, "a vocabulary", l->e))
    return false;
  format_error twice = {.message = ""};
  for (int32_t id = 0; id < l->n; id++) {
    if (l->texts[id] == NULL)
      return format_fail(l->e, FORMAT_MALFORMED, "%s has no token with id %d", l->path, id);
    const int special = special_of(s, l->texts[id]);
    if (special < TOKEN_SPECIALS && !found[special]) {
      found[special] = true;
      w->ours[id] = special;
      continue;
    }
    if (!vocabulary_add(w->v, RANGE_WORDS, l->texts[id], 0, &w->ours[id], &twice))
      return format_fail(l->e, twice.kind, "%s: %.500s", l->path, twice.message);
  }
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (!found[i])
      return format_fail(l->e, FORMAT_MALFORMED,
                         "%s has no token \"%s\"; special_tokens_map.json beside it may name another",
                         l->path, s->name[i]);
  return true;
}

bool wordpiece_parse(wordpiece **out, const wordpiece_files *f, format_error *e) {
  token_list l = {.path = f->path, .e = e};
  special_names specials = {.name = {""}};
  jtree j = {0};
  char *copy = NULL; // whose lines become texts
  wordpiece *w = NULL;
  bool good = find_special_names(&specials, f, e) && format_alloc(&w, 1, sizeof *w, "a vocabulary", e);
  if (good && f->is_json) {
    good = parse(&j, f->text, f->bytes, f->path, e) && read_tokenizer(&l, &j);
  } else if (good) {
    good = format_alloc(&copy, f->bytes + 1, 1, "a vocabulary", e);
    if (good) memcpy(copy, f->text, f->bytes);
    good = good && read_lines(&l, copy, f->bytes);
  }
  good = good && renumber(w, &l, &specials);
  free(l.texts);
  free(copy);
  jtree_free(&j);
  if (!good) wordpiece_free(w);
  *out = good ? w : NULL;
  return good;
}

void wordpiece_free(wordpiece *w) {
  if (w == NULL) return;
  vocab_free(w->v);
  free(w->ours);
  free(w);
}
