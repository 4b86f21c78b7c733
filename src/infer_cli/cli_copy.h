// Writing copy for requests, for souk-infer promo and for promotions in ranked lists.
#ifndef SOUK_INFER_CLI_CLI_COPY_H
#define SOUK_INFER_CLI_CLI_COPY_H

#include "infer_cli/cli.h"

typedef struct copywriter {
  const souk_bundle *b;
  souk_promo_options options;
  souk_lexicon *lexicon; // NULL: nothing but quantities is kept out
  souk_promo *answers;   // of the last call
  struct {
    int64_t requests, templates, refused, unknown_items, unknown_context, dropped_terms;
  } told; // of all answers that were written
} copywriter;

// By the command's options; `name` is the bundle's path for errors. Closed in every case.
int copywriter_open(copywriter *w, const cli_options *o, const souk_bundle *b, const char *name);
void copywriter_close(copywriter *w);
souk_status copywriter_ask(copywriter *w, const souk_promo_request *requests, size_t n, souk_error *e);
// Writes the copy of request i of the last call, "copy":... and the fields behind it, n_best too, and counts what there is to tell.
int copywriter_write(copywriter *w, cli_output *o, size_t i, souk_promo_notes *notes);
int copy_write(cli_output *o, const souk_copy *c); // "copy":... to its flags and reason
// Says on stderr how many requests had to do without copy, and what was unknown; nothing if there is nothing to say.
void copywriter_tell(const copywriter *w);

// The lexicon that --lexicon asks for, or the bundle's own (cli_lexicon.c); NULL: "off".
int lexicons_open(souk_lexicon **out, const cli_options *o, const souk_bundle *b);

#endif
