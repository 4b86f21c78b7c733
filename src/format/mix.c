// Scores of the mix; see mix.h.
//
// The sums of a history are gathered row by row into one compact list: `slots` says where in it an item is. It is -1 everywhere
// between histories, so a history costs what its rows hold and nothing for the rest of the catalogue. Every sum is added in the
// order of the history, newest first: the same bits for a question alone, in a batch, in the trainer.
#include "format/mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "format/order.h"

const char *const mix_channel_names[MIX_CHANNELS] = {"next", "later", "earlier"};

struct mix {
  mix_config c;
  mix_table t;
  float *log_counts;     // [items] ln(1 + n)
  float *bias;           // [items] popularity
  float *rows, *columns; // [sums][items]
  float decays[MIX_SUMS][MIX_SPAN];
  int32_t span; // the longest
};

void mix_table_free(mix_table *t) {
  free(t->counts);
  free(t->offsets);
  free(t->others);
  for (int k = 0; k < MIX_CHANNELS; k++) free(t->weights[k]);
  *t = (mix_table){0};
}

static void make_factors(mix *m) {
  m->span = 0;
  const size_t items = (size_t)m->t.items;
  for (int32_t s = 0; s < m->c.n; s++) {
    const mix_sum *sum = &m->c.sums[s];
    for (size_t i = 0; i < items; i++) {
      const double n = (double)m->t.counts[i];
      m->rows[(size_t)s * items + i] = (float)(n > 0 ? pow(n + sum->row_shrink, -sum->row_power) : 0);
      m->columns[(size_t)s * items + i] = (float)pow(n > 1 ? n : 1, -sum->column_power);
    }
    double decay = 1;
    for (int32_t k = 0; k < sum->span; k++, decay *= sum->decay) m->decays[s][k] = (float)decay;
    if (sum->span > m->span) m->span = sum->span;
  }
  for (size_t i = 0; i < items; i++) {
    const double n = (double)m->t.counts[i];
    m->log_counts[i] = (float)log1p(n);
    m->bias[i] = (float)(m->c.popularity * log1p(n) + (n > 0 ? 0 : m->c.unseen));
  }
}

bool mix_new(mix **out, const mix_config *c, mix_table *t, format_error *e) {
  *out = NULL;
  const size_t items = (size_t)t->items;
  mix *m = NULL;
  bool good = format_alloc(&m, 1, sizeof *m, "a mix", e);
  if (good) {
    m->c = *c;
    m->t = *t;
    good = format_alloc(&m->log_counts, items, sizeof *m->log_counts, "a mix", e) &&
           format_alloc(&m->bias, items, sizeof *m->bias, "a mix", e) &&
           format_alloc(&m->rows, MIX_SUMS * items, sizeof *m->rows, "a mix", e) &&
           format_alloc(&m->columns, MIX_SUMS * items, sizeof *m->columns, "a mix", e);
  } else {
    mix_table_free(t);
  }
  *t = (mix_table){0};
  if (good)
    make_factors(m);
  else
    mix_free(m);
  if (good) *out = m;
  return good;
}

void mix_free(mix *m) {
  if (m == NULL) return;
  mix_table_free(&m->t);
  free(m->log_counts);
  free(m->bias);
  free(m->rows);
  free(m->columns);
  free(m);
}

void mix_set_config(mix *m, const mix_config *c) {
  m->c = *c;
  make_factors(m);
}

const mix_config *mix_get_config(const mix *m) {
  return &m->c;
}
const mix_table *mix_get_table(const mix *m) {
  return &m->t;
}

size_t mix_bytes(const mix *m) {
  const size_t items = (size_t)m->t.items, entries = (size_t)m->t.offsets[m->t.items];
  return sizeof *m + items * (2 * sizeof(int64_t) + sizeof(float) * (2 + 2 * (size_t)m->c.n)) +
         entries * (sizeof(int32_t) + MIX_CHANNELS * sizeof(float));
}

// ---- histories -----------------------------------------------------------------------------------------------

