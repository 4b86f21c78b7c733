// From a data set to masked, packed batches; see batcher.h for what an epoch is.
//
// An epoch permutes the blocks of its source (batch_source.h) and takes them a group at a time. The
// examples of a group are shuffled together, so memory holds one group. Which example goes into which batch
// depends on lengths only, and lengths are in the index: counting batches or seeking reads no tokens.
//
// One thread makes batches one ahead of the caller: the two batches change hands under a mutex.
#include "data/batcher.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "hdf5/hdf5_glue.h"
#include "base/philox.h"
#include "data/copy_rows.h"
#include "data/data_mix.h"
#include "data/hard_negatives.h"
#include "data/sources/batch_source.h"

#define FIELD(name) offsetof(data_config, name)
const option data_options[] = {
    {"dir", OPT_STRING, FIELD(dir), "", 0, 0, "DIR", "a prepared data set"},
    {"window", OPT_INT, FIELD(window), "0", 0, 32768, NULL,
     "length of training windows; 0: the data set's, or what the model has room for"},
    {"stride", OPT_INT, FIELD(stride), "0", 0, 32768, NULL,
     "distance of training windows; 0: in proportion to the window"},
    {"batch_tokens", OPT_INT, FIELD(batch_tokens), "4096", 16, 1 << 24, NULL,
     "token budget of a micro-batch"},
    {"batch_sequences", OPT_INT, FIELD(batch_sequences), "0", 0, 1 << 24, NULL,
     "sequences at most; 0: as many as fit"},
    {"mask_probability", OPT_FLOAT, FIELD(mask_probability), "0.2", 0, 1, NULL,
     "share of the items that are masked"},
    {"mask_spans", OPT_FLOAT, FIELD(mask_spans), "1", 1, 1000, NULL,
     "mean length of the runs of items that are masked as one, of geometric length; 1: each item by itself"},
    {"mask_popularity", OPT_FLOAT, FIELD(mask_popularity), "0", -2, 2, NULL,
     "items are masked in proportion to count^this: above 0 frequent ones more often, below 0 rare ones"},
    {"mask_style", OPT_CHOICE, FIELD(mask_style), "always", 0, 0, "always|bert",
     "always [MASK], or 80/10/10 as in BERT"},
    {"mask_events", OPT_BOOL, FIELD(mask_events), "true", 0, 0, NULL,
     "hide the event type of masked positions"},
    {"last_copies", OPT_FLOAT, FIELD(last_copies), "1", 0, 1000, NULL,
     "copies of a window with only the last item masked"},
    {"dupe_factor", OPT_INT, FIELD(dupe_factor), "1", 0, 1000, NULL,
     "copies of a window with random masks, in each epoch"},
    {"duplicates", OPT_ALIAS, 0, "dupe_factor", 0, 0, NULL, "old name of dupe_factor"},
    {"crop", OPT_FLOAT, FIELD(crop), "0", 0, 1, NULL, "share of last copies cut to a random prefix"},
    {"next_session", OPT_BOOL, FIELD(next_session), "false", 0, 0, NULL,
     "pairs of sessions for the next-sentence head"},
    {"negatives", OPT_INT, FIELD(negatives), "0", 0, 1 << 20, NULL,
     "shared negatives of the sampled loss; 0: full softmax"},
    {"negative_kind", OPT_CHOICE, FIELD(negative_kind), "uniform", 0, 0,
     "uniform|popularity|log_uniform|in_batch",
     "how negatives are drawn; log_uniform: by rank of popularity; in_batch: labels of the batch's rows"},
    {"negative_alpha", OPT_FLOAT, FIELD(negative_alpha), "1", 0, 2, NULL, "exponent of popularity"},
    {"negative_mix", OPT_FLOAT, FIELD(negative_mix), "0", 0, 1, NULL,
     "mixed negatives: this share of them is drawn uniformly, the others by negative_kind"},
    {"hard_negatives", OPT_INT, FIELD(hard_negatives), "0", 0, 1 << 20, NULL,
     "so many of the negatives are items that the model of train.init ranks highest for the batch's "
     "histories, and "
     "that are not in them"},
    {"hard_margin", OPT_FLOAT, FIELD(hard_margin), "2", -1e6, 1e6, NULL,
     "an item whose score is above that of the right answer by more than this is taken for one that is "
     "liked, and is "
     "no hard negative"},
    {"hard_every", OPT_INT, FIELD(hard_every), "0", 0, 1e12, NULL,
     "steps after which the hard negatives are ranked anew, by the model as it is by then; 0: they stay "
     "those of "
     "train.init"},
    {"next_rows", OPT_CHOICE, FIELD(next_rows), "all", 0, 0, "all|last",
     "next_item: all items of a window are predicted, or the last alone"},
    {"negative_logq", OPT_CHOICE, FIELD(negative_logq), "standard", 0, 0, "standard|corrected|none",
     "what the sampled softmax corrects scores by: the log of expected counts, the label's too; all but the "
     "label's (arXiv 2507.09331); nothing"},
    {"mix", OPT_STRING, FIELD(mix), DATA_MIX, 0, 0, NULL,
     "what an epoch has, by numbers of examples: histories 1, texts 0.3, pairs 0.2 has 0.3 texts of items "
     "and 0.2 pairs of a history and the text of the next item for each example of histories; item_pairs 1 "
     "has one pair of a history and the next item itself"},
    {"text_tokens", OPT_INT, FIELD(text_tokens), "0", 0, 32768, NULL,
     "tokens of an item's text in an example, at most; 0: as many as fit, in a pair half of them"},
    {"pair_false", OPT_FLOAT, FIELD(pair_false), "0", 0, 1, NULL,
     "share of the pairs that show another item, for the objective next_session"},
    {"copy_tokens", OPT_INT, FIELD(copy_tokens), "0", 0, COPY_LONGEST, NULL,
     "copy: tokens of the longest, with its end; longer ones are cut; 0: of the data set's longest"},
    {"seed", OPT_INT, FIELD(seed), "1", 0, 9e15, NULL, "seed of masks, order and negatives"},
    {"final", OPT_BOOL, FIELD(trains.final), "false", 0, 0, NULL,
     "final training: on everything before the test part, the validation part too, once all else is chosen"},
    {"final_users", OPT_INT, FIELD(trains.final_users), "0", 0, 1e12, NULL,
     "users whose validation part a final training leaves out, to validate with; 0: none, no validation"},
};
const size_t n_data_options = sizeof data_options / sizeof *data_options;

