// Answers of a call for copy; see decoder_answers.h.
#include "infer/decoder_answers.h"

#include <stdlib.h>
#include <string.h>

souk_status answers_new(souk_promo **out, size_t n, souk_error *e) {
  souk_promo *p;
  *out = NULL;
  PASS(infer_alloc(&p, 1, sizeof *p, "answers", e));
  p->magic = PROMO_MAGIC;
  p->n = n;
  *out = p;
  return infer_alloc(&p->answers, n > 0 ? n : 1, sizeof *p->answers, "answers", e);
}

static void free_answer(promo_answer *a) {
  for (int32_t k = 0; a->copies != NULL && k < a->notes.copies; k++) {
    free((void *)(uintptr_t)a->copies[k].text);
    free((void *)(uintptr_t)a->copies[k].ids);
    free((void *)(uintptr_t)a->copies[k].reason);
  }
  free(a->copies);
}

void souk_promo_free(souk_promo *p) {
  if (p == NULL || (uintptr_t)p % _Alignof(souk_promo) != 0 || p->magic != PROMO_MAGIC) return;
  p->magic = 0;
  for (size_t i = 0; p->answers != NULL && i < p->n; i++) free_answer(&p->answers[i]);
  free(p->answers);
  free(p);
}

static souk_status copy_text(const char *from, size_t bytes, const char **to, souk_error *e) {
  char *own;
  PASS(infer_alloc(&own, bytes + 1, 1, "the text of copy", e));
  if (bytes > 0) memcpy(own, from, bytes);
  *to = own;
  return SOUK_OK;
}

static souk_status write_copy(souk_copy *to, const copy_limits *l, const finished_copy *f, souk_error *e) {
  const size_t bytes = limits_text(l, f->tokens, f->n, NULL, 0);
  char *text;
  int32_t *ids;
  PASS(infer_alloc(&text, bytes + 1, 1, "the text of copy", e));
  to->text = text;
  PASS(infer_alloc(&ids, (size_t)f->n + 1, sizeof *ids, "the tokens of copy", e));
  to->ids = ids;
  PASS(copy_text("", 0, &to->reason, e));
  limits_text(l, f->tokens, f->n, text, bytes + 1);
  memcpy(ids, f->tokens, (size_t)f->n * sizeof *ids);
  to->bytes = bytes;
  to->tokens = f->n;
  to->log_probability = f->log_probability;
  to->score = f->score;
  to->flags = f->flags;
  return SOUK_OK;
}

souk_status answers_write(promo_answer *a, const copy_limits *l, const finished_copy *copies, int32_t n,
                          souk_error *e) {
  PASS(infer_alloc(&a->copies, (size_t)n, sizeof *a->copies, "copies", e));
  a->notes.copies = n;
  for (int32_t k = 0; k < n; k++) PASS(write_copy(&a->copies[k], l, &copies[k], e));
  return SOUK_OK;
}

souk_status answers_refuse(promo_answer *a, const copy_limits *l, const char *type, const char *reason,
                           souk_error *e) {
  int32_t *ids;
  char *text;
  PASS(infer_alloc(&a->copies, 1, sizeof *a->copies, "copies", e));
  a->notes.copies = 1;
  souk_copy *c = a->copies;
  PASS(infer_alloc(&ids, 1, sizeof *ids, "the tokens of copy", e));
  c->ids = ids;
  PASS(copy_text(reason, strlen(reason), &c->reason, e));
  c->bytes = limits_template(l, type, NULL, 0);
  c->flags = c->bytes > 0 ? SOUK_COPY_TEMPLATE : SOUK_COPY_REFUSED;
  PASS(infer_alloc(&text, c->bytes + 1, 1, "the text of copy", e));
  c->text = text;
  limits_template(l, type, text, c->bytes + 1);
  return SOUK_OK;
}
