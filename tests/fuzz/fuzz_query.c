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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  cli_input in;
  int64_t line = 0;
  require(input_open(&in, fuzz_file(0, data, bytes)) == 0);
  for (;;) {
    const int rc = input_read(&in, bundle, 2);
    require(rc == 0 || rc == EXIT_FAILED);
    for (size_t i = 0; i < in.n; i++) {
      require(in.queries[i].number > line);
      line = in.queries[i].number;
      if (in.queries[i].error[0] != '\0') continue;
      fuzz_accepted();
      ask(&in.queries[i]);
    }
    if (rc != 0 || in.n == 0) break;
  }
  input_close(&in);
  return 0;
}
