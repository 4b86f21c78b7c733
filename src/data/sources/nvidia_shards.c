// The parent's side of NVIDIA's shards; see nvidia_shards.h. Everything that the reading process sends is checked.
#include "data/sources/nvidia_shards.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/child.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/sha256.h"
#include "hdf5/hdf5_glue.h"
#include "data/sources/nvidia_find.h"
#include "data/sources/nvidia_internal.h"
#include "data/wordpiece.h"

struct nvidia_shards {
  char dir[PATH_MAX];
  shard_files files;
  char **paths; // [n], of files
  int32_t n;
  wordpiece *words;
  child *reader;
  pthread_mutex_t lock; // of the reader
  int64_t *first;       // [n + 1]
  int32_t *lengths;     // [first[n]]
  size_t lengths_cap;
  int32_t most_masked, positions; // P; S of the first shard
  char identity[65];
};

struct nvidia_rows {
  int64_t first, count;
  int64_t *tokens_at, *masked_at; // [count + 1]
  int32_t *tokens, *positions, *labels, *masked;
  uint8_t *segments;
  int8_t *next;
};

// ---- the directory -------------------------------------------------------------------------------------------

bool nvidia_found(const char *dir) {
  shard_files files;
  const bool found = shard_files_find(&files, dir) == OK && files.n > 0;
  shard_files_free(&files);
  return found;
}

static status list_shards(nvidia_shards *s) {
  TRY(shard_files_find(&s->files, s->dir));
  if (s->files.n == 0) return fail(ERR_NOT_FOUND, "%s holds no shards (.hdf5, .h5)", s->dir);
  TRY(mem_new(&s->paths, (size_t)s->files.n, sizeof *s->paths, "names of shards"));
  for (; s->n < s->files.n; s->n++) {
    char path[PATH_MAX];
    TRY(path_join(path, sizeof path, s->dir, s->files.names[s->n]));
    TRY(mem_strdup(&s->paths[s->n], path));
  }
  shard_files_tell(&s->files, s->dir);
  return OK;
}

// The vocabulary nearest to the shards: in the folder that holds all of them, or above it, as far as the directory.
static status read_words(nvidia_shards *s) {
  char path[PATH_MAX], folder[PATH_MAX];
  for (size_t n = shard_files_common(&s->files);; n--) {
    if (n > 0 && s->files.names[0][n] != '/') continue;
    snprintf(folder, sizeof folder, "%.*s", (int)n, s->files.names[0]);
    TRY(path_join(path, sizeof path, s->dir, folder));
    const status rc = wordpiece_read(&s->words, path);
    if (rc != ERR_NOT_FOUND) return rc;
    if (n == 0) break;
  }
  return fail(ERR_NOT_FOUND,
              "%s holds HDF5 shards but not the vocabulary they were made with; link it there as vocab.txt",
              s->dir);
}

// ---- asking the reader ---------------------------------------------------------------------------------------

static status not_credible(const char *path) {
  return fail(ERR_FORMAT, "%s: the process that reads it sent an invalid answer", path);
}

// Sends a request and takes the head of its answer; an error of the reader becomes ours.
static status ask(nvidia_shards *s, int32_t command, int32_t shard, shard_head *head) {
  const int32_t request[2] = {command, shard};
  const char *path = s->paths[shard];
  TRY(child_send(s->reader, request, sizeof request));
  TRY(child_receive(s->reader, head, sizeof *head));
  if (head->rc == OK) {
    const bool possible = head->rows > 0 && head->rows <= MAX_SHARD_ROWS && head->positions > 0 &&
                          head->positions <= MAX_SHARD_POSITIONS && head->masked > 0 &&
                          head->masked <= head->positions;
    return possible ? OK : not_credible(path);
  }
  char message[2048];
  if (head->rc < 0 || head->rc >= STATUS_COUNT || head->message_bytes < 0 ||
      head->message_bytes >= (int)sizeof message)
    return not_credible(path);
  TRY(child_receive(s->reader, message, (size_t)head->message_bytes));
  message[head->message_bytes] = '\0';
  return fail((status)head->rc, "%s", message);
}

