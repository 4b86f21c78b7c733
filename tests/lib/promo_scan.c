#include "promo_scan.h"
#include <stdlib.h>
#include <string.h>
#include "promo_scan_parts.h"

size_t scan_decode(const char *text, size_t bytes, uint32_t *p) {
  const unsigned char *const s = (const unsigned char *)text;
  if (bytes == 0) return 0;
  if (s[0] < 0x80) return *p = s[0], 1;
  if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
  const size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if (bytes < n) return 0;
  uint32_t v = s[0] & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    v = v << 6 | (s[i] & 0x3fu);
  }
  if (v < (n == 2 ? 0x80u : n == 3 ? 0x800u : 0x10000u) || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
    return 0;
  return *p = v, n;
}

typedef struct range {
  uint32_t first, last;
} range;

static bool in_ranges(const range *r, size_t n, uint32_t p) {
  for (size_t i = 0; i < n; i++)
    if (p >= r[i].first && p <= r[i].last) return true;
  return false;
}
#define IN(ranges, p) in_ranges(ranges, sizeof(ranges) / sizeof *(ranges), p)

static bool is_unseen(uint32_t p) {
  static const range unseen[] = {
      {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},   {0x115f, 0x1160},   {0x17b4, 0x17b5},
      {0x180b, 0x180f}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},   {0x3164, 0x3164},
      {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xe0000, 0xe0fff},
  };
  return IN(unseen, p);
}

static bool is_space(uint32_t p) {
  static const range spaces[] = {{0x9, 0xd},       {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},
                                 {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
                                 {0x205f, 0x205f}, {0x3000, 0x3000}};
  return IN(spaces, p);
}

static uint32_t folded(uint32_t p) {
  if (is_space(p)) return ' ';
  if (p == 0xffe5) return 0xa5;
  if (p == 0xffe1) return 0xa3;
  if (p == 0xffe0) return 0xa2;
  if (p >= 0xff01 && p <= 0xff5e) p -= 0xfee0;
  return p >= 'A' && p <= 'Z' ? p + 32 : p;
}

bool scan_is_latin(uint32_t p) {
  return (p >= 'a' && p <= 'z') || (p >= 'A' && p <= 'Z') ||
         (p >= 0xc0 && p <= 0x24f && p != 0xd7 && p != 0xf7);
}

// Ten digits in a row for each script; the rest are numbers that are not counted with.
bool scan_is_digit(uint32_t p) {
  static const range digits[] = {
      {'0', '9'},         {0xb2, 0xb3},       {0xb9, 0xb9},       {0xbc, 0xbe},     {0x660, 0x669},
      {0x6f0, 0x6f9},     {0x7c0, 0x7c9},     {0x966, 0x96f},     {0x9e6, 0x9ef},   {0xa66, 0xa6f},
      {0xae6, 0xaef},     {0xb66, 0xb6f},     {0xbe6, 0xbef},     {0xc66, 0xc6f},   {0xce6, 0xcef},
      {0xd66, 0xd6f},     {0xe50, 0xe59},     {0xed0, 0xed9},     {0xf20, 0xf29},   {0x1040, 0x1049},
      {0x17e0, 0x17e9},   {0x1810, 0x1819},   {0x2070, 0x2070},   {0x2074, 0x2079}, {0x2080, 0x2089},
      {0x2150, 0x2189},   {0x2460, 0x249b},   {0x24ea, 0x24ff},   {0x2776, 0x2793}, {0x3220, 0x3229},
      {0x3248, 0x324f},   {0x3251, 0x325f},   {0x3280, 0x3289},   {0x32b1, 0x32bf}, {0x1d7ce, 0x1d7ff},
      {0x1f100, 0x1f10c}, {0x1f51f, 0x1f51f}, {0x1fbf0, 0x1fbf9},
  };
  return IN(digits, p);
}

bool scan_is_currency(uint32_t p) {
  static const range signs[] = {{'$', '$'}, {0xa2, 0xa5}, {0x20a0, 0x20cf}, {0xffe6, 0xffe6}};
  return IN(signs, p);
}

bool scan_is_letter(uint32_t p) {
  static const range others[] = {
      {0x0, '0' - 1},     {'9' + 1, 'A' - 1}, {'Z' + 1, 'a' - 1}, {'z' + 1, 0xa9},  {0xab, 0xb4},
      {0xb6, 0xb9},       {0xbb, 0xbf},       {0xd7, 0xd7},       {0xf7, 0xf7},     {0x300, 0x36f},
      {0x2000, 0x2bff},   {0x2e00, 0x2e7f},   {0x3000, 0x3004},   {0x3008, 0x3020}, {0x3030, 0x3030},
      {0x30fb, 0x30fb},   {0xe000, 0xf8ff},   {0xfe10, 0xfe6f},   {0xff00, 0xff65}, {0xffe0, 0xffff},
      {0x1f000, 0x1faff},
  };
  return !IN(others, p);
}

static bool is_word_part(uint32_t p) {
  return scan_is_latin(p) || (p >= '0' && p <= '9');
}

bool scan_glued(const scan_text *t, size_t i) {
  const scan_char *const a = &t->c[i], *const b = a + 1;
  return is_word_part(a->p) && is_word_part(b->p) && a->given < 0xff00 && b->given < 0xff00;
}

scan_text scan_text_of(const char *text, size_t bytes) {
  scan_text t = {.c = malloc((bytes + 1) * sizeof(scan_char))};
  for (size_t i = 0, n; i < bytes; i += n) {
    uint32_t p;
    n = scan_decode(text + i, bytes - i, &p);
    if (n == 0)
      n = 1;
    else if (!is_unseen(p))
      t.c[t.n++] = (scan_char){folded(p), p, i, i + n};
  }
  return t;
}

void scan_text_free(scan_text *t) {
  free(t->c);
}

void scan_spans_add(scan_spans *s, size_t begin, size_t end) {
  if (s->n == s->room) {
    s->room = 2 * s->room + 16;
    s->at = realloc(s->at, s->room * sizeof *s->at);
  }
  s->at[s->n++] = (scan_span){begin, end};
}

bool scan_within(const scan_spans *s, size_t begin, size_t end) {
  for (size_t i = 0; i < s->n; i++)
    if (s->at[i].begin <= begin && end <= s->at[i].end) return true;
  return false;
}

const char *promo_scan_name(promo_scan_kind kind) {
  static const char *const names[] = {"not UTF-8", "control character", "marker", "quantity",
                                      "banned phrase"};
  return names[kind];
}

typedef struct report {
  promo_scan_found *found;
  size_t n, room;
} report;

static void add(report *to, promo_scan_kind kind, size_t begin, size_t end) {
  if (to->n < to->room) to->found[to->n] = (promo_scan_found){kind, begin, end};
  to->n++;
}

static void scan_bytes(const char *text, size_t bytes, report *to) {
  for (size_t i = 0, n; i < bytes; i += n) {
    uint32_t p;
    n = scan_decode(text + i, bytes - i, &p);
    if (n == 0)
      add(to, SCAN_NOT_UTF8, i, i + 1), n = 1;
    else if (p < 0x20 || (p >= 0x7f && p < 0xa0))
      add(to, SCAN_CONTROL, i, i + n);
  }
}

// Names that touch each other may hold a mark together.
static bool is_covered(const scan_spans *s, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i++)
    if (!scan_within(s, i, i + 1)) return false;
  return true;
}

