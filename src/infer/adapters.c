// Reading adapters; see adapters.h.
#include "infer/adapters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/jtree.h"
#include "format/safetensors.h"
#include "infer/bundle.h"
#include "infer/labels.h"
#include "simd/simd.h"

enum { NAME = 160, MOST_RANK = 4096, CONFIG_MAX = 1 << 20 };
static const char folder[] = "adapters/", config_name[] = "adapter_config.json",
                  model_name[] = "adapter_model.safetensors", labels_name[] = "labels.json";
const char *const neck_modules[NECK_PLACES] = {"attention.output", "output"};

// ---- files ---------------------------------------------------------------------------------------------------

bool adapters_is_file(const char *listed) {
  return strncmp(listed, folder, strlen(folder)) == 0;
}

static souk_status find_or_add(souk_bundle *b, const char *name, size_t bytes, bundle_tuning **out,
                               souk_error *e) {
  bundle_adapters *a = &b->adapters;
  for (int32_t i = 0; i < a->n; i++) {
    *out = &a->list[i];
    if (strlen((*out)->name) == bytes && strncmp((*out)->name, name, bytes) == 0) return SOUK_OK;
  }
  if ((size_t)a->n == a->cap) {
    bundle_tuning *more;
    const size_t cap = a->cap > 0 ? 2 * a->cap : 8;
    PASS(infer_alloc(&more, cap, sizeof *more, "adapters", e));
    if (a->n > 0) memcpy(more, a->list, (size_t)a->n * sizeof *more);
    free(a->list);
    a->list = more;
    a->cap = cap;
  }
  *out = &a->list[a->n];
  memset(*out, 0, sizeof **out);
  PASS(infer_alloc(&(*out)->name, bytes + 1, 1, "a name", e));
  memcpy((*out)->name, name, bytes);
  a->n++;
  return SOUK_OK;
}

souk_status adapters_add_file(souk_bundle *b, const char *listed, mapping **m, souk_error *e) {
  const char *name = listed + strlen(folder), *slash = strchr(name, '/');
  bundle_tuning *t;
  *m = NULL;
  if (slash == NULL)
    return infer_fail(e, SOUK_ERR_FORMAT,
                      "%s/souk.json: field \"files\": \"%.100s\" is not in a folder of adapters/", b->dir,
                      listed);
  PASS(find_or_add(b, name, (size_t)(slash - name), &t, e));
  if (strcmp(slash + 1, config_name) == 0) *m = &t->config;
  if (strcmp(slash + 1, model_name) == 0) *m = &t->model;
  if (strcmp(slash + 1, labels_name) == 0) *m = &t->labels;
  return SOUK_OK;
}

// ---- adapter_config.json -------------------------------------------------------------------------------------

typedef enum tuning_form { FORM_LORA, FORM_ADALORA, FORM_BOTTLENECK, FORM_BIAS } tuning_form;

typedef struct tuning_reader {
  souk_bundle *b;
  bundle_tuning *t;
  safetensors file;
  jtree config;
  char dir[4096]; // the adapter's, for messages
  tuning_form form;
  int32_t rank; // or width
  double scale;
  size_t used; // of the arena
  souk_error *e;
} tuning_reader;

static souk_status bad_field(const tuning_reader *r, const char *field, const char *wanted) {
  return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s: field \"%s\" must be %s", r->dir, config_name, field,
                    wanted);
}

static const jnode *field_of(const tuning_reader *r, const char *name) {
  return jtree_get(&r->config, r->config.nodes, name);
}

// What would make another layer of it than y + s B (e o A x).
static souk_status refuse_variants(const tuning_reader *r) {
  static const char *const off[] = {"fan_in_fan_out", "use_dora", "lora_bias"};
  static const char *const empty[] = {"rank_pattern", "alpha_pattern", "modules_to_save"};
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
    const jnode *n = field_of(r, off[i]);
    if (n != NULL && n->kind != J_FALSE && n->kind != J_NULL) return bad_field(r, off[i], "false");
  }
  for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
    const jnode *n = field_of(r, empty[i]);
    if (n != NULL && n->kind != J_NULL && n->count > 0) return bad_field(r, empty[i], "empty");
  }
  const jnode *bias = field_of(r, "bias");
  return bias == NULL || (bias->kind == J_STRING && strcmp(bias->text, "none") == 0)
             ? SOUK_OK
             : bad_field(r, "bias", "\"none\"");
}

