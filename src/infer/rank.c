// Ranked lists; see rank.h.
//
// Queries come in groups of up to 192. A group's user vectors are multiplied with the packed item table block by
// block: the scores of 128 items and 192 users stay in the L2 cache and are used immediately (groups of 48 take a
// quarter longer on 54,542 items x 65, because they read the table from memory four times as often). Each query keeps
// its k best in a heap (top_k.h) whose worst score is the threshold. The maximum of 64 scores is compared with it first, so
// that nearly all scores only cost a part of a vector comparison. Filters are applied only to the few that pass.
//
// Items come in ascending order and an equal score never replaces one in the heap, so ties go to the lower number.
// With fewer queries than threads the catalogue is split among the threads instead, and the parts' lists are merged.
//
// A score that overflows would be left out silently (a NaN is above no threshold) or spoil a list. No score is larger
// than the product of the two vectors' lengths, so only queries with extremely long vectors can overflow, and only
// their scores are checked one by one.
//
// A list of allowed items that is short beside the catalogue becomes a small table of its own (rank_filter.h); candidates of
// one query are gathered from the rows. Scores have the same bits in all three ways.
#include "infer/rank.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "format/order.h"
#include "format/processors.h"
#include "infer/rank_filter.h"
#include "infer/top_k.h"
#include "infer/workspace.h"
#include "simd/simd.h"

enum {
  GROUP = 192,
  BLOCK = ADAPTED_BLOCK,
  PROBE = 64,
  GROUP_LIST = 1 << 20,
  HEAP_FLOATS = 4 << 20,
  SPLIT_WORK = 2 << 20
};

// ---- questions -----------------------------------------------------------------------------------------------

typedef struct question {
  size_t index; // of the query in the call
  souk_query query;
  int32_t *history;  // [query.history.n] item numbers
  int32_t *excluded; // [n_excluded] ascending
  int32_t n_excluded;
  mix_added added;            // by the mix, if it is used
  bool may_overflow;          // the user vector is so long that a score could
  const adapted_table *table; // that the query's adapter changes items by; NULL: they are as they are
  const float *low;           // of it
  top_k best;
} question;

// A group of queries with all it needs, laid out in a workspace's rank area. Those over the catalogue come
// first.
typedef struct group {
  size_t m, over_catalogue;
  question *questions;  // [m]
  souk_history *todo;   // [m] histories to encode
  int32_t *adapters;    // [m] of them, -1: none
  float *u, *encoded;   // [m][W]
  float *low;           // [m][the largest rank of an adapted table]
  float *scores;        // [m][BLOCK]
  ranked *kept;         // [m][k]
  int32_t *lists;       // histories, exclusions and candidates, one after the other
  float *rows, *packed; // [16][W], [BLOCK][W] packed: candidates
} group;

typedef struct work {
  const rank_job *j;
  call_filter filter;
  int32_t k; // at most the number of items
  pthread_mutex_t lock;
  size_t next; // next query, or part of the catalogue, for a thread to take
  souk_status rc;
  souk_error *e;
  // when the catalogue is divided
  group shared;
  size_t parts;
  ranked *part_kept; // [parts][m][k]
  int32_t *part_n;   // [parts][m]
} work;

static bool contains(const int32_t *list, int32_t n, int32_t item) {
  const int64_t at = order_place(list, 0, n, item);
  return at < n && list[at] == item;
}

souk_query job_query(const rank_job *j, size_t i) {
  souk_query q = {.n_deny = 0};
  if (j->queries == NULL) {
    q.history = source_history(&j->flat, i);
    return q;
  }
  const size_t bytes = j->query_bytes < sizeof q ? j->query_bytes : sizeof q;
  memcpy(&q, (const char *)j->queries + i * j->query_bytes, bytes);
  return q;
}

static size_t list_length(souk_query q) {
  return 2 * (size_t)q.history.n + q.n_deny + (q.candidates != NULL ? q.n_candidates : 0);
}

