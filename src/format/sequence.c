// The layout of sequences; see sequence.h.
#include "format/sequence.h"

#include <stddef.h>
#include "format/vocabulary.h"

typedef struct writer {
  const seq_layout *layout;
  int32_t *ids, *types, row;
} writer;

int32_t sequence_specials(const seq_layout *layout, bool pair, bool query) {
  return (layout->cls_sep ? 2 + pair : 0) + (query && layout->asks == ASKS_MASKED);
}

// The result of dropping tokens one by one from the longer segment (the first, if they are equal) until both fit.
void sequence_share(int32_t room, int32_t *first, int32_t *second) {
  const int32_t a = *first, b = *second;
  if ((int64_t)a + b <= room) return;
  if (2 * (int64_t)b <= (int64_t)room + 1) {
    *first = room - b;
  } else if (2 * (int64_t)a <= room) {
    *second = room - a;
  } else {
    *first = room / 2;
    *second = room - room / 2;
  }
}

int32_t sequence_fixed(int32_t fixed, int32_t n, int32_t kept) {
  const int32_t most = kept - (n > fixed && kept > 0);
  return fixed < most ? fixed : most;
}

bool sequence_plan(seq_plan *plan, const seq_layout *layout, int32_t n, int32_t n_second, bool query) {
  const bool pair = n_second != NO_SECOND;
  const int32_t specials = sequence_specials(layout, pair, query), room = layout->max_positions - specials;
  if (room < 1 && !(room == 0 && query)) return false;
  *plan = (seq_plan){.kept = n, .second_kept = pair ? n_second : 0, .first = layout->cls_sep};
  if (pair)
    sequence_share(room, &plan->kept, &plan->second_kept);
  else if (n > room)
    plan->kept = room;
  plan->rows = plan->kept + plan->second_kept + specials;
  const bool masked = layout->asks == ASKS_MASKED;
  plan->mask = query && masked ? plan->first + plan->kept : -1;
  plan->asked = query ? plan->first + plan->kept - !masked : -1;
  if (query && plan->asked < 0) { // no event and no [CLS]
    plan->mask = plan->asked = 0;
    plan->rows = 1;
  }
  return plan->rows > 0;
}

static void put(writer *w, int32_t token, int32_t segment, int32_t event) {
  const int32_t types = w->layout->n_event_types;
  w->ids[w->row] = token;
  w->types[w->row++] = segment * types + (event < types ? event : 0);
}

static void put_newest(writer *w, const seq_input *in, int32_t kept, int32_t segment) {
  for (int32_t i = in->n - kept; i < in->n; i++)
    put(w, in->tokens[i], segment, in->events != NULL ? in->events[i] : 0);
}

void sequence_write(const seq_plan *plan, const seq_layout *layout, const seq_input *first,
                    const seq_input *second, int32_t *ids, int32_t *types, int32_t *positions) {
  writer w = {layout, ids, types, 0};
  if (layout->cls_sep) put(&w, TOKEN_CLS, 0, 0);
  put_newest(&w, first, plan->kept, 0);
  if (plan->mask >= 0) put(&w, TOKEN_MASK, 0, 0);
  if (layout->cls_sep) put(&w, TOKEN_SEP, 0, 0);
  if (second != NULL) {
    put_newest(&w, second, plan->second_kept, 1);
    if (layout->cls_sep) put(&w, TOKEN_SEP, 1, 0);
  }
  sequence_positions(layout, plan->rows, positions);
}

void sequence_positions(const seq_layout *layout, int32_t n, int32_t *positions) {
  for (int32_t i = 0; i < n; i++) positions[i] = layout->positions_from_end ? n - 1 - i : i;
}
