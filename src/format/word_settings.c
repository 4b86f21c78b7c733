// Settings of a tokeniser, which may be hostile; see word_settings.h.
#include "format/word_settings.h"

#include <stdlib.h>
#include <string.h>
#include "format/section.h"

enum { MOST_ADDED = 1 << 16 };

static bool is_text(const jnode *n) {
  return n != NULL && n->kind == J_STRING && n->text[0] != '\0' && strlen(n->text) <= LONGEST_ADDED;
}

static bool get_flag(const section *r, const jnode *object, const char *key, const char *field, bool *out) {
  const jnode *n = jtree_get(r->tree, object, key);
  if (n == NULL || (n->kind != J_TRUE && n->kind != J_FALSE)) return section_bad(r, field, "true or false");
  *out = n->kind == J_TRUE;
  return true;
}

// One that is not there is false.
static bool get_flag_or_false(const section *r, const jnode *object, const char *key, const char *field,
                              bool *out) {
  *out = false;
  return jtree_get(r->tree, object, key) == NULL || get_flag(r, object, key, field, out);
}

static bool read_rules(const section *r, const jnode *object, word_options *o) {
  const jnode *rules = jtree_get(r->tree, object, "rules"),
              *longest = jtree_get(r->tree, object, "longest_word"),
              *prefix = jtree_get(r->tree, object, "prefix"),
              *accents = jtree_get(r->tree, object, "strip_accents");
  const bool named = rules != NULL && rules->kind == J_STRING;
  if (named && strcmp(rules->text, word_rules_names[WORDS_FAST]) == 0)
    o->rules = WORDS_FAST;
  else if (named && strcmp(rules->text, word_rules_names[WORDS_PYTHON]) == 0)
    o->rules = WORDS_PYTHON;
  else
    return section_bad(r, "rules", "\"fast\" or \"python\"");
  if (longest == NULL || !longest->is_integer || longest->integer < 1 || longest->integer > LONGEST_WORD)
    return section_bad(r, "longest_word", "an integer from 1 to 1000");
  o->longest_word = (int32_t)longest->integer;
  if (prefix == NULL || prefix->kind != J_STRING || strlen(prefix->text) > LONGEST_ADDED)
    return section_bad(r, "prefix", "a text of at most 500 bytes");
  o->prefix = prefix->text;
  if (accents == NULL || (accents->kind != J_TRUE && accents->kind != J_FALSE && accents->kind != J_NULL))
    return section_bad(r, "strip_accents", "true, false or null");
  o->strip_accents = accents->kind == J_NULL ? -1 : accents->kind == J_TRUE;
  return get_flag(r, object, "lower_case", "lower_case", &o->lower_case) &&
         get_flag(r, object, "split_chinese", "split_chinese", &o->split_chinese) &&
         get_flag(r, object, "clean_text", "clean_text", &o->clean_text) &&
         get_flag_or_false(r, object, "typed_specials", "typed_specials", &o->typed_specials);
}

static bool read_specials(const section *r, const jnode *object, word_options *o) {
  static const char wanted[] = "an array of five texts of at most 500 bytes";
  const jnode *list = jtree_get(r->tree, object, "specials"), *n = jtree_first(r->tree, list);
  if (list == NULL || list->kind != J_ARRAY || list->count != TOKEN_SPECIALS)
    return section_bad(r, "specials", wanted);
  for (int i = 0; i < TOKEN_SPECIALS; i++, n = jtree_next(r->tree, n)) {
    if (!is_text(n)) return section_bad(r, "specials", wanted);
    o->specials[i] = n->text;
  }
  return true;
}

static bool read_token(const section *r, const jnode *n, const vocab *v, word_added *out) {
  static const char *const names[] = {"text", "id", "normalized", "single_word", "in_model", "special", NULL};
  if (n->kind != J_OBJECT) return section_bad(r, "added", "an array of objects");
  const jnode *text = jtree_get(r->tree, n, "text"), *id = jtree_get(r->tree, n, "id");
  if (!is_text(text)) return section_bad(r, "added.text", "a text of 1 to 500 bytes");
  if (id == NULL || !id->is_integer || id->integer < 0 || id->integer >= vocab_end(v, RANGE_WORDS))
    return section_bad(r, "added.id", "the id of a special token or word");
  out->text = text->text;
  out->id = (int32_t)id->integer;
  return get_flag(r, n, "normalized", "added.normalized", &out->normalized) &&
         get_flag(r, n, "single_word", "added.single_word", &out->single_word) &&
         get_flag(r, n, "in_model", "added.in_model", &out->in_model) &&
         get_flag_or_false(r, n, "special", "added.special", &out->special) &&
         section_known(r, n, names, "added.");
}

static bool read_added(const section *r, const jnode *object, const vocab *v, word_options *o,
                       word_added **added) {
  const jnode *list = jtree_get(r->tree, object, "added");
  if (list == NULL || list->kind != J_ARRAY || list->count > MOST_ADDED)
    return section_bad(r, "added", "an array of at most 65536 objects");
  if (!format_alloc(added, (size_t)list->count, sizeof **added, "added tokens", r->e)) return false;
  o->added = *added;
  for (const jnode *n = jtree_first(r->tree, list); n != NULL; n = jtree_next(r->tree, n))
    if (!read_token(r, n, v, &(*added)[o->n_added++])) return false;
  return true;
}

// The tokeniser's own errors are of words and settings, wherever these come from.
static bool make(word_tokenizer **out, const vocab *v, const word_options *o, const section *r) {
  format_error found;
  return word_tokenizer_new(out, v, o, &found) ||
         format_fail(r->e, found.kind, "%s: field \"words\": %s", r->path, found.message);
}

bool word_settings_open(word_tokenizer **out, const vocab *v, const jtree *tree, const jnode *object,
                        const char *path, format_error *e) {
  static const char *const names[] = {
      "rules",  "lower_case", "strip_accents", "split_chinese",  "clean_text", "longest_word",
      "prefix", "specials",   "added",         "typed_specials", NULL};
  const section r = {tree, path, "words", e};
  word_options o = word_options_default();
  word_added *added = NULL;
  *out = NULL;
  if (object->kind != J_OBJECT)
    return format_fail(e, FORMAT_MALFORMED, "%s: field \"words\" must be an object", path);
  const bool good = read_rules(&r, object, &o) && read_specials(&r, object, &o) &&
                    read_added(&r, object, v, &o, &added) && section_known(&r, object, names, "") &&
                    make(out, v, &o, &r);
  free(added);
  return good;
}
