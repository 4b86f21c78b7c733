// The two JSON files of a bundle. souk.json comes first; it lists the other files with sizes and checksums,
// and these are compared before anything else is parsed. Then comes config.json, which must agree with souk.json.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/manifest.h"
#include "format/sha256.h"
#include "format/word_settings.h"
#include "infer/bundle.h"
#include "infer/known_user.h"
#include "infer/labels.h"
#include "format/jtree.h"

enum { JSON_MAX = 1 << 20, LISTED_MAX = 4096, LABELS_MAX = 4096 };

const char *const bundle_file_names[FILE_COUNT] = {
    "config.json",      "model.safetensors", "vocab.tsv",           "items.safetensors",
    "catalogue.jsonl",  "mix.safetensors",   "content.safetensors", "texts.safetensors",
    "copy.safetensors", "lexicon-en.txt",    "lexicon-zh.txt"};

typedef struct document {
  jtree tree;
  const char *name; // of the file
  const char *dir;
  souk_error *e;
} document;

// ---- fields --------------------------------------------------------------------------------------------------

static souk_status bad_field(const document *d, const char *section, const char *field, const char *wanted) {
  const char *const dot = section[0] != '\0' ? "." : "";
  return infer_fail(d->e, SOUK_ERR_FORMAT, "%s/%s: field \"%s%s%s\" must be %s", d->dir, d->name, section,
                    dot, field, wanted);
}

// section "": the root.
static const jnode *find(const document *d, const char *section, const char *field) {
  const jnode *root = d->tree.nodes;
  return jtree_get(&d->tree, section[0] != '\0' ? jtree_get(&d->tree, root, section) : root, field);
}

static souk_status get_int(const document *d, const char *section, const char *field, int64_t min,
                           int64_t max, int32_t *out) {
  const jnode *n = find(d, section, field);
  char wanted[96];
  snprintf(wanted, sizeof wanted, "an integer from %lld to %lld", (long long)min, (long long)max);
  if (n == NULL || n->kind != J_NUMBER || !n->is_integer || n->integer < min || n->integer > max)
    return bad_field(d, section, field, wanted);
  *out = (int32_t)n->integer;
  return SOUK_OK;
}

static souk_status get_number(const document *d, const char *section, const char *field, double min,
                              double max, double *out) {
  const jnode *n = find(d, section, field);
  char wanted[96];
  snprintf(wanted, sizeof wanted, "a number from %g to %g", min, max);
  if (n == NULL || n->kind != J_NUMBER || !(n->number >= min && n->number <= max))
    return bad_field(d, section, field, wanted);
  *out = n->number;
  return SOUK_OK;
}

static souk_status get_bool(const document *d, const char *section, const char *field, bool *out) {
  const jnode *n = find(d, section, field);
  if (n == NULL || (n->kind != J_TRUE && n->kind != J_FALSE))
    return bad_field(d, section, field, "true or false");
  *out = n->kind == J_TRUE;
  return SOUK_OK;
}

// False where there is none.
static souk_status get_optional_bool(const document *d, const char *section, const char *field, bool *out) {
  *out = false;
  return find(d, section, field) != NULL ? get_bool(d, section, field, out) : SOUK_OK;
}

static souk_status get_string(const document *d, const char *section, const char *field, const char **out) {
  const jnode *n = find(d, section, field);
  if (n == NULL || n->kind != J_STRING) return bad_field(d, section, field, "a string");
  *out = n->text;
  return SOUK_OK;
}

static souk_status copy_string(const document *d, const char *text, char **out) {
  PASS(infer_alloc(out, strlen(text) + 1, 1, "a name", d->e));
  strcpy(*out, text);
  return SOUK_OK;
}

// A field that this library does not know would change what the bundle means if it were left out.
static souk_status check_names(const document *d, const char *section, const char *const *names,
                               const char *writer) {
  const jnode *object = section[0] != '\0' ? find(d, "", section) : d->tree.nodes;
  const jnode *n = jtree_unknown(&d->tree, object, names);
  if (n == NULL) return SOUK_OK;
  return infer_fail(d->e, SOUK_ERR_FORMAT,
                    "%s/%s: field \"%s%s%.100s\" is unknown; %.60s wrote it, this is souk " SOUK_VERSION,
                    d->dir, d->name, section, section[0] != '\0' ? "." : "", n->key, writer);
}

