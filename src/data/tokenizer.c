// Settings of Hugging Face's tokenizers; see tokenizer.h.
#include "data/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "format/text_end.h"

const char *const special_roles[TOKEN_SPECIALS] = {"pad_token", "unk_token", "cls_token", "sep_token",
                                                   "mask_token"};

static const char *const backend_parts[] = {"normalizer", "pre_tokenizer", "post_processor",
                                            "decoder",    "truncation",    "padding"};
enum { BACKEND_PARTS = sizeof backend_parts / sizeof *backend_parts, DEEPEST = 32 };

static status no_memory(void) {
  return fail(ERR_MEMORY, "out of memory: the settings of a tokenizer");
}

const char *tokenizer_content(const json_t *value) {
  return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

// ---- special tokens ------------------------------------------------------------------------------------------

static const char *role_in(const json_t *file, const char *role) {
  const json_t *value = json_object_get(file, role);
  return value == NULL || json_is_null(value) ? NULL : tokenizer_content(value);
}

static status check_role(const json_t *file, const char *role, const char *path) {
  const json_t *value = json_object_get(file, role);
  if (value == NULL || json_is_null(value)) return OK;
  const char *text = tokenizer_content(value);
  if (text != NULL && text[0] != '\0' && strlen(text) < sizeof(special_names){0}.name[0]) return OK;
  return fail(ERR_FORMAT, "%s: field \"%s\" is not a token", path, role);
}

// Hugging Face's library reads special_tokens_map.json last, but not where added_tokens_decoder makes it superfluous.
static status find_role(char name[256], int special, const tokenizer_files *f) {
  const char *role = special_roles[special];
  TRY(check_role(f->config, role, f->config_path));
  TRY(check_role(f->special_map, role, f->special_map_path));
  const char *a = role_in(f->config, role), *b = role_in(f->special_map, role);
  const bool config_counts = b == NULL || (a != NULL && json_object_get(f->config, "added_tokens_decoder"));
  const char *text = config_counts ? a : b;
  if (a != NULL && b != NULL && strcmp(a, b) != 0)
    log_warn("%s has %s \"%s\", %s has \"%s\": the one of %s counts", f->config_path, role, a,
             f->special_map_path, b, config_counts ? f->config_path : f->special_map_path);
  strcpy(name, text != NULL ? text : special_tokens[special]);
  return OK;
}

status tokenizer_special_names(special_names *names, const tokenizer_files *f) {
  for (int i = 0; i < TOKEN_SPECIALS; i++) {
    TRY(find_role(names->name[i], i, f));
    for (int k = 0; k < i; k++)
      if (strcmp(names->name[i], names->name[k]) == 0)
        return fail(ERR_FORMAT, "%s: %s and %s are both \"%s\"; Souk needs five different special tokens",
                    role_in(f->config, special_roles[i]) != NULL || f->special_map == NULL
                        ? f->config_path
                        : f->special_map_path,
                    special_roles[k], special_roles[i], names->name[i]);
  }
  return OK;
}

const char *tokenizer_special(const json_t *settings, int special) {
  const char *text =
      json_string_value(json_object_get(json_object_get(settings, "config"), special_roles[special]));
  return text != NULL ? text : special_tokens[special];
}

// ---- tokenizer_config.json -----------------------------------------------------------------------------------

typedef enum field_kind { FLAG, FLAG_OR_NULL, TEXT, NUMBER, TEXTS } field_kind;

// Fields that change what a tokenizer does; what else is there is passed on as it is.
static const struct {
  const char *name;
  field_kind kind;
} fields[] = {{"do_lower_case", FLAG},
              {"do_basic_tokenize", FLAG},
              {"tokenize_chinese_chars", FLAG},
              {"clean_text", FLAG},
              {"strip_accents", FLAG_OR_NULL},
              {"tokenizer_class", TEXT},
              {"wordpieces_prefix", TEXT},
              {"padding_side", TEXT},
              {"truncation_side", TEXT},
              {"model_max_length", NUMBER},
              {"max_input_chars_per_word", NUMBER},
              {"never_split", TEXTS},
              {"model_input_names", TEXTS}};

static bool is_list_of_texts(const json_t *list) {
  size_t i = 0;
  while (json_is_string(json_array_get(list, i))) i++;
  return json_is_array(list) && i == json_array_size(list);
}

static const char *mistake(field_kind kind, const json_t *value) {
  switch (kind) {
  case FLAG:
    return json_is_boolean(value) ? NULL : "true or false";
  case FLAG_OR_NULL:
    return json_is_boolean(value) || json_is_null(value) ? NULL : "true, false or null";
  case TEXT:
    return json_is_string(value) || json_is_null(value) ? NULL : "a text";
  case NUMBER:
    return json_is_null(value) || (json_is_number(value) && json_number_value(value) > 0)
               ? NULL
               : "a number above 0";
  case TEXTS:
    return json_is_null(value) || is_list_of_texts(value) ? NULL : "a list of texts";
  }
  return NULL;
}

static status check_fields(const json_t *config, const char *path) {
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    const json_t *value = json_object_get(config, fields[i].name);
    const char *wanted = value != NULL ? mistake(fields[i].kind, value) : NULL;
    if (wanted != NULL) return fail(ERR_FORMAT, "%s: field \"%s\" is not %s", path, fields[i].name, wanted);
  }
  return OK;
}

