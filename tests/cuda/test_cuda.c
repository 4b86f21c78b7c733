// The CUDA backend against the CPU's: whole models. The loss and every gradient of a tiny model agree to fp32 rounding,
// a hundred steps follow the same curve, dropout drops the same elements, replay of a captured step equals the eager one.
// Run by tests/e2e/cuda.sh on the simulator, and by hand on a GPU: SOUK_CUDA_BACKEND=... build/gcc/tests/cuda/test_cuda.
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "base/memory.h"
#include "base/philox.h"
#include "data/vocab.h"
#include "train/optimizer.h"

enum { ITEMS = 60, SEQUENCES = 9, NEGATIVES = 12 };

typedef struct recipe {
  const char *name;
  int32_t hidden, heads, layers, positions;
  bool pre_norm, cosine, pooler, sampled, erf;
  double dropout;
  bool tuned;  // the table, by LoRA, and the head's biases
  bool writes; // copy
} recipe;

static const recipe recipes[] = {
    {"post-norm, full loss", 16, 1, 2, 24, false, false, false, false, false, 0, false, false},
    {"post-norm, dropout, gelu, pooler", 32, 2, 2, 24, false, false, true, false, true, 0.1, false, false},
    {"pre-norm, cosine, sampled, dropout", 64, 2, 1, 24, true, true, false, true, false, 0.2, false, false},
    {"long sequences, heads of 64", 64, 1, 1, 150, false, false, false, true, false, 0.1, false, false},
    {"tuned table, sampled", 64, 2, 1, 24, false, false, false, true, false, 0.1, true, false},
    {.name = "copy", .hidden = 32, .heads = 2, .layers = 2, .positions = 40, .dropout = 0.1, .writes = true},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static model_config config_of(const recipe *r) {
  model_config c = tiny_config();
  c.hidden = r->hidden;
  c.heads = r->heads;
  c.intermediate = 2 * r->hidden + 4;
  c.layers = r->layers;
  c.max_positions = r->positions;
  c.pre_norm = r->pre_norm;
  c.score = r->cosine ? 1 : 0;
  c.temperature = r->cosine ? 0.2 : 1;
  c.pooler = r->pooler;
  c.cls_sep = r->pooler || r->writes;
  c.segments = 2;
  c.activation = r->erf ? 1 : 0;
  c.dropout = c.attention_dropout = r->dropout;
  c.init_std = 0.1;
  c.item_classes = true;
  if (r->tuned)
    c.peft = (peft_config){
        .kind = PEFT_LORA, .rank = 3, .alpha = 2, .targets = "word_embeddings", .train_also = "cls.*"};
  const int32_t words = TOKEN_SPECIALS + (r->writes ? ITEMS / 2 : 0);
  const int32_t range_end[4] = {TOKEN_SPECIALS, words, words, TOKEN_SPECIALS + ITEMS};
  check_ok(model_config_resolve(&c, range_end, 1));
  if (r->writes) strcpy(c.objectives, "copy");
  if (r->writes) c.copy_classes = words;
  return c;
}

// Copy of any length behind sources of any length.
static void add_copy(batch *b, const recipe *r, const seq_layout *layout, rng *draw, int64_t id) {
  const copy_layout l = {.sequence = *layout, .copy_tokens = r->positions / 3, .item_tokens = 6};
  int32_t context[3], item[6], history[20], copy[40];
  for (int32_t i = 0; i < 3; i++) context[i] = TOKEN_SPECIALS + (int32_t)rng_below(draw, ITEMS / 2);
  for (int32_t i = 0; i < 6; i++) item[i] = TOKEN_SPECIALS + (int32_t)rng_below(draw, ITEMS);
  for (int32_t i = 0; i < 20; i++) history[i] = TOKEN_SPECIALS + (int32_t)rng_below(draw, ITEMS);
  for (int32_t i = 0; i < 40; i++) copy[i] = TOKEN_SPECIALS + (int32_t)rng_below(draw, ITEMS / 2);
  const copy_source source = {.context = context,
                              .n_context = 1 + (int32_t)rng_below(draw, 3),
                              .item = item,
                              .n_item = (int32_t)rng_below(draw, 7),
                              .history = {.tokens = history, .n = (int32_t)rng_below(draw, 21)}};
  assert_true(batch_add_copy(b, &l, &source, copy, 1 + (int32_t)rng_below(draw, 20), NULL, id));
}

// A batch with fewer tokens, sequences and masked rows than there is room for; step and recipe decide what is in it.
static void make_batch(batch *b, const recipe *r, const model_config *c, int32_t step) {
  batch_clear(b);
  const seq_layout layout = model_layout(c);
  rng draw = rng_at(17, STREAM_SYNTH, (uint32_t)step, 0);
  for (int32_t s = 0; s < SEQUENCES; s++) {
    int32_t tokens[256];
    if (r->writes) {
      add_copy(b, r, &layout, &draw, (int64_t)step * SEQUENCES + s);
      continue;
    }
    const int32_t most = r->positions - 3;
    const int32_t n = s == 0 ? 1 : s == 1 ? most : 1 + (int32_t)rng_below(&draw, (uint64_t)most);
    const int32_t start = (int32_t)rng_below(&draw, ITEMS);
    for (int32_t i = 0; i < n; i++) tokens[i] = TOKEN_SPECIALS + (start + i) % ITEMS;
    const int32_t part = r->pooler && n > 1 ? n / 2 : n;
    const batch_input in = {.tokens = tokens, .n = part},
                      second = {.tokens = tokens + part, .n = n > part ? n - part : 1};
    if (n == part) tokens[part] = TOKEN_SPECIALS;
    int32_t first, kept;
    assert_true(batch_add(b, &layout, &in, r->pooler ? &second : NULL,
                          (int64_t)step * SEQUENCES + s + ((int64_t)s << 33), &first, &kept));
    if (r->pooler) b->nsp_labels[s] = s % 3 - 1;
    for (int32_t i = s % 3; i < kept; i += 3) {
      if (b->ids[first + i] < TOKEN_SPECIALS) continue;
      const int32_t label = b->ids[first + i];
      b->ids[first + i] = TOKEN_MASK;
      assert_true(batch_add_masked(b, first + i, label, 1.0f + 0.25f * (float)(i % 2)));
    }
  }
  for (int32_t k = 0; r->sampled && k < NEGATIVES; k++)
    assert_true(batch_add_negative(b, TOKEN_SPECIALS + (int32_t)rng_below(&draw, ITEMS), -1.6f));
  for (int32_t i = 0; i < b->n_masked; i++) b->label_logq[i] = -1.6f;
  batch_finish(b);
}

typedef struct pair {
  const recipe *r;
  model_config c;
  model *m[2]; // cpu, cuda
  batch *b;
} pair;

// A begins as zeros, which B has no gradient of.
static void fill_factor(model *m) {
  param_set *s = model_params(m);
  const param *p = param_find(s, "bert.embeddings.word_embeddings.lora_embedding_A");
  if (p == NULL) return;
  float *a;
  check_ok(mem_new(&a, (size_t)p->size, sizeof *a, "a test"));
  rng draw = rng_at(19, STREAM_SYNTH, 0, 0);
  for (int64_t i = 0; i < p->size; i++) a[i] = 0.1f * (float)rng_normal(&draw);
  check_ok(s->be->upload(s->ctx, param_master(s, p), a, (size_t)p->size * sizeof *a));
  check_ok(params_refresh(s));
  free(a);
}

static void pair_open(pair *p, const recipe *r) {
  static const char *const names[] = {"cpu", "cuda"};
  p->r = r;
  p->c = config_of(r);
  const model_run run = {.caps = {.tokens = SEQUENCES * r->positions + 5,
                                  .seqs = SEQUENCES + 2,
                                  .masked = SEQUENCES * r->positions / 2,
                                  .negatives = r->sampled ? NEGATIVES : 0},
                         .training = true,
                         .row_sparse = r->sampled,
                         .threads = 1,
                         .seed = 3};
  for (int k = 0; k < 2; k++) {
    check_ok(model_create(&p->m[k], names[k], &p->c, &run));
    check_ok(params_make_moments(model_params(p->m[k])));
    fill_factor(p->m[k]);
  }
  check_ok(batch_new(&p->b, run.caps));
}

static void pair_close(pair *p) {
  batch_free(p->b);
  model_free(p->m[0]);
  model_free(p->m[1]);
}

static step_state state_of(const pair *p, int32_t step) {
  const float pairs = (float)objective_next_session.weight(p->b),
              first = (float)(p->r->writes ? objective_copy.weight(p->b) : objective_masked_lm.weight(p->b));
  return (step_state){.step = step,
                      .seed = 0x123456789abcdefull,
                      .lr = 2e-3f,
                      .scale = {1.0f / first, pairs > 0 ? 1.0f / pairs : 0},
                      .clip_norm = 1};
}

static step_result passes(const pair *p, model *m, int32_t step) {
  const step_state state = state_of(p, step);
  step_result r;
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, p->b, &state));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  return r;
}

