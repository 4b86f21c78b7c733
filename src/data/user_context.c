// Attributes and searches of users; see user_context.h.
#include "data/user_context.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_internal.h"
#include "format/domains.h"
#include "format/order.h"
#include "hdf5/h5_arrays.h"

typedef struct context_file {
  const dataset *d;
  char path[PATH_MAX];
  h5_reader *reader;
  int32_t file;
} context_file;

// ---- reading -------------------------------------------------------------------------------------------------

// A whole dataset of one dimension; wanted: how many elements, negative: any number.
static status read_set(const context_file *f, const char *name, h5_kind kind, size_t bytes_each,
                       int64_t wanted, void *out, int64_t *n) {
  TRY(reader_dims(f->reader, f->file, name, kind, 1, n));
  if (wanted >= 0 && *n != wanted)
    return fail(ERR_FORMAT, "%s: \"%s\" has %lld elements, not %lld", f->path, name, (long long)*n,
                (long long)wanted);
  TRY(mem_new(out, (size_t)*n, bytes_each, "what is known of users"));
  return reader_rows(f->reader, f->file, name, kind, 1, 0, *n, 1, *(void **)out);
}

// Tokens lie in ranges after `from` up to `to`, or are [UNK] where that may be.
static status check_tokens(const context_file *f, const char *name, const int32_t *tokens, int64_t n,
                           vocab_range range, bool unknown) {
  const int32_t *end = dataset_stored(f->d)->range_end;
  for (int64_t i = 0; i < n; i++)
    if (!(unknown && tokens[i] == TOKEN_UNK) && (tokens[i] < end[range - 1] || tokens[i] >= end[range]))
      return fail(ERR_FORMAT, "%s: \"%s\" at %lld is %d, which is no token of the %s", f->path, name,
                  (long long)i, tokens[i], vocab_range_names[range]);
  return OK;
}

static status begin(context_file *f, const char *name, const char *schema) {
  TRY(path_join(f->path, sizeof f->path, dataset_dir(f->d), name));
  return reader_open(f->reader, f->path, schema, 1, &f->file);
}

static status read_attributes(context_file *f, user_attributes *a) {
  const int64_t users = dataset_get_info(f->d)->sequences;
  int64_t n;
  TRY(begin(f, "users.h5", "souk.users"));
  TRY(read_set(f, "offsets", H5_KIND_I64, sizeof *a->offsets, users + 1, &a->offsets, &n));
  TRY(read_set(f, "tokens", H5_KIND_I32, sizeof *a->tokens, -1, &a->tokens, &n));
  TRY(h5_check_offsets(f->path, "offsets", a->offsets, users, n));
  return check_tokens(f, "tokens", a->tokens, n, RANGE_ATTRIBUTES, false);
}

static status check_places(const context_file *f, const user_searches *s, int64_t users) {
  const int32_t *lengths = dataset_lengths(f->d);
  for (int64_t i = 0; i < users; i++)
    for (int64_t k = s->offsets[i]; k < s->offsets[i + 1]; k++) {
      const int32_t least = k > s->offsets[i] ? s->places[k - 1] : 0;
      if (s->places[k] < least || s->places[k] > lengths[i])
        return fail(ERR_FORMAT, "%s: a search of history %lld is before event %d; %d to %d are possible",
                    f->path, (long long)i, s->places[k], least, lengths[i]);
      if (s->events[k] >= dataset_stored(f->d)->n_event_types)
        return fail(ERR_FORMAT, "%s: a search of history %lld has event type %d, which there is not", f->path,
                    (long long)i, s->events[k]);
    }
  return OK;
}

static status read_searches(context_file *f, user_searches *s) {
  const int64_t users = dataset_get_info(f->d)->sequences;
  int64_t n, q;
  TRY(begin(f, "searches.h5", "souk.searches"));
  TRY(read_set(f, "offsets", H5_KIND_I64, sizeof *s->offsets, users + 1, &s->offsets, &n));
  TRY(read_set(f, "places", H5_KIND_I32, sizeof *s->places, -1, &s->places, &q));
  TRY(h5_check_offsets(f->path, "offsets", s->offsets, users, q));
  TRY(read_set(f, "events", H5_KIND_U8, sizeof *s->events, q, &s->events, &n));
  TRY(check_places(f, s, users));
  TRY(read_set(f, "word_offsets", H5_KIND_I64, sizeof *s->word_offsets, q + 1, &s->word_offsets, &n));
  TRY(read_set(f, "words", H5_KIND_I32, sizeof *s->words, -1, &s->words, &n));
  TRY(h5_check_offsets(f->path, "word_offsets", s->word_offsets, q, n));
  return check_tokens(f, "words", s->words, n, RANGE_WORDS, true);
}

