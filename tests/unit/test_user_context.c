// Attributes and searches of users: the files, what a model reads of a history with them, in training and evaluation, and what
// souk prepare makes of a log.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "data/batcher.h"
#include "data/dataset_verify.h"
#include "data/user_context.h"
#include "data/writer.h"
#include "format/user_attributes.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/prepare_run.h"
#include "lib/tiny_dataset.h"
#include "prepare/labelled_read.h"

enum { W0 = TOKEN_SPECIALS, W1, W2, AX, B5, I0, ITEMS = 6, USERS = 2, SEARCH = 3 };
static const char *const names[] = {"w0", "w1", "w2", "user:a=x", "user:b=1..5", "i0",
                                    "i1", "i2", "i3", "i4",       "i5"};
static int64_t attribute_offsets[] = {0, 2, 2};
static int32_t attribute_tokens[] = {AX, B5};
static int64_t search_offsets[] = {0, 4, 4};
static int32_t places[] = {0, 2, 3, 4};
static uint8_t search_events[] = {SEARCH, SEARCH, SEARCH, SEARCH};
static int64_t word_offsets[] = {0, 2, 3, 4, 5};
static int32_t words[] = {W0, W1, W2, W1, W0};
static int64_t search_times[] = {0, 1, 2, 3};
static dataset *d;

static void write_data(bool with_searches, bool with_times) {
  dataset_writer *w;
  vocab *v;
  char path[400];
  check_ok(vocab_new(&v));
  for (int i = 0; i < 11; i++)
    check_ok(vocab_add(v, i < 3 ? RANGE_WORDS : i < 5 ? RANGE_ATTRIBUTES : RANGE_ITEMS, names[i], 0, NULL));
  check_ok(writer_open(&w, dir, 500, 4, true));
  for (int u = 0; u < USERS; u++) {
    const sequence s = {.user = u,
                        .n = 5,
                        .valid_from = 3,
                        .test_from = 4,
                        .tokens = (int32_t[]){I0, I0 + 1, I0 + 2, I0 + 3, I0 + 4},
                        .events = (uint8_t[]){1, 2, 1, 2, 1},
                        .times = (int64_t[]){0, 1, 2, 3, 4},
                        .sessions = (int32_t[]){0, 0, 1, 1, 1}};
    check_ok(writer_add(w, &s, u == 0 ? "u0" : "u1"));
  }
  check_ok(writer_path(w, "users.h5", path, sizeof path));
  check_ok(user_attributes_write(&(user_attributes){attribute_offsets, attribute_tokens}, USERS, path, 4));
  check_ok(writer_list(w, "users.h5"));
  if (with_searches) {
    const user_searches s = {search_offsets, places, search_events, word_offsets, words, search_times};
    check_ok(writer_path(w, "searches.h5", path, sizeof path));
    check_ok(user_searches_write(&s, USERS, path, 4));
    check_ok(writer_list(w, "searches.h5"));
  }
  if (with_times) {
    check_ok(writer_path(w, "search_times.h5", path, sizeof path));
    check_ok(user_search_times_write(&(user_searches){.offsets = search_offsets, .times = search_times},
                                     USERS, path, 4));
    check_ok(writer_list(w, "search_times.h5"));
  }
  dataset_info info = {.name = "t",
                       .n_event_types = 4,
                       .event_types = {"none", "view", "buy", "search"},
                       .window = 8,
                       .stride = 4,
                       .has_time = true};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
}

static int set_up(void **unused) {
  setup(unused);
  write_data(true, true);
  check_ok(dataset_open(&d, dir, true));
  return 0;
}

static int set_up_without_times(void **unused) {
  setup(unused);
  write_data(true, false);
  check_ok(dataset_open(&d, dir, true));
  return 0;
}

static int tear_down(void **unused) {
  dataset_close(d);
  return teardown(unused);
}

// ---- rows ----------------------------------------------------------------------------------------------------