static float *read_floats(model *m, const float *from, size_t n) {
  float *to;
  check_ok(mem_new(&to, n, sizeof *to, "a test"));
  check_ok(model_backend(m)->download(model_ctx(m), to, from, n * sizeof *to));
  return to;
}

// Sums in another order and other expf: a few dozen roundings of the tensor's largest element.
static void compare_gradients(const pair *p, const char *what) {
  const param_set *s = model_params(p->m[0]);
  float *a = read_floats(p->m[0], s->grad, (size_t)s->elements);
  float *b = read_floats(p->m[1], model_params(p->m[1])->grad, (size_t)s->elements);
  double largest_of_all = 0;
  for (int64_t j = 0; j < s->elements; j++) largest_of_all = fmax(largest_of_all, fabs((double)a[j]));
  for (int32_t i = 0; i < s->count; i++) {
    const param *q = &s->items[i];
    if (!q->trainable) continue;                       // frozen ones are in another arena
    double largest = 1e-3 * largest_of_all, apart = 0; // a gradient that cancels is as exact as its terms
    for (int64_t j = q->offset; j < q->offset + q->size; j++) {
      largest = fmax(largest, fabs((double)a[j]));
      apart = a[j] - b[j] <= 0 || a[j] - b[j] > 0 ? fmax(apart, fabs((double)a[j] - b[j])) : INFINITY;
    }
    if (!(apart <= 2e-5 * largest))
      fail_msg("%s, %s: gradient of %s is %.3g apart, its largest element is %.3g", p->r->name, what, q->name,
               apart, largest);
  }
  free(a);
  free(b);
}

