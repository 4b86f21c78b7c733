// Attributes of an item as they come with copy: one text, "colour#red*size#5", or an object of names and values, which is written as such
// a text. Rows that copy is learned from and requests for copy both come through here, so that a model reads in a request what it has
// read in training.
#ifndef SOUK_FORMAT_ITEM_ATTRIBUTES_H
#define SOUK_FORMAT_ITEM_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>

// What a member of an object adds to its text: the name, '#', the value, and '*' in front unless it is the first. `to` has room for
// name_bytes + bytes + ITEM_ATTRIBUTE_MARKS. Returns the bytes that were written, without a NUL.
enum { ITEM_ATTRIBUTE_MARKS = 2 };
size_t item_attribute_write(char *to, bool first, const char *name, size_t name_bytes, const char *value,
                            size_t bytes);

// The text [bytes] as the words that a model reads: every mark becomes a space.
void item_attributes_words(char *text, size_t bytes);

#endif
