// The public functions that write copy. Arguments are checked here, once (checks.h).
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "infer/checks.h"
#include "infer/decoder.h"
#include "infer/products.h"

enum { BEAM_MOST = COPY_WIDTH_MAX, PHRASE_BYTES = 4096 };

// ---- options -------------------------------------------------------------------------------------------------

static souk_status check_range(double value, double least, double most, const char *what, souk_error *error) {
  if (value >= least && value <= most) return SOUK_OK; // a NaN is not
  return infer_fail(error, SOUK_ERR_ARGUMENT, "%s = %g is not from %g to %g", what, value, least, most);
}

static souk_status check_numbers(const souk_promo_options *o, souk_error *error) {
  const struct {
    double value, least, most;
    const char *what;
  } numbers[] = {
      {o->decode, SOUK_DECODE_GREEDY, SOUK_DECODE_SAMPLE, "options.decode"},
      {o->n_best, 0, BEAM_MOST, "options.n_best"},
      {o->beam, 0, BEAM_MOST, "options.beam"},
      {o->beam_groups, 0, BEAM_MOST, "options.beam_groups"},
      {o->top_k, 0, INT32_MAX, "options.top_k"},
      {o->no_repeat, 0, INT32_MAX, "options.no_repeat"},
      {o->min_tokens, 0, INT32_MAX, "options.min_tokens"},
      {o->max_tokens, 0, INT32_MAX, "options.max_tokens"},
      {o->no_cache, 0, 1, "options.no_cache"},
      {o->length_penalty, 0, 10, "options.length_penalty"},
      {o->coverage_penalty, 0, 100, "options.coverage_penalty"},
      {o->diversity, 0, 1e6, "options.diversity"},
      {o->temperature, 0, 1e4, "options.temperature"},
      {o->top_p, 0, 1, "options.top_p"},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    PASS(check_range(numbers[i].value, numbers[i].least, numbers[i].most, numbers[i].what, error));
  return SOUK_OK;
}

// Puts what zeros stand for into their places, and checks what must fit together.
static souk_status settle_options(souk_promo_options *o, souk_error *error) {
  PASS(check_threads(o->threads, error));
  PASS(check_numbers(o, error));
  if (o->n_best == 0) o->n_best = 1;
  if (o->beam == 0) o->beam = o->n_best > 4 ? o->n_best : 4;
  if (o->beam_groups == 0) o->beam_groups = 1;
  if (o->temperature <= 0) o->temperature = 1;
  if (o->top_p <= 0) o->top_p = 1;
  if (o->decode == SOUK_DECODE_GREEDY && o->n_best > 1)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.n_best = %d, and greedy decoding has one copy",
                      o->n_best);
  if (o->decode != SOUK_DECODE_BEAM) {
    o->coverage_penalty = 0;
    return SOUK_OK;
  }
  if (o->n_best > o->beam)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.n_best = %d is more than options.beam = %d",
                      o->n_best, o->beam);
  if (o->beam % o->beam_groups != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.beam_groups = %d does not divide options.beam = %d",
                      o->beam_groups, o->beam);
  if (o->no_cache != 0 && o->coverage_penalty > 0)
    return infer_fail(
        error, SOUK_ERR_ARGUMENT,
        "options.coverage_penalty: attention is known with the cache only, and options.no_cache = 1");
  return SOUK_OK;
}

// ---- requests ------------------------------------------------------------------------------------------------

// A text that may be NULL unless it is needed.
static souk_status check_name(const char *text, size_t most, place where, souk_error *error) {
  if (text != NULL && strnlen(text, most + 1) > most)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has more than %zu bytes", name_of(&where), most);
  return SOUK_OK;
}

static souk_status check_phrases(const souk_bundle *b, const char *const *list, int32_t n, place where,
                                 souk_error *error) {
  if (n < 0 || n > REQUIRED_MOST)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s: there are %d phrases, and there may be 0 to %d",
                      name_of(&where), n, REQUIRED_MOST);
  CHECK_POINTER(list, char *, n, name_of(&where));
  for (int32_t i = 0; i < n; i++) {
    if (list[i] == NULL)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s[%d] must not be NULL", name_of(&where), i);
    PASS(check_name(list[i], PHRASE_BYTES, where, error));
  }
  if (n > 0 && b->tokenizer == NULL)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s: %s has no words, so it reads no texts", name_of(&where),
                      b->dir);
  return SOUK_OK;
}

// Which languages and markets copy can be written for is not the bundle's to say but the renderer's.
static souk_status check_market(const souk_promo_request *r, size_t i, souk_error *error) {
  promo_language language;
  if (r->language == NULL || !promo_language_named(r->language, &language))
    return infer_fail(error, SOUK_ERR_ARGUMENT, "requests[%zu].language = \"%.60s\" is not \"en\" or \"zh\"",
                      i, r->language != NULL ? r->language : "");
  if (r->market != NULL && promo_market_named(r->market) == NULL)
    return infer_fail(error, SOUK_ERR_ARGUMENT,
                      "requests[%zu].market = \"%.60s\": how prices and dates are written there is not known",
                      i, r->market);
  return SOUK_OK;
}

