// Reading a mix: its settings out of json and its table out of a safetensors file, either of which may be hostile.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "format/mix.h"
#include "format/safetensors.h"
#include "format/section.h"

// Bounds that keep every sum and score far from the largest float.
#define MOST_WEIGHT 1e6
#define MOST_GAIN   1e9
#define MOST_COUNT  1e12

// ---- settings ------------------------------------------------------------------------------------------------

static bool number(const section *r, const jnode *n, const char *field, double min, double max, double *out) {
  char wanted[96];
  snprintf(wanted, sizeof wanted, "a number from %g to %g", min, max);
  if (n == NULL || n->kind != J_NUMBER || !(n->number >= min && n->number <= max))
    return section_bad(r, field, wanted);
  *out = n->number;
  return true;
}

static bool read_terms(const section *r, const jnode *terms, mix_sum *sum) {
  static const char wanted[] = "an array of 1 to 4 pairs [gain, weight]";
  if (terms == NULL || terms->kind != J_ARRAY || terms->count < 1 || terms->count > MIX_TERMS)
    return section_bad(r, "sums.terms", wanted);
  for (const jnode *n = jtree_first(r->tree, terms); n != NULL; n = jtree_next(r->tree, n)) {
    mix_term *term = &sum->terms[sum->n++];
    if (n->kind != J_ARRAY || n->count != 2) return section_bad(r, "sums.terms", wanted);
    const jnode *gain = jtree_first(r->tree, n);
    if (!number(r, gain, "sums.terms", 0, MOST_GAIN, &term->gain) ||
        !number(r, jtree_next(r->tree, gain), "sums.terms", -MOST_WEIGHT, MOST_WEIGHT, &term->weight))
      return false;
  }
  return true;
}

static bool read_sum(const section *r, const jnode *object, mix_sum *sum) {
  static const char *const names[] = {"channel",    "span",         "decay", "row_power",
                                      "row_shrink", "column_power", "terms", NULL};
  if (object->kind != J_OBJECT) return section_bad(r, "sums", "an array of objects");
  const jnode *channel = jtree_get(r->tree, object, "channel"), *span = jtree_get(r->tree, object, "span");
  sum->channel = -1;
  for (int k = 0; k < MIX_CHANNELS && channel != NULL && channel->kind == J_STRING; k++)
    if (strcmp(channel->text, mix_channel_names[k]) == 0) sum->channel = k;
  if (sum->channel < 0) return section_bad(r, "sums.channel", "\"next\", \"later\" or \"earlier\"");
  if (span == NULL || !span->is_integer || span->integer < 1 || span->integer > MIX_SPAN)
    return section_bad(r, "sums.span", "an integer from 1 to 1000");
  sum->span = (int32_t)span->integer;
  return number(r, jtree_get(r->tree, object, "decay"), "sums.decay", 0, 1, &sum->decay) &&
         number(r, jtree_get(r->tree, object, "row_power"), "sums.row_power", 0, 2, &sum->row_power) &&
         number(r, jtree_get(r->tree, object, "row_shrink"), "sums.row_shrink", 0, MOST_GAIN,
                &sum->row_shrink) &&
         number(r, jtree_get(r->tree, object, "column_power"), "sums.column_power", 0, 2,
                &sum->column_power) &&
         read_terms(r, jtree_get(r->tree, object, "terms"), sum) && section_known(r, object, names, "sums.");
}

bool mix_config_read(mix_config *c, const jtree *tree, const jnode *object, const char *path,
                     format_error *e) {
  static const char *const names[] = {
      "scale",          "popularity", "unseen", "reached", "reached_popularity", "neighbours", "window",
      "distance_power", "counted",    "sums",   NULL};
  const section r = {tree, path, "mix", e};
  *c = (mix_config){0};
  if (object == NULL || object->kind != J_OBJECT)
    return format_fail(e, FORMAT_MALFORMED, "%s: field \"mix\" must be an object", path);
  const jnode *counted = jtree_get(tree, object, "counted"), *sums = jtree_get(tree, object, "sums");
  if (!number(&r, jtree_get(tree, object, "scale"), "scale", -MOST_WEIGHT, MOST_WEIGHT, &c->scale) ||
      !number(&r, jtree_get(tree, object, "popularity"), "popularity", -MOST_WEIGHT, MOST_WEIGHT,
              &c->popularity) ||
      !number(&r, jtree_get(tree, object, "reached"), "reached", -MOST_WEIGHT, MOST_WEIGHT, &c->reached) ||
      !number(&r, jtree_get(tree, object, "reached_popularity"), "reached_popularity", -MOST_WEIGHT,
              MOST_WEIGHT, &c->reached_popularity) ||
      !number(&r, jtree_get(tree, object, "unseen"), "unseen", -MOST_WEIGHT, MOST_WEIGHT, &c->unseen))
    return false;
  double neighbours = 0, window = 0;
  if (!number(&r, jtree_get(tree, object, "neighbours"), "neighbours", 1, 1e9, &neighbours) ||
      !number(&r, jtree_get(tree, object, "window"), "window", 1, 1e9, &window) ||
      !number(&r, jtree_get(tree, object, "distance_power"), "distance_power", 0, 100, &c->distance_power))
    return false;
  c->neighbours = (int32_t)neighbours;
  c->window = (int32_t)window;
  if (counted == NULL || counted->kind != J_STRING || counted->bytes >= sizeof c->counted)
    return section_bad(&r, "counted", "a short string");
  memcpy(c->counted, counted->text, counted->bytes + 1);
  if (sums == NULL || sums->kind != J_ARRAY || sums->count > MIX_SUMS)
    return section_bad(&r, "sums", "an array of at most 16 objects");
  for (const jnode *n = jtree_first(tree, sums); n != NULL; n = jtree_next(tree, n))
    if (!read_sum(&r, n, &c->sums[c->n++])) return false;
  return section_known(&r, object, names, "");
}

