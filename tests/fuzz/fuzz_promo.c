// Terms of offers, what is found in copy, and templates. The input is a byte of market and language, the numbers of the terms between spaces
// (price, before, percent, amount, threshold, year, month, day), name, code, a template, and copy, with a byte 0x1e between them. What is
// rendered is UTF-8 within its bounds, alone it is found as what it is, and in any room its beginning; spans are in order and each digit
// lies in one; a template is filled exactly if it can be used.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "format/promo_quantity.h"
#include "format/promo_templates.h"
#include "format/utf8.h"
#include "fuzz/fuzz.h"

enum { MOST_SPANS = 64 };

typedef struct input {
  promo_terms t;
  const promo_market *m;
  promo_language l;
} input;

// The next part of the input, as text.
static char *take_part(const uint8_t **at, const uint8_t *end) {
  const uint8_t *stop = *at < end ? memchr(*at, 0x1e, (size_t)(end - *at)) : NULL;
  const size_t n = (size_t)((stop != NULL ? stop : end) - *at);
  char *part = malloc(n + 1);
  require(part != NULL);
  memcpy(part, *at, n);
  part[n] = '\0';
  *at = stop != NULL ? stop + 1 : end;
  return part;
}

// "-" and what is no number: not given.
static double take_number(char **rest) {
  char *end = *rest;
  const double x = strtod(*rest, &end);
  const bool none = end == *rest;
  *rest = end + strcspn(end, " ");
  *rest += **rest == ' ';
  return none ? NAN : x;
}

static int32_t take_count(char **rest) {
  const double x = take_number(rest);
  return x >= -20000 && x <= 20000 ? (int32_t)x : 0;
}

static void take_terms(input *in, char *numbers) {
  promo_terms *t = &in->t;
  t->price = take_number(&numbers);
  t->was = take_number(&numbers);
  t->percent = take_number(&numbers);
  t->amount = take_number(&numbers);
  t->threshold = take_number(&numbers);
  t->year = take_count(&numbers);
  t->month = take_count(&numbers);
  t->day = take_count(&numbers);
}

// The terms with nothing but one slot.
static promo_terms only(const promo_terms *t, promo_slot s) {
  promo_terms one = promo_terms_none();
  switch (s) {
  case SLOT_ITEM:
    one.item = t->item;
    break;
  case SLOT_CODE:
    one.code = t->code;
    break;
  case SLOT_PRICE:
    one.price = t->price;
    break;
  case SLOT_PERCENT:
    one.percent = t->percent;
    break;
  case SLOT_AMOUNT:
    one.amount = t->amount;
    break;
  case SLOT_THRESHOLD:
    one.threshold = t->threshold;
    break;
  case SLOT_DATE:
    one.year = t->year, one.month = t->month, one.day = t->day;
    break;
  case SLOT_COUNT:
    break;
  }
  return one;
}

static void check_slot(const input *in, promo_slot s) {
  char text[PROMO_TERM_BYTES], cut[PROMO_TERM_BYTES];
  const promo_terms one = only(&in->t, s);
  const bool given = (promo_terms_given(&in->t) >> s & 1) != 0;
  const size_t n = promo_render(s, &in->t, in->m, in->l, text, sizeof text);
  require(given == (n > 0) && n < sizeof text && n == strlen(text) && utf8_valid(text));
  require((promo_terms_given(&one) == (1u << s)) == given);
  for (size_t room = 1; room <= n; room += 1 + n / 8) {
    require(promo_render(s, &one, in->m, in->l, cut, room) == n && strlen(cut) < room);
    require(utf8_valid(cut) && strncmp(cut, text, strlen(cut)) == 0);
  }
  size_t first;
  if (!given || (utf8_next(text, n, &first), first == n)) return; // names of one character are not looked for
  promo_span span;
  require(promo_find(text, n, &one, in->m, in->l, &span, 1) == 1);
  require(span.slot == (int32_t)s && span.begin == 0 && span.end == n);
}

