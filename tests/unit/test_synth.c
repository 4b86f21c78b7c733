// The generated marketplace as a world: its words and items, and that everything happens with the probability that is told.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/utf8.h"
#include "synth/synth_internal.h"
#include "synth/synth_oracle.h"
#include "lib/check.h"
#include "lib/tiny_market.h"

// ---- words and items -----------------------------------------------------------------------------------------

static void check_pairs(const char *pairs) {
  char en[256], zh[256];
  for (int32_t k = 0; k < pair_count(pairs); k++) {
    pair_at(en, sizeof en, pairs, (uint64_t)k, false);
    pair_at(zh, sizeof zh, pairs, (uint64_t)k, true);
    if (en[0] == '\0' || zh[0] == '\0') fail_msg("a pair of \"%s\" has one half", pairs);
    assert_true(utf8_valid(en) && utf8_valid(zh));
    assert_null(strpbrk(en, "\"\\|/"));
    assert_null(strpbrk(zh, "\"\\|/"));
  }
}

static void test_words(void **unused) {
  (void)unused;
  for (int32_t d = 0; d < SYNTH_DEPARTMENTS; d++) {
    const department_words *w = &synth_departments[d];
    assert_int_equal(pair_count(w->brands), SYNTH_BRANDS);
    check_pairs(w->brands);
    check_pairs(w->uses);
    for (int32_t k = 0; k < DEPARTMENT_CATEGORIES; k++) {
      const category_words *c = &w->categories[k];
      check_pairs(c->materials);
      check_pairs(c->features);
      assert_true(pair_count(c->features) >= 3); // a title may name two that differ
      assert_true(c->price > 0 && c->complement >= 0 && c->complement < DEPARTMENT_CATEGORIES &&
                  c->complement != k);
      assert_null(strpbrk(c->en, ",\"\\")); // csv writes it unquoted
      assert_null(strpbrk(c->zh, ",\"\\"));
    }
  }
  for (int32_t k = 0; k < SYNTH_STYLES; k++) {
    check_pairs(synth_styles[k]);
    check_pairs(synth_style_notes[k]);
  }
  for (int32_t k = 0; k < SYNTH_TIERS; k++) check_pairs(synth_tier_notes[k]);
  check_pairs(synth_colours);
  char buf[64];
  assert_string_equal(pair_at(buf, sizeof buf, "a/b|c/d", 1, true), "d");
  assert_string_equal(pair_at(buf, sizeof buf, "a/b|c/d", 2, false), "a"); // goes round
}

static int falling(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x > y ? -1 : x < y;
}

static void test_items(void **unused) {
  (void)unused;
  const synth_config c = tiny_market(1, 700);
  synth_world *w;
  check_ok(world_new(&w, &c));
  double popularity[700];
  int32_t per_category[SYNTH_CATEGORIES] = {0};
  for (int32_t i = 0; i < w->n; i++) {
    const synth_item *x = &w->items[i];
    per_category[x->category]++;
    popularity[i] = (double)x->popularity;
    assert_true(x->price > 0);
    assert_true(x->brand < SYNTH_BRANDS && x->style < SYNTH_STYLES && x->tier < SYNTH_TIERS);
    synth_text t;
    item_text(w, i, &t);
    const char *const texts[] = {t.title_en, t.title_zh, t.description_en, t.description_zh};
    for (size_t k = 0; k < 4; k++) {
      assert_true(strlen(texts[k]) > 8 && utf8_valid(texts[k]));
      assert_null(strpbrk(texts[k], "\"\\\n\r\t"));
      assert_null(strstr(texts[k], "  "));
    }
    assert_non_null(strstr(t.title_en, t.brand_en));
    assert_non_null(strstr(t.title_zh, t.brand_zh));
  }
  for (int32_t k = 0; k < SYNTH_CATEGORIES; k++) assert_true(per_category[k] > 0);
  qsort(popularity, 700, sizeof *popularity, falling);
  for (int32_t r = 0; r < 700; r++) assert_true(fabs(popularity[r] - pow(r + 2.0, -c.zipf)) < 1e-6); // Zipf
  // The index: every item once, in cells of its own kind, under a rising sum.
  uint8_t seen[700] = {0};
  for (int32_t cell = 0; cell < SYNTH_CATEGORIES * CELLS; cell++) {
    for (int32_t k = w->cell_begin[cell]; k < w->cell_begin[cell + 1]; k++) {
      const synth_item *x = &w->items[w->order[k]];
      assert_int_equal(x->category * CELLS + cell_of(x), cell);
      assert_false(seen[w->order[k]]++);
      assert_true(w->running[k + 1] > w->running[k]);
    }
  }
  assert_int_equal(w->cell_begin[SYNTH_CATEGORIES * CELLS], 700);
  world_free(w);
}

