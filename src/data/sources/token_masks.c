// Masking rows; see token_masks.h.
#include "data/sources/token_masks.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/philox.h"

// ---- what may be masked --------------------------------------------------------------------------------------

static status find_pieces(token_masks *m) {
  const vocab *v = dataset_vocab(m->d);
  const int32_t first = vocab_begin(v, RANGE_WORDS), words = vocab_end(v, RANGE_WORDS) - first;
  TRY(mem_new(&m->piece, (size_t)words, sizeof *m->piece, "the pieces of words"));
  for (int32_t i = 0; i < words; i++) m->piece[i] = strncmp(vocab_token(v, first + i), "##", 2) == 0;
  return OK;
}

status token_masks_open(token_masks *m, const dataset *d, const data_config *c, const seq_layout *layout,
                        const negative_sampler *negatives) {
  *m = (token_masks){.d = d, .c = c, .layout = *layout, .negatives = negatives};
  TRY(find_pieces(m));
  if (c->mask_popularity == 0) return OK;
  return mem_new(&m->rates, (size_t)layout->max_positions, sizeof *m->rates, "the rates of masks");
}

void token_masks_free(token_masks *m) {
  free(m->piece);
  free(m->rates);
  m->piece = NULL;
  m->rates = NULL;
}

masking token_masking(const data_config *c) {
  return (masking){c->mask_probability, c->mask_spans, c->mask_popularity};
}

static bool is_word(const token_masks *m, int32_t token) {
  const int32_t *end = dataset_get_info(m->d)->range_end;
  return token >= end[RANGE_SPECIAL] && token < end[RANGE_WORDS];
}

static bool may_mask(const token_masks *m, int32_t token) {
  if (token >= dataset_get_info(m->d)->range_end[RANGE_ATTRIBUTES]) return true;
  return m->negatives == NULL && !m->layout.items_only && is_word(m, token);
}

// Does a unit begin at this row? A piece goes on with the word in front of it.
static bool begins_unit(const token_masks *m, const batch *out, int32_t row, int32_t begin) {
  const int32_t token = out->ids[row];
  if (!may_mask(m, token)) return false;
  if (!is_word(m, token) || m->piece[token - TOKEN_SPECIALS] == 0 || row == begin) return true;
  return !is_word(m, out->ids[row - 1]);
}

// One past the last row of the unit that begins at `row`.
static int32_t unit_end(const token_masks *m, const batch *out, int32_t row, int32_t begin, int32_t end) {
  int32_t stop = row + 1;
  while (stop < end && may_mask(m, out->ids[stop]) && !begins_unit(m, out, stop, begin)) stop++;
  return stop;
}

// ---- masking -------------------------------------------------------------------------------------------------

bool predict_token(token_masks *m, batch *out, int32_t row, int32_t token, bool masked) {
  if (!(masked ? batch_add_masked : batch_add_next)(out, row, token, 1.0f)) {
    if (!m->left_out)
      log_warn("a batch has room for %d rows at which something is predicted; at further ones nothing is",
               out->caps.masked);
    m->left_out = true;
    return false;
  }
  out->label_logq[out->n_masked - 1] = m->negatives != NULL ? negatives_logq(m->negatives, token) : 0.0f;
  return true;
}

// A random token of the same kind as the one that it stands for.
static int32_t random_token(const token_masks *m, int32_t token, rng *r) {
  const int32_t *end = dataset_get_info(m->d)->range_end;
  const vocab_range from = is_word(m, token) ? RANGE_SPECIAL : RANGE_ATTRIBUTES, to = from + 1;
  return end[from] + (int32_t)rng_below(r, (uint64_t)(end[to] - end[from]));
}

static void mask_row(token_masks *m, batch *out, int32_t row, rng *r, bool bert) {
  const int32_t token = out->ids[row];
  if (!predict_token(m, out, row, token, true)) return;
  if (m->c->mask_events) out->types[row] -= out->types[row] % m->layout.n_event_types;
  out->ids[row] = TOKEN_MASK;
  if (!bert) return;
  const double u = rng_unit(r);
  if (u >= 0.9)
    out->ids[row] = token;
  else if (u >= 0.8)
    out->ids[row] = random_token(m, token, r);
}

// How often each of these units is masked, one after the other; NULL: all are alike.
static const double *mask_rates(token_masks *m, const batch *out, int32_t begin, int32_t end) {
  if (m->c->mask_popularity == 0) return NULL;
  int32_t n = 0;
  for (int32_t row = begin; row < end; row++)
    if (begins_unit(m, out, row, begin))
      m->rates[n++] = (double)vocab_token_count(dataset_vocab(m->d), out->ids[row]);
  masking_rates(m->rates, n, m->c->mask_probability, m->c->mask_popularity);
  return m->rates;
}

// Masks a unit and goes behind it.
static int32_t mask_unit(token_masks *m, batch *out, int32_t row, int32_t stop, rng *r, bool bert) {
  for (; row < stop; row++) mask_row(m, out, row, r, bert);
  return stop;
}

// Units are found before their rows change: a masked row is no word any more.
static void mask_some(token_masks *m, batch *out, int32_t begin, int32_t end, int32_t units, rng *r) {
  const int32_t forced = (int32_t)rng_below(r, (uint64_t)units), before = out->n_masked;
  const bool bert = m->c->mask_style == MASK_BERT;
  const masking how = token_masking(m->c);
  mask_walk walk = masking_walk(&how, mask_rates(m, out, begin, end), units);
  int32_t forced_row = -1, forced_stop = -1, seen = 0;
  for (int32_t row = begin; row < end;) {
    if (!may_mask(m, out->ids[row])) {
      row++;
      continue;
    }
    const int32_t stop = unit_end(m, out, row, begin, end);
    if (seen++ == forced) forced_row = row, forced_stop = stop;
    row = masking_next(&walk, r) ? mask_unit(m, out, row, stop, r, bert) : stop;
  }
  if (out->n_masked == before) // none was masked by chance, and every example has a label
    mask_unit(m, out, forced_row, forced_stop, r, bert);
}

void mask_rows(token_masks *m, batch *out, const example *e, int32_t begin, int32_t end) {
  rng r = rng_at((uint64_t)m->c->seed, STREAM_MASK, (uint32_t)e->id, (uint32_t)((uint64_t)e->id >> 32));
  int32_t last = -1, units = 0;
  for (int32_t row = begin; row < end; row++) {
    if (!begins_unit(m, out, row, begin)) continue;
    units++;
    last = row;
  }
  if (units == 0) return;
  if (e->task == MASK_LAST)
    mask_unit(m, out, last, unit_end(m, out, last, begin, end), &r, false);
  else
    mask_some(m, out, begin, end, units, &r);
}
