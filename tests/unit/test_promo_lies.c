// The decoder is tempted to lie: a random model over a vocabulary that is made to lie with, requests that are made to deceive, every search
// and high temperatures. A scanner that shares no code with the decoder reads all that is written, with FULL=1 a hundred thousand copies.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "format/utf8.h"
#include "lib/check.h"
#include "lib/copy_bundle.h"
#include "lib/promo_lies.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"

enum { BATCH = 32, COPY_TOKENS = 20 };

static char dir[256];
static souk_bundle *b;
static souk_lexicon *lexicons[LIE_LEXICONS];

static void add(vocab *v, vocab_range range, const char *text) {
  format_error e;
  if (!vocabulary_add(v, range, text, 1, NULL, &e)) fail_msg("%s", e.message);
}

static vocab *lie_vocab(void) {
  static const char *const attributes[] = {
      "brand=x",    "language:en",  "language:zh", "market:cn",      "market:us",      "market:gb",
      "market:eu",  "market:jp",    "promo:gift",  "goal:sales",     "promo:discount", "slot:item",
      "slot:price", "slot:percent", "slot:amount", "slot:threshold", "slot:date",      "slot:code"};
  format_error e;
  vocab *v;
  size_t n;
  if (!vocabulary_new(&v, &e)) fail_msg("%s", e.message);
  const char *const *const words = lie_words(&n);
  for (size_t i = 0; i < n; i++) // a bundle has no pieces of characters; test_promo_walks does
    if (utf8_valid_bytes(words[i], strlen(words[i])) && vocab_find(v, RANGE_WORDS, words[i]) < 0)
      add(v, RANGE_WORDS, words[i]);
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) add(v, RANGE_ATTRIBUTES, attributes[i]);
  for (int32_t i = 0; i < COPY_ITEMS; i++) {
    char name[32];
    snprintf(name, sizeof name, "item%d", i);
    add(v, RANGE_ITEMS, name);
  }
  return v;
}

static int open_all(void **state) {
  (void)state;
  model_config c = copy_bundle_config();
  c.max_positions = 80;
  tiny_directory(dir, sizeof dir);
  copy_bundle(dir, lie_vocab(), &c, COPY_TOKENS, 1);
  b = tiny_open(dir);
  for (size_t i = 0; i < LIE_LEXICONS; i++) {
    char *const text = lie_lexicon_text(lie_lexicon_at(i));
    const souk_lexicon_text file = {.text = text, .bytes = strlen(text), .name = "lies.txt"};
    souk_error e;
    if (souk_lexicon_new(&lexicons[i], b, &file, 1, &e) != SOUK_OK) fail_msg("%s", e.message);
    free(text);
  }
  return 0;
}

static int close_all(void **state) {
  (void)state;
  for (size_t i = 0; i < LIE_LEXICONS; i++) souk_lexicon_free(lexicons[i]);
  souk_close(b);
  tiny_remove(dir);
  return 0;
}

static souk_promo_request request_of(const lie_request *q, uint32_t number) {
  return (souk_promo_request){.item = number % 3 == 0 ? (int32_t)(number % COPY_ITEMS) : -1,
                              .product = {.text = q->title, .bytes = q->title == NULL ? 0 : strlen(q->title)},
                              .goal = q->goal,
                              .type = q->type,
                              .market = q->market,
                              .language = q->language,
                              .terms = {.item = q->item,
                                        .code = q->code,
                                        .price = q->price,
                                        .was = q->was,
                                        .percent = q->percent,
                                        .amount = q->amount,
                                        .threshold = q->threshold,
                                        .year = q->year,
                                        .month = q->month,
                                        .day = q->day},
                              .seed = number,
                              .lexicon = q->lexicon == 0 && number % 2 == 0 ? NULL : lexicons[q->lexicon],
                              .required = q->required,
                              .banned = q->banned,
                              .n_required = q->n_required,
                              .n_banned = q->n_banned,
                              .required_slots = q->required_slots,
                              .min_tokens = q->min_tokens,
                              .max_tokens = q->max_tokens < COPY_TOKENS ? q->max_tokens : 0};
}

// What a round has seen.
typedef struct tally {
  size_t copies, templates, refused, arguments, violations;
  size_t by_strangers; // violations if another request's terms were the truth
} tally;

typedef struct offers {
  lie_request lies[BATCH];
  souk_promo_request requests[BATCH];
  size_t n;
} offers;

