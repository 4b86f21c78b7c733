// Communication: the world of one process; what a step tells it, and when; and two ranks, as threads, that train together
// as one does with twice as many micro-batches.
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/worlds.h"
#include "base/file.h"
#include "base/log.h"
#include "train/loop.h"
#include "train/metrics.h"
#include "train/step_queue.h"

// AddressSanitizer's malloc does not know fork(): a process that one rank starts while another allocates may wait for ever.
#ifdef __SANITIZE_ADDRESS__
enum { RANKS_MAY_FORK = 0 };
#else
enum { RANKS_MAY_FORK = 1 };
#endif

static char dir[256], data_dir[300];
static dataset *data_of[2]; // of each rank; opened here, because that starts a process

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data_dir, sizeof data_dir, dir, "data"));
  tiny_dataset(data_dir, 150, 40, 0);
  for (int r = 0; r < 2; r++) check_ok(dataset_open(&data_of[r], data_dir, false));
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  for (int r = 0; r < 2; r++) dataset_close(data_of[r]);
  tiny_remove(dir);
  return 0;
}

// ---- one process ---------------------------------------------------------------------------------------------

static void test_single(void **unused) {
  (void)unused;
  dist *d = dist_single();
  assert_int_equal(dist_rank(d), 0);
  assert_int_equal(dist_world(d), 1);
  check_ok(dist_barrier(d));
  double sums[2] = {1.5, -2};
  uint32_t flags = 5;
  check_ok(dist_sum(d, sums, 2));
  check_ok(dist_any(d, &flags));
  assert_true(sums[0] == 1.5 && sums[1] == -2 && flags == 5);

  dist_memory at = {.be = &backend_cpu};
  const backend_config config = {.threads = 1};
  check_ok(at.be->open(&at.ctx, &config));
  const float data[] = {1, 2, 3, 4};
  float x[4], slice[4] = {0}, all[4] = {0};
  uint8_t touched[2] = {0, 1};
  memcpy(x, data, sizeof x);
  check_ok(dist_all_reduce(d, at, x, 4));
  check_ok(dist_broadcast(d, at, x, sizeof x, 0));
  check_ok(dist_reduce_scatter(d, at, x, slice, 4));
  check_ok(dist_all_gather(d, at, x, all, sizeof x));
  check_ok(dist_reduce_scatter(d, at, x, x, 4)); // in place
  check_ok(dist_all_gather(d, at, x, x, sizeof x));
  const dist_bucket bucket = {.index = 3, .grad = x, .n = 4, .touched = touched, .rows = 2};
  check_ok(dist_bucket_ready(d, at, &bucket));
  check_ok(dist_bucket_wait(d, at, 3));
  assert_memory_equal(x, data, sizeof data);
  assert_memory_equal(slice, data, sizeof data);
  assert_memory_equal(all, data, sizeof data);
  assert_true(touched[0] == 0 && touched[1] == 1);
  at.be->close(at.ctx);
  dist_close(d); // it is shared by all who use it, so this does nothing
  assert_int_equal(dist_world(dist_single()), 1);
  dist_close(NULL);
}

// The worlds of these tests do what dist.h says, or they prove nothing.
static void use_world(void *self, dist *d) {
  (void)self;
  const dist_memory at = {.be = &backend_cpu};
  const int32_t rank = dist_rank(d), world = dist_world(d);
  float x[6], slice[2], all[6];
  for (int i = 0; i < 6; i++) x[i] = (float)(i + 10 * rank);
  must_be_ok(dist_reduce_scatter(d, at, x, slice, 2));
  must_be_ok(dist_all_gather(d, at, slice, all, sizeof slice));
  for (int i = 0; i < 6; i++) must(all[i] == (float)(3 * i + 30));
  must_be_ok(dist_broadcast(d, at, slice, sizeof slice, 2));
  must(slice[0] == 42.0f && slice[1] == 45.0f);
  double sum = rank + 1;
  uint32_t flags = 1u << rank;
  must_be_ok(dist_sum(d, &sum, 1));
  must_be_ok(dist_any(d, &flags));
  must(sum == 6 && flags == 7 && world == 3);
  must_be_ok(dist_barrier(d));
}

