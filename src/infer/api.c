// The public functions but for those that read texts (api_texts.c). Arguments are checked here, once (checks.h).
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "infer/bundle.h"
#include "infer/checks.h"
#include "infer/content.h"
#include "infer/encode.h"
#include "infer/known_user.h"
#include "infer/labels.h"
#include "infer/explain.h"
#include "infer/mistaken.h"
#include "infer/rank.h"
#include "infer/workspace.h"

enum { TAKE = 64, OPEN_TRIES = 64 };

// ---- opening -------------------------------------------------------------------------------------------------

void bundle_free(souk_bundle *b) {
  if (b == NULL) return;
  b->magic = 0;
  pool_free(b->pool);
  for (int32_t i = 0; i < b->event_types; i++) free(b->event_names[i]);
  for (int i = 0; i < FILE_COUNT; i++) mapping_close(&b->files[i]);
  known_user_close(b);
  vocab_free(b->vocab);
  word_tokenizer_free(b->tokenizer);
  for (int32_t i = 0; i < b->labels.n; i++) free(b->labels.names[i]);
  free(b->labels.names);
  free(b->labels.temperatures);
  catalogue_free(&b->catalogue);
  mix_free(b->mix);
  content_free(b);
  copy_head_free(b);
  adapters_free(b);
  free(b->arena);
  free(b->word_copy);
  free(b->layer);
  item_words_free(b);
  free(b->data_name);
  free(b->created_by);
  free(b->dir);
  free(b);
}

// The mix, if the bundle has one.
static souk_status open_mix(souk_bundle *b, const mix_config *c, souk_error *error) {
  const mapping *m = &b->files[FILE_MIX];
  char path[4096];
  format_error found;
  mix_table table;
  if (m->data == NULL) return SOUK_OK;
  snprintf(path, sizeof path, "%s/%s", b->dir, bundle_file_names[FILE_MIX]);
  return mix_table_read(&table, b->items, m->data, m->bytes, path, &found) &&
                 mix_new(&b->mix, c, &table, &found)
             ? SOUK_OK
             : infer_fail_format(error, &found);
}

static souk_status open_bundle(souk_bundle *b, int dir, uint32_t flags, souk_error *error) {
  char path[4096];
  mix_config mixed;
  PASS(refuse_other_directories(dir, b->dir, error));
  PASS(pool_new(&b->pool, error));
  PASS(settings_read(b, &mixed, dir, flags, error));
  const mapping *about = &b->files[FILE_CATALOGUE];
  snprintf(path, sizeof path, "%s/%s", b->dir, bundle_file_names[FILE_CATALOGUE]);
  if (about->data != NULL)
    PASS(catalogue_read(&b->catalogue, about->data, about->bytes, b->vocab, path, error));
  PASS(weights_read(b, error));
  PASS(copy_head_read(b, error));
  PASS(adapters_read(b, error));
  PASS(item_words_read(b, error));
  PASS(open_mix(b, &mixed, error));
  b->magic = BUNDLE_MAGIC;
  return SOUK_OK;
}

static souk_status open_once(souk_bundle **out, int fd, const char *dir, uint32_t flags, souk_error *error) {
  souk_bundle *b;
  souk_status rc = infer_alloc(&b, 1, sizeof *b, "a bundle", error);
  if (rc == SOUK_OK) rc = infer_alloc(&b->dir, strlen(dir) + 1, 1, "a path", error);
  if (rc == SOUK_OK) {
    strcpy(b->dir, dir);
    rc = open_bundle(b, fd, flags, error);
  }
  if (rc == SOUK_OK)
    *out = b;
  else
    bundle_free(b);
  return rc;
}

// Has another directory replaced this one since fd was opened? souk export --force does that and removes the old one,
// so missing files are then no error of the bundle that is there now.
static bool is_replaced(const char *dir, int fd) {
  struct stat now, opened;
  return stat(dir, &now) == 0 && fstat(fd, &opened) == 0 &&
         (now.st_dev != opened.st_dev || now.st_ino != opened.st_ino);
}

