// souk prepare against a plain reference in memory: order, sessions, repeats, the k-core and what is counted of the rest; and that
// the data set is the same to the byte for any number of threads and any memory.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/philox.h"
#include "prepare/prepare.h"
#include "data/dataset.h"
#include "lib/check.h"
#include "lib/prepare_run.h"

// ---- the reference -------------------------------------------------------------------------------------------

enum { USERS = 60, ITEMS = 40, ROWS = 1500 };

typedef struct ref_event {
  int user, item, type, order, name, session; // name: of the session, 0 none
  int64_t millis;
} ref_event;

typedef struct ref_setting {
  int rows, users, items, repeats, min_user, min_item;
  bool sessions, fine; // sessions have names; times have milliseconds
} ref_setting;

static int by_user_then_time(const void *a, const void *b) {
  const ref_event *x = a, *y = b;
  if (x->user != y->user) return x->user - y->user;
  if (x->millis != y->millis) return x->millis < y->millis ? -1 : 1;
  return x->order - y->order;
}

// A user's sessions in order of first appearance: names, and the events without one by their gaps.
static void ref_sessions(ref_event *e, int n) {
  int next = 0;
  for (int i = 0; i < n; i++) {
    if (i > 0 && e[i - 1].user != e[i].user) next = 0;
    int same = -1; // the last event of the same session, as far as its name says
    for (int k = i - 1; k >= 0 && e[k].user == e[i].user && same < 0; k--)
      if (e[k].name == e[i].name) same = k;
    const bool silent = e[i].name == 0 && same >= 0 && e[i].millis - e[same].millis > 1800 * 1000;
    e[i].session = same >= 0 && !silent ? e[same].session : next++;
  }
}

static int ref_repeats(ref_event *e, int n, int how) {
  static ref_event out[ROWS];
  int kept = 0;
  for (int i = 0; i < n; i++) {
    const bool next = how > 0 && i > 0 && e[i - 1].user == e[i].user && e[i - 1].item == e[i].item;
    int first = -1;
    for (int k = 0; k < kept; k++)
      if (out[k].user == e[i].user && out[k].item == e[i].item) first = k;
    if (next) { // it goes into the event that this run of equal items left, if it left one
      int begin = i;
      while (begin > 0 && e[begin - 1].user == e[i].user && e[begin - 1].item == e[i].item) begin--;
      if (kept > 0 && out[kept - 1].order == e[begin].order) out[kept - 1].type = e[i].type;
      continue;
    }
    if (how == 2 && first >= 0) continue;
    out[kept++] = e[i];
  }
  memcpy(e, out, (size_t)kept * sizeof *e);
  return kept;
}

// Rounds of: drop all that is too rare now, merge repeats, until nothing changes.
static int ref_core(ref_event *e, int n, const ref_setting *s) {
  for (bool changed = true; changed;) {
    int users[USERS] = {0}, items[ITEMS] = {0}, kept = 0;
    for (int i = 0; i < n; i++) {
      users[e[i].user]++;
      items[e[i].item]++;
    }
    for (int i = 0; i < n; i++)
      if (users[e[i].user] >= s->min_user && items[e[i].item] >= s->min_item) e[kept++] = e[i];
    kept = ref_repeats(e, kept, s->repeats);
    changed = kept < n;
    n = kept;
  }
  return n;
}

// ---- a random log through both -------------------------------------------------------------------------------

static const char *const types[] = {"view", "cart", "buy"};

static void write_random_log(ref_event *e, const ref_setting *s, int seed) {
  static char log[ROWS * 60];
  rng r = rng_at((uint64_t)seed, 1, 2, 3);
  char *at = log, name[16];
  at += sprintf(at, "user_id,item_id,time,event,session\n");
  for (int i = 0; i < s->rows; i++) {
    const int user = (int)(rng_unit(&r) * rng_unit(&r) * s->users),
              item = (int)(rng_unit(&r) * rng_unit(&r) * s->items);
    const bool again = i > 0 && rng_unit(&r) < 0.3; // often the same thing again
    e[i] = (ref_event){.user = again ? e[i - 1].user : user,
                       .item = again ? e[i - 1].item : item,
                       .type = (int)rng_below(&r, 3),
                       .order = i,
                       .name = s->sessions ? (int)rng_below(&r, 5) : 0,
                       .millis = (1650000000 + (int64_t)rng_below(&r, (uint64_t)s->rows * 300)) * 1000};
    if (s->fine) e[i].millis += (int64_t)rng_below(&r, 4) * 250;
    snprintf(name, sizeof name, "s%d", e[i].name);
    at += sprintf(at, "u%d,i%d,%lld.%03d,%s,%s\n", e[i].user, e[i].item, (long long)e[i].millis / 1000,
                  (int)(e[i].millis % 1000), types[e[i].type], e[i].name > 0 ? name : "");
  }
  write_log("log", log);
  begin("d");
  c.filter.repeats = s->repeats;
  c.filter.min_user = s->min_user;
  c.filter.min_item = s->min_item;
  c.output.threads = 1 + seed % 3;
  option_text("fields.time", "time");
  option_text("fields.event", "event");
  option_text("fields.session", s->sessions ? "session" : "");
  option_text("output.memory", "1M");
}

