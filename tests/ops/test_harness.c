// The op checks can fail: backends that are the CPU's but for one fault each, and what the checks say of them.
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "ops/check/check.h"
#include "ops/check/harness.h"

// ---- faults --------------------------------------------------------------------------------------------------
// Each stands in for an op and spoils what the CPU made of it (whose memory the host may touch).

static int32_t calls;
static int32_t live; // tokens, as last written

static status keep_state(op_ctx *ctx, const step_state *state) {
  live = state->tokens;
  return backend_cpu.state_write(ctx, state);
}

static status off_by_little(op_ctx *ctx, const norm_params *p) {
  const status rc = backend_cpu.norm_forward(ctx, p);
  ((float *)p->y)[0] += 2e-5f;
  return rc;
}

static status past_the_end(op_ctx *ctx, const norm_params *p) {
  const status rc = backend_cpu.norm_forward(ctx, p);
  ((float *)p->y)[(size_t)p->n.cap * (size_t)p->hidden] = 0;
  return rc;
}

static status before_the_start(op_ctx *ctx, const norm_params *p) {
  const status rc = backend_cpu.norm_forward(ctx, p);
  p->mean[-1] = 0;
  return rc;
}

static status writes_an_input(op_ctx *ctx, const norm_params *p) {
  ((float *)p->gamma)[0] = 1;
  return backend_cpu.norm_forward(ctx, p);
}

static status writes_past_live_rows(op_ctx *ctx, const norm_params *p) {
  const status rc = backend_cpu.norm_forward(ctx, p);
  if (p->n.kind == ROWS_TOKENS && live < p->n.cap) ((float *)p->y)[(size_t)live * (size_t)p->hidden] = NAN;
  return rc;
}

static status reads_past_live_rows(op_ctx *ctx, const norm_params *p) {
  const status rc = backend_cpu.norm_backward(ctx, p);
  if (p->n.kind == ROWS_TOKENS && live < p->n.cap && p->dbeta != NULL)
    p->dbeta[0] += 0.0f * ((const float *)p->dy)[(size_t)live * (size_t)p->hidden];
  return rc;
}

static status overwrites_a_sum(op_ctx *ctx, const norm_params *p) {
  if (p->dgamma != NULL) memset(p->dgamma, 0, (size_t)p->hidden * sizeof(float));
  return backend_cpu.norm_backward(ctx, p);
}

static status adds_to_an_output(op_ctx *ctx, const norm_params *p) {
  const float before = ((const float *)p->dx)[0];
  const status rc = backend_cpu.norm_backward(ctx, p);
  ((float *)p->dx)[0] += before;
  return rc;
}

static status changes_its_mind(op_ctx *ctx, const norm_params *p) {
  const status rc = backend_cpu.norm_backward(ctx, p);
  float *x = (float *)p->dx;
  if (calls++ % 2 == 1) *x = nextafterf(*x, 9.0f);
  return rc;
}

static status leaves_an_output(op_ctx *ctx, const norm_params *p) {
  norm_params half = *p;
  half.n.cap = p->n.cap / 2;
  return backend_cpu.norm_backward(ctx, &half);
}

static status gives_up(op_ctx *ctx, const norm_params *p) {
  (void)ctx;
  (void)p;
  return fail(ERR_INTERNAL, "the device is on fire");
}

static status forgets_a_flag(op_ctx *ctx, const embed_params *p) {
  const status rc = backend_cpu.embed_backward(ctx, p);
  if (p->touched != NULL) p->touched[0] = 0;
  return rc;
}

static status forgets_a_loss(op_ctx *ctx, const classify_params *p) {
  return p->dlogits == NULL ? OK : backend_cpu.classify(ctx, p);
}

static status ignores_nan(op_ctx *ctx, const optim_params *p) {
  const status rc = backend_cpu.grad_norm(ctx, p);
  return rc == OK ? backend_cpu.result_clear(ctx) : rc;
}

static status forgets_the_gradient(op_ctx *ctx, const optim_params *p) {
  if (p->n == 0) return OK;
  const float g = p->tensors[0].g[0];
  const status rc = backend_cpu.adamw(ctx, p);
  p->tensors[0].g[0] = g;
  return rc;
}

static status truncates(op_ctx *ctx, act *to, const float *from, size_t count) {
  return backend_cpu.cast(ctx, to, from, count == 0 ? 0 : count - 1);
}

static status keeps_results(op_ctx *ctx) {
  (void)ctx;
  return OK;
}

