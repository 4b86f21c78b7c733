// Masks beside stepping through every piece, over random lexicons, vocabularies and texts; and from many threads at once.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "format/lexicon_mask.h"
#include "lib/check.h"

enum { PIECES = 400, LONGEST = 24, WORDS = (PIECES + 63) / 64 };

typedef struct world {
  lexicon *l, *other_l;
  lexicon_words *w, *other;
  lexicon_piece pieces[PIECES];
  char texts[PIECES][LONGEST];
  char phrases[2048];
} world;

// What phrases and pieces are made of. The last are parts of characters, and no text.
static const char *const parts[] = {
    "a",      "b",      "e",        "st",       "the",    "two",    "off",     "day",    "s",
    "one",    "and",    "\u6700",   "\u8fd1",   "\u597d", "\u4e09", "\u4ef6",  "\u6298", "\u4e00",
    "\u591a", "\u6ee1", "\u5305",   "\u90ae",   "\u79d2", "\u6740", "\u7684",  "\u00e9", "A",
    "\uff42", " ",      "-",        ".",        "%",      "$",      "\uffe5",  "\u3002", "\u200b",
    "7",      "\xe6",   "\x9c\x80", "\xe6\x9c", "\x80",   "\xff",   "\xe4\xbb"};
enum { PARTS = sizeof parts / sizeof *parts, WHOLE = PARTS - 6, LETTERS = 27 };

static void draw_phrases(rng *r, char *text) {
  static const char *const marks[] = {"", "", "", "!", "!", ""};
  for (uint32_t k = 0, n = 1 + (uint32_t)rng_below(r, 12); k < n; k++) {
    strcat(text, marks[rng_below(r, 6)]);
    for (uint32_t i = 0, m = 1 + (uint32_t)rng_below(r, 4); i < m; i++) {
      if (i > 0 && rng_below(r, 3) == 0) strcat(text, " ");
      strcat(text, parts[rng_below(r, LETTERS)]);
    }
    strcat(text, "\n");
  }
}

static void make_world(world *x, uint32_t seed) {
  rng r = rng_at(seed, 21, 0, 0);
  format_error e;
  memset(x, 0, sizeof *x);
  draw_phrases(&r, x->phrases);
  for (int i = 0; i < PIECES; i++) {
    for (uint32_t k = 0, n = 1 + (uint32_t)rng_below(&r, 4); k < n; k++)
      strcat(x->texts[i], parts[rng_below(&r, seed % 2 == 0 ? WHOLE : PARTS)]);
    x->pieces[i] = (lexicon_piece){x->texts[i], rng_below(&r, 3) == 0};
  }
  x->pieces[7].text = NULL;
  x->texts[8][0] = '\0';
  const lexicon_text text = {x->phrases, strlen(x->phrases), "x", LEXICON_FILE};
  const bool like = seed % 3 == 0; // pieces by way of a lexicon without phrases
  if (!lexicon_compile(&x->l, &text, 1, &e) || !lexicon_compile(&x->other_l, &text, 0, &e) ||
      !lexicon_bind(&x->other, like ? x->other_l : x->l, x->pieces, PIECES, &e) ||
      (like && !lexicon_bind_like(&x->w, x->l, x->other, &e)))
    fail_msg("%s", e.message);
  if (!like) {
    x->w = x->other;
    x->other = NULL;
  }
}

static void free_world(world *x) {
  lexicon_words_free(x->w);
  lexicon_words_free(x->other);
  lexicon_free(x->l);
  lexicon_free(x->other_l);
}

static bool step_piece(const world *x, int i, lexicon_state *s, const copy_join *j) {
  const char *text = x->pieces[i].text;
  if (text == NULL || text[0] == '\0') return false;
  const size_t bytes = strlen(text);
  const copy_kind kind = copy_kind_of(text, bytes, x->pieces[i].continues);
  if (copy_join_space(j, kind) && !lexicon_step(x->l, s, " ", 1)) return false;
  return lexicon_step(x->l, s, text, bytes) && !lexicon_cornered(x->l, s);
}