static void test_gradients(void **unused) {
  (void)unused;
  for (int i = 0; i < RECIPES; i++) {
    pair p;
    pair_open(&p, &recipes[i]);
    make_batch(p.b, p.r, &p.c, 0);
    for (int pass = 0; pass < 2; pass++) { // the second one accumulates
      const step_result a = passes(&p, p.m[0], 7), b = passes(&p, p.m[1], 7);
      assert_true(a.slot[0].loss > 0 && a.slot[0].weight > 0);
      for (int j = 0; j < MAX_SLOTS; j++) {
        check_near(b.slot[j].loss, a.slot[j].loss, 1e-6 * a.slot[j].loss);
        check_near(b.slot[j].weight, a.slot[j].weight, 1e-6 * a.slot[j].weight);
        check_near(b.slot[j].hits, a.slot[j].hits, 0);
      }
      compare_gradients(&p, pass == 0 ? "once" : "twice");
    }
    pair_close(&p);
  }
}

// Whole trainings: the optimiser too. Differences of rounding grow from step to step, so the bound is wider.
static void follow(const recipe *r, optim_kind kind) {
  pair p;
  pair_open(&p, r);
  const optim_config o = {
      .kind = (int)kind, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip_norm = 1};
  optimizer *by[2];
  for (int k = 0; k < 2; k++) check_ok(optimizer_open(&by[k], p.m[k], &o));
  double first = 0, last = 0;
  for (int32_t step = 0; step < 100; step++) {
    make_batch(p.b, r, &p.c, step % 5);
    double loss[2], norm[2];
    for (int k = 0; k < 2; k++) {
      passes(&p, p.m[k], step);
      check_ok(optimizer_step(by[k]));
      step_result result;
      check_ok(model_backend(p.m[k])->result_read(model_ctx(p.m[k]), &result));
      assert_int_equal(result.nonfinite, 0);
      loss[k] = result.slot[0].loss / result.slot[0].weight;
      norm[k] = sqrt(result.grad_sumsq);
    }
    check_near(loss[1], loss[0], 2e-5 * (1 + step) * loss[0]);
    check_near(norm[1], norm[0], 2e-4 * (1 + step) * norm[0]);
    if (step == 0) first = loss[0];
    last = loss[0];
  }
  assert_true(last < 0.8 * first); // a curve that goes somewhere
  for (int k = 0; k < 2; k++) optimizer_close(by[k]);
  pair_close(&p);
}

