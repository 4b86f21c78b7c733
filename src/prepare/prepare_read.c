// Reading the logs of souk prepare. Any thread reads the next block of the file, which happens one after the other, and makes typed
// rows of it (prepare_rows.h); this file's thread takes the blocks in their order: it numbers items and event types and adds
// the events to the store.
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/encoding.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/printable.h"
#include "prepare/encoding_hint.h"
#include "prepare/list_hint.h"
#include "prepare/prepare_internal.h"
#include "prepare/prepare_rows.h"

// ---- blocks, on any thread -----------------------------------------------------------------------------------

struct log_pipe;
typedef struct pipe_block {
  task task;
  struct log_pipe *pipe;
  int64_t ticket; // whose turn it is to read
  bool end;       // there was no block any more
  row_block rows;
} pipe_block;

typedef struct log_pipe {
  prepare_job *job;
  row_block_how how;
  log_reader *reader;
  pthread_mutex_t lock; // of what follows, and of the reader
  pthread_cond_t turned;
  int64_t turn;
  bool ended;
  pipe_block *blocks; // [n] in a ring
  int64_t n;
} log_pipe;

// Tasks begin in order, so that those which are waited for here have begun.
static status read_next_block(pipe_block *b) {
  log_pipe *p = b->pipe;
  status rc = OK;
  pthread_mutex_lock(&p->lock);
  while (p->turn != b->ticket) pthread_cond_wait(&p->turned, &p->lock);
  b->end = p->ended;
  if (!p->ended) {
    rc = log_read_block(p->reader, &b->rows.block, &b->end);
    p->ended = b->end || rc != OK;
  }
  p->turn++;
  pthread_cond_broadcast(&p->turned);
  pthread_mutex_unlock(&p->lock);
  return rc;
}

static status read_and_parse(void *self) {
  pipe_block *b = self;
  TRY(read_next_block(b));
  return b->end ? OK : row_block_parse(&b->rows);
}

// ---- events, in the order of the file ------------------------------------------------------------------------

static status add_value(item_means *to, size_t items, int32_t item, double value) {
  const size_t before = to->count_cap;
  TRY(mem_grow(&to->sum, &to->sum_cap, items, sizeof *to->sum, "values of items"));
  TRY(mem_grow(&to->count, &to->count_cap, items, sizeof *to->count, "values of items"));
  for (size_t i = before; i < to->count_cap; i++) {
    to->sum[i] = 0;
    to->count[i] = 0;
  }
  to->sum[item] += value;
  to->count[item]++;
  return OK;
}

static status take_values(prepare_job *job, const event_row *x, int32_t item) {
  const size_t n = (size_t)intern_count(job->items);
  if (x->has_price) TRY(add_value(&job->mean_price, n, item, x->price));
  return x->has_rating ? add_value(&job->mean_rating, n, item, x->rating) : OK;
}

// The numbers of the block's event types in all files.
static status number_types(prepare_job *job, const row_block *b, int32_t numbers[MAX_EVENT_TYPES]) {
  numbers[0] = 0; // none
  for (int32_t i = 0; i < b->n_types; i++) {
    TRY(intern_add_hashed(job->types, b->types[i].text, b->types[i].bytes, b->types[i].hash,
                          &numbers[i + 1]));
    if (++numbers[i + 1] >= MAX_EVENT_TYPES)
      return fail(ERR_FORMAT, "line %lld: more than %d event types; set input.events",
                  (long long)b->types[i].line, MAX_EVENT_TYPES - 1);
  }
  return OK;
}

// The names of a row's user and item, of all domains together. They live until the next row.
static status name_by_domain(prepare_job *job, event_row *x) {
  const char *person;
  TRY(domain_user(job->domains, x->domain, x->domain_bytes, x->user, x->user_bytes, &person));
  if (person != NULL) {
    x->user = person;
    x->user_bytes = (uint32_t)strlen(person);
    x->user_hash = name_hash(x->user, x->user_bytes);
  }
  if (x->item == NULL) return OK;
  size_t bytes;
  TRY(domain_item(job->domains, x->domain, x->domain_bytes, x->item, x->item_bytes, &x->item, &bytes));
  x->item_bytes = (uint32_t)bytes;
  x->item_hash = name_hash(x->item, bytes);
  return OK;
}

