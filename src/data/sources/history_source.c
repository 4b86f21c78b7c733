// Batches from the histories of a prepared data set; see batcher.h for what an epoch is.
//
// Sequences lie in blocks of HISTORY_BLOCK, of which HISTORY_GROUP are in memory at a time. Windows, crops and lengths are
// functions of the index, so listing examples reads no tokens.
#include "data/sources/session_pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/philox.h"
#include "data/batch_bounds.h"

// ---- listing examples ----------------------------------------------------------------------------------------

static uint32_t high(int64_t id) {
  return (uint32_t)((uint64_t)id >> 32);
}

static status list_masked(const history_source *b, example e, int64_t copy, example_list *to) {
  e.task = copy >= b->c.dupe_factor ? MASK_LAST : MASK_SOME;
  if (e.task == MASK_LAST) {
    rng r = rng_at((uint64_t)b->c.seed, STREAM_CROP, (uint32_t)e.id, high(e.id));
    const double share =
        b->c.last_copies - (double)(copy - b->c.dupe_factor); // share of the windows that get this copy
    if (share < 1.0 && rng_unit(&r) >= share) return OK;
    if (e.end - e.begin > 2 && rng_unit(&r) < b->c.crop)
      e.end = e.begin + 2 + (int32_t)rng_below(&r, (uint64_t)(e.end - e.begin - 1));
  }
  e.length = history_rows(b, history_length(b, e.sequence, e.begin, e.end, false) + session_pair_rows(b));
  return examples_add(to, &e);
}

static status list_next(const history_source *b, example e, int64_t copy, example_list *to) {
  e.task = copy == b->masked_copies ? PREDICT_NEXT : PREDICT_FIRST;
  e.length = e.task == PREDICT_NEXT
                 ? history_rows_of_next(b, history_length(b, e.sequence, e.begin, e.end, false))
                 : 1;
  if (e.length == 0) return OK;
  if (e.task == PREDICT_FIRST) {
    rng r = rng_at((uint64_t)b->c.seed, STREAM_CROP, (uint32_t)e.id, high(e.id));
    if (b->layout.cls_sep || e.begin > 0 || rng_below(&r, COLD_STARTS) > 0) return OK;
    e.end = 1;
  }
  return examples_add(to, &e);
}

static status list_windows(const history_source *b, int64_t epoch, int64_t s, example_list *to) {
  const int32_t n = b->trains.lengths[s];
  for (int32_t w = 0; w < window_count(n, b->w.length, b->w.stride); w++) {
    int32_t begin, end;
    window_at(n, b->w.length, b->w.stride, w, &begin, &end);
    const int64_t window = b->first_window[s] + w;
    const uint64_t before = (uint64_t)epoch * (uint64_t)b->copies; // may wrap: ids only key random numbers
    for (int64_t copy = 0; copy < b->copies; copy++) {
      const int64_t id = (int64_t)((before + (uint64_t)copy) * (uint64_t)b->windows + (uint64_t)window);
      const example e = {.sequence = s, .id = id, .begin = begin, .end = end};
      TRY(copy < b->masked_copies ? list_masked(b, e, copy, to) : list_next(b, e, copy, to));
    }
  }
  return OK;
}

static status list(batch_source *self, int64_t epoch, int64_t block, example_list *to) {
  const history_source *b = (const history_source *)self;
  for (int64_t s = block * HISTORY_BLOCK; s < min64((block + 1) * HISTORY_BLOCK, history_sequences(b)); s++) {
    if (b->part == PART_TRAIN) {
      TRY(list_windows(b, epoch, s, to));
      continue;
    }
    int32_t first, end; // of the validation targets; the first is asked about, unless it is trained on
    dataset_targets(b->d, s, false, &first, &end);
    if (first >= end || b->trains.lengths[s] > first) continue;
    const example e = {.sequence = s,
                       .id = s,
                       .end = first,
                       .length = history_rows(b, history_length(b, s, 0, first, true))};
    TRY(examples_add(to, &e));
  }
  return OK;
}

