// Pairs of sessions, [CLS] a [SEP] b [SEP], for the objective next_session: a window of a history split where one session ends and
// another begins, half of the time with another user's session in place of the second.
//
// Each segment is what the model reads elsewhere (data/user_context.h): the user's attributes in front of the first, searches between
// the events of each, and a domain's token in front of each run, also of the one that the border cuts.
#ifndef SOUK_DATA_SOURCES_SESSION_PAIRS_H
#define SOUK_DATA_SOURCES_SESSION_PAIRS_H

#include "data/sources/history_internal.h"

// Rows of a pair that its window has not: a border may cut a run of a domain.
int32_t session_pair_rows(const history_source *b);
// Splits window e of s; `all`: the examples of the group, of which the other session is one. *label: 0 the user's own next session, 1
// another's, which has no more rows than it. Segments that are too long have lost their oldest rows, the longer one first. Valid until
// the next call. False: the window has no border, or there is no room for two segments.
bool session_pair(history_source *b, const example_list *all, const example *e, const sequence *s,
                  batch_input *first, batch_input *second, int32_t *label);

#endif