static status drifts(op_ctx *ctx, step_result *r) {
  const status rc = backend_cpu.result_read(ctx, r);
  r->slot[1].loss += 1e-13 * calls++;
  return rc;
}

static status misaligned(op_ctx *ctx, size_t bytes, const char *what, void **out) {
  TRY(backend_cpu.mem_alloc(ctx, bytes + 64, what, out));
  *out = (char *)*out + 64;
  return OK;
}

static void misaligned_free(op_ctx *ctx, void *p) {
  backend_cpu.mem_free(ctx, p == NULL ? NULL : (char *)p - 64);
}

static status refuses(op_kind kind, const void *params) {
  if (kind == OP_NORM && ((const norm_params *)params)->hidden % 4 != 0)
    return fail(ERR_UNSUPPORTED, "hidden must be a multiple of 4");
  return OK;
}

// ---- a backend of 2-byte activations -------------------------------------------------------------------------
// Just enough of one that the checks take it for bf16: gather, as its backend would do it, and casts.

static float wide(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static uint16_t narrow(float f, bool round) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  if (isnan(f)) return 0x7FFF;
  return (uint16_t)((bits + (round ? 0x7FFFu + (bits >> 16 & 1u) : 0)) >> 16);
}

static status bf16_cast(op_ctx *ctx, act *to, const float *from, size_t count) {
  (void)ctx;
  for (size_t i = 0; i < count; i++) ((uint16_t *)to)[i] = narrow(from[i], true);
  return OK;
}

static status bf16_cast_down(op_ctx *ctx, act *to, const float *from, size_t count) {
  (void)ctx;
  for (size_t i = 0; i < count; i++) ((uint16_t *)to)[i] = narrow(from[i], false);
  return OK;
}

static int32_t masked, seqs;

static status bf16_state(op_ctx *ctx, const step_state *state) {
  masked = state->masked;
  seqs = state->seqs;
  return backend_cpu.state_write(ctx, state);
}

static status bf16_gather(op_ctx *ctx, const gather_params *p) {
  (void)ctx;
  const size_t n = (size_t)(p->n.kind == ROWS_SEQS ? seqs : masked), H = (size_t)p->hidden;
  for (size_t i = 0; i < n; i++)
    memcpy((uint16_t *)p->y + i * H, (const uint16_t *)p->x + (size_t)p->index[i] * H, H * sizeof(uint16_t));
  return OK;
}

// Adds in float and rounds once.
static status bf16_scatter(op_ctx *ctx, const gather_params *p) {
  (void)ctx;
  const size_t n = (size_t)(p->n.kind == ROWS_SEQS ? seqs : masked), H = (size_t)p->hidden;
  for (size_t row = 0; row < (size_t)p->source.cap; row++)
    for (size_t j = 0; j < H; j++) {
      uint16_t *to = (uint16_t *)p->dx + row * H + j;
      float sum = wide(*to);
      bool any = false;
      for (size_t i = 0; i < n; i++) {
        if ((size_t)p->index[i] != row) continue;
        any = true;
        sum += wide(((const uint16_t *)p->dy)[i * H + j]);
      }
      if (any) *to = narrow(sum, true);
    }
  return OK;
}

static status bf16_gather_off(op_ctx *ctx, const gather_params *p) {
  const status rc = bf16_gather(ctx, p);
  uint16_t *y = (uint16_t *)p->y;
  *y = narrow(wide(*y) * 1.1f, true);
  return rc;
}

// A linear layer whose operands lose their lowest bits: 13 of TF32, 16 of bf16.
static int32_t lost_bits;
static bool cut_off; // else rounded

