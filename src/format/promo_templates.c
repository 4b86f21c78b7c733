// Templates of copy; see promo_templates.h.
#include "format/promo_templates.h"

#include <string.h>
#include "format/printable.h"
#include "format/utf8.h"

typedef struct template_row {
  const char *type; // "": any
  promo_language language;
  const char *text;
} template_row;

// In the order in which those of a type are tried. Each says until when and with which code it holds, if that is given.
// clang-format off
static const template_row rows[] = {
    {"discount", LANGUAGE_EN, "[item]: [percent]{, now [price]}{ until [date]}{ with code [code]}."},
    {"discount", LANGUAGE_EN, "[item] is now [price]{ until [date]}{ with code [code]}."},
    {"discount", LANGUAGE_EN, "[amount] off [item]{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"discount", LANGUAGE_EN, "[item] is reduced{ until [date]}{ with code [code]}."},
    {"coupon", LANGUAGE_EN, "A coupon for [item]: [amount] off{ orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"coupon", LANGUAGE_EN, "A coupon for [item]: [percent]{ until [date]}{ with code [code]}."},
    {"coupon", LANGUAGE_EN, "With this coupon [item] is [price]{ until [date]}{ with code [code]}."},
    {"coupon", LANGUAGE_EN, "There is a coupon for [item]{: [code]}{, until [date]}."},
    {"flash_sale", LANGUAGE_EN, "Flash sale: [item], [percent]{, now [price]}{ until [date]}{ with code [code]}."},
    {"flash_sale", LANGUAGE_EN, "Flash sale: [item] at [price]{ until [date]}{ with code [code]}."},
    {"flash_sale", LANGUAGE_EN, "Flash sale: [amount] off [item]{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"flash_sale", LANGUAGE_EN, "[item] is in the flash sale{ until [date]}{ with code [code]}."},
    {"gift", LANGUAGE_EN, "[item] at [price] comes with a gift{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"gift", LANGUAGE_EN, "[item] comes with a gift{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"bundle", LANGUAGE_EN, "[item] in a bundle: [percent]{, now [price]}{ until [date]}{ with code [code]}."},
    {"bundle", LANGUAGE_EN, "[item] in a bundle for [price]{ until [date]}{ with code [code]}."},
    {"bundle", LANGUAGE_EN, "[item] in a bundle: [amount] off{ orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"bundle", LANGUAGE_EN, "[item] comes in a bundle{ until [date]}{ with code [code]}."},
    {"free_shipping", LANGUAGE_EN, "[item] at [price] with free shipping{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"free_shipping", LANGUAGE_EN, "Free shipping for [item]{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"", LANGUAGE_EN, "An offer on [item]: [percent]{, now [price]}{ until [date]}{ with code [code]}."},
    {"", LANGUAGE_EN, "[item] at [price]{ until [date]}{ with code [code]}."},
    {"", LANGUAGE_EN, "[item]: [amount] off{ orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"", LANGUAGE_EN, "[item]: on offer until [date]{ with code [code]}."},
    {"", LANGUAGE_EN, "[item]: an offer for you."},
    {"discount", LANGUAGE_EN, "[percent]{ until [date]}{ with code [code]}."},
    {"discount", LANGUAGE_EN, "Now reduced{ until [date]}{ with code [code]}."},
    {"coupon", LANGUAGE_EN, "A coupon for you: [amount] off{ orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"coupon", LANGUAGE_EN, "A coupon for you{: [code]}{, until [date]}."},
    {"flash_sale", LANGUAGE_EN, "Flash sale{: [percent]}{ until [date]}{ with code [code]}."},
    {"gift", LANGUAGE_EN, "With a gift{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"bundle", LANGUAGE_EN, "In a bundle{ for [price]}{ until [date]}{ with code [code]}."},
    {"free_shipping", LANGUAGE_EN, "Free shipping{ on orders over [threshold]}{ until [date]}{ with code [code]}."},
    {"", LANGUAGE_EN, "On offer{ until [date]}{ with code [code]}."},
    {"", LANGUAGE_EN, "An offer for you."},

    {"discount", LANGUAGE_ZH, "[item]，[percent]{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"discount", LANGUAGE_ZH, "[item]现价[price]{，[date]截止}{，优惠码[code]}。"},
    {"discount", LANGUAGE_ZH, "[item]满[threshold]减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"discount", LANGUAGE_ZH, "[item]立减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"discount", LANGUAGE_ZH, "[item]正在打折{，[date]截止}{，优惠码[code]}。"},
    {"coupon", LANGUAGE_ZH, "[item]优惠券，满[threshold]减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"coupon", LANGUAGE_ZH, "[item]用券立减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"coupon", LANGUAGE_ZH, "[item]用券[percent]{，[date]截止}{，优惠码[code]}。"},
    {"coupon", LANGUAGE_ZH, "[item]券后价[price]{，[date]截止}{，优惠码[code]}。"},
    {"coupon", LANGUAGE_ZH, "[item]有优惠券可领{，优惠码[code]}{，[date]截止}。"},
    {"flash_sale", LANGUAGE_ZH, "限时抢购，[item]，[percent]{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"flash_sale", LANGUAGE_ZH, "限时抢购，[item]现价[price]{，[date]截止}{，优惠码[code]}。"},
    {"flash_sale", LANGUAGE_ZH, "限时抢购，[item]满[threshold]减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"flash_sale", LANGUAGE_ZH, "限时抢购，[item]立减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"flash_sale", LANGUAGE_ZH, "[item]限时抢购{，[date]截止}{，优惠码[code]}。"},
    {"gift", LANGUAGE_ZH, "[item]，满[threshold]有赠品{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"gift", LANGUAGE_ZH, "[item]有赠品{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"bundle", LANGUAGE_ZH, "组合购，[item]，[percent]{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"bundle", LANGUAGE_ZH, "组合购，[item]，现价[price]{，[date]截止}{，优惠码[code]}。"},
    {"bundle", LANGUAGE_ZH, "组合购，[item]，满[threshold]减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"bundle", LANGUAGE_ZH, "组合购，[item]，立减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"bundle", LANGUAGE_ZH, "[item]可组合购买{，[date]截止}{，优惠码[code]}。"},
    {"free_shipping", LANGUAGE_ZH, "[item]满[threshold]即包邮{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"free_shipping", LANGUAGE_ZH, "[item]，包邮{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "[item]优惠中，[percent]{，现价[price]}{，[date]截止}{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "[item]，现价[price]{，[date]截止}{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "[item]优惠中，满[threshold]减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "[item]优惠中，立减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "[item]优惠中，[date]截止{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "[item]，有优惠等你来。"},
    {"discount", LANGUAGE_ZH, "[percent]优惠{，[date]截止}{，优惠码[code]}。"},
    {"discount", LANGUAGE_ZH, "正在打折{，[date]截止}{，优惠码[code]}。"},
    {"coupon", LANGUAGE_ZH, "优惠券，满[threshold]减[amount]{，[date]截止}{，优惠码[code]}。"},
    {"coupon", LANGUAGE_ZH, "有优惠券可领{，优惠码[code]}{，[date]截止}。"},
    {"flash_sale", LANGUAGE_ZH, "限时抢购{，[percent]}{，[date]截止}{，优惠码[code]}。"},
    {"gift", LANGUAGE_ZH, "{满[threshold]}有赠品{，[date]截止}{，优惠码[code]}。"},
    {"bundle", LANGUAGE_ZH, "组合购优惠{，[date]截止}{，优惠码[code]}。"},
    {"free_shipping", LANGUAGE_ZH, "{满[threshold]即}包邮{，[date]截止}{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "优惠中{，[date]截止}{，优惠码[code]}。"},
    {"", LANGUAGE_ZH, "有优惠等你来。"},
};
// clang-format on
enum { ROWS = sizeof rows / sizeof rows[0] };

static const char *const types[] = {"discount", "coupon", "flash_sale", "gift", "bundle", "free_shipping"};

const char *promo_template_type(size_t i) {
  return i < sizeof types / sizeof types[0] ? types[i] : NULL;
}

// The slot whose name is text [bytes]; SLOT_COUNT: there is none.
static promo_slot slot_named(const char *text, size_t bytes) {
  for (int s = 0; s < SLOT_COUNT; s++)
    if (strlen(promo_slot_names[s]) == bytes && memcmp(promo_slot_names[s], text, bytes) == 0)
      return (promo_slot)s;
  return SLOT_COUNT;
}

// The next piece of a template at *text, without braces; false: its end, a brace, or a bracket that does not fit.
static bool next_piece(const char **text, promo_piece *p) {
  const char *at = *text;
  if (*at == '[') {
    const size_t n = strcspn(++at, "[]{}");
    const promo_slot s = slot_named(at, n);
    if (at[n] != ']' || s == SLOT_COUNT) return false;
    *p = (promo_piece){(int32_t)s, at, n};
    *text = at + n + 1;
    return true;
  }
  const size_t n = strcspn(at, "[]{}");
  *p = (promo_piece){-1, at, n};
  *text = at + n;
  return n > 0;
}

// Reads a whole template: its pieces with these terms, which are all of them with every bit. *needed and *said: the slots outside of braces, and
// all. False: it is none, or has too many pieces.
static bool read_template(const char *text, uint32_t given, promo_piece to[PROMO_MOST_PIECES], size_t *n,
                          uint32_t *needed, uint32_t *said) {
  bool inside = false, open = false; // of braces; are their slots given?
  size_t begun = 0;
  *n = 0;
  *needed = *said = 0;
  while (*text != '\0') {
    promo_piece p;
    if (*text == '{' || *text == '}') {
      if (inside == (*text == '{')) return false;
      inside = !inside;
      if (inside)
        begun = *n, open = true;
      else if (!open)
        *n = begun; // what was in them is left out
      text++;
      continue;
    }
    if (!next_piece(&text, &p) || *n == PROMO_MOST_PIECES) return false;
    to[(*n)++] = p;
    if (p.slot < 0) continue;
    *said |= 1u << p.slot;
    if (!inside) *needed |= 1u << p.slot;
    open = open && (given >> p.slot & 1) != 0;
  }
  return !inside;
}

// Money off that has a threshold is not said without it.
static bool is_usable(uint32_t needed, uint32_t said, uint32_t given) {
  const uint32_t amount = 1u << SLOT_AMOUNT, threshold = 1u << SLOT_THRESHOLD;
  if ((needed & ~given) != 0) return false;
  return (said & given & amount) == 0 || (given & threshold) == 0 || (said & threshold) != 0;
}

size_t promo_template_pieces(const char *text, uint32_t given, promo_piece to[PROMO_MOST_PIECES]) {
  uint32_t needed, said;
  size_t n;
  if (!read_template(text, given, to, &n, &needed, &said)) return 0;
  return is_usable(needed, said, given) ? n : 0;
}

bool promo_template_check(const char *text, format_error *e) {
  promo_piece pieces[PROMO_MOST_PIECES];
  uint32_t needed, said, code;
  size_t n;
  if (!utf8_valid(text)) return format_fail(e, FORMAT_MALFORMED, "the template is not UTF-8");
  for (size_t i = 0, bytes = strlen(text); i < bytes; i++)
    if (is_control(text + i, bytes - i, &code))
      return format_fail(e, FORMAT_MALFORMED, "the template has a control character");
  if (!read_template(text, UINT32_MAX, pieces, &n, &needed, &said))
    return format_fail(
        e, FORMAT_MALFORMED,
        "the template has a slot that there is not, brackets that do not match, or more than %d pieces",
        PROMO_MOST_PIECES);
  return n > 0 || format_fail(e, FORMAT_MALFORMED, "the template is empty");
}

// Is this row for the type (or for any) and language, with the item's name or without, and can it be used?
static bool row_fits(const template_row *r, const char *type, promo_language l, bool item, uint32_t given) {
  promo_piece pieces[PROMO_MOST_PIECES];
  if (r->language != l || strcmp(r->type, type) != 0) return false;
  return (strstr(r->text, "[item]") != NULL) == item && promo_template_pieces(r->text, given, pieces) > 0;
}

const char *promo_template(const char *type, promo_language l, uint32_t given, size_t nth) {
  for (int pass = 0; pass < 4; pass++) {
    const bool item = pass < 2, any = (pass & 1) != 0;
    if (!any && (type == NULL || type[0] == '\0')) continue;
    for (size_t i = 0; i < ROWS; i++)
      if (row_fits(&rows[i], any ? "" : type, l, item, given) && nth-- == 0) return rows[i].text;
  }
  return NULL;
}

size_t promo_fill(const char *text, const promo_terms *t, const promo_market *m, promo_language l, char *to,
                  size_t room) {
  promo_piece pieces[PROMO_MOST_PIECES];
  const size_t n = promo_template_pieces(text, promo_terms_given(t), pieces);
  size_t used = 0;
  bool full = room == 0; // once something was cut nothing follows
  if (room > 0) to[0] = '\0';
  for (size_t i = 0; i < n; i++) {
    char term[PROMO_TERM_BYTES];
    const char *piece = pieces[i].slot < 0 ? pieces[i].text : term;
    const size_t bytes = pieces[i].slot < 0
                             ? pieces[i].bytes
                             : promo_render((promo_slot)pieces[i].slot, t, m, l, term, sizeof term);
    if (!full) {
      const size_t kept = utf8_cut(piece, bytes, room - 1 - used);
      memcpy(to + used, piece, kept);
      to[used + kept] = '\0';
      full = kept < bytes;
    }
    used += bytes;
  }
  return used;
}
