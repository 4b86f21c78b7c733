// Labelled rows: from files to tokens and labels, with a count for everything that could not be used; what a set of labels is in
// a file; how they are weighed, held out and dealt into batches.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/batcher.h"
#include "data/item_texts.h"
#include "data/tokenizer.h"
#include "data/writer.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "model/config.h"
#include "prepare/labelled_read.h"

enum { WORDS = 6, ITEMS = 5, FIRST = TOKEN_SPECIALS + WORDS };
enum { GOOD = TOKEN_SPECIALS, BAD, NOT, SHOE, HAT, S };
static const char *const names[] = {"good", "bad", "not", "shoe", "hat", "##s", "i0", "i1", "i2", "i3", "i4"};
static const seq_layout layout = {.cls_sep = true, .max_positions = 9, .n_event_types = 1, .segments = 2};
static char dir[256], file[300];
static dataset *d;
static word_tokenizer *words;
static labelled_config config;
static labelled_rows rows_read;
static labelled_report report;
static label_set labels;

// ---- a data set with words, items, texts of items and two histories ------------------------------------------------

static void add_history(dataset_writer *w, const char *user, const int32_t *tokens, const int64_t *times,
                        int32_t n) {
  static const uint8_t events[8];
  static const int32_t sessions[8];
  const sequence s = {.user = user[1] - '0',
                      .n = n,
                      .valid_from = n > 2 ? n - 2 : n,
                      .test_from = n > 2 ? n - 1 : n,
                      .tokens = tokens,
                      .events = events,
                      .times = times,
                      .sessions = sessions};
  check_ok(writer_add(w, &s, user));
}

static int set_up(void **unused) {
  (void)unused;
  static const int64_t offsets[ITEMS + 1] = {0, 2, 2, 4, 5, 8};
  static const int32_t tokens[] = {SHOE, S, HAT, S, HAT, GOOD, SHOE, S};
  tiny_directory(dir, sizeof dir);
  dataset_writer *w;
  vocab *v;
  char data[300], path[400];
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(path_join(file, sizeof file, dir, "rows.csv"));
  check_ok(writer_open(&w, data, 500, 4, true));
  add_history(w, "u0", (int32_t[]){FIRST, FIRST + 3, FIRST + 1, FIRST + 2}, (int64_t[]){10, 20, 30, 40}, 4);
  add_history(w, "u1", (int32_t[]){FIRST + 2}, (int64_t[]){15}, 1);
  check_ok(writer_path(w, "texts.h5", path, sizeof path));
  check_ok(item_texts_write(&(item_texts){ITEMS, offsets, tokens}, path, 4));
  check_ok(writer_list(w, "texts.h5"));
  check_ok(vocab_new(&v));
  for (int i = 0; i < WORDS + ITEMS; i++)
    check_ok(vocab_add(v, i < WORDS ? RANGE_WORDS : RANGE_ITEMS, names[i], 0, NULL));
  dataset_info info = {.name = "rows", .n_event_types = 1, .window = 8, .stride = 4, .has_time = true};
  snprintf(info.event_types[0], EVENT_NAME, "none");
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
  check_ok(dataset_open(&d, data, true));
  check_ok(tokenizer_open(&words, dataset_vocab(d), NULL));
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  word_tokenizer_free(words);
  dataset_close(d);
  tiny_remove(dir);
  return 0;
}

// ---- reading ---------------------------------------------------------------------------------------------------------

static void defaults(void) {
  const option_section section = {"labels", "", labelled_options, n_labelled_options, &config};
  check_ok(options_defaults(&(option_set){.sections = &section, .count = 1}));
}

static void forget(void) {
  labelled_free(&rows_read);
  labelled_report_free(&report);
  label_set_free(&labels);
}

// Keeps `labels` if there are some.
static status read_text(const char *text, bool pair, bool unlabelled) {
  const labelled_how how = {.c = &config,
                            .pair = pair,
                            .layout = &layout,
                            .d = d,
                            .words = words,
                            .unlabelled = unlabelled,
                            .keep = true};
  check_ok(file_write_atomic(file, text, strlen(text)));
  labelled_free(&rows_read);
  labelled_report_free(&report);
  return labelled_read(&rows_read, &labels, &report, &how, file, "labels.train");
}

