// Characters as a lexicon sees them; see lexicon_symbols.h.
#include "format/lexicon_symbols.h"

#include <stdbool.h>
#include <stddef.h>
#include "format/promo_quantity.h"
#include "format/unicode.h"

#define N LEXICON_NOTHING
#define S LEXICON_SIGN
#define P LEXICON_STOP
#define L LEXICON_LETTER
#define D LEXICON_DIGIT
#define W LEXICON_SPACE
#define M LEXICON_MONEY
#define C LEXICON_PERCENT
const uint8_t lexicon_ascii[128] = {
    N, N, N, N, N, N, N, N, N, S, P, S, S, P, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, //
    W, P, S, S, M, C, S, S, S, S, S, S, P, W, P, S, D, D, D, D, D, D, D, D, D, D, P, P, S, S, S, P, //
    S, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, S, S, S, S, S, //
    S, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, S, S, S, S, N,
};
#undef N
#undef S
#undef P
#undef L
#undef D
#undef W
#undef M
#undef C

typedef struct range {
  uint32_t first, last;
} range;

static bool is_in(const range *r, size_t n, uint32_t c) {
  size_t low = 0, high = n;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (c > r[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < n && c >= r[low].first;
}
#define IS_IN(table, c) is_in(table, sizeof table / sizeof *table, c)

// Kana, bopomofo and what BERT takes for ideographs; sorted. The middle dot and the marks of repetition are no letters.
static const range chinese[] = {
    {0x3005, 0x3007}, {0x3041, 0x3096}, {0x309D, 0x309F}, {0x30A1, 0x30FA},
    {0x30FC, 0x30FF}, {0x3105, 0x312F}, {0x31A0, 0x31BF}, {0x31F0, 0x31FF},
};

// Characters that are drawn as nothing though Unicode calls them letters.
static const range blanks[] = {{0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x3164, 0x3164}, {0xFFA0, 0xFFA0}};

// Letters that are drawn in another way: in circles, in squares, as mathematical symbols.
static uint32_t plain_letter(uint32_t c) {
  if (c >= 0x24B6 && c <= 0x24E9) return 'a' + (c - 0x24B6) % 26;
  if (c >= 0x249C && c <= 0x24B5) return 'a' + (c - 0x249C);
  if (c >= 0x1D400 && c <= 0x1D6A3) return 'a' + (c - 0x1D400) % 26;
  if (c >= 0x1F110 && c <= 0x1F129) return 'a' + (c - 0x1F110);
  if (c >= 0x1F130 && c <= 0x1F149) return 'a' + (c - 0x1F130);
  if (c >= 0x1F150 && c <= 0x1F169) return 'a' + (c - 0x1F150);
  if (c >= 0x1F170 && c <= 0x1F189) return 'a' + (c - 0x1F170);
  return 0;
}

static bool is_stop(uint32_t c) {
  switch (c) {
  case 0x85:
  case 0x2026:
  case 0x2028:
  case 0x2029:
  case 0x3001:
  case 0x3002:
  case 0xFF0C: // which stands within no number
    return true;
  default:
    return false;
  }
}

static bool is_money(uint32_t c) {
  return (c >= 0xA2 && c <= 0xA5) || (c >= 0x20A0 && c <= 0x20C0) || c == 0xFFE0 || c == 0xFFE1 ||
         c == 0xFFE5 || c == 0xFFE6;
}

static bool is_space(uint32_t c) {
  return c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F ||
         (c >= 0x2010 && c <= 0x2012);
}

lexicon_symbol lexicon_symbol_of_other(uint32_t c) {
  if (quantity_is_digit(c)) return (lexicon_symbol){c, LEXICON_DIGIT};
  if (c >= 0xFF01 && c <= 0xFF5E && !is_stop(c)) return lexicon_symbol_of(c - 0xFEE0);
  if (IS_IN(chinese, c)) return (lexicon_symbol){c, LEXICON_CHINESE};
  if (IS_IN(blanks, c)) return (lexicon_symbol){c, LEXICON_NOTHING};
  if (is_stop(c)) return (lexicon_symbol){c, LEXICON_STOP};
  if (is_money(c)) return (lexicon_symbol){c, LEXICON_MONEY};
  if (c == 0x2030 || c == 0x2031 || c == 0xFE6A || c == 0x66A) return (lexicon_symbol){c, LEXICON_PERCENT};
  if (is_space(c)) return (lexicon_symbol){c, LEXICON_SPACE};
  const uint32_t plain = plain_letter(c);
  if (plain != 0) return (lexicon_symbol){plain, LEXICON_LETTER};
  uint32_t parts[MOST_DECOMPOSED] = {c};
  const bool hangul = c >= 0xAC00 && c < 0xD7A4; // it would fall apart into letters
  if (!hangul) unicode_decompose(c, parts);
  const unicode_record *u = unicode_of(parts[0]);
  if ((u->flags & (UNI_OTHER | UNI_MARK)) != 0) return (lexicon_symbol){c, LEXICON_NOTHING};
  if ((u->flags & UNI_CHINESE) != 0) return (lexicon_symbol){parts[0], LEXICON_CHINESE};
  if ((u->flags & UNI_WORD) == 0) return (lexicon_symbol){c, LEXICON_SIGN};
  return parts[0] < 128 ? lexicon_symbol_of(parts[0])
                        : (lexicon_symbol){parts[0] + (uint32_t)u->lower, LEXICON_LETTER};
}