// Folders of examples of different lengths are different data: those of two phases of a training, say.
static status check_folders(nvidia_shards *s, int32_t shard, int32_t positions) {
  if (shard == 0) s->positions = positions;
  if (!s->files.in_folders || positions == s->positions) return OK;
  return fail(ERR_ARGUMENT,
              "%s holds shards for several trainings: examples in %s have %d places, in %s %d; name the "
              "folder of one",
              s->dir, s->files.names[0], s->positions, s->files.names[shard], positions);
}

static status index_shard(nvidia_shards *s, int32_t shard) {
  shard_head head;
  TRY(ask(s, SHARD_INDEX, shard, &head));
  const int64_t first = s->first[shard], end = first + head.rows;
  TRY(mem_grow(&s->lengths, &s->lengths_cap, (size_t)end, sizeof *s->lengths, "the shards' index"));
  TRY(child_receive(s->reader, s->lengths + first, (size_t)head.rows * sizeof *s->lengths));
  for (int64_t i = first; i < end; i++)
    if (s->lengths[i] < 1 || s->lengths[i] > head.positions) return not_credible(s->paths[shard]);
  TRY(check_folders(s, shard, head.positions));
  if (head.masked > s->most_masked) s->most_masked = head.masked;
  s->first[shard + 1] = end;
  return OK;
}

static status index_all(nvidia_shards *s) {
  double said = now_seconds();
  for (int32_t i = 0; i < s->n; i++) {
    TRY(index_shard(s, i));
    if (now_seconds() - said < 5.0) continue;
    said = now_seconds();
    log_info("%s: %d of %d shards indexed", s->dir, i + 1, s->n);
  }
  return OK;
}

static status make_identity(nvidia_shards *s) {
  sha256 h;
  sha256_init(&h);
  for (int32_t i = 0; i < s->n; i++) sha256_update(&h, s->files.names[i], strlen(s->files.names[i]) + 1);
  sha256_update(&h, s->first, ((size_t)s->n + 1) * sizeof *s->first);
  sha256_update(&h, s->lengths, (size_t)s->first[s->n] * sizeof *s->lengths);
  for (int32_t i = 0; i < vocab_size(s->words->v); i++) {
    const char *token = vocab_token(s->words->v, i);
    sha256_update(&h, token, strlen(token) + 1);
  }
  sha256_final(&h, s->identity);
  return OK;
}

static status start_reader(nvidia_shards *s) {
  char what[PATH_MAX + 32];
  snprintf(what, sizeof what, "the process that reads %s", s->dir);
  shard_paths paths = {s->paths, s->n};
  h5_lock(); // so that no other thread is inside the library during the fork
  const status rc = child_start(&s->reader, what, nvidia_serve, &paths);
  h5_unlock();
  return rc;
}

status nvidia_open(nvidia_shards **out, const char *dir) {
  *out = NULL;
  nvidia_shards *s;
  TRY(mem_new(&s, 1, sizeof *s, "shards"));
  pthread_mutex_init(&s->lock, NULL);
  status rc;
  TRY_GOTO(path_join(s->dir, sizeof s->dir, dir, ""), bad);
  s->dir[strlen(s->dir) - 1] = '\0';
  TRY_GOTO(list_shards(s), bad);
  TRY_GOTO(read_words(s), bad);
  TRY_GOTO(mem_new(&s->first, (size_t)s->n + 1, sizeof *s->first, "the shards' index"), bad);
  TRY_GOTO(start_reader(s), bad);
  TRY_GOTO(index_all(s), bad);
  TRY_GOTO(make_identity(s), bad);
  *out = s;
  return OK;
bad:
  nvidia_close(s);
  return rc;
}

