// What a caller's stream is told of copy that is being written; see souk_promo_stream and decoder.h.
#include <string.h>
#include "infer/decoder.h"

// Bytes of a text that are whole characters.
static size_t whole_characters(const char *text, size_t n) {
  size_t at = n, back = 0;
  while (at > 0 && back < 3 && ((unsigned char)text[at - 1] & 0xc0) == 0x80) {
    at--;
    back++;
  }
  if (at == 0) return n;
  const unsigned char lead = (unsigned char)text[at - 1];
  const size_t wanted = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
  return back < wanted ? at - 1 : n;
}

static void tell(decoder *d, size_t request, int32_t copy, const char *text, size_t n, bool last,
                 uint32_t flags) {
  copy_job *j = d->j;
  pthread_mutex_lock(&j->lock);
  j->options.stream(j->options.stream_arg, request, copy, text, n, last, flags);
  pthread_mutex_unlock(&j->lock);
}

void stream_live(decoder *d, copy_seat *s) {
  if (d->j->options.stream == NULL || d->j->options.decode == SOUK_DECODE_BEAM) return;
  for (int32_t i = 0; i < s->n_live; i++) {
    hypothesis *h = &s->live[i];
    // The newest tokens may still be taken back, if nothing can follow them.
    if (h->furthest <= BACK_MOST) continue;
    const size_t n = limits_text(&s->limits, h->tokens, h->furthest - BACK_MOST, d->text, d->text_room);
    if (n >= d->text_room) continue; // words longer than any: at the end, all at once
    const size_t whole = whole_characters(d->text, n);
    if (whole <= h->told) continue;
    tell(d, s->request, h->number, d->text + h->told, whole - h->told, false, 0);
    h->told = whole;
  }
}

static void end_copy(decoder *d, const copy_seat *s, int32_t number, size_t told, const souk_copy *c) {
  const bool replaced = (c->flags & (SOUK_COPY_TEMPLATE | SOUK_COPY_REFUSED)) != 0;
  if (!replaced && c->bytes > told) tell(d, s->request, number, c->text + told, c->bytes - told, false, 0);
  tell(d, s->request, number, replaced ? c->text : "", replaced ? c->bytes : 0, true, c->flags);
}

void stream_end(decoder *d, const copy_seat *s, const promo_answer *a) {
  static const souk_copy refused = {.text = "", .flags = SOUK_COPY_REFUSED};
  const int32_t draws = d->j->options.decode == SOUK_DECODE_SAMPLE ? d->j->options.n_best : 0;
  if (d->j->options.stream == NULL) return;
  for (int32_t k = 0; k < a->notes.copies; k++) {
    const bool written = s->n_finished > 0;
    end_copy(d, s, draws > 0 && written ? s->finished[k].number : k, written ? s->finished[k].told : 0,
             &a->copies[k]);
  }
  for (int32_t number = 0; number < draws; number++) { // draws that came to nothing
    bool there = s->n_finished == 0 && number == 0;
    for (int32_t k = 0; k < s->n_finished; k++) there |= s->finished[k].number == number;
    if (!there) end_copy(d, s, number, 0, &refused);
  }
}
