// Promotion copy in souk prepare: fields, terms that become slots, quantities without weight, parts, what is left out, and the files.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/copy_rows.h"
#include "data/dataset_verify.h"
#include "format/copy_context.h"
#include "lib/check.h"
#include "lib/prepare_run.h"
#include "lib/tiny_dataset.h"

static const char vocab_txt[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n/"
                                "\nmug\noff\nuntil\n3\npieces\n.\nred\ncolor\n杯\n子\n只\n要\nreads\n";
static const char log_csv[] = "user_id,item_id,ts\nu,a,10\nu,b,20\nu,a,30\nv,b,5\nv,a,6\nw,b,7\n";
static const char rows_jsonl[] =
    "{\"user\":\"u\",\"item\":\"a\",\"title\":\"mug\",\"attributes\":\"color#red\",\"goal\":\"sales\","
    "\"type\":\"coupon\","
    "\"market\":\"us\",\"language\":\"en\",\"amount\":10,\"date\":\"2026-12-31\",\"copy\":\"The mug $10 off "
    "until Dec 31, "
    "2026. 3 "
    "pieces.\",\"time\":\"1970-01-01T00:00:25Z\",\"click\":1,\"propensity\":0.25,\"style\":\"plain\"}\n"
    "{\"user\":\"nobody\",\"item\":\"gone\",\"language\":\"zh\",\"market\":\"cn\",\"price\":199,\"copy\":"
    "\"杯子只要199元.\"}\n"
    "{\"language\":\"en\",\"copy\":\"reads reads slot:price [SEP]\",\"click\":0}\n";

static void in_dir(const char *which, const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  option_text(which, path);
}

static void begin_copy(const char *rows, bool log) {
  begin("out");
  write_log("log", log_csv);
  write_log("rows.jsonl", rows);
  write_log("words.txt", vocab_txt);
  in_dir("output.words", "words.txt");
  in_dir("input.copy", "rows.jsonl");
  option_text("copy.valid_share", "0");
  if (log) option_text("fields.time", "ts");
  if (!log) option_text("input.log", "");
}

static void expect(dataset *d, const copy_lists *l, int64_t row, const char *wanted) {
  char text[1024] = "";
  for (int64_t k = l->offsets[row]; k < l->offsets[row + 1]; k++)
    sprintf(text + strlen(text), "%s%s", text[0] != '\0' ? " " : "",
            vocab_token(dataset_vocab(d), l->tokens[k]));
  assert_string_equal(text, wanted);
}

// What the item's text of row `row` is.
static void expect_item(const char *rows, int64_t row, const char *wanted) {
  begin_copy(rows, true);
  dataset *d = run_and_open();
  const copy_rows *r;
  check_ok(dataset_copy(d, &r));
  expect(d, &r->text, row, wanted);
  dataset_close(d);
}

#define MUG(attributes) \
  "{\"language\":\"en\",\"title\":\"mug\",\"copy\":\"the mug\",\"attributes\":" attributes "}\n"

static void attributes_may_be_an_object(void **unused) {
  (void)unused;
  expect_item(MUG("\"color#red*pieces#3\""), 0, "mug color red pieces 3");
  expect_item(MUG("{\"color\":\"red\",\"pieces\":3}"), 0, "mug color red pieces 3");
  expect_item(MUG("{\"color\":\"r\\u0065d\", \"pieces\" : 3 }"), 0, "mug color red pieces 3");
  expect_item("{'language':'en','copy':'the mug','attributes':{'color':u'red','pieces':3}}\n", 0,
              "color red pieces 3");
  expect_item(MUG("{}") MUG("{\"color\":\"\",\"red\":\"the*mug\"}"), 0, "mug");
  expect_item(MUG("{}") MUG("{\"color\":\"\",\"red\":\"the*mug\"}"), 1, "mug color red the mug");
  expect_item(MUG("[{\"color\":\"red\"},{\"pieces\":3}]"), 0, "mug color red pieces 3");
}

static void attributes_of_neither_text_nor_number_are_told(void **unused) {
  (void)unused;
  static const char *const wrong[] = {
      "{\"color\":null}", "{\"color\":true}",      "{\"color\":[\"red\"]}", "{\"color\":{\"a\":1}}",
      "{\"color\":NaN}",  "{\"color\":-Infinity}", "[{\"a\":\"b\"},\"c\"]", "[\"c\",{\"a\":\"b\"}]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char rows[512];
    snprintf(rows, sizeof rows, MUG("\"color#red\"") MUG("%s"), wrong[i]);
    begin_copy(rows, true);
    option_text("input.max_rejects", "0");
    check_fails(run(), ERR_FORMAT, "attributes of which one is neither a text nor a number");
  }
}

static void rows_become_tokens(void **unused) {
  (void)unused;
  begin_copy(rows_jsonl, true);
  dataset *d = run_and_open();
  const copy_rows *r;
  check_ok(dataset_verify(d));
  check_ok(dataset_copy(d, &r));
  assert_int_equal(r->n, 3);
  expect(d, &r->context, 0, "language:en market:us promo:coupon goal:sales slot:item slot:amount slot:date");
  expect(d, &r->text, 0, "mug color red");
  expect(d, &r->copy, 0, "the slot:item slot:amount off until slot:date . 3 pieces .");
  expect(d, &r->context, 1, "language:zh market:cn slot:price");
  expect(d, &r->text, 1, "");
  expect(d, &r->copy, 1, "杯 子 只 要 slot:price .");
  // Nothing that somebody typed becomes a slot or a special token.
  expect(d, &r->context, 2, "language:en");
  expect(d, &r->copy, 2, "reads reads [UNK] [UNK] [UNK] [UNK] [UNK] [UNK]");
  static const uint8_t weights[] = {1, 1, 1, 1, 1, 1, 1, 0, 0, 1};
  assert_memory_equal(r->weights, weights, sizeof weights);
  expect_user(d, "u", "a/0 | b/0 | a/0");
  assert_true(r->user[0] >= 0 && r->user[1] == -1 && r->user[2] == -1);
  assert_true(r->time[0] == 25 && r->time[1] == COPY_NO_TIME);
  assert_true(r->item[0] == vocab_find(dataset_vocab(d), RANGE_ITEMS, "a") && r->item[1] == -1);
  assert_true(r->click[0] == 1 && r->click[1] == COPY_NO_CLICK && r->click[2] == 0);
  assert_true(r->propensity[0] == 0.25f && r->propensity[1] == 0);
  assert_true(r->style[0] == 0 && r->style[1] == -1);
  json_t *j = report(), *copy = json_object_get(j, "copy");
  assert_int_equal(count_of(copy, "train"), 3);
  assert_int_equal(count_of(copy, "slots"), 4);
  assert_int_equal(count_of(copy, "quantities"), 1);
  assert_int_equal(count_of(copy, "without_slot"), 1);
  assert_int_equal(count_of(copy, "unknown_users"), 1);
  assert_int_equal(count_of(copy, "unknown_items"), 1);
  assert_int_equal(count_of(copy, "clicks"), 1);
  json_decref(j);
  dataset_close(d);
}

// A data set may be copy alone. Columns have other names; languages and markets of rows that name none are options, as are names that
// no row has.
static void copy_alone(void **unused) {
  (void)unused;
  begin_copy("{\"content\":\"color#red*color#mug\",\"summary\":\"the "
             "mug\"}\n{\"content\":\"red\",\"summary\":\"red mug. the the\"}\n",
             false);
  option_text("input.copy_fields", "copy=summary, attributes=content");
  option_text("copy.language", "en");
  option_text("copy.goals", "sales, launch");
  option_text("copy.tokens", "4");
  dataset *d = run_and_open();
  const copy_rows *r;
  check_ok(dataset_verify(d));
  check_ok(dataset_copy(d, &r));
  assert_int_equal(r->n, 2);
  expect(d, &r->context, 0, "language:en");
  expect(d, &r->text, 0, "color red color mug");
  expect(d, &r->copy, 1, "red mug . the");
  const vocab *v = dataset_vocab(d);
  assert_true(copy_name_token(v, COPY_GOAL, "launch") >= 0 && copy_name_token(v, COPY_GOAL, "other") == -1);
  assert_true(copy_slot_token(v, SLOT_CODE) >= 0);
  assert_int_equal(vocab_begin(v, RANGE_ITEMS), vocab_end(v, RANGE_ITEMS));
  json_t *j = report();
  assert_int_equal(count_of(json_object_get(j, "copy"), "cut"), 1);
  json_decref(j);
  dataset_close(d);
  // The same rows as csv, whose header may lack what it does not have.
  write_log("rows.csv", "summary,content\nthe mug,color#red*color#mug\nred mug. the the,red\n");
  in_dir("input.copy", "rows.csv");
  d = run_and_open();
  check_ok(dataset_copy(d, &r));
  expect(d, &r->text, 0, "color red color mug");
  expect(d, &r->copy, 1, "red mug . the");
  dataset_close(d);
}

static void parts(void **unused) {
  (void)unused;
  char rows[1 << 14] = "";
  for (int i = 0; i < 120; i++)
    sprintf(rows + strlen(rows), "{\"user\":\"u%d\",\"language\":\"en\",\"copy\":\"the mug\"}\n", i % 40);
  begin_copy(rows, false);
  option_text("copy.valid_share", "0.3");
  option_text("copy.test_share", "0.2");
  dataset *d = run_and_open();
  const copy_rows *r;
  check_ok(dataset_copy(d, &r));
  for (int64_t i = 40; i < r->n; i++) assert_int_equal(r->part[i], r->part[i - 40]); // a user is in one part
  for (int p = 0; p < COPY_PARTS; p++) assert_true(copy_rows_count(r, (copy_part)p) >= 3);
  const int64_t test = copy_rows_count(r, COPY_TEST);
  dataset_close(d);
  // Files of their own: what the first has trains, but for a part without a file.
  write_log("valid.jsonl",
            "{\"language\":\"en\",\"copy\":\"the\"}\n{\"language\":\"en\",\"copy\":\"mug\"}\n");
  in_dir("input.copy_valid", "valid.jsonl");
  option_text("copy.valid_share", "0.3");
  option_text("copy.test_share", "0");
  d = run_and_open();
  check_ok(dataset_copy(d, &r));
  assert_int_equal(copy_rows_count(r, COPY_VALID), 2);
  assert_int_equal(copy_rows_count(r, COPY_TRAIN), 120);
  assert_true(test < 60);
  dataset_close(d);
}

// What cannot be used is told with its reason, and the rest is taken.
static void left_out(void **unused) {
  (void)unused;
  begin_copy(
      "{\"language\":\"en\",\"copy\":\"the mug\"}\n{\"language\":\"en\",\"copy\":\"  \"}\n"
      "{\"language\":\"en\",\"copy\":\"the\",\"price\":30,\"was\":20}\n"
      "{\"language\":\"en\",\"copy\":\"the\",\"price\":\"cheap\"}\n{\"language\":\"fr\",\"copy\":\"the\"}\n"
      "{\"language\":\"en\",\"copy\":\"the\",\"click\":2}\n{\"language\":\"en\",\"copy\":\"the\","
      "\"propensity\":0}\n"
      "{\"language\":\"en\",\"copy\":\"the\",\"date\":\"tomorrow\"}\n{\"language\":\"en\",\"copy\":\"the\","
      "\"market\":\"mars\"}\n"
      "{\"copy\":\"the\"}\n{\"language\":\"en\",\"copy\":\"3 pieces\"}\n",
      false);
  option_text("input.max_rejects", "0.9");
  option_text("copy.quantities", "drop");
  dataset *d = run_and_open();
  const copy_rows *r;
  check_ok(dataset_copy(d, &r));
  assert_int_equal(r->n, 1);
  json_t *j = report(), *copy = json_object_get(j, "copy");
  assert_int_equal(count_of(copy, "rejected"), 7);
  assert_int_equal(count_of(copy, "dropped"), 3);
  char *text = json_dumps(copy, 0);
  static const char *const reasons[] = {"a price that is no number",
                                        "a language that is neither zh nor en",
                                        "a click that is neither 0 nor 1",
                                        "a propensity that is not above 0 and at most 1",
                                        "a date that is not like 2026-12-31 or 12-31",
                                        "a market that is none of",
                                        "no language",
                                        "empty copy",
                                        "terms that contradict each other",
                                        "a quantity that is no term"};
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (strstr(text, reasons[i]) == NULL) fail_msg("\"%s\" is not in %s", reasons[i], text);
  free(text);
  json_decref(j);
  dataset_close(d);
  option_text("input.max_rejects", "0.1");
  check_fails(run(), ERR_FORMAT, "7 of 11 rows cannot be read");
}

// copy.h5 with these rows in place of its own.
static void put_rows(dataset *d, const copy_rows *r) {
  char path[400], *bytes;
  size_t n;
  snprintf(path, sizeof path, "%s/hostile.h5", dir);
  check_ok(copy_rows_write(r, path, 0));
  check_ok(file_read(path, 1 << 20, &bytes, &n));
  assert_int_equal(remove(path), 0);
  tiny_list(dataset_dir(d), "copy.h5", bytes, n);
  free(bytes);
}

static void expect_fault(dataset *d, const copy_rows *r, const char *sentence) {
  dataset *again;
  const copy_rows *rows;
  put_rows(d, r);
  check_ok(dataset_open(&again, dataset_dir(d), false));
  check_fails(dataset_copy(again, &rows), ERR_FORMAT, sentence);
  dataset_close(again);
}

// A file that anybody may have written: every value that the rest relies on is checked, and the row is named.
static void hostile(void **unused) {
  (void)unused;
  begin_copy(rows_jsonl, true);
  dataset *d = run_and_open();
  const copy_rows *r;
  check_ok(dataset_copy(d, &r));
  const int32_t items = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  const struct {
    void *at;
    int32_t bytes;
    int64_t value;
    const char *sentence;
  } faults[] = {{&r->part[1], 1, 3, "\"part\" of row 1"},
                {&r->user[2], 8, 3, "\"user\" of row 2"},
                {&r->user[0], 8, -2, "\"user\" of row 0"},
                {&r->item[0], 4, items - 1, "\"item\" of row 0"},
                {&r->item[0], 4, INT32_MAX, "\"item\" of row 0"},
                {&r->cut[0], 1, 2, "\"cut\" of row 0"},
                {&r->click[0], 1, 2, "\"click\" of row 0"},
                {&r->style[1], 4, -2, "\"style\" of row 1"},
                {&r->weights[1], 1, 2, "\"weights\" at 1"},
                {&r->context.tokens[0], 4, TOKEN_SEP, "\"context\" of row 0"},
                {&r->copy.tokens[0], 4, items, "\"copy\" of row 0"},
                {&r->text.tokens[0], 4, -1, "\"text\" of row 0"},
                {&r->copy.offsets[1], 8, 0, "\"copy\" of row 0"},
                {&r->text.offsets[1], 8, 99, "text_offsets"}};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    int64_t was = 0;
    memcpy(&was, faults[i].at, (size_t)faults[i].bytes);
    memcpy(faults[i].at, &faults[i].value, (size_t)faults[i].bytes);
    expect_fault(d, r, faults[i].sentence);
    memcpy(faults[i].at, &was, (size_t)faults[i].bytes);
  }
  r->propensity[0] = 1.5f;
  expect_fault(d, r, "\"propensity\" of row 0");
  dataset_close(d);
}

