// Vocabularies of BERT models from elsewhere; see wordpiece.h.
#include "data/wordpiece.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tokenizer.h"
#include "data/vocab.h"
#include "format/utf8.h"

enum { MAX_FILE = 256 << 20, MAX_TOKENS = 1 << 22, MAX_TOKEN_BYTES = 4096, MOST_GAP = 4096 };

typedef struct token {
  const char *text; // NULL: no token has this id
  const char *path; // of the file that has it
  bool in_model;    // the WordPiece model knows it, and not only the tokenizer
  bool added;       // added_tokens.json has it
  const json_t *config,
      *backend; // what added_tokens_decoder and tokenizer.json's added_tokens say of it; NULL: nothing
} token;

// Something odd: how often, and where first.
typedef struct oddity {
  int64_t count;
  long long first; // line, or id
} oddity;

typedef struct reader {
  char paths[5][PATH_MAX];
  char *text; // of vocab.txt, cut into its lines
  size_t bytes, all_bytes;
  json_t *config, *special_map, *added, *backend; // the other files; NULL: not there
  tokenizer_files files;
  special_names specials;
  token *tokens; // [n] by their id
  size_t cap;
  int32_t n;
  vocab *index; // from text to number, under "words"
  int32_t *ids; // their id by number
  size_t ids_cap;
  oddity empty, spaced, repeated;
  const char *first_repeated;
} reader;

enum { VOCAB_TXT, TOKENIZER_JSON, ADDED_TOKENS, TOKENIZER_CONFIG, SPECIAL_MAP };
static const char *const file_names[] = {"vocab.txt", "tokenizer.json", "added_tokens.json",
                                         "tokenizer_config.json", "special_tokens_map.json"};

// ---- files ---------------------------------------------------------------------------------------------------

static status parse(json_t **out, const char *text, size_t bytes, const char *path, size_t flags) {
  json_error_t error;
  mem_json_failed(); // resets the flag
  *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | flags, &error);
  if (*out == NULL && mem_json_failed()) return fail(ERR_MEMORY, "out of memory: cannot read %s", path);
  if (*out == NULL) return fail(ERR_FORMAT, "%s line %d: %s", path, error.line, error.text);
  return json_is_object(*out) ? OK : fail(ERR_FORMAT, "%s: an object is expected", path);
}

static status read_json_file(reader *r, int which, json_t **out, size_t flags) {
  char *text;
  size_t bytes;
  bool there = false;
  if (r->paths[which][0] != '\0') TRY(file_look(r->paths[which], &there));
  if (!there) return OK;
  TRY(file_read(r->paths[which], MAX_FILE, &text, &bytes));
  r->all_bytes += bytes;
  const status rc = parse(out, text, bytes, r->paths[which], flags);
  free(text);
  return rc;
}

// Where the files are. A file named vocab.txt stands for its directory, and one of another name for itself alone.
static status name_files(reader *r, const char *path) {
  struct stat st;
  if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
    for (int i = 0; i < 5; i++) TRY(path_join(r->paths[i], sizeof r->paths[i], path, file_names[i]));
    return OK;
  }
  if (strlen(path) >= sizeof r->paths[VOCAB_TXT]) return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  strcpy(r->paths[VOCAB_TXT], path);
  const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
  if (strcmp(name, file_names[VOCAB_TXT]) != 0) return OK;
  for (int i = 1; i < 5; i++)
    if (snprintf(r->paths[i], sizeof r->paths[i], "%.*s%s", (int)(name - path), path, file_names[i]) >=
        (int)sizeof r->paths[i])
      return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  return OK;
}

