// The texts of json: strings (RFC 8259), decoded. Shared by the readers of json, which differ in what they keep.
#ifndef SOUK_FORMAT_JSON_TEXT_H
#define SOUK_FORMAT_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes the string whose opening quote is at *at, of text that ends at `end`. *at moves behind the closing quote, *to to the
// end of what was written there, without a NUL. Decoded text is never longer than what it is decoded from, so *to may be at
// or before *at in the same memory. NULL, or what is wrong with the string, a constant; then *at is where.
const char *json_decode(const char **at, const char *end, char **to);
// The number in `count` hexadecimal digits at *at, which moves behind them; false: there are fewer.
bool hex_digits(const char **at, const char *end, int count, uint32_t *value);

#endif