// "good bad | hat = 1 -": tokens of both segments, and labels.
static void expect_row(int64_t i, const char *wanted) {
  char text[400] = "";
  seq_input parts[2];
  labelled_get(&rows_read, i, &parts[0], &parts[1]);
  for (int p = 0; p < (rows_read.pairs ? 2 : 1); p++) {
    if (p == 1) strcat(text, "| ");
    for (int32_t k = 0; k < parts[p].n; k++)
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s ",
               parts[p].tokens[k] == TOKEN_UNK ? "[UNK]" : vocab_token(dataset_vocab(d), parts[p].tokens[k]));
  }
  strcat(text, "=");
  for (int32_t k = 0; k < rows_read.targets; k++) {
    const int32_t label = rows_read.labels[i * rows_read.targets + k];
    snprintf(text + strlen(text), sizeof text - strlen(text), label < 0 ? " -" : " %d", label);
  }
  assert_string_equal(text, wanted);
}

static void test_texts(void **unused) {
  (void)unused;
  defaults();
  check_ok(read_text("text,label\n"
                     "Good shoes!,fine\n"
                     "bad,awful\n"
                     ",fine\n"
                     "\"not good, not bad, not good, not bad\",awful\n"
                     "hat,\n",
                     false, false));
  assert_true(labels.single && labels.n == 2 && strcmp(labels.task, "classify") == 0);
  assert_string_equal(labels.names[0], "awful"); // sorted by name
  assert_int_equal(rows_read.n, 3);
  expect_row(0, "good shoe ##s [UNK] = 1");
  expect_row(1, "bad = 0");
  expect_row(2, "not good [UNK] not bad [UNK] not = 0"); // seven of eleven: texts lose their end
  assert_true(report.rows == 5 && report.used == 3 && report.empty == 1 && report.cut == 1 &&
              report.no_label == 1);
  assert_true(report.holds[0] == 2 && report.holds[1] == 1 && report.unseen == 0 && report.rejected == 0);
  assert_true(rows_read.lines[0] == 2 && rows_read.lines[2] == 5);
  assert_string_equal(rows_read.texts[0], "Good shoes!");
  // Of other rows a label that these did not have is not known.
  check_ok(read_text("text,label\nhat,fine\nshoe,so so\n", false, false));
  assert_int_equal(rows_read.n, 1);
  assert_true(report.unseen == 1 && strcmp(report.first_unseen, "so so") == 0);
  check_ok(read_text("text\nhat\nshoe\n[MASK] hat [SEP]\n", false, true));
  assert_true(rows_read.n == 3 && rows_read.labels[0] == -1);
  expect_row(2, "[UNK] [UNK] [UNK] hat [UNK] [UNK] [UNK] = -"); // special tokens that are typed are text
  forget();
}

