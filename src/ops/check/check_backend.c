// Checks of what is not an op: memory, copies, casts, state, results, graphs.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "ops/check/harness.h"

typedef struct bench {
  const backend *be;
  op_ctx *ctx;
  check_result *out;
} bench;

static void expect(bench *b, bool good, const char *what) {
  if (!good) check_note_failure(b->out, "backend: %s", what);
}

static status check_memory(bench *b) {
  static const size_t sizes[] = {0, 1, 255, 256, 257, 100003};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    b->out->cases++;
    void *p;
    TRY(b->be->mem_alloc(b->ctx, sizes[i], "a check", &p));
    expect(b, p != NULL && (uintptr_t)p % 256 == 0, "memory is not aligned to 256 bytes");
    char *back;
    TRY(mem_new(&back, sizes[i], 1, "a check"));
    memset(back, 1, sizes[i]);
    TRY(b->be->download(b->ctx, back, p, sizes[i]));
    bool zero = true;
    for (size_t j = 0; j < sizes[i]; j++) zero = zero && back[j] == 0;
    expect(b, zero, "fresh memory is not zero");
    free(back);
    b->be->mem_free(b->ctx, p);
  }
  b->be->mem_free(b->ctx, NULL);
  return OK;
}

// Upload, copy, zero and download of odd pieces at odd places.
static status check_copies(bench *b) {
  enum { N = 1000 };
  unsigned char host[N], back[N], want[N];
  for (int i = 0; i < N; i++) host[i] = (unsigned char)(i * 7 + 1);
  char *p, *q;
  void *memory;
  TRY(b->be->mem_alloc(b->ctx, N, "a check", &memory));
  p = memory;
  TRY(b->be->mem_alloc(b->ctx, N, "a check", &memory));
  q = memory;
  static const int pieces[][2] = {{0, 1}, {1, 3}, {5, 97}, {16, 256}, {3, 997}, {7, 0}};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    const int at = pieces[i][0];
    const size_t n = (size_t)pieces[i][1];
    b->out->cases++;
    TRY(b->be->zero(b->ctx, q, N));
    TRY(b->be->upload(b->ctx, p, host, N));
    TRY(b->be->copy(b->ctx, q + at, p + at, n));
    TRY(b->be->zero(b->ctx, p + at, n));
    TRY(b->be->download(b->ctx, back, q, N));
    memset(want, 0, N);
    memcpy(want + at, host + at, n);
    expect(b, memcmp(back, want, N) == 0, "a copy of a piece copies something else");
    TRY(b->be->download(b->ctx, back, p, N));
    memcpy(want, host, N);
    memset(want + at, 0, n);
    expect(b, memcmp(back, want, N) == 0, "zeroing a piece zeroes something else");
    TRY(b->be->upload(b->ctx, p + at, host, n));
    TRY(b->be->download(b->ctx, back + at, p + at, n));
    expect(b, memcmp(back + at, host, n) == 0, "a piece does not come back as it was uploaded");
  }
  b->be->mem_free(b->ctx, p);
  b->be->mem_free(b->ctx, q);
  return OK;
}

// Floats to activations: rounded to nearest, ties to even; nothing past the count is written.
static status check_cast(bench *b) {
  static const float some[] = {0.0f,        -0.0f,      1.0f,        -1.0f,     0.1f,     1.00390625f,
                               1.01171875f, 3.3895e38f, 1e-40f,      -1e-20f,   65504.0f, INFINITY,
                               -INFINITY,   NAN,        0.33333334f, 1.0039063f};
  enum { N = sizeof some / sizeof *some, ROOM = 4 };
  static const size_t counts[] = {0, 1, 3, N};
  const size_t size = b->be->act_size;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    b->out->cases++;
    void *from, *to;
    unsigned char back[(N + ROOM) * sizeof(float)], mark[(N + ROOM) * sizeof(float)];
    memset(mark, 0x5A, sizeof mark);
    TRY(b->be->mem_alloc(b->ctx, sizeof some, "a check", &from));
    TRY(b->be->mem_alloc(b->ctx, (N + ROOM) * size, "a check", &to));
    TRY(b->be->upload(b->ctx, from, some, sizeof some));
    TRY(b->be->upload(b->ctx, to, mark, (N + ROOM) * size));
    TRY(b->be->cast(b->ctx, to, from, counts[i]));
    TRY(b->be->download(b->ctx, back, to, (N + ROOM) * size));
    for (size_t j = 0; j < counts[i]; j++) {
      uint32_t bits = 0;
      float got;
      memcpy((char *)&bits + (sizeof bits - size), back + j * size, size);
      memcpy(&got, &bits, sizeof got);
      const double want = round_to_act(some[j], size);
      expect(b, isnan(want) ? isnan(got) : (double)got == want && signbit(got) == signbit(some[j]),
             "a cast to the activation type rounds wrongly");
    }
    expect(b, memcmp(back + counts[i] * size, mark, (N + ROOM - counts[i]) * size) == 0,
           "a cast writes past its count");
    b->be->mem_free(b->ctx, from);
    b->be->mem_free(b->ctx, to);
  }
  return OK;
}

