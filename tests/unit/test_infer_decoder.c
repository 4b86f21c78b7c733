// The decoder of the inference module: logits against the formulas in double precision, with and without its cache; greedy copy.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "infer/decoder.h"
#include "infer/workspace.h"
#include "lib/check.h"
#include "lib/copy_bundle.h"
#include "lib/copy_reference.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"

enum { WORDS = 60, COPY_TOKENS = 9, CLASSES_MOST = 128, ROWS_MOST = 64 };

static char dir[256];
static souk_bundle *b;
static copy_reference *reference;

static void open_as(bool pre_norm, bool erf, bool from_end) {
  model_config c = copy_bundle_config();
  c.pre_norm = pre_norm;
  c.activation = erf ? 1 : 0;
  c.positions_from_end = from_end;
  tiny_directory(dir, sizeof dir);
  copy_bundle(dir, copy_vocab(WORDS), &c, COPY_TOKENS, 2);
  b = tiny_open(dir);
  assert_true(b->pre_norm == pre_norm && b->erf == erf && b->layout.positions_from_end == from_end);
  reference = copy_reference_open(b);
}

static void close_again(void) {
  copy_reference_close(reference);
  souk_close(b);
  tiny_remove(dir);
}

// The source of a request, as the decoder lays it out.
typedef struct source {
  int32_t ids[ROWS_MOST], types[ROWS_MOST], positions[ROWS_MOST];
  source_rows rows;
} source;

static void lay_out(source *s, const souk_promo_request *r, souk_promo_notes *notes) {
  source_space space;
  workspace *w = workspace_get(b->pool);
  char title[TITLE_BYTES];
  const promo_terms terms = source_terms(b, r, title);
  *notes = (souk_promo_notes){.copies = 0};
  s->rows = (source_rows){.ids = s->ids, .types = s->types, .positions = s->positions};
  assert_int_equal(area_reserve(&w->rank, source_space_bytes(b), NULL), SOUK_OK);
  source_space_open(&space, b, &w->rank);
  char why[256] = "";
  assert_int_equal(
      source_write(b, r, promo_terms_given(&terms), &space, &s->rows, notes, why, sizeof why, NULL), SOUK_OK);
  assert_string_equal(why, "");
  workspace_put(b->pool, w);
  assert_true(s->rows.plan.source <= ROWS_MOST);
}

static const int32_t events[] = {1, 0, 1};
static const int32_t bought[] = {3, 0, 5};

static souk_promo_request rich_request(void) {
  static const char *const brand[] = {"brand=x"};
  souk_promo_request r = copy_request();
  r.item = 2;
  r.history = (souk_history){.n = 3, .items = bought, .events = events};
  r.product = (souk_product){.attributes = brand, .n_attributes = 1};
  return r;
}

static double sum_of(const double *logits, int32_t n) {
  double most = -INFINITY, sum = 0;
  for (int32_t i = 0; i < n; i++) most = fmax(most, logits[i]);
  for (int32_t i = 0; i < n; i++) sum += exp(logits[i] - most);
  return most + log(sum);
}

// The log probability of a copy by the formulas.
static double by_formula(const source *s, const souk_copy *c) {
  double logits[CLASSES_MOST], total = 0;
  for (int32_t k = 0; k <= c->tokens; k++) {
    const int32_t next = k < c->tokens ? c->ids[k] : TOKEN_SEP;
    copy_reference_next(reference, s->ids, s->types, s->positions, s->rows.plan.source, c->ids, k, logits);
    total += logits[next] - sum_of(logits, b->copy.classes);
  }
  return total;
}

// May token i come behind tokens [n], as far as there is no lexicon?
static bool may_come(int32_t i, const int32_t *tokens, int32_t n, bool may_end) {
  const int32_t words = vocab_end(b->vocab, RANGE_WORDS);
  const char *text = vocab_token(b->vocab, i);
  const bool inside = i < words && text[0] == '#' && text[1] == '#';
  const bool behind = n > 0 && tokens[n - 1] < words; // a word that a piece can continue
  if (i >= TOKEN_SPECIALS && i < words) return !inside || behind;
  return i == b->copy.slots[SLOT_PRICE] || i == b->copy.slots[SLOT_PERCENT] || (i == TOKEN_SEP && may_end);
}

