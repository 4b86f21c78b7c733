// The encoder, forward only, over a chunk: sequences laid end to end without padding, few enough that their
// activations stay in the L2 cache.
#ifndef SOUK_INFER_ENCODER_H
#define SOUK_INFER_ENCODER_H

#include "infer/bundle.h"
#include "simd/simd.h"

typedef struct chunk {
  const souk_bundle *b;
  const simd_table *k;
  int32_t T, S;                     // tokens, sequences
  int32_t most_T, most_S, longest;  // room for: tokens, sequences, tokens of one
  int32_t *ids, *types, *positions; // [T]
  int32_t *tokens;                  // [max_history] known events of the sequence that is being added
  uint8_t *events;                  // [max_history]
  int32_t *adapter;                 // [S] of each sequence (adapters.h), -1: none
  float *low;                       // [T, the largest rank or width of an adapter]
  int32_t *begin, *asked;           // [S+1] first token of each sequence; [S] its token that is asked
  int32_t *
      prefix; // [S] rows of it that all of its rows see; those behind them see none behind them; 0: as the layout says
  float *stream;                 // [T,H] pre-norm: what the blocks add to; post-norm: the layer's input
  float *x;                      // [T,H] the layer's input; post-norm: the same as stream
  float *qkv;                    // [T,3H]
  float *context, *branch;       // [T,H]
  float *ffn;                    // [T,F]
  float *q;                      // [S,H] queries of the last layer
  float *keys, *values, *scores; // of one sequence and head, packed; [QUERY_ROWS, keys]
  // Keys and values of a layer have been made for all rows, c->qkv + H; NULL: nobody keeps them.
  void (*keep)(void *arg, const struct chunk *c, int32_t layer);
  // Makes c->context of c->qkv in place of the attention among the rows of a sequence; NULL: that one. Only with all rows.
  void (*attend)(void *arg, const struct chunk *c, int32_t layer);
  void *arg; // of both
} chunk;

// What is to be encoded, sequence by sequence, and who takes the hidden states.
typedef struct chunk_job {
  const souk_bundle *b;
  bool
      all; // hidden states of all rows are wanted, not only of the row that is asked of each sequence, which is cheaper
  int32_t (*longest)(const void *arg, size_t i); // rows of sequence i at most, 1 to max_positions
  // Appends it with chunk_add, or after chunk_room and writing with chunk_added.
  souk_status (*add)(void *arg, chunk *c, size_t i, souk_error *e);
  void (*keep)(void *arg, const chunk *c, int32_t layer); // see chunk.keep; NULL: not wanted
  // Takes the last layer's hidden states c->x of the sequences `first` .. first + c->S - 1: all rows [T,H], or [S,H].
  void (*done)(void *arg, const chunk *c, size_t first);
  void *arg;
} chunk_job;

// Encodes n sequences in their order, in chunks as large as the cache likes them.
souk_status chunks_run(const chunk_job *j, area *scratch, size_t n, souk_error *e);

// A chunk of a caller's own: bytes that it needs, for c->b, most_T, most_S and longest; its pointers, in an area that has them left, and
// no sequences; the encoder over what it holds, which may be done again for other ids, types and positions.
size_t chunk_bytes(const chunk *c);
void chunk_open(chunk *c, area *scratch);
void chunk_run(const chunk *c, bool all);

// Is there room for a sequence of n tokens? There always is, since `longest` said so; what it said is not trusted with memory.
souk_status chunk_room(const chunk *c, int32_t n, souk_error *e);
// Appends a sequence of n tokens, whose row `asked` is asked; positions are the layout's. It has no adapter and no prefix:
// c->adapter[c->S - 1] and c->prefix[c->S - 1] may be set afterwards.
souk_status chunk_add(chunk *c, const int32_t *ids, const int32_t *types, int32_t n, int32_t asked,
                      souk_error *e);
// The same where the caller has written ids, types and positions behind the chunk's T rows.
void chunk_added(chunk *c, int32_t n, int32_t asked);

// x [S,width], the asked rows' of something behind the encoder, get what their adapters add to its bias.
void chunk_shift(const chunk *c, shift_whole which, float *x, size_t width);

// The head: user vectors [S,W] of the asked rows' hidden states c->x [S,H].
void chunk_user_vectors(const chunk *c, float *u);

#endif