// ---- what comes in an epoch ----------------------------------------------------------------------------------

static int by_begin(const void *a, const void *b) {
  const example *x = a, *y = b;
  return (x->begin > y->begin) - (x->begin < y->begin);
}

// Events of a sequence that come in at least one of its n examples. Of a window that is too long the model sees the newest.
static int64_t events_in(const history_source *b, example *of, size_t n) {
  const int32_t rows = b->layout.max_positions - sequence_specials(&b->layout, false, false);
  int64_t events = 0;
  int32_t done = 0; // events before this one are
  for (size_t i = 0; i < n; i++) {
    const int32_t room = rows + (of[i].task == PREDICT_NEXT); // of which the last one is no row
    if (of[i].end - of[i].begin > room) of[i].begin = of[i].end - room;
  }
  qsort(of, n, sizeof *of, by_begin);
  for (size_t i = 0; i < n; i++) {
    if (of[i].end <= done) continue;
    events += of[i].end - (of[i].begin > done ? of[i].begin : done);
    done = of[i].end;
  }
  return events;
}

// Examples that are longer than the model has room for, for all that is known of their users.
static void count_cut(const history_source *b, const example *of, size_t n, batcher_coverage *out) {
  for (size_t i = 0; b->context != NULL && i < n; i++) {
    const bool next = of[i].task >= PREDICT_NEXT, masked = !next && b->c.next_session;
    if (of[i].task == PREDICT_FIRST) continue;
    const int32_t rows = history_length(b, of[i].sequence, of[i].begin, of[i].end, false) - next;
    out->examples++;
    out->cut += rows + session_pair_rows(b) * masked >
                b->layout.max_positions - sequence_specials(&b->layout, masked, false);
  }
}

static status cover(batch_source *self, batcher_coverage *out) {
  const history_source *b = (const history_source *)self;
  example_list l = {.n = 0};
  status rc = OK;
  *out = (batcher_coverage){.window = b->w};
  out->events = b->trains.events;
  for (int64_t block = 0; rc == OK && block < b->base.blocks; block++) {
    l.n = 0;
    rc = list(self, 0, block, &l);
    for (size_t i = 0, stop; rc == OK && i < l.n; i = stop) {
      for (stop = i + 1; stop < l.n && l.items[stop].sequence == l.items[i].sequence;) stop++;
      count_cut(b, &l.items[i], stop - i, out);
      out->covered += events_in(b, &l.items[i], stop - i);
    }
  }
  free(l.items);
  return rc;
}

void history_windows(const history_source *b, int64_t block, int64_t *begin, int64_t *end) {
  const int64_t stop = (block + 1) * HISTORY_BLOCK;
  *begin = b->first_window[block * HISTORY_BLOCK];
  *end = stop < history_sequences(b) ? b->first_window[stop] : b->windows;
}

// ---- reading -------------------------------------------------------------------------------------------------

static void drop_blocks(history_source *b) {
  for (int i = 0; i < HISTORY_GROUP; i++) {
    block_free(b->blocks[i]);
    b->blocks[i] = NULL;
  }
}

static status read_blocks(batch_source *self, const int64_t *blocks, int n) {
  history_source *b = (history_source *)self;
  drop_blocks(b);
  for (int i = 0; i < n; i++) {
    const int64_t first = blocks[i] * HISTORY_BLOCK;
    b->block_ids[i] = blocks[i];
    TRY(block_read(&b->blocks[i], b->d, first, min64(HISTORY_BLOCK, history_sequences(b) - first)));
  }
  return OK;
}

// ---- making a batch ------------------------------------------------------------------------------------------

void history_find_sequence(const history_source *b, int64_t index, sequence *s) {
  int i = 0;
  while (b->block_ids[i] != index / HISTORY_BLOCK) i++;
  block_get(b->blocks[i], index % HISTORY_BLOCK, s);
}

static status no_room(const example *e) {
  return fail(ERR_INTERNAL, "an example of %d rows does not fit into its batch", e->length);
}

