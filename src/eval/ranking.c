// Ranking evaluation; see ranking.h and docs/evaluation.md.
//
// A model is evaluated in two steps. Questions of a chunk become packed batches, and the encoder gives one vector u
// for each. Then come the scores with every item's v, U V^T, made in tiles of a few hundred KB that one thread
// computes and counts while they are in its cache. So nothing of the size users x items ever exists, not even users x
// (a block of items); the products are BLAS's, split above it. Cost: 2 (H + 1) operations a score; 8,192 users x
// 54,542 items x 65 take 0.54 s on one core at 107 GFLOP/s, counting included. Tiles of 64 x 1,024 are 5% slower:
// BLAS packs the items' side again for every tile of questions. Without the unsampled protocol only the negatives are
// scored.
//
// The target's own score is one dot product; the same item's score inside a tile may differ by rounding, as the sums
// run in another order. So the target is masked out of the tiles, and candidates within 2^-20 |u| |v| of it count as
// ties: that is about the error of such a sum, and a tie is broken at random rather than by rounding.
//
// The item vectors are kept whole while they take less than ITEM_BYTES, and come in blocks otherwise.
#include "eval/ranking.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "data/user_context.h"
#include "eval/mixer.h"
#include "eval/ranking_internal.h"
#include "format/order.h"
#include "model/objectives/item_head.h"

enum { TILE_QUERIES = 256, MIN_TILE_QUERIES = 16, TILE_ITEMS = 512, ITEM_BYTES = 256 << 20 };

ranking_config ranking_defaults(void) {
  return (ranking_config){.query = {.part = EVAL_VALID,
                                    .seed = 1,
                                    .negatives = 100,
                                    .protocols = {[RANK_FULL] = true},
                                    .filter_history = true}};
}

status ranking_open(ranking **out, dataset *d, const ranking_config *c) {
  *out = NULL;
  ranking *r;
  TRY(mem_new(&r, 1, sizeof *r, "an evaluation"));
  r->c = *c;
  r->d = d;
  status rc;
  TRY_GOTO(queries_open(&r->source, d, &c->query), bad);
  r->first_item = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  r->items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - r->first_item;
  TRY_GOTO(mem_new(&r->known, (size_t)r->items, sizeof *r->known, "item counts"), bad);
  if (c->query.part == EVAL_TEST)
    TRY_GOTO(items_count(d, EVAL_TEST, r->known), bad);
  else
    for (int32_t i = 0; i < r->items; i++)
      r->known[i] = vocab_token_count(dataset_vocab(d), r->first_item + i);
  *out = r;
  return OK;
bad:
  ranking_close(r);
  return rc;
}

void ranking_close(ranking *r) {
  if (r == NULL) return;
  queries_close(r->source);
  free(r->known);
  free(r);
}

void ranking_set_mix(ranking *r, const mix *m) {
  r->mix = m;
}

const query_source *ranking_queries(const ranking *r) {
  return r->source;
}

const int64_t *ranking_known(const ranking *r) {
  return r->known;
}

// Counts scores of items [first, first + n) of one question against each of its targets; those of targets and of the
// filtered history are overwritten.
static void tally(const ranking_config *c, const query *q, float *scores, int32_t first, int32_t n,
                  const chunk_scores *s) {
  const float *target = s->scores + q->target_at, *tolerance = s->tolerances + q->target_at;
  rank_standing *standings = s->standings + q->target_at * RANK_PROTOCOLS;
  for (int32_t k = RANK_UNIFORM; k < RANK_PROTOCOLS; k++) {
    const int32_t *list = q->negatives[k];
    for (int32_t i = (int32_t)order_place(list, 0, q->n_negatives[k], first);
         i < q->n_negatives[k] && list[i] < first + n; i++)
      for (int32_t t = 0; t < q->n_targets; t++)
        if (q->targets[t] >= 0)
          rank_count(scores + (list[i] - first), 1, target[t], tolerance[t],
                     &standings[t * RANK_PROTOCOLS + k]);
  }
  if (!c->query.protocols[RANK_FULL]) return;
  for (int32_t i = (int32_t)order_place(q->seen, 0, q->n_seen, first);
       i < q->n_seen && q->seen[i] < first + n; i++)
    if (query_filters(q, i)) scores[q->seen[i] - first] = -INFINITY;
  for (int32_t t = 0; t < q->n_targets; t++)
    if (q->targets[t] >= first && q->targets[t] < first + n) scores[q->targets[t] - first] = -INFINITY;
  for (int32_t t = 0; t < q->n_targets; t++)
    if (q->targets[t] >= 0)
      rank_count(scores, n, target[t], tolerance[t], &standings[t * RANK_PROTOCOLS + RANK_FULL]);
}