static souk_status parse(document *d, const mapping *m) {
  if (m->bytes > JSON_MAX)
    return infer_fail(d->e, SOUK_ERR_FORMAT, "%s/%s has %zu bytes, more than the 1 MiB read here", d->dir,
                      d->name, m->bytes);
  if (!jtree_parse(&d->tree, m->data, m->bytes))
    return infer_fail(d->e, d->tree.memory ? SOUK_ERR_MEMORY : SOUK_ERR_FORMAT, "%s/%s line %lld: %s", d->dir,
                      d->name, (long long)d->tree.line, d->tree.why);
  if (d->tree.nodes->kind != J_OBJECT)
    return infer_fail(d->e, SOUK_ERR_FORMAT, "%s/%s must hold an object", d->dir, d->name);
  return SOUK_OK;
}

// ---- souk.json -----------------------------------------------------------------------------------------------

static souk_status read_header(souk_bundle *b, const document *d) {
  const char *schema, *created_by;
  int32_t version;
  PASS(get_string(d, "", "schema", &schema));
  if (strcmp(schema, "souk.bundle") != 0)
    return infer_fail(d->e, SOUK_ERR_FORMAT, "%s/%s: field \"schema\" must be \"souk.bundle\"", d->dir,
                      d->name);
  PASS(get_int(d, "", "version", 1, INT32_MAX, &version));
  if (version != 1)
    return infer_fail(d->e, SOUK_ERR_FORMAT, "%s/%s: the bundle has version %d; this library reads version 1",
                      d->dir, d->name, version);
  PASS(get_string(d, "", "created_by", &created_by));
  return copy_string(d, created_by, &b->created_by);
}

static souk_status read_event_names(souk_bundle *b, const document *d) {
  const jnode *types = find(d, "layout", "event_types");
  if (types == NULL || types->kind != J_ARRAY || types->count < 1 || types->count > b->layout.n_event_types)
    return bad_field(d, "layout", "event_types", "an array of 1 to \"types_per_segment\" names");
  for (const jnode *n = jtree_first(&d->tree, types); n != NULL; n = jtree_next(&d->tree, n)) {
    if (n->kind != J_STRING) return bad_field(d, "layout", "event_types", "an array of strings");
    for (int32_t i = 0; i < b->event_types; i++)
      if (strcmp(b->event_names[i], n->text) == 0)
        return bad_field(d, "layout", "event_types", "an array of different names");
    PASS(copy_string(d, n->text, &b->event_names[b->event_types]));
    b->event_types++;
  }
  return SOUK_OK;
}

static souk_status read_layout(souk_bundle *b, const document *d) {
  bool causal;
  PASS(get_bool(d, "layout", "cls_sep", &b->layout.cls_sep));
  PASS(get_optional_bool(d, "layout", "causal", &causal));
  b->layout.asks = causal ? ASKS_NEXT : ASKS_MASKED;
  const int32_t specials = sequence_specials(&b->layout, false, true);
  PASS(get_bool(d, "layout", "positions_from_end", &b->layout.positions_from_end));
  PASS(get_int(d, "layout", "max_positions", specials > 1 ? specials : 1, 32768, &b->layout.max_positions));
  PASS(get_int(d, "layout", "segments", 1, 16, &b->layout.segments));
  PASS(get_int(d, "layout", "types_per_segment", 1, EVENT_TYPES_MAX, &b->layout.n_event_types));
  b->max_history = b->layout.max_positions - specials;
  PASS(get_bool(d, "encoder", "pre_norm", &b->pre_norm));
  if (find(d, "encoder", "adapter_width") != NULL)
    PASS(get_int(d, "encoder", "adapter_width", 1, NECK_WIDTH_MAX, &b->adapter_width));
  return read_event_names(b, d);
}

// Ranges lie one behind the other: special | words | attributes | items.
static souk_status read_vocabulary(souk_bundle *b, const document *d, int32_t *size) {
  int64_t at = 0;
  PASS(get_int(d, "vocabulary", "size", TOKEN_SPECIALS + 1, INT32_MAX, size));
  for (int i = 0; i < RANGE_COUNT; i++) {
    const jnode *n = find(d, "vocabulary", vocab_range_names[i]), *begin = jtree_first(&d->tree, n),
                *end = jtree_next(&d->tree, begin);
    if (n == NULL || n->kind != J_ARRAY || n->count != 2 || !begin->is_integer || !end->is_integer ||
        begin->integer != at || end->integer < at || end->integer > *size ||
        (i == RANGE_SPECIAL && end->integer != TOKEN_SPECIALS))
      return bad_field(d, "vocabulary", vocab_range_names[i],
                       "[begin, end), beginning where the range before ends and within \"size\"");
    at = end->integer;
    b->range_end[i] = (int32_t)at;
  }
  b->first_item = b->range_end[RANGE_ATTRIBUTES];
  b->items = *size - b->first_item;
  const bool words = b->range_end[RANGE_WORDS] > TOKEN_SPECIALS;
  if (at != *size || (b->items < 1 && !words))
    return bad_field(d, "vocabulary", "items",
                     "a range that ends at \"size\", of at least one item unless there are words");
  return SOUK_OK;
}

