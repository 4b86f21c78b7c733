// Texts for the inference library, as they are and in the lines that souk-infer reads: every text has a vector, the same alone and in
// company, and what a line says of a pair or a product can be asked about. The first byte says which.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/vocab.h"
#include "fuzz/fuzz.h"
#include "infer_cli/cli.h"
#include "lib/tiny_bundle.h"

enum { H = 16, AS_IT_IS, TEXTS, PAIRS, PRODUCTS, HISTORIES, WAYS };
static souk_bundle *bundle;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  static const char *const words[] = {"the", "fox", "##es", "un", "##known", "##a", ",", "\xe6\xaf\x9b"};
  char path[4096];
  souk_error e;
  vocab *v;
  (void)argc;
  (void)argv;
  require_ok(vocab_new(&v));
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    require_ok(vocab_add(v, RANGE_WORDS, words[i], 0, NULL));
  tiny_words_bundle(fuzz_directory(), v);
  snprintf(path, sizeof path, "%s/bundle", fuzz_directory());
  require(souk_open(&bundle, path, 0, &e) == SOUK_OK);
  fuzz_silence();
  return 0;
}

static void embed(const char *text, size_t bytes) {
  const char *const texts[] = {"the fox", text};
  const size_t lengths[] = {7, bytes};
  float two[2 * H], one[H];
  int32_t tokens[2], again;
  souk_error e;
  require(souk_embed_texts(bundle, texts, lengths, 2, NULL, two, tokens, &e) == SOUK_OK);
  require(souk_embed_texts(bundle, texts + 1, lengths + 1, 1, NULL, one, &again, &e) == SOUK_OK);
  require(memcmp(one, two + H, sizeof one) == 0 && tokens[1] == again);
  require(tokens[1] >= 0 && (size_t)tokens[1] <= bytes);
  for (int i = 0; i < H; i++) require(isfinite(one[i]));
  fuzz_accepted();
}

// Of an item all that is there is there whole.
static void check_product(const cli_query *q) {
  const souk_product p = query_product(q);
  size_t bytes = 0;
  if (p.text != NULL) bytes += strlen(p.text);
  for (size_t i = 0; i < p.n_attributes; i++) bytes += strlen(p.attributes[i]);
  require(bytes <= q->words_bytes);
  require(p.features == NULL); // the bundle has none
  fuzz_accepted();
}

static void check_history(const cli_query *q) {
  const souk_history h = query_history(q);
  float u[H + 1];
  souk_error e;
  require(q->history.n == q->events.n && (q->text_at.n == 0 || q->text_at.n == q->history.n));
  require(souk_user_vectors(bundle, &h, 1, 1, u, NULL, &e) == SOUK_OK);
  for (int i = 0; i <= H; i++) require(isfinite(u[i]));
  fuzz_accepted();
}

static void check_line(const cli_query *q, int way) {
  if (way == TEXTS) embed(q->words, q->text_bytes);
  if (way == PAIRS || way == PRODUCTS) check_product(q);
  if (way == PAIRS || way == HISTORIES) check_history(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static const cli_lines lines[WAYS] = {[TEXTS] = LINES_TEXTS,
                                        [PAIRS] = LINES_PAIRS,
                                        [PRODUCTS] = LINES_PRODUCTS,
                                        [HISTORIES] = LINES_HISTORIES};
  cli_input in;
  if (bytes == 0) return 0;
  const int way = AS_IT_IS + data[0] % (WAYS - AS_IT_IS);
  if (way == AS_IT_IS) {
    embed((const char *)data + 1, bytes - 1);
    return 0;
  }
  require(input_open(&in, fuzz_file(0, data + 1, bytes - 1)) == 0);
  in.lines = lines[way];
  for (;;) {
    const int rc = input_read(&in, bundle, 2);
    require(rc == 0 || rc == EXIT_FAILED);
    for (size_t i = 0; i < in.n; i++)
      if (in.queries[i].error[0] == '\0') check_line(&in.queries[i], way);
    if (rc != 0 || in.n == 0) break;
  }
  input_close(&in);
  return 0;
}