// ---- whole rows ----------------------------------------------------------------------------------------------

// The scores of a question's targets in its row; false: one is not finite.
static bool take_targets(const query *q, const float *row, const chunk_scores *s) {
  bool finite = true;
  for (int32_t t = 0; t < q->n_targets; t++) {
    if (q->targets[t] < 0) continue;
    const float score = row[q->targets[t]];
    s->scores[q->target_at + t] = score;
    s->tolerances[q->target_at + t] = 0x1p-20f * fabsf(score);
    finite = finite && isfinite(score);
  }
  return finite;
}

static status run_rows(ranking *r, row_scorer score, void *self, ranking_result *out, float *all) {
  result_room room = {0};
  const size_t items = (size_t)r->items;
  for (int64_t chunk = 0; chunk < queries_chunks(r->source); chunk++) {
    query_chunk c;
    TRY(queries_chunk(r->source, chunk, &c));
    TRY(result_begin_chunk(r, &c, out, &room));
    chunk_scores s;
    status rc = chunk_scores_new(&s, &c);
    bool finite = true;
#pragma omp parallel for schedule(dynamic, 16) reduction(&& : finite) if (rc == OK)
    for (int64_t i = 0; i < (rc == OK ? c.count : 0); i++) {
      const query *q = &c.queries[i];
      if (q->n_targets == 1 && q->target < 0) continue;
      float *row = all + (size_t)omp_get_thread_num() * items;
      score(self, omp_get_thread_num(), q, row);
      finite = take_targets(q, row, &s) && finite;
      tally(&r->c, q, row, 0, r->items, &s);
    }
    if (rc == OK) rc = result_end_chunk(r, &c, &s, out);
    chunk_scores_free(&s);
    TRY(rc);
    if (!finite) return fail(ERR_NONFINITE, "the score of an evaluated item is not finite");
  }
  return OK;
}

status ranking_run_rows(ranking *r, row_scorer score, void *self, ranking_result *out) {
  const double started = now_seconds();
  result_begin(r, out);
  float *all;
  TRY(mem_new(&all, (size_t)omp_get_max_threads() * (size_t)r->items, sizeof *all,
              "a row of scores a thread"));
  const status rc = run_rows(r, score, self, out, all);
  free(all);
  return rc == OK ? result_end(r, out, started) : rc;
}

// ---- models --------------------------------------------------------------------------------------------------

// Everything a pass over a model needs besides the questions.
typedef struct model_pass {
  ranking *r;
  model *m;
  int32_t W; // H + 1
  batch *b;
  seq_layout layout;
  const user_context *context; // NULL: histories are events alone
  int32_t *row_tokens;         // [max_positions], like row_events: a history with its context
  uint8_t *row_events;
  float *v;            // [block_items][W]
  float *v_norm;       // [block_items]
  int32_t block_items; // of a block of item vectors
  int32_t block_at;    // item that the block in v begins with; -1: nothing read
  float *u;            // [u_room / W][W]
  float *tiles;        // [threads][TILE_QUERIES][TILE_ITEMS]; NULL until they are needed
  mixer *x;            // NULL: the encoder alone
  size_t u_room;       // floats
  int32_t threads;
} model_pass;

