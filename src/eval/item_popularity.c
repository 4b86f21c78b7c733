// Popularity of items; see item_popularity.h.
#include "eval/item_popularity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/order.h"

enum { READ_SEQUENCES = 4096 };

// last [items]: the newest sequence in which an item was seen, plus 1.
static void count_sequence(item_popularity *p, const sequence *s, int32_t n, int32_t first, int64_t *last) {
  p->users_in_all += n > 0;
  for (int32_t i = 0; i < n; i++) {
    const int32_t item = s->tokens[i] - first;
    if (item < 0 || item >= p->items) continue;
    p->events[item]++;
    p->users[item] += last[item] != s->index + 1;
    last[item] = s->index + 1;
  }
}

static status count_all(item_popularity *p, dataset *d, eval_part part, int64_t *last) {
  const int64_t sequences = dataset_get_info(d)->sequences;
  const int32_t first = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  for (int64_t at = 0; at < sequences; at += READ_SEQUENCES) {
    sequence_block *b;
    TRY(block_read(&b, d, at, sequences - at < READ_SEQUENCES ? sequences - at : READ_SEQUENCES));
    for (int64_t i = 0; i < block_count(b); i++) {
      sequence s;
      block_get(b, i, &s);
      count_sequence(p, &s, known_length(&s, part), first, last);
    }
    block_free(b);
  }
  return OK;
}

static void find_percentiles(item_popularity *p, int64_t *sorted) {
  const int64_t n = p->items;
  memcpy(sorted, p->events, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, order_int64);
  for (int64_t i = 0; i < n; i++) {
    const int64_t fewer = order_place_int64(sorted, 0, n, p->events[i]),
                  up_to = order_place_int64(sorted, 0, n, p->events[i] + 1);
    p->percentile[i] = 100.0 * 0.5 * (double)(fewer + up_to) / (double)n;
  }
}

status item_popularity_make(item_popularity *out, dataset *d, eval_part part) {
  const int32_t items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  const size_t n = (size_t)items;
  int64_t *scratch;
  *out = (item_popularity){.items = items};
  TRY(mem_new(&out->events, n, sizeof *out->events, "the popularity of items"));
  TRY(mem_new(&out->users, n, sizeof *out->users, "the popularity of items"));
  TRY(mem_new(&out->percentile, n, sizeof *out->percentile, "the popularity of items"));
  TRY(mem_new(&scratch, n, sizeof *scratch, "the popularity of items"));
  const status rc = count_all(out, d, part, scratch);
  if (rc == OK) find_percentiles(out, scratch);
  free(scratch);
  return rc;
}

void item_popularity_free(item_popularity *p) {
  if (p == NULL) return;
  free(p->events);
  free(p->users);
  free(p->percentile);
  *p = (item_popularity){0};
}

// Self-information in bits, -log2 of the share of users who have the item (T. Zhou and others, Solving the apparent
// diversity-accuracy dilemma of recommender systems, 2010). An item that nobody has counts as if one user had it.
static double item_information(const item_popularity *p, int32_t item) {
  const double users = p->users[item] > 0 ? (double)p->users[item] : 1.0;
  return p->users_in_all > 0 ? log2((double)p->users_in_all / users) : 0;
}

void popularity_add(popularity_means *sum, const item_popularity *p, int32_t item, double weight) {
  sum->weight += weight;
  sum->information += weight * item_information(p, item);
  sum->events += weight * (double)p->events[item];
  sum->percentile += weight * p->percentile[item];
  sum->nobodys += p->users[item] == 0 ? weight : 0;
}

void popularity_divide(popularity_means *sum) {
  if (!(sum->weight > 0)) return;
  sum->information /= sum->weight;
  sum->events /= sum->weight;
  sum->percentile /= sum->weight;
  sum->nobodys /= sum->weight;
}