// Pointers into the area; with a NULL area, only the size.
static size_t lay_out(group *g, area *a, const work *w, size_t m, size_t list) {
  const size_t W = (size_t)w->j->b->width, k = (size_t)w->k;
  const struct {
    void *where;
    size_t count, size;
  } pieces[] = {
      {&g->questions, m, sizeof *g->questions},
      {&g->todo, m, sizeof *g->todo},
      {&g->adapters, m, sizeof *g->adapters},
      {&g->u, m * W, sizeof(float)},
      {&g->encoded, m * W, sizeof(float)},
      {&g->scores, m * BLOCK, sizeof(float)},
      {&g->kept, m * k, sizeof(ranked)},
      {&g->lists, list, sizeof(int32_t)},
      {&g->rows, 16 * W, sizeof(float)},
      {&g->packed, BLOCK * W, sizeof(float)},
      {&g->low, m * (size_t)w->j->b->adapters.most_rank, sizeof(float)},
  };
  size_t bytes = 0;
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    bytes += area_size(pieces[i].count, pieces[i].size);
    if (a == NULL) continue;
    void *p = area_take(a, pieces[i].count, pieces[i].size);
    memcpy(pieces[i].where, &p, sizeof p);
  }
  return bytes;
}

// The mix that the call uses; NULL: none.
static const mix *mix_of_call(const work *w) {
  return w->j->options->no_mix == 0 ? w->j->b->mix : NULL;
}

// What the mix adds for the group's histories, in the workspace, which must stay until the lists are made; and its scale.
static souk_status mix_group(const work *w, group *g, workspace *space, souk_error *e) {
  const mix *m = mix_of_call(w);
  const size_t floats = g->m * (size_t)w->j->b->width;
  format_error found;
  if (m == NULL) return SOUK_OK;
  if (space->mixed.room.slots == NULL && !mix_batch_new(&space->mixed, m, &found))
    return infer_fail_format(e, &found);
  mix_batch_clear(&space->mixed);
  for (size_t i = 0; i < g->m; i++)
    if (!mix_batch_add(&space->mixed, m, g->questions[i].history, g->questions[i].query.history.n, &found))
      return infer_fail_format(e, &found);
  for (size_t i = 0; i < g->m; i++) g->questions[i].added = mix_batch_get(&space->mixed, i);
  const float scale = (float)mix_get_config(m)->scale;
  for (size_t i = 0; i < floats; i++) g->u[i] *= scale;
  return SOUK_OK;
}

// Resolves the history and makes the list of exclusions; *lists moves on.
static void prepare(const work *w, question *q, int32_t **lists) {
  const souk_bundle *b = w->j->b;
  const souk_history *h = &q->query.history;
  int32_t unknown = 0, n = 0;
  q->history = *lists;
  q->excluded = *lists + h->n;
  for (int32_t i = 0; i < h->n; i++) {
    q->history[i] = history_item(b, h, i);
    unknown += q->history[i] < 0 && (h->texts == NULL || h->texts[i] == NULL); // as history_window counts
    if (w->j->options->keep_history == 0 && q->history[i] >= 0) q->excluded[n++] = q->history[i];
  }
  for (size_t i = 0; i < q->query.n_deny; i++)
    if (q->query.deny[i] >= 0) q->excluded[n++] = q->query.deny[i];
  qsort(q->excluded, (size_t)n, sizeof *q->excluded, order_int32);
  q->n_excluded = n;
  *lists = q->excluded + n;
  if (w->j->unknown != NULL) w->j->unknown[q->index] = unknown;
}

// Of question i, whose user vector is made.
static void adapt_items(const souk_bundle *b, group *g, size_t i) {
  question *q = &g->questions[i];
  float *low = g->low + i * (size_t)b->adapters.most_rank;
  q->table = adapter_table(&b->adapters, q->query.adapter - 1);
  if (adapter_shift_whole(&b->adapters, q->query.adapter - 1, SHIFT_ITEMS) != NULL) q->may_overflow = true;
  if (q->table == NULL) return;
  q->low = low;
  const double most = adapted_table_low(b, q->table, g->u + i * (size_t)b->width, low);
  q->may_overflow = !(most <= FLT_MAX / 2); // it is a NaN where `low` overflows
}

