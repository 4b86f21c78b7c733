// The catalogue's lines: catalogue.jsonl stays mapped, and there is a pointer to the line of each item.
#ifndef SOUK_INFER_CATALOGUE_H
#define SOUK_INFER_CATALOGUE_H

#include "infer/errors.h"
#include "format/vocabulary.h"

typedef struct catalogue {
  struct catalogue_line {
    const char *text; // NULL: none
    size_t bytes;
  } * lines; // [items]; NULL: the bundle has no catalogue
} catalogue;

// Checks every line (an object whose "item" is a string; "title", if there, too). Lines of unknown items are ignored;
// if an item has two lines, the later one counts.
souk_status catalogue_read(catalogue *c, const char *data, size_t bytes, const vocab *v, const char *path,
                           souk_error *e);
void catalogue_free(catalogue *c); // zeroed is fine
// As souk_item_title.
size_t catalogue_title(const catalogue *c, int32_t item, char *buf, size_t bytes);

#endif