typedef struct ref_totals {
  int64_t users, events, sessions, cells, cold;
  int train[ITEMS];
} ref_totals;

// One user's history e[n]: into *t in the first pass, compared in the second, when the counts are complete.
static void check_user(dataset *d, const ref_event *e, int n, ref_totals *t, bool compare) {
  const int cut = n >= 3 ? n - 2 : n;
  char user[16], text[16384], *at = text;
  int numbers[ROWS], next = 0; // sessions that lost all their events leave no gap
  for (int k = 0; k < n; k++) {
    int same = 0;
    while (same < k && e[same].session != e[k].session) same++;
    numbers[k] = same < k ? numbers[same] : next++;
    int before = 0;
    while (before < k && e[before].item != e[k].item) before++;
    if (!compare) {
      t->train[e[k].item] += k < cut;
      t->cells += before == k;
    } else if (n >= 3 && k == n - 1) {
      t->cold += t->train[e[k].item] == 0;
    }
    at += sprintf(at, "%s%si%d.%s/%d", k > 0 ? " " : "", k >= cut ? "| " : "", e[k].item, types[e[k].type],
                  numbers[k]);
  }
  if (!compare) {
    t->users++;
    t->events += n;
    t->sessions += next;
    return;
  }
  snprintf(user, sizeof user, "u%d", e->user);
  expect_user(d, user, text);
}

static void check_report(const ref_totals *t, int rows) {
  json_t *j = report();
  assert_int_equal(count_of(j, "users"), t->users);
  assert_int_equal(count_of(j, "sessions"), t->sessions);
  assert_int_equal(count_of(j, "events"), t->events);
  assert_int_equal(count_of(j, "cold_test_targets"), t->cold);
  assert_int_equal(count_of(j, "events") + count_of(j, "dropped_by_core") + count_of(j, "dropped_repeats"),
                   rows);
  const double pairs = (double)t->users * (double)count_of(j, "items");
  assert_true(fabs(json_real_value(json_object_get(j, "sparsity")) - (1 - (double)t->cells / pairs)) < 1e-12);
  json_decref(j);
}

static void check_vocabulary(const vocab *v, const ref_totals *t) {
  for (int i = 0; i < ITEMS; i++) {
    char name[16];
    snprintf(name, sizeof name, "i%d", i);
    const int32_t id = vocab_find(v, RANGE_ITEMS, name);
    assert_int_equal(id < 0 ? 0 : vocab_token_count(v, id), t->train[i]);
  }
  for (int32_t id = vocab_begin(v, RANGE_ITEMS) + 1; id < vocab_size(v);
       id++) { // by falling count, then name
    const int64_t a = vocab_token_count(v, id - 1), b = vocab_token_count(v, id);
    assert_true(a > b || (a == b && strcmp(vocab_token(v, id - 1), vocab_token(v, id)) < 0));
  }
}

// Filters hold on what is written, whatever was dropped and merged before.
static void check_minima(const ref_event *e, int n, const ref_setting *s) {
  int users[USERS] = {0}, items[ITEMS] = {0};
  for (int i = 0; i < n; i++) {
    users[e[i].user]++;
    items[e[i].item]++;
  }
  for (int i = 0; i < USERS; i++) assert_true(users[i] == 0 || users[i] >= s->min_user);
  for (int i = 0; i < ITEMS; i++) assert_true(items[i] == 0 || items[i] >= s->min_item);
}