static void scan_markers(const scan_text *t, const scan_spans *names, report *to) {
  static const char *const marks[] = {
      "slot:",   "[unk]",     "[pad]",     "[cls]",    "[sep]",       "[mask]",      "[unused", "##",
      "{item}",  "{price}",   "{percent}", "{amount}", "{threshold}", "{date}",      "{code}",  "[item]",
      "[price]", "[percent]", "[amount]",  "[date]",   "[code]",      "[threshold]", "\ufffd"};
  scan_spans found = {0};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) scan_find(t, marks[i], &found);
  for (size_t i = 0; i < found.n; i++)
    if (!is_covered(names, found.at[i].begin, found.at[i].end))
      add(to, SCAN_MARKER, found.at[i].begin, found.at[i].end);
  free(found.at);
}

size_t promo_scan(const char *text, size_t bytes, const promo_scan_request *r, promo_scan_found *found,
                  size_t room) {
  report to = {.found = found, .room = room};
  scan_text t = scan_text_of(text, bytes);
  scan_spans accepted = {0}, quantities = {0}, banned = {0}, exceptions = {0};
  scan_bytes(text, bytes, &to);
  scan_accepted(&t, text, bytes, r, &accepted);
  scan_markers(&t, &accepted, &to);
  scan_quantities(&t, &accepted, &quantities);
  for (size_t i = 0; i < quantities.n; i++)
    add(&to, SCAN_QUANTITY, quantities.at[i].begin, quantities.at[i].end);
  scan_phrases(&t, r->banned, r->n_banned, &banned);
  scan_phrases(&t, r->exceptions, r->n_exceptions, &exceptions);
  for (size_t i = 0; i < banned.n; i++)
    if (!scan_within(&exceptions, banned.at[i].begin, banned.at[i].end))
      add(&to, SCAN_BANNED, banned.at[i].begin, banned.at[i].end);
  free(accepted.at), free(quantities.at), free(banned.at), free(exceptions.at);
  scan_text_free(&t);
  return to.n;
}
