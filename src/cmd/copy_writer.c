// Writing copy; see copy_writer.h.
#include "cmd/copy_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "prepare/input_files.h"

enum { TOGETHER = 64, MOST_LEXICON_BYTES = 64 << 20 };

#define FLAG(name) offsetof(copy_decoding, name)
const option copy_decoding_options[] = {
    {"decode", OPT_CHOICE, FLAG(decode), "greedy", 0, 0, "greedy|beam|sample", "how tokens are chosen"},
    {"beam", OPT_INT, FLAG(beam), "4", 1, 64, NULL, "hypotheses of --decode beam"},
    {"length_penalty", OPT_FLOAT, FLAG(length_penalty), "0", -10, 10, NULL,
     "beam: log probabilities are divided by ((5 + tokens) / 6) to this power"},
    {"coverage_penalty", OPT_FLOAT, FLAG(coverage_penalty), "0", 0, 100, NULL,
     "beam: weight of what the copy has read of its source"},
    {"beam_groups", OPT_INT, FLAG(beam_groups), "1", 1, 64, NULL,
     "beam: groups that --diversity keeps apart"},
    {"diversity", OPT_FLOAT, FLAG(diversity), "0", 0, 100, NULL,
     "beam: what a token loses for each earlier group that has just taken it"},
    {"temperature", OPT_FLOAT, FLAG(temperature), "1", 1e-3, 100, NULL, "sample: logits are divided by it"},
    {"top_k", OPT_INT, FLAG(top_k), "0", 0, 1 << 20, NULL,
     "sample: among the K most probable tokens; 0: all"},
    {"top_p", OPT_FLOAT, FLAG(top_p), "1", 1e-6, 1, NULL,
     "sample: among the fewest tokens whose probabilities add up to it"},
    {"no_repeat", OPT_INT, FLAG(no_repeat), "0", 0, 64, NULL,
     "no sequence of N tokens comes twice in a copy; 0: any may"},
    {"min_tokens", OPT_INT, FLAG(min_tokens), "0", 0, 32768, NULL, "tokens of a copy, at least"},
    {"max_tokens", OPT_INT, FLAG(max_tokens), "0", 0, 32768, NULL,
     "tokens of a copy, at most; 0: as many as the model was trained on"},
    {"lexicon", OPT_STRING, FLAG(lexicon), "off", 0, 0, NULL,
     "files of phrases that copy may not have, or must; off: quantities that are no term alone are kept out"},
};
const size_t n_copy_decoding_options = sizeof copy_decoding_options / sizeof *copy_decoding_options;

status copy_decoding_check(const copy_decoding *d, bool written) {
  static copy_decoding usual;
  option_section section = {"", "", copy_decoding_options, n_copy_decoding_options, &usual};
  const option_set set = {.usage = "", .sections = &section, .count = 1};
  TRY(options_defaults(&set));
  const struct {
    const char *name;
    bool said;
    int decode; // the search that has it; -1: any
  } options[] = {
      {"beam", d->beam != usual.beam, SOUK_DECODE_BEAM},
      {"beam_groups", d->beam_groups != usual.beam_groups, SOUK_DECODE_BEAM},
      {"length_penalty", d->length_penalty != usual.length_penalty, SOUK_DECODE_BEAM},
      {"coverage_penalty", d->coverage_penalty != usual.coverage_penalty, SOUK_DECODE_BEAM},
      {"diversity", d->diversity != usual.diversity, SOUK_DECODE_BEAM},
      {"temperature", d->temperature != usual.temperature, SOUK_DECODE_SAMPLE},
      {"top_k", d->top_k != usual.top_k, SOUK_DECODE_SAMPLE},
      {"top_p", d->top_p != usual.top_p, SOUK_DECODE_SAMPLE},
      {"decode", d->decode != usual.decode, -1},
      {"no_repeat", d->no_repeat != usual.no_repeat, -1},
      {"min_tokens", d->min_tokens != usual.min_tokens, -1},
      {"max_tokens", d->max_tokens != usual.max_tokens, -1},
      {"lexicon", strcmp(d->lexicon, usual.lexicon) != 0, -1},
  };
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    if (!options[i].said) continue;
    if (!written) return fail(ERR_ARGUMENT, "--%s says how --copy is written", options[i].name);
    if (options[i].decode >= 0 && options[i].decode != d->decode)
      return fail(ERR_ARGUMENT, "--%s needs --decode %s", options[i].name,
                  options[i].decode == SOUK_DECODE_BEAM ? "beam" : "sample");
  }
  if (d->diversity > 0 && d->beam_groups == 1)
    return fail(ERR_ARGUMENT, "--diversity needs --beam_groups above 1, since it keeps groups apart");
  return OK;
}

