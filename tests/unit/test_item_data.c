// Texts and dense features of items: what is written is read, in the data set's vocabulary and in another one, and files that are
// not what their headers say are refused.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "data/dataset_verify.h"
#include "data/item_features.h"
#include "data/item_texts.h"
#include "data/writer.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

enum { WORDS = 3, ATTRIBUTES = 2, ITEMS = 4, FIRST = TOKEN_SPECIALS + WORDS + ATTRIBUTES, WIDTH = 3 };
enum { RED = TOKEN_SPECIALS, SHOE, HAT, BRAND_A, BRAND_B };
static const char *const names[] = {"red", "shoe", "hat", "brand=a", "brand=b", "i0", "i1", "i2", "i3"};
static const int64_t offsets[ITEMS + 1] = {0, 3, 3, 5, 8};
static const int32_t tokens[] = {RED, SHOE, BRAND_A, TOKEN_UNK, BRAND_B, HAT, RED, BRAND_A};
static const float rows[ITEMS * WIDTH] = {1, 2, 3, 0, 0, 0, -1, 0.5f, 7, 0, 0, 1};
static const uint8_t present[ITEMS] = {1, 0, 1, 1};
static char dir[256];

static vocab *vocabulary(const char *const *texts, size_t words, size_t attributes, size_t items) {
  vocab *v;
  check_ok(vocab_new(&v));
  for (size_t i = 0; i < words + attributes + items; i++)
    check_ok(vocab_add(v,
                       i < words                ? RANGE_WORDS
                       : i < words + attributes ? RANGE_ATTRIBUTES
                                                : RANGE_ITEMS,
                       texts[i], 0, NULL));
  return v;
}

static void write_files(dataset_writer *w) {
  char path[400];
  check_ok(writer_path(w, "texts.h5", path, sizeof path));
  check_ok(item_texts_write(&(item_texts){ITEMS, offsets, tokens}, path, 4));
  check_ok(writer_list(w, "texts.h5"));
  check_ok(writer_path(w, "features.h5", path, sizeof path));
  check_ok(item_features_write(&(item_features){ITEMS, WIDTH, rows, present}, path, 4));
  check_ok(writer_list(w, "features.h5"));
}

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  dataset_writer *w;
  check_ok(writer_open(&w, dir, 500, 4, true));
  const int32_t history[] = {FIRST, FIRST + 3, FIRST + 1};
  const sequence s = {.n = 3,
                      .valid_from = 3,
                      .test_from = 3,
                      .tokens = history,
                      .events = (uint8_t[]){0, 0, 0},
                      .times = (int64_t[]){0, 1, 2},
                      .sessions = (int32_t[]){0, 0, 0}};
  check_ok(writer_add(w, &s, "user"));
  write_files(w);
  vocab *v = vocabulary(names, WORDS, ATTRIBUTES, ITEMS);
  dataset_info info = {.name = "t", .n_event_types = 1, .event_types = {"none"}, .window = 8, .stride = 4};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

static void what_is_written_is_read(void **unused) {
  (void)unused;
  dataset *d;
  const item_texts *t, *again;
  const item_features *f;
  check_ok(dataset_open(&d, dir, true));
  check_ok(dataset_verify(d));
  check_ok(dataset_item_texts(d, &t));
  check_ok(dataset_item_texts(d, &again));
  assert_ptr_equal(t, again);
  assert_int_equal(t->items, ITEMS);
  assert_memory_equal(t->offsets, offsets, sizeof offsets);
  assert_memory_equal(t->tokens, tokens, sizeof tokens);
  check_ok(dataset_item_features(d, &f));
  assert_int_equal(f->items, ITEMS);
  assert_int_equal(f->width, WIDTH);
  assert_memory_equal(f->rows, rows, sizeof rows);
  assert_memory_equal(f->present, present, sizeof present);
  dataset_close(d);
}

// Another vocabulary: without "shoe" and brand b, with items in another order, one more and one less.
static void another_vocabulary_has_them_by_name(void **unused) {
  (void)unused;
  static const char *const other[] = {"hat", "red", "brand=a", "i3", "new", "i0", "i1"};
  dataset *d;
  const item_texts *t;
  const item_features *f;
  check_ok(dataset_open(&d, dir, true));
  check_ok(dataset_item_texts(d, &t)); // is forgotten
  dataset_info info = {.n_event_types = 1, .event_types = {"none"}};
  check_ok(dataset_read_as(d, vocabulary(other, 2, 1, 4), &info));
  check_ok(dataset_item_texts(d, &t));
  check_ok(dataset_item_features(d, &f));
  static const int64_t wanted[] = {0, 3, 3, 6, 6};
  static const int32_t words[] = {5, 6, 7, 6, TOKEN_UNK, 7};
  assert_int_equal(t->items, 4);
  assert_memory_equal(t->offsets, wanted, sizeof wanted);
  assert_memory_equal(t->tokens, words, sizeof words);
  static const float values[] = {0, 0, 1, 0, 0, 0, 1, 2, 3, 0, 0, 0};
  static const uint8_t there[] = {1, 0, 1, 0};
  assert_memory_equal(f->rows, values, sizeof values);
  assert_memory_equal(f->present, there, sizeof there);
  dataset_close(d);
}

