// souk-infer promo: requests in, copy out; and what promotions in ranked lists need of it too.
#include <stdlib.h>
#include <string.h>
#include "infer_cli/cli_copy.h"

// ---- how copy is written -------------------------------------------------------------------------------------

static int32_t decode_of(const char *name) {
  if (name == NULL || strcmp(name, "greedy") == 0) return SOUK_DECODE_GREEDY;
  return strcmp(name, "beam") == 0 ? SOUK_DECODE_BEAM : SOUK_DECODE_SAMPLE;
}

static int check_search(const cli_options *o) {
  const int32_t decode = decode_of(o->decode);
  if (o->n_best > 1 && decode == SOUK_DECODE_GREEDY)
    return cli_fail(EXIT_USAGE,
                    "--n-best %d needs --decode beam or sample, since a greedy search finds one copy",
                    o->n_best);
  if (decode != SOUK_DECODE_SAMPLE && o->needs_sample != NULL)
    return cli_fail(EXIT_USAGE, "--%s needs --decode sample", o->needs_sample);
  if (decode != SOUK_DECODE_BEAM)
    return o->needs_beam == NULL ? 0 : cli_fail(EXIT_USAGE, "--%s needs --decode beam", o->needs_beam);
  if (o->diversity > 0 && o->beam_groups == 1)
    return cli_fail(EXIT_USAGE, "--diversity needs --beam-groups above 1, since it keeps groups apart");
  if (o->n_best > o->beam)
    return cli_fail(EXIT_USAGE, "--n-best %d is more than the %d texts of --beam", o->n_best, o->beam);
  if (o->beam % o->beam_groups == 0) return 0;
  return cli_fail(EXIT_USAGE, "--beam %d cannot be divided into --beam-groups %d", o->beam, o->beam_groups);
}

int copywriter_open(copywriter *w, const cli_options *o, const souk_bundle *b, const char *name) {
  souk_info info;
  souk_get_info(b, &info, NULL);
  *w = (copywriter){.b = b,
                    .options = {.threads = o->threads,
                                .decode = decode_of(o->decode),
                                .n_best = o->n_best,
                                .beam = o->beam,
                                .beam_groups = o->beam_groups,
                                .top_k = o->top_k,
                                .no_repeat = o->no_repeat,
                                .min_tokens = o->min_tokens,
                                .max_tokens = o->max_tokens,
                                .length_penalty = o->length_penalty,
                                .coverage_penalty = o->coverage_penalty,
                                .diversity = o->diversity,
                                .temperature = o->temperature,
                                .top_p = o->top_p,
                                .seed = (uint64_t)o->seed}};
  if (info.has_copy == 0)
    return cli_fail(EXIT_FAILED, "%s writes no copy: souk finetune --task promo makes a model that does",
                    name);
  const int rc = check_search(o);
  return rc != 0 ? rc : lexicons_open(&w->lexicon, o, b);
}

void copywriter_close(copywriter *w) {
  souk_lexicon_free(w->lexicon);
  souk_promo_free(w->answers);
  *w = (copywriter){0};
}

souk_status copywriter_ask(copywriter *w, const souk_promo_request *requests, size_t n, souk_error *e) {
  souk_promo_free(w->answers);
  w->answers = NULL;
  return souk_promo_write(w->b, requests, n, &w->options, &w->answers, e);
}

// ---- answers -------------------------------------------------------------------------------------------------

static int write_flags(cli_output *o, uint32_t flags) {
  static const struct {
    uint32_t bit;
    const char *name;
  } names[] = {
      {SOUK_COPY_TEMPLATE, "\"template\""}, {SOUK_COPY_REFUSED, "\"refused\""}, {SOUK_COPY_CUT, "\"cut\""}};
  int rc = output_text(o, ",\"flags\":[");
  for (size_t i = 0, n = 0; rc == 0 && i < sizeof names / sizeof *names; i++) {
    if ((flags & names[i].bit) == 0) continue;
    if (n++ > 0) rc = output_text(o, ",");
    if (rc == 0) rc = output_text(o, names[i].name);
  }
  return rc != 0 ? rc : output_text(o, "]");
}

int copy_write(cli_output *o, const souk_copy *c) {
  int rc = output_text(o, "\"copy\":");
  if (rc == 0) rc = output_string(o, c->text, c->bytes);
  if (rc == 0) rc = output_text(o, ",\"log_probability\":");
  if (rc == 0) rc = output_float(o, (float)c->log_probability);
  if (rc == 0) rc = output_text(o, ",\"tokens\":");
  if (rc == 0) rc = output_int(o, c->tokens);
  if (rc == 0) rc = write_flags(o, c->flags);
  if (rc == 0 && c->reason[0] != '\0') {
    rc = output_text(o, ",\"reason\":");
    if (rc == 0) rc = output_string(o, c->reason, strlen(c->reason));
  }
  return rc;
}

static int write_n_best(const copywriter *w, cli_output *o, size_t i, int32_t n) {
  souk_copy c;
  int rc = output_text(o, ",\"n_best\":[");
  for (int32_t k = 0; rc == 0 && k < n; k++) {
    souk_promo_get_copy(w->answers, i, k, &c, NULL);
    rc = output_text(o, k > 0 ? ",{" : "{");
    if (rc == 0) rc = copy_write(o, &c);
    if (rc == 0) rc = output_text(o, "}");
  }
  return rc != 0 ? rc : output_text(o, "]");
}

