// Promotion copy of the generated marketplace: styles are told by their phrases, terms are found again, propensities and clicks are
// those of the truth, and histories show which style pays.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/file.h"
#include "format/promo_terms.h"
#include "prepare/log_reader.h"
#include "synth/synth_copy.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_market.h"

enum { USERS = 400 };

typedef struct drawn {
  synth_world *w;
  synth_state *s;
} drawn;

static void begin(drawn *d) {
  const synth_config c = tiny_market(USERS, 1200);
  check_ok(world_new(&d->w, &c));
  check_ok(state_new(&d->s, d->w));
}

static void end(drawn *d) {
  state_free(d->s);
  world_free(d->w);
}

// Calls `each` with copies for every user in the midst of a stay.
static void draw_all(drawn *d, int32_t a_user, void (*each)(const synth_state *, const copy_shown *, void *),
                     void *to) {
  copy_shown x;
  synth_step step;
  for (int64_t user = 0; user < USERS; user++) {
    check_ok(state_begin(d->s, user));
    rng r = synth_rng(d->w->c.seed, DRAW_COPY, user);
    for (int32_t k = 0; k < d->s->p.length / 2; k++) state_step(d->s, &step);
    for (int32_t k = 0; k < a_user; k++) {
      copy_draw(d->s, 1710000000 + k * 86400, &r, &x);
      each(d->s, &x, to);
    }
    state_end(d->s);
  }
}

static int32_t markers_in(const char *text, int32_t style, bool zh) {
  char phrase[128];
  int32_t n = 0;
  for (int32_t k = 0; k < pair_count(copy_markers[style]); k++)
    n += strcasestr(text, pair_at(phrase, sizeof phrase, copy_markers[style], (uint64_t)k, zh)) != NULL;
  return n;
}

static void tell_style(const synth_state *s, const copy_shown *x, void *unused) {
  (void)s;
  (void)unused;
  for (int32_t k = 0; k < COPY_STYLES; k++)
    assert_int_equal(markers_in(x->text, k, x->zh), k == (int32_t)x->style);
}
static void test_styles_are_told(void **unused) {
  (void)unused;
  drawn d;
  begin(&d);
  draw_all(&d, 8, tell_style, NULL);
  end(&d);
}

typedef struct sums {
  double shown[COPY_STYLES], wanted[COPY_STYLES], variance[COPY_STYLES];
  double clicks, p_clicks, clicks_variance;
} sums;
static void add_up(const synth_state *s, const copy_shown *x, void *to) {
  sums *t = to;
  double policy[COPY_STYLES], all = 0;
  copy_policy(&s->p, policy);
  assert_true(fabs(x->propensity - policy[x->style]) < 1e-12);
  for (int32_t k = 0; k < COPY_STYLES; k++) {
    assert_true(policy[k] >= 0.075 && policy[k] < 1 && x->p_click[k] > 0 && x->p_click[k] < 1);
    all += policy[k];
    t->wanted[k] += policy[k];
    t->variance[k] += policy[k] * (1 - policy[k]);
  }
  assert_true(fabs(all - 1) < 1e-12);
  t->shown[x->style]++;
  const double p = x->p_click[x->style];
  t->clicks += x->click;
  t->p_clicks += p;
  t->clicks_variance += p * (1 - p);
}
static void test_propensities_and_clicks(void **unused) {
  (void)unused;
  drawn d;
  sums t = {0};
  begin(&d);
  draw_all(&d, 20, add_up, &t);
  for (int32_t k = 0; k < COPY_STYLES; k++)
    assert_true(fabs(t.shown[k] - t.wanted[k]) < 4 * sqrt(t.variance[k]));
  assert_true(fabs(t.clicks - t.p_clicks) < 4 * sqrt(t.clicks_variance));
  end(&d);
}

// Every term is said in the market's form and found again, there is no other quantity, and terms contradict nothing.
static void check_terms(const synth_state *s, const copy_shown *x, void *unused) {
  (void)s;
  (void)unused;
  const promo_terms t = copy_terms(x);
  const promo_market *m = promo_market_named(copy_market_names[x->market]);
  const promo_language l = x->zh ? LANGUAGE_ZH : LANGUAGE_EN;
  format_error e = {0};
  if (!promo_terms_check(&t, &e)) fail_msg("%s: %s", x->text, e.message);
  assert_int_equal(x->zh, x->market == 0);
  uint32_t said = 0;
  for (int32_t slot = 0; slot < SLOT_COUNT; slot++) {
    char form[PROMO_TERM_BYTES];
    if (promo_render((promo_slot)slot, &t, m, l, form, sizeof form) > 0 && strstr(x->text, form) != NULL)
      said |= 1u << slot;
  }
  if (said != promo_terms_given(&t))
    fail_msg("terms %x are given and %x said: %s", promo_terms_given(&t), said, x->text);
  promo_span spans[32];
  const size_t n = promo_find(x->text, strlen(x->text), &t, m, l, spans, 32);
  uint32_t found = 0;
  assert_true(n <= 32);
  for (size_t k = 0; k < n; k++) {
    if (spans[k].slot < 0)
      fail_msg("%.*s is no term of: %s", (int)(spans[k].end - spans[k].begin), x->text + spans[k].begin,
               x->text);
    found |= 1u << spans[k].slot;
  }
  if (found != said) fail_msg("terms %x are said and %x found: %s", said, found, x->text);
}
static void test_terms_are_said(void **unused) {
  (void)unused;
  drawn d;
  begin(&d);
  draw_all(&d, 10, check_terms, NULL);
  end(&d);
}

