// Adapters of a bundle: each against a bundle of its own, into whose weights it is folded or in which its bottlenecks stand; the
// same bits alone and in a batch of several; against the trainer; and folders that are not what they should be.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
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
#include "model/checkpoint.h"
#include "souk/infer.h"

enum { USERS = 30, ITEMS = 50, ADAPTERS = 6, HISTORIES = 23, MOST = 12 };
#define ALL_LINEAR "query,key,value,attention.output.dense,intermediate.dense,output.dense"

static const char *const names[ADAPTERS] = {"de", "gift-cards", "sale_2", "wide", "words", "bias"};
enum {
  WIDE = 3,
  TABLE = 4,
  BIASES = 5
}; // which of them has bottlenecks, an adapted table, biases of its own
static const peft_config tunings[ADAPTERS] = {
    {.kind = PEFT_LORA, .rank = 3, .alpha = 5, .targets = ALL_LINEAR},
    {.kind = PEFT_LORA,
     .rank = 2,
     .alpha = 4,
     .rslora = true,
     .targets = "*.layer.1.*.query,*.layer.0.*.value"},
    {.kind = PEFT_ADALORA, .rank = 2, .init_rank = 5, .alpha = 3, .targets = ALL_LINEAR},
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
static void (*const changes[])(model_config *) = {as_is, pre_norm, causal_plain};
enum { WORLDS = sizeof changes / sizeof *changes };

typedef struct world {
  char dir[256];
  souk_bundle *b, *own[ADAPTERS];
} world;
static world worlds[WORLDS];

static const char *in(const char *dir, const char *name, char path[PATH_MAX]) {
  check_ok(path_join(path, PATH_MAX, dir, name));
  return path;
}

static void make_world(world *w, void (*change)(model_config *)) {
  char from[PATH_MAX], to[PATH_MAX], list[4 * PATH_MAX] = "", name[64];
  model_config c = tiny_config();
  change(&c);
  tiny_directory(w->dir, sizeof w->dir);
  tiny_bundle(w->dir, USERS, ITEMS, &c);
  for (uint32_t k = 0; k < ADAPTERS; k++) {
    snprintf(name, sizeof name, "tuned-%s", names[k]);
    tiny_tuned(w->dir, name, &tunings[k], 40 + k);
    in(w->dir, name, from);
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s=%s", k > 0 ? "," : "", names[k], from);
    snprintf(name, sizeof name, "merged-%u", k);
    if (k == WIDE)
      strcpy(to, from); // which cannot be folded
    else
      check_ok(merge_checkpoint(from, in(w->dir, name, to), false, NULL));
    snprintf(name, sizeof name, "own-%u", k);
    check_ok(export_bundle(to, in(w->dir, name, from), false, false, false, NULL));
    souk_error e;
    if (souk_open(&w->own[k], from, 0, &e) != SOUK_OK) fail_msg("%s", e.message);
  }
  const export_config config = {.adapters = list};
  check_ok(export_bundle_as(in(w->dir, "checkpoint", from), in(w->dir, "many", to), &config, NULL));
  souk_error e;
  if (souk_open(&w->b, to, 0, &e) != SOUK_OK) fail_msg("%s", e.message);
}

static int make_worlds(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) make_world(&worlds[i], changes[i]);
  return 0;
}

static int close_worlds(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) {
    souk_close(worlds[i].b);
    for (int k = 0; k < ADAPTERS; k++) souk_close(worlds[i].own[k]);
  }
  return 0;
}

static int32_t items[HISTORIES][MOST];
static souk_history histories[HISTORIES];

static void make_histories(void) {
  rng r = rng_at(7, 1, 0, 0);
  for (int i = 0; i < HISTORIES; i++) {
    histories[i] = (souk_history){.n = i % MOST, .items = items[i]};
    for (int k = 0; k < MOST; k++) items[i][k] = (int32_t)rng_below(&r, ITEMS);
  }
}

static void vectors_of(souk_bundle *b, const souk_history *h, size_t n, const int32_t *adapters, float *u) {
  workspace *w = workspace_get(b->pool);
  assert_non_null(w);
  assert_int_equal(encode(b, &w->encode, h, n, adapters, u, NULL, NULL), SOUK_OK);
  workspace_put(b->pool, w);
}