static status read_files(reader *r, const char *dir) {
  bool there;
  TRY(name_files(r, dir));
  TRY(file_look(r->paths[VOCAB_TXT], &there));
  if (there) TRY(file_read(r->paths[VOCAB_TXT], MAX_FILE, &r->text, &r->bytes));
  r->all_bytes = r->bytes;
  TRY(read_json_file(r, TOKENIZER_JSON, &r->backend, 0));
  if (!there && r->backend == NULL)
    return fail(ERR_NOT_FOUND, "%s has neither vocab.txt nor tokenizer.json: the vocabulary is missing", dir);
  TRY(read_json_file(r, ADDED_TOKENS, &r->added, 0));
  TRY(read_json_file(r, TOKENIZER_CONFIG, &r->config, JSON_DECODE_INT_AS_REAL)); // its "no limit" is 10^30
  TRY(read_json_file(r, SPECIAL_MAP, &r->special_map, 0));
  r->files = (tokenizer_files){r->config,
                               r->special_map,
                               r->added,
                               r->backend,
                               r->paths[TOKENIZER_CONFIG],
                               r->paths[SPECIAL_MAP],
                               r->paths[ADDED_TOKENS],
                               r->paths[TOKENIZER_JSON]};
  return OK;
}

// ---- tokens --------------------------------------------------------------------------------------------------

static int32_t id_of(const reader *r, const char *text) {
  const int32_t number = vocab_find(r->index, RANGE_WORDS, text);
  return number < 0 ? -1 : r->ids[number];
}

static status set_id(reader *r, const char *text, int32_t id) {
  int32_t number = vocab_find(r->index, RANGE_WORDS, text);
  if (number < 0) TRY(vocab_add(r->index, RANGE_WORDS, text, 0, &number));
  TRY(mem_grow(&r->ids, &r->ids_cap, (size_t)number + 1, sizeof *r->ids, "a vocabulary"));
  r->ids[number] = id;
  return OK;
}

static status make_room(reader *r, int64_t id, const char *text, const char *path) {
  if (id < 0 || id >= MAX_TOKENS || (size_t)id > r->all_bytes + MOST_GAP)
    return fail(ERR_FORMAT, "%s: the id of token \"%s\" is out of range", path, text);
  if (id < r->n) return OK;
  TRY(mem_grow(&r->tokens, &r->cap, (size_t)id + 1, sizeof *r->tokens, "a vocabulary"));
  memset(r->tokens + r->n, 0, ((size_t)id + 1 - (size_t)r->n) * sizeof *r->tokens);
  r->n = (int32_t)id + 1;
  return OK;
}

static status contradiction(const token *t, int32_t id, const char *text, const char *path) {
  if (t->path == path)
    return fail(ERR_FORMAT, "%s: tokens \"%s\" and \"%s\" have the same id", path, t->text, text);
  return fail(ERR_FORMAT,
              "the token of id %d is \"%s\" in %s, but \"%s\" in %s: one of them is not this model's", id,
              t->text, t->path, text, path);
}

// A text of one id has another one in another file, or in the same but for vocab.txt, where the later one counts.
static status move_token(reader *r, int32_t old, int32_t id, const char *text, const char *path) {
  if (path != r->paths[VOCAB_TXT])
    return fail(ERR_FORMAT, "token \"%s\" has id %d in %s, but id %d in %s: one of them is not this model's",
                text, old, r->tokens[old].path, id, path);
  if (r->repeated.count++ == 0) {
    r->repeated.first = old + 1;
    r->first_repeated = text;
  }
  r->tokens[old].text = NULL;
  return OK;
}

static status put(reader *r, int64_t wide, const char *text, const char *path, bool in_model) {
  TRY(make_room(r, wide, text, path));
  const int32_t id = (int32_t)wide, old = id_of(r, text);
  token *t = &r->tokens[id];
  if (t->text != NULL && strcmp(t->text, text) != 0) return contradiction(t, id, text, path);
  if (old >= 0 && old != id) TRY(move_token(r, old, id, text, path));
  if (t->text == NULL) *t = (token){.text = text, .path = path};
  t->in_model = t->in_model || in_model;
  return set_id(r, text, id);
}

// ---- vocab.txt -----------------------------------------------------------------------------------------------

static bool is_space(char c) {
  return c == ' ' || c == '\t';
}