void nvidia_close(nvidia_shards *s) {
  if (s == NULL) return;
  child_stop(s->reader);
  for (int32_t i = 0; i < s->n; i++) free(s->paths[i]);
  free(s->paths);
  shard_files_free(&s->files);
  wordpiece_close(s->words);
  free(s->first);
  free(s->lengths);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

const vocab *nvidia_vocab(const nvidia_shards *s) {
  return s->words->v;
}
json_t *nvidia_tokenizer(const nvidia_shards *s) {
  return s->words->tokenizer;
}
int32_t nvidia_count(const nvidia_shards *s) {
  return s->n;
}
int64_t nvidia_first(const nvidia_shards *s, int32_t shard) {
  return s->first[shard];
}
const int32_t *nvidia_lengths(const nvidia_shards *s) {
  return s->lengths;
}
int32_t nvidia_most_masked(const nvidia_shards *s) {
  return s->most_masked;
}
const char *nvidia_identity(const nvidia_shards *s) {
  return s->identity;
}

// ---- a shard in memory ---------------------------------------------------------------------------------------

double nvidia_rows_bytes(const nvidia_shards *s) {
  const nvidia_rows r = {0}; // for the sizes of what it points at
  const double row = sizeof *r.tokens_at + sizeof *r.masked_at + sizeof *r.masked + sizeof *r.next,
               token = sizeof *r.tokens + sizeof *r.segments, mask = sizeof *r.positions + sizeof *r.labels;
  const int64_t rows = s->first[s->n];
  double tokens = 0;
  for (int64_t i = 0; i < rows; i++) tokens += s->lengths[i];
  return (double)rows * (row + mask * s->most_masked) + token * tokens;
}

static status receive_rows(nvidia_rows *r, nvidia_shards *s, int32_t shard) {
  shard_head head;
  TRY(ask(s, SHARD_READ, shard, &head));
  const size_t n = (size_t)r->count;
  r->tokens_at[0] = r->masked_at[0] = 0;
  for (int64_t i = 0; i < r->count; i++)
    r->tokens_at[i + 1] = r->tokens_at[i] + s->lengths[r->first + i]; // checked against the index
  if (head.rows != r->count || head.all_tokens != r->tokens_at[r->count])
    return fail(ERR_FORMAT, "%s has changed since it was opened", s->paths[shard]);
  if (head.all_masked < 0 || head.all_masked > head.rows * head.masked) return not_credible(s->paths[shard]);
  const size_t tokens = (size_t)head.all_tokens, masked = (size_t)head.all_masked;
  TRY(mem_new(&r->tokens, tokens, sizeof *r->tokens, "a shard"));
  TRY(mem_new(&r->segments, tokens, sizeof *r->segments, "a shard"));
  TRY(mem_new(&r->positions, masked, sizeof *r->positions, "a shard"));
  TRY(mem_new(&r->labels, masked, sizeof *r->labels, "a shard"));
  TRY(child_receive(s->reader, r->masked, n * sizeof *r->masked));
  TRY(child_receive(s->reader, r->next, n));
  TRY(child_receive(s->reader, r->tokens, tokens * sizeof *r->tokens));
  TRY(child_receive(s->reader, r->segments, tokens));
  TRY(child_receive(s->reader, r->positions, masked * sizeof *r->positions));
  TRY(child_receive(s->reader, r->labels, masked * sizeof *r->labels));
  for (int64_t i = 0; i < r->count; i++) {
    if (r->masked[i] < 0 || r->masked[i] > head.masked) return not_credible(s->paths[shard]);
    r->masked_at[i + 1] = r->masked_at[i] + r->masked[i];
  }
  return r->masked_at[r->count] == head.all_masked ? OK : not_credible(s->paths[shard]);
}

static status bad_value(const char *path, const char *name, int64_t row, int64_t column, int64_t value,
                        const char *why) {
  return fail(ERR_FORMAT, "%s: dataset \"%s\" row %lld column %lld is %lld, %s", path, name, (long long)row,
              (long long)column, (long long)value, why);
}

// Has the vocabulary a token of this id?
static bool is_token(const nvidia_shards *s, int32_t id) {
  return id >= 0 && id < s->words->n && s->words->ours[id] < vocab_size(s->words->v);
}

// Checks the range of every number, and converts ids to our numbering.
// seen [MAX_SHARD_POSITIONS] is all false before and, after success, again.
static status check_row(nvidia_rows *r, const nvidia_shards *s, int32_t shard, int64_t i, bool *seen) {
  const char *path = s->paths[shard];
  const int64_t at = r->tokens_at[i], n = r->tokens_at[i + 1] - at, masked_at = r->masked_at[i];
  char why[64];
  snprintf(why, sizeof why, "not an id of the vocabulary's %d", vocab_size(s->words->v));
  for (int64_t k = 0; k < n; k++) {
    const int32_t id = r->tokens[at + k];
    if (!is_token(s, id)) return bad_value(path, "input_ids", i, k, id, why);
    r->tokens[at + k] = s->words->ours[id];
    if (r->segments[at + k] > 1)
      return bad_value(path, "segment_ids", i, k, (int8_t)r->segments[at + k], "not 0 or 1");
  }
  for (int64_t k = 0; k < r->masked[i]; k++) {
    const int32_t position = r->positions[masked_at + k], id = r->labels[masked_at + k];
    if (position < 0 || position >= n)
      return bad_value(path, "masked_lm_positions", i, k, position, "not the place of a token");
    if (seen[position])
      return bad_value(path, "masked_lm_positions", i, k, position, "a second time in this row");
    seen[position] = true;
    if (!is_token(s, id)) return bad_value(path, "masked_lm_ids", i, k, id, why);
    r->labels[masked_at + k] = s->words->ours[id];
  }
  for (int64_t k = 0; k < r->masked[i]; k++) seen[r->positions[masked_at + k]] = false;
  if (r->next[i] != 0 && r->next[i] != 1)
    return bad_value(path, "next_sentence_labels", i, 0, r->next[i], "not 0 or 1");
  return OK;
}

status nvidia_read(nvidia_rows **out, nvidia_shards *s, int32_t shard) {
  *out = NULL;
  nvidia_rows *r;
  TRY(mem_new(&r, 1, sizeof *r, "a shard"));
  r->first = s->first[shard];
  r->count = s->first[shard + 1] - r->first;
  const size_t n = (size_t)r->count;
  status rc;
  TRY_GOTO(mem_new(&r->tokens_at, n + 1, sizeof *r->tokens_at, "a shard"), bad);
  TRY_GOTO(mem_new(&r->masked_at, n + 1, sizeof *r->masked_at, "a shard"), bad);
  TRY_GOTO(mem_new(&r->masked, n, sizeof *r->masked, "a shard"), bad);
  TRY_GOTO(mem_new(&r->next, n, sizeof *r->next, "a shard"), bad);
  pthread_mutex_lock(&s->lock);
  rc = receive_rows(r, s, shard);
  pthread_mutex_unlock(&s->lock);
  bool seen[MAX_SHARD_POSITIONS] = {false};
  for (int64_t i = 0; rc == OK && i < r->count; i++) rc = check_row(r, s, shard, i, seen);
  if (rc != OK) goto bad;
  *out = r;
  return OK;
bad:
  nvidia_rows_free(r);
  return rc;
}

void nvidia_rows_free(nvidia_rows *r) {
  if (r == NULL) return;
  void *const arrays[] = {r->tokens_at, r->masked_at, r->tokens,   r->positions,
                          r->labels,    r->masked,    r->segments, r->next};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(r);
}

void nvidia_get(const nvidia_rows *r, int64_t row, premasked *p) {
  const int64_t i = row - r->first;
  *p = (premasked){.n = (int32_t)(r->tokens_at[i + 1] - r->tokens_at[i]),
                   .n_masked = r->masked[i],
                   .tokens = r->tokens + r->tokens_at[i],
                   .segments = r->segments + r->tokens_at[i],
                   .positions = r->positions + r->masked_at[i],
                   .labels = r->labels + r->masked_at[i],
                   .next = r->next[i]};
}