static void expect_rows(const context_span *s, int32_t room, const int32_t *wanted, int32_t n) {
  static const int32_t tokens[] = {I0, I0 + 1, I0 + 2, I0 + 3, I0 + 4};
  static const uint8_t events[] = {1, 2, 1, 2, 1};
  const user_context *known;
  int32_t got[32];
  uint8_t types[32];
  check_ok(dataset_user_context(d, &known));
  assert_int_equal(context_fill(known, s, tokens, events, room, got, types), n);
  assert_memory_equal(got, wanted, (size_t)n * sizeof *got);
  if (room >= 32) assert_int_equal(context_rows(known, s), n);
  for (int32_t i = 0; i < n; i++)
    assert_int_equal(types[i], got[i] >= I0 ? events[got[i] - I0] : got[i] >= AX ? 0 : SEARCH);
}

static void attributes_come_first_and_words_between(void **unused) {
  (void)unused;
#define ROWS(history, first, stop, asked, room, ...)                                                   \
  expect_rows(&(context_span){.sequence = history, .begin = first, .end = stop, .query = asked}, room, \
              (const int32_t[]){__VA_ARGS__},                                                          \
              (int32_t)(sizeof(const int32_t[]){__VA_ARGS__} / sizeof(int32_t)))
  ROWS(0, 0, 5, false, 32, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2, W1, I0 + 3, W0, I0 + 4);
  ROWS(0, 0, 3, false, 32, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2); // a window ends with an event
  ROWS(0, 0, 3, true, 32, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2,
       W1); // a question with what was searched for last
  ROWS(0, 1, 3, false, 32, AX, B5, I0 + 1, W2, I0 + 2);
  ROWS(0, 2, 3, false, 32, AX, B5, W2, I0 + 2);
  ROWS(0, 0, 0, true, 32, AX, B5, W0, W1);
  ROWS(1, 0, 2, true, 32, I0, I0 + 1);
  ROWS(0, 0, 3, true, 6, AX, B5, I0 + 1, W2, I0 + 2, W1); // the oldest go, attributes stay
  ROWS(0, 0, 3, true, 3, AX, B5, W1);
  ROWS(0, 0, 3, true, 2, AX, W1); // and leave room for what is newest
  ROWS(0, 0, 3, false, 1, I0 + 2);
}

static void searches_count_up_to_a_time(void **unused) {
  (void)unused;
#define TIMED(stop, time, ...)                                                                \
  expect_rows(&(context_span){.end = stop, .query = true, .timed = true, .before = time}, 32, \
              (const int32_t[]){__VA_ARGS__},                                                 \
              (int32_t)(sizeof(const int32_t[]){__VA_ARGS__} / sizeof(int32_t)))
  TIMED(3, 4, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2, W1);
  TIMED(3, 3, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2, W1); // w1 was made at 2
  TIMED(3, 2, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2);
  TIMED(0, 1, AX, B5, W0, W1);
  TIMED(0, 0, AX, B5);
#undef TIMED
  const context_span bare = {.sequence = 0, .begin = 2, .end = 4, .bare = true};
  expect_rows(&bare, 32, (const int32_t[]){W2, I0 + 2, W1, I0 + 3}, 4);
}

static void another_vocabulary_translates_them(void **unused) {
  (void)unused;
  static const char *const other[] = {"w2", "w0", "user:b=1..5", "i3", "i2", "i1", "i0"};
  vocab *v;
  check_ok(vocab_new(&v));
  for (int i = 0; i < 7; i++)
    check_ok(vocab_add(v, i < 2 ? RANGE_WORDS : i < 3 ? RANGE_ATTRIBUTES : RANGE_ITEMS, other[i], 0, NULL));
  dataset_info info = {.n_event_types = 2, .event_types = {"none", "search"}};
  check_ok(dataset_read_as(d, v, &info));
  const user_context *known;
  check_ok(dataset_user_context(d, &known));
  const int32_t wanted[] = {6, TOKEN_UNK, 5, TOKEN_UNK, 6};
  assert_memory_equal(known->searches.words, wanted, sizeof wanted);
  assert_int_equal(known->searches.events[0], 1);
  assert_int_equal(known->attributes.tokens[0], TOKEN_UNK);
  assert_int_equal(known->attributes.tokens[1], 7);
}

// ---- training ------------------------------------------------------------------------------------------------

