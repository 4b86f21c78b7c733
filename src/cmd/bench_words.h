// souk bench words: how fast the tokeniser cuts the lines of a file, on one thread.
#ifndef SOUK_CMD_BENCH_WORDS_H
#define SOUK_CMD_BENCH_WORDS_H

#include "base/status.h"

// argv[0] is the first argument after "words".
status bench_words(int argc, char **argv);

#endif