static souk_status read_scale(tuning_reader *r) {
  const jnode *alpha = field_of(r, "lora_alpha"), *root = field_of(r, "use_rslora");
  const bool adalora = r->form == FORM_ADALORA;
  const char *ranks = adalora ? "init_r" : "r";
  const jnode *rank = field_of(r, ranks);
  if (rank == NULL || !rank->is_integer || rank->integer < 1 || rank->integer > MOST_RANK)
    return bad_field(r, ranks, "an integer from 1 to 4096");
  if (alpha == NULL || alpha->kind != J_NUMBER || !(fabs(alpha->number) <= 1e6))
    return bad_field(r, "lora_alpha", "a number up to 1e6");
  r->rank = (int32_t)rank->integer;
  const double n = r->rank;
  r->scale = alpha->number / (root != NULL && root->kind == J_TRUE ? sqrt(n) : n);
  if (adalora) r->scale = (alpha->number > 0 ? alpha->number : n) / (n + 1e-5);
  return refuse_variants(r);
}

// Of Souk's own forms, which peft does not read.
static souk_status read_width(tuning_reader *r) {
  static const char *const of_necks[] = {"peft_type", "adapter_width", NULL}, *const of_biases[] = {
                                                                                  "peft_type", NULL};
  const char *const *known = r->form == FORM_BOTTLENECK ? of_necks : of_biases;
  const jnode *width = field_of(r, "adapter_width"),
              *other = jtree_unknown(&r->config, r->config.nodes, known);
  if (other != NULL)
    return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s: field \"%.100s\" is unknown", r->dir, config_name,
                      other->key);
  if (r->form == FORM_BIAS) return SOUK_OK;
  if (width == NULL || !width->is_integer || width->integer < 1 || width->integer > NECK_WIDTH_MAX)
    return bad_field(r, "adapter_width", "an integer from 1 to 65536");
  r->rank = (int32_t)width->integer;
  return SOUK_OK;
}

static souk_status read_form(tuning_reader *r) {
  static const char *const forms[] = {"LORA", "ADALORA", "SOUK_ADAPTER", "SOUK_BIAS"};
  const jnode *type = field_of(r, "peft_type");
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (type == NULL || type->kind != J_STRING || strcmp(type->text, forms[i]) != 0) continue;
    r->form = (tuning_form)i;
    return r->form >= FORM_BOTTLENECK ? read_width(r) : read_scale(r);
  }
  return bad_field(r, "peft_type", "\"LORA\", \"ADALORA\", \"SOUK_ADAPTER\" or \"SOUK_BIAS\"");
}

// A file of the folder that holds an object. The tree is to be freed after an error, too.
static souk_status parse(const tuning_reader *r, jtree *tree, const mapping *m, const char *name) {
  if (m->bytes > CONFIG_MAX)
    return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s has more than the 1 MiB read here", r->dir, name);
  if (!jtree_parse(tree, m->data, m->bytes))
    return infer_fail(r->e, tree->memory ? SOUK_ERR_MEMORY : SOUK_ERR_FORMAT, "%s/%s line %lld: %s", r->dir,
                      name, (long long)tree->line, tree->why);
  if (tree->nodes->kind != J_OBJECT)
    return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s must hold an object", r->dir, name);
  return SOUK_OK;
}

static souk_status read_config(tuning_reader *r) {
  const mapping *m = &r->t->config;
  if (m->data == NULL || r->t->model.data == NULL)
    return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/souk.json: field \"files\" lacks adapters/%s/%s", r->b->dir,
                      r->t->name, m->data == NULL ? config_name : model_name);
  PASS(parse(r, &r->config, m, config_name));
  return read_form(r);
}

// ---- tensors -------------------------------------------------------------------------------------------------

