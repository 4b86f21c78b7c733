// Reading a data set. Opening reads the manifest, the vocabulary and the index (8 bytes a sequence); sequences are
// read block by block, straight from the shards that hold them.
#include "data/dataset.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "data/dataset_internal.h"
#include "data/hard_negatives.h"
#include "data/dataset_manifest.h"
#include "data/history_check.h"
#include "format/utf8.h"
#include "hdf5/h5_reader.h"

enum { OPEN_TRIES = 16, COUNTED_SEQUENCES = 4096 };

typedef struct shard {
  char path[PATH_MAX];
  int32_t file;         // of the reader
  int64_t first, count; // sequences
  int64_t *offsets;     // [count + 1]
} shard;

struct dataset {
  char dir[PATH_MAX];
  dataset_info info;
  json_t *files;            // that the manifest lists; NULL without one
  json_t *tokenizer;        // NULL: none
  vocab *v;                 // NULL with premasked shards, which bring theirs
  nvidia_shards *premasked; // NULL for a prepared data set
  h5_reader *reader;
  shard *shards; // [found]
  size_t shards_cap;
  int32_t found;
  int32_t *train_lengths, *lengths, *test_from;
  size_t train_cap, lengths_cap, test_cap;
  // The shards' tokens and event types in the vocabulary that blocks are in. NULL: they are the same.
  int32_t *token_as; // [stored.vocab_size]
  uint8_t event_as[MAX_EVENT_TYPES];
  dataset_info stored; // of the shards, with token_as
  item_data items;
  const struct labelled_rows *labelled;
  json_t *labels;
  pthread_mutex_t labels_lock; // checkpoints are written by a thread of their own
};

struct sequence_block {
  int64_t first, count;
  int64_t *offsets; // [count + 1] into the arrays below
  int32_t *tokens, *sessions, *valid_from, *test_from;
  uint8_t *events;
  int64_t *times, *users;
};

// ---- index ---------------------------------------------------------------------------------------------------

static status check_dims(const dataset *d, const shard *s, int64_t tokens) {
  const int64_t n = s->count;
  const struct {
    const char *name;
    h5_kind kind;
    int64_t size;
  } sets[] = {{"events", H5_KIND_U8, tokens},    {"times", H5_KIND_I64, tokens},
              {"sessions", H5_KIND_I32, tokens}, {"valid_from", H5_KIND_I32, n},
              {"test_from", H5_KIND_I32, n},     {"users", H5_KIND_I64, n}};
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    int64_t m;
    TRY(reader_dims(d->reader, s->file, sets[i].name, sets[i].kind, 1, &m));
    if (m != sets[i].size)
      return fail(ERR_FORMAT, "%s: dataset \"%s\" has %lld elements, not %lld", s->path, sets[i].name,
                  (long long)m, (long long)sets[i].size);
  }
  return OK;
}

static status read_lengths(dataset *d, const shard *s, int64_t tokens) {
  const int64_t *at = s->offsets; // from 0 and rising, so that no difference overflows
  if (at[0] != 0 || at[s->count] != tokens)
    return fail(ERR_FORMAT, "%s: dataset \"offsets\" does not cover the tokens", s->path);
  for (int64_t i = 0; i < s->count; i++) {
    if (at[i + 1] <= at[i] || at[i + 1] - at[i] > d->info.longest)
      return fail(ERR_FORMAT, "%s: history %lld has bad offsets", s->path, (long long)(s->first + i));
    d->lengths[s->first + i] = (int32_t)(at[i + 1] - at[i]);
  }
  return OK;
}

