// See adapted_worlds.h.
#include "lib/adapted_worlds.h"

#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "convert/export.h"
#include "convert/merge.h"
#include "infer/adapters.h"
#include "infer/encode.h"
#include "infer/workspace.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"

#define ALL_LINEAR "query,key,value,attention.output.dense,intermediate.dense,output.dense"

const char *const adapted_names[ADAPTERS] = {"de", "gift-cards", "sale_2", "wide", "words", "bias"};
static const peft_config tunings[ADAPTERS] = {
    {.kind = PEFT_LORA, .rank = 3, .alpha = 5, .targets = ALL_LINEAR},
    {.kind = PEFT_LORA,
     .rank = 2,
     .alpha = 4,
     .rslora = true,
     .targets = "*.layer.1.*.query,*.layer.0.*.value"},
    {.kind = PEFT_ADALORA, .rank = 2, .init_rank = 5, .alpha = 3, .targets = ALL_LINEAR ",word_embeddings"},
    {.kind = PEFT_ADAPTER, .rank = 8, .adapter_width = 21},
    {.kind = PEFT_LORA, .rank = 17, .alpha = 3, .targets = "word_embeddings,*.layer.0.*.value"},
    {.kind = PEFT_BIAS, .rank = 8}};

static void as_is(model_config *c) {
  (void)c;
}
static void pre_norm(model_config *c) {
  c->pre_norm = true;
  c->layers = 3;
  c->intermediate = 37;
}
static void causal_plain(model_config *c) {
  strcpy(c->objectives, "next_item");
  c->head = HEAD_PLAIN;
  c->activation = 1;
  c->score = 1;
}
static void (*const changes[WORLDS])(model_config *) = {as_is, pre_norm, causal_plain};

adapted_world adapted_worlds[WORLDS];

const char *adapted_path(const char *dir, const char *name, char path[PATH_MAX]) {
  check_ok(path_join(path, PATH_MAX, dir, name));
  return path;
}

static void make_world(adapted_world *w, void (*change)(model_config *)) {
  char from[PATH_MAX], to[PATH_MAX], list[4 * PATH_MAX] = "", name[64];
  model_config c = tiny_config();
  change(&c);
  tiny_directory(w->dir, sizeof w->dir);
  tiny_bundle(w->dir, USERS, ITEMS, &c);
  for (uint32_t k = 0; k < ADAPTERS; k++) {
    snprintf(name, sizeof name, "tuned-%s", adapted_names[k]);
    tiny_tuned(w->dir, name, &tunings[k], 40 + k);
    adapted_path(w->dir, name, from);
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s=%s", k > 0 ? "," : "", adapted_names[k],
             from);
    snprintf(name, sizeof name, "merged-%u", k);
    if (k == WIDE)
      strcpy(to, from); // which cannot be folded
    else
      check_ok(merge_checkpoint(from, adapted_path(w->dir, name, to), false, NULL));
    snprintf(name, sizeof name, "own-%u", k);
    check_ok(export_bundle(to, adapted_path(w->dir, name, from), &(export_config){.force = false}, NULL));
    souk_error e;
    if (souk_open(&w->own[k], from, 0, &e) != SOUK_OK) fail_msg("%s", e.message);
  }
  const export_config config = {.adapters = list};
  check_ok(export_bundle(adapted_path(w->dir, "checkpoint", from), adapted_path(w->dir, "many", to), &config,
                         NULL));
  souk_error e;
  if (souk_open(&w->b, to, 0, &e) != SOUK_OK) fail_msg("%s", e.message);
}

static int32_t items[HISTORIES][MOST];
souk_history adapted_histories[HISTORIES];

static void make_histories(void) {
  rng r = rng_at(7, 1, 0, 0);
  for (int i = 0; i < HISTORIES; i++) {
    adapted_histories[i] = (souk_history){.n = i % MOST, .items = items[i]};
    for (int k = 0; k < MOST; k++) items[i][k] = (int32_t)rng_below(&r, ITEMS);
  }
}

int adapted_worlds_make(void **state) {
  (void)state;
  make_histories();
  for (int i = 0; i < WORLDS; i++) make_world(&adapted_worlds[i], changes[i]);
  return 0;
}

int adapted_worlds_close(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) {
    souk_close(adapted_worlds[i].b);
    for (int k = 0; k < ADAPTERS; k++) souk_close(adapted_worlds[i].own[k]);
    tiny_remove(adapted_worlds[i].dir);
  }
  return 0;
}

void adapted_vectors(souk_bundle *b, const souk_history *h, size_t n, const int32_t *adapters, float *u) {
  workspace *w = workspace_get(b->pool);
  assert_non_null(w);
  assert_int_equal(encode(b, &w->encode, h, n, adapters, u, NULL, NULL), SOUK_OK);
  workspace_put(b->pool, w);
}