// A pair's history of the data set, and what of it is cut.
static void expect_pair(int32_t max_positions, const char *rows_text, const int32_t *wanted, int32_t n) {
  static labelled_config config;
  const option_section section = {"labels", "", labelled_options, n_labelled_options, &config};
  const seq_layout l = {.cls_sep = true, .max_positions = max_positions, .n_event_types = 4, .segments = 2};
  const labelled_how how = {.c = &config, .pair = true, .layout = &l, .d = d};
  labelled_rows rows;
  labelled_report counts;
  label_set labels = {.n = 0};
  seq_input first, second;
  char path[400];
  check_ok(options_defaults(&(option_set){.sections = &section, .count = 1}));
  snprintf(config.user, sizeof config.user, "user");
  snprintf(config.item, sizeof config.item, "item");
  if (strstr(rows_text, "time") != NULL) snprintf(config.time, sizeof config.time, "time");
  config.time_format = 0; // seconds
  snprintf(path, sizeof path, "%s/rows.csv", dir);
  check_ok(file_write_atomic(path, rows_text, strlen(rows_text)));
  check_ok(labelled_read(&rows, &labels, &counts, &how, path, "labels.train"));
  assert_int_equal(rows.n, 1);
  labelled_get(&rows, 0, &first, &second);
  assert_int_equal(first.n, n);
  assert_memory_equal(first.tokens, wanted, (size_t)n * sizeof *wanted);
  for (int32_t i = 0; i < n; i++)
    assert_int_equal(first.events[i], wanted[i] >= I0   ? 1 + (wanted[i] - I0) % 2
                                      : wanted[i] >= AX ? 0
                                                        : SEARCH);
  assert_true(second.n == 1 && second.tokens[0] == I0 + 5);
  assert_int_equal(counts.cut, max_positions < 16);
  labelled_free(&rows);
  labelled_report_free(&counts);
  label_set_free(&labels);
}

static void labelled_pairs_have_them(void **unused) {
  (void)unused;
#define PAIR(positions, text, ...)                       \
  expect_pair(positions, text, (int32_t[]){__VA_ARGS__}, \
              (int32_t)(sizeof(int32_t[]){__VA_ARGS__} / sizeof(int32_t)))
  static const char plain[] = "user,item,click,cart,buy\nu0,i5,1,,\n",
                    timed[] = "user,item,time,click,cart,buy\nu0,i5,2,1,,\n",
                    later[] = "user,item,time,click,cart,buy\nu0,i5,3,1,,\n",
                    first[] = "user,item,time,click,cart,buy\nu0,i5,0,1,,\n";
  PAIR(32, plain, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2, W1); // the training part
  PAIR(12, plain, AX, B5, W1, I0, I0 + 1, W2, I0 + 2, W1);     // attributes stay
  PAIR(7, plain, AX, B5, W1);
  PAIR(32, timed, AX, B5, W0, W1, I0, I0 + 1, W2); // which was searched for at 1
  PAIR(32, later, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2, W1);
  PAIR(32, first, AX, B5); // a search at the row's own time is not before it
}

// A data set of before, which does not say when.
static void without_times_the_last_searches_are_left_out(void **unused) {
  (void)unused;
  static const char plain[] = "user,item,click,cart,buy\nu0,i5,1,,\n",
                    timed[] = "user,item,time,click,cart,buy\nu0,i5,2,1,,\n";
  PAIR(32, plain, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2, W1);
  PAIR(32, timed, AX, B5, W0, W1, I0, I0 + 1);
#undef PAIR
}

static data_config defaults(void) {
  data_config out = data_defaults();
  out.batch_tokens = 64;
  return out;
}

static const seq_layout bert = {.cls_sep = true, .max_positions = 20, .n_event_types = 4, .segments = 2};