static void test_threads_are_a_world(void **unused) {
  (void)unused;
  world_run(3, use_world, NULL);
}

// ---- a run of steps ------------------------------------------------------------------------------------------

static run_config config_of(bool sampled) {
  run_config c = {.pause = {.steps = 0}};
  option_section sections[RUN_SECTIONS];
  const option_set set = {.sections = sections, .count = run_sections(&c, sections)};
  check_ok(options_defaults(&set));
  snprintf(c.data.dir, sizeof c.data.dir, "%s", data_dir);
  c.model = tiny_config();
  c.model.pooler = true;
  c.model.cls_sep = true;
  c.model.max_positions = 24;
  c.data.next_session = true;
  c.data.batch_tokens = 96;
  c.data.negatives = sampled ? 6 : 0;
  c.train.threads = 1;
  c.train.device = 1; // cpu
  c.optim.warmup_steps = 2;
  c.optim.lr = 0.01;
  return c;
}

// A model with its batches and its queue of steps.
typedef struct trainer {
  run_config c;
  dataset *d;
  batcher *batches;
  model *m;
  step_queue *steps;
  train_state t;
  recorder *record; // may be NULL
  int32_t refused;
} trainer;

static void on_micro(void *self, int32_t micro) {
  trainer *t = self;
  if (t->record != NULL) recorder_note(t->record, micro);
}

static status on_refused(void *self, const step_input *in) {
  trainer *t = self;
  (void)in;
  t->refused++;
  return model_forget(t->m);
}

static void trainer_open(trainer *t, dist *world, const run_config *c, int64_t accumulate) {
  *t = (trainer){.c = *c};
  t->c.train.accumulate = accumulate;
  t->d = data_of[dist_rank(world)];
  const dataset_info *info = dataset_get_info(t->d);
  model_config mc = c->model;
  must_be_ok(model_config_resolve(&mc, info->range_end, info->n_event_types));
  const seq_layout layout = model_layout(&mc);
  must_be_ok(
      batcher_open(&t->batches, t->d, &t->c.data, &layout, PART_TRAIN, dist_rank(world), dist_world(world)));
  model_run run = train_model_run(&t->c, batcher_caps(t->batches));
  run.dist = world;
  must_be_ok(model_create(&t->m, "cpu", &mc, &run));
  must_be_ok(params_make_moments(model_params(t->m)));
  const step_queue_config queue = {.run = &t->c,
                                   .m = t->m,
                                   .batches = t->batches,
                                   .world = world,
                                   .decay_steps = 1000,
                                   .state = &t->t,
                                   .self = t,
                                   .refused = on_refused,
                                   .micro_next = on_micro};
  must_be_ok(step_queue_open(&t->steps, &queue));
}

static void trainer_close(trainer *t) {
  step_queue_close(t->steps);
  batcher_close(t->batches);
  model_free(t->m);
}

// ---- what a step tells, and when -----------------------------------------------------------------------------

// Of a step of three micro-batches: one sum before the first, then nothing, and in the last one each bucket once and in
// order; then a wait for each.
static void check_order(const recorder *r, int32_t buckets) {
  const int32_t n_before = 1 + 3;
  assert_int_equal(r->n, n_before + 2 * buckets + 1);
  assert_int_equal(r->calls[0].kind, CALL_SUM);
  for (int32_t i = 0; i < 3; i++) {
    assert_int_equal(r->calls[1 + i].kind, CALL_NOTE);
    assert_int_equal(r->calls[1 + i].value, i);
  }
  for (int32_t b = 0; b < buckets; b++) {
    const call *ready = &r->calls[n_before + b], *wait = &r->calls[n_before + buckets + b];
    assert_int_equal(ready->kind, CALL_READY);
    assert_int_equal(ready->value, b);
    assert_int_equal(wait->kind, CALL_WAIT);
    assert_int_equal(wait->value, b);
  }
  assert_int_equal(r->calls[r->n - 1].kind, CALL_ANY); // was it refused?
}