// The best of these by the formulas.
static int32_t best_by_formula(const source *s, const int32_t *tokens, int32_t n, bool may_end) {
  double logits[CLASSES_MOST];
  int32_t best = -1;
  copy_reference_next(reference, s->ids, s->types, s->positions, s->rows.plan.source, tokens, n, logits);
  for (int32_t i = 0; i < b->copy.classes; i++)
    if (may_come(i, tokens, n, may_end) && (best < 0 || logits[i] > logits[best])) best = i;
  return best;
}

static souk_promo *write(const souk_promo_request *r, size_t n, const souk_promo_options *o) {
  souk_promo *p;
  souk_error e;
  if (souk_promo_write(b, r, n, o, &p, &e) != SOUK_OK) fail_msg("%s", e.message);
  return p;
}

static souk_copy copy_of(const souk_promo *p, size_t request, int32_t copy) {
  souk_copy c;
  souk_error e;
  if (souk_promo_get_copy(p, request, copy, &c, &e) != SOUK_OK) fail_msg("%s", e.message);
  return c;
}

static void check_greedy(const souk_promo_request *r, int32_t most) {
  const souk_promo_options cached = {.max_tokens = most}, whole = {.max_tokens = most, .no_cache = 1};
  source s;
  souk_promo_notes notes;
  lay_out(&s, r, &notes);
  souk_promo *p = write(r, 1, &cached), *q = write(r, 1, &whole);
  const souk_copy c = copy_of(p, 0, 0), d = copy_of(q, 0, 0);
  const int32_t longest = most > 0 && most < COPY_TOKENS - 1 ? most : COPY_TOKENS - 1;
  assert_true(c.tokens <= longest && c.flags == (c.tokens == longest ? SOUK_COPY_CUT : 0));
  for (int32_t k = 0; k < c.tokens; k++) assert_int_equal(c.ids[k], best_by_formula(&s, c.ids, k, true));
  if (c.tokens < longest) assert_int_equal(best_by_formula(&s, c.ids, c.tokens, true), TOKEN_SEP);
  assert_int_equal(d.tokens, c.tokens);
  assert_memory_equal(d.ids, c.ids, (size_t)c.tokens * sizeof *c.ids);
  assert_string_equal(d.text, c.text);
  check_near(c.log_probability, by_formula(&s, &c), 1e-5 * (c.tokens + 1));
  check_near(d.log_probability, c.log_probability, 1e-5 * (c.tokens + 1));
  souk_promo_free(p);
  souk_promo_free(q);
}

static void greedy_follows_the_formulas(void **state) {
  (void)state;
  for (int kind = 0; kind < 8; kind++) {
    open_as(kind % 2 == 1, kind / 2 % 2 == 1, kind / 4 == 1);
    const souk_promo_request rich = rich_request(), plain = copy_request();
    for (int32_t most = 0; most < 4; most++) {
      check_greedy(&rich, most);
      check_greedy(&plain, most);
    }
    close_again();
  }
}

// ---- logits --------------------------------------------------------------------------------------------------

typedef struct filler {
  const source *s;
  copy_cache *cache;
} filler;

static int32_t rows_of(const void *arg, size_t i) {
  (void)i;
  return ((const filler *)arg)->s->rows.plan.source;
}
static souk_status add_rows(void *arg, chunk *c, size_t i, souk_error *e) {
  const filler *f = arg;
  const int32_t n = f->s->rows.plan.source;
  (void)i;
  PASS(chunk_room(c, n, e));
  memcpy(c->ids, f->s->ids, (size_t)n * sizeof *c->ids);
  memcpy(c->types, f->s->types, (size_t)n * sizeof *c->ids);
  memcpy(c->positions, f->s->positions, (size_t)n * sizeof *c->ids);
  chunk_added(c, n, n - 1);
  return SOUK_OK;
}
static void keep(void *arg, const chunk *c, int32_t layer) {
  copy_cache_keep(((const filler *)arg)->cache, c, layer, 0, 0);
}
static void nothing(void *arg, const chunk *c, size_t first) {
  (void)arg;
  (void)c;
  (void)first;
}