// Cuts, which are kept, and users.
static status read_cuts(dataset *d, const shard *s) {
  const history_index h = {.shard = s->path,
                           .first = s->first,
                           .n = s->count,
                           .lengths = d->lengths + s->first,
                           .valid_from = d->train_lengths + s->first,
                           .test_from = d->test_from + s->first};
  const int64_t n = s->count;
  int64_t *users;
  TRY(mem_new(&users, (size_t)n, sizeof *users, "a shard's index"));
  status rc =
      reader_rows(d->reader, s->file, "valid_from", H5_KIND_I32, 1, 0, n, 1, d->train_lengths + s->first);
  if (rc == OK)
    rc = reader_rows(d->reader, s->file, "test_from", H5_KIND_I32, 1, 0, n, 1, d->test_from + s->first);
  if (rc == OK) rc = reader_rows(d->reader, s->file, "users", H5_KIND_I64, 1, 0, n, 1, users);
  if (rc == OK) rc = history_check_index(&h, users);
  free(users);
  return rc;
}

static status read_shard_index(dataset *d, shard *s) {
  h5_reader *r = d->reader;
  int64_t n_offsets, tokens;
  TRY(reader_open(r, s->path, "souk.shard", 1, &s->file));
  TRY(reader_dims(r, s->file, "offsets", H5_KIND_I64, 1, &n_offsets));
  TRY(reader_dims(r, s->file, "tokens", H5_KIND_I32, 1, &tokens));
  if (n_offsets < 1) return fail(ERR_FORMAT, "%s: dataset \"offsets\" is empty", s->path);
  s->count = n_offsets - 1;
  TRY(check_dims(d, s, tokens));
  if (s->count > d->info.sequences - s->first)
    return fail(ERR_FORMAT, "%s: more sequences than the manifest says", s->path);
  const size_t end = (size_t)(s->first + s->count);
  TRY(mem_grow(&d->lengths, &d->lengths_cap, end + 1, sizeof *d->lengths, "the data set's index"));
  TRY(mem_grow(&d->train_lengths, &d->train_cap, end + 1, sizeof *d->lengths, "the data set's index"));
  TRY(mem_grow(&d->test_from, &d->test_cap, end + 1, sizeof *d->test_from, "the data set's index"));
  TRY(mem_new(&s->offsets, (size_t)n_offsets, sizeof *s->offsets, "a shard's index"));
  TRY(reader_rows(r, s->file, "offsets", H5_KIND_I64, 1, 0, n_offsets, 1, s->offsets));
  TRY(read_lengths(d, s, tokens));
  return read_cuts(d, s);
}

// Shards that are there; nothing is allocated by the manifest's number alone.
static status find_shards(dataset *d) {
  for (int32_t i = 0; i < d->info.shards; i++) {
    char name[32];
    TRY(mem_grow(&d->shards, &d->shards_cap, (size_t)i + 1, sizeof *d->shards, "the list of shards"));
    shard *s = &d->shards[i];
    *s = (shard){.file = -1};
    d->found = i + 1;
    snprintf(name, sizeof name, "shard-%05d.h5", i);
    TRY(path_join(s->path, sizeof s->path, d->dir, name));
    bool there;
    TRY(file_look(s->path, &there));
    if (!there)
      return fail(ERR_NOT_FOUND, "%s is missing: the manifest lists %d shards", s->path, d->info.shards);
  }
  return OK;
}

static status open_shards(dataset *d, int64_t *sequences) {
  *sequences = 0;
  TRY(reader_start(&d->reader));
  for (int32_t i = 0; i < d->found; i++) {
    d->shards[i].first = *sequences;
    TRY(read_shard_index(d, &d->shards[i]));
    *sequences += d->shards[i].count;
  }
  return OK;
}

// ---- data sets from elsewhere --------------------------------------------------------------------------------

static void take_ranges(dataset_info *info, const vocab *v) {
  info->vocab_size = vocab_size(v);
  for (int r = 0; r < RANGE_COUNT; r++) info->range_end[r] = vocab_end(v, (vocab_range)r);
}