int32_t history_length(const history_source *b, int64_t index, int32_t begin, int32_t end, bool asked) {
  if (b->context == NULL) return end - begin;
  return context_rows(b->context,
                      &(context_span){.sequence = index, .begin = begin, .end = end, .query = asked});
}

batch_input history_take(const history_source *b, const sequence *s, int32_t begin, int32_t end, bool asked,
                         int32_t room) {
  if (b->context == NULL) return (batch_input){s->tokens + begin, s->events + begin, end - begin};
  const context_span span = {.sequence = s->index, .begin = begin, .end = end, .query = asked};
  const int32_t n = context_fill(b->context, &span, s->tokens, s->events, room, b->row_tokens, b->row_events);
  return (batch_input){b->row_tokens, b->row_events, n};
}

static int32_t room_of(const history_source *b, bool query) {
  return b->layout.max_positions - sequence_specials(&b->layout, false, query);
}

static bool is_item(const history_source *b, int32_t token) {
  return token >= dataset_get_info(b->d)->range_end[RANGE_ATTRIBUTES];
}

static bool is_attribute(const history_source *b, int32_t token) {
  const int32_t *end = dataset_get_info(b->d)->range_end;
  return token >= end[RANGE_WORDS] && token < end[RANGE_ATTRIBUTES];
}

// What comes at the first of n rows, or behind it where it is a domain's token, which nobody knows who asks what comes next.
static int32_t next_item(const history_source *b, const int32_t *rows, int32_t n) {
  return is_attribute(b, rows[0]) && n > 1 ? rows[1] : rows[0];
}

// All items of a window but its last one, each of which predicts the next; [CLS], and a [MASK] alone, predict the first one of a
// history.
static status add_next(history_source *b, batch *out, const example *e, const sequence *s) {
  const bool first = e->task == PREDICT_FIRST;
  const int32_t begin = out->tokens;
  int32_t row, kept;
  if (first) {
    if (!batch_add_query(out, &b->layout, &(batch_input){.n = 0}, e->id, s->tokens[e->begin]))
      return no_room(e);
    if (b->negatives != NULL)
      out->label_logq[out->n_masked - 1] = negatives_logq(b->negatives, s->tokens[e->begin]);
    return OK;
  }
  const batch_input window = history_take(b, s, e->begin, e->end, false, room_of(b, false) + 1);
  const batch_input input = {window.tokens, window.events, window.n - 1};
  if (!batch_add(out, &b->layout, &input, NULL, e->id, &row, &kept)) return no_room(e);
  batch_set_causal(out);
  // What is predicted is an item, behind whatever stands before it; behind attributes, or [CLS], only a history's first.
  const int32_t *labels = window.tokens + window.n - kept,
                attributes = context_attributes(b->context, e->sequence);
  const bool whole = e->begin == 0 && kept == window.n - 1;
  const int32_t cold = attributes == 0 ? next_item(b, window.tokens, window.n) : TOKEN_UNK;
  if (b->layout.cls_sep && whole && is_item(b, cold) && b->c.next_rows == NEXT_ROWS_ALL)
    predict_token(&b->masks, out, begin, cold, false);
  int32_t from = whole || attributes == 0 ? attributes - (attributes > 0) : attributes, stop = kept;
  if (b->c.next_rows == NEXT_ROWS_LAST && from < kept) {
    from = kept - 1;
    if (from > 0 && from >= attributes && is_attribute(b, labels[from - 1]))
      stop = from--; // a domain's token is not asked
  }
  for (int32_t i = from; i < stop; i++) {
    const int32_t next = next_item(b, labels + i, kept - i);
    if (is_item(b, next)) predict_token(&b->masks, out, row + i, next, false);
  }
  return OK;
}