static void test_several_labels(void **unused) {
  (void)unused;
  defaults();
  snprintf(config.label, sizeof config.label, "price, size");
  check_ok(read_text(
      "text,price,size\ngood,1,0\nbad,,TRUE\nhat,,\nnot,0,no\nshoe,maybe,1\ngood,1,1\nhat,0,0\nhat,0,0\n"
      "hat,0,0\nhat,0,0\nhat,0,0\n",
      false, false));
  assert_true(!labels.single && labels.n == 2);
  expect_row(0, "good = 1 0");
  expect_row(1, "bad = - 1");
  expect_row(2, "not = 0 0");
  assert_true(report.no_label == 1 && report.rejected == 1 && report.known[0] == 8 && report.holds[0] == 2);
  if (strstr(report.first_reject, "rows.csv line 6: a label that is neither 1 nor 0") == NULL)
    fail_msg("%s", report.first_reject);
  forget();
  // Columns are the labels of their names, in whatever order the options have them.
  check_ok(read_text("text,price,size\ngood,1,0\n", false, false));
  snprintf(config.label, sizeof config.label, "size, price");
  check_ok(read_text("text,price,size\ngood,1,0\nbad,,1\n", false, false));
  expect_row(0, "good = 1 0");
  expect_row(1, "bad = - 1");
  snprintf(config.label, sizeof config.label, "size, cost");
  check_fails(read_text("text,cost,size\ngood,1,0\n", false, false), ERR_ARGUMENT,
              "labels.label: the model has no label \"cost\"");
  snprintf(config.label, sizeof config.label, "size, size");
  check_fails(read_text("text,cost,size\ngood,1,0\n", false, false), ERR_ARGUMENT,
              "labels.label names \"size\" twice");
  forget();
  // A list of labels in one column, as it comes in jsonl.
  snprintf(config.label, sizeof config.label, "tags");
  snprintf(config.list, sizeof config.list, "|");
  config.format = LABELLED_JSONL;
  check_ok(read_text("{\"text\":\"good\",\"tags\":[\"b\",\"a\"]}\n{\"text\":\"bad\",\"tags\":[\"c\"]}\n"
                     "{\"text\":\"hat\",\"tags\":\"a|c\"}\n",
                     false, false));
  assert_true(!labels.single && labels.n == 3 && strcmp(labels.names[2], "c") == 0);
  expect_row(0, "good = 1 1 0");
  expect_row(1, "bad = 0 0 1");
  expect_row(2, "hat = 1 0 1");
  check_ok(read_text("{\"text\":\"good\",\"tags\":[\"a\",\"z\"]}\n", false, false));
  expect_row(0, "good = 1 0 0");
  assert_int_equal(report.unseen, 1);
  forget();
  // Names that differ behind a thousand characters are two labels.
  char text[4000], name[1500];
  memset(name, 'x', sizeof name);
  name[sizeof name - 1] = '\0';
  snprintf(text, sizeof text, "{\"text\":\"good\",\"tags\":\"%s1|%s2\"}\n", name, name);
  check_ok(read_text(text, false, false));
  assert_int_equal(labels.n, 2);
  assert_int_equal(strlen(labels.names[1]), sizeof name);
  forget();
}

static void test_pairs(void **unused) {
  (void)unused;
  defaults();
  snprintf(config.user, sizeof config.user, "user");
  snprintf(config.item, sizeof config.item, "item");
  snprintf(config.time, sizeof config.time, "time");
  config.time_format = 0; // seconds
  check_ok(read_text("user,item,time,click,cart,buy\n"
                     "u1,i1,16,0,,\n"  // an item without a text
                     "u0,i0,30,1,0,\n" // what is at that time is not history
                     "u0,i4,1000,1,1,1\n"
                     "u9,i3,50,0,,\n" // no such user
                     "u1,i9,9,0,,\n"  // no such item, and nothing before
                     "u0,i9,25,1,,1\n",
                     true, false));
  assert_true(!labels.single && labels.n == 3 && strcmp(labels.task, "pair") == 0);
  assert_int_equal(rows_read.n, 5);
  expect_row(0, "| i3 hat = 0 - -"); // who has no history comes first, then the others by user
  expect_row(1, "i0 i3 | i0 shoe ##s = 1 0 -");
  expect_row(2, "i3 i1 i2 | i4 good shoe = 1 1 1"); // six places: both are too long
  expect_row(3, "i0 i3 | [UNK] = 1 - 1");
  expect_row(4, "i2 | i1 = 0 - -");
  assert_true(report.unknown_users == 2 && report.unknown_items == 2 && report.empty == 1 && report.cut == 1);
  assert_true(report.known[0] == 5 && report.holds[0] == 3 && report.known[2] == 2);
  forget();
  config.time[0] = '\0'; // the training part is the history
  check_ok(read_text("user,item,click,cart,buy\nu0,i2,1,,\n", true, false));
  expect_row(0, "i0 i3 | i2 hat ##s = 1 - -");
  forget();
  config.user[0] = '\0'; // the rows bring their histories
  snprintf(config.history, sizeof config.history, "seen");
  snprintf(config.text, sizeof config.text, "title");
  check_ok(read_text("seen,item,title,click,cart,buy\ni3 i7 i4 i0 i1 i2,i9,good hats,1,,\n,i0,,0,,\n", true,
                     false));
  expect_row(0, "i0 i1 i2 | [UNK] good hat = 1 - -");
  expect_row(1, "| i0 shoe ##s = 0 - -");
  assert_true(report.unknown_items == 2 && report.unknown_users == 1);
  forget();
}

