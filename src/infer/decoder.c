// A thread's part of a call for copy: seats, sources, steps; see decoder.h.
#include "infer/decoder.h"

#include <stdlib.h>
#include <string.h>
#include "infer/encode.h"
#include "infer/workspace.h"

enum { ROWS = 32 }; // of a step, unless one request has more
static const size_t SEATS_BYTES = (size_t)1
                                  << 30; // of keys and values at most, of which what is used is there

souk_promo_request job_request(const copy_job *j, size_t i) {
  souk_promo_request r;
  memset(&r, 0, sizeof r);
  memcpy(&r, (const char *)j->requests + i * j->request_bytes,
         j->request_bytes < sizeof r ? j->request_bytes : sizeof r);
  return r;
}

int32_t job_width(const copy_job *j) {
  return j->options.decode == SOUK_DECODE_GREEDY ? 1
         : j->options.decode == SOUK_DECODE_BEAM ? j->options.beam
                                                 : j->options.n_best;
}

// ---- memory --------------------------------------------------------------------------------------------------

// Pieces of an area, or only their bytes.
typedef struct carver {
  area *a; // NULL: only counted
  size_t bytes;
} carver;

static void *carve(carver *c, size_t count, size_t size) {
  c->bytes += area_size(count, size);
  return c->a != NULL ? area_take(c->a, count, size) : NULL;
}

static void carve_hypothesis(const decoder *d, carver *c, hypothesis *h) {
  const copy_layout *l = &d->b->copy.layout;
  const hypothesis own = {.tokens = carve(c, (size_t)l->copy_tokens, sizeof *h->tokens),
                          .places = carve(c, (size_t)l->copy_tokens, 1),
                          .gained = carve(c, (size_t)l->copy_tokens, sizeof *h->gained),
                          .coverage = d->j->options.coverage_penalty > 0
                                          ? carve(c, (size_t)l->sequence.max_positions, sizeof(float))
                                          : NULL};
  if (c->a != NULL) *h = own;
}

static void carve_seat(const decoder *d, carver *c, copy_seat *s) {
  const copy_layout *l = &d->b->copy.layout;
  const size_t most = (size_t)l->sequence.max_positions, width = (size_t)d->width,
               best = (size_t)d->j->options.n_best;
  copy_seat own = {.taken = false};
  own.rows.ids = carve(c, most, sizeof(int32_t));
  own.rows.types = carve(c, most, sizeof(int32_t));
  own.rows.positions = carve(c, most, sizeof(int32_t));
  own.live = carve(c, width, sizeof *own.live);
  own.spare = carve(c, width, sizeof *own.spare);
  own.finished = carve(c, best, sizeof *own.finished);
  for (size_t i = 0; i < width; i++) {
    carve_hypothesis(d, c, c->a != NULL ? &own.live[i] : NULL);
    carve_hypothesis(d, c, c->a != NULL ? &own.spare[i] : NULL);
  }
  for (size_t i = 0; i < best; i++) {
    int32_t *tokens = carve(c, (size_t)l->copy_tokens, sizeof *tokens);
    if (c->a != NULL) own.finished[i] = (finished_copy){.tokens = tokens};
  }
  if (c->a != NULL) *s = own;
}

static void carve_all(decoder *d, carver *c) {
  const size_t classes = (size_t)d->classes, rows = (size_t)d->rows, seats = (size_t)d->seats;
  copy_seat *seat = carve(c, seats, sizeof *d->seat);
  d->arriving = carve(c, seats, sizeof *d->arriving);
  d->row = carve(c, rows, sizeof *d->row);
  d->logits = carve(c, rows * classes, sizeof *d->logits);
  d->scaled = carve(c, classes, sizeof *d->scaled);
  d->bits = carve(c, 2 * ((classes + 63) / 64), sizeof *d->bits);
  d->ranked = carve(c, classes, sizeof *d->ranked);
  d->candidates =
      carve(c, d->j->options.decode == SOUK_DECODE_BEAM ? BEAM_CANDIDATES : 0, sizeof *d->candidates);
  d->text_room = d->j->options.stream != NULL ? (size_t)d->b->copy.layout.copy_tokens * PROMO_TERM_BYTES : 0;
  d->text = carve(c, d->text_room, 1);
  for (size_t i = 0; i < seats; i++) carve_seat(d, c, c->a != NULL ? &seat[i] : NULL);
  d->seat = seat;
}

