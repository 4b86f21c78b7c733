// Promotions in ranked lists; see cli_promote.h. Where they go is souk_promote's business (include/souk/infer.h); here is which ones may go into
// which list, and what they say there.
//
// A promotion may go into a list if it is for this user or for all, and for the user's language and market, if the list could have its item (filters, candidates and the
// history hold for promotions too), and if its cap allows. What a user has been shown counts over the run, in the order of
// the lines, so the answer to a line depends on earlier lines of the same user and on no others.
#include "infer_cli/cli_promote.h"

#include <stdlib.h>
#include <string.h>
#include "format/order.h"
#include "infer_cli/cli_copy.h"
#include "infer_cli/cli_shown.h"

// A promotion in a list.
typedef struct placed {
  size_t line; // of the call
  int32_t place, campaign;
} placed;

typedef struct scored {
  int32_t item;
  float score;
} scored;

// A history as another bundle knows it.
typedef struct translated {
  int32_t *items, *events;
  size_t items_cap, events_cap;
  const char **attributes; // names, then values
  size_t attributes_cap;
  souk_user user;
} translated;

// What promotions cost a list, over its first places, of which it may have fewer than --promote-m.
typedef struct cost {
  souk_placement of;
  int32_t first;
} cost;

struct cli_placer {
  const souk_bundle *b;
  souk_bundle *other; // that writes the copy; NULL: b does
  bool other_has_words;
  const souk_rank_options *ranking;
  souk_promote_options options;
  copywriter w;
  cli_input in;
  cli_query *campaigns; // [n]
  int32_t *items;       // [n] of the bundle that ranks, -1: unknown there
  size_t n, cap, items_cap;
  cli_shown *shown;
  bool written; // the last call's answers were asked for
  int64_t lists, promoted;
  size_t strangers; // campaigns of unknown items
  // of a line
  int32_t *eligible, *candidates, *ranked; // [n] campaigns, their items, items that may be listed
  float *ranked_scores;                    // [n]
  scored *scores;                          // [n] by item
  souk_promotion *promotions;              // [n]
  int32_t *campaign_of;                    // [n] of each promotion
  int32_t *new_items, *new_placed;         // [k]
  float *relevance;                        // [k]
  size_t new_items_cap, new_placed_cap, relevance_cap;
  // of a call
  cost *costs;    // [lines]
  placed *places; // by line and place
  souk_promo_request *requests;
  translated *translated; // [lines], all of which are kept
  size_t n_places, costs_cap, places_cap, requests_cap, translated_cap;
};

// ---- the file ------------------------------------------------------------------------------------------------

// The promotions keep their queries, which the input would use again.
static int keep_campaigns(cli_placer *p) {
  for (size_t i = 0; i < p->in.n; i++) {
    cli_query *q = &p->in.queries[i];
    if (q->error[0] != '\0')
      return cli_fail(EXIT_FAILED, "%s line %lld: %s", p->in.name, (long long)q->number, q->error);
    int rc = cli_grow(&p->campaigns, &p->cap, p->n + 1, sizeof *p->campaigns);
    if (rc == 0) rc = cli_grow(&p->items, &p->items_cap, p->n + 1, sizeof *p->items);
    if (rc != 0) return rc;
    p->items[p->n] = souk_find_item(p->b, q->words + q->offer.item_name);
    p->strangers += p->items[p->n] < 0;
    p->campaigns[p->n++] = *q;
    *q = (cli_query){.number = 0};
  }
  return 0;
}

static int read_campaigns(cli_placer *p, const char *path, const souk_bundle *writer) {
  int rc = input_open(&p->in, path);
  p->in.lines = LINES_CAMPAIGNS;
  do {
    if (rc == 0) rc = input_read(&p->in, writer, 4096);
    if (rc == 0) rc = keep_campaigns(p);
  } while (rc == 0 && p->in.n > 0);
  return rc;
}

