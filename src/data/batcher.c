// From a data set to masked, packed batches; see batcher.h for what an epoch is.
//
// Sequences lie in blocks of BLOCK; an epoch permutes the blocks and takes them GROUP at a time. The examples of a
// group are shuffled together, so memory holds one group. Which example goes into which batch depends on lengths
// only, and lengths are in the index: counting batches or seeking reads no tokens.
//
// One thread makes batches one ahead of the caller: the two batches change hands under a mutex.
#include "data/batcher.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"

#define FIELD(name) offsetof(data_config, name)
const option data_options[] = {
    {"dir", OPT_STRING, FIELD(dir), "", 0, 0, NULL, "a prepared data set"},
    {"window", OPT_INT, FIELD(window), "0", 0, 32768, NULL, "length of training windows; 0: the data set's"},
    {"stride", OPT_INT, FIELD(stride), "0", 0, 32768, NULL,
     "distance of training windows; 0: the data set's"},
    {"batch_tokens", OPT_INT, FIELD(batch_tokens), "4096", 16, 1 << 24, NULL,
     "token budget of a micro-batch"},
    {"batch_sequences", OPT_INT, FIELD(batch_sequences), "0", 0, 1 << 24, NULL,
     "sequences at most; 0: as many as fit"},
    {"mask_probability", OPT_FLOAT, FIELD(mask_probability), "0.2", 0, 1, NULL,
     "share of the items that are masked"},
    {"mask_style", OPT_CHOICE, FIELD(mask_style), "always", 0, 0, "always|bert",
     "always [MASK], or 80/10/10 as in BERT"},
    {"mask_events", OPT_BOOL, FIELD(mask_events), "true", 0, 0, NULL,
     "hide the event type of masked positions"},
    {"last_copies", OPT_FLOAT, FIELD(last_copies), "1", 0, 1000, NULL,
     "copies of a window with only the last item masked"},
    {"duplicates", OPT_INT, FIELD(duplicates), "1", 0, 1000, NULL,
     "copies of a window with random masks, an epoch"},
    {"crop", OPT_FLOAT, FIELD(crop), "0", 0, 1, NULL, "share of last copies cut to a random prefix"},
    {"next_session", OPT_BOOL, FIELD(next_session), "false", 0, 0, NULL,
     "pairs of sessions for the next-sentence head"},
    {"negatives", OPT_INT, FIELD(negatives), "0", 0, 1 << 20, NULL,
     "shared negatives of the sampled loss; 0: full softmax"},
    {"negative_kind", OPT_CHOICE, FIELD(negative_kind), "uniform", 0, 0, "uniform|popularity",
     "how negatives are drawn"},
    {"negative_alpha", OPT_FLOAT, FIELD(negative_alpha), "1", 0, 2, NULL, "exponent of popularity"},
    {"seed", OPT_INT, FIELD(seed), "1", 0, 9e15, NULL, "of masks, order and negatives"},
};
const size_t n_data_options = sizeof data_options / sizeof *data_options;

enum { BLOCK = 4096, GROUP = 16 };

typedef struct example {
  int64_t sequence, id; // id: global sequence id
  int32_t begin, end;   // tokens of the sequence
  int32_t length;       // rows it takes in a batch, at most
  bool last;            // only the last item is masked
} example;

typedef struct alias_slot { // Walker's alias method
  float keep;
  int32_t other;
} alias_slot;

struct batcher {
  dataset *d;
  data_config c;
  seq_layout layout;
  data_part part;
  int32_t rank, ranks, window, stride;
  batch_caps caps;
  int64_t copies, windows;
  int64_t *first_window; // [sequences]
  alias_slot *alias;     // [items], popularity only
  float *logq;           // [items]: log of the expected count among the negatives
  // the group at hand
  int64_t epoch, group, at, index; // index: of the next batch of this epoch, over all ranks
  example *examples;
  size_t n_examples, examples_cap;
  int32_t *block_order;
  sequence_block *blocks[GROUP];
  int64_t block_ids[GROUP];
  int n_blocks;
  bool blocks_read, valid_end;
  // hand-over
  batch *slots[2];
  bool end[2]; // the slot stands for the end of a validation pass
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int64_t made, taken; // batches
  bool started, stop;
  status rc;
  char message[2048];
};

