// What a request for copy becomes before the model reads it: the rows of the source, and its terms.
#ifndef SOUK_INFER_DECODER_SOURCE_H
#define SOUK_INFER_DECODER_SOURCE_H

#include "infer/bundle.h"

enum { TITLE_BYTES = 1024 };

typedef struct source_rows {
  int32_t *ids, *types, *positions; // [plan.source], room for layout.max_positions
  copy_plan plan;
} source_rows;

// Room that is used again for each request.
typedef struct source_space {
  int32_t *tokens, *item; // [max_history], [item_tokens]
  uint8_t *events;        // [max_history]
} source_space;

size_t source_space_bytes(const souk_bundle *b);
void source_space_open(source_space *s, const souk_bundle *b, area *a); // whose memory is reserved

// The terms of a request as they are rendered. The item's name is the request's, or its title in the catalogue, which `title`
// [TITLE_BYTES] then holds.
promo_terms source_terms(const souk_bundle *b, const souk_promo_request *r, char *title);

// Lays out the rows of a request that has been checked. given: bit s: slot s can be filled. *notes gets what was not understood, and
// *why [room], unless there is a reason already, that what is wanted leaves no room for copy.
souk_status source_write(const souk_bundle *b, const souk_promo_request *r, uint32_t given,
                         const source_space *space, source_rows *to, souk_promo_notes *notes, char *why,
                         size_t room, souk_error *e);

#endif
