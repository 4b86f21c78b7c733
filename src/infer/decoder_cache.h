// Keys and values of copy that is being written: what makes a token cost one row of the model instead of the whole sequence.
//
// A seat holds a request. Keys and values of its source are packed for the matmul, layer by layer and head by head, once, and all of its
// hypotheses read them there: scores of all hypotheses are one product. Those of the copy are a trellis [layer][seat][token][hypothesis]:
// the hypothesis that computes token t in place h writes column (t, h), which is never written again, and a hypothesis carries the
// list of its ancestors' places. So when a beam is put into another order nothing moves but bytes of such lists.
//
// Every row is computed in the same way in any company, so copy has the same bits alone and in a batch.
#ifndef SOUK_INFER_DECODER_CACHE_H
#define SOUK_INFER_DECODER_CACHE_H

#include "infer/encoder.h"

enum { COPY_WIDTH_MAX = 64 }; // hypotheses of a request

typedef struct copy_cache {
  const souk_bundle *b;
  int32_t seats, width;       // width: hypotheses of a seat
  int32_t longest, copy_rows; // rows of a source, and of a copy, at most
  int32_t *source;            // [seats] rows of each source
  float *sources;             // [seats][L][A] keys and values, packed
  float *copies;              // [L][seats][copy_rows][width][2H]
  float *scores;              // [width][longest + copy_rows]
  float *memory;              // of the large ones; not zeroed, so what is never used is never there
} copy_cache;

// A row of a step: token `at` of a copy goes through the model.
typedef struct copy_row {
  const int32_t *tokens; // [at + 1] of the copy, of which the last one goes through the model
  int32_t seat, place, at;
  int32_t adapter; // -1: none
  int32_t type, position;
  const uint8_t *places; // [at] of its ancestors
  float *coverage; // [source rows] += attention of the last layer, the mean of its heads; NULL: not wanted
} copy_row;

souk_status copy_cache_open(copy_cache *c, const souk_bundle *b, int32_t seats, int32_t width,
                            int32_t copy_rows, souk_error *e);
void copy_cache_close(copy_cache *c); // zeroed is safe
size_t copy_seat_bytes(const souk_bundle *b, int32_t width, int32_t copy_rows);

// Takes keys and values of a layer of sequence `sequence` of a chunk, a source, into a seat.
void copy_cache_keep(copy_cache *c, const chunk *from, int32_t layer, int32_t sequence, int32_t seat);

// Runs a step of n rows, those of a seat side by side, in a chunk that has room for n sequences of one row; c->x [n,H] are the hidden states.
void copy_cache_step(copy_cache *cache, chunk *c, const copy_row *rows, int32_t n);

#endif