// ---- probabilities -------------------------------------------------------------------------------------------

// Every step's item against the distribution that was told before: the place where it falls must be uniform.
// Small worlds have categories that run out, and departments without items.
static synth_config steps_config(int64_t items, double length, double drift, double explore) {
  synth_config c = tiny_market(1, items);
  c.length = length;
  c.drift = drift;
  c.explore = explore;
  return c;
}

static void check_calibration(const synth_config *how) {
  enum { BINS = 20 };
  const synth_config c = *how;
  const int64_t items = c.items;
  synth_world *w;
  synth_state *s;
  double *p, bins[BINS] = {0}, surprise = 0, wanted = 0, variance = 0;
  int64_t steps = 0;
  check_ok(world_new(&w, &c));
  check_ok(state_new(&s, w));
  check_ok(mem_new(&p, (size_t)items, sizeof *p, "probabilities"));
  rng r = rng_at(7, 1, 2, 3);
  for (int64_t user = 0; steps < 20000; user++) {
    check_ok(state_begin(s, user));
    for (int32_t i = 0; i < s->p.length; i++) {
      step_probabilities(s, p);
      double sum = 0, entropy = 0, square = 0;
      for (int32_t k = 0; k < items; k++) {
        assert_true(p[k] >= 0);
        sum += p[k];
        if (p[k] > 0) {
          entropy -= p[k] * log(p[k]);
          square += p[k] * log(p[k]) * log(p[k]);
        }
      }
      assert_true(fabs(sum - 1) < 1e-9);
      for (int32_t k = 0; k < s->step; k++) assert_true(p[s->seen[k]] <= 0);
      synth_step step;
      state_step(s, &step);
      assert_true(p[step.item] > 0);
      double below = 0;
      for (int32_t k = 0; k < step.item; k++) below += p[k];
      const int bin = (int)((below + p[step.item] * rng_unit(&r)) * BINS);
      bins[bin < BINS ? bin : BINS - 1]++;
      surprise -= log(p[step.item]);
      wanted += entropy;
      variance += square - entropy * entropy;
      steps++;
    }
    state_end(s);
  }
  double chi2 = 0;
  const double each = (double)steps / BINS;
  for (int k = 0; k < BINS; k++) chi2 += (bins[k] - each) * (bins[k] - each) / each;
  if (chi2 > 45) fail_msg("%lld items: chi-square %.1f with 19 degrees of freedom", (long long)items, chi2);
  // And as likely on the whole as the entropies say: this sees errors that keep the order of items.
  const double z = (surprise - wanted) / sqrt(variance);
  if (fabs(z) > 4) fail_msg("%lld items: the surprise is %.1f standard deviations off", (long long)items, z);
  for (int32_t k = 0; k <= items / 64; k++) assert_true(s->seen_bits[k] == 0);
  state_free(s);
  world_free(w);
  free(p);
}

static void test_probabilities(void **unused) {
  (void)unused;
  synth_config c = steps_config(1000, 24, 0.3, 0.05);
  check_calibration(&c);
  c.quality = 0.8;
  c.market = 3;
  check_calibration(&c);
  c = steps_config(300, 100, 1, 0); // categories run out
  check_calibration(&c);
  c = steps_config(24, 8, 0, 0.2); // whole departments are empty
  check_calibration(&c);
}