struct batcher {
  dataset *d;
  batch_source *source;
  int64_t seed;
  data_part part;
  int32_t rank, ranks;
  // the group at hand
  int64_t epoch, group, index; // index: of the next batch of this epoch, over all ranks
  int64_t epoch_batches; // of all ranks together, the same number for each; INT64_MAX: as many as there are
  size_t at;             // first example of the next batch
  int64_t before;        // examples of the epoch's groups before this one
  example_list examples;
  int64_t *block_order; // [blocks]
  bool blocks_read;
  // hand-over
  batch *slots[2];
  bool end[2]; // the slot stands for the end of a validation pass
  pthread_t thread;
  pthread_mutex_t lock; // taken before a reader's and HDF5's, and let go while a batch is made
  pthread_cond_t changed;
  int64_t made, taken; // batches
  bool started, stop;
  failure failed; // what ended the thread
};

status examples_add(example_list *l, const example *e) {
  TRY(mem_grow(&l->items, &l->cap, l->n + 1, sizeof *e, "examples"));
  l->items[l->n++] = *e;
  return OK;
}

// ---- order ---------------------------------------------------------------------------------------------------

static bool mix_changed(const data_config *before, const data_config *now) {
  data_mix a, b;
  return data_mix_parse(&a, before->mix, "data.mix") != OK ||
         data_mix_parse(&b, now->mix, "data.mix") != OK || !data_mix_same(&a, &b);
}

static status open_source(batcher *b, const data_config *c, const seq_layout *layout) {
  data_mix mix;
  if (layout->writes) return copy_source_open(&b->source, b->d, c, layout, b->part);
  if (dataset_labelled(b->d) != NULL) return labelled_source_open(&b->source, b->d, c, layout, b->part);
  if (dataset_premasked(b->d) != NULL) return nvidia_source_open(&b->source, b->d, c, layout, b->part);
  TRY(data_mix_parse(&mix, c->mix, "data.mix"));
  if (data_mix_is_plain(&mix) || b->part == PART_VALID)
    return history_source_open(&b->source, b->d, c, layout, b->part);
  return mix_source_open(&b->source, b->d, c, layout, &mix);
}

