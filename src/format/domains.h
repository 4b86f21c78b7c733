// Domains: shops or platforms whose items are one vocabulary's, named DOMAIN/ITEM, and whose names are its attributes domain=DOMAIN.
//
// So a vocabulary says by itself which domain an item is of. A model reads a domain's token in front of each run of events of that
// domain: of a history a/1 a/7 b/3 a/1 it reads domain=a a/1 a/7 domain=b b/3 domain=a a/1.
#ifndef SOUK_FORMAT_DOMAINS_H
#define SOUK_FORMAT_DOMAINS_H

#include "format/vocabulary.h"

#define DOMAIN_ATTRIBUTE "domain="
enum { DOMAIN_BYTES = 128 }; // of a domain's name, at most

// Does the vocabulary have any?
bool vocab_has_domains(const vocab *v);
// The token of the domain of an item (a token id in the range of items); -1: it has none, as where there are no domains.
int32_t domain_of_item(const vocab *v, int32_t item);
// Reads as a name of a domain: not empty, without '/', of at most DOMAIN_BYTES bytes.
bool domain_name(const char *name, size_t bytes);

#endif