static void test_steps(void **unused) {
  (void)unused;
  follow(&recipes[1], OPTIM_ADAMW);
  follow(&recipes[2], OPTIM_ADAMW);
}

static void test_lamb_steps(void **unused) {
  (void)unused;
  follow(&recipes[1], OPTIM_LAMB);
}

// ---- dropout masks -------------------------------------------------------------------------------------------

static void *put(const backend *be, op_ctx *ctx, const void *host, size_t bytes) {
  void *p;
  check_ok(be->mem_alloc(ctx, bytes, "a test", &p));
  if (host != NULL) check_ok(be->upload(ctx, p, host, bytes));
  return p;
}

enum { T = 200, B = 3, H = 50, D = 128 };
static const int32_t starts[B + 1] = {0, 1, 129, T};
static const int64_t sequence_ids[B] = {7, (int64_t)1 << 40 | 5, 12345678901};

// dropped[i]: is element i of `out`, the last of the buffers held, zero? Frees them all and closes the backend.
static void read_mask(const backend *be, op_ctx *ctx, void **held, int n_held, int n, bool *dropped) {
  float *out = calloc((size_t)n, sizeof *out);
  assert_non_null(out);
  check_ok(be->download(ctx, out, held[n_held - 1], (size_t)n * sizeof *out));
  for (int i = 0; i < n; i++) dropped[i] = !(fabsf(out[i]) > 0);
  free(out);
  for (int i = 0; i < n_held; i++) be->mem_free(ctx, held[i]);
  be->close(ctx);
}

