// From tokens to text; see copy_text.h.
#include "format/copy_text.h"

#include <string.h>
#include "format/unicode.h"
#include "format/utf8.h"

static bool is_one_of(uint32_t c, const char *set) {
  return c < 0x80 && c != 0 && strchr(set, (int)c) != NULL;
}

// Beyond ASCII. Hangul is not among the Chinese: Korean writes spaces.
static copy_kind wide_kind(uint32_t c) {
  if (c >= 0xFF00 && c <= 0xFFFD) return COPY_CHINESE; // full-width forms, and what is no UTF-8
  if (c >= 0x2E80 && c <= 0x9FFF) return COPY_CHINESE; // radicals, CJK punctuation, kana, ideographs
  switch (c) {
  case 0x2018: // quotation marks that open, and currency signs that stand in front
  case 0x201C:
  case 0xAB:
  case 0xA3:
  case 0xA5:
    return COPY_OPENS;
  case 0x2019:
    return COPY_APOSTROPHE;
  case 0x201D:
  case 0xBB:
  case 0xA9: // (c), (R), degrees, ellipsis, trade mark
  case 0xAE:
  case 0xB0:
  case 0x2026:
  case 0x2122:
    return COPY_CLOSES;
  case 0xB7: // middle dot, hyphens and dashes
  case 0x2010:
  case 0x2011:
  case 0x2013:
  case 0x2014:
    return COPY_TIGHT;
  default:
    break;
  }
  const unsigned flags = unicode_of(c)->flags;
  if ((flags & UNI_CHINESE) != 0) return COPY_CHINESE;
  return (flags & (UNI_WORD | UNI_MARK)) != 0 ? COPY_WORD : COPY_PLUS;
}

static copy_kind kind_of(uint32_t c) {
  if (c >= 0x80) return wide_kind(c);
  if (c >= '0' && c <= '9') return COPY_DIGIT;
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return COPY_WORD;
  if (c == ',') return COPY_COMMA;
  if (c <= ' ') return COPY_TIGHT; // it is a space itself
  if (is_one_of(c, ".!?;:)]}%")) return COPY_CLOSES;
  if (is_one_of(c, "([{#$")) return COPY_OPENS;
  if (is_one_of(c, "-/@_\\~^<>")) return COPY_TIGHT;
  return c == '\'' || c == '`' ? COPY_APOSTROPHE : c == '"' ? COPY_QUOTE : COPY_PLUS;
}

static bool is_contraction(const char *piece, size_t bytes) {
  static const char *const all[] = {"s", "t", "d", "m", "ll", "re", "ve"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strlen(all[i]) == bytes && memcmp(all[i], piece, bytes) == 0) return true;
  return false;
}

static bool is_thousands(const char *piece, size_t bytes) {
  return bytes == 3 && strspn(piece, "0123456789") >= 3;
}

copy_kind copy_kind_of(const char *piece, size_t bytes, bool continues) {
  if (bytes == 0) return COPY_NOTHING;
  if (continues || ((unsigned char)piece[0] & 0xC0) == 0x80) return COPY_CONTINUES;
  size_t n;
  const copy_kind kind = kind_of(utf8_next(piece, bytes, &n));
  if (kind == COPY_DIGIT && is_thousands(piece, bytes)) return COPY_THOUSANDS;
  return kind == COPY_WORD && is_contraction(piece, bytes) ? COPY_CONTRACTION : kind;
}

static bool is_word(copy_kind last) {
  return last == COPY_WORD || last == COPY_DIGIT;
}

// A space behind what closes or stands between: not inside numbers, and not in Chinese text.
static bool space_behind_sign(const copy_join *j, copy_kind kind) {
  const bool number =
      j->before == COPY_DIGIT && (kind == COPY_THOUSANDS || (kind == COPY_DIGIT && j->last != COPY_COMMA));
  return j->before != COPY_CHINESE && !number;
}

static bool space_behind_apostrophe(const copy_join *j, copy_kind kind) {
  if (j->before != COPY_WORD) return false; // it opens
  return kind != COPY_CONTRACTION && j->letters != 1;
}

bool copy_join_space(const copy_join *j, copy_kind kind) {
  const copy_kind last = (copy_kind)j->last;
  switch (kind) {
  case COPY_NOTHING:
  case COPY_CONTINUES:
  case COPY_CHINESE:
  case COPY_CLOSES:
  case COPY_COMMA:
  case COPY_TIGHT:
    return false;
  case COPY_APOSTROPHE:
    if (is_word(last)) return false;
    break;
  case COPY_QUOTE:
    if (j->quoted || last == COPY_DIGIT) return false; // it closes, or means inches
    break;
  case COPY_PLUS:
    if (last == COPY_DIGIT || (last == COPY_WORD && j->letters == 1)) return false; // 50+, h&m
    break;
  default:
    break;
  }
  switch (last) {
  case COPY_WORD:
  case COPY_DIGIT:
    return true;
  case COPY_CLOSES:
  case COPY_COMMA:
    return space_behind_sign(j, kind);
  case COPY_PLUS:
    return space_behind_sign(j, kind) && j->letters != 1;
  case COPY_QUOTE:
    return !j->quoted && j->before != COPY_CHINESE;
  case COPY_APOSTROPHE:
    return space_behind_apostrophe(j, kind);
  default:
    return false; // nothing yet, Chinese, what opens, what is tight
  }
}

static void take_character(copy_join *j, uint32_t c) {
  const copy_kind kind = kind_of(c);
  if (kind == COPY_WORD)
    j->letters = j->last == COPY_WORD ? 2 : 1;
  else if (kind != COPY_APOSTROPHE && kind != COPY_PLUS)
    j->letters = 0;
  if (kind == COPY_QUOTE && (j->quoted || j->last != COPY_DIGIT)) j->quoted = !j->quoted;
  j->before = j->last;
  j->last = (uint8_t)kind;
}

void copy_join_after(copy_join *j, const char *piece, size_t bytes, copy_kind kind) {
  if (copy_join_space(j, kind)) take_character(j, ' ');
  for (size_t i = 0, n; i < bytes; i += n) take_character(j, utf8_next(piece + i, bytes - i, &n));
}

size_t copy_join_piece(copy_join *j, const char *piece, bool continues, char *to, size_t room) {
  const size_t bytes = strlen(piece);
  const copy_kind kind = copy_kind_of(piece, bytes, continues);
  const size_t space = copy_join_space(j, kind);
  if (room > 0) {
    const size_t left = room - 1, n = left < space ? 0 : left - space < bytes ? left - space : bytes;
    if (space > 0 && left > 0) to[0] = ' ';
    memcpy(to + (left < space ? 0 : space), piece, n);
    to[(left < space ? 0 : space) + n] = '\0';
  }
  copy_join_after(j, piece, bytes, kind);
  return space + bytes;
}
