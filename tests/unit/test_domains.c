// Several domains: logs of shops with users in common, what a model reads of them, and files that are not what they should be.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "data/batcher.h"
#include "data/dataset_verify.h"
#include "data/item_texts.h"
#include "data/user_context.h"
#include "format/domains.h"
#include "lib/check.h"
#include "lib/prepare_run.h"
#include "lib/tiny_dataset.h"

static void in_dir(const char *which, const char *names) {
  char list[900] = "", name[100];
  for (const char *at = names; *at != '\0';) {
    const size_t n = strcspn(at, ",");
    snprintf(name, sizeof name, "%.*s", (int)n, at);
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s/%s", list[0] != '\0' ? "," : "", dir,
             name);
    at += n + (at[n] == ',');
  }
  option_text(which, list);
}

static void begin_shops(void) {
  begin("out");
  write_log("log", "");
  write_log("east", "user_id,item_id,t\nann,1,10\nann,2,20\nann,1,50\nbob,1,1\n");
  write_log("west", "user_id,item_id,t\nann,1,30\nann,7,40\nrobert,7,2\nrobert,8,3\n");
  write_log("map", "domain,user,person\nwest,robert,bob\neast,nobody,x\nwest,robert,carl\n");
  in_dir("input.log", "east,west");
  option_text("input.domains", "east, west");
  option_text("fields.time", "t");
  option_text("output.split", "none");
}

static void expect_rows(dataset *d, const char *user, int32_t begin_at, int32_t end, int32_t room,
                        const char *wanted) {
  const user_context *known;
  char path[400], *text, got[1024] = "";
  size_t n;
  int64_t index = 0;
  int32_t tokens[64];
  uint8_t events[64];
  sequence_block *b;
  sequence s;
  check_ok(dataset_user_context(d, &known));
  snprintf(path, sizeof path, "%.300s/users.tsv", dataset_dir(d));
  check_ok(file_read(path, 1 << 20, &text, &n));
  for (const char *at = text; strncmp(at, user, strlen(user)) != 0; at = strchr(at, '\n') + 1) index++;
  free(text);
  check_ok(block_read(&b, d, index, 1));
  block_get(b, 0, &s);
  const context_span span = {.sequence = index, .begin = begin_at, .end = end < 0 ? s.n : end, .query = true};
  const int32_t rows_there = context_fill(known, &span, s.tokens, s.events, room, tokens, events);
  if (room == 64) assert_int_equal(context_rows(known, &span), rows_there);
  for (int32_t i = 0; i < rows_there; i++) {
    if (i > 0) strcat(got, " ");
    strcat(got, vocab_token(dataset_vocab(d), tokens[i]));
  }
  block_free(b);
  assert_string_equal(got, wanted);
}

static void shops_share_users_and_not_items(void **unused) {
  (void)unused;
  begin_shops();
  dataset *d = run_and_open();
  check_ok(dataset_verify(d));
  const vocab *v = dataset_vocab(d);
  assert_int_equal(dataset_get_info(d)->sequences, 3); // ann, bob, robert
  assert_true(vocab_has_domains(v));
  const int32_t one = vocab_find(v, RANGE_ITEMS, "west/1");
  assert_true(one >= 0 && vocab_find(v, RANGE_ITEMS, "east/1") >= 0 && vocab_find(v, RANGE_ITEMS, "1") < 0);
  assert_string_equal(vocab_token(v, domain_of_item(v, one)), "domain=west");
  expect_rows(d, "ann", 0, -1, 64, "domain=east east/1 east/2 domain=west west/1 west/7 domain=east east/1");
  expect_rows(d, "ann", 1, 4, 64, "domain=east east/2 domain=west west/1 west/7");
  expect_rows(d, "ann", 3, 4, 64, "domain=west west/7");
  expect_rows(d, "ann", 0, -1, 3, "west/7 domain=east east/1"); // the newest rows
  expect_rows(d, "bob", 0, -1, 64, "domain=east east/1");
  json_t *j = report(), *domains = json_object_get(j, "domains");
  assert_int_equal(count_of(domains, "domains"), 2);
  assert_int_equal(count_of(domains, "shared_users"), 1);
  assert_int_equal(count_of(domains, "runs"), 5);
  json_decref(j);
  dataset_close(d);
}

