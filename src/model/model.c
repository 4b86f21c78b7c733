// A model: its parameters, its static memory plan, and the passes over a batch.
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "model/model_internal.h"

const char *const slot_names[N_SLOTS] = {"masked_lm", "next_session"};

// ---- parameters ----------------------------------------------------------------------------------------------

// In the order in which the backward pass finishes the gradients: heads, layers from the last, embeddings, and the
// tied word table, a bucket of its own.
static status describe_params(model *m) {
  param_set *const s = &m->params;
  const model_config *c = &m->c;
  const int64_t H = c->hidden, F = c->intermediate, V = c->vocab_size;
  const char *const cls = "cls.", *const mlm = "cls.predictions.", *const bert = "bert.";
  params_next_bucket(s);
  if (c->pooler) {
    m->nsp_w = param_add_matrix(s, cls, "seq_relationship.weight", 2, H);
    m->nsp_b = param_add_vector(s, cls, "seq_relationship.bias", 2, INIT_ZERO);
    m->pooler_w = param_add_matrix(s, bert, "pooler.dense.weight", H, H);
    m->pooler_b = param_add_vector(s, bert, "pooler.dense.bias", H, INIT_ZERO);
  }
  m->mlm_bias = param_add_vector(s, mlm, "bias", V, INIT_ZERO);
  m->mlm_norm_w = param_add_vector(s, mlm, "transform.LayerNorm.weight", H, INIT_ONE);
  m->mlm_norm_b = param_add_vector(s, mlm, "transform.LayerNorm.bias", H, INIT_ZERO);
  m->mlm_w = param_add_matrix(s, mlm, "transform.dense.weight", H, H);
  m->mlm_b = param_add_vector(s, mlm, "transform.dense.bias", H, INIT_ZERO);
  if (c->pre_norm) {
    m->final_norm_w = param_add_vector(s, bert, "encoder.ln.weight", H, INIT_ONE);
    m->final_norm_b = param_add_vector(s, bert, "encoder.ln.bias", H, INIT_ZERO);
  }
  for (int64_t i = c->layers - 1; i >= 0; i--) {
    layer_params *p = &m->layer_param[i];
    char prefix[PARAM_NAME];
    snprintf(prefix, sizeof prefix, "bert.encoder.layer.%lld.", (long long)i);
    params_next_bucket(s);
    p->norm2_w =
        param_add_vector(s, prefix, c->pre_norm ? "ln.weight" : "output.LayerNorm.weight", H, INIT_ONE);
    p->norm2_b = param_add_vector(s, prefix, c->pre_norm ? "ln.bias" : "output.LayerNorm.bias", H, INIT_ZERO);
    p->ffn2_w = param_add_matrix(s, prefix, "output.dense.weight", H, F);
    p->ffn2_b = param_add_vector(s, prefix, "output.dense.bias", H, INIT_ZERO);
    p->ffn1_w = param_add_matrix(s, prefix, "intermediate.dense.weight", F, H);
    p->ffn1_b = param_add_vector(s, prefix, "intermediate.dense.bias", F, INIT_ZERO);
    p->norm1_w = param_add_vector(
        s, prefix, c->pre_norm ? "attention.ln.weight" : "attention.output.LayerNorm.weight", H, INIT_ONE);
    p->norm1_b = param_add_vector(
        s, prefix, c->pre_norm ? "attention.ln.bias" : "attention.output.LayerNorm.bias", H, INIT_ZERO);
    p->out_w = param_add_matrix(s, prefix, "attention.output.dense.weight", H, H);
    p->out_b = param_add_vector(s, prefix, "attention.output.dense.bias", H, INIT_ZERO);
    const param_spec qkv_w = {.rows = 3 * H, .columns = H, .init = INIT_NORMAL, .decay = true, .parts = 3};
    p->qkv_w = param_add(s, qkv_w, prefix, "attention.self.qkv.weight");
    const param_spec qkv_b = {.columns = 3 * H, .init = INIT_ZERO, .parts = 3};
    p->qkv_b = param_add(s, qkv_b, prefix, "attention.self.qkv.bias");
  }
  params_next_bucket(s);
  const char *const emb = "bert.embeddings.";
  m->emb_norm_w = param_add_vector(s, emb, "LayerNorm.weight", H, INIT_ONE);
  m->emb_norm_b = param_add_vector(s, emb, "LayerNorm.bias", H, INIT_ZERO);
  m->type_table = param_add_matrix(s, emb, "token_type_embeddings.weight", c->segments * c->event_types, H);
  m->position_table = param_add_matrix(s, emb, "position_embeddings.weight", c->max_positions, H);
  params_next_bucket(s);
  const param_spec words = {.rows = V,
                            .columns = H,
                            .init = INIT_NORMAL,
                            .decay = true,
                            .kind = m->run.row_sparse ? PARAM_ROW_SPARSE : PARAM_REPLICATED};
  m->word_table = param_add(s, words, emb, "word_embeddings.weight");
  TRY(params_freeze(s, m->run.freeze));
  return params_lay_out(s);
}