static status open_premasked(dataset *d) {
  TRY(nvidia_open(&d->premasked, d->dir));
  dataset_info *info = &d->info;
  const char *slash = strrchr(d->dir, '/'), *name = slash != NULL && slash[1] != '\0' ? slash + 1 : d->dir;
  memcpy(info->name, name, utf8_cut(name, strlen(name), sizeof info->name - 1)); // zeroed
  snprintf(info->checksum, sizeof info->checksum, "%s", nvidia_identity(d->premasked));
  info->shards = nvidia_count(d->premasked);
  info->sequences = nvidia_first(d->premasked, info->shards);
  info->n_event_types = 1;
  strcpy(info->event_types[0], "none");
  TRY(mem_new(&d->lengths, (size_t)info->sequences, sizeof *d->lengths, "the data set's index"));
  TRY(mem_new(&d->train_lengths, (size_t)info->sequences, sizeof *d->lengths, "the data set's index"));
  TRY(mem_new(&d->test_from, (size_t)info->sequences, sizeof *d->lengths, "the data set's index"));
  for (int64_t i = 0; i < info->sequences; i++) {
    const int32_t n = nvidia_lengths(d->premasked)[i];
    d->lengths[i] = d->train_lengths[i] = d->test_from[i] = n;
    info->tokens += n;
    if (n > info->longest) info->longest = n;
  }
  info->train_tokens = info->tokens;
  info->window = info->stride = info->longest;
  info->shards = 0; // of ours
  take_ranges(info, nvidia_vocab(d->premasked));
  dataset_set_tokenizer(d, nvidia_tokenizer(d->premasked));
  return OK;
}

status dataset_of_vocab(dataset **out, const dataset_info *info, vocab *v) {
  *out = NULL;
  dataset *d;
  const status rc = mem_new(&d, 1, sizeof *d, "a data set");
  if (rc != OK) {
    vocab_free(v);
    return rc;
  }
  pthread_mutex_init(&d->labels_lock, NULL);
  d->info = *info;
  d->v = v;
  take_ranges(&d->info, v);
  *out = d;
  return OK;
}

json_t *dataset_tokenizer(const dataset *d) {
  return d->tokenizer;
}

const struct labelled_rows *dataset_labelled(const dataset *d) {
  return d->labelled;
}

void dataset_set_labelled(dataset *d, const struct labelled_rows *rows) {
  d->labelled = rows;
}

json_t *dataset_labels(const dataset *d) {
  pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&d->labels_lock;
  pthread_mutex_lock(lock);
  json_t *labels = json_incref(d->labels);
  pthread_mutex_unlock(lock);
  return labels;
}

void dataset_set_labels(dataset *d, json_t *labels) {
  pthread_mutex_lock(&d->labels_lock);
  json_t *before = d->labels;
  d->labels = json_incref(labels);
  pthread_mutex_unlock(&d->labels_lock);
  json_decref(before);
}

void dataset_set_tokenizer(dataset *d, json_t *settings) {
  if (settings == NULL) return;
  json_decref(d->tokenizer);
  d->tokenizer = json_incref(settings);
}

nvidia_shards *dataset_premasked(const dataset *d) {
  return d->premasked;
}

// Only what the manifest lists goes into checkpoints.
static void warn_of_stray_catalogue(const dataset *d) {
  char path[PATH_MAX];
  if (json_object_get(d->files, "catalogue.jsonl") != NULL) return;
  if (path_join(path, sizeof path, d->dir, "catalogue.jsonl") == OK && file_exists(path))
    log_warn("%s is not listed in the manifest beside it, so it is left out; souk prepare --input.catalogue "
             "adds one",
             path);
}