static status check_times(const context_file *f, const user_searches *s, int64_t users) {
  for (int64_t i = 0; i < users; i++)
    for (int64_t k = s->offsets[i] + 1; k < s->offsets[i + 1]; k++)
      if (s->places[k] == s->places[k - 1] && s->times[k] < s->times[k - 1])
        return fail(ERR_FORMAT, "%s: \"times\" at %lld is %lld, before the search that it follows", f->path,
                    (long long)k, (long long)s->times[k]);
  return OK;
}

static status read_search_times(context_file *f, user_searches *s) {
  const int64_t users = dataset_get_info(f->d)->sequences;
  int64_t n;
  TRY(begin(f, "search_times.h5", "souk.search_times"));
  TRY(read_set(f, "times", H5_KIND_I64, sizeof *s->times, s->offsets[users], &s->times, &n));
  return check_times(f, s, users);
}

static status check_runs(const context_file *f, const user_runs *r, int64_t users) {
  const int32_t *lengths = dataset_lengths(f->d);
  for (int64_t i = 0; i < users; i++)
    for (int64_t k = r->offsets[i]; k < r->offsets[i + 1]; k++) {
      const bool first = k == r->offsets[i];
      if (first ? r->places[k] != 0 : r->places[k] <= r->places[k - 1] || r->places[k] >= lengths[i])
        return fail(ERR_FORMAT, "%s: a run of history %lld begins at event %d", f->path, (long long)i,
                    r->places[k]);
    }
  return OK;
}

static status read_runs(context_file *f, user_runs *r) {
  const int64_t users = dataset_get_info(f->d)->sequences;
  int64_t n;
  TRY(begin(f, "domains.h5", "souk.domains"));
  TRY(read_set(f, "offsets", H5_KIND_I64, sizeof *r->offsets, users + 1, &r->offsets, &n));
  TRY(read_set(f, "places", H5_KIND_I32, sizeof *r->places, -1, &r->places, &n));
  TRY(h5_check_offsets(f->path, "offsets", r->offsets, users, n));
  return check_runs(f, r, users);
}

// The domains of items are those that their names say.
static status find_domains(const dataset *d, user_context *c) {
  const vocab *v = dataset_vocab(d);
  const int32_t items = vocab_end(v, RANGE_ITEMS) - vocab_begin(v, RANGE_ITEMS);
  c->first_item = vocab_begin(v, RANGE_ITEMS);
  TRY(mem_new(&c->domain_of, (size_t)items, sizeof *c->domain_of, "domains of items"));
  for (int32_t i = 0; i < items; i++) {
    const int32_t domain = domain_of_item(v, c->first_item + i);
    c->domain_of[i] = domain >= 0 ? domain : TOKEN_UNK;
  }
  return OK;
}

static void translate(const dataset *d, user_context *c) {
  const int32_t *as = dataset_token_as(d);
  if (as == NULL) return;
  const user_attributes *a = &c->attributes;
  const user_searches *s = &c->searches;
  for (int64_t i = 0; a->offsets != NULL && i < a->offsets[c->users]; i++) a->tokens[i] = as[a->tokens[i]];
  if (s->offsets == NULL) return;
  const int64_t q = s->offsets[c->users];
  for (int64_t i = 0; i < s->word_offsets[q]; i++) s->words[i] = as[s->words[i]];
  for (int64_t k = 0; k < q; k++) s->events[k] = dataset_event_as(d, s->events[k]);
}

static status read_both(context_file *f, user_context *c) {
  TRY(reader_start(&f->reader));
  if (dataset_lists(f->d, "users.h5")) TRY(read_attributes(f, &c->attributes));
  if (dataset_lists(f->d, "searches.h5")) {
    TRY(read_searches(f, &c->searches));
    if (dataset_lists(f->d, "search_times.h5")) TRY(read_search_times(f, &c->searches));
  }
  if (dataset_lists(f->d, "domains.h5")) {
    TRY(read_runs(f, &c->runs));
    TRY(find_domains(f->d, c));
  }
  translate(f->d, c);
  return OK;
}