// The mask of a state, checked; how many pieces it has.
static int check_mask(const world *x, const lexicon_state *s, const copy_join *j, uint64_t *bits) {
  int n = 0;
  lexicon_mask(x->w, s, j, bits);
  for (int i = 0; i < PIECES; i++) {
    lexicon_state next = *s;
    const bool wanted = step_piece(x, i, &next, j), got = (bits[i / 64] >> (i % 64) & 1) != 0;
    if (wanted != got)
      fail_msg("piece \"%s\" is %sadmissible, and the mask says otherwise; live %d, number %d, last %d; "
               "lexicon\n%s",
               x->texts[i], wanted ? "" : "not ", s->n, s->number, s->last, x->phrases);
    n += got;
  }
  return n;
}

static void write_slot(const world *x, rng *r, lexicon_state *s, copy_join *j) {
  static const struct {
    promo_slot slot;
    const char *text;
  } slots[] = {{SLOT_PRICE, "$199"},
               {SLOT_PERCENT, "20% off"},
               {SLOT_AMOUNT, "50"},
               {SLOT_ITEM, "coat 3"},
               {SLOT_ITEM, "\u6700\u8fd1"}};
  const int i = (int)rng_below(r, 5);
  lexicon_state next = *s;
  const size_t bytes = strlen(slots[i].text);
  const copy_kind kind = copy_kind_of(slots[i].text, bytes, false);
  if (copy_join_space(j, kind) && !lexicon_step(x->l, &next, " ", 1)) return;
  if (!lexicon_step_slot(x->l, &next, slots[i].slot, slots[i].text, bytes)) return;
  *s = next;
  copy_join_after(j, slots[i].text, bytes, kind);
}

// Writes a text of pieces that may come, and checks every mask on the way. Returns how many there were.
static int write_text(const world *x, rng *r) {
  lexicon_state s;
  copy_join j = {0};
  int masks = 0;
  lexicon_begin(&s);
  for (int step = 0; step < 12; step++) {
    uint64_t bits[WORDS];
    const int n = check_mask(x, &s, &j, bits);
    masks++;
    if (n == 0) break;
    int chosen = (int)rng_below(r, (uint32_t)n), i = -1;
    while (chosen >= 0)
      if (i++, (bits[i / 64] >> (i % 64) & 1) != 0) chosen--;
    assert_true(step_piece(x, i, &s, &j));
    copy_join_after(&j, x->texts[i], strlen(x->texts[i]),
                    copy_kind_of(x->texts[i], strlen(x->texts[i]), x->pieces[i].continues));
    if (rng_below(r, 6) == 0 && s.n_partial == 0) write_slot(x, r, &s, &j);
  }
  return masks;
}

static void masks_are_those_of_stepping(void **unused) {
  (void)unused;
  static world x;
  int masks = 0;
  for (uint32_t seed = 0; seed < 120; seed++) {
    make_world(&x, seed);
    rng r = rng_at(seed, 22, 0, 0);
    for (int k = 0; k < 20; k++) masks += write_text(&x, &r);
    free_world(&x);
  }
  print_message("%d masks of %d pieces\n", masks, PIECES);
  assert_true(masks > 10000);
}

// ---- threads -------------------------------------------------------------------------------------------------

typedef struct job {
  const world *x;
  uint32_t seed;
  int masks;
} job;

static void *write_texts(void *arg) {
  job *j = arg;
  rng r = rng_at(j->seed, 23, 0, 0);
  for (int k = 0; k < 20; k++) j->masks += write_text(j->x, &r);
  return NULL;
}

static void threads_share_one(void **unused) {
  (void)unused;
  enum { THREADS = 4 };
  static world x;
  make_world(&x, 3);
  pthread_t threads[THREADS];
  job jobs[THREADS];
  for (int i = 0; i < THREADS; i++) {
    jobs[i] = (job){&x, (uint32_t)i % 2, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, write_texts, &jobs[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_true(jobs[0].masks > 20 && jobs[0].masks == jobs[2].masks && jobs[1].masks == jobs[3].masks);
  free_world(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(masks_are_those_of_stepping),
                                     cmocka_unit_test(threads_share_one)};
  return cmocka_run_group_tests_name("lexicon_mask", tests, NULL, NULL);
}
