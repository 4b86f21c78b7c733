// tokenizer.json and tokenizer_config.json of bundles; see export_tokenizer.h.
//
// The vocabulary is written as it goes, because a shop may have millions of items; all else is a small tree.
#include "convert/export_tokenizer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tokenizer.h"

// ---- json ----------------------------------------------------------------------------------------------------

static status no_memory(void) {
  return fail(ERR_MEMORY, "out of memory: the tokenizer of a bundle");
}

static status put_json(out_file *f, const json_t *value) {
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (text == NULL) return no_memory();
  const status rc = out_write(f, text, strlen(text));
  free(text);
  return rc;
}

// A line of a vocabulary: "TEXT": ID.
static status put_token(out_file *f, const char *text, int32_t id) {
  json_t *key = json_string(text);
  if (key == NULL)
    return fail(ERR_FORMAT, "token %d of the vocabulary is not UTF-8, which tokenizer.json must be", id);
  status rc = out_write(f, id > 0 ? ",\n" : "\n", id > 0 ? 2 : 1);
  if (rc == OK) rc = put_json(f, key);
  json_decref(key);
  return rc == OK ? out_printf(f, ":%d", id) : rc;
}

// Takes j over.
static status write_config(const char *dir, json_t *j) {
  char path[PATH_MAX + 64];
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(j);
  if (text == NULL) return no_memory();
  status rc = path_join(path, sizeof path, dir, "tokenizer_config.json");
  if (rc == OK) rc = file_write_atomic(path, text, strlen(text));
  free(text);
  return rc;
}

// ---- special tokens ------------------------------------------------------------------------------------------

// As Hugging Face's files describe a token; `special`: found as it is in a text, and no part of it.
static json_t *describe(const char *text, bool special) {
  return json_pack("{s:s,s:b,s:b,s:b,s:b,s:b}", "content", text, "lstrip", 0, "normalized", !special,
                   "rstrip", 0, "single_word", 0, "special", special);
}

// A step of a template: a special token, or the sequence "A" or "B".
static json_t *step(const char *kind, const char *id, int32_t type) {
  return json_pack("{s:{s:s,s:i}}", kind, "id", id, "type_id", type);
}

typedef struct template {
  const char *const *names; // of the special tokens
  bool cls_sep, query;      // [CLS] and [SEP] around; a [MASK] behind the first sequence
  int32_t second_type;      // token type of the second sequence
}
template;

static json_t *template_steps(const template *t, bool pair) {
  json_t *list = json_array();
  const char *const special = "SpecialToken";
  if (t->cls_sep) json_array_append_new(list, step(special, t->names[TOKEN_CLS], 0));
  json_array_append_new(list, step("Sequence", "A", 0));
  if (t->query && !pair) json_array_append_new(list, step(special, t->names[TOKEN_MASK], 0));
  if (t->cls_sep) json_array_append_new(list, step(special, t->names[TOKEN_SEP], 0));
  if (pair) json_array_append_new(list, step("Sequence", "B", t->second_type));
  if (pair && t->cls_sep) json_array_append_new(list, step(special, t->names[TOKEN_SEP], t->second_type));
  return list;
}

static json_t *template_json(const template *t) {
  json_t *specials = json_object();
  for (int i = TOKEN_CLS; i <= TOKEN_MASK; i++) {
    const char *name = t->names[i];
    if (i == TOKEN_MASK ? t->query : t->cls_sep)
      json_object_set_new(specials, name,
                          json_pack("{s:s,s:[i],s:[s]}", "id", name, "ids", i, "tokens", name));
  }
  return json_pack("{s:s,s:o,s:o,s:o}", "type", "TemplateProcessing", "single", template_steps(t, false),
                   "pair", template_steps(t, true), "special_tokens", specials);
}

// ---- tokenizer.json ------------------------------------------------------------------------------------------

typedef struct tokenizer {
  const vocab *v;
  const char *names[TOKEN_SPECIALS];
  char renamed[512]; // see word_text
  json_t
      *parts; // the fields of tokenizer.json but for the vocabulary; "model" is an object without its "vocab"
  json_t **added; // [vocab_size(v)] what tokenizer_config.json says of the token with this id; NULL: nothing
  int32_t model_tokens; // ids from here on are those of tokens that only the tokenizer knows
} tokenizer;