// As many seats as the rows of a step can hold, or its share of the requests asks for, or memory for keys and values allows.
static void choose_sizes(decoder *d, const copy_job *j) {
  const souk_bundle *b = j->b;
  d->width = job_width(j);
  d->rows = d->width > ROWS ? d->width : ROWS;
  d->seats = d->rows / d->width;
  if ((size_t)d->seats > j->share) d->seats = (int32_t)j->share;
  const size_t fit = SEATS_BYTES / copy_seat_bytes(b, d->width, b->copy.layout.copy_tokens);
  if (j->options.no_cache == 0 && (size_t)d->seats > fit) d->seats = fit > 0 ? (int32_t)fit : 1;
  d->rows = d->seats * d->width;
  d->classes = b->copy.classes;
}

static souk_status open_decoder(decoder *d, copy_job *j, workspace *space, souk_error *e) {
  carver counted = {.a = NULL}, taken = {.a = &space->rank};
  d->j = j;
  d->b = j->b;
  d->prefill = &space->encode;
  choose_sizes(d, j);
  d->c = (chunk){.b = j->b, .k = simd(), .most_T = d->rows, .most_S = d->rows, .longest = 1};
  carve_all(d, &counted);
  PASS(area_reserve(&space->rank, counted.bytes + chunk_bytes(&d->c) + source_space_bytes(j->b), e));
  carve_all(d, &taken);
  chunk_open(&d->c, &space->rank);
  source_space_open(&d->space, j->b, &space->rank);
  if (j->options.no_cache != 0) return SOUK_OK;
  return copy_cache_open(&d->cache, j->b, d->seats, d->width, j->b->copy.layout.copy_tokens, e);
}

// ---- sources -------------------------------------------------------------------------------------------------

// Sequences of a chunk: sources that arrive, or without a cache whole sequences of rows.
typedef struct sequences {
  decoder *d;
  size_t first; // of the chunk
} sequences;

static int32_t rows_of_source(const void *arg, size_t i) {
  const decoder *d = ((const sequences *)arg)->d;
  return d->seat[d->arriving[i]].rows.plan.source;
}

static void put_source(chunk *c, const copy_seat *s) {
  const size_t n = (size_t)s->rows.plan.source, bytes = n * sizeof(int32_t), at = (size_t)c->T;
  memcpy(c->ids + at, s->rows.ids, bytes);
  memcpy(c->types + at, s->rows.types, bytes);
  memcpy(c->positions + at, s->rows.positions, bytes);
}

static souk_status add_source(void *arg, chunk *c, size_t i, souk_error *e) {
  sequences *q = arg;
  const copy_seat *s = &q->d->seat[q->d->arriving[i]];
  const int32_t n = s->rows.plan.source;
  PASS(chunk_room(c, n, e));
  if (c->S == 0) q->first = i;
  put_source(c, s);
  chunk_added(c, n, n - 1);
  c->adapter[c->S - 1] = s->adapter;
  c->prefix[c->S - 1] = n;
  return SOUK_OK;
}

static void keep_source(void *arg, const chunk *c, int32_t layer) {
  const sequences *q = arg;
  if (q->d->j->options.no_cache != 0) return;
  for (int32_t i = 0; i < c->S; i++)
    copy_cache_keep(&q->d->cache, c, layer, i, q->d->arriving[q->first + (size_t)i]);
}