souk_status souk_open(souk_bundle **out, const char *dir, uint32_t flags, souk_error *error) {
  BEGIN_CALL(error);
  CHECK_POINTER(out, souk_bundle *, 1, "out");
  *out = NULL;
  CHECK_POINTER(dir, char, 1, "dir");
  if (dir[0] == '\0') return infer_fail(error, SOUK_ERR_ARGUMENT, "dir is empty");
  if ((flags & ~(uint32_t)SOUK_SKIP_CHECKSUMS) != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "flags = 0x%x has unknown bits", flags);
  if (strlen(dir) > 3800) return infer_fail(error, SOUK_ERR_ARGUMENT, "dir is too long: %.60s...", dir);
  for (int tries = 1;; tries++) {
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOTDIR)
      return infer_fail(error, SOUK_ERR_IO, "%s is not a directory, which a bundle of souk export is", dir);
    if (fd < 0) return infer_fail(error, SOUK_ERR_IO, "cannot open the bundle %s: %s", dir, strerror(errno));
    souk_error e = {.code = SOUK_OK};
    const souk_status rc = open_once(out, fd, dir, flags, &e);
    const bool again = rc != SOUK_OK && tries < OPEN_TRIES && is_replaced(dir, fd);
    close(fd);
    if (again) continue;
    if (rc != SOUK_OK && error != NULL) *error = e;
    return rc;
  }
}

void souk_close(souk_bundle *bundle) {
  if (usable(bundle)) bundle_free(bundle);
}

static size_t label_bytes(const label_head *l) { // the weights lie in the arena
  if (l->n == 0) return 0;
  size_t bytes = (size_t)l->n * sizeof *l->names + label_head_temperatures(l) * sizeof *l->temperatures;
  for (int32_t i = 0; i < l->n; i++) bytes += strlen(l->names[i]) + 1;
  return bytes;
}

souk_status souk_get_info_sized(const souk_bundle *b, souk_info *info, size_t info_bytes, souk_error *error) {
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  CHECK_POINTER(info, souk_info, 1, "info");
  if (info_bytes == 0) return infer_fail(error, SOUK_ERR_ARGUMENT, "info_bytes is 0");
  souk_info known = {.items = b->items,
                     .dimension = b->width,
                     .max_history = b->max_history,
                     .event_types = b->event_types,
                     .hidden = b->hidden,
                     .layers = b->layers,
                     .heads = b->heads,
                     .intermediate = b->intermediate,
                     .cosine = b->cosine,
                     .inv_temperature = b->inv_temperature_wide,
                     .has_catalogue = b->catalogue.lines != NULL,
                     .training_step = b->training_step,
                     .data_name = b->data_name,
                     .created_by = b->created_by,
                     .has_mix = b->mix != NULL,
                     .has_words = b->tokenizer != NULL,
                     .labels = b->labels.n,
                     .labels_pairs = b->labels.pairs,
                     .makes_items = content_is_there(b),
                     .features = b->content.n_features,
                     .adapters = b->adapters.n,
                     .unranked = b->unranked,
                     .has_copy = b->copy.there};
  known.memory_bytes = sizeof *b + b->arena_floats * sizeof(float) + vocab_bytes(b->vocab) +
                       (size_t)b->layers * sizeof *b->layer + pool_bytes(b->pool) + known_user_bytes(b) +
                       adapters_bytes(b) + content_bytes(b) + item_words_bytes(b) + label_bytes(&b->labels) +
                       copy_head_bytes(b);
  if (b->word_copy != NULL) known.memory_bytes += (size_t)b->vocab_size * (size_t)b->hidden * sizeof(float);
  if (b->mix != NULL) known.memory_bytes += mix_bytes(b->mix);
  if (b->tokenizer != NULL) known.memory_bytes += word_tokenizer_bytes(b->tokenizer);
  if (b->catalogue.lines != NULL) known.memory_bytes += (size_t)b->items * sizeof *b->catalogue.lines;
  for (int i = 0; i < FILE_COUNT; i++) known.mapped_bytes += b->files[i].bytes;
  memset(info, 0, info_bytes); // fields of a newer version of the structure are zero
  memcpy(info, &known, info_bytes < sizeof known ? info_bytes : sizeof known);
  return SOUK_OK;
}