static status put_line(reader *r, const char *text, size_t n, long long line) {
  const char *path = r->paths[VOCAB_TXT];
  if (n > MAX_TOKEN_BYTES)
    return fail(ERR_FORMAT, "%s line %lld is longer than %d bytes", path, line, MAX_TOKEN_BYTES);
  if (strlen(text) != n) return fail(ERR_FORMAT, "%s line %lld holds a NUL byte", path, line);
  if (!utf8_valid(text)) return fail(ERR_FORMAT, "%s line %lld is not UTF-8", path, line);
  if (n == 0 && r->empty.count++ == 0) r->empty.first = line;
  if (n > 0 && (is_space(text[0]) || is_space(text[n - 1])) && r->spaced.count++ == 0) r->spaced.first = line;
  return put(r, line - 1, text, path, true);
}

// Lines end as Python sees it: with LF, CRLF or CR.
static status put_lines(reader *r) {
  static const char mark[] = "\xef\xbb\xbf";
  char *at = r->text, *const end = r->text + r->bytes;
  if (r->bytes >= 3 && memcmp(at, mark, 3) == 0) {
    log_warn("%s: the byte order mark at its beginning is no part of its first token", r->paths[VOCAB_TXT]);
    at += 3;
  }
  for (long long line = 1; at < end; line++) {
    char *stop = at;
    while (stop < end && *stop != '\n' && *stop != '\r') stop++;
    const bool two = stop + 1 < end && stop[0] == '\r' && stop[1] == '\n';
    char *const next = stop + (two ? 2 : 1);
    *stop = '\0';
    TRY(put_line(r, at, (size_t)(stop - at), line));
    at = next;
  }
  return OK;
}

static void warn_of_lines(const reader *r) {
  const char *path = r->paths[VOCAB_TXT];
  if (r->empty.count > 0)
    log_warn(
        "%s: empty lines: %lld, line %lld first; as in Hugging Face's BertTokenizer an empty line is a token "
        "without text, so that the ids of the others stay",
        path, (long long)r->empty.count, r->empty.first);
  if (r->spaced.count > 0)
    log_warn("%s: lines that begin or end with a space: %lld, line %lld first; as in Hugging Face's "
             "BertTokenizer the space is part of the token",
             path, (long long)r->spaced.count, r->spaced.first);
  if (r->repeated.count > 0)
    log_warn("%s: tokens that are there twice: %lld, \"%s\" of line %lld first; as in Hugging Face's "
             "BertTokenizer "
             "the last line counts, and the ids of the others are the ids of no token",
             path, (long long)r->repeated.count, r->first_repeated, r->repeated.first);
}

// ---- the other files -----------------------------------------------------------------------------------------

static status put_json(reader *r, const json_t *id, const char *text, const char *path, bool in_model) {
  if (!json_is_integer(id) || text == NULL || strlen(text) > MAX_TOKEN_BYTES)
    return fail(ERR_FORMAT, "%s: a token of the vocabulary lacks its text or its id", path);
  return put(r, json_integer_value(id), text, path, in_model);
}

static status put_backend(reader *r) {
  const char *path = r->paths[TOKENIZER_JSON], *text;
  const json_t *model = json_object_get(r->backend, "model"), *words = json_object_get(model, "vocab"),
               *added = json_object_get(r->backend, "added_tokens");
  const char *type = json_string_value(json_object_get(model, "type"));
  json_t *value;
  size_t i;
  if (type == NULL || strcmp(type, "WordPiece") != 0)
    return fail(ERR_FORMAT, "%s: field \"model.type\" is \"%.100s\"; a BERT vocabulary is WordPiece%s", path,
                type == NULL ? "" : type,
                type != NULL && strcmp(type, "WordLevel") == 0
                    ? ", and that of a bundle with items is none: begin from the run that was exported"
                    : "");
  if (!json_is_object(words))
    return fail(ERR_FORMAT, "%s: field \"model.vocab\" is missing or not an object", path);
  json_object_foreach((json_t *)(uintptr_t)words, text, value) TRY(put_json(r, value, text, path, true));
  json_array_foreach((json_t *)(uintptr_t)added, i, value) {
    const json_t *id = json_object_get(value, "id");
    TRY(put_json(r, id, tokenizer_content(value), path, false));
    r->tokens[json_integer_value(id)].backend = value;
  }
  return OK;
}