static souk_status read_head(souk_bundle *b, const document *d, int32_t size) {
  const char *score = "";
  PASS(get_string(d, "head", "score", &score));
  PASS(get_optional_bool(d, "head", "plain", &b->plain));
  b->cosine = strcmp(score, "cosine") == 0;
  if (!b->cosine && strcmp(score, "dot") != 0) return bad_field(d, "head", "score", "\"dot\" or \"cosine\"");
  PASS(get_number(d, "head", "inv_temperature", 1e-5, 1e5, &b->inv_temperature_wide));
  b->inv_temperature = (float)b->inv_temperature_wide;
  PASS(get_int(d, "head", "class_base", 0, b->first_item, &b->class_base));
  return get_int(d, "head", "classes", size - b->class_base, INT32_MAX, &b->classes);
}

// Is "ranking" among what was never trained?
static souk_status read_untrained(souk_bundle *b, const document *d) {
  const jnode *list = find(d, "training", "untrained");
  if (list == NULL) return SOUK_OK;
  if (list->kind != J_ARRAY) return bad_field(d, "training", "untrained", "an array of names");
  for (const jnode *n = jtree_first(&d->tree, list); n != NULL; n = jtree_next(&d->tree, n)) {
    if (n->kind != J_STRING) return bad_field(d, "training", "untrained", "an array of names");
    b->unranked |= strcmp(n->text, "ranking") == 0;
  }
  return SOUK_OK;
}

static souk_status read_training(souk_bundle *b, const document *d) {
  const char *data;
  const jnode *step = find(d, "training", "step");
  PASS(read_untrained(b, d));
  if (step == NULL || !step->is_integer || step->integer < 0)
    return bad_field(d, "training", "step", "an integer from 0");
  b->training_step = step->integer;
  PASS(get_string(d, "training", "data", &data));
  return copy_string(d, data, &b->data_name);
}

static souk_status read_label_names(label_head *l, const document *d) {
  const jnode *names = find(d, "labels", "names");
  const char *const wanted = "an array of 1 to 4096 different names, at least 2 of a single label";
  if (names == NULL || names->kind != J_ARRAY || names->count < 1 + l->single || names->count > LABELS_MAX)
    return bad_field(d, "labels", "names", wanted);
  PASS(infer_alloc(&l->names, (size_t)names->count, sizeof *l->names, "labels", d->e));
  for (const jnode *n = jtree_first(&d->tree, names); n != NULL; n = jtree_next(&d->tree, n)) {
    if (n->kind != J_STRING || n->bytes == 0) return bad_field(d, "labels", "names", wanted);
    for (int32_t i = 0; i < l->n; i++)
      if (strcmp(l->names[i], n->text) == 0) return bad_field(d, "labels", "names", wanted);
    PASS(copy_string(d, n->text, &l->names[l->n]));
    l->n++;
  }
  return SOUK_OK;
}

static souk_status read_temperatures(label_head *l, const document *d) {
  PASS(infer_alloc(&l->temperatures, label_head_temperatures(l), sizeof *l->temperatures, "temperatures",
                   d->e));
  const char *wanted = temperatures_take(l, &d->tree, find(d, "labels", "temperature"), l->temperatures);
  return wanted == NULL ? SOUK_OK : bad_field(d, "labels", "temperature", wanted);
}