static void batches_have_them_and_predict_items(void **unused) {
  (void)unused;
  data_config config = defaults();
  seq_layout layout = bert;
  batcher *b;
  const batch *x;
  config.dupe_factor = 0; // the last item alone is masked
  check_ok(batcher_open(&b, d, &config, &layout, PART_TRAIN, 0, 1));
  check_ok(batcher_next(b, &x));
  assert_int_equal(x->seqs, 2);
  const int32_t s = x->cu_seqlens[1] - x->cu_seqlens[0] == 10 ? 0 : 1; // the first user's
  const int32_t *ids = x->ids + x->cu_seqlens[s];
  const int32_t wanted[] = {TOKEN_CLS, AX, B5, W0, W1, I0, I0 + 1, W2, TOKEN_MASK, TOKEN_SEP};
  assert_int_equal(x->cu_seqlens[s + 1] - x->cu_seqlens[s], 10);
  assert_memory_equal(ids, wanted, sizeof wanted);
  assert_int_equal(x->types[x->cu_seqlens[s] + 3], SEARCH);
  for (int32_t i = 0; i < x->n_masked; i++) assert_int_equal(x->labels[i], I0 + 2);
  batcher_close(b);
  layout.asks = ASKS_NEXT;
  check_ok(batcher_open(&b, d, &config, &layout, PART_TRAIN, 0, 1));
  check_ok(batcher_next(b, &x));
  int32_t rows = 0;
  for (int32_t i = 0; i < x->n_masked; i++) {
    assert_true(x->labels[i] >= I0); // never a word
    const int32_t row = x->masked[i];
    if (x->labels[i] == I0 + 2 && x->ids[row] == W2) rows++; // behind what was searched for, and nowhere else
    if (x->labels[i] == I0 + 1) assert_int_equal(x->ids[row], I0);
  }
  assert_int_equal(rows, 1);
  batcher_close(b);
}

// The sequences of a batch of pairs of sessions, whose last item is masked: true ones and others.
static void pairs_of(int32_t positions, int64_t epochs, const int32_t (*wanted)[16], const int32_t *lengths,
                     int32_t n, int64_t cut) {
  data_config config = defaults();
  seq_layout layout = bert;
  batcher *b;
  const batch *x;
  batcher_coverage has;
  int32_t seen[8] = {0};
  config.dupe_factor = 0;
  config.next_session = true;
  layout.max_positions = positions;
  check_ok(batcher_open(&b, d, &config, &layout, PART_TRAIN, 0, 1));
  check_ok(batcher_get_coverage(b, &has));
  assert_int_equal(has.cut, cut);
  assert_int_equal(has.examples, 2);
  for (int64_t k = 0; k < epochs; k++) {
    check_ok(batcher_next(b, &x));
    for (int32_t s = 0; s < x->seqs; s++) {
      const int32_t begin = x->cu_seqlens[s], rows = x->cu_seqlens[s + 1] - begin;
      int32_t at = 0;
      for (; at < n; at++)
        if (rows == lengths[at] && memcmp(x->ids + begin, wanted[at], (size_t)rows * sizeof(int32_t)) == 0 &&
            x->nsp_labels[s] == wanted[at][15])
          break;
      if (at == n) {
        for (int32_t i = 0; i < rows; i++) print_error("%d ", x->ids[begin + i]);
        fail_msg("is no pair that can be; label %d", x->nsp_labels[s]);
      }
      seen[at]++;
      for (int32_t i = 0; i < rows; i++)
        if (x->ids[begin + i] >= W0 && x->ids[begin + i] < AX)
          assert_int_equal(x->types[begin + i] % layout.n_event_types, SEARCH);
    }
  }
  for (int32_t i = 0; i < n; i++) assert_true(seen[i] > 0);
  batcher_close(b);
}

static void pairs_of_sessions_have_them(void **unused) {
  (void)unused;
  enum { C = TOKEN_CLS, S = TOKEN_SEP, M = TOKEN_MASK };
  // Of the first user the own next session or one of the other's; of the other the own, or one of the first user's without
  // what was searched for, which would be more rows.
  static const int32_t all[][16] = {{C, AX, B5, W0, W1, I0, I0 + 1, S, W2, M, S, [15] = 0},
                                    {C, AX, B5, W0, W1, I0, I0 + 1, S, M, S, [15] = 1},
                                    {C, I0, I0 + 1, S, M, S, [15] = 0},
                                    {C, I0, I0 + 1, S, M, S, [15] = 1}};
  static const int32_t lengths[] = {11, 10, 6, 6};
  pairs_of(20, 40, all, lengths, 4, 0);
  // With room for 6 the longer segment loses its words, and the attributes stay.
  static const int32_t cut[][16] = {{C, AX, B5, I0, I0 + 1, S, W2, M, S, [15] = 0},
                                    {C, AX, B5, I0, I0 + 1, S, M, S, [15] = 1},
                                    {C, I0, I0 + 1, S, M, S, [15] = 0},
                                    {C, I0, I0 + 1, S, M, S, [15] = 1}};
  static const int32_t cut_lengths[] = {9, 8, 6, 6};
  pairs_of(9, 40, cut, cut_lengths, 4, 1);
}

