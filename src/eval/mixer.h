// A mix (format/mix.h) for the threads of a ranking: what it adds to the scores of questions.
#ifndef SOUK_EVAL_MIXER_H
#define SOUK_EVAL_MIXER_H

#include "base/status.h"
#include "eval/queries.h"
#include "format/mix.h"

typedef struct mixer mixer;
// m must outlive it. A question's tokens from first_item on are the items of the mix.
status mixer_open(mixer **out, const mix *m, int32_t first_item, int32_t threads);
void mixer_close(mixer *x); // NULL is safe
const mix *mixer_mix(const mixer *x);

// The histories of n questions, for this thread; then mixer_get of each. false: out of memory, which mixer_check tells.
bool mixer_ask(mixer *x, int32_t thread, const query *q, int64_t n);
mix_added mixer_get(const mixer *x, int32_t thread, int64_t i);
// The history of one question with all its sums, until the thread's next call; NULL: out of memory.
const mix_room *mixer_sums(mixer *x, int32_t thread, const query *q);
status mixer_check(const mixer *x);

#endif
