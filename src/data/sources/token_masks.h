// Which rows of an example are masked for masked LM, and how: items and words, whatever the example is of.
//
// Items and words may be masked, attributes and special tokens never. A word that WordPiece has cut is masked as a whole: its
// pieces, rows one behind the other of which all but the first begin with "##", are one unit (whole-word masking of BERT's authors,
// 2019), as an item is. Units are drawn as masking.h says.
#ifndef SOUK_DATA_SOURCES_TOKEN_MASKS_H
#define SOUK_DATA_SOURCES_TOKEN_MASKS_H

#include "data/masking.h"
#include "data/sources/batch_source.h"
#include "data/sources/negatives.h"

typedef struct token_masks {
  const dataset *d;
  const data_config *c;
  seq_layout layout;
  const negative_sampler *negatives; // NULL: none, and words may be masked
  uint8_t *piece;                    // [words] of the vocabulary: begins with "##"
  double *rates; // [max_positions] of an example's units, where popularity counts; else NULL
  bool left_out; // the warning has been printed
} token_masks;

// d, c and negatives must outlive it. Freed with token_masks_free, after an error too.
status token_masks_open(token_masks *m, const dataset *d, const data_config *c, const seq_layout *layout,
                        const negative_sampler *negatives);
void token_masks_free(token_masks *m); // of a zeroed one, too

masking token_masking(const data_config *c);
// Something is predicted at a row: `token`, which a mask hides there or which comes behind it. False if the batch has no more room;
// then nothing is, which is told once; batch_bounds.h says how rare that is.
bool predict_token(token_masks *m, batch *out, int32_t row, int32_t token, bool masked);
// Masks rows [begin, end) of an example, at least one if any may be; with MASK_LAST only the last item, or word.
void mask_rows(token_masks *m, batch *out, const example *e, int32_t begin, int32_t end);

#endif