static status put_added(reader *r) {
  const char *text;
  json_t *id;
  json_object_foreach(r->added, text, id) {
    TRY(put_json(r, id, text, r->paths[ADDED_TOKENS], false));
    r->tokens[json_integer_value(id)].added = true;
  }
  return OK;
}

// Of tokenizer_config.json: the key is the id.
static status put_decoder(reader *r) {
  const char *key, *path = r->paths[TOKENIZER_CONFIG];
  json_t *value;
  json_object_foreach(json_object_get(r->config, "added_tokens_decoder"), key, value) {
    char *end;
    const long long id = strtoll(key, &end, 10);
    const char *text = tokenizer_content(value);
    if (key[0] < '0' || key[0] > '9' || *end != '\0' || text == NULL || strlen(text) > MAX_TOKEN_BYTES)
      return fail(ERR_FORMAT, "%s: a token of \"added_tokens_decoder\" lacks its text or its id", path);
    TRY(put(r, id, text, path, false));
    r->tokens[id].config = value;
  }
  return OK;
}

static status put_all(reader *r) {
  TRY(vocab_new(&r->index));
  if (r->text != NULL) TRY(put_lines(r));
  if (r->backend != NULL) TRY(put_backend(r));
  TRY(put_decoder(r));
  TRY(put_added(r));
  warn_of_lines(r);
  return OK;
}

// ---- Souk's order --------------------------------------------------------------------------------------------

static status find_specials(const reader *r, int32_t at[TOKEN_SPECIALS]) {
  for (int i = 0; i < TOKEN_SPECIALS; i++) {
    at[i] = id_of(r, r->specials.name[i]);
    if (at[i] < 0)
      return fail(
          ERR_FORMAT,
          "%s has no token \"%s\"; \"%s\" of tokenizer_config.json or special_tokens_map.json beside it may "
          "name another",
          r->paths[r->text != NULL ? VOCAB_TXT : TOKENIZER_JSON], r->specials.name[i], special_roles[i]);
  }
  return OK;
}

// The ids of no token get numbers behind those of all tokens.
static void place_gaps(wordpiece *w, const reader *r) {
  oddity gaps = {0};
  int32_t next = vocab_size(w->v);
  for (int32_t id = 0; id < r->n; id++) {
    if (r->tokens[id].text != NULL) continue;
    w->ours[id] = next++;
    if (gaps.count++ == 0) gaps.first = id;
  }
  if (gaps.count > r->repeated.count)
    log_warn(
        "%s: ids that no file has a token for: %lld, id %lld first; their rows are kept, behind those of all "
        "tokens",
        r->paths[r->text != NULL ? VOCAB_TXT : TOKENIZER_JSON], (long long)(gaps.count - r->repeated.count),
        gaps.first);
}

static status renumber(wordpiece *w, const reader *r) {
  int32_t at[TOKEN_SPECIALS];
  TRY(find_specials(r, at));
  TRY(vocab_new(&w->v));
  TRY(mem_new(&w->ours, (size_t)r->n, sizeof *w->ours, "a vocabulary"));
  w->n = r->n;
  for (int32_t id = 0; id < r->n; id++) w->ours[id] = -1;
  for (int i = 0; i < TOKEN_SPECIALS; i++) w->ours[at[i]] = i;
  for (int32_t id = 0; id < r->n; id++)
    if (r->tokens[id].text != NULL && w->ours[id] < 0)
      TRY(vocab_add(w->v, RANGE_WORDS, r->tokens[id].text, 0, &w->ours[id]));
  return OK;
}

// ---- settings ------------------------------------------------------------------------------------------------

static const char *const flags[] = {"lstrip", "normalized", "rstrip", "single_word", "special"};
enum { FLAGS = sizeof flags / sizeof *flags };

static bool is_role(const reader *r, const char *text) {
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (strcmp(text, r->specials.name[i]) == 0) return true;
  return false;
}

static bool flag_of(const json_t *described, const char *flag, bool absent) {
  const json_t *value = json_object_get(described, flag);
  return json_is_boolean(value) ? json_is_true(value) : absent;
}