// Results add up over calls until they are cleared; live counts and scales come from the state written last.
static status check_state(bench *b) {
  b->out->cases++;
  const float logits[] = {0, 0, 3, 3, 1, 1};
  const int32_t labels[] = {0, -1, 1};
  void *z, *l;
  TRY(b->be->mem_alloc(b->ctx, sizeof logits, "a check", &z));
  TRY(b->be->mem_alloc(b->ctx, sizeof labels, "a check", &l));
  TRY(b->be->upload(b->ctx, l, labels, sizeof labels));
  void *f;
  TRY(b->be->mem_alloc(b->ctx, sizeof logits, "a check", &f));
  TRY(b->be->upload(b->ctx, f, logits, sizeof logits));
  TRY(b->be->cast(b->ctx, z, f, 6));
  const classify_params p = {.n = {ROWS_SEQS, 3}, .slot = 1, .classes = 2, .labels = l, .logits = z};
  step_state state = {.seqs = 3, .scale = {0, 1}};
  step_result r;
  TRY(b->be->result_clear(b->ctx));
  for (int live = 3; live >= 1; live--) { // 2 + 1 + 1 labelled rows, of log 2 each
    state.seqs = live;
    TRY(b->be->state_write(b->ctx, &state));
    TRY(b->be->classify(b->ctx, &p));
  }
  TRY(b->be->sync(b->ctx));
  TRY(b->be->result_read(b->ctx, &r));
  expect(b, r.slot[1].weight == 4 && fabs(r.slot[1].loss - 4 * log(2)) < 1e-5,
         "results do not add up over live counts");
  expect(b, r.slot[1].hits == 3, "of classes with equal scores the first is not predicted");
  state.seqs = 0;
  TRY(b->be->state_write(b->ctx, &state));
  TRY(b->be->classify(b->ctx, &p));
  TRY(b->be->result_read(b->ctx, &r));
  expect(b, r.slot[1].weight == 4, "an op writes although no rows are live");
  TRY(b->be->result_clear(b->ctx));
  TRY(b->be->result_read(b->ctx, &r));
  bool clear = r.grad_sumsq == 0 && r.nonfinite == 0;
  for (int32_t k = 0; k < MAX_SLOTS; k++)
    clear = clear && r.slot[k].loss == 0 && r.slot[k].weight == 0 && r.slot[k].hits == 0;
  expect(b, clear, "cleared results are not zero");
  b->be->mem_free(b->ctx, z);
  b->be->mem_free(b->ctx, l);
  b->be->mem_free(b->ctx, f);
  return OK;
}

