// Writing copy: requests become sources, which the model reads once (prefill), and then all hypotheses of all requests that a thread has
// in hand go through the model together, a token a step. A request leaves when its copies are finished, and the next one takes its
// seat, so that the rows of a step stay many.
//
//   decoder_source   a request's rows                     decoder_search   which tokens are taken: greedy, sampling
//   decoder_cache    keys and values, a step              decoder_beam     beam search
//   decoder_limits   what may come next                   decoder_answers  copies as text, templates, the caller's results
#ifndef SOUK_INFER_DECODER_H
#define SOUK_INFER_DECODER_H

#include <pthread.h>
#include "infer/decoder_answers.h"
#include "infer/decoder_cache.h"
#include "infer/decoder_limits.h"
#include "infer/decoder_source.h"
#include "infer/top_k.h"

// A call. Arguments have been checked, and options have no field that stands for a default.
typedef struct copy_job {
  const souk_bundle *b;
  const void *requests; // [n] of request_bytes
  size_t request_bytes, n;
  souk_promo_options options;
  souk_promo *answers;
  size_t share;         // requests that a thread holds at most
  pthread_mutex_t lock; // of what follows
  size_t next;          // request that nobody has taken
} copy_job;

souk_promo_request job_request(const copy_job *j, size_t i);
int32_t job_width(const copy_job *j); // hypotheses of a request

// A copy goes back behind no more than its newest BACK_MOST tokens, so that a stream may have those before them.
enum { DEAD_MOST = 32, BACK_MOST = 4 };

// A token that led a copy to where nothing may follow.
typedef struct dead_end {
  int32_t at, token;
} dead_end;

typedef struct hypothesis {
  int32_t *tokens;  // [n], room for copy_tokens
  uint8_t *places;  // [n] of the cache
  double *gained;   // [n] log probability of each token; not of a beam
  float *coverage;  // [source rows]; NULL: not wanted
  int32_t n, place; // place: the one that its newest row has
  int32_t number;   // of the copy, where each hypothesis becomes one; of its group in a beam
  int32_t row;      // of the logits
  int32_t furthest; // the most tokens that it ever had
  int32_t n_dead;
  dead_end dead[DEAD_MOST];
  double log_probability;
  size_t told; // bytes of its text that the stream has
  limit_state state;
} hypothesis;

// A request in hand.
typedef struct copy_seat {
  bool taken;
  size_t request;
  int32_t adapter;
  uint64_t seed;
  source_rows rows;
  copy_limits limits;
  hypothesis *live, *spare; // [width]; beams write the next step's into `spare`, and they change places
  int32_t n_live;
  finished_copy *finished; // [n_best], the best first
  int32_t n_finished;
} copy_seat;

// A token behind a live hypothesis of a beam.
typedef struct beam_candidate {
  double total, ordered; // log probability with it; the same less what diversity takes
  int32_t parent, token, bank;
} beam_candidate;
enum { BEAM_CANDIDATES = COPY_WIDTH_MAX * (3 * COPY_WIDTH_MAX + REQUIREMENTS) };

// What a thread has.
typedef struct decoder {
  copy_job *j;
  const souk_bundle *b;
  int32_t seats, width, rows, classes;
  copy_seat *seat; // [seats]
  copy_cache cache;
  chunk c;       // of a step
  area *prefill; // chunks of sources, and of whole sequences where there is no cache
  source_space space;
  bool drained;               // all requests are taken
  int32_t *arriving;          // [seats] those whose sources are to be read
  copy_row *row;              // [rows]
  float *logits;              // [rows][classes]
  float *scaled;              // [classes]
  uint64_t *bits;             // [2][(classes + 63) / 64], the second half being limits_mask()'s
  ranked *ranked;             // [classes]
  beam_candidate *candidates; // [BEAM_CANDIDATES]
  char *text;                 // [text_room] of a copy, for the stream
  size_t text_room;
} decoder;

// decoder.c: writes all copy of a job.
souk_status decoder_run(copy_job *j, souk_error *e);

// ---- decoder_search.c ----------------------------------------------------------------------------------------

// Hypotheses of a seat whose source has just been read, with the logits of its end in row `row`.
void search_begin(decoder *d, copy_seat *s, int32_t row);
// Takes the next tokens of a seat's live hypotheses by the logits of their rows; fewer of them may be left, or none.
souk_status search_step(decoder *d, copy_seat *s, souk_error *e);
// For the hypothesis's row of logits: *sum the logarithm of the sum of their exponentials, d->bits the tokens that may come, if there is *any.
souk_status search_row(decoder *d, const copy_seat *s, const hypothesis *h, double *sum, bool *any,
                       souk_error *e);
// A hypothesis has come to its end. `cut`: because it was as long as it may be.
void search_finish(decoder *d, copy_seat *s, const hypothesis *h, double score, bool cut);

// ---- decoder_beam.c ------------------------------------------------------------------------------------------

souk_status beam_step(decoder *d, copy_seat *s, souk_error *e);

// ---- decoder_stream.c ----------------------------------------------------------------------------------------

// The stream hears what the live hypotheses of a seat have more than before; and that a request is answered.
void stream_live(decoder *d, copy_seat *s);
void stream_end(decoder *d, const copy_seat *s, const promo_answer *a);

#endif
