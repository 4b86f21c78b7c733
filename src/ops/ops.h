// The op table: the one contract of all backends.
//
// A backend is a `backend` of function pointers. An op is called as op(ctx, &params): the params struct names
// every argument with shape, type and access, and is the same for forward and backward. The model is written
// once against this file.
//
// Types. `act` is the backend's element type of activations and of the weights' compute copies: float on the
// CPU; float or bf16 on CUDA (backend.act_size). Gradients of parameters, losses, means, norms are float.
//
// Access marks used below:  r read   w written (old content ignored)   a accumulated into (+=)   rw both.
// Every pointer is backend memory (mem_alloc) unless marked "host". Pointers must not alias unless said so.
//
// Sizes. Buffers have capacities; a batch has live counts. `rows` names which live count governs an op and its
// capacity; rows past the live count stay finite and have no effect on any result. Counts, step, learning
// rate, seed and loss scales live in backend memory (step_state), so a captured graph serves every batch.
//
// Rules. Ops never allocate and never synchronise; scratch comes with ctx (backend.scratch_bytes says how much an op needs;
// the optimiser's is part of its table). Shapes are validated by supports(), asked when the configuration is read. Every op
// is deterministic for a fixed thread count. Dropout follows base/philox.h.
//
// A packed batch, its fields and what they mean: ops/batch_fields.h.
//
// Names: T tokens, B sequences, H hidden, A heads, D head size, F intermediate, V classes, M masked rows.
#ifndef SOUK_OPS_OPS_H
#define SOUK_OPS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "ops/batch_fields.h"

enum { OPS_VERSION = 11 };

// Results are slots, one an objective: each loss has its sums and the scale of its gradients. Which slot is whose is up to
// the model; ops get the number.
enum { MAX_SLOTS = 8 };

typedef void act;
typedef struct op_ctx op_ctx; // opaque; one per model replica; not for use by several threads at once

// ROWS_LISTED, ROWS_ITEMS, ROWS_TEXTS: of a list of table rows that a step reads, how many there are, how many of them are items, and
// how many words the texts of these have (model/item_vectors.h).
typedef enum rows_kind {
  ROWS_FIXED,
  ROWS_TOKENS,
  ROWS_SEQS,
  ROWS_MASKED,
  ROWS_LISTED,
  ROWS_ITEMS,
  ROWS_TEXTS,
  ROWS_KINDS
} rows_kind;
typedef struct rows {
  rows_kind kind; // which live count of step_state applies; ROWS_FIXED: all `cap` rows are live
  int32_t cap;    // capacity of the buffers in rows
} rows;

// What the host writes before a micro-step (backend.state_write), read by ops.
typedef struct step_state {
  int32_t tokens, seqs, masked, work; // live counts
  int32_t listed, items, texts;       // likewise
  int64_t step;                       // optimiser step, counted from 0; dropout counter; Adam uses step + 1
  uint64_t seed;
  float lr;
  float scale[MAX_SLOTS]; // gradients of a slot are d(loss * scale)
  float clip_norm;        // 0: no clipping
  float lag_rate;         // 1 / S before this step (averaged weights, see optim_params); not used without
} step_state;

typedef struct slot_result {
  double loss;   // sum over rows of weight * negative log-likelihood (nats)
  double weight; // sum of weights
  double hits;   // sum of weights of rows whose arg-max is the label
} slot_result;

// What ops report; accumulated over micro-steps until result_clear.
typedef struct step_result {
  slot_result slot[MAX_SLOTS];
  double grad_sumsq; // from grad_norm
  int32_t nonfinite; // 1: a gradient was NaN or infinite: adamw and lamb leave everything as it is
} step_result;

typedef struct dropout {
  uint32_t site;      // stream = STREAM_DROPOUT + site
  uint32_t threshold; // of 256; 0: none (evaluation)
} dropout;

typedef enum activation { ACT_NONE, ACT_GELU_TANH, ACT_GELU_ERF, ACT_TANH } activation;
typedef enum attention_kind { ATTENTION_FULL, ATTENTION_CAUSAL, ATTENTION_PREFIX } attention_kind;