static status check_model(const ranking *r, const model *m) {
  const model_config *c = model_get_config(m);
  const dataset_info *info = dataset_get_info(r->d);
  // A model may have more rows and event types than the data set: padding, or a vocabulary made for more.
  if (c->vocab_size < info->vocab_size || c->class_base > r->first_item ||
      c->class_base + c->classes < r->first_item + r->items)
    return fail(
        ERR_ARGUMENT,
        "%s has a vocabulary of %d with %d items; the model was made for one of %lld and classes %d to %d",
        dataset_dir(r->d), info->vocab_size, r->items, (long long)c->vocab_size, c->class_base,
        c->class_base + c->classes);
  if (c->event_types < info->n_event_types)
    return fail(ERR_ARGUMENT, "%s has %d event types, the model was made for %lld", dataset_dir(r->d),
                info->n_event_types, (long long)c->event_types);
  return OK;
}

// How many item vectors of W floats a block holds.
static int32_t block_of_items(int32_t items, int32_t W) {
  const int64_t fitting = ITEM_BYTES / ((int64_t)W * 4);
  return items < fitting ? items : (int32_t)fitting;
}

static status pass_open(model_pass *p, ranking *r, model *m) {
  *p = (model_pass){.r = r, .m = m, .block_at = -1, .threads = omp_get_max_threads()};
  TRY(check_model(r, m));
  p->W = (int32_t)model_get_config(m)->hidden + 1;
  p->layout = model_layout(model_get_config(m));
  p->block_items = block_of_items(r->items, p->W);
  TRY(batch_new(&p->b, model_get_run(m)->caps));
  TRY(dataset_user_context(r->d, &p->context));
  TRY(mem_new(&p->row_tokens, (size_t)p->layout.max_positions, sizeof *p->row_tokens, "a history"));
  TRY(mem_new(&p->row_events, (size_t)p->layout.max_positions, sizeof *p->row_events, "a history"));
  if (r->mix != NULL) TRY(mixer_open(&p->x, r->mix, r->first_item, p->threads));
  TRY(mem_new(&p->v, (size_t)p->block_items * (size_t)p->W, sizeof *p->v, "item vectors"));
  return mem_new(&p->v_norm, (size_t)p->block_items, sizeof *p->v_norm, "item vectors");
}

static void pass_close(model_pass *p) {
  batch_free(p->b);
  free(p->row_tokens);
  free(p->row_events);
  mixer_close(p->x);
  free(p->v);
  free(p->v_norm);
  free(p->u);
  free(p->tiles);
}

// Reads the item vectors from `first` on into the block; *n of them.
static status read_items(model_pass *p, int32_t first, int32_t *n) {
  *n = p->r->items - first < p->block_items ? p->r->items - first : p->block_items;
  if (p->block_at == first) return OK;
  const int32_t class = p->r->first_item + first - model_get_config(p->m)->class_base;
  TRY(model_item_vectors(p->m, class, *n, p->v));
  bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite)
  for (int32_t i = 0; i < *n; i++) {
    p->v_norm[i] = cblas_snrm2(p->W, p->v + (size_t)i * (size_t)p->W, 1);
    finite = finite && isfinite(p->v_norm[i]);
  }
  if (!finite) return fail(ERR_NONFINITE, "an item vector of the model is not finite");
  p->block_at = first;
  return OK;
}

// The mix makes no probabilities of the encoder's own.
static bool with_loss(const ranking *r) {
  return r->c.loss && r->mix == NULL;
}

static status encode_batch(model_pass *p, float *u) {
  batch_finish(p->b);
  const step_state state = {.seed = 0};
  TRY(model_set_batch(p->m, p->b, &state));
  TRY(model_forward(p->m, false));
  TRY(model_user_vectors(p->m, u));
  return with_loss(p->r) ? model_loss(p->m, false) : OK;
}

