// The lines that souk-infer reads: every query that it accepts can be asked, and the answer is sound; lines come
// in order, those that it refuses among them.
#include <stdlib.h>
#include <string.h>
#include "fuzz/bundles.h"
#include "fuzz/fuzz.h"
#include "infer_cli/cli.h"

static souk_bundle *bundle;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  souk_error e;
  require(souk_open(&bundle, bundle_make(), 0, &e) == SOUK_OK);
  fuzz_silence(); // errors are told on stderr
  return 0;
}

static void ask(const cli_query *q) {
  const souk_query query = {.history = query_history(q),
                            .candidates = q->has_candidates ? q->candidates.items : NULL,
                            .n_candidates = q->has_candidates ? q->candidates.n : 0,
                            .deny = q->deny.items,
                            .n_deny = q->deny.n};
  require(q->history.n == q->events.n);
  require(strlen(q->user) == q->user_bytes);
  if (q->text_at.n > 0) { // the bundle has no words
    int32_t items[3], count;
    require(q->text_at.n == q->history.n);
    require(souk_rank(bundle, &query, 1, 3, NULL, items, NULL, &count, NULL, NULL) == SOUK_ERR_ARGUMENT);
    return;
  }
  require(check_ranks(bundle, &query, 1, 3) == SOUK_OK);
}

// A request for copy points into its own words, and what it says is in the ranges that the library takes.
static void look(const cli_query *q, bool campaign) {
  const souk_promo_request r = query_request(q);
  const char *const texts[] = {r.goal,         r.type,       r.market,    r.language,
                               r.product.text, r.terms.item, r.terms.code};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    require(texts[i] == NULL ||
            (texts[i] >= q->words && texts[i] + strlen(texts[i]) < q->words + q->words_bytes));
  for (int32_t i = 0; i < r.n_required; i++) require(strlen(r.required[i]) < q->words_bytes);
  for (int32_t i = 0; i < r.n_banned; i++) require(strlen(r.banned[i]) < q->words_bytes);
  require(campaign || r.language != NULL);
  require(r.n_required <= 64 && r.n_banned <= 64 && r.terms.month >= 0 && r.terms.month <= 12);
  require(r.terms.price >= 0 && r.terms.percent >= 0 && r.max_tokens >= 0 && q->offer.value >= 0);
}

static void read_all(cli_lines lines, const uint8_t *data, size_t bytes) {
  cli_input in;
  int64_t line = 0;
  require(input_open(&in, fuzz_file(0, data, bytes)) == 0);
  in.lines = lines;
  for (;;) {
    const int rc = input_read(&in, bundle, 2);
    require(rc == 0 || rc == EXIT_FAILED);
    for (size_t i = 0; i < in.n; i++) {
      require(in.queries[i].number > line);
      line = in.queries[i].number;
      if (in.queries[i].error[0] != '\0') continue;
      fuzz_accepted();
      if (lines == LINES_HISTORIES)
        ask(&in.queries[i]);
      else
        look(&in.queries[i], lines == LINES_CAMPAIGNS);
    }
    if (rc != 0 || in.n == 0) break;
  }
  input_close(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  read_all(LINES_HISTORIES, data, bytes);
  read_all(LINES_REQUESTS, data, bytes);
  read_all(LINES_CAMPAIGNS, data, bytes);
  return 0;
}