// y = dropout(layernorm(word[ids] + type[types] + pos[positions])).
typedef struct embed_params {
  const batch_view *batch; // host struct
  rows n;                  // ROWS_TOKENS
  int32_t hidden;
  int32_t vocab, n_types, n_positions; // rows of the tables; ids are trusted (checked by the batcher)
  const act *word;                     // [V,H] r
  const act *type;                     // [n_types,H] r
  const act *position;                 // [n_positions,H] r
  const act *gamma, *beta;             // [H] r
  float eps;
  dropout drop;
  act *sum;                 // [T,H] w in forward (sum before the norm), r in backward
  float *mean, *rstd;       // [T] w in forward, r in backward
  act *y;                   // [T,H] w
  const act *dy;            // [T,H] r (backward from here on)
  float *dword;             // [V,H] a; this and the other gradients NULL: not wanted (frozen)
  uint8_t *touched;         // [V] set to 1 for rows added to; may be NULL
  float *dtype, *dposition; // [n_types,H], [n_positions,H] a
  float *dgamma, *dbeta;    // [H] a
} embed_params;

// sum = residual + path(dropout(x));  y = layernorm(sum). (Post-norm keeps y; pre-norm goes on with both.) path: all of a
// sequence's rows are 0, or all are scaled by 256 / (256 - threshold) (stochastic depth: Huang et al.: Deep networks with
// stochastic depth, 2016, with the scaling of dropout, so that evaluation does nothing).
typedef struct norm_params {
  const batch_view *batch; // host struct; may be NULL without dropout
  rows n;
  int32_t hidden;
  const act *x;            // [n,H] r
  const act *residual;     // [n,H] r; NULL: none
  const act *gamma, *beta; // [H] r
  float eps;
  dropout drop;          // needs n.kind == ROWS_TOKENS, as does path
  dropout path;          // its sites are numbered apart (base/philox.h)
  act *sum;              // [n,H] w in forward, r in backward
  float *mean, *rstd;    // [n] w in forward, r in backward
  act *y;                // [n,H] w
  const act *dy;         // [n,H] r
  const act *dsum;       // [n,H] r: gradient that reaches `sum` by another way (pre-norm); NULL: none
  act *dx;               // [n,H] w: through path and dropout
  act *dresidual;        // [n,H] w: d sum; NULL without residual; may alias dsum or dy
  float *dgamma, *dbeta; // [H] a; NULL: not wanted (frozen)
} norm_params;

// y = activation(x w^T + b).
typedef struct linear_params {
  rows n;
  int32_t in, out;
  const act *x; // [n,in] r
  const act *w; // [out,in] r
  const act *b; // [out] r; NULL: none
  activation kind;
  act *
      pre; // [n,out] w in forward (a with y_add), r in backward: before GELU; NULL for ACT_NONE and ACT_TANH, and
           // in evaluation (but with y_add it is needed there too)
  act *y;      // [n,out] w in forward (a with y_add); r in backward for ACT_TANH
  act *dy;     // [n,out] rw in backward: becomes the gradient before the activation
  act *dx;     // [n,in] w; NULL: not wanted
  float *dw;   // [out,in] a; NULL: not wanted (frozen)
  float *db;   // [out] a; NULL: not wanted
  bool dx_add; // dx is accumulated into instead
  // What is before the activation is accumulated into instead: y += x w^T + b with ACT_NONE; pre += x w^T + b and y =
  // activation(pre) with GELU; not with ACT_TANH.
  bool y_add;
} linear_params;

// y[:, at : at + width] = or += scale factor o x: columns are scaled, and written to columns of wider rows. (The inner
// factors of low-rank adapters, and their outputs where they are a part of a fused layer's.)
typedef struct scale_params {
  rows n;
  int32_t width;     // of x
  int32_t y_width;   // elements of a row of y; 0: width
  int32_t at;        // the first of y's columns
  const act *x;      // [n,width] r
  const act *factor; // [width] r; NULL: ones
  float scale;
  act *y; // [n,y_width] w: these columns only; a with y_add; may alias x where y_width is width
  bool y_add;
  const act *dy; // [n,y_width] r (backward from here on)
  act *dx;       // [n,width] w: scale factor o dy; may alias dy where y_width is width
  float
      *dfactor; // [width] a: scale times the sum over rows of x o dy; NULL: not wanted, or there is no factor
} scale_params;