// Which elements of y are zero when layernorm gives ones (gamma 0, beta 1).
static void hidden_mask(const char *name, const step_state *state, bool *dropped) {
  const backend *be;
  op_ctx *ctx;
  check_ok(backend_find(&be, name));
  embed_params e = {.n = {ROWS_TOKENS, T},
                    .hidden = H,
                    .vocab = 2,
                    .n_types = 1,
                    .n_positions = 1,
                    .eps = 1e-5f,
                    .drop = {.site = 5, .threshold = 60}};
  const backend_config c = {.threads = 1, .scratch_bytes = be->scratch_bytes(OP_EMBED, &e, 1)};
  check_ok(be->open(&ctx, &c));
  int32_t zeros[T] = {0}, seq_of[T];
  for (int32_t s = 0; s < B; s++)
    for (int32_t i = starts[s]; i < starts[s + 1]; i++) seq_of[i] = s;
  float table[2 * H], ones[H];
  for (int i = 0; i < 2 * H; i++) table[i] = (float)i;
  for (int i = 0; i < H; i++) ones[i] = 1;
  void *held[] = {put(be, ctx, zeros, sizeof zeros),   put(be, ctx, seq_of, sizeof seq_of),
                  put(be, ctx, starts, sizeof starts), put(be, ctx, sequence_ids, sizeof sequence_ids),
                  put(be, ctx, table, sizeof table),   put(be, ctx, NULL, H * 4),
                  put(be, ctx, ones, sizeof ones),     put(be, ctx, NULL, T * H * 4),
                  put(be, ctx, NULL, T * 4),           put(be, ctx, NULL, T * 4),
                  put(be, ctx, NULL, T * H * 4)};
  const batch_view view = {.ids = held[0],
                           .types = held[0],
                           .positions = held[0],
                           .seq_of = held[1],
                           .cu_seqlens = held[2],
                           .seq_ids = held[3]};
  e.batch = &view;
  e.word = e.type = e.position = held[4];
  e.gamma = held[5];
  e.beta = held[6];
  e.sum = held[7];
  e.mean = held[8];
  e.rstd = held[9];
  e.y = held[10];
  check_ok(be->state_write(ctx, state));
  check_ok(be->embed_forward(ctx, &e));
  read_mask(be, ctx, held, sizeof held / sizeof *held, T * H, dropped);
}

// Queries are zero, so probabilities are even; v is the unit matrix by key, so out[d] is what is left of key d's.
static void attention_mask(const char *name, const step_state *state, bool *dropped) {
  const backend *be;
  op_ctx *ctx;
  check_ok(backend_find(&be, name));
  attention_params p = {.n = {ROWS_TOKENS, T},
                        .max_seqs = B,
                        .max_work = 8,
                        .max_length = T,
                        .heads = 1,
                        .head_size = D,
                        .scale = 1,
                        .drop = {.site = 9, .threshold = 60}};
  const backend_config c = {.threads = 1, .scratch_bytes = be->scratch_bytes(OP_ATTENTION, &p, 1)};
  check_ok(be->open(&ctx, &c));
  const int32_t work[] = {0, 0, 1, 0, 1, 64, 2, 0, 2, 64};
  static float qkv[T * 3 * D];
  memset(qkv, 0, sizeof qkv);
  for (int s = 0; s < B; s++)
    for (int i = starts[s]; i < starts[s + 1]; i++) qkv[(i * 3 + 2) * D + (i - starts[s])] = 1;
  void *held[] = {put(be, ctx, starts, sizeof starts),
                  put(be, ctx, work, sizeof work),
                  put(be, ctx, sequence_ids, sizeof sequence_ids),
                  put(be, ctx, qkv, sizeof qkv),
                  put(be, ctx, NULL, T * 4),
                  put(be, ctx, NULL, T * D * 4)};
  const batch_view view = {.cu_seqlens = held[0], .work = held[1], .seq_ids = held[2]};
  p.batch = &view;
  p.qkv = held[3];
  p.lse = held[4];
  p.out = held[5];
  check_ok(be->state_write(ctx, state));
  check_ok(be->attention_forward(ctx, &p));
  read_mask(be, ctx, held, sizeof held / sizeof *held, T * D, dropped);
}

static void check_masks(void (*mask)(const char *, const step_state *, bool *), size_t n, double share) {
  static const step_state states[] = {
      {.tokens = T, .seqs = B, .work = 5, .step = 0, .seed = 1},
      {.tokens = T, .seqs = B, .work = 5, .step = 70000, .seed = 0xfedcba9876543210ull}};
  bool *a = calloc(n, sizeof *a), *b = calloc(n, sizeof *b);
  assert_non_null(a);
  assert_non_null(b);
  for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
    mask("cpu", &states[k], a);
    mask("cuda", &states[k], b);
    size_t dropped = 0;
    for (size_t i = 0; i < n; i++) {
      if (a[i] != b[i]) fail_msg("element %zu is dropped on one backend only (state %zu)", i, k);
      dropped += a[i];
    }
    check_near((double)dropped / (double)n, share, 0.03);
  }
  free(a);
  free(b);
}

