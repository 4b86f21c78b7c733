// Pairs of sessions; see session_pairs.h.
#include "data/sources/session_pairs.h"

#include "base/philox.h"

// Are all sessions in [begin, i) over at i, where another begins? Sessions are numbered as they begin, and may be interleaved:
// a change of session alone is no border.
static bool session_border(const int32_t *sessions, int32_t begin, int32_t i, int32_t end) {
  if (sessions[i] == sessions[i - 1]) return false;
  int32_t newest = sessions[begin];
  for (int32_t k = begin + 1; k < i; k++) newest = sessions[k] > newest ? sessions[k] : newest;
  while (i < end && sessions[i] > newest) i++;
  return i == end;
}

static int32_t find_border(const example *e, const sequence *s, rng *r) {
  int32_t borders = 0;
  for (int32_t i = e->begin + 1; i < e->end; i++) borders += session_border(s->sessions, e->begin, i, e->end);
  if (borders == 0) return -1;
  int32_t wanted = (int32_t)rng_below(r, (uint64_t)borders), cut = e->begin + 1;
  for (;; cut++)
    if (session_border(s->sessions, e->begin, cut, e->end) && wanted-- == 0) return cut;
}

int32_t session_pair_rows(const history_source *b) {
  return b->c.next_session && b->context != NULL && b->context->runs.offsets != NULL;
}

// ---- segments ------------------------------------------------------------------------------------------------

// Events [begin, end) of a sequence as a segment of at most `room` rows.
static batch_input take(history_source *b, const sequence *s, const context_span *span, int32_t room) {
  if (b->context == NULL)
    return (batch_input){s->tokens + span->begin, s->events + span->begin, span->end - span->begin};
  int32_t *tokens = span->bare ? b->second_tokens : b->row_tokens;
  uint8_t *events = span->bare ? b->second_events : b->row_events;
  return (batch_input){tokens, events,
                       context_fill(b->context, span, s->tokens, s->events, room, tokens, events)};
}

static int32_t rows_of(const history_source *b, const context_span *span) {
  return b->context != NULL ? context_rows(b->context, span) : span->end - span->begin;
}

// Another user's session: as many events as the true one has, and fewer where words make more rows of them.
static context_span other_session(const history_source *b, const example *o, const sequence *other, rng *r,
                                  int32_t events, int32_t rows) {
  int32_t from = o->begin + (int32_t)rng_below(r, (uint64_t)(o->end - o->begin));
  while (from > o->begin && !session_border(other->sessions, o->begin, from, o->end)) from--;
  const int32_t n = o->end - from < events ? o->end - from : events;
  context_span span = {.sequence = o->sequence, .begin = from, .end = from + n, .bare = true};
  while (span.end - span.begin > 1 && rows_of(b, &span) > rows) span.end--;
  return span;
}

bool session_pair(history_source *b, const example_list *all, const example *e, const sequence *s,
                  batch_input *first, batch_input *second, int32_t *label) {
  const uint64_t id = (uint64_t)e->id;
  rng r = rng_at((uint64_t)b->c.seed, STREAM_CROP, (uint32_t)id, (uint32_t)(id >> 32) ^ 0x80000000u);
  const int32_t cut = find_border(e, s, &r);
  if (cut < 0) return false;
  const context_span own = {.sequence = e->sequence, .begin = e->begin, .end = cut},
                     next = {.sequence = e->sequence, .begin = cut, .end = e->end, .bare = true};
  int32_t rows = rows_of(b, &own), next_rows = rows_of(b, &next);
  sequence_share(e->length - sequence_specials(&b->layout, true, false), &rows, &next_rows);
  if (b->context != NULL && (rows < 1 || next_rows < 1)) return false;
  *first = take(b, s, &own, rows);
  *second = take(b, s, &next, next_rows);
  *label = 0;
  if (rng_unit(&r) < 0.5) return true;
  for (int tries = 0; tries < 16; tries++) {
    const example *o = &all->items[rng_below(&r, all->n)];
    if (o->sequence == e->sequence || o->task >= MASK_TEXT) continue;
    sequence other;
    history_find_sequence(b, o->sequence, &other);
    const context_span span = other_session(b, o, &other, &r, e->end - cut, rows_of(b, &next));
    *second = take(b, &other, &span, next_rows);
    *label = 1;
    break;
  }
  return true;
}
