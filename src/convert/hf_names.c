// Names of tensors; see hf_names.h.
#include "convert/hf_names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

enum { NAME_BYTES = 256, LIST_BYTES = 1000 };

void hf_names_list(char *list, size_t bytes, const char *name) {
  const size_t n = strlen(list), more = strlen(name);
  if (n + more + 8 < bytes)
    snprintf(list + n, bytes - n, "%s%s", n > 0 ? ", " : "", name);
  else if (n < 3 || strcmp(list + n - 3, "...") != 0)
    snprintf(list + n, bytes - n, ", ...");
}

// ---- what stands before the names ----------------------------------------------------------------------------

static const char word_table[] = "embeddings.word_embeddings.weight";

// Bytes before the name of a word table; -1: it is none, or the prefix is too long to be one.
static int prefix_of(const char *name) {
  const size_t n = strlen(name), m = sizeof word_table - 1;
  if (n < m || n - m >= PREFIX_BYTES || strcmp(name + n - m, word_table) != 0) return -1;
  return n == m || name[n - m - 1] == '.' ? (int)(n - m) : -1;
}

static void set_prefix(hf_names *n, const char *name, int bytes) {
  snprintf(n->encoder, sizeof n->encoder, "%.*s", bytes, name);
  const bool bert = bytes >= 5 && strncmp(name + bytes - 5, "bert.", 5) == 0;
  snprintf(n->outer, sizeof n->outer, "%.*s", bert ? bytes - 5 : bytes, name);
}

status hf_names_begin(hf_names *n, const safetensors *table, const char *path) {
  const tensor *first = NULL;
  *n = (hf_names){.table = table, .path = path, .encoder = "bert."};
  if (safetensors_find(table, "bert.embeddings.word_embeddings.weight") != NULL) return OK;
  for (size_t i = 0; i < table->count; i++) {
    const tensor *t = &table->items[i];
    if (prefix_of(t->name) < 0) continue;
    if (first != NULL)
      return fail(
          ERR_UNSUPPORTED,
          "%s has the encoders of two models, by \"%.200s\" and \"%.200s\"; save the one that is meant "
          "as a model of its own",
          path, first->name, t->name);
    first = t;
    set_prefix(n, t->name, prefix_of(t->name));
  }
  if (n->outer[0] != '\0') log_info("%s: the model's tensors are those named \"%s...\"", path, n->encoder);
  return OK;
}

// ---- finding -------------------------------------------------------------------------------------------------

// "LayerNorm.weight" and "LayerNorm.bias" were once "gamma" and "beta".
static tensor *find_either(const hf_names *n, const char *name) {
  char old[NAME_BYTES + PREFIX_BYTES];
  tensor *t = safetensors_find(n->table, name);
  const char *norm = strstr(name, "LayerNorm.");
  if (t != NULL || norm == NULL) return t;
  snprintf(old, sizeof old, "%.*s%s", (int)(norm + 10 - name), name, norm[10] == 'w' ? "gamma" : "beta");
  return safetensors_find(n->table, old);
}

tensor *hf_names_get(const hf_names *n, const char *name) {
  char full[NAME_BYTES + PREFIX_BYTES];
  const bool encoder = strncmp(name, "bert.", 5) == 0;
  snprintf(full, sizeof full, "%s%.*s", encoder ? n->encoder : n->outer, NAME_BYTES - 1,
           encoder ? name + 5 : name);
  tensor *t = find_either(n, full);
  return t != NULL || encoder ? t : find_either(n, name); // a head outside of the wrapper
}

// ---- what is there besides -----------------------------------------------------------------------------------

// The layer that a tensor is of; -1: of none.
static int64_t layer_of(const hf_names *n, const char *name) {
  static const char middle[] = "encoder.layer.";
  const size_t m = strlen(n->encoder);
  if (strncmp(name, n->encoder, m) != 0 || strncmp(name + m, middle, sizeof middle - 1) != 0) return -1;
  const char *number = name + m + sizeof middle - 1;
  const size_t digits = strspn(number, "0123456789");
  return digits > 0 && digits < 10 && number[digits] == '.' ? strtol(number, NULL, 10) : -1;
}

int64_t hf_names_layers(const hf_names *n) {
  int64_t layers = 0;
  for (size_t i = 0; i < n->table->count; i++) {
    const int64_t layer = layer_of(n, n->table->items[i].name);
    if (layer >= layers) layers = layer + 1;
  }
  return layers;
}

void hf_names_tell_unused(const hf_names *n, int64_t layers) {
  char beyond[LIST_BYTES] = "", others[LIST_BYTES] = "";
  int64_t n_beyond = 0, n_others = 0;
  for (size_t i = 0; i < n->table->count; i++) {
    const tensor *t = &n->table->items[i];
    if (t->used || strstr(t->name, "embeddings.position_ids") != NULL) continue;
    const bool is_beyond = layer_of(n, t->name) >= layers;
    hf_names_list(is_beyond ? beyond : others, LIST_BYTES, t->name);
    *(is_beyond ? &n_beyond : &n_others) += 1;
  }
  if (n_beyond > 0)
    log_warn("%s has %lld layers, config.json has num_hidden_layers %lld: %lld tensors of the layers beyond "
             "are left "
             "out: %s",
             n->path, (long long)hf_names_layers(n), (long long)layers, (long long)n_beyond, beyond);
  if (n_others > 0)
    log_warn("this model has no place for these tensors, so they are left out (%lld): %s",
             (long long)n_others, others);
}