static void check_reference(const ref_setting *s, int seed) {
  static ref_event e[ROWS];
  write_random_log(e, s, seed);
  qsort(e, (size_t)s->rows, sizeof *e, by_user_then_time);
  ref_sessions(e, s->rows);
  const int n = ref_core(e, ref_repeats(e, s->rows, s->repeats), s);
  check_minima(e, n, s);
  if (n == 0) {
    check_fails(run(), ERR_FORMAT, "no events are left after filtering");
    return;
  }
  dataset *d = run_and_open();
  ref_totals t = {.users = 0};
  for (int compare = 0; compare < 2; compare++) {
    for (int i = 0, stop; i < n; i = stop) {
      for (stop = i; stop < n && e[stop].user == e[i].user; stop++) {
      }
      check_user(d, e + i, stop - i, &t, compare == 1);
    }
  }
  assert_int_equal(dataset_get_info(d)->sequences, t.users);
  check_report(&t, s->rows);
  check_vocabulary(dataset_vocab(d), &t);
  dataset_close(d);
}

static void test_large_logs(void **unused) {
  (void)unused;
  static const int minima[4][2] = {{1, 1}, {6, 1}, {1, 12}, {7, 9}};
  for (int i = 0; i < 12; i++)
    check_reference(&(ref_setting){.rows = ROWS,
                                   .users = USERS,
                                   .items = ITEMS,
                                   .repeats = i % 3,
                                   .min_user = minima[i / 3][0],
                                   .min_item = minima[i / 3][1],
                                   .sessions = i % 2 == 1,
                                   .fine = i % 4 > 1},
                    i);
}

// Small ones, where most of a log is rare and one drop makes the next.
static void test_small_logs(void **unused) {
  (void)unused;
  for (int i = 0; i < 200; i++)
    check_reference(&(ref_setting){.rows = 12 + i % 29,
                                   .users = 2 + i % 5,
                                   .items = 2 + i % 7,
                                   .repeats = i % 3,
                                   .min_user = 1 + i % 4,
                                   .min_item = 1 + i / 4 % 4,
                                   .sessions = i % 5 > 2,
                                   .fine = i % 2 == 1},
                    1000 + i);
}

// ---- by hand -------------------------------------------------------------------------------------------------

static void test_repeats_of_a_dropped_item(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id\nu1,a\nu1,b\nu1,a\nu2,a\nu2,c\nu3,a\nu3,c\n");
  begin("d");
  option_text("filter.min_user", "2");
  option_text("filter.min_item", "2");
  option_text("filter.repeats", "merge");
  option_text("output.split", "none");
  dataset *d = run_and_open();
  expect_user(d, "u1", ""); // b is rare; then a, a is one event, and one is too few
  expect_user(d, "u2", "a/0 c/0");
  json_t *j = report();
  assert_int_equal(count_of(j, "dropped_by_core"), 2);
  assert_int_equal(count_of(j, "dropped_repeats"), 1);
  json_decref(j);
  dataset_close(d);
}

static void test_interleaved_sessions(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id,s,t\nx,a,S1,10\nx,b,S2,20\nx,c,S1,30\nx,d,S2,40\nx,e,,50\nx,f,,60\n");
  begin("d");
  option_text("fields.session", "s");
  option_text("fields.time", "t");
  option_text("output.split", "none");
  dataset *d = run_and_open();
  expect_user(d, "x", "a/0 b/1 c/0 d/1 e/2 f/2");
  json_t *j = report();
  assert_int_equal(count_of(j, "sessions"), 3);
  json_decref(j);
  dataset_close(d);
  write_log("log", "user_id,item_id,s,t\nx,a,S1,10\nx,b,,20\nx,c,S1,1900\nx,d,,1921\nx,e,,3721\n");
  d = run_and_open(); // those without a name are cut where they are silent, not where others are
  expect_user(d, "x", "a/0 b/1 c/0 d/2 e/2");
  dataset_close(d);
}

static void test_sparsity_of_cells(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id\nu,a\nu,a\nu,a\nu,a\nu,a\nv,b\n");
  begin("d");
  dataset *d = run_and_open();
  json_t *j = report();
  assert_true(fabs(json_real_value(json_object_get(j, "sparsity")) - 0.5) < 1e-12);
  json_decref(j);
  dataset_close(d);
}

// ---- times ---------------------------------------------------------------------------------------------------

// The log's rows in, the items of its user in order, the times and their unit out.
static void expect_times(const char *format, const char *rows, const char *items, time_unit unit,
                         const int64_t *times, int n) {
  char log[512];
  snprintf(log, sizeof log, "user_id,item_id,t\n%s", rows);
  write_log("log", log);
  begin("d");
  option_text("input.time_format", format);
  option_text("fields.time", "t");
  option_text("output.split", "none");
  dataset *d = run_and_open();
  expect_user(d, "u", items);
  assert_int_equal(dataset_get_info(d)->time_unit, unit);
  sequence_block *b;
  sequence s;
  check_ok(block_read(&b, d, 0, 1));
  block_get(b, 0, &s);
  assert_int_equal(s.n, n);
  for (int i = 0; i < n; i++) assert_int_equal(s.times[i], times[i]);
  block_free(b);
  dataset_close(d);
}
#define TIMES(...) (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

