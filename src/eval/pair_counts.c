// Counting item pairs; see pair_counts.h.
//
// Rows are independent, so items are taken in ranges whose pairs fit into the memory given: one pass over the data
// collects the pairs of a range, each row is then summed and shortened, and only its entries are kept. An item with
// more pairs than there are items is summed at once into a dense row, so no item needs more than 8 bytes x items,
// however often it occurs. Pairs are collected in the order of the data and rows summed by one thread each: the same
// table for any memory and any number of threads.
#include "eval/pair_counts.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

enum { READ_SEQUENCES = 4096 };

typedef struct entry {
  int32_t other;
  float weight;
} entry;

typedef struct builder {
  const pair_config *c;
  dataset *d;
  pair_counts *t;
  int32_t first_item;
  double *by_distance; // [window + 1]
  int64_t *pairs;      // [items] pairs of each row
  // of the range being collected
  int32_t from, to;
  int64_t *begin, *filled; // [items] where a row begins, in units of 8 bytes, and how many pairs it has
  double *room;            // entries of sparse rows, sums of dense ones
  size_t room_cap;
  int32_t *history; // items of one sequence
  size_t history_cap, others_cap, weights_cap;
  double *sums; // [threads][items] all zero between rows
  int32_t threads;
} builder;

// A row takes 8 bytes a pair, or a sum an item where that is less.
static bool is_dense(const builder *b, int32_t item) {
  return b->pairs[item] > b->t->items;
}
static int64_t row_room(const builder *b, int32_t item) {
  return is_dense(b, item) ? b->t->items : b->pairs[item];
}

// ---- passes over the data ------------------------------------------------------------------------------------

typedef void (*pair_visitor)(builder *b, int32_t item, int32_t other, double weight);

static void count_pair(builder *b, int32_t item, int32_t other, double weight) {
  (void)other, (void)weight;
  b->pairs[item]++;
}

static void collect_pair(builder *b, int32_t item, int32_t other, double weight) {
  if (item < b->from || item >= b->to) return;
  if (is_dense(b, item)) {
    b->room[b->begin[item] + other] += weight;
    return;
  }
  entry *row = (entry *)(b->room + b->begin[item]);
  row[b->filled[item]++] = (entry){other, (float)weight};
}

static status visit_history(builder *b, const sequence *s, pair_visitor see) {
  const int32_t known = known_length(s, b->c->before);
  TRY(mem_grow(&b->history, &b->history_cap, (size_t)known, sizeof *b->history, "a history"));
  int32_t n = 0;
  for (int32_t i = 0; i < known; i++) {
    const int32_t item = s->tokens[b->c->reversed ? known - 1 - i : i] - b->first_item;
    if (item >= 0 && item < b->t->items) b->history[n++] = item;
  }
  for (int32_t i = 0; i < n; i++) {
    for (int32_t j = i + 1; j < n && j - i <= b->c->window; j++) {
      const double weight = b->by_distance[j - i];
      see(b, b->history[i], b->history[j], weight);
      if (b->c->backward > 0) see(b, b->history[j], b->history[i], weight * b->c->backward);
    }
  }
  return OK;
}

static status visit_data(builder *b, pair_visitor see) {
  const int64_t sequences = dataset_get_info(b->d)->sequences;
  b->t->passes++;
  for (int64_t at = 0; at < sequences; at += READ_SEQUENCES) {
    sequence_block *block;
    TRY(block_read(&block, b->d, at, sequences - at < READ_SEQUENCES ? sequences - at : READ_SEQUENCES));
    status rc = OK;
    for (int64_t i = 0; rc == OK && i < block_count(block); i++) {
      sequence s;
      block_get(block, i, &s);
      rc = visit_history(b, &s, see);
    }
    block_free(block);
    TRY(rc);
  }
  return OK;
}

// ---- rows ----------------------------------------------------------------------------------------------------

static int heaviest_first(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->weight < y->weight || x->weight > y->weight) return x->weight > y->weight ? -1 : 1;
  return (x->other > y->other) - (x->other < y->other);
}

// Sums the pairs of a collected row into one entry an item, at the row's beginning; returns how many there are.
static int32_t sum_row(builder *b, int32_t item, double *sums) {
  entry *row = (entry *)(b->room + b->begin[item]);
  int32_t n = 0;
  double total = 0;
  if (is_dense(b, item)) {
    for (int32_t i = 0; i < b->t->items; i++) sums[i] = b->room[b->begin[item] + i];
    for (int32_t i = 0; i < b->t->items; i++) {
      if (sums[i] <= 0) continue;
      row[n++] = (entry){i, (float)sums[i]};
      total += sums[i];
      sums[i] = 0;
    }
  } else {
    for (int64_t i = 0; i < b->filled[item]; i++) sums[row[i].other] += (double)row[i].weight;
    for (int64_t i = 0; i < b->filled[item]; i++) {
      const int32_t other = row[i].other;
      if (sums[other] <= 0) continue; // this pair has been summed already
      row[n++] = (entry){other, (float)sums[other]};
      total += sums[other];
      sums[other] = 0;
    }
  }
  b->t->totals[item] = total;
  if (b->c->keep == 0 || n <= b->c->keep) return n;
  qsort(row, (size_t)n, sizeof *row, heaviest_first);
  return b->c->keep;
}