// User vectors of a chunk's questions into p->u, in order; times the scale of the mix.
static status encode_all(model_pass *p, const query_chunk *c) {
  TRY(mem_grow(&p->u, &p->u_room, (size_t)c->count * (size_t)p->W, sizeof *p->u, "user vectors"));
  batch_clear(p->b);
  int64_t done = 0;
  for (int64_t i = 0; i < c->count;) {
    const query *q = &c->queries[i];
    const batch_input history = context_query(p->context, &p->layout, q->sequence, q->tokens, q->events, q->n,
                                              p->row_tokens, p->row_events);
    const int32_t label = p->r->first_item + (q->target < 0 ? 0 : q->target);
    if (batch_add_query(p->b, &p->layout, &history, q->sequence, label)) {
      if (q->target < 0) // no class to predict: none in the loss
        p->b->weights[p->b->n_masked - 1] = p->b->next_weights[p->b->n_masked - 1] = 0.0f;
      i++;
      continue;
    }
    if (p->b->seqs == 0)
      return fail(ERR_ARGUMENT, "a history of up to %d tokens does not fit into batches of %d tokens",
                  p->layout.max_positions, p->b->caps.tokens);
    TRY(encode_batch(p, p->u + (size_t)done * (size_t)p->W));
    done = i;
    batch_clear(p->b);
  }
  return p->b->seqs > 0 ? encode_batch(p, p->u + (size_t)done * (size_t)p->W) : OK;
}

static status encode(model_pass *p, const query_chunk *c) {
  TRY(encode_all(p, c));
  const size_t floats = (size_t)c->count * (size_t)p->W;
  if (p->x == NULL) return OK;
  const float scale = (float)mix_get_config(p->r->mix)->scale;
  for (size_t i = 0; i < floats; i++) p->u[i] *= scale;
  return OK;
}

// Gives every score of a chunk's questions to the visitor, tile by tile.
static status score_tiles(model_pass *p, const query_chunk *c, tile_visitor see, void *self) {
  const size_t W = (size_t)p->W;
  if (p->tiles == NULL)
    TRY(mem_new(&p->tiles, (size_t)p->threads * TILE_QUERIES * TILE_ITEMS, sizeof *p->tiles,
                "tiles of scores"));
  int64_t step = c->count / p->threads; // smaller tiles where there are more threads than large ones
  step = step > TILE_QUERIES ? TILE_QUERIES : step < MIN_TILE_QUERIES ? MIN_TILE_QUERIES : step;
  for (int32_t first = 0, n; first < p->r->items; first += n) {
    TRY(read_items(p, first, &n));
    const int32_t block_first = first, block_n = n;
#pragma omp parallel for schedule(dynamic, 1) num_threads(p->threads)
    for (int64_t at = 0; at < c->count; at += step) {
      float *tile = p->tiles + (size_t)omp_get_thread_num() * TILE_QUERIES * TILE_ITEMS;
      const int32_t asked = (int32_t)(c->count - at < step ? c->count - at : step),
                    thread = omp_get_thread_num();
      if (p->x != NULL && !mixer_ask(p->x, thread, c->queries + at, asked)) continue;
      for (int32_t j = 0; j < block_n; j += TILE_ITEMS) {
        const int32_t columns = block_n - j < TILE_ITEMS ? block_n - j : TILE_ITEMS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, asked, columns, p->W, 1.0f,
                    p->u + (size_t)at * W, p->W, p->v + (size_t)j * W, p->W, 0.0f, tile, TILE_ITEMS);
        for (int32_t i = 0; i < asked; i++) {
          float *scores = tile + (size_t)i * TILE_ITEMS;
          if (p->x != NULL) mix_add(p->r->mix, mixer_get(p->x, thread, i), block_first + j, columns, scores);
          see(self, at + i, scores, block_first + j, columns);
        }
      }
    }
  }
  return p->x != NULL ? mixer_check(p->x) : OK;
}

typedef struct target_tally {
  const ranking_config *c;
  const query *queries;
  const chunk_scores *scores;
} target_tally;