static void test_like_bundles_of_their_own(void **unused) {
  (void)unused;
  for (int i = 0; i < WORLDS; i++) {
    souk_bundle *b = worlds[i].b;
    const size_t W = (size_t)b->width;
    float *got = calloc(HISTORIES * W, sizeof *got), *want = calloc(HISTORIES * W, sizeof *want);
    assert_true(got != NULL && want != NULL);
    for (int32_t k = 0; k < ADAPTERS; k++) {
      int32_t which[HISTORIES];
      const int32_t at = bundle_adapter(b, names[k]);
      assert_true(at >= 0);
      for (int s = 0; s < HISTORIES; s++) which[s] = at;
      vectors_of(b, histories, HISTORIES, which, got);
      vectors_of(worlds[i].own[k], histories, HISTORIES, NULL, want);
      double size = 0;
      for (size_t j = 0; j < HISTORIES * W; j++) size = fmax(size, fabs((double)want[j]));
      for (size_t j = 0; j < HISTORIES * W; j++)
        if (!(fabs((double)got[j] - (double)want[j]) <= 1e-5 * size))
          fail_msg("world %d, %s, element %zu: %g, and %g of its own bundle", i, names[k], j, (double)got[j],
                   (double)want[j]);
      vectors_of(b, histories, HISTORIES, NULL, want);
      double change = 0;
      for (size_t j = 0; j < HISTORIES * W; j++)
        change = fmax(change, fabs((double)got[j] - (double)want[j]));
      assert_true(change > 1e-3 * size);
    }
    assert_int_equal(bundle_adapter(b, "none"), -1);
    free(got);
    free(want);
  }
}

// Several adapters in one batch: each history has the bits that it has alone.
static void test_together(void **unused) {
  (void)unused;
  for (int i = 0; i < WORLDS; i++) {
    souk_bundle *b = worlds[i].b;
    const size_t W = (size_t)b->width;
    int32_t which[HISTORIES];
    float *all = calloc(HISTORIES * W, sizeof *all), *one = calloc(W, sizeof *one);
    assert_true(all != NULL && one != NULL);
    for (int s = 0; s < HISTORIES; s++)
      which[s] = (s * 7 / 2) % (ADAPTERS + 1) - 1; // neighbours alike, and not
    vectors_of(b, histories, HISTORIES, which, all);
    for (int s = 0; s < HISTORIES; s++) {
      vectors_of(b, &histories[s], 1, &which[s], one);
      assert_memory_equal(one, all + (size_t)s * W, W * sizeof *one);
      if (which[s] >= 0) continue;
      vectors_of(b, &histories[s], 1, NULL, one);
      assert_memory_equal(one, all + (size_t)s * W, W * sizeof *one);
    }
    free(all);
    free(one);
  }
}

// The public calls: an adapter by number, in vectors, lists and explanations.
static void test_queries(void **unused) {
  (void)unused;
  for (int i = 0; i < WORLDS; i++) {
    souk_bundle *b = worlds[i].b;
    const size_t W = (size_t)b->width;
    souk_query queries[HISTORIES];
    int32_t which[HISTORIES], listed[HISTORIES], counts[HISTORIES];
    float scores[HISTORIES], *u = calloc(HISTORIES * W, sizeof *u),
                             *want = calloc(HISTORIES * W, sizeof *want);
    assert_true(u != NULL && want != NULL);
    for (int s = 0; s < HISTORIES; s++) {
      queries[s] = (souk_query){.history = histories[s], .adapter = s % (ADAPTERS + 1)};
      which[s] = queries[s].adapter - 1;
    }
    vectors_of(b, histories, HISTORIES, which, want);
    for (int32_t threads = 1; threads < 4; threads += 2) {
      assert_int_equal(souk_query_vectors(b, queries, HISTORIES, threads, u, NULL, NULL), SOUK_OK);
      assert_memory_equal(u, want, HISTORIES * W * sizeof *u);
    }
    assert_int_equal(souk_rank(b, queries, HISTORIES, 1, NULL, listed, scores, counts, NULL, NULL), SOUK_OK);
    for (int s = 0; s < HISTORIES; s++) {
      const souk_explain_options o = {.adapter = queries[s].adapter};
      souk_explanation out;
      float shares[MOST], score;
      assert_int_equal(souk_score(b, want + (size_t)s * W, 1, &listed[s], 1, &score, NULL), SOUK_OK);
      assert_true(counts[s] == 1 && (which[s] == BIASES || (score == scores[s]) == (which[s] != TABLE)));
      assert_int_equal(
          souk_adapted_score(b, which[s] + 1, want + (size_t)s * W, 1, &listed[s], 1, &score, NULL), SOUK_OK);
      assert_true(score == scores[s]);
      assert_int_equal(souk_explain(b, &histories[s], &listed[s], 1, &o, &out, shares, NULL), SOUK_OK);
      assert_true(out.score == (double)score && out.method == SOUK_WHY_LEAVE_ONE_OUT);
    }
    free(u);
    free(want);
  }
}

