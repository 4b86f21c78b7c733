// From a request for copy to the rows of its source; see decoder_source.h.
#include "infer/decoder_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "format/copy_context.h"
#include "infer/catalogue.h"
#include "infer/encode.h"
#include "infer/known_user.h"
#include "infer/products.h"
#include "infer/workspace.h"

size_t source_space_bytes(const souk_bundle *b) {
  const size_t most = (size_t)b->max_history;
  return area_size(most, sizeof(int32_t)) + area_size(most, 1) +
         area_size((size_t)b->copy.layout.item_tokens, sizeof(int32_t));
}

void source_space_open(source_space *s, const souk_bundle *b, area *a) {
  const size_t most = (size_t)b->max_history;
  s->tokens = area_take(a, most, sizeof *s->tokens);
  s->events = area_take(a, most, 1);
  s->item = area_take(a, (size_t)b->copy.layout.item_tokens, sizeof *s->item);
}

static double term(double given) {
  return given != 0 ? given : (double)NAN;
}

promo_terms source_terms(const souk_bundle *b, const souk_promo_request *r, char *title) {
  const souk_terms *t = &r->terms;
  promo_terms p = {.item = t->item,
                   .code = t->code,
                   .price = term(t->price),
                   .was = term(t->was),
                   .percent = term(t->percent),
                   .amount = term(t->amount),
                   .threshold = term(t->threshold),
                   .year = t->year,
                   .month = t->month,
                   .day = t->day};
  if (p.item == NULL && r->item >= 0 && b->catalogue.lines != NULL &&
      catalogue_title(&b->catalogue, r->item, title, TITLE_BYTES) > 0)
    p.item = title;
  return p;
}

// Language, market, type and goal, and the slots of the terms that are given.
static int32_t write_context(const souk_bundle *b, const souk_promo_request *r, uint32_t given, int32_t *to,
                             souk_promo_notes *notes) {
  const copy_wanted wanted = {.name = {[COPY_LANGUAGE] = r->language,
                                       [COPY_MARKET] = r->market,
                                       [COPY_TYPE] = r->type,
                                       [COPY_GOAL] = r->goal},
                              .given = given};
  uint32_t unknown;
  const int32_t n = copy_context(b->vocab, &wanted, to, &unknown);
  notes->unknown_context = __builtin_popcount(unknown);
  for (int s = 0; s < SLOT_COUNT; s++) notes->dropped_terms += (given >> s & 1) != 0 && b->copy.slots[s] < 0;
  return n;
}

// The item's token, if it has one, then its text and attributes, or those of the bundle.
static int32_t write_item(const souk_bundle *b, const souk_promo_request *r, int32_t *to,
                          souk_promo_notes *notes) {
  const size_t cap = (size_t)b->copy.layout.item_tokens, own = r->item >= 0;
  size_t strangers;
  if (own == 1) to[0] = b->first_item + r->item;
  size_t put = product_tokens(b, &r->product, to + own, cap - own, cap - own, &strangers);
  if (put == 0 && own == 1) put = item_words_take(b, r->item, to + own, cap - own);
  notes->unknown_attributes = (int32_t)strangers;
  return (int32_t)(own + put);
}

souk_status source_write(const souk_bundle *b, const souk_promo_request *r, uint32_t given,
                         const source_space *space, source_rows *to, souk_promo_notes *notes, char *why,
                         size_t room, souk_error *e) {
  const copy_layout *l = &b->copy.layout;
  const size_t most = (size_t)b->max_history;
  const window_ends ends = {.tokens = space->tokens + most, .events = space->events + most};
  int32_t context[COPY_CONTEXT], kept = 0, known = 0;
  if (!b->copy.forgets_users) {
    PASS(history_window(b, &r->history, &ends, &kept, &notes->unknown_items, e));
    known = known_attributes(b, r->history.user, NULL, 0);
  }
  const copy_source source = {.context = context,
                              .n_context = write_context(b, r, given, context, notes),
                              .item = space->item,
                              .n_item = write_item(b, r, space->item, notes),
                              .history = {ends.tokens - kept, ends.events - kept, kept},
                              .fixed = known < kept ? known : kept};
  if (!copy_plan_make(&to->plan, l, &source, NO_COPY)) {
    if (why[0] == '\0')
      snprintf(
          why, room,
          "what is wanted and the terms are %d tokens, for which the model has no room beside copy of %d",
          source.n_context, l->copy_tokens);
    return SOUK_OK;
  }
  copy_write_source(&to->plan, l, &source, to->ids, to->types, to->positions);
  notes->source_tokens = to->plan.source;
  return SOUK_OK;
}