// Softmax attention inside each sequence: out = dropout(softmax(scale q k^T)) v. Probabilities are never kept;
// the backward pass recomputes them from lse.
typedef struct attention_params {
  const batch_view *batch; // host struct; cu_seqlens, work, seq_ids, prefix_len
  rows n;                  // ROWS_TOKENS
  int32_t max_seqs, max_work;
  int32_t max_length; // tokens of the longest sequence that a batch may hold: scratch follows it, not n.cap
  int32_t heads, head_size; // H = heads * head_size
  attention_kind kind;
  float scale; // usually 1/sqrt(head_size)
  dropout drop;
  const act *qkv;  // [T,3,A,D] r
  act *out;        // [T,A,D] w
  float *lse;      // [A,T cap] w in forward, r in backward: log of the row's sum of exponentials
  const act *dout; // [T,A,D] r
  act *dqkv;       // [T,3,A,D] w
} attention_params;

// Forward: y[i,:] = x[index[i],:].  Backward (scatter-add): dx[index[i],:] += dy[i,:]. Indices may repeat unless `distinct`
// says that no two live ones are equal, which saves a device the sort; a backend may refuse, or race, if that is not so.
typedef struct gather_params {
  rows n;
  int32_t hidden;
  rows source;          // rows of x and dx
  const int32_t *index; // [n] r
  bool distinct;        // see above
  const act *x;         // [source,H] r
  act *y;               // [n,H] w
  const act *dy;        // [n,H] r
  act *dx;              // [source,H] a
} gather_params;

// Means of rows of a table (a text as the mean of its words): y[i,:] = mean over k in [offsets[i], offsets[i + 1]) of
// table[index[k],:], zeros where there is none.  Backward: dtable[index[k],:] += dy[i,:] / (offsets[i + 1] - offsets[i]).
typedef struct bag_params {
  rows n;                 // bags
  rows entries;           // of all live bags together: offsets[live n] is their live count
  int32_t hidden, vocab;  // vocab: rows of the table; indices are trusted
  const int32_t *offsets; // [n + 1] r: ascending from 0
  const int32_t *index;   // [entries] r
  const act *table;       // [vocab,H] r
  act *y;                 // [n,H] w
  const act *dy;          // [n,H] r
  float *dtable;          // [vocab,H] a
} bag_params;

// A table whose rows [base, base + items) are made of two vectors, one of an item's content and one of its id, with a learned
// gate for each channel:
//   e[base + i,:] = content[i,:] + m_i sigmoid(gate) o id[base + i,:],   e[v,:] = id[v,:] of all other rows v.
// m_i is 0 where known says so, and where the id is dropped out (with the probability id_threshold / 256, by item and step,
// base/philox.h; a kept one is not scaled, since an item without its id is what the model is to know); else 1.
// (Volkovs, Yu, Poutanen: DropoutNet, NeurIPS 2017, drops preferences for the same end; the gate is that of highway networks:
// Srivastava, Greff, Schmidhuber, 2015.)
// Backward, from de:  dcontent = de of the items' rows;  did[v] += de[v], of items m_i sigmoid(gate) o de;
//   dgate += sum over items of m_i sigmoid'(gate) o id o de.
// With a list only its rows of e are made, and of de only these are read; they are zero afterwards, so that a step which adds to
// listed rows alone finds all of de zero. Row k of content and dcontent is then that of list[k]; where this is no item content is not
// read, and dcontent 0.
typedef struct fuse_params {
  int32_t vocab, base, items, hidden; // base + items <= vocab
  const int32_t
      *list;   // [listed] r: rows of e, no live two of them equal; NULL: all rows, as if listed one by one
  rows listed; // with a list
  const uint8_t *known;  // [items] r: 0: m_i is 0; NULL: all are 1
  uint32_t id_threshold; // of 256; 0: no id is dropped (evaluation)
  const act *id;         // [vocab,H] r
  const act *content;    // [items,H] r; with a list [listed,H]
  const act *gate;       // [H] r; NULL: items are their content alone
  act *e;                // [vocab,H] w
  float *de;             // [vocab,H] r; with a list rw
  act *dcontent;         // [items,H] w; with a list [listed,H]
  float *did;            // [vocab,H] a; NULL: not wanted (frozen)
  float *dgate;          // [H] a; NULL: not wanted, or gate is NULL
} fuse_params;