static status open_once(dataset **out, const char *dir, bool verify) {
  *out = NULL;
  dataset *d;
  char path[PATH_MAX];
  bool prepared;
  TRY(mem_new(&d, 1, sizeof *d, "a data set"));
  pthread_mutex_init(&d->labels_lock, NULL);
  status rc;
  TRY_GOTO(path_join(d->dir, sizeof d->dir, dir, ""), bad);
  d->dir[strlen(d->dir) - 1] = '\0';
  TRY_GOTO(path_join(path, sizeof path, dir, "manifest.json"), bad);
  TRY_GOTO(file_look(path, &prepared), bad);
  if (!prepared && nvidia_found(dir)) {
    TRY_GOTO(open_premasked(d), bad);
    *out = d;
    return OK;
  }
  TRY_GOTO(path_check(dir, PATH_DATASET | PATH_SHARDS), bad);
  TRY_GOTO(dataset_manifest_read(path, &d->info, &d->files, &d->tokenizer), bad);
  const file_list_check check = {.dir = dir, .manifest = path, .contents = verify};
  TRY_GOTO(file_list_verify(d->files, &check), bad);
  TRY_GOTO(dataset_files_check(d->files, d->info.shards, path), bad);
  TRY_GOTO(path_join(path, sizeof path, dir, "vocab.tsv"), bad);
  TRY_GOTO(vocab_read(&d->v, path, d->info.range_end), bad);
  int64_t sequences;
  TRY_GOTO(find_shards(d), bad);
  TRY_GOTO(open_shards(d, &sequences), bad);
  TRY_GOTO(dataset_check_sums(d, sequences), bad);
  warn_of_stray_catalogue(d);
  *out = d;
  return OK;
bad:
  dataset_close(d);
  return rc;
}

// Has another directory come to this place since `fd` was opened?
static bool is_replaced(const char *dir, int fd) {
  struct stat now, opened;
  return fd >= 0 && stat(dir, &now) == 0 && fstat(fd, &opened) == 0 &&
         (now.st_dev != opened.st_dev || now.st_ino != opened.st_ino);
}

// The files are opened one by one: when another data set comes to the place meanwhile (souk prepare --force), they are of
// two.
status dataset_open(dataset **out, const char *dir, bool verify) {
  for (int tries = 1;; tries++) {
    const int fd = open(dir, O_PATH | O_CLOEXEC);
    const status rc = open_once(out, dir, verify);
    const bool again = tries < OPEN_TRIES && is_replaced(dir, fd);
    if (fd >= 0) close(fd);
    if (!again) return rc;
    dataset_close(*out);
  }
}

static void forget_items(dataset *d) {
  item_texts_free(d->items.texts);
  item_features_free(d->items.features);
  user_context_free(d->items.context);
  copy_rows_free(d->items.copy);
  free(d->items.copy);
  hard_negatives_free(d->items.hard);
  d->items = (item_data){.texts = NULL};
}

void dataset_close(dataset *d) {
  if (d == NULL) return;
  reader_stop(d->reader);
  for (int32_t i = 0; i < d->found; i++) free(d->shards[i].offsets);
  free(d->shards);
  free(d->train_lengths);
  free(d->lengths);
  free(d->test_from);
  free(d->token_as);
  forget_items(d);
  vocab_free(d->v);
  nvidia_close(d->premasked);
  json_decref(d->files);
  json_decref(d->tokenizer);
  json_decref(d->labels);
  pthread_mutex_destroy(&d->labels_lock);
  free(d);
}

const dataset_info *dataset_get_info(const dataset *d) {
  return &d->info;
}
const vocab *dataset_vocab(const dataset *d) {
  return d->premasked != NULL ? nvidia_vocab(d->premasked) : d->v;
}
const char *dataset_dir(const dataset *d) {
  return d->dir;
}
bool dataset_lists(const dataset *d, const char *name) {
  return json_object_get(d->files, name) != NULL;
}
status dataset_copy_file(const dataset *d, const char *name, const char *to_dir) {
  char manifest[PATH_MAX + 16];
  snprintf(manifest, sizeof manifest, "%s/manifest.json", d->dir);
  return file_list_copy(d->files, &(file_list_check){.dir = d->dir, .manifest = manifest}, name, to_dir);
}
double dataset_index_bytes(const dataset *d) {
  const double lengths = sizeof *d->lengths + sizeof *d->train_lengths + sizeof *d->test_from,
               elsewhere =
                   d->premasked != NULL ? sizeof *nvidia_lengths(d->premasked) : sizeof *d->shards->offsets;
  return (double)d->info.sequences * (lengths + elsewhere);
}

