// Vectors for other programs; see vectors.h.
#include "convert/vectors.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/array_file.h"
#include "data/tokenizer.h"
#include "data/user_context.h"
#include "model/objectives/item_head.h"
#include "model/objectives/next_session.h"

enum { ITEM_ROWS = 4096, SEQUENCES = 4096, MAX_INPUT_LINE = 1 << 24 };

static status read_vocab(vocab **out, const checkpoint *c) {
  char path[PATH_MAX];
  TRY(path_join(path, sizeof path, c->dir, "vocab.tsv"));
  return vocab_read(out, path, c->data.range_end);
}

// Takes the file over: committed when all went well.
static status finish(array_file *f, status rc) {
  if (rc == OK) return array_commit(f);
  array_abort(f);
  return rc;
}

// ---- items ---------------------------------------------------------------------------------------------------

static status item_name(void *self, int64_t i, const char **name) {
  const vocab *v = self;
  *name = vocab_token(v, vocab_begin(v, RANGE_ITEMS) + (int32_t)i);
  return OK;
}

static status write_items(array_file *f, model *m, vocab *v) {
  const model_config *c = model_get_config(m);
  const int32_t first = vocab_begin(v, RANGE_ITEMS), items = vocab_end(v, RANGE_ITEMS) - first;
  const size_t W = (size_t)c->hidden + 1;
  float *block;
  TRY(mem_new(&block, ITEM_ROWS * W, sizeof *block, "item vectors"));
  status rc = array_begin(f, "item_vectors", items, (int64_t)W);
  for (int32_t i = 0; rc == OK && i < items; i += ITEM_ROWS) {
    const int32_t n = items - i < ITEM_ROWS ? items - i : ITEM_ROWS;
    rc = model_item_vectors(m, first + i - c->class_base, n, block);
    if (rc == OK) rc = array_rows(f, block, n);
  }
  free(block);
  return rc == OK ? array_names(f, "item_names", items, item_name, v) : rc;
}

status vectors_of_items(const checkpoint *c, model *m, const char *path) {
  vocab *v;
  array_file *f;
  TRY(read_vocab(&v, c));
  status rc = vocab_begin(v, RANGE_ITEMS) < vocab_end(v, RANGE_ITEMS)
                  ? array_open(&f, path)
                  : fail(ERR_ARGUMENT, "%s: its vocabulary has no items", c->dir);
  if (rc == OK) rc = finish(f, write_items(f, m, v));
  vocab_free(v);
  return rc;
}

// ---- users ---------------------------------------------------------------------------------------------------

typedef struct user_writer {
  model *m;
  array_file *f;
  batch *b;
  float *u;                    // [masked capacity, H + 1]
  const user_context *context; // NULL: histories are events alone
  int32_t *row_tokens;         // [max_positions], like row_events: a history with its context
  uint8_t *row_events;
} user_writer;

static status flush_users(user_writer *w) {
  const step_state state = {.step = 0};
  if (w->b->seqs == 0) return OK;
  batch_finish(w->b);
  TRY(model_set_batch(w->m, w->b, &state));
  TRY(model_forward(w->m, false));
  TRY(model_user_vectors(w->m, w->u));
  TRY(array_rows(w->f, w->u, w->b->n_masked));
  batch_clear(w->b);
  return OK;
}

static status add_user(user_writer *w, const sequence *s, vector_part part) {
  const seq_layout layout = model_layout(model_get_config(w->m));
  const int32_t n = part == VECTORS_TEST ? s->test_from : part == VECTORS_VALID ? s->valid_from : s->n;
  const batch_input history =
      context_query(w->context, &layout, s->index, s->tokens, s->events, n, w->row_tokens, w->row_events);
  if (batch_add_query(w->b, &layout, &history, s->index, -1)) return OK;
  TRY(flush_users(w));
  if (batch_add_query(w->b, &layout, &history, s->index, -1)) return OK;
  return fail(ERR_INTERNAL, "a history of %d events does not fit into a batch", n);
}