// A border between sessions may cut a run, and then both segments say whose events they are.
static void pairs_of_sessions_have_domains(void **unused) {
  (void)unused;
  data_config config = data_defaults();
  const seq_layout layout = {.cls_sep = true, .max_positions = 12, .n_event_types = 2, .segments = 2};
  batcher *b;
  const batch *x;
  char got[1024] = "";
  begin_shops();
  write_log("east", "user_id,item_id,t\nann,1,10\nann,2,20\nann,1,9000\n");
  write_log("west", "user_id,item_id,t\nann,7,9010\n");
  dataset *d = run_and_open();
  config.batch_tokens = 64;
  config.next_session = true;
  config.dupe_factor = 0;
  check_ok(batcher_open(&b, d, &config, &layout, PART_TRAIN, 0, 1));
  check_ok(batcher_next(b, &x));
  assert_int_equal(x->seqs, 1);
  for (int32_t i = 0; i < x->tokens; i++) {
    if (i > 0) strcat(got, " ");
    strcat(got, vocab_token(dataset_vocab(d), x->ids[i]));
  }
  assert_string_equal(got,
                      "[CLS] domain=east east/1 east/2 [SEP] domain=east east/1 domain=west [MASK] [SEP]");
  batcher_close(b);
  dataset_close(d);
}

static void a_map_joins_users(void **unused) {
  (void)unused;
  begin_shops();
  in_dir("input.user_map", "map");
  dataset *d = run_and_open();
  assert_int_equal(dataset_get_info(d)->sequences, 2);
  expect_rows(d, "bob", 0, -1, 64, "domain=east east/1 domain=west west/7 west/8");
  json_t *j = report(), *domains = json_object_get(j, "domains");
  assert_int_equal(count_of(domains, "shared_users"), 2);
  assert_int_equal(count_of(domains, "map_rows"), 3);
  assert_int_equal(count_of(domains, "map_repeated"), 1);
  assert_int_equal(count_of(domains, "map_unused"), 1);
  assert_int_equal(count_of(domains, "joined_rows"), 2);
  json_decref(j);
  dataset_close(d);
}

static void a_column_says_the_domain(void **unused) {
  (void)unused;
  begin_shops();
  write_log("log", "user_id,item_id,t,shop\nann,1,1,east\nann,1,2,west\nann,1,3,\nann,1,4,a/b\n");
  in_dir("input.log", "log");
  option_text("input.domains", "");
  option_text("fields.domain", "shop");
  option_text("input.max_rejects", "0.6");
  dataset *d = run_and_open();
  expect_rows(d, "ann", 0, -1, 64, "domain=east east/1 domain=west west/1");
  json_t *j = report();
  assert_int_equal(count_of(j, "rejected"), 2);
  json_decref(j);
  dataset_close(d);
}

static void catalogues_are_of_domains(void **unused) {
  (void)unused;
  begin_shops();
  write_log("c1", "item_id,name\n1,red\n2,blue\n");
  write_log("c2", "item_id,name\n1,hat\n7,shoe\n");
  write_log("words.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nblue\nhat\nshoe\n");
  in_dir("input.catalogue", "c1,c2");
  option_text("input.catalogue_domains", "east,west");
  option_text("catalogue.title", "name");
  in_dir("output.words", "words.txt");
  dataset *d = run_and_open();
  static const char *const wanted[][2] = {
      {"east/1", "red"}, {"east/2", "blue"}, {"west/1", "hat"}, {"west/7", "shoe"}};
  const vocab *v = dataset_vocab(d);
  const item_texts *t;
  check_ok(dataset_item_texts(d, &t));
  for (int i = 0; i < 4; i++) {
    const int32_t row = vocab_find(v, RANGE_ITEMS, wanted[i][0]) - vocab_begin(v, RANGE_ITEMS);
    assert_int_equal(t->offsets[row + 1] - t->offsets[row], 1);
    assert_string_equal(vocab_token(v, t->tokens[t->offsets[row]]), wanted[i][1]);
  }
  dataset_close(d);
}