static void test_what_cannot_be(void **unused) {
  (void)unused;
  defaults();
  check_fails(read_text("text,label\ngood,a\n", false, false), ERR_ARGUMENT,
              "has 1 label, and at least 2 are wanted");
  check_fails(read_text("text\ngood\n", false, false), ERR_FORMAT, "label");
  check_fails(read_text("item_id,click,cart,buy\ni0,1,,\n", true, false), ERR_ARGUMENT,
              "a pair needs labels.user, a user of the data set, or labels.history");
  snprintf(config.label, sizeof config.label, "a,b");
  check_fails(read_text("text,a,b\ngood,x,1\nbad,1,0\n", false, false), ERR_FORMAT,
              "1 of 2 rows cannot be used, the first: ");
  snprintf(config.list, sizeof config.list, "|");
  check_fails(read_text("text,a,b\ngood,1,1\n", false, false), ERR_ARGUMENT,
              "labels.list is of one column of labels");
  defaults();
  check_ok(read_text("text,label\ngood,a\nbad,b\n", false, false));
  snprintf(config.label, sizeof config.label, "a,b");
  check_fails(read_text("text,a,b\ngood,1,1\n", false, false), ERR_ARGUMENT,
              "the model has one of 2 labels, and the rows have several");
  forget();
  word_tokenizer *kept = words;
  words = NULL;
  check_fails(read_text("text,label\ngood,a\n", false, false), ERR_ARGUMENT, "has no words");
  words = kept;
}

// Files are read as souk prepare reads its logs, by the same options.
static void test_files(void **unused) {
  (void)unused;
  defaults();
  snprintf(config.missing, sizeof config.missing, "NA");
  snprintf(config.separator, sizeof config.separator, ";");
  check_ok(read_text("text;label\n\"good; \"\"hat\"\"\";a\nbad;NA\nshoe;b\n", false, false));
  expect_row(0, "good [UNK] [UNK] hat [UNK] = 0");
  expect_row(1, "shoe = 1");
  assert_int_equal(report.no_label, 1);
  forget();
  defaults();
  config.header = false; // columns by number
  config.format = LABELLED_TSV;
  snprintf(config.text, sizeof config.text, "2");
  snprintf(config.label, sizeof config.label, "1");
  check_ok(read_text("b\tgood\na\tbad hat\n", false, false));
  expect_row(0, "good = 1");
  expect_row(1, "bad hat = 0");
  forget();
  defaults();
  snprintf(config.encoding, sizeof config.encoding, "latin1");
  check_ok(read_text("text,label\ng\xf6od,\xe4\nGOOD h\xe2t,b\n", false, false));
  expect_row(0, "good = 1"); // the accents go, as the tokeniser has it
  expect_row(1, "good hat = 0");
  assert_string_equal(labels.names[1], "\u00e4");
  forget();
  defaults();
  config.quotes = 2; // "auto|double|backslash|none"
  check_ok(read_text("text,label\n\"good \\\"hat\\\"\",a\nbad,b\n", false, false));
  expect_row(0, "good [UNK] hat [UNK] = 0");
  forget();
  defaults();
  config.format = LABELLED_JSONL;
  check_ok(
      read_text("{\"text\":\"good\",\"label\":1}\n{\"text\":7,\"label\":2}\n{\"text\":\"\",\"label\":2}\n",
                false, false));
  expect_row(0, "good = 0"); // numbers are labels by their texts
  expect_row(1, "[UNK] = 1");
  assert_int_equal(report.empty, 1);
  forget();
}

// A time with a zone, in the data set's seconds: what came before 1970-01-01 00:00:30 UTC.
static void test_times(void **unused) {
  (void)unused;
  defaults();
  snprintf(config.user, sizeof config.user, "user");
  snprintf(config.item, sizeof config.item, "item");
  snprintf(config.time, sizeof config.time, "time");
  snprintf(config.time_zone, sizeof config.time_zone, "+01:00");
  config.max_rejects = 0.5;
  check_ok(read_text(
      "user,item,time,click,cart,buy\nu0,i0,1970-01-01 01:00:30,1,,\nu0,i0,1970-01-01T00:00:30Z,0,,\n"
      "u0,i0,yesterday,1,,\n",
      true, true));
  expect_row(0, "i0 i3 | i0 shoe ##s = - - -");
  expect_row(1, "i0 i3 | i0 shoe ##s = - - -");
  assert_int_equal(report.rejected, 1);
  forget();
}