const char *data_order_changed(const data_config *before, const data_config *now, bool made_elsewhere) {
  const struct {
    const char *name;
    bool changed;
  } deciding[] = {{"data.seed", before->seed != now->seed},
                  {"data.window", !made_elsewhere && before->window != now->window},
                  {"data.stride", !made_elsewhere && before->stride != now->stride},
                  {"data.dupe_factor", !made_elsewhere && before->dupe_factor != now->dupe_factor},
                  {"data.last_copies", !made_elsewhere && before->last_copies != now->last_copies},
                  {"copy.feedback", before->copy.feedback != now->copy.feedback},
                  {"data.mix", !made_elsewhere && mix_changed(before, now)}};
  for (size_t i = 0; i < sizeof deciding / sizeof *deciding; i++)
    if (deciding[i].changed) return deciding[i].name;
  return NULL;
}

// ---- plan of an epoch ----------------------------------------------------------------------------------------

static int64_t n_groups(const batcher *b) {
  return (b->source->blocks + b->source->group - 1) / b->source->group;
}

// The blocks of the group at hand; returns how many.
static int group_blocks(const batcher *b, const int64_t **blocks) {
  const int64_t first = b->group * b->source->group, left = b->source->blocks - first;
  *blocks = b->block_order + first;
  return left < b->source->group ? (int)left : b->source->group;
}

static void shuffle_blocks(batcher *b) {
  const int64_t n = b->source->blocks;
  for (int64_t i = 0; i < n; i++) b->block_order[i] = i;
  if (b->part == PART_VALID) return;
  rng r = rng_at((uint64_t)b->seed, STREAM_SHUFFLE, (uint32_t)b->epoch, 0xFFFFFFFFu);
  for (int64_t i = n - 1; i > 0; i--) {
    const int64_t k = (int64_t)rng_below(&r, (uint64_t)i + 1);
    const int64_t t = b->block_order[i];
    b->block_order[i] = b->block_order[k];
    b->block_order[k] = t;
  }
}

// Makes the (shuffled) list of examples of b->group; reads nothing.
static status plan_group(batcher *b) {
  b->examples.n = 0;
  b->at = 0;
  b->blocks_read = false;
  const int64_t *blocks;
  const int n = group_blocks(b, &blocks);
  for (int i = 0; i < n; i++) TRY(b->source->calls->list(b->source, b->epoch, blocks[i], &b->examples));
  if (b->part == PART_VALID) return OK;
  rng r = rng_at((uint64_t)b->seed, STREAM_SHUFFLE, (uint32_t)b->epoch, (uint32_t)b->group);
  for (size_t i = b->examples.n; i > 1; i--) {
    const size_t k = (size_t)rng_below(&r, i);
    const example t = b->examples.items[i - 1];
    b->examples.items[i - 1] = b->examples.items[k];
    b->examples.items[k] = t;
  }
  return OK;
}

// The examples of the next batch are [b->at, return value).
static size_t batch_extent(const batcher *b) {
  const batch_caps caps = b->source->caps;
  const int32_t max_work = batch_max_work(caps), most_masked = b->source->most_masked;
  int64_t tokens = 0, work = 0, masked = 0;
  size_t i = b->at;
  for (; i < b->examples.n && i - b->at < (size_t)caps.seqs; i++) {
    const int32_t length = b->examples.items[i].length;
    tokens += length;
    work += batch_work(length);
    masked += b->examples.items[i].task == WRITE_COPY ? b->examples.items[i].end
              : length < most_masked                  ? length
                                                      : most_masked;
    if (tokens > caps.tokens || work > max_work || masked > caps.masked) break;
  }
  return i;
}

static status start_plan(batcher *b, int64_t epoch) {
  b->epoch = epoch;
  b->group = 0;
  b->index = 0;
  b->before = 0;
  b->epoch_batches = INT64_MAX;
  shuffle_blocks(b);
  return plan_group(b);
}

static status next_group(batcher *b) {
  b->before += (int64_t)b->examples.n;
  b->group++;
  return plan_group(b);
}

// Moves to the next batch's place; *end at the end of the epoch.
static status next_place(batcher *b, bool *end) {
  *end = b->index >= b->epoch_batches;
  while (!*end && b->at == b->examples.n) {
    if (b->group + 1 >= n_groups(b)) {
      *end = true;
      return OK;
    }
    TRY(next_group(b));
  }
  return OK;
}

// Stands at a place, whatever ranks there are.
static status go_to(batcher *b, const data_place *to) {
  TRY(start_plan(b, to->epoch));
  while (to->example - b->before > (int64_t)b->examples.n) {
    if (b->group + 1 >= n_groups(b))
      return fail(ERR_ARGUMENT, "epoch %lld has no example %lld", (long long)to->epoch,
                  (long long)to->example);
    TRY(next_group(b));
  }
  b->at = (size_t)(to->example - b->before);
  b->index = to->index * b->ranks;
  return OK;
}

