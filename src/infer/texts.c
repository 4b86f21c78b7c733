// Vectors of texts; see texts.h.
//
// A text is [CLS] words [SEP], or its words alone where the model's sequences have no [CLS]; nothing is padded, so texts of all lengths
// share a chunk. Each thread takes a share of the texts, makes tokens of them, and pools a chunk's hidden states while they are in the
// cache. For [CLS] pooling the last layer computes one row of each text.
#include "infer/texts.h"

#include <math.h>
#include <stdlib.h>
#include "infer/encode.h"
#include "infer/workspace.h"

enum { TAKE = 64 };

// The tokens of a share of the texts, one after the other, each with its specials.
typedef struct token_share {
  const embed_job *j;
  size_t first;
  int32_t *ids, *types;
  int32_t begin[TAKE + 1];
} token_share;

// Tokens of a text that are read, without specials.
static int32_t most_words(const embed_job *j) {
  const seq_layout *l = &j->b->layout;
  const int32_t specials = l->cls_sep ? 2 : 0, most = j->options.most_tokens;
  return (most > 0 && most < l->max_positions ? most : l->max_positions) - specials;
}

// Writes the rows of a text and returns their number. A text without a word is [MASK] where there is no [CLS].
static int32_t write_rows(const embed_job *j, size_t text, int32_t *ids) {
  const bool specials = j->b->layout.cls_sep;
  const int32_t most = most_words(j);
  const size_t all = word_tokenizer_encode(j->b->tokenizer, j->texts.texts[text], text_bytes(&j->texts, text),
                                           ids + specials, (size_t)most);
  int32_t n = all < (size_t)most ? (int32_t)all : most;
  if (j->tokens != NULL) j->tokens[text] = all < INT32_MAX ? (int32_t)all : INT32_MAX;
  if (specials) {
    ids[0] = TOKEN_CLS;
    ids[n + 1] = TOKEN_SEP;
    return n + 2;
  }
  if (n == 0) ids[n++] = TOKEN_MASK;
  return n;
}

static int32_t rows_of(const void *arg, size_t i) {
  const token_share *s = arg;
  return s->begin[i + 1] - s->begin[i];
}

static souk_status add_text(void *arg, chunk *c, size_t i, souk_error *e) {
  const token_share *s = arg;
  PASS(chunk_add(c, s->ids + s->begin[i], s->types, rows_of(s, i), 0, e));
  c->adapter[c->S - 1] = s->j->options.adapter - 1;
  return SOUK_OK;
}

// v [H] of rows x [n,H].
static void pool(const simd_table *k, int32_t pooling, const float *x, size_t n, size_t H, float *v) {
  memcpy(v, x, H * sizeof *v);
  for (size_t r = 1; r < n; r++) {
    const float *row = x + r * H;
    if (pooling == SOUK_POOL_MEAN) {
      k->add(row, v, H);
    } else {
      for (size_t i = 0; i < H; i++) v[i] = row[i] > v[i] ? row[i] : v[i];
    }
  }
  if (pooling == SOUK_POOL_MEAN) k->scale(1.0f / (float)n, v, H);
}

static void take_rows(void *arg, const chunk *c, size_t first) {
  const token_share *s = arg;
  const embed_job *j = s->j;
  const size_t H = (size_t)j->b->hidden;
  const bool all = j->options.pooling != SOUK_POOL_CLS;
  for (int32_t i = 0; i < c->S; i++) {
    const size_t row = all ? (size_t)c->begin[i] : (size_t)i, end = all ? (size_t)c->begin[i + 1] : row + 1;
    float *v = j->vectors + (s->first + first + (size_t)i) * H;
    pool(c->k, j->options.pooling, c->x + row * H, end - row, H, v);
    if (j->options.normalise == 0) continue;
    const double length = length_of(v, H);
    c->k->scale((float)(1.0 / (length > 1e-12 ? length : 1e-12)), v, H);
  }
}

static souk_status embed_share(void *arg, workspace *space, size_t first, size_t n, souk_error *e) {
  const embed_job *j = arg;
  const size_t most = (size_t)j->b->layout.max_positions, H = (size_t)j->b->hidden;
  token_share s = {.j = j, .first = first};
  const chunk_job job = {.b = j->b,
                         .all = j->options.pooling != SOUK_POOL_CLS,
                         .longest = rows_of,
                         .add = add_text,
                         .done = take_rows,
                         .arg = &s};
  const size_t ids = area_size(n * most, sizeof *s.ids), types = area_size(most, sizeof *s.types);
  PASS(area_reserve(&space->rank, ids + types, e));
  s.ids = area_take(&space->rank, n * most, sizeof *s.ids);
  s.types = area_take(&space->rank, most, sizeof *s.types);
  memset(s.types, 0, most * sizeof *s.types);
  for (size_t i = 0; i < n; i++) s.begin[i + 1] = s.begin[i] + write_rows(j, first + i, s.ids + s.begin[i]);
  PASS(chunks_run(&job, &space->encode, n, e));
  for (size_t i = first; i < first + n; i++)
    if (!isfinite(length_of(j->vectors + i * H, H)))
      return infer_fail(e, SOUK_ERR_NONFINITE,
                        "texts[%zu]: the vector is not finite; the weights of %s are too large", i,
                        j->b->dir);
  return SOUK_OK;
}

souk_status embed_run(const embed_job *j, souk_error *e) {
  const double most = j->b->layout.max_positions;
  double rows = 0; // a token has four or five bytes
  for (size_t i = 0; i < j->n; i++) rows += fmin(2 + (double)text_bytes(&j->texts, i) / 4, most);
  const size_t threads = threads_worth(j->b, rows, j->n, j->options.threads);
  const size_t share = (j->n + 4 * threads - 1) / (4 * threads); // several each, since texts differ in length
  const share_job shares = {.b = j->b,
                            .n = j->n,
                            .take = threads == 1 || share > TAKE ? TAKE : share,
                            .work = embed_share,
                            .arg = (void *)(uintptr_t)j};
  return run_shares(&shares, (int32_t)threads, e);
}