static status take_block(prepare_job *job, const row_block *b) {
  enum { AHEAD = 8 };
  int32_t numbers[MAX_EVENT_TYPES];
  const int64_t rows_before = job->log.rows;
  const bool timed = job->c->fields.time[0] != '\0';
  TRY(number_types(job, b, numbers));
  for (size_t i = 0; i < b->n; i++) {
    const event_row *x = &b->rows[i];
    if (i + 2 * AHEAD < b->n) intern_prefetch(job->items, b->rows[i + 2 * AHEAD].item_hash);
    if (i + AHEAD < b->n) intern_prefetch_text(job->items, b->rows[i + AHEAD].item_hash);
    log_event e = {.time = x->time.seconds + (timed ? 0 : rows_before),
                   .nanos = x->time.nanos,
                   .session = x->session,
                   .type = numbers[x->type]};
    event_row named;
    if (x->domain != NULL) {
      named = *x;
      TRY(name_by_domain(job, &named));
      x = &named;
    }
    if (x->query != NULL)
      TRY(search_table_add(job->searches, x->user, x->user_bytes, x->user_hash, x->query, x->query_bytes,
                           &e));
    if (x->item == NULL) continue;
    TRY(intern_add_hashed(job->items, x->item, x->item_bytes, x->item_hash, &e.item));
    if (x->has_price || x->has_rating) TRY(take_values(job, x, e.item));
    TRY(store_add(job->store, x->user, x->user_bytes, x->user_hash, &e));
  }
  reject_merge(&job->log, &b->rejects);
  price_notes_merge(&job->log_prices, &b->prices);
  reject_merge(&job->log_ratings, &b->ratings);
  survey_merge(&job->times, &b->times);
  job->events_with += b->events_with;
  job->sessions_with += b->sessions_with;
  job->prices_with += b->prices_with;
  job->ratings_with += b->ratings_with;
  job->skipped_events += b->skipped_events;
  for (int k = 0; k < 2; k++) {
    if (job->padded[k].rows == 0) job->padded[k].line = b->padded[k].line;
    job->padded[k].rows += b->padded[k].rows;
  }
  reject_merge(&job->without_item, &b->without_item);
  show_progress(job, "rows read", job->log.rows, b->block.progress);
  return OK;
}

static status take_blocks(log_pipe *p) {
  for (int64_t taken = 0, added = 0;; taken++) {
    for (; added < taken + p->n; added++) {
      pipe_block *b = &p->blocks[added % p->n];
      b->ticket = added;
      b->task.run = read_and_parse;
      b->task.self = b;
      tasks_add(p->job->pool, &b->task);
    }
    pipe_block *b = &p->blocks[taken % p->n];
    TRY(tasks_wait(p->job->pool, &b->task));
    if (b->end) return OK;
    TRY(take_block(p->job, &b->rows));
  }
}

static status pipe_open(log_pipe *p) {
  // More readers would wait for the thread that takes the blocks; and of very short rows a block takes 25 MiB.
  enum { MOST_READERS = 16 };
  const int32_t threads = tasks_threads(p->job->pool);
  p->n = threads > MOST_READERS ? MOST_READERS + 2 : threads > 1 ? threads + 2 : 1;
  TRY(mem_new(&p->blocks, (size_t)p->n, sizeof *p->blocks, "blocks of rows"));
  for (int64_t i = 0; i < p->n; i++) {
    p->blocks[i].pipe = p;
    p->blocks[i].rows.how = &p->how;
    TRY(log_parser_new(&p->blocks[i].rows.parser, p->reader));
  }
  return OK;
}

static void pipe_close(log_pipe *p) {
  for (int64_t i = 0; p->blocks != NULL && i < p->n; i++) row_block_free(&p->blocks[i].rows);
  free(p->blocks);
  pthread_cond_destroy(&p->turned);
  pthread_mutex_destroy(&p->lock);
}

// Waits for all threads; after an error of the one that took blocks, they read to their block's end first.
static status pipe_finish(log_pipe *p, status rc) {
  failure first;
  failure_keep(&first, rc);
  pthread_mutex_lock(&p->lock);
  p->ended = true;
  pthread_mutex_unlock(&p->lock);
  for (int64_t i = 0; p->blocks != NULL && i < p->n; i++) tasks_wait(p->job->pool, &p->blocks[i].task);
  return failure_raise(&first);
}

