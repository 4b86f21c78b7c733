// Errors of kernels name their op, if SOUK_CUDA_SYNC asks for it, and else say that it would. Each case runs in a process
// of its own, since after such an error a device is of no more use to it. Run by tests/e2e/cuda.sh, as test_cuda is.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/check.h"
#include "ops/ops.h"

enum { N = 8, H = 64, FAR = 1 << 27 }; // rows of 256 bytes: nothing is that far away

// A backend with two arrays of rows, and an index into them.
typedef struct scene {
  const backend *be;
  op_ctx *ctx;
  void *x, *y, *far;
  char text[256];
} scene;

static status array(scene *s, size_t bytes, void **out) {
  return s->be->mem_alloc(s->ctx, bytes, "a test", out);
}

static status scene_open(scene *s) {
  const int32_t far[N] = {0, 1, FAR, 2, 3, 4, 5, 6};
  const linear_params large = {.n = {ROWS_FIXED, N}, .in = H, .out = H};
  TRY(backend_find(&s->be, "cuda"));
  const backend_config c = {.scratch_bytes = s->be->scratch_bytes(OP_LINEAR, &large, 1)};
  TRY(s->be->open(&s->ctx, &c));
  TRY(s->be->describe(s->ctx, s->text, sizeof s->text));
  TRY(array(s, N * H * sizeof(float), &s->x));
  TRY(array(s, N * H * sizeof(float), &s->y));
  TRY(array(s, sizeof far, &s->far));
  return s->be->upload(s->ctx, s->far, far, sizeof far);
}

static status gather(scene *s, const int32_t *index) {
  const gather_params p = {
      .n = {ROWS_FIXED, N}, .hidden = H, .source = {ROWS_FIXED, N}, .index = index, .x = s->x, .y = s->y};
  return s->be->gather_forward(s->ctx, &p);
}

static status linear(scene *s) {
  const linear_params p = {.n = {ROWS_FIXED, N}, .in = H, .out = N, .x = s->x, .w = s->x, .y = s->y};
  return s->be->linear_forward(s->ctx, &p);
}

// A row of x that is far outside of memory, between ops that are as they should be.
static status bad_gather(scene *s) {
  TRY(linear(s));
  TRY(gather(s, s->far));
  TRY(linear(s));
  return s->be->sync(s->ctx);
}

static status bad_copy(scene *s) {
  TRY(linear(s));
  TRY(s->be->cast(s->ctx, s->y, (const float *)s->x + FAR, N));
  return linear(s);
}

static status bad_graph(scene *s) {
  void *graph;
  TRY(s->be->graph_begin(s->ctx));
  TRY(linear(s));
  TRY(gather(s, s->far));
  TRY(s->be->graph_end(s->ctx, &graph));
  TRY(s->be->graph_launch(s->ctx, graph));
  return s->be->sync(s->ctx);
}

static status good(scene *s) {
  void *graph;
  TRY(linear(s));
  TRY(s->be->graph_begin(s->ctx));
  TRY(linear(s));
  TRY(s->be->graph_end(s->ctx, &graph));
  TRY(s->be->graph_launch(s->ctx, graph));
  TRY(s->be->sync(s->ctx));
  s->be->graph_free(s->ctx, graph);
  s->be->mem_free(s->ctx, s->x);
  s->be->mem_free(s->ctx, s->y);
  s->be->mem_free(s->ctx, s->far);
  s->be->close(s->ctx);
  return fail(OK, "%s", s->text); // how the device describes itself
}

// What a child says of `body`: its status, and the sentence of its error.
static status say(const char *wait_for, status (*body)(scene *s), char text[2048]) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    scene s = {0};
    setenv("CUSIM_ON_ERROR", "return", 1);
    setenv("CUSIM_STREAMS", "lazy", 1); // as late as a GPU's
    setenv("SOUK_CUDA_SYNC", wait_for, 1);
    if (freopen("/dev/null", "w", stderr) == NULL) _exit(99); // the simulator's own report
    status rc = scene_open(&s);
    if (rc == OK) rc = body(&s);
    const char *message = fail_message();
    _exit(write(ends[1], message, strlen(message)) < 0 ? 99 : (int)rc);
  }
  assert_true(child > 0);
  close(ends[1]);
  size_t n = 0;
  for (ssize_t got = 1; got > 0; n += got > 0 ? (size_t)got : 0) got = read(ends[0], text + n, 2047 - n);
  text[n] = '\0';
  close(ends[0]);
  int ended;
  assert_int_equal(waitpid(child, &ended, 0), child);
  if (!WIFEXITED(ended)) fail_msg("the child ended by signal %d", WTERMSIG(ended));
  return (status)WEXITSTATUS(ended);
}

static void expect(const char *wait_for, status (*body)(scene *s), status wanted, const char *begin,
                   const char *has, const char *has_not) {
  char text[2048];
  const status rc = say(wait_for, body, text);
  if (rc != wanted || strncmp(text, begin, strlen(begin)) != 0 || strstr(text, has) == NULL ||
      (has_not != NULL && strstr(text, has_not) != NULL))
    fail_msg("status %d, \"%s\": not %d, \"%s...%s\"", (int)rc, text, (int)wanted, begin, has);
}

static void test_waiting_names_the_op(void **unused) {
  (void)unused;
  expect("1", bad_gather, ERR_INTERNAL,
         "gather_forward (8 of 8 x 64): the CUDA device failed to run it: ", "cudaErrorIllegalAddress",
         "SOUK_CUDA_SYNC");
}

static void test_waiting_tells_copies_from_ops(void **unused) {
  (void)unused;
  expect("1", bad_copy, ERR_INTERNAL,
         "between linear_forward and linear_forward: the CUDA device failed to finish a copy, an upload or a "
         "cast: ",
         "cudaErrorIllegalAddress", NULL);
}

static void test_a_graph_is_waited_for_as_a_whole(void **unused) {
  (void)unused;
  expect("1", bad_graph, ERR_INTERNAL,
         "a captured graph: the CUDA device failed to run it: ", "cudaErrorIllegalAddress", "gather");
}

static void test_else_the_sentence_says_how(void **unused) {
  (void)unused;
  static const char hint[] =
      "; an op that was queued earlier may be the cause: with SOUK_CUDA_SYNC=1 each is "
      "waited for and the error names it";
  expect("0", bad_gather, ERR_INTERNAL, "the CUDA device failed to ", hint, "gather");
  expect("", bad_gather, ERR_INTERNAL, "the CUDA device failed to ", hint, "gather");
  expect("0", bad_graph, ERR_INTERNAL, "the CUDA device failed to ", hint, "gather");
}

static void test_nothing_is_said_of_what_works(void **unused) {
  (void)unused;
  expect("1", good, OK, "cuda device 0", ", waiting after every op (SOUK_CUDA_SYNC)", "failed");
  expect("0", good, OK, "cuda device 0", "cuBLASLt", "waiting");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_waiting_names_the_op),
                                     cmocka_unit_test(test_waiting_tells_copies_from_ops),
                                     cmocka_unit_test(test_a_graph_is_waited_for_as_a_whole),
                                     cmocka_unit_test(test_else_the_sentence_says_how),
                                     cmocka_unit_test(test_nothing_is_said_of_what_works)};
  return cmocka_run_group_tests_name("cuda_sync", tests, NULL, NULL);
}