static void take_hidden(void *arg, const chunk *c, size_t first) {
  decoder *d = ((sequences *)arg)->d;
  const size_t H = (size_t)c->b->hidden;
  memcpy(d->c.x + first * H, c->x, (size_t)c->S * H * sizeof *c->x);
  for (int32_t i = 0; i < c->S; i++) d->c.adapter[first + (size_t)i] = c->adapter[i];
}

// The logits of n rows whose hidden states and adapters are in d->c.
static void make_logits(decoder *d, int32_t n) {
  d->c.T = d->c.S = n;
  copy_logits(&d->c, d->logits);
}

static souk_status read_sources(decoder *d, int32_t n, souk_error *e) {
  sequences q = {.d = d};
  const chunk_job job = {.b = d->b,
                         .longest = rows_of_source,
                         .add = add_source,
                         .keep = keep_source,
                         .done = take_hidden,
                         .arg = &q};
  PASS(chunks_run(&job, d->prefill, (size_t)n, e));
  make_logits(d, n);
  return SOUK_OK;
}

// ---- steps ---------------------------------------------------------------------------------------------------

static int32_t rows_of_row(const void *arg, size_t i) {
  const decoder *d = ((const sequences *)arg)->d;
  return d->seat[d->row[i].seat].rows.plan.source + d->row[i].at + 1;
}

// A whole sequence, of which the last row is asked.
static souk_status add_whole(void *arg, chunk *c, size_t i, souk_error *e) {
  const decoder *d = ((const sequences *)arg)->d;
  const copy_row *r = &d->row[i];
  const copy_seat *s = &d->seat[r->seat];
  const int32_t source = s->rows.plan.source, n = source + r->at + 1;
  PASS(chunk_room(c, n, e));
  put_source(c, s);
  for (int32_t k = 0; k <= r->at; k++) {
    const int32_t at = c->T + source + k;
    c->ids[at] = r->tokens[k];
    c->types[at] = r->type;
    c->positions[at] = copy_row_position(&s->rows.plan, source + k);
  }
  chunk_added(c, n, n - 1);
  c->adapter[c->S - 1] = r->adapter;
  c->prefix[c->S - 1] = source;
  return SOUK_OK;
}

static int32_t list_rows(decoder *d) {
  int32_t n = 0;
  for (int32_t i = 0; i < d->seats; i++) {
    copy_seat *s = &d->seat[i];
    for (int32_t k = 0; s->taken && k < s->n_live; k++) {
      hypothesis *h = &s->live[k];
      h->row = n;
      d->row[n++] = (copy_row){.tokens = h->tokens,
                               .seat = i,
                               .place = h->place,
                               .at = h->n - 1,
                               .adapter = s->adapter,
                               .type = copy_row_type(&d->b->copy.layout),
                               .position = copy_row_position(&s->rows.plan, s->rows.plan.source + h->n - 1),
                               .places = h->places,
                               .coverage = h->coverage};
    }
  }
  return n;
}

static souk_status run_rows(decoder *d, int32_t n, souk_error *e) {
  sequences q = {.d = d};
  const chunk_job job = {.b = d->b, .longest = rows_of_row, .add = add_whole, .done = take_hidden, .arg = &q};
  if (d->j->options.no_cache == 0)
    copy_cache_step(&d->cache, &d->c, d->row, n);
  else
    PASS(chunks_run(&job, d->prefill, (size_t)n, e));
  make_logits(d, n);
  return SOUK_OK;
}

// ---- requests ------------------------------------------------------------------------------------------------

// False: all are taken.
static bool next_request(decoder *d, size_t *i) {
  copy_job *j = d->j;
  pthread_mutex_lock(&j->lock);
  *i = j->next;
  d->drained = j->next == j->n;
  j->next += !d->drained;
  pthread_mutex_unlock(&j->lock);
  return !d->drained;
}

static souk_status leave(decoder *d, copy_seat *s, const char *reason, souk_error *e) {
  promo_answer *a = &d->j->answers->answers[s->request];
  const souk_promo_request r = job_request(d->j, s->request);
  s->taken = false;
  const souk_status rc = s->n_finished > 0 ? answers_write(a, &s->limits, s->finished, s->n_finished, e)
                                           : answers_refuse(a, &s->limits, r.type, reason, e);
  limits_free(&s->limits);
  if (rc == SOUK_OK) stream_end(d, s, a);
  return rc;
}

