// What a run trains on: an epoch has every event of the training part and no other, of every split, in a final training or
// not, and its batches are looked at, not what is said of them.
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/batcher.h"
#include "data/training_part.h"
#include "data/writer.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

// Every event is an item of its own, so that each can be recognised wherever it turns up: event i of user u is item
// u * LENGTH + i, at time 10 * i.
enum { USERS = 60, LENGTH = 8, ITEMS = USERS * LENGTH };

typedef struct cuts {
  int32_t valid_from, test_from;
} cuts;

// By split: of the last events (users 0, 10, ... only train), by time (of different lengths), of whole users by thirds.
static cuts cuts_of(split_kind kind, int32_t u, int32_t n) {
  if (kind == SPLIT_LEAVE_ONE_OUT) return u % 10 == 0 ? (cuts){n, n} : (cuts){n - 2, n - 1};
  if (kind == SPLIT_TIME) return (cuts){n < 4 ? n : 4, n < 6 ? n : 6};
  if (kind == SPLIT_USER) return u % 3 == 0 ? (cuts){n, n} : u % 3 == 1 ? (cuts){0, n} : (cuts){0, 0};
  return (cuts){n, n};
}

static int32_t length_of(int32_t u) {
  return 3 + u % (LENGTH - 2);
}

static void write_dataset(const char *dir, split_kind kind) {
  vocab *v;
  dataset_writer *w;
  char name[32];
  check_ok(vocab_new(&v));
  for (int32_t i = 0; i < ITEMS; i++) {
    const int32_t u = i / LENGTH, n = length_of(u), at = i % LENGTH;
    snprintf(name, sizeof name, "item%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, at < n && at < cuts_of(kind, u, n).valid_from, NULL));
  }
  check_ok(writer_open(&w, dir, 100, 4, true));
  for (int32_t u = 0; u < USERS; u++) {
    const int32_t n = length_of(u);
    const cuts c = cuts_of(kind, u, n);
    int32_t tokens[LENGTH], sessions[LENGTH] = {0};
    uint8_t events[LENGTH] = {0};
    int64_t times[LENGTH];
    for (int32_t i = 0; i < n; i++) tokens[i] = TOKEN_SPECIALS + u * LENGTH + i;
    for (int32_t i = 0; i < n; i++) times[i] = 10 * i;
    snprintf(name, sizeof name, "user%d", u);
    check_ok(writer_add(w,
                        &(sequence){.user = u,
                                    .n = n,
                                    .valid_from = c.valid_from,
                                    .test_from = c.test_from,
                                    .tokens = tokens,
                                    .events = events,
                                    .times = times,
                                    .sessions = sessions},
                        name));
  }
  dataset_info info = {.name = "own",
                       .n_event_types = 1,
                       .event_types = {"none"},
                       .window = 4,
                       .stride = 2,
                       .has_time = true,
                       .split = {.kind = kind,
                                 .said = true,
                                 .targets = kind == SPLIT_USER ? 2 : 1,
                                 .valid_from = 40,
                                 .test_from = 60,
                                 .valid_users = 1. / 3,
                                 .test_users = 1. / 3}};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
}

static data_config config_of(training_choice trains) {
  data_config c = data_defaults();
  c.batch_tokens = 64;
  c.negatives = 16;
  c.negative_kind = NEGATIVES_POPULARITY;
  c.trains = trains;
  return c;
}

static const seq_layout layout = {.positions_from_end = true, .max_positions = 20, .n_event_types = 1};

// seen [ITEMS]: which events are input or label of any batch of the first two epochs.
static void look_at_batches(dataset *d, training_choice trains, bool *seen) {
  const data_config c = config_of(trains);
  batcher *b;
  check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
  memset(seen, 0, ITEMS * sizeof *seen);
  for (const batch *x;;) {
    check_ok(batcher_next(b, &x));
    if (x->epoch == 2) break;
    for (int32_t i = 0; i < x->tokens; i++)
      if (x->ids[i] >= TOKEN_SPECIALS) seen[x->ids[i] - TOKEN_SPECIALS] = true;
    for (int32_t i = 0; i < x->n_masked; i++) seen[x->labels[i] - TOKEN_SPECIALS] = true;
  }
  batcher_close(b);
}

static bool holds(const training_part *p, int64_t u) {
  for (int64_t i = 0; i < p->n_held; i++)
    if (p->held[i] == u) return true;
  return false;
}

// Every event that may be trained on is, and no other; and the vocabulary counts the same.
static void check_trained(dataset *d, split_kind kind, training_choice trains) {
  static bool seen[ITEMS];
  training_part p;
  check_ok(training_part_make(&p, d, &trains));
  check_ok(training_part_count(&p, d, &trains));
  look_at_batches(d, trains, seen);
  int64_t events = 0;
  for (int32_t i = 0; i < ITEMS; i++) {
    const int32_t u = i / LENGTH, n = length_of(u), at = i % LENGTH;
    const cuts c = cuts_of(kind, u, n);
    const bool may = at < n && at < (trains.final && !holds(&p, u) ? c.test_from : c.valid_from);
    if (seen[i] != may)
      fail_msg("split %d user %d event %d: trained on %d, allowed %d", kind, u, at, seen[i], may);
    assert_int_equal(vocab_token_count(dataset_vocab(d), TOKEN_SPECIALS + i), may);
    events += may;
  }
  assert_int_equal(p.events, events);
  assert_int_equal(p.n_held, trains.final ? trains.final_users : 0);
  training_part_free(&p);
}

static void test_batches(void **unused) {
  (void)unused;
  for (int kind = 0; kind < SPLIT_KINDS; kind++) {
    char dir[256];
    dataset *d;
    tiny_directory(dir, sizeof dir);
    write_dataset(dir, (split_kind)kind);
    check_ok(dataset_open(&d, dir, false));
    check_trained(d, (split_kind)kind, (training_choice){false, 0});
    if (kind != SPLIT_NONE) check_trained(d, (split_kind)kind, (training_choice){true, 0});
    if (kind != SPLIT_NONE) check_trained(d, (split_kind)kind, (training_choice){true, 7});
    dataset_close(d);
    tiny_remove(dir);
  }
}

// The validation of a final training asks about the users that it holds out, and what it asks about is not trained on.
static void test_validation(void **unused) {
  (void)unused;
  char dir[256];
  dataset *d;
  batcher *b;
  static bool seen[ITEMS];
  const training_choice trains = {true, 7};
  const data_config c = config_of(trains);
  tiny_directory(dir, sizeof dir);
  write_dataset(dir, SPLIT_LEAVE_ONE_OUT);
  check_ok(dataset_open(&d, dir, false));
  look_at_batches(d, trains, seen);
  check_ok(batcher_open(&b, d, &c, &layout, PART_VALID, 0, 1));
  int64_t asked = 0;
  for (const batch *x;;) {
    check_ok(batcher_next(b, &x));
    if (x == NULL) break;
    for (int32_t i = 0; i < x->n_masked; i++, asked++) assert_false(seen[x->labels[i] - TOKEN_SPECIALS]);
  }
  assert_int_equal(asked, 7);
  batcher_close(b);
  dataset_close(d);
  tiny_remove(dir);
}

static void test_held_users(void **unused) {
  (void)unused;
  char dir[256];
  dataset *d;
  training_part few, many;
  tiny_directory(dir, sizeof dir);
  write_dataset(dir, SPLIT_LEAVE_ONE_OUT);
  check_ok(dataset_open(&d, dir, false));
  check_ok(training_part_make(&few, d, &(training_choice){true, 5}));
  check_ok(training_part_make(&many, d, &(training_choice){true, 20}));
  for (int64_t i = 0; i < few.n_held; i++) assert_true(holds(&many, few.held[i]));
  for (int64_t i = 1; i < many.n_held; i++) assert_true(many.held[i] > many.held[i - 1]);
  assert_int_equal(many.events, few.events - 15);
  assert_true(training_part_bytes(&many, d) > training_part_bytes(&few, d));
  training_part_free(&few);
  training_part_free(&many);
  check_fails(training_part_make(&few, d, &(training_choice){true, 54}), ERR_ARGUMENT,
              "data.final_users = 54: ");
  training_part_free(&few);
  check_fails(training_part_make(&few, d, &(training_choice){true, 1000000}), ERR_ARGUMENT,
              "has 54 users with validation targets");
  training_part_free(&few);
  check_fails(training_part_make(&few, d, &(training_choice){false, 3}), ERR_ARGUMENT, "data.final is false");
  training_part_free(&few);
  dataset_close(d);
  tiny_remove(dir);
}

static void test_nothing_to_add(void **unused) {
  (void)unused;
  char dir[256];
  dataset *d;
  training_part p;
  tiny_directory(dir, sizeof dir);
  write_dataset(dir, SPLIT_NONE);
  check_ok(dataset_open(&d, dir, false));
  check_fails(training_part_make(&p, d, &(training_choice){true, 0}), ERR_ARGUMENT, "has no validation part");
  training_part_free(&p);
  dataset_close(d);
  tiny_remove(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_batches), cmocka_unit_test(test_validation),
                                     cmocka_unit_test(test_held_users),
                                     cmocka_unit_test(test_nothing_to_add)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
