// The encoder of the inference module, below its public functions: hidden states of all rows against those of the asked
// row, and their bits alone and in company.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "infer/encoder.h"
#include "infer/workspace.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"

enum { ITEMS = 60, H = 16, SEQUENCES = 300, LONGEST = 10 };

typedef struct world {
  char dir[PATH_MAX];
  souk_bundle *b;
} world;
enum { POST_NORM, PRE_NORM, CAUSAL, WORLDS };
static world worlds[WORLDS];

static int open_all(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) {
    model_config c = tiny_config();
    c.pre_norm = i == PRE_NORM;
    if (i == CAUSAL) strcpy(c.objectives, "next_item");
    tiny_directory(worlds[i].dir, sizeof worlds[i].dir);
    tiny_bundle(worlds[i].dir, 20, ITEMS, &c);
    worlds[i].b = tiny_open(worlds[i].dir);
  }
  return 0;
}

static int close_all(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) {
    souk_close(worlds[i].b);
    tiny_remove(worlds[i].dir);
  }
  return 0;
}

// Sequences that the encoder is given as they are.
typedef struct sequences {
  int32_t ids[SEQUENCES][LONGEST], types[SEQUENCES][LONGEST], n[SEQUENCES], asked[SEQUENCES];
  float rows[SEQUENCES][LONGEST * H]; // of all rows, or of the asked one
  bool all;
  size_t first; // of the run
} sequences;

static int32_t longest(const void *arg, size_t i) {
  const sequences *s = arg;
  return s->n[s->first + i];
}

static souk_status add(void *arg, chunk *c, size_t i, souk_error *e) {
  sequences *s = arg;
  i += s->first;
  return chunk_add(c, s->ids[i], s->types[i], s->n[i], s->asked[i], e);
}

static void done(void *arg, const chunk *c, size_t first) {
  sequences *s = arg;
  for (int32_t i = 0; i < c->S; i++) {
    const int32_t row = s->all ? c->begin[i] : i, n = s->all ? c->begin[i + 1] - row : 1;
    memcpy(s->rows[s->first + first + (size_t)i], c->x + (size_t)row * H, (size_t)n * H * sizeof(float));
  }
}

static sequences *random_sequences(const souk_bundle *b) {
  sequences *s = calloc(1, sizeof *s);
  assert_non_null(s);
  for (uint32_t i = 0; i < SEQUENCES; i++) {
    rng r = rng_at(8, 2, i, 0);
    s->n[i] = 1 + (int32_t)rng_below(&r, LONGEST);
    s->asked[i] = (int32_t)rng_below(&r, (uint64_t)s->n[i]);
    for (int32_t j = 0; j < s->n[i]; j++) {
      s->ids[i][j] = (int32_t)rng_below(&r, (uint64_t)b->vocab_size);
      s->types[i][j] = (int32_t)rng_below(&r, (uint64_t)b->layout.n_event_types);
    }
  }
  return s;
}

static void run(const souk_bundle *b, sequences *s, size_t first, size_t n, bool all) {
  const chunk_job job = {.b = b, .all = all, .longest = longest, .add = add, .done = done, .arg = s};
  souk_error e = {.code = SOUK_OK};
  workspace *space = workspace_get(b->pool);
  s->all = all;
  s->first = first;
  if (chunks_run(&job, &space->encode, n, &e) != SOUK_OK) fail_msg("%s", e.message);
  workspace_put(b->pool, space);
}

static void all_rows_hold_the_asked_one(void **state) {
  (void)state;
  for (int w = 0; w < WORLDS; w++) {
    sequences *s = random_sequences(worlds[w].b), *one = random_sequences(worlds[w].b);
    run(worlds[w].b, s, 0, SEQUENCES, true);
    run(worlds[w].b, one, 0, SEQUENCES, false);
    for (int i = 0; i < SEQUENCES; i++) {
      for (int j = 0; j < H; j++) check_near(s->rows[i][s->asked[i] * H + j], one->rows[i][j], 2e-5);
    }
    free(s);
    free(one);
  }
}

static void rows_do_not_depend_on_company(void **state) {
  (void)state;
  for (int w = 0; w < WORLDS; w++) {
    sequences *together = random_sequences(worlds[w].b), *alone = random_sequences(worlds[w].b);
    for (int all = 0; all < 2; all++) {
      run(worlds[w].b, together, 0, SEQUENCES, all);
      for (size_t i = 0; i < SEQUENCES; i++) run(worlds[w].b, alone, i, 1, all);
      assert_memory_equal(together->rows, alone->rows, sizeof together->rows);
    }
    free(together);
    free(alone);
  }
}

// Another row of a sequence changes the rows of that sequence only; a later one changes none of a causal model's before it.
static void rows_depend_on_their_sequence(void **state) {
  (void)state;
  for (int w = 0; w < WORLDS; w++) {
    sequences *before = random_sequences(worlds[w].b), *after = random_sequences(worlds[w].b);
    for (int i = 0; i < SEQUENCES; i += 2)
      after->ids[i][after->n[i] - 1] = (after->ids[i][after->n[i] - 1] + 1) % worlds[w].b->vocab_size;
    run(worlds[w].b, before, 0, SEQUENCES, true);
    run(worlds[w].b, after, 0, SEQUENCES, true);
    for (int i = 0; i < SEQUENCES; i++) {
      const size_t front = (size_t)(before->n[i] - 1) * H * sizeof(float);
      const bool same = memcmp(before->rows[i], after->rows[i], sizeof before->rows[i]) == 0;
      assert_int_equal(same, i % 2 != 0);
      if (front > 0)
        assert_int_equal(memcmp(before->rows[i], after->rows[i], front) == 0, i % 2 != 0 || w == CAUSAL);
    }
    free(before);
    free(after);
  }
}

static int32_t too_short(const void *arg, size_t i) {
  const sequences *s = arg;
  return s->n[i] - (i == 7);
}

// A sequence that is longer than was said is refused before anything of it is written.
static void no_sequence_is_longer_than_its_room(void **state) {
  (void)state;
  const souk_bundle *b = worlds[0].b;
  sequences *s = random_sequences(b);
  const chunk_job job = {.b = b, .longest = too_short, .add = add, .done = done, .arg = s};
  workspace *space = workspace_get(b->pool);
  s->n[7] = 3;
  for (size_t n = 8; n < 10; n++) // the last of its chunk, or not; others may be longer
    refuses(chunks_run(&job, &space->encode, n, error), SOUK_ERR_FORMAT, "where there is room for");
  workspace_put(b->pool, space);
  free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_rows_hold_the_asked_one), cmocka_unit_test(rows_do_not_depend_on_company),
      cmocka_unit_test(rows_depend_on_their_sequence), cmocka_unit_test(no_sequence_is_longer_than_its_room)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