static void free_tokenizer(tokenizer *t) {
  for (int32_t i = 0; t->added != NULL && i < vocab_size(t->v); i++) json_decref(t->added[i]);
  free(t->added);
  json_decref(t->parts);
}

static status begin_tokenizer(tokenizer *t, const vocab *v, const json_t *settings) {
  *t = (tokenizer){.v = v, .parts = json_object(), .model_tokens = vocab_size(v)};
  for (int i = 0; i < TOKEN_SPECIALS; i++) t->names[i] = tokenizer_special(settings, i);
  TRY(mem_new(&t->added, (size_t)vocab_size(v), sizeof *t->added, "the tokenizer of a bundle"));
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if ((t->added[i] = describe(t->names[i], true)) == NULL) return no_memory();
  return OK;
}

static status put_added(out_file *f, const tokenizer *t) {
  bool first = true;
  for (int32_t id = 0; id < vocab_size(t->v); id++) {
    if (t->added[id] == NULL) continue;
    json_t *entry = json_copy(t->added[id]);
    status rc = entry != NULL && json_object_set_new(entry, "id", json_integer(id)) == 0 ? OK : no_memory();
    if (rc == OK) rc = out_write(f, first ? "\n" : ",\n", first ? 1 : 2);
    if (rc == OK) rc = put_json(f, entry);
    json_decref(entry);
    TRY(rc);
    first = false;
  }
  return OK;
}

typedef status (*token_text)(void *self, int32_t id, const char **text);

static status put_vocabulary(out_file *f, const tokenizer *t, token_text text_of, void *self) {
  const char *name, *text;
  json_t *value;
  TRY(out_printf(f, "\"model\":{"));
  json_object_foreach(json_object_get(t->parts, "model"), name, value) {
    TRY(out_printf(f, "\"%s\":", name));
    TRY(put_json(f, value));
    TRY(out_write(f, ",", 1));
  }
  TRY(out_printf(f, "\"vocab\":{"));
  for (int32_t id = 0; id < t->model_tokens; id++) {
    TRY(text_of(self, id, &text));
    TRY(put_token(f, text, id));
  }
  return out_printf(f, "}}");
}

static status put_tokenizer(out_file *f, const tokenizer *t, token_text text_of, void *self) {
  static const char *const order[] = {"truncation",    "padding",        "normalizer",
                                      "pre_tokenizer", "post_processor", "decoder"};
  TRY(out_printf(f, "{\"version\":\"1.0\",\n"));
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    const json_t *part = json_object_get(t->parts, order[i]);
    TRY(out_printf(f, "\"%s\":", order[i]));
    TRY(part != NULL ? put_json(f, part) : out_printf(f, "null"));
    TRY(out_printf(f, ",\n"));
  }
  TRY(out_printf(f, "\"added_tokens\":["));
  TRY(put_added(f, t));
  TRY(out_printf(f, "],\n"));
  TRY(put_vocabulary(f, t, text_of, self));
  return out_printf(f, "}\n");
}

static status write_tokenizer(const char *dir, const tokenizer *t, token_text text_of, void *self) {
  char path[PATH_MAX + 64];
  out_file *f;
  TRY(path_join(path, sizeof path, dir, "tokenizer.json"));
  TRY(out_open(&f, path));
  return out_finish(f, put_tokenizer(f, t, text_of, self));
}

static status set_part(tokenizer *t, const char *name, json_t *part) {
  return part != NULL && json_object_set_new(t->parts, name, part) == 0 ? OK : no_memory();
}

// What tokenizer_config.json says of the special tokens and of those that are found before all else.
static status describe_tokens(json_t *config, const tokenizer *t) {
  json_t *decoder = json_object();
  char key[16];
  int bad = json_object_set_new(config, "added_tokens_decoder", decoder);
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    bad |= json_object_set_new(config, special_roles[i], json_string(t->names[i]));
  for (int32_t id = 0; id < vocab_size(t->v); id++) {
    if (t->added[id] == NULL) continue;
    snprintf(key, sizeof key, "%d", id);
    bad |= json_object_set(decoder, key, t->added[id]);
  }
  return bad == 0 ? OK : no_memory();
}