static void test_precision_of_times(void **unused) {
  (void)unused;
  expect_times("milliseconds", "u,c,1650000000900\nu,a,1650000000100\nu,b,1650000000500\n", "a/0 b/0 c/0",
               TIME_UNIT_MILLISECONDS, TIMES(1650000000100, 1650000000500, 1650000000900));
  expect_times("milliseconds", "u,b,1650000002000\nu,a,1650000001000\n", "a/0 b/0", TIME_UNIT_SECONDS,
               TIMES(1650000001, 1650000002));
  expect_times("seconds", "u,c,0.9\nu,a,0.1\nu,b,0.1\nu,d,0.9000001\n", "a/0 b/0 c/0 d/0",
               TIME_UNIT_NANOSECONDS, TIMES(100000000, 100000000, 900000000, 900000100));
  expect_times("seconds", "u,b,-0.25\nu,a,-0.5\nu,c,2.000001\n", "a/0 b/0 c/0", TIME_UNIT_MICROSECONDS,
               TIMES(-500000, -250000, 2000001));
  expect_times("iso", "u,c,2022-04-15 05:20:00.9Z\nu,a,2022-04-15T05:20:00.1\nu,b,2022-04-15 05:20:00.5\n",
               "a/0 b/0 c/0", TIME_UNIT_MILLISECONDS, TIMES(1650000000100, 1650000000500, 1650000000900));
  // A gap of 1800 s is none yet; one of a thousandth more is.
  expect_times("seconds", "u,a,0.5\nu,b,1800.5\nu,c,3600.501\n", "a/0 b/0 c/1", TIME_UNIT_MILLISECONDS,
               TIMES(500, 1800500, 3600501));
  option_text("filter.session_gap", "0.25");
  write_log("log", "user_id,item_id,t\nu,a,1.5\nu,b,1.75\nu,c,2.001\n");
  dataset *d = run_and_open();
  expect_user(d, "u", "a/0 b/0 c/1");
  dataset_close(d);
  // The year 2500 does not fit into 64 bits in nanoseconds: written coarser, in the right order all the same.
  expect_times("seconds", "u,b,16725225600.000000002\nu,a,16725225600.000000001\n", "a/0 b/0",
               TIME_UNIT_MICROSECONDS, TIMES(16725225600000000, 16725225600000000));
}

static void test_unit_in_the_manifest(void **unused) {
  (void)unused;
  char path[1200], *text;
  size_t n;
  for (int fine = 0; fine < 2; fine++) {
    write_log("log", fine ? "user_id,item_id,t\nu,a,1.5\n" : "user_id,item_id,t\nu,a,1\n");
    begin("d");
    option_text("fields.time", "t");
    check_ok(run());
    snprintf(path, sizeof path, "%s/manifest.json", c.output.out);
    check_ok(file_read(path, 1 << 20, &text, &n));
    assert_int_equal(strstr(text, "\"time_unit\": \"milliseconds\"") != NULL, fine);
    assert_int_equal(strstr(text, "time_unit") != NULL, fine); // seconds are not written: as ever
    free(text);
  }
}

// ---- names ---------------------------------------------------------------------------------------------------

static void test_long_data_set_name(void **unused) {
  (void)unused;
  char name[200];
  write_log("log", "user_id,item_id\nu,a\n");
  begin("d");
  memset(name, 'n', sizeof name);
  name[128] = '\0';
  option_text("output.name", name);
  check_fails(run(), ERR_ARGUMENT, "output.name has 128 bytes; a data set's name has at most 127");
  assert_false(dir_exists(c.output.out));
  name[127] = '\0';
  option_text("output.name", name);
  dataset *d = run_and_open();
  assert_string_equal(dataset_get_info(d)->name, name);
  dataset_close(d);
}

// Names are bounded where they enter, so that one of them cannot make tables and messages of all others large.
static void test_long_names_are_rejected(void **unused) {
  (void)unused;
  char log[8000], name[1100], wanted[1200];
  memset(name, 'n', sizeof name);
  name[1025] = '\0';
  snprintf(log, sizeof log, "user_id,item_id,s,e\n%s,a,1,v\nu,%s,1,v\nu,a,%s,v\nu,a,1,%s\nu,%s,1,v\n", name,
           name, name, name, name + 1);
  write_log("log", log);
  begin("d");
  option_text("fields.session", "s");
  option_text("fields.event", "e");
  option_text("input.max_rejects", "0.9");
  dataset *d = run_and_open();
  snprintf(wanted, sizeof wanted, "%s.v/0", name + 1);
  expect_user(d, "u", wanted);
  json_t *j = report();
  assert_int_equal(count_of(j, "rejected"), 4);
  assert_int_equal(json_array_size(json_object_get(j, "rejects")), 4); // a reason each
  json_decref(j);
  dataset_close(d);
}