// Batches that a rank has from a place to the end of its epoch. What is left when they are dealt is nobody's, so that ranks
// go on to the next epoch at the same step.
static status count_batches(batcher *b, const data_place *from, int64_t *batches) {
  TRY(go_to(b, from));
  int64_t n = 0;
  for (bool end;;) {
    TRY(next_place(b, &end));
    if (end) break;
    b->at = batch_extent(b);
    n++;
  }
  *batches = n / b->ranks;
  return OK;
}

static status start_at(batcher *b, const data_place *place) {
  int64_t each;
  if (b->ranks == 1 || b->part == PART_VALID) return go_to(b, place);
  TRY(count_batches(b, place, &each));
  if (each == 0 && place->example == 0)
    return fail(ERR_ARGUMENT,
                "%s has fewer batches in an epoch than there are ranks (%d); lower data.batch_tokens",
                dataset_dir(b->d), b->ranks);
  TRY(go_to(b, place));
  b->epoch_batches = b->index + each * b->ranks;
  return OK;
}

static status start_epoch(batcher *b, int64_t epoch) {
  return start_at(b, &(data_place){.epoch = epoch});
}

// Validation is not shuffled: its batches are always the same, so capacities are what the largest have.
static status measure_batches(batcher *b) {
  batch_caps *caps = &b->source->caps, most = {.tokens = 1, .seqs = 1, .work = 1};
  TRY(start_plan(b, 0));
  for (bool end;;) {
    TRY(next_place(b, &end));
    if (end) break;
    const size_t stop = batch_extent(b);
    batch_caps now = {.seqs = (int32_t)(stop - b->at)};
    for (; b->at < stop; b->at++) {
      now.tokens += b->examples.items[b->at].length;
      now.work += batch_work(b->examples.items[b->at].length);
    }
    if (now.tokens > most.tokens) most.tokens = now.tokens;
    if (now.seqs > most.seqs) most.seqs = now.seqs;
    if (now.work > most.work) most.work = now.work;
  }
  most.masked = most.seqs;
  *caps = most;
  return OK;
}

// ---- making a batch ------------------------------------------------------------------------------------------

static status read_group(batcher *b) {
  if (b->blocks_read) return OK;
  const int64_t *blocks;
  const int n = group_blocks(b, &blocks);
  TRY(b->source->calls->read(b->source, blocks, n));
  b->blocks_read = true;
  return OK;
}

static status fill(batcher *b, batch *out, size_t stop) {
  const source_calls *calls = b->source->calls;
  TRY(read_group(b));
  batch_clear(out);
  for (size_t i = b->at; i < stop; i++) TRY(calls->add(b->source, out, &b->examples.items[i], &b->examples));
  if (calls->complete != NULL) calls->complete(b->source, out, b->epoch, b->index);
  batch_finish(out);
  out->epoch = b->epoch;
  out->index = b->index / b->ranks;
  out->examples = b->before + (int64_t)stop;
  return OK;
}

// The next batch of this rank; *end at the end of a validation pass.
static status make_batch(batcher *b, batch *out, bool *end) {
  for (;;) {
    TRY(next_place(b, end));
    if (*end) {
      if (b->part == PART_VALID) return start_epoch(b, 0);
      if (b->index == 0) return fail(ERR_FORMAT, "%s has no training windows", dataset_dir(b->d));
      TRY(start_epoch(b, b->epoch + 1));
      continue;
    }
    const size_t stop = batch_extent(b);
    const bool mine = b->index % b->ranks == b->rank;
    if (mine) TRY(fill(b, out, stop));
    b->at = stop;
    b->index++;
    if (mine) return OK;
  }
}

// ---- thread --------------------------------------------------------------------------------------------------