static status build_range(builder *b) {
  int64_t room = 0;
  for (int32_t i = b->from; i < b->to; i++) {
    b->begin[i] = room;
    b->filled[i] = 0;
    room += row_room(b, i);
  }
  if (room > 0) {
    TRY(mem_grow(&b->room, &b->room_cap, (size_t)room, sizeof *b->room, "item pairs"));
    memset(b->room, 0, (size_t)room * sizeof *b->room);
    TRY(visit_data(b, collect_pair));
#pragma omp parallel for schedule(dynamic, 64) num_threads(b->threads)
    for (int32_t i = b->from; i < b->to; i++)
      b->filled[i] = sum_row(b, i, b->sums + (size_t)omp_get_thread_num() * (size_t)b->t->items);
  }
  pair_counts *t = b->t;
  for (int32_t i = b->from; i < b->to; i++) t->offsets[i + 1] = t->offsets[i] + b->filled[i];
  const size_t n = (size_t)t->offsets[b->to];
  TRY(mem_grow(&t->others, &b->others_cap, n, sizeof *t->others, "counts of item pairs"));
  TRY(mem_grow(&t->weights, &b->weights_cap, n, sizeof *t->weights, "counts of item pairs"));
  for (int32_t i = b->from; room > 0 && i < b->to; i++) {
    const entry *row = (const entry *)(b->room + b->begin[i]);
    for (int64_t k = 0; k < b->filled[i]; k++) {
      t->others[t->offsets[i] + k] = row[k].other;
      t->weights[t->offsets[i] + k] = row[k].weight;
    }
  }
  return OK;
}

static status build(builder *b) {
  const size_t items = (size_t)b->t->items;
  TRY(mem_new(&b->by_distance, (size_t)b->c->window + 1, sizeof *b->by_distance, "counts of item pairs"));
  TRY(mem_new(&b->pairs, items, sizeof *b->pairs, "counts of item pairs"));
  TRY(mem_new(&b->begin, items, sizeof *b->begin, "counts of item pairs"));
  TRY(mem_new(&b->filled, items, sizeof *b->filled, "counts of item pairs"));
  TRY(mem_new(&b->sums, (size_t)b->threads * items, sizeof *b->sums, "counts of item pairs"));
  TRY(mem_new(&b->t->offsets, items + 1, sizeof *b->t->offsets, "counts of item pairs"));
  TRY(mem_new(&b->t->totals, items, sizeof *b->t->totals, "counts of item pairs"));
  for (int32_t i = 1; i <= b->c->window; i++) b->by_distance[i] = pow(i, -b->c->distance_power);
  TRY(visit_data(b, count_pair));
  const int64_t limit = b->c->memory / (int64_t)sizeof(entry);
  while (b->to < b->t->items) {
    b->from = b->to;
    int64_t room = 0;
    while (b->to < b->t->items && (b->to == b->from || room + row_room(b, b->to) <= limit))
      room += row_room(b, b->to++);
    TRY(build_range(b));
  }
  return OK;
}

status pair_counts_build(pair_counts **out, dataset *d, const pair_config *c) {
  *out = NULL;
  if (c->window < 1 || c->keep < 0 || c->memory < 0 || !(c->backward >= 0) || !isfinite(c->distance_power))
    return fail(ERR_ARGUMENT,
                "counting item pairs needs a window of at least 1 and weights that are not negative");
  builder b = {.c = c, .d = d, .threads = omp_get_max_threads()};
  TRY(mem_new(&b.t, 1, sizeof *b.t, "counts of item pairs"));
  b.first_item = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  b.t->items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - b.first_item;
  const status rc = build(&b);
  void *const arrays[] = {b.by_distance, b.pairs, b.begin, b.filled, b.room, b.history, b.sums};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  if (rc == OK)
    *out = b.t;
  else
    pair_counts_free(b.t);
  return rc;
}

void pair_counts_free(pair_counts *t) {
  if (t == NULL) return;
  free(t->offsets);
  free(t->others);
  free(t->weights);
  free(t->totals);
  free(t);
}