static int allocate(cli_placer *p) {
  const size_t n = p->n + 1;
  p->eligible = malloc(n * sizeof *p->eligible);
  p->candidates = malloc(n * sizeof *p->candidates);
  p->ranked = malloc(n * sizeof *p->ranked);
  p->ranked_scores = malloc(n * sizeof *p->ranked_scores);
  p->scores = malloc(n * sizeof *p->scores);
  p->promotions = malloc(n * sizeof *p->promotions);
  p->campaign_of = malloc(n * sizeof *p->campaign_of);
  if (p->eligible == NULL || p->candidates == NULL || p->ranked == NULL || p->ranked_scores == NULL ||
      p->scores == NULL || p->promotions == NULL || p->campaign_of == NULL)
    return cli_fail(EXIT_FAILED, "out of memory: %zu promotions", p->n);
  return shown_new(&p->shown);
}

static int open_other(cli_placer *p, const cli_options *o) {
  souk_error e = {.code = SOUK_OK};
  souk_info info;
  if (o->writer == NULL) return 0;
  if (souk_open(&p->other, o->writer, o->skip_checksums ? SOUK_SKIP_CHECKSUMS : 0, &e) != SOUK_OK)
    return cli_fail(EXIT_FAILED, "%s", e.message);
  souk_get_info(p->other, &info, NULL);
  p->other_has_words = info.has_words != 0;
  return 0;
}

int placer_open(cli_placer **out, const cli_options *o, const souk_bundle *b,
                const souk_rank_options *ranking) {
  cli_placer *p = calloc(1, sizeof *p);
  *out = p;
  if (p == NULL) return cli_fail(EXIT_FAILED, "out of memory: promotions");
  p->b = b;
  p->ranking = ranking;
  p->options =
      (souk_promote_options){.most = o->promote_n, .first = o->promote_m, .weight = o->promote_weight};
  int rc = open_other(p, o);
  const souk_bundle *writer = p->other != NULL ? p->other : b;
  if (rc == 0) rc = copywriter_open(&p->w, o, writer, o->writer != NULL ? o->writer : o->bundle);
  if (rc == 0) rc = read_campaigns(p, o->promote, writer);
  return rc == 0 ? allocate(p) : rc;
}