// tokenizer_config.json goes before tokenizer.json, which goes before added_tokens.json, where a token has no flags.
static json_t *describe(const reader *r, int32_t id, oddity *differ) {
  const token *t = &r->tokens[id];
  const bool special = is_role(r, t->text);
  const json_t *a = t->config, *b = t->backend, *one = a != NULL ? a : b;
  if (one == NULL && !special && !t->added) return NULL;
  json_t *out = json_pack("{s:s,s:b}", "content", t->text, "in_model", t->in_model);
  bool same = true;
  for (int i = 0; i < FLAGS; i++) {
    const bool usual = strcmp(flags[i], "special") == 0      ? special
                       : strcmp(flags[i], "normalized") == 0 ? !special
                                                             : false;
    const bool value = flag_of(one, flags[i], usual);
    json_object_set_new(out, flags[i], json_boolean(value));
    same = same && (a == NULL || b == NULL || value == flag_of(b, flags[i], usual));
  }
  if (!same && differ->count++ == 0) differ->first = id;
  return out;
}

static status list_added(wordpiece *w, const reader *r) {
  json_t *list = json_array();
  oddity differ = {0};
  if (json_object_set_new(w->tokenizer, "added_tokens", list) != 0)
    return fail(ERR_MEMORY, "out of memory: the settings of a tokenizer");
  for (int32_t id = 0; id < r->n; id++) {
    json_t *t = r->tokens[id].text != NULL ? describe(r, id, &differ) : NULL;
    if (t != NULL && json_array_append_new(list, t) != 0)
      return fail(ERR_MEMORY, "out of memory: the settings of a tokenizer");
  }
  if (differ.count > 0)
    log_warn("%s and %s describe tokens differently: %lld, \"%s\" first; the former counts",
             r->paths[TOKENIZER_CONFIG], r->paths[TOKENIZER_JSON], (long long)differ.count,
             r->tokens[differ.first].text);
  return OK;
}

// Without settings Hugging Face's tokenizer makes every text lower-case; then no token with a capital is ever found.
static void warn_of_capitals(const reader *r) {
  oddity capitals = {0};
  for (int32_t id = 0; id < r->n; id++) {
    const char *text = r->tokens[id].text;
    if (text == NULL || text[0] == '[' || is_role(r, text)) continue;
    const size_t n = strcspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (text[n] != '\0' && capitals.count++ == 0) capitals.first = id;
  }
  if (capitals.count > 0)
    log_warn("%s: no tokenizer_config.json beside it says \"do_lower_case\", and texts are made lower-case "
             "without; "
             "but tokens have capitals: %lld, \"%s\" first",
             r->paths[VOCAB_TXT], (long long)capitals.count, r->tokens[capitals.first].text);
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status build(wordpiece *w, reader *r) {
  TRY(tokenizer_special_names(&r->specials, &r->files));
  TRY(put_all(r));
  TRY(renumber(w, r));
  TRY(tokenizer_settings(&w->tokenizer, &r->files, &r->specials, w->ours, r->n));
  place_gaps(w, r);
  if (r->config == NULL && r->backend == NULL) warn_of_capitals(r);
  return w->tokenizer != NULL ? list_added(w, r) : OK;
}

static void free_reader(reader *r) {
  free(r->text);
  free(r->tokens);
  free(r->ids);
  vocab_free(r->index);
  json_decref(r->config);
  json_decref(r->special_map);
  json_decref(r->added);
  json_decref(r->backend);
  free(r);
}

status wordpiece_read(wordpiece **out, const char *dir) {
  reader *r;
  wordpiece *w = NULL;
  *out = NULL;
  TRY(mem_new(&r, 1, sizeof *r, "a vocabulary"));
  status rc = mem_new(&w, 1, sizeof *w, "a vocabulary");
  if (rc == OK) rc = read_files(r, dir);
  if (rc == OK) rc = build(w, r);
  free_reader(r);
  if (rc == OK)
    *out = w;
  else
    wordpiece_close(w);
  return rc;
}

void wordpiece_close(wordpiece *w) {
  if (w == NULL) return;
  vocab_free(w->v);
  json_decref(w->tokenizer);
  free(w->ours);
  free(w);
}
