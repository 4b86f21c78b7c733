// Reading a data set's manifest; see dataset_manifest.h.
#include "data/dataset_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/record.h"
#include "data/tokenizer.h"
#include "format/sha256.h"

enum { MAX_MANIFEST = 64 << 20 };

// ---- fields --------------------------------------------------------------------------------------------------

static status bad_field(const record_source *from, const char *field) {
  return fail(ERR_FORMAT, "%s: field \"%s\" is missing, of the wrong type or out of range", from->path,
              field);
}

static status get_count(const json_t *j, const record_source *from, const char *field, int64_t max,
                        int64_t *value) {
  const json_t *f = json_object_get(j, field);
  if (!json_is_integer(f) || json_integer_value(f) < 0 || json_integer_value(f) > max)
    return bad_field(from, field);
  *value = json_integer_value(f);
  return OK;
}

static status get_int(const json_t *j, const record_source *from, const char *field, int32_t *value) {
  int64_t wide;
  TRY(get_count(j, from, field, INT32_MAX, &wide));
  *value = (int32_t)wide;
  return OK;
}

static status read_counts(dataset_info *info, const json_t *j, const record_source *from) {
  TRY(get_count(j, from, "sequences", INT64_MAX / 16, &info->sequences));
  TRY(get_count(j, from, "tokens", INT64_MAX / 16, &info->tokens));
  TRY(get_count(j, from, "train_tokens", info->tokens, &info->train_tokens));
  TRY(get_count(j, from, "valid_targets", info->tokens, &info->valid_targets));
  TRY(get_count(j, from, "test_targets", info->tokens, &info->test_targets));
  if (info->train_tokens + info->valid_targets + info->test_targets != info->tokens)
    return fail(
        ERR_FORMAT,
        "%s: fields \"train_tokens\", \"valid_targets\" and \"test_targets\" do not sum to \"tokens\"",
        from->path);
  TRY(get_int(j, from, "longest", &info->longest));
  TRY(get_int(j, from, "vocab_size", &info->vocab_size));
  return get_int(j, from, "shards", &info->shards);
}

const char *const time_unit_names[TIME_UNIT_COUNT] = {"seconds", "milliseconds", "microseconds",
                                                      "nanoseconds"};

int64_t time_unit_per_second(time_unit unit) {
  static const int64_t per_second[TIME_UNIT_COUNT] = {1, 1000, 1000000, 1000000000};
  return per_second[unit];
}

static bool read_time_unit(dataset_info *info, const json_t *unit) {
  const char *text = json_string_value(unit);
  info->time_unit = TIME_UNIT_SECONDS;
  if (unit == NULL) return true;
  while (text != NULL && info->time_unit < TIME_UNIT_COUNT &&
         strcmp(text, time_unit_names[info->time_unit]) != 0)
    info->time_unit++;
  return text != NULL && info->time_unit < TIME_UNIT_COUNT;
}

// What souk prepare has a default for, the manifest has one for.
static status read_settings(dataset_info *info, const json_t *j, const record_source *from) {
  const json_t *name = json_object_get(j, "name"), *has_time = json_object_get(j, "has_time");
  const char *text = name != NULL ? json_string_value(name) : DATASET_NAME;
  if (text == NULL || strlen(text) >= sizeof info->name) return bad_field(from, "name");
  strcpy(info->name, text);
  if (has_time != NULL && !json_is_boolean(has_time)) return bad_field(from, "has_time");
  info->has_time = json_is_true(has_time);
  if (!read_time_unit(info, json_object_get(j, "time_unit"))) return bad_field(from, "time_unit");
  info->window = DATASET_WINDOW;
  if (json_object_get(j, "window") != NULL) TRY(get_int(j, from, "window", &info->window));
  if (info->window < 1) return bad_field(from, "window");
  info->stride = info->window / 2 + info->window % 2;
  if (json_object_get(j, "stride") != NULL) TRY(get_int(j, from, "stride", &info->stride));
  return info->stride < 1 || info->stride > info->window ? bad_field(from, "stride") : OK;
}

static status read_ranges(dataset_info *info, const json_t *ranges, const record_source *from) {
  const char *names[RANGE_COUNT + 1] = {NULL};
  int32_t end = 0;
  for (int r = 0; r < RANGE_COUNT; r++) {
    names[r] = vocab_range_names[r];
    const json_t *range = json_object_get(ranges, names[r]);
    const json_int_t a = json_integer_value(json_array_get(range, 0)),
                     b = json_integer_value(json_array_get(range, 1));
    if (json_array_size(range) != 2 || a != end || b < a || b > info->vocab_size)
      return bad_field(from, "ranges");
    info->range_end[r] = end = (int32_t)b;
  }
  if (end != info->vocab_size || info->range_end[RANGE_SPECIAL] != TOKEN_SPECIALS)
    return bad_field(from, "ranges");
  return record_check_names(ranges, "ranges", names, from);
}