// Whole lists by an adapted table, in every way that a list is made: as those of the bundle of its own, and the same bits each time.
static void rank_all(souk_bundle *b, const souk_query *q, size_t n, const souk_rank_options *o,
                     int32_t *listed, float *scores, int32_t *counts) {
  souk_error e;
  if (souk_rank(b, q, n, ITEMS, o, listed, scores, counts, NULL, &e) != SOUK_OK) fail_msg("%s", e.message);
}

static float score_in(const int32_t *listed, const float *scores, int32_t n, int32_t item) {
  for (int32_t i = 0; i < n; i++)
    if (listed[i] == item) return scores[i];
  return NAN;
}

// u . v of histories that the adapter k encodes are the scores of the lists; under the others, vectors are as in the base.
static void check_item_vectors(souk_bundle *b, int32_t k, const float *u, const float *scores,
                               const int32_t *listed) {
  const size_t W = (size_t)b->width;
  float v[ITEMS * 64], base[ITEMS * 64];
  assert_int_equal(souk_item_vectors(b, 0, ITEMS, base, NULL), SOUK_OK);
  for (int32_t other = 0; other <= ADAPTERS; other++) {
    assert_int_equal(souk_adapted_item_vectors(b, other, 0, ITEMS, v, NULL), SOUK_OK);
    const bool own =
        other == bundle_adapter(b, names[TABLE]) + 1 || other == bundle_adapter(b, names[BIASES]) + 1;
    assert_true((memcmp(v, base, ITEMS * W * sizeof *v) == 0) == !own);
  }
  assert_int_equal(souk_adapted_item_vectors(b, k, 0, ITEMS, v, NULL), SOUK_OK);
  for (int s = 1; s < HISTORIES; s += 3) // not those without one
    for (int32_t item = 0; item < ITEMS; item++) {
      double sum = 0;
      for (size_t j = 0; j < W; j++) sum += (double)u[(size_t)s * W + j] * (double)v[(size_t)item * W + j];
      check_near((double)score_in(listed + s * ITEMS, scores + s * ITEMS, ITEMS, item), sum, 1e-5);
    }
}