// The buckets are the gradient arena, piece by piece, none is empty of gradients, and only the last one has row flags.
static void check_pieces(const recorder *r, const param_set *s, bool sampled) {
  const float *at = s->grad;
  for (int32_t b = 0; b < s->buckets; b++) {
    const call *c = &r->calls[4 + b];
    assert_true(c->bucket.grad >= at && c->bucket.grad < at + 64); // arenas are laid out by 64
    at = c->bucket.grad + c->bucket.n;
    float largest = 0;
    for (size_t i = 0; i < c->bucket.n; i++) largest = fmaxf(largest, fabsf(c->copy[i]));
    assert_true(largest > 0);
    const bool flags = sampled && b == s->buckets - 1;
    assert_int_equal(c->bucket.touched != NULL, flags);
    assert_int_equal(c->bucket.rows, flags ? (size_t)s->items[s->count - 1].shape[0] : 0);
  }
  assert_true(at <= s->grad + s->elements && at > s->grad + s->elements - 64);
}

static void test_buckets(void **unused) {
  (void)unused;
  for (int k = 0; k < 4; k++) {
    const bool pre_norm = k % 2 == 1, sampled = k / 2 == 1;
    run_config c = config_of(sampled);
    c.model.pre_norm = pre_norm;
    c.model.layers = 3;
    static recorder r;
    recorder_open(&r);
    trainer t;
    trainer_open(&t, &r.base, &c, 3);
    t.record = &r;
    const param_set *s = model_params(t.m);
    assert_int_equal(s->buckets, 1 + 3 + 2); // objectives, layers, embeddings, words
    for (int step = 0; step < 3; step++) {
      recorder_clear(&r);
      check_ok(step_queue_step(t.steps));
      check_order(&r, s->buckets);
      check_pieces(&r, s, sampled);
      assert_int_equal(r.changed, 0);
    }
    recorder_clear(&r);
    trainer_close(&t);
  }
}

static struct {
  const float *words; // gradients of the word table
  size_t n;
  double sums[16]; // of their squares when each bucket went out
} seen;

static status see_words(dist *d, dist_memory at, const dist_bucket *b) {
  (void)d;
  (void)at;
  double sum = 0;
  for (size_t i = 0; i < seen.n; i++) sum += (double)seen.words[i] * seen.words[i];
  seen.sums[b->index] = sum;
  return OK;
}

// A bucket is sent while the gradients of later ones are still being computed, or sending would not overlap with work. One op
// completes the last two together.
static void test_buckets_go_out_early(void **unused) {
  (void)unused;
  dist_calls calls = *dist_single()->calls;
  calls.bucket_ready = see_words;
  dist d = {.calls = &calls, .rank = 0, .world = 1};
  const run_config c = config_of(false);
  trainer t;
  trainer_open(&t, &d, &c, 1);
  const param_set *s = model_params(t.m);
  seen.words = param_grad(s, &s->items[s->count - 1]);
  seen.n = (size_t)s->items[s->count - 1].size;
  check_ok(step_queue_step(t.steps));
  for (int32_t b = 0; b < s->buckets - 2; b++) assert_true(seen.sums[b] != seen.sums[s->buckets - 1]);
  assert_true(seen.sums[s->buckets - 1] > 0);
  trainer_close(&t);
}

