// The files of a generated marketplace, row by row.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "synth/synth_job.h"

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

status write_catalogue(synth_job *job) {
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

// ---- truth of a user -----------------------------------------------------------------------------------------

status write_user(synth_job *job, const synth_person *p) {
  int32_t best[3] = {0, 0, 0};
  for (int32_t k = 0; k < SYNTH_DEPARTMENTS; k++)
    if (p->early.department[k] > p->early.department[best[0]]) best[0] = k;
  for (int32_t k = 0; k < SYNTH_STYLES; k++) {
    if (p->early.style[k] > p->early.style[best[1]]) best[1] = k;
    if (p->late.style[k] > p->late.style[best[2]]) best[2] = k;
  }
  char name[32], before[64], after[64];
  return text_printf(job->users, "%s,%d,%s,%s,%s,%.3f,%.3f,%.3f,%.3f\n", user_name(name, p->number),
                     p->length, synth_departments[best[0]].en,
                     pair_at(before, sizeof before, synth_styles[best[1]], 0, false),
                     pair_at(after, sizeof after, synth_styles[best[2]], 0, false), p->change, p->price_level,
                     p->sensitivity, p->impulse);
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

static int by_offer_time(const void *a, const void *b) {
  const offer_row *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  return x->place - y->place;
}

static int by_review_time(const void *a, const void *b) {
  const review_row *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  return x->item - y->item;
}

static int by_copy_time(const void *a, const void *b) {
  const copy_row *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  return x->user < y->user ? -1 : x->user > y->user;
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

// What was not clicked could not be put into a cart: such cells are empty.
static status write_offer(synth_job *job, const offer_row *row, int64_t number) {
  char user[32], item[32], time[32];
  const offer *x = &row->x;
  user_name(user, row->user);
  TRY(text_printf(job->shown, "s%08lld,%s,%s,%s-%d,%d,%s,%.2f,%d,%s,%s\n", (long long)number,
                  time_text(time, row->time, false), user, user, row->session, row->place,
                  item_name(item, x->item), job->w->items[x->item].price, x->click,
                  !x->click ? ""
                  : x->cart ? "1"
                            : "0",
                  !x->cart ? ""
                  : x->buy ? "1"
                           : "0"));
  return text_printf(job->shown_truth, "s%08lld,%.6f,%.6f,%.6f\n", (long long)number, x->p_click, x->p_cart,
                     x->p_buy);
}

static status write_review(synth_job *job, const review_row *row, int64_t number) {
  char user[32], item[32], time[32];
  const review *x = &row->x;
  TRY(text_printf(
      job->reviews,
      "{\"review_id\":\"r%08lld\",\"time\":\"%s\",\"user_id\":\"%s\",\"item_id\":\"%s\",\"rating\":%d,"
      "\"sentiment\":\"%s\",\"text\":\"%s\"}\n",
      (long long)number, time_text(time, row->time, true), user_name(user, row->user),
      item_name(item, row->item), x->rating, sentiment_names[x->feels], x->text));
  return text_printf(job->review_truth, "r%08lld,%s,%.6f,%d,%d,%d\n", (long long)number, item,
                     item_quality(job->w, row->item), x->clauses[NEGATIVE], x->clauses[NEUTRAL],
                     x->clauses[POSITIVE]);
}

static status write_term(text_file *f, const char *name, double value) {
  return isnan(value) ? OK : text_printf(f, ",\"%s\":%.10g", name, value);
}

// One candidate of an impression; what came of it is only known of the one that was shown.
static status write_candidate(text_file *f, const copy_row *row, const copy_shown *x, int64_t number,
                              bool shown) {
  char user[32], item[32], time[32];
  TRY(text_printf(
      f,
      "{\"id\":\"k%08lld\",\"time\":\"%s\",\"user\":\"%s\",\"item\":\"%s\",\"goal\":\"%s\",\"type\":\"%s\","
      "\"market\":\"%s\",\"language\":\"%s\",\"name\":\"%s\"",
      (long long)number, time_text(time, row->time, true), user_name(user, row->user),
      item_name(item, x->item), copy_goal_names[x->goal], copy_type_names[x->type],
      copy_market_names[x->market], x->zh ? "zh" : "en", x->name));
  TRY(write_term(f, "price", x->price));
  TRY(write_term(f, "was", x->was));
  TRY(write_term(f, "percent", x->percent));
  TRY(write_term(f, "amount", x->amount));
  TRY(write_term(f, "threshold", x->threshold));
  if (x->month > 0) TRY(text_printf(f, ",\"date\":\"%02d-%02d\"", x->month, x->day));
  if (x->code[0] != '\0') TRY(text_printf(f, ",\"code\":\"%s\"", x->code));
  TRY(text_printf(f, ",\"copy\":\"%s\",\"style\":\"%s\"", x->text, copy_style_names[x->style]));
  return shown ? text_printf(f, ",\"click\":%d,\"propensity\":%.6f}\n", x->click, x->propensity)
               : text_printf(f, "}\n");
}

static status write_copy_row(synth_job *job, const copy_row *row, int64_t number) {
  const copy_shown *x = &row->x;
  TRY(write_candidate(job->copies, row, x, number, true));
  for (int32_t k = 0; k < COPY_STYLES; k++)
    for (int32_t wording = 0; wording < job->c->copy_wordings; wording++) {
      const bool shown = k == (int32_t)x->style && wording == 0;
      copy_shown other = *x;
      if (!shown) copy_in_style(job->w, row->user, row->time, (copy_style)k, wording, &other);
      TRY(write_candidate(job->candidates, row, &other, number, shown));
    }
  TRY(text_printf(job->copy_truth, "k%08lld", (long long)number));
  for (int32_t k = 0; k < COPY_STYLES; k++) TRY(text_printf(job->copy_truth, ",%.6f", x->p_click[k]));
  return text_printf(job->copy_truth, "\n");
}

// The phrases that tell a text's style.
static status write_copy_styles(const synth_job *job) {
  text_file *f;
  char phrase[96];
  TRY(text_open(&f, job->dir, "truth/copy_styles.tsv", 0));
  status rc = text_printf(f, "style\tlanguage\tphrase\n");
  for (int32_t s = 0; s < COPY_STYLES; s++)
    for (int32_t k = 0; k < 2 * pair_count(copy_markers[s]) && rc == OK; k++)
      rc = text_printf(f, "%s\t%s\t%s\n", copy_style_names[s], k % 2 == 0 ? "en" : "zh",
                       pair_at(phrase, sizeof phrase, copy_markers[s], (uint64_t)k / 2, k % 2 == 1));
  if (rc == OK) return text_commit(f);
  text_abort(f);
  return rc;
}

status write_block(synth_job *job, row_numbers *at) {
  if (job->n_rows > 0) qsort(job->rows, job->n_rows, sizeof *job->rows, by_time);
  for (size_t i = 0; i < job->n_rows; i++) TRY(write_row(job, &job->rows[i]));
  if (job->n_pages > 0) qsort(job->pages, job->n_pages, sizeof *job->pages, by_page_time);
  for (size_t i = 0; i < job->n_pages; i++) TRY(write_page(job, &job->pages[i], ++at->impressions));
  if (job->n_offers > 0) qsort(job->offers, job->n_offers, sizeof *job->offers, by_offer_time);
  for (size_t i = 0; i < job->n_offers; i++) TRY(write_offer(job, &job->offers[i], ++at->offers));
  if (job->n_written > 0) qsort(job->written, job->n_written, sizeof *job->written, by_review_time);
  for (size_t i = 0; i < job->n_written; i++) TRY(write_review(job, &job->written[i], ++at->reviews));
  if (job->n_copies > 0) qsort(job->shown_copies, job->n_copies, sizeof *job->shown_copies, by_copy_time);
  for (size_t i = 0; i < job->n_copies; i++) TRY(write_copy_row(job, &job->shown_copies[i], ++at->copies));
  job->n_copies = 0;
  job->n_rows = job->n_pages = job->n_offers = job->n_written = 0;
  return OK;
}

static status open_promotions(synth_job *job) {
  const int64_t level = job->c->deflate;
  TRY(write_campaigns(job));
  TRY(text_open(&job->promos, job->dir, "promotions.csv.gz", level));
  TRY(text_printf(job->promos,
                  "impression_id,time,user_id,session_id,position,campaign_id,promotion,value,item_id,"
                  "price,propensity,click,purchase\n"));
  TRY(text_open(&job->promo_truth, job->dir, "truth/promotions.csv.gz", level));
  TRY(text_printf(job->promo_truth, "impression_id,p_click,p_purchase,p_purchase_plain,uplift"));
  for (int32_t k = 0; k < CAMPAIGNS; k++) TRY(text_printf(job->promo_truth, ",click_c%02d", k + 1));
  for (int32_t k = 0; k < CAMPAIGNS; k++) TRY(text_printf(job->promo_truth, ",purchase_c%02d", k + 1));
  return text_printf(job->promo_truth, "\n");
}

static status open_impressions(synth_job *job) {
  const int64_t level = job->c->deflate;
  TRY(text_open(&job->shown, job->dir, "impressions.csv.gz", level));
  TRY(text_printf(job->shown, "impression_id,time,user_id,session_id,place,item_id,price,click,cart,buy\n"));
  TRY(text_open(&job->shown_truth, job->dir, "truth/impressions.csv.gz", level));
  return text_printf(job->shown_truth, "impression_id,p_click,p_cart,p_buy\n");
}

static status open_reviews(synth_job *job) {
  const int64_t level = job->c->deflate;
  TRY(text_open(&job->reviews, job->dir, "reviews.jsonl.gz", level));
  TRY(text_open(&job->review_truth, job->dir, "truth/reviews.csv.gz", level));
  return text_printf(job->review_truth, "review_id,item_id,quality,negative,neutral,positive\n");
}

static status open_copies(synth_job *job) {
  const int64_t level = job->c->deflate;
  TRY(text_open(&job->copies, job->dir, "copy.jsonl.gz", level));
  TRY(text_open(&job->candidates, job->dir, "copy_candidates.jsonl.gz", level));
  TRY(text_open(&job->copy_truth, job->dir, "truth/copy.csv.gz", level));
  TRY(text_printf(job->copy_truth, "id"));
  for (int32_t k = 0; k < COPY_STYLES; k++) TRY(text_printf(job->copy_truth, ",%s", copy_style_names[k]));
  TRY(text_printf(job->copy_truth, "\n"));
  return write_copy_styles(job);
}

status logs_open(synth_job *job) {
  const synth_config *c = job->c;
  TRY(text_open(&job->csv, job->dir, "events.csv.gz", c->deflate));
  TRY(text_open(&job->jsonl, job->dir, "events.jsonl.gz", c->deflate));
  TRY(text_printf(job->csv, "time,user_id,session_id,event,item_id,price,query\n"));
  TRY(text_open(&job->users, job->dir, "truth/users.csv.gz", c->deflate));
  TRY(text_printf(job->users, "user_id,items,department,style_before,style_after,changes_at,price_level,"
                              "price_sensitivity,impulse\n"));
  if (c->promotions) TRY(open_promotions(job));
  if (c->impressions) TRY(open_impressions(job));
  if (c->copy) TRY(open_copies(job));
  return c->reviews ? open_reviews(job) : OK;
}

enum { LOGS = 12 };
static void list_logs(synth_job *job, text_file **files[LOGS]) {
  text_file **const all[LOGS] = {&job->csv,          &job->jsonl,  &job->users,       &job->promos,
                                 &job->promo_truth,  &job->shown,  &job->shown_truth, &job->reviews,
                                 &job->review_truth, &job->copies, &job->copy_truth,  &job->candidates};
  memcpy(files, all, sizeof all);
}

status logs_commit(synth_job *job) {
  text_file **files[LOGS];
  list_logs(job, files);
  for (size_t i = 0; i < LOGS; i++) {
    text_file *f = *files[i];
    *files[i] = NULL;
    if (f != NULL) TRY(text_commit(f));
  }
  return OK;
}

void logs_abort(synth_job *job) {
  text_file **files[LOGS];
  list_logs(job, files);
  for (size_t i = 0; i < LOGS; i++) {
    text_abort(*files[i]);
    *files[i] = NULL;
  }
}
