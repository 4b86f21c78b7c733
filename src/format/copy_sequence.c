// The layout of sources and copy; see copy_sequence.h.
#include "format/copy_sequence.h"

#include "format/vocabulary.h"

static int32_t least(int32_t a, int32_t b) {
  return a < b ? a : b;
}

bool copy_plan_make(copy_plan *plan, const copy_layout *layout, const copy_source *source, int32_t n_copy) {
  const seq_layout *s = &layout->sequence;
  if (!s->cls_sep || s->segments < 2 || layout->copy_tokens < 2 || layout->item_tokens < 1) return false;
  const int64_t all = (int64_t)s->max_positions - 2 - (layout->copy_tokens - 1) - source->n_context;
  if (all < 0) return false;
  int32_t room = (int32_t)all;
  const int32_t item = least(least(source->n_item, layout->item_tokens), room);
  room -= item;
  const int32_t history = least(source->history.n, room);
  *plan = (copy_plan){
      .source = 2 + source->n_context + item + history,
      .item = item,
      .history = history,
      .written = n_copy == NO_COPY ? 0 : least(n_copy, layout->copy_tokens - 1) + 1,
  };
  plan->rows = plan->source + (plan->written > 0 ? plan->written - 1 : 0);
  plan->positions_from = s->positions_from_end ? plan->source + layout->copy_tokens - 2 : -1;
  return true;
}

int32_t copy_row_type(const copy_layout *layout) {
  return layout->sequence.n_event_types;
}

int32_t copy_row_position(const copy_plan *plan, int32_t row) {
  return plan->positions_from >= 0 ? plan->positions_from - row : row;
}

static int32_t put(const int32_t *tokens, int32_t n, int32_t *ids, int32_t *types, int32_t row) {
  for (int32_t i = 0; i < n; i++, row++) {
    ids[row] = tokens[i];
    types[row] = 0;
  }
  return row;
}

void copy_write_source(const copy_plan *plan, const copy_layout *layout, const copy_source *source,
                       int32_t *ids, int32_t *types, int32_t *positions) {
  static const int32_t cls = TOKEN_CLS, sep = TOKEN_SEP;
  const seq_input *h = &source->history;
  const int32_t fixed = sequence_fixed(source->fixed, h->n, plan->history),
                newest = h->n - (plan->history - fixed);
  int32_t row = put(&cls, 1, ids, types, 0);
  row = put(source->context, source->n_context, ids, types, row);
  row = put(source->item, plan->item, ids, types, row);
  row = put(h->tokens, fixed, ids, types, row);
  for (int32_t i = newest; i < h->n; i++, row++) {
    ids[row] = h->tokens[i];
    types[row] = h->events != NULL && h->events[i] < layout->sequence.n_event_types ? h->events[i] : 0;
  }
  put(&sep, 1, ids, types, row);
  for (int32_t i = 0; i < plan->source; i++) positions[i] = copy_row_position(plan, i);
}