// ---- names ---------------------------------------------------------------------------------------------------

static bool has_item(const souk_bundle *b, int32_t item) {
  return usable(b) && item >= 0 && item < b->items;
}

int32_t souk_find_item(const souk_bundle *b, const char *name) {
  return usable(b) && name != NULL ? bundle_item(b, name, strlen(name)) : -1;
}

const char *souk_item_name(const souk_bundle *b, int32_t item) {
  return has_item(b, item) ? bundle_item_name(b, item) : NULL;
}

int64_t souk_item_count(const souk_bundle *b, int32_t item) {
  return has_item(b, item) ? vocab_token_count(b->vocab, b->first_item + item) : -1;
}

size_t souk_item_title(const souk_bundle *b, int32_t item, char *buf, size_t bytes) {
  if (buf == NULL) bytes = 0;
  if (bytes > 0) buf[0] = '\0';
  return has_item(b, item) ? catalogue_title(&b->catalogue, item, buf, bytes) : 0;
}

const char *souk_item_record(const souk_bundle *b, int32_t item, size_t *bytes) {
  if (bytes == NULL || !ALIGNED(bytes, size_t)) return NULL;
  *bytes = 0;
  if (!has_item(b, item) || b->catalogue.lines == NULL) return NULL;
  *bytes = b->catalogue.lines[item].bytes;
  return b->catalogue.lines[item].text;
}

int32_t souk_find_event(const souk_bundle *b, const char *name) {
  if (!usable(b) || name == NULL) return -1;
  for (int32_t i = 0; i < b->event_types; i++)
    if (strcmp(b->event_names[i], name) == 0) return i;
  return -1;
}

const char *souk_event_name(const souk_bundle *b, int32_t event) {
  return usable(b) && event >= 0 && event < b->event_types ? b->event_names[event] : NULL;
}

const char *souk_user_attribute(const souk_bundle *b, int32_t i) {
  return usable(b) && i >= 0 && i < b->attributes ? b->attribute_names[i].name : NULL;
}

const char *souk_adapter_name(const souk_bundle *b, int32_t adapter) {
  return usable(b) && adapter >= 1 && adapter <= b->adapters.n ? b->adapters.list[adapter - 1].name : NULL;
}

int32_t souk_find_adapter(const souk_bundle *b, const char *name) {
  const int32_t found = usable(b) && name != NULL ? bundle_adapter(b, name) : -1;
  return found < 0 ? -1 : found + 1;
}

// ---- vectors and scores --------------------------------------------------------------------------------------

typedef struct encode_job {
  const souk_bundle *b;
  history_source source;
  const int32_t *adapters; // [n] -1: none; NULL: none at all
  size_t n;
  float *u;
  int32_t *unknown;
} encode_job;

static souk_status encode_part(void *arg, workspace *space, size_t first, size_t n, souk_error *e) {
  const encode_job *j = arg;
  const size_t W = (size_t)j->b->width;
  souk_history histories[TAKE];
  for (size_t i = 0; i < n; i++) histories[i] = source_history(&j->source, first + i);
  PASS(encode(j->b, &space->encode, histories, n, j->adapters != NULL ? j->adapters + first : NULL,
              j->u + first * W, j->unknown != NULL ? j->unknown + first : NULL, e));
  for (size_t i = first; i < first + n; i++)
    if (!__builtin_isfinite(length_of(j->u + i * W, W)))
      return infer_fail(e, SOUK_ERR_NONFINITE,
                        "histories[%zu]: the user vector is not finite; the weights of %s are too large", i,
                        j->b->dir);
  return SOUK_OK;
}

