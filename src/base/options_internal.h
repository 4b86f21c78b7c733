// What the files of the option table share: options.c, options_dump.c, record.c.
#ifndef SOUK_BASE_OPTIONS_INTERNAL_H
#define SOUK_BASE_OPTIONS_INTERNAL_H

#include "base/options.h"

// Choices are "a|b|c". The index of a name (in letters of any case); false: it is none of them.
bool parse_choice(const char *choices, const char *text, int *value);
int choice_count(const char *choices);
void choice_name(const char *choices, int value, char *buf, size_t bytes);
// The next character of a text into *c; false: the bytes there are not UTF-8.
bool next_character(const char **text, int32_t *c);

#endif