// Slope of y over x, both about their means.
static double slope(const double *x, const double *y, int n) {
  double mx = 0, my = 0, xx = 0, xy = 0;
  for (int i = 0; i < n; i++) mx += x[i] / n, my += y[i] / n;
  for (int i = 0; i < n; i++) {
    xx += (x[i] - mx) * (x[i] - mx);
    xy += (x[i] - mx) * (y[i] - my);
  }
  return xy / xx;
}

// What quality is worth: a factor on an item's weight, and on the odds of a cart.
static void test_quality(void **unused) {
  (void)unused;
  enum { N = 1200, USERS = 1500 };
  synth_config c = tiny_market(1, N);
  synth_world *plain, *w;
  synth_state *s;
  check_ok(world_new(&plain, &c));
  c.quality = 0.8;
  check_ok(world_new(&w, &c));
  for (int32_t i = 0; i < N; i++) {
    const double factor = (double)w->items[i].popularity / (double)plain->items[i].popularity;
    assert_true(fabs(log(factor) - 0.8 * item_quality(w, i)) < 1e-5);
  }
  check_ok(state_new(&s, w));
  double carts[2] = {0}, seen[2] = {0}; // of bad, of good items
  for (int64_t user = 0; user < USERS; user++) {
    check_ok(state_begin(s, user));
    for (int32_t i = 0; i < s->p.length; i++) {
      synth_step step;
      state_step(s, &step);
      const double q = item_quality(w, step.item);
      if (fabs(q) < 1) continue;
      seen[q > 0]++;
      carts[q > 0] += step.cart;
    }
    state_end(s);
  }
  assert_true(seen[1] > 2 * seen[0]);
  assert_true(carts[1] / seen[1] > 2 * carts[0] / seen[0]);
  state_free(s);
  world_free(plain);
  world_free(w);
}

// Another market: the same items, and what is liked is half its own.
static void test_markets(void **unused) {
  (void)unused;
  enum { N = 600 };
  synth_config c = tiny_market(1, N);
  synth_world *w[3];
  double popularity[3][N];
  for (int m = 0; m < 3; m++) {
    c.market = m;
    check_ok(world_new(&w[m], &c));
    for (int i = 0; i < N; i++) {
      const synth_item *x = &w[m]->items[i], *there = &w[0]->items[i];
      assert_true(x->category == there->category && x->brand == there->brand && x->style == there->style &&
                  x->tier == there->tier && fabs(x->price - there->price) < 1e-12);
      popularity[m][i] = log((double)x->popularity);
    }
  }
  for (int m = 1; m < 3; m++) assert_true(fabs(slope(popularity[0], popularity[m], N) - 0.5) < 0.1);
  assert_true(fabs(slope(popularity[1], popularity[2], N) - 0.5) < 0.15); // by what they share with market 0
  assert_true(fabs(w[1]->price_level - w[2]->price_level) > 1e-3);
  for (int m = 0; m < 3; m++) world_free(w[m]);
}

// ---- promotions ----------------------------------------------------------------------------------------------