// Rows that the encoder has to compute, about.
static double rows_of(const encode_job *j) {
  double rows = 0;
  for (size_t i = 0; i < j->n; i++) {
    const int32_t n = source_history(&j->source, i).n;
    rows += 1 + (n < j->b->max_history ? n : j->b->max_history);
  }
  return rows;
}

static souk_status user_vectors(const souk_bundle *b, const history_source *source, const int32_t *adapters,
                                size_t n, int32_t threads, float *u, int32_t *unknown, souk_error *error) {
  PASS(check_threads(threads, error));
  CHECK_POINTER(u, float, n, "u");
  CHECK_POINTER(unknown, int32_t, 0, "unknown");
  for (size_t i = 0; i < n; i++) {
    const souk_history h = source_history(source, i);
    PASS(check_history(b, &h, (place){.array = "histories", .index = i, .field = ""}, error));
  }
  if (n == 0) return SOUK_OK;
  encode_job j = {.b = b, .source = *source, .adapters = adapters, .n = n, .u = u, .unknown = unknown};
  const size_t wanted = threads_worth(b, rows_of(&j), n, threads), share = (n + wanted - 1) / wanted;
  const share_job shares = {
      .b = b, .n = n, .take = share < TAKE ? share : TAKE, .work = encode_part, .arg = &j};
  return run_shares(&shares, (int32_t)wanted, error);
}

souk_status souk_user_vectors(const souk_bundle *b, const souk_history *histories, size_t n, int32_t threads,
                              float *u, int32_t *unknown, souk_error *error) {
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  CHECK_POINTER(histories, souk_history, n, "histories");
  return user_vectors(b, &(history_source){.list = histories}, NULL, n, threads, u, unknown, error);
}

// Checks that the offsets divide flat arrays into histories; their contents are checked like those of any history.
static souk_status check_flat(const history_source *s, size_t n, souk_error *error) {
  CHECK_POINTER(s->offsets, int64_t, n, "offsets");
  if (n > 0 && s->offsets[0] < 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "offsets[0] = %lld is negative", (long long)s->offsets[0]);
  for (size_t i = 0; i < n; i++) {
    const long long begin = s->offsets[i], end = s->offsets[i + 1];
    if (end < begin)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "offsets[%zu] = %lld is less than offsets[%zu] = %lld",
                        i + 1, end, i, begin);
    if (end - begin > HISTORY_MAX)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "histories[%zu] has %lld events, more than 2^24", i,
                        end - begin);
  }
  CHECK_POINTER(s->items, int32_t, n > 0 && s->offsets[n] > s->offsets[0], "items");
  CHECK_POINTER(s->events, int32_t, 0, "events");
  return SOUK_OK;
}

souk_status souk_user_vectors_flat(const souk_bundle *b, const int64_t *offsets, const int32_t *items,
                                   const int32_t *events, size_t n, int32_t threads, float *u,
                                   int32_t *unknown, souk_error *error) {
  const history_source source = {.offsets = offsets, .items = items, .events = events};
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  PASS(check_flat(&source, n, error));
  return user_vectors(b, &source, NULL, n, threads, u, unknown, error);
}