double dataset_reader_bytes(const dataset *d) { // of the widest column, times
  const double rows = (double)d->info.tokens / (d->info.shards > 0 ? d->info.shards : 1);
  return reader_memory(rows, sizeof(int64_t));
}

const int32_t *dataset_train_lengths(const dataset *d) {
  return d->train_lengths;
}
const int32_t *dataset_lengths(const dataset *d) {
  return d->lengths;
}
const int32_t *dataset_test_from(const dataset *d) {
  return d->test_from;
}
// ---- another vocabulary --------------------------------------------------------------------------------------

static status map_tokens(dataset *d, const vocab *to) {
  TRY(mem_new(&d->token_as, (size_t)vocab_size(d->v), sizeof *d->token_as, "the vocabulary"));
  for (int32_t id = 0; id < vocab_size(d->v); id++) {
    int r = RANGE_SPECIAL;
    while (id >= vocab_end(d->v, (vocab_range)r)) r++;
    const int32_t as = vocab_find(to, (vocab_range)r, vocab_token(d->v, id));
    d->token_as[id] = id < TOKEN_SPECIALS ? id : as >= 0 ? as : TOKEN_UNK;
  }
  return OK;
}

static void map_events(dataset *d, const dataset_info *to) {
  for (int32_t e = 0; e < d->info.n_event_types; e++) {
    d->event_as[e] = 0;
    for (int32_t i = 1; i < to->n_event_types; i++)
      if (strcmp(d->info.event_types[e], to->event_types[i]) == 0) d->event_as[e] = (uint8_t)i;
    if (e > 0 && d->event_as[e] == 0)
      log_warn("%s: event type \"%s\" is read as none, since the model's data do not have it", d->dir,
               d->info.event_types[e]);
  }
  d->info.n_event_types = to->n_event_types;
  memcpy(d->info.event_types, to->event_types, sizeof to->event_types);
}

status dataset_read_as(dataset *d, vocab *v, const dataset_info *info) {
  status rc = OK;
  if (d->premasked != NULL || d->token_as != NULL)
    rc = fail(ERR_ARGUMENT, "%s cannot be read in another vocabulary", d->dir);
  if (rc == OK) rc = map_tokens(d, v);
  if (rc != OK) {
    vocab_free(v);
    return rc;
  }
  d->stored = d->info;
  map_events(d, info);
  forget_items(d);
  vocab_free(d->v);
  d->v = v;
  take_ranges(&d->info, v);
  return OK;
}

const item_texts *dataset_known_texts(const dataset *d) {
  return d->items.texts;
}

const copy_rows *dataset_known_copy(const dataset *d) {
  return d->items.copy;
}

const hard_negatives *dataset_hard_negatives(const dataset *d) {
  return d->items.hard;
}

item_data *dataset_item_data(dataset *d) {
  return &d->items;
}

const dataset_info *dataset_stored(const dataset *d) {
  return d->token_as != NULL ? &d->stored : &d->info;
}

const int32_t *dataset_token_as(const dataset *d) {
  return d->token_as;
}

uint8_t dataset_event_as(const dataset *d, uint8_t event) {
  return d->token_as != NULL ? d->event_as[event] : event;
}

status dataset_stored_items(const dataset *d, int32_t **out) {
  const int32_t *end = dataset_stored(d)->range_end, first = vocab_begin(d->v, RANGE_ITEMS),
                items = vocab_end(d->v, RANGE_ITEMS) - first;
  TRY(mem_new(out, (size_t)items, sizeof **out, "places of items"));
  for (int32_t i = 0; i < items; i++) (*out)[i] = d->token_as == NULL ? i : -1;
  for (int32_t id = end[RANGE_ATTRIBUTES]; d->token_as != NULL && id < end[RANGE_ITEMS]; id++)
    if (d->token_as[id] >= first) (*out)[d->token_as[id] - first] = id - end[RANGE_ATTRIBUTES];
  return OK;
}