// ---- items ---------------------------------------------------------------------------------------------------

typedef struct item_texts {
  const vocab *v;
  char *text;
  size_t cap, used;
} item_texts;

static status add(item_texts *x, const char *text, size_t n) {
  TRY(mem_grow(&x->text, &x->cap, x->used + n + 1, 1, "the tokenizer of a bundle"));
  memcpy(x->text + x->used, text, n);
  x->used += n;
  x->text[x->used] = '\0';
  return OK;
}

// Bytes of the special token that begins at text; 0: none does.
static size_t special_at(const char *text) {
  for (int i = 0; text[0] == '[' && i < TOKEN_SPECIALS; i++) {
    const size_t n = strlen(special_tokens[i]);
    if (strncmp(text, special_tokens[i], n) == 0) return n;
  }
  return 0;
}

// A name as it is in vocab.tsv, and with a backslash in special tokens.
static status add_escaped(item_texts *x, const char *name) {
  static const char from[] = "\\\t\n\r", to[] = "\\tnr";
  while (*name != '\0') {
    const char *escape = strchr(from, *name);
    const size_t special = special_at(name);
    if (escape != NULL)
      TRY(add(x, (const char[]){'\\', to[escape - from]}, 2));
    else
      TRY(add(x, name, 1));
    if (special > 0) TRY(add(x, "\\", 1));
    name++;
  }
  return OK;
}

static status item_text(void *self, int32_t id, const char **text) {
  item_texts *x = self;
  const char *name = vocab_token(x->v, id);
  x->used = 0;
  TRY(add(x, "", 0));
  int r = RANGE_SPECIAL;
  while (id >= vocab_end(x->v, (vocab_range)r)) r++;
  if (r == RANGE_SPECIAL) {
    TRY(add(x, name, strlen(name)));
  } else {
    // An attribute that is called as a word is, or either as an item: the later range keeps the plain name.
    for (int other = r + 1; other <= RANGE_ITEMS; other++) {
      if (vocab_find(x->v, (vocab_range)other, name) < 0) continue;
      TRY(add(x, "\\", 1));
      TRY(add(x, vocab_range_names[r], strlen(vocab_range_names[r])));
      TRY(add(x, ":", 1));
      break;
    }
    TRY(add_escaped(x, name));
  }
  *text = x->text;
  return OK;
}

// Token types of a segment lie behind each other, one a type of event; a model of one segment has nothing else for a second text.
static int32_t second_type(const model_config *c) {
  return c->segments > 1 ? (int32_t)c->event_types : 0;
}

static status item_parts(tokenizer *t, const model_config *c) {
  const template around = {.names = t->names,
                           .cls_sep = c->cls_sep,
                           .query = model_layout(c).asks == ASKS_MASKED,
                           .second_type = second_type(c)};
  TRY(set_part(t, "pre_tokenizer",
               json_pack("{s:s,s:{s:s},s:s,s:b}", "type", "Split", "pattern", "String", "\n", "behavior",
                         "Removed", "invert", 0)));
  TRY(set_part(t, "post_processor", template_json(&around)));
  return set_part(t, "model", json_pack("{s:s,s:s}", "type", "WordLevel", "unk_token", t->names[TOKEN_UNK]));
}

static status write_items(const char *dir, tokenizer *t, const model_config *c) {
  item_texts texts = {.v = t->v};
  TRY(item_parts(t, c));
  const status rc = write_tokenizer(dir, t, item_text, &texts);
  free(texts.text);
  TRY(rc);
  // Of a long history the newest items count.
  json_t *config = json_pack("{s:s,s:I,s:s,s:s,s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                             "model_max_length", (json_int_t)c->max_positions, "padding_side", "right",
                             "truncation_side", "left", "clean_up_tokenization_spaces", 0);
  const status described = config != NULL ? describe_tokens(config, t) : no_memory();
  if (described != OK) json_decref(config);
  return described == OK ? write_config(dir, config) : described;
}

status export_item_tokenizer(const char *dir, const vocab *v, const model_config *c) {
  tokenizer t;
  status rc = begin_tokenizer(&t, v, NULL);
  if (rc == OK) rc = write_items(dir, &t, c);
  free_tokenizer(&t);
  return rc;
}