// Nanoseconds reach to 2262: a later row has all of the history, and one before 1677 nothing.
static void test_times_beyond_the_unit(void **unused) {
  (void)unused;
  char path[400], *text;
  size_t bytes;
  dataset *seconds = d;
  defaults();
  snprintf(config.user, sizeof config.user, "user");
  snprintf(config.item, sizeof config.item, "item");
  snprintf(config.time, sizeof config.time, "time");
  snprintf(path, sizeof path, "%s/manifest.json", dataset_dir(d));
  check_ok(file_read(path, 1 << 20, &text, &bytes));
  const char *at = strstr(text, "\"has_time\"");
  FILE *f = fopen(path, "w");
  assert_true(at != NULL && f != NULL);
  fprintf(f, "%.*s\"time_unit\": \"nanoseconds\", %s", (int)(at - text), text, at);
  assert_int_equal(fclose(f), 0);
  check_ok(dataset_open(&d, dataset_dir(seconds), true));
  check_ok(
      read_text("user,item,time,click,cart,buy\nu0,i0,2300-01-01,1,,\nu0,i0,1600-01-01,1,,\n", true, true));
  expect_row(0, "i3 i1 i2 | i0 shoe ##s = - - -");
  expect_row(1, "| i0 shoe ##s = - - -");
  forget();
  dataset_close(d);
  d = seconds;
  check_ok(file_write_atomic(path, text, bytes));
  free(text);
}

// Twenty times the rows of another, and no fewer.
static void test_imbalance(void **unused) {
  (void)unused;
  char text[2048];
  for (int more = 0; more < 2; more++) {
    defaults();
    strcpy(text, "text,label\ngood,rare\ngood,other\nbad,other\n");
    for (int i = 0; i < 20 + more; i++) strcat(text, "hat,often\n");
    check_ok(read_text(text, false, false));
    assert_int_equal(labelled_imbalanced(&report, &labels), more); // `other` has two rows
    json_t *j = labelled_report_json(&report, &labels);
    assert_int_equal(json_integer_value(json_object_get(j, "imbalanced")), more);
    json_decref(j);
    forget();
    snprintf(config.label, sizeof config.label, "x,y");
    strcpy(text, "text,x,y\ngood,1,1\nbad,0,0\n");
    for (int i = 0; i < 19 + more; i++) strcat(text, "hat,1,\n"); // of y there are as many of both
    check_ok(read_text(text, false, false));
    assert_int_equal(labelled_imbalanced(&report, &labels), more);
    forget();
  }
}

// ---- sets of labels --------------------------------------------------------------------------------------------------