// ---- the plan ------------------------------------------------------------------------------------------------

static void plan(model *m, void *where, size_t count, size_t size) {
  m->plan[m->n_plan].where = where;
  m->plan[m->n_plan++].bytes = (count * size + 255) / 256 * 256;
}

static void plan_norm(model *m, norm_saved *s, size_t n, size_t H) {
  plan(m, &s->sum, n * H, m->be->act_size);
  plan(m, &s->mean, n, sizeof(float));
  plan(m, &s->rstd, n, sizeof(float));
}

static void plan_buffers(model *m) {
  const model_config *c = &m->c;
  const batch_caps caps = m->run.caps;
  const size_t T = (size_t)caps.tokens, B = (size_t)caps.seqs, M = (size_t)caps.masked, H = (size_t)c->hidden;
  const size_t F = (size_t)c->intermediate, a = m->be->act_size;
  plan(m, &m->batch_memory, 1, batch_bytes(caps));
  m->batch_end = m->n_plan;

  plan(m, &m->emb_out, T * H, a);
  plan_norm(m, &m->emb, T, H);
  if (c->pre_norm) {
    plan(m, &m->first_out, T * H, a);
    plan_norm(m, &m->first, T, H);
  }
  plan(m, &m->branch, T * H, a);
  for (int32_t i = 0; i < (int32_t)c->layers; i++) {
    layer_buffers *l = layer_at(m, i);
    const bool kept = i >= m->first_kept;
    if (!kept && i > 0) continue; // they share those of layer 0
    plan(m, &l->qkv, T * 3 * H, a);
    plan(m, &l->context, T * H, a);
    plan(m, &l->lse, T * (size_t)c->heads, sizeof(float));
    plan_norm(m, &l->mid, T, H);
    plan(m, &l->h, T * H, a);
    if (kept) plan(m, &l->pre, T * F, a);
    plan(m, &l->gelu, T * F, a);
    plan_norm(m, &l->end, T, H);
    plan(m, &l->out, T * H, a);
  }
  plan(m, &m->rows, M * H, a);
  if (m->run.training) plan(m, &m->transform_pre, M * H, a);
  plan(m, &m->transform, M * H, a);
  plan(m, &m->mlm, M * H, a);
  plan_norm(m, &m->mlm_saved, M, H);
  if (c->pooler) {
    plan(m, &m->first_tokens, B * H, a);
    plan(m, &m->pooled, B * H, a);
    plan(m, &m->cls_logits, B * 2, a);
  }
  m->kept_end = m->n_plan;
  if (!m->run.training) return;
  if (encoder_trains(m)) {
    plan(m, &m->d_stream, T * H, a);
    plan(m, &m->d_branch, T * H, a);
    plan(m, &m->d_context, T * H, a);
    if (c->pre_norm) plan(m, &m->d_residual, T * H, a);
    plan(m, &m->d_ffn, T * F, a);
    plan(m, &m->d_qkv, T * 3 * H, a);
  }
  plan(m, &m->d_mlm, M * H, a);
  plan(m, &m->d_transform, M * H, a);
  plan(m, &m->d_rows, M * H, a);
  if (c->pooler) {
    plan(m, &m->d_pooled, B * H, a);
    plan(m, &m->d_first, B * H, a);
  }
}