// ---- threads and memory --------------------------------------------------------------------------------------

// Blocks of a megabyte, so the log has some: rows of all kinds, also bad ones, prices and event types that appear late.
static void write_long_log(void) {
  enum { LINES = 60000 };
  char *log, *at;
  check_ok(mem_new(&log, LINES * 120, 1, "a log"));
  rng r = rng_at(5, 6, 7, 8);
  at = log + sprintf(log, "time,user_id,session,event,item_id,price\n");
  for (int i = 0; i < LINES; i++) {
    const int user = (int)(rng_unit(&r) * rng_unit(&r) * 4000),
              item = (int)(rng_unit(&r) * rng_unit(&r) * 3000);
    if (i % 997 == 0)
      at += sprintf(at, "soon,u%d,,view,i%d,1\n", user, item);
    else
      at +=
          sprintf(at, "%d.%d,user-number-%d,s%d,type-%d,item-number-%d,%d.%02d\n", 1650000000 + i * 5 - item,
                  i % 3 * 25, user, i / 300, i / 4000 + (int)rng_below(&r, 2), item, item % 100, i % 100);
  }
  write_log("log", log);
  free(log);
}

static const char *const files[] = {"manifest.json", "report.json",    "vocab.tsv",      "users.tsv",
                                    "items.h5",      "shard-00000.h5", "shard-00001.h5", "shard-00002.h5"};

static void check_same_data_set(const char *name, int threads, const char *memory) {
  begin(name);
  option_text("fields.time", "time");
  option_text("fields.session", "session");
  option_text("fields.event", "event");
  option_text("fields.price", "price");
  option_text("filter.repeats", "merge");
  option_text("filter.min_user", "5");
  option_text("filter.min_item", "5");
  option_text("output.shard_tokens", "20000");
  option_text("output.memory", memory);
  c.output.threads = threads;
  check_ok(run());
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char first[1200], now[1200], hex[2][65];
    snprintf(first, sizeof first, "%s/first/%s", dir, files[i]);
    snprintf(now, sizeof now, "%s/%s/%s", dir, name, files[i]);
    check_ok(file_sha256(first, hex[0], NULL));
    check_ok(file_sha256(now, hex[1], NULL));
    if (strcmp(hex[0], hex[1]) != 0) fail_msg("%s differs with %d threads and %s", files[i], threads, memory);
  }
}

static void test_any_threads_and_memory(void **unused) {
  (void)unused;
  static const int threads[] = {1, 2, 3, 8};
  write_long_log();
  check_same_data_set("first", 1, "1G");
  for (size_t i = 0; i < 4; i++) {
    check_same_data_set("other", threads[i], "1M");
    check_same_data_set("other", threads[i], "1G");
  }
}

// The same faults on any number of threads: the first of the file, and the same counts.
static void test_errors_on_threads(void **unused) {
  (void)unused;
  static char first[4096];
  write_long_log();
  for (int threads = 1; threads < 9; threads += 3) {
    begin("d");
    option_text("fields.time", "time");
    option_text("input.max_rejects", "0.0001");
    c.output.threads = threads;
    assert_int_equal(run(), ERR_FORMAT);
    if (threads == 1) snprintf(first, sizeof first, "%s", fail_message());
    assert_string_equal(fail_message(), first);
    assert_non_null(strstr(first, "61 of 60000 rows cannot be read"));
    assert_non_null(strstr(first, "first on line 2: soon,u"));
    assert_false(dir_exists(c.output.out));
  }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_large_logs),
      CASE(test_small_logs),
      CASE(test_repeats_of_a_dropped_item),
      CASE(test_interleaved_sessions),
      CASE(test_sparsity_of_cells),
      CASE(test_precision_of_times),
      CASE(test_unit_in_the_manifest),
      CASE(test_long_data_set_name),
      CASE(test_long_names_are_rejected),
      CASE(test_any_threads_and_memory),
      CASE(test_errors_on_threads),
  };
  return cmocka_run_group_tests_name("filters of prepare", tests, NULL, NULL);
}
