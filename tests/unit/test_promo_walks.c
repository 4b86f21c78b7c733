// Copy written at random under a lexicon's mask, over a vocabulary that is made to lie with and for requests that are made to deceive: what a
// decoder could write at an infinite temperature. A scanner that shares no code with the mask reads all of it.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "format/lexicon_mask.h"
#include "lib/check.h"
#include "lib/promo_lies.h"

enum { MOST_WORDS = 1024, MOST_TOKENS = 24, MOST_BYTES = 64 * 1024 };

typedef struct walker {
  lexicon_piece pieces[MOST_WORDS];
  size_t n_pieces;
  lexicon *lexicons[LIE_LEXICONS];
  lexicon_words *words[LIE_LEXICONS];
} walker;

// A decoder writes neither control characters nor pieces that nobody sees.
static bool unseen(const char *piece) {
  static const char *const all[] = {"\n", "\u200b", "\u00ad", "\u202e"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(piece, all[i]) == 0) return true;
  return false;
}

static walker *walker_new(void) {
  walker *const w = calloc(1, sizeof *w);
  format_error e;
  size_t n;
  const char *const *texts = lie_words(&n);
  assert_true(n <= MOST_WORDS);
  for (size_t i = 0; i < n; i++) {
    const bool inside = strncmp(texts[i], "##", 2) == 0 && texts[i][2] != '\0';
    if (unseen(texts[i])) continue;
    w->pieces[w->n_pieces++] = (lexicon_piece){texts[i] + (inside ? 2 : 0), inside};
  }
  for (size_t i = 0; i < LIE_LEXICONS; i++) {
    char *const text = lie_lexicon_text(lie_lexicon_at(i));
    const lexicon_text file = {text, strlen(text), "lies.txt", LEXICON_FILE};
    if (!lexicon_compile(&w->lexicons[i], &file, 1, &e)) fail_msg("%s", e.message);
    if (!lexicon_bind(&w->words[i], w->lexicons[i], w->pieces, (int32_t)w->n_pieces, &e))
      fail_msg("%s", e.message);
    free(text);
  }
  return w;
}

static void walker_free(walker *w) {
  for (size_t i = 0; i < LIE_LEXICONS; i++) lexicon_words_free(w->words[i]), lexicon_free(w->lexicons[i]);
  free(w);
}

// Terms as the decoder reads them from a request: 0 is not given.
static promo_terms terms_of(const lie_request *r) {
  promo_terms t = promo_terms_none();
  t.item = r->item, t.code = r->code;
  if (r->price != 0) t.price = r->price;
  if (r->was != 0) t.was = r->was;
  if (r->percent != 0) t.percent = r->percent;
  if (r->amount != 0) t.amount = r->amount;
  if (r->threshold != 0) t.threshold = r->threshold;
  t.year = r->year, t.month = r->month, t.day = r->day;
  return t;
}

typedef struct draft {
  lexicon_state state;
  copy_join join;
  char text[MOST_BYTES];
  size_t bytes;
  bool closed; // nothing may continue what the text ends with: it is empty, or ends with a slot
} draft;

static void append(draft *d, const char *piece, bool inside) {
  d->bytes += copy_join_piece(&d->join, piece, inside, d->text + d->bytes, MOST_BYTES - d->bytes);
  assert_true(d->bytes < MOST_BYTES);
}

// Writes a slot's text, if it may come.
static bool write_slot(const lexicon *l, draft *d, promo_slot slot, const char *text) {
  const bool space = copy_join_space(&d->join, copy_kind_of(text, strlen(text), false));
  lexicon_state s = d->state;
  if ((space && !lexicon_step(l, &s, " ", 1)) || !lexicon_step_slot(l, &s, slot, text, strlen(text)))
    return false;
  if (lexicon_cornered(l, &s)) return false;
  d->state = s;
  append(d, text, false);
  d->closed = true;
  return true;
}