static status read_blocks(prepare_job *job, const row_block_how *how, log_reader *reader) {
  log_pipe p = {.job = job,
                .how = *how,
                .reader = reader,
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .turned = PTHREAD_COND_INITIALIZER};
  status rc = pipe_open(&p);
  if (rc == OK) rc = pipe_finish(&p, take_blocks(&p));
  if (rc == OK) {
    log_counts counts = {0};
    for (int64_t i = 0; i < p.n; i++) log_counts_add(&counts, log_parser_counts(p.blocks[i].rows.parser));
    log_tell(reader, &counts, keep_remark, job);
  }
  pipe_close(&p);
  return rc;
}

static void tell_padding(prepare_job *job, const char *path) {
  static const char *const what[2] = {
      "rows with blanks before or behind the user's name, which are part of it",
      "rows with blanks before or behind the item's name, which are part of it"};
  for (int k = 0; k < 2; k++)
    if (job->padded[k].rows > 0)
      keep_remark(job, &(log_remark){path, what[k], job->padded[k].rows, job->padded[k].line});
}

static status read_log(prepare_job *job, const char *path, const char *domain) {
  const prepare_fields *f = &job->c->fields;
  const char *const columns[COLS] = {
      [COL_USER] = f->user,     [COL_ITEM] = f->item,       [COL_TIME] = f->time,
      [COL_EVENT] = f->event,   [COL_SESSION] = f->session, [COL_PRICE] = f->price,
      [COL_RATING] = f->rating, [COL_QUERY] = f->query,     [COL_DOMAIN] = f->domain};
  const prepare_input *in = &job->c->input;
  const row_block_how how = {job->c, job->wanted_types, job->zone, job->log.file, domain};
  const log_lists lists = {.separator = in->list_separator,
                           .column = COL_ITEM,
                           .beside = 1 << COL_TIME | 1 << COL_EVENT | 1 << COL_PRICE | 1 << COL_RATING,
                           .single = is_one_value,
                           .self = &how};
  const log_format format = {.kind = (log_kind)in->format,
                             .header = in->header,
                             .separator = in->separator,
                             .quotes = (log_quotes)in->quotes,
                             .lists = &lists,
                             .missing = in->missing,
                             .encoding = in->encoding,
                             .encoding_option = "input.encoding"};
  log_reader *reader;
  status rc = log_open(&reader, path, &format, columns, COLS);
  if (rc != OK) return hint_in_error(rc, path, &format);
  memset(job->padded, 0, sizeof job->padded);
  rc = read_blocks(job, &how, reader);
  if (rc == OK) tell_padding(job, path);
  if (rc != OK && rc != ERR_MEMORY && strcmp(path, "-") != 0 && strstr(fail_message(), path) == NULL)
    fail_prefix(rc, "%s", path);
  log_close(reader);
  return rc;
}

// Calls `each` with every name of a list separated by commas.
static status for_each_name(const char *list, status (*each)(prepare_job *, const char *), prepare_job *job) {
  char name[OPTION_STRING];
  while (*list != '\0') {
    list = list_name(list, name);
    if (name[0] != '\0') TRY(each(job, name));
  }
  return OK;
}

static status want_type(prepare_job *job, const char *name) {
  int32_t id;
  return intern_add(job->wanted_types, name, &id);
}

// Columns that are asked for and hold nothing: a key of json that is misspelt, say.
static void warn_of_fields(prepare_job *job) {
  const prepare_fields *f = &job->c->fields;
  const struct {
    const char *field, *column;
    int64_t with;
  } fields[] = {{"event", f->event, job->events_with},
                {"session", f->session, job->sessions_with},
                {"price", f->price, job->prices_with},
                {"rating", f->rating, job->ratings_with}};
  char name[512], said[LOG_NO_VALUE], key[4 * LOG_NO_VALUE];
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (fields[i].column[0] == '\0' || fields[i].with > 0 || job->log.rows == job->log.rejected) continue;
    prepare_warn(job, "fields.%s: no row that is used has a value in \"%.100s\"", fields[i].field,
                 printable(name, sizeof name, fields[i].column, ""));
    printable(key, sizeof key, log_no_value(said, fields[i].column), ""); // says no more than that
    if (job->remarks != NULL) json_object_del(job->remarks, key);
  }
}

