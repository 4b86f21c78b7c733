// What the host side of the CUDA backend (src/cuda, C) and the kernels (kernels/*.cu) share: the launchers.
//
// A launcher takes the op's own params struct (ops/ops.h) with device pointers in it, checks nothing, puts its kernels
// on l->stream and returns the first error of a launch. It never allocates, copies or synchronises. Grids are sized by
// capacities; the live counts, the step and the seed are read on the device, so that a captured graph serves every
// batch. Element type of `act`: by l->act_size, 4 float.
//
// launch_X_scratch gives the bytes of l->scratch that launcher X needs at the capacities of its params (whose pointers
// may be NULL then).
#ifndef SOUK_KERNELS_LAUNCH_H
#define SOUK_KERNELS_LAUNCH_H

#include <cuda_runtime.h>
#include "ops/ops.h"
#include "ops/optim_items.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct launch {
  cudaStream_t stream;
  const step_state *state; // device memory
  step_result *result;     // device memory
  void *scratch;           // device memory, 256-byte aligned
  size_t act_size;
  int32_t multiprocessors;
} launch;

cudaError_t launch_cast(const launch *l, act *to, const float *from, size_t count);

cudaError_t launch_embed_forward(const launch *l, const embed_params *p);
cudaError_t launch_embed_backward(const launch *l, const embed_params *p);
size_t launch_embed_scratch(const embed_params *p, size_t act_size);

cudaError_t launch_norm_forward(const launch *l, const norm_params *p);
cudaError_t launch_norm_backward(const launch *l, const norm_params *p);
size_t launch_norm_scratch(const norm_params *p, size_t act_size);

cudaError_t launch_attention_forward(const launch *l, const attention_params *p);
cudaError_t launch_attention_backward(const launch *l, const attention_params *p);
size_t launch_attention_scratch(const attention_params *p, size_t act_size);

cudaError_t launch_gather_forward(const launch *l, const gather_params *p);
cudaError_t launch_gather_backward(const launch *l, const gather_params *p);
size_t launch_gather_scratch(const gather_params *p, size_t act_size);

cudaError_t launch_bag_forward(const launch *l, const bag_params *p);
cudaError_t launch_bag_backward(const launch *l, const bag_params *p);
size_t launch_bag_scratch(const bag_params *p, size_t act_size);

cudaError_t launch_fuse_forward(const launch *l, const fuse_params *p);
cudaError_t launch_fuse_backward(const launch *l, const fuse_params *p);
size_t launch_fuse_scratch(const fuse_params *p, size_t act_size);

cudaError_t launch_classify(const launch *l, const classify_params *p);
size_t launch_classify_scratch(const classify_params *p);

cudaError_t launch_drop(const launch *l, const drop_params *p);

cudaError_t launch_scale_forward(const launch *l, const scale_params *p);
cudaError_t launch_scale_backward(const launch *l, const scale_params *p);
size_t launch_scale_scratch(const scale_params *p);

cudaError_t launch_orthogonal_forward(const launch *l, const orthogonal_params *p);
cudaError_t launch_orthogonal_backward(const launch *l, const orthogonal_params *p);
size_t launch_orthogonal_scratch(const orthogonal_params *p);
cudaError_t launch_importance(const launch *l, const importance_params *p);

// What a device knows of the optimiser's table (src/cuda/cuda_optim.c).
typedef struct optim_work {
  const optim_tensor *tensors;
  const optim_item *items; // [n_items] by OPTIM_CHUNK elements, or OPTIM_ROWS rows
  const int32_t *first;    // [wholes + 1] first item of each tensor
  double *sums;            // [2 n_items]
  int64_t n_items;
} optim_work;
enum { OPTIM_CHUNK = 8192, OPTIM_ROWS = 64 };
cudaError_t launch_grad_norm(const launch *l, const optim_work *w);
cudaError_t launch_adamw(const launch *l, const optim_params *p, const optim_work *w);
cudaError_t launch_lamb_update(const launch *l, const optim_params *p, const optim_work *w);
cudaError_t launch_lamb_apply(const launch *l, const optim_params *p, const optim_work *w);
cudaError_t launch_average_weights(const launch *l, const optim_params *p, const optim_work *w);
cudaError_t launch_average_rescale(const launch *l, const optim_params *p, const optim_work *w);

// The matmul x w^T is in pre or, where that is NULL, in y (with y_add: added to what y held): pre += b, y = activation of
// that.
cudaError_t launch_bias_activation(const launch *l, const linear_params *p);
// dy becomes the gradient before the activation, 0 in rows past the live count; db (may be NULL) += its column sums.
cudaError_t launch_bias_activation_backward(const launch *l, const linear_params *p);
size_t launch_bias_activation_scratch(const linear_params *p, size_t act_size);
// to [columns] += column sums of partials [parts,columns].
cudaError_t launch_add_partials(const launch *l, float *to, const float *partials, int32_t parts,
                                int32_t columns);