static void test_promotions(void **unused) {
  (void)unused;
  enum { PAGES = 20000 };
  const synth_config c = tiny_market(1, 500);
  synth_world *w;
  synth_state *s;
  campaign campaigns[CAMPAIGNS];
  check_ok(world_new(&w, &c));
  check_ok(state_new(&s, w));
  check_ok(state_begin(s, 3));
  campaigns_make(w, campaigns);
  int32_t kinds[4] = {0};
  for (int32_t k = 0; k < CAMPAIGNS; k++) {
    kinds[campaigns[k].kind]++;
    assert_true(campaigns[k].kind == PROMO_NONE ? campaigns[k].value <= 0 : campaigns[k].value >= 0.1);
  }
  for (int k = 0; k < 4; k++) assert_int_equal(kinds[k], 3);
  // The same context again and again: the first position's campaigns come as often as their propensity says,
  // and clicks and purchases as often as the truth says.
  double first[CAMPAIGNS] = {0}, propensity[CAMPAIGNS] = {0}, clicks = 0, wanted_clicks = 0, sales = 0,
         wanted_sales = 0;
  rng r = rng_at(11, 5, 0, 0);
  for (int i = 0; i < PAGES; i++) {
    impression page[POSITIONS];
    page_draw(w, campaigns, &s->p, s->taste, 7, 20.5, &r, page);
    first[page[0].campaign]++;
    propensity[page[0].campaign] = page[0].propensity;
    for (int k = 0; k < POSITIONS; k++) {
      assert_int_equal(page[k].position, k + 1);
      assert_true(page[k].propensity > 0.02 && page[k].propensity < 1);
      for (int j = 0; j < k; j++) assert_int_not_equal(page[k].campaign, page[j].campaign);
      assert_true(!page[k].purchase || page[k].click);
      clicks += page[k].click;
      wanted_clicks += page[k].p_click[page[k].campaign];
      sales += page[k].purchase;
      wanted_sales += page[k].p_purchase[page[k].campaign];
      // A position scales every campaign alike.
      assert_true(fabs(page[k].p_click[2] * page[0].p_click[5] - page[k].p_click[5] * page[0].p_click[2]) <
                  1e-12);
      if (campaigns[page[k].campaign].kind == PROMO_NONE)
        assert_true(fabs(page[k].plain - page[k].p_purchase[page[k].campaign]) <
                    1e-12); // no promotion, no uplift
    }
  }
  double sum = 0;
  for (int k = 0; k < CAMPAIGNS; k++) {
    sum += propensity[k];
    const double e = PAGES * propensity[k];
    assert_true(fabs(first[k] - e) < 4.5 * sqrt(e));
  }
  assert_true(fabs(sum - 1) < 1e-9);
  assert_true(fabs(clicks - wanted_clicks) < 4.5 * sqrt(wanted_clicks));
  assert_true(fabs(sales - wanted_sales) < 4.5 * sqrt(wanted_sales));
  state_free(s);
  world_free(w);
}

// ---- items that are shown, and reviews ------------------------------------------------------------------------

static void check_offers(double of_quality) {
  enum { SHOWN = 30000 };
  synth_config c = tiny_market(1, 300);
  c.quality = of_quality;
  synth_world *w;
  synth_state *s;
  check_ok(world_new(&w, &c));
  check_ok(state_new(&s, w));
  check_ok(state_begin(s, 0));
  synth_step step;
  for (int i = 0; i < 5; i++) state_step(s, &step);
  double n[3] = {0}, wanted[3] = {0}, spread[3] = {0};
  double qualities = 0, clicked_qualities = 0;
  int current = 0;
  rng r = rng_at(12, 5, 0, 0);
  for (int i = 0; i < SHOWN / OFFERS; i++) {
    offer page[OFFERS];
    offers_draw(s, &r, page);
    for (int k = 0; k < OFFERS; k++) {
      const offer *x = &page[k];
      for (int j = 0; j < k; j++) assert_int_not_equal(x->item, page[j].item);
      assert_true((!x->cart || x->click) && (!x->buy || x->cart));
      current += w->items[x->item].category == s->current;
      qualities += item_quality(w, x->item);
      if (x->click) clicked_qualities += item_quality(w, x->item);
      const double p[3] = {x->p_click, x->click ? x->p_cart : 0, x->cart ? x->p_buy : 0};
      const bool happened[3] = {x->click, x->cart, x->buy};
      for (int a = 0; a < 3; a++) {
        n[a] += happened[a];
        wanted[a] += p[a];
        spread[a] += p[a] * (1 - p[a]);
      }
    }
  }
  for (int a = 0; a < 3; a++) assert_true(fabs(n[a] - wanted[a]) < 4.5 * sqrt(spread[a]));
  assert_true(current > SHOWN / 6); // about two of six, where the category has two
  const double preferred = clicked_qualities / n[0] - qualities / SHOWN;
  assert_true(of_quality > 0 ? preferred > 0.3 : fabs(preferred) < 0.15);
  // Quality belongs to the item and is worth something; a click's probability knows it if it is told to.
  double mean = 0, squares = 0;
  for (int32_t i = 0; i < w->n; i++) {
    const double q = item_quality(w, i);
    mean += q / w->n;
    squares += q * q / w->n;
  }
  assert_true(fabs(mean) < 4.5 / sqrt(w->n) && fabs(squares - 1) < 4.5 * sqrt(2.0 / w->n));
  state_free(s);
  world_free(w);
}