const char *copy_decoding_text(const copy_decoding *d, uint64_t seed, char buf[DECODING_TEXT]) {
  int n = 0;
  if (d->decode == SOUK_DECODE_GREEDY) n = snprintf(buf, DECODING_TEXT, "greedy");
  if (d->decode == SOUK_DECODE_BEAM)
    n = snprintf(buf, DECODING_TEXT,
                 "beam of %lld in %lld groups, length penalty %g, coverage penalty %g, diversity %g",
                 (long long)d->beam, (long long)d->beam_groups, d->length_penalty, d->coverage_penalty,
                 d->diversity);
  if (d->decode == SOUK_DECODE_SAMPLE)
    n = snprintf(buf, DECODING_TEXT, "sampled, temperature %g, top-k %lld, top-p %g, seed %llu",
                 d->temperature, (long long)d->top_k, d->top_p, (unsigned long long)seed);
  if (d->no_repeat > 0 && n < DECODING_TEXT)
    snprintf(buf + n, (size_t)(DECODING_TEXT - n), ", no %lld tokens twice", (long long)d->no_repeat);
  return buf;
}

// ---- the library's errors and lexicons -------------------------------------------------------------------------

static status said(souk_status code, const souk_error *e) {
  return code == SOUK_OK ? OK : fail(code == SOUK_ERR_MEMORY ? ERR_MEMORY : ERR_ARGUMENT, "%s", e->message);
}

static status read_lexicon(souk_lexicon **out, const souk_bundle *b, const char *list) {
  input_files files = {.n = 0};
  souk_lexicon_text *texts = NULL;
  char **data = NULL;
  souk_error error;
  status rc = input_files_find(&files, list, "--lexicon");
  if (rc == OK) rc = mem_new(&texts, files.n, sizeof *texts, "lexicons");
  if (rc == OK) rc = mem_new(&data, files.n, sizeof *data, "lexicons");
  for (size_t i = 0; rc == OK && i < files.n; i++) {
    texts[i].name = files.names[i];
    rc = file_read(files.names[i], MOST_LEXICON_BYTES, &data[i], &texts[i].bytes);
    texts[i].text = data[i];
  }
  if (rc == OK) rc = said(souk_lexicon_new(out, b, texts, files.n, &error), &error);
  for (size_t i = 0; data != NULL && i < files.n; i++) free(data[i]);
  free(data);
  free(texts);
  input_files_free(&files);
  return rc;
}

// ---- writing ---------------------------------------------------------------------------------------------------

static status keep(copy_written *w, int64_t at, const souk_promo *answers, size_t request) {
  souk_error error;
  souk_copy c;
  TRY(said(souk_promo_get_copy(answers, request, 0, &c, &error), &error));
  TRY(mem_strndup(&w->texts[at], c.text, c.bytes));
  TRY(mem_strdup(&w->reasons[at], c.reason));
  w->log_probability[at] = c.log_probability;
  w->tokens[at] = c.tokens;
  w->flags[at] = c.flags;
  w->templates += (c.flags & SOUK_COPY_TEMPLATE) != 0;
  w->refused += (c.flags & SOUK_COPY_REFUSED) != 0;
  w->cut += (c.flags & SOUK_COPY_CUT) != 0;
  return OK;
}

static status compare_source(copy_written *w, const souk_promo *answers, size_t request, int32_t tokens) {
  souk_error error;
  souk_promo_notes notes;
  TRY(said(souk_promo_get_notes(answers, request, &notes, &error), &error));
  w->strange += notes.source_tokens != tokens;
  return OK;
}