static bool write_word(const walker *w, const lie_request *q, bool masked, draft *d, rng *r) {
  uint64_t bits[MOST_WORDS / 64];
  uint32_t open[MOST_WORDS];
  size_t n = 0;
  lexicon_mask(w->words[q->lexicon], &d->state, &d->join, bits);
  for (uint32_t i = 0; i < w->n_pieces; i++)
    if (!masked || ((bits[i / 64] >> (i % 64) & 1) && !(d->closed && w->pieces[i].continues))) open[n++] = i;
  if (n == 0) return false;
  const lexicon_piece p = w->pieces[open[rng_below(r, n)]];
  const size_t before = d->bytes;
  append(d, p.text, p.continues);
  d->closed = false;
  if (!masked) return true;
  if (!lexicon_step(w->lexicons[q->lexicon], &d->state, d->text + before, d->bytes - before))
    fail_msg("the mask let come what the automaton does not: \"%s\"", d->text);
  return true;
}

// Writes a copy at random into *d; false: it came to where nothing may follow and it may not end.
static bool walk(const walker *w, const lie_request *q, uint32_t number, bool masked, draft *d) {
  const lexicon *const l = w->lexicons[q->lexicon];
  const promo_market *const market = promo_market_named(q->market);
  const promo_language language = strcmp(q->language, "zh") == 0 ? LANGUAGE_ZH : LANGUAGE_EN;
  promo_terms t = terms_of(q);
  format_error e;
  if (!promo_terms_check(&t, &e)) {
    t = promo_terms_none();
  } else if (q->contradiction != NULL) {
    fail_msg("terms that contradict each other were taken: %s", q->contradiction);
  }
  char slot[PROMO_TERM_BYTES];
  rng r = rng_at(5, 78, number, 0);
  *d = (draft){.closed = true};
  lexicon_begin(&d->state);
  const size_t least = 1 + (size_t)rng_below(&r, MOST_TOKENS);
  for (size_t i = 0; i < 4 * MOST_TOKENS; i++) {
    if (i >= least && (!masked || lexicon_may_end(l, &d->state))) return true;
    const promo_slot s = (promo_slot)rng_below(&r, 3 * SLOT_COUNT);
    if (s < SLOT_COUNT && promo_render(s, &t, market, language, slot, sizeof slot) > 0 &&
        write_slot(l, d, s, slot))
      continue;
    if (!write_word(w, q, masked, d, &r)) return false;
  }
  return false;
}

static size_t violations(const walker *w, uint32_t n, bool masked, size_t *finished) {
  draft *const d = malloc(sizeof *d);
  size_t found = 0;
  int shown = masked ? 12 : 0;
  *finished = 0;
  for (uint32_t i = 0; i < n; i++) {
    lie_request q = lie_request_at(1, i);
    q.n_banned = 0; // lexicons alone
    if (!walk(w, &q, i, masked, d)) continue;
    ++*finished;
    found += lie_judge(&q, d->text, d->bytes, &shown);
  }
  free(d);
  return found;
}

static void nothing_false_is_written(void **state) {
  (void)state;
  walker *const w = walker_new();
  const char *const asked = getenv("FULL");
  const bool full = asked != NULL && strcmp(asked, "1") == 0;
  const uint32_t n = full ? 100000 : 3000;
  size_t finished;
  const size_t found = violations(w, n, true, &finished);
  print_message("%zu of %u walks came to an end\n", finished, n);
  if (found > 0) fail_msg("%zu violations", found);
  assert_true(finished > n / 2);
  walker_free(w);
}

// Without the mask nearly every copy lies, and the scanner says so.
static void without_the_mask_much_is(void **state) {
  (void)state;
  walker *const w = walker_new();
  size_t finished;
  const size_t found = violations(w, 500, false, &finished);
  print_message("%zu violations in %zu copies\n", found, finished);
  assert_true(found > finished);
  walker_free(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_false_is_written),
      cmocka_unit_test(without_the_mask_much_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