typedef enum score_kind { SCORE_DOT, SCORE_COSINE } score_kind;

// Losses of a row over its candidates: the label, and the shared negatives that are not the label (n of them).
//  SOFTMAX  cross-entropy of the softmax over all classes (full) or over the candidates (sampled). InfoNCE (van den Oord,
//           Li, Vinyals: Representation learning with contrastive predictive coding, 2018) is the sampled one with cosine
//           scores, a temperature and no logQ.
//  GBCE     (beta softplus(-s_label) + sum_j softplus(s_j)) / (n + 1): gBCE (Petrov, Macdonald: gSASRec, RecSys 2023, arXiv
//           2308.07192; the label's probability is sigmoid(s)^beta) with its mean over the candidates; beta 1 is
//           binary cross-entropy. softplus(x) = log(1 + exp(x)). Sampled only.
//  BPR      sum_j softplus(s_j - s_label) / n, 0 where n is 0: the mean over the negatives of -log sigmoid(s_label - s_j)
//           (Rendle et al.: BPR, UAI 2009). Sampled only.
typedef enum loss_kind { LOSS_SOFTMAX, LOSS_GBCE, LOSS_BPR } loss_kind;

// What the sampled softmax makes of the negatives being a sample. Q_j is the expected count of j in the sample of S.
//  STANDARD   every candidate's score is reduced by log Q_j, the label's too (Bengio, Senecal 2008; TensorFlow's candidate
//             sampling).
//  CORRECTED  the label is always there, so it is no draw: its score stays, and only those of the negatives are reduced, by
//             log(n Q'_j), where Q'_j = Q_j / (S - Q_label) is the probability of a draw that is not the label
//             (Khrylchenko et al.: Correcting the LogQ correction, RecSys 2025, arXiv 2507.09331). Their loss is
//             sg(1 - P) (log sum_j exp(s_j - log Q'_j) - s_label), with P the label's share of the softmax over
//             these scores and sg the stop of the gradient. Its gradient is that of -log P exactly, and -log P is what is
//             reported: a likelihood like the others, where theirs is weighted.
//  NONE       scores as they are.
typedef enum logq_kind { LOGQ_STANDARD, LOGQ_CORRECTED, LOGQ_NONE } logq_kind;

// Linear + a loss over classes, without whole logits. score(i,j) = inv_temperature * f(x_i).f(table_j) + bias_j, f the
// identity (dot) or division by max(norm, 1e-6) (cosine).
//  full:    all `classes`;
//  sampled: the label and the shared negatives; a negative equal to the row's label is left out.
// Adds weight * loss of each live row, the weights and (full only) the hits to its slot. With dx set it also makes the
// gradients of scale * weight * loss in the same pass.
typedef struct xent_params {
  rows n;
  int32_t slot;
  int32_t hidden, classes, class_base; // labels and negatives are token ids; class j is token class_base + j
  int32_t n_negatives;                 // S; 0: full
  const int32_t *labels;               // [M] r
  const float *weights;                // [M] r
  const int32_t *negatives;            // [S] r; this and the next two sampled only
  const float *negative_logq;          // [S] r: log of the expected count of each negative in the sample
  const float *label_logq;             // [M] r: the same for the labels
  loss_kind loss;
  logq_kind logq; // sampled softmax; the other losses take scores as they are
  float
      smoothing; // softmax: this share of the target is spread over the candidates, the label among them (0: none)
  float beta; // GBCE
  size_t
      score_bytes; // about how many bytes of scores exist at a time, if the backend works in blocks; 0: the backend decides
  score_kind score;
  float inv_temperature;
  const act *x;     // [M,H] r
  const act *table; // [classes,H] r
  const act *bias;  // [classes] r; NULL: none
  float *row_loss;  // [M] w: loss (nats, unweighted); may be NULL
  // dx is NULL and will be: scratch_bytes, which is asked before there are pointers, may differ from that with gradients.
  bool forward_only;
  act *dx;          // [M,H] w; NULL: forward only
  float *dtable;    // [classes,H] a; NULL: not wanted (frozen)
  float *dbias;     // [classes] a; NULL: not wanted, or bias is NULL
  uint8_t *touched; // [classes] set to 1 where dtable was added to; may be NULL
  // Where the table is E + A B' and E is frozen (A [classes,low], B [H,low]), the factors' gradients cost a low-th of dtable's: with G
  // the scores' gradients times inv_temperature,  dtable_low += G^T x_low  and  dx_low = G table_low.  Full softmax of dot scores only.
  int32_t low;          // 0: none
  const act *x_low;     // [M,low] r: x B
  const act *table_low; // [classes,low] r: A
  act *dx_low;          // [M,low] w; NULL: not wanted (B is frozen)
  float *dtable_low;    // [classes,low] a; NULL: not wanted (A is frozen)
} xent_params;