bool mix_room_new(mix_room *r, const mix *m, format_error *e) {
  *r = (mix_room){0};
  if (!format_alloc(&r->slots, (size_t)m->t.items, sizeof *r->slots, "a mix", e)) return false;
  r->n_slots = (size_t)m->t.items;
  for (int32_t i = 0; i < m->t.items; i++) r->slots[i] = -1;
  return true;
}

void mix_room_free(mix_room *r) {
  free(r->slots);
  free(r->items);
  free(r->added);
  free(r->sums);
  free(r->order);
  *r = (mix_room){0};
}

// Adds a row of the table to the sums of a history, in which it is the k-th newest.
static bool add_row(const mix *m, mix_room *r, int32_t item, int32_t k, format_error *e) {
  const mix_table *t = &m->t;
  const int64_t begin = t->offsets[item], end = t->offsets[item + 1];
  const size_t sums = (size_t)m->c.n, items = (size_t)t->items, need = (size_t)r->n + (size_t)(end - begin);
  float factor[MIX_SUMS];
  for (size_t s = 0; s < sums; s++)
    factor[s] = k < m->c.sums[s].span ? m->decays[s][k] * m->rows[s * items + (size_t)item] : 0.0f;
  if (!format_grow(&r->items, &r->items_cap, need, sizeof *r->items, "a mix", e) ||
      !format_grow(&r->sums, &r->sums_cap, need * sums, sizeof *r->sums, "a mix", e))
    return false;
  for (int64_t i = begin; i < end; i++) {
    const int32_t other = t->others[i];
    int32_t at = r->slots[other];
    if (at < 0) {
      at = r->slots[other] = r->n++;
      r->items[at] = other;
      memset(r->sums + (size_t)at * sums, 0, sums * sizeof *r->sums);
    }
    float *x = r->sums + (size_t)at * sums;
    for (size_t s = 0; s < sums; s++) x[s] += factor[s] * t->weights[m->c.sums[s].channel][i];
  }
  return true;
}

// What the sums of one item add to its score.
static float added_of(const mix *m, int32_t item, const float *x) {
  double added = 0;
  bool reached = false;
  for (int32_t s = 0; s < m->c.n; s++) {
    const mix_sum *sum = &m->c.sums[s];
    const double value = (double)x[s];
    if (!(value > 0)) continue;
    reached = true;
    for (int32_t i = 0; i < sum->n; i++) {
      const mix_term *term = &sum->terms[i];
      added += term->weight * (term->gain > 0 ? log1p(term->gain * value) : value);
    }
  }
  if (reached) added += m->c.reached + m->c.reached_popularity * (double)m->log_counts[item];
  return (float)added;
}

// Puts the items in ascending order, with their sums, which get the factors of their columns; the slots become -1 again.
static bool finish(const mix *m, mix_room *r, format_error *e) {
  const size_t n = (size_t)r->n, sums = (size_t)m->c.n, items = (size_t)m->t.items;
  for (size_t i = 0; i < n; i++) r->slots[r->items[i]] = -1;
  // The second half of `sums` takes the sorted ones.
  if (!format_grow(&r->order, &r->order_cap, n, sizeof *r->order, "a mix", e) ||
      !format_grow(&r->sums, &r->sums_cap, 2 * n * sums, sizeof *r->sums, "a mix", e) ||
      !format_grow(&r->added, &r->added_cap, n, sizeof *r->added, "a mix", e))
    return false;
  for (size_t i = 0; i < n; i++) r->order[i] = (uint64_t)r->items[i] << 32 | i;
  if (n > 0) qsort(r->order, n, sizeof *r->order, order_uint64);
  float *sorted = r->sums + n * sums;
  for (size_t i = 0; i < n; i++) {
    const float *x = r->sums + (uint32_t)r->order[i] * sums;
    r->items[i] = (int32_t)(r->order[i] >> 32);
    for (size_t s = 0; s < sums; s++)
      sorted[i * sums + s] = x[s] * m->columns[s * items + (size_t)r->items[i]];
    r->added[i] = added_of(m, r->items[i], sorted + i * sums);
  }
  if (n > 0) memmove(r->sums, sorted, n * sums * sizeof *r->sums);
  return true;
}