// An aligned copy of a tensor of this file.
static souk_status copy_tensor(const tuning_reader *r, const tensor *t, float **out) {
  const size_t n = (size_t)t->size;
  PASS(infer_alloc(out, n, sizeof **out, "a matrix", r->e));
  memcpy(*out, t->data, n * sizeof **out);
  for (size_t i = 0; i < n; i++)
    if (!isfinite((*out)[i]))
      return infer_fail(r->e, SOUK_ERR_NONFINITE, "%s/%s: tensor \"%s\" holds a NaN or an infinity", r->dir,
                        model_name, t->name);
  return SOUK_OK;
}

// By the name that it has in a model whose encoder is called "bert", as classifiers' is, or in a BertModel itself. Layer -1: the
// embeddings.
static void name_factor(const tuning_reader *r, int32_t layer, const char *module, const char *factor,
                        char name[NAME]) {
  static const char *const encoders[] = {"bert.", ""};
  for (size_t i = 0; i < 2; i++) {
    if (layer < 0)
      snprintf(name, NAME, "base_model.model.%sembeddings.%s.%s", encoders[i], module, factor);
    else
      snprintf(name, NAME, "base_model.model.%sencoder.layer.%d.%s.%s%s", encoders[i], layer, module, factor,
               r->form == FORM_ADALORA ? "" : ".weight");
    if (safetensors_find(&r->file, name) != NULL) return;
  }
}

// A factor [rows,columns], or NULL: it is not there.
static souk_status find_factor(tuning_reader *r, int32_t layer, const char *module, const char *factor,
                               int64_t rows, int64_t columns, float **out) {
  char name[NAME], path[4200];
  const tensor *t;
  format_error found;
  *out = NULL;
  name_factor(r, layer, module, factor, name);
  snprintf(path, sizeof path, "%s/%s", r->dir, model_name);
  if (safetensors_find(&r->file, name) == NULL) return SOUK_OK;
  if (!safetensors_expect(&r->file, path, name, "F32", 2, rows, columns, &t, &found))
    return infer_fail_format(r->e, &found);
  return copy_tensor(r, t, out);
}

static float *carve(tuning_reader *r, size_t n, size_t k) {
  float *at = r->t->arena + r->used;
  r->used += (gemm_packed_size(n, k) + 15) / 16 * 16;
  return at;
}

static souk_status pack_layer(tuning_reader *r, adapted_layer *to, const float *a, const float *b,
                              const float *e, size_t in, size_t out, double scale) {
  const size_t rank = (size_t)r->rank;
  float *up;
  PASS(infer_alloc(&up, out * rank, sizeof *up, "a matrix", r->e));
  for (size_t o = 0; o < out; o++)
    for (size_t k = 0; k < rank; k++)
      up[o * rank + k] = (float)(scale * (e != NULL ? (double)e[k] : 1.0) * (double)b[o * rank + k]);
  to->rank = r->rank;
  to->down = carve(r, rank, in);
  to->up = carve(r, out, rank);
  gemm_pack(a, in, rank, in, to->down);
  gemm_pack(up, rank, out, rank, to->up);
  free(up);
  return SOUK_OK;
}

static souk_status read_place(tuning_reader *r, int32_t layer, adapted_place place) {
  static const char *const modules[ADAPTED_PLACES] = {"attention.self.query", "attention.self.key",
                                                      "attention.self.value", "attention.output.dense",
                                                      "intermediate.dense",   "output.dense"};
  const int32_t H = r->b->hidden, F = r->b->intermediate;
  const int32_t in = place == ADAPTED_FFN2 ? F : H, out = place == ADAPTED_FFN1 ? F : H;
  const double scale = r->scale * (place == ADAPTED_QUERY ? 1 / sqrt((double)r->b->head_size) : 1);
  const bool adalora = r->form == FORM_ADALORA;
  float *a = NULL, *b = NULL, *e = NULL;
  souk_status rc = find_factor(r, layer, modules[place], "lora_A", r->rank, in, &a);
  if (rc == SOUK_OK) rc = find_factor(r, layer, modules[place], "lora_B", out, r->rank, &b);
  if (rc == SOUK_OK && adalora) rc = find_factor(r, layer, modules[place], "lora_E", r->rank, 1, &e);
  if (rc == SOUK_OK && ((a == NULL) != (b == NULL) || (adalora && (a == NULL) != (e == NULL))))
    rc = infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s: layer %d has not all factors of %s", r->dir, model_name,
                    layer, modules[place]);
  if (rc == SOUK_OK && a != NULL)
    rc = pack_layer(r, &r->t->layers[layer * ADAPTED_PLACES + (int32_t)place], a, b, e, (size_t)in,
                    (size_t)out, scale);
  free(a);
  free(b);
  free(e);
  return rc;
}