// How dear the items of a history are tells whether its user minds prices, and their looks which other styles pay.
typedef struct relation {
  double n, x, y, xx, yy, xy;
} relation;
static void relate(relation *r, double x, double y) {
  r->n++;
  r->x += x, r->y += y, r->xx += x * x, r->yy += y * y, r->xy += x * y;
}
static double correlation(const relation *r) {
  const double x = r->x / r->n, y = r->y / r->n;
  return (r->xy / r->n - x * y) / sqrt((r->xx / r->n - x * x) * (r->yy / r->n - y * y));
}
static void from_history(const synth_state *s, const copy_shown *x, void *to) {
  double tier = 0, minimal = 0;
  for (int32_t k = 0; k < s->step; k++) {
    tier += s->w->items[s->seen[k]].tier;
    minimal += s->w->items[s->seen[k]].style == 0;
  }
  relation *r = to;
  relate(&r[0], tier / s->step, log(x->p_click[COPY_PRICE] / x->p_click[COPY_STORY]));
  relate(&r[1], minimal / s->step, log(x->p_click[COPY_PLAIN] / x->p_click[COPY_URGENCY]));
}
static void test_histories_tell(void **unused) {
  (void)unused;
  drawn d;
  relation r[2] = {0};
  begin(&d);
  draw_all(&d, 1, from_history, r);
  assert_true(correlation(&r[0]) < -0.5);
  assert_true(correlation(&r[1]) > 0.3);
  end(&d);
}

// ---- files -------------------------------------------------------------------------------------------------------

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

static void make(const char *name, bool copy) {
  synth_config c = tiny_market(120, 120);
  c.force = true;
  c.copy = copy;
  snprintf(c.out, sizeof c.out, "%s/%s", dir, name);
  fflush(stdout);
  FILE *const kept = stdout; // the summary is for people
  stdout = fopen("/dev/null", "w");
  assert_non_null(stdout);
  const status rc = synth_run(&c);
  fclose(stdout);
  stdout = kept;
  check_ok(rc);
}

static void path_of(char to[1200], const char *name, const char *file) {
  snprintf(to, 1200, "%s/%s/%s", dir, name, file);
}

// What is drawn for copy changes nothing else, and rows are those of their truth.
static void test_files(void **unused) {
  (void)unused;
  static const char *const same[] = {"events.csv.gz", "promotions.csv.gz", "impressions.csv.gz",
                                     "reviews.jsonl.gz", "truth/users.csv.gz"};
  static const char *const columns[] = {"id",   "time",  "user",     "item",  "goal",      "type",
                                        "copy", "style", "language", "click", "propensity"};
  static const char *const truth[] = {"id", "plain", "price", "urgency", "story"};
  char a[65], b[65], path[1200], last[32] = "";
  make("with", true);
  make("without", false);
  for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
    path_of(path, "with", same[k]);
    check_ok(file_sha256(path, a, NULL));
    path_of(path, "without", same[k]);
    check_ok(file_sha256(path, b, NULL));
    assert_string_equal(a, b);
  }
  path_of(path, "without", "copy.jsonl.gz");
  assert_false(file_exists(path));
  log_reader *r[2];
  path_of(path, "with", "copy.jsonl.gz");
  check_ok(log_open(&r[0], path, &(log_format){.kind = LOG_JSONL, .header = true}, columns, 11));
  path_of(path, "with", "truth/copy.csv.gz");
  check_ok(log_open(&r[1], path, &(log_format){.kind = LOG_CSV, .header = true}, truth, 5));
  int rows = 0;
  for (;; rows++) {
    const char *v[2][MAX_COLUMNS], *reject;
    bool over[2];
    for (int i = 0; i < 2; i++) check_ok(log_next(r[i], v[i], &reject, &over[i]));
    assert_int_equal(over[0], over[1]);
    if (over[0]) break;
    for (int k = 0; k < 11; k++) assert_non_null(v[0][k]);
    assert_string_equal(v[0][0], v[1][0]);
    assert_true(strcmp(v[0][1], last) >= 0);
    snprintf(last, sizeof last, "%s", v[0][1]);
    int32_t style = 0;
    while (style < COPY_STYLES && strcmp(copy_style_names[style], v[0][7]) != 0) style++;
    assert_int_equal(markers_in(v[0][6], style, strcmp(v[0][8], "zh") == 0), 1);
    for (int k = 1; k < 5; k++) assert_true(atof(v[1][k]) > 0 && atof(v[1][k]) < 1);
  }
  assert_true(rows > 200);
  log_close(r[0]);
  log_close(r[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_styles_are_told), cmocka_unit_test(test_propensities_and_clicks),
      cmocka_unit_test(test_terms_are_said), cmocka_unit_test(test_histories_tell),
      cmocka_unit_test_setup_teardown(test_files, setup, teardown)};
  return cmocka_run_group_tests_name("synth_copy", tests, NULL, NULL);
}
