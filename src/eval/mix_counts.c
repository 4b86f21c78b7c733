// Counting for the mix; see mix_counts.h. Each channel is counted by pair_counts.c; a row of the table joins the rows of the
// three and keeps the neighbours with the largest sum of weights, so that the channels share one list of neighbours.
#include "eval/mix_counts.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "eval/pair_counts.h"

// Rows of single channels are longer than the joined ones, since what is kept is decided by all channels.
enum { CHANNEL_ROWS = 4 };

typedef struct neighbour {
  int32_t item;
  float weights[MIX_CHANNELS];
} neighbour;

typedef struct joiner {
  const mix_count_config *c;
  const pair_counts *channels[MIX_CHANNELS];
  mix_table *t;
  int32_t *slots; // [items] place in row, -1: not there
  neighbour *row; // [row_cap]
  size_t row_cap, others_cap, weights_cap[MIX_CHANNELS];
} joiner;

static float weight_of(const neighbour *n) {
  float sum = 0;
  for (int k = 0; k < MIX_CHANNELS; k++) sum += n->weights[k];
  return sum;
}

static int heaviest_first(const void *a, const void *b) {
  const neighbour *x = a, *y = b;
  const float v = weight_of(x), w = weight_of(y);
  if (v < w || v > w) return v > w ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

static int by_item(const void *a, const void *b) {
  const neighbour *x = a, *y = b;
  return (x->item > y->item) - (x->item < y->item);
}

// The neighbours of an item in any channel, in b->row; *n of them.
static status gather(joiner *b, int32_t item, size_t *n) {
  *n = 0;
  for (int k = 0; k < MIX_CHANNELS; k++) {
    const pair_counts *p = b->channels[k];
    const size_t length = (size_t)(p->offsets[item + 1] - p->offsets[item]);
    TRY(mem_grow(&b->row, &b->row_cap, *n + length, sizeof *b->row, "counts of item pairs"));
    for (int64_t i = p->offsets[item]; i < p->offsets[item + 1]; i++) {
      int32_t at = b->slots[p->others[i]];
      if (at < 0) {
        at = b->slots[p->others[i]] = (int32_t)(*n)++;
        b->row[at] = (neighbour){.item = p->others[i]};
      }
      b->row[at].weights[k] = p->weights[i];
    }
  }
  for (size_t i = 0; i < *n; i++) b->slots[b->row[i].item] = -1;
  return OK;
}

static status join_row(joiner *b, int32_t item) {
  mix_table *t = b->t;
  size_t n;
  TRY(gather(b, item, &n));
  if (n > (size_t)b->c->neighbours) {
    qsort(b->row, n, sizeof *b->row, heaviest_first);
    n = (size_t)b->c->neighbours;
  }
  if (n > 0) qsort(b->row, n, sizeof *b->row, by_item);
  const size_t at = (size_t)t->offsets[item];
  TRY(mem_grow(&t->others, &b->others_cap, at + n, sizeof *t->others, "counts of item pairs"));
  for (int k = 0; k < MIX_CHANNELS; k++)
    TRY(mem_grow(&t->weights[k], &b->weights_cap[k], at + n, sizeof **t->weights, "counts of item pairs"));
  for (size_t i = 0; i < n; i++) {
    t->others[at + i] = b->row[i].item;
    for (int k = 0; k < MIX_CHANNELS; k++) t->weights[k][at + i] = b->row[i].weights[k];
  }
  t->offsets[item + 1] = (int64_t)(at + n);
  return OK;
}

static status join(joiner *b) {
  const size_t items = (size_t)b->t->items;
  TRY(mem_new(&b->slots, items, sizeof *b->slots, "counts of item pairs"));
  for (size_t i = 0; i < items; i++) b->slots[i] = -1;
  // A table without an entry still has arrays.
  TRY(mem_grow(&b->t->others, &b->others_cap, 1, sizeof *b->t->others, "counts of item pairs"));
  for (int k = 0; k < MIX_CHANNELS; k++)
    TRY(mem_grow(&b->t->weights[k], &b->weights_cap[k], 1, sizeof **b->t->weights, "counts of item pairs"));
  for (int32_t i = 0; i < b->t->items; i++) TRY(join_row(b, i));
  return OK;
}

static status count_channels(pair_counts *channels[MIX_CHANNELS], dataset *d, eval_part before,
                             const mix_count_config *c) {
  for (int k = 0; k < MIX_CHANNELS; k++) {
    const pair_config p = {.before = before,
                           .window = k == MIX_NEXT ? 1 : (int32_t)c->window,
                           .distance_power = k == MIX_NEXT ? 0 : c->distance_power,
                           .reversed = k == MIX_EARLIER,
                           .keep = CHANNEL_ROWS * (int32_t)c->neighbours,
                           .memory = c->memory};
    TRY(pair_counts_build(&channels[k], d, &p));
  }
  return OK;
}

status mix_count(mix_table *out, dataset *d, eval_part before, const mix_count_config *c) {
  pair_counts *channels[MIX_CHANNELS] = {NULL};
  *out = (mix_table){.items = vocab_end(dataset_vocab(d), RANGE_ITEMS) -
                              vocab_begin(dataset_vocab(d), RANGE_ITEMS)};
  joiner b = {.c = c, .t = out};
  status rc;
  TRY_GOTO(mem_new(&out->counts, (size_t)out->items, sizeof *out->counts, "item counts"), done);
  TRY_GOTO(mem_new(&out->offsets, (size_t)out->items + 1, sizeof *out->offsets, "counts of item pairs"),
           done);
  TRY_GOTO(items_count(d, before, out->counts), done);
  TRY_GOTO(count_channels(channels, d, before, c), done);
  for (int k = 0; k < MIX_CHANNELS; k++) b.channels[k] = channels[k];
  rc = join(&b);
done:
  for (int k = 0; k < MIX_CHANNELS; k++) pair_counts_free(channels[k]);
  free(b.slots);
  free(b.row);
  return rc;
}