static void check_lists_by(int32_t which) {
  static const int32_t few[] = {3, 11, 30, 49}; // less than an eighth of the catalogue
  for (int i = 0; i < WORLDS; i++) {
    souk_bundle *b = worlds[i].b, *own = worlds[i].own[which];
    souk_query shared[HISTORIES], alone[HISTORIES], fewer[HISTORIES], given[HISTORIES];
    int32_t at[2][HISTORIES * ITEMS], counts[2][HISTORIES], base_at[HISTORIES * ITEMS],
        base_counts[HISTORIES];
    float got[HISTORIES * ITEMS], want[HISTORIES * ITEMS], u[HISTORIES * 64];
    const int32_t k = bundle_adapter(b, names[which]) + 1;
    const souk_rank_options whole = {.keep_history = 1, .threads = 1},
                            allowed = {.keep_history = 1, .allow = few, .n_allow = 4, .threads = 3};
    assert_true(b->width <= 64);
    for (int s = 0; s < HISTORIES; s++) {
      alone[s] = (souk_query){.history = histories[s]};
      shared[s] = (souk_query){.history = histories[s], .adapter = s % 3 == 0 ? 0 : k};
      fewer[s] = shared[s];
      fewer[s].candidates = few;
      fewer[s].n_candidates = 4;
      given[s] = shared[s];
      given[s].u = u + s * b->width;
    }
    assert_int_equal(souk_query_vectors(b, shared, HISTORIES, 1, u, NULL, NULL), SOUK_OK);
    rank_all(own, alone, HISTORIES, &whole, at[1], want, counts[1]);
    rank_all(b, shared, HISTORIES, &whole, at[0], got, counts[0]);
    double moved = 0;
    for (int s = 0; s < HISTORIES; s++)
      for (int32_t item = 0; item < ITEMS; item++) {
        const float x = score_in(at[0] + s * ITEMS, got + s * ITEMS, ITEMS, item),
                    y = score_in(at[1] + s * ITEMS, want + s * ITEMS, ITEMS, item);
        moved = fmax(moved, shared[s].adapter == 0 ? fabs((double)x - (double)y) : 0);
        if (shared[s].adapter > 0 && !(fabs((double)x - (double)y) <= 1e-5 * fmax(1, fabs((double)y))))
          fail_msg("world %d, history %d, item %d: %g, and %g of its own bundle", i, s, item, (double)x,
                   (double)y);
      }
    assert_true(moved > 1e-3);
    check_item_vectors(b, k, u, got, at[0]);
    const souk_query *const ways[] = {fewer, shared, given};
    const souk_rank_options *const options[] = {&whole, &allowed, &whole};
    for (int way = 0; way < 3; way++) {
      rank_all(b, ways[way], HISTORIES, options[way], base_at, want, base_counts);
      for (int s = 0; s < HISTORIES; s++) {
        assert_int_equal(base_counts[s], way < 2 ? 4 : ITEMS);
        for (int32_t j = 0; j < base_counts[s]; j++)
          assert_true(want[s * ITEMS + j] ==
                      score_in(at[0] + s * ITEMS, got + s * ITEMS, ITEMS, base_at[s * ITEMS + j]));
      }
    }
    for (int s = 0; s < HISTORIES; s += 5) { // alone, with the catalogue among threads if it is worth it
      rank_all(b, &shared[s], 1, &(souk_rank_options){.keep_history = 1, .threads = 3}, base_at, want,
               base_counts);
      assert_memory_equal(want, got + s * ITEMS, ITEMS * sizeof *want);
      assert_memory_equal(base_at, at[0] + s * ITEMS, ITEMS * sizeof *base_at);
    }
  }
}

// Those that change what items are scored by.
static void test_lists_by_items_of_their_own(void **unused) {
  (void)unused;
  check_lists_by(TABLE);
  check_lists_by(BIASES);
}

static void test_names_and_numbers(void **unused) {
  (void)unused;
  const souk_bundle *b = worlds[0].b;
  souk_query q = {.adapter = ADAPTERS + 1};
  souk_info info;
  float u[256];
  assert_int_equal(souk_get_info(b, &info, NULL), SOUK_OK);
  assert_int_equal(info.adapters, ADAPTERS);
  size_t bytes = 0; // of them, which are part of memory_bytes
  souk_bundle bare = *b;
  for (int32_t k = 0; k < ADAPTERS; k++) bytes += b->adapters.list[k].floats * sizeof(float);
  bare.adapters = (bundle_adapters){.list = NULL};
  souk_info without;
  assert_int_equal(souk_get_info(&bare, &without, NULL), SOUK_OK);
  assert_true(bytes > 0 && info.memory_bytes > without.memory_bytes + bytes);
  for (int32_t k = 1; k <= ADAPTERS; k++) assert_int_equal(souk_find_adapter(b, souk_adapter_name(b, k)), k);
  assert_null(souk_adapter_name(b, 0));
  assert_null(souk_adapter_name(b, ADAPTERS + 1));
  assert_null(souk_adapter_name(NULL, 1));
  assert_int_equal(souk_find_adapter(b, "nobody"), -1);
  assert_int_equal(souk_find_adapter(b, NULL), -1);
  refuses(souk_query_vectors(b, &q, 1, 1, u, NULL, error), SOUK_ERR_ARGUMENT, "queries[0].adapter = ");
  q.adapter = -1;
  refuses(souk_query_vectors(b, &q, 1, 1, u, NULL, error), SOUK_ERR_ARGUMENT, "queries[0].adapter = -1");
  q = (souk_query){.reserved = 1};
  refuses(souk_query_vectors(b, &q, 1, 1, u, NULL, error), SOUK_ERR_ARGUMENT, "queries[0].reserved = 1");
  refuses(souk_query_vectors(b, NULL, 1, 1, u, NULL, error), SOUK_ERR_ARGUMENT, "queries must not be NULL");
}

