// Rows of copy with histories; see copy_examples.h.
#include "data/copy_examples.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/item_texts.h"
#include "data/user_context.h"

enum { READ_SEQUENCES = 1024, LONGEST_COPY = 1 << 15 };

// ---- layouts -------------------------------------------------------------------------------------------------

static status rows_of(dataset *d, const copy_rows **rows) {
  TRY(dataset_copy(d, rows));
  return *rows != NULL
             ? OK
             : fail(ERR_ARGUMENT, "%s has no copy; souk prepare --copy FILE makes it", dataset_dir(d));
}

static int32_t copy_tokens_of(const copy_rows *r, const data_config *c) {
  return c->copy_tokens > 0 ? (int32_t)c->copy_tokens : copy_longest(r, &r->copy) + 1;
}

static bool has_users(const copy_rows *r) {
  for (int64_t i = 0; i < r->n; i++)
    if (r->user[i] >= 0) return true;
  return false;
}

// What is left for an item beside the longest copy, what is wanted, and a few events; a quarter of the positions where that is more.
static int32_t item_room(const copy_rows *r, int32_t positions, int32_t copy_tokens) {
  const int32_t left = positions - 2 - (copy_tokens - 1) - copy_longest(r, &r->context) -
                       (has_users(r) ? COPY_EVENTS : 0),
                quarter = positions / 4 > 0 ? positions / 4 : 1;
  return left > quarter ? left : quarter;
}

status copy_layout_of(copy_layout *out, dataset *d, const data_config *c, const seq_layout *layout) {
  const copy_rows *r;
  TRY(rows_of(d, &r));
  const int32_t copy_tokens = copy_tokens_of(r, c);
  *out = (copy_layout){.sequence = *layout,
                       .copy_tokens = copy_tokens,
                       .item_tokens = c->text_tokens > 0 ? (int32_t)c->text_tokens
                                                         : item_room(r, layout->max_positions, copy_tokens)};
  if (!layout->cls_sep || layout->segments < 2)
    return fail(ERR_ARGUMENT, "copy needs model.cls_sep = true and model.segments = 2 or more");
  return out->copy_tokens >= 2 ? OK : fail(ERR_ARGUMENT, "data.copy_tokens must be 2 or more");
}

// Tokens of the item that a row shows, at most `most` of them written to `to` (NULL: they are only counted).
static int32_t item_tokens(const dataset *d, const copy_rows *r, const item_texts *texts, int64_t i,
                           int32_t most, int32_t *to) {
  int32_t n = 0, text;
  const int32_t *tokens = copy_list(&r->text, i, &text);
  const int32_t item = r->item[i] >= 0 ? r->item[i] - vocab_begin(dataset_vocab(d), RANGE_ITEMS) : -1;
  if (text == 0 && item >= 0 && texts != NULL) {
    tokens = texts->tokens + texts->offsets[item];
    text = (int32_t)(texts->offsets[item + 1] - texts->offsets[item]);
  }
  if (item >= 0 && n < most) {
    if (to != NULL) to[n] = r->item[i];
    n++;
  }
  const int32_t kept = text < most - n ? text : most - n;
  if (to != NULL && kept > 0) memcpy(to + n, tokens, (size_t)kept * sizeof *to);
  return n + (kept > 0 ? kept : 0);
}

status copy_positions(int32_t *out, dataset *d, const data_config *c) {
  const copy_rows *r;
  const item_texts *texts;
  TRY(rows_of(d, &r));
  TRY(dataset_item_texts(d, &texts));
  const int32_t most = c->text_tokens > 0 ? (int32_t)c->text_tokens : LONGEST_COPY;
  const int32_t events = has_users(r) ? COPY_EVENTS : 0;
  int32_t longest = 0, n;
  for (int64_t i = 0; i < r->n; i++) {
    copy_list(&r->context, i, &n);
    n += item_tokens(d, r, texts, i, most, NULL);
    if (n > longest) longest = n;
  }
  *out = 2 + longest + events + copy_tokens_of(r, c) - 1;
  return OK;
}

// ---- items ---------------------------------------------------------------------------------------------------

static status read_items(copy_examples *e, dataset *d) {
  const copy_rows *r = e->rows;
  const item_texts *texts;
  copy_lists *l = &e->items;
  TRY(dataset_item_texts(d, &texts));
  TRY(mem_new(&l->offsets, (size_t)r->n + 1, sizeof *l->offsets, "items of copy"));
  for (int64_t i = 0; i < r->n; i++)
    l->offsets[i + 1] = l->offsets[i] + item_tokens(d, r, texts, i, e->layout.item_tokens, NULL);
  TRY(mem_new(&l->tokens, (size_t)l->offsets[r->n] + 1, sizeof *l->tokens, "items of copy"));
  for (int64_t i = 0; i < r->n; i++)
    item_tokens(d, r, texts, i, e->layout.item_tokens, l->tokens + l->offsets[i]);
  return OK;
}