// Random copies of which a trellis of hypotheses shares beginnings, through the cache, a step at a time.
static void cached_logits_are_those_of_the_formulas(void **state) {
  (void)state;
  enum { PLACES = 3, STEPS = 8 };
  static double wanted[CLASSES_MOST];
  static float logits[PLACES * CLASSES_MOST];
  for (int pre = 0; pre < 2; pre++) {
    open_as(pre == 1, pre == 0, false);
    const souk_promo_request r = rich_request();
    souk_promo_notes notes;
    source s;
    copy_cache cache;
    area room = {.memory = NULL}, scratch = {.memory = NULL};
    chunk c = {.b = b, .k = simd(), .most_T = PLACES, .most_S = PLACES, .longest = 1};
    int32_t tokens[2][PLACES][STEPS];
    uint8_t places[2][PLACES][STEPS];
    rng draw = rng_at(5, 1, (uint32_t)pre, 0);
    lay_out(&s, &r, &notes);
    assert_int_equal(copy_cache_open(&cache, b, 1, PLACES, STEPS, NULL), SOUK_OK);
    filler f = {&s, &cache};
    const chunk_job job = {
        .b = b, .longest = rows_of, .add = add_rows, .keep = keep, .done = nothing, .arg = &f};
    assert_int_equal(chunks_run(&job, &room, 1, NULL), SOUK_OK);
    assert_int_equal(area_reserve(&scratch, chunk_bytes(&c), NULL), SOUK_OK);
    chunk_open(&c, &scratch);
    for (int32_t k = 0; k < STEPS; k++) {
      const int now = k % 2, before = 1 - now;
      copy_row step[PLACES];
      for (int32_t p = 0; p < PLACES; p++) { // each place goes on from any of the others
        const uint64_t from = rng_below(&draw, PLACES);
        if (k > 0) memcpy(tokens[now][p], tokens[before][from], sizeof tokens[now][p]);
        if (k > 0) memcpy(places[now][p], places[before][from], sizeof places[now][p]);
        tokens[now][p][k] = TOKEN_SPECIALS + (int32_t)rng_below(&draw, WORDS);
        places[now][p][k] = (uint8_t)p;
        step[p] = (copy_row){.tokens = tokens[now][p],
                             .place = p,
                             .at = k,
                             .adapter = -1,
                             .type = copy_row_type(&b->copy.layout),
                             .position = copy_row_position(&s.rows.plan, s.rows.plan.source + k),
                             .places = places[now][p]};
      }
      copy_cache_step(&cache, &c, step, PLACES);
      copy_logits(&c, logits);
      for (int32_t p = 0; p < PLACES; p++) {
        copy_reference_next(reference, s.ids, s.types, s.positions, s.rows.plan.source, tokens[now][p], k + 1,
                            wanted);
        for (int32_t i = 0; i < b->copy.classes; i++)
          check_near((double)logits[p * b->copy.classes + i], wanted[i], 1e-5);
      }
    }
    copy_cache_close(&cache);
    free(room.memory);
    free(scratch.memory);
    close_again();
  }
}

// ---- draws ---------------------------------------------------------------------------------------------------

// Of copies of one token: the probabilities of draws, from the formulas.
static double expected[CLASSES_MOST];

static void expect(double temperature, int32_t most, double top_p) {
  double logits[CLASSES_MOST], sum = 0, kept = 0;
  const souk_promo_request r = copy_request();
  souk_promo_notes notes;
  source s;
  int32_t order[CLASSES_MOST], n = 0;
  lay_out(&s, &r, &notes);
  copy_reference_next(reference, s.ids, s.types, s.positions, s.rows.plan.source, NULL, 0, logits);
  for (int32_t i = 0; i < b->copy.classes; i++) {
    expected[i] = may_come(i, NULL, 0, false) ? exp(logits[i] / temperature) : 0;
    int32_t at = n;
    if (expected[i] <= 0) continue;
    while (at > 0 && expected[order[at - 1]] < expected[i]) at--;
    memmove(order + at + 1, order + at, (size_t)(n - at) * sizeof *order);
    order[at] = i;
    n++;
  }
  for (int32_t i = 0; i < n; i++) {
    if (most > 0 && i >= most) expected[order[i]] = 0;
    sum += expected[order[i]];
  }
  for (int32_t i = 0; i < n; i++) {
    if (kept >= top_p * sum) expected[order[i]] = 0;
    kept += expected[order[i]];
  }
  for (int32_t i = 0; i < n; i++) expected[order[i]] /= kept;
}

