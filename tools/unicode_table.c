// Makes src/format/unicode_table.c of utf8proc's data: `make unicode-table`.
//
// utf8proc knows today's categories only. What Hugging Face's fast tokenizers take for punctuation, marks and format characters
// is fixed by the tables of Unicode 8 that they were built with; the characters that were added, or moved to another category,
// since then are listed here. tools/golden_words.py asks the tokenizers themselves about every character and keeps their
// answers in tests/golden, which the table is tested against.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "format/unicode.h"

typedef struct range {
  uint32_t from, to;
} range;

// Today of category Cf, Mn, P*; unknown to the tables of Unicode 8.
static const range new_format[] = {
    {0x0890, 0x0891}, {0x08E2, 0x08E2}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}};
static const range new_marks[] = {
    {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08E1},   {0x09FE, 0x09FE},   {0x0AFA, 0x0AFF},
    {0x0B55, 0x0B55},   {0x0C04, 0x0C04},   {0x0C3C, 0x0C3C},   {0x0D00, 0x0D00},   {0x0D3B, 0x0D3C},
    {0x0D81, 0x0D81},   {0x0EBA, 0x0EBA},   {0x0ECE, 0x0ECE},   {0x180F, 0x180F},   {0x1885, 0x1886},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFB},   {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},
    {0xA9BD, 0xA9BD},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074}, {0x110C2, 0x110C2}, {0x111C9, 0x111C9},
    {0x111CF, 0x111CF}, {0x1123E, 0x1123E}, {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x11438, 0x1143F},
    {0x11442, 0x11444}, {0x11446, 0x11446}, {0x1145E, 0x1145E}, {0x1182F, 0x11837}, {0x11839, 0x1183A},
    {0x1193B, 0x1193C}, {0x1193E, 0x1193E}, {0x11943, 0x11943}, {0x119D4, 0x119D7}, {0x119DA, 0x119DB},
    {0x119E0, 0x119E0}, {0x11A01, 0x11A0A}, {0x11A33, 0x11A38}, {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47},
    {0x11A51, 0x11A56}, {0x11A59, 0x11A5B}, {0x11A8A, 0x11A96}, {0x11A98, 0x11A99}, {0x11C30, 0x11C36},
    {0x11C38, 0x11C3D}, {0x11C3F, 0x11C3F}, {0x11C92, 0x11CA7}, {0x11CAA, 0x11CB0}, {0x11CB2, 0x11CB3},
    {0x11CB5, 0x11CB6}, {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A}, {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45},
    {0x11D47, 0x11D47}, {0x11D90, 0x11D91}, {0x11D95, 0x11D95}, {0x11D97, 0x11D97}, {0x11EF3, 0x11EF4},
    {0x11F00, 0x11F01}, {0x11F36, 0x11F3A}, {0x11F40, 0x11F40}, {0x11F42, 0x11F42}, {0x13440, 0x13440},
    {0x13447, 0x13455}, {0x16F4F, 0x16F4F}, {0x16FE4, 0x16FE4}, {0x1CF00, 0x1CF2D}, {0x1CF30, 0x1CF46},
    {0x1E000, 0x1E006}, {0x1E008, 0x1E018}, {0x1E01B, 0x1E021}, {0x1E023, 0x1E024}, {0x1E026, 0x1E02A},
    {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
    {0x1E944, 0x1E94A}};
static const range new_punct[] = {
    {0x061D, 0x061D},   {0x09FD, 0x09FD},   {0x0A76, 0x0A76},   {0x0C77, 0x0C77},   {0x0C84, 0x0C84},
    {0x1B7D, 0x1B7E},   {0x2E43, 0x2E4F},   {0x2E52, 0x2E5D},   {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59},
    {0x10F86, 0x10F89}, {0x1144B, 0x1144F}, {0x1145A, 0x1145B}, {0x1145D, 0x1145D}, {0x11660, 0x1166C},
    {0x116B9, 0x116B9}, {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2}, {0x11A3F, 0x11A46},
    {0x11A9A, 0x11A9C}, {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71},
    {0x11EF7, 0x11EF8}, {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16E97, 0x16E9A},
    {0x16FE2, 0x16FE2}, {0x1E95E, 0x1E95F}};
