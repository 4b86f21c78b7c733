// From the standings of targets to ranks and metrics; see ranking_internal.h.
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/philox.h"
#include "eval/ranking_internal.h"

void ranking_result_free(ranking_result *r) {
  if (r == NULL) return;
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++) free(r->ranks[k]);
  free(r->slots);
  free(r->relevant);
  *r = (ranking_result){0};
}

static bool takes_all(const ranking *r) {
  return r->c.query.reading == TARGETS_ALL;
}

// What a target's figures do not depend on scores for.
static void count_target(const ranking *r, int32_t target, ranking_result *out) {
  out->unknown += target < 0;
  out->unseen += target < 0 || r->known[target] == 0;
  out->cold += target < 0 || vocab_token_count(dataset_vocab(r->d), r->first_item + target) == 0;
}

status result_begin_chunk(const ranking *r, const query_chunk *c, ranking_result *out, result_room *room) {
  const size_t need = (size_t)(out->queries + c->count), ranks = (size_t)(out->targets + c->targets);
  TRY(mem_grow(&out->slots, &room->slots, need, sizeof *out->slots, "ranks"));
  if (takes_all(r)) TRY(mem_grow(&out->relevant, &room->relevant, need, sizeof *out->relevant, "ranks"));
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++)
    if (r->c.query.protocols[k])
      TRY(mem_grow(&out->ranks[k], &room->ranks[k], ranks, sizeof *out->ranks[k], "ranks"));
  for (int64_t i = 0; i < c->count; i++) {
    const query *q = &c->queries[i];
    const int64_t at = out->queries + i;
    out->users += at == 0 || out->slots[at - 1] != q->slot;
    out->slots[at] = q->slot;
    if (takes_all(r)) out->relevant[at] = q->n_targets;
    out->no_history += q->n == 0;
    for (int32_t t = 0; t < q->n_targets; t++) count_target(r, q->targets[t], out);
    for (int32_t k = RANK_UNIFORM; k < RANK_PROTOCOLS; k++)
      if (r->c.query.protocols[k] && q->n_negatives[k] < out->fewest_negatives)
        out->fewest_negatives = q->n_negatives[k];
  }
  return OK;
}

status chunk_scores_new(chunk_scores *s, const query_chunk *c) {
  const size_t n = (size_t)c->targets;
  *s = (chunk_scores){0};
  TRY(mem_new(&s->scores, n, sizeof *s->scores, "ranks"));
  TRY(mem_new(&s->tolerances, n, sizeof *s->tolerances, "ranks"));
  return mem_new(&s->standings, n * RANK_PROTOCOLS, sizeof *s->standings, "ranks");
}

void chunk_scores_free(chunk_scores *s) {
  free(s->scores);
  free(s->tolerances);
  free(s->standings);
}

// Room to place the targets of one question; [n] of the known ones.
typedef struct set_room {
  float *scores, *tolerances;
  rank_standing *standings;
  double *units;
  int32_t *places, *order, *ranks;
  int64_t *gaps;
} set_room;

static status set_room_new(set_room *m, const query_chunk *c) {
  size_t n = 1;
  for (int64_t i = 0; i < c->count; i++)
    if ((size_t)c->queries[i].n_targets > n) n = (size_t)c->queries[i].n_targets;
  *m = (set_room){0};
  TRY(mem_new(&m->scores, n, sizeof *m->scores, "ranks"));
  TRY(mem_new(&m->tolerances, n, sizeof *m->tolerances, "ranks"));
  TRY(mem_new(&m->standings, n, sizeof *m->standings, "ranks"));
  TRY(mem_new(&m->units, n, sizeof *m->units, "ranks"));
  TRY(mem_new(&m->places, n, sizeof *m->places, "ranks"));
  TRY(mem_new(&m->order, n, sizeof *m->order, "ranks"));
  TRY(mem_new(&m->ranks, n, sizeof *m->ranks, "ranks"));
  return mem_new(&m->gaps, n, sizeof *m->gaps, "ranks");
}

static void set_room_free(set_room *m) {
  void *const arrays[] = {m->scores, m->tolerances, m->standings, m->units,
                          m->places, m->order,      m->ranks,     m->gaps};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

// Ranks of a question's targets among the candidates of a protocol. The first known target's draw is the question's own, so
// that a question with one target has the rank that it has with TARGETS_NEXT.
static void place_targets(const ranking *r, const query *q, int32_t protocol, const chunk_scores *s,
                          set_room *m, int32_t *ranks) {
  rng draws = rng_at((uint64_t)r->c.query.seed, STREAM_EVAL + DRAW_MORE_TIES + (uint32_t)protocol,
                     (uint32_t)q->user, (uint32_t)q->n);
  rank_set set = {.standings = m->standings,
                  .stride = 1,
                  .scores = m->scores,
                  .tolerances = m->tolerances,
                  .units = m->units};
  for (int32_t t = 0; t < q->n_targets; t++) {
    ranks[t] = 0;
    if (q->targets[t] < 0) continue;
    const int64_t at = q->target_at + t;
    m->places[set.n] = t;
    m->scores[set.n] = s->scores[at];
    m->tolerances[set.n] = s->tolerances[at];
    m->standings[set.n] = s->standings[at * RANK_PROTOCOLS + protocol];
    m->units[set.n] = set.n == 0 ? q->tie[protocol] : rng_unit(&draws);
    set.n++;
  }
  rank_place_set(&set, m->ranks, m->order, m->gaps);
  for (int32_t i = 0; i < set.n; i++) ranks[m->places[i]] = m->ranks[i];
}

status result_end_chunk(const ranking *r, const query_chunk *c, const chunk_scores *s, ranking_result *out) {
  set_room room;
  const status rc = set_room_new(&room, c);
  for (int32_t k = 0; rc == OK && k < RANK_PROTOCOLS; k++) {
    if (!r->c.query.protocols[k]) continue;
    for (int64_t i = 0; i < c->count; i++) {
      const query *q = &c->queries[i];
      place_targets(r, q, k, s, &room, out->ranks[k] + out->targets + q->target_at);
    }
  }
  set_room_free(&room);
  out->queries += c->count;
  out->targets += c->targets;
  return rc;
}

void result_begin(const ranking *r, ranking_result *out) {
  *out = (ranking_result){.fewest_negatives = (double)r->c.query.negatives};
}

// Metrics do not depend on which target has which rank, so they are taken from a sorted copy.
static status set_metrics(const ranking_result *result, const int32_t *ranks, rank_metrics *out) {
  int32_t *sorted;
  TRY(ranking_sorted(result, ranks, &sorted));
  rank_sets_metrics(sorted, result->relevant, result->queries, out);
  free(sorted);
  return OK;
}

status result_end(const ranking *r, ranking_result *out, double started) {
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++) {
    if (!r->c.query.protocols[k]) continue;
    if (out->relevant != NULL)
      TRY(set_metrics(out, out->ranks[k], &out->metrics[k]));
    else
      rank_metrics_of(out->ranks[k], out->queries, &out->metrics[k]);
  }
  out->seconds = now_seconds() - started;
  return OK;
}

status ranking_sorted(const ranking_result *r, const int32_t *ranks, int32_t **out) {
  TRY(mem_new(out, (size_t)r->targets, sizeof **out, "ranks"));
  if (r->targets > 0) memcpy(*out, ranks, (size_t)r->targets * sizeof **out);
  int32_t *at = *out;
  for (int64_t i = 0; r->relevant != NULL && i < r->queries; at += r->relevant[i++])
    rank_set_sort(at, r->relevant[i]);
  return OK;
}
