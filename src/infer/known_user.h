// What a bundle knows of users beside their events: the names of their attributes, and the tokens of one user's; and the domains
// of items.
#ifndef SOUK_INFER_KNOWN_USER_H
#define SOUK_INFER_KNOWN_USER_H

#include "infer/bundle.h"

// Lists the names that b's vocabulary has, each once in the order of their first tokens, and the domains of its items. Freed with known_user_close.
souk_status known_user_open(souk_bundle *b, souk_error *e);
size_t known_user_bytes(const souk_bundle *b);
void known_user_close(souk_bundle *b);
// The number of a name, -1: there is none.
int32_t known_attribute(const souk_bundle *b, const char *name);
// The first `cap` tokens of a user's attributes (NULL: none), whose names and values have been checked, in the order of the
// vocabulary, which is that of training, into tokens [cap] (NULL if cap is 0). Returns how many there are in all.
int32_t known_attributes(const souk_bundle *b, const souk_user *user, int32_t *tokens, int32_t cap);

#endif