// A pair with an item is asked about, too: what was searched for right before the item is in front of it, as it is when it is served.
static void pairs_with_items_have_the_last_search(void **unused) {
  (void)unused;
  data_config config = defaults();
  batcher *b;
  const batch *x;
  int32_t seen[32] = {0};
  snprintf(config.mix, sizeof config.mix, "item_pairs");
  check_ok(batcher_open(&b, d, &config, &bert, PART_TRAIN, 0, 1));
  for (int k = 0; k < 40; k++) {
    check_ok(batcher_next(b, &x));
    for (int32_t s = 0; s < x->seqs; s++) seen[x->cu_seqlens[s + 1] - x->cu_seqlens[s]]++;
  }
  // Of the first user i0 before i1, and i0 and i1 with w2 before i2; of the other the same without what is known of the first.
  for (int32_t n = 0; n < 32; n++) assert_int_equal(seen[n] > 0, n == 9 || n == 11 || n == 5 || n == 6);
  batcher_close(b);
}

static void validation_asks_behind_the_last_search(void **unused) {
  (void)unused;
  const data_config config = defaults();
  batcher *b;
  const batch *x;
  check_ok(batcher_open(&b, d, &config, &bert, PART_VALID, 0, 1));
  check_ok(batcher_next(b, &x));
  const int32_t wanted[] = {TOKEN_CLS, AX, B5, W0, W1, I0, I0 + 1, W2, I0 + 2, W1, TOKEN_MASK, TOKEN_SEP};
  assert_memory_equal(x->ids, wanted, sizeof wanted);
  assert_int_equal(x->labels[0], I0 + 3);
  batcher_close(b);
}

// ---- hostile files -------------------------------------------------------------------------------------------

