// souk synth: writes the generated marketplace; see synth.h.
//
// Users are made BLOCK_USERS at a time; the rows of a block are sorted by time and written, so memory does
// not grow with their number. (A log of many users is a sequence of such blocks, like an export that goes partition
// by partition.)
#include "synth/synth.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "synth/synth_job.h"

enum { BLOCK_USERS = 8192 };

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

// Items shown two seconds after the last event, which the next one is at least four behind: what was done before them is the
// history that the answers follow from.
static status show_offers(synth_job *job, int64_t time, int32_t session, rng *r) {
  offer page[OFFERS];
  offers_draw(job->state, r, page);
  TRY(mem_grow(&job->offers, &job->offers_cap, job->n_offers + OFFERS, sizeof *job->offers, "items shown"));
  for (int32_t k = 0; k < OFFERS; k++) {
    const offer *x = &page[k];
    job->offers[job->n_offers++] = (offer_row){time + 2, job->state->p.number, session, k + 1, *x};
    yes_count(&job->answers[CLICKS], x->p_click, x->click);
    if (x->click) yes_count(&job->answers[CARTS], x->p_cart, x->cart);
    if (x->cart) yes_count(&job->answers[BUYS], x->p_buy, x->buy);
  }
  job->offers_shown += OFFERS;
  return OK;
}

static void add_copy_value(synth_job *job, const copy_shown *x) {
  double policy[COPY_STYLES], best = 0;
  copy_policy(&job->state->p, policy);
  for (int32_t k = 0; k < COPY_STYLES; k++) {
    job->copy_value[COPY_LOGGING] += policy[k] * x->p_click[k];
    job->copy_value[COPY_UNIFORM] += x->p_click[k] / COPY_STYLES;
    job->copy_value[COPY_ALL_PLAIN + k] += x->p_click[k];
    best = fmax(best, x->p_click[k]);
  }
  job->copy_value[COPY_BEST] += best;
}

// A promotion with its copy, three seconds after the last event.
static status show_copy(synth_job *job, int64_t time, rng *r) {
  TRY(mem_grow(&job->shown_copies, &job->copies_cap, job->n_copies + 1, sizeof *job->shown_copies,
               "promotions with copy"));
  copy_row *row = &job->shown_copies[job->n_copies++];
  row->time = time + 3;
  row->user = job->state->p.number;
  copy_draw(job->state, row->time, r, &row->x);
  add_copy_value(job, &row->x);
  job->copies_shown++;
  job->copy_clicks += row->x.click;
  return OK;
}

// A buyer writes two to ten days later, or not at all.
static status write_about(synth_job *job, int64_t bought, int32_t item, rng *r) {
  if (rng_unit(r) >= 0.5) return OK;
  TRY(mem_grow(&job->written, &job->written_cap, job->n_written + 1, sizeof *job->written, "reviews"));
  review_row *row = &job->written[job->n_written++];
  *row = (review_row){.time = bought + 2 * 86400 + (int64_t)rng_below(r, 8 * 86400),
                      .user = job->state->p.number,
                      .item = item};
  review_draw(job->w, job->state->taste, item, r, &row->x);
  job->feels[row->x.feels]++;
  job->clauses[row->x.feels][row->x.clauses[NEGATIVE]][row->x.clauses[NEUTRAL]][row->x.clauses[POSITIVE]]++;
  return OK;
}

// The n-th user of the market.
static status make_user(synth_job *job, int64_t n) {
  synth_state *s = job->state;
  const int64_t user = job->c->market * MARKET_USERS + n;
  TRY(state_begin(s, user));
  rng times = synth_rng(job->c->seed, DRAW_TIMES, user),
      promo = synth_rng(job->c->seed, DRAW_PROMOTION, user),
      shown = synth_rng(job->c->seed, DRAW_OFFER, user), writes = synth_rng(job->c->seed, DRAW_REVIEW, user),
      copies = synth_rng(job->c->seed, DRAW_COPY, user);
  log_row row = {.user = user, .session = -1, .item = -1};
  int64_t now = 0;
  for (int32_t i = 0; i < s->p.length; i++) {
    const bool asked = n < job->c->oracle_users && i >= s->p.length - 2;
    if (asked) step_probabilities(s, job->p);
    if (job->c->impressions && i > 0 && rng_unit(&shown) < 0.1)
      TRY(show_offers(job, now, row.session, &shown));
    if (job->c->copy && i > 0 && rng_unit(&copies) < 0.25) TRY(show_copy(job, now, &copies));
    synth_step step;
    state_step(s, &step);
    if (asked) oracle_count(i == s->p.length - 1 ? &job->test : &job->valid, job->p, job->w->n, step.item);
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
      if (job->c->reviews && row.type == SYNTH_EVENT_BUY) TRY(write_about(job, now, row.item, &writes));
    }
  }
  state_end(s);
  return write_user(job, &s->p);
}

static status make_users(synth_job *job) {
  const synth_config *c = job->c;
  row_numbers at = {0};
  const bool terminal = log_is_terminal();
  for (int64_t user = 0; user < c->users; user++) {
    TRY(make_user(job, user));
    if ((user + 1) % BLOCK_USERS == 0 || user + 1 == c->users) {
      TRY(write_block(job, &at));
      if (terminal) log_status_line("made %lld of %lld users", (long long)user + 1, (long long)c->users);
    }
  }
  return OK;
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
  if (job->c->impressions)
    printf("items shown     %lld; AUC of the true probabilities: click %.4f, cart %.4f, buy %.4f\n",
           (long long)job->offers_shown, yes_auc(&job->answers[CLICKS]), yes_auc(&job->answers[CARTS]),
           yes_auc(&job->answers[BUYS]));
  if (job->c->reviews)
    printf("reviews         %lld negative, %lld neutral, %lld positive; their clauses tell %.1f%% of them\n",
           (long long)job->feels[NEGATIVE], (long long)job->feels[NEUTRAL], (long long)job->feels[POSITIVE],
           100 * best_accuracy(job));
  if (job->c->copy) {
    const double n = job->copies_shown > 0 ? (double)job->copies_shown : 1;
    printf("copy            %lld shown, %lld clicks; clicks a promotion: %.4f as logged, %.4f with the best "
           "style\n",
           (long long)job->copies_shown, (long long)job->copy_clicks, job->copy_value[COPY_LOGGING] / n,
           job->copy_value[COPY_BEST] / n);
  }
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
  TRY(logs_open(job));
  TRY(make_users(job));
  TRY(logs_commit(job));
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
  logs_abort(job);
  rc = out_dir_finish(place, rc);
  if (rc == OK) print_summary(job);
  state_free(job->state);
  world_free(job->w);
  free(job->rows);
  free(job->pages);
  free(job->offers);
  free(job->written);
  free(job->shown_copies);
  free(job->p);
  free(job);
  return rc;
}
