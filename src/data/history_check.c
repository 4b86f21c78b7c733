// What is checked of histories; see history_check.h.
#include "data/history_check.h"

status history_check_index(const history_index *h, const int64_t *users) {
  for (int64_t i = 0; i < h->n; i++) {
    const long long number = (long long)(h->first + i);
    if (h->valid_from[i] < 0 || h->test_from[i] < h->valid_from[i] || h->test_from[i] > h->lengths[i])
      return fail(ERR_FORMAT, "%s: history %lld has %d events and bad cuts: valid_from %d, test_from %d",
                  h->shard, number, h->lengths[i], h->valid_from[i], h->test_from[i]);
    if (users[i] != h->first + i)
      return fail(ERR_FORMAT,
                  "%s: history %lld is of user %lld; it must be of the user with its own number, whose "
                  "name is in that line of users.tsv",
                  h->shard, number, (long long)users[i]);
  }
  return OK;
}

static status bad_event(const char *shard, const sequence *s, int32_t i, const char *name, int64_t value,
                        const char *why) {
  return fail(ERR_FORMAT, "%s: history %lld event %d: \"%s\" is %lld, %s", shard, (long long)s->index, (int)i,
              name, (long long)value, why);
}

status history_check_events(const sequence *s, const dataset_info *info, const char *shard) {
  int32_t sessions = 0;
  for (int32_t i = 0; i < s->n; i++) {
    if (s->tokens[i] >= info->vocab_size || (s->tokens[i] < TOKEN_SPECIALS && s->tokens[i] != TOKEN_UNK))
      return bad_event(shard, s, i, "tokens", s->tokens[i], "which is no item of the vocabulary");
    if (s->events[i] >= info->n_event_types)
      return bad_event(shard, s, i, "events", s->events[i], "which is no event type of the manifest");
    if (i > 0 && s->times[i] < s->times[i - 1])
      return bad_event(shard, s, i, "times", s->times[i], "which is before the event in front of it");
    if (s->sessions[i] < 0 || s->sessions[i] > sessions)
      return bad_event(shard, s, i, "sessions", s->sessions[i],
                       "but sessions are numbered from 0 as they first appear");
    sessions += s->sessions[i] == sessions;
  }
  return OK;
}
