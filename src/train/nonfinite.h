// A step whose gradient became NaN or infinite: where it began, and the step saved so that it can be run again.
//
// The optimiser has refused the step, so the parameters are still those it began with. RUN/nonfinite-00000012 (the
// number of the step that failed, from 1) is a checkpoint without moments and with one more part, batch.h5:
//   step, seed int64 [1]; lr, clip_norm, scale/OBJECTIVE float32 [1]; capacities int32 [5] (tokens, sequences, masked
//   rows, negatives, labels of sequences); micro_batches int32 [1]; and for each micro-batch I the arrays of batch.h as
//   micro-I/NAME.
// Version 1, which is still read, has mlm_scale and cls_scale for scale/masked_lm and scale/next_session, and cls_labels for
// nsp_labels. Versions before 4 have no labels of sequences.
#ifndef SOUK_TRAIN_NONFINITE_H
#define SOUK_TRAIN_NONFINITE_H

#include "model/checkpoint.h"

// Everything that a step reads besides the parameters.
typedef struct step_input {
  step_state state;
  int32_t n;
  const batch *const *batches; // [n]
} step_input;

typedef struct nonfinite_place {
  bool found;
  bool in_parameters;  // the parameters were not finite to begin with
  int32_t micro;       // micro-batch it began in, from 0
  tensor_report first; // the first tensor with such an element
} nonfinite_place;

// Runs forward and backward pass of the step again, checking every op's results, which `also` (may be NULL) gets too.
// Gradients and results are cleared afterwards; the parameters are only read.
status nonfinite_find(model *m, const step_input *in, nonfinite_place *place, tensor_visitor also,
                      void *self);
// "forward of bert.encoder.layer.1.output.dense: 3 of 8192 elements of y are not finite, the first (row 2, column 5) is
// nan"; or that nothing is wrong this time.
void nonfinite_sentence(const nonfinite_place *place, char *text, size_t bytes);

status nonfinite_save(const char *dir, model *m, const step_input *in, const train_state *state,
                      const char *config_yaml, const dataset *data);

// What `souk replay` does: runs the step saved in RUN (the newest), in RUN/nonfinite-... or in the batch.h5 there, and
// prints to stdout which tensor is the first that is not finite, with those before it (trace: all tensors).
// ERR_NONFINITE when there is one.
status nonfinite_replay(const char *path, bool trace);

#endif