// b [H,r] becomes B diag(e).
static souk_status scale_columns(const tuning_reader *r, float *b, const float *e) {
  for (int64_t i = 0; i < (int64_t)r->b->hidden * r->rank; i++) {
    b[i] = (float)((double)b[i] * (double)e[i % r->rank]);
    if (!isfinite(b[i]))
      return infer_fail(r->e, SOUK_ERR_NONFINITE,
                        "%s/%s: the factors of word_embeddings have a product that is infinite", r->dir,
                        model_name);
  }
  return SOUK_OK;
}

// The word table's.
static souk_status read_table(tuning_reader *r) {
  const souk_bundle *base = r->b;
  static const char module[] = "word_embeddings";
  const bool adalora = r->form == FORM_ADALORA;
  float *a = NULL, *b = NULL, *e = NULL;
  souk_status rc = find_factor(r, -1, module, "lora_embedding_A", r->rank, base->vocab_size, &a);
  if (rc == SOUK_OK) rc = find_factor(r, -1, module, "lora_embedding_B", base->hidden, r->rank, &b);
  if (rc == SOUK_OK && adalora) rc = find_factor(r, -1, module, "lora_embedding_E", r->rank, 1, &e);
  if (rc == SOUK_OK && ((a == NULL) != (b == NULL) || (adalora && (a == NULL) != (e == NULL))))
    rc = infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s has not %s factors of %s", r->dir, model_name,
                    adalora ? "all" : "both", module);
  if (rc == SOUK_OK && e != NULL) rc = scale_columns(r, b, e);
  if (rc == SOUK_OK && a != NULL && base->content.bias != NULL)
    rc = infer_fail(
        r->e, SOUK_ERR_FORMAT,
        "%s/%s adapts %s, which the vectors of items with content are made of: they cannot be adapted",
        r->dir, model_name, module);
  if (rc == SOUK_OK && a != NULL) {
    rc = adapted_table_new(&r->t->table, base, a, b, r->scale, r->rank, r->e);
    a = NULL;
  }
  free(a);
  free(b);
  free(e);
  return rc;
}

static souk_status refuse_surplus(const tuning_reader *r) {
  for (size_t i = 0; i < r->file.count; i++)
    if (!r->file.items[i].used)
      return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s: tensor \"%.200s\" has no place in the encoder", r->dir,
                        model_name, r->file.items[i].name);
  return SOUK_OK;
}

// Of all factors that the file has, whatever its configuration says of them: so it is no more than a few times the file.
static size_t room_of_factors(const safetensors *f) {
  size_t floats = 0;
  for (size_t i = 0; i < f->count; i++) {
    const tensor *t = &f->items[i];
    if (t->ndim == 2 && strstr(t->name, ".lora_embedding_") == NULL)
      floats += (gemm_packed_size((size_t)t->shape[0], (size_t)t->shape[1]) + 15) / 16 * 16;
  }
  return floats;
}

static souk_status read_low_rank(tuning_reader *r) {
  const souk_bundle *b = r->b;
  PASS(infer_alloc(&r->t->layers, (size_t)b->layers * ADAPTED_PLACES, sizeof *r->t->layers, "an adapter",
                   r->e));
  r->t->floats = room_of_factors(&r->file);
  PASS(infer_alloc(&r->t->arena, r->t->floats, sizeof *r->t->arena, "an adapter", r->e));
  for (int32_t i = 0; i < b->layers; i++)
    for (int32_t k = 0; k < ADAPTED_PLACES; k++) PASS(read_place(r, i, (adapted_place)k));
  PASS(read_table(r));
  if (r->used > 0 || r->t->table != NULL) return SOUK_OK;
  return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s has no factors, so that the adapter would change nothing",
                    r->dir, model_name);
}

