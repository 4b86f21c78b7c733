// souk bench lexicon: how long it takes to compile a lexicon, to bind it to a vocabulary, and to make the mask of a token.
#ifndef SOUK_CMD_BENCH_LEXICON_H
#define SOUK_CMD_BENCH_LEXICON_H

#include "base/status.h"

// argv[0] is the first argument after "lexicon".
status bench_lexicon(int argc, char **argv);

#endif
