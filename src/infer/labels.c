// Labels; see labels.h.
//
// Sequences are those of training (src/prepare/labelled_read.c and labelled_pairs.c): a text loses its end, a history its oldest
// events, which come behind the user's attributes, and of two segments the longer is shortened first. Only [CLS] is asked, so the
// last layer computes one row of each sequence.
#include "infer/labels.h"

#include <math.h>
#include <string.h>
#include "infer/encode.h"
#include "infer/known_user.h"
#include "infer/products.h"
#include "infer/workspace.h"

enum { TAKE = 64 };

// The segments of a share's sequences, before they are shortened.
typedef struct label_share {
  const label_job *j;
  size_t first, room;       // tokens of a sequence
  int32_t *tokens;          // [n][2 room + max_history] first segment, second segment, a window
  uint8_t *events;          // [n][room + max_history]
  int32_t a[TAKE], b[TAKE]; // tokens of each segment; b NO_SECOND: there is none
  int32_t fixed[TAKE];      // the first of `a` that are attributes of the user
} label_share;

const char *temperatures_take(const label_head *l, const jtree *tree, const jnode *list, double *to) {
  if (list == NULL || list->kind != J_ARRAY || list->count != (int64_t)label_head_temperatures(l))
    return l->single ? "an array of one number" : "an array of a number for each label";
  for (const jnode *n = jtree_first(tree, list); n != NULL; n = jtree_next(tree, n)) {
    if (n->kind != J_NUMBER || !(n->number >= 1e-6 && n->number <= 1e6))
      return "an array of numbers from 1e-06 to 1e+06";
    *to++ = n->number;
  }
  return NULL;
}

souk_pair job_pair(const label_job *j, size_t i) {
  souk_pair p = {.item = -1};
  memset(&p, 0, sizeof p);
  const size_t bytes = j->pair_bytes < sizeof p ? j->pair_bytes : sizeof p;
  memcpy(&p, (const char *)j->pairs + i * j->pair_bytes, bytes);
  return p;
}

// ---- segments ------------------------------------------------------------------------------------------------

static size_t stride_of(const label_share *s) {
  return 2 * s->room + (size_t)s->j->b->max_history;
}

static int32_t words_of(const label_share *s, const char *text, int32_t *ids) {
  const size_t n = word_tokenizer_encode(s->j->b->tokenizer, text, strlen(text), ids, s->room);
  return (int32_t)(n < s->room ? n : s->room);
}

static void fill_texts(label_share *s, size_t i) {
  const label_job *j = s->j;
  int32_t *at = s->tokens + i * stride_of(s);
  s->a[i] = words_of(s, j->texts[s->first + i], at);
  s->b[i] = j->seconds != NULL ? words_of(s, j->seconds[s->first + i], at + s->room) : NO_SECOND;
  memset(s->events + i * (s->room + (size_t)j->b->max_history), 0, s->room);
}

// Cuts a history in its place: its oldest events go, from behind the attributes.
static void cut_history(int32_t *tokens, uint8_t *events, int32_t n, int32_t fixed, int32_t kept) {
  const int32_t front = sequence_fixed(fixed, n, kept), back = kept - front;
  memmove(tokens + front, tokens + n - back, (size_t)back * sizeof *tokens);
  memmove(events + front, events + n - back, (size_t)back);
}

static souk_status fill_pair(label_share *s, size_t i, souk_error *e) {
  const souk_bundle *b = s->j->b;
  const souk_pair p = job_pair(s->j, s->first + i);
  const size_t most = (size_t)b->max_history;
  int32_t *at = s->tokens + i * stride_of(s), *item = at + s->room, *window = item + s->room, kept, unknown;
  uint8_t *events = s->events + i * (s->room + most), *marks = events + s->room;
  const window_ends ends = {.tokens = window + most, .events = marks + most};
  PASS(history_window(b, &p.history, &ends, &kept, &unknown, e));
  const int32_t known = known_attributes(b, p.history.user, NULL, 0), fixed = known < kept ? known : kept;
  const int32_t n = (size_t)kept < s->room ? kept : (int32_t)s->room;
  cut_history(ends.tokens - kept, ends.events - kept, kept, fixed, n);
  memcpy(at, ends.tokens - kept, (size_t)n * sizeof *at);
  memcpy(events, ends.events - kept, (size_t)n);
  s->a[i] = n;
  s->fixed[i] = sequence_fixed(fixed, kept, n);
  item[0] = p.item >= 0 ? b->first_item + p.item : TOKEN_UNK;
  size_t strangers;
  size_t put = product_tokens(b, &p.product, item + 1, s->room - 1, s->room - 1, &strangers);
  if (put == 0 && p.item >= 0) put = item_words_take(b, p.item, item + 1, s->room - 1);
  s->b[i] = 1 + (int32_t)put;
  return SOUK_OK;
}

static int32_t longest(const void *arg, size_t i) {
  const label_share *s = arg;
  const int32_t n = s->a[i] + (s->b[i] > 0 ? s->b[i] : 0), most = s->j->b->layout.max_positions;
  const int32_t rows = n + sequence_specials(&s->j->b->layout, s->b[i] != NO_SECOND, false);
  return rows < most ? rows : most;
}