// Sums of the plan.
static model_memory memory_of(const model *m) {
  model_memory p = {.elements = m->params.elements,
                    .params = params_bytes(&m->params, m->run.training),
                    .scratch = m->scratch_bytes,
                    .layers_reached = (int32_t)m->c.layers - m->first_kept,
                    .spared = m->spared};
  for (int32_t i = 0; i < m->params.count; i++) {
    const param *q = &m->params.items[i];
    p.parameters += q->size;
    if (!q->trainable) p.frozen_parameters += q->size;
  }
  for (int32_t i = 0; i < m->n_plan; i++)
    *(i < m->batch_end  ? &p.batch
      : i < m->kept_end ? &p.activations
                        : &p.activation_gradients) += m->plan[i].bytes;
  return p;
}

// All but the moments, which only training makes.
static size_t param_arena_bytes(const param_bytes *b) {
  return b->weights + b->frozen + b->gradients + b->copies + b->row_flags;
}

static status allocate(model *m) {
  const model_memory p = memory_of(m);
  TRY(params_allocate(&m->params, m->run.training));
  m->arena_bytes = p.batch + p.activations + p.activation_gradients;
  TRY(m->be->mem_alloc(m->ctx, m->arena_bytes, "activations", &m->arena));
  char *at = m->arena;
  for (int32_t i = 0; i < m->n_plan; i++) {
    memcpy(m->plan[i].where, &at, sizeof at);
    at += m->plan[i].bytes;
  }
  batch_place(&m->batch, m->run.caps, m->batch_memory);
  m->total_bytes = param_arena_bytes(&p.params) + m->arena_bytes + p.scratch;
  return OK;
}

// ---- life ----------------------------------------------------------------------------------------------------

status op_check(model *m, op_kind kind, const void *params, size_t *scratch) {
  TRY(m->be->supports(kind, params));
  const size_t need = m->be->scratch_bytes(kind, params, m->run.threads);
  if (need > *scratch) *scratch = need;
  return OK;
}

// Everything that is known before memory is taken: parameters, buffers, scratch.
static status outline(model **out, const char *backend_name, const model_config *c, const model_run *run) {
  *out = NULL;
  model *m;
  TRY(mem_new(&m, 1, sizeof *m, "a model"));
  status rc;
  m->c = *c;
  m->run = *run;
  m->run.caps.work = batch_max_work(run->caps);
  // Row-sparse updates need a sampled loss: the full one touches every row.
  if (run->caps.negatives == 0) m->run.row_sparse = false;
  m->training = run->training;
  if (16 * c->layers + 64 > MAX_BUFFERS) {
    rc =
        fail(ERR_ARGUMENT, "model.layers = %lld is more than this build's tables hold", (long long)c->layers);
    goto bad;
  }
  TRY_GOTO(backend_find(&m->be, backend_name), bad);
  TRY_GOTO(mem_new(&m->layer_param, (size_t)c->layers, sizeof *m->layer_param, "layer descriptors"), bad);
  TRY_GOTO(mem_new(&m->layers, (size_t)c->layers, sizeof *m->layers, "layer buffers"), bad);
  m->params.be = m->be;
  TRY_GOTO(describe_params(m), bad);
  encoder_outline(m);
  m->spared = spared_flops(m);
  plan_buffers(m);
  TRY_GOTO(encoder_check(m, &m->scratch_bytes), bad);
  TRY_GOTO(heads_check(m, &m->scratch_bytes), bad);
  const optim_params optim = {.n = m->params.elements, .row = (int32_t)c->hidden};
  TRY_GOTO(op_check(m, OP_OPTIM, &optim, &m->scratch_bytes), bad);
  *out = m;
  return OK;
bad:
  model_free(m);
  return rc;
}

status model_plan(model_memory *out, const char *backend_name, const model_config *c, const model_run *run) {
  model *m;
  TRY(outline(&m, backend_name, c, run));
  *out = memory_of(m);
  model_free(m);
  return OK;
}

status model_create(model **out, const char *backend_name, const model_config *c, const model_run *run) {
  *out = NULL;
  model *m;
  TRY(outline(&m, backend_name, c, run));
  status rc;
  const model_memory need = memory_of(m);
  const size_t planned = param_arena_bytes(&need.params) + need.params.moments + need.batch +
                         need.activations + need.activation_gradients + need.scratch;
  const backend_config config = {.device = run->device,
                                 .threads = run->threads,
                                 .scratch_bytes = m->scratch_bytes,
                                 .matmul = run->matmul,
                                 .planned_bytes = planned};
  TRY_GOTO(m->be->open(&m->ctx, &config), bad);
  m->params.ctx = m->ctx;
  TRY_GOTO(allocate(m), bad);
  TRY_GOTO(params_initialise(&m->params, run->seed, c->init_std), bad);
  *out = m;
  return OK;
bad:
  model_free(m);
  return rc;
}

