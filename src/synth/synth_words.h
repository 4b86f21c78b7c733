// The words of the generated marketplace: departments, categories, brands, styles, colours, in English and
// Chinese.
//
// A text of pairs is "english/chinese|english/chinese|..."; pair_at() reads one.
#ifndef SOUK_SYNTH_SYNTH_WORDS_H
#define SOUK_SYNTH_SYNTH_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  SYNTH_DEPARTMENTS = 10,
  DEPARTMENT_CATEGORIES = 6,
  SYNTH_CATEGORIES = SYNTH_DEPARTMENTS * DEPARTMENT_CATEGORIES,
  SYNTH_BRANDS = 8, // of a department
  SYNTH_STYLES = 6,
  SYNTH_TIERS = 5 // of price, from budget to premium
};

typedef struct category_words {
  const char *en, *zh;              // the category: "Phone cases", "手机壳"
  const char *noun;                 // one of it: "phone case"
  double price;                     // of the middle tier, in yuan
  int32_t complement;               // place in the department of what is bought after it
  const char *materials, *features; // pairs
} category_words;

typedef struct department_words {
  const char *en, *zh;
  const char *brands;                               // pairs, SYNTH_BRANDS
  const char *uses;                                 // pairs: what for
  category_words categories[DEPARTMENT_CATEGORIES]; // in the order in which people look at them
} department_words;

extern const department_words synth_departments[SYNTH_DEPARTMENTS];
extern const char *const synth_styles[SYNTH_STYLES];      // pairs of adjectives of one style
extern const char *const synth_style_notes[SYNTH_STYLES]; // pairs: a sentence each
extern const char *const synth_tier_notes[SYNTH_TIERS];   // pairs: a sentence each
extern const char *const synth_colours;                   // pairs

static inline const category_words *category_at(int32_t category) {
  return &synth_departments[category / DEPARTMENT_CATEGORIES].categories[category % DEPARTMENT_CATEGORIES];
}

// Copies pair k (modulo their number) of a text; chinese picks its second half. Cut to `bytes`. Returns buf.
char *pair_at(char *buf, size_t bytes, const char *pairs, uint64_t k, bool chinese);
int32_t pair_count(const char *pairs);

#endif
