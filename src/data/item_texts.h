// The texts of a data set's items, as tokens: what the catalogue says of each, ready to be read by an encoder.
//
// File texts.h5 of a data set (HDF5, schema "souk.texts", version 1): offsets int64 [I + 1], which begin at 0 and do not fall, and
// tokens int32 [N]; the text of item i, in the order of the vocabulary, is tokens [offsets[i], offsets[i + 1]). A token is a word,
// an attribute (brand=NAME, category=NAME, price=K, rating=K) or [UNK]; other special tokens are in no text. An item that the
// catalogue does not describe has no tokens.
#ifndef SOUK_DATA_ITEM_TEXTS_H
#define SOUK_DATA_ITEM_TEXTS_H

#include "data/dataset.h"

typedef struct item_texts {
  int32_t items;          // I: those of the data set's vocabulary
  const int64_t *offsets; // [items + 1]
  const int32_t *tokens;  // [offsets[items]] ids of the data set's vocabulary
} item_texts;

// *out is NULL for a data set without texts; else owned by d, until it is closed or read in another vocabulary
// (dataset_read_as: its items then have the texts of those of the same name, and none where there is none; a token that the other
// vocabulary does not have is [UNK]). Reads and checks the file at the first call, which no other thread may make at the same time.
// ERR_FORMAT names the file and the item.
status dataset_item_texts(dataset *d, const item_texts **out);

double item_texts_bytes(const item_texts *t); // in memory; NULL: 0

// Writes such a file; t is as described above. deflate: level of compression, 0 to 9.
status item_texts_write(const item_texts *t, const char *path, int deflate);

// The texts that dataset_item_texts has read, for threads that must not read; NULL: none.
const item_texts *dataset_known_texts(const dataset *d);
// Writes a safetensors file of the same arrays, "offsets" and "tokens", for those who read no HDF5.
status item_texts_write_tensors(const item_texts *t, const char *path);

#endif
