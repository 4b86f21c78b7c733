// souk synth: writes the generated marketplace; see synth.h.
//
// Users are made BLOCK_USERS at a time; the rows of a block are sorted by time and written, so memory does
// not grow with their number. (A log of many users is a sequence of such blocks, like an export that goes partition
// by partition.)
#include "synth/synth.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include "base/file.h"
#include "base/file_list.h"
#include "base/log.h"
#include "base/memory.h"
#include "synth/synth_internal.h"

enum { BLOCK_USERS = 8192, TEXT_BUFFER = 1 << 16, CUTOFFS = 4, DEEPEST = 20 };

static const int32_t cutoffs[CUTOFFS] = {1, 5, 10, 20};

// ---- files ---------------------------------------------------------------------------------------------------

// A text file, gzip if its name says so.
typedef struct text_file {
  out_file *f;
  gzFile gz; // NULL: plain
  char name[64];
  char buf[TEXT_BUFFER];
  size_t used;
} text_file;

static status text_open(text_file **out, const char *dir, const char *name, int64_t level) {
  *out = NULL;
  text_file *t;
  char path[PATH_MAX + 64], mode[8];
  TRY(path_join(path, sizeof path, dir, name));
  TRY(mem_new(&t, 1, sizeof *t, "an output file"));
  snprintf(t->name, sizeof t->name, "%s", name);
  status rc = out_open(&t->f, path);
  if (rc == OK && strstr(name, ".gz") != NULL) {
    snprintf(mode, sizeof mode, "wb%d", (int)level);
    const int fd = fcntl(out_descriptor(t->f), F_DUPFD_CLOEXEC, 0);
    t->gz = fd >= 0 ? gzdopen(fd, mode) : NULL;
    if (t->gz == NULL && fd >= 0) close(fd);
    if (t->gz == NULL) rc = fail(ERR_IO, "cannot create %s: %s", path, strerror(errno));
  }
  if (rc != OK) {
    out_abort(t->f);
    free(t);
    return rc;
  }
  *out = t;
  return OK;
}

static status text_flush(text_file *t) {
  const size_t n = t->used;
  t->used = 0;
  if (n == 0) return OK;
  if (t->gz == NULL) return out_write(t->f, t->buf, n);
  return gzwrite(t->gz, t->buf, (unsigned)n) == (int)n ? OK : fail(ERR_IO, "cannot write %s", t->name);
}

__attribute__((format(printf, 2, 3))) static status text_printf(text_file *t, const char *format, ...) {
  for (int tries = 0; tries < 2; tries++) {
    va_list args;
    va_start(args, format);
    const size_t room = TEXT_BUFFER - t->used;
    const int n = vsnprintf(t->buf + t->used, room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < room) {
      t->used += (size_t)n;
      return OK;
    }
    TRY(text_flush(t));
  }
  return fail(ERR_INTERNAL, "a row of %s is too long", t->name);
}

static status text_commit(text_file *t) {
  status rc = text_flush(t);
  if (t->gz != NULL && gzclose(t->gz) != Z_OK && rc == OK) rc = fail(ERR_IO, "cannot write %s", t->name);
  if (rc == OK)
    rc = out_commit(t->f);
  else
    out_abort(t->f);
  free(t);
  return rc;
}

static void text_abort(text_file *t) {
  if (t == NULL) return;
  if (t->gz != NULL) gzclose(t->gz);
  out_abort(t->f);
  free(t);
}

// ---- the job -------------------------------------------------------------------------------------------------

typedef struct log_row {
  int64_t time, user;
  int32_t seq;  // in the user's log
  int32_t item; // for a search: the item that it found
  int32_t session;
  uint32_t draw; // of a search's text
  int8_t type;
} log_row;

typedef struct promo_row {
  int64_t time, user, page;
  int32_t session;
  impression x;
} promo_row;

// Ranking quality of an oracle that knows the probabilities.
typedef struct oracle {
  int64_t queries;
  double hr[CUTOFFS], ndcg[CUTOFFS], mrr;              // of what happened
  double expected_hr[CUTOFFS], expected_ndcg[CUTOFFS]; // of what could have happened, by the probabilities
  double loss, expected_loss;                          // -log p, nats
} oracle;