static void test_offers(void **unused) {
  (void)unused;
  check_offers(0);
  check_offers(1);
}

static void test_reviews(void **unused) {
  (void)unused;
  const synth_config c = tiny_market(1, 300);
  synth_world *w;
  synth_state *s;
  check_ok(world_new(&w, &c));
  check_ok(state_new(&s, w));
  check_ok(state_begin(s, 3));
  int64_t said[SENTIMENTS][SENTIMENTS] = {{0}}, stars[6] = {0};
  int good = 0, bad = 0;
  for (int32_t i = 0; i < 20000; i++) {
    review x;
    rng r = rng_at(13, 5, (uint32_t)i, 0);
    review_draw(w, s->taste, i % w->n, &r, &x);
    assert_true(x.rating >= 1 && x.rating <= 5 && utf8_valid(x.text) && strpbrk(x.text, "\"\\%") == NULL);
    assert_int_equal(x.feels, x.rating < 3 ? NEGATIVE : x.rating == 3 ? NEUTRAL : POSITIVE);
    const int32_t n = x.clauses[NEGATIVE] + x.clauses[NEUTRAL] + x.clauses[POSITIVE];
    assert_true(n >= 2 && n <= MOST_CLAUSES);
    for (int k = 0; k < SENTIMENTS; k++) said[x.feels][k] += x.clauses[k];
    stars[x.rating]++;
    good += x.rating >= 4 && item_quality(w, i % w->n) > 1;
    bad += x.rating < 3 && item_quality(w, i % w->n) > 1;
  }
  for (int f = 0; f < SENTIMENTS; f++) // each mostly says what it feels
    for (int k = 0; k < SENTIMENTS; k++) assert_true(k == f || 2 * said[f][f] > 3 * said[f][k]);
  for (int k = 1; k <= 5; k++) assert_true(stars[k] > 200);
  assert_true(good > 20 * bad);
  state_free(s);
  world_free(w);
}

// The curve of an oracle beside one made by comparing every pair.
static void test_yes_oracle(void **unused) {
  (void)unused;
  static yes_oracle o;
  double p[200], won = 0, pairs = 0;
  bool yes[200];
  rng r = rng_at(14, 5, 0, 0);
  for (int i = 0; i < 200; i++) {
    p[i] = (double)rng_below(&r, YES_BINS) / YES_BINS;
    if (p[i] <= 0) p[i] = 0.5;
    yes[i] = rng_unit(&r) < p[i];
    yes_count(&o, p[i], yes[i]);
  }
  for (int i = 0; i < 200; i++)
    for (int k = 0; k < 200; k++) {
      if (!yes[i] || yes[k]) continue;
      pairs++;
      won += p[i] > p[k] ? 1 : p[i] < p[k] ? 0 : 0.5;
    }
  assert_true(fabs(yes_auc(&o) - won / pairs) < 1e-12);
  memset(&o, 0, sizeof o);
  yes_count(&o, 0.3, true);
  assert_true(isnan(yes_auc(&o)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_words),   cmocka_unit_test(test_items),   cmocka_unit_test(test_probabilities),
      cmocka_unit_test(test_quality), cmocka_unit_test(test_markets), cmocka_unit_test(test_promotions),
      cmocka_unit_test(test_offers),  cmocka_unit_test(test_reviews), cmocka_unit_test(test_yes_oracle),
  };
  return cmocka_run_group_tests_name("synth", tests, NULL, NULL);
}