// Integrated gradients go by the adapter, in the shared bundle as in its own: the shares add up, and both bundles say the same.
static void test_gradients(void **unused) {
  (void)unused;
  enum { ALL_POINTS = 8 + 16 + 32 + 64 + 128 + 256 }; // of integrals that do not come to their tolerance
  int converged = 0;
  for (int i = 0; i < WORLDS; i++)
    for (int32_t k = 1; k <= ADAPTERS; k++)
      for (int s = 4; s < MOST; s += 3) {
        const souk_explain_options o = {.adapter = k,
                                        .method = SOUK_WHY_INTEGRATED_GRADIENTS,
                                        .tolerance = 1e-4},
                                   own = {.method = SOUK_WHY_INTEGRATED_GRADIENTS, .tolerance = 1e-4};
        const int32_t item = 7 * s % ITEMS;
        souk_explanation out, alone;
        float shares[MOST], wanted[MOST];
        double sum = 0, largest = 0;
        assert_int_equal(souk_explain(worlds[i].b, &histories[s], &item, 1, &o, &out, shares, NULL), SOUK_OK);
        assert_int_equal(
            souk_explain(worlds[i].own[k - 1], &histories[s], &item, 1, &own, &alone, wanted, NULL), SOUK_OK);
        for (int j = 0; j < histories[s].n; j++) {
          sum += (double)shares[j];
          largest = fmax(largest, fabs((double)shares[j]));
        }
        check_near(sum + out.rest, out.score - out.base, 1e-5 * (1 + fabs(out.score)));
        if (out.passes < ALL_POINTS) check_near(out.rest, 0, 1e-4 * (1 + fabs(out.score - out.base)));
        converged += out.passes < ALL_POINTS;
        check_near(out.base, alone.base, 1e-4 * (1 + fabs(out.base)));
        for (int j = 0; j < histories[s].n; j++) check_near(shares[j], wanted[j], 1e-3 * (1 + largest));
        assert_true(largest > 1e-3);
      }
  assert_in_range(converged, WORLDS * ADAPTERS * 3 - 3, WORLDS * ADAPTERS * 3);
}

static void test_refused_exports(void **unused) {
  (void)unused;
  char base[PATH_MAX], out[PATH_MAX], list[3 * PATH_MAX], a[PATH_MAX];
  const world *w = &worlds[0];
  in(w->dir, "checkpoint", base);
  in(w->dir, "refused", out);
  export_config c = {.adapters = list};
  snprintf(list, sizeof list, "%s", in(worlds[1].dir, "tuned-de", a));
  check_fails(export_bundle_as(base, out, &c, NULL), ERR_ARGUMENT, "is not tuned on top of");
  snprintf(list, sizeof list, "x y=%s", in(w->dir, "tuned-de", a));
  check_fails(export_bundle_as(base, out, &c, NULL), ERR_ARGUMENT, "cannot be a folder of a bundle");
  snprintf(list, sizeof list, ".x=%s", a);
  check_fails(export_bundle_as(base, out, &c, NULL), ERR_ARGUMENT, "cannot be a folder of a bundle");
  snprintf(list, sizeof list, "x=%s,x=%s", a, a);
  check_fails(export_bundle_as(base, out, &c, NULL), ERR_ARGUMENT, "two are called x");
}

// Replaces one text of a file by another of the same length.
static void edit(const char *path, const char *was, const char *is) {
  char *text;
  size_t bytes;
  assert_int_equal(strlen(was), strlen(is));
  check_ok(file_read(path, 1 << 20, &text, &bytes));
  char *at = memmem(text, bytes, was, strlen(was));
  assert_non_null(at);
  memcpy(at, is, strlen(is));
  check_ok(file_write_atomic(path, text, bytes));
  free(text);
}

