// Copy for requests, written by the inference library as souk-infer does: there is one decoder.
#ifndef SOUK_CMD_COPY_WRITER_H
#define SOUK_CMD_COPY_WRITER_H

#include "base/options.h"
#include "cmd/copy_requests.h"

// How copy is decoded; the names are those of souk-infer promo.
typedef struct copy_decoding {
  int decode; // SOUK_DECODE_...
  int64_t beam, beam_groups, top_k, no_repeat, min_tokens, max_tokens;
  double length_penalty, coverage_penalty, diversity, temperature, top_p;
  char lexicon[OPTION_STRING];
} copy_decoding;
extern const option copy_decoding_options[];
extern const size_t n_copy_decoding_options;
// Refuses what would change nothing: options of a search that is not the one asked for, and, where no copy is written, all of them.
status copy_decoding_check(const copy_decoding *d, bool written);
// "beam of 4, length penalty 1" for reports; returns buf.
enum { DECODING_TEXT = 256 };
const char *copy_decoding_text(const copy_decoding *d, uint64_t seed, char buf[DECODING_TEXT]);

typedef struct copy_written {
  int64_t n;
  char **texts, **reasons; // [n] the best copy of each request; "" unless it is a template or refused
  double *log_probability; // [n]
  int32_t *tokens;         // [n]
  uint32_t *flags;         // [n] SOUK_COPY_...
  int64_t templates, refused, cut;
  int64_t strange; // requests whose source has not as many tokens as in training
} copy_written;

// bundle: directory.
status copy_write(copy_written *out, const char *bundle, const copy_requests *r, const copy_decoding *how,
                  uint64_t seed, int32_t threads);
void copy_written_free(copy_written *w); // safe on a zeroed one

#endif
