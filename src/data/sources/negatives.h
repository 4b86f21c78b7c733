// The shared negatives of sampled losses: how they are drawn, and the log of each item's expected count among them.
#ifndef SOUK_DATA_SOURCES_NEGATIVES_H
#define SOUK_DATA_SOURCES_NEGATIVES_H

#include "data/batcher.h"
#include "data/hard_negatives.h"

typedef struct negative_sampler negative_sampler;

// For c->negatives draws a batch, 1 or more; most_rows: labels of a batch, at most; lists, which outlive it, are those that
// c->hard_negatives of the draws are from (NULL: they are drawn uniformly, as from histories without a list). ERR_ARGUMENT if the
// vocabulary has no items, or more hard negatives are asked for than negatives.
status negatives_open(negative_sampler **out, const data_config *c, const vocab *v, int32_t most_rows,
                      const hard_negatives *lists);
// Batches turn out to have more labels than negatives_open was told. Not while others draw.
status negatives_make_room(negative_sampler *s, int32_t most_rows);
// From now on hard ones are from these lists, whose probabilities are counted anew; the rest as negatives_open was told it. Not while others draw.
status negatives_renew(negative_sampler *s, const data_config *c, const vocab *v,
                       const hard_negatives *lists);
void negatives_close(negative_sampler *s); // NULL is safe
size_t negatives_bytes(const negative_sampler *s);

// Log of the expected count among the negatives of a batch, over all batches, of an item (token id).
float negatives_logq(const negative_sampler *s, int32_t token);
// The histories of a batch, by their place in the data set.
typedef struct batch_histories {
  const int64_t *of;
  int32_t n;
} batch_histories;
// Draws those of batch `index` of an epoch (over all ranks), after its labels, which have to be items, are known.
void negatives_draw(const negative_sampler *s, batch *to, const batch_histories *histories, int64_t epoch,
                    int64_t index);

#endif
