// How pieces of words are joined to text: rules one by one, and whether texts that the tokeniser cuts come back as they were.
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "format/copy_text.h"
#include "format/utf8.h"
#include "format/word_tokenizer.h"
#include "lib/check.h"

enum { LONGEST = 8192 };

// Joins words with spaces between them, "##x" continuing one, as they are in a vocabulary.
static void join_words(const char *words, char text[LONGEST]) {
  copy_join j = {0};
  size_t at = 0;
  text[0] = '\0';
  for (const char *w = words; *w != '\0';) {
    char piece[256];
    const size_t n = strcspn(w, " ");
    const bool continues = strncmp(w, "##", 2) == 0 && n > 2;
    snprintf(piece, sizeof piece, "%.*s", (int)(continues ? n - 2 : n), continues ? w + 2 : w);
    at += copy_join_piece(&j, piece, continues, text + at, LONGEST - at);
    w += n + (w[n] == ' ');
  }
}

static void rules_one_by_one(void **unused) {
  (void)unused;
  static const char *const cases[][2] = {
      {"", ""},
      {"soft ##er cotton , 20 % off !", "softer cotton, 20% off!"},
      {"it ' s dad ' s , don ' t", "it's dad's, don't"},
      {"l ' oreal dogs ' toys", "l'oreal dogs' toys"},
      {"say \" hello \" twice", "say \"hello\" twice"},
      {"a 15 \" laptop \" pro \"", "a 15\" laptop \"pro\""},
      {"save $ 3 . 50 at 12 : 30 . now", "save $3.50 at 12:30. now"},
      {"1 , 000 pieces , 3 , 4 sizes", "1,000 pieces, 3, 4 sizes"},
      {"t - shirt ( men ) / women", "t-shirt (men)/women"},
      {"h & m , black & white , spf 50 +", "h&m, black & white, spf 50+"},
      {"\u6700 \u8fd1 logo \u5f88 \u597d \u3002 new look", "\u6700\u8fd1logo\u5f88\u597d\u3002new look"},
      {"\u597d ! new , \u597d + \u7f8e", "\u597d!new,\u597d+\u7f8e"},
      {"\u201c soft \u201d and \u2018 warm \u2019", "\u201csoft\u201d and \u2018warm\u2019"},
      {"caf\u00e9 cr\u00e8me", "caf\u00e9 cr\u00e8me"},
      {"\ud55c\uad6d \uc0ac\ub78c", "\ud55c\uad6d \uc0ac\ub78c"},
      {"now \uffe5199 \u53ea", "now\uffe5199\u53ea"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[LONGEST];
    join_words(cases[i][0], text);
    if (strcmp(text, cases[i][1]) != 0)
      fail_msg("\"%s\" is \"%s\" and not \"%s\"", cases[i][0], text, cases[i][1]);
  }
}

// As snprintf: whatever the room, the length is that of the whole, and what is written is its beginning.
static void writes_no_more_than_there_is_room_for(void **unused) {
  (void)unused;
  for (size_t room = 0; room < 12; room++) {
    copy_join j = {0};
    char to[16];
    memset(to, '#', sizeof to);
    copy_join_piece(&j, "a", false, NULL, 0);
    assert_int_equal(copy_join_piece(&j, "cotton", false, to, room), 7);
    const size_t n = room == 0 ? 0 : room - 1 < 7 ? room - 1 : 7;
    assert_memory_equal(to, " cotton", n);
    if (room > 0) assert_int_equal(to[n], '\0');
    assert_int_equal(to[room == 0 ? 0 : n + 1], '#');
  }
}

// A vocabulary of every character by itself, as a word and inside one, which is the tokeniser of a small data set at its worst; and
// of the few whole words that the rule looks at.
static vocab *characters_of(const char *const *texts, size_t n) {
  vocab *v;
  static const char *const whole[] = {"ll", "re", "ve", "000", "299"};
  check_ok(vocab_new(&v));
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
    check_ok(vocab_add(v, RANGE_WORDS, whole[i], 0, NULL));
  for (size_t i = 0; i < n; i++)
    for (size_t at = 0, bytes; texts[i][at] != '\0'; at += bytes) {
      utf8_next(texts[i] + at, strlen(texts[i] + at), &bytes);
      char piece[8];
      snprintf(piece, sizeof piece, "##%.*s", (int)bytes, texts[i] + at);
      if (bytes == 1) piece[2] = (char)tolower((unsigned char)piece[2]);
      if (piece[2] == ' ' || vocab_find(v, RANGE_WORDS, piece) >= 0) continue;
      check_ok(vocab_add(v, RANGE_WORDS, piece, 0, NULL));
      check_ok(vocab_add(v, RANGE_WORDS, piece + 2, 0, NULL));
    }
  return v;
}

static void tokenise_and_join(const word_tokenizer *t, const vocab *v, const char *text, char back[LONGEST]) {
  static int32_t ids[LONGEST];
  const size_t n = word_tokenizer_encode(t, text, strlen(text), ids, LONGEST);
  copy_join j = {0};
  size_t at = 0;
  assert_true(n <= LONGEST);
  back[0] = '\0';
  for (size_t i = 0; i < n; i++) {
    const char *piece = vocab_token(v, ids[i]);
    const bool continues = strncmp(piece, "##", 2) == 0 && piece[2] != '\0';
    at += copy_join_piece(&j, piece + (continues ? 2 : 0), continues, back + at, LONGEST - at);
  }
}

// How many texts come back but for upper case; those that do not are shown.
static size_t count_same(const char *const *texts, size_t n) {
  vocab *v = characters_of(texts, n);
  const word_options o = word_options_default();
  format_error e;
  word_tokenizer *t;
  if (!word_tokenizer_new(&t, v, &o, &e)) fail_msg("%s", e.message);
  size_t same = 0, shown = 0;
  for (size_t i = 0; i < n; i++) {
    char back[LONGEST], lower[LONGEST];
    tokenise_and_join(t, v, texts[i], back);
    snprintf(lower, sizeof lower, "%s", texts[i]);
    for (char *c = lower; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
    same += strcmp(lower, back) == 0;
    if (strcmp(lower, back) != 0 && shown++ < 20) print_message("was  %s\nback %s\n", lower, back);
  }
  print_message("%zu of %zu texts come back as they were\n", same, n);
  word_tokenizer_free(t);
  vocab_free(v);
  return same;
}

static const char *const english[] = {
    "Women's Cotton T-Shirt, Long-Sleeve, Black & White",
    "L'Oreal Revitalift Triple Power Anti-Aging Moisturizer, 1.7 oz",
    "H&M Slim-Fit Jeans (Men's), Dark Blue",
    "Neutrogena Ultra Sheer Dry-Touch Sunscreen, SPF 50+, 3 fl. oz.",
    "Don't miss it: 20% off until Dec 31!",
    "The coat you'll wear all winter. It's warm, it's light, and it packs small.",
    "15\" Laptop Sleeve with Handle, Water-Resistant",
    "Stainless Steel Water Bottle, 32 oz/946 ml, Keeps Drinks Cold for 24 Hours",
    "Free shipping on orders over $50; ends 12:30 tonight.",
    "\"Soft as a cloud\", says one buyer. We agree.",
    "Kids' Rain Boots, Easy-On Handles (Toddler/Little Kid)",
    "Pack of 6 #2 Pencils, Pre-Sharpened",
    "Was $1,299.00, now $999.00: save $300.00!",
    "Wireless Over-Ear Headphones, Bluetooth 5.3, 40-Hour Battery",
    "Dad's new favourite: the all-in-one grill tool.",
    "Ready for rain? So is this jacket.",
    "Natural Soy Candle [Lavender & Vanilla], 8 oz",
    "User@example.com gets a gift with every order.",
    "Mix & match: buy two, get one free.",
    "Low-Fat Greek Yogurt, 5.3 oz, 12-Pack",
    "Caf\xc3\xa9-style mugs, set of four",
    "Organic Matcha Powder, Ceremonial Grade, 30 g (1.06 oz)",
    "New here? Take 10% off your first order with code HELLO10.",
    "Soft, warm, washable... and it doesn't shed.",
    "Cast Iron Skillet - 12 Inch", // not known: a dash with spaces, an address
};

static void english_titles_come_back(void **unused) {
  (void)unused;
  static const char *texts[64];
  size_t n = 0;
  for (size_t i = 0; i < sizeof english / sizeof *english;
       i++) // accents are lost by option, and not by joining
    if (utf8_is_ascii(english[i], strlen(english[i]))) texts[n++] = english[i];
  assert_int_equal(count_same(texts, n), n - 2);
}

// AdvertiseGen's test texts: Chinese with some Latin words in it.
static void chinese_copy_comes_back(void **unused) {
  (void)unused;
  const char *shared = getenv("SOUK_SHARED");
  char path[4096];
  snprintf(path, sizeof path, "%s/data/advertisegen/dev.jsonl", shared != NULL ? shared : "../shared");
  FILE *f = fopen(path, "re");
  if (f == NULL) {
    print_message("%s is not there\n", path);
    skip();
  }
  static char *texts[4096];
  size_t n = 0;
  char line[16384];
  while (n < 4096 && fgets(line, sizeof line, f) != NULL) {
    json_t *row = json_loads(line, 0, NULL);
    texts[n] = strdup(json_string_value(json_object_get(row, "summary")));
    assert_non_null(texts[n++]);
    json_decref(row);
  }
  fclose(f);
  const size_t same = count_same((const char *const *)texts, n);
  for (size_t i = 0; i < n; i++) free(texts[i]);
  assert_true(n > 100 && same >= n - n / 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rules_one_by_one),
      cmocka_unit_test(writes_no_more_than_there_is_room_for),
      cmocka_unit_test(english_titles_come_back),
      cmocka_unit_test(chinese_copy_comes_back),
  };
  return cmocka_run_group_tests_name("copy_text", tests, NULL, NULL);
}