souk_status souk_adapted_item_vectors(const souk_bundle *b, int32_t adapter, int32_t first, int32_t count,
                                      float *v, souk_error *error) {
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_adapter(b, adapter, "adapter", error));
  if (first < 0 || count < 0 || first > b->items || count > b->items - first)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "items %d to %lld are not among the bundle's %d", first,
                      (long long)first + count - 1, b->items);
  CHECK_POINTER(v, float, count, "v");
  const size_t bytes = (size_t)b->width * sizeof *v;
  const float *shift = adapter_shift_whole(&b->adapters, adapter - 1, SHIFT_ITEMS);
  if (count > 0) memcpy(v, b->item_rows + (size_t)first * bytes, (size_t)count * bytes);
  for (int32_t i = 0; shift != NULL && i < count; i++)
    v[(size_t)(i + 1) * (size_t)b->width - 1] += shift[first + i];
  const adapted_table *t = adapter_table(&b->adapters, adapter - 1);
  float *low;
  if (t == NULL) return SOUK_OK;
  PASS(infer_alloc(&low, (size_t)adapted_table_rank(t), sizeof *low, "an adapter", error));
  souk_status rc = SOUK_OK;
  for (int32_t i = 0; rc == SOUK_OK && i < count; i++) {
    float *of = v + (size_t)i * (size_t)b->width;
    adapted_table_item(b, t, first + i, low, of);
    if (!__builtin_isfinite(length_of(of, (size_t)b->width)))
      rc = infer_fail(error, SOUK_ERR_NONFINITE,
                      "the vector of item %d under adapter %d is not finite; the weights of %s are too large",
                      first + i, adapter, b->dir);
  }
  free(low);
  return rc;
}

souk_status souk_item_vectors(const souk_bundle *b, int32_t first, int32_t count, float *v,
                              souk_error *error) {
  return souk_adapted_item_vectors(b, 0, first, count, v, error);
}

souk_status souk_adapted_score(const souk_bundle *b, int32_t adapter, const float *u, size_t n,
                               const int32_t *items, size_t m, float *scores, souk_error *error) {
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_can_rank(b, error));
  PASS(check_adapter(b, adapter, "adapter", error));
  PASS(check_count(n, "n", error));
  PASS(check_items(b, items, m, 0, (place){.field = "items"}, error));
  CHECK_POINTER(u, float, n, "u");
  CHECK_POINTER(scores, float, n > 0 && m > 0, "scores");
  PASS(check_finite(u, n * (size_t)b->width, (place){.field = "u"}, error));
  if (n == 0 || m == 0) return SOUK_OK;
  workspace *space = workspace_get(b->pool);
  if (space == NULL) return infer_fail(error, SOUK_ERR_MEMORY, "out of memory: a workspace");
  const souk_status rc = score_items(b, adapter - 1, &space->rank, u, n, items, m, scores, error);
  workspace_put(b->pool, space);
  return rc;
}

souk_status souk_score(const souk_bundle *b, const float *u, size_t n, const int32_t *items, size_t m,
                       float *scores, souk_error *error) {
  return souk_adapted_score(b, 0, u, n, items, m, scores, error);
}

// ---- ranked lists --------------------------------------------------------------------------------------------