static souk_status check_lengths(const souk_promo_request *r, size_t i, souk_error *error) {
  if (r->min_tokens < 0 || r->max_tokens < 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "requests[%zu].%s = %d is negative", i,
                      r->min_tokens < 0 ? "min_tokens" : "max_tokens",
                      r->min_tokens < 0 ? r->min_tokens : r->max_tokens);
  if (r->required_slots >> SOUK_SLOTS != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "requests[%zu].required_slots = 0x%x has bits of no slot", i,
                      r->required_slots);
  if (r->reserved != 0 || r->terms.reserved != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "requests[%zu].%sreserved = %d is not 0", i,
                      r->reserved != 0 ? "" : "terms.", r->reserved != 0 ? r->reserved : r->terms.reserved);
  return SOUK_OK;
}

static souk_status check_request(const souk_bundle *b, const souk_promo_request *r, size_t i,
                                 souk_error *error) {
  place where = {.array = "requests", .index = i, .field = "history"};
  PASS(check_history(b, &r->history, where, error));
  if (r->item < -1 || r->item >= b->items)
    return infer_fail(error, SOUK_ERR_ARGUMENT,
                      "requests[%zu].item = %d is not an item's number from -1 to %d", i, r->item,
                      b->items - 1);
  where.field = "adapter";
  PASS(check_adapter(b, r->adapter, name_of(&where), error));
  PASS(check_product(b, &r->product, "requests", i, false, error));
  const struct {
    const char *text, *field;
  } names[] = {{r->goal, "goal"},
               {r->type, "type"},
               {r->market, "market"},
               {r->language, "language"},
               {r->terms.code, "terms.code"},
               {r->terms.item, "terms.item"}};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    where.field = names[k].field;
    PASS(check_name(names[k].text, MAX_NAME_BYTES, where, error));
  }
  PASS(check_market(r, i, error));
  if (r->lexicon != NULL && !lexicon_is_of(r->lexicon, b))
    return infer_fail(error, SOUK_ERR_ARGUMENT, "requests[%zu].lexicon is not an open lexicon of this bundle",
                      i);
  where.field = "required";
  PASS(check_phrases(b, r->required, r->n_required, where, error));
  where.field = "banned";
  PASS(check_phrases(b, r->banned, r->n_banned, where, error));
  return check_lengths(r, i, error);
}

// ---- calls ---------------------------------------------------------------------------------------------------

souk_status souk_promo_sized(const souk_bundle *b, const souk_promo_request *requests, size_t request_bytes,
                             size_t n, const souk_promo_options *options, size_t options_bytes,
                             souk_promo **out, souk_error *error) {
  copy_job j = {.b = b, .requests = requests, .request_bytes = request_bytes, .n = n};
  BEGIN_CALL(error);
  CHECK_POINTER(out, souk_promo *, 1, "out");
  *out = NULL;
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  CHECK_POINTER(options, souk_promo_options, 0, "options");
  PASS(take_structure(&j.options, sizeof j.options, options, options_bytes, "options", error));
  PASS(settle_options(&j.options, error));
  if (!b->copy.there)
    return infer_fail(error, SOUK_ERR_ARGUMENT,
                      "%s writes no copy: souk finetune --task promo makes a model that does", b->dir);
  PASS(check_elements(requests, n, request_bytes, sizeof *requests, offsetof(souk_promo_request, terms),
                      "requests", error));
  for (size_t i = 0; i < n; i++) {
    const souk_promo_request r = job_request(&j, i);
    PASS(check_request(b, &r, i, error));
  }
  souk_status rc = answers_new(&j.answers, n, error);
  if (rc == SOUK_OK && n > 0) rc = decoder_run(&j, error);
  if (rc == SOUK_OK)
    *out = j.answers;
  else
    souk_promo_free(j.answers);
  return rc;
}

static souk_status find_answer(const souk_promo *p, size_t request, const promo_answer **a,
                               souk_error *error) {
  if (p == NULL || !ALIGNED(p, souk_promo) || p->magic != PROMO_MAGIC)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "promo is not the answers of a call");
  if (request >= p->n)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "request = %zu is not below %zu", request, p->n);
  *a = &p->answers[request];
  return SOUK_OK;
}

// Fields of a newer version of the caller's structure are zero.
static souk_status give(void *to, size_t bytes, const void *known, size_t known_bytes, const char *what,
                        souk_error *error) {
  if (bytes == 0) return infer_fail(error, SOUK_ERR_ARGUMENT, "%s_bytes is 0", what);
  memset(to, 0, bytes);
  memcpy(to, known, bytes < known_bytes ? bytes : known_bytes);
  return SOUK_OK;
}

souk_status souk_promo_notes_sized(const souk_promo *p, size_t request, souk_promo_notes *notes,
                                   size_t notes_bytes, souk_error *error) {
  const promo_answer *a;
  BEGIN_CALL(error);
  CHECK_POINTER(notes, souk_promo_notes, 1, "notes");
  PASS(find_answer(p, request, &a, error));
  return give(notes, notes_bytes, &a->notes, sizeof a->notes, "notes", error);
}

souk_status souk_promo_copy_sized(const souk_promo *p, size_t request, int32_t copy, souk_copy *to,
                                  size_t copy_bytes, souk_error *error) {
  const promo_answer *a;
  BEGIN_CALL(error);
  CHECK_POINTER(to, souk_copy, 1, "to");
  PASS(find_answer(p, request, &a, error));
  if (copy < 0 || copy >= a->notes.copies)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "copy = %d is not from 0 to %d", copy, a->notes.copies - 1);
  return give(to, copy_bytes, &a->copies[copy], sizeof *to, "copy", error);
}
