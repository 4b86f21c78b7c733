// Questions of an evaluation; see queries.h.
//
// Users of a subset are those with the smallest Philox draws, which is a uniform sample without replacement and needs
// no state; each user's negatives and ties come from substreams keyed by the user and the position of the
// target, so they do not depend on who else is evaluated.
//
// Negatives are distinct, and are never the target or an item of the history. They are drawn one after the other, and
// a draw that is taken already is rejected; popularity draws use Vose's alias table (M. Vose, A linear algorithm for
// generating random numbers with a given distribution, 1991). If so much is excluded that rejection would take long
// (small catalogues), every remaining item gets an exponential arrival time of rate count (P. Efraimidis, P.
// Spirakis, Weighted random sampling with a reservoir, 2006): the first n arrivals have the same distribution as n
// successive draws.
#include "eval/queries.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "data/user_subset.h"
#include "format/order.h"

enum { CHUNK_SEQUENCES = 4096, CHUNK_TARGETS = 65536, KEEP_USERS = 65536, KEEP_TARGETS = 2 * KEEP_USERS };
enum { READ_SEQUENCES = 4096, READ_GAP = 1024 };
enum { MAX_REJECTIONS = 20 }; // for each negative, on average; then exponential arrival times are used

const char *const rank_protocol_names[RANK_PROTOCOLS] = {"full", "uniform", "popularity"};

// What one chunk holds. Histories are prefixes of the sequence, so a sequence, and the list of its items, is stored once
// for all its targets.
typedef struct chunk_store {
  query *queries;
  int64_t count, n_targets;
  int32_t *tokens, *targets, *seen, *seen_at, *negatives;
  uint8_t *events;
} chunk_store;

struct query_source {
  query_config c;
  dataset *d;
  int32_t first_item, items;
  int64_t *sequences; // [users] the chosen sequences, ascending
  int64_t users, chunks, targets;
  int64_t *chunk_at;  // [chunks + 1] places in `sequences`
  chunk_store *store; // [kept ? chunks : 1]
  bool kept;
  // popularity draws
  double *alias_share; // [items]
  int32_t *alias;      // [items]
  int64_t *counts;     // [items]
  uint8_t *taken;      // [threads][items] scratch of the draws
  int32_t threads;
};

int32_t known_length(const sequence *s, eval_part part) {
  return part == EVAL_NOTHING ? s->n : part == EVAL_TEST ? s->test_from : s->valid_from;
}

status items_count(dataset *d, eval_part part, int64_t *counts) {
  const dataset_info *info = dataset_get_info(d);
  const int32_t first = vocab_begin(dataset_vocab(d), RANGE_ITEMS),
                end = vocab_end(dataset_vocab(d), RANGE_ITEMS);
  memset(counts, 0, (size_t)(end - first) * sizeof *counts);
  for (int64_t at = 0; at < info->sequences; at += READ_SEQUENCES) {
    sequence_block *b;
    const int64_t left = info->sequences - at;
    TRY(block_read(&b, d, at, left < READ_SEQUENCES ? left : READ_SEQUENCES));
    for (int64_t i = 0; i < block_count(b); i++) {
      sequence s;
      block_get(b, i, &s);
      for (int32_t j = 0; j < known_length(&s, part); j++)
        if (s.tokens[j] >= first && s.tokens[j] < end) counts[s.tokens[j] - first]++;
    }
    block_free(b);
  }
  return OK;
}

// ---- users ---------------------------------------------------------------------------------------------------

static int32_t count_targets(const dataset *d, eval_part part, int64_t i) {
  int32_t from, to;
  dataset_targets(d, i, part == EVAL_TEST, &from, &to);
  return from < to ? to - from : 0;
}

// The sequences with targets, or a random subset of them.
static status choose_users(query_source *s) {
  user_subset subset = {.test = s->c.part == EVAL_TEST,
                        .users = s->c.users,
                        .seed = (uint64_t)s->c.seed,
                        .stream = STREAM_EVAL + DRAW_USERS};
  training_part trained = {.lengths = NULL};
  const bool held_only = s->c.part == EVAL_VALID && s->c.trained.final;
  status rc = held_only ? training_part_make(&trained, s->d, &s->c.trained) : OK;
  if (rc == OK && held_only && trained.n_held == 0)
    rc = fail(ERR_ARGUMENT,
              "the validation part is trained on (data.final), so nothing can be asked about it");
  if (held_only) subset.among = trained.held;
  subset.n_among = trained.n_held;
  if (rc == OK) rc = user_subset_choose(&subset, s->d, &s->sequences, &s->users);
  training_part_free(&trained);
  return rc;
}