void model_free(model *m) {
  if (m == NULL) return;
  params_free(&m->params);
  if (m->ctx != NULL) {
    m->be->mem_free(m->ctx, m->arena);
    m->be->close(m->ctx);
  }
  free(m->layer_param);
  free(m->layers);
  free(m);
}

const model_config *model_get_config(const model *m) {
  return &m->c;
}
const model_run *model_get_run(const model *m) {
  return &m->run;
}
param_set *model_params(model *m) {
  return &m->params;
}
const backend *model_backend(const model *m) {
  return m->be;
}
op_ctx *model_ctx(model *m) {
  return m->ctx;
}

size_t model_bytes(const model *m) {
  return m->total_bytes + (m->params.m != NULL ? params_bytes(&m->params, true).moments : 0);
}

// ---- passes --------------------------------------------------------------------------------------------------

// A batch that was made for the model is laid out as the model's memory for it: one piece, dead rows included, since many
// small ones would take longer. Of others each field is sent.
static status send_batch(model *m, const batch *b) {
  const batch_caps caps = m->run.caps;
  if (memcmp(&caps, &b->caps, sizeof caps) == 0)
    return m->be->upload(m->ctx, m->batch_memory, b->memory, batch_live_bytes(b));
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const size_t bytes = batch_elements(f, b->live) * f->size;
    if (bytes > 0) TRY(m->be->upload(m->ctx, batch_array(&m->batch, f), batch_array(&b->arrays, f), bytes));
  }
  return OK;
}

// Scratch and the table of positions are as long as the longest sequence.
static status check_lengths(const model *m, const batch *b) {
  for (int32_t i = 0; i < b->seqs; i++) {
    const int32_t n = b->cu_seqlens[i + 1] - b->cu_seqlens[i];
    if (n > model_max_length(m))
      return fail(ERR_INTERNAL, "a sequence of %d tokens is in a batch for a model of %lld positions", n,
                  (long long)m->c.max_positions);
  }
  return OK;
}

status model_set_batch(model *m, const batch *b, const step_state *state) {
  const batch_caps caps = m->run.caps;
  TRY(batch_ready(b));
  const char *what = batch_exceeds(b->live, caps);
  if (what != NULL)
    return fail(ERR_INTERNAL, "a batch exceeds the model's capacities: it has too many %s", what);
  TRY(check_lengths(m, b));
  TRY(send_batch(m, b));
  step_state s = *state;
  s.tokens = b->tokens;
  s.seqs = b->seqs;
  s.masked = b->n_masked;
  s.work = b->n_work;
  m->n_tokens = b->tokens;
  m->n_seqs = b->seqs;
  m->n_masked = b->n_masked;
  // Evaluation batches carry no negatives, and then the loss is over all classes.
  m->sampled = b->n_negatives > 0;
  if (m->sampled && b->n_negatives != caps.negatives)
    return fail(ERR_INTERNAL, "a batch has %d negatives, the model was planned for %d", b->n_negatives,
                caps.negatives);
  return m->be->state_write(m->ctx, &s);
}

status model_forget(model *m) {
  const param_set *s = &m->params;
  if (s->grad != NULL) TRY(m->be->zero(m->ctx, s->grad, (size_t)s->elements * sizeof(float)));
  if (s->touched != NULL) TRY(m->be->zero(m->ctx, s->touched, params_bytes(s, true).row_flags));
  TRY(m->be->zero(m->ctx, m->arena, m->arena_bytes));
  return m->be->result_clear(m->ctx);
}

status model_forward(model *m, bool training) {
  if (training && !m->run.training) return fail(ERR_INTERNAL, "this model was created for evaluation only");
  m->training = training;
  return encoder_forward(m);
}

status model_loss(model *m, bool grads) {
  if (grads && !m->training) return fail(ERR_INTERNAL, "gradients need a training forward pass");
  TRY(heads_loss(m, grads));
  if (!grads) return OK;
  if (encoder_trains(m)) TRY(encoder_backward(m));
  return buckets_done(m, m->params.buckets);
}

