// The optimiser's table of a parameter set (ops/ops.h): what is trained, as the ops take it.
#ifndef SOUK_MODEL_OPTIM_TABLE_H
#define SOUK_MODEL_OPTIM_TABLE_H

#include "model/params.h"

// Describes the trainable parameters of s in its order: one entry each, and one a part where tensors are stacked (q, k, v:
// LAMB's trust ratio is a tensor's own). Weight decay goes to those that have any, trust ratios to the same, or with
// trust_all to all. While the set has no memory pointers are NULL, which is enough for sizes. table and norms are NULL,
// betas and eps 0: they are the caller's business, as is freeing *tensors, which is NULL after an error.
status optim_table_describe(optim_tensor **tensors, optim_params *out, const param_set *s,
                            double weight_decay, bool trust_all);

// Backend memory for table and norms, and the places of both in it.
size_t optim_table_bytes(const backend *be, const optim_params *p);
void optim_table_place(optim_params *p, const backend *be, void *memory);

#endif