// ---- words ---------------------------------------------------------------------------------------------------

// A word that is called as a special token is (in a checkpoint of souk 0.2.0, which forgot what the special tokens of an
// imported model were called) gets a name of its own: no text may become the wrong one of them.
static status word_text(void *self, int32_t id, const char **text) {
  tokenizer *t = self;
  *text = id < TOKEN_SPECIALS ? t->names[id] : vocab_token(t->v, id);
  for (int i = 0; id >= TOKEN_SPECIALS && i < TOKEN_SPECIALS; i++) {
    if (strcmp(*text, t->names[i]) != 0) continue;
    snprintf(t->renamed, sizeof t->renamed, "\\%s:%s", vocab_range_names[RANGE_WORDS], t->names[i]);
    *text = t->renamed;
    break;
  }
  return OK;
}

static int32_t find_word(const tokenizer *t, const char *text) {
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (strcmp(text, t->names[i]) == 0) return i;
  return vocab_find(t->v, RANGE_WORDS, text);
}

// Tokens behind all that the WordPiece model knows get their ids by being added; others are words of the model as well.
static status read_added(tokenizer *t, const json_t *settings) {
  size_t i;
  json_t *entry;
  bool *outside;
  TRY(mem_new(&outside, (size_t)vocab_size(t->v), sizeof *outside, "the tokenizer of a bundle"));
  status rc = OK;
  json_array_foreach(json_object_get(settings, "added_tokens"), i, entry) {
    const char *text = json_string_value(json_object_get(entry, "content"));
    const int32_t id = find_word(t, text);
    json_t *copy = id >= 0 ? json_copy(entry) : NULL;
    if (id < 0)
      rc = fail(ERR_FORMAT, "the tokenizer has a token \"%.200s\" that the vocabulary does not", text);
    if (id >= 0 && copy == NULL) rc = no_memory();
    if (rc != OK) break;
    outside[id] = !json_is_true(json_object_get(entry, "in_model"));
    json_object_del(copy, "in_model");
    json_decref(t->added[id]);
    t->added[id] = copy;
  }
  while (t->model_tokens > TOKEN_SPECIALS && outside[t->model_tokens - 1]) t->model_tokens--;
  free(outside);
  return rc;
}

static int flag_of(const json_t *config, const char *name) {
  const json_t *value = json_object_get(config, name);
  return value == NULL || json_is_true(value);
}