static status add_block(user_writer *w, dataset *d, int64_t first, int64_t n, vector_part part) {
  sequence_block *block;
  TRY(block_read(&block, d, first, n));
  status rc = OK;
  for (int64_t i = 0; rc == OK && i < n; i++) {
    sequence s;
    block_get(block, i, &s);
    rc = add_user(w, &s, part);
  }
  block_free(block);
  return rc;
}

// users.tsv has a name for each sequence, in order.
typedef struct user_names {
  char path[PATH_MAX];
  line_reader *lines;
} user_names;

static status user_name(void *self, int64_t i, const char **name) {
  user_names *u = self;
  char *line;
  size_t bytes;
  bool end;
  if (i == 0) {
    lines_close(u->lines);
    u->lines = NULL;
    TRY(lines_open(&u->lines, u->path, MAX_INPUT_LINE));
  }
  TRY(lines_next(u->lines, &line, &bytes, &end));
  if (end || !vocab_unescape(line))
    return fail(ERR_FORMAT, "%s: the name of sequence %lld is missing or malformed", u->path, (long long)i);
  *name = line;
  return OK;
}

static status write_users(user_writer *w, dataset *d, vector_part part) {
  const int64_t n = dataset_get_info(d)->sequences, width = model_get_config(w->m)->hidden + 1;
  const batch_caps caps = model_get_run(w->m)->caps;
  TRY(batch_new(&w->b, caps));
  TRY(mem_new(&w->u, (size_t)caps.masked, (size_t)width * sizeof *w->u, "user vectors"));
  batch_clear(w->b);
  TRY(array_begin(w->f, "user_vectors", n, width));
  for (int64_t i = 0; i < n; i += SEQUENCES)
    TRY(add_block(w, d, i, n - i < SEQUENCES ? n - i : SEQUENCES, part));
  TRY(flush_users(w));
  user_names names = {.lines = NULL};
  TRY(path_join(names.path, sizeof names.path, dataset_dir(d), "users.tsv"));
  const status rc = array_names(w->f, "user_names", n, user_name, &names);
  lines_close(names.lines);
  return rc;
}

status vectors_of_users(const checkpoint *c, model *m, dataset *d, vector_part part, const char *path) {
  user_writer w = {.m = m};
  const size_t most = (size_t)model_get_config(m)->max_positions;
  TRY(dataset_user_context(d, &w.context));
  checkpoint_warn_untrained_ranking(c);
  TRY(array_open(&w.f, path));
  status rc = mem_new(&w.row_tokens, most, sizeof *w.row_tokens, "a history");
  if (rc == OK) rc = mem_new(&w.row_events, most, sizeof *w.row_events, "a history");
  rc = finish(w.f, rc == OK ? write_users(&w, d, part) : rc);
  batch_free(w.b);
  free(w.row_tokens);
  free(w.row_events);
  free(w.u);
  return rc;
}

// ---- hidden states -------------------------------------------------------------------------------------------

typedef struct token_writer {
  model *m;
  const char *input, *path;
  int64_t line; // from 1
  vocab *v;
  const json_t *tokenizer; // of the checkpoint
  array_file *f;
  batch *b;
  float *hidden;          // [token capacity, H]
  int64_t *offsets;       // first row of each sequence, and the end
  float *pooled, *scores; // of all sequences, [n, H] and [n, 2]; NULL without a pooler
  size_t offsets_cap, pooled_cap, scores_cap;
  int64_t n, tokens, rows_done; // sequences, their rows, rows written
} token_writer;

static status bad_line(const token_writer *w, const char *what) {
  return fail(ERR_FORMAT, "%s line %lld: %s", w->input, (long long)w->line, what);
}

// A special token has the name that it has in Souk, and the one of the model that was imported.
static int32_t find_token(const token_writer *w, const char *name) {
  const vocab *v = w->v;
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    if (strcmp(name, tokenizer_special(w->tokenizer, i)) == 0) return i;
  for (int r = 0; r < RANGE_COUNT; r++) {
    const int32_t id = vocab_find(v, (vocab_range)r, name);
    if (id >= 0) return id;
  }
  return -1;
}

