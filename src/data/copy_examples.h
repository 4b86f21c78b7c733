// Rows of copy (copy_rows.h) as a model reads and writes them: with the user's history before the row, and laid out by
// format/copy_sequence.h. All that a row needs is read from the data set once, and stays in memory.
#ifndef SOUK_DATA_COPY_EXAMPLES_H
#define SOUK_DATA_COPY_EXAMPLES_H

#include "data/batcher.h"
#include "data/copy_rows.h"

typedef struct copy_examples {
  const copy_rows *rows;
  copy_layout layout;
  copy_lists items;     // token of the item and its text, at most layout.item_tokens
  copy_lists histories; // attributes of the user and events, as far as there is room
  uint8_t *events;      // of their tokens
  int32_t *fixed;       // [rows] how many of them are attributes
  float *weights;       // [rows] of each row in the loss; 1 unless somebody changes it
} copy_examples;

// What the options say of a layout, where 0 leaves it to the data: copy as long as the longest of the data set, an item's text as long as
// the model has room for beside that, what is wanted and COPY_EVENTS tokens of history, at least a quarter of its positions. ERR_ARGUMENT: the layout is not one for copy (it names the option).
status copy_layout_of(copy_layout *out, dataset *d, const data_config *c, const seq_layout *layout);
// The positions that a model needs to show rows of d whole with COPY_EVENTS tokens of history, at these options; ERR_ARGUMENT where
// the data set has no copy.
enum { COPY_EVENTS = 32 };
status copy_positions(int32_t *out, dataset *d, const data_config *c);

// d must outlive it. ERR_ARGUMENT: the data set has no copy, or the layout no room for it.
status copy_examples_open(copy_examples **out, dataset *d, const copy_layout *layout);
// Leaves attributes and events of users out of all sources (copy.history = false).
void copy_examples_forget_users(copy_examples *e);
void copy_examples_close(copy_examples *e);         // NULL is safe
double copy_examples_bytes(const copy_examples *e); // in memory, the rows included

// A row's source, which borrows the arrays; and its place in a batch: rows in all, and how many of them write.
copy_source copy_examples_source(const copy_examples *e, int64_t i);
copy_plan copy_examples_plan(const copy_examples *e, int64_t i);
// Appends row i to a batch, its tokens weighed by weights[i]. False: it does not fit.
bool copy_examples_put(const copy_examples *e, int64_t i, int64_t seq_id, batch *b);

#endif