// Gives a seat to a request. *taken: false if it is answered already, since no copy can follow its rules.
static souk_status seat_request(decoder *d, copy_seat *s, size_t request, souk_error *e) {
  char why[512];
  const souk_promo_request r = job_request(d->j, request);
  promo_answer *a = &d->j->answers->answers[request];
  s->request = request;
  s->adapter = r.adapter - 1;
  s->seed = r.seed;
  s->n_finished = s->n_live = 0;
  PASS(limits_read(&s->limits, d->b, &r, request, &d->j->options, why, sizeof why, e));
  const uint32_t given = promo_terms_given(&s->limits.terms);
  PASS(source_write(d->b, &r, given, &d->space, &s->rows, &a->notes, why, sizeof why, e));
  s->taken = true;
  return why[0] != '\0' ? leave(d, s, why, e) : SOUK_OK;
}

// Lets every live hypothesis of a seat take a token.
static souk_status advance(decoder *d, copy_seat *s, souk_error *e) {
  PASS(search_step(d, s, e));
  stream_live(d, s);
  return s->n_live > 0 ? SOUK_OK : leave(d, s, "the search found no copy that the rules allow to end", e);
}

// Fills empty seats and reads their sources.
static souk_status admit(decoder *d, souk_error *e) {
  int32_t n = 0;
  size_t request;
  for (int32_t i = 0; i < d->seats; i++) {
    while (!d->seat[i].taken && next_request(d, &request)) PASS(seat_request(d, &d->seat[i], request, e));
    if (d->seat[i].taken && d->seat[i].n_live == 0) d->arriving[n++] = i;
  }
  if (n == 0) return SOUK_OK;
  PASS(read_sources(d, n, e));
  for (int32_t k = 0; k < n; k++) {
    copy_seat *s = &d->seat[d->arriving[k]];
    search_begin(d, s, k);
    PASS(advance(d, s, e));
  }
  return SOUK_OK;
}

static souk_status write_copies(decoder *d, souk_error *e) {
  for (;;) {
    PASS(admit(d, e));
    const int32_t n = list_rows(d);
    if (n == 0 && d->drained) return SOUK_OK;
    if (n == 0) continue; // of those that came, none stayed
    PASS(run_rows(d, n, e));
    for (int32_t i = 0; i < d->seats; i++)
      if (d->seat[i].taken) PASS(advance(d, &d->seat[i], e));
  }
}

// ---- threads -------------------------------------------------------------------------------------------------

static souk_status run_part(void *arg, workspace *space, size_t first, size_t n, souk_error *e) {
  decoder d = {.j = arg};
  (void)first; // a thread takes requests as its seats become free
  (void)n;
  souk_status rc = open_decoder(&d, arg, space, e);
  if (rc == SOUK_OK) rc = write_copies(&d, e);
  for (int32_t i = 0; d.seat != NULL && i < d.seats; i++) limits_free(&d.seat[i].limits); // of an error
  copy_cache_close(&d.cache);
  return rc;
}

souk_status decoder_run(copy_job *j, souk_error *e) {
  const double rows = (double)j->n * (double)j->b->copy.layout.sequence.max_positions;
  const size_t threads = threads_worth(j->b, rows, j->n, j->options.threads);
  const share_job shares = {.b = j->b, .n = threads, .take = 1, .work = run_part, .arg = j};
  j->share = (j->n + threads - 1) / threads;
  if (pthread_mutex_init(&j->lock, NULL) != 0)
    return infer_fail(e, SOUK_ERR_MEMORY, "out of memory: no lock for the threads");
  const souk_status rc = run_shares(&shares, (int32_t)threads, e);
  pthread_mutex_destroy(&j->lock);
  return rc;
}
