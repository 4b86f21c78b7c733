// Settings of a bundle's tokeniser; see export_words.h.
#include "convert/export_words.h"

#include <stdlib.h>
#include "base/log.h"
#include "data/tokenizer.h"

static json_t *options_json(const word_options *o) {
  json_t *specials = json_array(), *added = json_array();
  for (int i = 0; i < TOKEN_SPECIALS; i++) json_array_append_new(specials, json_string(o->specials[i]));
  for (size_t i = 0; i < o->n_added; i++) {
    const word_added *a = &o->added[i];
    json_t *token = json_pack("{s:s,s:i,s:b,s:b,s:b}", "text", a->text, "id", a->id, "normalized",
                              a->normalized, "single_word", a->single_word, "in_model", a->in_model);
    if (a->special) json_object_set_new(token, "special", json_true());
    json_array_append_new(added, token);
  }
  json_t *j = json_pack("{s:s,s:b,s:o,s:b,s:b,s:i,s:s,s:o,s:o}", "rules", word_rules_names[o->rules],
                        "lower_case", o->lower_case, "strip_accents",
                        o->strip_accents < 0 ? json_null() : json_boolean(o->strip_accents), "split_chinese",
                        o->split_chinese, "clean_text", o->clean_text, "longest_word", o->longest_word,
                        "prefix", o->prefix, "specials", specials, "added", added);
  if (o->typed_specials) json_object_set_new(j, "typed_specials", json_true());
  return j;
}

status export_words(json_t **out, const vocab *v, const json_t *settings) {
  word_options o;
  word_added *added = NULL;
  *out = NULL;
  if (vocab_begin(v, RANGE_WORDS) == vocab_end(v, RANGE_WORDS)) return OK;
  status rc = tokenizer_options(&o, &added, v, settings);
  if (rc == ERR_UNSUPPORTED) {
    log_warn(
        "%s; the bundle keeps it for Hugging Face's library, and the inference module takes no texts for it",
        fail_message());
    rc = OK;
  } else if (rc == OK) {
    *out = options_json(&o);
    if (*out == NULL) rc = fail(ERR_MEMORY, "out of memory: the settings of a tokenizer");
  }
  free(added);
  return rc;
}