// Prepares a group of queries [first, first + m): histories, exclusions and user vectors.
static souk_status make_group(const work *w, group *g, workspace *space, size_t first, size_t m,
                              souk_error *e) {
  const rank_job *j = w->j;
  const size_t W = (size_t)j->b->width;
  size_t list = 0, n = 0, todo = 0;
  for (size_t i = 0; i < m; i++) list += list_length(job_query(j, first + i));
  *g = (group){.m = m};
  PASS(area_reserve(&space->rank, lay_out(g, NULL, w, m, list), e));
  lay_out(g, &space->rank, w, m, list);
  for (int candidates = 0; candidates < 2; candidates++) {
    for (size_t i = 0; i < m; i++) {
      const souk_query q = job_query(j, first + i);
      if ((q.candidates != NULL) != (candidates == 1)) continue;
      g->questions[n++] = (question){.index = first + i, .query = q};
    }
    if (candidates == 0) g->over_catalogue = n;
  }
  int32_t *lists = g->lists;
  for (size_t i = 0; i < m; i++) {
    question *q = &g->questions[i];
    prepare(w, q, &lists);
    q->best = top_k_in(g->kept + i * (size_t)w->k, w->k);
    if (q->query.u != NULL) continue;
    g->todo[todo] = q->query.history;
    g->todo[todo].names = NULL;
    g->adapters[todo] = q->query.adapter - 1;
    g->todo[todo++].items = q->history;
  }
  g->lists = lists; // what is left is for candidates
  PASS(encode(j->b, &space->encode, g->todo, todo, g->adapters, g->encoded, NULL, e));
  todo = 0;
  for (size_t i = 0; i < m; i++) {
    const float *u = g->questions[i].query.u;
    memcpy(g->u + i * W, u != NULL ? u : g->encoded + W * todo++, W * sizeof(float));
  }
  PASS(mix_group(w, g, space, e));
  for (size_t i = 0; i < m; i++) {
    const double length = length_of(g->u + i * W, W);
    if (!isfinite(length))
      return infer_fail(e, SOUK_ERR_NONFINITE,
                        "queries[%zu]: the user vector is not finite; the weights of %s are too large",
                        g->questions[i].index, j->b->dir);
    g->questions[i].may_overflow =
        length * j->b->longest_item > FLT_MAX / 2; // half, because sums are rounded
    adapt_items(j->b, g, i);
  }
  return SOUK_OK;
}

// ---- scoring -------------------------------------------------------------------------------------------------

static souk_status check_overflow(const work *w, const question *q, const top_k *best, souk_error *e) {
  if (best->overflowed < 0) return SOUK_OK;
  return infer_fail(e, SOUK_ERR_NONFINITE,
                    "queries[%zu]: the score of item %d (\"%.100s\") is not finite; its vector or the user's "
                    "is too long",
                    q->index, best->overflowed, bundle_item_name(w->j->b, best->overflowed));
}

// Scores of the table's items [first, first + n) for one question.
static void offer(const work *w, const question *q, top_k *best, const item_table *table, const float *scores,
                  int32_t first, int32_t n) {
  for (int32_t at = 0; at < n; at += PROBE) {
    const int32_t stop = at + PROBE < n ? at + PROBE : n;
    if (!q->may_overflow && !(simd()->max(scores + at, (size_t)(stop - at)) > best->threshold)) continue;
    for (int32_t i = at; i < stop; i++) {
      if (!(scores[i] > best->threshold) && isfinite(scores[i])) continue;
      const int32_t item = table->ids != NULL ? table->ids[first + i] : first + i;
      if (filter_denies(&w->filter, item) || contains(q->excluded, q->n_excluded, item)) continue;
      if (isfinite(scores[i]))
        top_k_keep(best, (ranked){scores[i], item});
      else
        best->overflowed = item;
    }
  }
}

// What the adapter adds to the items' biases, times u's last element. ids as in adapted_table_scores.
static void add_biases(const souk_bundle *b, int32_t adapter, const float *u, const int32_t *ids,
                       int32_t first, int32_t n, float *scores) {
  const float *shift = adapter_shift_whole(&b->adapters, adapter, SHIFT_ITEMS), one = u[b->width - 1];
  for (int32_t i = 0; shift != NULL && i < n; i++) scores[i] += one * shift[ids != NULL ? ids[i] : first + i];
}

