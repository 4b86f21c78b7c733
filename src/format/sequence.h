// From a history to the rows that a model sees: which of its tokens are kept, and the ids, types and positions of the rows.
// Training, evaluation and the inference module all lay their sequences out here, so that they cannot differ.
//
//   first [MASK]                                   without cls_sep; [MASK] in a query only
//   [CLS] first [MASK] [SEP] second [SEP]          with cls_sep; the second segment in a pair only
//
// A query asks a model what comes behind the history. A model that fills masks is asked at [MASK]. A causal one, whose rows
// see nothing behind them and predict their successors, needs none: it is asked at the newest event, and a history without
// events at [CLS], or at a [MASK] that is alone where there is no [CLS].
//
// A sequence longer than the model's positions loses its oldest tokens; in a pair the longer segment is shortened
// first. Two calls: sequence_plan counts, so that the caller can find room, and sequence_write fills the arrays.
#ifndef SOUK_FORMAT_SEQUENCE_H
#define SOUK_FORMAT_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

// What is predicted at rows: what a mask hides; what comes behind them, and then no row sees a later one; or in one sequence the
// one and in another the other.
typedef enum seq_asks { ASKS_MASKED, ASKS_NEXT, ASKS_BOTH } seq_asks;

// Part of a model's configuration.
typedef struct seq_layout {
  bool cls_sep;            // [CLS] a [SEP] (b [SEP]) as in BERT; without: just the items
  seq_asks asks;           // where it is not ASKS_MASKED, queries are causal
  bool positions_from_end; // position ids count from the last token (0) back; else from the first
  int32_t max_positions;   // longest sequence, specials included
  int32_t n_event_types;   // token_type_id = segment * n_event_types + event
  int32_t segments;        // that the model has token types for; pairs need 2
  bool items_only;         // what is predicted is an item, never a word
  bool writes;             // copy is written (copy_sequence.h)
} seq_layout;

// Events of a history as the model sees them, the oldest first.
typedef struct seq_input {
  const int32_t *tokens; // [n]
  const uint8_t *events; // [n]; NULL: none. One that the layout has no type for counts as 0
  int32_t n;
} seq_input;

typedef struct seq_plan {
  int32_t rows;              // of the whole sequence
  int32_t kept, second_kept; // tokens of each segment: the newest
  int32_t first;             // row of the first segment's oldest kept token
  int32_t mask, asked;       // row of [MASK], -1: none; row that is asked, -1: not a query
} seq_plan;

enum { NO_SECOND = -1 };

// Rows that are no events, of a history with events.
int32_t sequence_specials(const seq_layout *layout, bool pair, bool query);
// What of two segments fits into room for `room` tokens: the longer one is shortened first.
void sequence_share(int32_t room, int32_t *first, int32_t *second);
// A history of n tokens, the first `fixed` of which are attributes of the user, is cut to `kept`: how many of the attributes stay, as
// many as leave room for one other token. Behind them come the newest of the others.
int32_t sequence_fixed(int32_t fixed, int32_t n, int32_t kept);
// Plans the sequence of n tokens and, in a pair, n_second others (NO_SECOND: not a pair). query: [MASK] behind the first
// segment. False: the layout has no room for a token beside the specials, or nothing would be in the sequence.
bool sequence_plan(seq_plan *plan, const seq_layout *layout, int32_t n, int32_t n_second, bool query);
// Writes plan->rows elements of each array. The inputs are those planned for; second is NULL unless it is a pair.
void sequence_write(const seq_plan *plan, const seq_layout *layout, const seq_input *first,
                    const seq_input *second, int32_t *ids, int32_t *types, int32_t *positions);
// Only the positions of a sequence of n rows, for sequences whose ids were made elsewhere.
void sequence_positions(const seq_layout *layout, int32_t n, int32_t *positions);

#endif
