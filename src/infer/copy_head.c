// The head that writes copy; see copy_head.h.
#include "infer/copy_head.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/copy_context.h"
#include "format/lexicon_symbols.h"
#include "format/printable.h"
#include "format/safetensors.h"
#include "format/utf8.h"
#include "infer/encoder.h"
#include "infer/lexicons.h"

typedef struct head_reader {
  souk_bundle *b;
  safetensors file;
  char path[4096];
  float *matrix; // [H,H] as it lies in the file
  size_t used;
  souk_error *e;
} head_reader;

void copy_head_free(souk_bundle *b) {
  souk_lexicon_free(b->copy.quantities);
  free(b->copy.arena);
  free(b->copy.words_bits);
  free(b->copy.inside_bits);
  b->copy = (copy_head){.there = false};
}

// Words of a set of the head's tokens.
static size_t bits_words(const souk_bundle *b) {
  return b->copy.there ? (size_t)(b->copy.classes + 63) / 64 : 0;
}

size_t copy_head_bytes(const souk_bundle *b) {
  const souk_lexicon *x = b->copy.quantities;
  size_t bytes = b->copy.floats * sizeof(float) + 2 * bits_words(b) * sizeof(uint64_t);
  if (x != NULL) bytes += sizeof *x + lexicon_bytes(x->phrases) + lexicon_words_bytes(x->words);
  return bytes;
}

static size_t padded(size_t floats) {
  return (floats + 15) / 16 * 16;
}

static float *carve(head_reader *r, size_t floats) {
  float *p = r->b->copy.arena + r->used;
  r->used += padded(floats);
  return p;
}

// Copies a tensor [rows,columns], or with rows 0 a vector, to `to`.
static souk_status take(const head_reader *r, const char *name, size_t rows, size_t columns, float *to) {
  const tensor *t;
  format_error found;
  const size_t n = (rows > 0 ? rows : 1) * columns;
  const bool there =
      rows > 0
          ? safetensors_expect(&r->file, r->path, name, "F32", 2, (int64_t)rows, (int64_t)columns, &t, &found)
          : safetensors_expect(&r->file, r->path, name, "F32", 1, (int64_t)columns, 0, &t, &found);
  if (!there) return infer_fail_format(r->e, &found);
  memcpy(to, t->data, n * sizeof *to);
  for (size_t i = 0; i < n; i++)
    if (!isfinite(to[i]))
      return infer_fail(r->e, SOUK_ERR_NONFINITE, "%s: tensor \"%s\" holds a NaN or an infinity", r->path,
                        name);
  return SOUK_OK;
}

static souk_status take_vector(head_reader *r, const char *name, size_t n, float **to) {
  *to = carve(r, n);
  return take(r, name, 0, n, *to);
}

static souk_status fill(head_reader *r) {
  souk_bundle *b = r->b;
  copy_head *h = &b->copy;
  const size_t H = (size_t)b->hidden, C = (size_t)h->classes;
  h->floats = gemm_packed_size(H, H) + gemm_packed_size(C, H) + 3 * padded(H) + padded(C);
  PASS(infer_alloc(&h->arena, h->floats, sizeof *h->arena, "the head of copy", r->e));
  h->words = carve(r, gemm_packed_size(C, H));
  gemm_pack(b->word, H, C, H, h->words);
  PASS(take_vector(r, "copy.bias", C, &h->bias));
  if (safetensors_find(&r->file, "copy.transform.dense.weight") == NULL) return SOUK_OK; // a plain head
  PASS(infer_alloc(&r->matrix, H * H, sizeof *r->matrix, "a matrix", r->e));
  PASS(take(r, "copy.transform.dense.weight", H, H, r->matrix));
  h->transform = carve(r, gemm_packed_size(H, H));
  gemm_pack(r->matrix, H, H, H, h->transform);
  PASS(take_vector(r, "copy.transform.dense.bias", H, &h->transform_b));
  PASS(take_vector(r, "copy.transform.LayerNorm.weight", H, &h->norm_w));
  return take_vector(r, "copy.transform.LayerNorm.bias", H, &h->norm_b);
}

// A tensor more is a head other than the one that is read here.
static souk_status refuse_surplus(const head_reader *r) {
  for (size_t i = 0; i < r->file.count; i++)
    if (!r->file.items[i].used)
      return infer_fail(r->e, SOUK_ERR_FORMAT, "%s: tensor \"%s\" is unknown", r->path,
                        r->file.items[i].name);
  return SOUK_OK;
}

