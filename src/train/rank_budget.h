// AdaLoRA's part of a step (peft_config.h): the gradient of the orthogonality term, the importance of ranks, and the budget.
//
// As in Hugging Face's peft, with t the optimiser step, counted from 0, T = total_steps, and I and F the sums of ranks at the
// beginning and at the end:
//   what is trained += w / (2 n) * sum over the n adapters of |A A' - 1| + |B' B - 1|; |A' A - 1| of the word table's A [V,r]
//   t < T - tfinal: importance and uncertainty of every element, from its gradient and its new value (ops.h); and where t is
//     above tinit and a multiple of deltat, all ranks but the b most important get e = 0, with
//     b = F + (I - F) (1 - (t - tinit) / (T - tfinal - tinit))^3
//   t = T - tfinal: the ranks are cut to F for good, by the importance so far; if that step is refused, in the first that is not
//   t > T - tfinal: what was cut then stays 0
// A rank that was cut before that is trained again, and may come back. A step that the optimiser refuses changes nothing. The
// average of a rank that is cut (optim.ema) is cut with it.
//
// What must be kept between steps is in the parameter set (params.h: ipt and unc), and so in checkpoints; after the last cut
// ipt of e holds 1 for ranks that stay.
#ifndef SOUK_TRAIN_RANK_BUDGET_H
#define SOUK_TRAIN_RANK_BUDGET_H

#include "model/model.h"

typedef struct rank_budget rank_budget;
// *out NULL: the model is not tuned with adalora. steps: of the run, unless peft.total_steps says so; ERR_ARGUMENT: they leave
// no step to cut ranks in, or a factor of an adapter is frozen.
status rank_budget_open(rank_budget **out, model *m, int64_t steps);
void rank_budget_close(rank_budget *b); // NULL is safe
// NULL: nothing. Once the gradients of a step are summed, before the optimiser; and after it.
status rank_budget_before(rank_budget *b);
status rank_budget_after(rank_budget *b, int64_t step);

#endif