static status add(batch_source *self, batch *out, const example *e, const example_list *all) {
  history_source *b = (history_source *)self;
  sequence s;
  history_find_sequence(b, e->sequence, &s);
  if (b->in_batch != NULL && b->n_in_batch < b->base.caps.seqs) b->in_batch[b->n_in_batch++] = e->sequence;
  batch_input a, second;
  if (b->part == PART_VALID) {
    a = history_take(b, &s, e->begin, e->end, true, room_of(b, true));
    if (!batch_add_query(out, &b->layout, &a, e->id, s.tokens[e->end]))
      return fail(ERR_INTERNAL, "a query does not fit into its batch");
    return OK;
  }
  if (e->task >= PREDICT_NEXT) return add_next(b, out, e, &s);
  int32_t label = -1;
  const bool pair = b->c.next_session && session_pair(b, all, e, &s, &a, &second, &label);
  if (!pair) a = history_take(b, &s, e->begin, e->end, false, room_of(b, false));
  const int32_t begin = out->tokens;
  if (!batch_add(out, &b->layout, &a, pair ? &second : NULL, e->id, NULL, NULL)) return no_room(e);
  out->nsp_labels[out->seqs - 1] = label;
  mask_rows(&b->masks, out, e, begin, out->tokens);
  return OK;
}

static void draw_negatives(batch_source *self, batch *out, int64_t epoch, int64_t index) {
  history_source *b = (history_source *)self;
  const batch_histories histories = {b->in_batch, b->n_in_batch};
  if (b->negatives != NULL) negatives_draw(b->negatives, out, &histories, epoch, index);
  b->n_in_batch = 0;
}

static status renew(batch_source *self) {
  history_source *b = (history_source *)self;
  b->n_in_batch = 0;
  return b->negatives == NULL
             ? OK
             : negatives_renew(b->negatives, &b->c, dataset_vocab(b->d), dataset_hard_negatives(b->d));
}

// ---- life ----------------------------------------------------------------------------------------------------

data_window data_windows(const data_config *c, const dataset_info *info, const seq_layout *layout) {
  const int32_t room = layout->max_positions - sequence_specials(layout, c->next_session, false);
  data_window w = {.room = room > 0 ? room : 1};
  w.room += layout->asks == ASKS_NEXT; // the last one is no row
  w.length = (int32_t)(c->window > 0 ? c->window : min64(info->window, w.room));
  if (c->stride > 0)
    w.stride = (int32_t)c->stride;
  else if (c->window > 0)
    w.stride = (w.length + 1) / 2;
  else
    w.stride = (int32_t)((int64_t)info->stride * w.length / info->window);
  if (w.stride < 1) w.stride = 1;
  return w;
}

static status check_config(history_source *b) {
  const data_config *c = &b->c;
  if (b->w.length < 1 || b->w.stride < 1 || b->w.stride > b->w.length)
    return fail(ERR_ARGUMENT, "data.stride = %d must be between 1 and data.window = %d", b->w.stride,
                b->w.length);
  if (b->layout.asks == ASKS_MASKED && c->dupe_factor == 0 && !(c->last_copies > 0))
    return fail(ERR_ARGUMENT, "data.dupe_factor and data.last_copies are both 0: nothing to train on");
  if (c->next_session && !b->layout.cls_sep)
    return fail(ERR_ARGUMENT, "data.next_session needs model.cls_sep = true");
  if (c->next_session && b->layout.segments < 2)
    return fail(ERR_ARGUMENT, "data.next_session needs model.segments = 2 or more");
  if (c->batch_tokens < b->layout.max_positions &&
      c->batch_tokens < b->w.length + sequence_specials(&b->layout, b->c.next_session, false) + 1)
    return fail(ERR_ARGUMENT, "data.batch_tokens = %lld is smaller than one sequence",
                (long long)c->batch_tokens);
  if (history_sequences(b) == 0) return fail(ERR_ARGUMENT, "%s holds no sequences", dataset_dir(b->d));
  return OK;
}

static void close_source(batch_source *self) {
  history_source *b = (history_source *)self;
  drop_blocks(b);
  training_part_free(&b->trains);
  free(b->first_window);
  negatives_close(b->negatives);
  free(b->in_batch);
  token_masks_free(&b->masks);
  free(b->row_tokens);
  free(b->row_events);
  free(b->second_tokens);
  free(b->second_events);
  free(b);
}