static void tally_tile(void *self, int64_t question, float *scores, int32_t first, int32_t n) {
  const target_tally *t = self;
  const query *q = &t->queries[question];
  if (q->n_targets == 1 && q->target < 0) return;
  tally(t->c, q, scores, first, n, t->scores);
}

// One candidate's score against each target of a question.
static void count_score(const query *q, const chunk_scores *s, int32_t protocol, float score) {
  for (int32_t t = 0; t < q->n_targets; t++)
    if (q->targets[t] >= 0)
      rank_count(&score, 1, s->scores[q->target_at + t], s->tolerances[q->target_at + t],
                 &s->standings[(q->target_at + t) * RANK_PROTOCOLS + protocol]);
}

// What the mix adds to the score of an item for the one question that this thread has asked about; 0 without a mix.
static float mix_score(const model_pass *p, int32_t item) {
  return p->x != NULL ? mix_of(p->r->mix, mixer_get(p->x, omp_get_thread_num(), 0), item) : 0.0f;
}

// Without the unsampled protocol: only the scores of the negatives.
static status score_negatives(model_pass *p, const query_chunk *c, const target_tally *t) {
  const size_t W = (size_t)p->W;
  for (int32_t first = 0, n; first < p->r->items; first += n) {
    TRY(read_items(p, first, &n));
#pragma omp parallel for schedule(dynamic, 64) num_threads(p->threads)
    for (int64_t i = 0; i < c->count; i++) {
      const query *q = &c->queries[i];
      if (p->x != NULL && !mixer_ask(p->x, omp_get_thread_num(), q, 1)) continue;
      for (int32_t k = RANK_UNIFORM; k < RANK_PROTOCOLS; k++) {
        const int32_t *list = q->negatives[k];
        for (int32_t j = (int32_t)order_place(list, 0, q->n_negatives[k], first);
             j < q->n_negatives[k] && list[j] < first + n; j++) {
          const float score =
              cblas_sdot(p->W, p->u + (size_t)i * W, 1, p->v + (size_t)(list[j] - first) * W, 1);
          count_score(q, t->scores, k, score + mix_score(p, list[j]));
        }
      }
    }
  }
  return p->x != NULL ? mixer_check(p->x) : OK;
}

// The score of each target, and the tolerance within which others count as equal.
static status score_targets(model_pass *p, const query_chunk *c, const chunk_scores *s) {
  const size_t W = (size_t)p->W;
  bool finite = true;
  for (int32_t first = 0, n; first < p->r->items; first += n) {
    TRY(read_items(p, first, &n));
#pragma omp parallel for schedule(static) reduction(&& : finite)
    for (int64_t i = 0; i < c->count; i++) {
      const query *q = &c->queries[i];
      const float *u = p->u + (size_t)i * W;
      const float norm = cblas_snrm2(p->W, u, 1);
      if (p->x != NULL && !mixer_ask(p->x, omp_get_thread_num(), q, 1)) continue;
      for (int32_t t = 0; t < q->n_targets; t++) {
        const int32_t item = q->targets[t] - first;
        const int64_t at = q->target_at + t;
        if (q->targets[t] < 0 || item < 0 || item >= n) continue;
        const float mixed = mix_score(p, q->targets[t]);
        s->scores[at] = cblas_sdot(p->W, u, 1, p->v + (size_t)item * W, 1) + mixed;
        s->tolerances[at] = 0x1p-20f * (norm * p->v_norm[item] + fabsf(mixed));
        finite = finite && isfinite(s->scores[at]) && isfinite(s->tolerances[at]);
      }
    }
  }
  if (p->x != NULL) TRY(mixer_check(p->x));
  return finite ? OK : fail(ERR_NONFINITE, "a user vector of the model is not finite");
}