status dataset_user_context(dataset *d, const user_context **out) {
  item_data *have = dataset_item_data(d);
  *out = have->context;
  const bool any =
      dataset_lists(d, "users.h5") || dataset_lists(d, "searches.h5") || dataset_lists(d, "domains.h5");
  if (have->context != NULL || !any) return OK;
  context_file f = {.d = d};
  user_context *c;
  TRY(mem_new(&c, 1, sizeof *c, "what is known of users"));
  c->users = dataset_get_info(d)->sequences;
  const status rc = read_both(&f, c);
  reader_stop(f.reader);
  if (rc != OK) {
    user_context_free(c);
    return rc;
  }
  *out = have->context = c;
  return OK;
}

void user_context_free(user_context *c) {
  if (c == NULL) return;
  void *const arrays[] = {c->attributes.offsets, c->attributes.tokens, c->searches.offsets,
                          c->searches.places,    c->searches.events,   c->searches.word_offsets,
                          c->searches.words,     c->searches.times,    c->runs.offsets,
                          c->runs.places,        c->domain_of};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(c);
}

double user_context_bytes(const user_context *c) {
  if (c == NULL) return 0;
  const double offsets = (double)(c->users + 1) * sizeof(int64_t);
  double sum = 0;
  if (c->attributes.offsets != NULL)
    sum += offsets + (double)c->attributes.offsets[c->users] * sizeof *c->attributes.tokens;
  if (c->searches.offsets != NULL) {
    const int64_t n = c->searches.offsets[c->users];
    sum += offsets + (double)n * (sizeof *c->searches.places + sizeof *c->searches.events) +
           (double)(n + 1) * sizeof *c->searches.word_offsets +
           (double)c->searches.word_offsets[n] * sizeof *c->searches.words +
           (c->searches.times != NULL ? (double)n * sizeof *c->searches.times : 0);
  }
  if (c->runs.offsets != NULL) sum += offsets + (double)c->runs.offsets[c->users] * sizeof *c->runs.places;
  return sum;
}

// ---- rows ----------------------------------------------------------------------------------------------------

int32_t context_attributes(const user_context *c, int64_t history) {
  if (c == NULL || c->attributes.offsets == NULL) return 0;
  return (int32_t)(c->attributes.offsets[history + 1] - c->attributes.offsets[history]);
}

static int32_t attributes_of(const user_context *c, const context_span *s) {
  return s->bare ? 0 : context_attributes(c, s->sequence);
}

// The first of a user's places, which rise, at `place` or behind it.
static int64_t first_place(const int64_t *offsets, const int32_t *places, int64_t history, int32_t place) {
  return order_place(places, offsets[history], offsets[history + 1], place);
}

static int64_t first_search(const user_context *c, int64_t history, int32_t place) {
  return first_place(c->searches.offsets, c->searches.places, history, place);
}

static int64_t first_run(const user_context *c, int64_t history, int32_t place) {
  return first_place(c->runs.offsets, c->runs.places, history, place);
}

// The searches of a span, [*from, *stop).
static void find_searches(const user_context *c, const context_span *s, int64_t *from, int64_t *stop) {
  *from = *stop = 0;
  if (c == NULL || c->searches.offsets == NULL || (s->end == s->begin && !s->query)) return;
  *from = first_search(c, s->sequence, s->begin);
  *stop = first_search(c, s->sequence, s->end + s->query);
  if (!s->query || !s->timed) return;
  const user_searches *of = &c->searches; // those of one place rise in time
  while (*stop > *from && of->places[*stop - 1] == s->end &&
         (of->times == NULL || of->times[*stop - 1] >= s->before))
    --*stop;
}

// Tokens of domains in a span: its first event has one, whatever run it is of.
static int64_t runs_in(const user_context *c, const context_span *s) {
  if (c == NULL || c->runs.offsets == NULL || s->end == s->begin) return 0;
  return 1 + first_run(c, s->sequence, s->end) - first_run(c, s->sequence, s->begin + 1);
}

// Events, words and domains.
static int64_t plain_rows(const user_context *c, const context_span *s) {
  int64_t from, stop;
  find_searches(c, s, &from, &stop);
  const int64_t words = from < stop ? c->searches.word_offsets[stop] - c->searches.word_offsets[from] : 0;
  return words + runs_in(c, s) + s->end - s->begin;
}

int32_t context_rows(const user_context *c, const context_span *s) {
  const int64_t rows = plain_rows(c, s) + attributes_of(c, s);
  return rows < INT32_MAX ? (int32_t)rows : INT32_MAX;
}

// Rows one behind the other, the first `skip` of which are left out.
typedef struct row_writer {
  int32_t *tokens;
  uint8_t *events;
  int32_t n;
  int64_t skip;
} row_writer;