static float shorter(float x) {
  uint32_t bits;
  if (!isfinite(x)) return x;
  memcpy(&bits, &x, sizeof bits);
  if (!cut_off) bits += 1u << (lost_bits - 1);
  bits &= ~((1u << lost_bits) - 1);
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float *shorter_copy(const void *from, int64_t n) {
  float *to = malloc((size_t)n * sizeof *to + 1);
  assert_non_null(to);
  for (int64_t i = 0; i < n; i++) to[i] = shorter(((const float *)from)[i]);
  return to;
}

static status with_short_operands(op_ctx *ctx, const linear_params *p,
                                  status (*op)(op_ctx *ctx, const linear_params *p)) {
  linear_params q = *p;
  float *x = shorter_copy(p->x, (int64_t)p->n.cap * p->in), *w = shorter_copy(p->w, (int64_t)p->out * p->in);
  q.x = x;
  q.w = w;
  const status rc = op(ctx, &q);
  free(x);
  free(w);
  return rc;
}

static status short_forward(op_ctx *ctx, const linear_params *p) {
  return with_short_operands(ctx, p, backend_cpu.linear_forward);
}

static status short_backward(op_ctx *ctx, const linear_params *p) {
  return with_short_operands(ctx, p, backend_cpu.linear_backward);
}

// ---- what is said of them ------------------------------------------------------------------------------------

static matmul_kind asked_for;

static int32_t check_named(const char *name) {
  int32_t i = 0;
  while (i < n_checks && strcmp(check_names[i], name) != 0) i++;
  assert_true(i < n_checks);
  return i;
}

static check_result examine(const char *name, const backend *be) {
  const check_config config = {
      .threads = {2}, .n_threads = 1, .matmul = asked_for, .cases = 8}; // enough for every fault
  check_result r;
  calls = 0;
  check_ok(check_run(check_named(name), be, &config, &r));
  return r;
}

static void expect(const char *name, backend be, const char *text) {
  be.name = "faulty";
  be.state_write = keep_state;
  const check_result r = examine(name, &be);
  if (r.failed < 1 || strstr(r.failures[0], text) == NULL)
    fail_msg("%d failures, the first \"%s\" does not say \"%s\"", r.failed, r.failures[0], text);
}

#define FAULTY(...)            \
  ({                           \
    backend be_ = backend_cpu; \
    __VA_ARGS__;               \
    be_;                       \
  })

static void test_ops(void **unused) {
  (void)unused;
  expect("norm", FAULTY(be_.norm_forward = off_by_little), "y after the forward pass is off by 2e-05");
  expect("norm", FAULTY(be_.norm_forward = past_the_end), "memory beside y was written");
  expect("norm", FAULTY(be_.norm_forward = before_the_start), "memory beside mean was written");
  expect("norm", FAULTY(be_.norm_forward = writes_an_input), "gamma is an input and was written");
  expect("norm", FAULTY(be_.norm_forward = writes_past_live_rows), "y is not finite past the live count");
  expect("norm", FAULTY(be_.norm_backward = reads_past_live_rows), "dbeta after the backward pass is off");
  expect("norm", FAULTY(be_.norm_backward = overwrites_a_sum), "dgamma after the backward pass is off");
  expect("norm", FAULTY(be_.norm_backward = adds_to_an_output), "dx after the backward pass is off by inf");
  expect("norm", FAULTY(be_.norm_backward = changes_its_mind), "dx is not the same bits in a repeat");
  expect("norm", FAULTY(be_.norm_backward = leaves_an_output), "dx after the backward pass is off by inf");
  expect("norm", FAULTY(be_.norm_backward = gives_up), "the device is on fire");
  expect("embed", FAULTY(be_.embed_backward = forgets_a_flag), "touched after the backward pass is off by 1");
  expect("classify", FAULTY(be_.classify = forgets_a_loss), "loss of slot 1 after the forward pass is off");
  expect("classify", FAULTY(be_.result_read = drifts), "are not the same bits in a repeat");
  expect("optim", FAULTY(be_.grad_norm = ignores_nan), "grad_sumsq after the forward pass is off");
  expect("optim", FAULTY(be_.adamw = forgets_the_gradient), "g after the backward pass is off");
}

// ---- real sizes ----------------------------------------------------------------------------------------------

static void expect_real(const char *name, int32_t from_end, backend be, const char *text) {
  const int32_t suite_index = check_named(name);
  const int32_t k = suites[suite_index]->cases - from_end;
  const check_config config = {.threads = {2}, .n_threads = 1, .cases = k + 1, .first = k, .real = true};
  be.name = "faulty";
  be.state_write = keep_state;
  check_result r;
  check_ok(check_run(suite_index, &be, &config, &r));
  if (text == NULL && (r.failed > 0 || r.cases != 1)) fail_msg("%s", r.failures[0]);
  if (text != NULL && (r.failed < 1 || strstr(r.failures[0], text) == NULL))
    fail_msg("%d failures, the first \"%s\" does not say \"%s\"", r.failed, r.failures[0], text);
}

static status errs_late(op_ctx *ctx, const classify_params *p) {
  const status rc = backend_cpu.classify(ctx, p);
  if (p->dlogits != NULL) ((float *)p->dlogits)[2 * 8000] += 1e-5f;
  return rc;
}

// As if one of 32,881 rows did not get into the sum.
static status loses_a_row(op_ctx *ctx, const linear_params *p) {
  const status rc = backend_cpu.linear_backward(ctx, p);
  const float *dy = (const float *)p->dy + (size_t)20000 * (size_t)p->out,
              *x = (const float *)p->x + (size_t)20000 * (size_t)p->in;
  for (int32_t o = 0; o < p->out; o++)
    for (int32_t j = 0; j < p->in; j++) p->dw[o * p->in + j] -= dy[o] * x[j];
  return rc;
}

// A row that belongs to the block before, as an index that is computed wrongly would have it.
static status takes_another_row(op_ctx *ctx, const linear_params *p) {
  const status rc = backend_cpu.linear_forward(ctx, p);
  float *y = (float *)p->y + (size_t)32000 * (size_t)p->out;
  memcpy(y, y - 128 * p->out, (size_t)p->out * sizeof *y);
  return rc;
}

static void test_real_sizes(void **unused) {
  (void)unused;
  expect_real("classify", 1, backend_cpu, NULL);
  expect_real("classify", 1, FAULTY(be_.classify = errs_late), "dlogits after the backward pass is off by");
  expect_real("linear", 3, backend_cpu, NULL);
  expect_real("linear", 3, FAULTY(be_.linear_backward = loses_a_row), "dw after the backward pass is off");
  expect_real("linear", 3, FAULTY(be_.linear_forward = takes_another_row), "y after the forward pass is off");
}

static void test_backend(void **unused) {
  (void)unused;
  expect("backend", FAULTY(be_.cast = truncates), "a cast to the activation type rounds wrongly");
  expect("backend", FAULTY(be_.result_clear = keeps_results), "cleared results are not zero");
  expect("backend", FAULTY(be_.mem_alloc = misaligned, be_.mem_free = misaligned_free), "not aligned");
  char newer[48];
  snprintf(newer, sizeof newer, "version %d of the op table", OPS_VERSION + 1);
  expect("backend", FAULTY(be_.version = OPS_VERSION + 1), newer);
}

static void test_small_activations(void **unused) {
  (void)unused;
  backend be = backend_cpu;
  be.name = "bf16";
  be.act_size = 2;
  be.cast = bf16_cast;
  be.state_write = bf16_state;
  be.gather_forward = bf16_gather;
  be.gather_backward = bf16_scatter;
  const check_result r = examine("gather", &be);
  if (r.failed > 0) fail_msg("%s", r.failures[0]);
  assert_true(r.cases > 0 && r.worst > 0);
  be.gather_forward = bf16_gather_off;
  const check_result off = examine("gather", &be);
  assert_true(off.failed > 0 && strstr(off.failures[0], "y after the forward pass is off") != NULL);
  be.cast = bf16_cast_down;
  const check_result down = examine("backend", &be);
  assert_true(down.failed > 0 && strstr(down.failures[0], "rounds wrongly") != NULL);
}

// TF32's tolerance has room for TF32, rounded or cut off, but not for bf16; and fp32's has none for TF32.
static void test_tf32(void **unused) {
  (void)unused;
  static const struct {
    matmul_kind asked_for;
    int32_t lost_bits;
    bool cut_off, good;
  } all[] = {{MATMUL_TF32, 13, false, true},
             {MATMUL_TF32, 13, true, true},
             {MATMUL_TF32, 16, false, false},
             {MATMUL_FP32, 13, false, false}};
  backend be = backend_cpu;
  be.name = "short";
  be.linear_forward = short_forward;
  be.linear_backward = short_backward;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    asked_for = all[i].asked_for;
    lost_bits = all[i].lost_bits;
    cut_off = all[i].cut_off;
    const check_result r = examine("linear", &be);
    if ((r.failed == 0) != all[i].good)
      fail_msg("%s, %d bits lost: %d failures, %.3f of the tolerance (%s)", matmul_names[asked_for],
               lost_bits, r.failed, r.worst, r.worst_at);
    if (r.failed > 0) assert_non_null(strstr(r.failures[0], " pass is off by "));
  }
  asked_for = MATMUL_FP32;
}

static void test_unsupported(void **unused) {
  (void)unused;
  backend be = backend_cpu;
  const check_result all = examine("norm", &be);
  be.supports = refuses;
  const check_result some = examine("norm", &be);
  assert_int_equal(all.failed, 0);
  assert_int_equal(some.failed, 0);
  assert_true(some.unsupported > 0 && some.cases > 0);
  assert_int_equal(some.cases + some.unsupported, all.cases);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ops),        cmocka_unit_test(test_backend),
      cmocka_unit_test(test_real_sizes), cmocka_unit_test(test_small_activations),
      cmocka_unit_test(test_tf32),       cmocka_unit_test(test_unsupported)};
  return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}