enum { POLICY_LOGGING, POLICY_UNIFORM, POLICY_BEST_CLICKS, POLICY_BEST_PURCHASES, POLICIES };
static const char *const policy_names[POLICIES] = {"logging", "uniform", "best_clicks", "best_purchases"};

typedef struct synth_job {
  const synth_config *c;
  synth_world *w;
  synth_state *state;
  const char *dir; // where the files are written
  double seconds;
  text_file *csv, *jsonl, *promos, *promo_truth, *users;
  log_row *rows;
  promo_row *pages;
  size_t n_rows, rows_cap, n_pages, pages_cap;
  campaign campaigns[CAMPAIGNS];
  double *p; // [items]
  int64_t events[4], sessions, impressions, pages_shown, clicks, purchases, steps;
  double value[POLICIES][2]; // expected clicks and purchases, summed over pages
  oracle valid, test;
  json_t *files;
} synth_job;

static const char *user_name(char buf[32], int64_t user) {
  snprintf(buf, 32, "u%07lld", (long long)user);
  return buf;
}
static const char *item_name(char buf[32], int32_t item) {
  snprintf(buf, 32, "p%06d", item);
  return buf;
}
static const char *time_text(char buf[32], int64_t seconds, bool iso) {
  const time_t t = (time_t)seconds;
  struct tm tm;
  gmtime_r(&t, &tm);
  strftime(buf, 32, iso ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &tm);
  return buf;
}

// ---- catalogue -----------------------------------------------------------------------------------------------

static status write_catalogue(synth_job *job) {
  text_file *csv = NULL, *jsonl = NULL;
  status rc;
  TRY_GOTO(text_open(&csv, job->dir, "catalogue.csv", 0), done);
  TRY_GOTO(text_open(&jsonl, job->dir, "catalogue.jsonl", 0), done);
  TRY_GOTO(text_printf(
               csv, "item_id,category,category_zh,brand,brand_zh,price,style,style_zh,material,material_zh,"
                    "colour,colour_zh,title_en,title_zh,description_en,description_zh\n"),
           done);
  for (int32_t i = 0; i < job->w->n; i++) { // no word has a quote or a backslash, so nothing needs escaping
    synth_text t;
    char name[32];
    item_text(job->w, i, &t);
    item_name(name, i);
    TRY_GOTO(text_printf(csv, "%s,%s,%s,%s,%s,%.2f,%s,%s,%s,%s,%s,%s,\"%s\",\"%s\",\"%s\",\"%s\"\n", name,
                         t.category_en, t.category_zh, t.brand_en, t.brand_zh, job->w->items[i].price,
                         t.style_en, t.style_zh, t.material_en, t.material_zh, t.colour_en, t.colour_zh,
                         t.title_en, t.title_zh, t.description_en, t.description_zh),
             done);
    TRY_GOTO(
        text_printf(
            jsonl,
            "{\"item_id\":\"%s\",\"category\":\"%s\",\"category_zh\":\"%s\",\"brand\":\"%s\","
            "\"brand_zh\":\"%s\",\"price\":%.2f,\"style\":\"%s\",\"style_zh\":\"%s\",\"material\":\"%s\","
            "\"material_zh\":\"%s\",\"colour\":\"%s\",\"colour_zh\":\"%s\",\"title_en\":\"%s\","
            "\"title_zh\":\"%s\",\"description_en\":\"%s\",\"description_zh\":\"%s\"}\n",
            name, t.category_en, t.category_zh, t.brand_en, t.brand_zh, job->w->items[i].price, t.style_en,
            t.style_zh, t.material_en, t.material_zh, t.colour_en, t.colour_zh, t.title_en, t.title_zh,
            t.description_en, t.description_zh),
        done);
  }
  rc = text_commit(csv);
  csv = NULL;
  if (rc == OK) {
    rc = text_commit(jsonl);
    jsonl = NULL;
  }
done:
  text_abort(csv);
  text_abort(jsonl);
  return rc;
}

static status write_campaigns(synth_job *job) {
  text_file *f;
  TRY(text_open(&f, job->dir, "campaigns.csv", 0));
  status rc = text_printf(f, "campaign_id,promotion,value,item_id\n");
  for (int32_t k = 0; rc == OK && k < CAMPAIGNS; k++) {
    char name[32];
    rc = text_printf(f, "c%02d,%s,%.2f,%s\n", k + 1, promotion_names[job->campaigns[k].kind],
                     job->campaigns[k].value, item_name(name, job->campaigns[k].item));
  }
  if (rc == OK) return text_commit(f);
  text_abort(f);
  return rc;
}