static void test_label_sets(void **unused) {
  (void)unused;
  static const char *const three[] = {"a", "b", "c"};
  label_set l, again;
  check_ok(label_set_new(&l, "pair", false, three, 3));
  l.temperatures[1] = 1.5;
  json_t *j = label_set_to_json(&l);
  check_ok(label_set_from_json(&again, j, "x.json"));
  assert_true(again.n == 3 && !again.single && strcmp(again.task, "pair") == 0 &&
              again.temperatures[1] == 1.5);
  assert_true(label_find(&again, "c") == 2 && label_find(&again, "d") == -1);
  label_set_free(&again);
  json_decref(j);
  label_set_free(&l);
  static const struct {
    const char *text, *sentence;
  } bad[] = {
      {"{\"task\":\"rank\",\"kind\":\"single\",\"names\":[\"a\",\"b\"],\"temperature\":[1]}", "labels.task"},
      {"{\"task\":\"pair\",\"names\":[\"a\",\"b\"],\"temperature\":[1]}", "labels.kind"},
      {"{\"task\":\"pair\",\"kind\":\"single\",\"names\":[\"a\"],\"temperature\":[1]}", "labels.names"},
      {"{\"task\":\"pair\",\"kind\":\"single\",\"names\":[\"a\",\"a\"],\"temperature\":[1]}",
       "has a name twice"},
      {"{\"task\":\"pair\",\"kind\":\"single\",\"names\":[\"a\",\"\"],\"temperature\":[1]}",
       "without a name"},
      {"{\"task\":\"pair\",\"kind\":\"single\",\"names\":[\"a\",3],\"temperature\":[1]}", "without a name"},
      {"{\"task\":\"pair\",\"kind\":\"single\",\"names\":[\"a\",\"b\"],\"temperature\":[1,1]}",
       "has the wrong length"},
      {"{\"task\":\"pair\",\"kind\":\"several\",\"names\":[\"a\",\"b\"],\"temperature\":[1,0]}",
       "not above 0"},
      {"{\"task\":\"pair\",\"kind\":\"several\",\"names\":\"a\",\"temperature\":[1]}", "is no list"},
      {"[]", "labels.task"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    json_t *b = json_loads(bad[i].text, 0, NULL);
    assert_non_null(b);
    check_fails(label_set_from_json(&again, b, "x.json"), ERR_FORMAT, bad[i].sentence);
    assert_int_equal(again.n, 0);
    json_decref(b);
  }
}

static void test_weights(void **unused) {
  (void)unused;
  defaults();
  check_ok(read_text("text,label\ngood,a\nbad,a\nhat,a\nshoe,b\n", false, false));
  labelled_balance(&rows_read, &labels);
  check_near((double)rows_read.weights[0], 4.0 / (2 * 3), 1e-7);
  check_near((double)rows_read.weights[3], 4.0 / (2 * 1), 1e-7);
  forget();
  snprintf(config.label, sizeof config.label, "x,y");
  check_ok(read_text("text,x,y\ngood,1,\nbad,0,1\nhat,0,1\nshoe,0,1\n", false, false));
  labelled_balance(&rows_read, &labels);
  check_near((double)rows_read.weights[0], 2, 1e-7);
  check_near((double)rows_read.weights[2], 4.0 / (2 * 3), 1e-7);
  check_near((double)rows_read.weights[3], 1, 1e-7); // y has one side only
  for (int i = 0; i < 8; i++) rows_read.weights[i] = 1;
  labelled_even(&rows_read);
  check_near((double)rows_read.weights[0], 7.0 / (2 * 4), 1e-7);
  check_near((double)rows_read.weights[3], 7.0 / (2 * 3), 1e-7);
  forget();
}

// A teacher's rows of a class weigh together no more than the labelled ones.
static void test_taught_weights(void **unused) {
  (void)unused;
  static const char *const two[] = {"a", "b"};
  label_set l;
  labelled_rows r = {.targets = 1};
  const seq_input text = {.tokens = (int32_t[]){GOOD}, .n = 1};
  static const int32_t single[] = {0, 0, 1, 0, 0, 0, 0, 1, -1}; // the last six are taught
  for (int i = 0; i < 9; i++) check_ok(labelled_add(&r, &text, NULL, &single[i], i));
  check_ok(label_set_new(&l, "classify", true, two, 2));
  check_ok(labelled_weigh_taught(&r, &l, 3));
  for (int i = 0; i < 8; i++) check_near((double)r.weights[i], i >= 3 && i < 7 ? 0.5 : 1, 1e-7);
  labelled_free(&r);
  label_set_free(&l);
  r = (labelled_rows){.targets = 2};
  static const int32_t several[4][2] = {{1, 0}, {0, -1}, {1, 0}, {1, 0}};
  for (int i = 0; i < 4; i++) check_ok(labelled_add(&r, &text, NULL, several[i], i));
  check_ok(label_set_new(&l, "classify", false, two, 2));
  check_ok(labelled_weigh_taught(&r, &l, 2));
  static const double wanted[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5};
  for (int i = 0; i < 8; i++) check_near((double)r.weights[i], wanted[i], 1e-7);
  labelled_even(&r); // which leaves a teacher its share of each label: of 3 and 2
  for (int i = 0; i < 8; i++)
    if (r.labels[i] >= 0) check_near((double)r.weights[i], wanted[i] * 5 / (2 * (i % 2 == 0 ? 3 : 2)), 1e-7);
  labelled_free(&r);
  label_set_free(&l);
}

// ---- rows in batches -------------------------------------------------------------------------------------------------

enum { MANY = 400 };

static void many_rows(labelled_rows *r) {
  *r = (labelled_rows){.targets = 1};
  for (int32_t i = 0; i < MANY; i++) {
    int32_t tokens[6];
    for (int32_t k = 0; k < 6; k++) tokens[k] = GOOD + (i + k) % WORDS;
    const seq_input text = {.tokens = tokens, .n = 1 + i % 6};
    check_ok(labelled_add(r, &text, NULL, &(int32_t){i % 3}, i + 2));
  }
}

static void test_hold_out(void **unused) {
  (void)unused;
  labelled_rows all, held, again, other;
  many_rows(&all);
  many_rows(&again);
  check_ok(labelled_hold_out(&all, 0.25, 7, &held));
  assert_true(all.n + held.n == MANY && held.n > 70 && held.n < 130);
  bool seen[MANY + 2] = {false};
  for (int64_t i = 0; i < all.n; i++) seen[all.lines[i]] = true;
  for (int64_t i = 0; i < held.n; i++) assert_false(seen[held.lines[i]]);
  char one[65], two[65];
  check_ok(labelled_hold_out(&again, 0.25, 7, &other));
  labelled_checksum(&all, one);
  labelled_checksum(&again, two);
  assert_string_equal(one, two);
  again.labels[5] = 2 - again.labels[5];
  labelled_checksum(&again, two);
  assert_true(again.labels[5] == 1 || strcmp(one, two) != 0);
  labelled_free(&all);
  labelled_free(&held);
  labelled_free(&again);
  labelled_free(&other);
}

// Every row once an epoch, in another order in the next, each with its own label.
static void test_batches(void **unused) {
  (void)unused;
  labelled_rows all;
  many_rows(&all);
  dataset_set_labelled(d, &all);
  data_config c = data_defaults();
  c.batch_tokens = 64;
  batcher *b;
  check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
  const batch_caps caps = batcher_caps(b);
  assert_int_equal(caps.targets, caps.seqs);
  int64_t order[2][MANY];
  for (int epoch = 0; epoch < 2; epoch++) {
    int32_t n = 0;
    while (n < MANY) {
      const batch *x;
      check_ok(batcher_next(b, &x));
      assert_true(x->epoch == epoch && x->n_targets == x->seqs && x->tokens <= caps.tokens);
      for (int32_t s = 0; s < x->seqs; s++) {
        const int64_t row = x->seq_ids[s] - (int64_t)epoch * MANY;
        assert_true(row >= 0 && row < MANY);
        assert_int_equal(x->targets[s], row % 3);
        assert_int_equal(x->cu_seqlens[s + 1] - x->cu_seqlens[s], 2 + 1 + row % 6);
        assert_int_equal(x->ids[x->cu_seqlens[s] + 1], GOOD + row % WORDS);
        order[epoch][n++] = row;
      }
    }
    bool seen[MANY] = {false};
    for (int i = 0; i < MANY; i++) seen[order[epoch][i]] = true;
    for (int i = 0; i < MANY; i++) assert_true(seen[i]);
  }
  assert_true(memcmp(order[0], order[1], sizeof order[0]) != 0);
  batcher_close(b);
  dataset_set_labelled(d, NULL);
  labelled_free(&all);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),
                                     cmocka_unit_test(test_several_labels),
                                     cmocka_unit_test(test_pairs),
                                     cmocka_unit_test(test_what_cannot_be),
                                     cmocka_unit_test(test_label_sets),
                                     cmocka_unit_test(test_weights),
                                     cmocka_unit_test(test_taught_weights),
                                     cmocka_unit_test(test_hold_out),
                                     cmocka_unit_test(test_batches),
                                     cmocka_unit_test(test_imbalance),
                                     cmocka_unit_test(test_files),
                                     cmocka_unit_test(test_times),
                                     cmocka_unit_test(test_times_beyond_the_unit)};
  return cmocka_run_group_tests_name("labelled", tests, set_up, tear_down);
}
