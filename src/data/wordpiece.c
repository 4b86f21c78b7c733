// Vocabularies of BERT models from elsewhere; see wordpiece.h.
#include "data/wordpiece.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

enum { MAX_TOKENS = 1 << 24, MAX_TOKEN_BYTES = 4096, MAX_JSON = 256 << 20 };

// Texts by their id, as the file has them.
typedef struct token_list {
  char **texts; // [cap]; NULL: no such id yet
  size_t cap;
  int32_t n; // one beyond the largest id
} token_list;

static void list_free(token_list *l) {
  for (int32_t i = 0; i < l->n; i++) free(l->texts[i]);
  free(l->texts);
}

static status list_put(token_list *l, int64_t id, const char *text, const char *path) {
  if (id < 0 || id >= MAX_TOKENS)
    return fail(ERR_FORMAT, "%s: the id of token \"%s\" is out of range", path, text);
  if (id >= l->n) {
    TRY(mem_grow(&l->texts, &l->cap, (size_t)id + 1, sizeof *l->texts, "a vocabulary"));
    for (int32_t i = l->n; i <= (int32_t)id; i++) l->texts[i] = NULL;
    l->n = (int32_t)id + 1;
  }
  if (l->texts[id] != NULL) {
    if (strcmp(l->texts[id], text) == 0) return OK;
    return fail(ERR_FORMAT, "%s: tokens \"%s\" and \"%s\" have the same id", path, l->texts[id], text);
  }
  return mem_strdup(&l->texts[id], text);
}

// ---- files ---------------------------------------------------------------------------------------------------

static status read_text(token_list *l, const char *path) {
  line_reader *lines;
  TRY(lines_open(&lines, path, MAX_TOKEN_BYTES));
  status rc = OK;
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    if (bytes == 0)
      rc = fail(ERR_FORMAT, "%s line %lld: a token is wanted, the line is empty", path,
                (long long)lines_number(lines));
    if (rc == OK) rc = list_put(l, l->n, line, path);
    if (rc != OK) break;
  }
  lines_close(lines);
  return rc;
}

static status load_json(json_t **out, const char *path) {
  char *text;
  size_t bytes;
  json_error_t error;
  TRY(file_read(path, MAX_JSON, &text, &bytes));
  *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  free(text);
  return *out != NULL ? OK : fail(ERR_FORMAT, "%s line %d: %s", path, error.line, error.text);
}

static status put_json(token_list *l, const json_t *id, const char *text, const char *path) {
  if (!json_is_integer(id) || text == NULL || text[0] == '\0' || strlen(text) > MAX_TOKEN_BYTES)
    return fail(ERR_FORMAT, "%s: a token of the vocabulary has no text or no id", path);
  return list_put(l, json_integer_value(id), text, path);
}

static status read_tokenizer(token_list *l, const json_t *j, const char *path) {
  const json_t *m = json_object_get(j, "model"), *words = json_object_get(m, "vocab");
  const char *type = json_string_value(json_object_get(m, "type"));
  if (type == NULL || strcmp(type, "WordPiece") != 0)
    return fail(ERR_FORMAT, "%s: field \"model.type\" is \"%s\"; a BERT vocabulary is WordPiece", path,
                type != NULL ? type : "");
  if (!json_is_object(words))
    return fail(ERR_FORMAT, "%s: field \"model.vocab\" is missing or no object", path);
  const char *text;
  json_t *id;
  json_object_foreach((json_t *)words, text, id) TRY(put_json(l, id, text, path));
  size_t i;
  json_t *added;
  json_array_foreach(json_object_get(j, "added_tokens"), i, added) TRY(
      put_json(l, json_object_get(added, "id"), json_string_value(json_object_get(added, "content")), path));
  return OK;
}

static status read_tokenizer_file(token_list *l, const char *path) {
  json_t *j;
  TRY(load_json(&j, path));
  const status rc = read_tokenizer(l, j, path);
  json_decref(j);
  return rc;
}