static int64_t min64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// ---- plan of an epoch ----------------------------------------------------------------------------------------

static int64_t n_sequences(const batcher *b) {
  return dataset_get_info(b->d)->sequences;
}
static int64_t n_all_blocks(const batcher *b) {
  return (n_sequences(b) + BLOCK - 1) / BLOCK;
}
static int64_t n_groups(const batcher *b) {
  return (n_all_blocks(b) + GROUP - 1) / GROUP;
}

static void shuffle_blocks(batcher *b) {
  const int64_t n = n_all_blocks(b);
  for (int64_t i = 0; i < n; i++) b->block_order[i] = (int32_t)i;
  if (b->part == PART_VALID) return;
  rng r = rng_at((uint64_t)b->c.seed, STREAM_SHUFFLE, (uint32_t)b->epoch, 0xFFFFFFFFu);
  for (int64_t i = n - 1; i > 0; i--) {
    const int64_t k = (int64_t)rng_below(&r, (uint64_t)i + 1);
    const int32_t t = b->block_order[i];
    b->block_order[i] = b->block_order[k];
    b->block_order[k] = t;
  }
}

static status add_example(batcher *b, const example *e) {
  TRY(mem_grow(&b->examples, &b->examples_cap, b->n_examples + 1, sizeof *e, "examples"));
  b->examples[b->n_examples++] = *e;
  return OK;
}

static int32_t specials(const batcher *b) {
  return b->layout.cls_sep ? 2 + b->c.next_session : 0;
}

static int32_t rows_of(const batcher *b, int32_t n) {
  const int32_t rows = n + specials(b) + (b->part == PART_VALID);
  return rows < b->layout.max_positions ? rows : b->layout.max_positions;
}

static status list_windows(batcher *b, int64_t s) {
  const int32_t n = dataset_train_lengths(b->d)[s];
  for (int32_t w = 0; w < window_count(n, b->window, b->stride); w++) {
    int32_t begin, end;
    window_at(n, b->window, b->stride, w, &begin, &end);
    const int64_t window = b->first_window[s] + w;
    for (int64_t copy = 0; copy < b->copies; copy++) {
      const int64_t id = (b->epoch * b->copies + copy) * b->windows + window;
      example e = {.sequence = s, .id = id, .begin = begin, .end = end, .last = copy >= b->c.duplicates};
      if (e.last) {
        rng r = rng_at((uint64_t)b->c.seed, STREAM_CROP, (uint32_t)id, (uint32_t)((uint64_t)id >> 32));
        const double share =
            b->c.last_copies - (double)(copy - b->c.duplicates); // of windows that get this copy
        if (share < 1.0 && rng_unit(&r) >= share) continue;
        if (end - begin > 2 && rng_unit(&r) < b->c.crop)
          e.end = begin + 2 + (int32_t)rng_below(&r, (uint64_t)(end - begin - 1));
      }
      e.length = rows_of(b, e.end - e.begin);
      TRY(add_example(b, &e));
    }
  }
  return OK;
}

