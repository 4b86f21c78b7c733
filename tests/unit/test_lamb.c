// LAMB against a double-precision reference: one tensor at odd sizes, and a whole model by descriptors (q, k and v
// apart, no trust ratio without decay), over several steps with clipping. And the learning-rate schedules.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "base/philox.h"
#include "train/optimizer.h"

typedef struct reference {
  int64_t n;
  double *p, *m, *v, *g;
} reference;

static void reference_step(reference *r, double clip, double lr, double wd, const optim_config *o, int64_t t,
                           bool trust) {
  const double b1 = (double)(float)o->beta1, b2 = (double)(float)o->beta2; // as they reach the op
  double weights = 0, update = 0;
  for (int64_t i = 0; i < r->n; i++) {
    const double g = r->g[i] * clip;
    r->m[i] = b1 * r->m[i] + (1 - b1) * g;
    r->v[i] = b2 * r->v[i] + (1 - b2) * g * g;
    const double m = r->m[i] / (1 - pow(b1, (double)t)), v = r->v[i] / (1 - pow(b2, (double)t));
    r->g[i] = m / (sqrt(v) + o->eps) + wd * r->p[i];
    weights += r->p[i] * r->p[i];
    update += r->g[i] * r->g[i];
  }
  const double ratio = trust && weights > 0 && update > 0 ? sqrt(weights / update) : 1.0;
  for (int64_t i = 0; i < r->n; i++) r->p[i] -= lr * ratio * r->g[i];
}

static void compare(const float *got, const double *wanted, int64_t n, const char *what) {
  double worst = 0, size = 1e-6;
  for (int64_t i = 0; i < n; i++) {
    const double d = fabs((double)got[i] - wanted[i]);
    if (!(d <= worst)) worst = d;
    if (fabs(wanted[i]) > size) size = fabs(wanted[i]);
  }
  if (!(worst <= 2e-6 * size)) fail_msg("%s: off by %g of %g", what, worst, size);
}

static void fill(rng *r, float *x, double *wide, int64_t n, double scale) {
  for (int64_t i = 0; i < n; i++) {
    x[i] = (float)(scale * rng_normal(r));
    wide[i] = (double)x[i];
  }
}

static float *floats(int64_t n) {
  float *p = calloc((size_t)n + 1, sizeof *p);
  assert_non_null(p);
  return p;
}

static reference reference_new(int64_t n) {
  double *all = calloc(4 * (size_t)n + 1, sizeof *all);
  assert_non_null(all);
  return (reference){n, all, all + n, all + 2 * n, all + 3 * n};
}

typedef struct lamb_case {
  int64_t n;
  double scale, decay, clip_norm; // scale: of the weights; 0: the trust ratio is undefined and must be 1
  bool trust;
} lamb_case;

static const lamb_case lamb_cases[] = {
    {1, 0.5, 0.01, 1.0, true},       {97, 0.02, 0.01, 1.0, true},  {97, 0.02, 0.01, 1.0, false},
    {97, 0.0, 0.01, 1.0, true},      {1025, 0.02, 0.0, 0.0, true}, {70000, 0.02, 0.1, 5.0, true},
    {131073, 0.02, 0.01, 1e3, true},
};

// Backend memory of a table's own, made ready.
static void open_table(op_ctx *ctx, optim_params *p) {
  void *norms;
  check_ok(backend_cpu.mem_alloc(ctx, backend_cpu.optim_bytes(p), "a table", &p->table));
  check_ok(backend_cpu.mem_alloc(ctx, 2 * (size_t)p->wholes * sizeof(double) + 1, "norms", &norms));
  p->norms = norms;
  check_ok(backend_cpu.optim_prepare(ctx, p));
}

static void close_table(op_ctx *ctx, optim_params *p) {
  backend_cpu.mem_free(ctx, p->table);
  backend_cpu.mem_free(ctx, p->norms);
}