static void hostile_files_are_refused(void **unused) {
  (void)unused;
  char path[400];
  const struct {
    void *at;
    size_t bytes;
    int64_t value;
    const char *file, *says;
  } cases[] = {
      {&attribute_tokens[1], 4, W0, "users.h5", "\"tokens\" at 1 is 5, which is no token of the attributes"},
      {&attribute_tokens[0], 4, I0, "users.h5", "\"tokens\" at 0 is 10"},
      {&attribute_tokens[0], 4, TOKEN_UNK, "users.h5", "\"tokens\" at 0 is 1"},
      {&attribute_offsets[1], 8, 3, "users.h5", "\"offsets\" at 1 is 3, and behind it 2"},
      {&attribute_offsets[0], 8, 1, "users.h5", "\"offsets\" goes from 1 to 2"},
      {&places[1], 4, 6, "searches.h5", "a search of history 0 is before event 6; 0 to 5 are possible"},
      {&places[2], 4, 1, "searches.h5", "a search of history 0 is before event 1; 2 to 5 are possible"},
      {&places[0], 4, -1, "searches.h5", "before event -1"},
      {&search_events[3], 1, 4, "searches.h5", "a search of history 0 has event type 4"},
      {&word_offsets[2], 8, 1, "searches.h5", "\"word_offsets\" at 1 is 2, and behind it 1"},
      {&words[4], 4, AX, "searches.h5", "\"words\" at 4 is 8, which is no token of the words"},
      {&words[0], 4, TOKEN_MASK, "searches.h5", "\"words\" at 0 is 4"},
      {&words[0], 4, INT32_MIN, "searches.h5", "\"words\" at 0 is -2147483648"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t before = 0;
    memcpy(&before, cases[i].at, cases[i].bytes);
    memcpy(cases[i].at, &cases[i].value, cases[i].bytes); // little-endian
    snprintf(path, sizeof path, "%s/%s", dir, cases[i].file);
    unlink(path);
    const bool users = strcmp(cases[i].file, "users.h5") == 0;
    const user_searches s = {search_offsets, places, search_events, word_offsets, words, search_times};
    check_ok(
        users ? user_attributes_write(&(user_attributes){attribute_offsets, attribute_tokens}, USERS, path, 4)
              : user_searches_write(&s, USERS, path, 4));
    tiny_refuses(dir, cases[i].file, cases[i].says);
    memcpy(cases[i].at, &before, cases[i].bytes);
    unlink(path);
    check_ok(
        users ? user_attributes_write(&(user_attributes){attribute_offsets, attribute_tokens}, USERS, path, 4)
              : user_searches_write(&s, USERS, path, 4));
  }
}

static void write_times(const int64_t *offsets) {
  char path[400];
  snprintf(path, sizeof path, "%s/search_times.h5", dir);
  unlink(path);
  check_ok(user_search_times_write(
      &(user_searches){.offsets = (int64_t *)(uintptr_t)offsets, .times = search_times}, USERS, path, 4));
}

static void hostile_times_are_refused(void **unused) {
  (void)unused;
  static const int64_t fewer[] = {0, 3, 3};
  char path[400];
  write_times(fewer);
  tiny_refuses(dir, "search_times.h5", "\"times\" has 3 elements, not 4");
  places[1] = 0; // two searches at one place, which must rise
  search_times[0] = 2;
  snprintf(path, sizeof path, "%s/searches.h5", dir);
  unlink(path);
  check_ok(user_searches_write(
      &(user_searches){search_offsets, places, search_events, word_offsets, words, search_times}, USERS, path,
      4));
  write_times(search_offsets);
  char *bytes;
  size_t n;
  check_ok(file_read(path, 1 << 20, &bytes, &n));
  tiny_list(dir, "searches.h5", bytes, n);
  free(bytes);
  tiny_refuses(dir, "search_times.h5", "\"times\" at 1 is 1, before the search that it follows");
  places[1] = 2;
  search_times[0] = 0;
}

// ---- souk prepare --------------------------------------------------------------------------------------------

static void in_dir(const char *which, const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  option_text(which, path);
}

static void begin_log(void) {
  begin("out");
  write_log(
      "log",
      "user_id,item_id,t,e,q\nann,,5,search,red shoe\nann,a,10,view,\nann,b,20,buy,\nann,,20,search,hat\n"
      "bob,a,1,view,\nbob,c,2,view,Blue!\nann,,30,search,[MASK] "
      "shoe\ncy,,1,search,red\nann,c,31,view,\nann,,32,search,...\n");
  write_log("words.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nshoe\nblue\nhat\n!\n");
  write_log("users", "user_id,age,town\nann,31,Ulm\nbob,17,\ncy,50,Ulm\ndan,64,Bonn\nann,99,Bonn\n,1,X\n");
  option_text("fields.time", "t");
  option_text("fields.event", "e");
  option_text("output.split", "none");
  option_text("input.max_rejects", "0.5");
}

// What a model reads of a user's whole history, as names of tokens with spaces between them.
static void expect_history(dataset *x, int64_t index, const char *wanted) {
  const user_context *u;
  sequence_block *b;
  sequence s;
  int32_t tokens[64];
  uint8_t events[64];
  char text[1024] = "";
  check_ok(dataset_user_context(x, &u));
  check_ok(block_read(&b, x, index, 1));
  block_get(b, 0, &s);
  const int32_t n = context_fill(u, &(context_span){.sequence = index, .end = s.n, .query = true}, s.tokens,
                                 s.events, 64, tokens, events);
  for (int32_t i = 0; i < n; i++) {
    if (i > 0) strcat(text, " ");
    strcat(text, vocab_token(dataset_vocab(x), tokens[i]));
  }
  block_free(b);
  assert_string_equal(text, wanted);
}

static int64_t index_of(dataset *x, const char *user) {
  char path[400], *text;
  size_t n;
  snprintf(path, sizeof path, "%.300s/users.tsv", dataset_dir(x));
  check_ok(file_read(path, 1 << 20, &text, &n));
  const int64_t i = strncmp(text, user, strlen(user)) == 0 ? 0 : 1;
  free(text);
  return i;
}

static void a_log_has_searches(void **unused) {
  (void)unused;
  begin_log();
  option_text("fields.query", "q");
  check_fails(run(), ERR_ARGUMENT, "fields.query needs output.words");
  in_dir("output.words", "words.txt");
  dataset *x = run_and_open();
  check_ok(dataset_verify(x));
  assert_int_equal(dataset_get_info(x)->sequences, 2);
  expect_history(x, index_of(x, "ann"), "red shoe a hat b [UNK] [UNK] [UNK] shoe c [UNK] [UNK] [UNK]");
  expect_history(x, index_of(x, "bob"), "a blue ! c");
  json_t *j = report(), *searches = json_object_get(j, "searches");
  assert_int_equal(count_of(searches, "rows"), 6);
  assert_int_equal(count_of(searches, "searches"), 5);
  assert_int_equal(count_of(searches, "users"), 2);
  assert_int_equal(count_of(j, "without_item"), 0);
  assert_int_equal(count_of(j, "events"), 5);
  json_decref(j);
  dataset_close(x);
}

// A value that is too long for a token is left out, and counted.
static void long_values_are_counted(void **unused) {
  (void)unused;
  char town[601], text[1200];
  memset(town, 'x', 600);
  town[600] = '\0';
  snprintf(text, sizeof text, "user_id,town\nann,%s\nbob,%.512s\n", town, town);
  begin_log();
  write_log("users", text);
  in_dir("input.users", "users");
  option_text("input.users_columns", "town");
  dataset *x = run_and_open();
  expect_history(x, index_of(x, "ann"), "a b c");
  json_t *j = report(), *counts = json_object_get(j, "user_attributes");
  assert_int_equal(count_of(counts, "too_long"), 1);
  assert_int_equal(count_of(counts, "described"), 1);
  json_decref(j);
  dataset_close(x);
}

static void a_file_has_attributes(void **unused) {
  (void)unused;
  begin_log();
  in_dir("input.users", "users");
  check_fails(run(), ERR_ARGUMENT, "input.users needs input.users_columns");
  option_text("input.users_columns", "town,age");
  option_text("input.users_numbers", "size");
  check_fails(run(), ERR_ARGUMENT, "input.users_numbers: \"size\" is not in input.users_columns");
  option_text("input.users_numbers", "age");
  option_text("input.users_buckets", "2");
  dataset *x = run_and_open();
  expect_history(x, index_of(x, "ann"), "user:town=Ulm user:age=..50 a b c");
  expect_history(x, index_of(x, "bob"), "user:age=..50 a c");
  json_t *j = report(), *counts = json_object_get(j, "user_attributes");
  assert_int_equal(count_of(counts, "rows"), 6);
  assert_int_equal(count_of(counts, "rejected"), 1);
  assert_int_equal(count_of(counts, "described"), 2);
  assert_int_equal(count_of(counts, "repeated"), 1);
  assert_int_equal(count_of(counts, "too_long"), 0);
  json_decref(j);
  const vocab *v = dataset_vocab(x);
  const int32_t young = vocab_find(v, RANGE_ATTRIBUTES, "user:age=..50");
  assert_true(young >= 0);
  assert_int_equal(user_attribute_value(v, "age", "..50", 4), young);
  assert_int_equal(user_attribute_value(v, "age", "49", 2),
                   -1); // which the inference module looks for in ranges
  assert_int_equal(user_attribute_value(v, "ag", "..50", 4), -1);
  assert_int_equal(user_attribute_value(v, "", "..50", 4), -1);
  dataset_close(x);
}

int main(void) {
#define TEST(name)    cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define PREPARE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(attributes_come_first_and_words_between),
      TEST(searches_count_up_to_a_time),
      TEST(another_vocabulary_translates_them),
      TEST(batches_have_them_and_predict_items),
      TEST(validation_asks_behind_the_last_search),
      TEST(pairs_of_sessions_have_them),
      TEST(pairs_with_items_have_the_last_search),
      TEST(hostile_files_are_refused),
      TEST(hostile_times_are_refused),
      TEST(labelled_pairs_have_them),
      cmocka_unit_test_setup_teardown(without_times_the_last_searches_are_left_out, set_up_without_times,
                                      tear_down),
      PREPARE(a_log_has_searches),
      PREPARE(a_file_has_attributes),
      PREPARE(long_values_are_counted),
  };
  return cmocka_run_group_tests_name("user_context", tests, NULL, NULL);
}