// The header of a file of tensors with the encoder as part of a model, where it is called "bert", or by itself.
static void respell(const char *dir, const char *path, bool part) {
  static const char *const spelled[] = {"base_model.model.encoder.", "base_model.model.bert.encoder."};
  char *was, *is;
  size_t bytes, header, n = sizeof header;
  check_ok(file_read(path, 1 << 24, &was, &bytes));
  memcpy(&header, was, sizeof header);
  assert_non_null(is = malloc(2 * bytes));
  const char *at = was + sizeof header, *const end = at + header, *from = spelled[!part], *to = spelled[part];
  while (at < end) {
    const bool found = strncmp(at, from, strlen(from)) == 0;
    if (found) memcpy(is + n, to, strlen(to));
    if (!found) is[n] = *at;
    at += found ? strlen(from) : 1;
    n += found ? strlen(to) : 1;
  }
  while (n % 64 != 0) is[n++] = ' ';
  header = n - sizeof header;
  memcpy(is, &header, sizeof header);
  memcpy(is + n, end, bytes - (size_t)(end - was));
  const size_t now = n + bytes - (size_t)(end - was);
  char manifest[PATH_MAX], before[32], after[32];
  check_ok(file_write_atomic(path, is, now));
  snprintf(before, sizeof before, "\"bytes\": %zu", bytes);
  snprintf(after, sizeof after, "\"bytes\": %zu", now);
  edit(in(dir, "souk.json", manifest), before, after);
  free(was);
  free(is);
}

// An adapter may be of the encoder itself, or of a model that it is a part of, whatever the bundle's own head.
static void test_spellings(void **unused) {
  (void)unused;
  for (int i = 0; i < WORLDS; i++) {
    char path[PATH_MAX], dir[PATH_MAX];
    const size_t W = (size_t)worlds[i].b->width;
    float *got = calloc(HISTORIES * W, sizeof *got), *want = calloc(HISTORIES * W, sizeof *want);
    assert_true(got != NULL && want != NULL);
    int32_t which[HISTORIES];
    for (int s = 0; s < HISTORIES; s++) which[s] = bundle_adapter(worlds[i].b, names[0]);
    vectors_of(worlds[i].b, histories, HISTORIES, which, want);
    snprintf(path, sizeof path, "%.3000s/adapters/de/adapter_model.safetensors",
             in(worlds[i].dir, "many", dir));
    const bool part = i < 2; // how the export spelled it
    for (int k = 0; k < 2; k++) {
      souk_bundle *b;
      respell(dir, path, part == (k == 1));
      souk_error e;
      if (souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, &e) != SOUK_OK) fail_msg("%s", e.message);
      for (int s = 0; s < HISTORIES; s++) which[s] = bundle_adapter(b, names[0]);
      vectors_of(b, histories, HISTORIES, which, got);
      assert_memory_equal(got, want, HISTORIES * W * sizeof *got);
      souk_close(b);
    }
    free(got);
    free(want);
  }
}