// However many quantities a copy has, none is learned.
static void many_quantities(void **unused) {
  (void)unused;
  enum { QUANTITIES = 700 };
  char rows[1 << 14] = "{\"language\":\"en\",\"copy\":\"";
  for (int i = 0; i < QUANTITIES; i++) strcat(rows, "3 ");
  strcat(rows, "mug\"}\n{\"language\":\"en\",\"copy\":\"the 3 pieces\"}\n");
  begin_copy(rows, false);
  option_text("copy.tokens", "500");
  dataset *d = run_and_open();
  const copy_rows *r;
  check_ok(dataset_copy(d, &r));
  assert_int_equal(r->copy.offsets[1], 500);
  for (int64_t k = 0; k < r->copy.offsets[1]; k++) assert_int_equal(r->weights[k], 0);
  json_t *j = report();
  assert_int_equal(count_of(json_object_get(j, "copy"), "quantities"), QUANTITIES + 1);
  json_decref(j);
  dataset_close(d);
}

static void refused(void **unused) {
  (void)unused;
  begin_copy(rows_jsonl, true);
  option_text("output.words", "");
  check_fails(run(), ERR_ARGUMENT, "input.copy needs output.words");
  begin_copy(rows_jsonl, true);
  option_text("input.copy_fields", "copy=text, colour=x");
  check_fails(run(), ERR_ARGUMENT, "input.copy_fields: \"colour=x\" is not FIELD=COLUMN");
  begin_copy(rows_jsonl, true);
  option_text("copy.language", "fr");
  check_fails(run(), ERR_ARGUMENT, "copy.language is \"fr\"");
  begin_copy(rows_jsonl, true);
  option_text("copy.valid_share", "0.6");
  option_text("copy.test_share", "0.4");
  check_fails(run(), ERR_ARGUMENT, "leave nothing to train on");
  begin_copy("{\"language\":\"en\",\"copy\":\" \"}\n", false);
  check_fails(run(), ERR_FORMAT, "has no row of copy that can be used");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rows_become_tokens),
                                     cmocka_unit_test(attributes_may_be_an_object),
                                     cmocka_unit_test(attributes_of_neither_text_nor_number_are_told),

                                     cmocka_unit_test(copy_alone),
                                     cmocka_unit_test(parts),
                                     cmocka_unit_test(left_out),
                                     cmocka_unit_test(hostile),
                                     cmocka_unit_test(many_quantities),
                                     cmocka_unit_test(refused)};
  return cmocka_run_group_tests_name("prepare_copy", tests, setup, teardown);
}