static souk_status check_query(const souk_bundle *b, const souk_query *q, size_t index, souk_error *error) {
  place where = {.array = "queries", .index = index, .field = "history"};
  PASS(check_history(b, &q->history, where, error));
  where.field = "u";
  CHECK_POINTER(q->u, float, 0, name_of(&where));
  if (q->u != NULL) PASS(check_finite(q->u, (size_t)b->width, where, error));
  where.field = "candidates";
  PASS(check_items(b, q->candidates, q->n_candidates, -1, where, error));
  where.field = "deny";
  PASS(check_items(b, q->deny, q->n_deny, -1, where, error));
  where.field = "adapter";
  PASS(check_adapter(b, q->adapter, name_of(&where), error));
  where.field = "reserved";
  if (q->reserved != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s = %d is not 0", name_of(&where), q->reserved);
  return SOUK_OK;
}

// The queries of a call, as structures of the caller's version.
static souk_status check_queries(const souk_query *queries, size_t query_bytes, size_t n, souk_error *error) {
  PASS(check_count(n, "n", error));
  if (query_bytes < sizeof(souk_history) || query_bytes % _Alignof(souk_query) != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "query_bytes = %zu is not the size of a souk_query",
                      query_bytes);
  CHECK_POINTER(queries, souk_query, n, "queries");
  for (size_t i = 0; query_bytes > sizeof(souk_query) && i < n; i++)
    PASS(check_tail((const char *)queries + i * query_bytes, query_bytes, sizeof(souk_query),
                    (place){.array = "queries", .index = i, .field = ""}, error));
  return SOUK_OK;
}

static souk_status check_options(const souk_bundle *b, const souk_rank_options *o, souk_error *error) {
  PASS(check_threads(o->threads, error));
  if (o->keep_history != 0 && o->keep_history != 1)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.keep_history = %d is not 0 or 1", o->keep_history);
  if (o->no_mix != 0 && o->no_mix != 1)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.no_mix = %d is not 0 or 1", o->no_mix);
  if (o->reserved != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.reserved = %d is not 0", o->reserved);
  PASS(check_items(b, o->allow, o->n_allow, -1, (place){.field = "options.allow"}, error));
  return check_items(b, o->deny, o->n_deny, -1, (place){.field = "options.deny"}, error);
}

// j: everything but the options; its queries or flat arrays have been checked.
static souk_status rank(const rank_job *j, const souk_rank_options *options, size_t options_bytes,
                        souk_error *error) {
  souk_rank_options own;
  if (j->k < 1) return infer_fail(error, SOUK_ERR_ARGUMENT, "k = %d is less than 1", j->k);
  PASS(check_can_rank(j->b, error));
  CHECK_POINTER(options, souk_rank_options, 0, "options");
  PASS(take_structure(&own, sizeof own, options, options_bytes, "options", error));
  PASS(check_options(j->b, &own, error));
  CHECK_POINTER(j->items, int32_t, j->n, "items");
  CHECK_POINTER(j->counts, int32_t, j->n, "counts");
  CHECK_POINTER(j->scores, float, 0, "scores");
  CHECK_POINTER(j->unknown, int32_t, 0, "unknown");
  for (size_t i = 0; i < j->n; i++) {
    const souk_query q = job_query(j, i);
    PASS(check_query(j->b, &q, i, error));
  }
  rank_job job = *j;
  job.options = &own;
  return rank_run(&job, error);
}

souk_status souk_rank_sized(const souk_bundle *b, const souk_query *queries, size_t query_bytes, size_t n,
                            int32_t k, const souk_rank_options *options, size_t options_bytes, int32_t *items,
                            float *scores, int32_t *counts, int32_t *unknown, souk_error *error) {
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_queries(queries, query_bytes, n, error));
  const rank_job j = {.b = b,
                      .queries = queries,
                      .query_bytes = query_bytes,
                      .n = n,
                      .k = k,
                      .items = items,
                      .counts = counts,
                      .unknown = unknown,
                      .scores = scores};
  return rank(&j, options, options_bytes, error);
}

souk_status souk_rank_flat_sized(const souk_bundle *b, const int64_t *offsets, const int32_t *history_items,
                                 const int32_t *history_events, size_t n, int32_t k,
                                 const souk_rank_options *options, size_t options_bytes, int32_t *items,
                                 float *scores, int32_t *counts, int32_t *unknown, souk_error *error) {
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  const rank_job j = {.b = b,
                      .flat = {.offsets = offsets, .items = history_items, .events = history_events},
                      .n = n,
                      .k = k,
                      .items = items,
                      .counts = counts,
                      .unknown = unknown,
                      .scores = scores};
  PASS(check_flat(&j.flat, n, error));
  return rank(&j, options, options_bytes, error);
}

souk_status souk_query_vectors_sized(const souk_bundle *b, const souk_query *queries, size_t query_bytes,
                                     size_t n, int32_t threads, float *u, int32_t *unknown,
                                     souk_error *error) {
  const rank_job j = {.b = b, .queries = queries, .query_bytes = query_bytes, .n = n};
  souk_history *histories = NULL;
  int32_t *adapters = NULL;
  souk_status rc;
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_queries(queries, query_bytes, n, error));
  CHECK_POINTER(u, float, n, "u");
  for (size_t i = 0; i < n; i++) {
    const souk_query q = job_query(&j, i);
    PASS(check_query(b, &q, i, error));
  }
  if (n == 0) return check_threads(threads, error);
  PASS_GOTO(infer_alloc(&histories, n, sizeof *histories, "histories", error), done);
  PASS_GOTO(infer_alloc(&adapters, n, sizeof *adapters, "adapters", error), done);
  for (size_t i = 0; i < n; i++) {
    const souk_query q = job_query(&j, i);
    histories[i] = q.history;
    adapters[i] = q.adapter - 1;
  }
  PASS_GOTO(user_vectors(b, &(history_source){.list = histories}, adapters, n, threads, u, unknown, error),
            done);
  for (size_t i = 0; i < n; i++) {
    const souk_query q = job_query(&j, i);
    if (q.u != NULL) memcpy(u + i * (size_t)b->width, q.u, (size_t)b->width * sizeof *u);
  }
done:
  free(histories);
  free(adapters);
  return rc;
}

