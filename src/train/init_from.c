// Growing a model into another vocabulary; see init_from.h.
#include "train/init_from.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/item_texts.h"
#include "model/checkpoint_folded.h"
#include "model/item_vectors.h"
#include "model/tuning_fold.h"

typedef struct growth {
  const checkpoint *from;
  model *old, *m;
  model *run; // of whose parameters those that are frozen must be in `old`
  dataset *d;
  vocab *was;
  const vocab *now;
  int32_t *old_of;    // [V] token of the checkpoint, by token of the data set; -1: it has none
  uint8_t *known;     // [items of the checkpoint]
  float *rows, *bias; // [old V,H] that its items were scored with, [old V]; bias NULL: it ranks no items
  const item_texts *texts;
  grown *out;
} growth;

static const char words_name[] = "bert.embeddings.word_embeddings.weight",
                  bias_name[] = "cls.predictions.bias";

// ---- who is who ----------------------------------------------------------------------------------------------

static status match_tokens(growth *g) {
  const int32_t n = vocab_size(g->now);
  TRY(mem_new(&g->old_of, (size_t)n, sizeof *g->old_of, "a map of tokens"));
  for (int r = 0; r < RANGE_COUNT; r++)
    for (int32_t t = vocab_begin(g->now, (vocab_range)r); t < vocab_end(g->now, (vocab_range)r); t++) {
      g->old_of[t] = vocab_find(g->was, (vocab_range)r, vocab_token(g->now, t));
      const bool kept = g->old_of[t] >= 0;
      if (r == RANGE_ITEMS) g->out->items++, g->out->items_kept += kept;
      if (r == RANGE_WORDS || r == RANGE_ATTRIBUTES) g->out->words++, g->out->words_kept += kept;
    }
  const int32_t items = vocab_end(g->was, RANGE_ITEMS) - vocab_begin(g->was, RANGE_ITEMS);
  g->out->left_behind = items - g->out->items_kept;
  return OK;
}

static status find_known(growth *g) {
  const int32_t first = vocab_begin(g->was, RANGE_ITEMS), n = vocab_end(g->was, RANGE_ITEMS) - first;
  const item_content *content = model_items(g->old);
  TRY(mem_new(&g->known, (size_t)n, 1, "known items"));
  for (int32_t i = 0; i < n; i++)
    g->known[i] = content != NULL ? content->known[i] : vocab_token_count(g->was, first + i) > 0;
  return OK;
}

// The rows that items were scored with: of ids themselves or, where the new model has only ids, of what they were fused to.
static status read_rows_of(growth *g) {
  const param_set *s = model_params(g->old);
  const model_config *c = model_get_config(g->old);
  const param *words = param_find(s, words_name), *bias = param_find(s, bias_name);
  const size_t V = (size_t)c->vocab_size;
  TRY(mem_new(&g->rows, V * (size_t)c->hidden, sizeof *g->rows, "rows of the word table"));
  if (bias != NULL) TRY(mem_new(&g->bias, V, sizeof *g->bias, "item biases"));
  if (bias != NULL) memcpy(g->bias, param_master(s, bias), V * sizeof *g->bias);
  if (c->items != ITEMS_ID && model_get_config(g->m)->items == ITEMS_ID)
    return model_used_table(g->old, g->rows, g->bias);
  memcpy(g->rows, param_master(s, words), V * (size_t)c->hidden * sizeof *g->rows);
  return OK;
}

// ---- rows of new items ---------------------------------------------------------------------------------------

typedef struct
    profiles {  // of tokens: sums over the known items whose texts have them, and how many these are
  float *sums;  // [tokens,H + 1] rows and bias
  int32_t *n;   // [tokens]
  double *mean; // [H + 1] of all known items
  int32_t known;
} profiles;

static void profiles_free(profiles *p) {
  free(p->sums);
  free(p->n);
  free(p->mean);
}

static void add_row(const growth *g, int32_t old, float *to, size_t H) {
  for (size_t j = 0; j < H; j++) to[j] += g->rows[(size_t)old * H + j];
  if (g->bias != NULL) to[H] += g->bias[old];
}

static bool is_known(const growth *g, int32_t old) {
  return old >= 0 && g->known[old - vocab_begin(g->was, RANGE_ITEMS)] != 0;
}

static status make_profiles(const growth *g, profiles *p) {
  const size_t H = (size_t)model_get_config(g->m)->hidden, T = (size_t)vocab_begin(g->now, RANGE_ITEMS);
  const int32_t first = vocab_begin(g->was, RANGE_ITEMS), end = vocab_end(g->was, RANGE_ITEMS),
                base = vocab_begin(g->now, RANGE_ITEMS);
  TRY(mem_new(&p->mean, H + 1, sizeof *p->mean, "profiles of tokens"));
  TRY(mem_new(&p->sums, T * (H + 1), sizeof *p->sums, "profiles of tokens"));
  TRY(mem_new(&p->n, T, sizeof *p->n, "profiles of tokens"));
  for (int32_t t = first; t < end; t++) {
    if (!is_known(g, t)) continue;
    p->known++;
    for (size_t j = 0; j < H; j++) p->mean[j] += (double)g->rows[(size_t)t * H + j];
    if (g->bias != NULL) p->mean[H] += (double)g->bias[t];
  }
  for (size_t j = 0; j <= H && p->known > 0; j++) p->mean[j] /= p->known;
  for (int32_t i = 0; g->texts != NULL && i < g->texts->items; i++) {
    const int32_t old = g->old_of[base + i];
    for (int64_t k = g->texts->offsets[i]; is_known(g, old) && k < g->texts->offsets[i + 1]; k++) {
      const int32_t token = g->texts->tokens[k];
      p->n[token]++;
      add_row(g, old, p->sums + (size_t)token * (H + 1), H);
    }
  }
  return OK;
}