// Writes copy for a batch; requests that are no arguments (a title that is no UTF-8) are taken out, one by one.
static souk_promo *write_all(offers *x, const souk_promo_options *o, tally *t) {
  souk_promo *p;
  souk_error e;
  for (;;) {
    const souk_status rc = souk_promo_write(b, x->requests, x->n, o, &p, &e);
    if (rc == SOUK_OK) return p;
    size_t at = 0;
    const char *const where = strstr(e.message, "requests[");
    if ((rc != SOUK_ERR_ARGUMENT && rc != SOUK_ERR_FORMAT) || where == NULL ||
        sscanf(where, "requests[%zu]", &at) != 1 || at >= x->n)
      fail_msg("%s", e.message);
    t->arguments++;
    x->n--;
    x->lies[at] = x->lies[x->n], x->requests[at] = x->requests[x->n];
    // Phrases are in the lie itself.
    x->requests[at].required = x->lies[at].required, x->requests[at].banned = x->lies[at].banned;
  }
}

static void judge(const lie_request *q, const lie_request *stranger, const souk_copy *c, int *shown,
                  tally *t) {
  int none = 0;
  t->copies++;
  t->templates += (c->flags & SOUK_COPY_TEMPLATE) != 0;
  t->refused += (c->flags & SOUK_COPY_REFUSED) != 0;
  assert_int_equal(strlen(c->text), c->bytes);
  if (q->contradiction != NULL && (c->flags & (SOUK_COPY_TEMPLATE | SOUK_COPY_REFUSED)) == 0)
    fail_msg("%s, and the copy is \"%s\"", q->contradiction, c->text);
  if ((c->flags & (SOUK_COPY_TEMPLATE | SOUK_COPY_REFUSED)) != 0) assert_true(c->reason[0] != '\0');
  if ((c->flags & SOUK_COPY_REFUSED) != 0) assert_int_equal(c->bytes, 0);
  t->violations += lie_judge(q, c->text, c->bytes, shown);
  t->by_strangers += lie_judge(stranger, c->text, c->bytes, &none);
}

static void write_batch(uint32_t first, const souk_promo_options *o, int *shown, tally *t) {
  offers x = {.n = BATCH};
  for (uint32_t i = 0; i < BATCH; i++) x.lies[i] = lie_request_at(2, first + i);
  for (uint32_t i = 0; i < BATCH; i++) x.requests[i] = request_of(&x.lies[i], first + i);
  souk_promo *const p = write_all(&x, o, t);
  for (size_t i = 0; i < x.n; i++) {
    souk_promo_notes notes;
    if (souk_promo_get_notes(p, i, &notes, NULL) != SOUK_OK) fail_msg("no notes");
    assert_true(notes.copies > 0);
    for (int32_t k = 0; k < notes.copies; k++) {
      souk_copy c;
      if (souk_promo_get_copy(p, i, k, &c, NULL) != SOUK_OK) fail_msg("no copy");
      judge(&x.lies[i], &x.lies[(i + 1) % x.n], &c, shown, t);
    }
  }
  souk_promo_free(p);
}

// The searches, in turns; most of it is sampled.
static souk_promo_options search(uint32_t turn) {
  souk_promo_options o = {.threads = 1, .decode = SOUK_DECODE_SAMPLE, .n_best = 8, .seed = turn};
  switch (turn % 8) {
  case 0:
    o.decode = SOUK_DECODE_GREEDY, o.n_best = 1;
    break;
  case 1:
    o.decode = SOUK_DECODE_BEAM, o.n_best = 4, o.beam = 4, o.length_penalty = 0.6;
    break;
  case 2:
    o.decode = SOUK_DECODE_BEAM, o.n_best = 6, o.beam = 6, o.beam_groups = 3, o.diversity = 2;
    break;
  case 3:
    o.temperature = 1.5, o.top_p = 0.9;
    break;
  case 4:
    o.temperature = 2, o.no_repeat = 2;
    break;
  default:
    o.temperature = 1.5 + 0.5 * (double)(turn % 8);
  }
  return o;
}

static void nothing_false_is_written(void **state) {
  (void)state;
  const char *const asked = getenv("FULL");
  const bool full = asked != NULL && strcmp(asked, "1") == 0;
  const size_t wanted = full ? 100000 : 3000;
  tally t = {.copies = 0};
  int shown = 20;
  for (uint32_t turn = 0; t.copies < wanted; turn++) {
    const souk_promo_options o = search(turn);
    write_batch(turn * BATCH, &o, &shown, &t);
  }
  print_message("%zu copies, %zu of them templates and %zu refused; %zu requests were no arguments\n",
                t.copies, t.templates, t.refused, t.arguments);
  if (t.violations > 0) fail_msg("%zu violations", t.violations);
  assert_true(t.templates + t.refused < t.copies * 9 / 10);
  assert_true(t.arguments > 0);
  // The same copies would be lies for another offer, and the scanner says so.
  print_message("%zu violations if the terms were those of the next request\n", t.by_strangers);
  assert_true(t.by_strangers > t.copies / 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_false_is_written)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