static souk_status add_sequence(void *arg, chunk *c, size_t i, souk_error *e) {
  const label_share *s = arg;
  const seq_layout *layout = &c->b->layout;
  int32_t *tokens = s->tokens + i * stride_of(s);
  uint8_t *events = s->events + i * (s->room + (size_t)c->b->max_history);
  int32_t a = s->a[i], b = s->b[i];
  seq_plan plan;
  if (b != NO_SECOND) sequence_share((int32_t)s->room, &a, &b);
  if (s->j->pairs != NULL) cut_history(tokens, events, s->a[i], s->fixed[i], a); // a text loses its end
  const seq_input first = {tokens, events, a}, second = {tokens + s->room, NULL, b};
  if (!sequence_plan(&plan, layout, a, b, false)) return SOUK_OK; // never: settings.c
  PASS(chunk_room(c, plan.rows, e));
  sequence_write(&plan, layout, &first, b != NO_SECOND ? &second : NULL, c->ids + c->T, c->types + c->T,
                 c->positions + c->T);
  chunk_added(c, plan.rows, 0);
  c->adapter[c->S - 1] = s->j->options.adapter - 1;
  return SOUK_OK;
}

// ---- the head ------------------------------------------------------------------------------------------------

static void softmax(float *z, int32_t n, double temperature) {
  double largest = -INFINITY, sum = 0;
  for (int32_t i = 0; i < n; i++) largest = fmax(largest, (double)z[i]);
  for (int32_t i = 0; i < n; i++) sum += exp(((double)z[i] - largest) / temperature);
  for (int32_t i = 0; i < n; i++) z[i] = (float)(exp(((double)z[i] - largest) / temperature) / sum);
}

static void take_labels(void *arg, const chunk *c, size_t first) {
  const label_share *s = arg;
  const label_head *l = &c->b->labels;
  const size_t H = (size_t)c->b->hidden, S = (size_t)c->S, n = (size_t)l->n;
  float *out = s->j->out + (s->first + first) * n;
  c->k->gemm_packed(c->x, H, l->pooler, l->pooler_b, c->branch, H, S, H, H);
  chunk_shift(c, SHIFT_POOLER, c->branch, H);
  for (size_t i = 0; i < S; i++) c->k->tanh_row(c->branch + i * H, c->branch + i * H, H);
  c->k->gemm_packed(c->branch, H, l->classifier, l->classifier_b, out, n, S, n, H);
  chunk_shift(c, SHIFT_CLASSIFIER, out, n);
}

static void probabilities(const label_job *j, size_t first, size_t n) {
  const label_head *l = &j->b->labels;
  const int32_t adapter = j->options.adapter - 1;
  const double *own = adapter >= 0 ? j->b->adapters.list[adapter].temperatures : NULL,
               *temperatures = own != NULL ? own : l->temperatures;
  for (size_t i = first; i < first + n; i++) {
    float *z = j->out + i * (size_t)l->n;
    if (l->single) softmax(z, l->n, temperatures[0]);
    for (int32_t k = 0; k < l->n && !l->single; k++)
      z[k] = (float)(1 / (1 + exp(-(double)z[k] / temperatures[k])));
  }
}

static souk_status label_part(void *arg, workspace *space, size_t first, size_t n, souk_error *e) {
  const label_job *j = arg;
  const souk_bundle *b = j->b;
  const size_t most = (size_t)b->max_history, labels = (size_t)b->labels.n;
  label_share s = {.j = j, .first = first};
  const bool two = j->pairs != NULL || j->seconds != NULL;
  s.room = (size_t)(b->layout.max_positions - sequence_specials(&b->layout, two, false));
  const size_t tokens = n * stride_of(&s), events = n * (s.room + most);
  PASS(area_reserve(&space->rank, area_size(tokens, sizeof *s.tokens) + area_size(events, 1), e));
  s.tokens = area_take(&space->rank, tokens, sizeof *s.tokens);
  s.events = area_take(&space->rank, events, 1);
  for (size_t i = 0; i < n; i++) {
    if (j->pairs != NULL)
      PASS(fill_pair(&s, i, e));
    else
      fill_texts(&s, i);
  }
  const chunk_job job = {.b = b, .longest = longest, .add = add_sequence, .done = take_labels, .arg = &s};
  PASS(chunks_run(&job, &space->encode, n, e));
  for (size_t i = first * labels; i < (first + n) * labels; i++)
    if (!isfinite(j->out[i]))
      return infer_fail(e, SOUK_ERR_NONFINITE,
                        "%s[%zu]: a logit is not finite; the weights of %s are too large",
                        j->pairs != NULL ? "pairs" : "texts", i / labels, b->dir);
  if (j->options.logits == 0) probabilities(j, first, n);
  return SOUK_OK;
}

static double rows_of(const label_job *j, size_t i) {
  const double most = j->b->layout.max_positions;
  if (j->pairs != NULL) return fmin(most, 3 + (double)job_pair(j, i).history.n);
  const size_t bytes = strlen(j->texts[i]) + (j->seconds != NULL ? strlen(j->seconds[i]) : 0);
  return fmin(most, 3 + (double)bytes / 4); // a token has four or five bytes
}

souk_status labels_run(const label_job *j, souk_error *e) {
  double rows = 0;
  for (size_t i = 0; i < j->n; i++) rows += rows_of(j, i);
  const size_t threads = threads_worth(j->b, rows, j->n, j->options.threads);
  const size_t share = (j->n + 4 * threads - 1) / (4 * threads);
  const share_job shares = {.b = j->b,
                            .n = j->n,
                            .take = threads == 1 || share > TAKE ? TAKE : share,
                            .work = label_part,
                            .arg = (void *)(uintptr_t)j};
  return run_shares(&shares, (int32_t)threads, e);
}