// What comes to the scores of the table's items [first, first + n) for the user vector u.
static void complete(const work *w, const question *q, const float *u, const item_table *table, int32_t first,
                     int32_t n, float *scores) {
  const mix *m = mix_of_call(w);
  if (q->table != NULL)
    adapted_table_scores(w->j->b, q->table, u, q->low, table->ids != NULL ? table->ids + first : NULL, first,
                         n, scores);
  add_biases(w->j->b, q->query.adapter - 1, u, table->ids != NULL ? table->ids + first : NULL, first, n,
             scores);
  if (m == NULL) return;
  if (table->ids != NULL)
    mix_add_items(m, q->added, table->ids + first, n, scores);
  else
    mix_add(m, q->added, first, n, scores);
}

// Questions over the catalogue against the table's items [begin, end); begin is a multiple of BLOCK.
static void scan(const work *w, const group *g, top_k *best, float *scores, int32_t begin, int32_t end) {
  const item_table *table = &w->filter.table;
  const size_t W = (size_t)w->j->b->width, m = g->over_catalogue;
  for (int32_t at = begin; m > 0 && at < end; at += BLOCK) {
    const int32_t n = end - at < BLOCK ? end - at : BLOCK;
    simd()->gemm_packed(g->u, W, table->packed + (size_t)at * W, NULL, scores, BLOCK, m, (size_t)n, W);
    for (size_t i = 0; i < m; i++) {
      complete(w, &g->questions[i], g->u + i * W, table, at, n, scores + i * BLOCK);
      offer(w, &g->questions[i], &best[i], table, scores + i * BLOCK, at, n);
    }
  }
}

static void rank_candidates(const work *w, const group *g, size_t i) {
  const souk_bundle *b = w->j->b;
  const size_t W = (size_t)b->width;
  question *q = &g->questions[i];
  int32_t n = 0, unique = 0;
  int32_t *list = g->lists;
  for (size_t c = 0; c < q->query.n_candidates; c++)
    if (q->query.candidates[c] >= 0) list[n++] = q->query.candidates[c];
  qsort(list, (size_t)n, sizeof *list, order_int32);
  for (int32_t c = 0; c < n; c++)
    if (unique == 0 || list[c] != list[unique - 1]) list[unique++] = list[c];
  const item_table table = {NULL, list, unique};
  for (int32_t at = 0; at < unique; at += BLOCK) {
    const int32_t count = unique - at < BLOCK ? unique - at : BLOCK;
    gather_packed(b, list + at, count, g->rows, g->packed);
    simd()->gemm_packed(g->u + i * W, W, g->packed, NULL, g->scores, BLOCK, 1, (size_t)count, W);
    complete(w, q, g->u + i * W, &table, at, count, g->scores);
    offer(w, q, &q->best, &table, g->scores, at, count);
  }
}

static void write_lists(const work *w, group *g) {
  const rank_job *j = w->j;
  for (size_t i = 0; i < g->m; i++) {
    question *q = &g->questions[i];
    const size_t row = q->index * (size_t)j->k;
    top_k_sort(&q->best);
    j->counts[q->index] = q->best.n;
    for (int32_t r = 0; r < q->best.n; r++) {
      j->items[row + (size_t)r] = q->best.at[r].item;
      if (j->scores != NULL) j->scores[row + (size_t)r] = q->best.at[r].score;
    }
  }
}

// ---- threads -------------------------------------------------------------------------------------------------

static void note_error(work *w, const souk_error *e) {
  pthread_mutex_lock(&w->lock);
  if (w->rc == SOUK_OK) {
    w->rc = e->code;
    if (w->e != NULL) *w->e = *e;
  }
  pthread_mutex_unlock(&w->lock);
}

// Takes the next queries for a thread: up to `most`, with a limit on the total length of their histories. 0: none
// left.
static size_t take_queries(work *w, size_t most, size_t *first) {
  size_t m = 0, list = 0;
  pthread_mutex_lock(&w->lock);
  *first = w->next;
  while (w->rc == SOUK_OK && w->next < w->j->n && m < most && (m == 0 || list < GROUP_LIST)) {
    list += list_length(job_query(w->j, w->next++));
    m++;
  }
  pthread_mutex_unlock(&w->lock);
  return m;
}