// How far a model's distribution over classes has gone from that of a frozen one, which holds it as a leash does:
// KL(p0 || p) = sum_j p0_j (log p0_j - log p_j), with p the softmax of inv_temperature x table^T + bias and p0 that of base_x base_table^T + base_bias.
// It is the cross-entropy with the base's distribution as soft targets, less that distribution's entropy. Logits never exist whole.
// Adds weight * KL of each live row and the weights to its slot (no hits). With dx set it also adds the gradients of
// scale * weight * KL, (p - p0) scale weight by the logits, in the same pass. Nothing flows into the base. The base's table may be the
// same memory as the other one.
typedef struct leash_params {
  rows n;
  int32_t slot;
  int32_t hidden, classes;
  const float *weights;          // [M] r; NULL: 1 each
  size_t score_bytes;            // as in xent_params
  const act *x, *base_x;         // [M,H] r
  const act *table, *base_table; // [classes,H] r
  const act *bias, *base_bias;   // [classes] r; NULL: none
  float *row_loss;               // [M] w: KL (nats, unweighted); may be NULL
  float inv_temperature, base_inv_temperature;
  bool forward_only; // as in xent_params
  act *dx;           // [M,H] a; NULL: forward only
  float *dtable;     // [classes,H] a; NULL: not wanted (frozen)
  float *dbias;      // [classes] a; NULL: not wanted, or bias is NULL
  uint8_t *touched;  // [classes] set to 1 where dtable was added to; may be NULL
} leash_params;

// Losses of the logits z of few classes. Labels of -1 are ignored. Adds weight * nll, weight and hits of the others to its slot.
//  ONE      a row has one of the classes: softmax cross-entropy. There is a label, and a weight, a row. A hit: the label's
//           logit is the first of the largest.
//  SEVERAL  each class holds (1) or not (0) by itself: the logistic loss log(1 + exp(z)) - label z. There are as many labels,
//           and weights, as logits. A hit: z > 0 where the label is 1, z <= 0 where it is 0.
typedef enum classify_kind { CLASSIFY_ONE, CLASSIFY_SEVERAL } classify_kind;
typedef struct classify_params {
  rows n;
  int32_t slot, classes;
  classify_kind kind;
  const int32_t *labels; // [n] r: class, -1 none; SEVERAL: [n,C] 1, 0, -1 not known
  const float *weights;  // [n], SEVERAL: [n,C] r; NULL: 1 each
  const act *logits;     // [n,C] r
  act *dlogits;          // [n,C] w: d(scale * sum of weight * nll); NULL: forward only; may alias logits
} classify_params;

// How far the factors P of an SVD-like adapter are from orthogonal (Zhang et al.: AdaLoRA, 2023): the norm of C = P P^T - 1, or
// of P^T P - 1 where the ranks are columns. Forward: value = |C|_F. Backward: dp += scale d value / dp = scale 2 C P / |C|; 0 where
// the norm is 0. On masters, in float (sums in double).
typedef struct orthogonal_params {
  int32_t ranks, width;
  bool columns;   // P is [width,ranks], not [ranks,width]
  const float *p; // r
  float *value;   // [1] w
  float scale;
  float *dp; // like p; a
} orthogonal_params;

