// Texts of items as examples for masked LM: [CLS] text [SEP].
//
// A part of the source that mixes (mix_source.c). The examples are an endless sequence: position p is a text of the (p / n)-th
// random order of the n texts that have words, so that however few an epoch has, all come equally often.
#ifndef SOUK_DATA_SOURCES_TEXT_SOURCE_H
#define SOUK_DATA_SOURCES_TEXT_SOURCE_H

#include "data/batch_bounds.h"
#include "data/item_texts.h"
#include "data/sources/token_masks.h"

typedef struct text_source {
  const dataset *d;
  const data_config *c;
  seq_layout layout;
  const item_texts *texts;
  int32_t *items; // [n] that have words
  int32_t n;
  int32_t room;  // tokens of a text in an example, at most
  int32_t *text; // [room] at hand
  token_masks *masks;
} text_source;

// What the options and the data set must be for texts to be read: ERR_ARGUMENT says what is missing.
status text_source_check(const data_config *c, const seq_layout *layout);
// d, c and masks must outlive it. ERR_ARGUMENT: the data set has no texts, or none has a word.
status text_source_open(text_source *t, dataset *d, const data_config *c, const seq_layout *layout,
                        token_masks *masks);
void text_source_close(text_source *t); // of a zeroed one, too
double text_source_bytes(const text_source *t);

// Appends the examples at positions [from, stop).
status text_source_list(const text_source *t, int64_t from, int64_t stop, example_list *to);
status text_source_add(text_source *t, batch *out, const example *e);
// The kinds of `count` examples, at most max_positions + 1; returns how many.
size_t text_source_kinds(const text_source *t, double count, example_kind *to);

// The text of an item, of at most `room` tokens, into to[room]; returns how many it has. One that is too long loses words at the
// end; its attributes, which stand behind the words, are kept.
int32_t text_source_take(const text_source *t, int32_t item, int32_t room, int32_t *to);

#endif
