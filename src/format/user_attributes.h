// Attributes of users as tokens of a vocabulary, user:NAME=VALUE, in the range of attributes.
//
// VALUE is a value of the column NAME as it stands there, or a range of numbers A..B: from A up to below B; either may be left out. So a
// vocabulary says by itself which attributes users have, and which token a value is.
#ifndef SOUK_FORMAT_USER_ATTRIBUTES_H
#define SOUK_FORMAT_USER_ATTRIBUTES_H

#include "format/vocabulary.h"

#define USER_ATTRIBUTE "user:"

// The token of a user's value as it stands; -1: the vocabulary has none. value [bytes] needs no NUL.
int32_t user_attribute_value(const vocab *v, const char *name, const char *value, size_t bytes);
// Does a value read as a decimal number, in every locale?
bool user_attribute_number(const char *value, size_t bytes, double *x);
// Is a token's VALUE a range of numbers, from *least up to below *below?
bool user_attribute_range(const char *value, double *least, double *below);
// Does NAME read as a name? Not empty, without '=', of at most USER_ATTRIBUTE_NAME bytes.
enum { USER_ATTRIBUTE_NAME = 128 };
bool user_attribute_name(const char *name);

#endif