static size_t group_size(const work *w, int32_t threads) {
  size_t most = (w->j->n + (size_t)threads - 1) / (size_t)threads;
  const size_t fitting = HEAP_FLOATS / (size_t)w->k;
  most = most < GROUP ? most : GROUP;
  most = most < fitting ? most : fitting;
  return most > 0 ? most : 1;
}

static souk_status rank_group(const work *w, workspace *space, size_t first, size_t m, souk_error *e) {
  group g;
  PASS(make_group(w, &g, space, first, m, e));
  top_k best[GROUP];
  for (size_t i = 0; i < g.over_catalogue; i++) best[i] = g.questions[i].best;
  scan(w, &g, best, g.scores, 0, w->filter.table.n);
  for (size_t i = 0; i < g.over_catalogue; i++) g.questions[i].best = best[i];
  for (size_t i = g.over_catalogue; i < m; i++) rank_candidates(w, &g, i);
  for (size_t i = 0; i < m; i++) PASS(check_overflow(w, &g.questions[i], &g.questions[i].best, e));
  write_lists(w, &g);
  return SOUK_OK;
}

static void rank_groups(void *arg) {
  work *w = arg;
  souk_error e = {0};
  workspace *space = workspace_get(w->j->b->pool);
  const size_t most = group_size(w, threads_wanted(w->j->options->threads));
  size_t first, m;
  if (space == NULL) {
    infer_fail(&e, SOUK_ERR_MEMORY, "out of memory: a workspace");
    note_error(w, &e);
  }
  while (space != NULL && (m = take_queries(w, most, &first)) > 0)
    if (rank_group(w, space, first, m, &e) != SOUK_OK) note_error(w, &e);
  workspace_put(w->j->b->pool, space);
}

// Parts of the catalogue for the shared group.
static void rank_parts(void *arg) {
  work *w = arg;
  const group *g = &w->shared;
  const size_t m = g->over_catalogue, k = (size_t)w->k;
  const int32_t items = w->filter.table.n, blocks = (items + BLOCK - 1) / BLOCK;
  float *scores = NULL;
  top_k best[GROUP];
  souk_error e = {0};
  if (infer_alloc(&scores, m * BLOCK, sizeof *scores, "scores", &e) != SOUK_OK) note_error(w, &e);
  for (;;) {
    pthread_mutex_lock(&w->lock);
    const size_t part = w->rc == SOUK_OK && w->next < w->parts ? w->next++ : w->parts;
    pthread_mutex_unlock(&w->lock);
    if (part == w->parts) break;
    for (size_t i = 0; i < m; i++) best[i] = top_k_in(w->part_kept + (part * m + i) * k, w->k);
    const int32_t begin = (int32_t)(part * (size_t)blocks / w->parts) * BLOCK;
    const int32_t end = (int32_t)((part + 1) * (size_t)blocks / w->parts) * BLOCK;
    scan(w, g, best, scores, begin, end < items ? end : items);
    for (size_t i = 0; i < m; i++) {
      w->part_n[part * m + i] = best[i].n;
      if (check_overflow(w, &g->questions[i], &best[i], &e) != SOUK_OK) note_error(w, &e);
    }
  }
  free(scores);
}

// All queries are one group; the threads divide the catalogue.
static souk_status rank_divided(work *w, workspace *space, int32_t threads, souk_error *e) {
  group *g = &w->shared;
  PASS(make_group(w, g, space, 0, w->j->n, e));
  const size_t m = g->over_catalogue, k = (size_t)w->k;
  w->parts = (size_t)threads;
  PASS(infer_alloc(&w->part_kept, w->parts * m * k, sizeof *w->part_kept, "lists of the threads", e));
  PASS(infer_alloc(&w->part_n, w->parts * m, sizeof *w->part_n, "lists of the threads", e));
  run_threads(threads, rank_parts, w);
  if (w->rc != SOUK_OK) return w->rc;
  for (size_t p = 0; p < w->parts; p++)
    for (size_t i = 0; i < m; i++)
      for (int32_t r = 0; r < w->part_n[p * m + i]; r++)
        top_k_keep(&g->questions[i].best, w->part_kept[(p * m + i) * k + (size_t)r]);
  for (size_t i = m; i < g->m; i++) {
    rank_candidates(w, g, i);
    PASS(check_overflow(w, &g->questions[i], &g->questions[i].best, e));
  }
  write_lists(w, g);
  return SOUK_OK;
}