static status read_token(const token_writer *w, const json_t *j, int32_t *id) {
  const char *name = json_string_value(j);
  if (name != NULL) {
    *id = find_token(w, name);
    if (*id < 0)
      return fail(ERR_FORMAT, "%s line %lld: the vocabulary has no token \"%.200s\"", w->input,
                  (long long)w->line, name);
    return OK;
  }
  if (!json_is_integer(j) || json_integer_value(j) < 0 || json_integer_value(j) >= vocab_size(w->v))
    return bad_line(w, "a token is neither a name nor an id of the vocabulary");
  *id = (int32_t)json_integer_value(j);
  return OK;
}

static status read_type(const token_writer *w, const json_t *types, size_t i, int32_t *type) {
  const model_config *c = model_get_config(w->m);
  *type = 0;
  if (types == NULL) return OK;
  const json_t *j = json_array_get(types, i);
  if (!json_is_integer(j) || json_integer_value(j) < 0 ||
      json_integer_value(j) >= c->segments * c->event_types)
    return bad_line(w, "\"types\" must name a token type for each token");
  *type = (int32_t)json_integer_value(j);
  return OK;
}

static status flush_tokens(token_writer *w) {
  const step_state state = {.step = 0};
  const model_config *c = model_get_config(w->m);
  const size_t H = (size_t)c->hidden, n = (size_t)w->b->seqs, done = (size_t)w->n - n;
  if (n == 0) return OK;
  batch_finish(w->b);
  TRY(model_set_batch(w->m, w->b, &state));
  TRY(model_forward(w->m, false));
  TRY(model_hidden(w->m, w->hidden));
  TRY(array_rows(w->f, w->hidden, w->b->tokens));
  if (c->pooler && !array_is_npy(w->f)) {
    TRY(mem_grow(&w->pooled, &w->pooled_cap, (done + n) * H, sizeof *w->pooled, "pooled states"));
    TRY(mem_grow(&w->scores, &w->scores_cap, (done + n) * 2, sizeof *w->scores, "next-sentence scores"));
    TRY(model_next_sentence(w->m, w->pooled + done * H, w->scores + done * 2));
  }
  batch_clear(w->b);
  return OK;
}

static status add_sequence(token_writer *w, const json_t *j) {
  const json_t *tokens = json_object_get(j, "tokens"), *types = json_object_get(j, "types");
  if (tokens == NULL) tokens = json_object_get(j, "ids");
  const int64_t n = (int64_t)json_array_size(tokens);
  const model_config *c = model_get_config(w->m);
  if (n == 0) return bad_line(w, "{\"tokens\": [...]} or {\"ids\": [...]} is expected");
  if (n > c->max_positions)
    return fail(ERR_FORMAT, "%s line %lld: %lld tokens, model.max_positions is %lld", w->input,
                (long long)w->line, (long long)n, (long long)c->max_positions);
  if (types != NULL && (int64_t)json_array_size(types) != n)
    return bad_line(w, "\"types\" must name a token type for each token");
  const seq_layout layout = model_layout(c);
  batch *b = w->b;
  if (!batch_has_room(b, (int32_t)n)) TRY(flush_tokens(w));
  const int32_t begin = b->tokens;
  for (int32_t i = 0; i < (int32_t)n; i++) {
    TRY(read_token(w, json_array_get(tokens, (size_t)i), &b->ids[begin + i]));
    TRY(read_type(w, types, (size_t)i, &b->types[begin + i]));
  }
  sequence_positions(&layout, (int32_t)n, b->positions + begin);
  batch_end_sequence(b, (int32_t)n, w->n++);
  return OK;
}