// What the model's labels are, if it has any.
static souk_status read_labels(souk_bundle *b, const document *d) {
  const char *task, *kind;
  if (find(d, "", "labels") == NULL) return SOUK_OK;
  PASS(get_string(d, "labels", "task", &task));
  PASS(get_string(d, "labels", "kind", &kind));
  if (strcmp(task, "pair") != 0 && strcmp(task, "classify") != 0)
    return bad_field(d, "labels", "task", "\"classify\" or \"pair\"");
  if (strcmp(kind, "single") != 0 && strcmp(kind, "several") != 0)
    return bad_field(d, "labels", "kind", "\"single\" or \"several\"");
  b->labels.pairs = strcmp(task, "pair") == 0;
  b->labels.single = strcmp(kind, "single") == 0;
  if (!b->layout.cls_sep)
    return bad_field(d, "layout", "cls_sep", "true, since \"labels\" are read at [CLS]");
  if (b->labels.pairs && b->layout.segments < 2)
    return bad_field(d, "layout", "segments", "2 or more, since \"labels\" are of pairs");
  if (b->layout.max_positions < sequence_specials(&b->layout, true, false) + 2)
    return bad_field(d, "layout", "max_positions", "5 or more, since there are \"labels\"");
  PASS(read_label_names(&b->labels, d));
  return read_temperatures(&b->labels, d);
}

// The head that writes copy, and its file.
static souk_status read_copy(souk_bundle *b, const document *d) {
  const bool mapped = b->files[FILE_COPY].data != NULL, there = find(d, "", "copy") != NULL;
  copy_layout *l = &b->copy.layout;
  if (there != mapped)
    return infer_fail(d->e, SOUK_ERR_FORMAT,
                      mapped ? "%s/%s: field \"files\" lists copy.safetensors, and there is no \"copy\""
                             : "%s/%s: field \"files\" lacks copy.safetensors",
                      d->dir, d->name);
  if (!there) return SOUK_OK;
  if (!b->layout.cls_sep) return bad_field(d, "layout", "cls_sep", "true, since there is \"copy\"");
  if (b->layout.segments < 2) return bad_field(d, "layout", "segments", "2 or more, since there is \"copy\"");
  PASS(get_int(d, "copy", "classes", b->first_item, b->first_item, &b->copy.classes));
  PASS(get_int(d, "copy", "copy_tokens", 2, b->layout.max_positions - 2, &l->copy_tokens));
  PASS(get_int(d, "copy", "item_tokens", 1, 32768, &l->item_tokens));
  if (find(d, "copy", "history") != NULL) {
    bool history;
    PASS(get_bool(d, "copy", "history", &history));
    b->copy.forgets_users = !history;
  }
  l->sequence = b->layout;
  b->copy.there = true;
  return SOUK_OK;
}

// vocab.tsv, and what its words are found with.
static souk_status read_words(souk_bundle *b, const document *d) {
  const mapping *m = &b->files[FILE_VOCAB];
  const jnode *settings = find(d, "", "words");
  char path[PATH_MAX];
  format_error found;
  snprintf(path, sizeof path, "%s/%s", d->dir, bundle_file_names[FILE_VOCAB]);
  if (!vocabulary_parse(&b->vocab, m->data, m->bytes, b->range_end, path, &found))
    return infer_fail_format(d->e, &found);
  PASS(known_user_open(b, d->e));
  if (settings == NULL) return SOUK_OK;
  snprintf(path, sizeof path, "%s/%s", d->dir, d->name);
  return word_settings_open(&b->tokenizer, b->vocab, &d->tree, settings, path, &found)
             ? SOUK_OK
             : infer_fail_format(d->e, &found);
}

// Settings and file of a mix come together.
static souk_status read_mix(const souk_bundle *b, const document *d, mix_config *m) {
  const jnode *settings = find(d, "", "mix");
  const bool mapped = b->files[FILE_MIX].data != NULL;
  char path[PATH_MAX];
  format_error found;
  snprintf(path, sizeof path, "%s/%s", d->dir, d->name);
  if (settings == NULL && !mapped) return SOUK_OK;
  if (settings == NULL)
    return infer_fail(d->e, SOUK_ERR_FORMAT,
                      "%s: field \"files\" lists mix.safetensors, and there is no \"mix\"", path);
  if (!mapped) return infer_fail(d->e, SOUK_ERR_FORMAT, "%s: field \"files\" lacks mix.safetensors", path);
  return mix_config_read(m, &d->tree, settings, path, &found) ? SOUK_OK : infer_fail_format(d->e, &found);
}

// ---- the files it lists --------------------------------------------------------------------------------------

// The entry of a file as it stands.
static manifest_file entry_of(const document *d, const jnode *n) {
  const jnode *bytes = jtree_get(&d->tree, n, "bytes"), *sha = jtree_get(&d->tree, n, "sha256");
  return (manifest_file){.name = n->key,
                         .bytes = bytes != NULL && bytes->is_integer ? bytes->integer : -1,
                         .sha256 = sha != NULL && sha->kind == J_STRING ? sha->text : NULL};
}