static void test_damaged_folders(void **unused) {
  (void)unused;
  char dir[PATH_MAX], path[PATH_MAX];
  souk_bundle *b;
  static const struct {
    const char *folder, *file, *was, *is, *says;
    int times;
  } cases[] = {
      {"de", "adapter_config.json", "\"LORA\"", "\"LOHA\"",
       "field \"peft_type\" must be \"LORA\", \"ADALORA\",", 1},
      {"de", "adapter_config.json", "\"r\": 3", "\"r\": 0", "field \"r\" must be an integer from 1 to 4096",
       1},
      {"de", "adapter_config.json", "\"r\": 3", "\"r\": 4", "lora_A.weight\"", 1},
      {"de", "adapter_config.json", "\"none\"", "\"all\" ", "field \"bias\" must be \"none\"", 1},
      {"de", "adapter_model.safetensors", "layer.1.output.dense.lora_A", "layer.1.output.dense.lora_X",
       "has not all factors", 1},
      {"de", "adapter_model.safetensors", "layer.1.attention.self.key", "layer.9.attention.self.key",
       "has no place in the encoder", 2},
      {"words", "adapter_model.safetensors", "word_embeddings.lora_embedding_B",
       "word_embeddings.lora_embedding_X", "has not both factors of word_embeddings", 1},
      {"words", "adapter_config.json", "\"r\": 17", "\"r\": 16", "[16, 16] is expected", 1},
      {"bias", "adapter_config.json", "SOUK_BIAS", "SOUK_BIOS", "field \"peft_type\" must be", 1},
      {"bias", "adapter_model.safetensors", "layer.1.output.dense.bias", "layer.1.output.dense.bios",
       "has no place in the encoder", 1},
      {"bias", "adapter_model.safetensors", "layer.0.attention.self.query.bias\":{\"dtype\":\"F32\"",
       "layer.0.attention.self.query.bias\":{\"dtype\":\"I32\"", "layer.0.attention.self.query.bias", 1},
      {"wide", "adapter_config.json", "_width\": 21", "_width\": 20", "adapter.down.weight\"", 1},
      {"wide", "adapter_config.json", "_width\": 21", "_width\": 0 ",
       "field \"adapter_width\" must be an integer from 1 to 65536", 1},
      {"wide", "adapter_config.json", "_width\": 21", "_width\":1e9", "field \"adapter_width\" must be", 1},
      {"wide", "adapter_config.json", "\"adapter_width\"", "\"adapter_wodth\"",
       "field \"adapter_wodth\" is unknown", 1},
      {"wide", "adapter_model.safetensors", "layer.1.output.adapter.up.bias",
       "layer.1.output.adapter.up.bios", "layer.1.output.adapter.up.bias\"", 1},
      {"wide", "adapter_model.safetensors", "layer.0.attention.output.adapter.down.weight",
       "layer.0.attention.output.adapter.doww.weight", "layer.0.attention.output.adapter.down.weight\"", 1},
      {"wide", "adapter_model.safetensors", "down.weight\":{\"dtype\":\"F32\",\"shape\":[21,16]",
       "down.weight\":{\"dtype\":\"F32\",\"shape\":[16,21]", "adapter.down.weight\"", 1},
      {"wide", "adapter_model.safetensors", "\"F32\"", "\"I32\"", "F32", 1},
  };
  in(worlds[0].dir, "many", dir);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(path, sizeof path, "%.3000s/adapters/%s/%s", dir, cases[i].folder, cases[i].file);
    for (int k = 0; k < cases[i].times; k++) edit(path, cases[i].was, cases[i].is);
    refuses(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, error), SOUK_ERR_FORMAT, cases[i].says);
    refuses(souk_open(&b, dir, 0, error), SOUK_ERR_CHECKSUM, cases[i].file);
    for (int k = 0; k < cases[i].times; k++) edit(path, cases[i].is, cases[i].was);
  }
  assert_int_equal(souk_open(&b, dir, 0, NULL), SOUK_OK);
  souk_close(b);
}

// A file of tensors that has none: its header takes all of it.
static void test_no_factors(void **unused) {
  (void)unused;
  char dir[PATH_MAX], path[PATH_MAX], *was;
  souk_bundle *b;
  in(worlds[0].dir, "many", dir);
  for (int k = 0; k < ADAPTERS; k++) {
    size_t bytes;
    if (k == WIDE) continue; // which lacks tensors by name
    snprintf(path, sizeof path, "%.3000s/adapters/%s/adapter_model.safetensors", dir, names[k]);
    check_ok(file_read(path, 1 << 24, &was, &bytes));
    char *is = malloc(bytes);
    assert_non_null(is);
    const uint64_t header = bytes - sizeof header;
    memset(is, ' ', bytes);
    memcpy(is, &header, sizeof header);
    memcpy(is + sizeof header, "{}", 2);
    check_ok(file_write_atomic(path, is, bytes));
    refuses(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, error), SOUK_ERR_FORMAT,
            k == BIASES ? "has no biases" : "has no factors");
    check_ok(file_write_atomic(path, was, bytes));
    free(was);
    free(is);
  }
}

// A number of each tensor that is none, first and last of the file's.
static void test_nonfinite(void **unused) {
  (void)unused;
  char dir[PATH_MAX], path[PATH_MAX], *text;
  souk_bundle *b;
  in(worlds[0].dir, "many", dir);
  for (int32_t k = 0; k < ADAPTERS; k++)
    for (int last = 0; last < 2; last++) {
      size_t bytes;
      uint64_t header;
      snprintf(path, sizeof path, "%.3000s/adapters/%s/adapter_model.safetensors", dir, names[k]);
      check_ok(file_read(path, 1 << 24, &text, &bytes));
      memcpy(&header, text, sizeof header);
      char *at = last ? text + bytes - sizeof(float) : text + sizeof header + header, was[sizeof(float)];
      const float bad = last ? NAN : INFINITY;
      memcpy(was, at, sizeof was);
      memcpy(at, &bad, sizeof bad);
      check_ok(file_write_atomic(path, text, bytes));
      refuses(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, error), SOUK_ERR_NONFINITE,
              "holds a NaN or an infinity");
      memcpy(at, was, sizeof was);
      check_ok(file_write_atomic(path, text, bytes));
      free(text);
    }
}