static void memory(const batch_source *self, batcher_memory *m) {
  const history_source *b = (const history_source *)self;
  const dataset_info *info = dataset_get_info(b->d);
  const double all = (double)info->sequences, group = fmin(all, HISTORY_BLOCK * HISTORY_GROUP);
  m->index = all * sizeof *b->first_window + training_part_bytes(&b->trains, b->d);
  m->sequences = group;
  m->sequence_bytes = block_bytes(info, group);
  const double masked = b->masked_copies > 0 ? (double)b->c.dupe_factor + b->c.last_copies : 0;
  m->examples = (double)b->windows * (masked + (b->copies > b->masked_copies));
  if (all > group) m->examples *= group / all;
  if (b->negatives != NULL) m->tables = (double)negatives_bytes(b->negatives);
}

static const source_calls calls = {.cover = cover,
                                   .memory = memory,
                                   .close = close_source,
                                   .list = list,
                                   .read = read_blocks,
                                   .add = add,
                                   .complete = draw_negatives,
                                   .renew = renew};

status history_make_room(history_source *b) {
  if (b->negatives != NULL) TRY(negatives_make_room(b->negatives, b->base.caps.masked));
  return b->c.hard_negatives > 0 ? mem_grow(&b->in_batch, &b->in_batch_cap, (size_t)b->base.caps.seqs,
                                            sizeof *b->in_batch, "the histories of a batch")
                                 : OK;
}

status history_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                           data_part part) {
  *out = NULL;
  history_source *b;
  TRY(mem_new(&b, 1, sizeof *b, "the batcher"));
  const dataset_info *info = dataset_get_info(d);
  b->base.calls = &calls;
  b->d = d;
  b->c = *c;
  b->layout = *layout;
  b->part = part;
  b->w = data_windows(c, info, layout);
  status rc;
  TRY_GOTO(check_config(b), bad);
  TRY_GOTO(training_part_make(&b->trains, d, &c->trains), bad);
  TRY_GOTO(dataset_user_context(d, &b->context), bad);
  const size_t rows = (size_t)layout->max_positions + 1;
  TRY_GOTO(mem_new(&b->row_tokens, rows, sizeof *b->row_tokens, "a history"), bad);
  TRY_GOTO(mem_new(&b->row_events, rows, sizeof *b->row_events, "a history"), bad);
  TRY_GOTO(mem_new(&b->second_tokens, rows, sizeof *b->second_tokens, "a session"), bad);
  TRY_GOTO(mem_new(&b->second_events, rows, sizeof *b->second_events, "a session"), bad);
  b->base.blocks = (history_sequences(b) + HISTORY_BLOCK - 1) / HISTORY_BLOCK;
  b->base.group = HISTORY_GROUP;
  if (layout->asks != ASKS_NEXT) b->masked_copies = c->dupe_factor + (int64_t)ceil(c->last_copies);
  b->copies = b->masked_copies + (layout->asks != ASKS_MASKED ? 2 : 0);
  TRY_GOTO(history_find_caps(b, NULL), bad);
  TRY_GOTO(
      mem_new(&b->first_window, (size_t)history_sequences(b), sizeof *b->first_window, "the window index"),
      bad);
  for (int64_t s = 0; s < history_sequences(b); s++) {
    b->first_window[s] = b->windows;
    b->windows += window_count(b->trains.lengths[s], b->w.length, b->w.stride);
  }
  if (b->base.caps.negatives > 0)
    TRY_GOTO(
        negatives_open(&b->negatives, c, dataset_vocab(d), b->base.caps.masked, dataset_hard_negatives(d)),
        bad);
  TRY_GOTO(history_make_room(b), bad);
  TRY_GOTO(token_masks_open(&b->masks, d, &b->c, layout, b->negatives), bad);
  *out = &b->base;
  return OK;
bad:
  close_source(&b->base);
  return rc;
}