// ---- histories -----------------------------------------------------------------------------------------------

// Tokens of history that a row has room for.
static int32_t room_of(const copy_examples *e, int64_t i) {
  const int32_t room = copy_examples_source(e, i).n_context +
                       (int32_t)(e->items.offsets[i + 1] - e->items.offsets[i]),
                most = e->layout.sequence.max_positions - 2 - (e->layout.copy_tokens - 1);
  return room < most ? most - room : 0;
}

typedef struct by_user {
  int64_t user, row;
} by_user;

static int by_user_then_row(const void *a, const void *b) {
  const by_user *x = a, *y = b;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  return (x->row > y->row) - (x->row < y->row);
}

typedef struct history_reading {
  copy_examples *e;
  dataset *d;
  const user_context *context;
  by_user *order; // rows with a user, by user
  size_t n;
} history_reading;

// Events before the row's time or, where that is not said, those of the training part.
static int32_t events_before(const copy_rows *r, int64_t i, const sequence *s) {
  int32_t n = 0;
  if (r->time[i] == COPY_NO_TIME) return s->valid_from;
  while (n < s->n && s->times[n] < r->time[i]) n++;
  return n;
}

// The newest of n events.
static int32_t take_events(copy_examples *e, int64_t at, const sequence *s, int32_t n, int32_t room) {
  const int32_t kept = n < room ? n : room;
  memcpy(e->histories.tokens + at, s->tokens + n - kept, (size_t)kept * sizeof *s->tokens);
  memcpy(e->events + at, s->events + n - kept, (size_t)kept);
  return kept;
}

// The history of row i, into the room that was planned for it; what it does not need stays unused.
static void take_history(const history_reading *h, int64_t i, const sequence *s, int32_t *kept) {
  copy_examples *e = h->e;
  const int64_t at = e->histories.offsets[i];
  const int32_t room = room_of(e, i), n = events_before(e->rows, i, s);
  const context_span span = {.sequence = e->rows->user[i],
                             .end = n,
                             .query = true,
                             .timed = e->rows->time[i] != COPY_NO_TIME,
                             .before = e->rows->time[i]};
  if (room < 1)
    *kept = 0;
  else if (h->context == NULL)
    *kept = take_events(e, at, s, n, room);
  else
    *kept =
        context_fill(h->context, &span, s->tokens, s->events, room, e->histories.tokens + at, e->events + at);
  const int32_t known = context_attributes(h->context, e->rows->user[i]);
  e->fixed[i] = known < *kept ? known : *kept;
}

static status read_histories(history_reading *h, int32_t *kept) {
  const int64_t all = dataset_get_info(h->d)->sequences;
  for (size_t k = 0; k < h->n;) {
    const int64_t first = h->order[k].user, left = all - first;
    sequence_block *b;
    sequence s;
    TRY(block_read(&b, h->d, first, left < READ_SEQUENCES ? left : READ_SEQUENCES));
    for (; k < h->n && h->order[k].user - first < block_count(b); k++) {
      block_get(b, h->order[k].user - first, &s);
      take_history(h, h->order[k].row, &s, &kept[h->order[k].row]);
    }
    block_free(b);
  }
  return OK;
}

// The room that was planned becomes what is kept.
static void close_up(copy_examples *e, const int32_t *kept) {
  int64_t to = 0;
  for (int64_t i = 0; i < e->rows->n; i++) {
    const int64_t from = e->histories.offsets[i];
    e->histories.offsets[i] = to;
    memmove(e->histories.tokens + to, e->histories.tokens + from,
            (size_t)kept[i] * sizeof *e->histories.tokens);
    memmove(e->events + to, e->events + from, (size_t)kept[i]);
    to += kept[i];
  }
  e->histories.offsets[e->rows->n] = to;
}

// As many tokens as the user's attributes and events may have, at most the row's room.
static status make_room(history_reading *h) {
  copy_examples *e = h->e;
  const copy_rows *r = e->rows;
  copy_lists *l = &e->histories;
  TRY(mem_new(&l->offsets, (size_t)r->n + 1, sizeof *l->offsets, "histories of copy"));
  TRY(mem_new(&e->fixed, (size_t)r->n, sizeof *e->fixed, "histories of copy"));
  TRY(mem_new(&h->order, (size_t)r->n, sizeof *h->order, "histories of copy"));
  for (int64_t i = 0; i < r->n; i++) {
    if (r->user[i] >= 0) h->order[h->n++] = (by_user){r->user[i], i};
    l->offsets[i + 1] = l->offsets[i] + (r->user[i] >= 0 ? room_of(e, i) : 0);
  }
  TRY(mem_new(&l->tokens, (size_t)l->offsets[r->n] + 1, sizeof *l->tokens, "histories of copy"));
  TRY(mem_new(&e->events, (size_t)l->offsets[r->n] + 1, 1, "histories of copy"));
  qsort(h->order, h->n, sizeof *h->order, by_user_then_row);
  return OK;
}