static void find_slots(souk_bundle *b) {
  for (int s = 0; s < SLOT_COUNT; s++) b->copy.slots[s] = copy_slot_token(b->vocab, (promo_slot)s);
}

// Does a reader see the word as it is? Nobody sees a zero-width space, and a control character does something else.
static bool is_seen(const char *word) {
  char shown[128];
  bool seen = false;
  if (strlen(word) >= sizeof shown || strcmp(printable(shown, sizeof shown, word, ""), word) != 0)
    return false;
  for (size_t n; *word != '\0'; word += n) {
    const uint32_t kind = lexicon_symbol_of(utf8_next(word, strlen(word), &n)).kind;
    seen |= *word == '-' ||
            (kind != LEXICON_NOTHING && kind != LEXICON_SPACE); // a hyphen is as a space to a lexicon
  }
  return seen;
}

// Words that can be seen, but those in brackets, "[unused7]", which no text has.
static souk_status find_words(souk_bundle *b, souk_error *e) {
  copy_head *h = &b->copy;
  PASS(infer_alloc(&h->words_bits, bits_words(b), sizeof *h->words_bits, "the words of copy", e));
  PASS(infer_alloc(&h->inside_bits, bits_words(b), sizeof *h->inside_bits, "the words of copy", e));
  for (int32_t i = vocab_begin(b->vocab, RANGE_WORDS); i < vocab_end(b->vocab, RANGE_WORDS); i++) {
    const char *word = vocab_token(b->vocab, i);
    const size_t n = strlen(word);
    const uint64_t bit = UINT64_C(1) << (i % 64);
    if (n > 2 && word[0] == '[' && word[n - 1] == ']') continue;
    if (is_seen(word)) h->words_bits[i / 64] |= bit;
    if (n > 2 && word[0] == '#' && word[1] == '#') h->inside_bits[i / 64] |= bit;
  }
  return SOUK_OK;
}

souk_status copy_head_read(souk_bundle *b, souk_error *e) {
  const mapping *m = &b->files[FILE_COPY];
  head_reader *r;
  format_error found;
  if (!b->copy.there) return SOUK_OK;
  PASS(infer_alloc(&r, 1, sizeof *r, "a reader", e));
  r->b = b;
  r->e = e;
  snprintf(r->path, sizeof r->path, "%s/%s", b->dir, bundle_file_names[FILE_COPY]);
  souk_status rc =
      safetensors_read(&r->file, m->data, m->bytes, r->path, &found) ? fill(r) : infer_fail_format(e, &found);
  if (rc == SOUK_OK) rc = refuse_surplus(r);
  if (rc == SOUK_OK) rc = find_words(b, e);
  if (rc == SOUK_OK) rc = lexicon_open(&b->copy.quantities, b, NULL, 0, e);
  if (rc == SOUK_OK) find_slots(b);
  safetensors_free(&r->file);
  free(r->matrix);
  free(r);
  return rc;
}

// c->branch [S,H] becomes what is multiplied with the table.
static void transform(const chunk *c) {
  const souk_bundle *b = c->b;
  const copy_head *h = &b->copy;
  const size_t H = (size_t)b->hidden, n = (size_t)c->S;
  void (*const gelu)(const float *, float *, size_t) = b->erf ? c->k->gelu_erf : c->k->gelu_tanh;
  c->k->gemm_packed(c->x, H, h->transform, h->transform_b, c->branch, H, n, H, H);
  chunk_shift(c, SHIFT_COPY, c->branch, H);
  for (size_t i = 0; i < n; i++) {
    float *y = c->branch + i * H;
    gelu(y, y, H);
    c->k->norm_row(y, h->norm_w, h->norm_b, b->eps, y, NULL, NULL, H);
  }
  chunk_shift(c, SHIFT_COPY_NORM, c->branch, H);
}

void copy_logits(const chunk *c, float *logits) {
  const souk_bundle *b = c->b;
  const copy_head *h = &b->copy;
  const size_t H = (size_t)b->hidden, C = (size_t)h->classes, n = (size_t)c->S;
  if (h->transform == NULL)
    memcpy(c->branch, c->x, n * H * sizeof *c->x);
  else
    transform(c);
  c->k->scale(b->inv_temperature, c->branch, n * H);
  c->k->gemm_packed(c->branch, H, h->words, h->bias, logits, C, n, C, H);
  for (size_t i = 0; i < n; i++) {
    const adapted_table *t = adapter_table(&b->adapters, c->adapter[i]);
    if (t != NULL) adapted_table_words(b, t, c->branch + i * H, C, c->low, logits + i * C);
  }
  chunk_shift(c, SHIFT_COPY_BIAS, logits, C);
}