static void run_case(const lamb_case *c, int32_t threads) {
  const optim_config o = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-6};
  const backend *be = &backend_cpu;
  op_ctx *ctx;
  check_ok(be->open(&ctx, &(backend_config){.threads = threads}));
  float *p = floats(c->n), *g = floats(c->n), *m = floats(c->n), *v = floats(c->n);
  reference r = reference_new(c->n);
  rng draws = rng_at(7, 1, (uint32_t)c->n, 0);
  fill(&draws, p, r.p, c->n, c->scale);
  p[c->n] = g[c->n] = m[c->n] = v[c->n] = 12345.0f; // guards
  const optim_tensor t = {.n = c->n,
                          .p = p,
                          .g = g,
                          .m = m,
                          .v = v,
                          .lr_scale = 0.5f,
                          .weight_decay = (float)c->decay,
                          .trust = c->trust};
  optim_params table = {.tensors = &t,
                        .n = 1,
                        .wholes = 1,
                        .beta1 = (float)o.beta1,
                        .beta2 = (float)o.beta2,
                        .eps = (float)o.eps};
  open_table(ctx, &table);
  for (int64_t step = 0; step < 4; step++) {
    fill(&draws, g, r.g, c->n, 0.3);
    double norm = 0;
    for (int64_t i = 0; i < c->n; i++) norm += r.g[i] * r.g[i];
    norm = sqrt(norm);
    const double clip = c->clip_norm > 0 && norm > c->clip_norm ? c->clip_norm / (norm + 1e-6) : 1.0;
    const step_state state = {.step = step, .lr = 0.01f, .clip_norm = (float)c->clip_norm};
    check_ok(be->state_write(ctx, &state));
    check_ok(be->result_clear(ctx));
    check_ok(be->grad_norm(ctx, &table));
    check_ok(be->lamb_update(ctx, &table));
    check_ok(be->lamb_apply(ctx, &table));
    reference_step(&r, clip, 0.005, c->decay, &o, step + 1, c->trust);
    compare(p, r.p, c->n, "weights");
    compare(m, r.m, c->n, "first moment");
    compare(v, r.v, c->n, "second moment");
    for (int64_t i = 0; i < c->n; i++) assert_true(g[i] >= 0.0f && g[i] <= 0.0f);
  }
  assert_true(p[c->n] > 12344.0f && g[c->n] > 12344.0f && m[c->n] > 12344.0f && v[c->n] > 12344.0f);
  close_table(ctx, &table);
  free(p);
  free(g);
  free(m);
  free(v);
  free(r.p);
  be->close(ctx);
}

static void test_tensor(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof lamb_cases / sizeof *lamb_cases; i++)
    for (int32_t threads = 1; threads <= 3; threads += 2) run_case(&lamb_cases[i], threads);
}

static void test_refused(void **unused) {
  (void)unused;
  enum { N = 130 };
  const backend *be = &backend_cpu;
  op_ctx *ctx;
  check_ok(be->open(&ctx, &(backend_config){.threads = 2}));
  float p[N], g[N], m[N] = {0}, v[N] = {0};
  for (int i = 0; i < N; i++) p[i] = 1.0f, g[i] = 0.1f;
  g[77] = NAN;
  const optim_tensor t = {.n = N, .p = p, .g = g, .m = m, .v = v, .lr_scale = 1.0f};
  optim_params table = {.tensors = &t, .n = 1, .wholes = 1};
  open_table(ctx, &table);
  const step_state state = {.lr = 0.01f};
  check_ok(be->state_write(ctx, &state));
  check_ok(be->grad_norm(ctx, &table));
  check_ok(be->lamb_update(ctx, &table));
  check_ok(be->lamb_apply(ctx, &table));
  for (int i = 0; i < N; i++)
    assert_true(p[i] >= 1.0f && p[i] <= 1.0f && m[i] <= 0.0f && v[i] <= 0.0f && g[i] >= 0.0f && g[i] <= 0.0f);
  close_table(ctx, &table);
  be->close(ctx);
}