// What a block holds, [count] each, from the shards' vocabulary; it has been checked.
static void translate(const dataset *d, int32_t *tokens, uint8_t *events, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    tokens[i] = d->token_as[tokens[i]];
    events[i] = d->event_as[events[i]];
  }
}

// ---- blocks --------------------------------------------------------------------------------------------------

// Leaks from one part into another show here, since every reader of events comes this way.
static status check_split(const dataset *d, const shard *s, const sequence_block *b, int64_t i,
                          int64_t in_shard) {
  const int64_t at = b->offsets[i];
  const char *why = split_breach(&d->info.split, (int32_t)(b->offsets[i + 1] - at), b->valid_from[i],
                                 b->test_from[i], b->times + at, time_unit_per_second(d->info.time_unit));
  char text[SPLIT_TEXT];
  if (why == NULL) return OK;
  return fail(ERR_FORMAT, "%s: sequence %lld breaks the split of the data set (%s): %s", s->path,
              (long long)in_shard, split_describe(&d->info.split, text), why);
}

// Sequences [from, to) of one shard into the block, whose arrays have room.
static status read_part(const dataset *d, const shard *s, int64_t from, int64_t to, sequence_block *b,
                        int64_t at_seq) {
  const int64_t at = b->offsets[at_seq], seqs = to - from;
  const int64_t first = s->offsets[from], count = s->offsets[to] - s->offsets[from];
  for (int64_t i = 0; i < seqs; i++)
    b->offsets[at_seq + i + 1] = at + s->offsets[from + i + 1] - s->offsets[from];
  const struct {
    const char *name;
    h5_kind kind;
    int64_t first, count;
    void *data;
  } sets[] = {{"tokens", H5_KIND_I32, first, count, b->tokens + at},
              {"events", H5_KIND_U8, first, count, b->events + at},
              {"times", H5_KIND_I64, first, count, b->times + at},
              {"sessions", H5_KIND_I32, first, count, b->sessions + at},
              {"valid_from", H5_KIND_I32, from, seqs, b->valid_from + at_seq},
              {"test_from", H5_KIND_I32, from, seqs, b->test_from + at_seq},
              {"users", H5_KIND_I64, from, seqs, b->users + at_seq}};
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    TRY(reader_rows(d->reader, s->file, sets[i].name, sets[i].kind, 1, sets[i].first, sets[i].count, 1,
                    sets[i].data));
  const history_index cuts = {.shard = s->path,
                              .first = s->first + from,
                              .n = seqs,
                              .lengths = d->lengths + s->first + from,
                              .valid_from = b->valid_from + at_seq,
                              .test_from = b->test_from + at_seq};
  TRY(history_check_index(&cuts, b->users + at_seq)); // again: the file may have changed
  for (int64_t i = at_seq; i < at_seq + seqs; i++) {
    sequence x;
    block_get(b, i, &x);
    TRY(history_check_events(&x, d->token_as != NULL ? &d->stored : &d->info, s->path));
    if (d->info.split.said) TRY(check_split(d, s, b, i, from + i - at_seq));
  }
  if (d->token_as != NULL) translate(d, b->tokens + at, b->events + at, count);
  return OK;
}