// Makes the (shuffled) list of examples of b->group; reads nothing.
static status plan_group(batcher *b) {
  b->n_examples = 0;
  b->at = 0;
  b->blocks_read = false;
  const int64_t first = b->group * GROUP, last = min64(first + GROUP, n_all_blocks(b));
  b->n_blocks = (int)(last - first);
  for (int64_t i = first; i < last; i++) {
    const int64_t block = b->block_order[i];
    b->block_ids[i - first] = block;
    for (int64_t s = block * BLOCK; s < min64((block + 1) * BLOCK, n_sequences(b)); s++) {
      if (b->part == PART_TRAIN) {
        TRY(list_windows(b, s));
        continue;
      }
      const int32_t n = dataset_train_lengths(b->d)[s];
      if (n == dataset_lengths(b->d)[s]) continue; // no validation target
      const example e = {.sequence = s, .id = s, .end = n, .length = rows_of(b, n)};
      TRY(add_example(b, &e));
    }
  }
  if (b->part == PART_VALID) return OK;
  rng r = rng_at((uint64_t)b->c.seed, STREAM_SHUFFLE, (uint32_t)b->epoch, (uint32_t)b->group);
  for (size_t i = b->n_examples; i > 1; i--) {
    const size_t k = (size_t)rng_below(&r, i);
    const example t = b->examples[i - 1];
    b->examples[i - 1] = b->examples[k];
    b->examples[k] = t;
  }
  return OK;
}

// The examples of the next batch are [b->at, return value).
static size_t batch_extent(const batcher *b) {
  int64_t tokens = 0;
  size_t i = (size_t)b->at;
  for (; i < b->n_examples && (int64_t)(i - (size_t)b->at) < b->caps.seqs; i++) {
    tokens += b->examples[i].length;
    if (tokens > b->caps.tokens) break;
  }
  return i;
}

static status start_epoch(batcher *b, int64_t epoch) {
  b->epoch = epoch;
  b->group = 0;
  b->index = 0;
  shuffle_blocks(b);
  return plan_group(b);
}

// Moves to the next batch's place; *end at the end of the epoch.
static status settle(batcher *b, bool *end) {
  *end = false;
  while ((size_t)b->at == b->n_examples) {
    if (b->group + 1 >= n_groups(b)) {
      *end = true;
      return OK;
    }
    b->group++;
    TRY(plan_group(b));
  }
  return OK;
}

static status count_batches(batcher *b, int64_t epoch, int64_t *batches) {
  TRY(start_epoch(b, epoch));
  int64_t n = 0;
  for (bool end;;) {
    TRY(settle(b, &end));
    if (end) break;
    b->at = (int64_t)batch_extent(b);
    n++;
  }
  *batches = n / b->ranks;
  return OK;
}

// ---- making a batch ------------------------------------------------------------------------------------------

static void drop_blocks(batcher *b) {
  for (int i = 0; i < GROUP; i++) {
    block_free(b->blocks[i]);
    b->blocks[i] = NULL;
  }
}

static status read_blocks(batcher *b) {
  if (b->blocks_read) return OK;
  drop_blocks(b);
  for (int i = 0; i < b->n_blocks; i++) {
    const int64_t first = b->block_ids[i] * BLOCK;
    TRY(block_read(&b->blocks[i], b->d, first, min64(BLOCK, n_sequences(b) - first)));
  }
  b->blocks_read = true;
  return OK;
}

static void find_sequence(const batcher *b, int64_t index, sequence *s) {
  int i = 0;
  while (b->block_ids[i] != index / BLOCK) i++;
  block_get(b->blocks[i], index % BLOCK, s);
}

static float label_logq(const batcher *b, int32_t token) {
  return b->logq != NULL ? b->logq[token - dataset_get_info(b->d)->range_end[RANGE_ATTRIBUTES]] : 0.0f;
}

static bool may_mask(const batcher *b, int32_t token) {
  const int32_t *end = dataset_get_info(b->d)->range_end;
  const bool item = token >= end[RANGE_ATTRIBUTES];
  return item || (b->logq == NULL && token >= end[RANGE_SPECIAL] && token < end[RANGE_WORDS]);
}