static status write_some(copy_written *w, const souk_bundle *b, const copy_requests *r, int64_t n,
                         const souk_promo_options *options) {
  souk_promo *answers;
  souk_error error;
  TRY(said(souk_promo_write(b, r->requests + w->n, (size_t)n, options, &answers, &error), &error));
  status rc = OK;
  for (int64_t i = 0; i < n && rc == OK; i++) {
    rc = keep(w, w->n + i, answers, (size_t)i);
    if (rc == OK) rc = compare_source(w, answers, (size_t)i, r->sources[w->n + i]);
  }
  w->n += rc == OK ? n : 0;
  souk_promo_free(answers);
  return rc;
}

static souk_promo_options options_of(const copy_decoding *how, uint64_t seed, int32_t threads) {
  const bool beam = how->decode == SOUK_DECODE_BEAM, sample = how->decode == SOUK_DECODE_SAMPLE;
  return (souk_promo_options){.threads = threads,
                              .decode = how->decode,
                              .beam = beam ? (int32_t)how->beam : 0,
                              .beam_groups = beam ? (int32_t)how->beam_groups : 0,
                              .length_penalty = beam ? how->length_penalty : 0,
                              .coverage_penalty = beam ? how->coverage_penalty : 0,
                              .diversity = beam ? how->diversity : 0,
                              .top_k = sample ? (int32_t)how->top_k : 0,
                              .top_p = sample ? how->top_p : 0,
                              .temperature = sample ? how->temperature : 0,
                              .no_repeat = (int32_t)how->no_repeat,
                              .min_tokens = (int32_t)how->min_tokens,
                              .max_tokens = (int32_t)how->max_tokens,
                              .seed = seed};
}

static status write_all(copy_written *w, const souk_bundle *b, const copy_requests *r,
                        const copy_decoding *how, const souk_promo_options *options) {
  souk_lexicon *lexicon = NULL;
  status rc = OK;
  if (strcmp(how->lexicon, "off") != 0 && how->lexicon[0] != '\0')
    TRY(read_lexicon(&lexicon, b, how->lexicon));
  for (int64_t i = 0; i < r->n; i++) r->requests[i].lexicon = lexicon;
  while (w->n < r->n && rc == OK) {
    const int64_t left = r->n - w->n;
    log_doing("writing copy %lld of %lld", (long long)w->n + 1, (long long)r->n);
    rc = write_some(w, b, r, left < TOGETHER ? left : TOGETHER, options);
  }
  for (int64_t i = 0; i < r->n; i++) r->requests[i].lexicon = NULL;
  souk_lexicon_free(lexicon);
  return rc;
}

static status make_room(copy_written *w, size_t n) {
  TRY(mem_new(&w->texts, n, sizeof *w->texts, "copies"));
  TRY(mem_new(&w->reasons, n, sizeof *w->reasons, "copies"));
  TRY(mem_new(&w->log_probability, n, sizeof *w->log_probability, "copies"));
  TRY(mem_new(&w->tokens, n, sizeof *w->tokens, "copies"));
  return mem_new(&w->flags, n, sizeof *w->flags, "copies");
}

status copy_write(copy_written *out, const char *bundle, const copy_requests *r, const copy_decoding *how,
                  uint64_t seed, int32_t threads) {
  souk_bundle *b;
  souk_error error;
  const souk_promo_options options = options_of(how, seed, threads);
  *out = (copy_written){.n = 0};
  TRY(make_room(out, (size_t)r->n));
  TRY(said(souk_open(&b, bundle, SOUK_SKIP_CHECKSUMS, &error), &error));
  const status rc = write_all(out, b, r, how, &options);
  souk_close(b);
  return rc;
}

void copy_written_free(copy_written *w) {
  for (int64_t i = 0; i < w->n; i++) {
    free(w->texts[i]);
    free(w->reasons[i]);
  }
  free(w->texts);
  free(w->reasons);
  free(w->log_probability);
  free(w->tokens);
  free(w->flags);
  *w = (copy_written){.n = 0};
}
