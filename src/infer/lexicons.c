// Lexicons; see lexicons.h.
#include "infer/lexicons.h"

#include <stdlib.h>
#include <string.h>
#include "infer/checks.h"

// Words have text; special tokens, attributes and slots have none that a model could write. A bundle that writes copy has a lexicon that
// is bound already, and lives as long as the bundle.
static bool bind(souk_lexicon *x, format_error *e) {
  const vocab *v = x->b->vocab;
  const souk_lexicon *bound = x->b->copy.quantities;
  if (bound != NULL) return lexicon_bind_like(&x->words, x->phrases, bound->words, e);
  const int32_t n = vocab_begin(v, RANGE_ITEMS);
  lexicon_piece *pieces;
  if (!format_alloc(&pieces, (size_t)n, sizeof *pieces, "lexicon", e)) return false;
  for (int32_t i = vocab_begin(v, RANGE_WORDS); i < vocab_end(v, RANGE_WORDS); i++) {
    const char *text = vocab_token(v, i);
    const bool continues = text[0] == '#' && text[1] == '#' && text[2] != '\0';
    pieces[i] = (lexicon_piece){text + (continues ? 2 : 0), continues};
  }
  const bool good = lexicon_bind(&x->words, x->phrases, pieces, n, e);
  free(pieces);
  return good;
}

souk_status lexicon_open(souk_lexicon **out, const souk_bundle *b, const lexicon_text *texts, size_t n,
                         souk_error *error) {
  format_error found;
  souk_lexicon *x;
  PASS(infer_alloc(&x, 1, sizeof *x, "lexicon", error));
  x->b = b;
  x->magic = LEXICON_MAGIC;
  if (!lexicon_compile(&x->phrases, texts, n, &found) || !bind(x, &found)) {
    souk_lexicon_free(x);
    return infer_fail_format(error, &found);
  }
  *out = x;
  return SOUK_OK;
}

static bool is_open(const souk_lexicon *x) {
  return x != NULL && ALIGNED(x, souk_lexicon) && x->magic == LEXICON_MAGIC;
}

bool lexicon_is_of(const souk_lexicon *x, const souk_bundle *b) {
  return is_open(x) && x->b == b;
}

void souk_lexicon_free(souk_lexicon *x) {
  if (!is_open(x)) return;
  x->magic = 0;
  lexicon_words_free(x->words);
  lexicon_free(x->phrases);
  free(x);
}

static souk_status open_texts(souk_lexicon **out, const souk_bundle *b, const souk_lexicon_text *texts,
                              size_t n, lexicon_text *own, place *names, souk_error *error) {
  for (size_t i = 0; i < n; i++) {
    place where = {.array = "texts", .index = i, .field = "text"};
    if (texts[i].text == NULL)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s must not be NULL", name_of(&where));
    names[i] = (place){.array = "texts", .index = i, .field = ""};
    own[i] = (lexicon_text){.text = texts[i].text,
                            .bytes = texts[i].bytes > 0 ? texts[i].bytes : strlen(texts[i].text),
                            .name = texts[i].name != NULL ? texts[i].name : name_of(&names[i]),
                            .kind = LEXICON_FILE};
  }
  return lexicon_open(out, b, own, n, error);
}

souk_status souk_lexicon_new(souk_lexicon **out, const souk_bundle *b, const souk_lexicon_text *texts,
                             size_t n, souk_error *error) {
  enum { MOST_TEXTS = 1 << 16 };
  BEGIN_CALL(error);
  CHECK_POINTER(out, souk_lexicon *, 1, "out");
  *out = NULL;
  PASS(check_bundle(b, error));
  CHECK_POINTER(texts, souk_lexicon_text, n, "texts");
  if (n > MOST_TEXTS)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "n = %zu: a lexicon has at most %d texts", n, MOST_TEXTS);
  if (b->tokenizer == NULL)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has no words, and a lexicon is of a bundle's words",
                      b->dir);
  lexicon_text *own = NULL;
  place *names = NULL;
  souk_status rc = infer_alloc(&own, n, sizeof *own, "texts", error);
  if (rc == SOUK_OK) rc = infer_alloc(&names, n, sizeof *names, "texts", error);
  if (rc == SOUK_OK) rc = open_texts(out, b, texts, n, own, names, error);
  free(own);
  free(names);
  return rc;
}

const char *souk_carried_lexicon(const souk_bundle *b, int32_t i, size_t *bytes, const char **name) {
  if (!ALIGNED(bytes, size_t) || !ALIGNED(name, char *) || bytes == NULL) return NULL;
  *bytes = 0;
  if (name != NULL) *name = NULL;
  if (!usable(b) || i < 0) return NULL;
  for (int f = FILE_LEXICON_EN; f <= FILE_LEXICON_ZH; f++) {
    if (b->files[f].bytes == 0 || i-- > 0) continue;
    *bytes = b->files[f].bytes;
    if (name != NULL) *name = bundle_file_names[f];
    return b->files[f].data;
  }
  return NULL;
}
