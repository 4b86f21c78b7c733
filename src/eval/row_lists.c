// Ranked lists of what scores whole rows; see ranking.h.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include "base/memory.h"
#include "eval/ranking_internal.h"

typedef struct row_lists {
  const ranking *r;
  row_scorer score;
  void *self;
  int32_t k;
  float *rows;        // [threads][items]
  ranked_list *lists; // [chunk_room] of a chunk
  int32_t *items;     // [chunk_room][k]
  float *scores;      // [chunk_room][k]
  size_t lists_room, items_room, scores_room;
} row_lists;

static void make_list(row_lists *b, const query *q, int64_t i) {
  const int32_t thread = omp_get_thread_num();
  float *row = b->rows + (size_t)thread * (size_t)b->r->items;
  ranked_list *list = &b->lists[i];
  *list = (ranked_list){0, b->items + i * b->k, b->scores + i * b->k};
  b->score(b->self, thread, q, row);
  for (int32_t s = 0; s < q->n_seen; s++)
    if (query_filters(q, s)) row[q->seen[s]] = -INFINITY;
  for (int32_t item = 0; item < b->r->items; item++) ranked_list_offer(list, b->k, item, row[item]);
}

static status chunk_lists(row_lists *b, const query_chunk *c, list_visitor see, void *to) {
  const size_t n = (size_t)c->count;
  TRY(mem_grow(&b->lists, &b->lists_room, n, sizeof *b->lists, "ranked lists"));
  TRY(mem_grow(&b->items, &b->items_room, n * (size_t)b->k, sizeof *b->items, "ranked lists"));
  TRY(mem_grow(&b->scores, &b->scores_room, n * (size_t)b->k, sizeof *b->scores, "ranked lists"));
#pragma omp parallel for schedule(dynamic, 16)
  for (int64_t i = 0; i < c->count; i++) make_list(b, &c->queries[i], i);
  for (int64_t i = 0; i < c->count; i++) TRY(see(to, &c->queries[i], &b->lists[i]));
  return OK;
}

status ranking_row_lists(ranking *r, row_scorer score, void *self, int32_t k, list_visitor see, void *to) {
  row_lists b = {.r = r, .score = score, .self = self, .k = k};
  const size_t threads = (size_t)omp_get_max_threads();
  status rc = mem_new(&b.rows, threads * (size_t)r->items, sizeof *b.rows, "a row of scores");
  for (int64_t i = 0; rc == OK && i < queries_chunks(r->source); i++) {
    query_chunk c;
    rc = queries_chunk(r->source, i, &c);
    if (rc == OK) rc = chunk_lists(&b, &c, see, to);
  }
  void *const arrays[] = {b.rows, b.lists, b.items, b.scores};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  return rc;
}