static status run_chunk(model_pass *p, const query_chunk *c, ranking_result *out, result_room *room) {
  TRY(result_begin_chunk(p->r, c, out, room));
  const double started = now_seconds();
  TRY(encode(p, c));
  out->encode_seconds += now_seconds() - started;
  chunk_scores s;
  status rc;
  TRY_GOTO(chunk_scores_new(&s, c), done);
  TRY_GOTO(score_targets(p, c, &s), done);
  target_tally t = {&p->r->c, c->queries, &s};
  if (p->r->c.query.protocols[RANK_FULL])
    TRY_GOTO(score_tiles(p, c, tally_tile, &t), done);
  else
    TRY_GOTO(score_negatives(p, c, &t), done);
  rc = result_end_chunk(p->r, c, &s, out);
done:
  chunk_scores_free(&s);
  return rc;
}

static status read_loss(model_pass *p, ranking_result *out) {
  step_result all;
  TRY(model_backend(p->m)->result_read(model_ctx(p->m), &all));
  TRY(model_backend(p->m)->result_clear(model_ctx(p->m)));
  const objective_list *l = model_objectives(p->m);
  const slot_result r = all.slot[objectives_slot(l, objectives_ranking(l))];
  if (r.weight <= 0) return OK;
  out->has_loss = true;
  out->loss = r.loss / r.weight;
  out->accuracy = r.hits / r.weight;
  return isfinite(out->loss) ? OK : fail(ERR_NONFINITE, "the loss of the held-out items is not finite");
}

status ranking_run(ranking *r, model *m, ranking_result *out) {
  const double started = now_seconds();
  result_begin(r, out);
  model_pass p;
  result_room room = {0};
  status rc = pass_open(&p, r, m);
  if (rc == OK && with_loss(r)) rc = model_backend(m)->result_clear(model_ctx(m));
  for (int64_t i = 0; rc == OK && i < queries_chunks(r->source); i++) {
    query_chunk c;
    rc = queries_chunk(r->source, i, &c);
    if (rc == OK) rc = run_chunk(&p, &c, out, &room);
  }
  if (rc == OK && with_loss(r)) rc = read_loss(&p, out);
  pass_close(&p);
  return rc == OK ? result_end(r, out, started) : rc;
}

query_memory ranking_memory(const dataset *d, const ranking_config *c, int32_t hidden, int32_t threads) {
  const dataset_info *info = dataset_get_info(d);
  const int32_t items = info->range_end[RANGE_ITEMS] - info->range_end[RANGE_ATTRIBUTES], W = hidden + 1;
  const double block = block_of_items(items, W), one_rank = sizeof(int32_t);
  query_memory m = queries_memory(d, &c->query, threads);
  double protocols = 0;
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++) protocols += c->query.protocols[k];
  m.held += (double)items * sizeof(int64_t);                                  // known
  m.pass += block * 4 * (W + 1.0) + m.chunk_questions * 4.0 * W;              // v, v_norm, u
  m.pass += m.chunk_targets * (8 + RANK_PROTOCOLS * sizeof(rank_standing));   // run_chunk
  m.pass += m.questions * sizeof(int64_t) + m.targets * protocols * one_rank; // the result
  if (c->query.protocols[RANK_FULL]) m.pass += 4.0 * threads * TILE_QUERIES * TILE_ITEMS;
  return m;
}

bool ranking_metric_find(const char *name, int32_t *protocol, int32_t *metric) {
  *protocol = RANK_PROTOCOLS;
  *metric = -1;
  if (strcmp(name, "loss") == 0 || strcmp(name, "accuracy") == 0) return true;
  const char *slash = strchr(name, '/');
  *protocol = RANK_FULL;
  for (int32_t k = 0; slash != NULL && k < RANK_PROTOCOLS; k++) {
    const size_t n = strlen(rank_protocol_names[k]);
    if ((size_t)(slash - name) == n && strncmp(name, rank_protocol_names[k], n) == 0) {
      *protocol = k;
      name = slash + 1;
      break;
    }
  }
  *metric = rank_metric_find(name);
  return *metric >= 0;
}