// Where a tensor's numbers begin in a file of tensors.
static char *numbers_of(char *text, const char *name) {
  uint64_t header;
  unsigned long long begin;
  memcpy(&header, text, sizeof header);
  char *at = memmem(text, sizeof header + header, name, strlen(name));
  assert_non_null(at);
  at = strstr(at, "\"data_offsets\":");
  assert_non_null(at);
  assert_int_equal(sscanf(at, "\"data_offsets\":[%llu", &begin), 1);
  return text + sizeof header + header + begin;
}

// Factors that are finite, and whose products are not: an item's score, or vector, is an error and not left out.
static void test_overflow_of_an_adapted_table(void **unused) {
  (void)unused;
  const float large = 3e38f, larger = 1e6f;
  char dir[PATH_MAX], path[PATH_MAX], *text, *was;
  size_t bytes;
  souk_bundle *b;
  snprintf(path, sizeof path, "%.3000s/adapters/%s/adapter_model.safetensors", in(worlds[0].dir, "many", dir),
           names[TABLE]);
  check_ok(file_read(path, 1 << 24, &text, &bytes));
  check_ok(file_read(path, 1 << 24, &was, &bytes));
  memcpy(numbers_of(text, "lora_embedding_A") + (worlds[0].b->first_item + 7) * (int32_t)sizeof large, &large,
         sizeof large);
  memcpy(numbers_of(text, "lora_embedding_B"), &larger, sizeof larger);
  check_ok(file_write_atomic(path, text, bytes));
  assert_int_equal(souk_open(&b, dir, SOUK_SKIP_CHECKSUMS, NULL), SOUK_OK);
  const int32_t seen[] = {1, 2, 3}, others[] = {6, 8}, candidates[] = {6, 7, 8};
  souk_query q = {.history = {.n = 3, .items = seen}, .adapter = bundle_adapter(b, names[TABLE]) + 1};
  int32_t listed[ITEMS], count;
  float scores[ITEMS], u[64], v[64];
  refuses(souk_rank(b, &q, 1, 5, NULL, listed, scores, &count, NULL, error), SOUK_ERR_NONFINITE,
          "the score of item 7 ");
  q.candidates = candidates;
  q.n_candidates = 3;
  refuses(souk_rank(b, &q, 1, 5, NULL, listed, scores, &count, NULL, error), SOUK_ERR_NONFINITE,
          "the score of item 7 ");
  q.candidates = others;
  q.n_candidates = 2;
  assert_int_equal(souk_rank(b, &q, 1, 5, NULL, listed, scores, &count, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_query_vectors(b, &q, 1, 1, u, NULL, NULL), SOUK_OK);
  refuses(souk_adapted_score(b, q.adapter, u, 1, candidates, 3, scores, error), SOUK_ERR_NONFINITE,
          "items[1] = 7");
  refuses(souk_adapted_item_vectors(b, q.adapter, 7, 1, v, error), SOUK_ERR_NONFINITE,
          "the vector of item 7");
  assert_int_equal(souk_adapted_item_vectors(b, q.adapter, 6, 1, v, NULL), SOUK_OK);
  const souk_explain_options o = {.adapter = q.adapter, .method = SOUK_WHY_INTEGRATED_GRADIENTS};
  souk_explanation why;
  float shares[3];
  refuses(souk_explain(b, &q.history, &candidates[1], 1, &o, &why, shares, error), SOUK_ERR_NONFINITE,
          "is not finite");
  souk_close(b);
  check_ok(file_write_atomic(path, was, bytes));
  free(text);
  free(was);
}

int main(void) {
  make_histories();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_bundles_of_their_own),
                                     cmocka_unit_test(test_together),
                                     cmocka_unit_test(test_queries),
                                     cmocka_unit_test(test_lists_by_items_of_their_own),
                                     cmocka_unit_test(test_gradients),
                                     cmocka_unit_test(test_names_and_numbers),
                                     cmocka_unit_test(test_refused_exports),
                                     cmocka_unit_test(test_damaged_folders),
                                     cmocka_unit_test(test_no_factors),
                                     cmocka_unit_test(test_nonfinite),
                                     cmocka_unit_test(test_overflow_of_an_adapted_table),
                                     cmocka_unit_test(test_spellings)};
  return cmocka_run_group_tests_name("infer_adapters", tests, make_worlds, close_worlds);
}