static souk_status check_file(const document *d, const manifest_file *f, const mapping *m, bool checksum) {
  char path[PATH_MAX], hex[65];
  format_error found;
  snprintf(path, sizeof path, "%s/%s", d->dir, f->name);
  if (checksum) sha256_hex(m->data, m->bytes, hex);
  return manifest_check_file(f, m->bytes, checksum ? hex : NULL, path, d->name, &found)
             ? SOUK_OK
             : infer_fail_format(d->e, &found);
}

static souk_status map_files(souk_bundle *b, const document *d, int dir, bool checksum) {
  char manifest[PATH_MAX];
  const jnode *files = find(d, "", "files");
  snprintf(manifest, sizeof manifest, "%s/%s", d->dir, d->name);
  if (files == NULL || files->kind != J_OBJECT || files->count > LISTED_MAX)
    return bad_field(d, "", "files", "an object of at most 4096 files");
  for (const jnode *n = jtree_first(&d->tree, files); n != NULL; n = jtree_next(&d->tree, n)) {
    const manifest_file f = entry_of(d, n);
    format_error found;
    const bool of_adapter = adapters_is_file(f.name);
    if (!manifest_check_entry(&f, of_adapter, manifest, &found)) return infer_fail_format(d->e, &found);
    if (strcmp(f.name, d->name) == 0)
      return infer_fail(d->e, SOUK_ERR_FORMAT, "%s: field \"files\": \"%s\" cannot list itself", manifest,
                        d->name);
    mapping other = {.data = ""}, *m = &other; // files of later versions are verified too
    for (int i = 0; i < FILE_COUNT; i++)
      if (strcmp(bundle_file_names[i], n->key) == 0) m = &b->files[i];
    mapping *part = NULL;
    if (of_adapter) PASS(adapters_add_file(b, f.name, &part, d->e));
    if (part != NULL) m = part;
    souk_status rc = mapping_open(m, dir, d->dir, n->key, d->e);
    if (rc == SOUK_OK) rc = check_file(d, &f, m, checksum);
    mapping_close(&other);
    PASS(rc);
  }
  return SOUK_OK;
}

static souk_status check_all_there(const souk_bundle *b, const document *d) {
  for (int i = 0; i < FILE_CATALOGUE; i++)
    if (b->files[i].data == NULL && (i != FILE_ITEMS || b->items > 0))
      return infer_fail(d->e, SOUK_ERR_FORMAT, "%s/%s: field \"files\" lacks %s", d->dir, d->name,
                        bundle_file_names[i]);
  return SOUK_OK;
}

// ---- config.json ---------------------------------------------------------------------------------------------

