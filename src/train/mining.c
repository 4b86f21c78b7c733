// Mining hard negatives; see mining.h.
#include "train/mining.h"

#include <cblas.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/user_context.h"
#include "eval/evaluation.h"
#include "model/checkpoint_find.h"
#include "model/objectives/item_head.h"

// Sequences that are read at once; items of a list; bytes of scores at a time.
enum { BLOCK = 1024, EACH = 32, SCORES = 64 << 20 };

typedef struct miner {
  const data_config *c;
  dataset *d;
  model *m;
  training_part trains;
  const user_context *context; // NULL: none
  seq_layout layout;
  hard_negatives *lists;
  int32_t first, items, W;
  float *v;      // [items,W]
  int32_t rows;  // mining_rows
  float *u;      // [rows,W]
  float *scores; // [rows,items]
  int64_t *of;   // [rows] the sequences of a batch
  batch *b;
  int32_t *tokens;        // [max_positions]
  uint8_t *events, *seen; // [max_positions], [items]
} miner;

int32_t mining_rows(int32_t items) {
  const int64_t fit = SCORES / (int64_t)sizeof(float) / (items > 0 ? items : 1);
  return fit < 1 ? 1 : fit > BLOCK ? BLOCK : (int32_t)fit;
}

double mining_list_bytes(int64_t histories) {
  return (double)histories * EACH * sizeof(int32_t);
}

double mining_pass_bytes(int32_t items, int32_t hidden) {
  const double n = mining_rows(items), W = hidden + 1.0;
  return sizeof(float) * ((items + n) * W + n * items) + items;
}

static status miner_open(miner *x) {
  const model_config *c = model_get_config(x->m);
  const vocab *v = dataset_vocab(x->d);
  const size_t P = (size_t)c->max_positions;
  x->layout = model_layout(c);
  x->first = vocab_begin(v, RANGE_ITEMS);
  x->items = vocab_end(v, RANGE_ITEMS) - x->first;
  x->W = (int32_t)c->hidden + 1;
  const size_t n = (size_t)x->items, W = (size_t)x->W;
  TRY(training_part_make(&x->trains, x->d, &x->c->trains));
  TRY(dataset_user_context(x->d, &x->context));
  TRY(batch_new(&x->b, model_get_run(x->m)->caps));
  TRY(mem_new(&x->v, n * W, sizeof *x->v, "item vectors"));
  x->rows = mining_rows(x->items);
  const size_t most = (size_t)x->rows;
  TRY(mem_new(&x->u, most * W, sizeof *x->u, "user vectors"));
  TRY(mem_new(&x->scores, most * n, sizeof *x->scores, "scores of items"));
  TRY(mem_new(&x->of, most, sizeof *x->of, "a batch of histories"));
  TRY(mem_new(&x->tokens, P, sizeof *x->tokens, "a history"));
  TRY(mem_new(&x->events, P, sizeof *x->events, "a history"));
  TRY(mem_new(&x->seen, n, 1, "the items of a history"));
  TRY(hard_negatives_new(&x->lists, dataset_get_info(x->d)->sequences, EACH));
  return model_item_vectors(x->m, x->first - c->class_base, x->items, x->v);
}

static void miner_close(miner *x) {
  training_part_free(&x->trains);
  batch_free(x->b);
  free(x->v);
  free(x->u);
  free(x->scores);
  free(x->of);
  free(x->tokens);
  free(x->events);
  free(x->seen);
  hard_negatives_free(x->lists);
}

// Puts an item into a list that falls by score, if it is among the best.
static void insert(int32_t *list, int32_t each, int32_t first, const float *scores, int32_t item) {
  int32_t at = each;
  while (at > 0 && (list[at - 1] < 0 || scores[list[at - 1] - first] < scores[item])) at--;
  if (at == each) return;
  memmove(list + at + 1, list + at, (size_t)(each - at - 1) * sizeof *list);
  list[at] = first + item;
}

// Of tokens, those that are items: histories in another vocabulary hold [UNK] where it lacks one.
static void mark(miner *x, const int32_t *tokens, int32_t n, uint8_t seen) {
  for (int32_t i = 0; i < n; i++)
    if (tokens[i] >= x->first) x->seen[tokens[i] - x->first] = seen;
}

static void pick(miner *x, const sequence *s, const float *scores) {
  const int32_t n = x->trains.lengths[s->index], each = x->lists->each;
  int32_t *list = x->lists->items + s->index * each;
  const float most = scores[s->tokens[n - 1] - x->first] + (float)x->c->hard_margin;
  mark(x, s->tokens, n, 1);
  for (int32_t j = 0; j < x->items; j++)
    if (x->seen[j] == 0 && scores[j] <= most) insert(list, each, x->first, scores, j);
  mark(x, s->tokens, n, 0);
}

