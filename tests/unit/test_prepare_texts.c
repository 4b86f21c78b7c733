// Words, texts and dense features of items in souk prepare.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/dataset_verify.h"
#include "data/item_features.h"
#include "data/item_texts.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/prepare_run.h"

static const char vocab_txt[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nshoe\nblue\nhat\nsoft\n";
static const char log_csv[] =
    "user_id,item_id,stars\nu,a,5\nu,b,1\nu,c,4\nv,a,3\nv,b,2\nv,d,x\nw,a,\nw,d,5\n";
static const char catalogue_csv[] = "item_id,name,maker,about,colour,score,cost\n"
                                    "a,Red shoe,X,soft shoe,blue,4.5,10\n"
                                    "b,Blue hat!,Y,,red,,20\n"
                                    "gone,red,X,,,1,5\n"
                                    "c,unknown word [MASK] hat,X,soft soft soft,,two,30\n";

static void in_dir(const char *which, const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  option_text(which, path);
}

static void begin_texts(void) {
  begin("out");
  write_log("log", log_csv);
  write_log("catalogue", catalogue_csv);
  write_log("words.txt", vocab_txt);
  in_dir("input.catalogue", "catalogue");
  in_dir("output.words", "words.txt");
  option_text("catalogue.title", "name");
  option_text("catalogue.description", "about");
  option_text("catalogue.brand", "maker");
  option_text("catalogue.price", "cost");
  option_text("output.price_buckets", "2");
  option_text("output.split", "none");
}

// The text of an item, as names of tokens with spaces between them.
static void expect_text(dataset *d, const char *item, const char *wanted) {
  const vocab *v = dataset_vocab(d);
  const item_texts *t;
  char text[1024] = "";
  check_ok(dataset_item_texts(d, &t));
  const int32_t row = vocab_find(v, RANGE_ITEMS, item) - vocab_begin(v, RANGE_ITEMS);
  for (int64_t k = t->offsets[row]; k < t->offsets[row + 1]; k++) {
    if (text[0] != '\0') strcat(text, " ");
    strcat(text, vocab_token(v, t->tokens[k]));
  }
  assert_string_equal(text, wanted);
}

static void texts_are_words_and_attributes(void **unused) {
  (void)unused;
  begin_texts();
  dataset *d = run_and_open();
  check_ok(dataset_verify(d));
  assert_int_equal(vocab_end(dataset_vocab(d), RANGE_WORDS), TOKEN_SPECIALS + 5);
  expect_text(d, "a", "red shoe soft shoe brand=X price=1");
  expect_text(d, "b", "blue hat [UNK] brand=Y price=2");
  expect_text(d, "c", "[UNK] [UNK] [UNK] [UNK] [UNK] hat soft soft soft brand=X price=2");
  expect_text(d, "d", ""); // a typed [MASK] is three words, as everywhere
  assert_int_equal(vocab_token_count(dataset_vocab(d), vocab_find(dataset_vocab(d), RANGE_WORDS, "soft")), 4);
  json_t *j = report(), *texts = json_object_get(j, "texts");
  assert_int_equal(count_of(texts, "items"), 3);
  assert_int_equal(count_of(texts, "words"), 16);
  assert_int_equal(count_of(texts, "unknown"), 6);
  assert_int_equal(count_of(texts, "cut"), 0);
  json_decref(j);
  dataset_close(d);
}

static void columns_and_lengths_are_options(void **unused) {
  (void)unused;
  begin_texts();
  option_text("catalogue.keep", "colour");
  option_text("catalogue.text", "colour, title");
  option_text("output.text_tokens", "2");
  option_text("output.attributes", "false");
  dataset *d = run_and_open();
  expect_text(d, "a", "blue red");
  expect_text(d, "b", "red blue");
  json_t *j = report();
  assert_int_equal(count_of(json_object_get(j, "texts"), "cut"), 3);
  json_decref(j);
  dataset_close(d);
  option_text("catalogue.text", "titel");
  check_fails(run(), ERR_ARGUMENT, "catalogue.text: \"titel\" is neither title");
  option_text("catalogue.text", "category"); // its column is not set
  check_fails(run(), ERR_ARGUMENT, "catalogue.text: \"category\"");
  option_text("output.words", "/no/such");
  option_text("catalogue.text", "title");
  check_fails(run(), ERR_NOT_FOUND, "/no/such");
}

static void ratings_become_buckets(void **unused) {
  (void)unused;
  begin_texts();
  option_text("fields.rating", "stars");
  option_text("catalogue.rating", "score");
  option_text("output.rating_buckets", "2");
  dataset *d = run_and_open(); // a 4.5 by the catalogue; b 1.5, c 4, d 5 by the log
  expect_text(d, "a", "red shoe soft shoe brand=X price=1 rating=2");
  expect_text(d, "b", "blue hat [UNK] brand=Y price=2 rating=1");
  expect_text(d, "c", "[UNK] [UNK] [UNK] [UNK] [UNK] hat soft soft soft brand=X price=2 rating=1");
  expect_text(d, "d", "rating=2");
  json_t *j = report();
  assert_float_equal(json_real_value(json_array_get(json_object_get(j, "rating_edges"), 0)), 4.5, 0);
  assert_non_null(json_object_get(j, "unknown_ratings"));
  assert_non_null(json_object_get(j, "catalogue_unknown_ratings"));
  json_decref(j);
  dataset_close(d);
}

// ---- features ------------------------------------------------------------------------------------------------

// shape: what the header says.
static void write_npy_as(const char *name, const char *shape, const float *values, int n, int m) {
  char path[400], text[128] = "";
  FILE *f;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  f = fopen(path, "wb");
  assert_non_null(f);
  const int used =
      snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n", shape);
  const unsigned char head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)used, 0};
  fwrite(head, 1, sizeof head, f);
  fwrite(text, 1, (size_t)used, f);
  fwrite(values, sizeof *values, (size_t)(n * m), f);
  assert_int_equal(fclose(f), 0);
}