// ---- table ---------------------------------------------------------------------------------------------------

static bool check_counts(const mix_table *t, const char *path, format_error *e) {
  for (int32_t i = 0; i < t->items; i++)
    if (t->counts[i] < 0 || (double)t->counts[i] > MOST_COUNT)
      return format_fail(e, FORMAT_MALFORMED, "%s: tensor \"counts\" [%d] is no count", path, i);
  return true;
}

static bool check_rows(const mix_table *t, int64_t entries, const char *path, format_error *e) {
  bool good = t->offsets[0] == 0 && t->offsets[t->items] == entries;
  for (int32_t i = 0; good && i < t->items; i++)
    good = t->offsets[i] <= t->offsets[i + 1] && t->offsets[i + 1] <= entries;
  if (!good)
    return format_fail(e, FORMAT_MALFORMED,
                       "%s: tensor \"offsets\" does not divide the entries of \"others\" into rows", path);
  for (int32_t i = 0; i < t->items; i++)
    for (int64_t k = t->offsets[i], last = -1; k < t->offsets[i + 1]; last = t->others[k++])
      if (t->others[k] <= last || t->others[k] >= t->items)
        return format_fail(e, FORMAT_MALFORMED,
                           "%s: tensor \"others\": row %d is not a list of ascending items below %d", path, i,
                           t->items);
  return true;
}

static bool check_weights(const mix_table *t, int64_t entries, const char *path, format_error *e) {
  for (int k = 0; k < MIX_CHANNELS; k++)
    for (int64_t i = 0; i < entries; i++)
      if (!(t->weights[k][i] >= 0 && t->weights[k][i] <= (float)MOST_COUNT))
        return format_fail(e, FORMAT_MALFORMED,
                           "%s: tensor \"weights\" holds a NaN or a number that is no weight", path);
  return true;
}

static bool take(mix_table *t, const safetensors *f, const char *path, format_error *e) {
  const tensor *counts, *offsets, *weights, *others = safetensors_find(f, "others");
  const int64_t entries = others != NULL && others->ndim == 1 ? others->shape[0] : 0;
  const size_t items = (size_t)t->items, n = (size_t)entries;
  if (!safetensors_expect(f, path, "counts", "I64", 1, t->items, 0, &counts, e) ||
      !safetensors_expect(f, path, "offsets", "I64", 1, (int64_t)t->items + 1, 0, &offsets, e) ||
      !safetensors_expect(f, path, "others", "I32", 1, entries, 0, &others, e) ||
      !safetensors_expect(f, path, "weights", "F32", 2, MIX_CHANNELS, entries, &weights, e) ||
      !format_alloc(&t->counts, items, sizeof *t->counts, "a mix", e) ||
      !format_alloc(&t->offsets, items + 1, sizeof *t->offsets, "a mix", e) ||
      !format_alloc(&t->others, n, sizeof *t->others, "a mix", e))
    return false;
  memcpy(t->counts, counts->data, items * sizeof *t->counts);
  memcpy(t->offsets, offsets->data, (items + 1) * sizeof *t->offsets);
  memcpy(t->others, others->data, n * sizeof *t->others);
  for (size_t k = 0; k < MIX_CHANNELS; k++) {
    if (!format_alloc(&t->weights[k], n, sizeof **t->weights, "a mix", e)) return false;
    memcpy(t->weights[k], weights->data + k * n * sizeof **t->weights, n * sizeof **t->weights);
  }
  return check_counts(t, path, e) && check_rows(t, entries, path, e) && check_weights(t, entries, path, e);
}

bool mix_table_read(mix_table *t, int32_t items, const char *file, size_t bytes, const char *path,
                    format_error *e) {
  safetensors f;
  *t = (mix_table){.items = items};
  if (!safetensors_read(&f, file, bytes, path, e)) return false;
  const bool good = take(t, &f, path, e);
  safetensors_free(&f);
  if (!good) mix_table_free(t);
  return good;
}