// ---- oracle --------------------------------------------------------------------------------------------------

static void count_rank(oracle *o, const double *p, int32_t n, int32_t target) {
  double top[DEEPEST] = {0}; // largest probabilities, falling
  int32_t rank = 1;
  for (int32_t i = 0; i < n; i++) {
    const bool before = i < target && p[i] >= p[target]; // ties only happen by rounding
    rank += before || p[i] > p[target];
    if (p[i] > 0) o->expected_loss -= p[i] * log(p[i]);
    if (p[i] <= top[DEEPEST - 1]) continue;
    int32_t k = DEEPEST - 1;
    for (; k > 0 && top[k - 1] < p[i]; k--) top[k] = top[k - 1];
    top[k] = p[i];
  }
  o->queries++;
  o->mrr += 1.0 / rank;
  o->loss -= log(p[target]);
  for (int32_t c = 0; c < CUTOFFS; c++) {
    if (rank <= cutoffs[c]) {
      o->hr[c] += 1;
      o->ndcg[c] += 1.0 / log2(rank + 1.0);
    }
    for (int32_t k = 0; k < cutoffs[c]; k++) {
      o->expected_hr[c] += top[k];
      o->expected_ndcg[c] += top[k] / log2(k + 2.0);
    }
  }
}

// ---- a user --------------------------------------------------------------------------------------------------

static status add_row(synth_job *job, const log_row *row) {
  TRY(mem_grow(&job->rows, &job->rows_cap, job->n_rows + 1, sizeof *job->rows, "rows of the log"));
  job->rows[job->n_rows++] = *row;
  job->events[row->type]++;
  return OK;
}

// When a session begins: the day follows from the progress of the stay, the hour is mostly in the evening.
static int64_t session_time(const synth_person *p, double progress, int64_t last_end, rng *r) {
  static const double by_hour[24] = {2, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 5, 5, 4, 4, 4, 4, 5, 7, 9, 10, 8, 4};
  double unit = rng_unit(r) * 94;
  int hour = 0;
  while (hour < 23 && unit >= by_hour[hour]) unit -= by_hour[hour++];
  const double day = floor((p->first + (p->last - p->first) * progress) / 86400.0);
  const int64_t t = (int64_t)(day * 86400.0) + hour * 3600 + (int64_t)rng_below(r, 3600);
  const int64_t soonest = last_end + 7200 + (int64_t)rng_below(r, 14400); // sessions never overlap
  return t > soonest ? t : soonest;
}

static void add_page_value(synth_job *job, const impression *page) {
  for (int32_t at = 0; at < POSITIONS; at++) {
    job->value[POLICY_LOGGING][0] += page[at].p_click[page[at].campaign];
    job->value[POLICY_LOGGING][1] += page[at].p_purchase[page[at].campaign];
    for (int32_t k = 0; k < CAMPAIGNS; k++) {
      job->value[POLICY_UNIFORM][0] += page[at].p_click[k] / CAMPAIGNS;
      job->value[POLICY_UNIFORM][1] += page[at].p_purchase[k] / CAMPAIGNS;
    }
  }
  // A position scales all campaigns by the same factor, so the best page has the campaigns in falling order of value.
  for (int32_t goal = 0; goal < 2; goal++) {
    bool used[CAMPAIGNS] = {false};
    for (int32_t at = 0; at < POSITIONS; at++) {
      const double *by = goal == 0 ? page[at].p_click : page[at].p_purchase;
      int32_t best = -1;
      for (int32_t k = 0; k < CAMPAIGNS; k++)
        if (!used[k] && (best < 0 || by[k] > by[best])) best = k;
      used[best] = true;
      job->value[POLICY_BEST_CLICKS + goal][0] += page[at].p_click[best];
      job->value[POLICY_BEST_CLICKS + goal][1] += page[at].p_purchase[best];
    }
  }
}

