// Copy that was written beforehand, with slots: what is said where a model finds nothing that it may say.
//
// A template is text with slots in brackets, and parts in braces that are left out unless all of their slots are given:
//
//   [item]: [percent]{, now [price]}{ until [date]}{ with code [code]}.
//
// It can be used if the slots outside of braces are given. Money off that is tied to a threshold is never said without it.
#ifndef SOUK_FORMAT_PROMO_TEMPLATES_H
#define SOUK_FORMAT_PROMO_TEMPLATES_H

#include "format/promo_terms.h"

// The types of promotions that have templates of their own, from 0; NULL: there are no more. Others get those for any type.
const char *promo_template_type(size_t i);

// The templates of a type (NULL or unknown: any) and language that can be used with the terms `given` (promo_terms_given), from 0, in the order in
// which they should be tried: with the item's name before without it, those of the type before those for any type, and what says
// more before what says less. NULL: there are no more. With nothing given, and so for terms that contradict each other, some are left that state
// nothing ("An offer for you.").
const char *promo_template(const char *type, promo_language l, uint32_t given, size_t nth);

typedef struct promo_piece { // of a template: a slot, or text
  int32_t slot;              // promo_slot; -1: text
  const char *text;          // [bytes], within the template; of a slot: its name
  size_t bytes;
} promo_piece;

enum { PROMO_MOST_PIECES = 64 };

// Is a template of somebody else's one? False: *e says what is wrong: no UTF-8, a control character, a slot that there is not, brackets that do not match,
// too many pieces, or nothing at all.
bool promo_template_check(const char *text, format_error *e);
// The pieces that a template has with these terms; 0: it cannot be used with them (or is none, see promo_template_check).
size_t promo_template_pieces(const char *text, uint32_t given, promo_piece to[PROMO_MOST_PIECES]);
// Writes a template with its slots filled in, as promo_render does. 0: it cannot be used with these terms.
size_t promo_fill(const char *text, const promo_terms *t, const promo_market *m, promo_language l, char *to,
                  size_t room);

#endif