// Types that were asked for and that no row has: misspelt ones, perhaps.
static void warn_of_wanted_types(prepare_job *job) {
  char name[4 * EVENT_NAME];
  for (int32_t i = 0; i < intern_count(job->wanted_types); i++)
    if (intern_find(job->types, intern_text(job->wanted_types, i)) < 0)
      prepare_warn(job, "input.events: no row that is used has the type \"%s\"; %lld rows have other types",
                   printable(name, sizeof name, intern_text(job->wanted_types, i), ""),
                   (long long)job->skipped_events);
}

// Both lists before anything is read, so that a wrong name is told at once.
static status find_files(prepare_job *job) {
  const prepare_input *in = &job->c->input;
  TRY(encoding_check(in->encoding, "input.encoding"));
  TRY(encoding_check(in->catalogue_encoding, "input.catalogue_encoding"));
  TRY(input_files_find(&job->log_files, in->log, "input.log"));
  if (job->log_files.n == 0) return fail(ERR_ARGUMENT, "input.log names no file (--log FILE)");
  TRY(input_files_find(&job->catalogue_files, in->catalogue, "input.catalogue"));
  if (in->catalogue[0] != '\0' && job->catalogue_files.n == 0)
    return fail(ERR_ARGUMENT, "input.catalogue is set and names no file");
  if (input_files_have(&job->log_files, "-") && input_files_have(&job->catalogue_files, "-"))
    return fail(ERR_ARGUMENT, "input.log and input.catalogue are both the standard input (-)");
  return OK;
}

static status read_files(prepare_job *job) {
  const input_files *f = &job->log_files;
  for (size_t i = 0; i < f->n; i++) {
    job->log.file = job->without_item.file = f->n > 1 ? f->names[i] : NULL;
    job->log_prices.unknown.file = job->log_prices.guessed.file = job->log.file;
    TRY(read_log(job, f->names[i], job->domains != NULL ? domain_of_log(job->domains, i) : NULL));
  }
  return OK;
}

status read_logs(prepare_job *job, dataset_writer *w) {
  const prepare_config *c = job->c;
  char temporary[PATH_MAX + 64];
  TRY(find_files(job));
  TRY(domain_table_new(&job->domains, c, &job->log_files, &job->catalogue_files));
  TRY(intern_new(&job->items));
  TRY(intern_new(&job->types));
  TRY(intern_new(&job->wanted_types));
  TRY(for_each_name(c->input.events, want_type, job));
  if (c->input.events[0] != '\0' && c->fields.event[0] == '\0')
    return fail(ERR_ARGUMENT, "input.events needs fields.event, the column of the event type");
  TRY(writer_path(w, ".", temporary, sizeof temporary));
  // Warns if the largest partition does not fit: reading it takes memory besides the names of the items.
  const bool searches = c->fields.query[0] != '\0';
  TRY(store_new(&job->store, temporary, (size_t)c->output.memory / 4 * (searches ? 2 : 3)));
  if (searches) TRY(search_table_new(&job->searches, temporary, (size_t)c->output.memory / 4));
  const status rc = read_files(job);
  if (rc == OK) warn_of_fields(job);
  warn_of_remarks(job);
  if (rc != OK) return rc;
  store_complete(job->store);
  if (job->searches != NULL) search_table_complete(job->searches);
  warn_of_times(job);
  warn_of_currencies(job, "fields.price", &job->log_prices);
  warn_of_wanted_types(job);
  TRY(warn_of_lists(job));
  hint_encoding(job, &job->log, &job->log_files, c->input.encoding, "input.encoding");
  TRY(check_rejects(&job->log, list_title(c->input.log), c->input.max_rejects));
  if (store_largest(job->store) > (size_t)c->output.memory) {
    char a[32], b[32];
    log_warn("the largest partition of users needs %s, more than output.memory (%s)",
             human_bytes(a, (double)store_largest(job->store)), human_bytes(b, (double)c->output.memory));
  }
  return OK;
}