bool mix_history(const mix *m, mix_room *r, const int32_t *history, int32_t n, format_error *e) {
  r->n = 0;
  bool good = true;
  int32_t k = 0; // items found
  while (good && n > 0 && (k == 0 || k < m->span)) {
    const int32_t item = history[--n];
    if (item >= 0 && item < m->t.items) good = add_row(m, r, item, k++, e);
  }
  r->nothing = k == 0 && m->c.scale > 0;
  if (good) return finish(m, r, e);
  for (int32_t i = 0; i < r->n; i++) r->slots[r->items[i]] = -1;
  r->n = 0;
  return false;
}

bool mix_batch_new(mix_batch *b, const mix *m, format_error *e) {
  *b = (mix_batch){0};
  return mix_room_new(&b->room, m, e);
}

void mix_batch_free(mix_batch *b) {
  mix_room_free(&b->room);
  free(b->end);
  free(b->nothing);
  free(b->items);
  free(b->added);
  *b = (mix_batch){0};
}

void mix_batch_clear(mix_batch *b) {
  b->n = 0;
}

bool mix_batch_add(mix_batch *b, const mix *m, const int32_t *history, int32_t n, format_error *e) {
  mix_room *r = &b->room;
  const size_t begin = b->n > 0 ? b->end[b->n - 1] : 0;
  if (!mix_history(m, r, history, n, e)) return false;
  const size_t end = begin + (size_t)r->n;
  if (!format_grow(&b->end, &b->end_cap, b->n + 1, sizeof *b->end, "a mix", e) ||
      !format_grow(&b->nothing, &b->nothing_cap, b->n + 1, sizeof *b->nothing, "a mix", e) ||
      !format_grow(&b->items, &b->items_cap, end, sizeof *b->items, "a mix", e) ||
      !format_grow(&b->added, &b->added_cap, end, sizeof *b->added, "a mix", e))
    return false;
  if (r->n > 0) memcpy(b->items + begin, r->items, (size_t)r->n * sizeof *b->items);
  if (r->n > 0) memcpy(b->added + begin, r->added, (size_t)r->n * sizeof *b->added);
  b->nothing[b->n] = r->nothing;
  b->end[b->n++] = end;
  return true;
}

mix_added mix_batch_get(const mix_batch *b, size_t i) {
  const size_t begin = i > 0 ? b->end[i - 1] : 0;
  const int32_t n = (int32_t)(b->end[i] - begin);
  if (n == 0) return (mix_added){.nothing = b->nothing[i]};
  return (mix_added){.n = n, .items = b->items + begin, .added = b->added + begin};
}

size_t mix_batch_bytes(const mix_batch *b) {
  const mix_room *r = &b->room;
  return r->n_slots * sizeof *r->slots + (r->items_cap + b->items_cap) * sizeof *r->items +
         (r->added_cap + b->added_cap) * sizeof *r->added + r->sums_cap * sizeof *r->sums +
         r->order_cap * sizeof *r->order + b->end_cap * sizeof *b->end + b->nothing_cap * sizeof *b->nothing;
}

// ---- scores --------------------------------------------------------------------------------------------------

float mix_of(const mix *m, mix_added a, int32_t item) {
  if (a.nothing) return 0.0f;
  const int32_t at = (int32_t)order_place(a.items, 0, a.n, item);
  return at < a.n && a.items[at] == item ? m->bias[item] + a.added[at] : m->bias[item];
}

void mix_add(const mix *m, mix_added a, int32_t first, int32_t n, float *scores) {
  if (a.nothing) return;
  const float *bias = m->bias + first;
  int32_t done = 0;
  // Bias and sums are added to each other before they are added to the score, as in mix_of.
  for (int32_t at = (int32_t)order_place(a.items, 0, a.n, first); at < a.n && a.items[at] < first + n; at++) {
    const int32_t i = a.items[at] - first;
    for (; done < i; done++) scores[done] += bias[done];
    scores[i] += bias[i] + a.added[at];
    done = i + 1;
  }
  for (; done < n; done++) scores[done] += bias[done];
}

void mix_add_items(const mix *m, mix_added a, const int32_t *items, int32_t n, float *scores) {
  for (int32_t i = 0; i < n; i++) scores[i] += mix_of(m, a, items[i]);
}