static void test_hidden_masks(void **unused) {
  (void)unused;
  check_masks(hidden_mask, (size_t)T * H, 60 / 256.0);
}

static void test_attention_masks(void **unused) {
  (void)unused;
  const double there = 1.0 * 1 + 128.0 * 128 + 71.0 * 71,
               all = (double)T * D; // elements that stand for a key
  check_masks(attention_mask, (size_t)T * D, (all - there + there * 60 / 256.0) / all);
}

// ---- graphs --------------------------------------------------------------------------------------------------

// A step captured once serves other batches: live counts, step and seed are read on the device.
static void test_graph(void **unused) {
  (void)unused;
  for (int i = 0; i < RECIPES; i++) {
    pair p;
    pair_open(&p, &recipes[i]);
    model *m = p.m[1];
    const backend *be = model_backend(m);
    const param_set *s = model_params(m);
    const size_t n = (size_t)s->elements;
    make_batch(p.b, p.r, &p.c, 0);
    passes(&p, m, 0); // what is made at the first use of a shape is there now
    check_ok(be->zero(model_ctx(m), s->grad, n * sizeof(float)));
    void *graph;
    const step_state state = state_of(&p, 0);
    check_ok(model_set_batch(m, p.b, &state));
    check_ok(be->graph_begin(model_ctx(m)));
    check_ok(model_forward(m, true));
    check_ok(model_loss(m, true));
    check_ok(be->graph_end(model_ctx(m), &graph));
    assert_non_null(graph);
    for (int32_t step = 1; step < 4; step++) {
      make_batch(p.b, p.r, &p.c, step);
      const step_state now = state_of(&p, step);
      step_result captured;
      check_ok(be->result_clear(model_ctx(m)));
      check_ok(model_set_batch(m, p.b, &now));
      check_ok(be->graph_launch(model_ctx(m), graph));
      check_ok(be->result_read(model_ctx(m), &captured));
      const step_result a = passes(&p, p.m[0], step);
      check_near(captured.slot[0].loss, a.slot[0].loss, 1e-6 * a.slot[0].loss);
      compare_gradients(&p, "captured");
      for (int k = 0; k < 2; k++)
        check_ok(
            model_backend(p.m[k])->zero(model_ctx(p.m[k]), model_params(p.m[k])->grad, n * sizeof(float)));
    }
    be->graph_free(model_ctx(m), graph);
    pair_close(&p);
  }
}

// A batch with more room than the model has is laid out otherwise; what it holds arrives all the same.
static void test_other_layout(void **unused) {
  (void)unused;
  pair p;
  pair_open(&p, &recipes[2]);
  make_batch(p.b, p.r, &p.c, 1);
  const step_result own = passes(&p, p.m[1], 1);
  batch_caps caps = p.b->caps;
  caps.tokens += 200;
  caps.seqs += 3;
  caps.masked += 70;
  batch_free(p.b);
  check_ok(batch_new(&p.b, caps));
  make_batch(p.b, p.r, &p.c, 1);
  const step_result other = passes(&p, p.m[1], 1);
  assert_true(own.slot[0].loss > 0);
  check_near(other.slot[0].loss, own.slot[0].loss, 0);
  check_near(other.slot[0].weight, own.slot[0].weight, 0);
  pair_close(&p);
}

// ---- what a step may not do ----------------------------------------------------------------------------------

// Calls of the runtime by name, where the backend runs on the simulator; elsewhere nobody counts.
static unsigned long long (*counter(void))(const char *) {
  void *library = dlopen(getenv("SOUK_CUDA_BACKEND"), RTLD_NOW | RTLD_NOLOAD);
  assert_non_null(library);
  void *symbol = dlsym(library, "cusimCalls");
  dlclose(library);
  unsigned long long (*calls)(const char *);
  memcpy(&calls, &symbol, sizeof calls);
  return calls;
}