// Of the machine that wrote the file, or in Souk's own form elsewhere.
static bool is_left_out(const char *field) {
  static const char *const names[] = {"added_tokens_decoder", "auto_map", "is_local", "local_files_only",
                                      "backend"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(field, names[i]) == 0) return true;
  return text_ends_with(field, "_file") || text_ends_with(field, "_path") || text_ends_with(field, "_dir");
}

// A token as a text; a number that is whole as an integer (the file is read with all numbers as reals, because its
// "no limit" is 10^30). What is no finite limit is left out.
static json_t *plain_value(const json_t *value) {
  const char *content = json_is_object(value) ? tokenizer_content(value) : NULL;
  if (content != NULL) return json_string(content);
  if (json_is_real(value) && fabs(json_real_value(value)) < 0x1p53 &&
      floor(json_real_value(value)) == json_real_value(value))
    return json_integer((json_int_t)json_real_value(value));
  if (!json_is_array(value)) return json_deep_copy(value);
  json_t *list = json_array();
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)value, i, item) json_array_append_new(list, plain_value(item));
  return list;
}

static status copy_fields(json_t *to, const json_t *from, const char *path) {
  const char *name;
  json_t *value;
  if (json_object_get(from, "auto_map") != NULL)
    log_warn("%s: field \"auto_map\" names a program, which is not passed on", path);
  json_object_foreach((json_t *)(uintptr_t)from, name, value) {
    const bool endless = strcmp(name, "model_max_length") == 0 && json_number_value(value) >= 0x1p53;
    if (is_left_out(name) || endless) continue;
    if (json_object_set_new(to, name, plain_value(value)) != 0) return no_memory();
  }
  return OK;
}

static status make_config(json_t *settings, const tokenizer_files *f, const special_names *names) {
  static const char *const lists[] = {"bos_token", "eos_token", "additional_special_tokens"};
  json_t *config = json_object();
  if (json_object_set_new(settings, "config", config) != 0) return no_memory();
  if (f->config != NULL) TRY(check_fields(f->config, f->config_path));
  TRY(copy_fields(config, f->config, f->config_path));
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (json_object_get(config, special_roles[i]) != NULL || strcmp(names->name[i], special_tokens[i]) != 0)
      if (json_object_set_new(config, special_roles[i], json_string(names->name[i])) != 0) return no_memory();
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) { // that only special_tokens_map.json has
    const json_t *value = json_object_get(f->special_map, lists[i]);
    if (value == NULL || json_object_get(config, lists[i]) != NULL) continue;
    if (json_object_set_new(config, lists[i], plain_value(value)) != 0) return no_memory();
  }
  return OK;
}

// ---- tokenizer.json ------------------------------------------------------------------------------------------

// Is it a class that takes what tokenizer.json says, and not one that goes by tokenizer_config.json?
bool tokenizer_goes_by_backend(const json_t *config) {
  const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
  return name != NULL &&
         (strcmp(name, "PreTrainedTokenizerFast") == 0 || strcmp(name, "TokenizersBackend") == 0);
}

static const char *value_text(const json_t *value) {
  return json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null";
}