// What ranks do that own parts: three tensors, of which two tables have a part and a half each, their norms added between
// the ops. The bits are those of one table with all.
enum { WIDE = 300, SPLIT = 111, TENSORS = 3 };
typedef struct state_of_three {
  float p[TENSORS * WIDE], g[TENSORS * WIDE], m[TENSORS * WIDE], v[TENSORS * WIDE];
} state_of_three;

static optim_tensor slice(state_of_three *s, int32_t whole, int32_t begin, int32_t end) {
  const int32_t at = whole * WIDE + begin;
  return (optim_tensor){.n = end - begin,
                        .p = s->p + at,
                        .g = s->g + at,
                        .m = s->m + at,
                        .v = s->v + at,
                        .whole = whole,
                        .lr_scale = 1.0f,
                        .weight_decay = 0.01f,
                        .trust = true};
}

static void test_parts(void **unused) {
  (void)unused;
  static state_of_three one, two;
  rng draws = rng_at(5, 1, 0, 0);
  for (int i = 0; i < TENSORS * WIDE; i++) one.p[i] = (float)rng_normal(&draws);
  for (int i = 0; i < TENSORS * WIDE; i++) one.g[i] = (float)rng_normal(&draws);
  two = one;
  const optim_tensor all[] = {slice(&one, 0, 0, WIDE), slice(&one, 1, 0, WIDE), slice(&one, 2, 0, WIDE)};
  const optim_tensor halves[2][2] = {{slice(&two, 0, 0, WIDE), slice(&two, 1, 0, SPLIT)},
                                     {slice(&two, 1, SPLIT, WIDE), slice(&two, 2, 0, WIDE)}};
  optim_params tables[3] = {
      {.tensors = all, .n = 3}, {.tensors = halves[0], .n = 2}, {.tensors = halves[1], .n = 2}};
  const backend *be = &backend_cpu;
  op_ctx *ctx;
  check_ok(be->open(&ctx, &(backend_config){.threads = 2}));
  for (int k = 0; k < 3; k++) {
    tables[k].wholes = TENSORS;
    tables[k].beta1 = 0.9f;
    tables[k].beta2 = 0.99f;
    tables[k].eps = 1e-6f;
    open_table(ctx, &tables[k]);
    for (int j = 0; j < 2 * TENSORS; j++) tables[k].norms[j] = 1e9; // of a step before
  }
  check_ok(be->state_write(ctx, &(step_state){.lr = 0.1f}));
  check_ok(be->grad_norm(ctx, &tables[0]));
  for (int k = 0; k < 3; k++) check_ok(be->lamb_update(ctx, &tables[k]));
  for (int j = 0; j < 2 * TENSORS; j++)
    tables[1].norms[j] = tables[2].norms[j] = tables[1].norms[j] + tables[2].norms[j];
  for (int j = 0; j < 2 * TENSORS; j++)
    check_near(tables[1].norms[j], tables[0].norms[j], 1e-12 * tables[0].norms[j]);
  for (int k = 0; k < 3; k++) check_ok(be->lamb_apply(ctx, &tables[k]));
  assert_memory_equal(&one, &two, sizeof one);
  for (int k = 0; k < 3; k++) close_table(ctx, &tables[k]);
  be->close(ctx);
}