static void mask_row(const batcher *b, batch *out, int32_t row, rng *r, bool bert) {
  const int32_t token = out->ids[row];
  if (!batch_add_masked(out, row, token, 1.0f)) return; // capacity is the token count: cannot happen
  out->label_logq[out->n_masked - 1] = label_logq(b, token);
  if (b->c.mask_events) out->types[row] -= out->types[row] % b->layout.n_event_types;
  out->ids[row] = TOKEN_MASK;
  if (!bert) return;
  const double u = rng_unit(r);
  const int32_t *end = dataset_get_info(b->d)->range_end;
  if (u >= 0.9)
    out->ids[row] = token;
  else if (u >= 0.8)
    out->ids[row] =
        end[RANGE_ATTRIBUTES] + (int32_t)rng_below(r, (uint64_t)(end[RANGE_ITEMS] - end[RANGE_ATTRIBUTES]));
}

static void mask_rows(const batcher *b, batch *out, const example *e, int32_t begin, int32_t end) {
  rng r = rng_at((uint64_t)b->c.seed, STREAM_MASK, (uint32_t)e->id, (uint32_t)((uint64_t)e->id >> 32));
  int32_t last = -1, maskable = 0;
  for (int32_t row = begin; row < end; row++) {
    if (!may_mask(b, out->ids[row])) continue;
    maskable++;
    last = row;
  }
  if (maskable == 0) return;
  if (e->last) {
    mask_row(b, out, last, &r, false);
    return;
  }
  const int32_t forced = (int32_t)rng_below(&r, (uint64_t)maskable), before = out->n_masked;
  const bool bert = b->c.mask_style == MASK_BERT;
  for (int32_t row = begin; row < end; row++)
    if (may_mask(b, out->ids[row]) && rng_unit(&r) < b->c.mask_probability) mask_row(b, out, row, &r, bert);
  if (out->n_masked > before) return;
  int32_t seen = 0; // at least one
  for (int32_t row = begin; row < end; row++)
    if (may_mask(b, out->ids[row]) && seen++ == forced) {
      mask_row(b, out, row, &r, bert);
      return;
    }
}

// Splits a window at a session border into the pair (a, b); half of the time b is a session of another user of the
// group, cut to the length of the true one. False when the window has no border.
static bool make_pair(const batcher *b, const example *e, const sequence *s, batch_input *a,
                      batch_input *second, int32_t *label) {
  int32_t borders = 0;
  for (int32_t i = e->begin + 1; i < e->end; i++) borders += s->sessions[i] != s->sessions[i - 1];
  if (borders == 0) return false;
  rng r = rng_at((uint64_t)b->c.seed, STREAM_CROP, (uint32_t)e->id,
                 (uint32_t)((uint64_t)e->id >> 32) ^ 0x80000000u);
  int32_t wanted = (int32_t)rng_below(&r, (uint64_t)borders), cut = e->begin + 1;
  for (;; cut++)
    if (s->sessions[cut] != s->sessions[cut - 1] && wanted-- == 0) break;
  *a = (batch_input){s->tokens + e->begin, s->events + e->begin, cut - e->begin};
  *second = (batch_input){s->tokens + cut, s->events + cut, e->end - cut};
  *label = 0;
  if (rng_unit(&r) < 0.5) return true;
  for (int tries = 0; tries < 16; tries++) {
    const example *o = &b->examples[rng_below(&r, b->n_examples)];
    if (o->sequence == e->sequence) continue;
    sequence other;
    find_sequence(b, o->sequence, &other);
    int32_t from = o->begin + (int32_t)rng_below(&r, (uint64_t)(o->end - o->begin));
    while (from > o->begin && other.sessions[from] == other.sessions[from - 1]) from--;
    const int32_t n = o->end - from < second->n ? o->end - from : second->n;
    *second = (batch_input){other.tokens + from, other.events + from, n};
    *label = 1;
    break;
  }
  return true;
}