// Buckets without anything to train are left out; a step that waits without a last micro-batch is an error.
static void test_frozen_buckets(void **unused) {
  (void)unused;
  run_config c = config_of(false);
  snprintf(c.train.freeze, sizeof c.train.freeze, "bert.encoder.layer.1.*");
  static recorder r;
  recorder_open(&r);
  trainer t;
  trainer_open(&t, &r.base, &c, 1);
  check_ok(step_queue_step(t.steps));
  const int32_t wanted[] = {0, 2, 3, 4}; // layer 1, the last, is bucket 1
  int32_t ready = 0;
  for (int32_t i = 0; i < r.n; i++)
    if (r.calls[i].kind == CALL_READY) assert_int_equal(r.calls[i].value, wanted[ready++]);
  assert_int_equal(ready, 4);
  recorder_clear(&r);
  check_fails(model_wait_gradients(t.m), ERR_INTERNAL,
              "waits for 5 buckets of gradients, and 0 were reported");
  trainer_close(&t);
}

// ---- two ranks -----------------------------------------------------------------------------------------------

enum { STEPS = 8 };

typedef struct outcome {
  train_state t;     // with the sums of all ranks
  float *parameters; // [elements]
  int64_t elements;
  int32_t refused;
  double flops;
} outcome;

typedef struct job {
  run_config c;
  int64_t accumulate;
  int32_t poisoned; // step at which rank 1 alone has a gradient that is not finite; -1: none
  outcome of[2];
} job;

static void poison(trainer *t) {
  param_set *s = model_params(t->m);
  s->grad[5] = NAN;
}

static void train_some(void *self, dist *d) {
  job *j = self;
  outcome *o = &j->of[dist_rank(d)];
  trainer t;
  trainer_open(&t, d, &j->c, j->accumulate);
  for (int32_t i = 0; i < STEPS; i++) {
    if (i == j->poisoned && dist_rank(d) == 1) poison(&t);
    must_be_ok(step_queue_step(t.steps));
  }
  must_be_ok(step_queue_drain(t.steps));
  o->t = t.t;
  must_be_ok(step_queue_sum(t.steps, &o->t));
  o->flops = step_queue_flops(t.steps);
  o->refused = t.refused;
  const param_set *s = model_params(t.m);
  o->elements = s->elements;
  o->parameters = malloc((size_t)s->elements * sizeof *o->parameters);
  memcpy(o->parameters, s->master, (size_t)s->elements * sizeof *o->parameters);
  trainer_close(&t);
}

static void outcome_free(outcome *o) {
  free(o->parameters);
  o->parameters = NULL;
}

static void check_same_state(const train_state *a, const train_state *b) {
  assert_int_equal(a->step, b->step);
  assert_int_equal(a->epoch, b->epoch);
  assert_int_equal(a->example, b->example); // of all ranks
  assert_int_equal(a->tokens, b->tokens);
  for (int32_t k = 0; k < MAX_SLOTS; k++) {
    check_near(a->window[k].weight, b->window[k].weight, 1e-9);
    check_near(a->window[k].loss, b->window[k].loss, 1e-6 * b->window[k].loss);
    check_near(a->window[k].hits, b->window[k].hits, 1e-9);
    assert_int_equal(b->window[k].weight > 0, k < 2); // masked LM and next session
  }
}

static void test_two_ranks(void **unused) {
  (void)unused;
  for (int k = 0; k < 3; k++) {
    job alone = {.c = config_of(k == 1), .accumulate = 4, .poisoned = -1}, both = alone;
    if (k == 2) alone.c.optim.kind = both.c.optim.kind = OPTIM_LAMB;
    both.accumulate = 2;
    train_some(&alone, dist_single());
    world_run(2, train_some, &both);
    const outcome *one = &alone.of[0], *first = &both.of[0], *second = &both.of[1];
    assert_memory_equal(first->parameters, second->parameters, (size_t)first->elements * sizeof(float));
    check_same_state(&first->t, &one->t);
    check_same_state(&second->t, &one->t);
    check_near(first->flops, one->flops, 0);
    double worst = 0, size = 0;
    for (int64_t i = 0; i < one->elements; i++) {
      worst = fmax(worst, fabs((double)first->parameters[i] - (double)one->parameters[i]));
      size = fmax(size, fabs((double)one->parameters[i]));
    }
    if (!(size > 0.5 && worst < 3e-5 * size))
      fail_msg("case %d: parameters differ by %g of %g", k, worst, size);
    outcome_free(&alone.of[0]);
    outcome_free(&both.of[0]);
    outcome_free(&both.of[1]);
  }
}

