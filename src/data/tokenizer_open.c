// The tokeniser that settings describe; see tokenizer.h.
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "data/tokenizer.h"

static const json_t *field(const json_t *settings, const char *part, const char *section, const char *name) {
  const json_t *object = json_object_get(settings, part);
  return json_object_get(section != NULL ? json_object_get(object, section) : object, name);
}

static bool flag(const json_t *value, bool usual) {
  return json_is_boolean(value) ? json_is_true(value) : usual;
}

// Where tokenizer.json has parts that are not BERT's, its texts would get other ids than Hugging Face's.
static status check_type(const json_t *settings, const char *part, const char *wanted) {
  const json_t *backend = json_object_get(settings, "backend"), *object = json_object_get(backend, part);
  const char *type = json_string_value(json_object_get(object, "type"));
  if (object == NULL || (type != NULL && strcmp(type, wanted) == 0)) return OK;
  return fail(
      ERR_UNSUPPORTED,
      "the tokenizer's %s is %s%s and not %s: Souk cuts texts into words as BERT does, and cannot as this "
      "tokenizer does",
      part, type != NULL ? "a " : "", type != NULL ? type : "none", wanted);
}

static status check_types(const json_t *settings) {
  const char *model = json_string_value(field(settings, "backend", "model", "type"));
  if (model != NULL && strcmp(model, "WordPiece") != 0)
    return fail(ERR_UNSUPPORTED, "the tokenizer's model is a %s and not WordPiece", model);
  TRY(check_type(settings, "normalizer", "BertNormalizer"));
  TRY(check_type(settings, "pre_tokenizer", "BertPreTokenizer"));
  if (!flag(field(settings, "config", NULL, "do_basic_tokenize"), true))
    log_warn("the tokenizer's \"do_basic_tokenize\" is false, which Hugging Face's fast tokenizer ignores; "
             "so does Souk");
  return OK;
}

// A setting of tokenizer_config.json, or of tokenizer.json where the class goes by that.
static const json_t *either(const json_t *settings, const char *in_config, const char *in_normalizer) {
  const json_t *a = field(settings, "config", NULL, in_config);
  if (a != NULL || !tokenizer_goes_by_backend(json_object_get(settings, "config"))) return a;
  return field(settings, "backend", "normalizer", in_normalizer);
}

static status read_options(word_options *o, const json_t *settings) {
  const json_t *accents = either(settings, "strip_accents", "strip_accents"),
               *longest = field(settings, "backend", "model", "max_input_chars_per_word"),
               *prefix = field(settings, "backend", "model", "continuing_subword_prefix");
  if (longest == NULL) longest = field(settings, "config", NULL, "max_input_chars_per_word");
  if (prefix == NULL) prefix = field(settings, "config", NULL, "wordpieces_prefix");
  o->lower_case = flag(either(settings, "do_lower_case", "lowercase"), o->lower_case);
  o->split_chinese =
      flag(either(settings, "tokenize_chinese_chars", "handle_chinese_chars"), o->split_chinese);
  o->clean_text = flag(field(settings, "backend", "normalizer", "clean_text"), o->clean_text);
  if (json_is_boolean(accents)) o->strip_accents = json_is_true(accents);
  if (json_is_false(field(settings, "config", NULL, "use_fast"))) o->rules = WORDS_PYTHON;
  if (json_is_string(prefix)) o->prefix = json_string_value(prefix);
  if (!json_is_number(longest)) return OK;
  const double most = json_number_value(longest);
  if (most < 1 || most > LONGEST_WORD)
    return fail(ERR_UNSUPPORTED, "the tokenizer's \"max_input_chars_per_word\" is %.0f; Souk takes 1 to %d",
                most, LONGEST_WORD);
  o->longest_word = (int32_t)most;
  return OK;
}

// The token's id; the specials have their ids whatever their texts are.
static int32_t id_of(const vocab *v, const word_options *o, const char *text) {
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (strcmp(text, o->specials[i]) == 0) return i;
  return vocab_find(v, RANGE_WORDS, text);
}

static status read_added(word_options *o, word_added **added, const vocab *v, const json_t *settings) {
  const json_t *list = json_object_get(settings, "added_tokens");
  size_t i;
  json_t *t;
  TRY(mem_new(added, json_array_size(list), sizeof **added, "the added tokens of a tokenizer"));
  o->added = *added;
  json_array_foreach((json_t *)(uintptr_t)list, i, t) {
    const char *text = tokenizer_content(t);
    const int32_t id = text != NULL ? id_of(v, o, text) : -1;
    if (text == NULL || text[0] == '\0') continue;
    if (id < 0)
      return fail(ERR_FORMAT, "the tokenizer's added token \"%.200s\" is not in the vocabulary", text);
    (*added)[o->n_added++] = (word_added){.text = text,
                                          .id = id,
                                          .normalized = flag(json_object_get(t, "normalized"), false),
                                          .single_word = flag(json_object_get(t, "single_word"), false),
                                          .in_model = flag(json_object_get(t, "in_model"), true),
                                          .special = flag(json_object_get(t, "special"), false)};
  }
  return OK;
}

status tokenizer_options(word_options *o, word_added **added, const vocab *v, const json_t *settings) {
  *o = word_options_default();
  *added = NULL;
  for (int i = 0; i < TOKEN_SPECIALS; i++) o->specials[i] = tokenizer_special(settings, i);
  if (settings == NULL) return OK;
  o->typed_specials = flag(json_object_get(settings, "typed_specials"), false);
  TRY(check_types(settings));
  TRY(read_options(o, settings));
  return read_added(o, added, v, settings);
}

status tokenizer_open(word_tokenizer **out, const vocab *v, const json_t *settings) {
  word_options o;
  word_added *added;
  format_error e;
  *out = NULL;
  status rc = tokenizer_options(&o, &added, v, settings);
  if (rc == OK && !word_tokenizer_new(out, v, &o, &e)) rc = fail_format(&e);
  free(added);
  return rc;
}