static status show_page(synth_job *job, int64_t time, int32_t session, rng *r) {
  const synth_state *s = job->state;
  impression page[POSITIONS];
  const double hour = (double)(time % 86400) / 3600.0;
  page_draw(job->w, job->campaigns, &s->p, s->taste, s->current, hour, r, page);
  add_page_value(job, page);
  TRY(mem_grow(&job->pages, &job->pages_cap, job->n_pages + POSITIONS, sizeof *job->pages, "promotions"));
  for (int32_t at = 0; at < POSITIONS; at++) {
    job->pages[job->n_pages++] = (promo_row){
        .time = time, .user = s->p.number, .page = job->pages_shown, .session = session, .x = page[at]};
    job->impressions++;
    job->clicks += page[at].click;
    job->purchases += page[at].purchase;
  }
  job->pages_shown++;
  return OK;
}

static status make_user(synth_job *job, int64_t user) {
  synth_state *s = job->state;
  TRY(state_begin(s, user));
  rng times = synth_rng(job->c->seed, DRAW_TIMES, user),
      promo = synth_rng(job->c->seed, DRAW_PROMOTION, user);
  log_row row = {.user = user, .session = -1, .item = -1};
  int64_t now = 0;
  for (int32_t i = 0; i < s->p.length; i++) {
    const bool asked = user < job->c->oracle_users && i >= s->p.length - 2;
    if (asked) step_probabilities(s, job->p);
    synth_step step;
    state_step(s, &step);
    if (asked) count_rank(i == s->p.length - 1 ? &job->test : &job->valid, job->p, job->w->n, step.item);
    job->steps++;
    if (step.new_session) {
      now = session_time(&s->p, (double)i / s->p.length, now, &times);
      row.session++;
      job->sessions++;
      const bool page = rng_unit(&promo) < 0.35;
      if (page && job->c->promotions) TRY(show_page(job, now, row.session, &promo));
    }
    row.draw = rng_u32(&times);
    // The events of one item follow each other. A return to an earlier item comes before them.
    const struct {
      bool happens;
      int8_t type;
      int32_t item, least, most; // seconds after the event before
    } events[] = {
        {step.revisit >= 0, SYNTH_EVENT_VIEW, step.revisit, 5, 60},
        {step.revisit >= 0 && step.revisit_buy, SYNTH_EVENT_BUY, step.revisit, 20, 120},
        {step.searched, SYNTH_EVENT_SEARCH, step.item, 5, 60},
        {true, SYNTH_EVENT_VIEW, step.item, 4, 150},
        {step.cart, SYNTH_EVENT_CART, step.item, 5, 60},
        {step.buy, SYNTH_EVENT_BUY, step.item, 20, 120},
    };
    for (size_t k = 0; k < sizeof events / sizeof *events; k++) {
      if (!events[k].happens) continue;
      now += events[k].least + (int64_t)rng_below(&times, (uint64_t)(events[k].most - events[k].least));
      row.time = now;
      row.type = events[k].type;
      row.item = events[k].item;
      row.seq++;
      TRY(add_row(job, &row));
    }
  }
  state_end(s);
  int32_t best[3] = {0, 0, 0};
  for (int32_t k = 0; k < SYNTH_DEPARTMENTS; k++)
    if (s->p.early.department[k] > s->p.early.department[best[0]]) best[0] = k;
  for (int32_t k = 0; k < SYNTH_STYLES; k++) {
    if (s->p.early.style[k] > s->p.early.style[best[1]]) best[1] = k;
    if (s->p.late.style[k] > s->p.late.style[best[2]]) best[2] = k;
  }
  char name[32], before[64], after[64];
  return text_printf(job->users, "%s,%d,%s,%s,%s,%.3f,%.3f,%.3f,%.3f\n", user_name(name, user), s->p.length,
                     synth_departments[best[0]].en,
                     pair_at(before, sizeof before, synth_styles[best[1]], 0, false),
                     pair_at(after, sizeof after, synth_styles[best[2]], 0, false), s->p.change,
                     s->p.price_level, s->p.sensitivity, s->p.impulse);
}

// ---- a block -------------------------------------------------------------------------------------------------