static unsigned long long sum_of(unsigned long long (*calls)(const char *), const char *const *names,
                                 size_t n) {
  unsigned long long sum = 0;
  for (size_t i = 0; i < n; i++) sum += calls(names[i]);
  return sum;
}

// Steps as the loop takes them, results read a step late: nothing is allocated, the host waits for one event a step, and
// there are five copies: of the batch and of the state each one to the device and one on it, and one of the results. The list of a tuned
// table's rows is two more.
static void test_quiet_steps(void **unused) {
  (void)unused;
  static const char *const allocates[] = {
      "cudaMalloc",       "cudaMallocAsync",           "cudaMallocHost",           "cudaHostAlloc",
      "cudaHostRegister", "cudaStreamCreateWithFlags", "cudaEventCreateWithFlags", "cudaFree",
      "cudaFreeHost"};
  static const char *const waits[] = {"cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaMemcpy",
                                      "cudaMemset"};
  enum { STEPS = 12, WARM = 2 };
  if (getenv("SOUK_CUDA_BACKEND") == NULL || counter() == NULL) skip();
  unsigned long long (*calls)(const char *) = counter();
  for (int i = 0; i < RECIPES; i++) {
    pair p;
    pair_open(&p, &recipes[i]);
    model *m = p.m[1];
    const backend *be = model_backend(m);
    const optim_config o = {.weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip_norm = 1};
    optimizer *by;
    check_ok(optimizer_open(&by, m, &o));
    unsigned long long allocated = 0, waited = 0, events = 0, copies = 0;
    for (int32_t step = 0; step < STEPS; step++) {
      if (step == WARM) {
        allocated = sum_of(calls, allocates, sizeof allocates / sizeof *allocates);
        waited = sum_of(calls, waits, sizeof waits / sizeof *waits);
        events = calls("cudaEventSynchronize");
        copies = calls("cudaMemcpyAsync");
      }
      make_batch(p.b, p.r, &p.c, step);
      const step_state state = state_of(&p, step);
      check_ok(be->result_next(model_ctx(m)));
      check_ok(model_set_batch(m, p.b, &state));
      check_ok(model_forward(m, true));
      check_ok(model_loss(m, true));
      check_ok(optimizer_step(by));
      check_ok(be->result_post(model_ctx(m)));
      step_result r;
      if (step > 0) check_ok(be->result_take(model_ctx(m), &r));
      if (step > 0 && !(r.slot[0].weight > 0 && r.nonfinite == 0))
        fail_msg("%s, step %d: weight %g, %d values are not finite", p.r->name, step, r.slot[0].weight,
                 (int)r.nonfinite);
    }
    assert_int_equal(sum_of(calls, allocates, sizeof allocates / sizeof *allocates), allocated);
    assert_int_equal(sum_of(calls, waits, sizeof waits / sizeof *waits), waited);
    assert_int_equal(calls("cudaEventSynchronize"), events + STEPS - WARM);
    assert_int_equal(calls("cudaMemcpyAsync"), copies + (recipes[i].tuned ? 7u : 5u) * (STEPS - WARM));
    optimizer_close(by);
    pair_close(&p);
  }
}

int main(void) {
  const backend *be;
  check_ok(backend_find(&be, "cuda"));
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_hidden_masks), cmocka_unit_test(test_attention_masks),
      cmocka_unit_test(test_gradients),    cmocka_unit_test(test_graph),
      cmocka_unit_test(test_other_layout), cmocka_unit_test(test_steps),
      cmocka_unit_test(test_lamb_steps),   cmocka_unit_test(test_quiet_steps)};
  return cmocka_run_group_tests_name("cuda", tests, NULL, NULL);
}