// Memory of one cross-entropy call (src/cuda/cuda_xent.c). Columns are the classes, or the S negatives; M rows.
typedef struct xent_work {
  int32_t columns, ld; // of a block's scores; rows of them are 16-byte aligned
  float *a;            // [M,H] rows as they are multiplied: x inv_temperature (cosine: / |x|); 0 if dead
  float *inverse;      // [M] 1 / |x|; 1 for dot
  // [M] softmax: gradient = exp(score - row_max) factor - even, less hot for the label's own; binary losses: factor times the
  // logistic slope at score - row_max
  float *row_max, *factor, *hot;
  float *even;                  // [M]; NULL without smoothing
  int32_t *hits;                // [M] 1: the label's score is the largest
  double *nll;                  // [M]
  float *scale, *offset;        // [columns] score = product scale + offset; NULL: 1; 0
  float *scores;                // [block rows,ld] matmuls, then gradients by them
  float *partial_g, *partial_q; // [block rows / XENT_TILE,columns] sums of a tile; NULL: not wanted
  float *q;                     // [columns] sum over rows of gradient x product x scale; NULL for dot
  float *da;                    // [M,H] gradient of a
  // Sampled only. Rows of drows, dbias and classes: the negatives, then the labels.
  float *negatives;   // [S,H] their rows of the table
  float *label_scale; // [M] 1 / |t|; 1 for dot
  float *label_dot;   // [M] product x scale of the label
  float *label_score; // [M]
  float *dlabel;      // [M] gradient by the label's score
  float *drows;       // [S+M,H] gradients of rows of the table; NULL: not wanted
  float *dbias;       // [S+M] of biases; NULL: not wanted
  int32_t *classes;   // [S+M] of which class
} xent_work;
enum { XENT_TILE = 128 };
// Scale and offset of the columns; sampled: the negatives' rows, their classes, touched.
cudaError_t launch_xent_columns(const launch *l, const xent_params *p, const xent_work *w);
// a and inverse of all rows; sampled: everything about their labels.
cudaError_t launch_xent_rows(const launch *l, const xent_params *p, const xent_work *w);
// From the matmuls of rows [first, first + count): row_max, factor, hot, even, hits, nll, dlabel and row_loss.
cudaError_t launch_xent_losses(const launch *l, const xent_params *p, const xent_work *w, int32_t first,
                               int32_t count);
// The matmuls of those rows become gradients by the matmuls, 0 in dead rows; partial_g and partial_q.
cudaError_t launch_xent_gradients(const launch *l, const xent_params *p, const xent_work *w, int32_t first,
                                  int32_t count);
// Adds loss, weight and hits to the step's result.
cudaError_t launch_xent_result(const launch *l, const xent_params *p, const xent_work *w);
// dx from da; sampled: drows, dbias and classes of the labels, touched.
cudaError_t launch_xent_finish_rows(const launch *l, const xent_params *p, const xent_work *w);
// Cosine: takes from `to` [columns,H] what points along the columns' rows [columns,H] of the table.
cudaError_t launch_xent_finish_columns(const launch *l, const xent_params *p, const xent_work *w, float *to,
                                       const act *columns);

// Memory of one call of the leash (src/cuda/cuda_leash.c).
typedef struct leash_work {
  int32_t ld;                // of a block's scores
  float *scores, *base;      // [block rows,ld] of both models; the first then gradients by them
  float *row_max, *base_max; // [M] the largest score
  float *factor,
      *base_factor; // [M] gradient = exp(score - row_max) factor - exp(base - base_max) base_factor
  int32_t *hits;    // [M] 0
  float *weight;    // [M] of the row
  double *nll;      // [M] the loss
  float *partial;   // [block rows / LEASH_TILE,classes] sums of a tile; NULL: not wanted
} leash_work;
enum { LEASH_TILE = 128 };
// From the scores of rows [first, first + count): all that is [M], and row_loss.
cudaError_t launch_leash_losses(const launch *l, const leash_params *p, const leash_work *w, int32_t first,
                                int32_t count);
// The scores of those rows become gradients by them, 0 in dead rows; partial.
cudaError_t launch_leash_gradients(const launch *l, const leash_params *p, const leash_work *w, int32_t first,
                                   int32_t count);

#ifdef __cplusplus
}

// The configuration of a launch on l's stream.
inline cudaLaunchConfig_t launch_shape(const launch *l, dim3 grid, dim3 block, size_t shared) {
  cudaLaunchConfig_t c = {};
  c.gridDim = grid;
  c.blockDim = block;
  c.dynamicSmemBytes = shared;
  c.stream = l->stream;
  return c;
}
#endif

#endif
