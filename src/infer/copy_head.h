// The head that writes copy: y = norm(act(T x + t)), or x where the model's heads are plain, and logits E y / temperature + c over the words and attributes of the vocabulary, where E is
// the table of words itself (copy.safetensors, docs/bundle.md; the trainer's is src/model/objectives/copy.c).
#ifndef SOUK_INFER_COPY_HEAD_H
#define SOUK_INFER_COPY_HEAD_H

#include "format/copy_sequence.h"
#include "format/promo_terms.h"
#include "infer/errors.h"

struct souk_bundle;
struct chunk;

typedef struct copy_head {
  bool there;
  bool forgets_users; // sources have no histories, because training showed none
  copy_layout layout;
  int32_t classes;                    // C: specials, words and attributes
  int32_t slots[SLOT_COUNT];          // their tokens; -1: the vocabulary has none
  struct souk_lexicon *quantities;    // of no phrases: for requests without a lexicon
  uint64_t *words_bits, *inside_bits; // [(C + 63) / 64] words that copy may have; pieces that continue a word
  float *transform, *transform_b, *norm_w, *norm_b; // [H,H] packed, [H]; NULL where heads are plain
  float *words, *bias;                              // [C,H] packed, [C]
  float *arena;
  size_t floats;
} copy_head;

// Reads copy.safetensors, which is mapped where `there`; the bundle's own weights have been read. Freed with copy_head_free, also after
// an error.
souk_status copy_head_read(struct souk_bundle *b, souk_error *e);
size_t copy_head_bytes(const struct souk_bundle *b);
void copy_head_free(struct souk_bundle *b);

// logits [c->S][C] of the hidden states c->x [c->S,H], each row with what its adapter changes. Uses c->branch and c->low.
void copy_logits(const struct chunk *c, float *logits);

#endif
