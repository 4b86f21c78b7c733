// The answers of a call for copy: text, and what there is to say of it.
#ifndef SOUK_INFER_DECODER_ANSWERS_H
#define SOUK_INFER_DECODER_ANSWERS_H

#include "infer/decoder_limits.h"

// Copy in tokens.
typedef struct finished_copy {
  int32_t *tokens;   // [n], room for copy_tokens
  int32_t n, number; // number: of its hypothesis
  double log_probability, score;
  uint32_t flags;
  size_t told; // bytes of its text that the stream has
} finished_copy;

typedef struct promo_answer {
  souk_promo_notes notes;
  souk_copy *copies; // [notes.copies]
} promo_answer;

struct souk_promo {
  uint64_t magic;
  size_t n;
  promo_answer *answers; // [n]
};
#define PROMO_MAGIC UINT64_C(0x736f756b636f7079)

souk_status answers_new(souk_promo **out, size_t n, souk_error *e);
// Makes an answer of finished copies, the best first.
souk_status answers_write(promo_answer *a, const copy_limits *l, const finished_copy *copies, int32_t n,
                          souk_error *e);
// Makes it of a template of the promotion's type, because of `reason`.
souk_status answers_refuse(promo_answer *a, const copy_limits *l, const char *type, const char *reason,
                           souk_error *e);

#endif