static status add_to_batch(batcher *b, batch *out, const example *e) {
  sequence s;
  find_sequence(b, e->sequence, &s);
  batch_input a = {s.tokens + e->begin, s.events + e->begin, e->end - e->begin}, second;
  if (b->part == PART_VALID) {
    if (!batch_add_query(out, &b->layout, &a, e->id, s.tokens[s.valid_from]))
      return fail(ERR_INTERNAL, "a query does not fit its batch");
    return OK;
  }
  int32_t label = -1;
  const bool pair = b->c.next_session && make_pair(b, e, &s, &a, &second, &label);
  const int32_t begin = out->tokens;
  if (!batch_add(out, &b->layout, &a, pair ? &second : NULL, e->id, NULL, NULL))
    return fail(ERR_INTERNAL, "an example of %d rows does not fit its batch", e->length);
  out->cls_labels[out->seqs - 1] = label;
  out->cls_count += label >= 0;
  mask_rows(b, out, e, begin, out->tokens);
  return OK;
}

static void draw_negatives(const batcher *b, batch *out) {
  const int32_t base = dataset_get_info(b->d)->range_end[RANGE_ATTRIBUTES];
  const uint64_t items = (uint64_t)(dataset_get_info(b->d)->range_end[RANGE_ITEMS] - base);
  rng r = rng_at((uint64_t)b->c.seed, STREAM_NEGATIVE, (uint32_t)b->index, (uint32_t)b->epoch);
  out->n_negatives = b->caps.negatives;
  for (int32_t i = 0; i < out->n_negatives; i++) {
    int32_t item = (int32_t)rng_below(&r, items);
    if (b->alias != NULL && rng_unit(&r) >= b->alias[item].keep) item = b->alias[item].other;
    out->negatives[i] = base + item;
    out->negative_logq[i] = b->logq[item];
  }
}

// The next batch of this rank; *end at the end of a validation pass.
static status make_batch(batcher *b, batch *out, bool *end) {
  for (;;) {
    TRY(settle(b, end));
    if (*end) {
      if (b->part == PART_VALID) return start_epoch(b, 0);
      if (b->index == 0) return fail(ERR_FORMAT, "%s has no training windows", dataset_dir(b->d));
      TRY(start_epoch(b, b->epoch + 1));
      continue;
    }
    const size_t stop = batch_extent(b);
    const bool mine = b->index % b->ranks == b->rank;
    if (mine) {
      TRY(read_blocks(b));
      batch_clear(out);
      for (size_t i = (size_t)b->at; i < stop; i++) TRY(add_to_batch(b, out, &b->examples[i]));
      if (b->caps.negatives > 0) draw_negatives(b, out);
      batch_finish(out);
      out->epoch = b->epoch;
      out->index = b->index / b->ranks;
    }
    b->at = (int64_t)stop;
    b->index++;
    if (mine) return OK;
  }
}

// ---- thread --------------------------------------------------------------------------------------------------

static void *work(void *arg) {
  batcher *b = arg;
  pthread_mutex_lock(&b->lock);
  while (!b->stop && b->rc == OK) {
    if (b->made - b->taken >= 2) { // one in the caller's hands, one ready
      pthread_cond_wait(&b->changed, &b->lock);
      continue;
    }
    const int slot = (int)(b->made % 2);
    pthread_mutex_unlock(&b->lock);
    bool end = false;
    const status rc = make_batch(b, b->slots[slot], &end);
    pthread_mutex_lock(&b->lock);
    b->end[slot] = end;
    if (rc == OK)
      b->made++;
    else {
      b->rc = rc;
      strncpy(b->message, fail_message(), sizeof b->message - 1);
    }
    pthread_cond_broadcast(&b->changed);
  }
  pthread_mutex_unlock(&b->lock);
  return NULL;
}

static status start_thread(batcher *b) {
  if (b->started) return OK;
  if (pthread_create(&b->thread, NULL, work, b) != 0)
    return fail(ERR_MEMORY, "cannot start the batcher's thread");
  b->started = true;
  return OK;
}

