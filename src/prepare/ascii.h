// Characters as readers of values tell them apart, in every locale.
#ifndef SOUK_PREPARE_ASCII_H
#define SOUK_PREPARE_ASCII_H

#include <stdbool.h>

static inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
static inline bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
