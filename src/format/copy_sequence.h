// The sequence of a prefix language model, which writes copy: [CLS] source [SEP] copy [SEP]. Training and the inference module both
// lay it out here, so that they cannot differ.
//
//   source   context, then the item, then the user: attributes and events, the oldest first
//   copy     its tokens, and [SEP] where it ends
//
// Rows of the source see each other, those of the copy see the source and what was written before them. The [SEP] behind the source and
// each row of the copy predict the token that follows; the last one predicted is the [SEP] at the end, which is no row itself, because
// nothing comes behind it. Source rows are of segment 0 and copy rows of segment 1.
//
// A copy always finds room for layout.copy_tokens predicted tokens. What the source has is cut without a look at the copy, which is not
// known yet when it has to be written: the context stays whole, the item loses the end of its text, and of the history the oldest
// events go first. Where positions count from the end they do so from the end of the longest copy, for the same reason.
#ifndef SOUK_FORMAT_COPY_SEQUENCE_H
#define SOUK_FORMAT_COPY_SEQUENCE_H

#include "format/sequence.h"

typedef struct copy_source {
  const int32_t *
      context; // [n_context] what is wanted: language, market, type, goal and the slots of the terms that are given
  int32_t n_context;
  const int32_t *item; // [n_item] the item's token, if it has one, and its text
  int32_t n_item;
  seq_input history; // attributes of the user, then events
  int32_t fixed;     // how many of the history's tokens are attributes, which stay as sequence_fixed() says
} copy_source;

typedef struct copy_layout {
  seq_layout sequence; // cls_sep, and two segments or more
  int32_t copy_tokens; // longest copy, [SEP] included; at least 2
  int32_t item_tokens; // longest item, at least 1
} copy_layout;

typedef struct copy_plan {
  int32_t source;        // rows of the source, [CLS] and [SEP] included: the batch's prefix_len
  int32_t item, history; // tokens of each that are kept
  int32_t written; // tokens of the copy that are predicted, with [SEP] if it fits: at rows source - 1 and on
  int32_t rows;    // of the whole sequence: source + written - 1, or source where there is no copy yet
  int32_t positions_from; // position of row 0 where positions count down, -1: they count up from 0
} copy_plan;

enum { NO_COPY = -1 };

// Plans the sequence of a source and a copy of n_copy tokens, [SEP] not counted; NO_COPY: it is to be written. False: the layout is not
// one for copy, or has no room for the context beside the longest copy.
bool copy_plan_make(copy_plan *plan, const copy_layout *layout, const copy_source *source, int32_t n_copy);
// Writes the rows of the source: plan->source elements of each array.
void copy_write_source(const copy_plan *plan, const copy_layout *layout, const copy_source *source,
                       int32_t *ids, int32_t *types, int32_t *positions);
// Row `row` of the sequence is of the copy: its type and position.
int32_t copy_row_type(const copy_layout *layout);
int32_t copy_row_position(const copy_plan *plan, int32_t row);

#endif