static void check_draws(double temperature, int32_t most, double top_p) {
  enum { DRAWS = 64, CALLS = 100 };
  static int32_t seen[CLASSES_MOST];
  souk_promo_request r = copy_request();
  double chi = 0;
  int32_t cells = 0;
  r.max_tokens = r.min_tokens = 1;
  memset(seen, 0, sizeof seen);
  expect(temperature, most, top_p);
  for (int call = 0; call < CALLS; call++) {
    const souk_promo_options o = {.decode = SOUK_DECODE_SAMPLE,
                                  .n_best = DRAWS,
                                  .temperature = temperature,
                                  .top_k = most,
                                  .top_p = top_p,
                                  .seed = (uint64_t)call + 7};
    souk_promo *p = write(&r, 1, &o);
    for (int32_t k = 0; k < DRAWS; k++) seen[copy_of(p, 0, k).ids[0]]++;
    souk_promo_free(p);
  }
  for (int32_t i = 0; i < b->copy.classes; i++) {
    const double wanted = expected[i] * DRAWS * CALLS;
    if (expected[i] <= 0 && seen[i] > 0) fail_msg("token %d came, and should not", i);
    if (expected[i] <= 0) continue;
    cells++;
    chi += (seen[i] - wanted) * (seen[i] - wanted) / wanted;
  }
  const double limit =
      cells + 5 * sqrt(2.0 * cells) + 5; // five standard deviations, and some for cells of few
  if (chi > limit) fail_msg("chi-square is %g of %d cells at temperature %g", chi, cells, temperature);
}

static void draws_follow_the_distribution(void **state) {
  (void)state;
  open_as(false, false, false);
  check_draws(1, 0, 1);
  check_draws(3, 0, 1);
  check_draws(1, 3, 1);
  check_draws(2, 0, 0.7);
  check_draws(3, 9, 0.6);
  close_again();
}

// ---- sources -------------------------------------------------------------------------------------------------

static void sources_say_what_was_not_understood(void **state) {
  (void)state;
  static const int32_t some[] = {1, -1, 2, -1};
  static const char *const brands[] = {"brand=x", "brand=nobody"};
  source s;
  souk_promo_notes notes;
  open_as(false, false, false);
  souk_promo_request r = copy_request();
  lay_out(&s, &r, &notes);
  const char *const wanted[] = {"[CLS]",      "language:en", "market:us",    "promo:discount",
                                "goal:sales", "slot:price",  "slot:percent", "[SEP]"};
  assert_int_equal(s.rows.plan.source, 8);
  for (int i = 0; i < 8; i++) assert_string_equal(vocab_token(b->vocab, s.ids[i]), wanted[i]);
  assert_true(notes.unknown_context == 0 && notes.source_tokens == 8);
  r.goal = "win back";
  r.type = "two for one";
  r.market = "gb";
  r.history = (souk_history){.n = 4, .items = some};
  r.product = (souk_product){.attributes = brands, .n_attributes = 2};
  r.item = 4;
  lay_out(&s, &r, &notes);
  assert_true(s.ids[2] == TOKEN_UNK && s.ids[3] == TOKEN_UNK && s.ids[4] == TOKEN_UNK);
  assert_true(notes.unknown_context == 3 && notes.unknown_items == 2 && notes.unknown_attributes == 1);
  assert_string_equal(vocab_token(b->vocab, s.ids[7]), "item4");
  assert_string_equal(vocab_token(b->vocab, s.ids[8]), "brand=x");
  assert_int_equal(s.rows.plan.source, 12);
  close_again();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(greedy_follows_the_formulas),
      cmocka_unit_test(cached_logits_are_those_of_the_formulas),
      cmocka_unit_test(draws_follow_the_distribution),
      cmocka_unit_test(sources_say_what_was_not_understood),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