static int by_time(const void *a, const void *b) {
  const log_row *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_page_time(const void *a, const void *b) {
  const promo_row *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  return x->x.position - y->x.position;
}

static status write_row(synth_job *job, const log_row *x) {
  char user[32], item[32], time[32], query[160];
  user_name(user, x->user);
  time_text(time, x->time, false);
  const char *event = synth_event_names[x->type];
  if (x->type == SYNTH_EVENT_SEARCH) {
    search_text(job->w, x->item, x->draw, query, sizeof query);
    TRY(text_printf(job->csv, "%s,%s,%s-%d,%s,,,%s\n", time, user, user, x->session, event, query));
    return text_printf(
        job->jsonl,
        "{\"time\":\"%s\",\"user_id\":\"%s\",\"session_id\":\"%s-%d\",\"event\":\"%s\",\"query\":\"%s\"}\n",
        time_text(time, x->time, true), user, user, x->session, event, query);
  }
  item_name(item, x->item);
  const double price = job->w->items[x->item].price;
  TRY(text_printf(job->csv, "%s,%s,%s-%d,%s,%s,%.2f,\n", time, user, user, x->session, event, item, price));
  return text_printf(
      job->jsonl,
      "{\"time\":\"%s\",\"user_id\":\"%s\",\"session_id\":\"%s-%d\",\"event\":\"%s\",\"item_id\":\"%s\","
      "\"price\":%.2f}\n",
      time_text(time, x->time, true), user, user, x->session, event, item, price);
}

static status write_page(synth_job *job, const promo_row *row, int64_t number) {
  char user[32], item[32], time[32];
  const impression *x = &row->x;
  const campaign *c = &job->campaigns[x->campaign];
  user_name(user, row->user);
  TRY(text_printf(job->promos, "i%08lld,%s,%s,%s-%d,%d,c%02d,%s,%.2f,%s,%.2f,%.6f,%d,%d\n", (long long)number,
                  time_text(time, row->time, false), user, user, row->session, x->position, x->campaign + 1,
                  promotion_names[c->kind], c->value, item_name(item, c->item), job->w->items[c->item].price,
                  x->propensity, x->click, x->purchase));
  const double p = x->p_purchase[x->campaign];
  TRY(text_printf(job->promo_truth, "i%08lld,%.6f,%.6f,%.6f,%.6f", (long long)number, x->p_click[x->campaign],
                  p, x->plain, p - x->plain));
  for (int32_t k = 0; k < CAMPAIGNS; k++) TRY(text_printf(job->promo_truth, ",%.6f", x->p_click[k]));
  for (int32_t k = 0; k < CAMPAIGNS; k++) TRY(text_printf(job->promo_truth, ",%.6f", x->p_purchase[k]));
  return text_printf(job->promo_truth, "\n");
}

static status write_block(synth_job *job, int64_t *impressions) {
  if (job->n_rows > 0) qsort(job->rows, job->n_rows, sizeof *job->rows, by_time);
  for (size_t i = 0; i < job->n_rows; i++) TRY(write_row(job, &job->rows[i]));
  if (job->n_pages > 0) qsort(job->pages, job->n_pages, sizeof *job->pages, by_page_time);
  for (size_t i = 0; i < job->n_pages; i++) TRY(write_page(job, &job->pages[i], ++*impressions));
  job->n_rows = job->n_pages = 0;
  return OK;
}

static status write_logs(synth_job *job) {
  const synth_config *c = job->c;
  TRY(text_open(&job->csv, job->dir, "events.csv.gz", c->deflate));
  TRY(text_open(&job->jsonl, job->dir, "events.jsonl.gz", c->deflate));
  TRY(text_printf(job->csv, "time,user_id,session_id,event,item_id,price,query\n"));
  TRY(text_open(&job->users, job->dir, "truth/users.csv.gz", c->deflate));
  TRY(text_printf(job->users, "user_id,items,department,style_before,style_after,changes_at,price_level,"
                              "price_sensitivity,impulse\n"));
  if (c->promotions) {
    TRY(write_campaigns(job));
    TRY(text_open(&job->promos, job->dir, "promotions.csv.gz", c->deflate));
    TRY(text_printf(job->promos,
                    "impression_id,time,user_id,session_id,position,campaign_id,promotion,value,item_id,"
                    "price,propensity,click,purchase\n"));
    TRY(text_open(&job->promo_truth, job->dir, "truth/promotions.csv.gz", c->deflate));
    TRY(text_printf(job->promo_truth, "impression_id,p_click,p_purchase,p_purchase_plain,uplift"));
    for (int32_t k = 0; k < CAMPAIGNS; k++) TRY(text_printf(job->promo_truth, ",click_c%02d", k + 1));
    for (int32_t k = 0; k < CAMPAIGNS; k++) TRY(text_printf(job->promo_truth, ",purchase_c%02d", k + 1));
    TRY(text_printf(job->promo_truth, "\n"));
  }
  int64_t impressions = 0;
  const bool terminal = log_is_terminal();
  for (int64_t user = 0; user < c->users; user++) {
    TRY(make_user(job, user));
    if ((user + 1) % BLOCK_USERS == 0 || user + 1 == c->users) {
      TRY(write_block(job, &impressions));
      if (terminal) log_status_line("made %lld of %lld users", (long long)user + 1, (long long)c->users);
    }
  }
  text_file **const files[] = {&job->csv, &job->jsonl, &job->users, &job->promos, &job->promo_truth};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    text_file *f = *files[i];
    *files[i] = NULL;
    if (f != NULL) TRY(text_commit(f));
  }
  return OK;
}