// A gradient that is not finite on one rank makes both leave the step out, and they go on together.
static void test_refused_together(void **unused) {
  (void)unused;
  job both = {.c = config_of(true), .accumulate = 1, .poisoned = 3};
  world_run(2, train_some, &both);
  for (int r = 0; r < 2; r++) {
    assert_int_equal(both.of[r].refused, 1);
    assert_int_equal(both.of[r].t.step, STEPS);
    for (int64_t i = 0; i < both.of[r].elements; i++) assert_true(isfinite(both.of[r].parameters[i]));
  }
  assert_memory_equal(both.of[0].parameters, both.of[1].parameters,
                      (size_t)both.of[0].elements * sizeof(float));
  outcome_free(&both.of[0]);
  outcome_free(&both.of[1]);
}

// ---- whole runs of two ranks ---------------------------------------------------------------------------------

typedef struct run_job {
  run_config c;
  bool resume, interrupt; // interrupt: a signal comes in the second validation, at step 4
  status rc[2];
  char message[2][256];
} run_job;

// For rank 0 the model gets better and better, for rank 1 worse: the leader decides. Otherwise rank 1 would stop for lack of
// improvement, and rank 0 would wait for it for ever.
typedef struct counting_validator {
  validator base;
  int32_t rank;
  double count;
  bool interrupt;
} counting_validator;

static status count_up(validator *self, model *m, const char *name, double *metric, json_t **values) {
  counting_validator *v = (counting_validator *)self;
  (void)m;
  v->count += 1;
  *metric = v->rank == 0 ? v->count : -v->count;
  *values = json_pack("{s:f}", name, *metric);
  if (v->interrupt && v->count == 2) must(raise(SIGINT) == 0);
  return OK;
}

static void run_all(void *self, dist *world) {
  run_job *j = self;
  const int32_t rank = dist_rank(world);
  run_config c = j->c;
  option_section sections[RUN_SECTIONS];
  const option_set options = {.sections = sections, .count = run_sections(&c, sections)};
  counting_validator v = {.base = {.run = count_up},
                          .rank = rank,
                          .count = j->resume ? 2 : 0,
                          .interrupt = j->interrupt && rank == 1};
  j->rc[rank] = train_run(&c, &options, data_of[rank], world, j->resume, &v.base);
  snprintf(j->message[rank], sizeof j->message[rank], "%s", j->rc[rank] == OK ? "" : fail_message());
}

static run_job run_of(const char *name, int64_t steps, int64_t accumulate) {
  run_job j = {.c = config_of(true)};
  check_ok(path_join(j.c.train.out, sizeof j.c.train.out, dir, name));
  j.c.train.steps = steps;
  j.c.train.accumulate = accumulate;
  j.c.train.log_every = 3;
  j.c.train.eval_every = 2;
  j.c.train.patience = 1;
  j.c.train.peak_gflops = 1;
  j.c.optim.schedule = SCHEDULE_CONSTANT;
  return j;
}

static void check_ends(const run_job *j, int32_t ranks) {
  for (int32_t r = 0; r < ranks; r++)
    if (j->rc[r] != OK) fail_msg("rank %d: %s", r, j->message[r]);
}