// ---- bottlenecks ---------------------------------------------------------------------------------------------

// The tensor [rows,columns] of a bottleneck, or [rows], columns being 0; packed: into room of its own.
static souk_status read_part(tuning_reader *r, const char *prefix, const char *part, int64_t rows,
                             int64_t columns, float **to) {
  char name[NAME], path[4200];
  const tensor *t;
  format_error found;
  snprintf(name, sizeof name, "%s%s", prefix, part);
  snprintf(path, sizeof path, "%s/%s", r->dir, model_name);
  if (!safetensors_expect(&r->file, path, name, "F32", columns > 0 ? 2 : 1, rows, columns, &t, &found))
    return infer_fail_format(r->e, &found);
  const size_t n = (size_t)rows, k = columns > 0 ? (size_t)columns : 1;
  *to = r->t->arena != NULL ? r->t->arena + r->used : NULL;
  r->used += ((columns > 0 ? gemm_packed_size(n, k) : n) + 15) / 16 * 16;
  if (r->t->arena == NULL) return SOUK_OK; // the shapes are checked before there is room
  float *copy = NULL;
  const souk_status rc = copy_tensor(r, t, &copy);
  if (rc == SOUK_OK && columns > 0) gemm_pack(copy, k, n, k, *to);
  if (rc == SOUK_OK && columns == 0) memcpy(*to, copy, n * sizeof *copy);
  free(copy);
  return rc;
}

static souk_status read_neck(tuning_reader *r, int32_t layer, neck_place place) {
  bottleneck_weights *k = &r->t->necks[layer * NECK_PLACES + (int32_t)place];
  const int32_t H = r->b->hidden;
  char prefix[NAME];
  snprintf(prefix, sizeof prefix, "bert.encoder.layer.%d.%s.adapter.", layer, neck_modules[place]);
  k->width = r->rank;
  PASS(read_part(r, prefix, "down.weight", k->width, H, &k->down));
  PASS(read_part(r, prefix, "down.bias", k->width, 0, &k->down_b));
  PASS(read_part(r, prefix, "up.weight", H, k->width, &k->up));
  return read_part(r, prefix, "up.bias", H, 0, &k->up_b);
}

// Twice: with the shapes known to be those of the file's own bytes, the room is no more than the file has.
static souk_status read_necks(tuning_reader *r) {
  const souk_bundle *b = r->b;
  PASS(infer_alloc(&r->t->necks, (size_t)b->layers * NECK_PLACES, sizeof *r->t->necks, "an adapter", r->e));
  for (int fills = 0; fills < 2; fills++) {
    r->used = 0;
    for (int32_t i = 0; i < b->layers; i++)
      for (int32_t k = 0; k < NECK_PLACES; k++) PASS(read_neck(r, i, (neck_place)k));
    if (fills == 1) return SOUK_OK;
    r->t->floats = r->used;
    PASS(infer_alloc(&r->t->arena, r->used, sizeof *r->t->arena, "an adapter", r->e));
  }
  return SOUK_OK;
}

// ---- labels.json ---------------------------------------------------------------------------------------------

static souk_status take_temperatures(const tuning_reader *r, const jtree *tree) {
  const label_head *l = &r->b->labels;
  const jnode *other = jtree_unknown(tree, tree->nodes, (const char *const[]){"temperature", NULL});
  if (other != NULL)
    return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s: field \"%.100s\" is unknown", r->dir, labels_name,
                      other->key);
  if (l->n == 0)
    return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s is of labels, and the bundle has none", r->dir,
                      labels_name);
  PASS(infer_alloc(&r->t->temperatures, label_head_temperatures(l), sizeof *r->t->temperatures,
                   "temperatures", r->e));
  const char *wanted =
      temperatures_take(l, tree, jtree_get(tree, tree->nodes, "temperature"), r->t->temperatures);
  if (wanted == NULL) return SOUK_OK;
  return infer_fail(r->e, SOUK_ERR_FORMAT, "%s/%s: field \"temperature\" must be %s", r->dir, labels_name,
                    wanted);
}