// ---- truth and manifest --------------------------------------------------------------------------------------

static json_t *oracle_json(const oracle *o) {
  json_t *j = json_object(), *expected = json_object();
  const double n = o->queries > 0 ? (double)o->queries : 1;
  char name[32];
  json_object_set_new(j, "queries", json_integer(o->queries));
  for (int32_t c = 0; c < CUTOFFS; c++) {
    snprintf(name, sizeof name, "hr@%d", cutoffs[c]);
    json_object_set_new(j, name, json_real(o->hr[c] / n));
    json_object_set_new(expected, name, json_real(o->expected_hr[c] / n));
  }
  for (int32_t c = 0; c < CUTOFFS; c++) {
    snprintf(name, sizeof name, "ndcg@%d", cutoffs[c]);
    json_object_set_new(j, name, json_real(o->ndcg[c] / n));
    json_object_set_new(expected, name, json_real(o->expected_ndcg[c] / n));
  }
  json_object_set_new(j, "mrr", json_real(o->mrr / n));
  json_object_set_new(j, "loss", json_real(o->loss / n));
  json_object_set_new(expected, "loss", json_real(o->expected_loss / n));
  json_object_set_new(j, "expected", expected);
  return j;
}

static status write_json(synth_job *job, const char *name, json_t *j) {
  char path[PATH_MAX + 64];
  status rc = path_join(path, sizeof path, job->dir, name);
  char *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
  if (rc == OK && text == NULL) rc = fail(ERR_INTERNAL, "cannot compose %s", path);
  if (rc == OK) rc = file_write_atomic(path, text, strlen(text));
  free(text);
  json_decref(j);
  return rc;
}

static status write_truth(synth_job *job) {
  json_t *policies = json_object();
  for (int32_t k = 0; k < POLICIES && job->pages_shown > 0; k++) {
    const double n = (double)job->pages_shown;
    json_object_set_new(policies, policy_names[k],
                        json_pack("{s:f,s:f}", "clicks_per_page", job->value[k][0] / n, "purchases_per_page",
                                  job->value[k][1] / n));
  }
  const int64_t users = job->c->oracle_users < job->c->users ? job->c->oracle_users : job->c->users;
  json_t *j = json_pack("{s:s,s:i,s:I,s:I,s:b,s:o,s:o,s:I,s:o}", "schema", "souk.synth.oracle", "version", 1,
                        "seed", (json_int_t)job->c->seed, "users", (json_int_t)users, "history_filtered",
                        true, "valid", oracle_json(&job->valid), "test", oracle_json(&job->test), "pages",
                        (json_int_t)job->pages_shown, "policies", policies);
  return write_json(job, "truth/oracle.json", j);
}