static void check_terms(const input *in) {
  format_error e = {.message = ""};
  const uint32_t given = promo_terms_given(&in->t);
  if (promo_terms_check(&in->t, &e)) {
    fuzz_accepted();
    require((in->t.item == NULL) == ((given >> SLOT_ITEM & 1) == 0));
    require(isnan(in->t.price) == ((given >> SLOT_PRICE & 1) == 0));
    require(isnan(in->t.percent) == ((given >> SLOT_PERCENT & 1) == 0));
    require((in->t.month == 0) == ((given >> SLOT_DATE & 1) == 0));
  } else {
    require(e.message[0] != '\0' && utf8_valid(e.message));
  }
  for (int s = 0; s < SLOT_COUNT; s++) check_slot(in, (promo_slot)s);
}

static void check_copy(const input *in, const char *text, size_t bytes) {
  promo_span *spans = malloc((bytes + 1) * sizeof *spans);
  require(spans != NULL);
  const size_t n = promo_find(text, bytes, &in->t, in->m, in->l, spans, bytes);
  require(n <= bytes && promo_find(text, bytes, &in->t, in->m, in->l, NULL, 0) == n);
  const uint32_t given = promo_terms_given(&in->t);
  size_t at = 0, k = 0;
  for (size_t i = 0; i < n; i++) {
    require(spans[i].begin >= at && spans[i].end > spans[i].begin && spans[i].end <= bytes);
    require(spans[i].slot >= PROMO_ARTICLE && spans[i].slot < SLOT_COUNT);
    require(spans[i].slot < 0 || (given >> spans[i].slot & 1) != 0);
    at = spans[i].end;
  }
  for (size_t i = 0, m; i < bytes; i += m) { // each digit lies in a span
    const bool digit = quantity_is_digit(quantity_fold(text + i, bytes - i, &m));
    while (k < n && spans[k].end <= i) k++;
    require(!digit || (k < n && spans[k].begin <= i && i + m <= spans[k].end));
  }
  free(spans);
}

static void check_template(const input *in, const char *template) {
  format_error e;
  promo_piece pieces[PROMO_MOST_PIECES];
  const size_t n = promo_template_pieces(template, promo_terms_given(&in->t), pieces);
  char *const text = malloc(PROMO_MOST_PIECES * (size_t)PROMO_TERM_BYTES + strlen(template) + 1);
  require(text != NULL);
  const size_t room = PROMO_MOST_PIECES * (size_t)PROMO_TERM_BYTES + strlen(template) + 1;
  const size_t filled = promo_fill(template, &in->t, in->m, in->l, text, room);
  require(n <= PROMO_MOST_PIECES && (n > 0) == (filled > 0) && filled < room && strlen(text) == filled);
  if (promo_template_check(template, &e)) require(utf8_valid(text));
  const size_t half = filled / 2;
  require(promo_fill(template, &in->t, in->m, in->l, text, half) == filled &&
          (half == 0 || strlen(text) < half));
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes < 1) return 0;
  const uint8_t *at = data + 1, *const end = data + bytes;
  size_t markets = 0;
  while (promo_market_at(markets) != NULL) markets++;
  input in = {.t = promo_terms_none(),
              .m = promo_market_at(data[0] / 2 % markets),
              .l = (promo_language)(data[0] & 1)};
  char *numbers = take_part(&at, end), *item = take_part(&at, end), *code = take_part(&at, end),
       *template = take_part(&at, end);
  take_terms(&in, numbers);
  in.t.item = item[0] != '\0' ? item : NULL;
  in.t.code = code[0] != '\0' ? code : NULL;
  check_terms(&in);
  check_copy(&in, (const char *)at, (size_t)(end - at));
  check_template(&in, template);
  free(numbers);
  free(item);
  free(code);
  free(template);
  return 0;
}