// A model's step, tensor by tensor as its descriptors say.
static void test_model(void **unused) {
  (void)unused;
  model_config c = {.hidden = 12,
                    .layers = 2,
                    .heads = 3,
                    .max_positions = 8,
                    .segments = 1,
                    .layer_norm_eps = 1e-12,
                    .init_std = 0.02,
                    .temperature = 1.0,
                    .item_classes = true};
  const int32_t range_end[4] = {5, 5, 5, 40};
  check_ok(model_config_resolve(&c, range_end, 2));
  const model_run run = {.caps = {.tokens = 16, .seqs = 4, .masked = 8}, .training = true, .seed = 3};
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  const optim_config o = {
      .kind = OPTIM_LAMB, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-6, .clip_norm = 1.0};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  const param_set *s = model_params(m);
  reference whole = reference_new(s->elements);
  for (int64_t i = 0; i < s->elements; i++) whole.p[i] = (double)s->master[i];
  rng draws = rng_at(9, 1, 0, 0);
  int32_t apart = 0;
  for (int64_t step = 0; step < 3; step++) {
    double norm = 0;
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i];
      fill(&draws, param_grad(s, p), whole.g + p->offset, p->size, 0.1);
      for (int64_t k = 0; k < p->size; k++) norm += whole.g[p->offset + k] * whole.g[p->offset + k];
    }
    norm = sqrt(norm);
    const step_state state = {.step = step, .lr = 0.02f, .clip_norm = 1.0f};
    check_ok(backend_cpu.state_write(model_ctx(m), &state));
    check_ok(backend_cpu.result_clear(model_ctx(m)));
    check_ok(optimizer_step(by));
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i];
      const int32_t parts = strstr(p->name, "self.qkv") != NULL ? 3 : 1;
      apart += parts == 3;
      for (int32_t k = 0; k < parts; k++) {
        const int64_t n = p->size / parts, at = p->offset + k * n;
        reference r = {n, whole.p + at, whole.m + at, whole.v + at, whole.g + at};
        reference_step(&r, 1.0 / (norm + 1e-6), 0.02, p->decay ? 0.01 : 0.0, &o, step + 1, p->decay);
        compare(s->master + at, r.p, n, p->name);
      }
    }
  }
  assert_int_equal(apart, 3 * 2 * 2); // steps, layers, weight and bias
  free(whole.p);
  optimizer_close(by);
  model_free(m);
}

static bool near(double a, double b) {
  return fabs(a - b) <= 1e-12 * (fabs(b) + 1);
}

static void test_schedules(void **unused) {
  (void)unused;
  optim_config o = {.lr = 2.0, .warmup_steps = 10, .min_lr = 0.1, .poly_power = 0.5};
  for (int kind = SCHEDULE_LINEAR; kind <= SCHEDULE_POLY; kind++) { // the warm-up is the same for all
    o.schedule = kind;
    assert_true(near(learning_rate(&o, 0, 110), 0.2));
    assert_true(near(learning_rate(&o, 9, 110), 2.0));
  }
  o.schedule = SCHEDULE_LINEAR;
  assert_true(near(learning_rate(&o, 10, 110), 2.0));
  assert_true(near(learning_rate(&o, 60, 110), 2.0 * (0.1 + 0.9 * 0.5)));
  assert_true(near(learning_rate(&o, 110, 110), 0.2));
  assert_true(near(learning_rate(&o, 5000, 110), 0.2));
  o.schedule = SCHEDULE_COSINE;
  assert_true(near(learning_rate(&o, 35, 110), 2.0 * (0.1 + 0.9 * 0.5 * (1 + cos(M_PI / 4)))));
  assert_true(near(learning_rate(&o, 110, 110), 0.2));
  o.schedule = SCHEDULE_CONSTANT;
  assert_true(near(learning_rate(&o, 5000, 110), 2.0));
  o.schedule = SCHEDULE_POLY; // of the whole run, as NVIDIA's PolyWarmUpScheduler counts it
  o.min_lr = 0;
  assert_true(near(learning_rate(&o, 10, 100), 2.0 * sqrt(1.0 - 11.0 / 100.0)));
  assert_true(near(learning_rate(&o, 98, 100), 2.0 * 0.1));
  assert_true(near(learning_rate(&o, 99, 100), 0.0));
  o.warmup_steps = 0;
  assert_true(near(learning_rate(&o, 0, 4), 2.0 * sqrt(0.75)));
  o.schedule = SCHEDULE_LINEAR;
  assert_true(near(learning_rate(&o, 0, 4), 2.0));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tensor), cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_parts), cmocka_unit_test(test_model),
                                     cmocka_unit_test(test_schedules)};
  return cmocka_run_group_tests_name("lamb", tests, NULL, NULL);
}