static status write_manifest(synth_job *job) {
  const synth_config *c = job->c;
  static const char *const names[] = {"events.csv.gz",     "events.jsonl.gz",    "catalogue.csv",
                                      "catalogue.jsonl",   "campaigns.csv",      "promotions.csv.gz",
                                      "truth/oracle.json", "truth/users.csv.gz", "truth/promotions.csv.gz"};
  json_t *files = json_object();
  status rc = OK;
  for (size_t i = 0; rc == OK && i < sizeof names / sizeof *names; i++) {
    char path[PATH_MAX + 64];
    rc = path_join(path, sizeof path, job->dir, names[i]);
    if (rc == OK && file_exists(path))
      rc = file_list_add(files, job->dir, names[i], NULL); // without promotions some files do not exist
  }
  if (rc != OK) {
    json_decref(files);
    return rc;
  }
  json_t *options = json_pack("{s:I,s:I,s:f,s:I,s:f,s:f,s:f,s:b,s:I}", "users", (json_int_t)c->users, "items",
                              (json_int_t)c->items, "length", c->length, "days", (json_int_t)c->days, "zipf",
                              c->zipf, "drift", c->drift, "explore", c->explore, "promotions", c->promotions,
                              "seed", (json_int_t)c->seed);
  json_t *events = json_object();
  for (int32_t k = 0; k < 4; k++)
    json_object_set_new(events, synth_event_names[k], json_integer(job->events[k]));
  return write_json(job, "synth.json",
                    json_pack("{s:s,s:i,s:s,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:o}", "schema", "souk.synth",
                              "version", 1, "created_by", "souk " SOUK_VERSION, "options", options, "events",
                              events, "steps", (json_int_t)job->steps, "sessions", (json_int_t)job->sessions,
                              "impressions", (json_int_t)job->impressions, "clicks", (json_int_t)job->clicks,
                              "purchases", (json_int_t)job->purchases, "files", files));
}

// ---- the whole -----------------------------------------------------------------------------------------------

static void print_summary(const synth_job *job) {
  char buf[32], rate[32];
  int64_t events = 0;
  for (int32_t k = 0; k < 4; k++) events += job->events[k];
  printf("users           %lld\nitems           %lld\nevents          %lld (", (long long)job->c->users,
         (long long)job->c->items, (long long)events);
  for (int32_t k = 0; k < 4; k++)
    printf("%s%lld %s", k > 0 ? ", " : "", (long long)job->events[k], synth_event_names[k]);
  printf(") in %lld sessions\n", (long long)job->sessions);
  if (job->c->promotions)
    printf("promotions      %lld shown, %lld clicks, %lld purchases\n", (long long)job->impressions,
           (long long)job->clicks, (long long)job->purchases);
  if (job->test.queries > 0) {
    const double n = (double)job->test.queries;
    printf("best possible   test HR@10 %.4f, NDCG@10 %.4f (truth/oracle.json)\n", job->test.hr[2] / n,
           job->test.ndcg[2] / n);
  }
  printf("time            %s, %s events/s\n", human_seconds(buf, job->seconds),
         human_count(rate, (double)events / job->seconds));
}

static status run_job(synth_job *job) {
  const double start = now_seconds();
  TRY(world_new(&job->w, job->c));
  TRY(state_new(&job->state, job->w));
  TRY(mem_new(&job->p, (size_t)job->w->n, sizeof *job->p, "probabilities"));
  campaigns_make(job->w, job->campaigns);
  TRY(write_catalogue(job));
  TRY(write_logs(job));
  TRY(write_truth(job));
  TRY(write_manifest(job));
  log_status_end();
  job->seconds = now_seconds() - start;
  return OK;
}

status synth_run(const synth_config *c) {
  char truth[PATH_MAX + 64];
  out_dir *place;
  synth_job *job;
  if (c->out[0] == '\0') return fail(ERR_ARGUMENT, "out names no directory (--out DIR)");
  TRY(mem_new(&job, 1, sizeof *job, "the generator"));
  job->c = c;
  status rc = out_dir_open(&place, c->out, PATH_MARKETPLACE, c->force);
  if (rc == OK) job->dir = out_dir_path(place);
  if (rc == OK) rc = path_join(truth, sizeof truth, job->dir, "truth");
  if (rc == OK) rc = dir_make(truth);
  if (rc == OK) rc = run_job(job);
  if (rc == OK) rc = dir_sync(truth); // its parent is synced when it is renamed
  text_file *const open[] = {job->csv, job->jsonl, job->users, job->promos, job->promo_truth};
  for (size_t i = 0; i < sizeof open / sizeof *open; i++) text_abort(open[i]);
  rc = out_dir_finish(place, rc);
  if (rc == OK) print_summary(job);
  state_free(job->state);
  world_free(job->w);
  free(job->rows);
  free(job->pages);
  free(job->p);
  free(job);
  return rc;
}