status ranking_value(const ranking_result *r, const char *name, double *value) {
  int32_t protocol, metric;
  const bool known = ranking_metric_find(name, &protocol, &metric);
  if (known && protocol < RANK_PROTOCOLS && r->ranks[protocol] != NULL)
    *value = r->metrics[protocol].value[metric];
  else if (known && protocol == RANK_PROTOCOLS && r->has_loss)
    *value = strcmp(name, "loss") == 0 ? r->loss : r->accuracy;
  else
    return fail(ERR_ARGUMENT,
                "\"%s\" is not a metric of this evaluation; \"ndcg@10\" and \"hr@10\" are, for example",
                name);
  return OK;
}

// ---- lists ---------------------------------------------------------------------------------------------------

status ranking_scores(ranking *r, model *m, const score_visitor *v) {
  model_pass p;
  status rc = pass_open(&p, r, m);
  for (int64_t i = 0; rc == OK && i < queries_chunks(r->source); i++) {
    query_chunk c;
    rc = queries_chunk(r->source, i, &c);
    if (rc == OK) rc = encode(&p, &c);
    if (rc == OK) rc = v->begin(v->self, &c);
    if (rc == OK) rc = score_tiles(&p, &c, v->see, v->self);
    if (rc == OK) rc = v->end(v->self, &c);
  }
  pass_close(&p);
  return rc;
}

typedef struct list_builder {
  const ranking *r;
  const query *queries;
  int32_t k;
  ranked_list *lists; // [count]
  int32_t *items;     // of the lists
  float *scores;
  list_visitor see;
  void *self;
} list_builder;

void ranked_list_offer(ranked_list *list, int32_t k, int32_t item, float score) {
  if (!isfinite(score) || (list->n == k && score <= list->scores[k - 1])) return;
  int32_t at = list->n < k ? list->n++ : k - 1;
  for (; at > 0 && list->scores[at - 1] < score; at--) {
    list->scores[at] = list->scores[at - 1];
    list->items[at] = list->items[at - 1];
  }
  list->scores[at] = score;
  list->items[at] = item;
}

static void list_tile(void *self, int64_t question, float *scores, int32_t first, int32_t n) {
  const list_builder *b = self;
  const query *q = &b->queries[question];
  for (int32_t i = 0; b->r->c.query.filter_history && i < q->n; i++) {
    const int32_t item = q->tokens[i] - b->r->first_item - first;
    if (item >= 0 && item < n) scores[item] = -INFINITY;
  }
  for (int32_t i = 0; i < n; i++) ranked_list_offer(&b->lists[question], b->k, first + i, scores[i]);
}

static void lists_free(list_builder *b) {
  free(b->items);
  free(b->scores);
  free(b->lists);
  b->items = NULL;
  b->scores = NULL;
  b->lists = NULL;
}

static status begin_lists(void *self, const query_chunk *c) {
  list_builder *b = self;
  const size_t n = (size_t)c->count, k = (size_t)b->k;
  b->queries = c->queries;
  TRY(mem_new(&b->items, n * k, sizeof *b->items, "ranked lists"));
  TRY(mem_new(&b->scores, n * k, sizeof *b->scores, "ranked lists"));
  TRY(mem_new(&b->lists, n, sizeof *b->lists, "ranked lists"));
  for (size_t i = 0; i < n; i++) b->lists[i] = (ranked_list){0, b->items + i * k, b->scores + i * k};
  return OK;
}

static status end_lists(void *self, const query_chunk *c) {
  list_builder *b = self;
  for (int64_t i = 0; i < c->count; i++) TRY(b->see(b->self, &c->queries[i], &b->lists[i]));
  lists_free(b);
  return OK;
}

status ranking_lists(ranking *r, model *m, int32_t k, list_visitor see, void *self) {
  if (k < 1) return fail(ERR_ARGUMENT, "a ranked list needs at least one item");
  list_builder b = {.r = r, .k = k, .see = see, .self = self};
  const score_visitor v = {&b, begin_lists, list_tile, end_lists};
  const status rc = ranking_scores(r, m, &v);
  lists_free(&b);
  return rc;
}