// AdaLoRA's importance of the parameters of a factor, after a step, from their gradients g before it (clipped as adamw does):
//   i = |p g|;  ipt = b1 ipt + (1 - b1) i;  unc = b2 unc + (1 - b2) |i - ipt|;   score[k] += mean of ipt unc over rank k's elements
// A step that was refused (step_result.nonfinite) leaves everything as it is.
typedef struct importance_params {
  int32_t ranks, width;
  bool columns;       // as above
  const float *p, *g; // [ranks x width] r
  float *ipt, *unc;   // the same, rw
  float beta1, beta2;
  float *score; // [ranks] a
} importance_params;

// y = dropout(x), by the counters of hidden dropout (base/philox.h): a row's place is that in its sequence; with ROWS_SEQS row i
// stands for sequence i, and its place is 0; with ROWS_MASKED row i is that of token index[i]. The backward pass is the same op,
// of the gradients.
typedef struct drop_params {
  const batch_view *batch; // host struct; may be NULL without dropout
  rows n;                  // ROWS_TOKENS, ROWS_SEQS or ROWS_MASKED
  const int32_t *index;    // [n] r: tokens; with ROWS_MASKED only
  int32_t hidden;
  dropout drop;
  const act *x; // [n,H] r
  act *y;       // [n,H] w; may alias x; a with y_add
  bool y_add;
} drop_params;

// The optimiser. One call updates a whole model: what it takes is a table of tensors, which is made once, since
// parameters do not move.
//
// An entry of the table is a tensor, or a part of one: what a rank owns of it where the optimiser's state is sharded.
typedef struct optim_tensor {
  int64_t n;        // elements
  float *p;         // [n] rw master weights
  act *p_compute;   // [n] w compute copy; NULL where the master is it
  float *g;         // [n] rw
  float *m, *v;     // [n] rw
  float *lag;       // [n] rw: where the averaged weights are; NULL: there are none
  uint8_t *touched; // [n / row] rw; NULL where row is 0
  int32_t row;      // elements of a row of a row-sparse tensor; 0: dense
  int32_t whole;    // which tensor it is, or is part of; ascending, so that parts of one are neighbours
  float lr_scale, weight_decay;
  bool trust; // LAMB: scale the step by the trust ratio of the whole tensor
} optim_tensor;

// grad_norm: sets grad_sumsq to the sum of g^2 over the table; sets nonfinite if that is NaN or infinite.
// The steps: g is zeroed (so is touched) once applied, and also when the step is refused.
//   AdamW (Loshchilov, Hutter: Decoupled weight decay regularization, 2019), step t = state.step + 1:
//   m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
//   p -= lr lr_scale (m / (1-b1^t) / (sqrt(v / (1-b2^t)) + eps) + wd p);   g is first scaled by
//   min(1, clip_norm / (sqrt(grad_sumsq) + 1e-6)).
// Of a row-sparse tensor only the rows marked in `touched` are read and updated; others keep m, v, p as they are.
//   LAMB (You et al.: Large batch optimization for deep learning, 2020; NVIDIA's variant: gradients are clipped by the
//   global norm first, moments are bias-corrected), in two ops. lamb_update scales g and updates m, v as above, leaves
//   u = m / (1-b1^t) / (sqrt(v / (1-b2^t)) + eps) + wd p in g's place and ||p||^2, ||u||^2 in `norms`. lamb_apply:
//   p -= lr lr_scale r u, where r = ||p|| / ||u|| if `trust` is set and both norms are positive, else 1. Dense only.
// Averaged weights. The exponential average a of the weights p, with a decay d that may change from step to step,
//   a_t = d_t a_(t-1) + (1 - d_t) p_t,   is kept as  a = p + S lag,  S_t = d_t S_(t-1), one number for all tensors. Since
//   a_t - p_t = d_t (a_(t-1) - p_t) = d_t (S_(t-1) lag_(t-1) + p_(t-1) - p_t),   a step does no more than
//   lag += (p before - p after) / S before   where it changes p: a row that is not touched has its exact average without being
//   read, the decay is known to the caller alone, and small decays do not drown in the rounding of p. adamw and lamb_apply do so
//   where lag is set, and change nothing else by it; a refused step leaves lag as it is, which is the average of the weights that
//   it left. S is the caller's, and falls: before lag grows too large he calls average_rescale and begins with S = 1 again.
//   average_weights: g = p + scale lag, of all rows: the averaged weights, in the gradients' place (zeros between steps).
//   average_rescale: lag *= scale, of all rows. Tensors without lag are left alone by average_rescale, and copied by
//   average_weights. Neither looks at `nonfinite`.
// The norms of a tensor are sums over its parts. lamb_update has added up those of this table (and written 0 for tensors
// of which it has none), so ranks that own parts of one tensor add up their `norms` between the two ops.
typedef struct optim_params {
  const optim_tensor *tensors; // host [n]; stays as it is from optim_prepare on
  int32_t n;
  int32_t wholes; // tensors in all: every `whole` is below
  void
      *table; // [optim_bytes()] rw: made by optim_prepare; the ops find their order of work and scratch in it
  double *norms; // [wholes,2] w by lamb_update, r by lamb_apply; not used by the others
  float beta1, beta2, eps;
  float scale; // S; of average_weights and average_rescale
} optim_params;