static void put(row_writer *w, int32_t token, uint8_t event) {
  if (w->skip > 0) {
    w->skip--;
    return;
  }
  w->tokens[w->n] = token;
  w->events[w->n++] = event;
}

static void put_search(row_writer *w, const user_searches *s, int64_t k) {
  for (int64_t i = s->word_offsets[k]; i < s->word_offsets[k + 1]; i++) put(w, s->words[i], s->events[k]);
}

static int32_t domain_of(const user_context *c, int32_t token) {
  return token >= c->first_item ? c->domain_of[token - c->first_item] : TOKEN_UNK;
}

// Is there a domain's token in front of event i? *run: the first run that begins behind it, or there.
static bool begins_run(const user_context *c, const context_span *s, int32_t i, int64_t *run) {
  if (c->runs.offsets == NULL) return false;
  const bool at = *run < c->runs.offsets[s->sequence + 1] && c->runs.places[*run] == i;
  *run += at;
  return at || i == s->begin;
}

int32_t context_fill(const user_context *c, const context_span *s, const int32_t *tokens,
                     const uint8_t *events, int32_t room, int32_t *to_tokens, uint8_t *to_events) {
  const int64_t plain = plain_rows(c, s);
  const int32_t known = attributes_of(c, s), beside = room - (plain > 0),
                attributes = known < beside ? known : beside;
  row_writer w = {to_tokens, to_events, 0, 0};
  for (int32_t i = 0; i < attributes; i++)
    put(&w, c->attributes.tokens[c->attributes.offsets[s->sequence] + i], 0);
  w.skip = plain > room - attributes ? plain - (room - attributes) : 0;
  int64_t search, stop;
  find_searches(c, s, &search, &stop);
  int64_t run = c->runs.offsets != NULL ? first_run(c, s->sequence, s->begin) : 0;
  for (int32_t i = s->begin; i <= s->end; i++) {
    for (; search < stop && c->searches.places[search] == i; search++) put_search(&w, &c->searches, search);
    if (i == s->end) break;
    if (begins_run(c, s, i, &run)) put(&w, domain_of(c, tokens[i]), 0);
    put(&w, tokens[i], events[i]);
  }
  return w.n;
}

seq_input context_query(const user_context *c, const seq_layout *layout, int64_t history,
                        const int32_t *tokens, const uint8_t *events, int32_t n, int32_t *to_tokens,
                        uint8_t *to_events) {
  if (c == NULL) return (seq_input){.tokens = tokens, .events = events, .n = n};
  const context_span span = {.sequence = history, .end = n, .query = true};
  const int32_t room = layout->max_positions - sequence_specials(layout, false, true);
  return (seq_input){.tokens = to_tokens,
                     .events = to_events,
                     .n = context_fill(c, &span, tokens, events, room, to_tokens, to_events)};
}

// ---- writing -------------------------------------------------------------------------------------------------

status user_attributes_write(const user_attributes *a, int64_t users, const char *path, int deflate) {
  const h5_array arrays[] = {{"offsets", H5_KIND_I64, users + 1, 0, a->offsets},
                             {"tokens", H5_KIND_I32, a->offsets[users], 0, a->tokens}};
  return h5_write_arrays(path, "souk.users", arrays, 2, deflate);
}

status user_runs_write(const user_runs *r, int64_t users, const char *path, int deflate) {
  const h5_array arrays[] = {{"offsets", H5_KIND_I64, users + 1, 0, r->offsets},
                             {"places", H5_KIND_I32, r->offsets[users], 0, r->places}};
  return h5_write_arrays(path, "souk.domains", arrays, 2, deflate);
}

status user_searches_write(const user_searches *s, int64_t users, const char *path, int deflate) {
  const int64_t q = s->offsets[users];
  const h5_array arrays[] = {{"offsets", H5_KIND_I64, users + 1, 0, s->offsets},
                             {"places", H5_KIND_I32, q, 0, s->places},
                             {"events", H5_KIND_U8, q, 0, s->events},
                             {"word_offsets", H5_KIND_I64, q + 1, 0, s->word_offsets},
                             {"words", H5_KIND_I32, s->word_offsets[q], 0, s->words}};
  return h5_write_arrays(path, "souk.searches", arrays, 5, deflate);
}

status user_search_times_write(const user_searches *s, int64_t users, const char *path, int deflate) {
  const h5_array times = {"times", H5_KIND_I64, s->offsets[users], 0, s->times};
  return h5_write_arrays(path, "souk.search_times", &times, 1, deflate);
}
