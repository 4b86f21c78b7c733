// souk-infer rank and score: questions in, ranked or scored items out, one JSON object a line.
#include <stdlib.h>
#include <string.h>
#include "infer_cli/cli.h"
#include "infer_cli/cli_promote.h"

enum { RESULTS_AT_ONCE = 4 << 20, TITLE = 4096 };

typedef struct ranker {
  const cli_options *o;
  const souk_bundle *b;
  souk_info info;
  souk_rank_options options;
  cli_list allow, deny;
  cli_input in;
  cli_output *out;
  size_t lines; // at once
  souk_query *queries;
  int32_t *items, *counts, *unknown;
  float *scores;
  cli_why *why;       // NULL: not wanted
  cli_placer *placer; // NULL: no promotions
  float *u;           // [lines][W] with promotions, whose items are ranked by the same vectors
} ranker;

static int output_title(const ranker *r, int32_t item) {
  char title[TITLE];
  const size_t bytes = souk_item_title(r->b, item, title, sizeof title);
  return bytes > 0 ? output_string(r->out, title, strlen(title)) : output_text(r->out, "null");
}

// ,"FIELD":[...] with one element for each of n items.
static int output_array(const ranker *r, const char *field, const int32_t *items, const float *scores,
                        int32_t n) {
  int rc = output_text(r->out, field);
  for (int32_t i = 0; rc == 0 && i < n; i++) {
    if (i > 0) rc = output_text(r->out, ",");
    if (rc != 0) break;
    if (scores != NULL) {
      rc = output_float(r->out, scores[i]);
    } else if (strstr(field, "titles") != NULL) {
      rc = output_title(r, items[i]);
    } else {
      const char *name = souk_item_name(r->b, items[i]);
      rc = output_string(r->out, name, strlen(name));
    }
  }
  return rc != 0 ? rc : output_text(r->out, "]");
}

static int output_end(cli_output *o, int32_t unknown) {
  int rc = output_text(o, ",\"unknown\":");
  if (rc == 0) rc = output_int(o, unknown);
  return rc != 0 ? rc : output_text(o, "}\n");
}

// Lists of questions that are laid out, with promotions.
static souk_status ask_promoted(ranker *r, cli_query *const *lines, size_t n, souk_error *e) {
  souk_status rc = souk_query_vectors(r->b, r->queries, n, r->o->threads, r->u, r->unknown, e);
  for (size_t i = 0; i < n; i++) r->queries[i].u = r->u + i * (size_t)r->info.dimension;
  if (rc == SOUK_OK)
    rc = souk_rank(r->b, r->queries, n, r->o->k, &r->options, r->items, r->scores, r->counts, NULL, e);
  if (rc != SOUK_OK) return rc;
  return placer_ask(r->placer, lines, r->queries, n, r->o->k, r->items, r->scores, r->counts, e);
}

static souk_status ask_ranked(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  ranker *r = arg;
  for (size_t i = 0; i < n; i++) {
    const cli_query *q = lines[i];
    static const int32_t none;
    const int32_t *candidates = q->candidates.items != NULL ? q->candidates.items : &none;
    r->queries[i] = (souk_query){.history = query_history(q),
                                 .candidates = q->has_candidates ? candidates : NULL,
                                 .n_candidates = q->candidates.n,
                                 .deny = q->deny.items,
                                 .n_deny = q->deny.n,
                                 .adapter = q->adapter};
  }
  if (r->placer == NULL)
    return souk_rank(r->b, r->queries, n, r->o->k, &r->options, r->items, r->scores, r->counts, r->unknown,
                     e);
  return ask_promoted(r, lines, n, e);
}

static int write_ranked(void *arg, cli_query *q, size_t i) {
  const ranker *r = arg;
  const int32_t *items = r->items + i * (size_t)r->o->k, n = r->counts[i];
  int rc = r->why != NULL ? why_ask(r->why, q, items, n) : 0;
  if (rc == 0) rc = output_user(r->out, q);
  if (rc == 0) rc = output_array(r, ",\"items\":[", items, NULL, n);
  if (rc == 0) rc = output_array(r, ",\"scores\":[", items, r->scores + i * (size_t)r->o->k, n);
  if (rc == 0 && r->info.has_catalogue) rc = output_array(r, ",\"titles\":[", items, NULL, n);
  if (rc == 0 && r->placer != NULL) rc = placer_write(r->placer, r->out, i);
  if (rc == 0 && r->why != NULL) rc = why_write(r->why, r->out);
  return rc != 0 ? rc : output_end(r->out, r->unknown[i]);
}

