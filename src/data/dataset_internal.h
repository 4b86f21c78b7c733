// What the files that read parts of a data set share with dataset.c.
#ifndef SOUK_DATA_DATASET_INTERNAL_H
#define SOUK_DATA_DATASET_INTERNAL_H

#include "data/copy_rows.h"
#include "data/item_features.h"
#include "data/item_texts.h"
#include "data/user_context.h"
#include "hdf5/h5_reader.h"

// What is read of items and users when it is first asked for; NULL: not yet, or there is none.
typedef struct item_data {
  item_texts *texts;
  item_features *features;
  user_context *context;
  copy_rows *copy;
  struct hard_negatives *hard; // set by who trains (hard_negatives.h)
} item_data;

// Do the shards, which hold so many sequences, hold what the manifest says? ERR_FORMAT, which says what they do not.
status dataset_check_sums(const dataset *d, int64_t sequences);

item_data *dataset_item_data(dataset *d);
void item_texts_free(item_texts *t);       // NULL is safe
void item_features_free(item_features *f); // NULL is safe
void user_context_free(user_context *c);   // NULL is safe

// The shards' vocabulary: ids of the ranges that the files on disk were written with, and for each of these tokens what it is in
// the vocabulary that the data set is read in (NULL: the same).
const dataset_info *dataset_stored(const dataset *d);
const int32_t *dataset_token_as(const dataset *d);
uint8_t dataset_event_as(const dataset *d, uint8_t event); // likewise of event types
// For each item of the vocabulary the place of the item of its name in the files, -1 where there is none. *out: [items], freed by
// the caller.
status dataset_stored_items(const dataset *d, int32_t **out);

#endif
