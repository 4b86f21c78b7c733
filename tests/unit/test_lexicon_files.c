// The lexicons of configs/: that ordinary words pass, that claims do not however they are spelt, and how many texts that people wrote
// have one.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "format/lexicon.h"
#include "lib/check.h"

static lexicon *zh, *en;

static lexicon *open_file(const char *path) {
  lexicon_text t = {.name = path};
  char *text;
  format_error e;
  lexicon *l;
  check_ok(file_read(path, 1 << 20, &text, &t.bytes));
  t.text = text;
  if (!lexicon_compile(&l, &t, 1, &e)) fail_msg("%s", e.message);
  free(text);
  return l;
}

static int open_files(void **state) {
  (void)state;
  zh = open_file("configs/lexicon-zh.txt");
  en = open_file("configs/lexicon-en.txt");
  return 0;
}

static int close_files(void **state) {
  (void)state;
  lexicon_free(zh);
  lexicon_free(en);
  return 0;
}

// Of phrases alone: numbers are as those of a name.
static bool is_fine(const lexicon *l, const char *text, lexicon_state *s) {
  lexicon_begin(s);
  return lexicon_step_slot(l, s, SLOT_ITEM, text, strlen(text)) && lexicon_may_end(l, s);
}

static void check_all(const lexicon *l, const char *const *texts, size_t n, bool fine) {
  for (size_t i = 0; i < n; i++) {
    lexicon_state s;
    char why[256];
    if (is_fine(l, texts[i], &s) == fine) continue;
    lexicon_reason(l, &s, why, sizeof why);
    fail_msg("\"%s\" is %s: %s", texts[i], fine ? "banned" : "fine", fine ? why : "nothing is found");
  }
}
#define CHECK_ALL(l, texts, fine) check_all(l, texts, sizeof texts / sizeof *texts, fine)

static void chinese(void **unused) {
  (void)unused;
  static const char *const fine[] = {"最近新到的连衣裙",     "最后一天",           "第一眼就爱上它",
                                     "极简的设计，极具个性", "最大限度地透气",     "妈妈们的最爱",
                                     "经典永不过时",         "清新的第一印象",     "内增高的鞋底",
                                     "显瘦又显高",           "舒适透气，百搭时髦", "国庆出游的好搭配"};
  static const char *const banned[] = {"最好的选择", "最 好",      "最。好",   "销量第一",  "第*一",
                                       "国家级品质", "国·家·级",   "顶级面料", "治疗失眠",  "疗效显著",
                                       "唯一的选择", "最大的亮点", "独一无二", "绝对舒适",  "永不变形",
                                       "國家級",     "减肥神器",   "无副作用", "最\u200b佳"};
  CHECK_ALL(zh, fine, true);
  CHECK_ALL(zh, banned, false);
}

static void english(void **unused) {
  (void)unused;
  static const char *const fine[] = {"a gift for your best friend",
                                     "look your best this winter",
                                     "best before June",
                                     "secure and light",
                                     "healthy snacks",
                                     "an accurate scale",
                                     "a magical evening",
                                     "bestselling author",
                                     "handmade with care",
                                     "a treat for you"};
  static const char *const banned[] = {
      "the best coat",         "B.E.S.T coat",      "b e s t",       "ＢＥＳＴ",     "the world's most loved",
      "guaranteed to fit",     "100% risk-free",    "cures acne",    "it heals.",    "clinically-proven",
      "FDA approved",          "no side effects",   "loses weight",  "eco-friendly", "be\u00adst ever",
      "Number One in comfort", "unbeatable prices", "stopping aging"};
  CHECK_ALL(en, fine, true);
  CHECK_ALL(en, banned, false);
}

// AdvertiseGen's copy was written by people, for Chinese shops: how much of it would not be written so.
static void advertisegen(void **unused) {
  (void)unused;
  const char *shared = getenv("SOUK_SHARED");
  char path[4096], line[16384];
  snprintf(path, sizeof path, "%s/data/advertisegen/dev.jsonl", shared != NULL ? shared : "../shared");
  FILE *f = fopen(path, "re");
  if (f == NULL) {
    print_message("%s is not there\n", path);
    skip();
  }
  int texts = 0, hits = 0, of_most = 0, excused = 0;
  while (fgets(line, sizeof line, f) != NULL) {
    json_t *row = json_loads(line, 0, NULL);
    const char *text = json_string_value(json_object_get(row, "summary"));
    lexicon_state s;
    char why[256];
    assert_non_null(text);
    texts++;
    const bool fine = is_fine(zh, text, &s);
    if (!fine) lexicon_reason(zh, &s, why, sizeof why);
    hits += !fine;
    of_most += !fine && strstr(why, "\"最\"") != NULL;
    excused += fine && strstr(text, "最") != NULL;
    json_decref(row);
  }
  fclose(f);
  print_message("%d of %d texts have a banned phrase, %d of them 最; %d have 最 only in exceptions\n", hits,
                texts, of_most, excused);
  assert_true(hits > texts / 50 && hits < texts / 10 && excused > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(chinese), cmocka_unit_test(english),
                                     cmocka_unit_test(advertisegen)};
  return cmocka_run_group_tests_name("lexicon_files", tests, open_files, close_files);
}