typedef enum op_kind {
  OP_EMBED,
  OP_NORM,
  OP_LINEAR,
  OP_ATTENTION,
  OP_GATHER,
  OP_BAG,
  OP_FUSE,
  OP_XENT,
  OP_LEASH,
  OP_CLASSIFY,
  OP_DROP,
  OP_SCALE,
  OP_ORTHOGONAL,
  OP_IMPORTANCE,
  OP_OPTIM,
  OP_COUNT
} op_kind;

typedef union op_params {
  embed_params embed;
  norm_params norm;
  linear_params linear;
  attention_params attention;
  gather_params gather;
  bag_params bag;
  fuse_params fuse;
  xent_params xent;
  leash_params leash;
  classify_params classify;
  drop_params drop;
  scale_params scale;
  orthogonal_params orthogonal;
  importance_params importance;
  optim_params optim;
} op_params;

// Every op of the table: its name, its params (embed: embed_params, and op_params.embed), its kind. Everything that
// covers all ops (the table itself, wrapping backends, souk bench) is generated from this list.
#define OP_LIST(X)                                  \
  X(embed_forward, embed, OP_EMBED)                 \
  X(embed_backward, embed, OP_EMBED)                \
  X(norm_forward, norm, OP_NORM)                    \
  X(norm_backward, norm, OP_NORM)                   \
  X(linear_forward, linear, OP_LINEAR)              \
  X(linear_backward, linear, OP_LINEAR)             \
  X(attention_forward, attention, OP_ATTENTION)     \
  X(attention_backward, attention, OP_ATTENTION)    \
  X(gather_forward, gather, OP_GATHER)              \
  X(gather_backward, gather, OP_GATHER)             \
  X(bag_forward, bag, OP_BAG)                       \
  X(bag_backward, bag, OP_BAG)                      \
  X(fuse_forward, fuse, OP_FUSE)                    \
  X(fuse_backward, fuse, OP_FUSE)                   \
  X(xent, xent, OP_XENT)                            \
  X(leash, leash, OP_LEASH)                         \
  X(classify, classify, OP_CLASSIFY)                \
  X(drop, drop, OP_DROP)                            \
  X(scale_forward, scale, OP_SCALE)                 \
  X(scale_backward, scale, OP_SCALE)                \
  X(orthogonal_forward, orthogonal, OP_ORTHOGONAL)  \
  X(orthogonal_backward, orthogonal, OP_ORTHOGONAL) \
  X(importance, importance, OP_IMPORTANCE)          \
  X(grad_norm, optim, OP_OPTIM)                     \
  X(adamw, optim, OP_OPTIM)                         \
  X(lamb_update, optim, OP_OPTIM)                   \
  X(lamb_apply, optim, OP_OPTIM)                    \
  X(average_weights, optim, OP_OPTIM)               \
  X(average_rescale, optim, OP_OPTIM)
#define OP_INDEX(name, params, kind) INDEX_##name,
typedef enum op_index { OP_LIST(OP_INDEX) N_OPS } op_index; // INDEX_embed_forward, ...
#undef OP_INDEX
extern const char *const op_names[N_OPS]; // "embed_forward", ... (shapes.c)
extern const op_kind op_kinds[N_OPS];