int copywriter_write(copywriter *w, cli_output *o, size_t i, souk_promo_notes *notes) {
  souk_copy best;
  souk_promo_get_notes(w->answers, i, notes, NULL);
  souk_promo_get_copy(w->answers, i, 0, &best, NULL);
  w->told.requests++;
  w->told.templates += (best.flags & SOUK_COPY_TEMPLATE) != 0;
  w->told.refused += (best.flags & SOUK_COPY_REFUSED) != 0;
  w->told.unknown_items += notes->unknown_items;
  w->told.unknown_context += notes->unknown_context;
  w->told.dropped_terms += notes->dropped_terms;
  int rc = copy_write(o, &best);
  if (rc == 0 && w->options.n_best > 1) rc = write_n_best(w, o, i, notes->copies);
  return rc;
}

// Adds "N WORDS" to a sentence, unless N is 0.
static void add_count(char *text, size_t room, int64_t n, const char *words) {
  const size_t at = strlen(text);
  if (n > 0 && at < room)
    snprintf(text + at, room - at, "%s%lld %s", at > 0 ? ", " : "", (long long)n, words);
}

void copywriter_tell(const copywriter *w) {
  char text[512] = "";
  add_count(text, sizeof text, w->told.templates, "answered with a template");
  add_count(text, sizeof text, w->told.refused, "without any copy");
  add_count(text, sizeof text, w->told.unknown_items, "unknown items in histories");
  add_count(text, sizeof text, w->told.unknown_context,
            "goals, types, markets or languages that the bundle was not trained on");
  add_count(text, sizeof text, w->told.dropped_terms, "terms that the bundle has no slot for");
  if (text[0] != '\0') cli_fail(0, "of %lld requests for copy: %s", (long long)w->told.requests, text);
}

// ---- souk-infer promo ----------------------------------------------------------------------------------------

typedef struct promoter {
  copywriter w;
  cli_input in;
  cli_output *out;
  souk_promo_request *requests; // [lines]
  cli_query *const *asked;      // lines of the call that is at work, for the stream
  int stream_rc;                // a part could not be written
} promoter;

static int write_name(cli_output *o, const cli_query *q) {
  const char *user = q->offer.user >= 0 ? q->words + q->offer.user : NULL;
  int rc = output_user(o, q);
  if (rc != 0 || user == NULL || strcmp(q->key, "user") == 0) return rc;
  rc = output_text(o, ",\"user\":");
  if (rc != 0) return rc;
  return q->offer.user_is_string ? output_string(o, user, strlen(user)) : output_text(o, user);
}

static int write_part(promoter *p, const cli_query *q, int32_t copy, const char *text, size_t bytes) {
  int rc = output_user(p->out, q);
  if (rc == 0) rc = output_text(p->out, ",\"copy\":");
  if (rc == 0) rc = output_int(p->out, copy);
  if (rc == 0) rc = output_text(p->out, ",\"part\":");
  if (rc == 0) rc = output_string(p->out, text, bytes);
  if (rc == 0) rc = output_text(p->out, "}\n");
  return rc != 0 ? rc : output_flush(p->out);
}

// What stands in the place of refused copy is told by the answer alone.
static void on_part(void *arg, size_t request, int32_t copy, const char *text, size_t bytes, int32_t last,
                    uint32_t flags) {
  promoter *p = arg;
  (void)flags;
  if (last == 0 && bytes > 0 && p->stream_rc == 0)
    p->stream_rc = write_part(p, p->asked[request], copy, text, bytes);
}

static souk_status ask_copy(void *arg, cli_query *const *lines, size_t n, souk_error *e) {
  promoter *p = arg;
  p->asked = lines;
  for (size_t i = 0; i < n; i++) {
    p->requests[i] = query_request(lines[i]);
    p->requests[i].lexicon = p->w.lexicon;
  }
  return copywriter_ask(&p->w, p->requests, n, e);
}

static int write_count(cli_output *o, const char *field, int32_t n) {
  if (n == 0) return 0;
  const int rc = output_text(o, field);
  return rc != 0 ? rc : output_int(o, n);
}

static int write_copy(void *arg, cli_query *q, size_t i) {
  promoter *p = arg;
  souk_promo_notes notes;
  int rc = p->stream_rc;
  if (rc == 0) rc = write_name(p->out, q);
  if (rc == 0) rc = output_text(p->out, ",");
  if (rc == 0) rc = copywriter_write(&p->w, p->out, i, &notes);
  if (rc == 0) rc = output_text(p->out, ",\"unknown\":");
  if (rc == 0) rc = output_int(p->out, notes.unknown_items);
  if (rc == 0) rc = write_count(p->out, ",\"unknown_context\":", notes.unknown_context);
  if (rc == 0) rc = write_count(p->out, ",\"dropped_terms\":", notes.dropped_terms);
  return rc != 0 ? rc : output_text(p->out, "}\n");
}

int command_promo(const cli_options *o, const souk_bundle *b) {
  promoter p = {.out = NULL};
  const size_t lines = (size_t)o->batch;
  int rc = copywriter_open(&p.w, o, b, o->bundle);
  if (o->stream) p.w.options.stream = on_part;
  p.w.options.stream_arg = &p;
  p.requests = calloc(lines, sizeof *p.requests);
  if (rc == 0 && p.requests == NULL) rc = cli_fail(EXIT_FAILED, "out of memory: %zu requests", lines);
  if (rc == 0) rc = input_open(&p.in, o->input);
  p.in.lines = LINES_REQUESTS;
  if (rc == 0) rc = find_adapter(b, o->adapter, &p.in.adapter);
  if (rc == 0) rc = output_open(&p.out, o->output);
  const cli_answerer a = {
      .arg = &p, .most = lines, .threads = o->threads, .out = p.out, .ask = ask_copy, .write = write_copy};
  rc = answer_all(rc, &p.in, b, &a);
  copywriter_tell(&p.w);
  copywriter_close(&p.w);
  input_close(&p.in);
  free(p.requests);
  return rc;
}