// Posted results have the values of the time they were posted, and come in order. `nonfinite` stays set across
// result_next, but not result_clear.
static status check_posts(bench *b) {
  b->out->cases++;
  const float values[] = {3, 4}, bad[] = {INFINITY, 1};
  void *g, *table;
  TRY(b->be->mem_alloc(b->ctx, sizeof values, "a check", &g));
  const optim_tensor t = {.n = 2, .g = g};
  optim_params p = {.tensors = &t, .n = 1, .wholes = 1};
  TRY(b->be->mem_alloc(b->ctx, b->be->optim_bytes(&p), "a check", &table));
  p.table = table;
  TRY(b->be->optim_prepare(b->ctx, &p));
  step_result r;
  TRY(b->be->result_clear(b->ctx));
  TRY(b->be->upload(b->ctx, g, values, sizeof values));
  TRY(b->be->grad_norm(b->ctx, &p));
  TRY(b->be->result_post(b->ctx));
  TRY(b->be->result_next(b->ctx));
  TRY(b->be->upload(b->ctx, g, bad, sizeof bad));
  TRY(b->be->grad_norm(b->ctx, &p));
  TRY(b->be->result_post(b->ctx));
  TRY(b->be->result_next(b->ctx));
  TRY(b->be->result_take(b->ctx, &r));
  expect(b, r.grad_sumsq == 25 && r.nonfinite == 0,
         "a posted result does not hold the values of the moment it was posted");
  TRY(b->be->upload(b->ctx, g, values, sizeof values));
  TRY(b->be->grad_norm(b->ctx, &p));
  TRY(b->be->result_post(b->ctx));
  TRY(b->be->result_take(b->ctx, &r));
  expect(b, isinf(r.grad_sumsq) && r.nonfinite == 1, "posted results do not come in order");
  TRY(b->be->result_take(b->ctx, &r));
  expect(b, r.grad_sumsq == 25 && r.nonfinite == 1, "a refusal does not stay");
  TRY(b->be->result_clear(b->ctx));
  TRY(b->be->result_read(b->ctx, &r));
  expect(b, r.nonfinite == 0, "a refusal cannot be cleared");
  b->be->mem_free(b->ctx, table);
  b->be->mem_free(b->ctx, g);
  return OK;
}

// What is captured runs when it is launched, each time; a backend without graphs ran it already and gives NULL.
static status check_graph(bench *b) {
  b->out->cases++;
  enum { N = 300 };
  unsigned char ones[N], back[N], zeros[N] = {0};
  memset(ones, 1, N);
  void *p, *graph = NULL;
  TRY(b->be->mem_alloc(b->ctx, N, "a check", &p));
  TRY(b->be->upload(b->ctx, p, ones, N));
  TRY(b->be->graph_begin(b->ctx));
  TRY(b->be->zero(b->ctx, p, N));
  TRY(b->be->graph_end(b->ctx, &graph));
  for (int i = 0; i < 2; i++) {
    if (graph != NULL) TRY(b->be->graph_launch(b->ctx, graph));
    TRY(b->be->download(b->ctx, back, p, N));
    expect(b, memcmp(back, zeros, N) == 0, "a captured graph does not do what was captured");
    if (graph == NULL) break;
    TRY(b->be->upload(b->ctx, p, ones, N));
  }
  b->be->graph_free(b->ctx, graph);
  b->be->mem_free(b->ctx, p);
  return OK;
}

status check_backend_suite(const backend *be, const check_config *config, check_result *out) {
  bench b = {.be = be, .out = out};
  const classify_params classify = {.n = {ROWS_SEQS, 3}, .classes = 2};
  const size_t scratch = be->scratch_bytes(OP_CLASSIFY, &classify, config->threads[0]);
  const backend_config c = {
      .device = config->device, .threads = config->threads[0], .scratch_bytes = scratch};
  if (be->version != OPS_VERSION)
    check_note_failure(out, "backend: it is version %u of the op table, not %d", be->version, OPS_VERSION);
  expect(&b, be->act_size == sizeof(float) || be->act_size == 2,
         "activations are neither of 4 nor of 2 bytes");
  status rc;
  TRY_GOTO(be->open(&b.ctx, &c), done);
  char text[256] = "";
  TRY_GOTO(be->describe(b.ctx, text, sizeof text), done);
  expect(&b, text[0] != '\0' && memchr(text, 0, sizeof text) != NULL, "it does not describe itself");
  TRY_GOTO(check_memory(&b), done);
  TRY_GOTO(check_copies(&b), done);
  TRY_GOTO(check_cast(&b), done);
  TRY_GOTO(check_state(&b), done);
  TRY_GOTO(check_posts(&b), done);
  TRY_GOTO(check_graph(&b), done);
done:
  if (rc != OK) check_note_failure(out, "backend: %s", fail_message());
  be->close(b.ctx);
  be->close(NULL);
  return OK;
}