// Of tokens that known items have; false: there is none.
static bool by_profiles(const growth *g, const profiles *p, int32_t item, double *to, size_t H) {
  double weights = 0;
  memset(to, 0, (H + 1) * sizeof *to);
  for (int64_t k = g->texts->offsets[item]; k < g->texts->offsets[item + 1]; k++) {
    const int32_t token = g->texts->tokens[k], n = p->n[token];
    if (n == 0 || token < TOKEN_SPECIALS) continue;
    const double weight = log(1 + (double)p->known / n);
    for (size_t j = 0; j <= H; j++) to[j] += weight / n * (double)p->sums[(size_t)token * (H + 1) + j];
    weights += weight;
  }
  for (size_t j = 0; j <= H && weights > 0; j++) to[j] /= weights;
  return weights > 0;
}

static bool by_words(const growth *g, int32_t item, double *to, size_t H) {
  int32_t n = 0;
  memset(to, 0, (H + 1) * sizeof *to);
  for (int64_t k = g->texts->offsets[item]; k < g->texts->offsets[item + 1]; k++) {
    const int32_t old = g->old_of[g->texts->tokens[k]];
    if (old < TOKEN_SPECIALS) continue;
    for (size_t j = 0; j < H; j++) to[j] += (double)g->rows[(size_t)old * H + j];
    n++;
  }
  for (size_t j = 0; j < H && n > 0; j++) to[j] /= n;
  return n > 0;
}

// to [H + 1]: row and bias. Is it made of the item's text, or its content?
static bool new_item(const growth *g, const profiles *p, int32_t item, double *to) {
  const size_t H = (size_t)model_get_config(g->m)->hidden;
  const bool content =
      model_get_config(g->m)->items != ITEMS_ID && model_get_config(g->old)->items != ITEMS_ID;
  const bool made =
      g->texts != NULL && (p->known > 0 ? by_profiles(g, p, item, to, H) : by_words(g, item, to, H));
  if (!made) memcpy(to, p->mean, (H + 1) * sizeof *to);
  if (content) memset(to, 0, H * sizeof *to);
  return made || content;
}

// ---- parameters ----------------------------------------------------------------------------------------------

// w is p's values at first; rows that the checkpoint has replace them.
static status grow_words(const growth *g, const param *p, float *w, bool biases) {
  const size_t H = biases ? 1 : (size_t)p->shape[1], at = biases ? (size_t)model_get_config(g->m)->hidden : 0;
  const float *from = biases ? g->bias : g->rows;
  const int32_t base = vocab_begin(g->now, RANGE_ITEMS);
  profiles made = {.sums = NULL};
  double *row = NULL;
  status rc;
  TRY_GOTO(make_profiles(g, &made), done);
  TRY_GOTO(mem_new(&row, (size_t)model_get_config(g->m)->hidden + 1, sizeof *row, "a row"), done);
  for (int32_t t = 0; t < vocab_size(g->now); t++) {
    const int32_t old = g->old_of[t];
    if (old >= 0) memcpy(w + (size_t)t * H, from + (size_t)old * H, H * sizeof *w);
    if (old >= 0 || t < base) continue;
    const bool of_text = new_item(g, &made, t - base, row);
    if (!biases) g->out->of_text += of_text;
    for (size_t j = 0; j < H; j++) w[(size_t)t * H + j] = (float)row[at + j];
  }
done:
  profiles_free(&made);
  free(row);
  return rc;
}

// Biases of the tokens before the items, of the head that writes copy.
static void grow_copy(const growth *g, const param *p, const float *from, float *w) {
  for (int32_t t = 0; t < p->size; t++)
    if (g->old_of[t] >= 0) w[t] = from[g->old_of[t]];
}

static int32_t event_of(const dataset_info *d, const char *name) {
  for (int32_t e = 0; e < d->n_event_types; e++)
    if (strcmp(d->event_types[e], name) == 0) return e;
  return 0; // none
}

static void grow_types(const growth *g, const param *p, const float *from, float *w) {
  const model_config *now = model_get_config(g->m), *was = model_get_config(g->old);
  const dataset_info *info = dataset_get_info(g->d);
  const size_t H = (size_t)p->shape[1];
  for (int64_t s = 0; s < now->segments && s < was->segments; s++)
    for (int32_t e = 0; e < now->event_types; e++) {
      const int32_t old = e < info->n_event_types ? event_of(&g->from->data, info->event_types[e]) : 0;
      memcpy(w + (size_t)(s * now->event_types + e) * H, from + (size_t)(s * was->event_types + old) * H,
             H * sizeof *w);
    }
}