// How matmuls of linear layers and losses are made. TF32 takes operands rounded to 11 significant bits (10 of them
// stored) and adds up in float; results are stored as float.
typedef enum matmul_kind { MATMUL_FP32, MATMUL_TF32 } matmul_kind;
extern const char *const matmul_names[]; // "fp32", "tf32" (shapes.c)

typedef struct backend_config {
  int32_t device;  // ordinal
  int32_t threads; // CPU: OpenMP threads, 0: all
  size_t scratch_bytes;
  matmul_kind matmul; // MATMUL_TF32: only if the backend has it (backend.tf32), else float matmuls are made
  size_t
      planned_bytes; // bytes that the run will allocate in all, 0: unknown; a device with less memory is an error
} backend_config;

typedef struct backend {
  uint32_t version; // OPS_VERSION
  const char *name; // "cpu", "cuda"
  size_t act_size;  // bytes of an `act` element
  bool host_memory; // backend memory may be read by the host directly
  bool tf32;        // supports matmuls in TF32

  status (*probe)(int32_t device); // OK: the device exists and can be used; else the message says why not
  status (*open)(op_ctx **out, const backend_config *cfg);
  void (*close)(op_ctx *ctx); // NULL is safe
  // Largest shapes are checked here once; the message names the field. params may hold NULL pointers.
  status (*supports)(op_kind kind, const void *params);
  size_t (*scratch_bytes)(op_kind kind, const void *params, int32_t threads);
  status (*describe)(op_ctx *ctx, char *text, size_t bytes); // device name, threads, library versions

  // Memory: 256-byte aligned, zeroed.
  status (*mem_alloc)(op_ctx *ctx, size_t bytes, const char *what, void **out);
  void (*mem_free)(op_ctx *ctx, void *p);                                         // NULL is safe
  status (*upload)(op_ctx *ctx, void *to, const void *from_host, size_t bytes);   // ordered with ops
  status (*download)(op_ctx *ctx, void *to_host, const void *from, size_t bytes); // waits
  status (*zero)(op_ctx *ctx, void *p, size_t bytes);
  status (*copy)(op_ctx *ctx, void *to, const void *from, size_t bytes);
  status (*cast)(op_ctx *ctx, act *to, const float *from, size_t count); // float to the activation type
  status (*sync)(op_ctx *ctx);
  // Graph capture of one micro-step; a backend without graphs runs eagerly and sets *graph to NULL.
  status (*graph_begin)(op_ctx *ctx);
  status (*graph_end)(op_ctx *ctx, void **graph);
  status (*graph_launch)(op_ctx *ctx, void *graph);
  void (*graph_free)(op_ctx *ctx, void *graph);

  // The optimiser's table: bytes of optim_params.table (pointers may be NULL), and what it holds, written before the first op.
  size_t (*optim_bytes)(const optim_params *p);
  status (*optim_prepare)(op_ctx *ctx, const optim_params *p);

  status (*state_write)(op_ctx *ctx, const step_state *state); // ordered with ops
  status (*result_clear)(op_ctx *ctx);
  // Like result_clear, but `nonfinite` stays set: steps that were queued behind a refused one are refused too.
  status (*result_next)(op_ctx *ctx);
  // Copies the results at this point of the queue to the host, without waiting; at most two copies may be in flight.
  status (*result_post)(op_ctx *ctx);
  status (*result_take)(op_ctx *ctx,
                        step_result *result); // the oldest posted results that were not taken; waits for them
  status (*result_read)(op_ctx *ctx, step_result *result); // the results now; waits

  // The ops, in the order of OP_LIST: status (*embed_forward)(op_ctx *ctx, const embed_params *p), and so on.
#define OP_MEMBER(name, params, kind) status (*name)(op_ctx * ctx, const params##_params *p);
  OP_LIST(OP_MEMBER)
#undef OP_MEMBER
} backend;

// The CPU backend, always there.
extern const backend backend_cpu;
extern const char *const device_names[]; // the choices of --device: "auto", "cpu", "cuda"
// "cpu", "cuda" (loaded if need be; its device is not looked for yet) or "auto" (cuda if it has a usable device, else
// cpu). ERR_UNSUPPORTED: there is no such backend here.
status backend_find(const backend **out, const char *name);
// ERR_UNSUPPORTED if the backend has no such matmuls.
status backend_makes(const backend *be, matmul_kind matmul);

#endif
