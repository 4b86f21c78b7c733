// The shared negatives of sampled losses: how they are drawn, and the log of each item's expected count among them.
#ifndef SOUK_DATA_SOURCES_NEGATIVES_H
#define SOUK_DATA_SOURCES_NEGATIVES_H

#include "data/batcher.h"

typedef struct negative_sampler negative_sampler;

// For c->negatives draws a batch, 1 or more; most_rows: labels of a batch, at most. ERR_ARGUMENT if the vocabulary has no
// items.
status negatives_open(negative_sampler **out, const data_config *c, const vocab *v, int32_t most_rows);
void negatives_close(negative_sampler *s); // NULL is safe
size_t negatives_bytes(const negative_sampler *s);

// Log of the expected count among the negatives of a batch, over all batches, of an item (token id).
float negatives_logq(const negative_sampler *s, int32_t token);
// Draws those of batch `index` of an epoch (over all ranks), after its labels, which have to be items, are known.
void negatives_draw(const negative_sampler *s, batch *to, int64_t epoch, int64_t index);

#endif