static void *work(void *arg) {
  batcher *b = arg;
  pthread_mutex_lock(&b->lock);
  while (!b->stop && b->failed.rc == OK) {
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
    else
      failure_keep(&b->failed, rc);
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
  TRY(h5_check_unlocked("batcher_next"));
  pthread_mutex_lock(&b->lock);
  if (b->started) b->taken++; // gives back the one taken before
  pthread_mutex_unlock(&b->lock);
  TRY(start_thread(b));
  pthread_mutex_lock(&b->lock);
  pthread_cond_broadcast(&b->changed);
  while (b->made == b->taken && b->failed.rc == OK) pthread_cond_wait(&b->changed, &b->lock);
  const bool ready = b->made > b->taken;
  const int slot = (int)(b->taken % 2);
  const status rc = ready ? OK : failure_raise(&b->failed);
  if (ready && !b->end[slot]) *out = b->slots[slot];
  pthread_mutex_unlock(&b->lock);
  return rc;
}

// ---- life ----------------------------------------------------------------------------------------------------

status batcher_open(batcher **out, dataset *d, const data_config *config, const seq_layout *layout,
                    data_part part, int32_t rank, int32_t ranks) {
  *out = NULL;
  batcher *b;
  TRY(mem_new(&b, 1, sizeof *b, "the batcher"));
  pthread_mutex_init(&b->lock, NULL);
  pthread_cond_init(&b->changed, NULL);
  b->d = d;
  b->seed = config->seed;
  b->part = part;
  b->rank = rank;
  b->ranks = ranks;
  status rc;
  TRY_GOTO(open_source(b, config, layout), bad);
  TRY_GOTO(mem_new(&b->block_order, (size_t)b->source->blocks, sizeof *b->block_order, "the order of blocks"),
           bad);
  if (part == PART_VALID) TRY_GOTO(measure_batches(b), bad);
  TRY_GOTO(batch_new(&b->slots[0], b->source->caps), bad);
  TRY_GOTO(batch_new(&b->slots[1], b->source->caps), bad);
  TRY_GOTO(start_epoch(b, 0), bad);
  *out = b;
  return OK;
bad:
  batcher_close(b);
  return rc;
}

static void stop_thread(batcher *b) {
  if (!b->started) return;
  pthread_mutex_lock(&b->lock);
  b->stop = true;
  pthread_cond_broadcast(&b->changed);
  pthread_mutex_unlock(&b->lock);
  pthread_join(b->thread, NULL);
  b->started = b->stop = false;
}

void batcher_close(batcher *b) {
  if (b == NULL) return;
  stop_thread(b);
  pthread_mutex_destroy(&b->lock);
  pthread_cond_destroy(&b->changed);
  batch_free(b->slots[0]);
  batch_free(b->slots[1]);
  if (b->source != NULL) b->source->calls->close(b->source);
  free(b->examples.items);
  free(b->block_order);
  free(b);
}

batcher_memory batcher_get_memory(const batcher *b) {
  batcher_memory m = {.batches = (double)(sizeof b->slots / sizeof *b->slots) *
                                 (double)batch_bytes(b->source->caps)};
  b->source->calls->memory(b->source, &m);
  m.example_bytes = m.examples * sizeof *b->examples.items;
  return m;
}

batch_caps batcher_caps(const batcher *b) {
  return b->source->caps;
}

status batcher_get_coverage(batcher *b, batcher_coverage *out) {
  return b->source->calls->cover(b->source, out);
}

status batcher_epoch_batches(batcher *b, int64_t epoch, int64_t *batches) {
  if (b->started) return fail(ERR_INTERNAL, "batches must be counted before the first one is read");
  TRY(count_batches(b, &(data_place){.epoch = epoch}, batches));
  return start_epoch(b, 0);
}

static status check_not_started(const batcher *b) {
  return b->started ? fail(ERR_INTERNAL, "a batcher can only seek before its first batch") : OK;
}

status batcher_seek(batcher *b, const data_place *place) {
  TRY(check_not_started(b));
  return start_at(b, place);
}

status batcher_renew_hard_negatives(batcher *b, hard_negatives *h, const data_place *place) {
  stop_thread(b);
  b->made = b->taken = 0;
  dataset_set_hard_negatives(b->d, h);
  TRY(failure_raise(&b->failed));
  if (b->source->calls->renew != NULL) TRY(b->source->calls->renew(b->source));
  return start_at(b, place);
}

status batcher_find_batch(batcher *b, int64_t epoch, int64_t index, data_place *place) {
  TRY(check_not_started(b));
  TRY(start_epoch(b, epoch));
  while (b->index < index * b->ranks) {
    bool end;
    TRY(next_place(b, &end));
    if (end) return fail(ERR_ARGUMENT, "epoch %lld has no batch %lld", (long long)epoch, (long long)index);
    b->at = batch_extent(b);
    b->index++;
  }
  *place = (data_place){.epoch = epoch, .example = b->before + (int64_t)b->at, .index = index};
  return OK;
}