double model_config_flops(const model_config *c, const batch *b) {
  const double T = b->tokens, B = b->seqs, M = b->n_masked, H = (double)c->hidden,
               F = (double)c->intermediate;
  double squares = 0;
  for (int32_t i = 0; i < b->seqs; i++) {
    const double n = b->cu_seqlens[i + 1] - b->cu_seqlens[i];
    squares += n * n;
  }
  const double layer = T * (8 * H * H + 4 * H * F) + 4 * H * squares;
  const double classes = b->n_negatives > 0 ? b->n_negatives + 1 : c->classes;
  const double pooler = c->pooler ? B * (2 * H * H + 4 * H) : 0;
  return (double)c->layers * layer + M * (2 * H * H + 2 * H * classes) + pooler;
}

double model_train_flops(const model *m, const batch *b) {
  return model_step_flops(&m->c, &m->spared, b);
}

// ---- vectors -------------------------------------------------------------------------------------------------

// Activations to host floats. Only float activations exist on the CPU; a backend with others converts on download
// through its own path.
static status read_rows(model *m, const act *from, size_t count, float *to) {
  if (m->be->act_size != sizeof(float))
    return fail(ERR_UNSUPPORTED, "reading %zu-byte activations", m->be->act_size);
  return m->be->download(m->ctx, to, from, count * sizeof(float));
}

// rows of width H at `from` become rows of width H + 1, in place from the last one; cosine rows get length `scale`.
static void widen(float *rows_out, size_t n, size_t H, bool cosine, float scale, const float *last) {
  for (size_t i = n; i-- > 0;) {
    float *to = rows_out + i * (H + 1);
    memmove(to, rows_out + i * H, H * sizeof *to);
    double sum = 0;
    for (size_t j = 0; cosine && j < H; j++) sum += (double)to[j] * to[j];
    const double norm = sqrt(sum);
    const float factor = cosine ? (float)(scale / (norm > 1e-6 ? norm : 1e-6)) : scale;
    if (factor < 1.0f || factor > 1.0f)
      for (size_t j = 0; j < H; j++) to[j] *= factor;
    to[H] = last != NULL ? last[i] : 1.0f;
  }
}

status model_user_vectors(model *m, float *u) {
  const size_t n = (size_t)m->n_masked, H = (size_t)m->c.hidden;
  TRY(heads_transform(m));
  TRY(read_rows(m, m->mlm, n * H, u));
  widen(u, n, H, m->c.score == 1, (float)(1.0 / m->c.temperature), NULL);
  return OK;
}

status model_item_vectors(model *m, int32_t first, int32_t count, float *v) {
  if (first < 0 || count < 0 || first + count > m->c.classes)
    return fail(ERR_ARGUMENT, "item vectors %d to %d are not among the %d classes", first, first + count,
                m->c.classes);
  const size_t n = (size_t)count, H = (size_t)m->c.hidden, base = (size_t)m->c.class_base + (size_t)first;
  const param_set *s = &m->params;
  float *bias;
  TRY(mem_new(&bias, n, sizeof *bias, "item biases"));
  status rc;
  TRY_GOTO(
      m->be->download(m->ctx, v, param_master(s, &s->items[m->word_table]) + base * H, n * H * sizeof *v),
      done);
  TRY_GOTO(m->be->download(m->ctx, bias, param_master(s, &s->items[m->mlm_bias]) + base, n * sizeof *v),
           done);
  widen(v, n, H, m->c.score == 1, 1.0f, bias);
done:
  free(bias);
  return rc;
}

status model_hidden(model *m, float *hidden) {
  return read_rows(m, encoder_output(m), (size_t)m->n_tokens * (size_t)m->c.hidden, hidden);
}

status model_next_sentence(model *m, float *pooled, float *scores) {
  if (!m->c.pooler) return fail(ERR_ARGUMENT, "this model has no pooler (model.pooler)");
  const size_t n = (size_t)m->n_seqs;
  TRY(heads_pool(m));
  TRY(read_rows(m, m->pooled, n * (size_t)m->c.hidden, pooled));
  return read_rows(m, m->cls_logits, n * 2, scores);
}
