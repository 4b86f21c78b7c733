// Adapters of a bundle: each against a bundle of its own, into whose weights it is folded or in which its bottlenecks stand; the
// same bits alone and in a batch of several; and in lists and explanations.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "infer/adapters.h"
#include "lib/adapted_worlds.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "simd/simd.h"
#include "souk/infer.h"

static void test_like_bundles_of_their_own(void **unused) {
  (void)unused;
  for (int i = 0; i < WORLDS; i++) {
    souk_bundle *b = adapted_worlds[i].b;
    const size_t W = (size_t)b->width;
    float *got = calloc(HISTORIES * W, sizeof *got), *want = calloc(HISTORIES * W, sizeof *want);
    assert_true(got != NULL && want != NULL);
    for (int32_t k = 0; k < ADAPTERS; k++) {
      int32_t which[HISTORIES];
      const int32_t at = bundle_adapter(b, adapted_names[k]);
      assert_true(at >= 0);
      for (int s = 0; s < HISTORIES; s++) which[s] = at;
      adapted_vectors(b, adapted_histories, HISTORIES, which, got);
      adapted_vectors(adapted_worlds[i].own[k], adapted_histories, HISTORIES, NULL, want);
      double size = 0;
      for (size_t j = 0; j < HISTORIES * W; j++) size = fmax(size, fabs((double)want[j]));
      for (size_t j = 0; j < HISTORIES * W; j++)
        if (!(fabs((double)got[j] - (double)want[j]) <= 1e-5 * size))
          fail_msg("world %d, %s, element %zu: %g, and %g of its own bundle", i, adapted_names[k], j,
                   (double)got[j], (double)want[j]);
      adapted_vectors(b, adapted_histories, HISTORIES, NULL, want);
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
    souk_bundle *b = adapted_worlds[i].b;
    const size_t W = (size_t)b->width;
    int32_t which[HISTORIES];
    float *all = calloc(HISTORIES * W, sizeof *all), *one = calloc(W, sizeof *one);
    assert_true(all != NULL && one != NULL);
    for (int s = 0; s < HISTORIES; s++)
      which[s] = (s * 7 / 2) % (ADAPTERS + 1) - 1; // neighbours alike, and not
    adapted_vectors(b, adapted_histories, HISTORIES, which, all);
    for (int s = 0; s < HISTORIES; s++) {
      adapted_vectors(b, &adapted_histories[s], 1, &which[s], one);
      assert_memory_equal(one, all + (size_t)s * W, W * sizeof *one);
      if (which[s] >= 0) continue;
      adapted_vectors(b, &adapted_histories[s], 1, NULL, one);
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
    souk_bundle *b = adapted_worlds[i].b;
    const size_t W = (size_t)b->width;
    souk_query queries[HISTORIES];
    int32_t which[HISTORIES], listed[HISTORIES], counts[HISTORIES];
    float scores[HISTORIES], *u = calloc(HISTORIES * W, sizeof *u),
                             *want = calloc(HISTORIES * W, sizeof *want);
    assert_true(u != NULL && want != NULL);
    for (int s = 0; s < HISTORIES; s++) {
      queries[s] = (souk_query){.history = adapted_histories[s], .adapter = s % (ADAPTERS + 1)};
      which[s] = queries[s].adapter - 1;
    }
    adapted_vectors(b, adapted_histories, HISTORIES, which, want);
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
      assert_true(counts[s] == 1 &&
                  (which[s] == BIASES || (score == scores[s]) == (which[s] != TABLE && which[s] != SVD)));
      assert_int_equal(
          souk_adapted_score(b, which[s] + 1, want + (size_t)s * W, 1, &listed[s], 1, &score, NULL), SOUK_OK);
      assert_true(score == scores[s]);
      assert_int_equal(souk_explain(b, &adapted_histories[s], &listed[s], 1, &o, &out, shares, NULL),
                       SOUK_OK);
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
    static const int32_t changed[] = {SVD, TABLE, BIASES};
    bool own = false;
    for (int i = 0; i < 3; i++) own = own || other == bundle_adapter(b, adapted_names[changed[i]]) + 1;
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
    souk_bundle *b = adapted_worlds[i].b, *own = adapted_worlds[i].own[which];
    souk_query shared[HISTORIES], alone[HISTORIES], fewer[HISTORIES], given[HISTORIES];
    int32_t at[2][HISTORIES * ITEMS], counts[2][HISTORIES], base_at[HISTORIES * ITEMS],
        base_counts[HISTORIES];
    float got[HISTORIES * ITEMS], want[HISTORIES * ITEMS], u[HISTORIES * 64];
    const int32_t k = bundle_adapter(b, adapted_names[which]) + 1;
    const souk_rank_options whole = {.keep_history = 1, .threads = 1},
                            allowed = {.keep_history = 1, .allow = few, .n_allow = 4, .threads = 3};
    assert_true(b->width <= 64);
    for (int s = 0; s < HISTORIES; s++) {
      alone[s] = (souk_query){.history = adapted_histories[s]};
      shared[s] = (souk_query){.history = adapted_histories[s], .adapter = s % 3 == 0 ? 0 : k};
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
  check_lists_by(SVD);
  check_lists_by(BIASES);
}

static void test_names_and_numbers(void **unused) {
  (void)unused;
  const souk_bundle *b = adapted_worlds[0].b;
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
  // One pair of factors of rank 17, beside the table's, which have room of their own.
  const size_t H = (size_t)b->hidden, wanted = gemm_packed_size(17, H) + gemm_packed_size(H, 17);
  assert_int_equal(b->adapters.list[bundle_adapter(b, adapted_names[TABLE])].floats, wanted);
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
        assert_int_equal(
            souk_explain(adapted_worlds[i].b, &adapted_histories[s], &item, 1, &o, &out, shares, NULL),
            SOUK_OK);
        assert_int_equal(souk_explain(adapted_worlds[i].own[k - 1], &adapted_histories[s], &item, 1, &own,
                                      &alone, wanted, NULL),
                         SOUK_OK);
        for (int j = 0; j < adapted_histories[s].n; j++) {
          sum += (double)shares[j];
          largest = fmax(largest, fabs((double)shares[j]));
        }
        check_near(sum + out.rest, out.score - out.base, 1e-5 * (1 + fabs(out.score)));
        if (out.passes < ALL_POINTS) check_near(out.rest, 0, 1e-4 * (1 + fabs(out.score - out.base)));
        converged += out.passes < ALL_POINTS;
        check_near(out.base, alone.base, 1e-4 * (1 + fabs(out.base)));
        for (int j = 0; j < adapted_histories[s].n; j++)
          check_near(shares[j], wanted[j], 1e-3 * (1 + largest));
        assert_true(largest > 1e-3);
      }
  assert_in_range(converged, WORLDS * ADAPTERS * 3 - 3, WORLDS * ADAPTERS * 3);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_bundles_of_their_own),
                                     cmocka_unit_test(test_together),
                                     cmocka_unit_test(test_queries),
                                     cmocka_unit_test(test_lists_by_items_of_their_own),
                                     cmocka_unit_test(test_gradients),
                                     cmocka_unit_test(test_names_and_numbers)};
  return cmocka_run_group_tests_name("infer_adapters", tests, adapted_worlds_make, adapted_worlds_close);
}