static souk_status read_labels(const tuning_reader *r) {
  jtree tree = {0};
  if (r->t->labels.data == NULL) return SOUK_OK;
  souk_status rc = parse(r, &tree, &r->t->labels, labels_name);
  if (rc == SOUK_OK) rc = take_temperatures(r, &tree);
  jtree_free(&tree);
  return rc;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static souk_status read_model(tuning_reader *r) {
  char path[4200];
  format_error found;
  snprintf(path, sizeof path, "%s/%s", r->dir, model_name);
  if (!safetensors_read(&r->file, r->t->model.data, r->t->model.bytes, path, &found))
    return infer_fail_format(r->e, &found);
  if (r->form == FORM_BIAS)
    PASS(bias_shifts_read(&r->t->shifts, r->b, &r->file, path, r->e));
  else
    PASS(r->form == FORM_BOTTLENECK ? read_necks(r) : read_low_rank(r));
  return refuse_surplus(r);
}

static souk_status read_one(souk_bundle *b, bundle_tuning *t, souk_error *e) {
  tuning_reader r = {.b = b, .t = t, .e = e};
  snprintf(r.dir, sizeof r.dir, "%.3800s/%s%.200s", b->dir, folder, t->name);
  souk_status rc = read_config(&r);
  if (rc == SOUK_OK) rc = read_model(&r);
  if (rc == SOUK_OK) rc = read_labels(&r);
  if (rc == SOUK_OK && r.rank > b->adapters.most_inner) b->adapters.most_inner = r.rank;
  if (adapted_table_rank(t->table) > b->adapters.most_rank)
    b->adapters.most_rank = adapted_table_rank(t->table);
  jtree_free(&r.config);
  safetensors_free(&r.file);
  mapping_close(&t->config);
  mapping_close(&t->model);
  mapping_close(&t->labels);
  return rc;
}

souk_status adapters_read(souk_bundle *b, souk_error *e) {
  for (int32_t i = 0; i < b->adapters.n; i++) PASS(read_one(b, &b->adapters.list[i], e));
  return SOUK_OK;
}

size_t adapters_bytes(const souk_bundle *b) {
  size_t bytes = b->adapters.cap * sizeof *b->adapters.list;
  for (int32_t i = 0; i < b->adapters.n; i++) {
    const bundle_tuning *t = &b->adapters.list[i];
    bytes += strlen(t->name) + 1 + t->floats * sizeof *t->arena + adapted_table_bytes(t->table) +
             bias_shifts_bytes(t->shifts) +
             (t->temperatures != NULL ? label_head_temperatures(&b->labels) * sizeof *t->temperatures : 0) +
             (t->layers != NULL ? (size_t)b->layers * ADAPTED_PLACES * sizeof *t->layers : 0) +
             (t->necks != NULL ? (size_t)b->layers * NECK_PLACES * sizeof *t->necks : 0);
  }
  return bytes;
}

void adapters_free(souk_bundle *b) {
  for (int32_t i = 0; i < b->adapters.n; i++) {
    bundle_tuning *t = &b->adapters.list[i];
    mapping_close(&t->config);
    mapping_close(&t->model);
    mapping_close(&t->labels);
    free(t->name);
    free(t->layers);
    free(t->necks);
    adapted_table_free(t->table);
    bias_shifts_free(t->shifts);
    free(t->temperatures);
    free(t->arena);
  }
  free(b->adapters.list);
  b->adapters = (bundle_adapters){.list = NULL};
}

int32_t bundle_adapter(const souk_bundle *b, const char *name) {
  for (int32_t i = 0; i < b->adapters.n; i++)
    if (strcmp(b->adapters.list[i].name, name) == 0) return i;
  return -1;
}