// Line n of the run's metrics, from 0; NULL: there are fewer.
static json_t *metrics_line(const run_job *j, int n) {
  char path[700], *text;
  size_t bytes;
  check_ok(path_join(path, sizeof path, j->c.train.out, "metrics.jsonl"));
  check_ok(file_read(path, 1 << 20, &text, &bytes));
  char *at = text;
  for (; n > 0 && at != NULL; n--) at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : NULL;
  json_t *line = at != NULL && *at != '\0' ? json_loads(at, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
  free(text);
  return line;
}

// The same lines, figures within `tolerance` of each other. What is a matter of time is not compared.
static void check_metrics(const run_job *a, const run_job *b, double tolerance) {
  static const char *const figures[] = {"step",   "epoch",    "loss",         "lr",     "grad_norm",
                                        "tokens", "cls_loss", "cls_accuracy", "ndcg@10"};
  int lines = 0;
  for (;; lines++) {
    json_t *x = metrics_line(a, lines), *y = metrics_line(b, lines);
    if (x == NULL && y == NULL) break;
    assert_true(x != NULL && y != NULL);
    assert_string_equal(json_string_value(json_object_get(x, "kind")),
                        json_string_value(json_object_get(y, "kind")));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
      const json_t *f = json_object_get(x, figures[i]), *g = json_object_get(y, figures[i]);
      assert_int_equal(f != NULL, g != NULL);
      if (f != NULL)
        check_near(json_number_value(f), json_number_value(g), tolerance * fabs(json_number_value(g)));
    }
    json_decref(x);
    json_decref(y);
  }
  assert_int_equal(lines, 3 + 4 + 1); // at steps 3, 6, 7; at 2, 4, 6, 7; the end
}

static void read_part(const run_job *j, const char *part, char **data, size_t *bytes) {
  char path[700];
  check_ok(path_join(path, sizeof path, j->c.train.out, part));
  check_ok(file_read(path, 1 << 24, data, bytes));
}

static void test_runs(void **unused) {
  (void)unused;
  run_job alone = run_of("alone", 7, 2), both = run_of("both", 7, 1);
  run_all(&alone, dist_single());
  check_ends(&alone, 1);
  world_run(2, run_all, &both);
  check_ends(&both, 2);
  check_metrics(&both, &alone, 1e-5);
}

// Interrupted between two lines and resumed: sums of losses are kept, and all ranks go on where they were.
static void test_interrupted(void **unused) {
  (void)unused;
  if (!RANKS_MAY_FORK) skip(); // each opens the checkpoint
  run_job both = run_of("whole", 7, 1), first = run_of("stopped", 7, 1);
  world_run(2, run_all, &both);
  check_ends(&both, 2);
  first.interrupt = true;
  world_run(2, run_all, &first);
  for (int r = 0; r < 2; r++) {
    assert_int_equal(first.rc[r], ERR_INTERRUPTED);
    assert_non_null(strstr(first.message[r], "interrupted by SIGINT after step 4"));
  }
  run_job second = run_of("stopped", 7, 1);
  second.resume = true;
  world_run(2, run_all, &second);
  check_ends(&second, 2);
  check_metrics(&second, &both, 1e-9);
  static const char *const parts[] = {"step-00000007/model.h5", "step-00000007/optimizer.h5"};
  for (int i = 0; i < 2; i++) {
    char *x, *y;
    size_t n, m;
    read_part(&both, parts[i], &x, &n);
    read_part(&second, parts[i], &y, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
  }
}

// The clock is each rank's own, the step at which it ends the run is the same.
static void test_end_together(void **unused) {
  (void)unused;
  run_job j = run_of("minutes", 0, 1);
  j.c.train.minutes = 0.02;
  world_run(2, run_all, &j);
  check_ends(&j, 2);
}

int main(void) {
  alarm(600); // ranks that disagree on what to call would wait for each other for ever
  log_set_level(LOG_ERROR);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_single),           cmocka_unit_test(test_threads_are_a_world),
      cmocka_unit_test(test_buckets),          cmocka_unit_test(test_buckets_go_out_early),
      cmocka_unit_test(test_frozen_buckets),   cmocka_unit_test(test_two_ranks),
      cmocka_unit_test(test_refused_together), cmocka_unit_test(test_runs),
      cmocka_unit_test(test_interrupted),      cmocka_unit_test(test_end_together),
  };
  return cmocka_run_group_tests_name("dist", tests, set_up, tear_down);
}