static status check_shape(const growth *g, const param *p, const param *old) {
  if (p->ndim == old->ndim && p->shape[0] == old->shape[0] && p->shape[1] == old->shape[1]) return OK;
  return fail(ERR_ARGUMENT, "train.init_from: %s of %s is %lld x %lld, in this run it is %lld x %lld",
              p->name, g->from->name, (long long)old->shape[0], (long long)old->shape[1],
              (long long)p->shape[0], (long long)p->shape[1]);
}

// Frozen it would keep its initial value, and everything that is trained beside it would learn to live with that.
static status check_new(const growth *g, const param *p) {
  const param_set *s = model_params(g->run);
  const param *of_run = param_find(s, p->name);
  if (of_run == NULL || of_run->trainable) return OK;
  return fail(
      ERR_ARGUMENT,
      "train.init_from: %s is frozen in this run, and %s has no value of it; --train_also '%s' trains it "
      "beside what tunes the rest (--peft)",
      p->name, g->from->name, p->name);
}

// Fills w from the checkpoint's model; what that does not say stays.
static status grow_values(const growth *g, const param *p, float *w) {
  const param_set *s = model_params(g->old);
  const param *old = param_find(s, p->name);
  if (p->tuned || checkpoint_lacks(g->from, p)) return OK;
  if (old == NULL) return check_new(g, p);
  const float *from = param_master(s, old);
  const int64_t rows_n = p->shape[0] < old->shape[0] ? p->shape[0] : old->shape[0];
  if (strcmp(p->name, words_name) == 0) return grow_words(g, p, w, false);
  if (strcmp(p->name, bias_name) == 0) return grow_words(g, p, w, true);
  if (strcmp(p->name, "copy.bias") == 0) {
    grow_copy(g, p, from, w);
    return OK;
  }
  if (strstr(p->name, "token_type_embeddings") != NULL) {
    grow_types(g, p, from, w);
    return OK;
  }
  if (strstr(p->name, "position_embeddings") == NULL) {
    TRY(check_shape(g, p, old));
    memcpy(w, from, (size_t)p->size * sizeof *w);
    return OK;
  }
  memcpy(w, from, (size_t)(rows_n * p->shape[1]) * sizeof *w);
  return OK;
}

static status grow_param(const growth *g, const param *p) {
  const param_set *s = model_params(g->m);
  const size_t bytes = (size_t)p->size * sizeof(float);
  float *w;
  TRY(mem_new(&w, (size_t)p->size, sizeof *w, "a tensor"));
  status rc = s->be->download(s->ctx, w, param_master(s, p), bytes);
  if (rc == OK) rc = grow_values(g, p, w);
  if (rc == OK) rc = s->be->upload(s->ctx, param_master(s, p), w, bytes);
  if (rc == OK) rc = s->be->sync(s->ctx);
  free(w);
  return rc;
}

// Items that the checkpoint knows are known, whatever the new data say.
static status keep_known(const growth *g) {
  const item_content *now = model_items(g->m);
  item_content *more;
  if (now == NULL) return OK;
  TRY(item_content_copy(&more, now));
  for (int32_t i = 0; i < more->items; i++)
    more->known[i] |= is_known(g, g->old_of[vocab_begin(g->now, RANGE_ITEMS) + i]);
  const status rc = model_add_items(g->m, more);
  item_content_free(more);
  return rc;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status grow(growth *g) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}, .threads = 1};
  const param_set *s = model_params(g->m);
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, g->from->dir, "vocab.tsv"));
  TRY(vocab_read(&g->was, path, g->from->data.range_end));
  TRY(model_create(&g->old, "cpu", &g->from->model, &run));
  TRY(checkpoint_load(g->from, g->old, false));
  if (checkpoint_is_folded(g->from)) TRY(tuning_fold(g->old));
  TRY(match_tokens(g));
  TRY(find_known(g));
  TRY(dataset_item_texts(g->d, &g->texts));
  if (model_get_config(g->m)->hidden != model_get_config(g->old)->hidden)
    return fail(ERR_ARGUMENT, "train.init_from: model.hidden is %lld, that of %s is %lld",
                (long long)model_get_config(g->m)->hidden, g->from->name,
                (long long)model_get_config(g->old)->hidden);
  TRY(read_rows_of(g));
  for (int32_t i = 0; i < s->count; i++) TRY(grow_param(g, &s->items[i]));
  TRY(keep_known(g));
  return params_refresh(model_params(g->m));
}

status init_from_load(const checkpoint *from, model *m, dataset *d, model *run, grown *out) {
  *out = (grown){.words = 0};
  growth g = {.from = from, .m = m, .run = run, .d = d, .now = dataset_vocab(d), .out = out};
  const status rc = grow(&g);
  model_free(g.old);
  vocab_free(g.was);
  free(g.old_of);
  free(g.known);
  free(g.rows);
  free(g.bias);
  return rc;
}