void placer_close(cli_placer *p) {
  if (p == NULL) return;
  for (size_t i = 0; i < p->n; i++) query_clear(&p->campaigns[i], 0);
  for (size_t i = 0; i < p->translated_cap; i++) {
    free(p->translated[i].items);
    free(p->translated[i].events);
    free((void *)p->translated[i].attributes);
  }
  input_close(&p->in);
  copywriter_close(&p->w);
  souk_close(p->other);
  shown_free(p->shown);
  void *const all[] = {p->campaigns,
                       p->items,
                       p->eligible,
                       p->candidates,
                       p->ranked,
                       p->ranked_scores,
                       p->scores,
                       p->promotions,
                       p->campaign_of,
                       p->new_items,
                       p->new_placed,
                       p->relevance,
                       p->costs,
                       p->places,
                       p->requests,
                       p->translated,
                       p};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

void placer_tell(const cli_placer *p) {
  if (p->strangers > 0)
    cli_fail(0, "%s: %zu of %zu promotions are of items that the bundle does not have and are never placed",
             p->in.name, p->strangers, p->n);
  copywriter_tell(&p->w);
}

// ---- which promotions a list may have ------------------------------------------------------------------------

// Where both say it, they say the same: an offer holds in its own market, and is named in its own language.
static bool agree(const cli_query *a, int32_t at_a, const cli_query *b, int32_t at_b) {
  return at_a < 0 || at_b < 0 || strcmp(a->words + at_a, b->words + at_b) == 0;
}

static bool is_for(const cli_query *campaign, const cli_query *q) {
  const cli_offer *o = &campaign->offer;
  const char *user = o->user >= 0 ? campaign->words + o->user : NULL;
  if (user != NULL && (strlen(user) != q->user_bytes || memcmp(user, q->user, q->user_bytes) != 0))
    return false;
  return agree(campaign, o->language, q, q->offer.language) && agree(campaign, o->market, q, q->offer.market);
}

static bool is_anonymous(const cli_query *q) {
  return !q->user_is_string && strcmp(q->user, "null") == 0;
}

// Nobody knows what a user without a name has been shown: of this run it is taken to be nothing.
static bool cap_allows(const cli_placer *p, int32_t c, const cli_query *q) {
  const cli_offer *o = &p->campaigns[c].offer;
  if (o->cap < 0) return true;
  const int64_t before = is_anonymous(q) ? 0 : shown_times(p->shown, q->user, c);
  return o->shown + before < o->cap;
}

static bool is_listed(const cli_list *sorted, int32_t item) {
  return bsearch(&item, sorted->items, sorted->n, sizeof *sorted->items, order_int32) != NULL;
}

// The promotions that may be shown to the user of a line, and their items; how many.
static size_t find_eligible(cli_placer *p, cli_query *q) {
  size_t n = 0;
  if (q->has_candidates && q->candidates.n > 0)
    qsort(q->candidates.items, q->candidates.n, sizeof *q->candidates.items, order_int32);
  for (size_t c = 0; c < p->n; c++) {
    if (p->items[c] < 0 || !is_for(&p->campaigns[c], q) || !cap_allows(p, (int32_t)c, q)) continue;
    if (q->has_candidates && (q->candidates.n == 0 || !is_listed(&q->candidates, p->items[c]))) continue;
    p->eligible[n] = (int32_t)c;
    p->candidates[n++] = p->items[c];
  }
  return n;
}

static int by_item(const void *a, const void *b) {
  const scored *x = a, *y = b;
  return (x->item > y->item) - (x->item < y->item);
}

// Those of n eligible promotions whose items the list could have, with their relevance: *promotions of them.
static souk_status find_promotions(cli_placer *p, const souk_query *query, size_t n, size_t *promotions,
                                   souk_error *e) {
  souk_query asked = *query;
  int32_t found = 0;
  *promotions = 0;
  if (n == 0) return SOUK_OK;
  asked.candidates = p->candidates;
  asked.n_candidates = n;
  const souk_status rc =
      souk_rank(p->b, &asked, 1, (int32_t)n, p->ranking, p->ranked, p->ranked_scores, &found, NULL, e);
  if (rc != SOUK_OK) return rc;
  for (int32_t i = 0; i < found; i++) p->scores[i] = (scored){p->ranked[i], p->ranked_scores[i]};
  qsort(p->scores, (size_t)found, sizeof *p->scores, by_item);
  for (size_t i = 0; i < n; i++) {
    const scored key = {.item = p->candidates[i]};
    const scored *s = bsearch(&key, p->scores, (size_t)found, sizeof *p->scores, by_item);
    if (s == NULL) continue;
    p->campaign_of[*promotions] = p->eligible[i];
    p->promotions[(*promotions)++] = (souk_promotion){
        .item = s->item, .relevance = s->score, .value = p->campaigns[p->eligible[i]].offer.value};
  }
  return SOUK_OK;
}

static souk_status no_memory(souk_error *e) {
  e->code = SOUK_ERR_MEMORY;
  snprintf(e->message, sizeof e->message, "out of memory: promotions in lists");
  return e->code;
}

static souk_status note_place(cli_placer *p, const cli_query *q, size_t line, int32_t place, int32_t campaign,
                              souk_error *e) {
  if (cli_grow(&p->places, &p->places_cap, p->n_places + 1, sizeof *p->places) != 0) return no_memory(e);
  p->places[p->n_places++] = (placed){line, place, campaign};
  if (p->campaigns[campaign].offer.cap < 0 || is_anonymous(q)) return SOUK_OK;
  return shown_add(p->shown, q->user, campaign) == 0 ? SOUK_OK : no_memory(e);
}

static souk_status place_line(cli_placer *p, cli_query *q, const souk_query *query, size_t line, int32_t n,
                              int32_t *items, float *scores, souk_error *e) {
  size_t promotions;
  souk_status rc = find_promotions(p, query, find_eligible(p, q), &promotions, e);
  if (rc == SOUK_OK)
    rc = souk_promote(items, scores, n, p->promotions, promotions, &p->options, p->new_items, p->relevance,
                      p->new_placed, &p->costs[line].of, e);
  p->costs[line].first = n < p->options.first ? n : p->options.first;
  for (int32_t i = 0; rc == SOUK_OK && i < n; i++) {
    items[i] = p->new_items[i];
    scores[i] = p->relevance[i];
    if (p->new_placed[i] >= 0) rc = note_place(p, q, line, i, p->campaign_of[p->new_placed[i]], e);
  }
  return rc;
}

// ---- copy ----------------------------------------------------------------------------------------------------

static const char *text_at(const cli_query *q, int32_t at) {
  return at >= 0 ? q->words + at : NULL;
}

static int translate_user(const cli_placer *p, translated *t, const souk_user *user) {
  const size_t n = (size_t)user->n_attributes;
  size_t kept = 0;
  const int rc = cli_grow(&t->attributes, &t->attributes_cap, 2 * n, sizeof *t->attributes);
  if (rc != 0) return rc;
  for (size_t i = 0; i < n; i++)
    for (int32_t k = 0; souk_user_attribute(p->other, k) != NULL; k++) {
      if (strcmp(souk_user_attribute(p->other, k), user->names[i]) != 0) continue;
      t->attributes[kept] = user->names[i];
      t->attributes[n + kept++] = user->values[i];
      break;
    }
  t->user = (souk_user){.n_attributes = (int32_t)kept, .names = t->attributes, .values = t->attributes + n};
  return 0;
}

// A line's history by the numbers of the bundle that writes. What that one does not know is left out, as for any history.
static int translate(const cli_placer *p, translated *t, souk_history *h) {
  const size_t n = (size_t)h->n;
  int rc = cli_grow(&t->items, &t->items_cap, n, sizeof *t->items);
  if (rc == 0) rc = cli_grow(&t->events, &t->events_cap, n, sizeof *t->events);
  for (size_t i = 0; rc == 0 && i < n; i++) {
    const char *item = souk_item_name(p->b, h->items[i]);
    const int32_t event = souk_find_event(p->other, souk_event_name(p->b, h->events[i]));
    t->items[i] = item != NULL ? souk_find_item(p->other, item) : -1;
    t->events[i] = event > 0 ? event : 0;
  }
  if (rc == 0 && h->user != NULL) rc = translate_user(p, t, h->user);
  if (h->user != NULL) h->user = &t->user;
  if (!p->other_has_words) h->texts = NULL;
  h->items = t->items;
  h->events = t->events;
  return rc;
}

// The request of a promotion for the user of a line, who may say language and market where the promotion does not.
static souk_status make_request(cli_placer *p, const placed *at, const cli_query *q, translated *t,
                                souk_promo_request *r, souk_error *e) {
  const cli_query *c = &p->campaigns[at->campaign];
  *r = query_request(c);
  r->history = query_history(q);
  if (p->other != NULL && translate(p, t, &r->history) != 0) return no_memory(e);
  r->lexicon = p->w.lexicon;
  if (r->language == NULL) r->language = text_at(q, q->offer.language);
  if (r->market == NULL) r->market = text_at(q, q->offer.market);
  if (c->offer.seed < 0) r->seed ^= request_seed(q);
  if (r->language != NULL && r->market != NULL) return SOUK_OK;
  e->code = SOUK_ERR_ARGUMENT;
  snprintf(e->message, sizeof e->message,
           "neither the question nor the promotion of line %lld of --promote says in which \"%s\"",
           (long long)c->number, r->language == NULL ? "language" : "market");
  return e->code;
}

static souk_status write_all_copy(cli_placer *p, cli_query *const *lines, souk_error *e) {
  const size_t n = p->n_places, before = p->translated_cap;
  if (cli_grow(&p->requests, &p->requests_cap, n, sizeof *p->requests) != 0 ||
      cli_grow(&p->translated, &p->translated_cap, n, sizeof *p->translated) != 0)
    return no_memory(e);
  if (p->translated_cap > before)
    memset(p->translated + before, 0, (p->translated_cap - before) * sizeof *p->translated);
  for (size_t i = 0; i < n; i++) {
    const souk_status rc =
        make_request(p, &p->places[i], lines[p->places[i].line], &p->translated[i], &p->requests[i], e);
    if (rc != SOUK_OK) return rc;
  }
  return copywriter_ask(&p->w, p->requests, n, e);
}

// ---- a call --------------------------------------------------------------------------------------------------

souk_status placer_ask(cli_placer *p, cli_query *const *lines, const souk_query *queries, size_t n, int32_t k,
                       int32_t *items, float *scores, const int32_t *counts, souk_error *e) {
  const size_t width = (size_t)k;
  if (!p->written) shown_undo(p->shown);
  shown_mark(p->shown);
  p->written = false;
  p->n_places = 0;
  if (cli_grow(&p->new_items, &p->new_items_cap, width, sizeof *p->new_items) != 0 ||
      cli_grow(&p->new_placed, &p->new_placed_cap, width, sizeof *p->new_placed) != 0 ||
      cli_grow(&p->relevance, &p->relevance_cap, width, sizeof *p->relevance) != 0 ||
      cli_grow(&p->costs, &p->costs_cap, n, sizeof *p->costs) != 0)
    return no_memory(e);
  for (size_t i = 0; i < n; i++) {
    const souk_status rc =
        place_line(p, lines[i], &queries[i], i, counts[i], items + i * width, scores + i * width, e);
    if (rc != SOUK_OK) return rc;
  }
  return write_all_copy(p, lines, e);
}

static int write_placed(cli_placer *p, cli_output *o, size_t i) {
  const placed *at = &p->places[i];
  const cli_query *c = &p->campaigns[at->campaign];
  souk_promo_notes notes;
  int rc = output_text(o, "{\"place\":");
  if (rc == 0) rc = output_int(o, at->place + 1);
  if (rc == 0 && strcmp(c->key, "id") == 0) {
    rc = output_text(o, ",\"id\":");
    if (rc == 0)
      rc = c->user_is_string ? output_string(o, c->user, c->user_bytes)
                             : output_write(o, c->user, c->user_bytes);
  }
  if (rc == 0) rc = output_text(o, ",");
  if (rc == 0) rc = copywriter_write(&p->w, o, i, &notes);
  return rc != 0 ? rc : output_text(o, "}");
}

static int write_cost(cli_output *o, const cost *line) {
  const souk_placement *c = &line->of;
  const struct {
    const char *field;
    double value;
  } fields[] = {{",\"sum\":", c->sum_after},
                {",\"dcg\":", c->dcg_after},
                {",\"lost_sum\":", c->sum_before - c->sum_after},
                {",\"lost_dcg\":", c->dcg_before - c->dcg_after}};
  int rc = output_text(o, ",\"relevance\":{\"first\":");
  if (rc == 0) rc = output_int(o, line->first);
  for (size_t i = 0; rc == 0 && i < sizeof fields / sizeof *fields; i++) {
    rc = output_text(o, fields[i].field);
    if (rc == 0) rc = output_float(o, (float)fields[i].value);
  }
  return rc != 0 ? rc : output_text(o, "}");
}

int placer_write(cli_placer *p, cli_output *o, size_t i) {
  size_t n = 0, at = 0;
  p->written = true;
  while (at < p->n_places && p->places[at].line < i) at++;
  int rc = output_text(o, ",\"promoted\":[");
  for (; rc == 0 && at < p->n_places && p->places[at].line == i; at++) {
    if (n++ > 0) rc = output_text(o, ",");
    if (rc == 0) rc = write_placed(p, o, at);
  }
  if (rc == 0) rc = output_text(o, "]");
  return rc != 0 ? rc : write_cost(o, &p->costs[i]);
}