// BERT's classes go by tokenizer_config.json and by their own defaults where it says nothing.
static void warn_of_contradictions(const tokenizer_files *f) {
  static const struct {
    const char *in_config, *in_backend, *usual;
  } pairs[] = {{"do_lower_case", "lowercase", "true"},
               {"strip_accents", "strip_accents", "null"},
               {"tokenize_chinese_chars", "handle_chinese_chars", "true"}};
  const json_t *normalizer = json_object_get(f->backend, "normalizer");
  const char *type = json_string_value(json_object_get(normalizer, "type"));
  const bool by_backend = tokenizer_goes_by_backend(f->config);
  if (type == NULL || strcmp(type, "BertNormalizer") != 0) return;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    const json_t *a = json_object_get(f->config, pairs[i].in_config),
                 *b = json_object_get(normalizer, pairs[i].in_backend);
    const char *said = a != NULL ? value_text(a) : pairs[i].usual;
    if ((a == NULL && by_backend) || strcmp(said, value_text(b)) == 0) continue;
    log_warn("%s %s \"%s\": %s, %s has \"normalizer.%s\": %s; Hugging Face's tokenizer class goes by %s",
             f->config_path,
             a != NULL           ? "has"
             : f->config != NULL ? "does not set, and so means,"
                                 : "is not there, which means",
             pairs[i].in_config, said, f->backend_path, pairs[i].in_backend, value_text(b),
             by_backend ? f->backend_path : f->config_path);
  }
}

typedef struct renumbering {
  const int32_t *ours;
  int32_t n;
  const char *path;
} renumbering;

static status renumber_id(const renumbering *r, json_t *id) {
  const json_int_t theirs = json_integer_value(id);
  if (!json_is_integer(id) || theirs < 0 || theirs >= r->n || r->ours[theirs] < 0)
    return fail(ERR_FORMAT, "%s: \"post_processor\" or \"padding\" has the id of no token", r->path);
  return json_integer_set(id, r->ours[theirs]) == 0 ? OK : no_memory();
}

// Ids are in lists called "ids" and in pairs of a text and an id (BertProcessing has "cls": ["[CLS]", 101]).
static status renumber_ids(const renumbering *r, json_t *part, bool ids, int depth) {
  const char *name;
  json_t *child;
  size_t i;
  if (depth > DEEPEST) return fail(ERR_FORMAT, "%s: \"post_processor\" is nested too deeply", r->path);
  json_object_foreach(part, name, child) TRY(renumber_ids(r, child, strcmp(name, "ids") == 0, depth + 1));
  const bool pair = json_array_size(part) == 2 && json_is_string(json_array_get(part, 0));
  json_array_foreach(part, i, child) {
    if (json_is_integer(child) && (ids || (pair && i == 1)))
      TRY(renumber_id(r, child));
    else
      TRY(renumber_ids(r, child, false, depth + 1));
  }
  return OK;
}

static status copy_part(json_t *to, const json_t *from, const char *name, const renumbering *r) {
  const json_t *part = json_object_get(from, name);
  if (part == NULL) return OK;
  if (!json_is_object(part) && !json_is_null(part))
    return fail(ERR_FORMAT, "%s: field \"%s\" is neither an object nor null", r->path, name);
  json_t *copy = json_deep_copy(part);
  if (json_object_set_new(to, name, copy) != 0) return no_memory();
  if (strcmp(name, "post_processor") == 0) TRY(renumber_ids(r, copy, false, 0));
  json_t *pad = json_object_get(copy, "pad_id");
  return strcmp(name, "padding") == 0 && pad != NULL ? renumber_id(r, pad) : OK;
}

static status copy_model(json_t *to, const json_t *from, const char *path) {
  const char *name;
  json_t *value, *model = json_object();
  if (json_object_set_new(to, "model", model) != 0) return no_memory();
  json_object_foreach(json_object_get(from, "model"), name, value) {
    if (strcmp(name, "vocab") == 0) continue;
    if (json_object_set_new(model, name, json_deep_copy(value)) != 0) return no_memory();
  }
  const json_t *prefix = json_object_get(model, "continuing_subword_prefix"),
               *most = json_object_get(model, "max_input_chars_per_word");
  if (prefix != NULL && !json_is_string(prefix))
    return fail(ERR_FORMAT, "%s: field \"model.continuing_subword_prefix\" is not a text", path);
  if (most != NULL && (!json_is_integer(most) || json_integer_value(most) < 0))
    return fail(ERR_FORMAT, "%s: field \"model.max_input_chars_per_word\" is not a whole number", path);
  return OK;
}