status batcher_next(batcher *b, const batch **out) {
  *out = NULL;
  pthread_mutex_lock(&b->lock);
  if (b->started) b->taken++; // gives back the one taken before
  pthread_mutex_unlock(&b->lock);
  const bool first = !b->started;
  TRY(start_thread(b));
  if (first) b->taken = 0;
  pthread_mutex_lock(&b->lock);
  pthread_cond_broadcast(&b->changed);
  while (b->made == b->taken && b->rc == OK) pthread_cond_wait(&b->changed, &b->lock);
  const bool ready = b->made > b->taken;
  const int slot = (int)(b->taken % 2);
  const status rc = ready ? OK : fail(b->rc, "%s", b->message);
  if (ready && !b->end[slot]) *out = b->slots[slot];
  pthread_mutex_unlock(&b->lock);
  return rc;
}

// ---- life ----------------------------------------------------------------------------------------------------

// Vose's alias table of count^alpha (at least half a count each), and log expected counts.
static status make_sampler(batcher *b) {
  const vocab *v = dataset_vocab(b->d);
  const int32_t base = vocab_begin(v, RANGE_ITEMS), n = vocab_end(v, RANGE_ITEMS) - base;
  if (n < 1) return fail(ERR_ARGUMENT, "data.negatives needs items in the vocabulary");
  TRY(mem_new(&b->logq, (size_t)n, sizeof *b->logq, "sampling probabilities"));
  const double S = (double)b->c.negatives;
  if (b->c.negative_kind == NEGATIVES_UNIFORM) {
    for (int32_t i = 0; i < n; i++) b->logq[i] = (float)log(S / n);
    return OK;
  }
  TRY(mem_new(&b->alias, (size_t)n, sizeof *b->alias, "the alias table"));
  double *p;
  int32_t *stack;
  TRY(mem_new(&p, (size_t)n, sizeof *p, "the alias table"));
  const status rc = mem_new(&stack, (size_t)n, sizeof *stack, "the alias table");
  if (rc != OK) {
    free(p);
    return rc;
  }
  double sum = 0;
  for (int32_t i = 0; i < n; i++) {
    const double count = (double)vocab_token_count(v, base + i);
    p[i] = pow(count > 0.5 ? count : 0.5, b->c.negative_alpha);
    sum += p[i];
  }
  int32_t small = 0, large = n; // two stacks in one array: small from the front, large from the back
  for (int32_t i = 0; i < n; i++) {
    b->logq[i] = (float)log(S * p[i] / sum);
    p[i] *= n / sum;
    if (p[i] < 1.0)
      stack[small++] = i;
    else
      stack[--large] = i;
  }
  while (small > 0 && large < n) {
    const int32_t s = stack[--small], l = stack[large];
    b->alias[s] = (alias_slot){(float)p[s], l};
    p[l] -= 1.0 - p[s];
    if (p[l] < 1.0) {
      large++;
      stack[small++] = l;
    }
  }
  while (large < n) b->alias[stack[large]] = (alias_slot){1.0f, stack[large]}, large++;
  while (small > 0) small--, b->alias[stack[small]] = (alias_slot){1.0f, stack[small]};
  free(p);
  free(stack);
  return OK;
}

static status check_config(batcher *b) {
  const data_config *c = &b->c;
  if (b->window < 1 || b->stride < 1 || b->stride > b->window)
    return fail(ERR_ARGUMENT, "data.stride = %d must be between 1 and data.window = %d", b->stride,
                b->window);
  if (c->duplicates == 0 && !(c->last_copies > 0))
    return fail(ERR_ARGUMENT, "data.duplicates and data.last_copies are both 0: nothing to train on");
  if (c->next_session && !b->layout.cls_sep)
    return fail(ERR_ARGUMENT, "data.next_session needs model.cls_sep = true");
  if (c->batch_tokens < b->layout.max_positions && c->batch_tokens < b->window + specials(b) + 1)
    return fail(ERR_ARGUMENT, "data.batch_tokens = %lld is smaller than one sequence",
                (long long)c->batch_tokens);
  if (n_sequences(b) == 0) return fail(ERR_ARGUMENT, "%s holds no sequences", dataset_dir(b->d));
  return OK;
}