static void write_npy(const char *name, const float *values, int n, int m) {
  char shape[64];
  snprintf(shape, sizeof shape, "%d, %d", n, m);
  write_npy_as(name, shape, values, n, m);
}

static void write_h5(const char *name, const float *values, hsize_t n, hsize_t m) {
  char path[400];
  hid_t file;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  h5_lock();
  file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT); // without attributes, as others write it
  check_ok(h5_write(file, path, "image", H5T_IEEE_F32LE, 2, (hsize_t[]){n, m}, values, 0));
  H5Fclose(file);
  h5_unlock();
}

static void expect_features(void) {
  dataset *d = run_and_open();
  const item_features *f;
  check_ok(dataset_item_features(d, &f));
  assert_int_equal(f->width, 2);
  const struct {
    const char *item;
    float row[2];
    uint8_t there;
  } wanted[] = {{"a", {1, 2}, 1}, {"b", {0, 0}, 0}, {"c", {-1, 0.5f}, 1}, {"d", {0, 0}, 0}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    const vocab *v = dataset_vocab(d);
    const int32_t row = vocab_find(v, RANGE_ITEMS, wanted[i].item) - vocab_begin(v, RANGE_ITEMS);
    assert_int_equal(f->present[row], wanted[i].there);
    assert_memory_equal(f->rows + 2 * row, wanted[i].row, sizeof wanted[i].row);
  }
  dataset_close(d);
  json_t *j = report(), *counts = json_object_get(j, "features");
  assert_int_equal(count_of(counts, "rows"), 4);
  assert_int_equal(count_of(counts, "missing"), 2);
  assert_int_equal(count_of(counts, "unknown"), 1);
  assert_int_equal(count_of(counts, "repeated"), 1);
  json_decref(j);
}

static void features_are_rows_by_name(void **unused) {
  (void)unused;
  static const float values[] = {1, 2, 3, 4, -1, 0.5f, 9, 9};
  begin_texts();
  write_npy("f.npy", values, 4, 2);
  write_log("f.npy.names.tsv", "a\nnobody\nc\na\n");
  in_dir("input.features", "f.npy");
  expect_features();
  write_h5("f.h5", values, 4, 2);
  write_log("names", "a\nnobody\nc\na\n");
  in_dir("input.features", "f.h5");
  in_dir("input.features_names", "names");
  option_text("input.features_array", "image");
  expect_features();
}

static void wrong_features_are_told(void **unused) {
  (void)unused;
  static const float values[] = {1, 2, 3, 0.0f / 1.0f};
  begin_texts();
  in_dir("input.features", "f.npy");
  check_fails(run(), ERR_NOT_FOUND, "input.features: ");
  write_log("f.npy", "no array");
  check_fails(run(), ERR_FORMAT, "f.npy is not a .npy file of float32");
  write_npy("f.npy", values, 2, 2);
  check_fails(run(), ERR_NOT_FOUND, "(input.features_names)");
  write_log("f.npy.names.tsv", "a\n");
  check_fails(run(), ERR_FORMAT, "f.npy.names.tsv has fewer names than");
  write_log("f.npy.names.tsv", "a\nb\nc\n");
  check_fails(run(), ERR_FORMAT, "f.npy.names.tsv has more names than");
  write_log("f.npy.names.tsv", "x\ny\n");
  check_fails(run(), ERR_ARGUMENT, "none of its names is an item of the data set");
  write_npy_as("f.npy", "4611686018427387904, 4", values, 2,
               2); // 2^62 rows: their floats are counted as none
  check_fails(run(), ERR_FORMAT, "f.npy: features of 4611686018427387904 items; 2147483647 is the most");
  const float nan[] = {1, 2, 3, (float)strtod("nan", NULL)};
  write_npy("f.npy", nan, 2, 2);
  check_fails(run(), ERR_NONFINITE, "f.npy: row 1, column 1 is not finite");
  write_h5("f.h5", values, 2, 2);
  in_dir("input.features", "f.h5");
  check_fails(run(), ERR_FORMAT, "item_vectors");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(texts_are_words_and_attributes), TEST(columns_and_lengths_are_options),
      TEST(ratings_become_buckets),         TEST(features_are_rows_by_name),
      TEST(wrong_features_are_told),
  };
  return cmocka_run_group_tests_name("prepare_texts", tests, NULL, NULL);
}