// Which token stands for an unknown word is said in both files.
static void warn_of_unknown(const tokenizer_files *f, const special_names *names) {
  const char *text = json_string_value(json_object_get(json_object_get(f->backend, "model"), "unk_token"));
  if (text != NULL && strcmp(text, names->name[TOKEN_UNK]) != 0)
    log_warn(
        "%s has \"model.unk_token\": \"%s\", but the unknown token of %s is \"%s\"; both stay as they are",
        f->backend_path, text, f->config_path, names->name[TOKEN_UNK]);
}

static status make_backend(json_t *settings, const tokenizer_files *f, const special_names *names,
                           const renumbering *r) {
  json_t *backend = json_object();
  if (json_object_set_new(settings, "backend", backend) != 0) return no_memory();
  for (int i = 0; i < BACKEND_PARTS; i++) TRY(copy_part(backend, f->backend, backend_parts[i], r));
  TRY(copy_model(backend, f->backend, f->backend_path));
  warn_of_contradictions(f);
  warn_of_unknown(f, names);
  return OK;
}

// ---- the whole -----------------------------------------------------------------------------------------------

status tokenizer_settings(json_t **out, const tokenizer_files *f, const special_names *names,
                          const int32_t *ours, int32_t n) {
  *out = NULL;
  if (f->config == NULL && f->special_map == NULL && f->added == NULL && f->backend == NULL) return OK;
  json_t *settings = json_object();
  status rc = settings != NULL ? make_config(settings, f, names) : no_memory();
  const renumbering r = {ours, n, f->backend_path};
  if (rc == OK && f->backend != NULL) rc = make_backend(settings, f, names, &r);
  if (rc == OK)
    *out = settings;
  else
    json_decref(settings);
  return rc;
}

status tokenizer_allow_specials(json_t **settings) {
  if (*settings == NULL) *settings = json_pack("{s:{}}", "config");
  return *settings != NULL && json_object_set_new(*settings, "typed_specials", json_true()) == 0
             ? OK
             : no_memory();
}

static bool is_added_token(const json_t *t) {
  static const char *const flags[] = {"in_model", "lstrip", "normalized", "rstrip", "single_word", "special"};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
    if (!json_is_boolean(json_object_get(t, flags[i]))) return false;
  return json_is_string(json_object_get(t, "content"));
}

static bool parts_are_objects(const json_t *backend) {
  for (int i = 0; i < BACKEND_PARTS; i++) {
    const json_t *part = json_object_get(backend, backend_parts[i]);
    if (part != NULL && !json_is_object(part) && !json_is_null(part)) return false;
  }
  return json_is_object(json_object_get(backend, "model"));
}

status tokenizer_check(const json_t *settings, const char *path) {
  const json_t *config = json_object_get(settings, "config"),
               *added = json_object_get(settings, "added_tokens"),
               *backend = json_object_get(settings, "backend");
  static const char *const names[] = {"config", "added_tokens", "backend", "typed_specials"};
  const json_t *typed = json_object_get(settings, "typed_specials");
  const char *name;
  json_t *value;
  size_t i;
  json_object_foreach((json_t *)(uintptr_t)settings, name, value) {
    size_t k = 0;
    while (k < sizeof names / sizeof *names && strcmp(name, names[k]) != 0) k++;
    if (k == sizeof names / sizeof *names)
      return fail(ERR_UNSUPPORTED, "%s: field \"tokenizer.%.60s\" is unknown", path, name);
  }
  if (!json_is_object(config) || (added != NULL && !json_is_array(added)) ||
      (backend != NULL && !parts_are_objects(backend)) || (typed != NULL && !json_is_boolean(typed)))
    return fail(ERR_FORMAT, "%s: field \"tokenizer\" is not the settings of a tokenizer", path);
  json_array_foreach((json_t *)(uintptr_t)added, i, value) if (!is_added_token(value)) return fail(
      ERR_FORMAT, "%s: field \"tokenizer.added_tokens\" is malformed", path);
  for (int k = 0; k < TOKEN_SPECIALS; k++) TRY(check_role(config, special_roles[k], path));
  return check_fields(config, path);
}