static int allocate(ranker *r) {
  const size_t k = (size_t)r->o->k, most = RESULTS_AT_ONCE / k, batch = (size_t)r->o->batch;
  r->lines = most < 1 ? 1 : most < batch ? most : batch;
  r->queries = malloc(r->lines * sizeof *r->queries);
  r->items = malloc(r->lines * k * sizeof *r->items);
  r->scores = malloc(r->lines * k * sizeof *r->scores);
  r->counts = malloc(r->lines * sizeof *r->counts);
  r->unknown = malloc(r->lines * sizeof *r->unknown);
  r->u = malloc((r->o->promote != NULL ? r->lines * (size_t)r->info.dimension : 1) * sizeof *r->u);
  if (r->queries == NULL || r->items == NULL || r->scores == NULL || r->counts == NULL ||
      r->unknown == NULL || r->u == NULL)
    return cli_fail(EXIT_FAILED, "out of memory: %zu lists of %zu items", r->lines, k);
  return 0;
}

static void ranker_free(ranker *r) {
  free(r->queries);
  free(r->items);
  free(r->scores);
  free(r->counts);
  free(r->unknown);
  free(r->u);
  placer_close(r->placer);
  free(r->allow.items);
  free(r->deny.items);
  why_free(r->why);
  input_close(&r->in);
}

int must_rank(const souk_bundle *b) {
  souk_error e = {.code = SOUK_OK};
  if (souk_rank(b, NULL, 0, 1, NULL, NULL, NULL, NULL, NULL, &e) == SOUK_OK) return 0;
  return cli_fail(EXIT_FAILED, "%s", e.message);
}

int command_rank(const cli_options *o, const souk_bundle *b) {
  ranker r = {.o = o,
              .b = b,
              .options = {.threads = o->threads, .keep_history = o->keep_history, .no_mix = o->no_mix}};
  souk_get_info(b, &r.info, NULL);
  int rc = o->gradients && !o->why ? cli_fail(EXIT_USAGE, "--gradients needs --why") : must_rank(b);
  if (rc == 0 && o->promote == NULL && o->needs_promote != NULL)
    rc = cli_fail(EXIT_USAGE, "--%s needs --promote", o->needs_promote);
  if (rc == 0) rc = allocate(&r);
  if (rc == 0 && o->why) rc = why_new(&r.why, o, b);
  if (rc == 0 && o->allow != NULL) rc = read_item_file(&r.allow, o->allow, b);
  if (rc == 0 && o->deny != NULL) rc = read_item_file(&r.deny, o->deny, b);
  r.options.allow = r.allow.items;
  r.options.n_allow = r.allow.n;
  r.options.deny = r.deny.items;
  r.options.n_deny = r.deny.n;
  if (rc == 0 && o->promote != NULL) rc = placer_open(&r.placer, o, b, &r.options);
  if (rc == 0) rc = input_open(&r.in, o->input);
  r.in.plain = o->text;
  if (rc == 0) rc = find_adapter(b, o->adapter, &r.in.adapter);
  if (rc == 0) rc = output_open(&r.out, o->output);
  const cli_answerer a = {.arg = &r,
                          .most = r.lines,
                          .threads = o->threads,
                          .out = r.out,
                          .ask = ask_ranked,
                          .write = write_ranked};
  rc = answer_all(rc, &r.in, b, &a);
  if (r.placer != NULL) placer_tell(r.placer);
  ranker_free(&r);
  return rc;
}

// ---- score ---------------------------------------------------------------------------------------------------