// ---- explanations --------------------------------------------------------------------------------------------

static souk_status take_explain_options(const souk_bundle *b, souk_explain_options *own,
                                        const souk_explain_options *options, size_t bytes,
                                        souk_error *error) {
  CHECK_POINTER(options, souk_explain_options, 0, "options");
  PASS(take_structure(own, sizeof *own, options, bytes, "options", error));
  PASS(check_threads(own->threads, error));
  if (own->method < SOUK_WHY_CHEAPER || own->method > SOUK_WHY_INTEGRATED_GRADIENTS)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.method = %d is not one of SOUK_WHY_...",
                      own->method);
  if (own->no_mix != 0 && own->no_mix != 1)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.no_mix = %d is not 0 or 1", own->no_mix);
  PASS(check_adapter(b, own->adapter, "options.adapter", error));
  if (!(own->tolerance >= 0 && own->tolerance <= 1))
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.tolerance = %g is not from 0 to 1", own->tolerance);
  if (!(own->tolerance > 0)) own->tolerance = 0.001;
  return SOUK_OK;
}

// A row of events for each item must fit.
static souk_status check_shares(const souk_history *h, size_t m, const float *shares, souk_error *error) {
  const size_t n = (size_t)h->n;
  if (n > 0 && m > SIZE_MAX / sizeof(float) / n)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "m = %zu items x %zu events are too many", m, n);
  CHECK_POINTER(shares, float, m > 0 && n > 0, "shares");
  return SOUK_OK;
}

souk_status souk_explain_sized(const souk_bundle *b, const souk_history *history, const int32_t *items,
                               size_t m, const souk_explain_options *options, size_t options_bytes,
                               souk_explanation *out, size_t out_bytes, float *shares, souk_error *error) {
  explain_job j = {.b = b, .history = history, .items = items, .m = m, .shares = shares};
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_can_rank(b, error));
  PASS(take_explain_options(b, &j.options, options, options_bytes, error));
  CHECK_POINTER(history, souk_history, 1, "history");
  PASS(check_history(b, history, (place){.field = "history"}, error));
  PASS(check_items(b, items, m, 0, (place){.field = "items"}, error));
  if (out_bytes == 0 || out_bytes % _Alignof(souk_explanation) != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "out_bytes = %zu is not the size of a souk_explanation",
                      out_bytes);
  CHECK_POINTER(out, souk_explanation, m, "out");
  PASS(check_shares(history, m, shares, error));
  if (m == 0) return SOUK_OK;
  PASS(infer_alloc(&j.out, m, sizeof *j.out, "explanations", error));
  const souk_status rc = explain_run(&j, error);
  for (size_t i = 0; rc == SOUK_OK && i < m; i++) {
    char *to = (char *)out + i * out_bytes;
    memset(to, 0, out_bytes); // fields of a newer version of the structure are zero
    memcpy(to, &j.out[i], out_bytes < sizeof *j.out ? out_bytes : sizeof *j.out);
  }
  free(j.out);
  return rc;
}