bool event_types_from_json(dataset_info *info, const json_t *names) {
  const size_t n = json_array_size(names);
  if (n < 1 || n > MAX_EVENT_TYPES) return false;
  info->n_event_types = (int32_t)n;
  for (size_t i = 0; i < n; i++) {
    const char *text = json_string_value(json_array_get(names, i));
    if (text == NULL || text[0] == '\0' || strlen(text) >= EVENT_NAME) return false;
    for (size_t k = 0; k < i; k++)
      if (strcmp(text, info->event_types[k]) == 0) return false;
    strcpy(info->event_types[i], text);
  }
  return strcmp(info->event_types[0], "none") == 0;
}

static status read_head(const json_t *j, record_source *from) {
  const char *schema = json_string_value(json_object_get(j, "schema"));
  if (schema == NULL || strcmp(schema, "souk.dataset") != 0)
    return fail(ERR_FORMAT, "%s is not a data set's manifest", from->path);
  from->writer = json_string_value(json_object_get(j, "created_by"));
  if (json_integer_value(json_object_get(j, "version")) == 1) return OK;
  return fail(ERR_UNSUPPORTED,
              "%s: its version is not the one that souk " SOUK_VERSION " reads (1); %.60s wrote it",
              from->path, from->writer != NULL ? from->writer : "an unknown version");
}

static status read_fields(dataset_info *info, const json_t *j, const char *path) {
  static const char *const names[] = {
      "schema",       "version",       "created_by",   "name",     "sequences",  "tokens",
      "train_tokens", "valid_targets", "test_targets", "longest",  "vocab_size", "ranges",
      "event_types",  "window",        "stride",       "has_time", "time_unit",  "shards",
      "files",        "split",         "tokenizer",    NULL};
  record_source from = {.path = path};
  TRY(read_head(j, &from));
  TRY(read_counts(info, j, &from));
  TRY(read_settings(info, j, &from));
  TRY(read_ranges(info, json_object_get(j, "ranges"), &from));
  TRY(split_from_json(&info->split, json_object_get(j, "split"), &from));
  if (info->split.kind == SPLIT_TIME && !info->has_time) return bad_field(&from, "split.kind");
  if (!event_types_from_json(info, json_object_get(j, "event_types"))) return bad_field(&from, "event_types");
  const json_t *tokenizer = json_object_get(j, "tokenizer");
  if (tokenizer != NULL) TRY(tokenizer_check(tokenizer, path));
  return record_check_names(j, "", names, &from);
}

// ---- the whole -----------------------------------------------------------------------------------------------

// The manifest holds the checksums of all other files, so that its own tells one data set from another. The line
// with "created_by" is left out of it, which souk 0.1.0 did not write either: the same files have the same identity,
// whichever version wrote them. (A line end inside a text is written \n, so that no text can look like that line.)
static void make_identity(const char *text, size_t bytes, char hex[65]) {
  static const char line[] = "\n \"created_by\": ";
  const char *end = text + bytes, *from = memmem(text, bytes, line, sizeof line - 1), *to = end;
  if (from == NULL) from = end;
  if (from < end) to = memchr(from + 1, '\n', (size_t)(end - from) - 1);
  if (to == NULL) to = end;
  sha256 sum;
  sha256_init(&sum);
  sha256_update(&sum, text, (size_t)(from - text));
  sha256_update(&sum, to, (size_t)(end - to));
  sha256_final(&sum, hex);
}

status dataset_manifest_read(const char *path, dataset_info *info, json_t **files, json_t **tokenizer) {
  char *text;
  size_t bytes;
  json_error_t error;
  *files = *tokenizer = NULL;
  TRY(file_read(path, MAX_MANIFEST, &text, &bytes));
  mem_json_failed(); // resets the flag
  json_t *j = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  make_identity(text, bytes, info->checksum);
  free(text);
  if (j == NULL)
    return mem_json_failed() ? fail(ERR_MEMORY, "out of memory: cannot read %s", path)
                             : fail(ERR_FORMAT, "%s line %d: %s", path, error.line, error.text);
  const status rc = read_fields(info, j, path);
  if (rc == OK) *files = json_incref(json_object_get(j, "files"));
  if (rc == OK) *tokenizer = json_incref(json_object_get(j, "tokenizer"));
  json_decref(j);
  return rc;
}

status dataset_files_check(const json_t *files, int32_t shards, const char *path) {
  static const char *const needed[] = {"vocab.tsv", "users.tsv"};
  const char *name;
  json_t *entry;
  int64_t listed = 0;
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
    if (json_object_get(files, needed[i]) == NULL)
      return fail(ERR_FORMAT, "%s: field \"files\" does not list %s", path, needed[i]);
  for (int32_t i = 0; i < shards; i++) {
    char shard[32];
    snprintf(shard, sizeof shard, "shard-%05d.h5", i);
    if (json_object_get(files, shard) == NULL)
      return fail(ERR_FORMAT, "%s: field \"files\" does not list %s, but there are %d shards", path, shard,
                  shards);
  }
  json_object_foreach((json_t *)(uintptr_t)files, name, entry) listed += strncmp(name, "shard-", 6) == 0;
  return listed == shards ? OK
                          : fail(ERR_FORMAT, "%s: field \"files\" lists %lld shards, \"shards\" is %d", path,
                                 (long long)listed, shards);
}