static void a_data_set_without_them_has_none(void **unused) {
  (void)unused;
  char plain[256];
  tiny_directory(plain, sizeof plain);
  tiny_dataset(plain, 5, 6, 0);
  dataset *d;
  const item_texts *t;
  const item_features *f;
  check_ok(dataset_open(&d, plain, false));
  check_ok(dataset_item_texts(d, &t));
  check_ok(dataset_item_features(d, &f));
  assert_null(t);
  assert_null(f);
  dataset_close(d);
  tiny_remove(plain);
}

// ---- hostile files -------------------------------------------------------------------------------------------

static hid_t begin(const char *name, const char *schema) {
  char path[400];
  hid_t file;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  unlink(path);
  h5_lock();
  check_ok(h5_create(&file, path, schema, 1));
  return file;
}

static void end(hid_t file) {
  check_ok(h5_close(file, dir));
  h5_unlock();
}

static void hostile_texts_are_refused(void **unused) {
  (void)unused;
  const struct {
    hsize_t n_offsets, n_tokens;
    int64_t at[ITEMS + 2];
    int32_t first;
    const char *says;
  } cases[] = {
      {5, 8, {0, 3, 3, 5, 8}, FIRST, "token 0 of item 0 is 10, which is no word and no attribute"},
      {5, 8, {0, 3, 3, 5, 8}, -1, "token 0 of item 0 is -1"},
      {5, 8, {0, 3, 3, 5, 8}, TOKEN_MASK, "token 0 of item 0 is 4"},
      {5, 8, {0, 3, 3, 5, 8}, INT32_MAX, "token 0 of item 0 is 2147483647"},
      {5, 8, {0, 3, 2, 5, 8}, RED, "\"offsets\" at 1 is 3, and behind it 2"},
      {5, 8, {0, 3, 3, 9, 8}, RED, "\"offsets\" at 3 is 9, and behind it 8"},
      {5, 8, {1, 3, 3, 5, 8}, RED, "\"offsets\" goes from 1 to 8, not from 0 to 8"},
      {5, 8, {-1, 3, 3, 5, 8}, RED, "\"offsets\" goes from -1"},
      {5,
       8,
       {0, INT64_MIN, INT64_MAX, 8, 8},
       RED,
       "\"offsets\" at 0 is 0, and behind it -9223372036854775808"},
      {5, 8, {0, 3, 3, 5, 7}, RED, "\"offsets\" goes from 0 to 7"},
      {5, 8, {0, 3, 3, 5, INT64_MAX}, RED, "\"offsets\" goes from 0 to 9223372036854775807, not from 0 to 8"},
      {4, 8, {0, 3, 3, 8}, RED, "\"offsets\" has 4 elements; of 4 items it has 5"},
      {6, 8, {0, 3, 3, 5, 8, 8}, RED, "\"offsets\" has 6 elements"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t values[8] = {0};
    memcpy(values, tokens, sizeof values);
    values[0] = cases[i].first;
    const hid_t file = begin("texts.h5", "souk.texts");
    check_ok(h5_write(file, dir, "offsets", H5T_STD_I64LE, 1, &cases[i].n_offsets, cases[i].at, 4));
    check_ok(h5_write(file, dir, "tokens", H5T_STD_I32LE, 1, &cases[i].n_tokens, values, 4));
    end(file);
    tiny_refuses(dir, "texts.h5", cases[i].says);
  }
  end(begin("texts.h5", "souk.items"));
  tiny_refuses(dir, "texts.h5", "\"schema\" is not \"souk.texts\"");
}

static void hostile_features_are_refused(void **unused) {
  (void)unused;
  const struct {
    hsize_t dims[2], n;
    float first;
    uint8_t there;
    const char *says;
  } cases[] = {{{4, 3}, 4, NAN, 1, "\"rows\" of item 0, column 0 is not finite"},
               {{4, 3}, 4, INFINITY, 1, "\"rows\" of item 0, column 0 is not finite"},
               {{4, 3}, 4, 1, 0, "item 0 has no features, but \"rows\" of it is not zero"},
               {{4, 3}, 4, 1, 2, "\"present\" of item 0 is 2"},
               {{3, 4}, 4, 1, 1, "\"rows\" has 3 items and \"present\" 4, the vocabulary 4"},
               {{4, 3}, 3, 1, 1, "\"rows\" has 4 items and \"present\" 3"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    float values[ITEMS * WIDTH];
    uint8_t there[ITEMS];
    memcpy(values, rows, sizeof values);
    memcpy(there, present, sizeof there);
    values[0] = cases[i].first;
    there[0] = cases[i].there;
    const hid_t file = begin("features.h5", "souk.features");
    check_ok(h5_write(file, dir, "rows", H5T_IEEE_F32LE, 2, cases[i].dims, values, 4));
    check_ok(h5_write(file, dir, "present", H5T_STD_U8LE, 1, &cases[i].n, there, 4));
    end(file);
    tiny_refuses(dir, "features.h5", cases[i].says);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(what_is_written_is_read),          TEST(another_vocabulary_has_them_by_name),
      TEST(a_data_set_without_them_has_none), TEST(hostile_texts_are_refused),
      TEST(hostile_features_are_refused),
  };
  return cmocka_run_group_tests_name("item_data", tests, NULL, NULL);
}
