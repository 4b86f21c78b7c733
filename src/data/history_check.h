// What docs/formats.md says of the histories in a shard, checked for everybody who reads them.
#ifndef SOUK_DATA_HISTORY_CHECK_H
#define SOUK_DATA_HISTORY_CHECK_H

#include "data/dataset.h"

// The cuts of `n` histories, the first of which is number `first` of the data set; history i has lengths[i] events. shard: the
// file, for messages.
typedef struct history_index {
  const char *shard;
  int64_t first, n;
  const int32_t *lengths, *valid_from, *test_from; // [n]
} history_index;
// Cuts that divide each, and users [n], who are those of the lines of users.tsv, one after the other.
status history_check_index(const history_index *h, const int64_t *users);
// The events of a history: items (or [UNK], one that the vocabulary does not have), types that there are, times that do not fall, sessions that are numbered from 0 as they
// first appear. (They may overlap: 0 1 0 1.)
status history_check_events(const sequence *s, const dataset_info *info, const char *shard);

#endif
