// souk-infer rank --promote: promotions placed in ranked lists, with copy.
#ifndef SOUK_INFER_CLI_CLI_PROMOTE_H
#define SOUK_INFER_CLI_CLI_PROMOTE_H

#include "infer_cli/cli.h"

typedef struct cli_placer cli_placer;

// Reads the requests of --promote. `ranking` is how lists are ranked, and is kept.
int placer_open(cli_placer **out, const cli_options *o, const souk_bundle *b,
                const souk_rank_options *ranking);
void placer_close(cli_placer *p); // NULL is safe
// Places promotions in the lists of n lines, which were ranked by `queries`, each with its user vector: rows of k items and scores, of which row i
// has counts[i], become the new lists and their relevance. Then writes all copy. A call after one that failed, or whose answers
// were not written, counts what was shown as if that one had not been.
souk_status placer_ask(cli_placer *p, cli_query *const *lines, const souk_query *queries, size_t n, int32_t k,
                       int32_t *items, float *scores, const int32_t *counts, souk_error *e);
// Writes what was promoted in list i, and what it cost: ,"promoted":[...],"relevance":{...}
int placer_write(cli_placer *p, cli_output *o, size_t i);
void placer_tell(const cli_placer *p); // on stderr, at the end

#endif