status batcher_open(batcher **out, dataset *d, const data_config *config, const seq_layout *layout,
                    data_part part, int32_t rank, int32_t ranks) {
  *out = NULL;
  batcher *b;
  TRY(mem_new(&b, 1, sizeof *b, "the batcher"));
  pthread_mutex_init(&b->lock, NULL);
  pthread_cond_init(&b->changed, NULL);
  b->d = d;
  b->c = *config;
  b->layout = *layout;
  b->part = part;
  b->rank = rank;
  b->ranks = ranks;
  const dataset_info *info = dataset_get_info(d);
  b->window = (int32_t)(config->window > 0 ? config->window : info->window);
  b->stride = (int32_t)(config->stride > 0   ? config->stride
                        : config->window > 0 ? (config->window + 1) / 2
                                             : info->stride);
  status rc;
  TRY_GOTO(check_config(b), bad);
  const int64_t tokens =
      config->batch_tokens > layout->max_positions ? config->batch_tokens : layout->max_positions;
  b->caps.tokens = (int32_t)tokens;
  b->caps.seqs = (int32_t)(config->batch_sequences > 0 ? min64(config->batch_sequences, tokens) : tokens);
  b->caps.masked = part == PART_VALID || config->duplicates == 0 ? b->caps.seqs : b->caps.tokens;
  b->caps.negatives = part == PART_TRAIN ? (int32_t)config->negatives : 0;
  b->copies = config->duplicates + (int64_t)ceil(config->last_copies);
  TRY_GOTO(mem_new(&b->first_window, (size_t)n_sequences(b), sizeof *b->first_window, "the window index"),
           bad);
  for (int64_t s = 0; s < n_sequences(b); s++) {
    b->first_window[s] = b->windows;
    b->windows += window_count(dataset_train_lengths(d)[s], b->window, b->stride);
  }
  TRY_GOTO(mem_new(&b->block_order, (size_t)n_all_blocks(b), sizeof *b->block_order, "the order of blocks"),
           bad);
  if (b->caps.negatives > 0) TRY_GOTO(make_sampler(b), bad);
  TRY_GOTO(batch_new(&b->slots[0], b->caps), bad);
  TRY_GOTO(batch_new(&b->slots[1], b->caps), bad);
  TRY_GOTO(start_epoch(b, 0), bad);
  *out = b;
  return OK;
bad:
  batcher_close(b);
  return rc;
}

void batcher_close(batcher *b) {
  if (b == NULL) return;
  if (b->started) {
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
  }
  pthread_mutex_destroy(&b->lock);
  pthread_cond_destroy(&b->changed);
  drop_blocks(b);
  batch_free(b->slots[0]);
  batch_free(b->slots[1]);
  free(b->first_window);
  free(b->alias);
  free(b->logq);
  free(b->examples);
  free(b->block_order);
  free(b);
}

batch_caps batcher_caps(const batcher *b) {
  return b->caps;
}

status batcher_epoch_batches(batcher *b, int64_t epoch, int64_t *batches) {
  if (b->started) return fail(ERR_INTERNAL, "batches are counted before the first is taken");
  TRY(count_batches(b, epoch, batches));
  return start_epoch(b, 0);
}

status batcher_seek(batcher *b, int64_t epoch, int64_t index) {
  if (b->started) return fail(ERR_INTERNAL, "a batcher seeks before its first batch");
  TRY(start_epoch(b, epoch));
  while (b->index < index * b->ranks) {
    bool end;
    TRY(settle(b, &end));
    if (end) return fail(ERR_ARGUMENT, "epoch %lld has no batch %lld", (long long)epoch, (long long)index);
    b->at = (int64_t)batch_extent(b);
    b->index++;
  }
  return OK;
}