// Splitting the catalogue costs the start of threads and a merge, so it must be large enough.
static bool is_divided(const work *w, int32_t threads) {
  const size_t parts_room = HEAP_FLOATS / (size_t)w->k;
  return w->j->n < (size_t)threads && w->j->n <= GROUP / 2 && (size_t)threads * w->j->n <= parts_room &&
         (size_t)w->filter.table.n * (size_t)w->j->b->width >= SPLIT_WORK;
}

souk_status rank_run(const rank_job *j, souk_error *e) {
  if (j->n == 0) return SOUK_OK;
  work w = {.j = j, .k = j->k < j->b->items ? j->k : j->b->items, .e = e};
  int32_t threads = threads_wanted(j->options->threads);
  souk_status rc = filter_make(&w.filter, j->b, j->options, e);
  if (rc == SOUK_OK && pthread_mutex_init(&w.lock, NULL) != 0)
    rc = infer_fail(e, SOUK_ERR_MEMORY, "out of memory: no lock for the threads");
  if (rc != SOUK_OK) {
    filter_free(&w.filter);
    return rc;
  }
  if (is_divided(&w, threads)) {
    workspace *space = workspace_get(j->b->pool);
    rc = space != NULL ? rank_divided(&w, space, threads, e)
                       : infer_fail(e, SOUK_ERR_MEMORY, "out of memory: a workspace");
    workspace_put(j->b->pool, space);
  } else {
    if ((size_t)threads > j->n) threads = (int32_t)j->n;
    run_threads(threads, rank_groups, &w);
    rc = w.rc;
  }
  free(w.part_kept);
  free(w.part_n);
  filter_free(&w.filter);
  pthread_mutex_destroy(&w.lock);
  return rc;
}

static void adapt_scores(const souk_bundle *b, const adapted_table *t, const float *u, float *low, size_t n,
                         const int32_t *items, size_t m, float *scores) {
  for (size_t i = 0; t != NULL && i < n; i++) {
    const float *of = u + i * (size_t)b->width;
    adapted_table_low(b, t, of, low);
    for (size_t at = 0; at < m; at += BLOCK) {
      const int32_t count = (int32_t)(m - at < BLOCK ? m - at : BLOCK);
      adapted_table_scores(b, t, of, low, items + at, 0, count, scores + i * m + at);
    }
  }
}

souk_status score_items(const souk_bundle *b, int32_t adapter, area *scratch, const float *u, size_t n,
                        const int32_t *items, size_t m, float *scores, souk_error *e) {
  const size_t W = (size_t)b->width, r = (size_t)b->adapters.most_rank;
  PASS(area_reserve(scratch,
                    area_size(16 * W, sizeof(float)) + area_size(BLOCK * W, sizeof(float)) +
                        area_size(r, sizeof(float)),
                    e));
  float *rows = area_take(scratch, 16 * W, sizeof(float)),
        *packed = area_take(scratch, BLOCK * W, sizeof(float)), *low = area_take(scratch, r, sizeof(float));
  for (size_t at = 0; at < m; at += BLOCK) {
    const size_t count = m - at < BLOCK ? m - at : BLOCK;
    gather_packed(b, items + at, (int32_t)count, rows, packed);
    simd()->gemm_packed(u, W, packed, NULL, scores + at, m, n, count, W);
  }
  adapt_scores(b, adapter_table(&b->adapters, adapter), u, low, n, items, m, scores);
  for (size_t i = 0; i < n; i++) add_biases(b, adapter, u + i * W, items, 0, (int32_t)m, scores + i * m);
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < m; c++)
      if (!isfinite(scores[i * m + c]))
        return infer_fail(
            e, SOUK_ERR_NONFINITE,
            "the score of user vector %zu and items[%zu] = %d is not finite; one of the vectors "
            "is too long",
            i, c, items[c]);
  return SOUK_OK;
}
