// Dense features of a data set's items: vectors that another program made of their images, videos or whatever else.
//
// File features.h5 of a data set (HDF5, schema "souk.features", version 1): rows float32 [I, F], a row for each item in the order of
// the vocabulary, and present uint8 [I]: 1, or 0 for an item without features, whose row is zero. All values are finite.
#ifndef SOUK_DATA_ITEM_FEATURES_H
#define SOUK_DATA_ITEM_FEATURES_H

#include "data/dataset.h"

enum { MOST_FEATURES = 65536 }; // of an item

typedef struct item_features {
  int32_t items, width;   // I and F; F is at least 1
  const float *rows;      // [items, width]
  const uint8_t *present; // [items]
} item_features;

// *out is NULL for a data set without features; else owned by d, until it is closed or read in another vocabulary, as the texts of
// items are (item_texts.h). Reads and checks the file at the first call, which no other thread may make at the same time.
status dataset_item_features(dataset *d, const item_features **out);

// Writes such a file; f is as described above. deflate: level of compression, 0 to 9.
status item_features_write(const item_features *f, const char *path, int deflate);

#endif