static souk_status read_config(souk_bundle *b, const document *d, int32_t size) {
  const char *act;
  int32_t positions, types;
  double eps;
  PASS(get_int(d, "", "hidden_size", 1, 65536, &b->hidden));
  PASS(get_int(d, "", "num_hidden_layers", 1, 512, &b->layers));
  PASS(get_int(d, "", "num_attention_heads", 1, 1024, &b->heads));
  PASS(get_int(d, "", "intermediate_size", 1, 1 << 20, &b->intermediate));
  PASS(get_int(d, "", "vocab_size", size, INT32_MAX, &b->vocab_size));
  PASS(get_int(d, "", "max_position_embeddings", b->layout.max_positions, b->layout.max_positions,
               &positions));
  const int64_t wanted = (int64_t)b->layout.segments * b->layout.n_event_types;
  PASS(get_int(d, "", "type_vocab_size", wanted, wanted, &types));
  PASS(get_number(d, "", "layer_norm_eps", 1e-20, 1, &eps));
  PASS(get_string(d, "", "hidden_act", &act));
  bool decoder;
  PASS(get_optional_bool(d, "", "is_decoder", &decoder));
  if (decoder != (b->layout.asks != ASKS_MASKED))
    return bad_field(d, "", "is_decoder",
                     decoder ? "false, as \"layout.causal\" of souk.json says"
                             : "true, as \"layout.causal\" of souk.json says");
  b->eps = (float)eps;
  b->erf = strcmp(act, "gelu") == 0;
  if (!b->erf && strcmp(act, "gelu_new") != 0 && strcmp(act, "gelu_pytorch_tanh") != 0)
    return bad_field(d, "", "hidden_act", "\"gelu\" or \"gelu_new\"");
  if (b->hidden % b->heads != 0)
    return bad_field(d, "", "num_attention_heads", "a divisor of \"hidden_size\"");
  if ((int64_t)b->class_base + b->classes > b->vocab_size)
    return infer_fail(d->e, SOUK_ERR_FORMAT,
                      "%s/souk.json: field \"head.classes\" reaches beyond the \"vocab_size\" of %s", d->dir,
                      d->name);
  b->head_size = b->hidden / b->heads;
  b->width = b->hidden + 1;
  return SOUK_OK;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static souk_status check_souk_names(const souk_bundle *b, const document *d) {
  const struct {
    const char *section;
    const char *const *names;
  } sections[] = {{"", NAMES("schema", "version", "created_by", "layout", "encoder", "vocabulary", "head",
                             "training", "mix", "words", "labels", "copy", "files")},
                  {"copy", NAMES("classes", "copy_tokens", "item_tokens", "history")},
                  {"labels", NAMES("task", "kind", "names", "temperature")},
                  {"layout", NAMES("cls_sep", "causal", "positions_from_end", "max_positions", "event_types",
                                   "types_per_segment", "segments")},
                  {"encoder", NAMES("pre_norm", "pooler", "adapter_width")},
                  {"vocabulary", NAMES("size", "special", "words", "attributes", "items")},
                  {"head", NAMES("score", "plain", "inv_temperature", "class_base", "classes")},
                  {"training", NAMES("step", "tokens", "seconds", "data", "data_checksum", "metric",
                                     "metric_value", "untrained", "final")}};
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
    PASS(check_names(d, sections[i].section, sections[i].names, b->created_by));
  return SOUK_OK;
}

// Hugging Face's library has many more fields, and most of them change what the encoder computes. The last seven do not.
static souk_status check_config_names(const souk_bundle *b, const document *d) {
  return check_names(d, "",
                     NAMES("architectures", "model_type", "vocab_size", "hidden_size", "num_hidden_layers",
                           "num_attention_heads", "intermediate_size", "hidden_act", "hidden_dropout_prob",
                           "attention_probs_dropout_prob", "is_decoder", "max_position_embeddings",
                           "type_vocab_size", "initializer_range", "layer_norm_eps", "pad_token_id",
                           "tie_word_embeddings", "id2label", "label2id", "problem_type",
                           "transformers_version", "torch_dtype", "dtype", "_name_or_path"),
                     b->created_by);
}

static souk_status read_souk_json(souk_bundle *b, mix_config *mixed, document *d, int dir, uint32_t flags,
                                  int32_t *size) {
  mapping m;
  souk_status rc = mapping_open(&m, dir, d->dir, d->name, d->e);
  if (rc == SOUK_OK) rc = parse(d, &m);
  if (rc == SOUK_OK) rc = read_header(b, d);
  if (rc == SOUK_OK) rc = map_files(b, d, dir, (flags & SOUK_SKIP_CHECKSUMS) == 0);
  if (rc == SOUK_OK) rc = read_layout(b, d);
  if (rc == SOUK_OK) rc = read_vocabulary(b, d, size);
  if (rc == SOUK_OK) rc = check_all_there(b, d);
  if (rc == SOUK_OK) rc = read_head(b, d, *size);
  if (rc == SOUK_OK) rc = read_labels(b, d);
  if (rc == SOUK_OK) rc = read_copy(b, d);
  if (rc == SOUK_OK) rc = read_training(b, d);
  if (rc == SOUK_OK) rc = read_mix(b, d, mixed);
  if (rc == SOUK_OK) rc = check_souk_names(b, d);
  if (rc == SOUK_OK) rc = read_words(b, d);
  mapping_close(&m);
  return rc;
}

souk_status settings_read(souk_bundle *b, mix_config *m, int dir, uint32_t flags, souk_error *e) {
  document souk = {.name = "souk.json", .dir = b->dir, .e = e};
  document config = {.name = "config.json", .dir = b->dir, .e = e};
  int32_t size = 0;
  souk_status rc = read_souk_json(b, m, &souk, dir, flags, &size);
  if (rc == SOUK_OK) rc = parse(&config, &b->files[FILE_CONFIG]);
  if (rc == SOUK_OK) rc = read_config(b, &config, size);
  if (rc == SOUK_OK) rc = check_config_names(b, &config);
  jtree_free(&souk.tree);
  jtree_free(&config.tree);
  return rc;
}
