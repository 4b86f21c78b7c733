// Everything that docs/formats.md says of a data set's files beyond what dataset_open and block_read look at anyway: for
// souk inspect, which is asked whether a data set is sound.
#ifndef SOUK_DATA_DATASET_VERIFY_H
#define SOUK_DATA_DATASET_VERIFY_H

#include "data/dataset.h"

// Reads all histories, users.tsv and, where they are listed, items.h5, texts.h5, features.h5 and catalogue.jsonl. d is a prepared data set. Memory:
// a block of histories, eight bytes a user, a bit an item.
status dataset_verify(dataset *d);

#endif