static status find_histories(copy_examples *e, dataset *d) {
  history_reading h = {.e = e, .d = d};
  int32_t *kept = NULL;
  status rc;
  TRY_GOTO(make_room(&h), done);
  TRY_GOTO(mem_new(&kept, (size_t)e->rows->n, sizeof *kept, "histories of copy"), done);
  if (h.n > 0) TRY_GOTO(dataset_user_context(d, &h.context), done);
  TRY_GOTO(read_histories(&h, kept), done);
  close_up(e, kept);
done:
  free(h.order);
  free(kept);
  return rc;
}

// ---- life ----------------------------------------------------------------------------------------------------

// The context stays whole, so the row with most of it must fit.
static status check_room(const copy_examples *e) {
  const int32_t context = copy_longest(e->rows, &e->rows->context),
                needed = 2 + context + e->layout.copy_tokens - 1;
  return needed <= e->layout.sequence.max_positions
             ? OK
             : fail(ERR_ARGUMENT,
                    "model.max_positions = %d has no room for copy of %d tokens (data.copy_tokens) beside "
                    "what is wanted: %d are needed, and more for items and histories",
                    e->layout.sequence.max_positions, e->layout.copy_tokens, needed);
}

static status open_all(copy_examples *e, dataset *d) {
  TRY(rows_of(d, &e->rows));
  TRY(check_room(e));
  TRY(mem_new(&e->weights, (size_t)e->rows->n, sizeof *e->weights, "weights of copy"));
  for (int64_t i = 0; i < e->rows->n; i++) e->weights[i] = 1;
  TRY(read_items(e, d));
  return find_histories(e, d);
}

status copy_examples_open(copy_examples **out, dataset *d, const copy_layout *layout) {
  copy_examples *e;
  *out = NULL;
  TRY(mem_new(&e, 1, sizeof *e, "rows of copy"));
  e->layout = *layout;
  const status rc = open_all(e, d);
  if (rc == OK)
    *out = e;
  else
    copy_examples_close(e);
  return rc;
}

void copy_examples_forget_users(copy_examples *e) {
  memset(e->histories.offsets, 0, ((size_t)e->rows->n + 1) * sizeof *e->histories.offsets);
  memset(e->fixed, 0, (size_t)e->rows->n * sizeof *e->fixed);
}

void copy_examples_close(copy_examples *e) {
  if (e == NULL) return;
  void *const arrays[] = {e->items.offsets, e->items.tokens, e->histories.offsets, e->histories.tokens,
                          e->events,        e->fixed,        e->weights,           e};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

double copy_examples_bytes(const copy_examples *e) {
  const double n = (double)e->rows->n;
  return copy_rows_bytes(e->rows) +
         n * (2 * sizeof *e->items.offsets + sizeof *e->fixed + sizeof *e->weights) +
         (double)e->items.offsets[e->rows->n] * sizeof *e->items.tokens +
         (double)e->histories.offsets[e->rows->n] * (sizeof *e->histories.tokens + sizeof *e->events);
}

// ---- rows ----------------------------------------------------------------------------------------------------

copy_source copy_examples_source(const copy_examples *e, int64_t i) {
  copy_source s = {.n_context = 0};
  s.context = copy_list(&e->rows->context, i, &s.n_context);
  s.item = copy_list(&e->items, i, &s.n_item);
  if (e->histories.offsets == NULL || e->events == NULL) return s;
  s.history.tokens = copy_list(&e->histories, i, &s.history.n);
  s.history.events = e->events + e->histories.offsets[i];
  s.fixed = e->fixed[i];
  return s;
}

copy_plan copy_examples_plan(const copy_examples *e, int64_t i) {
  const copy_source s = copy_examples_source(e, i);
  copy_plan p = {.rows = 0};
  int32_t n;
  copy_list(&e->rows->copy, i, &n);
  copy_plan_make(&p, &e->layout, &s, n);
  return p;
}

bool copy_examples_put(const copy_examples *e, int64_t i, int64_t seq_id, batch *b) {
  const copy_source s = copy_examples_source(e, i);
  const uint8_t *known = e->rows->weights + e->rows->copy.offsets[i];
  float weights[COPY_LONGEST];
  int32_t n;
  const int32_t *copy = copy_list(&e->rows->copy, i, &n); // shorter than COPY_LONGEST
  for (int32_t k = 0; k < n; k++) weights[k] = known[k] != 0 ? e->weights[i] : 0;
  weights[n] = e->rows->cut[i] != 0 ? 0 : e->weights[i];
  return batch_add_copy(b, &e->layout, &s, copy, n, weights, seq_id);
}