// What BertTokenizer does with these fields of tokenizer_config.json.
static status usual_parts(tokenizer *t, const model_config *c, const json_t *config) {
  const template around = {.names = t->names, .cls_sep = true, .second_type = second_type(c)};
  const json_t *strip = json_object_get(config, "strip_accents");
  json_t *normalizer = json_pack("{s:s,s:b,s:b,s:O?,s:b}", "type", "BertNormalizer", "clean_text", 1,
                                 "handle_chinese_chars", flag_of(config, "tokenize_chinese_chars"),
                                 "strip_accents", strip, "lowercase", flag_of(config, "do_lower_case"));
  TRY(set_part(t, "normalizer", normalizer));
  TRY(set_part(t, "pre_tokenizer", json_pack("{s:s}", "type", "BertPreTokenizer")));
  TRY(set_part(t, "post_processor", template_json(&around)));
  TRY(set_part(t, "decoder", json_pack("{s:s,s:s,s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1)));
  return set_part(t, "model",
                  json_pack("{s:s,s:s,s:s,s:i}", "type", "WordPiece", "unk_token", t->names[TOKEN_UNK],
                            "continuing_subword_prefix", "##", "max_input_chars_per_word", 100));
}

// A template of the words' origin gives the second text type 1, which is another one where events have types.
static void retype(json_t *part, int32_t type) {
  const char *name;
  json_t *value;
  size_t i;
  json_object_foreach(part, name, value) {
    if (strcmp(name, "type_id") == 0 && json_integer_value(value) == 1)
      json_integer_set(value, type);
    else
      retype(value, type);
  }
  json_array_foreach(part, i, value) retype(value, type);
}

// BERT's own processor has its types built in, 0 and 1; a template says which.
static status mend_processor(tokenizer *t, const model_config *c) {
  const template around = {.names = t->names, .cls_sep = true, .second_type = second_type(c)};
  json_t *part = json_object_get(t->parts, "post_processor");
  const char *type = json_string_value(json_object_get(part, "type"));
  if (around.second_type == 1) return OK;
  if (type != NULL && strcmp(type, "BertProcessing") == 0)
    return set_part(t, "post_processor", template_json(&around));
  retype(part, around.second_type);
  return OK;
}

// An origin may have had more positions than the model that its words are of.
static status lower_limit(json_t *object, const char *name, const model_config *c) {
  const json_t *given = json_object_get(object, name);
  if (!json_is_number(given) || json_number_value(given) <= (double)c->max_positions) return OK;
  return json_object_set_new(object, name, json_integer((json_int_t)c->max_positions)) == 0 ? OK
                                                                                            : no_memory();
}

static status word_parts(tokenizer *t, const model_config *c, const json_t *settings) {
  const json_t *given = json_object_get(settings, "backend");
  if (given == NULL) return usual_parts(t, c, json_object_get(settings, "config"));
  json_t *copy = json_deep_copy(given);
  const bool whole = copy != NULL && json_object_update(t->parts, copy) == 0;
  json_decref(copy);
  if (!whole) return no_memory();
  TRY(mend_processor(t, c));
  const json_t *padding = json_object_get(t->parts, "padding");
  TRY(lower_limit(json_object_get(padding, "strategy"), "Fixed", c));
  return lower_limit(json_object_get(t->parts, "truncation"), "max_length", c);
}

static json_t *word_config(const tokenizer *t, const model_config *c, const json_t *settings) {
  const json_t *given = json_object_get(settings, "config");
  json_t *config = given != NULL ? json_deep_copy(given)
                                 : json_pack("{s:b,s:n,s:b}", "do_lower_case", 1, "strip_accents",
                                             "tokenize_chinese_chars", 1);
  int bad = config == NULL;
  if (!json_is_string(json_object_get(config, "tokenizer_class")))
    bad |= json_object_set_new(config, "tokenizer_class", json_string("BertTokenizer"));
  if (!json_is_number(json_object_get(config, "model_max_length")))
    bad |= json_object_set_new(config, "model_max_length", json_integer((json_int_t)c->max_positions));
  if (bad == 0 && lower_limit(config, "model_max_length", c) == OK && describe_tokens(config, t) == OK)
    return config;
  json_decref(config);
  return NULL;
}

static bool fits_in_lines(const tokenizer *t) {
  for (int32_t id = TOKEN_SPECIALS; id < t->model_tokens; id++)
    if (strpbrk(vocab_token(t->v, id), "\n\r") != NULL) return false;
  return true;
}

static status write_lines(const char *dir, tokenizer *t) {
  char path[PATH_MAX + 64];
  out_file *f;
  TRY(path_join(path, sizeof path, dir, "vocab.txt"));
  TRY(out_open(&f, path));
  status rc = OK;
  for (int32_t id = 0; rc == OK && id < t->model_tokens; id++) {
    const char *text;
    rc = word_text(t, id, &text);
    if (rc == OK) rc = out_printf(f, "%s\n", text);
  }
  return out_finish(f, rc);
}

static status write_word_files(const char *dir, tokenizer *t, const model_config *c, const json_t *settings,
                               bool *has_vocab_txt) {
  TRY(read_added(t, settings));
  TRY(word_parts(t, c, settings));
  TRY(write_tokenizer(dir, t, word_text, t));
  *has_vocab_txt = fits_in_lines(t);
  if (*has_vocab_txt)
    TRY(write_lines(dir, t));
  else
    log_warn("a token has a line end in it, so that there is no vocab.txt; tokenizer.json has all tokens");
  return write_config(dir, word_config(t, c, settings));
}

status export_word_tokenizer(const char *dir, const vocab *v, const model_config *c, const json_t *settings,
                             bool *has_vocab_txt) {
  tokenizer t;
  status rc = begin_tokenizer(&t, v, settings);
  if (rc == OK) rc = write_word_files(dir, &t, c, settings, has_vocab_txt);
  free_tokenizer(&t);
  return rc;
}