// ---- specials ------------------------------------------------------------------------------------------------

typedef struct special_names {
  char name[TOKEN_SPECIALS][256];
} special_names;

// A value of special_tokens_map.json is a text, or an object with its text as "content".
static status read_special_names(special_names *s, const char *path) {
  static const char *const keys[TOKEN_SPECIALS] = {"pad_token", "unk_token", "cls_token", "sep_token",
                                                   "mask_token"};
  json_t *j;
  TRY(load_json(&j, path));
  status rc = OK;
  for (int i = 0; rc == OK && i < TOKEN_SPECIALS; i++) {
    const json_t *value = json_object_get(j, keys[i]);
    if (value == NULL) continue;
    const char *text = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    if (text == NULL || strlen(text) >= sizeof s->name[i])
      rc = fail(ERR_FORMAT, "%s: field \"%s\" is no token", path, keys[i]);
    else
      strcpy(s->name[i], text);
  }
  json_decref(j);
  return rc;
}

static status find_special_names(special_names *s, const char *dir) {
  *s = (special_names){{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}};
  char path[PATH_MAX];
  bool there;
  TRY(path_join(path, sizeof path, dir, "special_tokens_map.json"));
  TRY(file_look(path, &there));
  return there ? read_special_names(s, path) : OK;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status renumber(wordpiece *w, const token_list *l, const special_names *s, const char *path) {
  w->n = l->n;
  TRY(vocab_new(&w->v));
  TRY(mem_new(&w->ours, (size_t)l->n, sizeof *w->ours, "a vocabulary"));
  int32_t found[TOKEN_SPECIALS];
  for (int i = 0; i < TOKEN_SPECIALS; i++) found[i] = -1;
  for (int32_t id = 0; id < l->n; id++) {
    if (l->texts[id] == NULL) return fail(ERR_FORMAT, "%s has no token with id %d", path, id);
    int special = TOKEN_SPECIALS;
    for (int i = 0; i < TOKEN_SPECIALS; i++)
      if (strcmp(l->texts[id], s->name[i]) == 0) special = i;
    if (special < TOKEN_SPECIALS && found[special] < 0) {
      w->ours[id] = found[special] = special;
      continue;
    }
    const status rc = vocab_add(w->v, RANGE_WORDS, l->texts[id], 0, &w->ours[id]);
    if (rc != OK) return fail_prefix(rc, "%s", path);
  }
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (found[i] < 0)
      return fail(ERR_FORMAT, "%s has no token \"%s\"; special_tokens_map.json beside it may name another",
                  path, s->name[i]);
  return OK;
}

status wordpiece_read(wordpiece **out, const char *dir, char *path_used) {
  *out = NULL;
  char path[PATH_MAX];
  special_names specials;
  TRY(path_join(path, sizeof path, dir, "vocab.txt"));
  bool text, there;
  TRY(file_look(path, &text));
  if (!text) TRY(path_join(path, sizeof path, dir, "tokenizer.json"));
  TRY(file_look(path, &there));
  if (!there)
    return fail(ERR_NOT_FOUND, "%s has neither vocab.txt nor tokenizer.json: the vocabulary is missing", dir);
  TRY(find_special_names(&specials, dir));
  token_list l = {NULL, 0, 0};
  wordpiece *w = NULL;
  status rc;
  TRY_GOTO(mem_new(&w, 1, sizeof *w, "a vocabulary"), done);
  TRY_GOTO(text ? read_text(&l, path) : read_tokenizer_file(&l, path), done);
  TRY_GOTO(renumber(w, &l, &specials, path), done);
  if (path_used != NULL) strcpy(path_used, path);
  *out = w;
done:
  if (rc != OK) wordpiece_free(w);
  list_free(&l);
  return rc;
}

void wordpiece_free(wordpiece *w) {
  if (w == NULL) return;
  vocab_free(w->v);
  free(w->ours);
  free(w);
}