// Of category Mn or P* in Unicode 8, and no longer today.
static const range old_marks[] = {{0x1734, 0x1734}};
static const range old_punct[] = {{0x166D, 0x166D}, {0x111C9, 0x111C9}};
// Decomposed today, unknown to the fast tokenizers' tables.
static const range new_composed[] = {{0x11938, 0x11938}};
// Letters and digits in circles and squares: Alphabetic, though of category So.
static const range alphabetic[] = {
    {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
// BERT's ideographs; the third to last is shorter in the fast tokenizers.
static const range chinese[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
#define IN(c, list) in(c, list, sizeof(list) / sizeof *(list))

static bool in(uint32_t c, const range *list, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (c >= list[i].from && c <= list[i].to) return true;
  return false;
}

enum {
  MOST_RECORDS = 1 << 14,
  MOST_SEQUENCES = 1 << 14,
  MOST_PAIRS = 4096,
  BLOCKS = UNICODE_CHARACTERS / UNICODE_BLOCK
};
static unicode_record records[MOST_RECORDS];
static uint32_t sequences[MOST_SEQUENCES];
static unicode_pair pairs[MOST_PAIRS];
static uint16_t entries[UNICODE_CHARACTERS], blocks[BLOCKS];
static int n_records, n_sequences, n_pairs, n_blocks;

static bool is_space(uint32_t c, utf8proc_category_t k) {
  return k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP ||
         (c >= 9 && c <= 13) || c == 0x85;
}

static bool is_word(uint32_t c, utf8proc_category_t k) {
  return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_ME) || k == UTF8PROC_CATEGORY_ND ||
         k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
         IN(c, alphabetic);
}

static uint16_t flags_of(uint32_t c) {
  const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
  const bool other = k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CS ||
                     k == UTF8PROC_CATEGORY_CO;
  const bool mark = k == UTF8PROC_CATEGORY_MN;
  const bool ascii = c < 0x80 && k >= UTF8PROC_CATEGORY_SM && k <= UTF8PROC_CATEGORY_SO;
  const bool punct = (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO) || ascii;
  unsigned f = 0;
  if (other) f |= UNI_OTHER;
  if (other && !IN(c, new_format)) f |= UNI_OTHER_OLD;
  if (k == UTF8PROC_CATEGORY_CN) f |= UNI_UNASSIGNED;
  if (is_space(c, k)) f |= UNI_SPACE;
  if (punct) f |= UNI_PUNCT;
  if ((punct && !IN(c, new_punct)) || IN(c, old_punct)) f |= UNI_PUNCT_OLD;
  if (mark) f |= UNI_MARK;
  if ((mark && !IN(c, new_marks)) || IN(c, old_marks)) f |= UNI_MARK_OLD;
  if (IN(c, chinese)) f |= UNI_CHINESE;
  if (IN(c, chinese) && !(c >= 0x2B820 && c <= 0x2B91F)) f |= UNI_CHINESE_OLD;
  if (is_word(c, k)) f |= UNI_WORD;
  if (IN(c, new_composed)) f |= UNI_WHOLE_OLD;
  return (uint16_t)f;
}

// NFD of one character; 1: it is its own.
static int decompose(uint32_t c, utf8proc_int32_t *out, int cap) {
  int last = 0;
  const utf8proc_ssize_t n =
      utf8proc_decompose_char((utf8proc_int32_t)c, out, cap, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last);
  return n <= 0 ? 1 : (int)n;
}

static uint16_t record_of(uint32_t c) {
  unicode_record r;
  memset(&r, 0, sizeof r);
  utf8proc_int32_t seq[16] = {(utf8proc_int32_t)c};
  const bool surrogate = c >= 0xD800 && c < 0xE000, hangul = c >= 0xAC00 && c < 0xD7A4;
  r.flags = flags_of(c);
  r.ccc = surrogate ? 0 : (uint8_t)utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
  r.lower = surrogate ? 0 : utf8proc_tolower((utf8proc_int32_t)c) - (int32_t)c;
  const int n = surrogate ? 1 : decompose(c, seq, 16);
  if (n > MOST_DECOMPOSED) abort();
  if (!hangul && (n > 1 || seq[0] != (utf8proc_int32_t)c)) {
    r.decomposed = (uint8_t)n;
    r.at = (uint16_t)n_sequences;
    if (n_sequences + n > MOST_SEQUENCES) abort();
    for (int i = 0; i < n; i++) sequences[n_sequences++] = (uint32_t)seq[i];
  }
  if (hangul || r.decomposed > 0 || r.ccc > 0 || r.lower != 0 || c == 0x130) r.flags |= UNI_CHANGES;
  for (int i = 0; i < n_records; i++)
    if (memcmp(&records[i], &r, sizeof r) == 0) return (uint16_t)i;
  if (n_records == MOST_RECORDS) abort();
  records[n_records] = r;
  return (uint16_t)n_records++;
}

// A composite is its first part, which may be composed itself, and the last character of its decomposition.
static void find_pair(uint32_t c) {
  utf8proc_int32_t seq[16], buffer[16];
  const bool hangul = c >= 0xAC00 && c < 0xD7A4;
  if (hangul || (c >= 0xD800 && c < 0xE000)) return;
  const int n = decompose(c, seq, 16);
  if (n < 2) return;
  memcpy(buffer, seq, sizeof buffer);
  const utf8proc_ssize_t whole = utf8proc_normalize_utf32(buffer, n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (whole != 1 || buffer[0] != (utf8proc_int32_t)c) return; // excluded from composition
  memcpy(buffer, seq, sizeof buffer);
  if (utf8proc_normalize_utf32(buffer, n - 1, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1) abort();
  if (n_pairs == MOST_PAIRS) abort();
  pairs[n_pairs++] = (unicode_pair){(uint32_t)buffer[0], (uint32_t)seq[n - 1], c};
}

static int by_parts(const void *x, const void *y) {
  const unicode_pair *a = x, *b = y;
  return a->a != b->a ? (a->a < b->a ? -1 : 1) : (a->b > b->b) - (a->b < b->b);
}

static void find_blocks(void) {
  for (int b = 0; b < BLOCKS; b++) {
    const uint16_t *mine = entries + b * UNICODE_BLOCK;
    int i = 0;
    while (i < n_blocks && memcmp(entries + i * UNICODE_BLOCK, mine, UNICODE_BLOCK * sizeof *mine) != 0) i++;
    if (i == n_blocks) memmove(entries + n_blocks++ * UNICODE_BLOCK, mine, UNICODE_BLOCK * sizeof *mine);
    blocks[b] = (uint16_t)i;
  }
}

static void print_numbers(const char *declaration, const uint16_t *x, int n) {
  printf("%s = {", declaration);
  for (int i = 0; i < n; i++) printf("%s%u,", i % 32 == 0 ? "\n" : "", x[i]);
  printf("\n};\n");
}

int main(void) {
  for (uint32_t c = 0; c < UNICODE_CHARACTERS; c++) {
    entries[c] = record_of(c);
    find_pair(c);
  }
  find_blocks();
  qsort(pairs, (size_t)n_pairs, sizeof *pairs, by_parts);
  printf(
      "// Made by tools/unicode_table.c (make unicode-table); see unicode.h. Unicode data: Copyright "
      "1991-2022 Unicode, Inc.,\n"
      "// under the Unicode License v3 (unicode.org/license.txt), by way of utf8proc %s.\n"
      "// clang-format off\n#include \"format/unicode.h\"\n\nconst char unicode_table_version[] = \"%s\";\n",
      utf8proc_version(), utf8proc_unicode_version());
  print_numbers("const uint16_t unicode_blocks[UNICODE_CHARACTERS / UNICODE_BLOCK]", blocks, BLOCKS);
  print_numbers("const uint16_t unicode_entries[]", entries, n_blocks * UNICODE_BLOCK);
  printf("const unicode_record unicode_records[] = {");
  for (int i = 0; i < n_records; i++) {
    const unicode_record *r = &records[i];
    printf("%s{%u,%u,%u,%u,%d},", i % 6 == 0 ? "\n" : "", r->flags, r->ccc, r->decomposed, r->at, r->lower);
  }
  printf("\n};\nconst uint32_t unicode_sequences[] = {");
  for (int i = 0; i < n_sequences; i++) printf("%s0x%X,", i % 16 == 0 ? "\n" : "", sequences[i]);
  printf("\n};\nconst unicode_pair unicode_pairs[] = {");
  for (int i = 0; i < n_pairs; i++)
    printf("%s{0x%X,0x%X,0x%X},", i % 5 == 0 ? "\n" : "", pairs[i].a, pairs[i].b, pairs[i].c);
  printf("\n};\nconst size_t unicode_n_pairs = %d;\n", n_pairs);
  return 0;
}
