// The store of events, and the tasks whose results are taken in order.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/tasks.h"
#include "prepare/event_store.h"
#include "data/dataset.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256];
static int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  return 0;
}
static int teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

// Numbers of all sizes. The item says which event it is.
static log_event event_of(int k) {
  static const int64_t times[] = {0, 1709251200, -1709251200, INT64_MAX, INT64_MIN, 100};
  return (log_event){.time = k % 7 == 0 ? times[k % 6] : k % 100,
                     .session = k % 3 == 0 ? 0 : (uint64_t)k / 50 * 0x123456789ABCDEFu,
                     .nanos = k % 5 == 0 ? 999999999 : 0,
                     .item = k,
                     .type = k % MAX_EVENT_TYPES};
}

static void expect_same_event(const log_event *x, const log_event *y) {
  assert_true(x->time == y->time && x->nanos == y->nanos && x->session == y->session && x->item == y->item &&
              x->type == y->type);
}

// What is read back does not depend on how much memory there was, before and after a change.
static void test_store(void **unused) {
  (void)unused;
  enum { USERS = 301, EVENTS = 6000 };
  event_store *s[3];
  const size_t memory[3] = {1 << 30, 20000, 1};
  char sub[3][300], user[32];
  store_partition part[3] = {{.n = 0}};
  for (int i = 0; i < 3; i++) {
    snprintf(sub[i], sizeof sub[i], "%s/%d", dir, i);
    check_ok(dir_make(sub[i]));
    check_ok(store_new(&s[i], sub[i], memory[i]));
    for (int k = 0; k < EVENTS; k++) {
      snprintf(user, sizeof user, "user %d", (k * 7919) % USERS);
      const log_event e = event_of(k);
      check_ok(store_add(s[i], user, strlen(user), name_hash(user, strlen(user)), &e));
    }
    store_complete(s[i]);
  }
  for (int round = 0; round < 3; round++) {
    int64_t events = 0;
    int users = 0;
    for (int32_t p = 0; p < STORE_PARTITIONS; p++) {
      for (int i = 0; i < 3; i++) check_ok(store_read(s[i], p, &part[i]));
      for (int i = 1; i < 3; i++) {
        assert_int_equal(part[0].n, part[i].n);
        assert_int_equal(intern_count(part[0].users), intern_count(part[i].users));
        for (int32_t u = 0; u < intern_count(part[0].users); u++)
          assert_string_equal(intern_text(part[0].users, u), intern_text(part[i].users, u));
        for (size_t k = 0; k < part[0].n; k++) {
          const log_event *x = &part[0].events[k], *y = &part[i].events[k];
          const log_event was = event_of(x->item);
          expect_same_event(x, &was);
          expect_same_event(x, y);
          assert_int_equal(x->user, y->user);
        }
      }
      int32_t next = 0; // users are numbered by first appearance
      for (size_t k = 0; k < part[0].n; k++) {
        assert_true(part[0].events[k].user <= next);
        next += part[0].events[k].user == next;
        snprintf(user, sizeof user, "user %d", (int)((int64_t)part[0].events[k].item * 7919 % USERS));
        assert_string_equal(intern_text(part[0].users, part[0].events[k].user), user);
      }
      events += (int64_t)part[0].n;
      users += intern_count(part[0].users);
      for (int i = 0; i < 3; i++) { // drop what the round says and write back
        size_t kept = 0;
        for (size_t k = 0; k < part[i].n; k++)
          if (part[i].events[k].item % 3 > round) part[i].events[kept++] = part[i].events[k];
        part[i].n = kept;
        check_ok(store_replace(s[i], p, &part[i]));
      }
    }
    assert_int_equal(events, EVENTS * (3 - round) / 3);
    assert_int_equal(users, USERS);
    assert_true(store_largest(s[2]) > 0 || round == 2);
  }
  for (int i = 0; i < 3; i++) {
    store_free(s[i]);
    partition_free(&part[i]);
    check_ok(dir_remove(sub[i])); // and it holds nothing any more
  }
}

// ---- tasks ---------------------------------------------------------------------------------------------------

typedef struct square {
  task task;
  int64_t x, result;
} square;

static status square_of(void *self) {
  square *s = self;
  if (s->x % 10 == 7) return fail(ERR_FORMAT, "%lld ends with 7", (long long)s->x);
  s->result = s->x * s->x;
  return OK;
}

// Whatever the number of threads, each result is there when its task was waited for, and an error comes with its own sentence.
static void test_tasks(void **unused) {
  (void)unused;
  enum { TASKS = 1000 };
  static square all[TASKS];
  for (int32_t threads = 1; threads <= 5; threads += 2) {
    task_pool *p;
    check_ok(tasks_new(&p, threads));
    assert_int_equal(tasks_threads(p), threads);
    for (int i = 0; i < TASKS; i++) {
      all[i] = (square){.x = i};
      all[i].task.run = square_of;
      all[i].task.self = &all[i];
      tasks_add(p, &all[i].task);
    }
    for (int i = 0; i < TASKS; i++) {
      char text[32];
      snprintf(text, sizeof text, "%d ends with 7", i);
      if (i % 10 == 7)
        check_fails(tasks_wait(p, &all[i].task), ERR_FORMAT, text);
      else
        check_ok(tasks_wait(p, &all[i].task));
      assert_int_equal(all[i].result, i % 10 == 7 ? 0 : i * i);
      check_ok(tasks_wait(p, &all[i].task)); // it has been waited for
    }
    tasks_free(p);
  }
  tasks_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_store, setup, teardown),
      cmocka_unit_test(test_tasks),
  };
  return cmocka_run_group_tests_name("event store", tests, NULL, NULL);
}