static void wrong_options_are_told(void **unused) {
  (void)unused;
  begin_shops();
  option_text("input.domains", "east");
  check_fails(run(), ERR_ARGUMENT, "input.domains names 1 domains, but there are 2 files");
  option_text("input.domains", "east,west,north");
  check_fails(run(), ERR_ARGUMENT, "input.domains names 3 domains, but there are 2 files");
  option_text("input.domains", "east,we/st");
  check_fails(run(), ERR_ARGUMENT, "\"we/st\" is no name of a domain");
  option_text("input.domains", "east,west");
  option_text("fields.domain", "shop");
  check_fails(run(), ERR_ARGUMENT, "input.domains and fields.domain both say");
  option_text("fields.domain", "");
  option_text("output.attributes", "false");
  check_fails(run(), ERR_ARGUMENT, "domains are attributes of items");
  option_text("output.attributes", "true");
  in_dir("input.user_map", "map");
  write_log("map", "domain,user,person\nwest,robert,\n");
  check_fails(run(), ERR_FORMAT, "map line 2: a name is missing");
  option_text("input.domains", "");
  check_fails(run(), ERR_ARGUMENT, "input.user_map needs input.domains or fields.domain");
}

// What comes next is predicted at the event before it and at the domain's token, which nobody knows who asks.
static void next_items_are_predicted_through_domains(void **unused) {
  (void)unused;
  begin_shops();
  dataset *d = run_and_open();
  data_config config = data_defaults();
  const seq_layout layout = {.asks = ASKS_NEXT, .max_positions = 20, .n_event_types = 1};
  const vocab *v = dataset_vocab(d);
  batcher *b;
  const batch *x;
  config.batch_tokens = 64;
  check_ok(batcher_open(&b, d, &config, &layout, PART_TRAIN, 0, 1));
  check_ok(batcher_next(b, &x));
  int32_t west = 0, at_domain = 0;
  for (int32_t i = 0; i < x->n_masked; i++) {
    assert_true(x->labels[i] >= vocab_begin(v, RANGE_ITEMS));
    if (x->labels[i] != vocab_find(v, RANGE_ITEMS, "west/1")) continue;
    west += x->ids[x->masked[i]] == vocab_find(v, RANGE_ITEMS, "east/2");
    at_domain += x->ids[x->masked[i]] == vocab_find(v, RANGE_ATTRIBUTES, "domain=west");
  }
  assert_int_equal(west, 1);
  assert_int_equal(at_domain, 1);
  batcher_close(b);
  dataset_close(d);
}

static void hostile_files_are_refused(void **unused) {
  (void)unused;
  begin_shops();
  dataset *d = run_and_open();
  const user_context *known;
  check_ok(dataset_user_context(d, &known));
  const int64_t users = known->users;
  int64_t offsets[4];
  int32_t places[5];
  memcpy(offsets, known->runs.offsets, sizeof offsets);
  memcpy(places, known->runs.places, sizeof places);
  dataset_close(d);
  int32_t at = 0; // ann's runs begin here
  while (places[at + 1] == 0) at++;
  const struct {
    int32_t place, value;
    const char *says;
  } cases[] = {{at, 1, "a run of history"},
               {at + 1, 0, "begins at event 0"},
               {at + 1, -1, "begins at event -1"},
               {at + 2, 5, "begins at event 5"},
               {at + 2, 2, "begins at event 2"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[1300], *bytes;
    size_t n;
    const int32_t before = places[cases[i].place];
    places[cases[i].place] = cases[i].value;
    snprintf(path, sizeof path, "%s/domains.h5", c.output.out);
    unlink(path);
    check_ok(user_runs_write(&(user_runs){offsets, places}, users, path, 4));
    places[cases[i].place] = before;
    check_ok(file_read(path, 1 << 20, &bytes, &n));
    tiny_list(c.output.out, "domains.h5", bytes, n);
    free(bytes);
    check_ok(dataset_open(&d, c.output.out, false));
    check_fails(dataset_verify(d), ERR_FORMAT, cases[i].says);
    dataset_close(d);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(shops_share_users_and_not_items), TEST(a_map_joins_users),
      TEST(pairs_of_sessions_have_domains),  TEST(a_map_joins_users),
      TEST(a_column_says_the_domain),        TEST(catalogues_are_of_domains),
      TEST(wrong_options_are_told),          TEST(next_items_are_predicted_through_domains),
      TEST(hostile_files_are_refused),
  };
  return cmocka_run_group_tests_name("domains", tests, NULL, NULL);
}