status block_read(sequence_block **out, dataset *d, int64_t first, int64_t count) {
  *out = NULL;
  if (d->premasked != NULL)
    return fail(ERR_ARGUMENT, "%s holds masked examples, not histories; only souk pretrain reads them",
                d->dir);
  if (first < 0 || count < 0 || first + count > d->info.sequences)
    return fail(ERR_ARGUMENT, "sequences %lld to %lld are not in the data set", (long long)first,
                (long long)(first + count));
  size_t tokens = 0;
  for (int64_t i = first; i < first + count; i++) tokens += (size_t)d->lengths[i];
  sequence_block *b;
  TRY(mem_new(&b, 1, sizeof *b, "a block"));
  b->first = first;
  b->count = count;
  status rc;
  const size_t n = (size_t)count;
  TRY_GOTO(mem_new(&b->offsets, n + 1, sizeof *b->offsets, "a block"), bad);
  TRY_GOTO(mem_new(&b->tokens, tokens, sizeof *b->tokens, "a block"), bad);
  TRY_GOTO(mem_new(&b->sessions, tokens, sizeof *b->sessions, "a block"), bad);
  TRY_GOTO(mem_new(&b->events, tokens, sizeof *b->events, "a block"), bad);
  TRY_GOTO(mem_new(&b->times, tokens, sizeof *b->times, "a block"), bad);
  TRY_GOTO(mem_new(&b->valid_from, n, sizeof *b->valid_from, "a block"), bad);
  TRY_GOTO(mem_new(&b->test_from, n, sizeof *b->test_from, "a block"), bad);
  TRY_GOTO(mem_new(&b->users, n, sizeof *b->users, "a block"), bad);
  rc = OK;
  for (int32_t i = 0; rc == OK && i < d->info.shards; i++) {
    const shard *s = &d->shards[i];
    const int64_t from = first > s->first ? first : s->first;
    const int64_t to = first + count < s->first + s->count ? first + count : s->first + s->count;
    if (from < to) rc = read_part(d, s, from - s->first, to - s->first, b, from - first);
  }
  if (rc != OK) goto bad;
  *out = b;
  return OK;
bad:
  block_free(b);
  return rc;
}

status dataset_count_again(dataset *d, const int32_t *lengths) {
  const int32_t first = vocab_begin(d->v, RANGE_ITEMS), end = vocab_end(d->v, RANGE_ITEMS);
  for (int32_t id = first; id < end; id++) vocab_set_count(d->v, id, 0);
  for (int64_t at = 0; at < d->info.sequences; at += COUNTED_SEQUENCES) {
    sequence_block *b;
    const int64_t left = d->info.sequences - at;
    TRY(block_read(&b, d, at, left < COUNTED_SEQUENCES ? left : COUNTED_SEQUENCES));
    for (int64_t i = 0; i < b->count; i++) {
      const int32_t *tokens = b->tokens + b->offsets[i];
      for (int32_t k = 0; k < lengths[at + i]; k++)
        if (tokens[k] >= first && tokens[k] < end)
          vocab_set_count(d->v, tokens[k], vocab_token_count(d->v, tokens[k]) + 1);
    }
    block_free(b);
  }
  return OK;
}

double block_bytes(const dataset_info *info, double sequences) {
  const sequence_block b = {0}; // for the sizes of what it points at
  const double row = sizeof *b.offsets + sizeof *b.users + sizeof *b.valid_from + sizeof *b.test_from,
               token = sizeof *b.tokens + sizeof *b.sessions + sizeof *b.events + sizeof *b.times;
  return sequences * (row + token * (double)info->tokens / (double)info->sequences);
}

void block_free(sequence_block *b) {
  if (b == NULL) return;
  void *const arrays[] = {b->offsets, b->tokens,     b->sessions,  b->events,
                          b->times,   b->valid_from, b->test_from, b->users};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(b);
}

int64_t block_count(const sequence_block *b) {
  return b->count;
}

void block_get(const sequence_block *b, int64_t i, sequence *s) {
  const int64_t at = b->offsets[i];
  *s = (sequence){.index = b->first + i,
                  .user = b->users[i],
                  .n = (int32_t)(b->offsets[i + 1] - at),
                  .valid_from = b->valid_from[i],
                  .test_from = b->test_from[i],
                  .tokens = b->tokens + at,
                  .events = b->events + at,
                  .times = b->times + at,
                  .sessions = b->sessions + at};
}