// A chunk has so many sequences, or fewer if they have many targets; at least one.
static status make_chunks(query_source *s) {
  size_t cap = 0;
  int64_t begin = 0, targets = 0;
  TRY(mem_grow(&s->chunk_at, &cap, 1, sizeof *s->chunk_at, "the questions of an evaluation"));
  s->chunk_at[0] = 0;
  for (int64_t i = 0; i < s->users; i++) {
    const int32_t n = count_targets(s->d, s->c.part, s->sequences[i]);
    s->targets += n;
    targets += n;
    const int32_t next = i + 1 < s->users ? count_targets(s->d, s->c.part, s->sequences[i + 1]) : 0;
    if (i + 1 < s->users && i + 1 - begin < CHUNK_SEQUENCES && targets + next <= CHUNK_TARGETS) continue;
    begin = i + 1;
    targets = 0;
    s->chunks++;
    TRY(mem_grow(&s->chunk_at, &cap, (size_t)s->chunks + 1, sizeof *s->chunk_at,
                 "the questions of an evaluation"));
    s->chunk_at[s->chunks] = begin;
  }
  return OK;
}

// ---- negatives -----------------------------------------------------------------------------------------------

// Vose's table: item i is drawn with share[i], else alias[i].
static status make_alias(query_source *s) {
  const size_t n = (size_t)s->items;
  TRY(mem_new(&s->counts, n, sizeof *s->counts, "item counts"));
  TRY(items_count(s->d, s->c.part, s->counts));
  TRY(mem_new(&s->alias_share, n, sizeof *s->alias_share, "the table of popularity draws"));
  TRY(mem_new(&s->alias, n, sizeof *s->alias, "the table of popularity draws"));
  double total = 0;
  for (size_t i = 0; i < n; i++) total += (double)s->counts[i];
  if (total <= 0)
    return fail(ERR_FORMAT, "%s has no items to draw popular negatives from", dataset_dir(s->d));
  int32_t *order;
  TRY(mem_new(&order, n, sizeof *order, "the table of popularity draws"));
  int32_t small = 0, large = s->items; // two stacks in one array, growing towards each other
  for (int32_t i = 0; i < s->items; i++) {
    s->alias_share[i] = (double)s->counts[i] * (double)n / total;
    s->alias[i] = i;
    if (s->alias_share[i] < 1.0)
      order[small++] = i;
    else
      order[--large] = i;
  }
  while (small > 0 && large < s->items) {
    const int32_t less = order[--small], more = order[large];
    s->alias[less] = more;
    s->alias_share[more] -= 1.0 - s->alias_share[less];
    if (s->alias_share[more] < 1.0) {
      large++;
      order[small++] = more;
    }
  }
  while (large < s->items) s->alias_share[order[large++]] = 1.0;
  // The remaining shares are 1 up to rounding, except for items without a count, which must never be drawn.
  int32_t counted = 0;
  while (s->counts[counted] == 0) counted++;
  while (small > 0) {
    const int32_t i = order[--small];
    s->alias_share[i] = s->counts[i] > 0 ? 1.0 : 0.0;
    s->alias[i] = counted;
  }
  free(order);
  return OK;
}

typedef struct arrival {
  double time;
  int32_t item;
} arrival;