// Calls add for each line, or only counts them and their tokens.
static status each_line(token_writer *w, bool add) {
  line_reader *lines;
  TRY(lines_open_input(&lines, w->input, MAX_INPUT_LINE, NULL));
  status rc = OK;
  for (w->line = 1;; w->line++) {
    char *line;
    size_t bytes;
    bool end;
    json_error_t error;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    json_t *j = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
    if (j == NULL) {
      rc = bad_line(w, error.text);
    } else if (add) {
      rc = add_sequence(w, j);
    } else {
      const json_t *tokens = json_object_get(j, "tokens");
      rc = mem_grow(&w->offsets, &w->offsets_cap, (size_t)w->n + 2, sizeof *w->offsets, "offsets");
      if (rc == OK) w->offsets[w->n++] = w->tokens;
      w->tokens += (int64_t)json_array_size(tokens != NULL ? tokens : json_object_get(j, "ids"));
    }
    json_decref(j);
    if (rc != OK) break;
  }
  lines_close(lines);
  return rc;
}

// "4 0": the first row of the fifth sequence.
typedef struct row_names {
  const int64_t *offsets;
  int64_t sequence; // of the row asked for last
  char text[48];
} row_names;

static status row_name(void *self, int64_t i, const char **name) {
  row_names *r = self;
  if (i == 0) r->sequence = 0;
  while (i >= r->offsets[r->sequence + 1]) r->sequence++;
  snprintf(r->text, sizeof r->text, "%lld %lld", (long long)r->sequence,
           (long long)(i - r->offsets[r->sequence]));
  *name = r->text;
  return OK;
}

// Where each sequence begins: an array of an HDF5 file; a .npy file has but one, so there its rows have names.
static status write_bounds(token_writer *w, int64_t n) {
  row_names names = {.offsets = w->offsets};
  if (!array_is_npy(w->f)) return array_integers(w->f, "offsets", w->offsets, n + 1);
  if (model_get_config(w->m)->pooler)
    log_info("%s has one array: pooled and next_sentence_scores are written to .h5 files only", w->path);
  return array_names(w->f, "row_names", w->tokens, row_name, &names);
}

static status write_tokens(token_writer *w) {
  const model_config *c = model_get_config(w->m);
  const batch_caps caps = model_get_run(w->m)->caps;
  TRY(each_line(w, false));
  if (w->n == 0) return fail(ERR_FORMAT, "%s has no lines", w->input);
  if (!file_exists(w->input))
    return fail(ERR_ARGUMENT,
                "%s is a pipe or a device, and --input is read twice; write its lines to a file first",
                w->input);
  w->offsets[w->n] = w->tokens;
  TRY(batch_new(&w->b, caps));
  TRY(mem_new(&w->hidden, (size_t)(caps.tokens * c->hidden), sizeof *w->hidden, "hidden states"));
  batch_clear(w->b);
  const int64_t n = w->n;
  w->n = 0;
  TRY(array_begin(w->f, "hidden_states", w->tokens, c->hidden));
  TRY(each_line(w, true));
  TRY(flush_tokens(w));
  TRY(write_bounds(w, n));
  if (!c->pooler || array_is_npy(w->f)) return OK;
  TRY(array_begin(w->f, "pooled", n, c->hidden));
  TRY(array_rows(w->f, w->pooled, n));
  TRY(array_begin(w->f, "next_sentence_scores", n, 2));
  return array_rows(w->f, w->scores, n);
}

status vectors_of_tokens(const checkpoint *c, model *m, const char *input, const char *path) {
  token_writer w = {.m = m, .input = input, .path = path, .tokenizer = c->tokenizer};
  TRY(read_vocab(&w.v, c));
  status rc = array_open(&w.f, path);
  if (rc == OK && c->model.pooler && !array_is_npy(w.f))
    checkpoint_warn_untrained(c, objective_next_session.name);
  if (rc == OK) rc = finish(w.f, write_tokens(&w));
  batch_free(w.b);
  vocab_free(w.v);
  free(w.hidden);
  free(w.offsets);
  free(w.pooled);
  free(w.scores);
  return rc;
}
