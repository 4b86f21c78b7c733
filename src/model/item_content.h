// What is known of the items of a vocabulary besides their ids, in host memory: what makes their vectors where model.items is
// content or both (item_vectors.h). A checkpoint of such a model keeps it (content.h5), so that neither evaluation nor export needs
// the data set.
//
// content.h5 (HDF5, schema "souk.content", version 1): offsets int64 [I + 1], tokens int32 [N] (data/item_texts.h), known uint8 [I]
// and, of a model with dense features, features float32 [I, F] (zeros where an item has none).
#ifndef SOUK_MODEL_ITEM_CONTENT_H
#define SOUK_MODEL_ITEM_CONTENT_H

#include "data/dataset.h"
#include "model/config.h"

typedef struct item_content {
  int32_t items, width; // I and F; width 0: no features
  int64_t *offsets;     // [items + 1]
  int32_t *tokens;      // [offsets[items]] ids below the first item's
  float *features;      // [items, width]; NULL: none
  uint8_t *known;       // [items] 1: the item has events that were trained on, so that its id means something
} item_content;

void item_content_free(item_content *c); // NULL is safe
status item_content_copy(item_content **out, const item_content *c);
// Of a data set whose counts are those of the training part (training_part_count): its texts and features, and which items have been
// trained on. ERR_ARGUMENT for a data set that has neither texts nor features.
status item_content_of_data(item_content **out, dataset *d);
// The fields of c that depend on them (item_base, items_n, item_words, item_features), for c->items other than ITEMS_ID; the others
// are left alone.
status item_content_describe(model_config *c, dataset *d);

// content.h5. A file must be of the model c: ERR_FORMAT names what is not.
status item_content_write(const item_content *c, const char *path);
status item_content_read(item_content **out, const char *path, const model_config *c);

#endif