static int by_time(const void *a, const void *b) {
  const arrival *x = a, *y = b;
  if (x->time < y->time || x->time > y->time) return x->time < y->time ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

// Draws by exponential arrival times among all items that are not taken, after the first `have` draws.
static int32_t race(const query_source *s, rank_protocol protocol, rng *r, const uint8_t *taken, int32_t have,
                    int32_t *out) {
  arrival *a = malloc((size_t)s->items * sizeof *a);
  if (a == NULL) return -1;
  size_t n = 0;
  for (int32_t i = 0; i < s->items; i++) {
    const double rate = protocol == RANK_UNIFORM ? 1.0 : (double)s->counts[i];
    if (taken[i] == 0 && rate > 0) a[n++] = (arrival){-log(1.0 - rng_unit(r)) / rate, i};
  }
  qsort(a, n, sizeof *a, by_time);
  for (size_t i = 0; i < n && have < s->c.negatives; i++) out[have++] = a[i].item;
  free(a);
  return have;
}

// Distinct negatives of one question into out, ascending, none of them a target; `taken` is all zero before and after. -1:
// out of memory.
static int32_t draw_negatives(const query_source *s, const query *q, rank_protocol protocol, int32_t position,
                              uint8_t *taken, int32_t *out) {
  const int32_t wanted = (int32_t)s->c.negatives;
  const uint32_t stream = STREAM_EVAL + (protocol == RANK_UNIFORM ? DRAW_UNIFORM : DRAW_POPULARITY);
  rng r = rng_at((uint64_t)s->c.seed, stream, (uint32_t)q->user, (uint32_t)position);
  // Also without the filter a negative is never an item of the history: that is what a negative means.
  for (int32_t i = 0; i < q->n; i++)
    if (q->tokens[i] >= s->first_item && q->tokens[i] < s->first_item + s->items)
      taken[q->tokens[i] - s->first_item] = 1;
  for (int32_t i = 0; i < q->n_targets; i++)
    if (q->targets[i] >= 0) taken[q->targets[i]] = 1;
  int32_t have = 0;
  for (int64_t tries = 0; have < wanted && tries < (int64_t)MAX_REJECTIONS * wanted; tries++) {
    int32_t item = (int32_t)rng_below(&r, (uint64_t)s->items);
    if (protocol == RANK_POPULARITY && rng_unit(&r) >= s->alias_share[item]) item = s->alias[item];
    if (taken[item] != 0) continue;
    taken[item] = 1;
    out[have++] = item;
  }
  const int32_t drawn = have;
  if (have < wanted) have = race(s, protocol, &r, taken, have, out);
  for (int32_t i = 0; i < drawn; i++) taken[out[i]] = 0;
  for (int32_t i = 0; i < q->n; i++)
    if (q->tokens[i] >= s->first_item && q->tokens[i] < s->first_item + s->items)
      taken[q->tokens[i] - s->first_item] = 0;
  for (int32_t i = 0; i < q->n_targets; i++)
    if (q->targets[i] >= 0) taken[q->targets[i]] = 0;
  if (have > 0) qsort(out, (size_t)have, sizeof *out, order_int32);
  return have;
}

// ---- chunks --------------------------------------------------------------------------------------------------

static void store_free(chunk_store *c) {
  free(c->queries);
  free(c->tokens);
  free(c->events);
  free(c->targets);
  free(c->seen);
  free(c->seen_at);
  free(c->negatives);
  *c = (chunk_store){0};
}

// Reads sequences [from, to) of the chosen ones, runs of neighbours at once, and gives each to `see`.
typedef void (*sequence_visitor)(void *self, const sequence *s, int64_t slot);
static status visit_sequences(query_source *s, int64_t from, int64_t to, sequence_visitor see, void *self) {
  for (int64_t i = from; i < to;) {
    int64_t end = i + 1; // up to READ_GAP apart: opening datasets costs like a thousand sequences
    while (end < to && s->sequences[end] - s->sequences[end - 1] <= READ_GAP &&
           s->sequences[end] - s->sequences[i] < 4 * READ_SEQUENCES)
      end++;
    sequence_block *b;
    TRY(block_read(&b, s->d, s->sequences[i], s->sequences[end - 1] - s->sequences[i] + 1));
    for (const int64_t first = s->sequences[i]; i < end; i++) {
      sequence one;
      block_get(b, s->sequences[i] - first, &one);
      see(self, &one, i);
    }
    block_free(b);
  }
  return OK;
}

typedef struct chunk_builder {
  query_source *s;
  chunk_store *store;
  int64_t at_query, at_token, at_target, at_seen;
  uint64_t *places; // [longest of the chunk] scratch of list_seen
  int32_t longest;
  bool measure; // first pass: only the sizes
} chunk_builder;

// The distinct items of tokens[n] and where each is first; how many there are.
static int32_t list_seen(chunk_builder *b, const int32_t *tokens, int32_t n, int32_t *seen,
                         int32_t *seen_at) {
  size_t found = 0;
  int32_t distinct = 0;
  for (int32_t i = 0; i < n; i++) {
    const int32_t item = tokens[i] - b->s->first_item;
    if (item >= 0 && item < b->s->items) b->places[found++] = (uint64_t)item << 32 | (uint32_t)i;
  }
  if (found > 0) qsort(b->places, found, sizeof *b->places, order_uint64);
  for (size_t i = 0; i < found; i++) {
    const int32_t item = (int32_t)(b->places[i] >> 32);
    if (distinct > 0 && seen[distinct - 1] == item) continue;
    seen[distinct] = item;
    seen_at[distinct++] = (int32_t)(uint32_t)b->places[i];
  }
  return distinct;
}

// The targets of a question about all of tokens[n]: each item once, in order, and everything that is no item as -1.
static int32_t list_targets(chunk_builder *b, const int32_t *tokens, int32_t n, int32_t *targets) {
  int32_t distinct = 0;
  for (int32_t i = 0; i < n; i++) {
    const int32_t item = tokens[i] - b->s->first_item;
    const bool known = item >= 0 && item < b->s->items;
    if (known) b->places[i] = (uint64_t)item << 32 | (uint32_t)i;
    if (!known) b->places[i] = (uint64_t)UINT32_MAX << 32 | (uint32_t)i;
  }
  qsort(b->places, (size_t)n, sizeof *b->places, order_uint64);
  for (int32_t i = 0; i < n;
       i++) { // what stays is the first of each item: its place alone, to be sorted again
    const uint64_t item = b->places[i] >> 32;
    if (i > 0 && item != UINT32_MAX && b->places[i - 1] >> 32 == item) continue;
    targets[distinct++] = (int32_t)(uint32_t)b->places[i];
  }
  qsort(targets, (size_t)distinct, sizeof *targets, order_int32);
  for (int32_t i = 0; i < distinct; i++) {
    const int32_t item = tokens[targets[i]] - b->s->first_item;
    targets[i] = item >= 0 && item < b->s->items ? item : -1;
  }
  return distinct;
}

// Adds a question about the targets at the builder's place, which the history before event n has come to.
static void add_question(chunk_builder *b, const query *of, int32_t n, int32_t n_targets) {
  query *q = &b->store->queries[b->at_query++];
  *q = *of;
  q->n = n;
  q->target_at = b->at_target;
  q->targets = b->store->targets + b->at_target;
  q->n_targets = n_targets;
  q->target = q->targets[0];
  b->at_target += n_targets;
  rng r = rng_at((uint64_t)b->s->c.seed, STREAM_EVAL + DRAW_TIES, (uint32_t)q->user, (uint32_t)n);
  for (int32_t k = 0; k < RANK_PROTOCOLS; k++) q->tie[k] = rng_unit(&r);
}

static void add_questions(chunk_builder *b, const sequence *s, int64_t slot, int32_t from, int32_t to) {
  const query_config *c = &b->s->c;
  chunk_store *store = b->store;
  int32_t *tokens = store->tokens + b->at_token;
  uint8_t *events = store->events + b->at_token;
  memcpy(tokens, s->tokens, (size_t)to * sizeof *tokens);
  memcpy(events, s->events, (size_t)to);
  query q = {.sequence = s->index, .user = s->user, .slot = slot, .tokens = tokens, .events = events};
  if (c->filter_history) {
    q.seen = store->seen + b->at_seen;
    q.seen_at = store->seen_at + b->at_seen;
    q.n_seen = list_seen(b, tokens, to, store->seen + b->at_seen, store->seen_at + b->at_seen);
    b->at_seen += q.n_seen;
  }
  if (c->reading == TARGETS_ALL) {
    add_question(b, &q, from, list_targets(b, tokens + from, to - from, store->targets + b->at_target));
    return;
  }
  for (int32_t p = from; p < to; p++) {
    const int32_t item = tokens[p] - b->s->first_item;
    store->targets[b->at_target] = item >= 0 && item < b->s->items ? item : -1;
    add_question(b, &q, p, 1);
  }
}

static void add_sequence(void *self, const sequence *s, int64_t slot) {
  chunk_builder *b = self;
  int32_t from, to;
  dataset_targets(b->s->d, s->index, b->s->c.part == EVAL_TEST, &from, &to);
  if (from >= to) return;
  if (!b->measure) {
    add_questions(b, s, slot, from, to);
  } else {
    b->at_query += b->s->c.reading == TARGETS_ALL ? 1 : to - from;
    b->at_target += to - from;
    b->at_seen += b->s->c.filter_history ? to : 0;
    if (to > b->longest) b->longest = to;
  }
  b->at_token += to;
}

// The number of protocols for which a question has negatives.
static int32_t sampled_protocols(const query_config *c) {
  return (int32_t)c->protocols[RANK_UNIFORM] + (int32_t)c->protocols[RANK_POPULARITY];
}

static status add_negatives(query_source *s, chunk_store *store) {
  const size_t wanted = (size_t)s->c.negatives, a_question = (size_t)sampled_protocols(&s->c) * wanted;
  TRY(mem_new(&store->negatives, (size_t)store->count * a_question, sizeof *store->negatives, "negatives"));
  bool failed = false;
#pragma omp parallel for schedule(static) num_threads(s->threads) reduction(|| : failed)
  for (int64_t i = 0; i < store->count; i++) {
    query *q = &store->queries[i];
    uint8_t *taken = s->taken + (size_t)omp_get_thread_num() * (size_t)s->items;
    int32_t *out = store->negatives + (size_t)i * a_question;
    for (int32_t k = RANK_UNIFORM; k <= RANK_POPULARITY; k++) {
      if (!s->c.protocols[k]) continue;
      const int32_t n = draw_negatives(s, q, (rank_protocol)k, q->n, taken, out);
      failed = failed || n < 0;
      q->negatives[k] = out;
      q->n_negatives[k] = n < 0 ? 0 : n;
      out += wanted;
    }
  }
  return failed ? fail(ERR_MEMORY, "out of memory: drawing negatives") : OK;
}

static status chunk_room(chunk_builder *b) {
  chunk_store *store = b->store;
  TRY(mem_new(&store->queries, (size_t)b->at_query, sizeof *store->queries, "questions"));
  TRY(mem_new(&store->targets, (size_t)b->at_target, sizeof *store->targets, "questions"));
  TRY(mem_new(&store->tokens, (size_t)b->at_token, sizeof *store->tokens, "histories"));
  TRY(mem_new(&store->events, (size_t)b->at_token, sizeof *store->events, "histories"));
  TRY(mem_new(&store->seen, (size_t)b->at_seen, sizeof *store->seen, "filtered items"));
  TRY(mem_new(&store->seen_at, (size_t)b->at_seen, sizeof *store->seen_at, "filtered items"));
  return mem_new(&b->places, (size_t)b->longest, sizeof *b->places, "filtered items");
}

static status build_chunk(query_source *s, int64_t chunk, chunk_store *store) {
  store_free(store);
  const int64_t from = s->chunk_at[chunk], to = s->chunk_at[chunk + 1];
  chunk_builder b = {.s = s, .store = store, .measure = true};
  TRY(visit_sequences(s, from, to, add_sequence, &b));
  status rc = chunk_room(&b);
  b = (chunk_builder){.s = s, .store = store, .places = b.places};
  if (rc == OK) rc = visit_sequences(s, from, to, add_sequence, &b);
  free(b.places);
  TRY(rc);
  store->count = b.at_query;
  store->n_targets = b.at_target;
  return sampled_protocols(&s->c) > 0 ? add_negatives(s, store) : OK;
}

// What only drawing negatives needs.
static void drop_draws(query_source *s) {
  free(s->alias_share);
  free(s->alias);
  free(s->counts);
  free(s->taken);
  s->alias_share = NULL;
  s->alias = NULL;
  s->counts = NULL;
  s->taken = NULL;
}

status queries_open(query_source **out, dataset *d, const query_config *c) {
  *out = NULL;
  query_source *s;
  TRY(mem_new(&s, 1, sizeof *s, "the questions of an evaluation"));
  s->c = *c;
  s->d = d;
  s->threads = omp_get_max_threads();
  s->first_item = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  s->items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - s->first_item;
  status rc;
  if (s->items < 1) {
    rc = fail(ERR_FORMAT, "%s has no items to rank", dataset_dir(d));
    goto bad;
  }
  const bool sampled = sampled_protocols(c) > 0;
  if (c->users < 0 || (sampled && (c->negatives < 1 || c->negatives > 1 << 20))) {
    rc = fail(ERR_ARGUMENT, "an evaluation needs users >= 0 and between 1 and 1048576 negatives");
    goto bad;
  }
  TRY_GOTO(choose_users(s), bad);
  if (sampled)
    TRY_GOTO(mem_new(&s->taken, (size_t)s->threads * (size_t)s->items, 1, "marks of drawn negatives"), bad);
  if (c->protocols[RANK_POPULARITY]) TRY_GOTO(make_alias(s), bad);
  TRY_GOTO(make_chunks(s), bad);
  s->kept = s->users <= KEEP_USERS && s->targets <= KEEP_TARGETS;
  TRY_GOTO(mem_new(&s->store, s->kept ? (size_t)s->chunks : 1, sizeof *s->store, "chunks of questions"), bad);
  for (int64_t i = 0; s->kept && i < s->chunks; i++) TRY_GOTO(build_chunk(s, i, &s->store[i]), bad);
  if (s->kept) drop_draws(s);
  *out = s;
  return OK;
bad:
  queries_close(s);
  return rc;
}

void queries_close(query_source *s) {
  if (s == NULL) return;
  for (int64_t i = 0; s->store != NULL && i < (s->kept ? s->chunks : 1); i++) store_free(&s->store[i]);
  free(s->store);
  free(s->sequences);
  free(s->chunk_at);
  drop_draws(s);
  free(s);
}

query_memory queries_memory(const dataset *d, const query_config *c, int32_t threads) {
  const dataset_info *info = dataset_get_info(d);
  double candidates = 0, tokens = 0, targets = 0, most = 0;
  for (int64_t i = 0; i < info->sequences; i++) {
    int32_t from, to;
    dataset_targets(d, i, c->part == EVAL_TEST, &from, &to);
    if (from >= to) continue;
    candidates++;
    tokens += to;
    targets += to - from;
    most = fmax(most, to - from);
  }
  if (candidates < 1) return (query_memory){0};
  const double asked = c->part == EVAL_VALID && c->trained.final
                           ? fmin((double)c->trained.final_users, candidates)
                           : candidates;
  const double users = c->users > 0 && (double)c->users < asked ? (double)c->users : asked,
               length = tokens / candidates, sampled = sampled_protocols(c);
  const double items = info->range_end[RANGE_ITEMS] - info->range_end[RANGE_ATTRIBUTES];
  query_memory m = {.users = users, .targets = users * targets / candidates};
  m.questions = c->reading == TARGETS_ALL ? users : m.targets;
  const bool kept = users <= KEEP_USERS && m.targets <= KEEP_TARGETS;
  m.chunk_targets = fmin(m.targets * fmin(1, CHUNK_SEQUENCES / users), fmax(CHUNK_TARGETS, most));
  m.chunk_questions = m.questions * m.chunk_targets / m.targets;
  const double stored_users = kept ? users : fmin(users, users * m.chunk_targets / m.targets);
  const double question = sizeof(query) + 4 * sampled * (double)c->negatives;
  const double draws = (sampled > 0 ? threads * items : 0) + (c->protocols[RANK_POPULARITY] ? 20 * items : 0);
  // Sequences that are near each other are read in one call, with larger gaps allowed if few are asked for.
  const double read = fmin(fmin(4 * READ_SEQUENCES, (double)info->sequences),
                           CHUNK_SEQUENCES * (double)info->sequences / users);
  const double block = block_bytes(info, read);
  m.held = 8 * users + stored_users * (5 + (c->filter_history ? 8 : 0)) * length +
           (m.questions * question + m.targets * 4) * stored_users / users + (kept ? 0 : draws);
  // The buffers of reading lie in the heap below memory that stays allocated, so free() cannot return them to the
  // system; a source that reads again reuses them.
  if (kept) m.held += block;
  m.pass = kept ? 0 : block;
  m.opening = fmax(user_subset_bytes(candidates), (kept ? draws : 0) + block);
  return m;
}

dataset *queries_dataset(query_source *s) {
  return s->d;
}
int64_t queries_chunks(const query_source *s) {
  return s->chunks;
}
status queries_chunk(query_source *s, int64_t i, query_chunk *out) {
  chunk_store *store = &s->store[s->kept ? i : 0];
  if (!s->kept) TRY(build_chunk(s, i, store));
  *out = (query_chunk){.count = store->count, .targets = store->n_targets, .queries = store->queries};
  return OK;
}