// The histories of the batch at hand, of a block that begins with sequence `from`.
static status rank(miner *x, const sequence_block *block, int64_t from) {
  const step_state state = {.seed = 0};
  const int32_t n = x->b->seqs;
  if (n == 0) return OK;
  batch_finish(x->b);
  TRY(model_set_batch(x->m, x->b, &state));
  TRY(model_forward(x->m, false));
  TRY(model_user_vectors(x->m, x->u));
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, x->items, x->W, 1, x->u, x->W, x->v, x->W, 0,
              x->scores, x->items);
  for (int32_t i = 0; i < n; i++) {
    sequence s;
    block_get(block, x->of[i] - from, &s);
    pick(x, &s, x->scores + (size_t)i * (size_t)x->items);
  }
  batch_clear(x->b);
  return OK;
}

static status mine_block(miner *x, const sequence_block *block, int64_t from) {
  batch_clear(x->b);
  for (int64_t i = 0; i < block_count(block); i++) {
    sequence s;
    block_get(block, i, &s);
    const int32_t n = x->trains.lengths[s.index];
    if (n < 2 || s.tokens[n - 1] < x->first) continue;
    const batch_input history =
        context_query(x->context, &x->layout, s.index, s.tokens, s.events, n - 1, x->tokens, x->events);
    bool fits = x->b->seqs < x->rows && batch_add_query(x->b, &x->layout, &history, s.index, s.tokens[n - 1]);
    if (!fits) {
      TRY(rank(x, block, from));
      fits = batch_add_query(x->b, &x->layout, &history, s.index, s.tokens[n - 1]);
    }
    if (!fits) return fail(ERR_INTERNAL, "a history does not fit into a batch");
    x->of[x->b->seqs - 1] = s.index;
  }
  return rank(x, block, from);
}

static status mine(miner *x) {
  const int64_t n = dataset_get_info(x->d)->sequences;
  TRY(miner_open(x));
  for (int64_t from = 0; from < n; from += BLOCK) {
    sequence_block *block;
    TRY(block_read(&block, x->d, from, n - from < BLOCK ? n - from : BLOCK));
    const status rc = mine_block(x, block, from);
    block_free(block);
    TRY(rc);
  }
  return OK;
}

status mining_lists(hard_negatives **out, const data_config *c, dataset *d, model *m) {
  miner x = {.c = c, .d = d, .m = m};
  const status rc = mine(&x);
  *out = rc == OK ? x.lists : NULL;
  if (rc == OK) x.lists = NULL;
  miner_close(&x);
  return rc;
}

static status check_options(const run_config *c) {
  const data_config *o = &c->data;
  if (c->labels.train[0] != '\0' && (o->negatives > 0 || o->hard_negatives > 0))
    return fail(
        ERR_ARGUMENT,
        "data.%s are items beside the right one, and a run on labels (labels.train) has no use for them",
        o->hard_negatives > 0 ? "hard_negatives" : "negatives");
  if (o->hard_negatives > o->negatives)
    return fail(
        ERR_ARGUMENT,
        "data.hard_negatives = %lld are more than all of data.negatives = %lld, of which they are a part",
        (long long)o->hard_negatives, (long long)o->negatives);
  if (o->hard_negatives == 0 && o->hard_every > 0)
    return fail(ERR_ARGUMENT,
                "data.hard_every = %lld makes hard negatives anew, and data.hard_negatives is 0",
                (long long)o->hard_every);
  if (o->hard_negatives > 0 && o->hard_every == 0 && c->train.init[0] == '\0')
    return fail(ERR_ARGUMENT,
                "data.hard_negatives are those of the model that a run begins from: set train.init");
  return OK;
}

static status mine_first(const run_config *c, dataset *d) {
  checkpoint *from;
  model *m;
  hard_negatives *lists;
  log_doing("ranking for hard negatives");
  TRY(checkpoint_open_chosen(&from, c->train.init, WHICH_AUTO));
  status rc = checkpoint_model(&m, from, d, c->train.device, (int32_t)c->train.threads);
  if (rc == OK) {
    rc = mining_lists(&lists, &c->data, d, m);
    model_free(m);
  }
  checkpoint_close(from);
  if (rc == OK) dataset_set_hard_negatives(d, lists);
  return rc;
}

// Those that a run had made anew before it was left.
static status take_mined(const checkpoint *from, dataset *d) {
  char path[PATH_MAX + 64];
  hard_negatives *lists;
  TRY(path_join(path, sizeof path, from->dir, HARD_NEGATIVES_FILE));
  TRY(hard_negatives_read(&lists, path, d));
  dataset_set_hard_negatives(d, lists);
  return OK;
}

status mining_run(const run_config *c, dataset *d, const checkpoint *from) {
  TRY(check_options(c));
  if (c->data.hard_negatives == 0) return OK;
  if (from != NULL && mining_is_due(c, d, from->state.step)) return OK; // before the first step
  if (from != NULL && json_object_get(from->files, HARD_NEGATIVES_FILE) != NULL) return take_mined(from, d);
  return c->train.init[0] != '\0' ? mine_first(c, d) : OK;
}

bool mining_is_due(const run_config *c, const dataset *d, int64_t step) {
  const data_config *o = &c->data;
  const hard_negatives *have = dataset_hard_negatives(d);
  return o->hard_negatives > 0 && o->hard_every > 0 && step > 0 && step % o->hard_every == 0 &&
         (have == NULL || have->step != step);
}