typedef struct scorer {
  const souk_bundle *b;
  cli_input in;
  cli_output *out;
  size_t width;
  int32_t threads;
  souk_query *queries;
  float *u, *scores;
  int32_t *unknown, *items;
  size_t scores_cap, items_cap;
} scorer;

static souk_status ask_vectors(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  scorer *s = arg;
  for (size_t i = 0; i < n; i++)
    s->queries[i] = (souk_query){.history = query_history(lines[i]), .adapter = lines[i]->adapter};
  return souk_query_vectors(s->b, s->queries, n, s->threads, s->u, s->unknown, e);
}

// Scores of the known candidates of a query, in order, into s->scores.
static int score_candidates(scorer *s, cli_query *q, size_t i) {
  const cli_list *c = &q->candidates;
  souk_error e = {.code = SOUK_OK};
  size_t n = 0;
  int rc = cli_grow(&s->items, &s->items_cap, c->n + 1, sizeof *s->items);
  if (rc == 0) rc = cli_grow(&s->scores, &s->scores_cap, c->n + 1, sizeof *s->scores);
  if (rc != 0) return rc;
  for (size_t j = 0; j < c->n; j++)
    if (c->items[j] >= 0) s->items[n++] = c->items[j];
  if (souk_adapted_score(s->b, q->adapter, s->u + i * s->width, 1, s->items, n, s->scores, &e) != SOUK_OK)
    return query_fail(q, "%s", e.message);
  return 0;
}

static int write_scores(scorer *s, const cli_query *q, size_t i) {
  int rc = output_user(s->out, q);
  size_t at = 0;
  if (rc == 0) rc = output_text(s->out, ",\"items\":[");
  const char *stranger = q->strangers;
  for (size_t j = 0; rc == 0 && j < q->candidates.n; j++) {
    const bool known = q->candidates.items[j] >= 0;
    const char *name = known ? souk_item_name(s->b, q->candidates.items[j]) : stranger;
    if (!known) stranger += strlen(name) + 1;
    if (j > 0) rc = output_text(s->out, ",");
    if (rc == 0) rc = output_string(s->out, name, strlen(name));
  }
  if (rc == 0) rc = output_text(s->out, "],\"scores\":[");
  for (size_t j = 0; rc == 0 && j < q->candidates.n; j++) {
    if (j > 0) rc = output_text(s->out, ",");
    if (rc == 0)
      rc = q->candidates.items[j] >= 0 ? output_float(s->out, s->scores[at++]) : output_text(s->out, "null");
  }
  if (rc == 0) rc = output_text(s->out, "]");
  return rc != 0 ? rc : output_end(s->out, s->unknown[i]);
}

static int write_scored(void *arg, cli_query *q, size_t i) {
  scorer *s = arg;
  if (!q->has_candidates || q->has_allow) return query_fail(q, "score needs \"candidates\" and no \"allow\"");
  const int rc = score_candidates(s, q, i);
  return rc != 0 ? rc : write_scores(s, q, i);
}

int command_score(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  souk_get_info(b, &info, NULL);
  scorer s = {.b = b, .width = (size_t)info.dimension, .threads = o->threads};
  const size_t lines = (size_t)o->batch;
  s.queries = malloc(lines * sizeof *s.queries);
  s.u = malloc(lines * s.width * sizeof *s.u);
  s.unknown = malloc(lines * sizeof *s.unknown);
  int rc = must_rank(b);
  if (rc == 0 && (s.queries == NULL || s.u == NULL || s.unknown == NULL))
    rc = cli_fail(EXIT_FAILED, "out of memory: %zu user vectors", lines);
  if (rc == 0) rc = input_open(&s.in, o->input);
  s.in.plain = o->text;
  if (rc == 0) rc = find_adapter(b, o->adapter, &s.in.adapter);
  if (rc == 0) rc = output_open(&s.out, o->output);
  const cli_answerer a = {.arg = &s,
                          .most = lines,
                          .threads = o->threads,
                          .out = s.out,
                          .ask = ask_vectors,
                          .write = write_scored};
  rc = answer_all(rc, &s.in, b, &a);
  input_close(&s.in);
  void *const all[] = {s.queries, s.u, s.unknown, s.scores, s.items};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  return rc;
}
