// What the pooler and the next-sentence head say of sequences.
#ifndef SOUK_MODEL_OBJECTIVES_NEXT_SESSION_H
#define SOUK_MODEL_OBJECTIVES_NEXT_SESSION_H

#include "model/objective.h"

// The pooler's output for the current batch after model_forward(m, false), pooled [seqs, H] host, and the next-sentence
// scores before the softmax, scores [seqs, 2] host. ERR_ARGUMENT for a model without pooler.
status model_next_sentence(model *m, float *pooled, float *scores);

#endif
