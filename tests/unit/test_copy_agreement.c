// Trainer and inference module agree about copy: from rows of files, over the data set, the source that a model is trained on has the same
// rows as the one that is made of the same request, and the probability of a copy is the same on both sides.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "convert/export.h"
#include "data/copy_examples.h"
#include "data/item_texts.h"
#include "eval/copy_scores.h"
#include "lib/check.h"
#include "lib/prepare_run.h"
#include "lib/tiny_bundle.h"
#include "model/objective.h"

enum { COPY_TOKENS = 9, ITEM_TOKENS = 7, ROWS = 5 };

static const char vocab_txt[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nmug\n##"
                                "s\noff\nuntil\nred\nbig\ncolor\n杯\n子\n只\n要\n,\n.\nlamp\n";
static const char log_csv[] =
    "user_id,item_id,event,ts\nu,a,view,10\nu,b,buy,20\nu,c,view,30\nu,a,buy,40\nu,c,buy,50\n"
    "v,b,view,5\nv,a,view,6\nw,c,buy,7\n";
static const char catalogue_csv[] = "item_id,name\na,Red mug\nb,Big lamp\nc,杯子\n";
static const char rows_jsonl[] =
    "{\"user\":\"u\",\"item\":\"a\",\"goal\":\"sales\",\"type\":\"coupon\",\"market\":\"us\",\"language\":"
    "\"en\",\"amount\":10,"
    "\"date\":\"2026-12-31\",\"copy\":\"The mug $10 off until Dec 31, "
    "2026.\",\"time\":\"1970-01-01T00:00:45Z\"}\n"
    "{\"user\":\"v\",\"item\":\"b\",\"title\":\"big red "
    "lamp\",\"language\":\"zh\",\"market\":\"cn\",\"price\":199,\"copy\":\"杯子只要199元.\"}\n"
    "{\"title\":\"mugs\",\"attributes\":\"color#red\",\"language\":\"en\",\"market\":\"us\",\"type\":"
    "\"gift\",\"copy\":\"red "
    "mugs\"}\n"
    "{\"user\":\"w\",\"item\":\"c\",\"language\":\"zh\",\"market\":\"cn\",\"goal\":\"launch\",\"threshold\":"
    "300,\"amount\":50,\"code\":\"AB12\",\"copy\":\"满300减50\",\"time\":\"1970-01-01T00:00:01Z\"}\n"
    "{\"user\":\"u\",\"item\":\"gone\",\"language\":\"en\",\"market\":\"gb\",\"percent\":20,\"copy\":\"the "
    "lamp 20% off\",\"time\":\"1970-01-01T00:01:40Z\"}\n";

typedef struct world {
  dataset *d;
  model *m;
  copy_examples *e;
  souk_bundle *b;
} world;

static void in_dir(const char *which, const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  option_text(which, path);
}

static dataset *make_data(void) {
  begin("data");
  write_log("log", log_csv);
  write_log("catalogue", catalogue_csv);
  write_log("rows.jsonl", rows_jsonl);
  write_log("words.txt", vocab_txt);
  in_dir("output.words", "words.txt");
  in_dir("input.copy", "rows.jsonl");
  in_dir("input.catalogue", "catalogue");
  option_text("catalogue.title", "name");
  option_text("fields.time", "ts");
  option_text("fields.event", "event");
  option_text("output.split", "none");
  option_text("copy.valid_share", "0");
  return run_and_open();
}

static void make_world(world *w, const model_config *mc) {
  char saved[PATH_MAX], bundle[PATH_MAX];
  const train_state state = {.step = 7};
  const item_texts *texts;
  model_config own = *mc;
  w->d = make_data();
  check_ok(dataset_item_texts(w->d, &texts)); // as a run has them, whose checkpoints have them then
  w->m = tiny_model(w->d, &own);
  check_ok(path_join(saved, sizeof saved, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  if (dir_exists(saved)) check_ok(dir_remove(saved));
  check_ok(tiny_checkpoint(saved, w->m, &state, "data:\n  copy_tokens: 9\n  text_tokens: 7\n", w->d, false));
  check_ok(export_bundle(saved, bundle, &(export_config){.force = true}, NULL));
  const copy_layout layout = {
      .sequence = model_layout(&own), .copy_tokens = COPY_TOKENS, .item_tokens = ITEM_TOKENS};
  check_ok(copy_examples_open(&w->e, w->d, &layout));
  w->b = tiny_open(dir);
}

static void close_world(world *w) {
  souk_close(w->b);
  copy_examples_close(w->e);
  model_free(w->m);
  dataset_close(w->d);
}

// The requests of the rows above, as a caller would make them. The history of the third one ends before its first event.
static void make_requests(const world *w, souk_promo_request r[ROWS]) {
  static const char *const of_u[] = {"a", "b", "c", "a", "c"}, *const of_v[] = {"b", "a"};
  static const char *const events_u[] = {"view", "buy", "view", "buy", "buy"}, *const events_v[] = {"view",
                                                                                                    "view"};
  const vocab *v = dataset_vocab(w->d);
  const int32_t first = vocab_begin(v, RANGE_ITEMS);
  memset(r, 0, ROWS * sizeof *r);
  r[0] = (souk_promo_request){.history = {.n = 4, .names = of_u, .event_names = events_u},
                              .item = vocab_find(v, RANGE_ITEMS, "a") - first,
                              .goal = "sales",
                              .type = "coupon",
                              .market = "us",
                              .language = "en",
                              .terms = {.amount = 10, .year = 2026, .month = 12, .day = 31}};
  r[1] = (souk_promo_request){.history = {.n = 2, .names = of_v, .event_names = events_v},
                              .item = vocab_find(v, RANGE_ITEMS, "b") - first,
                              .product = {.text = "big red lamp"},
                              .market = "cn",
                              .language = "zh",
                              .terms = {.item = "big red lamp", .price = 199}};
  r[2] = (souk_promo_request){.item = -1,
                              .product = {.text = "mugs color red"},
                              .type = "gift",
                              .market = "us",
                              .language = "en",
                              .terms = {.item = "mugs"}};
  r[3] = (souk_promo_request){.item = vocab_find(v, RANGE_ITEMS, "c") - first,
                              .goal = "launch",
                              .market = "cn",
                              .language = "zh",
                              .terms = {.threshold = 300, .amount = 50, .code = "AB12"}};
  r[4] = (souk_promo_request){.history = {.n = 5, .names = of_u, .event_names = events_u},
                              .item = -1,
                              .market = "gb",
                              .language = "en",
                              .terms = {.percent = 20}};
}

static void compare(const world *w, const souk_promo_options *o) {
  souk_promo_request r[ROWS];
  souk_promo *p;
  souk_error e;
  make_requests(w, r);
  if (souk_promo_write(w->b, r, ROWS, o, &p, &e) != SOUK_OK) fail_msg("%s", e.message);
  for (size_t i = 0; i < ROWS; i++) {
    souk_copy got;
    souk_promo_notes notes;
    double ours;
    assert_int_equal(souk_promo_get_notes(p, i, &notes, &e), SOUK_OK);
    assert_int_equal(souk_promo_get_copy(p, i, 0, &got, &e), SOUK_OK);
    assert_int_equal(notes.source_tokens, copy_examples_plan(w->e, (int64_t)i).source);
    if ((got.flags & SOUK_COPY_TEMPLATE) != 0) fail_msg("request %zu got a template: %s", i, got.reason);
    check_ok(copy_log_probability(w->m, w->e, (int64_t)i, got.ids, got.tokens, &ours));
    if (!(fabs(ours - got.log_probability) <= 2e-4 * (1 + fabs(ours))))
      fail_msg("request %zu, \"%s\": %.7g by the trainer, %.7g by the decoder", i, got.text, ours,
               got.log_probability);
  }
  souk_promo_free(p);
}

static void agree(const model_config *mc) {
  world w;
  make_world(&w, mc);
  compare(&w, &(souk_promo_options){.decode = SOUK_DECODE_GREEDY});
  compare(&w, &(souk_promo_options){.decode = SOUK_DECODE_BEAM, .beam = 3});
  for (uint64_t seed = 1; seed < 6; seed++)
    compare(&w, &(souk_promo_options){.decode = SOUK_DECODE_SAMPLE, .temperature = 1.5, .seed = seed});
  close_world(&w);
}

static model_config config(void) {
  model_config mc = tiny_config();
  strcpy(mc.objectives, "copy");
  mc.max_positions = 40;
  mc.cls_sep = true;
  mc.segments = 2;
  return mc;
}

static void as_bert(void **unused) {
  (void)unused;
  const model_config mc = config();
  agree(&mc);
}

static void pre_norm_from_the_end(void **unused) {
  (void)unused;
  model_config mc = config();
  mc.pre_norm = true;
  mc.positions_from_end = true;
  mc.temperature = 2.5;
  agree(&mc);
}

static void without_a_transform_and_little_room(void **unused) {
  (void)unused;
  model_config mc = config();
  mc.head = HEAD_PLAIN;
  mc.activation = 1;
  mc.max_positions = 25;
  agree(&mc);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_bert), cmocka_unit_test(pre_norm_from_the_end),
                                     cmocka_unit_test(without_a_transform_and_little_room)};
  return cmocka_run_group_tests_name("copy_agreement", tests, setup, teardown);
}
